/* SPDX-License-Identifier: MIT */
#include "upload_bar.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define FIRST_USEC 300000
#define EVERY_USEC 100000
#define COLUMNS_MIN 20
#define COLUMNS_MAX 120
#define MB (1024.0 * 1024.0)

static uint64_t clock_usec(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

const char *upload_bar_text(char buf[256], unsigned int width, uint64_t done,
			    uint64_t total, uint64_t usec)
{
	char numbers[96], bar[COLUMNS_MAX + 1];
	unsigned int cells, full;
	/* Files may grow while they are sent. */
	double part = done < total ? (double)done / (double)total : 1;

	(void)snprintf(numbers, sizeof(numbers), " %3u%%  %.1f/%.1f MB  %.1f MB/s",
		       (unsigned int)(part * 100), (double)done / MB, (double)total / MB,
		       usec > 0 ? (double)done / MB / ((double)usec / 1e6) : 0);
	if (width > COLUMNS_MAX)
		width = COLUMNS_MAX;
	/* The last column stays free: some terminals go to the next line behind it. */
	if (width < strlen(numbers) + 3 + COLUMNS_MIN / 2) {
		(void)snprintf(buf, 256, "%.*s", width > 1 ? (int)width - 1 : 0,
			       numbers + 1);
		return buf;
	}
	cells = width - (unsigned int)strlen(numbers) - 3;
	full = (unsigned int)(part * cells);
	memset(bar, ' ', cells);
	memset(bar, '=', full);
	if (full < cells)
		bar[full] = '>';
	bar[cells] = '\0';
	(void)snprintf(buf, 256, "[%s]%s", bar, numbers);
	return buf;
}

void upload_bar_start(struct upload_bar *bar, bool on, uint64_t total)
{
	*bar = (struct upload_bar){ .on = on, .total = total };
	bar->start_usec = clock_usec();
	bar->last_usec = bar->start_usec + FIRST_USEC - EVERY_USEC;
}

void upload_bar_move(struct upload_bar *bar, uint64_t done)
{
	struct winsize size = { 0 };
	char buf[256];
	uint64_t now;

	if (!bar->on)
		return;
	now = clock_usec();
	if (now < bar->last_usec + EVERY_USEC)
		return;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < COLUMNS_MIN)
		size.ws_col = 80;
	(void)fprintf(stderr, "\r%s\x1b[K",
		      upload_bar_text(buf, size.ws_col, done, bar->total,
				      now - bar->start_usec));
	(void)fflush(stderr);
	bar->last_usec = now;
	bar->drawn = true;
}

void upload_bar_clear(struct upload_bar *bar)
{
	if (bar->drawn)
		(void)fputs("\r\x1b[K", stderr);
	bar->drawn = false;
}
