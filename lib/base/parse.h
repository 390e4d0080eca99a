/* SPDX-License-Identifier: MIT */
/*
 * Text to values, whole string or nothing. Returns 0, -EINVAL (not of this form) or
 * -ERANGE (of this form, but out of range). Nothing else in the project calls strtol and
 * friends.
 */
#ifndef JL_BASE_PARSE_H
#define JL_BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal digits only: no sign, no space. */
int jl__parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret);
int jl__parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *ret);
/* Valid UTF-8 without NUL (given by length), surrogates and overlong forms refused. */
bool jl__is_utf8(const char *text, size_t len);

#endif
