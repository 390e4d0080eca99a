/* SPDX-License-Identifier: MIT */
/*
 * The commands. Each returns the exit code of the program and has said on stderr what
 * went wrong.
 */
#ifndef RNX_RNX_H
#define RNX_RNX_H

#include <joblet/job.h>

#include "options.h"

/* words: the command and its arguments, NULL terminated. */
int cmd_run(const struct options *opts, char **words);
int cmd_doctor(const struct options *opts, char **words);
int cmd_help(const struct options *opts, char **words);
int cmd_version(const struct options *opts, char **words);

/* Help for everything (NULL) or for one command, on stdout. */
int print_help(const char *command);

/*
 * Makes the description of a job; one line on stderr and a usage exit code when the
 * library does not like a value. *ret_spec is released with jl_job_spec_free().
 */
int spec_build(const struct options *opts, char **words, jl_job_spec **ret_spec);

/*
 * Signals for the job. signals_open() blocks those that are forwarded and returns a
 * descriptor that polls readable when one came, or -errno; those the caller of rnx chose
 * to ignore (nohup) stay ignored. signals_forward() sends on what came; the third
 * interrupt kills the job.
 */
int signals_open(void);
int signals_forward(int fd, jl_job *job, unsigned int *interrupts);

#endif
