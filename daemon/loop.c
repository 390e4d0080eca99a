/* SPDX-License-Identifier: MIT */
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "text.h"

#define EVENTS_MAX 64

struct loop {
	int fd;
	struct epoll_event events[EVENTS_MAX];
	int count, at;	      /* of events, while they are delivered */
	struct timer *timers; /* the next one first */
	void (*idle)(void *data);
	void *idle_data;
};

int loop_new(struct loop **ret)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return -ENOMEM;
	loop->fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->fd < 0) {
		int r = -errno;

		free(loop);
		return r;
	}
	*ret = loop;
	return 0;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	(void)close(loop->fd);
	free(loop);
}

int loop_watch(struct loop *loop, struct watch *watch, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data = { .ptr = watch } };

	if (epoll_ctl(loop->fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	watch->fd = fd;
	return 0;
}

int loop_rearm(struct loop *loop, struct watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data = { .ptr = watch } };

	return epoll_ctl(loop->fd, EPOLL_CTL_MOD, watch->fd, &event) < 0 ? -errno : 0;
}

void loop_unwatch(struct loop *loop, struct watch *watch)
{
	if (watch->fd < 0)
		return;
	(void)epoll_ctl(loop->fd, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->fd = -1;
	for (int i = loop->at; i < loop->count; i++) {
		if (loop->events[i].data.ptr == watch)
			loop->events[i].data.ptr = NULL;
	}
}

void loop_set_timer(struct loop *loop, struct timer *timer, uint64_t at_usec)
{
	struct timer **slot = &loop->timers;

	loop_clear_timer(loop, timer);
	while (*slot && (*slot)->at_usec <= at_usec)
		slot = &(*slot)->next;
	timer->at_usec = at_usec ? at_usec : 1;
	timer->next = *slot;
	*slot = timer;
}

void loop_clear_timer(struct loop *loop, struct timer *timer)
{
	struct timer **slot = &loop->timers;

	if (!timer->at_usec)
		return;
	while (*slot && *slot != timer)
		slot = &(*slot)->next;
	if (*slot)
		*slot = timer->next;
	timer->at_usec = 0;
	timer->next = NULL;
}

static int timeout_ms(const struct loop *loop)
{
	uint64_t now, left;

	if (!loop->timers)
		return -1;
	now = monotonic_usec();
	if (loop->timers->at_usec <= now)
		return 0;
	/* Rounded up: early would mean a turn for nothing. */
	left = (loop->timers->at_usec - now + 999) / 1000;
	return left > 3600 * 1000 ? 3600 * 1000 : (int)left;
}

static void run_timers(struct loop *loop)
{
	uint64_t now = monotonic_usec();

	while (loop->timers && loop->timers->at_usec <= now) {
		struct timer *timer = loop->timers;

		loop_clear_timer(loop, timer);
		timer->due(timer);
	}
}

int loop_turn(struct loop *loop)
{
	int n = epoll_wait(loop->fd, loop->events, EVENTS_MAX, timeout_ms(loop));

	if (n < 0 && errno != EINTR)
		return -errno;
	loop->count = n > 0 ? n : 0;
	for (loop->at = 0; loop->at < loop->count;) {
		struct epoll_event *event = &loop->events[loop->at++];
		struct watch *watch = event->data.ptr;

		if (watch)
			watch->ready(watch, event->events);
	}
	loop->count = 0;
	run_timers(loop);
	if (loop->idle)
		loop->idle(loop->idle_data);
	return 0;
}

void loop_set_idle(struct loop *loop, void (*idle)(void *data), void *data)
{
	loop->idle = idle;
	loop->idle_data = data;
}
