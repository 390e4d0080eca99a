/* SPDX-License-Identifier: MIT */
#include "config/keys.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_LEN_MAX 256
#define NAME_LEN_MAX 48

int jl__texts_add(struct jl__texts *list, const char *text)
{
	char **items = realloc(list->items, (list->count + 1) * sizeof(*items));

	if (!items)
		return -ENOMEM;
	list->items = items;
	items[list->count] = strdup(text);
	if (!items[list->count])
		return -ENOMEM;
	list->count++;
	return 0;
}

int jl__texts_add_exposed(struct jl__texts *list, const char *path)
{
	char text[JL__CONFIG_ERROR_MAX];

	(void)snprintf(text, sizeof(text),
		       "%s: holds a private key and can be read by others: chmod 600 %s",
		       path, path);
	return jl__texts_add(list, text);
}

void jl__text_wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

void jl__texts_done(struct jl__texts *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct jl__texts){ 0 };
}

int jl__keys_refuse(char *error, int code, const char *name, unsigned int line,
		    const char *format, ...)
{
	va_list args;
	int n = snprintf(error, JL__CONFIG_ERROR_MAX, "%s:%u: ", name, line);

	if (n < 0 || n >= JL__CONFIG_ERROR_MAX)
		return code;
	va_start(args, format);
	(void)vsnprintf(error + n, JL__CONFIG_ERROR_MAX - (size_t)n, format, args);
	va_end(args);
	return code;
}

const char *jl__keys_shown(char buf[JL__KEYS_SHOWN_MAX], const char *value)
{
	size_t len = strnlen(value, JL__KEYS_SHOWN_MAX);
	size_t n = len < JL__KEYS_SHOWN_MAX ? len : JL__KEYS_SHOWN_MAX - 4;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)value[i];

		buf[i] = (char)(c < ' ' || c >= 127 ? '?' : c);
	}
	(void)snprintf(buf + n, JL__KEYS_SHOWN_MAX - n, "%s", n < len ? "..." : "");
	return buf;
}

/* The name without what does not count in it, in lower case. */
static void plain_name(const char *name, size_t len, char out[NAME_LEN_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < len && n < NAME_LEN_MAX - 1; i++) {
		if (name[i] != '_')
			out[n++] = (char)tolower((unsigned char)name[i]);
	}
	out[n] = 0;
}

static bool same_part(const char *a, const char *b, size_t b_len)
{
	char left[NAME_LEN_MAX], right[NAME_LEN_MAX];

	if (strlen(a) >= NAME_LEN_MAX)
		return false;
	plain_name(a, strlen(a), left);
	plain_name(b, b_len, right);
	return strcmp(left, right) == 0;
}

bool jl__keys_same(const char *a, const char *b)
{
	return same_part(a, b, strlen(b));
}

/* Letters to change, add or take away to come from one name to the other. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NAME_LEN_MAX], b_len = strlen(b);

	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t cost = corner + (a[i - 1] != b[j - 1]);

			corner = row[j];
			if (row[j] + 1 < cost)
				cost = row[j] + 1;
			if (row[j - 1] + 1 < cost)
				cost = row[j - 1] + 1;
			row[j] = cost;
		}
	}
	return row[b_len];
}

/* The part of a key's path below a section: its start and length, or NULL. */
static const char *part_below(const struct jl__key *key, const char *section, size_t *len)
{
	size_t skip = strlen(section);

	if (strncmp(key->path, section, skip) != 0)
		return NULL;
	if (skip && key->path[skip] != '.')
		return NULL;
	*len = strcspn(key->path + skip + (skip > 0), ".");
	return key->path + skip + (skip > 0);
}

static int warn_unknown(const struct jl__key_reader *reader, const char *section,
			const struct jl__yaml *node)
{
	char wanted[NAME_LEN_MAX], have[NAME_LEN_MAX], name[JL__KEYS_SHOWN_MAX];
	const char *meant = NULL;
	char text[JL__CONFIG_ERROR_MAX];
	size_t best = 3, meant_len = 0;

	plain_name(node->key, strlen(node->key), wanted);
	for (size_t i = 0; i < reader->count; i++) {
		size_t len, far;
		const char *part = part_below(&reader->keys[i], section, &len);

		if (!part)
			continue;
		plain_name(part, len, have);
		far = distance(wanted, have);
		if (far < best) {
			best = far;
			meant = part;
			meant_len = len;
		}
	}
	(void)snprintf(text, sizeof(text), "%s:%u: unknown key %s%s%s is ignored%s%.*s%s",
		       reader->name, node->line, section, *section ? "." : "",
		       jl__keys_shown(name, node->key), meant ? ": did you mean " : "",
		       (int)meant_len, meant ? meant : "", meant ? "?" : "");
	return jl__texts_add(reader->warnings, text);
}

