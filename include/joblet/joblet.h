/* SPDX-License-Identifier: MIT */
#ifndef JOBLET_JOBLET_H
#define JOBLET_JOBLET_H

/**
 * @file
 * Everything: include this one, or the topics you need.
 */

#include <joblet/base.h>
#include <joblet/cgroup.h>
#include <joblet/ctx.h>
#include <joblet/error.h>
#include <joblet/event.h>
#include <joblet/job.h>
#include <joblet/limits.h>
#include <joblet/log.h>
#include <joblet/net.h>
#include <joblet/node.h>
#include <joblet/sched.h>

#endif
