/* SPDX-License-Identifier: MIT */
/*
 * System calls that a job must not reach, by the native entry, x32 numbers and the 32-bit
 * entry. The arguments are such that a call that is let in does nothing: it fails behind
 * the check with another error, and that is what counts as an escape.
 */
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define A(x) ((long)(x))
#define NOWHERE 16L /* an address nobody has mapped */

/* Numbers that some machine or header does not have. */
#define NR_io_uring_setup 425
#define NR_io_uring_enter 426
#define NR_io_uring_register 427
#define NR_quotactl_fd 443
#define NR_memfd_secret 447

static void kernel_surface(void)
{
	static char attr[128];
	static struct {
		unsigned int bytes;
		int type;
		unsigned int inode[2];
	} handle = { 8, 1, { 2, 0 } };
	const struct call calls[] = {
		{ "bpf prog load", SYS_bpf, { 5, A(attr), sizeof(attr) } },
		{ "bpf map create", SYS_bpf, { 0, A(attr), sizeof(attr) } },
		{ "bpf object by id", SYS_bpf, { 11, A(attr), sizeof(attr) } },
		{ "userfaultfd", SYS_userfaultfd, { 0 } },
		{ "userfaultfd, user mode only", SYS_userfaultfd, { 1 } },
		{ "perf_event_open of itself",
		  SYS_perf_event_open,
		  { A(attr), 0, -1, -1, 0 } },
		{ "perf_event_open of a core",
		  SYS_perf_event_open,
		  { A(attr), -1, 0, -1, 0 } },
		{ "io_uring_setup", NR_io_uring_setup, { 4, A(attr) } },
		{ "io_uring_enter", NR_io_uring_enter, { -1, 0, 0, 0, 0 } },
		{ "io_uring_register", NR_io_uring_register, { -1, 0, 0, 0 } },
		{ "fanotify_init", SYS_fanotify_init, { 0, 0 } },
		{ "kcmp", SYS_kcmp, { 1, 1, 0, 0, 0 } },
		{ "memfd_secret", NR_memfd_secret, { 0 } },
		{ "name_to_handle_at",
		  SYS_name_to_handle_at,
		  { AT_FDCWD, NOWHERE, NOWHERE, NOWHERE, 0 } },
		{ "open_by_handle_at",
		  SYS_open_by_handle_at,
		  { AT_FDCWD, A(&handle), 0 } },
	};

	REFUSE(calls);
}

static void keys(void)
{
	const struct call calls[] = {
		{ "add_key", SYS_add_key, { A("user"), A("escape"), A("x"), 1, -3 } },
		{ "request_key", SYS_request_key, { A("user"), A("escape"), 0, 0 } },
		{ "keyctl get session keyring", SYS_keyctl, { 0, -3, 0 } },
		{ "keyctl get user keyring", SYS_keyctl, { 0, -4, 0 } },
		{ "keyctl describe session", SYS_keyctl, { 6, -3, 0, 0 } },
		{ "keyctl join session", SYS_keyctl, { 1, 0 } },
		{ "keyctl persistent", SYS_keyctl, { 22, -1, -3 } },
		{ "keyctl with upper bits", SYS_keyctl, { 0x100000000L, -3, 0 } },
	};

	REFUSE(calls);
}

