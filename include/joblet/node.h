/* SPDX-License-Identifier: MIT */
#ifndef JOBLET_NODE_H
#define JOBLET_NODE_H

/**
 * @file
 * The node: one machine's durable jobs on a state folder. Jobs outlive their caller, have
 * numbers, logs, uploads, schedules and retries, and wait for a free slot.
 *
 * Several processes may have one node open. What a job is, is on disk; what it does, is
 * done by whichever of them calls jl_node_process(), exactly once. After a crash the next
 * jl_node_open() finds out what happened meanwhile.
 *
 * @code
 * jl_node *node;
 * jl_submission *sub;
 * jl_job_info *info;
 * jl_node_open(ctx, NULL, &node, NULL);
 * jl_submission_new(node, &sub, NULL);
 * jl_job_spec_add_arg(jl_submission_spec(sub), "true", NULL);
 * jl_node_submit(node, sub, &info, NULL);
 * jl_node_wait(node, jl_job_info_get_id(info), JL_FOREVER, NULL);
 * @endcode
 *
 * A handle is used by one thread at a time, and using a node uses its context. Different
 * nodes are independent.
 */

#include <joblet/job.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An open node. */
typedef struct jl_node jl_node;
/** Settings of a node. */
typedef struct jl_node_config jl_node_config;
/** A job to be: description, uploads, schedule. */
typedef struct jl_submission jl_submission;
/** What is known of a job at one moment. */
typedef struct jl_job_info jl_job_info;
/** Several of them. */
typedef struct jl_job_list jl_job_list;
/** A reader of a job's output. */
typedef struct jl_log jl_log;

/* ---- settings ---- */

/** Numbers of jl_node_config_set_number(); new values may appear. */
enum {
	JL_NODE_MAX_JOBS = 0,		 /**< Running at once; 0 = no cap; default 100. */
	JL_NODE_MAX_QUEUE = 1,		 /**< Waiting for a slot; default 10000. */
	JL_NODE_DEFAULT_CPU_PERCENT = 2, /**< For jobs that ask for none; default 0. */
	JL_NODE_DEFAULT_MEMORY_BYTES = 3, /**< The same; default 0. */
	JL_NODE_DEFAULT_IO_BPS = 4,	  /**< The same; default 0. */
	JL_NODE_DEFAULT_DISK_BYTES = 5,	  /**< Size of /work; default 1 GiB. */
	JL_NODE_CAP_CPU_PERCENT = 6,	  /**< Most a job may ask for; 0 = anything. */
	JL_NODE_CAP_MEMORY_BYTES = 7,	  /**< The same. */
	JL_NODE_CAP_IO_BPS = 8,		  /**< The same. */
	JL_NODE_CAP_DISK_BYTES = 9,	  /**< The same. */
	JL_NODE_LOG_BYTES = 10,		  /**< Cap of one log; 0 = none; default 1 GiB. */
	JL_NODE_KEEP_JOBS = 11,		  /**< Ended jobs kept; 0 = all; default 10000. */
	JL_NODE_KEEP_USEC = 12,		  /**< How long they are kept; 0 = for ever. */
	JL_NODE_UPLOAD_FILE_BYTES = 13,	  /**< Cap of one file; default 50 MiB. */
	JL_NODE_UPLOAD_JOB_BYTES = 14,	  /**< Cap of all files of a job; 100 MiB. */
	JL_NODE_GRACE_USEC = 15,	  /**< Between SIGTERM and SIGKILL; 10 s. */
	JL_NODE_MAX_SCHEDULED = 16,	  /**< Scheduled at once; default 10000. */
	JL_NODE_DEFAULT_TIMEOUT_USEC = 17 /**< For jobs that ask for none; default 0. */
};

/**
 * Settings with their defaults.
 *
 * @param[out] ret_config  Settings, released with jl_node_config_free().
 * @return 0 or -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_node_config_new(jl_node_config **ret_config);
/** Release settings. @param config Settings; NULL is fine. @since 0.1 */
JL_API void jl_node_config_free(jl_node_config *config);
/**
 * Set a number.
 *
 * @param config  Settings.
 * @param what    A JL_NODE_ value.
 * @param value   In the unit of its name.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL for an unknown number, -ERANGE.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_node_config_set_number(jl_node_config *config, int what,
						   uint64_t value, jl_error **ret_err);
/** Read a number. @param config Settings. @param what A JL_NODE_ value. @return the
 *  number; 0 when what is unknown. @since 0.1 */
