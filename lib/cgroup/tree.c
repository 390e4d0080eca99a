/* SPDX-License-Identifier: MIT */
#define JL_MODULE "cgroup"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "cgroup/cgroup-priv.h"
#include "sys/sys.h"

/* /proc files larger than this are somebody's attack. */
#define PROC_MAX ((size_t)16 << 20)

/* Offers of v1 that v2 has without any controller. */
#define CORE_REPLACES (JL__CG_FREEZER | JL__CG_CPUACCT)

static const struct {
	uint32_t offer;
	const char *v2, *v1, *people;
} controllers[] = {
	{ JL__CG_CORE, NULL, NULL, "cgroup v2" },
	{ JL__CG_CPU, "cpu", "cpu", "cpu" },
	{ JL__CG_CPUSET, "cpuset", "cpuset", "cpuset" },
	{ JL__CG_MEMORY, "memory", "memory", "memory" },
	{ JL__CG_IO, "io", "blkio", "io" },
	{ JL__CG_PIDS, "pids", "pids", "pids" },
	{ JL__CG_FREEZER, NULL, "freezer", "freezer" },
	{ JL__CG_CPUACCT, NULL, "cpuacct", "cpuacct" },
};

#define N_CONTROLLERS (sizeof(controllers) / sizeof(controllers[0]))

uint32_t jl__cg_offer_v2(struct jl__span name)
{
	for (size_t i = 0; i < N_CONTROLLERS; i++)
		if (controllers[i].v2 && jl__span_is(name, controllers[i].v2))
			return controllers[i].offer;
	return 0;
}

uint32_t jl__cg_offer_v1(struct jl__span name)
{
	for (size_t i = 0; i < N_CONTROLLERS; i++)
		if (controllers[i].v1 && jl__span_is(name, controllers[i].v1))
			return controllers[i].offer;
	return 0;
}

const char *jl__cg_offer_name(uint32_t offer)
{
	for (size_t i = 0; i < N_CONTROLLERS; i++)
		if (controllers[i].offer == offer)
			return controllers[i].people;
	return "unknown";
}

/* Path without empty parts, "a/b"; -ENOENT when a part is "..": outside of what we see.
 */
static int normalise(const char *path, char **ret)
{
	struct jl__span rest = { path, strlen(path) }, part;
	char *out = jl__alloc(rest.len + 1);
	size_t len = 0;

	if (!out)
		return -ENOMEM;
	while (jl__span_next(&rest, '/', &part)) {
		if (part.len == 0 || jl__span_is(part, "."))
			continue;
		if (jl__span_is(part, "..")) {
			jl__free(out);
			return -ENOENT;
		}
		if (len)
			out[len++] = '/';
		memcpy(out + len, part.text, part.len);
		len += part.len;
	}
	out[len] = '\0';
	*ret = out;
	return 0;
}

int jl__cg_relative(const char *root, const char *path, char **ret)
{
	size_t len = strlen(root);

	/* "/" is above everything; any other root must end where a part of the path ends.
	 */
	while (len > 0 && root[len - 1] == '/')
		len--;
	if (strncmp(root, path, len) != 0 || (path[len] && path[len] != '/'))
		return -ENOENT;
	return normalise(path + len, ret);
}

/* Drops the leaf the library moves its caller into: the base is the group around it. */
static void leave_main(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash && strcmp(slash, "/" JL__CG_MAIN) == 0)
		slash[slash == path] = '\0';
}

static bool mount_shows(const struct jl__mountinfo *mount, struct jl__span names)
{
	struct jl__span first, option, options = mount->super;

	if (names.len == 0)
		return jl__span_is(mount->type, "cgroup2");
	/* All controllers of one hierarchy are mount options of each of its mounts. */
	if (!jl__span_is(mount->type, "cgroup") || !jl__span_next(&names, ',', &first))
		return false;
	while (jl__span_next(&options, ',', &option))
		if (option.len == first.len &&
		    memcmp(option.text, first.text, first.len) == 0)
			return true;
	return false;
}

