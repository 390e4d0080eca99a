/* SPDX-License-Identifier: MIT */
/* Configuration files: what is accepted, what is warned of, what is refused and where. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/client.h"
#include "config/server-priv.h"
#include "config/server.h"

static char error[JL__CONFIG_ERROR_MAX];

static int parse(const char *text, struct jl__server_config **ret)
{
	*error = 0;
	return jl__server_config_parse("f.yml", text, strlen(text), ret, error);
}

static const char *const sample =
	"version: \"3.0\"\n"
	"server:\n"
	"  address: \"192.168.1.100\"\n"
	"  port: 50052\n"
	"  mode: \"server\"\n"
	"joblet:\n"
	"  defaultCpuLimit: 50\n"
	"  defaultMemoryLimit: 256\n"
	"  maxConcurrentJobs: 7\n"
	"cgroup:\n"
	"  baseDir: \"/sys/fs/cgroup/joblet.slice/joblet.service\"\n"
	"  enableControllers: [\"memory\", \"cpu\", \"io\", \"pids\", \"cpuset\"]\n"
	"network:\n"
	"  stateDir: \"/var/lib/joblet\"\n"
	"  networks:\n"
	"    bridge:\n"
	"      cidr: \"172.20.0.0/16\"\n"
	"      bridgeName: \"joblet0\"\n"
	"    lab:\n"
	"      cidr: 10.7.0.0/24\n"
	"security:\n"
	"  serverCert: |\n"
	"    -----BEGIN CERTIFICATE-----\n"
	"    abc\n"
	"    -----END CERTIFICATE-----\n";

START_TEST(sample_of_the_manual_is_read)
{
	struct jl__server_config *c;

	ck_assert_int_eq(parse(sample, &c), 0);
	ck_assert_uint_eq(c->warnings.count, 0);
	ck_assert_str_eq(c->address, "192.168.1.100");
	ck_assert_uint_eq(c->port, 50052);
	ck_assert_uint_eq(c->max_jobs, 7);
	ck_assert_uint_eq(c->default_memory, UINT64_C(256) << 20);
	ck_assert_str_eq(c->cgroup_base, "/sys/fs/cgroup/joblet.slice/joblet.service");
	ck_assert_str_eq(c->networks->name, "lab");
	ck_assert_str_eq(c->networks->cidr, "10.7.0.0/24");
	ck_assert_ptr_null(c->networks->next);
	ck_assert(strncmp(c->server_cert, "-----BEGIN CERTIFICATE-----\n", 28) == 0);
	ck_assert_uint_eq(c->unused.count, 4);
	jl__server_config_free(c);
}
END_TEST

START_TEST(defaults_are_those_of_the_manual)
{
	struct jl__server_config *c;

	ck_assert_int_eq(parse("", &c), 0);
	ck_assert_uint_eq(c->port, 50051);
	ck_assert_uint_eq(c->default_cpu, 50);
	ck_assert_uint_eq(c->default_memory, UINT64_C(256) << 20);
	ck_assert_uint_eq(c->max_jobs, 100);
	ck_assert(!c->allow_host);
	ck_assert(c->audit);
	ck_assert_uint_eq(c->local[0].count, 1);
	ck_assert_str_eq(c->local[0].items[0], "root");
	jl__server_config_free(c);
}
END_TEST

START_TEST(both_ways_to_write_a_name_are_fine)
{
	struct jl__server_config *c;

	ck_assert_int_eq(parse("joblet:\n  max_concurrent_jobs: 3\n"
			       "network: {default_network: none, allow_host: yes}\n"
			       "grpc: {max_recv_msg_size: 16MiB}\n",
			       &c),
			 0);
	ck_assert_uint_eq(c->warnings.count, 0);
	ck_assert_uint_eq(c->max_jobs, 3);
	ck_assert_str_eq(c->default_network, "none");
	ck_assert(c->allow_host);
	ck_assert_uint_eq(c->max_message_bytes, 16 << 20);
	jl__server_config_free(c);
}
END_TEST

static const struct {
	const char *text, *warning;
} unknown[] = {
	{ "\nserver:\n  prot: 1\n",
	  "f.yml:3: unknown key server.prot is ignored: did you mean port?" },
	{ "sever: {}\n", "f.yml:1: unknown key sever is ignored: did you mean server?" },
	{ "joblet: {max_concurent_jobs: 1}\n",
	  "f.yml:1: unknown key joblet.max_concurent_jobs is ignored: did you mean "
	  "maxConcurrentJobs?" },
	{ "zzz: 1\n", "f.yml:1: unknown key zzz is ignored" },
	{ "network: {networks: {lab: {cidr: 10.0.0.0/8, mtu: 1}}}\n",
	  "f.yml:1: unknown key network.networks.*.mtu is ignored" },
};

START_TEST(unknown_keys_are_warned_of)
{
	struct jl__server_config *c;

	ck_assert_int_eq(parse(unknown[_i].text, &c), 0);
	ck_assert_uint_eq(c->warnings.count, 1);
	ck_assert_str_eq(c->warnings.items[0], unknown[_i].warning);
	jl__server_config_free(c);
}
END_TEST

static const struct {
	const char *text, *error;
} bad[] = {
	{ "server:\n  port: 70000\n",
	  "f.yml:2: server.port must be 1 to 65535, not '70000'" },
	{ "server:\n  port: 0\n", "f.yml:2: server.port must be 1 to 65535, not '0'" },
	{ "server:\n  port: -1\n",
	  "f.yml:2: server.port must be a number that is not negative, not '-1'" },
	{ "server: {mode: init}\n",
	  "f.yml:1: server.mode must be one of server, not 'init'" },
	{ "server: 1\n", "f.yml:1: server must be a section of keys" },
	{ "server: {port: [1]}\n", "f.yml:1: server.port must be one value" },
	{ "server: {port: 1, Port: 2}\n",
	  "f.yml:1: this key was given before, in line 1" },
	{ "server: {port: 1, port: 2}\n",
	  "f.yml:1: this key was given before, in line 1" },
	{ "joblet:\n\n  defaultCpuLimit: -5\n",
	  "f.yml:3: joblet.defaultCpuLimit must be a number that is not negative, not "
	  "'-5'" },
	{ "joblet: {defaultMemoryLimit: 5 apples}\n",
	  "f.yml:1: joblet.defaultMemoryLimit must be a number, with a unit such as MiB "
	  "where it is not the usual one, not '5 apples'" },
	{ "joblet: {jobTimeout: fast}\n",
	  "f.yml:1: joblet.jobTimeout must be a time such as \"30s\" or \"5m\", not "
	  "'fast'" },
	{ "joblet: {minCpuLimit: 9, maxCpuLimit: 5}\n",
	  "f.yml:1: joblet.maxCpuLimit must not be below joblet.minCpuLimit" },
	{ "joblet: {defaultMemoryLimit: 99999999999999999999}\n",
	  "f.yml:1: joblet.defaultMemoryLimit must be at least 0, not "
	  "'99999999999999999999'" },
	{ "cgroup: {baseDir: joblet.slice}\n",
	  "f.yml:1: cgroup.baseDir must be an absolute path, not 'joblet.slice'" },
	{ "cgroup: {baseDir: /tmp/x}\n",
	  "f.yml:1: cgroup.baseDir must lie below /sys/fs/cgroup" },
	{ "logging: {level: loud}\n",
	  "f.yml:1: logging.level must be one of debug info warn warning error, not "
	  "'loud'" },
	{ "security: {serverKey: /etc/key.pem}\n",
	  "f.yml:1: security.serverKey must be PEM text, indented behind a |" },
	{ "security: {audit: {enabled: maybe}}\n",
	  "f.yml:1: security.audit.enabled must be true or false, not 'maybe'" },
	{ "network: {networks: {bridge: {cidr: 10.0.0.0/8}}}\n",
	  "f.yml:1: network.networks.bridge.cidr: the subnet of this network is "
	  "172.20.0.0/16 and cannot be '10.0.0.0/8'; give another network a name of its "
	  "own" },
	{ "network: {networks: {lab: {}}}\n",
	  "f.yml:1: network.networks.lab has no cidr" },
	{ "a: &x [1]\nb: *x\n",
	  "f.yml:1: anchors (&name) are not for configurations: write the value out" },
	{ "b: *x\n",
	  "f.yml:1: aliases (*name) are not for configurations: write the value out" },
	{ "- 1\n", "f.yml:1: a configuration is made of keys and values" },
	{ "a: \"\\0\"\n", "f.yml:1: a value holds a zero byte" },
	{ "a: 1\n---\nb: 2\n",
	  "f.yml:2: a second document begins here; there can be one" },
	{ "{{a: b}: c}\n", "f.yml:1: the name of a key must be a word" },
};

START_TEST(bad_values_are_refused_with_their_line)
{
	struct jl__server_config *c;

	ck_assert_int_lt(parse(bad[_i].text, &c), 0);
	ck_assert_str_eq(error, bad[_i].error);
}
END_TEST

START_TEST(a_key_is_never_shown)
{
	struct jl__server_config *c;

	ck_assert_int_lt(parse("security:\n  serverKey: hunter2\n", &c), 0);
	ck_assert_ptr_null(strstr(error, "hunter2"));
}
END_TEST

START_TEST(size_depth_and_number_are_bounded)
{
	struct jl__server_config *c;
	size_t size = JL__YAML_BYTES_MAX + 1;
	char *text = malloc(size + 1);

	ck_assert_ptr_nonnull(text);
	memset(text, ' ', size);
	text[size] = 0;
	ck_assert_int_eq(parse(text, &c), -E2BIG);
	memset(text, '[', 200);
	memcpy(text, "a: ", 3);
	text[200] = 0;
	ck_assert_int_eq(parse(text, &c), -E2BIG);
	(void)strcpy(text, "a: [");
	for (size_t i = 0; i < 5000; i++)
		(void)strcat(text + 4 + i, "1,");
	(void)strcat(text, "1]");
	ck_assert_int_lt(parse(text, &c), 0);
	free(text);
}
END_TEST

static void put(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(fchmod(fd, mode), 0);
	(void)close(fd);
}

START_TEST(files_and_environment_are_looked_at_in_order)
{
	char dir[] = "/tmp/joblet-config-XXXXXX";
	struct jl__server_config *c;
	char *place;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
	(void)unsetenv("JOBLET_CONFIG_PATH");
	put("joblet-config.yml",
	    "server: {address: 1.2.3.4, port: 1}\nsecurity:\n  serverKey: |\n"
	    "    -----BEGIN PRIVATE KEY-----\n",
	    0644);
	if (access("/opt/joblet/config/joblet-config.yml", F_OK) < 0) {
		place = jl__server_config_find(NULL);
		ck_assert_str_eq(place, "./joblet-config.yml");
		free(place);
		ck_assert_int_eq(mkdir("config", 0700), 0);
		put("config/joblet-config.yml", "", 0600);
		place = jl__server_config_find(NULL);
		ck_assert_str_eq(place, "./config/joblet-config.yml");
		free(place);
	}
	(void)setenv("JOBLET_CONFIG_PATH", "joblet-config.yml", 1);
	(void)setenv("JOBLET_SERVER_ADDRESS", "::1", 1);
	place = jl__server_config_find(NULL);
	ck_assert_str_eq(place, "joblet-config.yml");
	ck_assert_int_eq(jl__server_config_load(place, &c, error), 0);
	ck_assert_str_eq(c->address, "::1");
	ck_assert_uint_eq(c->port, 1);
	ck_assert_uint_eq(c->warnings.count, 1);
	ck_assert_ptr_nonnull(strstr(c->warnings.items[0], "chmod 600"));
	jl__server_config_free(c);
	(void)setenv("JOBLET_LOG_LEVEL", "shout", 1);
	ck_assert_int_eq(jl__server_config_load(place, &c, error), -EINVAL);
	ck_assert_str_eq(error,
			 "in the environment, JOBLET_LOG_LEVEL:1: logging.level must be "
			 "one of debug info warn warning error, not 'shout'");
	(void)unsetenv("JOBLET_LOG_LEVEL");
	ck_assert_int_eq(jl__server_config_load("/dev/null", &c, error), -EINVAL);
	ck_assert_str_eq(error, "cannot read /dev/null: not a file");
	ck_assert_int_eq(jl__server_config_load("nowhere.yml", &c, error), -ENOENT);
	ck_assert_str_eq(error, "cannot read nowhere.yml: No such file or directory");
	free(place);
	(void)unlink("joblet-config.yml");
	(void)unlink("config/joblet-config.yml");
	(void)rmdir("config");
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

static const char *const client = "version: \"3.0\"\n"
				  "nodes:\n"
				  "  default:\n"
				  "    address: \"192.168.1.100:50051\"\n"
				  "    cert: |\n"
				  "      -----BEGIN CERTIFICATE-----\n"
				  "    key: |\n"
				  "      -----BEGIN PRIVATE KEY-----\n"
				  "    ca: |\n"
				  "      -----BEGIN CERTIFICATE-----\n"
				  "  viewer:\n"
				  "    address: '[::1]:1'\n"
				  "    nodeId: abc\n";

START_TEST(nodes_of_clients_are_read)
{
	struct jl__client_config *c;
	const struct jl__client_node *node;

	ck_assert_int_eq(
		jl__client_config_parse("rnx", client, strlen(client), &c, error), 0);
	node = jl__client_config_node(c, NULL);
	ck_assert_ptr_nonnull(node);
	ck_assert_str_eq(node->address, "192.168.1.100:50051");
	ck_assert_str_eq(node->key, "-----BEGIN PRIVATE KEY-----\n");
	node = jl__client_config_node(c, "viewer");
	ck_assert_str_eq(node->node_id, "abc");
	ck_assert_str_eq(node->key, "");
	ck_assert_ptr_null(jl__client_config_node(c, "other"));
	jl__client_config_free(c);
}
END_TEST

START_TEST(a_client_without_nodes_is_refused)
{
	struct jl__client_config *c;

	ck_assert_int_eq(jl__client_config_parse("rnx", "version: 3\n", 11, &c, error),
			 -EINVAL);
	ck_assert_str_eq(error, "rnx:1: there are no nodes in this configuration");
	ck_assert_int_eq(
		jl__client_config_parse("rnx", "nodes: {a: {}}\n", 15, &c, error),
		-EINVAL);
	ck_assert_str_eq(error, "rnx:1: node 'a' has no address");
}
END_TEST

static const struct {
	const char *text, *host;
	int port; /* 0: refused */
} addresses[] = {
	{ "host:1", "host", 1 },
	{ "host", "host", 50051 },
	{ "10.0.0.1:65535", "10.0.0.1", 65535 },
	{ "[::1]:50051", "::1", 50051 },
	{ "[::1]", "::1", 50051 },
	{ "fe80::1%eth0", "fe80::1%eth0", 50051 },
	{ "host:0", NULL, 0 },
	{ "host:65536", NULL, 0 },
	{ "host:", NULL, 0 },
	{ ":1", NULL, 0 },
	{ "", NULL, 0 },
	{ "[::1", NULL, 0 },
	{ "[::1]x", NULL, 0 },
	{ "a b:1", NULL, 0 },
	{ "http://x:1", NULL, 0 },
};

