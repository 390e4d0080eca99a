/* SPDX-License-Identifier: MIT */
#include "spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

/* A value the library does not like; value may be NULL for one that is not to be shown.
 */
static int refuse(enum flag flag, const char *value, int code, jl_error *err,
		  struct fault *fault)
{
	const char *message = jl_error_message(err);
	char buf[SHOWN_MAX];

	if (code == -ENOMEM)
		(void)fault_set(fault, -ENOMEM, "out of memory");
	else if (value)
		(void)fault_set(fault, -EINVAL, "--%s=%s: %s", flag_table[flag].name,
				shown(buf, value), message);
	else
		(void)fault_set(fault, -EINVAL, "--%s: %s", flag_table[flag].name,
				message);
	jl_error_free(err);
	return fault->code;
}

static int set_limits(const struct options *opts, jl_job_spec *spec, struct fault *fault)
{
	jl_limits *limits = jl_job_spec_limits(spec);
	enum flag flag = FLAG_MAX_CPU;
	jl_error *err = NULL;
	int r;

	r = jl_limits_set_cpu_percent(limits, opts->cpu_percent, &err);
	if (r == 0) {
		flag = FLAG_MAX_MEMORY;
		r = jl_limits_set_memory_bytes(limits, opts->memory_bytes, &err);
	}
	if (r == 0) {
		flag = FLAG_MAX_IOBPS;
		r = jl_limits_set_io_bps(limits, opts->io_bps, opts->io_bps, &err);
	}
	/* Not given is the library's default, 0 is no limit. */
	if (r == 0 && options_has(opts, FLAG_MAX_PIDS)) {
		flag = FLAG_MAX_PIDS;
		r = jl_limits_set_pids(limits, opts->pids, &err);
	}
	if (r == 0) {
		flag = FLAG_CPU_CORES;
		r = jl_limits_set_cpus(limits, opts->cpu_cores, &err);
	}
	return r < 0 ? refuse(flag, opts->given[flag], r, err, fault) : 0;
}

bool spec_is_risky(const char *text)
{
	static const char *const names[] = { "PATH", "HOME",   "USER", "SHELL",
					     "PWD",  "OLDPWD", "LANG" };
	size_t len = strcspn(text, "=");

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i]) == len && memcmp(text, names[i], len) == 0)
			return true;
	}
	return strncmp(text, "LC_", 3) == 0;
}

static int set_env(const struct repeated *env, jl_job_spec *spec, struct fault *fault)
{
	const char *value = strchr(env->text, '=');
	char *name = strndup(env->text, (size_t)(value - env->text));
	jl_error *err = NULL;
	int r;

	if (!name)
		return fault_set(fault, -ENOMEM, "out of memory");
	value++;
	r = env->flag == FLAG_SECRET_ENV
		    ? jl_job_spec_set_secret_env(spec, name, value, &err)
		    : jl_job_spec_set_env(spec, name, value, &err);
	/* The name is enough to find it; the value may be long, or a secret. */
	if (r < 0)
		r = refuse(env->flag, name, r, err, fault);
	free(name);
	return r;
}

/* What can be given more than once. */
static int set_repeated(const struct options *opts, jl_job_spec *spec,
			struct fault *fault)
{
	for (size_t i = 0; i < opts->repeated_count; i++) {
		const struct repeated *item = &opts->repeated[i];
		jl_error *err = NULL;
		int r = 0;

		switch (item->flag) {
		case FLAG_ENV:
		case FLAG_SECRET_ENV:
			r = set_env(item, spec, fault);
			if (r < 0)
				return r;
			break;
		case FLAG_ALLOW_NET:
			r = jl_job_spec_add_allow_net(spec, item->text, &err);
			break;
		case FLAG_PUBLISH:
			r = jl_job_spec_add_publish(spec, item->text, &err);
			break;
		default: /* uploads are none of the description's business */
			break;
		}
		if (r < 0)
			return refuse(item->flag, item->text, r, err, fault);
	}
	return 0;
}

static int set_place(const struct options *opts, jl_job_spec *spec, struct fault *fault)
{
	enum flag flag = FLAG_NAME;
	jl_error *err = NULL;
	int r;

	r = jl_job_spec_set_name(spec, opts->name, &err);
	if (r == 0) {
		flag = FLAG_HOSTNAME;
		r = jl_job_spec_set_hostname(spec, opts->hostname, &err);
	}
	if (r == 0) {
		flag = FLAG_WORK_DIR;
		r = jl_job_spec_set_work_dir(spec, opts->work_dir, &err);
	}
	if (r == 0 && opts->network) {
		flag = FLAG_NETWORK;
		r = jl_job_spec_set_network_name(spec, opts->network, &err);
	}
	if (r == 0) {
		flag = FLAG_MAX_NET_BPS;
		r = jl_job_spec_set_net_bps(spec, opts->net_bps, &err);
	}
	return r < 0 ? refuse(flag, opts->given[flag], r, err, fault) : 0;
}

static int set_rights(const struct options *opts, jl_job_spec *spec, struct fault *fault)
{
	enum flag flag = FLAG_USER;
	jl_error *err = NULL;
	int r;

	r = jl_job_spec_set_user(spec, opts->uid, opts->gid, &err);
	if (r == 0 && options_has(opts, FLAG_SECCOMP)) {
		flag = FLAG_SECCOMP;
		r = jl_job_spec_set_seccomp(spec, opts->seccomp, &err);
	}
	if (r == 0) {
		flag = FLAG_INIT;
		r = jl_job_spec_set_init(spec, opts->init, &err);
	}
	if (r == 0) {
		flag = FLAG_TIMEOUT;
		r = jl_job_spec_set_timeout(spec, opts->timeout_usec, &err);
	}
	return r < 0 ? refuse(flag, opts->given[flag], r, err, fault) : 0;
}

static int add_words(char **words, jl_job_spec *spec, struct fault *fault)
{
	for (; *words; words++) {
		jl_error *err = NULL;
		int r = jl_job_spec_add_arg(spec, *words, &err);

		if (r < 0) {
			(void)fault_set(fault, r == -ENOMEM ? r : -EINVAL, "%s",
					jl_error_message(err));
			jl_error_free(err);
			return fault->code;
		}
	}
	return 0;
}

int spec_fill(const struct options *opts, char **words, jl_job_spec *spec,
	      struct fault *fault)
{
	int r = set_limits(opts, spec, fault);

	if (r == 0)
		r = set_place(opts, spec, fault);
	if (r == 0)
		r = set_repeated(opts, spec, fault);
	if (r == 0)
		r = set_rights(opts, spec, fault);
	if (r == 0)
		r = add_words(words, spec, fault);
	return r;
}

int spec_check(const struct options *opts, char **words, struct fault *fault)
{
	jl_job_spec *spec;
	int r;

	if (jl_job_spec_new(&spec) < 0)
		return fault_set(fault, -ENOMEM, "out of memory");
	r = spec_fill(opts, words, spec, fault);
	jl_job_spec_free(spec);
	return r;
}
