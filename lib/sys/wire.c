/* SPDX-License-Identifier: MIT */
#include "sys/wire.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/if_link.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "sys/flows.h"
#include "sys/sys.h"

#define SOCK_RAW_CLOEXEC (3 | 02000000)
#define MSG_DONTWAIT_ 0x40

/* struct msghdr and struct iovec as the kernel has them. */
struct span {
	const void *data;
	size_t len;
};

struct message {
	void *name;
	int name_len;
	struct span *spans;
	size_t span_count;
	void *control;
	size_t control_len;
	unsigned int flags;
};

int jl__wire_socket(int protocol)
{
	/* Unbound: the kernel gives it an address of its own with the first message. */
	return (int)jl__sys_socket(16 /* AF_NETLINK */, SOCK_RAW_CLOEXEC, protocol);
}

static int part_fits(const struct jl__wire *wire, struct jl__wire_part part)
{
	uint32_t at = part.offset, end;

	if (!part.size)
		return 1;
	if (part.offset % 4 || part.size % 4 || part.offset < sizeof(*wire) ||
	    part.offset > wire->size || part.size > wire->size - part.offset)
		return 0;
	for (end = at + part.size; at < end;) {
		const struct nlmsghdr *head = (const void *)((const char *)wire + at);

		if (end - at < sizeof(*head) || head->nlmsg_len < sizeof(*head) ||
		    head->nlmsg_len % 4 || head->nlmsg_len > end - at)
			return 0;
		at += head->nlmsg_len;
	}
	return 1;
}

static int slots_fit(const struct jl__wire *wire, const uint32_t *slots, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (slots[i] && (slots[i] % 4 || slots[i] < sizeof(*wire) ||
				 slots[i] > wire->size - 4))
			return 0;
	return 1;
}

static int terminated(const char *text, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		if (!text[i])
			return 1;
	return 0;
}

int jl__wire_check(const struct jl__wire *wire, uint32_t size)
{
	if (size < sizeof(*wire) || size > JL__WIRE_MAX || wire->size != size)
		return -EINVAL;
	if (!part_fits(wire, wire->pair) || !part_fits(wire, wire->port) ||
	    !part_fits(wire, wire->inside) || !part_fits(wire, wire->leave) ||
	    !part_fits(wire, wire->forget))
		return -EINVAL;
	if (!slots_fit(wire, &wire->netns_at, 1) || !slots_fit(wire, wire->index_at, 8) ||
	    !slots_fit(wire, wire->inside_at, 8))
		return -EINVAL;
	if (!terminated(wire->device, sizeof(wire->device)) ||
	    !terminated(wire->folder, sizeof(wire->folder)) || wire->folder[0] != '/')
		return -EINVAL;
	return 0;
}

long jl__wire_send(int fd, const void *data, uint32_t len)
{
	struct span span = { data, len };
	struct message message = { .spans = &span, .span_count = 1 };
	long r;

	do
		r = jl__sys_sendmsg(fd, &message, 0);
	while (r == -EINTR);
	return r < 0 ? r : 0;
}

long jl__wire_receive(int fd, void *buf, uint32_t size)
{
	struct span span = { buf, size };
	struct message message = { .spans = &span, .span_count = 1 };
	long r;

	do
		r = jl__sys_recvmsg(fd, &message, MSG_DONTWAIT_);
	while (r == -EINTR);
	return r;
}

/* The kernel handles all messages, whatever becomes of one, before sending returns. */
int jl__wire_talk(int fd, const void *data, uint32_t size)
{
	/* The head of the answer; it repeats the request behind it, which is cut off. */
	union {
		struct {
			struct nlmsghdr head;
			struct nlmsgerr error;
		};
		char bytes[64];
	} answer;
	uint32_t acks = 0, at = 0;
	int code = 0;
	long got;

	for (; at < size;) {
		const struct nlmsghdr *head = (const void *)((const char *)data + at);

		acks += !!(head->nlmsg_flags & NLM_F_ACK);
		at += head->nlmsg_len;
	}
	got = jl__wire_send(fd, data, size);
	if (got < 0)
		return (int)got;
	while ((got = jl__wire_receive(fd, &answer, sizeof(answer))) >= 0) {
		if (got < (long)sizeof(answer.head) + 4 ||
		    answer.head.nlmsg_type != NLMSG_ERROR)
			continue;
		if (answer.error.error && !code)
			code = answer.error.error;
		if (acks)
			acks--;
	}
	if (code)
		return code;
	/* ENOBUFS: there were more answers than the socket holds. */
	if (got != -EAGAIN)
		return (int)got;
	return acks ? -EPROTO : 0;
}

static int talk_part(const struct jl__wire *wire, struct jl__wire_part part, int fd)
{
	if (!part.size)
		return 0;
	return jl__wire_talk(fd, (const char *)wire + part.offset, part.size);
}

