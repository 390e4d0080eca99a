/* SPDX-License-Identifier: MIT */
/*
 * The durable table of jobs: one SQLite file (WAL) in the state folder, shared by every
 * process that has the node open. Owns the file, its schema and its transactions; knows
 * nothing of supervisors, folders or policy. For node/.
 *
 * Whatever is decided from what was read is decided inside one write transaction:
 * jl__store_begin() takes the write lock before the first read.
 */
#ifndef JL_STORE_STORE_H
#define JL_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <joblet/error.h>

struct jl__store;

/* Numbers of a job; UINT64_MAX is "not known", NULL in the table. */
enum jl__number {
	JL__N_NUMBER, /* 0 before it is inserted */
	JL__N_STATE,
	JL__N_PRIORITY, /* as int64_t; always known */
	JL__N_CREATED,
	JL__N_DUE,
	JL__N_NOT_BEFORE, /* PENDING: earliest start of a retry */
	JL__N_START,
	JL__N_END,
	JL__N_EXIT_CODE,
	JL__N_REASON,
	JL__N_SIGNAL,
	JL__N_WALL,
	JL__N_CPU,
	JL__N_MEMORY_PEAK,
	JL__N_IO_READ,
	JL__N_IO_WRITE,
	JL__N_NET_RECEIVED,
	JL__N_NET_SENT,
	JL__N_NET_RECEIVED_PACKETS,
	JL__N_NET_SENT_PACKETS,
	JL__N_CPU_PERCENT,
	JL__N_MEMORY,
	JL__N_IO_BPS,
	JL__N_PIDS,
	JL__N_DISK,
	JL__N_TIMEOUT,
	JL__N_RETRIES,
	JL__N_ATTEMPT,
	JL__N_RUN,    /* folder of the try: 1, 2, … */
	JL__N_SERIES, /* number of the job whose recurrence made it */
	JL__N_UPLOADS,
	JL__N_LOG,
	JL__N_LOG_CUT,
	JL__N_ATTACHED, /* JL__ATTACHED_ bits */
	JL__N_STOPPING, /* somebody asked it to end; no retries */
	JL__N_CHANGE,	/* grows with every change of any job */
	JL__N_COUNT
};

/* The caller stays with the job; its standard input is of the process that has the claim,
 * and gone with that. */
#define JL__ATTACHED_CALLER 1
#define JL__ATTACHED_STDIN 2

/* Texts of a job; NULL is none. */
enum jl__text {
	JL__T_ID,
	JL__T_NAME,
	JL__T_NETWORK,
	JL__T_ADDRESS,
	JL__T_CPUS,
	JL__T_WORK_DIR,
	JL__T_OWNER,
	JL__T_RECURRENCE,
	JL__T_FAILURE,
	JL__T_WARNING,
	JL__T_CLAIM,  /* process that starts or watches it */
	JL__T_SOCKET, /* of its supervisor */
	JL__T_COUNT
};

/*
 * A job as the table has it. Read ones hold their texts in the same allocation; a writer
 * may point them elsewhere, as long as that stays until the row is written.
 */
struct jl__row {
	uint64_t number[JL__N_COUNT];
	const char *text[JL__T_COUNT];
	const char *command; /* words of the command line, each NUL terminated */
	size_t command_len;
	char data[];
};

/* What only some callers ask for. */
struct jl__details {
	char *spec; /* wiped when released */
	size_t spec_len;
	char *uploads; /* paths, each NUL terminated */
	size_t uploads_len;
};

/*
 * Opens the file, made when it is not there, mode 0600, and brings it to the schema of
 * this version. -EOPNOTSUPP without SQLite, -ESTALE for a newer schema, -EACCES, -EPERM,
 * -EBUSY when another program keeps it locked, -EIO when it is damaged, -ENOSPC.
 */
int jl__store_open(const char *path, struct jl__store **ret, jl_error **err);
struct jl__store *jl__store_close(struct jl__store *store);
/* Whether another connection has changed something since the last call. */
int jl__store_changed(struct jl__store *store, bool *ret, jl_error **err);
/*
 * Whether nobody is writing at this moment. SQLite's log is written, and flushed, before
 * what is in it can be seen; when nobody is at it, all of it can be seen or never will.
 */
int jl__store_settled(struct jl__store *store, bool *ret, jl_error **err);

/* Takes the write lock. A durable transaction is on the disk when commit returns; others
 * survive the end of the process, and may be missing, whole, after a power cut. */
