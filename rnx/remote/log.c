/* SPDX-License-Identifier: MIT */
/*
 * Output of a job, as it comes. When the daemon goes away and comes back, reading goes on
 * where it was: each piece tells where the log goes on behind it.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <joblet/node.h>

#include "remote-priv.h"
#include "rpc/pb.h"

#define LOGS "/joblet.JobService/GetJobLogs"
#define RETRY_MS 200

struct remote_log {
	struct log_reader base;
	struct remote *owner;
	struct remote_log *next;
	struct jl__rpc_stream *stream; /* NULL: lost, to be opened again */
	char *id;
	struct log_query query;
	uint8_t *rest; /* of a piece that was not taken whole */
	size_t at, left;
	uint64_t next_offset; /* behind it */
	bool begun;	      /* something came: go on by offset */
	uint64_t retry_usec;  /* not before */
};

static struct remote_log *self_of(struct log_reader *log)
{
	return (struct remote_log *)(void *)log;
}

static void describe(const struct remote_log *self, Joblet__X__V1__LogOptions *options)
{
	uint32_t flags = self->query.flags;
	uint32_t streams = flags & (JL_LOG_STDOUT | JL_LOG_STDERR);

	options->no_follow = !(flags & JL_LOG_FOLLOW);
	options->stdout_only = streams == JL_LOG_STDOUT;
	options->stderr_only = streams == JL_LOG_STDERR;
	options->timestamps = (flags & JL_LOG_TIMESTAMPS) != 0;
	options->pieces = (flags & JL_LOG_PIECES) != 0;
	if (self->begun) {
		options->offset = self->next_offset;
	} else if (self->query.tail != UNKNOWN) {
		options->has_tail = 1;
		options->tail_lines = self->query.tail;
	} else {
		options->since_usec = self->query.since_usec;
	}
}

static int open_stream(struct remote_log *self, struct fault *fault)
{
	Joblet__GetJobLogsRequest request = JOBLET__GET_JOB_LOGS_REQUEST__INIT;
	Joblet__X__V1__LogOptions options = JOBLET__X__V1__LOG_OPTIONS__INIT;
	jl_error *err = NULL;
	uint8_t *data;
	size_t len;
	int r;

	request.uuid = self->id;
	request.options = &options;
	describe(self, &options);
	len = joblet__get_job_logs_request__get_packed_size(&request);
	data = malloc(len + 1);
	if (!data)
		return fault_set(fault, -ENOMEM, "out of memory");
	(void)joblet__get_job_logs_request__pack(&request, data);
	r = jl__rpc_stream_open(self->owner->client, LOGS, UINT64_MAX, &self->stream,
				&err);
	if (r < 0) {
		free(data);
		return remote_error(fault, r, err);
	}
	r = jl__rpc_stream_write(self->stream, data, len);
	free(data);
	if (r == 0)
		jl__rpc_stream_write_end(self->stream);
	return r < 0 ? fault_set(fault, r, "%s", strerror(-r)) : 0;
}

/* *ret_id is NULL when there is no memory. */
static int find_id(struct backend *backend, const char *id, char **ret_id,
		   struct fault *fault)
{
	struct job job;
	int r;

	job_init(&job);
	r = remote_job_get(backend, id, &job, fault);
	if (r == 0)
		*ret_id = strdup(job.uuid);
	job_done(&job);
	return r;
}

int remote_log_open(struct backend *backend, const char *id,
		    const struct log_query *query, struct log_reader **ret_log,
		    struct fault *fault)
{
	struct remote_log *self = calloc(1, sizeof(*self));
	int r = 0;

	if (!self)
		return fault_set(fault, -ENOMEM, "out of memory");
	self->base.ops = backend->ops;
	self->owner = remote_of(backend);
	self->query = *query;
	self->next = self->owner->logs;
	self->owner->logs = self;
	/*
	 * A stream says that there is no such job when it is read: that is too late. The
	 * job that was handed in just now is there.
	 */
	if (strcmp(id, self->owner->submitted) == 0)
		self->id = strdup(id);
	else
		r = find_id(backend, id, &self->id, fault);
	if (r == 0 && !self->id)
		r = fault_set(fault, -ENOMEM, "out of memory");
	if (r == 0)
		r = open_stream(self, fault);
	if (r < 0) {
		remote_log_close(&self->base);
		return r;
	}
	*ret_log = &self->base;
	return 0;
}

void remote_log_get_wakeup(struct log_reader *log, struct wakeup *ret_wakeup)
{
	const struct remote_log *self = self_of(log);

	/* The connection is the backend's, which is asked for its own wakeup as well. */
	*ret_wakeup = (struct wakeup){ .fd = -1,
				       .timeout_ms = self->left	    ? 0
						     : self->stream ? -1
								    : RETRY_MS };
}

