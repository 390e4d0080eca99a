/* SPDX-License-Identifier: MIT */
/*
 * What the library and the supervisor say to each other: the flat plan of one job, and
 * the messages around it. Layout only: offsets instead of pointers, fixed widths, no
 * functions but bounds checks. Both sides are built together and travel in one file, so
 * there is no version to negotiate; the magic guards against a stray peer.
 */
#ifndef JL_PLAN_PLAN_H
#define JL_PLAN_PLAN_H

#include <stdint.h>

#define JL__PLAN_MAGIC 0x6a6c706cu /* "jlpl" */
#define JL__PLAN_INLINE_MAX 32768u /* larger plans travel in a sealed memfd */
#define JL__PLAN_MAX (8u << 20)
#define JL__HIERARCHIES_MAX 8
#define JL__IDS_PER_JOB 65536u

/* An array inside the plan: offset of its first byte from the start of the plan. */
struct jl__array {
	uint32_t offset;
	uint32_t count;
};

/* ---- operations on the mount tree ---- */

enum jl__op_type {
	/* Building a root: shared by all jobs of the same view, cloned for each. */
	JL__OP_ROOT = 1, /* tmpfs that everything below is made in */
	JL__OP_DIR,	 /* mkdir path, mode */
	JL__OP_LINK,	 /* symlink path -> text */
	JL__OP_FILE,	 /* file path, mode, content text */
	JL__OP_COPY,	 /* file path, mode, content of the host's file text */
	JL__OP_BIND,  /* host path text onto path, with attributes; dev and ino must match
		       */
	JL__OP_TMPFS, /* tmpfs at path, mode, with attributes */
	JL__OP_NODE,  /* character device path, number */
	/* Completing it for one job. */
	JL__OP_PROC,	 /* proc of the job's pid namespace at path */
	JL__OP_PTS,	 /* devpts instance at path */
	JL__OP_SCRATCH,	 /* tmpfs owned by the job's user at path, mode, size number */
	JL__OP_WORK,	 /* folder of the state folder, made for this job, at path */
	JL__OP_MASK,	 /* path hidden behind text; nothing to do when it is not there */
	JL__OP_READONLY, /* path made read-only; nothing to do when it is not there */
};

/* Attributes of mounts, as in struct mount_attr. */
#define JL__MOUNT_RDONLY 1u
#define JL__MOUNT_NOSUID 2u
#define JL__MOUNT_NODEV 4u
#define JL__MOUNT_NOEXEC 8u

struct jl__op {
	uint32_t type;
	uint32_t attrs;	 /* JL__MOUNT_ */
	uint32_t mode;	 /* permissions */
	uint32_t path;	 /* offset of a string, relative to the root being built */
	uint32_t text;	 /* offset of a string; 0 for none */
	uint32_t length; /* bytes of text for JL__OP_FILE */
	uint64_t number; /* size in bytes (0 = default), or device number */
	uint64_t dev;	 /* identity of a host file when the plan was made */
	uint64_t ino;
	uint64_t mtime_nsec;
};

/* One write into a file of the job's cgroup, and what it must read back as. */
struct jl__plan_write {
	uint32_t hierarchy;
	uint32_t file;
	uint32_t value;
	uint32_t expect; /* 0: not read back */
};

/* One file to read when the job has ended. */
struct jl__plan_stat {
	uint32_t hierarchy;
	uint32_t file;
};

struct jl__plan_rlimit {
	uint32_t resource;
	uint32_t unused;
	uint64_t soft;
	uint64_t hard;
};

/* ---- the network ---- */

#define JL__WIRE_MAX 16384u
#define JL__WIRE_DEVICE "eth0" /* the job's end */
#define JL__WIRE_NUMBER 0x7fffffffu
#define JL__WIRE_CLAIMED 0x80000000u /* in the word of a lease: by a job */

