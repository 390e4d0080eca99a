/* SPDX-License-Identifier: MIT */
/* Every attack of the attacker, with and without the protections that can be chosen. */
#include "harness.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS 60.0
#define NAMES_MAX 200

enum { HELD = 0, ESCAPED = 1, UNTRIED = 3 };

static char names_text[16384];
static const char *names[NAMES_MAX];
static size_t n_names;
static struct run run;

/* Asks the attacker itself: an attack that is added is run. */
static bool load_names(void)
{
	char command[512], *save = NULL;
	size_t len;
	FILE *f;

	if (n_names > 0)
		return true;
	(void)snprintf(command, sizeof(command), "'%s' --list", attack_path);
	f = popen(command, "re");
	if (f == NULL)
		return false;
	len = fread(names_text, 1, sizeof(names_text) - 1, f);
	names_text[len] = '\0';
	(void)pclose(f);
	for (char *line = strtok_r(names_text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		char *kind = strchr(line, ' ');

		if (kind == NULL || strcmp(kind, " attack") != 0 || n_names >= NAMES_MAX)
			continue;
		*kind = '\0';
		names[n_names++] = line;
	}
	return n_names > 0;
}

static int try_attack(const char *const *flags, const char *name)
{
	run_init(&run);
	run_attack_words(&run, flags, name);
	run_whole(&run, SECONDS);
	return run.status;
}

/* The attack must have been made and have failed. */
static void must_hold(const char *const *flags, const char *name, const char *title)
{
	bool good = try_attack(flags, name) == HELD;

	tap_result(good, "%s%s%s", name, *title != '\0' ? " with " : "", title);
	if (good)
		return;
	tap_note("exit status %d after %.1f s", run.status, run.seconds);
	run_show(&run, run.status == ESCAPED   ? "ESCAPED"
		       : run.status == UNTRIED ? "untried"
					       : NULL);
}

void part_attacks(void)
{
	/* Without the books that are kept about a job: half the work of a start. */
	static const char *const quick[] = { "-i", NULL };

	if (!load_names()) {
		tap_result(false, "the attacker lists its attacks");
		return;
	}
	for (size_t i = 0; i < n_names; i++)
		must_hold(host_quick ? quick : NULL, names[i], "");
	tap_result(host_is_clean("the attacks"), "nothing is left after the attacks");
}

/* ---- other ways to run a job ---- */

struct variant {
	const char *title;
	const char *flags[4];
	const char *attacks[40];
};

static const struct variant variants[] = {
	{ "an init in front",
	  { "--init" },
	  { "process-kill-all", "process-proc-list", "process-parent", "process-ptrace",
	    "process-memory", "process-pidfd", "process-init-in-front", "fs-exe-write",
	    "fs-exe-write-exec", "fs-descriptors", "view-proc-links", "priv-capabilities",
	    "priv-environment", "ns-setns" } },
	{ "another user",
	  { "--user=1000:1000" },
	  { "process-kill-all", "fs-setuid", "fs-setuid-host-files", "fs-descriptors",
	    "view-host-secrets", "view-devices", "mount-mknod", "mount-by-handle",
	    "ns-unshare", "ns-nested-user", "ns-id-map", "priv-capabilities",
	    "priv-raise-capabilities", "priv-change-ids", "priv-groups",
	    "priv-scheduling", "priv-environment", "syscall-machine" } },
	{ "the strict filter",
	  { "--seccomp=strict" },
	  { "process-ptrace", "process-memory", "process-pidfd", "syscall-kernel-surface",
	    "syscall-keys", "syscall-machine", "syscall-sockets", "syscall-terminal",
	    "syscall-32-bit-entry", "ns-unshare", "ns-clone", "ns-clone3", "ns-setns",
	    "mount-old-api", "mount-new-api" } },
	{ "no network",
	  { "--network=none" },
	  { "process-kill-all", "view-host-secrets", "view-only-expected-files",
	    "view-mount-table", "net-abstract-sockets", "net-path-sockets", "net-tables",
	    "net-connect", "net-interfaces", "net-configure", "net-forging",
	    "net-socket-rights", "syscall-sockets" } },
	{ "an isolated network",
	  { "--network=isolated" },
	  { "view-only-expected-files", "net-tables", "net-connect", "net-interfaces",
	    "net-configure", "net-forging" } },
	/* The job has the caller's own streams, and ends with it. */
	{ "the caller's streams",
	  { "-i" },
	  { "process-kill-all", "process-proc-list", "process-parent", "process-ptrace",
	    "fs-exe-write", "fs-descriptors", "view-proc-links",
	    "view-only-expected-files", "view-devices", "priv-capabilities",
	    "priv-environment", "net-tables", "net-connect", "syscall-terminal" } },
	{ "the host's network",
	  { "--network=host" },
	  { "process-kill-all", "process-proc-list", "process-sysv-ipc",
	    "view-sys-absent", "view-proc-writable", "net-configure-host",
	    "net-path-sockets", "net-socket-rights", "ns-unshare", "ns-setns", "ns-ioctl",
	    "ns-host-name", "syscall-sockets", "priv-environment", "mount-old-api" } },
	/*
	 * Without the system call filter other layers must hold the same line:
	 * capabilities, owners of namespaces, modes. README.md says which attacks have no
	 * second layer.
	 */
	{ "no filter",
	  { "--seccomp=off" },
	  { "process-kill-all",	  "process-ptrace",
	    "process-memory",	  "process-sysv-ipc",
	    "fs-read-only",	  "fs-read-only-ioctl",
	    "fs-exe-write",	  "fs-setuid",
	    "view-proc-writable", "mount-mknod",
	    "mount-old-api",	  "mount-umount",
	    "mount-other-root",	  "mount-chroot-break",
	    "mount-by-handle",	  "mount-by-special-handle",
	    "mount-fanotify",	  "ns-setns",
	    "ns-ioctl",		  "ns-id-map",
	    "ns-cgroup-write",	  "ns-host-name",
	    "priv-capabilities",  "priv-raise-capabilities",
	    "priv-no-new-privs",  "priv-change-ids",
	    "priv-scheduling",	  "priv-keyring",
	    "net-configure",	  "net-abstract-sockets" } },
	{ "a hostile environment of the caller",
	  { "--env=LD_PRELOAD=/tmp/none.so" },
	  { "priv-capabilities", "fs-descriptors", "process-kill-all" } },
};

void part_variants(void)
{
	for (size_t v = 0; v < sizeof(variants) / sizeof(variants[0]); v++) {
		const struct variant *va = &variants[v];

		for (const char *const *a = va->attacks; *a != NULL; a++)
			must_hold(va->flags, *a, va->title);
	}
	tap_result(host_is_clean("the variants"), "nothing is left after the variants");
}

/* ---- the tests can fail ---- */

static void must_escape(const char *const *flags, const char *name, const char *title)
{
	bool good = try_attack(flags, name) == ESCAPED &&
		    strstr(run.output, "ESCAPED: ") != NULL;

	tap_result(good, "%s is noticed with %s", name, title);
	if (good)
		return;
	tap_note("exit status %d", run.status);
	run_show(&run, NULL);
}

/* On the host itself: only what changes nothing and reads no secret. */
static void must_escape_outside(const char *name)
{
	const char *argv[160] = { attack_path, name };
	char output[8192] = "";
	size_t n = 2;
	int status = -1, out[2];
	ssize_t len;
	pid_t pid;

	for (size_t i = 0; i < host_facts_count && n < 158; i++)
		argv[n++] = host_facts[i];
	if (pipe(out) < 0)
		return;
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		(void)dup2(out[1], 1);
		(void)dup2(out[1], 2);
		(void)close(out[0]);
		(void)execv(attack_path, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	(void)close(out[1]);
	len = read(out[0], output, sizeof(output) - 1);
	/* The rest does not matter, but must not block the writer. */
	while (len > 0 && read(out[0], names_text + sizeof(names_text) - 512, 512) > 0)
		;
	(void)close(out[0]);
	(void)waitpid(pid, &status, 0);
	tap_result(WIFEXITED(status) && WEXITSTATUS(status) == ESCAPED,
		   "%s is noticed without a sandbox", name);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != ESCAPED)
		tap_note("%.*s", (int)strcspn(output, "\n"), output);
}

/* Kernels may be built, or started, without the 32-bit entry: then it is a fault. */
static bool has_entry32(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
#if defined(__x86_64__)
		long nr = 20; /* getpid there */

		__asm__ volatile("int $0x80"
				 : "+a"(nr)
				 :
				 : "memory", "r8", "r9", "r10", "r11");
		_exit(nr > 0 ? 0 : 1);
#else
		_exit(1);
#endif
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* Nothing to notice, but to be sure of: not one of the calls comes back. */
static void must_have_no_entry32(const char *const *flags)
{
	bool good = try_attack(flags, "syscall-32-bit-entry") == HELD;

	for (const char *line = run.output; good && *line != '\0';) {
		size_t len = strcspn(line, "\n");

		good = memmem(line, len, ": killed by signal 11", 21) != NULL ||
		       strncmp(line, "held: this machine's", 20) == 0;
		line += len + (line[len] == '\n');
	}
	tap_result(good, "this kernel has no 32-bit entry");
	if (!good)
		run_show(&run, NULL);
}

void part_teeth(void)
{
	static const char *const outside[] = {
		"process-kill-all",  "process-proc-list",
		"process-pidfd",     "process-others",
		"process-sysv-ipc",  "fs-descriptors",
		"view-host-secrets", "view-mount-table",
		"ns-unshare",	     "ns-clone",
		"ns-id-map",	     "priv-capabilities",
		"priv-filter-stays", "net-abstract-sockets",
		"net-path-sockets",  "net-connect",
		"syscall-sockets",
	};
	static const char *const host_network[] = { "--network=host", NULL };
	static const char *const no_filter[] = { "--seccomp=off", NULL };
	static const char *const only_filter[] = {
		"ns-unshare",	     "ns-clone",	  "ns-clone3",
		"ns-nested-user",    "syscall-sockets",	  "syscall-kernel-surface",
		"syscall-terminal",  "priv-filter-stays", "syscall-keys",
		"syscall-by-ptrace",
	};
	int spare[2] = { -1, -1 };

	/* For fs-descriptors: something is left open. */
	if (pipe(spare) < 0)
		return;
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		must_escape_outside(outside[i]);
	(void)close(spare[0]);
	(void)close(spare[1]);
	must_escape(host_network, "net-abstract-sockets", "the host's network");
	must_escape(host_network, "net-connect", "the host's network");
	must_escape(host_network, "net-interfaces", "the host's network");
	must_escape(host_network, "net-tables", "the host's network");
	for (size_t i = 0; i < sizeof(only_filter) / sizeof(only_filter[0]); i++)
		must_escape(no_filter, only_filter[i], "no filter");
	if (has_entry32())
		must_escape(no_filter, "syscall-32-bit-entry", "no filter");
	else
		must_have_no_entry32(no_filter);
}

/* ---- for people ---- */

void part_matrix(void)
{
	static const struct {
		const char *title, *flags[2];
	} columns[] = {
		{ "default", { NULL } },
		{ "off", { "--seccomp=off" } },
		{ "strict", { "--seccomp=strict" } },
	};

	if (!load_names())
		return;
	for (size_t i = 0; i < n_names; i++) {
		char line[256];
		int n = snprintf(line, sizeof(line), "%-28s", names[i]);

		for (size_t c = 0; c < sizeof(columns) / sizeof(columns[0]); c++) {
			int status = try_attack(columns[c].flags, names[i]);

			n += snprintf(line + n, sizeof(line) - (size_t)n, " %s:%s",
				      columns[c].title,
				      status == HELD	  ? "held"
				      : status == ESCAPED ? "ESCAPED"
				      : status == UNTRIED ? "untried"
							  : "?");
			if (status != HELD)
				run_show(&run, status == ESCAPED ? "ESCAPED" : NULL);
		}
		tap_note("%s", line);
	}
}
