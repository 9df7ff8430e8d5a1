/**
 * The first program of the machine: a script of busybox's shell. It loads the modules, puts a writable layer over the
 * host's files, brings up the network and its RDMA device, and runs the command that the host sends.
 *
 * It talks with the host over virtio ports, one for each stream, so that bytes arrive as they were written. When the host
 * goes away, the control port ends, and so does the machine.
 */
export const guestInit = `#!/bin/busybox sh
B=/bin/busybox
$B --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
echo 1 > /proc/sys/kernel/printk
fail() { echo "lab: $*" > /dev/kmsg; [ -n "$CONTROL" ] && echo "failed $*" >&3; sleep 1; poweroff -f; }
while read -r module; do insmod /modules/$module || fail "cannot load $module"; done < /modules/order
for name in /sys/class/virtio-ports/*/name; do
  port=/dev/$(basename $(dirname $name))
  case $(cat $name) in
    control) CONTROL=$port; exec 3<> $port ;; # a port can be opened once only
    stdin) STDIN=$port ;;
    stdout) STDOUT=$port ;;
    stderr) STDERR=$port ;;
  esac
done
for word in $(cat /proc/cmdline); do case $word in lab.*) eval "\${word#lab.}" ;; esac; done
nine=trans=virtio,version=9p2000.L,msize=1048576,cache=loose
mkdir -p /host /tools /layer /root
mount -t 9p -o ro,$nine host /host || fail 'cannot mount the host'
mount -t tmpfs -o size=75% layer /layer
mkdir /layer/upper /layer/work
lower=/host
[ "$tools" = 1 ] && mount -t 9p -o ro,$nine tools /tools && lower=/host:/tools
mount -t overlay -o lowerdir=$lower,upperdir=/layer/upper,workdir=/layer/work,xino=off overlay /root || fail 'cannot mount the overlay'
for folder in proc sys dev run tmp; do mkdir -p /root/$folder; done
mount -t proc proc /root/proc
mount -t sysfs sys /root/sys
mount -t devtmpfs dev /root/dev
mkdir -p /root/dev/pts /root/dev/shm /root/dev/hugepages
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /root/dev/pts
mount -t tmpfs tmpfs /root/dev/shm
mount -t tmpfs -o mode=755 tmpfs /root/run
mount -t tmpfs -o mode=1777 tmpfs /root/tmp
mkdir -p /root/run/lab/out /root/run/lock
ln -s /proc/self/fd /root/dev/fd 2>/dev/null
if [ "$out" = 1 ]; then mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,cache=none out /root/run/lab/out || fail 'cannot mount the output'; fi
hostname lab$host
ip link set lo up
ip link set eth0 mtu 4200 up
ip addr add 10.77.0.$((host + 1))/24 dev eth0
ip -6 route add ff00::/8 dev eth0 table local 2>/dev/null
cp /bin/busybox /root/run/lab/busybox
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
chroot /root rdma link add rxe0 type rxe netdev eth0 2>/run-rdma || fail "no rxe0: $(cat /run-rdma)"
ulimit -l unlimited
ulimit -n 65536
echo "ready $(cut -d' ' -f1 /proc/uptime)" >&3
# The command, line by line, up to the mark; then whatever ends the stream ends the machine.
: > /root/run/lab/command
while read -r line <&3; do
  [ "$line" = __end_of_command__ ] && break
  printf '%s\\n' "$line" >> /root/run/lab/command
done
if [ "$tty" = 1 ]; then STDIN=/dev/hvc0 STDOUT=/dev/hvc0 STDERR=/dev/hvc0 FIRST='/run/lab/busybox cttyhack'; fi
export STDIN STDOUT STDERR FIRST
exec switch_root /root /run/lab/busybox sh -c '
  B=/run/lab/busybox
  ( while read -r line <&3; do :; done; $B poweroff -f ) &
  $B setsid $B sh -c "exec 3<&-; exec $FIRST /bin/sh /run/lab/command" < $STDIN > $STDOUT 2> $STDERR
  status=$?
  $B sync
  echo "exit $status" >&3
  while :; do $B sleep 60; done'
`
