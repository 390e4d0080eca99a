/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stddef.h>

#include "test_cgroup.h"

#define AT(member) offsetof(struct jl_stats, member)
#define NOT_OFFERED UINT64_MAX
#define MUCH (UINT64_MAX - 1)

static struct jl_stats stats;

static void set_up(void)
{
	stats = (struct jl_stats){ .size = sizeof(stats) };
	jl__cg_stats_clear(&stats);
}

static void tear_down(void)
{
}

static uint64_t value_at(size_t at)
{
	uint64_t value;

	memcpy(&value, (const char *)&stats + at, sizeof(value));
	return value;
}

#define CPU_STAT_V2                                                        \
	"usage_usec 5000\nuser_usec 3000\nsystem_usec 2000\nnice_usec 0\n" \
	"core_sched.force_idle_usec 0\nnr_periods 7\nnr_throttled 2\n"     \
	"throttled_usec 900\nnr_bursts 0\nburst_usec 0\n"
#define CPU_STAT_V1 \
	"nr_periods 4\nnr_throttled 1\nthrottled_time 123456\nnr_bursts 0\nburst_time 0\n"
#define MEMORY_STAT_V2 "anon 4096\nfile 8192\nkernel 1\nshmem 16\ninactive_anon 5\n"
#define MEMORY_STAT_V1                                             \
	"cache 10\nrss 20\nrss_huge 0\nshmem 0\ninactive_anon 1\n" \
	"hierarchical_memory_limit 99\ntotal_cache 100\ntotal_rss 200\ntotal_rss_huge 0\n"
#define OOM_CONTROL "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"
#define MEMORY_EVENTS "low 0\nhigh 0\nmax 9\noom 1\noom_kill 4\noom_group_kill 1\n"
#define IO_STAT                                                                    \
	"8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0\n" \
	"8:0 rbytes=100 wbytes=4 rios=3 wios=1 dbytes=50331648 dios=3021\n"        \
	"7:0 \n"
#define BLKIO                                                               \
	"254:0 Read 4096\n254:0 Write 12288\n254:0 Sync 1\n254:0 Async 2\n" \
	"254:0 Discard 5\n254:0 Total 16384\n8:0 Read 4\n8:0 Write 0\nTotal 16388\n"

static const struct {
	const char *file, *text;
	size_t at;
	uint64_t value;
} parsed[] = {
	{ "cpu.stat", CPU_STAT_V2, AT(cpu_usec), 5000 },
	{ "cpu.stat", CPU_STAT_V2, AT(cpu_user_usec), 3000 },
	{ "cpu.stat", CPU_STAT_V2, AT(cpu_system_usec), 2000 },
	{ "cpu.stat", CPU_STAT_V2, AT(cpu_throttled_usec), 900 },
	{ "cpu.stat", CPU_STAT_V1, AT(cpu_throttled_usec), 123 },
	{ "cpu.stat", CPU_STAT_V1, AT(cpu_usec), NOT_OFFERED },
	{ "cpuacct.usage", "123456789\n", AT(cpu_usec), 123456 },
	{ "cpuacct.stat", "user 3\nsystem 4\n", AT(cpu_user_usec), 30000 },
	{ "cpuacct.stat", "user 3\nsystem 4\n", AT(cpu_system_usec), 40000 },
	{ "memory.current", "65536\n", AT(memory_bytes), 65536 },
	{ "memory.current", "65536", AT(memory_bytes), 65536 },
	{ "memory.peak", "70000\n", AT(memory_peak_bytes), 70000 },
	{ "memory.usage_in_bytes", "1\n", AT(memory_bytes), 1 },
	{ "memory.max_usage_in_bytes", "2\n", AT(memory_peak_bytes), 2 },
	{ "memory.stat", MEMORY_STAT_V2, AT(memory_anon_bytes), 4096 },
	{ "memory.stat", MEMORY_STAT_V2, AT(memory_file_bytes), 8192 },
	{ "memory.stat", MEMORY_STAT_V1, AT(memory_anon_bytes), 200 },
	{ "memory.stat", MEMORY_STAT_V1, AT(memory_file_bytes), 100 },
	{ "memory.stat", "cache 10\nrss 20\n", AT(memory_anon_bytes), 20 },
	{ "memory.events", MEMORY_EVENTS, AT(memory_oom_kills), 4 },
	{ "memory.oom_control", OOM_CONTROL, AT(memory_oom_kills), 3 },
	{ "pids.current", "12\n", AT(pids), 12 },
	{ "pids.peak", "13\n", AT(pids_peak), 13 },
	{ "pids.events", "max 2\n", AT(pids_refused), 2 },
	{ "io.stat", IO_STAT, AT(io_read_bytes), 1459300 },
	{ "io.stat", IO_STAT, AT(io_write_bytes), 314773508 },
	{ "io.stat", "", AT(io_read_bytes), 0 },
	{ "blkio.throttle.io_service_bytes", BLKIO, AT(io_read_bytes), 4100 },
	{ "blkio.throttle.io_service_bytes_recursive", BLKIO, AT(io_write_bytes), 12288 },
	{ "blkio.throttle.io_service_bytes", "Total 0\n", AT(io_read_bytes), 0 },
	/* Of another file, of no file, too large, negative, not a number: passed over. */
	{ "memory.current", "max\n", AT(memory_bytes), NOT_OFFERED },
	{ "memory.current", "-1\n", AT(memory_bytes), NOT_OFFERED },
	{ "memory.current", "99999999999999999999\n", AT(memory_bytes), NOT_OFFERED },
	{ "memory.current", "999999999999999999999999999\n", AT(memory_bytes),
	  NOT_OFFERED },
	{ "memory.current", "", AT(memory_bytes), NOT_OFFERED },
	{ "cpu.stat", "usage_usec\nusage_usec \nusage_usec 5x\n", AT(cpu_usec),
	  NOT_OFFERED },
	{ "nonsense", "5\n", AT(cpu_usec), NOT_OFFERED },
	/* Counters never become the value that means "not offered". */
	{ "memory.current", "18446744073709551615\n", AT(memory_bytes), MUCH },
	{ "cpuacct.stat", "user 18446744073709551615\n", AT(cpu_user_usec), MUCH },
	{ "io.stat", "8:0 rbytes=18446744073709551615\n8:1 rbytes=5\n", AT(io_read_bytes),
	  MUCH },
};

