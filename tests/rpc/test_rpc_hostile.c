/* SPDX-License-Identifier: MIT */
/*
 * Peers that mean harm, or do harm: they are dropped or held back, the others
 * are served, and memory stays where it was.
 */
#include <errno.h>
#include <malloc.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "main.h"
#include "probe.h"
#include "rpc/pb.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define MIB (1024ull * 1024)
/* Frames; the credit of a connection is 4000 at first. */
#define FLOOD 6000
/* Sanitizers keep what was freed; one compiler tells by a macro, the other by a feature.
 */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define KEEPS_FREED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(KEEPS_FREED)
#define SLACK (300 * MIB)
#else
#define SLACK 0ull
#endif

static struct running running;

static void begin_with(const struct jl__rpc_limits *limits)
{
	server_start(&running, limits, NULL);
}

static void others_are_served(void)
{
	struct jl__rpc_client *client = client_of(&running, &authority()->admin);

	ck_assert_int_eq(call(client, "/test.Echo/Unary", "", 0, PATIENCE, NULL), 0);
	jl__rpc_client_free(client);
}

/* ---- floods ---- */

static void ping(int fd, uint32_t i)
{
	(void)i;
	raw_frame(fd, 6, 0, 0, "12345678", 8);
}

static void settings(int fd, uint32_t i)
{
	(void)i;
	raw_frame(fd, 4, 0, 0, "\0\4\0\0\xff\xff", 6);
}

static void request_and_reset(int fd, uint32_t i)
{
	raw_request(fd, 2 * i + 1, "/test.Echo/Unary");
	raw_frame(fd, 3, 0, 2 * i + 1, "\0\0\0\x8", 4);
}

static void empty_data(int fd, uint32_t i)
{
	if (i == 0)
		raw_request(fd, 1, "/test.Echo/Unary");
	raw_frame(fd, 0, 0, 1, NULL, 0);
}

static void priority(int fd, uint32_t i)
{
	raw_frame(fd, 2, 0, 2 * i + 1, "\0\0\0\0\1", 5);
}

static void window(int fd, uint32_t i)
{
	(void)i;
	raw_frame(fd, 8, 0, 0, "\0\0\0\1", 4);
}

static void continuation(int fd, uint32_t i)
{
	if (i == 0)
		raw_frame(fd, 1, 0, 1, "\x83", 1);
	raw_frame(fd, 9, 0, 1, "\x40\1a\1b", 5);
}

static void empty_continuation(int fd, uint32_t i)
{
	if (i == 0)
		raw_frame(fd, 1, 0, 1, "\x83", 1);
	raw_frame(fd, 9, 0, 1, NULL, 0);
}

/* DATA for a stream that has ended. */
static void late_data(int fd, uint32_t i)
{
	if (i == 0) {
		raw_request(fd, 1, "/test.Echo/Gone");
		raw_frame(fd, 0, 1, 1, NULL, 0);
	}
	raw_frame(fd, 0, 0, 1, "x", 1);
}

static const struct {
	const char *what;
	void (*send)(int fd, uint32_t i);
} floods[] = {
	{ "PING", ping },
	{ "SETTINGS", settings },
	{ "requests that are reset", request_and_reset },
	{ "empty DATA", empty_data },
	{ "PRIORITY", priority },
	{ "WINDOW_UPDATE", window },
	{ "CONTINUATION", continuation },
	{ "empty CONTINUATION", empty_continuation },
};

START_TEST(floods_end_the_connection)
{
	struct raw_goaway goaway;
	uint64_t before;
	int fd;

	begin_with(NULL);
	others_are_served();
	before = server_resident(&running);
	fd = raw_connect(running.clear);
	raw_begin(fd);
	/* In one piece: what a slow machine does not send fast is no flood. */
	raw_hold();
	for (uint32_t i = 0; i < FLOOD; i++)
		floods[_i].send(fd, i);
	raw_release(fd);
	/* It is told before it is cut off. */
	ck_assert_msg(raw_goaway(fd, &goaway), "%s: no GOAWAY", floods[_i].what);
	ck_assert_uint_ne(goaway.code, 0);
	ck_assert_msg(raw_closed(fd, PATIENCE_MS), "%s: still open", floods[_i].what);
	(void)close(fd);
	others_are_served();
	ck_assert_uint_ge(server_count(&running, "dropped"), 1);
	ck_assert_uint_lt(server_resident(&running), before + 16 * MIB + SLACK);
	server_stop(&running);
}
END_TEST

