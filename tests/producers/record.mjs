// What encoders and Redis clients of JavaScript write: a line of JSON for each value.
import { createRequire } from 'node:module';
import { pack, Packr } from 'msgpackr';
import lite from 'msgpack-lite';
import { encode } from '@msgpack/msgpack';
import notepack from 'notepack.io';
import Redis from 'ioredis';
import { createClient } from 'redis';

const require = createRequire(import.meta.url);
const { readFileSync } = await import('node:fs');
const version = (name) => JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;
const say = (record) => console.log(JSON.stringify(record));
const now = 1795813525123;

const encoders = [
  ['msgpackr', 'pack', pack],
  ['msgpack-lite', 'encode', lite.encode],
  ['@msgpack/msgpack', 'encode', encode],
  ['@msgpack/msgpack', 'encode with useBigInt64', (v) => encode(v, { useBigInt64: true })],
  ['notepack.io', 'encode', notepack.encode],
];
const values = [
  ['Date.now()', now, 'time'],
  ['new Date()', new Date(now), 'time'],
  ['2 ** 33', 2 ** 33, 'int'],
  ['2 ** 33', 2 ** 33, 'string'],
  ['9007199254740993', 9007199254740993, 'string'],
  ['1e20', 1e20, 'string'],
  ['9007199254740993n', 9007199254740993n, 'string'],
  ['170141183460469231731687303715884105001n', 170141183460469231731687303715884105001n, 'string'],
  ['undefined', undefined, 'int'],
  ['NaN', NaN, 'float'],
  ['true', true, 'bool'],
];
for (const [name, call, write] of encoders) {
  for (const [code, value, type] of values) {
    let bytes;
    try {
      bytes = write(value);
    } catch {
      continue; // It refuses the value itself.
    }
    say({ by: `${name} ${version(name)}`, code: `${call}: ${code}`, form: 'messagepack', type, hex: Buffer.from(bytes).toString('hex') });
  }
}
const event = (id) => ({ id, v: 1 });
const batches = [
  ['new Packr().pack([event, event])', new Packr().pack([event('a'), event('b')])],
  ['new Packr().pack(event)', new Packr().pack(event('a'))],
  ['pack(event)', pack(event('a'))],
  ['pack(event) twice', Buffer.concat([pack(event('a')), pack(event('b'))])],
  ['pack([event, event])', pack([event('a'), event('b')])],
];
for (const [code, bytes] of batches) {
  say({ by: `msgpackr ${version('msgpackr')}`, code, form: 'batch', type: 'int', hex: bytes.toString('hex') });
}
const bytes = encode([event('a')]);
const json = [
  ['JSON.stringify(9007199254740993)', JSON.stringify(9007199254740993), 'string'],
  ['JSON.stringify(1e21)', JSON.stringify(1e21), 'string'],
  ['JSON.stringify(NaN)', JSON.stringify(NaN), 'float'],
  ['JSON.stringify(new Date())', JSON.stringify(new Date(now)), 'time'],
];
for (const [code, text, type] of json) say({ by: `node ${process.versions.node}`, code, form: 'json', type, text });
for (const [code, text] of [['JSON.stringify(uint8array)', JSON.stringify(bytes)], ['JSON.stringify(buffer)', JSON.stringify(Buffer.from(bytes))], ['JSON.stringify([event], null, 2)', JSON.stringify([event('a')], null, 2)], ['JSON.stringify(event, null, 2)', JSON.stringify(event('a'), null, 2)]]) {
  say({ by: `node ${process.versions.node}`, code, form: 'batch', type: 'int', text });
}

// What arrives at the server for an argument of a client.
const ioredis = new Redis(process.env.SOCKET);
const node = await createClient({ socket: { path: process.env.SOCKET } }).connect();
const clients = [
  ['ioredis', async (v) => ioredis.xadd('s', '*', 'v', v)],
  ['redis', async (v) => node.xAdd('s', '*', { v })],
];
const given = [
  ['true', true, 'bool'],
  ['false', false, 'bool'],
  ['null', null, 'int'],
  ['undefined', undefined, 'int'],
  ['NaN', NaN, 'float'],
  ['1e21', 1e21, 'string'],
  ['new Date()', new Date(now), 'time'],
  ['9007199254740993n', 9007199254740993n, 'string'],
];
for (const [name, add] of clients) {
  for (const [code, value, type] of [...given, ['uint8array', bytes, 'batch']]) {
    await ioredis.del('s');
    try {
      await add(value);
    } catch {
      continue;
    }
    const [[, [, written]]] = await ioredis.xrangeBuffer('s', '-', '+');
    const form = type === 'batch' ? 'batch' : 'field';
    const record = { by: `${name} ${version(name)}`, code: `xadd: ${code}`, form, type: type === 'batch' ? 'int' : type };
    const text = written.toString();
    say(Buffer.from(text).equals(written) ? { ...record, text } : { ...record, hex: written.toString('hex') });
  }
}
ioredis.disconnect();
await node.close();