static void machine(void)
{
	static struct timespec clock;
	static struct timeval day;
	/* Modes: a tick, far out of range. */
	static unsigned int timex[64] = { 0x4000 };
	const struct call calls[] = {
		{ "init_module", SYS_init_module, { NOWHERE, 0, NOWHERE } },
		{ "finit_module", SYS_finit_module, { -1, NOWHERE, 0 } },
		{ "delete_module", SYS_delete_module, { NOWHERE, 0 } },
		/* A segment count that is too large fails first inside; nothing is
		   loaded. */
		{ "kexec_load", SYS_kexec_load, { 0, 1000, NOWHERE, 0 } },
#ifdef SYS_kexec_file_load
		{ "kexec_file_load", SYS_kexec_file_load, { -1, -1, 0, NOWHERE, 0 } },
#endif
		/* The right to reboot is checked before the magic numbers; these are
		   wrong. */
		{ "reboot", SYS_reboot, { 1, 2, 3, 0 } },
		{ "swapon", SYS_swapon, { NOWHERE, 0 } },
		{ "swapoff", SYS_swapoff, { NOWHERE } },
		{ "syslog read all", SYS_syslog, { 3, NOWHERE, 16 } },
		{ "syslog size of the log", SYS_syslog, { 10, 0, 0 } },
		{ "acct", SYS_acct, { NOWHERE } },
		{ "quotactl sync", SYS_quotactl, { 0x800001 << 8, 0, 0, 0 } },
		{ "quotactl_fd", NR_quotactl_fd, { -1, 0x800001 << 8, 0, 0 } },
		{ "vhangup", SYS_vhangup, { 0 } },
		{ "sethostname", SYS_sethostname, { NOWHERE, 1 } },
		{ "setdomainname", SYS_setdomainname, { NOWHERE, 1 } },
		/* To what it is: nothing but microseconds change where it succeeds. */
		{ "clock_settime", SYS_clock_settime, { 0, A(&clock) } },
		{ "settimeofday", SYS_settimeofday, { A(&day), 0 } },
		{ "adjtimex", SYS_adjtimex, { A(timex) } },
		{ "clock_adjtime", SYS_clock_adjtime, { 0, A(timex) } },
#ifdef SYS_iopl
		{ "iopl", SYS_iopl, { 3 } },
		{ "ioperm", SYS_ioperm, { 0x80, 1, 1 } },
#endif
		{ "lookup_dcookie", SYS_lookup_dcookie, { 0, NOWHERE, 0 } },
	};

	(void)clock_gettime(CLOCK_REALTIME, &clock);
	(void)gettimeofday(&day, NULL);
	REFUSE(calls);
}

/* ---- sockets ---- */

static void sockets(void)
{
	static const struct {
		const char *name;
		int family, type, protocol;
	} kinds[] = {
		{ "AF_PACKET raw", AF_PACKET, SOCK_RAW, 0x0300 },
		{ "AF_PACKET datagram", AF_PACKET, SOCK_DGRAM, 0x0300 },
		{ "AF_INET SOCK_PACKET", AF_INET, SOCK_PACKET, 0x0300 },
		{ "AF_ALG", AF_ALG, SOCK_SEQPACKET, 0 },
		{ "AF_VSOCK stream", AF_VSOCK, SOCK_STREAM, 0 },
		{ "AF_VSOCK datagram", AF_VSOCK, SOCK_DGRAM, 0 },
		{ "AF_INET raw", AF_INET, SOCK_RAW, 1 },
		{ "AF_INET raw, any", AF_INET, SOCK_RAW, 255 },
		{ "AF_INET6 raw", AF_INET6, SOCK_RAW, 58 },
		{ "AF_BLUETOOTH", AF_BLUETOOTH, SOCK_RAW, 1 },
		{ "AF_CAN", 29, SOCK_RAW, 1 },
		{ "AF_TIPC", 30, SOCK_RDM, 0 },
		{ "AF_RDS", 21, SOCK_SEQPACKET, 0 },
		{ "AF_XDP", 44, SOCK_RAW, 0 },
		{ "AF_KCM", 41, SOCK_SEQPACKET, 0 },
		{ "AF_PPPOX", 24, SOCK_STREAM, 0 },
		{ "AF_NFC", 39, SOCK_SEQPACKET, 0 },
		{ "AF_APPLETALK", 5, SOCK_DGRAM, 0 },
		{ "AF_KEY", 15, SOCK_RAW, 2 },
		{ "AF_SMC", 43, SOCK_STREAM, 0 },
		{ "AF_INET SMC", AF_INET, SOCK_STREAM, 256 },
		{ "AF_INET L2TP", AF_INET, SOCK_DGRAM, 115 },
		{ "AF_INET6 L2TP", AF_INET6, SOCK_DGRAM, 115 },
		{ "AF_QIPCRTR", 42, SOCK_DGRAM, 0 },
		{ "AF_IB", 27, SOCK_RAW, 0 },
		{ "AF_MCTP", 45, SOCK_DGRAM, 0 },
		{ "netlink usersock", AF_NETLINK, SOCK_RAW, 2 },
		{ "netlink firewall", AF_NETLINK, SOCK_RAW, 3 },
		{ "netlink sock_diag", AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG },
		{ "netlink xfrm", AF_NETLINK, SOCK_RAW, NETLINK_XFRM },
		{ "netlink audit", AF_NETLINK, SOCK_RAW, NETLINK_AUDIT },
		{ "netlink connector", AF_NETLINK, SOCK_RAW, NETLINK_CONNECTOR },
		{ "netlink netfilter", AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER },
		{ "netlink uevent", AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT },
		{ "netlink generic", AF_NETLINK, SOCK_RAW, NETLINK_GENERIC },
		{ "netlink crypto", AF_NETLINK, SOCK_RAW, NETLINK_CRYPTO },
		{ "netlink rdma", AF_NETLINK, SOCK_RAW, NETLINK_RDMA },
	};
	const struct call pair[] = {
		{ "socketpair AF_TIPC",
		  SYS_socketpair,
		  { 30, SOCK_SEQPACKET, 0, NOWHERE } },
		{ "socket AF_ALG with upper bits",
		  SYS_socket,
		  { 0x100000000L | AF_ALG, SOCK_SEQPACKET, 0 } },
		{ "socket AF_PACKET with upper bits",
		  SYS_socket,
		  { 0x700000000L | AF_PACKET, SOCK_RAW, 0 } },
		{ "netlink netfilter with upper bits",
		  SYS_socket,
		  { 0x100000000L | AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER } },
		{ "netlink netfilter, protocol with upper bits",
		  SYS_socket,
		  { AF_NETLINK, SOCK_RAW, 0x100000000L | NETLINK_NETFILTER } },
		{ "AF_INET raw, type with upper bits",
		  SYS_socket,
		  { AF_INET, 0x100000000L | SOCK_RAW, 1 } },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct call c = { kinds[i].name,
					SYS_socket,
					{ kinds[i].family, kinds[i].type,
					  kinds[i].protocol } };

		refuse_calls(&c, 1);
	}
	REFUSE(pair);
}

