/* SPDX-License-Identifier: MIT */
/*
 * What the system call filter refuses, as data, and its translation to BPF. Owns the
 * table that doc/seccomp.md prints. Part of the build and of the tests only: the library
 * carries the finished programs (doc/adr/0001-seccomp-at-build-time.md).
 */
#ifndef JL_SANDBOX_RULES_H
#define JL_SANDBOX_RULES_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

/* Conditions on one argument. Arguments are 64 bits wide unless a mask says otherwise. */
enum jl__rule_op {
	JL__RULE_NONE,	  /* no condition */
	JL__RULE_EQ,	  /* (arg & mask) == value; a mask of 0 stands for all bits */
	JL__RULE_NE,	  /* arg != value */
	JL__RULE_GE,	  /* arg >= value */
	JL__RULE_RANGE,	  /* value <= arg <= last */
	JL__RULE_ANY,	  /* (arg & mask) != 0 */
	JL__RULE_ANY_SET, /* lower half: as ANY, but not all ones */
};

struct jl__rule_term {
	uint8_t op;
	uint8_t arg;
	uint64_t mask;
	uint64_t value;
	uint64_t last;
};

struct jl__rule {
	const char *call;
	int16_t number; /* used when libseccomp is older than the call; -1 for none */
	uint8_t level;	/* the lowest JL_SECCOMP_ level that refuses */
	uint8_t error;
	struct jl__rule_term term[2]; /* all of them hold */
	const char *why;
};

extern const struct jl__rule jl__rules[];
extern const size_t jl__rules_count;

/*
 * Calls with a higher number did not exist when the table was written, so nobody has
 * judged them: they do not exist for jobs either.
 */
#define JL__RULES_LAST_CALL 469U

/* libseccomp's token for a CPU family ("x86_64", "aarch64"); 0 when unsupported. */
uint32_t jl__rules_arch(const char *family);

/*
 * Translates the rules of a level for an architecture token: the programs the library
 * carries. ret_insns is released with free(). Returns 0 or a negative errno; ret_culprit
 * then names the rule, or is NULL.
 */
int jl__rules_emit(uint32_t arch, int level, struct sock_filter **ret_insns,
		   size_t *ret_count, const char **ret_culprit);

/* The same by libseccomp, slower to install: what the tests compare with. */
int jl__rules_compile(uint32_t arch, int level, struct sock_filter **ret_insns,
		      size_t *ret_count, const char **ret_culprit);

#endif
