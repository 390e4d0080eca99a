/* SPDX-License-Identifier: MIT */
/*
 * Handing a job in: completed by the defaults, its uploads in place, then one transaction
 * that gives it a number and decides what it does: wait for its time, wait for a slot, or
 * start at once.
 */
#define JL_MODULE "node"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "node/submission.h"
#include "spawn/blob.h"
#include "spawn/durable.h"

struct handing {
	struct jl__row row;
	struct jl__buf spec;
	struct jl__buf command;
	char *warning;
	const char *socket; /* NULL: it starts later */
	uint64_t now; /* one moment for all decisions: uploads may take their time */
	int mark;     /* in doubt/, while uploads are there without a row */
	/* Its standard input is here, so that only we can start it; else NULL. Made
	 * before there is a job: nobody must start it without. */
	struct jl__held *held;
};

static void handing_done(struct handing *handing)
{
	jl__buf_done(&handing->spec);
	jl__buf_done(&handing->command);
	jl__free(handing->warning);
	jl__free(handing->held);
}

/* ---- the row ---- */

static int put_command(struct handing *handing, const jl_job_spec *spec, jl_error **err)
{
	for (uint32_t i = 0; i < jl__spec_arg_count(spec); i++) {
		const char *arg = jl__spec_arg(spec, i);

		(void)jl__buf_add(&handing->command, arg, strlen(arg) + 1);
	}
	if (handing->command.failed)
		return jl__oom(err);
	handing->row.command = handing->command.data;
	handing->row.command_len = handing->command.len;
	return 0;
}

static void fill_row(struct handing *handing, const jl_submission *sub)
{
	const jl_limits *limits = jl_job_spec_limits(sub->spec);
	const char *work_dir = jl__spec_work_dir(sub->spec);
	struct jl__row *row = &handing->row;
	uint64_t io = jl_limits_get(limits, JL_LIMIT_IO_WRITE_BPS);

	row->number[JL__N_PRIORITY] = (uint64_t)(int64_t)sub->priority;
	row->number[JL__N_CREATED] = handing->now;
	row->number[JL__N_CPU_PERCENT] = jl_limits_get(limits, JL_LIMIT_CPU_PERCENT);
	row->number[JL__N_MEMORY] = jl_limits_get(limits, JL_LIMIT_MEMORY_BYTES);
	row->number[JL__N_IO_BPS] = io ? io : jl_limits_get(limits, JL_LIMIT_IO_READ_BPS);
	row->number[JL__N_PIDS] = jl_limits_get(limits, JL_LIMIT_PIDS);
	row->number[JL__N_DISK] = sub->disk;
	row->number[JL__N_TIMEOUT] = jl__spec_timeout_usec(sub->spec);
	row->number[JL__N_RETRIES] = sub->retries;
	row->number[JL__N_ATTEMPT] = 1;
	row->number[JL__N_UPLOADS] = sub->upload != NULL;
	row->number[JL__N_ATTACHED] =
		(sub->attached ? JL__ATTACHED_CALLER : 0) |
		(jl__spec_has_stdin(sub->spec) ? JL__ATTACHED_STDIN : 0);
	row->text[JL__T_ID] = sub->id;
	row->text[JL__T_NAME] = jl__spec_name(sub->spec);
	row->text[JL__T_NETWORK] = jl__spec_network(sub->spec);
	row->text[JL__T_CPUS] =
		*jl_limits_get_cpus(limits) ? jl_limits_get_cpus(limits) : NULL;
	row->text[JL__T_WORK_DIR] = work_dir ? work_dir : "/work";
	row->text[JL__T_OWNER] = sub->owner;
	row->text[JL__T_RECURRENCE] = sub->recurrence;
	row->text[JL__T_WARNING] = handing->warning;
}

/* When it is to start; UINT64_MAX for at once. */
static int find_due(struct handing *handing, const jl_submission *sub, jl_error **err)
{
	uint64_t now = handing->now;
	int r = 0;

	if (sub->due > now) {
		handing->row.number[JL__N_DUE] = sub->due;
	} else if (sub->recurrence) {
		r = jl__due_next(sub->recurrence, now, now,
				 &handing->row.number[JL__N_DUE], err);
		if (r == -ENOENT)
			return jl__fail(err, -EINVAL,
					"\"%.64s\" names no time in the next 30 years",
					sub->recurrence);
	} else if (sub->due) {
		handing->row.number[JL__N_DUE] = sub->due;
	}
	if (r == 0 && jl__spec_has_stdin(sub->spec) &&
	    (sub->due > now || sub->recurrence))
		return jl__fail(
			err, -EINVAL,
			"standard input cannot be kept for a job that starts later; upload it as a file");
	return r;
}

