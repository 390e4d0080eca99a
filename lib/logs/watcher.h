/* SPDX-License-Identifier: MIT */
/* Inotify instances that are used again, because closing one waits (watcher.c). */
#ifndef JL_LOGS_WATCHER_H
#define JL_LOGS_WATCHER_H

/* One without a watch, or -errno. */
int jl__watcher_take(void);
/* Back again, its watches removed before. Returns -EBADF, for the caller's variable. */
int jl__watcher_give(int fd);
/* Reads what it has to tell, and forgets it. */
void jl__watcher_drain(int fd);
/* From here on those that were given back are kept, until it has been said as often that
 * they are to be closed: best a few ms after their watches were removed. */
void jl__watchers_keep(void);
void jl__watchers_close(void);

#endif
