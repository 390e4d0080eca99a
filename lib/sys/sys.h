/* SPDX-License-Identifier: MIT */
/*
 * One raw wrapper per system call, without a C library behind it: no errno, no
 * cancellation, no locks. Results are >= 0 or a negative errno. Safe after clone, in a
 * vfork-like child and in the supervisor, which has no C library at all. Nothing here
 * allocates or includes anything of the project.
 */
#ifndef JL_SYS_SYS_H
#define JL_SYS_SYS_H

#include <asm/unistd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
static inline long jl__sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
static inline long jl__sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}
#else
#error "joblet knows x86_64 and aarch64; lib/sys/sys.h and lib/sys/clone.c want your machine"
#endif

#define JL__LONG_(x) ((long)(x))
#define jl__sys0_(nr) jl__sys6(nr, 0, 0, 0, 0, 0, 0)
#define jl__sys1_(nr, a) jl__sys6(nr, JL__LONG_(a), 0, 0, 0, 0, 0)
#define jl__sys2_(nr, a, b) jl__sys6(nr, JL__LONG_(a), JL__LONG_(b), 0, 0, 0, 0)
#define jl__sys3_(nr, a, b, c) \
	jl__sys6(nr, JL__LONG_(a), JL__LONG_(b), JL__LONG_(c), 0, 0, 0)
#define jl__sys4_(nr, a, b, c, d) \
	jl__sys6(nr, JL__LONG_(a), JL__LONG_(b), JL__LONG_(c), JL__LONG_(d), 0, 0)
#define jl__sys5_(nr, a, b, c, d, e)                                         \
	jl__sys6(nr, JL__LONG_(a), JL__LONG_(b), JL__LONG_(c), JL__LONG_(d), \
		 JL__LONG_(e), 0)

/* The kernel's constants that a C library of 2022 does not have yet. */
#ifndef __NR_clone3
#define __NR_clone3 435
#endif
#ifndef __NR_close_range
#define __NR_close_range 436
#endif
#ifndef __NR_openat2
#define __NR_openat2 437
#endif
#ifndef __NR_mount_setattr
#define __NR_mount_setattr 442
#endif

struct open_how;
struct mount_attr;
struct statx;

static inline long jl__sys_read(int fd, void *buf, size_t len)
{
	return jl__sys3_(__NR_read, fd, buf, len);
}

static inline long jl__sys_write(int fd, const void *buf, size_t len)
{
	return jl__sys3_(__NR_write, fd, buf, len);
}

static inline long jl__sys_pread(int fd, void *buf, size_t len, int64_t offset)
{
	return jl__sys4_(__NR_pread64, fd, buf, len, offset);
}

static inline long jl__sys_pwrite(int fd, const void *buf, size_t len, int64_t offset)
{
	return jl__sys4_(__NR_pwrite64, fd, buf, len, offset);
}

static inline long jl__sys_fallocate(int fd, int mode, int64_t offset, int64_t len)
{
	return jl__sys4_(__NR_fallocate, fd, mode, offset, len);
}

static inline long jl__sys_splice(int from, int64_t *from_at, int to, int64_t *to_at,
				  size_t len, unsigned int flags)
{
	return jl__sys6(__NR_splice, JL__LONG_(from), JL__LONG_(from_at), JL__LONG_(to),
			JL__LONG_(to_at), JL__LONG_(len), JL__LONG_(flags));
}

static inline long jl__sys_close(int fd)
{
	return jl__sys1_(__NR_close, fd);
}

static inline long jl__sys_close_range(unsigned int first, unsigned int last,
				       unsigned int flags)
{
	return jl__sys3_(__NR_close_range, first, last, flags);
}

static inline long jl__sys_openat(int dir, const char *path, int flags, unsigned int mode)
{
	return jl__sys4_(__NR_openat, dir, path, flags, mode);
}

static inline long jl__sys_openat2(int dir, const char *path, const struct open_how *how,
				   size_t size)
{
	return jl__sys4_(__NR_openat2, dir, path, how, size);
}

static inline long jl__sys_mkdirat(int dir, const char *path, unsigned int mode)
{
	return jl__sys3_(__NR_mkdirat, dir, path, mode);
}

