/* SPDX-License-Identifier: MIT */
#include "backend.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "output.h"

int fault_set(struct fault *fault, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	fault->code = code;
	fault->command = false;
	return code;
}

int fault_exit(const struct fault *fault)
{
	switch (fault->code) {
	case -ENOENT:
		return EXIT_NO_SUCH;
	case -EPERM:
	case -EACCES:
	case -EKEYREJECTED:
	case -EKEYEXPIRED:
	case -EKEYREVOKED:
		return EXIT_DENIED;
	case -ETIMEDOUT:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -EHOSTUNREACH:
	case -ENETUNREACH:
	case -EAGAIN:
		return EXIT_UNAVAILABLE;
	case -EINVAL:
	case -ERANGE:
	case -E2BIG:
		return EXIT_USAGE;
	default:
		return EXIT_FAILED;
	}
}
