/** The folder in which the guest keeps the lab's own files: busybox and its applets, the command, $LAB_OUT. */
export const guestFolder = '/run/lab'

/**
 * The first program of the machine: a script of busybox's shell. It loads the modules, puts a writable layer over the
 * host's files, brings up the network and its RDMA device, and receives the command from the host.
 *
 * It talks with the host over virtio ports, one for each stream, so that bytes arrive as they were written. When the
 * host's process ends, the control port is closed, and the machine powers off.
 */
export const guestInit = `#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
$b mount -t tmpfs -o mode=755 run /run
$b mkdir -p /run/lab/bin /run/lab/out /run/lock
$b cp $b /main /run/lab/
/run/lab/busybox --install -s /run/lab/bin
export PATH=/run/lab/bin
echo 1 > /proc/sys/kernel/printk

fail() {
  echo "lab: $*" > /dev/kmsg
  [ -n "$control" ] && echo "failed $*" >&3
  sleep 1
  poweroff -f
}

while read -r module; do insmod /modules/$module || fail "cannot load $module"; done < /modules/order
for name in /sys/class/virtio-ports/*/name; do
  port=\${name%/name}
  port=/dev/\${port##*/}
  read -r is < $name
  case $is in
    control) control=$port; exec 3<> $port ;; # a port can be opened only once
    stdin) export STDIN=$port ;;
    stdout) export STDOUT=$port ;;
    stderr) export STDERR=$port ;;
  esac
done
for word in $(cat /proc/cmdline); do
  case $word in lab.*=*) export "\${word#lab.}" ;; esac
done

shared=trans=virtio,version=9p2000.L,msize=1048576
mkdir -p /host /tools /layer /root
mount -t 9p -o ro,$shared,cache=loose host /host || fail 'cannot mount the files of the host'
mount -t tmpfs -o size=75% layer /layer
mkdir /layer/upper /layer/work
lower=/host
if [ "$tools" = 1 ]; then mount -t 9p -o ro,$shared,cache=loose tools /tools && lower=/host:/tools; fi
mount -t overlay -o lowerdir=$lower,upperdir=/layer/upper,workdir=/layer/work,xino=off overlay /root ||
  fail 'cannot mount a writable layer'
# Programs for another processor: their /usr replaces that of the host. Of the host's /usr there remain the folders that
# contain nothing for one processor alone, or nothing of the distribution, and npm.
if [ "$system" = 1 ]; then
  mkdir /own /layer/usr /layer/usr-work
  mount --bind /root/usr /own
  mount -t overlay -o lowerdir=/tools/usr,upperdir=/layer/usr,workdir=/layer/usr-work,xino=off overlay /root/usr ||
    fail 'cannot mount the programs for its processor'
  for folder in bin sbin lib; do
    [ -L /root/$folder ] || mount --bind /root/usr/$folder /root/$folder
  done
  for folder in local share src lib/node_modules; do
    [ -d /own/$folder ] && mkdir -p /root/usr/$folder && mount --bind /own/$folder /root/usr/$folder
  done
  for link in npm npx; do
    [ -L /own/bin/$link ] && cp -P /own/bin/$link /root/usr/bin/
  done
fi
for folder in proc sys dev run; do
  [ -d /root/$folder ] || mkdir /root/$folder
  mount --bind /$folder /root/$folder
done
[ -d /root/tmp ] || mkdir -m 1777 /root/tmp
cd /root/dev
mkdir -p pts shm mqueue hugepages
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts pts
mount -t tmpfs -o mode=1777 shm shm
mount -t mqueue mqueue mqueue
mount -t hugetlbfs hugetlbfs hugepages
mount -t cgroup2 cgroup2 /root/sys/fs/cgroup
for link in fd: stdin:/0 stdout:/1 stderr:/2; do
  [ -e \${link%:*} ] || ln -s /proc/self/fd\${link#*:} \${link%:*}
done
cd /
if [ "$out" = 1 ]; then
  mount -t 9p -o $shared,cache=mmap out /root/run/lab/out || fail 'cannot mount the output folder'
fi

hostname lab$host
ip link set lo up
ip link set eth0 mtu 4200 up || fail 'has no network card'
ip addr add 10.77.0.$((host + 1))/24 dev eth0
other=0
while [ $other -lt $hosts ]; do
  echo "10.77.0.$((other + 1)) lab$other" >> /root/etc/hosts
  other=$((other + 1))
done
why=$(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin chroot /root rdma link add rxe0 type rxe netdev eth0 2>&1) ||
  fail "has no rxe0: $why"
ulimit -l unlimited
ulimit -n 65536

echo ready >&3
# The first line that the host sends is a mark and the size of its terminal; the command follows, up to the same mark.
read -r mark rows columns <&3
export rows columns
while IFS= read -r line <&3; do
  if [ "$line" = "$mark" ]; then whole=1; break; fi
  printf '%s\\n' "$line"
done > /root/run/lab/command
[ "$whole" = 1 ] || poweroff -f # the host has gone
exec switch_root /root /run/lab/busybox sh /run/lab/main
`

/**
 * The second program of the machine. It runs in the root that the command sees. The command's streams are pipes, as in
 * any pipeline: a program may open /dev/stderr again, and a port can be opened only once. The message with the status
 * also contains the number of bytes of each stream, since the host may not have received all of them yet.
 */
export const guestMain = `
cd /run/lab
(
  while read -r word rows columns; do
    [ "$word" = size ] && stty -F /dev/hvc0 rows $rows columns $columns
  done <&3
  poweroff -f
) &
watcher=$!

run() { exec setsid $1 sh -c 'exec 3<&-; exec env -i /bin/sh /run/lab/command'; }

through() { sed -n 's/^\\([0-9]*\\) bytes.*/\\1/p' $1.through; }

if [ "$tty" = 1 ]; then
  (stty rows $rows columns $columns; run -c) <> /dev/hvc0 >&0 2>&0
  status=$?
else
  mkfifo stdin stdout stderr
  cat < $STDIN > stdin 2> /dev/null &
  dd bs=65536 < stdout > $STDOUT 2> stdout.through &
  out=$!
  dd bs=65536 < stderr > $STDERR 2> stderr.through &
  err=$!
  (run) < stdin > stdout 2> stderr
  status=$?
  # Processes that the command left running may still write, such as the tee of a shell's >(tee file).
  for wait in 1 2 3 4 5 6 7 8 9 10; do
    [ -s stdout.through ] && [ -s stderr.through ] && break
    sleep 0.1
  done
  for process in /proc/[0-9]*; do
    process=\${process#/proc/}
    case $process in 1 | $watcher | $out | $err) ;; *) kill -9 $process 2> /dev/null ;; esac
  done
  wait $out $err
fi
sync
echo "exit $status $(through stdout) $(through stderr)" >&3
while :; do sleep 60; done
`
