/* SPDX-License-Identifier: MIT */
/*
 * rnx, the command line: which command is meant, and what belongs to it.
 */
#include "rnx.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output.h"

#define NAMES_MAX 32

/* What is wrong with a name, and what was probably meant. group: NULL, "job", "network".
 */
static int unknown_command(const char *group, const char *name, const char *hint)
{
	const char *names[NAMES_MAX] = { NULL }, *meant;
	unsigned int count = 0;
	char buf[SHOWN_MAX];

	for (unsigned int i = 0; i < command_count; i++) {
		const struct command *command = &commands[i];
		bool network = group && strcmp(group, "network") == 0;

		if (network ? command->group != NULL
			    : !command->group && (!group || command->verb))
			names[count++] = command->name;
	}
	if (!group) {
		names[count++] = "job";
		names[count++] = "network";
	}
	meant = closest(name, names);
	if (meant)
		say("unknown command '%s%s%s', did you mean %s%s%s? See rnx help",
		    group ? group : "", group ? " " : "", shown(buf, name),
		    group ? group : "", group ? " " : "", meant);
	else
		say("unknown command '%s%s%s', see rnx help%s", group ? group : "",
		    group ? " " : "", shown(buf, name), hint);
	return EXIT_USAGE;
}

/* What people know from other versions; says so and returns true for such a verb. */
static bool not_here(const char *verb)
{
	static const char *const later[] = { "volume",	"runtime",    "monitor",
					     "metrics", "telematics", NULL };

	for (size_t i = 0; later[i]; i++) {
		if (strcmp(verb, later[i]) == 0) {
			say("%s: this version does not have it yet", verb);
			return true;
		}
	}
	if (strcmp(verb, "workflow") == 0) {
		say("workflow: there are no workflows; hand in each job with rnx run");
		return true;
	}
	return false;
}

/* The verb is none: most likely it is the command to run. */
static int unknown_verb(const char *verb)
{
	char buf[SHOWN_MAX], hint[SHOWN_MAX + 64] = "";

	if (not_here(verb))
		return EXIT_USAGE;
	if (*verb)
		(void)snprintf(hint, sizeof(hint), "; to run it as a job: rnx run %s",
			       shown(buf, verb));
	return unknown_command(NULL, verb, hint);
}

