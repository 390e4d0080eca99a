/* SPDX-License-Identifier: MIT */
/* Spans and times: what is accepted is within what the header promises. */
#include <stdlib.h>

#include <joblet/sched.h>

#include "base/cleanup.h"

#define NOW UINT64_C(1752868968000000)
#define DAY UINT64_C(86400000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = jl__strndup((const char *)data, size);
	uint64_t span = 0, time = 0;
	jl_error *err;

	if (!text)
		return 0;
	if (jl_time_parse_span(text, &span, &err) < 0 && !*jl_error_message(err))
		abort();
	jl_error_free(err);
	if (span > 366 * DAY)
		abort();
	if (jl_time_parse(text, NOW, &time, &err) < 0 && !*jl_error_message(err))
		abort();
	/* A span that is long enough is also a time, and the same one. */
	if (!err && span >= 1000000 && time != NOW + span)
		abort();
	/* Nothing with four digits for the year lies behind 9999 and a day. */
	if (!err && time > UINT64_C(253402387199999999))
		abort();
	jl_error_free(err);
	return 0;
}
