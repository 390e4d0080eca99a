/* SPDX-License-Identifier: MIT */
/*
 * Times people write, rules that name time after time, time zones, and a queue of what is
 * due. Owns no state beyond its objects; reads the zone files and the variable TZ, and
 * nothing reads the clock but the queue's timer.
 */
#ifndef JL_SCHED_SCHED_H
#define JL_SCHED_SCHED_H

#include <joblet/sched.h>

/*
 * The first time of a rule after now that keeps its beat: for "every", a whole number of
 * spans behind due_usec. In one step, however long nobody was there. As jl_rule_next().
 */
int jl__rule_skip(const jl_rule *rule, uint64_t due_usec, uint64_t now_usec,
		  uint64_t *ret_usec);

#endif
