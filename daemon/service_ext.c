/* SPDX-License-Identifier: MIT */
/* JobExtension: signals, waiting, and who the caller is. */
#include <errno.h>
#include <stdio.h>

#include "convert.h"
#include "services.h"

static void send_signal(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct serving *s = serving_of(call);
	Joblet__X__V1__SignalReply reply = JOBLET__X__V1__SIGNAL_REPLY__INIT;
	jl_error *err = NULL;
	char detail[32];
	int r;

	DECODE(call, data, len, Joblet__X__V1__SignalRequest,
	       joblet__x__v1__signal_request, m)
	(void)snprintf(detail, sizeof(detail), "signal %d", (int)m->signal);
	r = jl_node_signal(s->node, m->uuid, m->signal, &err);
	if (r < 0) {
		finish_change_error(call, m->uuid, detail, id_error(r), err);
	} else {
		(void)send_message(call, &reply.base);
		finish_change(call, m->uuid, detail, JL__RPC_OK, NULL);
	}
	joblet__x__v1__signal_request__free_unpacked(m, NULL);
}

const struct jl__rpc_handler signal_job = { .request = send_signal };

static void ended(struct jl__rpc_call *call, const jl_job_info *info)
{
	Joblet__X__V1__WaitReply reply = JOBLET__X__V1__WAIT_REPLY__INIT;
	struct arena arena = { 0 };

	reply.uuid = arena_text(&arena, jl_job_info_get_id(info));
	reply.status = arena_text(&arena, convert_state(info));
	reply.exit_code = convert_exit_code(info);
	reply.details = convert_details(&arena, info);
	if (arena.failed)
		jl__rpc_call_finish(call, JL__RPC_RESOURCE_EXHAUSTED, "out of memory");
	else
		finish_reply(call, &reply.base);
	arena_done(&arena);
}

static void wait_until_end(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct serving *s = serving_of(call);
	jl_job_info *info;
	jl_error *err = NULL;
	int r;

	DECODE(call, data, len, Joblet__X__V1__WaitRequest, joblet__x__v1__wait_request,
	       m)
	r = jl_node_get(s->node, m->uuid, &info, &err);
	joblet__x__v1__wait_request__free_unpacked(m, NULL);
	if (r < 0) {
		finish_error(call, id_error(r), err);
		return;
	}
	if (jl_state_is_final((int)jl_job_info_get_number(info, JL_INFO_STATE)))
		ended(call, info);
	else if (wait_for_end(call, jl_job_info_get_id(info), UINT64_MAX, ended) < 0)
		jl__rpc_call_finish(call, JL__RPC_RESOURCE_EXHAUSTED, "out of memory");
	jl_job_info_free(info);
}

const struct jl__rpc_handler wait_job = { .request = wait_until_end,
					  .closed = wait_closed };

static void whoami(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	const struct jl__rpc_peer *peer = jl__rpc_call_peer(call);
	Joblet__X__V1__WhoReply reply = JOBLET__X__V1__WHO_REPLY__INIT;
	struct arena arena = { 0 };

	(void)data;
	(void)len;
	reply.name = arena_text(&arena, caller_name(peer));
	reply.role = arena_text(&arena, role_name(peer->roles));
	reply.version = arena_text(&arena, jl_version_string());
	reply.not_after_usec = peer->certified ? (uint64_t)peer->not_after_usec : 0;
	finish_reply(call, &reply.base);
	arena_done(&arena);
}

const struct jl__rpc_handler who = { .request = whoami };
