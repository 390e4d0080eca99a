/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NESTS_MAX 4096
#define SUPERVISORS_MAX 512
#define RUN_SECONDS 60

jl_ctx *ctx;
jl_error *err;
bool stale_sockets_ok;
double patience = 1;

/* Shared with the processes tests fork: they are callers, too, and leave traces. */
static struct {
	unsigned int nests;
	unsigned int supervisors;
	char nest[NESTS_MAX][64];
	pid_t supervisor[SUPERVISORS_MAX];
} * seen;
static char mark[48];

/* ---- small things ---- */

void note(const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text) - 1, fmt, ap);
	va_end(ap);
	if (len > (int)sizeof(text) - 2)
		len = (int)sizeof(text) - 2;
	(void)dprintf(STDERR_FILENO, "# %.*s\n", len, text);
}

double now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void pause_for(double seconds)
{
	struct timespec ts = { (time_t)seconds,
			       (long)((seconds - (double)(time_t)seconds) * 1e9) };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

long number_of(const char *variable, long otherwise)
{
	const char *text = getenv(variable);

	return text && *text ? strtol(text, NULL, 10) : otherwise;
}

bool is_slow(void)
{
	return number_of("JOBLET_TEST_VM", 0) == 1;
}

bool cannot_run(const char *why)
{
	ck_assert_msg(number_of("JOBLET_TEST_MUST_RUN", 0) != 1, "must run: %s", why);
	note("left out: %s", why);
	return true;
}

static size_t read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t got = 1;

	while (fd >= 0 && got > 0 && len < size - 1) {
		got = read(fd, text + len, size - 1 - len);
		len += got > 0 ? (size_t)got : 0;
	}
	if (fd >= 0)
		(void)close(fd);
	text[len] = '\0';
	return len;
}

/* ---- contexts ---- */

static void take_log(void *data, int level, const char *module, const char *text)
{
	const char *name = strstr(text, "started, cgroups in ");

	(void)data;
	(void)module;
	if (level <= JL_LOG_WARNING && number_of("JOBLET_TEST_VERBOSE", 0))
		note("log: %s: %s", module, text);
	if (name) {
		unsigned int at = __atomic_fetch_add(&seen->nests, 1, __ATOMIC_SEQ_CST);

		if (at < NESTS_MAX)
			(void)snprintf(seen->nest[at], sizeof(seen->nest[at]), "%s",
				       name + strlen("started, cgroups in "));
	}
}

jl_ctx *open_ctx(uint32_t flags)
{
	jl_ctx *fresh = NULL;

	ck_ok(jl_ctx_new(flags, &fresh, &err));
	jl_ctx_set_log(fresh, take_log, NULL);
	return fresh;
}

void close_ctx(void)
{
	ctx = jl_ctx_unref(ctx);
}

/* ---- descriptions ---- */

jl_job_spec *empty_spec(void)
{
	jl_job_spec *spec = NULL;

	ck_ok(jl_job_spec_new(&spec));
	put_mark(spec);
	return spec;
}

void put_mark(jl_job_spec *spec)
{
	ck_ok(jl_job_spec_set_env(spec, "TEST_MARK", mark, &err));
}

jl_job_spec *command(const char *first, ...)
{
	jl_job_spec *spec = empty_spec();
	va_list ap;

	va_start(ap, first);
	for (const char *arg = first; arg; arg = va_arg(ap, const char *))
		ck_ok(jl_job_spec_add_arg(spec, arg, &err));
	va_end(ap);
	return spec;
}

jl_job_spec *shell(const char *script)
{
	return command("sh", "-c", script, NULL);
}

/* ---- runs ---- */

void remember(const jl_job *job)
{
	pid_t pid = supervisor_of(job);

	for (unsigned int i = 0; i < seen->supervisors && i < SUPERVISORS_MAX; i++)
		if (seen->supervisor[i] == pid)
			return;
	if (pid > 1) {
		unsigned int at =
			__atomic_fetch_add(&seen->supervisors, 1, __ATOMIC_SEQ_CST);

		if (at < SUPERVISORS_MAX)
			seen->supervisor[at] = pid;
	}
}

