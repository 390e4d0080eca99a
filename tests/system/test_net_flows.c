/* SPDX-License-Identifier: MIT */
/*
 * The kernel's table of connections, which is one for all: no job fills it, and no job
 * has anything of an earlier one at its address.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net_world.h"

/* For one job: who comes next has its address. */
#define TINY "tiny"
#define TINY_CIDR "10.78.0.0/30"
#define JOB_PORT "48082" /* keeps its number on the way out */
#define HOST_PORT "18081"
#define OUTSIDE_PORT "18083"
/* The outside has no way there, and does not say so. */
#define NOWHERE "192.0.2.1"

static struct run run;

/* ---- the table ---- */

static unsigned long number_in(const char *path)
{
	const char *text = run_at(false, "cat %s", path);
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	ck_assert_msg(end != text, "%s: %s", path, text);
	return number;
}

#define ENTRIES "/proc/sys/net/netfilter/nf_conntrack_count"

/* As doc/networks.md has it: so many, or a part of the table. */
static unsigned long share_of_a_job(unsigned long most, unsigned long part)
{
	unsigned long all = number_in("/proc/sys/net/netfilter/nf_conntrack_max");

	return all / part < most ? all / part : most;
}

static const char *const kinds[] = { "udp", "tcp" };

START_TEST(a_flood_does_not_fill_the_table)
{
	unsigned long share, before, sent, during, after;
	struct run server, flood;
	jl_job_spec *spec;
	char least[32];

	serve(&server, "bridge", "neighbour");
	share = share_of_a_job(4096, 16);
	before = number_in(ENTRIES);
	/* Long enough for more than its share at the rate of new ones. */
	(void)snprintf(least, sizeof(least), "%lu", 2 * share + 1);
	spec = peer("bridge", NULL, "flood", kinds[_i], NOWHERE, "4000", least, NULL);
	run_start(&flood, spec);
	jl_job_spec_free(spec);
	run_until(&flood, " sent\n");
	sent = strtoul(flood.text[0], NULL, 10);
	during = number_in(ENTRIES) - before;
	note("%s: %lu sent, %lu entries", kinds[_i], sent, during);
	ck_assert_uint_gt(sent, 2 * share);
	ck_assert_uint_ge(during, share / 2);
	ck_assert_uint_le(during, share + 16);
	/* Nobody else minds. */
	spec = peer("bridge", NULL, "reach", "3000", NULL);
	add_targets(spec, OUTSIDE, PORT, true);
	add_targets(spec, jl_job_get_address(server.job), PORT, true);
	run_spec(&run, spec);
	ck_answers(&run, OUTSIDE, PORT, "outside");
	ck_answers(&run, jl_job_get_address(server.job), PORT, "neighbour");
	run_done(&run);
	ck_assert_str_eq(run_at(false, "%s reach 3000 +tcp:" OUTSIDE ":" PORT, peer_path),
			 "tcp:" OUTSIDE ":" PORT " outside " MACHINE "\n");
	/* And all of it goes with the job. */
	serve_end(&flood);
	after = number_in(ENTRIES);
	note("%lu entries afterwards", after);
	ck_assert_uint_le(after, before + 16);
	serve_end(&server);
}
END_TEST

/* Who gives up as soon as he has asked has nothing open, but the table has it. */
START_TEST(closed_connections_come_one_after_the_other)
{
	double begin = now(), most = (double)share_of_a_job(2048, 32),
	       rate = (double)share_of_a_job(800, 320);
	jl_job_spec *spec = peer("bridge", NULL, "flood", "tcp", OUTSIDE, "2000", "20000",
				 PORT, NULL);
	unsigned long before = number_in(ENTRIES), during;
	struct run flood;

	run_start(&flood, spec);
	jl_job_spec_free(spec);
	run_until(&flood, " sent\n");
	during = number_in(ENTRIES) - before;
	note("%s, %lu entries", flood.text[0], during);
	ck_assert_uint_ge(during, 100);
	ck_assert_uint_le(during, (unsigned long)(most + rate * (now() - begin)) + 16);
	serve_end(&flood);
}
END_TEST

/* ---- the next one at an address ---- */

static void make_tiny(void)
{
	ck_ok(jl_net_create(ctx, TINY, TINY_CIDR, NULL, &err));
}

static void start_in_tiny(struct run *job, jl_job_spec *spec)
{
	run_start(job, spec);
	jl_job_spec_free(spec);
	run_until(job, "ready\n");
}

static const char *outside_asks(const char *from, const char *port, bool answers)
{
	return run_at(true, "%s ask %s " MACHINE " %s %s", peer_path, from, port,
		      answers ? "60000" : "700");
}

/* The table still knows where the datagrams of that client went. */
START_TEST(a_published_port_ends_with_its_job)
{
	jl_job_spec *spec;

	make_tiny();
	spec = peer(TINY, NULL, "serve", "first", JOB_PORT, NULL);
	ck_ok(jl_job_spec_add_publish(spec, HOST_PORT ":" JOB_PORT "/udp", &err));
	start_in_tiny(&run, spec);
	ck_assert_str_eq(outside_asks(OUTSIDE_PORT, HOST_PORT, true),
			 "first " OUTSIDE "\n");
	serve_end(&run);
	start_in_tiny(&run, peer(TINY, NULL, "serve", "second", JOB_PORT, NULL));
	ck_assert_str_eq(outside_asks(OUTSIDE_PORT, HOST_PORT, false), "silence\n");
	serve_end(&run);
	ck_ok(jl_net_remove(ctx, TINY, &err));
}
END_TEST

