/* SPDX-License-Identifier: MIT */
/*
 * A heap by time, a table from keys to places in it, and a timer set to the first one.
 * The timer is canceled when the clock is set, which shows as readable too.
 */
#define JL_MODULE "sched"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "sched/sched-priv.h"
#include "sched/sched.h"

#define FIRST_SIZE 16 /* power of two */
#define NOWHERE UINT32_MAX

struct item {
	uint64_t due, serial, key;
	uint32_t slot; /* in the table */
};

struct jl_sched {
	int fd;
	uint32_t count, size; /* of the heap; the table has twice the size */
	struct item *heap;
	uint32_t *table; /* place in the heap, or NOWHERE */
	uint64_t serial;
	uint64_t armed; /* what the timer is set to; 0: not set */
};

static bool earlier(const struct item *a, const struct item *b)
{
	return a->due != b->due ? a->due < b->due : a->serial < b->serial;
}

static uint32_t slot_mask(const jl_sched *sched)
{
	return sched->size * 2 - 1;
}

static uint32_t home_of(const jl_sched *sched, uint64_t key)
{
	/* Keys are numbers in a row: spread them. */
	return (uint32_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & slot_mask(sched);
}

/* Slot of a key, or the free one where it belongs. */
static uint32_t find_slot(const jl_sched *sched, uint64_t key)
{
	uint32_t slot = home_of(sched, key);

	while (sched->table[slot] != NOWHERE &&
	       sched->heap[sched->table[slot]].key != key)
		slot = (slot + 1) & slot_mask(sched);
	return slot;
}

static void put(jl_sched *sched, uint32_t place, const struct item *item)
{
	sched->heap[place] = *item;
	sched->table[item->slot] = place;
}

/* Moves an item from place to where its time belongs. */
static void sift(jl_sched *sched, uint32_t place)
{
	struct item item = sched->heap[place];
	uint32_t child;

	while (place > 0 && earlier(&item, &sched->heap[(place - 1) / 2])) {
		put(sched, place, &sched->heap[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	while ((child = place * 2 + 1) < sched->count) {
		if (child + 1 < sched->count &&
		    earlier(&sched->heap[child + 1], &sched->heap[child]))
			child++;
		if (!earlier(&sched->heap[child], &item))
			break;
		put(sched, place, &sched->heap[child]);
		place = child;
	}
	put(sched, place, &item);
}

/* Closes the hole in a run of slots, so that later ones are still found. */
static void free_slot(jl_sched *sched, uint32_t hole)
{
	uint32_t mask = slot_mask(sched);

	for (uint32_t slot = (hole + 1) & mask; sched->table[slot] != NOWHERE;
	     slot = (slot + 1) & mask) {
		struct item *item = &sched->heap[sched->table[slot]];
		uint32_t home = home_of(sched, item->key);

		/* Its home lies behind the hole: it stays. */
		if (((slot - home) & mask) < ((slot - hole) & mask))
			continue;
		sched->table[hole] = sched->table[slot];
		item->slot = hole;
		hole = slot;
	}
	sched->table[hole] = NOWHERE;
}

static void remove_place(jl_sched *sched, uint32_t place)
{
	free_slot(sched, sched->heap[place].slot);
	sched->count--;
	if (place == sched->count)
		return;
	put(sched, place, &sched->heap[sched->count]);
	sift(sched, place);
}

static int grow(jl_sched *sched)
{
	uint32_t size = sched->size ? sched->size * 2 : FIRST_SIZE;
	struct item *heap;
	uint32_t *table;

	if (size > UINT32_MAX / 4)
		return -ENOMEM;
	table = jl__calloc((size_t)size * 2, sizeof(*table));
	if (!table)
		return -ENOMEM;
	heap = jl__resize(sched->heap, size * sizeof(*heap));
	if (!heap) {
		jl__free(table);
		return -ENOMEM;
	}
	jl__free(sched->table);
	sched->heap = heap;
	sched->table = table;
	sched->size = size;
	memset(table, 0xff, (size_t)size * 2 * sizeof(*table));
	for (uint32_t i = 0; i < sched->count; i++) {
		heap[i].slot = find_slot(sched, heap[i].key);
		table[heap[i].slot] = i;
	}
	return 0;
}

/* Sets the timer to the first item. */
static void arm(jl_sched *sched)
{
	struct itimerspec when = { 0 };
	uint64_t due = 0;

	if (sched->count > 0)
		/* A time of 0 would stop the timer. */
		due = sched->heap[0].due ? sched->heap[0].due : 1;
	when.it_value.tv_sec = (time_t)(due / USEC_PER_SEC);
	when.it_value.tv_nsec = (long)(due % USEC_PER_SEC) * 1000;
	sched->armed = due;
	/* ECANCELED says that the clock was set meanwhile: the timer is set all the same,
	 * and to a time on the clock. Nothing else can fail. */
	(void)timerfd_settime(sched->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
			      &when, NULL);
}

static void arm_if_changed(jl_sched *sched)
{
	uint64_t due = sched->count > 0 ? sched->heap[0].due : 0;

	if (due != sched->armed || due == 0)
		arm(sched);
}

int jl_sched_new(jl_sched **ret_sched, jl_error **ret_err)
{
	jl_sched *sched;
	int r;

	jl__error_init(ret_err);
	sched = jl__calloc(1, sizeof(*sched));
	if (!sched)
		return jl__oom(ret_err);
	sched->fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	r = sched->fd < 0 ? -errno : grow(sched);
	if (r < 0) {
		jl_sched_free(sched);
		return jl__fail_errno(ret_err, r, "cannot make a timer");
	}
	*ret_sched = sched;
	return 0;
}

void jl_sched_free(jl_sched *sched)
{
	if (!sched)
		return;
	(void)jl__close(sched->fd);
	jl__free(sched->heap);
	jl__free(sched->table);
	jl__free(sched);
}

int jl_sched_add(jl_sched *sched, uint64_t key, uint64_t due_usec)
{
	uint32_t slot = find_slot(sched, key), place = sched->table[slot];

	if (place == NOWHERE) {
		if (sched->count == sched->size) {
			if (grow(sched) < 0)
				return -ENOMEM;
			slot = find_slot(sched, key);
		}
		place = sched->count++;
	}
	put(sched, place, &(struct item){ due_usec, sched->serial++, key, slot });
	sift(sched, place);
	arm_if_changed(sched);
	return 0;
}

int jl_sched_remove(jl_sched *sched, uint64_t key)
{
	uint32_t place = sched->table[find_slot(sched, key)];

	if (place == NOWHERE)
		return -ENOENT;
	remove_place(sched, place);
	arm_if_changed(sched);
	return 0;
}

uint32_t jl_sched_count(const jl_sched *sched)
{
	return sched->count;
}

uint64_t jl_sched_next_usec(const jl_sched *sched)
{
	return sched->count > 0 ? sched->heap[0].due : UINT64_MAX;
}

int jl_sched_get_fd(const jl_sched *sched)
{
	return sched->fd;
}

int jl_sched_take(jl_sched *sched, uint64_t now_usec, uint64_t *ret_key)
{
	uint64_t ticks;

	if (sched->count > 0 && sched->heap[0].due <= now_usec) {
		*ret_key = sched->heap[0].key;
		remove_place(sched, 0);
		/* Readable as long as more is due, also for a caller that takes one. */
		arm(sched);
		return 1;
	}
	/* Also takes note of a clock that was set; then the timer is set anew. */
	if (read(sched->fd, &ticks, sizeof(ticks)) >= 0 || errno == ECANCELED)
		arm(sched);
	return 0;
}
