/* SPDX-License-Identifier: MIT */
#include "rnx.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <joblet/event.h>

#include "output.h"

/* Warnings are for people: whoever reads stderr through a pipe wants the job's alone. */
static void log_line(void *data, int level, const char *module, const char *text)
{
	(void)data;
	(void)module;
	if (level < JL_LOG_WARNING || (level == JL_LOG_WARNING && isatty(STDERR_FILENO)))
		say("%s", text);
}

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
		    "in through standard input");
	}
}

/* Says why the job did not start; returns the exit code shells use for it. */
static int start_failed(int code, jl_error *err, const char *command)
{
	/* A missing working directory has the same code, but is no missing command. */
	bool is_command = strcmp(jl_error_module(err), "command") == 0;

	say("%s", jl_error_message(err));
	jl_error_free(err);
	if (!is_command)
		return EXIT_FAILED;
	if (code == -EACCES || code == -ENOEXEC)
		return EXIT_NOT_EXECUTABLE;
	if (code != -ENOENT)
		return EXIT_FAILED;
	explain_not_found(command);
	return EXIT_NOT_FOUND;
}

/* Why the job ended, when it was not by itself. */
static void explain_end(const struct options *opts, const jl_limits *limits,
			const struct jl_result *result)
{
	uint64_t limit = jl_limits_get(limits, JL_LIMIT_MEMORY_BYTES);
	char text[64], limit_text[32], peak_text[32];

	switch (result->reason) {
	case JL_REASON_OOM:
		(void)snprintf(peak_text, sizeof(peak_text), "unknown");
		if (result->memory_peak_bytes != UINT64_MAX)
			(void)show_bytes(peak_text, result->memory_peak_bytes);
		if (limit != JL_UNLIMITED)
			say("job ran out of memory: limit %s (peak %s)",
			    show_bytes(limit_text, limit), peak_text);
		else
			say("job ran out of memory: this machine or a group above has no more "
			    "(peak %s)",
			    peak_text);
		break;
	case JL_REASON_TIMEOUT:
		say("job stopped after its time limit of %s",
		    show_usec(text, opts->timeout_usec));
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

/* Takes events until there are none. Returns 1 when the job has ended. */
static int take_events(jl_ctx *ctx, const jl_job *job, jl_error **err)
{
	jl_event *event;
	int r, ended = 0;

	while ((r = jl_ctx_next_event(ctx, &event, err)) > 0) {
		if (jl_event_get_type(event) == JL_EVENT_JOB_ENDED &&
		    jl_event_get_job(event) == job)
			ended = 1;
		jl_event_free(event);
	}
	return r < 0 ? r : ended;
}

/* Waits for the end of the job, forwarding signals. */
static int follow(jl_ctx *ctx, jl_job *job, int signals, jl_error **err)
{
	struct pollfd fds[2] = {
		{ .fd = jl_ctx_get_fd(ctx), .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};
	unsigned int interrupts = 0;
	int r;

	while ((r = take_events(ctx, job, err)) == 0) {
		r = poll(fds, 2, -1);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r > 0 && fds[1].revents &&
		    signals_forward(signals, job, &interrupts) < 0)
			say("a signal could not be passed on to the job");
	}
	if (r < 0)
		return r;
	/* The command has ended; now everything of it is gone, too. */
	return jl_job_wait(job, JL_FOREVER, err);
}

static int run_job(const struct options *opts, jl_ctx *ctx, jl_job_spec *spec,
		   const char *command)
{
	struct jl_result result = { .size = sizeof(result) };
	int signals, r, code = EXIT_FAILED;
	jl_error *err = NULL;
	jl_job *job;

	signals = signals_open();
	if (signals < 0) {
		say("cannot watch for signals: %s", strerror(-signals));
		return EXIT_FAILED;
	}
	r = jl_job_spawn(ctx, spec, &job, &err);
	if (r < 0) {
		(void)close(signals);
		return start_failed(r, err, command);
	}
	r = follow(ctx, job, signals, &err);
	if (r == 0)
		r = jl_job_get_result(job, &result, &err);
	if (r < 0) {
		say("cannot follow the job: %s",
		    err ? jl_error_message(err) : strerror(-r));
		jl_error_free(err);
	} else {
		explain_end(opts, jl_job_spec_limits(spec), &result);
		code = (int)result.exit_code;
	}
	(void)jl_job_unref(job);
	(void)close(signals);
	return code;
}

static int explain(jl_ctx *ctx, const jl_job_spec *spec, const char *command)
{
	jl_error *err = NULL;
	char *text;
	int r = jl_job_spec_explain(ctx, spec, &text, &err);

	if (r < 0)
		return start_failed(r, err, command);
	(void)fputs(text, stdout);
	jl_free(text);
	return finish_stdout();
}

int cmd_run(const struct options *opts, char **words)
{
	jl_job_spec *spec = NULL;
	jl_error *err = NULL;
	jl_ctx *ctx;
	int r;

	if (!*words) {
		say("must specify a command: rnx run [flags] COMMAND [ARG...]");
		return EXIT_USAGE;
	}
	r = spec_build(opts, words, &spec);
	if (r != EXIT_OK)
		return r;
	/* rnx is a process of its own: it may step aside to make room for limits. */
	if (jl_ctx_new(JL_CTX_MOVE_SELF, &ctx, &err) < 0) {
		say("%s", jl_error_message(err));
		jl_error_free(err);
		jl_job_spec_free(spec);
		return EXIT_FAILED;
	}
	if (!opts->quiet)
		jl_ctx_set_log(ctx, log_line, NULL);
	r = opts->explain ? explain(ctx, spec, words[0])
			  : run_job(opts, ctx, spec, words[0]);
	jl_job_spec_free(spec);
	(void)jl_ctx_unref(ctx);
	return r;
}
