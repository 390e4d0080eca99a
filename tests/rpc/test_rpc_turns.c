/* SPDX-License-Identifier: MIT */
/*
 * A server inside the test, whose turns the test decides: what happens in which order,
 * and when.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "main.h"

static struct jl__rpc_server *server;
static uint16_t port;
static char last_address[64];
static uint32_t roles = ROLE_READ | ROLE_WRITE;

static void identify(void *data, struct jl__rpc_peer *peer)
{
	served_hooks.identify(data, peer);
	peer->roles = roles;
	(void)snprintf(last_address, sizeof(last_address), "%s", peer->address);
}

static void begin_with(const struct jl__rpc_method *methods,
		       const struct jl__rpc_limits *limits)
{
	struct jl__rpc_hooks hooks = served_hooks;
	int fd;

	hooks.identify = identify;
	ck_assert_int_eq(jl__rpc_server_new(methods, limits, &hooks, &server, NULL), 0);
	ck_assert_int_eq(jl__rpc_listen_tcp("127.0.0.1", 0, &fd, &port, NULL), 0);
	ck_assert_int_eq(jl__rpc_server_listen(server, fd, JL__RPC_CLEAR, NULL), 0);
}

static void begin(const struct jl__rpc_limits *limits)
{
	begin_with(served_methods, limits);
}

static void end(void)
{
	jl__rpc_server_free(server);
	server = NULL;
}

/* Turns until nothing happens for this long. */
static void turns(int quiet_ms)
{
	struct pollfd one = { jl__rpc_server_fd(server), POLLIN, 0 };

	while (poll(&one, 1, quiet_ms) > 0)
		ck_assert_int_eq(jl__rpc_server_process(server), 0);
}

static uint64_t in_budget(void)
{
	struct jl__rpc_counts counts;

	jl__rpc_server_counts(server, &counts);
	return counts.upload_bytes;
}

static uint32_t connections(void)
{
	struct jl__rpc_counts counts;

	jl__rpc_server_counts(server, &counts);
	return counts.connections;
}

/* A connection with a request whose message begins: its head, and so many bytes. */
static int promise(const char *path, uint32_t length, size_t sent)
{
	static uint8_t body[65536];
	int fd = raw_connect(port);

	body[0] = 0;
	for (int i = 0; i < 4; i++)
		body[1 + i] = (uint8_t)(length >> (24 - 8 * i));
	raw_begin(fd);
	raw_request(fd, 1, path);
	raw_frame(fd, 0, sent == length, 1, body, 5 + sent);
	turns(10);
	return fd;
}

/* ---- the budget ---- */

static const struct jl__rpc_limits narrow = { .upload_budget = 100000 };

START_TEST(who_leaves_the_line_holds_nobody_up)
{
	int holder, large, small;

	begin(&narrow);
	holder = promise("/test.Echo/Large", 60000, 1);
	large = promise("/test.Echo/Large", 80000, 1);
	small = promise("/test.Echo/Large", 30000, 1);
	ck_assert_uint_eq(in_budget(), 60000);
	raw_frame(large, 3, 0, 1, "\0\0\0\x8", 4);
	turns(20);
	ck_assert_uint_eq(in_budget(), 90000);
	(void)close(holder);
	(void)close(large);
	(void)close(small);
	end();
}
END_TEST

/* What waits for room when the server ends was not begun, and is not begun then. */
START_TEST(nothing_begins_at_the_end)
{
	int waiting, holder;
	unsigned before;

	begin(&narrow);
	/* The last one to come is the first one to be closed. */
	waiting = raw_connect(port);
	turns(20);
	holder = promise("/test.Echo/Large", 99000, 1);
	raw_begin(waiting);
	raw_request(waiting, 1, "/test.Echo/Large");
	{
		static const uint8_t body[5 + 5000] = { 0, 0, 0, 5000 >> 8, 5000 & 0xff };

		raw_frame(waiting, 0, 1, 1, body, sizeof(body));
	}
	turns(20);
	ck_assert_uint_eq(in_budget(), 99000);
	before = served.requests;
	end();
	ck_assert_uint_eq(served.requests, before);
	(void)close(holder);
	(void)close(waiting);
}
END_TEST

/* ---- time ---- */

static void pause_upload(int fd)
{
	raw_begin(fd);
	raw_request(fd, 1, "/test.Echo/Upload");
	raw_frame(fd, 0, 0, 1, "\0\0\0\0\7\x0a\5pause", 12);
	turns(20);
}