static int refuse_value(const struct jl__key_reader *reader, const struct jl__yaml *node,
			const struct jl__key *key, int code, const char *rule)
{
	char shown[JL__KEYS_SHOWN_MAX];
	bool secret = key->kind == JL__KEY_PEM;

	return jl__keys_refuse(
		reader->error, code, reader->name, node->line, "%s %s%s%s%s", key->path,
		rule, node->text && !secret ? ", not '" : "",
		node->text && !secret ? jl__keys_shown(shown, node->text) : "",
		node->text && !secret ? "'" : "");
}

static int refuse_range(const struct jl__key_reader *reader, const struct jl__yaml *node,
			const struct jl__key *key)
{
	char rule[96];

	if (key->max)
		(void)snprintf(rule, sizeof(rule), "must be %llu to %llu",
			       (unsigned long long)key->min,
			       (unsigned long long)key->max);
	else
		(void)snprintf(rule, sizeof(rule), "must be at least %llu",
			       (unsigned long long)key->min);
	return refuse_value(reader, node, key, -ERANGE, rule);
}

static int store_text(const struct jl__key_reader *reader, const struct jl__key *key,
		      const char *text)
{
	char **slot, *copy;

	if (key->offset == JL__KEY_UNUSED)
		return 0;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	slot = (char **)((char *)reader->into + key->offset);
	jl__text_wipe(*slot);
	*slot = copy;
	return 0;
}

static int read_choice(const struct jl__key_reader *reader, const struct jl__yaml *node,
		       const struct jl__key *key)
{
	char rule[160], word[NAME_LEN_MAX];

	for (const char *p = key->choices; *p; p += *p == '|') {
		size_t len = strcspn(p, "|");

		if (same_part(node->text, p, len)) {
			(void)snprintf(word, sizeof(word), "%.*s", (int)len, p);
			return store_text(reader, key, word);
		}
		p += len;
	}
	(void)snprintf(rule, sizeof(rule), "must be one of %s", key->choices);
	for (char *p = rule; *p; p++) {
		if (*p == '|')
			*p = ' ';
	}
	return refuse_value(reader, node, key, -EINVAL, rule);
}

static int read_number(const struct jl__key_reader *reader, const struct jl__yaml *node,
		       const struct jl__key *key)
{
	uint64_t value = 0;
	int r;

	if (key->kind == JL__KEY_SPAN)
		r = jl__value_span(node->text, &value);
	else if (key->kind == JL__KEY_BYTES)
		r = jl__value_bytes(node->text, key->scale, &value);
	else
		r = jl__value_number(node->text, &value);
	if (r == -EINVAL)
		return refuse_value(reader, node, key, r,
				    key->kind == JL__KEY_SPAN
					    ? "must be a time such as \"30s\" or \"5m\""
				    : key->kind == JL__KEY_BYTES
					    ? "must be a number, with a unit such as MiB "
					      "where it is not the usual one"
					    : "must be a number that is not negative");
	if (r == -ERANGE || value < key->min || (key->max && value > key->max))
		return refuse_range(reader, node, key);
	if (key->offset != JL__KEY_UNUSED)
		*(uint64_t *)(void *)((char *)reader->into + key->offset) = value;
	return 0;
}

static int add_words(struct jl__texts *list, const char *text)
{
	while (*text) {
		size_t len;

		text += strspn(text, ", \t");
		len = strcspn(text, ",");
		while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
			len--;
		if (len) {
			char *word = strndup(text, len);
			int r = word ? jl__texts_add(list, word) : -ENOMEM;

			free(word);
			if (r < 0)
				return r;
		}
		text += len;
		text += strspn(text, " \t");
	}
	return 0;
}

static int read_texts(const struct jl__key_reader *reader, const struct jl__yaml *node,
		      const struct jl__key *key)
{
	struct jl__texts list = { 0 };
	int r = 0;

	if (node->kind == JL__YAML_MAP)
		return refuse_value(reader, node, key, -EINVAL, "must be a list");
	if (node->kind == JL__YAML_SCALAR && !jl__yaml_is_null(node))
		r = add_words(&list, node->text);
	for (const struct jl__yaml *n = node->first; n && r == 0; n = n->next) {
		if (n->kind != JL__YAML_SCALAR)
			r = refuse_value(reader, n, key, -EINVAL,
					 "must be a list of words");
		else
			r = jl__texts_add(&list, n->text);
	}
	if (r == 0 && key->offset != JL__KEY_UNUSED) {
		struct jl__texts *slot =
			(struct jl__texts *)(void *)((char *)reader->into + key->offset);

		jl__texts_done(slot);
		*slot = list;
	} else {
		jl__texts_done(&list);
	}
	return r;
}

