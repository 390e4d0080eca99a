/* SPDX-License-Identifier: MIT */
/* What needs no connection: framing, texts, walking messages, timers. */
#include <errno.h>
#include <inttypes.h>
#include <protobuf-c/protobuf-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "joblet.pb-c.h"
#include "joblet_ext.pb-c.h"
#include "main.h"
#include "rpc/frame.h"
#include "rpc/pb.h"
#include "rpc/rpc.h"
#include "rpc/text.h"
#include "rpc/timer.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

START_TEST(a_head_is_read_however_it_is_cut)
{
	static const uint8_t bytes[] = { 1, 0xff, 2, 3, 4, 99 };
	struct jl__rpc_frame frame = { 0 };
	uint8_t head[JL__RPC_HEAD];

	for (size_t i = 0; i < 5; i++) {
		ck_assert(!jl__rpc_frame_open(&frame));
		ck_assert_uint_eq(jl__rpc_frame_take(&frame, bytes + i, i == 4 ? 2 : 1),
				  1);
	}
	ck_assert(jl__rpc_frame_open(&frame));
	ck_assert_uint_eq(frame.flags, 1);
	ck_assert_uint_eq(frame.length, 0xff020304);
	jl__rpc_frame_write(head, 0xff020304);
	ck_assert_int_eq(memcmp(head + 1, bytes + 1, 4), 0);
	ck_assert_uint_eq(head[0], 0);
}
END_TEST

static const struct {
	const char *text;
	uint64_t usec;
} timeouts[] = {
	{ "1S", 1000000 },     { "10S", 10000000 },
	{ "250m", 250000 },    { "7u", 7 },
	{ "1999n", 1 },	       { "2M", 120000000 },
	{ "1H", 3600000000 },  { "99999999H", 359999996400000000 },
	{ "0S", 0 },	       { "", UINT64_MAX },
	{ "S", UINT64_MAX },   { "123456789S", UINT64_MAX },
	{ "-1S", UINT64_MAX }, { "1 S", UINT64_MAX },
	{ "1s", UINT64_MAX },  { "1", UINT64_MAX },
};

START_TEST(timeouts_are_read)
{
	const char *text = timeouts[_i].text;

	ck_assert_uint_eq(jl__rpc_timeout_parse(text, strlen(text)), timeouts[_i].usec);
}
END_TEST

START_TEST(timeouts_are_written_no_shorter_than_they_are)
{
	static const uint64_t usec[] = {
		1, 999, 99999999, 100000000, 1234567890, 3600000001, 9999999999999999
	};
	char text[16];
	uint64_t back;

	jl__rpc_timeout_format(text, usec[_i]);
	back = jl__rpc_timeout_parse(text, strlen(text));
	ck_assert_uint_ne(back, UINT64_MAX);
	ck_assert_uint_ge(back, usec[_i]);
	ck_assert_uint_le(back, usec[_i] + usec[_i] / 10000 + 1);
}
END_TEST

START_TEST(messages_survive_the_percent_code)
{
	static const char said[] = "line €, 100% and \"more\" %41";
	char code[JL__RPC_PERCENT_MAX], back[JL__RPC_TEXT_MAX];
	size_t len = jl__rpc_percent_encode(code, said);

	for (size_t i = 0; i < len; i++)
		ck_assert(code[i] >= 0x20 && code[i] < 0x7f);
	ck_assert_ptr_null(strstr(code, "%41 "));
	jl__rpc_percent_decode(back, code, len);
	ck_assert_str_eq(back, said);
	jl__rpc_percent_decode(back, "50% %zz %4", 10);
	ck_assert_str_eq(back, "50% %zz %4");
}
END_TEST

START_TEST(what_is_shown_is_one_line_of_utf8)
{
	static const struct {
		const char *text, *shown;
	} cases[] = {
		{ "plain", "plain" },	       { "a\nb\tc", "a b c" },
		{ "\x1b[31mred", "?[31mred" }, { "\xff\xfe", "??" },
		{ "\xc2\x85next", "?next" },   { "€", "€" },
		{ "cut \xe2\x82", "cut ??" },
	};
	char shown[JL__RPC_TEXT_MAX], longer[3000];

	jl__rpc_showable(shown, cases[_i].text, strlen(cases[_i].text));
	ck_assert_str_eq(shown, cases[_i].shown);
	memset(longer, 'x', 1022);
	memcpy(longer + 1022, "€€", 6);
	jl__rpc_showable(shown, longer, 1028);
	ck_assert_uint_eq(strlen(shown), 1022);
}
END_TEST

