/* SPDX-License-Identifier: MIT */
/*
 * Memory of the library. Owns the replaceable allocator; nothing else in lib/ calls
 * malloc. Every function may fail and says so; nobody here ends the program.
 */
#ifndef JL_BASE_ALLOC_H
#define JL_BASE_ALLOC_H

#include <stddef.h>

/* All return NULL when memory is short. Sizes of 0 give a valid pointer. */
void *jl__alloc(size_t bytes);
void *jl__calloc(size_t count, size_t bytes);
void *jl__resize(void *ptr, size_t bytes);
char *jl__strdup(const char *text);
char *jl__strndup(const char *text, size_t max);
void *jl__memdup(const void *data, size_t bytes);
void jl__free(void *ptr);

/* Formats into fresh memory; NULL when memory is short. */
char *jl__format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
