/* SPDX-License-Identifier: MIT */
/* Lists of cores: what was accepted is written in a form that means the same. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cgroup/cgroup-priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = jl__strndup((const char *)data, size);
	_cleanup_free_ char *first = NULL, *second = NULL;
	struct jl__cpus cpus, again;
	size_t at = 0;

	if (!text || jl__cpus_parse(text, &cpus, &at) < 0)
		return 0;
	first = jl__cpus_format(&cpus);
	if (!first || jl__cpus_parse(first, &again, &at) < 0)
		abort();
	second = jl__cpus_format(&again);
	if (!second || strcmp(first, second) != 0)
		abort();
	if (memcmp(&cpus, &again, sizeof(cpus)) != 0)
		abort();
	return 0;
}
