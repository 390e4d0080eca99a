/* SPDX-License-Identifier: MIT */
#define JL_MODULE "probe"
#include "ctx/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <joblet/job.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "ctx/ctx.h"
#include "sandbox/sandbox.h"
#include "sys/sys.h"

#define LINES_MAX 48
#define VALUE_MAX 1024

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

struct line {
	const char *name; /* static */
	int status;
	char *value;
	char *meaning; /* NULL when nothing lacks */
};

struct jl_probe {
	uint32_t count;
	struct line lines[LINES_MAX];
};

int jl__probe_add(jl_probe *probe, const char *name, int status, const char *meaning,
		  const char *format, ...)
{
	struct line *line = &probe->lines[probe->count];
	char value[VALUE_MAX];
	va_list args;

	if (probe->count >= LINES_MAX)
		return 0;
	va_start(args, format);
	(void)vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	line->name = name;
	line->status = status;
	line->value = jl__strdup(value);
	line->meaning = meaning ? jl__strdup(meaning) : NULL;
	/* Counted before the check, so that half a line is released with the report. */
	probe->count++;
	return !line->value || (meaning && !line->meaning) ? -ENOMEM : 0;
}

int jl__probe_find(const jl_probe *probe, const char *name)
{
	for (uint32_t i = 0; i < probe->count; i++) {
		if (strcmp(probe->lines[i].name, name) == 0)
			return probe->lines[i].status;
	}
	return JL_PROBE_MISSING;
}

int jl__probe_read(int dir, const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = (int)jl__sys_openat(dir, path, O_RDONLY | O_CLOEXEC, 0);
	long len;

	if (fd < 0)
		return fd;
	len = jl__sys_read(fd, buf, size - 1);
	if (len < 0)
		return (int)len;
	buf[len] = 0;
	buf[strcspn(buf, "\n")] = 0;
	return (int)strlen(buf);
}

static int check_kernel(jl_probe *probe)
{
	struct utsname name;

	if (uname(&name) < 0)
		return jl__probe_add(probe, "kernel", JL_PROBE_OK, NULL, "unknown");
	return jl__probe_add(probe, "kernel", JL_PROBE_OK, NULL, "%s %s %s", name.sysname,
			     name.release, name.machine);
}

static int check_privilege(jl_probe *probe)
{
	if (jl__ctx_privileged())
		return jl__probe_add(probe, "privilege", JL_PROBE_OK, NULL,
				     "root: each job has user ids of its own");
	return jl__probe_add(
		probe, "privilege", JL_PROBE_LIMITED,
		"On the host, jobs run as the calling user, so jobs of one user are told "
		"apart by their namespaces only; inside, there is root and no other user "
		"(--user). Run as root for ids of their own.",
		"user %ld: jobs run with the caller's user id", jl__sys_geteuid());
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int check_clone3(jl_probe *probe)
{
	int r = jl__trial(0, nothing, NULL);

	if (r == 0)
		return jl__probe_add(probe, "sys.clone3", JL_PROBE_OK, NULL, "works");
	return jl__probe_add(
		probe, "sys.clone3", JL_PROBE_MISSING,
		"No job can be started. The kernel is older than 5.3, or the "
		"container around this program forbids the call.",
		"%s", jl__errno_text(r));
}

static int check_pidfd(jl_probe *probe)
{
	_cleanup_close_ int fd = (int)jl__sys_pidfd_open((int)jl__sys_getpid(), 0);
	long r = fd < 0 ? fd : jl__sys_pidfd_send_signal(fd, 0, NULL, 0);

	if (r >= 0)
		return jl__probe_add(probe, "sys.pidfd", JL_PROBE_OK, NULL, "works");
	return jl__probe_add(
		probe, "sys.pidfd", JL_PROBE_MISSING,
		"No job can be started: signals could hit another process. The "
		"kernel is older than 5.4, or the container around this program "
		"forbids the calls.",
		"%s", jl__errno_text((int)r));
}

static int check_files(jl_probe *probe)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
	_cleanup_close_ int fd = -EBADF;
	long r = jl__sys_close_range(~0U, ~0U, 1U << 2 /* CLOSE_RANGE_CLOEXEC */);

	if (jl__probe_add(
		    probe, "sys.close_range", r < 0 ? JL_PROBE_MISSING : JL_PROBE_OK,
		    r < 0 ? "No job can be started: it would keep descriptors of its "
			    "caller. The kernel is older than 5.11, or the call is "
			    "forbidden here."
			  : NULL,
		    "%s", r < 0 ? jl__errno_text((int)r) : "works") < 0)
		return -ENOMEM;

	fd = (int)jl__sys_openat2(AT_FDCWD, ".", &how, sizeof(how));
	/* A working directory that cannot be opened says nothing about the call. */
	r = fd == -ENOSYS || fd == -EPERM || fd == -EINVAL ? fd : 0;
	return jl__probe_add(
		probe, "sys.openat2", r < 0 ? JL_PROBE_MISSING : JL_PROBE_OK,
		r < 0 ? "No job can be started: paths inside a job could lead "
			"out of it. The kernel is older than 5.6, or the call is "
			"forbidden here."
		      : NULL,
		"%s", r < 0 ? jl__errno_text((int)r) : "works");
}

