/* SPDX-License-Identifier: MIT */
#include "open_node.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <joblet/net.h>

#define CGROUP_MOUNT "/sys/fs/cgroup"

/* An error of the library as a sentence of ours. */
static int failed(struct sentence *why, int r, jl_error *err, const char *what)
{
	const char *text = jl_error_message(err);

	(void)fail(why, r, "%s%s%s", what, *what ? ": " : "",
		   *text ? text : strerror(-r));
	jl_error_free(err);
	return r;
}

static void take_log(void *data, int level, const char *module, const char *text)
{
	journal_log(data, level, "%s: %s", module, text);
}

static bool is_folder(const char *mount, const char *path)
{
	char full[4096];
	struct stat st;

	return snprintf(full, sizeof(full), "%s%s", mount, path) < (int)sizeof(full) &&
	       stat(full, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Group of this process in the unified hierarchy; "" when that cannot be told. */
static void own_group(char *to, size_t size)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[4096];

	*to = 0;
	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "0::", 3) != 0)
			continue;
		line[strcspn(line, "\n")] = 0;
		(void)snprintf(to, size, "%s", line + 3);
	}
	if (file)
		(void)fclose(file);
}

static int set_base(struct serving *s, struct sentence *why)
{
	const char *path = s->config->cgroup_base;
	jl_error *err = NULL;
	char own[4096];
	int r;

	if (!*path)
		return 0;
	path += strlen(CGROUP_MOUNT);
	/* The service's own group, as systemd makes it: nothing to set. */
	own_group(own, sizeof(own));
	if (strcmp(own, path) == 0)
		return 0;
	if (!is_folder(CGROUP_MOUNT, path) && !is_folder(CGROUP_MOUNT "/unified", path))
		return fail(why, -ENOENT,
			    "cgroup.baseDir %s does not exist; leave it out to use the "
			    "service's own group, which is %s%s",
			    s->config->cgroup_base, CGROUP_MOUNT, *own ? own : "/");
	r = jl_ctx_set_cgroup_base(s->ctx, path, &err);
	return r < 0 ? failed(why, r, err, "cgroup.baseDir") : 0;
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
			return failed(why, r, err, "section joblet of the configuration");
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
		return failed(why, r, err, "network.defaultNetwork");
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
			return failed(why, r, err, what);
	}
	return 0;
}

int open_node(struct serving *s, struct sentence *why)
{
	jl_node_config *config = NULL;
	jl_error *err = NULL;
	int r = jl_ctx_new(JL_CTX_MOVE_SELF, &s->ctx, &err);

	if (r < 0)
		return failed(why, r, err, "");
	jl_ctx_set_log(s->ctx, take_log, s->journal);
	r = set_base(s, why);
	if (r == 0 && *s->config->state_dir) {
		r = jl_ctx_set_state_dir(s->ctx, s->config->state_dir, &err);
		if (r < 0)
			return failed(why, r, err, "joblet.stateDir");
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
			r = failed(why, r, err, "cannot open the node");
	}
	jl_node_config_free(config);
	return r == 0 ? make_networks(s, why) : r;
}
