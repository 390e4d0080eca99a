/* SPDX-License-Identifier: MIT */
/*
 * The node behind <joblet/node.h>. Owns the state folder: the store, one folder per job,
 * staged uploads. Every decision about a job is one transaction of the store; what
 * supervisors did in between is read from the job's folder. Private to node/.
 *
 *   <state>/node.db          the store
 *   <state>/jobs/<uuid>/     upload (staged files), and for each try a folder <run> with
 *                            what spawn/durable.h says, or `ended` without a result
 *   <state>/doubt/<uuid>     folders of jobs may be there without a row: an upload that
 *                            is being handed in, or a deletion; locked meanwhile
 *   <state>/staging/         uploads before they are handed in (upload/upload.h)
 *   <state>/swept            the run of the machine for which folders without a row have
 *                            been looked for
 *   <state>/reserve          space that deleting jobs may use when there is no other
 */
#ifndef JL_NODE_NODE_H
#define JL_NODE_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include <joblet/node.h>
#include <joblet/sched.h>

#include "ctx/ctx.h"
#include "store/store.h"

#define JL__NUMBERS 18 /* of jl_node_config_set_number() */
#define JL__CLAIM_MAX 128

struct jl_node_config {
	uint64_t number[JL__NUMBERS];
	char *network; /* NULL: bridge when the caller may make networks, else none */
	bool no_host_network;
};

/* A job that is being started or runs, as far as this process has to do with it. */
struct jl__active {
	struct jl__active *next;
	uint64_t number;
	uint64_t run;
	jl_job *job; /* ours to look after, or NULL */
	int watch;   /* inotify watch of its folder, or -1 */
	bool ended;  /* our handle has, and its result is to be taken in */
	bool seen;   /* while the table is brought up to date */
};

/* A process that looks after jobs; when it ends somebody else has to. */
struct jl__keeper {
	struct jl__keeper *next;
	char claim[JL__CLAIM_MAX];
	int pidfd;
	bool seen;
};

/* Waits here for a slot, with the standard input that only this process has. */
struct jl__held {
	struct jl__held *next;
	uint64_t number;
	jl_job_spec *spec;
};

struct jl_node {
	uint32_t refs; /* under the context's lock */
	pid_t owner;
	jl_ctx *ctx; /* of the caller: for its log hook */
	jl_ctx *own; /* its jobs do not mix with those of the caller */
	struct jl_node_config config;
	struct jl__store *store;
	char *path; /* of the state folder */
	int state_fd;
	int jobs_fd;
	char claim[JL__CLAIM_MAX]; /* this process */
	int epoll_fd;
	int inotify_fd;
	int inotify_store; /* watch of the store */
	jl_sched *sched;
	uint64_t seen_change;
	bool look;		  /* active jobs are to be looked at */
	bool ended;		  /* of those that are ours, some have */
	bool written;		  /* what is in the store's log may not be seen yet */
	uint64_t retained_change; /* when retention was last seen to */
	uint64_t retained_usec;
	uint64_t again_usec; /* when jl__node_again() wants it; UINT64_MAX: not */
	struct jl__active *active;
	struct jl__keeper *keepers;
	struct jl__held *held;
	struct {
		uint64_t number; /* 0: none */
		uint64_t run;
	} failed; /* a start that failed and could not be noted */
};

/* Where the last one of several texts was. */
struct jl__cursor {
	uint32_t index;
	size_t at;
};

struct jl_job_info {
	struct jl__row *row;
	jl_job_spec *spec; /* NULL in lists */
	char *uploads;	   /* each with a NUL behind; NULL in lists */
	size_t uploads_len;
	struct jl__cursor arg;
	struct jl__cursor upload;
	uint64_t disk_used;
};

/* Entry points call it first: -EPERM in a child of the process that opened the node. */
int jl__node_enter(const jl_node *node, jl_error **ret_err);
uint64_t jl__now_usec(void);
void jl__config_done(struct jl_node_config *config);
/* Sets the timer to what is due next. */
int jl__node_plan(jl_node *node, jl_error **err);
/* Has the node processed again at that time, or before, whatever is due. */
int jl__node_again(jl_node *node, uint64_t usec, jl_error **err);

