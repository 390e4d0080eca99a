/* SPDX-License-Identifier: MIT */
/*
 * From a description to a plan. Private to spawn/. Resolves everything that can fail with
 * a sentence: limits, view, environment, command path; leaves system calls to the
 * supervisor.
 */
#ifndef JL_SPAWN_PLAN_H
#define JL_SPAWN_PLAN_H

#include <stddef.h>

#include "base/buf.h"
#include "plan/plan.h"
#include "spawn/link.h"
#include "spawn/spec.h"

/* Compiles into buf, which then starts with a struct jl__plan. shown is the folder with
 * the names of the job's network, or NULL. */
int jl__plan_compile(struct jl__link *link, const jl_job_spec *spec, const char *id,
		     const char *shown, struct jl__buf *buf, jl_error **err);

/* Adds the place of the job in its network. */
int jl__plan_add_wire(struct jl__buf *buf, const struct jl__wire *wire, jl_error **err);

struct jl__durable;
/* Turns a compiled plan into one of a durable job. */
int jl__plan_set_durable(struct jl__buf *buf, const struct jl__durable *durable,
			 jl_error **err);

/* One step a line; values of the description's secrets are shown as ***. */
int jl__plan_print(const struct jl__plan *plan, const jl_job_spec *spec,
		   struct jl__buf *out);

/*
 * One sentence for a step that failed. Returns its code. plan: NULL when it is not known
 * any more, and the sentence names less. text: what the failure named itself, or NULL.
 */
int jl__plan_fail(const struct jl__plan *plan, const struct jl__failure *failure,
		  const char *text, jl_error **err);

static inline const char *jl__plan_text(const struct jl__plan *plan, uint32_t offset)
{
	return (const char *)plan + offset;
}

static inline const void *jl__plan_items(const struct jl__plan *plan,
					 struct jl__array span)
{
	return (const char *)plan + span.offset;
}

#endif
