/* SPDX-License-Identifier: MIT */
#include "status.h"

#include <errno.h>
#include <stddef.h>

#include "rpc/rpc.h"

int status_of(int code)
{
	static const struct {
		int code, status;
	} table[] = {
		{ 0, JL__RPC_OK },
		/* What was asked for is wrong. */
		{ -EINVAL, JL__RPC_INVALID_ARGUMENT },
		{ -ERANGE, JL__RPC_INVALID_ARGUMENT },
		{ -E2BIG, JL__RPC_INVALID_ARGUMENT },
		{ -ENAMETOOLONG, JL__RPC_INVALID_ARGUMENT },
		{ -ENOTDIR, JL__RPC_INVALID_ARGUMENT },
		{ -EISDIR, JL__RPC_INVALID_ARGUMENT },
		{ -ENOEXEC, JL__RPC_INVALID_ARGUMENT },
		{ -EACCES, JL__RPC_INVALID_ARGUMENT },
		{ -ENOENT, JL__RPC_NOT_FOUND },
		{ -EEXIST, JL__RPC_ALREADY_EXISTS },
		{ -EADDRINUSE, JL__RPC_ALREADY_EXISTS }, /* a subnet, a port */
		/* It is not the time for it, or not the machine. */
		{ -EBUSY, JL__RPC_FAILED_PRECONDITION },
		{ -ESRCH, JL__RPC_FAILED_PRECONDITION },
		{ -EPERM, JL__RPC_FAILED_PRECONDITION },
		{ -EOPNOTSUPP, JL__RPC_FAILED_PRECONDITION },
		/* There is not enough. */
		{ -EAGAIN, JL__RPC_RESOURCE_EXHAUSTED },
		{ -EFBIG, JL__RPC_RESOURCE_EXHAUSTED },
		{ -EDQUOT, JL__RPC_RESOURCE_EXHAUSTED },
		{ -ENOSPC, JL__RPC_RESOURCE_EXHAUSTED },
		{ -EMFILE, JL__RPC_RESOURCE_EXHAUSTED },
		{ -ENFILE, JL__RPC_RESOURCE_EXHAUSTED },
		{ -ENOMEM, JL__RPC_RESOURCE_EXHAUSTED },
		{ -EMSGSIZE, JL__RPC_RESOURCE_EXHAUSTED },
		/* It broke on the way. */
		{ -ESTALE, JL__RPC_ABORTED },
		{ -ECONNRESET, JL__RPC_ABORTED },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		if (table[i].code == code)
			return table[i].status;
	}
	return JL__RPC_DATA_LOSS;
}
