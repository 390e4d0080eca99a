/* SPDX-License-Identifier: MIT */
#ifndef JOBLET_JOB_H
#define JOBLET_JOB_H

/**
 * @file
 * Jobs: describe one, start it, follow it, read its result.
 *
 * @code
 * jl_job_spec *spec;
 * jl_job_spec_new(&spec);
 * jl_job_spec_add_arg(spec, "echo", NULL);
 * jl_job_spec_add_arg(spec, "hello", NULL);
 * jl_job_spec_set_stdio(spec, 1, 1, NULL);
 * jl_job_spawn(ctx, spec, &job, NULL);
 * jl_job_wait(job, JL_FOREVER, NULL);
 * @endcode
 *
 * The command runs as PID 1 of its own pid namespace, as root of its own user namespace,
 * in a private root made of the host's tool folders, read-only. It cannot see or touch
 * anything else of the host.
 *
 * A handle is used by one thread at a time, and using a job uses its context. `_ref`,
 * `_unref` and jl_job_kill() may be called from any thread. Different contexts are
 * independent.
 */

#include <sys/types.h>

#include <joblet/cgroup.h>
#include <joblet/ctx.h>
#include <joblet/limits.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Description of a job. */
typedef struct jl_job_spec jl_job_spec;
/** A started job. */
typedef struct jl_job jl_job;

/** "As long as it takes", for timeouts in microseconds. */
#define JL_FOREVER UINT64_MAX

/* ---- describing a job ---- */

/**
 * A description with the defaults: no command, clean environment, /work as working
 * directory, no network but loopback, default seccomp level, 4096 processes, standard
 * streams on /dev/null, killed when its context goes away.
 *
 * @param[out] ret_spec  Description, released with jl_job_spec_free().
 * @return 0 or -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_spec_new(jl_job_spec **ret_spec);
/** Release a description. @param spec Description; NULL is fine. @since 0.1 */
JL_API void jl_job_spec_free(jl_job_spec *spec);

/**
 * Append to the command line. The first one is the command: a path inside the job, or a
 * name looked up in the job's PATH.
 *
 * @param spec  Description to change.
 * @param arg   Bytes without NUL, at most 131071; the first one must not be empty.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL for NULL or an empty command, -E2BIG beyond the kernel's 128 KiB per
 *         argument or 2 MiB altogether, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_spec_add_arg(jl_job_spec *spec, const char *arg,
					     jl_error **ret_err);

/**
 * Set an environment variable, replacing a former or default value.
 *
 * @param spec   Description to change.
 * @param name   [A-Za-z_][A-Za-z0-9_]*; names starting with JOB_ or JOBLET are the
 *               library's own.
 * @param value  UTF-8, at most 32768 bytes.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL for a bad or reserved name or a value that is not UTF-8, -E2BIG
 *         for a longer value, more than 4096 variables or more than 2 MiB altogether,
 *         -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_spec_set_env(jl_job_spec *spec, const char *name,
					     const char *value, jl_error **ret_err);

/**
 * As jl_job_spec_set_env() for a value nobody should see: it is shown as *** wherever the
 * library prints the description.
 *
 * @param spec   Description to change.
 * @param name   Name.
 * @param value  Value.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return as jl_job_spec_set_env().
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_spec_set_secret_env(jl_job_spec *spec, const char *name,
						    const char *value,
						    jl_error **ret_err);

/**
 * Name the job. Shown to people and given to the job as JOB_NAME.
 *
 * @param spec  Description to change.
 * @param name  1 to 63 bytes of [A-Za-z0-9_.-], first and last alphanumeric; NULL = none.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_spec_set_name(jl_job_spec *spec, const char *name,
					      jl_error **ret_err);

/**
 * Host name inside the job; default "joblet".
 *
 * @param spec      Description to change.
 * @param hostname  1 to 64 bytes of [A-Za-z0-9.-], labels of at most 63 not starting or
 *                  ending with a hyphen; NULL = default.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_spec_set_hostname(jl_job_spec *spec, const char *hostname,
						  jl_error **ret_err);

/**
 * Working directory inside the job; default /work. Must exist when the job starts and lie
 * inside the job's root: magic links of /proc are refused.
 *
 * @param spec  Description to change.
 * @param path  Absolute path of at most 4095 bytes, UTF-8; NULL = default.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL, -ENAMETOOLONG, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_spec_set_work_dir(jl_job_spec *spec, const char *path,
						  jl_error **ret_err);

/**
 * User and group inside the job; default 0 and 0. Anything but 0 starts without
 * capabilities.
 *
 * @param spec  Description to change.
 * @param uid   0 to 65534.
 * @param gid   0 to 65534.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, or -ERANGE. An unprivileged caller can run jobs as 0 only; that is found
 *         when the job starts.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_spec_set_user(jl_job_spec *spec, uint32_t uid,
					      uint32_t gid, jl_error **ret_err);

/**
 * Connect a standard stream of the job.
 *
 * @param spec    Description to change.
 * @param stream  0, 1 or 2.
 * @param fd      Descriptor of the caller, duplicated at once; -1 for /dev/null. Give 0,
 * 1 or 2 to share the caller's own. Refused, because they would be a way out of the job:
 * directories, block devices, descriptors opened with O_PATH, and sockets other than
 * connected Unix byte streams.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL for another stream or a refused descriptor, -EBADF, -EMFILE.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_spec_set_stdio(jl_job_spec *spec, int stream, int fd,
					       jl_error **ret_err);

/**
 * The limits of the job, to be changed in place.
 *
 * @param spec  Description.
 * @return borrowed from the description; never NULL.
 * @since 0.1
 */
