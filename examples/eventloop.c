/* SPDX-License-Identifier: MIT */
/* Two jobs at once, followed from a poll() loop: nothing here waits for one of them. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include <joblet/joblet.h>

static int start(jl_ctx *ctx, const char *script, jl_job **job, jl_error **err)
{
	const char *const args[] = { "sh", "-c", script };
	jl_job_spec *spec = NULL;
	int r = jl_job_spec_new(&spec);

	for (int i = 0; r == 0 && i < 3; i++)
		r = jl_job_spec_add_arg(spec, args[i], err);
	if (r == 0)
		r = jl_job_spec_set_timeout(spec, UINT64_C(10000000), err);
	if (r == 0)
		r = jl_job_spawn(ctx, spec, job, err);
	jl_job_spec_free(spec);
	return r;
}

/* Takes every event there is. Returns how many jobs have ended, or a negative errno. */
static int take_events(jl_ctx *ctx, jl_job *const jobs[], jl_error **err)
{
	struct jl_result result = { .size = sizeof(result) };
	jl_event *event = NULL;
	int ended = 0, r;

	while ((r = jl_ctx_next_event(ctx, &event, err)) == 1) {
		if (jl_event_get_type(event) == JL_EVENT_JOB_ENDED) {
			jl_job *job = jl_event_get_job(event);

			r = jl_job_get_result(job, &result, err);
			if (r == 0)
				printf("%s job: %s with %d\n",
				       job == jobs[0] ? "first" : "second",
				       jl_reason_name(result.reason),
				       (int)result.exit_code);
			ended++;
		}
		jl_event_free(event);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : ended;
}

int main(void)
{
	jl_job *jobs[2] = { NULL, NULL };
	jl_error *err = NULL;
	jl_ctx *ctx = NULL;
	int running = 2, r;

	r = jl_ctx_new(0, &ctx, &err);
	if (r == 0)
		r = start(ctx, "sleep 0.3; exit 3", &jobs[0], &err);
	if (r == 0)
		r = start(ctx, "exit 4", &jobs[1], &err);
	while (r >= 0 && running > 0) {
		struct pollfd fd = { .fd = jl_ctx_get_fd(ctx), .events = POLLIN };

		if (poll(&fd, 1, -1) < 0 && errno != EINTR) {
			r = -errno;
			break;
		}
		r = take_events(ctx, jobs, &err);
		running -= r > 0 ? r : 0;
	}
	if (r < 0)
		fprintf(stderr, "eventloop: %s\n",
			err ? jl_error_message(err) : "failed");
	jl_error_free(err);
	jl_job_unref(jobs[0]);
	jl_job_unref(jobs[1]);
	jl_ctx_unref(ctx);
	return r < 0 ? 1 : 0;
}
