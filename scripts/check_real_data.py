#!/usr/bin/env python3
"""Runs tallyd on a log of real answers and compares every result with an independent count.

    scripts/check_real_data.py [DATA_DIRECTORY] [--tallyd PATH]

The directory (default ../shared/data beside the repository, or $TALLYD_DATA) holds
lkt_events.csv.gz. Without it nothing is checked. It needs redis-server and the Python standard
library only. It starts a Redis of its own on a socket in a temporary directory, and two workers.

The file is sent once as plain entries and once more as batches: the second time every answer must
be a duplicate. A column is added to it, because its `correct` is 1.0 or 0.0 and a board whose ties
go to who was first needs whole points.
"""

import argparse
import collections
import csv
import datetime
import gzip
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HOUR, DAY = 3_600_000, 86_400_000
SKETCH_ERROR = 0.01
QUANTILES = {"p5": 0.05, "p50": 0.50, "p95": 0.95}

TOPOLOGY = """
name = "real-data"
time_zone = "UTC"
partitions = 8

[redis]
url = "unix://{socket}"

[source.answers]
stream = "answers"
id = "id"
key = "user"
time = "at"

[source.answers.fields]
id = "string"
user = "string"
skill = "string"
item = "string"
correct = "bool"
points = {{ type = "int", optional = true }}
marks = {{ type = "float", optional = true }}
timeout = "bool"
ms = "int"
at = "time"

[bolt.unique]
type = "dedup"
from = "answers"
window = "24h"

[bolt.skills]
type = "aggregate"
grace = "forever"
from = "unique"
by = ["skill"]
windows = {windows}
measures = {measures}

[bolt.total]
type = "aggregate"
grace = "forever"
from = "unique"
windows = {windows}
measures = {measures}

[bolt.learners]
type = "aggregate"
grace = "forever"
from = "unique"
by = ["user"]
windows = ["all"]
measures = {measures}

[bolt.points]
type = "leaderboard"
grace = "forever"
from = "unique"
member = "user"
score = "sum(points)"
ties = "first"
boards = [[], ["skill"]]
periods = {periods}

[bolt.marks]
type = "leaderboard"
grace = "forever"
from = "unique"
member = "user"
score = "sum(marks)"
ties = "shared"
periods = {periods}
"""
WINDOWS = '[{ length = "1h", retain = "forever" }, { length = "1d", retain = "forever" }, "all"]'
PERIODS = '[{ period = "day", retain = "forever" }, { period = "week", retain = "forever" }, "all"]'
MEASURES = """{ answers = "count", right = "count(correct)", timeouts = "count(timeout)", \
time = "sum(ms)", mean = "mean(ms)", fastest = "min(ms)", slowest = "max(ms)", \
learners = "distinct(user)", topics = "distinct(skill)", questions = "distinct(item)", \
p5 = "p5(ms)", p50 = "p50(ms)", p95 = "p95(ms)" }"""
COLUMNS = {
    "id": "row", "user": "user_id", "skill": "skill_id", "item": "item_id",
    "marks": "correct", "ms": "rt_ms", "at": "ts_ms",
}

Answer = collections.namedtuple("Answer", "user skill item correct ms timeout at")


