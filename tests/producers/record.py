"""What encoders and Redis clients of Python write: a line of JSON for each value."""

import datetime
import decimal
import json
import os
import platform

import duckdb
import msgpack
import orjson
import ormsgpack
import pandas as pd
import polars as pl
import redis
import simplejson

UTC = datetime.timezone.utc
NAIVE = datetime.datetime(2026, 1, 1)
AWARE = datetime.datetime(2026, 1, 1, tzinfo=UTC)
HUGE = 170141183460469231731687303715884105001
NAN = float("nan")


def say(by, code, form, kind, written):
    record = {"by": by, "code": code, "form": form, "type": kind}
    if isinstance(written, bytes):
        record["hex"] = written.hex()
    else:
        record["text"] = written
    print(json.dumps(record))


PYTHON = f"python {platform.python_version()}"
MSGPACK = "msgpack " + ".".join(map(str, msgpack.version))
ORMSGPACK = f"ormsgpack {ormsgpack.__version__}"
say(MSGPACK, "packb: time.time() * 1000", "messagepack", "time", msgpack.packb(1795813525123.7))
say(MSGPACK, "packb: time.time_ns() // 1000", "messagepack", "time", msgpack.packb(1795813525123456))
say(MSGPACK, "packb: aware datetime", "messagepack", "time", msgpack.packb(AWARE, datetime=True))
say(MSGPACK, "packb: 2**64 - 1", "messagepack", "string", msgpack.packb(2**64 - 1))
say(ORMSGPACK, "packb: aware datetime", "messagepack", "time", ormsgpack.packb(AWARE))
say(ORMSGPACK, "packb: naive datetime", "messagepack", "time", ormsgpack.packb(NAIVE))
say(ORMSGPACK, "packb: nan", "messagepack", "float", ormsgpack.packb(NAN))

say(PYTHON, "json.dumps(nan)", "json", "float", json.dumps(NAN))
say(PYTHON, "json.dumps([…, nan, …])", "batch", "float", json.dumps([{"id": "a", "v": 1.5}, {"id": "b", "v": NAN}]))
say(PYTHON, "json.dumps(2**127)", "json", "string", json.dumps(HUGE))
say(PYTHON, "datetime.isoformat()", "field", "time", NAIVE.isoformat())
say(PYTHON, "str(aware datetime)", "field", "time", str(AWARE))
say(PYTHON, "str(True)", "field", "bool", str(True))
say(PYTHON, "str(time.time() * 1000)", "field", "time", str(1795813525123.7))
ORJSON = f"orjson {orjson.__version__}"
say(ORJSON, "dumps(nan)", "json", "float", orjson.dumps(NAN).decode())
say(ORJSON, "dumps(naive datetime)", "json", "time", orjson.dumps(NAIVE).decode())
say(ORJSON, "dumps(aware datetime)", "json", "time", orjson.dumps(AWARE).decode())
SIMPLEJSON = f"simplejson {simplejson.__version__}"
say(SIMPLEJSON, "dumps(Decimal('4.0'))", "json", "int", simplejson.dumps(decimal.Decimal("4.0")))
say(SIMPLEJSON, "dumps(Decimal('1E+3'))", "json", "int", simplejson.dumps(decimal.Decimal("1E+3")))

PANDAS = f"pandas {pd.__version__}"


def pandas(code, values, kind, **options):
    frame = pd.DataFrame({"id": ["a", "b"], "v": values})
    say(PANDAS, f"to_json: {code}", "jsonl", kind, frame.to_json(orient="records", lines=True, **options))
    say(PANDAS, f"to_csv: {code}", "csv", kind, frame.to_csv(index=False))


pandas("ints with a gap", [4, None], "int")
pandas("bools with a gap", [True, None], "bool")
pandas("ids with a gap", [9007199254740993, None], "string")
pandas("datetimes", pd.to_datetime(["2026-01-01", "2026-01-02"]), "time", date_format="epoch")
pandas("datetimes, date_format='iso'", pd.to_datetime(["2026-01-01", "2026-01-02"]), "time", date_format="iso")
pandas("aware datetimes", pd.to_datetime(["2026-01-01", "2026-01-02"], utc=True), "time", date_format="iso")

DUCKDB = f"duckdb {duckdb.__version__}"
for code, expression, kind in [
    ("HUGEINT", f"{HUGE}::HUGEINT", "string"),
    ("round(4.4::DOUBLE)", "round(4.4::DOUBLE)", "int"),
    ("1e20::DOUBLE", "1e20::DOUBLE", "string"),
    ("'nan'::DOUBLE", "'nan'::DOUBLE", "float"),
    ("TIMESTAMP", "TIMESTAMP '2026-01-01 00:00:00'", "time"),
    ("TIMESTAMPTZ", "TIMESTAMPTZ '2026-01-01 00:00:00+00'", "time"),
    ("DATE", "DATE '2026-01-01'", "time"),
    ("epoch_us", "epoch_us(TIMESTAMP '2026-01-01 00:00:00')", "time"),
    ("NULL", "NULL::INT", "int"),
]:
    for form, options in [("jsonl", "FORMAT json"), ("array", "FORMAT json, ARRAY true"), ("csv", "FORMAT csv, HEADER"), ("csv;", "FORMAT csv, HEADER, DELIMITER ';'")]:
        if form in ("array", "csv;") and code != "NULL":
            continue
        duckdb.sql("SET TimeZone = 'UTC'")
        duckdb.sql(f"COPY (SELECT 'a' AS id, {expression} AS v) TO 'out' ({options})")
        with open("out", encoding="utf-8") as out:
            say(DUCKDB, f"COPY TO, {options}: {code}", form.replace("array", "jsonl"), kind, out.read())

POLARS = f"polars {pl.__version__}"
for code, series, kind in [
    ("Int128", pl.Series([HUGE], dtype=pl.Int128), "string"),
    ("Float64 4.0", pl.Series([4.0]), "int"),
    ("nan", pl.Series([NAN]), "float"),
    ("naive Datetime", pl.Series([NAIVE]), "time"),
    ("aware Datetime", pl.Series([AWARE]), "time"),
]:
    frame = pl.DataFrame({"id": ["a"], "v": series})
    say(POLARS, f"write_ndjson: {code}", "jsonl", kind, frame.write_ndjson())
    say(POLARS, f"write_csv: {code}", "csv", kind, frame.write_csv())

REDIS = f"redis-py {redis.__version__}"
client = redis.Redis(unix_socket_path=os.environ["SOCKET"])
for code, value, kind in [("1e20", 1e20, "string"), ("4.0", 4.0, "int"), ("time.time() * 1000", 1795813525123.7, "time"), ("nan", NAN, "float"), ("True", True, "bool"), ("None", None, "int")]:
    client.delete("s")
    try:
        client.xadd("s", {"v": value})
    except redis.DataError:
        continue  # It refuses the value itself.
    [[_, fields]] = client.xrange("s")
    say(REDIS, f"xadd: {code}", "field", kind, fields[b"v"].decode())
