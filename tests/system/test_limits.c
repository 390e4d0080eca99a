/* SPDX-License-Identifier: MIT */
/* Limits, measured: that they hold, read back, and are refused where they cannot hold. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

#define MIB (UINT64_C(1) << 20)
#define SPIN "while :; do :; done"
#define LOOKS 10
#define LOOK_SECONDS 2

static struct run run;

static jl_limits *limits_of(jl_job_spec *spec)
{
	return jl_job_spec_limits(spec);
}

/* ---- CPU ---- */

/* Time that somebody had the core, or any of them for -1: all but idle, in seconds. */
static double busy_seconds(int core)
{
	FILE *file = fopen("/proc/stat", "re");
	char line[512], name[16];
	double sum = 0;

	(void)snprintf(name, sizeof(name), core < 0 ? "cpu " : "cpu%d ", core);
	while (file && fgets(line, sizeof(line), file)) {
		unsigned long long v[8] = { 0 };

		if (strncmp(line, name, strlen(name)) != 0)
			continue;
		(void)sscanf(line + strlen(name),
			     "%llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1],
			     &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]);
		sum = (double)(v[0] + v[1] + v[2] + v[5] + v[6] + v[7]) /
		      (double)sysconf(_SC_CLK_TCK);
	}
	if (file)
		(void)fclose(file);
	return sum;
}

/* What a job and others have used, and when. */
struct look {
	double at, used, others;
	bool throttled;
};

static struct look look_at(jl_job *job, int core)
{
	struct jl_stats stats = { .size = sizeof(stats) };
	struct look look;

	ck_ok(jl_job_get_stats(job, &stats, &err));
	look.at = now();
	look.used = (double)stats.cpu_usec / 1e6;
	look.others = busy_seconds(core) - look.used;
	look.throttled = stats.cpu_throttled_usec > 0;
	return look;
}

static double share(const struct look *from, const struct look *to)
{
	return 100 * (to->used - from->used) / (to->at - from->at);
}

/*
 * Looks at a job that spins until it has its share of the core between two looks. A
 * machine that stood still gives it more at once and takes that back from the next
 * periods, or is late with them; over all looks more is never right, and less only where
 * others wanted the core.
 */
static void ck_share(jl_job *job, double percent, int core)
{
	struct look begin = look_at(job, core), then, is = begin;
	double others, least = 0.9 * percent, most = 1.1 * percent;
	double all = core < 0 ? 100 * (double)sysconf(_SC_NPROCESSORS_ONLN) : 100;

	for (int i = 0; i < LOOKS; i++) {
		then = is;
		pause_for(LOOK_SECONDS);
		is = look_at(job, core);
		others = 100 * (is.others - begin.others) / (is.at - begin.at);
		note("%.0f %%: %.1f %%, others had %.1f %% of %.0f %%", percent,
		     share(&then, &is), others, all);
		if (share(&then, &is) >= least && share(&begin, &is) <= most)
			break;
	}
	ck_assert_double_le(share(&begin, &is), most);
	if (others < all - 10 - percent)
		ck_assert_double_ge(share(&then, &is), least);
	/* It was the limit that held it back. */
	if (share(&then, &is) >= least)
		ck_assert(is.throttled);
}

START_TEST(half_a_core_is_half_a_core)
{
	jl_job_spec *spec = shell("grep Cpus_allowed_list /proc/self/status; " SPIN);
	long last = sysconf(_SC_NPROCESSORS_ONLN) - 1;
	char core[24], allowed[64];

	(void)snprintf(core, sizeof(core), "%ld", last);
	(void)snprintf(allowed, sizeof(allowed), "Cpus_allowed_list:\t%ld\n", last);
	ck_ok(jl_limits_set_cpu_percent(limits_of(spec), 50, &err));
	ck_ok(jl_limits_set_cpus(limits_of(spec), core, &err));
	run_start(&run, spec);
	jl_job_spec_free(spec);
	run_until(&run, "\n");
	ck_assert_str_eq(run.text[0], allowed);
	ck_share(run.job, 50, (int)last);
	ck_ok(jl_job_kill(run.job, &err));
	run_end(&run);
	run_done(&run);
}
END_TEST

