/* SPDX-License-Identifier: MIT */
#include "sandbox/rules.h"

#include <errno.h>

#include <joblet/job.h>

/* Flags of clone(2) that make a namespace. CLONE_NEWTIME is not one: its bit is part of
 * the exit signal there, only unshare and clone3 know it. */
#define NEW_NAMESPACES UINT64_C(0x7e020000)
/* All that unshare(2) may be asked for: CLONE_FS, CLONE_FILES and CLONE_SYSVSEM.
 * Everything else is refused, also flags of later kernels that imply a namespace. */
#define UNSHARE_OTHERS UINT64_C(0xfffbf9ff)
/* PER_LINUX32, UNAME26 and ADDR_NO_RANDOMIZE change what the caller itself sees. */
#define PERSONALITY_OTHERS UINT64_C(0xfff9fff7)

#define LOWER_HALF UINT64_C(0xffffffff)

#define ALWAYS(call_, level_, error_, why_) NUMBERED(call_, -1, level_, error_, why_)
#define NUMBERED(call_, number_, level_, error_, why_)                              \
	{                                                                           \
		.call = (call_), .number = (number_), .level = JL_SECCOMP_##level_, \
		.error = (error_), .why = (why_)                                    \
	}
#define WHEN(call_, level_, error_, why_, ...)                               \
	{                                                                    \
		.call = (call_), .number = -1, .level = JL_SECCOMP_##level_, \
		.error = (error_), .term = { __VA_ARGS__ }, .why = (why_)    \
	}

/* The kernel reads an int: whoever compares all 64 bits can be lied to. */
#define INT_IS(arg_, value_)                                 \
	{                                                    \
		JL__RULE_EQ, (arg_), LOWER_HALF, (value_), 0 \
	}
#define MASKED_IS(arg_, mask_, value_)                    \
	{                                                 \
		JL__RULE_EQ, (arg_), (mask_), (value_), 0 \
	}
#define IS(arg_, value_)                            \
	{                                           \
		JL__RULE_EQ, (arg_), 0, (value_), 0 \
	}
#define IS_NOT(arg_, value_)                        \
	{                                           \
		JL__RULE_NE, (arg_), 0, (value_), 0 \
	}
#define FROM(arg_, value_)                          \
	{                                           \
		JL__RULE_GE, (arg_), 0, (value_), 0 \
	}
#define BETWEEN(arg_, value_, last_)                         \
	{                                                    \
		JL__RULE_RANGE, (arg_), 0, (value_), (last_) \
	}
#define ANY_OF(arg_, mask_)                         \
	{                                           \
		JL__RULE_ANY, (arg_), (mask_), 0, 0 \
	}
#define ANY_SET(arg_, mask_)                            \
	{                                               \
		JL__RULE_ANY_SET, (arg_), (mask_), 0, 0 \
	}

/*
 * Two rows of one call may hold at once only if it does not matter which error is given.
 * socket(): the rows compare the family as 64 bits; a value with upper bits set, of which
 * the kernel would see the lower half, is above 17 and so refused.
 */
