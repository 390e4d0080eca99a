/* SPDX-License-Identifier: MIT */
/* Namespaces: new ones, others', and what a nested user namespace would open. */
#include "attack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#define NSIO 0xb7

static const struct {
	const char *name;
	unsigned long flag;
	const char *file;
} kinds[] = {
	{ "user", CLONE_NEWUSER, "user" },	 { "mount", CLONE_NEWNS, "mnt" },
	{ "uts", CLONE_NEWUTS, "uts" },		 { "ipc", CLONE_NEWIPC, "ipc" },
	{ "pid", CLONE_NEWPID, "pid" },		 { "net", CLONE_NEWNET, "net" },
	{ "cgroup", CLONE_NEWCGROUP, "cgroup" }, { "time", CLONE_NEWTIME, "time" },
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static long do_unshare(void *arg)
{
	return unshare((int)*(unsigned long *)arg);
}

static long do_clone(void *arg)
{
	unsigned long flags = *(unsigned long *)arg | SIGCHLD;
	long pid = syscall(SYS_clone, flags, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return pid;
}

static long do_clone3(void *arg)
{
	uint64_t args[11] = { *(unsigned long *)arg, 0, 0, 0, SIGCHLD };
	long pid = syscall(SYS_clone3, args, sizeof(args));

	if (pid == 0)
		_exit(0);
	return pid;
}

static void each_kind(const char *how, long (*fn)(void *))
{
	for (size_t i = 0; i < N_KINDS; i++) {
		unsigned long flags = kinds[i].flag;
		char what[96];

		/* In clone(2) that bit belongs to the exit signal. */
		if (flags == CLONE_NEWTIME && fn == do_clone)
			continue;
		(void)snprintf(what, sizeof(what), "%s of a %s namespace", how,
			       kinds[i].name);
		must_refuse(what, in_child(fn, &flags));
		if (flags == CLONE_NEWUSER)
			continue;
		flags |= CLONE_NEWUSER;
		(void)snprintf(what, sizeof(what), "%s of user and %s namespaces", how,
			       kinds[i].name);
		must_refuse(what, in_child(fn, &flags));
	}
}

static void try_unshare(void)
{
	each_kind("unshare", do_unshare);
}

static void try_clone(void)
{
	each_kind("clone", do_clone);
}

static void try_clone3(void)
{
	each_kind("clone3", do_clone3);
}

/* clone3's arguments lie in memory, where a filter cannot look: also the known trick of
 * an argument block that changes between check and use has nothing to gain. */
static long clone3_into_cgroup(void *arg)
{
	uint64_t args[11] = { 0x200000000ULL, 0, 0, 0, SIGCHLD };
	int *fd = arg;
	long pid;

	args[10] = (uint64_t)*fd;
	pid = syscall(SYS_clone3, args, sizeof(args));
	if (pid == 0)
		_exit(0);
	return pid;
}

static void clone_into_cgroup(void)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* Not a cgroup folder, so it cannot work; it must be refused without a look. */
	struct outcome o = in_child(clone3_into_cgroup, &fd);

	if (o.ret >= 0)
		escaped("clone3 into a cgroup succeeded");
	else
		held("clone3 into a cgroup: %s", strerror(o.err));
}

struct join {
	int fd;
	unsigned long flag;
};

static long do_setns(void *arg)
{
	const struct join *j = arg;

	/* One's own user namespace cannot be entered again, which takes no check to see.
	 */
	if (setns(j->fd, (int)j->flag) == 0)
		return 0;
	if (j->flag == CLONE_NEWUSER && errno == EINVAL)
		errno = EPERM;
	return -1;
}

static void try_setns(void)
{
	static const char *const whose[] = { "1", "self", "thread-self" };
	struct join j;
	long pidfd;

	for (size_t w = 0; w < sizeof(whose) / sizeof(whose[0]); w++) {
		for (size_t i = 0; i < N_KINDS; i++) {
			char path[64], what[96];

			(void)snprintf(path, sizeof(path), "/proc/%s/ns/%s", whose[w],
				       kinds[i].file);
			j.fd = open(path, O_RDONLY | O_CLOEXEC);
			if (j.fd < 0) {
				held("%s: %s", path, strerror(errno));
				continue;
			}
			j.flag = kinds[i].flag;
			(void)snprintf(what, sizeof(what), "setns to %s", path);
			must_refuse(what, in_child(do_setns, &j));
			(void)close(j.fd);
		}
	}
	pidfd = syscall(434 /* pidfd_open */, 1, 0);
	if (pidfd < 0)
		return;
	j.fd = (int)pidfd;
	for (size_t i = 0; i < N_KINDS; i++) {
		j.flag = kinds[i].flag;
		must_refuse("setns by pidfd", in_child(do_setns, &j));
	}
	(void)close((int)pidfd);
}

/* From my own namespaces up to whoever owns or contains them. */
static void ns_ioctl(void)
{
	static const struct {
		const char *name;
		unsigned long request;
	} ways[] = {
		{ "NS_GET_USERNS", _IO(NSIO, 0x1) },
		{ "NS_GET_PARENT", _IO(NSIO, 0x2) },
		{ "NS_MNT_GET_NEXT", _IOR(NSIO, 11, uint64_t[2]) },
		{ "NS_MNT_GET_PREV", _IOR(NSIO, 12, uint64_t[2]) },
	};

	for (size_t i = 0; i < N_KINDS; i++) {
		char path[64], own[64];
		struct stat mine, got;
		int fd;

		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i].file);
		(void)snprintf(own, sizeof(own), "/proc/self/ns/user");
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			held("%s: %s", path, strerror(errno));
			continue;
		}
		for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
			uint64_t info[2] = { 16, 0 };
			int up = ioctl(fd, ways[w].request, info);

			if (up < 0) {
				held("%s of %s: %s", ways[w].name, kinds[i].name,
				     strerror(errno));
				continue;
			}
			if (stat(own, &mine) == 0 && fstat(up, &got) == 0 &&
			    mine.st_ino == got.st_ino)
				held("%s of %s is my own user namespace", ways[w].name,
				     kinds[i].name);
			else
				escaped("%s of %s leads out", ways[w].name,
					kinds[i].name);
			(void)close(up);
		}
		(void)close(fd);
	}
}