/* ---- terminals ---- */

static long on_terminal(void *arg)
{
	const struct call *c = arg;

	/* As session leader with the terminal as the controlling one: then it is allowed.
	 */
	(void)setsid();
	(void)ioctl((int)c->args[0], TIOCSCTTY, 0);
	return syscall(SYS_ioctl, c->args[0], c->args[1], c->args[2]);
}

static void terminal_calls(int fd)
{
	/* A byte to type, a subfunction, a line discipline: none of them exists. */
	static int byte = 'x';
	static const struct {
		const char *name;
		unsigned long request;
	} ways[] = {
		{ "TIOCSTI", TIOCSTI },
		{ "TIOCSTI with upper bits", TIOCSTI | 0x100000000UL },
		{ "TIOCSTI with the sign bit", TIOCSTI | 0xffffffff00000000UL },
		{ "TIOCLINUX", TIOCLINUX },
		{ "TIOCLINUX with upper bits", TIOCLINUX | 0x8000000000000000UL },
		{ "TIOCSETD", TIOCSETD },
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct call c = { ways[i].name,
				  0,
				  { fd, (long)ways[i].request, A(&byte) } };
		struct outcome o = in_child(on_terminal, &c);

		/* Since 6.2 a sysctl can switch it off for everybody. */
		if (o.ret < 0 && o.err == EIO && strncmp(ways[i].name, "TIOCSTI", 7) == 0)
			o.err = EPERM;
		must_refuse(ways[i].name, o);
	}
}

/* On a terminal of its own. */
static void terminal(void)
{
	char name[128];
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;

	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ||
	    ptsname_r(master, name, sizeof(name)) != 0 ||
	    (slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0) {
		untried("no terminal: %s", strerror(errno));
		return;
	}
	terminal_calls(slave);
	(void)close(slave);
	(void)close(master);
}

/* On the caller's terminal, which the harness gave as standard error, or as it says. */
static void terminal_of_caller(void)
{
	int fd = (int)fact_number("terminal", 2);
	static const char text[] = "echo injected\n";
	char byte;

	if (!isatty(fd)) {
		untried("descriptor %d is no terminal", fd);
		return;
	}
	must_not_open("/dev/tty", O_RDWR);
	if (tcgetsid(fd) == getsid(0))
		escaped("the caller's terminal is mine");
	if (ioctl(fd, TIOCSCTTY, 0) == 0)
		escaped("took the caller's terminal as my own");
	if (ioctl(fd, TIOCSCTTY, 1) == 0)
		escaped("stole the caller's terminal");
	terminal_calls(fd);
	for (const char *p = text; *p != '\0'; p++) {
		byte = *p;
		if (ioctl(fd, TIOCSTI, &byte) == 0)
			escaped("typed a byte for the caller");
	}
}

