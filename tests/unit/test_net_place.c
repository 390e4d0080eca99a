/* SPDX-License-Identifier: MIT */
/* The leases in a folder of their own, and the messages of a place. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/netlink.h>

#include "net/net-priv.h"
#include "sys/wire.h"

static char path[] = "/tmp/joblet-leases-XXXXXX";
static int folder = -1, fd = -1;
static uint32_t serial;

static void open_leases(uint32_t address, uint32_t prefix)
{
	struct leases_head head = { .magic = LEASES_MAGIC,
				    .state = LEASES_READY,
				    .address = address,
				    .prefix = prefix,
				    .device = "joblet0" };

	ck_assert_ptr_nonnull(mkdtemp(path));
	folder = open(path, O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(folder, 0);
	ck_assert_int_eq(jl__leases_create(folder, &head), 0);
	ck_assert_int_eq(jl__leases_open(folder, &fd, &head), 0);
}

static void tear_down(void)
{
	if (folder < 0)
		return;
	(void)unlinkat(folder, "leases", 0);
	(void)rmdir(path);
	(void)close(folder);
	(void)close(fd);
}

static int take(uint32_t *index, uint32_t *number)
{
	struct lease lease = { .number = ++serial, .device = "jv0123456789ab" }, last;
	int r = jl__leases_find(fd, index, &last);

	*number = lease.number;
	return r < 0 ? r : jl__leases_take(fd, *index, &lease);
}

static uint32_t must_take(void)
{
	uint32_t index, number;

	ck_assert_int_eq(take(&index, &number), 0);
	return index;
}

/* What whoever ends a job does, without our knowing. */
static void end(uint32_t index)
{
	uint32_t word = 0;

	ck_assert_int_eq(pwrite(fd, &word, 4, WORDS_AT + index * 4), 4);
}

START_TEST(addresses_come_one_after_the_other)
{
	open_leases(0xac140000, 16);
	for (uint32_t i = 0; i < 600; i++)
		ck_assert_uint_eq(must_take(), i);
}
END_TEST

START_TEST(an_address_rests_before_it_is_used_again)
{
	open_leases(0x0a000000, 24);
	ck_assert_uint_eq(must_take(), 0);
	end(0);
	ck_assert_uint_eq(must_take(), 1);
	for (uint32_t i = 2; i < 253; i++) {
		ck_assert_uint_eq(must_take(), i);
		end(i);
	}
	/* Round, and past the one that is still held. */
	ck_assert_uint_eq(must_take(), 0);
	ck_assert_uint_eq(must_take(), 2);
}
END_TEST

static const struct {
	uint32_t prefix, count;
} sizes[] = { { 30, 1 }, { 29, 5 }, { 28, 13 }, { 24, 253 }, { 23, 509 } };

START_TEST(gateway_and_broadcast_are_nobodys)
{
	jl_net net = { .address = 0x0a000000, .prefix = sizes[_i].prefix };
	uint32_t index, number, last = 0;

	open_leases(net.address, net.prefix);
	for (uint32_t i = 0; i < sizes[_i].count; i++)
		last = must_take();
	ck_assert_int_eq(take(&index, &number), -ENOSPC);
	ck_assert_uint_eq(jl__net_address_of(&net, 0), 0x0a000002);
	ck_assert_uint_eq(jl__net_address_of(&net, last),
			  0x0a000000 + (1u << (32 - net.prefix)) - 2);
}
END_TEST

START_TEST(a_large_subnet_costs_no_more)
{
	struct stat st;

	open_leases(0x0a000000, 8);
	for (int i = 0; i < 100; i++)
		(void)must_take();
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_le(st.st_blocks * 512, 65536);
	ck_assert_uint_eq(jl__net_window(8), WINDOW_MAX);
}
END_TEST

START_TEST(a_bridge_has_no_port_for_more)
{
	uint32_t index, number;

	open_leases(0xac140000, 16);
	for (uint32_t i = 0; i < PORTS_MAX; i++)
		(void)must_take();
	ck_assert_int_eq(take(&index, &number), -EXFULL);
	/* It is counted again: words become 0 behind our back. */
	end(17);
	ck_assert_uint_eq(must_take(), PORTS_MAX);
	ck_assert_int_eq(take(&index, &number), -EXFULL);
}
END_TEST

START_TEST(only_its_own_number_frees_a_place)
{
	struct leases_count count;
	uint32_t index, number;
	struct lease lease;

	open_leases(0xac140000, 16);
	ck_assert_int_eq(take(&index, &number), 0);
	ck_assert_int_eq(jl__leases_free(fd, index, number + 1), -ENOENT);
	ck_assert_int_eq(jl__leases_read(fd, index, number, &lease), 0);
	ck_assert_int_eq(jl__leases_claim(fd, index, &lease), 0);
	ck_assert_int_eq(jl__leases_count(fd, &count), 0);
	ck_assert_uint_eq(count.taken, 1);
	ck_assert_uint_eq(count.claimed, 1);
	ck_assert_int_eq(jl__leases_unclaim(fd, index, number), 0);
	ck_assert_int_eq(jl__leases_count(fd, &count), 0);
	ck_assert_uint_eq(count.claimed, 0);
	ck_assert_int_eq(jl__leases_free(fd, index, number), 0);
	ck_assert_int_eq(jl__leases_free(fd, index, number), -ENOENT);
	ck_assert_int_eq(jl__leases_claim(fd, index, &lease), -ENOENT);
}
END_TEST

