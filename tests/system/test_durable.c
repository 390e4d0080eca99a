/* SPDX-License-Identifier: MIT */
/* Jobs that outlive their caller: their records, finding them again, and who kills whom.
 */
#include "durable.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "logs/logs.h"

START_TEST(output_result_and_order_are_in_the_folder)
{
	struct jl__durable durable;
	struct jl__log_entry *index;
	struct jl_result result = { .size = sizeof(result) };
	jl_job_spec *spec;
	size_t len;
	jl_job *job;
	int gate;

	open_base();
	durable = new_job();
	ck_assert(!jl__record_begun(durable.folder));
	ck_assert_int_eq(jl__record_started(durable.folder, &result, NULL), -ENOENT);
	spec = shell("echo one; read go; echo two >&2; read go; echo three; exit 3");
	gate = put_gate(spec);
	job = spawn(ctx, spec, &durable);
	until_log(durable.folder, "one\n");
	pause_for(0.05);
	ck_assert_int_eq(write(gate, "\n", 1), 1);
	until_log(durable.folder, "one\ntwo\n");
	(void)close(gate);
	ck_assert(jl__record_begun(durable.folder));
	ck_ok(jl__record_started(durable.folder, &result, &err));
	ck_assert_uint_gt(result.start_usec, 0);
	ck_assert_str_eq(jl_job_get_id(job), durable.id);
	ck_ok(jl_job_wait(job, JL_FOREVER, &err));
	ck_log(durable.folder, "one\ntwo\nthree\n");
	result = result_of(durable.folder, JL__LOG_WHOLE);
	ck_assert_int_eq(result.exit_code, 3);
	ck_assert_int_eq(result.reason, JL_REASON_EXITED);
	ck_assert_uint_gt(result.end_usec, result.start_usec);
	index = (struct jl__log_entry *)content(durable.folder, "log.index", &len);
	ck_assert_uint_eq(len, 3 * sizeof(*index));
	ck_assert_uint_eq(index[1].offset, 4);
	ck_assert_uint_eq(index[1].size, 4);
	ck_assert_uint_eq(index[1].stream, 2);
	ck_assert_uint_eq(index[2].stream, 1);
	ck_assert_uint_ge(index[1].usec, index[0].usec + 40000);
	free(index);
	jl_job_unref(job);
	/* And never again. */
	spec = command("true", NULL);
	ck_fails(jl__job_spawn_durable(ctx, spec, &durable, &job, &err), -EEXIST,
		 "started already");
	jl_job_spec_free(spec);
	ck_log(durable.folder, "one\ntwo\nthree\n");
	(void)close(durable.folder);
	close_ctx();
	remove_base();
}
END_TEST

START_TEST(another_context_adopts)
{
	struct jl__durable durable;
	struct jl_stats stats = { .size = sizeof(stats) };
	struct jl_result result = { .size = sizeof(result) };
	const char *name;
	char *socket;
	jl_ctx *other;
	jl_job *job, *same, *again;

	open_base();
	durable = new_job();
	ck_ok(jl__ctx_supervisor(ctx, &name, &err));
	socket = strdup(name);
	job = spawn(ctx, shell("echo ready; exec sleep 1000"), &durable);
	until_log(durable.folder, "ready\n");
	other = open_ctx(0);
	ck_fails(jl__job_adopt(other, socket, "00000000-0000-0000-0000-000000000000",
			       &same, &err),
		 -ENOENT, "has no job");
	ck_ok(jl__job_adopt(other, socket, durable.id, &same, &err));
	ck_ok(jl__job_adopt(other, socket, durable.id, &again, &err));
	ck_assert_ptr_eq(same, again);
	jl_job_unref(again);
	ck_assert_int_eq(jl_job_get_pid(same), jl_job_get_pid(job));
	ck_ok(jl_job_get_stats(same, &stats, &err));
	ck_assert_uint_ne(stats.cpu_usec, UINT64_MAX);
	/* The first one leaves, the job and its supervisor stay. */
	jl_job_unref(job);
	close_ctx();
	ck_assert_int_eq(jl_job_wait(same, 200000, NULL), -ETIMEDOUT);
	ck_ok(jl_job_stop(same, 10000000, &err));
	ck_ok(jl_job_wait(same, JL_FOREVER, &err));
	ck_ok(jl_job_get_result(same, &result, &err));
	ck_assert_int_eq(result.reason, JL_REASON_STOPPED);
	ck_log(durable.folder, "ready\n");
	(void)result_of(durable.folder, JL__LOG_WHOLE);
	jl_job_unref(same);
	/* Nobody is left to be asked. */
	for (double end = now() + 5 * patience; access(socket, F_OK) == 0;) {
		ck_assert_msg(now() < end, "the socket is still there");
		pause_for(0.005);
	}
	ck_fails(jl__job_adopt(other, socket, durable.id, &same, &err), -ESRCH,
		 "no supervisor");
	jl_ctx_unref(other);
	free(socket);
	(void)close(durable.folder);
	remove_base();
}
END_TEST

