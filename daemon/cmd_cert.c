/* SPDX-License-Identifier: MIT */
/* joblet cert: making, renewing and revoking certificates. */
#include "commands.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "config/client.h"
#include "install.h"
#include "roles.h"

#define ADDRESSES_MAX 64

static const char usage[] =
	"joblet cert init --address HOST [--address HOST]... [--port N]\n"
	"    makes the authority where there is none, the daemon's certificate, and\n"
	"    configurations for the daemon and for rnx; again: another address\n"
	"joblet cert client --role ROLE [--name NAME] [--server HOST:PORT]\n"
	"    one more client: admin, maintainer, developer or viewer\n"
	"joblet cert server --renew [--address HOST]...\n"
	"    a new certificate for the daemon; without --address for the same names\n"
	"joblet cert revoke NAME|SERIAL...\n"
	"    refuses certificates from the next reload on\n"
	"joblet cert list\n"
	"    who has certificates, and until when\n"
	"\n"
	"--dir DIR          folder of the configuration, default /opt/joblet/config\n"
	"--days N           validity, default 365\n"
	"--new-authority    of init: a new authority; all certificates become useless\n";

struct wish {
	const char *dir, *role, *name, *server;
	const char *addresses[ADDRESSES_MAX];
	size_t address_count;
	unsigned int days, port;
	bool renew, fresh;
};

enum {
	OPT_DIR = 256,
	OPT_ROLE,
	OPT_NAME,
	OPT_SERVER,
	OPT_ADDRESS,
	OPT_DAYS,
	OPT_PORT,
	OPT_RENEW,
	OPT_FRESH
};

static const struct option options[] = {
	{ "dir", required_argument, NULL, OPT_DIR },
	{ "role", required_argument, NULL, OPT_ROLE },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "server", required_argument, NULL, OPT_SERVER },
	{ "address", required_argument, NULL, OPT_ADDRESS },
	{ "days", required_argument, NULL, OPT_DAYS },
	{ "port", required_argument, NULL, OPT_PORT },
	{ "renew", no_argument, NULL, OPT_RENEW },
	{ "new-authority", no_argument, NULL, OPT_FRESH },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* A wrong word on the command line. */
#define bad(...) (say(__VA_ARGS__), (int)EXIT_USAGE)

/* A host name or IP address and nothing that means something in a certificate. */
static bool is_host(const char *text)
{
	unsigned char binary[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET6, text, binary) == 1)
		return true;
	return *text && *text != '-' && *text != '.' && strlen(text) <= 253 &&
	       text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789.-")] == 0;
}

static bool is_name(const char *text)
{
	return *text && strlen(text) <= 63 &&
	       text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789.@_-")] == 0 &&
	       *text != '.' && *text != '-';
}

static int take_number(const char *name, uint64_t max, unsigned int *ret)
{
	uint64_t value;

	if (jl__value_number(optarg, &value) < 0 || value < 1 || value > max)
		return bad("--%s must be 1 to %llu, not '%s'", name,
			   (unsigned long long)max, optarg);
	*ret = (unsigned int)value;
	return EXIT_OK;
}

static int take_address(struct wish *wish, const char *text)
{
	if (!is_host(text))
		return bad("--address must be a host name or an IP address, not '%s'",
			   text);
	if (wish->address_count == ADDRESSES_MAX)
		return bad("more than 64 addresses: '%s'", text);
	wish->addresses[wish->address_count++] = text;
	return EXIT_OK;
}

