/* SPDX-License-Identifier: MIT */
#define JL_MODULE "spec"

#include "spawn/blob.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "net/net.h"
#include "spawn/link.h"
#include "spawn/spec.h"

#define VERSION 1u

/* Kept for ever: a number is never given to something else. */
enum tag {
	TAG_ARG = 1,
	TAG_ENV = 2, /* name NUL value */
	TAG_SECRET_ENV = 3,
	TAG_NAME = 4,
	TAG_HOSTNAME = 5,
	TAG_WORK_DIR = 6,
	TAG_USER = 7, /* 2 numbers */
	TAG_CPU_PERCENT = 8,
	TAG_MEMORY = 9,
	TAG_PIDS = 10,
	TAG_IO = 11, /* 2 numbers */
	TAG_CPUS = 12,
	TAG_TIMEOUT = 13,
	TAG_TMP = 14,
	TAG_WORK = 15,
	TAG_SHM = 16,
	TAG_NETWORK = 17, /* its name */
	TAG_SECCOMP = 18,
	TAG_INIT = 19,
	TAG_RLIMIT = 20,    /* 3 numbers */
	TAG_ALLOW_NET = 21, /* as jl_job_spec_add_allow_net() takes it */
	TAG_PUBLISH = 22,
	TAG_NET_BPS = 23,
};

struct record {
	uint32_t tag;
	uint32_t len;
};

/* ---- to bytes ---- */

static void put(struct jl__buf *buf, enum tag tag, const void *data, size_t len)
{
	struct record record = { tag, (uint32_t)len };

	(void)jl__buf_add(buf, &record, sizeof(record));
	(void)jl__buf_add(buf, data, len);
}

static void put_text(struct jl__buf *buf, enum tag tag, const char *text)
{
	if (text)
		put(buf, tag, text, strlen(text));
}

static void put_numbers(struct jl__buf *buf, enum tag tag, uint64_t a, uint64_t b,
			uint64_t c, uint32_t count)
{
	uint64_t numbers[3] = { a, b, c };

	put(buf, tag, numbers, count * sizeof(numbers[0]));
}

static void put_number(struct jl__buf *buf, enum tag tag, uint64_t number)
{
	put_numbers(buf, tag, number, 0, 0, 1);
}

static void put_env(struct jl__buf *buf, const struct jl__env *env)
{
	size_t name = strlen(env->name), value = strlen(env->value);
	struct record record = { env->secret ? TAG_SECRET_ENV : TAG_ENV,
				 (uint32_t)(name + 1 + value) };

	(void)jl__buf_add(buf, &record, sizeof(record));
	(void)jl__buf_add(buf, env->name, name + 1);
	(void)jl__buf_add(buf, env->value, value);
}

static void put_limits(struct jl__buf *buf, const jl_limits *limits)
{
	put_number(buf, TAG_CPU_PERCENT, jl_limits_get(limits, JL_LIMIT_CPU_PERCENT));
	put_number(buf, TAG_MEMORY, jl_limits_get(limits, JL_LIMIT_MEMORY_BYTES));
	put_number(buf, TAG_PIDS, jl_limits_get(limits, JL_LIMIT_PIDS));
	put_numbers(buf, TAG_IO, jl_limits_get(limits, JL_LIMIT_IO_READ_BPS),
		    jl_limits_get(limits, JL_LIMIT_IO_WRITE_BPS), 0, 2);
	put_text(buf, TAG_CPUS, jl_limits_get_cpus(limits));
}

static void put_network(struct jl__buf *buf, const jl_job_spec *spec)
{
	char text[64];

	if (spec->network_set)
		put_text(buf, TAG_NETWORK, jl__spec_network_name(spec));
	for (uint32_t i = 0; i < spec->allow_count; i++) {
		const struct jl__net_allow *allow = &spec->allow[i];
		int len = snprintf(text, sizeof(text), "%u.%u.%u.%u/%u",
				   allow->address >> 24, allow->address >> 16 & 255,
				   allow->address >> 8 & 255, allow->address & 255,
				   allow->prefix);

		/* All ports also means protocols without any. */
		if (allow->port_first || allow->port_last != UINT16_MAX)
			(void)snprintf(text + len, sizeof(text) - (size_t)len, ":%u-%u",
				       allow->port_first, allow->port_last);
		put_text(buf, TAG_ALLOW_NET, text);
	}
	for (uint32_t i = 0; i < spec->publish_count; i++) {
		(void)snprintf(text, sizeof(text), "%u:%u/%s", spec->publish[i].host_port,
			       spec->publish[i].job_port,
			       spec->publish[i].udp ? "udp" : "tcp");
		put_text(buf, TAG_PUBLISH, text);
	}
	put_number(buf, TAG_NET_BPS, spec->net_bps);
}

