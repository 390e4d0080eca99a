/* SPDX-License-Identifier: MIT */
/* joblet.MonitoringService.GetSystemStatus: the machine, and that the daemon is there. */
#include <stdio.h>

#include "arena.h"
#include "host.h"
#include "joblet.pb-c.h"
#include "services.h"

static Joblet__HostInfo *host_info(struct arena *arena, const struct serving *s)
{
	Joblet__HostInfo *h = arena_take(arena, sizeof(*h));
	char boot[TIME_TEXT_MAX];
	struct host host;

	if (!h)
		return NULL;
	joblet__host_info__init(h);
	host_read(&host);
	h->hostname = arena_text(arena, host.name);
	h->os = arena_text(arena, host.os);
	h->kernel_version = arena_text(arena, host.kernel);
	h->architecture = arena_text(arena, host.architecture);
	h->boot_time = arena_text(arena, time_text(boot, (uint64_t)host.boot_usec));
	h->uptime = host.uptime_seconds;
	h->node_id = arena_text(arena, s->config->node_id);
	return h;
}

/* Shares of the time since the last look; of the first one since the machine started. */
static Joblet__CPUMetrics *cpu_metrics(struct arena *arena, struct serving *s)
{
	Joblet__CPUMetrics *c = arena_take(arena, sizeof(*c));
	double *load = arena_take(arena, 3 * sizeof(*load));
	struct host_cpu cpu;
	uint64_t busy, total;

	if (!c || !load)
		return NULL;
	joblet__cpumetrics__init(c);
	host_read_cpu(&cpu);
	busy = cpu.total - cpu.idle - cpu.io_wait;
	total = cpu.total - s->cpu_total;
	c->cores = cpu.cores;
	if (total > 0 && cpu.total >= s->cpu_total && busy >= s->cpu_busy)
		c->usage_percent = 100.0 * (double)(busy - s->cpu_busy) / (double)total;
	s->cpu_busy = busy;
	s->cpu_total = cpu.total;
	if (cpu.total > 0) {
		double all = (double)cpu.total / 100.0;

		c->user_time = (double)cpu.user / all;
		c->system_time = (double)cpu.system / all;
		c->idle_time = (double)cpu.idle / all;
		c->io_wait_time = (double)cpu.io_wait / all;
		c->steal_time = (double)cpu.steal / all;
	}
	for (int i = 0; i < 3; i++)
		load[i] = cpu.load[i];
	c->load_average = load;
	c->n_load_average = 3;
	return c;
}

static Joblet__MemoryMetrics *memory_metrics(struct arena *arena)
{
	Joblet__MemoryMetrics *m = arena_take(arena, sizeof(*m));
	struct host_memory memory;

	if (!m)
		return NULL;
	joblet__memory_metrics__init(m);
	host_read_memory(&memory);
	m->total_bytes = memory.total;
	m->free_bytes = memory.free;
	m->available_bytes = memory.available;
	m->used_bytes = memory.total - memory.available;
	if (memory.total > 0)
		m->usage_percent = 100.0 * (double)m->used_bytes / (double)memory.total;
	m->cached_bytes = memory.cached;
	m->buffered_bytes = memory.buffered;
	m->swap_total = memory.swap_total;
	m->swap_free = memory.swap_free;
	m->swap_used = memory.swap_total - memory.swap_free;
	return m;
}

static Joblet__ServerVersionInfo *version_info(struct arena *arena)
{
	Joblet__ServerVersionInfo *v = arena_take(arena, sizeof(*v));
	struct host host;

	if (!v)
		return NULL;
	joblet__server_version_info__init(v);
	host_read(&host);
	v->version = arena_text(arena, jl_version_string());
	v->component = arena_text(arena, "joblet");
	v->platform = arena_format(arena, "linux/%s", host.architecture);
	return v;
}

static void status(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	Joblet__SystemStatusResponse reply = JOBLET__SYSTEM_STATUS_RESPONSE__INIT;
	struct serving *s = serving_of(call);
	struct arena arena = { 0 };
	char now[TIME_TEXT_MAX];

	(void)data;
	(void)len;
	reply.timestamp = arena_text(&arena, time_text(now, now_usec()));
	reply.available = !s->draining;
	reply.host = host_info(&arena, s);
	reply.cpu = cpu_metrics(&arena, s);
	reply.memory = memory_metrics(&arena);
	reply.server_version = version_info(&arena);
	if (arena.failed)
		jl__rpc_call_finish(call, JL__RPC_RESOURCE_EXHAUSTED, "out of memory");
	else
		finish_reply(call, &reply.base);
	arena_done(&arena);
}

const struct jl__rpc_handler get_system_status = { .request = status };
