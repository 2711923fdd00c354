// Telemetry from devices' sockets to the store and to who follows it (CONTRACT 3): the official
// client, and a raw socket of the device wire. Tests of the document's requirements bear their
// numbers as CONTRACT 3 reads them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import test, { after, afterEach, before } from 'node:test';
import { device as connectDevice } from './lib/monitor.mjs';
import { call, hears, listener } from './lib/listener.mjs';
import { PATIENCE, startServer } from './lib/server.mjs';

let server;
let viewer;
const open = new Set();

before(async () => {
  server = await startServer({ flags: ['--handshakes-per-s', '1000'] });
  viewer = await server.cli('token', '--sub', 'victor', '--kind', 'user', '--role', 'viewer', '--ttl', '1h');
});
afterEach(() => {
  for (const peer of open) peer.disconnect();
  open.clear();
});
after(() => server?.stop());

const connect = (token, at = server) => listener(at, token, { open });

/** The same device on both wires: put(payload) resolves to the ack; tell(payload) wants none,
 * refused() is the first `error` heard, ended() the code with which the server ends it. */
const wires = {
  socketio: async (key) => {
    const socket = await connect(key);
    return {
      put: (payload) => call(socket, 'telemetry:data', payload),
      tell: (payload) => socket.emit('telemetry:data', payload),
      refused: () => hears(socket, 'error'),
      ended: async () => (await hears(socket, 'closing')).code,
    };
  },
  raw: async (key) => {
    const peer = await connectDevice(server, key);
    open.add({ disconnect: () => peer.ws.terminate() });
    return {
      put: async (payload) => {
        const { id, ...ack } = await peer.ask('telemetry', payload);
        return ack;
      },
      tell: (payload) => peer.send({ type: 'telemetry', data: payload }),
      refused: async () => (await peer.first('error')).data,
      ended: async () => (await peer.closedWithin()).code,
    };
  },
};

let stamp = Date.now() - 3_600_000;
/** The next sample: later than all before. */
const sample = (over = {}) => ({
  timestamp: new Date(++stamp).toISOString(), sensorType: 'temperature', value: 21.5, unit: 'C', ...over,
});
const kept = (accepted, duplicates = 0) => ({ ok: true, accepted, duplicates, rejected: [] });

// What is on disk, as another process sees it, whatever the adapter has settled.
const SCRIPT = `
import json, sqlite3, sys
db = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True, timeout=10)
print(json.dumps(db.execute(
  'SELECT s.sensor_type, d.value, s.unit, d.metadata, d.timestamp, d.sample_id FROM telemetry_latest s'
  ' JOIN telemetry_sample d ON d.series = s.id WHERE s.device_id = ?1 UNION ALL SELECT sensor_type, value,'
  ' unit, metadata, timestamp, sample_id FROM telemetry_unsettled WHERE device_id = ?1 ORDER BY 5',
  (sys.argv[2],)).fetchall()))`;
function stored(id) {
  const got = spawnSync('python3', ['-c', SCRIPT, path.join(server.dataDir, 'signalbox.db'), id], { encoding: 'utf8' });
  assert.equal(got.status, 0, got.stderr);
  return JSON.parse(got.stdout);
}

