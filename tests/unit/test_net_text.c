/* SPDX-License-Identifier: MIT */
/* Names, subnets, what a job may reach and publish, and what jobs are shown. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/shown.h"

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

/* ---- names ---- */

static const struct {
	const char *name;
	const char *says; /* NULL: it is one */
} names[] = {
	{ "a", NULL },
	{ "backend", NULL },
	{ "Data_2-x", NULL },
	{ "bridge", NULL },
	{ "abcdefghijklmnopqrstuvwxyz012345", NULL },
	{ "", "needs a name" },
	{ NULL, "needs a name" },
	{ "abcdefghijklmnopqrstuvwxyz0123456", "too long" },
	{ "a/b", "\"/\"" },
	{ "../../etc", "character 1" },
	{ "a b", "character 2" },
	{ "a\nb", "character 2" },
	{ "na\xc3\xafve", "character 3" },
	{ "-a", "begin and end" },
	{ "a_", "begin and end" },
	{ "a.b", "character 2" },
};

START_TEST(names_that_are_wrong_say_why)
{
	jl_error *err = NULL;
	int r = jl__net_check_name(names[_i].name, &err);

	if (!names[_i].says) {
		ck_assert_int_eq(r, 0);
		return;
	}
	ck_assert_int_eq(r, -EINVAL);
	ck_assert_msg(strstr(jl_error_message(err), names[_i].says) != NULL, "%s",
		      jl_error_message(err));
	jl_error_free(err);
}
END_TEST

static const struct {
	const char *name, *device;
} devices[] = {
	{ "bridge", "joblet0" },
	{ "isolated", "joblet-isolated" },
	{ "backend", "joblet-backend" },
	{ "12345678", "joblet-12345678" },
};

START_TEST(short_names_are_in_the_device)
{
	char device[16];

	jl__net_device(devices[_i].name, device);
	ck_assert_str_eq(device, devices[_i].device);
}
END_TEST

START_TEST(long_names_get_a_device_of_their_own)
{
	char one[16], two[16], again[16];

	jl__net_device("analytics", one);
	jl__net_device("analyticz", two);
	jl__net_device("analytics", again);
	ck_assert_uint_eq(strlen(one), 15);
	ck_assert_int_eq(strncmp(one, "jb-", 3), 0);
	ck_assert_str_eq(one, again);
	ck_assert_str_ne(one, two);
}
END_TEST

/* ---- subnets ---- */

static const struct {
	const char *text;
	uint32_t address, prefix;
	const char *says;
} cidrs[] = {
	{ "10.1.0.0/16", 0x0a010000, 16, NULL },
	{ "10.0.0.0/8", 0x0a000000, 8, NULL },
	{ "192.168.7.4/30", 0xc0a80704, 30, NULL },
	{ "203.0.113.128/25", 0xcb007180, 25, NULL },
	{ "", 0, 0, "needs a subnet" },
	{ NULL, 0, 0, "needs a subnet" },
	{ "10.1.0.0", 0, 0, "no prefix length" },
	{ "10.1.0.1/16", 0, 0, "the subnet it lies in is 10.1.0.0/16" },
	{ "10.1.0.0/31", 0, 0, "/30 is the smallest" },
	{ "10.1.0.0/32", 0, 0, "/30 is the smallest" },
	{ "10.0.0.0/7", 0, 0, "/8 is the largest" },
	{ "0.0.0.0/0", 0, 0, "/8 is the largest" },
	{ "10.1.0.0/33", 0, 0, "prefix length" },
	{ "10.1.0.0/", 0, 0, "prefix length" },
	{ "10.1.0.0/16 ", 0, 0, "prefix length" },
	{ "10.1.0.0/-1", 0, 0, "prefix length" },
	{ "10.1.0.0/016", 0, 0, "prefix length" },
	{ "10.1.0/16", 0, 0, "not of the form" },
	{ "10.1.0.0.0/16", 0, 0, "not of the form" },
	{ "10.256.0.0/16", 0, 0, "not of the form" },
	{ "010.1.0.0/16", 0, 0, "not of the form" },
	{ "0x0a.1.0.0/16", 0, 0, "not of the form" },
	{ "a.b.c.d/16", 0, 0, "not of the form" },
	{ "fd00::/64", 0, 0, "IPv6" },
	{ "127.1.0.0/16", 0, 0, "loopback" },
	{ "169.254.0.0/24", 0, 0, "link-local" },
	{ "224.0.0.0/24", 0, 0, "multicast" },
	{ "240.0.0.0/24", 0, 0, "reserved" },
	{ "255.255.255.0/24", 0, 0, "reserved" },
	{ "0.1.0.0/16", 0, 0, "this" },
};