static inline long jl__sys_mknodat(int dir, const char *path, unsigned int mode,
				   unsigned int dev)
{
	return jl__sys4_(__NR_mknodat, dir, path, mode, dev);
}

static inline long jl__sys_symlinkat(const char *target, int dir, const char *path)
{
	return jl__sys3_(__NR_symlinkat, target, dir, path);
}

static inline long jl__sys_readlinkat(int dir, const char *path, char *buf, size_t size)
{
	return jl__sys4_(__NR_readlinkat, dir, path, buf, size);
}

static inline long jl__sys_unlinkat(int dir, const char *path, int flags)
{
	return jl__sys3_(__NR_unlinkat, dir, path, flags);
}

static inline long jl__sys_renameat2(int from, const char *from_path, int to,
				     const char *to_path, unsigned int flags)
{
	return jl__sys5_(__NR_renameat2, from, from_path, to, to_path, flags);
}

static inline long jl__sys_fchownat(int dir, const char *path, unsigned int uid,
				    unsigned int gid, int flags)
{
	return jl__sys5_(__NR_fchownat, dir, path, uid, gid, flags);
}

static inline long jl__sys_fchmodat(int dir, const char *path, unsigned int mode)
{
	return jl__sys3_(__NR_fchmodat, dir, path, mode);
}

static inline long jl__sys_fchmod(int fd, unsigned int mode)
{
	return jl__sys2_(__NR_fchmod, fd, mode);
}

static inline long jl__sys_getdents64(int fd, void *buf, size_t len)
{
	return jl__sys3_(__NR_getdents64, fd, buf, len);
}

static inline long jl__sys_statx(int dir, const char *path, int flags, unsigned int mask,
				 struct statx *out)
{
	return jl__sys5_(__NR_statx, dir, path, flags, mask, out);
}

static inline long jl__sys_chdir(const char *path)
{
	return jl__sys1_(__NR_chdir, path);
}

static inline long jl__sys_fchdir(int fd)
{
	return jl__sys1_(__NR_fchdir, fd);
}

static inline long jl__sys_umask(unsigned int mask)
{
	return jl__sys1_(__NR_umask, mask);
}

static inline long jl__sys_dup3(int from, int to, int flags)
{
	return jl__sys3_(__NR_dup3, from, to, flags);
}

static inline long jl__sys_fcntl(int fd, int cmd, long arg)
{
	return jl__sys3_(__NR_fcntl, fd, cmd, arg);
}

static inline long jl__sys_pipe2(int *fds, int flags)
{
	return jl__sys2_(__NR_pipe2, fds, flags);
}

static inline long jl__sys_ioctl(int fd, unsigned long cmd, long arg)
{
	return jl__sys3_(__NR_ioctl, fd, cmd, arg);
}

static inline long jl__sys_lseek(int fd, int64_t offset, int whence)
{
	return jl__sys3_(__NR_lseek, fd, offset, whence);
}

static inline long jl__sys_mount(const char *source, const char *target, const char *type,
				 unsigned long flags, const void *data)
{
	return jl__sys5_(__NR_mount, source, target, type, flags, data);
}

static inline long jl__sys_umount2(const char *target, int flags)
{
	return jl__sys2_(__NR_umount2, target, flags);
}

static inline long jl__sys_pivot_root(const char *fresh, const char *old)
{
	return jl__sys2_(__NR_pivot_root, fresh, old);
}

static inline long jl__sys_open_tree(int dir, const char *path, unsigned int flags)
{
	return jl__sys3_(__NR_open_tree, dir, path, flags);
}

static inline long jl__sys_fsopen(const char *type, unsigned int flags)
{
	return jl__sys2_(__NR_fsopen, type, flags);
}

static inline long jl__sys_fsconfig(int fs, unsigned int command, const char *key,
				    const void *value, int aux)
{
	return jl__sys5_(__NR_fsconfig, fs, command, key, value, aux);
}

static inline long jl__sys_fsmount(int fs, unsigned int flags, unsigned int attrs)
{
	return jl__sys3_(__NR_fsmount, fs, flags, attrs);
}

static inline long jl__sys_move_mount(int from, const char *from_path, int to,
				      const char *to_path, unsigned int flags)
{
	return jl__sys5_(__NR_move_mount, from, from_path, to, to_path, flags);
}

