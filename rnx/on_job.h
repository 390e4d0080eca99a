/* SPDX-License-Identifier: MIT */
/* What the commands for one job have in common. */
#ifndef RNX_ON_JOB_H
#define RNX_ON_JOB_H

#include "backend.h"

/* What is done with the job of this id; job is then how it is, or there is a fault. */
typedef int (*job_action)(const struct options *opts, struct backend *backend,
			  const char *id, struct job *job, struct fault *fault);
/* What is printed of it; the exit code. */
typedef int (*job_printer)(const struct options *opts, const struct job *job);

/* Opens what the flags say, acts, prints, closes. Returns the exit code. */
int on_job(const struct options *opts, const char *id, job_action act, job_printer print);

#endif
