/* SPDX-License-Identifier: MIT */
/*
 * Elements. Written with libmnl alone: they are made for every job, and libnftnl would
 * allocate for each.
 */
#include "nft/nft.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "nft/nft-priv.h"

/* So that a message of them fits where wires are taken apart (sys/wire.c). */
#define ELEMENTS_PER_MESSAGE 16u

#define DRAFT_BYTES 2048

static void add(struct jl__buf *batch, const struct nlmsghdr *head)
{
	(void)jl__buf_add(batch, head, head->nlmsg_len);
}

void jl__nft_begin(struct jl__buf *batch)
{
	char draft[64];

	add(batch, nftnl_batch_begin(draft, 0));
}

void jl__nft_end(struct jl__buf *batch)
{
	char draft[64];

	add(batch, nftnl_batch_end(draft, 0));
}

/* ---- one message with elements of one set ---- */

struct elements {
	union {
		struct nlmsghdr head;
		char bytes[DRAFT_BYTES];
	};
	struct nlattr *list;
};

static void elements_begin(struct elements *elements, uint8_t family, const char *set,
			   bool del, uint16_t flags)
{
	uint16_t type = del ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM;

	if (del)
		flags = 0;
	else
		flags |= NLM_F_CREATE;
	(void)nftnl_nlmsg_build_hdr(elements->bytes, type, family, flags, 0);
	mnl_attr_put_strz(&elements->head, NFTA_SET_ELEM_LIST_TABLE, JL__NFT_TABLE);
	mnl_attr_put_strz(&elements->head, NFTA_SET_ELEM_LIST_SET, set);
	elements->list =
		mnl_attr_nest_start(&elements->head, NFTA_SET_ELEM_LIST_ELEMENTS);
}

static void put_value(struct nlmsghdr *head, uint16_t type, const void *value, size_t len)
{
	struct nlattr *nest;

	if (!value)
		return;
	nest = mnl_attr_nest_start(head, type);
	mnl_attr_put(head, NFTA_DATA_VALUE, len, value);
	mnl_attr_nest_end(head, nest);
}

/* last: end of a range; data: what a map gives. Both may be NULL. */
static void element(struct elements *elements, const void *key, const void *last,
		    size_t len, const void *data, size_t data_len)
{
	struct nlattr *nest = mnl_attr_nest_start(&elements->head, NFTA_LIST_ELEM);

	put_value(&elements->head, NFTA_SET_ELEM_KEY, key, len);
	put_value(&elements->head, NFTA_SET_ELEM_KEY_END, last, len);
	put_value(&elements->head, NFTA_SET_ELEM_DATA, data, data_len);
	mnl_attr_nest_end(&elements->head, nest);
}

static void elements_end(struct elements *elements, struct jl__buf *batch)
{
	mnl_attr_nest_end(&elements->head, elements->list);
	add(batch, &elements->head);
}

static void single(struct jl__buf *batch, uint8_t family, const char *set, bool del,
		   const void *key, size_t len)
{
	struct elements elements;

	elements_begin(&elements, family, set, del, 0);
	element(&elements, key, NULL, len, NULL, 0);
	elements_end(&elements, batch);
}

/* ---- keys, as the registers of the rules have them ---- */

void jl__nft_pair(struct jl__buf *batch, const char *bridge, bool del)
{
	char key[32] = "";

	(void)strncpy(key, bridge, 15);
	(void)strncpy(key + 16, bridge, 15);
	single(batch, NFPROTO_INET, "pairs", del, key, sizeof(key));
}

static void put_expression(struct nlmsghdr *head, const char *name,
			   void (*put)(struct nlmsghdr *head,
				       const struct jl__nft_share *share),
			   const struct jl__nft_share *share)
{
	struct nlattr *item = mnl_attr_nest_start(head, NFTA_LIST_ELEM), *data;

	mnl_attr_put_strz(head, NFTA_EXPR_NAME, name);
	data = mnl_attr_nest_start(head, NFTA_EXPR_DATA);
	put(head, share);
	mnl_attr_nest_end(head, data);
	mnl_attr_nest_end(head, item);
}

static void put_rate(struct nlmsghdr *head, const struct jl__nft_share *share)
{
	mnl_attr_put_u64(head, NFTA_LIMIT_RATE, htobe64(share->rate));
	mnl_attr_put_u64(head, NFTA_LIMIT_UNIT, htobe64(1));
	mnl_attr_put_u32(head, NFTA_LIMIT_BURST, htonl(share->burst));
	mnl_attr_put_u32(head, NFTA_LIMIT_TYPE, htonl(NFT_LIMIT_PKTS));
}

static void put_most(struct nlmsghdr *head, const struct jl__nft_share *share)
{
	mnl_attr_put_u32(head, NFTA_CONNLIMIT_COUNT, htonl(share->most));
}

/*
 * The element is found while both let it be. They come with each of them: those that a
 * set has for all its elements are copies for which the kernel (6.18) gives back
 * connection tracking once too often, until it is off.
 */