/* The time a handler takes is not the peer's. */
START_TEST(who_was_held_back_has_its_time_afterwards)
{
	const struct jl__rpc_limits limits = { .stall_usec = 2000000 };
	struct timespec is, end_of_pause;
	unsigned parts;
	int fd;

	begin(&limits);
	fd = raw_connect(port);
	pause_upload(fd);
	(void)poll(NULL, 0, 1800);
	(void)clock_gettime(CLOCK_MONOTONIC, &end_of_pause);
	(void)served_tick();
	/* Longer than 2 s after the last byte, and shorter after it was let go on. */
	do {
		turns(10);
		(void)clock_gettime(CLOCK_MONOTONIC, &is);
	} while ((is.tv_sec - end_of_pause.tv_sec) * 1000000000 + is.tv_nsec -
			 end_of_pause.tv_nsec <
		 400000000);
	parts = served.parts;
	raw_frame(fd, 0, 1, 1, "\0\0\0\0\4\x0a\2hi", 9);
	turns(50);
	ck_assert_uint_eq(served.parts, parts + 1);
	(void)close(fd);
	end();
}
END_TEST

START_TEST(who_goes_on_after_a_pause_has_a_limit_again)
{
	const struct jl__rpc_limits limits = { .stall_usec = 100000 };
	struct jl__rpc_counts counts;
	int fd;

	begin(&limits);
	fd = raw_connect(port);
	pause_upload(fd);
	/* Longer than the limit, which does not hold now. */
	for (int i = 0; i < 20; i++)
		turns(10);
	jl__rpc_server_counts(server, &counts);
	ck_assert_uint_eq(counts.calls, 1);
	(void)served_tick();
	for (int i = 0; i < PATIENCE_MS / 10 && counts.calls; i++) {
		turns(10);
		jl__rpc_server_counts(server, &counts);
	}
	ck_assert_uint_eq(counts.calls, 0);
	(void)close(fd);
	end();
}
END_TEST

/* What became too late while the server did something else is not begun. */
START_TEST(an_overdue_request_does_not_begin)
{
	/* HPACK as in raw_request(), and grpc-timeout: 20m. */
	static const char head[] = "\x83\x86\1\11localhost\4\20/test.Echo/Unary"
				   "\x0f\20\20application/grpc\0\14grpc-timeout\00320m";
	unsigned before;
	int fd;

	begin(NULL);
	fd = raw_connect(port);
	raw_begin(fd);
	raw_frame(fd, 1, 4, 1, head, sizeof(head) - 1);
	turns(10);
	before = served.requests;
	(void)poll(NULL, 0, 50);
	raw_frame(fd, 0, 1, 1, "\0\0\0\0\0", 5);
	turns(50);
	ck_assert_uint_eq(served.requests, before);
	ck_assert_uint_eq(connections(), 1);
	(void)close(fd);
	end();
}
END_TEST

/* ---- taking turns ---- */

static char order[256];
static size_t n_order;

/* Takes longer than a turn has, and writes down for whom it was. */
static void take_long(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	static char large[1 << 20];

	(void)len;
	if (n_order < sizeof(order) - 1)
		order[n_order++] = (char)data[0];
	(void)poll(NULL, 0, 15);
	(void)jl__rpc_call_send(call, large, sizeof(large));
	jl__rpc_call_finish(call, JL__RPC_OK, NULL);
}

static const struct jl__rpc_handler slow = { .request = take_long };
static const struct jl__rpc_method slow_methods[] = {
	{ "/test.Echo/Slow", NULL, ROLE_READ, JL__RPC_UNARY, 0, &slow, NULL },
	{ 0 },
};

static void ask(int fd, char who, unsigned count)
{
	uint8_t body[6] = { 0, 0, 0, 0, 1, (uint8_t)who };

	raw_hold();
	for (unsigned i = 0; i < count; i++) {
		raw_request(fd, 2 * i + 1, "/test.Echo/Slow");
		raw_frame(fd, 0, 1, 2 * i + 1, body, sizeof(body));
	}
	raw_release(fd);
}

/* A connection that takes whatever comes: windows that never close. */
static int open_wide(void)
{
	int fd = raw_connect(port);

	raw_begin(fd);
	raw_frame(fd, 4, 0, 0, "\0\4\x7f\xff\xff\xff", 6);
	raw_frame(fd, 8, 0, 0, "\x7f\xff\0\0", 4);
	return fd;
}