static int check_seccomp(jl_probe *probe)
{
	static const struct {
		uint32_t action;
		const char *name;
	} actions[] = {
		{ SECCOMP_RET_ERRNO, "errno" },
		{ SECCOMP_RET_KILL_PROCESS, "kill" },
		{ SECCOMP_RET_LOG, "log" },
	};
	char list[64] = "";
	size_t len = 0;
	long r = 0;

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		long one =
			jl__sys_seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &actions[i].action);

		if (one >= 0)
			len += (size_t)snprintf(list + len, sizeof(list) - len, " %s",
						actions[i].name);
		/* Jobs need the first two. */
		else if (i < 2 && r == 0)
			r = one;
	}
	if (r < 0)
		return jl__probe_add(
			probe, "seccomp.filter", JL_PROBE_MISSING,
			"Jobs start with --seccomp=off only. The kernel is built "
			"without CONFIG_SECCOMP_FILTER, or the call is forbidden "
			"here.",
			"%s", jl__errno_text((int)r));
	return jl__probe_add(probe, "seccomp.filter", JL_PROBE_OK, NULL, "actions%s",
			     list);
}

static int check_filter(jl_probe *probe)
{
	struct jl__filter filter = { 0 };
	jl_error *err = NULL;
	int r = jl__filter_compile(JL_SECCOMP_DEFAULT, &filter, &err);

	if (r == 0)
		r = jl__probe_add(probe, "seccomp.build", JL_PROBE_OK, NULL,
				  "level default, %u instructions", filter.count);
	else if (r != -ENOMEM)
		r = jl__probe_add(probe, "seccomp.build", JL_PROBE_MISSING,
				  "Jobs start with --seccomp=off only.", "%s",
				  jl_error_message(err));
	jl__free(filter.insns);
	jl_error_free(err);
	return r;
}

static int check_landlock(jl_probe *probe)
{
	long abi = jl__sys6(__NR_landlock_create_ruleset, 0, 0,
			    LANDLOCK_CREATE_RULESET_VERSION, 0, 0, 0);

	if (abi > 0)
		return jl__probe_add(probe, "landlock", JL_PROBE_OK, NULL, "version %ld",
				     abi);
	return jl__probe_add(probe, "landlock", JL_PROBE_MISSING,
			     "Nothing is lost: no part of a job needs it today.", "%s",
			     jl__errno_text((int)abi));
}

static int check_core_scheduling(jl_probe *probe)
{
	uint64_t cookie = 0;
	long r = jl__sys_prctl(PR_SCHED_CORE, PR_SCHED_CORE_GET, 0, 0, (long)&cookie);

	if (r == -ENODEV)
		return jl__probe_add(probe, "sched.core", JL_PROBE_OK, NULL,
				     "not needed: one thread per core");
	if (r >= 0)
		return jl__probe_add(probe, "sched.core", JL_PROBE_OK, NULL, "works");
	return jl__probe_add(
		probe, "sched.core", JL_PROBE_MISSING,
		"On processors with two threads per core, a job may share a core "
		"with another program and try to read from its caches. Use a "
		"kernel with CONFIG_SCHED_CORE, switch SMT off, or give each job "
		"whole cores with --cpu-cores.",
		"%s",
		r == -EINVAL ? "not offered by this kernel or processor"
			     : jl__errno_text((int)r));
}

