/* SPDX-License-Identifier: MIT */
#include "rnx.h"

#include <stdio.h>
#include <string.h>

#include <joblet/ctx.h>

#include "json.h"
#include "output.h"
#include "remote.h"
#include "show.h"

#define WIDTH 90
/* Certificates with less than this are worth a word. */
#define WARN_USEC (UINT64_C(30) * 24 * 3600 * 1000000)

static const char *status_word(int status)
{
	switch (status) {
	case JL_PROBE_OK:
		return "ok";
	case JL_PROBE_LIMITED:
		return "limited";
	case JL_PROBE_MISSING:
		return "missing";
	default:
		return "unknown";
	}
}

/* Whether the next line says the same. */
static bool same_meaning(const jl_probe *probe, uint32_t line)
{
	const char *next = jl_probe_meaning(probe, line + 1);

	return next && strcmp(next, jl_probe_meaning(probe, line)) == 0;
}

static void print_table(const jl_probe *probe)
{
	(void)printf("%-8s %-17s %s\n", "STATUS", "NAME", "VALUE");
	for (uint32_t i = 0; i < jl_probe_count(probe); i++) {
		(void)printf("%-8s %-17s %s\n", status_word(jl_probe_status(probe, i)),
			     jl_probe_name(probe, i), jl_probe_value(probe, i));
		/* Lines with the same lack share its meaning, below the last of them. */
		if (!same_meaning(probe, i))
			print_wrapped(stdout, jl_probe_meaning(probe, i), 27, WIDTH);
	}
}

static json_t *row_json(const char *name, int status, const char *value,
			const char *meaning)
{
	json_t *object = json_object();

	json_put(object, "name", json_bytes(name));
	json_put(object, "status", json_string(status_word(status)));
	json_put(object, "value", json_bytes(value));
	json_put(object, "meaning", json_bytes(meaning));
	return object;
}

static json_t *probe_json(const jl_probe *probe)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < jl_probe_count(probe) && array; i++)
		(void)json_array_append_new(array, row_json(jl_probe_name(probe, i),
							    jl_probe_status(probe, i),
							    jl_probe_value(probe, i),
							    jl_probe_meaning(probe, i)));
	return array;
}

/* Whether jobs can be run at all. */
static int verdict(const jl_probe *probe)
{
	for (uint32_t i = 0; i < jl_probe_count(probe); i++) {
		if (strcmp(jl_probe_name(probe, i), "jobs") == 0)
			return jl_probe_status(probe, i) == JL_PROBE_MISSING ? EXIT_FAILED
									     : EXIT_OK;
	}
	return EXIT_FAILED;
}

/* ---- the nodes of a configuration file, as far as it can be told without going there */

struct finding {
	char name[SHOWN_MAX + 8];
	char value[256];
	int status;
	const char *meaning;
};

static void judge(const struct node_entry *node, uint64_t now, struct finding *ret)
{
	uint64_t end = node->cert_usec < node->ca_usec ? node->cert_usec : node->ca_usec;
	const char *whose = node->cert_usec <= node->ca_usec
				    ? "certificate"
				    : "certificate of the authority";
	char name[SHOWN_MAX], until[64];

	(void)snprintf(ret->name, sizeof(ret->name), "node.%s", shown(name, node->name));
	ret->meaning = "";
	if (!node->complete || node->cert_usec == UNKNOWN || node->ca_usec == UNKNOWN) {
		ret->status = JL_PROBE_MISSING;
		(void)snprintf(ret->value, sizeof(ret->value),
			       "without a certificate, key and ca that can be read");
		ret->meaning =
			"Nothing can be asked of this node. 'joblet cert client' on "
			"its machine writes a file that has them.";
		return;
	}
	(void)show_rfc3339(until, end);
	if (end <= now) {
		ret->status = JL_PROBE_MISSING;
		(void)snprintf(ret->value, sizeof(ret->value), "%s ended at %s", whose,
			       until);
		ret->meaning = "The node refuses it. 'joblet cert client' on its machine "
			       "makes a new one.";
		return;
	}
	ret->status = end - now < WARN_USEC ? JL_PROBE_LIMITED : JL_PROBE_OK;
	(void)snprintf(ret->value, sizeof(ret->value), "%s until %s, %llu days", whose,
		       until, (unsigned long long)((end - now) / 86400000000));
	if (ret->status == JL_PROBE_LIMITED)
		ret->meaning = "Have a new one made before that: 'joblet cert client' on "
			       "the machine of the node.";
}

/* Rows for all nodes, printed or added to array. Returns EXIT_FAILED for a useless one.
 */
static int check_nodes(const struct options *opts, json_t *array)
{
	struct node_entries list = { 0 };
	struct finding finding;
	struct fault fault;
	int code = EXIT_OK;

	if (!remote_configured(opts))
		return EXIT_OK;
	if (remote_nodes(opts, &list, &fault) < 0)
		return say_fault(&fault);
	for (size_t i = 0; i < list.count; i++) {
		judge(&list.nodes[i], now_usec(), &finding);
		if (finding.status == JL_PROBE_MISSING)
			code = EXIT_FAILED;
		if (array) {
			(void)json_array_append_new(
				array, row_json(finding.name, finding.status,
						finding.value, finding.meaning));
			continue;
		}
		(void)printf("%-8s %-17s %s\n", status_word(finding.status), finding.name,
			     finding.value);
		print_wrapped(stdout, finding.meaning, 27, WIDTH);
	}
	remote_nodes_done(&list);
	return code;
}

int cmd_doctor(const struct options *opts, char **words)
{
	jl_probe *probe = NULL;
	jl_error *err = NULL;
	jl_ctx *ctx = NULL;
	int code, nodes, r;

	(void)words;
	r = jl_ctx_new(0, &ctx, &err);
	if (r == 0)
		r = jl_ctx_probe(ctx, &probe, &err);
	if (r < 0) {
		say("%s", jl_error_message(err));
		jl_error_free(err);
		(void)jl_ctx_unref(ctx);
		return EXIT_FAILED;
	}
	code = verdict(probe);
	if (opts->json) {
		json_t *array = probe_json(probe);

		nodes = check_nodes(opts, array);
		r = json_print(array);
	} else {
		print_table(probe);
		nodes = check_nodes(opts, NULL);
		r = finish_stdout();
	}
	jl_probe_free(probe);
	(void)jl_ctx_unref(ctx);
	if (r != EXIT_OK)
		return r;
	return code != EXIT_OK ? code : nodes;
}
