/* SPDX-License-Identifier: MIT */
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <joblet/node.h>

#include "json.h"
#include "output.h"
#include "show.h"

/* Length of the NAME=VALUE a command begins with as in a shell, or 0. */
static size_t variable_len(const char *command)
{
	size_t name = strspn(command, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz_0123456789");

	return name > 0 && command[name] == '=' ? strcspn(command, " ") : 0;
}

/* One more line for what people used to other tools mean by a command not found. */
static void explain_not_found(const char *command)
{
	size_t len = variable_len(command);
	char buf[SHOWN_MAX], variable[64];

	if (len > 0) {
		(void)snprintf(variable, sizeof(variable), "%.*s",
			       (int)(len < 63 ? len : 63), command);
		say("to set a variable use -e %s", shown(buf, variable));
	} else if (strchr(command, ' ')) {
		say("give the command and its arguments as separate words, or use sh -c");
	} else if (strchr(command, ':')) {
		say("there are no images: '%s' was looked for as a program of this machine",
		    shown(buf, command));
	} else if (strchr(command, '/')) {
		say("jobs see /usr of this machine and none of your folders; bring files "
		    "in with --upload or --upload-dir");
	}
}

int run_not_started(const struct fault *fault, const char *command)
{
	if (!fault->command) {
		int code = say_fault(fault);

		return code == EXIT_UNAVAILABLE || code == EXIT_DENIED ? code
								       : EXIT_FAILED;
	}
	say("%s", fault->text);
	if (fault->code == -EACCES || fault->code == -ENOEXEC)
		return EXIT_NOT_EXECUTABLE;
	if (fault->code != -ENOENT)
		return EXIT_FAILED;
	explain_not_found(command);
	return EXIT_NOT_FOUND;
}

void run_explain_end(const struct run_end *end)
{
	char text[64], limit_text[32], peak_text[32];

	switch (end->reason) {
	case JL_REASON_OOM:
		(void)snprintf(peak_text, sizeof(peak_text), "unknown");
		if (end->memory_peak_bytes != UNKNOWN)
			(void)show_bytes(peak_text, end->memory_peak_bytes);
		if (end->memory_limit_bytes != 0 && end->memory_limit_bytes != UNKNOWN)
			say("job ran out of memory: limit %s (peak %s)",
			    show_bytes(limit_text, end->memory_limit_bytes), peak_text);
		else
			say("job ran out of memory: this machine or a group above has no more "
			    "(peak %s)",
			    peak_text);
		break;
	case JL_REASON_TIMEOUT:
		say("job stopped after its time limit of %s",
		    show_usec(text, end->timeout_usec));
		break;
	case JL_REASON_STOPPED:
		say("job killed");
		break;
	case JL_REASON_LOST:
		say("job lost: its supervisor died and the job was killed with it");
		break;
	default:
		break;
	}
}

static int print_json(const struct options *opts, const struct job *job, uint64_t files)
{
	json_t *object = json_run(job,
				  opts->schedule ? opts->schedule
				  : opts->every	 ? opts->every
						 : opts->cron,
				  files, options_count(opts, FLAG_ENV),
				  options_count(opts, FLAG_SECRET_ENV));

	return json_print(object);
}

int run_print_job(const struct options *opts, const struct job *job, uint64_t files)
{
	const char *input = opts->schedule ? opts->schedule
			    : opts->every  ? opts->every
					   : opts->cron;
	size_t env = options_count(opts, FLAG_ENV);
	size_t secret = options_count(opts, FLAG_SECRET_ENV);
	char buf[64];

	if (opts->json)
		return print_json(opts, job, files);
	(void)printf("Job started:\nID: ");
	print_job_id(job, opts->under_job);
	(void)printf("\nCommand: ");
	print_command(job, 0);
	(void)printf("\nStatus: %s\n", state_name(job->state));
	if (job->state == JL_STATE_SCHEDULED) {
		(void)printf("Schedule Input: ");
		print_text(input ? input : "");
		(void)printf("\nScheduled Time: %s\n", show_rfc3339(buf, job->due_usec));
	} else if (job->start_usec != UNKNOWN) {
		(void)printf("StartTime: %s\n", show_rfc3339(buf, job->start_usec));
	}
	if (opts->network) {
		(void)printf("Network: ");
		print_text(opts->network);
		(void)printf("\n");
	}
	if (files > 0)
		(void)printf("Files: %" PRIu64 " uploaded successfully\n", files);
	if (env > 0)
		(void)printf("Environment: %zu variable%s set\n", env,
			     env == 1 ? "" : "s");
	if (secret > 0)
		(void)printf("Secret Environment: %zu variable%s set\n", secret,
			     secret == 1 ? "" : "s");
	return finish_stdout();
}

/* Who could start a job that nobody here waits for, as something to do. */
static const char *who_starts(const struct options *opts, char *buf, size_t size)
{
	const char *dir = state_dir_of(opts);
	char shown_dir[SHOWN_MAX];

	if (geteuid() != 0)
		(void)snprintf(buf, size, "keep rnx wait running");
	else if (dir)
		(void)snprintf(buf, size,
			       "start a daemon that has joblet.stateDir: %s in its "
			       "configuration, or keep rnx wait running",
			       shown(shown_dir, dir));
	else
		(void)snprintf(buf, size,
			       "start the daemon with '%s', or keep rnx wait running",
			       access("/run/systemd/system", F_OK) == 0
				       ? "systemctl start joblet"
				       : "joblet --local-only");
	return buf;
}

void run_hint_waiting(const struct options *opts, const struct backend *backend,
		      const struct job *job)
{
	char buf[SHOWN_MAX + 128];

	if (opts->quiet || backend->ops->lasting)
		return;
	if (job->state == JL_STATE_SCHEDULED)
		say("nobody is there to start it when its time comes: %s",
		    who_starts(opts, buf, sizeof(buf)));
	else if (job->state == JL_STATE_PENDING)
		say("it waits for a slot, and nobody is there to start it then: %s",
		    who_starts(opts, buf, sizeof(buf)));
	else if (opts->retries > 0)
		say("nobody is there to start it again when it fails: %s",
		    who_starts(opts, buf, sizeof(buf)));
}
