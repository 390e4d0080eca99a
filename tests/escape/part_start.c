/* SPDX-License-Identifier: MIT */
/* Ways out by how a job is started: its command, its folder, its streams, its terminal.
 */
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECONDS 30.0

#ifndef F_GET_SEALS
#define F_GET_SEALS 1034
#endif

static struct run run;

static void run_words(const char *const *words)
{
	run_init(&run);
	run_add_all(&run, words);
	run_whole(&run, SECONDS);
}

/* rnx itself says no, in one line, and nothing runs. */
static void must_be_refused(bool good, const char *what)
{
	tap_result(good, "%s is refused", what);
	if (!good) {
		tap_note("exit status %d", run.status);
		run_show(&run, NULL);
	}
}

/* ---- the command ---- */

static void command(void)
{
	static const char *const paths[] = {
		"/proc/self/exe",
		"/proc/1/exe",
		"/proc/thread-self/exe",
		"/proc/self/task/1/exe",
		"/proc/self/cwd/../proc/self/exe",
		"//proc/self/exe",
		"/proc/self/root/proc/self/exe",
	};
	char path[128];

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const char *const words[] = { "run", paths[i], NULL };

		run_words(words);
		(void)snprintf(path, sizeof(path), "the command %s", paths[i]);
		must_be_refused(run.status == 126 || run.status == 127 || run.status == 1,
				path);
	}
	for (int fd = 0; fd < 20; fd++) {
		const char *const words[] = { "run", path, NULL };
		bool good;

		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		run_words(words);
		good = run.status == 126 || run.status == 127 || run.status == 1;
		if (!good || fd == 19)
			must_be_refused(good, path);
	}
}

/* A program of the host outside of the job's view, and a link to one. */
static void command_outside(void)
{
	char link_path[256], climb[256];
	const char *words[] = { "run", NULL, "process-parent", NULL };

	words[1] = attack_path;
	run_words(words);
	must_be_refused(run.status == 127, "a program of the host that is not in view");

	(void)snprintf(link_path, sizeof(link_path), "%s/link", host_folder);
	if (symlink(attack_path, link_path) == 0) {
		words[1] = link_path;
		run_words(words);
		must_be_refused(run.status == 127, "a link on the host as command");
		(void)unlink(link_path);
	}
	(void)snprintf(climb, sizeof(climb), "/usr/../../../..%s", attack_path);
	words[1] = climb;
	run_words(words);
	must_be_refused(run.status == 127, "a command by ..");
	words[1] = "/usr/bin";
	run_words(words);
	must_be_refused(run.status == 126 || run.status == 127, "a folder as command");
}

/* ---- the working folder ---- */

static void work_dir(void)
{
	static const char *const others[] = {
		"/proc/1/root",
		"/proc/self/root",
		"/proc/self/cwd",
		"/proc/1/cwd",
		"/proc/self/cwd/..",
		"/proc/1/root/..",
		"/proc/thread-self/root",
		"/proc/self/task/1/cwd",
		"/proc/1/root/proc/1/root",
		"relative",
		"",
		"/nowhere",
		"/etc/passwd",
		"/work/\xff\xfe",
	};
	static const char *const ends[] = { "", "/..", "/../../../.." };
	char flag[160], what[200];
	const char *const words[] = {
		"run", flag, "/bin/sh", "-c", "echo ESCAPED; pwd -P; ls", NULL
	};
	unsigned int bad = 0;

	/* Beyond these nothing is open in rnx or its supervisor; 250 is the harness's
	 * own. */
	for (int fd = 0; fd <= 250; fd = fd == (host_quick ? 15 : 31) ? 250 : fd + 1) {
		/* The way up only where something may be: starts cost time. */
		for (size_t e = 0; e < (fd < 16 ? sizeof(ends) / sizeof(ends[0]) : 1);
		     e++) {
			(void)snprintf(flag, sizeof(flag),
				       "--work-dir=/proc/self/fd/%d%s", fd, ends[e]);
			run_words(words);
			if (run.status <= 0 || strstr(run.output, "ESCAPED") != NULL) {
				bad++;
				must_be_refused(false, flag);
			}
		}
	}
	tap_result(bad == 0, "no working folder through /proc/self/fd");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		(void)snprintf(flag, sizeof(flag), "--work-dir=%s", others[i]);
		/* TAP is UTF-8. */
		(void)snprintf(what, sizeof(what), "--work-dir=%s",
			       strchr(others[i], '\xff') != NULL ? "not UTF-8"
								 : others[i]);
		run_words(words);
		must_be_refused(run.status > 0 && strstr(run.output, "ESCAPED") == NULL,
				what);
	}
	/* The caller's own folder is not the job's. */
	run_words((const char *const[]){ "run", "/bin/sh", "-c", "pwd -P; ls -A", NULL });
	tap_result(run.status == 0 && strcmp(run.output, "/work\n") == 0,
		   "a job starts in /work, which is empty");
	if (run.status != 0 || strcmp(run.output, "/work\n") != 0)
		run_show(&run, NULL);
}

