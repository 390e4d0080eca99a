/* SPDX-License-Identifier: MIT */
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <joblet/node.h>
#include <joblet/sched.h>

#include "output.h"
#include "remote.h"
#include "show.h"
#include "spec.h"
#include "upload.h"

/* Flags that cannot stand together; the first one given of each list. */
static enum flag first_of(const struct options *opts, const enum flag *flags,
			  size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (options_has(opts, flags[i]))
			return flags[i];
	}
	return FLAG_COUNT;
}

static int exclusive(enum flag a, enum flag b, const char *why)
{
	say("--%s and --%s exclude each other: %s", flag_table[a].name,
	    flag_table[b].name, why);
	return EXIT_USAGE;
}

#define LENGTH(list) (sizeof(list) / sizeof((list)[0]))

static int check_together(const struct options *opts)
{
	static const enum flag times[] = { FLAG_SCHEDULE, FLAG_EVERY, FLAG_CRON };
	static const enum flag of_a_node[] = {
		FLAG_DETACH,  FLAG_SCHEDULE, FLAG_EVERY,  FLAG_CRON,
		FLAG_RETRIES, FLAG_PRIORITY, FLAG_UPLOAD, FLAG_UPLOAD_DIR,
		FLAG_DISK,    FLAG_JSON,     FLAG_SERVER, FLAG_NODE
	};
	enum flag first = first_of(opts, times, LENGTH(times)), other;

	for (size_t i = 0; i < LENGTH(times); i++) {
		if (first != FLAG_COUNT && times[i] > first &&
		    options_has(opts, times[i]))
			return exclusive(first, times[i], "a job has one time to start");
	}
	other = first_of(opts, of_a_node, LENGTH(of_a_node));
	if (opts->interactive && other != FLAG_COUNT)
		return exclusive(FLAG_INTERACTIVE, other,
				 "an interactive job belongs to this terminal alone");
	if (opts->detach && (opts->follow || options_has(opts, FLAG_WAIT)))
		return exclusive(FLAG_DETACH, opts->follow ? FLAG_FOLLOW : FLAG_WAIT,
				 "either it returns at once or it stays");
	if (opts->rm && (opts->detach || opts->json || first != FLAG_COUNT))
		return exclusive(FLAG_RM,
				 opts->detach ? FLAG_DETACH
				 : opts->json ? FLAG_JSON
					      : first,
				 "only who stays to the end can delete the job then");
	return EXIT_OK;
}

static void warn_risky(const struct options *opts)
{
	char name[64], buf[SHOWN_MAX];

	for (size_t i = 0; i < opts->repeated_count && !opts->quiet; i++) {
		const struct repeated *item = &opts->repeated[i];

		if ((item->flag != FLAG_ENV && item->flag != FLAG_SECRET_ENV) ||
		    !spec_is_risky(item->text))
			continue;
		(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(item->text, "="),
			       item->text);
		say("--%s=%s: replaces what the job's programs rely on",
		    flag_table[item->flag].name, shown(buf, name));
	}
}

/* A time that could not be read; value is as it was given. */
static int bad_time(enum flag flag, const char *value, jl_error *err)
{
	char buf[SHOWN_MAX];

	say("--%s=%s: %s", flag_table[flag].name, shown(buf, value),
	    jl_error_message(err));
	jl_error_free(err);
	return EXIT_USAGE;
}

/* The zone of this machine, for rules that are carried out elsewhere; "" when unknown. */
static void local_zone(char zone[128])
{
	static const char mark[] = "/zoneinfo/";
	const char *name = getenv("TZ");
	char path[PATH_MAX];
	ssize_t len;

	zone[0] = 0;
	if (!name) {
		len = readlink("/etc/localtime", path, sizeof(path) - 1);
		if (len <= 0 && errno != ENOENT)
			return;
		path[len > 0 ? len : 0] = 0;
		name = strstr(path, mark);
		if (len > 0 && !name)
			return;
		name = len > 0 ? name + sizeof(mark) - 1 : "";
	}
	if (*name == ':')
		name++;
	/* What an empty variable means, and a machine without a zone. */
	if (!*name)
		name = "UTC";
	/* A zone by rules ("CET-1CEST,M3.5.0,M10.5.0/3") has no name to be given. */
	if (*name == '/' || strlen(name) >= 128 || strpbrk(name, ", \t"))
		return;
	(void)strcpy(zone, name);
}

/* Reads a rule again as it will be handed on, and finds its first time. */
static int first_time(enum flag flag, const char *value, const char *text,
		      uint64_t *ret_usec)
{
	uint64_t now = now_usec();
	jl_error *err = NULL;
	jl_rule *rule = NULL;
	char buf[SHOWN_MAX];
	int r;

	if (jl_rule_parse(text, &rule, &err) < 0)
		return bad_time(flag, value, err);
	r = jl_rule_next(rule, now, ret_usec);
	jl_rule_free(rule);
	if (r < 0) {
		say("--%s=%s: there is no such time within 30 years",
		    flag_table[flag].name, shown(buf, value));
		return EXIT_USAGE;
	}
	return EXIT_OK;
}

#define RULE_MAX 512

/* As far ahead as a node takes a job. */
#define SCHEDULE_MAX_USEC (UINT64_C(366) * 24 * 3600 * 1000000)

