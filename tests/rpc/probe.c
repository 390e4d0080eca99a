/* SPDX-License-Identifier: MIT */
#include "probe.h"

#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

struct probe {
	int fd;
	nghttp2_session *h2;
	const struct probe_request *request;
	struct probe_reply *reply;
	size_t sent;
	int32_t id;
	unsigned heads;
};

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t len, uint8_t flags,
		     void *data)
{
	struct probe *probe = data;
	struct probe_reply *reply = probe->reply;
	const char *key = (const char *)name, *text = (const char *)value;

	(void)h2, (void)flags, (void)name_len, (void)len;
	if (frame->hd.stream_id != probe->id)
		return 0;
	/* nghttp2 ends both with a NUL. */
	if (strcmp(key, ":status") == 0)
		reply->status = (unsigned)strtoul(text, NULL, 10);
	if (strcmp(key, "grpc-status") == 0)
		reply->grpc = (int)strtoul(text, NULL, 10);
	if (strcmp(key, "grpc-message") == 0)
		(void)snprintf(reply->message, sizeof(reply->message), "%s", text);
	if (strcmp(key, "content-type") == 0)
		(void)snprintf(reply->type, sizeof(reply->type), "%s", text);
	if (strcmp(key, "allow") == 0)
		(void)snprintf(reply->allow, sizeof(reply->allow), "%s", text);
	if (strcmp(key, "grpc-accept-encoding") == 0)
		(void)snprintf(reply->encoding, sizeof(reply->encoding), "%s", text);
	return 0;
}

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *data)
{
	struct probe *probe = data;

	(void)h2;
	if (frame->hd.stream_id != probe->id)
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS)
		probe->reply->trailers_only =
			++probe->heads == 1 && frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
	if (frame->hd.type == NGHTTP2_RST_STREAM)
		probe->reply->reset = frame->rst_stream.error_code;
	return 0;
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *bytes,
		   size_t len, void *data)
{
	struct probe *probe = data;
	struct probe_reply *reply = probe->reply;

	(void)h2, (void)flags;
	if (id == probe->id && reply->len + len <= sizeof(reply->body)) {
		memcpy(reply->body + reply->len, bytes, len);
		reply->len += len;
	}
	return 0;
}

static int on_close(nghttp2_session *h2, int32_t id, uint32_t code, void *data)
{
	struct probe *probe = data;

	(void)h2, (void)code;
	if (id == probe->id)
		probe->reply->ended = true;
	return 0;
}

static ssize_t on_read(nghttp2_session *h2, int32_t id, uint8_t *to, size_t size,
		       uint32_t *flags, nghttp2_data_source *source, void *data)
{
	struct probe *probe = data;
	const struct probe_request *request = probe->request;
	size_t n = request->len - probe->sent;

	(void)h2, (void)id, (void)source;
	if (n > size)
		n = size;
	if (request->frame && n > request->frame)
		n = request->frame;
	if (n)
		memcpy(to, (const uint8_t *)request->body + probe->sent, n);
	probe->sent += n;
	if (probe->sent < request->len)
		return (ssize_t)n;
	if (n && (request->open || request->late_end))
		return (ssize_t)n;
	if (request->open)
		return NGHTTP2_ERR_DEFERRED;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static ssize_t on_pad(nghttp2_session *h2, const nghttp2_frame *frame, size_t max,
		      void *data)
{
	const struct probe *probe = data;
	size_t want = frame->hd.length;

	(void)h2;
	if (frame->hd.type != NGHTTP2_DATA || !probe->request)
		return (ssize_t)want;
	want += probe->request->pad;
	return (ssize_t)(want < max ? want : max);
}

struct probe *probe_open(uint16_t port)
{
	struct probe *probe = calloc(1, sizeof(*probe));
	nghttp2_session_callbacks *to;

	ck_assert_ptr_nonnull(probe);
	probe->fd = raw_connect(port);
	ck_assert_int_eq(nghttp2_session_callbacks_new(&to), 0);
	nghttp2_session_callbacks_set_on_header_callback(to, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(to, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(to, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(to, on_close);
	nghttp2_session_callbacks_set_select_padding_callback(to, on_pad);
	ck_assert_int_eq(nghttp2_session_client_new(&probe->h2, to, probe), 0);
	nghttp2_session_callbacks_del(to);
	return probe;
}

static bool transmit(struct probe *probe)
{
	const uint8_t *data;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(probe->h2, &data)) > 0)
		raw_write(probe->fd, data, (size_t)n);
	return n == 0;
}

static long passed_ms(const struct timespec *since)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - since->tv_sec) * 1000 +
	       (now.tv_nsec - since->tv_nsec) / 1000000;
}

static void run(struct probe *probe, unsigned wait_ms)
{
	struct pollfd one = { probe->fd, POLLIN, 0 };
	struct timespec begin;
	uint8_t data[65536];
	ssize_t n;

	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	while (!probe->reply->ended && !probe->reply->cut) {
		long left = (long)wait_ms - passed_ms(&begin);

		if (left <= 0 || !transmit(probe))
			return;
		if (poll(&one, 1, (int)left) <= 0)
			continue;
		n = recv(probe->fd, data, sizeof(data), 0);
		if (n <= 0)
			probe->reply->cut = true;
		else if (nghttp2_session_mem_recv(probe->h2, data, (size_t)n) < 0)
			return;
	}
	(void)transmit(probe);
}

#define FIELD(name_, value_)                                                   \
	{                                                                      \
		(uint8_t *)(uintptr_t)(name_), (uint8_t *)(uintptr_t)(value_), \
			strlen(name_), strlen(value_), NGHTTP2_NV_FLAG_NONE    \
	}

void probe_ask(struct probe *probe, const struct probe_request *request,
	       struct probe_reply *reply)
{
	nghttp2_settings_entry window = { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
					  request->unread ? 0 : 65535 };
	nghttp2_data_provider body = { { 0 }, on_read };
	const nghttp2_nv fields[] = {
		FIELD(":method", request->method ? request->method : "POST"),
		FIELD(":scheme", "http"),
		FIELD(":authority", "test"),
		FIELD(":path", request->path ? request->path : "/test.Echo/Unary"),
		FIELD("content-type", request->type ? request->type : "application/grpc"),
		FIELD(request->name ? request->name : "x-none",
		      request->value ? request->value : ""),
	};

	memset(reply, 0, sizeof(*reply));
	reply->grpc = -1;
	reply->reset = UINT32_MAX;
	probe->request = request;
	probe->reply = reply;
	probe->sent = 0;
	probe->heads = 0;
	ck_assert_int_eq(nghttp2_submit_settings(probe->h2, 0, &window, 1), 0);
	probe->id = nghttp2_submit_request(
		probe->h2, NULL, fields, 6,
		request->len || request->open || request->late_end ? &body : NULL, NULL);
	ck_assert_int_gt(probe->id, 0);
	run(probe, request->wait_ms ? request->wait_ms : PATIENCE_MS);
}

void probe_go_on(struct probe *probe, unsigned wait_ms)
{
	struct probe_reply *reply = probe->reply;

	run(probe, wait_ms);
	reply->window =
		nghttp2_session_get_stream_remote_window_size(probe->h2, probe->id);
	reply->connection_window = nghttp2_session_get_remote_window_size(probe->h2);
}

void probe_close(struct probe *probe)
{
	nghttp2_session_del(probe->h2);
	(void)close(probe->fd);
	free(probe);
}