/* ---- the 32-bit entry ---- */

#if defined(__x86_64__)
struct call32 {
	const char *name;
	uint32_t nr, args[6];
};

static long entry32(void *arg)
{
	const struct call32 *c = arg;
	long ret = c->nr;
	register uint64_t r8 __asm__("r8") = 0;

	/* ebp, the sixth argument, is nowhere needed. */
	__asm__ volatile("int $0x80"
			 : "+a"(ret), "+r"(r8)
			 : "b"(c->args[0]), "c"(c->args[1]), "d"(c->args[2]),
			   "S"(c->args[3]), "D"(c->args[4])
			 : "memory", "r9", "r10", "r11");
	ret = (int32_t)ret;
	if (ret < 0) {
		errno = (int)-ret;
		return -1;
	}
	return ret;
}

static void all_entry32(void)
{
#define P(x) ((uint32_t)(uintptr_t)(x))
	/* Static: in a program linked at fixed addresses these lie below 4 GiB. */
	static char tmp[] = "/tmp", root[] = "/", proc[] = "proc", user[] = "user";
	static char attr[128], byte = 'x';
	static uint32_t alg[3] = { AF_ALG, SOCK_SEQPACKET, 0 };
	static uint32_t packet[3] = { AF_PACKET, SOCK_RAW, 0 };
	static uint32_t filter[3] = { AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER };
	const struct call32 calls[] = {
		{ "unshare user", 310, { 0x10000000 } },
		{ "unshare mount", 310, { 0x00020000 } },
		{ "setns", 346, { 0xffffffff, 0 } },
		{ "clone user", 120, { 0x10000000 | SIGCHLD } },
		{ "clone3", 435, { P(attr), 64 } },
		{ "mount", 21, { P(proc), P(tmp), P(proc), 0, 0 } },
		{ "umount", 22, { P(tmp) } },
		{ "umount2", 52, { P(root), 2 } },
		{ "pivot_root", 217, { P(tmp), P(tmp) } },
		{ "chroot", 61, { P(tmp) } },
		{ "open_tree", 428, { 0xffffff9c, P(root), 1 } },
		{ "move_mount", 429, { 0xffffff9c, P(root), 0xffffff9c, P(tmp), 0 } },
		{ "fsopen", 430, { P(proc), 0 } },
		{ "fspick", 433, { 0xffffff9c, P(root), 0 } },
		{ "mount_setattr", 442, { 0xffffff9c, P(root), 0, P(attr), 32 } },
		{ "open_by_handle_at", 342, { 0xffffff9c, 16, 0 } },
		{ "bpf", 357, { 0, P(attr), sizeof(attr) } },
		{ "userfaultfd", 374, { 1 } },
		{ "perf_event_open", 336, { P(attr), 0, 0xffffffff, 0xffffffff, 0 } },
		{ "add_key", 286, { P(user), P(user), P(&byte), 1, 0xfffffffd } },
		{ "request_key", 287, { P(user), P(user), 0, 0 } },
		{ "keyctl", 288, { 0, 0xfffffffd, 0 } },
		{ "io_uring_setup", 425, { 4, P(attr) } },
		{ "init_module", 128, { 16, 0, 16 } },
		{ "finit_module", 350, { 0xffffffff, 16, 0 } },
		{ "delete_module", 129, { 16, 0 } },
		{ "kexec_load", 283, { 0, 1000, 16, 0 } },
		{ "reboot", 88, { 1, 2, 3, 0 } },
		{ "swapon", 87, { 16, 0 } },
		{ "syslog", 103, { 10, 0, 0 } },
		{ "iopl", 110, { 3 } },
		{ "ioperm", 101, { 0x80, 1, 1 } },
		{ "acct", 51, { 16 } },
		{ "sethostname", 74, { 16, 1 } },
		{ "socket AF_ALG", 359, { AF_ALG, SOCK_SEQPACKET, 0 } },
		{ "socket AF_PACKET", 359, { AF_PACKET, SOCK_RAW, 0 } },
		{ "socket AF_VSOCK", 359, { AF_VSOCK, SOCK_STREAM, 0 } },
		{ "socket netfilter", 359, { AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER } },
		{ "socketcall AF_ALG", 102, { 1, P(alg) } },
		{ "socketcall AF_PACKET", 102, { 1, P(packet) } },
		{ "socketcall netfilter", 102, { 1, P(filter) } },
		{ "ioctl TIOCSTI", 54, { 0, TIOCSTI, P(&byte) } },
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct call32 c = calls[i];
		char what[96];

		(void)snprintf(what, sizeof(what), "%s by int 0x80", c.name);
		must_refuse(what, in_child(entry32, &c));
	}
}
#else
static void all_entry32(void)
{
	held("this machine's 64-bit programs have no 32-bit entry");
}
#endif

