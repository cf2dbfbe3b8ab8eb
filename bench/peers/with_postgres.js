// The workloads by postgres.js: a peer of covet. See common.js.
//
// It prepares statements by itself and sends them without waiting for each other's
// answers. W2-one is W2 on one connection, where that is at its best.
"use strict";

const postgres = require("postgres");
const common = require("./common.js");

const rowSum = common.rowSum(22);

function open(url, max, more) {
  const parts = new URL(url.replace("@/", "@socket/"));
  return postgres({
    host: parts.searchParams.get("host") || parts.hostname,
    port: Number(parts.port || parts.searchParams.get("port")),
    database: parts.pathname.slice(1), username: parts.username,
    password: parts.password, ssl: false, max, fetch_types: false, ...more,
  });
}

const openOne = (url) => open(url, 1);
const item = (sql, id) => sql`select id, name, price from items where id = ${id}`;

async function fetchValue(sql, query) {
  return Number(Object.values((await sql.unsafe(query))[0])[0]);
}

// The connections of a pool are open before the clock runs.
async function openPool(url, max) {
  const sql = open(url, max);
  await Promise.all(Array.from({ length: max }, () => sql`select pg_sleep(0.1)`));
  return sql;
}

async function selectItems(url, count) {
  const sql = openOne(url);
  const items = await fetchValue(sql, common.ITEM_COUNT);
  return common.selectItems(async (id) => (await item(sql, id))[0], items, count);
}

function selectMany(max) {
  return async (url, count) => {
    const sql = await openPool(url, max);
    const items = await fetchValue(sql, common.ITEM_COUNT);
    return common.selectMany(async (id) => (await item(sql, id))[0], items, count);
  };
}

async function connected(url) {
  const sql = openOne(url);
  await sql`select 1`;
  return sql;
}

async function fetchRows(url, count) {
  const sql = await connected(url);
  return common.fetchRows((query) => sql.unsafe(query), count, rowSum);
}

async function streamRows(url, count) {
  const sql = await connected(url);
  return common.streamRows((query, take) =>
    sql.unsafe(query).cursor(1000, (rows) => rows.forEach(take)), count, rowSum);
}

async function openEvents(url) {
  const sql = open(url, 1, { onnotice() {}, connection: { synchronous_commit: "off" } });
  await sql`drop table if exists events`;
  await sql`create table events (id bigint not null, name text not null,
    city text not null, score double precision not null)`;
  return sql;
}

async function insertSingly(url, count) {
  const sql = await openEvents(url);
  const result = await common.insertSingly(
    ([id, name, city, score]) =>
      sql`insert into events values (${id}, ${name}, ${city}, ${score})`, count);
  return { ...result, check: await fetchValue(sql, common.CHECK_EVENTS) };
}

async function load(url, count) {
  const sql = await openEvents(url);
  const result = await common.load(async () => {
    const stream = await sql`copy events from stdin`.writable();
    const done = new Promise((resolve, reject) =>
      stream.on("finish", resolve).on("error", reject));
    await common.writeAll(stream, common.copyLines(count));
    await done;
  }, count);
  return { ...result, check: await fetchValue(sql, common.CHECK_EVENTS) };
}

async function lend(url, count) {
  const sql = await openPool(url, common.CONNECTIONS);
  return common.lend(async () => (await sql.reserve()).release(), count);
}

async function wait(url, count) {
  const sql = await openPool(url, common.CONNECTIONS);
  for (let i = 0; i < common.CONNECTIONS; i++) {
    await sql.reserve();
  }
  return common.wait((id) => item(sql, id), count);
}

async function delaySelects(url, seconds) {
  const sql = await openPool(url, common.CONNECTIONS);
  const items = await fetchValue(sql, common.ITEM_COUNT);
  return common.delay(common.loadSelects((id) => item(sql, id), items), seconds);
}

async function delayRows(url, seconds) {
  const sql = await connected(url);
  return common.delay(common.loadRows((query) => sql.unsafe(query)), seconds);
}

const close = (sql) => sql.end();

common.main(["postgres"], {
  W1: selectItems, W2: selectMany(common.CONNECTIONS), "W2-one": selectMany(1),
  W3: fetchRows, W4: streamRows, W5: insertSingly, W6: load, W7: lend,
  W8: (url, count) => common.openMany(() => connected(url), close, count),
  "W9-waiting": wait,
  "W9-idle": (url, count) => common.keepConnections(() => connected(url), close, count),
  "W10-selects": delaySelects, "W10-rows": delayRows,
});
