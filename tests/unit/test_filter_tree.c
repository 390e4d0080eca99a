/* SPDX-License-Identifier: MIT */
/*
 * The search that programs are made of, and the programs against what they replace: the
 * rules themselves and libseccomp's translation of them.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include <joblet/job.h>

#include "bpf_sim.h"
#include "filter_programs.h"
#include "sandbox/rules.h"
#include "sandbox/tree.h"

/* ---- the search ---- */

static struct jl__tree_code code;

static void start_code(void)
{
	memset(&code, 0, sizeof(code));
}

static int64_t look_up(uint32_t number)
{
	struct seccomp_data data = { .nr = (int)number };

	ck_assert_int_eq(code.error, 0);
	return bpf_sim_run(&code.insns[BPF_MAXINSNS - code.used], code.used, &data, NULL);
}

static void write_search(const struct jl__tree_cell *cells, size_t count)
{
	size_t label = jl__tree_search(&code, cells, count);

	(void)jl__tree_step(&code, BPF_LD | BPF_W | BPF_ABS,
			    offsetof(struct seccomp_data, nr), label);
}

/* A block that is no return: it is jumped to, not copied. */
static size_t write_even_or_odd(uint32_t even, uint32_t odd)
{
	size_t label = jl__tree_jump(&code, BPF_JSET, 1, jl__tree_return(&code, odd),
				     jl__tree_return(&code, even));

	return jl__tree_step(&code, BPF_LD | BPF_W | BPF_ABS,
			     offsetof(struct seccomp_data, nr), label);
}

START_TEST(single_cell_needs_no_search)
{
	struct jl__tree_cell cell = { 0, 1, 0 };

	cell.target = jl__tree_return(&code, 7);
	ck_assert_uint_eq(jl__tree_search(&code, &cell, 1), cell.target);
	ck_assert_uint_eq(code.used, 1);
}
END_TEST

START_TEST(ends_of_cells_are_exact)
{
	static const uint32_t firsts[] = { 0,	5,	    6,		9,
					   100, 0x7fffffff, 0x80000000, UINT32_MAX };
	struct jl__tree_cell cells[COUNT(firsts)];

	for (int i = 0; i < COUNT(firsts); i++)
		cells[i] =
			(struct jl__tree_cell){ firsts[i], 1 + (uint32_t)i % 3,
						jl__tree_return(&code, (uint32_t)i % 4) };
	write_search(cells, COUNT(firsts));
	for (int i = 0; i < COUNT(firsts); i++) {
		ck_assert_int_eq(look_up(firsts[i]), i % 4);
		if (i > 0)
			ck_assert_int_eq(look_up(firsts[i] - 1), (i - 1) % 4);
	}
}
END_TEST

/* Single numbers in one surrounding cost an instruction each. */
START_TEST(single_numbers_are_compared_for_equality)
{
	size_t around = jl__tree_return(&code, 1);
	size_t hit = jl__tree_return(&code, 2);
	const struct jl__tree_cell cells[] = {
		{ 0, 10, around }, { 10, 1, hit },     { 11, 9, around },
		{ 20, 1, hit },	   { 21, 10, around },
	};

	write_search(cells, COUNT(cells));
	ck_assert_uint_eq(code.used, 2 + 2 + 1);
	for (uint32_t number = 0; number < 40; number++)
		ck_assert_int_eq(look_up(number), number == 10 || number == 20 ? 2 : 1);
}
END_TEST

/* Offsets have 8 bits: with so many targets most are too far away. */
START_TEST(targets_may_be_far_away)
{
	struct jl__tree_cell cells[JL__TREE_CELLS_MAX];

	for (uint32_t i = 0; i < JL__TREE_CELLS_MAX; i++)
		cells[i] =
			(struct jl__tree_cell){ i * 3, i % 7,
						i % 2 ? jl__tree_return(&code, i)
						      : write_even_or_odd(i, 1000 + i) };
	write_search(cells, JL__TREE_CELLS_MAX);
	ck_assert_uint_gt(code.used, 4 * 256);
	for (uint32_t number = 0; number < JL__TREE_CELLS_MAX * 3; number++) {
		uint32_t i = number / 3;

		ck_assert_int_eq(look_up(number), i % 2 ? i : number % 2 ? 1000 + i : i);
	}
}
END_TEST

/* Both branches at each distance around the limit; either may be the nearer one. */
START_TEST(limit_of_a_jump_is_exact)
{
	for (int distance = 245; distance < 265; distance++) {
		size_t odd, even, label;

		start_code();
		odd = _i ? jl__tree_return(&code, 1) : 0;
		even = write_even_or_odd(2, 3);
		odd = _i ? odd : jl__tree_return(&code, 1);
		label = code.used;
		for (int i = 0; i < distance; i++)
			label = jl__tree_step(&code, BPF_ALU | BPF_AND | BPF_K, 1, label);
		label = jl__tree_jump(&code, BPF_JSET, 1, odd, even);
		(void)jl__tree_step(&code, BPF_LD | BPF_W | BPF_ABS,
				    offsetof(struct seccomp_data, nr), label);
		ck_assert_int_eq(look_up(5), 1);
		ck_assert_int_eq(look_up(4), 2);
	}
}
END_TEST

