// What /metrics counts, against what was said on the wires; and the alert of late deliveries.
import assert from 'node:assert/strict';
import test from 'node:test';
import WebSocket from 'ws';
import { device, rowOf } from './lib/monitor.mjs';
import { startServer, within } from './lib/server.mjs';

const SOON_MS = 20_000;

// A server that ends with its test, whatever becomes of it.
async function serve(t, options) {
  const server = await startServer(options);
  t.after(() => server.process.kill('SIGKILL'));
  return server;
}

/** Samples by their whole name with labels. */
async function scrape(server) {
  const { status, text } = await server.get('/metrics');
  assert.equal(status, 200);
  return new Map(text.split('\n').filter((l) => l !== '' && !l.startsWith('#')).map((line) => {
    const at = line.lastIndexOf(' ');
    return [line.slice(0, at), Number(line.slice(at + 1))];
  }));
}

async function open(server, path) {
  const ws = new WebSocket(server.url.replace('http', 'ws') + path, { perMessageDeflate: false });
  ws.on('error', () => {});
  await within(SOON_MS, 'open', new Promise((resolve) => ws.on('open', resolve)));
  return ws;
}

test('messages_are_counted_by_wire_direction_and_event', { timeout: 120_000 }, async (t) => {
  const server = await serve(t);
  const { id, key } = await server.addDevice('counted');
  const peer = await device(server, key);
  for (let n = 1; n <= 40; n++) {
    assert.equal((await peer.ask('metrics', rowOf(n, new Date(Date.now() - n * 1000).toISOString()))).ok, true);
  }
  assert.equal((await peer.ask('no-such-thing', {})).ok, false);
  assert.equal((await peer.ask('<script>"\\', {})).ok, false);
  const viewer = await open(server, `/api/v1/devices/${id}/ws`);
  const history = within(SOON_MS, 'history', new Promise((resolve) => {
    viewer.on('message', (text) => JSON.parse(text).type === 'history' && resolve());
  }));
  viewer.send(JSON.stringify({ type: 'subscribe', channels: ['history'] }));
  await history;
  const m = await scrape(server);
  const count = (direction, event) =>
    m.get(`signalbox_messages_total{wire="monitor",direction="${direction}",event="${event}"}`);
  assert.equal(count('in', 'metrics'), 40);
  assert.equal(count('in', 'unknown'), 2);
  assert.equal(count('in', 'subscribe'), 1);
  assert.equal(count('out', 'ack'), 42);
  assert.equal(count('out', 'connected'), 2);
  assert.equal(count('out', 'history'), 1);
  assert.equal(m.get('signalbox_connections{wire="monitor",client_type="device"}'), 1);
  assert.equal(m.get('signalbox_connections{wire="monitor",client_type="client"}'), 1);
  assert.ok(m.get('signalbox_message_processing_seconds_count{event="metrics"}') >= 1);
  viewer.terminate();
  await peer.end();
  await server.stop();
});

test('late_deliveries_alert_and_degrade', { timeout: 120_000 }, async (t) => {
  const server = await serve(t, { flags: ['--conformance', 'on'] });
  const reader = await open(server, '/conformance/pubsub');
  const writer = await open(server, '/conformance/pubsub');
  const joined = within(SOON_MS, 'ok', new Promise((resolve) => reader.once('message', resolve)));
  reader.send('s room');
  await joined;
  let got = 0;
  reader.on('message', () => got++);
  for (let n = 0; n < 100; n++) writer.send('p room small'); // enough to have a p99
  while (got < 100) await new Promise((resolve) => reader.once('message', resolve));
  reader.pause();
  // Until the reader's socket is full and some messages wait in its outbox.
  const large = `p room ${'x'.repeat(60_000)}`;
  let sent = 100;
  for (;;) {
    const m = await scrape(server);
    if (m.get('signalbox_outbox_bytes') > 300_000) break;
    assert.ok(sent < 1000, 'the reader never blocks');
    for (let n = 0; n < 4; n++, sent++) writer.send(large);
    // Answered behind them: no more than these come together, which would close the reader.
    const heard = within(SOON_MS, 'done', new Promise((resolve) => writer.once('message', resolve)));
    writer.send('e done');
    await heard;
  }
  await new Promise((resolve) => setTimeout(resolve, 300)); // what is late by then is late
  const alerted = server.awaitLine(/"event":"alert".*"name":"delivery".*"on":true/, SOON_MS);
  reader.resume();
  while (got < sent) await within(SOON_MS, 'rest', new Promise((resolve) => reader.once('message', resolve)));
  await alerted;
  const health = (await server.get('/health')).json;
  assert.equal(health.components.router.status, 'degraded');
  assert.equal(health.status, 'degraded');
  const m = await scrape(server);
  assert.equal(m.get('signalbox_alert{name="delivery"}'), 1);
  assert.equal(m.get('signalbox_delivery_seconds_count'), sent);
  assert.equal(m.get('signalbox_messages_total{wire="conformance",direction="out",event="message"}'), sent + 1);
  assert.equal(m.get('signalbox_messages_total{wire="conformance",direction="in",event="publish"}'), sent);
  const fast = m.get('signalbox_delivery_seconds_bucket{le="0.1"}');
  assert.ok(sent - fast > sent / 100, `${sent - fast} of ${sent} late`);
  assert.equal(m.get('signalbox_connections{wire="conformance",client_type="client"}'), 2);
  reader.terminate();
  writer.terminate();
  await server.stop();
});
