/* SPDX-License-Identifier: MIT */
/*
 * The bare network: a bridge, and a namespace with a pair of interfaces for each job, in
 * as few messages as the kernel allows. No rules, no isolation of ports, no records.
 */
#ifndef BENCH_VETH_H
#define BENCH_VETH_H

/* A network namespace of our own with a bridge in it; false with a message. */
int veth_begin(void);
/* A new namespace wired to it, which is the current one afterwards; its descriptor. */
int veth_enter(void);
/* Back; the kernel takes the interfaces down by itself. */
void veth_leave(int netns);

#endif
