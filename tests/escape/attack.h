/* SPDX-License-Identifier: MIT */
/*
 * The attacker: one static program that runs as root inside a job and tries to get out.
 * Each attack says what it saw with held(), escaped() and untried(); the worst of them is
 * the exit status of the program. Everything is bounded in time by an alarm.
 */
#ifndef ESCAPE_ATTACK_H
#define ESCAPE_ATTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	STATUS_HELD = 0,    /* the attack failed, as it must */
	STATUS_ESCAPED = 1, /* the attack succeeded */
	STATUS_USAGE = 2,
	STATUS_UNTRIED = 3 /* the attack could not be made here; the reason is printed */
};

enum {
	/* Does damage when nothing stands in its way: only runs as PID 1 of a pid
	   namespace. */
	IN_SANDBOX = 1 << 0,
	/* Not an attack by itself: started by the harness, which judges what becomes of
	   it. */
	BY_HARNESS = 1 << 1
};

struct attack {
	const char *name;
	void (*run)(void);
	unsigned int flags;
};

extern const struct attack process_attacks[];
extern const struct attack fs_attacks[];
extern const struct attack view_attacks[];
extern const struct attack proc_attacks[];
extern const struct attack mount_attacks[];
extern const struct attack ns_attacks[];
extern const struct attack syscall_attacks[];
extern const struct attack priv_attacks[];
extern const struct attack net_attacks[];
extern const struct attack wire_attacks[];
extern const struct attack exhaust_attacks[];
extern const struct attack pid1_attacks[];

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* ---- what was seen ---- */

PRINTF_LIKE(1, 2) void held(const char *fmt, ...);
PRINTF_LIKE(1, 2) void escaped(const char *fmt, ...);
PRINTF_LIKE(1, 2) void untried(const char *fmt, ...);
PRINTF_LIKE(1, 2) void note(const char *fmt, ...);
/* The worst seen so far as a STATUS_. */
int verdict(void);

/* ---- what the harness said: key=value arguments ---- */

/* The n-th value of a key, or NULL. */
const char *fact_at(const char *key, unsigned int n);
const char *fact(const char *key);
/* A number; fallback when the key is not there. */
unsigned long fact_number(const char *key, unsigned long fallback);
/* The network the job is in has more than loopback. */
bool has_wire(void);

/* ---- trying ---- */

struct outcome {
	long ret;
	int err; /* errno when ret < 0 */
	int sig; /* signal that ended the child, or 0 */
};

/* Runs fn in a forked child; it returns >= 0, or -1 with errno. */
struct outcome in_child(long (*fn)(void *), void *arg);

/*
 * For calls that a filter or a capability check must refuse at the door: success is an
 * escape, and so is an error that comes from behind the check (EINVAL, EFAULT, …).
 */
void must_refuse(const char *what, struct outcome o);
/* For actions that must fail in whatever way: only success is an escape. */
void must_fail(const char *what, long ret);
/* The same for something opened: also closes it. */
void must_not_open(const char *path, int flags);

struct outcome outcome_of(long ret);

/* A system call by number, made in a child of its own. */
struct call {
	const char *name;
	long nr;
	long args[6];
};
/* Makes it by the native entry, and where the machine has them by others. */
void refuse_calls(const struct call *calls, size_t n);
#define REFUSE(calls) refuse_calls(calls, sizeof(calls) / sizeof((calls)[0]))

/* ---- small helpers ---- */

/* Reads a whole file, NUL-terminated, at most size - 1 bytes. Returns length or -1. */
ssize_t read_file(const char *path, char *buf, size_t size);
bool write_file(const char *path, const char *text);
/* True when the name is one of a NULL-terminated list. */
bool one_of(const char *name, const char *const *list);
/* Calls fn for every entry below path (depth first, bounded); does not follow links. */
struct stat;
void walk(const char *path, int depth,
	  void (*fn)(const char *path, const struct stat *st));
/* Copy this program to a path, with a mode. */
bool copy_self(const char *path, mode_t mode);
/* "/proc/self/mountinfo": calls fn with mount point, its options, type and root. */
void each_mount(void (*fn)(const char *point, const char *opts, const char *type,
			   const char *root));
double now(void);

#endif
