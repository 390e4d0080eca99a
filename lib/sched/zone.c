/* SPDX-License-Identifier: MIT */
/* Time zones from the files of the machine (TZif, RFC 8536). */
#define JL_MODULE "sched"

#include "sched/sched-priv.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"

#define HEAD_SIZE 44
/* No zone changes its clock as often; the largest files have a few hundred. */
#define CHANGES_MAX 4096
#define TYPES_MAX 256
#define FOOTER_MAX 128
/* RFC 8536 allows -24:59:59 to 25:59:59. */
#define OFFSET_MIN (-89999)
#define OFFSET_MAX 93599

/* Counts of one block, in the order of the file. */
struct head {
	uint32_t ut_count, std_count, leap_count, time_count, type_count, char_count;
	unsigned int time_size; /* 4 or 8 bytes */
};

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t time_at(const uint8_t *p, unsigned int size)
{
	if (size == 4)
		return (int32_t)be32(p);
	return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

static int read_head(const uint8_t *data, size_t size, unsigned int time_size,
		     struct head *ret)
{
	if (size < HEAD_SIZE || memcmp(data, "TZif", 4) != 0)
		return -EBADMSG;
	*ret = (struct head){ be32(data + 20), be32(data + 24), be32(data + 28),
			      be32(data + 32), be32(data + 36), be32(data + 40),
			      time_size };
	if (ret->time_count > CHANGES_MAX || ret->type_count == 0 ||
	    ret->type_count > TYPES_MAX || ret->char_count > TYPES_MAX * 8 ||
	    ret->ut_count > TYPES_MAX || ret->std_count > TYPES_MAX ||
	    ret->leap_count > CHANGES_MAX)
		return -EBADMSG;
	return 0;
}

/* Bytes of a block behind its head. */
static size_t body_size(const struct head *h)
{
	return (size_t)h->time_count * (h->time_size + 1) + (size_t)h->type_count * 6 +
	       h->char_count + (size_t)h->leap_count * (h->time_size + 4) + h->std_count +
	       h->ut_count;
}

static int read_changes(struct jl__zone *zone, const struct head *h, const uint8_t *body)
{
	const uint8_t *index = body + (size_t)h->time_count * h->time_size;
	const uint8_t *types = index + h->time_count;

	for (uint32_t i = 0; i < h->type_count; i++) {
		int32_t offset = (int32_t)be32(types + (size_t)i * 6);

		if (offset < OFFSET_MIN || offset > OFFSET_MAX)
			return -EBADMSG;
	}
	zone->before = (int32_t)be32(types);
	zone->count = h->time_count;
	for (uint32_t i = 0; i < h->time_count; i++) {
		if (index[i] >= h->type_count)
			return -EBADMSG;
		zone->at[i] = time_at(body + (size_t)i * h->time_size, h->time_size);
		zone->offset[i] = (int32_t)be32(types + (size_t)index[i] * 6);
		if (i > 0 && zone->at[i] <= zone->at[i - 1])
			return -EBADMSG;
	}
	return 0;
}

/* What stands behind the second block: a newline, a rule or nothing, a newline. */
static int read_footer(struct jl__zone *zone, const uint8_t *data, size_t size)
{
	char text[FOOTER_MAX];
	const uint8_t *end;
	size_t len;

	if (size < 2 || data[0] != '\n')
		return -EBADMSG;
	end = memchr(data + 1, '\n', size - 1);
	if (!end)
		return -EBADMSG;
	len = (size_t)(end - data) - 1;
	if (len == 0)
		return 0;
	if (len >= sizeof(text) || memchr(data + 1, 0, len))
		return -EBADMSG;
	memcpy(text, data + 1, len);
	text[len] = '\0';
	if (jl__zone_rule_parse(text, &zone->rule) < 0)
		return -EBADMSG;
	zone->has_rule = true;
	return 0;
}

static int read_zone(struct jl__zone *zone, const struct head *h, const uint8_t *body,
		     size_t size, bool footer)
{
	int r;

	if (h->leap_count > 0)
		return -EBADMSG;
	r = read_changes(zone, h, body);
	if (r == 0 && footer)
		r = read_footer(zone, body + body_size(h), size - body_size(h));
	return r;
}

int jl__zone_parse(const uint8_t *data, size_t size, struct jl__zone **ret)
{
	struct jl__zone *zone;
	struct head h;
	bool second;
	int r = read_head(data, size, 4, &h);

	if (r < 0)
		return r;
	second = data[4] >= '2';
	data += HEAD_SIZE;
	size -= HEAD_SIZE;
	if (body_size(&h) > size)
		return -EBADMSG;
	if (second) {
		data += body_size(&h);
		size -= body_size(&h);
		r = read_head(data, size, 8, &h);
		if (r < 0)
			return r;
		data += HEAD_SIZE;
		size -= HEAD_SIZE;
		if (body_size(&h) > size)
			return -EBADMSG;
	}
	zone = jl__calloc(1, sizeof(*zone));
	if (!zone)
		return -ENOMEM;
	zone->at = jl__calloc(h.time_count, sizeof(*zone->at));
	zone->offset = jl__calloc(h.time_count, sizeof(*zone->offset));
	r = zone->at && zone->offset ? read_zone(zone, &h, data, size, second) : -ENOMEM;
	if (r < 0) {
		jl__zone_free(zone);
		return r;
	}
	*ret = zone;
	return 0;
}

void jl__zone_free(struct jl__zone *zone)
{
	if (!zone)
		return;
	jl__free(zone->at);
	jl__free(zone->offset);
	jl__free(zone);
}

struct jl__zone_span jl__zone_span(const struct jl__zone *zone, int64_t utc)
{
	struct jl__zone_span span;
	uint32_t low = 0, high = zone->count;

	/* The first change behind utc. */
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (zone->at[middle] <= utc)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < zone->count || !zone->has_rule)
		return (struct jl__zone_span){
			low > 0 ? zone->at[low - 1] : INT64_MIN,
			low < zone->count ? zone->at[low] : INT64_MAX,
			low > 0 ? zone->offset[low - 1] : zone->before,
		};
	span = jl__zone_rule_span(&zone->rule, utc);
	if (low > 0 && span.start < zone->at[low - 1])
		span.start = zone->at[low - 1];
	return span;
}

int64_t jl__zone_to_utc(const struct jl__zone *zone, int64_t local)
{
	/* Offsets are below this: where local is UTC - offset, UTC is behind it. */
	struct jl__zone_span span = jl__zone_span(zone, local - OFFSET_MAX - 1);

	for (;;) {
		int64_t utc = local - span.offset;

		/* Behind the end of the span before, in front of this one: left out. */
		if (utc < span.start)
			return span.start;
		if (utc < span.end)
			return utc;
		span = jl__zone_span(zone, span.end);
	}
}