/* A group below our own one, which another program has for its own. */
static void path_of_group(const char *name, char *path, size_t size)
{
	char line[512];
	FILE *file = fopen("/proc/self/cgroup", "re");

	ck_assert_ptr_nonnull(file);
	*path = '\0';
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "0::", 3) == 0)
			(void)snprintf(path, size, "%s/%s",
				       strcmp(line + 3, "/") == 0 ? "" : line + 3, name);
	}
	(void)fclose(file);
	ck_assert_msg(*path, "there is no cgroup v2 here");
}

START_TEST(who_cannot_see_its_group_is_told_so)
{
	struct jl_stats stats = { .size = sizeof(stats) };
	struct jl__durable durable;
	char path[600];
	const char *name;
	char *socket;
	jl_cgroup *group;
	jl_job *job, *same;
	jl_ctx *other;

	open_base();
	ck_ok(jl_cgroup_create(ctx, "elsewhere", &group, &err));
	path_of_group("elsewhere", path, sizeof(path));
	durable = new_job();
	ck_ok(jl__ctx_supervisor(ctx, &name, &err));
	socket = strdup(name);
	job = spawn(ctx, shell("exec sleep 1000"), &durable);
	other = open_ctx(0);
	ck_ok(jl_ctx_set_cgroup_base(other, path, &err));
	ck_ok(jl__job_adopt(other, socket, durable.id, &same, &err));
	/* At once, and not at the end of the job. */
	ck_fails(jl_job_get_stats(same, &stats, &err), -EOPNOTSUPP,
		 "started it elsewhere");
	ck_fails(jl_job_freeze(same, &err), -EOPNOTSUPP, "started it elsewhere");
	ck_ok(jl_job_stop(same, 10000000, &err));
	ck_ok(jl_job_wait(same, JL_FOREVER, &err));
	/* What it had used is in its result. */
	ck_ok(jl_job_get_stats(same, &stats, &err));
	ck_assert_uint_ne(stats.cpu_usec, UINT64_MAX);
	jl_job_unref(same);
	jl_ctx_unref(other);
	jl_job_unref(job);
	ck_ok(jl_cgroup_remove(group, &err));
	(void)jl_cgroup_unref(group);
	close_ctx();
	free(socket);
	(void)close(durable.folder);
	remove_base();
}
END_TEST

/* ---- killed at any moment ---- */

#define DRILL_JOBS 12
#define DRILL_LINES 150

static unsigned int seed;

/* What a node would have in its store. */
struct plan_of {
	char socket[200];
	uint32_t count;
	struct jl__durable jobs[DRILL_JOBS];
};

static jl_job_spec *drill_job(uint32_t number)
{
	char script[256];

	(void)snprintf(script, sizeof(script),
		       "i=0; while [ $i -lt %d ]; do echo out $i; echo err $i >&2; "
		       "i=$((i+1)); done; exit %u",
		       DRILL_LINES, 10 + number);
	return shell(script);
}

