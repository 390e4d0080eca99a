/* SPDX-License-Identifier: MIT */
#include "on_job.h"

#include "output.h"

int on_job(const struct options *opts, const char *id, job_action act, job_printer print)
{
	struct backend *backend;
	struct fault fault;
	struct job job;
	int r;

	if (backend_open(opts, &backend, &fault) < 0)
		return say_fault(&fault);
	job_init(&job);
	if (act(opts, backend, id, &job, &fault) < 0)
		r = say_fault(&fault);
	else
		r = print(opts, &job);
	job_done(&job);
	backend->ops->close(backend);
	return r;
}
