/* SPDX-License-Identifier: MIT */
#define JL_MODULE "spawn"

#include "spawn/durable.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "spawn/link.h"
#include "spawn/plan.h"

int jl__ctx_supervisor(jl_ctx *ctx, const char **ret_name, jl_error **err)
{
	struct jl__link *link;
	int r;

	if (!ctx->sockets)
		return jl__fail(err, -EINVAL,
				"the context has no folder for the supervisor's socket");
	r = jl__link_get(ctx, &link, err);
	if (r < 0)
		return r;
	*ret_name = link->socket;
	return 0;
}

int jl__plan_set_durable(struct jl__buf *buf, const struct jl__durable *durable,
			 jl_error **err)
{
	struct jl__plan *plan;
	uint32_t key;
	int r;

	if (strlen(durable->id) != JL__ID_SIZE - 1)
		return jl__fail(err, -EINVAL, "\"%.40s\" is not the UUID of a job",
				durable->id);
	key = (uint32_t)buf->len;
	r = jl__buf_add(buf, durable->id, JL__ID_SIZE);
	if (r == 0)
		r = jl__buf_align(buf, 8);
	if (r < 0)
		return r == -ENOMEM
			       ? jl__oom(err)
			       : jl__fail(
					 err, r,
					 "arguments and environment are too large together");
	plan = (struct jl__plan *)buf->data;
	plan->key = key;
	plan->log_bytes = durable->log_bytes;
	plan->size = (uint32_t)buf->len;
	plan->flags |= JL__PLAN_DURABLE | JL__PLAN_ORPHAN_KEEP;
	if (durable->uploads >= 0)
		plan->flags |= JL__PLAN_UPLOADS;
	return 0;
}

int jl__job_spawn_durable(jl_ctx *ctx, const jl_job_spec *spec,
			  const struct jl__durable *durable, jl_job **ret_job,
			  jl_error **err)
{
	return jl__job_start(ctx, spec, durable, ret_job, err);
}

/* ---- adoption ---- */

static int gone(const char *socket, jl_error **err)
{
	return jl__fail(err, -ESRCH, "there is no supervisor at %s any more", socket);
}

static int unknown(const char *socket, const char *id, jl_error **err)
{
	return jl__fail(err, -ENOENT, "the supervisor at %s has no job %s", socket, id);
}

/* The connection there is, or another one. */
static int get_link(struct jl__link *own, const char *socket, struct jl__link **ret,
		    jl_error **err)
{
	struct jl__link *link;
	int fd, r;

	for (link = own->adopted; link; link = link->adopted)
		if (link->fd >= 0 && strcmp(link->socket, socket) == 0) {
			*ret = link;
			return jl__link_owned(link, err);
		}
	fd = jl__socket_connect(socket);
	if (fd == -ENOENT || fd == -ECONNREFUSED || fd == -ENOTDIR)
		return gone(socket, err);
	if (fd == -ENOMEM)
		return jl__oom(err);
	if (fd < 0)
		return jl__fail_errno(err, fd, "cannot connect to the supervisor at %s",
				      socket);
	r = jl__link_connect(own, fd, socket, &link, err);
	if (r < 0)
		return r;
	/* Its socket and its groups have one name. */
	(void)snprintf(link->nest.name, sizeof(link->nest.name), "%s",
		       strrchr(socket, '/') + 1);
	*ret = link;
	return 0;
}

static int ask(struct jl__link *link, jl_job *job, jl_error **err)
{
	struct jl__request_adopt request = {
		.head = { .type = JL__REQUEST_ADOPT, .job = job->number },
	};
	int r;

	memcpy(request.id, job->id, sizeof(job->id));
	r = jl__link_send(link, &request, sizeof(request), NULL, 0, NULL, 0);
	if (r == -ECONNRESET)
		(void)jl__link_receive(link, 0); /* notices, and sees everybody off */
	else if (r < 0)
		jl__link_drop(link, job);
	if (r < 0 && r != -ECONNRESET)
		return jl__fail_errno(err, r, "cannot talk to the supervisor at %s",
				      link->socket);
	while (job->state == JL__JOB_STARTING && job->link)
		(void)jl__link_receive(link, -1);
	if (job->state != JL__JOB_FAILED)
		return 0;
	if (job->failure.code == -ECONNRESET)
		return gone(link->socket, err);
	if (job->failure.step == JL__STEP_NONE && job->failure.code != -ENOENT)
		return jl__fail_errno(err, job->failure.code,
				      "the supervisor at %s cannot hand over job %s",
				      link->socket, job->id);
	return unknown(link->socket, job->id, err);
}

int jl__job_adopt(jl_ctx *ctx, const char *socket, const char *id, jl_job **ret_job,
		  jl_error **err)
{
	struct jl__link *own, *link = NULL;
	jl_job *job;
	int r;

	jl__error_init(err);
	if (strlen(id) != JL__ID_SIZE - 1 || socket[0] != '/')
		return jl__fail(err, -EINVAL, "no job can be \"%.40s\" at \"%.107s\"", id,
				socket);
	r = jl__link_make(ctx, &own, err);
	if (r == 0)
		r = get_link(own, socket, &link, err);
	if (r < 0)
		return r;
	/* Once for each connection. */
	for (job = link->running; job; job = job->next)
		if (strcmp(job->id, id) == 0) {
			(void)pthread_mutex_lock(&ctx->lock);
			/* Without handles it holds no reference on the context. */
			if (job->refs++ == 0)
				ctx->refs++;
			(void)pthread_mutex_unlock(&ctx->lock);
			*ret_job = job;
			return 0;
		}
	job = jl__job_new(ctx, link, true);
	if (!job)
		return jl__oom(err);
	memcpy(job->id, id, JL__ID_SIZE);
	jl__link_add(link, job);
	r = ask(link, job, err);
	if (r < 0)
		(void)jl_job_unref(job);
	else
		*ret_job = job;
	jl__links_tidy(own);
	return r;
}