JL_API uint64_t jl_node_config_get_number(const jl_node_config *config, int what);
/**
 * The network of jobs that ask for none.
 *
 * @param config   Settings.
 * @param network  Name; NULL = "bridge" when the caller may make networks, else "none".
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_node_config_set_network(jl_node_config *config,
						    const char *network,
						    jl_error **ret_err);
/**
 * Whether jobs may ask for the network of the host; default 1.
 *
 * @param config  Settings.
 * @param allow   0 or 1.
 * @since 0.1
 */
JL_API void jl_node_config_set_host_network(jl_node_config *config, int allow);

/* ---- opening ---- */

/**
 * Open the node in the context's state folder (jl_ctx_set_state_dir()); it is made when
 * it is not there. Reconciles with what happened while nobody had it open: living
 * supervisors, results, leftovers.
 *
 * @param ctx     Context; its own jobs and the node's do not mix.
 * @param config  Settings, copied; NULL = the defaults.
 * @param[out] ret_node  The node, released with jl_node_unref().
 * @param[out] ret_err   Reason of a failure; may be NULL.
 * @return 0, -EPERM or -EACCES for the folder, -EOPNOTSUPP without SQLite, -ESTALE when
 *         the store is of a newer version, -EIO, -ENOSPC, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_node_open(jl_ctx *ctx, const jl_node_config *config,
				      jl_node **ret_node, jl_error **ret_err);
/** Take a reference. @param node Node, not NULL. @return node. @since 0.1 */
JL_API jl_node *jl_node_ref(jl_node *node);
/** Drop a reference; jobs go on. @param node Node; NULL is fine. @return NULL.
 *  @since 0.1 */
JL_API jl_node *jl_node_unref(jl_node *node);
/** A descriptor that polls readable when jl_node_process() has something to do.
 *  @param node Node. @return the descriptor, borrowed. @since 0.1 */
JL_API int jl_node_get_fd(const jl_node *node);
/**
 * Do what is due: start jobs whose time or turn has come, take in ends, start retries,
 * remove what is older than it is to be kept. Never waits.
 *
 * @param node  Node.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EIO, -ENOSPC, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_node_process(jl_node *node, jl_error **ret_err);
/**
 * The next job of this node that changed its state since the last call, as seen by this
 * process.
 *
 * @param node           Node.
 * @param[out] ret_info  The job, released with jl_job_info_free().
 * @param[out] ret_err   Reason of a failure; may be NULL.
 * @return 1 with a job, 0 without, -EIO, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_node_next_change(jl_node *node, jl_job_info **ret_info,
					     jl_error **ret_err);

/* ---- submitting ---- */

/**
 * Begin a job.
 *
 * @param node          Node.
 * @param[out] ret_sub  To be described, then given to jl_node_submit(); released with
 *                      jl_submission_free().
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0 or -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_submission_new(jl_node *node, jl_submission **ret_sub,
					   jl_error **ret_err);
/** Release a submission; what it uploaded and did not submit is removed.
 *  @param sub Submission; NULL is fine. @since 0.1 */
JL_API void jl_submission_free(jl_submission *sub);
/**
 * Its description: command, environment, limits, network. Standard output and error are
 * the node's; standard input can be set with jl_job_spec_set_stdio() for jobs that start
 * at once.
 *
 * @param sub  Submission.
 * @return borrowed; never NULL.
 * @since 0.1
 */
JL_API jl_job_spec *jl_submission_spec(jl_submission *sub);
/** Start at a time. @param sub Submission. @param due_usec µs since 1970; a time that has
 *  passed means at once; 0 = not scheduled. @param[out] ret_err Reason of a failure; may
 *  be NULL. @return 0, or -ERANGE beyond 366 days. @since 0.1 */
JL_API JL_MUST_CHECK int jl_submission_set_due(jl_submission *sub, uint64_t due_usec,
					       jl_error **ret_err);
