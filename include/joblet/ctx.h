/* SPDX-License-Identifier: MIT */
#ifndef JOBLET_CTX_H
#define JOBLET_CTX_H

/**
 * @file
 * The context: one caller, its supervisor, its place in the cgroup trees, its events.
 *
 * A handle is used by one thread at a time. `_ref` and `_unref` may be called from any
 * thread. Different contexts are independent.
 *
 * The first job of a context starts its supervisor, a small process that is parent of all
 * its jobs. It ends when the context is gone and the last job has ended.
 */

#include <joblet/base.h>
#include <joblet/error.h>
#include <joblet/log.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A caller of the library. */
typedef struct jl_ctx jl_ctx;
/** Report on what this machine and this caller can do. */
typedef struct jl_probe jl_probe;

/** Flags of jl_ctx_new(). */
enum {
	/** Do not read environment variables (XDG_RUNTIME_DIR, XDG_STATE_HOME). */
	JL_CTX_NO_ENVIRONMENT = 1 << 0,
	/**
	 * The calling process may be moved into a leaf below its own cgroup when that is
	 * what it takes to give jobs limits (cgroup v2 allows no processes beside groups
	 * with controllers). Only when no foreign process is in that cgroup. Meant for
	 * programs that own their process; a library inside somebody else's leaves it
	 * off.
	 */
	JL_CTX_MOVE_SELF = 1 << 1
};

/**
 * Open a context. Starts nothing yet.
 *
 * @param flags         JL_CTX_ flags, 0 for none.
 * @param[out] ret_ctx  The context, released with jl_ctx_unref().
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL for unknown flags, -EMFILE or -ENFILE without descriptors, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_ctx_new(uint32_t flags, jl_ctx **ret_ctx, jl_error **ret_err);

/** Take a reference. @param ctx Context, not NULL. @return ctx. @since 0.1 */
JL_API jl_ctx *jl_ctx_ref(jl_ctx *ctx);

/**
 * Drop a reference. With the last one the connection to the supervisor closes: jobs end
 * or go on as jl_job_spec_set_orphan() said. Jobs hold a reference on their context.
 *
 * When no job goes on, the last call returns after the supervisor has removed everything
 * it made on the machine.
 *
 * @param ctx  Context; NULL is fine.
 * @return NULL.
 * @since 0.1
 */
JL_API jl_ctx *jl_ctx_unref(jl_ctx *ctx);

/**
 * Set the function that receives log lines.
 *
 * @param ctx   Context.
 * @param fn    Function, or NULL for silence.
 * @param data  Handed to fn as it is.
 * @since 0.1
 */
JL_API void jl_ctx_set_log(jl_ctx *ctx, jl_log_fn fn, void *data);

/**
 * Use another cgroup than the caller's own as base for jobs.
 *
 * @param ctx   Context that has not started a job.
 * @param path  Group as in /proc/self/cgroup, for instance "/joblet.slice"; the same path
 *              is used below every hierarchy. It must exist. NULL means the caller's own.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL for a relative path or one with "..", -EBUSY after the first job,
 *         probe or group of the context,
 *         -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_ctx_set_cgroup_base(jl_ctx *ctx, const char *path,
						jl_error **ret_err);

/**
 * Use another folder for what must lie on a disk: /work of jobs with I/O limits.
 *
 * Default: /var/lib/joblet for root, $XDG_STATE_HOME/joblet or ~/.local/state/joblet
 * otherwise. It is created, mode 0700, when first needed.
 *
 * @param ctx   Context that has not started a job.
 * @param path  Absolute path.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL for a relative path, -EBUSY after the first job, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_ctx_set_state_dir(jl_ctx *ctx, const char *path,
					      jl_error **ret_err);

/**
 * A descriptor that polls readable when jl_ctx_next_event() has something to return.
 *
 * @param ctx  Context.
 * @return the descriptor, borrowed: do not read from it or close it.
 * @since 0.1
 */
JL_API int jl_ctx_get_fd(const jl_ctx *ctx);

/** Status of a line of the probe; new values may appear. */
enum {
	JL_PROBE_OK = 0,      /**< There, in full. */
	JL_PROBE_LIMITED = 1, /**< There in part, or replaced by something slower. */
	JL_PROBE_MISSING = 2 /**< Not there; the meaning says what cannot be asked for. */
};

/**
 * Find out what this kernel and this caller can do. Changes nothing on the machine.
 *
 * @param ctx             Context.
 * @param[out] ret_probe  The report, released with jl_probe_free().
 * @param[out] ret_err    Reason of a failure; may be NULL.
 * @return 0 or -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_ctx_probe(jl_ctx *ctx, jl_probe **ret_probe,
				      jl_error **ret_err);

/** Number of lines of a report. @param probe Report; NULL gives 0. @return the number.
 *  @since 0.1 */
JL_API uint32_t jl_probe_count(const jl_probe *probe);
/**
 * Name of a line, stable and fit for programs, for instance "cgroup.memory".
 * @param probe Report. @param index Line. @return borrowed; NULL beyond the last line.
 * @since 0.1
 */
JL_API const char *jl_probe_name(const jl_probe *probe, uint32_t index);
/**
 * Status of a line.
 * @param probe Report. @param index Line. @return a JL_PROBE_ value, -EINVAL beyond.
 * @since 0.1
 */
JL_API int jl_probe_status(const jl_probe *probe, uint32_t index);
/**
 * What was found, for instance "v1 at /sys/fs/cgroup/memory".
 * @param probe Report. @param index Line. @return borrowed; NULL beyond the last line.
 * @since 0.1
 */
JL_API const char *jl_probe_value(const jl_probe *probe, uint32_t index);
/**
 * What a lack means for jobs and what to do about it; "" when nothing lacks.
 * @param probe Report. @param index Line. @return borrowed; NULL beyond the last line.
 * @since 0.1
 */
JL_API const char *jl_probe_meaning(const jl_probe *probe, uint32_t index);
/** Release a report. @param probe Report; NULL is fine. @since 0.1 */
JL_API void jl_probe_free(jl_probe *probe);

#ifdef __cplusplus
}
#endif

#endif
