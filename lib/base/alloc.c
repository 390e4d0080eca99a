/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <joblet/base.h>

static void *(*alloc_fn)(size_t) = malloc;
static void *(*resize_fn)(void *, size_t) = realloc;
static void (*release_fn)(void *) = free;

int jl_set_allocator(void *(*alloc)(size_t), void *(*resize)(void *, size_t),
		     void (*release)(void *))
{
	if (!alloc && !resize && !release) {
		alloc_fn = malloc;
		resize_fn = realloc;
		release_fn = free;
		return 0;
	}
	if (!alloc || !resize || !release)
		return -EINVAL;
	alloc_fn = alloc;
	resize_fn = resize;
	release_fn = release;
	return 0;
}

void jl_free(void *ptr)
{
	jl__free(ptr);
}

void *jl__alloc(size_t bytes)
{
	return alloc_fn(bytes ? bytes : 1);
}

void *jl__calloc(size_t count, size_t bytes)
{
	void *ptr;

	if (bytes && count > SIZE_MAX / bytes)
		return NULL;
	ptr = jl__alloc(count * bytes);
	if (ptr)
		memset(ptr, 0, count * bytes);
	return ptr;
}

void *jl__resize(void *ptr, size_t bytes)
{
	return resize_fn(ptr, bytes ? bytes : 1);
}

char *jl__strdup(const char *text)
{
	return jl__memdup(text, strlen(text) + 1);
}

char *jl__strndup(const char *text, size_t max)
{
	size_t len = strnlen(text, max);
	char *copy = jl__alloc(len + 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

void *jl__memdup(const void *data, size_t bytes)
{
	void *copy = jl__alloc(bytes);

	if (copy && bytes)
		memcpy(copy, data, bytes);
	return copy;
}

void jl__free(void *ptr)
{
	int saved = errno;

	if (ptr)
		release_fn(ptr);
	errno = saved;
}

char *jl__format(const char *format, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0)
		return NULL;
	text = jl__alloc((size_t)len + 1);
	if (!text)
		return NULL;
	va_start(args, format);
	(void)vsnprintf(text, (size_t)len + 1, format, args);
	va_end(args);
	return text;
}
