/* SPDX-License-Identifier: MIT */
#ifndef JOBLET_LOG_H
#define JOBLET_LOG_H

/**
 * @file
 * Log lines of the library. Silent unless a function is set with jl_ctx_set_log().
 *
 * The library never logs an error it returns; lines tell what it does and what it had to
 * do without.
 */

#include <joblet/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Levels of a log line; new values may appear. */
enum {
	JL_LOG_ERROR = 0,   /**< Something is lost, and no caller was there to be told. */
	JL_LOG_WARNING = 1, /**< A default could not be applied. */
	JL_LOG_INFO = 2,    /**< Life cycle: supervisor started, leftovers removed. */
	JL_LOG_DEBUG = 3    /**< Every set-up step. */
};

/**
 * Receives one finished line.
 *
 * Called on the thread that is inside a library call; must not call into the library.
 *
 * @param data    What was given to jl_ctx_set_log().
 * @param level   A JL_LOG_ value.
 * @param module  Part of the library, for instance "cgroup".
 * @param text    One line of UTF-8 without line end, valid during the call.
 * @since 0.1
 */
typedef void (*jl_log_fn)(void *data, int level, const char *module, const char *text);

#ifdef __cplusplus
}
#endif

#endif
