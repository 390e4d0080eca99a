/* SPDX-License-Identifier: MIT */
/*
 * Starting a job, exactly once: the claim (this process, and the socket of the supervisor
 * that will have it) is committed before the supervisor hears of the job, and the
 * supervisor makes the file `begun` in a folder that nobody used before, or does not
 * start it. Whoever recovers makes the same file first.
 */
#define JL_MODULE "node"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "node/node.h"
#include "spawn/blob.h"
#include "spawn/durable.h"
#include "upload/upload.h"

void jl__row_claim(const jl_node *node, struct jl__row *row, const char *socket)
{
	row->number[JL__N_STATE] = JL_STATE_INITIALIZING;
	row->number[JL__N_NOT_BEFORE] = UINT64_MAX;
	row->number[JL__N_RUN] =
		row->number[JL__N_RUN] == UINT64_MAX ? 1 : row->number[JL__N_RUN] + 1;
	row->text[JL__T_CLAIM] = node->claim;
	row->text[JL__T_SOCKET] = socket;
}

/* Uploads of a recurring job stay with it; its runs share them. */
static int open_uploads(jl_node *node, const struct jl__row *row, jl_error **err)
{
	_cleanup_close_ int folder = -EBADF;
	struct jl__row *series = NULL;
	int r;

	if (row->number[JL__N_UPLOADS] == 0 || row->number[JL__N_UPLOADS] == UINT64_MAX)
		return -ENOENT;
	if (row->number[JL__N_SERIES] != UINT64_MAX) {
		r = jl__get_number(node, row->number[JL__N_SERIES], &series, err);
		if (r < 0)
			return r == -ENOENT ? -ESTALE : r;
	}
	folder = jl__job_folder(node, (series ? series : row)->text[JL__T_ID], false);
	jl__row_free(series);
	if (folder < 0)
		return jl__fail_errno(err, folder == -ENOENT ? -EIO : folder,
				      "cannot open the folder with the uploads");
	r = jl__upload_open(folder, "upload", err);
	return r == -ENOENT ? jl__fail(err, -EIO, "the uploads of the job are gone") : r;
}

static int spawn(jl_node *node, const struct jl__row *row, const jl_job_spec *spec,
		 jl_job **ret, jl_error **err)
{
	struct jl__durable durable = {
		.log_bytes = node->config.number[JL_NODE_LOG_BYTES],
		.uploads = -1,
	};
	_cleanup_close_ int folder = -EBADF, uploads = -EBADF;

	folder = jl__run_folder(node, row->text[JL__T_ID], row->number[JL__N_RUN], true);
	if (folder < 0)
		return jl__fail_errno(err, folder, "cannot make folder %s/jobs/%s",
				      node->path, row->text[JL__T_ID]);
	uploads = open_uploads(node, row, err);
	if (uploads < 0 && uploads != -ENOENT)
		return uploads;
	durable.folder = folder;
	if (uploads >= 0)
		durable.uploads = uploads;
	(void)strncpy(durable.id, row->text[JL__T_ID], sizeof(durable.id) - 1);
	return jl__job_spawn_durable(node->own, spec, &durable, ret, err);
}

/* What is to be noted of a try, as long as the job is still INITIALIZING in it. */
struct outcome {
	uint64_t run;
	jl_job *job; /* it runs; NULL: it failed */
	int code;
	const char *failure;
};

static bool is_try(const struct jl__row *row, uint64_t run)
{
	return row->number[JL__N_STATE] == JL_STATE_INITIALIZING &&
	       row->number[JL__N_RUN] == run;
}

static bool still_ours(jl_node *node, const struct jl__row *row)
{
	struct jl__row *fresh = NULL;
	int r = jl__store_get(node->store, row->number[JL__N_NUMBER], &fresh, NULL);
	bool ours = r == 0 ? is_try(fresh, row->number[JL__N_RUN]) : r != -ENOENT;

	jl__row_free(fresh);
	return ours;
}

/* Somebody asked for its end before its supervisor knew of it. Before that is RUNNING:
 * whoever finds it INITIALIZING asks once more. 1. */
