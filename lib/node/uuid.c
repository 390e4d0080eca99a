/* SPDX-License-Identifier: MIT */
#define JL_MODULE "node"

#include "node/uuid.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "base/id.h"

int jl__uuid_make(char id[JL__UUID_MAX], jl_error **err)
{
	unsigned char b[16];

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		return jl__fail_errno(err, -errno, "cannot get random bytes");
	b[0] = jl__id_first(b[0]);
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	(void)snprintf(
		id, JL__UUID_MAX,
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11],
		b[12], b[13], b[14], b[15]);
	return 0;
}

bool jl__uuid_prefix(const char *text, unsigned int min, char id[JL__UUID_MAX])
{
	size_t len = strlen(text);

	if (len < min || len >= JL__UUID_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (c >= 'A' && c <= 'F')
			c = (char)(c - 'A' + 'a');
		if (dash ? c != '-' : !(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
			return false;
		id[i] = c;
	}
	id[len] = '\0';
	return true;
}
