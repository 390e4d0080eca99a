/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "output.h"

#define TIME_RULE "a time such as 45s, 5min, 2h30m or 500ms, at most 366 days "
#define RATE_RULE "a whole number of bytes per second, or a number with K, M, G or T"
#define SIZE_RULE "a whole number of MiB, or a number with K, M, G or T"
#define SWITCH_RULE "true or false"

const struct flag_info flag_table[FLAG_COUNT] = {
	[FLAG_MAX_CPU] = { "max-cpu", 0, SCOPE_RUN, "PERCENT",
			   "CPU time in percent of one core; 0 = no limit",
			   "a whole number of percent from 0 to 10000 (0 = no limit)" },
	[FLAG_MAX_MEMORY] = { "max-memory", 0, SCOPE_RUN, "SIZE",
			      "memory in MiB, or as 64M or 2G; 0 = no limit", SIZE_RULE },
	[FLAG_MAX_IOBPS] = { "max-iobps", 0, SCOPE_RUN, "RATE",
			     "disk bytes per second, each way; 5M for MiB; 0 = no limit",
			     RATE_RULE },
	[FLAG_MAX_PIDS] = { "max-pids", 0, SCOPE_RUN, "N",
			    "processes and threads; default 4096; 0 = no limit",
			    "a whole number from 0 to 4194304 (0 = no limit)" },
	[FLAG_CPU_CORES] = { "cpu-cores", 0, SCOPE_RUN, "LIST",
			     "cores to run on, for instance 2 or 0-3 or 0-1,4-5",
			     "a list of cores such as 2, 0-3 or 0-1,4-5" },
	[FLAG_DISK] = { "disk", 0, SCOPE_RUN, "SIZE",
			"size of /work in MiB, or as 64M or 2G", SIZE_RULE },
	[FLAG_TIMEOUT] = { "timeout", 0, SCOPE_RUN | SCOPE_STOP | SCOPE_WAIT, "TIME",
			   "end the job after this time: 45s, 5min, 2h30m, 500ms",
			   TIME_RULE "(0 = no limit)" },
	[FLAG_NETWORK] = { "network", 0, SCOPE_RUN, "NAME",
			   "none, isolated, bridge, host, or one that was created",
			   "none, isolated, bridge, host or the name of a network" },
	[FLAG_ALLOW_NET] = { "allow-net", 0, SCOPE_RUN, "CIDR[:PORT]",
			     "reach only this, for instance 10.0.0.0/8:443; repeatable",
			     "a subnet such as 10.0.0.0/8, with or without :PORT" },
	[FLAG_MAX_NET_BPS] = { "max-net-bps", 0, SCOPE_RUN, "RATE",
			       "network bytes per second, each way; 5M for MiB",
			       RATE_RULE },
	[FLAG_PUBLISH] = { "publish", 'p', SCOPE_RUN, "HOST:JOB",
			   "make a port of the job reachable here; repeatable",
			   "HOST:JOB, two ports such as 8080:80 or 5353:53/udp" },
	[FLAG_UPLOAD] = { "upload", 0, SCOPE_RUN, "FILE[:PATH]",
			  "copy a file into /work; repeatable",
			  "a file of this machine, with or without :PATH below /work" },
	[FLAG_UPLOAD_DIR] = { "upload-dir", 0, SCOPE_RUN, "DIR",
			      "copy what is in a folder into /work; repeatable",
			      "a folder of this machine" },
	[FLAG_ENV] = { "env", 'e', SCOPE_RUN, "NAME=VALUE",
		       "set an environment variable; repeatable", "NAME=VALUE" },
	[FLAG_SECRET_ENV] = { "secret-env", 's', SCOPE_RUN, "NAME=VALUE",
			      "the same, with the value never shown", "NAME=VALUE" },
	[FLAG_WORK_DIR] = { "work-dir", 0, SCOPE_RUN, "PATH",
			    "working directory inside the job; default /work",
			    "an absolute path" },
	[FLAG_HOSTNAME] = { "hostname", 0, SCOPE_RUN, "NAME",
			    "host name inside the job; default joblet", "a host name" },
	[FLAG_NAME] = { "name", 0, SCOPE_RUN | SCOPE_LIST, "NAME",
			"name of the job, also in its network",
			"a name of letters, digits, '.', '_' and '-'" },
	[FLAG_USER] = { "user", 0, SCOPE_RUN, "USER[:GROUP]",
			"user inside the job: root (default), nobody, or a number",
			"root, nobody or a number from 0 to 65534, with or without :GROUP" },
	[FLAG_SECCOMP] = { "seccomp", 0, SCOPE_RUN, "LEVEL",
			   "system call filter: off, default or strict",
			   "off, default or strict" },
	[FLAG_INIT] = { "init", 0, SCOPE_RUN, NULL,
			"put a small init in front that reaps orphans", SWITCH_RULE },
	[FLAG_DETACH] = { "detach", 'd', SCOPE_RUN, NULL,
			  "start it and return; see rnx log, status and wait",
			  SWITCH_RULE },
	[FLAG_INTERACTIVE] = { "interactive", 'i', SCOPE_RUN, NULL,
			       "hand it this terminal: no log, no entry in the list",
			       SWITCH_RULE },
	[FLAG_SCHEDULE] = { "schedule", 0, SCOPE_RUN, "TIME",
			    "start later: 45s, 2h30m, 2025-07-18T20:02:48",
			    "a span such as 45s or 2h30m, or a time such as "
			    "2025-07-18T20:02:48 with or without a zone" },
	[FLAG_EVERY] = { "every", 0, SCOPE_RUN, "TIME",
			 "start again and again: 15min, 1d",
			 TIME_RULE "and at least 1s" },
	[FLAG_CRON] = { "cron", 0, SCOPE_RUN, "RULE",
			"the same by a cron rule: '0 2 * * *'",
			"a cron rule of five fields such as '0 2 * * *'" },
	[FLAG_RETRIES] = { "retries", 0, SCOPE_RUN, "N",
			   "start it again when it failed, so many times",
			   "a whole number from 0 to 100" },
	[FLAG_PRIORITY] = { "priority", 0, SCOPE_RUN, "N",
			    "place in the queue, -100 to 100; higher goes first",
			    "a whole number from -100 to 100" },
	[FLAG_RM] = { "rm", 0, SCOPE_RUN, NULL,
		      "delete the job and its log when it has ended", SWITCH_RULE },
	[FLAG_EXPLAIN] = { "explain", 0, SCOPE_RUN, NULL,
			   "show what would be done, start nothing", SWITCH_RULE },

	[FLAG_STATUS] = { "status", 0, SCOPE_LIST, "STATE,...",
			  "only jobs in these states, for instance RUNNING",
			  "states such as RUNNING or SCHEDULED,PENDING" },
	[FLAG_LIMIT] = { "limit", 0, SCOPE_LIST, "N", "at most so many, the newest ones",
			 "a whole number from 1 to 1000000" },
	[FLAG_INCLUDE_COMPLETED] = { "include-completed", 0, SCOPE_LIST, NULL,
				     "ended jobs too, which is so anyway", SWITCH_RULE },
	[FLAG_WORKFLOW] = { "workflow", 0, SCOPE_LIST | SCOPE_STATUS, NULL,
			    "accepted for older callers, changes nothing", SWITCH_RULE },
	[FLAG_DETAIL] = { "detail", 0, SCOPE_STATUS, NULL,
			  "everything, which is so anyway", SWITCH_RULE },
	[FLAG_FOLLOW] = { "follow", 'f', SCOPE_LOG | SCOPE_RUN, NULL,
			  "stay until the job has ended; so it is anyway", SWITCH_RULE },
	[FLAG_WAIT] = { "wait", 0, SCOPE_RUN, NULL, "the same", SWITCH_RULE },
	[FLAG_NO_FOLLOW] = { "no-follow", 0, SCOPE_LOG, NULL,
			     "what there is now, then end", SWITCH_RULE },
	[FLAG_TAIL] = { "tail", 'n', SCOPE_LOG, "N", "begin with the last N lines",
			"a whole number of lines" },
	[FLAG_LINES] = { "lines", 0, SCOPE_LOG, "N", "the same",
			 "a whole number of lines" },
	[FLAG_SINCE] = { "since", 0, SCOPE_LOG, "TIME",
			 "begin with what arrived then: 5min ago, or a time",
			 "a span back from now such as 5min, or a time such as "
			 "2025-07-18T20:02:48" },
	[FLAG_TIMESTAMPS] = { "timestamps", 't', SCOPE_LOG, NULL,
			      "the time of arrival in front of each line", SWITCH_RULE },
	[FLAG_STDOUT] = { "stdout", 0, SCOPE_LOG, NULL, "only standard output",
			  SWITCH_RULE },
	[FLAG_STDERR] = { "stderr", 0, SCOPE_LOG, NULL, "only standard error",
			  SWITCH_RULE },
	[FLAG_FORCE] = { "force", 0, SCOPE_STOP, NULL, "kill it at once", SWITCH_RULE },
	[FLAG_CIDR] = { "cidr", 0, SCOPE_NETWORK_CREATE, "CIDR",
			"IPv4 subnet, for instance 10.1.0.0/16",
			"an IPv4 subnet such as 10.1.0.0/16" },
	[FLAG_VERBOSE] = { "verbose", 0, SCOPE_NODES, NULL, "more about each node",
			   SWITCH_RULE },

	[FLAG_SERVER] = { "server", 0, SCOPE_ANY, "HOST:PORT", "the daemon to go to",
			  "an address such as 192.0.2.7:50051" },
	[FLAG_NODE] = { "node", 0, SCOPE_ANY, "NAME",
			"the node of the configuration file to go to",
			"the name of a node" },
	[FLAG_CONFIG] = { "config", 0, SCOPE_ANY, "FILE",
			  "the configuration file, see rnx config-help",
			  "the path of a file" },
	[FLAG_STATE_DIR] = { "state-dir", 0, SCOPE_ANY, "DIR",
			     "the jobs kept in this folder, without a daemon",
			     "an absolute path" },
	[FLAG_JSON] = { "json", 0, SCOPE_ANY, NULL, "print JSON", SWITCH_RULE },
	[FLAG_QUIET] = { "quiet", 'q', SCOPE_ANY, NULL, "no warnings and no hints",
			 SWITCH_RULE },
	[FLAG_HELP] = { "help", 'h', SCOPE_ANY, NULL, "show help for a command", NULL },
	[FLAG_VERSION] = { "version", 'v', SCOPE_ANY, NULL, "show the version", NULL },
};

