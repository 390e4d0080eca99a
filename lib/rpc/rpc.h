/* SPDX-License-Identifier: MIT */
/*
 * gRPC, and plain HTTP GET beside it, for one event loop. Owns sockets, TLS, HTTP/2 and
 * HTTP/1.1, message framing, deadlines, flow control and caps; knows nothing of jobs.
 * Creates no files and no threads. Called by the daemon (this header) and rnx (client.h);
 * not part of libjoblet.
 *
 * One thread. The caller polls jl__rpc_server_fd() and calls jl__rpc_server_process();
 * handlers are called from there. Nothing here waits.
 *
 * How a request goes: headers arrive → method and role are checked, before any of the
 * body is read → the body is received, bounded by the method's limit and one budget for
 * all → handler → reply: jl__rpc_call_send() any number of times or a source that is
 * asked whenever the peer has room → jl__rpc_call_finish() → closed() once, whatever
 * happened.
 */
#ifndef JL_RPC_RPC_H
#define JL_RPC_RPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <joblet/error.h>

/* Outcome of a call: the numbers of gRPC. */
enum jl__rpc_code {
	JL__RPC_OK = 0,
	JL__RPC_CANCELLED = 1,
	JL__RPC_UNKNOWN = 2,
	JL__RPC_INVALID_ARGUMENT = 3,
	JL__RPC_DEADLINE_EXCEEDED = 4,
	JL__RPC_NOT_FOUND = 5,
	JL__RPC_ALREADY_EXISTS = 6,
	JL__RPC_PERMISSION_DENIED = 7,
	JL__RPC_RESOURCE_EXHAUSTED = 8,
	JL__RPC_FAILED_PRECONDITION = 9,
	JL__RPC_ABORTED = 10,
	JL__RPC_OUT_OF_RANGE = 11,
	JL__RPC_UNIMPLEMENTED = 12,
	JL__RPC_INTERNAL = 13,
	JL__RPC_UNAVAILABLE = 14,
	JL__RPC_DATA_LOSS = 15,
	JL__RPC_UNAUTHENTICATED = 16
};

/* "NOT_FOUND"; "UNKNOWN" for numbers there are not. */
const char *jl__rpc_code_name(int code);

struct jl__rpc_server;
struct jl__rpc_call;

/* ---- who calls ---- */

#define JL__RPC_UNITS_MAX 8
#define JL__RPC_GROUPS_MAX 64

/* The other side of a connection. Texts are UTF-8, made showable. */
struct jl__rpc_peer {
	char address[64]; /* "192.0.2.1:4711", "[2001:db8::1]:4711", "local:uid=0,pid=7"
			   */
	/* By certificate. */
	bool certified;
	char common_name[128];
	char serial[48];      /* hexadecimal, without colons */
	char fingerprint[65]; /* SHA-256 of the certificate, hexadecimal */
	unsigned n_units;     /* values of OU, in their order */
	char units[JL__RPC_UNITS_MAX][64];
	int64_t not_after_usec; /* end of the certificate, µs since 1970 */
	/* By socket, as SO_PEERCRED says. */
	bool local;
	uid_t uid;
	gid_t gid;
	pid_t pid;
	unsigned n_groups; /* all groups of that process */
	gid_t groups[JL__RPC_GROUPS_MAX];
	/* Written by the server's identify(). */
	uint32_t roles;	  /* bits of the roles it has; 0 = may do nothing */
	const char *role; /* for messages; static */
	void *data;	  /* the caller's, untouched here */
};

/* ---- what is served ---- */

enum jl__rpc_kind {
	JL__RPC_UNARY,	/* one message in, one out */
	JL__RPC_STREAM, /* one message in, any number out */
	JL__RPC_UPLOAD, /* any number in, one out */
	JL__RPC_GET	/* plain HTTP GET, over HTTP/2 and HTTP/1.1 */
};

