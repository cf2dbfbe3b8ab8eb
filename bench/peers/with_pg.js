// The workloads by pg (node-postgres): a peer of covet. See common.js.
"use strict";

const { Client, Pool } = require("pg");
const Cursor = require("pg-cursor");
const copy = require("pg-copy-streams");
const common = require("./common.js");

const rowSum = common.rowSum(22);

const item = (id) => ({
  name: "item", text: "select id, name, price from items where id = $1", values: [id],
});
const insert = (values) => ({
  name: "insert", text: "insert into events values ($1, $2, $3, $4)", values,
});

async function open(url) {
  const client = new Client(url);
  await client.connect();
  return client;
}

// The pool is full before the clock runs.
async function openPool(url) {
  const pool = new Pool({ connectionString: url, max: common.CONNECTIONS });
  const clients = await Promise.all(
    Array.from({ length: common.CONNECTIONS }, () => pool.connect()));
  clients.forEach((client) => client.release());
  return pool;
}

async function fetchValue(db, query) {
  return Number(Object.values((await db.query(query)).rows[0])[0]);
}

async function selectItems(url, count) {
  const db = await open(url);
  const items = await fetchValue(db, common.ITEM_COUNT);
  return common.selectItems(async (id) => (await db.query(item(id))).rows[0], items, count);
}

async function selectMany(url, count) {
  const pool = await openPool(url);
  const items = await fetchValue(pool, common.ITEM_COUNT);
  return common.selectMany(async (id) => (await pool.query(item(id))).rows[0], items, count);
}

async function fetchRows(url, count) {
  const db = await open(url);
  return common.fetchRows(async (query) => (await db.query(query)).rows, count, rowSum);
}

async function streamRows(url, count) {
  const db = await open(url);
  return common.streamRows(async (query, take) => {
    const cursor = db.query(new Cursor(query));
    let rows;
    do {
      rows = await cursor.read(1000);
      rows.forEach(take);
    } while (rows.length > 0);
  }, count, rowSum);
}

async function openEvents(url) {
  const db = await open(url);
  await db.query("drop table if exists events");
  await db.query("create table events (id bigint not null, name text not null," +
    " city text not null, score double precision not null)");
  return db;
}

async function insertSingly(url, count) {
  const db = await openEvents(url);
  await db.query("set synchronous_commit = off");
  const result = await common.insertSingly((values) => db.query(insert(values)), count);
  return { ...result, check: await fetchValue(db, common.CHECK_EVENTS) };
}

async function load(url, count) {
  const db = await openEvents(url);
  const result = await common.load(async () => {
    const stream = db.query(copy.from("copy events from stdin"));
    const done = new Promise((resolve, reject) =>
      stream.on("finish", resolve).on("error", reject));
    await common.writeAll(stream, common.copyLines(count));
    await done;
  }, count);
  return { ...result, check: await fetchValue(db, common.CHECK_EVENTS) };
}

async function lend(url, count) {
  const pool = await openPool(url);
  return common.lend(async () => (await pool.connect()).release(), count);
}

async function wait(url, count) {
  const pool = await openPool(url);
  for (let i = 0; i < common.CONNECTIONS; i++) {
    await pool.connect();
  }
  return common.wait((id) => pool.query(item(id)), count);
}

async function delaySelects(url, seconds) {
  const pool = await openPool(url);
  const items = await fetchValue(pool, common.ITEM_COUNT);
  return common.delay(common.loadSelects((id) => pool.query(item(id)), items), seconds);
}

async function delayRows(url, seconds) {
  const db = await open(url);
  return common.delay(common.loadRows((query) => db.query(query)), seconds);
}

const close = (db) => db.end();

common.main(["pg", "pg-cursor", "pg-copy-streams"], {
  W1: selectItems, W2: selectMany, W3: fetchRows, W4: streamRows, W5: insertSingly,
  W6: load, W7: lend,
  W8: (url, count) => common.openMany(() => open(url), close, count),
  "W9-waiting": wait,
  "W9-idle": (url, count) => common.keepConnections(() => open(url), close, count),
  "W10-selects": delaySelects, "W10-rows": delayRows,
});