/* Part of a wire: messages for one socket, sent in one go, each acknowledged. */
struct jl__wire_part {
	uint32_t offset; /* from the start of the wire */
	uint32_t size;
};

/*
 * How a new network namespace is connected: netlink messages made by the library, sent by
 * whoever makes the namespace (sys/wire.c). Three numbers are not known before: they are
 * filled in where the offsets say, which count from the start of the wire.
 */
struct jl__wire {
	uint32_t size;		     /* bytes, this header included; 0: no network */
	uint32_t number;	     /* of the place, random, 1 to 2^31 - 1 */
	struct jl__wire_part pair;   /* host's side: makes both ends */
	struct jl__wire_part port;   /* host's side: what its end may do */
	struct jl__wire_part inside; /* in the namespace: addresses, routes */
	struct jl__wire_part leave;  /* nfnetlink, at the end: takes the elements away */
	struct jl__wire_part forget; /* host's side, at the end: its neighbour entry */
	uint32_t netns_at;	     /* the namespace's descriptor */
	uint32_t index_at[8];	     /* index of the host's end; 0: unused */
	uint32_t inside_at[8];	     /* index of the job's end; 0: unused */
	char device[16];	     /* name of the host's end */
	char folder[108];	     /* absolute path of the network's folder */
	uint32_t lease_at; /* where its word, the number, is in the file "leases" */
	uint32_t name_at; /* where its line begins in "shown/hosts"; 0: it has none */
	uint32_t address;
	uint32_t flows; /* at the end its connections are to be forgotten */
};

/* So many packets are worth a walk through the kernel's table of connections. */
#define JL__WIRE_MANY_PACKETS 256u

/* Among the statistics of a job that has ended: a struct jl__wire_counters. */
#define JL__COUNTERS_NAME "network"

/* ---- the plan ---- */

#define JL__PLAN_HOST_NETWORK (1u << 0)
#define JL__PLAN_INIT (1u << 1)
#define JL__PLAN_ORPHAN_KEEP (1u << 2)
#define JL__PLAN_WORK_ON_DISK (1u << 3)
#define JL__PLAN_CORE_SCHED (1u << 4)
#define JL__PLAN_DURABLE (1u << 5) /* log and result go into a folder of the job */
#define JL__PLAN_UPLOADS (1u << 6) /* a folder is copied into /work */

struct jl__plan {
	uint32_t magic;
	uint32_t size; /* bytes, this header included */
	uint32_t flags;
	uint32_t uid; /* inside the job */
	uint32_t gid;
	uint32_t hierarchies; /* bit n: join hierarchy n */
	uint64_t caps;
	uint64_t timeout_usec; /* 0: none */
	uint32_t hostname;     /* offsets of strings */
	uint32_t work_dir;
	struct jl__array argv;	   /* uint32_t: offsets of strings */
	struct jl__array envp;	   /* uint32_t */
	struct jl__array commands; /* uint32_t: paths to try in turn */
	struct jl__array tree;	   /* bytes of a struct jl__tree */
	struct jl__array ops;	   /* struct jl__op */
	struct jl__array writes;   /* struct jl__plan_write */
	struct jl__array stats;	   /* struct jl__plan_stat */
	struct jl__array rlimits;  /* struct jl__plan_rlimit */
	struct jl__array filter;   /* struct sock_filter */
	uint32_t key;		   /* durable: the job's UUID */
	uint64_t log_bytes;	   /* durable: cap of the log; 0: none */
	struct jl__array wire;	   /* bytes of a struct jl__wire: the job's network */
};

/*
 * The root to build, self-contained: offsets count from its own start, so that two plans
 * with the same view hold the same bytes, and the supervisor builds it once.
 */
struct jl__tree {
	uint32_t size;
	uint32_t count;
	struct jl__op ops[];
};

static inline int jl__array_fits(struct jl__array span, uint32_t item, uint32_t size)
{
	return span.count == 0 || (span.offset < size && span.offset % 4 == 0 &&
				   (uint64_t)span.count * item <= size - span.offset);
}

