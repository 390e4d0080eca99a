/* SPDX-License-Identifier: MIT */
/* Jobs that eat what is shared: the host and the neighbours go on. */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#define MAX_PIDS "200"

static struct run run;

/* ---- exhaustion ---- */

struct eater {
	const char *attack;
	const char *flags[8];
	int statuses[3]; /* accepted exit codes; the rest of the list is 0 */
};

static const struct eater eaters[] = {
	{ "exhaust-forks", { "--max-pids=" MAX_PIDS }, { 0 } },
	{ "exhaust-memory", { "--max-memory=64" }, { 137, 137 } },
	{ "exhaust-tmpfs", { "--max-memory=128" }, { 0, 137 } },
	{ "exhaust-inodes", { "--max-memory=128" }, { 0, 137 } },
	{ "exhaust-descriptors",
	  { "--max-memory=256", "--max-pids=" MAX_PIDS },
	  { 0, 137 } },
	{ "exhaust-watches", { "--max-memory=128" }, { 0, 137 } },
	{ "exhaust-terminals", { "--max-memory=128" }, { 0, 137 } },
	{ "exhaust-ipc", { "--max-memory=128" }, { 0, 137 } },
	{ "exhaust-socket-memory", { "--max-memory=128" }, { 0, 137 } },
	{ "exhaust-processor", { "--max-cpu=50", "--max-pids=" MAX_PIDS }, { 0 } },
	{ "exhaust-output", { "--max-memory=128" }, { 0 } },
};

static bool accepted(const struct eater *e, int status)
{
	for (size_t i = 0; i < 3; i++) {
		/* The first counts even when it is 0. */
		if (e->statuses[i] == status && (i == 0 || status != 0))
			return true;
	}
	return false;
}

/* Two seconds are enough for anybody who shares the machine with a job. */
#define ENOUGH 2.0

/* With how many others each processor is shared already, before anybody eats. */
static double crowd(void)
{
	static double at_start;
	double load = 0;

	if (at_start <= 0) {
		if (getloadavg(&load, 1) != 1)
			load = 0;
		at_start = 1 + load / (double)sysconf(_SC_NPROCESSORS_ONLN);
	}
	return at_start;
}

/* The slowest of some starts of a neighbour and of a program, while nobody eats. */
static bool at_rest(double *neighbour, double *program)
{
	*neighbour = *program = 0;
	for (int i = 0; i < 3; i++) {
		double a = host_neighbour_seconds(), b = host_program_seconds();

		if (a < 0 || b < 0)
			return false;
		*neighbour = a > *neighbour ? a : *neighbour;
		*program = b > *program ? b : *program;
	}
	return true;
}

/* Where all is slower than that by itself, as much as says "the same kind". */
static double allowed(double rest)
{
	double enough = ENOUGH * crowd();

	return 20 * rest > enough ? 20 * rest : enough;
}

static double hold_seconds(void)
{
	return 0.6 + 0.15 * host_slowness;
}

/* False when only the times were bad, and it is not the last try. */
static bool feed(const struct eater *e, bool last)
{
	double neighbour = 0, program = 0, rest = 0, program_rest = 0, end;
	unsigned int most = 0, rounds = 0;
	bool failed = false, good;
	char hold[32];

	/* Long enough for two neighbours, one after the other. */
	(void)snprintf(hold, sizeof(hold), "hold=%.0f", hold_seconds() * 1e3);
	run_init(&run);
	run_attack_words(&run, e->flags, e->attack);
	run_add(&run, hold);
	if (!run_start(&run) || !run_until(&run, "eating", 20)) {
		run_finish(&run, 5);
		tap_result(false, "%s starts", e->attack);
		run_show(&run, NULL);
		return true;
	}
	end = host_now() + hold_seconds();
	for (; host_now() < end || rounds < 2; rounds++) {
		unsigned int n;
		double a, b;

		/* Its output must not stop it, nor its end escape notice. */
		(void)run_until(&run, "no such text", 0.05 / CROWDED);
		n = rounds % 4 < 2 ? host_count_processes() : 0;
		a = host_neighbour_seconds();
		b = host_program_seconds();
		failed = failed || a < 0 || b < 0;
		neighbour = a > neighbour ? a : neighbour;
		program = b > program ? b : program;
		most = n > most ? n : most;
	}
	run_finish(&run, 60);
	/* Others may use this machine at the same time. */
	if (neighbour >= ENOUGH || program >= ENOUGH)
		failed = !at_rest(&rest, &program_rest) || failed;
	good = !failed && neighbour < allowed(rest) && program < allowed(program_rest);
	if (!good && !failed && !last && host_is_clean(e->attack)) {
		tap_note("%s: a neighbour took %.0f ms; once more", e->attack,
			 neighbour * 1e3);
		return false;
	}
	tap_result(good, "%s: neighbours go on", e->attack);
	tap_note("%u times: a neighbour job takes %.0f ms at most, a program %.0f ms",
		 rounds, neighbour * 1e3, program * 1e3);
	good = accepted(e, run.status);
	tap_result(good, "%s ends as it must", e->attack);
	if (!good)
		tap_note("exit status %d after %.1f s", run.status, run.seconds);
	run_show(&run, good ? "held" : NULL);
	if (strcmp(e->attack, "exhaust-forks") == 0) {
		tap_result(most > 1 && most <= 200,
			   "never more than " MAX_PIDS " processes");
		tap_note("%u at most", most);
	}
	tap_result(host_is_clean(e->attack), "nothing is left after %s", e->attack);
	return true;
}

