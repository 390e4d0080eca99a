/* SPDX-License-Identifier: MIT */
/*
 * Both ends of connections, for jobs and for what stands for the host and the outside.
 * Static, so that it runs in any root:
 *
 *   net_peer serve NAME PORT…        TCP and UDP; answers with NAME and who asked
 *   net_peer reach MSEC TARGET…      tcp:ADDRESS:PORT, udp:…, large:… (a datagram in
 *                                    fragments); prints the answers. Waits for those
 *                                    with a + in front, and MSEC for any other
 *   net_peer ask FROM ADDRESS PORT MSEC [stay]
 *                                    by a datagram from a port of its own
 *   net_peer hear PORT MSEC          says whether a datagram came
 *   net_peer invite ADDRESS PORT     asks for a connection to a port of its own, as FTP
 *                                    clients do; says which, and greets who comes
 *   net_peer flood KIND ADDRESS MSEC COUNT [PORT]
 *                                    opens what it can, at least so long and so many;
 *                                    udp: datagrams, tcp: connections; says how many,
 *                                    and stays
 *   net_peer put ADDRESS PORT BYTES  sends, and prints how many ms it took
 *   net_peer get ADDRESS PORT BYTES  the other way round
 *   net_peer raw                     tries every kind of socket that could forge frames
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORTS_MAX 16
#define TARGETS_MAX 128
#define ANSWER 128
#define ANSWER_MSEC 120000.0

static double now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int fail(const char *what)
{
	(void)printf("%s: %s\n", what, strerror(errno));
	return 1;
}

static int make_address(const char *text, const char *port, struct sockaddr_in *ret)
{
	*ret = (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port =
					     htons((uint16_t)strtoul(port, NULL, 10)) };
	return inet_pton(AF_INET, text, &ret->sin_addr) == 1 ? 0 : -1;
}

/* ---- serving ---- */

static size_t make_answer(char *buf, const char *name, const struct sockaddr_in *from)
{
	char address[INET_ADDRSTRLEN] = "?";

	(void)inet_ntop(AF_INET, &from->sin_addr, address, sizeof(address));
	return (size_t)snprintf(buf, ANSWER, "%s %s\n", name, address);
}

/* "put" and then bytes until the end: answers "done". "get N": sends N bytes. */
static void talk(int fd, const char *name, const struct sockaddr_in *from)
{
	static char block[65536];
	char answer[ANSWER];
	size_t left = make_answer(answer, name, from);
	ssize_t got;

	if (write(fd, answer, left) < 0)
		return;
	got = read(fd, block, sizeof(block) - 1);
	if (got <= 0)
		return;
	block[got] = '\0';
	if (strncmp(block, "get ", 4) == 0) {
		left = strtoul(block + 4, NULL, 10);
		while (left) {
			got = write(fd, block,
				    left < sizeof(block) ? left : sizeof(block));
			if (got <= 0)
				return;
			left -= (size_t)got;
		}
		return;
	}
	while (read(fd, block, sizeof(block)) > 0)
		;
	if (write(fd, "done\n", 5) < 0)
		return;
}

/* From the address that was asked, which may not be the one of the way back. */
static void answer_datagram(int fd, const char *name)
{
	char question[ANSWER], answer[ANSWER];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} control;
	struct sockaddr_in from;
	struct iovec part = { .iov_base = question, .iov_len = sizeof(question) };
	struct msghdr message = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct in_pktinfo *info;

	if (recvmsg(fd, &message, 0) < 0 || !CMSG_FIRSTHDR(&message))
		return;
	info = (struct in_pktinfo *)CMSG_DATA(CMSG_FIRSTHDR(&message));
	info->ipi_spec_dst = info->ipi_addr;
	info->ipi_ifindex = 0;
	part.iov_base = answer;
	part.iov_len = make_answer(answer, name, &from);
	(void)sendmsg(fd, &message, 0);
}

