/* SPDX-License-Identifier: MIT */
/* The client against the server: calls, streams, and what goes wrong in words. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "main.h"
#include "rpc/dial.h"
#include "rpc/pb.h"

static struct running running;

static void begin(void)
{
	server_start(&running, NULL, NULL);
}

static void end(void)
{
	server_stop(&running);
}

START_TEST(a_call_is_answered)
{
	struct jl__rpc_client *client = client_of(&running, &authority()->admin);
	struct jl__rpc_status status;
	uint8_t *reply = NULL;
	size_t len = 0;

	ck_assert_int_eq(jl__rpc_client_unary(client, "/test.Echo/Unary", "\x0a\x02hi", 4,
					      PATIENCE, &reply, &len, &status),
			 0);
	ck_assert_msg(status.code == 0, "%s", status.text);
	ck_assert_uint_eq(len, 4);
	ck_assert_int_eq(memcmp(reply, "\x0a\x02hi", 4), 0);
	jl__rpc_message_free(reply);
	jl__rpc_client_free(client);
}
END_TEST

START_TEST(a_status_comes_with_its_text)
{
	struct jl__rpc_client *client = client_clear(&running);
	static const char said[] = "no €: 100% \x01";
	uint8_t message[64];
	char text[1024];
	size_t len = count_message(message, 0, 0, 0, JL__RPC_NOT_FOUND);

	message[len++] = 0x2a;
	message[len++] = sizeof(said) - 1;
	memcpy(message + len, said, sizeof(said) - 1);
	len += sizeof(said) - 1;
	ck_assert_int_eq(call(client, "/test.Echo/Fail", message, len, PATIENCE, text),
			 JL__RPC_NOT_FOUND);
	ck_assert_str_eq(text, "no €: 100% ?");
	ck_assert_int_eq(call(client, "/test.Echo/Gone", "", 0, PATIENCE, text),
			 JL__RPC_UNIMPLEMENTED);
	ck_assert_str_eq(text, "there is no method /test.Echo/Gone");
	ck_assert_int_eq(call(client, "/test.Old/Any", "", 0, PATIENCE, text),
			 JL__RPC_UNIMPLEMENTED);
	ck_assert_str_eq(text, "use test.Echo instead");
	jl__rpc_client_free(client);
}
END_TEST

START_TEST(a_deadline_holds_on_both_sides)
{
	struct jl__rpc_client *client = client_of(&running, &authority()->admin);
	char text[1024];

	ck_assert_int_eq(call(client, "/test.Echo/Never", "", 0, 100000, text),
			 JL__RPC_DEADLINE_EXCEEDED);
	/* The server has let go of it too; the connection lives on. */
	server_await(&running, "calls", 1);
	ck_assert_int_eq(call(client, "/test.Echo/Unary", "", 0, PATIENCE, text), 0);
	jl__rpc_client_free(client);
}
END_TEST

static size_t read_all(struct jl__rpc_client *client, struct jl__rpc_stream *stream,
		       size_t *ret_bytes)
{
	const uint8_t *data;
	size_t len, count = 0;
	int r;

	*ret_bytes = 0;
	while ((r = jl__rpc_stream_read(stream, &data, &len)) != 0) {
		if (r == 1) {
			count++;
			*ret_bytes += len;
			continue;
		}
		ck_assert_int_eq(r, -EAGAIN);
		ck_assert_int_eq(jl__rpc_client_wait(client, PATIENCE, NULL), 0);
	}
	return count;
}

static struct jl__rpc_stream *open_stream(struct jl__rpc_client *client, const char *path,
					  uint64_t count, uint32_t size,
					  uint32_t pause_ms)
{
	struct jl__rpc_stream *stream = NULL;
	uint8_t message[64];
	size_t len = count_message(message, count, size, pause_ms, 0);

	ck_assert_int_eq(jl__rpc_stream_open(client, path, UINT64_MAX, &stream, NULL), 0);
	ck_assert_int_eq(jl__rpc_stream_write(stream, message, len), 0);
	jl__rpc_stream_write_end(stream);
	return stream;
}

