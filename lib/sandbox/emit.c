/* SPDX-License-Identifier: MIT */
/*
 * Rules to BPF. The numbers of a call are looked up in ranges that get the same; the few
 * calls whose arguments count continue in a block that does the same with one half of an
 * argument after the other (doc/adr/0006-seccomp-range-tree.md).
 */
#include "sandbox/rules.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <seccomp.h>

#include "sandbox/tree.h"

#define WORD UINT32_C(0xffffffff)

#define PATHS_MAX 64U /* of a call: bits of a set */
#define TESTS_MAX 4U
#define STAGES_MAX (PATHS_MAX * TESTS_MAX)
#define BLOCKS_MAX 256U

/* What can be asked at a time: half of an argument, some of its bits. */
struct stage {
	uint32_t offset;
	uint32_t mask;
};

/* first <= (word & mask) <= last, or not. */
struct test {
	struct stage stage;
	uint32_t first;
	uint32_t last;
	bool negated;
};

/* All tests hold: the error. A row is one path, or several where it says "or". */
struct path {
	struct test tests[TESTS_MAX];
	uint32_t count;
	uint32_t error;
};

struct call {
	struct path paths[PATHS_MAX];
	struct stage stages[STAGES_MAX];
	size_t path_count;
	size_t stage_count;
};

/* The rest of the decision, when these paths are still possible. */
struct block {
	uint64_t alive;
	size_t stage;
	size_t label;
};

struct emitter {
	struct jl__tree_code code;
	struct call call;
	struct block blocks[BLOCKS_MAX];
	size_t block_count;
	uint32_t arch;
	int level;
	int *numbers; /* by rule */
};

/* ---- rows to paths ---- */

/* Little endian: the only byte order there is of the two families. */
static struct stage low_half(const struct jl__rule_term *term, uint64_t mask)
{
	return (struct stage){ (uint32_t)offsetof(struct seccomp_data, args) +
				       term->arg * 8U,
			       (uint32_t)mask };
}

static struct stage high_half(const struct jl__rule_term *term, uint64_t mask)
{
	struct stage stage = low_half(term, mask >> 32);

	stage.offset += 4;
	return stage;
}

static void add_test(struct path *path, struct stage stage, uint64_t first, uint64_t last)
{
	/* Nothing is asked, or any answer will do. */
	if (stage.mask == 0 || ((uint32_t)first == 0 && (uint32_t)last == WORD))
		return;
	path->tests[path->count++] =
		(struct test){ stage, (uint32_t)first, (uint32_t)last, false };
}

static void add_negated(struct path *path, struct stage stage, uint64_t value)
{
	add_test(path, stage, value, value);
	path->tests[path->count - 1].negated = true;
}

/* ret is empty. Returns how many of them say what the term says, together. */
static int split_term(const struct jl__rule_term *term, struct path ret[2])
{
	uint64_t mask = term->op == JL__RULE_EQ && term->mask ? term->mask : UINT64_MAX;
	uint64_t value = term->value;
	struct stage high = high_half(term, mask);
	struct stage low = low_half(term, mask);
	int count = 0;

	switch (term->op) {
	case JL__RULE_NONE:
		return 1;
	case JL__RULE_EQ:
		if (value & ~mask)
			return -EINVAL;
		add_test(&ret[0], high, value >> 32, value >> 32);
		add_test(&ret[0], low, value, value);
		return 1;
	case JL__RULE_NE:
		add_negated(&ret[0], high, value >> 32);
		add_negated(&ret[1], low, value);
		return 2;
	case JL__RULE_GE:
		add_test(&ret[0], high, value >> 32, WORD);
		if ((uint32_t)value == 0)
			return 1;
		add_test(&ret[0], low, value, WORD);
		if (value >> 32 == WORD)
			return 1;
		add_test(&ret[1], high, (value >> 32) + 1, WORD);
		return 2;
	case JL__RULE_RANGE:
		if (value >> 32 != term->last >> 32 || value > term->last)
			return -EINVAL;
		add_test(&ret[0], high, value >> 32, value >> 32);
		add_test(&ret[0], low, value, term->last);
		return 1;
	case JL__RULE_ANY:
		if (term->mask >> 32)
			add_negated(&ret[count++], high_half(term, term->mask), 0);
		if ((uint32_t)term->mask)
			add_negated(&ret[count++], low_half(term, term->mask), 0);
		return count ? count : -EINVAL;
	case JL__RULE_ANY_SET:
		if (term->mask == 0 || term->mask >> 32)
			return -EINVAL;
		add_negated(&ret[0], low_half(term, term->mask), 0);
		add_negated(&ret[0], low, WORD);
		return 1;
	default:
		return -EINVAL;
	}
}

