/* SPDX-License-Identifier: MIT */
/*
 * How a job ended. It is asked for when it begins, and answered by itself, so that nobody
 * has to ask when its output is over.
 */
#include <errno.h>
#include <stdlib.h>

#include <joblet/node.h>

#include "remote-priv.h"

#define WAIT "/joblet.x.v1.JobExtension/Wait"

void remote_end_lose(struct remote *self)
{
	jl__rpc_stream_close(self->end);
	self->end = NULL;
}

void remote_job_expect(struct backend *backend, const char *id)
{
	Joblet__X__V1__WaitRequest request = JOBLET__X__V1__WAIT_REQUEST__INIT;
	struct remote *self = remote_of(backend);
	uint8_t data[128];

	remote_end_lose(self);
	request.uuid = (char *)(uintptr_t)id;
	if (joblet__x__v1__wait_request__get_packed_size(&request) > sizeof(data) ||
	    jl__rpc_stream_open(self->client, WAIT, UINT64_MAX, &self->end, NULL) < 0)
		return;
	/* When it cannot be sent, it is over without an answer. */
	(void)jl__rpc_stream_write(self->end, data,
				   joblet__x__v1__wait_request__pack(&request, data));
	jl__rpc_stream_write_end(self->end);
}

/* 1 with an answer; 0: there is none, and none will come. */
static int read_answer(struct remote *self, const uint8_t **ret_data, size_t *ret_len)
{
	int r = 0;

	while (self->end &&
	       (r = jl__rpc_stream_read(self->end, ret_data, ret_len)) == -EAGAIN)
		/* Whatever happens to the connection ends the stream. */
		(void)jl__rpc_client_wait(self->client, LONG_USEC, NULL);
	return r;
}

/* As read_answer(). Only an end with details is all there is to know. */
static int take_answer(struct remote *self, struct job *job)
{
	Joblet__X__V1__WaitReply *m;
	const uint8_t *data;
	size_t len;
	int r = 0;

	if (read_answer(self, &data, &len) != 1)
		return 0;
	m = joblet__x__v1__wait_reply__unpack(NULL, len, data);
	if (m && m->details)
		r = remote_fill_details(job, m->uuid, m->status, m->details,
					m->exit_code) == 0;
	if (m)
		joblet__x__v1__wait_reply__free_unpacked(m, NULL);
	return r;
}

int remote_job_end(struct backend *backend, const char *id, struct job *job,
		   struct fault *fault)
{
	struct remote *self = remote_of(backend);
	int r = take_answer(self, job);

	remote_end_lose(self);
	if (r == 1)
		return 0;
	r = remote_job_get(backend, id, job, fault);
	if (r < 0 || jl_state_is_final(job->state))
		return r;
	r = remote_job_wait(backend, id, JL_FOREVER, fault);
	return r < 0 ? r : remote_job_get(backend, id, job, fault);
}
