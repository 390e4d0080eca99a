/* SPDX-License-Identifier: MIT */
/*
 * What only a new namespace can tell: tried in children that share the caller's memory
 * (no page tables to copy, however large the caller), send no SIGCHLD and are gone on
 * return.
 */
#define JL_MODULE "probe"
#include "ctx/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "ctx/ctx.h"
#include "sys/sys.h"

#define STACK_BYTES ((size_t)64 << 10)
#define SIGSET_BYTES 8

struct trial {
	int (*fn)(void *arg);
	void *arg;
	int result;
};

static int enter(void *data)
{
	struct trial *trial = data;

	trial->result = trial->fn(trial->arg);
	return 0;
}

int jl__trial(uint64_t flags, int (*fn)(void *arg), void *arg)
{
	struct trial trial = { .fn = fn, .arg = arg, .result = -EINTR };
	uint64_t all = ~UINT64_C(0), old = 0;
	struct clone_args args = { 0 };
	_cleanup_close_ int pidfd = -EBADF;
	long stack, r;

	stack = jl__sys_mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack < 0 && stack > -4096)
		return (int)stack;
	args.flags = flags | CLONE_VM | CLONE_VFORK | CLONE_PIDFD;
	args.pidfd = (uint64_t)(uintptr_t)&pidfd;
	args.stack = (uint64_t)stack;
	args.stack_size = STACK_BYTES;
	/* A handler of the host program must not run in the child. */
	(void)jl__sys_rt_sigprocmask(SIG_SETMASK, &all, &old, SIGSET_BYTES);
	r = jl__sys_clone3_call(&args, sizeof(args), enter, &trial);
	(void)jl__sys_rt_sigprocmask(SIG_SETMASK, &old, NULL, SIGSET_BYTES);
	if (r > 0) {
		while (jl__sys_waitid(P_PIDFD, pidfd, NULL, WEXITED | __WALL, NULL) ==
		       -EINTR)
			;
		r = trial.result;
	}
	(void)jl__sys_munmap((void *)stack, STACK_BYTES);
	return (int)r;
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

/* ---- namespaces ---- */

/* A user namespace without privilege inside, as AppArmor makes them, is of no use. */
static int use_privilege(void *arg)
{
	(void)arg;
	return (int)jl__sys_sethostname("joblet", 6);
}

static bool sysctl_is(const char *path, const char *value)
{
	char text[32];

	return jl__probe_read(AT_FDCWD, path, text, sizeof(text)) >= 0 &&
	       strcmp(text, value) == 0;
}

