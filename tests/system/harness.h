/* SPDX-License-Identifier: MIT */
/*
 * Real jobs through the public functions: one context per test, jobs with captured
 * output, and a look afterwards at what was left on the machine. Needs root and little
 * else, so that it runs in the smallest virtual machine.
 */
#ifndef SYSTEM_HARNESS_H
#define SYSTEM_HARNESS_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "results.h"

/* How much longer things may take here than on a bare machine. */
extern double patience;

/* ---- the program ---- */

/* Runs the suite and prints TAP; add() puts the tests into the test case. */
int harness_main(const char *name, double seconds, void (*add)(TCase *tcase));
/* For tests that cannot run here: says why, and fails where that is not allowed. */
bool cannot_run(const char *why);
/* A TAP comment. */
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
double now(void);
void pause_for(double seconds);
/* A number of the environment, or the default. */
long number_of(const char *variable, long otherwise);
/* Inside of the virtual machine: emulated, and slow. */
bool is_slow(void);

/* ---- contexts ---- */

/* With the log connected, so that its groups and its supervisor are looked for later. */
jl_ctx *open_ctx(uint32_t flags);
/* Closes the context of the test now instead of at its end. */
void close_ctx(void);

/* ---- jobs ---- */

/* Descriptions carry a mark by which processes of this run are known on the host. */
jl_job_spec *empty_spec(void);
void put_mark(jl_job_spec *spec);
jl_job_spec *command(const char *first, ...) __attribute__((sentinel));
jl_job_spec *shell(const char *script);

struct run {
	jl_job *job;
	int fds[2]; /* read ends of its output and errors; -1 when at their end */
	char *text[2];
	size_t len[2];
	struct jl_result result;
};

/* Starts with pipes on 1 and 2; the description stays the caller's. */
void run_start_in(struct run *run, jl_ctx *in, jl_job_spec *spec);
void run_start(struct run *run, jl_job_spec *spec);
/* Reads until the text has come out; fails the test when it does not. */
void run_until(struct run *run, const char *text);
/* Reads to the end, waits, and reads the result. */
void run_end(struct run *run);
void run_done(struct run *run);
/* A pipe for standard input: a job that reads from it goes on when this is closed. */
int put_gate(jl_job_spec *spec);
/* All but the last; frees the description. */
void run_spec(struct run *run, jl_job_spec *spec);
/* Runs it and compares what it wrote, then the exit code 0. */
void ck_prints(jl_job_spec *spec, const char *text);
void ck_ended(const struct run *run, int reason, int exit_code);

/* ---- the machine around them ---- */

/* A number behind a key of /proc/PID/status, or -1. */
long status_of(pid_t pid, const char *key);
pid_t supervisor_of(const jl_job *job);
/* Parent of a process with the mark; -1 when none is there. */
pid_t supervisor_of_marked(void);
/* Set by tests that kill supervisors. */
extern bool stale_sockets_ok;
/* So that its supervisor is looked for; runs do that by themselves. */
void remember(const jl_job *job);
/* Descriptors of a process, or -1 when it is gone. */
int fd_count(pid_t pid);
/* How many processes carry the mark. */
unsigned int marked_processes(void);
/* Waits for so many: one that is just becoming its command has no mark for a moment. */
bool marked_become(unsigned int count);
bool is_gone(pid_t pid);
/* Waits for a condition, at most so many seconds (times patience). */
bool becomes(bool (*condition)(void), double seconds);
/* Whether something takes less than so long, if only once of many times: on a busy
 * machine everything has to wait for its turn now and then. */
bool is_done_within(void (*something)(void), double seconds);
bool gone_within(pid_t pid, double seconds);
/* The file of a process's group: controller as v1 calls it. False when it is not there.
 */
bool group_file(pid_t pid, const char *controller, const char *v1_file,
		const char *v2_file, char *text, size_t size);
/* Whether this controller sits in the v2 hierarchy. */
bool on_v2(const char *controller);
/* Groups, supervisors, marked processes, work folders of this run; "" when none. */
const char *leftovers(void);
bool nothing_left(void);

#endif