static int read_times(const struct options *opts, struct request *request,
		      char rule[RULE_MAX])
{
	char zone[128];
	jl_error *err = NULL;

	if (opts->schedule) {
		uint64_t now = now_usec();
		char buf[SHOWN_MAX];

		if (jl_time_parse(opts->schedule, now, &request->due_usec, &err) < 0)
			return bad_time(FLAG_SCHEDULE, opts->schedule, err);
		if (request->due_usec > now &&
		    request->due_usec - now > SCHEDULE_MAX_USEC) {
			say("--schedule=%s: is more than 366 days ahead",
			    shown(buf, opts->schedule));
			return EXIT_USAGE;
		}
		/* 0 would be "not scheduled"; a time in 1970 has passed anyway. */
		request->due_usec += request->due_usec == 0;
		return EXIT_OK;
	}
	if (!opts->every && !opts->cron)
		return EXIT_OK;
	local_zone(zone);
	if (opts->every)
		(void)snprintf(rule, RULE_MAX, "every %s", opts->every);
	else if (*zone && strncmp(opts->cron, "TZ=", 3) != 0)
		(void)snprintf(rule, RULE_MAX, "TZ=%s %s", zone, opts->cron);
	else
		(void)snprintf(rule, RULE_MAX, "%s", opts->cron);
	request->recurrence = rule;
	return first_time(opts->every ? FLAG_EVERY : FLAG_CRON,
			  opts->every ? opts->every : opts->cron, rule,
			  &request->due_usec);
}

/* Sends what is to be uploaded, saying so. */
static int upload(const struct options *opts, struct submission *submission,
		  const struct upload_totals *totals, bool attached, struct fault *fault)
{
	FILE *out = attached ? stderr : stdout;

	if (totals->files == 0 && options_count(opts, FLAG_UPLOAD_DIR) == 0)
		return 0;
	if (!opts->json && !opts->quiet) {
		(void)fprintf(out, "Uploading %" PRIu64 " files (%.2f MB)...\n",
			      totals->files, (double)totals->bytes / (1024.0 * 1024.0));
		(void)fflush(out);
	}
	return upload_send(opts, submission, totals,
			   !opts->quiet && !opts->json && isatty(STDERR_FILENO), fault);
}

/* Hands the job in; job is filled in as far as there is one. */
static int hand_in(struct backend *backend, const struct request *request,
		   const struct upload_totals *totals, struct job *job,
		   struct fault *fault)
{
	struct submission *submission;
	int r = backend->ops->begin(backend, request, &submission, fault);

	if (r < 0)
		return r;
	r = upload(request->opts, submission, totals, request->attached, fault);
	if (r < 0) {
		backend->ops->abort(submission);
		return r;
	}
	return backend->ops->submit(submission, job, fault);
}

/* For people, not for whoever reads the job's own stderr through a pipe. */
static void say_started(const struct options *opts, const struct job *job)
{
	if (opts->quiet || !isatty(STDERR_FILENO))
		return;
	if (job->warning)
		say("%s", job->warning);
	if (job->number == UNKNOWN || opts->under_job)
		say("job %s", job->uuid);
	else
		say("job %" PRIu64 "%s%s", job->number, job->name ? ", " : "",
		    job->name ? job->name : "");
}

static int stay(const struct options *opts, struct backend *backend, struct job *job)
{
	struct fault fault;
	int code;

	say_started(opts, job);
	code = run_attached(opts, backend, job);
	if (opts->rm && backend->ops->job_delete(backend, job->uuid, &fault) < 0)
		say("%s", fault.text);
	return code;
}

static int submit(const struct options *opts, struct backend *backend,
		  const struct request *request, const struct upload_totals *totals)
{
	struct fault fault;
	struct job job;
	int r, code;

	job_init(&job);
	r = hand_in(backend, request, totals, &job, &fault);
	if (r < 0) {
		code = run_not_started(&fault, request->words[0]);
		if (opts->rm && job.uuid)
			(void)backend->ops->job_delete(backend, job.uuid, &fault);
	} else if (request->attached) {
		code = stay(opts, backend, &job);
	} else {
		code = run_print_job(opts, &job, totals->files);
		run_hint_waiting(opts, backend, &job);
	}
	job_done(&job);
	return code;
}

/* Input that is there and that nobody will read, or not twice. */
static void warn_stdin(const struct options *opts, const struct backend *backend,
		       const struct request *request)
{
	bool passes = backend->ops->stdin_passes;

	if (!request->attached || opts->quiet || (passes && opts->retries == 0) ||
	    !stdin_has_data())
		return;
	say(passes ? "standard input is for the first attempt, a retry has none; use "
		     "--upload"
		   : "standard input is not passed on to a server's job; use --upload");
}

int cmd_run(const struct options *opts, char **words)
{
	struct upload_totals totals = { 0 };
	struct request request = { .opts = opts, .words = words };
	struct backend *backend;
	struct fault fault;
	char rule[RULE_MAX];
	int r;

	r = check_together(opts);
	if (r != EXIT_OK)
		return r;
	if (spec_check(opts, words, &fault) < 0)
		return say_fault(&fault);
	warn_risky(opts);
	if (opts->interactive && !opts->quiet && !state_dir_of(opts) &&
	    remote_asked(opts))
		say("--interactive: the job runs on this machine, not on the server that is "
		    "configured");
	if (opts->interactive || opts->explain)
		return run_direct(opts, words);
	r = read_times(opts, &request, rule);
	if (r != EXIT_OK)
		return r;
	request.attached = !opts->detach && !opts->json && request.due_usec == 0;
	if (upload_survey(opts, &totals, &fault) < 0)
		return say_fault(&fault);
	if (backend_open(opts, &backend, &fault) < 0)
		return say_fault(&fault);
	warn_stdin(opts, backend, &request);
	r = submit(opts, backend, &request, &totals);
	backend->ops->close(backend);
	return r;
}
