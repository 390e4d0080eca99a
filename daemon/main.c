/* SPDX-License-Identifier: MIT */
/* joblet: serves a node over gRPC with mutual TLS, and looks after what that needs. */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <joblet/base.h>

#include "commands.h"
#include "serve.h"

static const char usage[] =
	"joblet [--config FILE] [--local-only]\n"
	"    serves this machine's jobs; SIGHUP reloads, SIGTERM stops, jobs go on\n"
	"joblet check [--config FILE] [--verbose]\n"
	"    says what is wrong with a configuration\n"
	"joblet cert init|client|server|revoke|list ...\n"
	"    makes certificates and configurations; see joblet cert --help\n"
	"joblet hold\n"
	"    keeps the control group of jobs, for joblet-jobs.service\n"
	"joblet version\n"
	"\n"
	"--config FILE   instead of $JOBLET_CONFIG_PATH or the first there is of\n"
	"                /opt/joblet/config/joblet-config.yml, ./config/joblet-config.yml,\n"
	"                ./joblet-config.yml and /etc/joblet/joblet-config.yml\n"
	"--local-only    only users of this machine, through server.socket; needs no\n"
	"                certificates\n";

void say(const char *format, ...)
{
	char text[2048];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	(void)fprintf(stderr, "joblet: %s\n", text);
}

int option_wrong(int option, char *const *argv, const char *help)
{
	const char *word = argv[optind - 1];
	const char letter[] = { '-', (char)optopt, '\0' };

	/* Of letters in one word the word is not done with yet. */
	if (strncmp(word, "--", 2) != 0 && optopt > 0 && optopt < 128)
		word = letter;
	if (option == ':')
		say("%s: a value is missing, see %s", word, help);
	else
		say("unknown option: %s, see %s", word, help);
	return EXIT_USAGE;
}

static int finish(int code)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		say("cannot write to standard output");
		return EXIT_FAILED;
	}
	return code;
}

static int version(void)
{
	(void)printf("joblet %s\nlibjoblet %s\n", JOBLET_VERSION, jl_version_string());
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "local-only", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ 0 },
	};
	struct serve_options serving = { 0 };
	int option;

	if (argc > 1 && strcmp(argv[1], "cert") == 0)
		return finish(cmd_cert(argc - 1, argv + 1));
	if (argc > 1 && strcmp(argv[1], "check") == 0)
		return finish(cmd_check(argc - 1, argv + 1));
	if (argc > 1 && strcmp(argv[1], "hold") == 0)
		return finish(cmd_hold(argc - 1, argv + 1));
	while ((option = getopt_long(argc, argv, "+:c:hv", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			serving.config = optarg;
			break;
		case 'l':
			serving.local_only = true;
			break;
		case 'h':
			(void)fputs(usage, stdout);
			return finish(EXIT_OK);
		case 'v':
			return finish(version());
		default:
			return option_wrong(option, argv, "joblet help");
		}
	}
	if (optind < argc && strcmp(argv[optind], "help") == 0) {
		(void)fputs(usage, stdout);
		return finish(EXIT_OK);
	}
	if (optind < argc && strcmp(argv[optind], "version") == 0)
		return finish(version());
	if (optind < argc) {
		say("unknown command '%s'; there are check, cert, version and help",
		    argv[optind]);
		return EXIT_USAGE;
	}
	return serve(&serving);
}
