/* SPDX-License-Identifier: MIT */
#include "rnx.h"

#include <stdio.h>

#include "json.h"
#include "output.h"
#include "remote.h"
#include "show.h"

static const char *status_of(const struct node_entry *node)
{
	return node->complete ? "configured" : "incomplete";
}

static void print_node(const struct node_entry *node, bool verbose)
{
	char buf[64];

	(void)printf("  - ");
	print_text(node->name);
	(void)printf(" (");
	print_text(node->address);
	(void)printf(")%s\n", node->complete ? ""
					     : " incomplete: certificate, key or ca "
					       "is missing");
	if (!verbose)
		return;
	if (node->node_id) {
		(void)printf("      Node ID: ");
		print_text(node->node_id);
		(void)putchar('\n');
	}
	(void)printf("      Status: %s%s\n", status_of(node),
		     node->standard ? ", the default" : "");
	if (node->cert_usec != UNKNOWN)
		(void)printf("      Certificate: until %s\n",
			     show_rfc3339(buf, node->cert_usec));
}

static int print_list(const struct options *opts, const struct node_entries *list)
{
	(void)puts("Available nodes in configuration:");
	for (size_t i = 0; i < list->count; i++)
		print_node(&list->nodes[i], opts->verbose);
	if (opts->verbose) {
		(void)printf("Configuration: ");
		print_text(list->path);
		(void)putchar('\n');
	}
	return finish_stdout();
}

static int print_json(const struct node_entries *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count && array; i++) {
		const struct node_entry *node = &list->nodes[i];
		json_t *object = json_object();

		json_put(object, "name", json_bytes(node->name));
		json_put(object, "address", json_bytes(node->address));
		if (node->node_id)
			json_put(object, "nodeId", json_bytes(node->node_id));
		json_put(object, "status", json_string(status_of(node)));
		json_put(object, "default", json_boolean(node->standard));
		(void)json_array_append_new(array, object);
	}
	return json_print(array);
}

int cmd_nodes(const struct options *opts, char **words)
{
	struct node_entries list = { 0 };
	struct fault fault;
	int r;

	(void)words;
	if (remote_nodes(opts, &list, &fault) < 0)
		return say_fault(&fault);
	r = opts->json ? print_json(&list) : print_list(opts, &list);
	remote_nodes_done(&list);
	return r;
}