static inline long jl__sys_mount_setattr(int dir, const char *path, unsigned int flags,
					 const struct mount_attr *attr, size_t size)
{
	return jl__sys5_(__NR_mount_setattr, dir, path, flags, attr, size);
}

static inline long jl__sys_setns(int fd, int type)
{
	return jl__sys2_(__NR_setns, fd, type);
}

static inline long jl__sys_unshare(int flags)
{
	return jl__sys1_(__NR_unshare, flags);
}

static inline long jl__sys_sethostname(const char *name, size_t len)
{
	return jl__sys2_(__NR_sethostname, name, len);
}

static inline long jl__sys_setsid(void)
{
	return jl__sys0_(__NR_setsid);
}

static inline long jl__sys_setresuid(unsigned int real, unsigned int effective,
				     unsigned int saved)
{
	return jl__sys3_(__NR_setresuid, real, effective, saved);
}

static inline long jl__sys_setresgid(unsigned int real, unsigned int effective,
				     unsigned int saved)
{
	return jl__sys3_(__NR_setresgid, real, effective, saved);
}

/* The previous one, whether or not it took: no error is ever reported. */
static inline long jl__sys_setfsuid(unsigned int uid)
{
	return jl__sys1_(__NR_setfsuid, uid);
}

static inline long jl__sys_setfsgid(unsigned int gid)
{
	return jl__sys1_(__NR_setfsgid, gid);
}

static inline long jl__sys_setgroups(size_t count, const unsigned int *list)
{
	return jl__sys2_(__NR_setgroups, count, list);
}

static inline long jl__sys_capset(void *header, const void *data)
{
	return jl__sys2_(__NR_capset, header, data);
}

static inline long jl__sys_capget(void *header, void *data)
{
	return jl__sys2_(__NR_capget, header, data);
}

static inline long jl__sys_prctl(int option, long a, long b, long c, long d)
{
	return jl__sys5_(__NR_prctl, option, a, b, c, d);
}

static inline long jl__sys_seccomp(unsigned int op, unsigned int flags, const void *args)
{
	return jl__sys3_(__NR_seccomp, op, flags, args);
}

static inline long jl__sys_prlimit(int pid, int resource, const void *fresh, void *old)
{
	return jl__sys4_(__NR_prlimit64, pid, resource, fresh, old);
}

static inline long jl__sys_keyctl(int op, long a, long b)
{
	return jl__sys3_(__NR_keyctl, op, a, b);
}

static inline long jl__sys_execveat(int dir, const char *path, char *const *argv,
				    char *const *envp, int flags)
{
	return jl__sys5_(__NR_execveat, dir, path, argv, envp, flags);
}

static inline long jl__sys_getpid(void)
{
	return jl__sys0_(__NR_getpid);
}

static inline long jl__sys_kill(int pid, int signal)
{
	return jl__sys2_(__NR_kill, pid, signal);
}

static inline long jl__sys_pidfd_open(int pid, unsigned int flags)
{
	return jl__sys2_(__NR_pidfd_open, pid, flags);
}

static inline long jl__sys_pidfd_send_signal(int pidfd, int signal, void *info,
					     unsigned int flags)
{
	return jl__sys4_(__NR_pidfd_send_signal, pidfd, signal, info, flags);
}

static inline long jl__sys_waitid(int type, int id, void *info, int options, void *usage)
{
	return jl__sys5_(__NR_waitid, type, id, info, options, usage);
}

static inline long jl__sys_rt_sigaction(int signal, const void *fresh, void *old,
					size_t size)
{
	return jl__sys4_(__NR_rt_sigaction, signal, fresh, old, size);
}

static inline long jl__sys_rt_sigprocmask(int how, const void *fresh, void *old,
					  size_t size)
{
	return jl__sys4_(__NR_rt_sigprocmask, how, fresh, old, size);
}

static inline long jl__sys_clock_gettime(int clock, void *time)
{
	return jl__sys2_(__NR_clock_gettime, clock, time);
}

static inline long jl__sys_epoll_create1(int flags)
{
	return jl__sys1_(__NR_epoll_create1, flags);
}

static inline long jl__sys_epoll_ctl(int epoll, int op, int fd, void *event)
{
	return jl__sys4_(__NR_epoll_ctl, epoll, op, fd, event);
}

