/* SPDX-License-Identifier: MIT */
/* Privileges and secrets: capabilities, ids, limits, what the caller left in memory. */
#include "attack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* chown, dac_override, fowner, fsetid, kill, setgid, setuid: the documented list. */
#define ALLOWED_CAPS                                                               \
	((1ULL << CAP_CHOWN) | (1ULL << CAP_DAC_OVERRIDE) | (1ULL << CAP_FOWNER) | \
	 (1ULL << CAP_FSETID) | (1ULL << CAP_KILL) | (1ULL << CAP_SETGID) |        \
	 (1ULL << CAP_SETUID))

static void capabilities(void)
{
	static const char *const sets[] = { "CapInh", "CapPrm", "CapEff", "CapBnd",
					    "CapAmb" };
	unsigned long long allowed = getuid() == 0 ? ALLOWED_CAPS : 0;
	char text[8192];

	if (read_file("/proc/self/status", text, sizeof(text)) <= 0) {
		untried("/proc/self/status: %s", strerror(errno));
		return;
	}
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		const char *at = strstr(text, sets[i]);
		unsigned long long have;

		if (at == NULL) {
			untried("no %s", sets[i]);
			continue;
		}
		have = strtoull(at + 7, NULL, 16);
		/* The bounding set of another user may be that of root. */
		if ((have & ~(strcmp(sets[i], "CapBnd") == 0 ? ALLOWED_CAPS : allowed)) !=
		    0)
			escaped("%s is %#llx, more than %#llx", sets[i], have, allowed);
		else
			held("%s is %#llx", sets[i], have);
	}
	for (int cap = 0; cap < 64; cap++) {
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 &&
		    (ALLOWED_CAPS >> cap & 1) == 0)
			escaped("capability %d is in the bounding set", cap);
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0) == 0)
		escaped("raised an ambient sys_admin");
}

static void raise_capabilities(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	memset(data, 0xff, sizeof(data));
	must_fail("capset of everything", syscall(SYS_capset, &head, data));
	memset(data, 0, sizeof(data));
	data[0].effective = data[0].permitted = 1U << CAP_SYS_ADMIN;
	must_fail("capset of sys_admin", syscall(SYS_capset, &head, data));
}

static void no_new_privileges(void)
{
	int bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);

	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		held("no_new_privs is on");
	else
		escaped("no_new_privs is off");
	must_fail("taking no_new_privs back", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	note("securebits %#x", (unsigned int)bits);
	must_fail("PR_SET_SECUREBITS", prctl(PR_SET_SECUREBITS, bits ^ 1, 0, 0, 0));
	must_fail("PR_SET_MM", prctl(PR_SET_MM, 1, 0, 0, 0));
}

/* The filter is there, and a program cannot take it off. */
static void filter_stays(void)
{
	int mode = prctl(PR_GET_SECCOMP, 0, 0, 0, 0);

	if (mode == 2)
		held("a system call filter is active");
	else
		escaped("no system call filter: %d", mode);
	must_fail("prctl to seccomp mode 0", prctl(PR_SET_SECCOMP, 0, 0, 0, 0));
}

static void change_ids(void)
{
	/* Outside of the map: the host's root and users must not have a name here. */
	static const unsigned int outside[] = { 65536, 100000, 0x70000000, 0x70010000,
						4294967294U };

	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		char what[64];

		(void)snprintf(what, sizeof(what), "setresuid to %u", outside[i]);
		must_fail(what, setresuid(outside[i], outside[i], outside[i]));
		(void)snprintf(what, sizeof(what), "setresgid to %u", outside[i]);
		must_fail(what, setresgid(outside[i], outside[i], outside[i]));
		(void)snprintf(what, sizeof(what), "setgroups to %u", outside[i]);
		must_fail(what, setgroups(1, (gid_t[]){ outside[i] }));
		(void)snprintf(what, sizeof(what), "setfsuid to %u", outside[i]);
		(void)syscall(SYS_setfsuid, outside[i]);
		if ((unsigned int)syscall(SYS_setfsuid, -1) == outside[i])
			escaped("%s succeeded", what);
	}
}

static void groups(void)
{
	gid_t list[256];
	int n = getgroups(256, list);

	for (int i = 0; i < n; i++) {
		/* 65534 is how a group of the host looks that came along. */
		if (list[i] != getgid())
			escaped("group %u came along", (unsigned int)list[i]);
	}
	held("%d supplementary groups", n);
}

static void scheduling(void)
{
	struct sched_param param = { .sched_priority = 1 };
	struct rlimit limit;

	must_fail("real-time scheduling", sched_setscheduler(0, SCHED_FIFO, &param));
	must_fail("a better nice value", setpriority(PRIO_PROCESS, 0, -20));
	must_fail("real-time I/O", syscall(SYS_ioprio_set, 1, 0, 1 << 13));
	limit.rlim_cur = limit.rlim_max = RLIM_INFINITY;
	must_fail("raising RLIMIT_CORE", setrlimit(RLIMIT_CORE, &limit));
	/* Being killed last would make the host choose its own processes first. */
	if (write_file("/proc/self/oom_score_adj", "-1000"))
		escaped("oom_score_adj could be lowered to -1000");
	else
		held("oom_score_adj -1000: %s", strerror(errno));
	if (getpriority(PRIO_PROCESS, 0) < 0)
		escaped("nice value %d came along", getpriority(PRIO_PROCESS, 0));
}

