/* SPDX-License-Identifier: MIT */
/*
 * Whose request is begun next. Requests that are complete stand in line, one line a
 * connection; connections take turns, and a turn of the server ends after a while
 * whatever still stands there: a hundred lists for one peer hold nobody up. Whose answers
 * are not taken gets no further ones made: they would only fill the memory.
 */
#include "rpc/conn.h"

/* Given to handlers in one turn of the server; the last one may take longer. */
#define TURN_USEC 10000
/* Of answers that wait for their peers: on a connection; of all, before callers are
 * looked at; of one caller from then on. */
#define UNSENT_CONN (1u << 20)
#define UNSENT_FREE (64u << 20)
#define UNSENT_CALLER (32u << 20)

static void push(struct jl__rpc_conn *conn)
{
	struct jl__rpc_server *server = conn->server;

	conn->next_ready = NULL;
	*server->ready_end = conn;
	server->ready_end = &conn->next_ready;
	conn->in_line = true;
}

static struct jl__rpc_conn *pop(struct jl__rpc_server *server)
{
	struct jl__rpc_conn *conn = server->ready;

	server->ready = conn->next_ready;
	if (!server->ready)
		server->ready_end = &server->ready;
	conn->in_line = false;
	return conn;
}

void jl__rpc_turn_wait(struct jl__rpc_call *call)
{
	struct jl__rpc_conn *conn = call->conn;

	call->next_ready = NULL;
	*conn->ready_end = call;
	conn->ready_end = &call->next_ready;
	if (!conn->in_line)
		push(conn);
	conn->server->eager = true;
	jl__rpc_server_kick(conn->server);
}

void jl__rpc_turn_leave(struct jl__rpc_call *call)
{
	struct jl__rpc_conn *conn = call->conn;
	struct jl__rpc_call **link = &conn->ready;

	while (*link && *link != call)
		link = &(*link)->next_ready;
	if (!*link)
		return;
	*link = call->next_ready;
	if (!*link)
		conn->ready_end = link;
}

void jl__rpc_turn_forget(struct jl__rpc_conn *conn)
{
	struct jl__rpc_server *server = conn->server;
	struct jl__rpc_conn **link = &server->ready;

	if (!conn->in_line)
		return;
	while (*link != conn)
		link = &(*link)->next_ready;
	*link = conn->next_ready;
	if (!*link)
		server->ready_end = link;
	conn->in_line = false;
}

void jl__rpc_turn_unsent(struct jl__rpc_conn *conn, int64_t more)
{
	struct jl__rpc_server *server = conn->server;

	/* Who was held back may go on now. */
	if (more < 0 && (conn->in_line || server->unsent >= UNSENT_FREE))
		server->eager = true;
	conn->unsent += (uint64_t)more;
	server->unsent += (uint64_t)more;
}

static bool takes_its_answers(const struct jl__rpc_conn *conn)
{
	const struct jl__rpc_server *server = conn->server;
	uint64_t unsent = 0;

	if (conn->unsent >= UNSENT_CONN)
		return false;
	if (server->unsent < UNSENT_FREE)
		return true;
	for (const struct jl__rpc_conn *one = server->conns; one; one = one->next)
		if (one == conn || jl__rpc_same_caller(&one->peer, &conn->peer))
			unsent += one->unsent;
	return unsent < UNSENT_CALLER;
}

void jl__rpc_turn_run(struct jl__rpc_server *server)
{
	uint64_t end = jl__rpc_after(jl__rpc_now_usec(), TURN_USEC);
	const struct jl__rpc_conn *held_back = NULL;

	server->eager = false;
	while (server->ready) {
		struct jl__rpc_conn *conn = pop(server);
		struct jl__rpc_call *call = conn->ready;

		if (!call)
			continue;
		if (!takes_its_answers(conn)) {
			push(conn);
			/* Once around, and nobody could. */
			if (conn == held_back)
				return;
			if (!held_back)
				held_back = conn;
			continue;
		}
		held_back = NULL;
		jl__rpc_turn_leave(call);
		if (conn->ready)
			push(conn);
		jl__rpc_call_begin(call);
		if (jl__rpc_now_usec() >= end) {
			server->eager = server->ready != NULL;
			return;
		}
	}
}
