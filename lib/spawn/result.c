/* SPDX-License-Identifier: MIT */
/* What a job used and how it ended: numbers for the public structs. */
#define JL_MODULE "job"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "spawn/link.h"
#include "sys/wire.h"

#define STRUCT_MIN 16

const char *jl_reason_name(int64_t reason)
{
	static const char *const names[] = {
		[JL_REASON_EXITED] = "exited",	 [JL_REASON_SIGNALLED] = "signalled",
		[JL_REASON_OOM] = "oom",	 [JL_REASON_TIMEOUT] = "timeout",
		[JL_REASON_STOPPED] = "stopped", [JL_REASON_LOST] = "lost",
	};

	if (reason < 0 || reason >= (int64_t)(sizeof(names) / sizeof(names[0])))
		return "unknown";
	return names[reason];
}

static void add_network(struct jl_stats *stats, const struct jl__wire_counters *counters)
{
	stats->net_received_bytes = counters->rx_bytes;
	stats->net_sent_bytes = counters->tx_bytes;
	stats->net_received_packets = counters->rx_packets;
	stats->net_sent_packets = counters->tx_packets;
}

static void add_record(struct jl_stats *stats, const char *name, const char *bytes,
		       size_t len)
{
	struct jl__wire_counters counters;

	if (strcmp(name, JL__COUNTERS_NAME) != 0) {
		jl__cg_stats_add(stats, name, bytes, len);
	} else if (len == sizeof(counters)) {
		memcpy(&counters, bytes, len);
		add_network(stats, &counters);
	}
}

/* Records of name NUL, length, bytes, as the supervisor read them. */
static void add_stats(struct jl_stats *stats, const char *text, size_t len)
{
	while (len) {
		size_t name = strnlen(text, len);
		uint32_t bytes;

		if (name + 1 + sizeof(bytes) > len)
			return;
		memcpy(&bytes, text + name + 1, sizeof(bytes));
		if (bytes > len - name - 1 - sizeof(bytes))
			return;
		add_record(stats, text, text + name + 1 + sizeof(bytes), bytes);
		text += name + 1 + sizeof(bytes) + bytes;
		len -= name + 1 + sizeof(bytes) + bytes;
	}
}

/*
 * The kernel says what it did; what was asked of us comes second. One process killed for
 * want of memory is the end of the whole job: on cgroup v2 by memory.oom.group, on v1 by
 * ours.
 */
static int64_t reason_of(const struct jl__reply *reply, const struct jl_stats *stats)
{
	bool killed = reply->signal && reply->code == SIGKILL;
	bool oom = stats->memory_oom_kills != UINT64_MAX && stats->memory_oom_kills > 0;

	if (reply->flags & JL__ENDED_OOM ||
	    (oom && (killed || reply->code == 128 + SIGKILL)))
		return JL_REASON_OOM;
	if (reply->flags & JL__ENDED_TIMEOUT)
		return JL_REASON_TIMEOUT;
	if (reply->flags & JL__ENDED_STOPPED)
		return JL_REASON_STOPPED;
	return reply->signal ? JL_REASON_SIGNALLED : JL_REASON_EXITED;
}

void jl__job_set_result(jl_job *job, const struct jl__reply *reply, const char *text,
			size_t len)
{
	struct jl_result *result = &job->result;
	struct jl_stats *stats = &job->stats;

	stats->size = sizeof(*stats);
	jl__cg_stats_clear(stats);
	add_stats(stats, text, len);
	job->stats_known = len > 0;
	/* Without cgroups the kernel still tells the parent: processes that were waited
	 * for. */
	if (stats->cpu_usec == UINT64_MAX)
		stats->cpu_usec = reply->cpu_usec;
	*result = (struct jl_result){
		.signal = reply->signal ? reply->code : 0,
		.exit_code = reply->signal ? 128 + reply->code : reply->code,
		.reason = reason_of(reply, stats),
		.start_usec = reply->start_usec,
		.end_usec = reply->end_usec,
		.wall_usec = reply->wall_usec,
		.cpu_usec = stats->cpu_usec,
		.memory_peak_bytes = stats->memory_peak_bytes,
		.io_read_bytes = stats->io_read_bytes,
		.io_write_bytes = stats->io_write_bytes,
	};
	if (result->reason != JL_REASON_OOM)
		return;
	result->signal = SIGKILL;
	result->exit_code = 128 + SIGKILL;
	/* On v1 we may have been faster than the kernel; it was for want of memory all
	 * the same. */
	if (stats->memory_oom_kills == 0)
		stats->memory_oom_kills = 1;
}

/* Sized structs: no more than the caller has room for, zeros for what we do not know. */
static int hand_out(void *to, uint64_t *size, const void *from, size_t known,
		    jl_error **err)
{
	uint64_t room = *size;

	if (room < STRUCT_MIN)
		return jl__fail(err, -EINVAL, "the struct's size is not set");
	if (room > known)
		memset((char *)to + known, 0, (size_t)(room - known));
	memcpy(to, from, room < known ? (size_t)room : known);
	*size = room;
	return 0;
}

