// The workloads by better-sqlite3, which blocks: a peer of covet. See common.js.
//
// What writes does so to TARGET-better.
"use strict";

const fs = require("fs");
const Database = require("better-sqlite3");
const common = require("./common.js");

const ITEM = "select id, name, price from items where id = ?";
const INSERT = "insert into events values (?, ?, ?, ?)";
const FILL_ITEMS = "insert into items with recursive n(i) as (select 1 union all" +
  " select i + 1 from n limit 10000) select i, 'item ' || i, i % 1000 * 0.25 from n";

// Its timestamps are texts.
function rowSum(row) {
  return row.id + row.name.length + row.city.length + row.active + row.score +
    row.created_at.length + (row.note ? row.note.length : 0);
}

function open(path) {
  const db = new Database(path);
  db.pragma("journal_mode = wal");
  db.pragma("synchronous = normal");
  db.pragma("foreign_keys = on");
  return db;
}

function openEvents(path) {
  const name = `${path}-better`;
  for (const suffix of ["", "-wal", "-shm"]) {
    fs.rmSync(name + suffix, { force: true });
  }
  const db = open(name);
  db.exec("create table events (id bigint not null, name text not null," +
    " city text not null, score double not null)");
  return db;
}

function fetchValue(db, query) {
  return db.prepare(query).pluck().get();
}

function selectItems(path, count) {
  const db = open(path);
  const nextId = common.randomIds(fetchValue(db, common.ITEM_COUNT));
  const select = db.prepare(ITEM);
  const moments = new Float64Array(count + 1);
  let check = 0;
  moments[0] = common.now();
  for (let i = 1; i <= count; i++) {
    check += common.itemSum(select.get(nextId()));
    moments[i] = common.now();
  }
  return { seconds: moments[count] - moments[0], count, check,
    ...common.percentiles(moments) };
}

function fetchRows(path, count) {
  const select = open(path).prepare(`${common.WIDE} ?`);
  const start = common.now();
  const rows = select.all(count);
  const seconds = common.now() - start;
  return { seconds, count: rows.length, check: common.sumRows(rows, rowSum) };
}

function streamRows(path, count) {
  const select = open(path).prepare(`${common.WIDE} ?`);
  let check = 0;
  let seen = 0;
  const start = common.now();
  for (const row of select.iterate(count)) {
    check += rowSum(row);
    seen++;
  }
  return { seconds: common.now() - start, count: seen, check };
}

function write(path, count, inOne) {
  const db = openEvents(path);
  const insert = db.prepare(INSERT);
  const run = () => {
    for (let i = 1; i <= count; i++) {
      insert.run(common.record(i));
    }
  };
  const all = inOne ? db.transaction(run).immediate : run;
  const start = common.now();
  all();
  const seconds = common.now() - start;
  return { seconds, count, check: fetchValue(db, common.CHECK_EVENTS) };
}

function openMany(path, count) {
  const result = { seconds: 0, count: 0, check: 0 };
  while (result.count < count) {
    const some = Math.min(count - result.count, common.AT_A_TIME);
    const start = common.now();
    const connections = Array.from({ length: some }, () => open(path));
    result.seconds += common.now() - start;
    result.count += some;
    connections.forEach((db) => db.close());
  }
  return result;
}

function keepConnections(path, count) {
  open(path).close();
  const before = common.statusKb("VmRSS");
  const start = common.now();
  const connections = Array.from({ length: count }, () => open(path));
  return { seconds: common.now() - start, count: connections.length, check: 0,
    grown_kb: common.statusKb("VmRSS") - before };
}

function selectAndInsert(path, count) {
  const db = openEvents(path);
  db.exec("create table items (id integer primary key, name text not null," +
    " price double not null)");
  db.exec(FILL_ITEMS);
  const select = db.prepare(ITEM);
  const insert = db.prepare(INSERT);
  let check = 0;
  const start = common.now();
  for (let i = 1; i <= count; i++) {
    if (i % 10 === 0) {
      insert.run(common.record(i));
    } else {
      check += common.itemSum(select.get((i % 10000) + 1));
    }
  }
  const seconds = common.now() - start;
  return { seconds, count, check: check + fetchValue(db, common.CHECK_EVENTS) };
}

common.main(["better-sqlite3"], {
  W1: selectItems, W2: selectItems, W3: fetchRows, W4: streamRows,
  W5: (path, count) => write(path, count, false),
  W6: (path, count) => write(path, count, true),
  W8: openMany, "W9-idle": keepConnections, mixed: selectAndInsert,
});
