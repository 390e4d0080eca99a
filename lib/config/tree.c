/* SPDX-License-Identifier: MIT */
#include "config/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <yaml.h>

struct builder {
	const char *name;
	struct jl__yaml *open[JL__YAML_DEPTH_MAX]; /* collections around the next node */
	struct jl__yaml *root;
	size_t depth, nodes;
	char *key; /* of the next node, in a map */
	unsigned int key_line;
	char *error;
};

static int refuse(const struct builder *b, int code, size_t line, const char *what)
{
	(void)snprintf(b->error, JL__CONFIG_ERROR_MAX, "%s:%zu: %s", b->name, line + 1,
		       what);
	return code;
}

static int no_memory(const struct builder *b)
{
	(void)snprintf(b->error, JL__CONFIG_ERROR_MAX, "%s: out of memory", b->name);
	return -ENOMEM;
}

void jl__yaml_free(struct jl__yaml *node)
{
	while (node) {
		struct jl__yaml *next = node->next;

		/* As deep as JL__YAML_DEPTH_MAX at most. */
		jl__yaml_free(node->first);
		free(node->key);
		free(node->text);
		free(node);
		node = next;
	}
}

int jl__yaml_is_null(const struct jl__yaml *node)
{
	return node->kind == JL__YAML_SCALAR && node->plain &&
	       (!*node->text || strcmp(node->text, "~") == 0 ||
		strcmp(node->text, "null") == 0);
}

/* Appends a node to the collection that is open, or makes it the document. */
static int add(struct builder *b, enum jl__yaml_kind kind, const yaml_event_t *event,
	       struct jl__yaml **ret)
{
	struct jl__yaml *parent = b->depth ? b->open[b->depth - 1] : NULL;
	size_t line = event->start_mark.line;
	struct jl__yaml *node;

	if (++b->nodes > JL__YAML_NODES_MAX)
		return refuse(b, -E2BIG, line, "too many values for a configuration");
	node = calloc(1, sizeof(*node));
	if (!node)
		return no_memory(b);
	node->kind = kind;
	node->line = (unsigned int)line + 1;
	node->key = b->key;
	b->key = NULL;
	if (!parent) {
		b->root = node;
	} else if (parent->last) {
		parent->last->next = node;
		parent->last = node;
	} else {
		parent->first = parent->last = node;
	}
	*ret = node;
	return 0;
}

static int scalar_text(struct builder *b, const yaml_event_t *event, char **ret)
{
	const char *value = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;

	if (memchr(value, 0, len))
		return refuse(b, -EINVAL, event->start_mark.line,
			      "a value holds a zero byte");
	*ret = strndup(value, len);
	return *ret ? 0 : no_memory(b);
}

static int take_key(struct builder *b, const yaml_event_t *event)
{
	const struct jl__yaml *map = b->open[b->depth - 1];
	int r;

	if (event->type != YAML_SCALAR_EVENT)
		return refuse(b, -EINVAL, event->start_mark.line,
			      "the name of a key must be a word");
	r = scalar_text(b, event, &b->key);
	if (r < 0)
		return r;
	for (const struct jl__yaml *n = map->first; n; n = n->next) {
		char what[128];

		if (strcmp(n->key, b->key) != 0)
			continue;
		(void)snprintf(what, sizeof(what),
			       "this key was given before, in line %u", n->line);
		return refuse(b, -EINVAL, event->start_mark.line, what);
	}
	return 0;
}

static int take_node(struct builder *b, const yaml_event_t *event)
{
	struct jl__yaml *node;
	int r;

	if (b->depth && b->open[b->depth - 1]->kind == JL__YAML_MAP && !b->key)
		return take_key(b, event);
	if (event->type == YAML_SCALAR_EVENT) {
		r = add(b, JL__YAML_SCALAR, event, &node);
		if (r < 0)
			return r;
		node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
		return scalar_text(b, event, &node->text);
	}
	if (b->depth == JL__YAML_DEPTH_MAX)
		return refuse(b, -E2BIG, event->start_mark.line,
			      "nested too deeply for a configuration");
	r = add(b, event->type == YAML_MAPPING_START_EVENT ? JL__YAML_MAP : JL__YAML_LIST,
		event, &node);
	if (r == 0)
		b->open[b->depth++] = node;
	return r;
}

