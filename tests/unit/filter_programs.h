/* SPDX-License-Identifier: MIT */
/* The programs of each level for each CPU family, whatever this machine is. */
#ifndef FILTER_PROGRAMS_H
#define FILTER_PROGRAMS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <seccomp.h>

#include <joblet/job.h>

#include "sandbox/rules.h"

#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))

static const char *const families[] = { "x86_64", "aarch64" };

struct program {
	uint32_t arch;
	int level;
	struct sock_filter *insns;
	size_t count;
};

static struct program programs[COUNT(families) * 2];

static void build_programs(void)
{
	for (int i = 0; i < COUNT(programs); i++) {
		struct program *p = &programs[i];
		const char *culprit = NULL;

		p->arch = jl__rules_arch(families[i / 2]);
		p->level = i % 2 ? JL_SECCOMP_STRICT : JL_SECCOMP_DEFAULT;
		ck_assert_uint_ne(p->arch, 0);
		ck_assert_int_eq(
			jl__rules_emit(p->arch, p->level, &p->insns, &p->count, &culprit),
			0);
	}
}

static void drop_programs(void)
{
	for (int i = 0; i < COUNT(programs); i++) {
		free(programs[i].insns);
		programs[i].insns = NULL;
	}
}

/* Number of a call, -1 where the architecture never had it. */
static int number_of(uint32_t arch, const char *call)
{
	int nr = seccomp_syscall_resolve_name_arch(arch, call);

	if (nr >= 0)
		return nr;
	for (size_t i = 0; nr == __NR_SCMP_ERROR && i < jl__rules_count; i++)
		if (strcmp(jl__rules[i].call, call) == 0 && jl__rules[i].number >= 0)
			return jl__rules[i].number;
	if (nr == __NR_SCMP_ERROR)
		ck_abort_msg("libseccomp does not know %s", call);
	return -1;
}

#endif
