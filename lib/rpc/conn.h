/* SPDX-License-Identifier: MIT */
/*
 * The inside of the server: what its files share. A connection belongs to the server, a
 * call to its connection. Nothing is freed while nghttp2 or a handler is on the stack:
 * connections are marked and closed by jl__rpc_server_process() at the end of its turn.
 */
#ifndef JL_RPC_CONN_H
#define JL_RPC_CONN_H

#include <nghttp2/nghttp2.h>

#include "base/buf.h"
#include "rpc/frame.h"
#include "rpc/io.h"
#include "rpc/rpc.h"
#include "rpc/text.h"
#include "rpc/timer.h"

/* Read and written for one connection before the others have their turn. */
#define JL__RPC_TURN_BYTES (1 << 20)
#define JL__RPC_READ_BYTES 65536
#define JL__RPC_WINDOW_STREAM 65535
#define JL__RPC_WINDOW_UPLOAD (1 << 20)
#define JL__RPC_WINDOW_CONNECTION (4 << 20)
/* Messages up to here are not counted: answers must come while uploads fill the budget.
 */
#define JL__RPC_SMALL 4096
/* Bytes that arrived before there was budget for their messages, of all calls. */
#define JL__RPC_EARLY_MAX (64u << 20)
#define JL__RPC_COMPONENTS 4

enum jl__rpc_state {
	JL__RPC_HANDSHAKING,
	JL__RPC_SNIFFING, /* clear: is this HTTP/2 or 1.1? */
	JL__RPC_SERVING,
	JL__RPC_FLUSHING,  /* what is in the buffer goes out, nothing is read any more */
	JL__RPC_LINGERING, /* until the peer has seen it: closing now could destroy it */
	JL__RPC_DEAD
};

struct jl__rpc_conn {
	struct jl__rpc_server *server;
	struct jl__rpc_conn *next, *prev; /* of the server */
	struct jl__rpc_conn *next_dirty;
	bool dirty;
	bool more; /* OpenSSL holds what can be read */
	enum jl__rpc_state state;
	uint32_t events; /* as epoll knows them */
	struct jl__rpc_io io;
	struct jl__rpc_out out;
	struct jl__rpc_timer timer;
	struct jl__rpc_peer peer;
	uint8_t origin[16]; /* address, for the cap: IPv6 by its /64 */
	uint8_t first[3];   /* bytes of a clear connection, until the protocol is known */
	size_t n_first;
	bool identified;
	uint64_t since_usec;	/* accepted */
	uint64_t received_usec; /* last byte */
	uint64_t idle_usec;	/* last call ended */
	uint64_t ping_usec;	/* sent and not answered; 0 = none */
	uint64_t header_usec;	/* HTTP/1.1: a request began; 0 = none */
	uint64_t close_usec;	/* flushing or lingering ends */
	uint64_t expire_usec;	/* the certificate ends */
	/* What costs us more than the peer, see jl__rpc_conn_spend(). */
	uint64_t credit, credit_usec;
	struct jl__rpc_call *calls;
	uint32_t n_calls;
	uint64_t held;	 /* of the upload budget, by its calls */
	uint64_t unsent; /* bytes of their answers */
	/* Requests that can begin, and its place among the connections that have some. */
	struct jl__rpc_call *ready, **ready_end;
	struct jl__rpc_conn *next_ready;
	bool in_line;
	nghttp2_session *h2;
	bool goaway; /* sent the final one */
	struct {
		struct jl__buf in;
		struct jl__rpc_call *call;
		bool close, old, chunked, headed;
	} h1;
	bool is_h1;
};

/* Where a waiting or active call stands with its body. */
enum jl__rpc_grant { JL__RPC_GRANT_NONE, JL__RPC_GRANT_WAITS, JL__RPC_GRANT_GIVEN };

struct jl__rpc_call {
	struct jl__rpc_conn *conn;
	struct jl__rpc_call *next, *prev; /* of the connection */
	struct jl__rpc_call *next_wait, *prev_wait;
	struct jl__rpc_call *next_ready;
	const struct jl__rpc_method *method; /* NULL: none of the table */
	void *data;
	int32_t id; /* of the stream; 0 on HTTP/1.1 */
	struct jl__rpc_timer timer;
	uint64_t deadline_usec;
	uint64_t granted_usec; /* the message got its room */
	uint64_t body_usec;    /* last byte of the body, or wait for it began */