/* Costs nothing but reading it: thrown away, without a window that closes or
 * memory. */
START_TEST(data_for_what_is_over_is_thrown_away)
{
	uint64_t before;
	int fd;

	begin_with(NULL);
	others_are_served();
	before = server_resident(&running);
	fd = raw_connect(running.clear);
	raw_begin(fd);
	raw_hold();
	for (uint32_t i = 0; i < 20000; i++)
		late_data(fd, i);
	raw_release(fd);
	others_are_served();
	ck_assert_uint_lt(server_resident(&running), before + 16 * MIB + SLACK);
	(void)close(fd);
	server_stop(&running);
}
END_TEST

START_TEST(what_is_usual_is_no_flood)
{
	struct jl__rpc_client *client;
	int fd;

	begin_with(NULL);
	client = client_of(&running, &authority()->viewer);
	for (int i = 0; i < 4500; i++)
		ck_assert_int_eq(call(client, "/test.Echo/Unary", "", 0, PATIENCE, NULL),
				 0);
	jl__rpc_client_free(client);
	fd = raw_connect(running.clear);
	raw_begin(fd);
	/* Keepalive without a call, as the Python client does it. */
	for (int i = 0; i < 500; i++)
		ping(fd, 0);
	ck_assert(!raw_closed(fd, 100));
	(void)close(fd);
	ck_assert_uint_eq(server_count(&running, "dropped"), 0);
	server_stop(&running);
}
END_TEST

/* ---- what is no HTTP/2 ---- */

