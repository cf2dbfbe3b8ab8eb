# shellcheck shell=bash disable=SC2034
# MariaDB for tests and benchmarks: a primary with a binary log, and a replica
# that follows it. Sourced after servers.sh.
#
# The system tables, users and certificates are made once and kept as an archive
# in build/servers; a run unpacks it. spec/support/mysql.lua starts servers from
# the same archive.

MYSQL_BIN=      # the folder of the server
MYSQL_CLIENTS=  # the folder of mariadb and mariadb-install-db
MYSQL_TEMPLATE= # the archive

# A CA, a certificate of the server `localhost`, one of the user
# covet_certificate, and a CA that neither knows.
make_mysql_certificates()
{
  local folder=$1
  make_ca "$folder" ca
  make_ca "$folder" wrong_ca
  make_certificate "$folder" ca server localhost DNS:localhost
  make_certificate "$folder" ca client covet_certificate
  make_certificate "$folder" wrong_ca wrong_client covet_certificate
}

# Small and quick: what is lost with the machine is lost. The time zone and the
# names of the zones are not the client's.
write_mysql_configuration()
{
  cat >"$1/my.cnf" <<'END'
[mariadbd]
bind_address = 127.0.0.1
skip_name_resolve
max_connections = 200
max_allowed_packet = 256M
character_set_server = utf8mb4
default_time_zone = +02:00
log_bin = binlog
binlog_format = ROW
log_bin_trust_function_creators = ON
sync_binlog = 0
innodb_flush_log_at_trx_commit = 2
innodb_buffer_pool_size = 128M
innodb_log_file_size = 96M
innodb_lock_wait_timeout = 5
innodb_fast_shutdown = 1
performance_schema = OFF
local_infile = ON
plugin_maturity = gamma
plugin_load_add = auth_ed25519
log_warnings = 1
END
}

make_mysql_users()
{
  cat <<'END'
create user admin@'%' identified by 'pw';
grant all on *.* to admin@'%' with grant option;
create user covet@'%' identified by 'pw';
create user covet_ed25519@'%' identified via ed25519 using password('pw');
create user covet_tls@'%' identified by 'pw' require ssl;
create user covet_certificate@'%' identified by ''
  require subject '/CN=covet_certificate';
create user covet_limited@'%' identified by 'pw' with max_user_connections 2;
create user covet_reader@'%' identified by 'pw';
create user covet_replica@'%' identified by 'pw';
grant all on `covet%`.* to covet@'%';
grant all on `covet%`.* to covet_ed25519@'%';
grant all on `covet%`.* to covet_tls@'%';
grant all on `covet%`.* to covet_certificate@'%';
grant all on `covet%`.* to covet_limited@'%';
grant select on `covet%`.* to covet_reader@'%';
grant replication slave on *.* to covet_replica@'%';
create database covet;
END
}

# mysql_server NAME PORT [OPTION...]: start on the folder NAME. Sets SERVER_PID.
mysql_server()
{
  local name=$1 port=$2 folder=$SERVERS/$1
  shift 2
  start_server TERM "$folder.log" "$MYSQL_BIN/mariadbd" \
    --defaults-file="$folder/my.cnf" --datadir="$folder" --port="$port" \
    --socket="$folder/socket" --pid-file="$folder/pid" \
    --tmpdir="$folder" --plugin-dir="$(mysql_plugins)" \
    --ssl-ca="$folder/ca.crt" --ssl-cert="$folder/server.crt" \
    --ssl-key="$folder/server.key" "$@"
}

mysql_plugins()
{
  local folder
  for folder in /usr/lib/mysql/plugin /usr/lib64/mariadb/plugin \
      "$MYSQL_BIN/../lib/plugin"; do
    [ ! -e "$folder/auth_ed25519.so" ] || printf '%s\n' "$folder"
  done | head -n 1
}

# mysql_query NAME USER PASSWORD: run what stands on the standard input.
mysql_query()
{
  MYSQL_PWD=$3 "$MYSQL_CLIENTS/mariadb" --no-defaults --user="$2" \
    --socket="$SERVERS/$1/socket" --batch --skip-column-names
}

mysql_is_ready()
{
  mysql_query "$@" <<<'do 1' 2>/dev/null
}

# What the archive holds: certificates and the folder of a server that was shut
# down.
make_mysql_template()
{
  local folder=$SERVERS/mysql_primary
  new_server_folder mysql_primary
  mkdir -p "$SERVERS/mysql_certificates"
  make_mysql_certificates "$SERVERS/mysql_certificates"
  write_mysql_configuration "$folder"
  as_server "$MYSQL_CLIENTS/mariadb-install-db" --no-defaults \
    --datadir="$folder" --tmpdir="$folder" --skip-name-resolve --skip-test-db \
    --auth-root-authentication-method=normal --innodb-log-file-size=96M \
    || return
  install -m 600 ${SERVER_USER:+-o "$SERVER_USER"} -t "$folder" \
    "$SERVERS/mysql_certificates/"{ca.crt,server.crt,server.key} || return
  [ -z "$SERVER_USER" ] || chown "$SERVER_USER:" "$folder/my.cnf" || return
  free_port
  mysql_server mysql_primary "$PORT" --skip-networking --skip-log-bin
  wait_for_server "$SERVER_PID" mysql_is_ready mysql_primary root '' || return
  make_mysql_users | mysql_query mysql_primary root '' || return
  end_server TERM "$SERVER_PID"
  wait_for 10 has_ended "$SERVER_PID" || return
  rm -f "$folder"/{socket,pid}
}

