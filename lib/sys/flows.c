/* SPDX-License-Identifier: MIT */
#include "sys/flows.h"

#include <asm/byteorder.h>
#include <asm/errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>

#include "sys/wire.h"

#define AF_INET_ 2
#define TYPE(message) (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_##message)
#define NESTED(type) (NLA_F_NESTED | (type))
#define BY_SOURCE 1u /* in CTA_FILTER: compare the source address and nothing else */

/*
 * A dump is cut into pieces as large as the largest buffer that was ever offered on this
 * socket, and no larger than this: what does not fit into ours is lost.
 */
#define PIECE_MAX 32768
#define CHUNK 8192

/* "Whose tuple, in this direction, comes from this address." */
struct by_source {
	struct nlmsghdr head;
	struct nfgenmsg family;
	struct nlattr tuple, ip, source;
	uint32_t address;
	struct nlattr filter, flags;
	uint32_t mask;
};

static void ask_by_source(struct by_source *ask, uint16_t type, uint16_t flags,
			  uint32_t address, int reply)
{
	*ask = (struct by_source){
		.head = { sizeof(*ask), type, (uint16_t)(NLM_F_REQUEST | flags), 0, 0 },
		.family = { .nfgen_family = AF_INET_ },
		.tuple = { 16, NESTED(reply ? CTA_TUPLE_REPLY : CTA_TUPLE_ORIG) },
		.ip = { 12, NESTED(CTA_TUPLE_IP) },
		.source = { 8, CTA_IP_V4_SRC },
		.address = __cpu_to_be32(address),
		.filter = { 12, NESTED(CTA_FILTER) },
		.flags = { 8, reply ? CTA_FILTER_REPLY_FLAGS : CTA_FILTER_ORIG_FLAGS },
		.mask = BY_SOURCE,
	};
}

int jl__flows_max(int netfilter, uint32_t *ret)
{
	struct {
		struct nlmsghdr head;
		struct nfgenmsg family;
	} ask = {
		.head = { sizeof(ask), TYPE(GET_STATS), NLM_F_REQUEST, 0, 0 },
	};
	char buf[512] __attribute__((aligned(8)));
	const struct nlmsghdr *head = (const void *)buf;
	uint32_t at = sizeof(ask);
	long got = jl__wire_send(netfilter, &ask, sizeof(ask));

	if (got == 0)
		got = jl__wire_receive(netfilter, buf, sizeof(buf));
	if (got < 0)
		return (int)got;
	if (got >= (long)(sizeof(*head) + 4) && head->nlmsg_type == NLMSG_ERROR) {
		int code = ((const struct nlmsgerr *)(head + 1))->error;

		/* Nobody answers to such questions. */
		return code == -EINVAL || code == 0 ? -EOPNOTSUPP : code;
	}
	while (at + sizeof(struct nlattr) + 4 <= (uint32_t)got) {
		const struct nlattr *attr = (const void *)(buf + at);

		if (attr->nla_len < sizeof(*attr))
			break;
		if ((attr->nla_type & NLA_TYPE_MASK) == CTA_STATS_GLOBAL_MAX_ENTRIES) {
			uint32_t value = __be32_to_cpu(*(const __be32 *)(attr + 1));

			*ret = value ? value : UINT32_MAX;
			return 0;
		}
		at += NLA_ALIGN(attr->nla_len);
	}
	return -EOPNOTSUPP;
}

/* ---- one by one: what kernels before 6.8 cannot do at once ---- */

struct deletions {
	uint32_t len;
	char bytes[CHUNK] __attribute__((aligned(8)));
};

static int delete_all(int netfilter, struct deletions *list)
{
	long r = list->len ? jl__wire_send(netfilter, list->bytes, list->len) : 0;

	list->len = 0;
	return (int)r;
}