/**
 * Start again and again: each run is a job of its own. A run that is due while the one
 * before is still running is left out; of runs missed while nobody was there, one is made
 * up for.
 *
 * @param sub   Submission.
 * @param rule  "every 15min", or a cron expression of five fields with an optional time
 *              zone in front ("TZ=Europe/Berlin 0 2 * * *"); see <joblet/sched.h>. NULL
 *              = once.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int
jl_submission_set_recurrence(jl_submission *sub, const char *rule, jl_error **ret_err);
/** Start it again when it failed. @param sub Submission. @param retries 0 to 100.
 *  @param[out] ret_err Reason of a failure; may be NULL. @return 0, or -ERANGE.
 *  @since 0.1 */
JL_API JL_MUST_CHECK int jl_submission_set_retries(jl_submission *sub, uint32_t retries,
						   jl_error **ret_err);
/** Place in the queue: higher goes first. @param sub Submission. @param priority -100 to
 *  100; default 0. @param[out] ret_err Reason of a failure; may be NULL. @return 0, or
 *  -ERANGE. @since 0.1 */
JL_API JL_MUST_CHECK int jl_submission_set_priority(jl_submission *sub, int priority,
						    jl_error **ret_err);
/** Size of /work. @param sub Submission. @param bytes At least 64 KiB; 0 = the node's
 *  default. @param[out] ret_err Reason of a failure; may be NULL. @return 0, or -ERANGE.
 *  @since 0.1 */
JL_API JL_MUST_CHECK int jl_submission_set_disk_bytes(jl_submission *sub, uint64_t bytes,
						      jl_error **ret_err);
/** Who submits, for display and for the record. @param sub Submission. @param owner At
 *  most 255 bytes of UTF-8. @param[out] ret_err Reason of a failure; may be NULL.
 *  @return 0, -EINVAL, -ENOMEM. @since 0.1 */
JL_API JL_MUST_CHECK int jl_submission_set_owner(jl_submission *sub, const char *owner,
						 jl_error **ret_err);
/** Whether the caller stays with the job: then its start does not wait for the disk.
 *  @param sub Submission. @param attached 0 or 1; default 0. @since 0.1 */
JL_API void jl_submission_set_attached(jl_submission *sub, int attached);

/**
 * Upload a folder, empty or to be filled.
 *
 * @param sub   Submission.
 * @param path  Below /work: relative, at most 4095 bytes, no "..", no empty component.
 * @param mode  Permissions; 0 = 0755. Parents are made by themselves.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL for a bad path, -EEXIST when a file is in the way, -ENAMETOOLONG,
 *         -ENOSPC, -EIO, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_submission_add_dir(jl_submission *sub, const char *path,
					       uint32_t mode, jl_error **ret_err);
/**
 * Begin to upload a file; its content follows by jl_submission_write(), until the next
 * one begins or the job is submitted. Nothing of it is held in memory.
 *
 * @param sub   Submission.
 * @param path  As for jl_submission_add_dir().
 * @param mode  Permissions; 0 = 0644.
 * @param size  Its size in bytes, to refuse what is too large before it is sent;
 *              UINT64_MAX = not known.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return as jl_submission_add_dir(); -EFBIG above the cap of a file, -EDQUOT above the
 *         cap of a job.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_submission_add_file(jl_submission *sub, const char *path,
						uint32_t mode, uint64_t size,
						jl_error **ret_err);
/** Append to the file that was begun. @param sub Submission. @param data Bytes.
 *  @param len Their number. @param[out] ret_err Reason of a failure; may be NULL.
 *  @return 0, -EFBIG, -EDQUOT, -ENOSPC, -EIO. @since 0.1 */
JL_API JL_MUST_CHECK int jl_submission_write(jl_submission *sub, const void *data,
					     size_t len, jl_error **ret_err);
/** Upload a symbolic link. @param sub Submission. @param path As for
 *  jl_submission_add_dir(). @param target Relative, and not out of /work.
 *  @param[out] ret_err Reason of a failure; may be NULL. @return as
 *  jl_submission_add_dir(). @since 0.1 */
JL_API JL_MUST_CHECK int jl_submission_add_link(jl_submission *sub, const char *path,
						const char *target, jl_error **ret_err);