static void caller(struct jl__buf *batch, uint32_t address,
		   const struct jl__nft_share *share)
{
	struct elements elements;
	struct nlattr *item, *list;

	elements_begin(&elements, NFPROTO_INET, "callers", false, 0);
	item = mnl_attr_nest_start(&elements.head, NFTA_LIST_ELEM);
	put_value(&elements.head, NFTA_SET_ELEM_KEY, &address, sizeof(address));
	list = mnl_attr_nest_start(&elements.head, NFTA_SET_ELEM_EXPRESSIONS);
	put_expression(&elements.head, "limit", put_rate, share);
	put_expression(&elements.head, "connlimit", put_most, share);
	mnl_attr_nest_end(&elements.head, list);
	mnl_attr_nest_end(&elements.head, item);
	elements_end(&elements, batch);
}

void jl__nft_member(struct jl__buf *batch, const struct jl__nft_member *member,
		    const struct jl__nft_share *share, bool del)
{
	struct {
		char device[16];
		uint8_t mac[8];
		uint32_t address;
	} key = { .address = htonl(member->address) };

	memcpy(key.device, member->device, sizeof(key.device));
	memcpy(key.mac, member->mac, 6);
	single(batch, NFPROTO_BRIDGE, "members", del, &key, sizeof(key));
	single(batch, NFPROTO_INET, "members", del, &key.address, 4);
	if (del)
		single(batch, NFPROTO_INET, "callers", true, &key.address, 4);
	else
		caller(batch, key.address, share);
}

void jl__nft_restricted(struct jl__buf *batch, uint32_t address, bool del)
{
	address = htonl(address);
	single(batch, NFPROTO_INET, "restricted", del, &address, 4);
}

struct allow_key {
	uint32_t from;
	uint32_t to;
	uint16_t port;
	uint16_t unused;
};

static bool every_protocol(const struct jl__nft_allow *allow)
{
	return allow->port_first == 0 && allow->port_last == 65535;
}

/* Those of one kind, in as many messages as they need. */
static void allow_some(struct jl__buf *batch, uint32_t address,
		       const struct jl__nft_allow *allow, uint32_t count, bool del,
		       bool ports)
{
	size_t len = ports ? sizeof(struct allow_key) : 8;
	struct elements elements;
	uint32_t held = 0;
	char set[16];

	jl__nft_part_name(set, ports ? "ports" : "allowed", address % JL__NFT_PARTS);
	for (uint32_t i = 0; i < count; i++) {
		struct allow_key first = { htonl(address), htonl(allow[i].first),
					   htons(allow[i].port_first), 0 };
		struct allow_key last = { htonl(address), htonl(allow[i].last),
					  htons(allow[i].port_last), 0 };

		if (every_protocol(&allow[i]) == ports)
			continue;
		if (!held++)
			elements_begin(&elements, NFPROTO_INET, set, del, 0);
		element(&elements, &first, &last, len, NULL, 0);
		if (held < ELEMENTS_PER_MESSAGE)
			continue;
		elements_end(&elements, batch);
		held = 0;
	}
	if (held)
		elements_end(&elements, batch);
}

void jl__nft_allow(struct jl__buf *batch, uint32_t address,
		   const struct jl__nft_allow *allow, uint32_t count, bool del)
{
	allow_some(batch, address, allow, count, del, false);
	allow_some(batch, address, allow, count, del, true);
}

struct publish_value {
	uint32_t address;
	uint16_t port;
	uint16_t unused;
};

static void publish_some(struct jl__buf *batch, uint32_t address,
			 const struct jl__nft_publish *publish, uint32_t count, bool del,
			 bool udp)
{
	struct elements elements;
	uint32_t held = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint16_t port = htons(publish[i].host_port);
		struct publish_value value = { htonl(address), htons(publish[i].job_port),
					       0 };

		if (publish[i].udp != udp)
			continue;
		if (!held++)
			elements_begin(&elements, NFPROTO_INET,
				       udp ? "published_udp" : "published_tcp", del,
				       NLM_F_EXCL);
		element(&elements, &port, NULL, 2, del ? NULL : &value, sizeof(value));
		if (held < ELEMENTS_PER_MESSAGE)
			continue;
		elements_end(&elements, batch);
		held = 0;
	}
	if (held)
		elements_end(&elements, batch);
}

void jl__nft_publish(struct jl__buf *batch, uint32_t address,
		     const struct jl__nft_publish *publish, uint32_t count, bool del)
{
	publish_some(batch, address, publish, count, del, false);
	publish_some(batch, address, publish, count, del, true);
}

static int on_found(const struct nlmsghdr *item, void *data)
{
	(void)item;
	*(int *)data = 1;
	return 0;
}

int jl__nft_is_published(int fd, uint16_t port, bool udp)
{
	struct elements elements;
	int found = 0, r;

	port = htons(port);
	(void)nftnl_nlmsg_build_hdr(elements.bytes, NFT_MSG_GETSETELEM, NFPROTO_INET, 0,
				    0);
	mnl_attr_put_strz(&elements.head, NFTA_SET_ELEM_LIST_TABLE, JL__NFT_TABLE);
	mnl_attr_put_strz(&elements.head, NFTA_SET_ELEM_LIST_SET,
			  udp ? "published_udp" : "published_tcp");
	elements.list = mnl_attr_nest_start(&elements.head, NFTA_SET_ELEM_LIST_ELEMENTS);
	element(&elements, &port, NULL, 2, NULL, 0);
	mnl_attr_nest_end(&elements.head, elements.list);
	r = jl__nft_dump(fd, &elements.head, on_found, &found);
	return r < 0 && r != -ENOENT ? r : found;
}

