/* SPDX-License-Identifier: MIT */
#include "request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <joblet/sched.h>

#include "convert.h"
#include "status.h"

#define MIB (UINT64_C(1) << 20)
#define UPLOADS_FIELD 8
/* What is left of a request without its uploads. */
#define REQUEST_MAX (8 * MIB)
/* A link's target is a path; a path of an upload is at most this long. */
#define PATH_BYTES 4096

int refuse(struct refusal *refusal, int code, const char *format, ...)
{
	va_list args;

	refusal->code = code;
	va_start(args, format);
	(void)vsnprintf(refusal->text, sizeof(refusal->text), format, args);
	va_end(args);
	return -1;
}

int refuse_error(struct refusal *refusal, int r, jl_error *err)
{
	const char *text = jl_error_message(err);

	(void)refuse(refusal, status_of(r), "%s", *text ? text : strerror(-r));
	jl_error_free(err);
	return -1;
}

/*
 * r of a setter of the library, with where it has put its error: in a call that has the
 * setter's own call among its arguments, the error itself would be read before there is
 * one.
 */
static int set(struct refusal *refusal, int r, jl_error *const *err)
{
	return r < 0 ? refuse_error(refusal, r, *err) : 0;
}

/* ---- the parts of a description ---- */

static int fill_command(jl_job_spec *spec, const Joblet__RunJobRequest *m,
			struct refusal *refusal)
{
	jl_error *err = NULL;
	int r;

	if (!*m->command)
		return refuse(refusal, JL__RPC_INVALID_ARGUMENT,
			      "invalid request: the command is empty");
	r = jl_job_spec_add_arg(spec, m->command, &err);
	for (size_t i = 0; r == 0 && i < m->n_args; i++)
		r = jl_job_spec_add_arg(spec, m->args[i], &err);
	return set(refusal, r, &err);
}

static int fill_environment(jl_job_spec *spec, const Joblet__RunJobRequest *m,
			    struct refusal *refusal)
{
	jl_error *err = NULL;
	int r = 0;

	/* A name given twice: the last one counts, as maps are merged elsewhere. */
	for (size_t i = 0; r == 0 && i < m->n_environment; i++)
		r = jl_job_spec_set_env(spec, m->environment[i]->key,
					m->environment[i]->value, &err);
	for (size_t i = 0; r == 0 && i < m->n_secret_environment; i++)
		r = jl_job_spec_set_secret_env(spec, m->secret_environment[i]->key,
					       m->secret_environment[i]->value, &err);
	return set(refusal, r, &err);
}

static int check_least(struct refusal *refusal, const char *what, uint64_t value,
		       uint64_t least)
{
	if (value && value < least)
		return refuse(refusal, JL__RPC_INVALID_ARGUMENT,
			      "%s %llu is below the least this server takes, %llu", what,
			      (unsigned long long)value, (unsigned long long)least);
	return 0;
}

static int fill_limits(const struct serving *s, jl_job_spec *spec,
		       const Joblet__RunJobRequest *m, struct refusal *refusal)
{
	const Joblet__X__V1__RunOptions *o = m->options;
	jl_limits *limits = jl_job_spec_limits(spec);
	uint64_t memory = (uint64_t)(m->max_memory > 0 ? m->max_memory : 0) * MIB;
	uint64_t io = (uint64_t)(m->max_io_bps > 0 ? m->max_io_bps : 0);
	jl_error *err = NULL;
	int r = 0;

	if (m->max_cpu < 0 || m->max_memory < 0 || m->max_io_bps < 0)
		return refuse(refusal, JL__RPC_INVALID_ARGUMENT,
			      "invalid request: a limit is negative");
	if (o && ((o->memory_bytes && memory) || (o->io_bps && io)))
		return refuse(refusal, JL__RPC_INVALID_ARGUMENT,
			      "invalid request: a limit is given twice");
	if (o && o->memory_bytes)
		memory = o->memory_bytes;
	if (o && o->io_bps)
		io = o->io_bps;
	if (check_least(refusal, "max_cpu", (uint64_t)m->max_cpu, s->config->min_cpu) <
		    0 ||
	    check_least(refusal, "max_memory", memory, s->config->min_memory) < 0 ||
	    check_least(refusal, "max_io_bps", io, s->config->min_io) < 0)
		return -1;
	if (m->max_cpu)
		r = jl_limits_set_cpu_percent(limits, (uint32_t)m->max_cpu, &err);
	if (r == 0 && memory)
		r = jl_limits_set_memory_bytes(limits, memory, &err);
	if (r == 0 && io)
		r = jl_limits_set_io_bps(limits, io, io, &err);
	if (r == 0 && *m->cpu_cores)
		r = jl_limits_set_cpus(limits, m->cpu_cores, &err);
	if (r == 0 && o && o->pids)
		r = jl_limits_set_pids(limits, o->pids, &err);
	return set(refusal, r, &err);
}