/**
 * Hand the job in. When it returns the job is on disk (but for attached ones), with a
 * number; it runs, waits for its time or for a slot.
 *
 * @param node  Node.
 * @param sub   Submission; used up, only jl_submission_free() is left for it.
 * @param[out] ret_info  The job, released with jl_job_info_free(). When it could not be
 *                       started it is there all the same, FAILED, and the call fails.
 * @param[out] ret_err   Reason of a failure; may be NULL.
 * @return 0, or as jl_job_spawn(); -ERANGE above a cap of the node, -EAGAIN when the
 * queue is full, -EIO, -ENOSPC.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_node_submit(jl_node *node, jl_submission *sub,
					jl_job_info **ret_info, jl_error **ret_err);

/* ---- acting on jobs ---- */

/*
 * `id` is a number ("12"), a UUID, or at least four first digits of one that only one job
 * has. -ENOENT when there is none, -EEXIST when several fit.
 */

/** Look a job up. @param node Node. @param id Number, UUID or unique prefix.
 *  @param[out] ret_info The job, released with jl_job_info_free(). @param[out] ret_err
 *  Reason of a failure; may be NULL. @return 0, -EINVAL, -ENOENT, -EEXIST when several
 * fit, -EIO, -ENOMEM. @since 0.1 */
JL_API JL_MUST_CHECK int jl_node_get(jl_node *node, const char *id,
				     jl_job_info **ret_info, jl_error **ret_err);
/**
 * List jobs, newest first.
 *
 * @param node    Node.
 * @param states  Bit n: state n (JL_STATE_); 0 = all.
 * @param name    Only jobs with this name; NULL = all.
 * @param below   Only jobs with a lower number, for the next page: that of the last one
 *                there was; 0 = all.
 * @param limit   At most so many; 0 = all.
 * @param[out] ret_list  The list, released with jl_job_list_free().
 * @param[out] ret_err   Reason of a failure; may be NULL.
 * @return 0, -EIO, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_node_list(jl_node *node, uint32_t states, const char *name,
				      uint64_t below, uint32_t limit,
				      jl_job_list **ret_list, jl_error **ret_err);
/** Release a list. @param list List; NULL is fine. @since 0.1 */
JL_API void jl_job_list_free(jl_job_list *list);
/** Number of jobs. @param list List; NULL gives 0. @return the number. @since 0.1 */
JL_API uint32_t jl_job_list_count(const jl_job_list *list);
/** A job of the list. @param list List. @param index Place. @return borrowed from the
 *  list; NULL beyond the last one. @since 0.1 */
JL_API const jl_job_info *jl_job_list_get(const jl_job_list *list, uint32_t index);

/** Ask a job to end; a scheduled or waiting one is canceled. Returns at once: the end
 *  shows in jl_node_next_change(). @param node Node. @param id Job. @param grace_usec As
 *  jl_job_stop(); JL_FOREVER = the node's. @param[out] ret_err Reason of a failure; may
 * be NULL. @return 0, -ENOENT, -EEXIST, -ESRCH when it has ended, -EIO, -ENOMEM.
 *  @since 0.1 */
JL_API JL_MUST_CHECK int jl_node_stop(jl_node *node, const char *id, uint64_t grace_usec,
				      jl_error **ret_err);
/** Send a signal to a running job. @param node Node. @param id Job. @param signal 1
 * to 64.
 *  @param[out] ret_err Reason of a failure; may be NULL. @return as jl_job_signal(),
 *  -ENOENT, -EEXIST. @since 0.1 */
JL_API JL_MUST_CHECK int jl_node_signal(jl_node *node, const char *id, int signal,
					jl_error **ret_err);
/** Cancel a scheduled job, and the runs that would follow. @param node Node. @param id
 *  Job. @param[out] ret_err Reason of a failure; may be NULL. @return 0, -ENOENT,
 * -EEXIST, -EBUSY naming its state when it is not scheduled, -EIO, -ENOMEM. @since 0.1 */
JL_API JL_MUST_CHECK int jl_node_cancel(jl_node *node, const char *id,
					jl_error **ret_err);
/** Delete an ended job, its log included. @param node Node. @param id Job.
 *  @param[out] ret_err Reason of a failure; may be NULL. @return 0, -ENOENT, -EEXIST,
 *  -EBUSY when it has not ended, -EIO, -ENOMEM. @since 0.1 */
JL_API JL_MUST_CHECK int jl_node_delete(jl_node *node, const char *id,
					jl_error **ret_err);