static inline long jl__sys_epoll_pwait(int epoll, void *events, int max, int timeout,
				       const void *mask, size_t size)
{
	return jl__sys6(__NR_epoll_pwait, JL__LONG_(epoll), JL__LONG_(events),
			JL__LONG_(max), JL__LONG_(timeout), JL__LONG_(mask),
			JL__LONG_(size));
}

static inline long jl__sys_ppoll(void *fds, unsigned int count, const void *time,
				 const void *mask, size_t size)
{
	return jl__sys5_(__NR_ppoll, fds, count, time, mask, size);
}

static inline long jl__sys_eventfd2(unsigned int value, int flags)
{
	return jl__sys2_(__NR_eventfd2, value, flags);
}

static inline long jl__sys_timerfd_create(int clock, int flags)
{
	return jl__sys2_(__NR_timerfd_create, clock, flags);
}

static inline long jl__sys_timerfd_settime(int fd, int flags, const void *value,
					   void *old)
{
	return jl__sys4_(__NR_timerfd_settime, fd, flags, value, old);
}

static inline long jl__sys_recvmsg(int fd, void *message, int flags)
{
	return jl__sys3_(__NR_recvmsg, fd, message, flags);
}

static inline long jl__sys_sendmsg(int fd, const void *message, int flags)
{
	return jl__sys3_(__NR_sendmsg, fd, message, flags);
}

static inline long jl__sys_socket(int family, int type, int protocol)
{
	return jl__sys3_(__NR_socket, family, type, protocol);
}

static inline long jl__sys_accept4(int fd, void *name, int *name_len, int flags)
{
	return jl__sys4_(__NR_accept4, fd, name, name_len, flags);
}

static inline long jl__sys_getsockopt(int fd, int level, int option, void *value,
				      int *len)
{
	return jl__sys5_(__NR_getsockopt, fd, level, option, value, len);
}

static inline long jl__sys_mmap(void *addr, size_t len, int prot, int flags, int fd,
				int64_t offset)
{
	return jl__sys6(__NR_mmap, JL__LONG_(addr), JL__LONG_(len), JL__LONG_(prot),
			JL__LONG_(flags), JL__LONG_(fd), JL__LONG_(offset));
}

static inline long jl__sys_madvise(void *addr, size_t len, int advice)
{
	return jl__sys3_(__NR_madvise, addr, len, advice);
}

static inline long jl__sys_munmap(void *addr, size_t len)
{
	return jl__sys2_(__NR_munmap, addr, len);
}

static inline long jl__sys_memfd_create(const char *name, unsigned int flags)
{
	return jl__sys2_(__NR_memfd_create, name, flags);
}

static inline long jl__sys_flock(int fd, int op)
{
	return jl__sys2_(__NR_flock, fd, op);
}

static inline long jl__sys_personality(unsigned long persona)
{
	return jl__sys1_(__NR_personality, persona);
}

static inline long jl__sys_getuid(void)
{
	return jl__sys0_(__NR_getuid);
}

static inline long jl__sys_getgid(void)
{
	return jl__sys0_(__NR_getgid);
}

static inline long jl__sys_geteuid(void)
{
	return jl__sys0_(__NR_geteuid);
}

static inline long jl__sys_getegid(void)
{
	return jl__sys0_(__NR_getegid);
}

static inline long jl__sys_futex(uint32_t *word, int op, uint32_t value, const void *time,
				 uint32_t *word2, uint32_t value3)
{
	return jl__sys6(__NR_futex, JL__LONG_(word), JL__LONG_(op), JL__LONG_(value),
			JL__LONG_(time), JL__LONG_(word2), JL__LONG_(value3));
}

static inline __attribute__((noreturn)) void jl__sys_exit(int status)
{
	for (;;)
		(void)jl__sys1_(__NR_exit_group, status);
}

/*
 * Clones a child that runs fn(arg) on its own stack and exits with what fn returns. Works
 * with CLONE_VM; args->stack and args->stack_size describe the stack, exclusive to the
 * child until it has exited or executed a program. Never returns in the child. Defined in
 * sys/clone.c.
 */
struct clone_args;
long jl__sys_clone3_call(struct clone_args *args, size_t size, int (*fn)(void *),
			 void *arg);

#endif
