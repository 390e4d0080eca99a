/* SPDX-License-Identifier: MIT */
/* The network of a description: which one, and what the job may do in it. */
#define JL_MODULE "spec"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "spawn/spec.h"

#define NAME_MAX_BYTES 32
#define BPS_MIN 1024
/* The kernel counts such rates in 64 bits and bursts in 32: a limit nobody can notice. */
#define BPS_MAX (UINT64_C(1) << 40)
/* Text of the caller in sentences is cut here. */
#define SHOWN 64

static const char *const names[] = {
	[JL_NETWORK_NONE] = "none",
	[JL_NETWORK_HOST] = "host",
	[JL_NETWORK_ISOLATED] = "isolated",
	[JL_NETWORK_BRIDGE] = "bridge",
};

#define NETWORKS ((int)(sizeof(names) / sizeof(names[0])))

const char *jl__spec_network_name(const jl_job_spec *spec)
{
	return spec->network == JL__NETWORK_NAMED ? spec->network_name
						  : names[spec->network];
}

bool jl__spec_is_networked(const jl_job_spec *spec)
{
	return spec->network != JL_NETWORK_NONE && spec->network != JL_NETWORK_HOST;
}

void jl__spec_network_done(jl_job_spec *spec)
{
	jl__free(spec->network_name);
	jl__free(spec->allow);
	jl__free(spec->publish);
}

int jl_job_spec_set_network(jl_job_spec *spec, int network, jl_error **ret_err)
{
	jl__error_init(ret_err);
	if (network < 0 || network >= NETWORKS)
		return jl__fail(ret_err, -EINVAL, "%d is not a network of this version",
				network);
	jl__free(spec->network_name);
	spec->network_name = NULL;
	spec->network = network;
	spec->network_set = true;
	return 0;
}

static bool alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool name_ok(const char *name)
{
	size_t len = strlen(name);

	if (len < 1 || len > NAME_MAX_BYTES || !alnum(name[0]) || !alnum(name[len - 1]))
		return false;
	for (const char *p = name; *p; p++)
		if (!alnum(*p) && *p != '_' && *p != '-')
			return false;
	return true;
}

int jl_job_spec_set_network_name(jl_job_spec *spec, const char *name, jl_error **ret_err)
{
	char *copy;

	jl__error_init(ret_err);
	for (int i = 0; name && i < NETWORKS; i++)
		if (strcmp(names[i], name) == 0)
			return jl_job_spec_set_network(spec, i, ret_err);
	if (!name || !name_ok(name))
		return jl__fail(
			ret_err, -EINVAL,
			"\"%.*s\" is not a name of a network; use none, isolated, bridge, host, or one of 1 to %d letters, digits, _ and - that begins and ends with a letter or digit",
			SHOWN, name ? name : "", NAME_MAX_BYTES);
	copy = jl__strdup(name);
	if (!copy)
		return jl__oom(ret_err);
	jl__free(spec->network_name);
	spec->network_name = copy;
	spec->network = JL__NETWORK_NAMED;
	spec->network_set = true;
	return 0;
}

int jl_job_spec_add_allow_net(jl_job_spec *spec, const char *allow, jl_error **ret_err)
{
	struct jl__net_allow fresh;
	int r;

	jl__error_init(ret_err);
	r = jl__net_parse_allow(allow ? allow : "", &fresh, ret_err);
	if (r < 0)
		return r;
	if (spec->allow_count == JL__NET_ALLOW_MAX)
		return jl__fail(ret_err, -E2BIG,
				"more than %u subnets are allowed; name larger ones",
				JL__NET_ALLOW_MAX);
	if (jl__spec_room((void **)&spec->allow, spec->allow_count,
			  sizeof(*spec->allow)) < 0)
		return jl__oom(ret_err);
	spec->allow[spec->allow_count++] = fresh;
	return 0;
}

int jl_job_spec_set_net_bps(jl_job_spec *spec, uint64_t bps, jl_error **ret_err)
{
	jl__error_init(ret_err);
	if (bps && (bps < BPS_MIN || bps > BPS_MAX))
		return jl__fail(
			ret_err, -ERANGE,
			"a bandwidth of %" PRIu64
			" bytes per second is out of range; %d to %" PRIu64 " are taken",
			bps, BPS_MIN, BPS_MAX);
	spec->net_bps = bps;
	return 0;
}

int jl_job_spec_add_publish(jl_job_spec *spec, const char *port, jl_error **ret_err)
{
	struct jl__net_publish fresh;
	int r;

	jl__error_init(ret_err);
	r = jl__net_parse_publish(port ? port : "", &fresh, ret_err);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < spec->publish_count; i++)
		if (spec->publish[i].host_port == fresh.host_port &&
		    spec->publish[i].udp == fresh.udp)
			return jl__fail(ret_err, -EINVAL,
					"port %u of the host is published twice",
					fresh.host_port);
	if (spec->publish_count == JL__NET_PUBLISH_MAX)
		return jl__fail(ret_err, -E2BIG, "more than %u ports are published",
				JL__NET_PUBLISH_MAX);
	if (jl__spec_room((void **)&spec->publish, spec->publish_count,
			  sizeof(*spec->publish)) < 0)
		return jl__oom(ret_err);
	spec->publish[spec->publish_count++] = fresh;
	return 0;
}

int jl__spec_check_network(const jl_job_spec *spec, jl_error **err)
{
	const char *what = NULL;

	if (jl__spec_is_networked(spec))
		return 0;
	/* A restriction that nothing would enforce is not passed over. */
	if (spec->allow_count)
		what = "what the job may reach was given";
	else if (spec->publish_count)
		what = "ports of the job were published";
	else if (spec->net_bps)
		what = "the bandwidth was limited";
	if (!what)
		return 0;
	return jl__fail(
		err, -EINVAL,
		"%s, but network \"%s\" has no rules; choose isolated, bridge or a network of your own",
		what, jl__spec_network_name(spec));
}
