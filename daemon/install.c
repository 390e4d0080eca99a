/* SPDX-License-Identifier: MIT */
#include "install.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "config/client.h"
#include "config/server.h"
#include "files.h"

static const char server_template[] =
	"# Configuration of the joblet daemon; doc/man/joblet-config.5 names every key.\n"
	"# \"joblet check\" reads it without starting anything; \"systemctl reload joblet\"\n"
	"# takes up what changed.\n"
	"version: \"3.0\"\n"
	"\n"
	"server:\n"
	"  address: \"%s\"\n"
	"  port: %u\n"
	"\n"
	"joblet:\n"
	"  defaultCpuLimit: 50      # percent of one core; 0 = no limit\n"
	"  defaultMemoryLimit: 256  # MiB; 0 = no limit\n"
	"  maxConcurrentJobs: 100\n"
	"\n"
	"network:\n"
	"  defaultNetwork: bridge\n"
	"  allowHost: false         # jobs on the machine's own network, for admins\n"
	"\n"
	"logging:\n"
	"  level: info\n";

static int server_text(const struct authority *a, const char *address, unsigned int port,
		       char **ret, struct sentence *why)
{
	int r = file_read(a->dir_fd, a->path, SERVER_FILE, ret, why);

	if (r != -ENOENT)
		return r;
	if (asprintf(ret, server_template, address ? address : "0.0.0.0",
		     port ? port : JL__CLIENT_PORT) < 0)
		return fail(why, -ENOMEM, "out of memory");
	return 0;
}

/* Whether the file says what it was meant to say. */
static int read_back(const struct authority *a, const char *text,
		     const struct edit *edits, size_t count, struct sentence *why)
{
	char error[JL__CONFIG_ERROR_MAX], name[PATH_MAX + 32];
	struct jl__server_config *config;
	int r;

	(void)snprintf(name, sizeof(name), "%s/%s", a->path, SERVER_FILE);
	r = jl__server_config_parse(name, text, strlen(text), &config, error);
	if (r < 0)
		return fail(why, r, "%.*s", SENTENCE_MAX - 1, error);
	for (size_t i = 0; i < count && r == 0; i++) {
		const char *have = "", *want = edits[i].text ? edits[i].text : "";

		if (strcmp(edits[i].key, "serverCert") == 0)
			have = config->server_cert;
		else if (strcmp(edits[i].key, "serverKey") == 0)
			have = config->server_key;
		else if (strcmp(edits[i].key, "caCert") == 0)
			have = config->ca_cert;
		else if (strcmp(edits[i].key, "revoked") == 0)
			have = config->crl;
		if (strcmp(have, want) != 0)
			r = fail(
				why, -EINVAL,
				"%.*s: the section security is written in a way that "
				"cannot be changed by line; put its keys below \"security:\"",
				400, name);
	}
	jl__server_config_free(config);
	return r;
}

int install_server(const struct authority *authority, const struct edit *edits,
		   size_t count, const char *address, unsigned int port,
		   struct sentence *why)
{
	char *old = NULL, *fresh = NULL;
	int r = server_text(authority, address, port, &old, why);

	if (r == 0)
		r = edit_section(old, "security", edits, count, &fresh, why);
	if (r == 0)
		r = read_back(authority, fresh, edits, count, why);
	if (r == 0)
		r = file_write(authority->dir_fd, authority->path, SERVER_FILE, 0600,
			       fresh, why);
	file_free(old);
	file_free(fresh);
	return r;
}

int install_server_cert(const struct authority *authority, X509 **ret,
			struct sentence *why)
{
	char error[JL__CONFIG_ERROR_MAX];
	struct jl__server_config *config;
	char *text;
	int r = file_read(authority->dir_fd, authority->path, SERVER_FILE, &text, why);

	if (r < 0)
		return r;
	r = jl__server_config_parse(SERVER_FILE, text, strlen(text), &config, error);
	file_free(text);
	if (r < 0)
		return fail(why, r, "%.*s", SENTENCE_MAX - 1, error);
	r = -ENOENT;
	if (*config->server_cert)
		r = cert_read(config->server_cert, "server certificate", ret, why);
	jl__server_config_free(config);
	return r;
}

/* ---- clients ---- */

static int client_config(const struct authority *a, const char *name,
			 struct jl__client_config **ret, struct sentence *why)
{
	char error[JL__CONFIG_ERROR_MAX];
	char *text;
	int r = file_read(a->dir_fd, a->path, name, &text, why);

	if (r < 0)
		return r;
	r = jl__client_config_parse(name, text, strlen(text), ret, error);
	file_free(text);
	if (r < 0)
		return fail(why, r, "%s/%.*s; move the file away to have a new one made",
			    a->path, 700, error);
	return 0;
}

