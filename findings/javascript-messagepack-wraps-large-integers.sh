#!/usr/bin/env bash
# Two MessagePack encoders of JavaScript write another number than they were given, without an error.
#
# @msgpack/msgpack with `useBigInt64` takes a BigInt beyond 64 bits and writes its lowest 64 bits:
# ids that differ only above them become one. notepack.io writes 1e20, a whole Number beyond 64 bits,
# as another whole number within them.
# Exits with 1 if either behaves differently.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > npm.log
npm install --silent --no-fund --no-audit --ignore-scripts @msgpack/msgpack@3.1.3 notepack.io@3.0.1 >> npm.log
cat > try.mjs <<'JS'
import { decode, encode } from '@msgpack/msgpack';
import notepack from 'notepack.io';
const options = { useBigInt64: true };
const ids = [5n, 5n + 2n ** 64n, 5n + 2n ** 100n];
const read = ids.map((id) => decode(encode(id, options), options));
console.log('@msgpack/msgpack 3.1.3, useBigInt64: given', ids, 'reads back', read);
const large = notepack.decode(notepack.encode(1e20));
console.log('notepack.io 3.0.1: given', 1e20, 'reads back', large);
const wraps = read.every((id) => BigInt(id) === 5n) && large !== 1e20 && large < 2 ** 64;
if (!wraps) process.exitCode = 1;
JS
node try.mjs
