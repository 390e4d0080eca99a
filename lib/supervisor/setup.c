/* SPDX-License-Identifier: MIT */
/*
 * From a fresh process to a supervisor: own session, two mount namespaces (what the
 * caller sees, for looking things up; almost nothing, for jobs to be cloned from), own
 * proc.
 */
#include "supervisor/supervisor.h"

#include <asm/errno.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <linux/signal.h>

#ifndef PR_SCHED_CORE
#define PR_SCHED_CORE 62
#endif
#define MNT_DETACH 2

/* The kernel's view of an action; the C library's struct has another layout. */
struct kernel_sigaction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

static void reset_process(void)
{
	struct kernel_sigaction action = { 0 };
	struct rlimit64 files;
	uint64_t all = ~(uint64_t)0;

	/* Blocked signals and ignored ones would be inherited by every job. */
	(void)jl__sys_rt_sigprocmask(SIG_SETMASK, &all, NULL, sizeof(all));
	for (int signal = 1; signal <= 64; signal++)
		(void)jl__sys_rt_sigaction(signal, &action, NULL, sizeof(uint64_t));
	(void)jl__sys_setsid();
	(void)jl__sys_umask(022);
	(void)jl__sys_personality(0);
	(void)jl__sys_prctl(PR_SET_NAME, (long)"joblet-sup", 0, 0, 0);
	/* Nobody may look into us, or follow /proc/PID links of a job that is being set
	 * up. */
	(void)jl__sys_prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)jl__sys_keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0);
	/* Changing our user id for a moment (kit.c) must not cost us our capabilities. */
	(void)jl__sys_prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0);
	/* Inherited by every child; what jobs get instead is in their plans. */
	(void)jl__sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (jl__sys_prlimit(0, RLIMIT_NOFILE, NULL, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)jl__sys_prlimit(0, RLIMIT_NOFILE, &files, NULL);
	}
}

static int own_namespace(void)
{
	return (int)jl__sys_openat(AT_FDCWD, "/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC,
				   0);
}

/* Leaves us in a mount namespace with an empty root and our own proc. */
static long enter_own_mounts(void)
{
	long r = jl__sys_unshare(CLONE_NEWNS);

	if (r < 0)
		return r;
	/* What the host mounts later shows up here; nothing of ours shows up there. */
	r = jl__sys_mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL);
	if (r < 0)
		return r;
	sv.host_root =
		(int)jl__sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	sv.host_ns = own_namespace();
	sv.host_net = (int)jl__sys_openat(AT_FDCWD, "/proc/self/ns/net",
					  O_RDONLY | O_CLOEXEC, 0);
	if (sv.host_root < 0 || sv.host_ns < 0 || sv.host_net < 0)
		return -ENOENT;
	r = jl__sys_unshare(CLONE_NEWNS);
	if (r < 0)
		return r;
	r = jl__sys_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (r < 0)
		return r;
	/* /proc is the one folder that exists wherever we got this far. */
	r = jl__sys_mount("joblet", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
			  "mode=755,size=256k");
	if (r < 0)
		return r;
	r = jl__sys_chdir("/proc");
	if (r < 0)
		return r;
	if (jl__sys_mkdirat(AT_FDCWD, "proc", 0755) < 0 ||
	    jl__sys_mkdirat(AT_FDCWD, "job", 0755) < 0 ||
	    jl__sys_mkdirat(AT_FDCWD, "build", 0755) < 0 ||
	    jl__sys_mkdirat(AT_FDCWD, "build2", 0755) < 0)
		return -EIO;
	/* Before the old root goes: unprivileged, one proc begets another only while
	 * seen. */
	r = jl__sys_mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	if (r < 0)
		return r;
	r = jl__sys_pivot_root(".", ".");
	if (r < 0)
		return r;
	r = jl__sys_umount2(".", MNT_DETACH);
	if (r < 0)
		return r;
	r = jl__sys_chdir("/");
	if (r < 0)
		return r;
	sv.own_ns = own_namespace();
	if (sv.own_ns < 0)
		return sv.own_ns;
	/* Templates stand apart: every mount of ours is copied for every job. */
	r = jl__sys_unshare(CLONE_NEWNS);
	if (r < 0)
		return r;
	sv.roots_ns = own_namespace();
	if (sv.roots_ns < 0)
		return sv.roots_ns;
	r = jl__sys_setns(sv.own_ns, CLONE_NEWNS);
	return r < 0 ? r : jl__sys_chdir("/");
}

