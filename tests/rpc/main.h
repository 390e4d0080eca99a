/* SPDX-License-Identifier: MIT */
#ifndef RPC_MAIN_H
#define RPC_MAIN_H

#include <check.h>

Suite *test_suite(void);

#endif
