"""What the peers for PostgreSQL share: statements, records, the line of JSON.

A peer is `python3 bench/peers/with_X.py WORKLOAD URL COUNT`; it runs one workload
of bench/README.md and prints one line of JSON, as the reference does. `check` is
what the data came to, the same everywhere.
"""

import json
import sys

TASKS = 256
CONNECTIONS = 16
TIMESTAMP_LENGTH = 22  # of a timestamp's text in UTC, which others receive

ITEM_COUNT = "select items from about"
WIDE = ("select id, name, city, active, score, created_at, note"
        " from wide limit ")
CREATE_EVENTS = ("create table events (id bigint not null, name text not null,"
                 " city text not null, score double precision not null)")
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
    return (row[0] + len(row[1]) + len(row[2]) + row[3] + row[4]
            + TIMESTAMP_LENGTH + (len(row[6]) if row[6] else 0))


def record(i):
    return i, TEXTS[i % 1000], TEXTS[i % 97], i % 1000 * 0.25


def peak_rss_kb():
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0


def main(workloads, run):
    """Run what the arguments name: `run(workload, url, count)` answers seconds,
    count and check."""
    if len(sys.argv) != 4 or sys.argv[1] not in workloads:
        sys.exit("usage: %s WORKLOAD URL COUNT" % sys.argv[0])
    name, url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seconds, count, check = run(workloads[name], url, count)
    print(json.dumps({
        "workload": name, "seconds": seconds, "count": count,
        "rate": count / seconds, "peak_rss_kb": peak_rss_kb(),
        "check": check}, separators=(",", ":")))