JL_API jl_limits *jl_job_spec_limits(jl_job_spec *spec);

/**
 * End the job after some wall-clock time (reason JL_REASON_TIMEOUT).
 *
 * @param spec          Description to change.
 * @param timeout_usec  1000 (1 ms) to 366 days; 0 or JL_FOREVER = none.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, or -ERANGE.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_spec_set_timeout(jl_job_spec *spec, uint64_t timeout_usec,
						 jl_error **ret_err);

/**
 * Size limit of a writable folder of the job kept in memory.
 *
 * @param spec   Description to change.
 * @param path   "/tmp", "/work" or "/dev/shm".
 * @param bytes  64 KiB to 2^62 bytes; 0 = the default (half of the machine's memory at
 * most, and always within the job's memory limit).
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL for another path, -ERANGE.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_spec_set_tmpfs_bytes(jl_job_spec *spec, const char *path,
						     uint64_t bytes, jl_error **ret_err);

/** Networks of jl_job_spec_set_network(); new values may appear. */
enum {
	JL_NETWORK_NONE = 0,	 /**< Own network namespace with loopback only. */
	JL_NETWORK_HOST = 1,	 /**< The network namespace of the caller. */
	JL_NETWORK_ISOLATED = 2, /**< The outside, but no other job; <joblet/net.h>. */
	JL_NETWORK_BRIDGE = 3	 /**< Other jobs of "bridge", and the outside. */
};

/**
 * Choose the network; default JL_NETWORK_NONE.
 *
 * JL_NETWORK_HOST gives up a boundary: the job reaches every service of the host,
 * abstract Unix sockets included.
 *
 * @param spec     Description to change.
 * @param network  A JL_NETWORK_ value.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, or -EINVAL.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_spec_set_network(jl_job_spec *spec, int network,
						 jl_error **ret_err);

/**
 * Choose the network by name: "none", "host", "isolated", "bridge", or one made with
 * jl_net_create(). It is looked up when the job starts.
 *
 * @param spec  Description to change.
 * @param name  Name.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL for what cannot be a name, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_spec_set_network_name(jl_job_spec *spec, const char *name,
						      jl_error **ret_err);

/**
 * Allow the job to reach a subnet; adds up. Once one is given everything else is refused,
 * other jobs of its network included. Not for "none" and "host".
 *
 * @param spec   Description to change.
 * @param allow  "10.0.0.0/8", "192.0.2.7:443", "192.0.2.0/24:8000-8999": without a port
 *               all ports and protocols, with one TCP and UDP.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL, -E2BIG beyond 256 of them, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_spec_add_allow_net(jl_job_spec *spec, const char *allow,
						   jl_error **ret_err);

/**
 * Limit the bandwidth of the job, each way by itself. Not for "none" and "host".
 *
 * @param spec  Description to change.
 * @param bps   Bytes per second, at least 1024; 0 = none.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, or -ERANGE.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_spec_set_net_bps(jl_job_spec *spec, uint64_t bps,
						 jl_error **ret_err);

/**
 * Publish a port of the job on the host's addresses, loopback apart; adds up. Not for
 * "none" and "host".
 *
 * @param spec  Description to change.
 * @param port  "8080:80" or "5353:53/udp": port of the host, port of the job.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL, -E2BIG beyond 64 of them, -ENOMEM. A port that is taken is found
 *         when the job starts (-EADDRINUSE).
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_spec_add_publish(jl_job_spec *spec, const char *port,
						 jl_error **ret_err);

/** Levels of jl_job_spec_set_seccomp(); new values may appear. */
enum {
	JL_SECCOMP_OFF = 0,	/**< No filter at all. */
	JL_SECCOMP_DEFAULT = 1, /**< Deny-list: what sandboxed programs never need. */
	JL_SECCOMP_STRICT = 2	/**< Default, and debugging and raw sockets. */
};

