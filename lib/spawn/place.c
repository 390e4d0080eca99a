/* SPDX-License-Identifier: MIT */
#define JL_MODULE "net"

#include "spawn/place.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "spawn/plan.h"

/* ---- the network of the link ---- */

void jl__place_forget(struct jl__link *link)
{
	/* Not given back: the supervisor has them, and does that. */
	while (link->spare_count)
		jl__free(link->spares[--link->spare_count]);
	link->net = jl_net_unref(link->net);
	link->net_starts = 0;
	/* One of the same name has another folder to be shown. */
	link->view_usec = 0;
}

static int check_privilege(const struct jl__link *link, const char *name, jl_error **err)
{
	if (link->privileged)
		return 0;
	return jl__fail(
		err, -EPERM,
		"network \"%s\" needs root, to make interfaces and rules; unprivileged jobs have none or host",
		name);
}

int jl__place_network(struct jl__link *link, const jl_job_spec *spec, jl_net **ret,
		      bool *ret_kept, jl_error **err)
{
	const char *name = jl__spec_network_name(spec);
	jl_net *net;
	int r;

	*ret = NULL;
	*ret_kept = false;
	if (!jl__spec_is_networked(spec))
		return 0;
	r = check_privilege(link, name, err);
	if (r < 0)
		return r;
	if (link->net && strcmp(jl_net_get_name(link->net), name) == 0) {
		*ret = link->net;
		*ret_kept = true;
		return 0;
	}
	r = jl_net_open(link->ctx, name, &net, err);
	if (r < 0)
		return r;
	jl__net_weaken(net);
	jl__place_forget(link);
	link->net = *ret = net;
	return 0;
}

int jl__place_look(struct jl__link *link, const jl_job_spec *spec, char **ret_shown,
		   jl_error **err)
{
	const char *name = jl__spec_network_name(spec);
	const jl_net *net = NULL;
	jl_net_list *list;
	int r;

	*ret_shown = NULL;
	if (!jl__spec_is_networked(spec))
		return 0;
	r = check_privilege(link, name, err);
	if (r < 0)
		return r;
	r = jl_net_list_new(link->ctx, &list, err);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < jl_net_list_count(list) && !net; i++)
		if (strcmp(jl_net_get_name(jl_net_list_get(list, i)), name) == 0)
			net = jl_net_list_get(list, i);
	if (!net) {
		r = jl__fail(err, -ENOENT, "there is no network \"%s\"", name);
	} else if (jl__net_shown(net) && access(jl__net_shown(net), F_OK) == 0) {
		*ret_shown = jl__strdup(jl__net_shown(net));
		r = *ret_shown ? 0 : jl__oom(err);
	}
	jl_net_list_free(list);
	return r;
}

/* ---- places ---- */

static struct jl__net_policy policy_of(const jl_job_spec *spec)
{
	return (struct jl__net_policy){
		.allow = spec->allow,
		.allow_count = spec->allow_count,
		.publish = spec->publish,
		.publish_count = spec->publish_count,
		.bps = spec->net_bps,
	};
}

static int take(struct jl__link *link, uint64_t bps, struct jl__net_place **ret,
		jl_error **err)
{
	struct jl__net_place *place = jl__alloc(sizeof(*place));
	int r;

	if (!place)
		return jl__oom(err);
	r = jl__net_place_take(link->net, bps, place, err);
	if (r < 0) {
		jl__free(place);
		return r;
	}
	*ret = place;
	return 0;
}

static void give_back(jl_net *net, struct jl__net_place *place)
{
	if (place)
		jl__net_place_release(net, place);
	jl__free(place);
}

static struct jl__net_place *first_spare(struct jl__link *link)
{
	struct jl__net_place *first = link->spares[0];

	link->spare_count--;
	memmove(link->spares, link->spares + 1, link->spare_count * sizeof(first));
	return first;
}

static void put_first(struct jl__link *link, struct jl__net_place *place)
{
	memmove(link->spares + 1, link->spares, link->spare_count * sizeof(place));
	link->spares[0] = place;
	link->spare_count++;
}

/*
 * One that is ahead, or a new one. A bandwidth is part of the wire, so that one is always
 * new. What claiming adds for the job's names and rules goes by itself when it fails; the
 * place stays taken.
 */
static int take_for(struct jl__link *link, jl_job *job, const jl_job_spec *spec,
		    jl_error **err)
{
	struct jl__net_policy policy = policy_of(spec);
	struct jl__net_place *place = NULL;
	bool ahead = link->spare_count && !spec->net_bps;
	int r = 0;

	if (ahead) {
		place = first_spare(link);
	} else {
		r = take(link, spec->net_bps, &place, err);
	}
	if (r < 0)
		return r;
	r = jl__net_place_claim(link->net, place, &policy, job->id, spec->name, err);
	if (r == 0) {
		job->place = place;
		job->net = jl_net_ref(link->net);
		memcpy(job->address, place->text, sizeof(job->address));
	} else if (ahead && r != -ENOENT) {
		/* It was the job's wishes that could not be met; the next may want less.
		 */
		put_first(link, place);
	} else if (ahead) {
		jl__free(place);
	} else {
		give_back(link->net, place);
	}
	return r;
}

int jl__place_take(struct jl__link *link, jl_job *job, const jl_job_spec *spec,
		   struct jl__buf *plan, jl_error **err)
{
	int r = take_for(link, job, spec, err);

	if (r < 0)
		return r;
	r = jl__plan_add_wire(plan, &job->place->wire, err);
	if (r < 0)
		jl__place_over(job);
	return r;
}

static bool add_spare(struct jl__link *link)
{
	struct jl__request request = { .type = JL__REQUEST_SPARE };
	struct jl__net_place *place = NULL;

	if (take(link, 0, &place, NULL) < 0)
		return false;
	if (link->spare_count)
		request.number = link->spares[0]->wire.number;
	if (jl__link_send(link, &request, sizeof(request), &place->wire, place->wire.size,
			  NULL, 0) < 0) {
		give_back(link->net, place);
		return false;
	}
	link->spares[link->spare_count++] = place;
	return true;
}

/*
 * As with everything the supervisor makes ahead: a second job makes a third one likely, a
 * third one many. With two of them, one is ready while the other is laid when nobody
 * runs. Only now that the job runs, so that its start does not wait for it. A network
 * that is full has none to spare, which is no failure.
 */
void jl__place_ahead(struct jl__link *link, const jl_job_spec *spec)
{
	uint32_t wanted;

	if (!jl__spec_is_networked(spec) || spec->net_bps || !link->net || link->fd < 0 ||
	    !jl__net_is_roomy(link->net))
		return;
	if (link->net_starts <= JL__SPARES_MAX)
		link->net_starts++;
	wanted = link->net_starts - 1;
	while (link->spare_count < wanted && add_spare(link))
		;
}

void jl__place_over(jl_job *job)
{
	give_back(job->net, job->place);
	job->place = NULL;
	job->net = jl_net_unref(job->net);
}

void jl__place_lost(struct jl__link *link)
{
	for (uint32_t i = 0; i < link->spare_count; i++)
		jl__net_place_release(link->net, link->spares[i]);
	jl__place_forget(link);
}

const char *jl_job_get_address(const jl_job *job)
{
	return job->address;
}
