/* SPDX-License-Identifier: MIT */
/* The logs of durable jobs: every byte, whoever writes how, and whoever reads how. */
#include "durable.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "logs/logs.h"

static void done(const struct jl__durable *durable)
{
	(void)close(durable->folder);
	close_ctx();
	remove_base();
}

START_TEST(bytes_are_bytes)
{
	struct jl__durable durable;
	char *log;
	size_t len;

	open_base();
	durable = new_job();
	run_durable(
		shell("printf 'a\\000b\\377'; printf '\\001\\002\\r\\n\\000' >&2; printf end"),
		&durable);
	log = content(durable.folder, "log", &len);
	ck_assert_uint_eq(len, 12);
	ck_assert_ptr_nonnull(memmem(log, len, "a\0b\377", 4));
	ck_assert_ptr_nonnull(memmem(log, len, "\1\2\r\n\0", 5));
	free(log);
	ck_index(durable.folder);
	done(&durable);
}
END_TEST

START_TEST(streams_can_be_opened_by_name)
{
	struct jl__durable durable;
	jl_job_spec *spec;
	jl_job *job;
	int gate;

	open_base();
	durable = new_job();
	spec = shell("echo one >/dev/stdout; read go; echo two >/dev/stderr");
	gate = put_gate(spec);
	job = spawn(ctx, spec, &durable);
	until_log(durable.folder, "one\n");
	(void)close(gate);
	ck_ok(jl_job_wait(job, JL_FOREVER, &err));
	(void)jl_job_unref(job);
	ck_log(durable.folder, "one\ntwo\n");
	done(&durable);
}
END_TEST

START_TEST(who_stays_behind_does_not_hold_the_end)
{
	struct jl__durable durable;
	double start;

	open_base();
	durable = new_job();
	start = now();
	run_durable(
		shell("(trap '' TERM HUP; sleep 1000) & setsid sleep 1000 & echo last"),
		&durable);
	ck_assert(now() - start < 20 * patience);
	ck_log(durable.folder, "last\n");
	done(&durable);
}
END_TEST

START_TEST(a_log_has_a_cap)
{
	const char mark[] = "\n[joblet: the log is full at 100000 bytes; what follows "
			    "was dropped]\n";
	struct jl__durable durable;
	char *log;
	size_t len;

	open_base();
	durable = new_job();
	durable.log_bytes = 100000;
	/* Much more than the pipes hold: a job that is not read from would hang. */
	run_durable(shell("yes aaaaaaaaa | head -c 100000000; echo err >&2; exit 7"),
		    &durable);
	log = content(durable.folder, "log", &len);
	ck_assert_uint_eq(len, 100000 + strlen(mark) - 1);
	/* It was cut behind a line: no other line end is needed. */
	ck_assert_str_eq(log + 100000, mark + 1);
	free(log);
	ck_index(durable.folder);
	ck_assert_int_eq(result_of(durable.folder, JL__LOG_FULL).exit_code, 7);
	(void)close(durable.folder);
	durable = new_job();
	durable.log_bytes = 100000;
	run_durable(shell("yes aaaaaaaaaa | head -c 100001"), &durable);
	log = content(durable.folder, "log", &len);
	ck_assert_str_eq(log + 100000, mark);
	free(log);
	(void)close(durable.folder);
	/* Exactly full is whole. */
	durable = new_job();
	durable.log_bytes = 100000;
	run_durable(shell("yes aaaaaaaaaa | head -c 100000"), &durable);
	(void)result_of(durable.folder, JL__LOG_WHOLE);
	done(&durable);
}
END_TEST

/* A disk that is full: the job goes on, its end is known, and the log says it is cut. */
START_TEST(a_full_disk_stops_no_job)
{
	struct jl__durable durable = { .uploads = -1 };
	char path[128];
	size_t len;

	open_base();
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	(void)snprintf(path, sizeof(path), "%s/disk", base);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(mount("disk", path, "tmpfs", 0, "size=1m"), 0);
	(void)snprintf(durable.id, sizeof(durable.id),
		       "01234567-89ab-cdef-0123-456789abcdef");
	(void)close(open_folder("disk/a"));
	durable.folder = open_folder("disk/a");
	run_durable(shell("yes | head -c 20000000; exit 5"), &durable);
	ck_assert_int_eq(result_of(durable.folder, JL__LOG_FAILED).exit_code, 5);
	free(content(durable.folder, "log", &len));
	ck_assert_uint_gt(len, 500000);
	(void)close(durable.folder);
	/* And on one that is full already, none starts. */
	durable.id[0] = '1';
	{
		jl_job_spec *spec = command("true", NULL);
		jl_job *job;

		durable.folder = open_folder("disk/b");
		ck_fails(jl__job_spawn_durable(ctx, spec, &durable, &job, &err), -ENOSPC,
			 "folder of the job");
		jl_job_spec_free(spec);
		ck_assert(!jl__record_begun(durable.folder));
	}
	(void)close(durable.folder);
	ck_assert_int_eq(umount2(path, MNT_DETACH), 0);
	close_ctx();
	remove_base();
}
END_TEST

