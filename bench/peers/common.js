// What the peers in JavaScript share: statements, records, measuring.
//
// A peer is `node bench/peers/with_X.js WORKLOAD TARGET COUNT`, with NODE_PATH
// naming the folder of its packages; see common.py for the rest of the contract.
"use strict";

const fs = require("fs");
const path = require("path");

const TASKS = 256;
const CONNECTIONS = 16;
const AT_A_TIME = 50; // connections of W8
const NAP_MS = 10;
const WIDE_COUNT = 200000; // rows of W10
const CHUNK = 64 * 1024; // bytes of COPY

const ITEM_COUNT = "select items from about";
const WIDE = "select id, name, city, active, score, created_at, note from wide limit ";
const COLUMNS = ["id", "name", "city", "score"];
const CHECK_EVENTS =
  "select sum(id + length(name) + length(city) + score) as sum from events";
const TEXTS = Array.from({ length: 1000 }, (_, i) => `some text ${i}`);

const now = () => performance.now() / 1000;

// The next id of a random order.
function randomIds(items) {
  let random = 1;
  return () => {
    random = (random * 16807) % 2147483647;
    return (random % items) + 1;
  };
}

function record(i) {
  return [i, TEXTS[i % 1000], TEXTS[i % 97], (i % 1000) * 0.25];
}

// The records from `first` to `last`.
function records(first, last) {
  const list = [];
  for (let i = first; i <= last; i++) {
    list.push(record(i));
  }
  return list;
}

// Numbers may come as text where a driver guards their digits.
function itemSum(row) {
  return Number(row.id) + row.name.length + row.price;
}

// `timestampLength`: of a timestamp's text, which others receive.
function rowSum(timestampLength) {
  return (row) =>
    Number(row.id) + row.name.length + row.city.length + Number(row.active) +
    row.score + (row.created_at ? timestampLength : 0) +
    (row.note ? row.note.length : 0);
}

function sumRows(rows, sum) {
  let check = 0;
  for (const row of rows) {
    check += sum(row);
  }
  return check;
}

// Records as COPY reads them, in pieces of some size.
function* copyLines(count) {
  let text = "";
  for (let i = 1; i <= count; i++) {
    text += `${record(i).join("\t")}\n`;
    if (text.length > CHUNK) {
      yield text;
      text = "";
    }
  }
  yield text;
}

// A piece after the other into a stream, which is then ended.
async function writeAll(stream, pieces) {
  const { once } = require("events");
  for (const piece of pieces) {
    if (!stream.write(piece)) {
      await once(stream, "drain");
    }
  }
  stream.end();
}

function statusKb(field) {
  const status = fs.readFileSync("/proc/self/status", "utf8");
  return Number(status.match(new RegExp(`^${field}:\\s*(\\d+)`, "m"))[1]);
}

function percentiles(moments) {
  const units = moments.slice(1).map((at, i) => (at - moments[i]) * 1e6).sort();
  const part = (share) =>
    units[Math.min(units.length - 1, Math.floor(share * units.length))];
  return { p50_us: part(0.5), p95_us: part(0.95), p99_us: part(0.99) };
}

// W1: `select(id)` answers a row.
async function selectItems(select, items, count) {
  const nextId = randomIds(items);
  const moments = new Float64Array(count + 1);
  let check = 0;
  moments[0] = now();
  for (let i = 1; i <= count; i++) {
    check += itemSum(await select(nextId()));
    moments[i] = now();
  }
  return { seconds: moments[count] - moments[0], count, check, ...percentiles(moments) };
}

// `work(task)` in many tasks.
function inTasks(work) {
  return Promise.all(Array.from({ length: TASKS }, (_, task) => work(task)));
}

// W2: `select(id, task)` answers a row.
async function selectMany(select, items, count) {
  const nextId = randomIds(items);
  let left = count;
  let check = 0;
  const start = now();
  await inTasks(async (task) => {
    while (left > 0) {
      left--;
      const row = await select(nextId(), task);
      check += itemSum(row);
    }
  });
  return { seconds: now() - start, count, check };
}

// W3: `fetch(query)` answers rows.
async function fetchRows(fetch, count, sum) {
  const start = now();
  const rows = await fetch(WIDE + count);
  const seconds = now() - start;
  return { seconds, count: rows.length, check: sumRows(rows, sum) };
}

// W4: `stream(query, take)` hands out row after row.
async function streamRows(stream, count, sum) {
  let check = 0;
  let seen = 0;
  const start = now();
  await stream(WIDE + count, (row) => {
    check += sum(row);
    seen++;
  });
  return { seconds: now() - start, count: seen, check };
}

