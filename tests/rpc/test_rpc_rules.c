/* SPDX-License-Identifier: MIT */
/* What clients rely on: statuses, framing, headers, HTTP/1.1. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "main.h"
#include "probe.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define BYTES(text) (text), sizeof(text) - 1

static struct running running;
static struct probe *probe;

static void begin(void)
{
	server_start(&running, NULL, NULL);
	probe = probe_open(running.clear);
}

static void end(void)
{
	probe_close(probe);
	server_stop(&running);
}

/* A message "hi" of test.Bytes. */
#define HI "\0\0\0\0\4\x0a\2hi"

static const struct {
	const char *what;
	struct probe_request request;
	int grpc;
	const char *message;
	bool trailers_only;
} cases[] = {
	{ "one frame", { .body = HI, .len = 9 }, 0, "", false },
	{ "frames of one byte", { .body = HI, .len = 9, .frame = 1 }, 0, "", false },
	{ "padded frames",
	  { .body = HI, .len = 9, .frame = 2, .pad = 100 },
	  0,
	  "",
	  false },
	{ "END_STREAM of its own",
	  { .body = HI, .len = 9, .late_end = true },
	  0,
	  "",
	  false },
	{ "an empty message", { .body = "\0\0\0\0", .len = 5 }, 0, "", false },
	{ "+proto",
	  { .body = HI, .len = 9, .type = "application/grpc+proto" },
	  0,
	  "",
	  false },
	{ "a deadline that makes no sense",
	  { .body = HI, .len = 9, .name = "grpc-timeout", .value = "soon" },
	  0,
	  "",
	  false },
	{ "identity",
	  { .body = HI, .len = 9, .name = "grpc-encoding", .value = "identity" },
	  0,
	  "",
	  false },
	{ "no message", { .late_end = true }, 3, "the request holds no message", true },
	{ "nothing at all", { 0 }, 3, "the request holds no message", true },
	{ "two messages",
	  { .body = HI HI, .len = 18 },
	  3,
	  "this method takes one message, and here is another one",
	  true },
	{ "two empty messages",
	  { .body = "\0\0\0\0\0\0\0\0\0", .len = 10 },
	  3,
	  "this method takes one message, and here is another one",
	  true },
	{ "half a head",
	  { .body = HI, .len = 3 },
	  3,
	  "the request ends in the middle of a message",
	  true },
	{ "half a message",
	  { .body = HI, .len = 7 },
	  3,
	  "the request ends in the middle of a message",
	  true },
	{ "a message and half a head",
	  { .body = HI HI, .len = 12 },
	  3,
	  "the request ends in the middle of a message",
	  true },
	{ "a compressed message",
	  { .body = "\1\0\0\0\4\x0a\2hi", .len = 9 },
	  13,
	  "a message is marked as compressed, without grpc-encoding",
	  true },
	{ "four gigabytes",
	  { .body = "\0\xff\xff\xff\xff", .len = 5, .open = true },
	  8,
	  "the request is 4294967295 bytes long, 4194304 are accepted",
	  true },
	{ "one byte too many",
	  { .body = "\0\0\x40\0\1", .len = 5, .open = true },
	  8,
	  "the request is 4194305 bytes long, 4194304 are accepted",
	  true },
	{ "no protobuf",
	  { .body = "\0\0\0\0\4\x0a\xffhi", .len = 9 },
	  3,
	  "this is no message of test.Bytes",
	  true },
	{ "a method there is not",
	  { .path = "/test.Echo/Gone", .body = HI, .len = 9 },
	  12,
	  "there is no method /test.Echo/Gone",
	  true },
	{ "a method with a query",
	  { .path = "/test.Echo/Unary?x", .body = HI, .len = 9 },
	  12,
	  "there is no method /test.Echo/Unary?x",
	  true },
	{ "an old service",
	  { .path = "/test.Old/Unary", .body = HI, .len = 9 },
	  12,
	  "use test.Echo instead",
	  true },
	{ "a method to come",
	  { .path = "/test.Echo/NotYet", .body = HI, .len = 9 },
	  12,
	  "NotYet is not there yet",
	  true },
	{ "gzip",
	  { .body = HI, .len = 9, .name = "grpc-encoding", .value = "gzip" },
	  12,
	  "compressed messages are not supported: send identity",
	  true },
	{ "no time",
	  { .body = HI, .len = 9, .name = "grpc-timeout", .value = "0m" },
	  4,
	  "the deadline passed before the call began",
	  true },
	{ "a deadline",
	  { .path = "/test.Echo/Never",
	    .body = HI,
	    .len = 9,
	    .name = "grpc-timeout",
	    .value = "50m" },
	  4,
	  "the deadline passed",
	  true },
	{ "an answer that is too large",
	  { .path = "/test.Echo/Sized",
	    .body = "\0\0\0\0\5\x10\xff\xff\xff\x04",
	    .len = 10 },
	  8,
	  "the answer is larger than clients accept",
	  true },
};