START_TEST(the_cpu_limit_is_for_the_whole_tree)
{
	jl_job_spec *spec = shell("(" SPIN ") & (" SPIN ") & (" SPIN ") & " SPIN);

	ck_ok(jl_limits_set_cpu_percent(limits_of(spec), 30, &err));
	run_start(&run, spec);
	jl_job_spec_free(spec);
	ck_share(run.job, 30, -1);
	ck_ok(jl_job_kill(run.job, &err));
	run_end(&run);
	run_done(&run);
}
END_TEST

START_TEST(every_form_of_core_list_is_in_force)
{
	static const char *const lists[] = { "0",   "0-0", "0,0", "00",	     "1",
					     "0-1", "1,0", "0,1", "1,0-1,1", "0-0,1-1" };
	static const char *const shown[] = { "0",   "0",   "0",	  "0",	 "1",
					     "0-1", "0-1", "0-1", "0-1", "0-1" };
	char want[64];

	for (size_t i = 0; i < COUNT(lists); i++) {
		jl_job_spec *spec = command("sed", "-n", "s/^Cpus_allowed_list:.//p",
					    "/proc/self/status", NULL);

		if (strchr(lists[i], '1') && sysconf(_SC_NPROCESSORS_ONLN) < 2) {
			jl_job_spec_free(spec);
			continue;
		}
		ck_ok(jl_limits_set_cpus(limits_of(spec), lists[i], &err));
		ck_assert_str_eq(jl_limits_get_cpus(limits_of(spec)), shown[i]);
		(void)snprintf(want, sizeof(want), "%s\n", shown[i]);
		ck_prints(spec, want);
	}
}
END_TEST

START_TEST(a_core_that_is_not_there_is_refused)
{
	jl_job_spec *spec = command("true", NULL);

	ck_ok(jl_limits_set_cpus(limits_of(spec), "0,8000", &err));
	ck_fails(jl_job_spawn(ctx, spec, &run.job, &err), -EINVAL, "core 8000");
	ck_ok(jl_limits_set_cpus(limits_of(spec), NULL, &err));
	ck_prints(spec, "");
}
END_TEST

/* ---- memory ---- */

/* Keeps the last line, which never ends; the ulimit is for a day when nothing else holds.
 */
#define HOG "ulimit -v 600000; tail /dev/zero"

static const struct {
	const char *script;
	const char *what;
} hogs[] = {
	{ "ulimit -v 600000; exec tail /dev/zero", "the command" },
	{ HOG "; echo survived; sleep 1000", "a child" },
	{ "(sh -c '" HOG "; sleep 1000'; sleep 1000) & wait; echo survived; sleep 1000",
	  "a grandchild" },
	{ "trap '' TERM INT HUP; (" HOG ") & wait; sleep 1000",
	  "a child of a stubborn shell" },
	{ "dd if=/dev/zero of=/tmp/x bs=1M count=400; echo survived; sleep 1000",
	  "/tmp" },
	{ "dd if=/dev/zero of=/dev/shm/x bs=1M count=400; echo survived; sleep 1000",
	  "/dev/shm" },
	{ "dd if=/dev/zero of=/work/x bs=1M count=400; echo survived; sleep 1000",
	  "/work" },
};

START_TEST(a_memory_hog_is_out_of_memory)
{
	jl_job_spec *spec = shell(hogs[_i].script);
	struct jl_stats stats = { .size = sizeof(stats) };

	ck_ok(jl_limits_set_memory_bytes(limits_of(spec), 64 * MIB, &err));
	ck_ok(jl_job_spec_set_timeout(spec, (uint64_t)(30e6 * patience), &err));
	run_spec(&run, spec);
	ck_ended(&run, JL_REASON_OOM, 137);
	ck_assert_ptr_null(strstr(run.text[0], "survived"));
	ck_ok(jl_job_get_stats(run.job, &stats, &err));
	/* On v1 the supervisor may be faster than the kernel. */
	if (on_v2("memory"))
		ck_assert_uint_ge(stats.memory_oom_kills, 1);
	ck_assert_uint_ge(run.result.memory_peak_bytes, 56 * MIB);
	ck_assert_uint_le(run.result.memory_peak_bytes, 64 * MIB);
	run_done(&run);
	/* The context is none the worse. */
	ck_prints(command("echo", "fine", NULL), "fine\n");
}
END_TEST