/* The client: writes down what it is about to do, does it, and never comes to an end. */
static void drill_client(struct plan_of *plan)
{
	jl_ctx *own = open_ctx(0);
	const char *name;

	set_sockets(own);
	ck_ok(jl__ctx_supervisor(own, &name, &err));
	(void)snprintf(plan->socket, sizeof(plan->socket), "%s", name);
	for (uint32_t i = 0; i < DRILL_JOBS; i++) {
		plan->jobs[i] = new_job();
		__atomic_store_n(&plan->count, i + 1, __ATOMIC_RELEASE);
		(void)spawn(own, drill_job(i), &plan->jobs[i]);
	}
	for (;;)
		(void)pause();
}

static void ck_stream(int folder, uint32_t flag, const char *word)
{
	static char want[DRILL_LINES * 16], is[sizeof(want) + 64];
	size_t len = 0;
	jl_log *log = NULL;
	int64_t got;

	want[0] = '\0';
	for (int i = 0; i < DRILL_LINES; i++)
		(void)snprintf(want + strlen(want), 16, "%s %d\n", word, i);
	ck_ok(jl__log_open(folder, flag, &log, &err));
	while ((got = jl_log_read(log, is + len, sizeof(is) - len, &err)) > 0)
		len += (size_t)got;
	ck_assert_int_eq(got, 0);
	is[len] = '\0';
	ck_assert_str_eq(is, want);
	jl_log_close(log);
}

/* As a node does when it finds a job whose client has died. Returns 1 when it was
 * adopted, 2 when it had ended, 3 when it was started now. */
static int recover(const struct plan_of *plan, uint32_t i)
{
	const struct jl__durable *durable = &plan->jobs[i];
	struct jl_result result = { .size = sizeof(result) };
	struct jl_stats stats = { .size = sizeof(stats) };
	char *failure = NULL;
	jl_job *job = NULL;
	int how = 1, r;

	r = plan->socket[0] ? jl__job_adopt(ctx, plan->socket, durable->id, &job, NULL)
			    : -ESRCH;
	if (r == -ESRCH || r == -ENOENT) {
		how = 2;
		r = jl__record_result(durable->folder, &result, &stats, &failure, NULL);
		if (r == -ENOENT) {
			ck_assert_msg(!jl__record_begun(durable->folder),
				      "job %u was begun, and nobody knows it", i);
			how = 3;
			job = spawn(ctx, drill_job(i), durable);
			r = 0;
		}
	}
	ck_assert_msg(r == 0, "job %u: %d", i, r);
	if (job) {
		ck_ok(jl_job_wait(job, JL_FOREVER, &err));
		(void)jl_job_unref(job);
	}
	result = result_of(durable->folder, JL__LOG_WHOLE);
	ck_assert_int_eq(result.exit_code, 10 + (int)i);
	ck_assert_int_eq(result.reason, JL_REASON_EXITED);
	ck_stream(durable->folder, JL_LOG_STDOUT, "out");
	ck_stream(durable->folder, JL_LOG_STDERR, "err");
	ck_index(durable->folder);
	return how;
}

START_TEST(a_killed_client_loses_nothing)
{
	unsigned int counts[4] = { 0 };
	long rounds = number_of("JOBLET_DRILL", 8);

	seed = (unsigned int)number_of("JOBLET_SEED", (long)getpid());
	note("JOBLET_SEED=%u", seed);
	open_base();
	for (long round = 0; round < rounds; round++) {
		struct plan_of *plan = mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE,
					    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		pid_t pid;

		ck_assert_ptr_ne(plan, MAP_FAILED);
		pid = fork();
		if (pid == 0)
			drill_client(plan);
		pause_for(0.2 * patience * (double)rand_r(&seed) / RAND_MAX);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		for (uint32_t i = 0; i < plan->count; i++) {
			/* The folder's descriptor was the client's. */
			plan->jobs[i].folder = open_folder(plan->jobs[i].id);
			counts[recover(plan, i)]++;
			(void)close(plan->jobs[i].folder);
		}
		(void)munmap(plan, sizeof(*plan));
	}
	note("%u adopted, %u had ended, %u started anew", counts[1], counts[2],
	     counts[3]);
	close_ctx();
	remove_base();
}
END_TEST

