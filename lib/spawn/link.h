/* SPDX-License-Identifier: MIT */
/*
 * The connection of a context to its supervisor, and the jobs on it. Private to spawn/.
 * Starts the supervisor, sends requests, takes in replies, and cleans up after a
 * supervisor that died. Called on the context's thread; what other threads may touch
 * (jl_job_kill, _ref, _unref) is guarded by the context's lock.
 */
#ifndef JL_SPAWN_LINK_H
#define JL_SPAWN_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "cgroup/cgroup.h"
#include "ctx/ctx.h"
#include "net/net.h"
#include "plan/plan.h"
#include "rootfs/rootfs.h"

enum jl__job_state { JL__JOB_STARTING, JL__JOB_RUNNING, JL__JOB_FAILED, JL__JOB_ENDED };

struct jl_job {
	uint32_t refs;	       /* handles of the user; the link's list holds none */
	jl_ctx *ctx;	       /* referenced while refs > 0 */
	struct jl__link *link; /* NULL once it is on no list of the link */
	jl_job *next, *prev;
	bool event_waiting;
	bool keep; /* goes on without its context */
	enum jl__job_state state;
	uint32_t number; /* on the connection */
	uint32_t group;
	char id[JL__ID_SIZE];
	char address[16];	     /* in its network; "" without one */
	jl_net *net;		     /* of its place; NULL without one */
	struct jl__net_place *place; /* until its end */
	int pidfd;
	struct jl__failure failure;
	char *failure_text; /* what failed, or NULL */
	struct jl_result result;
	struct jl_stats stats;
	bool stats_known;
};

struct jl__link {
	jl_ctx *ctx;
	int fd;	   /* -EBADF: no supervisor */
	int pidfd; /* of the supervisor */
	int ready; /* what it said to our hello: 0 nothing yet, 1, or a negative errno */
	int devnull;
	pid_t owner; /* a child of it has a copy of all this, and no business with it */
	uint32_t next_number;
	bool privileged;
	struct jl__cg_nest nest; /* descriptors closed */
	char *nest_why;		 /* what it lacks; NULL when nothing */
	jl_job *running;
	jl_job *ended_first, *ended_last;
	char *work_path;       /* folder for /work on disk, once sent */
	struct jl__tree *view; /* the last one, and what it was made for */
	char *view_key;
	uint64_t view_usec;
	struct jl__ops ops; /* what completed the last one, and what it was made for */
	struct jl__scratch scratch;
	char *socket;		  /* where the supervisor listens; NULL: nowhere */
	struct jl__link *adopted; /* the next one to another context's supervisor */
	jl_net *net;		  /* of the last job that had one */
	uint32_t net_starts;	  /* jobs of it in a row */
	/* In it, the oldest first; the supervisor has them and lays them ahead. */
	struct jl__net_place *spares[JL__SPARES_MAX];
	uint32_t spare_count;
	const jl_job *waited_for; /* its end needs no event */
	void *inbox;		  /* JL__REPLY_MAX bytes */
};

/* The context's own link, with or without a supervisor. */
int jl__link_make(jl_ctx *ctx, struct jl__link **ret, jl_error **err);
/* One more, to the supervisor behind a connected socket (durable.c). Takes fd. */
int jl__link_connect(struct jl__link *own, int fd, const char *socket,
		     struct jl__link **ret, jl_error **err);
/* Closes those to other contexts' supervisors that have no job left. */
void jl__links_tidy(struct jl__link *own);
/* The link with a living supervisor, started when there is none. */
int jl__link_get(jl_ctx *ctx, struct jl__link **ret, jl_error **err);
/* -EPERM with a sentence in a child of the process that started the supervisor. */
int jl__link_owned(const struct jl__link *link, jl_error **err);
/* Starts the supervisor of a link (start.c). */
int jl__link_start(struct jl__link *link, jl_error **err);
/* Waits until the supervisor is ready for jobs; before that it takes in requests already.
 */
int jl__link_ready(struct jl__link *link, jl_error **err);
/* Connects to a socket by its absolute path (listen.c): the descriptor or -errno. */
int jl__socket_connect(const char *path);
/* Has the supervisor listen where the context says (listen.c). */
int jl__link_listen(struct jl__link *link, jl_error **err);
/* Makes sure the supervisor has a folder for /work on disk (work.c). */
int jl__link_work(struct jl__link *link, jl_error **err);
/* Removes what dead supervisors left in the state folder (work.c). */
void jl__link_sweep_work(struct jl__link *link);
/* One message; -ECONNRESET when the supervisor is gone. */
int jl__link_send(struct jl__link *link, const void *head, size_t head_len,
		  const void *body, size_t body_len, const int *fds, uint32_t fd_count);
/* Takes in replies until there are none, or, with wait, until at least one came. */
int jl__link_receive(struct jl__link *link, int wait_msec);
/* Puts a job on the list; from then on replies reach it. */
void jl__link_add(struct jl__link *link, jl_job *job);
/* Takes it off again. */
void jl__link_drop(struct jl__link *link, jl_job *job);

struct jl__durable;
/* Handles and starts (job.c). durable: NULL for jobs that end with their caller. */
jl_job *jl__job_new(jl_ctx *ctx, struct jl__link *link, bool keep);
int jl__job_start(jl_ctx *ctx, const jl_job_spec *spec, const struct jl__durable *durable,
		  jl_job **ret_job, jl_error **err);

/* What the cgroups and the supervisor said about a job's end, as result and statistics.
 */
void jl__job_set_result(jl_job *job, const struct jl__reply *reply, const char *stats,
			size_t len);

extern const struct jl__link_ops jl__link_ops;

#endif