int jl_job_get_result(jl_job *job, struct jl_result *result, jl_error **ret_err)
{
	jl__error_init(ret_err);
	if (job->state != JL__JOB_ENDED)
		return jl__fail(ret_err, -EBUSY, "job %s is still running", job->id);
	return hand_out(result, &result->size, &job->result, sizeof(job->result),
			ret_err);
}

/*
 * The job's cgroup, while it runs. -ENOENT without a sentence: it has been removed, and
 * word of the job's end is on its way. An adopted job may have been started by a program
 * with another group of its own, and its groups are below that one.
 */
static int open_group(jl_job *job, jl_cgroup **ret, jl_error **err)
{
	_cleanup_free_ char *path = NULL;
	jl_cgroup *nest;
	int r;

	if (job->state != JL__JOB_RUNNING)
		return jl__fail(err, -ESRCH, "job %s has ended", job->id);
	if (!job->link->nest.offers)
		return jl__fail(err, -EOPNOTSUPP,
				"job %s has no cgroup: the caller cannot make any here",
				job->id);
	path = jl__format("%s/job-%u", job->link->nest.name, job->group);
	if (!path)
		return jl__oom(err);
	r = jl__cgroup_open_below(job->ctx, path, ret, NULL);
	if (r != -ENOENT)
		return r < 0 ? jl__fail_errno(err, r, "cannot open cgroup \"%s\"", path)
			     : r;
	/* That of all its jobs stays as long as the supervisor. */
	r = jl__cgroup_open_below(job->ctx, job->link->nest.name, &nest, NULL);
	if (r == -ENOENT)
		return jl__fail(
			err, -EOPNOTSUPP,
			"job %s is in a cgroup that is not below this program's own: another program started it elsewhere",
			job->id);
	if (r < 0)
		return jl__fail_errno(err, r, "cannot open cgroup \"%s\"",
				      job->link->nest.name);
	(void)jl_cgroup_unref(nest);
	return -ENOENT;
}

/* Counted at the host's end, which is there as long as the job is. */
static void look_at_network(const jl_job *job, struct jl_stats *stats)
{
	struct jl__wire_counters counters;
	int socket;

	if (!job->place || stats->size < sizeof(*stats))
		return;
	socket = jl__wire_socket(JL__WIRE_ROUTE);
	if (socket >= 0 &&
	    jl__wire_counters(socket, job->place->wire.device, &counters) == 0)
		add_network(stats, &counters);
	(void)jl__close(socket);
}

/*
 * The end of a job that is on its way to us. Not jl_job_wait(): that takes the event with
 * it, and whoever asks for numbers has not asked for that.
 */
static int await_end(jl_job *job, jl_error **err)
{
	while (job->state != JL__JOB_ENDED) {
		int r = jl__link_owned(job->link, err);

		if (r < 0)
			return r;
		(void)jl__link_receive(job->link, -1);
	}
	return 0;
}

int jl_job_get_stats(jl_job *job, struct jl_stats *stats, jl_error **ret_err)
{
	jl_cgroup *group;
	int r;

	jl__error_init(ret_err);
	if (job->state == JL__JOB_RUNNING) {
		r = open_group(job, &group, ret_err);
		if (r == 0) {
			r = jl_cgroup_get_stats(group, stats, ret_err);
			(void)jl_cgroup_unref(group);
		}
		if (r == 0)
			look_at_network(job, stats);
		if (r != -ENOENT)
			return r;
		/* Of the statistics: it went away meanwhile. */
		jl__error_clear(ret_err);
		r = await_end(job, ret_err);
		if (r < 0)
			return r;
	}
	if (!job->stats_known)
		return jl__fail(
			ret_err, -EOPNOTSUPP,
			"nothing counts what job %s used: there are no cgroups here",
			job->id);
	return hand_out(stats, &stats->size, &job->stats, sizeof(job->stats), ret_err);
}

static int set_frozen(jl_job *job, int frozen, jl_error **err)
{
	jl_cgroup *group;
	int r = open_group(job, &group, err);

	if (r == 0) {
		r = jl_cgroup_freeze(group, frozen, err);
		(void)jl_cgroup_unref(group);
	}
	if (r == -ENOENT)
		return jl__fail(err, -ESRCH, "job %s has ended", job->id);
	return r;
}

int jl_job_freeze(jl_job *job, jl_error **ret_err)
{
	jl__error_init(ret_err);
	return set_frozen(job, 1, ret_err);
}

int jl_job_thaw(jl_job *job, jl_error **ret_err)
{
	jl__error_init(ret_err);
	return set_frozen(job, 0, ret_err);
}
