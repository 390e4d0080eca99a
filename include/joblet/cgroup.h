/* SPDX-License-Identifier: MIT */
#ifndef JOBLET_CGROUP_H
#define JOBLET_CGROUP_H

/**
 * @file
 * Control groups by themselves: create, limit, fill, read, remove. Jobs have theirs made
 * for them; this is for programs that want limits on processes they start another way.
 *
 * One handle stands for the group of one name in every hierarchy of this machine: cgroup
 * v2, and v1 for controllers that still sit there. Groups are made below the context's
 * base and nowhere else. A handle is used by one thread at a time; `_ref` and `_unref`
 * may be called from any thread.
 */

#include <sys/types.h>

#include <joblet/ctx.h>
#include <joblet/limits.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A control group. */
typedef struct jl_cgroup jl_cgroup;

/**
 * What a group has used. Set `size` to sizeof(struct jl_stats) before the call; the
 * library fills no more than that. Values the kernel does not offer are UINT64_MAX.
 */
struct jl_stats {
	uint64_t size;		     /**< Set by the caller. */
	uint64_t cpu_usec;	     /**< CPU time, user and system. */
	uint64_t cpu_user_usec;	     /**< CPU time in user mode. */
	uint64_t cpu_system_usec;    /**< CPU time in the kernel. */
	uint64_t cpu_throttled_usec; /**< Time spent waiting for the CPU limit. */
	uint64_t memory_bytes;	     /**< Memory now. */
	uint64_t memory_peak_bytes;  /**< Highest memory so far. */
	uint64_t memory_anon_bytes;  /**< Of memory_bytes: anonymous. */
	uint64_t memory_file_bytes;  /**< Of memory_bytes: page cache and tmpfs. */
	uint64_t memory_oom_kills;   /**< Processes killed because memory ran out. */
	uint64_t pids;		     /**< Processes and threads now. */
	uint64_t pids_peak;	     /**< Highest number so far. */
	uint64_t pids_refused;	     /**< Forks refused by the limit. */
	uint64_t io_read_bytes;	     /**< Bytes read from block devices. */
	uint64_t io_write_bytes;     /**< Bytes written to block devices. */
	uint64_t net_received_bytes; /**< Of the job, by its network; loopback apart. */
	uint64_t net_sent_bytes;     /**< The same. */
	uint64_t net_received_packets; /**< The same. */
	uint64_t net_sent_packets;     /**< The same. */
};

/**
 * Create a group below the context's base.
 *
 * @param ctx   Context.
 * @param name  1 to 200 bytes of [A-Za-z0-9_.-], not starting with a dot.
 * @param[out] ret_cgroup  The group, released with jl_cgroup_unref(); it stays in the
 *                         kernel until jl_cgroup_remove().
 * @param[out] ret_err     Reason of a failure; may be NULL.
 * @return 0, -EINVAL for a bad name, -EEXIST, -EPERM or -EACCES when the base is not the
 *         caller's to use, -EBUSY when processes in the base forbid controllers,
 *         -EOPNOTSUPP without any hierarchy, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_cgroup_create(jl_ctx *ctx, const char *name,
					  jl_cgroup **ret_cgroup, jl_error **ret_err);

/**
 * Open a group that exists below the context's base.
 *
 * @param ctx   Context.
 * @param name  As for jl_cgroup_create().
 * @param[out] ret_cgroup  The group, released with jl_cgroup_unref().
 * @param[out] ret_err     Reason of a failure; may be NULL.
 * @return 0, -EINVAL for a bad name, -ENOENT, -EPERM, -EACCES, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_cgroup_open(jl_ctx *ctx, const char *name,
					jl_cgroup **ret_cgroup, jl_error **ret_err);

/** Take a reference. @param cgroup Group, not NULL. @return cgroup. @since 0.1 */
JL_API jl_cgroup *jl_cgroup_ref(jl_cgroup *cgroup);
/** Drop a reference; the group in the kernel stays. @param cgroup Group; NULL is fine.
 *  @return NULL. @since 0.1 */
JL_API jl_cgroup *jl_cgroup_unref(jl_cgroup *cgroup);

/**
 * Apply limits and read them back. Limits the set does not name are lifted.
 *
 * @param cgroup  Group.
 * @param limits  Limits; copied.
 * @param device  For I/O limits: a path on the file system whose device is meant; may be
 *                NULL when the set has none.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EOPNOTSUPP when a limit cannot be enforced here, -EINVAL when I/O limits
 *         come without a device, -EIO when a limit does not read back, -EPERM, -EACCES,
 *         -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_cgroup_apply(jl_cgroup *cgroup, const jl_limits *limits,
					 const char *device, jl_error **ret_err);

/**
 * Read the limits that are in force for this very group.
 *
 * @param cgroup           Group.
 * @param[out] ret_limits  Set, released with jl_limits_free(). I/O limits are the lowest
 *                         over all devices.
 * @param[out] ret_err     Reason of a failure; may be NULL.
 * @return 0, -ENOENT when the group is gone, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_cgroup_read_limits(jl_cgroup *cgroup, jl_limits **ret_limits,
					       jl_error **ret_err);

/**
 * Move a process into the group.
 *
 * The kernel waits for an RCU grace period (5 to 13 ms); jobs avoid that by being born in
 * their group.
 *
 * @param cgroup  Group.
 * @param pid     Process as the caller sees it, or 0 for the caller.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -ESRCH, -EINVAL for a negative pid, -EPERM, -EACCES.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_cgroup_add_pid(jl_cgroup *cgroup, pid_t pid,
					   jl_error **ret_err);

/**
 * Read what the group has used.
 *
 * @param cgroup  Group.
 * @param stats   Filled in; stats->size is set by the caller.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL for a size below 16, -ENOENT when the group is gone.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_cgroup_get_stats(jl_cgroup *cgroup, struct jl_stats *stats,
					     jl_error **ret_err);

/**
 * Stop or resume every process of the group. Returns when the kernel has done it.
 *
 * @param cgroup  Group.
 * @param frozen  1 to stop, 0 to resume.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL, -EOPNOTSUPP without a freezer, -ENOENT when the group is gone.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_cgroup_freeze(jl_cgroup *cgroup, int frozen,
					  jl_error **ret_err);

/**
 * Kill every process of the group and wait until it is empty.
 *
 * @param cgroup  Group.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EBUSY when processes stay (in uninterruptible sleep), -ENOENT when the
 * group is gone, -EPERM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_cgroup_kill(jl_cgroup *cgroup, jl_error **ret_err);

/**
 * Remove an empty group from the kernel, in every hierarchy.
 *
 * @param cgroup  Group; the handle stays and wants jl_cgroup_unref().
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0 (also when it was gone), -EBUSY while processes or sub-groups are in it.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_cgroup_remove(jl_cgroup *cgroup, jl_error **ret_err);

#ifdef __cplusplus
}
#endif

#endif
