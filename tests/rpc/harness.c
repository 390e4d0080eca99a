/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "rpc/pb.h"

static void use(struct jl__rpc_server *server, const struct pem *cert, const char *ca,
		const char *crl)
{
	jl_error *err = NULL;
	const struct jl__rpc_tls tls = { cert->cert, cert->key, ca, crl };
	int r = jl__rpc_server_set_tls(server, &tls, &err);

	if (r < 0) {
		(void)fprintf(stderr, "server: %s\n", jl_error_message(err));
		_exit(3);
	}
}

/* The certificates and the lists of both authorities. */
static void use_both(struct jl__rpc_server *server)
{
	static char ca[16384], crl[16384];
	const struct authority *all = authority();

	(void)snprintf(ca, sizeof(ca), "%s%s", all->ca.cert, all->other_ca.cert);
	(void)snprintf(crl, sizeof(crl), "%s%s", all->crl, all->other_crl);
	use(server, &all->server, ca, crl);
}

static void control_by(struct jl__rpc_server *server, char what)
{
	const struct authority *all = authority();

	if (what == 'h')
		use(server, &all->server, all->ca.cert, all->no_crl);
	if (what == 'r')
		use(server, &all->server, all->ca.cert, all->crl);
	if (what == 'b')
		use_both(server);
	if (what == 't')
		jl__rpc_server_drain(server, 300000);
}

static void serve(struct jl__rpc_server *server, int control)
{
	struct pollfd fds[2] = { { jl__rpc_server_fd(server), POLLIN, 0 },
				 { control, POLLIN, 0 } };
	unsigned reads;
	char what;

	while (!jl__rpc_server_drained(server)) {
		(void)poll(fds, 2, served_tick() ? 10 : -1);
		if (fds[1].revents) {
			if (read(control, &what, 1) != 1)
				break;
			control_by(server, what);
		}
		reads = served.reads;
		if (jl__rpc_server_process(server) < 0)
			_exit(4);
		if (served.reads - reads > served.most_reads)
			served.most_reads = served.reads - reads;
	}
}

static void run(const struct running *running, const struct jl__rpc_limits *limits,
		const struct pem *cert, const int fds[3], int control)
{
	static const enum jl__rpc_entry entries[] = { JL__RPC_TLS, JL__RPC_CLEAR,
						      JL__RPC_LOCAL };
	struct jl__rpc_server *server;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGTERM, SIG_DFL);
	if (jl__rpc_server_new(served_methods, limits, &served_hooks, &server, NULL) < 0)
		_exit(2);
	use(server, cert ? cert : &authority()->server, authority()->ca.cert,
	    authority()->no_crl);
	for (int i = 0; i < 3; i++)
		if (jl__rpc_server_listen(server, fds[i], entries[i], NULL) < 0)
			_exit(2);
	serve(server, control);
	jl__rpc_server_free(server);
	(void)unlink(running->local);
	/* Every connection and every call that began has ended once. */
	if (served.identified != served.forgotten ||
	    served.closed != served.requests + served.opened)
		_exit(5);
	exit(0);
}

void server_start(struct running *running, const struct jl__rpc_limits *limits,
		  const struct pem *cert)
{
	jl_error *err = NULL;
	int fds[3], ends[2];

	(void)signal(SIGPIPE, SIG_IGN);
	(void)authority();
	(void)snprintf(running->local, sizeof(running->local), "/tmp/rpc-test-%d.sock",
		       getpid());
	ck_assert_int_eq(
		jl__rpc_listen_tcp("127.0.0.1", 0, &fds[0], &running->port, &err), 0);
	ck_assert_int_eq(
		jl__rpc_listen_tcp("127.0.0.1", 0, &fds[1], &running->clear, &err), 0);
	ck_assert_int_eq(
		jl__rpc_listen_unix(running->local, 0600, (gid_t)-1, &fds[2], &err), 0);
	ck_assert_int_eq(pipe(ends), 0);
	running->pid = fork();
	ck_assert_int_ge(running->pid, 0);
	if (running->pid == 0) {
		(void)close(ends[1]);
		run(running, limits, cert, fds, ends[0]);
	}
	for (int i = 0; i < 3; i++)
		(void)close(fds[i]);
	(void)close(ends[0]);
	running->control = ends[1];
}

