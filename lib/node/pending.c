/* SPDX-License-Identifier: MIT */
/* Stands in for modules that are not in the tree yet; what they define takes precedence.
 */
#define JL_MODULE "node"

#include <errno.h>

#include <joblet/net.h>

#include "base/error.h"
#include "node/node.h"

#define WEAK __attribute__((weak))
#define ABSENT(err) jl__fail(err, -EOPNOTSUPP, "this build cannot do that yet")

WEAK const char *jl_job_get_address(const jl_job *job)
{
	return "";
}
WEAK int jl_job_spec_set_network_name(jl_job_spec *spec, const char *name, jl_error **err)
{
	return 0;
}
WEAK int jl_net_create(jl_ctx *ctx, const char *name, const char *cidr, jl_net **ret,
		       jl_error **err)
{
	return ABSENT(err);
}
WEAK int jl_net_open(jl_ctx *ctx, const char *name, jl_net **ret, jl_error **err)
{
	return ABSENT(err);
}
WEAK int jl_net_remove(jl_ctx *ctx, const char *name, jl_error **err)
{
	return ABSENT(err);
}
WEAK jl_net *jl_net_unref(jl_net *net)
{
	return NULL;
}
