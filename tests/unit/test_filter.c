/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <check.h>
#include <seccomp.h>

#include <joblet/job.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "bpf_sim.h"
#include "filter_programs.h"
#include "sandbox/rules.h"
#include "sandbox/sandbox.h"

#define HIGH UINT64_C(0x100000000)

/* The action as an errno: 0 is allowed, anything a filter must not do fails the test. */
static int run_on(const struct program *p, uint32_t arch, uint32_t nr,
		  const uint64_t args[6])
{
	struct seccomp_data data = { .nr = (int)nr, .arch = arch };
	int64_t action;

	memcpy(data.args, args, sizeof(data.args));
	action = bpf_sim_run(p->insns, p->count, &data, NULL);
	if (action == SECCOMP_RET_ALLOW)
		return 0;
	ck_assert_int_eq(action & SECCOMP_RET_ACTION_FULL, SECCOMP_RET_ERRNO);
	ck_assert_int_ne(action & SECCOMP_RET_DATA, 0);
	return (int)(action & SECCOMP_RET_DATA);
}

/* ---- what each call gets
 * --------------------------------------------------------------- */

/* The table needs what is above. */
#include "filter_table.h"

START_TEST(call_gets_what_the_table_says)
{
	const struct expectation *e = &expectations[_i];

	for (int i = 0; i < COUNT(programs); i++) {
		const struct program *p = &programs[i];
		int nr = number_of(p->arch, e->call);
		int want = p->level == JL_SECCOMP_STRICT ? e->strict : e->normal;

		if (nr < 0)
			continue;
		ck_assert_msg(run_on(p, p->arch, (uint32_t)nr, e->args) == want,
			      "%s(%#jx, %#jx, %#jx) on %s, level %d: %d, not %d", e->call,
			      (uintmax_t)e->args[0], (uintmax_t)e->args[1],
			      (uintmax_t)e->args[2], families[i / 2], p->level,
			      run_on(p, p->arch, (uint32_t)nr, e->args), want);
	}
}
END_TEST

START_TEST(every_rule_is_in_the_table)
{
	for (size_t i = 0; i < jl__rules_count; i++) {
		bool found = false;

		for (int j = 0; j < COUNT(expectations); j++)
			found = found ||
				(strcmp(jl__rules[i].call, expectations[j].call) == 0 &&
				 expectations[j].strict != 0);
		ck_assert_msg(found, "no case for %s", jl__rules[i].call);
	}
}
END_TEST

/* ---- entries that are not the machine's own
 * -------------------------------------------- */

START_TEST(foreign_architectures_get_nothing)
{
	static const uint32_t foreign[] = {
		AUDIT_ARCH_I386,
		AUDIT_ARCH_ARM,
		AUDIT_ARCH_X86_64,
		AUDIT_ARCH_AARCH64,
		0,
		AUDIT_ARCH_RISCV64,
		UINT32_MAX,
	};
	static const uint64_t none[6];

	for (int i = 0; i < COUNT(programs); i++)
		for (int j = 0; j < COUNT(foreign); j++)
			for (uint32_t nr = 0; nr < 600 && foreign[j] != programs[i].arch;
			     nr++)
				ck_assert_int_eq(
					run_on(&programs[i], foreign[j], nr, none),
					ENOSYS);
}
END_TEST

START_TEST(x32_numbers_get_nothing)
{
	static const uint64_t none[6];

	for (int i = 0; i < COUNT(programs); i++)
		for (uint32_t nr = 0; nr < 1024; nr++)
			ck_assert_int_eq(run_on(&programs[i], programs[i].arch,
						0x40000000 | nr, none),
					 ENOSYS);
}
END_TEST

START_TEST(calls_of_later_kernels_do_not_exist)
{
	static const uint64_t none[6];

	for (int i = 0; i < COUNT(programs); i++) {
		const struct program *p = &programs[i];

		ck_assert_int_eq(run_on(p, p->arch, JL__RULES_LAST_CALL, none), 0);
		for (uint32_t nr = JL__RULES_LAST_CALL + 1; nr < 5000; nr++)
			ck_assert_int_eq(run_on(p, p->arch, nr, none), ENOSYS);
		ck_assert_int_eq(run_on(p, p->arch, INT32_MAX, none), ENOSYS);
		ck_assert_int_eq(run_on(p, p->arch, 0x80000000, none), ENOSYS);
		ck_assert_int_eq(run_on(p, p->arch, UINT32_MAX - 1, none), ENOSYS);
	}
}
END_TEST

