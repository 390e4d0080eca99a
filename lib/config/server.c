/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/server-priv.h"

#define MIB (UINT64_C(1) << 20)
#define SECOND UINT64_C(1000000)

char *jl__server_config_find(const char *path)
{
	static const char *const places[] = {
		"/opt/joblet/config/joblet-config.yml",
		"./config/joblet-config.yml",
		"./joblet-config.yml",
		"/etc/joblet/joblet-config.yml",
	};
	const char *env = getenv("JOBLET_CONFIG_PATH");

	if (path)
		return strdup(path);
	if (env && *env)
		return strdup(env);
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		/* Only a file that is not there is passed over; others say why not. */
		if (access(places[i], F_OK) == 0 || errno != ENOENT)
			return strdup(places[i]);
	}
	return strdup(JL__SERVER_CONFIG_BUILTIN);
}

/* Texts that are never NULL. */
static int default_texts(struct jl__server_config *c)
{
	const struct {
		char **slot;
		const char *text;
	} texts[] = {
		{ &c->address, "0.0.0.0" },
		{ &c->node_id, "" },
		{ &c->socket, "/run/joblet/joblet.sock" },
		{ &c->socket_group, "" },
		{ &c->state_dir, "" },
		{ &c->cgroup_base, "" },
		{ &c->default_network, "" },
		{ &c->log_level, "info" },
		{ &c->log_format, "text" },
		{ &c->log_output, "stdout" },
		{ &c->server_cert, "" },
		{ &c->server_key, "" },
		{ &c->ca_cert, "" },
		{ &c->crl, "" },
		{ &c->audit_file, "" },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		*texts[i].slot = strdup(texts[i].text);
		if (!*texts[i].slot)
			return -ENOMEM;
	}
	return jl__texts_add(&c->local[0], "root");
}

static struct jl__server_config *with_defaults(void)
{
	struct jl__server_config *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->port = 50051;
	c->max_connections = 1000;
	c->max_peer_connections = 200;
	c->drain_usec = 10 * SECOND;
	c->default_cpu = 50;
	c->default_memory = 256 * MIB;
	c->default_disk = 1024 * MIB;
	c->max_jobs = 100;
	c->max_queue = 10000;
	c->max_scheduled = 10000;
	c->grace_usec = 10 * SECOND;
	c->keep_jobs = 10000;
	c->log_bytes = 1024 * MIB;
	c->upload_file_bytes = 50 * MIB;
	c->upload_job_bytes = 100 * MIB;
	c->network_enabled = true;
	c->allow_custom_networks = true;
	c->max_networks = 50;
	c->max_message_bytes = 128 * MIB;
	c->max_header_bytes = 64 * 1024;
	c->max_streams = 200;
	c->upload_budget_bytes = 512 * MIB;
	c->ping_usec = 20 * SECOND;
	c->ping_timeout_usec = 20 * SECOND;
	c->handshake_usec = 10 * SECOND;
	c->idle_usec = 300 * SECOND;
	c->audit = true;
	if (default_texts(c) < 0) {
		jl__server_config_free(c);
		return NULL;
	}
	return c;
}

void jl__server_config_free(struct jl__server_config *c)
{
	if (!c)
		return;
	while (c->networks) {
		struct jl__config_net *net = c->networks;

		c->networks = net->next;
		free(net->name);
		free(net->cidr);
		free(net);
	}
	jl__texts_done(&c->warnings);
	jl__texts_done(&c->unused);
	for (size_t i = 0; i < sizeof(c->local) / sizeof(*c->local); i++)
		jl__texts_done(&c->local[i]);
	free(c->path);
	free(c->address);
	free(c->node_id);
	free(c->socket);
	free(c->socket_group);
	free(c->state_dir);
	free(c->cgroup_base);
	free(c->default_network);
	free(c->log_level);
	free(c->log_format);
	free(c->log_output);
	free(c->server_cert);
	jl__text_wipe(c->server_key);
	free(c->ca_cert);
	free(c->crl);
	free(c->audit_file);
	free(c);
}

static int warn(struct jl__server_config *c, const char *name, unsigned int line,
		const char *text)
{
	char buf[JL__CONFIG_ERROR_MAX];

	(void)jl__keys_refuse(buf, 0, name, line, "%s", text);
	return jl__texts_add(&c->warnings, buf);
}

static int add_network(struct jl__server_config *c, const char *name, const char *cidr)
{
	struct jl__config_net *net = calloc(1, sizeof(*net)), **slot = &c->networks;

	if (!net)
		return -ENOMEM;
	while (*slot)
		slot = &(*slot)->next;
	*slot = net;
	net->name = strdup(name);
	net->cidr = strdup(cidr);
	return net->name && net->cidr ? 0 : -ENOMEM;
}