/* Takes the next message apart; its bytes are borrowed from the client. */
static int take_message(struct remote_log *self, const uint8_t *data, size_t len,
			const uint8_t **ret_payload, size_t *ret_len)
{
	struct jl__pb_field field;
	struct jl__pb_walk walk;
	int r;

	*ret_len = 0;
	jl__pb_walk_init(&walk, data, len);
	while ((r = jl__pb_next(&walk, &field)) > 0) {
		if (field.number == 1 && field.type == 2) {
			*ret_payload = field.data;
			*ret_len = field.len;
		} else if (field.number == 1001) {
			self->next_offset = field.value;
			self->begun = true;
		} else if (field.number == 1002) {
			self->base.usec = field.value;
		} else if (field.number == 1003) {
			self->base.stream = field.value <= 2 ? (int)field.value : 0;
		}
	}
	return r;
}

static void lose(struct remote_log *self)
{
	jl__rpc_stream_close(self->stream);
	self->stream = NULL;
	self->retry_usec = 0;
}

void remote_log_lose_all(struct remote *self)
{
	for (struct remote_log *log = self->logs; log; log = log->next)
		lose(log);
}

/* After the connection was lost: 0 when reading can go on, -EAGAIN, or a failure. */
static int find_again(struct remote_log *self, struct fault *fault)
{
	uint64_t now = remote_now_usec();
	int r;

	if (now < self->retry_usec)
		return -EAGAIN;
	self->retry_usec = now + RETRY_MS * 1000;
	/* Another reader of the same command may have connected already. */
	r = self->owner->lost_usec || !self->owner->client
		    ? remote_reconnect(self->owner, fault)
		    : 0;
	if (r == 0)
		r = open_stream(self, fault);
	return r;
}

/* 1 with a piece, 0 at the end, -EAGAIN, or a failure. */
static int next_piece(struct remote_log *self, const uint8_t **ret_payload,
		      size_t *ret_len, struct fault *fault)
{
	const struct jl__rpc_status *status;
	const uint8_t *data;
	size_t len;
	int r;

	if (!self->stream) {
		r = find_again(self, fault);
		if (r < 0)
			return r;
	}
	r = jl__rpc_stream_read(self->stream, &data, &len);
	if (r > 0)
		return take_message(self, data, len, ret_payload, ret_len) < 0
			       ? remote_bad_reply(fault)
			       : 1;
	if (r < 0)
		return r;
	status = jl__rpc_stream_status(self->stream);
	if (status->code == JL__RPC_OK)
		return 0;
	(void)remote_fault(fault, status);
	/* A daemon that is restarted ends its streams so; one of another make, without
	   places in its answers, cannot be asked to go on. */
	if (status->code != JL__RPC_UNAVAILABLE)
		return fault->code;
	lose(self);
	self->owner->lost_usec = remote_now_usec();
	return -EAGAIN;
}

/* What the caller has no room for now stays here. */
static int keep_rest(struct remote_log *self, const uint8_t *data, size_t len,
		     struct fault *fault)
{
	uint8_t *rest = realloc(self->rest, len);

	if (!rest)
		return fault_set(fault, -ENOMEM, "out of memory");
	memcpy(rest, data, len);
	self->rest = rest;
	self->at = 0;
	self->left = len;
	return 0;
}

int64_t remote_log_read(struct log_reader *log, void *data, size_t size,
			struct fault *fault)
{
	struct remote_log *self = self_of(log);
	const uint8_t *payload = NULL;
	size_t len = 0, n;
	int r;

	if (self->left) {
		n = self->left < size ? self->left : size;
		memcpy(data, self->rest + self->at, n);
		self->at += n;
		self->left -= n;
		return (int64_t)n;
	}
	do {
		r = next_piece(self, &payload, &len, fault);
		if (r <= 0)
			return r;
	} while (!len);
	n = len < size ? len : size;
	memcpy(data, payload, n);
	if (n < len) {
		r = keep_rest(self, payload + n, len - n, fault);
		if (r < 0)
			return r;
	}
	return (int64_t)n;
}

void remote_log_close(struct log_reader *log)
{
	struct remote_log *self = self_of(log), **slot = &self->owner->logs;

	while (*slot && *slot != self)
		slot = &(*slot)->next;
	if (*slot)
		*slot = self->next;
	jl__rpc_stream_close(self->stream);
	free(self->rest);
	free(self->id);
	free(self);
}