void server_control(const struct running *running, char what)
{
	ck_assert_int_eq(write(running->control, &what, 1), 1);
}

void server_stop(struct running *running)
{
	int status = 0;

	(void)close(running->control);
	ck_assert_int_eq(waitpid(running->pid, &status, 0), running->pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		      "the server ended with status %#x", status);
}

uint64_t server_count(const struct running *running, const char *name)
{
	struct jl__rpc_client *client = client_clear(running);
	struct jl__rpc_status status;
	uint8_t *reply = NULL;
	size_t len = 0;
	char text[512] = "", want[32];
	const char *at;

	ck_assert_int_eq(jl__rpc_client_unary(client, "/test.Echo/Counts", "", 0,
					      PATIENCE, &reply, &len, &status),
			 0);
	ck_assert_msg(status.code == 0, "%s", status.text);
	ck_assert_uint_lt(len, sizeof(text));
	memcpy(text, reply, len);
	jl__rpc_message_free(reply);
	jl__rpc_client_free(client);
	/* Behind the head of the message, which is not text. */
	(void)snprintf(want, sizeof(want), "%s=", name);
	at = memmem(text, len, want, strlen(want));
	ck_assert_ptr_nonnull(at);
	return strtoull(at + strlen(want), NULL, 10);
}

void server_await(const struct running *running, const char *name, uint64_t value)
{
	uint64_t is = 0;

	for (int i = 0; i < PATIENCE_MS / 10; i++) {
		is = server_count(running, name);
		if (is == value)
			return;
		(void)poll(NULL, 0, 10);
	}
	ck_abort_msg("%s is %" PRIu64 " and not %" PRIu64, name, is, value);
}

uint64_t server_resident(const struct running *running)
{
	char path[64], line[256];
	uint64_t kib = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", running->pid);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, "VmRSS:", 6) == 0)
			kib = strtoull(line + 6, NULL, 10);
	(void)fclose(file);
	return kib * 1024;
}

static struct jl__rpc_client *connect_to(const struct jl__rpc_target *target)
{
	struct jl__rpc_client *client = NULL;
	jl_error *err = NULL;
	int r = jl__rpc_client_connect(target, PATIENCE, &client, &err);

	ck_assert_msg(r == 0, "%s", jl_error_message(err));
	return client;
}

struct jl__rpc_client *client_of(const struct running *running, const struct pem *who)
{
	char address[32];

	(void)snprintf(address, sizeof(address), "localhost:%u", running->port);
	return connect_to(&(struct jl__rpc_target){ address, who->cert, who->key,
						    authority()->ca.cert, NULL });
}

struct jl__rpc_client *client_clear(const struct running *running)
{
	char address[128];

	(void)snprintf(address, sizeof(address), "unix:%s", running->local);
	return connect_to(&(struct jl__rpc_target){ .address = address });
}

int call(struct jl__rpc_client *client, const char *path, const void *data, size_t len,
	 uint64_t timeout_usec, char *text)
{
	struct jl__rpc_status status;
	uint8_t *reply = NULL;
	size_t reply_len = 0;

	ck_assert_int_eq(jl__rpc_client_unary(client, path, data, len, timeout_usec,
					      &reply, &reply_len, &status),
			 0);
	jl__rpc_message_free(reply);
	if (text)
		memcpy(text, status.text, sizeof(status.text));
	return status.code;
}

size_t count_message(uint8_t to[64], uint64_t count, uint32_t size, uint32_t pause_ms,
		     int code)
{
	const uint64_t values[] = { count, size, pause_ms, (uint64_t)code };
	size_t at = 0;

	for (unsigned i = 0; i < 4; i++) {
		if (!values[i])
			continue;
		to[at++] = (uint8_t)((i + 1) << 3);
		at += jl__pb_put_varint(to + at, values[i]);
	}
	return at;
}

