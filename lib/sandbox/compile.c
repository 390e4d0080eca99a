/* SPDX-License-Identifier: MIT */
#include "sandbox/rules.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <seccomp.h>

#define WORD UINT64_C(0xffffffff)

/* Only architectures whose flags of clone(2) are in the first argument. */
uint32_t jl__rules_arch(const char *family)
{
	if (strcmp(family, "x86_64") == 0)
		return SCMP_ARCH_X86_64;
	if (strcmp(family, "aarch64") == 0)
		return SCMP_ARCH_AARCH64;
	return 0;
}

/* ---- rules to libseccomp ---- */

struct target {
	scmp_filter_ctx ctx;
	uint32_t action;
	int number;
};

static int refuse(const struct target *target, struct scmp_arg_cmp first,
		  const struct jl__rule_term *second)
{
	struct scmp_arg_cmp both[2] = { first };
	unsigned int count = 1;
	enum scmp_compare op;

	if (second->op != JL__RULE_NONE) {
		op = second->op == JL__RULE_NE	 ? SCMP_CMP_NE
		     : second->op == JL__RULE_GE ? SCMP_CMP_GE
						 : SCMP_CMP_MASKED_EQ;
		if (op == SCMP_CMP_MASKED_EQ && second->op != JL__RULE_EQ)
			return -EINVAL;
		both[1] = (struct scmp_arg_cmp){ second->arg, op, second->value, 0 };
		if (op == SCMP_CMP_MASKED_EQ) {
			both[1].datum_a = second->mask ? second->mask : UINT64_MAX;
			both[1].datum_b = second->value;
		}
		count = 2;
	}
	return seccomp_rule_add_array(target->ctx, target->action, target->number, count,
				      both);
}

static int refuse_masked(const struct target *target, const struct jl__rule_term *term,
			 uint64_t mask, uint64_t value)
{
	return refuse(target,
		      (struct scmp_arg_cmp){ term->arg, SCMP_CMP_MASKED_EQ, mask, value },
		      term + 1);
}

/* libseccomp cannot say "masked and not equal": one rule for each bit. */
static int refuse_any(const struct target *target, const struct jl__rule_term *term)
{
	int r = 0;

	for (unsigned int bit = 0; bit < 64 && r == 0; bit++)
		if (term->mask >> bit & 1)
			r = refuse_masked(target, term, UINT64_C(1) << bit,
					  UINT64_C(1) << bit);
	return r;
}

/*
 * Some bit of the mask is set, but the lower half is not all ones; libseccomp takes one
 * condition per argument. Walk the bits of the mask as a ring: they are neither all clear
 * nor all set exactly if somewhere a set bit is followed by a clear one. That leaves the
 * mask all set and another bit clear.
 */
static int refuse_any_set(const struct target *target, const struct jl__rule_term *term)
{
	uint64_t mask = term->mask;
	uint64_t rest = ~mask & WORD;
	uint64_t above, bit, next;
	int r = 0;

	for (uint64_t left = mask; left && r == 0; left &= left - 1) {
		bit = left & -left;
		above = left & (left - 1);
		next = above ? above & -above : mask & -mask;
		r = refuse_masked(target, term, bit | next, bit);
	}
	for (; rest && r == 0; rest &= rest - 1)
		r = refuse_masked(target, term, mask | (rest & -rest), mask);
	return r;
}

static int add_rule(const struct target *target, const struct jl__rule *rule)
{
	const struct jl__rule_term *term = rule->term;
	int r = 0;

	switch (term->op) {
	case JL__RULE_NONE:
		return seccomp_rule_add_array(target->ctx, target->action, target->number,
					      0, NULL);
	case JL__RULE_EQ:
		return refuse_masked(target, term, term->mask ? term->mask : UINT64_MAX,
				     term->value);
	case JL__RULE_NE:
		return refuse(
			target,
			(struct scmp_arg_cmp){ term->arg, SCMP_CMP_NE, term->value, 0 },
			term + 1);
	case JL__RULE_GE:
		return refuse(
			target,
			(struct scmp_arg_cmp){ term->arg, SCMP_CMP_GE, term->value, 0 },
			term + 1);
	case JL__RULE_RANGE:
		for (uint64_t value = term->value; value <= term->last && r == 0; value++)
			r = refuse_masked(target, term, UINT64_MAX, value);
		return r;
	case JL__RULE_ANY:
		return refuse_any(target, term);
	case JL__RULE_ANY_SET:
		return refuse_any_set(target, term);
	default:
		return -EINVAL;
	}
}