static const char *why_no_user(int code)
{
	if (sysctl_is("/proc/sys/user/max_user_namespaces", "0"))
		return "No job can be started: user namespaces are switched off. Set the sysctl "
		       "user.max_user_namespaces to some thousands.";
	if (code == -ENOSPC)
		return "No job can be started: this user has as many user namespaces as the "
		       "sysctl user.max_user_namespaces allows, or they are nested too deep.";
	if (jl__sys_geteuid() != 0 &&
	    sysctl_is("/proc/sys/kernel/unprivileged_userns_clone", "0"))
		return "No job can be started by this user. Set the sysctl "
		       "kernel.unprivileged_userns_clone to 1, or run as root.";
	if (jl__sys_geteuid() != 0 &&
	    sysctl_is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"))
		return "No job can be started by this user: AppArmor takes the privilege inside "
		       "user namespaces away. Give this program a profile with \"userns,\", set "
		       "the sysctl kernel.apparmor_restrict_unprivileged_userns to 0, or run as "
		       "root.";
	if (code == -EINVAL || code == -ENOSYS)
		return "No job can be started: the kernel is built without CONFIG_USER_NS, or "
		       "clone3 is forbidden here.";
	return "No job can be started. The container around this program forbids user "
	       "namespaces, or it runs inside a chroot.";
}

int jl__probe_namespaces(jl_probe *probe)
{
	static const struct {
		uint64_t flag;
		const char *name, *sysctl;
	} kinds[] = {
		{ CLONE_NEWPID, "ns.pid", "user.max_pid_namespaces" },
		{ CLONE_NEWNS, "ns.mount", "user.max_mnt_namespaces" },
		{ CLONE_NEWIPC, "ns.ipc", "user.max_ipc_namespaces" },
		{ CLONE_NEWUTS, "ns.uts", "user.max_uts_namespaces" },
		{ CLONE_NEWCGROUP, "ns.cgroup", "user.max_cgroup_namespaces" },
		{ CLONE_NEWNET, "ns.net", "user.max_net_namespaces" },
	};
	uint64_t user = CLONE_NEWUSER;
	char meaning[256];
	int r = jl__trial(CLONE_NEWUSER | CLONE_NEWUTS, use_privilege, NULL);

	if (r < 0) {
		if (jl__probe_add(probe, "ns.user", JL_PROBE_MISSING, why_no_user(r),
				  "%s", jl__errno_text(r)) < 0)
			return -ENOMEM;
		/* Whoever is privileged can still learn about the others. */
		user = 0;
	} else if (jl__probe_add(probe, "ns.user", JL_PROBE_OK, NULL, "works") < 0) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		r = jl__trial(user | kinds[i].flag, nothing, NULL);
		(void)snprintf(meaning, sizeof(meaning),
			       "No job can be started, see ns.user.");
		if (r == -ENOSPC)
			(void)snprintf(meaning, sizeof(meaning),
				       "No job can be started: raise the sysctl %s.",
				       kinds[i].sysctl);
		else if (r < 0 && user != 0)
			(void)snprintf(
				meaning, sizeof(meaning),
				"No job can be started: the kernel is built without this "
				"namespace, or the container around this program "
				"forbids it.");
		if (jl__probe_add(probe, kinds[i].name,
				  r < 0 ? JL_PROBE_MISSING : JL_PROBE_OK,
				  r < 0 ? meaning : NULL, "%s",
				  r < 0 ? jl__errno_text(r) : "works") < 0)
			return -ENOMEM;
	}
	return 0;
}

/* ---- mounts ---- */

/* A file system of that type, mounted nowhere yet; raw calls only. */
static int fresh_mount(const char *type)
{
	int fs, mount;

	fs = (int)jl__sys_fsopen(type, FSOPEN_CLOEXEC);
	if (fs < 0)
		return fs;
	mount = (int)jl__sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (mount == 0)
		mount = (int)jl__sys_fsmount(fs, FSMOUNT_CLOEXEC,
					     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
						     MOUNT_ATTR_NOEXEC);
	(void)jl__sys_close(fs);
	return mount;
}

static int clone_tree(const char *path)
{
	return (int)jl__sys_open_tree(AT_FDCWD, path,
				      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
}

/* Everything a job's root is built with, once. In a mount namespace of its own. */
static int build_tree(void *arg)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
					       MOUNT_ATTR_NODEV };
	const char **step = arg;
	int tmp, usr, r;

	*step = "new file system";
	tmp = fresh_mount("tmpfs");
	if (tmp < 0)
		return tmp;
	*step = "open_tree";
	usr = clone_tree("/usr");
	if (usr < 0)
		return usr;
	*step = "mount_setattr";
	r = (int)jl__sys_mount_setattr(usr, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr,
				       sizeof(attr));
	if (r < 0)
		return r;
	*step = "move_mount";
	return (int)jl__sys_move_mount(tmp, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
}

static int mount_proc(void *arg)
{
	int r = fresh_mount("proc");

	(void)arg;
	return r < 0 ? r : 0;
}

struct idmap_trial {
	const char *path; /* NULL: a new tmpfs */
	int userns;
};

static int map_ids(void *arg)
{
	const struct idmap_trial *trial = arg;
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP,
				   .userns_fd = (uint64_t)trial->userns };
	int mount = trial->path ? clone_tree(trial->path) : fresh_mount("tmpfs");

	if (mount < 0)
		return mount;
	return (int)jl__sys_mount_setattr(mount, "", AT_EMPTY_PATH, &attr, sizeof(attr));
}

