#!/usr/bin/env bash
# DuckDB's COPY … TO (FORMAT json) writes the DOUBLE NaN as a bare `NaN`, which is no JSON (RFC 8259).
#
# Readers disagree about it: node refuses the line, Python's json takes it. polars writes null for
# the same value. Wants node. Exits with 1 if one of them behaves differently.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet duckdb==2.0.1 polars==2.1.0
python/bin/python - <<'PY'
import duckdb
import polars as pl

duckdb.sql("COPY (SELECT 'a' AS id, 'nan'::DOUBLE AS v, 'inf'::DOUBLE AS w) TO 'out.json' (FORMAT json)")
print(f"duckdb {duckdb.__version__} writes", open("out.json").read().strip())
polars = pl.DataFrame({"id": ["a"], "v": [float("nan")]}).write_ndjson().strip()
print(f"polars {pl.__version__} writes", polars)
assert '"v":null' in polars
PY
node -e 'try { JSON.parse(require("fs").readFileSync("out.json", "utf8")); process.exit(1); }
         catch (error) { console.log("node refuses it:", error.message); }'
python3 -c 'import json; print("python reads", json.load(open("out.json")))'
grep -q '"v":NaN' out.json