/* ---- quotas by user ---- */

/* What root on the host still gets; NULL when all is well. */
static const char *host_quota(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct mq_attr attr = { .mq_maxmsg = 10, .mq_msgsize = 8192 };
	int watcher = inotify_init1(IN_CLOEXEC), terminal;
	char name[64];
	timer_t timer;
	mqd_t mq;

	if (watcher < 0)
		return "inotify instance";
	(void)close(watcher);
	terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (terminal < 0)
		return "terminal";
	(void)close(terminal);
	(void)snprintf(name, sizeof(name), "/joblet-escape-%d", (int)getpid());
	mq = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
	if (mq == (mqd_t)-1 && errno != ENOSYS)
		return "message queue";
	(void)mq_unlink(name);
	if (mq != (mqd_t)-1)
		(void)mq_close(mq);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0)
		return "timer";
	(void)timer_delete(timer);
	return NULL;
}

static void quotas(void)
{
	static const char *const flags[] = { "--max-memory=512", NULL };
	static struct run neighbour;
	const char *lacking = host_quota();

	if (lacking != NULL) {
		tap_skip("quotas of root", "root lacks them already");
		return;
	}
	run_init(&run);
	run_attack_words(&run, flags, "exhaust-quotas");
	if (!run_start(&run) || !run_until(&run, "eating", 30)) {
		run_finish(&run, 5);
		tap_result(false, "exhaust-quotas starts");
		run_show(&run, NULL);
		return;
	}
	lacking = host_quota();
	run_init(&neighbour);
	run_attack_words(&neighbour, NULL, "exhaust-quotas-neighbour");
	run_whole(&neighbour, 20);
	run_finish(&run, 20);
	tap_result(lacking == NULL, "a job does not use up root's quotas");
	if (lacking != NULL)
		tap_note("root on the host gets no %s", lacking);
	tap_result(neighbour.status == 0, "a job does not use up its neighbours' quotas");
	if (neighbour.status != 0)
		run_show(&neighbour, NULL);
	run_show(&run, "held");
	tap_result(host_is_clean("exhaust-quotas"),
		   "nothing is left after exhaust-quotas");
}

/* ---- hardly any memory ---- */

/*
 * Until its command runs a job shares its memory with the supervisor: the kernel's way of
 * ending one of them at its limit must not end the other.
 */
static void tiny_memory(void)
{
	static const char *const sizes[] = { "1", "2", "3", "4", "8" };
	unsigned int lost = 0, odd = 0;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char flag[32];

		(void)snprintf(flag, sizeof(flag), "--max-memory=%s", sizes[i]);
		for (int round = 0; round < (host_quick ? 2 : 5); round++) {
			run_init(&run);
			run_add_all(&run, (const char *const[]){ "run", flag, "/bin/true",
								 NULL });
			run_whole(&run, 20);
			if (strstr(run.output, "supervisor died") != NULL && lost++ == 0)
				run_show(&run, NULL);
			/* Runs, out of memory, or refused: but always with a clear end.
			 */
			if (run.status != 0 && run.status != 137 && run.status != 1 &&
			    odd++ == 0)
				tap_note("%s: exit status %d", flag, run.status);
		}
	}
	tap_result(lost == 0, "no memory limit is small enough to end the supervisor");
	tap_result(odd == 0, "a job with hardly any memory ends clearly");
	tap_result(host_is_clean("tiny memory"), "nothing is left after tiny memory");
}

void part_exhaust(void)
{
	(void)crowd();
	for (size_t i = 0; i < sizeof(eaters) / sizeof(eaters[0]); i++) {
		for (int try = 1; !feed(&eaters[i], try == 10); try++)
			;
	}
	quotas();
	tiny_memory();
}