static int add_row(struct call *call, const struct jl__rule *rule)
{
	struct path first[2] = { 0 }, second[2] = { 0 };
	int first_count = split_term(&rule->term[0], first);
	int second_count = split_term(&rule->term[1], second);

	if (first_count < 0 || second_count < 0)
		return -EINVAL;
	if (call->path_count + (size_t)(first_count * second_count) > PATHS_MAX)
		return -E2BIG;
	for (int i = 0; i < first_count; i++) {
		for (int j = 0; j < second_count; j++) {
			struct path *path = &call->paths[call->path_count++];

			*path = first[i];
			path->error = rule->error;
			for (uint32_t n = 0; n < second[j].count; n++)
				path->tests[path->count++] = second[j].tests[n];
		}
	}
	return 0;
}

/* ---- paths to a block ---- */

static bool is_same(const struct stage *a, const struct stage *b)
{
	return a->offset == b->offset && a->mask == b->mask;
}

/* One argument after the other, its upper half first, whole words before parts. */
static int compare_stages(const void *a, const void *b)
{
	const struct stage *left = a, *right = b;
	uint32_t left_place = left->offset ^ 4, right_place = right->offset ^ 4;

	if (left_place != right_place)
		return left_place < right_place ? -1 : 1;
	return left->mask == right->mask ? 0 : left->mask > right->mask ? -1 : 1;
}

static void list_stages(struct call *call)
{
	size_t count = 0, left = 0;

	for (size_t i = 0; i < call->path_count; i++)
		for (uint32_t j = 0; j < call->paths[i].count; j++)
			call->stages[count++] = call->paths[i].tests[j].stage;
	qsort(call->stages, count, sizeof(*call->stages), compare_stages);
	for (size_t i = 0; i < count; i++)
		if (left == 0 || !is_same(&call->stages[left - 1], &call->stages[i]))
			call->stages[left++] = call->stages[i];
	call->stage_count = left;
}

/* Whether nothing is left to ask of a path. */
static bool is_decided(const struct call *call, const struct path *path, size_t stage)
{
	for (; stage < call->stage_count; stage++)
		for (uint32_t i = 0; i < path->count; i++)
			if (is_same(&path->tests[i].stage, &call->stages[stage]))
				return false;
	return true;
}

/* The first row that holds decides: those after one that does are out. */
static uint64_t drop_behind(const struct call *call, uint64_t alive, size_t stage)
{
	for (uint64_t left = alive; left; left &= left - 1)
		if (is_decided(call, &call->paths[__builtin_ctzll(left)], stage))
			return alive & ((left & -left) | ((left & -left) - 1));
	return alive;
}

/* The paths that are still possible if this is what the stage finds. */
static uint64_t keep(const struct call *call, uint64_t alive, size_t stage,
		     uint32_t value)
{
	for (uint64_t left = alive; left; left &= left - 1) {
		const struct path *path = &call->paths[__builtin_ctzll(left)];

		for (uint32_t i = 0; i < path->count; i++) {
			const struct test *test = &path->tests[i];
			bool within = value >= test->first && value <= test->last;

			if (is_same(&test->stage, &call->stages[stage]) &&
			    within == test->negated)
				alive &= ~(left & -left);
		}
	}
	return alive;
}