/* ---- identity.c: which process is it ---- */

/* Characters at the front that tell one run of the machine from another. */
#define JL__BOOT_LEN 36
int jl__claim_make(char claim[JL__CLAIM_MAX], jl_error **err);
/* 1 it lives (and *ret_pidfd, when asked for, is a pidfd), 0 it is gone. */
int jl__claim_alive(const char *claim, int *ret_pidfd);
/* Whether the machine has been restarted since. */
bool jl__claim_old_boot(const char *claim);

/* ---- folder.c: folders of jobs ---- */

int jl__folders_open(jl_node *node, jl_error **err);
/* Folder of a job; make: when it is not there. O_RDONLY descriptor or -errno. */
int jl__job_folder(const jl_node *node, const char *id, bool make);
void jl__job_folder_remove(const jl_node *node, const char *id);
/* Where uploads are before they are handed in. */
int jl__staging_folder(const jl_node *node, jl_error **err);
/* Folder of a try of it; 0: of the job itself. */
int jl__run_folder(const jl_node *node, const char *id, uint64_t run, bool make);
/* Says to readers of the log that there will be no result. */
void jl__run_ended(const jl_node *node, const char *id, uint64_t run);
uint64_t jl__run_log_bytes(int run_folder);
/* The space to delete in, made when it is not there; and given free, if there was any. */
void jl__reserve_make(const jl_node *node);
bool jl__reserve_use(const jl_node *node);
/* A locked mark in doubt/, held by its descriptor. It stands for the job it is named
 * after, or for those whose ids it holds, each with a line end behind. */
#define JL__MARK_ENTRY 37
int jl__doubt_begin(const jl_node *node, const char *id, jl_error **err);
void jl__doubt_end(const jl_node *node, const char *id, int fd);
/* Settles what processes that are gone left in doubt. */
int jl__doubt_settle(jl_node *node, jl_error **err);

/* Once after each start of the machine: folders of jobs whose rows did not get to the disk
 * before it went down. */
int jl__folders_sweep(jl_node *node, jl_error **err);

/* ---- change.c ---- */

/* Alters and writes the row, as it is with the write lock held, and returns 1 to have
 * that committed; 0 leaves it. */
typedef int (*jl__change)(jl_node *node, struct jl__row *row, const void *data,
			  jl_error **err);
/*
 * One decision about a job: one transaction, and after it uploads go that nobody can want
 * any more. 1 with the row as it is then (ret may be NULL), 0 when it was left or is gone.
 */
int jl__row_change(jl_node *node, uint64_t number, bool durable, jl__change change,
		   const void *data, struct jl__row **ret, jl_error **err);

/* ---- start.c ---- */

/* Makes the row INITIALIZING and ours; in the transaction of the caller. socket stays
 * until it is written. */
void jl__row_claim(const jl_node *node, struct jl__row *row, const char *socket);
/* Starts a job that is ours and committed. The code of the start; the row is brought up
 * to date either way. */
int jl__start(jl_node *node, struct jl__row *row, jl_job_spec *spec, jl_error **err);
/* A job whose supervisor has it is RUNNING from here on, if it is still this try; ended
 * at once when somebody asked for that. 1, or 0. */
int jl__mark_running(jl_node *node, const struct jl__row *row, jl_job *job,
		     jl_error **err);
/* Notes a failed start that could not be noted when it failed. */
int jl__failed_note(jl_node *node, jl_error **err);
/* Starts jobs that wait, as far as there are slots. */
int jl__queue_run(jl_node *node, jl_error **err);

/* ---- end.c ---- */

/* In the caller's transaction: the row ends, or gets another attempt. */
int jl__row_end(jl_node *node, struct jl__row *row, int state, jl_error **err);
/* In the caller's transaction: one that never ran never will; its runs neither. */
int jl__row_cancel(jl_node *node, struct jl__row *row, jl_error **err);
/* Takes in the result of a try that has one. 1 when it did, 0 when there is none (yet).
 */
int jl__take_result(jl_node *node, const struct jl__row *row, jl_error **err);
/* Nobody knows how it ended. */
int jl__take_lost(jl_node *node, const struct jl__row *row, const char *why,
		  jl_error **err);

