/* SPDX-License-Identifier: MIT */
/* Runs a seccomp program over made-up system calls. */
#ifndef JL_TESTS_BPF_SIM_H
#define JL_TESTS_BPF_SIM_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Returns the SECCOMP_RET_ value, or -1 for a program the kernel would not take: an
 * unknown instruction, a load beyond the data or not aligned, a jump or a run beyond the
 * end. ret_steps may be NULL, else receives the number of instructions executed.
 */
int64_t bpf_sim_run(const struct sock_filter *insns, size_t count,
		    const struct seccomp_data *data, unsigned int *ret_steps);

#endif
