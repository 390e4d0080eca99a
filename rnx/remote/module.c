/* SPDX-License-Identifier: MIT */
/* Where to go, and opening it: the module's face. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/client.h"
#include "output.h"
#include "remote-priv.h"

extern const struct remote_module rnx_remote_module;

static void close_remote(struct backend *backend)
{
	struct remote *self = remote_of(backend);

	remote_log_lose_all(self);
	remote_end_lose(self);
	jl__rpc_client_free(self->client);
	free(self->address);
	free(self->cert);
	if (self->key)
		explicit_bzero(self->key, strlen(self->key));
	free(self->key);
	free(self->ca);
	free(self);
}

static void get_wakeup(struct backend *backend, struct wakeup *ret_wakeup)
{
	const struct remote *self = remote_of(backend);
	uint64_t usec;

	*ret_wakeup = (struct wakeup){ .fd = -1, .timeout_ms = -1 };
	if (!self->client)
		return;
	ret_wakeup->fd = jl__rpc_client_fd(self->client);
	ret_wakeup->events = jl__rpc_client_events(self->client);
	usec = jl__rpc_client_timeout_usec(self->client);
	if (usec != UINT64_MAX)
		ret_wakeup->timeout_ms =
			usec > 3600000000 ? 3600000 : (int)((usec + 999) / 1000);
}

static int process(struct backend *backend, struct fault *fault)
{
	struct remote *self = remote_of(backend);
	jl_error *err = NULL;
	int r;

	(void)fault;
	if (!self->client)
		return 0;
	r = jl__rpc_client_process(self->client, &err);
	jl_error_free(err);
	/* Readers see it as the end of their streams, and know what to do. */
	if (r < 0 && !self->lost_usec)
		self->lost_usec = remote_now_usec();
	return 0;
}

static const struct backend_ops remote_ops = {
	.stdin_passes = false,
	.lasting = true,
	.close = close_remote,
	.get_wakeup = get_wakeup,
	.process = process,
	.begin = remote_begin,
	.add_dir = remote_add_dir,
	.add_file = remote_add_file,
	.add_link = remote_add_link,
	.write = remote_write,
	.submit = remote_submit,
	.abort = remote_abort,
	.job_get = remote_job_get,
	.job_list = remote_job_list,
	.job_stop = remote_job_stop,
	.job_signal = remote_job_signal,
	.job_cancel = remote_job_cancel,
	.job_delete = remote_job_delete,
	.job_delete_all = remote_job_delete_all,
	.job_wait = remote_job_wait,
	.job_expect = remote_job_expect,
	.job_end = remote_job_end,
	.log_open = remote_log_open,
	.log_get_wakeup = remote_log_get_wakeup,
	.log_read = remote_log_read,
	.log_close = remote_log_close,
	.network_create = remote_network_create,
	.network_list = remote_network_list,
	.network_remove = remote_network_remove,
	.node_get = remote_node_get,
};

/* ---- where to ---- */

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static int no_config(struct fault *fault)
{
	char *places = jl__client_config_places();

	(void)fault_set(
		fault, -ENOENT,
		"there is no configuration of servers (rnx config-help shows one); "
		"looked for %s",
		places ? places : "");
	free(places);
	return -ENOENT;
}

static int load_config(const struct options *opts, struct jl__client_config **ret,
		       struct fault *fault)
{
	char error[JL__CONFIG_ERROR_MAX];
	char *path;
	int r = jl__client_config_find(opts->config, &path);

	if (r == -ENOENT)
		return no_config(fault);
	if (r < 0)
		return fault_set(fault, r, "out of memory");
	r = jl__client_config_load(path, ret, error);
	free(path);
	if (r < 0)
		return fault_set(fault, r == -ENOENT ? -EINVAL : r, "%.*s", FAULT_MAX - 1,
				 error);
	for (size_t i = 0; !opts->quiet && i < (*ret)->warnings.count; i++)
		say("%s", (*ret)->warnings.items[i]);
	return 0;
}

static int copy_node(struct remote *self, const struct jl__client_node *node,
		     const char *server, struct fault *fault)
{
	if (!*node->cert || !*node->key || !*node->ca)
		return fault_set(fault, -EINVAL,
				 "node '%s' has no %s: it takes cert, key and ca",
				 node->name,
				 !*node->cert  ? "cert"
				 : !*node->key ? "key"
					       : "ca");
	self->address = strdup(server ? server : node->address);
	self->cert = strdup(node->cert);
	self->key = strdup(node->key);
	self->ca = strdup(node->ca);
	return self->address && self->cert && self->key && self->ca
		       ? 0
		       : fault_set(fault, -ENOMEM, "out of memory");
}

