/* SPDX-License-Identifier: MIT */
/* Bytes of a log as server-sent events: every byte once, whatever it is and however it
 * comes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "sse.h"

static void give(struct sse_lines *lines, const char *bytes, size_t len)
{
	ck_assert_uint_le(lines->len + len, sizeof(lines->raw));
	memcpy(lines->raw + lines->len, bytes, len);
	lines->len += len;
}

/* All events that can be taken, one behind the other, without the ids and frames. */
static void take_all(struct sse_lines *lines, bool at_end, char *text, uint64_t *last)
{
	uint8_t event[SSE_EVENT_MAX];
	size_t n;

	while ((n = sse_take(lines, at_end, event)) > 0) {
		char *data;

		ck_assert_uint_le(n, sizeof(event));
		ck_assert_mem_eq(event + n - 2, "\n\n", 2);
		event[n - 2] = 0;
		ck_assert_mem_eq(event, "id: ", 4);
		*last = strtoull((char *)event + 4, &data, 10);
		ck_assert_mem_eq(data, "\ndata: ", 7);
		/* Another line end inside would be another field. */
		ck_assert_ptr_null(strpbrk(data + 7, "\r\n"));
		text += sprintf(text, "[%s]", data + 7);
	}
	*text = 0;
}

static const struct {
	const char *bytes;
	size_t len;
	bool at_end;
	const char *events;
	uint64_t last;
} cases[] = {
#define BYTES(text) text, sizeof(text) - 1
	{ BYTES(""), false, "", 0 },
	{ BYTES(""), true, "", 0 },
	{ BYTES("one\n"), false, "[one]", 4 },
	{ BYTES("one\ntwo"), false, "[one]", 4 },
	{ BYTES("one\ntwo"), true, "[one][two]", 7 },
	{ BYTES("\n\n"), false, "[][]", 2 },
	{ BYTES("a\r\nb\rc\n"), false, "[a][b][c]", 7 },
	/* The other half of "\r\n" may be on its way. */
	{ BYTES("a\r"), false, "", 0 },
	{ BYTES("a\r"), true, "[a]", 2 },
	/* What looks like fields of the protocol is data. */
	{ BYTES("event: end\nid: 9\n"), false, "[event: end][id: 9]", 17 },
	{ BYTES(": x\n"), false, "[: x]", 4 },
	/* Not UTF-8, overlong, a surrogate, beyond the last plane, cut off. */
	{ BYTES("\xff\n"), false, "[\xef\xbf\xbd]", 2 },
	{ BYTES("caf\xc3\xa9\n"), false, "[caf\xc3\xa9]", 6 },
	{ BYTES("\xc0\x8a\n"), false, "[\xef\xbf\xbd\xef\xbf\xbd]", 3 },
	{ BYTES("\xed\xa0\x80\n"), false, "[\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd]", 4 },
	{ BYTES("\xf4\x90\x80\x80\n"), false,
	  "[\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd]", 5 },
	{ BYTES("\xe2\x82"), true, "[\xef\xbf\xbd\xef\xbf\xbd]", 2 },
	{ BYTES("\xf0\x9f\x98\x80\n"), false, "[\xf0\x9f\x98\x80]", 5 },
};

START_TEST(lines_become_events)
{
	struct sse_lines lines = { 0 };
	char text[256];
	uint64_t last = 0;

	give(&lines, cases[_i].bytes, cases[_i].len);
	take_all(&lines, cases[_i].at_end, text, &last);
	ck_assert_str_eq(text, cases[_i].events);
	ck_assert_uint_eq(last, cases[_i].last);
	/* What stays is what was not told of. */
	ck_assert_uint_eq(lines.offset, last);
	ck_assert_uint_eq(lines.len, cases[_i].len - last);
}
END_TEST

START_TEST(a_nul_is_carried_on)
{
	struct sse_lines lines = { .offset = 100 };
	uint8_t event[SSE_EVENT_MAX];

	give(&lines, "a\0b\n", 4);
	ck_assert_uint_eq(sse_take(&lines, false, event), 19);
	ck_assert_mem_eq(event, "id: 104\ndata: a\0b\n\n", 19);
}
END_TEST

