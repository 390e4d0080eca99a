/* SPDX-License-Identifier: MIT */
/*
 * Configuration of clients: nodes by name, each with an address and PEM text of its
 * certificate, key and authority. Form 3.0 of rnx-config.yml.
 */
#ifndef JL_CONFIG_CLIENT_H
#define JL_CONFIG_CLIENT_H

#include "config/keys.h"

#define JL__CLIENT_PORT 50051

struct jl__client_node {
	char *name;
	char *address;	       /* as written: HOST:PORT */
	char *cert, *key, *ca; /* PEM; "" when not given */
	char *node_id;	       /* for display; "" when not given */
	struct jl__client_node *next;
};

struct jl__client_config {
	char *path;
	struct jl__texts warnings;
	struct jl__client_node *nodes; /* in the order of the file */
};

/*
 * The file that would be read: path when given, else $RNX_CONFIG and $RNX_CONFIG_PATH
 * when there, ./rnx-config.yml, ./config/, ~/.rnx/, /etc/joblet/, /opt/joblet/config/.
 * *ret is allocated; -ENOENT when there is none.
 */
int jl__client_config_find(const char *path, char **ret);
/* Places that are looked at, in one line, for a sentence; released with free(). */
char *jl__client_config_places(void);

int jl__client_config_load(const char *path, struct jl__client_config **ret,
			   char error[JL__CONFIG_ERROR_MAX]);
int jl__client_config_parse(const char *name, const char *text, size_t len,
			    struct jl__client_config **ret,
			    char error[JL__CONFIG_ERROR_MAX]);
void jl__client_config_free(struct jl__client_config *config);
/* A node by name; NULL or "" means "default", or the only one. NULL when there is none.
 */
const struct jl__client_node *
jl__client_config_node(const struct jl__client_config *config, const char *name);

/*
 * Splits HOST:PORT, HOST, [V6]:PORT, V6. host has room for 256 bytes. Returns 0, -EINVAL.
 */
int jl__split_address(const char *address, char host[256], uint16_t *ret_port);

#endif