static bool is_builtin(const char *name)
{
	return strcmp(name, "bridge") == 0 || strcmp(name, "isolated") == 0 ||
	       strcmp(name, "none") == 0 || strcmp(name, "host") == 0;
}

static int check_builtin(const char *name, const struct jl__yaml *node,
			 const struct jl__yaml *cidr, char *error)
{
	char shown[JL__KEYS_SHOWN_MAX];

	if (!cidr || !*cidr->text)
		return 0;
	if (strcmp(node->key, "bridge") == 0 && strcmp(cidr->text, "172.20.0.0/16") == 0)
		return 0;
	return jl__keys_refuse(
		error, -EINVAL, name, cidr->line,
		"network.networks.%s.cidr: the subnet of this network is "
		"%s and cannot be '%s'; give another network a name of its own",
		node->key,
		strcmp(node->key, "bridge") == 0 ? "172.20.0.0/16" : "not chosen here",
		jl__keys_shown(shown, cidr->text));
}

static int read_network(struct jl__server_config *c, const char *name,
			const struct jl__yaml *node, char *error)
{
	const struct jl__yaml *cidr = NULL;
	char shown[JL__KEYS_SHOWN_MAX], text[256];

	if (node->kind != JL__YAML_MAP)
		return jl__keys_refuse(
			error, -EINVAL, name, node->line,
			"network.networks.%s must be a section with a cidr",
			jl__keys_shown(shown, node->key));
	for (const struct jl__yaml *n = node->first; n; n = n->next) {
		if (n->kind != JL__YAML_SCALAR)
			return jl__keys_refuse(error, -EINVAL, name, n->line,
					       "a network has a cidr and a bridgeName");
		if (jl__keys_same(n->key, "cidr")) {
			cidr = n;
		} else if (!jl__keys_same(n->key, "bridgeName")) {
			(void)snprintf(text, sizeof(text),
				       "unknown key network.networks.*.%s is ignored",
				       jl__keys_shown(shown, n->key));
			if (warn(c, name, n->line, text) < 0)
				return -ENOMEM;
		}
	}
	if (is_builtin(node->key))
		return check_builtin(name, node, cidr, error);
	if (!cidr || !*cidr->text)
		return jl__keys_refuse(error, -EINVAL, name, node->line,
				       "network.networks.%s has no cidr",
				       jl__keys_shown(shown, node->key));
	return add_network(c, node->key, cidr->text);
}

static int read_networks(struct jl__server_config *c, const char *name,
			 const struct jl__yaml *root, char *error)
{
	const struct jl__yaml *all = jl__keys_find(root, "network.networks");

	if (!all || jl__yaml_is_null(all))
		return 0;
	if (all->kind != JL__YAML_MAP)
		return jl__keys_refuse(error, -EINVAL, name, all->line,
				       "network.networks must be a section of networks");
	for (const struct jl__yaml *node = all->first; node; node = node->next) {
		int r = read_network(c, name, node, error);

		if (r < 0)
			return r;
	}
	return 0;
}

static unsigned int line_of(const struct jl__yaml *root, const char *path)
{
	const struct jl__yaml *node = jl__keys_find(root, path);

	return node ? node->line : 1;
}

/* What no single key shows. */
static int check(const struct jl__server_config *c, const char *name,
		 const struct jl__yaml *root, char *error)
{
	static const struct {
		const char *low, *high;
		size_t low_at, high_at;
	} pairs[] = {
#define PAIR(l, h, lm, hm)                              \
	{ l, h, offsetof(struct jl__server_config, lm), \
	  offsetof(struct jl__server_config, hm) }
		PAIR("joblet.minCpuLimit", "joblet.maxCpuLimit", min_cpu, max_cpu),
		PAIR("joblet.minMemoryLimit", "joblet.maxMemoryLimit", min_memory,
		     max_memory),
		PAIR("joblet.minIoLimit", "joblet.maxIoLimit", min_io, max_io),
		PAIR("joblet.defaultCpuLimit", "joblet.maxCpuLimit", default_cpu,
		     max_cpu),
		PAIR("joblet.defaultMemoryLimit", "joblet.maxMemoryLimit", default_memory,
		     max_memory),
		PAIR("joblet.defaultIoLimit", "joblet.maxIoLimit", default_io, max_io),
		PAIR("joblet.defaultDiskLimit", "joblet.maxDiskLimit", default_disk,
		     max_disk),
		PAIR("joblet.uploadFileLimit", "joblet.uploadLimit", upload_file_bytes,
		     upload_job_bytes),
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		uint64_t low = *(const uint64_t *)(const void *)((const char *)c +
								 pairs[i].low_at);
		uint64_t high = *(const uint64_t *)(const void *)((const char *)c +
								  pairs[i].high_at);

		if (high && low > high)
			return jl__keys_refuse(
				error, -EINVAL, name, line_of(root, pairs[i].high),
				"%s must not be below %s", pairs[i].high, pairs[i].low);
	}
	if (*c->cgroup_base && strncmp(c->cgroup_base, "/sys/fs/cgroup/", 15) != 0)
		return jl__keys_refuse(error, -EINVAL, name,
				       line_of(root, "cgroup.baseDir"),
				       "cgroup.baseDir must lie below /sys/fs/cgroup");
	return 0;
}