for (const wire of Object.keys(wires)) {
  test(`3.1 telemetry over the socket is validated and acknowledged: ${wire}`, async () => {
    const { id, key } = await server.addDevice('one');
    const device = await wires[wire](key);
    assert.deepEqual(await device.put(sample()), kept(1));
    assert.deepEqual(await device.put([sample({ deviceId: id }), sample({ timestamp: ++stamp })]), kept(2));
    // Each member by itself; what is good beside it is kept, and its index is said.
    const bad = [
      [{ deviceId: '01900000-0000-7000-8000-000000000000' }, 'deviceId', /another device/],
      [{ timestamp: Date.now() + 301_000 + 60_000 * PATIENCE }, 'timestamp', /5 minutes ahead/],
      [{ timestamp: undefined }, 'timestamp', /missing/],
      [{ sensorType: '' }, 'sensorType', /empty/],
      [{ sensorType: 'x'.repeat(101) }, 'sensorType', /too long/],
      [{ unit: 'x'.repeat(21) }, 'unit', /too long/],
      [{ unit: 7 }, 'unit', /string/],
      [{ value: '21' }, 'value', /number/],
      [{ value: 1e9 }, 'value', /range/],
      [{ value: -1e9 }, 'value', /range/],
      [{ value: null }, 'value', /missing/],
      [{ metadata: [] }, 'metadata', /object/],
      [{ metadata: { pad: 'x'.repeat(4096) } }, 'metadata', /large/],
      [{ metadata: JSON.parse('{"a":{"__proto__":{"admin":true}}}') }, 'metadata', /name/],
      [{ metadata: { constructor: 1 } }, 'metadata', /name/],
      [{ metadata: { a: 'nul \u0000' } }, 'metadata', /control/],
      [{ sampleId: 'x'.repeat(101) }, 'sampleId', /too long/],
    ];
    const mixed = await device.put([...bad.map(([over]) => sample(over)), sample(), 7]);
    assert.equal(mixed.ok, true);
    assert.equal(mixed.accepted, 1);
    assert.deepEqual(mixed.rejected.map((r) => r.index), [...bad.keys(), bad.length + 1]);
    for (const [i, [, member, reason]] of bad.entries()) {
      const { error } = mixed.rejected[i];
      assert.equal(error.type, 'TELEMETRY_VALIDATION_FAILED');
      assert.equal(error.code, 422);
      assert.equal(error.details.member, member, JSON.stringify(mixed.rejected[i]));
      assert.match(error.details.reason, reason, JSON.stringify(mixed.rejected[i]));
    }
    assert.match(mixed.rejected.at(-1).error.details.reason, /object/);
    assert.equal(stored(id).length, 4);
  });

  test(`3.2 telemetry is stored as it was said, once, before it is acknowledged: ${wire}`, async () => {
    const { id, key } = await server.addDevice('kept');
    const device = await wires[wire](key);
    const full = sample({ value: -40.1234565, metadata: { room: 7, note: 'süd "9"' }, sampleId: 'a-1' });
    assert.deepEqual(await device.put(full), kept(1));
    const row = ['temperature', -40.123456, 'C', JSON.stringify(full.metadata), Date.parse(full.timestamp), 'a-1'];
    assert.deepEqual(stored(id), [row]);
    // Again, alone and among others: harmless, and told.
    assert.deepEqual(await device.put(full), kept(0, 1));
    assert.deepEqual(await device.put([full, sample({ sampleId: 'a-2' }), full]), kept(1, 2));
    // Ties of the sixth decimal go to the even one, as they were written.
    const ties = { 0.0000005: 0, 0.0000015: 0.000002, 0.0000025: 0.000002, 1.0000015: 1.000002, 123456.7890125: 123456.789012 };
    for (const value of Object.keys(ties)) assert.deepEqual(await device.put(sample({ value: Number(value) })), kept(1));
    assert.deepEqual(stored(id).slice(2).map((r) => r[1]), Object.values(ties));
  });

  test(`3.3 telemetry is pushed at once to who follows it, normalised: ${wire}`, async () => {
    const { id, key } = await server.addDevice('live');
    const device = await wires[wire](key);
    const follower = await connect(viewer);
    const other = await connect(viewer);
    const before = sample({ value: 1 });
    await device.put([before, { ...before, sensorType: 'humidity', unit: '%' }]);
    assert.equal((await call(follower, 'telemetry:subscribe', { deviceId: id })).ok, true);
    const initial = await hears(follower, 'telemetry:update', (d) => d.sensorType === 'temperature');
    assert.deepEqual(initial, { deviceId: id, ...before, initial: true });
    await hears(follower, 'telemetry:update', (d) => d.sensorType === 'humidity' && d.initial);
    const next = sample({ value: 2.12345678, extra: 'dropped', metadata: { a: 1 } });
    device.tell(next);
    const { extra, ...told } = next;
    assert.deepEqual(await hears(follower, 'telemetry:update', (d) => d.value === 2.123457),
      { deviceId: id, ...told, value: 2.123457 });
    // Older than the last, or as old: stored, not pushed.
    await device.put([sample({ timestamp: next.timestamp, value: 3 }), sample({ timestamp: before.timestamp, value: 4 })]);
    await device.put(sample({ value: 5 }));
    await hears(follower, 'telemetry:update', (d) => d.value === 5);
    assert.deepEqual(follower.heard.filter((h) => h.name === 'telemetry:update' && !h.data.initial).map((h) => h.data.value),
      [2.123457, 5]);
    assert.equal(stored(id).length, 6);
    assert.ok(!other.heard.some((h) => h.name === 'telemetry:update'));
  });

  test(`3.4 bad telemetry is refused with an error: ${wire}`, async () => {
    const { id, key } = await server.addDevice('bad');
    const device = await wires[wire](key);
    for (const payload of [sample({ value: 'x' }), [sample({ unit: '' })], {}]) {
      const { ok, error } = await device.put(payload);
      assert.equal(ok, false);
      assert.equal(error.type, 'TELEMETRY_VALIDATION_FAILED');
      assert.equal(error.code, 422);
      assert.equal(error.details.rejected.length, 1);
      assert.equal(error.details.rejected[0].index, 0);
    }
    for (const [payload, reason] of [
      [[], /empty/],
      [Array.from({ length: 501 }, () => ({})), /too many/],
      [sample({ pad: 'x'.repeat(70_000) }), /larger/],
      // On the raw wire no frame is so large.
      ...wire === 'raw' ? [] : [[Array.from({ length: 300 }, () => sample({ pad: 'x'.repeat(1000) })), /larger/]],
    ]) {
      const { ok, error } = await device.put(payload);
      assert.equal(ok, false);
      assert.equal(error.type, 'INVALID_MESSAGE_FORMAT');
      assert.match(error.details.reason, reason);
    }
    // Without an ack id one error lists what was refused; the rest is kept.
    device.tell([sample(), sample({ value: null }), sample({ deviceId: 'x' })]);
    const error = await device.refused();
    assert.equal(error.type, 'TELEMETRY_VALIDATION_FAILED');
    assert.deepEqual(error.details.rejected.map((r) => [r.index, r.error.details.member]), [[1, 'value'], [2, 'deviceId']]);
    assert.deepEqual(await device.put(sample()), kept(1));
    assert.equal(stored(id).length, 2);
  });

  test(`3.5 bursts are taken in batches and one by one: ${wire}`, async () => {
    const { id, key } = await server.addDevice('bursts');
    const device = await wires[wire](key);
    const batch = Array.from({ length: 500 }, (_, i) => sample({ sensorType: `s${i % 7}`, value: i }));
    assert.deepEqual(await device.put(batch), kept(500));
    const acks = await Promise.all(Array.from({ length: 300 }, (_, i) => device.put(sample({ value: i }))));
    for (const ack of acks) assert.deepEqual(ack, kept(1));
    const rows = stored(id);
    assert.equal(rows.length, 800);
    assert.deepEqual(rows.slice(0, 500).map((r) => r[1]), batch.map((s) => s.value));
  });

  test(`telemetry has a limit of its own, and who never stops is closed: ${wire}`, async () => {
    const limited = await startServer({ flags: ['--telemetry-per-s', '1', '--telemetry-burst', '5'] });
    const whole = server;
    server = limited;
    try {
      const { key } = await limited.addDevice('loud');
      const device = await wires[wire](key);
      const acks = await Promise.all(Array.from({ length: 10 }, () => device.put(sample())));
      const refused = acks.filter((a) => !a.ok);
      assert.ok(refused.length >= 4 && refused.length <= 5, JSON.stringify(acks));
      for (const { error } of refused) {
        assert.equal(error.type, 'RATE_LIMIT_EXCEEDED');
        assert.ok(error.details.retryAfterMs > 0);
      }
      for (let i = 0; i < 110; i++) device.tell(sample());
      assert.equal(await device.ended(), 4003);
    } finally {
      for (const peer of open) peer.disconnect();
      open.clear();
      server = whole;
      await limited.stop();
    }
  });
}

