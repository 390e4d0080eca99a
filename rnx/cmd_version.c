/* SPDX-License-Identifier: MIT */
#include "rnx.h"

#include <stdio.h>

#include <joblet/base.h>

#include "backend.h"
#include "json.h"
#include "output.h"
#include "show.h"

/*
 * The server's version, when one is asked for by flag: then its silence is a failure.
 * Otherwise the version of this program is all there is to say, and nobody is asked.
 */
static bool server_asked(const struct options *opts)
{
	return opts->server || opts->node || opts->config;
}

static int ask(const struct options *opts, struct node_info *info)
{
	struct backend *backend;
	struct fault fault;
	int r = EXIT_OK;

	if (backend_open(opts, &backend, &fault) < 0)
		return say_fault(&fault);
	if (backend->ops->node_get(backend, info, &fault) < 0)
		r = say_fault(&fault);
	backend->ops->close(backend);
	return r;
}

static json_t *version_object(const char *version)
{
	json_t *object = json_object();

	json_put(object, "version", json_bytes(version));
	return object;
}

int cmd_version(const struct options *opts, char **words)
{
	struct node_info info = { 0 };
	int r = EXIT_OK;

	(void)words;
	if (server_asked(opts))
		r = ask(opts, &info);
	if (opts->json) {
		json_t *object = json_object();
		json_t *client = version_object(RNX_VERSION);

		json_put(client, "libjoblet", json_string(jl_version_string()));
		json_put(object, "rnx", client);
		if (info.version)
			json_put(object, "joblet", version_object(info.version));
		if (json_print(object) != EXIT_OK)
			r = EXIT_FAILED;
	} else {
		(void)printf("rnx %s\nlibjoblet %s\n", RNX_VERSION, jl_version_string());
		if (info.version) {
			(void)printf("joblet ");
			print_text(info.version);
			(void)putchar('\n');
		}
		if (finish_stdout() != EXIT_OK)
			r = EXIT_FAILED;
	}
	node_info_done(&info);
	return r;
}