static void put_pem(FILE *out, const char *key, const char *pem)
{
	if (!*pem)
		return;
	(void)fprintf(out, "    %s: |\n", key);
	while (*pem) {
		size_t len = strcspn(pem, "\n");

		(void)fprintf(out, "      %.*s\n", (int)len, pem);
		pem += len + (pem[len] == '\n');
	}
}

/* Text in double quotes, whatever it is. */
static void put_quoted(FILE *out, const char *text)
{
	(void)fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			(void)fputc('\\', out);
		(void)fputc(*text, out);
	}
	(void)fputc('"', out);
}

static void put_node(FILE *out, const char *name, const struct jl__client_node *node)
{
	(void)fputs("  ", out);
	put_quoted(out, name);
	(void)fputs(":\n    address: ", out);
	put_quoted(out, node->address);
	(void)fputc('\n', out);
	if (*node->node_id) {
		(void)fputs("    nodeId: ", out);
		put_quoted(out, node->node_id);
		(void)fputc('\n', out);
	}
	put_pem(out, "cert", node->cert);
	put_pem(out, "key", node->key);
	put_pem(out, "ca", node->ca);
}

/* The entry as a node, with what the old one has where the entry says nothing. */
static void put_entry(FILE *out, const struct authority *a,
		      const struct client_entry *entry, const struct jl__client_node *old)
{
	struct jl__client_node node = {
		.address = (char *)(uintptr_t)entry->address,
		.node_id = old ? old->node_id : (char[]){ "" },
		.cert = entry->cert ? (char *)(uintptr_t)entry->cert
			: old	    ? old->cert
				    : (char[]){ "" },
		.key = entry->key ? (char *)(uintptr_t)entry->key
		       : old	  ? old->key
				  : (char[]){ "" },
		.ca = a->cert_pem,
	};

	put_node(out, entry->node, &node);
}

int install_client(const struct authority *authority, const char *name,
		   const struct client_entry *entries, size_t count, struct sentence *why)
{
	struct jl__client_config *config = NULL;
	char *text = NULL;
	size_t size = 0;
	FILE *out;
	int r = client_config(authority, name, &config, why);

	if (r < 0 && r != -ENOENT)
		return r;
	r = 0;
	out = open_memstream(&text, &size);
	if (!out) {
		jl__client_config_free(config);
		return fail(why, -ENOMEM, "out of memory");
	}
	(void)fputs("# Where rnx finds joblet daemons; the keys are secret: chmod 600.\n"
		    "version: \"3.0\"\n\nnodes:\n",
		    out);
	for (size_t i = 0; i < count; i++)
		put_entry(out, authority, &entries[i],
			  config ? jl__client_config_node(config, entries[i].node)
				 : NULL);
	for (const struct jl__client_node *n = config ? config->nodes : NULL; n;
	     n = n->next) {
		bool named = false;

		for (size_t i = 0; i < count; i++)
			named = named || strcmp(entries[i].node, n->name) == 0;
		if (!named)
			put_node(out, n->name, n);
	}
	if (fclose(out) != 0)
		r = fail(why, -ENOMEM, "out of memory");
	if (r == 0)
		r = file_write(authority->dir_fd, authority->path, name, 0600, text, why);
	jl__client_config_free(config);
	file_free(text);
	return r;
}

bool install_client_good(const struct authority *authority, const char *node)
{
	struct jl__client_config *config = NULL;
	const struct jl__client_node *found = NULL;
	struct cert_info info;
	struct sentence why;
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	bool good = false;

	if (client_config(authority, CLIENT_FILE, &config, &why) == 0)
		found = jl__client_config_node(config, node);
	if (found && cert_read(found->cert, "", &cert, &why) == 0 &&
	    cert_read_key(found->key, "", &key, &why) == 0) {
		cert_get_info(cert, &info);
		good = cert_check_pair(cert, key, authority->pair.cert, "", &why) == 0 &&
		       cert_days_left(info.not_after, (int64_t)time(NULL)) >=
			       CERT_WARN_DAYS;
	}
	X509_free(cert);
	EVP_PKEY_free(key);
	jl__client_config_free(config);
	return good;
}

int install_get_address(const struct authority *authority, char to[512],
			struct sentence *why)
{
	char *text;
	int r = file_read(authority->ca_fd, authority->ca_path, "address", &text, why);

	if (r == -ENOENT)
		return fail(why, r,
			    "%s/address is not there: say which address clients use with "
			    "--server HOST:PORT",
			    authority->ca_path);
	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = 0;
	(void)snprintf(to, 512, "%.511s", text);
	free(text);
	return 0;
}

int install_set_address(const struct authority *authority, const char *address,
			struct sentence *why)
{
	char line[600];

	(void)snprintf(line, sizeof(line), "%.511s\n", address);
	return file_write(authority->ca_fd, authority->ca_path, "address", 0644, line,
			  why);
}