/* Whether the folder is what mountinfo says: another mount may lie on top of it. */
static bool is_cgroup(int fd, int version)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	return version == 2 ? fs.f_type == CGROUP2_SUPER_MAGIC
			    : fs.f_type == CGROUP_SUPER_MAGIC;
}

static int open_group(const struct jl__cg_source *source, const char *point,
		      const char *relative, int version)
{
	_cleanup_close_ int mount = -EBADF;
	int fd;

	mount = (int)jl__sys_openat(AT_FDCWD, point, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (mount < 0)
		return mount;
	if (!source->recorded && !is_cgroup(mount, version))
		return -ENOENT;
	fd = (int)jl__sys_openat(mount, relative[0] ? relative : ".",
				 O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW, 0);
	return fd;
}

/* Tries one mount. Returns 0 when it shows the group, -ENOENT, or what the caller must
 * see. */
static int try_mount(const struct jl__cg_source *source,
		     const struct jl__mountinfo *mount, const char *path,
		     struct jl__cg_hierarchy *ret)
{
	_cleanup_free_ char *root = jl__mountinfo_unescape(mount->root);
	_cleanup_free_ char *point = jl__mountinfo_unescape(mount->point);
	_cleanup_free_ char *relative = NULL;
	int r;

	if (!root || !point)
		return -ENOMEM;
	r = jl__cg_relative(root, path, &relative);
	if (r < 0)
		return r;
	r = open_group(source, point, relative, ret->version);
	if (r == -EMFILE || r == -ENFILE || r == -ENOMEM)
		return r;
	if (r < 0)
		return -ENOENT;
	ret->base_fd = r;
	ret->mount = jl__steal(point);
	return 0;
}

static int find_mount(const struct jl__cg_source *source, struct jl__span names,
		      const char *path, struct jl__cg_hierarchy *ret)
{
	struct jl__span rest = source->mountinfo;
	struct jl__mountinfo mount;
	int r = -ENOENT;

	while (r == -ENOENT && jl__mountinfo_next(&rest, &mount))
		if (mount_shows(&mount, names))
			r = try_mount(source, &mount, path, ret);
	return r;
}

static uint32_t offers_of(const struct jl__cg_hierarchy *hierarchy, struct jl__span names,
			  uint32_t taken)
{
	char text[JL__CG_TEXT_MAX] = "";
	struct jl__span name;
	uint32_t offers = 0;

	if (hierarchy->version == 1) {
		while (jl__span_next(&names, ',', &name))
			offers |= jl__cg_offer_v1(name);
		if (taken & JL__CG_CORE)
			offers &= ~(uint32_t)CORE_REPLACES;
		return offers & ~taken;
	}
	(void)jl__cg_read(hierarchy->base_fd, "cgroup.controllers", text, sizeof(text));
	names = (struct jl__span){ text, strlen(text) };
	while (jl__span_next(&names, ' ', &name))
		offers |= jl__cg_offer_v2(name);
	return offers | JL__CG_CORE;
}

static void hierarchy_done(struct jl__cg_hierarchy *hierarchy)
{
	hierarchy->base_fd = jl__close(hierarchy->base_fd);
	jl__free(hierarchy->mount);
	jl__free(hierarchy->path);
}

/* Adds the hierarchy of one line of /proc/self/cgroup, "number:controllers:path". */
static int add_line(const struct jl__cg_source *source, struct jl__span line,
		    const char *base, int version, struct jl__cg_tree *tree)
{
	struct jl__cg_hierarchy found = { .version = version, .base_fd = -EBADF };
	struct jl__span number, names;
	int r;

	if (!jl__span_next(&line, ':', &number) || !jl__span_next(&line, ':', &names) ||
	    (names.len == 0) != (version == 2) || tree->count == JL__CG_MAX)
		return 0;
	/* Spares the search of mounts that nothing is wanted from. */
	if (version == 1 && !offers_of(&found, names, tree->offers))
		return 0;
	found.path = base ? jl__strdup(base) : jl__strndup(line.text, line.len);
	if (!found.path)
		return -ENOMEM;
	leave_main(found.path);
	r = find_mount(source, names, found.path, &found);
	if (r < 0) {
		hierarchy_done(&found);
		return r == -ENOENT ? 0 : r;
	}
	found.offers = offers_of(&found, names, tree->offers);
	tree->offers |= found.offers;
	tree->list[tree->count++] = found;
	return 0;
}

static int add_lines(const struct jl__cg_source *source, const char *base, int version,
		     struct jl__cg_tree *tree)
{
	struct jl__span rest = source->self, line;
	int r = 0;

	while (r == 0 && jl__span_next(&rest, '\n', &line))
		r = add_line(source, line, base, version, tree);
	return r;
}

static int check_base(const char *base, jl_error **err)
{
	_cleanup_free_ char *plain = NULL;
	int r;

	if (base[0] != '/')
		return jl__fail(err, -EINVAL, "the cgroup base must be an absolute path");
	r = normalise(base, &plain);
	if (r == -ENOENT)
		return jl__fail(err, -EINVAL, "the cgroup base must not contain \"..\"");
	return r < 0 ? jl__oom(err) : 0;
}

int jl__cg_tree_build(const struct jl__cg_source *source, const char *base,
		      struct jl__cg_tree **ret, jl_error **err)
{
	struct jl__cg_tree *tree;
	int r;

	if (base) {
		r = check_base(base, err);
		if (r < 0)
			return r;
	}
	tree = jl__calloc(1, sizeof(*tree));
	if (!tree)
		return jl__oom(err);
	/* v2 first: what it offers is not taken from v1. */
	r = add_lines(source, base, 2, tree);
	if (r == 0)
		r = add_lines(source, base, 1, tree);
	if (r == 0 && base && tree->count == 0)
		r = -ENOENT;
	if (r < 0) {
		(void)jl__cg_tree_free(tree);
		return r == -ENOENT
			       ? jl__fail(err, r, "cgroup \"%s\" does not exist", base)
			       : jl__fail_errno(err, r, "cannot look at cgroups");
	}
	*ret = tree;
	return 0;
}

int jl__cg_tree_open(const char *base, struct jl__cg_tree **ret, jl_error **err)
{
	static const char *const paths[2] = { "/proc/self/mountinfo",
					      "/proc/self/cgroup" };
	struct jl__buf bufs[2] = { JL__BUF_INIT(PROC_MAX), JL__BUF_INIT(PROC_MAX) };
	struct jl__cg_source source = { 0 };
	int r = 0;

	for (int i = 0; i < 2 && r == 0; i++) {
		r = jl__cg_read_all(paths[i], &bufs[i]);
		/* A kernel without cgroups has no such file: an empty tree then. */
		if (r == -ENOENT)
			r = 0;
		if (r < 0)
			r = jl__fail_errno(err, r, "cannot read %s", paths[i]);
	}
	if (r == 0) {
		source.mountinfo = (struct jl__span){ bufs[0].data, bufs[0].len };
		source.self = (struct jl__span){ bufs[1].data, bufs[1].len };
		r = jl__cg_tree_build(&source, base, ret, err);
	}
	jl__buf_done(&bufs[0]);
	jl__buf_done(&bufs[1]);
	return r;
}

struct jl__cg_tree *jl__cg_tree_free(struct jl__cg_tree *tree)
{
	if (!tree)
		return NULL;
	for (uint32_t i = 0; i < tree->count; i++)
		hierarchy_done(&tree->list[i]);
	jl__free(tree);
	return NULL;
}

int jl__cg_tree_find(const struct jl__cg_tree *tree, uint32_t offer)
{
	for (uint32_t i = 0; i < tree->count; i++)
		if (tree->list[i].offers & offer)
			return (int)i;
	return -ENOENT;
}
