/* SPDX-License-Identifier: MIT */
/* JobService.GetJobLogs: output from the first byte on, then as it comes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "follow.h"
#include "joblet.pb-c.h"
#include "rpc/pb.h"
#include "services.h"

#define CHUNK_ROOM ((size_t)64 * 1024)
/* Head of the payload, and the offset behind it. */
#define HEAD_MAX 6
#define TAIL_MAX 64
#define PAYLOAD_FIELD 1
#define OFFSET_FIELD 1000
#define NEXT_OFFSET_FIELD 1001
#define TIME_FIELD 1002
#define STREAM_FIELD 1003

struct stream {
	struct follow follow;
	bool with_offset;
	bool pieces;
};

static size_t put_number(uint8_t *to, uint64_t field, uint64_t value)
{
	size_t len = jl__pb_put_varint(to, field << 3);

	return len + jl__pb_put_varint(to + len, value);
}

/* One DataChunk, built around the bytes where the reader put them. */
static ssize_t next_chunk(struct jl__rpc_call *call, void *data, uint8_t *to, size_t size)
{
	struct stream *stream = data;
	uint64_t offset = jl_log_get_offset(stream->follow.log);
	uint8_t head[15];
	size_t head_len, len;
	int64_t n;

	(void)call;
	n = follow_read(&stream->follow, to + HEAD_MAX, size - HEAD_MAX - TAIL_MAX);
	if (n <= 0)
		return (ssize_t)n;
	head_len = jl__pb_put_head(head, PAYLOAD_FIELD, (uint64_t)n);
	memmove(to + head_len, to + HEAD_MAX, (size_t)n);
	memcpy(to, head, head_len);
	len = head_len + (size_t)n;
	if (stream->with_offset) {
		len += put_number(to + len, OFFSET_FIELD, offset);
		len += put_number(to + len, NEXT_OFFSET_FIELD,
				  jl_log_get_offset(stream->follow.log));
	}
	if (stream->pieces) {
		len += put_number(to + len, TIME_FIELD,
				  jl_log_get_time(stream->follow.log));
		len += put_number(to + len, STREAM_FIELD,
				  (uint64_t)jl_log_get_stream(stream->follow.log));
	}
	return (ssize_t)len;
}

static uint32_t flags_of(const Joblet__X__V1__LogOptions *o)
{
	uint32_t flags = 0;

	if (!o || !o->no_follow)
		flags |= JL_LOG_FOLLOW;
	if (o && o->stdout_only)
		flags |= JL_LOG_STDOUT;
	if (o && o->stderr_only)
		flags |= JL_LOG_STDERR;
	if (o && o->timestamps)
		flags |= JL_LOG_TIMESTAMPS;
	if (o && o->pieces)
		flags |= JL_LOG_PIECES;
	return flags;
}

static int seek(jl_log *log, const Joblet__X__V1__LogOptions *o, jl_error **err)
{
	if (!o)
		return 0;
	if (o->has_tail)
		return jl_log_seek_tail(log, o->tail_lines, err);
	if (o->since_usec)
		return jl_log_seek_time(log, o->since_usec, err);
	if (o->offset)
		jl_log_seek(log, o->offset);
	return 0;
}

static void begin(struct jl__rpc_call *call, const Joblet__GetJobLogsRequest *m)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	const struct jl__rpc_source source = { .read = next_chunk,
					       .data = stream,
					       .room = CHUNK_ROOM };
	jl_error *err = NULL;
	int r;

	if (!stream) {
		jl__rpc_call_finish(call, JL__RPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	jl__rpc_call_set_data(call, stream);
	stream->with_offset = m->options != NULL;
	stream->pieces = m->options && m->options->pieces;
	r = follow_open(&stream->follow, call, m->uuid, flags_of(m->options), &err);
	if (r == 0)
		r = seek(stream->follow.log, m->options, &err);
	if (r == 0)
		r = jl__rpc_call_stream(call, &source);
	if (r < 0)
		finish_error(call, id_error(r), err);
}

static void request(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	DECODE(call, data, len, Joblet__GetJobLogsRequest, joblet__get_job_logs_request,
	       m)
	if (*m->uuid)
		begin(call, m);
	else
		jl__rpc_call_finish(call, JL__RPC_INVALID_ARGUMENT,
				    "invalid request: the id of the job is empty");
	joblet__get_job_logs_request__free_unpacked(m, NULL);
}

static void closed(struct jl__rpc_call *call)
{
	struct stream *stream = jl__rpc_call_data(call);

	if (!stream)
		return;
	follow_close(&stream->follow);
	free(stream);
}

const struct jl__rpc_handler get_job_logs = { .request = request, .closed = closed };
