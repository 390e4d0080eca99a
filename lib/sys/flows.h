/* SPDX-License-Identifier: MIT */
/*
 * The kernel's table of connections (conntrack), by ctnetlink. System calls only, as
 * sys/wire.h, whose NETLINK_NETFILTER sockets these take.
 */
#ifndef JL_SYS_FLOWS_H
#define JL_SYS_FLOWS_H

#include <stdint.h>

/* How many the table holds (nf_conntrack_max); UINT32_MAX when nothing limits it.
 * -EOPNOTSUPP: this kernel has no ctnetlink. */
int jl__flows_max(int netfilter, uint32_t *ret);

/*
 * Takes out every connection an IPv4 address has opened or answered. The kernel walks the
 * whole table for it, before 6.8 slowly. 0 or the first failure.
 */
int jl__flows_forget(int netfilter, uint32_t address);
/* The way of kernels before 6.8: those it has opened, or with reply those it has
 * answered, one by one. */
int jl__flows_forget_singly(int netfilter, uint32_t address, int reply);

#endif
