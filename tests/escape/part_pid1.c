/* SPDX-License-Identifier: MIT */
/* PID 1 that will not end: every job does, and nothing of it is left. */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_PIDS "200"

static struct run run;

/* What ends the job, once it is ready. */
enum ending {
	BY_ITSELF, /* or by --timeout */
	/* The caller is killed. A job of its own (-i) dies with it; any other is kept,
	 * goes on and is stopped later. */
	CALLER_KILLED
};

struct clinger {
	const char *attack;
	enum ending ending;
	const char *flags[3];
	int status;	/* -1: anything but 0 */
	double seconds; /* from ready to the end */
};

static const struct clinger clingers[] = {
	{ "pid1-exits-at-once", BY_ITSELF, { NULL }, 7, 5 },
	{ "pid1-daemons", BY_ITSELF, { NULL }, 0, 5 },
	{ "pid1-zombies", BY_ITSELF, { NULL }, 0, 5 },
	{ "pid1-holds-output", BY_ITSELF, { NULL }, 3, 5 },
	{ "pid1-forks-and-exits", BY_ITSELF, { NULL }, 5, 5 },
	{ "pid1-ignores-signals", BY_ITSELF, { "--timeout=3s" }, -1, 15 },
	{ "pid1-stops-itself", BY_ITSELF, { "--timeout=3s" }, -1, 15 },
	{ "pid1-forks-while-killed", BY_ITSELF, { "--timeout=3s" }, -1, 15 },
	{ "pid1-hides", BY_ITSELF, { "--timeout=3s" }, -1, 15 },
	/* Kept jobs outlive their caller, whatever PID 1 is like; stopping ends them. */
	{ "pid1-ignores-signals", CALLER_KILLED, { NULL }, 137, 10 },
	{ "pid1-stops-itself", CALLER_KILLED, { NULL }, 137, 10 },
	{ "pid1-forks-while-killed", CALLER_KILLED, { NULL }, 137, 10 },
	{ "pid1-hides", CALLER_KILLED, { NULL }, 137, 10 },
	{ "pid1-uninterruptible", CALLER_KILLED, { NULL }, 137, 10 },
	/* Jobs that are the caller's own. */
	{ "pid1-exits-at-once", BY_ITSELF, { "-i" }, 7, 5 },
	{ "pid1-daemons", BY_ITSELF, { "-i" }, 0, 5 },
	{ "pid1-holds-output", BY_ITSELF, { "-i" }, 3, 5 },
	{ "pid1-forks-and-exits", BY_ITSELF, { "-i" }, 5, 5 },
	{ "pid1-ignores-signals", CALLER_KILLED, { "-i" }, 137, 10 },
	{ "pid1-stops-itself", CALLER_KILLED, { "-i" }, 137, 10 },
	{ "pid1-forks-while-killed", CALLER_KILLED, { "-i" }, 137, 10 },
	{ "pid1-hides", CALLER_KILLED, { "-i" }, 137, 10 },
	{ "pid1-uninterruptible", CALLER_KILLED, { "-i" }, 137, 10 },
	/* With an init in front the same must hold. */
	{ "pid1-exits-at-once", BY_ITSELF, { "--init" }, 7, 5 },
	{ "pid1-daemons", BY_ITSELF, { "--init" }, 0, 5 },
	{ "pid1-holds-output", BY_ITSELF, { "--init" }, 3, 5 },
	{ "pid1-forks-and-exits", BY_ITSELF, { "--init" }, 5, 5 },
	{ "pid1-forks-while-killed", CALLER_KILLED, { "--init" }, 137, 10 },
	{ "pid1-forks-while-killed", CALLER_KILLED, { "-i", "--init" }, 137, 10 },
};

static bool is_kept(const struct clinger *c)
{
	return c->flags[0] == NULL || strcmp(c->flags[0], "-i") != 0;
}

static bool rnx_says(const char *const *words, const char *text)
{
	static struct run asked;
	bool good;

	run_init(&asked);
	run_add_all(&asked, words);
	run_whole(&asked, 30);
	good = asked.status == 0 && strstr(asked.output, text) != NULL;
	if (!good) {
		tap_note("rnx %s: exit status %d", words[0], asked.status);
		run_show(&asked, NULL);
	}
	return good;
}

/* The caller is gone. RUNNING is what the store says; the processes are there. */
static void stop_kept(const char *title)
{
	char id[40] = "";

	(void)sscanf(run.output, "ready %39[0-9a-f-]", id);
	tap_result(rnx_says((const char *const[]){ "status", id, NULL }, "RUNNING") &&
			   host_count_processes() > 0,
		   "%s: goes on", title);
	/* A job that had died with its caller would not become STOPPED. */
	tap_result(
		rnx_says((const char *const[]){ "stop", "--timeout=100ms", id, NULL },
			 "") &&
			rnx_says((const char *const[]){ "status", id, NULL }, "STOPPED"),
		"%s: is stopped", title);
}

static void cling(const struct clinger *c)
{
	const char *flags[5] = { "--max-pids=" MAX_PIDS, c->flags[0], c->flags[1], NULL };
	const char *more = c->flags[0] != NULL ? c->flags[0] : "";
	char title[128];
	bool good;
	double ready;

	(void)snprintf(title, sizeof(title), "%s%s%s%s%s%s", c->attack,
		       *more != '\0' ? ", " : "", more, c->flags[1] != NULL ? " " : "",
		       c->flags[1] != NULL ? c->flags[1] : "",
		       c->ending == CALLER_KILLED ? ", rnx killed" : "");
	run_init(&run);
	run_attack_words(&run, flags, c->attack);
	if (!run_start(&run) || !run_until(&run, "ready", 20) ||
	    !run_until(&run, "\n", 20)) {
		run_finish(&run, 5);
		tap_result(false, "%s", title);
		tap_note("exit status %d before it was ready", run.status);
		run_show(&run, NULL);
		return;
	}
	ready = host_now();
	if (c->ending == CALLER_KILLED) {
		/* In the midst of what it does after it said so. */
		(void)usleep(100000);
		(void)kill(run.pid, SIGKILL);
	}
	run_finish(&run, c->seconds);
	good = c->status >= 0 ? run.status == c->status
			      : run.status != 0 && run.status != -1;
	tap_result(good, "%s: %s", title,
		   c->ending == CALLER_KILLED ? "rnx has ended" : "ends as it must");
	if (!good) {
		tap_note("exit status %d, %.1f s after it was ready", run.status,
			 host_now() - ready);
		run_show(&run, NULL);
	}
	if (c->ending == CALLER_KILLED && is_kept(c))
		stop_kept(title);
	tap_result(host_is_clean(title), "%s: nothing is left", title);
}

void part_pid1(void)
{
	for (size_t i = 0; i < sizeof(clingers) / sizeof(clingers[0]); i++) {
		/* Killing takes in all that ending does. */
		if (!host_quick || clingers[i].ending == CALLER_KILLED)
			cling(&clingers[i]);
	}
}
