/* SPDX-License-Identifier: MIT */
/* Points in time, the earliest first: a heap of timers that live in other objects. Pure.
 */
#ifndef JL_RPC_TIMER_H
#define JL_RPC_TIMER_H

#include <stddef.h>
#include <stdint.h>

struct jl__rpc_timer {
	uint64_t at_usec;
	uint32_t place; /* 1 and up; 0 = not set */
	void (*fire)(struct jl__rpc_timer *timer);
};

struct jl__rpc_timers {
	struct jl__rpc_timer **list;
	uint32_t count, size;
};

#define jl__rpc_container(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

void jl__rpc_timers_done(struct jl__rpc_timers *timers);
/* Room for so many at once, so that setting cannot fail. 0 or -ENOMEM. */
int jl__rpc_timers_reserve(struct jl__rpc_timers *timers, uint32_t count);
/* Sets or moves. */
void jl__rpc_timer_set(struct jl__rpc_timers *timers, struct jl__rpc_timer *timer,
		       uint64_t at_usec);
void jl__rpc_timer_clear(struct jl__rpc_timers *timers, struct jl__rpc_timer *timer);
/* UINT64_MAX when there is none. */
uint64_t jl__rpc_timers_next(const struct jl__rpc_timers *timers);
/* Takes the first one that is due out, or gives NULL. */
struct jl__rpc_timer *jl__rpc_timers_take(struct jl__rpc_timers *timers,
					  uint64_t now_usec);

/* CLOCK_MONOTONIC. */
uint64_t jl__rpc_now_usec(void);
/* a + b, staying at UINT64_MAX. */
static inline uint64_t jl__rpc_after(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

#endif