/* However the bytes are cut, the events are the same. */
START_TEST(pieces_make_no_difference)
{
	static const char bytes[] = "one\r\ntwo\rthr\xc3\xa9\n\nlast \xe2\x82\xac";
	struct sse_lines lines = { 0 };
	char text[256], *at = text;
	uint64_t last = 0;

	for (size_t i = 0; i < sizeof(bytes) - 1; i += (size_t)_i) {
		size_t left = sizeof(bytes) - 1 - i;

		give(&lines, bytes + i, left < (size_t)_i ? left : (size_t)_i);
		take_all(&lines, false, at, &last);
		at += strlen(at);
	}
	take_all(&lines, true, at, &last);
	ck_assert_str_eq(text, "[one][two][thr\xc3\xa9][][last \xe2\x82\xac]");
	ck_assert_uint_eq(last, sizeof(bytes) - 1);
}
END_TEST

/* A line without an end comes in pieces that break no character, the worst of them fits.
 */
START_TEST(long_lines_come_in_pieces)
{
	struct sse_lines lines = { 0 };
	uint8_t *event = malloc(SSE_EVENT_MAX);
	size_t n;

	ck_assert_ptr_nonnull(event);
	memset(lines.raw, 'x', SSE_LINE_MAX - 1);
	lines.raw[SSE_LINE_MAX - 1] = 0xc3;
	lines.len = SSE_LINE_MAX;
	n = sse_take(&lines, false, event);
	ck_assert_uint_gt(n, SSE_LINE_MAX);
	ck_assert_uint_eq(lines.offset, SSE_LINE_MAX - 1);
	ck_assert_uint_eq(lines.len, 1);
	ck_assert_uint_eq(sse_take(&lines, false, event), 0);
	give(&lines, "\xa9\n", 2);
	ck_assert_uint_gt(sse_take(&lines, false, event), 0);
	ck_assert_uint_eq(lines.offset, SSE_LINE_MAX + 2);

	lines = (struct sse_lines){ .offset = UINT64_MAX - SSE_RAW_MAX,
				    .len = SSE_RAW_MAX };
	memset(lines.raw, 0x80, sizeof(lines.raw));
	n = sse_take(&lines, false, event);
	ck_assert_uint_gt(n, 3 * SSE_RAW_MAX);
	ck_assert_uint_le(n, SSE_EVENT_MAX);
	ck_assert_uint_eq(lines.len, 0);
	free(event);
}
END_TEST

/*
 * Either an event can be taken or there is room to read on, whatever is in the buffer: a
 * line that filled it almost once held the daemon up for ever.
 */
START_TEST(there_is_an_event_or_room)
{
	static const uint8_t ends[][4] = {
		{ 'x', 'x', 'x', '\r' },    { 'x', 'x', 'x', '\n' },
		{ 0xf0, 0x9f, 0x98, 0x80 }, { 'x', 0xf0, 0x9f, 0x98 },
		{ 0x80, 0x80, 0x80, 0x80 }, { '\r', '\r', '\r', '\r' }
	};
	struct sse_lines *lines = calloc(1, sizeof(*lines));
	uint8_t *event = malloc(SSE_EVENT_MAX);

	ck_assert_ptr_nonnull(lines);
	ck_assert_ptr_nonnull(event);
	for (size_t len = SSE_LINE_MAX - 70; len <= SSE_RAW_MAX; len++) {
		memset(lines->raw, 'x', len);
		memcpy(lines->raw + len - 4, ends[_i], 4);
		lines->len = len;
		if (sse_take(lines, false, event) > 0)
			ck_assert_uint_lt(lines->len, len);
		else
			ck_assert_uint_ge(sizeof(lines->raw) - lines->len,
					  SSE_READ_LEAST);
	}
	free(event);
	free(lines);
}
END_TEST

static const struct {
	const char *text;
	uint64_t value;
} offsets[] = {
	{ "", 0 },
	{ "0", 0 },
	{ "17", 17 },
	{ "18446744073709551615", UINT64_MAX },
	{ "18446744073709551616", 0 },
	{ "99999999999999999999999", 0 },
	{ "-1", 0 },
	{ "+1", 0 },
	{ " 1", 0 },
	{ "1 ", 0 },
	{ "0x10", 0 },
	{ "1e3", 0 },
};

START_TEST(the_last_id_is_a_number_or_nothing)
{
	ck_assert_uint_eq(sse_offset(offsets[_i].text), offsets[_i].value);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("daemon_sse");
	TCase *tc = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, lines_become_events, 0, sizeof(cases) / sizeof(*cases));
	tcase_add_test(tc, a_nul_is_carried_on);
	tcase_add_loop_test(tc, pieces_make_no_difference, 1, 6);
	tcase_add_test(tc, long_lines_come_in_pieces);
	tcase_add_loop_test(tc, there_is_an_event_or_room, 0, 6);
	tcase_add_loop_test(tc, the_last_id_is_a_number_or_nothing, 0,
			    sizeof(offsets) / sizeof(*offsets));
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
