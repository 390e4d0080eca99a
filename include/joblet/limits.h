/* SPDX-License-Identifier: MIT */
#ifndef JOBLET_LIMITS_H
#define JOBLET_LIMITS_H

/**
 * @file
 * What a job or a cgroup may use. One description for jobs (jl_job_spec_limits()) and for
 * bare groups (jl_cgroup_apply()).
 *
 * A limit that was asked for is applied and reads back, or the call fails. 0 always means
 * "no limit". A handle is used by one thread at a time.
 */

#include <joblet/base.h>
#include <joblet/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A set of limits. */
typedef struct jl_limits jl_limits;

/** Value of jl_limits_get() for a limit that is not set. */
#define JL_UNLIMITED UINT64_C(0)

/** Names of limits for jl_limits_get(). */
enum {
	JL_LIMIT_CPU_PERCENT = 0,
	JL_LIMIT_MEMORY_BYTES = 1,
	JL_LIMIT_PIDS = 2,
	JL_LIMIT_IO_READ_BPS = 3,
	JL_LIMIT_IO_WRITE_BPS = 4
};

/**
 * An empty set: nothing is limited.
 *
 * @param[out] ret_limits  The set, released with jl_limits_free().
 * @return 0 or -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_limits_new(jl_limits **ret_limits);

/** Release a set. @param limits Set made by jl_limits_new(); NULL is fine. @since 0.1 */
JL_API void jl_limits_free(jl_limits *limits);

/**
 * Limit CPU time.
 *
 * @param limits   Set to change.
 * @param percent  Percent of one core, 1 to 1000000; 150 is one and a half cores; 0 =
 * none.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, or -ERANGE.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_limits_set_cpu_percent(jl_limits *limits, uint32_t percent,
						   jl_error **ret_err);

/**
 * Limit memory, page cache and tmpfs of the job included; swap is closed.
 *
 * The kernel kills the whole job when it cannot stay below (reason JL_REASON_OOM).
 *
 * @param limits  Set to change.
 * @param bytes   1 MiB to 2^62 bytes, rounded down to whole pages; 0 = none.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, or -ERANGE.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_limits_set_memory_bytes(jl_limits *limits, uint64_t bytes,
						    jl_error **ret_err);

/**
 * Limit the number of processes and threads.
 *
 * @param limits  Set to change.
 * @param pids    1 to 4194304; 0 = none.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, or -ERANGE.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_limits_set_pids(jl_limits *limits, uint64_t pids,
					    jl_error **ret_err);

/**
 * Limit disk throughput on the device that backs /work, each way by itself.
 *
 * The kernel charges direct and synchronous I/O to the job; on cgroup v1 buffered writes
 * reach the device later and are not slowed down.
 *
 * @param limits     Set to change.
 * @param read_bps   Bytes per second, at least 1024; 0 = none.
 * @param write_bps  Bytes per second, at least 1024; 0 = none.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, or -ERANGE.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_limits_set_io_bps(jl_limits *limits, uint64_t read_bps,
					      uint64_t write_bps, jl_error **ret_err);

/**
 * Choose the cores to run on.
 *
 * @param limits  Set to change.
 * @param cpus    List and ranges in any mix, for instance "0-1,4-5"; duplicates and order
 *                do not matter. NULL or "" = all. Every core must be online when the job
 *                starts.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL for a malformed list, -ERANGE above core 8191, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_limits_set_cpus(jl_limits *limits, const char *cpus,
					    jl_error **ret_err);

/**
 * Read a limit of the set.
 *
 * @param limits  Set.
 * @param what    A JL_LIMIT_ value.
 * @return the limit in the unit of its setter; JL_UNLIMITED when none or what is unknown.
 * @since 0.1
 */
JL_API uint64_t jl_limits_get(const jl_limits *limits, int what);

/**
 * The cores of the set as a normalised list, for instance "0-1,4-5".
 *
 * @param limits  Set.
 * @return borrowed until the set changes; "" for all cores.
 * @since 0.1
 */
JL_API const char *jl_limits_get_cpus(const jl_limits *limits);

#ifdef __cplusplus
}
#endif

#endif
