/* SPDX-License-Identifier: MIT */
/* Jobs in networks: who reaches whom, by what name, how much and how fast. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net_world.h"

#define OWN "mynet"
#define OWN_CIDR "10.77.0.0/24"
#define OWN_GATEWAY "10.77.0.1"

static struct run run;

/* So many ms after the last answer no more will come. */
static const char *patience_ms(void)
{
	return is_slow() ? "2000" : "600";
}

static void make_network(const char *name, const char *cidr)
{
	ck_ok(jl_net_create(ctx, name, cidr, NULL, &err));
}

static void drop_network(const char *name)
{
	ck_ok(jl_net_remove(ctx, name, &err));
}

/* ---- looking ---- */

START_TEST(explaining_makes_nothing)
{
	jl_job_spec *spec = command("true", NULL);
	char *text = NULL;

	ck_ok(jl_job_spec_set_network(spec, JL_NETWORK_BRIDGE, &err));
	ck_ok(jl_job_spec_add_allow_net(spec, "10.0.0.0/8:443", &err));
	ck_ok(jl_job_spec_add_publish(spec, "8080:80", &err));
	ck_ok(jl_job_spec_set_net_bps(spec, 1 << 20, &err));
	ck_ok(jl_job_spec_explain(ctx, spec, &text, &err));
	ck_assert_ptr_nonnull(strstr(text, "network: bridge\n"));
	ck_assert_ptr_nonnull(strstr(text, "10.0.0.0/8 ports 443 to 443\n"));
	ck_assert_ptr_nonnull(strstr(text, "port 8080 of the host is port 80 of the job"));
	ck_assert_ptr_nonnull(strstr(text, "1048576 bytes per second"));
	jl_free(text);
	text = NULL;
	ck_assert_ptr_null(strstr(run_at(false, "ip link; nft list ruleset"), "joblet"));
	ck_ok(jl_job_spec_set_network_name(spec, "nowhere", &err));
	ck_fails(jl_job_spec_explain(ctx, spec, &text, &err), -ENOENT, "nowhere");
	jl_job_spec_free(spec);
}
END_TEST

/* ---- the matrix ---- */

enum { BRIDGE_JOB, OWN_JOB, ISOLATED_JOB, SERVERS };

static const struct {
	const char *network;
	bool servers[SERVERS]; /* reached */
	bool outside;
	bool host; /* everything the machine reaches itself */
} modes[] = {
	{ "none", { false, false, false }, false, false },
	{ "isolated", { false, false, false }, true, false },
	{ "bridge", { true, false, false }, true, false },
	{ OWN, { false, true, false }, true, false },
	{ "host", { false, false, false }, true, true },
};

static const char *const host_addresses[] = { MACHINE, "172.20.0.1", OWN_GATEWAY,
					      "127.0.0.1" };

static void check_mode(size_t mode, const struct run servers[SERVERS],
		       const char *const names[SERVERS])
{
	bool host = modes[mode].host;

	note("%s", modes[mode].network);
	for (int i = 0; i < SERVERS && !host; i++)
		ck_answers(&run, jl_job_get_address(servers[i].job), PORT,
			   modes[mode].servers[i] ? names[i] : NULL);
	for (size_t i = 0; i < COUNT(host_addresses); i++)
		ck_answers(&run, host_addresses[i], PORT, host ? "machine" : NULL);
	ck_answers(&run, OUTSIDE, PORT, modes[mode].outside ? "outside" : NULL);
	ck_answers(&run, FARAWAY, PORT, modes[mode].outside ? "outside" : NULL);
	ck_answers(&run, METADATA, PORT, host ? "outside" : NULL);
	/* Loopback is there, and is the job's own. */
	ck_assert_str_eq(answer_of(&run, "tcp", "127.0.0.1", PORT),
			 host ? "machine 127.0.0.1" : "- Connection refused");
	/* The outside sees the machine, not the job. */
	if (modes[mode].outside)
		ck_assert_str_eq(answer_of(&run, "tcp", FARAWAY, PORT),
				 "outside " MACHINE);
}

