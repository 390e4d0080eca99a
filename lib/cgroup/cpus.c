/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/parse.h"
#include "cgroup/cgroup-priv.h"

static void add(struct jl__cpus *cpus, uint32_t cpu)
{
	cpus->bits[cpu / 64] |= UINT64_C(1) << (cpu % 64);
}

static bool has(const struct jl__cpus *cpus, uint32_t cpu)
{
	return cpus->bits[cpu / 64] >> (cpu % 64) & 1;
}

/* One number at p; *ret_len is its number of digits. */
static int number(const char *p, uint32_t *ret, size_t *ret_len)
{
	char digits[24];
	size_t len = strspn(p, "0123456789");

	*ret_len = len;
	if (len == 0)
		return -EINVAL;
	if (len >= sizeof(digits))
		return -ERANGE;
	memcpy(digits, p, len);
	digits[len] = '\0';
	return jl__parse_u32(digits, 0, JL__CPUS_MAX - 1, ret);
}

/* "4" or "4-7" at p, up to *ret_len. */
static int range(const char *p, struct jl__cpus *cpus, size_t *ret_len)
{
	uint32_t first, last;
	size_t len;
	int r;

	*ret_len = 0;
	r = number(p, &first, &len);
	if (r < 0)
		return r;
	last = first;
	*ret_len = len;
	if (p[len] == '-') {
		*ret_len = ++len;
		r = number(p + len, &last, ret_len);
		*ret_len += len;
		if (r < 0)
			return r;
	}
	if (last < first)
		return -EINVAL;
	for (uint32_t cpu = first; cpu <= last; cpu++)
		add(cpus, cpu);
	return 0;
}

int jl__cpus_parse(const char *text, struct jl__cpus *ret, size_t *ret_at)
{
	struct jl__cpus cpus = { 0 };
	const char *p = text;
	size_t len;
	int r;

	while (*p) {
		r = range(p, &cpus, &len);
		p += len;
		if (r == 0 && *p && (*p != ',' || !p[1]))
			r = -EINVAL;
		if (r < 0) {
			if (ret_at)
				*ret_at = (size_t)(p - text);
			return r;
		}
		p += *p == ',';
	}
	*ret = cpus;
	return 0;
}

char *jl__cpus_format(const struct jl__cpus *cpus)
{
	/* The worst list is every second core: five bytes each. */
	struct jl__buf buf = JL__BUF_INIT((size_t)JL__CPUS_MAX * 6);
	uint32_t cpu = 0, last;

	(void)jl__buf_add_str(&buf, "");
	while (cpu < JL__CPUS_MAX) {
		if (!has(cpus, cpu)) {
			cpu++;
			continue;
		}
		last = cpu;
		while (last + 1 < JL__CPUS_MAX && has(cpus, last + 1))
			last++;
		(void)jl__buf_addf(&buf, "%s%u", buf.len ? "," : "", cpu);
		if (last > cpu)
			(void)jl__buf_addf(&buf, "-%u", last);
		cpu = last + 1;
	}
	if (buf.failed)
		jl__buf_done(&buf);
	return jl__buf_steal(&buf);
}

int jl__cpus_missing(const struct jl__cpus *want, const struct jl__cpus *have)
{
	for (int i = 0; i < JL__CPUS_MAX / 64; i++) {
		uint64_t lack = want->bits[i] & ~have->bits[i];

		if (lack)
			return i * 64 + __builtin_ctzll(lack);
	}
	return -1;
}
