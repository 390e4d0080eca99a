/* SPDX-License-Identifier: MIT */
/*
 * What became of jobs that are being started or run: taking in results, and taking over
 * from processes that are gone. Rules, for a job whose keeper is gone:
 *
 *   there is a result                      it is taken in
 *   INITIALIZING, `begun` can be made now  it was never started, and cannot be any more:
 *                                          back into the queue
 *   its supervisor has it                  RUNNING, and ours to look after
 *   its supervisor or the job is gone      lost
 */
#define JL_MODULE "node"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <joblet/event.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "node/node.h"
#include "spawn/durable.h"

/* Until a writer is looked at again: about as long as a disk takes. */
#define WRITING_USEC 2000

/* ---- taking over ---- */

/* NULL: the process that had it closed its node. */
static bool same_claim(const struct jl__row *a, const struct jl__row *b)
{
	const char *one = a->text[JL__T_CLAIM], *other = b->text[JL__T_CLAIM];

	return one && other ? strcmp(one, other) == 0 : one == other;
}

static int note_keeper(jl_node *node, struct jl__row *row, const void *data,
		       jl_error **err)
{
	const struct jl__row *old = data;
	int r;

	if (!jl__row_is_active(row) || row->number[JL__N_RUN] != old->number[JL__N_RUN] ||
	    !same_claim(row, old))
		return 0;
	row->text[JL__T_CLAIM] = node->claim;
	r = jl__store_update(node->store, row, err);
	return r < 0 ? r : 1;
}

/* Becomes the keeper of a job whose keeper is gone. 1, or 0 when somebody else did. */
static int take_over(jl_node *node, struct jl__row **row, jl_error **err)
{
	struct jl__row *fresh = NULL;
	int r = jl__row_change(node, (*row)->number[JL__N_NUMBER], false, note_keeper,
			       *row, &fresh, err);

	if (r == 1) {
		jl__row_free(*row);
		*row = fresh;
	}
	return r;
}

/* One that was never started goes back; nobody can start it in this folder any more, and
 * without its standard input it must not be started in another. */
static int note_back(jl_node *node, struct jl__row *row, const void *data, jl_error **err)
{
	const struct jl__row *old = data;
	bool input = row->number[JL__N_ATTACHED] & JL__ATTACHED_STDIN;
	int r;

	if (row->number[JL__N_STATE] != JL_STATE_INITIALIZING ||
	    row->number[JL__N_RUN] != old->number[JL__N_RUN])
		return 0;
	row->number[JL__N_STATE] = JL_STATE_PENDING;
	row->text[JL__T_CLAIM] = NULL;
	row->text[JL__T_SOCKET] = NULL;
	if (input)
		row->text[JL__T_FAILURE] =
			"the process with its standard input ended before it was started";
	r = input || row->number[JL__N_STOPPING] == 1
		    ? jl__row_cancel(node, row, err)
		    : jl__store_update(node->store, row, err);
	return r < 0 ? r : 1;
}

static int put_back(jl_node *node, const struct jl__row *row, jl_error **err)
{
	int r = jl__row_change(node, row->number[JL__N_NUMBER], true, note_back, row,
			       NULL, err);

	return r < 0 ? r : 0;
}

/*
 * Whether the job was started is settled by who makes the name. The supervisor makes a
 * file; we make a link that leads nowhere: whoever is killed before he has put the job
 * back leaves the answer for the next one.
 */