/*
 * What a nested user namespace would give. The first step must be refused; where it is
 * not (filter off), the rest shows what still holds.
 */
static long nested(void *unused)
{
	static const struct {
		const char *type, *data;
	} groups[] = {
		{ "cgroup", "memory" },	 { "cgroup", "pids" },
		{ "cgroup", "devices" }, { "cgroup", "freezer" },
		{ "cgroup", "cpu" },	 { "cgroup", "none,name=systemd" },
		{ "cgroup2", NULL },
	};
	static const char *const files[] = { "release_agent",
					     "devices.allow",
					     "cgroup.procs",
					     "tasks",
					     "pids.max",
					     "memory.max",
					     "memory.limit_in_bytes",
					     "cgroup.subtree_control",
					     "../cgroup.procs",
					     "notify_on_release" };
	char line[64];

	(void)unused;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWNET) < 0)
		return -1;
	escaped("a nested user namespace with mounts, cgroups and a network");
	(void)snprintf(line, sizeof(line), "0 0 1");
	(void)write_file("/proc/self/setgroups", "deny");
	if (!write_file("/proc/self/uid_map", line))
		note("uid_map: %s", strerror(errno));
	(void)mkdir("/tmp/nested", 0700);
	if (umount2("/proc/kcore", MNT_DETACH) == 0)
		escaped("a mask of /proc taken away");
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) == 0)
		escaped("the root remounted writable");
	if (mount(NULL, "/usr", NULL, MS_REMOUNT | MS_BIND, NULL) == 0)
		escaped("/usr remounted writable");
	if (mount("proc", "/tmp/nested", "proc", 0, NULL) == 0)
		escaped("a new /proc without masks");
	if (mount("sysfs", "/tmp/nested", "sysfs", 0, NULL) == 0)
		escaped("sysfs mounted");
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if (mount("none", "/tmp/nested", groups[i].type, 0, groups[i].data) < 0)
			continue;
		escaped("%s %s mounted", groups[i].type,
			groups[i].data != NULL ? groups[i].data : "");
		for (size_t f = 0; f < sizeof(files) / sizeof(files[0]); f++) {
			char path[128];
			int fd;

			(void)snprintf(path, sizeof(path), "/tmp/nested/%s", files[f]);
			fd = open(path, O_WRONLY | O_CLOEXEC);
			if (fd >= 0)
				escaped("%s of %s can be written", files[f],
					groups[i].type);
			if (fd >= 0)
				(void)close(fd);
		}
		(void)umount2("/tmp/nested", MNT_DETACH);
	}
	return 0;
}

