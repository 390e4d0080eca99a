/* SPDX-License-Identifier: MIT */
/*
 * The rules. They are the same whatever networks and jobs there are; only the sets
 * change. Read them in their usual form with "nft list table inet joblet" and
 * "nft list table bridge joblet"; doc/networks.md says why they are as they are.
 */
#include "nft/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_bridge.h>
#include <linux/rtnetlink.h>

#include "base/cleanup.h"
#include "nft/nft-priv.h"

/* Moves with every change of the rules: a table of another make is replaced. */
#define COMMENT "made by joblet, rules 6"

#define STATE_INVALID 1u
#define STATE_ESTABLISHED 2u
#define STATE_RELATED 4u
#define ANSWERS (STATE_ESTABLISHED | STATE_RELATED)

/* Data types, by which "nft list" shows keys; concatenated with 6 bits each. */
#define TYPE_ADDRESS 7u
#define TYPE_MAC 9u
#define TYPE_PORT 13u
#define TYPE_DEVICE 41u
#define AND(a, b) ((a) << 6 | (b))

/*
 * Where jobs' connections come from, as others see it: where services are not. Whoever
 * they talk to answers to that port, and what he sends there by himself is taken for an
 * answer: with a port of a service of the machine, or a published one, a job would get
 * what is meant for that.
 */
#define OUTWARD_FIRST 32768u
#define OUTWARD_LAST 65535u

/* Registers are numbered in steps of 4 bytes. */
#define LL NFT_PAYLOAD_LL_HEADER
#define NH NFT_PAYLOAD_NETWORK_HEADER
#define TH NFT_PAYLOAD_TRANSPORT_HEADER

static const struct jl__nft_set sets[] = {
	{ NFPROTO_BRIDGE, "members", 1, AND(AND(TYPE_DEVICE, TYPE_MAC), TYPE_ADDRESS), 28,
	  0, 0, "" },
	{ NFPROTO_INET, "members", 2, TYPE_ADDRESS, 4, 0, 0, "" },
	{ NFPROTO_INET, "pairs", 3, AND(TYPE_DEVICE, TYPE_DEVICE), 32, 0, 0, "" },
	{ NFPROTO_INET, "restricted", 4, TYPE_ADDRESS, 4, 0, 0, "" },
	{ NFPROTO_INET, "published_tcp", 5, TYPE_PORT, 2, AND(TYPE_ADDRESS, TYPE_PORT), 8,
	  "" },
	{ NFPROTO_INET, "published_udp", 6, TYPE_PORT, 2, AND(TYPE_ADDRESS, TYPE_PORT), 8,
	  "" },
	{ NFPROTO_INET, "callers", 7, TYPE_ADDRESS, 4, 0, 0, "" },
};

/* ---- frames ---- */

static void ether_type(struct jl__rule *rule, uint16_t type)
{
	type = htons(type);
	/* From the frame itself: with a VLAN tag it says so, and is nobody's. */
	jl__rule_payload(rule, LL, 12, 2, 0);
	jl__rule_equals(rule, 0, &type, 2);
}

/* device . MAC . address, the last two from where they are in the frame. */
static void is_member(struct jl__rule *rule, uint32_t mac_base, uint32_t mac_at,
		      uint32_t address_at)
{
	jl__rule_meta(rule, NFT_META_IIFNAME, 0);
	jl__rule_payload(rule, mac_base, mac_at, 6, 4);
	jl__rule_payload(rule, NH, address_at, 4, 6);
	jl__rule_in_set(rule, 0, "members");
}

