/* SPDX-License-Identifier: MIT */
/*
 * Network namespaces of jobs: with loopback only, or wired to a network of the library's.
 * What is sent was made by the library and came with the plan; here it is sent, counted,
 * and taken back at the end. Everything is complete before the job is cloned.
 */
#include "supervisor/supervisor.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/sockios.h>

#include "sys/wire.h"

#define AF_INET_ 2
#define SOCK_DGRAM_CLOEXEC_ (2 | 02000000)

/* Behind enum jl__wire_step. */
#define STEP_SOCKET 16
#define STEP_FOLDER 17
#define STEP_IPV6 18

/* Of struct ifreq the headers know only the C library's, which clashes here. */
struct interface_flags {
	char name[16];
	short flags;
	char rest[22];
};

/* ---- sockets in the caller's network ---- */

/* One of each per process: answers of one must not reach the other. */
static int host_route = -1;
static int host_filter = -1;
static int own_proc = -1;
static uint32_t own_proc_uses;

/* For the maker, which has our descriptors, but sockets and a proc of its own. */
void network_forget_sockets(void)
{
	host_route = host_filter = own_proc = -1;
}

/* Privileged, both of us are in the caller's network unless we are making another. */
static int host_socket(int *slot, int protocol)
{
	if (*slot < 0)
		*slot = jl__wire_socket(protocol);
	return *slot;
}

/* ---- settings ---- */

#define PROC_USES 256

/* A proc of our own, mounted nowhere. */
static int proc_new(void)
{
	int fs = (int)jl__sys_fsopen("proc", FSOPEN_CLOEXEC), proc;

	if (fs < 0)
		return fs;
	proc = (int)jl__sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (proc == 0)
		proc = (int)jl__sys_fsmount(fs, FSMOUNT_CLOEXEC,
					    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
						    MOUNT_ATTR_NOEXEC);
	(void)jl__sys_close(fs);
	return proc;
}

/*
 * What a proc has shown once it remembers, and what bears one name in the networks of a
 * thousand jobs it looks for in one list. So after a while settings go through another
 * one. Unprivileged the kernel may refuse; then it stays the one everybody has.
 */