START_TEST(a_network_that_goes_gives_no_places)
{
	struct lease lease;
	uint32_t index, number;

	open_leases(0xac140000, 16);
	ck_assert_int_eq(take(&index, &number), 0);
	ck_assert_int_eq(jl__leases_read(fd, index, number, &lease), 0);
	ck_assert_int_eq(jl__leases_set_state(fd, LEASES_GONE), 0);
	ck_assert_int_eq(jl__leases_claim(fd, index, &lease), -ENOENT);
	ck_assert_int_eq(take(&index, &number), -ENOENT);
}
END_TEST

/* Jobs that ended without their program leave their lines marked. */
START_TEST(lines_of_the_dead_are_found_again)
{
	struct lease lease;
	uint32_t index, number;

	open_leases(0xac140000, 16);
	for (uint32_t i = 0; i < 2 * LINES_MAX; i++) {
		ck_assert_int_eq(take(&index, &number), 0);
		ck_assert_int_eq(jl__leases_read(fd, index, number, &lease), 0);
		ck_assert_int_eq(jl__leases_line(fd, &lease), 0);
		ck_assert_uint_ge(lease.line, 1);
		ck_assert_uint_le(lease.line, LINES_MAX);
		ck_assert_int_eq(jl__leases_claim(fd, index, &lease), 0);
		if (i % 500)
			end(index);
	}
	ck_assert_uint_eq(jl__leases_take_line(fd, index, number), lease.line);
	ck_assert_uint_eq(jl__leases_take_line(fd, index, number), 0);
}
END_TEST

static const char *const damages[] = { "", "x", "jln1 but no more than that",
				       "\x31\x6e\x6c\x6a\x02\0\0\0\0\0\0\x0a\x28\0\0\0" };

START_TEST(damaged_leases_are_known)
{
	static const size_t lengths[] = { 0, 1, 26, 16 };
	struct leases_head head;
	int other = -1;

	open_leases(0xac140000, 16);
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	ck_assert_int_eq(pwrite(fd, damages[_i], lengths[_i], 0), (ssize_t)lengths[_i]);
	ck_assert_int_eq(jl__leases_open(folder, &other, &head), -EUCLEAN);
}
END_TEST

/* ---- wires ---- */

static jl_net net = { .name = "bridge",
		      .device = "joblet0",
		      .address = 0xac140000,
		      .prefix = 16,
		      .index = 7,
		      .ipv6 = true,
		      .folder = (char *)"/run/joblet/net/bridge" };

static union {
	struct jl__wire wire;
	char bytes[JL__WIRE_MAX];
} wire;

static uint32_t slots_used(const uint32_t *slots)
{
	uint32_t count = 0, value;

	for (uint32_t i = 0; i < 8; i++) {
		if (!slots[i])
			continue;
		count++;
		memcpy(&value, wire.bytes + slots[i], 4);
		ck_assert_uint_eq(value, 0);
	}
	return count;
}

START_TEST(a_wire_is_whole)
{
	struct wire_plan plan = { .net = &net,
				  .address = 0xac140002,
				  .number = 1234,
				  .bps = _i ? 1 << 20 : 0,
				  .line = 1,
				  .device = "jv0123456789ab" };
	uint32_t value;

	ck_assert_int_eq(jl__net_wire(&plan, &wire.wire, sizeof(wire)), 0);
	ck_assert_int_eq(jl__wire_check(&wire.wire, wire.wire.size), 0);
	memcpy(&value, wire.bytes + wire.wire.netns_at, 4);
	ck_assert_uint_eq(value, 0);
	ck_assert_uint_eq(slots_used(wire.wire.index_at), _i ? 4 : 3);
	ck_assert_uint_eq(slots_used(wire.wire.inside_at), _i ? 7 : 6);
	ck_assert_uint_eq(wire.wire.lease_at, WORDS_AT);
	ck_assert_uint_eq(wire.wire.name_at, HOSTS_LINES_AT);
	ck_assert_str_eq(wire.wire.device, "jv0123456789ab");
	ck_assert_str_eq(wire.wire.folder, net.folder);
	ck_assert_uint_lt(wire.wire.size, 2048);
}
END_TEST

