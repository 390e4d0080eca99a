/* SPDX-License-Identifier: MIT */
/*
 * Changing keys of a configuration file without touching what people wrote around them:
 * by lines, as only a parser that keeps comments could do better. Pure.
 */
#ifndef DAEMON_EDIT_H
#define DAEMON_EDIT_H

#include "text.h"

struct edit {
	const char *key;  /* in camelCase; matches snake_case, too */
	const char *text; /* PEM, or one line; NULL or "": the key is taken out */
};

/*
 * Sets keys of one section of the first level, which is made when it is not there.
 * Returns 0 with the new text, released with free(); -EINVAL when the section is written
 * in a way that lines do not show; -ENOMEM.
 */
int edit_section(const char *text, const char *section, const struct edit *edits,
		 size_t count, char **ret, struct sentence *why);

#endif
