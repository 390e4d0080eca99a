/* SPDX-License-Identifier: MIT */
#include "rnx.h"

#include <stdio.h>
#include <string.h>

#include "output.h"

static const char general_head[] =
	"rnx runs commands as isolated jobs, here or on a server.\n"
	"\n"
	"Usage: rnx [flags] COMMAND ...\n"
	"\n"
	"Commands:\n";

static const char general_tail[] =
	"\n"
	"Flags of a command may stand before it or behind it: rnx --max-cpu=50 run make.\n"
	"'rnx help COMMAND' lists them; commands for jobs may also be written rnx job run,\n"
	"rnx job list and so on. The manual page is rnx(1).\n";

static void print_flags(uint32_t scope)
{
	for (unsigned int i = 0; i < FLAG_COUNT; i++) {
		const struct flag_info *info = &flag_table[i];
		char left[64];

		if (!(info->scope & scope) || i == FLAG_VERSION)
			continue;
		(void)snprintf(left, sizeof(left), "%c%c%c --%s%s%s",
			       info->letter ? '-' : ' ',
			       info->letter ? info->letter : ' ',
			       info->letter ? ',' : ' ', info->name,
			       info->value ? "=" : "", info->value ? info->value : "");
		(void)printf("  %-29s %s\n", left, flag_help((enum flag)i, scope));
	}
}

/* Those of a group, or all. */
static void print_commands(const char *group)
{
	for (unsigned int i = 0; i < command_count; i++) {
		const struct command *command = &commands[i];
		char left[64];

		if (group && (!command->group || strcmp(command->group, group) != 0))
			continue;
		(void)snprintf(left, sizeof(left), "%s%s%s%s%s",
			       command->group ? command->group : "",
			       command->group ? " " : "", command->name,
			       *command->words ? " " : "", command->words);
		(void)printf("  %-31s %s\n", left, command->brief);
	}
}

static void print_general(void)
{
	(void)fputs(general_head, stdout);
	print_commands(NULL);
	(void)puts("\nFlags of every command (each as --flag=VALUE or --flag VALUE):");
	print_flags(SCOPE_ANY);
	(void)fputs(general_tail, stdout);
}

int print_group_help(const char *group)
{
	(void)printf("Usage: rnx %s COMMAND ...\n\nCommands:\n", group);
	print_commands(group);
	(void)printf("\n'rnx help %s COMMAND' lists the flags of each.\n", group);
	return finish_stdout();
}

int print_help(const struct command *command)
{
	if (!command) {
		print_general();
		return finish_stdout();
	}
	(void)printf("Usage: rnx %s%s%s%s%s%s\n", command->group ? command->group : "",
		     command->group ? " " : "", command->name,
		     command->scope ? " [flags]" : "",
		     command->run == cmd_run ? " [--] " : (*command->words ? " " : ""),
		     command->words);
	if (*command->text)
		(void)printf("\n%s", command->text);
	if (command->scope) {
		(void)puts("\nFlags (each as --flag=VALUE or --flag VALUE):");
		print_flags(command->scope);
	}
	(void)puts("\nFlags of every command:");
	print_flags(SCOPE_ANY);
	if (command->tail)
		(void)printf("\n%s", command->tail);
	return finish_stdout();
}
