/* SPDX-License-Identifier: MIT */
#define JL_MODULE "sandbox"
#include "sandbox/sandbox.h"

#include <errno.h>

#include <joblet/job.h>

#include "base/alloc.h"
#include "base/error.h"

/* Compiled from rules.c during the build: doc/adr/0001-seccomp-at-build-time.md. */
#include "filter-data.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

_Static_assert(COUNT(program_default) <= BPF_MAXINSNS, "the kernel refuses it");
_Static_assert(COUNT(program_strict) <= BPF_MAXINSNS, "the kernel refuses it");

int jl__filter_compile(int level, struct jl__filter *ret, jl_error **err)
{
	const struct sock_filter *program = NULL;
	struct sock_filter *copy = NULL;
	size_t count = 0;

	switch (level) {
	case JL_SECCOMP_OFF:
		break;
	case JL_SECCOMP_DEFAULT:
		program = program_default;
		count = COUNT(program_default);
		break;
	case JL_SECCOMP_STRICT:
		program = program_strict;
		count = COUNT(program_strict);
		break;
	default:
		return jl__fail(err, -EINVAL, "%d is not a seccomp level", level);
	}
	if (count) {
		copy = jl__memdup(program, count * sizeof(*program));
		if (!copy)
			return jl__oom(err);
	}
	*ret = (struct jl__filter){ .insns = copy, .count = (uint16_t)count };
	return 0;
}

const char *jl__filter_level_name(int level)
{
	switch (level) {
	case JL_SECCOMP_OFF:
		return "off";
	case JL_SECCOMP_DEFAULT:
		return "default";
	case JL_SECCOMP_STRICT:
		return "strict";
	default:
		return NULL;
	}
}
