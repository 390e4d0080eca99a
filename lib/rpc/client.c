/* SPDX-License-Identifier: MIT */
/* The connection of the client. */
#define JL_MODULE "rpc"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "rpc/client-priv.h"

#define SILENCE_USEC 30000000
#define PING_USEC 20000000
#define TURN_BYTES (1 << 20)

static void end_streams(struct jl__rpc_client *client, int code, const char *text)
{
	for (struct jl__rpc_stream *one = client->streams; one; one = one->next) {
		/* What the server said before it went counts. */
		if (one->grpc_status >= 0)
			jl__rpc_stream_end(one, one->grpc_status, one->message);
		else
			jl__rpc_stream_end(one, code, text);
	}
}

void jl__rpc_client_fail(struct jl__rpc_client *client, int r)
{
	jl_error *err = NULL;

	if (client->dead)
		return;
	if (r == -ETIMEDOUT && !client->greeted)
		client->dead = jl__fail(
			&err, r,
			"%s accepts connections but does not speak: is this the port of "
			"joblet?",
			client->where.shown);
	else
		client->dead =
			jl__rpc_dial_explain(&client->io, r, client->where.shown, &err);
	client->why = jl__strdup(jl_error_message(err));
	jl_error_free(err);
	client->io.broken = true;
	end_streams(client,
		    client->dead == -EKEYREJECTED || client->dead == -EKEYEXPIRED
			    ? JL__RPC_UNAUTHENTICATED
			    : JL__RPC_UNAVAILABLE,
		    client->why);
}

static const char *why(const struct jl__rpc_client *client)
{
	return client->why ? client->why : "the connection is gone";
}

static void receive(struct jl__rpc_client *client)
{
	size_t total = 0;

	while (!client->dead && total < TURN_BYTES) {
		ssize_t n = jl__rpc_io_read(&client->io, client->buffer,
					    sizeof(client->buffer));

		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			jl__rpc_client_fail(client, (int)n);
			return;
		}
		total += (size_t)n;
		client->received_usec = jl__rpc_now_usec();
		client->ping_usec = 0;
		if (nghttp2_session_mem_recv(client->h2, client->buffer, (size_t)n) < 0) {
			jl__rpc_client_fail(client, -EPROTO);
			return;
		}
	}
}

void jl__rpc_client_flush(struct jl__rpc_client *client)
{
	size_t total = 0, sent;
	int r = 0;

	while (!client->dead && r == 0 && total < TURN_BYTES) {
		while (jl__rpc_out_left(&client->out) < JL__RPC_OUT_FULL) {
			const uint8_t *data;
			ssize_t n = nghttp2_session_mem_send(client->h2, &data);

			if (n <= 0)
				break;
			if (jl__rpc_out_put(&client->out, data, (size_t)n) < 0) {
				jl__rpc_client_fail(client, -ENOMEM);
				return;
			}
		}
		if (!jl__rpc_out_left(&client->out))
			break;
		r = jl__rpc_out_send(&client->out, &client->io, &sent);
		total += sent;
	}
	if (r == 0 || r == -EAGAIN || client->dead)
		return;
	/* The reason is often there to be read, and better than "broken pipe". */
	if (!client->io.broken || r == -EPIPE || r == -ECONNRESET) {
		client->io.broken = false;
		receive(client);
	}
	jl__rpc_client_fail(client, r);
}

static void check_time(struct jl__rpc_client *client)
{
	uint64_t now = jl__rpc_now_usec();

	for (struct jl__rpc_stream *one = client->streams; one; one = one->next) {
		if (one->closed || now < one->deadline_usec)
			continue;
		jl__rpc_stream_end(one, JL__RPC_DEADLINE_EXCEEDED,
				   "the server did not answer in time");
		if (one->id > 0)
			(void)nghttp2_submit_rst_stream(client->h2, NGHTTP2_FLAG_NONE,
							one->id, NGHTTP2_CANCEL);
	}
	if (!client->greeted && now >= client->greet_usec) {
		jl__rpc_client_fail(client, -ETIMEDOUT);
		return;
	}
	if (!client->streams)
		return;
	if (client->ping_usec && now >= client->ping_usec + PING_USEC) {
		jl__rpc_client_fail(client, -ETIMEDOUT);
	} else if (!client->ping_usec && now >= client->received_usec + SILENCE_USEC) {
		(void)nghttp2_submit_ping(client->h2, NGHTTP2_FLAG_NONE, NULL);
		client->ping_usec = now;
	}
}

int jl__rpc_client_process(struct jl__rpc_client *client, jl_error **err)
{
	jl__error_init(err);
	if (!client->dead)
		receive(client);
	if (!client->dead)
		check_time(client);
	jl__rpc_client_flush(client);
	if (client->dead)
		return jl__fail(err, client->dead, "%s", why(client));
	return 0;
}