/* Asks for a device by name; the answer's length, in buf. */
static long get_link(int fd, const char *device, uint32_t mask, char *buf, uint32_t size)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
		struct nlattr mask_head;
		uint32_t mask;
		struct nlattr name_head;
		char name[16];
	} ask = {
		.head = { .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST },
		.mask_head = { sizeof(struct nlattr) + 4, IFLA_EXT_MASK },
		.mask = mask,
		.name_head = { 0, IFLA_IFNAME },
	};
	struct nlmsghdr *head = (struct nlmsghdr *)buf;
	uint32_t len = 0;
	long got, kept = -EPROTO;

	while (len < sizeof(ask.name) - 1 && device[len]) {
		ask.name[len] = device[len];
		len++;
	}
	ask.name_head.nla_len = (uint16_t)(sizeof(struct nlattr) + len + 1);
	ask.head.nlmsg_len =
		(uint32_t) __builtin_offsetof(__typeof__(ask), name) + ((len + 4) & ~3u);
	got = jl__wire_send(fd, &ask, ask.head.nlmsg_len);
	if (got < 0)
		return got;
	while ((got = jl__wire_receive(fd, buf, size)) >= 0) {
		if (got < (long)(sizeof(*head) + sizeof(struct ifinfomsg)))
			continue;
		if (head->nlmsg_type == NLMSG_ERROR) {
			kept = ((struct nlmsgerr *)(head + 1))->error;
			break;
		}
		if (head->nlmsg_type == RTM_NEWLINK) {
			kept = got < (long)head->nlmsg_len ? got : (long)head->nlmsg_len;
			break;
		}
	}
	if (kept == -EPROTO && got < 0 && got != -EAGAIN)
		kept = got;
	return kept ? kept : -EPROTO;
}

static int get_index(int fd, const char *device, uint32_t *ret)
{
	char buf[1024] __attribute__((aligned(8)));
	long len = get_link(fd, device, RTEXT_FILTER_SKIP_STATS, buf, sizeof(buf));

	if (len < 0)
		return (int)len;
	*ret = (uint32_t)((struct ifinfomsg *)(buf + sizeof(struct nlmsghdr)))->ifi_index;
	return 0;
}

static void fill(struct jl__wire *wire, const uint32_t *slots, uint32_t count,
		 uint32_t number)
{
	for (uint32_t i = 0; i < count && slots[i]; i++)
		__builtin_memcpy((char *)wire + slots[i], &number, 4);
}

static char *put(char *at, const char *text)
{
	while (*text)
		*at++ = *text++;
	*at = '\0';
	return at;
}

/*
 * A port of a bridge has no use for an address. What IPv6 would give it by itself slows
 * down every later change of the host's network, the more the more ports there are. The
 * rules let none of it through in any case, so this may fail.
 */
static void forbid_ipv6(const char *device, int proc)
{
	char path[64];
	long fd;

	put(put(put(path, "sys/net/ipv6/conf/"), device), "/disable_ipv6");
	fd = jl__sys_openat(proc, path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)jl__sys_write((int)fd, "1", 1);
	(void)jl__sys_close((int)fd);
}

int jl__wire_lay(struct jl__wire *wire, const struct jl__wire_ends *ends,
		 uint32_t *ret_step)
{
	uint32_t index;
	int r;

	*ret_step = JL__WIRE_PAIR;
	fill(wire, &wire->netns_at, 1, (uint32_t)ends->netns);
	r = talk_part(wire, wire->pair, ends->host);
	if (r < 0)
		return r;
	*ret_step = JL__WIRE_INDEX;
	r = get_index(ends->host, wire->device, &index);
	if (r < 0)
		return r;
	forbid_ipv6(wire->device, ends->proc);
	fill(wire, wire->index_at, 8, index);
	r = get_index(ends->inside, JL__WIRE_DEVICE, &index);
	if (r < 0)
		return r;
	fill(wire, wire->inside_at, 8, index);
	*ret_step = JL__WIRE_PORT;
	r = talk_part(wire, wire->port, ends->host);
	if (r < 0)
		return r;
	*ret_step = JL__WIRE_INSIDE;
	r = talk_part(wire, wire->inside, ends->inside);
	if (r < 0)
		return r;
	/*
	 * That the line is up the bridge is told by a worker of the kernel, and until then
	 * drops what comes; the job may be faster. Whoever asks for the link has it told
	 * at once (since Linux 6.13).
	 */
	*ret_step = JL__WIRE_INDEX;
	return get_index(ends->host, wire->device, &index);
}

/*
 * One transaction is all or nothing. When somebody was first with one of the elements,
 * the others are taken away one by one.
 */