START_TEST(memory_below_the_limit_works)
{
	jl_job_spec *spec = shell("head -c 40M /dev/zero | tail -n 1 | wc -c; "
				  "dd if=/dev/zero of=/tmp/x bs=1M count=10 2>/dev/null; "
				  "stat -c %s /tmp/x");

	ck_ok(jl_limits_set_memory_bytes(limits_of(spec), 96 * MIB, &err));
	run_spec(&run, spec);
	ck_ended(&run, JL_REASON_EXITED, 0);
	ck_assert_str_eq(run.text[0], "41943040\n10485760\n");
	ck_assert_uint_ge(run.result.memory_peak_bytes, 40 * MIB);
	ck_assert_uint_le(run.result.memory_peak_bytes, 96 * MIB);
	run_done(&run);
}
END_TEST

START_TEST(swap_is_closed)
{
	jl_job_spec *spec = command("sleep", "1000", NULL);
	char text[64];
	bool there;

	ck_ok(jl_limits_set_memory_bytes(limits_of(spec), 64 * MIB, &err));
	run_start(&run, spec);
	jl_job_spec_free(spec);
	there = group_file(jl_job_get_pid(run.job), "memory",
			   "memory.memsw.limit_in_bytes", "memory.swap.max", text,
			   sizeof(text));
	if (there)
		ck_assert_str_eq(text, on_v2("memory") ? "0" : "67108864");
	ck_ok(jl_job_kill(run.job, &err));
	run_end(&run);
	run_done(&run);
}
END_TEST

/* ---- processes ---- */

static bool no_process_more(void)
{
	struct jl_stats stats = { .size = sizeof(stats) };

	ck_ok(jl_job_get_stats(run.job, &stats, &err));
	return stats.pids_refused == UINT64_MAX ? stats.pids == 40 : stats.pids_refused;
}

START_TEST(a_fork_bomb_stays_within_its_number)
{
	jl_job_spec *spec =
		shell("f() { f 2>/dev/null & f 2>/dev/null & sleep 1000; }; "
		      "trap '' TERM; (f) 2>/dev/null; while :; do sleep 1; done");
	struct jl_stats stats = { .size = sizeof(stats) };

	ck_ok(jl_limits_set_pids(limits_of(spec), 40, &err));
	run_start(&run, spec);
	jl_job_spec_free(spec);
	ck_assert(becomes(no_process_more, 20));
	/* Some more tries. */
	pause_for(0.5);
	ck_ok(jl_job_kill(run.job, &err));
	run_end(&run);
	ck_ended(&run, JL_REASON_STOPPED, 137);
	ck_ok(jl_job_get_stats(run.job, &stats, &err));
	if (stats.pids_peak != UINT64_MAX)
		ck_assert_uint_le(stats.pids_peak, 40);
	ck_assert_uint_eq(marked_processes(), 0);
	run_done(&run);
}
END_TEST

START_TEST(one_process_is_enough_for_a_plain_command)
{
	jl_job_spec *spec =
		command("sh", "-c", "echo one; true | true || :; echo two", NULL);

	ck_ok(jl_limits_set_pids(limits_of(spec), 1, &err));
	run_spec(&run, spec);
	ck_ended(&run, JL_REASON_EXITED, 2);
	ck_assert_ptr_nonnull(strstr(run.text[0], "one\n"));
	ck_assert_ptr_null(strstr(run.text[0], "two"));
	run_done(&run);
}
END_TEST

/* ---- I/O ---- */

static jl_job_spec *disk_job(const char *script, uint64_t read_bps, uint64_t write_bps)
{
	jl_job_spec *spec = shell(script);

	ck_ok(jl_limits_set_io_bps(limits_of(spec), read_bps, write_bps, &err));
	return spec;
}

