/* SPDX-License-Identifier: MIT */
/* Configuration files of the daemon and of clients: whatever is refused has a sentence.
 */
#include <stdlib.h>
#include <string.h>

#include "config/client.h"
#include "config/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[JL__CONFIG_ERROR_MAX] = "", host[256];
	struct jl__server_config *server;
	struct jl__client_config *client;
	uint16_t port;

	if (jl__server_config_parse("f", (const char *)data, size, &server, error) == 0)
		jl__server_config_free(server);
	else if (!*error)
		abort();
	*error = 0;
	if (jl__client_config_parse("f", (const char *)data, size, &client, error) == 0) {
		/* What was accepted can be dialled. */
		for (const struct jl__client_node *n = client->nodes; n; n = n->next) {
			if (jl__split_address(n->address, host, &port) < 0)
				abort();
		}
		jl__client_config_free(client);
	} else if (!*error) {
		abort();
	}
	return 0;
}
