/* SPDX-License-Identifier: MIT */
/* Where a client's configuration would be; a file of its own because it needs no YAML. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/client.h"

/* "~/" stands for the home folder. */
static const char *const fixed_places[] = {
	"./rnx-config.yml",
	"./config/rnx-config.yml",
	"~/.rnx/rnx-config.yml",
	"/etc/joblet/rnx-config.yml",
	"/opt/joblet/config/rnx-config.yml",
};

static int expand(const char *place, char **ret)
{
	const char *home = getenv("HOME");

	*ret = NULL;
	if (*place != '~')
		*ret = strdup(place);
	else if (!home || !*home)
		return -ENOENT;
	else if (asprintf(ret, "%s%s", home, place + 1) < 0)
		*ret = NULL;
	return *ret ? 0 : -ENOMEM;
}

int jl__client_config_find(const char *path, char **ret)
{
	static const char *const variables[] = { "RNX_CONFIG", "RNX_CONFIG_PATH" };

	if (path) {
		*ret = strdup(path);
		return *ret ? 0 : -ENOMEM;
	}
	for (size_t i = 0; i < 2; i++) {
		const char *value = getenv(variables[i]);

		if (!value || !*value || access(value, F_OK) < 0)
			continue;
		*ret = strdup(value);
		return *ret ? 0 : -ENOMEM;
	}
	for (size_t i = 0; i < sizeof(fixed_places) / sizeof(*fixed_places); i++) {
		char *place;
		int r = expand(fixed_places[i], &place);

		if (r == -ENOMEM)
			return r;
		/* Only what is not there is passed over. */
		if (r == 0 && (access(place, F_OK) == 0 || errno != ENOENT)) {
			*ret = place;
			return 0;
		}
		if (r == 0)
			free(place);
	}
	return -ENOENT;
}

char *jl__client_config_places(void)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	(void)fputs("--config, $RNX_CONFIG, $RNX_CONFIG_PATH", out);
	for (size_t i = 0; i < sizeof(fixed_places) / sizeof(*fixed_places); i++)
		(void)fprintf(out, ", %s", fixed_places[i]);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