/* The same tuple and zone, with another verb. */
static int delete_entry(int netfilter, struct deletions *list,
			const struct nlmsghdr *entry)
{
	uint32_t at = sizeof(*entry) + sizeof(struct nfgenmsg), begin;
	struct nlmsghdr *head;
	int r = 0;

	if (entry->nlmsg_len < at || entry->nlmsg_len > CHUNK)
		return -EPROTO;
	if (entry->nlmsg_len > CHUNK - list->len)
		r = delete_all(netfilter, list);
	begin = list->len;
	head = (void *)(list->bytes + begin);
	*head = (struct nlmsghdr){ 0, TYPE(DELETE), NLM_F_REQUEST, 0, 0 };
	__builtin_memcpy(head + 1, entry + 1, sizeof(struct nfgenmsg));
	list->len += at;
	while (at + sizeof(struct nlattr) <= entry->nlmsg_len) {
		const struct nlattr *attr = (const void *)((const char *)entry + at);
		uint16_t type = attr->nla_type & NLA_TYPE_MASK;
		uint32_t size = NLA_ALIGN((uint32_t)attr->nla_len);

		if (attr->nla_len < sizeof(*attr) || size > entry->nlmsg_len - at)
			break;
		if (type == CTA_TUPLE_ORIG || type == CTA_ZONE) {
			__builtin_memcpy(list->bytes + list->len, attr, size);
			list->len += size;
		}
		at += size;
	}
	head->nlmsg_len = list->len - begin;
	return r;
}

/* Some of the entries, and what became of deletions before. 1: that was the end. */
static int take_chunk(int netfilter, struct deletions *list, const char *buf, long got,
		      int *code)
{
	long at = 0;

	while (got - at >= (long)sizeof(struct nlmsghdr)) {
		const struct nlmsghdr *head = (const void *)(buf + at);
		int r = 0;

		if (head->nlmsg_len < sizeof(*head) || head->nlmsg_len > got - at)
			return -EPROTO;
		if (head->nlmsg_type == NLMSG_DONE)
			return 1;
		if (head->nlmsg_type == NLMSG_ERROR)
			r = ((const struct nlmsgerr *)(head + 1))->error;
		else
			r = delete_entry(netfilter, list, head);
		/* ENOENT: it has ended by itself. */
		if (r < 0 && r != -ENOENT && !*code)
			*code = r;
		at += NLMSG_ALIGN(head->nlmsg_len);
	}
	return 0;
}

int jl__flows_forget_singly(int netfilter, uint32_t address, int reply)
{
	struct deletions list = { .len = 0 };
	char buf[PIECE_MAX] __attribute__((aligned(8)));
	struct by_source ask;
	int code = 0, r = 0;
	long got;

	ask_by_source(&ask, TYPE(GET), NLM_F_DUMP, address, reply);
	got = jl__wire_send(netfilter, &ask, sizeof(ask));
	if (got < 0)
		return (int)got;
	while (r == 0 && (got = jl__wire_receive(netfilter, buf, sizeof(buf))) >= 0) {
		r = take_chunk(netfilter, &list, buf, got, &code);
		got = delete_all(netfilter, &list);
		if (got < 0 && !code)
			code = (int)got;
	}
	if (r == 0)
		r = (int)got;
	/* Failures of the last ones. */
	while ((got = jl__wire_receive(netfilter, buf, sizeof(buf))) >= 0)
		(void)take_chunk(netfilter, &list, buf, got, &code);
	return r < 0 ? r : code;
}

int jl__flows_forget(int netfilter, uint32_t address)
{
	for (int reply = 0; reply < 2; reply++) {
		struct by_source ask;
		int r;

		ask_by_source(&ask, TYPE(DELETE), NLM_F_ACK, address, reply);
		r = jl__wire_talk(netfilter, &ask, sizeof(ask));
		/* It takes the tuple for a whole one, and misses the rest of it. */
		if (r == -EINVAL)
			r = jl__flows_forget_singly(netfilter, address, reply);
		if (r < 0)
			return r;
	}
	return 0;
}
