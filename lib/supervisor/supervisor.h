/* SPDX-License-Identifier: MIT */
/*
 * The supervisor: parent of all jobs of one context. A static program without a C
 * library, single-threaded, PID 1 of its own pid namespace (so that the kernel kills
 * every job when it dies), in a mount namespace that holds nothing but proc and the roots
 * of jobs. It parses nothing but plans. Creates, per job: a cgroup in each hierarchy, a
 * user namespace, a network namespace, a mount namespace, the job itself; and removes
 * them all.
 */
#ifndef JL_SUPERVISOR_SUPERVISOR_H
#define JL_SUPERVISOR_SUPERVISOR_H

#include <linux/stat.h>

#include "plan/plan.h"
#include "sys/sys.h"
#include "sys/wire.h"

/* The kernel's header has these only where nothing of a C library was seen before it,
 * which depends on the architecture. */
#ifndef S_IFMT
#define S_IFMT 0170000
#define S_IFCHR 0020000
#define S_IFDIR 0040000
#define S_IFREG 0100000
#define S_ISDIR(mode) (((mode) & S_IFMT) == S_IFDIR)
#define S_ISREG(mode) (((mode) & S_IFMT) == S_IFREG)
#endif

#define MAX_JOBS 65536u
#define MAX_TEMPLATES 8u
#define MAX_KITS 2u
#define MAX_CLIENTS 512u
#define STAT_NAMES_BYTES 320u

/* What a job needs from the kernel before it is cloned; some are kept ready. */
struct kit {
	int root; /* mount namespace with the job's root, shown as its own ids' */
	int template_nr;
	int userns;
	int netns;     /* -1: network of the host */
	int folder;    /* of the network it is wired to; -1: none, or not laid yet */
	uint32_t wire; /* number of what is laid in its network namespace; 0: nothing */
	int oom;       /* eventfd, cgroup v1 only */
	int groups[JL__HIERARCHIES_MAX]; /* folders of the job's cgroups */
	int tasks[JL__HIERARCHIES_MAX];	 /* their tasks files, cgroup v1 only */
	uint32_t hierarchies;
	uint32_t group; /* number in their name */
	uint32_t slot;	/* range of ids */
	uint32_t base;	/* first id of the range */
	int has_slot;
	int has_work; /* a folder on disk was made for it */
};

/* What a child finds when it wakes up, in its own copy of our memory. */
struct launch {
	const struct jl__plan *plan;
	char **argv;
	char **envp;
	struct kit kit;
	struct start *start;
	int streams[3];
	int uploads; /* folder to be copied into /work, or -1 */
	int status;  /* write end of the status pipe */
	int work;    /* folder for /work, or -1 */
};

/* The one thing a child tells us by memory: when it became its command. */
struct start {
	uint64_t wall_usec;
	uint64_t mono_usec;
};

enum job_state { JOB_FREE, JOB_STARTING, JOB_RUNNING, JOB_ENDING };

struct job {
	enum job_state state;
	uint32_t interests; /* who is told about it (listen.c); 0: nobody */
	uint32_t flags;
	uint32_t ended; /* JL__ENDED_ */
	int pid;	/* in the supervisor's namespace */
	int pidfd;
	int status; /* read end of the status pipe */
	int events; /* cgroup.events, while it is not empty yet */
	struct kit kit;
	int folder; /* of a durable job, or -1 */
	int begun;  /* and the folder says so */
	int log;    /* its log is open */
	int over;   /* and the last thing waited for */
	uint32_t log_cut;
	char key[JL__ID_SIZE]; /* "" unless it is durable */
	struct jl__failure failure;
	char failure_text[JL__FAILURE_TEXT_MAX];
	uint64_t deadline_usec; /* monotonic; 0: none */
	uint64_t timeout_usec;
	uint64_t start_wall_usec;
	uint64_t start_mono_usec;
	int stopping;	    /* the deadline is the end of a grace time */
	int default_signal; /* signal whose default action we carried out */
	int exit_code;
	int exit_signal;
	uint64_t end_wall_usec;
	uint64_t end_mono_usec;
	uint64_t cpu_usec;
	uint64_t maxrss_bytes;
	uint32_t stat_count;
	size_t stats_len;
	char *stats;	       /* read, while the groups are not removed yet */
	struct jl__wire *wire; /* pages of its own; NULL: not in a network */
	uint8_t stat_hierarchy[16];
	char stat_names[STAT_NAMES_BYTES]; /* NUL separated */
};

