/* SPDX-License-Identifier: MIT */
/*
 * Groups that jobs leave behind. Below the caller's own cgroup others may be at work,
 * too: where it can be done without touching anything of theirs the harness goes into a
 * group of its own, in which there must be nothing in the end.
 */
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUPS_MAX 16

static struct group {
	char parent[600], own[700];
	bool entered;
	unsigned int before;
} groups[GROUPS_MAX];
static size_t n_groups;

static unsigned int count_groups(const char *path, char *names, size_t size)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	unsigned int n = 0;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		if (strncmp(e->d_name, "joblet", 6) != 0)
			continue;
		n++;
		if (names != NULL && strlen(names) + strlen(e->d_name) + 2 < size) {
			(void)strcat(names, " ");
			(void)strcat(names, e->d_name);
		}
	}
	if (dir != NULL)
		(void)closedir(dir);
	return n;
}

static bool put(const char *folder, const char *file, const char *text)
{
	char path[800];
	bool good;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	(void)close(fd);
	return good;
}

static bool get(const char *folder, const char *file, char *text, size_t size)
{
	char path[800];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, size - 1);
	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* A new group of v1's cpuset has no cores and takes nobody until it gets some. */
static void give_cores(const struct group *g)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	char text[1024];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (get(g->parent, files[i], text, sizeof(text)))
			(void)put(g->own, files[i], text);
	}
}

static bool hands_down(const struct group *g)
{
	static const char *const needed[] = { "cpu", "memory", "io", "pids" };
	char text[1024];

	if (!get(g->parent, "cgroup.controllers", text, sizeof(text)))
		return false;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (strstr(text, needed[i]) != NULL)
			return true;
	}
	return false;
}

static void enter(struct group *g, bool v2)
{
	char *own;

	/* A new group of v2 has only the controllers that ours hands down: where jobs
	 * need some of them we stay. */
	if (v2 && hands_down(g))
		return;
	if (asprintf(&own, "%s/escape-%d", g->parent, (int)getpid()) < 0)
		return;
	(void)snprintf(g->own, sizeof(g->own), "%s", own);
	free(own);
	if (mkdir(g->own, 0755) < 0)
		return;
	give_cores(g);
	/* One group counts as one process. We are several, who measure each other: what
	 * else is busy on this machine shall not look like one of them. */
	(void)put(g->own, "cpu.shares", "8192");
	g->entered = put(g->own, "cgroup.procs", "0");
	if (!g->entered)
		(void)rmdir(g->own);
}

/* Where the hierarchy of a line of /proc/self/cgroup is mounted. */
static bool find_mount(const char *controllers, char *point, size_t size)
{
	FILE *f = fopen("/proc/self/mounts", "re");
	char line[1024], where[256], type[64], options[512];
	bool found = false;

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL) {
		char want[128], have[520];

		if (sscanf(line, "%*s %255s %63s %511s", where, type, options) != 3)
			continue;
		(void)snprintf(want, sizeof(want), ",%.100s,", controllers);
		(void)snprintf(have, sizeof(have), ",%s,", options);
		found = *controllers == '\0' ? strcmp(type, "cgroup2") == 0
					     : strcmp(type, "cgroup") == 0 &&
						       strstr(have, want) != NULL;
	}
	if (f != NULL)
		(void)fclose(f);
	if (found)
		(void)snprintf(point, size, "%s", where);
	return found;
}

void host_cgroups_enter(void)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[1024];

	while (f != NULL && n_groups < GROUPS_MAX &&
	       fgets(line, sizeof(line), f) != NULL) {
		struct group *g = &groups[n_groups];
		char *controllers = strchr(line, ':'), *path, point[256];

		if (controllers == NULL || (path = strchr(controllers + 1, ':')) == NULL)
			continue;
		*path++ = '\0';
		controllers++;
		path[strcspn(path, "\n")] = '\0';
		if (!find_mount(controllers, point, sizeof(point)))
			continue;
		(void)snprintf(g->parent, sizeof(g->parent), "%s%.250s", point,
			       strcmp(path, "/") == 0 ? "" : path);
		enter(g, *controllers == '\0');
		g->before = count_groups(g->entered ? g->own : g->parent, NULL, 0);
		n_groups++;
	}
	if (f != NULL)
		(void)fclose(f);
}

/* How many groups there are that were not there at the start; their names are added. */
unsigned int host_cgroups_left(char *names, size_t size)
{
	unsigned int left = 0;

	for (size_t i = 0; i < n_groups; i++) {
		const struct group *g = &groups[i];
		const char *path = g->entered ? g->own : g->parent;
		unsigned int n = count_groups(path, NULL, 0);

		if (n <= g->before)
			continue;
		left += n - g->before;
		(void)count_groups(path, names, size);
	}
	return left;
}

void host_cgroups_leave(void)
{
	for (size_t i = 0; i < n_groups; i++) {
		const struct group *g = &groups[i];

		if (g->entered && put(g->parent, "cgroup.procs", "0") &&
		    rmdir(g->own) < 0)
			tap_note("cannot remove %s", g->own);
	}
}
