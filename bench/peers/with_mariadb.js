// The workloads by mariadb (its connector for Node), with prepared statements: a peer
// of covet. See common.js.
//
// It sends statements of one connection without waiting for each other's answers: W2
// spreads the tasks over 16 connections. W2-pool is W2 by its pool, which lends a
// connection for each. A batch is sent in parts wherever the type of a value changes,
// from 0.75 to 1 for example; as texts they stay together.
"use strict";

const mariadb = require("mariadb");
const common = require("./common.js");
const { readUrl, CREATE_EVENTS } = require("./mysql_common.js");

const ITEM = "select id, name, price from items where id = ?";
const INSERT = "insert into events values (?, ?, ?, ?)";
const AT_ONCE = 10000; // records of a batch

const rowSum = common.rowSum(19);
const withTexts = ([id, name, city, score]) => [id, name, city, String(score)];

function options(url) {
  const { socket, ...rest } = readUrl(url);
  return { ...rest, socketPath: socket };
}

const open = (url) => mariadb.createConnection(options(url));
const close = (db) => db.end();

// The pool is full before the clock runs.
async function openPool(url) {
  const pool = mariadb.createPool({ ...options(url),
    connectionLimit: common.CONNECTIONS, acquireTimeout: 600000 });
  const all = await Promise.all(
    Array.from({ length: common.CONNECTIONS }, () => pool.getConnection()));
  await Promise.all(all.map((db) => db.release()));
  return pool;
}

function openSixteen(url) {
  return Promise.all(Array.from({ length: common.CONNECTIONS }, () => open(url)));
}

async function fetchValue(db, text) {
  return Number(Object.values((await db.query(text))[0])[0]);
}

async function selectItems(url, count) {
  const db = await open(url);
  const items = await fetchValue(db, common.ITEM_COUNT);
  return common.selectItems(async (id) => (await db.execute(ITEM, [id]))[0], items, count);
}

async function selectMany(url, count) {
  const all = await openSixteen(url);
  const items = await fetchValue(all[0], common.ITEM_COUNT);
  return common.selectMany(async (id, task) =>
    (await all[task % common.CONNECTIONS].execute(ITEM, [id]))[0], items, count);
}

async function selectByPool(url, count) {
  const pool = await openPool(url);
  const items = await fetchValue(pool, common.ITEM_COUNT);
  return common.selectMany(async (id) => (await pool.execute(ITEM, [id]))[0], items, count);
}

async function fetchRows(url, count) {
  const db = await open(url);
  return common.fetchRows((text) => db.execute(text), count, rowSum);
}

async function streamRows(url, count) {
  const db = await open(url);
  return common.streamRows((text, take) => new Promise((resolve, reject) => {
    db.queryStream(text).on("data", take).on("error", reject).on("end", resolve);
  }), count, rowSum);
}

async function openEvents(url) {
  const db = await open(url);
  await db.query("drop table if exists events");
  await db.query(CREATE_EVENTS);
  return db;
}

async function insertSingly(url, count) {
  const db = await openEvents(url);
  const result = await common.insertSingly((values) => db.execute(INSERT, values), count);
  return { ...result, check: await fetchValue(db, common.CHECK_EVENTS) };
}

async function load(url, count) {
  const db = await openEvents(url);
  const result = await common.load(async () => {
    await db.beginTransaction();
    for (let i = 1; i <= count; i += AT_ONCE) {
      const list = common.records(i, Math.min(count, i + AT_ONCE - 1)).map(withTexts);
      await db.batch(INSERT, list);
    }
    await db.commit();
  }, count);
  return { ...result, check: await fetchValue(db, common.CHECK_EVENTS) };
}

async function lend(url, count) {
  const pool = await openPool(url);
  return common.lend(async () => (await pool.getConnection()).release(), count);
}

async function wait(url, count) {
  const pool = await openPool(url);
  for (let i = 0; i < common.CONNECTIONS; i++) {
    await pool.getConnection();
  }
  return common.wait((id) => pool.execute(ITEM, [id]), count);
}

async function delaySelects(url, seconds) {
  const all = await openSixteen(url);
  const items = await fetchValue(all[0], common.ITEM_COUNT);
  return common.delay(common.loadSelects((id, task) =>
    all[task % common.CONNECTIONS].execute(ITEM, [id]), items), seconds);
}

async function delayRows(url, seconds) {
  const db = await open(url);
  return common.delay(common.loadRows((text) => db.execute(text)), seconds);
}

common.main(["mariadb"], {
  W1: selectItems, W2: selectMany, "W2-pool": selectByPool, W3: fetchRows,
  W4: streamRows, W5: insertSingly, W6: load, W7: lend,
  W8: (url, count) => common.openMany(() => open(url), close, count),
  "W9-waiting": wait,
  "W9-idle": (url, count) => common.keepConnections(() => open(url), close, count),
  "W10-selects": delaySelects, "W10-rows": delayRows,
});