static const struct {
	const char *text;
	bool grpc;
} types[] = {
	{ "application/grpc", true },
	{ "application/grpc+proto", true },
	{ "application/grpc;charset=utf-8", true },
	{ "application/grpc+proto; x=y", true },
	{ "Application/GRPC", true },
	{ "application/grpc-web", false },
	{ "application/grpc-web+proto", false },
	{ "application/grpc+json", false },
	{ "application/grpcx", false },
	{ "application/json", false },
	{ "", false },
};

START_TEST(content_types_are_told_apart)
{
	ck_assert_int_eq(jl__rpc_is_grpc_type(types[_i].text, strlen(types[_i].text)),
			 types[_i].grpc);
}
END_TEST

static const struct {
	const char *pattern, *path;
	bool fits;
	unsigned count;
} paths[] = {
	{ "/healthz", "/healthz", true, 0 },
	{ "/healthz", "/healthz/", false, 0 },
	{ "/healthz", "/health", false, 0 },
	{ "/v1/jobs/*/log", "/v1/jobs/12/log", true, 1 },
	{ "/v1/jobs/*/log", "/v1/jobs//log", false, 0 },
	{ "/v1/jobs/*/log", "/v1/jobs/1/2/log", false, 0 },
	{ "/v1/jobs/*/log", "/v1/jobs/12/log/x", false, 0 },
	{ "/v1/jobs/*/log", "/v1/jobs/12", false, 0 },
	{ "/v1/*/*", "/v1/a/b", true, 2 },
	{ "/v1/jobs/*", "/v1/jobs/%2e%2e", true, 1 },
};

START_TEST(paths_fit_patterns)
{
	struct jl__rpc_span spans[4];
	unsigned count = 0;
	bool fits = jl__rpc_path_match(paths[_i].pattern, paths[_i].path,
				       strlen(paths[_i].path), spans, 4, &count);

	ck_assert_int_eq(fits, paths[_i].fits);
	if (fits)
		ck_assert_uint_eq(count, paths[_i].count);
}
END_TEST

START_TEST(components_are_decoded_strictly)
{
	static const struct {
		const char *text, *decoded;
	} cases[] = {
		{ "12", "12" },		{ "a%20b", "a b" }, { "%e2%82%ac", "€" },
		{ "a%2fb", NULL },	{ "a%00", NULL },   { "%ff", NULL },
		{ "0123456789", NULL },
	};
	char to[8];
	int r = jl__rpc_component_decode(to, sizeof(to), cases[_i].text,
					 strlen(cases[_i].text));

	ck_assert_int_eq(r, cases[_i].decoded ? 0 : -EINVAL);
	if (cases[_i].decoded)
		ck_assert_str_eq(to, cases[_i].decoded);
}
END_TEST

/* ---- messages ---- */