/* ---- steps that can fail ---- */

enum jl__step {
	JL__STEP_NONE = 0,
	JL__STEP_PLAN,	    /* op: line of the check */
	JL__STEP_RESOURCES, /* op: 0 memory, 1 pipe, 2 too many jobs */
	JL__STEP_IDS,	    /* no free range of ids, or the lock file */
	JL__STEP_USERNS,
	JL__STEP_NETNS,
	JL__STEP_WIRE, /* op: enum jl__wire_step */
	JL__STEP_TREE, /* op: index into the tree */
	JL__STEP_CLONE_TREE,
	JL__STEP_CGROUP, /* op: hierarchy */
	JL__STEP_LIMIT,	 /* op: index into writes */
	JL__STEP_READBACK,
	JL__STEP_OOM_EVENT,
	JL__STEP_WORK,
	JL__STEP_LOG,	 /* op: 0 pump, 1 pipe, 2 log, 3 index */
	JL__STEP_RECORD, /* op: 0 begun, 1 room for the result */
	JL__STEP_CLONE,
	JL__STEP_JOIN, /* op: hierarchy */
	JL__STEP_SESSION,
	JL__STEP_ROOT,
	JL__STEP_MOUNT, /* op: index into ops */
	JL__STEP_PIVOT,
	JL__STEP_UPLOAD, /* text: its path below /work */
	JL__STEP_HOSTNAME,
	JL__STEP_RLIMIT, /* op: index into rlimits */
	JL__STEP_STDIO,
	JL__STEP_USER,
	JL__STEP_CAPS,
	JL__STEP_VERIFY_PID,
	JL__STEP_VERIFY_CGROUP, /* op: hierarchy */
	JL__STEP_VERIFY_CAPS,
	JL__STEP_WORK_DIR,
	JL__STEP_SECCOMP,
	JL__STEP_COMMAND,
	JL__STEP_INIT,
	JL__STEP_DIED, /* before its command, of nothing it could report */
};

/*
 * Written into the status pipe by whoever fails on the way to the command, in one go:
 * text_len bytes of text follow, not terminated.
 */
struct jl__failure {
	uint32_t step;
	uint32_t op;
	int32_t code; /* negative errno */
	uint32_t text_len;
};
#define JL__FAILURE_TEXT_MAX 512u

/* ---- messages ---- */

enum jl__request_type {
	JL__REQUEST_HELLO = 1, /* struct jl__hello, fds */
	/* struct jl__request, plan; fds: 3 streams [, memfd with the plan]
	 * [, durable: folder of the job] [, uploads: folder] */
	JL__REQUEST_SPAWN,
	JL__REQUEST_SIGNAL, /* number: signal */
	JL__REQUEST_STOP,   /* number: grace in µs */
	JL__REQUEST_KILL,
	JL__REQUEST_WORK,   /* struct jl__request_work; fds: folder for /work on disk */
	JL__REQUEST_LISTEN, /* struct jl__request_listen; fds: socket, its folder */
	JL__REQUEST_ADOPT,  /* struct jl__request_adopt, from whoever has connected */
	/* struct jl__request, wire: of a place that is nobody's yet, to be laid ahead for
	 * one of the next jobs. At most one; the one before is given back. */
	JL__REQUEST_SPARE,
	/*
	 * Kept for what reaches into a running job, from whoever has adopted it: EXEC
	 * gets descriptors of its namespaces, root and cgroups, for a process to be
	 * cloned into them; ATTACH gets its terminal, or the ends of its streams; COPY
	 * gets its root.
	 */
	JL__REQUEST_EXEC = 32,
	JL__REQUEST_ATTACH = 33,
	JL__REQUEST_COPY = 34,
};

/* Places that are wired ahead of jobs. JL__REQUEST_SPARE has the number of the other one
 * that is still wanted, or 0. */
#define JL__SPARES_MAX 2

