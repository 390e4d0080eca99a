/* SPDX-License-Identifier: MIT */
/*
 * rnx, the command line: which command is meant, and what belongs to it. Jobs run
 * embedded, in this process's own context.
 */
#include "rnx.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "output.h"

struct command {
	const char *name;
	uint32_t scope;
	int (*run)(const struct options *opts, char **words);
};

static const struct command commands[] = {
	{ "run", SCOPE_ANY | SCOPE_RUN, cmd_run },
	{ "doctor", SCOPE_ANY, cmd_doctor },
	{ "help", SCOPE_ANY, cmd_help },
	{ "version", SCOPE_ANY, cmd_version },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))
#define COMMAND_LIST "run, job run, doctor, help and version"

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

/* hint: what stands behind the list, or "". */
static int unknown_command(const char *name, const char *hint)
{
	static const char *const names[] = { "run",  "job",	"doctor",
					     "help", "version", NULL };
	const char *meant = closest(name, names);
	char buf[SHOWN_MAX];

	if (meant)
		say("unknown command '%s', did you mean %s? There are " COMMAND_LIST,
		    shown(buf, name), strcmp(meant, "job") == 0 ? "job run" : meant);
	else
		say("unknown command '%s': this version has " COMMAND_LIST "%s",
		    shown(buf, name), hint);
	return EXIT_USAGE;
}

/* The verb is none: most likely it is the command to run. */
static int unknown_verb(const char *verb)
{
	char buf[SHOWN_MAX], hint[SHOWN_MAX + 64] = "";

	if (*verb)
		(void)snprintf(hint, sizeof(hint), "; to run it as a job: rnx run %s",
			       shown(buf, verb));
	return unknown_command(verb, hint);
}

int cmd_help(const struct options *opts, char **words)
{
	(void)opts;
	if (*words && strcmp(*words, "job") == 0) {
		words++;
		if (!*words)
			return print_help("run");
	}
	if (*words && !find_command(*words))
		return unknown_command(*words, "");
	return print_help(*words);
}

int cmd_version(const struct options *opts, char **words)
{
	char buf[SHOWN_MAX];

	(void)opts;
	if (*words) {
		say("version takes no arguments: '%s'", shown(buf, *words));
		return EXIT_USAGE;
	}
	(void)printf("rnx %s\nlibjoblet %s\n", RNX_VERSION, jl_version_string());
	return finish_stdout();
}

/*
 * A program started with a standard stream closed would get its next file under that
 * number, and a job would write its output there. The gaps are filled so that reading or
 * writing fails as it does on a closed stream.
 */
static int fill_standard_fds(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (errno != EBADF ||
		    open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
			return -EBADF;
	}
	return 0;
}

/* Parses the flags at *index; returns EXIT_OK or has said what is wrong. */
static int parse(struct options *opts, int argc, char **argv, int *index)
{
	char error[OPTIONS_ERROR_MAX];
	int r = options_parse(opts, argc, argv, index, error);

	if (r == 0)
		return EXIT_OK;
	if (r == -ENOMEM) {
		say("out of memory");
		return EXIT_FAILED;
	}
	say("%s", error);
	return EXIT_USAGE;
}

static int with_command(struct options *opts, int argc, char **argv, int index)
{
	const struct command *command;
	const char *verb = argv[index++];
	enum flag stray;
	int r;

	if (strcmp(verb, "job") == 0) {
		r = parse(opts, argc, argv, &index);
		if (r != EXIT_OK)
			return r;
		if (opts->help)
			return print_help("run");
		if (index >= argc) {
			say("must specify a command: rnx job run [flags] COMMAND [ARG...]");
			return EXIT_USAGE;
		}
		verb = argv[index++];
		command = strcmp(verb, "run") == 0 ? find_command(verb) : NULL;
		if (!command)
			return unknown_command(verb, "");
	} else {
		command = find_command(verb);
		if (!command)
			return unknown_verb(verb);
	}

	r = parse(opts, argc, argv, &index);
	if (r != EXIT_OK)
		return r;
	if (opts->help)
		return print_help(command->name);
	if (opts->version)
		return cmd_version(opts, argv + argc);
	stray = options_outside(opts, command->scope);
	if (stray != FLAG_COUNT) {
		say("--%s: is a flag of run, not of %s", flag_table[stray].name,
		    command->name);
		return EXIT_USAGE;
	}
	return command->run(opts, argv + index);
}

int main(int argc, char **argv)
{
	struct options opts = { .network = JL_NETWORK_NONE,
				.seccomp = JL_SECCOMP_DEFAULT };
	int index = 1, r;

	if (fill_standard_fds() < 0)
		return EXIT_FAILED;
	r = parse(&opts, argc, argv, &index);
	if (r != EXIT_OK) {
		/* said already */
	} else if (opts.version) {
		r = cmd_version(&opts, argv + argc);
	} else if (index < argc) {
		r = with_command(&opts, argc, argv, index);
	} else if (opts.help) {
		r = print_help(NULL);
	} else {
		say("must specify a command: " COMMAND_LIST ", see rnx help");
		r = EXIT_USAGE;
	}
	options_done(&opts);
	return r;
}
