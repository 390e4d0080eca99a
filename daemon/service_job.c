/* SPDX-License-Identifier: MIT */
/* joblet.JobService: jobs are looked at, stopped and forgotten. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "convert.h"
#include "services.h"

/* A StopJob is answered at the end of the job, or when a client would lose patience. */
#define STOP_WAIT_USEC UINT64_C(8000000)
#define STOP_MARGIN_USEC UINT64_C(500000)

/* Id of a request, not empty; else the call is ended. */
static bool has_id(struct jl__rpc_call *call, const char *uuid)
{
	if (*uuid)
		return true;
	jl__rpc_call_finish(call, JL__RPC_INVALID_ARGUMENT,
			    "invalid request: the id of the job is empty");
	return false;
}

/* ---- look ---- */

static void status(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct serving *s = serving_of(call);
	struct arena arena = { 0 };
	jl_job_info *info;
	jl_error *err = NULL;
	int r;

	DECODE(call, data, len, Joblet__GetJobStatusRequest,
	       joblet__get_job_status_request, m)
	if (!has_id(call, m->uuid)) {
		joblet__get_job_status_request__free_unpacked(m, NULL);
		return;
	}
	r = jl_node_get(s->node, m->uuid, &info, &err);
	joblet__get_job_status_request__free_unpacked(m, NULL);
	if (r < 0) {
		finish_error(call, id_error(r), err);
		return;
	}
	{
		Joblet__GetJobStatusResponse *reply =
			convert_status(&arena, info, s->config->node_id);

		if (reply && !arena.failed)
			finish_reply(call, &reply->base);
		else
			jl__rpc_call_finish(call, JL__RPC_RESOURCE_EXHAUSTED,
					    "out of memory");
	}
	arena_done(&arena);
	jl_job_info_free(info);
}

const struct jl__rpc_handler get_job_status = { .request = status };

/* ---- stop ---- */

static void stopped(struct jl__rpc_call *call, const jl_job_info *info)
{
	Joblet__StopJobResponse reply = JOBLET__STOP_JOB_RESPONSE__INIT;
	struct arena arena = { 0 };
	char end[TIME_TEXT_MAX];

	reply.uuid = arena_text(&arena, jl_job_info_get_id(info));
	reply.status = arena_text(&arena, convert_state(info));
	reply.end_time = arena_text(
		&arena, time_text(end, jl_job_info_get_number(info, JL_INFO_END_USEC)));
	reply.exit_code = convert_exit_code(info);
	(void)send_message(call, &reply.base);
	finish_change(call, jl_job_info_get_id(info), NULL, JL__RPC_OK, NULL);
	arena_done(&arena);
}

static void await_stop(struct jl__rpc_call *call, const char *uuid, uint64_t grace_usec)
{
	struct serving *s = serving_of(call);
	uint64_t left = jl__rpc_call_left_usec(call), wait = STOP_WAIT_USEC;
	jl_job_info *info;
	jl_error *err = NULL;
	int r = jl_node_get(s->node, uuid, &info, &err);

	if (r < 0) {
		finish_change_error(call, uuid, NULL, id_error(r), err);
		return;
	}
	if (grace_usec < wait - STOP_MARGIN_USEC)
		wait = grace_usec + STOP_MARGIN_USEC;
	if (left != UINT64_MAX) {
		left = left > 2 * STOP_MARGIN_USEC ? left - STOP_MARGIN_USEC : left / 2;
		if (left < wait)
			wait = left;
	}
	if (jl_state_is_final((int)jl_job_info_get_number(info, JL_INFO_STATE)) ||
	    wait_for_end(call, jl_job_info_get_id(info), wait, stopped) < 0)
		stopped(call, info);
	jl_job_info_free(info);
}

static void stop(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct serving *s = serving_of(call);
	uint64_t grace = JL_FOREVER;
	jl_error *err = NULL;
	int r;

	DECODE(call, data, len, Joblet__StopJobRequest, joblet__stop_job_request, m)
	if (has_id(call, m->uuid)) {
		if (m->force)
			grace = 0;
		else if (m->grace_usec)
			grace = m->grace_usec;
		r = jl_node_stop(s->node, m->uuid, grace, &err);
		if (r < 0)
			finish_change_error(call, m->uuid, NULL, id_error(r), err);
		else
			await_stop(call, m->uuid, grace);
	}
	joblet__stop_job_request__free_unpacked(m, NULL);
}

const struct jl__rpc_handler stop_job = { .request = stop, .closed = wait_closed };

static void cancel(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct serving *s = serving_of(call);
	jl_error *err = NULL;

	DECODE(call, data, len, Joblet__CancelJobRequest, joblet__cancel_job_request, m)
	if (has_id(call, m->uuid)) {
		Joblet__CancelJobResponse reply = JOBLET__CANCEL_JOB_RESPONSE__INIT;
		jl_job_info *info = NULL;
		int r = jl_node_get(s->node, m->uuid, &info, &err);

		if (r == 0)
			r = jl_node_cancel(s->node, jl_job_info_get_id(info), &err);
		if (r < 0) {
			finish_change_error(call, m->uuid, NULL, id_error(r), err);
		} else {
			reply.uuid = (char *)(uintptr_t)jl_job_info_get_id(info);
			reply.status =
				(char *)(uintptr_t)jl_state_name(JL_STATE_CANCELED);
			(void)send_message(call, &reply.base);
			finish_change(call, reply.uuid, NULL, JL__RPC_OK, NULL);
		}
		jl_job_info_free(info);
	}
	joblet__cancel_job_request__free_unpacked(m, NULL);
}

const struct jl__rpc_handler cancel_job = { .request = cancel };

/* ---- forget ---- */

static void forget(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct serving *s = serving_of(call);
	jl_error *err = NULL;

	DECODE(call, data, len, Joblet__DeleteJobRequest, joblet__delete_job_request, m)
	if (has_id(call, m->uuid)) {
		Joblet__DeleteJobResponse reply = JOBLET__DELETE_JOB_RESPONSE__INIT;
		jl_job_info *info = NULL;
		int r = jl_node_get(s->node, m->uuid, &info, &err);

		if (r == 0)
			r = jl_node_delete(s->node, jl_job_info_get_id(info), &err);
		if (r < 0) {
			finish_change_error(call, m->uuid, NULL, id_error(r), err);
		} else {
			reply.uuid = (char *)(uintptr_t)jl_job_info_get_id(info);
			reply.success = 1;
			reply.message = (char[]){ "Job deleted successfully" };
			(void)send_message(call, &reply.base);
			finish_change(call, reply.uuid, NULL, JL__RPC_OK, NULL);
		}
		jl_job_info_free(info);
	}
	joblet__delete_job_request__free_unpacked(m, NULL);
}

const struct jl__rpc_handler delete_job = { .request = forget };
