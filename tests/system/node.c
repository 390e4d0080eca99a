/* SPDX-License-Identifier: MIT */
#include "node.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

char state[64];
jl_node *node;
jl_node_config *config;

/* Handles opened besides the one of the test, with their contexts. */
static struct {
	jl_node *node;
	jl_ctx *ctx;
} others[8];

void node_set_up(void)
{
	(void)snprintf(state, sizeof(state), "/tmp/joblet-node-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(state));
	ck_ok(jl_node_config_new(&config));
	ck_ok(jl_node_config_set_network(config, "none", &err));
	node = open_node();
}

static void remove_state(void)
{
	char command_line[128];

	(void)snprintf(command_line, sizeof(command_line), "rm -rf %s", state);
	ck_assert_int_eq(system(command_line), 0);
}

void node_tear_down(void)
{
	for (size_t i = 0; i < COUNT(others); i++)
		if (others[i].node)
			close_node(others[i].node);
	jl_node_config_free(config);
	remove_state();
}

jl_node *open_node(void)
{
	size_t at = 0;

	while (at < COUNT(others) && others[at].node)
		at++;
	ck_assert_uint_lt(at, COUNT(others));
	others[at].ctx = open_ctx(0);
	ck_ok(jl_ctx_set_state_dir(others[at].ctx, state, &err));
	ck_ok(jl_node_open(others[at].ctx, config, &others[at].node, &err));
	return others[at].node;
}

void close_node(jl_node *closed)
{
	for (size_t i = 0; i < COUNT(others); i++)
		if (others[i].node == closed) {
			(void)jl_node_unref(closed);
			(void)jl_ctx_unref(others[i].ctx);
			others[i].node = NULL;
			others[i].ctx = NULL;
			return;
		}
	ck_abort_msg("closed a node that is not open");
}

jl_submission *script(const char *text)
{
	jl_submission *sub;
	jl_job_spec *spec;

	ck_ok(jl_submission_new(node, &sub, &err));
	spec = jl_submission_spec(sub);
	put_mark(spec);
	ck_ok(jl_job_spec_add_arg(spec, "sh", &err));
	ck_ok(jl_job_spec_add_arg(spec, "-c", &err));
	ck_ok(jl_job_spec_add_arg(spec, text, &err));
	return sub;
}

char *submit(jl_submission *sub)
{
	jl_job_info *info = NULL;
	char *id;

	ck_ok(jl_node_submit(node, sub, &info, &err));
	id = strdup(jl_job_info_get_id(info));
	jl_job_info_free(info);
	jl_submission_free(sub);
	return id;
}

char *submit_script(const char *text)
{
	return submit(script(text));
}

uint64_t number(const char *id, int what)
{
	jl_job_info *info;
	uint64_t value;

	ck_ok(jl_node_get(node, id, &info, &err));
	value = jl_job_info_get_number(info, what);
	jl_job_info_free(info);
	return value;
}

char *text_of(const char *id, int what)
{
	jl_job_info *info;
	char *text;

	ck_ok(jl_node_get(node, id, &info, &err));
	text = strdup(jl_job_info_get_text(info, what));
	jl_job_info_free(info);
	return text;
}

int state_of(const char *id)
{
	return (int)number(id, JL_INFO_STATE);
}

static unsigned int allocations = UINT_MAX;

static bool runs_dry(void)
{
	if (allocations == UINT_MAX)
		return false;
	if (allocations == 0)
		return true;
	allocations--;
	return false;
}

static void *dry_alloc(size_t bytes)
{
	return runs_dry() ? NULL : malloc(bytes);
}

static void *dry_resize(void *old, size_t bytes)
{
	return runs_dry() ? NULL : realloc(old, bytes);
}

void allow_allocations(unsigned int count)
{
	allocations = count;
	ck_ok(jl_set_allocator(dry_alloc, dry_resize, free));
}

uint32_t in_states(uint32_t states)
{
	jl_job_list *list;
	uint32_t count;

	ck_ok(jl_node_list(node, states, NULL, 0, 0, &list, &err));
	count = jl_job_list_count(list);
	jl_job_list_free(list);
	return count;
}

bool is_ready(void)
{
	struct pollfd ready = { .fd = jl_node_get_fd(node), .events = POLLIN };

	return poll(&ready, 1, 0) == 1;
}

void ck_ends(const char *id, int as, int exit_code)
{
	ck_ok(jl_node_wait(node, id, (uint64_t)(30e6 * patience), &err));
	ck_assert_str_eq(jl_state_name(state_of(id)), jl_state_name(as));
	if (exit_code >= 0)
		ck_assert_int_eq((int)number(id, JL_INFO_EXIT_CODE), exit_code);
}

void end_many(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		jl_submission *sub = script("exit 0");
		char *id;

		ck_ok(jl_submission_set_due(sub,
					    UINT64_C(1000000) * (uint64_t)time(NULL) +
						    UINT64_C(3600000000),
					    &err));
		/* Nobody needs them after a power cut. */
		jl_submission_set_attached(sub, 1);
		id = submit(sub);
		ck_ok(jl_node_cancel(node, id, &err));
		free(id);
	}
}

char *log_of(const char *id, uint32_t flags)
{
	size_t len = 0, size = 1 << 16;
	char *text = malloc(size);
	jl_log *log;

	ck_ok(jl_node_open_log(node, id, flags, &log, &err));
	for (;;) {
		struct pollfd ready[2] = {
			{ .fd = jl_log_get_fd(log), .events = POLLIN },
			{ .fd = jl_node_get_fd(node), .events = POLLIN },
		};
		int64_t got = jl_log_read(log, text + len, size - len - 1, &err);

		if (got == -EAGAIN) {
			ck_assert_int_gt(poll(ready, 2, (int)(30e3 * patience)), 0);
			if (ready[1].revents)
				ck_ok(jl_node_process(node, &err));
			continue;
		}
		ck_ok((int)got);
		if (got == 0)
			break;
		len += (size_t)got;
		if (size - len < 4096)
			text = realloc(text, size *= 2);
		ck_assert_ptr_nonnull(text);
	}
	text[len] = '\0';
	jl_log_close(log);
	return text;
}

static void process_once(double seconds)
{
	struct pollfd ready = { .fd = jl_node_get_fd(node), .events = POLLIN };

	ck_ok(jl_node_process(node, &err));
	(void)poll(&ready, 1, (int)(seconds * 1000));
}

void until(const char *id, int as)
{
	double end = now() + 30 * patience;

	while (state_of(id) != as) {
		ck_assert_msg(now() < end, "job is %s, not %s",
			      jl_state_name(state_of(id)), jl_state_name(as));
		process_once(0.5);
	}
}

void process_for(double seconds)
{
	for (double end = now() + seconds; now() < end;)
		process_once(end - now());
	ck_ok(jl_node_process(node, &err));
}

void until_log(const char *id, const char *text)
{
	double end = now() + 60 * patience;
	char *log;

	while (!strstr(log = log_of(id, 0), text)) {
		ck_assert_msg(now() < end, "the log has no \"%s\", but \"%s\"", text,
			      log);
		free(log);
		process_for(0.02);
	}
	free(log);
}