/* A job sends IPv4 and ARP, from its own MAC and address, and nothing else. */
static void frames(struct jl__buf *batch)
{
	static const uint8_t arp_kind[6] = { 0, 1, 8, 0, 6, 4 }; /* IPv4 on Ethernet */
	static const uint8_t reserved_mask[6] = { 255, 255, 255, 255, 255, 240 };
	static const uint8_t reserved[6] = { 1, 0x80, 0xc2 };
	const uint8_t family = NFPROTO_BRIDGE;
	struct jl__rule rule;

	jl__nft_chain(batch, family, "port", NULL, 0, 0);
	jl__nft_chain(batch, family, "prerouting", "filter", NF_BR_PRE_ROUTING, -300);
	jl__nft_chain(batch, family, "input", "filter", NF_BR_LOCAL_IN, -200);
	jl__nft_chain(batch, family, "forward", "filter", NF_BR_FORWARD, -200);

	jl__rule_begin(&rule, batch, family, "port");
	ether_type(&rule, 0x0800);
	is_member(&rule, LL, 6, 12);
	jl__rule_verdict(&rule, NF_ACCEPT, NULL);
	jl__rule_end(&rule);

	jl__rule_begin(&rule, batch, family, "port");
	ether_type(&rule, 0x0806);
	jl__rule_payload(&rule, NH, 0, 6, 0);
	jl__rule_equals(&rule, 0, arp_kind, sizeof(arp_kind));
	is_member(&rule, LL, 6, 14);
	is_member(&rule, NH, 8, 14);
	jl__rule_verdict(&rule, NF_ACCEPT, NULL);
	jl__rule_end(&rule);

	jl__rule_begin(&rule, batch, family, "port");
	jl__rule_verdict(&rule, NF_DROP, NULL);
	jl__rule_end(&rule);

	jl__rule_begin(&rule, batch, family, "prerouting");
	jl__rule_iif_group(&rule, JL__NFT_PORTS);
	jl__rule_verdict(&rule, NFT_JUMP, "port");
	jl__rule_end(&rule);

	/* Reserved multicast is not bridged, so prerouting does not see it: it would be
	 * the host's own on the port itself. */
	jl__rule_begin(&rule, batch, family, "input");
	jl__rule_iif_group(&rule, JL__NFT_PORTS);
	jl__rule_payload(&rule, LL, 0, 6, 0);
	jl__rule_mask(&rule, 0, reserved_mask, sizeof(reserved_mask));
	jl__rule_equals(&rule, 0, reserved, sizeof(reserved));
	jl__rule_verdict(&rule, NF_DROP, NULL);
	jl__rule_end(&rule);

	/* Nothing is bridged: ports are isolated, and this says it again. */
	jl__rule_begin(&rule, batch, family, "forward");
	jl__rule_iif_group(&rule, JL__NFT_PORTS);
	jl__rule_verdict(&rule, NF_DROP, NULL);
	jl__rule_end(&rule);
	jl__rule_begin(&rule, batch, family, "forward");
	jl__rule_oif_group(&rule, JL__NFT_PORTS);
	jl__rule_verdict(&rule, NF_DROP, NULL);
	jl__rule_end(&rule);
}

/* ---- packets to the host ---- */

static void to_host(struct jl__buf *batch)
{
	const uint8_t family = NFPROTO_INET;
	struct jl__rule rule;

	jl__nft_chain(batch, family, "arrival", "filter", NF_INET_PRE_ROUTING, -300);
	jl__nft_chain(batch, family, "host", "filter", NF_INET_PRE_ROUTING, -150);
	jl__nft_chain(batch, family, "input", "filter", NF_INET_LOCAL_IN, 0);
	jl__nft_chain(batch, family, "output", "filter", NF_INET_LOCAL_OUT, 0);

	/* What comes from jobs comes from their bridge. On the port itself arrives only
	 * what passed the bridge by. */
	jl__rule_begin(&rule, batch, family, "arrival");
	jl__rule_iif_group(&rule, JL__NFT_PORTS);
	jl__rule_verdict(&rule, NF_DROP, NULL);
	jl__rule_end(&rule);
	jl__rule_begin(&rule, batch, family, "arrival");
	jl__rule_iif_group(&rule, JL__NFT_BRIDGES);
	jl__rule_meta(&rule, NFT_META_NFPROTO, 0);
	jl__rule_differs(&rule, 0, (const uint8_t[]){ NFPROTO_IPV4 }, 1);
	jl__rule_verdict(&rule, NF_DROP, NULL);
	jl__rule_end(&rule);

	/* Before somebody else's port forwarding makes another address of it. */
	jl__rule_begin(&rule, batch, family, "host");
	jl__rule_iif_group(&rule, JL__NFT_BRIDGES);
	jl__rule_ct_direction(&rule, IP_CT_DIR_ORIGINAL);
	jl__rule_destination_type(&rule, false, RTN_UNICAST);
	jl__rule_verdict(&rule, NF_DROP, NULL);
	jl__rule_end(&rule);

	jl__rule_begin(&rule, batch, family, "input");
	jl__rule_iif_group(&rule, JL__NFT_BRIDGES);
	jl__rule_ct_direction(&rule, IP_CT_DIR_REPLY);
	jl__rule_ct_bits(&rule, NFT_CT_STATE, ANSWERS);
	jl__rule_verdict(&rule, NF_ACCEPT, NULL);
	jl__rule_end(&rule);
	jl__rule_begin(&rule, batch, family, "input");
	jl__rule_iif_group(&rule, JL__NFT_BRIDGES);
	jl__rule_verdict(&rule, NF_DROP, NULL);
	jl__rule_end(&rule);

	/* Jobs of one network talk through the host, which must not tell them that there
	 * is a shorter way: there is none. */
	jl__rule_begin(&rule, batch, family, "output");
	jl__rule_oif_group(&rule, JL__NFT_BRIDGES);
	jl__rule_meta_byte(&rule, NFT_META_NFPROTO, NFPROTO_IPV4);
	jl__rule_meta_byte(&rule, NFT_META_L4PROTO, IPPROTO_ICMP);
	jl__rule_payload(&rule, TH, 0, 1, 0);
	jl__rule_equals(&rule, 0, (const uint8_t[]){ 5 /* redirect */ }, 1);
	jl__rule_verdict(&rule, NF_DROP, NULL);
	jl__rule_end(&rule);
}

