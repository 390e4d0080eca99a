/* SPDX-License-Identifier: MIT */
#include "rnx.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

/* Says what is wrong with a flag; value may be NULL for one that is not to be shown. */
static int refuse(enum flag flag, const char *value, int code, jl_error **err)
{
	char buf[SHOWN_MAX];

	if (code == -ENOMEM)
		say("out of memory");
	else if (value)
		say("--%s=%s: %s", flag_table[flag].name, shown(buf, value),
		    jl_error_message(*err));
	else
		say("--%s: %s", flag_table[flag].name, jl_error_message(*err));
	jl_error_free(*err);
	*err = NULL;
	return code == -ENOMEM ? EXIT_FAILED : EXIT_USAGE;
}

static int refuse_given(const struct options *opts, enum flag flag, int code,
			jl_error **err)
{
	return refuse(flag, opts->given[flag], code, err);
}

static int set_limits(const struct options *opts, jl_job_spec *spec)
{
	jl_limits *limits = jl_job_spec_limits(spec);
	jl_error *err = NULL;
	int r;

	r = jl_limits_set_cpu_percent(limits, opts->cpu_percent, &err);
	if (r < 0)
		return refuse_given(opts, FLAG_MAX_CPU, r, &err);
	r = jl_limits_set_memory_bytes(limits, opts->memory_bytes, &err);
	if (r < 0)
		return refuse_given(opts, FLAG_MAX_MEMORY, r, &err);
	r = jl_limits_set_io_bps(limits, opts->io_bps, opts->io_bps, &err);
	if (r < 0)
		return refuse_given(opts, FLAG_MAX_IOBPS, r, &err);
	/* Not given is the library's default, 0 is no limit. */
	if (options_has(opts, FLAG_MAX_PIDS)) {
		r = jl_limits_set_pids(limits, opts->pids, &err);
		if (r < 0)
			return refuse_given(opts, FLAG_MAX_PIDS, r, &err);
	}
	r = jl_limits_set_cpus(limits, opts->cpu_cores, &err);
	if (r < 0)
		return refuse_given(opts, FLAG_CPU_CORES, r, &err);
	return EXIT_OK;
}

/* Names that change how the job's own programs behave; allowed, but rarely meant. */
static bool risky_name(const char *name)
{
	static const char *const names[] = { "PATH", "HOME",   "USER", "SHELL",
					     "PWD",  "OLDPWD", "LANG" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return strncmp(name, "LC_", 3) == 0;
}

static int set_env(const struct options *opts, const struct env_option *env,
		   jl_job_spec *spec)
{
	enum flag flag = env->secret ? FLAG_SECRET_ENV : FLAG_ENV;
	const char *value = strchr(env->text, '=');
	char *name = strndup(env->text, (size_t)(value - env->text));
	char buf[SHOWN_MAX];
	jl_error *err = NULL;
	int r;

	if (!name) {
		say("out of memory");
		return EXIT_FAILED;
	}
	value++;
	r = env->secret ? jl_job_spec_set_secret_env(spec, name, value, &err)
			: jl_job_spec_set_env(spec, name, value, &err);
	if (r < 0) {
		/* The name is enough to find it; the value may be long, or a secret. */
		r = refuse(flag, name, r, &err);
		free(name);
		return r;
	}
	if (!opts->quiet && risky_name(name))
		say("--%s=%s: replaces what the job's programs rely on",
		    flag_table[flag].name, shown(buf, name));
	free(name);
	return EXIT_OK;
}

static int set_place(const struct options *opts, jl_job_spec *spec)
{
	jl_error *err = NULL;
	int r;

	r = jl_job_spec_set_name(spec, opts->name, &err);
	if (r < 0)
		return refuse_given(opts, FLAG_NAME, r, &err);
	r = jl_job_spec_set_hostname(spec, opts->hostname, &err);
	if (r < 0)
		return refuse_given(opts, FLAG_HOSTNAME, r, &err);
	r = jl_job_spec_set_work_dir(spec, opts->work_dir, &err);
	if (r < 0)
		return refuse_given(opts, FLAG_WORK_DIR, r, &err);
	for (size_t i = 0; i < opts->env_count; i++) {
		r = set_env(opts, &opts->env[i], spec);
		if (r != EXIT_OK)
			return r;
	}
	return EXIT_OK;
}

static int set_rights(const struct options *opts, jl_job_spec *spec)
{
	jl_error *err = NULL;
	int r;

	r = jl_job_spec_set_user(spec, opts->uid, opts->gid, &err);
	if (r < 0)
		return refuse_given(opts, FLAG_USER, r, &err);
	r = jl_job_spec_set_network(spec, opts->network, &err);
	if (r < 0)
		return refuse_given(opts, FLAG_NETWORK, r, &err);
	if (options_has(opts, FLAG_SECCOMP)) {
		r = jl_job_spec_set_seccomp(spec, opts->seccomp, &err);
		if (r < 0)
			return refuse_given(opts, FLAG_SECCOMP, r, &err);
	}
	r = jl_job_spec_set_init(spec, opts->init, &err);
	if (r < 0)
		return refuse_given(opts, FLAG_INIT, r, &err);
	r = jl_job_spec_set_timeout(spec, opts->timeout_usec, &err);
	if (r < 0)
		return refuse_given(opts, FLAG_TIMEOUT, r, &err);
	return EXIT_OK;
}

static int set_streams(jl_job_spec *spec)
{
	static const char *const names[] = { "input", "output", "error" };

	for (int fd = 0; fd <= 2; fd++) {
		jl_error *err = NULL;
		int r = jl_job_spec_set_stdio(spec, fd, fd, &err);

		if (r < 0) {
			say("standard %s: %s", names[fd], jl_error_message(err));
			jl_error_free(err);
			return EXIT_FAILED;
		}
	}
	return EXIT_OK;
}

static int add_words(char **words, jl_job_spec *spec)
{
	for (; *words; words++) {
		jl_error *err = NULL;
		int r = jl_job_spec_add_arg(spec, *words, &err);

		if (r < 0) {
			say("%s", jl_error_message(err));
			jl_error_free(err);
			return r == -ENOMEM ? EXIT_FAILED : EXIT_USAGE;
		}
	}
	return EXIT_OK;
}

int spec_build(const struct options *opts, char **words, jl_job_spec **ret_spec)
{
	jl_job_spec *spec;
	int r;

	if (jl_job_spec_new(&spec) < 0) {
		say("out of memory");
		return EXIT_FAILED;
	}
	r = set_limits(opts, spec);
	if (r == EXIT_OK)
		r = set_place(opts, spec);
	if (r == EXIT_OK)
		r = set_rights(opts, spec);
	if (r == EXIT_OK)
		r = add_words(words, spec);
	if (r == EXIT_OK)
		r = set_streams(spec);
	if (r != EXIT_OK) {
		jl_job_spec_free(spec);
		return r;
	}
	*ret_spec = spec;
	return EXIT_OK;
}