/* Single bytes of both streams in turn: the index stays in proportion. */
START_TEST(the_index_stays_small)
{
	struct jl__durable durable;
	size_t entries;

	open_base();
	durable = new_job();
	run_durable(shell("i=0; while [ $i -lt 20000 ]; do echo; i=$((i+1)); done"),
		    &durable);
	entries = ck_index(durable.folder);
	note("20000 lines in %zu entries", entries);
	ck_assert_uint_le(entries, 1000);
	(void)close(durable.folder);
	durable = new_job();
	durable.log_bytes = 1000000;
	run_durable(
		shell("i=0; while [ $i -lt 3000 ]; do echo; echo >&2; i=$((i+1)); done"),
		&durable);
	note("3000 lines of both in %zu entries", ck_index(durable.folder));
	done(&durable);
}
END_TEST

/* ---- the pump ---- */

/* The process of a supervisor that has this name; -1 when there is none. */
static pid_t child_named(pid_t parent, const char *name)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	pid_t found = -1;

	ck_assert_ptr_nonnull(proc);
	while (found < 0 && (entry = readdir(proc))) {
		char path[300], text[32] = "";
		pid_t pid = (pid_t)atoi(entry->d_name);
		int fd;

		if (pid <= 0 || status_of(pid, "\nPPid:\t") != parent)
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 &&
		    strncmp(text, name, strlen(name)) == 0)
			found = pid;
		if (fd >= 0)
			(void)close(fd);
	}
	(void)closedir(proc);
	return found;
}

/* "1\n2\n3\n" … up to a number, in so many bytes. */
static void ck_counts(const char *log, size_t len, unsigned long last)
{
	unsigned long number = 0;
	char want[32];
	int digits;

	for (size_t at = 0; at < len; at += (size_t)digits) {
		digits = snprintf(want, sizeof(want), "%lu\n", ++number);
		ck_assert_msg(len - at >= (size_t)digits &&
				      memcmp(log + at, want, (size_t)digits) == 0,
			      "at byte %zu is not %lu", at, number);
	}
	ck_assert_uint_eq(number, last);
}

START_TEST(a_killed_pump_is_replaced)
{
	struct jl__durable durable;
	unsigned int killed = 0;
	jl_job_spec *spec;
	jl_job *job;
	char *log;
	size_t len;
	pid_t pid;
	int gate;

	open_base();
	durable = new_job();
	/* Every one that is killed lets it go on, and it needs some. */
	spec = shell("i=0; while [ $i -lt 10 ]; do "
		     "seq $((i * 100000 + 1)) $(((i + 1) * 100000)); "
		     "read go; read go; i=$((i + 1)); done");
	gate = put_gate(spec);
	job = spawn(ctx, spec, &durable);
	pid = supervisor_of(job);
	while (jl_job_wait(job, 20000, NULL) == -ETIMEDOUT) {
		pid_t pump = child_named(pid, "joblet-log");

		if (pump <= 0 || is_gone(pump) || kill(pump, SIGKILL) < 0)
			continue;
		ck_assert(gone_within(pump, 20));
		killed++;
		(void)write(gate, "\n", 1);
	}
	(void)close(gate);
	ck_ok(jl_job_wait(job, JL_FOREVER, &err));
	(void)jl_job_unref(job);
	note("killed %u times", killed);
	ck_assert_uint_ge(killed, 20);
	log = content(durable.folder, "log", &len);
	ck_counts(log, len, 1000000);
	free(log);
	ck_index(durable.folder);
	(void)result_of(durable.folder, JL__LOG_WHOLE);
	done(&durable);
}
END_TEST

/* ---- followers ---- */

#define FOLLOWERS 20
#define SLOW 5	/* read now and then */
#define GONE 12 /* from here on: leave in between */

struct follower {
	jl_log *log;
	uint64_t at;
	bool ended;
};

struct crowd {
	struct follower list[FOLLOWERS];
	const char *map; /* the log, as far as it is there */
	unsigned int left;
	unsigned int turn;
};

/* What it reads is what is in the log at this place. */
static void read_some(struct crowd *crowd, struct follower *follower)
{
	static char block[1 << 18];
	int64_t got = jl_log_read(follower->log, block, sizeof(block), &err);

	if (got == -EAGAIN)
		return;
	ck_assert_msg(got >= 0, "%s", jl_error_message(err));
	ck_assert_int_eq(memcmp(block, crowd->map + follower->at, (size_t)got), 0);
	follower->at += (uint64_t)got;
	ck_assert_uint_eq(jl_log_get_offset(follower->log), follower->at);
	if (got == 0) {
		follower->ended = true;
		crowd->left--;
	}
}

