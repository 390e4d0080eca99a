/* SPDX-License-Identifier: MIT */
#include "serving.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <protobuf-c/protobuf-c.h>

#include "status.h"

struct serving *serving_of(const struct jl__rpc_call *call)
{
	const void *data = jl__rpc_call_method(call)->data;

	return (struct serving *)(uintptr_t)data;
}

const char *caller_name(const struct jl__rpc_peer *peer)
{
	return peer->data ? peer->data : "";
}

static void audit(const struct jl__rpc_call *call, const char *target, const char *detail,
		  int code, const char *text)
{
	const struct jl__rpc_peer *peer = jl__rpc_call_peer(call);
	const struct audit_line line = {
		.user = caller_name(peer),
		.role = role_name(peer->roles),
		.peer = peer->address,
		.serial = peer->serial,
		.call = jl__rpc_call_method(call)->path,
		.target = target ? target : "",
		.detail = detail ? detail : "",
		.result = jl__rpc_code_name(code),
		.reason = text ? text : "",
	};

	journal_audit(serving_of(call)->journal, &line);
}

void finish_change(struct jl__rpc_call *call, const char *target, const char *detail,
		   int code, const char *text)
{
	audit(call, target, detail, code, text);
	jl__rpc_call_finish(call, code, text);
}

int id_error(int r)
{
	return r == -EEXIST ? -EINVAL : r;
}

static const char *message_of(int r, const jl_error *err)
{
	const char *text = jl_error_message(err);

	return *text ? text : strerror(-r);
}

void finish_error(struct jl__rpc_call *call, int r, jl_error *err)
{
	jl__rpc_call_finish(call, status_of(r), message_of(r, err));
	jl_error_free(err);
}

void finish_change_error(struct jl__rpc_call *call, const char *target,
			 const char *detail, int r, jl_error *err)
{
	finish_change(call, target, detail, status_of(r), message_of(r, err));
	jl_error_free(err);
}

bool send_message(struct jl__rpc_call *call, const ProtobufCMessage *message)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	uint8_t *data = malloc(len + 1);
	int r;

	if (!data)
		return false;
	(void)protobuf_c_message_pack(message, data);
	r = jl__rpc_call_send(call, data, len);
	free(data);
	return r == 0;
}

void finish_reply(struct jl__rpc_call *call, const ProtobufCMessage *message)
{
	if (send_message(call, message))
		jl__rpc_call_finish(call, JL__RPC_OK, NULL);
	else
		jl__rpc_call_finish(call, JL__RPC_RESOURCE_EXHAUSTED,
				    "the answer is larger than a client would take");
}
