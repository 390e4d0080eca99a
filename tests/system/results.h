/* SPDX-License-Identifier: MIT */
/* What a function of the library returned, looked at whole. */
#ifndef SYSTEM_RESULTS_H
#define SYSTEM_RESULTS_H

#include <check.h>
#include <string.h>

#include <joblet/joblet.h>

/* Opened before and closed after each test; the error slot of its calls. */
extern jl_ctx *ctx;
extern jl_error *err;

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

#define ck_ok(call)                                                                    \
	do {                                                                           \
		int r_ = (call);                                                       \
		ck_assert_msg(r_ >= 0, "%s: %d %s", #call, r_, jl_error_message(err)); \
	} while (0)

/* The code, the same in the error object, and a sentence that names something. */
#define ck_fails(call, code, names)                                          \
	do {                                                                 \
		int r_;                                                      \
		jl_error_free(err);                                          \
		err = NULL;                                                  \
		r_ = (call);                                                 \
		ck_assert_msg(r_ == (code), "%s: %d, not %d: %s", #call, r_, \
			      (int)(code), jl_error_message(err));           \
		ck_assert_int_eq(jl_error_code(err), code);                  \
		ck_assert_msg(strstr(jl_error_message(err), names) != NULL,  \
			      "%s says \"%s\", nothing of \"%s\"", #call,    \
			      jl_error_message(err), names);                 \
		jl_error_free(err);                                          \
		err = NULL;                                                  \
	} while (0)

#endif