#define TREE_BYTES_MAX 65536u

/* The bytes are the key; what was built from them is attached at "/t<number>". */
struct root_template {
	uint64_t used; /* 0: free */
	char tree[TREE_BYTES_MAX] __attribute__((aligned(8)));
};

union wire {
	struct jl__wire head;
	char bytes[JL__WIRE_MAX];
};

enum spare_state { SPARE_NONE, SPARE_WAITING, SPARE_ASKED, SPARE_READY, SPARE_FAILED };

/* A place the library has taken ahead: who claims it finds everything laid. */
struct spare {
	enum spare_state state;
	struct kit kit;		    /* SPARE_READY: made for it */
	struct jl__failure failure; /* SPARE_FAILED */
	union wire wire;
};

/* One kit at a time is asked for and handed over. */
struct maker {
	uint32_t state; /* futex; whoever changes it owns the rest until then */
	int code;
	struct jl__failure failure;
	int host_net;
	uint32_t hierarchies;
	struct kit kit;
	union wire wire; /* size 0: none */
};

enum log_state { LOG_FREE, LOG_OPEN, LOG_ENDING, LOG_DONE };

/* Output of a durable job. Ours while FREE and DONE, the pump's in between (log.c). */
struct log {
	uint32_t state;
	uint32_t cut;	/* JL__LOG_ */
	uint32_t grown; /* bit n: pipe n is a large one */
	int fds[2];	/* read ends of the pipes; -1: at its end */
	int file;
	int index;
	uint64_t cap;  /* bytes; 0: none */
	uint64_t size; /* as far as the index knows */
	uint64_t entries;
	struct jl__log_entry last[2]; /* the last one at (entries - 1) % 2 */
};

/* Each job is in it once at the most, so it is never full. */
struct ring {
	uint32_t head, tail;
	uint32_t items[MAX_JOBS];
};

/* What the pump has taken out of a pipe, and is not in the log yet. */
struct hand {
	uint32_t len; /* 0: nothing */
	uint32_t log;
	uint32_t stream;
	uint64_t blank; /* what bytes began with before they came */
	char bytes[128 << 10];
};

/* What the maker, the pump and children of ours see as it changes. */
struct shared {
	struct maker maker;
	struct hand hand;
	struct ring asked; /* logs to be finished */
	struct ring done;
	struct root_template templates[MAX_TEMPLATES];
	struct start starts[MAX_JOBS]; /* one per job */
	struct log logs[MAX_JOBS];     /* the same */
};

struct supervisor {
	int client;	    /* the one that started us; -1: gone */
	uint32_t connected; /* clients, this one included */
	int listen;	    /* where others connect; -1: nowhere */
	int listen_folder;
	char listen_name[64];
	int caller; /* pidfd: children of the caller may keep the socket open */
	int epoll;
	int image; /* our own program, for --init */
	int host_ns;
	int own_ns;   /* mounts: nothing but proc; jobs are cloned from here */
	int roots_ns; /* mounts: the templates of roots */
	int host_net;
	int host_root;
	int ids;
	int work;      /* folder for /work on disk, as the host's side shows it */
	int work_lock; /* the same as the library opened and locked it */
	int privileged;
	int tmpfs_idmap;
	int core_sched;
	uint32_t hierarchies;
	int nest[JL__HIERARCHIES_MAX];
	struct jl__hello_hierarchy list[JL__HIERARCHIES_MAX];
	char nest_name[64];
	char work_name[64];
	uint64_t tick;
	uint32_t next_group;
	uint32_t jobs_used; /* highest index in use + 1 */
	uint32_t running;   /* jobs, starting and ending ones included */
	uint32_t starting;  /* of these: not yet their command */
	uint64_t next_deadline_usec;
	int retry;	 /* groups are to be tried again soon */
	uint64_t starts; /* jobs so far */
	struct job *jobs;
	struct shared *shared;
	int maker; /* pidfd; -1: none */
	int pump;  /* the same */
	int pump_epoll;
	int pump_asked; /* eventfds: something is in the ring of this name */
	int pump_done;
	struct kit kits[MAX_KITS];
	uint32_t kits_ready;
	struct spare spares[JL__SPARES_MAX];
	/* shape of the last job: what the next kit is made for */
	int shape_template;
	int shape_host_net;
	uint32_t shape_hierarchies;
	int shape_wired;
};

