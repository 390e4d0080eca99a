/* SPDX-License-Identifier: MIT */
/*
 * joblet.JobService.DeleteAllJobs: thousands of jobs take seconds, and so they go step by
 * step, a step in a turn of the loop, one call after the other.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "joblet.pb-c.h"
#include "services.h"

struct sweep {
	struct sweep *next;
	struct serving *s;
	struct jl__rpc_call *call;
	uint64_t below;
	uint32_t deleted, skipped;
};

static void go_on(struct serving *s)
{
	if (s->sweeps)
		loop_set_timer(s->loop, &s->sweeping, monotonic_usec());
}

/* Takes it out of the line and frees it. */
static void drop(struct sweep *sweep)
{
	struct sweep **slot = &sweep->s->sweeps;

	while (*slot != sweep)
		slot = &(*slot)->next;
	*slot = sweep->next;
	jl__rpc_call_set_data(sweep->call, NULL);
	free(sweep);
}

static int32_t count(uint32_t number)
{
	return number > INT32_MAX ? INT32_MAX : (int32_t)number;
}

static void answer(struct sweep *sweep)
{
	Joblet__DeleteAllJobsResponse reply = JOBLET__DELETE_ALL_JOBS_RESPONSE__INIT;
	struct jl__rpc_call *call = sweep->call;
	char text[128];

	(void)snprintf(text, sizeof(text), "%u job%s deleted, %u not ended and skipped",
		       sweep->deleted, sweep->deleted == 1 ? "" : "s", sweep->skipped);
	reply.success = 1;
	reply.message = text;
	reply.deleted_count = count(sweep->deleted);
	reply.skipped_count = count(sweep->skipped);
	drop(sweep);
	(void)send_message(call, &reply.base);
	finish_change(call, NULL, text, JL__RPC_OK, NULL);
}

static void step(struct timer *timer)
{
	struct serving *s =
		(struct serving *)(void *)((char *)timer -
					   offsetof(struct serving, sweeping));
	struct sweep *sweep = s->sweeps;
	struct jl__rpc_call *call = sweep->call;
	jl_error *err = NULL;
	int r = jl_node_delete_some(s->node, &sweep->below, &sweep->deleted,
				    &sweep->skipped, &err);

	if (r < 0) {
		drop(sweep);
		finish_change_error(call, NULL, NULL, r, err);
	} else if (r == 0) {
		answer(sweep);
	}
	go_on(s);
}

static void forget_all(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct serving *s = serving_of(call);
	struct sweep *sweep = calloc(1, sizeof(*sweep)), **slot = &s->sweeps;

	(void)data;
	(void)len;
	if (!sweep) {
		jl__rpc_call_finish(call, JL__RPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	sweep->s = s;
	sweep->call = call;
	jl__rpc_call_set_data(call, sweep);
	while (*slot)
		slot = &(*slot)->next;
	*slot = sweep;
	s->sweeping.due = step;
	go_on(s);
}

static void closed(struct jl__rpc_call *call)
{
	struct sweep *sweep = jl__rpc_call_data(call);
	struct serving *s = serving_of(call);
	char text[128];

	if (!sweep)
		return;
	/* Nobody waits for the rest; what is gone is gone, and written down. */
	(void)snprintf(text, sizeof(text), "broken off after %u deleted", sweep->deleted);
	drop(sweep);
	finish_change(call, NULL, NULL, JL__RPC_CANCELLED, text);
	if (!s->sweeps)
		loop_clear_timer(s->loop, &s->sweeping);
}

const struct jl__rpc_handler delete_all_jobs = { .request = forget_all,
						 .closed = closed };
