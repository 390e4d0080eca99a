/* SPDX-License-Identifier: MIT */
/*
 * joblet.JobService.DeleteAllJobs: thousands of jobs take seconds, and so they go in
 * slices.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "joblet.pb-c.h"
#include "services.h"

struct sweep {
	struct later later;
	struct serving *s;
	struct jl__rpc_call *call;
	uint64_t below;
	uint32_t deleted, skipped;
	bool over;
};

static int32_t count(uint32_t number)
{
	return number > INT32_MAX ? INT32_MAX : (int32_t)number;
}

static void answer(struct sweep *sweep)
{
	Joblet__DeleteAllJobsResponse reply = JOBLET__DELETE_ALL_JOBS_RESPONSE__INIT;
	char text[128];

	(void)snprintf(text, sizeof(text), "%u job%s deleted, %u not ended and skipped",
		       sweep->deleted, sweep->deleted == 1 ? "" : "s", sweep->skipped);
	reply.success = 1;
	reply.message = text;
	reply.deleted_count = count(sweep->deleted);
	reply.skipped_count = count(sweep->skipped);
	(void)send_message(sweep->call, &reply.base);
	finish_change(sweep->call, NULL, text, JL__RPC_OK, NULL);
}

static void go_on(struct later *later)
{
	struct sweep *sweep =
		(struct sweep *)(void *)((char *)later - offsetof(struct sweep, later));
	jl_error *err = NULL;
	int r;

	if (jl__rpc_call_is_over(sweep->call))
		return;
	r = jl_node_delete_some(sweep->s->node, &sweep->below, &sweep->deleted,
				&sweep->skipped, &err);
	if (r > 0) {
		later_add(sweep->s, later);
		return;
	}
	sweep->over = true;
	if (r == 0)
		answer(sweep);
	else
		finish_change_error(sweep->call, NULL, NULL, r, err);
}

static void forget_all(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct sweep *sweep = calloc(1, sizeof(*sweep));

	(void)data;
	(void)len;
	if (!sweep) {
		jl__rpc_call_finish(call, JL__RPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	jl__rpc_call_set_data(call, sweep);
	sweep->s = serving_of(call);
	sweep->call = call;
	sweep->later.go_on = go_on;
	later_add(sweep->s, &sweep->later);
}

static void closed(struct jl__rpc_call *call)
{
	struct sweep *sweep = jl__rpc_call_data(call);
	char text[64];

	if (!sweep)
		return;
	later_remove(sweep->s, &sweep->later);
	/* Nobody waits for the rest; what is gone is gone, and written down. */
	if (!sweep->over) {
		(void)snprintf(text, sizeof(text), "broken off after %u deleted",
			       sweep->deleted);
		finish_change(call, NULL, NULL, JL__RPC_CANCELLED, text);
	}
	free(sweep);
}

const struct jl__rpc_handler delete_all_jobs = { .request = forget_all,
						 .closed = closed };
