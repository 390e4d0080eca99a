/* SPDX-License-Identifier: MIT */
/*
 * Flags: one table for all commands (flags.c), one parser for the words before and after
 * the verb. Numbers are checked here; names, paths and core lists are checked by the
 * library when the description of the job is made. Prints nothing.
 */
#ifndef RNX_OPTIONS_H
#define RNX_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order help shows them. */
enum flag {
	/* of run */
	FLAG_MAX_CPU,
	FLAG_MAX_MEMORY,
	FLAG_MAX_IOBPS,
	FLAG_MAX_PIDS,
	FLAG_CPU_CORES,
	FLAG_DISK,
	FLAG_TIMEOUT,
	FLAG_NETWORK,
	FLAG_ALLOW_NET,
	FLAG_MAX_NET_BPS,
	FLAG_PUBLISH,
	FLAG_UPLOAD,
	FLAG_UPLOAD_DIR,
	FLAG_ENV,
	FLAG_SECRET_ENV,
	FLAG_WORK_DIR,
	FLAG_HOSTNAME,
	FLAG_NAME,
	FLAG_USER,
	FLAG_SECCOMP,
	FLAG_INIT,
	FLAG_DETACH,
	FLAG_INTERACTIVE,
	FLAG_SCHEDULE,
	FLAG_EVERY,
	FLAG_CRON,
	FLAG_RETRIES,
	FLAG_PRIORITY,
	FLAG_RM,
	FLAG_EXPLAIN,
	/* of others */
	FLAG_STATUS,
	FLAG_LIMIT,
	FLAG_INCLUDE_COMPLETED,
	FLAG_WORKFLOW,
	FLAG_DETAIL,
	FLAG_FOLLOW,
	FLAG_WAIT,
	FLAG_NO_FOLLOW,
	FLAG_TAIL,
	FLAG_LINES,
	FLAG_SINCE,
	FLAG_TIMESTAMPS,
	FLAG_STDOUT,
	FLAG_STDERR,
	FLAG_FORCE,
	FLAG_CIDR,
	FLAG_VERBOSE,
	/* of all */
	FLAG_SERVER,
	FLAG_NODE,
	FLAG_CONFIG,
	FLAG_STATE_DIR,
	FLAG_JSON,
	FLAG_QUIET,
	FLAG_HELP,
	FLAG_VERSION,
	FLAG_COUNT
};

/* Where a flag belongs. */
enum {
	SCOPE_ANY = 1 << 0,
	SCOPE_RUN = 1 << 1,
	SCOPE_LIST = 1 << 2,
	SCOPE_STATUS = 1 << 3,
	SCOPE_LOG = 1 << 4,
	SCOPE_STOP = 1 << 5,
	SCOPE_WAIT = 1 << 6,
	SCOPE_NETWORK_CREATE = 1 << 7,
	SCOPE_NODES = 1 << 8
};

struct flag_info {
	const char *name; /* without "--" */
	char letter;	  /* 0 when there is no short form */
	uint32_t scope;
	const char *value; /* what stands for the value in help; NULL: a switch */
	const char *help;
	const char *rule; /* "must be …", for errors */
};

extern const struct flag_info flag_table[FLAG_COUNT];

/* Flags of other versions, and of ours to come; NULL terminated. */
extern const char *const flags_not_here[];

/* What a flag does, which with one name may differ by the scope of the command. */
const char *flag_help(enum flag flag, uint32_t scope);
/* Name of the command of a scope: "run". */
const char *scope_name(uint32_t scope);
/* The flag that was probably meant, or NULL. */
const char *flag_meant(const char *name);

/* A flag that may be given more than once: env, secret-env, upload, allow-net … */
struct repeated {
	enum flag flag;
	const char *text; /* borrowed from argv */
};

/* What was given. Of a flag given twice the last one counts, others add up. */
struct options {
	uint64_t seen; /* bit n: flag n was given */
	const char
		*given[FLAG_COUNT]; /* last value as written, for messages; else NULL */
	struct repeated *repeated;  /* in the order given */
	size_t repeated_count;

	uint32_t cpu_percent;
	uint64_t memory_bytes, io_bps, pids, disk_bytes, net_bps;
	uint64_t timeout_usec;
	uint32_t uid, gid;
	uint32_t retries;
	int priority;
	int seccomp;	 /* a JL_SECCOMP_ value */
	uint32_t states; /* bit n: JL_STATE_ value n */
	uint32_t limit;
	uint64_t tail; /* lines */

	const char *command; /* what to ask rnx help for, NULL: not known yet */

	bool help, version, json, quiet;
	bool init, rm, explain, detach, interactive;
	bool follow, no_follow, timestamps, only_stdout, only_stderr;
	bool force, verbose;
	/* The command stood behind "job": ids are shown as UUIDs, as newer clients do. */
	bool under_job;

	/* Borrowed from argv; NULL when not given. network NULL is the node's default. */
	const char *cpu_cores, *work_dir, *hostname, *name, *network;
	const char *schedule, *every, *cron, *since, *cidr;
	const char *server, *node, *config, *state_dir;
};

#define OPTIONS_ERROR_MAX 1024

static inline bool options_has(const struct options *opts, enum flag flag)
{
	return opts->seen >> flag & 1;
}

/* How many there are of a repeated flag. */
size_t options_count(const struct options *opts, enum flag flag);

/* Defaults, before the first options_parse(). */
void options_init(struct options *opts);
/*
 * Parses flags from argv[*index] on, up to the first word that is not a flag, or behind
 * "--". Stops behind --help and --version. Whether a flag fits the command is asked with
 * options_outside(). Returns 0, 1 behind a "--", -EINVAL with one sentence in error, or
 * -ENOMEM.
 */
int options_parse(struct options *opts, int argc, char **argv, int *index,
		  char error[OPTIONS_ERROR_MAX]);
/* First flag that was given and is none of these scopes, or FLAG_COUNT. */
enum flag options_outside(const struct options *opts, uint32_t scope);
/* Releases what the parser allocated. */
void options_done(struct options *opts);

#endif
