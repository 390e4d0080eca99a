/* SPDX-License-Identifier: MIT */
#include "sys/sys.h"

/*
 * Written in assembly because the child wakes up on another stack: nothing the compiler
 * kept on the old one exists there.
 */
#if defined(__x86_64__)
long jl__sys_clone3_call(struct clone_args *args, size_t size, int (*fn)(void *),
			 void *arg)
{
	register void *fn_reg __asm__("r12") = (void *)fn;
	register void *arg_reg __asm__("r13") = arg;
	long ret;

	__asm__ volatile(
		"syscall\n\t"
		"test %%rax, %%rax\n\t"
		"jnz 1f\n\t"
		"xor %%ebp, %%ebp\n\t"
		/* Without a stack of its own the child has ours, as it is just now. */
		"and $-16, %%rsp\n\t"
		"mov %%r13, %%rdi\n\t"
		"call *%%r12\n\t"
		"mov %%eax, %%edi\n\t"
		"mov %[exit], %%eax\n\t"
		"syscall\n\t"
		"hlt\n"
		"1:"
		: "=a"(ret)
		: "0"((long)__NR_clone3), "D"(args), "S"(size), "r"(fn_reg),
		  "r"(arg_reg), [exit] "i"(__NR_exit_group)
		: "rcx", "r11", "memory", "cc");
	return ret;
}
#elif defined(__aarch64__)
long jl__sys_clone3_call(struct clone_args *args, size_t size, int (*fn)(void *),
			 void *arg)
{
	register long x8 __asm__("x8") = __NR_clone3;
	register void *x0 __asm__("x0") = args;
	register size_t x1 __asm__("x1") = size;
	register void *fn_reg __asm__("x20") = (void *)fn;
	register void *arg_reg __asm__("x21") = arg;

	__asm__ volatile("svc 0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, xzr\n\t"
			 "mov x30, xzr\n\t"
			 "mov x0, x21\n\t"
			 "blr x20\n\t"
			 "mov x8, %[exit]\n\t"
			 "svc 0\n\t"
			 "brk 0\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(fn_reg),
			   "r"(arg_reg), [exit] "i"(__NR_exit_group)
			 : "memory", "cc", "x30");
	return (long)x0;
}
#endif
