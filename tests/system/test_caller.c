/* SPDX-License-Identifier: MIT */
/* Callers of every kind: threads, handlers, gigabytes, few descriptors, odd places. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

extern char **environ;

static int stop_threads;

static void run_true(int count)
{
	jl_job_spec *spec = command("true", NULL);

	for (int i = 0; i < count; i++) {
		struct jl_result result = { .size = sizeof(result) };
		jl_job *job;

		ck_ok(jl_job_spawn(ctx, spec, &job, &err));
		remember(job);
		ck_ok(jl_job_wait(job, JL_FOREVER, &err));
		ck_ok(jl_job_get_result(job, &result, &err));
		ck_assert_int_eq(result.exit_code, 0);
		jl_job_unref(job);
	}
	jl_job_spec_free(spec);
}

/* ---- threads ---- */

static void *allocate(void *data)
{
	unsigned int seed = (unsigned int)(uintptr_t)data;
	void *held[64] = { 0 };

	while (!__atomic_load_n(&stop_threads, __ATOMIC_RELAXED)) {
		unsigned int at = (unsigned int)rand_r(&seed) % 64;

		free(held[at]);
		held[at] = malloc((size_t)rand_r(&seed) % 100000);
		if (held[at])
			memset(held[at], 1, 1);
	}
	for (int i = 0; i < 64; i++)
		free(held[i]);
	return NULL;
}

START_TEST(threads_that_allocate_do_no_harm)
{
	pthread_t threads[3];

	for (size_t i = 0; i < COUNT(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, allocate,
						(void *)(uintptr_t)(i + 1)),
				 0);
	for (int i = 0; i < 5; i++) {
		run_true(10);
		/* A new supervisor, too: it starts in the caller's own memory. */
		close_ctx();
		ctx = open_ctx(0);
	}
	__atomic_store_n(&stop_threads, 1, __ATOMIC_RELAXED);
	for (size_t i = 0; i < COUNT(threads); i++)
		(void)pthread_join(threads[i], NULL);
}
END_TEST

/* ---- children ---- */

static unsigned int signals_seen, reaped;
static pid_t own_child;

static void on_child(int signal)
{
	(void)signal;
	__atomic_add_fetch(&signals_seen, 1, __ATOMIC_RELAXED);
}

static void *reap_all(void *unused)
{
	while (!__atomic_load_n(&stop_threads, __ATOMIC_RELAXED)) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid > 0 && pid == __atomic_load_n(&own_child, __ATOMIC_RELAXED))
			__atomic_store_n(&own_child, 0, __ATOMIC_RELAXED);
		else if (pid > 0)
			__atomic_add_fetch(&reaped, 1, __ATOMIC_RELAXED);
	}
	return unused;
}

START_TEST(a_caller_that_reaps_everything_never_sees_ours)
{
	struct sigaction action = { .sa_handler = on_child };
	pthread_t thread;
	pid_t child;
	double end;

	ck_assert_int_eq(sigaction(SIGCHLD, &action, NULL), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, reap_all, NULL), 0);
	for (int i = 0; i < 10; i++) {
		run_true(5);
		close_ctx();
		ctx = open_ctx(0);
	}
	ck_assert_uint_eq(reaped, 0);
	ck_assert_uint_eq(signals_seen, 0);
	/* The caller's own children are still the caller's. */
	child = fork();
	if (child == 0)
		_exit(0);
	__atomic_store_n(&own_child, child, __ATOMIC_RELAXED);
	end = now() + 10 * patience;
	while (__atomic_load_n(&own_child, __ATOMIC_RELAXED) && now() < end &&
	       !__atomic_load_n(&reaped, __ATOMIC_RELAXED))
		pause_for(0.01);
	ck_assert_uint_ge(signals_seen, 1);
	__atomic_store_n(&stop_threads, 1, __ATOMIC_RELAXED);
	(void)pthread_join(thread, NULL);
	(void)signal(SIGCHLD, SIG_DFL);
}
END_TEST

static const int dispositions[] = { 0, 1 };

START_TEST(a_caller_that_ignores_its_children_can_have_jobs)
{
	struct sigaction action = { .sa_handler = SIG_IGN };

	if (dispositions[_i])
		action = (struct sigaction){ .sa_handler = SIG_DFL,
					     .sa_flags = SA_NOCLDWAIT };
	ck_assert_int_eq(sigaction(SIGCHLD, &action, NULL), 0);
	run_true(5);
	close_ctx();
	(void)signal(SIGCHLD, SIG_DFL);
}
END_TEST

START_TEST(a_subreaper_can_have_jobs)
{
	unsigned int strangers = 0;
	pid_t pid;

	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	run_true(10);
	/* Orphans are what it asked for; the supervisor is one, the jobs are not. */
	close_ctx();
	while ((pid = waitpid(-1, NULL, __WALL)) > 0)
		strangers++;
	note("a subreaper gets %u supervisor(s) to reap", strangers);
	ck_assert_uint_le(strangers, 1);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 0);
}
END_TEST

