/* SPDX-License-Identifier: MIT */
/*
 * joblet hold: keeps a control group alive for the jobs of a daemon that comes and goes.
 * All it does after it has stepped aside is to wait for its end.
 */
#include <signal.h>
#include <stdio.h>

#include "commands.h"
#include "group.h"
#include "notify.h"

int cmd_hold(int argc, char **argv)
{
	struct sentence why;
	char group[4096], status[4096 + 64];
	sigset_t ends;
	int signal;

	(void)argv;
	if (argc > 1) {
		say("hold takes no arguments; joblet-jobs.service runs it");
		return EXIT_USAGE;
	}
	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigaddset(&ends, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &ends, NULL);
	if (group_hold(group, sizeof(group), &why) < 0) {
		say("%s", why.text);
		return EXIT_FAILED;
	}
	(void)snprintf(status, sizeof(status), "READY=1\nSTATUS=%s%s",
		       *group ? "Holding "
			      : "Nothing to hold: controllers are on cgroup v1",
		       group);
	notify(status);
	(void)sigwait(&ends, &signal);
	return EXIT_OK;
}