/**
 * Choose the system call filter; default JL_SECCOMP_DEFAULT. doc/seccomp.md lists them.
 *
 * @param spec   Description to change.
 * @param level  A JL_SECCOMP_ value.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, or -EINVAL.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_spec_set_seccomp(jl_job_spec *spec, int level,
						 jl_error **ret_err);

/**
 * Put a small init in front: it is PID 1, forwards signals, reaps, and ends with the
 * command's status. Default 0: the command itself is PID 1.
 *
 * @param spec  Description to change.
 * @param init  0 or 1.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, or -EINVAL.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_spec_set_init(jl_job_spec *spec, int init,
					      jl_error **ret_err);

/**
 * Limit a resource of each process of the job (setrlimit).
 *
 * Defaults: RLIMIT_CORE 1, which means no core dump at all, not even to a handler of the
 * host that reads it from a pipe; everything else as the caller has it.
 *
 * @param spec      Description to change.
 * @param resource  An RLIMIT_ value.
 * @param soft      Soft limit; UINT64_MAX = no limit.
 * @param hard      Hard limit, not below soft and not above the caller's own.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL for an unknown resource or soft above hard.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_spec_set_rlimit(jl_job_spec *spec, int resource,
						uint64_t soft, uint64_t hard,
						jl_error **ret_err);

/** What becomes of a job whose context goes away; new values may appear. */
enum {
	JL_ORPHAN_KILL = 0, /**< It is killed. */
	JL_ORPHAN_KEEP = 1  /**< It goes on under its supervisor. */
};

/**
 * Choose what becomes of the job when its context is closed or the caller dies.
 *
 * @param spec    Description to change.
 * @param orphan  A JL_ORPHAN_ value; default JL_ORPHAN_KILL.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, or -EINVAL.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_spec_set_orphan(jl_job_spec *spec, int orphan,
						jl_error **ret_err);

/**
 * Check a description without starting anything.
 *
 * @param spec          Description to check.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, or -EINVAL.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_spec_check(const jl_job_spec *spec, jl_error **ret_err);

/**
 * Print what would be done for a description, one step a line, secrets masked.
 *
 * @param ctx            Context.
 * @param spec           Description.
 * @param[out] ret_text  UTF-8 text, released with jl_free().
 * @param[out] ret_err   Reason of a failure; may be NULL.
 * @return as jl_job_spawn(), as far as it can be known beforehand.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_spec_explain(jl_ctx *ctx, const jl_job_spec *spec,
					     char **ret_text, jl_error **ret_err);

/* ---- running it ---- */

/**
 * Start a job. Returns when its command runs, or with the step that failed.
 *
 * @param ctx   Context.
 * @param spec  Description; can be used again for further jobs.
 * @param[out] ret_job  The job, released with jl_job_unref(). Dropping the last handle of
 *                      a running job does not end it.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0; -EINVAL for an incomplete description or a core that is not online; -ENOENT,
 *         -ENOTDIR or -EACCES when the command or working directory is not there or not
 * to be used; -E2BIG; -ENOEXEC; -EOPNOTSUPP when something that was asked for cannot be
 * enforced here; -EPERM; -EBUSY when processes in the base cgroup forbid limits; -ESTALE
 * when a file changed while the job was prepared; -ECONNRESET when the supervisor died;
 * -EMFILE, -ENFILE, -EAGAIN, -ENOSPC when the machine is short of something; -EIO;
 * -ENOMEM. When it is the command that cannot be run, jl_error_module() is "command".
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_spawn(jl_ctx *ctx, const jl_job_spec *spec,
				      jl_job **ret_job, jl_error **ret_err);

/** Take a reference. @param job Job, not NULL. @return job. @since 0.1 */
JL_API jl_job *jl_job_ref(jl_job *job);
/** Drop a reference; the job itself goes on. @param job Job; NULL is fine. @return NULL.
 *  @since 0.1 */
JL_API jl_job *jl_job_unref(jl_job *job);

/**
 * Identity of the job: 32 hexadecimal digits, given to it as JOB_ID.
 *
 * @param job  Job.
 * @return borrowed from the job.
 * @since 0.1
 */
JL_API const char *jl_job_get_id(const jl_job *job);

/**
 * Address of the job in its network, for instance "172.20.0.2".
 *
 * @param job  Job.
 * @return borrowed from the job; "" without a network.
 * @since 0.1
 */
JL_API const char *jl_job_get_address(const jl_job *job);

/**
 * Process id of the job's PID 1 as the caller sees it; for display. Signals go through
 * jl_job_signal(), which cannot hit another process.
 *
 * @param job  Job.
 * @return the pid, or -ESRCH once the job has ended.
 * @since 0.1
 */
JL_API pid_t jl_job_get_pid(const jl_job *job);

/**
 * A pidfd of the job's PID 1; polls readable when that has ended.
 *
 * @param job  Job.
 * @return the descriptor, borrowed from the job.
 * @since 0.1
 */
