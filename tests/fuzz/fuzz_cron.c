/* SPDX-License-Identifier: MIT */
/* Rules: the next time is behind the one before, and a whole minute in UTC. */
#include <errno.h>
#include <stdlib.h>

#include <joblet/sched.h>

#include "base/cleanup.h"
#include "sched/sched.h"

#define START UINT64_C(1743296000500000) /* just before a change of the clocks */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = jl__strndup((const char *)data, size);
	uint64_t at = START, next = 0, skipped = 0;
	jl_rule *rule = NULL;
	jl_error *err;
	int r;

	if (!text)
		return 0;
	r = jl_rule_parse(text, &rule, &err);
	if ((r < 0) != !!*jl_error_message(err))
		abort();
	jl_error_free(err);
	for (int i = 0; r == 0 && i < 4; i++) {
		if (jl_rule_next(rule, at, &next) < 0)
			break;
		if (next <= at || jl__rule_skip(rule, at, at, &skipped) < 0 ||
		    skipped != next)
			abort();
		at = next;
	}
	jl_rule_free(rule);
	return 0;
}
