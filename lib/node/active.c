/* SPDX-License-Identifier: MIT */
/*
 * What this process knows of jobs that are being started or run: handles of its own and
 * adopted ones, watches on the folders of the others, and on the processes that look
 * after those.
 */
#define JL_MODULE "node"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "node/node.h"
#include "spawn/durable.h"

struct jl__active *jl__active_find(const jl_node *node, uint64_t number)
{
	struct jl__active *active = node->active;

	while (active && active->number != number)
		active = active->next;
	return active;
}

struct jl__active *jl__active_of(const jl_node *node, const jl_job *job)
{
	struct jl__active *active = node->active;

	while (active && active->job != job)
		active = active->next;
	return active;
}

static void forget(jl_node *node, struct jl__active *active)
{
	if (active->watch >= 0)
		(void)inotify_rm_watch(node->inotify_fd, active->watch);
	(void)jl_job_unref(active->job);
	active->job = NULL;
	active->watch = -1;
	active->ended = false;
}

void jl__active_drop(jl_node *node, struct jl__active *active)
{
	struct jl__active **slot = &node->active;

	while (*slot != active)
		slot = &(*slot)->next;
	*slot = active->next;
	forget(node, active);
	jl__free(active);
}

int jl__active_add(jl_node *node, const struct jl__row *row, jl_job *job, jl_error **err)
{
	struct jl__active *active = jl__active_find(node, row->number[JL__N_NUMBER]);

	if (!active) {
		active = jl__calloc(1, sizeof(*active));
		if (!active)
			return jl__oom(err);
		active->number = row->number[JL__N_NUMBER];
		active->watch = -1;
		active->next = node->active;
		node->active = active;
	} else if (active->run != row->number[JL__N_RUN]) {
		forget(node, active);
	}
	active->run = row->number[JL__N_RUN];
	active->seen = true;
	if (job) {
		(void)jl_job_unref(active->job);
		active->job = jl_job_ref(job);
	}
	return 0;
}

/* ---- those of others ---- */

/* Its result shows as a file in its folder. */
static void watch_folder(jl_node *node, struct jl__active *active,
			 const struct jl__row *row)
{
	char path[64];
	int fd;

	if (active->watch >= 0 || node->inotify_fd < 0)
		return;
	/* By its descriptor: the path of the state folder may be long. */
	fd = jl__run_folder(node, row->text[JL__T_ID], row->number[JL__N_RUN], true);
	if (fd < 0)
		return;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	active->watch = inotify_add_watch(node->inotify_fd, path,
					  IN_MOVED_TO | IN_CREATE | IN_ONLYDIR);
	(void)jl__close(fd);
}

int jl__keeper_watch(jl_node *node, const char *claim, jl_error **err)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT };
	struct jl__keeper *keeper = node->keepers;

	while (keeper && strcmp(keeper->claim, claim) != 0)
		keeper = keeper->next;
	if (keeper) {
		keeper->seen = true;
		return jl__claim_alive(claim, NULL);
	}
	keeper = jl__calloc(1, sizeof(*keeper));
	if (!keeper)
		return jl__oom(err);
	keeper->pidfd = -EBADF;
	if (!jl__claim_alive(claim, &keeper->pidfd)) {
		jl__free(keeper);
		return 0;
	}
	(void)snprintf(keeper->claim, sizeof(keeper->claim), "%s", claim);
	/* Without a descriptor (EMFILE) its end is noticed when somebody looks. */
	if (keeper->pidfd >= 0)
		(void)epoll_ctl(node->epoll_fd, EPOLL_CTL_ADD, keeper->pidfd, &event);
	keeper->seen = true;
	keeper->next = node->keepers;
	node->keepers = keeper;
	return 1;
}

static void drop_keeper(struct jl__keeper **slot)
{
	struct jl__keeper *keeper = *slot;

	*slot = keeper->next;
	(void)jl__close(keeper->pidfd);
	jl__free(keeper);
}

int jl__active_watch(jl_node *node, const struct jl__row *row, jl_error **err)
{
	struct jl__active *active;
	int r = jl__keeper_watch(node, row->text[JL__T_CLAIM], err);

	if (r != 1)
		return r;
	r = jl__active_add(node, row, NULL, err);
	if (r < 0)
		return r;
	active = jl__active_find(node, row->number[JL__N_NUMBER]);
	if (active->watch < 0) {
		watch_folder(node, active, row);
		/* It may have come before the watch. */
		r = jl__take_result(node, row, err);
		if (r < 0)
			return r;
	}
	return 1;
}

bool jl__keeper_gone(const jl_node *node)
{
	for (const struct jl__keeper *keeper = node->keepers; keeper;
	     keeper = keeper->next) {
		struct pollfd ended = { .fd = keeper->pidfd, .events = POLLIN };

		if (poll(&ended, 1, 0) > 0)
			return true;
	}
	return false;
}

void jl__active_begin(jl_node *node)
{
	for (struct jl__active *active = node->active; active; active = active->next)
		active->seen = false;
	for (struct jl__keeper *keeper = node->keepers; keeper; keeper = keeper->next)
		keeper->seen = false;
}

void jl__active_sweep(jl_node *node)
{
	struct jl__active *active = node->active, *next;

	for (; active; active = next) {
		next = active->next;
		if (!active->seen)
			jl__active_drop(node, active);
	}
	for (struct jl__keeper **slot = &node->keepers; *slot;)
		if ((*slot)->seen)
			slot = &(*slot)->next;
		else
			drop_keeper(slot);
}

void jl__active_done(jl_node *node)
{
	while (node->active)
		jl__active_drop(node, node->active);
	while (node->keepers)
		drop_keeper(&node->keepers);
}

int jl__active_job(jl_node *node, const struct jl__row *row, jl_job **ret, jl_error **err)
{
	struct jl__active *active = jl__active_find(node, row->number[JL__N_NUMBER]);

	if (active && active->job && active->run == row->number[JL__N_RUN]) {
		*ret = jl_job_ref(active->job);
		return 0;
	}
	if (!row->text[JL__T_SOCKET])
		return jl__fail(err, -ESRCH, "job %s has no supervisor",
				row->text[JL__T_ID]);
	return jl__job_adopt(node->own, row->text[JL__T_SOCKET], row->text[JL__T_ID], ret,
			     err);
}

void jl__watch_drain(jl_node *node)
{
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t got;

	if (node->inotify_fd < 0)
		return;
	while ((got = read(node->inotify_fd, events, sizeof(events))) > 0)
		for (ssize_t at = 0; at < got;) {
			const struct inotify_event *event =
				(const struct inotify_event *)(events + at);

			if (event->wd == node->inotify_store)
				node->written = true;
			else if (!(event->mask & IN_IGNORED))
				node->look = true;
			at += (ssize_t)sizeof(*event) + event->len;
		}
}
