/* SPDX-License-Identifier: MIT */
#ifndef JOBLET_ERROR_H
#define JOBLET_ERROR_H

/**
 * @file
 * Why something failed, in one sentence.
 *
 * Codes with a fixed meaning everywhere: -EINVAL bad argument, -ERANGE or -E2BIG out of
 * range or too large, -ENOENT no such object, -EEXIST name taken, -EBUSY in use,
 * -EOPNOTSUPP this kernel, build or caller cannot do it, -EPERM privilege missing,
 * -ESTALE an object changed while it was being used, -ECONNRESET the supervisor is gone,
 * -ENOMEM out of memory.
 */

#include <joblet/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One failure: code, module, sentence. */
typedef struct jl_error jl_error;

/**
 * Negative errno of a failure.
 *
 * @param err  Failure; NULL gives 0.
 * @return the code.
 * @since 0.1
 */
JL_API int jl_error_code(const jl_error *err);

/**
 * Part of the library that failed, for instance "cgroup" or "spawn".
 *
 * @param err  Failure; NULL gives "".
 * @return a borrowed string.
 * @since 0.1
 */
JL_API const char *jl_error_module(const jl_error *err);

/**
 * What failed, on what, and why: one sentence without a stop, fit to be shown.
 *
 * @param err  Failure; NULL gives "".
 * @return a borrowed UTF-8 string.
 * @since 0.1
 */
JL_API const char *jl_error_message(const jl_error *err);

/**
 * Release a failure.
 *
 * @param err  Failure; NULL is fine.
 * @since 0.1
 */
JL_API void jl_error_free(jl_error *err);

#ifdef __cplusplus
}
#endif

#endif