static int compare_cells(const void *a, const void *b)
{
	const struct jl__tree_cell *left = a, *right = b;

	return left->first < right->first ? -1 : left->first > right->first;
}

/* Where the answers of a stage change, in order, each once; 0 is the first. */
static size_t list_cells(const struct call *call, uint64_t alive, size_t stage,
			 struct jl__tree_cell cells[JL__TREE_CELLS_MAX])
{
	size_t count = 1, left = 1;

	cells[0] = (struct jl__tree_cell){ 0, 1, 0 };
	for (; alive; alive &= alive - 1) {
		const struct path *path = &call->paths[__builtin_ctzll(alive)];

		for (uint32_t i = 0; i < path->count; i++) {
			const struct test *test = &path->tests[i];

			if (!is_same(&test->stage, &call->stages[stage]))
				continue;
			if (count + 2 > JL__TREE_CELLS_MAX)
				return 0;
			cells[count++] = (struct jl__tree_cell){ test->first, 1, 0 };
			if (test->last < test->stage.mask)
				cells[count++] =
					(struct jl__tree_cell){ test->last + 1, 1, 0 };
		}
	}
	qsort(cells, count, sizeof(*cells), compare_cells);
	for (size_t i = 1; i < count; i++)
		if (cells[i].first != cells[left - 1].first)
			cells[left++] = cells[i];
	return left;
}

static size_t write_stage(struct jl__tree_code *code, const struct stage *stage,
			  struct jl__tree_cell *cells, size_t count)
{
	size_t label;

	count = jl__tree_join(cells, count);
	if (count == 1)
		return cells[0].target;
	if (stage->mask != WORD && count == 2 && cells[1].first == 1) {
		label = jl__tree_jump(code, BPF_JSET, stage->mask, cells[1].target,
				      cells[0].target);
	} else {
		label = jl__tree_search(code, cells, count);
		if (stage->mask != WORD)
			label = jl__tree_step(code, BPF_ALU | BPF_AND | BPF_K,
					      stage->mask, label);
	}
	return jl__tree_step(code, BPF_LD | BPF_W | BPF_ABS, stage->offset, label);
}

static size_t write_block(struct emitter *e, uint64_t alive, size_t stage)
{
	struct jl__tree_cell cells[JL__TREE_CELLS_MAX];
	const struct call *call = &e->call;
	size_t count, label;

	if (!alive)
		return jl__tree_return(&e->code, SECCOMP_RET_ALLOW);
	alive = drop_behind(call, alive, stage);
	if (is_decided(call, &call->paths[__builtin_ctzll(alive)], stage))
		return jl__tree_return(&e->code,
				       SECCOMP_RET_ERRNO |
					       call->paths[__builtin_ctzll(alive)].error);
	for (size_t i = 0; i < e->block_count; i++)
		if (e->blocks[i].alive == alive && e->blocks[i].stage == stage)
			return e->blocks[i].label;
	count = list_cells(call, alive, stage, cells);
	if (count == 0 || e->block_count == BLOCKS_MAX) {
		e->code.error = -E2BIG;
		return e->code.used;
	}
	for (size_t i = 0; i < count; i++)
		cells[i].target = write_block(e, keep(call, alive, stage, cells[i].first),
					      stage + 1);
	label = write_stage(&e->code, &call->stages[stage], cells, count);
	if (e->block_count < BLOCKS_MAX)
		e->blocks[e->block_count++] = (struct block){ alive, stage, label };
	return label;
}

/* ---- calls ---- */

/* Negative where the architecture never had the call, -ENOENT if nobody knows it. */
static int find_number(uint32_t arch, const struct jl__rule *rule)
{
	int number = seccomp_syscall_resolve_name_arch(arch, rule->call);

	if (number == __NR_SCMP_ERROR)
		return rule->number >= 0 ? rule->number : -ENOENT;
	return number < 0 ? -ENOSYS : number;
}