extern struct supervisor sv;

/* epoll data: kind in the upper half, job in the lower */
enum watch {
	WATCH_CLIENT = 1,
	WATCH_CALLER,
	WATCH_LISTEN,
	WATCH_LOGS,
	WATCH_PUMP,
	WATCH_PID,
	WATCH_STATUS,
	WATCH_OOM,
	WATCH_EMPTY,
	WATCH_REMOVED
};

/* Layout of the kernel, as waitid(2) fills it in. */
struct wait_info {
	int signo, err, code, pad;
	int pid;
	uint32_t uid;
	int status;
	char rest[128 - 28];
};

/* text.c: memory and text without a C library */
size_t text_len(const char *text);
int text_equal(const char *a, const char *b);
int text_starts(const char *text, const char *start);
int bytes_equal(const void *a, const void *b, size_t len);
/* Both append to p and return the new end; the result is NUL terminated. */
char *put_text(char *p, const char *text);
char *put_number(char *p, uint64_t number);
uint64_t clock_usec(int clock);
/* Pages from the kernel, zeroed; NULL when there are none. */
void *pages_get(size_t bytes);
/* Children do not get them: what grows with the jobs would make each start dearer. */
void *pages_get_own(size_t bytes);
void *pages_get_shared(size_t bytes);
void pages_put(void *ptr, size_t bytes);
void fd_close(int *fd);
/* Whole small file of proc or cgroupfs, NUL terminated; length or -errno. */
long file_read(int dir, const char *path, char *buf, size_t size);
long file_write(int dir, const char *path, const char *text);
/* Fills in a failure and returns code. */
int failed(struct jl__failure *failure, uint32_t step, uint32_t op, long code);

/* setup.c */
int supervisor_setup(void);
int supervisor_hello(const struct jl__hello *hello, const int *fds, uint32_t count);

/* client.c */
void client_add(int fd, int is_first);
void client_event(uint32_t number, uint32_t events);
/* Number 0 is the client that started us. */
void client_send(uint32_t number, const struct jl__reply *reply, const void *more,
		 size_t len, int fd);
void client_gone(uint32_t number);
/* Tells the first client that it need not wait for our end, when that is so. */
void client_release(void);

/* request.c: descriptors left in the list are closed by the caller */
void request_handle(uint32_t client, char *bytes, size_t len, int *fds, uint32_t *count);

/* listen.c */
void listen_open(const struct jl__request_listen *request, const int *fds);
void listen_readable(void);
void listen_close(void);
void adopt(uint32_t client, struct jl__request_adopt *request);
/* 0, or -EAGAIN or -ENOMEM. */
int interest_add(struct job *job, uint32_t client, uint32_t number);
struct job *interest_find(uint32_t client, uint32_t number);
void interests_drop(uint32_t client);
void interests_end(struct job *job);
/* A reply to everybody who wants to know about the job. */
void job_tell(const struct job *job, struct jl__reply *reply, const void *more,
	      size_t len, int fd);

/* log.c */
/* Makes the log and the pipes; their write ends, for 1 and 2, are the caller's. */
int log_open(struct job *job, const struct jl__plan *plan, int *streams,
	     struct jl__failure *failure);
/* From here on it is the pump's. */
void log_watch(const struct job *job);
/* Instead, when the job does not start. */
void log_discard(struct job *job);
/* Everybody in the job is dead; job_logged() is called when everything is in the log. */
void log_finish(const struct job *job);
uint32_t log_cut(const struct job *job);
void logs_done(void);
void pump_died(void);

