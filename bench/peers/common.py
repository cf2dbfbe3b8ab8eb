"""What the peers in Python share: statements, records, measuring.

A peer is `python3 bench/peers/with_X.py WORKLOAD TARGET COUNT`; it runs one
workload of bench/README.md and prints one line of JSON, as the reference does.
`check` is what the data came to, the same everywhere. `with_X.py version` prints
the versions of what it stands on.
"""

import asyncio
import json
import os
import platform
import sys
from time import perf_counter

TASKS = 256
CONNECTIONS = 16
AT_A_TIME = 50  # connections of W8
NAP = 0.010
WIDE_COUNT = 200000  # rows of W10
TIMESTAMP_LENGTH = 22  # of a timestamp's text in UTC, which others receive

ITEM_COUNT = "select items from about"
WIDE = ("select id, name, city, active, score, created_at, note"
        " from wide limit ")
DROP_EVENTS = "drop table if exists events"
COLUMNS = ("id", "name", "city", "score")
CHECK_EVENTS = ("select sum(id + length(name) + length(city) + score)"
                " from events")
TEXTS = ["some text %d" % i for i in range(1000)]


def random_ids(items, count):
    random = 1
    for _ in range(count):
        random = random * 16807 % 2147483647
        yield random % items + 1


def item_sum(row):
    return row[0] + len(row[1]) + row[2]


def row_sum(row):
    """Of a row whose created_at is a datetime; for texts see with_sqlite3."""
    return (row[0] + len(row[1]) + len(row[2]) + row[3] + row[4]
            + TIMESTAMP_LENGTH + (len(row[6]) if row[6] else 0))


def record(i):
    return i, TEXTS[i % 1000], TEXTS[i % 97], i % 1000 * 0.25


def status_kb(field):
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(field):
                return int(line.split()[1])
    return 0


def percentiles(moments):
    """Of the units between moments, in microseconds."""
    units = sorted((b - a) * 1e6 for a, b in zip(moments, moments[1:]))
    return {name: units[min(len(units) - 1, int(part * len(units)))]
            for name, part in (("p50_us", 0.5), ("p95_us", 0.95),
                               ("p99_us", 0.99))}


async def in_tasks(work):
    """The sum of what `work()` answers in each of many tasks."""
    return sum(await asyncio.gather(*[work() for _ in range(TASKS)]))


async def open_many(connect, close, count):
    """W8, all at once; closing is not measured."""
    seconds, done = 0, 0
    while done < count:
        some = min(count - done, AT_A_TIME)
        start = perf_counter()
        connections = await asyncio.gather(*[connect() for _ in range(some)])
        seconds += perf_counter() - start
        done += some
        for connection in connections:
            await close(connection)
    return seconds, done, 0


async def lend(acquire, release, count):
    """W7: a connection of a pool taken and given back."""
    moments = [perf_counter()]
    for _ in range(count):
        await release(await acquire())
        moments.append(perf_counter())
    return moments[-1] - moments[0], count, 0, percentiles(moments)


async def wait(work, count):
    """W9-waiting: tasks that wait for a connection; all of them are taken."""
    before = status_kb("VmRSS:")
    start = perf_counter()
    tasks = [asyncio.ensure_future(work(i)) for i in range(1, count + 1)]
    await asyncio.sleep(0.1)
    more = {"grown_kb": status_kb("VmRSS:") - before}
    seconds = perf_counter() - start
    assert not any(task.done() for task in tasks)
    return seconds, count, 0, more


async def keep_connections(connect, close, count):
    """W9-idle: connections that are open and do nothing."""
    await close(await connect())  # what is loaded once is not theirs
    before = status_kb("VmRSS:")
    start = perf_counter()
    connections = []
    while len(connections) < count:  # more at once than a server lets in
        some = min(count - len(connections), AT_A_TIME)
        connections += await asyncio.gather(*[connect() for _ in range(some)])
    more = {"grown_kb": status_kb("VmRSS:") - before}
    seconds = perf_counter() - start
    for connection in connections:
        await close(connection)
    return seconds, count, 0, more


async def delay(load, seconds):
    """W10: how late a task wakes beside `load(stopped)`, in milliseconds."""
    lateness, finished = [], False
    end = perf_counter() + seconds

    async def nap():
        while not finished:
            start = perf_counter()
            await asyncio.sleep(NAP)
            lateness.append((perf_counter() - start - NAP) * 1000)

    napper = asyncio.ensure_future(nap())
    await load(lambda: perf_counter() >= end)
    finished = True
    await napper
    lateness.sort()
    return seconds, len(lateness), 0, {
        "p50_ms": lateness[len(lateness) // 2],
        "p99_ms": lateness[min(len(lateness) - 1, int(len(lateness) * .99))],
        "max_ms": lateness[-1]}


async def load_selects(fetch_one, items, stopped):
    """W10-selects: `fetch_one(id)` in many tasks."""
    async def work():
        for item in random_ids(items, sys.maxsize):
            if stopped():
                return 0
            await fetch_one(item)

    await in_tasks(work)


async def load_rows(fetch_all, stopped):
    """W10-rows: `fetch_all(query)`, one after the other."""
    while not stopped():
        await fetch_all(WIDE + str(WIDE_COUNT))


def print_line(fields):
    print(json.dumps(fields, separators=(",", ":")), flush=True)


def main(versions, workloads, run):
    """Run what the arguments name: `run(workload, target, count)` answers
    seconds, count, check, and perhaps further fields."""
    if sys.argv[1:] == ["version"]:
        print_line({"Python": platform.python_version(), **versions})
        return
    if len(sys.argv) != 4 or sys.argv[1] not in workloads:
        sys.exit("usage: %s WORKLOAD TARGET COUNT\n       %s version"
                 % (sys.argv[0], sys.argv[0]))
    name, target, count = sys.argv[1], sys.argv[2], float(sys.argv[3])
    count = count if count < 1 or name.startswith("W10") else int(count)
    seconds, count, check, *more = run(workloads[name], target, count)
    print_line({
        "workload": name, "seconds": seconds, "count": count, "check": check,
        "peak_rss_kb": status_kb("VmHWM:"), **(more[0] if more else {})})
    if name == "W9-waiting":  # what waits is not worth an orderly end
        os._exit(0)