void run_start_in(struct run *run, jl_ctx *in, jl_job_spec *spec)
{
	int pipes[2];

	*run = (struct run){ .fds = { -1, -1 },
			     .result = { .size = sizeof(run->result) } };
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
		run->fds[i] = pipes[0];
		(void)fcntl(pipes[0], F_SETFL, O_NONBLOCK);
		ck_ok(jl_job_spec_set_stdio(spec, i + 1, pipes[1], &err));
		(void)close(pipes[1]);
	}
	ck_ok(jl_job_spawn(in, spec, &run->job, &err));
	remember(run->job);
	/* The description holds the write ends. */
	for (int i = 0; i < 2; i++)
		ck_ok(jl_job_spec_set_stdio(spec, i + 1, -1, &err));
}

void run_start(struct run *run, jl_job_spec *spec)
{
	run_start_in(run, ctx, spec);
}

int put_gate(jl_job_spec *spec)
{
	int pipes[2];

	ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
	ck_ok(jl_job_spec_set_stdio(spec, 0, pipes[0], &err));
	(void)close(pipes[0]);
	return pipes[1];
}

static void take_text(struct run *run, int i)
{
	char block[65536];
	ssize_t got = read(run->fds[i], block, sizeof(block));

	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
		(void)close(run->fds[i]);
		run->fds[i] = -1;
	}
	if (got <= 0)
		return;
	run->text[i] = realloc(run->text[i], run->len[i] + (size_t)got + 1);
	ck_assert_ptr_nonnull(run->text[i]);
	memcpy(run->text[i] + run->len[i], block, (size_t)got);
	run->len[i] += (size_t)got;
	run->text[i][run->len[i]] = '\0';
}

static void pump(struct run *run, int msec)
{
	struct pollfd fds[2] = { { .fd = run->fds[0], .events = POLLIN },
				 { .fd = run->fds[1], .events = POLLIN } };

	if (poll(fds, 2, msec) <= 0)
		return;
	for (int i = 0; i < 2; i++)
		if (fds[i].revents)
			take_text(run, i);
}

static const char *said(const struct run *run, int i)
{
	return run->text[i] ? run->text[i] : "";
}

void run_until(struct run *run, const char *text)
{
	double end = now() + RUN_SECONDS * patience;

	while (now() < end && run->fds[0] >= 0 && !strstr(said(run, 0), text))
		pump(run, 100);
	ck_assert_msg(strstr(said(run, 0), text) != NULL,
		      "\"%s\" did not come, but \"%s\" \"%s\"", text, said(run, 0),
		      said(run, 1));
}

void run_end(struct run *run)
{
	double end = now() + RUN_SECONDS * patience;
	int r;

	while (now() < end && (run->fds[0] >= 0 || run->fds[1] >= 0))
		pump(run, 100);
	r = jl_job_wait(run->job, now() < end ? (uint64_t)((end - now()) * 1e6) : 0,
			&err);
	if (r < 0) {
		note("killing a job that has not ended");
		(void)jl_job_kill(run->job, NULL);
	}
	ck_assert_msg(r == 0, "no end: %s; it said \"%s\" \"%s\"", jl_error_message(err),
		      said(run, 0), said(run, 1));
	ck_ok(jl_job_get_result(run->job, &run->result, &err));
	for (int i = 0; i < 2; i++)
		if (!run->text[i]) {
			run->text[i] = strdup("");
			ck_assert_ptr_nonnull(run->text[i]);
		}
}

void run_done(struct run *run)
{
	for (int i = 0; i < 2; i++) {
		if (run->fds[i] >= 0)
			(void)close(run->fds[i]);
		run->fds[i] = -1;
		free(run->text[i]);
		run->text[i] = NULL;
		run->len[i] = 0;
	}
	run->job = jl_job_unref(run->job);
}

void run_spec(struct run *run, jl_job_spec *spec)
{
	run_start(run, spec);
	jl_job_spec_free(spec);
	run_end(run);
}

