/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <joblet/job.h>

#include "output.h"
#include "values.h"

#define TIMEOUT_MAX_USEC (UINT64_C(366) * 24 * 3600 * 1000000)

const struct flag_info flag_table[FLAG_COUNT] = {
	[FLAG_HELP] = { "help", 'h', SCOPE_ANY, NULL, "show help for a command", NULL },
	[FLAG_VERSION] = { "version", 'v', SCOPE_ANY, NULL, "show the version", NULL },
	[FLAG_MAX_CPU] = { "max-cpu", 0, SCOPE_RUN, "PERCENT",
			   "CPU time in percent of one core; 0 = no limit",
			   "a whole number of percent from 0 to 10000 (0 = no limit)" },
	[FLAG_MAX_MEMORY] = { "max-memory", 0, SCOPE_RUN, "SIZE",
			      "memory in MiB, or as 64M or 2G; 0 = no limit",
			      "a whole number of MiB, or a number with K, M, G or T" },
	[FLAG_MAX_IOBPS] = { "max-iobps", 0, SCOPE_RUN, "RATE",
			     "disk bytes per second, each way; 5M for MiB; 0 = no limit",
			     "a whole number of bytes per second, or a number with K, M, G or T" },
	[FLAG_MAX_PIDS] = { "max-pids", 0, SCOPE_RUN, "N",
			    "processes and threads; default 4096; 0 = no limit",
			    "a whole number from 0 to 4194304 (0 = no limit)" },
	[FLAG_CPU_CORES] = { "cpu-cores", 0, SCOPE_RUN, "LIST",
			     "cores to run on, for instance 2 or 0-3 or 0-1,4-5",
			     "a list of cores such as 2, 0-3 or 0-1,4-5" },
	[FLAG_TIMEOUT] = { "timeout", 0, SCOPE_RUN, "TIME",
			   "end the job after this time: 45s, 5min, 2h30m, 500ms",
			   "a time such as 45s, 5min, 2h30m or 500ms, at most 366 days "
			   "(0 = no limit)" },
	[FLAG_ENV] = { "env", 'e', SCOPE_RUN, "NAME=VALUE",
		       "set an environment variable; may be repeated", "NAME=VALUE" },
	[FLAG_SECRET_ENV] = { "secret-env", 's', SCOPE_RUN, "NAME=VALUE",
			      "the same, with the value never shown", "NAME=VALUE" },
	[FLAG_WORK_DIR] = { "work-dir", 0, SCOPE_RUN, "PATH",
			    "working directory inside the job; default /work",
			    "an absolute path" },
	[FLAG_HOSTNAME] = { "hostname", 0, SCOPE_RUN, "NAME",
			    "host name inside the job; default joblet", "a host name" },
	[FLAG_NAME] = { "name", 0, SCOPE_RUN, "NAME", "name of the job",
			"a name of letters, digits, '.', '_' and '-'" },
	[FLAG_USER] = { "user", 0, SCOPE_RUN, "USER[:GROUP]",
			"user inside the job: root (default), nobody, or a number",
			"root, nobody or a number from 0 to 65534, with or without :GROUP" },
	[FLAG_NETWORK] = { "network", 0, SCOPE_RUN, "MODE",
			   "none (default, loopback only) or host", "none or host" },
	[FLAG_SECCOMP] = { "seccomp", 0, SCOPE_RUN, "LEVEL",
			   "system call filter: off, default or strict",
			   "off, default or strict" },
	[FLAG_INIT] = { "init", 0, SCOPE_RUN, NULL,
			"put a small init in front that reaps orphans", "true or false" },
	[FLAG_RM] = { "rm", 0, SCOPE_RUN, NULL,
		      "leave nothing behind; so it is for every job here",
		      "true or false" },
	[FLAG_EXPLAIN] = { "explain", 0, SCOPE_RUN, NULL,
			   "show what would be done, start nothing", "true or false" },
	[FLAG_QUIET] = { "quiet", 'q', SCOPE_RUN, NULL, "no warnings", "true or false" },
};

/* Flags of other versions: people who use them should not have to guess. */
static const char *const not_here[] = { "config",     "detach", "follow",   "gpu",
					"gpu-memory", "json",	"node",	    "runtime",
					"schedule",   "server", "upload",   "upload-dir",
					"volume",     "wait",	"workflow", NULL };