START_TEST(call_skipped_by_a_debugger_keeps_its_result)
{
	static const uint64_t none[6];

	for (int i = 0; i < COUNT(programs); i++)
		ck_assert_int_eq(run_on(&programs[i], programs[i].arch, UINT32_MAX, none),
				 0);
}
END_TEST

/* ---- the documentation
 * ----------------------------------------------------------------- */

struct doc_term {
	unsigned int arg;
	uint64_t mask, low, high;
	bool negated;
};

struct doc_row {
	char call[32];
	struct doc_term terms[2];
	int count; /* 0 for always */
	int level;
	int error;
};

static struct doc_row doc[200];
static int doc_count;

static const struct {
	const char *name;
	int code;
} errors[] = {
	{ "EPERM", EPERM },
	{ "ENOSYS", ENOSYS },
	{ "EAFNOSUPPORT", EAFNOSUPPORT },
	{ "EPROTONOSUPPORT", EPROTONOSUPPORT },
	{ "ESOCKTNOSUPPORT", ESOCKTNOSUPPORT },
	{ "ENOPROTOOPT", ENOPROTOOPT },
};

/* aN [& MASK] (= | != | >=) VALUE [.. VALUE] */
static void read_term(const char *text, struct doc_term *term)
{
	char op[3] = "";
	int used = 0;

	term->mask = UINT64_MAX;
	ck_assert_msg(sscanf(text, "a%u %n", &term->arg, &used) == 1, "'%s'", text);
	ck_assert_uint_lt(term->arg, 6);
	text += used;
	if (*text == '&') {
		ck_assert_int_eq(sscanf(text, "& %ji %n", (intmax_t *)&term->mask, &used),
				 1);
		text += used;
	}
	ck_assert_int_eq(sscanf(text, "%2[!>=] %n", op, &used), 1);
	text += used;
	ck_assert_int_eq(sscanf(text, "%ji%n", (intmax_t *)&term->low, &used), 1);
	text += used;
	term->high = strcmp(op, ">=") == 0 ? UINT64_MAX : term->low;
	term->negated = strcmp(op, "!=") == 0;
	if (sscanf(text, "..%ji%n", (intmax_t *)&term->high, &used) == 1)
		text += used;
	ck_assert_msg(*text == '\0', "'%s'", text);
}

static void read_row(char *line, struct doc_row *row)
{
	char when[128], level[16], error[32];
	char *second;

	ck_assert_msg(sscanf(line, "| %31[^ |] | %127[^|]| %15[^ |] | %31[^ |] |",
			     row->call, when, level, error) == 4,
		      "%s", line);
	when[strlen(when) - 1] = '\0';
	second = strstr(when, " and ");
	if (second) {
		*second = '\0';
		read_term(second + strlen(" and "), &row->terms[1]);
	}
	if (strcmp(when, "always") != 0) {
		read_term(when, &row->terms[0]);
		row->count = second ? 2 : 1;
	}
	ck_assert(strcmp(level, "default") == 0 || strcmp(level, "strict") == 0);
	row->level =
		strcmp(level, "strict") == 0 ? JL_SECCOMP_STRICT : JL_SECCOMP_DEFAULT;
	for (int i = 0; i < COUNT(errors); i++)
		if (strcmp(errors[i].name, error) == 0)
			row->error = errors[i].code;
	ck_assert_msg(row->error != 0, "%s", line);
}

static void read_doc(void)
{
	const char *root = getenv("JOBLET_SOURCE_DIR");
	_cleanup_free_ char *path = jl__format("%s/doc/seccomp.md", root ? root : ".");
	bool inside = false;
	char line[512];
	FILE *file;

	build_programs();
	doc_count = 0;
	memset(doc, 0, sizeof(doc));
	file = fopen(path, "re");
	ck_assert_msg(file != NULL, "cannot open %s", path);
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, "| call |", 8) == 0)
			inside = true;
		else if (line[0] != '|')
			inside = false;
		else if (inside && line[1] != '-')
			read_row(line, &doc[doc_count++]);
		ck_assert_int_lt(doc_count, COUNT(doc));
	}
	(void)fclose(file);
}

static bool holds(const struct doc_row *row, const uint64_t args[6])
{
	for (int i = 0; i < row->count; i++) {
		const struct doc_term *term = &row->terms[i];
		uint64_t value = args[term->arg] & term->mask;
		bool within = value >= term->low && value <= term->high;

		if (within == term->negated)
			return false;
	}
	return true;
}

