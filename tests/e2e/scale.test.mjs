// More connections than one table of descriptors holds: each loop has a table of its own, a full
// loop leaves the door to others, and who finds all full is told so at once.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';

import { PATIENCE, startServer, within } from './lib/server.mjs';

// ThreadSanitizer takes equal numbers in two tables for one descriptor: there is one then.
const SHARED = process.env.SIGNALBOX_BUILD === 'tsan';

const DESCRIPTORS = 600; // half of it is kept for other things: 300 connections a loop
const LOOPS = 3;
const PLACES = (DESCRIPTORS / 2) * (SHARED ? 1 : LOOPS);
const REQUEST = 'GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';

let server;
let addresses = 0;

before(async () => {
  server = await startServer({
    descriptors: DESCRIPTORS,
    flags: ['--loops', String(LOOPS), '--connections-max', '5000', '--handshakes-per-s', '100000'],
  });
});
after(() => server.stop());

// Every hundred from another address of this machine, for limits count by address.
function connect() {
  const n = addresses++;
  const socket = net.connect({
    port: server.port,
    host: server.host,
    localAddress: `127.0.${1 + Math.floor(n / 25_000)}.${1 + (Math.floor(n / 100) % 250)}`,
  });
  socket.setMaxListeners(0);
  socket.on('error', () => {}); // a reset is an end like any other
  socket.gone = false;
  socket.on('close', () => (socket.gone = true));
  return socket;
}

/** The answer's status, 0 when the server hung up. */
function ask(socket) {
  if (socket.gone) return 0;
  const answer = new Promise((resolve) => {
    socket.once('data', (d) => resolve(Number(d.toString('latin1').split(' ')[1])));
    socket.once('close', () => resolve(0));
  });
  socket.write(REQUEST);
  return within(20_000 * PATIENCE, 'an answer', answer);
}

async function connectMany(count) {
  const sockets = [];
  for (let i = 0; i < count; i += 50) {
    const some = Array.from({ length: Math.min(50, count - i) }, connect);
    await Promise.all(some.map((s) => new Promise((done) => s.once('connect', done).once('close', done))));
    sockets.push(...some);
  }
  return sockets;
}

async function closeAll(sockets) {
  const closed = Promise.all(
    sockets.filter((s) => !s.gone).map((s) => new Promise((done) => s.once('close', done))),
  );
  for (const s of sockets) s.destroy();
  await closed;
}

async function connections() {
  const text = (await server.get('/metrics')).text;
  return Number(text.match(/^signalbox_connections(?:{[^}]*})? (\d+)/m)?.[1] ?? NaN);
}

test('what is possible is said at the start', async () => {
  const line = JSON.parse(await server.awaitLine(/server\.capacity/));
  assert.equal(line.level, 'warn');
  assert.equal(line.possible, PLACES);
  assert.equal(line.connections_per_loop, PLACES / LOOPS);
  assert.equal(line.tables, SHARED ? 'process' : 'loop');
});

test('more connections are served than one table holds', { skip: SHARED }, async () => {
  const count = DESCRIPTORS + 100;
  const sockets = await connectMany(count);
  const answers = await Promise.all(sockets.map(ask));
  assert.equal(answers.filter((status) => status === 200).length, count);
  await closeAll(sockets);
});

test('when every table is full a client is refused at once, and later is not', async () => {
  for (let round = 0; round < 2; round++) {
    const sockets = await connectMany(PLACES + 200);
    const answers = await Promise.all(sockets.map(ask));
    const served = answers.filter((status) => status === 200).length;
    // Some more, for a full loop takes in who waits at its door; some fewer, for this test's own
    // requests have connections too, and a handshake may meet a door that closes.
    assert.ok(Math.abs(served - PLACES) < 150, `${served} of ${sockets.length}`);
    const others = answers.filter((status) => status !== 200 && status !== 0);
    assert.deepEqual(others, []);
    assert.match(server.log, /"event":"conn.refused".*"reason":"descriptors"/);
    await closeAll(sockets);
    for (let i = 0; ; i++) {
      const left = await connections().catch(() => NaN);
      if (left < 20) break;
      assert.ok(i < 200 * PATIENCE, `${left} connections are left`);
      await new Promise((done) => setTimeout(done, 50));
    }
  }
});

test('a drain with many connections on every loop is clean', async () => {
  const sockets = await connectMany(PLACES - 50);
  await Promise.all(sockets.map(ask));
  const ended = Promise.all(
    sockets.filter((s) => !s.gone).map((s) => new Promise((done) => s.once('close', done))),
  );
  await server.stop();
  await within(20_000 * PATIENCE, 'the end of all connections', ended);
});