void ck_ended(const struct run *run, int reason, int exit_code)
{
	ck_assert_msg(run->result.reason == reason && run->result.exit_code == exit_code,
		      "%s with %d, not %s with %d; it said \"%.500s\" \"%.500s\"",
		      jl_reason_name(run->result.reason), (int)run->result.exit_code,
		      jl_reason_name(reason), exit_code, said(run, 0), said(run, 1));
}

void ck_prints(jl_job_spec *spec, const char *text)
{
	struct run run;

	run_spec(&run, spec);
	ck_ended(&run, JL_REASON_EXITED, 0);
	ck_assert_str_eq(run.text[0], text);
	ck_assert_str_eq(run.text[1], "");
	run_done(&run);
}

/* ---- processes ---- */

long status_of(pid_t pid, const char *key)
{
	char path[64], text[4096], *line;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (read_file(path, text, sizeof(text)) == 0)
		return -1;
	line = strstr(text, key);
	return line ? strtol(line + strlen(key), NULL, 10) : -1;
}

pid_t supervisor_of(const jl_job *job)
{
	pid_t pid = jl_job_get_pid(job);

	return pid > 0 ? (pid_t)status_of(pid, "\nPPid:\t") : -1;
}

int fd_count(pid_t pid)
{
	char path[64];
	DIR *folder;
	int count = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	folder = opendir(path);
	if (!folder)
		return -1;
	while (readdir(folder))
		count++;
	(void)closedir(folder);
	return count - 2 - (pid == getpid());
}

static bool is_supervisor(pid_t pid);

/* Of one of them, when there is a supervisor that is the parent. */
static unsigned int count_marked(pid_t *supervisor)
{
	DIR *folder = opendir("/proc");
	unsigned int count = 0;
	struct dirent *entry;

	ck_assert_ptr_nonnull(folder);
	while ((entry = readdir(folder))) {
		char path[300], text[16384];
		size_t len;

		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%s/environ", entry->d_name);
		len = read_file(path, text, sizeof(text));
		if (!memmem(text, len, mark, strlen(mark)))
			continue;
		count++;
		if (supervisor) {
			pid_t parent = (pid_t)status_of(atoi(entry->d_name), "\nPPid:\t");

			if (parent > 1 && is_supervisor(parent))
				*supervisor = parent;
		}
	}
	(void)closedir(folder);
	return count;
}

unsigned int marked_processes(void)
{
	return count_marked(NULL);
}

bool marked_become(unsigned int count)
{
	double end = now() + 10 * patience;

	while (marked_processes() < count) {
		if (now() > end)
			return false;
		pause_for(0.005);
	}
	return true;
}

pid_t supervisor_of_marked(void)
{
	double end = now() + 10 * patience;
	pid_t supervisor = -1;

	for (;;) {
		(void)count_marked(&supervisor);
		if (supervisor > 0 || now() > end)
			return supervisor;
		pause_for(0.005);
	}
}

/* Gone, or waiting for whoever reaps orphans here, who may be slow. */
bool is_gone(pid_t pid)
{
	char path[64], text[512], *state;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (read_file(path, text, sizeof(text)) == 0)
		return true;
	state = strrchr(text, ')');
	return state && (state[2] == 'Z' || state[2] == 'X');
}

bool becomes(bool (*condition)(void), double seconds)
{
	double end = now() + seconds * patience;

	while (!condition()) {
		if (now() > end)
			return false;
		pause_for(0.005);
	}
	return true;
}

bool is_done_within(void (*something)(void), double seconds)
{
	for (int i = 0; i < 20; i++) {
		double start = now();

		something();
		if (now() - start < seconds)
			return true;
		note("took %.3f s", now() - start);
	}
	return false;
}

bool gone_within(pid_t pid, double seconds)
{
	double end = now() + seconds * patience;

	while (!is_gone(pid)) {
		if (now() > end)
			return false;
		pause_for(0.005);
	}
	return true;
}

