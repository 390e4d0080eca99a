/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "cgroup/cgroup-priv.h"

/* Jiffies the kernel shows to programs: 100 a second on every machine of ours. */
#define USEC_PER_TICK 10000

/* What cannot be counted any more is very much; the all-ones value means "not offered".
 */
#define MUCH (UINT64_MAX - 1)

#define AT(member) ((uint32_t)offsetof(struct jl_stats, member))

/* Where a value comes from: the file, its key ("" when the file is one number), the unit.
 */
static const struct {
	const char *file, *key;
	uint32_t at;
	uint32_t times, by;
} values[] = {
	{ "cpu.stat", "usage_usec", AT(cpu_usec), 1, 1 },
	{ "cpu.stat", "user_usec", AT(cpu_user_usec), 1, 1 },
	{ "cpu.stat", "system_usec", AT(cpu_system_usec), 1, 1 },
	{ "cpu.stat", "throttled_usec", AT(cpu_throttled_usec), 1, 1 },
	{ "cpu.stat", "throttled_time", AT(cpu_throttled_usec), 1, 1000 },
	{ "cpuacct.usage", "", AT(cpu_usec), 1, 1000 },
	{ "cpuacct.stat", "user", AT(cpu_user_usec), USEC_PER_TICK, 1 },
	{ "cpuacct.stat", "system", AT(cpu_system_usec), USEC_PER_TICK, 1 },
	{ "memory.current", "", AT(memory_bytes), 1, 1 },
	{ "memory.peak", "", AT(memory_peak_bytes), 1, 1 },
	{ "memory.usage_in_bytes", "", AT(memory_bytes), 1, 1 },
	{ "memory.max_usage_in_bytes", "", AT(memory_peak_bytes), 1, 1 },
	{ "memory.stat", "anon", AT(memory_anon_bytes), 1, 1 },
	{ "memory.stat", "file", AT(memory_file_bytes), 1, 1 },
	/* v1; the sums over groups below come later in the file and win. */
	{ "memory.stat", "rss", AT(memory_anon_bytes), 1, 1 },
	{ "memory.stat", "cache", AT(memory_file_bytes), 1, 1 },
	{ "memory.stat", "total_rss", AT(memory_anon_bytes), 1, 1 },
	{ "memory.stat", "total_cache", AT(memory_file_bytes), 1, 1 },
	{ "memory.events", "oom_kill", AT(memory_oom_kills), 1, 1 },
	{ "memory.oom_control", "oom_kill", AT(memory_oom_kills), 1, 1 },
	{ "pids.current", "", AT(pids), 1, 1 },
	{ "pids.peak", "", AT(pids_peak), 1, 1 },
	{ "pids.events", "max", AT(pids_refused), 1, 1 },
};

#define N_VALUES (sizeof(values) / sizeof(values[0]))

/* The files hold the numbers of several devices each, in lines of their own form. */
#define IO_V2 "io.stat"
#define IO_V1 "blkio.throttle.io_service_bytes"
#define IO_V1_BELOW "blkio.throttle.io_service_bytes_recursive"

#define V2_MEMORY "memory.current", "memory.peak", "memory.stat", "memory.events"
#define V2_PIDS "pids.current", "pids.peak", "pids.events"
#define V1_MEMORY                                                            \
	"memory.usage_in_bytes", "memory.max_usage_in_bytes", "memory.stat", \
		"memory.oom_control"

static const char *const v2_core[] = { "cpu.stat", NULL };
static const char *const v2_all[] = { "cpu.stat", V2_MEMORY, V2_PIDS, IO_V2, NULL };
static const char *const v1_cpu[] = { "cpu.stat", NULL };
static const char *const v1_cpuacct[] = { "cpuacct.usage", "cpuacct.stat", NULL };
static const char *const v1_memory[] = { V1_MEMORY, NULL };
static const char *const v1_pids[] = { V2_PIDS, NULL };
static const char *const v1_io[] = { IO_V1_BELOW, NULL };
static const char *const v1_all[] = { "cpu.stat", "cpuacct.usage", "cpuacct.stat",
				      V1_MEMORY,  V2_PIDS,	   IO_V1_BELOW,
				      NULL };
static const char *const none[] = { NULL };

#define COUNTED (JL__CG_CPU | JL__CG_CPUACCT | JL__CG_MEMORY | JL__CG_PIDS | JL__CG_IO)