static int stop_if_asked(jl_node *node, const struct jl__row *row, jl_job *job,
			 jl_error **err)
{
	int r = 0;

	if (row->number[JL__N_STOPPING] == 1)
		r = jl_job_stop(job, node->config.number[JL_NODE_GRACE_USEC], err);
	if (r < 0 && r != -ESRCH)
		return r;
	/* It has just ended by itself. */
	jl__error_clear(err);
	return 1;
}

static int note_running(jl_node *node, struct jl__row *row, const void *data,
			jl_error **err)
{
	const struct outcome *outcome = data;
	struct jl_result started = { .size = sizeof(started) };
	_cleanup_close_ int folder = -EBADF;
	int r;

	if (!is_try(row, outcome->run))
		return 0;
	r = stop_if_asked(node, row, outcome->job, err);
	if (r < 0)
		return r;
	folder = jl__run_folder(node, row->text[JL__T_ID], outcome->run, false);
	row->number[JL__N_STATE] = JL_STATE_RUNNING;
	row->number[JL__N_START] =
		folder >= 0 && jl__record_started(folder, &started, NULL) == 0
			? started.start_usec
			: jl__now_usec();
	row->text[JL__T_ADDRESS] = jl_job_get_address(outcome->job);
	r = jl__store_update(node->store, row, err);
	return r < 0 ? r : 1;
}

int jl__mark_running(jl_node *node, const struct jl__row *row, jl_job *job,
		     jl_error **err)
{
	const struct outcome outcome = { .run = row->number[JL__N_RUN], .job = job };

	return jl__row_change(node, row->number[JL__N_NUMBER], false, note_running,
			      &outcome, NULL, err);
}

/* Trying again may help: the machine was short of something. */
static bool passes(int code)
{
	return code == -EAGAIN || code == -EMFILE || code == -ENFILE || code == -ENOMEM ||
	       code == -ENOSPC || code == -ECONNRESET;
}

static int note_failed(jl_node *node, struct jl__row *row, const void *data,
		       jl_error **err)
{
	const struct outcome *outcome = data;
	int r;

	if (!is_try(row, outcome->run))
		return 0;
	row->text[JL__T_FAILURE] = outcome->failure;
	row->number[JL__N_END] = jl__now_usec();
	/* What cannot be started now cannot be started later. */
	if (!passes(outcome->code))
		row->number[JL__N_STOPPING] = 1;
	r = jl__row_end(node, row, JL_STATE_FAILED, err);
	return r < 0 ? r : 1;
}

static int mark_failed(jl_node *node, uint64_t number, uint64_t run, int code,
		       const char *failure, jl_error **err)
{
	const struct outcome outcome = { .run = run, .code = code, .failure = failure };

	return jl__row_change(node, number, true, note_failed, &outcome, NULL, err);
}

/* As long as nobody knows of it the job is INITIALIZING, and ours. */
static void keep_failed(jl_node *node, uint64_t number, uint64_t run)
{
	node->failed.number = number;
	node->failed.run = run;
	(void)jl__node_again(node, jl__now_usec() + 1000000, NULL);
}

int jl__failed_note(jl_node *node, jl_error **err)
{
	uint64_t number = node->failed.number, run = node->failed.run;
	int r;

	if (!number)
		return 0;
	node->failed.number = 0;
	r = mark_failed(
		node, number, run, -ENOMEM,
		"it could not be started, and memory or space was too short to note why",
		err);
	if (r < 0)
		keep_failed(node, number, run);
	return r < 0 ? r : 0;
}

static void start_failed(jl_node *node, const struct jl__row *row, int code,
			 const char *failure)
{
	uint64_t number = row->number[JL__N_NUMBER], run = row->number[JL__N_RUN];

	if (mark_failed(node, number, run, code, failure, NULL) >= 0)
		return;
	jl__log(node->ctx, JL_LOG_ERROR, JL_MODULE,
		"job %s could not be started, and the store cannot be told yet",
		row->text[JL__T_ID]);
	keep_failed(node, number, run);
}

