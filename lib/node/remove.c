/* SPDX-License-Identifier: MIT */
/*
 * Deleting ended jobs. A mark in doubt/ first, then the rows, then the folders: killed in
 * between, the next one to open the node goes on from the mark.
 */
#define JL_MODULE "node"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "node/node.h"
#include "node/uuid.h"
#include "upload/upload.h"

/* So many in one transaction, that nobody waits for long. */
#define BATCH 200
/* What is older than it is to be kept is looked for no more often. */
#define RETAIN_USEC 1000000

/* With the write lock. -EBUSY with a sentence when it must stay. */
static int may_go(jl_node *node, uint64_t number, jl_error **err)
{
	struct jl__row *row = NULL;
	uint64_t runs = 0;
	int r = jl__get_number(node, number, &row, err);

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
	_cleanup_close_ int folder = -EBADF;
	uint64_t runs = 0;

	if (!jl_state_is_final((int)row->number[JL__N_STATE]) ||
	    jl__store_count(node->store, JL__COUNT_SERIES, row->number[JL__N_NUMBER],
			    &runs, NULL) < 0 ||
	    runs)
		return;
	folder = jl__job_folder(node, row->text[JL__T_ID], false);
	if (folder >= 0)
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

/* ---- deleting ---- */

struct batch {
	struct jl__row *rows[BATCH];
	bool gone[BATCH];
	uint32_t count;
	uint32_t deleted;
	uint32_t kept; /* must stay */
};

/* In its transaction. Fails with -EBUSY or -ENOENT when that is so of all of them. */
static int delete_rows(jl_node *node, struct batch *batch, jl_error **err)
{
	int r = 0;

	for (uint32_t i = 0; i < batch->count; i++) {
		uint64_t number = batch->rows[i]->number[JL__N_NUMBER];

		r = may_go(node, number, err);
		if (r == 0)
			r = jl__store_delete(node->store, number, err);
		batch->gone[i] = r == 0;
		batch->deleted += r == 0;
		batch->kept += r == -EBUSY;
		if (r < 0 && r != -EBUSY && r != -ENOENT)
			return r;
	}
	return batch->deleted ? 0 : r;
}

static int write_mark(int mark, const struct batch *batch, jl_error **err)
{
	char text[BATCH * JL__MARK_ENTRY];
	size_t len = 0;

	for (uint32_t i = 0; i < batch->count; i++) {
		memcpy(text + len, batch->rows[i]->text[JL__T_ID], JL__MARK_ENTRY - 1);
		len += JL__MARK_ENTRY;
		text[len - 1] = '\n';
	}
	return write(mark, text, len) == (ssize_t)len
		       ? 0
		       : jl__fail_errno(err, -ENOSPC, "cannot mark what is deleted");
}

/*
 * One mark and one transaction for all of them. One that goes alone is on the disk when
 * the store forgets it.
 */
static int delete_batch(jl_node *node, struct batch *batch, jl_error **err)
{
	bool several = batch->count > 1;
	char name[JL__UUID_MAX];
	int mark, r = 0;

	if (several)
		r = jl__uuid_make(name, err);
	else
		(void)snprintf(name, sizeof(name), "%s", batch->rows[0]->text[JL__T_ID]);
	if (r < 0)
		return r;
	mark = jl__doubt_begin(node, name, err);
	if (mark < 0)
		return mark;
	if (several)
		r = write_mark(mark, batch, err);
	if (r == 0)
		r = jl__store_begin(node->store, several, err);
	if (r == 0)
		r = delete_rows(node, batch, err);
	if (r == 0)
		r = jl__store_commit(node->store, err);
	jl__store_rollback(node->store);
	for (uint32_t i = 0; r == 0 && i < batch->count; i++)
		if (batch->gone[i])
			jl__job_folder_remove(node, batch->rows[i]->text[JL__T_ID]);
	jl__doubt_end(node, name, mark);
	return r;
}

static int delete_one(jl_node *node, const char *id, jl_error **err)
{
	struct batch batch = { .count = 1 };
	int r = jl__find(node, id, &batch.rows[0], err);

	if (r == 0 && jl__row_is_active(batch.rows[0]))
		r = jl__take_result(node, batch.rows[0], err);
	if (r >= 0)
		r = delete_batch(node, &batch, err);
	jl__row_free(batch.rows[0]);
	if (r == 0)
		jl__store_forget(node->store);
	return r;
}

int jl_node_delete(jl_node *node, const char *id, jl_error **ret_err)
{
	int r = jl__node_enter(node, ret_err);

	if (r == 0)
		r = delete_one(node, id, ret_err);
	if (r != -ENOSPC || !jl__reserve_use(node))
		return r;
	jl__error_clear(ret_err);
	r = delete_one(node, id, ret_err);
	jl__reserve_make(node);
	return r;
}

/* ---- many ---- */

/* The ended ones of what the store lists; *ret_last: the number of the last one it has,
 * 0 when that was all. */
static int fill(jl_node *node, struct batch *batch, uint64_t *ret_last, jl_error **err)
{
	uint64_t last = 0;
	uint32_t seen = 0;
	struct jl__row *row;
	int r;

	while ((r = jl__store_next(node->store, &row, err)) == 1) {
		seen++;
		last = row->number[JL__N_NUMBER];
		if (jl_state_is_final((int)row->number[JL__N_STATE])) {
			batch->rows[batch->count++] = row;
		} else {
			batch->kept++;
			jl__row_free(row);
		}
	}
	jl__store_end(node->store);
	*ret_last = seen == BATCH ? last : 0;
	return r;
}

/* Deletes what the store lists, at most BATCH, as far as it may go. */
static int delete_listed(jl_node *node, struct batch *batch, uint64_t *ret_last,
			 jl_error **err)
{
	int r = fill(node, batch, ret_last, err);

	if (r == 0 && batch->count)
		r = delete_batch(node, batch, err);
	/* Needed by others, or somebody else was faster. */
	if (r == -EBUSY || r == -ENOENT)
		r = 0;
	if (r == 0)
		jl__error_clear(err);
	for (uint32_t i = 0; i < batch->count; i++)
		jl__row_free(batch->rows[i]);
	return r;
}

static int delete_below(jl_node *node, struct batch *batch, uint64_t below,
			uint64_t *ret_last, jl_error **err)
{
	int r = jl__store_list(node->store, 0, NULL, below, BATCH, err);

	return r < 0 ? r : delete_listed(node, batch, ret_last, err);
}

int jl_node_delete_some(jl_node *node, uint64_t *below, uint32_t *deleted,
			uint32_t *skipped, jl_error **ret_err)
{
	struct batch batch = { 0 };
	uint64_t last = 0;
	int r = jl__node_enter(node, ret_err);

	if (r == 0 && *below == 0)
		r = jl__glance(node, ret_err);
	if (r == 0)
		r = delete_below(node, &batch, *below, &last, ret_err);
	if (r == -ENOSPC && jl__reserve_use(node)) {
		jl__error_clear(ret_err);
		batch = (struct batch){ 0 };
		r = delete_below(node, &batch, *below, &last, ret_err);
		jl__reserve_make(node);
	}
	if (r < 0)
		return r;
	*below = last;
	*deleted += batch.deleted;
	*skipped += batch.kept;
	/* Numbers begin with 1. */
	if (last > 1)
		return 1;
	jl__store_forget(node->store);
	return 0;
}

int jl_node_delete_all(jl_node *node, uint32_t *ret_deleted, uint32_t *ret_skipped,
		       jl_error **ret_err)
{
	uint32_t deleted = 0, skipped = 0;
	uint64_t below = 0;
	int r;

	do
		r = jl_node_delete_some(node, &below, &deleted, &skipped, ret_err);
	while (r == 1);
	if (r < 0)
		return r;
	if (ret_deleted)
		*ret_deleted = deleted;
	if (ret_skipped)
		*ret_skipped = skipped;
	return 0;
}

/* ---- retention ---- */

/* 1 when there may be more to remove. */
static int retain_batch(jl_node *node, uint64_t keep, uint64_t before, jl_error **err)
{
	struct batch batch = { 0 };
	uint64_t last;
	int r = jl__store_list_old(node->store, keep, before, BATCH, err);

	if (r == 0)
		r = delete_listed(node, &batch, &last, err);
	return r < 0 ? r : batch.deleted == BATCH;
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
	/* To count them is to go through all of them: not after each one. */
	if (now >= node->retained_usec && now - node->retained_usec < RETAIN_USEC)
		return jl__node_again(node, node->retained_usec + RETAIN_USEC, err);
	for (int state = JL_STATE_COMPLETED; r == 0 && state <= JL_STATE_CANCELED;
	     state++) {
		uint64_t count = 0;

		r = jl__store_count(node->store, JL__COUNT_STATE, (uint64_t)state, &count,
				    err);
		ended += count;
	}
	if (r == 0 && (span || (keep && ended > keep))) {
		r = retain_batch(node, keep, span && now > span ? now - span : 0, err);
		/* The rest when the node is processed next, which is at once. */
		if (r == 1)
			return jl__node_again(node, now, err);
		if (r == 0)
			jl__store_forget(node->store);
	}
	if (r == 0) {
		node->retained_change = change;
		node->retained_usec = now;
	}
	return r;
}