const char *const flags_not_here[] = { "gpu", "gpu-memory", "runtime", "volume", NULL };

const char *flag_help(enum flag flag, uint32_t scope)
{
	if (flag == FLAG_TIMEOUT && scope & SCOPE_STOP)
		return "grace time between SIGTERM and SIGKILL; default 10s";
	if (flag == FLAG_TIMEOUT && scope & SCOPE_WAIT)
		return "wait no longer than this: 45s, 5min, 2h30m";
	if (flag == FLAG_NAME && scope & SCOPE_LIST)
		return "only jobs with this name";
	return flag_table[flag].help;
}

const char *scope_name(uint32_t scope)
{
	static const struct {
		uint32_t scope;
		const char *name;
	} names[] = {
		{ SCOPE_RUN, "run" },
		{ SCOPE_LIST, "list" },
		{ SCOPE_STATUS, "status" },
		{ SCOPE_LOG, "log" },
		{ SCOPE_STOP, "stop" },
		{ SCOPE_WAIT, "wait" },
		{ SCOPE_NETWORK_CREATE, "network create" },
		{ SCOPE_NODES, "nodes" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (scope & names[i].scope)
			return names[i].name;
	}
	return "every command";
}

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* One name is part of the other, or nearly the same. */
const char *flag_meant(const char *name)
{
	const char *names[FLAG_COUNT + 1] = { NULL };
	size_t len = strlen(name);
	char singular[64];

	for (size_t i = 0; i < FLAG_COUNT; i++)
		names[i] = flag_table[i].name;
	if (len >= 3) {
		(void)snprintf(singular, sizeof(singular), "%.*s",
			       (int)(len - (name[len - 1] == 's')), name);
		for (size_t i = 0; i < FLAG_COUNT; i++) {
			if (starts_with(names[i], "max-") &&
			    strcmp(names[i] + 4, singular) == 0)
				return names[i];
		}
		for (size_t i = 0; i < FLAG_COUNT; i++) {
			if (starts_with(names[i], singular) ||
			    (strlen(names[i]) >= 3 && starts_with(name, names[i])))
				return names[i];
		}
		for (size_t i = 0; i < FLAG_COUNT; i++) {
			if (strstr(names[i], singular) ||
			    (strlen(names[i]) >= 3 && strstr(name, names[i])))
				return names[i];
		}
	}
	return closest(name, names);
}
