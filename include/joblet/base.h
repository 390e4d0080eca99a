/* SPDX-License-Identifier: MIT */
#ifndef JOBLET_BASE_H
#define JOBLET_BASE_H

/**
 * @file
 * Version, features and memory: what every other header builds on.
 *
 * Conventions of the whole library:
 *
 *  - Functions return an int: 0 or a count on success, a negative errno on failure.
 *  - The optional last parameter `jl_error **ret_err` receives the reason in one
 * sentence. It may be NULL. It is written on every return: NULL on success, an owned
 * object on failure, released with jl_error_free().
 *  - Other `ret_` parameters are written on success only.
 *  - What is passed in is copied. A `const char *` given out is borrowed and lives as
 * long as the handle it came from. A `char **ret_x` is released with jl_free().
 *  - A handle is used by one thread at a time, and using a job or a group uses its
 * context. `_ref`, `_unref` and jl_job_kill() may be called from any thread. Different
 * contexts are independent.
 *  - A context belongs to the process that started its first job. A child of it after
 * fork() may release its handles; everything else is refused with -EPERM.
 *  - The library never prints, exits, aborts on input, installs signal handlers, changes
 *    the working directory, umask, environment or locale, or takes part in SIGCHLD.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) && __GNUC__ >= 4
#define JL_API __attribute__((visibility("default")))
#define JL_MUST_CHECK __attribute__((warn_unused_result))
#else
#define JL_API
#define JL_MUST_CHECK
#endif

/**
 * Version of the library that is loaded, for instance "0.1.0".
 *
 * @return a static string.
 * @since 0.1
 */
JL_API const char *jl_version_string(void);

/**
 * Ask whether this build of the library has a named feature.
 *
 * What this machine and this caller can do is a different question: jl_ctx_probe().
 *
 * @param name  Feature, for instance "cgroup-v1", "seccomp". NULL and unknown names give
 * 0.
 * @return 1 when present, 0 otherwise.
 * @since 0.1
 */
JL_API int jl_has_feature(const char *name);

/**
 * Memory functions of the library, replaceable for accounting and for tests.
 *
 * Applies to the library's own memory only; the libraries it uses keep their malloc.
 * Call it before any other function, from one thread.
 *
 * @param alloc    Like malloc(); never asked for 0 bytes. NULL restores malloc().
 * @param resize   Like realloc(); NULL restores realloc().
 * @param release  Like free(); NULL restores free().
 * @return 0, or -EINVAL when some but not all of the three are NULL.
 * @since 0.1
 */
JL_API int jl_set_allocator(void *(*alloc)(size_t bytes),
			    void *(*resize)(void *ptr, size_t bytes),
			    void (*release)(void *ptr));

/**
 * Release memory the library handed out as `char **ret_x`.
 *
 * @param ptr  Memory to release; NULL is fine.
 * @since 0.1
 */
JL_API void jl_free(void *ptr);

#ifdef __cplusplus
}
#endif

#endif