/* record.c */
/* From here on the job counts as started, whatever becomes of it. */
int record_begin(struct job *job, struct jl__failure *failure);
void record_started(const struct job *job, const struct jl__reply *reply);
/* When nothing of the job is left. */
void record_result(const struct job *job, const struct jl__reply *reply, const void *more,
		   size_t len);

/* tree.c */
/* Into the mount namespace that shows what the caller sees, and back. */
long host_enter(void);
void host_leave(int back);
int template_get(const struct jl__tree *tree, struct jl__failure *failure);
/* Fills a user namespace with a range of ids of its own (or the caller's id). */
int kit_ids(struct kit *kit, struct jl__failure *failure);
int root_make(struct kit *kit, struct jl__failure *failure);
/* Where a proc is kept in sight until the job has its own, relative to its root. */
#define HIDDEN_PROC "run"

/* kit.c */
void kit_init(struct kit *kit);
void kit_forget_holders(void);
void kit_discard(struct kit *kit);
/* Closes what the job holds by itself once it is cloned. */
void kit_close(struct kit *kit);
int kit_begin(struct kit *kit, int template_nr, struct jl__failure *failure);
/* wire is NULL for a network of nothing but loopback. */
int kit_complete(struct kit *kit, int host_net, uint32_t hierarchies,
		 struct jl__wire *wire, struct jl__failure *failure);
/* Removes the cgroups; 0, or -EBUSY while something is in them. */
int kit_remove_groups(struct kit *kit);

/* stock.c */
void stock_open(void);
void stock_close(void);
/* Asks for another kit when one is missing; never waits. */
void stock_refill(void);
void stock_forget(int template_nr);
/* A place to be laid ahead. Of those before only the one of this number is still wanted;
 * others are given back. */
void stock_spare(const struct jl__wire *wire, uint64_t kept);
/* The kit that was made for this place: 1 and handed over, 0 when there is none, or what
 * went wrong when it was made. Either way the place is the caller's to give back now. */
int stock_take_wired(struct kit *kit, const struct jl__wire *wire,
		     struct jl__failure *failure);
/* A kit of the wanted shape, from the stock or made now. */
int kit_take(struct kit *kit, int template_nr, int host_net, uint32_t hierarchies,
	     struct jl__wire *wire, struct jl__failure *failure);

/* network.c */
void network_forget_sockets(void);
/* Makes what the kit does not have yet: a namespace, and in it what wire says. */
int network_complete(struct kit *kit, struct jl__wire *wire, struct jl__failure *failure);
int network_counters(const struct jl__wire *wire, struct jl__wire_counters *ret);
/* Gives the place back: rules, record, namespace; also one that was never laid. */
void network_leave(struct kit *kit, struct jl__wire *wire);

/* launch.c */
/*
 * Streams and plan stay the caller's; of the other descriptors, which the plan's flags
 * ask for, those that the job keeps become -1.
 */
void launch_job(const struct jl__request *request, const struct jl__plan *plan,
		uint32_t size, const int *streams, int *others, uint32_t other_count);

/* child.c: the job before its command runs */
int child_main(void *launch);

/* upload.c: in the child, with the right to read them; text: what failed */
int uploads_copy(const struct launch *launch, struct jl__failure *failure, char *text);

/* job.c */
struct job *job_new(void);
void job_status_readable(struct job *job);
void job_exited(struct job *job);
void job_oom(struct job *job);
void job_empty(struct job *job);
void job_removed(struct job *job);
void job_leave_network(struct job *job);
void job_logged(struct job *job);
/* Tells one client that it runs, with what is needed to follow it. */
void job_introduce(const struct job *job, uint32_t client, uint32_t number);
void job_kill(struct job *job, uint32_t why);
int job_signal(struct job *job, int signal);
void job_watch(struct job *job, enum watch kind, int fd, uint32_t events);
void jobs_retry(void);
void jobs_deadlines(uint64_t now);
void jobs_deadline_set(struct job *job, uint64_t deadline);

/* work.c */
int work_accept(int lock, const char *name, const char *path);
int work_make(const struct kit *kit, const struct jl__plan *plan);
int work_remove(struct kit *kit, int at_once);

/* init.c: our program as PID 1 of a job */
int init_main(char **argv, char **envp);

#endif