static const struct {
	const char *what, *bytes;
	size_t len;
} rubbish[] = {
	{ "another preface", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", 24 },
	{ "half a preface and rubbish", "PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n", 24 },
	{ "DATA first", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\1\0\0\0\0\0\1x", 34 },
	{ "a frame too large",
	  "PRI * "
	  "HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\xff\xff\xff\0\0\0\0\0\1",
	  42 },
	{ "an even stream",
	  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\1\1\5\0\0\0\2\x82",
	  43 },
	{ "broken HPACK",
	  "PRI * "
	  "HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\2\1\5\0\0\0\1\xff\xff",
	  44 },
	{ "PUSH_PROMISE",
	  "PRI * "
	  "HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\4\5\4\0\0\0\1\0\0\0\2",
	  46 },
};

START_TEST(rubbish_ends_the_connection)
{
	int fd;

	begin_with(NULL);
	fd = raw_connect(running.clear);
	raw_write(fd, rubbish[_i].bytes, rubbish[_i].len);
	ck_assert_msg(raw_closed(fd, PATIENCE_MS), "%s: still open", rubbish[_i].what);
	(void)close(fd);
	others_are_served();
	ck_assert_uint_ge(server_count(&running, "dropped"), 1);
	server_stop(&running);
}
END_TEST

/* ---- the slow ---- */

START_TEST(the_silent_are_closed_in_time)
{
	const struct jl__rpc_limits limits = { .handshake_usec = 300000 };
	int tls, clear, slow;

	begin_with(&limits);
	tls = raw_connect(running.port);
	clear = raw_connect(running.clear);
	slow = raw_connect(running.clear);
	/* A header, byte after byte, without end. */
	raw_write(slow, "GET / HTTP/1.1\r\nX: ", 19);
	for (int i = 0; i < 8; i++) {
		(void)poll(NULL, 0, 50);
		raw_write(slow, "y", 1);
	}
	ck_assert(raw_closed(tls, PATIENCE_MS));
	ck_assert(raw_closed(clear, PATIENCE_MS));
	ck_assert(raw_closed(slow, PATIENCE_MS));
	(void)close(tls);
	(void)close(clear);
	(void)close(slow);
	others_are_served();
	server_stop(&running);
}
END_TEST

START_TEST(a_body_that_stalls_is_refused)
{
	const struct jl__rpc_limits limits = { .stall_usec = 200000 };
	const struct probe_request request = { .path = "/test.Echo/Large",
					       .body = "\0\0\x10\0\0half",
					       .len = 9,
					       .open = true };
	struct probe_reply reply;
	struct probe *probe;

	begin_with(&limits);
	probe = probe_open(running.clear);
	probe_ask(probe, &request, &reply);
	ck_assert_int_eq(reply.grpc, 4);
	ck_assert_str_eq(reply.message, "the request did not arrive in time");
	server_await(&running, "upload", 0);
	probe_close(probe);
	server_stop(&running);
}
END_TEST

START_TEST(who_does_not_answer_a_ping_is_gone)
{
	/* The other one answers in time, unless the machine stands still. */
	const struct jl__rpc_limits limits = { .keepalive_usec = 100000,
					       .keepalive_timeout_usec = 3000000 };
	struct jl__rpc_client *client;
	struct jl__rpc_stream *stream = NULL;
	uint8_t message[64];
	int fd;

	begin_with(&limits);
	/* This one answers, although it does not read what it asked for. */
	client = client_of(&running, &authority()->viewer);
	ck_assert_int_eq(jl__rpc_stream_open(client, "/test.Echo/Stream", UINT64_MAX,
					     &stream, NULL),
			 0);
	ck_assert_int_eq(jl__rpc_stream_write(stream, message,
					      count_message(message, 0, 60000, 0, 0)),
			 0);
	jl__rpc_stream_write_end(stream);
	fd = raw_connect(running.clear);
	raw_begin(fd);
	for (int i = 0; i < 10 * PATIENCE_MS && !raw_closed(fd, 0); i++)
		(void)jl__rpc_client_wait(client, 10000, NULL);
	ck_assert(raw_closed(fd, 0));
	(void)close(fd);
	ck_assert_int_eq(jl__rpc_client_process(client, NULL), 0);
	ck_assert_int_eq(jl__rpc_stream_status(stream)->code, -1);
	jl__rpc_stream_close(stream);
	jl__rpc_client_free(client);
	server_stop(&running);
}
END_TEST

/* ---- the many ---- */

START_TEST(connections_have_caps)
{
	const struct jl__rpc_limits limits = { .connections = 12,
					       .connections_of_peer = 8 };
	int fds[12];
	struct jl__rpc_client *local;

	begin_with(&limits);
	for (int i = 0; i < 12; i++)
		fds[i] = raw_connect(running.port);
	for (int i = 8; i < 12; i++)
		ck_assert(raw_closed(fds[i], PATIENCE_MS));
	ck_assert(!raw_closed(fds[0], 20));
	/* Root on this machine is not one of them. */
	local = client_clear(&running);
	ck_assert_int_eq(call(local, "/test.Echo/Unary", "", 0, PATIENCE, NULL), 0);
	jl__rpc_client_free(local);
	for (int i = 0; i < 12; i++)
		(void)close(fds[i]);
	server_await(&running, "connections", 1);
	others_are_served();
	server_stop(&running);
}
END_TEST

START_TEST(descriptors_that_run_out_are_survived)
{
	struct rlimit few = { 40, 40 }, old;
	int fds[60], r = -1;
	char address[32];

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	few.rlim_max = old.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	begin_with(NULL);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	(void)snprintf(address, sizeof(address), "localhost:%u", running.port);
	for (int i = 0; i < 60; i++)
		fds[i] = raw_connect(running.clear);
	(void)poll(NULL, 0, 100);
	for (int i = 0; i < 60; i++)
		(void)close(fds[i]);
	/* The next in line may still be turned away. */
	for (int i = 0; i < 20 && r < 0; i++) {
		struct jl__rpc_client *client = NULL;
		const struct jl__rpc_target target = { address, authority()->admin.cert,
						       authority()->admin.key,
						       authority()->ca.cert, NULL };

		r = jl__rpc_client_connect(&target, PATIENCE, &client, NULL);
		jl__rpc_client_free(client);
		(void)poll(NULL, 0, 50);
	}
	ck_assert_int_eq(r, 0);
	others_are_served();
	server_stop(&running);
}
END_TEST

START_TEST(streams_have_a_cap)
{
	struct jl__rpc_stream *streams[200] = { 0 };
	struct jl__rpc_client *client;

	begin_with(NULL);
	client = client_of(&running, &authority()->viewer);
	for (int i = 0; i < 200; i++) {
		ck_assert_int_eq(jl__rpc_stream_open(client, "/test.Echo/Never",
						     UINT64_MAX, &streams[i], NULL),
				 0);
		ck_assert_int_eq(jl__rpc_stream_write(streams[i], "", 0), 0);
		jl__rpc_stream_write_end(streams[i]);
	}
	for (int i = 0; i < 20; i++)
		(void)jl__rpc_client_wait(client, 10000, NULL);
	ck_assert_uint_eq(server_count(&running, "calls"), 129);
	for (int i = 0; i < 200; i++)
		jl__rpc_stream_close(streams[i]);
	ck_assert_int_eq(call(client, "/test.Echo/Unary", "", 0, PATIENCE, NULL), 0);
	jl__rpc_client_free(client);
	server_stop(&running);
}
END_TEST

START_TEST(readers_that_never_read_cost_little)
{
	struct jl__rpc_client *clients[20];
	struct jl__rpc_stream *streams[20] = { 0 };
	uint8_t message[64];
	size_t len = count_message(message, 0, 60000, 0, 0);
	uint64_t before;

	begin_with(NULL);
	others_are_served();
	before = server_resident(&running);
	for (int i = 0; i < 20; i++) {
		clients[i] = client_of(&running, &authority()->viewer);
		ck_assert_int_eq(jl__rpc_stream_open(clients[i], "/test.Echo/Stream",
						     UINT64_MAX, &streams[i], NULL),
				 0);
		ck_assert_int_eq(jl__rpc_stream_write(streams[i], message, len), 0);
		jl__rpc_stream_write_end(streams[i]);
	}
	for (int round = 0; round < 15; round++)
		for (int i = 0; i < 20; i++)
			(void)jl__rpc_client_wait(clients[i], 1000, NULL);
	others_are_served();
	ck_assert_uint_lt(server_resident(&running), before + 24 * MIB + SLACK);
	for (int i = 0; i < 20; i++) {
		jl__rpc_stream_close(streams[i]);
		jl__rpc_client_free(clients[i]);
	}
	server_stop(&running);
}
END_TEST

/* A connection with a stream of messages of 60000 bytes, and windows that never
 * close. */
static int greedy_stream(void)
{
	int fd = raw_connect(running.clear);

	raw_begin(fd);
	raw_frame(fd, 4, 0, 0, "\0\4\x7f\xff\xff\xff", 6);
	raw_frame(fd, 8, 0, 0, "\x7f\xff\0\0", 4);
	raw_request(fd, 1, "/test.Echo/Stream");
	raw_frame(fd, 0, 1, 1, "\0\0\0\0\4\x10\xe0\xd4\3", 9);
	return fd;
}

/* Nothing of a stream is made before the socket takes it, however much was
 * asked for. */
START_TEST(a_window_of_gigabytes_costs_nothing)
{
	uint64_t before;
	int fd;

	begin_with(NULL);
	others_are_served();
	before = server_resident(&running);
	fd = greedy_stream();
	server_await(&running, "calls", 2);
	for (int i = 0; i < 3; i++)
		others_are_served();
	ck_assert_uint_lt(server_resident(&running), before + 8 * MIB + SLACK);
	(void)close(fd);
	server_stop(&running);
}
END_TEST

/*
 * One that was told to go and stays is cut off when its time is over, once: a timer that
 * was set again then kept the server turning for ever.
 */
START_TEST(who_was_dropped_and_stays_is_cut_off)
{
	static const char nonsense[] = "PRI * HTTP/2.0\r\n\r\nrubbish\r\n\r\n";
	int fd, waited = 0;

	begin_with(NULL);
	fd = raw_connect(running.clear);
	raw_write(fd, nonsense, strlen(nonsense));
	for (; waited < PATIENCE_MS / 20 && !raw_closed(fd, 0); waited++)
		(void)poll(NULL, 0, 20);
	ck_assert_int_lt(waited, PATIENCE_MS / 20);
	/* Its end stays open, and takes what comes: nothing is answered to that. */
	for (; waited < PATIENCE_MS / 20 && send(fd, "x", 1, MSG_NOSIGNAL) == 1; waited++)
		(void)poll(NULL, 0, 20);
	ck_assert_int_lt(waited, PATIENCE_MS / 20);
	(void)close(fd);
	others_are_served();
	server_stop(&running);
}
END_TEST

/* ---- the large ---- */

struct upload {
	struct jl__rpc_client *client;
	struct jl__rpc_stream *stream;
	uint64_t given, stop; /* gives no more than stop bytes for now */
};

static ssize_t give(void *data, uint8_t *to, size_t size)
{
	uint64_t *given = data;

	memset(to, 0, size);
	if (*given == 0)
		memcpy(to, "\x0a\xfb\xff\xbf\x02", 5);
	*given += size;
	return (ssize_t)size;
}

static void upload_start(struct upload *upload, const struct pem *who, uint64_t length)
{
	upload->client = client_of(&running, who);
	ck_assert_int_eq(jl__rpc_stream_open(upload->client, "/test.Echo/Large",
					     UINT64_MAX, &upload->stream, NULL),
			 0);
	ck_assert_int_eq(
		jl__rpc_stream_write_from(upload->stream, length, give, &upload->given),
		0);
	jl__rpc_stream_write_end(upload->stream);
}

static int upload_end(struct upload *upload)
{
	const uint8_t *data;
	size_t len;
	int r, code;

	while ((r = jl__rpc_stream_read(upload->stream, &data, &len)) != 0)
		if (r == -EAGAIN)
			ck_assert_int_eq(
				jl__rpc_client_wait(upload->client, PATIENCE, NULL), 0);
	code = jl__rpc_stream_status(upload->stream)->code;
	jl__rpc_stream_close(upload->stream);
	jl__rpc_client_free(upload->client);
	return code;
}

START_TEST(uploads_share_a_budget)
{
	const struct jl__rpc_limits limits = { .upload_budget = 8 * MIB };
	struct upload uploads[8] = { 0 };
	uint64_t before, most = 0;
	unsigned left = 8;

	begin_with(&limits);
	others_are_served();
	before = server_resident(&running);
	for (int i = 0; i < 8; i++)
		upload_start(&uploads[i],
			     i % 2 ? &authority()->admin : &authority()->viewer, 5 * MIB);
	/* All of them move: who waits for room waits for the others to be done. */
	for (int round = 0; left; round++) {
		left = 0;
		for (int i = 0; i < 8; i++) {
			(void)jl__rpc_client_wait(uploads[i].client, 500, NULL);
			left += jl__rpc_stream_status(uploads[i].stream)->code < 0;
		}
		if (round % 20 == 0) {
			uint64_t now = server_count(&running, "upload");

			most = now > most ? now : most;
			others_are_served();
		}
	}
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(upload_end(&uploads[i]), 0);
	ck_assert_uint_le(most, 8 * MIB);
	ck_assert_uint_eq(server_count(&running, "upload"), 0);
	ck_assert_uint_lt(server_resident(&running), before + 32 * MIB + SLACK);
	server_stop(&running);
}
END_TEST

START_TEST(who_waits_too_long_for_the_budget_is_told)
{
	const struct jl__rpc_limits limits = { .upload_budget = 6 * MIB,
					       .stall_usec = 1500000 };
	const struct probe_request hold = { .path = "/test.Echo/Large",
					    .body = "\0\0\x50\0\0",
					    .len = 5,
					    .open = true,
					    .wait_ms = 20 };
	struct probe *holder;
	struct probe_reply reply;
	struct upload second = { 0 };

	begin_with(&limits);
	holder = probe_open(running.clear);
	probe_ask(holder, &hold, &reply);
	server_await(&running, "upload", 5 * MIB);
	upload_start(&second, &authority()->admin, 5 * MIB);
	/* The holder stalls and is thrown out; then there is room. */
	ck_assert_int_eq(upload_end(&second), 0);
	probe_close(holder);
	server_await(&running, "upload", 0);
	server_stop(&running);
}
END_TEST

START_TEST(a_promise_alone_takes_no_memory)
{
	struct probe *probes[3];
	struct probe_reply reply;
	const struct probe_request promise = { .path = "/test.Echo/Large",
					       .body = "\0\x07\xff\xff\xff",
					       .len = 5,
					       .open = true,
					       .wait_ms = 20 };
	uint64_t before;

#ifdef M_PERTURB
	/* Fresh memory is not to be written to, as MALLOC_PERTURB_ would have it. */
	(void)mallopt(M_PERTURB, 0);
#endif
	begin_with(NULL);
	others_are_served();
	before = server_resident(&running);
	for (int i = 0; i < 3; i++) {
		probes[i] = probe_open(running.clear);
		probe_ask(probes[i], &promise, &reply);
	}
	/* Of 384 MiB; pages may be huge. */
	ck_assert_uint_lt(server_resident(&running), before + 24 * MIB + SLACK);
	for (int i = 0; i < 3; i++)
		probe_close(probes[i]);
	server_await(&running, "upload", 0);
	server_stop(&running);
}
END_TEST

/* Reads streams without end as fast as they come, until it is killed. */
static void be_greedy(const int *fds, unsigned count)
{
	static char sink[1 << 20];
	struct pollfd poll_fds[8];

	for (unsigned i = 0; i < count; i++)
		poll_fds[i] = (struct pollfd){ fds[i], POLLIN, 0 };
	for (;;) {
		(void)poll(poll_fds, count, -1);
		for (unsigned i = 0; i < count; i++)
			(void)recv(fds[i], sink, sizeof(sink), MSG_DONTWAIT);
	}
}

START_TEST(the_greedy_leave_room_for_others)
{
	struct jl__rpc_client *client;
	int fds[4];
	pid_t pid;

	begin_with(NULL);
	for (unsigned i = 0; i < 4; i++)
		fds[i] = greedy_stream();
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		be_greedy(fds, 4);
	client = client_of(&running, &authority()->admin);
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(call(client, "/test.Echo/Unary", "", 0, PATIENCE, NULL),
				 0);
	jl__rpc_client_free(client);
	/* 1 MiB for each of them in a turn, in messages of 60000 bytes. */
	ck_assert_uint_le(server_count(&running, "turn"), 4 * 20);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	for (unsigned i = 0; i < 4; i++)
		(void)close(fds[i]);
	server_stop(&running);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("rpc_hostile");
	TCase *tests = tcase_create("hostile");

	tcase_set_timeout(tests, 120);
	tcase_add_loop_test(tests, floods_end_the_connection, 0, COUNT(floods));
	tcase_add_test(tests, data_for_what_is_over_is_thrown_away);
	tcase_add_test(tests, what_is_usual_is_no_flood);
	tcase_add_loop_test(tests, rubbish_ends_the_connection, 0, COUNT(rubbish));
	tcase_add_test(tests, the_silent_are_closed_in_time);
	tcase_add_test(tests, a_body_that_stalls_is_refused);
	tcase_add_test(tests, who_does_not_answer_a_ping_is_gone);
	tcase_add_test(tests, who_was_dropped_and_stays_is_cut_off);
	tcase_add_test(tests, connections_have_caps);
	tcase_add_test(tests, descriptors_that_run_out_are_survived);
	tcase_add_test(tests, streams_have_a_cap);
	tcase_add_test(tests, readers_that_never_read_cost_little);
	tcase_add_test(tests, a_window_of_gigabytes_costs_nothing);
	tcase_add_test(tests, uploads_share_a_budget);
	tcase_add_test(tests, who_waits_too_long_for_the_budget_is_told);
	tcase_add_test(tests, a_promise_alone_takes_no_memory);
	tcase_add_test(tests, the_greedy_leave_room_for_others);
	suite_add_tcase(suite, tests);
	return suite;
}