/* ---- what the caller has is not what the job has, and stays the caller's ---- */

START_TEST(blocked_and_ignored_signals_are_not_inherited)
{
	sigset_t all, before, after;
	struct sigaction action;

	(void)sigfillset(&all);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	ck_assert_int_eq(sigprocmask(SIG_SETMASK, &all, &before), 0);
	ck_prints(command("sed", "-n", "s/^Sig\\(Blk\\|Ign\\|Cgt\\):.//p",
			  "/proc/self/status", NULL),
		  "0000000000000000\n0000000000000000\n0000000000000000\n");
	ck_assert_int_eq(sigprocmask(SIG_SETMASK, &before, &after), 0);
	for (int i = 1; i < 32; i++)
		if (i != SIGKILL && i != SIGSTOP)
			ck_assert_int_eq(sigismember(&after, i), 1);
	ck_assert_int_eq(sigaction(SIGTERM, NULL, &action), 0);
	ck_assert_ptr_eq(action.sa_handler, SIG_IGN);
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGHUP, SIG_DFL);
	(void)signal(SIGINT, SIG_DFL);
}
END_TEST

struct self {
	char cwd[4096], status[4096];
	mode_t mask;
	uid_t ids[3];
	struct rlimit files, core, processes;
	unsigned int variables;
	void (*child)(int), (*pipe)(int);
	int nice, dumpable, no_new_privs;
	pid_t group, session;
};

/* Lines of /proc/self/status that a library has no business with. */
static void read_status(char *text, size_t size)
{
	static const char *const keys[] = {
		"Name:",       "Umask:",   "Uid:",	   "Gid:",    "Groups:",
		"SigBlk:",     "SigIgn:",  "SigCgt:",	   "CapEff:", "CapBnd:",
		"NoNewPrivs:", "Seccomp:", "Cpus_allowed:"
	};
	FILE *file = fopen("/proc/self/status", "re");
	char line[1024];
	size_t len = 0;

	text[0] = '\0';
	while (file && fgets(line, sizeof(line), file))
		for (size_t i = 0; i < COUNT(keys); i++)
			if (strncmp(line, keys[i], strlen(keys[i])) == 0 &&
			    len + strlen(line) < size)
				len += (size_t)snprintf(text + len, size - len, "%s",
							line);
	if (file)
		(void)fclose(file);
}

static void look_at_self(struct self *self)
{
	struct sigaction action;

	memset(self, 0, sizeof(*self));
	ck_assert_ptr_nonnull(getcwd(self->cwd, sizeof(self->cwd)));
	read_status(self->status, sizeof(self->status));
	self->mask = umask(0);
	(void)umask(self->mask);
	(void)getresuid(&self->ids[0], &self->ids[1], &self->ids[2]);
	(void)getrlimit(RLIMIT_NOFILE, &self->files);
	(void)getrlimit(RLIMIT_CORE, &self->core);
	(void)getrlimit(RLIMIT_NPROC, &self->processes);
	while (environ[self->variables])
		self->variables++;
	(void)sigaction(SIGCHLD, NULL, &action);
	self->child = action.sa_handler;
	(void)sigaction(SIGPIPE, NULL, &action);
	self->pipe = action.sa_handler;
	self->nice = getpriority(PRIO_PROCESS, 0);
	self->dumpable = prctl(PR_GET_DUMPABLE);
	self->no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	self->group = getpgrp();
	self->session = getsid(0);
}

START_TEST(calls_leave_the_caller_as_it_was)
{
	static struct self before, after;
	struct run run;
	char *text = NULL;
	jl_job_spec *spec;

	(void)umask(027);
	look_at_self(&before);
	close_ctx();
	ctx = open_ctx(0);
	spec = shell("echo x >/tmp/f; stat -c %a /tmp/f; sleep 0.1; exit 3");
	ck_ok(jl_job_spec_explain(ctx, spec, &text, &err));
	jl_free(text);
	ck_ok(jl_limits_set_io_bps(jl_job_spec_limits(spec), 0, UINT64_C(1) << 30, &err));
	if (jl_job_spawn(ctx, spec, &run.job, NULL) == 0) {
		ck_ok(jl_job_wait(run.job, JL_FOREVER, &err));
		run.job = jl_job_unref(run.job);
	}
	ck_ok(jl_limits_set_io_bps(jl_job_spec_limits(spec), 0, 0, &err));
	run_spec(&run, spec);
	/* The job has a mask of its own. */
	ck_assert_str_eq(run.text[0], "644\n");
	run_done(&run);
	spec = command("no-such-command", NULL);
	ck_assert_int_lt(jl_job_spawn(ctx, spec, &run.job, NULL), 0);
	jl_job_spec_free(spec);
	close_ctx();
	look_at_self(&after);
	ck_assert_str_eq(before.status, after.status);
	ck_assert_mem_eq(&before, &after, sizeof(before));
}
END_TEST

/* ---- sizes and places ---- */