int cmd_help(const struct options *opts, char **words)
{
	const struct command *command;
	const char *group = NULL;

	(void)opts;
	if (!words[0])
		return print_help(NULL);
	if (strcmp(words[0], "job") == 0)
		words++;
	else if (strcmp(words[0], "network") == 0)
		group = *words++;
	if (!words[0])
		return group ? print_group_help(group)
			     : print_help(command_find(NULL, "run"));
	command = command_find(group, words[0]);
	return command ? print_help(command) : unknown_command(group, words[0], "");
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

struct line {
	int argc;
	char **argv;
	int index;
	bool words_only; /* behind "--" */
};

/* Parses the flags that come next; returns EXIT_OK or has said what is wrong. */
static int parse(struct options *opts, struct line *line)
{
	char error[OPTIONS_ERROR_MAX];
	int r;

	if (line->words_only)
		return EXIT_OK;
	r = options_parse(opts, line->argc, line->argv, &line->index, error);
	if (r >= 0) {
		line->words_only = r == 1;
		return EXIT_OK;
	}
	if (r == -ENOMEM) {
		say("out of memory");
		return EXIT_FAILED;
	}
	say("%s", error);
	return EXIT_USAGE;
}

/*
 * Which command is meant, NULL for help about the networks'; returns EXIT_OK or has said
 * what is wrong.
 */
static int find(struct options *opts, struct line *line,
		const struct command **ret_command)
{
	const char *verb = line->argv[line->index++], *group = NULL;
	const struct command *command;
	int r;

	if (strcmp(verb, "job") == 0 || strcmp(verb, "network") == 0) {
		group = verb;
		opts->under_job = strcmp(verb, "job") == 0;
		opts->command = group;
		r = parse(opts, line);
		if (r != EXIT_OK)
			return r;
		if (line->index >= line->argc) {
			*ret_command = opts->under_job ? command_find(NULL, "run") : NULL;
			if (opts->help)
				return EXIT_OK;
			say(opts->under_job
				    ? "must specify a command: rnx job run [flags] "
				      "COMMAND [ARG...]"
				    : "must specify a command: rnx network create, list "
				      "or remove");
			return EXIT_USAGE;
		}
		verb = line->argv[line->index++];
	}
	command = command_find(opts->under_job ? NULL : group, verb);
	if (opts->under_job && not_here(verb))
		return EXIT_USAGE;
	if (!command || (opts->under_job && !command->verb))
		return group ? unknown_command(group, verb, "") : unknown_verb(verb);
	opts->command = group && !opts->under_job ? group : command->name;
	*ret_command = command;
	return EXIT_OK;
}

static int misplaced(const struct command *command, enum flag flag)
{
	say("--%s: is a flag of %s, not of %s%s%s", flag_table[flag].name,
	    scope_name(flag_table[flag].scope), command->group ? command->group : "",
	    command->group ? " " : "", command->name);
	return EXIT_USAGE;
}

static int wrong_words(const struct command *command, char **words, unsigned int count)
{
	const char *group = command->group ? command->group : "";
	const char *blank = command->group ? " " : "";
	char buf[SHOWN_MAX];

	if (count < command->least && command->run == cmd_run)
		say("must specify a command: rnx run [flags] COMMAND [ARG...]");
	else if (count < command->least)
		say("%s%s%s: something is missing: rnx %s%s%s %s", group, blank,
		    command->name, group, blank, command->name, command->words);
	else if (command->most == 0)
		say("%s%s%s takes no arguments: '%s'", group, blank, command->name,
		    shown(buf, words[0]));
	else
		say("%s%s%s: too much: '%s'", group, blank, command->name,
		    shown(buf, words[command->most]));
	return EXIT_USAGE;
}

static int carry_out(struct options *opts, const struct command *command, char **words,
		     unsigned int count)
{
	enum flag stray;

	if (opts->help)
		return print_help(command);
	if (opts->version)
		return cmd_version(opts, words + count);
	stray = options_outside(opts, command->scope | SCOPE_ANY);
	if (stray != FLAG_COUNT)
		return misplaced(command, stray);
	if (count < command->least || count > command->most)
		return wrong_words(command, words, count);
	return command->run(opts, words);
}

static int with_command(struct options *opts, struct line *line)
{
	const struct command *command = NULL;
	unsigned int count = 0;
	char **words;
	int r = find(opts, line, &command);

	if (r == EXIT_OK && !command)
		return print_group_help("network");
	if (r == EXIT_OK)
		r = parse(opts, line);
	if (r != EXIT_OK)
		return r;
	/* What follows the command to run is its own. */
	if (command->run == cmd_run)
		return carry_out(opts, command, line->argv + line->index,
				 (unsigned int)(line->argc - line->index));
	words = calloc((size_t)line->argc + 1, sizeof(*words));
	if (!words) {
		say("out of memory");
		return EXIT_FAILED;
	}
	while (r == EXIT_OK && line->index < line->argc && !opts->help &&
	       !opts->version) {
		words[count++] = line->argv[line->index++];
		r = parse(opts, line);
	}
	if (r == EXIT_OK)
		r = carry_out(opts, command, words, count);
	free(words);
	return r;
}

int main(int argc, char **argv)
{
	struct line line = { .argc = argc, .argv = argv, .index = 1 };
	struct options opts;
	int r;

	if (fill_standard_fds() < 0)
		return EXIT_FAILED;
	options_init(&opts);
	r = parse(&opts, &line);
	if (r != EXIT_OK) {
		/* said already */
	} else if (opts.version) {
		r = cmd_version(&opts, argv + argc);
	} else if (line.index < argc) {
		r = with_command(&opts, &line);
	} else if (opts.help) {
		r = print_help(NULL);
	} else {
		say("must specify a command, see rnx help");
		r = EXIT_USAGE;
	}
	options_done(&opts);
	return r;
}
