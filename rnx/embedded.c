/* SPDX-License-Identifier: MIT */
#include "embedded.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output.h"

int embedded_fault(struct fault *fault, int code, jl_error *err)
{
	(void)fault_set(fault, code, "%s", err ? jl_error_message(err) : strerror(-code));
	/* A missing working directory has the same code, but is no missing command. */
	fault->command = strcmp(jl_error_module(err), "command") == 0;
	jl_error_free(err);
	return code;
}

static void close_node(struct backend *backend)
{
	struct embedded *self = embedded_of(backend);

	(void)jl_node_unref(self->node);
	(void)jl_ctx_unref(self->ctx);
	free(self);
}

static void get_wakeup(struct backend *backend, struct wakeup *ret_wakeup)
{
	*ret_wakeup = (struct wakeup){
		.fd = jl_node_get_fd(embedded_of(backend)->node),
		.events = POLLIN,
		.timeout_ms = -1,
	};
}

static int process(struct backend *backend, struct fault *fault)
{
	jl_error *err = NULL;
	int r = jl_node_process(embedded_of(backend)->node, &err);

	return r < 0 ? embedded_fault(fault, r, err) : 0;
}

static int job_get(struct backend *backend, const char *id, struct job *job,
		   struct fault *fault)
{
	jl_job_info *info = NULL;
	jl_error *err = NULL;
	int r = jl_node_get(embedded_of(backend)->node, id, &info, &err);

	if (r < 0)
		return embedded_fault(fault, r, err);
	r = embedded_fill_job(info, job, fault);
	jl_job_info_free(info);
	return r;
}

static int fill_list(const jl_job_list *infos, struct job_list *list, struct fault *fault)
{
	uint32_t count = jl_job_list_count(infos);

	*list = (struct job_list){ 0 };
	if (count == 0)
		return 0;
	list->jobs = calloc(count, sizeof(*list->jobs));
	if (!list->jobs)
		return fault_set(fault, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < count; i++) {
		int r;

		job_init(&list->jobs[i]);
		list->count++;
		r = embedded_fill_job(jl_job_list_get(infos, i), &list->jobs[i], fault);
		if (r < 0) {
			job_list_done(list);
			return r;
		}
	}
	return 0;
}

static int job_list(struct backend *backend, const struct list_query *query,
		    struct job_list *list, struct fault *fault)
{
	jl_job_list *infos = NULL;
	jl_error *err = NULL;
	int r = jl_node_list(embedded_of(backend)->node, query->states, query->name, 0,
			     query->limit, &infos, &err);

	if (r < 0)
		return embedded_fault(fault, r, err);
	r = fill_list(infos, list, fault);
	jl_job_list_free(infos);
	return r;
}

static int job_stop(struct backend *backend, const char *id, uint64_t grace_usec,
		    struct fault *fault)
{
	jl_error *err = NULL;
	int r = jl_node_stop(embedded_of(backend)->node, id, grace_usec, &err);

	return r < 0 ? embedded_fault(fault, r, err) : 0;
}

static int job_signal(struct backend *backend, const char *id, int number,
		      struct fault *fault)
{
	jl_error *err = NULL;
	int r = jl_node_signal(embedded_of(backend)->node, id, number, &err);

	return r < 0 ? embedded_fault(fault, r, err) : 0;
}

static int job_cancel(struct backend *backend, const char *id, struct fault *fault)
{
	jl_error *err = NULL;
	int r = jl_node_cancel(embedded_of(backend)->node, id, &err);

	return r < 0 ? embedded_fault(fault, r, err) : 0;
}

static int job_delete(struct backend *backend, const char *id, struct fault *fault)
{
	jl_error *err = NULL;
	int r = jl_node_delete(embedded_of(backend)->node, id, &err);

	return r < 0 ? embedded_fault(fault, r, err) : 0;
}

