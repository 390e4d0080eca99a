/* SPDX-License-Identifier: MIT */
#define JL_MODULE "spec"

#include "spawn/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/parse.h"
#include "sandbox/sandbox.h"

#define ARG_MAX_BYTES 131071u
#define ARGS_MAX_BYTES (2u << 20)
#define ENV_VALUE_MAX 32768u
/* Names are looked for one after the other. */
#define ENV_MAX 4096u
#define TIMEOUT_MAX_USEC (UINT64_C(366) * 24 * 3600 * 1000000)
#define ID_MAX 65534u
/* Text of the caller in sentences is cut here. */
#define SHOWN 64

int jl_job_spec_new(jl_job_spec **ret_spec)
{
	jl_job_spec *spec = jl__calloc(1, sizeof(*spec));

	if (!spec)
		return -ENOMEM;
	spec->streams[0] = spec->streams[1] = spec->streams[2] = -EBADF;
	spec->seccomp = JL_SECCOMP_DEFAULT;
	if (jl_limits_new(&spec->limits) < 0 ||
	    jl_limits_set_pids(spec->limits, JL__PIDS_DEFAULT, NULL) < 0) {
		jl_job_spec_free(spec);
		return -ENOMEM;
	}
	*ret_spec = spec;
	return 0;
}

static void wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
}

static void env_done(struct jl__env *env)
{
	if (env->secret)
		wipe(env->value);
	jl__free(env->name);
	jl__free(env->value);
}

void jl_job_spec_free(jl_job_spec *spec)
{
	if (!spec)
		return;
	for (uint32_t i = 0; i < spec->arg_count; i++)
		jl__free(spec->args[i]);
	jl__free(spec->args);
	for (uint32_t i = 0; i < spec->env_count; i++)
		env_done(&spec->env[i]);
	jl__free(spec->env);
	jl__free(spec->name);
	jl__free(spec->hostname);
	jl__free(spec->work_dir);
	for (int i = 0; i < 3; i++)
		(void)jl__close(spec->streams[i]);
	jl__spec_network_done(spec);
	jl_limits_free(spec->limits);
	jl__free(spec);
}

jl_limits *jl_job_spec_limits(jl_job_spec *spec)
{
	return spec->limits;
}

int jl__spec_room(void **list, uint32_t count, size_t item)
{
	void *bigger;

	if (count && (count < 8 || (count & (count - 1)) != 0))
		return 0;
	bigger = jl__resize(*list, (count < 8 ? 8 : (size_t)count * 2) * item);
	if (!bigger)
		return -ENOMEM;
	*list = bigger;
	return 0;
}

int jl_job_spec_add_arg(jl_job_spec *spec, const char *arg, jl_error **ret_err)
{
	size_t len;
	char *copy;

	jl__error_init(ret_err);
	if (!arg)
		return jl__fail(ret_err, -EINVAL, "argument %" PRIu32 " is NULL",
				spec->arg_count);
	if (!*arg && spec->arg_count == 0)
		return jl__fail(
			ret_err, -EINVAL,
			"the command is empty; give a path or the name of a program");
	len = strlen(arg);
	if (len > ARG_MAX_BYTES)
		return jl__fail(
			ret_err, -E2BIG,
			"argument %" PRIu32
			" has %zu bytes; the kernel takes at most %u per argument",
			spec->arg_count, len, ARG_MAX_BYTES);
	if (spec->arg_bytes + len + 1 > ARGS_MAX_BYTES)
		return jl__fail(ret_err, -E2BIG,
				"the arguments have more than %u bytes altogether",
				ARGS_MAX_BYTES);
	if (jl__spec_room((void **)&spec->args, spec->arg_count, sizeof(*spec->args)) < 0)
		return jl__oom(ret_err);
	copy = jl__strdup(arg);
	if (!copy)
		return jl__oom(ret_err);
	spec->args[spec->arg_count++] = copy;
	spec->arg_bytes += len + 1;
	return 0;
}

/* ---- environment ---- */

static bool env_name_ok(const char *name)
{
	if (!name || !*name || (*name >= '0' && *name <= '9'))
		return false;
	for (; *name; name++)
		if (!(*name >= 'a' && *name <= 'z') && !(*name >= 'A' && *name <= 'Z') &&
		    !(*name >= '0' && *name <= '9') && *name != '_')
			return false;
	return true;
}

