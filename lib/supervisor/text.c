/* SPDX-License-Identifier: MIT */
#include "supervisor/supervisor.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/time.h>

size_t text_len(const char *text)
{
	size_t len = 0;

	while (text[len])
		len++;
	return len;
}

int bytes_equal(const void *a, const void *b, size_t len)
{
	return __builtin_memcmp(a, b, len) == 0;
}

int text_equal(const char *a, const char *b)
{
	size_t len = text_len(a);

	return len == text_len(b) && bytes_equal(a, b, len);
}

int text_starts(const char *text, const char *start)
{
	while (*start && *text == *start) {
		text++;
		start++;
	}
	return !*start;
}

char *put_text(char *p, const char *text)
{
	while (*text)
		*p++ = *text++;
	*p = '\0';
	return p;
}

char *put_number(char *p, uint64_t number)
{
	char digits[20];
	int count = 0;

	do {
		digits[count++] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	while (count)
		*p++ = digits[--count];
	*p = '\0';
	return p;
}

uint64_t clock_usec(int clock)
{
	struct __kernel_timespec now = { 0, 0 };

	(void)jl__sys_clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void *pages(size_t bytes, int kind)
{
	long addr = jl__sys_mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				 kind | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return addr < 0 && addr > -4096 ? NULL : (void *)addr;
}

void *pages_get(size_t bytes)
{
	return pages(bytes, MAP_PRIVATE);
}

void *pages_get_own(size_t bytes)
{
	void *ptr = pages(bytes, MAP_PRIVATE);

	if (ptr)
		(void)jl__sys_madvise(ptr, bytes, MADV_DONTFORK);
	return ptr;
}

void *pages_get_shared(size_t bytes)
{
	return pages(bytes, MAP_SHARED);
}

void pages_put(void *ptr, size_t bytes)
{
	(void)jl__sys_munmap(ptr, bytes);
}

void fd_close(int *fd)
{
	if (*fd >= 0)
		(void)jl__sys_close(*fd);
	*fd = -1;
}

long file_read(int dir, const char *path, char *buf, size_t size)
{
	int fd = (int)jl__sys_openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
	long got, total = 0;

	if (fd < 0)
		return fd;
	while ((size_t)total < size - 1) {
		got = jl__sys_read(fd, buf + total, size - 1 - (size_t)total);
		if (got == -EINTR)
			continue;
		if (got < 0)
			total = got;
		if (got <= 0)
			break;
		total += got;
		/* Files of the kernel come whole, or a page at a time. */
		if (got < 512)
			break;
	}
	(void)jl__sys_close(fd);
	if (total >= 0)
		buf[total] = '\0';
	return total;
}

long file_write(int dir, const char *path, const char *text)
{
	int fd = (int)jl__sys_openat(dir, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0);
	size_t len = text_len(text);
	long put;

	if (fd < 0)
		return fd;
	/* One write per value: the kernel parses each write by itself. */
	put = jl__sys_write(fd, text, len);
	(void)jl__sys_close(fd);
	if (put < 0)
		return put;
	return (size_t)put == len ? 0 : -EIO;
}

int failed(struct jl__failure *failure, uint32_t step, uint32_t op, long code)
{
	failure->step = step;
	failure->op = op;
	failure->code = (int32_t)code;
	failure->text_len = 0;
	return (int)code;
}