START_TEST(subnets_that_are_wrong_say_why)
{
	struct subnet subnet;
	jl_error *err = NULL;
	int r = jl__net_parse_cidr(cidrs[_i].text, &subnet, &err);
	char back[20];

	if (!cidrs[_i].says) {
		ck_assert_int_eq(r, 0);
		ck_assert_uint_eq(subnet.address, cidrs[_i].address);
		ck_assert_uint_eq(subnet.prefix, cidrs[_i].prefix);
		jl__net_put_cidr(back, subnet.address, subnet.prefix);
		ck_assert_str_eq(back, cidrs[_i].text);
		return;
	}
	ck_assert_int_eq(r, -EINVAL);
	ck_assert_msg(strstr(jl_error_message(err), cidrs[_i].says) != NULL, "%s",
		      jl_error_message(err));
	jl_error_free(err);
}
END_TEST

static const struct {
	struct subnet a, b;
	bool overlap;
} overlaps[] = {
	{ { 0x0a000000, 8 }, { 0x0a010000, 16 }, true },
	{ { 0x0a010000, 16 }, { 0x0a000000, 8 }, true },
	{ { 0x0a010000, 16 }, { 0x0a020000, 16 }, false },
	{ { 0x0a010000, 16 }, { 0x0a01ffff, 32 }, true },
	{ { 0x0a010000, 16 }, { 0x0a020000, 32 }, false },
	{ { 0x0a010000, 16 }, { 0, 0 }, true },
};

START_TEST(subnets_overlap_or_not)
{
	ck_assert_int_eq(jl__net_overlap(overlaps[_i].a, overlaps[_i].b),
			 overlaps[_i].overlap);
}
END_TEST

/* ---- what a job may reach and publish ---- */

static const struct {
	const char *text;
	uint32_t address, prefix;
	uint16_t first, last;
} allows[] = {
	{ "10.0.0.0/8", 0x0a000000, 8, 0, 65535 },
	{ "192.0.2.7", 0xc0000207, 32, 0, 65535 },
	{ "192.0.2.7:443", 0xc0000207, 32, 443, 443 },
	{ "192.0.2.0/24:8000-8999", 0xc0000200, 24, 8000, 8999 },
	{ "0.0.0.0/0", 0, 0, 0, 65535 },
	{ "0.0.0.0/0:1-65535", 0, 0, 1, 65535 },
	{ "169.254.169.254:80", 0xa9fea9fe, 32, 80, 80 },
};

START_TEST(what_may_be_reached_is_read)
{
	struct jl__net_allow allow;

	ck_assert_int_eq(jl__net_parse_allow(allows[_i].text, &allow, NULL), 0);
	ck_assert_uint_eq(allow.address, allows[_i].address);
	ck_assert_uint_eq(allow.prefix, allows[_i].prefix);
	ck_assert_uint_eq(allow.port_first, allows[_i].first);
	ck_assert_uint_eq(allow.port_last, allows[_i].last);
}
END_TEST

static const char *const bad_allows[] = {
	NULL,
	"",
	"10.0.0.0/",
	"10.0.0.1/8",
	"10.0.0.0/8:",
	"10.0.0.0/8:0",
	"10.0.0.0/8:65536",
	"10.0.0.0/8:9-8",
	"10.0.0.0/8:8-",
	"10.0.0.0/8:8-9-",
	"10.0.0.0/8:-9",
	"example.org:443",
	"fd00::1",
	"[fd00::1]:443",
	"10.0.0.0/8/8",
	" 10.0.0.0/8",
	"10.0.0.0/8\n",
	"10.0.0.0:80:90",
	"10.0.0/8",
	"10.0.0.0/33",
	"10.0.0.0/8:08",
};

