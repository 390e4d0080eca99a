/* SPDX-License-Identifier: MIT */
/*
 * From flags to the library's description of a job.
 */
#ifndef RNX_SPEC_H
#define RNX_SPEC_H

#include <joblet/job.h>

#include "backend.h"

/*
 * Fills in a description. What the library does not like is a failure that names the flag
 * and its value, with -EINVAL whatever the library's code was (-ENOMEM stays). Streams
 * are left alone.
 */
int spec_fill(const struct options *opts, char **words, jl_job_spec *spec,
	      struct fault *fault);
/* The same into a description nobody keeps: for callers that only want to know. */
int spec_check(const struct options *opts, char **words, struct fault *fault);

/* Names that change how the job's own programs behave; allowed, but rarely meant. text
 * is NAME=VALUE. */
bool spec_is_risky(const char *text);

#endif
