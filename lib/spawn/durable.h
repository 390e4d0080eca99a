/* SPDX-License-Identifier: MIT */
/*
 * Jobs that outlive their caller: output and result go into a folder of the job, and the
 * supervisor can be found again by a socket. For node/; plan.h has the layout of what the
 * supervisor writes.
 *
 * A job's folder, in the order things appear in it:
 *   begun    empty, made by the supervisor before it clones: from here on the job counts
 *            as started, and nobody starts it again
 *   started  struct jl__record with what is known at the start
 *   log      both streams as they came; log.index says which bytes were whose, and when
 *   result   struct jl__record, renamed into place when everything of the job is gone
 */
#ifndef JL_SPAWN_DURABLE_H
#define JL_SPAWN_DURABLE_H

#include <stdbool.h>
#include <stdint.h>

#include <joblet/job.h>

#include "plan/plan.h"

/*
 * Nothing of this is flushed to the disk by the supervisor, which must not wait for one:
 * it survives the death of any program, and not that of the machine. Whoever tells others
 * that a job is accepted, or how it ended, makes that durable before.
 */

/* Where supervisors of this context listen: an absolute folder, made by the caller, mode
 * 0700. Before the first job. They remove their socket when they leave. */
int jl__ctx_set_sockets(jl_ctx *ctx, const char *folder, jl_error **err);
/* Absolute path of the socket of the context's supervisor, started when there is none.
 * Borrowed; another one after that supervisor died. */
int jl__ctx_supervisor(jl_ctx *ctx, const char **ret_name, jl_error **err);

struct jl__durable {
	int folder;  /* O_RDONLY | O_DIRECTORY of the job's folder; one folder a start */
	char id[37]; /* UUID: JOB_ID of the job, and its key at the supervisor */
	uint64_t log_bytes; /* cap of the log; 0: none */
	int uploads;	    /* folder to be copied into /work before the start, or -1 */
};

/*
 * As jl_job_spawn(); streams 1 and 2 of the description are left aside. The job goes on
 * without its context. -EEXIST: `begun` is there, somebody else started it; -EINVAL for
 * an id that is no UUID. When the handle ends as JL_REASON_LOST, the result may still be
 * in the folder: a supervisor can be killed right after writing it.
 */
int jl__job_spawn_durable(jl_ctx *ctx, const jl_job_spec *spec,
			  const struct jl__durable *durable, jl_job **ret_job,
			  jl_error **err);
/*
 * A handle for a job that another context started, by the socket of its supervisor. It
 * can be used like any other. -ESRCH: that supervisor is gone (and all its jobs with it);
 * -ENOENT: it is there and has no such job: never had, or the result is in its folder.
 * -EINVAL, and what socket(2) and connect(2) say. A job that is just ending is adopted,
 * without a pidfd.
 */
int jl__job_adopt(jl_ctx *ctx, const char *socket, const char *id, jl_job **ret_job,
		  jl_error **err);

/* Whether somebody listens there: its jobs may go on. */
bool jl__supervisor_alive(const char *socket);

/* Whether the supervisor counted the job as started. */
bool jl__record_begun(int folder);
/* What was known at the start. -ENOENT: not started (yet). */
int jl__record_started(int folder, struct jl_result *ret, jl_error **err);
/* The result. -ENOENT: none (yet). *ret_failure is NULL, or a sentence when the command
 * was never reached; released with jl__free(). */
int jl__record_result(int folder, struct jl_result *ret, struct jl_stats *ret_stats,
		      char **ret_failure, jl_error **err);
/* Whether the log is whole, a JL__LOG_ value of plan.h. -ENOENT: no result (yet). */
int jl__record_cut(int folder, uint32_t *ret, jl_error **err);

#endif