START_TEST(a_stream_is_complete)
{
	static const struct {
		uint64_t count;
		uint32_t size;
	} cases[] = { { 1, 0 }, { 1000, 10 }, { 300, 60000 }, { 3, 1000 }, { 5000, 1 } };
	struct jl__rpc_client *client = client_of(&running, &authority()->viewer);
	struct jl__rpc_stream *stream;
	size_t bytes;

	stream = open_stream(client, "/test.Echo/Stream", cases[_i].count, cases[_i].size,
			     0);
	ck_assert_uint_eq(read_all(client, stream, &bytes), cases[_i].count);
	ck_assert_uint_ge(bytes, cases[_i].count * cases[_i].size);
	ck_assert_int_eq(jl__rpc_stream_status(stream)->code, 0);
	jl__rpc_stream_close(stream);
	jl__rpc_client_free(client);
}
END_TEST

START_TEST(a_stream_that_is_not_read_holds_the_server_back)
{
	struct jl__rpc_client *client = client_of(&running, &authority()->viewer);
	struct jl__rpc_stream *stream =
		open_stream(client, "/test.Echo/Stream", 0, 60000, 0);
	const uint8_t *data;
	char text[1024];
	size_t len;

	for (int i = 0; i < 20; i++) {
		int r = jl__rpc_client_wait(client, 5000, NULL);

		ck_assert(r == 0 || r == -ETIMEDOUT);
	}
	/* Others on the same connection are served meanwhile. */
	ck_assert_int_eq(call(client, "/test.Echo/Unary", "", 0, PATIENCE, text), 0);
	ck_assert_int_eq(jl__rpc_stream_read(stream, &data, &len), 1);
	jl__rpc_stream_close(stream);
	server_await(&running, "calls", 1);
	jl__rpc_client_free(client);
}
END_TEST

static ssize_t give_zeros(void *data, uint8_t *to, size_t size)
{
	uint64_t *given = data;

	memset(to, 0, size);
	if (*given == 0)
		memcpy(to, "\x0a\xfb\xff\xff\x09", 5); /* 20 MiB - 5 */
	*given += size;
	return (ssize_t)size;
}

START_TEST(a_large_request_is_sent_piece_by_piece)
{
	struct jl__rpc_client *client = client_of(&running, &authority()->admin);
	struct jl__rpc_stream *stream = NULL;
	const uint8_t *data;
	uint64_t given = 0;
	size_t len;
	int r;

	ck_assert_int_eq(
		jl__rpc_stream_open(client, "/test.Echo/Large", 20000000, &stream, NULL),
		0);
	ck_assert_int_eq(jl__rpc_stream_write_from(stream, 20 << 20, give_zeros, &given),
			 0);
	jl__rpc_stream_write_end(stream);
	while ((r = jl__rpc_stream_read(stream, &data, &len)) == -EAGAIN)
		ck_assert_int_eq(jl__rpc_client_wait(client, PATIENCE, NULL), 0);
	ck_assert_msg(r == 1, "%s", jl__rpc_stream_status(stream)->text);
	ck_assert_uint_eq(len, 10);
	ck_assert_int_eq(memcmp(data + 2, "20971515", 8), 0);
	jl__rpc_stream_close(stream);
	ck_assert_uint_eq(server_count(&running, "upload"), 0);
	jl__rpc_client_free(client);
}
END_TEST

START_TEST(an_upload_flows_and_can_be_held_back)
{
	struct jl__rpc_client *client = client_of(&running, &authority()->admin);
	struct jl__rpc_stream *stream = NULL;
	static uint8_t part[100000];
	const uint8_t *data;
	size_t len, head;
	int r;

	head = jl__pb_put_head(part, 1, 90000);
	ck_assert_int_eq(jl__rpc_stream_open(client, "/test.Echo/Upload", UINT64_MAX,
					     &stream, NULL),
			 0);
	for (int i = 0; i < 200; i++) {
		while ((r = i % 50 ? jl__rpc_stream_write(stream, part, head + 90000)
				   : jl__rpc_stream_write(stream, "\x0a\x05pause", 7)) ==
		       -EAGAIN)
			ck_assert_int_eq(jl__rpc_client_wait(client, PATIENCE, NULL), 0);
		ck_assert_int_eq(r, 0);
	}
	jl__rpc_stream_write_end(stream);
	while ((r = jl__rpc_stream_read(stream, &data, &len)) == -EAGAIN)
		ck_assert_int_eq(jl__rpc_client_wait(client, PATIENCE, NULL), 0);
	ck_assert_msg(r == 1, "%s", jl__rpc_stream_status(stream)->text);
	ck_assert_int_eq(memcmp(data + 2, "17640020", 8), 0);
	jl__rpc_stream_close(stream);
	jl__rpc_client_free(client);
}
END_TEST

