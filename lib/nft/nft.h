/* SPDX-License-Identifier: MIT */
/*
 * The tables "joblet" of the inet and bridge families, and the elements of their sets,
 * made with libnftnl. Nothing else of nftables is looked at or touched. Encoders append
 * to a batch, which the kernel takes as a whole or not at all. Addresses are in host byte
 * order.
 *
 * Sets and maps:
 *   bridge members  device . MAC . address  who may send what from which port
 *   inet members    address                 who is there to be talked to
 *   inet callers    address                 who opens connections, and how many
 *   inet pairs      bridge . bridge         whose jobs reach each other
 *   inet restricted address                 who may go to what is allowed only:
 *   inet allowed_N  address . to            everything there
 *   inet ports_N    address . to . port     TCP and UDP
 *   inet published_tcp, published_udp       port : address . port
 * N: the last four bits of the address.
 */
#ifndef JL_NFT_NFT_H
#define JL_NFT_NFT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* Groups of our devices (IFLA_GROUP), by which the rules know them. */
#define JL__NFT_BRIDGES 0x6a6c01u
#define JL__NFT_PORTS 0x6a6c02u

/* Whom an element is about. */
struct jl__nft_member {
	char device[16];
	uint8_t mac[6];
	uint32_t address;
};

/* What one address may have of the kernel's table of connections. */
struct jl__nft_share {
	uint32_t most;	/* open at the same time, by the kernel's reckoning */
	uint32_t rate;	/* new ones per second, */
	uint32_t burst; /* after so many at once */
};

/* Inclusive ranges. Ports 0 to 65535 mean every protocol. */
struct jl__nft_allow {
	uint32_t first;
	uint32_t last;
	uint16_t port_first;
	uint16_t port_last;
};

struct jl__nft_publish {
	uint16_t host_port;
	uint16_t job_port;
	bool udp;
};

/* ---- batches ---- */

void jl__nft_begin(struct jl__buf *batch);
void jl__nft_end(struct jl__buf *batch);

/* ---- tables ---- */

/* Whether both tables are there and of our making: 1, 0, or a negative errno. */
int jl__nft_present(int fd);
/* Both tables anew, without elements; what was in them goes in the same transaction. */
void jl__nft_tables_new(struct jl__buf *batch);
void jl__nft_tables_del(struct jl__buf *batch);

/* ---- elements: add, or with del take away ---- */

void jl__nft_pair(struct jl__buf *batch, const char *bridge, bool del);
/* share: what it may have from now on; NULL with del. */
void jl__nft_member(struct jl__buf *batch, const struct jl__nft_member *member,
		    const struct jl__nft_share *share, bool del);
void jl__nft_restricted(struct jl__buf *batch, uint32_t address, bool del);
void jl__nft_allow(struct jl__buf *batch, uint32_t address,
		   const struct jl__nft_allow *allow, uint32_t count, bool del);
/* -EEXIST of the batch: somebody else has published such a port. */
void jl__nft_publish(struct jl__buf *batch, uint32_t address,
		     const struct jl__nft_publish *publish, uint32_t count, bool del);
/* Whether a port is published by whatever job: 1, 0, or a failure. */
int jl__nft_is_published(int fd, uint16_t port, bool udp);

/*
 * What the sets still say about an address whose place is gone, as messages that take it
 * away. For repair: reads whole sets.
 */
int jl__nft_stale(int fd, uint32_t address, struct jl__buf *batch);

#endif