const char *const *jl__cg_stat_files(const struct jl__cg_hierarchy *hierarchy)
{
	uint32_t offers = hierarchy->offers & COUNTED;

	if (hierarchy->version == 2)
		return offers ? v2_all : v2_core;
	switch (offers) {
	case 0:
		return none;
	case JL__CG_CPU:
		return v1_cpu;
	case JL__CG_CPUACCT:
		return v1_cpuacct;
	case JL__CG_MEMORY:
		return v1_memory;
	case JL__CG_PIDS:
		return v1_pids;
	case JL__CG_IO:
		return v1_io;
	default:
		/* Mounted together: a file that is not there is passed over by the
		 * reader. */
		return v1_all;
	}
}

void jl__cg_stats_clear(struct jl_stats *stats)
{
	size_t size = stats->size < sizeof(*stats) ? stats->size : sizeof(*stats);

	if (size > sizeof(stats->size))
		memset((char *)stats + sizeof(stats->size), 0xff,
		       size - sizeof(stats->size));
}

static void put(struct jl_stats *stats, uint32_t at, uint64_t value)
{
	if (stats->size >= at + sizeof(value))
		memcpy((char *)stats + at, &value, sizeof(value));
}

static uint64_t scale(uint64_t value, uint32_t times, uint32_t by)
{
	if (__builtin_mul_overflow(value, times, &value) || value > MUCH)
		return MUCH;
	return value / by;
}

static void add_to(uint64_t *sum, uint64_t value)
{
	if (*sum == UINT64_MAX)
		*sum = 0;
	if (__builtin_add_overflow(*sum, value, sum) || *sum > MUCH)
		*sum = MUCH;
}

/* "254:0 rbytes=1 wbytes=2 ..." of v2, "254:0 Read 1" of v1. */
static void add_io_line(struct jl__span line, bool v2, uint64_t *reads, uint64_t *writes)
{
	struct jl__span device, key, value;
	uint64_t number;

	if (!jl__span_next(&line, ' ', &device))
		return;
	while (jl__span_next(&line, v2 ? '=' : ' ', &key) &&
	       jl__span_next(&line, ' ', &value)) {
		if (!jl__span_u64(value, &number))
			continue;
		if (jl__span_is(key, v2 ? "rbytes" : "Read"))
			add_to(reads, number);
		if (jl__span_is(key, v2 ? "wbytes" : "Write"))
			add_to(writes, number);
	}
}

static void add_io(struct jl_stats *stats, struct jl__span text, bool v2)
{
	uint64_t reads = UINT64_MAX, writes = UINT64_MAX;
	struct jl__span line;

	while (jl__span_next(&text, '\n', &line))
		add_io_line(line, v2, &reads, &writes);
	/* No device has a line before the first byte moves. */
	put(stats, AT(io_read_bytes), reads == UINT64_MAX ? 0 : reads);
	put(stats, AT(io_write_bytes), writes == UINT64_MAX ? 0 : writes);
}

static void add_line(struct jl_stats *stats, const char *file, struct jl__span line)
{
	struct jl__span key = { "", 0 }, number = line;
	uint64_t value;

	/* A line is "key number" or the number alone. */
	if (memchr(line.text, ' ', line.len))
		(void)jl__span_next(&number, ' ', &key);
	if (!jl__span_u64(number, &value))
		return;
	for (size_t i = 0; i < N_VALUES; i++)
		if (strcmp(values[i].file, file) == 0 && jl__span_is(key, values[i].key))
			put(stats, values[i].at,
			    scale(value, values[i].times, values[i].by));
}

void jl__cg_stats_add(struct jl_stats *stats, const char *file, const char *text,
		      size_t len)
{
	struct jl__span rest = { text, len }, line;

	if (strcmp(file, IO_V2) == 0 || strcmp(file, IO_V1) == 0 ||
	    strcmp(file, IO_V1_BELOW) == 0) {
		add_io(stats, rest, strcmp(file, IO_V2) == 0);
		return;
	}
	while (jl__span_next(&rest, '\n', &line))
		add_line(stats, file, line);
}

bool jl__cg_find_key(const char *text, size_t len, const char *key, uint64_t *ret)
{
	struct jl__span rest = { text, len }, line, name;

	while (jl__span_next(&rest, '\n', &line))
		if (jl__span_next(&line, ' ', &name) && jl__span_is(name, key) &&
		    jl__span_u64(line, ret))
			return true;
	return false;
}