static int env_check(const char *name, const char *value, jl_error **err)
{
	if (!env_name_ok(name) || strlen(name) > 255)
		return jl__fail(
			err, -EINVAL,
			"\"%.*s\" is not a name of an environment variable; use letters, digits and _, not starting with a digit",
			SHOWN, name ? name : "");
	if (strncmp(name, "JOB_", 4) == 0 || strncmp(name, "JOBLET", 6) == 0)
		return jl__fail(
			err, -EINVAL,
			"environment variable \"%.*s\" is set by joblet itself; choose a name that does not start with JOB_ or JOBLET",
			SHOWN, name);
	if (!value)
		return jl__fail(err, -EINVAL,
				"environment variable \"%.*s\" has no value", SHOWN,
				name);
	if (strlen(value) > ENV_VALUE_MAX)
		return jl__fail(
			err, -E2BIG,
			"environment variable \"%.*s\" has %zu bytes; at most %u are taken",
			SHOWN, name, strlen(value), ENV_VALUE_MAX);
	if (!jl__is_utf8(value, strlen(value)))
		return jl__fail(err, -EINVAL,
				"environment variable \"%.*s\" is not valid UTF-8", SHOWN,
				name);
	return 0;
}

static int set_env(jl_job_spec *spec, const char *name, const char *value, bool secret,
		   jl_error **err)
{
	struct jl__env fresh = { .secret = secret };
	size_t replaced = 0;
	uint32_t at = 0;
	int r;

	jl__error_init(err);
	r = env_check(name, value, err);
	if (r < 0)
		return r;
	while (at < spec->env_count && strcmp(spec->env[at].name, name) != 0)
		at++;
	if (at < spec->env_count)
		replaced = strlen(name) + strlen(spec->env[at].value) + 2;
	if (spec->env_bytes - replaced + strlen(name) + strlen(value) + 2 >
	    ARGS_MAX_BYTES)
		return jl__fail(err, -E2BIG,
				"the environment has more than %u bytes altogether",
				ARGS_MAX_BYTES);
	if (at == ENV_MAX)
		return jl__fail(err, -E2BIG,
				"the environment has more than %u variables; put some of "
				"them into a file",
				ENV_MAX);
	if (at == spec->env_count &&
	    jl__spec_room((void **)&spec->env, spec->env_count, sizeof(*spec->env)) < 0)
		return jl__oom(err);
	fresh.name = jl__strdup(name);
	fresh.value = jl__strdup(value);
	if (!fresh.name || !fresh.value) {
		env_done(&fresh);
		return jl__oom(err);
	}
	if (at == spec->env_count) {
		spec->env_count++;
	} else {
		spec->env_bytes -=
			strlen(spec->env[at].name) + strlen(spec->env[at].value) + 2;
		env_done(&spec->env[at]);
	}
	spec->env[at] = fresh;
	spec->env_bytes += strlen(name) + strlen(value) + 2;
	return 0;
}

int jl_job_spec_set_env(jl_job_spec *spec, const char *name, const char *value,
			jl_error **ret_err)
{
	return set_env(spec, name, value, false, ret_err);
}

int jl_job_spec_set_secret_env(jl_job_spec *spec, const char *name, const char *value,
			       jl_error **ret_err)
{
	return set_env(spec, name, value, true, ret_err);
}

/* ---- names and places ---- */

static bool alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static int replace(char **slot, const char *text, jl_error **err)
{
	char *copy = NULL;

	if (text) {
		copy = jl__strdup(text);
		if (!copy)
			return jl__oom(err);
	}
	jl__free(*slot);
	*slot = copy;
	return 0;
}

static bool name_ok(const char *name)
{
	size_t len = strlen(name);

	if (len < 1 || len > 63 || !alnum(name[0]) || !alnum(name[len - 1]))
		return false;
	for (const char *p = name; *p; p++)
		if (!alnum(*p) && *p != '_' && *p != '.' && *p != '-')
			return false;
	return true;
}

