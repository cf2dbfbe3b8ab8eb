// The workloads by mysql2, with its prepared statements: a peer of covet. See
// common.js.
"use strict";

const mysql = require("mysql2");
const common = require("./common.js");
const { readUrl, CREATE_EVENTS } = require("./mysql_common.js");

const ITEM = "select id, name, price from items where id = ?";
const INSERT = "insert into events values (?, ?, ?, ?)";
const AT_ONCE = 1000; // records of an INSERT

const rowSum = common.rowSum(19);

function options(url) {
  const { socket, ...rest } = readUrl(url);
  return { ...rest, socketPath: socket };
}

// Callbacks cost it less than promises.
function execute(db, query, values) {
  return new Promise((resolve, reject) =>
    db.execute(query, values, (err, rows) => (err ? reject(err) : resolve(rows))));
}

function query(db, text, values) {
  return new Promise((resolve, reject) =>
    db.query(text, values, (err, rows) => (err ? reject(err) : resolve(rows))));
}

function open(url) {
  const db = mysql.createConnection(options(url));
  return new Promise((resolve, reject) =>
    db.connect((err) => (err ? reject(err) : resolve(db))));
}

function lease(pool) {
  return new Promise((resolve, reject) =>
    pool.getConnection((err, db) => (err ? reject(err) : resolve(db))));
}

// The pool is full before the clock runs.
async function openPool(url) {
  const pool = mysql.createPool({ ...options(url), connectionLimit: common.CONNECTIONS });
  const all = await Promise.all(
    Array.from({ length: common.CONNECTIONS }, () => lease(pool)));
  all.forEach((db) => db.release());
  return pool;
}

async function fetchValue(db, text) {
  return Number(Object.values((await query(db, text))[0])[0]);
}

async function selectItems(url, count) {
  const db = await open(url);
  const items = await fetchValue(db, common.ITEM_COUNT);
  return common.selectItems(async (id) => (await execute(db, ITEM, [id]))[0], items, count);
}

async function selectMany(url, count) {
  const pool = await openPool(url);
  const items = await fetchValue(pool, common.ITEM_COUNT);
  return common.selectMany(async (id) => (await execute(pool, ITEM, [id]))[0], items, count);
}

async function fetchRows(url, count) {
  const db = await open(url);
  return common.fetchRows((text) => execute(db, text), count, rowSum);
}

async function streamRows(url, count) {
  const db = await open(url);
  return common.streamRows((text, take) => new Promise((resolve, reject) => {
    db.execute(text).on("result", take).on("error", reject).on("end", resolve);
  }), count, rowSum);
}

async function openEvents(url) {
  const db = await open(url);
  await query(db, "drop table if exists events");
  await query(db, CREATE_EVENTS);
  return db;
}

async function insertSingly(url, count) {
  const db = await openEvents(url);
  const result = await common.insertSingly((values) => execute(db, INSERT, values), count);
  return { ...result, check: await fetchValue(db, common.CHECK_EVENTS) };
}

async function load(url, count) {
  const db = await openEvents(url);
  const result = await common.load(async () => {
    await query(db, "start transaction");
    for (let i = 1; i <= count; i += AT_ONCE) {
      const list = common.records(i, Math.min(count, i + AT_ONCE - 1));
      await query(db, "insert into events values ?", [list]);
    }
    await query(db, "commit");
  }, count);
  return { ...result, check: await fetchValue(db, common.CHECK_EVENTS) };
}

async function lend(url, count) {
  const pool = await openPool(url);
  return common.lend(async () => (await lease(pool)).release(), count);
}

async function wait(url, count) {
  const pool = await openPool(url);
  for (let i = 0; i < common.CONNECTIONS; i++) {
    await lease(pool);
  }
  return common.wait((id) => execute(pool, ITEM, [id]), count);
}

async function delaySelects(url, seconds) {
  const pool = await openPool(url);
  const items = await fetchValue(pool, common.ITEM_COUNT);
  return common.delay(
    common.loadSelects((id) => execute(pool, ITEM, [id]), items), seconds);
}

async function delayRows(url, seconds) {
  const db = await open(url);
  return common.delay(common.loadRows((text) => execute(db, text)), seconds);
}

const close = (db) => new Promise((resolve) => db.end(resolve));

common.main(["mysql2"], {
  W1: selectItems, W2: selectMany, W3: fetchRows, W4: streamRows, W5: insertSingly,
  W6: load, W7: lend,
  W8: (url, count) => common.openMany(() => open(url), close, count),
  "W9-waiting": wait,
  "W9-idle": (url, count) => common.keepConnections(() => open(url), close, count),
  "W10-selects": delaySelects, "W10-rows": delayRows,
});
