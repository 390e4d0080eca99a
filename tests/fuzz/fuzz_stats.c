/* SPDX-License-Identifier: MIT */
/* Statistics files: the name up to the first line end, then the content. */
#include <string.h>

#include "cgroup/cgroup-priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);
	struct jl_stats stats = { .size = sizeof(stats) };
	char file[64];
	size_t len;

	if (!end || (size_t)(end - data) >= sizeof(file))
		return 0;
	len = (size_t)(end - data);
	memcpy(file, data, len);
	file[len] = '\0';
	jl__cg_stats_clear(&stats);
	jl__cg_stats_add(&stats, file, (const char *)end + 1, size - len - 1);
	return 0;
}