/* False where the machine cannot: no disk behind the state folder, or no controller. */
static bool start_disk_job(jl_job_spec *spec)
{
	int r = jl_job_spawn(ctx, spec, &run.job, &err);

	if (r == -EOPNOTSUPP) {
		(void)cannot_run(jl_error_message(err));
		jl_error_free(err);
		err = NULL;
		jl_job_spec_free(spec);
		return false;
	}
	if (r == 0) {
		ck_ok(jl_job_kill(run.job, &err));
		ck_ok(jl_job_wait(run.job, JL_FOREVER, &err));
		jl_job_unref(run.job);
	}
	return true;
}

START_TEST(direct_writes_stay_below_the_limit)
{
	const uint64_t bps = 4 * MIB;
	jl_job_spec *spec =
		disk_job("dd if=/dev/zero of=/work/x bs=256k count=48 oflag=direct "
			 "2>&1 || exit 9; df /work | grep -c tmpfs",
			 0, bps);
	double seconds;

	if (!start_disk_job(spec))
		return;
	run_spec(&run, spec);
	if (run.result.exit_code == 9) {
		(void)cannot_run("the file system of /work has no direct I/O");
		run_done(&run);
		return;
	}
	ck_assert_ptr_nonnull(strstr(run.text[0], "\n0\n"));
	seconds = (double)run.result.wall_usec / 1e6;
	note("12 MiB written at 4 MiB/s in %.2f s", seconds);
	ck_assert_double_ge(seconds, 12.0 / 4 / 1.1);
	if (run.result.io_write_bytes != UINT64_MAX)
		ck_assert_uint_ge(run.result.io_write_bytes, 12 * MIB);
	run_done(&run);
}
END_TEST

START_TEST(direct_reads_stay_below_the_limit)
{
	const uint64_t bps = 4 * MIB;
	jl_job_spec *spec = disk_job(
		"dd if=/dev/zero of=/work/x bs=256k count=48 conv=fsync 2>/dev/null; "
		"s=$(date +%s%N); dd if=/work/x of=/dev/null bs=256k iflag=direct 2>&1 || exit 9; "
		"e=$(date +%s%N); echo took $(((e - s) / 1000000))",
		bps, 0);
	const char *took;

	if (!start_disk_job(spec))
		return;
	run_spec(&run, spec);
	if (run.result.exit_code == 9) {
		(void)cannot_run("the file system of /work has no direct I/O");
		run_done(&run);
		return;
	}
	ck_ended(&run, JL_REASON_EXITED, 0);
	took = strstr(run.text[0], "took ");
	ck_assert_ptr_nonnull(took);
	note("12 MiB read at 4 MiB/s in %ld ms", strtol(took + 5, NULL, 10));
	ck_assert_int_ge(strtol(took + 5, NULL, 10), 12 * 1000 / 4 * 10 / 11);
	run_done(&run);
}
END_TEST

START_TEST(work_on_disk_is_empty_private_and_removed)
{
	jl_job_spec *spec = disk_job(
		"ls -A /work | wc -l; mkdir -p /work/a/b && echo x >/work/a/b/c "
		"&& ln -s /etc /work/link && chmod 0 /work/a/b && stat -c %u /work",
		0, 1000 * MIB);

	if (!start_disk_job(spec))
		return;
	ck_prints(spec, "0\n0\n");
	ck_prints(disk_job("ls -A /work | wc -l", 1000 * MIB, 0), "0\n");
	ck_assert_int_eq(access("/etc/passwd", F_OK), 0);
}
END_TEST

/* ---- time ---- */

START_TEST(a_timeout_comes_in_time_and_takes_everybody)
{
	static const double asked[] = { 0.2, 0.5, 1.5 };

	jl_job_spec *spec = shell("trap '' TERM; (setsid sleep 1000 &); sleep 1000 & "
				  "(sh -c 'sleep 1000; :' &); sleep 1000");

	for (size_t i = 0; i < COUNT(asked); i++) {
		double seconds, late = 1e3;

		ck_ok(jl_job_spec_set_timeout(spec, (uint64_t)(asked[i] * 1e6), &err));
		/* On a busy machine the supervisor may have to wait for a core. */
		for (int turn = 0; turn < 20 && late > 0.2; turn++) {
			run_start(&run, spec);
			run_end(&run);
			ck_ended(&run, JL_REASON_TIMEOUT, 137);
			ck_assert_uint_eq(marked_processes(), 0);
			seconds = (double)run.result.wall_usec / 1e6;
			ck_assert_double_ge(seconds, asked[i]);
			if (seconds - asked[i] < late)
				late = seconds - asked[i];
			if (seconds > asked[i] + 0.1)
				note("timeout of %.1f s after %.3f s", asked[i], seconds);
			run_done(&run);
		}
		ck_assert_double_le(late, 0.2 * patience);
	}
	jl_job_spec_free(spec);
}
END_TEST

