/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>

#include "base/alloc.h"
#include "test_cgroup.h"

static jl_limits *limits;
static jl_error *err;
static char folder[] = "/tmp/jltest-limits-XXXXXX";
static int folder_fd = -EBADF;
static struct jl__cg_tree tree;

static void set_up(void)
{
	(void)strcpy(strrchr(folder, '-'), "-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(folder_fd, 0);
	ck_assert_int_eq(jl_limits_new(&limits), 0);
}

static void tear_down(void)
{
	static const char *const files[] = { "cpuset.effective_cpus",
					     "cpuset.effective_mems",
					     "cpuset.cpus.effective" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		(void)unlinkat(folder_fd, files[i], 0);
	(void)close(folder_fd);
	(void)rmdir(folder);
	jl_limits_free(limits);
	jl_error_free(err);
	err = NULL;
}

#define ALL (JL__CG_CPU | JL__CG_CPUSET | JL__CG_MEMORY | JL__CG_IO | JL__CG_PIDS)

/* One hierarchy with everything, its base the temporary folder. */
static void make_tree(int version)
{
	tree = (struct jl__cg_tree){ .count = 1, .offers = ALL };
	tree.list[0] =
		(struct jl__cg_hierarchy){ version, ALL, folder_fd, folder, folder };
	write_text(folder,
		   version == 2 ? "cpuset.cpus.effective" : "cpuset.effective_cpus",
		   "0-7\n");
	if (version == 1)
		write_text(folder, "cpuset.effective_mems", "0-1\n");
}

static const struct {
	const char *list, *normal;
	int code;
} cpu_lists[] = {
	{ "0", "0", 0 },
	{ "0-1,4-5", "0-1,4-5", 0 },
	{ "5,4,1,0,4-5", "0-1,4-5", 0 },
	{ "0,1,2", "0-2", 0 },
	{ "007", "7", 0 },
	{ "8191", "8191", 0 },
	{ "63-64", "63-64", 0 },
	{ "0-8191", "0-8191", 0 },
	{ "", "", 0 },
	{ NULL, "", 0 },
	{ "8192", NULL, -ERANGE },
	{ "0-8192", NULL, -ERANGE },
	{ "99999999999999999999999999999999999", NULL, -ERANGE },
	{ "5-4", NULL, -EINVAL },
	{ ",", NULL, -EINVAL },
	{ "0,", NULL, -EINVAL },
	{ "0,,1", NULL, -EINVAL },
	{ "-1", NULL, -EINVAL },
	{ "1-", NULL, -EINVAL },
	{ "1-2-3", NULL, -EINVAL },
	{ " 1", NULL, -EINVAL },
	{ "1\n", NULL, -EINVAL },
	{ "0x1", NULL, -EINVAL },
	{ "\xff", NULL, -EINVAL },
};

START_TEST(core_lists_are_normalised)
{
	int r = jl_limits_set_cpus(limits, cpu_lists[_i].list, &err);

	ck_assert_int_eq(r, cpu_lists[_i].code);
	ck_assert_int_eq(jl_error_code(err), cpu_lists[_i].code);
	if (r == 0)
		ck_assert_str_eq(jl_limits_get_cpus(limits), cpu_lists[_i].normal);
}
END_TEST

START_TEST(a_bad_core_list_changes_nothing)
{
	ck_assert_int_eq(jl_limits_set_cpus(limits, "3", NULL), 0);
	ck_assert_int_eq(jl_limits_set_cpus(limits, "3,x", &err), -EINVAL);
	ck_assert_str_eq(jl_error_message(err),
			 "\"3,x\" is not a list of cores: malformed at byte 3, "
			 "expected a form like \"0-1,4\"");
	ck_assert_str_eq(jl_limits_get_cpus(limits), "3");
}
END_TEST

START_TEST(every_second_core_fits)
{
	struct jl__cpus set, again;
	char *text;

	memset(&set, 0x55, sizeof(set));
	text = jl__cpus_format(&set);
	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(jl__cpus_parse(text, &again, NULL), 0);
	ck_assert_mem_eq(&set, &again, sizeof(set));
	jl__free(text);
}
END_TEST

static int set_one(int what, uint64_t value)
{
	switch (what) {
	case JL_LIMIT_CPU_PERCENT:
		return jl_limits_set_cpu_percent(limits, (uint32_t)value, &err);
	case JL_LIMIT_MEMORY_BYTES:
		return jl_limits_set_memory_bytes(limits, value, &err);
	case JL_LIMIT_PIDS:
		return jl_limits_set_pids(limits, value, &err);
	case JL_LIMIT_IO_READ_BPS:
		return jl_limits_set_io_bps(limits, value, 0, &err);
	default:
		return jl_limits_set_io_bps(limits, 0, value, &err);
	}
}

static const struct {
	int what;
	uint64_t value;
	int code;
} ranges[] = {
	{ JL_LIMIT_CPU_PERCENT, 0, 0 },
	{ JL_LIMIT_CPU_PERCENT, 1, 0 },
	{ JL_LIMIT_CPU_PERCENT, 1000000, 0 },
	{ JL_LIMIT_CPU_PERCENT, 1000001, -ERANGE },
	{ JL_LIMIT_CPU_PERCENT, UINT32_MAX, -ERANGE },
	{ JL_LIMIT_MEMORY_BYTES, 0, 0 },
	{ JL_LIMIT_MEMORY_BYTES, 1, -ERANGE },
	{ JL_LIMIT_MEMORY_BYTES, (1 << 20) - 1, -ERANGE },
	{ JL_LIMIT_MEMORY_BYTES, 1 << 20, 0 },
	{ JL_LIMIT_MEMORY_BYTES, UINT64_C(1) << 62, 0 },
	{ JL_LIMIT_MEMORY_BYTES, (UINT64_C(1) << 62) + 1, -ERANGE },
	{ JL_LIMIT_MEMORY_BYTES, UINT64_MAX, -ERANGE },
	{ JL_LIMIT_PIDS, 1, 0 },
	{ JL_LIMIT_PIDS, 4194304, 0 },
	{ JL_LIMIT_PIDS, 4194305, -ERANGE },
	{ JL_LIMIT_IO_READ_BPS, 1023, -ERANGE },
	{ JL_LIMIT_IO_READ_BPS, 1024, 0 },
	{ JL_LIMIT_IO_WRITE_BPS, 1, -ERANGE },
	{ JL_LIMIT_IO_WRITE_BPS, UINT64_MAX - 1, 0 },
	{ JL_LIMIT_IO_WRITE_BPS, UINT64_MAX, -ERANGE },
};

START_TEST(limits_have_a_floor_and_a_ceiling)
{
	int r = set_one(ranges[_i].what, ranges[_i].value);

	ck_assert_int_eq(r, ranges[_i].code);
	ck_assert_int_eq(jl_error_code(err), ranges[_i].code);
	ck_assert_uint_eq(jl_limits_get(limits, ranges[_i].what),
			  r == 0 ? ranges[_i].value : JL_UNLIMITED);
	ck_assert_int_eq(jl__limits_any(limits), r == 0 && ranges[_i].value != 0);
}
END_TEST

START_TEST(an_unknown_limit_is_unlimited)
{
	ck_assert_uint_eq(jl_limits_get(limits, 99), JL_UNLIMITED);
	ck_assert_uint_eq(jl_limits_get(limits, -1), JL_UNLIMITED);
}
END_TEST

START_TEST(a_copy_stands_by_itself)
{
	jl_limits *copy;

	ck_assert_int_eq(jl_limits_set_cpus(limits, "1", NULL), 0);
	ck_assert_int_eq(jl_limits_set_pids(limits, 7, NULL), 0);
	copy = jl__limits_copy(limits);
	ck_assert_ptr_nonnull(copy);
	ck_assert_int_eq(jl_limits_set_cpus(limits, NULL, NULL), 0);
	ck_assert_str_eq(jl_limits_get_cpus(copy), "1");
	ck_assert_uint_eq(jl_limits_get(copy, JL_LIMIT_PIDS), 7);
	jl_limits_free(copy);
}
END_TEST

static void set_all(void)
{
	ck_assert_int_eq(jl_limits_set_cpu_percent(limits, 150, NULL), 0);
	ck_assert_int_eq(jl_limits_set_memory_bytes(limits, (1 << 24) + 4095, NULL), 0);
	ck_assert_int_eq(jl_limits_set_pids(limits, 9, NULL), 0);
	ck_assert_int_eq(jl_limits_set_io_bps(limits, 1 << 20, 0, NULL), 0);
	ck_assert_int_eq(jl_limits_set_cpus(limits, "0", NULL), 0);
}

/* "file=value" of each write, one a line. */
static void print_writes(const struct jl__cg_writes *writes, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < writes->count; i++) {
		ck_assert_str_eq(writes->list[i].value, writes->list[i].expect);
		len += (size_t)snprintf(text + len, size - len, "%s=%s\n",
					writes->list[i].file, writes->list[i].value);
		ck_assert_uint_lt(len, size);
	}
}

static const struct {
	int version;
	uint32_t swap;
	const char *writes;
} compiled[] = {
	{ 2, JL__CG_SWAP,
	  "cpuset.cpus=0\n"
	  "cpu.max=150000 100000\n"
	  "memory.max=16777216\n"
	  "memory.swap.max=0\n"
	  "memory.oom.group=1\n"
	  "io.max=8:0 rbps=1048576 wbps=max riops=max wiops=max\n"
	  "pids.max=9\n" },
	{ 2, 0,
	  "cpuset.cpus=0\n"
	  "cpu.max=150000 100000\n"
	  "memory.max=16777216\n"
	  "memory.oom.group=1\n"
	  "io.max=8:0 rbps=1048576 wbps=max riops=max wiops=max\n"
	  "pids.max=9\n" },
	{ 1, JL__CG_SWAP,
	  "cpuset.mems=0-1\n"
	  "cpuset.cpus=0\n"
	  "cpu.cfs_period_us=100000\n"
	  "cpu.cfs_quota_us=150000\n"
	  "memory.limit_in_bytes=16777216\n"
	  "memory.memsw.limit_in_bytes=16777216\n"
	  "blkio.throttle.read_bps_device=8:0 1048576\n"
	  "pids.max=9\n" },
	{ 1, 0,
	  "cpuset.mems=0-1\n"
	  "cpuset.cpus=0\n"
	  "cpu.cfs_period_us=100000\n"
	  "cpu.cfs_quota_us=150000\n"
	  "memory.limit_in_bytes=16777216\n"
	  "memory.swappiness=0\n"
	  "blkio.throttle.read_bps_device=8:0 1048576\n"
	  "pids.max=9\n" },
};

START_TEST(limits_become_writes_in_order)
{
	struct jl__cg_writes writes;
	char text[1024];

	make_tree(compiled[_i].version);
	set_all();
	ck_assert_int_eq(jl__cg_compile(&tree, ALL | compiled[_i].swap, limits, "8:0",
					&writes, &err),
			 0);
	print_writes(&writes, text, sizeof(text));
	ck_assert_str_eq(text, compiled[_i].writes);
	ck_assert_uint_eq(writes.offers, ALL);
	jl__cg_writes_done(&writes);
}
END_TEST

START_TEST(no_limit_is_no_write)
{
	struct jl__cg_writes writes;

	make_tree(2);
	ck_assert_int_eq(jl__cg_compile(&tree, ALL, limits, NULL, &writes, &err), 0);
	ck_assert_uint_eq(writes.count, 0);
	ck_assert_uint_eq(writes.offers, 0);
	jl__cg_writes_done(&writes);
}
END_TEST

START_TEST(only_what_is_asked_is_needed)
{
	struct jl__cg_writes writes;

	make_tree(1);
	ck_assert_int_eq(jl_limits_set_pids(limits, 5, NULL), 0);
	ck_assert_int_eq(jl_limits_set_io_bps(limits, 0, 4096, NULL), 0);
	ck_assert_int_eq(jl__cg_compile(&tree, ALL, limits, "8:16", &writes, &err), 0);
	ck_assert_uint_eq(writes.offers, JL__CG_PIDS | JL__CG_IO);
	ck_assert_uint_eq(writes.count, 2);
	ck_assert_str_eq(writes.list[0].file, "blkio.throttle.write_bps_device");
	ck_assert_str_eq(writes.list[0].value, "8:16 4096");
	jl__cg_writes_done(&writes);
}
END_TEST

static const struct {
	uint32_t lack;
	const char *limit, *controller;
} lacks[] = {
	{ JL__CG_CPU, "a CPU limit", "controller cpu" },
	{ JL__CG_MEMORY, "a memory limit", "controller memory" },
	{ JL__CG_IO, "a disk limit", "controller io" },
	{ JL__CG_PIDS, "a limit on processes", "controller pids" },
	{ JL__CG_CPUSET, "a choice of cores", "controller cpuset" },
};

START_TEST(what_cannot_be_applied_is_named)
{
	struct jl__cg_writes writes;

	make_tree(2);
	set_all();
	ck_assert_int_eq(jl__cg_compile(&tree, ALL & ~lacks[_i].lack, limits, "8:0",
					&writes, &err),
			 -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(jl_error_message(err), lacks[_i].limit));
	ck_assert_ptr_nonnull(strstr(jl_error_message(err), lacks[_i].controller));
	ck_assert_ptr_nonnull(strstr(jl_error_message(err), "Delegate=yes"));
	/* Not even in the tree: another sentence, the same code. */
	tree.list[0].offers &= ~lacks[_i].lack;
	jl_error_free(err);
	err = NULL;
	ck_assert_int_eq(jl__cg_compile(&tree, ALL, limits, "8:0", &writes, &err),
			 -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(jl_error_message(err), "not available here"));
}
END_TEST

START_TEST(a_core_must_be_given_to_the_base)
{
	struct jl__cg_writes writes;

	make_tree(2);
	write_text(folder, "cpuset.cpus.effective", "4-5\n");
	ck_assert_int_eq(jl_limits_set_cpus(limits, "0", NULL), 0);
	ck_assert_int_eq(jl__cg_compile(&tree, ALL, limits, NULL, &writes, &err),
			 -EINVAL);
	ck_assert_ptr_nonnull(
		strstr(jl_error_message(err), "core 0 is not given to cgroup"));
	jl_error_free(err);
	err = NULL;
	ck_assert_int_eq(jl_limits_set_cpus(limits, "0,8191", NULL), 0);
	ck_assert_int_eq(jl__cg_compile(&tree, ALL, limits, NULL, &writes, &err),
			 -EINVAL);
	ck_assert_ptr_nonnull(strstr(jl_error_message(err),
				     "core 8191 does not exist or is offline (online: "));
}
END_TEST

START_TEST(disk_limits_want_a_device)
{
	struct jl__cg_writes writes;

	make_tree(2);
	ck_assert_int_eq(jl_limits_set_io_bps(limits, 4096, 0, NULL), 0);
	ck_assert_int_eq(jl__cg_compile(&tree, ALL, limits, NULL, &writes, &err),
			 -EINVAL);
}
END_TEST

static int build_limits(jl_error **ret_err)
{
	jl_limits *fresh = NULL, *copy = NULL;
	int r = jl_limits_new(&fresh);

	if (r == 0)
		r = jl_limits_set_cpus(fresh, "0,1", ret_err);
	if (r == 0) {
		copy = jl__limits_copy(fresh);
		r = copy ? 0 : -ENOMEM;
	}
	jl_limits_free(copy);
	jl_limits_free(fresh);
	return r;
}

static int compile_all(jl_error **ret_err)
{
	struct jl__cg_writes writes = { 0 };
	int r = jl__cg_compile(&tree, ALL | JL__CG_SWAP, limits, "8:0", &writes, ret_err);

	jl__cg_writes_done(&writes);
	return r;
}

START_TEST(a_lack_of_memory_is_told)
{
	make_tree(1 + _i);
	set_all();
	run_short_of_memory(build_limits);
	/* The limits were made by malloc, which is what the counted functions are, too.
	 */
	run_short_of_memory(compile_all);
}
END_TEST

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

int main(void)
{
	TCase *tcase = tcase_create("limits");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, core_lists_are_normalised, 0, ROWS(cpu_lists));
	tcase_add_test(tcase, a_bad_core_list_changes_nothing);
	tcase_add_test(tcase, every_second_core_fits);
	tcase_add_loop_test(tcase, limits_have_a_floor_and_a_ceiling, 0, ROWS(ranges));
	tcase_add_test(tcase, an_unknown_limit_is_unlimited);
	tcase_add_test(tcase, a_copy_stands_by_itself);
	tcase_add_loop_test(tcase, limits_become_writes_in_order, 0, ROWS(compiled));
	tcase_add_test(tcase, no_limit_is_no_write);
	tcase_add_test(tcase, only_what_is_asked_is_needed);
	tcase_add_loop_test(tcase, what_cannot_be_applied_is_named, 0, ROWS(lacks));
	tcase_add_test(tcase, a_core_must_be_given_to_the_base);
	tcase_add_test(tcase, disk_limits_want_a_device);
	tcase_add_loop_test(tcase, a_lack_of_memory_is_told, 0, 2);
	return run_suite("cgroup_limits", tcase);
}