START_TEST(what_may_not_be_reached_is_refused)
{
	struct jl__net_allow allow;
	jl_error *err = NULL;

	ck_assert_int_eq(jl__net_parse_allow(bad_allows[_i], &allow, &err), -EINVAL);
	ck_assert_uint_gt(strlen(jl_error_message(err)), 20);
	jl_error_free(err);
}
END_TEST

static const struct {
	const char *text;
	uint16_t host, job;
	bool udp;
} publishes[] = {
	{ "8080:80", 8080, 80, false },
	{ "8080:80/tcp", 8080, 80, false },
	{ "5353:53/udp", 5353, 53, true },
	{ "1:65535", 1, 65535, false },
};

START_TEST(what_is_published_is_read)
{
	struct jl__net_publish publish;

	ck_assert_int_eq(jl__net_parse_publish(publishes[_i].text, &publish, NULL), 0);
	ck_assert_uint_eq(publish.host_port, publishes[_i].host);
	ck_assert_uint_eq(publish.job_port, publishes[_i].job);
	ck_assert_int_eq(publish.udp, publishes[_i].udp);
}
END_TEST

static const char *const bad_publishes[] = {
	NULL,	      "",	"80",	    ":80",    "80:",
	"0:80",	      "80:0",	"80:65536", "80:80/", "80:80/sctp",
	"80:80/udp ", "a:b",	"80:80:80", "-1:80",  "127.0.0.1:80:80",
	"080:80",     "80 :80",
};

START_TEST(what_cannot_be_published_is_refused)
{
	struct jl__net_publish publish;
	jl_error *err = NULL;

	ck_assert_int_eq(jl__net_parse_publish(bad_publishes[_i], &publish, &err),
			 -EINVAL);
	ck_assert_uint_gt(strlen(jl_error_message(err)), 20);
	jl_error_free(err);
}
END_TEST

/* ---- ranges ---- */

static bool allowed(const struct jl__net_allow *list, uint32_t count, uint32_t address,
		    uint32_t port)
{
	for (uint32_t i = 0; i < count; i++) {
		struct subnet subnet = { list[i].address, list[i].prefix };

		/* Named as part of something larger, metadata services are not meant. */
		if (address >> 16 == 0xa9fe && list[i].prefix < 16)
			continue;
		if (jl__net_overlap(subnet, (struct subnet){ address, 32 }) &&
		    port >= list[i].port_first && port <= list[i].port_last)
			return true;
	}
	return false;
}

static uint32_t in_ranges(const struct jl__nft_allow *list, uint32_t count,
			  uint32_t address, uint32_t port, bool every_protocol)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < count; i++) {
		bool every = list[i].port_first == 0 && list[i].port_last == 65535;

		found += every == every_protocol && address >= list[i].first &&
			 address <= list[i].last && port >= list[i].port_first &&
			 port <= list[i].port_last;
	}
	return found;
}

static uint32_t random_below(uint32_t limit)
{
	return (uint32_t)random() % limit;
}

static void random_allow(struct jl__net_allow *ret)
{
	static const uint32_t bases[] = { 0x0a000000, 0xa9fe0000, 0xffffff00, 0 };

	ret->prefix = random_below(4) ? 24 + random_below(9) : random_below(25);
	ret->address = (bases[random_below(4)] | random_below(256)) &
		       (ret->prefix ? ~0u << (32 - ret->prefix) : 0);
	ret->port_first = 0;
	ret->port_last = 65535;
	if (random_below(3) == 0)
		return;
	ret->port_first = (uint16_t)(1 + random_below(8));
	ret->port_last = (uint16_t)(ret->port_first + random_below(4));
}

/* Whatever is given: the same is allowed, and no two ranges of one kind meet. */
static void compare_ranges(unsigned int seed)
{
	static const uint32_t bases[] = { 0x0a000000, 0xa9fe0000, 0xffffff00, 0 };
	struct jl__net_allow list[12];
	struct jl__nft_allow ranges[ALLOW_MAX];
	uint32_t count, found;

	srandom(seed);
	count = 1 + random_below(ROWS(list));
	for (uint32_t i = 0; i < count; i++)
		random_allow(&list[i]);
	ck_assert_int_eq(jl__net_ranges(list, count, ranges, &found), 0);
	for (int i = 0; i < 500; i++) {
		uint32_t address = bases[random_below(4)] | random_below(256);
		uint32_t port = random_below(14);
		uint32_t every = in_ranges(ranges, found, address, port, true);
		uint32_t some = in_ranges(ranges, found, address, port, false);

		ck_assert_uint_le(every, 1);
		ck_assert_uint_le(some, 1);
		ck_assert_msg((every || some) == allowed(list, count, address, port),
			      "seed %u: %x:%u", seed, address, port);
	}
}

