/* SPDX-License-Identifier: MIT */
/* The attacker's main program: finds the attack by name and reports its verdict. */
#include "attack.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ALARM_SECONDS 160

static const struct attack *const tables[] = {
	process_attacks, fs_attacks,   view_attacks,	proc_attacks,
	mount_attacks,	 ns_attacks,   syscall_attacks, priv_attacks,
	net_attacks,	 wire_attacks, exhaust_attacks, pid1_attacks,
};

static unsigned int n_held, n_escaped, n_untried;
static char **facts;

__attribute__((format(printf, 2, 0))) static void say(const char *prefix, const char *fmt,
						      va_list ap)
{
	char line[1024];
	int n;

	n = snprintf(line, sizeof(line), "%s: ", prefix);
	(void)vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	/* Bytes out of file names and kernel texts must not break the harness's lines. */
	for (char *p = line; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
			*p = '?';
	}
	(void)printf("%s\n", line);
	(void)fflush(stdout);
}

void held(const char *fmt, ...)
{
	va_list ap;

	n_held++;
	va_start(ap, fmt);
	say("held", fmt, ap);
	va_end(ap);
}

void escaped(const char *fmt, ...)
{
	va_list ap;

	n_escaped++;
	va_start(ap, fmt);
	say("ESCAPED", fmt, ap);
	va_end(ap);
}

void untried(const char *fmt, ...)
{
	va_list ap;

	n_untried++;
	va_start(ap, fmt);
	say("untried", fmt, ap);
	va_end(ap);
}

void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("note", fmt, ap);
	va_end(ap);
}

int verdict(void)
{
	if (n_escaped > 0)
		return STATUS_ESCAPED;
	/* An attack that reports nothing has tried nothing. */
	if (n_untried > 0 || n_held == 0)
		return STATUS_UNTRIED;
	return STATUS_HELD;
}

const char *fact_at(const char *key, unsigned int n)
{
	size_t len = strlen(key);

	for (char **f = facts; f != NULL && *f != NULL; f++) {
		if (strncmp(*f, key, len) == 0 && (*f)[len] == '=' && n-- == 0)
			return *f + len + 1;
	}
	return NULL;
}

const char *fact(const char *key)
{
	return fact_at(key, 0);
}

unsigned long fact_number(const char *key, unsigned long fallback)
{
	const char *text = fact(key);

	return text != NULL ? strtoul(text, NULL, 10) : fallback;
}

bool has_wire(void)
{
	const char *name = fact("network");

	return name == NULL || strcmp(name, "none") != 0;
}

static void list(void)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		for (const struct attack *a = tables[t]; a->name != NULL; a++)
			(void)printf("%s %s\n", a->name,
				     (a->flags & BY_HARNESS) != 0 ? "by-harness"
								  : "attack");
	}
}

static const struct attack *find(const char *name)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		for (const struct attack *a = tables[t]; a->name != NULL; a++) {
			if (strcmp(a->name, name) == 0)
				return a;
		}
	}
	return NULL;
}

/* PID 1, or a child of a small PID 1 (an init in front). */
static bool is_in_pid_namespace(void)
{
	return getpid() == 1 || (getppid() == 1 && getpid() < 16);
}

int main(int argc, char **argv)
{
	const struct attack *a;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		list();
		return 0;
	}
	/* What a setuid copy of this program runs: says whom it became. */
	if (argc == 2 && strcmp(argv[1], "--who") == 0) {
		(void)printf("%u\n", (unsigned int)geteuid());
		return geteuid() == 0 ? 42 : 0;
	}
	if (argc < 2 || (a = find(argv[1])) == NULL) {
		(void)fprintf(stderr, "usage: attack NAME [KEY=VALUE]... | --list\n");
		return STATUS_USAGE;
	}
	facts = argv + 2;
	if ((a->flags & IN_SANDBOX) != 0 && !is_in_pid_namespace()) {
		untried("not inside a pid namespace, and this one could do harm");
		return verdict();
	}
	(void)alarm(ALARM_SECONDS);
	a->run();
	return verdict();
}