START_TEST(the_shortest_timeout_and_none_work)
{
	jl_job_spec *spec = command("sleep", "1000", NULL);

	ck_ok(jl_job_spec_set_timeout(spec, 1000, &err));
	run_spec(&run, spec);
	ck_ended(&run, JL_REASON_TIMEOUT, 137);
	run_done(&run);
	spec = command("sleep", "0.1", NULL);
	ck_ok(jl_job_spec_set_timeout(spec, 1000, &err));
	ck_ok(jl_job_spec_set_timeout(spec, JL_FOREVER, &err));
	ck_prints(spec, "");
}
END_TEST

/* ---- in force, or refused ---- */

START_TEST(limits_read_back_from_outside)
{
	jl_job_spec *spec = command("sleep", "1000", NULL);
	char text[128];
	pid_t pid;

	ck_ok(jl_limits_set_cpu_percent(limits_of(spec), 150, &err));
	ck_ok(jl_limits_set_memory_bytes(limits_of(spec), 100 * MIB, &err));
	ck_ok(jl_limits_set_pids(limits_of(spec), 33, &err));
	ck_ok(jl_limits_set_cpus(limits_of(spec), "0", &err));
	run_start(&run, spec);
	jl_job_spec_free(spec);
	pid = jl_job_get_pid(run.job);
	ck_assert(group_file(pid, "cpu", "cpu.cfs_quota_us", "cpu.max", text,
			     sizeof(text)));
	ck_assert_int_eq(strtol(text, NULL, 10), 150000);
	ck_assert(group_file(pid, "memory", "memory.limit_in_bytes", "memory.max", text,
			     sizeof(text)));
	ck_assert_str_eq(text, "104857600");
	ck_assert(group_file(pid, "pids", "pids.max", "pids.max", text, sizeof(text)));
	ck_assert_str_eq(text, "33");
	ck_assert(group_file(pid, "cpuset", "cpuset.cpus", "cpuset.cpus", text,
			     sizeof(text)));
	ck_assert_str_eq(text, "0");
	ck_ok(jl_job_kill(run.job, &err));
	run_end(&run);
	run_done(&run);
}
END_TEST

START_TEST(nothing_asked_is_nothing_limited_but_processes)
{
	jl_job_spec *spec = command("sleep", "1000", NULL);
	char text[128];
	pid_t pid;

	ck_assert_uint_eq(jl_limits_get(limits_of(spec), JL_LIMIT_PIDS), 4096);
	ck_ok(jl_limits_set_cpu_percent(limits_of(spec), 10, &err));
	ck_ok(jl_limits_set_cpu_percent(limits_of(spec), 0, &err));
	ck_ok(jl_limits_set_memory_bytes(limits_of(spec), 0, &err));
	ck_ok(jl_limits_set_io_bps(limits_of(spec), 0, 0, &err));
	ck_ok(jl_limits_set_cpus(limits_of(spec), "", &err));
	run_start(&run, spec);
	pid = jl_job_get_pid(run.job);
	ck_assert(group_file(pid, "cpu", "cpu.cfs_quota_us", "cpu.max", text,
			     sizeof(text)));
	ck_assert(strncmp(text, "max", 3) == 0 || strcmp(text, "-1") == 0);
	ck_assert(group_file(pid, "pids", "pids.max", "pids.max", text, sizeof(text)));
	ck_assert_str_eq(text, "4096");
	ck_ok(jl_job_kill(run.job, &err));
	run_end(&run);
	run_done(&run);
	ck_ok(jl_limits_set_pids(limits_of(spec), 0, &err));
	run_start(&run, spec);
	jl_job_spec_free(spec);
	ck_assert(group_file(jl_job_get_pid(run.job), "pids", "pids.max", "pids.max",
			     text, sizeof(text)));
	ck_assert_str_eq(text, "max");
	ck_ok(jl_job_kill(run.job, &err));
	run_end(&run);
	run_done(&run);
}
END_TEST

