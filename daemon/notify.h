/* SPDX-License-Identifier: MIT */
/* What systemd wants to hear from a service, and the sockets it hands over; nothing
 * happens where it did not start the program. */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include <stdint.h>

/* "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=…"; lines are joined by \n. */
void notify(const char *state);
/* RELOADING=1 with the time systemd wants beside it. */
void notify_reloading(void);
/* Half of the time within which a sign of life is wanted; 0: none is. */
uint64_t notify_watchdog_usec(void);
/* Number of listening sockets handed over, from descriptor 3 on; made close-on-exec. */
int notify_listen_fds(void);

#endif
