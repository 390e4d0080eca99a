/* SPDX-License-Identifier: MIT */
/*
 * Values of flags: text to numbers, whole string or nothing. Each returns 0, -EINVAL (not
 * of this form) or -ERANGE (of this form, too large). Pure functions.
 */
#ifndef RNX_VALUES_H
#define RNX_VALUES_H

#include <stdbool.h>
#include <stdint.h>

/* Decimal digits only. */
int value_number(const char *text, uint64_t max, uint64_t *ret);
/*
 * A number with an optional unit K, M, G or T, each also as KB or KiB and in lower case;
 * units are powers of 1024. Without a unit it counts in plain_unit bytes.
 */
int value_bytes(const char *text, uint64_t plain_unit, uint64_t *ret);
/*
 * Numbers with units, one after the other: "45s", "5min", "2h30m", "1 hour", "500ms".
 * Spaces and case do not matter; a plain "0" is the only number without a unit.
 */
int value_usec(const char *text, uint64_t *ret);
/* USER or USER:GROUP, by number up to 65534 or as root, nobody, nogroup. */
int value_user(const char *text, uint32_t *ret_uid, uint32_t *ret_gid);
/* true, false, yes, no, 1, 0. */
int value_bool(const char *text, bool *ret);

#endif