START_TEST(who_asks_for_much_waits_for_who_asks_for_little)
{
	int much, little;

	begin_with(slow_methods, NULL);
	n_order = 0;
	much = open_wide();
	little = open_wide();
	turns(20);
	ask(much, 'm', 50);
	ask(little, 'l', 1);
	/* Nothing between a turn and the next one is kept waiting for long either. */
	for (unsigned turn = 1; turn <= 3; turn++) {
		ck_assert_int_eq(jl__rpc_server_process(server), 0);
		ck_assert_uint_le(n_order, turn);
	}
	for (int i = 0; i < 10000 && n_order < 51; i++) {
		turns(1);
		(void)raw_closed(much, 0);
		(void)raw_closed(little, 0);
	}
	ck_assert_uint_eq(n_order, 51);
	ck_assert_msg(memchr(order, 'l', 3), "%.51s", order);
	(void)close(much);
	(void)close(little);
	end();
}
END_TEST

/* Answers that nobody takes are not made. */
START_TEST(who_reads_nothing_gets_no_more_answers)
{
	int fd;

	begin_with(slow_methods, NULL);
	n_order = 0;
	fd = raw_connect(port);
	raw_begin(fd);
	turns(20);
	ask(fd, 'm', 20);
	turns(50);
	/* Of the first answer a window's worth is gone, and so there is room for one
	   more; the server does not turn in vain. */
	ck_assert_uint_eq(n_order, 2);
	ck_assert_int_eq(
		poll(&(struct pollfd){ jl__rpc_server_fd(server), POLLIN, 0 }, 1, 0), 0);
	/* And goes on as soon as there is room. */
	raw_frame(fd, 4, 0, 0, "\0\4\x7f\xff\xff\xff", 6);
	raw_frame(fd, 8, 0, 0, "\x7f\xff\0\0", 4);
	for (int i = 0; i < 10000 && n_order < 20; i++) {
		turns(1);
		(void)raw_closed(fd, 0);
	}
	ck_assert_uint_eq(n_order, 20);
	(void)close(fd);
	end();
}
END_TEST

/* ---- going away ---- */

START_TEST(asked_twice_the_end_comes_at_once)
{
	int fd;

	begin(NULL);
	fd = promise("/test.Echo/Never", 0, 0);
	jl__rpc_server_drain(server, UINT64_MAX);
	for (int i = 0; i < 30; i++)
		turns(10);
	ck_assert(!jl__rpc_server_drained(server));
	/* More time is no news. */
	jl__rpc_server_drain(server, UINT64_MAX);
	jl__rpc_server_drain(server, 0);
	for (int i = 0; i < 500 && !jl__rpc_server_drained(server); i++)
		turns(10);
	ck_assert(jl__rpc_server_drained(server));
	(void)close(fd);
	end();
}
END_TEST

static void drain_now(struct jl__rpc_call *call)
{
	jl__rpc_server_drain(jl__rpc_call_server(call), 0);
	jl__rpc_call_finish(call, JL__RPC_OK, NULL);
}

static void never_called(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	(void)call, (void)data, (void)len;
	ck_abort_msg("a part of a call that is over");
}

/* The listener's event is fetched together with the one that ends it. */
START_TEST(a_handler_may_end_the_server)
{
	static const struct jl__rpc_handler handler = { .opened = drain_now,
							.part = never_called,
							.parts_end = drain_now };
	static const struct jl__rpc_method methods[] = {
		{ "/test.Echo/End", NULL, ROLE_READ, JL__RPC_UPLOAD, 0, &handler, NULL },
		{ 0 },
	};
	int fd, late;

	begin_with(methods, NULL);
	fd = raw_connect(port);
	raw_begin(fd);
	turns(20);
	raw_hold();
	raw_request(fd, 1, "/test.Echo/End");
	raw_frame(fd, 0, 1, 1, "\0\0\0\0\0", 5);
	raw_release(fd);
	late = raw_connect(port);
	turns(20);
	ck_assert_uint_le(connections(), 1);
	(void)close(fd);
	(void)close(late);
	end();
}
END_TEST

/* ---- who is there ---- */

