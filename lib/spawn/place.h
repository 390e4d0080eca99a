/* SPDX-License-Identifier: MIT */
/*
 * Places of jobs in networks. Private to spawn/. A place is taken, claimed for the job and
 * sent with its plan; from then on the supervisor gives it back, and the library only
 * takes the job's names away, or everything when the supervisor is gone. One place is
 * taken ahead: the supervisor lays its wire while the job before runs.
 */
#ifndef JL_SPAWN_PLACE_H
#define JL_SPAWN_PLACE_H

#include "base/buf.h"
#include "net/net.h"
#include "spawn/link.h"
#include "spawn/spec.h"

/* The network of a description, opened and kept on the link. *ret is borrowed, NULL for
 * jobs without one; *ret_kept tells whether it was open already. */
int jl__place_network(struct jl__link *link, const jl_job_spec *spec, jl_net **ret,
		      bool *ret_kept, jl_error **err);
/* For looking only: makes nothing. *ret_shown is its folder with names, NULL without one,
 * also where the network is made when it is first used; released with jl__free(). */
int jl__place_look(struct jl__link *link, const jl_job_spec *spec, char **ret_shown,
		   jl_error **err);
/* What is kept may be a network that was removed meanwhile. */
void jl__place_forget(struct jl__link *link);
/* A place for the job; adds it to the plan. */
int jl__place_take(struct jl__link *link, jl_job *job, const jl_job_spec *spec,
		   struct jl__buf *plan, jl_error **err);
/* A job of this kind has started: takes the place for the next one where that pays, and
 * hands it to the supervisor. */
void jl__place_ahead(struct jl__link *link, const jl_job_spec *spec);
/* The job is over, or never was: its names go, and what the supervisor has left. */
void jl__place_over(jl_job *job);
/* The supervisor is gone, with or without having given back the one ahead. */
void jl__place_lost(struct jl__link *link);

#endif