/** Delete all ended jobs. @param node Node. @param[out] ret_deleted How many.
 *  @param[out] ret_skipped How many have not ended. @param[out] ret_err Reason of a
 * failure; may be NULL. @return 0, -EIO, -ENOMEM. @since 0.1 */
JL_API JL_MUST_CHECK int jl_node_delete_all(jl_node *node, uint32_t *ret_deleted,
					    uint32_t *ret_skipped, jl_error **ret_err);
/**
 * A step of jl_node_delete_all(), for callers that have other work to do in between: at
 * most some hundred jobs, from the newest to the oldest.
 *
 * @param node           Node.
 * @param[out] below      Where to go on; 0 before the first call.
 * @param[out] deleted    Counted up by those that were deleted.
 * @param[out] skipped    Counted up by those that have not ended.
 * @param[out] ret_err   Reason of a failure; may be NULL.
 * @return 1 when there may be more, 0 at the end, -EIO, -ENOSPC, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_node_delete_some(jl_node *node, uint64_t *below,
					     uint32_t *deleted, uint32_t *skipped,
					     jl_error **ret_err);
/** Wait until a job has ended, retries included, doing meanwhile what
 *  jl_node_process() does. @param node Node. @param id Job. @param timeout_usec As
 *  jl_job_wait(). @param[out] ret_err Reason of a failure; may be NULL. @return 0,
 *  -ETIMEDOUT, -ENOENT, -EEXIST, -EIO, -ENOMEM. @since 0.1 */
JL_API JL_MUST_CHECK int jl_node_wait(jl_node *node, const char *id,
				      uint64_t timeout_usec, jl_error **ret_err);

/* ---- what is known of a job ---- */

/** States; terminal ones are final. New values may appear. */
enum {
	JL_STATE_SCHEDULED = 0,	   /**< Waits for its time. */
	JL_STATE_PENDING = 1,	   /**< Waits for a slot. */
	JL_STATE_INITIALIZING = 2, /**< Is being started. */
	JL_STATE_RUNNING = 3,	   /**< Its command runs. */
	JL_STATE_COMPLETED = 4,	   /**< Exit code 0. */
	JL_STATE_FAILED = 5,  /**< Another exit code, a signal, a limit, or no start. */
	JL_STATE_STOPPED = 6, /**< By jl_node_stop(). */
	JL_STATE_CANCELED = 7 /**< Before it ran. */
};

/** Name of a state: "SCHEDULED" … @param state A JL_STATE_ value. @return a static
 * string; "UNKNOWN" for others. @since 0.1 */
JL_API const char *jl_state_name(int state);
/** Whether a state is final. @param state A JL_STATE_ value. @return 1 or 0. @since 0.1
 */
JL_API int jl_state_is_final(int state);

/** Texts of a job. New values may appear. */
enum {
	JL_INFO_ID = 0,		/**< UUID, 36 characters. */
	JL_INFO_NAME = 1,	/**< "" for none. */
	JL_INFO_NETWORK = 2,	/**< Name of its network. */
	JL_INFO_ADDRESS = 3,	/**< Its address there; "" for none. */
	JL_INFO_CPUS = 4,	/**< Cores; "" for all. */
	JL_INFO_WORK_DIR = 5,	/**< Working directory. */
	JL_INFO_OWNER = 6,	/**< Who submitted it; "" for nobody in particular. */
	JL_INFO_RECURRENCE = 7, /**< Rule; "" for none. */
	JL_INFO_FAILURE = 8,	/**< Why it could not start; "" when it could. */
	JL_INFO_WARNING = 9	/**< Defaults that could not be applied; "" for none. */
};