/* A row without conditions makes the others of the same call superfluous. */
static bool is_covered(const struct jl__rule *rule, int level)
{
	if (rule->term[0].op == JL__RULE_NONE)
		return false;
	for (size_t i = 0; i < jl__rules_count; i++)
		if (jl__rules[i].level <= level &&
		    jl__rules[i].term[0].op == JL__RULE_NONE &&
		    strcmp(jl__rules[i].call, rule->call) == 0)
			return true;
	return false;
}

static bool is_unknown(const struct jl__rule *rule)
{
	return rule->number >= 0 &&
	       seccomp_syscall_resolve_name(rule->call) == __NR_SCMP_ERROR;
}

static int add_rules(scmp_filter_ctx ctx, uint32_t arch, int level,
		     const char **ret_culprit)
{
	struct target target = { .ctx = ctx };
	int r;

	for (size_t i = 0; i < jl__rules_count; i++) {
		const struct jl__rule *rule = &jl__rules[i];

		if (rule->level > level || is_covered(rule, level) || is_unknown(rule))
			continue;
		*ret_culprit = rule->call;
		r = seccomp_syscall_resolve_name_arch(arch, rule->call);
		if (r == __NR_SCMP_ERROR)
			return -ENOENT;
		if (r < 0)
			continue; /* this architecture never had it */
		/* Rules are given in numbers of the build machine and translated. */
		target.number = seccomp_syscall_resolve_name(rule->call);
		target.action = SCMP_ACT_ERRNO(rule->error);
		r = add_rule(&target, rule);
		if (r < 0)
			return r;
	}
	*ret_culprit = NULL;
	return 0;
}

/* ---- the program ---- */

/*
 * What comes before libseccomp's program because 2.5.4 cannot express it: numbers beyond
 * the last one known, which include x32, and calls it has no name for. -1 goes through:
 * it is what a debugger sets to skip a call, and an errno would replace the result it
 * chose.
 */
static size_t write_head(struct sock_filter *out, uint32_t arch, int level)
{
	const struct sock_filter head[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arch, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, JL__RULES_LAST_CALL, 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, UINT32_MAX, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	};
	size_t count = sizeof(head) / sizeof(head[0]);

	memcpy(out, head, sizeof(head));
	for (size_t i = 0; i < jl__rules_count; i++) {
		const struct jl__rule *rule = &jl__rules[i];

		if (rule->level > level || !is_unknown(rule))
			continue;
		out[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							    (uint32_t)rule->number, 0, 1);
		out[count++] = (struct sock_filter)BPF_STMT(
			BPF_RET | BPF_K, SECCOMP_RET_ERRNO | rule->error);
	}
	return count;
}

static int export_program(scmp_filter_ctx ctx, uint32_t arch, int level,
			  struct sock_filter **ret_insns, size_t *ret_count)
{
	struct sock_filter *insns = NULL;
	size_t count, body;
	struct stat st;
	int fd, r;

	fd = memfd_create("seccomp", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		goto out;
	r = -EIO;
	if (fstat(fd, &st) < 0 || st.st_size % (off_t)sizeof(*insns) != 0)
		goto out;
	body = (size_t)st.st_size / sizeof(*insns);
	r = -ENOMEM;
	insns = calloc(BPF_MAXINSNS + body, sizeof(*insns));
	if (!insns)
		goto out;
	count = write_head(insns, arch, level);
	r = -EIO;
	if (pread(fd, insns + count, (size_t)st.st_size, 0) != st.st_size)
		goto out;
	r = -E2BIG;
	if (count + body > BPF_MAXINSNS)
		goto out;
	*ret_count = count + body;
	*ret_insns = insns;
	insns = NULL;
	r = 0;
out:
	free(insns);
	(void)close(fd);
	return r;
}

int jl__rules_compile(uint32_t arch, int level, struct sock_filter **ret_insns,
		      size_t *ret_count, const char **ret_culprit)
{
	scmp_filter_ctx ctx;
	int r = 0;

	*ret_culprit = NULL;
	ctx = seccomp_init(SCMP_ACT_ALLOW);
	if (!ctx)
		return -ENOMEM;
	if (arch != seccomp_arch_native()) {
		r = seccomp_arch_remove(ctx, SCMP_ARCH_NATIVE);
		if (r == 0)
			r = seccomp_arch_add(ctx, arch);
	}
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
				     SCMP_ACT_ERRNO(ENOSYS));
	/* 2 is the binary tree; without it each call would walk the whole list. */
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = add_rules(ctx, arch, level, ret_culprit);
	if (r == 0)
		r = export_program(ctx, arch, level, ret_insns, ret_count);
	seccomp_release(ctx);
	return r;
}