int jl__start(jl_node *node, struct jl__row *row, jl_job_spec *spec, jl_error **err)
{
	jl_error *why = NULL;
	jl_job *job = NULL;
	int code, r;

	code = spawn(node, row, spec, &job, &why);
	/* Somebody took this process for gone, and sees to it that the job starts. */
	if (code == -EEXIST && !still_ours(node, row)) {
		jl_error_free(why);
		return 0;
	}
	if (code < 0) {
		start_failed(node, row, code, jl_error_message(why));
		if (err)
			*err = why;
		else
			jl_error_free(why);
		return code;
	}
	r = jl__mark_running(node, row, job, err);
	if (r >= 0)
		r = jl__active_add(node, row, job, err);
	(void)jl_job_unref(job);
	if (r < 0)
		node->look = true;
	return r;
}

/* ---- the queue ---- */

/* Starts in one go: whoever processes a node has other work, too. */
#define QUEUE_STEP 16

static struct jl__held *take_held(jl_node *node, uint64_t number)
{
	struct jl__held **slot = &node->held, *held;

	while (*slot && (*slot)->number != number)
		slot = &(*slot)->next;
	held = *slot;
	if (held)
		*slot = held->next;
	return held;
}

/* Claims the next job that waits. 1 with the row, 0 when nobody waits or no slot is free.
 */
static int claim_next(jl_node *node, const char *socket, struct jl__row **ret,
		      jl_error **err)
{
	uint64_t max = node->config.number[JL_NODE_MAX_JOBS], starting = 0, running = 0;
	struct jl__row *row = NULL;
	int r = jl__store_begin(node->store, true, err);

	if (r == 0)
		r = jl__store_count(node->store, JL__COUNT_STATE, JL_STATE_INITIALIZING,
				    &starting, err);
	if (r == 0)
		r = jl__store_count(node->store, JL__COUNT_STATE, JL_STATE_RUNNING,
				    &running, err);
	if (r == 0 && (!max || starting + running < max))
		r = jl__store_next_pending(node->store, node->claim, jl__now_usec(), &row,
					   err);
	if (r == 1) {
		jl__row_claim(node, row, socket);
		r = jl__store_update(node->store, row, err);
		if (r == 0)
			r = jl__store_commit(node->store, err);
		r = r < 0 ? r : 1;
	}
	jl__store_rollback(node->store);
	if (r != 1) {
		jl__row_free(row);
		return r;
	}
	*ret = row;
	return 1;
}

/* Without the write lock: most of the time nobody waits. */
static int anybody_waits(jl_node *node, jl_error **err)
{
	struct jl__row *row = NULL;
	int r = jl__store_next_pending(node->store, node->claim, jl__now_usec(), &row,
				       err);

	jl__row_free(row);
	return r;
}

static int start_claimed(jl_node *node, struct jl__row *row, jl_error **err)
{
	struct jl__held *held = take_held(node, row->number[JL__N_NUMBER]);
	struct jl__details details = { 0 };
	jl_job_spec *spec = NULL;
	jl_error *why = NULL;
	int r = 0;

	if (held) {
		spec = held->spec;
		jl__free(held);
	} else {
		r = jl__store_get_details(node->store, row->number[JL__N_NUMBER],
					  &details, &why);
		if (r == 0)
			r = jl__spec_unpack(details.spec, details.spec_len, &spec, &why);
		jl__details_done(&details);
	}
	if (r < 0)
		start_failed(node, row, r, jl_error_message(why));
	else
		r = jl__start(node, row, spec, &why);
	/* One that cannot be started is not the failure of whoever runs the queue. */
	if (r < 0)
		jl__log(node->ctx, JL_LOG_WARNING, JL_MODULE, "job %s: %s",
			row->text[JL__T_ID], jl_error_message(why));
	jl_error_free(why);
	jl_job_spec_free(spec);
	return r == -ENOMEM ? jl__oom(err) : 0;
}

int jl__queue_run(jl_node *node, jl_error **err)
{
	int r = anybody_waits(node, err);

	for (int i = 0; r == 1 && i < QUEUE_STEP; i++) {
		struct jl__row *row = NULL;
		const char *socket;

		r = jl__ctx_supervisor(node->own, &socket, err);
		if (r == 0)
			r = claim_next(node, socket, &row, err);
		if (r != 1)
			return r;
		r = start_claimed(node, row, err);
		jl__row_free(row);
		r = r < 0 ? r : 1;
	}
	return r == 1 ? jl__node_again(node, jl__now_usec(), err) : r;
}