START_TEST(programs_that_are_too_long_say_so)
{
	size_t label = jl__tree_return(&code, 0);

	for (int i = 0; i < BPF_MAXINSNS - 1; i++)
		label = jl__tree_step(&code, BPF_ALU | BPF_AND | BPF_K, 1, label);
	ck_assert_int_eq(code.error, 0);
	(void)jl__tree_step(&code, BPF_ALU | BPF_AND | BPF_K, 1, label);
	ck_assert_int_eq(code.error, -E2BIG);
}
END_TEST

START_TEST(too_many_cells_say_so)
{
	struct jl__tree_cell cells[JL__TREE_CELLS_MAX + 1] = { 0 };

	(void)jl__tree_search(&code, cells, JL__TREE_CELLS_MAX + 1);
	ck_assert_int_eq(code.error, -E2BIG);
}
END_TEST

/* ---- programs and rules ---- */

struct reference {
	struct sock_filter *insns;
	size_t count;
	int numbers[200]; /* by rule */
};

static struct reference references[COUNT(programs)];

static void build_both(void)
{
	const char *culprit;

	build_programs();
	for (int i = 0; i < COUNT(programs); i++) {
		struct reference *reference = &references[i];

		ck_assert_uint_le(jl__rules_count, COUNT(reference->numbers));
		for (size_t j = 0; j < jl__rules_count; j++)
			reference->numbers[j] =
				number_of(programs[i].arch, jl__rules[j].call);
		ck_assert_int_eq(jl__rules_compile(programs[i].arch, programs[i].level,
						   &reference->insns, &reference->count,
						   &culprit),
				 0);
	}
}

static void drop_both(void)
{
	drop_programs();
	for (int i = 0; i < COUNT(programs); i++)
		free(references[i].insns);
}

static bool term_holds(const struct jl__rule_term *term, const uint64_t *args)
{
	uint64_t value = args[term->arg];

	switch (term->op) {
	case JL__RULE_NONE:
		return true;
	case JL__RULE_EQ:
		return (value & (term->mask ? term->mask : UINT64_MAX)) == term->value;
	case JL__RULE_NE:
		return value != term->value;
	case JL__RULE_GE:
		return value >= term->value;
	case JL__RULE_RANGE:
		return value >= term->value && value <= term->last;
	case JL__RULE_ANY:
		return (value & term->mask) != 0;
	default:
		return (value & term->mask) != 0 && (uint32_t)value != UINT32_MAX;
	}
}

/*
 * Fails unless both programs do what the first row that holds says. libseccomp chooses
 * for itself if several do; there it must be the error of one of them.
 */
static void compare(int which, const struct seccomp_data *data)
{
	const struct program *p = &programs[which];
	const struct reference *reference = &references[which];
	int64_t got = bpf_sim_run(p->insns, p->count, data, NULL);
	int64_t theirs = bpf_sim_run(reference->insns, reference->count, data, NULL);
	const uint64_t *args = (const uint64_t *)data->args;
	int64_t want = SECCOMP_RET_ALLOW;
	bool known = false;

	for (size_t i = 0; i < jl__rules_count && got != SECCOMP_RET_ALLOW; i++) {
		const struct jl__rule *rule = &jl__rules[i];

		if (rule->level > p->level || data->arch != p->arch ||
		    reference->numbers[i] != data->nr ||
		    !term_holds(&rule->term[0], args) ||
		    !term_holds(&rule->term[1], args))
			continue;
		if (want == SECCOMP_RET_ALLOW)
			want = SECCOMP_RET_ERRNO | rule->error;
		known = known || theirs == (SECCOMP_RET_ERRNO | rule->error);
	}
	if (want == SECCOMP_RET_ALLOW) {
		want = theirs;
		known = true;
	}
	ck_assert_msg(got == want && known,
		      "%d(%#jx, %#jx, %#jx) of %#x on %s, level %d: %#jx, not %#jx "
		      "(libseccomp: %#jx)",
		      data->nr, (uintmax_t)args[0], (uintmax_t)args[1],
		      (uintmax_t)args[2], data->arch, families[which / 2], p->level,
		      (uintmax_t)got, (uintmax_t)want, (uintmax_t)theirs);
}

START_TEST(numbers_get_what_libseccomp_says)
{
	static const uint32_t arches[] = {
		AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64, AUDIT_ARCH_I386, AUDIT_ARCH_ARM, 0,
		UINT32_MAX,
	};
	static const uint32_t bases[] = { 0, 0x40000000, 0x7ffffda0, 0x80000000,
					  UINT32_MAX - 600 };

	for (int i = 0; i < COUNT(arches) * COUNT(bases); i++) {
		for (uint32_t nr = 0; nr <= 600; nr++) {
			struct seccomp_data data = {
				.nr = (int)(bases[i / COUNT(arches)] + nr),
				.arch = arches[i % COUNT(arches)],
			};

			compare(_i, &data);
		}
	}
}
END_TEST