const struct jl__rule jl__rules[] = {
	/* namespaces: the door to most of the kernel's privileged code */
	WHEN("clone", DEFAULT, EPERM, "new namespaces", ANY_OF(0, NEW_NAMESPACES)),
	ALWAYS("clone3", DEFAULT, ENOSYS,
	       "its flags are in memory; C libraries fall back to clone"),
	WHEN("unshare", DEFAULT, EPERM, "new namespaces", ANY_OF(0, UNSHARE_OTHERS)),
	WHEN("unshare", DEFAULT, EPERM, "flags of later kernels",
	     FROM(0, UINT64_C(0x100000000))),
	ALWAYS("setns", DEFAULT, EPERM, "entering namespaces"),

	/* mounts and roots */
	ALWAYS("mount", DEFAULT, EPERM, "file system drivers"),
	ALWAYS("umount2", DEFAULT, EPERM, "uncovers what was masked"),
	ALWAYS("pivot_root", DEFAULT, EPERM, "the root stays"),
	ALWAYS("chroot", DEFAULT, EPERM, "the root stays; the capability is gone too"),
	ALWAYS("open_tree", DEFAULT, EPERM, "new mount interface"),
	NUMBERED("open_tree_attr", 467, DEFAULT, EPERM, "new mount interface"),
	ALWAYS("move_mount", DEFAULT, EPERM, "new mount interface"),
	ALWAYS("fsopen", DEFAULT, EPERM, "new mount interface"),
	ALWAYS("fsconfig", DEFAULT, EPERM, "new mount interface, CVE-2022-0185"),
	ALWAYS("fsmount", DEFAULT, EPERM, "new mount interface"),
	ALWAYS("fspick", DEFAULT, EPERM, "new mount interface"),
	ALWAYS("mount_setattr", DEFAULT, EPERM, "read-only stays read-only"),
	ALWAYS("name_to_handle_at", DEFAULT, EPERM, "file handles pass by the root"),
	ALWAYS("open_by_handle_at", DEFAULT, EPERM, "file handles pass by the root"),

	/* the machine */
	ALWAYS("init_module", DEFAULT, EPERM, "kernel code"),
	ALWAYS("finit_module", DEFAULT, EPERM, "kernel code"),
	ALWAYS("delete_module", DEFAULT, EPERM, "kernel code"),
	ALWAYS("kexec_load", DEFAULT, EPERM, "kernel code"),
	ALWAYS("kexec_file_load", DEFAULT, EPERM, "kernel code"),
	ALWAYS("reboot", DEFAULT, EPERM, "the machine"),
	ALWAYS("swapon", DEFAULT, EPERM, "the machine"),
	ALWAYS("swapoff", DEFAULT, EPERM, "the machine"),
	ALWAYS("acct", DEFAULT, EPERM, "the machine"),
	ALWAYS("quotactl", DEFAULT, EPERM, "the machine"),
	ALWAYS("quotactl_fd", DEFAULT, EPERM, "the machine"),
	ALWAYS("syslog", DEFAULT, EPERM, "kernel addresses in the log"),
	ALWAYS("ioperm", DEFAULT, EPERM, "I/O ports"),
	ALWAYS("iopl", DEFAULT, EPERM, "I/O ports"),
	ALWAYS("clock_settime", DEFAULT, EPERM, "the machine's clock"),
	ALWAYS("settimeofday", DEFAULT, EPERM, "the machine's clock"),
	ALWAYS("vhangup", DEFAULT, EPERM, "terminals of others"),
	ALWAYS("sethostname", DEFAULT, EPERM, "the name is the job's identity"),
	ALWAYS("setdomainname", DEFAULT, EPERM, "the name is the job's identity"),

	/* large interfaces with a history, of no use to sandboxed programs */
	ALWAYS("bpf", DEFAULT, EPERM, "programs in the kernel"),
	ALWAYS("perf_event_open", DEFAULT, EPERM, "observes the host; many bugs"),
	ALWAYS("userfaultfd", DEFAULT, EPERM, "holds the kernel at a chosen point"),
	ALWAYS("io_uring_setup", DEFAULT, EPERM, "does system calls no filter sees"),
	ALWAYS("io_uring_enter", DEFAULT, EPERM, "does system calls no filter sees"),
	ALWAYS("io_uring_register", DEFAULT, EPERM, "does system calls no filter sees"),
	ALWAYS("add_key", DEFAULT, EPERM, "keyrings are not namespaced"),
	ALWAYS("request_key", DEFAULT, EPERM, "starts a helper on the host"),
	ALWAYS("keyctl", DEFAULT, EPERM, "keyrings are not namespaced"),
	ALWAYS("fanotify_init", DEFAULT, EPERM, "watches whole file systems"),
	ALWAYS("kcmp", DEFAULT, EPERM, "order of kernel addresses"),
	NUMBERED("lsm_set_self_attr", 460, DEFAULT, EPERM, "changes the security label"),
	ALWAYS("memfd_secret", DEFAULT, ENOSYS,
	       "splits the host's direct map; ENOSYS is what most kernels say"),
	WHEN("personality", DEFAULT, EPERM, "legacy layouts, executable data",
	     ANY_SET(0, PERSONALITY_OTHERS)),

	/* removed or about to be removed: what a kernel without them says */
	ALWAYS("lookup_dcookie", DEFAULT, ENOSYS, "obsolete"),
	ALWAYS("nfsservctl", DEFAULT, ENOSYS, "obsolete"),
	ALWAYS("uselib", DEFAULT, ENOSYS, "obsolete"),
	ALWAYS("_sysctl", DEFAULT, ENOSYS, "obsolete"),

	/* terminals */
	WHEN("ioctl", DEFAULT, EPERM, "TIOCSTI types for the user, CVE-2017-5226",
	     INT_IS(1, 0x5412)),
	WHEN("ioctl", DEFAULT, EPERM, "TIOCLINUX pastes for the user", INT_IS(1, 0x541c)),
	WHEN("ioctl", DEFAULT, EPERM, "TIOCSETD loads line disciplines",
	     INT_IS(1, 0x5423)),

	/* files: root of a job owns what it is shown of the host, and leases go to owners
	 */
	WHEN("fcntl", DEFAULT, EPERM, "F_SETLEASE stalls whoever opens the file",
	     INT_IS(1, 1024)),
	WHEN("fcntl", DEFAULT, EPERM, "F_SETDELEG stalls whoever changes the folder",
	     INT_IS(1, 1040)),

	/* sockets */
	WHEN("socket", DEFAULT, EAFNOSUPPORT, "only unix, inet, inet6, netlink",
	     BETWEEN(0, 3, 9)),
	WHEN("socket", DEFAULT, EAFNOSUPPORT, "only unix, inet, inet6, netlink",
	     BETWEEN(0, 11, 15)),
	WHEN("socket", DEFAULT, EAFNOSUPPORT, "packet, ALG, vsock and all later ones",
	     FROM(0, 17)),
	WHEN("socket", DEFAULT, EAFNOSUPPORT, "inet with SOCK_PACKET becomes packet",
	     IS(0, 2), MASKED_IS(1, 0xf, 10)),
	WHEN("socket", DEFAULT, ESOCKTNOSUPPORT, "DCCP, CVE-2017-6074", IS(0, 2),
	     MASKED_IS(1, 0xf, 6)),
	WHEN("socket", DEFAULT, ESOCKTNOSUPPORT, "DCCP, CVE-2017-6074", IS(0, 10),
	     MASKED_IS(1, 0xf, 6)),
	WHEN("socket", DEFAULT, EPROTONOSUPPORT, "L2TP, loaded for whoever asks",
	     IS(0, 2), INT_IS(2, 115)),
	WHEN("socket", DEFAULT, EPROTONOSUPPORT, "L2TP, loaded for whoever asks",
	     IS(0, 10), INT_IS(2, 115)),
	WHEN("socket", DEFAULT, EPROTONOSUPPORT, "SMC, as its family", IS(0, 2),
	     INT_IS(2, 256)),
	WHEN("socket", DEFAULT, EPROTONOSUPPORT, "SMC, as its family", IS(0, 10),
	     INT_IS(2, 256)),
	WHEN("socket", DEFAULT, EPROTONOSUPPORT, "netlink other than route", IS(0, 16),
	     IS_NOT(2, 0)),
	WHEN("socketpair", DEFAULT, EAFNOSUPPORT, "only unix", IS_NOT(0, 1)),

	/* strict: other processes of the job */
	ALWAYS("ptrace", STRICT, EPERM, "debugging"),
	ALWAYS("process_vm_readv", STRICT, EPERM, "memory of other processes"),
	ALWAYS("process_vm_writev", STRICT, EPERM, "memory of other processes"),
	ALWAYS("process_madvise", STRICT, EPERM, "memory of other processes"),
	ALWAYS("process_mrelease", STRICT, EPERM, "memory of other processes"),
	ALWAYS("pidfd_getfd", STRICT, EPERM, "descriptors of other processes"),

	/* strict: seldom used, with a history */
	ALWAYS("personality", STRICT, EPERM, "no program needs it"),
	ALWAYS("modify_ldt", STRICT, EPERM, "segments, used by Wine only"),
	WHEN("setsockopt", STRICT, ENOPROTOOPT, "TCP_ULP loads TLS and others",
	     INT_IS(1, 6), INT_IS(2, 31)),
	WHEN("socket", STRICT, EPERM, "raw sockets", IS(0, 2), MASKED_IS(1, 0xf, 3)),
	WHEN("socket", STRICT, EPERM, "raw sockets", IS(0, 10), MASKED_IS(1, 0xf, 3)),
	WHEN("socket", STRICT, EPROTONOSUPPORT, "SCTP, L2TP, MPTCP, SMC", IS(0, 2),
	     FROM(2, 18)),
	WHEN("socket", STRICT, EPROTONOSUPPORT, "SCTP, L2TP, MPTCP, SMC", IS(0, 10),
	     FROM(2, 59)),
};

const size_t jl__rules_count = sizeof(jl__rules) / sizeof(jl__rules[0]);
