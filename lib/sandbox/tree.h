/* SPDX-License-Identifier: MIT */
/*
 * Writes BPF programs that look one number up in ranges. Knows nothing of rules. Part of
 * the build and of the tests only, as rules.h is.
 *
 * Programs are written from their end: BPF jumps forward only, so whatever is jumped to
 * is there already. A label is the count of instructions from a place to the end; 0 is
 * none.
 */
#ifndef JL_SANDBOX_TREE_H
#define JL_SANDBOX_TREE_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#define JL__TREE_CELLS_MAX 256U

struct jl__tree_code {
	struct sock_filter insns[BPF_MAXINSNS]; /* the last `used` are written */
	size_t used;
	int error; /* negative errno of the first thing that went wrong; then stays */
	size_t copy[BPF_MAXINSNS + 1]; /* by label: the last copy of what was too far */
};

/* Numbers that go to the same place. */
struct jl__tree_cell {
	uint32_t first;
	uint32_t weight; /* how often it is looked up, or how many numbers */
	size_t target;
};

/* Each puts an instruction in front and returns its label, or one that does the same. */
size_t jl__tree_return(struct jl__tree_code *code, uint32_t action);
size_t jl__tree_jump(struct jl__tree_code *code, uint16_t op, uint32_t value,
		     size_t if_true, size_t if_false);

/* Any statement that goes on at `next`. */
size_t jl__tree_step(struct jl__tree_code *code, uint16_t op, uint32_t value,
		     size_t next);

/* Joins neighbours with one target. Returns how many are left. */
size_t jl__tree_join(struct jl__tree_cell *cells, size_t count);

/*
 * Looks the accumulator up: each cell reaches to the next one, the last to the end of the
 * numbers. Cells are sorted and joined, the first one begins with the lowest number there
 * is.
 */
size_t jl__tree_search(struct jl__tree_code *code, const struct jl__tree_cell *cells,
		       size_t count);

#endif