/* ---- packets through the host ---- */

/* It is anyway; said so, rules are listed in words. */
static void is_ipv4(struct jl__rule *rule)
{
	jl__rule_meta_byte(rule, NFT_META_NFPROTO, NFPROTO_IPV4);
}

/* The part of those that may go to some places only, whose addresses end alike. */
static void restricted_part(struct jl__buf *batch, uint32_t part)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	const uint8_t family = NFPROTO_INET;
	char allowed[16], ports[16], chain[16];
	struct jl__nft_set set = { .family = family,
				   .name = allowed,
				   .id = 100 + part,
				   .key_type = AND(TYPE_ADDRESS, TYPE_ADDRESS),
				   .key_len = 8,
				   .fields = { 4, 4 } };
	struct jl__nft_set set_ports = { .family = family,
					 .name = ports,
					 .id = 200 + part,
					 .key_type = AND(AND(TYPE_ADDRESS, TYPE_ADDRESS),
							 TYPE_PORT),
					 .key_len = 12,
					 .fields = { 4, 4, 2 } };
	struct jl__rule rule;

	jl__nft_part_name(allowed, "allowed", part);
	jl__nft_part_name(ports, "ports", part);
	jl__nft_part_name(chain, "restricted", part);
	jl__nft_set(batch, &set);
	jl__nft_set(batch, &set_ports);
	jl__nft_chain(batch, family, chain, NULL, 0, 0);
	jl__rule_begin(&rule, batch, family, chain);
	is_ipv4(&rule);
	jl__rule_payload(&rule, NH, 12, 4, 0);
	jl__rule_payload(&rule, NH, 16, 4, 1);
	jl__rule_in_set(&rule, 0, allowed);
	jl__rule_verdict(&rule, NFT_GOTO, "open");
	jl__rule_end(&rule);
	for (size_t i = 0; i < sizeof(protocols); i++) {
		jl__rule_begin(&rule, batch, family, chain);
		is_ipv4(&rule);
		jl__rule_meta_byte(&rule, NFT_META_L4PROTO, protocols[i]);
		jl__rule_payload(&rule, NH, 12, 4, 0);
		jl__rule_payload(&rule, NH, 16, 4, 1);
		jl__rule_payload(&rule, TH, 2, 2, 2);
		jl__rule_in_set(&rule, 0, ports);
		jl__rule_verdict(&rule, NFT_GOTO, "open");
		jl__rule_end(&rule);
	}
	jl__rule_begin(&rule, batch, family, chain);
	jl__rule_verdict(&rule, NF_DROP, NULL);
	jl__rule_end(&rule);
}

/*
 * Sets of ranges are copied as a whole when something in them changes: many small ones
 * keep that from growing with the number of jobs.
 */
