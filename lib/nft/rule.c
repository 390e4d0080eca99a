/* SPDX-License-Identifier: MIT */
#include "nft/nft-priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>

#define DRAFT_BYTES 4096

static void no_memory(struct jl__buf *batch)
{
	if (!batch->failed)
		batch->failed = -ENOMEM;
}

static void add(struct jl__buf *batch, const struct nlmsghdr *head)
{
	(void)jl__buf_add(batch, head, head->nlmsg_len);
}

/* ---- tables, chains, sets ---- */

void jl__nft_table(struct jl__buf *batch, uint8_t family, bool del, const char *comment)
{
	char draft[DRAFT_BYTES];
	struct nftnl_table *table = nftnl_table_alloc();
	struct nftnl_udata_buf *data = nftnl_udata_buf_alloc(128);
	struct nlmsghdr *head;

	if (!table || !data) {
		no_memory(batch);
		goto out;
	}
	(void)nftnl_table_set_str(table, NFTNL_TABLE_NAME, JL__NFT_TABLE);
	nftnl_table_set_u32(table, NFTNL_TABLE_FAMILY, family);
	if (comment) {
		(void)nftnl_udata_put_strz(data, NFTNL_UDATA_TABLE_COMMENT, comment);
		(void)nftnl_table_set_data(table, NFTNL_TABLE_USERDATA,
					   nftnl_udata_buf_data(data),
					   nftnl_udata_buf_len(data));
	}
	head = nftnl_nlmsg_build_hdr(draft, del ? NFT_MSG_DELTABLE : NFT_MSG_NEWTABLE,
				     family, (uint16_t)(del ? 0 : NLM_F_CREATE), 0);
	nftnl_table_nlmsg_build_payload(head, table);
	add(batch, head);
out:
	if (data)
		nftnl_udata_buf_free(data);
	if (table)
		nftnl_table_free(table);
}

void jl__nft_chain(struct jl__buf *batch, uint8_t family, const char *name,
		   const char *type, uint32_t hook, int32_t priority)
{
	char draft[DRAFT_BYTES];
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *head;

	if (!chain) {
		no_memory(batch);
		return;
	}
	(void)nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, JL__NFT_TABLE);
	(void)nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
	if (type) {
		(void)nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, type);
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, hook);
		nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, priority);
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	}
	head = nftnl_nlmsg_build_hdr(draft, NFT_MSG_NEWCHAIN, family, NLM_F_CREATE, 0);
	nftnl_chain_nlmsg_build_payload(head, chain);
	add(batch, head);
	nftnl_chain_free(chain);
}

void jl__nft_set(struct jl__buf *batch, const struct jl__nft_set *set)
{
	char draft[DRAFT_BYTES];
	struct nftnl_set *s = nftnl_set_alloc();
	struct nlmsghdr *head;
	uint32_t flags = 0;

	if (!s) {
		no_memory(batch);
		return;
	}
	(void)nftnl_set_set_str(s, NFTNL_SET_TABLE, JL__NFT_TABLE);
	(void)nftnl_set_set_str(s, NFTNL_SET_NAME, set->name);
	nftnl_set_set_u32(s, NFTNL_SET_ID, set->id);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, set->key_type);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, set->key_len);
	if (set->data_type) {
		flags |= NFT_SET_MAP;
		nftnl_set_set_u32(s, NFTNL_SET_DATA_TYPE, set->data_type);
		nftnl_set_set_u32(s, NFTNL_SET_DATA_LEN, set->data_len);
	}
	if (set->fields[0]) {
		flags |= NFT_SET_INTERVAL | NFT_SET_CONCAT;
		(void)nftnl_set_set_data(s, NFTNL_SET_DESC_CONCAT, set->fields,
					 sizeof(set->fields));
	}
	if (flags)
		nftnl_set_set_u32(s, NFTNL_SET_FLAGS, flags);
	head = nftnl_nlmsg_build_hdr(draft, NFT_MSG_NEWSET, set->family, NLM_F_CREATE, 0);
	nftnl_set_nlmsg_build_payload(head, s);
	add(batch, head);
	nftnl_set_free(s);
}

