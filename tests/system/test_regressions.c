/* SPDX-License-Identifier: MIT */
/* What a review of the library found, one test each. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <joblet/event.h>

#include "harness.h"

static struct run run;

/* The processes of tests fail like tests; this notices those that just died, too. */
static void ck_child(pid_t child)
{
	int status = -1;

	ck_assert_int_gt(child, 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		      "the child ended with status 0x%x", (unsigned int)status);
}

static void ck_runs_true(double seconds)
{
	jl_job_spec *spec = command("true", NULL);
	double start = now(), took;
	jl_job *job;

	ck_ok(jl_job_spawn(ctx, spec, &job, &err));
	remember(job);
	ck_ok(jl_job_wait(job, JL_FOREVER, &err));
	took = now() - start;
	jl_job_unref(job);
	jl_job_spec_free(spec);
	ck_assert_msg(took < seconds * patience, "a job took %.2f s", took);
}

/* Kills a job of a test that has served, and gives its handle away. */
static void end(jl_job *job)
{
	ck_ok(jl_job_kill(job, &err));
	ck_ok(jl_job_wait(job, (uint64_t)(20e6 * patience), &err));
	jl_job_unref(job);
}

/* ---- folders of the host ---- */

static const char *folder_below_usr(void)
{
	static const char *const paths[] = { "/usr/local/games", "/usr/local/src",
					     "/usr/src", "/usr/games", "/usr/local/bin" };
	struct stat st;

	for (size_t i = 0; i < COUNT(paths); i++)
		if (lstat(paths[i], &st) == 0 && S_ISDIR(st.st_mode))
			return paths[i];
	return NULL;
}

static void mount_while_a_job_runs(const char *path)
{
	char script[256], file[64];
	jl_job_spec *spec;
	int pipes[2];

	/* As systemd leaves it, but nothing of this gets out to the machine. */
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL), 0);
	ctx = open_ctx(0);
	(void)snprintf(file, sizeof(file), "%s/new", path);
	(void)snprintf(script, sizeof(script),
		       "echo ready; read line; (echo x >%s) && echo made; echo over",
		       file);
	spec = shell(script);
	ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
	ck_ok(jl_job_spec_set_stdio(spec, 0, pipes[0], &err));
	(void)close(pipes[0]);
	run_start(&run, spec);
	jl_job_spec_free(spec);
	run_until(&run, "ready\n");
	ck_assert_int_eq(mount("later", path, "tmpfs", MS_NOSUID, "mode=1777,size=64k"),
			 0);
	ck_assert_int_eq(write(pipes[1], "go\n", 3), 3);
	(void)close(pipes[1]);
	run_end(&run);
	ck_assert_msg(access(file, F_OK) < 0, "the job wrote to what was mounted later");
	ck_assert_str_eq(run.text[0], "ready\nover\n");
	ck_assert_msg(strstr(run.text[1], "Read-only file system") != NULL,
		      "it said \"%s\"", run.text[1]);
	run_done(&run);
	close_ctx();
}

START_TEST(what_the_host_mounts_later_does_not_reach_a_job)
{
	const char *path = folder_below_usr();
	pid_t child;

	if (!path) {
		(void)cannot_run("no folder below /usr to mount at");
		return;
	}
	close_ctx();
	child = fork();
	if (child == 0) {
		mount_while_a_job_runs(path);
		_exit(0);
	}
	ck_child(child);
}
END_TEST

/* ---- handles of ended jobs ---- */

/* CPU time of a process so far, in seconds. */
static double busy(pid_t pid)
{
	char path[64], text[1024] = "", *fields;
	unsigned long user = 0, kernel = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), file));
	(void)fclose(file);
	fields = strrchr(text, ')');
	ck_assert_ptr_nonnull(fields);
	for (int i = 0; i < 12 && fields; i++)
		fields = strchr(fields + 1, ' ');
	ck_assert_ptr_nonnull(fields);
	user = strtoul(fields, &fields, 10);
	kernel = strtoul(fields, NULL, 10);
	return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

