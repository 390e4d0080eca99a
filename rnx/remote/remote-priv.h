/* SPDX-License-Identifier: MIT */
/*
 * The backend of rnx for a daemon. A module of its own (rnx-remote.so), so that TLS,
 * HTTP/2 and YAML are loaded only by commands that go to one. The parts share this.
 */
#ifndef RNX_REMOTE_PRIV_H
#define RNX_REMOTE_PRIV_H

#include "backend.h"
#include "joblet.pb-c.h"
#include "module.h"
#include "remote.h"
#include "rpc/client.h"

struct remote_log;

struct remote {
	struct backend base;
	struct jl__rpc_client *client;
	/* To connect again after the daemon was restarted. */
	char *address, *cert, *key, *ca;
	uint64_t lost_usec;	 /* when the connection was lost; 0: it was not */
	char submitted[40];	 /* UUID of the last job that was handed in */
	struct jl__rpc_stream *end; /* is answered at the end of a job, or NULL */
	struct remote_log *logs; /* open readers: their streams end with the connection */
};

static inline struct remote *remote_of(struct backend *backend)
{
	return (struct remote *)(void *)backend;
}

/* Limits of a call, as people expect them of a command. */
#define CALL_USEC UINT64_C(10000000)
#define STOP_USEC UINT64_C(20000000)
#define LONG_USEC UINT64_C(30000000)
/* How long a daemon may be gone before a reader gives up. */
#define LOST_USEC UINT64_C(15000000)

uint64_t remote_now_usec(void);

/* A status as a failure: sets the code and the server's sentence. Returns the code. */
int remote_fault(struct fault *fault, const struct jl__rpc_status *status);
/* A failure of the client's own; err is released. */
int remote_error(struct fault *fault, int code, jl_error *err);
/* Connects, first or again. */
int remote_connect(struct remote *self, struct fault *fault);
/*
 * Tries to be connected again: 0 when it is, -EAGAIN when it is worth another try a
 * little later, or the failure after LOST_USEC.
 */
int remote_reconnect(struct remote *self, struct fault *fault);

/*
 * One message there, one back. *ret_reply is released with jl__rpc_message_free(); may be
 * NULL. again: asking twice does no harm, so a daemon that is restarted is waited for.
 */
int remote_call(struct remote *self, const char *path, const ProtobufCMessage *request,
		uint64_t timeout_usec, bool again, uint8_t **ret_reply, size_t *ret_len,
		struct fault *fault);
/* "The answer cannot be read", -EBADMSG. */
int remote_bad_reply(struct fault *fault);

/* A job from what the messages say of it. */
int remote_fill_details(struct job *job, const char *uuid, const char *status,
			const Joblet__X__V1__JobDetails *details, int32_t exit_code);

/* remote_job.c */
int remote_job_get(struct backend *backend, const char *id, struct job *job,
		   struct fault *fault);
int remote_job_list(struct backend *backend, const struct list_query *query,
		    struct job_list *list, struct fault *fault);
int remote_job_stop(struct backend *backend, const char *id, uint64_t grace_usec,
		    struct fault *fault);
int remote_job_signal(struct backend *backend, const char *id, int number,
		      struct fault *fault);
int remote_job_cancel(struct backend *backend, const char *id, struct fault *fault);
int remote_job_delete(struct backend *backend, const char *id, struct fault *fault);
int remote_job_delete_all(struct backend *backend, uint32_t *ret_deleted,
			  uint32_t *ret_skipped, struct fault *fault);
int remote_job_wait(struct backend *backend, const char *id, uint64_t timeout_usec,
		    struct fault *fault);
/* remote_end.c */
void remote_job_expect(struct backend *backend, const char *id);
int remote_job_end(struct backend *backend, const char *id, struct job *job,
		   struct fault *fault);
/* As remote_log_lose_all(). */
void remote_end_lose(struct remote *self);
/* remote_log.c */
int remote_log_open(struct backend *backend, const char *id,
		    const struct log_query *query, struct log_reader **ret_log,
		    struct fault *fault);
void remote_log_get_wakeup(struct log_reader *log, struct wakeup *ret_wakeup);
int64_t remote_log_read(struct log_reader *log, void *data, size_t size,
			struct fault *fault);
void remote_log_close(struct log_reader *log);
/* Before the connection is closed: streams go first, readers open them anew. */
void remote_log_lose_all(struct remote *self);
/* remote_net.c */
int remote_network_create(struct backend *backend, const char *name, const char *cidr,
			  struct network *network, struct fault *fault);
int remote_network_list(struct backend *backend, struct network_list *list,
			struct fault *fault);
int remote_network_remove(struct backend *backend, const char *name, struct fault *fault);
int remote_node_get(struct backend *backend, struct node_info *info, struct fault *fault);
/* remote_submit.c */
int remote_begin(struct backend *backend, const struct request *request,
		 struct submission **ret_submission, struct fault *fault);
int remote_add_dir(struct submission *submission, const char *path, uint32_t mode,
		   struct fault *fault);
int remote_add_file(struct submission *submission, const char *path, uint32_t mode,
		    uint64_t size, struct fault *fault);
int remote_add_link(struct submission *submission, const char *path, const char *target,
		    struct fault *fault);
int remote_write(struct submission *submission, const void *data, size_t len,
		 struct fault *fault);
int remote_submit(struct submission *submission, struct job *job, struct fault *fault);
void remote_abort(struct submission *submission);

int remote_module_open(const struct options *opts, struct backend **ret_backend,
		       struct fault *fault);
int remote_module_nodes(const struct options *opts, struct node_entries *ret_nodes,
			struct fault *fault);
void remote_module_nodes_done(struct node_entries *nodes);

#endif
