/* SPDX-License-Identifier: MIT */
#ifndef JOBLET_NET_H
#define JOBLET_NET_H

/**
 * @file
 * Networks: a bridge with an IPv4 subnet, in which jobs get addresses, names and rules.
 *
 * "bridge" (172.20.0.0/16, device joblet0) and "isolated" are there by themselves and
 * made when first used; others are created and removed by name. A network lives in the
 * kernel, is shared by every program of the machine that uses the library, and stays
 * until it is removed or the machine restarts. Making one needs CAP_NET_ADMIN.
 *
 * Jobs of one network reach each other and the outside; jobs of "isolated" reach the
 * outside only. Nobody reaches another network, the host's own services or
 * 169.254.0.0/16. Everything is in one nftables table, "joblet", of two families; tables
 * of others are never touched.
 *
 * A handle is used by one thread at a time. `_ref` and `_unref` may be called from any
 * thread.
 */

#include <joblet/ctx.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An open network. */
typedef struct jl_net jl_net;
/** Networks of this machine at one moment. */
typedef struct jl_net_list jl_net_list;
/** A network namespace that is wired to a network. */
typedef struct jl_endpoint jl_endpoint;

/**
 * Create a network.
 *
 * @param ctx   Context.
 * @param name  1 to 32 bytes of [A-Za-z0-9_-], first and last alphanumeric; not one of
 *              none, host, bridge, isolated.
 * @param cidr  IPv4 subnet as "10.1.0.0/16": prefix 8 to 30, no host bits, not loopback,
 *              link-local or multicast, not overlapping another network or an address or
 *              route of this machine.
 * @param[out] ret_net  The network, released with jl_net_unref(); may be NULL.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL for a bad name or subnet, -EEXIST when the name is taken, -EADDRINUSE
 *         when the subnet overlaps, -EPERM, -EOPNOTSUPP when the kernel lacks bridges or
 *         nftables, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_net_create(jl_ctx *ctx, const char *name, const char *cidr,
				       jl_net **ret_net, jl_error **ret_err);

/**
 * Open a network. What a killed program left half made is completed or removed;
 * "bridge" and "isolated" are created when they are not there.
 *
 * @param ctx   Context.
 * @param name  Name.
 * @param[out] ret_net  The network, released with jl_net_unref().
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL, -ENOENT, -EPERM, -EOPNOTSUPP, -ENOMEM; for "bridge" and "isolated"
 *         also -EADDRINUSE.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_net_open(jl_ctx *ctx, const char *name, jl_net **ret_net,
				     jl_error **ret_err);

/**
 * Remove a network: bridge, rules, addresses. "bridge" and "isolated" stay.
 *
 * @param ctx   Context.
 * @param name  Name.
 * @param[out] ret_err  Reason of a failure; may be NULL.
 * @return 0, -EINVAL for a bad name, -ENOENT, -EBUSY with the number of jobs that use it,
 *         -EPERM also for a network that is there by itself, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_net_remove(jl_ctx *ctx, const char *name, jl_error **ret_err);

/** Take a reference. @param net Network, not NULL. @return net. @since 0.1 */
JL_API jl_net *jl_net_ref(jl_net *net);
/** Drop a reference; the network itself stays. @param net Network; NULL is fine.
 *  @return NULL. @since 0.1 */
JL_API jl_net *jl_net_unref(jl_net *net);

/** Name of a network. @param net Network. @return borrowed. @since 0.1 */
JL_API const char *jl_net_get_name(const jl_net *net);
/** Subnet, for instance "172.20.0.0/16". @param net Network. @return borrowed; "" for
 *  "none". @since 0.1 */
JL_API const char *jl_net_get_cidr(const jl_net *net);
/** Bridge as it is shown to people, "joblet-NAME" also where the kernel's 15 characters
 *  force another device. @param net Network. @return borrowed; "" for "none".
 *  @since 0.1 */
JL_API const char *jl_net_get_bridge(const jl_net *net);
/** Device of the bridge in the kernel. @param net Network. @return borrowed; "" for
 *  "none". @since 0.1 */
JL_API const char *jl_net_get_device(const jl_net *net);
/** Whether the network is there by itself. @param net Network. @return 1 or 0.
 *  @since 0.1 */
JL_API int jl_net_is_builtin(const jl_net *net);
/** Jobs in the network when it was opened or listed. @param net Network. @return the
 *  number. @since 0.1 */
JL_API uint32_t jl_net_get_jobs(const jl_net *net);

/**
 * List the networks: none, isolated and bridge first, then by name. Creates nothing.
 *
 * @param ctx            Context.
 * @param[out] ret_list  The list, released with jl_net_list_free().
 * @param[out] ret_err   Reason of a failure; may be NULL.
 * @return 0, -EPERM, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_net_list_new(jl_ctx *ctx, jl_net_list **ret_list,
					 jl_error **ret_err);
/** Release a list. @param list List; NULL is fine. @since 0.1 */
JL_API void jl_net_list_free(jl_net_list *list);
/** Number of networks. @param list List; NULL gives 0. @return the number. @since 0.1 */
JL_API uint32_t jl_net_list_count(const jl_net_list *list);
/** A network of the list. @param list List. @param index Place. @return borrowed from the
 *  list; NULL beyond the last one. @since 0.1 */
JL_API const jl_net *jl_net_list_get(const jl_net_list *list, uint32_t index);

/**
 * Take a place in a network for a process that is not a job: a network namespace with
 * loopback, an address, a route, and the rules of the network. Jobs get theirs by
 * jl_job_spec_set_network_name().
 *
 * @param net   Network.
 * @param name  Name by which jobs of the network find it, as in jl_job_spec_set_name();
 *              NULL for none.
 * @param[out] ret_endpoint  The place, released with jl_endpoint_free().
 * @param[out] ret_err       Reason of a failure; may be NULL.
 * @return 0, -EINVAL, -ENOSPC when no address or port of the bridge is free, -EPERM,
 *         -ENOENT when the network is gone, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_net_attach(jl_net *net, const char *name,
				       jl_endpoint **ret_endpoint, jl_error **ret_err);
/** Give the place up: the address is free again, and the interface goes with the last
 *  process in the namespace. @param endpoint Place; NULL is fine. @since 0.1 */
JL_API void jl_endpoint_free(jl_endpoint *endpoint);
/** Its namespace, for setns(2). @param endpoint Place. @return the descriptor, borrowed.
 *  @since 0.1 */
JL_API int jl_endpoint_get_fd(const jl_endpoint *endpoint);
/** Its address, for instance "172.20.0.2". @param endpoint Place. @return borrowed.
 *  @since 0.1 */
JL_API const char *jl_endpoint_get_address(const jl_endpoint *endpoint);

#ifdef __cplusplus
}
#endif

#endif
