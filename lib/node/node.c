/* SPDX-License-Identifier: MIT */
#define JL_MODULE "node"

#include "node/node.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "logs/watcher.h"
#include "spawn/durable.h"
#include "upload/upload.h"

#define STORE "node.db"

/* Keys of what the node's timer is set to. */
enum { TIMER_DUE, TIMER_AGAIN };

uint64_t jl__now_usec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int jl__node_enter(const jl_node *node, jl_error **ret_err)
{
	jl__error_init(ret_err);
	if (node->owner != getpid())
		return jl__fail(
			ret_err, -EPERM,
			"the node was opened by the parent of this process; open it here anew");
	return 0;
}

/* ---- opening ---- */

static void forward_log(void *data, int level, const char *module, const char *text)
{
	jl__log(data, level, module, "%s", text);
}

/* The node's own context: as the caller's in everything but its jobs. */
static int open_own(jl_node *node, jl_error **err)
{
	_cleanup_free_ char *runtime = NULL, *sockets = NULL;
	int r = jl_ctx_new(node->ctx->flags, &node->own, err);

	if (r == 0)
		r = jl_ctx_set_cgroup_base(node->own, node->ctx->cgroup_base, err);
	if (r == 0)
		r = jl__ctx_state_dir(node->ctx, &node->path, err);
	if (r == 0)
		r = jl_ctx_set_state_dir(node->own, node->path, err);
	if (r == 0)
		r = jl__ctx_runtime_dir(node->ctx, &runtime, err);
	if (r < 0)
		return r;
	jl_ctx_set_log(node->own, forward_log, node->ctx);
	sockets = jl__format("%s/sockets", runtime);
	if (!sockets)
		return jl__oom(err);
	if (mkdir(sockets, 0700) < 0 && errno != EEXIST)
		return jl__fail_errno(err, -errno, "cannot make folder %s", sockets);
	return jl__ctx_set_sockets(node->own, sockets, err);
}