int jl__store_begin(struct jl__store *store, bool durable, jl_error **err);
int jl__store_commit(struct jl__store *store, jl_error **err);
/* Nothing to do when there is no transaction. Keeps errno. */
void jl__store_rollback(struct jl__store *store);
/*
 * After deletions: takes what was deleted out of SQLite's log, where older versions of
 * pages stay otherwise until it is written over. Does not wait for readers; when one is
 * in the way, the next call or jl__store_close() tries again.
 */
void jl__store_forget(struct jl__store *store);

/* ---- jobs ---- */

void jl__row_free(struct jl__row *row);
/* Numbers not known, priority 0. */
void jl__row_init(struct jl__row *row);

/* In a transaction. Sets the number. */
int jl__store_insert(struct jl__store *store, struct jl__row *row,
		     const struct jl__details *details, jl_error **err);
/* In a transaction: writes every column back. */
int jl__store_update(struct jl__store *store, struct jl__row *row, jl_error **err);
/* In a transaction. */
int jl__store_delete(struct jl__store *store, uint64_t number, jl_error **err);

/* -ENOENT (without a sentence) when there is none. */
int jl__store_get(struct jl__store *store, uint64_t number, struct jl__row **ret,
		  jl_error **err);
int jl__store_get_id(struct jl__store *store, const char *id, struct jl__row **ret,
		     jl_error **err);
int jl__store_get_details(struct jl__store *store, uint64_t number,
			  struct jl__details *ret, jl_error **err);
void jl__details_done(struct jl__details *details);
/* Number of jobs whose id starts so, at most 4 of them written to ids, for people. */
int jl__store_find_prefix(struct jl__store *store, const char *prefix, char ids[4][37],
			  uint32_t *ret_count, jl_error **err);

/* Rows one after the other; one cursor at a time, ended by 0, a failure or _end().
 * below: only those with a lower number; 0: all. */
int jl__store_list(struct jl__store *store, uint32_t states, const char *name,
		   uint64_t below, uint32_t limit, jl_error **err);
/* Those that are being started, run, or wait for a certain process to start them. */
int jl__store_list_active(struct jl__store *store, jl_error **err);
/* Of ended ones, those to go: beyond the newest keep, or ended before. 0: no such rule.
 */
int jl__store_list_old(struct jl__store *store, uint64_t keep, uint64_t before_usec,
		       uint32_t limit, jl_error **err);
/* 1 with a row, 0 at the end. */
int jl__store_next(struct jl__store *store, struct jl__row **ret, jl_error **err);
void jl__store_end(struct jl__store *store);

/* First job to start now: by priority, then order; not those reserved for another
 * process than me. 1 with a row, 0 without. */
int jl__store_next_pending(struct jl__store *store, const char *me, uint64_t now_usec,
			   struct jl__row **ret, jl_error **err);
/* First job whose time has come. 1 with a row, 0 without. */
int jl__store_next_due(struct jl__store *store, uint64_t now_usec, struct jl__row **ret,
		       jl_error **err);
/* First job that changed after a change. 1 with a row, 0 without. */
int jl__store_next_change(struct jl__store *store, uint64_t after, struct jl__row **ret,
			  jl_error **err);

enum jl__count {
	JL__COUNT_STATE,  /* jobs in a state */
	JL__COUNT_SERIES, /* jobs of a series that have not ended */
	/* Of now: earliest time something is due, passed or not, or a retry may start,
	 * not passed: such a one waits for a slot. UINT64_MAX for none. */
	JL__COUNT_NEXT,
	JL__COUNT_CHANGE, /* last change */
	JL__COUNT_KINDS
};
int jl__store_count(struct jl__store *store, enum jl__count what, uint64_t of,
		    uint64_t *ret, jl_error **err);

/* ---- tries of a job ---- */

/* In a transaction: keeps how the row's present attempt ended. */
int jl__store_add_attempt(struct jl__store *store, const struct jl__row *row,
			  jl_error **err);

/* ---- networks ---- */

struct jl__store_net {
	char name[64];
	char cidr[32];
};
int jl__store_add_net(struct jl__store *store, const char *name, const char *cidr,
		      jl_error **err);
int jl__store_remove_net(struct jl__store *store, const char *name, jl_error **err);
/* Owned list. */
int jl__store_nets(struct jl__store *store, struct jl__store_net **ret, uint32_t *count,
		   jl_error **err);

#endif
