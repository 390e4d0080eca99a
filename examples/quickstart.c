/* SPDX-License-Identifier: MIT */
/* Runs one command as a job and says how it ended. */
#include <stdio.h>

#include <joblet/joblet.h>

int main(void)
{
	struct jl_result result = { .size = sizeof(result) };
	jl_job_spec *spec = NULL;
	jl_error *err = NULL;
	jl_ctx *ctx = NULL;
	jl_job *job = NULL;
	int r = jl_ctx_new(0, &ctx, &err);

	if (r == 0)
		r = jl_job_spec_new(&spec);
	if (r == 0)
		r = jl_job_spec_add_arg(spec, "echo", &err);
	if (r == 0)
		r = jl_job_spec_add_arg(spec, "hello from a job", &err);
	if (r == 0)
		r = jl_job_spec_set_stdio(spec, 1, 1, &err);
	if (r == 0)
		r = jl_job_spawn(ctx, spec, &job, &err);
	if (r == 0)
		r = jl_job_wait(job, JL_FOREVER, &err);
	if (r == 0)
		r = jl_job_get_result(job, &result, &err);
	if (r == 0)
		printf("%s with %d\n", jl_reason_name(result.reason),
		       (int)result.exit_code);
	else
		fprintf(stderr, "quickstart: %s\n", jl_error_message(err));
	jl_error_free(err);
	jl_job_unref(job);
	jl_job_spec_free(spec);
	jl_ctx_unref(ctx);
	return r == 0 ? 0 : 1;
}