static bool was_begun(jl_node *node, const struct jl__row *row)
{
	_cleanup_close_ int folder =
		jl__run_folder(node, row->text[JL__T_ID], row->number[JL__N_RUN], true);
	struct stat st;

	if (folder < 0)
		return true;
	if (symlinkat("never", folder, "begun") == 0)
		return false;
	return errno != EEXIST ||
	       fstatat(folder, "begun", &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	       !S_ISLNK(st.st_mode);
}

static int adopt(jl_node *node, const struct jl__row *row, jl_error **err)
{
	jl_error *why = NULL;
	jl_job *job = NULL;
	int r = jl__active_job(node, row, &job, &why);

	if (r == -ESRCH || r == -ENOENT) {
		r = jl__take_lost(node, row, jl_error_message(why), err);
		jl_error_free(why);
		return r;
	}
	if (r < 0) {
		/* Something else is short; it stays ours, and is tried again. */
		jl__log(node->ctx, JL_LOG_WARNING, JL_MODULE, "cannot adopt job %s: %s",
			row->text[JL__T_ID], jl_error_message(why));
		jl_error_free(why);
		return r == -ENOMEM ? jl__oom(err) : 0;
	}
	r = row->number[JL__N_STATE] == JL_STATE_RUNNING
		    ? 0
		    : jl__mark_running(node, row, job, err);
	if (r >= 0)
		r = jl__active_add(node, row, job, err);
	(void)jl_job_unref(job);
	return r;
}

/* The keeper is gone, or is this process without a handle. */
static int recover(jl_node *node, struct jl__row **row, jl_error **err)
{
	const char *claim = (*row)->text[JL__T_CLAIM];
	bool old_boot = claim && jl__claim_old_boot(claim);
	int r = claim && strcmp(claim, node->claim) == 0 ? 1 : take_over(node, row, err);

	if (r != 1)
		return r;
	if ((*row)->number[JL__N_STATE] == JL_STATE_INITIALIZING) {
		/* What was begun just before a power cut may be missing on the disk:
		 * rather lost than started twice. */
		if (old_boot)
			return jl__take_lost(node, *row,
					     "the machine went down while it was started",
					     err);
		if (!was_begun(node, *row))
			return put_back(node, *row, err);
	}
	return adopt(node, *row, err);
}

static int note_no_input(jl_node *node, struct jl__row *row, const void *data,
			 jl_error **err)
{
	int r;

	(void)data;
	if (row->number[JL__N_STATE] != JL_STATE_PENDING || !row->text[JL__T_CLAIM])
		return 0;
	row->text[JL__T_FAILURE] =
		"the process with its standard input ended before there was a slot";
	r = jl__row_cancel(node, row, err);
	return r < 0 ? r : 1;
}

/* Waits for a slot with a standard input that only its keeper has. */
static int look_at_held(jl_node *node, const struct jl__row *row, jl_error **err)
{
	int r;

	if (strcmp(row->text[JL__T_CLAIM], node->claim) == 0)
		return 0;
	r = jl__keeper_watch(node, row->text[JL__T_CLAIM], err);
	if (r == 0)
		r = jl__row_change(node, row->number[JL__N_NUMBER], true, note_no_input,
				   NULL, NULL, err);
	return r < 0 ? r : 0;
}

/* ---- looking ---- */

/* Without a keeper it runs on under its supervisor, as long as there is one. */
static int glance_at(jl_node *node, struct jl__row **row, jl_error **err)
{
	const char *claim = (*row)->text[JL__T_CLAIM];
	int r;

	if ((*row)->number[JL__N_STATE] == JL_STATE_PENDING)
		return 0;
	r = jl__take_result(node, *row, err);
	if (r != 0)
		return r < 0 ? r : 0;
	if (claim && (strcmp(claim, node->claim) == 0 || jl__claim_alive(claim, NULL)))
		return 0;
	if ((*row)->number[JL__N_STATE] == JL_STATE_RUNNING &&
	    (*row)->text[JL__T_SOCKET] &&
	    jl__supervisor_alive((*row)->text[JL__T_SOCKET]))
		return 0;
	return recover(node, row, err);
}

static int look_at(jl_node *node, struct jl__row **row, jl_error **err)
{
	struct jl_result result = { .size = sizeof(result) };
	struct jl__active *active;
	const char *claim;
	bool ours;
	int r;

	if ((*row)->number[JL__N_STATE] == JL_STATE_PENDING)
		return look_at_held(node, *row, err);
	active = jl__active_find(node, (*row)->number[JL__N_NUMBER]);
	ours = active && active->job && active->run == (*row)->number[JL__N_RUN];
	if (ours) {
		active->seen = true;
		if (jl_job_get_result(active->job, &result, NULL) == -EBUSY)
			return 0;
	}
	r = jl__take_result(node, *row, err);
	if (r != 0)
		return r < 0 ? r : 0;
	if (ours)
		return jl__take_lost(node, *row, "its supervisor died", err);
	claim = (*row)->text[JL__T_CLAIM];
	if (claim && strcmp(claim, node->claim) != 0) {
		r = jl__active_watch(node, *row, err);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return recover(node, row, err);
}

struct rows {
	struct jl__row **list;
	uint32_t count;
};

static int collect(jl_node *node, struct rows *rows, jl_error **err)
{
	struct jl__row *row;
	int r = jl__store_list_active(node->store, err);

	while (r == 0 && (r = jl__store_next(node->store, &row, err)) == 1) {
		struct jl__row **more =
			jl__resize(rows->list, (rows->count + 1) * sizeof(*rows->list));

		r = more ? 0 : jl__oom(err);
		if (!more) {
			jl__row_free(row);
			break;
		}
		rows->list = more;
		rows->list[rows->count++] = row;
	}
	jl__store_end(node->store);
	return r < 0 ? r : 0;
}

static int drain_events(jl_node *node, jl_error **err)
{
	jl_event *event;
	int r;

	while ((r = jl_ctx_next_event(node->own, &event, err)) == 1) {
		struct jl__active *active = jl__active_of(node, jl_event_get_job(event));

		if (active)
			active->ended = node->ended = true;
		else
			node->look = true;
		jl_event_free(event);
	}
	return r;
}

/* One of ours that has ended. */
static int take_ended(jl_node *node, struct jl__active *active, jl_error **err)
{
	struct jl__row *row = NULL;
	int r = jl__store_get(node->store, active->number, &row, err);

	active->ended = false;
	if (r == 0 && jl__row_is_active(row) && row->number[JL__N_RUN] == active->run)
		r = look_at(node, &row, err);
	else if (r == 0 || r == -ENOENT)
		jl__active_drop(node, active);
	jl__row_free(row);
	return r == -ENOENT ? 0 : r;
}

/* When that is all that happened the others need not be looked at: there may be many. */
static int take_ends(jl_node *node, jl_error **err)
{
	struct jl__active *active = node->active, *next;
	int r = 0;

	for (; active && r == 0; active = next) {
		next = active->next;
		if (active->ended)
			r = take_ended(node, active, err);
	}
	node->ended = false;
	if (r < 0)
		node->look = true;
	return r;
}

static int note_no_keeper(jl_node *node, struct jl__row *row, const void *data,
			  jl_error **err)
{
	int r;

	(void)data;
	if (!row->text[JL__T_CLAIM] || strcmp(row->text[JL__T_CLAIM], node->claim) != 0)
		return 0;
	row->text[JL__T_CLAIM] = NULL;
	if (row->number[JL__N_STATE] == JL_STATE_PENDING) {
		row->text[JL__T_FAILURE] =
			"the program with its standard input closed the node before there was a slot";
		r = jl__row_cancel(node, row, err);
	} else {
		r = jl__store_update(node->store, row, err);
	}
	return r < 0 ? r : 1;
}

static int let_go_of(jl_node *node, uint64_t number, jl_error **err)
{
	int r = jl__row_change(node, number, false, note_no_keeper, NULL, NULL, err);

	return r < 0 ? r : 0;
}

void jl__let_go(jl_node *node)
{
	jl_error *why = NULL;
	int r = jl__failed_note(node, &why);

	for (struct jl__held *held = node->held; held && r == 0; held = held->next)
		r = let_go_of(node, held->number, &why);
	for (struct jl__active *active = node->active; active && r == 0;
	     active = active->next)
		if (active->job)
			r = let_go_of(node, active->number, &why);
	if (r < 0)
		jl__log(node->ctx, JL_LOG_WARNING, JL_MODULE,
			"jobs stay with this process until it ends: %s",
			jl_error_message(why));
	jl_error_free(why);
}

static int look_at_all(jl_node *node,
		       int (*at)(jl_node *node, struct jl__row **row, jl_error **err),
		       jl_error **err)
{
	struct rows rows = { 0 };
	int r = collect(node, &rows, err);

	for (uint32_t i = 0; i < rows.count; i++) {
		if (r == 0)
			r = at(node, &rows.list[i], err);
		jl__row_free(rows.list[i]);
	}
	jl__free(rows.list);
	return r;
}

int jl__glance(jl_node *node, jl_error **err)
{
	int r = look_at_all(node, glance_at, err);

	if (r != -ENOSPC)
		return r;
	jl__error_clear(err);
	jl__log(node->ctx, JL_LOG_WARNING, JL_MODULE,
		"what became of jobs cannot be noted: no space is left in %s",
		node->path);
	return 0;
}

/*
 * Whether others have changed something. The event comes with the writing, and what was
 * written can be seen when it is on the disk: until then it is looked for again.
 */
static int see_changes(jl_node *node, bool *ret, jl_error **err)
{
	bool settled = true;
	int r = 0;

	if (node->written)
		r = jl__store_settled(node->store, &settled, err);
	if (r == 0 && !settled)
		r = jl__node_again(node, jl__now_usec() + WRITING_USEC, err);
	if (r < 0)
		return r;
	node->written = !settled;
	return jl__store_changed(node->store, ret, err);
}

int jl__look(jl_node *node, jl_error **err)
{
	bool changed = false;
	int r;

	jl__watch_drain(node);
	r = drain_events(node, err);
	if (r == 0)
		r = jl__failed_note(node, err);
	if (r == 0)
		r = see_changes(node, &changed, err);
	if (r < 0)
		return r;
	if (!changed && !node->look && !jl__keeper_gone(node))
		return node->ended ? take_ends(node, err) : 0;
	node->look = node->ended = false;
	jl__active_begin(node);
	r = look_at_all(node, look_at, err);
	if (r == 0)
		jl__active_sweep(node);
	else
		node->look = true;
	return r;
}
