"""The workloads by aiomysql on uvloop: a peer of covet. See common.py.

It puts values into the text of a statement itself; it prepares none.
"""

import asyncio
from time import perf_counter
from urllib.parse import parse_qs, urlsplit

import aiomysql
import pymysql
import uvloop

import common

TIMESTAMP_SHORTER = 3  # 19 bytes of text, as MariaDB writes it
POINT_SELECT = "select id, name, price from items where id = %s"
INSERT = "insert into events values (%s, %s, %s, %s)"
CREATE_EVENTS = ("create table events (id bigint not null,"
                 " name varchar(50) not null, city varchar(50) not null,"
                 " score double not null)")


def row_sum(row):
    return common.row_sum(row) - TIMESTAMP_SHORTER


def options(url):
    parts = urlsplit(url)
    found = {"user": parts.username, "password": parts.password,
             "db": parts.path.lstrip("/"), "autocommit": True,
             "charset": "utf8mb4"}
    socket = parse_qs(parts.query).get("unix_socket")
    if socket:
        return {**found, "unix_socket": socket[0]}
    return {**found, "host": parts.hostname, "port": parts.port}


def connect(url):
    return aiomysql.connect(**options(url))


def open_pool(url):
    return aiomysql.create_pool(
        minsize=common.CONNECTIONS, maxsize=common.CONNECTIONS, **options(url))


async def fetch_one(db, query, values=None):
    async with db.cursor() as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchone()


async def fetch_from(pool, item):
    async with pool.acquire() as db:
        return await fetch_one(db, POINT_SELECT, (item,))


async def count_items(pool):
    async with pool.acquire() as db:
        return (await fetch_one(db, common.ITEM_COUNT))[0]


async def execute(db, query, values=None):
    async with db.cursor() as cursor:
        await cursor.execute(query, values)


async def select_items(url, count):
    db = await connect(url)
    (items,) = await fetch_one(db, common.ITEM_COUNT)
    check = 0
    moments = [perf_counter()]
    async with db.cursor() as cursor:
        for item in common.random_ids(items, count):
            await cursor.execute(POINT_SELECT, (item,))
            check += common.item_sum(await cursor.fetchone())
            moments.append(perf_counter())
    db.close()
    return (moments[-1] - moments[0], count, check,
            common.percentiles(moments))


async def select_many(url, count):
    pool = await open_pool(url)
    ids = common.random_ids(await count_items(pool), count)

    async def work():
        check = 0
        for item in ids:
            check += common.item_sum(await fetch_from(pool, item))
        return check

    start = perf_counter()
    check = await common.in_tasks(work)
    seconds = perf_counter() - start
    pool.terminate()
    return seconds, count, check


async def fetch_rows(url, count):
    db = await connect(url)
    start = perf_counter()
    async with db.cursor() as cursor:
        await cursor.execute(common.WIDE + str(count))
        rows = await cursor.fetchall()
    seconds = perf_counter() - start
    db.close()
    return seconds, len(rows), sum(map(row_sum, rows))


async def stream_rows(url, count):
    db = await connect(url)
    check, seen = 0, 0
    start = perf_counter()
    async with db.cursor(aiomysql.SSCursor) as cursor:
        await cursor.execute(common.WIDE + str(count))
        while rows := await cursor.fetchmany(1000):
            check += sum(map(row_sum, rows))
            seen += len(rows)
    seconds = perf_counter() - start
    db.close()
    return seconds, seen, check


async def open_events(url):
    db = await connect(url)
    async with db.cursor() as cursor:
        await cursor.execute("drop table if exists events")
        await cursor.execute(CREATE_EVENTS)
    return db


async def finish_events(db, seconds, count):
    (check,) = await fetch_one(db, common.CHECK_EVENTS)
    db.close()
    return seconds, count, float(check)


async def insert_singly(url, count):
    db = await open_events(url)
    start = perf_counter()
    async with db.cursor() as cursor:
        for i in range(1, count + 1):
            await cursor.execute(INSERT, common.record(i))
    return await finish_events(db, perf_counter() - start, count)


async def load(url, count):
    """By INSERTs of many rows, which aiomysql makes of a list."""
    db = await open_events(url)
    start = perf_counter()
    await db.begin()
    async with db.cursor() as cursor:
        for first in range(1, count + 1, 10000):
            last = min(count, first + 9999)
            await cursor.executemany(
                INSERT, [common.record(i) for i in range(first, last + 1)])
    await db.commit()
    return await finish_events(db, perf_counter() - start, count)


async def lend(url, count):
    pool = await open_pool(url)
    result = await common.lend(pool.acquire, pool.release, count)
    pool.terminate()
    return result


async def close(db):
    db.close()


async def open_many(url, count):
    return await common.open_many(lambda: connect(url), close, count)


async def wait(url, count):
    pool = await open_pool(url)
    held = [await pool.acquire() for _ in range(common.CONNECTIONS)]
    assert len(held) == common.CONNECTIONS
    return await common.wait(lambda i: fetch_from(pool, i), count)


async def keep_connections(url, count):
    return await common.keep_connections(lambda: connect(url), close, count)


async def delay_selects(url, seconds):
    pool = await open_pool(url)
    items = await count_items(pool)
    result = await common.delay(lambda stopped: common.load_selects(
        lambda item: fetch_from(pool, item), items, stopped), seconds)
    pool.terminate()
    return result


async def delay_rows(url, seconds):
    db = await connect(url)

    async def fetch_all(query):
        async with db.cursor() as cursor:
            await cursor.execute(query)
            await cursor.fetchall()

    result = await common.delay(
        lambda stopped: common.load_rows(fetch_all, stopped), seconds)
    db.close()
    return result


uvloop.install()
common.main(
    {"aiomysql": aiomysql.__version__, "PyMySQL": pymysql.__version__,
     "uvloop": uvloop.__version__},
    {"W1": select_items, "W2": select_many, "W3": fetch_rows,
     "W4": stream_rows, "W5": insert_singly, "W6": load, "W7": lend,
     "W8": open_many, "W9-waiting": wait, "W9-idle": keep_connections,
     "W10-selects": delay_selects, "W10-rows": delay_rows},
    lambda workload, url, count: asyncio.run(workload(url, count)))