static int take_option(struct wish *wish, int option)
{
	char host[256];
	uint16_t port;

	switch (option) {
	case OPT_DIR:
		wish->dir = optarg;
		return EXIT_OK;
	case OPT_ROLE:
		wish->role = role_name(role_by_name(optarg));
		if (!role_by_name(optarg))
			return bad(
				"--role must be admin, maintainer, developer or viewer, "
				"not '%s'",
				optarg);
		return EXIT_OK;
	case OPT_NAME:
		wish->name = optarg;
		return is_name(optarg)
			       ? EXIT_OK
			       : bad("--name must be 1 to 63 letters, digits, . @ _ "
				     "or -, not '%s'",
				     optarg);
	case OPT_SERVER:
		wish->server = optarg;
		return jl__split_address(optarg, host, &port) == 0
			       ? EXIT_OK
			       : bad("--server must be HOST:PORT, not '%s'", optarg);
	case OPT_ADDRESS:
		return take_address(wish, optarg);
	case OPT_DAYS:
		return take_number("days", AUTHORITY_DAYS, &wish->days);
	case OPT_PORT:
		return take_number("port", 65535, &wish->port);
	case OPT_RENEW:
		wish->renew = true;
		return EXIT_OK;
	case OPT_FRESH:
		wish->fresh = true;
		return EXIT_OK;
	default:
		return EXIT_USAGE;
	}
}

static int failed(const struct sentence *why)
{
	say("%s", why->text);
	return EXIT_FAILED;
}

/* Adds a name once; the last one found may be kept by the caller only. */
static void add_once(struct cert_wish *wish, const char **list, const char *address)
{
	for (size_t i = 0; i < wish->address_count; i++) {
		if (strcmp(list[i], address) == 0)
			return;
	}
	list[wish->address_count++] = address;
}

/* A certificate for the daemon under its fixed names and these. */
static int issue_server(struct authority *a, const struct wish *wish,
			const struct jl__texts *old, struct sentence *why)
{
	static const char *const fixed[] = { "joblet", "localhost", "joblet-server",
					     "127.0.0.1", "::1" };
	const char *list[3 * ADDRESSES_MAX];
	struct cert_wish request = { .use = CERT_SERVER,
				     .unit = "Server",
				     .name = "joblet-server",
				     .addresses = list,
				     .days = wish->days };
	struct cert_pair pair;
	char *cert, *key, host[256];
	int r;

	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
		add_once(&request, list, fixed[i]);
	if (gethostname(host, sizeof(host)) == 0 && is_host(host))
		add_once(&request, list, host);
	for (size_t i = 0; i < wish->address_count; i++)
		add_once(&request, list, wish->addresses[i]);
	for (size_t i = 0; i < old->count && request.address_count < 2 * ADDRESSES_MAX;
	     i++)
		add_once(&request, list, old->items[i]);
	r = authority_issue(a, &request, &pair, why);
	if (r < 0)
		return r;
	cert = cert_pem(pair.cert);
	key = cert_key_pem(pair.key);
	cert_pair_done(&pair);
	if (cert && key) {
		const struct edit edits[] = { { "serverCert", cert },
					      { "serverKey", key },
					      { "caCert", a->cert_pem } };

		r = install_server(a, edits, 3, NULL, wish->port, why);
	} else {
		r = fail(why, -ENOMEM, "out of memory");
	}
	free(cert);
	if (key)
		explicit_bzero(key, strlen(key));
	free(key);
	return r;
}

/* A certificate for a role, into a node of a client's file. */
static int issue_client(struct authority *a, const char *file, const char *node,
			const char *role, const char *name, const char *address,
			unsigned int days, struct sentence *why)
{
	const struct cert_wish request = {
		.use = CERT_CLIENT, .unit = role, .name = name, .days = days
	};
	struct client_entry entry = { .node = node, .address = address };
	struct cert_pair pair;
	char *cert, *key;
	int r = authority_issue(a, &request, &pair, why);

	if (r < 0)
		return r;
	cert = cert_pem(pair.cert);
	key = cert_key_pem(pair.key);
	cert_pair_done(&pair);
	entry.cert = cert;
	entry.key = key;
	r = cert && key ? install_client(a, file, &entry, 1, why)
			: fail(why, -ENOMEM, "out of memory");
	free(cert);
	if (key)
		explicit_bzero(key, strlen(key));
	free(key);
	return r;
}