/* ---- the caller's environment and the supervisor ---- */

static void caller_environment(void)
{
	static const char *const variables[] = {
		"LD_PRELOAD=/tmp/none.so",
		"LD_LIBRARY_PATH=/tmp",
		"LD_AUDIT=/tmp/none.so",
		"ENV=/tmp/evil",
		"BASH_ENV=/tmp/evil",
		"PATH=/tmp:/usr/bin:/bin",
		"JOB_ID=forged",
		"IFS=/",
		"GLIBC_TUNABLES=glibc.malloc.check=1",
		NULL,
	};
	static const char *const modes[][2] = { { "--network=bridge" }, { "-i" } };

	for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
		run_init(&run);
		run_attack_words(&run, modes[m], "priv-environment");
		run.env = variables;
		run_whole(&run, 60);
		tap_result(run.status == 0,
			   "the caller's variables do not reach a job with %s",
			   modes[m][0]);
		if (run.status != 0)
			run_show(&run, run.status == 1 ? "ESCAPED" : NULL);
	}
}

/* Descendants of a process, found by their parent's number. */
static pid_t parent_of(pid_t pid)
{
	char path[64], text[512], *p;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	p = strrchr(text, ')');
	return p != NULL ? (pid_t)atol(p + 4) : 0;
}

static bool descends(pid_t pid, pid_t from)
{
	for (int i = 0; i < 32 && pid > 1; i++) {
		if (pid == from)
			return true;
		pid = parent_of(pid);
	}
	return false;
}

static void look_at_supervisor(pid_t pid, unsigned int *seen)
{
	char path[64], target[256] = "";
	ssize_t n;
	int fd, seals;

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0 || strncmp(target, "/memfd:", 7) != 0)
		return;
	(*seen)++;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	seals = fcntl(fd, F_GET_SEALS);
	(void)close(fd);
	tap_result(seals >= 0 && (seals & 0xf) == 0xf, "supervisor's program is sealed");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	tap_result(fd < 0, "supervisor's program cannot be opened for writing by root");
	if (fd >= 0)
		(void)close(fd);
}

/* Started by us, before or after another one took its place as parent. */
static void look_at_supervisors(void)
{
	unsigned int seen = 0;
	struct dirent *e;
	DIR *dir = opendir("/proc");

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		if (atol(e->d_name) > 1 && descends((pid_t)atol(e->d_name), getpid()))
			look_at_supervisor((pid_t)atol(e->d_name), &seen);
	}
	if (dir != NULL)
		(void)closedir(dir);
	tap_result(seen > 0, "the supervisor runs from a file of its own in memory");
}

static void supervisor(const char *mode)
{
	run_init(&run);
	run_add_all(&run, (const char *const[]){ "run", mode, "--rm", "/bin/sh", "-c",
						 "echo ready; read line", NULL });
	/* Nothing comes: it ends when we close our end. */
	run.holds_input = true;
	if (!run_start(&run) || !run_until(&run, "ready", 10)) {
		run_finish(&run, 10);
		tap_result(false, "a job to look at starts");
		run_show(&run, NULL);
		return;
	}
	look_at_supervisors();
	run_finish(&run, SECONDS);
}

/* What rnx says in messages: never a secret value. */
static void secrets_in_messages(void)
{
	char flag[160];

	(void)snprintf(flag, sizeof(flag), "--secret-env=ESCAPE_SECRET=%s", host_secret);
	run_words((const char *const[]){ "run", flag, "/nowhere/at/all", NULL });
	tap_result(run.status == 127 && strstr(run.output, host_secret) == NULL,
		   "a secret does not show in an error");
	run_words((const char *const[]){ "run", "--explain", flag, "/bin/true", NULL });
	tap_result(strstr(run.output, host_secret) == NULL,
		   "a secret does not show in a plan");
	if (strstr(run.output, host_secret) != NULL)
		run_show(&run, NULL);
}

void part_start(void)
{
	command();
	command_outside();
	work_dir();
	caller_environment();
	supervisor("--network=bridge");
	supervisor("-i");
	secrets_in_messages();
	tap_result(host_is_clean("the starts"), "nothing is left after the starts");
}
