/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include <joblet/job.h>

#include "base/alloc.h"
#include "sandbox/sandbox.h"

#define HIGH UINT64_C(0x100000000)

/* Runs inside a child with the filter installed; a failed expectation ends it. */
#define EXPECT(condition)                                                        \
	do {                                                                     \
		if (!(condition)) {                                              \
			(void)fprintf(stderr, "%s:%d: %s, errno %d\n", __FILE__, \
				      __LINE__, #condition, errno);              \
			_exit(1);                                                \
		}                                                                \
	} while (0)

#define FAILS(call, error) EXPECT((errno = 0, (call) == -1) && errno == (error))

static void *set_flag(void *flag)
{
	*(int *)flag = 1;
	return NULL;
}

static void try_processes(void)
{
	pthread_t thread;
	int flag = 0;
	int status;
	pid_t pid;

	FAILS(unshare(CLONE_NEWUSER), EPERM);
	FAILS(unshare(CLONE_NEWNS), EPERM);
	EXPECT(unshare(CLONE_FS) == 0);
	FAILS(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0), EPERM);
	FAILS(syscall(SYS_clone3, NULL, 0), ENOSYS);
	FAILS(syscall(SYS_setns, -1, 0), EPERM);
	EXPECT(pthread_create(&thread, NULL, set_flag, &flag) == 0);
	EXPECT(pthread_join(thread, NULL) == 0 && flag == 1);
	pid = fork();
	if (pid == 0)
		_exit(7);
	EXPECT(pid > 0 && waitpid(pid, &status, 0) == pid);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	pid = vfork();
	if (pid == 0)
		_exit(0);
	EXPECT(pid > 0 && waitpid(pid, NULL, 0) == pid);
}

static void try_sockets(int level)
{
	int error = level == JL_SECCOMP_STRICT ? EPERM : 0;
	struct ifaddrs *list;
	int fd, pair[2];

	FAILS(socket(AF_ALG, SOCK_SEQPACKET, 0), EAFNOSUPPORT);
	FAILS(syscall(SYS_socket, HIGH | AF_ALG, SOCK_SEQPACKET, 0), EAFNOSUPPORT);
	FAILS(socket(AF_PACKET, SOCK_DGRAM, 0), EAFNOSUPPORT);
	FAILS(socket(AF_INET, SOCK_PACKET, 0), EAFNOSUPPORT);
	FAILS(socket(AF_NETLINK, SOCK_RAW, 12), EPROTONOSUPPORT);
	EXPECT(getifaddrs(&list) == 0);
	freeifaddrs(list);
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	EXPECT((fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0);
	(void)close(fd);
	/* The level above takes it from those who have the capability, too. */
	fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	EXPECT(fd >= 0 || errno == EPERM);
	EXPECT(fd < 0 || error == 0);
}

static void try_terminal(void)
{
	struct winsize size;
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return;
	EXPECT(ioctl(fd, TIOCGWINSZ, &size) == 0);
	FAILS(ioctl(fd, TIOCSTI, "x"), EPERM);
	FAILS(syscall(SYS_ioctl, fd, HIGH | TIOCSTI, "x"), EPERM);
	FAILS(syscall(SYS_ioctl, fd, HIGH | TIOCLINUX, "x"), EPERM);
	FAILS(syscall(SYS_ioctl, -1, TIOCSTI, "x"), EPERM);
	FAILS(syscall(SYS_ioctl, -1, TCGETS, NULL), EBADF);
}

static void try_rest(int level)
{
	bool strict = level == JL_SECCOMP_STRICT;
	char data;
	struct iovec byte = { &data, 1 };

	FAILS(syscall(SYS_bpf, 0, NULL, 0), EPERM);
	FAILS(syscall(SYS_fsopen, NULL, 0), EPERM);
	FAILS(syscall(SYS_keyctl, 0, 0), EPERM);
	FAILS(syscall(SYS_io_uring_setup, 1, NULL), EPERM);
	FAILS(syscall(467, -1, NULL, 0, NULL, 0), EPERM);
	FAILS(syscall(470), ENOSYS);
	FAILS(personality(READ_IMPLIES_EXEC), EPERM);
	if (strict)
		FAILS(personality(0xffffffff), EPERM);
	else
		EXPECT(personality(0xffffffff) >= 0);
	FAILS(syscall(SYS_process_vm_readv, -1, &byte, 1, &byte, 1, 0),
	      strict ? EPERM : ESRCH);
	FAILS(syscall(SYS_seccomp, 99, 0, NULL), EINVAL);
	EXPECT(prctl(PR_GET_SECCOMP) == SECCOMP_MODE_FILTER);
#ifdef __x86_64__
	FAILS(syscall(0x40000000 | SYS_getpid), ENOSYS);
#endif
}

static void install(int level)
{
	struct jl__filter filter = { 0 };
	struct sock_fprog program;

	EXPECT(jl__filter_compile(level, &filter, NULL) == 0);
	program = (struct sock_fprog){ filter.count, filter.insns };
	EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	EXPECT(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
	jl__free(filter.insns);
}

static int wait_for(pid_t pid)
{
	int status = 0;

	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

START_TEST(kernel_takes_the_program_and_obeys)
{
	int level = _i ? JL_SECCOMP_STRICT : JL_SECCOMP_DEFAULT;
	pid_t pid = fork();

	if (pid == 0) {
		install(level);
		try_processes();
		try_sockets(level);
		try_terminal();
		try_rest(level);
		_exit(0);
	}
	ck_assert_int_eq(wait_for(pid), 0);
}
END_TEST

#ifdef __x86_64__
/* getpid through the 32-bit entry. */
static long getpid_32(void)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "0"(20L)
			 : "memory", "cc", "r8", "r9", "r10", "r11");
	return (int)result;
}

static int run_getpid_32(int level)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (level != JL_SECCOMP_OFF)
			install(level);
		_exit(getpid_32() == (level == JL_SECCOMP_OFF ? getpid() : -ENOSYS) ? 0
										    : 1);
	}
	return wait_for(pid);
}

START_TEST(entry_of_32_bit_programs_is_closed)
{
	/* Kernels without it kill the caller: then there is nothing to close. */
	if (run_getpid_32(JL_SECCOMP_OFF) != 0)
		return;
	ck_assert_int_eq(run_getpid_32(JL_SECCOMP_DEFAULT), 0);
	ck_assert_int_eq(run_getpid_32(JL_SECCOMP_STRICT), 0);
}
END_TEST
#endif

static Suite *filter_kernel_suite(void)
{
	Suite *suite = suite_create("filter_kernel");
	TCase *kernel = tcase_create("kernel");

	tcase_add_loop_test(kernel, kernel_takes_the_program_and_obeys, 0, 2);
#ifdef __x86_64__
	tcase_add_test(kernel, entry_of_32_bit_programs_is_closed);
#endif
	suite_add_tcase(suite, kernel);
	return suite;
}

int main(void)
{
	SRunner *sr = srunner_create(filter_kernel_suite());
	int failed;

	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
