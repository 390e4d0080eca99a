/* SPDX-License-Identifier: MIT */
#include "embedded.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

struct embedded_log {
	struct log_reader base;
	jl_log *handle;
};

static struct embedded_log *self_of(struct log_reader *log)
{
	return (struct embedded_log *)(void *)log;
}

int embedded_log_open(struct backend *backend, const char *id,
		      const struct log_query *query, struct log_reader **ret_log,
		      struct fault *fault)
{
	struct embedded_log *self = calloc(1, sizeof(*self));
	jl_error *err = NULL;
	int r;

	if (!self)
		return fault_set(fault, -ENOMEM, "out of memory");
	self->base.ops = backend->ops;
	r = jl_node_open_log(embedded_of(backend)->node, id, query->flags, &self->handle,
			     &err);
	if (r == 0 && query->tail != UNKNOWN)
		r = jl_log_seek_tail(self->handle, query->tail, &err);
	if (r == 0 && query->since_usec > 0)
		r = jl_log_seek_time(self->handle, query->since_usec, &err);
	if (r < 0) {
		embedded_log_close(&self->base);
		return embedded_fault(fault, r, err);
	}
	*ret_log = &self->base;
	return 0;
}

void embedded_log_get_wakeup(struct log_reader *log, struct wakeup *ret_wakeup)
{
	*ret_wakeup = (struct wakeup){
		.fd = jl_log_get_fd(self_of(log)->handle),
		.events = POLLIN,
		.timeout_ms = -1,
	};
}

int64_t embedded_log_read(struct log_reader *log, void *data, size_t size,
			  struct fault *fault)
{
	jl_error *err = NULL;
	int64_t n = jl_log_read(self_of(log)->handle, data, size, &err);

	if (n == -EAGAIN) {
		jl_error_free(err);
		return n;
	}
	if (n < 0)
		return embedded_fault(fault, (int)n, err);
	log->usec = jl_log_get_time(self_of(log)->handle);
	log->stream = jl_log_get_stream(self_of(log)->handle);
	return n;
}

void embedded_log_close(struct log_reader *log)
{
	struct embedded_log *self = self_of(log);

	jl_log_close(self->handle);
	free(self);
}