/* Whether the documentation agrees with a result. */
static bool is_documented(const struct program *p, const char *call,
			  const uint64_t args[6], int result)
{
	bool refused = false;

	for (int i = 0; i < doc_count; i++) {
		if (doc[i].level > p->level || strcmp(doc[i].call, call) != 0 ||
		    !holds(&doc[i], args))
			continue;
		if (result == doc[i].error)
			return true;
		refused = true;
	}
	return !refused && result == 0;
}

START_TEST(documentation_lists_the_rules)
{
	ck_assert_int_eq(doc_count, (int)jl__rules_count);
	for (int i = 0; i < doc_count; i++) {
		ck_assert_str_eq(doc[i].call, jl__rules[i].call);
		ck_assert_int_eq(doc[i].level, jl__rules[i].level);
		ck_assert_int_eq(doc[i].error, jl__rules[i].error);
	}
}
END_TEST

START_TEST(every_number_does_what_the_documentation_says)
{
	static const uint64_t none[6];

	for (int i = 0; i < COUNT(programs); i++) {
		const struct program *p = &programs[i];

		for (uint32_t nr = 0; nr <= JL__RULES_LAST_CALL; nr++) {
			char *known = seccomp_syscall_resolve_num_arch(p->arch, (int)nr);
			const char *call = known ? known : "";

			for (int j = 0; j < doc_count && !known; j++)
				if (number_of(p->arch, doc[j].call) == (int)nr)
					call = doc[j].call;
			ck_assert_msg(is_documented(p, call, none,
						    run_on(p, p->arch, nr, none)),
				      "%u (%s) on %s, level %d: %d", nr, call,
				      families[i / 2], p->level,
				      run_on(p, p->arch, nr, none));
			free(known);
		}
	}
}
END_TEST

