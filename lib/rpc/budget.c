/* SPDX-License-Identifier: MIT */
/*
 * Room for requests that are being received. A message is counted with its whole length
 * before the first byte of it is stored, so that what was begun can be completed; what
 * does not fit waits in line, held back by its stream's window.
 */
#include <string.h>

#include "rpc/conn.h"

bool jl__rpc_same_caller(const struct jl__rpc_peer *a, const struct jl__rpc_peer *b)
{
	if (a->certified != b->certified || a->local != b->local)
		return false;
	if (a->certified)
		return strcmp(a->fingerprint, b->fingerprint) == 0;
	return a->local && a->uid == b->uid;
}

/* What all connections of one caller hold. */
static uint64_t held_by(const struct jl__rpc_conn *conn)
{
	uint64_t held = 0;

	for (const struct jl__rpc_conn *one = conn->server->conns; one; one = one->next)
		if (one == conn || jl__rpc_same_caller(&one->peer, &conn->peer))
			held += one->held;
	return held;
}

/* Half of it is for one caller, and one message fits in any case. */
static bool fits(const struct jl__rpc_call *call, size_t len)
{
	const struct jl__rpc_server *server = call->conn->server;
	uint64_t budget = server->limits.upload_budget, held;

	if (server->counts.upload_bytes == 0)
		return true;
	if (server->counts.upload_bytes + len > budget)
		return false;
	held = held_by(call->conn);
	return held == 0 || held + len <= budget / 2;
}

static void give(struct jl__rpc_call *call, size_t len)
{
	call->granted = len;
	call->conn->held += len;
	call->conn->server->counts.upload_bytes += len;
}

bool jl__rpc_budget_take(struct jl__rpc_call *call, size_t len)
{
	struct jl__rpc_server *server = call->conn->server;

	if (len <= JL__RPC_SMALL)
		return true;
	if (!server->waiting && fits(call, len)) {
		give(call, len);
		return true;
	}
	call->grant = JL__RPC_GRANT_WAITS;
	call->prev_wait = server->waiting_end;
	call->next_wait = NULL;
	if (server->waiting_end)
		server->waiting_end->next_wait = call;
	else
		server->waiting = call;
	server->waiting_end = call;
	return false;
}

static void unlink_waiting(struct jl__rpc_call *call)
{
	struct jl__rpc_server *server = call->conn->server;

	call->grant = JL__RPC_GRANT_NONE;
	if (call->prev_wait)
		call->prev_wait->next_wait = call->next_wait;
	else
		server->waiting = call->next_wait;
	if (call->next_wait)
		call->next_wait->prev_wait = call->prev_wait;
	else
		server->waiting_end = call->prev_wait;
}

/* First come, first served, but for those whose own caller holds too much. */
static struct jl__rpc_call *next_in_line(struct jl__rpc_server *server)
{
	struct jl__rpc_call *call;

	for (call = server->waiting; call; call = call->next_wait) {
		if (call->conn->state != JL__RPC_SERVING)
			continue; /* about to be closed */
		if (fits(call, call->frame.length))
			return call;
		if (server->counts.upload_bytes + call->frame.length >
		    server->limits.upload_budget)
			return NULL;
	}
	return NULL;
}

/* Room was given back, or who stood in front of others went away. */
static void grant(struct jl__rpc_server *server)
{
	struct jl__rpc_call *next;

	/* One that is complete at once gives its room back from inside this loop. */
	if (server->granting)
		return;
	server->granting = true;
	while ((next = next_in_line(server))) {
		unlink_waiting(next);
		give(next, next->frame.length);
		jl__rpc_conn_dirty(next->conn);
		jl__rpc_call_granted(next);
	}
	server->granting = false;
}

void jl__rpc_budget_leave(struct jl__rpc_call *call)
{
	if (call->grant != JL__RPC_GRANT_WAITS)
		return;
	unlink_waiting(call);
	grant(call->conn->server);
}

void jl__rpc_budget_give(struct jl__rpc_call *call)
{
	size_t back = call->granted;

	/* What a handler keeps is given back with the call. */
	if (call->submitted && call->sent_end) {
		back += call->kept;
		call->kept = 0;
	}
	call->granted = 0;
	if (call->grant == JL__RPC_GRANT_GIVEN)
		call->grant = JL__RPC_GRANT_NONE;
	if (!back)
		return;
	call->conn->held -= back;
	call->conn->server->counts.upload_bytes -= back;
	grant(call->conn->server);
}
