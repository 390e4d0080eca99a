/* SPDX-License-Identifier: MIT */
/* Jobs that outlive their caller: their logs, their records, and finding them again. */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spawn/durable.h"

static char base[64]; /* of this test: sockets, and one folder for each job */

static int open_folder(const char *name)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", base, name);
	(void)mkdir(path, 0700);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	return fd;
}

static void set_sockets(jl_ctx *of)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/sockets", base);
	(void)close(open_folder("sockets"));
	ck_ok(jl__ctx_set_sockets(of, path, &err));
}

static void open_base(void)
{
	(void)snprintf(base, sizeof(base), "/tmp/test-durable-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	set_sockets(ctx);
}

static void remove_base(void)
{
	char line[128];

	(void)snprintf(line, sizeof(line), "rm -rf %s", base);
	ck_assert_int_eq(system(line), 0);
}

static struct jl__durable new_job(void)
{
	struct jl__durable durable = { .folder = -1, .uploads = -1 };
	unsigned char b[16];

	ck_assert_int_eq(getrandom(b, sizeof(b), 0), sizeof(b));
	(void)snprintf(
		durable.id, sizeof(durable.id),
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11],
		b[12], b[13], b[14], b[15]);
	durable.folder = open_folder(durable.id);
	return durable;
}

/* Whole file of a folder; "" when it is not there. Freed by the caller. */
static char *content(int folder, const char *name, size_t *ret_len)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	struct stat st = { 0 };
	char *text;
	size_t len = 0;
	ssize_t got = 1;

	if (fd >= 0)
		ck_assert_int_eq(fstat(fd, &st), 0);
	text = calloc(1, (size_t)st.st_size + 1);
	ck_assert_ptr_nonnull(text);
	while (fd >= 0 && got > 0 && len < (size_t)st.st_size) {
		got = read(fd, text + len, (size_t)st.st_size - len);
		len += got > 0 ? (size_t)got : 0;
	}
	if (fd >= 0)
		(void)close(fd);
	if (ret_len)
		*ret_len = len;
	return text;
}

static void ck_log(int folder, const char *want)
{
	char *is = content(folder, "log", NULL);

	ck_assert_str_eq(is, want);
	free(is);
}

static struct jl_result result_of(int folder, uint32_t want_cut)
{
	struct jl_result result = { .size = sizeof(result) };
	struct jl_stats stats = { .size = sizeof(stats) };
	char *failure = NULL;
	uint32_t cut = 99;

	ck_ok(jl__record_result(folder, &result, &stats, &failure, &err));
	ck_assert_msg(!failure, "%s", failure);
	ck_ok(jl__record_cut(folder, &cut, &err));
	ck_assert_uint_eq(cut, want_cut);
	return result;
}

static jl_job *spawn(jl_ctx *in, jl_job_spec *spec, const struct jl__durable *durable)
{
	jl_job *job = NULL;

	ck_ok(jl__job_spawn_durable(in, spec, durable, &job, &err));
	jl_job_spec_free(spec);
	remember(job);
	return job;
}

START_TEST(output_result_and_order_are_in_the_folder)
{
	struct jl__durable durable;
	struct jl__log_entry *index;
	struct jl_result result = { .size = sizeof(result) };
	size_t len;
	jl_job *job;

	open_base();
	durable = new_job();
	ck_assert(!jl__record_begun(durable.folder));
	ck_assert_int_eq(jl__record_started(durable.folder, &result, NULL), -ENOENT);
	job = spawn(
		ctx,
		shell("echo one; sleep 0.05; echo two >&2; sleep 0.05; echo three; exit 3"),
		&durable);
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
	{
		jl_job_spec *spec = command("true", NULL);

		ck_fails(jl__job_spawn_durable(ctx, spec, &durable, &job, &err), -EEXIST,
			 "started already");
		jl_job_spec_free(spec);
	}
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
	job = spawn(ctx, shell("echo ready; exec sleep 60"), &durable);
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

static void add(TCase *tcase)
{
	tcase_add_test(tcase, output_result_and_order_are_in_the_folder);
	tcase_add_test(tcase, another_context_adopts);
}

int main(void)
{
	return harness_main("durable", 120, add);
}