static void nested_user(void)
{
	struct outcome o = in_child(nested, NULL);

	must_refuse("unshare of user, mount, cgroup and network namespaces", o);
}

/* ---- the own ones ---- */

static void id_map(void)
{
	static const char *const files[] = { "uid_map", "gid_map" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char path[64], text[1024];
		unsigned long inside, outside, count;

		(void)snprintf(path, sizeof(path), "/proc/self/%s", files[i]);
		if (read_file(path, text, sizeof(text)) <= 0 ||
		    sscanf(text, "%lu %lu %lu", &inside, &outside, &count) != 3) {
			escaped("%s: no map", path);
			continue;
		}
		/* The outer number is shown relative to the reader's own namespace's
		 * parent. */
		if (outside == 0 || outside < 0x10000 || outside + count > 0xfffffffeUL)
			escaped("%s maps to host ids from %lu, %lu of them", path,
				outside, count);
		else
			held("%s maps to host ids from %lu", path, outside);
		if (strchr(text, '\n') != strrchr(text, '\n'))
			escaped("%s has more than one line", path);
	}
	/* projid_map is open to everybody, and of no use: the kernel lets only the first
	 * user namespace change project ids. */
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "/proc/self/%s", files[i]);
		if (write_file(path, "0 0 1"))
			escaped("%s could be written", path);
		else
			held("%s: %s", path, strerror(errno));
	}
	if (write_file("/proc/self/timens_offsets", "monotonic 10 0"))
		escaped("timens_offsets could be written");
}

static void cgroup_view(void)
{
	char text[8192];
	char *save = NULL;

	if (read_file("/proc/self/cgroup", text, sizeof(text)) <= 0) {
		held("/proc/self/cgroup: nothing to read");
		return;
	}
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *path = strrchr(line, ':');

		if (path == NULL || strcmp(path, ":/") != 0)
			escaped("/proc/self/cgroup tells a path: %s", line);
		else
			held("/proc/self/cgroup: %s", line);
	}
}

static unsigned int cgroup_files;

static void judge_cgroup(const char *point, const char *opts, const char *type,
			 const char *root)
{
	static const char *const files[] = { "release_agent",
					     "devices.allow",
					     "cgroup.procs",
					     "tasks",
					     "memory.max",
					     "pids.max",
					     "cpu.max",
					     "cgroup.subtree_control",
					     NULL };

	(void)opts;
	(void)root;
	if (strncmp(type, "cgroup", 6) != 0)
		return;
	for (const char *const *f = files; *f != NULL; f++) {
		char path[1100];
		int fd;

		(void)snprintf(path, sizeof(path), "%s/%s", point, *f);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		cgroup_files++;
		escaped("%s can be written", path);
		(void)close(fd);
	}
	(void)cgroup_files;
}

static void cgroup_write(void)
{
	each_mount(judge_cgroup);
	must_not_open("/sys/fs/cgroup/cgroup.procs", O_WRONLY);
	must_not_open("/sys/fs/cgroup/memory/release_agent", O_WRONLY);
	must_not_open("/sys/fs/cgroup/release_agent", O_WRONLY);
	if (cgroup_files == 0)
		held("no cgroup file can be written");
}

static void host_name(void)
{
	/* Its present name, so that nothing changes where it succeeds. */
	char name[128] = "";
	struct outcome o;

	(void)gethostname(name, sizeof(name) - 1);
	o = outcome_of(sethostname(name, strlen(name)));
	must_refuse("sethostname", o);
	o = outcome_of(setdomainname("(none)", 6));
	must_refuse("setdomainname", o);
}

const struct attack ns_attacks[] = {
	{ "ns-unshare", try_unshare, 0 },
	{ "ns-clone", try_clone, 0 },
	{ "ns-clone3", try_clone3, 0 },
	{ "ns-clone3-into-cgroup", clone_into_cgroup, 0 },
	{ "ns-setns", try_setns, 0 },
	{ "ns-ioctl", ns_ioctl, 0 },
	{ "ns-nested-user", nested_user, IN_SANDBOX },
	{ "ns-id-map", id_map, 0 },
	{ "ns-cgroup-view", cgroup_view, 0 },
	{ "ns-cgroup-write", cgroup_write, 0 },
	{ "ns-host-name", host_name, IN_SANDBOX },
	{ NULL, NULL, 0 },
};
