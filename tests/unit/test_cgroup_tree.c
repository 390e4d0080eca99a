/* SPDX-License-Identifier: MIT */
/* Hierarchies from recorded texts, with the folders they name made in a temporary one. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "test_cgroup.h"

static char top[64];
static struct jl__cg_tree *tree;
static jl_error *err;

static void set_up(void)
{
	(void)snprintf(top, sizeof(top), "/tmp/jltest-tree-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(top));
}

static int remove_entry(const char *path, const struct stat *st, int type,
			struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void tear_down(void)
{
	tree = jl__cg_tree_free(tree);
	jl_error_free(err);
	err = NULL;
	(void)nftw(top, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Makes a folder below the temporary one, parents included. */
static void make(const char *path)
{
	char full[256];

	(void)snprintf(full, sizeof(full), "%s/%s", top, path);
	for (char *p = full + strlen(top) + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		(void)mkdir(full, 0755);
		*p = '/';
	}
	ck_assert(mkdir(full, 0755) == 0 || errno == EEXIST);
}

/* Copies a text, each '@' replaced by the temporary folder. */
static char *place(const char *text)
{
	struct jl__buf buf = JL__BUF_INIT(1 << 16);

	for (; *text; text++)
		if (*text == '@')
			(void)jl__buf_add_str(&buf, top);
		else
			(void)jl__buf_add(&buf, text, 1);
	ck_assert_int_eq(buf.failed, 0);
	return jl__buf_steal(&buf);
}

static int build(const char *mountinfo, const char *self, const char *base)
{
	char *mounts = place(mountinfo);
	struct jl__cg_source source = { span_of(mounts), span_of(self), true };
	int r = jl__cg_tree_build(&source, base, &tree, &err);

	jl__free(mounts);
	return r;
}

/* "version:offers:path" of each hierarchy, one a line. */
static const char *printed(void)
{
	static char text[1024];
	size_t len = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < tree->count; i++) {
		len += (size_t)snprintf(text + len, sizeof(text) - len, "v%d",
					tree->list[i].version);
		for (uint32_t offer = 1; offer <= JL__CG_CPUACCT; offer <<= 1)
			if (tree->list[i].offers & offer)
				len += (size_t)snprintf(text + len, sizeof(text) - len,
							" %s", jl__cg_offer_name(offer));
		len += (size_t)snprintf(text + len, sizeof(text) - len, " %s %s\n",
					tree->list[i].mount + strlen(top),
					tree->list[i].path);
	}
	return text;
}

#define MOUNTS_V2                                         \
	"22 27 0:21 / /proc rw,relatime - proc proc rw\n" \
	"30 23 0:26 / @/cg rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"

#define MOUNTS_HYBRID                                                             \
	"31 23 0:28 / @ rw,relatime - tmpfs tmpfs rw,mode=755\n"                  \
	"32 31 0:29 / @/cpu,cpuacct rw shared:5 - cgroup cgroup rw,cpu,cpuacct\n" \
	"34 31 0:31 / @/cpuset rw - cgroup cgroup rw,cpuset\n"                    \
	"35 31 0:32 / @/memory rw - cgroup cgroup rw,memory\n"                    \
	"36 31 0:33 / @/devices rw - cgroup cgroup rw,devices\n"                  \
	"37 31 0:34 / @/freezer rw - cgroup cgroup rw,freezer\n"                  \
	"38 31 0:35 / @/blkio rw - cgroup cgroup rw,blkio\n"                      \
	"39 31 0:36 / @/pids rw - cgroup cgroup rw,pids\n"                        \
	"40 31 0:37 / @/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"

#define SELF_V1                                                                 \
	"9:name=systemd:/user\n8:pids:/\n7:blkio:/\n6:freezer:/\n5:devices:/\n" \
	"4:memory:/jobs/1\n3:cpuset:/\n2:cpu,cpuacct:/\n"

static void make_hybrid(void)
{
	static const char *const folders[] = { "cpu,cpuacct", "cpuset",	 "memory/jobs/1",
					       "devices",     "freezer", "blkio",
					       "pids",	      "systemd", "unified" };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		make(folders[i]);
}

