/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

void jl__buf_done(struct jl__buf *buf)
{
	if (buf->data && buf->secret)
		explicit_bzero(buf->data, buf->size);
	jl__free(buf->data);
	buf->data = NULL;
	buf->len = buf->size = 0;
}

/* realloc would leave a copy behind. */
static char *resize(struct jl__buf *buf, size_t size)
{
	char *data;

	if (!buf->secret)
		return jl__resize(buf->data, size);
	data = jl__alloc(size);
	if (!data || !buf->data)
		return data;
	memcpy(data, buf->data, buf->len);
	explicit_bzero(buf->data, buf->size);
	jl__free(buf->data);
	return data;
}

static int reserve(struct jl__buf *buf, size_t more)
{
	size_t need, size = buf->size ? buf->size : 128;
	char *data;

	if (buf->failed)
		return buf->failed;
	if (more > buf->max || buf->len > buf->max - more)
		return buf->failed = -E2BIG;
	need = buf->len + more + 1;
	if (need <= buf->size)
		return 0;
	while (size < need)
		size *= 2;
	data = resize(buf, size);
	if (!data)
		return buf->failed = -ENOMEM;
	buf->data = data;
	buf->size = size;
	return 0;
}

int jl__buf_add(struct jl__buf *buf, const void *data, size_t len)
{
	int r = reserve(buf, len);

	if (r < 0)
		return r;
	if (len)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
	return 0;
}

int jl__buf_add_str(struct jl__buf *buf, const char *text)
{
	return jl__buf_add(buf, text, strlen(text));
}

int jl__buf_addf(struct jl__buf *buf, const char *format, ...)
{
	va_list args;
	int len, r;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0)
		return buf->failed = -EINVAL;
	r = reserve(buf, (size_t)len);
	if (r < 0)
		return r;
	va_start(args, format);
	(void)vsnprintf(buf->data + buf->len, (size_t)len + 1, format, args);
	va_end(args);
	buf->len += (size_t)len;
	return 0;
}

int jl__buf_align(struct jl__buf *buf, size_t align)
{
	static const char zero[64];
	size_t rest = buf->len % align;

	return rest ? jl__buf_add(buf, zero, align - rest) : buf->failed;
}

char *jl__buf_steal(struct jl__buf *buf)
{
	char *data = buf->data;

	buf->data = NULL;
	buf->len = buf->size = 0;
	return data;
}