static int prepare(jl_node *node, jl_submission *sub, struct handing *handing,
		   jl_error **err)
{
	int r = jl__defaults(node, sub->spec, &sub->disk, &handing->warning, err);

	/* Now that it has a network, what is asked of that can be looked at. */
	if (r == 0)
		r = jl_job_spec_check(sub->spec, err);
	if (r == 0)
		r = jl__spec_pack(sub->spec, &handing->spec, err);
	if (r == 0)
		r = put_command(handing, sub->spec, err);
	if (r < 0)
		return r;
	fill_row(handing, sub);
	if (jl__spec_has_stdin(sub->spec)) {
		handing->held = jl__calloc(1, sizeof(*handing->held));
		if (!handing->held)
			return jl__oom(err);
	}
	return find_due(handing, sub, err);
}

/* ---- uploads ---- */

/* They are moved to the job's folder before there is a job. */
static int place_uploads(jl_node *node, jl_submission *sub, struct handing *handing,
			 jl_error **err)
{
	_cleanup_close_ int folder = -EBADF;
	int r;

	if (!sub->upload)
		return 0;
	r = jl__upload_finish(sub->upload, !sub->attached, err);
	if (r < 0)
		return r;
	handing->mark = jl__doubt_begin(node, sub->id, err);
	if (handing->mark < 0)
		return handing->mark;
	folder = jl__job_folder(node, sub->id, true);
	if (folder < 0)
		return jl__fail_errno(err, folder, "cannot make folder %s/jobs/%s",
				      node->path, sub->id);
	r = jl__upload_move(sub->upload, folder, "upload", err);
	/* The folder itself is new in there. */
	if (r == 0 && !sub->attached && fsync(node->jobs_fd) < 0)
		r = jl__fail_errno(err, -errno, "cannot write %s/jobs to disk",
				   node->path);
	return r;
}

static void settle_uploads(jl_node *node, jl_submission *sub, struct handing *handing,
			   bool kept)
{
	if (handing->mark < 0)
		return;
	if (!kept)
		jl__job_folder_remove(node, sub->id);
	jl__doubt_end(node, sub->id, handing->mark);
	handing->mark = -EBADF;
}

/* ---- the transaction ---- */

static int count(jl_node *node, int state, uint64_t *ret, jl_error **err)
{
	return jl__store_count(node->store, JL__COUNT_STATE, (uint64_t)state, ret, err);
}

static int schedule(jl_node *node, struct jl__row *row, jl_error **err)
{
	uint64_t max = node->config.number[JL_NODE_MAX_SCHEDULED], have = 0;
	int r = count(node, JL_STATE_SCHEDULED, &have, err);

	if (r == 0 && max && have >= max)
		return jl__fail(
			err, -EAGAIN,
			"%" PRIu64
			" jobs are scheduled, and no more are taken; cancel some, or raise joblet.maxScheduledJobs",
			have);
	row->number[JL__N_STATE] = JL_STATE_SCHEDULED;
	return r;
}

/* A free slot, and nobody before us in the queue. 1, or 0. */
static int may_start(jl_node *node, const struct jl__row *row, uint64_t *waiting,
		     jl_error **err)
{
	uint64_t max = node->config.number[JL_NODE_MAX_JOBS], starting = 0, running = 0;
	struct jl__row *first = NULL;
	int r = count(node, JL_STATE_INITIALIZING, &starting, err);

	if (r == 0)
		r = count(node, JL_STATE_RUNNING, &running, err);
	if (r == 0)
		r = count(node, JL_STATE_PENDING, waiting, err);
	if (r < 0 || (max && starting + running >= max))
		return r;
	r = jl__store_next_pending(node->store, node->claim, jl__now_usec(), &first, err);
	if (r < 0)
		return r;
	r = !first ||
	    (int64_t)first->number[JL__N_PRIORITY] < (int64_t)row->number[JL__N_PRIORITY];
	jl__row_free(first);
	return r;
}

static int enqueue(jl_node *node, struct handing *handing, uint64_t waiting,
		   jl_error **err)
{
	uint64_t max = node->config.number[JL_NODE_MAX_QUEUE];

	if (max && waiting >= max)
		return jl__fail(
			err, -EAGAIN,
			"%" PRIu64
			" jobs wait for a slot, and no more are taken; try later, or raise joblet.maxQueuedJobs",
			waiting);
	handing->row.number[JL__N_STATE] = JL_STATE_PENDING;
	if (handing->held)
		handing->row.text[JL__T_CLAIM] = node->claim;
	return 0;
}