START_TEST(pure_v2_is_one_hierarchy)
{
	make("cg/user.slice/a b.scope");
	write_text(top, "cg/user.slice/a b.scope/cgroup.controllers",
		   "cpu memory pids\n");
	ck_assert_int_eq(build(MOUNTS_V2, "0::/user.slice/a b.scope\n", NULL), 0);
	ck_assert_str_eq(printed(),
			 "v2 cgroup v2 cpu memory pids /cg /user.slice/a b.scope\n");
	ck_assert_int_eq(jl__cg_tree_find(tree, JL__CG_MEMORY), 0);
	ck_assert_int_eq(jl__cg_tree_find(tree, JL__CG_IO), -ENOENT);
}
END_TEST

START_TEST(hybrid_takes_each_offer_once_and_v2_first)
{
	make_hybrid();
	write_text(top, "unified/cgroup.controllers", "hugetlb pids\n");
	ck_assert_int_eq(build(MOUNTS_HYBRID
			       "41 31 0:38 / @/unified rw - cgroup2 cgroup2 rw\n",
			       SELF_V1 "0::/\n", NULL),
			 0);
	ck_assert_str_eq(printed(), "v2 cgroup v2 pids /unified /\n"
				    "v1 io /blkio /\n"
				    "v1 memory /memory /jobs/1\n"
				    "v1 cpuset /cpuset /\n"
				    "v1 cpu /cpu,cpuacct /\n");
}
END_TEST

START_TEST(pure_v1_brings_freezer_and_cpuacct)
{
	make_hybrid();
	/* The line of v2 is there in every kernel, mounted or not. */
	ck_assert_int_eq(build(MOUNTS_HYBRID, SELF_V1 "0::/\n", NULL), 0);
	ck_assert_str_eq(printed(), "v1 pids /pids /\n"
				    "v1 io /blkio /\n"
				    "v1 freezer /freezer /\n"
				    "v1 memory /memory /jobs/1\n"
				    "v1 cpuset /cpuset /\n"
				    "v1 cpu cpuacct /cpu,cpuacct /\n");
}
END_TEST

START_TEST(a_bind_mounted_subtree_is_entered_by_its_root)
{
	make("cg/job");
	ck_assert_int_eq(build("30 23 0:26 /docker/abc @/cg rw - cgroup2 cgroup rw\n",
			       "0::/docker/abc/job\n", NULL),
			 0);
	ck_assert_str_eq(printed(), "v2 cgroup v2 /cg /docker/abc/job\n");
	write_text(top, "cg/job/mark", "");
	ck_assert(jl__cg_exists(tree->list[0].base_fd, "mark"));
}
END_TEST

START_TEST(a_mount_that_shows_the_group_is_preferred)
{
	make("one");
	make("two/docker/abc");
	/* /docker/ab is not above /docker/abc, however it looks. */
	ck_assert_int_eq(build("30 23 0:26 /docker/ab @/one rw - cgroup2 cgroup rw\n"
			       "31 23 0:26 /other @/one rw - cgroup2 cgroup rw\n"
			       "32 23 0:26 /docker/abc @/missing rw - cgroup2 cgroup rw\n"
			       "33 23 0:26 / @/two rw - cgroup2 cgroup rw\n",
			       "0::/docker/abc\n", NULL),
			 0);
	ck_assert_str_eq(printed(), "v2 cgroup v2 /two /docker/abc\n");
}
END_TEST

START_TEST(a_group_outside_of_the_namespace_is_not_shown)
{
	make("cg");
	ck_assert_int_eq(build("30 23 0:26 / @/cg rw - cgroup2 cgroup rw\n",
			       "0::/../other\n", NULL),
			 0);
	ck_assert_uint_eq(tree->count, 0);
	ck_assert_uint_eq(tree->offers, 0);
	tree = jl__cg_tree_free(tree);
	/* A namespace within a mount made outside: the root is above what we see. */
	ck_assert_int_eq(
		build("30 23 0:26 /../.. @/cg rw - cgroup2 cgroup rw\n", "0::/\n", NULL),
		0);
	ck_assert_uint_eq(tree->count, 0);
}
END_TEST

START_TEST(octal_escapes_are_resolved)
{
	make("my cg/a\tb\\c");
	ck_assert_int_eq(build("30 23 0:26 /x\\040y @/my\\040cg rw - cgroup2 cgroup rw\n",
			       "0::/x y/a\tb\\c\n", NULL),
			 0);
	ck_assert_str_eq(printed(), "v2 cgroup v2 /my cg /x y/a\tb\\c\n");
}
END_TEST

