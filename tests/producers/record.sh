#!/usr/bin/env bash
# Records what real clients and encoders write, into recorded.jsonl beside this file.
#
# By hand, not in CI: it installs pinned packages in a temporary folder (npm, pip) and wants
# node, npm, python3, jq, php (with php-msgpack and php-redis) and redis-server on the path.
# `cargo test -p tallyd-ingest --test producers` then says what tallyd makes of it, and
# `TALLYD_WRITE_DOCS=1 cargo test -p tallyd-ingest --test producers` writes docs/producers.md.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > npm.log
npm install --silent --no-fund --no-audit --ignore-scripts msgpackr@2.1.4 msgpack-lite@0.2.2 \
  @msgpack/msgpack@3.1.3 notepack.io@3.0.1 ioredis@6.0.0 redis@6.3.1 >> npm.log
python3 -m venv python
python/bin/pip install --quiet msgpack==1.2.4 ormsgpack==1.13.1 pandas==3.1.1 duckdb==2.0.1 \
  polars==2.1.0 orjson==3.13.0 simplejson==4.3.0 redis==8.1.0 pytz
redis-server --port 0 --unixsocket "$folder/redis.sock" --save '' > redis.log &
server=$!
until redis-cli -s "$folder/redis.sock" ping > ping.log 2>&1; do :; done
export SOCKET="$folder/redis.sock"
cp "$here"/record.* .
{
  node record.mjs
  python/bin/python -W ignore record.py
  php record.php
  jq --null-input --compact-output --arg by "jq $(jq --version | cut -d- -f2)" \
    --argjson big 170141183460469231731687303715884105001 '
    {$by, code: "1e3", form: "json", type: "int", text: (1e3 | tojson)},
    {$by, code: "170141183460469231731687303715884105001", form: "json", type: "string", text: ($big | tojson)},
    {$by, code: "nan", form: "json", type: "float", text: (nan | tojson)}'
} > recorded
mv recorded "$here/recorded.jsonl"
