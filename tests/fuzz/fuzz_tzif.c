/* SPDX-License-Identifier: MIT */
/* Zone files: spans hold the time they were asked for, and local times have a moment. */
#include <stdlib.h>

#include "sched/sched-priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int64_t times[] = { -5000000000, 0,	  1743296399,
					 1761438600,  5695956000, 253402300799 };
	struct jl__zone *zone;

	if (jl__zone_parse(data, size, &zone) < 0)
		return 0;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		struct jl__zone_span span = jl__zone_span(zone, times[i]);
		int64_t at = jl__zone_to_utc(zone, times[i]);

		if (times[i] < span.start || times[i] >= span.end)
			abort();
		/* What is on the wall now has its moment now, or had it before. */
		if (jl__zone_to_utc(zone, times[i] + span.offset) > times[i])
			abort();
		if (at < times[i] - 93600 || at > times[i] + 2 * 93600)
			abort();
	}
	jl__zone_free(zone);
	return 0;
}
