/* SPDX-License-Identifier: MIT */
#include "bpf_sim.h"

#include <stdbool.h>
#include <string.h>

static bool is_true(const struct sock_filter *insn, uint32_t acc)
{
	switch (BPF_OP(insn->code)) {
	case BPF_JEQ:
		return acc == insn->k;
	case BPF_JGT:
		return acc > insn->k;
	case BPF_JGE:
		return acc >= insn->k;
	default:
		return (acc & insn->k) != 0;
	}
}

int64_t bpf_sim_run(const struct sock_filter *insns, size_t count,
		    const struct seccomp_data *data, unsigned int *ret_steps)
{
	unsigned int steps = 0;
	uint32_t acc = 0;

	/* Jumps only go forward: every program ends. */
	for (size_t at = 0; at < count; at++) {
		const struct sock_filter *insn = &insns[at];

		steps++;
		switch (insn->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (insn->k % 4 != 0 || insn->k > sizeof(*data) - 4)
				return -1;
			memcpy(&acc, (const char *)data + insn->k, sizeof(acc));
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			acc &= insn->k;
			break;
		case BPF_JMP | BPF_JA:
			if (insn->k >= count)
				return -1;
			at += insn->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
		case BPF_JMP | BPF_JGT | BPF_K:
		case BPF_JMP | BPF_JGE | BPF_K:
		case BPF_JMP | BPF_JSET | BPF_K:
			at += is_true(insn, acc) ? insn->jt : insn->jf;
			break;
		case BPF_RET | BPF_K:
			if (ret_steps)
				*ret_steps = steps;
			return insn->k;
		default:
			return -1;
		}
	}
	return -1;
}