static int fill_network(struct serving *s, const struct jl__rpc_peer *peer,
			jl_job_spec *spec, const char *name, struct refusal *refusal)
{
	const char *effective = *name ? name : s->config->default_network;
	jl_error *err = NULL;

	if (strcmp(effective, "host") == 0) {
		if (!s->config->allow_host)
			return refuse(refusal, JL__RPC_FAILED_PRECONDITION,
				      "this server runs no jobs on its own network: "
				      "network.allowHost is false in its configuration");
		if (!(peer->roles & FOR_ADMIN))
			return refuse(
				refusal, JL__RPC_PERMISSION_DENIED,
				"role %s is not allowed to perform operation run_job "
				"with network host",
				role_name(peer->roles));
	} else if (!s->config->network_enabled && *name && strcmp(name, "none") != 0) {
		return refuse(
			refusal, JL__RPC_FAILED_PRECONDITION,
			"this server has no networks: network.enabled is false in its "
			"configuration");
	}
	if (!*name)
		return 0;
	return set(refusal, jl_job_spec_set_network_name(spec, name, &err), &err);
}

/* What other versions have and this one does not yet: refused, never left out. */
static int check_absent(const Joblet__RunJobRequest *m, struct refusal *refusal)
{
	for (size_t i = 0; i < m->n_volumes; i++) {
		if (!*m->volumes[i])
			return refuse(refusal, JL__RPC_INVALID_ARGUMENT,
				      "invalid request: a volume has no name");
		return refuse(refusal, JL__RPC_NOT_FOUND,
			      "volume not found: %s: this server has no volumes yet",
			      m->volumes[i]);
	}
	if (*m->runtime)
		return refuse(refusal, JL__RPC_NOT_FOUND,
			      "runtime not found: %s: this server has no runtimes yet",
			      m->runtime);
	if (m->gpu_count || m->gpu_memory_mb)
		return refuse(refusal, JL__RPC_FAILED_PRECONDITION,
			      "this server has no GPUs to give to jobs");
	return 0;
}

static int fill_options(jl_job_spec *spec, const Joblet__X__V1__RunOptions *o,
			struct refusal *refusal)
{
	jl_error *err = NULL;
	int r = 0;

	if (*o->hostname)
		r = jl_job_spec_set_hostname(spec, o->hostname, &err);
	if (r == 0 && o->timeout_usec)
		r = jl_job_spec_set_timeout(spec, o->timeout_usec, &err);
	if (r == 0 && o->net_bps)
		r = jl_job_spec_set_net_bps(spec, o->net_bps, &err);
	if (r == 0 && o->has_user)
		r = jl_job_spec_set_user(spec, o->uid, o->gid, &err);
	if (r == 0 && o->init)
		r = jl_job_spec_set_init(spec, 1, &err);
	for (size_t i = 0; r == 0 && i < o->n_allow_net; i++)
		r = jl_job_spec_add_allow_net(spec, o->allow_net[i], &err);
	for (size_t i = 0; r == 0 && i < o->n_publish; i++)
		r = jl_job_spec_add_publish(spec, o->publish[i], &err);
	return set(refusal, r, &err);
}

/*
 * Less seccomp than the default is a matter of trust in the job: for those who may do
 * everything anyway.
 */
static int fill_seccomp(const struct jl__rpc_peer *peer, jl_job_spec *spec,
			const char *level, struct refusal *refusal)
{
	static const struct {
		const char *name;
		int level;
	} levels[] = {
		{ "off", JL_SECCOMP_OFF },
		{ "default", JL_SECCOMP_DEFAULT },
		{ "strict", JL_SECCOMP_STRICT },
	};
	jl_error *err = NULL;

	if (!*level)
		return 0;
	for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
		if (strcmp(levels[i].name, level) != 0)
			continue;
		if (levels[i].level == JL_SECCOMP_OFF && !(peer->roles & FOR_ADMIN))
			return refuse(
				refusal, JL__RPC_PERMISSION_DENIED,
				"role %s is not allowed to perform operation run_job "
				"without seccomp",
				role_name(peer->roles));
		return set(refusal, jl_job_spec_set_seccomp(spec, levels[i].level, &err),
			   &err);
	}
	return refuse(refusal, JL__RPC_INVALID_ARGUMENT,
		      "seccomp must be off, default or strict, not '%s'", level);
}