static int decide(jl_node *node, struct handing *handing, jl_error **err)
{
	struct jl__row *row = &handing->row;
	uint64_t waiting = 0;
	int r;

	if (row->number[JL__N_DUE] != UINT64_MAX &&
	    (row->number[JL__N_DUE] > handing->now || row->text[JL__T_RECURRENCE]))
		return schedule(node, row, err);
	r = may_start(node, row, &waiting, err);
	if (r == 1) {
		jl__row_claim(node, row, handing->socket);
		return 0;
	}
	return r < 0 ? r : enqueue(node, handing, waiting, err);
}

static int insert(jl_node *node, jl_submission *sub, struct handing *handing,
		  jl_error **err)
{
	struct jl__details details = { .spec = handing->spec.data,
				       .spec_len = handing->spec.len };
	/* The mark of uploads is removed after it: this must not be lost alone. */
	int r = jl__store_begin(node->store, !sub->attached || sub->upload, err);

	if (r == 0)
		r = decide(node, handing, err);
	if (r == 0)
		r = jl__store_insert(node->store, &handing->row, &details, err);
	if (r == 0)
		r = jl__store_commit(node->store, err);
	jl__store_rollback(node->store);
	return r;
}

/* ---- together ---- */

static void hold(jl_node *node, jl_submission *sub, struct handing *handing)
{
	struct jl__held *held = jl__steal(handing->held);

	held->number = handing->row.number[JL__N_NUMBER];
	held->spec = jl__steal(sub->spec);
	held->next = node->held;
	node->held = held;
}

/* Slots of jobs that have ended meanwhile are free, also when nobody has seen it. */
static int free_slots(jl_node *node, jl_error **err)
{
	uint64_t max = node->config.number[JL_NODE_MAX_JOBS], starting = 0, running = 0;
	int r = count(node, JL_STATE_INITIALIZING, &starting, err);

	if (r == 0)
		r = count(node, JL_STATE_RUNNING, &running, err);
	return r < 0 || !max || starting + running < max ? r : jl__glance(node, err);
}

static int hand_in(jl_node *node, jl_submission *sub, struct handing *handing,
		   jl_error **err)
{
	bool later;
	int r;

	handing->now = jl__now_usec();
	r = prepare(node, sub, handing, err);
	later = r == 0 && handing->row.number[JL__N_DUE] != UINT64_MAX &&
		handing->row.number[JL__N_DUE] > handing->now;

	if (r == 0 && !later)
		r = jl__ctx_supervisor(node->own, &handing->socket, err);
	if (r == 0 && !later)
		r = free_slots(node, err);
	if (r == 0)
		r = place_uploads(node, sub, handing, err);
	if (r == 0)
		r = insert(node, sub, handing, err);
	settle_uploads(node, sub, handing, r == 0);
	return r;
}

int jl_node_submit(jl_node *node, jl_submission *sub, jl_job_info **ret_info,
		   jl_error **ret_err)
{
	struct handing handing = {
		.spec = JL__BUF_SECRET(JL__BLOB_MAX),
		.command = JL__BUF_INIT(JL__BLOB_MAX),
		.mark = -EBADF,
	};
	struct jl__row *row = NULL;
	uint64_t number;
	int started = 0, r = jl__node_enter(node, ret_err);

	if (r < 0)
		return r;
	if (sub->used)
		return jl__fail(ret_err, -EINVAL, "the job has been handed in already");
	jl__row_init(&handing.row);
	r = hand_in(node, sub, &handing, ret_err);
	if (r < 0) {
		handing_done(&handing);
		return r;
	}
	sub->used = true;
	number = handing.row.number[JL__N_NUMBER];
	if (handing.row.number[JL__N_STATE] == JL_STATE_INITIALIZING)
		started = jl__start(node, &handing.row, sub->spec, ret_err);
	else if (handing.row.number[JL__N_STATE] == JL_STATE_PENDING && handing.held)
		hold(node, sub, &handing);
	handing_done(&handing);
	/* Above all a job that had to wait behind others, when those can go now. */
	if (started == 0)
		r = jl__node_plan(node, ret_err);
	else
		ret_err = NULL; /* says already why it did not start */
	if (r == 0 && ret_info) {
		r = jl__get_number(node, number, &row, ret_err);
		if (r == 0)
			r = jl__info_full(node, row, ret_info, ret_err);
	}
	return started < 0 ? started : r;
}
