/* SPDX-License-Identifier: MIT */
/*
 * joblet.JobService.RunJob. Its uploads are in the request; a hundred thousand small
 * files take seconds to be written, and so they go in slices.
 */
#include <stddef.h>
#include <stdlib.h>

#include "convert.h"
#include "request.h"
#include "services.h"

struct run {
	struct later later;
	struct serving *s;
	struct jl__rpc_call *call;
	jl_submission *sub;
	uint8_t *message;
	struct jl__pb_walk walk; /* over the message: uploads that are still to come */
};

static void answer(struct jl__rpc_call *call, const jl_job_info *info)
{
	struct arena arena = { 0 };
	Joblet__RunJobResponse *reply = convert_started(&arena, info);

	/*
	 * The job is there: whatever happens now is not to be tried again, so the answer
	 * falls back to what matters.
	 */
	if (arena.failed || !reply || !send_message(call, &reply->base)) {
		Joblet__RunJobResponse least = JOBLET__RUN_JOB_RESPONSE__INIT;

		least.job_uuid = (char *)(uintptr_t)jl_job_info_get_id(info);
		(void)send_message(call, &least.base);
	}
	finish_change(call, jl_job_info_get_id(info), jl_job_info_get_arg(info, 0),
		      JL__RPC_OK, NULL);
	arena_done(&arena);
}

static void submit(struct run *run)
{
	struct jl__rpc_call *call = run->call;
	jl_job_info *info = NULL;
	jl_error *err = NULL;
	int r = jl_node_submit(run->s->node, run->sub, &info, &err);

	if (r == 0)
		answer(call, info);
	else
		finish_change_error(call, info ? jl_job_info_get_id(info) : NULL,
				    info ? jl_job_info_get_arg(info, 0) : NULL, r, err);
	jl_job_info_free(info);
}

static void go_on(struct later *later)
{
	struct run *run =
		(struct run *)(void *)((char *)later - offsetof(struct run, later));
	struct refusal refusal;
	int r;

	/* Its caller has left, or was told that it took too long. */
	if (jl__rpc_call_is_over(run->call))
		return;
	while ((r = request_next_upload(&run->walk, run->sub, &refusal)) > 0) {
		if (!later_is_due(run->s))
			continue;
		later_add(run->s, later);
		return;
	}
	if (r == 0)
		submit(run);
	else
		finish_change(run->call, NULL, NULL, refusal.code, refusal.text);
}

static void request(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct run *run = calloc(1, sizeof(*run));
	struct refusal refusal;

	if (!run) {
		jl__rpc_call_finish(call, JL__RPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	jl__rpc_call_set_data(call, run);
	run->s = serving_of(call);
	run->call = call;
	run->later.go_on = go_on;
	if (request_begin(run->s, jl__rpc_call_peer(call), data, len, &run->sub,
			  &refusal) < 0) {
		finish_change(call, NULL, NULL, refusal.code, refusal.text);
		return;
	}
	run->message = jl__rpc_call_keep_request(call);
	jl__pb_walk_init(&run->walk, run->message, len);
	go_on(&run->later);
}

static void closed(struct jl__rpc_call *call)
{
	struct run *run = jl__rpc_call_data(call);

	if (!run)
		return;
	later_remove(run->s, &run->later);
	jl_submission_free(run->sub);
	jl__rpc_message_free(run->message);
	free(run);
}

const struct jl__rpc_handler run_job = { .request = request, .closed = closed };
