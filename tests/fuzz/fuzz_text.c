/* SPDX-License-Identifier: MIT */
/* Numbers and UTF-8, checked against what they promise. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[64], back[64];
	uint64_t value = 0;
	size_t zeros;

	if (jl__is_utf8((const char *)data, size) && size && memchr(data, 0, size))
		abort();
	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (jl__parse_u64(text, 0, UINT64_MAX, &value) < 0)
		return 0;
	(void)snprintf(back, sizeof(back), "%" PRIu64, value);
	zeros = strspn(text, "0");
	if (strcmp(back, value ? text + zeros : "0") != 0)
		abort();
	return 0;
}
