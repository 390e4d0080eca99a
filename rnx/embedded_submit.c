/* SPDX-License-Identifier: MIT */
#include "embedded.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "output.h"
#include "spec.h"

struct embedded_submission {
	struct submission base;
	struct embedded *owner;
	jl_submission *handle;
};

static struct embedded_submission *self_of(struct submission *submission)
{
	return (struct embedded_submission *)(void *)submission;
}

/* Who asks. The common case does without a look into the user database. */
static const char *caller_name(void)
{
	struct passwd *entry;

	if (getuid() == 0)
		return "root";
	entry = getpwuid(getuid());
	return entry ? entry->pw_name : "";
}

/* What --schedule, --every and --cron came to, and the place in the queue. */
static int set_times(jl_submission *sub, const struct request *request,
		     struct fault *fault)
{
	const struct options *opts = request->opts;
	enum flag flag = FLAG_SCHEDULE;
	jl_error *err = NULL;
	char buf[SHOWN_MAX];
	int r;

	r = jl_submission_set_due(sub, request->due_usec, &err);
	if (r == 0 && request->recurrence) {
		flag = opts->cron ? FLAG_CRON : FLAG_EVERY;
		r = jl_submission_set_recurrence(sub, request->recurrence, &err);
	}
	if (r == 0) {
		flag = FLAG_RETRIES;
		r = jl_submission_set_retries(sub, opts->retries, &err);
	}
	if (r == 0) {
		flag = FLAG_PRIORITY;
		r = jl_submission_set_priority(sub, opts->priority, &err);
	}
	if (r == 0) {
		flag = FLAG_DISK;
		r = jl_submission_set_disk_bytes(sub, opts->disk_bytes, &err);
	}
	if (r < 0) {
		(void)fault_set(fault, r == -ENOMEM ? r : -EINVAL, "--%s=%s: %s",
				flag_table[flag].name, shown(buf, opts->given[flag]),
				jl_error_message(err));
		jl_error_free(err);
	}
	return r;
}

static int set_stdin(jl_submission *sub, struct fault *fault)
{
	jl_error *err = NULL;
	int r = jl_job_spec_set_stdio(jl_submission_spec(sub), 0, STDIN_FILENO, &err);

	if (r < 0) {
		(void)fault_set(fault, -EBADF, "standard input: %s",
				jl_error_message(err));
		jl_error_free(err);
	}
	return r;
}

int embedded_begin(struct backend *backend, const struct request *request,
		   struct submission **ret_submission, struct fault *fault)
{
	struct embedded_submission *self = calloc(1, sizeof(*self));
	jl_error *err = NULL;
	int r;

	if (!self)
		return fault_set(fault, -ENOMEM, "out of memory");
	self->base.ops = backend->ops;
	self->owner = embedded_of(backend);
	r = jl_submission_new(self->owner->node, &self->handle, &err);
	if (r < 0) {
		free(self);
		return embedded_fault(fault, r, err);
	}
	r = spec_fill(request->opts, request->words, jl_submission_spec(self->handle),
		      fault);
	if (r == 0)
		r = set_times(self->handle, request, fault);
	if (r == 0 && jl_submission_set_owner(self->handle, caller_name(), &err) < 0)
		r = embedded_fault(fault, jl_error_code(err), err);
	if (r == 0 && request->attached) {
		jl_submission_set_attached(self->handle, 1);
		r = set_stdin(self->handle, fault);
	}
	if (r < 0) {
		embedded_abort(&self->base);
		return r;
	}
	*ret_submission = &self->base;
	return 0;
}

int embedded_add_dir(struct submission *submission, const char *path, uint32_t mode,
		     struct fault *fault)
{
	jl_error *err = NULL;
	int r = jl_submission_add_dir(self_of(submission)->handle, path, mode, &err);

	return r < 0 ? embedded_fault(fault, r, err) : 0;
}

int embedded_add_link(struct submission *submission, const char *path, const char *target,
		      struct fault *fault)
{
	jl_error *err = NULL;
	int r = jl_submission_add_link(self_of(submission)->handle, path, target, &err);

	return r < 0 ? embedded_fault(fault, r, err) : 0;
}

int embedded_add_file(struct submission *submission, const char *path, uint32_t mode,
		      uint64_t size, struct fault *fault)
{
	jl_error *err = NULL;
	int r = jl_submission_add_file(self_of(submission)->handle, path, mode, size,
				       &err);

	return r < 0 ? embedded_fault(fault, r, err) : 0;
}

int embedded_write(struct submission *submission, const void *data, size_t len,
		   struct fault *fault)
{
	jl_error *err = NULL;
	int r = jl_submission_write(self_of(submission)->handle, data, len, &err);

	return r < 0 ? embedded_fault(fault, r, err) : 0;
}

int embedded_submit(struct submission *submission, struct job *job, struct fault *fault)
{
	struct embedded_submission *self = self_of(submission);
	jl_job_info *info = NULL;
	jl_error *err = NULL;
	struct fault filling;
	int r = jl_node_submit(self->owner->node, self->handle, &info, &err);

	if (r < 0)
		(void)embedded_fault(fault, r, err);
	/* A job that could not be started is one all the same. */
	if (info && embedded_fill_job(info, job, &filling) < 0 && r == 0) {
		*fault = filling;
		r = filling.code;
	}
	jl_job_info_free(info);
	embedded_abort(submission);
	return r;
}

void embedded_abort(struct submission *submission)
{
	struct embedded_submission *self = self_of(submission);

	jl_submission_free(self->handle);
	free(self);
}