/* ---- raw ---- */

int raw_connect(uint16_t port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* What is held back, to go out in one piece. */
static struct jl__buf held;
static bool holding;

void raw_hold(void)
{
	held = (struct jl__buf){ .max = 64 << 20 };
	holding = true;
}

void raw_release(int fd)
{
	holding = false;
	raw_write(fd, held.data, held.len);
	jl__buf_done(&held);
}

void raw_write(int fd, const void *data, size_t len)
{
	const uint8_t *at = data;

	if (holding) {
		ck_assert_int_eq(jl__buf_add(&held, data, len), 0);
		return;
	}

	while (len) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n <= 0)
			return; /* closed: that is what some tests wait for */
		at += n;
		len -= (size_t)n;
	}
}

void raw_begin(int fd)
{
	raw_write(fd, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
	raw_frame(fd, 4, 0, 0, NULL, 0);
}

void raw_frame(int fd, uint8_t type, uint8_t flags, uint32_t id, const void *data,
	       size_t len)
{
	uint8_t head[9] = { (uint8_t)(len >> 16),
			    (uint8_t)(len >> 8),
			    (uint8_t)len,
			    type,
			    flags,
			    (uint8_t)(id >> 24),
			    (uint8_t)(id >> 16),
			    (uint8_t)(id >> 8),
			    (uint8_t)id };
	uint8_t *both = malloc(len + 9);

	ck_assert_ptr_nonnull(both);
	memcpy(both, head, 9);
	if (len)
		memcpy(both + 9, data, len);
	raw_write(fd, both, len + 9);
	free(both);
}

static size_t put_text(uint8_t *to, const char *text)
{
	to[0] = (uint8_t)strlen(text);
	memcpy(to + 1, text, strlen(text));
	return 1 + strlen(text);
}

void raw_request(int fd, uint32_t id, const char *path)
{
	/* HPACK, nothing indexed but :method POST, :scheme http and names. */
	uint8_t block[256] = { 0x83, 0x86, 0x01 };
	size_t at = 3;

	at += put_text(block + at, "localhost");
	block[at++] = 0x04;
	at += put_text(block + at, path);
	block[at++] = 0x0f; /* content-type is 31 */
	block[at++] = 0x10;
	at += put_text(block + at, "application/grpc");
	raw_frame(fd, 1, 4, id, block, at);
}

bool raw_closed(int fd, int timeout_ms)
{
	struct timespec begin, now;
	char sink[65536];

	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	for (;;) {
		struct pollfd one = { fd, POLLIN, 0 };
		long passed;

		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		passed = (now.tv_sec - begin.tv_sec) * 1000 +
			 (now.tv_nsec - begin.tv_nsec) / 1000000;
		passed = passed < timeout_ms ? passed : timeout_ms;
		if (poll(&one, 1, timeout_ms - (int)passed) == 0)
			return false;
		if (recv(fd, sink, sizeof(sink), 0) <= 0)
			return true;
		if (passed == timeout_ms)
			return false;
	}
}

/* Exactly so many bytes; a peer that closes with a reset is at its end as well.
 */
static bool read_all(int fd, uint8_t *to, size_t len)
{
	while (len) {
		struct pollfd one = { fd, POLLIN, 0 };
		ssize_t n;

		ck_assert_int_eq(poll(&one, 1, PATIENCE_MS), 1);
		n = recv(fd, to, len, 0);
		if (n <= 0)
			return false;
		to += n;
		len -= (size_t)n;
	}
	return true;
}

static uint32_t number_at(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 |
	       at[3];
}

bool raw_goaway(int fd, struct raw_goaway *ret)
{
	static uint8_t body[1 << 24];
	uint8_t head[9];

	while (read_all(fd, head, sizeof(head))) {
		size_t len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];

		if (!read_all(fd, body, len))
			return false;
		if (head[3] != 7)
			continue;
		ck_assert_uint_ge(len, 8);
		*ret = (struct raw_goaway){ number_at(body), number_at(body + 4) };
		return true;
	}
	return false;
}
