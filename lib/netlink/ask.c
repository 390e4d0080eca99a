/* SPDX-License-Identifier: MIT */
#include "netlink/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "base/cleanup.h"
#include "sys/wire.h"

#define ANSWER_BYTES 32768

int jl__nl_send(int fd, const struct jl__buf *messages)
{
	if (messages->failed)
		return messages->failed;
	return messages->len ? jl__wire_talk(fd, messages->data, (uint32_t)messages->len)
			     : 0;
}

/*
 * Items of one answer. 1: the list goes on; 0: it is at its end. A list that changed
 * while it was read (NLM_F_DUMP_INTR) is as good as one read a moment later.
 */
static int each_item(const struct nlmsghdr *head, int rest, jl__nl_item_fn fn, void *data,
		     int *code)
{
	for (; mnl_nlmsg_ok(head, rest); head = mnl_nlmsg_next(head, &rest)) {
		const struct nlmsgerr *error = mnl_nlmsg_get_payload(head);
		int r = 0;

		if (head->nlmsg_type == NLMSG_DONE)
			return 0;
		if (head->nlmsg_type == NLMSG_ERROR) {
			*code = error->error;
			return 0;
		}
		if (head->nlmsg_type >= NLMSG_MIN_TYPE && !*code)
			r = fn(head, data);
		if (r < 0)
			*code = r;
		if (!(head->nlmsg_flags & NLM_F_MULTI))
			return 0;
	}
	return 1;
}

/* To its end even when fn has failed: what is left would be taken for other answers. */
int jl__nl_dump(int fd, const struct nlmsghdr *question, jl__nl_item_fn fn, void *data)
{
	_cleanup_free_ char *answer = jl__alloc(ANSWER_BYTES);
	int code = 0, more = 1;
	ssize_t got;

	if (!answer)
		return -ENOMEM;
	if (send(fd, question, question->nlmsg_len, 0) < 0)
		return -errno;
	while (more) {
		got = recv(fd, answer, ANSWER_BYTES, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		more = each_item((void *)answer, (int)got, fn, data, &code);
	}
	return code;
}

static int on_kind(const struct nlattr *attr, void *data)
{
	struct jl__nl_link *link = data;

	if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
		(void)strncpy(link->kind, mnl_attr_get_str(attr), sizeof(link->kind) - 1);
	return MNL_CB_OK;
}

static int on_link_attr(const struct nlattr *attr, void *data)
{
	struct jl__nl_link *link = data;

	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		(void)strncpy(link->name, mnl_attr_get_str(attr), sizeof(link->name) - 1);
		break;
	case IFLA_IFALIAS:
		(void)strncpy(link->alias, mnl_attr_get_str(attr),
			      sizeof(link->alias) - 1);
		break;
	case IFLA_MASTER:
		link->master = mnl_attr_get_u32(attr);
		break;
	case IFLA_GROUP:
		link->group = mnl_attr_get_u32(attr);
		break;
	case IFLA_LINKINFO:
		return mnl_attr_parse_nested(attr, on_kind, data);
	}
	return MNL_CB_OK;
}

static void read_link(const struct nlmsghdr *item, struct jl__nl_link *ret)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(item);

	memset(ret, 0, sizeof(*ret));
	ret->index = (uint32_t)info->ifi_index;
	ret->up = info->ifi_flags & IFF_UP;
	(void)mnl_attr_parse(item, sizeof(*info), on_link_attr, ret);
}

