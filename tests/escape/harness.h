/* SPDX-License-Identifier: MIT */
/*
 * The outer half of the escape tests: starts jobs with the attacker inside through rnx,
 * prepares on the host what must not be reached, and looks afterwards for what was left.
 * Prints TAP with a line per attack. Needs nothing but a C library, so that it runs in
 * the smallest virtual machine.
 */
#ifndef ESCAPE_HARNESS_H
#define ESCAPE_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define OUTPUT_MAX (1 << 18)
#define WORDS_MAX 200

extern const char *rnx_path, *attack_path;

/* ---- results ---- */

void tap_result(bool good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void tap_skip(const char *name, const char *why);
void tap_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Prints the plan; returns the exit status of the program. */
int tap_done(void);

/* ---- a run of rnx ---- */

struct run {
	const char *words[WORDS_MAX]; /* arguments of rnx */
	size_t n_words;
	int stdio[3]; /* descriptor to use; -1: pipe (stderr joins stdout); -2: closed */
	bool gets_attacker; /* the program's bytes go to its standard input */
	bool holds_input; /* standard input stays open until the job has been looked at */
	bool own_terminal; /* a terminal of stdio becomes the controlling one of rnx */
	const char *const *env; /* more variables of rnx's environment, or NULL */
	/* state */
	pid_t pid;
	int in, out;
	size_t sent, len;
	char output[OUTPUT_MAX];
	double started, seconds;
	/* result */
	int status; /* exit code of rnx, 128 + signal, or -1 when it did not end in time
		     */
};

void run_init(struct run *r);
void run_add(struct run *r, const char *word);
void run_add_all(struct run *r, const char *const *words);
/* The words for the attacker inside the job: flags, then the attack and what it may know.
 * It comes through standard input. */
void run_attack_words(struct run *r, const char *const *flags, const char *attack);
/* The same where standard input is needed: it comes as an upload. */
void run_upload_words(struct run *r, const char *attack);
bool run_start(struct run *r);
/* Goes on until the text has come out, the output has ended or the time is over. */
bool run_until(struct run *r, const char *text, double seconds);
/* Waits for the end; kills rnx when it takes longer. */
void run_finish(struct run *r, double seconds);
/* All of it. */
void run_whole(struct run *r, double seconds);
/* Output as TAP comments: all of it or only lines that start so. */
void run_show(const struct run *r, const char *prefix);

/* ---- the host around it ---- */

bool host_prepare(void);
void host_done(void);
extern const char *host_facts[];
extern size_t host_facts_count;
/* "ESCAPE_RUN=…", by which processes of our jobs are known on the host. */
extern char host_mark[64];
extern char host_secret[64], host_folder[128], host_secret_path[160];
/* Called in the child that becomes rnx: descriptors, keys and variables it must not pass.
 */
void host_burden(void);

/* Processes, cgroups, names: true when nothing of our jobs is left; says what is. */
bool host_is_clean(const char *after);
/* How many processes of our jobs there are. */
unsigned int host_count_processes(void);
/* Seconds that a neighbour job and a program of the host take; < 0 when they fail. */
double host_neighbour_seconds(void);
double host_program_seconds(void);
double host_now(void);
/* How much slower than usual this machine is, at least 1: limits of time are multiplied.
 */
extern double host_slowness;
/* What is waited for may have to wait for others in its turn. */
#define CROWDED 4
/* Every way once, where time is short: JOBLET_ESCAPE_QUICK=1. */
extern bool host_quick;

/* The machine of the tests, and what stands behind it: HOST_OUTSIDE answers at port 80.
 */
#define HOST_OUTSIDE "203.0.113.2"
bool host_net_make(void);
void host_net_end(void);
/* The process that answers there: a child of ours that is nobody's leftover. */
extern pid_t host_outside;
/* Ports of bridges and elements of rules that are there; names of ports are added. */
unsigned int host_net_left(char *names, size_t size);

void host_cgroups_enter(void);
unsigned int host_cgroups_left(char *names, size_t size);
void host_cgroups_leave(void);

/* ---- the parts ---- */

void part_attacks(void);
void part_variants(void);
void part_start(void);
void part_streams(void);
void part_teeth(void);
void part_exhaust(void);
void part_pid1(void);
void part_matrix(void);

#endif
