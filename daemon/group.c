/* SPDX-License-Identifier: MIT */
#include "group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal.h"

#define CGROUP_MOUNT "/sys/fs/cgroup"
/* As the library calls the leaf of whoever divides a group; supervisors go there, too. */
#define MAIN_LEAF "joblet-main"

static bool is_folder(const char *mount, const char *path)
{
	char full[4096];
	struct stat st;

	return snprintf(full, sizeof(full), "%s%s", mount, path) < (int)sizeof(full) &&
	       stat(full, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Whether controllers are on v2; on v1 groups may hold processes and groups. */
static bool is_unified(void)
{
	return access(CGROUP_MOUNT "/cgroup.controllers", F_OK) == 0;
}

/* Group of this process in the unified hierarchy; "" when that cannot be told. */
static void own_group(char *to, size_t size)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[4096];

	*to = 0;
	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "0::", 3) != 0)
			continue;
		line[strcspn(line, "\n")] = 0;
		(void)snprintf(to, size, "%s", line + 3);
	}
	if (file)
		(void)fclose(file);
}

static int set_base(struct serving *s, const char *path, const char *what,
		    struct sentence *why)
{
	jl_error *err = NULL;
	int r = jl_ctx_set_cgroup_base(s->ctx, path, &err);

	if (r < 0)
		(void)fail(why, r, "%s: %s", what, jl_error_message(err));
	jl_error_free(err);
	return r;
}

/* What the unit of the daemon says, when the configuration says nothing else. */
static int choose_given(struct serving *s, struct sentence *why)
{
	const char *given = getenv("JOBLET_JOBS_GROUP");

	if (!is_unified())
		return 0;
	if (given && *given) {
		if (*given != '/')
			return fail(why, -EINVAL,
				    "JOBLET_JOBS_GROUP is '%s': it is the path of a group "
				    "below %s, like /joblet.slice/joblet-jobs.service",
				    given, CGROUP_MOUNT);
		if (is_folder(CGROUP_MOUNT, given))
			return set_base(s, given, "JOBLET_JOBS_GROUP", why);
		return fail(why, -ENOENT,
			    "the group of jobs %s%s, which JOBLET_JOBS_GROUP names, does "
			    "not exist: is joblet-jobs.service running?",
			    CGROUP_MOUNT, given);
	}
	if (getenv("NOTIFY_SOCKET"))
		journal_log(
			s->journal, JL_LOG_WARNING,
			"jobs get groups below the service's own, and while they run "
			"the service cannot be started again: set JOBLET_JOBS_GROUP as "
			"in the joblet.service that came with joblet");
	return 0;
}

int group_choose(struct serving *s, struct sentence *why)
{
	const char *path = s->config->cgroup_base;
	char own[4096];

	if (!*path)
		return choose_given(s, why);
	path += strlen(CGROUP_MOUNT);
	/* The service's own group, as it was usual to write: nothing of its own to say.
	 */
	own_group(own, sizeof(own));
	if (strcmp(own, path) == 0)
		return choose_given(s, why);
	if (!is_folder(CGROUP_MOUNT, path) && !is_folder(CGROUP_MOUNT "/unified", path))
		return fail(why, -ENOENT,
			    "cgroup.baseDir %s does not exist; leave it out to use the "
			    "group made for jobs, or the service's own, which is %s%s",
			    s->config->cgroup_base, CGROUP_MOUNT, *own ? own : "/");
	return set_base(s, path, "cgroup.baseDir", why);
}

int group_hold(char *ret_group, size_t size, struct sentence *why)
{
	char path[4096 + 64];
	int fd, r = 0;

	*ret_group = 0;
	if (!is_unified())
		return 0;
	own_group(ret_group, size);
	if (strlen(ret_group) < 2)
		return fail(
			why, -EINVAL,
			"this process has no group of its own to hold: joblet hold is "
			"what joblet-jobs.service runs");
	(void)snprintf(path, sizeof(path), "%s%s/%s", CGROUP_MOUNT, ret_group, MAIN_LEAF);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return fail(why, -errno, "cannot make the group %s: %s", path,
			    strerror(errno));
	(void)strcat(path, "/cgroup.procs");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) < 0)
		r = fail(why, -errno, "cannot write to %s: %s", path, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return r;
}
