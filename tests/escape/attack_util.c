/* SPDX-License-Identifier: MIT */
/* What the attacks share: children that try one thing, other system call entries, files.
 */
#include "attack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHILD_SECONDS 10
#define WALK_MAX 60000

struct outcome outcome_of(long ret)
{
	return (struct outcome){ .ret = ret, .err = ret < 0 ? errno : 0 };
}

struct outcome in_child(long (*fn)(void *), void *arg)
{
	struct outcome o = { .ret = -1, .err = ECHILD };
	int pipes[2], status = 0;
	pid_t pid;

	if (pipe(pipes) < 0)
		return outcome_of(-1);
	pid = fork();
	if (pid < 0) {
		o = outcome_of(-1);
		(void)close(pipes[0]);
		(void)close(pipes[1]);
		return o;
	}
	if (pid == 0) {
		(void)alarm(CHILD_SECONDS);
		o.ret = fn(arg);
		o.err = o.ret < 0 ? errno : 0;
		_exit(write(pipes[1], &o, sizeof(o)) == (ssize_t)sizeof(o) ? 0 : 1);
	}
	(void)close(pipes[1]);
	(void)waitpid(pid, &status, 0);
	/* Waited for first: whatever the child left alive may hold the pipe open. */
	if (read(pipes[0], &o, sizeof(o)) != (ssize_t)sizeof(o))
		o = (struct outcome){ .ret = -1, .err = ECHILD };
	if (WIFSIGNALED(status))
		o = (struct outcome){ .ret = -1, .sig = WTERMSIG(status) };
	(void)close(pipes[0]);
	return o;
}

/* What checks at the door answer; a family of sockets that is not there is one, too. */
static bool is_refusal(int err)
{
	return err == EPERM || err == EACCES || err == ENOSYS || err == EAFNOSUPPORT ||
	       err == EPROTONOSUPPORT || err == ESOCKTNOSUPPORT;
}

void must_refuse(const char *what, struct outcome o)
{
	if (o.sig != 0)
		held("%s: killed by signal %d", what, o.sig);
	else if (o.ret >= 0)
		escaped("%s succeeded (%ld)", what, o.ret);
	else if (is_refusal(o.err))
		held("%s: %s", what, strerror(o.err));
	else
		escaped("%s got past the check: %s", what, strerror(o.err));
}

void must_fail(const char *what, long ret)
{
	if (ret >= 0)
		escaped("%s succeeded", what);
	else
		held("%s: %s", what, strerror(errno));
}

void must_not_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
	struct stat st;

	/* What is masked has /dev/null in its place. */
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) &&
	    st.st_rdev == makedev(1, 3)) {
		held("%s is /dev/null", path);
		(void)close(fd);
	} else if (fd >= 0) {
		escaped("opened %s with flags %#x", path, (unsigned int)flags);
		(void)close(fd);
	} else {
		held("%s: %s", path, strerror(errno));
	}
}

/* ---- system calls by number ---- */

static long native_entry(void *arg)
{
	const struct call *c = arg;

	return syscall(c->nr, c->args[0], c->args[1], c->args[2], c->args[3], c->args[4],
		       c->args[5]);
}

#if defined(__x86_64__) && !defined(__ILP32__)
#define X32_BIT 0x40000000L

static long x32_entry(void *arg)
{
	const struct call *c = arg;

	return syscall(c->nr | X32_BIT, c->args[0], c->args[1], c->args[2], c->args[3],
		       c->args[4], c->args[5]);
}
#endif

void refuse_calls(const struct call *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct call c = calls[i];

		must_refuse(c.name, in_child(native_entry, &c));
#if defined(__x86_64__) && !defined(__ILP32__)
		{
			char name[128];

			(void)snprintf(name, sizeof(name), "%s by the x32 entry", c.name);
			must_refuse(name, in_child(x32_entry, &c));
		}
#endif
	}
}

/* ---- files ---- */

ssize_t read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t len = 0;

	if (fd < 0)
		return -1;
	while (len < size - 1) {
		ssize_t n = read(fd, buf + len, size - 1 - len);

		if (n <= 0) {
			if (n < 0 && len == 0) {
				(void)close(fd);
				return -1;
			}
			break;
		}
		len += (size_t)n;
	}
	buf[len] = '\0';
	(void)close(fd);
	return (ssize_t)len;
}

bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = write(fd, text, strlen(text));
	(void)close(fd);
	return n == (ssize_t)strlen(text);
}

bool one_of(const char *name, const char *const *list)
{
	for (; *list != NULL; list++) {
		if (strcmp(name, *list) == 0)
			return true;
	}
	return false;
}

static unsigned int walked;

static void walk_into(const char *path, int depth,
		      void (*fn)(const char *path, const struct stat *st))
{
	char sub[4096];
	struct dirent *e;
	struct stat st;
	DIR *dir;

	if (depth < 0)
		return;
	dir = opendir(path);
	if (dir == NULL)
		return;
	while (walked < WALK_MAX && (e = readdir(dir)) != NULL) {
		int n;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		n = snprintf(sub, sizeof(sub), "%s/%s",
			     strcmp(path, "/") == 0 ? "" : path, e->d_name);
		if (n < 0 || (size_t)n >= sizeof(sub) || lstat(sub, &st) < 0)
			continue;
		walked++;
		fn(sub, &st);
		if (S_ISDIR(st.st_mode))
			walk_into(sub, depth - 1, fn);
	}
	(void)closedir(dir);
}

void walk(const char *path, int depth,
	  void (*fn)(const char *path, const struct stat *st))
{
	walked = 0;
	walk_into(path, depth, fn);
	if (walked >= WALK_MAX)
		untried("more than %d files below %s", WALK_MAX, path);
}

bool copy_self(const char *path, mode_t mode)
{
	static char buf[65536];
	int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
	bool good = in >= 0 && out >= 0;
	ssize_t n;

	while (good && (n = read(in, buf, sizeof(buf))) != 0)
		good = n > 0 && write(out, buf, (size_t)n) == n;
	good = good && fchmod(out, mode) == 0;
	if (in >= 0)
		(void)close(in);
	if (out >= 0)
		(void)close(out);
	return good;
}

void each_mount(void (*fn)(const char *point, const char *opts, const char *type,
			   const char *root))
{
	static char text[262144];
	char *save = NULL;

	if (read_file("/proc/self/mountinfo", text, sizeof(text)) <= 0)
		return;
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		char root[1024], point[1024], opts[512], type[64];
		const char *rest = strstr(line, " - ");

		if (rest == NULL ||
		    sscanf(line, "%*s %*s %*s %1023s %1023s %511s", root, point, opts) !=
			    3 ||
		    sscanf(rest, " - %63s", type) != 1)
			continue;
		fn(point, opts, type, root);
	}
}

double now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}
