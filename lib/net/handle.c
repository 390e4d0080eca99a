/* SPDX-License-Identifier: MIT */
/* The handle of a network, and the list of all. */
#define JL_MODULE "net"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "net/net-priv.h"
#include "sys/wire.h"

void jl__net_set_subnet(jl_net *net, uint32_t address, uint32_t prefix)
{
	net->address = address;
	net->prefix = prefix;
	jl__net_put_cidr(net->cidr, address, prefix);
}

void jl__net_init(jl_net *net, jl_ctx *ctx, const char *name)
{
	memset(net, 0, sizeof(*net));
	net->refs = 1;
	net->ctx = ctx;
	net->folder_fd = net->leases = net->route = net->netfilter = -EBADF;
	(void)snprintf(net->name, sizeof(net->name), "%s", name);
	net->builtin = jl__net_is_reserved(name);
	net->isolated = strcmp(name, "isolated") == 0;
	net->ipv6 = access("/proc/sys/net/ipv6", F_OK) == 0;
	if (strcmp(name, "none") == 0)
		return;
	jl__net_device(name, net->device);
	(void)snprintf(net->label, sizeof(net->label),
		       strcmp(name, "bridge") == 0 ? "joblet0" : "joblet-%s", name);
	if (strcmp(name, "bridge") == 0)
		jl__net_set_subnet(net, JL__NET_BRIDGE, JL__NET_BRIDGE_PREFIX);
	else if (net->isolated)
		jl__net_set_subnet(net, JL__NET_ISOLATED, JL__NET_ISOLATED_PREFIX);
}

void jl__net_done(jl_net *net)
{
	(void)jl__close(net->folder_fd);
	(void)jl__close(net->leases);
	(void)jl__close(net->route);
	(void)jl__close(net->netfilter);
	jl__free(net->folder);
	jl__free(net->shown);
}

int jl__net_new(jl_ctx *ctx, const char *root_path, const char *name, jl_net **ret,
		jl_error **err)
{
	jl_net *net = jl__alloc(sizeof(*net));

	if (!net)
		return jl__oom(err);
	jl__net_init(net, jl_ctx_ref(ctx), name);
	net->folder = jl__format("%s/%s", root_path, name);
	net->shown = jl__format("%s/%s/shown", root_path, name);
	if (!net->folder || !net->shown) {
		jl_net_unref(net);
		return jl__oom(err);
	}
	net->route = jl__wire_socket(JL__WIRE_ROUTE);
	net->netfilter = jl__wire_socket(JL__WIRE_NETFILTER);
	if (net->route < 0 || net->netfilter < 0) {
		int r = net->route < 0 ? net->route : net->netfilter;

		jl_net_unref(net);
		return r == -EPROTONOSUPPORT
			       ? jl__fail(
					 err, -EOPNOTSUPP,
					 "networks need nftables, which this kernel does not have; use the network none")
			       : jl__fail_errno(err, r, "cannot open a netlink socket");
	}
	*ret = net;
	return 0;
}

jl_net *jl_net_ref(jl_net *net)
{
	(void)__atomic_add_fetch(&net->refs, 1, __ATOMIC_RELAXED);
	return net;
}

jl_net *jl_net_unref(jl_net *net)
{
	if (!net || __atomic_sub_fetch(&net->refs, 1, __ATOMIC_ACQ_REL))
		return NULL;
	jl__net_done(net);
	if (!net->weak)
		jl_ctx_unref(net->ctx);
	jl__free(net);
	return NULL;
}

void jl__net_weaken(jl_net *net)
{
	if (!net->weak)
		jl_ctx_unref(net->ctx);
	net->weak = true;
}

const char *jl_net_get_name(const jl_net *net)
{
	return net->name;
}

const char *jl_net_get_cidr(const jl_net *net)
{
	return net->cidr;
}

const char *jl_net_get_bridge(const jl_net *net)
{
	return net->label;
}

const char *jl_net_get_device(const jl_net *net)
{
	return net->device;
}

int jl_net_is_builtin(const jl_net *net)
{
	return net->builtin;
}

uint32_t jl_net_get_jobs(const jl_net *net)
{
	return net->jobs;
}

const char *jl__net_shown(const jl_net *net)
{
	return net->shown;
}

/* ---- the list ---- */

struct jl_net_list {
	uint32_t count;
	jl_net items[];
};

/* What its folder says; nothing when it is half made. */
static bool fill(jl_net *net, int root)
{
	_cleanup_close_ int folder =
		openat(root, net->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int leases = -EBADF;
	struct leases_count count;
	struct leases_head head;

	if (folder < 0 || jl__leases_open(folder, &leases, &head) < 0 ||
	    head.state != LEASES_READY || jl__leases_count(leases, &count) < 0)
		return false;
	jl__net_set_subnet(net, head.address, head.prefix);
	net->jobs = count.claimed;
	return true;
}

int jl_net_list_new(jl_ctx *ctx, jl_net_list **ret_list, jl_error **ret_err)
{
	static const char *const builtin[] = { "none", "isolated", "bridge" };
	_cleanup_close_ int root = -EBADF;
	_cleanup_free_ char *path = NULL;
	jl_net_list *list = NULL;
	char **names = NULL;
	uint32_t count = 0;
	int r;

	jl__error_init(ret_err);
	r = jl__net_root(ctx, &root, &path, ret_err);
	if (r == 0)
		r = jl__net_names(root, &names, &count, ret_err);
	if (r < 0)
		return r;
	list = jl__calloc(1, sizeof(*list) + (count + 3) * sizeof(list->items[0]));
	if (!list)
		r = jl__oom(ret_err);
	for (uint32_t i = 0; i < 3 && list; i++) {
		jl__net_init(&list->items[list->count], NULL, builtin[i]);
		(void)fill(&list->items[list->count++], root);
	}
	for (uint32_t i = 0; i < count && list; i++) {
		if (jl__net_is_reserved(names[i]))
			continue;
		jl__net_init(&list->items[list->count], NULL, names[i]);
		list->count += fill(&list->items[list->count], root);
	}
	jl__net_names_free(names, count);
	if (list)
		*ret_list = list;
	return r;
}

void jl_net_list_free(jl_net_list *list)
{
	jl__free(list);
}

uint32_t jl_net_list_count(const jl_net_list *list)
{
	return list ? list->count : 0;
}

const jl_net *jl_net_list_get(const jl_net_list *list, uint32_t index)
{
	return list && index < list->count ? &list->items[index] : NULL;
}
