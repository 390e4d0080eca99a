/* SPDX-License-Identifier: MIT */
/*
 * What rnx knows of a job, a network and a node, wherever they are: plain data, filled in
 * by a backend, read by the commands. Texts are owned by the struct; NULL means empty or
 * unknown, UNKNOWN says so of a number.
 */
#ifndef RNX_JOB_H
#define RNX_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNKNOWN UINT64_MAX

struct variable {
	char *name;
	char *value; /* "***" when secret */
	bool secret;
};

struct job {
	char *uuid;	 /* 36 characters, as the node gave it */
	uint64_t number; /* sequence number; UNKNOWN when the server has none */
	char *name;
	int state; /* a JL_STATE_ value; -1 for one this version does not know */
	char *network;
	char *address;
	char *cpus;
	char *work_dir;
	char *owner;
	char *recurrence;
	char *failure; /* why it could not start */
	char *warning; /* defaults that could not be applied */
	char *node_id;

	/* µs since 1970 */
	uint64_t created_usec, due_usec, start_usec, end_usec;
	/* of its end */
	uint64_t exit_code, reason, signal;
	uint64_t wall_usec, cpu_usec, memory_peak_bytes, io_read_bytes, io_write_bytes;
	/* limits: 0 for none */
	uint64_t cpu_percent, memory_bytes, io_bps, pids, disk_bytes, timeout_usec;
	uint64_t disk_used_bytes;
	uint64_t retries, attempt;
	int64_t priority;
	uint64_t log_bytes;
	bool log_cut;
	uint64_t net_received_bytes, net_sent_bytes;
	uint64_t net_received_packets, net_sent_packets;

	char **args; /* the command and its arguments, NULL terminated */
	size_t arg_count;
	/* Only job_get and submit fill these. */
	struct variable *env;
	size_t env_count;
	char **uploads; /* paths below /work */
	size_t upload_count;
};

struct job_list {
	struct job *jobs; /* newest first */
	size_t count;
};

struct network {
	char *name;
	char *cidr;   /* NULL for none */
	char *bridge; /* as it is shown to people; NULL for none */
	bool builtin;
	uint64_t jobs;
};

struct network_list {
	struct network *networks; /* built-in ones first, then by name */
	size_t count;
};

/* What version and nodes show. */
struct node_info {
	char *version; /* of the library or server behind the backend */
	char *hostname;
	char *node_id;
	bool available;
};

/* Everything empty and unknown. */
void job_init(struct job *job);
/* Release what the struct owns, not the struct; again is fine. */
void job_done(struct job *job);
void job_list_done(struct job_list *list);
void network_done(struct network *network);
void network_list_done(struct network_list *list);
void node_info_done(struct node_info *info);

/*
 * For backends. job_set_text() copies a text into *slot, NULL and "" as NULL;
 * job_add_arg(), _env() and _upload() append a copy. Return 0 or -ENOMEM.
 */
int job_set_text(char **slot, const char *text);
int job_add_arg(struct job *job, const char *arg);
int job_add_env(struct job *job, const char *name, const char *value, bool secret);
int job_add_upload(struct job *job, const char *path);

/* The JL_STATE_ value of a name such as "RUNNING", in any case, or -1. */
int state_by_name(const char *name);
/* And back; "UNKNOWN" for others. */
const char *state_name(int state);

#endif
