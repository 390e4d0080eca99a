/* SPDX-License-Identifier: MIT */
/* Acting on jobs: get, list, stop, signal, cancel, delete, wait. */
#define JL_MODULE "node"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "node/node.h"
#include "spawn/durable.h"

/* ---- looking ---- */

/* With its end, when that is there; without it when there is no space to write it. */
static int take_in(jl_node *node, struct jl__row **row, jl_error **err)
{
	uint64_t number = (*row)->number[JL__N_NUMBER];
	int r = jl__take_result(node, *row, err);

	if (r == -ENOSPC) {
		jl__error_clear(err);
		return 0;
	}
	if (r != 1)
		return r;
	jl__row_free(*row);
	*row = NULL;
	return jl__get_number(node, number, row, err);
}

int jl_node_get(jl_node *node, const char *id, jl_job_info **ret_info, jl_error **ret_err)
{
	struct jl__row *row;
	int r = jl__node_enter(node, ret_err);

	if (r == 0)
		r = jl__find(node, id, &row, ret_err);
	if (r < 0)
		return r;
	/* Its end may be there, and nobody has taken it in. */
	if (jl__row_is_active(row)) {
		r = take_in(node, &row, ret_err);
		if (r < 0) {
			jl__row_free(row);
			return r;
		}
	}
	r = jl__info_full(node, row, ret_info, ret_err);
	if (r == 0 && jl__row_is_active((*ret_info)->row))
		jl__info_live(node, *ret_info);
	return r;
}

struct jl_job_list {
	jl_job_info **list;
	uint32_t count;
	uint32_t room;
};

void jl_job_list_free(jl_job_list *list)
{
	if (!list)
		return;
	for (uint32_t i = 0; i < list->count; i++)
		jl_job_info_free(list->list[i]);
	jl__free(list->list);
	jl__free(list);
}

uint32_t jl_job_list_count(const jl_job_list *list)
{
	return list ? list->count : 0;
}

const jl_job_info *jl_job_list_get(const jl_job_list *list, uint32_t index)
{
	return list && index < list->count ? list->list[index] : NULL;
}

/* Takes the row. */
static int list_add(jl_job_list *list, struct jl__row *row, jl_error **err)
{
	if (list->count == list->room) {
		uint32_t room = list->room ? list->room * 2 : 64;
		jl_job_info **more = jl__resize(list->list, room * sizeof(*list->list));

		if (!more) {
			jl__row_free(row);
			return jl__oom(err);
		}
		list->list = more;
		list->room = room;
	}
	return jl__info_new(row, &list->list[list->count], err);
}

/* What the store has, in *ret_list. */
static int list_rows(jl_node *node, uint32_t states, const char *name, uint64_t below,
		     uint32_t limit, jl_job_list **ret_list, jl_error **ret_err)
{
	jl_job_list *list = jl__calloc(1, sizeof(*list));
	struct jl__row *row;
	int r;

	if (!list)
		return jl__oom(ret_err);
	r = jl__store_list(node->store, states, name, below, limit, ret_err);
	while (r == 0 && (r = jl__store_next(node->store, &row, ret_err)) == 1) {
		r = list_add(list, row, ret_err);
		if (r == 0)
			list->count++;
	}
	jl__store_end(node->store);
	if (r < 0) {
		jl_job_list_free(list);
		return r;
	}
	*ret_list = list;
	return 0;
}

int jl_node_list(jl_node *node, uint32_t states, const char *name, uint64_t below,
		 uint32_t limit, jl_job_list **ret_list, jl_error **ret_err)
{
	int r = jl__node_enter(node, ret_err);

	if (r == 0)
		r = jl__glance(node, ret_err);
	return r < 0 ? r : list_rows(node, states, name, below, limit, ret_list, ret_err);
}

/* ---- stopping ---- */

static int ended(const struct jl__row *row, jl_error **err)
{
	return jl__fail(err, -ESRCH, "job %s has ended (%s)", row->text[JL__T_ID],
			jl_state_name((int)row->number[JL__N_STATE]));
}

/* One that does not run: canceled. One that does: no more retries. */
static int note_stop(jl_node *node, struct jl__row *row, const void *data, jl_error **err)
{
	int state = (int)row->number[JL__N_STATE], r = 0;

	(void)data;
	if (jl_state_is_final(state))
		return ended(row, err);
	if (state == JL_STATE_SCHEDULED || state == JL_STATE_PENDING) {
		r = jl__row_cancel(node, row, err);
	} else if (row->number[JL__N_STOPPING] != 1) {
		row->number[JL__N_STOPPING] = 1;
		r = jl__store_update(node->store, row, err);
	}
	return r < 0 ? r : 1;
}

/* Finds the job and decides; *ret: how it is then. */
static int change_job(jl_node *node, const char *id, jl__change change,
		      struct jl__row **ret, jl_error **err)
{
	struct jl__row *row = NULL;
	int r = jl__node_enter(node, err);

	if (r == 0)
		r = jl__find(node, id, &row, err);
	if (r == 0)
		r = jl__row_change(node, row->number[JL__N_NUMBER], true, change, NULL,
				   ret, err);
	jl__row_free(row);
	return r == 0 ? jl__fail(err, -ENOENT, "there is no job \"%.36s\" any more", id)
		      : r;
}

