/* SPDX-License-Identifier: MIT */
/*
 * Jobs whose time has come. A recurring job stays SCHEDULED and makes a job of its own
 * for each run; a run is left out while the one before has not ended, and of runs missed
 * while nobody was there one is made up for.
 */
#define JL_MODULE "node"

#include <errno.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "node/node.h"
#include "node/uuid.h"
#include "sched/sched.h"

/* In one go: whoever processes a node has other work, too. */
#define DUE_STEP 50
/* Until a rule that cannot be read is tried again. */
#define RULE_RETRY_USEC UINT64_C(60000000)

int jl__due_next(const char *text, uint64_t last, uint64_t now, uint64_t *ret,
		 jl_error **err)
{
	jl_rule *rule;
	int r = jl_rule_parse(text, &rule, err);

	if (r < 0)
		return r;
	/* Missed ones are not made up for one by one; a span keeps its beat. */
	r = jl__rule_skip(rule, last, now, ret);
	jl_rule_free(rule);
	return r;
}

/* A run of a recurring job, which shares its uploads. */
static int make_run(jl_node *node, const struct jl__row *series, jl_error **err)
{
	_cleanup_free_ struct jl__row *run = jl__alloc(sizeof(*run));
	struct jl__details details = { 0 };
	char id[JL__UUID_MAX];
	int r;

	if (!run)
		return jl__oom(err);
	*run = *series;
	r = jl__uuid_make(id, err);
	if (r == 0)
		r = jl__store_get_details(node->store, series->number[JL__N_NUMBER],
					  &details, err);
	if (r < 0)
		return r;
	run->number[JL__N_NUMBER] = 0;
	run->number[JL__N_SERIES] = series->number[JL__N_NUMBER];
	run->number[JL__N_STATE] = JL_STATE_PENDING;
	run->number[JL__N_CREATED] = jl__now_usec();
	run->text[JL__T_ID] = id;
	run->text[JL__T_RECURRENCE] = NULL;
	r = jl__store_insert(node->store, run, &details, err);
	jl__details_done(&details);
	return r;
}

/* One run, unless the one before goes on. */
static int make_or_leave(jl_node *node, const struct jl__row *row, jl_error **err)
{
	uint64_t running;
	int r = jl__store_count(node->store, JL__COUNT_SERIES, row->number[JL__N_NUMBER],
				&running, err);

	if (r < 0 || !running)
		return r < 0 ? r : make_run(node, row, err);
	jl__log(node->ctx, JL_LOG_WARNING, JL_MODULE,
		"job %s is due, and its run before has not ended: left out",
		row->text[JL__T_ID]);
	return 0;
}

static int run_series(jl_node *node, struct jl__row *row, uint64_t now, jl_error **err)
{
	jl_error *why = NULL;
	uint64_t next = 0;
	int made, r = jl__due_next(row->text[JL__T_RECURRENCE], row->number[JL__N_DUE],
				   now, &next, &why);

	if (r == -ENOMEM) {
		jl_error_free(why);
		return jl__oom(err);
	}
	if (r < 0 && r != -ENOENT) {
		/* Of this process or this moment (a variable TZ that names nothing, zone
		 * files that are just being replaced), and no reason to end a job. */
		jl__log(node->ctx, JL_LOG_ERROR, JL_MODULE, "job %s has to wait: %s",
			row->text[JL__T_ID], jl_error_message(why));
		jl_error_free(why);
		row->number[JL__N_DUE] = now + RULE_RETRY_USEC;
		return jl__store_update(node->store, row, err);
	}
	jl_error_free(why);
	made = make_or_leave(node, row, err);
	if (made < 0)
		return made;
	if (r == -ENOENT) {
		/* A date that never comes again. */
		row->number[JL__N_END] = now;
		return jl__row_end(node, row, JL_STATE_COMPLETED, err);
	}
	row->number[JL__N_DUE] = next;
	return jl__store_update(node->store, row, err);
}

/* 1 when there was one. */
static int run_one(jl_node *node, uint64_t now, jl_error **err)
{
	struct jl__row *row = NULL;
	int r = jl__store_begin(node->store, false, err);

	if (r == 0)
		r = jl__store_next_due(node->store, now, &row, err);
	if (r == 1) {
		if (row->text[JL__T_RECURRENCE]) {
			r = run_series(node, row, now, err);
		} else {
			row->number[JL__N_STATE] = JL_STATE_PENDING;
			r = jl__store_update(node->store, row, err);
		}
		if (r == 0)
			r = jl__store_commit(node->store, err);
		if (r == 0)
			jl__uploads_drop(node, row);
		if (r == 0)
			jl__log(node->ctx, JL_LOG_INFO, "scheduler",
				"scheduled job %s is due", row->text[JL__T_ID]);
		r = r < 0 ? r : 1;
	}
	jl__store_rollback(node->store);
	jl__row_free(row);
	return r;
}

int jl__due_run(jl_node *node, jl_error **err)
{
	uint64_t next, now = jl__now_usec();
	int r = jl__store_count(node->store, JL__COUNT_NEXT, now, &next, err);

	/* Most of the time nothing is due, and nobody has to wait for the write lock. */
	if (r < 0 || next > now)
		return r;
	r = 1;
	for (int i = 0; r == 1 && i < DUE_STEP; i++)
		r = run_one(node, now, err);
	return r == 1 ? jl__node_again(node, now, err) : r;
}