START_TEST(addresses_are_split)
{
	char host[256];
	uint16_t port = 0;
	int r = jl__split_address(addresses[_i].text, host, &port);

	if (!addresses[_i].port) {
		ck_assert_int_eq(r, -EINVAL);
		return;
	}
	ck_assert_int_eq(r, 0);
	ck_assert_str_eq(host, addresses[_i].host);
	ck_assert_int_eq(port, addresses[_i].port);
}
END_TEST

static const struct {
	const char *text;
	uint64_t usec; /* UINT64_MAX: refused */
} spans[] = {
	{ "10s", 10000000 },
	{ "100ms", 100000 },
	{ "5m", 300000000 },
	{ "24h", 86400000000 },
	{ "0", 0 },
	{ "0s", 0 },
	{ "1h30m", 5400000000 },
	{ "", UINT64_MAX },
	{ "5", UINT64_MAX },
	{ "s", UINT64_MAX },
	{ "5x", UINT64_MAX },
	{ "-5s", UINT64_MAX },
	{ "99999999999999999999h", UINT64_MAX },
};

/* doc/man/joblet-config.5, or NULL. */
static char *manual(void)
{
	const char *source = getenv("JOBLET_SOURCE_DIR");
	char path[4096], *text;
	FILE *file;
	size_t len;

	(void)snprintf(path, sizeof(path), "%s/doc/man/joblet-config.5",
		       source ? source : ".");
	file = fopen(path, "re");
	text = file ? calloc(1, 1 << 20) : NULL;
	len = text ? fread(text, 1, (1 << 20) - 1, file) : 0;
	if (file)
		(void)fclose(file);
	ck_assert_uint_gt(len, 0);
	return text;
}

