/* SPDX-License-Identifier: MIT */
/*
 * PID 1 that does not end as it should. The harness judges: the job ends in time, with
 * the right code, and nothing of it is left.
 */
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* More than there are processors to look away on. */
#define CHAINS 20

/* With what the job is called, for whom wants to stop it. */
static void ready(void)
{
	const char *id = getenv("JOB_ID");

	(void)printf("ready %s\n", id != NULL ? id : "?");
	(void)fflush(stdout);
}

/* Longer than anybody waits for a job whose end it holds up, and not for ever. */
#define LINGER_SECONDS 900

/* Sleeps, whatever comes. */
static void linger(void)
{
	double start = now();

	(void)alarm(0);
	while (now() - start < LINGER_SECONDS)
		(void)usleep(100000);
	_exit(0);
}

static void make_children(int n)
{
	for (int i = 0; i < n; i++) {
		if (fork() == 0)
			linger();
	}
}

static void exits_at_once(void)
{
	make_children(20);
	ready();
	_exit(7);
}

static void ignores_signals(void)
{
	sigset_t all;

	for (int sig = 1; sig < 65; sig++)
		(void)signal(sig, SIG_IGN);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	make_children(5);
	ready();
	linger();
}

static void daemons(void)
{
	for (int i = 0; i < 10; i++) {
		pid_t pid = fork();

		/* Not for all children: the daemons become those of PID 1. */
		if (pid > 0)
			(void)waitpid(pid, NULL, 0);
		if (pid != 0)
			continue;
		(void)setsid();
		if (fork() != 0)
			_exit(0);
		(void)setsid();
		(void)chdir("/");
		/* Nothing by which it could be told: no name, no arguments, no streams.
		 */
		(void)prctl(PR_SET_NAME, "kworker/0:0", 0, 0, 0);
		(void)signal(SIGTERM, SIG_IGN);
		(void)signal(SIGHUP, SIG_IGN);
		linger();
	}
	ready();
	_exit(0);
}

static void zombies(void)
{
	for (int i = 0; i < 100; i++) {
		if (fork() == 0)
			_exit(0);
	}
	ready();
	(void)usleep(300000);
	_exit(0);
}

static void stops_itself(void)
{
	make_children(3);
	ready();
	/* PID 1 cannot stop itself by kill; its children stop each other and themselves.
	 */
	(void)kill(0, SIGSTOP);
	(void)kill(-1, SIGSTOP);
	(void)raise(SIGSTOP);
	linger();
}

/* A grandchild keeps the output open: the job is over when PID 1 is. */
static void holds_output(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)setsid();
		if (fork() == 0)
			linger();
		_exit(0);
	}
	(void)waitpid(pid, NULL, 0);
	ready();
	_exit(3);
}

/* New processes all the time, also while the killing goes on. */
static void forks_while_killed(void)
{
	(void)signal(SIGCHLD, SIG_IGN);
	ready();
	for (int i = 0; i < CHAINS; i++) {
		if (fork() == 0) {
			double start = now();

			(void)alarm(0);
			(void)signal(SIGCHLD, SIG_IGN);
			while (now() - start < LINGER_SECONDS) {
				if (fork() != 0)
					_exit(0); /* the child goes on in its place */
			}
			_exit(0);
		}
	}
	linger();
}

static void forks_and_exits(void)
{
	(void)signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < CHAINS; i++) {
		if (fork() == 0) {
			double start = now();

			(void)alarm(0);
			(void)signal(SIGCHLD, SIG_IGN);
			while (now() - start < LINGER_SECONDS) {
				if (fork() != 0)
					_exit(0);
			}
			_exit(0);
		}
	}
	ready();
	_exit(5);
}

/* Everything closed, another name, no environment: gone from sight, not from the job. */
static void hides(void)
{
	make_children(2);
	ready();
	for (int fd = 0; fd < 64; fd++)
		(void)close(fd);
	(void)prctl(PR_SET_NAME, "init", 0, 0, 0);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	linger();
}

/* Vfork-like: the parent waits in the kernel, where it cannot be interrupted. */
static void uninterruptible(void)
{
	ready();
	if (vfork() == 0) {
		for (int i = 0; i < 10 * LINGER_SECONDS; i++)
			(void)usleep(100000);
		_exit(0);
	}
	_exit(0);
}

const struct attack pid1_attacks[] = {
	{ "pid1-exits-at-once", exits_at_once, BY_HARNESS | IN_SANDBOX },
	{ "pid1-ignores-signals", ignores_signals, BY_HARNESS | IN_SANDBOX },
	{ "pid1-daemons", daemons, BY_HARNESS | IN_SANDBOX },
	{ "pid1-zombies", zombies, BY_HARNESS | IN_SANDBOX },
	{ "pid1-stops-itself", stops_itself, BY_HARNESS | IN_SANDBOX },
	{ "pid1-holds-output", holds_output, BY_HARNESS | IN_SANDBOX },
	{ "pid1-forks-while-killed", forks_while_killed, BY_HARNESS | IN_SANDBOX },
	{ "pid1-forks-and-exits", forks_and_exits, BY_HARNESS | IN_SANDBOX },
	{ "pid1-hides", hides, BY_HARNESS | IN_SANDBOX },
	{ "pid1-uninterruptible", uninterruptible, BY_HARNESS | IN_SANDBOX },
	{ NULL, NULL, 0 },
};
