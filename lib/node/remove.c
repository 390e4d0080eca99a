/* SPDX-License-Identifier: MIT */
/*
 * Deleting ended jobs. A mark in doubt/ first, then the row, then the folder: killed in
 * between, the next one to open the node goes on from the mark.
 */
#define JL_MODULE "node"

#include <errno.h>
#include <inttypes.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "node/node.h"
#include "upload/upload.h"

/* So many in one go, that nobody waits for long. */
#define RETAIN_BATCH 64

/* With the write lock. -EBUSY with a sentence when it must stay. */
static int may_go(jl_node *node, uint64_t number, jl_error **err)
{
	struct jl__row *row = NULL;
	uint64_t runs = 0;
	int r = jl__store_get(node->store, number, &row, err);

	if (r < 0)
		return r;
	if (!jl_state_is_final((int)row->number[JL__N_STATE])) {
		r = jl__fail(err, -EBUSY, "job %s is %s; %s it first",
			     row->text[JL__T_ID],
			     jl_state_name((int)row->number[JL__N_STATE]),
			     row->number[JL__N_STATE] == JL_STATE_SCHEDULED ? "cancel"
									    : "stop");
	} else if (row->number[JL__N_UPLOADS] &&
		   row->number[JL__N_UPLOADS] != UINT64_MAX) {
		r = jl__store_count(node->store, JL__COUNT_SERIES, number, &runs, err);
		if (r == 0 && runs)
			r = jl__fail(
				err, -EBUSY,
				"a run of job %s has not ended and needs its uploads",
				row->text[JL__T_ID]);
	}
	jl__row_free(row);
	return r;
}

static void drop_files(jl_node *node, const struct jl__row *row)
{
	_cleanup_close_ int folder = jl__job_folder(node, row->text[JL__T_ID], false);
	uint64_t runs = 0;

	if (jl__store_count(node->store, JL__COUNT_SERIES, row->number[JL__N_NUMBER],
			    &runs, NULL) < 0)
		return;
	if (folder >= 0 && runs == 0 && jl_state_is_final((int)row->number[JL__N_STATE]))
		jl__upload_drop(folder, "upload");
}

void jl__uploads_drop(jl_node *node, const struct jl__row *row)
{
	struct jl__row *series = NULL;

	if (row->number[JL__N_UPLOADS] == 0 || row->number[JL__N_UPLOADS] == UINT64_MAX)
		return;
	if (row->number[JL__N_SERIES] == UINT64_MAX) {
		drop_files(node, row);
	} else if (jl__store_get(node->store, row->number[JL__N_SERIES], &series, NULL) ==
		   0) {
		drop_files(node, series);
		jl__row_free(series);
	}
}

int jl__job_delete(jl_node *node, const struct jl__row *row, jl_error **err)
{
	const char *id = row->text[JL__T_ID];
	int mark = jl__doubt_begin(node, id, err), r;

	if (mark < 0)
		return mark;
	r = jl__store_begin(node->store, false, err);
	if (r == 0)
		r = may_go(node, row->number[JL__N_NUMBER], err);
	if (r == 0)
		r = jl__store_delete(node->store, row->number[JL__N_NUMBER], err);
	if (r == 0)
		r = jl__store_commit(node->store, err);
	jl__store_rollback(node->store);
	if (r == 0)
		jl__job_folder_remove(node, id);
	jl__doubt_end(node, id, mark);
	return r;
}

/* ---- retention ---- */

/* 1 when there may be more to remove. */
static int retain_batch(jl_node *node, uint64_t keep, uint64_t before, jl_error **err)
{
	struct jl__row *rows[RETAIN_BATCH];
	uint32_t count = 0, gone = 0;
	int r = jl__store_list_old(node->store, keep, before, RETAIN_BATCH, err);

	while (r == 0 && count < RETAIN_BATCH) {
		r = jl__store_next(node->store, &rows[count], err);
		if (r != 1)
			break;
		count++;
		r = 0;
	}
	jl__store_end(node->store);
	for (uint32_t i = 0; i < count; i++) {
		if (r == 0) {
			r = jl__job_delete(node, rows[i], NULL);
			gone += r == 0;
			/* Needed by others, or somebody else was faster. */
			if (r == -EBUSY || r == -ENOENT)
				r = 0;
			else if (r < 0)
				r = jl__fail_errno(err, r, "cannot remove job %s",
						   rows[i]->text[JL__T_ID]);
		}
		jl__row_free(rows[i]);
	}
	return r < 0 ? r : gone == RETAIN_BATCH;
}

int jl__retain(jl_node *node, jl_error **err)
{
	uint64_t keep = node->config.number[JL_NODE_KEEP_JOBS];
	uint64_t span = node->config.number[JL_NODE_KEEP_USEC], now = jl__now_usec();
	uint64_t change, ended = 0;
	int r = jl__store_count(node->store, JL__COUNT_CHANGE, 0, &change, err);

	if (r < 0 || (!keep && !span) ||
	    (change == node->retained_change && now < node->retained_usec + 60000000))
		return r;
	for (int state = JL_STATE_COMPLETED; r == 0 && state <= JL_STATE_CANCELED;
	     state++) {
		uint64_t count = 0;

		r = jl__store_count(node->store, JL__COUNT_STATE, (uint64_t)state, &count,
				    err);
		ended += count;
	}
	if (r == 0 && (span || (keep && ended > keep))) {
		do
			r = retain_batch(node, keep, span && now > span ? now - span : 0,
					 err);
		while (r == 1);
		jl__store_forget(node->store);
	}
	if (r == 0) {
		node->retained_change = change;
		node->retained_usec = now;
	}
	return r;
}