static void restricted(struct jl__buf *batch)
{
	static const uint8_t mask[4] = { 0, 0, 0, JL__NFT_PARTS - 1 };
	const uint8_t family = NFPROTO_INET;
	struct jl__rule rule;
	char chain[16];

	for (uint32_t part = 0; part < JL__NFT_PARTS; part++) {
		const uint8_t end[4] = { 0, 0, 0, (uint8_t)part };

		restricted_part(batch, part);
		jl__nft_part_name(chain, "restricted", part);
		jl__rule_begin(&rule, batch, family, "restricted");
		is_ipv4(&rule);
		jl__rule_payload(&rule, NH, 12, 4, 0);
		jl__rule_mask(&rule, 0, mask, 4);
		jl__rule_equals(&rule, 0, end, 4);
		jl__rule_verdict(&rule, NFT_GOTO, chain);
		jl__rule_end(&rule);
	}
	jl__rule_begin(&rule, batch, family, "restricted");
	jl__rule_verdict(&rule, NF_DROP, NULL);
	jl__rule_end(&rule);
}

/*
 * Not of a job, to a job: answers, and what was published. Where the kernel reads FTP and
 * the like for somebody, a job could have it expect a connection to any port: nothing
 * that was expected comes in.
 */
static void inward(struct jl__buf *batch)
{
	const uint8_t family = NFPROTO_INET;
	struct jl__rule rule;

	/* No job is out there: what says so would be taken for part of a conversation
	 * between two of them. */
	jl__rule_begin(&rule, batch, family, "inward");
	is_ipv4(&rule);
	jl__rule_payload(&rule, NH, 12, 4, 0);
	jl__rule_in_set(&rule, 0, "members");
	jl__rule_verdict(&rule, NF_DROP, NULL);
	jl__rule_end(&rule);
	jl__rule_begin(&rule, batch, family, "inward");
	jl__rule_ct_direction(&rule, IP_CT_DIR_ORIGINAL);
	jl__rule_ct_bits(&rule, NFT_CT_STATUS, IPS_EXPECTED);
	jl__rule_verdict(&rule, NF_DROP, NULL);
	jl__rule_end(&rule);
	jl__rule_begin(&rule, batch, family, "inward");
	jl__rule_ct_bits(&rule, NFT_CT_STATE, ANSWERS);
	jl__rule_verdict(&rule, NF_ACCEPT, NULL);
	jl__rule_end(&rule);
	jl__rule_begin(&rule, batch, family, "inward");
	jl__rule_ct_bits(&rule, NFT_CT_STATUS, IPS_DST_NAT);
	jl__rule_verdict(&rule, NF_ACCEPT, NULL);
	jl__rule_end(&rule);
	jl__rule_begin(&rule, batch, family, "inward");
	jl__rule_verdict(&rule, NF_DROP, NULL);
	jl__rule_end(&rule);
}

/* Of a job. Where it may go is asked for every packet it sends by itself, so that a
 * connection of an earlier job at the same address opens nothing. */