START_TEST(files_become_values)
{
	jl__cg_stats_add(&stats, parsed[_i].file, parsed[_i].text,
			 strlen(parsed[_i].text));
	ck_assert_uint_eq(value_at(parsed[_i].at), parsed[_i].value);
}
END_TEST

START_TEST(reading_again_replaces)
{
	jl__cg_stats_add(&stats, "io.stat", IO_STAT, strlen(IO_STAT));
	jl__cg_stats_add(&stats, "io.stat", IO_STAT, strlen(IO_STAT));
	ck_assert_uint_eq(stats.io_read_bytes, 1459300);
}
END_TEST

START_TEST(a_small_struct_is_not_overrun)
{
	struct jl_stats small;

	memset(&small, 0, sizeof(small));
	small.size = offsetof(struct jl_stats, cpu_user_usec) + 4;
	jl__cg_stats_clear(&small);
	ck_assert_uint_eq(small.cpu_usec, NOT_OFFERED);
	jl__cg_stats_add(&small, "cpu.stat", CPU_STAT_V2, strlen(CPU_STAT_V2));
	ck_assert_uint_eq(small.cpu_usec, 5000);
	ck_assert_uint_eq(small.cpu_user_usec, UINT32_MAX);
	ck_assert_uint_eq(small.cpu_system_usec, 0);
	small.size = 0;
	jl__cg_stats_clear(&small);
	ck_assert_uint_eq(small.cpu_usec, 5000);
}
END_TEST

START_TEST(damaged_files_do_no_harm)
{
	uint32_t seed = 1;
	size_t len;
	char *text;

	for (size_t i = 0; i < sizeof(parsed) / sizeof(parsed[0]); i++)
		for (int turn = 0; turn < 500; turn++) {
			text = damaged(parsed[i].text, &seed, &len);
			jl__cg_stats_add(&stats, parsed[i].file, text, len);
			free(text);
		}
	ck_assert_uint_eq(stats.size, sizeof(stats));
}
END_TEST

START_TEST(a_key_is_found_whole)
{
	uint64_t value = 7;

	ck_assert(jl__cg_find_key(OOM_CONTROL, strlen(OOM_CONTROL), "oom_kill", &value));
	ck_assert_uint_eq(value, 3);
	ck_assert(!jl__cg_find_key(OOM_CONTROL, strlen(OOM_CONTROL), "oom", &value));
	ck_assert(!jl__cg_find_key(OOM_CONTROL, 8, "oom_kill", &value));
}
END_TEST

static const struct {
	int version;
	uint32_t offers;
	const char *first;
	size_t count;
} files[] = {
	{ 2, JL__CG_CORE, "cpu.stat", 1 },
	{ 2, JL__CG_CORE | JL__CG_MEMORY, "cpu.stat", 9 },
	{ 1, JL__CG_CPU, "cpu.stat", 1 },
	{ 1, JL__CG_CPUACCT, "cpuacct.usage", 2 },
	{ 1, JL__CG_MEMORY, "memory.usage_in_bytes", 4 },
	{ 1, JL__CG_PIDS, "pids.current", 3 },
	{ 1, JL__CG_IO, "blkio.throttle.io_service_bytes_recursive", 1 },
	{ 1, JL__CG_CPU | JL__CG_CPUACCT, "cpu.stat", 11 },
	{ 1, JL__CG_FREEZER | JL__CG_CPUSET, NULL, 0 },
};

START_TEST(each_hierarchy_has_its_files)
{
	struct jl__cg_hierarchy hierarchy = { .version = files[_i].version,
					      .offers = files[_i].offers };
	const char *const *list = jl__cg_stat_files(&hierarchy);
	size_t count = 0;

	while (list[count])
		count++;
	ck_assert_uint_eq(count, files[_i].count);
	ck_assert_pstr_eq(list[0], files[_i].first);
}
END_TEST

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

int main(void)
{
	TCase *tcase = tcase_create("stat");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, files_become_values, 0, ROWS(parsed));
	tcase_add_test(tcase, reading_again_replaces);
	tcase_add_test(tcase, a_small_struct_is_not_overrun);
	tcase_add_test(tcase, damaged_files_do_no_harm);
	tcase_add_test(tcase, a_key_is_found_whole);
	tcase_add_loop_test(tcase, each_hierarchy_has_its_files, 0, ROWS(files));
	return run_suite("cgroup_stat", tcase);
}