/*
 * What a method does. Every function gets the call; jl__rpc_call_data() is the handler's.
 * Each may finish the call, and may leave that for later.
 */
struct jl__rpc_handler {
	/*
	 * The whole message of a JL__RPC_UNARY or JL__RPC_STREAM call, or (data NULL) a
	 * JL__RPC_GET. Borrowed: gone when this returns, unless kept with
	 * jl__rpc_call_keep_request(). Never called for a call that was cancelled or is
	 * overdue. Connections take turns; a handler that takes long delays all others.
	 */
	void (*request)(struct jl__rpc_call *call, const uint8_t *data, size_t len);
	/* JL__RPC_UPLOAD: before the first message; may be NULL. */
	void (*opened)(struct jl__rpc_call *call);
	/*
	 * JL__RPC_UPLOAD: one message, borrowed as above. After jl__rpc_call_pause() no
	 * further one comes, and the peer is held back, until jl__rpc_call_resume().
	 */
	void (*part)(struct jl__rpc_call *call, const uint8_t *data, size_t len);
	/* JL__RPC_UPLOAD: the peer has sent everything. */
	void (*parts_end)(struct jl__rpc_call *call);
	/*
	 * The call is over: finished and sent, cancelled by the peer, overdue, or its
	 * connection is gone. Exactly once for each call of which another function here
	 * was called; the call is invalid afterwards. May be NULL.
	 */
	void (*closed)(struct jl__rpc_call *call);
};

struct jl__rpc_method {
	/*
	 * "/joblet.JobService/RunJob". Of JL__RPC_GET a path in which a component "*"
	 * stands for any one component: "/v1/jobs/" "*" "/log".
	 */
	const char *path;
	const char *operation; /* for the refusal; NULL = the last component of path */
	uint32_t roles;	       /* a peer needs one of these bits */
	enum jl__rpc_kind kind;
	size_t request_max;		       /* bytes of one message; 0 = 4 MiB */
	const struct jl__rpc_handler *handler; /* NULL: answers UNIMPLEMENTED, after
						  the check of the role */
	const void *data;		       /* for jl__rpc_call_method()->data */
};

/* ---- server ---- */

/* Counts and times; 0 is the default beside it. */
struct jl__rpc_limits {
	uint32_t connections;	      /* 512 at once */
	uint32_t connections_of_peer; /* 128 of one address, or of one local user but root
				       */
	uint32_t streams;	      /* 128 calls at once on a connection */
	size_t header_bytes;	      /* 16 KiB of request headers */
	size_t reply_max;	 /* 4 MiB - 1 KiB: what clients accept as one message */
	size_t upload_budget;	 /* 512 MiB of requests being received, of all calls */
	uint64_t handshake_usec; /* 10 s for TLS, and for the first request's headers */
	uint64_t stall_usec;	 /* 30 s without a byte of a body that is wanted */
	uint64_t idle_usec;	 /* 0 = never: a connection without calls is closed */
	uint64_t keepalive_usec; /* 30 s of silence, then a PING */
	uint64_t keepalive_timeout_usec; /* 20 s for its answer */
};

/* What the server tells. All may be NULL; data is handed to each. */
struct jl__rpc_hooks {
	/* A connection is there and proven: write peer->roles, role, data. */
	void (*identify)(void *data, struct jl__rpc_peer *peer);
	/* It is gone; after all its calls are closed. */
	void (*forget)(void *data, struct jl__rpc_peer *peer);
	/* A call was refused for its role; method NULL for none of the table. */
	void (*refused)(void *data, const struct jl__rpc_peer *peer,
			const struct jl__rpc_method *method);
	/* A connection was refused or dropped, in one sentence; at most 50 a second. */
	void (*dropped)(void *data, const char *address, const char *reason);
	/*
	 * What to answer for a path that is not in the table: a sentence for
	 * UNIMPLEMENTED, static; NULL = the usual one.
	 */
	const char *(*unknown)(void *data, const char *path);
	void *data;
};

