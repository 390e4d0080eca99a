/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "remote-priv.h"

#define NETWORK(name) "/joblet.NetworkService/" name

static char *text_of(const char *text)
{
	return (char *)(uintptr_t)text;
}

static int fill(struct network *network, const char *name, const char *cidr,
		const char *bridge)
{
	if (job_set_text(&network->name, name) < 0 ||
	    job_set_text(&network->cidr, cidr) < 0 ||
	    job_set_text(&network->bridge, bridge) < 0) {
		network_done(network);
		return -ENOMEM;
	}
	return 0;
}

int remote_network_create(struct backend *backend, const char *name, const char *cidr,
			  struct network *network, struct fault *fault)
{
	Joblet__CreateNetworkRequest request = JOBLET__CREATE_NETWORK_REQUEST__INIT;
	Joblet__CreateNetworkResponse *m;
	uint8_t *reply;
	size_t len;
	int r;

	request.name = text_of(name);
	request.cidr = text_of(cidr);
	r = remote_call(remote_of(backend), NETWORK("CreateNetwork"), &request.base,
			CALL_USEC, false, &reply, &len, fault);
	if (r < 0)
		return r;
	m = joblet__create_network_response__unpack(NULL, len, reply);
	jl__rpc_message_free(reply);
	if (!m)
		return remote_bad_reply(fault);
	*network = (struct network){ 0 };
	r = fill(network, m->name, m->cidr, m->bridge);
	joblet__create_network_response__free_unpacked(m, NULL);
	return r < 0 ? fault_set(fault, r, "out of memory") : 0;
}

int remote_network_list(struct backend *backend, struct network_list *list,
			struct fault *fault)
{
	Joblet__EmptyRequest request = JOBLET__EMPTY_REQUEST__INIT;
	Joblet__Networks *m;
	uint8_t *reply;
	size_t len;
	int r = remote_call(remote_of(backend), NETWORK("ListNetworks"), &request.base,
			    CALL_USEC, true, &reply, &len, fault);

	if (r < 0)
		return r;
	m = joblet__networks__unpack(NULL, len, reply);
	jl__rpc_message_free(reply);
	if (!m)
		return remote_bad_reply(fault);
	*list = (struct network_list){ 0 };
	list->networks = calloc(m->n_networks + 1, sizeof(*list->networks));
	r = list->networks ? 0 : -ENOMEM;
	for (size_t i = 0; r == 0 && i < m->n_networks; i++) {
		const Joblet__Network *n = m->networks[i];
		struct network *to = &list->networks[list->count];

		to->builtin = n->builtin;
		to->jobs = (uint64_t)(n->job_count > 0 ? n->job_count : 0);
		r = fill(to, n->name, n->cidr, n->bridge);
		list->count += r == 0;
	}
	joblet__networks__free_unpacked(m, NULL);
	if (r < 0) {
		network_list_done(list);
		return fault_set(fault, r, "out of memory");
	}
	return 0;
}

int remote_network_remove(struct backend *backend, const char *name, struct fault *fault)
{
	Joblet__RemoveNetworkRequest request = JOBLET__REMOVE_NETWORK_REQUEST__INIT;
	Joblet__RemoveNetworkResponse *m;
	uint8_t *reply;
	size_t len;
	int r;

	request.name = text_of(name);
	request.strict = 1;
	r = remote_call(remote_of(backend), NETWORK("RemoveNetwork"), &request.base,
			CALL_USEC, false, &reply, &len, fault);
	if (r < 0)
		return r;
	m = joblet__remove_network_response__unpack(NULL, len, reply);
	jl__rpc_message_free(reply);
	if (!m)
		return remote_bad_reply(fault);
	/* A daemon of another make answers so. */
	if (!m->success)
		r = fault_set(fault, -EBUSY, "%s", m->message);
	joblet__remove_network_response__free_unpacked(m, NULL);
	return r;
}

int remote_node_get(struct backend *backend, struct node_info *info, struct fault *fault)
{
	Joblet__EmptyRequest request = JOBLET__EMPTY_REQUEST__INIT;
	Joblet__SystemStatusResponse *m;
	uint8_t *reply;
	size_t len;
	int r = remote_call(remote_of(backend),
			    "/joblet.MonitoringService/GetSystemStatus", &request.base,
			    CALL_USEC, true, &reply, &len, fault);

	if (r < 0)
		return r;
	m = joblet__system_status_response__unpack(NULL, len, reply);
	jl__rpc_message_free(reply);
	if (!m)
		return remote_bad_reply(fault);
	*info = (struct node_info){ .available = m->available };
	if (m->server_version)
		r = job_set_text(&info->version, m->server_version->version);
	if (r == 0 && m->host)
		r = job_set_text(&info->hostname, m->host->hostname);
	if (r == 0 && m->host)
		r = job_set_text(&info->node_id, m->host->node_id);
	joblet__system_status_response__free_unpacked(m, NULL);
	if (r < 0) {
		node_info_done(info);
		return fault_set(fault, r, "out of memory");
	}
	return 0;
}