START_TEST(kept_handles_do_not_hold_up_later_jobs)
{
	jl_job_spec *spec = command("cat", NULL);
	jl_job *kept[2][4], *sleeper;
	double before;
	int pipes[2];

	/* Side by side, so that several places of the supervisor had a job. */
	for (int round = 0; round < 2; round++) {
		ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
		ck_ok(jl_job_spec_set_stdio(spec, 0, pipes[0], &err));
		(void)close(pipes[0]);
		for (int i = 0; i < 4; i++) {
			ck_ok(jl_job_spawn(ctx, spec, &kept[round][i], &err));
			remember(kept[round][i]);
		}
		(void)close(pipes[1]);
		for (int i = 0; i < 4; i++)
			ck_ok(jl_job_wait(kept[round][i], (uint64_t)(20e6 * patience),
					  &err));
	}
	jl_job_spec_free(spec);
	spec = command("sleep", "1000", NULL);
	ck_ok(jl_job_spawn(ctx, spec, &sleeper, &err));
	jl_job_spec_free(spec);
	for (int i = 0; i < 4; i++)
		ck_runs_true(1.5);
	/* Nor do they keep the supervisor busy while nothing happens. */
	pause_for(0.2);
	before = busy(supervisor_of(sleeper));
	pause_for(1);
	ck_assert_double_lt(busy(supervisor_of(sleeper)) - before, 0.3);
	end(sleeper);
	for (int i = 0; i < 8; i++)
		jl_job_unref(kept[i / 4][i % 4]);
}
END_TEST

/* ---- /work on disk ---- */

static char state[64];

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *unused)
{
	(void)st;
	(void)type;
	(void)unused;
	(void)remove(path);
	return 0;
}

