/* SPDX-License-Identifier: MIT */
/*
 * What a job may ask the kernel: capability masks, the system call filter, resource
 * limits. Computes plan data (integers and BPF); applies nothing. Used by spawn/ while it
 * compiles a plan, and by ctx/ for the probe.
 */
#ifndef JL_SANDBOX_SANDBOX_H
#define JL_SANDBOX_SANDBOX_H

#include <linux/filter.h>
#include <stdint.h>

#include <joblet/error.h>

/* Capabilities job root keeps in its own user namespace; bit n is capability n. */
uint64_t jl__caps_job_root(void);
/* Effective capabilities of the calling thread, bit n is capability n. */
uint64_t jl__caps_effective(void);
/* Name without "CAP_", lower case, for instance "sys_admin"; "unknown" beyond the last.
 */
const char *jl__caps_name(unsigned int cap);

struct jl__filter {
	struct sock_filter *insns; /* released with jl__free() */
	uint16_t count;		   /* 0 for JL_SECCOMP_OFF */
};

/*
 * Compiles the filter of a JL_SECCOMP_ level for this machine as a binary tree. Codes:
 * -EINVAL unknown level, -ENOMEM.
 */
int jl__filter_compile(int level, struct jl__filter *ret, jl_error **err);
/* Name of a level for people: "off", "default", "strict"; NULL when unknown. */
const char *jl__filter_level_name(int level);

/* Name of an RLIMIT_ for people: "nofile"; NULL when unknown. */
const char *jl__rlimit_name(int resource);

#endif
