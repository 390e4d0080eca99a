/* SPDX-License-Identifier: MIT */
/*
 * One raw wrapper per system call, without a C library behind it: no errno, no cancellation,
 * no locks. Results are >= 0 or a negative errno. Safe after clone, in a vfork-like child and
 * in the supervisor, which has no C library at all. Nothing here allocates or includes
 * anything of the project.
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
#error "joblet knows x86_64 and aarch64; lib/sys/sys.h and lib/sys/clone.S want your machine"
#endif

#define JL__LONG_(x) ((long)(x))
#define jl__sys0_(nr) jl__sys6(nr, 0, 0, 0, 0, 0, 0)
#define jl__sys1_(nr, a) jl__sys6(nr, JL__LONG_(a), 0, 0, 0, 0, 0)
#define jl__sys2_(nr, a, b) jl__sys6(nr, JL__LONG_(a), JL__LONG_(b), 0, 0, 0, 0)
#define jl__sys3_(nr, a, b, c) \
	jl__sys6(nr, JL__LONG_(a), JL__LONG_(b), JL__LONG_(c), 0, 0, 0)
#define jl__sys4_(nr, a, b, c, d) \
	jl__sys6(nr, JL__LONG_(a), JL__LONG_(b), JL__LONG_(c), JL__LONG_(d), 0, 0)
#define jl__sys5_(nr, a, b, c, d, e)                                              \
	jl__sys6(nr, JL__LONG_(a), JL__LONG_(b), JL__LONG_(c), JL__LONG_(d), JL__LONG_(e), \
		 0)

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