static int take_event(struct builder *b, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return refuse(
			b, -EINVAL, event->start_mark.line,
			"aliases (*name) are not for configurations: write the value out");
	case YAML_SCALAR_EVENT:
		if (event->data.scalar.anchor)
			break;
		return take_node(b, event);
	case YAML_SEQUENCE_START_EVENT:
		if (event->data.sequence_start.anchor)
			break;
		return take_node(b, event);
	case YAML_MAPPING_START_EVENT:
		if (event->data.mapping_start.anchor)
			break;
		return take_node(b, event);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		b->depth--;
		return 0;
	case YAML_DOCUMENT_START_EVENT:
		if (b->root)
			return refuse(b, -EINVAL, event->start_mark.line,
				      "a second document begins here; there can be one");
		return 0;
	default:
		return 0;
	}
	return refuse(b, -EINVAL, event->start_mark.line,
		      "anchors (&name) are not for configurations: write the value out");
}

static int parser_failed(const struct builder *b, const yaml_parser_t *parser)
{
	char what[256];

	if (parser->error == YAML_MEMORY_ERROR)
		return no_memory(b);
	(void)snprintf(what, sizeof(what), "this is not YAML: %s%s%s",
		       parser->problem ? parser->problem : "unreadable",
		       parser->context ? " " : "",
		       parser->context ? parser->context : "");
	return refuse(b, -EINVAL, parser->problem_mark.line, what);
}

static int run(struct builder *b, yaml_parser_t *parser)
{
	bool more = true;
	int r = 0;

	while (r == 0 && more) {
		yaml_event_t event;

		if (!yaml_parser_parse(parser, &event))
			return parser_failed(b, parser);
		more = event.type != YAML_STREAM_END_EVENT;
		r = take_event(b, &event);
		yaml_event_delete(&event);
	}
	return r;
}

int jl__yaml_parse(const char *name, const char *data, size_t len, struct jl__yaml **ret,
		   char error[JL__CONFIG_ERROR_MAX])
{
	struct builder b = { .name = name, .error = error };
	yaml_parser_t parser;
	int r;

	*error = 0;
	if (len > JL__YAML_BYTES_MAX)
		return refuse(&b, -E2BIG, 0,
			      "larger than 1 MiB: that is no configuration");
	if (!yaml_parser_initialize(&parser))
		return no_memory(&b);
	yaml_parser_set_input_string(&parser, (const unsigned char *)data, len);
	r = run(&b, &parser);
	yaml_parser_delete(&parser);
	free(b.key);
	if (r == 0 && (!b.root || jl__yaml_is_null(b.root))) {
		jl__yaml_free(b.root);
		b.root = calloc(1, sizeof(*b.root));
		if (!b.root)
			return no_memory(&b);
		b.root->kind = JL__YAML_MAP;
		b.root->line = 1;
	}
	if (r == 0 && b.root->kind != JL__YAML_MAP)
		r = refuse(&b, -EINVAL, b.root->line - 1,
			   "a configuration is made of keys and values");
	if (r < 0) {
		jl__yaml_free(b.root);
		return r;
	}
	*ret = b.root;
	return 0;
}

static int failed_on(const char *path, int code, const char *what, char *error)
{
	(void)snprintf(error, JL__CONFIG_ERROR_MAX, "cannot read %s: %s", path,
		       what ? what : strerror(-code));
	return code;
}

int jl__yaml_load(const char *path, struct jl__yaml **ret, unsigned int *ret_mode,
		  char error[JL__CONFIG_ERROR_MAX])
{
	size_t len = 0;
	struct stat st;
	char *data;
	int fd, r;

	/* A FIFO in its place must not hold the program up. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return failed_on(path, -errno, NULL, error);
	r = fstat(fd, &st) < 0 ? -errno : 0;
	if (r == 0 && !S_ISREG(st.st_mode))
		r = -EINVAL;
	data = r == 0 ? malloc(JL__YAML_BYTES_MAX + 1) : NULL;
	if (!data) {
		(void)close(fd);
		return r < 0 ? failed_on(path, r, r == -EINVAL ? "not a file" : NULL,
					 error)
			     : failed_on(path, -ENOMEM, NULL, error);
	}
	while (len <= JL__YAML_BYTES_MAX) {
		ssize_t n = read(fd, data + len, JL__YAML_BYTES_MAX + 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r = -errno;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	(void)close(fd);
	if (r < 0)
		r = failed_on(path, r, NULL, error);
	else
		r = jl__yaml_parse(path, data, len, ret, error);
	if (r == 0 && ret_mode)
		*ret_mode = st.st_mode & 07777;
	/* It may hold a key. */
	explicit_bzero(data, len);
	free(data);
	return r;
}