START_TEST(a_killed_supervisor_takes_its_jobs_along)
{
	struct jl__durable durable, next;
	struct jl_result result = { .size = sizeof(result) };
	struct jl_stats stats = { .size = sizeof(stats) };
	const char *name;
	char *socket, *failure, *text;
	jl_job *job, *none;
	pid_t pid;

	open_base();
	durable = new_job();
	ck_ok(jl__ctx_supervisor(ctx, &name, &err));
	socket = strdup(name);
	job = spawn(ctx, shell("echo ready; seq 1 100000000; sleep 1000"), &durable);
	pid = supervisor_of(job);
	for (size_t len = 0; len < 100000;) {
		free(content(durable.folder, "log", &len));
		pause_for(0.005);
	}
	ck_assert_int_gt(pid, 1);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_ok(jl_job_wait(job, (uint64_t)(20e6 * patience), &err));
	ck_ok(jl_job_get_result(job, &result, &err));
	ck_assert_int_eq(result.reason, JL_REASON_LOST);
	(void)jl_job_unref(job);
	ck_assert_uint_eq(marked_processes(), 0);
	ck_assert(jl__record_begun(durable.folder));
	ck_assert_int_eq(
		jl__record_result(durable.folder, &result, &stats, &failure, NULL),
		-ENOENT);
	ck_fails(jl__job_adopt(ctx, socket, durable.id, &none, &err), -ESRCH,
		 "no supervisor");
	text = content(durable.folder, "log", NULL);
	ck_assert_int_eq(strncmp(text, "ready\n1\n2\n3\n", 12), 0);
	free(text);
	/* The next one clears its socket away. */
	next = new_job();
	run_durable(command("true", NULL), &next);
	ck_assert_int_eq(access(socket, F_OK), -1);
	(void)close(next.folder);
	(void)close(durable.folder);
	free(socket);
	close_ctx();
	remove_base();
}
END_TEST

START_TEST(a_start_that_fails_is_recorded)
{
	struct jl__durable durable;
	struct jl_result result = { .size = sizeof(result) };
	struct jl_stats stats = { .size = sizeof(stats) };
	char *failure = NULL;
	jl_job_spec *spec = command("/there/is/no/such/command", NULL);
	jl_job *job;

	open_base();
	durable = new_job();
	ck_fails(jl__job_spawn_durable(ctx, spec, &durable, &job, &err), -ENOENT,
		 "/there/is/no/such/command");
	ck_assert(jl__record_begun(durable.folder));
	ck_ok(jl__record_result(durable.folder, &result, &stats, &failure, &err));
	ck_assert_ptr_nonnull(failure);
	ck_assert_msg(strstr(failure, "cannot run the command") != NULL, "%s", failure);
	jl_free(failure);
	jl_job_spec_free(spec);
	(void)close(durable.folder);
	/* What is wrong with the call itself leaves nothing behind. */
	durable = new_job();
	(void)snprintf(durable.id, sizeof(durable.id), "no uuid");
	spec = command("true", NULL);
	ck_fails(jl__job_spawn_durable(ctx, spec, &durable, &job, &err), -EINVAL,
		 "no uuid");
	ck_assert(!jl__record_begun(durable.folder));
	jl_job_spec_free(spec);
	(void)close(durable.folder);
	close_ctx();
	remove_base();
}
END_TEST

START_TEST(a_record_that_is_not_whole_is_none)
{
	struct jl__durable durable;
	struct jl_result result = { .size = sizeof(result) };
	struct jl_stats stats = { .size = sizeof(stats) };
	size_t len;
	char *failure, *bytes;

	open_base();
	durable = new_job();
	run_durable(command("true", NULL), &durable);
	bytes = content(durable.folder, "result", &len);
	ck_assert_uint_gt(len, sizeof(struct jl__record));
	for (size_t i = 0; i < len; i += 1 + len / 97) {
		int fd = openat(durable.folder, "result", O_WRONLY | O_TRUNC | O_CLOEXEC);

		/* Cut off here, or another byte here. */
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(pwrite(fd, bytes, i, 0), (ssize_t)i);
		ck_assert_int_eq(jl__record_result(durable.folder, &result, &stats,
						   &failure, NULL),
				 -ENOENT);
		bytes[i] ^= 0x40;
		ck_assert_int_eq(pwrite(fd, bytes, len, 0), (ssize_t)len);
		ck_assert_int_eq(jl__record_result(durable.folder, &result, &stats,
						   &failure, NULL),
				 -ENOENT);
		bytes[i] ^= 0x40;
		(void)close(fd);
	}
	free(bytes);
	(void)close(durable.folder);
	close_ctx();
	remove_base();
}
END_TEST

