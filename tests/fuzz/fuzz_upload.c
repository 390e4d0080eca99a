/* SPDX-License-Identifier: MIT */
/* Paths of uploads: what is accepted holds no name that leads anywhere else. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "upload/upload-priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where a link leads when read as text: false when out of the top. */
static bool stays_inside(unsigned int depth, const char *target)
{
	for (const char *at = target; *at;) {
		size_t len = strcspn(at, "/");

		if (len == 2 && memcmp(at, "..", 2) == 0) {
			if (depth-- == 0)
				return false;
		} else if (len > 1 || (len == 1 && *at != '.')) {
			depth++;
		}
		at += len + (at[len] == '/');
	}
	return *target != '/';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = jl__strndup((const char *)data, size);
	static struct jl__upload_path path;
	jl_error *err = NULL;
	int r;

	if (!text)
		return 0;
	r = jl__upload_path_parse(&path, text, &err);
	if ((r < 0) != !!err)
		abort();
	jl_error_free(err);
	if (r == 0) {
		unsigned int names = 0;

		for (const char *at = path.text; *at; names++) {
			size_t len = strcspn(at, "/");

			if (len == 0 || len > NAME_LEN_MAX || (len == 1 && *at == '.') ||
			    (len == 2 && memcmp(at, "..", 2) == 0))
				abort();
			at += len + (at[len] == '/' && at[len + 1]);
		}
		if (names != path.depth || path.has_parent != (names > 1) ||
		    strchr(path.name, '/'))
			abort();
	}
	if (jl__upload_target_check("l", 1, text, NULL) == 0 && !stays_inside(1, text))
		abort();
	return 0;
}