/*
 * methods is borrowed and ends with one whose path is NULL. limits may be NULL.
 * Returns 0, -EINVAL for a bad table, -ENOMEM, -EMFILE.
 */
int jl__rpc_server_new(const struct jl__rpc_method *methods,
		       const struct jl__rpc_limits *limits,
		       const struct jl__rpc_hooks *hooks,
		       struct jl__rpc_server **ret_server, jl_error **err);
/* Closes everything at once; every call gets its closed(). */
void jl__rpc_server_free(struct jl__rpc_server *server);

/* Certificates as PEM text. */
struct jl__rpc_tls {
	const char *cert; /* ours, and any between it and the CA */
	const char *key;
	const char *ca;	 /* whose certificates are accepted */
	const char *crl; /* revocation list of that CA; NULL for none */
};

/*
 * Sets or replaces the certificates. Connections that are open go on, but for those whose
 * certificate the new list revokes: they are closed at once. On failure everything stays
 * as it was. -EINVAL with what is wrong with which of them.
 */
int jl__rpc_server_set_tls(struct jl__rpc_server *server, const struct jl__rpc_tls *tls,
			   jl_error **err);

/*
 * Asks identify() again about everybody who is there: who may do what has changed. Whose
 * roles are all gone is dropped; other calls that have begun go on.
 */
void jl__rpc_server_identify(struct jl__rpc_server *server);

/* Who may come in through a listening socket. */
enum jl__rpc_entry {
	JL__RPC_TLS,   /* client certificate; HTTP/2 or HTTP/1.1 by ALPN */
	JL__RPC_LOCAL, /* unix socket: the user is who it is; HTTP/2 or HTTP/1.1, clear */
	JL__RPC_CLEAR  /* no proof, no secrecy: for tests and 127.0.0.1 */
};

/*
 * Serves a listening stream socket, of which the server becomes the owner even when this
 * fails. JL__RPC_TLS needs jl__rpc_server_set_tls() first (-EINVAL).
 */
int jl__rpc_server_listen(struct jl__rpc_server *server, int fd, enum jl__rpc_entry entry,
			  jl_error **err);

/* Polls readable when jl__rpc_server_process() has something to do. */
int jl__rpc_server_fd(const struct jl__rpc_server *server);
/*
 * Does what there is to do, with a bounded share for each connection. To be called when
 * the descriptor is readable, and best also once after anything else the loop did with
 * calls. 0 or -errno of the event loop itself, which no peer can cause.
 */
int jl__rpc_server_process(struct jl__rpc_server *server);

/*
 * Stops accepting and tells every peer so; calls may finish for grace_usec, then the rest
 * is ended with UNAVAILABLE. jl__rpc_server_drained() says when nothing is open any more.
 * Again with less time, it is over earlier.
 */
void jl__rpc_server_drain(struct jl__rpc_server *server, uint64_t grace_usec);
bool jl__rpc_server_drained(const struct jl__rpc_server *server);

struct jl__rpc_counts {
	uint32_t connections;
	uint32_t calls;
	uint64_t upload_bytes; /* of the budget, in use */
	uint64_t accepted;     /* connections since the start */
	uint64_t dropped;      /* connections refused or dropped */
	uint64_t started;      /* calls since the start */
};
void jl__rpc_server_counts(const struct jl__rpc_server *server,
			   struct jl__rpc_counts *ret_counts);

/*
 * Listening sockets. Address: "0.0.0.0", "::", "127.0.0.1", a name; "[::]" works too. An
 * IPv6 socket does not take IPv4. port 0 = any; *ret_port may be NULL.
 */
int jl__rpc_listen_tcp(const char *address, uint16_t port, int *ret_fd,
		       uint16_t *ret_port, jl_error **err);
/*
 * Replaces a socket that is there and that nobody listens on; -EADDRINUSE when somebody
 * does. mode is set before anybody can connect; gid (gid_t)-1 = as it comes.
 */