static int fill_spec(struct serving *s, const struct jl__rpc_peer *peer,
		     jl_job_spec *spec, const Joblet__RunJobRequest *m,
		     struct refusal *refusal)
{
	jl_error *err = NULL;

	if (fill_command(spec, m, refusal) < 0 || check_absent(m, refusal) < 0 ||
	    fill_environment(spec, m, refusal) < 0 ||
	    fill_limits(s, spec, m, refusal) < 0 ||
	    fill_network(s, peer, spec, m->network, refusal) < 0)
		return -1;
	if (*m->work_dir &&
	    set(refusal, jl_job_spec_set_work_dir(spec, m->work_dir, &err), &err) < 0)
		return -1;
	if (*m->name && set(refusal, jl_job_spec_set_name(spec, m->name, &err), &err) < 0)
		return -1;
	if (!m->options)
		return 0;
	if (*m->options->name &&
	    set(refusal, jl_job_spec_set_name(spec, m->options->name, &err), &err) < 0)
		return -1;
	if (fill_seccomp(peer, spec, m->options->seccomp, refusal) < 0)
		return -1;
	return fill_options(spec, m->options, refusal);
}

/* ---- when, how often, for whom ---- */

/* RFC 3339 as clients send it; seconds or ms since 1970; "+5m" and "5m". */
static int parse_schedule(const char *text, uint64_t *ret_usec, struct refusal *refusal)
{
	jl_error *err = NULL;
	uint64_t number;

	if (jl__value_number(text, &number) == 0) {
		/* Above this they are milliseconds: seconds would be the year 5138. */
		bool is_ms = number >= UINT64_C(100000000000);

		if (number > UINT64_C(100000000000000))
			return refuse(refusal, JL__RPC_INVALID_ARGUMENT,
				      "schedule is out of range: '%.40s'", text);
		*ret_usec = number * (is_ms ? 1000 : 1000000);
		return 0;
	}
	if (*text == '+')
		text++;
	return set(refusal, jl_time_parse(text, now_usec(), ret_usec, &err), &err);
}

static int fill_times(jl_submission *sub, const Joblet__RunJobRequest *m,
		      struct refusal *refusal)
{
	const Joblet__X__V1__RunOptions *o = m->options;
	uint64_t due = o ? o->due_usec : 0;
	jl_error *err = NULL;
	int r = 0;

	if (*m->schedule && due)
		return refuse(refusal, JL__RPC_INVALID_ARGUMENT,
			      "invalid request: the start time is given twice");
	if (*m->schedule && parse_schedule(m->schedule, &due, refusal) < 0)
		return -1;
	if (due)
		r = jl_submission_set_due(sub, due, &err);
	/* What begins later than its caller leaves has to survive the machine's power. */
	if (r == 0 && o && o->attached && !due && !*o->recurrence)
		jl_submission_set_attached(sub, 1);
	if (r == 0 && o && *o->recurrence)
		r = jl_submission_set_recurrence(sub, o->recurrence, &err);
	if (r == 0 && o && o->retries)
		r = jl_submission_set_retries(sub, o->retries, &err);
	if (r == 0 && o && o->priority)
		r = jl_submission_set_priority(sub, o->priority, &err);
	if (r == 0 && o && o->disk_bytes)
		r = jl_submission_set_disk_bytes(sub, o->disk_bytes, &err);
	return set(refusal, r, &err);
}

/* ---- uploads ---- */

int request_text(const struct jl__pb_field *field, size_t max, char *to,
		 struct refusal *refusal)
{
	if (field->type != 2 || field->len >= max)
		return refuse(refusal, JL__RPC_INVALID_ARGUMENT,
			      "invalid request: a text of an upload is too long");
	if (memchr(field->data, 0, field->len))
		return refuse(refusal, JL__RPC_INVALID_ARGUMENT,
			      "invalid request: the path of an upload holds a zero byte");
	memcpy(to, field->data, field->len);
	to[field->len] = 0;
	return 0;
}

int request_upload(jl_submission *sub, const struct upload_part *part,
		   struct refusal *refusal)
{
	/* Clients written in Go send bits of their own above the permissions. */
	uint32_t mode = part->mode & 0777;
	jl_error *err = NULL;
	int r;

	if (*part->link_target)
		r = jl_submission_add_link(sub, part->path, part->link_target, &err);
	else if (part->is_directory)
		r = jl_submission_add_dir(sub, part->path, mode, &err);
	else
		r = jl_submission_add_file(sub, part->path, mode, part->size, &err);
	return set(refusal, r, &err);
}

