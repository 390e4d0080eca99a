/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target over its corpus without a fuzzer: every file as it is, cut at every
 * length, and with every byte replaced by a few that parsers trip over.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(const uint8_t *data, size_t size)
{
	/* A block of exactly this size, so that sanitizers see one byte too many. */
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	(void)LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void vary(uint8_t *data, size_t size)
{
	static const uint8_t odd[] = { 0, '\n', ' ', ',', '-', '9', '\\', 0x80, 0xff };

	for (size_t len = 0; len <= size; len++)
		feed(data, len);
	for (size_t i = 0; i < size; i++) {
		uint8_t was = data[i];

		for (size_t k = 0; k < sizeof(odd); k++) {
			data[i] = odd[k];
			feed(data, size);
		}
		data[i] = was;
	}
}

static int replay(const char *path)
{
	static uint8_t data[65536];
	FILE *file = fopen(path, "re");
	size_t size;

	if (!file)
		return -errno;
	size = fread(data, 1, sizeof(data), file);
	(void)fclose(file);
	vary(data, size);
	return 0;
}

int main(int argc, char **argv)
{
	DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
	const struct dirent *entry;
	char path[4096];
	int count = 0;

	if (!folder) {
		(void)fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
		return 2;
	}
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
		printf("%sok %d - %s\n", replay(path) < 0 ? "not " : "", ++count,
		       entry->d_name);
		(void)fflush(stdout);
	}
	(void)closedir(folder);
	printf("1..%d\n", count);
	return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
