"""The workloads by aiosqlite on uvloop: a peer of covet. See common.py.

One connection, as aiosqlite means it: a thread that calls stand in a queue for.
What writes does so to TARGET-aiosqlite.
"""

import asyncio
import sqlite3
import time
from time import perf_counter

import aiosqlite
import uvloop

import common
import sqlite_common as sql


async def connect(path):
    db = await aiosqlite.connect(path, isolation_level=None)
    for pragma in sql.PRAGMAS:
        await db.execute(pragma)
    return db


async def connect_fresh(path):
    db = await connect(sql.remove(path + "-aiosqlite"))
    await db.execute(sql.CREATE_EVENTS)
    return db


async def fetch_value(db, query):
    return (await db.execute_fetchall(query))[0][0]


async def fetch_item(db, item):
    rows = await db.execute_fetchall(sql.POINT_SELECT, (item,))
    return common.item_sum(rows[0])


async def finish_events(db, seconds, count, check=0):
    check += await fetch_value(db, common.CHECK_EVENTS)
    await db.close()
    return seconds, count, check


async def select_items(path, count):
    db = await connect(path)
    items = await fetch_value(db, common.ITEM_COUNT)
    check = 0
    moments = [perf_counter()]
    for item in common.random_ids(items, count):
        check += await fetch_item(db, item)
        moments.append(perf_counter())
    await db.close()
    return (moments[-1] - moments[0], count, check,
            common.percentiles(moments))


async def select_many(path, count):
    db = await connect(path)
    items = await fetch_value(db, common.ITEM_COUNT)
    ids = common.random_ids(items, count)

    async def work():
        check = 0
        for item in ids:
            check += await fetch_item(db, item)
        return check

    start = perf_counter()
    check = await common.in_tasks(work)
    seconds = perf_counter() - start
    await db.close()
    return seconds, count, check


async def fetch_rows(path, count):
    db = await connect(path)
    start = perf_counter()
    rows = await db.execute_fetchall(common.WIDE + "?", (count,))
    seconds = perf_counter() - start
    await db.close()
    return seconds, len(rows), sum(map(sql.row_sum, rows))


async def stream_rows(path, count):
    db = await connect(path)
    check, seen = 0, 0
    start = perf_counter()
    async with db.execute(common.WIDE + "?", (count,)) as cursor:
        while rows := await cursor.fetchmany(1000):
            check += sum(map(sql.row_sum, rows))
            seen += len(rows)
    seconds = perf_counter() - start
    await db.close()
    return seconds, seen, check


async def insert_singly(path, count):
    db = await connect_fresh(path)
    start = perf_counter()
    for i in range(1, count + 1):
        await db.execute(sql.INSERT, common.record(i))
    return await finish_events(db, perf_counter() - start, count)


async def load(path, count):
    db = await connect_fresh(path)
    start = perf_counter()
    await db.execute("begin immediate")
    await db.executemany(sql.INSERT, map(common.record, range(1, count + 1)))
    await db.execute("commit")
    return await finish_events(db, perf_counter() - start, count)


async def open_many(path, count):
    return await common.open_many(
        lambda: connect(path), aiosqlite.Connection.close, count)


async def wait(path, count):
    db = await connect_fresh(path)
    await db.create_function("nap", 1, time.sleep)
    asyncio.ensure_future(db.execute("select nap(60)"))
    return await common.wait(
        lambda i: db.execute(sql.INSERT, (i, "", "", 0)), count)


async def keep_connections(path, count):
    return await common.keep_connections(
        lambda: connect(path), aiosqlite.Connection.close, count)


async def delay_selects(path, seconds):
    db = await connect(path)
    items = await fetch_value(db, common.ITEM_COUNT)
    result = await common.delay(lambda stopped: common.load_selects(
        lambda item: fetch_item(db, item), items, stopped), seconds)
    await db.close()
    return result


async def delay_rows(path, seconds):
    db = await connect(path)
    result = await common.delay(lambda stopped: common.load_rows(
        db.execute_fetchall, stopped), seconds)
    await db.close()
    return result


async def select_and_insert(path, count):
    db = await connect_fresh(path)
    await db.execute(sql.CREATE_ITEMS)
    await db.execute(sql.FILL_ITEMS)
    turns = iter(range(1, count + 1))

    async def work():
        check = 0
        for i in turns:
            if i % 10 == 0:
                await db.execute(sql.INSERT, common.record(i))
            else:
                check += await fetch_item(db, i % 10000 + 1)
        return check

    start = perf_counter()
    check = await common.in_tasks(work)
    return await finish_events(db, perf_counter() - start, count, check)


uvloop.install()
common.main(
    {"aiosqlite": aiosqlite.__version__,
     "Python's SQLite": sqlite3.sqlite_version},
    {"W1": select_items, "W2": select_many, "W3": fetch_rows,
     "W4": stream_rows, "W5": insert_singly, "W6": load, "W8": open_many,
     "W9-waiting": wait, "W9-idle": keep_connections,
     "W10-selects": delay_selects, "W10-rows": delay_rows,
     "mixed": select_and_insert},
    lambda workload, path, count: asyncio.run(workload(path, count)))