int request_content(jl_submission *sub, const uint8_t *data, size_t len,
		    struct refusal *refusal)
{
	jl_error *err = NULL;

	return len ? set(refusal, jl_submission_write(sub, data, len, &err), &err) : 0;
}

/* One FileUpload, read where it lies; its fields may come in any order. */
static int take_upload(jl_submission *sub, const struct jl__pb_field *upload,
		       struct refusal *refusal)
{
	char path[PATH_BYTES] = "", target[PATH_BYTES] = "";
	struct upload_part part = { .path = path, .link_target = target };
	struct jl__pb_field field = { 0 }, content = { 0 };
	struct jl__pb_walk walk;
	int r;

	jl__pb_walk_init(&walk, upload->data, upload->len);
	while ((r = jl__pb_next(&walk, &field)) > 0) {
		if (field.number == 1 &&
		    request_text(&field, sizeof(path), path, refusal))
			return -1;
		if (field.number == 1000 &&
		    request_text(&field, sizeof(target), target, refusal))
			return -1;
		if (field.number == 2 && field.type == 2)
			content = field;
		if (field.number == 3)
			part.mode = (uint32_t)field.value;
		if (field.number == 4)
			part.is_directory = field.value != 0;
	}
	if (r < 0)
		return refuse(refusal, JL__RPC_INVALID_ARGUMENT,
			      "invalid request: an upload cannot be decoded");
	part.size = content.len;
	if (request_upload(sub, &part, refusal) < 0)
		return -1;
	if (part.is_directory || *target)
		return 0;
	return request_content(sub, content.data, content.len, refusal);
}

int request_next_upload(struct jl__pb_walk *walk, jl_submission *sub,
			struct refusal *refusal)
{
	struct jl__pb_field field;

	while (jl__pb_next(walk, &field) > 0)
		if (field.number == UPLOADS_FIELD && field.type == 2)
			return take_upload(sub, &field, refusal) < 0 ? -1 : 1;
	return 0;
}

/* ---- all of it ---- */

static int decode(const uint8_t *data, size_t len, Joblet__RunJobRequest **ret,
		  struct refusal *refusal)
{
	struct jl__buf small = JL__BUF_SECRET(REQUEST_MAX);
	Joblet__RunJobRequest *m = NULL;
	const char *bad = "";

	if (jl__pb_without(data, len, UPLOADS_FIELD, &small) == 0)
		m = joblet__run_job_request__unpack(NULL, small.len,
						    (const uint8_t *)small.data);
	jl__buf_done(&small);
	if (!m)
		return refuse(refusal, JL__RPC_INVALID_ARGUMENT,
			      "invalid request: it cannot be decoded");
	if (!jl__pb_texts_ok(&m->base, &bad)) {
		joblet__run_job_request__free_unpacked(m, NULL);
		return refuse(refusal, JL__RPC_INVALID_ARGUMENT,
			      "invalid request: %s is not UTF-8", bad);
	}
	*ret = m;
	return 0;
}

static int fill(struct serving *s, const struct jl__rpc_peer *peer, jl_submission *sub,
		const Joblet__RunJobRequest *m, struct refusal *refusal)
{
	char owner[256];
	jl_error *err = NULL;

	(void)snprintf(owner, sizeof(owner), "%s", caller_name(peer));
	if (fill_spec(s, peer, jl_submission_spec(sub), m, refusal) < 0 ||
	    fill_times(sub, m, refusal) < 0)
		return -1;
	return set(refusal, jl_submission_set_owner(sub, owner, &err), &err);
}

int request_begin(struct serving *s, const struct jl__rpc_peer *peer, const uint8_t *data,
		  size_t len, jl_submission **ret, struct refusal *refusal)
{
	Joblet__RunJobRequest *m = NULL;
	jl_submission *sub;
	jl_error *err = NULL;
	int r;

	if (s->draining)
		return refuse(refusal, JL__RPC_UNAVAILABLE,
			      "this server is being stopped and takes no more jobs");
	if (decode(data, len, &m, refusal) < 0)
		return -1;
	r = jl_submission_new(s->node, &sub, &err);
	if (r < 0) {
		r = refuse_error(refusal, r, err);
		sub = NULL;
	}
	if (r == 0)
		r = fill(s, peer, sub, m, refusal);
	joblet__run_job_request__free_unpacked(m, NULL);
	if (r < 0) {
		jl_submission_free(sub);
		return -1;
	}
	*ret = sub;
	return 0;
}
