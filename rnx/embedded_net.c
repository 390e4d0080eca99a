/* SPDX-License-Identifier: MIT */
#include "embedded.h"

#include <errno.h>
#include <stdlib.h>

static int fill(const jl_net *net, struct network *network, struct fault *fault)
{
	*network = (struct network){ .builtin = jl_net_is_builtin(net),
				     .jobs = jl_net_get_jobs(net) };
	if (job_set_text(&network->name, jl_net_get_name(net)) < 0 ||
	    job_set_text(&network->cidr, jl_net_get_cidr(net)) < 0 ||
	    job_set_text(&network->bridge, jl_net_get_bridge(net)) < 0) {
		network_done(network);
		return fault_set(fault, -ENOMEM, "out of memory");
	}
	return 0;
}

int embedded_network_create(struct backend *backend, const char *name, const char *cidr,
			    struct network *network, struct fault *fault)
{
	struct embedded *self = embedded_of(backend);
	jl_error *err = NULL;
	jl_net *net = NULL;
	int r = jl_node_create_net(self->node, name, cidr, &err);

	if (r == 0)
		r = jl_net_open(self->ctx, name, &net, &err);
	if (r < 0)
		return embedded_fault(fault, r, err);
	r = fill(net, network, fault);
	(void)jl_net_unref(net);
	return r;
}

int embedded_network_list(struct backend *backend, struct network_list *list,
			  struct fault *fault)
{
	jl_net_list *nets = NULL;
	jl_error *err = NULL;
	int r = jl_net_list_new(embedded_of(backend)->ctx, &nets, &err);
	uint32_t count;

	if (r < 0)
		return embedded_fault(fault, r, err);
	*list = (struct network_list){ 0 };
	count = jl_net_list_count(nets);
	list->networks = calloc(count + 1, sizeof(*list->networks));
	if (!list->networks)
		r = fault_set(fault, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < count && r == 0; i++) {
		r = fill(jl_net_list_get(nets, i), &list->networks[i], fault);
		list->count += r == 0;
	}
	if (r < 0)
		network_list_done(list);
	jl_net_list_free(nets);
	return r;
}

int embedded_network_remove(struct backend *backend, const char *name,
			    struct fault *fault)
{
	jl_error *err = NULL;
	int r = jl_node_remove_net(embedded_of(backend)->node, name, &err);

	return r < 0 ? embedded_fault(fault, r, err) : 0;
}
