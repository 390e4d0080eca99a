/* SPDX-License-Identifier: MIT */
#include "open_node.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <joblet/net.h>

#include "group.h"

static void take_log(void *data, int level, const char *module, const char *text)
{
	journal_log(data, level, "%s: %s", module, text);
}

static int set_numbers(const struct jl__server_config *c, jl_node_config *config,
		       struct sentence *why)
{
	const struct {
		int what;
		uint64_t value;
	} numbers[] = {
		{ JL_NODE_MAX_JOBS, c->max_jobs },
		{ JL_NODE_MAX_QUEUE, c->max_queue },
		{ JL_NODE_MAX_SCHEDULED, c->max_scheduled },
		{ JL_NODE_DEFAULT_CPU_PERCENT, c->default_cpu },
		{ JL_NODE_DEFAULT_MEMORY_BYTES, c->default_memory },
		{ JL_NODE_DEFAULT_IO_BPS, c->default_io },
		{ JL_NODE_DEFAULT_DISK_BYTES, c->default_disk },
		{ JL_NODE_CAP_CPU_PERCENT, c->max_cpu },
		{ JL_NODE_CAP_MEMORY_BYTES, c->max_memory },
		{ JL_NODE_CAP_IO_BPS, c->max_io },
		{ JL_NODE_CAP_DISK_BYTES, c->max_disk },
		{ JL_NODE_LOG_BYTES, c->log_bytes },
		{ JL_NODE_KEEP_JOBS, c->keep_jobs },
		{ JL_NODE_KEEP_USEC, c->keep_usec },
		{ JL_NODE_UPLOAD_FILE_BYTES, c->upload_file_bytes },
		{ JL_NODE_UPLOAD_JOB_BYTES, c->upload_job_bytes },
		{ JL_NODE_GRACE_USEC, c->grace_usec },
		{ JL_NODE_DEFAULT_TIMEOUT_USEC, c->timeout_usec },
	};
	jl_error *err = NULL;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		int r = jl_node_config_set_number(config, numbers[i].what,
						  numbers[i].value, &err);

		if (r < 0)
			return fail_error(why, r, err,
					  "section joblet of the configuration");
	}
	return 0;
}

static int configure(const struct jl__server_config *c, jl_node_config *config,
		     struct sentence *why)
{
	const char *network = *c->default_network ? c->default_network : NULL;
	jl_error *err = NULL;
	int r = set_numbers(c, config, why);

	if (r < 0)
		return r;
	if (!c->network_enabled)
		network = "none";
	r = jl_node_config_set_network(config, network, &err);
	if (r < 0)
		return fail_error(why, r, err, "network.defaultNetwork");
	jl_node_config_set_host_network(config, c->allow_host);
	return 0;
}

/* Networks of the configuration: made when they are not there. */
static int make_networks(struct serving *s, struct sentence *why)
{
	char what[128];

	for (const struct jl__config_net *net = s->config->networks;
	     net && s->config->network_enabled; net = net->next) {
		jl_error *err = NULL;
		int r = jl_node_create_net(s->node, net->name, net->cidr, &err);

		(void)snprintf(what, sizeof(what), "network.networks.%.64s", net->name);
		if (r == -EEXIST)
			jl_error_free(err);
		else if (r < 0)
			return fail_error(why, r, err, what);
	}
	return 0;
}

int open_node(struct serving *s, struct sentence *why)
{
	jl_node_config *config = NULL;
	jl_error *err = NULL;
	int r = jl_ctx_new(JL_CTX_MOVE_SELF, &s->ctx, &err);

	if (r < 0)
		return fail_error(why, r, err, "");
	jl_ctx_set_log(s->ctx, take_log, s->journal);
	r = group_choose(s, why);
	if (r == 0 && *s->config->state_dir) {
		r = jl_ctx_set_state_dir(s->ctx, s->config->state_dir, &err);
		if (r < 0)
			return fail_error(why, r, err, "joblet.stateDir");
	}
	if (r < 0)
		return r;
	r = jl_node_config_new(&config);
	if (r < 0)
		return fail(why, r, "out of memory");
	r = configure(s->config, config, why);
	if (r == 0) {
		r = jl_node_open(s->ctx, config, &s->node, &err);
		if (r < 0)
			r = fail_error(why, r, err, "cannot open the node");
	}
	jl_node_config_free(config);
	return r == 0 ? make_networks(s, why) : r;
}
