/* SPDX-License-Identifier: MIT */
/*
 * The context: flags, folders, cgroup tree, log hook, the connection to the supervisor and
 * the queue of events. Implements <joblet/ctx.h>, <joblet/event.h>, <joblet/log.h>. Knows
 * jobs only as list members; spawn/ fills them.
 */
#ifndef JL_CTX_CTX_H
#define JL_CTX_CTX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <joblet/ctx.h>

struct jl__cg_tree;

/* One line for the log hook; free when nobody listens at that level. */
void jl__log(const jl_ctx *ctx, int level, const char *module, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Whether the caller can have an own range of ids for each job (root with all ids mapped). */
bool jl__ctx_privileged(void);
/* State and run-time folder of this caller; errors are sentences. Owned strings. */
int jl__ctx_state_dir(const jl_ctx *ctx, char **ret_path, jl_error **err);
int jl__ctx_runtime_dir(const jl_ctx *ctx, char **ret_path, jl_error **err);
/* The cgroup tree of the context, opened on first use. Borrowed. */
int jl__ctx_cgroups(jl_ctx *ctx, const struct jl__cg_tree **ret, jl_error **err);

#endif
