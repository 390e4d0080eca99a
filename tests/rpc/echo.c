/* SPDX-License-Identifier: MIT */
/*
 * The test server as a program, for clients nobody here wrote:
 *
 *	echo [--tls CERT KEY CA [CRL]] [--unix PATH] [--clear] [--KEY=NUMBER …]
 *
 * Prints "port N" for each socket and serves until SIGTERM, which drains; SIGHUP reads
 *the certificates again.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "served.h"

static char *files[4];

static char *slurp(const char *path)
{
	char *text = calloc(1, 1 << 16);
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (!text || !path || fd < 0 || read(fd, text, (1 << 16) - 1) < 0) {
		free(text);
		return NULL;
	}
	(void)close(fd);
	return text;
}

static void check_result(int r, const jl_error *err)
{
	if (r >= 0)
		return;
	(void)fprintf(stderr, "echo: %s\n", jl_error_message(err));
	exit(1);
}

/* The error is looked at after the call, not before it. */
#define check(call, err)                 \
	do {                             \
		int r_ = (call);         \
		check_result(r_, (err)); \
	} while (0)

static int load(struct jl__rpc_server *server, jl_error **err)
{
	char *text[4];
	int r;

	for (int i = 0; i < 4; i++)
		text[i] = slurp(files[i]);
	r = jl__rpc_server_set_tls(
		server, &(struct jl__rpc_tls){ text[0], text[1], text[2], text[3] }, err);
	for (int i = 0; i < 4; i++)
		free(text[i]);
	return r;
}

static void set_number(struct jl__rpc_limits *limits, const char *arg)
{
	const char *value = strchr(arg, '=');
	uint64_t number = value ? strtoull(value + 1, NULL, 10) : 0;

	if (strncmp(arg, "--connections=", 14) == 0)
		limits->connections = limits->connections_of_peer = (uint32_t)number;
	else if (strncmp(arg, "--peer=", 7) == 0)
		limits->connections_of_peer = (uint32_t)number;
	else if (strncmp(arg, "--budget=", 9) == 0)
		limits->upload_budget = number;
	else if (strncmp(arg, "--stall-ms=", 11) == 0)
		limits->stall_usec = number * 1000;
	else if (strncmp(arg, "--handshake-ms=", 15) == 0)
		limits->handshake_usec = number * 1000;
	else if (strncmp(arg, "--keepalive-ms=", 15) == 0)
		limits->keepalive_usec = limits->keepalive_timeout_usec = number * 1000;
	else
		exit(2);
}

static void listen_on(struct jl__rpc_server *server, const char *address,
		      enum jl__rpc_entry entry)
{
	jl_error *err = NULL;
	uint16_t port;
	int fd;

	check(jl__rpc_listen_tcp(address, 0, &fd, &port, &err), err);
	check(jl__rpc_server_listen(server, fd, entry, &err), err);
	printf("%s %u\n", entry == JL__RPC_TLS ? "port" : "clear", port);
}

static void serve(struct jl__rpc_server *server, int signals)
{
	struct signalfd_siginfo info;
	struct pollfd fds[2] = { { jl__rpc_server_fd(server), POLLIN, 0 },
				 { signals, POLLIN, 0 } };

	while (!jl__rpc_server_drained(server)) {
		(void)poll(fds, 2, served_tick() ? 10 : -1);
		if (fds[1].revents && read(signals, &info, sizeof(info)) > 0) {
			jl_error *err = NULL;

			if (info.ssi_signo == SIGHUP && load(server, &err) < 0) {
				(void)fprintf(stderr, "echo: %s\n",
					      jl_error_message(err));
				jl_error_free(err);
			}
			if (info.ssi_signo == SIGTERM)
				jl__rpc_server_drain(server, 2000000);
			if (info.ssi_signo == SIGHUP) {
				printf("loaded\n");
				(void)fflush(stdout);
			}
		}
		if (jl__rpc_server_process(server) < 0)
			abort();
	}
}

int main(int argc, char **argv)
{
	struct jl__rpc_limits limits = { 0 };
	struct jl__rpc_server *server;
	const char *local = NULL;
	bool tls = false, clear = false;
	jl_error *err = NULL;
	sigset_t set;
	int fd;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--tls") == 0) {
			tls = true;
			for (int k = 0; k < 4 && i + 1 < argc && argv[i + 1][0] != '-';
			     k++)
				files[k] = argv[++i];
		} else if (strcmp(argv[i], "--unix") == 0 && i + 1 < argc) {
			local = argv[++i];
		} else if (strcmp(argv[i], "--clear") == 0) {
			clear = true;
		} else {
			set_number(&limits, argv[i]);
		}
	}
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	check(jl__rpc_server_new(served_methods, &limits, &served_hooks, &server, &err),
	      err);
	if (tls) {
		check(load(server, &err), err);
		listen_on(server, "127.0.0.1", JL__RPC_TLS);
	}
	if (clear)
		listen_on(server, "127.0.0.1", JL__RPC_CLEAR);
	if (local) {
		check(jl__rpc_listen_unix(local, 0660, (gid_t)-1, &fd, &err), err);
		check(jl__rpc_server_listen(server, fd, JL__RPC_LOCAL, &err), err);
		printf("unix %s\n", local);
	}
	(void)fflush(stdout);
	serve(server, signalfd(-1, &set, SFD_CLOEXEC));
	jl__rpc_server_free(server);
	return 0;
}