static int write_file(const char *path, const char *text, size_t len)
{
	int fd = (int)jl__sys_openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
	long r;

	if (fd < 0)
		return fd;
	r = jl__sys_write(fd, text, len);
	(void)jl__sys_close(fd);
	return r < 0 ? (int)r : 0;
}

/*
 * In a new user namespace that shares the caller's descriptors: leaves one of the
 * namespace behind. Maps a single id, which is all the trial needs.
 */
static int make_userns(void *arg)
{
	int *ret_fd = arg, r;

	r = write_file("/proc/self/uid_map", "0 0 1", 5);
	if (r == 0)
		r = write_file("/proc/self/setgroups", "deny", 4);
	if (r == 0)
		r = write_file("/proc/self/gid_map", "0 0 1", 5);
	if (r < 0)
		return r;
	*ret_fd = (int)jl__sys_openat(AT_FDCWD, "/proc/self/ns/user",
				      O_RDONLY | O_CLOEXEC, 0);
	return *ret_fd < 0 ? *ret_fd : 0;
}

/* Without user namespaces nothing here can be tried, and the reason is told there. */
static const char *meaning_of(const jl_probe *probe, int code, const char *meaning)
{
	if (code == 0)
		return NULL;
	return jl__probe_find(probe, "ns.user") == JL_PROBE_MISSING
		       ? "No job can be started, see ns.user."
		       : meaning;
}

static int add_idmap(jl_probe *probe, const char *name, const char *path, int userns,
		     int code)
{
	struct idmap_trial trial = { .path = path, .userns = userns };
	int r = code < 0 ? code : jl__trial(CLONE_NEWNS, map_ids, &trial);
	const char *meaning =
		path ? "Jobs see the files of /usr as nobody's instead of root's. Its file "
		       "system does not support id-mapped mounts (most do since Linux 5.12)."
		     : "The root of each job is built anew, which takes longer, instead of "
		       "cloned. tmpfs supports id-mapped mounts from Linux 6.3 on.";

	return jl__probe_add(probe, name, r < 0 ? JL_PROBE_LIMITED : JL_PROBE_OK,
			     meaning_of(probe, r, meaning), "%s",
			     r < 0 ? jl__errno_text(r) : "works");
}

int jl__probe_mounts(jl_probe *probe)
{
	_cleanup_close_ int userns = -EBADF;
	const char *step = "clone";
	int r = jl__trial(CLONE_NEWUSER | CLONE_NEWNS, build_tree, &step);

	if (jl__probe_add(
		    probe, "sys.mount", r < 0 ? JL_PROBE_MISSING : JL_PROBE_OK,
		    meaning_of(probe, r,
			       "No job can be started: its root cannot be built. The "
			       "kernel is older than 5.12, or the container around this "
			       "program forbids the calls."),
		    "%s%s%s", r < 0 ? step : "works", r < 0 ? ": " : "",
		    r < 0 ? jl__errno_text(r) : "") < 0)
		return -ENOMEM;
	r = jl__trial(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS, mount_proc, NULL);
	if (jl__probe_add(
		    probe, "mount.proc", r < 0 ? JL_PROBE_MISSING : JL_PROBE_OK,
		    meaning_of(
			    probe, r,
			    "No job can be started: it would have no /proc of its own. "
			    "In a container, parts of its /proc are hidden by mounts; "
			    "start that container with an unmasked /proc."),
		    "%s", r < 0 ? jl__errno_text(r) : "works") < 0)
		return -ENOMEM;
	if (!jl__ctx_privileged()) {
		if (jl__probe_add(probe, "idmap.usr", JL_PROBE_OK, NULL,
				  "not needed by this user") < 0)
			return -ENOMEM;
		return jl__probe_add(probe, "idmap.tmpfs", JL_PROBE_OK, NULL,
				     "not needed by this user");
	}
	r = jl__trial(CLONE_NEWUSER | CLONE_FILES, make_userns, &userns);
	if (add_idmap(probe, "idmap.usr", "/usr", userns, r) < 0)
		return -ENOMEM;
	return add_idmap(probe, "idmap.tmpfs", NULL, userns, r);
}
