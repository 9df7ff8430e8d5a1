# Runs on both hosts of the lab: examples/rping and examples/echo of this project, with each other and with programs of
# Debian as partners. $1 is Node.js, $2 and $3 are the compiled examples rping and echo.
set -u
node=$1 rping=$2 echo=$3 server=10.77.0.1

# A server needs time to start, so a client tries again.
retry() {
  for _ in $(seq 60); do
    "$@" && return 0
    sleep 0.5
  done
  return 1
}

if [ "$LAB_HOST" = 0 ]; then
  "$node" "$rping" server $server 7201 && echo 'ok: rping of Debian as client'
  rping -s -a $server -p 7202 -C 3 >/dev/null && echo 'ok: rping of Debian as server'
  "$node" "$rping" server $server 7203 && echo 'ok: our rping as server'
  "$node" "$echo" server $server 7204 && echo 'ok: our echo as server'
else
  retry rping -c -a $server -p 7201 -C 3 -v -V && echo 'ok: rping of Debian with our server'
  retry "$node" "$rping" client $server 7202 && echo 'ok: our rping with the server of Debian'
  retry "$node" "$rping" client $server 7203 && echo 'ok: our rping with our server'
  retry "$node" "$echo" client $server 7204 && echo 'ok: our echo with our server'
fi