/* --server keeps the certificates of the node and replaces its address. */
static int choose_node(struct remote *self, const struct options *opts,
		       const char *server, const char *name, struct fault *fault)
{
	struct jl__client_config *config;
	const struct jl__client_node *node;
	char shown_name[SHOWN_MAX];
	int r = load_config(opts, &config, fault);

	if (r < 0)
		return r;
	node = jl__client_config_node(config, name);
	if (node)
		r = copy_node(self, node, server, fault);
	else if (name)
		r = fault_set(fault, -ENOENT, "node '%s' not found in configuration %s",
			      shown(shown_name, name), config->path);
	else
		r = fault_set(fault, -EINVAL,
			      "there are several nodes and none is called default in %s: "
			      "say which with --node",
			      config->path);
	jl__client_config_free(config);
	return r;
}

static int choose_socket(struct remote *self, const char *address, struct fault *fault)
{
	self->address = strdup(address);
	return self->address ? 0 : fault_set(fault, -ENOMEM, "out of memory");
}

static bool config_there(const struct options *opts)
{
	char *path;
	int r = jl__client_config_find(opts->config, &path);

	if (r == 0)
		free(path);
	return r == 0;
}

int remote_module_open(const struct options *opts, struct backend **ret_backend,
		       struct fault *fault)
{
	const char *server = opts->server ? opts->server : variable("JOBLET_SERVER");
	const char *name = opts->node ? opts->node : variable("JOBLET_NODE");
	struct remote *self = calloc(1, sizeof(*self));
	bool is_socket = false;
	int r;

	if (!self)
		return fault_set(fault, -ENOMEM, "out of memory");
	self->base.ops = &remote_ops;
	if (server && strncmp(server, "unix:", 5) == 0)
		r = choose_socket(self, server, fault);
	else if (server || name || config_there(opts))
		r = choose_node(self, opts, server, name, fault);
	else {
		is_socket = true;
		r = choose_socket(self, "unix:" REMOTE_SOCKET, fault);
	}
	if (r == 0)
		r = remote_connect(self, fault);
	if (r < 0) {
		close_remote(&self->base);
		/* Nobody behind the socket, or not for us: nobody asked for a daemon. */
		if (is_socket &&
		    (r == -ECONNREFUSED || r == -ENOENT || r == -EACCES || r == -EPERM))
			return 0;
		return r;
	}
	*ret_backend = &self->base;
	return 1;
}

/* ---- rnx nodes ---- */

/* UNKNOWN when it cannot be read. */
static uint64_t end_of(const char *pem)
{
	uint64_t usec;

	return jl__rpc_cert_end(pem, &usec) == 0 ? usec : UNKNOWN;
}

static int add_node(struct node_entries *entries, const struct jl__client_node *node,
		    bool standard)
{
	struct node_entry *nodes =
		realloc(entries->nodes, (entries->count + 1) * sizeof(*nodes));
	struct node_entry *entry;

	if (!nodes)
		return -ENOMEM;
	entries->nodes = nodes;
	entry = &nodes[entries->count];
	*entry = (struct node_entry){
		.name = strdup(node->name),
		.address = strdup(node->address),
		.node_id = *node->node_id ? strdup(node->node_id) : NULL,
		.complete = *node->cert && *node->key && *node->ca,
		.standard = standard,
		.cert_usec = end_of(node->cert),
		.ca_usec = end_of(node->ca),
	};
	entries->count++;
	return entry->name && entry->address && (entry->node_id || !*node->node_id)
		       ? 0
		       : -ENOMEM;
}

int remote_module_nodes(const struct options *opts, struct node_entries *ret_nodes,
			struct fault *fault)
{
	struct jl__client_config *config;
	const struct jl__client_node *standard;
	int r = load_config(opts, &config, fault);

	if (r < 0)
		return r;
	*ret_nodes = (struct node_entries){ .path = strdup(config->path) };
	standard = jl__client_config_node(config, NULL);
	r = ret_nodes->path ? 0 : -ENOMEM;
	for (const struct jl__client_node *n = config->nodes; n && r == 0; n = n->next)
		r = add_node(ret_nodes, n, n == standard);
	jl__client_config_free(config);
	if (r < 0) {
		remote_module_nodes_done(ret_nodes);
		return fault_set(fault, r, "out of memory");
	}
	return 0;
}

void remote_module_nodes_done(struct node_entries *nodes)
{
	for (size_t i = 0; i < nodes->count; i++) {
		free(nodes->nodes[i].name);
		free(nodes->nodes[i].address);
		free(nodes->nodes[i].node_id);
	}
	free(nodes->nodes);
	free(nodes->path);
	*nodes = (struct node_entries){ 0 };
}

__attribute__((visibility("default"))) const struct remote_module rnx_remote_module = {
	.version = REMOTE_MODULE_VERSION,
	.open = remote_module_open,
	.nodes = remote_module_nodes,
	.nodes_done = remote_module_nodes_done,
};