START_TEST(a_restricted_job_hears_nobody_an_earlier_one_has_asked)
{
	jl_job_spec *spec;

	make_tiny();
	spec = peer(TINY, NULL, "ask", JOB_PORT, OUTSIDE, OUTSIDE_PORT, "1", NULL);
	run_spec(&run, spec);
	ck_ended(&run, JL_REASON_EXITED, 0);
	run_done(&run);
	spec = peer(TINY, NULL, "hear", JOB_PORT, "1500", NULL);
	ck_ok(jl_job_spec_add_allow_net(spec, FARAWAY, &err));
	start_in_tiny(&run, spec);
	(void)outside_asks(OUTSIDE_PORT, JOB_PORT, false);
	run_end(&run);
	ck_assert_str_eq(run.text[0], "ready\nsilence\n");
	run_done(&run);
	ck_ok(jl_net_remove(ctx, TINY, &err));
}
END_TEST

/*
 * The way out is by the machine's address, and keeps the port where it can. What comes
 * back to that port is the job's: it must not be one of a service.
 */
START_TEST(a_job_gets_nothing_that_is_for_the_machine)
{
	run_spec(&run,
		 peer("bridge", NULL, "ask", PORT, OUTSIDE, OUTSIDE_PORT, "1", NULL));
	ck_ended(&run, JL_REASON_EXITED, 0);
	run_done(&run);
	ck_assert_str_eq(outside_asks(OUTSIDE_PORT, PORT, true), "machine " OUTSIDE "\n");
}
END_TEST

static uint64_t received(const struct run *job)
{
	struct jl_stats stats = { .size = sizeof(stats) };

	ck_ok(jl_job_get_stats(job->job, &stats, &err));
	return stats.net_received_packets;
}

/*
 * To the kernel it is the same conversation, whichever way it comes. All of them would
 * come through; one packet is nothing, as the kernels of both sides have their own to
 * say.
 */
#define FORGED 8

START_TEST(nobody_outside_speaks_for_a_job)
{
	jl_job_spec *spec;
	struct run server;
	uint64_t before;

	serve(&server, "bridge", "server");
	spec = peer("bridge", NULL, "ask", JOB_PORT, jl_job_get_address(server.job), PORT,
		    "60000", "stay", NULL);
	run_start(&run, spec);
	jl_job_spec_free(spec);
	run_until(&run, "server ");
	before = received(&server);
	(void)run_at(true,
		     "ip addr add %s/32 dev lo; ip route add %s via " MACHINE " src %s;"
		     "for i in $(seq %d); do %s ask " JOB_PORT " %s " PORT " 100; done;"
		     "ip addr del %s/32 dev lo",
		     jl_job_get_address(run.job), jl_job_get_address(server.job),
		     jl_job_get_address(run.job), FORGED, peer_path,
		     jl_job_get_address(server.job), jl_job_get_address(run.job));
	ck_assert_uint_lt(received(&server), before + FORGED / 2);
	serve_end(&run);
	serve_end(&server);
}
END_TEST

/* ---- datagrams in pieces ---- */

START_TEST(fragments_go_where_whole_datagrams_do)
{
	static const char *const refused[][2] = { { OUTSIDE, OTHER_PORT },
						  { FARAWAY, PORT },
						  { MACHINE, PORT } };
	jl_job_spec *spec = peer("bridge", NULL, "reach", "700", NULL);

	ck_ok(jl_job_spec_add_allow_net(spec, OUTSIDE ":" PORT, &err));
	ck_ok(jl_job_spec_add_arg(spec, "+large:" OUTSIDE ":" PORT, &err));
	for (size_t i = 0; i < COUNT(refused); i++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "large:%s:%s", refused[i][0],
			       refused[i][1]);
		ck_ok(jl_job_spec_add_arg(spec, text, &err));
	}
	run_spec(&run, spec);
	ck_assert_str_eq(answer_of(&run, "large", OUTSIDE, PORT), "outside " MACHINE);
	for (size_t i = 0; i < COUNT(refused); i++)
		ck_assert_str_eq(answer_of(&run, "large", refused[i][0], refused[i][1]),
				 "- silence");
	run_done(&run);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_loop_test(tcase, a_flood_does_not_fill_the_table, 0, (int)COUNT(kinds));
	tcase_add_test(tcase, closed_connections_come_one_after_the_other);
	tcase_add_test(tcase, a_published_port_ends_with_its_job);
	tcase_add_test(tcase, a_restricted_job_hears_nobody_an_earlier_one_has_asked);
	tcase_add_test(tcase, a_job_gets_nothing_that_is_for_the_machine);
	tcase_add_test(tcase, nobody_outside_speaks_for_a_job);
	tcase_add_test(tcase, fragments_go_where_whole_datagrams_do);
}

int main(int argc, char **argv)
{
	return world_main(argc, argv, "net_flows", 60, add);
}