static int read_tree(struct jl__server_config *c, const char *name,
		     const struct jl__yaml *root, char *error)
{
	const struct jl__key_reader reader = {
		.name = name,
		.keys = jl__server_keys,
		.count = jl__server_key_count,
		.into = c,
		.warnings = &c->warnings,
		.unused = &c->unused,
		.error = error,
	};
	int r = jl__keys_read(&reader, root);

	if (r == 0)
		r = read_networks(c, name, root, error);
	if (r == 0)
		r = check(c, name, root, error);
	return r;
}

/* One value that the environment overrides, by way of the same table. */
static int override(struct jl__server_config *c, const char *variable,
		    const char *section, const char *key, char *error)
{
	char *value = getenv(variable);
	struct jl__yaml leaf = { .kind = JL__YAML_SCALAR, .line = 1, .text = value };
	struct jl__yaml part = { .kind = JL__YAML_MAP, .first = &leaf, .last = &leaf };
	struct jl__yaml root = { .kind = JL__YAML_MAP, .first = &part, .last = &part };
	char key_text[32], section_text[32], inner[JL__CONFIG_ERROR_MAX];
	const struct jl__key_reader reader = {
		.name = variable,
		.keys = jl__server_keys,
		.count = jl__server_key_count,
		.into = c,
		.warnings = &c->warnings,
		.error = inner,
	};
	int r;

	if (!value || !*value)
		return 0;
	(void)snprintf(key_text, sizeof(key_text), "%s", key);
	(void)snprintf(section_text, sizeof(section_text), "%s", section);
	leaf.key = key_text;
	part.key = section_text;
	r = jl__keys_read(&reader, &root);
	if (r < 0)
		(void)snprintf(error, JL__CONFIG_ERROR_MAX, "in the environment, %.*s",
			       JL__CONFIG_ERROR_MAX - 32, inner);
	return r;
}

static int read_environment(struct jl__server_config *c, char *error)
{
	int r = override(c, "JOBLET_SERVER_ADDRESS", "server", "address", error);

	if (r == 0)
		r = override(c, "JOBLET_MODE", "server", "mode", error);
	if (r == 0)
		r = override(c, "JOBLET_LOG_LEVEL", "logging", "level", error);
	if (r == 0)
		r = override(c, "JOBLET_LOG_FORMAT", "logging", "format", error);
	return r;
}

static int from_tree(const char *name, const struct jl__yaml *root,
		     struct jl__server_config **ret, char *error)
{
	struct jl__server_config *c = with_defaults();
	int r = c ? 0 : -ENOMEM;

	if (r == 0 && root)
		r = read_tree(c, name, root, error);
	if (r < 0) {
		if (r == -ENOMEM)
			(void)snprintf(error, JL__CONFIG_ERROR_MAX, "out of memory");
		jl__server_config_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

int jl__server_config_parse(const char *name, const char *text, size_t len,
			    struct jl__server_config **ret,
			    char error[JL__CONFIG_ERROR_MAX])
{
	struct jl__yaml *root;
	int r = jl__yaml_parse(name, text, len, &root, error);

	if (r < 0)
		return r;
	r = from_tree(name, root, ret, error);
	jl__yaml_free(root);
	return r;
}

int jl__server_config_load(const char *path, struct jl__server_config **ret,
			   char error[JL__CONFIG_ERROR_MAX])
{
	struct jl__server_config *c = NULL;
	struct jl__yaml *root = NULL;
	bool is_file = path && *path;
	unsigned int mode = 0;
	int r = 0;

	if (is_file)
		r = jl__yaml_load(path, &root, &mode, error);
	if (r == 0)
		r = from_tree(path, root, &c, error);
	jl__yaml_free(root);
	if (r == 0)
		r = read_environment(c, error);
	if (r == 0 && is_file) {
		c->mode = mode;
		c->path = strdup(path);
		if (!c->path)
			r = -ENOMEM;
		if (r == 0 && (mode & 077) && *c->server_key)
			r = jl__texts_add_exposed(&c->warnings, path);
		if (r < 0)
			(void)snprintf(error, JL__CONFIG_ERROR_MAX, "out of memory");
	}
	if (r < 0) {
		jl__server_config_free(c);
		return r;
	}
	*ret = c;
	return 0;
}
