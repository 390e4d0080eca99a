/* SPDX-License-Identifier: MIT */
/* Calls that are answered when a job has ended. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services.h"

#define UUID_MAX 40

struct waiter {
	struct waiter *next;
	struct serving *s;
	struct jl__rpc_call *call;
	char uuid[UUID_MAX];
	struct timer timer;
	void (*done)(struct jl__rpc_call *call, const jl_job_info *info);
};

static void drop(struct waiter *waiter)
{
	struct waiter **slot = &waiter->s->waiters;

	while (*slot && *slot != waiter)
		slot = &(*slot)->next;
	if (*slot)
		*slot = waiter->next;
	loop_clear_timer(waiter->s->loop, &waiter->timer);
	free(waiter);
}

/* Ends the waiting, and with done() the call. */
static void answer(struct waiter *waiter, const jl_job_info *info)
{
	struct jl__rpc_call *call = waiter->call;
	void (*done)(struct jl__rpc_call *, const jl_job_info *) = waiter->done;

	jl__rpc_call_set_data(call, NULL);
	drop(waiter);
	done(call, info);
}

static void overdue(struct timer *timer)
{
	struct waiter *waiter =
		(struct waiter *)(void *)((char *)timer - offsetof(struct waiter, timer));
	struct jl__rpc_call *call = waiter->call;
	jl_job_info *info;
	jl_error *err = NULL;
	int r = jl_node_get(waiter->s->node, waiter->uuid, &info, &err);

	if (r == 0) {
		answer(waiter, info);
		jl_job_info_free(info);
		return;
	}
	jl__rpc_call_set_data(call, NULL);
	drop(waiter);
	finish_error(call, r, err);
}

int wait_for_end(struct jl__rpc_call *call, const char *uuid, uint64_t timeout_usec,
		 void (*done)(struct jl__rpc_call *call, const jl_job_info *info))
{
	struct waiter *waiter = calloc(1, sizeof(*waiter));

	if (!waiter)
		return -ENOMEM;
	waiter->s = serving_of(call);
	waiter->call = call;
	waiter->done = done;
	waiter->timer.due = overdue;
	(void)snprintf(waiter->uuid, sizeof(waiter->uuid), "%s", uuid);
	waiter->next = waiter->s->waiters;
	waiter->s->waiters = waiter;
	if (timeout_usec != UINT64_MAX)
		loop_set_timer(waiter->s->loop, &waiter->timer,
			       monotonic_usec() + timeout_usec);
	jl__rpc_call_set_data(call, waiter);
	return 0;
}

void wait_closed(struct jl__rpc_call *call)
{
	struct waiter *waiter = jl__rpc_call_data(call);

	if (waiter)
		drop(waiter);
}

void wait_changed(struct serving *s, const jl_job_info *info)
{
	struct waiter *waiter, *next;

	if (!jl_state_is_final((int)jl_job_info_get_number(info, JL_INFO_STATE)))
		return;
	for (waiter = s->waiters; waiter; waiter = next) {
		next = waiter->next;
		if (strcmp(waiter->uuid, jl_job_info_get_id(info)) == 0)
			answer(waiter, info);
	}
}