/* A dead supervisor's number may be somebody else's by now. */
static bool is_supervisor(pid_t pid)
{
	char path[64], text[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	return read_file(path, text, sizeof(text)) > 0 &&
	       strncmp(text, "joblet", 6) == 0 && !is_gone(pid);
}

/* ---- groups ---- */

/* Mount point of a v1 controller, or of v2 for NULL. */
static bool cgroup_mount(const char *controller, char *path, size_t size)
{
	FILE *mounts = fopen("/proc/self/mounts", "re");
	char line[1024], where[512], type[32], options[256];
	bool found = false;

	while (mounts && !found && fgets(line, sizeof(line), mounts)) {
		if (sscanf(line, "%*s %511s %31s %255s", where, type, options) != 3)
			continue;
		if (!controller)
			found = strcmp(type, "cgroup2") == 0;
		else if (strcmp(type, "cgroup") == 0)
			for (char *word = strtok(options, ","); word && !found;
			     word = strtok(NULL, ","))
				found = strcmp(word, controller) == 0;
	}
	if (mounts)
		(void)fclose(mounts);
	if (found)
		(void)snprintf(path, size, "%s", where);
	return found;
}

bool on_v2(const char *controller)
{
	char path[512];

	return !cgroup_mount(controller, path, sizeof(path));
}

/* What /proc/PID/cgroup says behind ":controller:" or "0::". */
static bool group_path(pid_t pid, const char *controller, char *path, size_t size)
{
	char file[64], text[8192], *save = NULL;

	(void)snprintf(file, sizeof(file), "/proc/%d/cgroup", (int)pid);
	if (read_file(file, text, sizeof(text)) == 0)
		return false;
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *list = strchr(line, ':'),
		     *group = list ? strchr(list + 1, ':') : NULL;
		char *inner = NULL;
		bool found;

		if (!group)
			continue;
		*group++ = '\0';
		list++;
		found = !controller && !*list;
		if (controller)
			for (char *word = strtok_r(list, ",", &inner); word && !found;
			     word = strtok_r(NULL, ",", &inner))
				found = strcmp(word, controller) == 0;
		if (found) {
			(void)snprintf(path, size, "%s", group);
			return true;
		}
	}
	return false;
}

bool group_file(pid_t pid, const char *controller, const char *v1_file,
		const char *v2_file, char *text, size_t size)
{
	bool v2 = on_v2(controller);
	char mount[512], group[4096], path[8192];
	size_t len;

	if (!cgroup_mount(v2 ? NULL : controller, mount, sizeof(mount)) ||
	    !group_path(pid, v2 ? NULL : controller, group, sizeof(group)))
		return false;
	(void)snprintf(path, sizeof(path), "%s%s/%s", mount, group,
		       v2 ? v2_file : v1_file);
	if (access(path, R_OK) < 0)
		return false;
	len = read_file(path, text, size);
	while (len && text[len - 1] == '\n')
		text[--len] = '\0';
	return true;
}

/* ---- leftovers ---- */

static char found[8192];

static void add_found(const char *what)
{
	size_t len = strlen(found);

	(void)snprintf(found + len, sizeof(found) - len, "%s%s", len ? ", " : "", what);
}

static bool is_nest(const char *name)
{
	for (unsigned int i = 0; i < seen->nests && i < NESTS_MAX; i++)
		if (seen->nest[i][0] && strcmp(name, seen->nest[i]) == 0)
			return true;
	return false;
}

static void look_below(const char *path, int depth)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	char below[2048];

	while (folder && (entry = readdir(folder))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
		    (size_t)snprintf(below, sizeof(below), "%s/%s", path,
				     entry->d_name) >= sizeof(below))
			continue;
		if (is_nest(entry->d_name))
			add_found(below);
		else if (depth < 16)
			look_below(below, depth + 1);
	}
	if (folder)
		(void)closedir(folder);
}

static void look_for_groups(void)
{
	FILE *mounts = fopen("/proc/self/mounts", "re");
	char line[1024], where[512], type[32];

	while (mounts && fgets(line, sizeof(line), mounts))
		if (sscanf(line, "%*s %511s %31s", where, type) == 2 &&
		    strncmp(type, "cgroup", 6) == 0)
			look_below(where, 0);
	if (mounts)
		(void)fclose(mounts);
}

