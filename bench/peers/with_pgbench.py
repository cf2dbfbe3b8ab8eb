"""The point selects by pgbench, PostgreSQL's own program: a peer of covet.

W1 is one client, W2 sixteen, with prepared statements. pgbench takes its ids at
random and does not look at the rows: there is no `check`.
"""

import glob
import os
import resource
import subprocess
import sys
import tempfile

import common

SCRIPT = ("\\set id random(1, :items)\n"
          "select id, name, price from items where id = :id;\n")
CLIENTS = {"W1": 1, "W2": common.CONNECTIONS}


def program(name):
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    return os.path.join(os.environ.get("COVET_PG_BIN") or folders[-1], name)


def count_items(url):
    return int(subprocess.check_output(
        [program("psql"), "-XAtc", common.ITEM_COUNT, url]))


def read_latencies(folder):
    """The moments of one client's transactions, from its log."""
    moments = [0]
    for name in glob.glob(os.path.join(folder, "log.*")):
        with open(name, encoding="ascii") as log:
            for line in log:
                moments.append(moments[-1] + int(line.split()[2]) / 1e6)
    return common.percentiles(moments)


def run(clients, url, count):
    with tempfile.TemporaryDirectory() as folder:
        script = os.path.join(folder, "script")
        with open(script, "w", encoding="ascii") as file:
            file.write(SCRIPT)
        command = [
            program("pgbench"), "-n", "-M", "prepared", "-c", str(clients),
            "-t", str(count // clients), "-f", script,
            "-D", "items=%d" % count_items(url)]
        if clients == 1:
            command += ["-l", "--log-prefix", os.path.join(folder, "log")]
        text = subprocess.check_output(
            command + [url], stderr=subprocess.PIPE, encoding="utf-8")
        more = read_latencies(folder) if clients == 1 else {}
    (rate,) = [float(line.split()[2]) for line in text.splitlines()
               if line.startswith("tps")]
    count = count // clients * clients
    return count / rate, count, more


def main():
    if sys.argv[1:] == ["version"]:
        text = subprocess.check_output([program("pgbench"), "--version"],
                                       encoding="utf-8")
        common.print_line({"pgbench": text.split()[2]})
        return
    name, url = sys.argv[1:3]
    seconds, count, more = run(CLIENTS[name], url, int(sys.argv[3]))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    common.print_line({"workload": name, "seconds": seconds, "count": count,
                       "peak_rss_kb": peak, **more})


main()
