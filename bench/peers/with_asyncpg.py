"""The workloads by asyncpg on uvloop: a peer of covet. See common.py."""

import asyncio
from time import perf_counter

import asyncpg
import uvloop

import common

POINT_SELECT = "select id, name, price from items where id = $1"
INSERT = "insert into events values ($1, $2, $3, $4)"


class Connection(asyncpg.Connection):
    """One that goes back to its pool as it is: asyncpg's queries that reset it
    would take two thirds of W2."""

    async def reset(self, *, timeout=None):
        pass


async def select_items(url, count):
    db = await asyncpg.connect(url)
    items = await db.fetchval(common.ITEM_COUNT)
    check = 0
    start = perf_counter()
    for item in common.random_ids(items, count):
        check += common.item_sum(await db.fetchrow(POINT_SELECT, item))
    seconds = perf_counter() - start
    await db.close()
    return seconds, count, check


async def select_many(url, count):
    pool = await asyncpg.create_pool(
        url, min_size=common.CONNECTIONS, max_size=common.CONNECTIONS,
        connection_class=Connection)
    ids = common.random_ids(await pool.fetchval(common.ITEM_COUNT), count)

    async def work():
        check = 0
        for item in ids:
            check += common.item_sum(await pool.fetchrow(POINT_SELECT, item))
        return check

    start = perf_counter()
    checks = await asyncio.gather(*[work() for _ in range(common.TASKS)])
    seconds = perf_counter() - start
    await pool.close()
    return seconds, count, sum(checks)


async def fetch_rows(url, count):
    db = await asyncpg.connect(url)
    start = perf_counter()
    rows = await db.fetch(common.WIDE + str(count))
    seconds = perf_counter() - start
    await db.close()
    return seconds, len(rows), sum(map(common.row_sum, rows))


async def stream_rows(url, count):
    db = await asyncpg.connect(url)
    check, seen = 0, 0
    start = perf_counter()
    async with db.transaction():
        cursor = await db.cursor(common.WIDE + str(count))
        while rows := await cursor.fetch(1000):
            check += sum(map(common.row_sum, rows))
            seen += len(rows)
    seconds = perf_counter() - start
    await db.close()
    return seconds, seen, check


async def open_events(url):
    db = await asyncpg.connect(url)
    await db.execute(common.DROP_EVENTS)
    await db.execute(common.CREATE_EVENTS)
    return db


async def finish_events(db, seconds, count):
    check = await db.fetchval(common.CHECK_EVENTS)
    await db.close()
    return seconds, count, check


async def insert_singly(url, count):
    db = await open_events(url)
    await db.execute("set synchronous_commit = off")
    start = perf_counter()
    for i in range(1, count + 1):
        await db.execute(INSERT, *common.record(i))
    return await finish_events(db, perf_counter() - start, count)


async def load(url, count):
    db = await open_events(url)
    start = perf_counter()
    await db.copy_records_to_table(
        "events", columns=common.COLUMNS,
        records=map(common.record, range(1, count + 1)))
    return await finish_events(db, perf_counter() - start, count)


uvloop.install()
common.main(
    {"W1": select_items, "W2": select_many, "W3": fetch_rows,
     "W4": stream_rows, "W5": insert_singly, "W6": load},
    lambda workload, url, count: asyncio.run(workload(url, count)))
