/* SPDX-License-Identifier: MIT */
#include "rnx.h"

#include <stdio.h>
#include <string.h>

#include "output.h"

static const char general[] =
	"rnx runs a command as an isolated job.\n"
	"\n"
	"Usage: rnx [flags] COMMAND ...\n"
	"\n"
	"Commands:\n"
	"  run [flags] COMMAND [ARG...]  run a command, wait for it, exit with its code\n"
	"  job run ...                   the same\n"
	"  doctor                        show what this machine offers to jobs\n"
	"  help [COMMAND]                show help\n"
	"  version                       show the version\n"
	"\n"
	"Flags of a command may stand before it or behind it: rnx --max-cpu=50 run make.\n"
	"'rnx help run' lists them. The manual page is rnx(1).\n";

static const char run_head[] =
	"Usage: rnx run [flags] [--] COMMAND [ARG...]\n"
	"\n"
	"Runs COMMAND as PID 1 of its own small world: own processes, files, users and\n"
	"network, the tools of this machine read-only, /work and /tmp to write to. Its output\n"
	"and its exit code are those of rnx. Flags end at the first word that is not one, or\n"
	"at --; what follows belongs to the command.\n"
	"\n"
	"Flags (each as --flag=VALUE or --flag VALUE):\n";

static const char run_tail[] =
	"\n"
	"Exit code: the command's; 128 + signal when a signal ended it; 127 when it was not\n"
	"found, 126 when it cannot be executed; 2 for a mistake in the flags; 1 when the job\n"
	"could not be started for another reason.\n"
	"\n"
	"Examples:\n"
	"  rnx run ps aux\n"
	"  rnx run --max-memory=64 --timeout=30s python3 -c 'print(6 * 7)'\n"
	"  tar c src | rnx run sh -c 'tar x && make -C src >&2 && cat src/prog' > prog\n";

static const char doctor_text[] =
	"Usage: rnx doctor\n"
	"\n"
	"Shows what this kernel and this user offer to jobs, a line each, and below each lack\n"
	"what it means and what to do. Changes nothing. Exits with 0 when jobs can be run,\n"
	"with 1 when not.\n";

static const char help_text[] = "Usage: rnx help [COMMAND]\n";
static const char version_text[] = "Usage: rnx version\n";

static void print_flags(void)
{
	for (unsigned int i = 0; i < FLAG_COUNT; i++) {
		const struct flag_info *info = &flag_table[i];
		char left[64];

		if (i == FLAG_VERSION)
			continue;
		(void)snprintf(left, sizeof(left), "%c%c%c --%s%s%s",
			       info->letter ? '-' : ' ',
			       info->letter ? info->letter : ' ',
			       info->letter ? ',' : ' ', info->name,
			       info->value ? "=" : "", info->value ? info->value : "");
		(void)printf("  %-29s %s\n", left, info->help);
	}
}

int print_help(const char *command)
{
	if (!command) {
		(void)fputs(general, stdout);
	} else if (strcmp(command, "doctor") == 0) {
		(void)fputs(doctor_text, stdout);
	} else if (strcmp(command, "help") == 0) {
		(void)fputs(help_text, stdout);
	} else if (strcmp(command, "version") == 0) {
		(void)fputs(version_text, stdout);
	} else {
		(void)fputs(run_head, stdout);
		print_flags();
		(void)fputs(run_tail, stdout);
	}
	return finish_stdout();
}
