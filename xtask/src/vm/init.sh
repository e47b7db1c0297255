#!/usr/sbin/busybox sh
# The first process of a guest: mounts what a system has, runs the command, tells how it ended, and goes.
# Its console is the kernel's. The command's output goes through virtio ports named `out` and `err`; `control` takes
# one line when the command begins and one with its status when it has ended.
busybox=/usr/sbin/busybox
export PATH=/usr/sbin:/usr/bin HOME=/root TERM=${TERM:-linux}

finish() {
  $busybox reboot -f
}

fail() {
  echo "guest: $1" >/dev/console
  finish
}

$busybox mkdir -p /proc /sys /run /tmp /root /var/tmp /sbin
$busybox mount -t devtmpfs devtmpfs /dev
$busybox mount -t proc proc /proc
$busybox mount -t sysfs sysfs /sys
$busybox --install -s /usr/bin
mkdir -p /dev/pts /dev/shm /dev/net
# As systemd makes it: opening it is what loads the module.
mknod /dev/net/tun c 10 200
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mkdir /run/netns
# Not a mount of its own: the project may lie below it, and all of the root is memory anyway.
chmod 1777 /tmp
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing
mount -t securityfs securityfs /sys/kernel/security
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -s /proc/self/fd /dev/fd
ln -s /proc/self/fd/0 /dev/stdin
ln -s /proc/self/fd/1 /dev/stdout
ln -s /proc/self/fd/2 /dev/stderr
hostname guest
ip link set lo up
for module in virtio_pci virtio_console; do
  modprobe "$module" || fail "no module $module"
done

port() {
  for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    for candidate in /sys/class/virtio-ports/*; do
      if [ "$(cat "$candidate/name" 2>/dev/null)" = "$1" ]; then
        echo "/dev/${candidate##*/}"
        return
      fi
    done
    sleep 0.1
  done
  fail "there is no port $1"
}

control=$(port control)
. /etc/tcpkit/environment
cd "$PWD" || fail "there is no folder $PWD"

if [ -e /etc/tcpkit/interactive ]; then
  echo started >"$control"
  # Busybox's own shell: it has line editing, and needs nothing else.
  setsid busybox sh -c 'exec busybox sh -l </dev/ttyS1 >/dev/ttyS1 2>&1'
  echo "status $?" >"$control"
  finish
fi

# A pipe stands between: a port can be opened only once, and the command may open its own standard error again.
mkfifo /run/out /run/err
cat </run/out >"$(port out)" &
out=$!
cat </run/err >"$(port err)" &
err=$!
echo started >"$control"
/usr/bin/sh /etc/tcpkit/command </dev/null >/run/out 2>/run/err
status=$?
# What the command left running may hold the pipes for ever.
( sleep 2; kill "$out" "$err" ) 2>/dev/null &
wait "$out" "$err"
echo "status $status" >"$control"
finish
