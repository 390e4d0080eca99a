/* SPDX-License-Identifier: MIT */
/* A bar on a terminal while something is sent; nothing at all when it is over soon. */
#ifndef RNX_UPLOAD_BAR_H
#define RNX_UPLOAD_BAR_H

#include <stdbool.h>
#include <stdint.h>

struct upload_bar {
	bool on;	/* draw at all */
	bool drawn;	/* there is something to be cleared */
	uint64_t total; /* bytes */
	uint64_t start_usec, last_usec;
};

/* Text of a bar for a line of width columns: "[====>     ]  45%  12.3/27.0 MB  3.2 MB/s".
 * Returns buf. */
const char *upload_bar_text(char buf[256], unsigned int width, uint64_t done,
			    uint64_t total, uint64_t usec);

void upload_bar_start(struct upload_bar *bar, bool on, uint64_t total);
/* Draws when there was nothing drawn for a while. */
void upload_bar_move(struct upload_bar *bar, uint64_t done);
void upload_bar_clear(struct upload_bar *bar);

#endif