START_TEST(every_request_ends_with_its_status)
{
	struct probe_reply reply;

	probe_ask(probe, &cases[_i].request, &reply);
	ck_assert_msg(reply.ended, "%s: no end", cases[_i].what);
	ck_assert_msg(reply.grpc == cases[_i].grpc && reply.status == 200,
		      "%s: %d (HTTP %u) %s", cases[_i].what, reply.grpc, reply.status,
		      reply.message);
	ck_assert_str_eq(reply.message, cases[_i].message);
	ck_assert_str_eq(reply.type, "application/grpc");
	ck_assert_int_eq(reply.trailers_only, cases[_i].trailers_only);
	/* Answered before the end of the request: the client is told to stop. */
	if (cases[_i].request.open)
		ck_assert_uint_eq(reply.reset, 0);
	/* And the connection is as good as before. */
	probe_ask(probe, &(struct probe_request){ .body = HI, .len = 9 }, &reply);
	ck_assert_int_eq(reply.grpc, 0);
	ck_assert_uint_eq(reply.len, 9);
	ck_assert_int_eq(memcmp(reply.body, HI, 9), 0);
}
END_TEST

START_TEST(refused_compression_names_what_is_accepted)
{
	struct probe_reply reply;

	probe_ask(
		probe,
		&(struct probe_request){
			.body = HI, .len = 9, .name = "grpc-encoding", .value = "gzip" },
		&reply);
	ck_assert_str_eq(reply.encoding, "identity");
}
END_TEST

static const struct {
	struct probe_request request;
	unsigned status;
} plain[] = {
	{ { .method = "GET", .path = "/healthz" }, 200 },
	{ { .method = "GET", .path = "/healthz?a=b" }, 200 },
	{ { .method = "GET", .path = "/nothing" }, 404 },
	{ { .method = "GET", .path = "/test.Echo/Unary" }, 404 },
	{ { .method = "GET", .path = "/v1/hello/missing" }, 404 },
	{ { .method = "PUT", .path = "/healthz" }, 405 },
	{ { .method = "OPTIONS", .path = "/test.Echo/Unary" }, 405 },
	{ { .method = "DELETE", .path = "/v1/hello/1" }, 405 },
	{ { .type = "application/grpc-web" }, 415 },
	{ { .type = "application/json", .body = "{}", .len = 2 }, 415 },
	{ { .type = "text/plain", .body = "{}", .len = 2, .late_end = true }, 415 },
};

START_TEST(plain_requests_get_plain_statuses)
{
	struct probe_reply reply;

	probe_ask(probe, &plain[_i].request, &reply);
	ck_assert(reply.ended);
	ck_assert_uint_eq(reply.status, plain[_i].status);
	ck_assert_str_eq(reply.allow, reply.status == 405 ? "GET" : "");
	ck_assert_int_eq(reply.grpc, -1);
	/* Clients of plain HTTP take a reset for a failure, whatever its code. */
	ck_assert_uint_eq(reply.reset, UINT32_MAX);
}
END_TEST

/* curl takes a reset for a failure even where the answer is complete. */
START_TEST(a_plain_request_may_end_late)
{
	const struct probe_request request = { .type = "application/json",
					       .body = "{}",
					       .len = 2,
					       .open = true,
					       .wait_ms = 10 };
	struct probe_reply reply;

	probe_ask(probe, &request, &reply);
	for (int i = 0; i < PATIENCE_MS / 10 && !reply.len; i++)
		probe_go_on(probe, 10);
	probe_go_on(probe, 50);
	ck_assert_uint_eq(reply.status, 415);
	ck_assert_uint_eq(reply.reset, UINT32_MAX);
}
END_TEST

START_TEST(a_body_that_broke_off_does_not_look_whole)
{
	struct probe_reply reply;

	probe_ask(probe,
		  &(struct probe_request){ .method = "GET",
					   .path = "/v1/jobs/3/log?broken" },
		  &reply);
	ck_assert_uint_eq(reply.status, 200);
	ck_assert_uint_eq(reply.reset, 2);
}
END_TEST

