/* SPDX-License-Identifier: MIT */
/* Running rnx with an attacker inside, and TAP. */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static unsigned int n_results, n_failed;

/* ---- TAP ---- */

void tap_result(bool good, const char *fmt, ...)
{
	va_list ap;

	n_results++;
	n_failed += !good;
	(void)printf("%s %u - ", good ? "ok" : "not ok", n_results);
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)printf("\n");
	(void)fflush(stdout);
}

void tap_skip(const char *name, const char *why)
{
	const char *must = getenv("JOBLET_TEST_MUST_RUN");

	if (must != NULL && strcmp(must, "0") != 0 && *must != '\0') {
		tap_result(false, "%s", name);
		tap_note("could not run: %s", why);
		return;
	}
	(void)printf("ok %u - %s # SKIP %s\n", ++n_results, name, why);
	(void)fflush(stdout);
}

void tap_note(const char *fmt, ...)
{
	va_list ap;

	(void)printf("# ");
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)printf("\n");
}

int tap_done(void)
{
	(void)printf("1..%u\n", n_results);
	(void)fflush(stdout);
	return n_failed > 0 ? 1 : 0;
}

double host_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- the attacker's bytes ---- */

static char *attacker;
static size_t attacker_len;

static bool load_attacker(void)
{
	int fd = open(attack_path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (attacker != NULL)
		return true;
	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	attacker = malloc((size_t)st.st_size);
	while (attacker != NULL && attacker_len < (size_t)st.st_size) {
		ssize_t n = read(fd, attacker + attacker_len,
				 (size_t)st.st_size - attacker_len);

		if (n <= 0)
			break;
		attacker_len += (size_t)n;
	}
	(void)close(fd);
	return attacker != NULL && attacker_len == (size_t)st.st_size;
}

/* ---- a run ---- */

void run_init(struct run *r)
{
	memset(r, 0, sizeof(*r));
	r->stdio[0] = r->stdio[1] = r->stdio[2] = -1;
	r->in = r->out = -1;
	r->status = -1;
}

void run_add(struct run *r, const char *word)
{
	if (r->n_words < WORDS_MAX - 1)
		r->words[r->n_words++] = word;
	r->words[r->n_words] = NULL;
}

void run_add_all(struct run *r, const char *const *words)
{
	for (; words != NULL && *words != NULL; words++)
		run_add(r, *words);
}

static void begin_words(struct run *r)
{
	static char mark[96];

	(void)snprintf(mark, sizeof(mark), "--env=%s", host_mark);
	run_add(r, "run");
	run_add(r, mark);
}

/* What an attack may reach depends on it. */
static const char *network_of(const char *const *flags)
{
	for (; flags != NULL && *flags != NULL; flags++) {
		if (strncmp(*flags, "--network=", 10) == 0)
			return *flags + 2;
	}
	return "network=bridge";
}

void run_attack_words(struct run *r, const char *const *flags, const char *attack)
{
	begin_words(r);
	run_add_all(r, flags);
	run_add(r, "--");
	run_add(r, "/bin/sh");
	run_add(r, "-c");
	run_add(r,
		"cat >/tmp/attack && chmod 755 /tmp/attack && exec /tmp/attack \"$@\"");
	run_add(r, "sh");
	run_add(r, attack);
	run_add(r, network_of(flags));
	for (size_t i = 0; i < host_facts_count; i++)
		run_add(r, host_facts[i]);
	r->gets_attacker = true;
}

void run_upload_words(struct run *r, const char *attack)
{
	static char upload[4200];

	(void)snprintf(upload, sizeof(upload), "--upload=%s:attack", attack_path);
	begin_words(r);
	run_add_all(r, (const char *const[]){ "--quiet", upload, "--", "/work/attack",
					      attack, network_of(NULL), NULL });
	for (size_t i = 0; i < host_facts_count; i++)
		run_add(r, host_facts[i]);
}

/* Puts fd at place, or closes the place. */
static void settle(int fd, int place)
{
	if (fd == -2)
		(void)close(place);
	else if (dup2(fd, place) < 0)
		_exit(124);
}

static void become_rnx(const struct run *r, int in, int out)
{
	const char *argv[WORDS_MAX + 1];
	int fds[3];

	for (int i = 0; i < 3; i++) {
		int fd = r->stdio[i] != -1 ? r->stdio[i] : i == 0 ? in : out;

		/* Out of the way of 0, 1 and 2 first. */
		fds[i] = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 20) : fd;
	}
	for (int i = 0; i < 3; i++)
		settle(fds[i], i);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)setsid();
	if (r->own_terminal)
		(void)ioctl(r->stdio[0] >= 0 ? 0 : 2, TIOCSCTTY, 0);
	/* A net below the sandbox: does not hold root on the host, but job root. */
	(void)setrlimit(RLIMIT_NPROC, &(struct rlimit){ 5000, 5000 });
	host_burden();
	for (const char *const *e = r->env; e != NULL && *e != NULL; e++)
		(void)putenv((char *)(uintptr_t)*e);
	argv[0] = rnx_path;
	memcpy(argv + 1, r->words, (r->n_words + 1) * sizeof(argv[0]));
	(void)execv(rnx_path, (char *const *)(uintptr_t)argv);
	_exit(125);
}