// W5: `insert(record)`.
async function insertSingly(insert, count) {
  const start = now();
  for (let i = 1; i <= count; i++) {
    await insert(record(i));
  }
  return { seconds: now() - start, count };
}

// W6: all of it is the driver's.
async function load(run, count) {
  const start = now();
  await run(count);
  return { seconds: now() - start, count };
}

// W7: `pair()` takes a connection of a pool and gives it back.
async function lend(pair, count) {
  const moments = new Float64Array(count + 1);
  moments[0] = now();
  for (let i = 1; i <= count; i++) {
    await pair();
    moments[i] = now();
  }
  return { seconds: moments[count] - moments[0], count, check: 0, ...percentiles(moments) };
}

function openAll(open, count) {
  return Promise.all(Array.from({ length: count }, open));
}

// W8, all at once; closing is not measured.
async function openMany(open, close, count) {
  const result = { seconds: 0, count: 0, check: 0 };
  while (result.count < count) {
    const some = Math.min(count - result.count, AT_A_TIME);
    const start = now();
    const connections = await openAll(open, some);
    result.seconds += now() - start;
    result.count += some;
    await Promise.all(connections.map(close));
  }
  return result;
}

// W9-waiting: `work(i)` waits for a connection, and all of them are taken.
async function wait(work, count) {
  const before = statusKb("VmRSS");
  const start = now();
  for (let i = 1; i <= count; i++) {
    (async () => work(i))().catch(() => {});
  }
  await new Promise((done) => setTimeout(done, 100));
  return { seconds: now() - start, count, check: 0, grown_kb: statusKb("VmRSS") - before };
}

// W9-idle: connections that are open and do nothing.
async function keepConnections(open, close, count) {
  await close(await open()); // what is loaded once is not theirs
  const before = statusKb("VmRSS");
  const start = now();
  const connections = [];
  while (connections.length < count) { // more at once is more than a server lets in
    connections.push(...await openAll(open, Math.min(count - connections.length, AT_A_TIME)));
  }
  const result = { seconds: now() - start, count, check: 0,
    grown_kb: statusKb("VmRSS") - before };
  await Promise.all(connections.map(close));
  return result;
}

// W10: how late a timer is beside `load(stopped)`, in milliseconds.
async function delay(load, seconds) {
  const lateness = [];
  const start = now();
  let finished = false;
  const nap = (before) => setTimeout(() => {
    lateness.push((now() - before) * 1000 - NAP_MS);
    if (!finished) {
      nap(now());
    }
  }, NAP_MS);
  nap(now());
  await load(() => now() - start >= seconds);
  finished = true;
  await new Promise((done) => setTimeout(done, 2 * NAP_MS));
  lateness.sort((a, b) => a - b);
  const part = (share) =>
    lateness[Math.min(lateness.length - 1, Math.floor(share * lateness.length))];
  return { seconds: now() - start, count: lateness.length, check: 0,
    p50_ms: part(0.5), p99_ms: part(0.99), max_ms: part(1) };
}

function loadSelects(select, items) {
  const nextId = randomIds(items);
  return (stopped) => inTasks(async (task) => {
    while (!stopped()) {
      await select(nextId(), task);
    }
  });
}

function loadRows(fetch) {
  return async (stopped) => {
    while (!stopped()) {
      await fetch(WIDE + WIDE_COUNT);
    }
  };
}

// The version of a package, which need not let its package.json be required.
function version(name) {
  const folder = process.env.NODE_PATH || "node_modules";
  const file = path.join(folder, name, "package.json");
  return JSON.parse(fs.readFileSync(file, "utf8")).version;
}

// Run what the arguments name. `workloads[name](target, count)` answers seconds,
// count, check, and perhaps further fields.
async function main(packages, workloads) {
  const [name, target, count] = process.argv.slice(2);
  if (name === "version") {
    const versions = Object.fromEntries(packages.map((one) => [one, version(one)]));
    console.log(JSON.stringify({ Node: process.versions.node, ...versions }));
    return;
  }
  if (!workloads[name] || !(Number(count) > 0)) {
    console.error("usage: with_X.js WORKLOAD TARGET COUNT\n       with_X.js version");
    process.exit(2);
  }
  const result = await workloads[name](target, Number(count));
  console.log(JSON.stringify({ workload: name, peak_rss_kb: statusKb("VmHWM"), ...result }));
  process.exit(0);
}

module.exports = {
  CONNECTIONS, ITEM_COUNT, COLUMNS, CHECK_EVENTS, record, records, itemSum, rowSum, now,
  copyLines, writeAll, selectItems, selectMany, fetchRows, streamRows, insertSingly, load,
  lend, openMany, wait, keepConnections, delay, loadSelects, loadRows, main, AT_A_TIME,
  percentiles, randomIds, statusKb, sumRows, WIDE,
};