static int read_scalar(const struct jl__key_reader *reader, const struct jl__yaml *node,
		       const struct jl__key *key)
{
	bool value;

	switch (key->kind) {
	case JL__KEY_BOOL:
		if (jl__value_bool(node->text, &value) < 0)
			return refuse_value(reader, node, key, -EINVAL,
					    "must be true or false");
		if (key->offset != JL__KEY_UNUSED)
			*(bool *)((char *)reader->into + key->offset) = value;
		return 0;
	case JL__KEY_PATH:
		if (*node->text && *node->text != '/')
			return refuse_value(reader, node, key, -EINVAL,
					    "must be an absolute path");
		return store_text(reader, key, node->text);
	case JL__KEY_PEM:
		if (*node->text && !strstr(node->text, "-----BEGIN "))
			return refuse_value(reader, node, key, -EINVAL,
					    "must be PEM text, indented behind a |");
		return store_text(reader, key, node->text);
	case JL__KEY_CHOICE:
		return read_choice(reader, node, key);
	case JL__KEY_TEXT:
		return store_text(reader, key, node->text);
	default:
		return read_number(reader, node, key);
	}
}

static int read_value(const struct jl__key_reader *reader, const struct jl__yaml *node,
		      const struct jl__key *key)
{
	int r = 0;

	if (key->kind == JL__KEY_TREE)
		return 0;
	if (key->kind == JL__KEY_TEXTS) {
		r = read_texts(reader, node, key);
	} else if (node->kind != JL__YAML_SCALAR) {
		return refuse_value(reader, node, key, -EINVAL, "must be one value");
	} else if (!jl__yaml_is_null(node)) {
		/* A key without a value keeps its default. */
		r = read_scalar(reader, node, key);
	}
	if (r == 0 && key->offset == JL__KEY_UNUSED && reader->unused)
		r = jl__texts_add(reader->unused, key->path);
	return r;
}

/* The key or section this node is: its key, or its path in section with NULL. */
static bool find(const struct jl__key_reader *reader, const char *section,
		 const struct jl__yaml *node, const struct jl__key **ret,
		 char path[PATH_LEN_MAX])
{
	for (size_t i = 0; i < reader->count; i++) {
		const struct jl__key *key = &reader->keys[i];
		size_t len;
		const char *part = part_below(key, section, &len);

		if (!part || !same_part(node->key, part, len))
			continue;
		(void)snprintf(path, PATH_LEN_MAX, "%.*s", (int)(part + len - key->path),
			       key->path);
		*ret = part[len] ? NULL : key;
		return true;
	}
	return false;
}

static int read_section(const struct jl__key_reader *reader, const struct jl__yaml *map,
			const char *section)
{
	for (const struct jl__yaml *node = map->first; node; node = node->next) {
		const struct jl__key *key;
		char path[PATH_LEN_MAX];
		int r = 0;

		for (const struct jl__yaml *n = map->first; n != node; n = n->next) {
			if (jl__keys_same(n->key, node->key))
				return jl__keys_refuse(
					reader->error, -EINVAL, reader->name, node->line,
					"this key was given before, in line %u", n->line);
		}
		if (!find(reader, section, node, &key, path))
			r = warn_unknown(reader, section, node);
		else if (key)
			r = read_value(reader, node, key);
		else if (node->kind == JL__YAML_MAP)
			r = read_section(reader, node, path);
		else if (!jl__yaml_is_null(node))
			r = jl__keys_refuse(reader->error, -EINVAL, reader->name,
					    node->line, "%s must be a section of keys",
					    path);
		if (r < 0)
			return r;
	}
	return 0;
}

int jl__keys_read(const struct jl__key_reader *reader, const struct jl__yaml *map)
{
	int r = read_section(reader, map, "");

	if (r == -ENOMEM)
		(void)snprintf(reader->error, JL__CONFIG_ERROR_MAX, "%s: out of memory",
			       reader->name);
	return r;
}

const struct jl__yaml *jl__keys_find(const struct jl__yaml *map, const char *path)
{
	while (map) {
		size_t len = strcspn(path, ".");
		const struct jl__yaml *node =
			map->kind == JL__YAML_MAP ? map->first : NULL;

		while (node && !same_part(node->key, path, len))
			node = node->next;
		if (!path[len])
			return node;
		path += len + 1;
		map = node;
	}
	return NULL;
}
