/* SPDX-License-Identifier: MIT */
/*
 * What people read: lines on stderr, values made fit to be shown, amounts with their
 * unit, wrapped text. Nothing here ends the program.
 */
#ifndef RNX_OUTPUT_H
#define RNX_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Exit codes of rnx itself; anything else is the job's. */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NO_SUCH = 3,     /* job, network, node */
	EXIT_DENIED = 4,      /* role, certificate, permissions */
	EXIT_UNAVAILABLE = 5, /* nobody there, or not in time */
	EXIT_NOT_EXECUTABLE = 126,
	EXIT_NOT_FOUND = 127
};

/* One line on stderr, "rnx: " in front and a line end behind. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct fault;
/* The sentence of a failure; returns the exit code for it. */
int say_fault(const struct fault *fault);
/* A jl_log_fn: errors, and warnings when a person reads stderr. */
void say_log(void *data, int level, const char *module, const char *text);

/* Bytes of the valid UTF-8 character that text, of max bytes, begins with; else 0. */
size_t utf8_length(const char *text, size_t max);
/* How many bytes at the end of text begin a character that is not complete yet. */
size_t utf8_unfinished(const char *text, size_t len);
/*
 * Copies up to max bytes of text, bytes that are not printable UTF-8 as \xNN; buf has
 * room for four times as many and four more. Returns where it stopped.
 */
const char *escape_some(char *buf, const char *text, size_t max);
/* Room for shown(): 60 bytes of the value, each up to four characters, and an ellipsis.
 */
#define SHOWN_MAX 256
/*
 * The value as it may be printed on a terminal: bytes that are not printable UTF-8 become
 * \xNN, long values are cut. Returns buf.
 */
const char *shown(char buf[SHOWN_MAX], const char *value);

/* "64 MiB", "1.5 GiB", "512 bytes". Returns buf. */
const char *show_bytes(char buf[32], uint64_t bytes);
/* "2s", "500ms", "2h30m". Returns buf. */
const char *show_usec(char buf[64], uint64_t usec);

/* Whether somebody sent something to standard input: a pipe or a file with content. */
bool stdin_has_data(void);

/* Prints text in lines of at most width columns, each with indent spaces in front. */
void print_wrapped(FILE *out, const char *text, int indent, int width);

/* Flushes stdout; says so and returns EXIT_FAILED when it could not be written. */
int finish_stdout(void);

/*
 * Of a NULL terminated list, the word that was probably meant, or NULL. At most two
 * letters may be wrong.
 */
const char *closest(const char *word, const char *const *list);

#endif
