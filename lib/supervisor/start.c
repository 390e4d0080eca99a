/* SPDX-License-Identifier: MIT */
#include "supervisor/supervisor.h"

#include <linux/fcntl.h>
#include <linux/signal.h>

/* Compilers emit calls of these whatever they are told. */
void *memcpy(void *restrict to, const void *restrict from, size_t len);
void *memmove(void *to, const void *from, size_t len);
void *memset(void *to, int byte, size_t len);
int memcmp(const void *a, const void *b, size_t len);
int supervisor_main(int argc, char **argv, char **envp);

void *memcpy(void *restrict to, const void *restrict from, size_t len)
{
	char *t = to;
	const char *f = from;

#if defined(__x86_64__)
	/* Fast on every processor of the last decade, and no loop to be turned into
	 * memcpy. */
	__asm__ volatile("rep movsb" : "+D"(t), "+S"(f), "+c"(len) : : "memory");
#else
	while (len--) {
		*t++ = *f++;
		__asm__ volatile("" : : : "memory");
	}
#endif
	return to;
}

void *memmove(void *to, const void *from, size_t len)
{
	char *t = to;
	const char *f = from;

	if (t <= f || t >= f + len)
		return memcpy(to, from, len);
	while (len--) {
		t[len] = f[len];
		__asm__ volatile("" : : : "memory");
	}
	return to;
}

void *memset(void *to, int byte, size_t len)
{
	char *t = to;

#if defined(__x86_64__)
	__asm__ volatile("rep stosb" : "+D"(t), "+c"(len) : "a"(byte) : "memory");
#else
	while (len--) {
		*t++ = (char)byte;
		__asm__ volatile("" : : : "memory");
	}
#endif
	return to;
}

int memcmp(const void *a, const void *b, size_t len)
{
	const unsigned char *x = a, *y = b;
	uint64_t left, right;

	/* Eight at a time: roots of several kilobytes are compared for every job. */
	for (; len >= 8; len -= 8, x += 8, y += 8) {
		__builtin_memcpy(&left, x, 8);
		__builtin_memcpy(&right, y, 8);
		if (left != right)
			break;
	}
	for (; len; len--, x++, y++)
		if (*x != *y)
			return *x < *y ? -1 : 1;
	return 0;
}

/* The stack as the kernel leaves it: argc, argv, NULL, envp, NULL. */
__attribute__((noreturn, used)) void start_c(long *stack);
__attribute__((noreturn, used)) void start_c(long *stack)
{
	int argc = (int)stack[0];
	char **argv = (char **)(stack + 1);

	jl__sys_exit(supervisor_main(argc, argv, argv + argc + 1));
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n"
	"\tcall start_c\n\thlt\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n\tmov x29, xzr\n\tmov x30, xzr\n\tmov x0, sp\n"
	"\tbl start_c\n\tbrk 0\n");
#endif
