/* SPDX-License-Identifier: MIT */
/*
 * rnx run --interactive and --explain: a job of this process alone. It gets the standard
 * streams themselves, is in no list and has no log, and ends with rnx.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <joblet/event.h>

#include "output.h"
#include "spec.h"

static int set_streams(jl_job_spec *spec, struct fault *fault)
{
	static const char *const names[] = { "input", "output", "error" };

	for (int fd = 0; fd <= 2; fd++) {
		jl_error *err = NULL;
		int r = jl_job_spec_set_stdio(spec, fd, fd, &err);

		if (r < 0) {
			(void)fault_set(fault, -EBADF, "standard %s: %s", names[fd],
					jl_error_message(err));
			jl_error_free(err);
			return -EBADF;
		}
	}
	return 0;
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

/* The third interrupt kills. -ESRCH: the job has just ended, which is noticed next. */
static void forward(int signals, jl_job *job, unsigned int *interrupts)
{
	int number;

	while ((number = signals_next(signals)) > 0) {
		int r;

		if (number == SIGINT && ++*interrupts >= 3)
			r = jl_job_kill(job, NULL);
		else
			r = jl_job_signal(job, number, NULL);
		if (r < 0 && r != -ESRCH)
			say("a signal could not be passed on to the job");
	}
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
		if (r > 0 && fds[1].revents)
			forward(signals, job, &interrupts);
	}
	if (r < 0)
		return r;
	/* The command has ended; now everything of it is gone, too. */
	return jl_job_wait(job, JL_FOREVER, err);
}

static void fault_from(struct fault *fault, int code, jl_error *err)
{
	(void)fault_set(fault, code, "%s", err ? jl_error_message(err) : strerror(-code));
	fault->command = strcmp(jl_error_module(err), "command") == 0;
	jl_error_free(err);
}

static int run_job(const struct options *opts, jl_ctx *ctx, jl_job_spec *spec,
		   const char *command)
{
	struct jl_result result = { .size = sizeof(result) };
	struct run_end end;
	struct fault fault;
	jl_error *err = NULL;
	jl_job *job;
	int signals, r;

	signals = signals_open();
	if (signals < 0) {
		say("cannot watch for signals: %s", strerror(-signals));
		return EXIT_FAILED;
	}
	r = jl_job_spawn(ctx, spec, &job, &err);
	if (r < 0) {
		(void)close(signals);
		fault_from(&fault, r, err);
		return run_not_started(&fault, command);
	}
	r = follow(ctx, job, signals, &err);
	if (r == 0)
		r = jl_job_get_result(job, &result, &err);
	(void)jl_job_unref(job);
	(void)close(signals);
	if (r < 0) {
		say("cannot follow the job: %s",
		    err ? jl_error_message(err) : strerror(-r));
		jl_error_free(err);
		return EXIT_FAILED;
	}
	end = (struct run_end){
		.reason = (uint64_t)result.reason,
		.memory_limit_bytes = opts->memory_bytes,
		.memory_peak_bytes = result.memory_peak_bytes,
		.timeout_usec = opts->timeout_usec,
	};
	run_explain_end(&end);
	return (int)result.exit_code;
}

static int explain(jl_ctx *ctx, const jl_job_spec *spec, const char *command)
{
	struct fault fault;
	jl_error *err = NULL;
	char *text;
	int r = jl_job_spec_explain(ctx, spec, &text, &err);

	if (r < 0) {
		fault_from(&fault, r, err);
		return run_not_started(&fault, command);
	}
	(void)fputs(text, stdout);
	jl_free(text);
	return finish_stdout();
}

/*
 * Whether networks are this caller's to make: then "bridge" is the default, as it is on a
 * node. Root of a user namespace is no root of the machine.
 */
static bool is_machine_root(void)
{
	static const char all[] = "         0          0 4294967295";
	char map[64] = "";
	ssize_t n;
	int fd;

	if (geteuid() != 0)
		return false;
	fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, map, sizeof(map) - 1);
	(void)close(fd);
	return n > 0 && strncmp(map, all, sizeof(all) - 1) == 0;
}

static int default_network(const struct options *opts, jl_job_spec *spec,
			   struct fault *fault)
{
	jl_error *err = NULL;

	if (opts->network || !is_machine_root())
		return 0;
	if (jl_job_spec_set_network_name(spec, "bridge", &err) < 0) {
		fault_from(fault, jl_error_code(err), err);
		return fault->code;
	}
	return 0;
}

int run_direct(const struct options *opts, char **words)
{
	struct fault fault;
	jl_job_spec *spec;
	jl_error *err = NULL;
	jl_ctx *ctx;
	int r;

	if (jl_job_spec_new(&spec) < 0) {
		say("out of memory");
		return EXIT_FAILED;
	}
	r = spec_fill(opts, words, spec, &fault);
	if (r == 0)
		r = default_network(opts, spec, &fault);
	if (r == 0)
		r = set_streams(spec, &fault);
	if (r < 0) {
		jl_job_spec_free(spec);
		return say_fault(&fault);
	}
	/* rnx is a process of its own: it may step aside to make room for limits. */
	if (jl_ctx_new(JL_CTX_MOVE_SELF, &ctx, &err) < 0) {
		say("%s", jl_error_message(err));
		jl_error_free(err);
		jl_job_spec_free(spec);
		return EXIT_FAILED;
	}
	if (!opts->quiet)
		jl_ctx_set_log(ctx, say_log, NULL);
	r = opts->explain ? explain(ctx, spec, words[0])
			  : run_job(opts, ctx, spec, words[0]);
	jl_job_spec_free(spec);
	(void)jl_ctx_unref(ctx);
	return r;
}