START_TEST(the_leaf_of_the_library_is_left)
{
	make("cg/user/joblet-main");
	write_text(top, "cg/user/mark", "");
	ck_assert_int_eq(build(MOUNTS_V2, "0::/user/joblet-main\n", NULL), 0);
	ck_assert_str_eq(printed(), "v2 cgroup v2 /cg /user\n");
	ck_assert(jl__cg_exists(tree->list[0].base_fd, "mark"));
	tree = jl__cg_tree_free(tree);
	ck_assert_int_eq(build(MOUNTS_V2, "0::/joblet-main\n", NULL), 0);
	ck_assert_str_eq(printed(), "v2 cgroup v2 /cg /\n");
}
END_TEST

static const struct {
	const char *base;
	int code;
} bases[] = {
	{ "/joblet.slice", 0 }, { "/joblet.slice/", 0 }, { "/nowhere", -ENOENT },
	{ "joblet", -EINVAL },	{ "", -EINVAL },	 { "/a/../b", -EINVAL },
	{ "/..", -EINVAL },
};

START_TEST(another_base_must_exist)
{
	make("cg/joblet.slice");
	ck_assert_int_eq(build(MOUNTS_V2, "0::/elsewhere\n", bases[_i].base),
			 bases[_i].code);
	ck_assert_int_eq(jl_error_code(err), bases[_i].code);
	if (bases[_i].code == 0)
		ck_assert_uint_eq(tree->count, 1);
}
END_TEST

static const struct {
	const char *root, *path, *relative;
} relatives[] = {
	{ "/", "/", "" },	   { "/", "/a/b", "a/b" },	 { "/a", "/a", "" },
	{ "/a", "/a/b", "b" },	   { "/a/", "/a/b", "b" },	 { "/a", "/ab", NULL },
	{ "/a/b", "/a", NULL },	   { "/", "/../x", NULL },	 { "/..", "/../x", "x" },
	{ "/a", "/a/../b", NULL }, { "/", "//a///b/./", "a/b" },
};

START_TEST(paths_are_relative_to_the_root_of_the_mount)
{
	char *text = NULL;
	int r = jl__cg_relative(relatives[_i].root, relatives[_i].path, &text);

	ck_assert_int_eq(r, relatives[_i].relative ? 0 : -ENOENT);
	ck_assert_pstr_eq(text, relatives[_i].relative);
	jl__free(text);
}
END_TEST

START_TEST(a_mount_is_found_by_number)
{
	struct jl__span text =
		span_of("1 0 0:1 / / rw - ext4 /dev/a rw\ngarbage\n"
			"7 1 0:44 /v /m rw master:1 - btrfs /dev/b\\040c rw,ssd\n");
	struct jl__mountinfo mount;
	char *source;

	ck_assert_int_eq(jl__cg_mount_by_id(text, 7, &mount), 0);
	ck_assert(jl__span_is(mount.type, "btrfs"));
	source = jl__mountinfo_unescape(mount.source);
	ck_assert_str_eq(source, "/dev/b c");
	jl__free(source);
	ck_assert_int_eq(jl__cg_mount_by_id(text, 8, &mount), -ENOENT);
}
END_TEST

START_TEST(damaged_texts_do_no_harm)
{
	static const char self[] = SELF_V1 "0::/\n";
	struct jl__cg_source source = { .recorded = true };
	uint32_t seed = 7;
	char *mounts = place(MOUNTS_HYBRID MOUNTS_V2), *copies[2];

	make_hybrid();
	for (int turn = 0; turn < 3000; turn++) {
		copies[0] = damaged(mounts, &seed, &source.mountinfo.len);
		copies[1] = damaged(self, &seed, &source.self.len);
		source.mountinfo.text = copies[0];
		source.self.text = copies[1];
		ck_assert_int_eq(jl__cg_tree_build(&source, NULL, &tree, &err), 0);
		ck_assert_uint_le(tree->count, JL__CG_MAX);
		tree = jl__cg_tree_free(tree);
		free(copies[0]);
		free(copies[1]);
	}
	jl__free(mounts);
}
END_TEST

static int build_hybrid(jl_error **ret_err)
{
	static char *mounts;
	struct jl__cg_source source = { .recorded = true };
	struct jl__cg_tree *fresh = NULL;
	int r;

	/* Once and for all, by malloc: not part of what is counted. */
	if (!mounts) {
		char *text = place(MOUNTS_HYBRID MOUNTS_V2);

		mounts = text ? strdup(text) : NULL;
		jl__free(text);
		ck_assert_ptr_nonnull(mounts);
	}
	source.mountinfo = span_of(mounts);
	source.self = span_of(SELF_V1 "0::/\n");
	r = jl__cg_tree_build(&source, NULL, &fresh, ret_err);
	(void)jl__cg_tree_free(fresh);
	return r;
}

