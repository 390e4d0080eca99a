/* SPDX-License-Identifier: MIT */
#include "rnx.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "json.h"
#include "output.h"
#include "show.h"

static json_t *network_json(const struct network *network)
{
	json_t *object = json_object();

	json_put(object, "name", json_bytes(network->name));
	json_put(object, "cidr", json_bytes(network->cidr));
	json_put(object, "bridge", json_bytes(network->bridge));
	json_put(object, "builtin", json_boolean(network->builtin));
	json_put(object, "job_count", json_integer((json_int_t)network->jobs));
	return object;
}

static int print_created(const struct options *opts, const struct network *network)
{
	if (opts->json)
		return json_print(network_json(network));
	(void)printf("Network created successfully:\nName: ");
	print_text(network->name);
	(void)printf("\nCIDR: ");
	print_text(network->cidr ? network->cidr : "N/A");
	(void)printf("\nBridge: ");
	print_text(network->bridge ? network->bridge : "N/A");
	(void)printf("\n\nUse it: rnx run --network=");
	print_text(network->name);
	(void)printf(" COMMAND\n");
	return finish_stdout();
}

/*
 * The table says N/A where there is nothing people would use, as ever: the subnet behind
 * "isolated" is of no concern to anybody. --json has it.
 */
static const char *cell(const struct network *network, const char *text)
{
	return network->builtin && strcmp(network->name, "isolated") == 0 ? NULL : text;
}

/* Names nobody can have; told without asking a server. */
static bool reserved(const char *name)
{
	static const char *const names[] = { "none", "isolated", "bridge", "host" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

int cmd_network_create(const struct options *opts, char **words)
{
	const char *cidr = opts->cidr ? opts->cidr : words[1];
	struct network network = { 0 };
	struct backend *backend;
	struct fault fault;
	char buf[SHOWN_MAX];
	int r;

	if (!cidr || (opts->cidr && words[1])) {
		say("network create: needs one subnet, for instance --cidr=10.1.0.0/16");
		return EXIT_USAGE;
	}
	if (reserved(words[0])) {
		say("network '%s' is there by itself, choose another name",
		    shown(buf, words[0]));
		return EXIT_USAGE;
	}
	if (backend_open(opts, &backend, &fault) < 0)
		return say_fault(&fault);
	if (backend->ops->network_create(backend, words[0], cidr, &network, &fault) < 0)
		r = say_fault(&fault);
	else
		r = print_created(opts, &network);
	network_done(&network);
	backend->ops->close(backend);
	return r;
}

static void widen(int *width, const char *text)
{
	size_t len = text ? text_width(text) : 3;

	if (len > (size_t)*width)
		*width = len > 40 ? 40 : (int)len;
}

static void print_cell(const char *text, int width)
{
	char buf[SHOWN_MAX];

	(void)printf("%-*s  ", width, shown(buf, text ? text : "N/A"));
}

static int print_table(const struct network_list *list)
{
	int name = 4, cidr = 4, bridge = 6;

	for (size_t i = 0; i < list->count; i++) {
		const struct network *network = &list->networks[i];

		widen(&name, network->name);
		widen(&cidr, cell(network, network->cidr));
		widen(&bridge, cell(network, network->bridge));
	}
	(void)printf("%-*s  %-*s  %-*s  %s\n", name, "NAME", cidr, "CIDR", bridge,
		     "BRIDGE", "JOBS");
	for (size_t i = 0; i < list->count; i++) {
		const struct network *network = &list->networks[i];

		print_cell(network->name, name);
		print_cell(cell(network, network->cidr), cidr);
		print_cell(cell(network, network->bridge), bridge);
		(void)printf("%" PRIu64 "%s\n", network->jobs,
			     network->builtin ? " (built-in)" : "");
	}
	return finish_stdout();
}

static int print_json(const struct network_list *list)
{
	json_t *array = json_array(), *object = json_object();

	for (size_t i = 0; i < list->count && array; i++)
		(void)json_array_append_new(array, network_json(&list->networks[i]));
	json_put(object, "networks", array);
	return json_print(object);
}

int cmd_network_list(const struct options *opts, char **words)
{
	struct network_list list = { 0 };
	struct backend *backend;
	struct fault fault;
	int r;

	(void)words;
	if (backend_open(opts, &backend, &fault) < 0)
		return say_fault(&fault);
	if (backend->ops->network_list(backend, &list, &fault) < 0)
		r = say_fault(&fault);
	else
		r = opts->json ? print_json(&list) : print_table(&list);
	network_list_done(&list);
	backend->ops->close(backend);
	return r;
}

int cmd_network_remove(const struct options *opts, char **words)
{
	struct backend *backend;
	struct fault fault;
	char buf[SHOWN_MAX];
	int r;

	if (reserved(words[0])) {
		say("Failed to remove network: '%s' is there by itself", words[0]);
		return EXIT_USAGE;
	}
	if (backend_open(opts, &backend, &fault) < 0)
		return say_fault(&fault);
	if (backend->ops->network_remove(backend, words[0], &fault) < 0) {
		say("Failed to remove network: %s", fault.text);
		r = fault_exit(&fault);
	} else if (opts->json) {
		json_t *object = json_object();

		json_put(object, "success", json_true());
		json_put(object, "name", json_bytes(words[0]));
		r = json_print(object);
	} else {
		(void)printf("Network '%s' removed successfully\n", shown(buf, words[0]));
		r = finish_stdout();
	}
	backend->ops->close(backend);
	return r;
}