int jl__rpc_client_fd(const struct jl__rpc_client *client)
{
	return client->io.fd;
}

short jl__rpc_client_events(const struct jl__rpc_client *client)
{
	short events = POLLIN;

	if (client->io.read_waits ||
	    (!client->io.write_waits &&
	     (jl__rpc_out_left(&client->out) || nghttp2_session_want_write(client->h2))))
		events |= POLLOUT;
	return events;
}

uint64_t jl__rpc_client_timeout_usec(const struct jl__rpc_client *client)
{
	uint64_t now = jl__rpc_now_usec(), next = UINT64_MAX;

	if (client->dead || jl__rpc_io_pending(&client->io))
		return 0;
	for (const struct jl__rpc_stream *one = client->streams; one; one = one->next)
		if (!one->closed && one->deadline_usec < next)
			next = one->deadline_usec;
	if (client->streams) {
		uint64_t at = client->ping_usec ? client->ping_usec + PING_USEC
						: client->received_usec + SILENCE_USEC;

		next = at < next ? at : next;
	}
	if (!client->greeted && client->greet_usec < next)
		next = client->greet_usec;
	if (next == UINT64_MAX)
		return next;
	return next > now ? next - now : 0;
}

int jl__rpc_client_wait(struct jl__rpc_client *client, uint64_t timeout_usec,
			jl_error **err)
{
	uint64_t own, until;
	int r, waited = 0;

	jl__error_init(err);
	/* What was said since goes out first. */
	jl__rpc_client_flush(client);
	own = jl__rpc_client_timeout_usec(client);
	until = jl__rpc_after(jl__rpc_now_usec(),
			      own < timeout_usec ? own : timeout_usec);
	if (!client->dead && own)
		waited = jl__rpc_dial_poll(client->io.fd, jl__rpc_client_events(client),
					   until);
	if (waited < 0 && waited != -ETIMEDOUT)
		jl__rpc_client_fail(client, waited);
	r = jl__rpc_client_process(client, err);
	if (r == 0 && waited == -ETIMEDOUT && timeout_usec < own)
		return jl__fail(err, -ETIMEDOUT, "nothing came in time");
	return r;
}

int jl__rpc_client_dial(const struct jl__rpc_target *target, uint64_t timeout_usec,
			struct jl__rpc_client **ret_client, jl_error **err)
{
	uint64_t until = jl__rpc_after(jl__rpc_now_usec(), timeout_usec);
	struct jl__rpc_client *client;
	int r;

	jl__error_init(err);
	client = jl__calloc(1, sizeof(*client));
	if (!client)
		return jl__oom(err);
	client->io.fd = -EBADF;
	client->greet_usec = until;
	r = jl__rpc_where_parse(target->address, &client->where, err);
	if (r == 0)
		r = jl__rpc_dial(target, &client->where, until, &client->io, err);
	if (r == 0) {
		(void)snprintf(client->authority, sizeof(client->authority), "%s",
			       target->name	       ? target->name
			       : client->where.path[0] ? "localhost"
						       : client->where.shown);
		client->received_usec = jl__rpc_now_usec();
		if (jl__rpc_client_start(client) < 0)
			r = jl__oom(err);
	}
	if (r < 0) {
		jl__rpc_client_free(client);
		return r;
	}
	*ret_client = client;
	return 0;
}

bool jl__rpc_client_greeted(const struct jl__rpc_client *client)
{
	return client->greeted;
}

int jl__rpc_client_connect(const struct jl__rpc_target *target, uint64_t timeout_usec,
			   struct jl__rpc_client **ret_client, jl_error **err)
{
	struct jl__rpc_client *client;
	int r = jl__rpc_client_dial(target, timeout_usec, &client, err);

	if (r < 0)
		return r;
	while (!client->greeted && !client->dead)
		(void)jl__rpc_client_wait(client, UINT64_MAX, NULL);
	if (client->dead) {
		r = jl__fail(err, client->dead, "%s", why(client));
		jl__rpc_client_free(client);
		return r;
	}
	*ret_client = client;
	return 0;
}

void jl__rpc_client_free(struct jl__rpc_client *client)
{
	if (!client)
		return;
	if (client->h2 && !client->dead) {
		(void)nghttp2_session_terminate_session(client->h2, NGHTTP2_NO_ERROR);
		jl__rpc_client_flush(client);
	}
	nghttp2_session_del(client->h2);
	jl__rpc_io_done(&client->io);
	jl__rpc_out_done(&client->out);
	jl__free(client->why);
	jl__free(client);
}