static int settings(void)
{
	if (++own_proc_uses > PROC_USES) {
		own_proc_uses = 1;
		fd_close(&own_proc);
		own_proc = proc_new();
	}
	if (own_proc < 0)
		own_proc = (int)jl__sys_openat(AT_FDCWD, "/proc",
					       O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	return own_proc;
}

/* Of the current network namespace; the path is below "sys/net". */
static long set(const char *path, const char *value)
{
	return file_write(settings(), path, value);
}

/* ---- making ---- */

/* The namespace belongs to us, so the job's root has no capability over it: ports below
 * 1024 and ping are opened to everybody inside. Unprivileged the kernel may refuse. */
static void open_to_all(void)
{
	(void)set("sys/net/ipv4/ip_unprivileged_port_start", "0");
	(void)set("sys/net/ipv4/ping_group_range", "0 2147483647");
}

static long raise_loopback(void)
{
	struct interface_flags lo = { .name = "lo", .flags = 1 /* IFF_UP */ };
	long fd = jl__sys_socket(AF_INET_, SOCK_DGRAM_CLOEXEC_, 0), r;

	if (fd < 0)
		return fd;
	r = jl__sys_ioctl((int)fd, SIOCSIFFLAGS, (long)&lo);
	(void)jl__sys_close((int)fd);
	return r;
}

/* The namespace is the current one afterwards. */
static int make_namespace(struct kit *kit, struct jl__failure *failure)
{
	long r = jl__sys_unshare(CLONE_NEWNET);

	if (r < 0)
		return failed(failure, JL__STEP_NETNS, 0, r);
	kit->netns = (int)jl__sys_openat(AT_FDCWD, "/proc/self/ns/net",
					 O_RDONLY | O_CLOEXEC, 0);
	if (kit->netns < 0)
		return failed(failure, JL__STEP_NETNS, 1, kit->netns);
	r = raise_loopback();
	if (r < 0)
		return failed(failure, JL__STEP_NETNS, 3, r);
	open_to_all();
	return 0;
}

/* ---- wiring ---- */

/*
 * Opened when the wire is laid and kept: at the end the path may lead to another network
 * of the same name.
 */
static long open_folder(const struct jl__wire *wire)
{
	long r = host_enter();

	if (r == 0)
		r = jl__sys_openat(AT_FDCWD, wire->folder,
				   O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	host_leave(sv.own_ns);
	return r;
}

/*
 * In the namespace, before it gets a device.
 *
 * The rules know IPv4 only: what comes into it from now on speaks nothing else. ENOENT:
 * this kernel does not either.
 *
 * A connection the job leaves behind keeps its namespace, and with it the interfaces, for
 * as long as the kernel tries to deliver what was not: two minutes by itself. But nothing
 * gets out any more when the place has been given back.
 */
static int prepare(int *ret_inside, struct jl__failure *failure)
{
	long r = set("sys/net/ipv6/conf/default/disable_ipv6", "1");

	if (r < 0 && r != -ENOENT)
		return failed(failure, JL__STEP_WIRE, STEP_IPV6, r);
	(void)set("sys/net/ipv4/tcp_orphan_retries", "1");
	*ret_inside = jl__wire_socket(JL__WIRE_ROUTE);
	return *ret_inside < 0 ? failed(failure, JL__STEP_WIRE, STEP_SOCKET, *ret_inside)
			       : 0;
}

/* In the caller's network. */
static int lay(struct kit *kit, struct jl__wire *wire, int inside,
	       struct jl__failure *failure)
{
	struct jl__wire_ends ends = { .inside = inside, .netns = kit->netns };
	uint32_t step = 0;
	long r;

	ends.host = host_socket(&host_route, JL__WIRE_ROUTE);
	if (ends.host < 0)
		return failed(failure, JL__STEP_WIRE, STEP_SOCKET, ends.host);
	r = open_folder(wire);
	if (r < 0)
		return failed(failure, JL__STEP_WIRE, STEP_FOLDER, r);
	kit->folder = (int)r;
	ends.proc = settings();
	r = jl__wire_lay(wire, &ends, &step);
	if (r < 0)
		return failed(failure, JL__STEP_WIRE, step, r);
	kit->wire = wire->number;
	return 0;
}

/*
 * The maker needs no network itself, and unprivileged walks from one new namespace into
 * the next: it cannot go back. PID 1 stays in the caller's network, where jobs with
 * --network=host are cloned. Whoever can goes back there: a process that stays in a
 * job's namespace keeps its interfaces alive.
 */
int network_complete(struct kit *kit, struct jl__wire *wire, struct jl__failure *failure)
{
	int inside = -1;
	long back, r = 0;

	if (kit->netns >= 0 && (!wire || kit->wire == wire->number))
		return 0;
	if (!sv.privileged && (wire || jl__sys_getpid() == 1))
		return failed(failure, JL__STEP_NETNS, 5, -EPERM);
	if (kit->netns < 0)
		r = make_namespace(kit, failure);
	else if ((r = jl__sys_setns(kit->netns, CLONE_NEWNET)) < 0)
		failed(failure, JL__STEP_NETNS, 7, r);
	if (r == 0 && wire)
		r = prepare(&inside, failure);
	if (!sv.privileged)
		return (int)r;
	back = jl__sys_setns(sv.host_net, CLONE_NEWNET);
	if (r == 0 && back < 0)
		r = failed(failure, JL__STEP_NETNS, 6, back);
	if (r == 0 && wire)
		r = lay(kit, wire, inside, failure);
	fd_close(&inside);
	return (int)r;
}

/* ---- the end ---- */

int network_counters(const struct jl__wire *wire, struct jl__wire_counters *ret)
{
	int route = host_socket(&host_route, JL__WIRE_ROUTE);

	return route < 0 ? route : jl__wire_counters(route, wire->device, ret);
}

/*
 * First the rules, then the address: who takes it next must not find what was for
 * somebody else. Where the network went away first, or the library was there first,
 * there is nothing to do. The interfaces go with the namespace.
 */
void network_leave(struct kit *kit, struct jl__wire *wire)
{
	int filter = host_socket(&host_filter, JL__WIRE_NETFILTER);
	int route = host_socket(&host_route, JL__WIRE_ROUTE);

	if (kit->folder < 0)
		kit->folder = (int)open_folder(wire);
	if (kit->folder >= 0 && filter >= 0 && route >= 0)
		(void)jl__wire_end(wire, kit->folder, filter, route);
	fd_close(&kit->folder);
	fd_close(&kit->netns);
	kit->wire = 0;
}