	/* Request. */
	bool grpc, post, bad_method;
	bool headed;	/* its headers are complete */
	bool refused;	/* answered already: the body is thrown away */
	bool started;	/* a handler knows of it and will hear closed() */
	bool peer_done; /* END_STREAM came */
	bool paused, ready, in_part;
	bool typed, encoded;
	char *path; /* with the query */
	size_t path_len;
	size_t header_bytes;
	struct jl__rpc_span spans[JL__RPC_COMPONENTS];
	char *components[JL__RPC_COMPONENTS];
	char *query, *last_event_id, *accept, *none_match;
	uint64_t timeout_usec;
	struct jl__rpc_frame frame;
	uint8_t *message;
	size_t have; /* of the message */
	size_t kept; /* bytes of messages the handler took over */
	bool whole;  /* the one message of a unary call is complete */
	enum jl__rpc_grant grant;
	size_t granted; /* of the budget */
	struct jl__buf early;

	/* Reply. */
	struct jl__rpc_out out;
	struct jl__rpc_source source;
	bool has_source, source_ended;
	bool submitted; /* headers are on their way */
	bool deferred, woken;
	bool finished, sent_end, was_reset;
	bool reading;	 /* the source is being asked */
	bool error_body; /* what goes out is the failure itself */
	int code;
	char *text;
	unsigned status;
	const char *type;
	char type_text[64];
};

struct jl__rpc_listener {
	struct jl__rpc_listener *next;
	struct jl__rpc_server *server;
	int fd;
	enum jl__rpc_entry entry;
};

struct jl__rpc_server {
	const struct jl__rpc_method *methods;
	const struct jl__rpc_method **sorted; /* those with exact paths */
	size_t n_sorted;
	struct jl__rpc_limits limits;
	struct jl__rpc_hooks hooks;
	SSL_CTX *tls;
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	int epoll_fd, timer_fd, event_fd, spare_fd;
	bool kicked, processing, draining, final;
	bool resting; /* no descriptors left: not accepting for a moment */
	uint64_t drain_usec;
	uint64_t armed_usec;
	struct jl__rpc_timers timers;
	struct jl__rpc_timer rest, drain;
	struct jl__rpc_listener *listeners;
	struct jl__rpc_conn *conns, *dirty, **dirty_end;
	struct jl__rpc_call *waiting, *waiting_end;
	bool granting;
	struct jl__rpc_conn *ready, **ready_end;
	bool eager; /* some of them can go on */
	uint64_t unsent;
	uint64_t early_bytes;
	uint64_t told_usec;
	unsigned told;
	uint32_t n_timers;
	struct jl__rpc_counts counts;
	uint8_t buffer[JL__RPC_READ_BYTES];
};

/* ---- server.c ---- */

/* Looks at this connection again at the end of the turn. */
void jl__rpc_conn_dirty(struct jl__rpc_conn *conn);
void jl__rpc_server_kick(struct jl__rpc_server *server);
void jl__rpc_server_tell(struct jl__rpc_server *server, const char *address,
			 const char *reason);

/* ---- accept.c ---- */

void jl__rpc_accept(struct jl__rpc_listener *listener);
void jl__rpc_listeners_close(struct jl__rpc_server *server);
void jl__rpc_listeners_rest(struct jl__rpc_server *server, bool rest);

/* ---- conn.c ---- */

int jl__rpc_conn_new(struct jl__rpc_server *server, int fd, enum jl__rpc_entry entry,
		     const struct jl__rpc_peer *peer, const uint8_t origin[16]);
void jl__rpc_conn_event(struct jl__rpc_conn *conn, uint32_t events);
/* The end of the turn: reads on, writes, closes. */
void jl__rpc_conn_settle(struct jl__rpc_conn *conn);
void jl__rpc_conn_free(struct jl__rpc_conn *conn);
/* Marks it for closing; reason NULL: nobody needs to know. What is in out still goes out.
 */
void jl__rpc_conn_drop(struct jl__rpc_conn *conn, const char *reason);
/* The same at once: nothing more is said. */
void jl__rpc_conn_cut(struct jl__rpc_conn *conn, const char *reason);
/* Takes from what a peer may cost; drops the connection when there is nothing left. */
bool jl__rpc_conn_spend(struct jl__rpc_conn *conn, unsigned cost);
/* Sets its timer anew. */
void jl__rpc_conn_arm(struct jl__rpc_conn *conn);
/* The server goes away: says so, or with server->final says it for good. */
void jl__rpc_conn_drain(struct jl__rpc_conn *conn);
/* A call is gone. */
void jl__rpc_conn_rested(struct jl__rpc_conn *conn);

