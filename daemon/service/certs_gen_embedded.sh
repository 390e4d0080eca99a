#!/bin/sh
# SPDX-License-Identifier: MIT
# The documented name of what "joblet cert init" does. JOBLET_SERVER_ADDRESS is where
# clients go; JOBLET_ADDITIONAL_NAMES, separated by commas, are further names and addresses.
set -eu

address=${JOBLET_SERVER_ADDRESS:-}
if [ -z "$address" ]; then
	echo 'certs_gen_embedded.sh: set JOBLET_SERVER_ADDRESS to the name or address clients use' >&2
	exit 2
fi
set -- --address "$address" "$@"
names=${JOBLET_ADDITIONAL_NAMES:-}
while [ -n "$names" ]; do
	name=${names%%,*}
	case $names in
	*,*) names=${names#*,} ;;
	*) names= ;;
	esac
	name=$(printf '%s' "$name" | tr -d ' ')
	[ -z "$name" ] || set -- "$@" --address "$name"
done
exec "${JOBLET:-joblet}" cert init "$@"