/* systemd hands over sockets that take both families. */
START_TEST(a_peer_of_both_families_is_known_by_its_own)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	socklen_t len = sizeof(any);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), off = 0, peer;

	begin(NULL);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)), 0);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&any, len), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&any, &len), 0);
	ck_assert_int_eq(jl__rpc_server_listen(server, fd, JL__RPC_CLEAR, NULL), 0);
	peer = raw_connect(ntohs(any.sin6_port));
	raw_begin(peer);
	turns(20);
	ck_assert_msg(strncmp(last_address, "127.0.0.1:", 10) == 0, "%s", last_address);
	(void)close(peer);
	end();
}
END_TEST

/* Who is there already is no exception. */
START_TEST(roles_change_under_way)
{
	unsigned refused, requests;
	int fd;

	begin(NULL);
	fd = promise("/test.Echo/Write", 0, 0);
	requests = served.requests;
	refused = served.refused;
	roles = ROLE_READ;
	jl__rpc_server_identify(server);
	raw_request(fd, 3, "/test.Echo/Write");
	raw_frame(fd, 0, 1, 3, "\0\0\0\0\0", 5);
	turns(50);
	ck_assert_uint_eq(served.requests, requests);
	ck_assert_uint_eq(served.refused, refused + 1);
	ck_assert_uint_eq(connections(), 1);
	roles = 0;
	jl__rpc_server_identify(server);
	(void)close(fd);
	/* It is told so, and gone. */
	turns(50);
	ck_assert_uint_eq(connections(), 0);
	ck_assert_str_eq(served.last_drop, "it may do nothing any more");
	end();
}
END_TEST

/* All places are taken, by some who are known and some who say nothing. */
START_TEST(the_silent_make_room)
{
	const struct jl__rpc_limits limits = { .connections = 4 };
	unsigned identified;
	int fds[6];

	begin(&limits);
	for (int i = 0; i < 2; i++)
		fds[i] = promise("/test.Echo/Never", 0, 0);
	for (int i = 2; i < 4; i++) {
		fds[i] = raw_connect(port);
		turns(10);
	}
	identified = served.identified;
	for (int i = 4; i < 6; i++)
		fds[i] = promise("/test.Echo/Never", 0, 0);
	ck_assert_uint_eq(served.identified, identified + 2);
	ck_assert_uint_eq(connections(), 4);
	ck_assert(raw_closed(fds[2], 0) && raw_closed(fds[3], 0));
	/* Those who are known stay. */
	(void)close(promise("/test.Echo/Never", 0, 0));
	turns(20);
	ck_assert_uint_eq(served.identified, identified + 2);
	ck_assert_uint_eq(connections(), 4);
	ck_assert_str_eq(served.last_drop,
			 "there are as many connections as there may be");
	for (int i = 0; i < 6; i++)
		(void)close(fds[i]);
	end();
}
END_TEST

/* Only what nobody answers on is a left-over. */
START_TEST(a_socket_of_another_kind_stays)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int other = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), fd = -1;
	jl_error *err = NULL;
	struct stat st;

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/tmp/rpc-test-%d.dgram",
		       getpid());
	ck_assert_int_eq(bind(other, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(jl__rpc_listen_unix(addr.sun_path, 0600, (gid_t)-1, &fd, &err),
			 -EPROTOTYPE);
	ck_assert_ptr_nonnull(strstr(jl_error_message(err), "remove it by hand"));
	jl_error_free(err);
	ck_assert_int_eq(lstat(addr.sun_path, &st), 0);
	(void)close(other);
	/* Nobody is behind it any more, and it still is of another kind. */
	ck_assert_int_eq(unlink(addr.sun_path), 0);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("rpc_turns");
	TCase *tests = tcase_create("turns");

	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, who_leaves_the_line_holds_nobody_up);
	tcase_add_test(tests, nothing_begins_at_the_end);
	tcase_add_test(tests, who_was_held_back_has_its_time_afterwards);
	tcase_add_test(tests, who_goes_on_after_a_pause_has_a_limit_again);
	tcase_add_test(tests, an_overdue_request_does_not_begin);
	tcase_add_test(tests, who_asks_for_much_waits_for_who_asks_for_little);
	tcase_add_test(tests, who_reads_nothing_gets_no_more_answers);
	tcase_add_test(tests, asked_twice_the_end_comes_at_once);
	tcase_add_test(tests, a_handler_may_end_the_server);
	tcase_add_test(tests, a_peer_of_both_families_is_known_by_its_own);
	tcase_add_test(tests, roles_change_under_way);
	tcase_add_test(tests, the_silent_make_room);
	tcase_add_test(tests, a_socket_of_another_kind_stays);
	suite_add_tcase(suite, tests);
	return suite;
}