const char *leftovers(void)
{
	char text[128];
	unsigned int count = marked_processes();

	found[0] = '\0';
	look_for_groups();
	if (count) {
		(void)snprintf(text, sizeof(text), "%u processes of jobs", count);
		add_found(text);
	}
	for (unsigned int i = 0; i < seen->supervisors && i < SUPERVISORS_MAX; i++)
		if (is_supervisor(seen->supervisor[i])) {
			(void)snprintf(text, sizeof(text), "supervisor %d",
				       (int)seen->supervisor[i]);
			add_found(text);
		}
	for (unsigned int i = 0; i < seen->nests && i < NESTS_MAX; i++) {
		char path[128];

		/* Whoever was to write it was killed. */
		if (!seen->nest[i][0])
			continue;
		(void)snprintf(path, sizeof(path), "/var/lib/joblet/work/%s",
			       seen->nest[i]);
		if (access(path, F_OK) == 0)
			add_found(path);
		/* Of one that was killed, it stays until the next one comes. */
		(void)snprintf(path, sizeof(path), "/run/joblet/sockets/%s",
			       seen->nest[i]);
		if (access(path, F_OK) == 0 && !stale_sockets_ok)
			add_found(path);
	}
	return found;
}

bool nothing_left(void)
{
	return !*leftovers();
}

/* ---- fixtures ---- */

static int fds_before;
static char *mounts_before;

static char *read_mounts(void)
{
	size_t size = 1 << 18;
	char *text = malloc(size);

	ck_assert_ptr_nonnull(text);
	(void)read_file("/proc/self/mountinfo", text, size);
	return text;
}

static void set_up(void)
{
	seen->nests = seen->supervisors = 0;
	fds_before = fd_count(getpid());
	mounts_before = read_mounts();
	err = NULL;
	ctx = open_ctx(0);
}

/* Told by its place: a test that takes a mount namespace of its own changes the rest. */
static bool was_mounted(const char *line)
{
	char place[512];
	int from = 0, to = 0;

	if (sscanf(line, "%*s %*s %*s%n %*s %*s%n", &from, &to) < 0 || to <= from)
		return false;
	(void)snprintf(place, sizeof(place), "%.*s ", to - from, line + from);
	return strstr(mounts_before, place) != NULL;
}

/* Mounts of ours would carry our name or show our folders. */
static void compare_mounts(void)
{
	char *after = read_mounts(), *save = NULL;

	for (char *line = strtok_r(after, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		ck_assert_msg(!strstr(line, "joblet") || was_mounted(line),
			      "left mounted: %s", line);
	free(after);
	free(mounts_before);
}

static void tear_down(void)
{
	double end = now() + 10 * patience;
	siginfo_t info;

	jl_error_free(err);
	err = NULL;
	close_ctx();
	/* Nothing to wait for when the last job has ended; jobs that went on take a
	 * moment. */
	while (*leftovers() && now() < end)
		pause_for(0.02);
	ck_assert_msg(!*leftovers(), "left behind: %s", leftovers());
	compare_mounts();
	ck_assert_int_eq(fd_count(getpid()), fds_before);
	ck_assert_msg(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0 &&
			      errno == ECHILD,
		      "there is a child left");
}

int harness_main(const char *name, double seconds, void (*add)(TCase *tcase))
{
	TCase *tcase = tcase_create(name);
	Suite *suite = suite_create(name);
	const char *multiplier = getenv("CK_TIMEOUT_MULTIPLIER");
	SRunner *runner;
	int failed;

	if (geteuid() != 0 && number_of("JOBLET_TEST_MUST_RUN", 0) != 1) {
		(void)printf("1..0 # SKIP needs root\n");
		return EXIT_SUCCESS;
	}
	if (multiplier && strtod(multiplier, NULL) > 1)
		patience = strtod(multiplier, NULL);
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED)
		return EXIT_FAILURE;
	(void)snprintf(mark, sizeof(mark), "system-%d-%ld", (int)getpid(),
		       (long)time(NULL));
	(void)signal(SIGPIPE, SIG_IGN);
	tcase_set_timeout(tcase, seconds);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	add(tcase);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
