# shellcheck shell=bash disable=SC2034,SC2153
# PostgreSQL for tests and benchmarks: a primary, a replica that streams from
# it, PgBouncer in front of it. Sourced after servers.sh.
#
# initdb, users and certificates are made once and kept as an archive in
# build/servers; a run unpacks it. spec/support/postgresql.lua starts servers
# from the same archive.

PG_BIN=      # the folder of PostgreSQL's programs
PG_BOUNCER=  # PgBouncer
PG_TEMPLATE= # the archive

# A CA, a certificate of the server `localhost`, one of the user
# covet_certificate, and a CA that neither knows with a certificate of its own.
make_certificates()
{
  local folder=$1
  make_ca "$folder" ca
  make_ca "$folder" wrong_ca
  make_certificate "$folder" ca server localhost DNS:localhost
  make_certificate "$folder" ca client covet_certificate
  make_certificate "$folder" wrong_ca wrong_client covet_certificate
}

write_configuration()
{
  cat >>"$1/postgresql.conf" <<'END'
listen_addresses = 'localhost'
max_connections = 200
ssl = on
ssl_cert_file = 'server.crt'
ssl_key_file = 'server.key'
ssl_ca_file = 'ca.crt'
fsync = off
full_page_writes = off
synchronous_commit = on
dynamic_shared_memory_type = mmap
wal_level = replica
wal_keep_size = 256MB
min_wal_size = 80MB
max_wal_size = 1GB
wal_retrieve_retry_interval = 100ms
max_prepared_transactions = 10
timezone = 'Europe/Berlin'
lc_messages = 'C'
log_line_prefix = '%m [%p] %q%u@%d %a: '
END
  cat >"$1/pg_hba.conf" <<'END'
# type    database    user              address       method
hostssl   all         covet_certificate localhost     cert
host      all         covet_certificate all           reject
hostssl   all         covet_tls         all           scram-sha-256
host      all         covet_tls         all           reject
local     all         all                             scram-sha-256
host      all         all               all           scram-sha-256
local     replication all                             scram-sha-256
host      replication all               all           scram-sha-256
END
}

make_users()
{
  cat <<'END'
create role covet login password 'pw';
create role covet_certificate login;
create role covet_tls login password 'pw';
create role covet_limited login password 'pw' connection limit 2;
create role covet_reader login password 'pw';
create role covet_replica login password 'pw' replication;
grant pg_read_all_data to covet_reader;
alter role covet_reader set default_transaction_read_only = on;
create database covet owner covet;
END
}

# pg_server NAME PORT [SETTING...]: start on the folder NAME. Sets SERVER_PID.
pg_server()
{
  local name=$1 port=$2 setting settings=()
  shift 2
  for setting in "$@"; do
    settings+=(-c "$setting")
  done
  start_server QUIT "$SERVERS/$name.log" "$PG_BIN/postgres" \
    -D "$SERVERS/$name" -p "$port" \
    -c "unix_socket_directories=$SERVERS/socket" "${settings[@]}"
}

# Clients may have another user than servers.
new_socket_folder()
{
  new_server_folder socket
  chmod 755 "$SERVERS/socket"
}

# Whether the server of folder NAME lets clients in; its pid file says so.
pg_is_ready()
{
  grep -q '^ready' "$SERVERS/$1/postmaster.pid" 2>/dev/null
}

pg_has_ended()
{
  has_ended "$1" && [ ! -e "$SERVERS/$2/postmaster.pid" ]
}

# What the archive holds: certificates and the folder of a server that was shut
# down. A copy of it with `standby.signal` is a replica.
make_template()
{
  local admin
  new_server_folder primary
  new_socket_folder
  mkdir "$SERVERS/certificates"
  make_certificates "$SERVERS/certificates"
  echo pw >"$SERVERS/password"
  as_server "$PG_BIN/initdb" -D "$SERVERS/primary" --username=admin \
    --pwfile="$SERVERS/password" --auth=scram-sha-256 --encoding=UTF8 \
    --locale=C.UTF-8 --wal-segsize=4 --no-sync --no-instructions || return
  write_configuration "$SERVERS/primary"
  as_server install -m 600 -t "$SERVERS/primary" \
    "$SERVERS/certificates/"{ca.crt,server.crt} || return
  install -m 600 ${SERVER_USER:+-o "$SERVER_USER"} -t "$SERVERS/primary" \
    "$SERVERS/certificates/server.key" || return
  free_port
  pg_server primary "$PORT" listen_addresses= || return
  wait_for_server "$SERVER_PID" pg_is_ready primary || return
  admin="postgresql://admin:pw@/postgres?host=$SERVERS/socket&port=$PORT"
  make_users | "$PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 -d "$admin" || return
  end_server INT "$SERVER_PID"
  wait_for 10 pg_has_ended "$SERVER_PID" primary
}