static int fail(char error[OPTIONS_ERROR_MAX], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int fail(char error[OPTIONS_ERROR_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(error, OPTIONS_ERROR_MAX, format, args);
	va_end(args);
	return -EINVAL;
}

static int bad_value(char error[OPTIONS_ERROR_MAX], enum flag flag, const char *value)
{
	char buf[SHOWN_MAX];

	return fail(error, "--%s=%s: must be %s", flag_table[flag].name,
		    shown(buf, value), flag_table[flag].rule);
}

/* What is wrong with a number, where that can be told better than by the rule. */
static int bad_number(char error[OPTIONS_ERROR_MAX], enum flag flag, const char *value,
		      int code)
{
	size_t len = value ? strlen(value) : 0;
	char buf[SHOWN_MAX];

	if (code == -ERANGE && (flag == FLAG_MAX_MEMORY || flag == FLAG_MAX_IOBPS))
		return fail(error, "--%s=%s: is too large", flag_table[flag].name,
			    shown(buf, value));
	if (flag == FLAG_TIMEOUT && len > 0 && len < 20 &&
	    strspn(value, "0123456789") == len)
		return fail(error, "--timeout=%s: the unit is missing, for instance %ss",
			    value, value);
	return bad_value(error, flag, value);
}

static int add_env(struct options *opts, enum flag flag, const char *value,
		   char error[OPTIONS_ERROR_MAX])
{
	struct env_option *list;

	/* A secret without a name is still a secret: it is not shown. */
	if (!strchr(value, '=') || *value == '=')
		return bad_value(error, flag, flag == FLAG_SECRET_ENV ? "***" : value);
	list = realloc(opts->env, (opts->env_count + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	list[opts->env_count].text = value;
	list[opts->env_count].secret = flag == FLAG_SECRET_ENV;
	opts->env = list;
	opts->env_count++;
	return 0;
}

static int set_network(struct options *opts, const char *value,
		       char error[OPTIONS_ERROR_MAX])
{
	char buf[SHOWN_MAX];

	if (strcmp(value, "none") == 0) {
		opts->network = JL_NETWORK_NONE;
		return 0;
	}
	if (strcmp(value, "host") == 0) {
		opts->network = JL_NETWORK_HOST;
		return 0;
	}
	return fail(error,
		    "--network=%s: must be none or host, this version has no others",
		    shown(buf, value));
}

static int set_seccomp(struct options *opts, const char *value)
{
	if (strcmp(value, "off") == 0)
		opts->seccomp = JL_SECCOMP_OFF;
	else if (strcmp(value, "default") == 0)
		opts->seccomp = JL_SECCOMP_DEFAULT;
	else if (strcmp(value, "strict") == 0)
		opts->seccomp = JL_SECCOMP_STRICT;
	else
		return -EINVAL;
	return 0;
}

static int set_text(const char **slot, const char *value)
{
	if (!*value)
		return -EINVAL;
	*slot = value;
	return 0;
}

/* value is NULL for a switch without one. */
static int set_flag(struct options *opts, enum flag flag, const char *value,
		    char error[OPTIONS_ERROR_MAX])
{
	uint64_t number = 0;
	bool on = true;
	int r = 0;

	if (!flag_table[flag].value && value)
		r = value_bool(value, &on);

	switch (r < 0 ? FLAG_COUNT : flag) {
	case FLAG_HELP:
		opts->help = on;
		break;
	case FLAG_VERSION:
		opts->version = on;
		break;
	case FLAG_MAX_CPU:
		r = value_number(value, 10000, &number);
		opts->cpu_percent = (uint32_t)number;
		break;
	case FLAG_MAX_MEMORY:
		r = value_bytes(value, 1024 * 1024, &opts->memory_bytes);
		break;
	case FLAG_MAX_IOBPS:
		r = value_bytes(value, 1, &opts->io_bps);
		break;
	case FLAG_MAX_PIDS:
		r = value_number(value, 4194304, &opts->pids);
		break;
	case FLAG_TIMEOUT:
		r = value_usec(value, &opts->timeout_usec);
		if (r == 0 && opts->timeout_usec > TIMEOUT_MAX_USEC)
			r = -ERANGE;
		break;
	case FLAG_ENV:
	case FLAG_SECRET_ENV:
		return add_env(opts, flag, value, error);
	case FLAG_CPU_CORES:
		r = set_text(&opts->cpu_cores, value);
		break;
	case FLAG_WORK_DIR:
		r = set_text(&opts->work_dir, value);
		break;
	case FLAG_HOSTNAME:
		r = set_text(&opts->hostname, value);
		break;
	case FLAG_NAME:
		r = set_text(&opts->name, value);
		break;
	case FLAG_USER:
		r = value_user(value, &opts->uid, &opts->gid);
		break;
	case FLAG_NETWORK:
		return set_network(opts, value, error);
	case FLAG_SECCOMP:
		r = set_seccomp(opts, value);
		break;
	case FLAG_INIT:
		opts->init = on;
		break;
	case FLAG_RM:
		opts->rm = on;
		break;
	case FLAG_EXPLAIN:
		opts->explain = on;
		break;
	case FLAG_QUIET:
		opts->quiet = on;
		break;
	case FLAG_COUNT:
		break;
	}
	return r < 0 ? bad_number(error, flag, value, r) : 0;
}

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* The flag that was probably meant: one name is part of the other, or nearly the same. */
static const char *similar_flag(const char *name)
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
			    starts_with(names[i] + 4, singular))
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

static int not_yet(char error[OPTIONS_ERROR_MAX], const char *name)
{
	return fail(error, "--%s: this version does not have it yet", name);
}

static int unknown_flag(char error[OPTIONS_ERROR_MAX], const char *word)
{
	size_t dashes = word[1] == '-' ? 2 : 1;
	const char *text = word + dashes, *meant = NULL;
	size_t len = strcspn(text, "=");
	char buf[SHOWN_MAX], name[61];

	/* What stands behind '=' may be a secret. */
	(void)snprintf(name, sizeof(name), "%.*s", (int)(len < 60 ? len : 60), text);
	if (dashes == 2) {
		for (size_t i = 0; not_here[i]; i++) {
			if (strcmp(name, not_here[i]) == 0)
				return not_yet(error, name);
		}
	}
	/* With one dash, of a letter nothing can be guessed. */
	if (dashes == 2 || len > 1)
		meant = similar_flag(name);
	if (meant)
		return fail(error, "unknown flag: %.*s%s, did you mean --%s?",
			    (int)dashes, word, shown(buf, name), meant);
	return fail(error, "unknown flag: %.*s%s, see rnx help run", (int)dashes, word,
		    shown(buf, name));
}

/* Whether -v is followed by, or holds, SOURCE:TARGET: other tools take volumes so. */
static bool means_volume(const char *word, const char *next)
{
	return word[1] == 'v' &&
	       (strchr(word, ':') || (!word[2] && next && strchr(next, ':')));
}

/*
 * Finds the flag of a word and the value written into the word itself, if any. Returns
 * FLAG_COUNT for an unknown one.
 */
static enum flag find_flag(const char *word, const char **ret_value)
{
	bool is_long = word[1] == '-';
	size_t len = is_long ? strcspn(word + 2, "=") : 1;

	*ret_value = NULL;
	for (unsigned int i = 0; i < FLAG_COUNT; i++) {
		const struct flag_info *info = &flag_table[i];

		if (is_long) {
			if (strlen(info->name) != len ||
			    memcmp(info->name, word + 2, len) != 0)
				continue;
			if (word[2 + len] == '=')
				*ret_value = word + 2 + len + 1;
			return (enum flag)i;
		}
		if (info->letter == 0 || info->letter != word[1])
			continue;
		/* -eNAME=VALUE and -e=NAME=VALUE; a switch takes nothing of that kind. */
		if (word[2] && !info->value)
			return FLAG_COUNT;
		if (word[2])
			*ret_value = word + 2 + (word[2] == '=');
		return (enum flag)i;
	}
	return FLAG_COUNT;
}

int options_parse(struct options *opts, int argc, char **argv, int *index,
		  char error[OPTIONS_ERROR_MAX])
{
	while (*index < argc) {
		const char *word = argv[*index], *value;
		enum flag flag;
		int r;

		/* A lone "-" is a word. */
		if (word[0] != '-' || !word[1])
			return 0;
		(*index)++;
		if (strcmp(word, "--") == 0)
			return 0;
		if (means_volume(word, *index < argc ? argv[*index] : NULL))
			return not_yet(error, "volume");
		flag = find_flag(word, &value);
		if (flag == FLAG_COUNT)
			return unknown_flag(error, word);
		if (flag_table[flag].value && !value) {
			if (*index >= argc)
				return fail(error,
					    "--%s: a value is missing; it must be %s",
					    flag_table[flag].name, flag_table[flag].rule);
			value = argv[(*index)++];
		}
		r = set_flag(opts, flag, value, error);
		if (r < 0)
			return r;
		opts->seen |= UINT32_C(1) << flag;
		opts->given[flag] = value;
		if (opts->help || opts->version)
			return 0;
	}
	return 0;
}

enum flag options_outside(const struct options *opts, uint32_t scope)
{
	for (unsigned int i = 0; i < FLAG_COUNT; i++) {
		if ((opts->seen >> i & 1) && !(flag_table[i].scope & scope))
			return (enum flag)i;
	}
	return FLAG_COUNT;
}

void options_done(struct options *opts)
{
	free(opts->env);
	opts->env = NULL;
	opts->env_count = 0;
}
