/* SPDX-License-Identifier: MIT */
#include "veth.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BRIDGE "br0"
#define GATEWAY 0x0a630001u /* 10.99.0.1 */
#define FIRST 0x0a630002u
#define LAST 0x0a63fffeu

static int home = -1, sock = -1, bridge;

/* ---- messages ---- */

struct batch {
	size_t len;
	struct nlmsghdr *head;
	char bytes[2048] __attribute__((aligned(8)));
};

static void *more(struct batch *batch, size_t len)
{
	void *at = batch->bytes + batch->len;

	memset(at, 0, NLMSG_ALIGN(len));
	batch->len += NLMSG_ALIGN(len);
	if (batch->head)
		batch->head->nlmsg_len =
			(uint32_t)(batch->bytes + batch->len - (char *)batch->head);
	return at;
}

static void *begin(struct batch *batch, uint16_t type, uint16_t flags, size_t len)
{
	batch->head = NULL;
	batch->head = more(batch, sizeof(*batch->head));
	batch->head->nlmsg_type = type;
	batch->head->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	return more(batch, len);
}

static struct rtattr *attr(struct batch *batch, uint16_t type, const void *data,
			   size_t len)
{
	struct rtattr *at = more(batch, RTA_LENGTH(len));

	at->rta_type = type;
	at->rta_len = (uint16_t)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(at), data, len);
	return at;
}

static void end(struct batch *batch, struct rtattr *nest)
{
	nest->rta_len = (uint16_t)(batch->bytes + batch->len - (char *)nest);
}

/* Answers are there when sending returns; the first failure counts. */
static int talk(int fd, const struct batch *batch)
{
	char buf[4096];
	ssize_t got = send(fd, batch->bytes, batch->len, 0);
	int code = got < 0 ? -1 : 0;

	while ((got = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		const struct nlmsghdr *head = (const void *)buf;
		const struct nlmsgerr *error = NLMSG_DATA(head);

		if (head->nlmsg_type == NLMSG_ERROR && error->error && !code)
			code = error->error;
	}
	return code;
}

static void add_link_up(struct batch *batch, int index)
{
	struct ifinfomsg *link = begin(batch, RTM_NEWLINK, 0, sizeof(*link));

	link->ifi_index = index;
	link->ifi_flags = link->ifi_change = IFF_UP;
}

static void add_address(struct batch *batch, int index, uint32_t address)
{
	struct ifaddrmsg *msg =
		begin(batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(*msg));
	uint32_t raw = htonl(address);

	msg->ifa_family = AF_INET;
	msg->ifa_prefixlen = 16;
	msg->ifa_index = (uint32_t)index;
	(void)attr(batch, IFA_LOCAL, &raw, sizeof(raw));
	(void)attr(batch, IFA_ADDRESS, &raw, sizeof(raw));
}

static void add_default_route(struct batch *batch)
{
	struct rtmsg *msg =
		begin(batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof(*msg));
	uint32_t raw = htonl(GATEWAY);

	msg->rtm_family = AF_INET;
	msg->rtm_table = RT_TABLE_MAIN;
	msg->rtm_protocol = RTPROT_STATIC;
	msg->rtm_type = RTN_UNICAST;
	(void)attr(batch, RTA_GATEWAY, &raw, sizeof(raw));
}

static int make_bridge(void)
{
	struct batch batch = { 0 };
	struct ifinfomsg *link = begin(&batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
				       sizeof(*link));
	struct rtattr *info;

	link->ifi_flags = link->ifi_change = IFF_UP;
	(void)attr(&batch, IFLA_IFNAME, BRIDGE, sizeof(BRIDGE));
	info = attr(&batch, IFLA_LINKINFO, NULL, 0);
	(void)attr(&batch, IFLA_INFO_KIND, "bridge", 6);
	end(&batch, info);
	if (talk(sock, &batch) < 0)
		return -1;
	bridge = (int)if_nametoindex(BRIDGE);
	batch = (struct batch){ 0 };
	add_address(&batch, bridge, GATEWAY);
	return talk(sock, &batch);
}

static int make_pair(int netns, const char *name)
{
	struct batch batch = { 0 };
	struct ifinfomsg *link = begin(&batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
				       sizeof(*link));
	struct rtattr *info, *data, *peer;

	link->ifi_flags = link->ifi_change = IFF_UP;
	(void)attr(&batch, IFLA_IFNAME, name, strlen(name) + 1);
	(void)attr(&batch, IFLA_MASTER, &bridge, sizeof(bridge));
	info = attr(&batch, IFLA_LINKINFO, NULL, 0);
	(void)attr(&batch, IFLA_INFO_KIND, "veth", 4);
	data = attr(&batch, IFLA_INFO_DATA, NULL, 0);
	peer = attr(&batch, VETH_INFO_PEER, NULL, 0);
	(void)more(&batch, sizeof(struct ifinfomsg));
	(void)attr(&batch, IFLA_IFNAME, "eth0", 5);
	(void)attr(&batch, IFLA_NET_NS_FD, &netns, sizeof(netns));
	end(&batch, peer);
	end(&batch, data);
	end(&batch, info);
	return talk(sock, &batch);
}

static int configure_inside(uint32_t address)
{
	struct batch batch = { 0 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), r;
	int index = (int)if_nametoindex("eth0");

	add_link_up(&batch, 1);
	add_link_up(&batch, index);
	add_address(&batch, index, address);
	add_default_route(&batch);
	r = talk(fd, &batch);
	(void)close(fd);
	return r;
}

/* ---- namespaces ---- */

int veth_begin(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		return 0;
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	return home >= 0 && sock >= 0 && make_bridge() == 0;
}

int veth_enter(void)
{
	static uint32_t next = FIRST, number;
	char name[IFNAMSIZ];
	int netns;

	(void)snprintf(name, sizeof(name), "v%u", number++);
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (netns < 0 || make_pair(netns, name) < 0 || configure_inside(next) < 0)
		return -1;
	next = next == LAST ? FIRST : next + 1;
	return netns;
}

void veth_leave(int netns)
{
	(void)setns(home, CLONE_NEWNET);
	(void)close(netns);
}