test('telemetry does not count against the limit of other events', async () => {
  const { key } = await server.addDevice('both');
  const socket = await connect(key);
  const acks = await Promise.all([
    ...Array.from({ length: 390 }, () => call(socket, 'telemetry:data', sample())),
    ...Array.from({ length: 390 }, () => call(socket, 'device:heartbeat', { timestamp: Date.now() })),
  ]);
  assert.ok(acks.every((a) => a.ok), JSON.stringify(acks.find((a) => !a.ok)));
});

test('only a device sends telemetry', async () => {
  const socket = await connect(viewer);
  assert.equal((await call(socket, 'telemetry:data', sample())).error.type, 'PERMISSION_DENIED');
});

test('refused names end no connection, and nothing of them is kept', async () => {
  const { id, key } = await server.addDevice('proto');
  const socket = await connect(key);
  const poisoned = JSON.parse('{"__proto__":{"admin":true}}');
  const top = await call(socket, 'telemetry:data', { ...sample(), ...JSON.parse('{"constructor":1}') });
  assert.equal(top.error.details.rejected[0].error.details.member, 'constructor');
  Object.defineProperty(poisoned, '__proto__', { value: { a: 1 }, enumerable: true });
  for (const name of ['device:heartbeat', 'device:register', 'made-up']) {
    const { ok, error } = await call(socket, name, { x: poisoned });
    assert.equal(ok, false);
    assert.equal(error.type, 'INVALID_MESSAGE_FORMAT');
  }
  assert.deepEqual(await call(socket, 'telemetry:data', sample()), kept(1));
  assert.equal(stored(id).length, 1);
});

test('a value is pushed after its commit where that is set', async () => {
  const careful = await startServer({ flags: ['--telemetry-publish', 'after_commit'] });
  try {
    const { id, key } = await careful.addDevice('careful');
    const token = await careful.cli('token', '--sub', 'v', '--kind', 'user', '--role', 'viewer', '--ttl', '1h');
    const device = await connect(key, careful);
    const follower = await connect(token, careful);
    assert.equal((await call(follower, 'telemetry:subscribe', { deviceId: id })).ok, true);
    const acked = call(device, 'telemetry:data', sample({ value: 8 }));
    assert.equal((await hears(follower, 'telemetry:update')).value, 8);
    assert.deepEqual(await acked, kept(1));
  } finally {
    for (const peer of open) peer.disconnect();
    await careful.stop();
  }
});
