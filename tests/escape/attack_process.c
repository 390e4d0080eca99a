/* SPDX-License-Identifier: MIT */
/* Other processes: see, signal, trace, read, hold by descriptor. */
#include "attack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PIDS 65536
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

static bool is_own(pid_t pid)
{
	/* In front of the attacker there is at most an init. */
	return pid == getpid() || pid == 1;
}

/* Every pid the harness knows on the host, after the first PIDS numbers. */
static pid_t nth_pid(unsigned int n)
{
	const char *text;

	if (n < PIDS)
		return (pid_t)n;
	text = fact_at("pid", n - PIDS);
	return text != NULL ? (pid_t)atol(text) : -1;
}

static void try_all_pids(const char *what, long (*fn)(pid_t pid))
{
	unsigned int hits = 0, tried = 0;
	pid_t pid;

	for (unsigned int n = 1; (pid = nth_pid(n)) > 0; n++) {
		if (is_own(pid))
			continue;
		tried++;
		/* EPERM means that there is somebody: seen, even if not touched. */
		if (fn(pid) >= 0 || errno == EPERM) {
			if (hits++ < 10)
				escaped("%s reached pid %d: %s", what, (int)pid,
					strerror(errno));
		}
	}
	if (hits == 0)
		held("%s: none of %u pids is there", what, tried);
}

static long signal_zero(pid_t pid)
{
	errno = 0;
	return kill(pid, 0);
}

static long signal_group(pid_t pid)
{
	errno = 0;
	return kill(-pid, 0);
}

static long signal_thread(pid_t pid)
{
	errno = 0;
	return syscall(SYS_tkill, pid, 0);
}

static void kill_all(void)
{
	try_all_pids("kill", signal_zero);
	try_all_pids("kill of the group", signal_group);
	try_all_pids("tkill", signal_thread);
}

/* Whoever can be reached by "everybody" dies; the harness and its neighbours must not. */
static void kill_everybody(void)
{
	/* SIGCHLD would only be noise; -1 spares the caller. */
	if (kill(-1, SIGKILL) == 0)
		note("kill(-1, SIGKILL) found somebody; the harness sees whom");
	held("kill(-1, SIGKILL) came back: %s", strerror(errno));
	if (kill(0, 0) < 0)
		untried("no process group of my own: %s", strerror(errno));
	if (getsid(0) != 1 && getsid(0) != getpid())
		escaped("session %d is not my own", (int)getsid(0));
	else
		held("own session");
}

static long stat_proc(pid_t pid)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return stat(path, &st);
}

static void proc_list(void)
{
	struct dirent *e;
	unsigned int seen = 0;
	DIR *dir = opendir("/proc");

	if (dir == NULL) {
		untried("/proc: %s", strerror(errno));
		return;
	}
	while ((e = readdir(dir)) != NULL) {
		pid_t pid = (pid_t)atol(e->d_name);

		if (pid <= 0)
			continue;
		seen++;
		if (!is_own(pid))
			escaped("/proc lists pid %d", (int)pid);
	}
	(void)closedir(dir);
	if (seen == 0)
		untried("/proc lists no process at all");
	else
		held("/proc lists %u processes, all mine", seen);
	try_all_pids("stat of /proc/PID", stat_proc);
}

static void parent(void)
{
	char text[8192];
	const char *nspid;
	int fields = 0;

	if (getppid() != 0 && getppid() != 1)
		escaped("parent is pid %d", (int)getppid());
	else
		held("parent is pid %d", (int)getppid());
	if (read_file("/proc/self/status", text, sizeof(text)) <= 0 ||
	    (nspid = strstr(text, "\nNSpid:")) == NULL) {
		untried("no NSpid in /proc/self/status");
		return;
	}
	for (const char *p = nspid + 7; *p != '\n' && *p != '\0'; p++)
		fields += *p == '\t';
	if (fields != 1)
		escaped("/proc belongs to an outer pid namespace: %d levels", fields);
	else
		held("/proc belongs to my own pid namespace");
}

static long trace_attach(pid_t pid)
{
	long r;

	errno = 0;
	r = ptrace(PTRACE_ATTACH, pid, NULL, NULL);
	if (r == 0)
		(void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return r;
}

static long trace_seize(pid_t pid)
{
	long r;

	errno = 0;
	r = ptrace(PTRACE_SEIZE, pid, NULL, NULL);
	if (r == 0)
		(void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return r;
}

/* A filter answers EPERM for every pid: only success tells something then. */
static void try_or_filtered(const char *what, long (*fn)(pid_t pid))
{
	if (fn(1000000) < 0 && errno == EPERM) {
		unsigned int hits = 0;
		pid_t pid;

		for (unsigned int n = 1; (pid = nth_pid(n)) > 0; n++) {
			if (!is_own(pid) && fn(pid) >= 0 && hits++ < 10)
				escaped("%s reached pid %d", what, (int)pid);
		}
		if (hits == 0)
			held("%s: refused altogether", what);
		return;
	}
	try_all_pids(what, fn);
}

static void trace(void)
{
	try_or_filtered("PTRACE_ATTACH", trace_attach);
	try_or_filtered("PTRACE_SEIZE", trace_seize);
	if (getppid() != 0)
		return;
	/* TRACEME would make the parent, which is outside, my tracer. */
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0)
		note("PTRACE_TRACEME is allowed, its tracer is outside and does not know");
}

static long read_memory(pid_t pid)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { (void *)0x400000, 1 };

	errno = 0;
	return process_vm_readv(pid, &here, 1, &there, 1, 0);
}

