/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <joblet/job.h>

#include "remote-priv.h"

#define JOB(name) "/joblet.JobService/" name
#define EXTENSION(name) "/joblet.x.v1.JobExtension/" name

static char *text_of(const char *text)
{
	return (char *)(uintptr_t)text;
}

/* ---- one job ---- */

/* One that does not say which job it is means the one that was asked for. */
static int fill_status(struct job *job, const char *id,
		       const Joblet__GetJobStatusResponse *m)
{
	int r = remote_fill_details(job, *m->uuid ? m->uuid : id, m->status, m->details,
				    m->exit_code);

	if (r == 0)
		r = job_set_text(&job->node_id, m->node_id);
	if (r == 0)
		r = job_add_arg(job, m->command);
	for (size_t i = 0; r == 0 && i < m->n_args; i++)
		r = job_add_arg(job, m->args[i]);
	for (size_t i = 0; r == 0 && i < m->n_environment; i++)
		r = job_add_env(job, m->environment[i]->key, m->environment[i]->value,
				false);
	for (size_t i = 0; r == 0 && i < m->n_secret_environment; i++)
		r = job_add_env(job, m->secret_environment[i]->key,
				m->secret_environment[i]->value, true);
	for (size_t i = 0; r == 0 && i < m->n_uploads; i++)
		r = job_add_upload(job, m->uploads[i]);
	return r;
}

int remote_job_get(struct backend *backend, const char *id, struct job *job,
		   struct fault *fault)
{
	Joblet__GetJobStatusRequest request = JOBLET__GET_JOB_STATUS_REQUEST__INIT;
	Joblet__GetJobStatusResponse *m;
	uint8_t *reply;
	size_t len;
	int r;

	request.uuid = text_of(id);
	r = remote_call(remote_of(backend), JOB("GetJobStatus"), &request.base, CALL_USEC,
			true, &reply, &len, fault);
	if (r < 0)
		return r;
	m = joblet__get_job_status_response__unpack(NULL, len, reply);
	jl__rpc_message_free(reply);
	if (!m)
		return remote_bad_reply(fault);
	/* It may hold what was known of it before. */
	job_done(job);
	job_init(job);
	r = fill_status(job, id, m);
	joblet__get_job_status_response__free_unpacked(m, NULL);
	if (r < 0) {
		job_done(job);
		return fault_set(fault, r, "out of memory");
	}
	return 0;
}

/* ---- lists ---- */

static int add_listed(struct job_list *list, const Joblet__X__V1__ListedJob *m)
{
	struct job *jobs = realloc(list->jobs, (list->count + 1) * sizeof(*jobs)), *job;
	int r;

	if (!jobs)
		return -ENOMEM;
	list->jobs = jobs;
	job = &jobs[list->count++];
	job_init(job);
	r = remote_fill_details(job, m->uuid, m->status, m->details, m->exit_code);
	if (r == 0)
		r = job_add_arg(job, m->command);
	for (size_t i = 0; r == 0 && i < m->n_args; i++)
		r = job_add_arg(job, m->args[i]);
	return r;
}

/* One page; *page is what to ask for next, "" at the end. */
static int take_page(struct remote *self, const struct list_query *query, char **states,
		     size_t state_count, char **page, struct job_list *list,
		     struct fault *fault)
{
	Joblet__X__V1__ListRequest request = JOBLET__X__V1__LIST_REQUEST__INIT;
	Joblet__X__V1__ListReply *m;
	uint8_t *reply;
	size_t len;
	int r;

	request.states = states;
	request.n_states = state_count;
	request.name = text_of(query->name ? query->name : "");
	request.limit = query->limit ? query->limit - (uint32_t)list->count : 0;
	request.page = *page;
	r = remote_call(self, EXTENSION("List"), &request.base, CALL_USEC, true, &reply,
			&len, fault);
	if (r < 0)
		return r;
	m = joblet__x__v1__list_reply__unpack(NULL, len, reply);
	jl__rpc_message_free(reply);
	if (!m)
		return remote_bad_reply(fault);
	for (size_t i = 0; r == 0 && i < m->n_jobs; i++)
		r = add_listed(list, m->jobs[i]);
	free(*page);
	*page = strdup(m->next_page);
	if (r == 0 && !*page)
		r = -ENOMEM;
	joblet__x__v1__list_reply__free_unpacked(m, NULL);
	return r < 0 ? fault_set(fault, r, "out of memory") : 0;
}

