/* SPDX-License-Identifier: MIT */
/*
 * Jobs as people read them. What a job or a server says about itself is not trusted: it
 * is printed with everything that could steer a terminal made visible.
 */
#ifndef RNX_SHOW_H
#define RNX_SHOW_H

#include "job.h"

/* How times and spans are shown; each returns buf. */
const char *show_rfc3339_usec(char buf[64], uint64_t usec); /* with six more digits */
const char *show_rfc3339(char buf[64], uint64_t usec);	  /* 2025-07-18T20:02:48Z */
const char *show_local(char buf[64], uint64_t usec);	  /* 2025-07-18 20:02:48 */
const char *show_local_zone(char buf[64], uint64_t usec); /* the same with " CEST" */
const char *show_span(char buf[64], uint64_t usec);	  /* 1.2s 3.4m 2h5m 3d4h */

/* Now, µs since 1970. */
uint64_t now_usec(void);

/* Whether stdout is a terminal that takes colour: not with NO_COLOR or TERM=dumb. */
bool colour_wanted(void);
/* The name of a state, padded to width, coloured where that is wanted. */
void print_state(int state, int width);

/* On stdout, made fit to be shown, in full. */
void print_text(const char *text);
/* The number, or the UUID when that is wanted or there is no number. */
void print_job_id(const struct job *job, bool uuid);
/*
 * The command line with blanks between its words; its first line only and at most width
 * characters, then "...", when width is not 0.
 */
void print_command(const struct job *job, size_t width);
/* Columns a UTF-8 text takes, a wide character counted as one. */
size_t text_width(const char *text);

#endif