static long write_memory(pid_t pid)
{
	char byte = 0;
	/* An address nobody has mapped: found out only behind the permission check. */
	struct iovec here = { &byte, 1 }, there = { (void *)16, 1 };
	long r;

	errno = 0;
	r = process_vm_writev(pid, &here, 1, &there, 1, 0);
	return r < 0 && errno == EFAULT ? 0 : r;
}

static void memory(void)
{
	try_or_filtered("process_vm_readv", read_memory);
	try_or_filtered("process_vm_writev", write_memory);
}

static long open_pidfd(pid_t pid)
{
	long fd;

	errno = 0;
	fd = syscall(SYS_pidfd_open, pid, 0);
	if (fd >= 0)
		(void)close((int)fd);
	return fd;
}

static void pidfd(void)
{
	long self;

	try_or_filtered("pidfd_open", open_pidfd);
	self = syscall(SYS_pidfd_open, 1, 0);
	if (self < 0)
		return;
	/* Descriptors of PID 1 beyond the standard ones: nothing of the engine is there.
	 */
	for (int n = 3; n < 1024; n++) {
		long got;

		if (getpid() == 1 && fcntl(n, F_GETFD) >= 0)
			continue;
		got = syscall(SYS_pidfd_getfd, (int)self, n, 0);
		if (got >= 0) {
			escaped("took descriptor %d out of PID 1", n);
			(void)close((int)got);
		}
	}
	(void)close((int)self);
}

static long compare(pid_t pid)
{
	errno = 0;
	return syscall(SYS_kcmp, getpid(), pid, 0 /* KCMP_FILE */, 0, 0);
}

static long limits_of(pid_t pid)
{
	struct rlimit limit;

	errno = 0;
	return prlimit(pid, RLIMIT_NOFILE, NULL, &limit);
}

static long priority_of(pid_t pid)
{
	errno = 0;
	return getpriority(PRIO_PROCESS, (id_t)pid) == -1 && errno != 0 ? -1 : 0;
}

static long affinity_of(pid_t pid)
{
	unsigned long mask[128];

	errno = 0;
	return syscall(SYS_sched_getaffinity, pid, sizeof(mask), mask);
}

static void others(void)
{
	try_or_filtered("kcmp", compare);
	try_or_filtered("prlimit", limits_of);
	try_all_pids("getpriority", priority_of);
	try_all_pids("sched_getaffinity", affinity_of);
}

/*
 * With an init in front, PID 1 is not the attacker: it must have no more rights than the
 * attacker has, because the attacker may trace it.
 */
static void init_in_front(void)
{
	static const char *const fields[] = { "CapPrm",	    "CapEff",  "CapBnd",
					      "CapInh",	    "CapAmb",  "Uid",
					      "NoNewPrivs", "Seccomp", NULL };
	char mine[8192], its[8192];

	if (read_file("/proc/self/status", mine, sizeof(mine)) <= 0 ||
	    read_file("/proc/1/status", its, sizeof(its)) <= 0) {
		untried("no /proc/1/status: %s", strerror(errno));
		return;
	}
	for (const char *const *f = fields; *f != NULL; f++) {
		const char *a = strstr(mine, *f), *b = strstr(its, *f);
		size_t len;

		if (a == NULL || b == NULL) {
			untried("no %s in status", *f);
			continue;
		}
		len = strcspn(a, "\n");
		if (strncmp(a, b, len + 1) != 0)
			escaped("PID 1 has other rights: %.60s", b);
		else
			held("PID 1 has my %s", *f);
	}
	for (int n = 0; n < 256; n++) {
		char path[64], target[256];
		ssize_t len;

		(void)snprintf(path, sizeof(path), "/proc/1/fd/%d", n);
		len = readlink(path, target, sizeof(target) - 1);
		if (len < 0 || n <= 2)
			continue;
		target[len] = '\0';
		/* A signalfd, a pidfd or an epoll set of its own leads nowhere. */
		if (strncmp(target, "anon_inode:", 11) != 0)
			escaped("PID 1 has descriptor %d open: %s", n, target);
	}
}

static void sysv_ipc(void)
{
	struct shm_info info = { 0 };
	struct msginfo minfo = { 0 };
	key_t key = (key_t)fact_number("ipckey", 0x6a6c6573);
	int n;

	must_fail("shmget of the host's segment", shmget(key, 0, 0));
	must_fail("msgget of the host's queue", msgget(key, 0));
	must_fail("semget of the host's set", semget(key, 0, 0));
	n = shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info);
	if (n >= 0 && info.used_ids > 0)
		escaped("%d shared memory segments of somebody", info.used_ids);
	n = msgctl(0, MSG_INFO, (struct msqid_ds *)(void *)&minfo);
	if (n >= 0 && minfo.msgpool > 0)
		escaped("%d message queues of somebody", minfo.msgpool);
}

const struct attack process_attacks[] = {
	{ "process-kill-all", kill_all, 0 },
	{ "process-kill-everybody", kill_everybody, IN_SANDBOX },
	{ "process-proc-list", proc_list, 0 },
	{ "process-parent", parent, 0 },
	{ "process-ptrace", trace, IN_SANDBOX },
	{ "process-memory", memory, IN_SANDBOX },
	{ "process-pidfd", pidfd, 0 },
	{ "process-others", others, 0 },
	{ "process-init-in-front", init_in_front, 0 },
	{ "process-sysv-ipc", sysv_ipc, 0 },
	{ NULL, NULL, 0 },
};