START_TEST(closing_a_stream_cancels_it)
{
	struct jl__rpc_client *client = client_of(&running, &authority()->viewer);

	for (int i = 0; i < 300; i++) {
		struct jl__rpc_stream *stream =
			open_stream(client, "/test.Echo/Stream", 0, 100, 0);
		const uint8_t *data;
		size_t len;

		while (jl__rpc_stream_read(stream, &data, &len) == -EAGAIN)
			ck_assert_int_eq(jl__rpc_client_wait(client, PATIENCE, NULL), 0);
		jl__rpc_stream_close(stream);
	}
	server_await(&running, "calls", 1);
	ck_assert_uint_eq(server_count(&running, "dropped"), 0);
	jl__rpc_client_free(client);
}
END_TEST

/* What the first call says, or dialling already. */
static void refused_later(const struct jl__rpc_target *target, uint64_t patience,
			  int code, const char *words)
{
	bool of_us = code == -EKEYREJECTED || code == -EKEYEXPIRED;
	struct jl__rpc_client *client = NULL;
	struct jl__rpc_status status = { 0 };
	jl_error *err = NULL;
	uint8_t *reply = NULL;
	size_t len;
	int r = jl__rpc_client_dial(target, patience, &client, &err);

	if (r == 0) {
		ck_assert(!jl__rpc_client_greeted(client));
		ck_assert_int_eq(jl__rpc_client_unary(client, "/test.Echo/Unary", "", 0,
						      UINT64_MAX, &reply, &len, &status),
				 0);
		ck_assert_int_eq(status.code,
				 of_us ? JL__RPC_UNAUTHENTICATED : JL__RPC_UNAVAILABLE);
		ck_assert(!jl__rpc_client_greeted(client));
		jl__rpc_client_free(client);
	} else {
		ck_assert_int_eq(r, code);
		(void)snprintf(status.text, sizeof(status.text), "%s",
			       jl_error_message(err));
		jl_error_free(err);
	}
	ck_assert_msg(strstr(status.text, words), "%s", status.text);
}

/* What connecting says. */
static void refused(const char *address, const struct pem *who, const char *ca, int code,
		    const char *words)
{
	struct jl__rpc_client *client = NULL;
	const struct jl__rpc_target target = { address, who->cert, who->key, ca, NULL };
	jl_error *err = NULL;
	uint64_t patience = code == -ETIMEDOUT ? 300000 : PATIENCE;
	int r = jl__rpc_client_connect(&target, patience, &client, &err);

	ck_assert_msg(r == code, "%d: %s", r, jl_error_message(err));
	ck_assert_ptr_nonnull(err);
	ck_assert_msg(strstr(jl_error_message(err), words), "%s", jl_error_message(err));
	jl_error_free(err);
	refused_later(&target, patience, code, words);
}

START_TEST(refusals_are_sentences)
{
	const struct authority *all = authority();
	char address[64], nobody[64];
	int fd;
	uint16_t port;

	(void)snprintf(address, sizeof(address), "127.0.0.1:%u", running.port);
	refused(address, &all->expired, all->ca.cert, -EKEYEXPIRED,
		"refuses our certificate: it has expired");
	refused(address, &all->foreign, all->ca.cert, -EKEYREJECTED,
		"it is of another CA");
	refused(address, &all->admin, all->other_ca.cert, -EBADMSG,
		"is not of the CA in the configuration");
	server_control(&running, 'r');
	/* Who is asked now has read that before. */
	(void)server_count(&running, "calls");
	refused(address, &all->revoked, all->ca.cert, -EKEYREJECTED,
		"it has been revoked");
	(void)snprintf(address, sizeof(address), "127.0.0.1:%u", running.clear);
	refused(address, &all->admin, all->ca.cert, -EBADMSG, "does not speak TLS");
	ck_assert_int_eq(jl__rpc_listen_tcp("127.0.0.1", 0, &fd, &port, NULL), 0);
	(void)snprintf(nobody, sizeof(nobody), "127.0.0.1:%u", port);
	refused(nobody, &all->admin, all->ca.cert, -ETIMEDOUT,
		"accepts connections but does not speak");
	(void)close(fd);
	(void)snprintf(address, sizeof(address), "unix:/tmp/rpc-test-mute-%d.sock",
		       getpid());
	ck_assert_int_eq(jl__rpc_listen_unix(address + 5, 0600, (gid_t)-1, &fd, NULL), 0);
	refused(address, &all->admin, all->ca.cert, -ETIMEDOUT,
		"accepts connections but does not speak");
	(void)close(fd);
	(void)unlink(address + 5);
	refused(nobody, &all->admin, all->ca.cert, -ECONNREFUSED, "no daemon listens at");
	refused("unix:/nowhere/at.all", &all->admin, all->ca.cert, -ENOENT,
		"no daemon listens on");
	refused("no.such.host.invalid:1", &all->admin, all->ca.cert, -EHOSTUNREACH,
		"cannot find the server");
	refused("a:b:c:70000", &all->admin, all->ca.cert, -EHOSTUNREACH, "cannot find");
	refused("host:70000", &all->admin, all->ca.cert, -EINVAL, "is no address");
	refused("[::1", &all->admin, all->ca.cert, -EINVAL, "is no address");
	refused(nobody, &all->admin, "nonsense", -EINVAL, "CA certificate is no PEM");
	refused(nobody, &(struct pem){ all->admin.cert, all->viewer.key }, all->ca.cert,
		-EINVAL, "the key is not the one of the certificate");
}
END_TEST