START_TEST(ranges_mean_the_same_and_do_not_overlap)
{
	for (unsigned int seed = 0; seed < 300; seed++)
		compare_ranges(seed);
}
END_TEST

START_TEST(everything_leaves_the_metadata_service_out)
{
	struct jl__net_allow every = { .port_last = 65535 };
	struct jl__nft_allow ranges[ALLOW_MAX];
	uint32_t count;

	ck_assert_int_eq(jl__net_ranges(&every, 1, ranges, &count), 0);
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(ranges[0].first, 0);
	ck_assert_uint_eq(ranges[0].last, 0xa9fdffff);
	ck_assert_uint_eq(ranges[1].first, 0xa9ff0000);
	ck_assert_uint_eq(ranges[1].last, 0xffffffff);
}
END_TEST

START_TEST(too_many_ranges_are_too_many)
{
	struct jl__net_allow list[ALLOW_MAX];
	struct jl__nft_allow ranges[ALLOW_MAX];
	uint32_t count;

	/* Side by side, and each with ports of its own. */
	for (uint32_t i = 0; i < ALLOW_MAX; i++)
		list[i] = (struct jl__net_allow){ 0x0a000000 + i * 2, 32,
						  (uint16_t)(1 + i), (uint16_t)(1 + i) };
	ck_assert_int_eq(jl__net_ranges(list, ALLOW_MAX, ranges, &count), 0);
	ck_assert_uint_eq(count, ALLOW_MAX);
	/* All of them at every place of a larger one. */
	for (uint32_t i = 0; i < ALLOW_MAX; i++)
		list[i] = (struct jl__net_allow){ i % 2 ? 0x0a000000 : 0x0a000000 + i,
						  i % 2 ? 8 : 32, (uint16_t)(1 + 2 * i),
						  (uint16_t)(1 + 2 * i) };
	ck_assert_int_eq(jl__net_ranges(list, ALLOW_MAX, ranges, &count), -E2BIG);
}
END_TEST

/* ---- what jobs are shown ---- */

static const struct {
	const char *text;
	uint32_t count, first;
	bool stub;
	const char *rest;
} resolvs[] = {
	{ "nameserver 192.0.2.1\nnameserver 192.0.2.2\n", 2, 0xc0000201, false, NULL },
	{ "# c\nnameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n", 0, 0, true,
	  "options edns0 trust-ad\nsearch lan\n" },
	{ "nameserver ::1\n", 0, 0, true, NULL },
	{ "nameserver fd00::53\nnameserver 192.0.2.1\n", 1, 0xc0000201, false, NULL },
	{ "\tnameserver\t192.0.2.1  # mine", 1, 0xc0000201, false, NULL },
	{ "nameserverx 192.0.2.1\nnameserver\nnameserver 0.0.0.0\n", 0, 0, false, NULL },
	{ "nameserver 192.0.2.1.5\nnameserver 192.0.2.300\nnameserver 1\n", 0, 0, false,
	  NULL },
	{ "domain example.org\r\nnameserver 192.0.2.1\r\n", 1, 0xc0000201, false,
	  "domain example.org\n" },
	{ "", 0, 0, false, NULL },
	{ "\n\n", 0, 0, false, NULL },
	{ "; nameserver 192.0.2.1\n#nameserver 192.0.2.1\n", 0, 0, false, NULL },
};

START_TEST(resolvers_are_found)
{
	struct jl__resolvers found = JL__RESOLVERS_INIT;

	jl__shown_parse(resolvs[_i].text, &found);
	ck_assert_uint_eq(found.count, resolvs[_i].count);
	if (found.count)
		ck_assert_uint_eq(found.servers[0], resolvs[_i].first);
	ck_assert_int_eq(found.stub, resolvs[_i].stub);
	ck_assert_pstr_eq(found.rest.data, resolvs[_i].rest);
	jl__buf_done(&found.rest);
}
END_TEST

