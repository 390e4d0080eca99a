/* SPDX-License-Identifier: MIT */
/*
 * JobExtension.Submit: a job whose uploads come as a stream, written down as they arrive,
 * so that their size is no matter of memory.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "convert.h"
#include "request.h"
#include "services.h"

#define PATH_BYTES 4096

/* Parts of the stream: fields of SubmitPart. */
enum { PART_RUN = 1, PART_FILE = 2, PART_CONTENT = 3 };

struct submit {
	struct later later;
	struct jl__rpc_call *call;
	jl_submission *sub;
	bool over; /* answered already; parts still on the way are let pass */
};

static void give_up(struct jl__rpc_call *call, const struct refusal *refusal)
{
	struct submit *submit = jl__rpc_call_data(call);

	submit->over = true;
	finish_change(call, NULL, NULL, refusal->code, refusal->text);
}

static void go_on(struct later *later)
{
	const struct submit *submit =
		(struct submit *)(void *)((char *)later - offsetof(struct submit, later));

	jl__rpc_call_resume(submit->call);
}

static void opened(struct jl__rpc_call *call)
{
	struct submit *submit = calloc(1, sizeof(*submit));

	jl__rpc_call_set_data(call, submit);
	if (!submit) {
		jl__rpc_call_finish(call, JL__RPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	submit->call = call;
	submit->later.go_on = go_on;
}

static int take_file(jl_submission *sub, const struct jl__pb_field *file,
		     struct refusal *refusal)
{
	char path[PATH_BYTES] = "", target[PATH_BYTES] = "";
	struct upload_part part = { .path = path,
				    .link_target = target,
				    .size = UINT64_MAX };
	uint64_t size = 0;
	bool has_size = false;
	struct jl__pb_field field;
	struct jl__pb_walk walk;
	int r;

	jl__pb_walk_init(&walk, file->data, file->len);
	while ((r = jl__pb_next(&walk, &field)) > 0) {
		if (field.number == 1 &&
		    request_text(&field, sizeof(path), path, refusal))
			return -1;
		if (field.number == 2)
			part.mode = (uint32_t)field.value;
		if (field.number == 3)
			part.is_directory = field.value != 0;
		if (field.number == 4 &&
		    request_text(&field, sizeof(target), target, refusal))
			return -1;
		if (field.number == 5)
			has_size = field.value != 0;
		if (field.number == 6)
			size = field.value;
	}
	if (r < 0)
		return refuse(refusal, JL__RPC_INVALID_ARGUMENT,
			      "invalid request: a part cannot be decoded");
	if (has_size)
		part.size = size;
	return request_upload(sub, &part, refusal);
}

static int begin(struct jl__rpc_call *call, struct submit *submit,
		 const struct jl__pb_field *run, struct refusal *refusal)
{
	struct jl__pb_walk walk;

	if (request_begin(serving_of(call), jl__rpc_call_peer(call), run->data, run->len,
			  &submit->sub, refusal) < 0)
		return -1;
	jl__pb_walk_init(&walk, run->data, run->len);
	if (request_next_upload(&walk, submit->sub, refusal) == 0)
		return 0;
	return refuse(refusal, JL__RPC_INVALID_ARGUMENT,
		      "invalid request: uploads of a stream are parts of their own");
}

static int take_part(struct jl__rpc_call *call, struct submit *submit,
		     const struct jl__pb_field *field, struct refusal *refusal)
{
	if (field->type != 2)
		return refuse(refusal, JL__RPC_INVALID_ARGUMENT,
			      "invalid request: a part cannot be decoded");
	if (field->number == PART_RUN) {
		if (submit->sub)
			return refuse(refusal, JL__RPC_INVALID_ARGUMENT,
				      "invalid request: the job is described twice");
		return begin(call, submit, field, refusal);
	}
	if (!submit->sub)
		return refuse(refusal, JL__RPC_INVALID_ARGUMENT,
			      "invalid request: the first part must describe the job");
	if (field->number == PART_FILE)
		return take_file(submit->sub, field, refusal);
	return request_content(submit->sub, field->data, field->len, refusal);
}

/* The one thing that a part is; what is not known is let pass. */
static int take_parts(struct jl__rpc_call *call, struct submit *submit,
		      const uint8_t *data, size_t len, struct refusal *refusal)
{
	struct jl__pb_field field;
	struct jl__pb_walk walk;
	bool taken = false;
	int r;

	jl__pb_walk_init(&walk, data, len);
	while ((r = jl__pb_next(&walk, &field)) > 0) {
		if (field.number < PART_RUN || field.number > PART_CONTENT)
			continue;
		if (taken)
			return refuse(refusal, JL__RPC_INVALID_ARGUMENT,
				      "invalid request: a part is more than one thing");
		if (take_part(call, submit, &field, refusal) < 0)
			return -1;
		taken = true;
	}
	return r == 0 ? 0
		      : refuse(refusal, JL__RPC_INVALID_ARGUMENT,
			       "invalid request: a part cannot be decoded");
}

static void part(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct submit *submit = jl__rpc_call_data(call);
	struct serving *s = serving_of(call);
	struct refusal refusal;

	if (!submit || submit->over)
		return;
	if (take_parts(call, submit, data, len, &refusal) < 0) {
		give_up(call, &refusal);
	} else if (later_is_due(s)) {
		/* Files cost more than the bytes that tell of them. */
		jl__rpc_call_pause(call);
		later_add(s, &submit->later);
	}
}

/* A job that could not be started is there all the same, and the answer tells of it. */
static void answer(struct jl__rpc_call *call, const jl_job_info *info, int r,
		   const jl_error *err)
{
	Joblet__X__V1__SubmitReply reply = JOBLET__X__V1__SUBMIT_REPLY__INIT;
	struct arena arena = { 0 };

	reply.job_uuid = arena_text(&arena, jl_job_info_get_id(info));
	reply.status = arena_text(&arena, convert_state(info));
	reply.details = convert_details(&arena, info);
	reply.failure_errno = -r;
	reply.failure = arena_text(&arena, jl_error_message(err));
	reply.failure_module = arena_text(&arena, jl_error_module(err));
	(void)send_message(call, &reply.base);
	finish_change(call, reply.job_uuid, jl_job_info_get_arg(info, 0), JL__RPC_OK,
		      r < 0 ? reply.failure : NULL);
	arena_done(&arena);
}

static void parts_end(struct jl__rpc_call *call)
{
	struct submit *submit = jl__rpc_call_data(call);
	struct refusal refusal;
	jl_job_info *info = NULL;
	jl_error *err = NULL;
	int r;

	if (!submit || submit->over)
		return;
	if (!submit->sub) {
		(void)refuse(&refusal, JL__RPC_INVALID_ARGUMENT,
			     "invalid request: no part describes the job");
		give_up(call, &refusal);
		return;
	}
	submit->over = true;
	r = jl_node_submit(serving_of(call)->node, submit->sub, &info, &err);
	if (info) {
		answer(call, info, r, err);
		jl_error_free(err);
	} else {
		finish_change_error(call, NULL, NULL, r, err);
	}
	jl_job_info_free(info);
}

static void closed(struct jl__rpc_call *call)
{
	struct submit *submit = jl__rpc_call_data(call);

	if (!submit)
		return;
	later_remove(serving_of(call), &submit->later);
	/* What came and was not submitted is removed with it. */
	jl_submission_free(submit->sub);
	free(submit);
}

const struct jl__rpc_handler submit_job = {
	.opened = opened, .part = part, .parts_end = parts_end, .closed = closed
};
