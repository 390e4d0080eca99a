/* SPDX-License-Identifier: MIT */
#include "rnx.h"

#include <stdio.h>
#include <string.h>

#include <joblet/ctx.h>

#include "json.h"
#include "output.h"

#define WIDTH 90

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

static json_t *probe_json(const jl_probe *probe)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < jl_probe_count(probe) && array; i++) {
		json_t *object = json_object();

		json_put(object, "name", json_bytes(jl_probe_name(probe, i)));
		json_put(object, "status",
			 json_string(status_word(jl_probe_status(probe, i))));
		json_put(object, "value", json_bytes(jl_probe_value(probe, i)));
		json_put(object, "meaning", json_bytes(jl_probe_meaning(probe, i)));
		(void)json_array_append_new(array, object);
	}
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

int cmd_doctor(const struct options *opts, char **words)
{
	jl_probe *probe = NULL;
	jl_error *err = NULL;
	jl_ctx *ctx = NULL;
	int code, r;

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
		r = json_print(probe_json(probe));
	} else {
		print_table(probe);
		r = finish_stdout();
	}
	jl_probe_free(probe);
	(void)jl_ctx_unref(ctx);
	return r != EXIT_OK ? r : code;
}
