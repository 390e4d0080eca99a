/* SPDX-License-Identifier: MIT */
/*
 * Lists of jobs. Clients take messages of 4 MiB at most and the old call has no pages, so
 * the budget is shared: what a job costs at least comes first, command lines get what is
 * left.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "convert.h"
#include "services.h"

#define REPLY_BYTES ((size_t)4 * 1024 * 1024 - 64 * 1024)
/* Most a command line gets, and least before jobs are left out. */
#define TEXT_MOST ((size_t)4096)
#define TEXT_LEAST ((size_t)24)
/* Head of a field that holds a message, and of the texts in it. */
#define HEAD_BYTES 32
#define PAGE_MOST 1000

/* What a job costs on the wire but for its command line. */
static size_t base_cost(const jl_job_info *info, const char *node_id)
{
	struct arena arena = { 0 };
	Joblet__Job *job = convert_job(&arena, info, node_id, 0);
	size_t cost = job ? joblet__job__get_packed_size(job) + HEAD_BYTES : REPLY_BYTES;

	arena_done(&arena);
	return cost;
}

/* How many of the newest jobs fit, and how many bytes of command line each gets. */
static uint32_t share(const jl_job_list *list, const char *node_id, size_t *ret_text)
{
	uint32_t count = jl_job_list_count(list), fits = 0;
	size_t used = 0, each;

	while (fits < count) {
		size_t cost =
			base_cost(jl_job_list_get(list, fits), node_id) + TEXT_LEAST;

		if (used + cost > REPLY_BYTES)
			break;
		used += cost;
		fits++;
	}
	each = fits ? (REPLY_BYTES - used) / fits + TEXT_LEAST : 0;
	*ret_text = each < TEXT_MOST ? each : TEXT_MOST;
	return fits;
}

static void list(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	Joblet__Jobs reply = JOBLET__JOBS__INIT;
	struct serving *s = serving_of(call);
	struct arena arena = { 0 };
	jl_job_list *jobs;
	jl_error *err = NULL;
	size_t text_max;
	uint32_t count;
	int r = jl_node_list(s->node, 0, NULL, 0, 0, &jobs, &err);

	(void)data;
	(void)len;
	if (r < 0) {
		finish_error(call, r, err);
		return;
	}
	count = share(jobs, s->config->node_id, &text_max);
	if (count < jl_job_list_count(jobs))
		journal_log(
			s->journal, JL_LOG_WARNING,
			"a list of %u jobs was cut to the newest %u to fit a message; "
			"joblet.keepJobs sets how many are kept",
			jl_job_list_count(jobs), count);
	reply.jobs = arena_take(&arena, (count + 1) * sizeof(*reply.jobs));
	for (uint32_t i = 0; reply.jobs && i < count; i++) {
		Joblet__Job *job = convert_job(&arena, jl_job_list_get(jobs, i),
					       s->config->node_id, text_max);

		if (job)
			reply.jobs[reply.n_jobs++] = job;
	}
	if (arena.failed)
		jl__rpc_call_finish(call, JL__RPC_RESOURCE_EXHAUSTED, "out of memory");
	else
		finish_reply(call, &reply.base);
	arena_done(&arena);
	jl_job_list_free(jobs);
}

const struct jl__rpc_handler list_jobs = { .request = list };

/* ---- the extended list: filters and pages ---- */

static int states_of(const Joblet__X__V1__ListRequest *m, uint32_t *ret_states)
{
	uint32_t states = 0;

	for (size_t i = 0; i < m->n_states; i++) {
		int state = JL_STATE_SCHEDULED;

		while (state <= JL_STATE_CANCELED &&
		       strcasecmp(jl_state_name(state), m->states[i]) != 0)
			state++;
		if (state > JL_STATE_CANCELED)
			return -EINVAL;
		states |= UINT32_C(1) << state;
	}
	*ret_states = states;
	return 0;
}

static uint32_t page_size(uint32_t limit)
{
	return limit && limit < PAGE_MOST ? limit : PAGE_MOST;
}

static void answer_list(struct jl__rpc_call *call, const jl_job_list *jobs,
			uint32_t limit)
{
	Joblet__X__V1__ListReply reply = JOBLET__X__V1__LIST_REPLY__INIT;
	uint32_t at = 0, count = jl_job_list_count(jobs), most = page_size(limit);
	struct arena arena = { 0 };
	size_t used = 0;

	reply.jobs = arena_take(&arena, (PAGE_MOST + 1) * sizeof(*reply.jobs));
	while (reply.jobs && at < count && reply.n_jobs < most) {
		Joblet__X__V1__ListedJob *job =
			convert_listed(&arena, jl_job_list_get(jobs, at), TEXT_MOST);

		if (!job)
			break;
		used += joblet__x__v1__listed_job__get_packed_size(job) + HEAD_BYTES;
		if (used > REPLY_BYTES)
			break;
		reply.jobs[reply.n_jobs++] = job;
		at++;
	}
	if (at < count && reply.n_jobs && (!limit || reply.n_jobs < limit))
		reply.next_page =
			arena_format(&arena, "%llu",
				     (unsigned long long)reply.jobs[reply.n_jobs - 1]
					     ->details->number);
	if (arena.failed)
		jl__rpc_call_finish(call, JL__RPC_RESOURCE_EXHAUSTED, "out of memory");
	else
		finish_reply(call, &reply.base);
	arena_done(&arena);
}

static void list_more(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct serving *s = serving_of(call);
	uint64_t below = 0;
	uint32_t states;
	jl_job_list *jobs;
	jl_error *err = NULL;
	int r;

	DECODE(call, data, len, Joblet__X__V1__ListRequest, joblet__x__v1__list_request,
	       m)
	if (states_of(m, &states) < 0) {
		jl__rpc_call_finish(call, JL__RPC_INVALID_ARGUMENT,
				    "invalid request: a state has no such name");
	} else if (*m->page && jl__value_number(m->page, &below) < 0) {
		jl__rpc_call_finish(call, JL__RPC_INVALID_ARGUMENT,
				    "invalid request: the page is none of this server's");
	} else {
		/* Pages go by number: those below it come next. One more than goes into
		 * a page tells whether there is another. */
		r = jl_node_list(s->node, states, *m->name ? m->name : NULL, below,
				 page_size(m->limit) + 1, &jobs, &err);
		if (r < 0) {
			finish_error(call, r, err);
		} else {
			answer_list(call, jobs, m->limit);
			jl_job_list_free(jobs);
		}
	}
	joblet__x__v1__list_request__free_unpacked(m, NULL);
}

const struct jl__rpc_handler list_extended = { .request = list_more };
