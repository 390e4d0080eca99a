/* SPDX-License-Identifier: MIT */
#include "rnx.h"

#include <string.h>

static const char run_text[] =
	"Runs COMMAND as PID 1 of its own small world: own processes, files, users and\n"
	"network, the tools of this machine read-only, /work and /tmp to write to. Its output\n"
	"and its exit code are those of rnx, and both are kept: see rnx log and rnx status.\n"
	"With -d, --json or a time to start rnx returns at once. Flags end at the first word\n"
	"that is not one, or at --; what follows belongs to the command.\n";

static const char run_tail[] =
	"Exit code: the command's; 128 + signal when a signal ended it; 127 when it was not\n"
	"found, 126 when it cannot be executed; 2 for a mistake in the flags; 4 without\n"
	"permission; 5 when no server answers; 1 when the job could not be started for\n"
	"another reason.\n"
	"\n"
	"Examples:\n"
	"  rnx run ps aux\n"
	"  rnx run --max-memory=64 --timeout=30s python3 -c 'print(6 * 7)'\n"
	"  rnx run --upload-dir=. --network=none make test\n"
	"  rnx run -d --name=api --publish=8080:80 ./api\n"
	"  rnx run --cron='0 2 * * *' --retries=3 sh backup.sh\n";

static const char list_text[] =
	"Shows the jobs of the node: running, waiting, scheduled and ended ones.\n";

static const char status_text[] =
	"ID is the number of a job, its UUID, or at least four first digits of that.\n";

static const char log_text[] =
	"Prints what the job wrote, from the beginning, as it was written, and goes on until\n"
	"the job has ended. Ctrl-C ends the following, not the job.\n";

static const char stop_text[] =
	"Sends SIGTERM, and SIGKILL after the grace time of 10 seconds, or of --timeout.\n"
	"A job that is scheduled or waits for a slot is canceled.\n";

static const char cancel_text[] =
	"Cancels a job whose time has not come, and the runs that would follow it.\n";

static const char delete_text[] =
	"A job that runs or is scheduled has to be ended first.\n";

static const char delete_all_text[] =
	"Jobs that run, wait or are scheduled are skipped.\n";

static const char wait_text[] =
	"Waits until the job and its retries have ended. Without a daemon this is also who\n"
	"starts scheduled and waiting jobs when their time comes. Exits with 5 when --timeout\n"
	"is over first.\n";

static const char network_create_text[] =
	"Jobs of a network reach each other by name and the outside, and no other network.\n";

static const char network_list_text[] =
	"Shows the networks there are by themselves and those that were made.\n";

static const char network_remove_text[] = "Removes its bridge, rules and addresses.\n";

static const char nodes_text[] = "Shows where --node=NAME can go to.\n";

static const char doctor_text[] =
	"Shows what this kernel and this user offer to jobs, a line each, and below each lack\n"
	"what it means and what to do; and until when the certificates of the configuration\n"
	"file are good. Changes nothing. Exits with 0 when jobs can be run, with 1 when not or\n"
	"when a certificate has ended.\n";

static const char completion_text[] =
	"Prints a script to load: source <(rnx completion bash), the same with zsh, or\n"
	"rnx completion fish | source. Packages install it where the shell finds it.\n";

static const char config_help_text[] =
	"Prints an example and where the file is looked for.\n";

const struct command commands[] = {
	{
		.name = "run",
		.words = "COMMAND [ARG...]",
		.brief = "run a command as a job, exit with its code",
		.scope = SCOPE_RUN,
		.least = 1,
		.most = ~0U,
		.verb = true,
		.run = cmd_run,
		.text = run_text,
		.tail = run_tail,
	},
	{
		.name = "list",
		.words = "",
		.brief = "show jobs, the newest first",
		.scope = SCOPE_LIST,
		.verb = true,
		.run = cmd_list,
		.text = list_text,
	},
	{
		.name = "status",
		.words = "ID",
		.brief = "show all that is known of a job",
		.scope = SCOPE_STATUS,
		.least = 1,
		.most = 1,
		.verb = true,
		.run = cmd_status,
		.text = status_text,
	},
	{
		.name = "log",
		.words = "ID",
		.brief = "show the output of a job, following it to its end",
		.scope = SCOPE_LOG,
		.least = 1,
		.most = 1,
		.verb = true,
		.run = cmd_log,
		.text = log_text,
	},
	{
		.name = "stop",
		.words = "ID",
		.brief = "end a job",
		.scope = SCOPE_STOP,
		.least = 1,
		.most = 1,
		.verb = true,
		.run = cmd_stop,
		.text = stop_text,
	},
	{
		.name = "cancel",
		.words = "ID",
		.brief = "cancel a scheduled job",
		.least = 1,
		.most = 1,
		.verb = true,
		.run = cmd_cancel,
		.text = cancel_text,
	},
	{
		.name = "delete",
		.words = "ID",
		.brief = "delete a job that has ended, and its output",
		.least = 1,
		.most = 1,
		.verb = true,
		.run = cmd_delete,
		.text = delete_text,
	},
	{
		.name = "delete-all",
		.words = "",
		.brief = "delete all jobs that have ended",
		.verb = true,
		.run = cmd_delete_all,
		.text = delete_all_text,
	},
	{
		.name = "wait",
		.words = "ID",
		.brief = "wait for the end of a job, exit with its code",
		.scope = SCOPE_WAIT,
		.least = 1,
		.most = 1,
		.verb = true,
		.run = cmd_wait,
		.text = wait_text,
	},
	{
		.group = "network",
		.name = "create",
		.words = "NAME --cidr=CIDR",
		.brief = "make a network for jobs",
		.scope = SCOPE_NETWORK_CREATE,
		.least = 1,
		.most = 2,
		.run = cmd_network_create,
		.text = network_create_text,
	},
	{
		.group = "network",
		.name = "list",
		.words = "",
		.brief = "show the networks",
		.run = cmd_network_list,
		.text = network_list_text,
	},
	{
		.group = "network",
		.name = "remove",
		.words = "NAME",
		.brief = "remove a network no job uses",
		.least = 1,
		.most = 1,
		.run = cmd_network_remove,
		.text = network_remove_text,
	},
	{
		.name = "nodes",
		.words = "",
		.brief = "show the nodes of the configuration file",
		.scope = SCOPE_NODES,
		.run = cmd_nodes,
		.text = nodes_text,
	},
	{
		.name = "doctor",
		.words = "",
		.brief = "show what this machine offers to jobs",
		.run = cmd_doctor,
		.text = doctor_text,
	},
	{
		.name = "config-help",
		.words = "",
		.brief = "show how to write a configuration file",
		.run = cmd_config_help,
		.text = config_help_text,
	},
	{
		.name = "completion",
		.words = "bash|zsh|fish",
		.brief = "print what completes rnx in a shell",
		.least = 1,
		.most = ~0U,
		.run = cmd_completion,
		.text = completion_text,
	},
	{
		.name = "help",
		.words = "[COMMAND]",
		.brief = "show help",
		.most = 2,
		.run = cmd_help,
		.text = "",
	},
	{
		.name = "version",
		.words = "",
		.brief = "show the version",
		.run = cmd_version,
		.text = "",
	},
};

const unsigned int command_count = sizeof(commands) / sizeof(commands[0]);

const struct command *command_find(const char *group, const char *name)
{
	for (unsigned int i = 0; i < command_count; i++) {
		const struct command *command = &commands[i];

		if (strcmp(command->name, name) != 0)
			continue;
		if (group ? command->group && strcmp(command->group, group) == 0
			  : !command->group)
			return command;
	}
	return NULL;
}