START_TEST(a_reply_that_cannot_go_out_ends_with_its_deadline)
{
	struct probe_reply reply;
	const struct probe_request request = { .path = "/test.Echo/Stream",
					       .body = "\0\0\0\0\2\x10\x64",
					       .len = 7,
					       .name = "grpc-timeout",
					       .value = "500m",
					       .unread = true };

	/* Half a message may be out: no trailers, but a reset. */
	probe_ask(probe, &request, &reply);
	ck_assert(reply.ended);
	ck_assert_uint_eq(reply.reset, 8);
	ck_assert_int_eq(reply.grpc, -1);
	server_await(&running, "calls", 1);
}
END_TEST

/* What a peer may send before it has to wait: too little, and distance makes it
 * slow. */
START_TEST(windows_are_wide_enough)
{
	struct probe_reply reply;

	probe_ask(probe,
		  &(struct probe_request){ .path = "/test.Echo/Large",
					   .body = "\0\0\x40\0\0",
					   .len = 5,
					   .open = true,
					   .wait_ms = 20 },
		  &reply);
	for (int i = 0; i < PATIENCE_MS / 10 && reply.window < (1 << 20) - 5; i++)
		probe_go_on(probe, 10);
	ck_assert_int_ge(reply.window, (1 << 20) - 5);
	ck_assert_int_ge(reply.connection_window, (4 << 20) - 5);
}
END_TEST

/* Once to be prepared, once for good; what is under way may end. */
START_TEST(the_end_is_announced)
{
	struct raw_goaway goaway;
	int fd = raw_connect(running.clear);

	raw_begin(fd);
	raw_request(fd, 1, "/test.Echo/Never");
	raw_frame(fd, 0, 1, 1, "\0\0\0\0", 5);
	/* The method Counts itself is the other one. */
	server_await(&running, "calls", 2);
	server_control(&running, 't');
	ck_assert(raw_goaway(fd, &goaway));
	ck_assert_uint_eq(goaway.last, INT32_MAX);
	ck_assert_uint_eq(goaway.code, 0);
	ck_assert(raw_goaway(fd, &goaway));
	ck_assert_uint_eq(goaway.last, 1);
	ck_assert_uint_eq(goaway.code, 0);
	ck_assert(raw_closed(fd, PATIENCE_MS));
	(void)close(fd);
}
END_TEST

START_TEST(headers_have_a_limit)
{
	static char large[20001];
	struct probe_reply reply;

	memset(large, 'x', sizeof(large) - 1);
	probe_ask(probe,
		  &(struct probe_request){
			  .body = HI, .len = 9, .name = "x-large", .value = large },
		  &reply);
	ck_assert_int_eq(reply.grpc, 8);
	ck_assert_str_eq(reply.message,
			 "the request's headers are larger than 16384 bytes");
}
END_TEST

/* Thousands of calls may be open: what is too long to be of use is not kept. */
START_TEST(long_headers_are_not_kept)
{
	static char large[3001];
	struct probe_reply reply;

	memset(large, 'x', sizeof(large) - 1);
	probe_ask(probe,
		  &(struct probe_request){ .method = "GET",
					   .path = "/v1/hello/1",
					   .name = "last-event-id",
					   .value = large },
		  &reply);
	ck_assert_uint_eq(reply.status, 200);
	ck_assert_ptr_nonnull(memmem(reply.body, reply.len, BYTES("\"last\":\"\"")));
	memcpy(large, "/v1/hello/", 10);
	probe_ask(probe, &(struct probe_request){ .method = "GET", .path = large },
		  &reply);
	ck_assert_uint_eq(reply.status, 400);
	ck_assert_ptr_nonnull(
		memmem(reply.body, reply.len, BYTES("the path is missing or too long")));
}
END_TEST

/* ---- roles ---- */

static const struct {
	const char *who, *path;
	int code;
	const char *text;
} roles[] = {
	{ "admin", "/test.Echo/Write", 0, "" },
	{ "admin", "/test.Echo/Unary", 0, "" },
	{ "viewer", "/test.Echo/Unary", 0, "" },
	{ "viewer", "/test.Echo/Write", 7,
	  "role viewer is not allowed to perform operation write" },
	{ "viewer", "/test.Echo/Gone", 12, "there is no method /test.Echo/Gone" },
	{ "nobody", "/test.Echo/Unary", 7,
	  "role unknown is not allowed to perform operation Unary" },
	{ "nobody", "/test.Echo/Gone", 7,
	  "role unknown is not allowed to perform operation Gone" },
	{ "tricky", "/test.Echo/Unary", 0, "" },
	{ "tricky", "/test.Echo/Write", 7,
	  "role viewer is not allowed to perform operation write" },
};

