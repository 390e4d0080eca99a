#!/bin/busybox sh
# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# PID 1 of the virtual machine, twice: first in the initramfs, where it loads what is
# needed to reach the disk and leaves for it (pivot_root does not work on the
# initramfs), then on the disk, where it runs /run/vm/job, made by run.py for this
# start, and switches the machine off.
#
# Output for the host goes through a virtio port (fd 3), which is not a terminal and
# which the kernel does not write to; the console keeps what the kernel says.

# No /usr/bin/[ before the PATH is known, no fork for small things: busybox does all.
bb=/bin/busybox

first_stage() {
	$bb mount -t devtmpfs dev /dev
	$bb mount -t proc proc /proc
	while read -r module; do
		$bb insmod "/modules/$module" || echo "vm: cannot load $module"
	done </modules/order
	tries=0
	until [ -b /dev/vda ] || [ $tries -ge 100 ]; do
		$bb usleep 50000
		tries=$((tries + 1))
	done
	$bb mkdir -p /root
	if ! $bb mount -t ext4 -o rw,relatime,noinit_itable /dev/vda /root; then
		echo "vm: no root disk"
		$bb poweroff -f
	fi
	$bb mount -t tmpfs -o mode=0755,nosuid,nodev run /root/run
	$bb mkdir /root/run/vm
	$bb cp /init /job /root/run/vm/
	$bb umount /proc
	$bb umount /dev
	exec $bb switch_root /root /run/vm/init second
}

mount_all() {
	# As systemd has it, so that jobs meet what they meet on a real machine.
	$bb mount -t devtmpfs -o mode=0755,nosuid dev /dev
	$bb mount -t proc -o nosuid,nodev,noexec proc /proc
	$bb mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
	$bb mkdir -p /dev/pts /dev/shm /run/lock
	$bb mount -t devpts -o gid=5,mode=620,ptmxmode=000,nosuid,noexec devpts /dev/pts
	$bb mount -t tmpfs -o nosuid,nodev shm /dev/shm
	# A tree that was built below /tmp is there on the disk and must stay in sight.
	if [ -z "$($bb ls -A /tmp)" ]; then
		$bb mount -t tmpfs -o mode=1777,nosuid,nodev tmp /tmp
	fi
	$bb mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate,memory_recursiveprot \
		cgroup2 /sys/fs/cgroup
	$bb mount --make-rshared /
}

second_stage() {
	mount_all
	export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	export HOME=/root USER=root LANG=C.UTF-8 TERM=linux
	$bb ln -s /proc/self/fd /dev/fd
	$bb hostname vm
	$bb ip link set lo up
	$bb ip addr add 10.0.2.15/24 dev eth0
	$bb ip link set eth0 up
	$bb ip route add default via 10.0.2.2
	ulimit -c 0
	# It may show up a moment after its driver.
	tries=0
	port=
	while [ -z "$port" ] && [ $tries -lt 100 ]; do
		for port in /dev/vport*; do
			[ -c "$port" ] && break
			port=
			$bb usleep 50000
		done
		tries=$((tries + 1))
	done
	exec 3>"${port:-/dev/console}"
	# shellcheck source=/dev/null
	. /run/vm/job
	$bb sync
	$bb poweroff -f
}

case "$1" in
second) second_stage ;;
*) first_stage ;;
esac
