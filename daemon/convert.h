/* SPDX-License-Identifier: MIT */
/* What the node knows of jobs as messages; with request.h the only files that know both.
 */
#ifndef DAEMON_CONVERT_H
#define DAEMON_CONVERT_H

#include <joblet/node.h>

#include "arena.h"
#include "joblet.pb-c.h"

/* All of it lives in the arena. node_id: as configured. */
Joblet__X__V1__JobDetails *convert_details(struct arena *arena, const jl_job_info *info);
Joblet__GetJobStatusResponse *convert_status(struct arena *arena, const jl_job_info *info,
					     const char *node_id);
/* Paths of its uploads; of very many the first ones, and how many more. */
char **convert_uploads(struct arena *arena, const jl_job_info *info, size_t *ret_count);
Joblet__RunJobResponse *convert_started(struct arena *arena, const jl_job_info *info);

/*
 * A job as lists show it. text_max: most bytes of command and arguments together; what is
 * cut ends in "...".
 */
Joblet__Job *convert_job(struct arena *arena, const jl_job_info *info,
			 const char *node_id, size_t text_max);
Joblet__X__V1__ListedJob *convert_listed(struct arena *arena, const jl_job_info *info,
					 size_t text_max);

/* Exit code as messages have it; 0 when there is none. */
int32_t convert_exit_code(const jl_job_info *info);
const char *convert_state(const jl_job_info *info);

#endif
