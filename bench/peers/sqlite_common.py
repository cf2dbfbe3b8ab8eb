"""What the peers on SQLite in Python share beside common.py."""

import os

POINT_SELECT = "select id, name, price from items where id = ?"
INSERT = "insert into events values (?, ?, ?, ?)"
CREATE_EVENTS = ("create table events (id bigint not null, name text not null,"
                 " city text not null, score double not null)")
CREATE_ITEMS = ("create table items (id integer primary key,"
                " name text not null, price double not null)")
FILL_ITEMS = ("insert into items with recursive n(i) as (select 1 union all"
              " select i + 1 from n limit 10000) select i, 'item ' || i,"
              " i % 1000 * 0.25 from n")
PRAGMAS = ("pragma journal_mode = wal", "pragma synchronous = normal",
           "pragma foreign_keys = on")


def remove(path):
    """Remove the database at `path`; answers `path`."""
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(path + suffix):
            os.remove(path + suffix)
    return path


def row_sum(row):
    return (row[0] + len(row[1]) + len(row[2]) + row[3] + row[4]
            + len(row[5]) + (len(row[6]) if row[6] else 0))
