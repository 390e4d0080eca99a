/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <joblet/base.h>

static const char *const features[] = {
	"cgroup-v1", "cgroup-v2", "init", "network-host", "network-none", "seccomp",
};

const char *jl_version_string(void)
{
	return JL_VERSION;
}

int jl_has_feature(const char *name)
{
	if (!name)
		return 0;
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		if (strcmp(features[i], name) == 0)
			return 1;
	return 0;
}
