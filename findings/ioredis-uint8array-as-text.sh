#!/usr/bin/env bash
# ioredis writes a Uint8Array as the decimal numbers of its bytes, joined by commas, and null and
# undefined as an empty text; only a Buffer is written as its bytes.
#
# @msgpack/msgpack returns a Uint8Array, so `xadd(key, '*', 'f', encode({ a: 1 }))` stores
# "129,161,97,1" and no error is raised. node-redis refuses such an argument.
# Wants node, redis-server and redis-cli. Exits with 1 if one of them behaves differently.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > npm.log
npm install --silent --no-fund --no-audit --ignore-scripts ioredis@6.0.0 redis@6.3.1 @msgpack/msgpack@3.1.3 >> npm.log
redis-server --port 0 --unixsocket "$folder/redis.sock" --save '' > redis.log &
server=$!
until redis-cli -s "$folder/redis.sock" ping > ping.log 2>&1; do sleep 0.1; done
cat > try.mjs <<'JS'
import { encode } from '@msgpack/msgpack';
import Redis from 'ioredis';
import { createClient } from 'redis';
const bytes = encode({ a: 1 });
const ioredis = new Redis(process.argv[2]);
const values = ['array', bytes, 'buffer', Buffer.from(bytes), 'null', null, 'undefined', undefined];
await ioredis.xadd('s', '*', ...values);
const [[, fields]] = await ioredis.xrangeBuffer('s', '-', '+');
const text = fields.map((field) => field.toString('latin1'));
console.log('ioredis 6.0.0 wrote', text);
let isRefused = false;
const node = await createClient({ socket: { path: process.argv[2] } }).connect();
try {
  await node.xAdd('t', '*', { array: bytes });
  console.log('redis 6.3.1 wrote', await node.xRange('t', '-', '+'));
} catch (error) {
  isRefused = true;
  console.log('redis 6.3.1 refused it:', error.message);
}
ioredis.disconnect();
await node.close();
const isEmpty = text[5] === '' && text[7] === '';
const isBytes = fields[3].equals(Buffer.from(bytes));
if (text[1] !== '129,161,97,1' || !isBytes || !isEmpty || !isRefused) process.exitCode = 1;
JS
node try.mjs "$folder/redis.sock"