START_TEST(every_key_is_in_the_manual_and_no_other)
{
	char *text = manual(), line[256];
	size_t documented = 0;

	for (size_t i = 0; i < jl__server_key_count; i++) {
		(void)snprintf(line, sizeof(line), "\n.It Cm %s\n",
			       jl__server_keys[i].path);
		ck_assert_msg(strstr(text, line) != NULL, "%s", jl__server_keys[i].path);
	}
	for (const char *p = text; (p = strstr(p, "\n.It Cm ")); p++)
		documented++;
	/* version, nodes and six keys of a node are the client's. */
	ck_assert_uint_eq(documented, jl__server_key_count + 8);
	free(text);
}
END_TEST

START_TEST(spans_are_read)
{
	uint64_t usec = UINT64_MAX;

	(void)jl__value_span(spans[_i].text, &usec);
	ck_assert_uint_eq(usec, spans[_i].usec);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config");
	TCase *tc = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_add_test(tc, sample_of_the_manual_is_read);
	tcase_add_test(tc, defaults_are_those_of_the_manual);
	tcase_add_test(tc, both_ways_to_write_a_name_are_fine);
	tcase_add_loop_test(tc, unknown_keys_are_warned_of, 0,
			    sizeof(unknown) / sizeof(*unknown));
	tcase_add_loop_test(tc, bad_values_are_refused_with_their_line, 0,
			    sizeof(bad) / sizeof(*bad));
	tcase_add_test(tc, a_key_is_never_shown);
	tcase_add_test(tc, size_depth_and_number_are_bounded);
	tcase_add_test(tc, files_and_environment_are_looked_at_in_order);
	tcase_add_test(tc, nodes_of_clients_are_read);
	tcase_add_test(tc, a_client_without_nodes_is_refused);
	tcase_add_loop_test(tc, addresses_are_split, 0,
			    sizeof(addresses) / sizeof(*addresses));
	tcase_add_test(tc, every_key_is_in_the_manual_and_no_other);
	tcase_add_loop_test(tc, spans_are_read, 0, sizeof(spans) / sizeof(*spans));
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
