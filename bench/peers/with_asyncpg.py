"""The workloads by asyncpg on uvloop: a peer of covet. See common.py."""

import asyncio
from time import perf_counter

import asyncpg
import uvloop

import common

POINT_SELECT = "select id, name, price from items where id = $1"
INSERT = "insert into events values ($1, $2, $3, $4)"
CREATE_EVENTS = ("create table events (id bigint not null, name text not null,"
                 " city text not null, score double precision not null)")


class Connection(asyncpg.Connection):
    """One that goes back to its pool as it is: asyncpg's queries that reset it
    would take two thirds of W2."""

    async def reset(self, *, timeout=None):
        pass


def open_pool(url):
    return asyncpg.create_pool(
        url, min_size=common.CONNECTIONS, max_size=common.CONNECTIONS,
        connection_class=Connection)


async def select_items(url, count):
    db = await asyncpg.connect(url)
    items = await db.fetchval(common.ITEM_COUNT)
    check = 0
    moments = [perf_counter()]
    for item in common.random_ids(items, count):
        check += common.item_sum(await db.fetchrow(POINT_SELECT, item))
        moments.append(perf_counter())
    await db.close()
    return (moments[-1] - moments[0], count, check,
            common.percentiles(moments))


async def select_many(url, count):
    pool = await open_pool(url)
    ids = common.random_ids(await pool.fetchval(common.ITEM_COUNT), count)

    async def work():
        check = 0
        for item in ids:
            check += common.item_sum(await pool.fetchrow(POINT_SELECT, item))
        return check

    start = perf_counter()
    check = await common.in_tasks(work)
    seconds = perf_counter() - start
    await pool.close()
    return seconds, count, check


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
    await db.execute(CREATE_EVENTS)
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


async def lend(url, count):
    async with open_pool(url) as pool:
        return await common.lend(pool.acquire, pool.release, count)


async def open_many(url, count):
    return await common.open_many(
        lambda: asyncpg.connect(url), asyncpg.Connection.close, count)


async def wait(url, count):
    pool = await open_pool(url)
    for _ in range(common.CONNECTIONS):
        await pool.acquire()
    return await common.wait(lambda i: pool.fetchrow(POINT_SELECT, i), count)


async def keep_connections(url, count):
    return await common.keep_connections(
        lambda: asyncpg.connect(url), asyncpg.Connection.close, count)


async def delay_selects(url, seconds):
    async with open_pool(url) as pool:
        items = await pool.fetchval(common.ITEM_COUNT)
        return await common.delay(lambda stopped: common.load_selects(
            lambda item: pool.fetchrow(POINT_SELECT, item), items, stopped),
            seconds)


async def delay_rows(url, seconds):
    async with open_pool(url) as pool:
        return await common.delay(
            lambda stopped: common.load_rows(pool.fetch, stopped), seconds)


uvloop.install()
common.main(
    {"asyncpg": asyncpg.__version__, "uvloop": uvloop.__version__},
    {"W1": select_items, "W2": select_many, "W3": fetch_rows,
     "W4": stream_rows, "W5": insert_singly, "W6": load, "W7": lend,
     "W8": open_many, "W9-waiting": wait, "W9-idle": keep_connections,
     "W10-selects": delay_selects, "W10-rows": delay_rows},
    lambda workload, url, count: asyncio.run(workload(url, count)))