def label(kind, ms):
    """What the calendar in UTC calls the window of this kind that holds a time."""
    at = datetime.datetime.fromtimestamp(ms // 1000, datetime.timezone.utc)
    if kind == "1h":
        return at.strftime("%Y-%m-%dT%H00Z")
    if kind in ("1d", "day"):
        return at.strftime("%Y-%m-%d")
    if kind == "week":
        year, week, _ = at.isocalendar()
        return f"{year:04}-W{week:02}"
    return "all"


class Redis:
    """Just enough of a Redis client."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def __call__(self, *words):
        words = [str(word).encode() for word in words]
        parts = [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(parts))
        return self.reply()

    def reply(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:].strip().decode()
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"$":
            if rest == "-1":
                return None
            return self.file.read(int(rest) + 2)[:-2].decode("utf-8", "replace")
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        raise RuntimeError(f"Redis: {rest or 'no answer'}")

    def hash(self, key):
        flat = self("HGETALL", key)
        return dict(zip(flat[::2], flat[1::2]))


class Report:
    """Counts what was compared, and remembers what differs."""

    def __init__(self):
        self.compared = collections.Counter()
        self.wrong = collections.Counter()
        self.examples = []

    def equal(self, what, where, found, expected):
        self.holds(what, where, found == expected, found, expected)

    def holds(self, what, where, truth, found, expected):
        self.compared[what] += 1
        if not truth:
            self.wrong[what] += 1
            if len(self.examples) < 20:
                self.examples.append(f"{what}, {where}: found {found!r}, expected {expected!r}")

    def show(self):
        width = max(len(what) for what in self.compared)
        print(f"{'compared':{width}}  {'values':>8}  {'wrong':>6}")
        for what, count in self.compared.items():
            print(f"{what:{width}}  {count:8}  {self.wrong[what]:6}")
        for example in self.examples:
            print(f"DIFFERS: {example}")
        return not self.wrong


def read(path, copy):
    """The answers of the file, and the number of other rows; writes the copy with points."""
    answers, others = [], 0
    with gzip.open(path, "rt", newline="", encoding="utf-8") as file, gzip.open(
        copy, "wt", newline="", encoding="utf-8", compresslevel=1
    ) as out:
        rows = csv.DictReader(file)
        writer = csv.DictWriter(out, [*rows.fieldnames, "points"])
        writer.writeheader()
        for row in rows:
            points = {"1.0": "1", "0.0": "0"}.get(row["correct"], "")
            writer.writerow({**row, "points": points})
            if points == "":
                others += 1
                continue
            answers.append(Answer(
                row["user_id"], row["skill_id"], row["item_id"], points == "1",
                int(row["rt_ms"]), row["timeout"] == "1", int(row["ts_ms"]),
            ))
    return answers, others


def figures(answers):
    """What an aggregate must hold of these answers: exact, distinct and quantiles."""
    times = sorted(answer.ms for answer in answers)
    exact = {
        "answers": len(times), "right": sum(a.correct for a in answers),
        "timeouts": sum(a.timeout for a in answers), "time": sum(times),
        "mean.sum": sum(times), "mean.count": len(times),
        "fastest": times[0], "slowest": times[-1],
    }
    distinct = {
        "learners": len({a.user for a in answers}), "topics": len({a.skill for a in answers}),
        "questions": len({a.item for a in answers}),
    }
    # The nearest rank, in whole numbers: the shares are of hundreds.
    rank = lambda q: -(-round(q * 100) * len(times) // 100)
    quantiles = {name: times[rank(q) - 1] for name, q in QUANTILES.items()}
    return exact, distinct, quantiles


def check_aggregate(redis, report, prefix, bolt, windows, group_of, answers):
    """Compares every measure of every group in every window, and that there are no others."""
    base = f"{prefix}bolt:{bolt}"
    for window in windows:
        groups = collections.defaultdict(list)
        for answer in answers:
            groups[label(window, answer.at), group_of(answer)].append(answer)
        held = collections.defaultdict(set)
        for (at, group), members in groups.items():
            held[at].add(group)
            where = f"{bolt} {window} {at} {group}"
            stored = redis.hash(f"{base}:window:{window}:{at}:{group}")
            exact, distinct, quantiles = figures(members)
            for name, value in exact.items():
                report.equal(f"{bolt} {name}", where, stored.get(name), str(value))
            for name, value in distinct.items():
                # Exact up to 1,024: there are fewer learners and items.
                report.equal(f"{bolt} distinct", f"{where} {name}", stored.get(name), str(value))
            for name, value in quantiles.items():
                found = float(stored.get(name, "nan"))
                bound = SKETCH_ERROR * abs(value) * (1 + 1e-6) + 1e-9
                what = f"{bolt} quantiles (DDSketch)"
                report.holds(what, f"{where} {name}", abs(found - value) <= bound, found, value)
        for at, expected in held.items():
            found = set(redis("SMEMBERS", f"{base}:groups:{window}:{at}"))
            report.equal(f"{bolt} groups", f"{window} {at}", found, expected)
        keys = keys_of(redis, f"{base}:window:{window}:")
        report.equal(f"{bolt} windows", window, len(keys), len(groups))


def keys_of(redis, start):
    pattern = "".join(f"\\{c}" if c in "[]*?\\" else c for c in start) + "*"
    return redis("KEYS", pattern)


def check_boards(redis, report, prefix, bolt, boards_of, whole, answers):
    """Compares every score and place of every board. `whole`: ties go to who was first."""
    boards = collections.defaultdict(dict)
    for answer in answers:
        for period in ("day", "week", "all"):
            for group in boards_of(answer):
                board = boards[period, label(period, answer.at), group]
                score, reached = board.get(answer.user, (0, answer.at))
                if answer.correct:
                    score, reached = score + 1, max(reached, answer.at)
                board[answer.user] = score, reached
    for (period, at, group), board in boards.items():
        # Who can't be told apart stands as Redis has it: by name, from the last.
        order = sorted(board, key=lambda user: user.encode(), reverse=True)
        order.sort(key=lambda user: (-board[user][0], board[user][1] if whole else 0))
        key = f"{prefix}bolt:{bolt}:board:{period}:{at}:{group}"
        flat = redis("ZREVRANGE", key, 0, -1, "WITHSCORES")
        where = f"{period} {at} {group}"
        report.equal(f"{bolt} sizes", where, len(flat) // 2, len(board))
        for place, user in enumerate(order):
            found = flat[2 * place : 2 * place + 2] or [None, "nan"]
            score = float(found[1])
            if whole and math.isfinite(score):
                score = math.floor(score)
            report.equal(f"{bolt} places", f"{where} {place + 1}", found[0], user)
            report.equal(f"{bolt} scores", f"{where} {place + 1}", score, board[user][0])
    keys = keys_of(redis, f"{prefix}bolt:{bolt}:board:")
    report.equal(f"{bolt} boards", "all", len(keys), len(boards))


def check_counts(report, status, dead, answers, others):
    """Compares what the nodes say of themselves after the file was sent twice."""
    nodes = {node["name"]: node for node in status["nodes"]}
    expected = {
        "answers": {"events": 2 * answers, "emitted": 2 * answers, "dead_letters": 0},
        "unique": {
            "events": 2 * answers, "emitted": answers, "duplicates": answers, "dead_letters": 0,
        },
    }
    for bolt in ("skills", "total", "learners", "points", "marks"):
        expected[bolt] = {"events": answers, "dead_letters": 0, "late": 0}
    for name, counts in expected.items():
        for count, value in counts.items():
            report.equal("nodes' own counts", f"{name} {count}", nodes[name][count], value)
    for node in nodes.values():
        report.equal("nodes' own counts", f"{node['name']} lag", node["lag_entries"], 0)
    report.equal("dead letters", "stored", status["dead_letters_stored"], 0)
    report.equal("dead letters", "listed", len(dead), 0)
    report.equal("dead letters", "halted", status["halted"], {})


def check_known(redis, report, prefix, others):
    """Compares with the figures that the data's own page states."""
    base = f"{prefix}bolt"
    whole = redis.hash(f"{base}:total:window:all:all:total")
    skill = lambda n: redis.hash(f"{base}:skills:window:all:all:skill={n}")
    day = redis.hash(f"{base}:total:window:1d:2015-11-17:total")
    hour = redis.hash(f"{base}:total:window:1h:2015-11-17T0200Z:total")
    learners = redis("SMEMBERS", f"{base}:learners:groups:all:all")
    each = [int(redis("HGET", f"{base}:learners:window:all:all:{group}", "answers")) for group in learners]
    days = [redis("HGET", key, "answers") for key in keys_of(redis, f"{base}:total:window:1d:")]
    top = redis("ZREVRANGE", f"{base}:points:board:all:all:everyone", 0, 9, "WITHSCORES")
    known = [
        ("answers", whole["answers"], "55122"), ("correct", whole["right"], "30045"),
        ("timeouts", whole["timeouts"], "5618"), ("rows without an answer", others, 3194),
        ("learners", len(learners), 478), ("least answers of a learner", min(each), 106),
        ("most answers of a learner", max(each), 120),
        ("skills", redis("SCARD", f"{base}:skills:groups:all:all"), 36),
        ("skill 0", (skill(0)["answers"], skill(0)["right"]), ("1654", "762")),
        ("skill 1", (skill(1)["answers"], skill(1)["right"]), ("1505", "776")),
        ("skill 2", (skill(2)["answers"], skill(2)["right"]), ("1638", "908")),
        ("skill 35", (skill(35)["answers"], skill(35)["right"]), ("1498", "1106")),
        ("active days", len(days), 35), ("busiest day", max(map(int, days)), 5767),
        ("2015-11-17", day["answers"], "5767"),
        ("2015-11-17T02Z", (hour["answers"], hour["right"]), ("1698", "837")),
        ("most correct", [math.floor(float(score)) for score in top[1::2]],
         [107, 102, 102, 101, 100, 100, 98, 98, 97, 97]),
        ("first place", top[0][:12], "Stu_e4ffe982"),
    ]
    for what, found, expected in known:
        report.equal("known figures", what, found, expected)
    near = [
        ("items", float(redis.hash(f"{base}:total:window:all:all:total")["questions"]), 144, 0, 0),
        ("learners of 2015-11-17T02Z",
         float(redis.hash(f"{base}:total:window:1h:2015-11-17T0200Z:total")["learners"]), 30, 0, 0),
        ("p5", float(whole["p5"]), 2859, SKETCH_ERROR, 1),
        ("p50", float(whole["p50"]), 7659, SKETCH_ERROR, 1),
        ("p95", float(whole["p95"]), 13809, SKETCH_ERROR, 1),
    ]
    for what, found, expected, relative, absolute in near:
        bound = relative * expected + absolute
        report.holds("known figures", what, abs(found - expected) <= bound, found, expected)


def start_redis(directory):
    path = os.path.join(directory, "redis.sock")
    log = open(os.path.join(directory, "redis.log"), "wb")
    server = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no",
         "--dir", directory],
        stdout=log, stderr=log,
    )
    for _ in range(100):
        try:
            redis = Redis(path)
            redis("PING")
            return server, redis, path
        except (OSError, RuntimeError):
            time.sleep(0.1)
    server.terminate()
    sys.exit("redis-server did not start")


