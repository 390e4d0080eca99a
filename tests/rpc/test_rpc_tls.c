/* SPDX-License-Identifier: MIT */
/* TLS: who is let in, when it is looked at, and what the handshake must not lose. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "main.h"
#include "rpc/io.h"
#include "rpc/tls.h"

#define BYTES(text) (text), sizeof(text) - 1

static struct running running;

static void begin(void)
{
	server_start(&running, NULL, NULL);
}

static void end(void)
{
	server_stop(&running);
}

/* ---- a client whose bytes the test moves ---- */

/* What OpenSSL wants to send, all at once. */
static void send_all(int fd, BIO *out)
{
	char *data;
	long len = BIO_get_mem_data(out, &data);

	raw_write(fd, data, (size_t)len);
	(void)BIO_reset(out);
}

static bool receive_some(int fd, BIO *in)
{
	struct pollfd one = { fd, POLLIN, 0 };
	char data[16384];
	ssize_t n;

	ck_assert_int_eq(poll(&one, 1, PATIENCE_MS), 1);
	n = recv(fd, data, sizeof(data), 0);
	if (n > 0)
		ck_assert_int_eq(BIO_write(in, data, (int)n), n);
	return n > 0;
}

/* alpn: protocols as they stand on the wire; "" = none is offered. */
static SSL *tls_of(const struct pem *who, const char *alpn)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	BIO *cert = BIO_new_mem_buf(who->cert, -1), *key = BIO_new_mem_buf(who->key, -1);
	X509 *x509 = PEM_read_bio_X509(cert, NULL, NULL, NULL);
	EVP_PKEY *pkey = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
	SSL *ssl;

	ck_assert_int_eq(SSL_CTX_use_certificate(ctx, x509), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(ctx, pkey), 1);
	ck_assert_int_eq(SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)alpn,
						 (unsigned)strlen(alpn)),
			 0);
	ssl = SSL_new(ctx);
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_connect_state(ssl);
	SSL_CTX_free(ctx);
	X509_free(x509);
	EVP_PKEY_free(pkey);
	BIO_free(cert);
	BIO_free(key);
	return ssl;
}

/* false: the server did not want it. */
static bool shake_hands(SSL *ssl, int fd)
{
	while (SSL_do_handshake(ssl) != 1) {
		send_all(fd, SSL_get_wbio(ssl));
		if (!receive_some(fd, SSL_get_rbio(ssl)))
			return false;
	}
	return true;
}

/*
 * A handshake, and with its last bytes a request: they are read together, and what is
 * behind the handshake lies in OpenSSL then, of which no event of the socket tells.
 * false: there was no answer.
 */