int jl__spec_pack(const jl_job_spec *spec, struct jl__buf *buf, jl_error **err)
{
	const uint32_t version = VERSION;

	(void)jl__buf_add(buf, &version, sizeof(version));
	for (uint32_t i = 0; i < spec->arg_count; i++)
		put_text(buf, TAG_ARG, spec->args[i]);
	for (uint32_t i = 0; i < spec->env_count; i++)
		put_env(buf, &spec->env[i]);
	put_text(buf, TAG_NAME, spec->name);
	put_text(buf, TAG_HOSTNAME, spec->hostname);
	put_text(buf, TAG_WORK_DIR, spec->work_dir);
	put_numbers(buf, TAG_USER, spec->uid, spec->gid, 0, 2);
	put_limits(buf, spec->limits);
	put_number(buf, TAG_TIMEOUT, spec->timeout_usec);
	put_number(buf, TAG_TMP, spec->tmp_bytes);
	put_number(buf, TAG_WORK, spec->work_bytes);
	put_number(buf, TAG_SHM, spec->shm_bytes);
	put_network(buf, spec);
	put_number(buf, TAG_SECCOMP, (uint64_t)spec->seccomp);
	put_number(buf, TAG_INIT, spec->init);
	for (uint32_t i = 0; i < spec->rlimit_count; i++)
		put_numbers(buf, TAG_RLIMIT, (uint64_t)spec->rlimits[i].resource,
			    spec->rlimits[i].soft, spec->rlimits[i].hard, 3);
	if (buf->failed == -E2BIG)
		return jl__fail(err, -E2BIG,
				"the description of the job has more than %u bytes",
				JL__BLOB_MAX);
	return buf->failed ? jl__oom(err) : 0;
}

/* ---- and back ---- */

static int take_env(jl_job_spec *spec, bool secret, const char *text, size_t len,
		    jl_error **err)
{
	size_t name = strnlen(text, len);

	if (name == len)
		return jl__fail(err, -EIO, "a variable without a value");
	return secret ? jl_job_spec_set_secret_env(spec, text, text + name + 1, err)
		      : jl_job_spec_set_env(spec, text, text + name + 1, err);
}

/* text is NUL terminated behind len. */
static int take_text(jl_job_spec *spec, uint32_t tag, const char *text, size_t len,
		     jl_error **err)
{
	switch (tag) {
	case TAG_ENV:
		return take_env(spec, false, text, len, err);
	case TAG_SECRET_ENV:
		return take_env(spec, true, text, len, err);
	case TAG_ARG:
	case TAG_NAME:
	case TAG_HOSTNAME:
	case TAG_WORK_DIR:
	case TAG_CPUS:
	case TAG_NETWORK:
	case TAG_ALLOW_NET:
	case TAG_PUBLISH:
		break;
	default:
		return 1; /* not a text */
	}
	if (strlen(text) != len)
		return jl__fail(err, -EIO, "a text with a NUL");
	switch (tag) {
	case TAG_ARG:
		return jl_job_spec_add_arg(spec, text, err);
	case TAG_NAME:
		return jl_job_spec_set_name(spec, text, err);
	case TAG_NETWORK:
		return jl_job_spec_set_network_name(spec, text, err);
	case TAG_ALLOW_NET:
		return jl_job_spec_add_allow_net(spec, text, err);
	case TAG_PUBLISH:
		return jl_job_spec_add_publish(spec, text, err);
	case TAG_HOSTNAME:
		return jl_job_spec_set_hostname(spec, text, err);
	case TAG_WORK_DIR:
		return jl_job_spec_set_work_dir(spec, text, err);
	default:
		return jl_limits_set_cpus(spec->limits, text, err);
	}
}

static int take_numbers(jl_job_spec *spec, uint32_t tag, const uint64_t n[3],
			jl_error **err)
{
	switch (tag) {
	case TAG_USER:
		return jl_job_spec_set_user(spec, (uint32_t)n[0], (uint32_t)n[1], err);
	case TAG_CPU_PERCENT:
		return jl_limits_set_cpu_percent(spec->limits, (uint32_t)n[0], err);
	case TAG_MEMORY:
		return jl_limits_set_memory_bytes(spec->limits, n[0], err);
	case TAG_PIDS:
		return jl_limits_set_pids(spec->limits, n[0], err);
	case TAG_IO:
		return jl_limits_set_io_bps(spec->limits, n[0], n[1], err);
	case TAG_TIMEOUT:
		return jl_job_spec_set_timeout(spec, n[0], err);
	case TAG_TMP:
		return jl_job_spec_set_tmpfs_bytes(spec, "/tmp", n[0], err);
	case TAG_WORK:
		return jl_job_spec_set_tmpfs_bytes(spec, "/work", n[0], err);
	case TAG_SHM:
		return jl_job_spec_set_tmpfs_bytes(spec, "/dev/shm", n[0], err);
	case TAG_NET_BPS:
		return jl_job_spec_set_net_bps(spec, n[0], err);
	case TAG_SECCOMP:
		return jl_job_spec_set_seccomp(spec, (int)n[0], err);
	case TAG_INIT:
		return jl_job_spec_set_init(spec, (int)n[0], err);
	case TAG_RLIMIT:
		return jl_job_spec_set_rlimit(spec, (int)n[0], n[1], n[2], err);
	default:
		return jl__fail(err, -ESTALE, "record %u is of a newer version", tag);
	}
}

