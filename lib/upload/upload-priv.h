/* SPDX-License-Identifier: MIT */
#ifndef JL_UPLOAD_PRIV_H
#define JL_UPLOAD_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "upload/upload.h"

/* What of a path is shown in a sentence. */
#define SHOWN "%.200s"
#define NAME_LEN_MAX 255

/* A path that has been checked: names with '/' between, no ".", no "..", none empty. */
struct jl__upload_path {
	char text[JL__UPLOAD_PATH_MAX + 1];
	char *name;	    /* the last one, in text */
	bool has_parent;    /* text up to the '/' in front of name */
	unsigned int depth; /* names */
};

/* depth 0: the path means the top itself. */
int jl__upload_path_parse(struct jl__upload_path *path, const char *text, jl_error **err);
/* Whether a link with so many names above it stays inside, read as text. */
int jl__upload_target_check(const char *path, unsigned int above, const char *target,
			    jl_error **err);

/* One name or a path, relative to dir; no link is followed. Negative errno. */
int jl__upload_open_beneath(int dir, const char *path, int flags, uint32_t mode);

#endif
