/* SPDX-License-Identifier: MIT */
/*
 * Work that takes longer than others should wait: it is done in slices, one of them in a
 * turn of the loop, first come, first served.
 */
#ifndef DAEMON_LATER_H
#define DAEMON_LATER_H

#include <stdbool.h>

struct serving;

/* Embedded where the work is. */
struct later {
	struct later *next;
	void (*go_on)(struct later *later);
	bool waits;
};

/* go_on() is called in a later turn, once. */
void later_add(struct serving *s, struct later *later);
/* Not any more; fine when it is not waiting. */
void later_remove(struct serving *s, struct later *later);
/* Whether the slice is used up that such work has now. */
bool later_is_due(struct serving *s);
/* A new one begins. */
void later_turn(struct serving *s);

#endif
