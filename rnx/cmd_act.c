/* SPDX-License-Identifier: MIT */
/* Commands that do something to a job and say what came of it. */
#include "rnx.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include <joblet/node.h>

#include "json.h"
#include "on_job.h"
#include "output.h"
#include "show.h"

static void print_outcome(const struct options *opts, const char *headline,
			  const struct job *job)
{
	(void)printf("%s\nID: ", headline);
	print_job_id(job, opts->under_job);
	(void)printf("\nStatus: ");
	print_state(job->state, 0);
	(void)putchar('\n');
}

/*
 * Stops it and waits for the end, so that what is printed is how it ended. The node keeps
 * the grace time: the wait is over soon after it.
 */
static int stop(const struct options *opts, struct backend *backend, const char *id,
		struct job *job, struct fault *fault)
{
	const struct backend_ops *ops = backend->ops;
	uint64_t grace = JL_FOREVER;
	int r;

	if (opts->force)
		grace = 0;
	else if (options_has(opts, FLAG_TIMEOUT))
		grace = opts->timeout_usec;
	r = ops->job_get(backend, id, job, fault);
	if (r == 0)
		r = ops->job_stop(backend, job->uuid, grace, fault);
	if (r == 0)
		r = ops->job_wait(backend, job->uuid, JL_FOREVER, fault);
	return r < 0 ? r : ops->job_get(backend, job->uuid, job, fault);
}

static int print_stopped(const struct options *opts, const struct job *job)
{
	json_t *object;

	if (!opts->json) {
		print_outcome(opts, "Job stopped successfully:", job);
		return finish_stdout();
	}
	object = json_object();
	json_put(object, "uuid", json_bytes(job->uuid));
	json_put(object, "status", json_string(state_name(job->state)));
	json_put(object, "end_time", json_time(job->end_usec));
	if (job->exit_code != UNKNOWN)
		json_put(object, "exit_code", json_integer((json_int_t)job->exit_code));
	return json_print(object);
}

int cmd_stop(const struct options *opts, char **words)
{
	if (opts->force && options_has(opts, FLAG_TIMEOUT)) {
		say("--force and --timeout exclude each other: --force waits for nothing");
		return EXIT_USAGE;
	}
	return on_job(opts, words[0], stop, print_stopped);
}

static int cancel(const struct options *opts, struct backend *backend, const char *id,
		  struct job *job, struct fault *fault)
{
	const struct backend_ops *ops = backend->ops;
	int r = ops->job_get(backend, id, job, fault);

	(void)opts;
	if (r == 0 && job->state != JL_STATE_SCHEDULED)
		return fault_set(fault, -EBUSY,
				 jl_state_is_final(job->state)
					 ? "job %s is %s and not SCHEDULED: there is "
					   "nothing to cancel"
					 : "job %s is %s and not SCHEDULED: end it with "
					   "rnx stop",
				 id, state_name(job->state));
	if (r == 0)
		r = ops->job_cancel(backend, job->uuid, fault);
	return r < 0 ? r : ops->job_get(backend, job->uuid, job, fault);
}

static int print_canceled(const struct options *opts, const struct job *job)
{
	json_t *object;

	if (!opts->json) {
		print_outcome(opts, "Scheduled job canceled successfully:", job);
		(void)puts("Its history is kept; rnx delete removes it");
		return finish_stdout();
	}
	object = json_object();
	json_put(object, "canceled", json_true());
	json_put(object, "job_id", json_bytes(job->uuid));
	json_put(object, "status", json_string(state_name(job->state)));
	json_put(object, "message", json_string("job canceled, its history is kept"));
	return json_print(object);
}

int cmd_cancel(const struct options *opts, char **words)
{
	return on_job(opts, words[0], cancel, print_canceled);
}

static int delete (const struct options *opts, struct backend *backend, const char *id,
		   struct job *job, struct fault *fault)
{
	int r = backend->ops->job_get(backend, id, job, fault);

	(void)opts;
	return r < 0 ? r : backend->ops->job_delete(backend, job->uuid, fault);
}

static int print_deleted(const struct options *opts, const struct job *job)
{
	json_t *object;

	if (!opts->json) {
		(void)printf("Job deleted successfully:\nID: ");
		print_job_id(job, opts->under_job);
		(void)printf("\nMessage: job and log deleted\n");
		return finish_stdout();
	}
	object = json_object();
	json_put(object, "uuid", json_bytes(job->uuid));
	json_put(object, "success", json_true());
	json_put(object, "message", json_string("job and log deleted"));
	return json_print(object);
}

int cmd_delete(const struct options *opts, char **words)
{
	return on_job(opts, words[0], delete, print_deleted);
}

static int delete_all_printed(const struct options *opts, uint32_t deleted,
			      uint32_t skipped)
{
	char message[96];

	(void)snprintf(message, sizeof(message),
		       "%" PRIu32 " job%s deleted, %" PRIu32 " not ended yet", deleted,
		       deleted == 1 ? "" : "s", skipped);
	if (opts->json) {
		json_t *object = json_object();

		json_put(object, "success", json_true());
		json_put(object, "message", json_string(message));
		json_put(object, "deleted_count", json_integer((json_int_t)deleted));
		json_put(object, "skipped_count", json_integer((json_int_t)skipped));
		return json_print(object);
	}
	(void)printf("Deleted: %" PRIu32 "\nSkipped: %" PRIu32 "\nMessage: %s\n", deleted,
		     skipped, message);
	return finish_stdout();
}

int cmd_delete_all(const struct options *opts, char **words)
{
	struct backend *backend;
	uint32_t deleted, skipped;
	struct fault fault;
	int r;

	(void)words;
	if (backend_open(opts, &backend, &fault) < 0)
		return say_fault(&fault);
	r = backend->ops->job_delete_all(backend, &deleted, &skipped, &fault);
	r = r < 0 ? say_fault(&fault) : delete_all_printed(opts, deleted, skipped);
	backend->ops->close(backend);
	return r;
}

static int wait_for(const struct options *opts, struct backend *backend, const char *id,
		    struct job *job, struct fault *fault)
{
	uint64_t timeout =
		options_has(opts, FLAG_TIMEOUT) ? opts->timeout_usec : JL_FOREVER;
	int r = backend->ops->job_get(backend, id, job, fault);

	if (r == 0)
		r = backend->ops->job_wait(backend, job->uuid, timeout, fault);
	return r < 0 ? r : backend->ops->job_get(backend, job->uuid, job, fault);
}

/* The exit code is the job's own, as that of an attached run. */
static int print_end(const struct options *opts, const struct job *job)
{
	int r;

	if (opts->json) {
		r = json_print(json_status(job));
	} else {
		(void)printf("ID: ");
		print_job_id(job, opts->under_job);
		(void)printf("\nStatus: ");
		print_state(job->state, 0);
		if (job->exit_code != UNKNOWN)
			(void)printf("\nExit Code: %" PRIu64, job->exit_code);
		(void)putchar('\n');
		r = finish_stdout();
	}
	if (r != EXIT_OK)
		return r;
	if (job->exit_code != UNKNOWN)
		return (int)job->exit_code;
	if (job->failure)
		say("%s", job->failure);
	return EXIT_FAILED;
}

int cmd_wait(const struct options *opts, char **words)
{
	return on_job(opts, words[0], wait_for, print_end);
}
