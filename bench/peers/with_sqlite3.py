"""The workloads by Python's sqlite3, which blocks: a peer of covet. See common.py.

What writes does so to TARGET-sqlite3.
"""

import sqlite3
from time import perf_counter

import common
import sqlite_common as sql


def connect(path):
    db = sqlite3.connect(path, isolation_level=None)
    for pragma in sql.PRAGMAS:
        db.execute(pragma)
    return db


def connect_fresh(path):
    db = connect(sql.remove(path + "-sqlite3"))
    db.execute(sql.CREATE_EVENTS)
    return db


def fetch_value(db, query):
    return db.execute(query).fetchone()[0]


def select_items(path, count):
    db = connect(path)
    items = fetch_value(db, common.ITEM_COUNT)
    check = 0
    moments = [perf_counter()]
    for item in common.random_ids(items, count):
        check += common.item_sum(
            db.execute(sql.POINT_SELECT, (item,)).fetchone())
        moments.append(perf_counter())
    return (moments[-1] - moments[0], count, check,
            common.percentiles(moments))


def fetch_rows(path, count):
    db = connect(path)
    start = perf_counter()
    rows = db.execute(common.WIDE + "?", (count,)).fetchall()
    seconds = perf_counter() - start
    return seconds, len(rows), sum(map(sql.row_sum, rows))


def stream_rows(path, count):
    cursor = connect(path).execute(common.WIDE + "?", (count,))
    check, seen = 0, 0
    start = perf_counter()
    while rows := cursor.fetchmany(1000):
        check += sum(map(sql.row_sum, rows))
        seen += len(rows)
    return perf_counter() - start, seen, check


def insert_singly(path, count):
    db = connect_fresh(path)
    start = perf_counter()
    for i in range(1, count + 1):
        db.execute(sql.INSERT, common.record(i))
    seconds = perf_counter() - start
    return seconds, count, fetch_value(db, common.CHECK_EVENTS)


def load(path, count):
    db = connect_fresh(path)
    start = perf_counter()
    db.execute("begin immediate")
    db.executemany(sql.INSERT, map(common.record, range(1, count + 1)))
    db.execute("commit")
    seconds = perf_counter() - start
    return seconds, count, fetch_value(db, common.CHECK_EVENTS)


def open_many(path, count):
    seconds, done = 0, 0
    while done < count:
        some = min(count - done, common.AT_A_TIME)
        start = perf_counter()
        connections = [connect(path) for _ in range(some)]
        seconds += perf_counter() - start
        done += some
        for db in connections:
            db.close()
    return seconds, done, 0


def keep_connections(path, count):
    connect(path).close()
    before = common.status_kb("VmRSS:")
    start = perf_counter()
    connections = [connect(path) for _ in range(count)]
    seconds = perf_counter() - start
    return seconds, len(connections), 0, {
        "grown_kb": common.status_kb("VmRSS:") - before}


def select_and_insert(path, count):
    db = connect_fresh(path)
    db.execute(sql.CREATE_ITEMS)
    db.execute(sql.FILL_ITEMS)
    check = 0
    start = perf_counter()
    for i in range(1, count + 1):
        if i % 10 == 0:
            db.execute(sql.INSERT, common.record(i))
        else:
            check += common.item_sum(db.execute(
                sql.POINT_SELECT, (i % 10000 + 1,)).fetchone())
    seconds = perf_counter() - start
    return seconds, count, check + fetch_value(db, common.CHECK_EVENTS)


common.main(
    {"Python's SQLite": sqlite3.sqlite_version},
    {"W1": select_items, "W2": select_items, "W3": fetch_rows,
     "W4": stream_rows, "W5": insert_singly, "W6": load, "W8": open_many,
     "W9-idle": keep_connections, "mixed": select_and_insert},
    lambda workload, path, count: workload(path, count))
