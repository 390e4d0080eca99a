/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"

struct jl_error {
	int code;
	const char *module; /* static */
	char message[];
};

/* Sentences are cut at this length: a failure is read by people. */
#define MESSAGE_MAX 1024

static const struct {
	struct jl_error head;
	char message[16];
} out_of_memory = { { -ENOMEM, "memory" }, "out of memory" };

#define STATIC_OOM ((jl_error *)(uintptr_t)&out_of_memory.head)

/*
 * Every failure with this code is a static object, though not always ours: a program may
 * hold a second copy of this file, in a private archive, and hand objects of one to the
 * other.
 */
static bool is_static(const jl_error *err)
{
	return err->code == -ENOMEM;
}

int jl_error_code(const jl_error *err)
{
	return err ? err->code : 0;
}

const char *jl_error_module(const jl_error *err)
{
	return err ? err->module : "";
}

const char *jl_error_message(const jl_error *err)
{
	return err ? err->message : "";
}

void jl_error_free(jl_error *err)
{
	if (err && !is_static(err))
		jl__free(err);
}

int jl__oom(jl_error **err)
{
	if (err) {
		jl_error_free(*err);
		*err = STATIC_OOM;
	}
	return -ENOMEM;
}

const char *jl__errno_text(int code)
{
	int number = code < 0 ? -code : code;
#ifdef JL_HAVE_STRERRORDESC_NP
	const char *text = strerrordesc_np(number);
#else
	/* A C library without it, such as musl, returns constant strings here. */
	const char *text = strerror(number);
#endif

	return text ? text : "unknown error";
}

/* Text of callers may be anything; a sentence is one line of UTF-8. */
static void make_showable(char *text)
{
	size_t left = strlen(text);

	while (left) {
		size_t len = 1;

		while (len < 4 && len < left && !jl__is_utf8(text, len))
			len++;
		if (!jl__is_utf8(text, len) || (unsigned char)*text < ' ' ||
		    *text == 127) {
			*text = '?';
			len = 1;
		}
		text += len;
		left -= len;
	}
}

static int store(jl_error **err, int code, const char *module, char *message)
{
	size_t len = strlen(message);
	jl_error *fresh;

	make_showable(message);

	if (code == -ENOMEM)
		return jl__oom(err);
	fresh = jl__alloc(sizeof(*fresh) + len + 1);
	if (!fresh)
		return jl__oom(err);
	fresh->code = code;
	fresh->module = module;
	memcpy(fresh->message, message, len + 1);
	jl_error_free(*err);
	*err = fresh;
	return code;
}

int jl__fail_in(jl_error **err, int code, const char *module, const char *format, ...)
{
	char message[MESSAGE_MAX];
	va_list args;

	if (!err)
		return code;
	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	return store(err, code, module, message);
}

int jl__fail_errno_in(jl_error **err, int code, const char *module, const char *format,
		      ...)
{
	char message[MESSAGE_MAX];
	va_list args;
	size_t len;

	if (!err)
		return code;
	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	len = strlen(message);
	(void)snprintf(message + len, sizeof(message) - len, ": %s",
		       jl__errno_text(code));
	return store(err, code, module, message);
}

int jl__wrap(jl_error **err, int code, const char *format, ...)
{
	char message[MESSAGE_MAX];
	va_list args;
	size_t len;

	if (!err || !*err || is_static(*err))
		return code;
	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	len = strlen(message);
	(void)snprintf(message + len, sizeof(message) - len, ": %s", (*err)->message);
	return store(err, code, (*err)->module, message);
}