int jl__rpc_listen_unix(const char *path, mode_t mode, gid_t gid, int *ret_fd,
			jl_error **err);

/* ---- calls ---- */

const struct jl__rpc_peer *jl__rpc_call_peer(const struct jl__rpc_call *call);
const struct jl__rpc_method *jl__rpc_call_method(const struct jl__rpc_call *call);
struct jl__rpc_server *jl__rpc_call_server(const struct jl__rpc_call *call);
void jl__rpc_call_set_data(struct jl__rpc_call *call, void *data);
void *jl__rpc_call_data(const struct jl__rpc_call *call);
/* Until the caller's deadline, µs; UINT64_MAX when it has none. */
uint64_t jl__rpc_call_left_usec(const struct jl__rpc_call *call);

/* Whether it was ended: nobody hears what is said or done for it any more. */
bool jl__rpc_call_is_over(const struct jl__rpc_call *call);

/*
 * Takes the message handed to request() or part() over: it stays until
 * jl__rpc_message_free() and counts against the budget until the call is closed. NULL
 * when there is none.
 */
uint8_t *jl__rpc_call_keep_request(struct jl__rpc_call *call);
void jl__rpc_message_free(uint8_t *message);

/* Holds an upload back, and lets it go on. */
void jl__rpc_call_pause(struct jl__rpc_call *call);
void jl__rpc_call_resume(struct jl__rpc_call *call);

/*
 * One message (JL__RPC_GET: bytes of the body), copied. 0; -EMSGSIZE above
 * limits.reply_max, and nothing was sent; -EPIPE when the call is finished; -ENOMEM.
 * Meant for single answers: what a stream sends comes from a source.
 */
int jl__rpc_call_send(struct jl__rpc_call *call, const void *data, size_t len);

/*
 * Where a stream comes from. read() is asked whenever the peer has room and the socket
 * takes more, for one message (JL__RPC_GET: any piece of the body) of at most size bytes,
 * size >= room. It returns its length; 0 at the end of the stream; -EAGAIN when there is
 * nothing now: jl__rpc_call_wake() then asks again. Another failure ends the call with
 * INTERNAL. What jl__rpc_call_finish() said before the 0 is the status, else OK.
 */
struct jl__rpc_source {
	ssize_t (*read)(struct jl__rpc_call *call, void *data, uint8_t *to, size_t size);
	void *data;
	size_t room; /* 0 = 16 KiB; at most 1 MiB */
};
/* Instead of jl__rpc_call_send(); once. -EPIPE as above, -EBUSY when there is one. */
int jl__rpc_call_stream(struct jl__rpc_call *call, const struct jl__rpc_source *source);
/* Cheap, any number of times; also from outside the server's own callbacks. */
void jl__rpc_call_wake(struct jl__rpc_call *call);

/*
 * Ends the call: what was sent goes out first, a source is not asked again. text may be
 * NULL; it is cut at 1 KiB and made showable. Only the first one counts.
 */
void jl__rpc_call_finish(struct jl__rpc_call *call, int code, const char *text);
void jl__rpc_call_finishf(struct jl__rpc_call *call, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* JL__RPC_GET only. */

/* The component that stands at the index-th "*", decoded; "" when there is none. */
const char *jl__rpc_call_component(const struct jl__rpc_call *call, unsigned index);
/* Behind the "?", as it came; "" when there is none. */
const char *jl__rpc_call_query(const struct jl__rpc_call *call);
/* "last-event-id", "accept" or "if-none-match"; "" when not sent. */
const char *jl__rpc_call_header(const struct jl__rpc_call *call, const char *name);
/*
 * Before the first byte of the body; else 200 and "text/plain; charset=utf-8". A
 * jl__rpc_call_finish() with a code other than OK before any of the body answers with the
 * HTTP status of that code and the text as {"error":"…"}.
 */
int jl__rpc_call_respond(struct jl__rpc_call *call, unsigned status, const char *type);

#endif