static bool get(SSL *ssl, int fd)
{
	static const char request[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
	char reply[1024];
	int n;

	if (!shake_hands(ssl, fd))
		return false;
	ck_assert_int_eq(SSL_write(ssl, BYTES(request)), sizeof(request) - 1);
	send_all(fd, SSL_get_wbio(ssl));
	while ((n = SSL_read(ssl, reply, sizeof(reply) - 1)) <= 0)
		if (SSL_get_error(ssl, n) != SSL_ERROR_WANT_READ ||
		    !receive_some(fd, SSL_get_rbio(ssl)))
			return false;
	reply[n] = '\0';
	ck_assert_msg(strncmp(reply, "HTTP/1.1 200 ", 13) == 0, "%s", reply);
	return true;
}

#define H1 "\x08http/1.1"
#define H2 "\x02h2"

START_TEST(a_request_may_come_with_the_end_of_the_handshake)
{
	SSL *ssl = tls_of(&authority()->viewer, H1);
	int fd = raw_connect(running.port);

	ck_assert(get(ssl, fd));
	SSL_free(ssl);
	(void)close(fd);
}
END_TEST

/* What waits behind an answer lies in OpenSSL as well. */
START_TEST(a_request_may_wait_behind_the_answer_to_another)
{
	/* More than is read at once: the second one is not taken before the first is
	   answered. */
	static char two[] = "GET /v1/hello/1 HTTP/1.1\r\nHost: x\r\n\r\n"
			    "GET /v1/hello/2 HTTP/1.1\r\nHost: x\r\n\r\n"
			    "GET /v1/hello/3 HTTP/1.1\r\nHost: x\r\n\r\n";
	SSL *ssl = tls_of(&authority()->viewer, H1);
	int fd = raw_connect(running.port), n;
	char reply[8192];
	size_t len = 0;

	ck_assert(shake_hands(ssl, fd));
	send_all(fd, SSL_get_wbio(ssl));
	/* A record each, and all of them in one piece. */
	for (const char *at = two; *at; at += n) {
		n = (int)(strstr(at, "\r\n\r\n") - at) + 4;
		ck_assert_int_eq(SSL_write(ssl, at, n), n);
	}
	send_all(fd, SSL_get_wbio(ssl));
	reply[0] = '\0';
	while (!strstr(reply, "\"id\":\"3\"")) {
		n = SSL_read(ssl, reply + len, (int)(sizeof(reply) - 1 - len));
		if (n > 0)
			len += (size_t)n;
		else
			ck_assert(receive_some(fd, SSL_get_rbio(ssl)));
		reply[len] = '\0';
	}
	SSL_free(ssl);
	(void)close(fd);
}
END_TEST

/* Processor time of the server, in ticks. */
static unsigned long server_ticks(void)
{
	unsigned long user = 0, system = 0;
	char path[64];
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", running.pid);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file,
				"%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u "
				"%*u %lu %lu",
				&user, &system),
			 2);
	(void)fclose(file);
	return user + system;
}

/* Nothing can be done with half a record, and so nothing is done. */
START_TEST(half_a_record_does_not_keep_the_server_turning)
{
	SSL *ssl = tls_of(&authority()->viewer, H1);
	int fd = raw_connect(running.port);
	unsigned long before;
	char *data;

	ck_assert(get(ssl, fd));
	ck_assert_int_eq(SSL_write(ssl, BYTES("GET /healthz HTTP/1.1\r\n")), 23);
	ck_assert_int_gt(BIO_get_mem_data(SSL_get_wbio(ssl), &data), 20);
	raw_write(fd, data, 20);
	(void)server_count(&running, "connections");
	before = server_ticks();
	(void)poll(NULL, 0, 500);
	/* Of fifty, or of however many it gets on this machine. */
	ck_assert_uint_le(server_ticks() - before, 2);
	SSL_free(ssl);
	(void)close(fd);
}
END_TEST

/* One side as the layer has it, over a socket; of the other one the test moves the bytes.
 */