static const struct {
	const char *bytes;
	size_t len;
} broken[] = {
	{ "\x0a", 1 },						/* no length */
	{ "\x0a\x05x", 3 },					/* shorter than it says */
	{ "\x0b\x0c", 2 },					/* a group */
	{ "\x00\x00", 2 },					/* field 0 */
	{ "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11 }, /* 65 bits */
	{ "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 12 },
	{ "\x09\x01\x02", 3 },					/* half of 64 bits */
	{ "\x0d\x01", 2 },					/* half of 32 bits */
	{ "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 }, /* 2^64 - 1 bytes */
};

START_TEST(broken_messages_are_found)
{
	struct jl__pb_walk walk;
	struct jl__pb_field field;
	struct jl__buf to = JL__BUF_INIT(1000);
	const uint8_t *data = (const uint8_t *)broken[_i].bytes;

	jl__pb_walk_init(&walk, data, broken[_i].len);
	ck_assert_int_eq(jl__pb_next(&walk, &field), -EBADMSG);
	ck_assert_int_eq(jl__pb_without(data, broken[_i].len, 5, &to), -EBADMSG);
	jl__buf_done(&to);
}
END_TEST

START_TEST(uploads_are_walked_where_they_are)
{
	Joblet__FileUpload file = JOBLET__FILE_UPLOAD__INIT, *files[2] = { &file, &file };
	Joblet__RunJobRequest request = JOBLET__RUN_JOB_REQUEST__INIT, *small;
	struct jl__buf rest = JL__BUF_INIT(4096);
	struct jl__pb_walk walk;
	struct jl__pb_field field;
	static uint8_t packed[200000];
	size_t len, uploads = 0;

	file.path = (char *)(uintptr_t) "data.bin";
	file.content.len = 90000;
	file.content.data = calloc(1, 90000);
	request.command = (char *)(uintptr_t) "run";
	request.n_uploads = 2;
	request.uploads = files;
	request.runtime = (char *)(uintptr_t) "behind";
	len = joblet__run_job_request__pack(&request, packed);
	jl__pb_walk_init(&walk, packed, len);
	while (jl__pb_next(&walk, &field) > 0) {
		if (field.number != 8)
			continue;
		uploads++;
		ck_assert(field.data > packed && field.data < packed + len);
		ck_assert_uint_gt(field.len, 90000);
	}
	ck_assert_uint_eq(uploads, 2);
	ck_assert_int_eq(jl__pb_without(packed, len, 8, &rest), 0);
	ck_assert_uint_lt(rest.len, 100);
	small = joblet__run_job_request__unpack(NULL, rest.len,
						(const uint8_t *)rest.data);
	ck_assert_ptr_nonnull(small);
	ck_assert_str_eq(small->command, "run");
	ck_assert_str_eq(small->runtime, "behind");
	ck_assert_uint_eq(small->n_uploads, 0);
	joblet__run_job_request__free_unpacked(small, NULL);
	jl__buf_done(&rest);
	free(file.content.data);
}
END_TEST

START_TEST(texts_of_messages_are_checked)
{
	char bad[] = "\xff", good[] = "fine", *args[] = { good, bad };
	Joblet__RunJobRequest request = JOBLET__RUN_JOB_REQUEST__INIT;
	Joblet__RunJobRequest__EnvironmentEntry entry =
		JOBLET__RUN_JOB_REQUEST__ENVIRONMENT_ENTRY__INIT;
	Joblet__RunJobRequest__EnvironmentEntry *entries[] = { &entry };
	Joblet__X__V1__RunOptions options = JOBLET__X__V1__RUN_OPTIONS__INIT;
	const char *name = NULL;
	char *clean;

	ck_assert(jl__pb_texts_ok(&request.base, &name));
	request.args = args;
	request.n_args = 2;
	ck_assert(!jl__pb_texts_ok(&request.base, &name));
	ck_assert_str_eq(name, "args");
	request.n_args = 1;
	request.environment = entries;
	request.n_environment = 1;
	entry.value = bad;
	ck_assert(!jl__pb_texts_ok(&request.base, &name));
	ck_assert_str_eq(name, "value");
	entry.value = good;
	request.options = &options;
	options.name = bad;
	ck_assert(!jl__pb_texts_ok(&request.base, &name));
	ck_assert_str_eq(name, "name");
	clean = jl__pb_clean("a\xff\xe2\x82 €");
	ck_assert_str_eq(clean, "a??? €");
	jl__free(clean);
}
END_TEST

/* protobuf-c has no limit of depth: no message may be able to contain itself. */
static void no_way_back(const ProtobufCMessageDescriptor *message,
			const ProtobufCMessageDescriptor **above, unsigned depth)
{
	ck_assert_uint_lt(depth, 16);
	for (unsigned i = 0; i < depth; i++)
		ck_assert_msg(above[i] != message, "%s contains itself", message->name);
	above[depth] = message;
	for (unsigned i = 0; i < message->n_fields; i++)
		if (message->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
			no_way_back(message->fields[i].descriptor, above, depth + 1);
}

START_TEST(no_message_contains_itself)
{
	static const ProtobufCServiceDescriptor *const services[] = {
		&joblet__job_service__descriptor,
		&joblet__network_service__descriptor,
		&joblet__volume_service__descriptor,
		&joblet__monitoring_service__descriptor,
		&joblet__runtime_service__descriptor,
		&joblet__x__v1__job_extension__descriptor,
	};
	const ProtobufCMessageDescriptor *above[16];

	for (unsigned i = 0; i < services[_i]->n_methods; i++) {
		no_way_back(services[_i]->methods[i].input, above, 0);
		no_way_back(services[_i]->methods[i].output, above, 0);
	}
}
END_TEST

/* ---- timers ---- */

static unsigned fired;

static void count_fire(struct jl__rpc_timer *timer)
{
	(void)timer;
	fired++;
}

START_TEST(timers_fire_in_their_order)
{
	static struct jl__rpc_timer all[500];
	struct jl__rpc_timers timers = { 0 };
	struct jl__rpc_timer *one;
	uint64_t seed = 1, last = 0;

	ck_assert_int_eq(jl__rpc_timers_reserve(&timers, COUNT(all)), 0);
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < COUNT(all); i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			all[i].fire = count_fire;
			if (seed >> 62 == 0)
				jl__rpc_timer_clear(&timers, &all[i]);
			else
				jl__rpc_timer_set(&timers, &all[i], seed >> 40);
		}
	ck_assert_uint_lt(timers.count, COUNT(all));
	while ((one = jl__rpc_timers_take(&timers, UINT64_MAX - 1))) {
		ck_assert_uint_ge(one->at_usec, last);
		ck_assert_uint_eq(one->place, 0);
		last = one->at_usec;
	}
	ck_assert_uint_eq(timers.count, 0);
	jl__rpc_timer_set(&timers, &all[0], 50);
	ck_assert_ptr_null(jl__rpc_timers_take(&timers, 49));
	ck_assert_ptr_eq(jl__rpc_timers_take(&timers, 50), &all[0]);
	jl__rpc_timers_done(&timers);
}
END_TEST

START_TEST(bad_tables_are_refused)
{
	static const struct jl__rpc_handler nothing = { 0 };
	static const struct jl__rpc_method tables[][3] = {
		{ { "no/slash", NULL, 1, JL__RPC_UNARY, 0, NULL, NULL }, { 0 } },
		{ { "/a/B", NULL, 1, JL__RPC_UNARY, 0, NULL, NULL },
		  { "/a/B", NULL, 1, JL__RPC_UNARY, 0, NULL, NULL },
		  { 0 } },
		{ { "/a/B", NULL, 1, JL__RPC_UNARY, 0, &nothing, NULL }, { 0 } },
		{ { "/a/B", NULL, 1, JL__RPC_UPLOAD, 0, &nothing, NULL }, { 0 } },
	};
	struct jl__rpc_server *server = NULL;
	jl_error *err = NULL;

	ck_assert_int_eq(jl__rpc_server_new(tables[_i], NULL, NULL, &server, &err),
			 -EINVAL);
	ck_assert_ptr_nonnull(err);
	jl_error_free(err);
}
END_TEST

Suite *test_suite(void)
{
	Suite *suite = suite_create("rpc_pure");
	TCase *tests = tcase_create("pure");

	tcase_add_test(tests, a_head_is_read_however_it_is_cut);
	tcase_add_loop_test(tests, timeouts_are_read, 0, COUNT(timeouts));
	tcase_add_loop_test(tests, timeouts_are_written_no_shorter_than_they_are, 0, 7);
	tcase_add_test(tests, messages_survive_the_percent_code);
	tcase_add_loop_test(tests, what_is_shown_is_one_line_of_utf8, 0, 7);
	tcase_add_loop_test(tests, content_types_are_told_apart, 0, COUNT(types));
	tcase_add_loop_test(tests, paths_fit_patterns, 0, COUNT(paths));
	tcase_add_loop_test(tests, components_are_decoded_strictly, 0, 7);
	tcase_add_loop_test(tests, broken_messages_are_found, 0, COUNT(broken));
	tcase_add_test(tests, uploads_are_walked_where_they_are);
	tcase_add_test(tests, texts_of_messages_are_checked);
	tcase_add_loop_test(tests, no_message_contains_itself, 0, 6);
	tcase_add_test(tests, timers_fire_in_their_order);
	tcase_add_loop_test(tests, bad_tables_are_refused, 0, 4);
	suite_add_tcase(suite, tests);
	return suite;
}
