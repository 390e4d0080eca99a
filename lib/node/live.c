/* SPDX-License-Identifier: MIT */
/* What a running job uses at this moment. */
#define JL_MODULE "node"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "node/node.h"
#include "sys/sys.h"

#define TMPFS 0x01021994

/* Use of /work, through the root of the job's first process. The job may have put
 * anything there: links are not followed, and only its own tmpfs counts. */
static uint64_t work_used(const jl_job *job)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS };
	_cleanup_close_ int root = -EBADF, work = -EBADF;
	struct statfs use;
	pid_t pid = jl_job_get_pid(job);
	char path[32];

	if (pid < 0)
		return UINT64_MAX;
	(void)snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return UINT64_MAX;
	work = (int)jl__sys_openat2(root, "work", &how, sizeof(how));
	/* The number of a process that ended meanwhile may be another's. */
	if (work < 0 || fstatfs(work, &use) < 0 || use.f_type != TMPFS ||
	    jl_job_get_pid(job) != pid)
		return UINT64_MAX;
	return (use.f_blocks - use.f_bfree) * (uint64_t)use.f_bsize;
}

void jl__info_live(jl_node *node, jl_job_info *info)
{
	struct jl_stats stats = { .size = sizeof(stats) };
	struct jl__row *row = info->row;
	_cleanup_close_ int folder =
		jl__run_folder(node, row->text[JL__T_ID], row->number[JL__N_RUN], false);
	jl_job *job = NULL;

	if (folder >= 0)
		row->number[JL__N_LOG] = jl__run_log_bytes(folder);
	if (row->number[JL__N_STATE] != JL_STATE_RUNNING ||
	    jl__active_job(node, row, &job, NULL) < 0)
		return;
	info->disk_used = work_used(job);
	if (jl_job_get_stats(job, &stats, NULL) == 0) {
		row->number[JL__N_CPU] = stats.cpu_usec;
		row->number[JL__N_MEMORY_PEAK] = stats.memory_peak_bytes;
		row->number[JL__N_IO_READ] = stats.io_read_bytes;
		row->number[JL__N_IO_WRITE] = stats.io_write_bytes;
		row->number[JL__N_NET_RECEIVED] = stats.net_received_bytes;
		row->number[JL__N_NET_SENT] = stats.net_sent_bytes;
		row->number[JL__N_NET_RECEIVED_PACKETS] = stats.net_received_packets;
		row->number[JL__N_NET_SENT_PACKETS] = stats.net_sent_packets;
	}
	(void)jl_job_unref(job);
}