static int watch(jl_node *node, int fd, jl_error **err)
{
	struct epoll_event event = { .events = EPOLLIN };

	if (epoll_ctl(node->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return jl__fail_errno(err, -errno, "cannot watch a descriptor");
	return 0;
}

/*
 * Every commit of any process writes to the log of the store. Watched by those who wait
 * for something, and not by a command that ends at once: the end of a watch makes that of
 * the program wait for the kernel (logs/watcher.c).
 */
static int watch_store(jl_node *node, jl_error **err)
{
	_cleanup_free_ char *wal = NULL;
	int r;

	if (node->inotify_fd >= 0)
		return 0;
	/* What somebody is writing just now gives no event any more. */
	node->look = node->written = true;
	wal = jl__format("%s/" STORE "-wal", node->path);
	if (!wal)
		return jl__oom(err);
	node->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (node->inotify_fd < 0)
		return jl__fail_errno(
			err, -errno,
			"cannot watch the store for changes (raise fs.inotify.max_user_instances)");
	node->inotify_store = inotify_add_watch(node->inotify_fd, wal, IN_MODIFY);
	r = node->inotify_store < 0 ? jl__fail_errno(err, -errno, "cannot watch %s", wal)
				    : watch(node, node->inotify_fd, err);
	if (r < 0)
		node->inotify_fd = jl__close(node->inotify_fd);
	return r;
}

static int open_store(jl_node *node, jl_error **err)
{
	_cleanup_free_ char *path = jl__format("%s/" STORE, node->path);
	int r = path ? jl__store_open(path, &node->store, err) : jl__oom(err);

	/* A first read, so that the log of the store is there to be watched. */
	if (r == 0)
		r = jl__store_count(node->store, JL__COUNT_CHANGE, 0, &node->seen_change,
				    err);
	return r;
}

static int open_events(jl_node *node, jl_error **err)
{
	int r;

	node->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (node->epoll_fd < 0)
		return jl__fail_errno(err, -errno, "cannot make the node's descriptor");
	r = jl_sched_new(&node->sched, err);
	if (r == 0)
		r = watch(node, jl_sched_get_fd(node->sched), err);
	/* Whoever waits looks first, and begins to watch. */
	if (r == 0)
		r = jl__node_again(node, 1, err);
	return r < 0 ? r : watch(node, jl_ctx_get_fd(node->own), err);
}

/* What nobody has seen to since the last process with this node was killed. */
static int reconcile(jl_node *node, jl_error **err)
{
	_cleanup_close_ int staging = -EBADF;
	int r = jl__doubt_settle(node, err);

	if (r == 0)
		r = jl__folders_sweep(node, err);
	if (r < 0)
		return r;
	staging = jl__staging_folder(node, err);
	if (staging < 0)
		return staging;
	jl__upload_sweep(staging);
	r = jl__nets_restore(node, err);
	if (r == 0)
		r = jl__glance(node, err);
	return r < 0 ? r : jl__node_plan(node, err);
}

static int copy_config(jl_node *node, const jl_node_config *config, jl_error **err)
{
	jl_node_config *defaults = NULL;
	int r = 0;

	if (!config) {
		if (jl_node_config_new(&defaults) < 0)
			return jl__oom(err);
		config = defaults;
	}
	node->config = *config;
	if (config->network) {
		node->config.network = jl__strdup(config->network);
		if (!node->config.network)
			r = jl__oom(err);
	}
	jl_node_config_free(defaults);
	return r;
}

int jl_node_open(jl_ctx *ctx, const jl_node_config *config, jl_node **ret_node,
		 jl_error **ret_err)
{
	jl_node *node;
	int r;

	jl__error_init(ret_err);
	node = jl__calloc(1, sizeof(*node));
	if (!node)
		return jl__oom(ret_err);
	node->refs = 1;
	jl__watchers_keep();
	node->owner = getpid();
	node->ctx = jl_ctx_ref(ctx);
	node->state_fd = node->jobs_fd = node->epoll_fd = node->inotify_fd = -EBADF;
	node->look = true;
	node->again_usec = UINT64_MAX;
	r = copy_config(node, config, ret_err);
	if (r == 0)
		r = jl__claim_make(node->claim, ret_err);
	if (r == 0)
		r = open_own(node, ret_err);
	if (r == 0)
		r = jl__folders_open(node, ret_err);
	if (r == 0)
		r = open_store(node, ret_err);
	if (r == 0)
		r = open_events(node, ret_err);
	if (r == 0)
		r = reconcile(node, ret_err);
	if (r < 0) {
		(void)jl_node_unref(node);
		return r;
	}
	*ret_node = node;
	return 0;
}

jl_node *jl_node_ref(jl_node *node)
{
	(void)pthread_mutex_lock(&node->ctx->lock);
	node->refs++;
	(void)pthread_mutex_unlock(&node->ctx->lock);
	return node;
}

static void free_held(jl_node *node)
{
	while (node->held) {
		struct jl__held *held = node->held;

		node->held = held->next;
		jl_job_spec_free(held->spec);
		jl__free(held);
	}
}

jl_node *jl_node_unref(jl_node *node)
{
	bool last;

	if (!node)
		return NULL;
	(void)pthread_mutex_lock(&node->ctx->lock);
	last = --node->refs == 0;
	(void)pthread_mutex_unlock(&node->ctx->lock);
	if (!last)
		return NULL;
	/* A copy in a child after fork shares the locks and the supervisor's connection
	 * with the one of the parent: it is left alone. */
	if (node->owner != getpid())
		return NULL;
	jl__let_go(node);
	jl__active_done(node);
	free_held(node);
	jl_sched_free(node->sched);
	/* Long before it is closed, which would wait for the kernel else
	 * (logs/watcher.c): the supervisor's end takes a few ms. */
	if (node->inotify_fd >= 0)
		(void)inotify_rm_watch(node->inotify_fd, node->inotify_store);
	(void)jl__store_close(node->store);
	(void)jl_ctx_unref(node->own);
	(void)jl__close(node->inotify_fd);
	jl__watchers_close();
	(void)jl__close(node->epoll_fd);
	(void)jl__close(node->jobs_fd);
	(void)jl__close(node->state_fd);
	jl__config_done(&node->config);
	jl__free(node->path);
	(void)jl_ctx_unref(node->ctx);
	jl__free(node);
	return NULL;
}

/* ---- doing what is due ---- */

int jl_node_get_fd(const jl_node *node)
{
	return node->epoll_fd;
}

int jl__node_plan(jl_node *node, jl_error **err)
{
	uint64_t next;
	int r = jl__store_count(node->store, JL__COUNT_NEXT, jl__now_usec(), &next, err);

	if (r < 0)
		return r;
	if (next == UINT64_MAX) {
		(void)jl_sched_remove(node->sched, TIMER_DUE);
		return 0;
	}
	return jl_sched_add(node->sched, TIMER_DUE, next) < 0 ? jl__oom(err) : 0;
}

int jl__node_again(jl_node *node, uint64_t usec, jl_error **err)
{
	if (usec >= node->again_usec)
		return 0;
	if (jl_sched_add(node->sched, TIMER_AGAIN, usec) < 0)
		return jl__oom(err);
	node->again_usec = usec;
	return 0;
}

int jl_node_process(jl_node *node, jl_error **ret_err)
{
	uint64_t key;
	int r = jl__node_enter(node, ret_err);

	if (r < 0)
		return r;
	/* What is due is in the store; this only quiets the timer. */
	while (jl_sched_take(node->sched, jl__now_usec(), &key) == 1)
		if (key == TIMER_AGAIN)
			node->again_usec = UINT64_MAX;
	r = watch_store(node, ret_err);
	if (r == 0)
		r = jl__look(node, ret_err);
	if (r == 0)
		r = jl__due_run(node, ret_err);
	if (r == 0)
		r = jl__queue_run(node, ret_err);
	if (r == 0)
		r = jl__retain(node, ret_err);
	return r < 0 ? r : jl__node_plan(node, ret_err);
}

int jl_node_next_change(jl_node *node, jl_job_info **ret_info, jl_error **ret_err)
{
	struct jl__row *row = NULL;
	int r = jl__node_enter(node, ret_err);

	if (r == 0)
		r = jl__store_next_change(node->store, node->seen_change, &row, ret_err);
	if (r != 1)
		return r;
	node->seen_change = row->number[JL__N_CHANGE];
	r = jl__info_new(row, ret_info, ret_err);
	return r < 0 ? r : 1;
}