static int remove_singly(int fd, const char *batch, uint32_t size)
{
	const struct nlmsghdr *first = (const void *)batch, *last = NULL, *head;
	char single[2048] __attribute__((aligned(8)));
	uint32_t at;
	int code = 0, r;

	for (at = 0; at < size; at += last->nlmsg_len)
		last = (const void *)(batch + at);
	for (at = first->nlmsg_len; at < size; at += head->nlmsg_len) {
		uint32_t len = first->nlmsg_len;

		head = (const void *)(batch + at);
		if (head == last)
			break;
		if (first->nlmsg_len + head->nlmsg_len + last->nlmsg_len > sizeof(single))
			return -EMSGSIZE;
		__builtin_memcpy(single, first, first->nlmsg_len);
		__builtin_memcpy(single + len, head, head->nlmsg_len);
		len += head->nlmsg_len;
		__builtin_memcpy(single + len, last, last->nlmsg_len);
		r = jl__wire_talk(fd, single, len + last->nlmsg_len);
		if (r < 0 && r != -ENOENT && !code)
			code = r;
	}
	return code;
}

int jl__wire_remove(int fd, const void *batch, uint32_t size)
{
	int r = size ? jl__wire_talk(fd, batch, size) : 0;

	return r == -ENOENT ? remove_singly(fd, batch, size) : r;
}

int jl__wire_leave(const struct jl__wire *wire, int netfilter, int host)
{
	int r = jl__wire_remove(netfilter, (const char *)wire + wire->leave.offset,
				wire->leave.size);
	int r2 = talk_part(wire, wire->forget, host);

	/* ENODEV: the bridge is gone. */
	if (r2 == -ENOENT || r2 == -ENODEV)
		r2 = 0;
	if (r == 0 && wire->flows)
		r = jl__flows_forget(netfilter, wire->address);
	return r < 0 ? r : r2;
}

/* The line becomes a comment: one byte, so nobody reads half of it. */
static void clear_name(const struct jl__wire *wire, int folder)
{
	long hosts = jl__sys_openat(folder, "shown/hosts",
				    O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0);

	if (hosts < 0)
		return;
	(void)jl__sys_pwrite((int)hosts, "#", 1, wire->name_at);
	(void)jl__sys_close((int)hosts);
}

int jl__wire_end(const struct jl__wire *wire, int folder, int netfilter, int host)
{
	long leases =
		jl__sys_openat(folder, "leases", O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0);
	uint32_t word = 0;
	long r;

	if (leases < 0)
		return leases == -ENOENT ? 0 : (int)leases;
	r = jl__sys_pread((int)leases, &word, 4, wire->lease_at);
	if (r == 4 && (word & JL__WIRE_NUMBER) != wire->number)
		r = 0;
	else if (r == 4)
		r = jl__wire_leave(wire, netfilter, host);
	else
		r = r < 0 ? r : -EIO;
	if (r == 0 && (word & JL__WIRE_NUMBER) == wire->number) {
		if (wire->name_at)
			clear_name(wire, folder);
		word = 0;
		r = jl__sys_pwrite((int)leases, &word, 4, wire->lease_at);
	}
	(void)jl__sys_close((int)leases);
	return r < 0 ? (int)r : 0;
}

static void read_counters(const char *data, uint32_t len, struct jl__wire_counters *ret)
{
	struct rtnl_link_stats64 stats = { 0 };

	__builtin_memcpy(&stats, data, len < sizeof(stats) ? len : sizeof(stats));
	/* What the host's end sent is what the job received. */
	ret->rx_packets = stats.tx_packets;
	ret->tx_packets = stats.rx_packets;
	ret->rx_bytes = stats.tx_bytes;
	ret->tx_bytes = stats.rx_bytes;
	ret->rx_dropped = stats.tx_dropped;
	ret->tx_dropped = stats.rx_dropped;
}

int jl__wire_counters(int host, const char *device, struct jl__wire_counters *ret)
{
	char buf[4096] __attribute__((aligned(8)));
	long len = get_link(host, device, 0, buf, sizeof(buf));
	uint32_t at = sizeof(struct nlmsghdr) + sizeof(struct ifinfomsg);

	if (len < 0)
		return (int)len;
	while (at + sizeof(struct nlattr) <= (uint32_t)len) {
		const struct nlattr *attr = (const void *)(buf + at);

		if (attr->nla_len < sizeof(*attr) || attr->nla_len > (uint32_t)len - at)
			break;
		if ((attr->nla_type & NLA_TYPE_MASK) == IFLA_STATS64) {
			read_counters(buf + at + sizeof(*attr),
				      attr->nla_len - (uint32_t)sizeof(*attr), ret);
			return 0;
		}
		at += (attr->nla_len + 3u) & ~3u;
	}
	return -EPROTO;
}