static const struct pem *person(const char *name)
{
	const struct authority *all = authority();

	if (strcmp(name, "admin") == 0)
		return &all->admin;
	if (strcmp(name, "viewer") == 0)
		return &all->viewer;
	return strcmp(name, "tricky") == 0 ? &all->tricky : &all->nobody;
}

START_TEST(roles_are_kept)
{
	struct jl__rpc_client *client = client_of(&running, person(roles[_i].who));
	char text[1024];

	ck_assert_int_eq(call(client, roles[_i].path, "", 0, PATIENCE, text),
			 roles[_i].code);
	ck_assert_str_eq(text, roles[_i].text);
	jl__rpc_client_free(client);
}
END_TEST

START_TEST(what_is_refused_is_not_read_and_blocks_nobody)
{
	struct jl__rpc_client *client = client_of(&running, &authority()->viewer);
	static uint8_t large[200000];
	char text[1024];

	/* Together more than the connection's window. */
	for (int i = 0; i < 60; i++)
		ck_assert_int_eq(call(client, "/test.Echo/Write", large, sizeof(large),
				      PATIENCE, text),
				 7);
	ck_assert_int_eq(call(client, "/test.Echo/Unary", "", 0, PATIENCE, text), 0);
	ck_assert_uint_eq(server_count(&running, "upload"), 0);
	jl__rpc_client_free(client);
}
END_TEST

/* ---- HTTP/1.1 ---- */