struct jl__request {
	uint32_t type;
	uint32_t job; /* chosen by the client, unique on its connection */
	uint64_t number;
};

struct jl__request_work {
	struct jl__request head;
	char name[64]; /* of the folder, to remove it at the end */
	char path[];   /* NUL terminated */
};

struct jl__request_listen {
	struct jl__request head;
	char name[64]; /* of the socket in its folder, to remove it at the end */
};

#define JL__ID_SIZE 37 /* a UUID as text, with its NUL */

struct jl__request_adopt {
	struct jl__request head;
	char id[JL__ID_SIZE + 3];
};

#define JL__HELLO_PRIVILEGED (1u << 0) /* own range of ids for each job */
#define JL__HELLO_IDS_FD (1u << 1)

struct jl__hello_hierarchy {
	uint32_t version;
	uint32_t memory_v1; /* wants an event for oom */
	char key[32];	    /* start of its line in /proc/PID/cgroup behind the number */
};

/*
 * Descriptors of the message, in this order: one folder per hierarchy, a pidfd of the
 * caller, then the id lock file, if the flags say so.
 */
struct jl__hello {
	uint32_t type;
	uint32_t magic;
	uint32_t flags;
	uint32_t hierarchies;
	struct jl__hello_hierarchy list[JL__HIERARCHIES_MAX];
	char nest[64];
};

enum jl__reply_type {
	JL__REPLY_READY = 1, /* answer to hello */
	JL__REPLY_STARTED,   /* fds: pidfd, unless it is ending already */
	JL__REPLY_FAILED,    /* failure, followed by its text */
	JL__REPLY_ENDED, /* followed by statistics: name NUL, uint32_t length, bytes … */
	JL__REPLY_UNKNOWN, /* to ADOPT: no such job, or code says why not */
	/* To the client that started us and has stopped talking: nothing of its own is
	 * left, and others keep the supervisor here. */
	JL__REPLY_STAYS,
};

#define JL__ENDED_TIMEOUT (1u << 0)
#define JL__ENDED_STOPPED (1u << 1)
#define JL__ENDED_OOM (1u << 2)

struct jl__reply {
	uint32_t type;
	uint32_t job;
	uint32_t group;	 /* STARTED: number of its cgroup, "job-<group>" */
	uint32_t flags;	 /* ENDED: JL__ENDED_; STARTED: hierarchies it has a cgroup in */
	int32_t code;	 /* ENDED: exit code or signal */
	uint32_t signal; /* ENDED: 1 when code is a signal */
	struct jl__failure failure;
	uint64_t start_usec;
	uint64_t end_usec;
	uint64_t wall_usec;
	uint64_t cpu_usec; /* as the parent of the job has it, without cgroups */
	uint64_t maxrss_bytes;
};

#define JL__REPLY_MAX 65536

/* ---- what is in a durable job's folder ---- */

#define JL__RECORD_MAGIC 0x6a6c7265u /* "jlre" */

/* `started` and `result`: the reply as the client would get it, and what belongs to it.
 */
struct jl__record {
	uint32_t magic;
	uint32_t size;	  /* bytes, this header included */
	uint32_t sum;	  /* FNV-1a of the bytes behind it, taken with this field as 0 */
	uint32_t log_cut; /* JL__LOG_ */
	struct jl__reply reply;
	/* behind it: what follows the reply */
};

#define JL__LOG_WHOLE 0u
#define JL__LOG_FULL 1u	  /* reached its cap; there is a mark in it */
#define JL__LOG_FAILED 2u /* could not be written to the end: no room, I/O error */

/* One entry of `log.index`; in order, without gaps. Bytes behind the last entry were
 * written by nobody in particular. */
struct jl__log_entry {
	uint64_t offset;
	uint32_t size;
	uint32_t stream; /* 1 or 2; 0: the supervisor's mark that the log was cut */
	uint64_t usec;	 /* since 1970, when the first of them arrived */
};

#endif