/* Around everything the rows of a call ask of an argument, with and without an upper
 * half. */
struct edges {
	uint64_t values[600];
	int count;
};

static void add_value(struct edges *edges, uint64_t value)
{
	for (int i = 0; i < edges->count; i++)
		if (edges->values[i] == value)
			return;
	ck_assert_int_lt(edges->count, COUNT(edges->values));
	edges->values[edges->count++] = value;
}

static void add_edge(struct edges *edges, uint64_t value)
{
	add_value(edges, (uint32_t)value);
	add_value(edges, UINT64_C(1) << 32 | (uint32_t)value);
	add_value(edges, UINT64_C(0xffffffff00000000) | (uint32_t)value);
}

static void add_edges(struct edges *edges, const struct jl__rule_term *term)
{
	for (uint64_t step = 0; step < 3; step++) {
		add_edge(edges, term->value + step - 1);
		add_edge(edges, term->last + step - 1);
	}
	if (!term->mask || term->mask == UINT32_MAX)
		return;
	add_edge(edges, term->mask);
	add_edge(edges, ~term->mask);
	add_edge(edges, term->value | ~term->mask);
	for (unsigned int bit = 0; bit < 32; bit++) {
		add_value(edges, UINT64_C(1) << bit);
		add_value(edges, ~(UINT64_C(1) << bit));
	}
}

/* All combinations. */
static void compare_edges(int which, struct seccomp_data *data,
			  const struct edges edges[3])
{
	for (int i = 0; i < edges[0].count; i++) {
		for (int j = 0; j < edges[1].count; j++) {
			for (int k = 0; k < edges[2].count; k++) {
				data->args[0] = edges[0].values[i];
				data->args[1] = edges[1].values[j];
				data->args[2] = edges[2].values[k];
				compare(which, data);
			}
		}
	}
}

static uint64_t random_bits(void)
{
	static uint64_t state = 88172645463325252U;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void compare_random(int which, struct seccomp_data *data,
			   const struct edges edges[3])
{
	for (int n = 0; n < 5000; n++) {
		for (int i = 0; i < 3; i++) {
			uint64_t edge =
				edges[i].values[random_bits() % (uint64_t)edges[i].count];

			data->args[i] = random_bits() % 4 == 0 ? random_bits()
					: random_bits() % 3
						? edge
						: edge ^ UINT64_C(1)
								  << (random_bits() % 64);
		}
		compare(which, data);
	}
}

START_TEST(arguments_get_what_libseccomp_says)
{
	const struct program *p = &programs[_i];

	for (size_t i = 0; i < jl__rules_count; i++) {
		int nr = references[_i].numbers[i];
		struct seccomp_data data = { .nr = nr, .arch = p->arch };
		struct edges edges[3] = { 0 };

		if (nr < 0 || jl__rules[i].term[0].op == JL__RULE_NONE ||
		    (i > 0 && strcmp(jl__rules[i].call, jl__rules[i - 1].call) == 0))
			continue;
		for (int j = 0; j < 3; j++)
			add_edge(&edges[j], 0);
		for (size_t j = i; j < jl__rules_count; j++)
			for (int k = 0; k < 2; k++)
				if (strcmp(jl__rules[j].call, jl__rules[i].call) == 0 &&
				    jl__rules[j].term[k].op != JL__RULE_NONE)
					add_edges(&edges[jl__rules[j].term[k].arg],
						  &jl__rules[j].term[k]);
		compare_edges(_i, &data, edges);
		compare_random(_i, &data, edges);
	}
}
END_TEST

static Suite *filter_tree_suite(void)
{
	Suite *suite = suite_create("filter_tree");
	TCase *search = tcase_create("search");
	TCase *rules = tcase_create("rules");

	tcase_add_checked_fixture(search, start_code, NULL);
	tcase_add_test(search, single_cell_needs_no_search);
	tcase_add_test(search, ends_of_cells_are_exact);
	tcase_add_test(search, single_numbers_are_compared_for_equality);
	tcase_add_test(search, targets_may_be_far_away);
	tcase_add_loop_test(search, limit_of_a_jump_is_exact, 0, 2);
	tcase_add_test(search, programs_that_are_too_long_say_so);
	tcase_add_test(search, too_many_cells_say_so);
	suite_add_tcase(suite, search);

	/* Unchecked: once, and not in the process of each test. */
	tcase_add_unchecked_fixture(rules, build_both, drop_both);
	tcase_set_timeout(rules, 60);
	tcase_add_loop_test(rules, numbers_get_what_libseccomp_says, 0, COUNT(programs));
	tcase_add_loop_test(rules, arguments_get_what_libseccomp_says, 0,
			    COUNT(programs));
	suite_add_tcase(suite, rules);
	return suite;
}

int main(void)
{
	SRunner *sr = srunner_create(filter_tree_suite());
	int failed;

	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
