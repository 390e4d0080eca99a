/* SPDX-License-Identifier: MIT */
/* What the kernel says of its table of connections. Its part is played by a socket that
 * has the answers before it is asked, and cuts off what does not fit, as netlink does. */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>

#include "sys/flows.h"

#define TYPE(message) (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_##message)
#define ENTRIES 150u

static int ours = -1, kernel = -1;

static void set_up(void)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	ours = pair[0];
	kernel = pair[1];
}

static void tear_down(void)
{
	(void)close(ours);
	(void)close(kernel);
}

static void answer(const void *data, size_t len)
{
	ck_assert_int_eq(send(kernel, data, len, 0), (ssize_t)len);
}

/* ---- how large it is ---- */

static const struct {
	uint16_t attribute;
	uint32_t says;
	int r;
	uint32_t most;
} sizes[] = {
	{ CTA_STATS_GLOBAL_MAX_ENTRIES, 262144, 0, 262144 },
	{ CTA_STATS_GLOBAL_MAX_ENTRIES, 0, 0, UINT32_MAX },
	{ CTA_STATS_GLOBAL_ENTRIES, 17, -EOPNOTSUPP, 1 },
};

START_TEST(its_size_is_asked_for)
{
	struct {
		struct nlmsghdr head;
		struct nfgenmsg family;
		struct nlattr attr;
		uint32_t value;
	} stats = {
		.head = { sizeof(stats), TYPE(GET_STATS), 0, 0, 0 },
		.attr = { 8, sizes[_i].attribute },
		.value = htonl(sizes[_i].says),
	};
	uint32_t most = 1;

	answer(&stats, sizeof(stats));
	ck_assert_int_eq(jl__flows_max(ours, &most), sizes[_i].r);
	ck_assert_uint_eq(most, sizes[_i].most);
}
END_TEST

START_TEST(a_kernel_may_not_know_the_question)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
	} no = {
		.head = { sizeof(no), NLMSG_ERROR, 0, 0, 0 },
		.error = { .error = -EINVAL },
	};
	uint32_t most;

	answer(&no, sizeof(no));
	ck_assert_int_eq(jl__flows_max(ours, &most), -EOPNOTSUPP);
}
END_TEST

/* ---- one by one ---- */

struct entry {
	struct nlmsghdr head;
	struct nfgenmsg family;
	struct nlattr tuple;
	uint32_t number; /* stands for addresses and ports */
	struct nlattr other;
	char more[128];
};

/* What has been asked to go, in this order; none is left out. */
static void ck_deleted(void)
{
	char buf[65536] __attribute__((aligned(8)));
	uint32_t next = 0;
	ssize_t got;

	while ((got = recv(kernel, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		struct nlmsghdr *head = (void *)buf;
		uint32_t rest = (uint32_t)got;

		for (; NLMSG_OK(head, rest); head = NLMSG_NEXT(head, rest)) {
			const struct entry *entry = (const void *)head;

			if (head->nlmsg_type == TYPE(GET))
				continue;
			ck_assert_uint_eq(head->nlmsg_type, TYPE(DELETE));
			ck_assert_uint_eq(head->nlmsg_len, offsetof(struct entry, other));
			ck_assert_uint_eq(entry->number, next++);
		}
	}
	ck_assert_uint_eq(next, ENTRIES);
}

START_TEST(a_dump_comes_in_large_pieces)
{
	static struct entry entries[ENTRIES];
	const struct nlmsghdr done = { sizeof(done), NLMSG_DONE, NLM_F_MULTI, 0, 0 };

	for (uint32_t i = 0; i < ENTRIES; i++)
		entries[i] = (struct entry){
			.head = { sizeof(*entries), TYPE(NEW), NLM_F_MULTI, 0, 0 },
			.tuple = { 8, CTA_TUPLE_ORIG },
			.number = i,
			.other = { 4 + sizeof(entries->more), CTA_COUNTERS_ORIG },
		};
	ck_assert_uint_gt(sizeof(entries), 2u * 8192);
	ck_assert_uint_lt(sizeof(entries), 32768);
	answer(entries, sizeof(entries));
	answer(&done, sizeof(done));
	ck_assert_int_eq(jl__flows_forget_singly(ours, 0x0a4d0002, 0), 0);
	ck_deleted();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flows");
	TCase *tests = tcase_create("kernel");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_loop_test(tests, its_size_is_asked_for, 0,
			    sizeof(sizes) / sizeof(*sizes));
	tcase_add_test(tests, a_kernel_may_not_know_the_question);
	tcase_add_test(tests, a_dump_comes_in_large_pieces);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
