/* SPDX-License-Identifier: MIT */
#include "rnx.h"

#include <stdio.h>
#include <string.h>

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

int cmd_doctor(const struct options *opts, char **words)
{
	jl_probe *probe = NULL;
	jl_error *err = NULL;
	jl_ctx *ctx = NULL;
	int code = EXIT_FAILED, r;
	char buf[SHOWN_MAX];

	(void)opts;
	if (*words) {
		say("doctor takes no arguments: '%s'", shown(buf, *words));
		return EXIT_USAGE;
	}
	r = jl_ctx_new(0, &ctx, &err);
	if (r == 0)
		r = jl_ctx_probe(ctx, &probe, &err);
	if (r < 0) {
		say("%s", jl_error_message(err));
		jl_error_free(err);
		(void)jl_ctx_unref(ctx);
		return EXIT_FAILED;
	}
	(void)printf("%-8s %-17s %s\n", "STATUS", "NAME", "VALUE");
	for (uint32_t i = 0; i < jl_probe_count(probe); i++) {
		int status = jl_probe_status(probe, i);

		(void)printf("%-8s %-17s %s\n", status_word(status),
			     jl_probe_name(probe, i), jl_probe_value(probe, i));
		/* Lines with the same lack share its meaning, below the last of them. */
		if (!same_meaning(probe, i))
			print_wrapped(stdout, jl_probe_meaning(probe, i), 27, WIDTH);
		if (strcmp(jl_probe_name(probe, i), "jobs") == 0 &&
		    status != JL_PROBE_MISSING)
			code = EXIT_OK;
	}
	jl_probe_free(probe);
	(void)jl_ctx_unref(ctx);
	r = finish_stdout();
	return r != EXIT_OK ? r : code;
}