static void serve(struct crowd *crowd, size_t bytes)
{
	struct pollfd fds[FOLLOWERS];

	for (int i = 0; i < FOLLOWERS; i++)
		fds[i] = (struct pollfd){
			.fd = crowd->list[i].ended ? -1
						   : jl_log_get_fd(crowd->list[i].log),
			.events = POLLIN,
		};
	ck_assert_msg(poll(fds, FOLLOWERS, 60000) > 0, "nobody has news for a minute");
	crowd->turn++;
	for (int i = 0; i < FOLLOWERS; i++) {
		struct follower *follower = &crowd->list[i];

		if (!fds[i].revents || (i < SLOW && crowd->turn % 64))
			continue;
		if (i >= GONE && follower->at > bytes / FOLLOWERS * (size_t)i) {
			jl_log_close(follower->log);
			follower->log = NULL;
			follower->ended = true;
			crowd->left--;
			continue;
		}
		read_some(crowd, follower);
	}
}

START_TEST(twenty_followers_get_every_byte)
{
	size_t bytes = (size_t)number_of("JOBLET_LOG_MIB", 32) << 20, room;
	struct crowd crowd = { .left = FOLLOWERS };
	struct jl__durable durable;
	char script[128];
	struct stat st;
	double start;
	jl_job *job;
	int fd;

	open_base();
	durable = new_job();
	(void)snprintf(script, sizeof(script), "seq 1 1000000000 | head -c %zu", bytes);
	for (int i = 0; i < FOLLOWERS; i++)
		ck_ok(jl__log_open(durable.folder, JL_LOG_FOLLOW, &crowd.list[i].log,
				   &err));
	start = now();
	job = spawn(ctx, shell(script), &durable);
	fd = openat(durable.folder, "log", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	room = bytes + 4096;
	crowd.map = mmap(NULL, room, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(crowd.map, MAP_FAILED);
	while (crowd.left)
		serve(&crowd, bytes);
	note("%zu MiB for %d followers in %.2f s", bytes >> 20, FOLLOWERS, now() - start);
	ck_ok(jl_job_wait(job, JL_FOREVER, &err));
	(void)jl_job_unref(job);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq((size_t)st.st_size, bytes);
	for (int i = 0; i < GONE; i++)
		ck_assert_uint_eq(crowd.list[i].at, bytes);
	ck_assert_int_eq(memcmp(crowd.map, "1\n2\n3\n4\n", 8), 0);
	for (int i = 0; i < FOLLOWERS; i++)
		jl_log_close(crowd.list[i].log);
	(void)munmap((void *)(uintptr_t)crowd.map, room);
	(void)close(fd);
	ck_index(durable.folder);
	done(&durable);
}
END_TEST

/* Live, by stream, with times: what the job wrote last comes before the end. */
START_TEST(followers_of_one_stream_see_all_of_it)
{
	struct jl__durable durable;
	char text[2][65536];
	size_t len[2] = { 0 };
	jl_log *logs[2];
	bool ended[2] = { false };
	jl_job *job;

	open_base();
	durable = new_job();
	for (int i = 0; i < 2; i++)
		ck_ok(jl__log_open(durable.folder,
				   JL_LOG_FOLLOW | (i ? JL_LOG_STDERR : JL_LOG_STDOUT),
				   &logs[i], &err));
	job = spawn(ctx,
		    shell("for i in 1 2 3 4 5 6 7 8 9; do echo out$i; echo err$i >&2; "
			  "sleep 0.01; done; printf last; printf LAST >&2"),
		    &durable);
	while (!ended[0] || !ended[1]) {
		struct pollfd fds[2];

		for (int i = 0; i < 2; i++)
			fds[i] = (struct pollfd){
				.fd = ended[i] ? -1 : jl_log_get_fd(logs[i]),
				.events = POLLIN,
			};
		ck_assert_int_gt(poll(fds, 2, 20000), 0);
		for (int i = 0; i < 2; i++) {
			int64_t got;

			if (!fds[i].revents)
				continue;
			got = jl_log_read(logs[i], text[i] + len[i],
					  sizeof(text[i]) - len[i], &err);
			ck_assert(got >= 0 || got == -EAGAIN);
			len[i] += got > 0 ? (size_t)got : 0;
			ended[i] = got == 0;
		}
	}
	for (int i = 0; i < 2; i++) {
		text[i][len[i]] = '\0';
		jl_log_close(logs[i]);
	}
	ck_assert_str_eq(text[0],
			 "out1\nout2\nout3\nout4\nout5\nout6\nout7\nout8\nout9\nlast");
	ck_assert_str_eq(text[1],
			 "err1\nerr2\nerr3\nerr4\nerr5\nerr6\nerr7\nerr8\nerr9\nLAST");
	ck_ok(jl_job_wait(job, JL_FOREVER, &err));
	(void)jl_job_unref(job);
	done(&durable);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, bytes_are_bytes);
	tcase_add_test(tcase, streams_can_be_opened_by_name);
	tcase_add_test(tcase, who_stays_behind_does_not_hold_the_end);
	tcase_add_test(tcase, a_log_has_a_cap);
	tcase_add_test(tcase, a_full_disk_stops_no_job);
	tcase_add_test(tcase, the_index_stays_small);
	tcase_add_test(tcase, a_killed_pump_is_replaced);
	tcase_add_test(tcase, twenty_followers_get_every_byte);
	tcase_add_test(tcase, followers_of_one_stream_see_all_of_it);
}

int main(void)
{
	return harness_main("durable log", 240, add);
}
