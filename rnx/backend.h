/* SPDX-License-Identifier: MIT */
/*
 * The one seam between the commands and where jobs live: a node in this process
 * (embedded.c) or a daemon (remote.c). Commands know nothing else; a backend knows no
 * command and prints nothing.
 *
 * Every function returns 0 (or what its comment says), or a negative errno with one
 * sentence in *fault. The codes decide the exit code of rnx, see fault_exit().
 *
 * A backend is used by one thread and by one command, and blocks unless it says
 * otherwise.
 */
#ifndef RNX_BACKEND_H
#define RNX_BACKEND_H

#include "job.h"
#include "options.h"

/* ---- failures ---- */

#define FAULT_MAX 1024

struct fault {
	int code;	      /* negative errno; 0: none */
	bool command;	      /* it is the job's command that cannot be run */
	char text[FAULT_MAX]; /* one sentence without a stop, UTF-8 */
};

/* Writes a failure; returns code. */
int fault_set(struct fault *fault, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/*
 * Exit code of a failure: -ENOENT 3; -EPERM, -EACCES, -EKEYREJECTED (certificate refused)
 * 4; -ETIMEDOUT, -ECONNREFUSED, -ECONNRESET, -EHOSTUNREACH, -ENETUNREACH and -EAGAIN
 * (queue full) 5; -EINVAL, -ERANGE and -E2BIG 2; others 1.
 */
int fault_exit(const struct fault *fault);

/* ---- what is asked for ---- */

/*
 * A job to be. The flags hold the description; they are checked, so that a backend only
 * has to hand them on (spec_fill() in spec.h does it for a jl_job_spec).
 */
struct request {
	const struct options *opts;
	char **words;		/* the command and its arguments, NULL terminated */
	uint64_t due_usec;	/* µs since 1970; 0: at once */
	const char *recurrence; /* "every 15min", or a cron expression; NULL: once */
	/*
	 * The caller stays until the end: a start need not be on disk, and standard input
	 * is the caller's where the backend can pass it on (backend_ops.stdin_passes).
	 */
	bool attached;
};

struct log_query {
	uint32_t flags;	     /* JL_LOG_ flags of <joblet/node.h> */
	uint64_t tail;	     /* only the last lines; UNKNOWN: from the beginning */
	uint64_t since_usec; /* only what arrived then or later; 0: everything */
};

struct list_query {
	uint32_t states;  /* bit n: state n; 0: all */
	const char *name; /* only jobs with this name; NULL: all */
	uint32_t limit;	  /* 0: all */
};

/* What to poll before process(), or log_read() after -EAGAIN; the least timeout counts.
 */
struct wakeup {
	int fd;		/* -1: none */
	short events;	/* of poll(2) */
	int timeout_ms; /* -1: none */
};

/* ---- the functions ---- */

struct backend;
struct submission; /* of a backend's own making */
struct log_reader; /* likewise */

struct backend_ops {
	/* Whether an attached job reads the caller's standard input. */
	bool stdin_passes;
	/* Whether somebody starts what is scheduled or waiting once rnx has ended. */
	bool lasting;

	void (*close)(struct backend *backend);

	/*
	 * The rest of the work of a backend, for callers that wait for several things:
	 * jobs ending, retries, keepalive. process() never waits.
	 */
	void (*get_wakeup)(struct backend *backend, struct wakeup *ret_wakeup);
	int (*process)(struct backend *backend, struct fault *fault);

	/* --- a job, step by step: begin, uploads, then submit or abort --- */
	int (*begin)(struct backend *backend, const struct request *request,
		     struct submission **ret_submission, struct fault *fault);
	/* Paths are relative, below /work; mode 0 is 0755 and 0644. */
	int (*add_dir)(struct submission *submission, const char *path, uint32_t mode,
		       struct fault *fault);
	/* A symbolic link; NULL where links are sent as what they point to. */
	int (*add_link)(struct submission *submission, const char *path,
			const char *target, struct fault *fault);
	/* Its content follows by write(), until the next add or submit. */
	int (*add_file)(struct submission *submission, const char *path, uint32_t mode,
			uint64_t size, struct fault *fault);
	int (*write)(struct submission *submission, const void *data, size_t len,
		     struct fault *fault);
	/*
	 * Hands the job in and releases the submission, also on failure. job is filled in
	 * as far as there is one, also on failure; job_done() is the caller's.
	 */
	int (*submit)(struct submission *submission, struct job *job,
		      struct fault *fault);
	void (*abort)(struct submission *submission);

	/* --- jobs; id: number, UUID or unique prefix --- */
	int (*job_get)(struct backend *backend, const char *id, struct job *job,
		       struct fault *fault);
	int (*job_list)(struct backend *backend, const struct list_query *query,
			struct job_list *list, struct fault *fault);
	/* grace_usec: JL_FOREVER is the node's own. Returns before the end. */
	int (*job_stop)(struct backend *backend, const char *id, uint64_t grace_usec,
			struct fault *fault);
	int (*job_signal)(struct backend *backend, const char *id, int signal,
			  struct fault *fault);
	int (*job_cancel)(struct backend *backend, const char *id, struct fault *fault);
	int (*job_delete)(struct backend *backend, const char *id, struct fault *fault);
	int (*job_delete_all)(struct backend *backend, uint32_t *ret_deleted,
			      uint32_t *ret_skipped, struct fault *fault);
	/* Until it has ended, retries included. timeout_usec: JL_FOREVER; -ETIMEDOUT. */
	int (*job_wait)(struct backend *backend, const char *id, uint64_t timeout_usec,
			struct fault *fault);
	/*
	 * How a job ended whose output was read to its end, which is that of all
	 * attempts. To be asked for beforehand, which cannot fail. NULL where output is
	 * that of one attempt, and asking costs nothing.
	 */
	void (*job_expect)(struct backend *backend, const char *id);
	int (*job_end)(struct backend *backend, const char *id, struct job *job,
		       struct fault *fault);

	/* --- output --- */
	int (*log_open)(struct backend *backend, const char *id,
			const struct log_query *query, struct log_reader **ret_log,
			struct fault *fault);
	/* fd -1 when the backend's own wakeup is all there is. */
	void (*log_get_wakeup)(struct log_reader *log, struct wakeup *ret_wakeup);
	/* Bytes read; 0 at the end; -EAGAIN when there is nothing yet: never waits. */
	int64_t (*log_read)(struct log_reader *log, void *data, size_t size,
			    struct fault *fault);
	void (*log_close)(struct log_reader *log);

	/* --- networks --- */
	int (*network_create)(struct backend *backend, const char *name, const char *cidr,
			      struct network *network, struct fault *fault);
	int (*network_list)(struct backend *backend, struct network_list *list,
			    struct fault *fault);
	int (*network_remove)(struct backend *backend, const char *name,
			      struct fault *fault);

	/* --- the node itself --- */
	int (*node_get)(struct backend *backend, struct node_info *info,
			struct fault *fault);
};

/* First member of every backend, submission and log reader. */
struct backend {
	const struct backend_ops *ops;
};
struct submission {
	const struct backend_ops *ops;
};
struct log_reader {
	const struct backend_ops *ops;
	/* Of what was read last, with JL_LOG_PIECES: when it came (0: not known), and
	 * where from, as jl_log_get_stream() tells. */
	uint64_t usec;
	int stream;
};

/* ---- opening ---- */

/* The folder of --state-dir or JOBLET_STATE_DIR, or NULL; then there is no daemon. */
const char *state_dir_of(const struct options *opts);

/*
 * Opens what the flags, the environment and the configuration say: --server, --node or a
 * configuration file; else a daemon's socket on this machine; else the node in this
 * process. Flags of the run command have no say.
 */
int backend_open(const struct options *opts, struct backend **ret_backend,
		 struct fault *fault);
/* A node on a state folder in this process. */
int embedded_open(const struct options *opts, struct backend **ret_backend,
		  struct fault *fault);
/*
 * A daemon. Returns 1 with a backend, 0 when nothing asks for one (no flag, no variable,
 * no configuration file, no socket), or a failure.
 */
int remote_open(const struct options *opts, struct backend **ret_backend,
		struct fault *fault);

#endif
