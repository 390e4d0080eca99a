/* SPDX-License-Identifier: MIT */
#include "rnx.h"

#include <stdio.h>

#include "output.h"

static const char text[] =
	"rnx goes to the node of a configuration file, rnx-config.yml:\n"
	"\n"
	"  version: \"3.0\"\n"
	"  nodes:\n"
	"    default:\n"
	"      address: \"192.0.2.7:50051\"\n"
	"      cert: |\n"
	"        -----BEGIN CERTIFICATE-----\n"
	"        ...\n"
	"      key: |\n"
	"        -----BEGIN PRIVATE KEY-----\n"
	"        ...\n"
	"      ca: |\n"
	"        -----BEGIN CERTIFICATE-----\n"
	"        ...\n"
	"    viewer:\n"
	"      address: \"192.0.2.7:50051\"\n"
	"      ...\n"
	"\n"
	"'joblet cert init' on the server writes one. It is looked for, in this order, at\n"
	"\n"
	"  --config=FILE\n"
	"  $RNX_CONFIG, $RNX_CONFIG_PATH\n"
	"  ./rnx-config.yml\n"
	"  ./config/rnx-config.yml\n"
	"  ~/.rnx/rnx-config.yml\n"
	"  /etc/joblet/rnx-config.yml\n"
	"  /opt/joblet/config/rnx-config.yml\n"
	"\n"
	"--node=NAME or $JOBLET_NODE chooses the node, \"default\" without it; --server=HOST:PORT\n"
	"or $JOBLET_SERVER replaces its address and keeps its certificates. Without a file, jobs\n"
	"are those of this machine: of its daemon when one runs, else of rnx itself.\n"
	"\n"
	"The file holds a private key: keep it to yourself (chmod 600), and give everybody a\n"
	"certificate with the role they need (joblet cert client --role=viewer).\n";

int cmd_config_help(const struct options *opts, char **words)
{
	(void)opts;
	(void)words;
	(void)fputs(text, stdout);
	return finish_stdout();
}
