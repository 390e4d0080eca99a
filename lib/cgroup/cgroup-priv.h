/* SPDX-License-Identifier: MIT */
/*
 * What the files of cgroup/ share with each other and with their tests. Nobody outside
 * this folder includes it.
 */
#ifndef JL_CGROUP_CGROUP_PRIV_H
#define JL_CGROUP_CGROUP_PRIV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "cgroup/cgroup.h"

/* limits.c */
struct jl_limits {
	uint32_t cpu_percent;
	uint64_t memory_bytes;
	uint64_t pids;
	uint64_t read_bps;
	uint64_t write_bps;
	char *cpus; /* normalised; NULL for all */
};

/* cpus.c: sets of cores */
#define JL__CPUS_MAX 8192

struct jl__cpus {
	uint64_t bits[JL__CPUS_MAX / 64];
};

/*
 * Parses "0-1,4". Empty text is the empty set. -EINVAL with the offset of the trouble in
 * *ret_at, -ERANGE for a core above the last.
 */
int jl__cpus_parse(const char *text, struct jl__cpus *ret, size_t *ret_at);
/* Normalised list, "" for the empty set; NULL when memory is short. */
char *jl__cpus_format(const struct jl__cpus *cpus);
/* Lowest core of want that is not in have, or -1. */
int jl__cpus_missing(const struct jl__cpus *want, const struct jl__cpus *have);

/* text.c: lines of /proc/self/mountinfo and /proc/self/cgroup */
struct jl__span {
	const char *text;
	size_t len;
};

struct jl__mountinfo {
	uint64_t id;
	struct jl__span root, point, type, source,
		super; /* as written, octal escapes kept */
};

bool jl__span_is(struct jl__span span, const char *text);
/* Takes the next piece up to the separator off *rest; false at the end. */
bool jl__span_next(struct jl__span *rest, char separator, struct jl__span *ret);
/* Whether the piece is one plain number. */
bool jl__span_u64(struct jl__span span, uint64_t *ret);
/* Takes the next line that is well formed off *rest; false at the end. */
bool jl__mountinfo_next(struct jl__span *rest, struct jl__mountinfo *ret);
/* Fresh copy with the kernel's octal escapes resolved; NULL when memory is short. */
char *jl__mountinfo_unescape(struct jl__span span);

/* tree.c */
struct jl__cg_source {
	struct jl__span mountinfo;
	struct jl__span self; /* /proc/self/cgroup */
	bool recorded;	      /* for tests: any folder will do as a hierarchy */
};

int jl__cg_tree_build(const struct jl__cg_source *source, const char *base,
		      struct jl__cg_tree **ret, jl_error **err);
/*
 * Where below a mount with this root the group lies: "" or "a/b" without slashes around
 * it, in fresh memory. -ENOENT when the mount does not show it.
 */
int jl__cg_relative(const char *root, const char *path, char **ret);
/* Controller names of v2 and v1 to JL__CG_ bits; 0 when unknown. */
uint32_t jl__cg_offer_v2(struct jl__span name);
uint32_t jl__cg_offer_v1(struct jl__span name);
/* Name of one JL__CG_ bit for people. */
const char *jl__cg_offer_name(uint32_t offer);

/* file.c: files of a group */
#define JL__CG_TEXT_MAX 4096

/*
 * Reads a small file into text, NUL terminated, without the last line end. Returns its
 * length or -errno. What does not fit is cut at the end of a line.
 */
int jl__cg_read(int dir, const char *file, char *text, size_t size);
int jl__cg_read_all(const char *path, struct jl__buf *buf);
/* One write(2) of the whole value. */
int jl__cg_write(int dir, const char *file, const char *value);
bool jl__cg_exists(int dir, const char *file);
/* -errno, 0 when the file is not one plain number. */
int jl__cg_read_u64(int dir, const char *file, uint64_t *ret);
/* Whether a text of words has this one among them. */
bool jl__cg_has_word(const char *text, const char *word);
/* Folders below dir, one at a time: fn returns < 0 to stop. */
int jl__cg_each_folder(int dir, int (*fn)(int dir, const char *name, void *data),
		       void *data);
/* Descriptor of a folder below dir, readable, or -errno. */
int jl__cg_open_folder(int dir, const char *name);

/* delegate.c: what a base must do for the groups below it */
/* Cores and memory nodes groups in this one may use, as the kernel writes them. */
int jl__cg_effective(int dir, const char *what, char *text, size_t size);
/*
 * Lets groups below the base have the v2 controllers of the hierarchy. Never fails for
 * want of a controller: that is told in why. Returns 0, -EBUSY when member processes were
 * the reason, or -ENOMEM.
 */
int jl__cg_delegate(const struct jl__cg_hierarchy *hierarchy, bool may_move,
		    struct jl__buf *why);
/* Same inside a group of ours, which has no member processes. */
void jl__cg_delegate_inside(const struct jl__cg_hierarchy *hierarchy, int dir,
			    struct jl__buf *why);
/* Gives a fresh v1 cpuset group its base's cores and nodes. */
int jl__cg_fill_cpuset(int base, int dir);
/* What groups below dir can be given: of a v2 folder its subtree_control, of v1
 * everything. */
uint32_t jl__cg_given_below(const struct jl__cg_hierarchy *hierarchy, int dir);
/* JL__CG_SWAP when the group's swap can be limited. */
uint32_t jl__cg_swap_offer(const struct jl__cg_hierarchy *hierarchy, int dir);
/* Adds a sentence to a list of them. */
void jl__cg_why(struct jl__buf *why, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
#define JL__CG_WHY_MAX 4096

/* kill.c: processes of a group and of the groups below it */
#define JL__CG_WAIT_MSEC 10000

/* Waits until cgroup.events says key (for instance "populated 0"); -EBUSY at the end. */
int jl__cg_wait_event(int dir, const char *event);
/*
 * Kills everything in the group and below and waits until it is empty. freezer: the v1
 * freezer folder of the same group, or -EBADF. Returns 0, -EBUSY, -ENOENT, -EPERM.
 */
int jl__cg_kill_v2(int dir);
int jl__cg_kill_v1(int dir, int freezer);
int jl__cg_freeze_v1(int freezer, bool frozen);
/* Removes a folder below base with all groups inside; -EBUSY when processes are there. */
int jl__cg_remove_below(int base, const char *name, int depth);

/* compile.c */
uint64_t jl__cg_page_round(uint64_t bytes);

/* device.c */
int jl__cg_mount_by_id(struct jl__span mountinfo, uint64_t id, struct jl__mountinfo *ret);

/* stat.c */
/* First value after a key of "key value" lines; false when it is not there. */
bool jl__cg_find_key(const char *text, size_t len, const char *key, uint64_t *ret);

/* group.c and apply.c */
struct jl_cgroup {
	atomic_uint refs;
	jl_ctx *ctx;
	const struct jl__cg_tree *tree; /* the context's */
	uint32_t offers;     /* what this very group has, JL__CG_SWAP included */
	int fds[JL__CG_MAX]; /* as in the tree; -EBADF where there is no group */
	char name[201];
};

#endif