/* ---- by another process's hand ---- */

/*
 * A tracer lets its child ask for something harmless and changes the question between the
 * child's entry and the kernel's answer. The filter must look at what is really asked.
 */
#if defined(__x86_64__)
static long traced_child(void *unused)
{
	(void)unused;
	(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	(void)raise(SIGSTOP);
	return syscall(SYS_getpid);
}

static void by_ptrace(void)
{
	static const struct {
		const char *name;
		unsigned long long nr, args[3];
	} calls[] = {
		{ "unshare", SYS_unshare, { 0x10000000 } },
		{ "mount", SYS_mount, { 0 } },
		{ "keyctl", SYS_keyctl, { 0, (unsigned long long)-3 } },
		{ "socket AF_VSOCK", SYS_socket, { AF_VSOCK, SOCK_STREAM, 0 } },
		{ "io_uring_setup", NR_io_uring_setup, { 4, NOWHERE } },
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct user_regs_struct regs;
		long long answer = 0;
		bool changed = false;
		int status;
		pid_t pid = fork();

		if (pid == 0)
			_exit(traced_child(NULL) < 0);
		if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) {
			held("%s by ptrace: no tracing here", calls[i].name);
			continue;
		}
		for (int stop = 0; stop < 20; stop++) {
			if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) < 0 ||
			    waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
			    ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0)
				break;
			if (changed) {
				answer = (long long)regs.rax;
				break;
			}
			if (regs.orig_rax != SYS_getpid)
				continue;
			regs.orig_rax = calls[i].nr;
			regs.rdi = calls[i].args[0];
			regs.rsi = calls[i].args[1];
			regs.rdx = calls[i].args[2];
			changed = ptrace(PTRACE_SETREGS, pid, NULL, &regs) == 0;
		}
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, &status, 0);
		if (!changed) {
			held("%s by ptrace: could not be changed", calls[i].name);
			continue;
		}
		errno = answer < 0 ? (int)-answer : 0;
		must_refuse(calls[i].name, outcome_of(answer < 0 ? -1 : (long)answer));
	}
}
#else
static void by_ptrace(void)
{
	held("only written for x86_64");
}
#endif

/* Numbers of calls that did not exist when the filter was written. */
static void unknown_calls(void)
{
	unsigned int answered = 0;

	for (long nr = 470; nr < 520; nr++) {
		struct call c = { "a later call", nr, { -1, 0, 0, 0, 0, 0 } };
		long r = syscall(c.nr, -1L, 0L, 0L, 0L, 0L, 0L);

		if (r >= 0 || errno != ENOSYS) {
			answered++;
			escaped("call %ld answered: %s", nr,
				r < 0 ? strerror(errno) : "success");
		}
	}
	if (answered == 0)
		held("calls after 469 do not exist");
}

const struct attack syscall_attacks[] = {
	{ "syscall-kernel-surface", kernel_surface, 0 },
	{ "syscall-keys", keys, 0 },
	{ "syscall-machine", machine, IN_SANDBOX },
	{ "syscall-sockets", sockets, 0 },
	{ "syscall-terminal", terminal, 0 },
	{ "syscall-terminal-of-caller", terminal_of_caller, BY_HARNESS },
	{ "syscall-32-bit-entry", all_entry32, IN_SANDBOX },
	{ "syscall-by-ptrace", by_ptrace, 0 },
	{ "syscall-later-numbers", unknown_calls, 0 },
	{ NULL, NULL, 0 },
};
