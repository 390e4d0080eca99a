/* SPDX-License-Identifier: MIT */
/*
 * Keys with values of a known kind, read from a YAML tree into a struct by one table.
 * Names may be written in camelCase or snake_case. A key that is not in the table is a
 * warning with its line and the name that was probably meant; a value that does not fit
 * is a failure. Pure.
 */
#ifndef JL_CONFIG_KEYS_H
#define JL_CONFIG_KEYS_H

#include <stdbool.h>

#include "config/tree.h"

/* Texts in a growing list. */
struct jl__texts {
	char **items;
	size_t count;
};

int jl__texts_add(struct jl__texts *list, const char *text);
/* What is to be said of a file with a private key that others can read. */
int jl__texts_add_exposed(struct jl__texts *list, const char *path);
void jl__texts_done(struct jl__texts *list);

enum jl__key_kind {
	JL__KEY_TEXT,	/* char * */
	JL__KEY_PATH,	/* char *: absolute */
	JL__KEY_PEM,	/* char * */
	JL__KEY_CHOICE, /* char *: one of choices, as written there */
	JL__KEY_BOOL,	/* bool */
	JL__KEY_NUMBER, /* uint64_t, min to max */
	JL__KEY_BYTES, /* uint64_t: number in units of scale, or with a unit of its own */
	JL__KEY_SPAN,  /* uint64_t: µs */
	JL__KEY_TEXTS, /* struct jl__texts: list, or words behind commas */
	JL__KEY_TREE   /* whatever stands there is somebody else's */
};

/* Releases a text that may be a key. NULL is fine. */
void jl__text_wipe(char *text);

/* Offset of keys of the original that are checked and change nothing here. */
#define JL__KEY_UNUSED ((size_t)-1)

struct jl__key {
	const char *path; /* "server.port", in camelCase */
	enum jl__key_kind kind;
	size_t offset;
	uint64_t min, max; /* numbers; max 0 = no bound */
	uint64_t scale;
	const char *choices; /* "a|b" */
};

struct jl__key_reader {
	const char *name; /* file, for messages */
	const struct jl__key *keys;
	size_t count;
	void *into;
	struct jl__texts *warnings;
	struct jl__texts *unused; /* names of keys without effect; may be NULL */
	char *error;		  /* JL__CONFIG_ERROR_MAX */
};

/* Reads a map. Returns 0, -EINVAL or -ERANGE with a sentence, or -ENOMEM. */
int jl__keys_read(const struct jl__key_reader *reader, const struct jl__yaml *map);
/* The value behind a path of the tree, names as for keys; NULL when it is not there. */
const struct jl__yaml *jl__keys_find(const struct jl__yaml *map, const char *path);
/* Whether two names are the same but for _ and case. */
bool jl__keys_same(const char *a, const char *b);

/* "FILE:LINE: sentence" into error; returns code. */
int jl__keys_refuse(char *error, int code, const char *name, unsigned int line,
		    const char *format, ...) __attribute__((format(printf, 5, 6)));
/* A value as it may stand in a sentence; control characters become '?'. Returns buf. */
#define JL__KEYS_SHOWN_MAX 80
const char *jl__keys_shown(char buf[JL__KEYS_SHOWN_MAX], const char *value);

/* Values; 0, -EINVAL or -ERANGE. */
int jl__value_number(const char *text, uint64_t *ret);
int jl__value_bytes(const char *text, uint64_t scale, uint64_t *ret);
int jl__value_span(const char *text, uint64_t *ret_usec);
int jl__value_bool(const char *text, bool *ret);

#endif
