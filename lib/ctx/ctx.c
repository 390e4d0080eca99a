/* SPDX-License-Identifier: MIT */
#define JL_MODULE "ctx"

#include "ctx/ctx.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <joblet/event.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "cgroup/cgroup.h"

struct jl_event {
	int type;
	jl_job *job;
};

static int watch(jl_ctx *ctx, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(ctx->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int jl_ctx_new(uint32_t flags, jl_ctx **ret_ctx, jl_error **ret_err)
{
	jl_ctx *ctx;

	jl__error_init(ret_err);
	if (flags & ~(uint32_t)(JL_CTX_NO_ENVIRONMENT | JL_CTX_MOVE_SELF))
		return jl__fail(ret_err, -EINVAL,
				"0x%x has flags this version does not know", flags);
	ctx = jl__calloc(1, sizeof(*ctx));
	if (!ctx)
		return jl__oom(ret_err);
	ctx->refs = 1;
	ctx->flags = flags;
	(void)pthread_mutex_init(&ctx->lock, NULL);
	ctx->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	ctx->event_fd =
		ctx->epoll_fd < 0 ? -EBADF : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ctx->epoll_fd < 0 || ctx->event_fd < 0 || watch(ctx, ctx->event_fd) < 0) {
		int code = -errno;

		jl_ctx_unref(ctx);
		return jl__fail_errno(ret_err, code,
				      "cannot make the context's descriptors");
	}
	*ret_ctx = ctx;
	return 0;
}

jl_ctx *jl_ctx_ref(jl_ctx *ctx)
{
	(void)pthread_mutex_lock(&ctx->lock);
	ctx->refs++;
	(void)pthread_mutex_unlock(&ctx->lock);
	return ctx;
}

jl_ctx *jl_ctx_unref(jl_ctx *ctx)
{
	bool last;

	if (!ctx)
		return NULL;
	(void)pthread_mutex_lock(&ctx->lock);
	last = --ctx->refs == 0;
	(void)pthread_mutex_unlock(&ctx->lock);
	if (!last)
		return NULL;
	if (ctx->link)
		ctx->link_ops->close(ctx->link);
	(void)jl__close(ctx->event_fd);
	(void)jl__close(ctx->epoll_fd);
	(void)jl__cg_tree_free(ctx->cgroups);
	jl__free(ctx->cgroup_base);
	jl__free(ctx->state_dir);
	jl__free(ctx->sockets);
	(void)pthread_mutex_destroy(&ctx->lock);
	jl__free(ctx);
	return NULL;
}

/* ---- settings ---- */

void jl_ctx_set_log(jl_ctx *ctx, jl_log_fn fn, void *data)
{
	ctx->log_fn = fn;
	ctx->log_data = data;
}

void jl__log(const jl_ctx *ctx, int level, const char *module, const char *format, ...)
{
	char text[1024];
	va_list args;

	if (!ctx->log_fn)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	ctx->log_fn(ctx->log_data, level, module, text);
}

static int set_path(jl_ctx *ctx, char **slot, const char *path, const char *what,
		    jl_error **err)
{
	char *copy = NULL;

	if (ctx->link || ctx->cgroups)
		return jl__fail(err, -EBUSY, "the %s cannot change after the first job",
				what);
	if (path) {
		copy = jl__strdup(path);
		if (!copy)
			return jl__oom(err);
	}
	jl__free(*slot);
	*slot = copy;
	return 0;
}

/* "..", as a whole component, would leave what the path says. */
static bool goes_up(const char *path)
{
	for (const char *p = path; (p = strstr(p, "..")); p += 2)
		if ((p == path || p[-1] == '/') && (p[2] == '\0' || p[2] == '/'))
			return true;
	return false;
}

int jl_ctx_set_cgroup_base(jl_ctx *ctx, const char *path, jl_error **ret_err)
{
	jl__error_init(ret_err);
	if (path && (path[0] != '/' || goes_up(path) || strlen(path) > 4000))
		return jl__fail(
			ret_err, -EINVAL,
			"\"%.64s\" is not a cgroup; give it as /proc/self/cgroup does, for instance \"/joblet.slice\"",
			path);
	return set_path(ctx, &ctx->cgroup_base, path, "cgroup base", ret_err);
}

int jl_ctx_set_state_dir(jl_ctx *ctx, const char *path, jl_error **ret_err)
{
	jl__error_init(ret_err);
	if (!path || path[0] != '/' || strlen(path) > 4000)
		return jl__fail(ret_err, -EINVAL,
				"state folder \"%.64s\" is not an absolute path",
				path ? path : "");
	return set_path(ctx, &ctx->state_dir, path, "state folder", ret_err);
}

int jl__ctx_cgroups(jl_ctx *ctx, const struct jl__cg_tree **ret, jl_error **err)
{
	int r;

	if (!ctx->cgroups) {
		r = jl__cg_tree_open(ctx->cgroup_base, &ctx->cgroups, err);
		if (r < 0)
			return r;
	}
	*ret = ctx->cgroups;
	return 0;
}

/* ---- events ---- */

int jl_ctx_get_fd(const jl_ctx *ctx)
{
	return ctx->epoll_fd;
}

int jl_ctx_next_event(jl_ctx *ctx, jl_event **ret_event, jl_error **ret_err)
{
	jl_event *event;
	int r;

	jl__error_init(ret_err);
	if (!ctx->link)
		return 0;
	r = ctx->link_ops->pump(ctx->link, ret_err);
	if (r < 0)
		return r;
	event = jl__alloc(sizeof(*event));
	if (!event)
		return jl__oom(ret_err);
	event->type = JL_EVENT_JOB_ENDED;
	event->job = ctx->link ? ctx->link_ops->next_ended(ctx->link) : NULL;
	if (!event->job) {
		jl__free(event);
		return 0;
	}
	*ret_event = event;
	return 1;
}

int jl_event_get_type(const jl_event *event)
{
	return event->type;
}

jl_job *jl_event_get_job(const jl_event *event)
{
	return event->job;
}

void jl_event_free(jl_event *event)
{
	if (!event)
		return;
	(void)jl_job_unref(event->job);
	jl__free(event);
}
