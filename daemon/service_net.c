/* SPDX-License-Identifier: MIT */
/* joblet.NetworkService. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <joblet/net.h>

#include "arena.h"
#include "joblet.pb-c.h"
#include "services.h"
#include "status.h"

/* The network of this name in a list, or NULL. */
static const jl_net *find(const jl_net_list *list, const char *name)
{
	for (uint32_t i = 0; i < jl_net_list_count(list); i++) {
		const jl_net *net = jl_net_list_get(list, i);

		if (strcmp(jl_net_get_name(net), name) == 0)
			return net;
	}
	return NULL;
}

static uint32_t count_custom(const jl_net_list *list)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < jl_net_list_count(list); i++)
		count += !jl_net_is_builtin(jl_net_list_get(list, i));
	return count;
}

/* Whether the configuration has room for one more; else a refusal in text. */
static int may_create(const struct serving *s, char *text, size_t size)
{
	jl_net_list *list;
	uint32_t count;

	if (!s->config->network_enabled || !s->config->allow_custom_networks) {
		(void)snprintf(
			text, size,
			"this server takes no further networks: "
			"network.allowCustomNetworks is false in its configuration");
		return JL__RPC_FAILED_PRECONDITION;
	}
	if (!s->config->max_networks || jl_net_list_new(s->ctx, &list, NULL) < 0)
		return JL__RPC_OK;
	count = count_custom(list);
	jl_net_list_free(list);
	if (count < s->config->max_networks)
		return JL__RPC_OK;
	(void)snprintf(text, size,
		       "there are %u networks already, as many as "
		       "network.maxCustomNetworks allows",
		       count);
	return JL__RPC_RESOURCE_EXHAUSTED;
}

static void answer_created(struct jl__rpc_call *call, const char *name, const char *cidr)
{
	Joblet__CreateNetworkResponse reply = JOBLET__CREATE_NETWORK_RESPONSE__INIT;
	struct arena arena = { 0 };
	jl_net_list *list = NULL;
	const jl_net *net;

	reply.name = arena_text(&arena, name);
	reply.cidr = arena_text(&arena, cidr);
	reply.bridge = arena_format(&arena, "joblet-%s", name);
	if (jl_net_list_new(serving_of(call)->ctx, &list, NULL) == 0) {
		net = find(list, name);
		if (net) {
			reply.cidr = arena_text(&arena, jl_net_get_cidr(net));
			reply.bridge = arena_text(&arena, jl_net_get_bridge(net));
		}
	}
	(void)send_message(call, &reply.base);
	finish_change(call, name, cidr, JL__RPC_OK, NULL);
	jl_net_list_free(list);
	arena_done(&arena);
}

static void create(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct serving *s = serving_of(call);
	char text[SENTENCE_MAX];
	jl_error *err = NULL;
	int code, r;

	DECODE(call, data, len, Joblet__CreateNetworkRequest,
	       joblet__create_network_request, m)
	code = may_create(s, text, sizeof(text));
	if (code != JL__RPC_OK) {
		finish_change(call, m->name, m->cidr, code, text);
	} else {
		r = jl_node_create_net(s->node, m->name, m->cidr, &err);
		if (r == 0)
			answer_created(call, m->name, m->cidr);
		else
			finish_change_error(call, m->name, m->cidr, r, err);
	}
	joblet__create_network_request__free_unpacked(m, NULL);
}

const struct jl__rpc_handler create_network = { .request = create };

static void list_all(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	Joblet__Networks reply = JOBLET__NETWORKS__INIT;
	struct arena arena = { 0 };
	jl_net_list *list;
	jl_error *err = NULL;
	int r = jl_net_list_new(serving_of(call)->ctx, &list, &err);

	(void)data;
	(void)len;
	if (r < 0) {
		finish_error(call, r, err);
		return;
	}
	reply.networks = arena_take(&arena, (jl_net_list_count(list) + 1) *
						    sizeof(*reply.networks));
	for (uint32_t i = 0; reply.networks && i < jl_net_list_count(list); i++) {
		const jl_net *net = jl_net_list_get(list, i);
		Joblet__Network *n = arena_take(&arena, sizeof(*n));

		if (!n)
			break;
		joblet__network__init(n);
		n->name = arena_text(&arena, jl_net_get_name(net));
		n->cidr = arena_text(&arena, jl_net_get_cidr(net));
		n->bridge = arena_text(&arena, jl_net_get_bridge(net));
		n->job_count = (int32_t)jl_net_get_jobs(net);
		n->builtin = jl_net_is_builtin(net);
		reply.networks[reply.n_networks++] = n;
	}
	if (arena.failed)
		jl__rpc_call_finish(call, JL__RPC_RESOURCE_EXHAUSTED, "out of memory");
	else
		finish_reply(call, &reply.base);
	arena_done(&arena);
	jl_net_list_free(list);
}

const struct jl__rpc_handler list_networks = { .request = list_all };

/*
 * Existing clients look at success and message of an OK answer; strictErrors makes it an
 * error as everywhere else. The extension asks for one by itself.
 */
static void answer_kept(struct jl__rpc_call *call, const char *name, bool strict, int r,
			jl_error *err)
{
	Joblet__RemoveNetworkResponse reply = JOBLET__REMOVE_NETWORK_RESPONSE__INIT;

	if (strict) {
		finish_change_error(call, name, NULL, r, err);
		return;
	}
	reply.message = (char *)(uintptr_t)jl_error_message(err);
	(void)send_message(call, &reply.base);
	finish_change(call, name, NULL, JL__RPC_OK, jl_error_message(err));
	jl_error_free(err);
}

static void take_away(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct serving *s = serving_of(call);
	Joblet__RemoveNetworkResponse reply = JOBLET__REMOVE_NETWORK_RESPONSE__INIT;
	jl_error *err = NULL;
	int r;

	DECODE(call, data, len, Joblet__RemoveNetworkRequest,
	       joblet__remove_network_request, m)
	r = jl_node_remove_net(s->node, m->name, &err);
	if (r < 0) {
		answer_kept(call, m->name, s->config->strict_errors || m->strict, r, err);
	} else {
		char text[128];

		(void)snprintf(text, sizeof(text), "Network '%.64s' removed successfully",
			       m->name);
		reply.success = 1;
		reply.message = text;
		(void)send_message(call, &reply.base);
		finish_change(call, m->name, NULL, JL__RPC_OK, NULL);
	}
	joblet__remove_network_request__free_unpacked(m, NULL);
}

const struct jl__rpc_handler remove_network = { .request = take_away };