/* ---- look.c: what became of active jobs ---- */

/* Takes in what has happened, looks after jobs of processes that are gone, and watches
 * the others. Does nothing when there is no news. */
int jl__look(jl_node *node, jl_error **err);
/* Leaves the jobs of this handle to others; those that need it are canceled. */
void jl__let_go(jl_node *node);
/* Only takes in what has happened, for those who are gone in a moment. What cannot be
 * written for want of space is for later. */
int jl__glance(jl_node *node, jl_error **err);

/* ---- active.c ---- */

/* Entry of the table; NULL: none. */
struct jl__active *jl__active_find(const jl_node *node, uint64_t number);
/* The one with this handle; NULL: none. */
struct jl__active *jl__active_of(const jl_node *node, const jl_job *job);
int jl__active_add(jl_node *node, const struct jl__row *row, jl_job *job, jl_error **err);
void jl__active_drop(jl_node *node, struct jl__active *active);
void jl__active_done(jl_node *node);
/* A handle of a running job, adopted if need be, with a reference. */
int jl__active_job(jl_node *node, const struct jl__row *row, jl_job **ret,
		   jl_error **err);
/* Watches a job that another process looks after. 1, or 0 when that one is gone. */
int jl__active_watch(jl_node *node, const struct jl__row *row, jl_error **err);
/* Wakes the node when that process ends. 1, or 0 when it is gone. */
int jl__keeper_watch(jl_node *node, const char *claim, jl_error **err);
/* Around a round in which every active job is looked at: what was not seen goes. */
void jl__active_begin(jl_node *node);
void jl__active_sweep(jl_node *node);
bool jl__keeper_gone(const jl_node *node);
/* Events of the watches. */
void jl__watch_drain(jl_node *node);

/* ---- due.c ---- */

/* Jobs whose time has come join the queue; recurring ones make a run. */
int jl__due_run(jl_node *node, jl_error **err);
/* The first time of a rule after another one that is later than now. */
int jl__due_next(const char *rule, uint64_t last, uint64_t now, uint64_t *ret,
		 jl_error **err);

/* ---- remove.c ---- */

/* After the commit of an end: what was uploaded is not needed any more. Those of a
 * recurring job are shared by its runs and go when nobody can want them. */
void jl__uploads_drop(jl_node *node, const struct jl__row *row);
/* Removes what is older than it is to be kept, in steps. */
int jl__retain(jl_node *node, jl_error **err);

/* ---- info.c ---- */

int jl__info_new(struct jl__row *row, jl_job_info **ret, jl_error **err);
/* The same, with what only single jobs are asked for. Takes the row. */
int jl__info_full(jl_node *node, struct jl__row *row, jl_job_info **ret, jl_error **err);
/* -EINVAL, -ENOENT, -EEXIST with a sentence. */
int jl__find(jl_node *node, const char *id, struct jl__row **ret, jl_error **err);
int jl__get_number(jl_node *node, uint64_t number, struct jl__row **ret, jl_error **err);

/* ---- live.c ---- */

/* Fills in what is only known while it runs. */
void jl__info_live(jl_node *node, jl_job_info *info);

/* ---- defaults.c ---- */

/* Completes a description by the node's defaults and refuses what is above its caps.
 * *ret_warning: defaults that cannot be applied here, owned; NULL for none. */
int jl__defaults(jl_node *node, jl_job_spec *spec, uint64_t *disk_bytes,
		 char **ret_warning, jl_error **err);

/* ---- nets.c ---- */

int jl__nets_restore(jl_node *node, jl_error **err);

/* The folder of its try, below that of the job; 0 when it never ran. */
static inline uint64_t jl__row_run(const struct jl__row *row)
{
	return row->number[JL__N_RUN] == UINT64_MAX ? 0 : row->number[JL__N_RUN];
}

static inline bool jl__row_is_active(const struct jl__row *row)
{
	return row->number[JL__N_STATE] == JL_STATE_INITIALIZING ||
	       row->number[JL__N_STATE] == JL_STATE_RUNNING;
}

#endif