static const struct {
	const char *request, *reply;
	bool closes;
} h1[] = {
	{ "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n", false },
	{ "GET /healthz HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n", true },
	{ "\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n", false },
	{ "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	  "HTTP/1.1 200 OK\r\n", true },
	{ "GET /gone HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 Not Found\r\n", false },
	{ "GET /healthz HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ", true },
	{ "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "HTTP/1.1 400 ", true },
	{ "GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", "HTTP/1.1 505 ", true },
	{ "GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 ", true },
	{ "GET http://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 ", true },
	{ "GET /healthz HTTP/1.1\nHost: x\r\n\r\n", "HTTP/1.1 400 ", true },
	{ "GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n", "HTTP/1.1 400 ", true },
	{ "GET /healthz HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", "HTTP/1.1 400 ", true },
	{ "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
	  "HTTP/1.1 400 ", true },
	{ "GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
	  "chunked\r\n\r\n0\r\n\r\n",
	  "HTTP/1.1 400 ", true },
	{ "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
	  "HTTP/1.1 200 OK\r\n", false },
	{ "POST /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 ", true },
	{ "POST /test.Echo/Unary HTTP/1.1\r\nHost: x\r\nContent-Type: "
	  "application/grpc\r\n\r\n",
	  "HTTP/1.1 405 ", true },
	{ "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 ", true },
	{ "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 ", true },
	{ "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "HTTP/1.1 400 ", true },
	{ "GET /v1/jobs/2/log HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n",
	  false },
};

/* Until this has come or nothing more will. */
static size_t receive(int fd, char *to, size_t size, const char *last)
{
	size_t len = 0;
	ssize_t n = 1;

	to[0] = '\0';
	while (n > 0 && len + 1 < size && !strstr(to, last)) {
		struct pollfd one = { fd, POLLIN, 0 };

		if (poll(&one, 1, PATIENCE_MS) <= 0)
			break;
		n = recv(fd, to + len, size - len - 1, 0);
		if (n > 0)
			len += (size_t)n;
		to[len] = '\0';
	}
	return len;
}

START_TEST(http_1_is_read_strictly)
{
	static char reply[65536];
	int fd = raw_connect(running.clear);

	/* Byte by byte: nothing may depend on where it is cut. */
	for (const char *at = h1[_i].request; *at || at - h1[_i].request < 11; at++)
		raw_write(fd, at, 1);
	(void)receive(fd, reply, sizeof(reply), "\r\n");
	ck_assert_msg(strncmp(reply, h1[_i].reply, strlen(h1[_i].reply)) == 0, "%s: %s",
		      h1[_i].request, reply);
	ck_assert_int_eq(!strncmp(reply, "HTTP/1.1 405 ", 13),
			 strstr(reply, "\r\nAllow: GET\r\n") != NULL);
	ck_assert_int_eq(raw_closed(fd, h1[_i].closes ? PATIENCE_MS : 20), h1[_i].closes);
	(void)close(fd);
}
END_TEST

START_TEST(requests_of_http_1_follow_each_other)
{
	static const char two[] = "GET /v1/hello/1 HTTP/1.1\r\nHost: x\r\n\r\n"
				  "GET /v1/jobs/2/log HTTP/1.1\r\nHost: x\r\n"
				  "Last-Event-ID: 1\r\n\r\n";
	static char reply[65536];
	int fd = raw_connect(running.clear);
	const char *second;

	raw_write(fd, BYTES(two));
	(void)receive(fd, reply, sizeof(reply), "\r\n0\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(reply, "{\"id\":\"1\""));
	second = strstr(reply, "text/event-stream");
	ck_assert_ptr_nonnull(second);
	ck_assert_ptr_null(strstr(second, "data: line 1\n"));
	ck_assert_ptr_nonnull(strstr(second, "data: line 2\n"));
	ck_assert_ptr_nonnull(strstr(second, "\r\n0\r\n\r\n"));
	(void)close(fd);
}
END_TEST

/* A close with bytes unread is a reset, which takes what was said last with it.
 */
START_TEST(the_last_word_is_not_lost)
{
	static const char rubbish[200000];
	static char reply[65536];
	int fd = raw_connect(running.clear);
	struct pollfd one = { fd, POLLIN, 0 };

	raw_hold();
	raw_write(fd, BYTES("GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n"));
	raw_write(fd, rubbish, sizeof(rubbish));
	raw_release(fd);
	/* By then the other side has answered and closed, whatever it has read. */
	ck_assert_int_eq(poll(&one, 1, PATIENCE_MS), 1);
	for (int i = 0; i < 3; i++)
		(void)server_count(&running, "calls");
	(void)receive(fd, reply, sizeof(reply), "\r\n");
	ck_assert_msg(strncmp(reply, "HTTP/1.1 400 ", 13) == 0, "%s", reply);
	(void)close(fd);
}
END_TEST

/* Linux over loopback gives what was said even behind a reset. There must be none: for a
   while, what comes behind the answer is read and thrown away. */
START_TEST(who_goes_on_talking_is_heard_out)
{
	int failure = -1;

	/* Its second may be over already, on a busy machine. */
	for (int i = 0; i < 10 && failure != 0; i++) {
		int fd = raw_connect(running.clear);

		raw_write(fd, BYTES("GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n"));
		ck_assert(raw_closed(fd, PATIENCE_MS));
		failure = 0;
		for (int k = 0; k < 3 && failure == 0; k++) {
			failure = send(fd, "more", 4, MSG_NOSIGNAL) < 0 ? errno : 0;
			(void)server_count(&running, "calls");
		}
		(void)close(fd);
	}
	ck_assert_int_eq(failure, 0);
}
END_TEST

START_TEST(a_body_of_http_1_that_broke_off_has_no_end)
{
	static char reply[65536];
	int fd = raw_connect(running.clear);

	raw_write(fd, BYTES("GET /v1/jobs/2/log?broken HTTP/1.1\r\nHost: x\r\n\r\n"));
	(void)receive(fd, reply, sizeof(reply), "\r\n0\r\n\r\n");
	ck_assert_ptr_null(strstr(reply, "\r\n0\r\n\r\n"));
	(void)close(fd);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("rpc_rules");
	TCase *tests = tcase_create("rules");

	tcase_add_checked_fixture(tests, begin, end);
	tcase_set_timeout(tests, 120);
	tcase_add_loop_test(tests, every_request_ends_with_its_status, 0, COUNT(cases));
	tcase_add_test(tests, refused_compression_names_what_is_accepted);
	tcase_add_loop_test(tests, plain_requests_get_plain_statuses, 0, COUNT(plain));
	tcase_add_test(tests, a_plain_request_may_end_late);
	tcase_add_test(tests, a_body_that_broke_off_does_not_look_whole);
	tcase_add_test(tests, a_reply_that_cannot_go_out_ends_with_its_deadline);
	tcase_add_test(tests, windows_are_wide_enough);
	tcase_add_test(tests, the_end_is_announced);
	tcase_add_test(tests, headers_have_a_limit);
	tcase_add_test(tests, long_headers_are_not_kept);
	tcase_add_loop_test(tests, roles_are_kept, 0, COUNT(roles));
	tcase_add_test(tests, what_is_refused_is_not_read_and_blocks_nobody);
	tcase_add_loop_test(tests, http_1_is_read_strictly, 0, COUNT(h1));
	tcase_add_test(tests, requests_of_http_1_follow_each_other);
	tcase_add_test(tests, the_last_word_is_not_lost);
	tcase_add_test(tests, who_goes_on_talking_is_heard_out);
	tcase_add_test(tests, a_body_of_http_1_that_broke_off_has_no_end);
	suite_add_tcase(suite, tests);
	return suite;
}