static int serve(const char *name, char **ports)
{
	struct pollfd fds[2 * PORTS_MAX];
	struct sockaddr_in from, at;
	int count = 0, on = 1;

	(void)signal(SIGCHLD, SIG_IGN);
	for (; *ports && count < 2 * PORTS_MAX; ports++)
		for (int type = 0; type < 2; type++) {
			int fd = socket(AF_INET, type ? SOCK_DGRAM : SOCK_STREAM, 0);

			(void)make_address("0.0.0.0", *ports, &at);
			(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
			(void)setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
			if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
			    (!type && listen(fd, 128) < 0))
				return fail("serve");
			fds[count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
		}
	(void)printf("ready\n");
	(void)fflush(stdout);
	while (poll(fds, (nfds_t)count, -1) >= 0 || errno == EINTR)
		for (int i = 0; i < count; i++) {
			socklen_t len = sizeof(from);
			int fd;

			if (!(fds[i].revents & POLLIN))
				continue;
			if (i % 2) {
				answer_datagram(fds[i].fd, name);
				continue;
			}
			fd = accept(fds[i].fd, (struct sockaddr *)&from, &len);
			if (fd >= 0 && fork() == 0) {
				/* A job that was killed may leave it without an end. */
				(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
				talk(fd, name, &from);
				_exit(0);
			}
			(void)close(fd);
		}
	return fail("poll");
}

/* ---- reaching ---- */

struct target {
	const char *text;
	int udp;
	int expected;
	char answer[ANSWER];
};

/* A descriptor that will tell, or -1 with the answer filled in. */
static int knock(struct target *target)
{
	static const char large[4000] = "?";
	char text[64], *address, *port;
	struct sockaddr_in to;
	int fd;

	(void)snprintf(text, sizeof(text), "%s", target->text);
	address = strchr(text, ':');
	port = address ? strchr(address + 1, ':') : NULL;
	if (!port)
		return -1;
	*address++ = *port++ = '\0';
	target->udp = text[0] != 't';
	fd = socket(AF_INET, (target->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK, 0);
	if (fd < 0 || make_address(address, port, &to) < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS) {
		(void)snprintf(target->answer, ANSWER, "- %s", strerror(errno));
		(void)close(fd);
		return -1;
	}
	if (target->udp && send(fd, large, text[0] == 'l' ? sizeof(large) : 1, 0) < 0)
		(void)snprintf(target->answer, ANSWER, "- %s", strerror(errno));
	return fd;
}

static int reach(int msec, char **list)
{
	static struct target targets[TARGETS_MAX];
	struct pollfd fds[TARGETS_MAX];
	double end = now() + msec, start = now();
	int count = 0, open = 0, expected = 0;

	for (; list[count] && count < TARGETS_MAX; count++) {
		targets[count].expected = list[count][0] == '+';
		targets[count].text = list[count] + targets[count].expected;
		(void)snprintf(targets[count].answer, ANSWER, "- silence");
		fds[count] = (struct pollfd){ .fd = knock(&targets[count]),
					      .events = POLLIN };
		open += fds[count].fd >= 0;
		expected += fds[count].fd >= 0 && targets[count].expected;
	}
	while (open && now() < (expected ? start + ANSWER_MSEC : end)) {
		(void)poll(fds, (nfds_t)count, expected ? 100 : (int)(end - now()) + 1);
		for (int i = 0; i < count; i++) {
			ssize_t got;

			if (fds[i].fd < 0 || !fds[i].revents)
				continue;
			got = read(fds[i].fd, targets[i].answer, ANSWER - 1);
			if (got < 0 && errno == EAGAIN)
				continue;
			if (got <= 0)
				(void)snprintf(targets[i].answer, ANSWER, "- %s",
					       got ? strerror(errno) : "closed");
			else
				targets[i].answer[got] = '\0';
			targets[i].answer[strcspn(targets[i].answer, "\n")] = '\0';
			(void)close(fds[i].fd);
			fds[i].fd = -1;
			fds[i].revents = 0;
			open--;
			expected -= targets[i].expected;
			end = now() + msec;
		}
	}
	for (int i = 0; i < count; i++)
		(void)printf("%s %s\n", targets[i].text, targets[i].answer);
	return 0;
}

static int transfer(const char *verb, const char *address, const char *port,
		    const char *bytes)
{
	static char block[65536];
	size_t left = strtoul(bytes, NULL, 10);
	struct sockaddr_in to;
	double start;
	int fd = socket(AF_INET, SOCK_STREAM, 0), put = strcmp(verb, "put") == 0;
	ssize_t got = 1;

	if (make_address(address, port, &to) < 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    read(fd, block, ANSWER) <= 0)
		return fail(verb);
	start = now();
	if (dprintf(fd, put ? "put\n" : "get %zu\n", left) < 0)
		return fail(verb);
	while (put && left) {
		got = write(fd, block, left < sizeof(block) ? left : sizeof(block));
		if (got <= 0)
			return fail("write");
		left -= (size_t)got;
	}
	(void)shutdown(fd, SHUT_WR);
	while (got > 0) {
		got = read(fd, block, sizeof(block));
		if (!put)
			left -= got > 0 ? (size_t)got : 0;
	}
	if (got < 0 || left)
		return fail("read");
	(void)printf("%.0f\n", now() - start);
	return 0;
}

/* ---- ports of one's own ---- */

static int bound(const char *port)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in at;

	if (fd < 0 || make_address("0.0.0.0", port, &at) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return -1;
	return fd;
}

static int await(int fd, int msec)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	char text[ANSWER];
	ssize_t got = poll(&ready, 1, msec) > 0 ? read(fd, text, sizeof(text) - 1) : 0;

	if (got > 0)
		text[got] = '\0';
	(void)printf("%s%s", got > 0 ? text : "silence", got > 0 ? "" : "\n");
	return 0;
}

static int ask(char **arg)
{
	int fd = bound(arg[0]);
	struct sockaddr_in to;

	if (fd < 0 || make_address(arg[1], arg[2], &to) < 0 ||
	    sendto(fd, "?\n", 2, 0, (struct sockaddr *)&to, sizeof(to)) != 2)
		return fail("ask");
	(void)await(fd, (int)strtol(arg[3], NULL, 10));
	(void)fflush(stdout);
	return arg[4] ? pause() : 0;
}

/* Until the other side has acknowledged it. */
static void await_sent(int fd)
{
	int left = 1;

	while (ioctl(fd, SIOCOUTQ, &left) == 0 && left)
		(void)poll(NULL, 0, 5);
}

static int hear(char **arg)
{
	int fd = bound(arg[0]);

	if (fd < 0)
		return fail("hear");
	(void)printf("ready\n");
	(void)fflush(stdout);
	return await(fd, (int)strtol(arg[1], NULL, 10));
}

static int invite(char **arg)
{
	struct sockaddr_in to, own;
	socklen_t len = sizeof(own);
	int fd = socket(AF_INET, SOCK_STREAM, 0), door = socket(AF_INET, SOCK_STREAM, 0);
	char byte, *dot, address[INET_ADDRSTRLEN];
	unsigned int port;

	if (door < 0 || listen(door, 8) < 0 ||
	    getsockname(door, (struct sockaddr *)&own, &len) < 0)
		return fail("listen");
	port = ntohs(own.sin_port);
	if (make_address(arg[0], arg[1], &to) < 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&own, &len) < 0 || read(fd, &byte, 1) != 1)
		return fail("invite");
	(void)inet_ntop(AF_INET, &own.sin_addr, address, sizeof(address));
	while ((dot = strchr(address, '.')))
		*dot = ',';
	/* A command is looked for behind the end of a line. */
	if (dprintf(fd, "NOOP\r\n") < 0)
		return fail("invite");
	await_sent(fd);
	if (dprintf(fd, "PORT %s,%u,%u\r\n", address, port >> 8, port & 255) < 0)
		return fail("invite");
	await_sent(fd);
	(void)printf("%u ready\n", port);
	(void)fflush(stdout);
	for (;;) {
		int guest = accept(door, NULL, NULL);

		(void)!write(guest, "inside\n", 7);
		(void)close(guest);
	}
}

/* ---- a flood ---- */

/* To every port in turn, from a port of its own each round. */
static int flood(char **arg)
{
	int type = (arg[0][0] == 'u' ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK;
	double end = now() + (double)strtol(arg[2], NULL, 10);
	unsigned long opened = 0, least = strtoul(arg[3], NULL, 10),
		      only = arg[4] ? strtoul(arg[4], NULL, 10) : 0;
	struct sockaddr_in to;
	int fd = -1;

	if (make_address(arg[1], "0", &to) < 0)
		return fail("flood");
	for (unsigned int port = 0; now() < end || opened < least; port = (port + 1) % 60000) {
		if (fd < 0 || port == 0 || type & SOCK_STREAM) {
			(void)close(fd);
			fd = socket(AF_INET, type, 0);
		}
		to.sin_port = htons((uint16_t)(only ? only : port + 1));
		if (type & SOCK_STREAM)
			opened += connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 ||
				  errno == EINPROGRESS;
		else
			opened += sendto(fd, "x", 1, 0, (struct sockaddr *)&to,
					 sizeof(to)) == 1;
	}
	(void)printf("%lu sent\n", opened);
	(void)fflush(stdout);
	return pause();
}

/* ---- forging ---- */

static int raw(void)
{
	static const struct {
		const char *name;
		int family, type, protocol;
	} kinds[] = {
		{ "packet raw", AF_PACKET, SOCK_RAW, 0x300 },
		{ "packet dgram", AF_PACKET, SOCK_DGRAM, 0x300 },
		{ "ip raw", AF_INET, SOCK_RAW, IPPROTO_RAW },
		{ "icmp raw", AF_INET, SOCK_RAW, IPPROTO_ICMP },
		{ "ip6 raw", AF_INET6, SOCK_RAW, IPPROTO_RAW },
	};
	int made = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int fd = socket(kinds[i].family, kinds[i].type, kinds[i].protocol);

		if (fd >= 0) {
			(void)printf("made a socket: %s\n", kinds[i].name);
			made = 1;
		}
		(void)close(fd);
	}
	if (!made)
		(void)printf("none\n");
	return made;
}

int main(int argc, char **argv)
{
	(void)signal(SIGPIPE, SIG_IGN);
	if (argc >= 4 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2], argv + 3);
	if (argc >= 4 && strcmp(argv[1], "reach") == 0)
		return reach((int)strtol(argv[2], NULL, 10), argv + 3);
	if (argc == 5 && (strcmp(argv[1], "put") == 0 || strcmp(argv[1], "get") == 0))
		return transfer(argv[1], argv[2], argv[3], argv[4]);
	if (argc >= 6 && strcmp(argv[1], "ask") == 0)
		return ask(argv + 2);
	if (argc == 4 && strcmp(argv[1], "invite") == 0)
		return invite(argv + 2);
	if (argc == 4 && strcmp(argv[1], "hear") == 0)
		return hear(argv + 2);
	if (argc >= 6 && strcmp(argv[1], "flood") == 0)
		return flood(argv + 2);
	if (argc == 2 && strcmp(argv[1], "raw") == 0)
		return raw();
	return 2;
}
