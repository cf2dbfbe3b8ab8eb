"""The workloads by psycopg 3, results in binary: a peer of covet. See common.py.

Without its speedups in C, which Debian does not have. W2 and W7 are asynchronous;
in W2 connections stand in a queue, which is faster than psycopg's pool. The others
block.
"""

import asyncio
from time import perf_counter

import psycopg
import psycopg_pool

import common

POINT_SELECT = "select id, name, price from items where id = %s"
INSERT = "insert into events values (%s, %s, %s, %s)"
CREATE_EVENTS = ("create table events (id bigint not null, name text not null,"
                 " city text not null, score double precision not null)")


def connect(url):
    return psycopg.connect(url, autocommit=True, prepare_threshold=0)


def fetch_value(db, query):
    return db.execute(query).fetchone()[0]


def select_items(url, count):
    db = connect(url)
    items = fetch_value(db, common.ITEM_COUNT)
    cursor = db.cursor(binary=True)
    check = 0
    moments = [perf_counter()]
    for item in common.random_ids(items, count):
        check += common.item_sum(
            cursor.execute(POINT_SELECT, (item,)).fetchone())
        moments.append(perf_counter())
    return (moments[-1] - moments[0], count, check,
            common.percentiles(moments))


async def select_many(url, count):
    connections = asyncio.Queue()
    for _ in range(common.CONNECTIONS):
        connections.put_nowait(await psycopg.AsyncConnection.connect(
            url, autocommit=True, prepare_threshold=0))
    ids = common.random_ids(fetch_value(connect(url), common.ITEM_COUNT),
                            count)

    async def work():
        check = 0
        for item in ids:
            db = await connections.get()
            cursor = db.cursor(binary=True)
            await cursor.execute(POINT_SELECT, (item,))
            check += common.item_sum(await cursor.fetchone())
            connections.put_nowait(db)
        return check

    start = perf_counter()
    check = await common.in_tasks(work)
    return perf_counter() - start, count, check


def fetch_rows(url, count):
    cursor = connect(url).cursor(binary=True)
    start = perf_counter()
    rows = cursor.execute(common.WIDE + str(count)).fetchall()
    seconds = perf_counter() - start
    return seconds, len(rows), sum(map(common.row_sum, rows))


def stream_rows(url, count):
    db = psycopg.connect(url)
    check, seen = 0, 0
    start = perf_counter()
    with db.cursor(name="rows", binary=True) as cursor:
        cursor.execute(common.WIDE + str(count))
        while rows := cursor.fetchmany(1000):
            check += sum(map(common.row_sum, rows))
            seen += len(rows)
    return perf_counter() - start, seen, check


def open_events(url):
    db = connect(url)
    db.execute(common.DROP_EVENTS)
    db.execute(CREATE_EVENTS)
    return db


def insert_singly(url, count):
    db = open_events(url)
    db.execute("set synchronous_commit = off")
    cursor = db.cursor()
    start = perf_counter()
    for i in range(1, count + 1):
        cursor.execute(INSERT, common.record(i))
    seconds = perf_counter() - start
    return seconds, count, fetch_value(db, common.CHECK_EVENTS)


def load(url, count):
    db = open_events(url)
    start = perf_counter()
    with db.cursor().copy("copy events from stdin (format binary)") as copy:
        copy.set_types(("int8", "text", "text", "float8"))
        for i in range(1, count + 1):
            copy.write_row(common.record(i))
    seconds = perf_counter() - start
    return seconds, count, fetch_value(db, common.CHECK_EVENTS)


async def lend(url, count):
    async with psycopg_pool.AsyncConnectionPool(
            url, min_size=common.CONNECTIONS,
            max_size=common.CONNECTIONS) as pool:
        await pool.wait()
        return await common.lend(pool.getconn, pool.putconn, count)


async def open_many(url, count):
    return await common.open_many(
        lambda: psycopg.AsyncConnection.connect(url),
        psycopg.AsyncConnection.close, count)


def run(workload, url, count):
    if asyncio.iscoroutinefunction(workload):
        return asyncio.run(workload(url, count))
    return workload(url, count)


common.main(
    {"psycopg": psycopg.__version__, "psycopg_pool": psycopg_pool.__version__},
    {"W1": select_items, "W2": select_many, "W3": fetch_rows,
     "W4": stream_rows, "W5": insert_singly, "W6": load, "W7": lend,
     "W8": open_many}, run)
