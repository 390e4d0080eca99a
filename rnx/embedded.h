/* SPDX-License-Identifier: MIT */
/*
 * The parts of the backend that is a node in this process. Not for commands.
 */
#ifndef RNX_EMBEDDED_H
#define RNX_EMBEDDED_H

#include <joblet/net.h>
#include <joblet/node.h>

#include "backend.h"

struct embedded {
	struct backend base;
	jl_ctx *ctx;
	jl_node *node;
};

static inline struct embedded *embedded_of(struct backend *backend)
{
	return (struct embedded *)(void *)backend;
}

/* Moves a failure of the library into *fault and releases it; returns code. */
int embedded_fault(struct fault *fault, int code, jl_error *err);
/* Copies what is known of a job; details (variables, uploads) as far as info has them. */
int embedded_fill_job(const jl_job_info *info, struct job *job, struct fault *fault);

/* embedded_submit.c */
int embedded_begin(struct backend *backend, const struct request *request,
		   struct submission **ret_submission, struct fault *fault);
int embedded_add_dir(struct submission *submission, const char *path, uint32_t mode,
		     struct fault *fault);
int embedded_add_link(struct submission *submission, const char *path,
		      const char *target, struct fault *fault);
int embedded_add_file(struct submission *submission, const char *path, uint32_t mode,
		      uint64_t size, struct fault *fault);
int embedded_write(struct submission *submission, const void *data, size_t len,
		   struct fault *fault);
int embedded_submit(struct submission *submission, struct job *job, struct fault *fault);
void embedded_abort(struct submission *submission);

/* embedded_log.c */
int embedded_log_open(struct backend *backend, const char *id,
		      const struct log_query *query, struct log_reader **ret_log,
		      struct fault *fault);
void embedded_log_get_wakeup(struct log_reader *log, struct wakeup *ret_wakeup);
int64_t embedded_log_read(struct log_reader *log, void *data, size_t size,
			  struct fault *fault);
void embedded_log_close(struct log_reader *log);

/* embedded_net.c */
int embedded_network_create(struct backend *backend, const char *name, const char *cidr,
			    struct network *network, struct fault *fault);
int embedded_network_list(struct backend *backend, struct network_list *list,
			  struct fault *fault);
int embedded_network_remove(struct backend *backend, const char *name,
			    struct fault *fault);

#endif