/** Numbers of a job; UINT64_MAX when not known (yet). New values may appear. */
enum {
	JL_INFO_NUMBER = 0,	  /**< Sequence number. */
	JL_INFO_STATE = 1,	  /**< A JL_STATE_ value. */
	JL_INFO_CREATED_USEC = 2, /**< µs since 1970. */
	JL_INFO_DUE_USEC = 3,	  /**< Scheduled for. */
	JL_INFO_START_USEC = 4,	  /**< Real start. */
	JL_INFO_END_USEC = 5,	  /**< Real end. */
	JL_INFO_EXIT_CODE = 6,	  /**< 0 to 255. */
	JL_INFO_REASON = 7,	  /**< A JL_REASON_ value. */
	JL_INFO_SIGNAL = 8,	  /**< Signal that ended it; 0 for none. */
	JL_INFO_WALL_USEC = 9,	  /**< Time between start and end. */
	JL_INFO_CPU_USEC = 10,	  /**< CPU time. */
	JL_INFO_MEMORY_PEAK_BYTES = 11,
	JL_INFO_IO_READ_BYTES = 12,
	JL_INFO_IO_WRITE_BYTES = 13,
	JL_INFO_CPU_PERCENT = 14, /**< Limits; 0 for none. */
	JL_INFO_MEMORY_BYTES = 15,
	JL_INFO_IO_BPS = 16,
	JL_INFO_PIDS = 17,
	JL_INFO_DISK_BYTES = 18,      /**< Size of /work. */
	JL_INFO_DISK_USED_BYTES = 19, /**< Of it in use; only while it runs. */
	JL_INFO_TIMEOUT_USEC = 20,
	JL_INFO_RETRIES = 21,	/**< Asked for. */
	JL_INFO_ATTEMPT = 22,	/**< 1 for the first. */
	JL_INFO_PRIORITY = 23,	/**< As int64_t. */
	JL_INFO_LOG_BYTES = 24, /**< Output so far. */
	JL_INFO_LOG_CUT = 25,	/**< 1 when the log reached its cap. */
	JL_INFO_NET_RECEIVED_BYTES = 26,
	JL_INFO_NET_SENT_BYTES = 27,
	JL_INFO_NET_RECEIVED_PACKETS = 28,
	JL_INFO_NET_SENT_PACKETS = 29,
	JL_INFO_SERIES = 30 /**< Number of the recurring job whose run it is. */
};

/** Release what is known of a job. @param info Job; NULL is fine. @since 0.1 */
JL_API void jl_job_info_free(jl_job_info *info);
/** Its UUID. @param info Job. @return borrowed. @since 0.1 */
JL_API const char *jl_job_info_get_id(const jl_job_info *info);
/** A text. @param info Job. @param what A JL_INFO_ value of the texts. @return borrowed;
 *  "" when unknown. @since 0.1 */
JL_API const char *jl_job_info_get_text(const jl_job_info *info, int what);
/** A number. @param info Job. @param what A JL_INFO_ value of the numbers. @return the
 *  number; UINT64_MAX when unknown. @since 0.1 */
JL_API uint64_t jl_job_info_get_number(const jl_job_info *info, int what);
/** Words of the command line. @param info Job. @return the number. @since 0.1 */
JL_API uint32_t jl_job_info_arg_count(const jl_job_info *info);
/** A word of the command line. @param info Job. @param index Place. @return borrowed;
 * NULL beyond the last one. @since 0.1 */
JL_API const char *jl_job_info_get_arg(const jl_job_info *info, uint32_t index);
/** Variables the caller set. Only jl_node_get() and jl_node_submit() know them, lists do
 *  not. @param info Job. @return the number. @since 0.1 */
JL_API uint32_t jl_job_info_env_count(const jl_job_info *info);
/** Name of a variable. @param info Job. @param index Place. @return borrowed; NULL
 * beyond.
 *  @since 0.1 */
JL_API const char *jl_job_info_get_env_name(const jl_job_info *info, uint32_t index);
/** Value of a variable; "***" for a secret one. @param info Job. @param index Place.
 *  @return borrowed; NULL beyond. @since 0.1 */
JL_API const char *jl_job_info_get_env_value(const jl_job_info *info, uint32_t index);
/** Whether a variable is secret. @param info Job. @param index Place. @return 1 or 0.
 *  @since 0.1 */
JL_API int jl_job_info_env_is_secret(const jl_job_info *info, uint32_t index);
/** Uploaded files. As for variables, lists do not know them. @param info Job. @return the
 *  number. @since 0.1 */
JL_API uint32_t jl_job_info_upload_count(const jl_job_info *info);
/** Path of an uploaded file below /work. @param info Job. @param index Place. @return
 *  borrowed; NULL beyond. @since 0.1 */
JL_API const char *jl_job_info_get_upload(const jl_job_info *info, uint32_t index);

/* ---- output ---- */

