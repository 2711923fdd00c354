// permessage-deflate against the `ws` package: every parameter, broadcasts, bombs.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import test, { after, before } from 'node:test';
import WebSocket from 'ws';
import { PATIENCE, startServer, within } from './lib/server.mjs';

const SOON_MS = 20_000 * PATIENCE;
const TEXT = JSON.stringify(Array.from({ length: 400 }, (_, i) => ({ pid: i, name: `p${i % 7}` })));
let server;

before(async () => {
  server = await startServer({ flags: ['--conformance', 'on'] });
});

after(() => server.stop());

/** An open socket and a function that awaits its next message. */
async function open(target, perMessageDeflate) {
  const ws = new WebSocket(server.url.replace('http', 'ws') + target, { perMessageDeflate });
  const queue = [];
  const waiting = [];
  ws.on('message', (data, binary) => {
    const next = waiting.shift();
    const text = binary ? data : data.toString();
    if (next) next(text);
    else queue.push(text);
  });
  ws.on('error', () => {});
  ws.closed = new Promise((resolve) => ws.on('close', (code) => resolve(code)));
  ws.next = () => within(SOON_MS, 'a message', queue.length > 0
    ? Promise.resolve(queue.shift())
    : new Promise((resolve) => waiting.push(resolve)));
  await within(SOON_MS, 'open', new Promise((resolve, reject) => {
    ws.on('open', resolve);
    ws.on('unexpected-response', (_, res) => reject(new Error(`answered ${res.statusCode}`)));
  }));
  return ws;
}

const VARIANTS = [
  { threshold: 0 },
  { threshold: 0, serverNoContextTakeover: true },
  { threshold: 0, clientNoContextTakeover: true },
  { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true },
  { threshold: 1024 },
  ...[9, 10, 11, 12, 13, 14, 15].flatMap((bits) => [
    { threshold: 0, serverMaxWindowBits: bits },
    { threshold: 0, clientMaxWindowBits: bits },
    { threshold: 0, serverMaxWindowBits: bits, clientMaxWindowBits: bits,
      clientNoContextTakeover: true, serverNoContextTakeover: true },
  ]),
];

for (const options of VARIANTS) {
  test(`echo_with_${JSON.stringify(options).replace(/\W+/g, '_')}`, async () => {
    const ws = await open('/conformance/ws', options);
    assert.match(ws.extensions, /permessage-deflate/);
    for (const text of ['', 'a', 'Hello', TEXT.slice(0, 1023), TEXT, TEXT.repeat(20), 'ümläut'.repeat(999)]) {
      ws.send(text);
      assert.equal(await ws.next(), text);
    }
    const noise = randomBytes(70_000);
    ws.send(noise);
    assert.ok(noise.equals(await ws.next()));
    ws.close(1000);
    assert.equal(await within(SOON_MS, 'close', ws.closed), 1000);
  });
}

test('an_offer_of_8_bits_is_declined_and_the_socket_is_plain', async () => {
  const ws = await open('/conformance/ws', { serverMaxWindowBits: 8 });
  assert.equal(ws.extensions, '');
  ws.send(TEXT);
  assert.equal(await ws.next(), TEXT);
  ws.terminate();
});

test('fragments_of_a_compressed_message_are_joined', async () => {
  const ws = await open('/conformance/ws', { threshold: 0 });
  for (let i = 0; i < 10; i++) ws.send(TEXT.slice(i * 100, i * 100 + 100), { fin: i === 9 });
  assert.equal(await ws.next(), TEXT.slice(0, 1000));
  ws.terminate();
});

test('a_broadcast_reaches_plain_full_and_small_windows_alike', async () => {
  const subscribers = await Promise.all([false, true, true, { serverMaxWindowBits: 10 }, { serverMaxWindowBits: 15 }]
    .map((options) => open('/conformance/pubsub', options)));
  for (const ws of subscribers) {
    ws.send('s room');
    assert.equal(await ws.next(), 'ok room');
  }
  const before = subscribers.map((ws) => ws._socket.bytesRead);
  subscribers[0].send(`p room ${TEXT}`);
  for (const ws of subscribers) assert.equal(await ws.next(), TEXT);
  const sizes = subscribers.map((ws, i) => ws._socket.bytesRead - before[i]);
  assert.ok(sizes[0] > TEXT.length, 'plain');
  assert.ok(sizes.slice(1).every((n) => n < TEXT.length / 2), `${sizes}`);
  for (const ws of subscribers) ws.terminate();
});

test('a_bomb_closes_1009_and_costs_no_memory', async () => {
  const rss = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${server.process.pid}/status`))[1]);
  const zeros = Buffer.alloc(100 << 20);
  const before = rss();
  for (let i = 0; i < 3; i++) {
    const ws = await open('/conformance/pubsub', { threshold: 0 }); // at most 64 KiB a message
    ws.send(zeros.subarray(0, 50 << 20), { binary: false });
    assert.equal(await within(SOON_MS, 'close', ws.closed), 1009);
  }
  assert.ok(rss() - before < 4096, `${rss() - before} KiB more`);
});