# prepare_template: sets PG_TEMPLATE. Whose files they are, and what it is made
# of, stands in its name.
prepare_template()
{
  local key
  key=$({ "$PG_BIN/postgres" --version && id -u && cat scripts/postgresql.sh
    } | cksum)
  PG_TEMPLATE=$PWD/build/servers/postgresql-${SERVER_USER:-own}-${key%% *}.tar
  [ ! -e "$PG_TEMPLATE" ] || return 0
  if ! make_template >"$SERVERS/template.log" 2>&1; then
    SERVER_ERROR="PostgreSQL's set-up failed:
$(tail -n 20 "$SERVERS/template.log" "$SERVERS/primary.log" 2>/dev/null)"
    return 1
  fi
  rm -f "build/servers/postgresql-${SERVER_USER:-own}"-*.tar
  tar -C "$SERVERS" -cf "$SERVERS/template.tar" primary certificates
  rm -rf "$SERVERS"/{primary,certificates,password}
  mv "$SERVERS/template.tar" "$PG_TEMPLATE"
}

# Clients' passwords are given to the server too. `extra_float_digits` is what
# several drivers send at their start; nothing else is hidden from them.
write_bouncer_configuration()
{
  cat >"$SERVERS/bouncer/bouncer.ini" <<END
[databases]
* = host=127.0.0.1 port=$1
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $2
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $SERVERS/bouncer/users
admin_users = admin
pool_mode = transaction
default_pool_size = 20
max_client_conn = 1000
server_idle_timeout = 10
server_tls_sslmode = disable
ignore_startup_parameters = extra_float_digits
END
  cat >"$SERVERS/bouncer/users" <<'END'
"covet" "pw"
"covet_reader" "pw"
"covet_limited" "pw"
"admin" "pw"
END
}

# start_all: the three servers, or the primary alone. Sets PRIMARY_PORT,
# REPLICA_PORT, BOUNCER_PORT.
start_all()
{
  local upstream primary replica
  free_port
  PRIMARY_PORT=$PORT
  pg_server primary "$PRIMARY_PORT"
  primary=$SERVER_PID
  if [ -n "${COVET_SERVERS_ALONE-}" ]; then
    wait_for_server "$primary" pg_is_ready primary
    return
  fi
  free_port
  REPLICA_PORT=$PORT
  upstream="host=$SERVERS/socket port=$PRIMARY_PORT user=covet_replica"
  pg_server replica "$REPLICA_PORT" \
    "primary_conninfo=$upstream password=pw application_name=replica"
  replica=$SERVER_PID
  free_port
  BOUNCER_PORT=$PORT
  write_bouncer_configuration "$PRIMARY_PORT" "$BOUNCER_PORT"
  start_server TERM "$SERVERS/bouncer.log" \
    "$PG_BOUNCER" --quiet "$SERVERS/bouncer/bouncer.ini"
  wait_for_server "$primary" pg_is_ready primary &&
    wait_for_server "$replica" pg_is_ready replica &&
    wait_for_server "$SERVER_PID" listens "$BOUNCER_PORT"
}

find_postgresql()
{
  PG_BIN=$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort -rV | head -n 1)
  [ -x "$PG_BIN" ] || PG_BIN=$(command -v postgres)
  PG_BIN=${PG_BIN%/postgres}
  PG_BOUNCER=$(PATH=$PATH:/usr/sbin command -v pgbouncer)
  if [ ! -x "$PG_BIN/initdb" ]; then
    SERVER_ERROR='PostgreSQL is not installed'
  elif [ -z "$PG_BOUNCER" ]; then
    SERVER_ERROR='PgBouncer is not installed'
  elif ! command -v openssl >/dev/null; then
    SERVER_ERROR='openssl is not installed'
  else
    return 0
  fi
  return 1
}

# start_postgresql: the servers, and the variables that tell where they are
# (spec/support/postgresql.lua lists them). On failure SERVER_ERROR says why.
start_postgresql()
{
  local address name
  find_postgresql && open_servers_folder postgres || return
  for name in "${!PG@}"; do # this user's own servers are not meant
    [[ $name == PG_* ]] || unset "$name"
  done
  prepare_template || return
  tar -C "$SERVERS" -xpf "$PG_TEMPLATE"
  if [ -z "${COVET_SERVERS_ALONE-}" ]; then
    cp -a "$SERVERS/primary" "$SERVERS/replica"
    as_server touch "$SERVERS/replica/standby.signal"
  fi
  new_socket_folder
  new_server_folder bouncer
  if ! start_all; then
    SERVER_ERROR="PostgreSQL does not start:
$(tail -n 10 "$SERVERS"/{primary,replica,bouncer}.log 2>/dev/null)"
    return 1
  fi
  address=postgresql://covet:pw@127.0.0.1
  export COVET_PG_URL=$address:$PRIMARY_PORT/covet
  export COVET_PG_ADMIN_URL=postgresql://admin:pw@127.0.0.1:$PRIMARY_PORT/postgres
  export COVET_PG_SOCKET_URL="postgresql://covet:pw@/covet?host=$SERVERS/socket&port=$PRIMARY_PORT"
  if [ -z "${COVET_SERVERS_ALONE-}" ]; then
    export COVET_PG_REPLICA_URL=$address:$REPLICA_PORT/covet
    export COVET_PG_BOUNCER_URL=$address:$BOUNCER_PORT/covet
  fi
  export COVET_PG_DIR=$SERVERS COVET_PG_BIN=$PG_BIN COVET_PG_USER=$SERVER_USER
  export COVET_PG_TEMPLATE=$PG_TEMPLATE
}
