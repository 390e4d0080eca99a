/* SPDX-License-Identifier: MIT */
/*
 * Making, opening and removing networks. A network is its folder; what is in the kernel
 * follows from the leases' head, and can be made from it at any time. So whoever finds a
 * maker or a remover was killed goes on where that one stopped.
 */
#define JL_MODULE "net"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "net/net-priv.h"
#include "sys/wire.h"

#define CHECKED_AT_OPEN 8u

/* Where "isolated" may be: nobody names its addresses. The first is what it has before it
 * is made. */
static const uint32_t isolated_subnets[] = {
	JL__NET_ISOLATED, /* 10.255.0.0 */
	0xac1e0000,	  /* 172.30.0.0 */
	0xc0a8f000,	  /* 192.168.240.0 */
	0x0afe0000,	  /* 10.254.0.0 */
};

/* ---- the folder ---- */

static int open_folder(jl_net *net, int root)
{
	(void)jl__close(net->folder_fd);
	net->folder_fd =
		openat(root, net->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return net->folder_fd < 0 ? -errno : 0;
}

/* Folder, leases and what they say; -ENOENT, -EUCLEAN. */
static int open_leases(jl_net *net, int root, struct leases_head *ret_head)
{
	int r = open_folder(net, root);

	if (r < 0)
		return r;
	net->leases = jl__close(net->leases);
	r = jl__leases_open(net->folder_fd, &net->leases, ret_head);
	if (r < 0)
		return r;
	jl__net_set_subnet(net, ret_head->address, ret_head->prefix);
	return 0;
}

/* Leases last: without them there is nothing to go on with, and nothing to do. */
static int remove_folder(const jl_net *net, int root, jl_error **err)
{
	static const char *const files[] = { "shown/hosts", "shown/resolv.conf",
					     "shown/.resolv.conf" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		(void)unlinkat(net->folder_fd, files[i], 0);
	(void)unlinkat(net->folder_fd, "shown", AT_REMOVEDIR);
	(void)unlinkat(net->folder_fd, "leases", 0);
	if (unlinkat(root, net->name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return jl__fail_errno(err, -errno, "cannot remove %s", net->folder);
	return 0;
}

/* With the last network go the tables. */
static int remove_rules_of_last(const jl_net *net, int root, jl_error **err)
{
	char **names = NULL;
	uint32_t count = 0, others = 0;
	int r = jl__net_names(root, &names, &count, err);

	for (uint32_t i = 0; i < count && r == 0; i++)
		others += strcmp(names[i], net->name) != 0;
	jl__net_names_free(names, count);
	if (r < 0 || others)
		return r;
	r = jl__net_raze_rules(net->netfilter);
	return r < 0 ? jl__fail_errno(err, r, "cannot remove the nftables tables") : 0;
}

/* Kernel first: what it still has is found by what the folder says. */
static int remove_all(jl_net *net, int root, jl_error **err)
{
	int r = jl__net_raze(net, err);

	if (r == 0)
		r = remove_rules_of_last(net, root, err);
	return r < 0 ? r : remove_folder(net, root, err);
}

/* ---- making, under the lock of all networks ---- */

static int complete(jl_net *net, int root, jl_error **err)
{
	int r = jl__net_raise(net, root, err);

	if (r == 0)
		r = jl__shown_make(net, err);
	if (r < 0)
		return r;
	r = jl__leases_set_state(net->leases, LEASES_READY);
	return r < 0 ? jl__fail_errno(err, r, "cannot write the leases of network \"%s\"",
				      net->name)
		     : 0;
}

static int make_folder(jl_net *net, int root, jl_error **err)
{
	struct leases_head head = {
		.magic = LEASES_MAGIC,
		.state = LEASES_MAKING,
		.address = net->address,
		.prefix = net->prefix,
	};
	int r;

	memcpy(head.device, net->device, sizeof(head.device));
	if (mkdirat(root, net->name, 0700) < 0)
		return jl__fail_errno(err, -errno, "cannot make %s", net->folder);
	r = open_folder(net, root);
	if (r == 0)
		r = jl__leases_create(net->folder_fd, &head);
	if (r == 0)
		r = open_leases(net, root, &head);
	return r < 0 ? jl__fail_errno(err, r, "cannot make the leases of network \"%s\"",
				      net->name)
		     : 0;
}

static int make(jl_net *net, int root, jl_error **err)
{
	int r = jl__net_allowed(net, err);

	/* Who may not make networks leaves no folder of one behind. */
	if (r < 0)
		return r;
	r = make_folder(net, root, err);
	if (r == 0)
		r = complete(net, root, err);
	/* The first failure is the one that is told. */
	if (r < 0)
		(void)remove_all(net, root, NULL);
	return r;
}

/* Nobody names the addresses of "isolated", so it moves out of the way. */
static int make_builtin(jl_net *net, int root, jl_error **err)
{
	int r;

	if (!net->isolated) {
		r = jl__net_check_free(net, root, err);
		return r < 0 ? r : make(net, root, err);
	}
	for (size_t i = 0; i < sizeof(isolated_subnets) / sizeof(isolated_subnets[0]);
	     i++) {
		jl_error *why = NULL;

		jl__net_set_subnet(net, isolated_subnets[i], JL__NET_ISOLATED_PREFIX);
		r = jl__net_check_free(net, root, &why);
		jl_error_free(why);
		if (r != -EADDRINUSE)
			break;
	}
	if (r == -EADDRINUSE)
		r = jl__net_check_free(net, root, err);
	return r < 0 ? r : make(net, root, err);
}

/*
 * Finds the network, or what is left of it, and puts that right. 1: it is there; 0: it
 * is not, and nothing of it.
 */
static int settle(jl_net *net, int root, jl_error **err)
{
	struct leases_head head;
	int r = open_leases(net, root, &head);

	if (r == -ENOENT && net->folder_fd < 0)
		return 0;
	if (r < 0 && r != -ENOENT && r != -EUCLEAN)
		return jl__fail_errno(err, r, "cannot open %s", net->folder);
	/* Killed before it had leases, or while it was removed. */
	if (r < 0 || head.state == LEASES_GONE)
		return remove_all(net, root, err);
	if (head.state == LEASES_READY) {
		r = jl__net_stands(net, err);
		if (r)
			return r;
	}
	r = complete(net, root, err);
	if (r == 0)
		jl__log(net->ctx, JL_LOG_INFO, "net", "repaired network \"%s\"",
			net->name);
	return r < 0 ? r : 1;
}

static int count_jobs(jl_net *net, jl_error **err)
{
	struct leases_count count;
	int r = jl__leases_count(net->leases, &count);

	net->jobs = count.claimed;
	return r < 0 ? jl__fail_errno(err, r, "cannot read the leases of network \"%s\"",
				      net->name)
		     : 0;
}

/* ---- the public functions ---- */

/* A handle with nothing opened yet, and the folder of all networks. */
static int begin(jl_ctx *ctx, const char *name, int *ret_root, jl_net **ret,
		 jl_error **err)
{
	_cleanup_free_ char *path = NULL;
	int r = jl__net_root(ctx, ret_root, &path, err);

	return r < 0 ? r : jl__net_new(ctx, path, name, ret, err);
}

int jl_net_create(jl_ctx *ctx, const char *name, const char *cidr, jl_net **ret_net,
		  jl_error **ret_err)
{
	_cleanup_close_ int root = -EBADF, lock = -EBADF;
	struct subnet subnet;
	jl_net *net;
	int r;

	jl__error_init(ret_err);
	r = jl__net_check_name(name, ret_err);
	if (r < 0)
		return r;
	if (jl__net_is_reserved(name))
		return jl__fail(
			ret_err, -EINVAL,
			"\"%s\" is a network that is there by itself; choose another name",
			name);
	r = jl__net_parse_cidr(cidr, &subnet, ret_err);
	if (r == 0)
		r = begin(ctx, name, &root, &net, ret_err);
	if (r < 0)
		return r;
	lock = jl__net_lock(root, ret_err);
	r = lock < 0 ? lock : settle(net, root, ret_err);
	if (r > 0)
		r = jl__fail(ret_err, -EEXIST,
			     "there is a network \"%s\" already, with the subnet %s",
			     name, net->cidr);
	if (r == 0) {
		jl__net_set_subnet(net, subnet.address, subnet.prefix);
		net->index = 0;
		r = jl__net_check_free(net, root, ret_err);
	}
	if (r == 0)
		r = make(net, root, ret_err);
	if (r < 0 || !ret_net)
		jl_net_unref(net);
	else
		*ret_net = net;
	return r;
}

/* What needs no lock: it is there and as it should be. */
static int open_standing(jl_net *net, int root, jl_error **err)
{
	struct leases_head head;

	if (open_leases(net, root, &head) < 0 || head.state != LEASES_READY)
		return 0;
	return jl__net_stands(net, err);
}

static int refresh_resolvers(jl_net *net, jl_error **err)
{
	int r = jl__leases_lock(net->leases);

	if (r < 0)
		return jl__fail_errno(err, r, "cannot lock network \"%s\"", net->name);
	r = jl__shown_resolvers(net, err);
	jl__leases_unlock(net->leases);
	return r;
}

int jl_net_open(jl_ctx *ctx, const char *name, jl_net **ret_net, jl_error **ret_err)
{
	_cleanup_close_ int root = -EBADF, lock = -EBADF;
	jl_net *net;
	int r;

	jl__error_init(ret_err);
	r = jl__net_check_name(name, ret_err);
	if (r < 0)
		return r;
	if (strcmp(name, "none") == 0 || strcmp(name, "host") == 0)
		return jl__fail(
			ret_err, -EINVAL,
			"\"%s\" has no bridge and no addresses: there is nothing to open",
			name);
	r = begin(ctx, name, &root, &net, ret_err);
	if (r < 0)
		return r;
	r = open_standing(net, root, ret_err);
	if (r == 0) {
		lock = jl__net_lock(root, ret_err);
		r = lock < 0 ? lock : settle(net, root, ret_err);
		if (r == 0)
			r = net->builtin ? make_builtin(net, root, ret_err)
					 : jl__fail(ret_err, -ENOENT,
						    "network not found: %s", name);
	}
	if (r >= 0)
		r = jl__net_sweep(net, CHECKED_AT_OPEN, ret_err);
	if (r == 0)
		r = count_jobs(net, ret_err);
	if (r == 0)
		r = refresh_resolvers(net, ret_err);
	if (r < 0)
		jl_net_unref(net);
	else
		*ret_net = net;
	return r;
}

static int remove_unused(jl_net *net, int root, jl_error **err)
{
	struct leases_count count;
	int r = jl__net_sweep(net, UINT32_MAX, err);

	if (r < 0)
		return r;
	r = jl__leases_lock(net->leases);
	if (r == 0)
		r = jl__leases_count(net->leases, &count);
	if (r == 0 && count.claimed) {
		jl__leases_unlock(net->leases);
		return jl__fail(err, -EBUSY, "network \"%s\" is still in use by %u job%s",
				net->name, count.claimed, count.claimed == 1 ? "" : "s");
	}
	/* From here on nobody gets a place in it. */
	if (r == 0)
		r = jl__leases_set_state(net->leases, LEASES_GONE);
	jl__leases_unlock(net->leases);
	if (r < 0)
		return jl__fail_errno(err, r, "cannot write the leases of network \"%s\"",
				      net->name);
	return remove_all(net, root, err);
}

int jl_net_remove(jl_ctx *ctx, const char *name, jl_error **ret_err)
{
	_cleanup_close_ int root = -EBADF, lock = -EBADF;
	jl_net *net;
	int r;

	jl__error_init(ret_err);
	r = jl__net_check_name(name, ret_err);
	if (r < 0)
		return r;
	if (jl__net_is_reserved(name))
		return jl__fail(ret_err, -EPERM,
				"network \"%s\" is there by itself and cannot be removed",
				name);
	r = begin(ctx, name, &root, &net, ret_err);
	if (r < 0)
		return r;
	lock = jl__net_lock(root, ret_err);
	r = lock < 0 ? lock : settle(net, root, ret_err);
	if (r == 0)
		r = jl__fail(ret_err, -ENOENT, "network not found: %s", name);
	if (r > 0)
		r = remove_unused(net, root, ret_err);
	jl_net_unref(net);
	return r;
}
