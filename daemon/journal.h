/* SPDX-License-Identifier: MIT */
/*
 * The two records the daemon keeps of itself: log lines for whoever runs it, and the
 * audit, one line of JSON for every call that changes something or was refused.
 */
#ifndef DAEMON_JOURNAL_H
#define DAEMON_JOURNAL_H

#include <stdbool.h>

#include <joblet/log.h>

#include "config/server.h"
#include "text.h"

struct journal;

/*
 * Opens both. audit_path NULL: no audit. Again with the same object (SIGHUP): files are
 * opened anew; on failure the old ones stay.
 */
int journal_open(struct journal **journal, const struct jl__server_config *config,
		 const char *audit_path, struct sentence *why);
void journal_close(struct journal *journal);

/* A JL_LOG_ level. journal may be NULL: stderr. */
void journal_log(struct journal *journal, int level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

struct audit_line {
	const char *user, *role, *peer; /* who */
	const char *serial;		/* of the certificate; "" for local users */
	const char *call;		/* "/joblet.JobService/RunJob" */
	const char *target;		/* job or network; "" for none */
	const char *detail;		/* the command, the subnet; "" for none */
	const char *result;		/* "OK", "NOT_FOUND", … */
	const char *reason;		/* the sentence of a failure; "" for none */
};
/*
 * Written at once, whole; a failure shows in the log. Of calls that failed only some are
 * written down when there are very many, and then a line says how many are not.
 */
void journal_audit(struct journal *journal, const struct audit_line *line);

#endif