/* A node of rnx-config.yml: what is good stays, and gets the address. */
static int init_client(struct authority *a, const struct wish *wish, const char *node,
		       const char *role, const char *address, struct sentence *why)
{
	const struct client_entry entry = { .node = node, .address = address };
	char name[64];

	if (install_client_good(a, node))
		return install_client(a, CLIENT_FILE, &entry, 1, why);
	(void)snprintf(name, sizeof(name), "%s-client", role);
	return issue_client(a, CLIENT_FILE, node, role, name, address, wish->days, why);
}

static int init(const struct wish *wish)
{
	const struct jl__texts none = { 0 };
	struct authority a;
	struct sentence why;
	char address[512];
	int r;

	if (!wish->address_count) {
		say("joblet cert init needs --address: the name or IP address clients use");
		return EXIT_USAGE;
	}
	(void)snprintf(address, sizeof(address),
		       strchr(wish->addresses[0], ':') ? "[%s]:%u" : "%s:%u",
		       wish->addresses[0], wish->port ? wish->port : JL__CLIENT_PORT);
	r = authority_open(wish->dir, true, wish->fresh, &a, &why);
	if (r < 0)
		return failed(&why);
	r = install_set_address(&a, address, &why);
	if (r == 0)
		r = issue_server(&a, wish, &none, &why);
	if (r == 0)
		r = init_client(&a, wish, "viewer", "viewer", address, &why);
	if (r == 0)
		r = init_client(&a, wish, "default", "admin", address, &why);
	authority_close(&a);
	if (r < 0)
		return failed(&why);
	(void)printf("%s/" SERVER_FILE ": for the daemon\n"
		     "%s/" CLIENT_FILE ": for rnx, with admin rights; copy it to "
		     "~/.rnx/" CLIENT_FILE "\n"
		     "%s/ca/ca.key: the authority's key; keep a copy elsewhere\n",
		     wish->dir, wish->dir, wish->dir);
	return EXIT_OK;
}

static int client(const struct wish *wish)
{
	char name[64], file[128], address[512];
	struct authority a;
	struct sentence why;
	int r;

	if (!wish->role) {
		say("joblet cert client needs --role: admin, maintainer, developer or "
		    "viewer");
		return EXIT_USAGE;
	}
	(void)snprintf(name, sizeof(name), "%s%s", wish->name ? wish->name : wish->role,
		       wish->name ? "" : "-client");
	(void)snprintf(file, sizeof(file), "rnx-config-%s.yml", name);
	r = authority_open(wish->dir, false, false, &a, &why);
	if (r < 0)
		return failed(&why);
	if (wish->server)
		(void)snprintf(address, sizeof(address), "%s", wish->server);
	else
		r = install_get_address(&a, address, &why);
	if (r == 0)
		r = issue_client(&a, file, "default", wish->role, name, address,
				 wish->days, &why);
	authority_close(&a);
	if (r < 0)
		return failed(&why);
	(void)printf("%s/%s: role %s, name %s\n", wish->dir, file, wish->role, name);
	return EXIT_OK;
}

static int add_address(void *data, const char *address)
{
	struct jl__texts *list = data;

	return is_host(address) ? jl__texts_add(list, address) : 0;
}

static int server(const struct wish *wish)
{
	struct jl__texts old = { 0 };
	struct authority a;
	struct sentence why;
	X509 *cert = NULL;
	int r;

	if (!wish->renew) {
		say("joblet cert server makes a new certificate; say so with --renew");
		return EXIT_USAGE;
	}
	r = authority_open(wish->dir, false, false, &a, &why);
	if (r < 0)
		return failed(&why);
	/* Names given replace the old ones, so that one can be dropped. */
	if (!wish->address_count) {
		r = install_server_cert(&a, &cert, &why);
		if (r == 0)
			r = cert_each_address(cert, add_address, &old);
		X509_free(cert);
		if (r == -ENOENT)
			r = fail(&why, r,
				 "%s/" SERVER_FILE " has no certificate to renew: joblet "
				 "cert init makes one",
				 wish->dir);
	}
	if (r == 0)
		r = issue_server(&a, wish, &old, &why);
	jl__texts_done(&old);
	authority_close(&a);
	if (r < 0)
		return failed(&why);
	(void)printf("%s/" SERVER_FILE ": new certificate, for %u days; a running daemon "
		     "takes it up with: systemctl reload joblet\n",
		     wish->dir, wish->days);
	return EXIT_OK;
}