int jl_job_spec_set_name(jl_job_spec *spec, const char *name, jl_error **ret_err)
{
	jl__error_init(ret_err);
	if (name && !name_ok(name))
		return jl__fail(
			ret_err, -EINVAL,
			"\"%.*s\" is not a job name; use 1 to 63 letters, digits, _ . - and begin and end with a letter or digit",
			SHOWN, name);
	return replace(&spec->name, name, ret_err);
}

static bool hostname_ok(const char *name)
{
	size_t len = strlen(name), label = 0;

	if (len < 1 || len > 64)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (c == '.') {
			if (label == 0 || name[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if ((!alnum(c) && c != '-') || (c == '-' && label == 0) || ++label > 63)
			return false;
	}
	return label > 0 && name[len - 1] != '-';
}

int jl_job_spec_set_hostname(jl_job_spec *spec, const char *hostname, jl_error **ret_err)
{
	jl__error_init(ret_err);
	if (hostname && !hostname_ok(hostname))
		return jl__fail(
			ret_err, -EINVAL,
			"\"%.*s\" is not a host name; use 1 to 64 letters, digits, - and . between them",
			SHOWN, hostname);
	return replace(&spec->hostname, hostname, ret_err);
}

int jl_job_spec_set_work_dir(jl_job_spec *spec, const char *path, jl_error **ret_err)
{
	jl__error_init(ret_err);
	if (path && path[0] != '/')
		return jl__fail(ret_err, -EINVAL,
				"working directory \"%.*s\" is not an absolute path",
				SHOWN, path);
	if (path && strlen(path) > 4095)
		return jl__fail(
			ret_err, -ENAMETOOLONG,
			"the working directory has %zu bytes; at most 4095 are taken",
			strlen(path));
	if (path && !jl__is_utf8(path, strlen(path)))
		return jl__fail(ret_err, -EINVAL,
				"the working directory is not valid UTF-8");
	return replace(&spec->work_dir, path, ret_err);
}

int jl_job_spec_set_user(jl_job_spec *spec, uint32_t uid, uint32_t gid,
			 jl_error **ret_err)
{
	jl__error_init(ret_err);
	if (uid > ID_MAX || gid > ID_MAX)
		return jl__fail(ret_err, -ERANGE,
				"%s %" PRIu32 " is out of range; 0 to %u are taken",
				uid > ID_MAX ? "user" : "group", uid > ID_MAX ? uid : gid,
				ID_MAX);
	spec->uid = uid;
	spec->gid = gid;
	return 0;
}

/* ---- streams ---- */

/* What could be turned into a way out of the job is refused; see the header. */
static const char *stream_refusal(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL), domain = 0, type = 0;
	struct sockaddr_storage peer;
	socklen_t len = sizeof(int);

	if (flags >= 0 && flags & O_PATH)
		return "is opened with O_PATH";
	if (fstat(fd, &st) < 0)
		return NULL;
	if (S_ISDIR(st.st_mode))
		return "is a directory, from which the job could walk out of its root";
	if (S_ISBLK(st.st_mode))
		return "is a block device";
	if (!S_ISSOCK(st.st_mode))
		return NULL;
	(void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	len = sizeof(int);
	(void)getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
	if (type != SOCK_STREAM)
		return "is a socket that is not a byte stream";
	/* A socket stays in the network it was made in, and can be connected anew. */
	if (domain != AF_UNIX)
		return "is a network socket, with which the job would be in the caller's network";
	len = sizeof(peer);
	if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0)
		return "is a socket that is not connected";
	return NULL;
}

int jl_job_spec_set_stdio(jl_job_spec *spec, int stream, int fd, jl_error **ret_err)
{
	const char *refusal;
	int copy = -EBADF;

	jl__error_init(ret_err);
	if (stream < 0 || stream > 2)
		return jl__fail(
			ret_err, -EINVAL,
			"stream %d does not exist; 0, 1 and 2 are the standard streams",
			stream);
	if (fd < -1)
		return jl__fail(ret_err, -EBADF, "%d is not a descriptor", fd);
	if (fd >= 0) {
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (copy < 0)
			return jl__fail_errno(
				ret_err, -errno,
				"cannot duplicate descriptor %d for stream %d", fd,
				stream);
		refusal = stream_refusal(copy);
		if (refusal) {
			(void)jl__close(copy);
			return jl__fail(ret_err, -EINVAL,
					"descriptor %d for stream %d %s", fd, stream,
					refusal);
		}
	}
	(void)jl__close(spec->streams[stream]);
	spec->streams[stream] = copy;
	return 0;
}

/* ---- everything else ---- */

int jl_job_spec_set_timeout(jl_job_spec *spec, uint64_t timeout_usec, jl_error **ret_err)
{
	jl__error_init(ret_err);
	if (timeout_usec == JL_FOREVER)
		timeout_usec = 0;
	if (timeout_usec && (timeout_usec < 1000 || timeout_usec > TIMEOUT_MAX_USEC))
		return jl__fail(ret_err, -ERANGE,
				"a timeout of %" PRIu64
				" µs is out of range; 1 ms to 366 days are taken",
				timeout_usec);
	spec->timeout_usec = timeout_usec;
	return 0;
}

int jl_job_spec_set_tmpfs_bytes(jl_job_spec *spec, const char *path, uint64_t bytes,
				jl_error **ret_err)
{
	uint64_t *slot = NULL;

	jl__error_init(ret_err);
	if (path && strcmp(path, "/tmp") == 0)
		slot = &spec->tmp_bytes;
	else if (path && strcmp(path, "/work") == 0)
		slot = &spec->work_bytes;
	else if (path && strcmp(path, "/dev/shm") == 0)
		slot = &spec->shm_bytes;
	if (!slot)
		return jl__fail(
			ret_err, -EINVAL,
			"\"%.*s\" has no size of its own; /tmp, /work and /dev/shm have",
			SHOWN, path ? path : "");
	if (bytes && (bytes < 65536 || bytes > UINT64_C(1) << 62))
		return jl__fail(
			ret_err, -ERANGE,
			"%" PRIu64
			" bytes for %s are out of range; at least 65536 are taken",
			bytes, path);
	*slot = bytes;
	return 0;
}

int jl_job_spec_set_seccomp(jl_job_spec *spec, int level, jl_error **ret_err)
{
	jl__error_init(ret_err);
	if (!jl__filter_level_name(level))
		return jl__fail(ret_err, -EINVAL,
				"%d is not a seccomp level of this version", level);
	spec->seccomp = level;
	return 0;
}

static int check_switch(const char *what, int value, jl_error **err)
{
	if (value == 0 || value == 1)
		return 0;
	return jl__fail(err, -EINVAL, "%s takes 0 or 1, not %d", what, value);
}

int jl_job_spec_set_init(jl_job_spec *spec, int init, jl_error **ret_err)
{
	int r;

	jl__error_init(ret_err);
	r = check_switch("init", init, ret_err);
	if (r == 0)
		spec->init = init;
	return r;
}

int jl_job_spec_set_orphan(jl_job_spec *spec, int orphan, jl_error **ret_err)
{
	jl__error_init(ret_err);
	if (orphan != JL_ORPHAN_KILL && orphan != JL_ORPHAN_KEEP)
		return jl__fail(ret_err, -EINVAL,
				"%d does not say what becomes of an orphan", orphan);
	spec->orphan = orphan;
	return 0;
}

int jl_job_spec_set_rlimit(jl_job_spec *spec, int resource, uint64_t soft, uint64_t hard,
			   jl_error **ret_err)
{
	const char *name = jl__rlimit_name(resource);
	uint32_t at = 0;

	jl__error_init(ret_err);
	if (!name)
		return jl__fail(ret_err, -EINVAL, "%d is not a resource of setrlimit",
				resource);
	if (soft > hard)
		return jl__fail(ret_err, -EINVAL,
				"soft limit %" PRIu64
				" of %s is above its hard limit %" PRIu64,
				soft, name, hard);
	while (at < spec->rlimit_count && spec->rlimits[at].resource != resource)
		at++;
	if (at == spec->rlimit_count)
		spec->rlimit_count++;
	spec->rlimits[at] = (struct jl__spec_rlimit){ resource, soft, hard };
	return 0;
}

int jl_job_spec_check(const jl_job_spec *spec, jl_error **ret_err)
{
	jl__error_init(ret_err);
	if (spec->arg_count == 0)
		return jl__fail(
			ret_err, -EINVAL,
			"the job has no command; add one with jl_job_spec_add_arg()");
	return jl__spec_check_network(spec, ret_err);
}