START_TEST(a_line_of_hosts_has_one_length)
{
	static const char id[] = "0123456789abcdef0123456789abcdef";
	static const char line[] = "172.20.0.2 api 01234567 "
				   "job_0123456789abcdef0123456789abcdef job_01234567 ";
	char text[HOSTS_LINE + 1] = "", name[64];

	jl__shown_line(text, 0xac140002, id, "api");
	ck_assert_uint_eq(strlen(text), HOSTS_LINE);
	ck_assert_int_eq(strncmp(text, line, strlen(line)), 0);
	ck_assert_ptr_eq(strchr(text, '\n'), text + HOSTS_LINE - 1);
	/* The longest of everything fits, the last name too. */
	memset(name, 'n', 63);
	name[63] = '\0';
	jl__shown_line(text, 0xffffffff, "01234567-89ab-cdef-0123-456789abcdef", name);
	ck_assert_ptr_nonnull(strstr(text, " job_01234567 "));
	ck_assert_ptr_eq(strchr(text, '\n'), text + HOSTS_LINE - 1);
	jl__shown_line(text, 0xac140002, NULL, "api");
	ck_assert_int_eq(strncmp(text, "172.20.0.2 api  ", 16), 0);
}
END_TEST

/* Of a machine, of another job, of two lines. */
static const char *const others_names[] = {
	"pypi.org", "localhost", "LOCALHOST",	"job_01234567",	   "JOB_x",
	"01234567", "ABCDEF12",	 "a b",		"a\n1.2.3.4 b",	   "a\tb",
	"a#b",	    "",		 "caf\303\251", "169.254.169.254",
};

START_TEST(names_of_others_are_not_shown)
{
	static const char id[] = "89abcdef-0123-4567-89ab-cdef01234567";
	static const char line[] = "172.20.0.2 89abcdef job_89abcdef-0123-4567-89ab-"
				   "cdef01234567 job_89abcdef  ";
	char text[HOSTS_LINE + 1] = "";

	jl__shown_line(text, 0xac140002, id, others_names[_i]);
	ck_assert_int_eq(strncmp(text, line, strlen(line)), 0);
	ck_assert_ptr_eq(strchr(text, '\n'), text + HOSTS_LINE - 1);
	/* They may begin like one. */
	jl__shown_line(text, 0xac140002, id, "0123456");
	ck_assert_ptr_nonnull(strstr(text, " 0123456 "));
	jl__shown_line(text, 0xac140002, id, "jobs-1_A");
	ck_assert_ptr_nonnull(strstr(text, " jobs-1_A "));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_text");
	TCase *tcase = tcase_create("net_text");
	SRunner *runner;
	int failed;

	/* Sanitizers, on a busy machine. */
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, names_that_are_wrong_say_why, 0, ROWS(names));
	tcase_add_loop_test(tcase, short_names_are_in_the_device, 0, ROWS(devices));
	tcase_add_test(tcase, long_names_get_a_device_of_their_own);
	tcase_add_loop_test(tcase, subnets_that_are_wrong_say_why, 0, ROWS(cidrs));
	tcase_add_loop_test(tcase, subnets_overlap_or_not, 0, ROWS(overlaps));
	tcase_add_loop_test(tcase, what_may_be_reached_is_read, 0, ROWS(allows));
	tcase_add_loop_test(tcase, what_may_not_be_reached_is_refused, 0,
			    ROWS(bad_allows));
	tcase_add_loop_test(tcase, what_is_published_is_read, 0, ROWS(publishes));
	tcase_add_loop_test(tcase, names_of_others_are_not_shown, 0, ROWS(others_names));
	tcase_add_loop_test(tcase, what_cannot_be_published_is_refused, 0,
			    ROWS(bad_publishes));
	tcase_add_test(tcase, ranges_mean_the_same_and_do_not_overlap);
	tcase_add_test(tcase, everything_leaves_the_metadata_service_out);
	tcase_add_test(tcase, too_many_ranges_are_too_many);
	tcase_add_loop_test(tcase, resolvers_are_found, 0, ROWS(resolvs));
	tcase_add_test(tcase, a_line_of_hosts_has_one_length);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