void jl__nft_part_name(char name[16], const char *what, uint32_t part)
{
	(void)snprintf(name, 16, "%s_%u", what, part);
}

/* ---- what is left of an address ---- */

struct found {
	const void *key, *last, *data;
	uint16_t key_len, last_len, data_len;
};

static int on_value(const struct nlattr *attr, void *data)
{
	if (mnl_attr_get_type(attr) == NFTA_DATA_VALUE)
		*(const struct nlattr **)data = attr;
	return MNL_CB_OK;
}

static int on_element_attr(const struct nlattr *attr, void *data)
{
	struct found *found = data;
	const struct nlattr *value = NULL;
	uint16_t type = mnl_attr_get_type(attr);

	if (type != NFTA_SET_ELEM_KEY && type != NFTA_SET_ELEM_KEY_END &&
	    type != NFTA_SET_ELEM_DATA)
		return MNL_CB_OK;
	(void)mnl_attr_parse_nested(attr, on_value, &value);
	if (!value)
		return MNL_CB_OK;
	if (type == NFTA_SET_ELEM_KEY) {
		found->key = mnl_attr_get_payload(value);
		found->key_len = mnl_attr_get_payload_len(value);
	} else if (type == NFTA_SET_ELEM_KEY_END) {
		found->last = mnl_attr_get_payload(value);
		found->last_len = mnl_attr_get_payload_len(value);
	} else {
		found->data = mnl_attr_get_payload(value);
		found->data_len = mnl_attr_get_payload_len(value);
	}
	return MNL_CB_OK;
}

struct stale {
	const char *set;
	uint8_t family;
	uint32_t address; /* network byte order */
	struct jl__buf *batch;
};

/* Where the address is: at the start of the data, of the key, or behind device and MAC.
 */
static const void *address_of(const struct stale *stale, const struct found *found)
{
	if (found->data)
		return found->data_len >= 4 ? found->data : NULL;
	if (stale->family == NFPROTO_BRIDGE)
		return found->key_len >= 28 ? (const char *)found->key + 24 : NULL;
	return found->key_len >= 4 ? found->key : NULL;
}

static int on_element(const struct nlattr *attr, void *data)
{
	const struct stale *stale = data;
	struct found found = { 0 };
	struct elements elements;
	const void *address;

	(void)mnl_attr_parse_nested(attr, on_element_attr, &found);
	address = found.key ? address_of(stale, &found) : NULL;
	if (!address || memcmp(address, &stale->address, 4) != 0 || found.key_len > 64 ||
	    (found.last && found.last_len != found.key_len))
		return MNL_CB_OK;
	elements_begin(&elements, stale->family, stale->set, true, 0);
	element(&elements, found.key, found.last, found.key_len, NULL, 0);
	elements_end(&elements, stale->batch);
	return MNL_CB_OK;
}

static int on_list_attr(const struct nlattr *attr, void *data)
{
	if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_LIST_ELEMENTS)
		(void)mnl_attr_parse_nested(attr, on_element, data);
	return MNL_CB_OK;
}

static int on_list(const struct nlmsghdr *item, void *data)
{
	(void)mnl_attr_parse(item, sizeof(struct nfgenmsg), on_list_attr, data);
	return 0;
}

static int stale_in(int fd, uint8_t family, const char *set, uint32_t address,
		    struct jl__buf *batch)
{
	struct stale stale = { set, family, htonl(address), batch };
	char draft[256];
	struct nlmsghdr *head =
		nftnl_nlmsg_build_hdr(draft, NFT_MSG_GETSETELEM, family, NLM_F_DUMP, 0);
	int r;

	mnl_attr_put_strz(head, NFTA_SET_ELEM_LIST_TABLE, JL__NFT_TABLE);
	mnl_attr_put_strz(head, NFTA_SET_ELEM_LIST_SET, set);
	r = jl__nft_dump(fd, head, on_list, &stale);
	return r == -ENOENT ? 0 : r;
}

int jl__nft_stale(int fd, uint32_t address, struct jl__buf *batch)
{
	static const char *const sets[] = { "members", "callers", "restricted",
					    "published_tcp", "published_udp" };
	static const char *const parts[] = { "allowed", "ports" };
	int r = stale_in(fd, NFPROTO_BRIDGE, "members", address, batch);
	char name[16];

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]) && r == 0; i++)
		r = stale_in(fd, NFPROTO_INET, sets[i], address, batch);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && r == 0; i++) {
		jl__nft_part_name(name, parts[i], address % JL__NFT_PARTS);
		r = stale_in(fd, NFPROTO_INET, name, address, batch);
	}
	return r < 0 ? r : batch->failed;
}