def process(tallyd, topology, copy, directory, others):
    """Sends the file twice through two workers; what they say of themselves afterwards."""
    def call(*words):
        done = subprocess.run([tallyd, *words], stdout=subprocess.PIPE, text=True, timeout=600)
        # `send` ends with 1 where rows do not fit: those without an answer.
        if done.returncode != (1 if words[0] == "send" else 0):
            raise RuntimeError(f"tallyd {' '.join(words)}: exit code {done.returncode}")
        return done.stdout

    workers = []
    try:
        for number in range(2):
            log = open(os.path.join(directory, f"worker{number}.log"), "wb")
            workers.append(subprocess.Popen([tallyd, "run", topology], stdout=log, stderr=log))
        columns = ",".join(f"{field}={column}" for field, column in COLUMNS.items())
        for form in ("entry", "batch"):
            began = time.monotonic()
            sent = json.loads(call(
                "send", copy, "--source", "answers", "--map", columns, "--topology", topology,
                "--as", form, "--json",
            ))
            call("wait", "--topology", topology, "--timeout", "300")
            seconds = time.monotonic() - began
            if sent["not_sent"] != others:
                raise RuntimeError(f"send refused {sent['not_sent']} rows, expected {others}")
            print(f"sent as {form}: {sent['sent']} rows in {sent['entries']} entries, "
                  f"all processed after {seconds:.1f} s")
        status = json.loads(call("status", "--topology", topology, "--json"))
        dead = json.loads(call("dead", "list", "--topology", topology, "--limit", "100000", "--json"))
    except Exception:
        for number in range(len(workers)):
            with open(os.path.join(directory, f"worker{number}.log")) as log:
                sys.stderr.write("".join(log.readlines()[-20:]))
        raise
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(30)
    return status, dead


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("TALLYD_DATA") or os.path.join(ROOT, "..", "shared", "data")
    parser.add_argument("data", nargs="?", default=default)
    parser.add_argument("--tallyd", default=os.path.join(ROOT, "target", "release", "tallyd"))
    arguments = parser.parse_args()
    path = os.path.join(arguments.data, "lkt_events.csv.gz")
    if not os.path.exists(path):
        print("real data not present: not checked")
        return 0
    report = Report()
    with tempfile.TemporaryDirectory(prefix="tallyd-") as directory:
        copy = os.path.join(directory, "answers.csv.gz")
        answers, others = read(path, copy)
        server, redis, socket_path = start_redis(directory)
        try:
            topology = os.path.join(directory, "topology.toml")
            with open(topology, "w", encoding="utf-8") as file:
                file.write(TOPOLOGY.format(
                    socket=socket_path, windows=WINDOWS, periods=PERIODS, measures=MEASURES,
                ))
            status, dead = process(arguments.tallyd, topology, copy, directory, others)
            prefix = "tallyd:{real-data/0}:"
            check_counts(report, status, dead, len(answers), others)
            windows = ("1h", "1d", "all")
            by_skill = lambda a: f"skill={a.skill}"
            check_aggregate(redis, report, prefix, "skills", windows, by_skill, answers)
            check_aggregate(redis, report, prefix, "total", windows, lambda a: "total", answers)
            by_user = lambda a: f"user={a.user}"
            check_aggregate(redis, report, prefix, "learners", ("all",), by_user, answers)
            both = lambda a: ("everyone", f"skill={a.skill}")
            check_boards(redis, report, prefix, "points", both, True, answers)
            check_boards(redis, report, prefix, "marks", lambda a: ("everyone",), False, answers)
            check_known(redis, report, prefix, others)
        finally:
            server.terminate()
            server.wait(30)
    if report.show():
        print(f"{sum(report.compared.values())} values agree")
        return 0
    print(f"{sum(report.wrong.values())} values differ", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