/* ---- rules ---- */

void jl__rule_begin(struct jl__rule *rule, struct jl__buf *batch, uint8_t family,
		    const char *chain)
{
	*rule = (struct jl__rule){ nftnl_rule_alloc(), batch, family };
	if (!rule->rule) {
		no_memory(batch);
		return;
	}
	(void)nftnl_rule_set_str(rule->rule, NFTNL_RULE_TABLE, JL__NFT_TABLE);
	(void)nftnl_rule_set_str(rule->rule, NFTNL_RULE_CHAIN, chain);
	nftnl_rule_set_u32(rule->rule, NFTNL_RULE_FAMILY, family);
}

void jl__rule_end(struct jl__rule *rule)
{
	char draft[DRAFT_BYTES];
	struct nlmsghdr *head;

	if (!rule->rule)
		return;
	head = nftnl_nlmsg_build_hdr(draft, NFT_MSG_NEWRULE, rule->family,
				     NLM_F_CREATE | NLM_F_APPEND, 0);
	nftnl_rule_nlmsg_build_payload(head, rule->rule);
	add(rule->batch, head);
	nftnl_rule_free(rule->rule);
}

/* The rule owns it. NULL when memory was short, now or before. */
static struct nftnl_expr *expression(struct jl__rule *rule, const char *name)
{
	struct nftnl_expr *expr = rule->rule ? nftnl_expr_alloc(name) : NULL;

	if (expr)
		nftnl_rule_add_expr(rule->rule, expr);
	else
		no_memory(rule->batch);
	return expr;
}

void jl__rule_meta(struct jl__rule *rule, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *expr = expression(rule, "meta");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, NFT_REG32_00 + reg);
}

void jl__rule_payload(struct jl__rule *rule, uint32_t base, uint32_t offset, uint32_t len,
		      uint32_t reg)
{
	struct nftnl_expr *expr = expression(rule, "payload");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG32_00 + reg);
}

void jl__rule_mask(struct jl__rule *rule, uint32_t reg, const void *mask, uint32_t len)
{
	static const char zeros[16];
	struct nftnl_expr *expr = expression(rule, "bitwise");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG32_00 + reg);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG32_00 + reg);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, len);
	nftnl_expr_set_data(expr, NFTNL_EXPR_BITWISE_MASK, mask, len);
	nftnl_expr_set_data(expr, NFTNL_EXPR_BITWISE_XOR, zeros, len);
}

static void compare(struct jl__rule *rule, uint32_t op, uint32_t reg, const void *value,
		    uint32_t len)
{
	struct nftnl_expr *expr = expression(rule, "cmp");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG32_00 + reg);
	nftnl_expr_set_data(expr, NFTNL_EXPR_CMP_DATA, value, len);
}

void jl__rule_equals(struct jl__rule *rule, uint32_t reg, const void *value, uint32_t len)
{
	compare(rule, NFT_CMP_EQ, reg, value, len);
}

void jl__rule_differs(struct jl__rule *rule, uint32_t reg, const void *value,
		      uint32_t len)
{
	compare(rule, NFT_CMP_NEQ, reg, value, len);
}

void jl__rule_in_set(struct jl__rule *rule, uint32_t reg, const char *set)
{
	struct nftnl_expr *expr = expression(rule, "lookup");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG32_00 + reg);
	nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, set);
}

void jl__rule_mapped(struct jl__rule *rule, uint32_t reg, const char *map)
{
	struct nftnl_expr *expr = expression(rule, "lookup");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG32_00 + reg);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_DREG, NFT_REG32_00);
	nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, map);
}

