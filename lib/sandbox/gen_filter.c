/* SPDX-License-Identifier: MIT */
/*
 * Runs during the build. `gen_filter FAMILY` writes the filter programs of a CPU family
 * as C; `gen_filter --doc` writes the table of doc/seccomp.md.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <joblet/job.h>

#include "sandbox/rules.h"

/* strerrorname_np() is glibc's alone. */
static const char *error_name(int error)
{
	switch (error) {
	case EPERM:
		return "EPERM";
	case ENOSYS:
		return "ENOSYS";
	case EAFNOSUPPORT:
		return "EAFNOSUPPORT";
	case EPROTONOSUPPORT:
		return "EPROTONOSUPPORT";
	case ESOCKTNOSUPPORT:
		return "ESOCKTNOSUPPORT";
	case ENOPROTOOPT:
		return "ENOPROTOOPT";
	default:
		return "?";
	}
}

static void print_term(const struct jl__rule_term *term)
{
	unsigned int arg = term->arg;

	switch (term->op) {
	case JL__RULE_EQ:
		if (term->mask)
			printf("a%u & 0x%" PRIx64 " = 0x%" PRIx64, arg, term->mask,
			       term->value);
		else
			printf("a%u = %" PRIu64, arg, term->value);
		break;
	case JL__RULE_NE:
		printf("a%u != %" PRIu64, arg, term->value);
		break;
	case JL__RULE_GE:
		printf("a%u >= %" PRIu64, arg, term->value);
		break;
	case JL__RULE_RANGE:
		printf("a%u = %" PRIu64 "..%" PRIu64, arg, term->value, term->last);
		break;
	case JL__RULE_ANY:
		printf("a%u & 0x%" PRIx64 " != 0", arg, term->mask);
		break;
	case JL__RULE_ANY_SET:
		printf("a%u & 0x%" PRIx64 " != 0 and a%u & 0xffffffff != 0xffffffff", arg,
		       term->mask, arg);
		break;
	default:
		break;
	}
}

static void print_doc(void)
{
	printf("| call | when | from | error | why |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < jl__rules_count; i++) {
		const struct jl__rule *rule = &jl__rules[i];

		printf("| %s | ", rule->call);
		if (rule->term[0].op == JL__RULE_NONE)
			printf("always");
		print_term(&rule->term[0]);
		if (rule->term[1].op != JL__RULE_NONE)
			printf(" and ");
		print_term(&rule->term[1]);
		printf(" | %s | %s | %s |\n",
		       rule->level == JL_SECCOMP_STRICT ? "strict" : "default",
		       error_name(rule->error), rule->why);
	}
}

static int print_program(const char *name, uint32_t arch, int level)
{
	struct sock_filter *insns = NULL;
	const char *culprit;
	size_t count = 0;
	int r;

	r = jl__rules_emit(arch, level, &insns, &count, &culprit);
	if (r < 0) {
		fprintf(stderr, "gen_filter: %s: %s%s%s\n", name, strerror(-r),
			culprit ? ", rule for " : "", culprit ? culprit : "");
		return r;
	}
	printf("\nstatic const struct sock_filter %s[] = {\n", name);
	for (size_t i = 0; i < count; i++)
		printf("\t{ 0x%02x, %u, %u, 0x%08x },\n", insns[i].code, insns[i].jt,
		       insns[i].jf, insns[i].k);
	printf("};\n");
	free(insns);
	return 0;
}

int main(int argc, char **argv)
{
	uint32_t arch;

	if (argc != 2) {
		fprintf(stderr, "usage: gen_filter FAMILY | --doc\n");
		return 2;
	}
	if (strcmp(argv[1], "--doc") == 0) {
		print_doc();
		return fflush(stdout) == 0 ? 0 : 1;
	}
	arch = jl__rules_arch(argv[1]);
	if (!arch) {
		fprintf(stderr, "gen_filter: no filter for the CPU family %s\n", argv[1]);
		return 1;
	}
	printf("/* Written by gen_filter from rules.c. */\n"
	       "#ifndef __%s__\n"
	       "#error this filter is for another CPU family\n"
	       "#endif\n",
	       argv[1]);
	if (print_program("program_default", arch, JL_SECCOMP_DEFAULT) < 0 ||
	    print_program("program_strict", arch, JL_SECCOMP_STRICT) < 0)
		return 1;
	return fflush(stdout) == 0 ? 0 : 1;
}
