/* SPDX-License-Identifier: MIT */
/*
 * Output of durable jobs, through the inside of the library:
 *
 *   log rate MIB        MB/s of 100-byte lines, one write each: through the log, into a
 *                       file by the writer itself, through a pipe and cat
 *   log latency COUNT   from a line's write to its arrival at a follower, µs, one a line
 *   log memory JOBS     KiB of the supervisor and its pump before and while so many run
 *
 * It uploads itself as the program that writes, so it needs no other.
 */
#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "logs/logs.h"
#include "spawn/durable.h"

#define LINE 100
#define WRITER "/work/writer"
#define BEAT_USEC 2000
#define MEMORY_MAX 2000

static char base[] = "/var/tmp/joblet-bench-log-XXXXXX";
static int staged = -1;
static jl_ctx *ctx;
static jl_error *err;

static int complain(const char *what)
{
	fprintf(stderr, "log: %s: %s\n", what, jl_error_message(err));
	return 0;
}

/* ---- inside of the job ---- */

static int write_lines(unsigned long lines)
{
	char line[LINE];

	memset(line, 'x', sizeof(line));
	line[LINE - 1] = '\n';
	while (lines--)
		if (write(1, line, sizeof(line)) != LINE)
			return 1;
	return 0;
}

static int beat(unsigned long count)
{
	while (count--) {
		char line[64];
		int len;

		(void)usleep(BEAT_USEC);
		len = snprintf(line, sizeof(line), "%" PRIu64 "\n", loop_now());
		if (write(1, line, (size_t)len) != len)
			return 1;
	}
	return 0;
}

/* ---- around it ---- */

static int open_folder(const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", base, name);
	(void)mkdir(path, 0700);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int copy_self(void)
{
	char block[65536];
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = openat(staged, "writer", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	ssize_t got;

	if (from < 0 || to < 0)
		return 0;
	while ((got = read(from, block, sizeof(block))) > 0)
		if (write(to, block, (size_t)got) != got)
			return 0;
	(void)close(from);
	(void)close(to);
	return got == 0;
}

static int prepare(void)
{
	char path[128];

	if (!mkdtemp(base))
		return 0;
	staged = open_folder("staged");
	(void)snprintf(path, sizeof(path), "%s/sockets", base);
	(void)close(open_folder("sockets"));
	if (staged < 0 || !copy_self())
		return 0;
	if (jl_ctx_new(JL_CTX_MOVE_SELF, &ctx, &err) < 0)
		return complain("cannot open a context");
	if (jl__ctx_set_sockets(ctx, path, &err) < 0)
		return complain("cannot set the folder of sockets");
	return 1;
}

static void clean_up(void)
{
	char line[160];

	jl_ctx_unref(ctx);
	(void)snprintf(line, sizeof(line), "rm -rf %s", base);
	if (system(line) != 0)
		fprintf(stderr, "log: cannot remove %s\n", base);
}

static jl_job *start(const char *mode, const char *number, int *ret_folder)
{
	struct jl__durable durable = { .uploads = staged };
	unsigned char b[16];
	jl_job_spec *spec;
	jl_job *job = NULL;
	int r;

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		return NULL;
	(void)snprintf(
		durable.id, sizeof(durable.id),
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11],
		b[12], b[13], b[14], b[15]);
	durable.folder = *ret_folder = open_folder(durable.id);
	if (jl_job_spec_new(&spec) < 0)
		return NULL;
	r = jl_job_spec_add_arg(spec, WRITER, &err);
	if (r == 0)
		r = jl_job_spec_add_arg(spec, mode, &err);
	if (r == 0)
		r = jl_job_spec_add_arg(spec, number, &err);
	/* The others have no filter either. */
	if (r == 0)
		r = jl_job_spec_set_seccomp(spec, JL_SECCOMP_OFF, &err);
	if (r == 0)
		r = jl__job_spawn_durable(ctx, spec, &durable, &job, &err);
	jl_job_spec_free(spec);
	if (r < 0)
		(void)complain("cannot start a job");
	return job;
}

static int end(jl_job *job)
{
	struct jl_result result = { .size = sizeof(result) };
	int well = jl_job_wait(job, JL_FOREVER, &err) == 0 &&
		   jl_job_get_result(job, &result, &err) == 0 && result.exit_code == 0;

	jl_job_unref(job);
	return well ? 1 : complain("a job failed");
}

/* ---- rate ---- */

static double mb_per_s(unsigned long lines, uint64_t nsec)
{
	return (double)lines * LINE * 1000 / (double)nsec;
}

static int rate_log(unsigned long lines, const char *number, double *ret)
{
	struct jl__log_entry first;
	int folder, index;
	struct stat st;
	uint64_t began;
	jl_job *job = start("write", number, &folder);
	int well;

	if (!job)
		return 0;
	began = loop_now();
	well = end(job);
	*ret = mb_per_s(lines, loop_now() - began);
	index = openat(folder, "log.index", O_RDONLY | O_CLOEXEC);
	well = well && read(index, &first, sizeof(first)) == sizeof(first) &&
	       fstatat(folder, "log", &st, 0) == 0 &&
	       (unsigned long)st.st_size == lines * LINE;
	(void)unlinkat(folder, "log", 0);
	(void)close(index);
	(void)close(folder);
	return well;
}

static int rate_bare(const char *number, unsigned long lines, const char *to, double *ret)
{
	char line[512];
	uint64_t began = loop_now();
	int r;

	(void)snprintf(line, sizeof(line), "%s/staged/writer write %s %s %s/bare", base,
		       number, to, base);
	r = system(line);
	*ret = mb_per_s(lines, loop_now() - began);
	(void)snprintf(line, sizeof(line), "%s/bare", base);
	(void)unlink(line);
	return r == 0;
}

static int rate(const char *mib)
{
	unsigned long lines = (strtoul(mib, NULL, 10) << 20) / LINE;
	double by_log, by_file, by_cat;
	char number[32];

	(void)snprintf(number, sizeof(number), "%lu", lines);
	if (!rate_log(lines, number, &by_log) ||
	    !rate_bare(number, lines, ">", &by_file) ||
	    !rate_bare(number, lines, "| cat >", &by_cat))
		return 0;
	printf("%.1f %.1f %.1f\n", by_log, by_file, by_cat);
	return 1;
}

/* ---- latency ---- */

static int latency(const char *count)
{
	char data[65536];
	int folder;
	jl_job *job = start("beat", count, &folder);
	jl_log *log;
	int64_t got;

	if (!job)
		return 0;
	if (jl__log_open(folder, JL_LOG_FOLLOW, &log, &err) < 0)
		return complain("cannot follow the log");
	while ((got = jl_log_read(log, data, sizeof(data) - 1, &err)) != 0) {
		struct pollfd ready = { jl_log_get_fd(log), POLLIN, 0 };
		uint64_t now = loop_now();

		if (got == -EAGAIN)
			(void)poll(&ready, 1, -1);
		else if (got < 0)
			return complain("cannot read the log");
		if (got <= 0)
			continue;
		data[got] = '\0';
		for (char *line = strtok(data, "\n"); line; line = strtok(NULL, "\n"))
			printf("%.1f\n", (double)(now - strtoull(line, NULL, 10)) / 1000);
	}
	jl_log_close(log);
	(void)close(folder);
	return end(job);
}

/* ---- memory ---- */

static int parent_of(int pid)
{
	char path[64], line[512], *close_;
	int parent = -1;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (file && fgets(line, sizeof(line), file)) {
		close_ = strrchr(line, ')');
		if (!close_ || sscanf(close_ + 1, " %*c %d", &parent) != 1)
			parent = -1;
	}
	if (file)
		(void)fclose(file);
	return parent;
}

static int is_ours(int pid, int supervisor)
{
	char path[64], name[32] = "";
	FILE *file;

	if (pid != supervisor && parent_of(pid) != supervisor)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "re");
	if (file && !fgets(name, sizeof(name), file))
		name[0] = '\0';
	if (file)
		(void)fclose(file);
	return strncmp(name, "joblet-", 7) == 0;
}

