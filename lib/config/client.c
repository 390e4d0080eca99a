/* SPDX-License-Identifier: MIT */
#include "config/client.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void jl__client_config_free(struct jl__client_config *config)
{
	if (!config)
		return;
	while (config->nodes) {
		struct jl__client_node *node = config->nodes;

		config->nodes = node->next;
		free(node->name);
		free(node->address);
		free(node->cert);
		jl__text_wipe(node->key);
		free(node->ca);
		free(node->node_id);
		free(node);
	}
	jl__texts_done(&config->warnings);
	free(config->path);
	free(config);
}

#define AT(member) offsetof(struct jl__client_node, member)

static const struct jl__key node_keys[] = {
	{ "address", JL__KEY_TEXT, AT(address) },
	{ "cert", JL__KEY_PEM, AT(cert) },
	{ "key", JL__KEY_PEM, AT(key) },
	{ "ca", JL__KEY_PEM, AT(ca) },
	{ "nodeId", JL__KEY_TEXT, AT(node_id) },
	{ "persistAddress", JL__KEY_TEXT, JL__KEY_UNUSED },
	{ "description", JL__KEY_TEXT, JL__KEY_UNUSED },
};

static const struct jl__key top_keys[] = {
	{ "version", JL__KEY_TEXT, JL__KEY_UNUSED },
	{ "nodes", JL__KEY_TREE, JL__KEY_UNUSED },
};

static int read_node(struct jl__client_config *c, const char *name,
		     const struct jl__yaml *tree, struct jl__client_node *node,
		     char *error)
{
	const struct jl__key_reader reader = {
		.name = name,
		.keys = node_keys,
		.count = sizeof(node_keys) / sizeof(*node_keys),
		.into = node,
		.warnings = &c->warnings,
		.error = error,
	};
	char shown[JL__KEYS_SHOWN_MAX], host[256];
	uint16_t port;
	int r;

	if (tree->kind != JL__YAML_MAP)
		return jl__keys_refuse(error, -EINVAL, name, tree->line,
				       "nodes.%s must be a section with an address",
				       jl__keys_shown(shown, tree->key));
	node->name = strdup(tree->key);
	node->address = strdup("");
	node->cert = strdup("");
	node->key = strdup("");
	node->ca = strdup("");
	node->node_id = strdup("");
	if (!node->name || !node->address || !node->cert || !node->key || !node->ca ||
	    !node->node_id)
		return -ENOMEM;
	r = jl__keys_read(&reader, tree);
	if (r < 0)
		return r;
	if (!*node->address)
		return jl__keys_refuse(error, -EINVAL, name, tree->line,
				       "node '%s' has no address",
				       jl__keys_shown(shown, tree->key));
	if (jl__split_address(node->address, host, &port) < 0)
		return jl__keys_refuse(
			error, -EINVAL, name, tree->line,
			"address of a node must be HOST:PORT or [IPV6]:PORT, not '%s'",
			jl__keys_shown(shown, node->address));
	return 0;
}

static int read_nodes(struct jl__client_config *c, const char *name,
		      const struct jl__yaml *root, char *error)
{
	const struct jl__yaml *all = jl__keys_find(root, "nodes");
	struct jl__client_node **slot = &c->nodes;

	if (!all || all->kind != JL__YAML_MAP || !all->first)
		return jl__keys_refuse(error, -EINVAL, name, all ? all->line : 1,
				       "there are no nodes in this configuration");
	for (const struct jl__yaml *tree = all->first; tree; tree = tree->next) {
		int r;

		*slot = calloc(1, sizeof(**slot));
		if (!*slot)
			return -ENOMEM;
		r = read_node(c, name, tree, *slot, error);
		if (r < 0)
			return r;
		slot = &(*slot)->next;
	}
	return 0;
}

static int from_tree(const char *name, const struct jl__yaml *root,
		     struct jl__client_config **ret, char *error)
{
	struct jl__client_config *c = calloc(1, sizeof(*c));
	int r = c ? 0 : -ENOMEM;

	if (c) {
		const struct jl__key_reader reader = {
			.name = name,
			.keys = top_keys,
			.count = sizeof(top_keys) / sizeof(*top_keys),
			.into = c,
			.warnings = &c->warnings,
			.error = error,
		};

		r = jl__keys_read(&reader, root);
	}
	if (r == 0)
		r = read_nodes(c, name, root, error);
	if (r < 0) {
		if (r == -ENOMEM)
			(void)snprintf(error, JL__CONFIG_ERROR_MAX, "out of memory");
		jl__client_config_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

int jl__client_config_parse(const char *name, const char *text, size_t len,
			    struct jl__client_config **ret,
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

static bool has_key(const struct jl__client_config *c)
{
	for (const struct jl__client_node *node = c->nodes; node; node = node->next) {
		if (*node->key)
			return true;
	}
	return false;
}

int jl__client_config_load(const char *path, struct jl__client_config **ret,
			   char error[JL__CONFIG_ERROR_MAX])
{
	struct jl__client_config *c;
	struct jl__yaml *root;
	unsigned int mode;
	int r = jl__yaml_load(path, &root, &mode, error);

	if (r < 0)
		return r;
	r = from_tree(path, root, &c, error);
	jl__yaml_free(root);
	if (r < 0)
		return r;
	c->path = strdup(path);
	if (!c->path)
		r = -ENOMEM;
	if (r == 0 && (mode & 077) && has_key(c))
		r = jl__texts_add_exposed(&c->warnings, path);
	if (r < 0) {
		(void)snprintf(error, JL__CONFIG_ERROR_MAX, "out of memory");
		jl__client_config_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

const struct jl__client_node *
jl__client_config_node(const struct jl__client_config *config, const char *name)
{
	bool any = !name || !*name;

	for (const struct jl__client_node *node = config->nodes; node;
	     node = node->next) {
		if (strcmp(node->name, any ? "default" : name) == 0)
			return node;
	}
	return any && config->nodes && !config->nodes->next ? config->nodes : NULL;
}

int jl__split_address(const char *address, char host[256], uint16_t *ret_port)
{
	const char *end, *port = NULL;
	size_t len;

	if (*address == '[') {
		address++;
		end = strchr(address, ']');
		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		if (end[1])
			port = end + 2;
	} else {
		const char *colon = strchr(address, ':');

		end = address + strlen(address);
		/* Two colons without brackets: an IPv6 address by itself. */
		if (colon && !strchr(colon + 1, ':')) {
			end = colon;
			port = colon + 1;
		}
	}
	len = (size_t)(end - address);
	if (len == 0 || len > 255)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)address[i] <= ' ' ||
		    (unsigned char)address[i] >= 127 || strchr("/@?#[]", address[i]))
			return -EINVAL;
	}
	memcpy(host, address, len);
	host[len] = 0;
	*ret_port = JL__CLIENT_PORT;
	if (port) {
		uint64_t value;

		if (jl__value_number(port, &value) < 0 || value < 1 || value > 65535)
			return -EINVAL;
		*ret_port = (uint16_t)value;
	}
	return 0;
}