static int take_back(const struct wish *wish, char **names)
{
	struct authority a;
	struct sentence why;
	unsigned int total = 0;
	int r;

	if (!*names) {
		say("joblet cert revoke needs a name or serial number; joblet cert list "
		    "shows them");
		return EXIT_USAGE;
	}
	r = authority_open(wish->dir, false, false, &a, &why);
	for (; r == 0 && *names; names++) {
		struct edit edit = { .key = "revoked" };
		unsigned int count;
		char *crl;

		r = authority_revoke(&a, *names, &crl, &count, &why);
		if (r < 0)
			break;
		edit.text = crl;
		r = install_server(&a, &edit, 1, NULL, 0, &why);
		free(crl);
		total += count;
	}
	authority_close(&a);
	if (r < 0)
		return failed(&why);
	(void)printf("%u certificate%s revoked; a running daemon refuses %s after: "
		     "systemctl reload joblet\n",
		     total, total == 1 ? "" : "s", total == 1 ? "it" : "them");
	return EXIT_OK;
}

static int list(const struct wish *wish)
{
	int64_t now = (int64_t)time(NULL);
	struct authority a;
	struct sentence why;
	struct issued *items;
	size_t count;
	int r = authority_open(wish->dir, false, false, &a, &why);

	if (r < 0)
		return failed(&why);
	r = authority_list(&a, &items, &count, &why);
	authority_close(&a);
	if (r < 0)
		return failed(&why);
	(void)printf("%-33s %-11s %-21s %s\n", "SERIAL", "ROLE", "UNTIL", "NAME");
	for (size_t i = 0; i < count; i++) {
		char until[TIME_TEXT_MAX];
		const char *state = items[i].revoked		     ? " (revoked)"
				    : items[i].info.not_after <= now ? " (expired)"
								     : "";

		(void)time_text(until, (uint64_t)items[i].info.not_after * 1000000);
		(void)printf("%-33s %-11s %-21s %s%s\n", items[i].info.serial,
			     items[i].info.unit, until, items[i].info.name, state);
	}
	free(items);
	return EXIT_OK;
}

int cmd_cert(int argc, char **argv)
{
	struct wish wish = { .dir = "/opt/joblet/config", .days = CERT_DAYS };
	const char *verb = argc > 1 ? argv[1] : "";
	int option, r;

	if (!*verb || strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0) {
		(void)fputs(usage, *verb ? stdout : stderr);
		return *verb ? EXIT_OK : EXIT_USAGE;
	}
	argc--;
	argv++;
	optind = 1;
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == 'h') {
			(void)fputs(usage, stdout);
			return EXIT_OK;
		}
		if (option == '?' || option == ':')
			return option_wrong(option, argv, "joblet cert --help");
		r = take_option(&wish, option);
		if (r != EXIT_OK)
			return r;
	}
	if (strcmp(verb, "revoke") == 0)
		return take_back(&wish, argv + optind);
	if (optind < argc)
		return bad("joblet cert: what is '%s'? See joblet cert --help",
			   argv[optind]);
	if (strcmp(verb, "init") == 0)
		return init(&wish);
	if (strcmp(verb, "client") == 0)
		return client(&wish);
	if (strcmp(verb, "server") == 0)
		return server(&wish);
	if (strcmp(verb, "list") == 0)
		return list(&wish);
	return bad("joblet cert: unknown command '%s'; there are init, client, server, "
		   "revoke and list",
		   verb);
}