/* By name only those of the same network are known. */
static void check_names(size_t mode, const char *const names[SERVERS])
{
	jl_job_spec *spec =
		shell("for n in \"$@\"; do getent hosts $n >/dev/null && echo $n;"
		      " done; echo end");
	char expected[64] = "";

	ck_ok(jl_job_spec_set_network_name(spec, modes[mode].network, &err));
	ck_ok(jl_job_spec_add_arg(spec, "sh", &err));
	for (int i = 0; i < SERVERS; i++) {
		ck_ok(jl_job_spec_add_arg(spec, names[i], &err));
		if (modes[mode].servers[i])
			(void)snprintf(expected, sizeof(expected), "%s\n", names[i]);
	}
	(void)strcat(expected, "end\n");
	ck_prints(spec, expected);
}

START_TEST(who_reaches_whom)
{
	static const char *const networks[SERVERS] = { "bridge", OWN, "isolated" };
	static const char *const names[SERVERS] = { "in-bridge", "in-mynet",
						    "in-isolated" };
	struct run servers[SERVERS];

	make_network(OWN, OWN_CIDR);
	for (int i = 0; i < SERVERS; i++)
		serve(&servers[i], networks[i], names[i]);
	for (size_t mode = 0; mode < COUNT(modes); mode++) {
		jl_job_spec *spec = peer(modes[mode].network, NULL, "reach", patience_ms(),
					 NULL);

		for (int i = 0; i < SERVERS; i++)
			add_targets(spec, jl_job_get_address(servers[i].job), PORT,
				    modes[mode].servers[i]);
		for (size_t i = 0; i < COUNT(host_addresses); i++)
			add_targets(spec, host_addresses[i], PORT, modes[mode].host);
		add_targets(spec, OUTSIDE, PORT, modes[mode].outside);
		add_targets(spec, FARAWAY, PORT, modes[mode].outside);
		add_targets(spec, METADATA, PORT, modes[mode].host);
		run_spec(&run, spec);
		ck_ended(&run, JL_REASON_EXITED, 0);
		check_mode(mode, servers, names);
		run_done(&run);
		check_names(mode, names);
	}
	for (int i = 0; i < SERVERS; i++)
		serve_end(&servers[i]);
	close_ctx();
	ctx = open_ctx(0);
	drop_network(OWN);
}
END_TEST

/* ---- isolated ---- */

static void start_sleepers(jl_job **jobs, long count)
{
	for (long i = 0; i < count; i++) {
		jl_job_spec *spec = command("sleep", "1000", NULL);

		ck_ok(jl_job_spec_set_network(spec, JL_NETWORK_ISOLATED, &err));
		ck_ok(jl_job_spawn(ctx, spec, &jobs[i], &err));
		remember(jobs[i]);
		jl_job_spec_free(spec);
	}
}

static void end_all(jl_job **jobs, long count)
{
	for (long i = 0; i < count; i++)
		ck_ok(jl_job_kill(jobs[i], &err));
	for (long i = 0; i < count; i++) {
		ck_ok(jl_job_wait(jobs[i], JL_FOREVER, &err));
		jobs[i] = jl_job_unref(jobs[i]);
	}
}

