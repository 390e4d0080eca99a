/* SPDX-License-Identifier: MIT */
/* UUIDs of version 4, as text in lower case. */
#ifndef JL_NODE_UUID_H
#define JL_NODE_UUID_H

#include <stdbool.h>

#include <joblet/error.h>

#define JL__UUID_MAX 37

int jl__uuid_make(char id[JL__UUID_MAX], jl_error **err);
/* The beginning of one, at least min characters: copied in lower case, true; or false. */
bool jl__uuid_prefix(const char *text, unsigned int min, char id[JL__UUID_MAX]);

#endif
