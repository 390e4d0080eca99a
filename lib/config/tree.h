/* SPDX-License-Identifier: MIT */
/*
 * YAML as a tree, within bounds. A configuration is small: larger, deeper or longer ones
 * are refused, and so are anchors and aliases, with which a few lines become gigabytes.
 * Pure but for jl__yaml_load(). Knows no keys.
 */
#ifndef JL_CONFIG_TREE_H
#define JL_CONFIG_TREE_H

#include <stddef.h>
#include <stdint.h>

#define JL__YAML_BYTES_MAX (1024 * 1024)
#define JL__YAML_DEPTH_MAX 16
#define JL__YAML_NODES_MAX 4000

/* Room for a failure: one sentence with "FILE:LINE: " in front. */
#define JL__CONFIG_ERROR_MAX 1024

enum jl__yaml_kind { JL__YAML_SCALAR, JL__YAML_LIST, JL__YAML_MAP };

struct jl__yaml {
	enum jl__yaml_kind kind;
	unsigned int line; /* from 1 */
	char *key;	   /* in a map; else NULL */
	char *text;	   /* of a scalar: UTF-8 without NUL */
	int plain;	   /* scalar without quotes */
	struct jl__yaml *first, *last, *next;
};

/*
 * Parses one document; an empty one is an empty map. name stands in front of failures.
 * Returns 0, -EINVAL, -E2BIG or -ENOMEM, with a sentence in error.
 */
int jl__yaml_parse(const char *name, const char *data, size_t len, struct jl__yaml **ret,
		   char error[JL__CONFIG_ERROR_MAX]);
/* The same for a regular file; *ret_mode receives its permissions. Also -errno of open.
 */
int jl__yaml_load(const char *path, struct jl__yaml **ret, unsigned int *ret_mode,
		  char error[JL__CONFIG_ERROR_MAX]);
void jl__yaml_free(struct jl__yaml *node);

/* Whether a scalar stands for nothing: empty without quotes, ~ or null. */
int jl__yaml_is_null(const struct jl__yaml *node);

#endif
