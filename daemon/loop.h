/* SPDX-License-Identifier: MIT */
/*
 * The daemon's one loop: descriptors that call a function when they are ready, and
 * timers. Everything happens on one thread, so handlers must not wait.
 */
#ifndef DAEMON_LOOP_H
#define DAEMON_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

/* A descriptor that is watched; embedded where it belongs. */
struct watch {
	void (*ready)(struct watch *watch, uint32_t events);
	int fd; /* -1: not watched */
};

/* A moment on the clock that is never set; embedded likewise. */
struct timer {
	void (*due)(struct timer *timer);
	uint64_t at_usec; /* 0: not set */
	struct timer *next;
};

int loop_new(struct loop **ret);
void loop_free(struct loop *loop);

/* events of epoll(7); EPOLLONESHOT is fine, loop_rearm() then arms again. 0 or -errno. */
int loop_watch(struct loop *loop, struct watch *watch, int fd, uint32_t events);
int loop_rearm(struct loop *loop, struct watch *watch, uint32_t events);
/* Again is fine; events that were already fetched are not delivered any more. */
void loop_unwatch(struct loop *loop, struct watch *watch);

/* Sets or moves a timer; it runs once. */
void loop_set_timer(struct loop *loop, struct timer *timer, uint64_t at_usec);
void loop_clear_timer(struct loop *loop, struct timer *timer);

/*
 * Waits and delivers, once; idle() of loop_set_idle() runs afterwards, so that what
 * handlers began is carried on. Returns 0 or -errno of epoll itself.
 */
int loop_turn(struct loop *loop);
void loop_set_idle(struct loop *loop, void (*idle)(void *data), void *data);

#endif