JL_API int jl_job_get_pidfd(const jl_job *job);

/**
 * Wait until a job has ended and everything of it is gone.
 *
 * Interrupted by signals it waits on; programs with an event loop use jl_ctx_get_fd().
 *
 * @param job           Job.
 * @param timeout_usec  How long; 0 looks only; JL_FOREVER waits without end.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0 when ended, -ETIMEDOUT, -EPERM in a child of the process that started it,
 *         -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_wait(jl_job *job, uint64_t timeout_usec,
				     jl_error **ret_err);

/**
 * Send a signal to the job's PID 1.
 *
 * The kernel drops signals for a PID 1 that neither handles nor ignores them; the default
 * action is then carried out by the library, so that a plain `sleep` ends on SIGTERM as
 * it does outside, with reason JL_REASON_SIGNALLED.
 *
 * @param job     Job.
 * @param signal  1 to 64.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL, -ESRCH when the job has ended.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_signal(jl_job *job, int signal, jl_error **ret_err);

/**
 * Ask the job to end: SIGTERM, and after the grace time jl_job_kill(). Returns at once;
 * the supervisor keeps the time. The reason will be JL_REASON_STOPPED.
 *
 * @param job         Job.
 * @param grace_usec  Time between SIGTERM and SIGKILL; 0 kills at once.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, or -ESRCH when the job has ended.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_stop(jl_job *job, uint64_t grace_usec,
				     jl_error **ret_err);

/**
 * Kill every process of the job, from any thread. The reason will be JL_REASON_STOPPED.
 *
 * @param job  Job.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, or -ESRCH when the job has ended.
 * @since 0.1
 */
JL_API int jl_job_kill(jl_job *job, jl_error **ret_err);

/**
 * Stop every process of the job where it is. Timeouts go on.
 *
 * @param job  Job.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -ESRCH when the job has ended, -EOPNOTSUPP without a freezer.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_freeze(jl_job *job, jl_error **ret_err);

/**
 * Let a frozen job go on.
 *
 * @param job  Job.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -ESRCH when the job has ended, -EOPNOTSUPP without a freezer.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_thaw(jl_job *job, jl_error **ret_err);

/**
 * What the job has used so far; after its end, what it had used then.
 *
 * @param job    Job.
 * @param stats  Filled in; stats->size is set by the caller.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL for a size below 16, -EOPNOTSUPP without cgroups.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_get_stats(jl_job *job, struct jl_stats *stats,
					  jl_error **ret_err);

/* ---- its result ---- */

/** Why a job ended; new values may appear. */
enum {
	JL_REASON_EXITED = 0, /**< By itself; exit_code is its own. */
	JL_REASON_SIGNALLED =
		1,	   /**< By a signal not covered below; exit_code 128 + signal. */
	JL_REASON_OOM = 2, /**< Killed at its memory limit. */
	JL_REASON_TIMEOUT = 3, /**< Killed at its wall-clock limit. */
	JL_REASON_STOPPED = 4, /**< By jl_job_stop() or jl_job_kill(). */
	JL_REASON_LOST = 5     /**< Its supervisor died; the job was killed with it. */
};

/**
 * Result of a job. Set `size` to sizeof(struct jl_result) before the call; the library
 * fills no more than that.
 */
struct jl_result {
	uint64_t size;	     /**< Set by the caller. */
	int64_t exit_code;   /**< 0 to 255: exit code, or 128 + signal. */
	int64_t signal;	     /**< Signal that ended it, or 0. */
	int64_t reason;	     /**< A JL_REASON_ value. */
	uint64_t start_usec; /**< Start of the command, µs since 1970. */
	uint64_t end_usec;   /**< End, µs since 1970. */
	uint64_t wall_usec;  /**< Time between them on a clock that is never set. */
	uint64_t cpu_usec;   /**< CPU time of the whole job. */
	uint64_t memory_peak_bytes; /**< UINT64_MAX when unknown. */
	uint64_t io_read_bytes;	    /**< UINT64_MAX when unknown. */
	uint64_t io_write_bytes;    /**< UINT64_MAX when unknown. */
};

/**
 * Read the result of a job that has ended.
 *
 * @param job     Job.
 * @param result  Filled in; result->size is set by the caller.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EBUSY while it runs, -EINVAL for a size below 16.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_job_get_result(jl_job *job, struct jl_result *result,
					   jl_error **ret_err);

/**
 * Name of a reason: "exited", "signalled", "oom", "timeout", "stopped", "lost".
 *
 * @param reason  A JL_REASON_ value.
 * @return a static string; "unknown" for values this version does not know.
 * @since 0.1
 */
JL_API const char *jl_reason_name(int64_t reason);

#ifdef __cplusplus
}
#endif

#endif
