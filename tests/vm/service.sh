# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# In the virtual machine, below systemd: joblet as a service, with jobs that stay while it
# comes and goes. Prints TAP for service.py.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
slice=/sys/fs/cgroup/joblet.slice
rnx='rnx --config /opt/joblet/config/rnx-config.yml'
count=0

# result NAME COMMAND…: one line of TAP; what the command printed, when it failed
result() {
	name=$1
	shift
	count=$((count + 1))
	if "$@" >/run/vm/printed 2>&1; then
		echo "ok $count - $name"
	else
		echo "not ok $count - $name"
		sed 's/^/# /' /run/vm/printed
	fi
}

# soon COMMAND…: becomes true within a minute, which is ten times what it takes here
soon() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ $tries -lt 300 ] || return 1
		sleep 0.2
	done
}

property() { systemctl show joblet --property "$1" --value; }

# A job in the background; its number and its process on this machine.
start_job() {
	job=$($rnx run -d --max-memory=64 sleep 100000 | sed -n 's/^ID: //p')
	pid=$(pgrep -n -x sleep)
	[ -n "$job" ] && [ -n "$pid" ]
}

# The same process, still the job's, and nobody takes it for anything else.
still_runs() {
	[ "$(pgrep -x -o sleep)" = "$pid" ] && $rnx status "$job" | grep -q RUNNING
}

other_main() {
	now=$(property MainPID)
	[ "$now" -gt 1 ] && [ "$now" != "$main" ] && [ "$(property ActiveState)" = active ]
}

started() {
	joblet cert init --address 127.0.0.1 >/dev/null && systemctl start joblet &&
		[ "$(property ActiveState)/$(property StatusText)" = active/Serving ]
}

limited() {
	$rnx run --max-memory=64 --max-cpu=50 --max-pids=9 sh -c 'test $$ = 1'
}

apart() {
	grep -q "^0::/joblet.slice/joblet-jobs.service/joblet-.*/job-" "/proc/$pid/cgroup" &&
		[ "$(cat $slice/joblet.service/cgroup.procs)" = "$(property MainPID)" ]
}

restarted() {
	main=$(property MainPID)
	systemctl restart joblet && other_main && still_runs
}

reloaded() {
	main=$(property MainPID)
	systemctl reload joblet && [ "$(property MainPID)" = "$main" ] && still_runs
}

killed() {
	main=$(property MainPID)
	kill -9 "$main" && soon other_main && soon still_runs
}

# WatchdogSec is 30 s, and a stopped process cannot tell that it is alive.
hung() {
	main=$(property MainPID)
	kill -STOP "$main" && soon other_main && soon still_runs
}

away_and_back() {
	systemctl stop joblet && [ "$(property ActiveState)" = inactive ] &&
		[ "$(pgrep -x -o sleep)" = "$pid" ] && systemctl start joblet && still_runs
}

stopped() {
	$rnx stop "$job" && ! pgrep -x sleep && $rnx status "$job" | grep -q STOPPED
}

all_ended() {
	start_job && systemctl stop joblet-jobs && ! pgrep -x sleep &&
		[ "$(property ActiveState)" = inactive ] && [ ! -e $slice/joblet-jobs.service ]
}

back_again() {
	systemctl start joblet && $rnx status "$job" | grep -q FAILED && limited
}

no_warning() {
	! dmesg | grep -i 'left-over process'
}

embedded() {
	printf '[Service]\nType=oneshot\nDelegate=yes\nExecStart=%s run --max-memory=64 true\n' \
		"$(command -v rnx)" >/run/systemd/system/embedded.service
	systemctl daemon-reload && systemctl start embedded
}

for port in /dev/vport*p*; do
	exec >"$port"
done
ip link set lo up
result "the service is started when it serves" started
result "a job of a client has its limits" limited
result "a job that stays is started" start_job
result "jobs are in the group that is held for them" apart
result "a job stays when the service is restarted" restarted
result "a job stays when the service is reloaded" reloaded
result "a job stays when the service is killed" killed
result "a job stays when the service hangs" hung
result "a job stays while the service is stopped" away_and_back
result "a job of the service before is stopped" stopped
result "stopping the group ends its jobs and the service" all_ended
result "the service starts again after its group" back_again
result "nothing of one service is left over in the next" no_warning
result "a unit with Delegate runs jobs without the service" embedded
echo "1..$count"
