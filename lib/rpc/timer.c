/* SPDX-License-Identifier: MIT */
#include "rpc/timer.h"

#include <errno.h>
#include <time.h>

#include "base/alloc.h"

void jl__rpc_timers_done(struct jl__rpc_timers *timers)
{
	jl__free(timers->list);
	*timers = (struct jl__rpc_timers){ 0 };
}

int jl__rpc_timers_reserve(struct jl__rpc_timers *timers, uint32_t count)
{
	struct jl__rpc_timer **list;
	uint32_t size = timers->size ? timers->size : 64;

	while (size < count)
		size *= 2;
	if (size == timers->size)
		return 0;
	list = jl__resize(timers->list, size * sizeof(struct jl__rpc_timer *));
	if (!list)
		return -ENOMEM;
	timers->list = list;
	timers->size = size;
	return 0;
}

/* Places count from 1: parent of i is i / 2. */
static void put(struct jl__rpc_timers *timers, uint32_t place,
		struct jl__rpc_timer *timer)
{
	timers->list[place - 1] = timer;
	timer->place = place;
}

static struct jl__rpc_timer *get(const struct jl__rpc_timers *timers, uint32_t place)
{
	return timers->list[place - 1];
}

static void settle(struct jl__rpc_timers *timers, uint32_t place,
		   struct jl__rpc_timer *timer)
{
	while (place > 1 && get(timers, place / 2)->at_usec > timer->at_usec) {
		put(timers, place, get(timers, place / 2));
		place /= 2;
	}
	for (;;) {
		uint32_t child = 2 * place;

		if (child > timers->count)
			break;
		if (child < timers->count &&
		    get(timers, child + 1)->at_usec < get(timers, child)->at_usec)
			child++;
		if (get(timers, child)->at_usec >= timer->at_usec)
			break;
		put(timers, place, get(timers, child));
		place = child;
	}
	put(timers, place, timer);
}

void jl__rpc_timer_set(struct jl__rpc_timers *timers, struct jl__rpc_timer *timer,
		       uint64_t at_usec)
{
	timer->at_usec = at_usec;
	if (!timer->place)
		timer->place = ++timers->count;
	settle(timers, timer->place, timer);
}

void jl__rpc_timer_clear(struct jl__rpc_timers *timers, struct jl__rpc_timer *timer)
{
	struct jl__rpc_timer *last;
	uint32_t place = timer->place;

	if (!place)
		return;
	timer->place = 0;
	last = get(timers, timers->count--);
	if (last != timer)
		settle(timers, place, last);
}

uint64_t jl__rpc_timers_next(const struct jl__rpc_timers *timers)
{
	return timers->count ? get(timers, 1)->at_usec : UINT64_MAX;
}

struct jl__rpc_timer *jl__rpc_timers_take(struct jl__rpc_timers *timers,
					  uint64_t now_usec)
{
	struct jl__rpc_timer *first;

	if (jl__rpc_timers_next(timers) > now_usec)
		return NULL;
	first = get(timers, 1);
	jl__rpc_timer_clear(timers, first);
	return first;
}

uint64_t jl__rpc_now_usec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
