/* SPDX-License-Identifier: MIT */
#include "rootfs/rootfs.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"

void jl__ops_done(struct jl__ops *ops)
{
	jl__free(ops->list);
	jl__free(ops->text);
	*ops = (struct jl__ops){ 0 };
}

static uint32_t add_text(struct jl__ops *ops, const char *text)
{
	size_t len = text ? strlen(text) + 1 : 0;
	uint32_t at = ops->text_len ? ops->text_len : 1;
	char *bigger;

	if (len <= 1)
		return 0;
	bigger = jl__resize(ops->text, at + len);
	if (!bigger) {
		ops->failed = -ENOMEM;
		return 0;
	}
	bigger[0] = '\0';
	memcpy(bigger + at, text, len);
	ops->text = bigger;
	ops->text_len = at + (uint32_t)len;
	return at;
}

struct jl__op *jl__ops_add(struct jl__ops *ops, uint32_t type, const char *path,
			   const char *text)
{
	static struct jl__op nowhere; /* written to, never read, once memory is short */
	struct jl__op *bigger, *op;

	if (ops->failed)
		return &nowhere;
	bigger = jl__resize(ops->list, (ops->count + 1) * sizeof(*ops->list));
	if (!bigger) {
		ops->failed = -ENOMEM;
		return &nowhere;
	}
	ops->list = bigger;
	op = &ops->list[ops->count++];
	*op = (struct jl__op){ .type = type };
	op->path = add_text(ops, path);
	op->text = add_text(ops, text);
	op->length = text ? (uint32_t)strlen(text) : 0;
	return op;
}

const char *jl__op_name(uint32_t type)
{
	static const char *const names[] = {
		[JL__OP_ROOT] = "root",	      [JL__OP_DIR] = "folder",
		[JL__OP_LINK] = "link",	      [JL__OP_FILE] = "file",
		[JL__OP_COPY] = "copy",	      [JL__OP_BIND] = "bind",
		[JL__OP_TMPFS] = "tmpfs",     [JL__OP_NODE] = "device",
		[JL__OP_PROC] = "proc",	      [JL__OP_PTS] = "devpts",
		[JL__OP_SCRATCH] = "scratch", [JL__OP_WORK] = "work",
		[JL__OP_MASK] = "mask",	      [JL__OP_READONLY] = "read-only",
	};

	return type < sizeof(names) / sizeof(names[0]) && names[type] ? names[type]
								      : "unknown";
}
