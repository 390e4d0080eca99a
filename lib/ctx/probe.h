/* SPDX-License-Identifier: MIT */
/*
 * The probe's parts: the report that checks add lines to, and trials, which are system
 * calls made in a short-lived child with namespaces of its own so that neither the
 * machine nor the calling program is touched. Private to ctx/.
 */
#ifndef JL_CTX_PROBE_H
#define JL_CTX_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <joblet/ctx.h>

/*
 * Adds a line. name: static. meaning: copied, NULL when nothing lacks. The format makes
 * the value. 0 or -ENOMEM, the only failure a check may have.
 */
int jl__probe_add(jl_probe *probe, const char *name, int status, const char *meaning,
		  const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Status of the line of that name; JL_PROBE_MISSING when there is none. */
int jl__probe_find(const jl_probe *probe, const char *name);

/* First line of a small file without its line end; the length, or a negative errno. */
int jl__probe_read(int dir, const char *path, char *buf, size_t size);

/* Groups of checks, in the order of the report. */
int jl__probe_namespaces(jl_probe *probe);
int jl__probe_mounts(jl_probe *probe);
int jl__probe_cgroups(jl_probe *probe, jl_ctx *ctx);
int jl__probe_networks(jl_probe *probe);

/*
 * Runs fn(arg) in a child made with these CLONE_ flags and waits for it. The child shares
 * the caller's memory: fn makes raw system calls and nothing else. Returns what fn
 * returned, or the negative errno of the clone.
 */
int jl__trial(uint64_t flags, int (*fn)(void *arg), void *arg);

#endif
