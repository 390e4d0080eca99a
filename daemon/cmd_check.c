/* SPDX-License-Identifier: MIT */
/* joblet check: a configuration, looked at without starting anything. */
#include "commands.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "authority.h"
#include "certs.h"
#include "roles.h"

static const char usage[] =
	"joblet check [--config FILE] [--verbose]\n"
	"    Reads the configuration as the daemon would and says what is wrong with it.\n"
	"    Ends with 0 when a daemon would start with it. --verbose also names keys that\n"
	"    are accepted and have no effect.\n";

static void show_expiry(const char *what, int64_t when, const char *remedy)
{
	int64_t now = (int64_t)time(NULL);
	char text[SENTENCE_MAX];

	certs_expiry_text(text, what, when, now,
			  cert_days_left(when, now) < CERT_WARN_DAYS ? remedy : "");
	(void)printf("%s\n", text);
}

static int check_certificates(const struct jl__server_config *config)
{
	struct certs_expiry expiry;
	struct sentence why;
	int r = certs_check(config, &why);

	if (r == 0)
		r = certs_get_expiry(config, &expiry, &why);
	if (r == -ENOENT && *config->socket) {
		/* Local users need none. */
		(void)printf("%s; until then only local users are served, at %s\n",
			     why.text, config->socket);
		return EXIT_OK;
	}
	if (r < 0) {
		say("%s", why.text);
		return EXIT_FAILED;
	}
	show_expiry("the certificate of the daemon", expiry.server,
		    "renew it with joblet cert server --renew");
	show_expiry("the certificate of the authority", expiry.authority,
		    "make a new one with joblet cert init --new-authority");
	if (expiry.server <= (int64_t)time(NULL) ||
	    expiry.authority <= (int64_t)time(NULL))
		return EXIT_FAILED;
	return EXIT_OK;
}

static int check_config(const struct jl__server_config *config, bool verbose)
{
	struct local_roles roles;
	struct sentence why;
	int code = EXIT_OK;

	for (size_t i = 0; i < config->warnings.count; i++)
		(void)printf("%s\n", config->warnings.items[i]);
	for (size_t i = 0; verbose && i < config->unused.count; i++)
		(void)printf("%s: %s is accepted and has no effect\n", config->path,
			     config->unused.items[i]);
	if (local_roles_load(config, &roles, &why) < 0) {
		say("%s", why.text);
		code = EXIT_FAILED;
	} else {
		local_roles_free(&roles);
	}
	if (check_certificates(config) != EXIT_OK)
		code = EXIT_FAILED;
	if (code == EXIT_OK)
		(void)printf("%s: fine\n",
			     config->path ? config->path : "no file, built-in values");
	return code;
}

int cmd_check(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	char error[JL__CONFIG_ERROR_MAX];
	struct jl__server_config *config;
	const char *given = NULL;
	bool verbose = false;
	int option, code;
	char *path;

	optind = 1;
	while ((option = getopt_long(argc, argv, ":c:vh", options, NULL)) != -1) {
		if (option == 'h')
			return fputs(usage, stdout) < 0 ? EXIT_FAILED : EXIT_OK;
		if (option != 'c' && option != 'v')
			return option_wrong(option, argv, "joblet check --help");
		if (option == 'c')
			given = optarg;
		verbose = verbose || option == 'v';
	}
	if (optind < argc) {
		say("check takes no arguments: '%s'", argv[optind]);
		return EXIT_USAGE;
	}
	path = jl__server_config_find(given);
	if (!path) {
		say("out of memory");
		return EXIT_FAILED;
	}
	if (jl__server_config_load(path, &config, error) < 0) {
		say("%s", error);
		free(path);
		return EXIT_FAILED;
	}
	free(path);
	code = check_config(config, verbose);
	jl__server_config_free(config);
	return code;
}