static void server_with(const struct pem *cert, int code, const char *words)
{
	struct running other;
	char address[64];

	server_stop(&running);
	server_start(&other, NULL, cert);
	(void)snprintf(address, sizeof(address), "localhost:%u", other.port);
	refused(address, &authority()->admin, authority()->ca.cert, code, words);
	server_stop(&other);
	begin();
}

START_TEST(an_address_is_shown_with_its_port)
{
	static const char *const shown[][2] = {
		{ "192.0.2.7", "192.0.2.7:50051" }, { "::1", "[::1]:50051" },
		{ "[::1]", "[::1]:50051" },	    { "host:1", "host:1" },
		{ "[::1]:1", "[::1]:1" },	    { "unix:/a:b", "unix:/a:b" },
	};

	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		struct jl__rpc_where where;

		ck_assert_int_eq(jl__rpc_where_parse(shown[i][0], &where, NULL), 0);
		ck_assert_str_eq(where.shown, shown[i][1]);
	}
}
END_TEST

START_TEST(bad_servers_are_not_believed)
{
	server_with(&authority()->wrong_name, -EBADMSG, "is for another name: use");
	server_with(&authority()->old_server, -EKEYEXPIRED, "has expired: renew it");
	server_with(&authority()->foreign_server, -EBADMSG,
		    "is not of the CA in the configuration");
}
END_TEST

START_TEST(a_call_need_not_wait_for_the_greeting)
{
	const struct pem *who = &authority()->admin;
	char address[64];
	const struct jl__rpc_target target = { address, who->cert, who->key,
					       authority()->ca.cert, NULL };
	struct jl__rpc_client *client = NULL;

	(void)snprintf(address, sizeof(address), "127.0.0.1:%u", running.port);
	ck_assert_int_eq(jl__rpc_client_dial(&target, PATIENCE, &client, NULL), 0);
	ck_assert(!jl__rpc_client_greeted(client));
	ck_assert_int_eq(call(client, "/test.Echo/Unary", "", 0, PATIENCE, NULL), 0);
	ck_assert(jl__rpc_client_greeted(client));
	jl__rpc_client_free(client);
}
END_TEST

START_TEST(a_server_that_goes_is_noticed)
{
	struct jl__rpc_client *client = client_of(&running, &authority()->viewer);
	struct jl__rpc_stream *stream =
		open_stream(client, "/test.Echo/Stream", 0, 10, 20);
	const uint8_t *data;
	char text[1024];
	size_t len;
	int r;

	server_control(&running, 't');
	while ((r = jl__rpc_stream_read(stream, &data, &len)) != 0)
		if (r == -EAGAIN)
			(void)jl__rpc_client_wait(client, PATIENCE, NULL);
	ck_assert_int_eq(jl__rpc_stream_status(stream)->code, JL__RPC_UNAVAILABLE);
	ck_assert_str_eq(jl__rpc_stream_status(stream)->text,
			 "the server is shutting down");
	ck_assert_int_eq(call(client, "/test.Echo/Unary", "", 0, PATIENCE, text),
			 JL__RPC_UNAVAILABLE);
	jl__rpc_stream_close(stream);
	jl__rpc_client_free(client);
}
END_TEST

