/* SPDX-License-Identifier: MIT */
/*
 * For the tests of lib/rpc: certificates made on the spot, the test server in a process
 * of its own, raw connections to it.
 */
#ifndef RPC_HARNESS_H
#define RPC_HARNESS_H

#include <check.h>
#include <sys/types.h>

#include "rpc/client.h"
#include "served.h"

/* For what must happen: only a failure takes so long, however busy the machine is. */
#define PATIENCE_MS 30000
#define PATIENCE (PATIENCE_MS * UINT64_C(1000))

/* ---- certificates, as PEM; made once ---- */

struct pem {
	char *cert, *key;
};

struct authority {
	struct pem ca, other_ca;
	struct pem server;		  /* localhost, 127.0.0.1, ::1, joblet */
	struct pem wrong_name;		  /* elsewhere.example */
	struct pem old_server;		  /* ended yesterday */
	struct pem foreign_server;	  /* of the other CA */
	struct pem admin, viewer, nobody; /* by their OU */
	struct pem expired;		  /* OU admin, ended yesterday */
	struct pem revoked;		  /* OU admin, on the list */
	struct pem foreign;		  /* OU admin, of the other CA */
	struct pem tricky;		  /* OU "admin\\0x" and a second OU "viewer" */
	char *crl, *no_crl, *other_crl;
};
const struct authority *authority(void);
/* OU admin, ends two seconds after this was asked for first. */
const struct pem *authority_brief(void);

/* ---- the server ---- */

struct running {
	pid_t pid;
	uint16_t port, clear; /* TLS, clear */
	char local[108];      /* unix socket */
	/* Write 'h': other certificates; 'r': with the list; 'b': of both authorities;
	   't': drain. */
	int control;
};

/* With these limits (NULL = the usual ones) and this certificate (NULL = authority's). */
void server_start(struct running *running, const struct jl__rpc_limits *limits,
		  const struct pem *cert);
void server_control(const struct running *running, char what);
/* Ends it; fails the test when it ended by itself or badly. */
void server_stop(struct running *running);
/* A number of the method Counts, asked over a connection of its own. */
uint64_t server_count(const struct running *running, const char *name);
/* Waits until a number of Counts is this. */
void server_await(const struct running *running, const char *name, uint64_t value);
/* Resident memory, bytes. */
uint64_t server_resident(const struct running *running);

/* ---- clients ---- */

struct jl__rpc_client *client_of(const struct running *running, const struct pem *who);
struct jl__rpc_client *client_clear(const struct running *running);
/* A call with one message; the status code. text may be NULL, else 1024 bytes. */
int call(struct jl__rpc_client *client, const char *path, const void *data, size_t len,
	 uint64_t timeout_usec, char *text);
/* A Count message; the length. */
size_t count_message(uint8_t to[64], uint64_t count, uint32_t size, uint32_t pause_ms,
		     int code);

/* ---- raw bytes ---- */

int raw_connect(uint16_t port);
void raw_write(int fd, const void *data, size_t len);
/* Between these, what is written is kept and goes out in one piece. */
void raw_hold(void);
void raw_release(int fd);
/* Preface and empty SETTINGS. */
void raw_begin(int fd);
void raw_frame(int fd, uint8_t type, uint8_t flags, uint32_t id, const void *data,
	       size_t len);
/* HEADERS of a gRPC request for a path. */
void raw_request(int fd, uint32_t id, const char *path);
/* Reads until the peer closes; false when that takes longer. */
bool raw_closed(int fd, int timeout_ms);
/* Reads frames until the next GOAWAY or the end: false at the end. */
struct raw_goaway {
	uint32_t last, code;
};
bool raw_goaway(int fd, struct raw_goaway *ret);

#endif
