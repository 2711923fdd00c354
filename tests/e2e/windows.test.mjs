// The flush window on the real program: publishers at full speed, echoes in between, a drain in
// the middle; nothing is lost, doubled or out of order, and answers keep their place.
import assert from 'node:assert/strict';
import test from 'node:test';
import WebSocket from 'ws';
import { PATIENCE, startServer, within } from './lib/server.mjs';

const SOON_MS = 30_000 * PATIENCE;
const SUBSCRIBERS = 40;

async function open(server) {
  const ws = new WebSocket(`${server.url.replace('http', 'ws')}/conformance/pubsub`);
  ws.got = [];
  ws.on('message', (data) => ws.got.push(data.toString()));
  ws.on('error', () => {});
  ws.closed = new Promise((resolve) => ws.on('close', (code) => resolve(code)));
  await within(SOON_MS, 'open', new Promise((resolve) => ws.on('open', resolve)));
  return ws;
}

async function until(what, f) {
  for (const end = Date.now() + SOON_MS; !f(); await new Promise((r) => setTimeout(r, 5))) {
    assert.ok(Date.now() < end, `${what}: not within ${SOON_MS} ms`);
  }
}

async function joined(server) {
  const { text } = await server.request('GET', '/metrics');
  return Number(text.match(/^signalbox_joined_total (\d+)/m)[1]);
}

test('messages that wait for others are neither lost nor passed by answers', async () => {
  const flags = ['--conformance', 'on', '--loops', '1', '--flush-us', '1000', '--gather-us', '0'];
  const server = await startServer({ flags });
  const subscribers = await Promise.all(Array.from({ length: SUBSCRIBERS }, () => open(server)));
  for (const ws of subscribers) ws.send('s r');
  await until('subscriptions', () => subscribers.every((ws) => ws.got.length === 1));
  const publisher = await open(server);
  let sent = 0;
  const publish = async (rounds) => {
    for (let i = 0; i < rounds; i++) {
      for (let k = 0; k < 3; k++) publisher.send(`p r ${sent++}`);
      if (i % 20 === 0) subscribers[i % SUBSCRIBERS].send(`e answer ${i}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  for (const end = Date.now() + SOON_MS; await joined(server) === 0;) {
    assert.ok(Date.now() < end, 'no write was ever shared');
    await publish(300);
    await until('all', () => subscribers.every((ws) => ws.got.at(-1) !== undefined &&
      ws.got.filter((m) => /^\d/.test(m)).length === sent));
  }
  const answers = subscribers.flatMap((ws) => ws.got.filter((m) => m.startsWith('answer')));
  assert.ok(answers.length > 0);
  const before = sent;
  await publish(100);
  const stopped = server.stop(); // with messages on their way
  await publish(100);
  const codes = await within(SOON_MS, 'closes', Promise.all(subscribers.map((ws) => ws.closed)));
  await stopped;
  assert.deepEqual([...new Set(codes)], [1001]);
  for (const ws of subscribers) {
    const numbers = ws.got.filter((m) => /^\d/.test(m)).map(Number);
    assert.ok(numbers.length >= before && numbers.length <= sent);
    numbers.forEach((n, i) => assert.equal(n, i));
  }
});
