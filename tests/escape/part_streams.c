/* SPDX-License-Identifier: MIT */
/*
 * Ways out by the caller's streams. With -i the job has them themselves; else it has its
 * input only, and its output goes through pipes and a log.
 */
#include "harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define SECONDS 30.0

static struct run run;

static const char *const modes[] = { "--network=bridge", "-i" };
#define N_MODES (sizeof(modes) / sizeof(modes[0]))

/*
 * What is no stream: a way to walk, or to nowhere. It must not come into the job: where
 * it would be the job's own stream it is refused, where rnx writes to it itself it is not
 * passed on.
 */
static void odd_stream(const char *mode, const char *what, int fd, int stream)
{
	static const char script[] =
		"cd /proc/self/fd/0/ && echo ESCAPED; cd /proc/self/fd/1/ && echo ESCAPED >&2; "
		"cd /proc/self/fd/2/ && echo ESCAPED; echo ran; echo ran >&2";
	bool is_own = stream == 0 || strcmp(mode, "-i") == 0, good;

	run_init(&run);
	run.stdio[stream] = fd;
	run_add_all(&run,
		    (const char *const[]){ "run", mode, "/bin/sh", "-c", script, NULL });
	run_whole(&run, SECONDS);
	good = strstr(run.output, "ESCAPED") == NULL &&
	       (is_own ? run.status > 0 && strstr(run.output, "ran") == NULL
		       : run.status >= 0);
	tap_result(good, "with %s, %s as descriptor %d is %s", mode, what, stream,
		   is_own ? "refused" : "not the job's");
	if (!good) {
		tap_note("exit status %d", run.status);
		run_show(&run, NULL);
	}
}

static void odd_streams(void)
{
	static const struct {
		const char *what, *path;
		int flags;
	} odd[] = {
		{ "a folder", "/", O_RDONLY | O_DIRECTORY },
		{ "a folder of the host", "/root", O_RDONLY | O_DIRECTORY },
		{ "a path handle of a folder", "/", O_PATH | O_DIRECTORY },
		{ "a path handle of a file", "/etc/passwd", O_PATH },
	};

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		for (size_t n = 0; n < 3 * N_MODES; n++) {
			int fd = open(odd[i].path, odd[i].flags | O_CLOEXEC);

			if (fd < 0)
				continue;
			odd_stream(modes[n / 3], odd[i].what, fd, (int)(n % 3));
			(void)close(fd);
		}
	}
}

/* Closed streams: nothing of ours may take their place and be handed to the job. */
static void closed_stream(const char *mode, int closed)
{
	static const char script[] = "for s in 1 2; do for n in 0 1 2 3 4 5 6 7 8 9; do "
				     "readlink /proc/self/fd/$n >&$s; done; done; exit 9";
	bool good;

	run_init(&run);
	for (int stream = 0; stream < 3; stream++) {
		if ((closed >> stream & 1) != 0)
			run.stdio[stream] = -2;
	}
	run_add_all(&run,
		    (const char *const[]){ "run", mode, "/bin/sh", "-c", script, NULL });
	run_whole(&run, SECONDS);
	/* readlink itself opens nothing beyond its libraries, closed again. */
	good = run.status > 0 && strstr(run.output, "/root") == NULL &&
	       strstr(run.output, "memfd") == NULL &&
	       strstr(run.output, "/sys/fs/cgroup") == NULL &&
	       strstr(run.output, "socket:") == NULL &&
	       strstr(run.output, "/log") == NULL && strstr(run.output, ".db") == NULL;
	tap_result(good, "with %s and descriptors %s%s%sclosed the job gets nothing else",
		   mode, closed & 1 ? "0 " : "", closed & 2 ? "1 " : "",
		   closed & 4 ? "2 " : "");
	if (!good)
		run_show(&run, NULL);
}

static void closed_streams(void)
{
	for (size_t m = 0; m < N_MODES; m++) {
		for (int closed = 1; closed < 8; closed++)
			closed_stream(modes[m], closed);
	}
}

static void attack_with_stderr(const char *attack, int fd, bool own_terminal,
			       const char *title)
{
	static const char *const flags[] = { "-i", NULL };

	run_init(&run);
	run_attack_words(&run, flags, attack);
	run.stdio[2] = fd;
	run.own_terminal = own_terminal;
	run_whole(&run, SECONDS);
	tap_result(run.status == 0, "%s", title);
	if (run.status != 0) {
		tap_note("exit status %d", run.status);
		run_show(&run, NULL);
	}
}

/* A file of the host, readable for root only, given open for appending. */
static void file_stream(void)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/log", host_folder);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	attack_with_stderr("fs-reopen-stdio", fd, false,
			   "a file given as a stream cannot be opened anew or changed");
	(void)close(fd);
	(void)unlink(path);
}

/* A terminal that passes on everything as it is. */
static bool open_terminal(int *ret_master, int *ret_slave)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
	struct termios raw;
	char name[128];

	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ||
	    ptsname_r(master, name, sizeof(name)) != 0)
		return false;
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return false;
	if (tcgetattr(slave, &raw) == 0) {
		cfmakeraw(&raw);
		(void)tcsetattr(slave, TCSANOW, &raw);
	}
	*ret_master = master;
	*ret_slave = slave;
	return true;
}

/* What was typed would be read by the caller's shell now. */
static void nothing_was_typed(int master, int slave)
{
	char got[64] = "";

	(void)fcntl(slave, F_SETFL, O_NONBLOCK);
	tap_result(read(slave, got, sizeof(got) - 1) <= 0,
		   "nothing was typed for the caller");
	(void)close(slave);
	(void)close(master);
}

static void terminal_stream(void)
{
	int master, slave;

	if (!open_terminal(&master, &slave)) {
		tap_skip("the caller's terminal", "no pseudo terminal here");
		return;
	}
	attack_with_stderr("syscall-terminal-of-caller", slave, true,
			   "a job cannot type on the caller's terminal");
	nothing_was_typed(master, slave);
}

/* A kept job has its caller's terminal, too: as its input. */
static void terminal_as_input(void)
{
	int master, slave;

	if (!open_terminal(&master, &slave))
		return;
	run_init(&run);
	run_upload_words(&run, "syscall-terminal-of-caller");
	run_add(&run, "terminal=0");
	run.stdio[0] = slave;
	run.own_terminal = true;
	run_whole(&run, SECONDS);
	tap_result(run.status == 0,
		   "a job cannot type on the terminal that is its input");
	if (run.status != 0) {
		tap_note("exit status %d", run.status);
		run_show(&run, NULL);
	}
	nothing_was_typed(master, slave);
}

void part_streams(void)
{
	odd_streams();
	closed_streams();
	file_stream();
	terminal_stream();
	terminal_as_input();
}