int remote_job_list(struct backend *backend, const struct list_query *query,
		    struct job_list *list, struct fault *fault)
{
	char *states[32], *page = strdup("");
	size_t count = 0;
	int r = 0;

	*list = (struct job_list){ 0 };
	for (int state = 0; state < 32; state++) {
		if (query->states >> state & 1)
			states[count++] = text_of(state_name(state));
	}
	if (!page)
		return fault_set(fault, -ENOMEM, "out of memory");
	do {
		r = take_page(remote_of(backend), query, states, count, &page, list,
			      fault);
	} while (r == 0 && *page && (!query->limit || list->count < query->limit));
	free(page);
	if (r < 0)
		job_list_done(list);
	return r;
}

/* ---- acting ---- */

int remote_job_stop(struct backend *backend, const char *id, uint64_t grace_usec,
		    struct fault *fault)
{
	Joblet__StopJobRequest request = JOBLET__STOP_JOB_REQUEST__INIT;

	request.uuid = text_of(id);
	if (grace_usec == 0)
		request.force = 1;
	else if (grace_usec != JL_FOREVER)
		request.grace_usec = grace_usec;
	return remote_call(remote_of(backend), JOB("StopJob"), &request.base, STOP_USEC,
			   false, NULL, NULL, fault);
}

int remote_job_signal(struct backend *backend, const char *id, int number,
		      struct fault *fault)
{
	Joblet__X__V1__SignalRequest request = JOBLET__X__V1__SIGNAL_REQUEST__INIT;

	request.uuid = text_of(id);
	request.signal = number;
	return remote_call(remote_of(backend), EXTENSION("Signal"), &request.base,
			   CALL_USEC, false, NULL, NULL, fault);
}

int remote_job_cancel(struct backend *backend, const char *id, struct fault *fault)
{
	Joblet__CancelJobRequest request = JOBLET__CANCEL_JOB_REQUEST__INIT;

	request.uuid = text_of(id);
	return remote_call(remote_of(backend), JOB("CancelJob"), &request.base, CALL_USEC,
			   false, NULL, NULL, fault);
}

int remote_job_delete(struct backend *backend, const char *id, struct fault *fault)
{
	Joblet__DeleteJobRequest request = JOBLET__DELETE_JOB_REQUEST__INIT;

	request.uuid = text_of(id);
	return remote_call(remote_of(backend), JOB("DeleteJob"), &request.base, LONG_USEC,
			   false, NULL, NULL, fault);
}

int remote_job_delete_all(struct backend *backend, uint32_t *ret_deleted,
			  uint32_t *ret_skipped, struct fault *fault)
{
	Joblet__DeleteAllJobsRequest request = JOBLET__DELETE_ALL_JOBS_REQUEST__INIT;
	Joblet__DeleteAllJobsResponse *m;
	uint8_t *reply;
	size_t len;
	int r = remote_call(remote_of(backend), JOB("DeleteAllJobs"), &request.base,
			    LONG_USEC, false, &reply, &len, fault);

	if (r < 0)
		return r;
	m = joblet__delete_all_jobs_response__unpack(NULL, len, reply);
	jl__rpc_message_free(reply);
	if (!m)
		return remote_bad_reply(fault);
	*ret_deleted = (uint32_t)m->deleted_count;
	*ret_skipped = (uint32_t)m->skipped_count;
	joblet__delete_all_jobs_response__free_unpacked(m, NULL);
	return 0;
}

int remote_job_wait(struct backend *backend, const char *id, uint64_t timeout_usec,
		    struct fault *fault)
{
	Joblet__X__V1__WaitRequest request = JOBLET__X__V1__WAIT_REQUEST__INIT;

	request.uuid = text_of(id);
	return remote_call(remote_of(backend), EXTENSION("Wait"), &request.base,
			   timeout_usec == JL_FOREVER ? UINT64_MAX : timeout_usec, true,
			   NULL, NULL, fault);
}
