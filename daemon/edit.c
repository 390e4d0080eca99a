/* SPDX-License-Identifier: MIT */
#include "edit.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct line {
	const char *at;
	size_t len; /* without the line end */
	size_t indent;
	bool blank; /* nothing, or a comment */
};

static const char *take_line(const char *text, struct line *line)
{
	line->at = text;
	line->len = strcspn(text, "\n");
	line->indent = strspn(text, " ");
	if (line->indent > line->len)
		line->indent = line->len;
	line->blank = line->indent == line->len || text[line->indent] == '#' ||
		      text[line->indent] == '\r';
	return text + line->len + (text[line->len] == '\n');
}

/* Whether a line begins with this key, written either way; the value behind it. */
static bool is_key(const struct line *line, const char *key, const char **ret_value)
{
	const char *p = line->at + line->indent, *end = line->at + line->len;
	char quote = p < end && (*p == '"' || *p == '\'') ? *p++ : 0;

	if (line->blank)
		return false;
	while (p < end && *p != ':' && *p != quote) {
		if (*p == '_') {
			p++;
			continue;
		}
		if (!*key || tolower((unsigned char)*p) != tolower((unsigned char)*key))
			return false;
		p++;
		key++;
	}
	if (quote && p < end && *p == quote)
		p++;
	if (*key || p >= end || *p != ':')
		return false;
	*ret_value = p + 1;
	return true;
}

static void put_value(FILE *out, size_t indent, const struct edit *edit)
{
	const char *text = edit->text;

	if (!text || !*text)
		return;
	if (!strchr(text, '\n')) {
		(void)fprintf(out, "%*s%s: \"%s\"\n", (int)indent, "", edit->key, text);
		return;
	}
	(void)fprintf(out, "%*s%s: |\n", (int)indent, "", edit->key);
	while (*text) {
		size_t len = strcspn(text, "\n");

		(void)fprintf(out, "%*s%.*s\n", (int)indent + 2, "", (int)len, text);
		text += len + (text[len] == '\n');
	}
}

static bool is_edited(const struct line *line, const struct edit *edits, size_t count)
{
	const char *value;

	for (size_t i = 0; i < count; i++) {
		if (is_key(line, edits[i].key, &value))
			return true;
	}
	return false;
}

/* Copies a section's lines but for the keys that change; returns what is behind it. */
static const char *copy_section(FILE *out, const char *text, size_t indent,
				const struct edit *edits, size_t count)
{
	bool dropping = false;
	struct line line;

	while (*text) {
		const char *next = take_line(text, &line);

		if (!line.blank && line.indent == 0)
			break;
		if (!line.blank && line.indent <= indent)
			dropping = is_edited(&line, edits, count);
		/* A comment after a dropped key may belong to the next one: it stays. */
		if (!dropping ||
		    (line.blank && line.indent <= indent && line.indent < line.len))
			(void)fprintf(out, "%.*s\n", (int)line.len, line.at);
		text = next;
	}
	return text;
}

/* Indentation of the first key below the section. */
static size_t section_indent(const char *text)
{
	struct line line;

	while (*text) {
		text = take_line(text, &line);
		if (!line.blank)
			return line.indent ? line.indent : 2;
	}
	return 2;
}

static bool is_empty_value(const char *value, const char *end)
{
	while (value < end && (*value == ' ' || *value == '\r'))
		value++;
	return value == end || *value == '#';
}

int edit_section(const char *text, const char *section, const struct edit *edits,
		 size_t count, char **ret, struct sentence *why)
{
	const char *value;
	struct line line;
	bool found = false;
	char *fresh = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&fresh, &size);
	int r = 0;

	if (!out)
		return fail(why, -ENOMEM, "out of memory");
	while (*text && r == 0) {
		text = take_line(text, &line);
		(void)fprintf(out, "%.*s\n", (int)line.len, line.at);
		if (found || line.indent != 0 || !is_key(&line, section, &value))
			continue;
		if (!is_empty_value(value, line.at + line.len)) {
			r = fail(why, -EINVAL,
				 "the section %s must be written as lines below \"%s:\"",
				 section, section);
			break;
		}
		found = true;
		for (size_t i = 0; i < count; i++)
			put_value(out, section_indent(text), &edits[i]);
		text = copy_section(out, text, section_indent(text), edits, count);
	}
	if (r == 0 && !found) {
		(void)fprintf(out, "\n%s:\n", section);
		for (size_t i = 0; i < count; i++)
			put_value(out, 2, &edits[i]);
	}
	if (fclose(out) != 0)
		r = fail(why, -ENOMEM, "out of memory");
	if (r < 0) {
		if (fresh)
			explicit_bzero(fresh, size);
		free(fresh);
		return r;
	}
	*ret = fresh;
	return 0;
}
