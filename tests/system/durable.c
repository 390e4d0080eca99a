/* SPDX-License-Identifier: MIT */
#include "durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

char base[64];

int open_folder(const char *name)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", base, name);
	(void)mkdir(path, 0700);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	return fd;
}

void set_sockets(jl_ctx *of)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/sockets", base);
	(void)close(open_folder("sockets"));
	ck_ok(jl__ctx_set_sockets(of, path, &err));
}

void open_base(void)
{
	(void)snprintf(base, sizeof(base), "/tmp/test-durable-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	set_sockets(ctx);
}

void remove_base(void)
{
	char line[128];

	(void)snprintf(line, sizeof(line), "rm -rf %s", base);
	ck_assert_int_eq(system(line), 0);
}

struct jl__durable new_job(void)
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
char *content(int folder, const char *name, size_t *ret_len)
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

void ck_log(int folder, const char *want)
{
	char *is = content(folder, "log", NULL);

	ck_assert_str_eq(is, want);
	free(is);
}

void until_log(int folder, const char *want)
{
	double end = now() + 60 * patience;
	size_t len = 0;

	while (len < strlen(want) && now() < end) {
		free(content(folder, "log", &len));
		pause_for(0.005);
	}
	ck_log(folder, want);
}

struct jl_result result_of(int folder, uint32_t want_cut)
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

jl_job *spawn(jl_ctx *in, jl_job_spec *spec, const struct jl__durable *durable)
{
	jl_job *job = NULL;

	ck_ok(jl__job_spawn_durable(in, spec, durable, &job, &err));
	jl_job_spec_free(spec);
	remember(job);
	return job;
}

void run_durable(jl_job_spec *spec, const struct jl__durable *durable)
{
	jl_job *job = spawn(ctx, spec, durable);

	ck_ok(jl_job_wait(job, JL_FOREVER, &err));
	(void)jl_job_unref(job);
}

size_t ck_index(int folder)
{
	size_t len, log_len;
	struct jl__log_entry *index =
		(struct jl__log_entry *)content(folder, "log.index", &len);
	uint64_t at = 0;

	free(content(folder, "log", &log_len));
	ck_assert_uint_eq(len % sizeof(*index), 0);
	len /= sizeof(*index);
	for (size_t i = 0; i < len; i++) {
		ck_assert_msg(index[i].offset == at && index[i].size,
			      "entry %zu is %u bytes at %llu, not at %llu", i,
			      index[i].size, (unsigned long long)index[i].offset,
			      (unsigned long long)at);
		at += index[i].size;
	}
	ck_assert_uint_eq(at, log_len);
	free(index);
	return len;
}