/* One question with one answer. */
static int ask_link(int fd, const char *name, uint32_t index, struct jl__nl_link *ret)
{
	char ask[256], answer[4096];
	struct nlmsghdr *head = mnl_nlmsg_put_header(ask);
	struct ifinfomsg *info;
	ssize_t got;

	head->nlmsg_type = RTM_GETLINK;
	head->nlmsg_flags = NLM_F_REQUEST;
	info = mnl_nlmsg_put_extra_header(head, sizeof(*info));
	info->ifi_index = (int)index;
	mnl_attr_put_u32(head, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (name)
		mnl_attr_put_strz(head, IFLA_IFNAME, name);
	if (send(fd, head, head->nlmsg_len, 0) < 0)
		return -errno;
	got = recv(fd, answer, sizeof(answer), 0);
	if (got < 0)
		return -errno;
	head = (struct nlmsghdr *)answer;
	if (!mnl_nlmsg_ok(head, (int)got))
		return -EPROTO;
	if (head->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *error = mnl_nlmsg_get_payload(head);

		return error->error < 0 ? error->error : -EPROTO;
	}
	if (head->nlmsg_type != RTM_NEWLINK)
		return -EPROTO;
	read_link(head, ret);
	return 0;
}

int jl__nl_link_get(int fd, const char *name, struct jl__nl_link *ret)
{
	return ask_link(fd, name, 0, ret);
}

void jl__nl_link_name(int fd, uint32_t index, char name[16])
{
	struct jl__nl_link link;

	if (index && ask_link(fd, NULL, index, &link) == 0)
		memcpy(name, link.name, 16);
	else
		(void)snprintf(name, 16, "%u", index);
}

struct ports {
	uint32_t master;
	jl__nl_link_fn fn;
	void *data;
};

static int on_port(const struct nlmsghdr *item, void *data)
{
	const struct ports *ports = data;
	struct jl__nl_link link;

	if (item->nlmsg_type != RTM_NEWLINK)
		return 0;
	read_link(item, &link);
	/* A kernel that does not know the filter lists everything. */
	return link.master == ports->master ? ports->fn(&link, ports->data) : 0;
}

int jl__nl_ports(int fd, uint32_t master, jl__nl_link_fn fn, void *data)
{
	struct ports ports = { master, fn, data };
	char ask[256];
	struct nlmsghdr *head = mnl_nlmsg_put_header(ask);

	head->nlmsg_type = RTM_GETLINK;
	head->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	(void)mnl_nlmsg_put_extra_header(head, sizeof(struct ifinfomsg));
	mnl_attr_put_u32(head, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	mnl_attr_put_u32(head, IFLA_MASTER, master);
	return jl__nl_dump(fd, head, on_port, &ports);
}

struct nets {
	jl__nl_net_fn fn;
	void *data;
};

struct net_attrs {
	const struct nlattr *address, *local, *table, *oif;
};

static int on_address_attr(const struct nlattr *attr, void *data)
{
	struct net_attrs *attrs = data;

	if (mnl_attr_get_type(attr) == IFA_LOCAL)
		attrs->local = attr;
	else if (mnl_attr_get_type(attr) == IFA_ADDRESS)
		attrs->address = attr;
	return MNL_CB_OK;
}

static int on_address(const struct nlmsghdr *item, void *data)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(item);
	const struct nets *nets = data;
	struct net_attrs attrs = { 0 };
	struct jl__nl_net net;

	if (item->nlmsg_type != RTM_NEWADDR || info->ifa_family != AF_INET)
		return 0;
	(void)mnl_attr_parse(item, sizeof(*info), on_address_attr, &attrs);
	net = (struct jl__nl_net){ 0, info->ifa_prefixlen, info->ifa_index };
	if (attrs.local || attrs.address)
		net.address = ntohl(
			mnl_attr_get_u32(attrs.local ? attrs.local : attrs.address));
	return nets->fn(&net, nets->data);
}

int jl__nl_addresses(int fd, jl__nl_net_fn fn, void *data)
{
	struct nets nets = { fn, data };
	char ask[256];
	struct nlmsghdr *head = mnl_nlmsg_put_header(ask);
	struct ifaddrmsg *info;

	head->nlmsg_type = RTM_GETADDR;
	head->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	info = mnl_nlmsg_put_extra_header(head, sizeof(*info));
	info->ifa_family = AF_INET;
	return jl__nl_dump(fd, head, on_address, &nets);
}

static int on_route_attr(const struct nlattr *attr, void *data)
{
	struct net_attrs *attrs = data;

	if (mnl_attr_get_type(attr) == RTA_DST)
		attrs->address = attr;
	else if (mnl_attr_get_type(attr) == RTA_TABLE)
		attrs->table = attr;
	else if (mnl_attr_get_type(attr) == RTA_OIF)
		attrs->oif = attr;
	return MNL_CB_OK;
}

static int on_route(const struct nlmsghdr *item, void *data)
{
	const struct rtmsg *info = mnl_nlmsg_get_payload(item);
	const struct nets *nets = data;
	struct net_attrs attrs = { 0 };
	struct jl__nl_net net;

	if (item->nlmsg_type != RTM_NEWROUTE || info->rtm_family != AF_INET)
		return 0;
	(void)mnl_attr_parse(item, sizeof(*info), on_route_attr, &attrs);
	if ((attrs.table ? mnl_attr_get_u32(attrs.table) : info->rtm_table) !=
	    RT_TABLE_MAIN)
		return 0;
	net = (struct jl__nl_net){ 0, info->rtm_dst_len, 0 };
	if (attrs.address)
		net.address = ntohl(mnl_attr_get_u32(attrs.address));
	if (attrs.oif)
		net.index = mnl_attr_get_u32(attrs.oif);
	return nets->fn(&net, nets->data);
}

int jl__nl_routes(int fd, jl__nl_net_fn fn, void *data)
{
	struct nets nets = { fn, data };
	char ask[256];
	struct nlmsghdr *head = mnl_nlmsg_put_header(ask);
	struct rtmsg *info;

	head->nlmsg_type = RTM_GETROUTE;
	head->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	info = mnl_nlmsg_put_extra_header(head, sizeof(*info));
	info->rtm_family = AF_INET;
	info->rtm_table = RT_TABLE_MAIN;
	return jl__nl_dump(fd, head, on_route, &nets);
}