static uint64_t random_bits(void)
{
	static uint64_t state = 88172645463325252U;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Values near what the rules ask for: one changed bit or a step away, with or without
 * dirt in the upper half. */
static uint64_t near_value(const struct doc_row *row)
{
	const struct doc_term *term = &row->terms[random_bits() % 2];
	uint64_t value = 0;

	switch (random_bits() % 8) {
	case 0:
		value = random_bits();
		break;
	case 1:
		value = random_bits() % 64;
		break;
	case 2:
		value = UINT64_C(1) << (random_bits() % 64);
		break;
	case 3:
		value = term->mask & random_bits() & random_bits() & random_bits();
		break;
	case 4:
		value = 0xffffffff ^
			(random_bits() % 2 ? UINT64_C(1) << random_bits() % 32 : 0);
		break;
	case 5:
		value = ~term->mask & random_bits();
		break;
	default:
		value = term->low + random_bits() % 3 - 1;
	}
	if (random_bits() % 4 == 0)
		value ^= random_bits() << 32;
	return value;
}

START_TEST(arguments_do_what_the_documentation_says)
{
	for (int i = 0; i < COUNT(programs) * doc_count; i++) {
		const struct program *p = &programs[i % COUNT(programs)];
		const struct doc_row *row = &doc[i / COUNT(programs)];
		int nr = number_of(p->arch, row->call);

		for (int n = 0; nr >= 0 && n < (row->count ? 5000 : 20); n++) {
			uint64_t args[6];
			int result;

			for (int j = 0; j < 6; j++)
				args[j] = near_value(row);
			if (row->count && random_bits() % 2)
				args[row->terms[0].arg] = row->terms[0].low;
			result = run_on(p, p->arch, (uint32_t)nr, args);
			ck_assert_msg(is_documented(p, row->call, args, result),
				      "%s(%#jx, %#jx, %#jx) on %s, level %d: %d",
				      row->call, (uintmax_t)args[0], (uintmax_t)args[1],
				      (uintmax_t)args[2], families[(p - programs) / 2],
				      p->level, result);
		}
	}
}
END_TEST

/* ---- what the library hands out
 * -------------------------------------------------------- */

START_TEST(compile_gives_the_programs_of_this_machine)
{
	for (int i = 0; i < COUNT(programs); i++) {
		const struct program *p = &programs[i];
		struct jl__filter filter = { 0 };
		jl_error *err = NULL;

		if (p->arch != seccomp_arch_native())
			continue;
		ck_assert_int_eq(jl__filter_compile(p->level, &filter, &err), 0);
		ck_assert_ptr_null(err);
		ck_assert_uint_eq(filter.count, p->count);
		ck_assert_mem_eq(filter.insns, p->insns, p->count * sizeof(*p->insns));
		jl__free(filter.insns);
	}
}
END_TEST

START_TEST(level_off_has_no_program)
{
	struct jl__filter filter = { (struct sock_filter *)-1, 1 };

	ck_assert_int_eq(jl__filter_compile(JL_SECCOMP_OFF, &filter, NULL), 0);
	ck_assert_ptr_null(filter.insns);
	ck_assert_uint_eq(filter.count, 0);
}
END_TEST

START_TEST(unknown_level_is_refused)
{
	struct jl__filter filter = { NULL, 7 };
	jl_error *err = NULL;

	ck_assert_int_eq(jl__filter_compile(3, &filter, &err), -EINVAL);
	ck_assert_str_eq(jl_error_message(err), "3 is not a seccomp level");
	ck_assert_str_eq(jl_error_module(err), "sandbox");
	ck_assert_uint_eq(filter.count, 7);
	jl_error_free(err);
	ck_assert_int_eq(jl__filter_compile(-1, &filter, NULL), -EINVAL);
}
END_TEST

static void *no_alloc(size_t bytes)
{
	(void)bytes;
	return NULL;
}

static void *no_resize(void *ptr, size_t bytes)
{
	(void)ptr;
	(void)bytes;
	return NULL;
}

START_TEST(compile_without_memory_says_so)
{
	struct jl__filter filter = { 0 };
	jl_error *err = NULL;

	ck_assert_int_eq(jl_set_allocator(no_alloc, no_resize, free), 0);
	ck_assert_int_eq(jl__filter_compile(JL_SECCOMP_DEFAULT, &filter, &err), -ENOMEM);
	ck_assert_int_eq(jl_set_allocator(NULL, NULL, NULL), 0);
	ck_assert_int_eq(jl_error_code(err), -ENOMEM);
	ck_assert_ptr_null(filter.insns);
	jl_error_free(err);
}
END_TEST

START_TEST(levels_have_names)
{
	ck_assert_str_eq(jl__filter_level_name(JL_SECCOMP_OFF), "off");
	ck_assert_str_eq(jl__filter_level_name(JL_SECCOMP_DEFAULT), "default");
	ck_assert_str_eq(jl__filter_level_name(JL_SECCOMP_STRICT), "strict");
	ck_assert_ptr_null(jl__filter_level_name(3));
	ck_assert_ptr_null(jl__filter_level_name(-1));
}
END_TEST

/* The kernel translates each instruction and walks the program once per number. */
START_TEST(programs_are_cheap_to_install)
{
	for (int i = 0; i < COUNT(programs); i++) {
		const struct program *p = &programs[i];
		unsigned int steps, all = 0;

		for (int nr = 0; nr <= (int)JL__RULES_LAST_CALL; nr++) {
			struct seccomp_data data = { .nr = nr, .arch = p->arch };

			ck_assert_int_ge(bpf_sim_run(p->insns, p->count, &data, &steps),
					 0);
			ck_assert_uint_le(steps, 24);
			all += steps;
		}
		ck_assert_uint_le(all, 10 * JL__RULES_LAST_CALL);
		ck_assert_uint_le(p->count, 140);
	}
}
END_TEST

static Suite *filter_suite(void)
{
	Suite *suite = suite_create("filter");
	TCase *rules = tcase_create("rules");
	TCase *written = tcase_create("documentation");
	TCase *library = tcase_create("library");

	/* Unchecked: once, and not in the process of each test. */
	tcase_add_unchecked_fixture(rules, build_programs, drop_programs);
	tcase_add_loop_test(rules, call_gets_what_the_table_says, 0, COUNT(expectations));
	tcase_add_test(rules, every_rule_is_in_the_table);
	tcase_add_test(rules, foreign_architectures_get_nothing);
	tcase_add_test(rules, x32_numbers_get_nothing);
	tcase_add_test(rules, calls_of_later_kernels_do_not_exist);
	tcase_add_test(rules, call_skipped_by_a_debugger_keeps_its_result);
	tcase_add_test(rules, compile_gives_the_programs_of_this_machine);
	tcase_add_test(rules, programs_are_cheap_to_install);
	suite_add_tcase(suite, rules);

	tcase_add_unchecked_fixture(written, read_doc, drop_programs);
	tcase_set_timeout(written, 60);
	tcase_add_test(written, documentation_lists_the_rules);
	tcase_add_test(written, every_number_does_what_the_documentation_says);
	tcase_add_test(written, arguments_do_what_the_documentation_says);
	suite_add_tcase(suite, written);

	tcase_add_test(library, level_off_has_no_program);
	tcase_add_test(library, unknown_level_is_refused);
	tcase_add_test(library, compile_without_memory_says_so);
	tcase_add_test(library, levels_have_names);
	suite_add_tcase(suite, library);

	return suite;
}

int main(void)
{
	SRunner *sr = srunner_create(filter_suite());
	int failed;

	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
