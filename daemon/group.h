/* SPDX-License-Identifier: MIT */
/*
 * Control groups of the service. A service manager cannot put a process into a group that
 * is divided for running jobs (cgroup v2), so a daemon whose own group that is could not
 * be started again while they run. Hence jobs have a group of their own, which
 * joblet-jobs.service holds ("joblet hold") and JOBLET_JOBS_GROUP names.
 */
#ifndef DAEMON_GROUP_H
#define DAEMON_GROUP_H

#include <stddef.h>

#include "serving.h"
#include "text.h"

/* Tells the library where jobs get their groups. 0 or -errno with the reason. */
int group_choose(struct serving *s, struct sentence *why);

/* Steps aside in this process's group, so that it can be divided. 0, or -errno with the
 * reason; ret_group gets its name, "" where nothing needs to be held. */
int group_hold(char *ret_group, size_t size, struct sentence *why);

#endif
