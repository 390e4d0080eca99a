/* SPDX-License-Identifier: MIT */
/* Networks that are made again after a restart of the machine: the store keeps what was
 * asked for, the kernel has the rest. */
#define JL_MODULE "node"

#include <errno.h>

#include <joblet/net.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "node/node.h"

static int keep(jl_node *node, const char *name, const char *cidr, jl_error **err)
{
	int r = jl__store_begin(node->store, true, err);

	if (r == 0)
		r = cidr ? jl__store_add_net(node->store, name, cidr, err)
			 : jl__store_remove_net(node->store, name, err);
	if (r == 0)
		r = jl__store_commit(node->store, err);
	jl__store_rollback(node->store);
	return r;
}

int jl_node_create_net(jl_node *node, const char *name, const char *cidr,
		       jl_error **ret_err)
{
	int r = jl__node_enter(node, ret_err);

	if (r == 0)
		r = jl_net_create(node->own, name, cidr, NULL, ret_err);
	if (r < 0)
		return r;
	r = keep(node, name, cidr, ret_err);
	if (r < 0 && jl_net_remove(node->own, name, NULL) < 0)
		jl__log(node->ctx, JL_LOG_WARNING, JL_MODULE,
			"network %s is there until the machine is restarted", name);
	return r;
}

int jl_node_remove_net(jl_node *node, const char *name, jl_error **ret_err)
{
	int r = jl__node_enter(node, ret_err);

	if (r == 0)
		r = jl_net_remove(node->own, name, ret_err);
	/* Killed in between: it is made again when the node is opened, and removed then.
	 */
	return r < 0 ? r : keep(node, name, NULL, ret_err);
}

/* One that cannot be made is reported and does not keep the node from being opened: jobs
 * that ask for it say so. */
static void restore(jl_node *node, const struct jl__store_net *net)
{
	jl_error *why = NULL;
	jl_net *open = NULL;
	int r = jl_net_open(node->own, net->name, &open, &why);

	if (r == -ENOENT) {
		jl_error_free(why);
		why = NULL;
		r = jl_net_create(node->own, net->name, net->cidr, NULL, &why);
	}
	if (r < 0 && r != -EEXIST)
		jl__log(node->ctx, JL_LOG_WARNING, JL_MODULE,
			"network %s (%s) cannot be made: %s", net->name, net->cidr,
			jl_error_message(why));
	jl_error_free(why);
	(void)jl_net_unref(open);
}

int jl__nets_restore(jl_node *node, jl_error **err)
{
	_cleanup_free_ struct jl__store_net *nets = NULL;
	uint32_t count = 0;
	int r;

	if (!jl__ctx_privileged())
		return 0;
	r = jl__store_nets(node->store, &nets, &count, err);
	for (uint32_t i = 0; r == 0 && i < count; i++)
		restore(node, &nets[i]);
	return r;
}