static void two_sides(struct jl__rpc_io *io, SSL **ret_other, int *ret_fd)
{
	const struct authority *all = authority();
	const struct jl__rpc_tls tls = { all->server.cert, all->server.key, all->ca.cert,
					 NULL };
	SSL_CTX *ours = NULL, *theirs = NULL;
	SSL *ssl;
	int fds[2];

	ck_assert_int_eq(jl__rpc_tls_client(all->admin.cert, all->admin.key, all->ca.cert,
					    &ours, NULL),
			 0);
	ck_assert_int_eq(jl__rpc_tls_server(&tls, &theirs, NULL), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	ssl = SSL_new(ours);
	ck_assert(jl__rpc_io_attach(ssl, fds[0]));
	SSL_set_connect_state(ssl);
	jl__rpc_io_init(io, fds[0], ssl);
	*ret_other = SSL_new(theirs);
	SSL_set_bio(*ret_other, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_accept_state(*ret_other);
	*ret_fd = fds[1];
	SSL_CTX_free(ours);
	SSL_CTX_free(theirs);
	while (jl__rpc_io_handshake(io) == -EAGAIN) {
		ck_assert(receive_some(fds[1], SSL_get_rbio(*ret_other)));
		(void)SSL_do_handshake(*ret_other);
		send_all(fds[1], SSL_get_wbio(*ret_other));
	}
	ck_assert(receive_some(fds[1], SSL_get_rbio(*ret_other)));
	ck_assert_int_eq(SSL_do_handshake(*ret_other), 1);
}

/* For both sides: who is told that something is there asks again at once. */
START_TEST(half_a_record_is_nothing_to_be_read)
{
	struct jl__rpc_io io;
	char *record, bytes[16];
	SSL *other;
	long len;
	int fd;

	two_sides(&io, &other, &fd);
	ck_assert(!jl__rpc_io_pending(&io));
	ck_assert_int_eq(SSL_write(other, "hello", 5), 5);
	len = BIO_get_mem_data(SSL_get_wbio(other), &record);
	raw_write(fd, record, 10);
	ck_assert_int_eq(jl__rpc_io_read(&io, bytes, sizeof(bytes)), -EAGAIN);
	ck_assert(!jl__rpc_io_pending(&io));
	raw_write(fd, record + 10, (size_t)len - 10);
	ck_assert_int_eq(jl__rpc_io_read(&io, bytes, 2), 2);
	/* The rest of a whole one is. */
	ck_assert(jl__rpc_io_pending(&io));
	ck_assert_int_eq(jl__rpc_io_read(&io, bytes, sizeof(bytes)), 3);
	ck_assert_int_eq(jl__rpc_io_read(&io, bytes, sizeof(bytes)), -EAGAIN);
	ck_assert(!jl__rpc_io_pending(&io));
	SSL_free(other);
	jl__rpc_io_done(&io);
	(void)close(fd);
}
END_TEST

static const struct {
	const char *offered, *chosen; /* NULL: there is no connection */
} protocols[] = {
	{ H2, "h2" },
	{ H1, "http/1.1" },
	{ H1 H2, "h2" },
	{ H2 H1, "h2" },
	{ "\x06spdy/3" H1, "http/1.1" },
	{ "", "" },
	{ "\x06spdy/3", NULL },
};

/* grpcio does without a protocol as little as without HTTP/2. */
START_TEST(the_protocol_is_chosen_in_the_handshake)
{
	SSL *ssl = tls_of(&authority()->viewer, protocols[_i].offered);
	const char *chosen = protocols[_i].chosen;
	const unsigned char *name = NULL;
	int fd = raw_connect(running.port);
	unsigned len = 0;

	ck_assert_int_eq(shake_hands(ssl, fd), chosen != NULL);
	SSL_get0_alpn_selected(ssl, &name, &len);
	if (chosen) {
		ck_assert_uint_eq(len, strlen(chosen));
		ck_assert(len == 0 || memcmp(name, chosen, len) == 0);
	}
	if (chosen && !*chosen)
		ck_assert(get(ssl, fd));
	SSL_free(ssl);
	(void)close(fd);
}
END_TEST

/* A handshake that has begun is judged by what holds at its end. */
START_TEST(who_was_revoked_meanwhile_does_not_get_in)
{
	SSL *bad = tls_of(&authority()->revoked, H1);
	SSL *good = tls_of(&authority()->viewer, H1);
	int bad_fd = raw_connect(running.port), good_fd = raw_connect(running.port);

	/* With the one that asks. */
	server_await(&running, "connections", 3);
	server_control(&running, 'r');
	(void)server_count(&running, "connections");
	ck_assert(!get(bad, bad_fd));
	ck_assert(get(good, good_fd));
	SSL_free(bad);
	SSL_free(good);
	(void)close(bad_fd);
	(void)close(good_fd);
}
END_TEST

/* Each authority has a list of its own, and they come in one text. */
START_TEST(every_authority_has_its_list)
{
	static const struct {
		size_t who;
		bool good;
	} them[] = {
		{ offsetof(struct authority, admin), true },
		{ offsetof(struct authority, foreign), true },
		{ offsetof(struct authority, revoked), false },
	};

	server_control(&running, 'b');
	(void)server_count(&running, "connections");
	for (size_t i = 0; i < sizeof(them) / sizeof(*them); i++) {
		const void *who = (const char *)authority() + them[i].who;
		SSL *ssl = tls_of(who, H1);
		int fd = raw_connect(running.port);

		ck_assert_msg(get(ssl, fd) == them[i].good, "%zu", i);
		SSL_free(ssl);
		(void)close(fd);
	}
}
END_TEST

/* What is damaged behind the first piece of a text is not passed over: it may be the list
 * with those who were revoked last. */
static const struct {
	const char *cert, *ca, *crl; /* what follows the good one */
	const char *says;
} damaged[] = {
	{ "", "", "", NULL },
	{ "\n", "a comment\n", "\n# another\n", NULL },
	{ "-----BEGIN CERTIFICATE-----\nMII@\n", "", "", "certificate 2 of several" },
	{ "", "-----BEGIN CERTIFICATE-----\nMIIA\n-----END CERTIFICATE-----\n", "",
	  "CA certificate 2 of several" },
	{ "", "", "-----BEGIN X509 CRL-----\n@@@@\n-----END X509 CRL-----\n",
	  "revocation list 2 of several" },
	{ "", "", "-----BEGIN X509 CRL-----\nMIIA", "revocation list 2 of several" },
};

START_TEST(what_is_damaged_is_not_passed_over)
{
	static const struct jl__rpc_method none[] = { { 0 } };
	const struct authority *all = authority();
	char cert[8192], ca[8192], crl[8192];
	const struct jl__rpc_tls tls = { cert, all->server.key, ca, crl };
	struct jl__rpc_server *server;
	jl_error *err = NULL;
	int r;

	(void)snprintf(cert, sizeof(cert), "%s%s", all->server.cert, damaged[_i].cert);
	(void)snprintf(ca, sizeof(ca), "%s%s", all->ca.cert, damaged[_i].ca);
	(void)snprintf(crl, sizeof(crl), "%s%s", all->no_crl, damaged[_i].crl);
	ck_assert_int_eq(jl__rpc_server_new(none, NULL, NULL, &server, NULL), 0);
	r = jl__rpc_server_set_tls(server, &tls, &err);
	ck_assert_int_eq(r, damaged[_i].says ? -EINVAL : 0);
	ck_assert_msg(!damaged[_i].says ||
			      strstr(jl_error_message(err), damaged[_i].says),
		      "%s", jl_error_message(err));
	jl_error_free(err);
	jl__rpc_server_free(server);
}
END_TEST

/* Errors that OpenSSL keeps for later are of one connection, and not of the
 * next one. */
START_TEST(failed_handshakes_do_no_harm_to_others)
{
	struct jl__rpc_client *client;
	struct jl__rpc_stream *stream = NULL;
	uint8_t message[64];
	const uint8_t *data;
	size_t len = count_message(message, 0, 10, 1, 0), got;
	int fd;

	client = client_of(&running, &authority()->viewer);
	ck_assert_int_eq(jl__rpc_stream_open(client, "/test.Echo/Stream", UINT64_MAX,
					     &stream, NULL),
			 0);
	ck_assert_int_eq(jl__rpc_stream_write(stream, message, len), 0);
	jl__rpc_stream_write_end(stream);
	for (int i = 0; i < 20; i++) {
		fd = raw_connect(running.port);
		raw_write(fd, "\x16\x03\x01\x00\x05\x01\x00\x00\x01x", 10);
		ck_assert(raw_closed(fd, PATIENCE_MS));
		(void)close(fd);
		while (jl__rpc_stream_read(stream, &data, &got) != 1)
			ck_assert_int_eq(jl__rpc_client_wait(client, PATIENCE, NULL), 0);
	}
	jl__rpc_stream_close(stream);
	jl__rpc_client_free(client);
}
END_TEST

/* ---- certificates ---- */

START_TEST(certificates_change_under_way)
{
	struct jl__rpc_client *good, *bad;
	struct jl__rpc_stream *kept = NULL, *lost = NULL;
	uint8_t message[64];
	size_t len = count_message(message, 0, 10, 10, 0), got;
	const uint8_t *data;
	int r;

	good = client_of(&running, &authority()->admin);
	bad = client_of(&running, &authority()->revoked);
	ck_assert_int_eq(
		jl__rpc_stream_open(good, "/test.Echo/Stream", UINT64_MAX, &kept, NULL),
		0);
	ck_assert_int_eq(
		jl__rpc_stream_open(bad, "/test.Echo/Stream", UINT64_MAX, &lost, NULL),
		0);
	ck_assert_int_eq(jl__rpc_stream_write(kept, message, len), 0);
	ck_assert_int_eq(jl__rpc_stream_write(lost, message, len), 0);
	jl__rpc_stream_write_end(kept);
	jl__rpc_stream_write_end(lost);
	server_control(&running, 'h');
	for (int i = 0; i < 20; i++) {
		(void)jl__rpc_client_wait(good, 10000, NULL);
		(void)jl__rpc_client_wait(bad, 10000, NULL);
	}
	while ((r = jl__rpc_stream_read(kept, &data, &got)) == -EAGAIN)
		ck_assert_int_eq(jl__rpc_client_wait(good, PATIENCE, NULL), 0);
	ck_assert_int_eq(r, 1);
	ck_assert_int_eq(jl__rpc_stream_status(kept)->code, -1);
	ck_assert_int_eq(jl__rpc_stream_status(lost)->code, -1);
	server_control(&running, 'r');
	while ((r = jl__rpc_stream_read(lost, &data, &got)) != 0)
		if (r == -EAGAIN)
			(void)jl__rpc_client_wait(bad, PATIENCE, NULL);
	while (jl__rpc_stream_read(kept, &data, &got) == 1)
		continue;
	do
		(void)jl__rpc_client_wait(good, PATIENCE, NULL);
	while ((r = jl__rpc_stream_read(kept, &data, &got)) == -EAGAIN);
	ck_assert_int_eq(r, 1);
	ck_assert_int_eq(jl__rpc_stream_status(kept)->code, -1);
	jl__rpc_stream_close(kept);
	jl__rpc_stream_close(lost);
	jl__rpc_client_free(good);
	jl__rpc_client_free(bad);
}
END_TEST

START_TEST(a_certificate_that_ends_ends_its_connection)
{
	struct jl__rpc_client *client;
	uint64_t waited = 0;

	client = client_of(&running, authority_brief());
	ck_assert_int_eq(call(client, "/test.Echo/Unary", "", 0, PATIENCE, NULL), 0);
	while (jl__rpc_client_wait(client, 100000, NULL) != -ECONNRESET &&
	       waited < PATIENCE_MS / 100)
		waited++;
	ck_assert_uint_lt(waited, PATIENCE_MS / 100);
	jl__rpc_client_free(client);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("rpc_tls");
	TCase *tests = tcase_create("tls");

	tcase_add_checked_fixture(tests, begin, end);
	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, a_request_may_come_with_the_end_of_the_handshake);
	tcase_add_test(tests, a_request_may_wait_behind_the_answer_to_another);
	tcase_add_test(tests, half_a_record_does_not_keep_the_server_turning);
	tcase_add_test(tests, half_a_record_is_nothing_to_be_read);
	tcase_add_loop_test(tests, the_protocol_is_chosen_in_the_handshake, 0,
			    sizeof(protocols) / sizeof(*protocols));
	tcase_add_test(tests, who_was_revoked_meanwhile_does_not_get_in);
	tcase_add_test(tests, every_authority_has_its_list);
	tcase_add_loop_test(tests, what_is_damaged_is_not_passed_over, 0,
			    sizeof(damaged) / sizeof(*damaged));
	tcase_add_test(tests, failed_handshakes_do_no_harm_to_others);
	tcase_add_test(tests, certificates_change_under_way);
	tcase_add_test(tests, a_certificate_that_ends_ends_its_connection);
	suite_add_tcase(suite, tests);
	return suite;
}