static int job_delete_all(struct backend *backend, uint32_t *ret_deleted,
			  uint32_t *ret_skipped, struct fault *fault)
{
	jl_error *err = NULL;
	int r = jl_node_delete_all(embedded_of(backend)->node, ret_deleted, ret_skipped,
				   &err);

	return r < 0 ? embedded_fault(fault, r, err) : 0;
}

static int job_wait(struct backend *backend, const char *id, uint64_t timeout_usec,
		    struct fault *fault)
{
	jl_error *err = NULL;
	int r = jl_node_wait(embedded_of(backend)->node, id, timeout_usec, &err);

	return r < 0 ? embedded_fault(fault, r, err) : 0;
}

static int node_get(struct backend *backend, struct node_info *info, struct fault *fault)
{
	char host[256] = "";

	(void)backend;
	if (gethostname(host, sizeof(host) - 1) < 0)
		host[0] = 0;
	*info = (struct node_info){ .available = true };
	if (job_set_text(&info->version, jl_version_string()) < 0 ||
	    job_set_text(&info->hostname, host) < 0) {
		node_info_done(info);
		return fault_set(fault, -ENOMEM, "out of memory");
	}
	return 0;
}

static const struct backend_ops embedded_ops = {
	.stdin_passes = true,
	.lasting = false,
	.close = close_node,
	.get_wakeup = get_wakeup,
	.process = process,
	.begin = embedded_begin,
	.add_dir = embedded_add_dir,
	.add_link = embedded_add_link,
	.add_file = embedded_add_file,
	.write = embedded_write,
	.submit = embedded_submit,
	.abort = embedded_abort,
	.job_get = job_get,
	.job_list = job_list,
	.job_stop = job_stop,
	.job_signal = job_signal,
	.job_cancel = job_cancel,
	.job_delete = job_delete,
	.job_delete_all = job_delete_all,
	.job_wait = job_wait,
	.log_open = embedded_log_open,
	.log_get_wakeup = embedded_log_get_wakeup,
	.log_read = embedded_log_read,
	.log_close = embedded_log_close,
	.network_create = embedded_network_create,
	.network_list = embedded_network_list,
	.network_remove = embedded_network_remove,
	.node_get = node_get,
};

/* The state folder of --state-dir or JOBLET_STATE_DIR, if any. */
static int set_state_dir(const struct options *opts, jl_ctx *ctx, struct fault *fault)
{
	const char *dir = state_dir_of(opts);
	jl_error *err = NULL;
	char buf[SHOWN_MAX];
	int r;

	if (!dir)
		return 0;
	r = jl_ctx_set_state_dir(ctx, dir, &err);
	if (r < 0) {
		(void)fault_set(fault, r, "%s%s: %s",
				opts->state_dir ? "--state-dir=" : "JOBLET_STATE_DIR=",
				shown(buf, dir), jl_error_message(err));
		jl_error_free(err);
	}
	return r;
}

int embedded_open(const struct options *opts, struct backend **ret_backend,
		  struct fault *fault)
{
	struct embedded *self = calloc(1, sizeof(*self));
	jl_error *err = NULL;
	int r;

	if (!self)
		return fault_set(fault, -ENOMEM, "out of memory");
	self->base.ops = &embedded_ops;
	/* rnx is a process of its own: it may step aside to make room for limits. */
	r = jl_ctx_new(JL_CTX_MOVE_SELF, &self->ctx, &err);
	if (r < 0) {
		(void)embedded_fault(fault, r, err);
		goto fail;
	}
	if (!opts->quiet)
		jl_ctx_set_log(self->ctx, say_log, NULL);
	r = set_state_dir(opts, self->ctx, fault);
	if (r < 0)
		goto fail;
	r = jl_node_open(self->ctx, NULL, &self->node, &err);
	if (r < 0) {
		(void)embedded_fault(fault, r, err);
		goto fail;
	}
	*ret_backend = &self->base;
	return 0;
fail:
	close_node(&self->base);
	return r;
}