/*
 * What is in a job's memory must not get to a file or a program of the host when it
 * crashes. A limit of 0 keeps the kernel from writing files, but a handler that
 * core_pattern names is started all the same, as root, with the memory as its input; only
 * 1 stops both.
 */
static void core_dump(void)
{
	struct rlimit limit;
	int status = 0;
	pid_t pid;

	if (getrlimit(RLIMIT_CORE, &limit) < 0)
		untried("RLIMIT_CORE: %s", strerror(errno));
	else if (limit.rlim_max == 1)
		held("RLIMIT_CORE is 1");
	else
		escaped("RLIMIT_CORE is %llu: a handler of the host would get the memory",
			(unsigned long long)limit.rlim_max);
	pid = fork();
	if (pid == 0) {
		(void)signal(SIGSEGV, SIG_DFL);
		(void)raise(SIGSEGV);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
		untried("no crash: %#x", (unsigned int)status);
	else if (WCOREDUMP(status))
		escaped("a core was dumped");
	else
		held("a crash dumps no core");
}

/* ---- secrets ---- */

static char secret[256];
static unsigned int secret_files;

static void look_for_secret(const char *path)
{
	static char buf[1 << 20];
	size_t len = strlen(secret);
	ssize_t n = read_file(path, buf, sizeof(buf));

	if (n < (ssize_t)len)
		return;
	secret_files++;
	if (memmem(buf, (size_t)n, secret, len) != NULL)
		escaped("the caller's secret is in %s", path);
}

static void judge_secret(const char *path, const struct stat *st)
{
	/* Files that wait for something, or that hand out the whole memory of the reader.
	 */
	if (!S_ISREG(st->st_mode) || strstr(path, "/mem") != NULL ||
	    strstr(path, "/pagemap") != NULL || strstr(path, "/kmsg") != NULL ||
	    strstr(path, "/clear_refs") != NULL || strstr(path, "/kcore") != NULL ||
	    strcmp(path, "/tmp/attack") == 0)
		return;
	look_for_secret(path);
}

extern char **environ;

static void environment(void)
{
	static const char *const folders[] = { "/proc", "/etc",	 "/tmp",
					       "/work", "/run",	 "/dev/shm",
					       "/var",	"/root", "/home" };
	const char *reversed = fact("secret");
	size_t len;

	if (reversed == NULL || strlen(reversed) >= sizeof(secret)) {
		untried("no secret to look for");
		return;
	}
	/* Given back to front: the command line itself must not be a finding. */
	len = strlen(reversed);
	for (size_t i = 0; i < len; i++)
		secret[i] = reversed[len - 1 - i];
	for (char **e = environ; *e != NULL; e++) {
		static const char *const expected[] = { "PATH",	   "HOME",     "USER",
							"LOGNAME", "SHELL",    "LANG",
							"TERM",	   "TMPDIR",   "JOBLET",
							"PWD",	   "OLDPWD",   "SHLVL",
							"_",	   "HOSTNAME", NULL };
		char name[128];

		(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(*e, "="), *e);
		if (strstr(*e, secret) != NULL)
			escaped("the caller's secret is in %s", name);
		if (!one_of(name, expected) && strncmp(name, "JOB_", 4) != 0 &&
		    strncmp(name, "ESCAPE_", 7) != 0)
			escaped("unexpected variable %s", name);
	}
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		walk(folders[i], 6, judge_secret);
	if (secret_files == 0)
		untried("no file could be read");
	else
		held("%u files looked at", secret_files);
}

/* The caller's session keyring, by being possessed, opens without any permission. */
static void keyring(void)
{
	char payload[256] = "";
	long id, key;

	if (fact("key") == NULL) {
		untried("the harness has no key");
		return;
	}
	id = syscall(SYS_keyctl, 10 /* SEARCH */, -3L /* session */, "user", fact("key"),
		     0L);
	if (id < 0) {
		held("search of the session keyring: %s", strerror(errno));
	} else {
		key = syscall(SYS_keyctl, 11 /* READ */, id, payload,
			      sizeof(payload) - 1);
		escaped("the caller's key was found, %ld bytes read: %s", key, payload);
	}
	key = syscall(SYS_request_key, "user", fact("key"), 0L, 0L);
	if (key >= 0)
		escaped("the caller's key was requested");
	else
		held("request_key: %s", strerror(errno));
	if (read_file("/proc/keys", payload, sizeof(payload)) > 0)
		escaped("/proc/keys lists keys");
}

const struct attack priv_attacks[] = {
	{ "priv-capabilities", capabilities, 0 },
	{ "priv-raise-capabilities", raise_capabilities, IN_SANDBOX },
	{ "priv-no-new-privs", no_new_privileges, IN_SANDBOX },
	{ "priv-filter-stays", filter_stays, 0 },
	{ "priv-change-ids", change_ids, IN_SANDBOX },
	{ "priv-groups", groups, 0 },
	{ "priv-scheduling", scheduling, IN_SANDBOX },
	{ "priv-core-dump", core_dump, 0 },
	{ "priv-environment", environment, 0 },
	{ "priv-keyring", keyring, 0 },
	{ NULL, NULL, 0 },
};
