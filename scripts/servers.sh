# shellcheck shell=bash disable=SC2034
# What the servers of tests and benchmarks share: a folder, a user, ports,
# processes. Sourced, with the repository as the working directory.
#
# Each run has servers of its own in a folder that build/servers/PID points to.
# They end with the shell that started them, whatever ended it.

SERVERS=       # the folder of this run, absolute
SERVER_USER=   # whom servers run as; empty: the user who runs this
SERVER_ERROR=  # why there is no server
SERVER_PIDS=()
SERVER_STOPS=() # the signal that ends each

# as_server COMMAND...: as the user whom the servers run as.
as_server()
{
  if [ -n "$SERVER_USER" ]; then
    setpriv --reuid "$SERVER_USER" --regid "$SERVER_USER" --clear-groups "$@"
  else
    "$@"
  fi
}

# What runs left that could not clean up after themselves.
remove_old_servers()
{
  local entry
  for entry in build/servers/[0-9]*; do
    if [ -e "$entry" ] && ! kill -0 "${entry##*/}" 2>/dev/null; then
      rm -rf --one-file-system "$(readlink -f "$entry")" "$entry"
    fi
  done
}

# Whether a folder has room (1 GB) for servers and lets them in, and the path
# of a socket in it would be short enough (107 bytes).
suits_servers()
{
  local kilobytes
  kilobytes=$(df --output=avail "$1" 2>/dev/null | tail -n 1)
  [ "${kilobytes:-0}" -ge 1000000 ] && [ "${#1}" -le 70 ] &&
    as_server test -x "$1" && [ -w "$1" ]
}

# open_servers_folder USER: sets SERVERS and SERVER_USER. As root the servers
# run as USER, who may not reach the checkout. Memory is the first choice: to
# unpack and remove a few thousand files takes seconds on some disks.
open_servers_folder()
{
  local base
  [ -z "$SERVERS" ] || return 0
  if [ "$(id -u)" -eq 0 ]; then
    if ! id "$1" >/dev/null 2>&1; then
      SERVER_ERROR="servers do not run as root, and there is no user $1"
      return 1
    fi
    SERVER_USER=$1
  fi
  mkdir -p build/servers
  remove_old_servers
  for base in /dev/shm "$PWD/build/servers" /tmp; do
    if suits_servers "$base"; then
      SERVERS=$(mktemp -d "$base/covet-$$.XXXX")
      chmod 755 "$SERVERS"
      ln -s "$SERVERS" "build/servers/$$"
      return 0
    fi
  done
  SERVER_ERROR='no folder is fit for servers: /dev/shm, build/servers, /tmp'
  return 1
}

# new_server_folder NAME: one that the servers may write to.
new_server_folder()
{
  mkdir -p "$SERVERS/$1"
  chmod 700 "$SERVERS/$1"
  [ -z "$SERVER_USER" ] || chown "$SERVER_USER:" "$SERVERS/$1"
}

# free_port: a port of the loopback, below those of outgoing connections. Sets
# PORT; nobody else listens there now.
free_port()
{
  while :; do
    PORT=$((10240 + (RANDOM * 32768 + RANDOM) % 22000))
    (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null || return 0
  done
}

# start_server SIGNAL LOG COMMAND...: sets SERVER_PID. SIGNAL ends it, at
# the end or when this shell dies. In a session of its own: Ctrl-C is for us.
start_server()
{
  local signal=$1 log=$2 words=(setsid setpriv --pdeathsig "$1")
  shift 2
  if [ -n "$SERVER_USER" ]; then
    words+=(--reuid "$SERVER_USER" --regid "$SERVER_USER" --clear-groups)
  fi
  "${words[@]}" "$@" </dev/null >>"$log" 2>&1 &
  SERVER_PID=$!
  disown "$SERVER_PID"
  SERVER_PIDS+=("$SERVER_PID")
  SERVER_STOPS+=("$signal")
}

# wait_for SECONDS COMMAND...: until it succeeds, looking every 20 ms.
wait_for()
{
  local left=$(($1 * 50))
  shift
  until "$@"; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || return 1
    sleep 0.02
  done
}

# wait_for_server PID COMMAND...: until it succeeds; not when the server ends.
wait_for_server()
{
  wait_for 20 succeeds_or_ended "$@" && ! has_ended "$1"
}

succeeds_or_ended()
{
  "${@:2}" || has_ended "$1"
}

has_ended()
{
  ! kill -0 "$1" 2>/dev/null
}

listens()
{
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# make_ca FOLDER NAME
make_ca()
{
  openssl req -new -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
    -nodes -days 3650 -subj "/CN=covet's test $2" \
    -keyout "$1/$2.key" -out "$1/$2.crt"
}

# make_certificate FOLDER CA NAME COMMON_NAME [ALTERNATIVE_NAME]
make_certificate()
{
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
    -subj "/CN=$4" ${5:+-addext "subjectAltName=$5"} \
    -keyout "$1/$3.key" -out "$1/$3.csr" &&
    openssl x509 -req -days 3650 -in "$1/$3.csr" -copy_extensions copy \
      -CA "$1/$2.crt" -CAkey "$1/$2.key" -CAcreateserial -out "$1/$3.crt" &&
    rm "$1/$3.csr"
}

# end_server SIGNAL PID
end_server()
{
  kill -s "$1" "$2" 2>/dev/null || return 0
  wait_for 10 has_ended "$2" || kill -s KILL "$2" 2>/dev/null
}

# stop_servers: all of this shell, the last one first, and their folder.
stop_servers()
{
  local i
  for ((i = ${#SERVER_PIDS[@]} - 1; i >= 0; i--)); do
    end_server "${SERVER_STOPS[i]}" "${SERVER_PIDS[i]}"
  done
  SERVER_PIDS=()
  SERVER_STOPS=()
  if [ -n "$SERVERS" ]; then
    rm -rf --one-file-system "$SERVERS" "build/servers/$$"
    SERVERS=
  fi
}
