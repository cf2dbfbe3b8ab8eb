// What the peers on MariaDB in JavaScript share beside common.js.
"use strict";

const CREATE_EVENTS = "create table events (id bigint not null," +
  " name varchar(50) not null, city varchar(50) not null, score double not null)";

// mysql://user:password@host:port/database, or @/database?unix_socket=path
function readUrl(url) {
  const parts = new URL(url.replace("@/", "@socket/"));
  const socket = parts.searchParams.get("unix_socket");
  const place = socket ? { socket } : { host: parts.hostname, port: Number(parts.port) };
  return { ...place, user: parts.username, password: parts.password,
    database: parts.pathname.slice(1) };
}

module.exports = { CREATE_EVENTS, readUrl };