static void outward(struct jl__buf *batch)
{
	static const uint8_t metadata_mask[4] = { 255, 255 };
	static const uint8_t metadata[4] = { 169, 254 };
	const uint8_t family = NFPROTO_INET;
	struct jl__rule rule;

	jl__rule_begin(&rule, batch, family, "outward");
	jl__rule_ct_bits(&rule, NFT_CT_STATE, STATE_INVALID);
	jl__rule_verdict(&rule, NF_DROP, NULL);
	jl__rule_end(&rule);
	jl__rule_begin(&rule, batch, family, "outward");
	jl__rule_ct_direction(&rule, IP_CT_DIR_REPLY);
	jl__rule_ct_bits(&rule, NFT_CT_STATE, ANSWERS);
	jl__rule_verdict(&rule, NF_ACCEPT, NULL);
	jl__rule_end(&rule);
	jl__rule_begin(&rule, batch, family, "outward");
	is_ipv4(&rule);
	jl__rule_payload(&rule, NH, 12, 4, 0);
	jl__rule_in_set(&rule, 0, "restricted");
	jl__rule_verdict(&rule, NFT_GOTO, "restricted");
	jl__rule_end(&rule);
	jl__rule_begin(&rule, batch, family, "outward");
	is_ipv4(&rule);
	jl__rule_payload(&rule, NH, 16, 4, 0);
	jl__rule_mask(&rule, 0, metadata_mask, 4);
	jl__rule_equals(&rule, 0, metadata, 4);
	jl__rule_verdict(&rule, NF_DROP, NULL);
	jl__rule_end(&rule);
	jl__rule_begin(&rule, batch, family, "outward");
	jl__rule_verdict(&rule, NFT_GOTO, "open");
	jl__rule_end(&rule);

	/* One job must not fill the table of connections of all. */
	jl__rule_begin(&rule, batch, family, "calling");
	is_ipv4(&rule);
	jl__rule_payload(&rule, NH, 12, 4, 0);
	jl__rule_in_set(&rule, 0, "callers");
	jl__rule_verdict(&rule, NFT_RETURN, NULL);
	jl__rule_end(&rule);
	jl__rule_begin(&rule, batch, family, "calling");
	jl__rule_counter(&rule);
	jl__rule_verdict(&rule, NF_DROP, NULL);
	jl__rule_end(&rule);
	jl__rule_begin(&rule, batch, family, "open");
	jl__rule_ct_unknown(&rule);
	jl__rule_verdict(&rule, NFT_JUMP, "calling");
	jl__rule_end(&rule);

	/* Jobs of the same network; the outside. Addresses nobody has are not asked for,
	 * or the host's table of neighbours would be a job's to fill. */
	jl__rule_begin(&rule, batch, family, "open");
	jl__rule_oif_other(&rule, JL__NFT_BRIDGES);
	jl__rule_verdict(&rule, NF_ACCEPT, NULL);
	jl__rule_end(&rule);
	jl__rule_begin(&rule, batch, family, "open");
	is_ipv4(&rule);
	jl__rule_payload(&rule, NH, 16, 4, 0);
	jl__rule_in_set(&rule, 0, "members");
	jl__rule_meta(&rule, NFT_META_IIFNAME, 0);
	jl__rule_meta(&rule, NFT_META_OIFNAME, 4);
	jl__rule_in_set(&rule, 0, "pairs");
	jl__rule_verdict(&rule, NF_ACCEPT, NULL);
	jl__rule_end(&rule);
	jl__rule_begin(&rule, batch, family, "open");
	jl__rule_verdict(&rule, NF_DROP, NULL);
	jl__rule_end(&rule);
}

static void through_host(struct jl__buf *batch)
{
	const uint8_t family = NFPROTO_INET;
	struct jl__rule rule;

	jl__nft_chain(batch, family, "calling", NULL, 0, 0);
	jl__nft_chain(batch, family, "open", NULL, 0, 0);
	jl__nft_chain(batch, family, "restricted", NULL, 0, 0);
	jl__nft_chain(batch, family, "outward", NULL, 0, 0);
	jl__nft_chain(batch, family, "inward", NULL, 0, 0);
	jl__nft_chain(batch, family, "forward", "filter", NF_INET_FORWARD, 0);
	restricted(batch);
	outward(batch);
	inward(batch);

	jl__rule_begin(&rule, batch, family, "forward");
	jl__rule_iif_group(&rule, JL__NFT_BRIDGES);
	jl__rule_verdict(&rule, NFT_GOTO, "outward");
	jl__rule_end(&rule);
	jl__rule_begin(&rule, batch, family, "forward");
	jl__rule_oif_group(&rule, JL__NFT_BRIDGES);
	jl__rule_verdict(&rule, NFT_GOTO, "inward");
	jl__rule_end(&rule);
}

/* ---- other addresses ---- */

static void published(struct jl__buf *batch, const char *chain, bool by_host)
{
	static const uint8_t loopback[1] = { 127 };
	const uint8_t family = NFPROTO_INET;
	struct jl__rule rule;

	for (int udp = 0; udp < 2; udp++) {
		jl__rule_begin(&rule, batch, family, chain);
		jl__rule_meta_byte(&rule, NFT_META_NFPROTO, NFPROTO_IPV4);
		if (by_host) {
			jl__rule_payload(&rule, NH, 16, 1, 0);
			jl__rule_differs(&rule, 0, loopback, 1);
		} else {
			jl__rule_iif_other(&rule, JL__NFT_BRIDGES);
		}
		jl__rule_destination_type(&rule, true, RTN_LOCAL);
		jl__rule_meta_byte(&rule, NFT_META_L4PROTO,
				   udp ? IPPROTO_UDP : IPPROTO_TCP);
		jl__rule_payload(&rule, TH, 2, 2, 0);
		jl__rule_mapped(&rule, 0, udp ? "published_udp" : "published_tcp");
		jl__rule_dnat(&rule);
		jl__rule_end(&rule);
	}
}