/* A handle of an active job; -ESRCH when its supervisor has no such job: it has ended, or
 * is not there yet. */
static int reach(jl_node *node, const struct jl__row *row, jl_job **ret, jl_error **err)
{
	jl_error *why = NULL;
	int r = jl__active_job(node, row, ret, &why);

	if (r == -ESRCH || r == -ENOENT) {
		node->look = true;
		jl_error_free(why);
		return ended(row, err);
	}
	if (err)
		*err = why;
	else
		jl_error_free(why);
	return r;
}

int jl_node_stop(jl_node *node, const char *id, uint64_t grace_usec, jl_error **ret_err)
{
	struct jl__row *now = NULL;
	jl_job *job = NULL;
	int r = change_job(node, id, note_stop, &now, ret_err);

	if (r < 0)
		return r;
	r = 0;
	if (grace_usec == JL_FOREVER)
		grace_usec = node->config.number[JL_NODE_GRACE_USEC];
	if (jl__row_is_active(now)) {
		r = reach(node, now, &job, ret_err);
		if (r == 0)
			r = jl_job_stop(job, grace_usec, ret_err);
		(void)jl_job_unref(job);
		/* It ended by itself in this moment, which is what was wanted; or it is
		 * just being started, and stopped by whoever does that. */
		if (r == -ESRCH) {
			r = 0;
			jl__error_clear(ret_err);
		}
	}
	jl__row_free(now);
	return r;
}

int jl_node_signal(jl_node *node, const char *id, int signal, jl_error **ret_err)
{
	struct jl__row *row = NULL;
	jl_job *job = NULL;
	int r = jl__node_enter(node, ret_err);

	if (r < 0)
		return r;
	if (signal < 1 || signal > 64)
		return jl__fail(ret_err, -EINVAL, "%d is not a signal; 1 to 64 are",
				signal);
	r = jl__find(node, id, &row, ret_err);
	if (r < 0)
		return r;
	if (jl_state_is_final((int)row->number[JL__N_STATE]))
		r = ended(row, ret_err);
	else if (row->number[JL__N_STATE] != JL_STATE_RUNNING)
		r = jl__fail(ret_err, -ESRCH, "job %s is %s and has no process yet",
			     row->text[JL__T_ID],
			     jl_state_name((int)row->number[JL__N_STATE]));
	else
		r = reach(node, row, &job, ret_err);
	if (r == 0)
		r = jl_job_signal(job, signal, ret_err);
	(void)jl_job_unref(job);
	jl__row_free(row);
	return r;
}

static int note_cancel(jl_node *node, struct jl__row *row, const void *data,
		       jl_error **err)
{
	int state = (int)row->number[JL__N_STATE], r;

	(void)data;
	if (state != JL_STATE_SCHEDULED)
		return jl__fail(
			err, -EBUSY,
			"job %s is %s, not SCHEDULED; only scheduled jobs are canceled%s",
			row->text[JL__T_ID], jl_state_name(state),
			jl_state_is_final(state) ? "" : ", others are stopped");
	r = jl__row_cancel(node, row, err);
	return r < 0 ? r : 1;
}

int jl_node_cancel(jl_node *node, const char *id, jl_error **ret_err)
{
	int r = change_job(node, id, note_cancel, NULL, ret_err);

	return r < 0 ? r : 0;
}

/* ---- waiting ---- */

static uint64_t steady_usec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* 1 when it has ended, 0 when not (or deleted: then it has, with -ENOENT). */
static int has_ended(jl_node *node, uint64_t number, jl_error **err)
{
	struct jl__row *row = NULL;
	int r = jl_node_process(node, err);

	if (r == 0)
		r = jl__get_number(node, number, &row, err);
	if (r == 0)
		r = jl_state_is_final((int)row->number[JL__N_STATE]);
	jl__row_free(row);
	return r;
}

static void wait_for(const jl_node *node, uint64_t usec)
{
	struct pollfd ready = { .fd = node->epoll_fd, .events = POLLIN };
	struct timespec limit = { (time_t)(usec / 1000000),
				  (long)(usec % 1000000 * 1000) };

	(void)ppoll(&ready, 1, usec == JL_FOREVER ? NULL : &limit, NULL);
}

int jl_node_wait(jl_node *node, const char *id, uint64_t timeout_usec, jl_error **ret_err)
{
	uint64_t start = steady_usec(), number, passed;
	struct jl__row *row = NULL;
	int r = jl__node_enter(node, ret_err);

	if (r == 0)
		r = jl__find(node, id, &row, ret_err);
	if (r < 0)
		return r;
	number = row->number[JL__N_NUMBER];
	while ((r = has_ended(node, number, ret_err)) == 0) {
		passed = steady_usec() - start;
		if (timeout_usec != JL_FOREVER && passed >= timeout_usec) {
			r = jl__fail(ret_err, -ETIMEDOUT, "job %s has not ended",
				     row->text[JL__T_ID]);
			break;
		}
		wait_for(node,
			 timeout_usec == JL_FOREVER ? JL_FOREVER : timeout_usec - passed);
	}
	jl__row_free(row);
	return r < 0 ? r : 0;
}
