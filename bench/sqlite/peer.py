"""The workloads by Python's sqlite3 module, which blocks: a peer of covet.

    python3 bench/sqlite/peer.py WORKLOAD PATH COUNT

Prints one line of JSON, as the reference does. W5 and W6 write to PATH-peer.
"""

import json
import os
import sqlite3
import sys
from time import perf_counter

POINT_SELECT = "select id, name, price from items where id = ?"
WIDE = ("select id, name, city, active, score, created_at, note"
        " from wide limit ?")
INSERT = "insert into events values (?, ?, ?, ?)"
TEXTS = ["some text %d" % i for i in range(1000)]
W8_ROUNDS = 20


def connect(path):
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = normal")
    db.execute("pragma foreign_keys = on")
    return db


def connect_fresh(path):
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(path + suffix):
            os.remove(path + suffix)
    db = connect(path)
    db.execute("create table events (id bigint not null, name text not null,"
               " city text not null, score double not null)")
    return db


def select_items(path, count):
    db = connect(path)
    (items,) = db.execute("select items from about").fetchone()
    check, random = 0, 1
    start = perf_counter()
    for _ in range(count):
        random = random * 16807 % 2147483647
        row = db.execute(POINT_SELECT, (random % items + 1,)).fetchone()
        check += row[0] + len(row[1]) + row[2]
    return perf_counter() - start, count, check


def row_sum(row):
    return (row[0] + len(row[1]) + len(row[2]) + row[3] + row[4]
            + len(row[5]) + (len(row[6]) if row[6] else 0))


def fetch_rows(path, count):
    db = connect(path)
    start = perf_counter()
    rows = db.execute(WIDE, (count,)).fetchall()
    seconds = perf_counter() - start
    return seconds, len(rows), sum(map(row_sum, rows))


def stream_rows(path, count):
    cursor = connect(path).execute(WIDE, (count,))
    check, seen = 0, 0
    start = perf_counter()
    while rows := cursor.fetchmany(1000):
        check += sum(map(row_sum, rows))
        seen += len(rows)
    return perf_counter() - start, seen, check


def record(i):
    return i, TEXTS[i % 1000], TEXTS[i % 97], i % 1000 * 0.25


def check_events(db):
    return db.execute("select sum(id + length(name) + length(city) + score)"
                      " from events").fetchone()[0]


def insert_singly(path, count):
    db = connect_fresh(path + "-peer")
    start = perf_counter()
    for i in range(1, count + 1):
        db.execute(INSERT, record(i))
    return perf_counter() - start, count, check_events(db)


def load(path, count):
    db = connect_fresh(path + "-peer")
    start = perf_counter()
    db.execute("begin immediate")
    db.executemany(INSERT, map(record, range(1, count + 1)))
    db.execute("commit")
    return perf_counter() - start, count, check_events(db)


def open_many(path, count):
    seconds = 0
    for _ in range(W8_ROUNDS):
        start = perf_counter()
        connections = [connect(path) for _ in range(count)]
        seconds += perf_counter() - start
        for db in connections:
            db.close()
    return seconds, W8_ROUNDS * count, 0


WORKLOADS = {
    "W1": select_items, "W2": select_items, "W3": fetch_rows,
    "W4": stream_rows, "W5": insert_singly, "W6": load, "W8": open_many,
}


def peak_rss_kb():
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in WORKLOADS:
        sys.exit("usage: peer.py WORKLOAD PATH COUNT")
    name, path, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seconds, count, check = WORKLOADS[name](path, count)
    print(json.dumps({
        "workload": name, "seconds": seconds, "count": count,
        "rate": count / seconds, "peak_rss_kb": peak_rss_kb(),
        "check": check}, separators=(",", ":")))


main()