static void translation(struct jl__buf *batch)
{
	const uint8_t family = NFPROTO_INET;
	struct jl__rule rule;

	jl__nft_chain(batch, family, "published", "nat", NF_INET_PRE_ROUTING, -100);
	jl__nft_chain(batch, family, "published_here", "nat", NF_INET_LOCAL_OUT, -100);
	jl__nft_chain(batch, family, "postrouting", "nat", NF_INET_POST_ROUTING, 100);
	published(batch, "published", false);
	published(batch, "published_here", true);

	jl__rule_begin(&rule, batch, family, "postrouting");
	jl__rule_iif_group(&rule, JL__NFT_BRIDGES);
	jl__rule_oif_other(&rule, JL__NFT_BRIDGES);
	jl__rule_masquerade(&rule, OUTWARD_FIRST, OUTWARD_LAST);
	jl__rule_end(&rule);
}

void jl__nft_tables_new(struct jl__buf *batch)
{
	/* Made so that it can be deleted, whether it was there or not. */
	jl__nft_table(batch, NFPROTO_BRIDGE, false, NULL);
	jl__nft_table(batch, NFPROTO_BRIDGE, true, NULL);
	jl__nft_table(batch, NFPROTO_BRIDGE, false, COMMENT);
	jl__nft_table(batch, NFPROTO_INET, false, NULL);
	jl__nft_table(batch, NFPROTO_INET, true, NULL);
	jl__nft_table(batch, NFPROTO_INET, false, COMMENT);
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		jl__nft_set(batch, &sets[i]);
	frames(batch);
	to_host(batch);
	through_host(batch);
	translation(batch);
}

void jl__nft_tables_del(struct jl__buf *batch)
{
	jl__nft_table(batch, NFPROTO_BRIDGE, true, NULL);
	jl__nft_table(batch, NFPROTO_INET, true, NULL);
}

/* ---- looking ---- */

int jl__nft_dump(int fd, const struct nlmsghdr *question, jl__nft_item_fn fn, void *data)
{
	_cleanup_free_ char *answer = jl__alloc(32768);
	int code = 0;

	if (!answer)
		return -ENOMEM;
	if (send(fd, question, question->nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t got = recv(fd, answer, 32768, 0);
		struct nlmsghdr *head = (void *)answer;
		int rest = (int)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		for (; mnl_nlmsg_ok(head, rest); head = mnl_nlmsg_next(head, &rest)) {
			const struct nlmsgerr *error = mnl_nlmsg_get_payload(head);

			if (head->nlmsg_type == NLMSG_DONE)
				return code;
			if (head->nlmsg_type == NLMSG_ERROR)
				return error->error ? error->error : code;
			if (!code)
				code = fn(head, data);
			if (!(head->nlmsg_flags & NLM_F_MULTI))
				return code;
		}
	}
}

static int on_table_attr(const struct nlattr *attr, void *data)
{
	static const char comment[] = COMMENT;
	const uint8_t *bytes = mnl_attr_get_payload(attr);

	/* One entry: kind, length, text. */
	if (mnl_attr_get_type(attr) == NFTA_TABLE_USERDATA &&
	    mnl_attr_get_payload_len(attr) == sizeof(comment) + 2 && bytes[0] == 0 &&
	    memcmp(bytes + 2, comment, sizeof(comment)) == 0)
		*(int *)data = 1;
	return MNL_CB_OK;
}

static int on_table(const struct nlmsghdr *item, void *data)
{
	(void)mnl_attr_parse(item, sizeof(struct nfgenmsg), on_table_attr, data);
	return 0;
}

int jl__nft_present(int fd)
{
	static const uint8_t families[] = { NFPROTO_BRIDGE, NFPROTO_INET };
	char draft[256];

	for (size_t i = 0; i < sizeof(families); i++) {
		struct nlmsghdr *head =
			nftnl_nlmsg_build_hdr(draft, NFT_MSG_GETTABLE, families[i], 0, 0);
		int ours = 0, r;

		mnl_attr_put_strz(head, NFTA_TABLE_NAME, JL__NFT_TABLE);
		r = jl__nft_dump(fd, head, on_table, &ours);
		/* Nobody in this kernel answers to questions about tables. */
		if (r == -EINVAL)
			return -EOPNOTSUPP;
		if (r < 0 && r != -ENOENT)
			return r;
		if (!ours)
			return 0;
	}
	return 1;
}