/* Who is reached without a service there refuses; who is not stays silent. */
START_TEST(any_number_of_isolated_jobs)
{
	long count = number_of("JOBLET_TEST_ISOLATED", is_slow() ? 20 : 200);
	jl_job **jobs = calloc((size_t)count, sizeof(jl_job *));
	jl_job_spec *spec;
	long step = count > 50 ? count / 50 : 1;

	ck_assert_ptr_nonnull(jobs);
	start_sleepers(jobs, count);
	spec = peer("isolated", NULL, "reach", patience_ms(), NULL);
	add_targets(spec, OUTSIDE, PORT, true);
	for (long i = 0; i < count; i += step)
		add_targets(spec, jl_job_get_address(jobs[i]), "9", false);
	run_spec(&run, spec);
	ck_answers(&run, OUTSIDE, PORT, "outside");
	for (long i = 0; i < count; i += step) {
		ck_assert_str_eq(
			answer_of(&run, "tcp", jl_job_get_address(jobs[i]), "9"),
			"- silence");
		ck_assert_str_eq(
			answer_of(&run, "udp", jl_job_get_address(jobs[i]), "9"),
			"- silence");
	}
	run_done(&run);
	end_all(jobs, count);
	free(jobs);
}
END_TEST

/* ---- names ---- */

START_TEST(jobs_know_each_other_by_name)
{
	struct run early, late;
	jl_job_spec *spec;
	char script[512];
	const char *id;

	/* It was there before anybody else, and waits for the name of who comes later. */
	spec = shell("until getent hosts late; do sleep 0.02; done; echo seen");
	ck_ok(jl_job_spec_set_network(spec, JL_NETWORK_BRIDGE, &err));
	ck_ok(jl_job_spec_set_name(spec, "early", &err));
	run_start(&early, spec);
	jl_job_spec_free(spec);
	spec = shell("sleep 1000");
	ck_ok(jl_job_spec_set_network(spec, JL_NETWORK_BRIDGE, &err));
	ck_ok(jl_job_spec_set_name(spec, "late", &err));
	run_start(&late, spec);
	jl_job_spec_free(spec);
	run_end(&early);
	ck_assert_msg(strstr(early.text[0], "seen\n") != NULL &&
			      strstr(early.text[0], jl_job_get_address(late.job)),
		      "it said \"%s\"", early.text[0]);
	run_done(&early);
	id = jl_job_get_id(late.job);
	/* Or it would be an address. */
	ck_assert_msg(id[0] >= 'a' && id[0] <= 'f', "%s", id);
	(void)snprintf(script, sizeof(script),
		       "for n in late %.8s job_%s localhost; do getent ahostsv4 $n | head -n1 | "
		       "cut -d' ' -f1; done; getent hosts early || echo gone",
		       id, id);
	spec = shell(script);
	ck_ok(jl_job_spec_set_network(spec, JL_NETWORK_BRIDGE, &err));
	(void)snprintf(script, sizeof(script), "%s\n%s\n%s\n127.0.0.1\ngone\n",
		       jl_job_get_address(late.job), jl_job_get_address(late.job),
		       jl_job_get_address(late.job));
	ck_prints(spec, script);
	serve_end(&late);
}
END_TEST

START_TEST(the_machines_resolver_is_asked)
{
	jl_job_spec *spec = shell("grep nameserver /etc/resolv.conf");

	ck_ok(jl_job_spec_set_network(spec, JL_NETWORK_BRIDGE, &err));
	ck_prints(spec, "nameserver " OUTSIDE "\n");
}
END_TEST

START_TEST(names_cannot_be_changed_from_inside)
{
	jl_job_spec *spec = shell("(echo 1.2.3.4 evil >>/etc/hosts) 2>/dev/null;"
				  "(echo x >/etc/joblet/x) 2>/dev/null;"
				  "rm -f /etc/hosts 2>/dev/null;"
				  "getent hosts evil; ls /etc/joblet");

	ck_ok(jl_job_spec_set_network(spec, JL_NETWORK_BRIDGE, &err));
	ck_prints(spec, "hosts\nresolv.conf\n");
}
END_TEST

/* ---- egress ---- */

