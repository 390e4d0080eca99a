/* SPDX-License-Identifier: MIT */
#include "later.h"

#include <stddef.h>

#include "serving.h"

#define SLICE_USEC UINT64_C(10000)

static void due(struct timer *timer)
{
	struct serving *s =
		(struct serving *)(void *)((char *)timer -
					   offsetof(struct serving, later_timer));
	struct later *first = s->laters;

	if (!first)
		return;
	later_remove(s, first);
	later_turn(s);
	/* Set before it goes on: it may come back, at the end of the line. */
	if (s->laters)
		loop_set_timer(s->loop, timer, monotonic_usec());
	first->go_on(first);
}

void later_add(struct serving *s, struct later *later)
{
	struct later **slot = &s->laters;

	while (*slot)
		slot = &(*slot)->next;
	*slot = later;
	later->next = NULL;
	later->waits = true;
	if (!s->later_timer.at_usec) {
		s->later_timer.due = due;
		loop_set_timer(s->loop, &s->later_timer, monotonic_usec());
	}
}

void later_remove(struct serving *s, struct later *later)
{
	struct later **slot = &s->laters;

	if (!later->waits)
		return;
	while (*slot != later)
		slot = &(*slot)->next;
	*slot = later->next;
	later->waits = false;
	if (!s->laters)
		loop_clear_timer(s->loop, &s->later_timer);
}

bool later_is_due(struct serving *s)
{
	uint64_t now = monotonic_usec();

	if (!s->slice_end)
		s->slice_end = now + SLICE_USEC;
	return now >= s->slice_end;
}

void later_turn(struct serving *s)
{
	s->slice_end = 0;
}
