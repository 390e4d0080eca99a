/* SPDX-License-Identifier: MIT */
#ifndef JOBLET_EVENT_H
#define JOBLET_EVENT_H

/**
 * @file
 * Events of a context, pulled by the caller: poll jl_ctx_get_fd(), then take events until
 * there are none. A handle is used by one thread at a time.
 */

#include <joblet/ctx.h>
#include <joblet/job.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Something that happened. */
typedef struct jl_event jl_event;

/** Types of events; callers skip those they do not know. */
enum {
	JL_EVENT_JOB_ENDED = 1 /**< A job has ended; its result can be read. */
};

/**
 * Take the next event. Never waits.
 *
 * @param ctx             Context.
 * @param[out] ret_event  Event, released with jl_event_free(); written when 1 is
 * returned.
 * @param[out] ret_err    Reason of a failure; may be NULL.
 * @return 1 with an event, 0 when there is none, -EPERM in a child of the process that
 *         started the context's first job, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_ctx_next_event(jl_ctx *ctx, jl_event **ret_event,
					   jl_error **ret_err);

/** Type of an event. @param event Event. @return a JL_EVENT_ value. @since 0.1 */
JL_API int jl_event_get_type(const jl_event *event);
/** Job of an event. @param event Event. @return borrowed from the event. @since 0.1 */
JL_API jl_job *jl_event_get_job(const jl_event *event);
/** Release an event. @param event Event; NULL is fine. @since 0.1 */
JL_API void jl_event_free(jl_event *event);

#ifdef __cplusplus
}
#endif

#endif