/* Of the supervisor, the pump and the maker, with their share of what they share. */
static unsigned long family_kib(int supervisor)
{
	unsigned long kib, sum = 0;
	char path[64], line[256];

	for (int pid = supervisor; pid < supervisor + 64; pid++) {
		FILE *file;

		if (!is_ours(pid, supervisor))
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
		file = fopen(path, "re");
		while (file && fgets(line, sizeof(line), file))
			if (sscanf(line, "Pss: %lu", &kib) == 1)
				sum += kib;
		if (file)
			(void)fclose(file);
	}
	return sum;
}

static int memory(const char *text)
{
	static jl_job *jobs[MEMORY_MAX];
	unsigned int want = (unsigned int)strtoul(text, NULL, 10), running = 0;
	int folder, supervisor = -1, r = 1;

	if (want < 2 || want > MEMORY_MAX)
		return 0;
	for (; running < want; running++) {
		jobs[running] = start("beat", "1000000", &folder);
		(void)close(folder);
		if (!jobs[running])
			break;
		if (running == 0) {
			supervisor = parent_of(jl_job_get_pid(jobs[0]));
			printf("1 %lu\n", family_kib(supervisor));
		}
	}
	printf("%u %lu\n", running, family_kib(supervisor));
	for (unsigned int i = 0; i < running; i++)
		(void)jl_job_kill(jobs[i], NULL);
	for (unsigned int i = 0; i < running; i++) {
		if (jl_job_wait(jobs[i], JL_FOREVER, NULL) < 0)
			r = 0;
		jl_job_unref(jobs[i]);
	}
	return r && running == want;
}

int main(int argc, char **argv)
{
	struct rlimit files;
	const char *mode = argc == 3 ? argv[1] : "";
	int r;

	if (strcmp(mode, "write") == 0)
		return write_lines(strtoul(argv[2], NULL, 10));
	if (strcmp(mode, "beat") == 0)
		return beat(strtoul(argv[2], NULL, 10));
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	if (!prepare())
		return 1;
	if (strcmp(mode, "rate") == 0) {
		r = rate(argv[2]);
	} else if (strcmp(mode, "latency") == 0) {
		r = latency(argv[2]);
	} else if (strcmp(mode, "memory") == 0) {
		r = memory(argv[2]);
	} else {
		fprintf(stderr, "usage: log rate MIB | latency COUNT | memory JOBS\n");
		r = 0;
	}
	clean_up();
	return !r;
}
