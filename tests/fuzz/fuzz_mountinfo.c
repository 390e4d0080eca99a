/* SPDX-License-Identifier: MIT */
/* /proc/self/mountinfo up to the first NUL, then /proc/self/cgroup. */
#include <stdlib.h>
#include <string.h>

#include "cgroup/cgroup-priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, 0, size);
	struct jl__cg_source source = { .recorded = true };
	struct jl__cg_tree *tree = NULL;
	jl_error *err = NULL;
	size_t len;

	if (!end)
		return 0;
	len = (size_t)(end - data);
	source.mountinfo = (struct jl__span){ (const char *)data, len };
	source.self = (struct jl__span){ (const char *)end + 1, size - len - 1 };
	if (jl__cg_tree_build(&source, NULL, &tree, &err) < 0 && !err)
		abort();
	if (tree && tree->count > JL__CG_MAX)
		abort();
	jl__cg_tree_free(tree);
	jl_error_free(err);
	return 0;
}