static void remove_state(void)
{
	if (state[0])
		(void)nftw(state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	state[0] = '\0';
}

/* Below /var, which is on a disk where /tmp may not be. */
static void use_own_state(void)
{
	(void)snprintf(state, sizeof(state), "/var/tmp/system-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(state));
	(void)atexit(remove_state);
	ck_ok(jl_ctx_set_state_dir(ctx, state, &err));
}

/* With limits so high that they are none, only that /work has to be on disk. */
static jl_job_spec *on_disk(const char *script)
{
	jl_job_spec *spec = shell(script);

	ck_ok(jl_limits_set_io_bps(jl_job_spec_limits(spec), 0, UINT64_C(1) << 40, &err));
	return spec;
}

static bool has_io_limits(void)
{
	jl_job_spec *spec = on_disk("exit 0");
	jl_job *job = NULL;
	int r = jl_job_spawn(ctx, spec, &job, &err);

	jl_job_spec_free(spec);
	if (r == 0) {
		ck_ok(jl_job_wait(job, JL_FOREVER, &err));
		jl_job_unref(job);
		return true;
	}
	ck_assert_msg(r == -EOPNOTSUPP, "%d %s", r, jl_error_message(err));
	(void)cannot_run(jl_error_message(err));
	jl_error_free(err);
	err = NULL;
	return false;
}

/* What lies in the folders of supervisors below the state folder. */
static unsigned int work_left(char *first, size_t size)
{
	char path[512];
	unsigned int count = 0;
	struct dirent *entry, *below;
	DIR *folder, *one;

	first[0] = '\0';
	(void)snprintf(path, sizeof(path), "%s/work", state);
	folder = opendir(path);
	ck_assert_ptr_nonnull(folder);
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/work/%s", state, entry->d_name);
		one = opendir(path);
		while (one && (below = readdir(one)))
			if (strcmp(below->d_name, ".") != 0 &&
			    strcmp(below->d_name, "..") != 0) {
				(void)snprintf(first, size, "%s", below->d_name);
				count++;
			}
		if (one)
			(void)closedir(one);
	}
	(void)closedir(folder);
	return count;
}

#define DEEP \
	"i=0; while [ $i -lt 300 ]; do mkdir d && cd d && echo x >f; i=$((i+1)); done"
#define LOCKED                                                   \
	"mkdir -p l/m/n o && echo x >l/m/n/f && echo x >o/f && " \
	"chmod 0 l/m/n && chmod 0 l/m && chmod 0 l o"

static const char *const left_in_work[] = {
	"mkdir -p .gone-0000000000000000/a/b",
	"mkdir -p .gone-0000000000000000/a && echo x >.gone-0000000000000000/a/f",
	"for i in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do mkdir -p .gone-000000000000000$i/a/b; done",
	"mkdir .gone-0000000000000000 && cd .gone-0000000000000000 && " DEEP,
	DEEP,
	LOCKED,
	"mkdir .gone-0000000000000000 && cd .gone-0000000000000000 && " LOCKED
	"; cd .. && " LOCKED "; " DEEP,
};

START_TEST(nothing_a_job_leaves_on_disk_stays)
{
	char first[300];
	unsigned int count;

	use_own_state();
	if (!has_io_limits())
		return;
	run_spec(&run, on_disk(left_in_work[_i]));
	ck_ended(&run, JL_REASON_EXITED, 0);
	run_done(&run);
	count = work_left(first, sizeof(first));
	close_ctx();
	/* A test that fails ends at once, and leaves nothing either. */
	remove_state();
	ck_assert_msg(count == 0, "%u left, \"%s\" one of them", count, first);
}
END_TEST

START_TEST(what_a_job_leaves_on_disk_does_not_hold_up_others)
{
	char script[128];
	struct pollfd gone = { .events = POLLIN };
	jl_job_spec *spec;
	double start;
	bool overlapped;

	use_own_state();
	if (!has_io_limits())
		return;
	(void)snprintf(script, sizeof(script),
		       "i=0; while [ $i -lt %d ]; do : >f$i; i=$((i+1)); done",
		       is_slow() ? 2000 : 20000);
	spec = on_disk(script);
	run_start(&run, spec);
	jl_job_spec_free(spec);
	gone.fd = jl_job_get_pidfd(run.job);
	ck_assert_int_eq(poll(&gone, 1, (int)(60e3 * patience)), 1);
	start = now();
	ck_runs_true(1);
	overlapped = jl_job_wait(run.job, 0, NULL) == -ETIMEDOUT;
	note("another job took %.1f ms, %s the files went", (now() - start) * 1000,
	     overlapped ? "while" : "after");
	run_end(&run);
	ck_ended(&run, JL_REASON_EXITED, 0);
	run_done(&run);
	close_ctx();
	remove_state();
}
END_TEST

/* ---- without groups ---- */

#define SOMEBODY 12345

/* As far as this process and its jobs can see. */
static void hide_groups(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	ck_assert_int_eq(mount("none", "/sys/fs/cgroup", "tmpfs", 0, "size=64k"), 0);
}

/* They are there, and not for this process to use. */
static void become_somebody(void)
{
	ck_assert_int_eq(setgroups(0, NULL), 0);
	ck_assert_int_eq(setresgid(SOMEBODY, SOMEBODY, SOMEBODY), 0);
	ck_assert_int_eq(setresuid(SOMEBODY, SOMEBODY, SOMEBODY), 0);
	ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
}

static void ask_without_groups(void)
{
	struct jl_stats stats = { .size = sizeof(stats) };
	jl_job_spec *spec = command("sleep", "1000", NULL);
	double start;
	jl_job *job;
	int r;

	ctx = open_ctx(JL_CTX_NO_ENVIRONMENT);
	r = jl_job_spawn(ctx, spec, &job, &err);
	if (geteuid() != 0 && (r == -EPERM || r == -EACCES || r == -ENOSPC) &&
	    strstr(jl_error_message(err), "namespace")) {
		(void)cannot_run(jl_error_message(err));
		return;
	}
	ck_ok(r);
	remember(job);
	jl_job_spec_free(spec);
	start = now();
	ck_fails(jl_job_freeze(job, &err), -EOPNOTSUPP, jl_job_get_id(job));
	ck_fails(jl_job_get_stats(job, &stats, &err), -EOPNOTSUPP, jl_job_get_id(job));
	ck_fails(jl_job_thaw(job, &err), -EOPNOTSUPP, jl_job_get_id(job));
	ck_assert_double_lt(now() - start, patience);
	ck_assert_int_eq(jl_job_wait(job, 0, NULL), -ETIMEDOUT);
	end(job);
	close_ctx();
}

START_TEST(without_groups_it_says_so_at_once)
{
	pid_t child;

	close_ctx();
	child = fork();
	if (child == 0) {
		if (_i == 0)
			hide_groups();
		else
			become_somebody();
		ask_without_groups();
		_exit(0);
	}
	ck_child(child);
}
END_TEST

/* ---- children of the caller ---- */

START_TEST(a_child_that_sleeps_does_not_keep_a_dead_supervisor_readable)
{
	jl_job_spec *spec = command("sleep", "1000", NULL);
	struct pollfd ready = { .fd = jl_ctx_get_fd(ctx), .events = POLLIN };
	unsigned int events = 0;
	jl_event *event;
	jl_job *jobs[3];
	pid_t child, supervisor;
	int r;

	for (size_t i = 0; i < COUNT(jobs); i++) {
		ck_ok(jl_job_spawn(ctx, spec, &jobs[i], &err));
		remember(jobs[i]);
	}
	jl_job_spec_free(spec);
	child = fork();
	if (child == 0) {
		pause_for(600);
		_exit(0);
	}
	ck_assert_int_gt(child, 0);
	supervisor = supervisor_of(jobs[0]);
	ck_assert_int_gt(supervisor, 1);
	ck_assert_int_eq(kill(supervisor, SIGKILL), 0);
	while (events < COUNT(jobs)) {
		ck_assert_int_eq(poll(&ready, 1, (int)(20e3 * patience)), 1);
		while ((r = jl_ctx_next_event(ctx, &event, &err)) > 0) {
			events++;
			jl_event_free(event);
		}
		ck_assert_int_eq(r, 0);
	}
	r = poll(&ready, 1, 0);
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
	ck_assert_int_eq(r, 0);
	for (size_t i = 0; i < COUNT(jobs); i++)
		jl_job_unref(jobs[i]);
}
END_TEST

/* What a forked child does with what it has got, before it ends. */
static void use_in_child(jl_job *job, int way)
{
	jl_job_spec *spec = command("true", NULL);
	jl_job *other = NULL;
	char *text = NULL;

	ck_fails(jl_job_spawn(ctx, spec, &other, &err), -EPERM, "process");
	ck_fails(jl_job_spec_explain(ctx, spec, &text, &err), -EPERM, "process");
	jl_job_spec_free(spec);
	if (way == 0)
		return;
	jl_job_unref(job);
	if (way == 2)
		close_ctx();
}

START_TEST(a_child_cannot_use_a_context_nor_disturb_it)
{
	jl_job_spec *spec = shell("read line; echo $line");
	int pipes[2];
	pid_t child;

	ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
	ck_ok(jl_job_spec_set_stdio(spec, 0, pipes[0], &err));
	(void)close(pipes[0]);
	run_start(&run, spec);
	jl_job_spec_free(spec);
	child = fork();
	if (child == 0) {
		use_in_child(run.job, _i);
		_exit(0);
	}
	ck_child(child);
	ck_assert_int_eq(jl_job_wait(run.job, (uint64_t)100000, NULL), -ETIMEDOUT);
	ck_runs_true(5);
	ck_assert_int_eq(write(pipes[1], "fine\n", 5), 5);
	(void)close(pipes[1]);
	run_end(&run);
	ck_ended(&run, JL_REASON_EXITED, 0);
	ck_assert_str_eq(run.text[0], "fine\n");
	run_done(&run);
}
END_TEST

/* ---- finding the command ---- */

static const struct {
	const char *path;
	const char *name;
	const char *args[3];
	const char *prints;
} hidden[] = {
	{ "/etc:/usr/bin:/bin", "hostname", { NULL }, "joblet\n" },
	{ "/proc/1:/usr/bin:/bin", "stat", { "-c", "%F", "/" }, "directory\n" },
};

START_TEST(the_init_passes_over_files_that_are_no_programs)
{
	jl_job_spec *spec = command(hidden[_i].name, NULL);
	char usr[64], bin[64];

	(void)snprintf(usr, sizeof(usr), "/usr/bin/%s", hidden[_i].name);
	(void)snprintf(bin, sizeof(bin), "/bin/%s", hidden[_i].name);
	if (access(usr, X_OK) < 0 && access(bin, X_OK) < 0) {
		note("left out: no %s here", hidden[_i].name);
		jl_job_spec_free(spec);
		return;
	}
	for (size_t i = 0; i < COUNT(hidden[_i].args) && hidden[_i].args[i]; i++)
		ck_ok(jl_job_spec_add_arg(spec, hidden[_i].args[i], &err));
	ck_ok(jl_job_spec_set_env(spec, "PATH", hidden[_i].path, &err));
	ck_ok(jl_job_spec_set_init(spec, 1, &err));
	ck_prints(spec, hidden[_i].prints);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, what_the_host_mounts_later_does_not_reach_a_job);
	tcase_add_test(tcase, kept_handles_do_not_hold_up_later_jobs);
	tcase_add_loop_test(tcase, nothing_a_job_leaves_on_disk_stays, 0,
			    COUNT(left_in_work));
	tcase_add_test(tcase, what_a_job_leaves_on_disk_does_not_hold_up_others);
	tcase_add_loop_test(tcase, without_groups_it_says_so_at_once, 0, 2);
	tcase_add_test(tcase,
		       a_child_that_sleeps_does_not_keep_a_dead_supervisor_readable);
	tcase_add_loop_test(tcase, a_child_cannot_use_a_context_nor_disturb_it, 0, 3);
	tcase_add_loop_test(tcase, the_init_passes_over_files_that_are_no_programs, 0,
			    COUNT(hidden));
}

int main(void)
{
	return harness_main("regressions", 120, add);
}
