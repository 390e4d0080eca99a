/* SPDX-License-Identifier: MIT */
/*
 * What the services of a running daemon share: the node, the server, the loop, who may do
 * what. One object a process, found from every call.
 */
#ifndef DAEMON_SERVING_H
#define DAEMON_SERVING_H

#include <joblet/node.h>

#include "config/server.h"
#include "journal.h"
#include "later.h"
#include "loop.h"
#include "roles.h"
#include "rpc/rpc.h"

struct waiter;
struct sse;

struct serving {
	char *config_path; /* "" = built-in */
	struct jl__server_config *config;
	struct journal *journal;
	struct loop *loop;
	jl_ctx *ctx;
	jl_node *node;
	struct jl__rpc_server *server;
	struct jl__rpc_method *methods;
	struct local_roles local;
	char socket[108]; /* path of the one for local users; "" when it is not ours */

	struct watch node_watch, server_watch, signal_watch;
	struct timer watchdog;
	uint64_t watchdog_usec; /* 0: none */
	bool local_only, draining;
	bool node_waits; /* looking at the node failed, or was never done: again */
	struct timer node_retry;
	char node_error[256]; /* why it failed, as it was logged last; "" when it did not
			       */

	struct waiter *waiters; /* calls that wait for the end of a job */
	struct sse *sses;	/* streams that want a sign of life now and then */
	struct timer heartbeat;
	struct later *laters; /* work that goes on in later turns */
	struct timer later_timer;
	uint64_t slice_end;	      /* of such work in this turn; 0: none has begun */
	uint64_t cpu_busy, cpu_total; /* of the last look at /proc/stat */
};

struct serving *serving_of(const struct jl__rpc_call *call);

/* Name of who calls, for the record: "alice", or "alice@local" for a local user. */
const char *caller_name(const struct jl__rpc_peer *peer);

/*
 * Ends a call that changes something, with a line in the audit. target and detail may be
 * NULL. Each to be called once a call, in place of jl__rpc_call_finish().
 */
void finish_change(struct jl__rpc_call *call, const char *target, const char *detail,
		   int code, const char *text);
/* Of a look-up by id: several jobs fit it, which is no name that is taken. */
int id_error(int r);
/* Ends a call with what an error of the library means. err is released. */
void finish_error(struct jl__rpc_call *call, int r, jl_error *err);
void finish_change_error(struct jl__rpc_call *call, const char *target,
			 const char *detail, int r, jl_error *err);

/* Sends a protobuf-c message and ends the call with OK; target as above for changes. */
struct ProtobufCMessage;
bool send_message(struct jl__rpc_call *call, const struct ProtobufCMessage *message);
void finish_reply(struct jl__rpc_call *call, const struct ProtobufCMessage *message);

#endif
