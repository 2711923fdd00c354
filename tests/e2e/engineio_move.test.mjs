// Polling over several loops, each request on whatever connection and loop it finds: all reach
// their session, also while the server goes down.
import assert from 'node:assert/strict';
import http from 'node:http';
import test from 'node:test';
import { polling } from './lib/engineio.mjs';
import { startServer } from './lib/server.mjs';

const LOOPS = 4;
const SESSIONS = 12;
const ROUNDS = 15;

const start = () => startServer({
  flags: ['--conformance', 'on', '--loops', `${LOOPS}`, '--drain-ms', '3000'] });

/** One request; its connection is new, or one of the agent's, which serves all sessions. */
const ask = (server, method, target, body, agent) => new Promise((resolve, reject) => {
  const headers = body === undefined ? {} : { 'content-type': 'text/plain' };
  const req = http.request(server.url + target, { method, headers, agent }, (res) => {
    const chunks = [];
    res.on('data', (d) => chunks.push(d));
    res.on('end', () => resolve({ status: res.statusCode, text: Buffer.concat(chunks).toString() }));
    res.on('error', reject);
  });
  req.on('error', reject);
  req.end(body);
});

async function moved(server) {
  const { text } = await server.get('/metrics');
  return Number(text.match(/^signalbox_moved_total (\d+)$/m)[1]);
}

test('requests reach their session over any connection', async () => {
  const server = await start();
  const agent = new http.Agent({ keepAlive: true, maxSockets: 5 });
  try {
    const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => polling(server)));
    await Promise.all(sessions.map(async (s, n) => {
      for (let i = 0; i < ROUNDS; i++) {
        const message = `4${n} ${i} ${'x'.repeat((n * 997 + i * 4099) % 20000)}`;
        const over = i % 2 === 0 ? agent : false;
        const got = ask(server, 'GET', s.target(), undefined, false); // it waits
        const sent = await ask(server, 'POST', s.target(), message, over);
        assert.deepEqual([sent.status, sent.text], [200, 'ok']);
        const answer = await got;
        assert.equal(answer.status, 200);
        assert.equal(answer.text, message);
      }
    }));
    assert.ok(await moved(server) > SESSIONS);
  } finally {
    agent.destroy();
    await server.stop();
  }
});

test('a server that goes down in the middle leaves nothing unanswered for long', async () => {
  const server = await start();
  const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => polling(server)));
  let asked = 0;
  let over = 0;
  const running = sessions.map(async (s) => {
    try {
      for (;;) {
        const got = ask(server, 'GET', s.target(), undefined, false);
        got.catch(() => {});
        await ask(server, 'POST', s.target(), '4x', false);
        if ((await got).text !== '4x') return;
        asked++;
      }
    } catch { // refused, reset or cut off: it is over
    } finally {
      over++;
    }
  });
  while (asked < 50 && over === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(over, 0);
  await server.stop(); // it ends well, and by itself
  await Promise.all(running);
});
