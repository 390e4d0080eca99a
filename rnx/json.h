/* SPDX-License-Identifier: MIT */
/*
 * What --json prints. The names are those of older versions of rnx where they had one;
 * ours come on top. Functions that build return NULL without memory, which json_print()
 * reports.
 */
#ifndef RNX_JSON_H
#define RNX_JSON_H

#include <jansson.h>

#include "job.h"

/* A string of any bytes: what is not UTF-8 becomes U+FFFD. NULL gives "". */
json_t *json_bytes(const char *text);
json_t *json_bytes_len(const char *text, size_t len);
/* Seconds as RFC 3339 in UTC; "" when unknown. */
json_t *json_time(uint64_t usec);
/* The same with microseconds. */
json_t *json_time_usec(uint64_t usec);

/* Sets a key, taking the value over; nothing happens without memory. */
void json_put(json_t *object, const char *key, json_t *value);

/* run; input is what was given as schedule, or NULL. */
json_t *json_run(const struct job *job, const char *input, uint64_t files, size_t env,
		 size_t secret_env);
/* An item of list; uuid: as id instead of the number. */
json_t *json_list_item(const struct job *job, bool uuid);
/* status */
json_t *json_status(const struct job *job);

/* Prints and releases; object NULL: out of memory. Returns the exit code. */
int json_print(json_t *object);
/* The same on one line, for streams of objects; flushes. */
int json_print_line(json_t *object);

#endif