/** What to read; 0 is everything there is, both streams, and then the end. */
enum {
	JL_LOG_FOLLOW = 1 << 0,	 /**< Wait for more until the job has ended. */
	JL_LOG_STDOUT = 1 << 1,	 /**< Only this stream; both bits, or none, is both. */
	JL_LOG_STDERR = 1 << 2,	 /**< Only this stream. */
	/** Put the time of arrival in front of each line, as in
	 *  "2026-11-25T10:08:27.123456Z " (UTC). */
	JL_LOG_TIMESTAMPS = 1 << 3,
	/** End each read where another stream, or what came at another time, begins; then
	 *  jl_log_get_time() and jl_log_get_stream() are those of all its bytes. */
	JL_LOG_PIECES = 1 << 4
};

/**
 * Read the output of a job.
 *
 * @param node   Node.
 * @param id     Job.
 * @param flags  JL_LOG_ flags.
 * @param[out] ret_log  Reader, released with jl_log_close().
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -ENOENT, -EEXIST, -EINVAL, -EIO, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_node_open_log(jl_node *node, const char *id, uint32_t flags,
					  jl_log **ret_log, jl_error **ret_err);
/** Close a reader. @param log Reader; NULL is fine. @since 0.1 */
JL_API void jl_log_close(jl_log *log);
/** Begin behind a byte. @param log Reader that has read nothing yet. @param offset In the
 *  log as it was written, all streams. @since 0.1 */
JL_API void jl_log_seek(jl_log *log, uint64_t offset);
/** Begin with the last lines. @param log Reader that has read nothing yet. @param lines
 *  How many. @param[out] ret_err Reason of a failure; may be NULL. @return 0, -EIO.
 *  @since 0.1 */
JL_API JL_MUST_CHECK int jl_log_seek_tail(jl_log *log, uint64_t lines,
					  jl_error **ret_err);
/** Begin with what arrived at a time or later. @param log Reader that has read nothing
 *  yet. @param usec µs since 1970. @param[out] ret_err Reason of a failure; may be NULL.
 *  @return 0, -EIO. @since 0.1 */
JL_API JL_MUST_CHECK int jl_log_seek_time(jl_log *log, uint64_t usec, jl_error **ret_err);
/** A descriptor that polls readable when there may be more. @param log Reader.
 *  @return the descriptor, borrowed. @since 0.1 */
JL_API int jl_log_get_fd(const jl_log *log);
/**
 * Read on. Never waits.
 *
 * @param log   Reader.
 * @param data  Where to.
 * @param size  Room, at least 64.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return bytes read; 0 at the end; -EAGAIN when there is nothing yet, for which no error
 *         is made; -EINVAL, -EIO.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int64_t jl_log_read(jl_log *log, void *data, size_t size,
					 jl_error **ret_err);
/** Where the next read starts in the log as it was written. @param log Reader.
 *  @return the offset. @since 0.1 */
JL_API uint64_t jl_log_get_offset(const jl_log *log);
/** When the bytes of the last read came, as the supervisor noted it then: what a job
 *  writes without a pause has one time. @param log Reader with JL_LOG_PIECES.
 *  @return µs since 1970; 0 when not known. @since 0.1 */
JL_API uint64_t jl_log_get_time(const jl_log *log);
/** Where the bytes of the last read came from. @param log Reader with JL_LOG_PIECES.
 *  @return 1 standard output, 2 standard error; 0 the supervisor (a log that is full), or
 *  not known. @since 0.1 */
JL_API int jl_log_get_stream(const jl_log *log);

/* ---- networks that outlive a restart ---- */

/** As jl_net_create(), and made again when the machine has been restarted. @param node
 *  Node. @param name Name. @param cidr Subnet. @param[out] ret_err Reason of a failure;
 *  may be NULL. @return as jl_net_create(), -EIO. @since 0.1 */
JL_API JL_MUST_CHECK int jl_node_create_net(jl_node *node, const char *name,
					    const char *cidr, jl_error **ret_err);
/** As jl_net_remove(). @param node Node. @param name Name. @param[out] ret_err Reason of
 * a failure; may be NULL. @return as jl_net_remove(), -EIO. @since 0.1 */
JL_API JL_MUST_CHECK int jl_node_remove_net(jl_node *node, const char *name,
					    jl_error **ret_err);

#ifdef __cplusplus
}
#endif

#endif