static int check_supervisor(jl_probe *probe)
{
	_cleanup_close_ int fd = -EBADF;
	char policy[16] = "";
	long r;

	fd = (int)jl__sys_memfd_create("joblet-probe",
				       MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (fd == -EINVAL) /* before Linux 6.3 every memfd could be executed */
		fd = (int)jl__sys_memfd_create("joblet-probe",
					       MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd >= 0)
		return jl__probe_add(probe, "supervisor", JL_PROBE_OK, NULL,
				     "embedded, run from sealed memory");
	(void)jl__probe_read(AT_FDCWD, "/proc/sys/vm/memfd_noexec", policy,
			     sizeof(policy));
	r = jl__sys6(__NR_faccessat, AT_FDCWD, (long)JL_SUPERVISOR_PATH, 1 /* X_OK */, 0,
		     0, 0);
	if (r >= 0)
		return jl__probe_add(
			probe, "supervisor", JL_PROBE_LIMITED,
			"The installed file is used, which must be of the same "
			"version as the library.",
			"%s, as memory cannot be executed (vm.memfd_noexec=%s)",
			JL_SUPERVISOR_PATH, policy);
	return jl__probe_add(
		probe, "supervisor", JL_PROBE_MISSING,
		"No job can be started. Install the supervisor's file, or set the "
		"sysctl vm.memfd_noexec to 0 or 1.",
		"memory cannot be executed (%s, vm.memfd_noexec=%s) and %s is not "
		"there",
		jl__errno_text(fd), policy, JL_SUPERVISOR_PATH);
}

static int check_ceilings(jl_probe *probe)
{
	struct rlimit limit = { 0, 0 };
	char pids[32] = "unknown";
	bool few;

	(void)jl__probe_read(AT_FDCWD, "/proc/sys/kernel/pid_max", pids, sizeof(pids));
	if (jl__probe_add(probe, "max.pids", JL_PROBE_OK, NULL, "%s on the whole machine",
			  pids) < 0)
		return -ENOMEM;
	(void)jl__sys_prlimit(0, RLIMIT_NOFILE, NULL, &limit);
	few = limit.rlim_max < 4096;
	return jl__probe_add(
		probe, "max.files", few ? JL_PROBE_LIMITED : JL_PROBE_OK,
		few ? "Each running job takes a few descriptors of its caller and "
		      "of its supervisor. Raise the hard limit (ulimit -Hn) for "
		      "many jobs at once."
		    : NULL,
		"%llu open files per process at most",
		(unsigned long long)limit.rlim_max);
}

/* Lines without which no job starts, and those that stand for a limit. */
static const char *const required[] = {
	"sys.clone3", "sys.pidfd", "sys.close_range", "sys.openat2", "ns.user",
	"ns.pid",     "ns.mount",  "ns.ipc",	      "ns.uts",	     "ns.cgroup",
	"ns.net",     "sys.mount", "mount.proc",      "supervisor",
};
static const char *const limits[] = {
	"cgroup.cpu", "cgroup.cpuset", "cgroup.memory", "cgroup.io", "cgroup.pids",
};

/* Names of those lines that are missing, as "a, b"; "" for none. */
static void list_missing(const jl_probe *probe, const char *const *names, size_t count,
			 char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = 0;
	for (size_t i = 0; i < count && len < size; i++) {
		if (jl__probe_find(probe, names[i]) == JL_PROBE_MISSING)
			len += (size_t)snprintf(buf + len, size - len, "%s%s",
						len ? ", " : "", names[i]);
	}
}

static int check_jobs(jl_probe *probe)
{
	char list[256];

	list_missing(probe, required, sizeof(required) / sizeof(required[0]), list,
		     sizeof(list));
	if (list[0])
		return jl__probe_add(probe, "jobs", JL_PROBE_MISSING,
				     "See the lines named here for what to do.",
				     "cannot be run: %s", list);
	list_missing(probe, limits, sizeof(limits) / sizeof(limits[0]), list,
		     sizeof(list));
	if (list[0])
		return jl__probe_add(
			probe, "jobs", JL_PROBE_LIMITED,
			"A job that asks for one of these limits is refused.",
			"can be run, without %s", list);
	return jl__probe_add(probe, "jobs", JL_PROBE_OK, NULL,
			     "can be run, with every limit");
}

static int run_checks(jl_probe *probe, jl_ctx *ctx)
{
	static int (*const before[])(jl_probe *) = {
		check_kernel, check_privilege,	     check_clone3,     check_pidfd,
		check_files,  jl__probe_namespaces,  jl__probe_mounts, check_seccomp,
		check_filter, check_core_scheduling,
	};
	static int (*const after[])(jl_probe *) = {
		check_supervisor,
		check_ceilings,
		check_landlock,
		jl__probe_networks,
		check_jobs,
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(before) / sizeof(before[0]); i++)
		r = before[i](probe);
	if (r == 0)
		r = jl__probe_cgroups(probe, ctx);
	for (size_t i = 0; r == 0 && i < sizeof(after) / sizeof(after[0]); i++)
		r = after[i](probe);
	return r;
}

int jl_ctx_probe(jl_ctx *ctx, jl_probe **ret_probe, jl_error **ret_err)
{
	jl_probe *probe;

	jl__error_init(ret_err);
	probe = jl__calloc(1, sizeof(*probe));
	if (!probe)
		return jl__oom(ret_err);
	if (run_checks(probe, ctx) < 0) {
		jl_probe_free(probe);
		return jl__oom(ret_err);
	}
	*ret_probe = probe;
	return 0;
}

uint32_t jl_probe_count(const jl_probe *probe)
{
	return probe ? probe->count : 0;
}

const char *jl_probe_name(const jl_probe *probe, uint32_t index)
{
	return index < jl_probe_count(probe) ? probe->lines[index].name : NULL;
}

int jl_probe_status(const jl_probe *probe, uint32_t index)
{
	return index < jl_probe_count(probe) ? probe->lines[index].status : -EINVAL;
}

const char *jl_probe_value(const jl_probe *probe, uint32_t index)
{
	return index < jl_probe_count(probe) ? probe->lines[index].value : NULL;
}

const char *jl_probe_meaning(const jl_probe *probe, uint32_t index)
{
	if (index >= jl_probe_count(probe))
		return NULL;
	return probe->lines[index].meaning ? probe->lines[index].meaning : "";
}

void jl_probe_free(jl_probe *probe)
{
	if (!probe)
		return;
	for (uint32_t i = 0; i < probe->count; i++) {
		jl__free(probe->lines[i].value);
		jl__free(probe->lines[i].meaning);
	}
	jl__free(probe);
}