/* A command that prints into a pipe lets SIGPIPE end it; a connection must not. */
START_TEST(a_connection_that_is_gone_is_no_signal)
{
	struct jl__rpc_client *client;

	(void)signal(SIGPIPE, SIG_DFL);
	client = client_of(&running, &authority()->viewer);
	ck_assert_int_eq(shutdown(jl__rpc_client_fd(client), SHUT_WR), 0);
	ck_assert_int_eq(call(client, "/test.Echo/Unary", "", 0, PATIENCE, NULL),
			 JL__RPC_UNAVAILABLE);
	jl__rpc_client_free(client);
	client = client_clear(&running);
	ck_assert_int_eq(shutdown(jl__rpc_client_fd(client), SHUT_WR), 0);
	ck_assert_int_eq(call(client, "/test.Echo/Unary", "", 0, PATIENCE, NULL),
			 JL__RPC_UNAVAILABLE);
	jl__rpc_client_free(client);
}
END_TEST

/* A server that sends half a message, and then that all is well. */
static void answer_half(int listener)
{
	static const char head[] = "\x88\x0f\x10\x10"
				   "application/grpc",
			  status[] = "\0\x0b"
				     "grpc-status\x01"
				     "0";
	struct pollfd one = { listener, POLLIN, 0 };
	int fd = poll(&one, 1, PATIENCE_MS) == 1 ? accept(listener, NULL, NULL) : -1;
	uint8_t sink[4096], frame[9] = { 0 };

	raw_frame(fd, 4, 0, 0, NULL, 0);
	/* The preface, then frames until the request is there. */
	(void)recv(fd, sink, 24, MSG_WAITALL);
	while (frame[3] != 1 && recv(fd, frame, 9, MSG_WAITALL) == 9)
		(void)recv(fd, sink, (size_t)frame[1] << 8 | frame[2], MSG_WAITALL);
	raw_frame(fd, 1, 4, 1, head, sizeof(head) - 1);
	raw_frame(fd, 0, 0, 1, "\0\0\0\0\4\x0a\2", 7);
	raw_frame(fd, 1, 5, 1, status, sizeof(status) - 1);
	while (recv(fd, sink, sizeof(sink), 0) > 0)
		continue;
	_exit(0);
}

START_TEST(a_reply_that_is_cut_is_not_good)
{
	char path[64], address[80];
	struct jl__rpc_client *client = NULL;
	struct jl__rpc_target where = { .address = address };
	struct jl__rpc_stream *stream;
	size_t bytes;
	int fd, status = -1;
	pid_t pid;

	(void)snprintf(path, sizeof(path), "/tmp/rpc-test-cut-%d.sock", getpid());
	(void)snprintf(address, sizeof(address), "unix:%s", path);
	ck_assert_int_eq(jl__rpc_listen_unix(path, 0600, (gid_t)-1, &fd, NULL), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		answer_half(fd);
	ck_assert_int_eq(jl__rpc_client_connect(&where, PATIENCE, &client, NULL), 0);
	stream = open_stream(client, "/test.Echo/Stream", 1, 10, 0);
	ck_assert_uint_eq(read_all(client, stream, &bytes), 0);
	ck_assert_int_eq(jl__rpc_stream_status(stream)->code, JL__RPC_INTERNAL);
	jl__rpc_stream_close(stream);
	jl__rpc_client_free(client);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	(void)close(fd);
	(void)unlink(path);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("rpc_client");
	TCase *tests = tcase_create("client");

	tcase_add_checked_fixture(tests, begin, end);
	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, a_call_is_answered);
	tcase_add_test(tests, a_status_comes_with_its_text);
	tcase_add_test(tests, a_deadline_holds_on_both_sides);
	tcase_add_loop_test(tests, a_stream_is_complete, 0, 5);
	tcase_add_test(tests, a_stream_that_is_not_read_holds_the_server_back);
	tcase_add_test(tests, a_large_request_is_sent_piece_by_piece);
	tcase_add_test(tests, an_upload_flows_and_can_be_held_back);
	tcase_add_test(tests, closing_a_stream_cancels_it);
	tcase_add_test(tests, a_call_need_not_wait_for_the_greeting);
	tcase_add_test(tests, refusals_are_sentences);
	tcase_add_test(tests, an_address_is_shown_with_its_port);
	tcase_add_test(tests, bad_servers_are_not_believed);
	tcase_add_test(tests, a_server_that_goes_is_noticed);
	tcase_add_test(tests, a_connection_that_is_gone_is_no_signal);
	tcase_add_test(tests, a_reply_that_is_cut_is_not_good);
	suite_add_tcase(suite, tests);
	return suite;
}
