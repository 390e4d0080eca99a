/* SPDX-License-Identifier: MIT */
/*
 * Control groups: where they are, what they can do, limits as data, statistics as
 * numbers. Creates groups below the caller's own group of each hierarchy and nowhere
 * else. Knows cgroup v2 and, for controllers that still sit there, v1, behind one table.
 * Implements <joblet/cgroup.h> and <joblet/limits.h>; used by ctx/ and spawn/.
 */
#ifndef JL_CGROUP_CGROUP_H
#define JL_CGROUP_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <joblet/cgroup.h>

/* What a hierarchy offers; CORE is cgroup v2 itself (kill, freeze, events, CPU time). */
enum {
	JL__CG_CORE = 1 << 0,
	JL__CG_CPU = 1 << 1,
	JL__CG_CPUSET = 1 << 2,
	JL__CG_MEMORY = 1 << 3,
	JL__CG_IO = 1 << 4,
	JL__CG_PIDS = 1 << 5,
	JL__CG_FREEZER = 1 << 6, /* v1 only, used where there is no v2 at all */
	JL__CG_CPUACCT = 1 << 7, /* v1 only, used where there is no v2 at all */
	/*
	 * Swap of a group can be limited. Known once a group exists (the kernel's root
	 * group lacks the file), so it is in the offers of nests and never in those of a
	 * tree or of compiled writes.
	 */
	JL__CG_SWAP = 1 << 8,
};

#define JL__CG_MAX 8 /* hierarchies in use at the same time */

/* Leaf of a base for processes that are not jobs: v2 has none beside divided groups. */
#define JL__CG_MAIN "joblet-main"

struct jl__cg_hierarchy {
	int version;	 /* 1 or 2 */
	uint32_t offers; /* JL__CG_ bits served from here, each by one hierarchy only */
	int base_fd;	 /* the base group's folder, O_PATH | O_DIRECTORY */
	char *mount;	 /* for messages: "/sys/fs/cgroup/memory" */
	char *path;	 /* for messages and checks: base group as in /proc/self/cgroup */
};

/*
 * The hierarchies of this machine as the caller sees them. When there is a v2 hierarchy
 * it is number 0, with or without controllers.
 */
struct jl__cg_tree {
	uint32_t count;
	struct jl__cg_hierarchy list[JL__CG_MAX];
	uint32_t offers; /* union over the list */
};

/*
 * Reads /proc/self/mountinfo and /proc/self/cgroup. base: NULL for the caller's own
 * group. A machine without any hierarchy gives an empty tree. Creates nothing.
 */
int jl__cg_tree_open(const char *base, struct jl__cg_tree **ret, jl_error **err);
struct jl__cg_tree *jl__cg_tree_free(struct jl__cg_tree *tree);
/* Number of the hierarchy that serves one JL__CG_ bit, or -ENOENT. */
int jl__cg_tree_find(const struct jl__cg_tree *tree, uint32_t offer);

/*
 * The group that holds the groups of all jobs of one supervisor, "joblet-<id>", in every
 * hierarchy. Locked (flock) as long as a descriptor of it is open anywhere: an unlocked
 * one belongs to nobody and may be removed.
 */
struct jl__cg_nest {
	uint32_t count;	     /* as in the tree, same order */
	int fds[JL__CG_MAX]; /* folder of the nest, O_RDONLY | O_DIRECTORY; -EBADF if none
			      */
	uint32_t offers;     /* what groups inside it can really be given */
	char name[64];	     /* "joblet-<id>" */
};

/*
 * Creates the nest: v2 controllers enabled stepwise from the base, v1 cpuset filled in.
 * A hierarchy the caller may not write to is left out (its offers are then missing).
 * may_move: the calling process may be moved into the leaf JL__CG_MAIN of the base when
 * it is the only process there and v2 forbids controllers otherwise. id: 1 to 56
 * characters of [A-Za-z0-9_-], not "main"; no dot, so that no unit of a service manager
 * is ever taken for a nest. Codes: -EINVAL (id), -ENOMEM, -EEXIST, -EMFILE, -ENFILE;
 * everything else shows up as missing offers, with the reason in *why (released with
 * jl__free(); NULL when nothing is missing).
 */
int jl__cg_nest_create(const struct jl__cg_tree *tree, const char *id, bool may_move,
		       struct jl__cg_nest *ret, char **why, jl_error **err);
/* Closes the descriptors; the groups stay. */
void jl__cg_nest_close(struct jl__cg_nest *nest);
/* Kills what is left inside, removes the groups of all jobs and the nest itself. */
int jl__cg_nest_remove(const struct jl__cg_tree *tree, const char *name);
/*
 * Removes every nest below the base that nobody holds, with what still runs in its jobs.
 * A group with processes of its own beside the jobs is not a nest and stays. Returns how
 * many, or -errno.
 */
int jl__cg_nest_sweep(const struct jl__cg_tree *tree);

/* One write to a file of a group, and what it must read back as (without line end). */
struct jl__cg_write {
	uint32_t hierarchy;
	const char *file; /* static */
	char *value;
	char *expect; /* NULL: do not read back */
};

struct jl__cg_writes {
	uint32_t offers; /* JL__CG_ bits the limits need */
	uint32_t count;
	struct jl__cg_write *list; /* in the order to be written */
};

/*
 * Turns limits into writes for a fresh group inside a nest. device: "major:minor" of the
 * whole disk, or NULL without I/O limits. -EOPNOTSUPP names the limit and the lack.
 */
int jl__cg_compile(const struct jl__cg_tree *tree, uint32_t offers,
		   const jl_limits *limits, const char *device, struct jl__cg_writes *ret,
		   jl_error **err);
void jl__cg_writes_done(struct jl__cg_writes *writes);

/*
 * Whole disk behind a path, as "major:minor" for io.max and blkio.throttle: partitions,
 * LVM and btrfs resolved. -EOPNOTSUPP for file systems without a block device, with a
 * sentence.
 */
int jl__cg_device_of(const char *path, char ret_device[32], jl_error **err);

/* The files statistics are made of, for one hierarchy; static, NULL terminated. */
const char *const *jl__cg_stat_files(const struct jl__cg_hierarchy *hierarchy);
/* Sets every value of stats to UINT64_MAX, leaving its size. */
void jl__cg_stats_clear(struct jl_stats *stats);
/* Adds what the content of one such file says. Unknown keys and garbage are passed over.
 */
void jl__cg_stats_add(struct jl_stats *stats, const char *file, const char *text,
		      size_t len);

/* As jl_cgroup_open() for a group inside a nest: "joblet-<id>/job-1". */
int jl__cgroup_open_below(jl_ctx *ctx, const char *path, jl_cgroup **ret, jl_error **err);

/* The caller's copy of public limits; NULL when memory is short. */
jl_limits *jl__limits_copy(const jl_limits *limits);
bool jl__limits_any(const jl_limits *limits);

#endif
