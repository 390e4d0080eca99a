/* SPDX-License-Identifier: MIT */
#include "sandbox/tree.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* ---- instructions ---- */

/* What an 8-bit offset reaches, less one for the copy that the other branch may need. */
#define REACH 254U

static struct sock_filter *at(struct jl__tree_code *code, size_t label)
{
	return &code->insns[BPF_MAXINSNS - label];
}

static size_t add(struct jl__tree_code *code, struct sock_filter insn)
{
	if (code->used == BPF_MAXINSNS) {
		code->error = code->error ? code->error : -E2BIG;
		return code->used;
	}
	code->used++;
	*at(code, code->used) = insn;
	return code->used;
}

static size_t go_to(struct jl__tree_code *code, size_t label)
{
	return add(code, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA,
						      (uint32_t)(code->used - label)));
}

/* A label a jump can name: a return is repeated, anything else is jumped to in two. */
static size_t bring_near(struct jl__tree_code *code, size_t label)
{
	if (code->used - label <= REACH)
		return label;
	if (!code->copy[label] || code->used - code->copy[label] > REACH)
		code->copy[label] = BPF_CLASS(at(code, label)->code) == BPF_RET
					    ? add(code, *at(code, label))
					    : go_to(code, label);
	return code->copy[label];
}

size_t jl__tree_return(struct jl__tree_code *code, uint32_t action)
{
	for (size_t label = 1; label <= code->used; label++)
		if (at(code, label)->code == (BPF_RET | BPF_K) &&
		    at(code, label)->k == action)
			return label;
	return add(code, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

size_t jl__tree_jump(struct jl__tree_code *code, uint16_t op, uint32_t value,
		     size_t if_true, size_t if_false)
{
	if (if_true == if_false)
		return if_true;
	if_true = bring_near(code, if_true);
	if_false = bring_near(code, if_false);
	return add(code, (struct sock_filter)BPF_JUMP(BPF_JMP | op | BPF_K, value,
						      (uint8_t)(code->used - if_true),
						      (uint8_t)(code->used - if_false)));
}

size_t jl__tree_step(struct jl__tree_code *code, uint16_t op, uint32_t value, size_t next)
{
	if (next != code->used)
		(void)go_to(code, next);
	return add(code, (struct sock_filter)BPF_STMT(op, value));
}

/* ---- the search ---- */

/*
 * The kernel translates each instruction once and, to learn which calls are always
 * allowed, walks the program once per number. This is the price of an instruction in
 * steps.
 */
#define INSN_COST 40U

enum { CHAIN = 0 }; /* in place of the cell at which to split */

struct choice {
	uint32_t cost;
	uint32_t split;
};

static struct choice best[JL__TREE_CELLS_MAX][JL__TREE_CELLS_MAX];

struct search {
	struct jl__tree_code *code;
	const struct jl__tree_cell *cells;
	size_t count;
};

static bool is_single(const struct search *s, size_t i)
{
	return i + 1 < s->count ? s->cells[i + 1].first == s->cells[i].first + 1
				: s->cells[i].first == UINT32_MAX;
}

/*
 * Single numbers inside of something else: comparing for equality takes one instruction
 * where the search takes two. Returns UINT32_MAX if the others are not all the same.
 */
static uint32_t chain_cost(const struct search *s, size_t first, size_t last,
			   size_t *ret_others)
{
	uint32_t singles = 0, cost = 0, others = 0;
	size_t target = 0;

	for (size_t i = first; i <= last; i++) {
		if (is_single(s, i)) {
			singles++;
			cost += singles * s->cells[i].weight + INSN_COST;
		} else if (!target || target == s->cells[i].target) {
			target = s->cells[i].target;
			others += s->cells[i].weight;
		} else {
			return UINT32_MAX;
		}
	}
	*ret_others = target;
	return target ? cost + singles * others : UINT32_MAX;
}

static void choose(const struct search *s, size_t first, size_t last)
{
	struct choice *choice = &best[first][last];
	uint32_t weight = 0;
	size_t others;

	choice->cost = chain_cost(s, first, last, &others);
	choice->split = CHAIN;
	for (size_t i = first; i <= last; i++)
		weight += s->cells[i].weight;
	for (size_t i = first + 1; i <= last; i++) {
		uint32_t cost =
			INSN_COST + weight + best[first][i - 1].cost + best[i][last].cost;

		if (cost < choice->cost)
			*choice = (struct choice){ cost, (uint32_t)i };
	}
}

static size_t write_search(const struct search *s, size_t first, size_t last)
{
	size_t split = best[first][last].split;
	size_t below, label;

	if (first == last)
		return s->cells[first].target;
	if (split != CHAIN) {
		/* The half written last comes next: one branch less to translate. */
		label = write_search(s, split, last);
		below = write_search(s, first, split - 1);
		return jl__tree_jump(s->code, BPF_JGE, s->cells[split].first, label,
				     below);
	}
	(void)chain_cost(s, first, last, &label);
	for (size_t i = last + 1; i-- > first;)
		if (is_single(s, i))
			label = jl__tree_jump(s->code, BPF_JEQ, s->cells[i].first,
					      s->cells[i].target, label);
	return label;
}

size_t jl__tree_join(struct jl__tree_cell *cells, size_t count)
{
	size_t left = 0;

	for (size_t i = 0; i < count; i++) {
		if (left && cells[left - 1].target == cells[i].target)
			cells[left - 1].weight += cells[i].weight;
		else
			cells[left++] = cells[i];
	}
	return left;
}

size_t jl__tree_search(struct jl__tree_code *code, const struct jl__tree_cell *cells,
		       size_t count)
{
	struct search search = { code, cells, count };

	if (count == 0 || count > JL__TREE_CELLS_MAX) {
		code->error = code->error ? code->error : -E2BIG;
		return code->used;
	}
	memset(best, 0, sizeof(best));
	for (size_t length = 1; length < count; length++)
		for (size_t first = 0; first + length < count; first++)
			choose(&search, first, first + length);
	return write_search(&search, 0, count - 1);
}