static int open_own(jl_error **ret_err)
{
	struct jl__cg_tree *fresh = NULL;
	int r = jl__cg_tree_open(NULL, &fresh, ret_err);

	(void)jl__cg_tree_free(fresh);
	return r;
}

START_TEST(a_lack_of_memory_is_told)
{
	make_hybrid();
	make("cg");
	ck_assert_int_eq(build_hybrid(NULL), 0);
	run_short_of_memory(build_hybrid);
	run_short_of_memory(open_own);
}
END_TEST

/* A v2 base as the kernel shows one, made of plain files. */
static void make_v2_base(const char *procs, const char *subtree)
{
	make("cg/base");
	write_text(top, "cg/base/cgroup.controllers", "cpu memory\n");
	write_text(top, "cg/base/cgroup.subtree_control", subtree);
	write_text(top, "cg/base/cgroup.type", "domain\n");
	write_text(top, "cg/base/cgroup.procs", procs);
	ck_assert_int_eq(build(MOUNTS_V2, "0::/base\n", NULL), 0);
}

START_TEST(foreign_members_forbid_controllers)
{
	struct jl__cg_nest nest;
	char text[256], *why = NULL;

	make_v2_base("1\n77\n", "");
	ck_assert_int_eq(jl__cg_nest_create(tree, "x1", true, &nest, &why, &err), 0);
	ck_assert_str_eq(
		why, "cgroup \"/base\" holds other processes, so cgroup v2 refuses "
		     "controllers below it; start from a delegated group (systemd-run "
		     "--scope -p Delegate=yes) or set another base");
	ck_assert_uint_eq(nest.offers, JL__CG_CORE);
	/* Nothing was enabled: next to members that would spoil the groups below. */
	ck_assert_int_eq(jl__cg_read(tree->list[0].base_fd, "cgroup.subtree_control",
				     text, sizeof(text)),
			 0);
	ck_assert(!jl__cg_exists(tree->list[0].base_fd, "joblet-main"));
	jl__free(why);
	jl__cg_nest_close(&nest);
}
END_TEST

START_TEST(a_lone_caller_moves_when_it_may)
{
	struct jl__cg_nest nest;
	char procs[32], text[64], *why = NULL;

	(void)snprintf(procs, sizeof(procs), "%d\n", (int)getpid());
	make_v2_base(procs, "");
	make("cg/base/joblet-main");
	write_text(top, "cg/base/joblet-main/cgroup.procs", "");
	ck_assert_int_eq(jl__cg_nest_create(tree, "x1", _i == 1, &nest, &why, &err), 0);
	(void)jl__cg_read(tree->list[0].base_fd, "joblet-main/cgroup.procs", text,
			  sizeof(text));
	ck_assert_str_eq(text, _i == 1 ? "0" : "");
	ck_assert_int_eq(why != NULL, _i == 0);
	jl__free(why);
	jl__cg_nest_close(&nest);
}
END_TEST

START_TEST(controllers_that_are_on_are_not_asked_for_again)
{
	struct jl__cg_nest nest;
	char *why = NULL;

	make_v2_base("1\n", "cpu memory\n");
	ck_assert_int_eq(jl__cg_nest_create(tree, "x1", false, &nest, &why, &err), 0);
	ck_assert_ptr_null(why);
	jl__cg_nest_close(&nest);
}
END_TEST

