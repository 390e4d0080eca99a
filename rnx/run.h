/* SPDX-License-Identifier: MIT */
/*
 * The parts of rnx run: which way a job goes, what is said about it, staying with it.
 */
#ifndef RNX_RUN_H
#define RNX_RUN_H

#include "backend.h"
#include "rnx.h"

/* direct.c: --interactive and --explain. Returns the exit code. */
int run_direct(const struct options *opts, char **words);

/*
 * attach.c: passes on output and signals until the job has ended, and leaves what is
 * known of it in *job. Returns the exit code.
 */
int run_attached(const struct options *opts, struct backend *backend, struct job *job);

/* run_text.c: what is said */

/* The lines for a job that was handed in, or its JSON. Returns the exit code. */
int run_print_job(const struct options *opts, const struct job *job,
		  uint64_t files_uploaded);
/* What somebody has to know whose job waits and has nobody who starts it. */
void run_hint_waiting(const struct options *opts, const struct backend *backend,
		      const struct job *job);
/* Says why the job did not start; returns the exit code shells use for it. */
int run_not_started(const struct fault *fault, const char *command);

struct run_end {
	uint64_t reason; /* a JL_REASON_ value */
	uint64_t memory_limit_bytes, memory_peak_bytes;
	uint64_t timeout_usec;
};

/* Why a job ended, when it was not by itself. */
void run_explain_end(const struct run_end *end);

#endif
