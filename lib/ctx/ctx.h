/* SPDX-License-Identifier: MIT */
/*
 * The context: flags, folders, cgroup tree, log hook, the queue of events, and a slot for
 * the connection to the supervisor, which spawn/ fills. Implements <joblet/ctx.h>,
 * <joblet/event.h> and <joblet/log.h>. Creates nothing on the machine.
 */
#ifndef JL_CTX_CTX_H
#define JL_CTX_CTX_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <joblet/ctx.h>
#include <joblet/job.h>

struct jl__cg_tree;
struct jl__link; /* the connection; defined in spawn/ */

/* What the context asks of the layer above, which it knows by these two functions only.
 */
struct jl__link_ops {
	/* Takes in what the supervisor has said; never waits. 0 or -errno. */
	int (*pump)(struct jl__link *link, jl_error **err);
	/* Ends the connection; jobs end or go on as they were told to. */
	void (*close)(struct jl__link *link);
	/* Takes the next ended job whose handle somebody holds, with a reference; or
	 * NULL. */
	jl_job *(*next_ended)(struct jl__link *link);
};

struct jl_ctx {
	uint32_t refs; /* under lock */
	uint32_t flags;
	/* Guards refs, the link and its jobs against jl_job_kill() and _unref()
	 * elsewhere. */
	pthread_mutex_t lock;
	jl_log_fn log_fn;
	void *log_data;
	char *cgroup_base;
	char *state_dir;
	char *sockets; /* folder where supervisors listen, or NULL */
	struct jl__cg_tree *cgroups;
	int epoll_fd;
	int event_fd; /* readable while ended jobs wait to be taken */
	struct jl__link *link;
	const struct jl__link_ops *link_ops;
};

/* One line for the log hook; free when nobody listens. */
void jl__log(const jl_ctx *ctx, int level, const char *module, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Whether the caller can have an own range of ids for each job (root with all ids
 * mapped). */
bool jl__ctx_privileged(void);
/* State and run-time folder of this caller, made if needed, mode 0700. Owned strings. */
int jl__ctx_state_dir(const jl_ctx *ctx, char **ret_path, jl_error **err);
/* Where the state folder is or would be. */
int jl__ctx_state_path(const jl_ctx *ctx, char **ret_path, jl_error **err);
int jl__ctx_runtime_dir(const jl_ctx *ctx, char **ret_path, jl_error **err);
/* The cgroup tree of the context, opened on first use. Borrowed. */
int jl__ctx_cgroups(jl_ctx *ctx, const struct jl__cg_tree **ret, jl_error **err);

#endif
