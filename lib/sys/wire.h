/* SPDX-License-Identifier: MIT */
/*
 * Lays wires (plan/plan.h): sends the netlink messages the library made, fills in what
 * only the sender knows, and takes everything away at the end. System calls only: for
 * the supervisor and for children that share their parent's memory.
 *
 * A socket belongs to the network namespace it was made in. Sockets may be used for any
 * number of wires, by one process at a time. Nothing here waits: the kernel answers
 * before the sending call returns.
 */
#ifndef JL_SYS_WIRE_H
#define JL_SYS_WIRE_H

#include <stdint.h>

#include "plan/plan.h"

#define JL__WIRE_ROUTE 0      /* NETLINK_ROUTE */
#define JL__WIRE_NETFILTER 12 /* NETLINK_NETFILTER */

/* What failed. */
enum jl__wire_step {
	JL__WIRE_PAIR = 1, /* -ENODEV: the bridge is gone; -EXFULL: it has no port left */
	JL__WIRE_INDEX,
	JL__WIRE_PORT,
	JL__WIRE_INSIDE
};

struct jl__wire_counters {
	uint64_t rx_packets; /* as the job sees it: what came in */
	uint64_t tx_packets;
	uint64_t rx_bytes;
	uint64_t tx_bytes;
	uint64_t rx_dropped;
	uint64_t tx_dropped;
};

/* A netlink socket of the caller's namespace, close-on-exec. Or a negative errno. */
int jl__wire_socket(int protocol);

/* Sends bytes; takes in one answer that is there already, its length, or -EAGAIN. */
long jl__wire_send(int fd, const void *data, uint32_t len);
long jl__wire_receive(int fd, void *buf, uint32_t size);

/*
 * Sends messages in one go, some of them with NLM_F_ACK, and takes in every answer: 0, or
 * the first failure in their order. An nfnetlink batch counts as a whole.
 */
int jl__wire_talk(int fd, const void *messages, uint32_t size);

/* Sends a batch that takes elements away. What is gone already is no failure. */
int jl__wire_remove(int netfilter, const void *batch, uint32_t size);

/* Whether everything in a wire lies inside of it. 0 or -EINVAL. */
int jl__wire_check(const struct jl__wire *wire, uint32_t size);

/* The two networks a wire connects: the one of whoever lays it, and a new namespace. */
struct jl__wire_ends {
	int host;   /* NETLINK_ROUTE */
	int proc;   /* a proc file system */
	int inside; /* NETLINK_ROUTE, of the namespace */
	int netns;  /* the namespace */
};

/*
 * Connects the two: pair, index, port, inside. Numbers are filled into the wire. 0 or a
 * negative errno with the step; whatever was made goes with the namespace.
 */
int jl__wire_lay(struct jl__wire *wire, const struct jl__wire_ends *ends,
		 uint32_t *ret_step);

/*
 * Takes the elements of the place out of the rules, and the host's neighbour entry. What
 * somebody else has taken away before is no failure. Then connections, where the wire
 * says so. Sockets of the host's network: NETLINK_NETFILTER and NETLINK_ROUTE. 0 or the
 * first other failure; both are tried. Only for whoever knows that the place is still
 * this wire's: see jl__wire_end().
 */
int jl__wire_leave(const struct jl__wire *wire, int netfilter, int host);

/*
 * Gives a place back: elements, connections, name, and last the address, so that who
 * takes it next finds nothing that was for somebody else. folder: the network's folder,
 * opened when the wire was laid, O_PATH will do. Nothing happens when somebody gave the
 * place back before, or the network was removed since, even if there is one of that name
 * again. A place whose elements cannot be taken away stays taken.
 */
int jl__wire_end(const struct jl__wire *wire, int folder, int netfilter, int host);

/* What went through a place so far, by the name of the host's end. -ENODEV: it is gone.
 */
int jl__wire_counters(int host, const char *device, struct jl__wire_counters *ret);

#endif