static int find_numbers(struct emitter *e, const char **ret_culprit)
{
	for (size_t i = 0; i < jl__rules_count; i++) {
		int number = find_number(e->arch, &jl__rules[i]);

		e->numbers[i] = number;
		if (jl__rules[i].level > e->level || number == -ENOSYS)
			continue;
		*ret_culprit = jl__rules[i].call;
		if (number < 0)
			return number;
		if (number > (int)JL__RULES_LAST_CALL)
			return -ERANGE;
	}
	*ret_culprit = NULL;
	return 0;
}

/* Returns where the call is decided; ret_culprit only changes if that fails. */
static size_t write_call(struct emitter *e, int number, const char **ret_culprit)
{
	struct call *call = &e->call;
	const char *name = NULL;
	size_t label;
	int r = 0;

	call->path_count = 0;
	e->block_count = 0;
	for (size_t i = 0; i < jl__rules_count && r == 0; i++) {
		if (jl__rules[i].level > e->level || e->numbers[i] != number)
			continue;
		name = jl__rules[i].call;
		r = add_row(call, &jl__rules[i]);
	}
	if (r < 0 && !e->code.error)
		e->code.error = r;
	if (e->code.error)
		return e->code.used;
	list_stages(call);
	label = write_block(e,
			    call->path_count == PATHS_MAX
				    ? UINT64_MAX
				    : (UINT64_C(1) << call->path_count) - 1,
			    0);
	if (e->code.error)
		*ret_culprit = name;
	return label;
}

/*
 * Numbers beyond the last one known include x32. -1 goes through: it is what a debugger
 * sets to skip a call, and an errno would replace the result it chose.
 */
static void write_program(struct emitter *e, const char **ret_culprit)
{
	struct jl__tree_cell cells[JL__RULES_LAST_CALL + 3];
	size_t allow = jl__tree_return(&e->code, SECCOMP_RET_ALLOW);
	size_t absent = jl__tree_return(&e->code, SECCOMP_RET_ERRNO | ENOSYS);
	uint32_t last = JL__RULES_LAST_CALL;
	size_t count = 0, label;

	for (uint32_t number = 0; number <= last; number++)
		cells[count++] =
			(struct jl__tree_cell){ number, 1,
						write_call(e, (int)number, ret_culprit) };
	cells[count++] = (struct jl__tree_cell){ last + 1, 1, absent };
	cells[count++] = (struct jl__tree_cell){ UINT32_MAX, 1, allow };
	count = jl__tree_join(cells, count);

	label = jl__tree_search(&e->code, cells, count);
	label = jl__tree_step(&e->code, BPF_LD | BPF_W | BPF_ABS,
			      offsetof(struct seccomp_data, nr), label);
	label = jl__tree_jump(&e->code, BPF_JEQ, e->arch, label, absent);
	(void)jl__tree_step(&e->code, BPF_LD | BPF_W | BPF_ABS,
			    offsetof(struct seccomp_data, arch), label);
}

int jl__rules_emit(uint32_t arch, int level, struct sock_filter **ret_insns,
		   size_t *ret_count, const char **ret_culprit)
{
	struct sock_filter *insns = NULL;
	struct emitter *e = NULL;
	int r = -ENOMEM;

	*ret_culprit = NULL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return r;
	e->arch = arch;
	e->level = level;
	e->numbers = calloc(jl__rules_count, sizeof(*e->numbers));
	if (!e->numbers)
		goto out;
	r = find_numbers(e, ret_culprit);
	if (r < 0)
		goto out;
	write_program(e, ret_culprit);
	r = e->code.error;
	if (r < 0)
		goto out;
	r = -ENOMEM;
	insns = calloc(e->code.used, sizeof(*insns));
	if (!insns)
		goto out;
	memcpy(insns, &e->code.insns[BPF_MAXINSNS - e->code.used],
	       e->code.used * sizeof(*insns));
	*ret_insns = insns;
	*ret_count = e->code.used;
	r = 0;
out:
	free(e->numbers);
	free(e);
	return r;
}
