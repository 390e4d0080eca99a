/* SPDX-License-Identifier: MIT */
/*
 * Failures that travel: code, module and one sentence. base and sys return bare -errno;
 * the first module that knows what a file or step means calls jl__fail(); layers above
 * may put more in front with jl__wrap(). Reporting out-of-memory never allocates.
 */
#ifndef JL_BASE_ERROR_H
#define JL_BASE_ERROR_H

#include <joblet/error.h>

/* Each .c file that reports failures defines JL_MODULE before including this. */
#ifndef JL_MODULE
#define JL_MODULE "joblet"
#endif

/*
 * Stores a failure in *err (when err is not NULL) and returns code, which is negative.
 * The text of the errno is not added; use jl__fail_errno() where it helps.
 */
#define jl__fail(err, code, ...) jl__fail_in(err, code, JL_MODULE, __VA_ARGS__)
/* As jl__fail(), with ": <text of the errno>" at the end. */
#define jl__fail_errno(err, code, ...) \
	jl__fail_errno_in(err, code, JL_MODULE, __VA_ARGS__)
/* Puts "<text>: " in front of a failure already in *err; returns code. */
int jl__wrap(jl_error **err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* -ENOMEM with the static object. */
int jl__oom(jl_error **err);

int jl__fail_in(jl_error **err, int code, const char *module, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
int jl__fail_errno_in(jl_error **err, int code, const char *module, const char *format,
		      ...) __attribute__((format(printf, 4, 5)));

/* Name of an errno for people, thread safe: "No such file or directory". Takes either
 * sign. */
const char *jl__errno_text(int code);

/* Public entry points call this first: from then on *ret_err is NULL until something
 * fails. */
static inline void jl__error_init(jl_error **ret_err)
{
	if (ret_err)
		*ret_err = NULL;
}

/* What was reported does not count after all. */
static inline void jl__error_clear(jl_error **err)
{
	if (!err)
		return;
	jl_error_free(*err);
	*err = NULL;
}

#endif