/* From start to end; of so many the fastest, which had to wait for nobody. */
static double fastest(int count, bool fresh)
{
	double best = 1e3;

	for (int i = 0; i < count; i++) {
		double start;

		if (fresh) {
			close_ctx();
			ctx = open_ctx(0);
		}
		start = now();
		run_true(1);
		if (now() - start < best)
			best = now() - start;
	}
	return best;
}

#define TURNS 10

START_TEST(a_huge_caller_starts_jobs_as_fast)
{
	const size_t size = (size_t)(is_slow() ? 256 : 1024) << 20;
	bool as_fast = false;

	(void)fastest(3, false);
	/* Its page tables alone would take longer, each time. */
	for (int i = 0; i < TURNS && !as_fast; i++) {
		double small = fastest(9, false), small_fresh = fastest(9, true);
		double huge, huge_fresh;
		char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

		ck_assert_ptr_ne(memory, MAP_FAILED);
		for (size_t at = 0; at < size; at += 4096)
			memory[at] = 1;
		huge = fastest(9, false);
		huge_fresh = fastest(9, true);
		(void)munmap(memory, size);
		note("start to end: %.2f ms, with %zu MiB %.2f ms; first of a context: %.2f, %.2f ms",
		     small * 1000, size >> 20, huge * 1000, small_fresh * 1000,
		     huge_fresh * 1000);
		as_fast =
			huge < 2 * small + 0.002 && huge_fresh < 2 * small_fresh + 0.002;
	}
	ck_assert(as_fast);
}
END_TEST

START_TEST(few_descriptors_are_enough_or_named)
{
	struct rlimit before, few = { 64, 64 };
	int held[80], count = 0, r = 0;
	jl_job_spec *spec = command("sh", "-c", "ulimit -n", NULL);
	jl_job *job;

	(void)getrlimit(RLIMIT_NOFILE, &before);
	few.rlim_max = before.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	close_ctx();
	ctx = open_ctx(0);
	ck_prints(spec, "64\n");
	run_true(5);
	/* With all taken it says so, and works again when there are some. */
	while (count < 80 && (held[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		count++;
	spec = command("true", NULL);
	for (int i = 0; i < 6 && count > 0; i++) {
		r = jl_job_spawn(ctx, spec, &job, &err);
		if (r == 0) {
			ck_ok(jl_job_wait(job, JL_FOREVER, &err));
			jl_job_unref(job);
		} else {
			ck_assert_msg(r == -EMFILE, "%d %s", r, jl_error_message(err));
			ck_assert_str_ne(jl_error_message(err), "");
			jl_error_free(err);
			err = NULL;
		}
		(void)close(held[--count]);
	}
	while (count > 0)
		(void)close(held[--count]);
	run_true(3);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	jl_job_spec_free(spec);
}
END_TEST

START_TEST(a_context_without_descriptors_says_so)
{
	struct rlimit before, few = { 3, 3 };
	jl_ctx *fresh = NULL;

	(void)getrlimit(RLIMIT_NOFILE, &before);
	few.rlim_max = before.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ck_fails(jl_ctx_new(0, &fresh, &err), -EMFILE, "");
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}
END_TEST

START_TEST(a_folder_that_is_gone_is_no_obstacle)
{
	char path[] = "/tmp/system-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(path));
	ck_assert_int_eq(chdir(path), 0);
	ck_assert_int_eq(rmdir(path), 0);
	run_true(2);
	ck_prints(shell("pwd"), "/work\n");
	close_ctx();
	ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

static void *run_three(void *unused)
{
	run_true(3);
	return unused;
}

START_TEST(a_small_stack_is_enough)
{
	pthread_attr_t attr;
	pthread_t thread;
	size_t size = 128 << 10;

	ck_assert_int_eq(pthread_attr_init(&attr), 0);
	ck_assert_int_eq(pthread_attr_setstacksize(&attr, size), 0);
	ck_assert_int_eq(pthread_create(&thread, &attr, run_three, NULL), 0);
	(void)pthread_join(thread, NULL);
	(void)pthread_attr_destroy(&attr);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, threads_that_allocate_do_no_harm);
	tcase_add_test(tcase, a_caller_that_reaps_everything_never_sees_ours);
	tcase_add_loop_test(tcase, a_caller_that_ignores_its_children_can_have_jobs, 0,
			    COUNT(dispositions));
	tcase_add_test(tcase, a_subreaper_can_have_jobs);
	tcase_add_test(tcase, blocked_and_ignored_signals_are_not_inherited);
	tcase_add_test(tcase, calls_leave_the_caller_as_it_was);
	tcase_add_test(tcase, a_huge_caller_starts_jobs_as_fast);
	tcase_add_test(tcase, few_descriptors_are_enough_or_named);
	tcase_add_test(tcase, a_context_without_descriptors_says_so);
	tcase_add_test(tcase, a_folder_that_is_gone_is_no_obstacle);
	tcase_add_test(tcase, a_small_stack_is_enough);
}

int main(void)
{
	return harness_main("caller", 120, add);
}
