/* SPDX-License-Identifier: MIT */
/* Private to nft/: the table's name, and building rules with libnftnl. */
#ifndef JL_NFT_NFT_PRIV_H
#define JL_NFT_NFT_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct nlmsghdr;
struct nftnl_rule;

#define JL__NFT_TABLE "joblet"

/* Asks for a list and hands over each item. */
typedef int (*jl__nft_item_fn)(const struct nlmsghdr *item, void *data);
int jl__nft_dump(int fd, const struct nlmsghdr *question, jl__nft_item_fn fn, void *data);

/* What is allowed to whom is in so many sets, by the last bits of his address. */
#define JL__NFT_PARTS 16u
void jl__nft_part_name(char name[16], const char *what, uint32_t part);

/* ---- tables, chains, sets ---- */

void jl__nft_table(struct jl__buf *batch, uint8_t family, bool del, const char *comment);
/* type NULL: a chain that is jumped to. */
void jl__nft_chain(struct jl__buf *batch, uint8_t family, const char *name,
		   const char *type, uint32_t hook, int32_t priority);

struct jl__nft_set {
	uint8_t family;
	const char *name;
	uint32_t id; /* unique in the batch */
	uint32_t key_type;
	uint32_t key_len;
	uint32_t data_type; /* 0: a set, otherwise a map */
	uint32_t data_len;
	uint8_t fields[8]; /* lengths of a concatenation that holds ranges; ends with 0 */
};
void jl__nft_set(struct jl__buf *batch, const struct jl__nft_set *set);

/* ---- rules ---- */

/* A rule being built: conditions, then what is done. Remembers that memory was short. */
struct jl__rule {
	struct nftnl_rule *rule;
	struct jl__buf *batch;
	uint8_t family;
};

void jl__rule_begin(struct jl__rule *rule, struct jl__buf *batch, uint8_t family,
		    const char *chain);
void jl__rule_end(struct jl__rule *rule);

/* Values into registers; they are numbered in steps of 4 bytes. */
void jl__rule_meta(struct jl__rule *rule, uint32_t key, uint32_t reg);
void jl__rule_payload(struct jl__rule *rule, uint32_t base, uint32_t offset, uint32_t len,
		      uint32_t reg);
void jl__rule_mask(struct jl__rule *rule, uint32_t reg, const void *mask, uint32_t len);
void jl__rule_equals(struct jl__rule *rule, uint32_t reg, const void *value,
		     uint32_t len);
void jl__rule_differs(struct jl__rule *rule, uint32_t reg, const void *value,
		      uint32_t len);
void jl__rule_in_set(struct jl__rule *rule, uint32_t reg, const char *set);
/* The map's value into the registers from the first on. */
void jl__rule_mapped(struct jl__rule *rule, uint32_t reg, const char *map);

/* Whole conditions. */
void jl__rule_iif_group(struct jl__rule *rule, uint32_t group);
void jl__rule_oif_group(struct jl__rule *rule, uint32_t group);
void jl__rule_oif_other(struct jl__rule *rule, uint32_t group);
void jl__rule_iif_other(struct jl__rule *rule, uint32_t group);
void jl__rule_meta_byte(struct jl__rule *rule, uint32_t key, uint8_t value);
/* One of these bits of ct state or ct status. */
void jl__rule_ct_bits(struct jl__rule *rule, uint32_t key, uint32_t bits);
/* The connection would be new in the kernel's table. */
void jl__rule_ct_unknown(struct jl__rule *rule);
void jl__rule_ct_direction(struct jl__rule *rule, uint8_t direction);
/* The kind of the destination address, as routing sees it. */
void jl__rule_destination_type(struct jl__rule *rule, bool is, uint32_t type);

/* What is done. */
void jl__rule_counter(struct jl__rule *rule);
void jl__rule_verdict(struct jl__rule *rule, int verdict, const char *chain);
/* To the address of the way out, and a port (or number of a ping) between these. */
void jl__rule_masquerade(struct jl__rule *rule, uint16_t first, uint16_t last);
/* To the address and port in the registers from the first on. */
void jl__rule_dnat(struct jl__rule *rule);

#endif