START_TEST(limits_that_cannot_hold_are_refused_before_the_command)
{
	jl_job_spec *spec = shell("echo ran >/dev/tty");
	static const char *const names[] = { "memory", "cpu", "process", "core" };

	/* Below this group there is nothing: it does not exist in any hierarchy. */
	ck_ok(jl_ctx_set_cgroup_base(ctx, "/joblet-no-such-group", &err));
	for (int i = 0; i < 4; i++) {
		jl_limits *limits = limits_of(spec);
		int r;

		ck_ok(jl_limits_set_memory_bytes(limits, i == 0 ? 64 * MIB : 0, &err));
		ck_ok(jl_limits_set_cpu_percent(limits, i == 1 ? 50 : 0, &err));
		ck_ok(jl_limits_set_pids(limits, i == 2 ? 10 : 0, &err));
		ck_ok(jl_limits_set_cpus(limits, i == 3 ? "0" : "", &err));
		r = jl_job_spawn(ctx, spec, &run.job, &err);
		ck_assert_msg(r == -EOPNOTSUPP || r == -ENOENT, "%d %s", r,
			      jl_error_message(err));
		note("%s: %s", names[i], jl_error_message(err));
		jl_error_free(err);
		err = NULL;
	}
	jl_job_spec_free(spec);
}
END_TEST

START_TEST(a_group_by_itself_takes_limits_and_gives_them_back)
{
	jl_cgroup *group = NULL;
	jl_limits *limits, *is = NULL;
	char name[64];

	(void)snprintf(name, sizeof(name), "system-test.%d", (int)getpid());
	ck_ok(jl_limits_new(&limits));
	ck_ok(jl_limits_set_memory_bytes(limits, 64 * MIB, &err));
	ck_ok(jl_limits_set_pids(limits, 12, &err));
	ck_ok(jl_cgroup_create(ctx, name, &group, &err));
	ck_ok(jl_cgroup_apply(group, limits, NULL, &err));
	ck_ok(jl_cgroup_read_limits(group, &is, &err));
	ck_assert_uint_eq(jl_limits_get(is, JL_LIMIT_MEMORY_BYTES), 64 * MIB);
	ck_assert_uint_eq(jl_limits_get(is, JL_LIMIT_PIDS), 12);
	jl_limits_free(is);
	jl_limits_free(limits);
	ck_ok(jl_cgroup_remove(group, &err));
	jl_cgroup_unref(group);
	ck_fails(jl_cgroup_open(ctx, name, &group, &err), -ENOENT, name);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, half_a_core_is_half_a_core);
	tcase_add_test(tcase, the_cpu_limit_is_for_the_whole_tree);
	tcase_add_test(tcase, every_form_of_core_list_is_in_force);
	tcase_add_test(tcase, a_core_that_is_not_there_is_refused);
	tcase_add_loop_test(tcase, a_memory_hog_is_out_of_memory, 0, COUNT(hogs));
	tcase_add_test(tcase, memory_below_the_limit_works);
	tcase_add_test(tcase, swap_is_closed);
	tcase_add_test(tcase, a_fork_bomb_stays_within_its_number);
	tcase_add_test(tcase, one_process_is_enough_for_a_plain_command);
	tcase_add_test(tcase, direct_writes_stay_below_the_limit);
	tcase_add_test(tcase, direct_reads_stay_below_the_limit);
	tcase_add_test(tcase, work_on_disk_is_empty_private_and_removed);
	tcase_add_test(tcase, a_timeout_comes_in_time_and_takes_everybody);
	tcase_add_test(tcase, the_shortest_timeout_and_none_work);
	tcase_add_test(tcase, limits_read_back_from_outside);
	tcase_add_test(tcase, nothing_asked_is_nothing_limited_but_processes);
	tcase_add_test(tcase, limits_that_cannot_hold_are_refused_before_the_command);
	tcase_add_test(tcase, a_group_by_itself_takes_limits_and_gives_them_back);
}

int main(void)
{
	return harness_main("limits", 120, add);
}