bool run_start(struct run *r)
{
	int in[2], out[2];

	if (!load_attacker()) {
		tap_note("cannot read %s", attack_path);
		return false;
	}
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return false;
	r->started = host_now();
	(void)fflush(stdout);
	r->pid = fork();
	if (r->pid == 0)
		become_rnx(r, in[0], out[1]);
	(void)close(in[0]);
	(void)close(out[1]);
	r->in = in[1];
	r->out = out[0];
	(void)fcntl(r->in, F_SETFL, O_NONBLOCK);
	(void)fcntl(r->out, F_SETFL, O_NONBLOCK);
	if (!(r->gets_attacker || r->holds_input) || r->stdio[0] != -1) {
		(void)close(r->in);
		r->in = -1;
	}
	return r->pid > 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* One turn of giving and taking, at most 50 ms. */
static void pump(struct run *r)
{
	struct pollfd fds[2] = { { .fd = r->out, .events = POLLIN },
				 { .fd = r->holds_input ? -1 : r->in,
				   .events = POLLOUT } };
	char rest[65536];
	ssize_t n;

	if (poll(fds, 2, 50) <= 0)
		return;
	if (fds[1].revents != 0) {
		n = write(r->in, attacker + r->sent, attacker_len - r->sent);
		if (n > 0)
			r->sent += (size_t)n;
		if (r->sent == attacker_len || (n < 0 && errno != EAGAIN))
			close_fd(&r->in);
	}
	if (fds[0].revents != 0) {
		n = read(r->out, rest, sizeof(rest));
		if (n == 0 || (n < 0 && errno != EAGAIN))
			close_fd(&r->out);
		/* What does not fit is read and dropped. */
		for (ssize_t i = 0; i < n && r->len < OUTPUT_MAX - 1; i++)
			r->output[r->len++] = rest[i] != '\0' ? rest[i] : '?';
		r->output[r->len] = '\0';
	}
}

bool run_until(struct run *r, const char *text, double seconds)
{
	double end = host_now() + seconds * host_slowness * CROWDED;

	while (host_now() < end && strstr(r->output, text) == NULL && r->out >= 0)
		pump(r);
	return strstr(r->output, text) != NULL;
}

static bool reaped(struct run *r)
{
	int status;

	if (r->pid <= 0)
		return true;
	if (waitpid(r->pid, &status, WNOHANG) != r->pid)
		return false;
	r->seconds = host_now() - r->started;
	r->pid = 0;
	r->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return true;
}

void run_finish(struct run *r, double seconds)
{
	double end = host_now() + seconds * host_slowness * CROWDED;

	if (r->holds_input && r->in >= 0) {
		(void)close(r->in);
		r->in = -1;
	}
	while (!reaped(r) && host_now() < end) {
		if (r->out >= 0)
			pump(r);
		else
			(void)usleep(2000);
	}
	if (r->pid > 0) {
		int status;

		tap_note("rnx did not end within %.0f s and is killed",
			 seconds * host_slowness * CROWDED);
		(void)kill(r->pid, SIGKILL);
		(void)waitpid(r->pid, &status, 0);
		r->pid = 0;
		r->seconds = host_now() - r->started;
		r->status = -1;
	}
	/* What is still in the pipe; somebody who holds it open does not hold us. */
	end = host_now() + 1;
	while (r->out >= 0 && host_now() < end)
		pump(r);
	if (r->out >= 0)
		tap_note("somebody still holds the output open");
	close_fd(&r->in);
	close_fd(&r->out);
}

void run_whole(struct run *r, double seconds)
{
	if (run_start(r))
		run_finish(r, seconds);
}

void run_show(const struct run *r, const char *prefix)
{
	const char *p = r->output;
	unsigned int shown = 0;

	while (*p != '\0' && shown < 30) {
		size_t len = strcspn(p, "\n");

		if (len > 0 &&
		    (prefix == NULL || strncmp(p, prefix, strlen(prefix)) == 0)) {
			tap_note("  %.*s", (int)(len < 200 ? len : 200), p);
			shown++;
		}
		p += len + (p[len] == '\n');
	}
}
