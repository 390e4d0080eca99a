/* SPDX-License-Identifier: MIT */
/*
 * Messages about links, addresses, routes and neighbours, made and read with libmnl.
 * Knows nothing of networks or jobs. Encoders append one message to a buffer and are
 * pure; what they do not know yet is left 0, and its place in the buffer returned.
 * Sockets are those of sys/wire.h. Addresses are in host byte order.
 */
#ifndef JL_NETLINK_NETLINK_H
#define JL_NETLINK_NETLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct nlmsghdr;

/* ---- sending and asking ---- */

/* Sends what is in the buffer, or its failure: 0 or the first failure of the kernel. */
int jl__nl_send(int fd, const struct jl__buf *messages);

/* Asks for a list; fn gets each item, and ends the list with a negative errno. */
typedef int (*jl__nl_item_fn)(const struct nlmsghdr *item, void *data);
int jl__nl_dump(int fd, const struct nlmsghdr *question, jl__nl_item_fn fn, void *data);

struct jl__nl_link {
	uint32_t index;
	uint32_t master;
	uint32_t group;
	bool up;
	char name[16];
	char kind[16];
	char alias[64]; /* cut off */
};

/* -ENODEV when there is none of that name. */
int jl__nl_link_get(int fd, const char *name, struct jl__nl_link *ret);
/* The links that are ports of a bridge. */
typedef int (*jl__nl_link_fn)(const struct jl__nl_link *link, void *data);
int jl__nl_ports(int fd, uint32_t master, jl__nl_link_fn fn, void *data);

/* An IPv4 address of a link, or a destination of the main routing table. */
struct jl__nl_net {
	uint32_t address;
	uint32_t prefix;
	uint32_t index; /* of the link; 0: none or several */
};
typedef int (*jl__nl_net_fn)(const struct jl__nl_net *net, void *data);
int jl__nl_addresses(int fd, jl__nl_net_fn fn, void *data);
int jl__nl_routes(int fd, jl__nl_net_fn fn, void *data);
/* Name of a link, or its number when it is gone. */
void jl__nl_link_name(int fd, uint32_t index, char name[16]);

/* ---- messages ---- */

/* Encoders return nothing: the buffer remembers that it was too small. */
void jl__nl_bridge_new(struct jl__buf *buf, const char *name, const uint8_t mac[6],
		       uint32_t group);
/* No IPv6 address by itself. Only where the kernel has IPv6. */
void jl__nl_no_ipv6(struct jl__buf *buf, uint32_t index, uint32_t *ret_index_at);
/* alias may be NULL. */
void jl__nl_link_up(struct jl__buf *buf, uint32_t index, const char *alias,
		    uint32_t *ret_index_at);
void jl__nl_link_del(struct jl__buf *buf, uint32_t index);

struct jl__nl_veth {
	const char *name;
	uint32_t group;
	uint32_t master;
	const char *peer;
	const uint8_t *peer_mac;
};
/* Our end without ARP of its own, the other end in the namespace; both are down. */
void jl__nl_veth_new(struct jl__buf *buf, const struct jl__nl_veth *veth,
		     uint32_t *ret_netns_at);
/* A bridge port that talks to the host only and learns nothing. */
void jl__nl_port_set(struct jl__buf *buf, uint32_t *ret_index_at);
/* Behind this port, and no other, is that MAC. */
void jl__nl_fdb_new(struct jl__buf *buf, const uint8_t mac[6], uint32_t *ret_index_at);

/* prefix_route: with a route to the whole subnet. */
void jl__nl_address_new(struct jl__buf *buf, uint32_t index, uint32_t address,
			uint32_t prefix, bool prefix_route, uint32_t *ret_index_at);
/* Permanent: no message of the neighbour changes it. */
void jl__nl_neighbour_new(struct jl__buf *buf, uint32_t index, uint32_t address,
			  const uint8_t mac[6], uint32_t *ret_index_at);
void jl__nl_neighbour_del(struct jl__buf *buf, uint32_t index, uint32_t address);
/* gateway 0: on the link itself. */
void jl__nl_route_new(struct jl__buf *buf, uint32_t address, uint32_t prefix,
		      uint32_t gateway, uint32_t *ret_index_at);
/* What the link sends, limited to so many bytes per second. */
void jl__nl_rate_new(struct jl__buf *buf, uint64_t bps, uint32_t *ret_index_at);

#endif