START_TEST(the_largest_policy_fits)
{
	static struct jl__nft_allow allow[ALLOW_MAX];
	static struct jl__nft_publish publish[JL__NET_PUBLISH_MAX];
	struct wire_plan plan = { .net = &net,
				  .address = 0xac140002,
				  .number = 1,
				  .bps = UINT64_MAX / 16,
				  .line = LINES_MAX,
				  .device = "jv0123456789ab",
				  .allow = allow,
				  .allow_count = ALLOW_MAX,
				  .restricted = true,
				  .publish = publish,
				  .publish_count = JL__NET_PUBLISH_MAX };

	for (uint32_t i = 0; i < ALLOW_MAX; i++)
		allow[i] = (struct jl__nft_allow){ i, i, 1, 1 };
	ck_assert_int_eq(jl__net_wire(&plan, &wire.wire, sizeof(wire)), 0);
	ck_assert_int_eq(jl__wire_check(&wire.wire, wire.wire.size), 0);
	/* And what does not fit is not cut off. */
	ck_assert_int_eq(jl__net_wire(&plan, &wire.wire, 4096), -E2BIG);
}
END_TEST

/* Whatever one number of it is changed to: refused, or still within its bounds. */
START_TEST(a_damaged_wire_is_refused)
{
	static const uint32_t values[] = {
		0, 1, 2, 3, 4, 16, 4096, 0x7ffffffc, ~0u, ~3u
	};
	struct wire_plan plan = { .net = &net,
				  .address = 0xac140002,
				  .number = 1,
				  .device = "jv0123456789ab" };
	uint32_t refused = 0, size;

	ck_assert_int_eq(jl__net_wire(&plan, &wire.wire, sizeof(wire)), 0);
	size = wire.wire.size;
	for (uint32_t at = 0; at + 4 <= size; at += 4) {
		uint32_t before;

		memcpy(&before, wire.bytes + at, 4);
		for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			memcpy(wire.bytes + at, &values[i], 4);
			refused += jl__wire_check(&wire.wire, size) < 0;
		}
		memcpy(wire.bytes + at, &before, 4);
	}
	ck_assert_uint_gt(refused, 50);
	for (uint32_t less = 0; less < size; less++)
		ck_assert_int_lt(jl__wire_check(&wire.wire, less), 0);
	memset(wire.wire.device, 'x', sizeof(wire.wire.device));
	ck_assert_int_lt(jl__wire_check(&wire.wire, size), 0);
}
END_TEST

START_TEST(a_path_that_is_too_long_is_refused)
{
	char long_path[128];
	struct wire_plan plan = { .net = &net, .device = "jv0" };
	char *folder_path = net.folder;
	int r;

	memset(long_path, 'x', sizeof(long_path));
	long_path[127] = '\0';
	net.folder = long_path;
	r = jl__net_wire(&plan, &wire.wire, sizeof(wire));
	net.folder = folder_path;
	ck_assert_int_eq(r, -ENAMETOOLONG);
}
END_TEST

/* ---- kernels that lack something ---- */

static const struct {
	int answer; /* to the question for our table */
	int code;
	const char *says;
} lacks[] = {
	{ -EINVAL, -EOPNOTSUPP, "this kernel has no nftables" },
	{ -EOPNOTSUPP, -EOPNOTSUPP, "use the network none" },
	{ -EPERM, -EPERM, "CAP_NET_ADMIN" },
	{ -ENOENT, 0, NULL },
};

/* A socket on which such a kernel has answered already. */
START_TEST(a_kernel_without_nftables_says_so)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
	} answer = {
		.head = { .nlmsg_len = sizeof(answer), .nlmsg_type = NLMSG_ERROR },
		.error = { .error = lacks[_i].answer },
	};
	jl_net lacking = { .name = "bridge" };
	jl_error *err = NULL;
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(send(pair[1], &answer, sizeof(answer), 0),
				 (ssize_t)sizeof(answer));
	lacking.netfilter = pair[0];
	ck_assert_int_eq(jl__net_allowed(&lacking, &err), lacks[_i].code);
	if (lacks[_i].says) {
		ck_assert_msg(strstr(jl_error_message(err), lacks[_i].says) != NULL, "%s",
			      jl_error_message(err));
		ck_assert_msg(strstr(jl_error_message(err), "\"bridge\"") != NULL, "%s",
			      jl_error_message(err));
	}
	jl_error_free(err);
	(void)close(pair[0]);
	(void)close(pair[1]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_place");
	TCase *tcase = tcase_create("net_place");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, NULL, tear_down);
	tcase_add_test(tcase, addresses_come_one_after_the_other);
	tcase_add_test(tcase, an_address_rests_before_it_is_used_again);
	tcase_add_loop_test(tcase, gateway_and_broadcast_are_nobodys, 0, 5);
	tcase_add_test(tcase, a_large_subnet_costs_no_more);
	tcase_add_test(tcase, a_bridge_has_no_port_for_more);
	tcase_add_test(tcase, only_its_own_number_frees_a_place);
	tcase_add_test(tcase, a_network_that_goes_gives_no_places);
	tcase_add_test(tcase, lines_of_the_dead_are_found_again);
	tcase_add_loop_test(tcase, damaged_leases_are_known, 0, 4);
	tcase_add_loop_test(tcase, a_wire_is_whole, 0, 2);
	tcase_add_test(tcase, the_largest_policy_fits);
	tcase_add_test(tcase, a_damaged_wire_is_refused);
	tcase_add_test(tcase, a_path_that_is_too_long_is_refused);
	tcase_add_loop_test(tcase, a_kernel_without_nftables_says_so, 0, 4);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