START_TEST(only_what_is_allowed)
{
	struct run server;
	jl_job_spec *spec;

	serve(&server, "bridge", "server");
	spec = peer("bridge", NULL, "reach", patience_ms(), NULL);
	ck_ok(jl_job_spec_add_allow_net(spec, OUTSIDE "/32:" PORT, &err));
	ck_ok(jl_job_spec_add_allow_net(spec, METADATA, &err));
	add_targets(spec, OUTSIDE, PORT, true);
	add_targets(spec, OUTSIDE, OTHER_PORT, false);
	add_targets(spec, FARAWAY, PORT, false);
	add_targets(spec, METADATA, OTHER_PORT, true);
	add_targets(spec, MACHINE, PORT, false);
	add_targets(spec, jl_job_get_address(server.job), PORT, false);
	run_spec(&run, spec);
	ck_answers(&run, OUTSIDE, PORT, "outside");
	ck_answers(&run, OUTSIDE, OTHER_PORT, NULL);
	ck_answers(&run, FARAWAY, PORT, NULL);
	ck_answers(&run, METADATA, OTHER_PORT, "outside");
	ck_answers(&run, MACHINE, PORT, NULL);
	ck_answers(&run, jl_job_get_address(server.job), PORT, NULL);
	run_done(&run);
	serve_end(&server);
	/* The next one with this place is not restricted. */
	spec = peer("bridge", NULL, "reach", patience_ms(), NULL);
	add_targets(spec, FARAWAY, PORT, true);
	run_spec(&run, spec);
	ck_answers(&run, FARAWAY, PORT, "outside");
	run_done(&run);
}
END_TEST

/* ---- published ports ---- */

static const char *from_outside(const char *address, const char *port, bool answers)
{
	return run_at(true, "%s reach %s %stcp:%s:%s", peer_path, patience_ms(),
		      answers ? "+" : "", address, port);
}

START_TEST(a_published_port_leads_to_the_job)
{
	jl_job_spec *spec = peer("bridge", "web", "serve", "web", PORT, NULL), *inside;
	struct run other;
	jl_job_spec *second = command("true", NULL);
	jl_job *job = NULL;

	ck_ok(jl_job_spec_add_publish(spec, "18080:" PORT, &err));
	run_start(&run, spec);
	jl_job_spec_free(spec);
	run_until(&run, "ready\n");
	ck_assert_str_eq(from_outside(MACHINE, "18080", true),
			 "tcp:" MACHINE ":18080 web " OUTSIDE "\n");
	ck_assert_ptr_nonnull(strstr(run_at(false, "%s reach %s +tcp:" MACHINE ":18080",
					    peer_path, patience_ms()),
				     " web "));
	/* It is there for the outside and the machine; other jobs have its name. */
	inside = peer("bridge", NULL, "reach", patience_ms(), NULL);
	add_targets(inside, MACHINE, "18080", false);
	add_targets(inside, "172.20.0.1", "18080", false);
	run_spec(&other, inside);
	ck_answers(&other, MACHINE, "18080", NULL);
	ck_answers(&other, "172.20.0.1", "18080", NULL);
	run_done(&other);
	/* Nothing else of it is in reach. */
	ck_assert_ptr_nonnull(
		strstr(from_outside(jl_job_get_address(run.job), PORT, false), " - "));
	/* Taken: by another job, by a service of the machine. */
	ck_ok(jl_job_spec_set_network(second, JL_NETWORK_BRIDGE, &err));
	ck_ok(jl_job_spec_add_publish(second, "18080:80", &err));
	ck_fails(jl_job_spawn(ctx, second, &job, &err), -EADDRINUSE, "18080");
	serve_end(&run);
	ck_ok(jl_job_spawn(ctx, second, &job, &err));
	ck_ok(jl_job_wait(job, JL_FOREVER, &err));
	(void)jl_job_unref(job);
	ck_ok(jl_job_spec_add_publish(second, PORT ":80", &err));
	ck_fails(jl_job_spawn(ctx, second, &job, &err), -EADDRINUSE, PORT);
	jl_job_spec_free(second);
	ck_assert_ptr_nonnull(strstr(from_outside(MACHINE, "18080", false), " - "));
}
END_TEST

/* ---- how much, how fast ---- */

#define SENT "3000000"