/* tmpfs can be shown with other ids since Linux 6.3. */
static int probe_tmpfs_idmap(void)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	struct kit kit;
	struct jl__failure failure;
	int usable = 0, tree;

	if (!sv.privileged)
		return 1;
	if (kit_begin(&kit, -1, &failure) < 0)
		return 0;
	tree = (int)jl__sys_open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | O_CLOEXEC);
	if (tree >= 0 && kit_ids(&kit, &failure) == 0) {
		attr.userns_fd = (uint64_t)kit.userns;
		usable = jl__sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attr,
					       sizeof(attr)) == 0;
	}
	fd_close(&tree);
	kit_discard(&kit);
	return usable;
}

int supervisor_setup(void)
{
	reset_process();
	sv.image =
		(int)jl__sys_openat(AT_FDCWD, "/proc/self/exe", O_RDONLY | O_CLOEXEC, 0);
	sv.jobs = pages_get_own(sizeof(struct job) * MAX_JOBS);
	sv.shared = pages_get_shared(sizeof(struct shared));
	if (!sv.jobs || !sv.shared)
		return -ENOMEM;
	sv.epoll = (int)jl__sys_epoll_create1(02000000 /* EPOLL_CLOEXEC */);
	if (sv.epoll < 0)
		return sv.epoll;
	sv.maker = sv.pump = sv.pump_epoll = sv.pump_asked = sv.pump_done = -1;
	sv.listen = sv.listen_folder = -1;
	sv.ids = sv.work = sv.work_lock = -1;
	for (uint32_t i = 0; i < JL__HIERARCHIES_MAX; i++)
		sv.nest[i] = -1;
	/* ENODEV without sibling threads, EINVAL without the option: nothing to protect
	 * then. */
	sv.core_sched =
		jl__sys_prctl(PR_SCHED_CORE, 0 /* GET */, 0, 0, (long)&sv.tick) == 0;
	sv.tick = 0;
	return 0;
}

int supervisor_hello(const struct jl__hello *hello, const int *fds, uint32_t count)
{
	uint32_t want = hello->hierarchies + 1 + !!(hello->flags & JL__HELLO_IDS_FD);
	struct epoll_event caller = { EPOLLIN, (uint64_t)WATCH_CALLER << 32 };
	long r;

	if (hello->magic != JL__PLAN_MAGIC || hello->hierarchies > JL__HIERARCHIES_MAX ||
	    want != count)
		return -EPROTO;
	sv.privileged = !!(hello->flags & JL__HELLO_PRIVILEGED);
	sv.hierarchies = hello->hierarchies;
	for (uint32_t i = 0; i < hello->hierarchies; i++) {
		sv.nest[i] = fds[i];
		sv.list[i] = hello->list[i];
	}
	sv.caller = fds[hello->hierarchies];
	r = jl__sys_epoll_ctl(sv.epoll, EPOLL_CTL_ADD, sv.caller, &caller);
	if (r < 0)
		return (int)r;
	if (hello->flags & JL__HELLO_IDS_FD)
		sv.ids = fds[count - 1];
	__builtin_memcpy(sv.nest_name, hello->nest, sizeof(sv.nest_name));
	r = enter_own_mounts();
	if (r < 0)
		return (int)r;
	sv.tmpfs_idmap = probe_tmpfs_idmap();
	stock_open();
	return 0;
}