# prepare_mysql_template: sets MYSQL_TEMPLATE. Whose files they are, and what
# it is made of, stands in its name.
prepare_mysql_template()
{
  local key
  key=$({ "$MYSQL_BIN/mariadbd" --version && id -u && cat scripts/mysql.sh
    } | cksum)
  MYSQL_TEMPLATE=$PWD/build/servers/mysql-${SERVER_USER:-own}-${key%% *}.tar
  [ ! -e "$MYSQL_TEMPLATE" ] || return 0
  if ! make_mysql_template >"$SERVERS/mysql_template.log" 2>&1; then
    SERVER_ERROR="MariaDB's set-up failed:
$(tail -n 20 "$SERVERS/mysql_template.log" "$SERVERS/mysql_primary.log" \
  2>/dev/null)"
    return 1
  fi
  rm -f "build/servers/mysql-${SERVER_USER:-own}"-*.tar
  tar -C "$SERVERS" -Scf "$SERVERS/mysql_template.tar" mysql_primary \
    mysql_certificates
  rm -rf "$SERVERS"/mysql_{primary,certificates}
  mv "$SERVERS/mysql_template.tar" "$MYSQL_TEMPLATE"
}

follow_primary()
{
  mysql_query mysql_replica admin pw <<END
change master to master_host = '127.0.0.1', master_port = $1,
  master_user = 'covet_replica', master_password = 'pw',
  master_connect_retry = 1, master_use_gtid = slave_pos;
start slave;
END
}

# start_mysql_servers: both, or the primary alone. Sets MYSQL_PORT and
# MYSQL_REPLICA_PORT.
start_mysql_servers()
{
  local primary
  free_port
  MYSQL_PORT=$PORT
  mysql_server mysql_primary "$MYSQL_PORT" --server-id=1
  primary=$SERVER_PID
  if [ -n "${COVET_SERVERS_ALONE-}" ]; then
    wait_for_server "$primary" mysql_is_ready mysql_primary admin pw
    return
  fi
  free_port
  MYSQL_REPLICA_PORT=$PORT
  mysql_server mysql_replica "$MYSQL_REPLICA_PORT" --server-id=2 --read-only
  wait_for_server "$primary" mysql_is_ready mysql_primary admin pw &&
    wait_for_server "$SERVER_PID" mysql_is_ready mysql_replica admin pw &&
    follow_primary "$MYSQL_PORT"
}

find_mysql()
{
  MYSQL_BIN=$(PATH=$PATH:/usr/sbin:/usr/libexec command -v mariadbd)
  MYSQL_BIN=${MYSQL_BIN%/mariadbd}
  MYSQL_CLIENTS=$(command -v mariadb)
  MYSQL_CLIENTS=${MYSQL_CLIENTS%/mariadb}
  if [ -z "$MYSQL_BIN" ] || [ ! -x "$MYSQL_CLIENTS/mariadb-install-db" ]; then
    SERVER_ERROR='MariaDB is not installed'
  elif ! command -v openssl >/dev/null; then
    SERVER_ERROR='openssl is not installed'
  else
    return 0
  fi
  return 1
}

# start_mysql: the servers, and the variables that tell where they are
# (spec/support/mysql.lua lists them). On failure SERVER_ERROR says why.
start_mysql()
{
  local address=mysql://covet:pw@127.0.0.1
  find_mysql && open_servers_folder mysql && prepare_mysql_template || return
  unset MYSQL_PWD MYSQL_HOST MYSQL_TCP_PORT MYSQL_UNIX_PORT MARIADB_UNIX_PORT
  tar -C "$SERVERS" -xpf "$MYSQL_TEMPLATE"
  if [ -z "${COVET_SERVERS_ALONE-}" ]; then
    cp -a --sparse=always "$SERVERS/mysql_primary" "$SERVERS/mysql_replica"
  fi
  # Clients may have another user than servers.
  chmod 755 "$SERVERS"/mysql_*/
  if ! start_mysql_servers; then
    SERVER_ERROR="MariaDB does not start:
$(tail -n 10 "$SERVERS"/mysql_{primary,replica}.log 2>/dev/null)"
    return 1
  fi
  export COVET_MYSQL_URL=$address:$MYSQL_PORT/covet
  export COVET_MYSQL_ADMIN_URL=mysql://admin:pw@127.0.0.1:$MYSQL_PORT/mysql
  export COVET_MYSQL_SOCKET=$SERVERS/mysql_primary/socket
  [ -n "${COVET_SERVERS_ALONE-}" ] ||
    export COVET_MYSQL_REPLICA_URL=$address:$MYSQL_REPLICA_PORT/covet
  export COVET_MYSQL_DIR=$SERVERS COVET_MYSQL_USER=$SERVER_USER
  export COVET_MYSQL_BIN=$MYSQL_BIN COVET_MYSQL_CLIENTS=$MYSQL_CLIENTS
  export COVET_MYSQL_TEMPLATE=$MYSQL_TEMPLATE COVET_MYSQL_PLUGINS
  COVET_MYSQL_PLUGINS=$(mysql_plugins)
}
