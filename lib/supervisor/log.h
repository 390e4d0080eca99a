/* SPDX-License-Identifier: MIT */
/* What the two sides of logs share: ours (log.c) and the pump's (pump.c). */
#ifndef JL_SUPERVISOR_LOG_H
#define JL_SUPERVISOR_LOG_H

#include "supervisor/supervisor.h"

/* What the pump's descriptor for "something is in the ring" is watched as; pipes are
 * watched as log * 2 + 0 or 1. */
#define ASKED (~(uint64_t)0)

/* The pump: moves output from pipes to logs until it is killed. */
int pump_main(void *unused);

static inline void ring_put(struct ring *ring, uint32_t item)
{
	uint32_t head = ring->head;

	ring->items[head % MAX_JOBS] = item;
	__atomic_store_n(&ring->head, head + 1, __ATOMIC_RELEASE);
}

static inline int ring_look(const struct ring *ring, uint32_t *item)
{
	if (ring->tail == __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE))
		return 0;
	*item = ring->items[ring->tail % MAX_JOBS];
	return 1;
}

static inline void ring_drop(struct ring *ring)
{
	__atomic_store_n(&ring->tail, ring->tail + 1, __ATOMIC_RELEASE);
}

static inline void ping(int event)
{
	uint64_t one = 1;

	(void)jl__sys_write(event, &one, sizeof(one));
}

static inline void hush(int event)
{
	uint64_t count;

	(void)jl__sys_read(event, &count, sizeof(count));
}

/* Forgotten before it is closed: were we killed in between, the number may be another's.
 */
static inline void close_once(int *slot)
{
	int fd = __atomic_exchange_n(slot, -1, __ATOMIC_ACQ_REL);

	if (fd >= 0)
		(void)jl__sys_close(fd);
}

#endif