/* ---- h2.c, h1.c ---- */

int jl__rpc_h2_callbacks(struct jl__rpc_server *server);
int jl__rpc_h2_start(struct jl__rpc_conn *conn);
/* Feeds what was read. 0 or a failure after which the connection is of no use. */
int jl__rpc_h2_feed(struct jl__rpc_conn *conn, const uint8_t *data, size_t len);
/* Fills conn->out up to JL__RPC_OUT_FULL. 0 or -errno. */
int jl__rpc_h2_fill(struct jl__rpc_conn *conn);
void jl__rpc_h2_submit(struct jl__rpc_call *call);
void jl__rpc_h2_resume(struct jl__rpc_call *call);
void jl__rpc_h2_reset(struct jl__rpc_call *call, uint32_t code);
bool jl__rpc_h2_blocked(const struct jl__rpc_call *call);
/* Gives the peer room for as many bytes of the body as were used. */
void jl__rpc_h2_used(struct jl__rpc_call *call, size_t len);
void jl__rpc_h2_widen(struct jl__rpc_call *call);

int jl__rpc_h1_feed(struct jl__rpc_conn *conn, const uint8_t *data, size_t len);
int jl__rpc_h1_fill(struct jl__rpc_conn *conn);

/* ---- request.c ---- */

struct jl__rpc_call *jl__rpc_call_new(struct jl__rpc_conn *conn, int32_t id);
/* Tells the handler and frees it. */
void jl__rpc_call_close(struct jl__rpc_call *call);
/* One header; names of HTTP/2's kind, lower case. */
void jl__rpc_call_take_header(struct jl__rpc_call *call, const char *name,
			      size_t name_len, const char *value, size_t len);
/* All headers are there: who may, what is asked, by when. */
void jl__rpc_call_open(struct jl__rpc_call *call);
/* Bytes of the body, and its end. */
void jl__rpc_call_body(struct jl__rpc_call *call, const uint8_t *data, size_t len);
void jl__rpc_call_body_end(struct jl__rpc_call *call);
void jl__rpc_call_arm(struct jl__rpc_call *call);
/* Answered; the peer gets a while for the rest of its request. */
void jl__rpc_call_expect_end(struct jl__rpc_call *call);

/* Its turn has come: hands it to its handler, unless it is over by now. */
void jl__rpc_call_begin(struct jl__rpc_call *call);

/* ---- turn.c ---- */

/* A request is complete: it begins when its turn comes. */
void jl__rpc_turn_wait(struct jl__rpc_call *call);
/* It does not, or its connection is gone. */
void jl__rpc_turn_leave(struct jl__rpc_call *call);
void jl__rpc_turn_forget(struct jl__rpc_conn *conn);
/* Begins what can be begun in one turn. */
void jl__rpc_turn_run(struct jl__rpc_server *server);
/* So many bytes more (or less) wait for the peer to take them. */
void jl__rpc_turn_unsent(struct jl__rpc_conn *conn, int64_t more);

/* ---- budget.c ---- */

/* Whether two peers are one, for what is shared. */
bool jl__rpc_same_caller(const struct jl__rpc_peer *a, const struct jl__rpc_peer *b);

/* Asks for room for a message; false: the call is in the queue. */
bool jl__rpc_budget_take(struct jl__rpc_call *call, size_t len);
void jl__rpc_budget_give(struct jl__rpc_call *call);
void jl__rpc_budget_leave(struct jl__rpc_call *call);
/* Goes on with a call that got its room. */
void jl__rpc_call_granted(struct jl__rpc_call *call);

/* ---- call.c ---- */

/*
 * Fills a piece of the body of a reply: its length, 0 with *ret_end at the end, or
 * -EAGAIN. -ECANCELED: the call was broken off.
 */
ssize_t jl__rpc_call_fill(struct jl__rpc_call *call, uint8_t *to, size_t size,
			  bool *ret_end);
/* Throws away what of the reply is not on its way. */
void jl__rpc_call_unsay(struct jl__rpc_call *call);
/* Ends a call whatever it was doing: what is not on its way is dropped. */
void jl__rpc_call_abort(struct jl__rpc_call *call, int code, const char *text);

#endif