START_TEST(traffic_is_counted)
{
	struct jl_stats stats = { .size = sizeof(stats) };

	run_spec(&run, peer("bridge", NULL, "put", OUTSIDE, PORT, SENT, NULL));
	ck_ended(&run, JL_REASON_EXITED, 0);
	ck_ok(jl_job_get_stats(run.job, &stats, &err));
	ck_assert_uint_ge(stats.net_sent_bytes, 3000000);
	ck_assert_uint_le(stats.net_sent_bytes, 3300000);
	ck_assert_uint_gt(stats.net_sent_packets, 10);
	ck_assert_uint_gt(stats.net_received_packets, 10);
	ck_assert_uint_le(stats.net_received_bytes, 300000);
	run_done(&run);
	run_spec(&run, command("true", NULL));
	ck_ok(jl_job_get_stats(run.job, &stats, &err));
	ck_assert_uint_eq(stats.net_sent_bytes, UINT64_MAX);
	run_done(&run);
}
END_TEST

START_TEST(traffic_is_counted_while_it_flows)
{
	struct jl_stats stats = { .size = sizeof(stats) };
	struct run server;

	serve(&server, "bridge", "server");
	run_spec(&run, peer("bridge", NULL, "put", jl_job_get_address(server.job), PORT,
			    SENT, NULL));
	ck_ended(&run, JL_REASON_EXITED, 0);
	run_done(&run);
	ck_ok(jl_job_get_stats(server.job, &stats, &err));
	ck_assert_uint_ge(stats.net_received_bytes, 3000000);
	ck_assert_uint_le(stats.net_received_bytes, 3300000);
	serve_end(&server);
}
END_TEST

/* Routes and addresses of ports make every change of the machine's network slower. */
START_TEST(ports_are_nothing_to_the_machines_ipv6)
{
	static const char look[] = "cat /proc/net/ipv6_route /proc/net/if_inet6 | wc -l";
	struct run first, second;
	char before[32];

	serve(&first, "bridge", "first");
	(void)snprintf(before, sizeof(before), "%s", run_at(false, look));
	serve(&second, "bridge", "second");
	ck_assert_str_eq(run_at(false, look), before);
	serve_end(&second);
	serve_end(&first);
}
END_TEST

static const char *const ways[] = { "put", "get" };

START_TEST(bandwidth_is_limited_each_way)
{
	jl_job_spec *spec = peer("bridge", NULL, ways[_i], OUTSIDE, PORT, SENT, NULL);
	double took;

	ck_ok(jl_job_spec_set_net_bps(spec, 3000000, &err));
	run_spec(&run, spec);
	ck_ended(&run, JL_REASON_EXITED, 0);
	took = strtod(run.text[0], NULL) / 1000;
	note("%s of " SENT " bytes at 3000000 a second: %.2f s", ways[_i], took);
	/* A burst goes through at once. */
	ck_assert_msg(took > 0.6 && took < 2 * patience, "%.2f s", took);
	run_done(&run);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, explaining_makes_nothing);
	tcase_add_test(tcase, who_reaches_whom);
	tcase_add_test(tcase, any_number_of_isolated_jobs);
	tcase_add_test(tcase, jobs_know_each_other_by_name);
	tcase_add_test(tcase, the_machines_resolver_is_asked);
	tcase_add_test(tcase, names_cannot_be_changed_from_inside);
	tcase_add_test(tcase, only_what_is_allowed);
	tcase_add_test(tcase, a_published_port_leads_to_the_job);
	tcase_add_test(tcase, traffic_is_counted);
	tcase_add_test(tcase, traffic_is_counted_while_it_flows);
	tcase_add_test(tcase, ports_are_nothing_to_the_machines_ipv6);
	tcase_add_loop_test(tcase, bandwidth_is_limited_each_way, 0, (int)COUNT(ways));
}

int main(int argc, char **argv)
{
	return world_main(argc, argv, "net_job", 60, add);
}