START_TEST(strangers_are_hung_up_on)
{
	struct jl__durable durable;
	const char *name;
	char *socket;
	jl_job *job, *none = NULL;
	int status;
	pid_t pid;

	open_base();
	durable = new_job();
	ck_ok(jl__ctx_supervisor(ctx, &name, &err));
	socket = strdup(name);
	job = spawn(ctx, command("sleep", "1000", NULL), &durable);
	/* Even if the folder let them in. */
	ck_assert_int_eq(chmod(base, 0755), 0);
	*strrchr(socket, '/') = '\0';
	ck_assert_int_eq(chmod(socket, 0755), 0);
	socket[strlen(socket)] = '/';
	ck_assert_int_eq(chmod(socket, 0666), 0);
	pid = fork();
	if (pid == 0) {
		jl_ctx *other;

		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(3);
		if (jl_ctx_new(0, &other, NULL) < 0)
			_exit(4);
		_exit(jl__job_adopt(other, socket, durable.id, &none, NULL) == -ESRCH
			      ? 0
			      : 5);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_ok(jl_job_kill(job, &err));
	ck_ok(jl_job_wait(job, JL_FOREVER, &err));
	(void)jl_job_unref(job);
	free(socket);
	(void)close(durable.folder);
	close_ctx();
	remove_base();
}
END_TEST

/* Adopting again and again, while the last job ends and the supervisor leaves. */
START_TEST(whoever_comes_while_it_leaves_gets_an_answer)
{
	unsigned int counts[3] = { 0 };

	open_base();
	for (int round = 0; round < 30; round++) {
		jl_ctx *first = open_ctx(0);
		struct jl__durable durable = new_job();
		const char *name;
		char *socket;
		int r;

		set_sockets(first);
		ck_ok(jl__ctx_supervisor(first, &name, &err));
		socket = strdup(name);
		(void)jl_job_unref(
			spawn(first, command("sleep", "0.02", NULL), &durable));
		jl_ctx_unref(first);
		do {
			jl_job *job;
			jl_ctx *other = open_ctx(0);

			r = jl__job_adopt(other, socket, durable.id, &job, NULL);
			ck_assert_msg(r == 0 || r == -ESRCH || r == -ENOENT, "%d", r);
			counts[r == 0 ? 0 : r == -ENOENT ? 1 : 2]++;
			if (r == 0)
				(void)jl_job_unref(job);
			else
				(void)result_of(durable.folder, JL__LOG_WHOLE);
			jl_ctx_unref(other);
		} while (r == 0);
		free(socket);
		(void)close(durable.folder);
	}
	note("%u adopted, %u were told of no such job, %u of no supervisor", counts[0],
	     counts[1], counts[2]);
	close_ctx();
	remove_base();
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, output_result_and_order_are_in_the_folder);
	tcase_add_test(tcase, another_context_adopts);
	tcase_add_test(tcase, who_cannot_see_its_group_is_told_so);
	tcase_add_test(tcase, a_killed_client_loses_nothing);
	tcase_add_test(tcase, a_killed_supervisor_takes_its_jobs_along);
	tcase_add_test(tcase, a_start_that_fails_is_recorded);
	tcase_add_test(tcase, a_record_that_is_not_whole_is_none);
	tcase_add_test(tcase, strangers_are_hung_up_on);
	tcase_add_test(tcase, whoever_comes_while_it_leaves_gets_an_answer);
}

int main(void)
{
	return harness_main("durable", 240, add);
}