START_TEST(a_nest_is_locked_in_each_hierarchy_and_swept_when_not)
{
	struct jl__cg_nest nest, second;
	char *why = NULL;

	make_hybrid();
	write_text(top, "cpuset/cpuset.effective_cpus", "0-1\n");
	ck_assert_int_eq(build(MOUNTS_HYBRID, SELF_V1, NULL), 0);
	ck_assert_int_eq(jl__cg_nest_create(tree, "x1", false, &nest, &why, &err), 0);
	/* The cpuset of this make-believe cannot be filled in. */
	ck_assert_ptr_nonnull(strstr(why, "cpuset of cgroup"));
	ck_assert_int_eq(nest.fds[jl__cg_tree_find(tree, JL__CG_CPUSET)], -EBADF);
	ck_assert(!(nest.offers & JL__CG_CPUSET));
	ck_assert(nest.offers & JL__CG_PIDS);
	for (uint32_t i = 0; i < tree->count; i++) {
		int fd;

		if (nest.fds[i] < 0)
			continue;
		fd = jl__cg_open_folder(tree->list[i].base_fd, "joblet-x1");
		ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), -1);
		(void)close(fd);
	}
	jl__free(why);
	ck_assert_int_eq(jl__cg_nest_create(tree, "x1", false, &second, &why, &err),
			 -EEXIST);
	make("pids/joblet-main");
	make("pids/joblet-daemon.service");
	make("pids/other");
	ck_assert_int_eq(jl__cg_nest_sweep(tree), 0);
	jl__cg_nest_close(&nest);
	ck_assert_int_eq(jl__cg_nest_sweep(tree), 1);
	for (uint32_t i = 0; i < tree->count; i++)
		ck_assert(!jl__cg_exists(tree->list[i].base_fd, "joblet-x1"));
	ck_assert(jl__cg_exists(tree->list[0].base_fd, "joblet-main"));
	ck_assert(jl__cg_exists(tree->list[0].base_fd, "joblet-daemon.service"));
	ck_assert(jl__cg_exists(tree->list[0].base_fd, "other"));
}
END_TEST

static const char *const bad_ids[] = {
	"",	    "main",
	"a/b",	    "..",
	"a.b",	    "a b",
	"\xc3\xa4", "0123456789012345678901234567890123456789012345678901234567",
};

START_TEST(bad_names_of_nests_are_refused)
{
	struct jl__cg_nest nest;
	char *why = NULL, name[128];

	make_v2_base("", "cpu memory\n");
	ck_assert_int_eq(jl__cg_nest_create(tree, bad_ids[_i], false, &nest, &why, &err),
			 -EINVAL);
	(void)snprintf(name, sizeof(name), "joblet-%s", bad_ids[_i]);
	ck_assert_int_eq(jl__cg_nest_remove(tree, name), -EINVAL);
}
END_TEST

static int create_nest(jl_error **ret_err)
{
	struct jl__cg_nest nest;
	char *why = NULL;
	int r = jl__cg_nest_create(tree, "x1", false, &nest, &why, ret_err);

	if (r < 0) {
		ck_assert(!jl__cg_exists(tree->list[0].base_fd, "joblet-x1"));
		return r;
	}
	jl__free(why);
	jl__cg_nest_close(&nest);
	return jl__cg_nest_remove(tree, "joblet-x1");
}

START_TEST(no_reason_is_lost_for_lack_of_memory)
{
	make_v2_base("1\n", "");
	run_short_of_memory(create_nest);
}
END_TEST

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

int main(void)
{
	TCase *tcase = tcase_create("tree");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, pure_v2_is_one_hierarchy);
	tcase_add_test(tcase, hybrid_takes_each_offer_once_and_v2_first);
	tcase_add_test(tcase, pure_v1_brings_freezer_and_cpuacct);
	tcase_add_test(tcase, a_bind_mounted_subtree_is_entered_by_its_root);
	tcase_add_test(tcase, a_mount_that_shows_the_group_is_preferred);
	tcase_add_test(tcase, a_group_outside_of_the_namespace_is_not_shown);
	tcase_add_test(tcase, octal_escapes_are_resolved);
	tcase_add_test(tcase, the_leaf_of_the_library_is_left);
	tcase_add_loop_test(tcase, another_base_must_exist, 0, ROWS(bases));
	tcase_add_loop_test(tcase, paths_are_relative_to_the_root_of_the_mount, 0,
			    ROWS(relatives));
	tcase_add_test(tcase, a_mount_is_found_by_number);
	tcase_add_test(tcase, damaged_texts_do_no_harm);
	tcase_add_test(tcase, a_lack_of_memory_is_told);
	tcase_add_test(tcase, foreign_members_forbid_controllers);
	tcase_add_loop_test(tcase, a_lone_caller_moves_when_it_may, 0, 2);
	tcase_add_test(tcase, controllers_that_are_on_are_not_asked_for_again);
	tcase_add_test(tcase, a_nest_is_locked_in_each_hierarchy_and_swept_when_not);
	tcase_add_loop_test(tcase, bad_names_of_nests_are_refused, 0, ROWS(bad_ids));
	tcase_add_test(tcase, no_reason_is_lost_for_lack_of_memory);
	return run_suite("cgroup_tree", tcase);
}
