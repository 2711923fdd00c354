// Patterns of topics through the wire, over several loops, with the `ws` package.
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import WebSocket from 'ws';
import { PATIENCE, startServer, within } from './lib/server.mjs';

const SOON_MS = 20_000 * PATIENCE;
const LOOPS = 3;
let server;

before(async () => {
  server = await startServer({ flags: ['--conformance', 'on', '--loops', String(LOOPS)] });
});

after(() => server.stop());

/** An open socket; `got` holds its messages, until(f) waits for f() to be true of them. */
async function open() {
  const ws = new WebSocket(`${server.url.replace('http', 'ws')}/conformance/pubsub`);
  ws.got = [];
  let wake = () => {};
  ws.on('message', (data) => {
    ws.got.push(data.toString());
    wake();
  });
  ws.on('error', () => {});
  ws.closed = new Promise((resolve) => ws.on('close', (code) => resolve(code)));
  ws.until = async (what, f) => {
    while (!f()) await within(SOON_MS, what, new Promise((resolve) => (wake = resolve)));
  };
  ws.subscribe = async (room, answers) => {
    const answer = `ok ${room}`;
    ws.send(`s ${room}`);
    await ws.until(answer, () => ws.got.filter((m) => m === answer).length === answers);
    ws.got = ws.got.filter((m) => m !== answer);
  };
  await within(SOON_MS, 'open', new Promise((resolve) => ws.on('open', resolve)));
  return ws;
}

test('a pattern brings what matches, once, in the order of each topic', async () => {
  const both = await open();
  const wild = await open();
  const one = await open();
  await both.subscribe('device/1/telemetry', 1);
  await both.subscribe('device/+/telemetry', LOOPS);
  await both.subscribe('device/1/+', LOOPS);
  await wild.subscribe('device/+/telemetry', LOOPS);
  await one.subscribe('device/2/telemetry', 1);
  const publishers = await Promise.all([open(), open()]);
  const rooms = ['device/1/telemetry', 'device/2/telemetry', 'device/1/config', 'device/1',
    'device/1/x/telemetry', 'device//telemetry'];
  for (let i = 0; i < 50; i++) {
    for (const room of rooms) publishers[i % 2].send(`p ${room} ${i % 2} ${room} ${i}`);
  }
  for (const room of rooms) {
    for (const p of [0, 1]) publishers[p].send(`p ${room} ${p} ${room} end`);
  }
  const ends = (ws) => ws.got.filter((m) => m.endsWith('end')).length;
  await both.until('the end', () => ends(both) === 6);
  await wild.until('the end', () => ends(wild) === 4);
  await one.until('the end', () => ends(one) === 2);
  const expect = (ws, wanted) => {
    assert.equal(ws.got.length, wanted.length * 52);
    for (const room of wanted) {
      for (const p of [0, 1]) {
        const numbers = ws.got.filter((m) => m.startsWith(`${p} ${room} `))
          .map((m) => m.split(' ')[2]);
        const sent = Array.from({ length: 25 }, (_, i) => String(2 * i + p));
        assert.deepEqual(numbers, [...sent, 'end']);
      }
    }
  };
  expect(both, rooms.slice(0, 3));
  expect(wild, rooms.slice(0, 2));
  expect(one, rooms.slice(1, 2));
  for (const ws of [both, wild, one, ...publishers]) ws.close();
});

test('patterns that are too many or too wide end the connection with 1008', async () => {
  const wide = await open();
  wide.send('s a/+/+/+/+');
  assert.equal(await within(SOON_MS, 'close', wide.closed), 1008);
  const deep = await open();
  deep.send('s 1/2/3/4/5/6/7/8/+');
  assert.equal(await within(SOON_MS, 'close', deep.closed), 1008);
  const many = await open();
  for (let i = 0; i < 64; i++) many.send(`s p/${i}/+`);
  await many.until('answers', () => many.got.length === 64 * LOOPS);
  many.send('s one/more/+');
  assert.equal(await within(SOON_MS, 'close', many.closed), 1008);
});
