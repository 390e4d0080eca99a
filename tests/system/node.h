/* SPDX-License-Identifier: MIT */
/* Jobs of a node on a state folder of the test, through the public functions. */
#ifndef SYSTEM_NODE_H
#define SYSTEM_NODE_H

#include "harness.h"

/* Of the test; made by node_set_up(), removed by node_tear_down(). */
extern char state[64];
extern jl_node *node;
/* Settings used by open_node(); the defaults, but for "none" as network. */
extern jl_node_config *config;

void node_set_up(void);
void node_tear_down(void);
/* Another handle on the same folder, with a context of its own. */
jl_node *open_node(void);
void close_node(jl_node *closed);

/* A submission of sh -c script. */
jl_submission *script(const char *text);
/* Hands it in and frees it; the job's UUID, to be freed. */
char *submit(jl_submission *sub);
char *submit_script(const char *text);
/* One number or text of a job. */
uint64_t number(const char *id, int what);
char *text_of(const char *id, int what);
int state_of(const char *id);
/* Jobs in states, bit n for state n; 0: all. */
uint32_t in_states(uint32_t states);
/* Whether the node says that there is something to do. */
bool is_ready(void);
/* So many allocations of the library work from now on, then none; UINT_MAX: all. */
void allow_allocations(unsigned int count);
/* Waits and checks how it ended. */
void ck_ends(const char *id, int as, int exit_code);
/* Ended jobs with folders that cost nothing to make: scheduled and canceled. */
void end_many(unsigned int count);
/* What the log has, to be freed: both streams, up to the end. */
char *log_of(const char *id, uint32_t flags);
/* Runs jl_node_process() until the job has this state. */
void until(const char *id, int as);
/* Processes for some time, and once more when it is over. */
void process_for(double seconds);
/* Waits for the log of a job, of its last attempt, to have this text. */
void until_log(const char *id, const char *text);

#endif