void jl__rule_iif_group(struct jl__rule *rule, uint32_t group)
{
	jl__rule_meta(rule, NFT_META_IIFGROUP, 0);
	jl__rule_equals(rule, 0, &group, sizeof(group));
}

void jl__rule_iif_other(struct jl__rule *rule, uint32_t group)
{
	jl__rule_meta(rule, NFT_META_IIFGROUP, 0);
	jl__rule_differs(rule, 0, &group, sizeof(group));
}

void jl__rule_oif_group(struct jl__rule *rule, uint32_t group)
{
	jl__rule_meta(rule, NFT_META_OIFGROUP, 0);
	jl__rule_equals(rule, 0, &group, sizeof(group));
}

void jl__rule_oif_other(struct jl__rule *rule, uint32_t group)
{
	jl__rule_meta(rule, NFT_META_OIFGROUP, 0);
	jl__rule_differs(rule, 0, &group, sizeof(group));
}

void jl__rule_meta_byte(struct jl__rule *rule, uint32_t key, uint8_t value)
{
	jl__rule_meta(rule, key, 0);
	jl__rule_equals(rule, 0, &value, 1);
}

static void ct(struct jl__rule *rule, uint32_t key)
{
	struct nftnl_expr *expr = expression(rule, "ct");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, NFT_REG32_00);
}

void jl__rule_ct_bits(struct jl__rule *rule, uint32_t key, uint32_t bits)
{
	uint32_t none = 0;

	ct(rule, key);
	jl__rule_mask(rule, 0, &bits, sizeof(bits));
	jl__rule_differs(rule, 0, &none, sizeof(none));
}

void jl__rule_ct_unknown(struct jl__rule *rule)
{
	uint32_t confirmed = IPS_CONFIRMED, none = 0;

	ct(rule, NFT_CT_STATUS);
	jl__rule_mask(rule, 0, &confirmed, sizeof(confirmed));
	jl__rule_equals(rule, 0, &none, sizeof(none));
}

void jl__rule_ct_direction(struct jl__rule *rule, uint8_t direction)
{
	ct(rule, NFT_CT_DIRECTION);
	jl__rule_equals(rule, 0, &direction, 1);
}

void jl__rule_destination_type(struct jl__rule *rule, bool is, uint32_t type)
{
	struct nftnl_expr *expr = expression(rule, "fib");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_DREG, NFT_REG32_00);
	compare(rule, is ? NFT_CMP_EQ : NFT_CMP_NEQ, 0, &type, sizeof(type));
}

void jl__rule_verdict(struct jl__rule *rule, int verdict, const char *chain)
{
	struct nftnl_expr *expr = expression(rule, "immediate");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, (uint32_t)verdict);
	if (chain)
		nftnl_expr_set_str(expr, NFTNL_EXPR_IMM_CHAIN, chain);
}

void jl__rule_counter(struct jl__rule *rule)
{
	(void)expression(rule, "counter");
}

static void put_port(struct jl__rule *rule, uint32_t reg, uint16_t port)
{
	struct nftnl_expr *expr = expression(rule, "immediate");
	uint16_t value = htons(port);

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG32_00 + reg);
	nftnl_expr_set(expr, NFTNL_EXPR_IMM_DATA, &value, sizeof(value));
}

void jl__rule_masquerade(struct jl__rule *rule, uint16_t first, uint16_t last)
{
	struct nftnl_expr *expr;

	put_port(rule, 0, first);
	put_port(rule, 1, last);
	expr = expression(rule, "masq");
	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_MASQ_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_MASQ_REG_PROTO_MIN, NFT_REG32_00);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_MASQ_REG_PROTO_MAX, NFT_REG32_01);
}

void jl__rule_dnat(struct jl__rule *rule)
{
	struct nftnl_expr *expr = expression(rule, "nat");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_FAMILY, NFPROTO_IPV4);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG32_00);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_REG_PROTO_MIN, NFT_REG32_01);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
}