static int take(jl_job_spec *spec, const struct record *record, const char *data,
		jl_error **err)
{
	_cleanup_free_ char *text = jl__alloc((size_t)record->len + 1);
	uint64_t numbers[3] = { 0 };
	int r;

	if (!text)
		return jl__oom(err);
	memcpy(text, data, record->len);
	text[record->len] = '\0';
	r = take_text(spec, record->tag, text, record->len, err);
	explicit_bzero(text, record->len);
	if (r != 1)
		return r;
	if (record->len > sizeof(numbers) || record->len % sizeof(numbers[0]) != 0)
		return jl__fail(err, -ESTALE, "record %u has %u bytes", record->tag,
				record->len);
	memcpy(numbers, data, record->len);
	return take_numbers(spec, record->tag, numbers, err);
}

static int take_all(jl_job_spec *spec, const char *data, size_t len, jl_error **err)
{
	uint32_t version;

	if (len < sizeof(version))
		return jl__fail(err, -EIO, "it is empty");
	memcpy(&version, data, sizeof(version));
	if (version != VERSION)
		return jl__fail(err, -ESTALE, "it is of version %u", version);
	for (size_t at = sizeof(version); at < len;) {
		struct record record;
		int r;

		if (len - at < sizeof(record))
			return jl__fail(err, -EIO, "it ends in the middle");
		memcpy(&record, data + at, sizeof(record));
		at += sizeof(record);
		if (record.len > len - at)
			return jl__fail(err, -EIO, "it ends in the middle");
		r = take(spec, &record, data + at, err);
		if (r < 0)
			return r;
		at += record.len;
	}
	return 0;
}

int jl__spec_unpack(const void *data, size_t len, jl_job_spec **ret, jl_error **err)
{
	jl_job_spec *spec = NULL;
	int r = jl_job_spec_new(&spec);

	if (r < 0)
		return jl__oom(err);
	r = take_all(spec, data, len, err);
	if (r < 0) {
		jl_job_spec_free(spec);
		if (r == -ENOMEM)
			return r;
		/* A value that is refused now was not what was written. */
		return jl__wrap(err, r == -ESTALE ? r : -EIO,
				"the stored description of the job cannot be used");
	}
	*ret = spec;
	return 0;
}

/* ---- reading a description ---- */

uint32_t jl__spec_arg_count(const jl_job_spec *spec)
{
	return spec->arg_count;
}

const char *jl__spec_arg(const jl_job_spec *spec, uint32_t index)
{
	return index < spec->arg_count ? spec->args[index] : NULL;
}

uint32_t jl__spec_env_count(const jl_job_spec *spec)
{
	return spec->env_count;
}

const char *jl__spec_env_name(const jl_job_spec *spec, uint32_t index)
{
	return index < spec->env_count ? spec->env[index].name : NULL;
}

const char *jl__spec_env_value(const jl_job_spec *spec, uint32_t index)
{
	return index < spec->env_count ? spec->env[index].value : NULL;
}

int jl__spec_env_secret(const jl_job_spec *spec, uint32_t index)
{
	return index < spec->env_count && spec->env[index].secret;
}

const char *jl__spec_name(const jl_job_spec *spec)
{
	return spec->name;
}

const char *jl__spec_work_dir(const jl_job_spec *spec)
{
	return spec->work_dir;
}

const char *jl__spec_network(const jl_job_spec *spec)
{
	return spec->network_set ? jl__spec_network_name(spec) : NULL;
}

uint64_t jl__spec_timeout_usec(const jl_job_spec *spec)
{
	return spec->timeout_usec;
}

uint64_t jl__spec_work_bytes(const jl_job_spec *spec)
{
	return spec->work_bytes;
}

int jl__ctx_offers(jl_ctx *ctx, uint32_t *ret, jl_error **err)
{
	struct jl__link *link;
	int r = jl__link_get(ctx, &link, err);

	if (r == 0)
		*ret = link->nest.offers;
	return r;
}

int jl__spec_has_stdin(const jl_job_spec *spec)
{
	return spec->streams[0] >= 0;
}

void jl__spec_move_stdin(jl_job_spec *from, jl_job_spec *to)
{
	(void)jl__close(to->streams[0]);
	to->streams[0] = jl__fd_steal(&from->streams[0]);
}
