// Who reads telemetry: telemetry:subscribe with the official client, and the REST API (CONTRACT 3,
// 7, 8). Samples come in over REST here; how devices send them is in telemetry.test.mjs.
import assert from 'node:assert/strict';
import test, { after, afterEach, before } from 'node:test';
import { join } from './lib/socketio.mjs';
import { SOON_MS, call, hears, listener } from './lib/listener.mjs';
import { startServer, within } from './lib/server.mjs';

const NOWHERE = '01900000-0000-7000-8000-000000000000';
let server;
let admin;
let viewer;
let stamp = Date.now() - 60_000;
const open = new Set();

const mint = (sub, role) => (
  server.cli('token', '--sub', sub, '--kind', 'user', '--role', role, '--ttl', '1h')
);
const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

before(async () => {
  server = await startServer({ flags: ['--handshakes-per-s', '1000'] });
  admin = await mint('root', 'admin');
  viewer = await mint('victor', 'viewer');
});
afterEach(() => {
  for (const socket of open) socket.disconnect();
  open.clear();
});
after(() => server?.stop());

const connect = (token, options) => listener(server, token, { open, ...options });
const updates = (socket) => socket.heard.filter((h) => h.name === 'telemetry:update').map((h) => h.data);
const values = (socket) => updates(socket).map((d) => d.value);

async function makeDevice(name = 'one') {
  const made = await server.post('/api/v1/devices', { name }, { token: admin });
  assert.equal(made.status, 201);
  return { id: made.json.data.device.id, key: made.json.data.key };
}
/** The next sample: later than all before. */
const sample = (sensorType, value, more = {}) => (
  { timestamp: ++stamp, sensorType, value, unit: 'C', ...more }
);
async function send(device, body, { token = device.key, headers } = {}) {
  return server.post(`/api/v1/devices/${device.id}/telemetry`, body, { token, headers });
}
async function sent(device, ...samples) {
  const answer = await send(device, samples);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json.data.accepted, samples.length);
}
const read = (device, query = '', token = viewer) => (
  server.get(`/api/v1/devices/${device.id}/telemetry${query}`, { token })
);

// --- telemetry:subscribe ---

for (const transports of [['websocket'], ['polling']]) {
  test(`2.4 subscribe to one or all: the last values, then each once, over ${transports[0]}`, async () => {
    const device = await makeDevice();
    await sent(device, sample('temperature', 1), sample('temperature', 2), sample('humidity', 50, { unit: '%' }));
    const socket = await connect(viewer, { transports });
    const order = [];
    socket.onAny((name) => order.push(name));
    const ack = await within(SOON_MS, 'ack', new Promise((resolve) => {
      socket.emit('telemetry:subscribe', { deviceId: device.id }, (got) => resolve(order.push('ack') && got));
    }));
    assert.deepEqual(ack, { ok: true, count: 1 });
    const first = await hears(socket, 'telemetry:update', (d) => d.sensorType === 'temperature');
    assert.deepEqual({ ...first, timestamp: 0 }, {
      deviceId: device.id, timestamp: 0, sensorType: 'temperature', value: 2, unit: 'C', initial: true,
    });
    await hears(socket, 'telemetry:update', (d) => d.sensorType === 'humidity');
    assert.deepEqual(order.filter((o) => o !== 'recovery:ready'), ['ack', 'telemetry:update', 'telemetry:update']);
    await sent(device, sample('temperature', 3), sample('temperature', 4));
    await sent(device, sample('temperature', 5, { metadata: { room: 'a' }, sampleId: 's' }));
    const live = await hears(socket, 'telemetry:update', (d) => d.value === 5);
    assert.deepEqual(live.metadata, { room: 'a' });
    assert.equal(live.initial, undefined);
    const told = updates(socket).filter((d) => d.sensorType === 'temperature').map((d) => [d.value, d.initial]);
    const all = [[2, true], [3, undefined], [4, undefined], [5, undefined]];
    if (transports[0] === 'polling') { // between two requests newer values take the place of older ones
      assert.deepEqual(told, all.filter(([value]) => told.some(([v]) => v === value)));
    } else {
      assert.deepEqual(told, all);
    }
    // What is not newer than the newest is stored, not pushed.
    await sent(device, { ...sample('temperature', 99), timestamp: stamp - 1000 });
    assert.deepEqual(await call(socket, 'telemetry:unsubscribe', { deviceId: device.id }), { ok: true, count: 1 });
    assert.deepEqual(await call(socket, 'telemetry:unsubscribe', { deviceId: device.id }), { ok: true, count: 0 });
    await sent(device, sample('temperature', 6));
    await call(socket, 'telemetry:subscribe', { deviceId: device.id });
    await hears(socket, 'telemetry:update', (d) => d.value === 6 && d.initial);
    assert.ok(!values(socket).includes(99));
    assert.ok(!updates(socket).some((d) => d.value === 6 && !d.initial));
  });
}

test('2.5 only subscribers receive values', async () => {
  const [one, other] = [await makeDevice(), await makeDevice('other')];
  const [follower, watcher, device] = await Promise.all([connect(viewer), connect(viewer), connect(other.key)]);
  await call(watcher, 'device:subscribe', {});
  await call(follower, 'telemetry:subscribe', { deviceId: one.id });
  assert.deepEqual(await call(device, 'telemetry:subscribe', { deviceId: other.id }), { ok: true, count: 1 });
  await sent(one, sample('a', 1));
  await sent(other, sample('a', 2));
  await hears(follower, 'telemetry:update');
  await hears(device, 'telemetry:update');
  await call(watcher, 'device:unsubscribe', {});
  const { text } = await server.get('/metrics', { token: admin });
  assert.match(text, /signalbox_messages_total\{wire="socketio",direction="out",event="telemetry:update"\} [1-9]/);
  assert.deepEqual(values(watcher), []);
  assert.deepEqual(values(follower), [1]);
  assert.deepEqual(values(device), [2]);
});

test('2.5 who may not read a device cannot tell it from none', async () => {
  const [one, other] = [await makeDevice(), await makeDevice()];
  const device = await connect(other.key);
  for (const deviceId of [one.id, NOWHERE]) {
    const refused = await call(device, 'telemetry:subscribe', { deviceId });
    assert.equal(refused.error.type, 'DEVICE_NOT_FOUND');
    assert.equal(refused.error.details.member, 'deviceId');
  }
  const socket = await connect(viewer);
  assert.equal((await call(socket, 'telemetry:subscribe', { deviceId: NOWHERE })).error.code, 404);
  assert.deepEqual(await call(socket, 'telemetry:unsubscribe', { deviceId: NOWHERE }), { ok: true, count: 0 });
  for (const [body, member] of [[{}, 'deviceId'], [{ deviceId: 7 }, 'deviceId'],
    [{ deviceId: one.id, maxRateHz: 0 }, 'maxRateHz'], [{ deviceId: one.id, maxRateHz: 'x' }, 'maxRateHz']]) {
    const refused = await call(socket, 'telemetry:subscribe', body);
    assert.equal(refused.error.type, 'INVALID_MESSAGE_FORMAT');
    assert.equal(refused.error.details.member, member);
  }
  const nobody = await connect(await mint('nora', 'employee'));
  assert.equal((await call(nobody, 'telemetry:subscribe', { deviceId: one.id })).ok, false);
  for (const path of ['telemetry', 'telemetry/latest']) {
    const target = `/api/v1/devices/${one.id}/${path}`;
    assert.equal((await server.get(target, { token: other.key })).status, 404);
    assert.equal((await server.get(target, { token: one.key })).status, 200);
    assert.equal((await server.get(target)).status, 401);
  }
  assert.equal((await send(one, sample('a', 1), { token: viewer })).status, 403);
  assert.equal((await send(one, sample('a', 1), { token: other.key })).status, 404);
  assert.equal((await send(one, sample('a', 1), { token: admin })).status, 200);
});

test('2.4 subscribe to one or all: maxRateHz bounds what a fast sender causes, and the last one comes', async () => {
  const device = await makeDevice();
  const [slow, fast] = await Promise.all([connect(viewer), connect(viewer)]);
  const began = Date.now();
  await call(slow, 'telemetry:subscribe', { deviceId: device.id, maxRateHz: 2 });
  await call(fast, 'telemetry:subscribe', { deviceId: device.id });
  let sentCount = 0;
  while (Date.now() - began < 1500 || sentCount < 60) {
    const batch = Array.from({ length: 10 }, () => sample('rpm', ++sentCount));
    await sent(device, ...batch);
    await pause(30);
  }
  await hears(slow, 'telemetry:update', (d) => d.value === sentCount);
  await hears(fast, 'telemetry:update', (d) => d.value === sentCount);
  const elapsed = (Date.now() - began) / 1000;
  assert.equal(values(fast).length, sentCount);
  assert.ok(values(slow).length <= 2 * elapsed + 2, `${values(slow).length} in ${elapsed} s`);
  assert.equal(values(slow)[0], 1, 'the first one at once');
  // Subscribing again changes the rate, and tells the newest again.
  await call(slow, 'telemetry:subscribe', { deviceId: device.id });
  await hears(slow, 'telemetry:update', (d) => d.value === sentCount && d.initial);
  const before = values(slow).length;
  await sent(device, sample('rpm', -1), sample('rpm', -2), sample('rpm', -3));
  await hears(slow, 'telemetry:update', (d) => d.value === -3);
  assert.deepEqual(values(slow).slice(before), [-1, -2, -3]);
});

test('2.4 subscribe to one or all: unsubscribing without an id drops telemetry too', async () => {
  const device = await makeDevice();
  const socket = await connect(viewer);
  await call(socket, 'device:subscribe', { deviceId: device.id });
  await call(socket, 'telemetry:subscribe', { deviceId: device.id });
  assert.deepEqual(await call(socket, 'device:unsubscribe', {}), { ok: true, count: 2 });
  await sent(device, sample('a', 1));
  // In the order of the client: what is asked for and taken back at once is not subscribed.
  const [asked, back] = await Promise.all([
    call(socket, 'telemetry:subscribe', { deviceId: device.id }),
    call(socket, 'telemetry:unsubscribe', { deviceId: device.id }),
  ]);
  assert.deepEqual([asked.ok, back], [true, { ok: true, count: 1 }]);
  await sent(device, sample('a', 2));
  const witness = await connect(viewer);
  await call(witness, 'telemetry:subscribe', { deviceId: device.id });
  await hears(witness, 'telemetry:update', (d) => d.value === 2);
  assert.ok(updates(socket).every((d) => d.value === 1 && d.initial), JSON.stringify(updates(socket)));
});

test('1.5 subscriptions of values are resumed with the newest', async () => {
  // Homes are loops by the device's id: enough devices that each loop, the journal's too, has some.
  const devices = await Promise.all(Array.from({ length: 24 }, () => makeDevice()));
  const socket = await connect(viewer, { reconnection: true, reconnectionDelay: 200, reconnectionDelayMax: 400 });
  const of = (device) => updates(socket).filter((d) => d.deviceId === device.id).map((d) => d.value);
  for (const device of devices) {
    await call(socket, 'telemetry:subscribe', { deviceId: device.id, maxRateHz: 100 });
    await sent(device, sample('a', 1));
  }
  for (const { id } of devices) await hears(socket, 'telemetry:update', (d) => d.deviceId === id);
  const back = within(SOON_MS, 'reconnect', new Promise((resolve) => {
    socket.io.once('reconnect', () => socket.once('connect', resolve));
  }));
  socket.io.engine.close(); // as a lost network
  await Promise.all(devices.map((device) => sent(device, sample('a', 2), sample('a', 3))));
  await back;
  assert.equal(socket.recovered, true);
  for (const { id } of devices) await hears(socket, 'telemetry:update', (d) => d.deviceId === id && d.value === 3 && d.initial);
  await Promise.all(devices.map((device) => sent(device, sample('a', 4))));
  for (const { id } of devices) await hears(socket, 'telemetry:update', (d) => d.deviceId === id && d.value === 4);
  for (const device of devices) assert.deepEqual(of(device), [1, 3, 4]);
  const [first] = devices;
  assert.deepEqual(await call(socket, 'telemetry:unsubscribe', { deviceId: first.id }), { ok: true, count: 1 });
});

test('5.4 lost rights end what is followed within a second', async () => {
  const device = await makeDevice();
  const short = await connect(await mint('lena', 'viewer'));
  await call(short, 'telemetry:subscribe', { deviceId: device.id });
  await sent(device, sample('a', 1));
  await hears(short, 'telemetry:update');
  await server.cli('user', 'revoke', '--name', 'lena', '--role', 'viewer');
  const error = await hears(short, 'error', (e) => e.type === 'SUBSCRIPTION_FAILED');
  assert.equal(error.code, 403);
  assert.equal(error.details.deviceId, device.id);
  await sent(device, sample('a', 2));
  const witness = await connect(viewer);
  await call(witness, 'telemetry:subscribe', { deviceId: device.id });
  await hears(witness, 'telemetry:update', (d) => d.value === 2);
  assert.deepEqual(values(short), [1]);
});

test('1.5 a deleted device takes its subscriptions along', async () => {
  const device = await makeDevice();
  const socket = await connect(viewer);
  await call(socket, 'telemetry:subscribe', { deviceId: device.id, maxRateHz: 1 });
  await sent(device, sample('a', 1));
  assert.equal((await server.request('DELETE', `/api/v1/devices/${device.id}`, { token: admin })).status, 204);
  const error = await hears(socket, 'error', (e) => e.type === 'SUBSCRIPTION_FAILED');
  assert.equal(error.details.deviceId, device.id);
  assert.deepEqual(await call(socket, 'telemetry:unsubscribe', { deviceId: device.id }), { ok: true, count: 0 });
  assert.equal((await read(device)).status, 404);
  assert.equal((await read(device, '/latest')).status, 404);
});

test('a slow dashboard gets the newest value of each sensor and is not closed', async () => {
  const device = await makeDevice();
  const prompt = await connect(viewer);
  await call(prompt, 'telemetry:subscribe', { deviceId: device.id });
  const slow = await join(server, '/', { token: viewer });
  const merged = async () => Number((await server.get('/metrics', { token: admin })).text.match(/^signalbox_merged_total (\d+)/m)[1]);
  assert.equal((await slow.ask('/', 1, 'telemetry:subscribe', { deviceId: device.id })).ok, true);
  slow.ws._socket.pause();
  const before = await merged();
  const pad = 'x'.repeat(3900);
  const newest = new Map();
  const until = Date.now() + SOON_MS;
  for (let n = 0; (await merged()) - before < 300; ) {
    assert.ok(Date.now() < until, 'its socket never filled up');
    const batch = Array.from({ length: 200 }, () => {
      const s = sample(`s${n % 5}`, ++n, { metadata: { pad } });
      newest.set(s.sensorType, s.value);
      return s;
    });
    await sent(device, ...batch);
  }
  const last = Math.max(...newest.values());
  await hears(prompt, 'telemetry:update', (d) => d.value === last);
  slow.ws._socket.resume();
  const got = new Map();
  let count = 0;
  while ([...newest].some(([sensor, value]) => got.get(sensor) !== value)) {
    const [d] = await slow.event('telemetry:update');
    assert.ok(d.value > (got.get(d.sensorType) ?? 0), 'in order');
    got.set(d.sensorType, d.value);
    count++;
  }
  assert.ok(count < last - 200, `${count} of ${last}`);
  assert.equal((await slow.ask('/', 2, 'telemetry:unsubscribe', { deviceId: device.id })).count, 1);
  await slow.drop();
});

// --- REST ---

test('3.1 a batch over REST is stored, what is bad is named', async () => {
  const device = await makeDevice();
  const one = await send(device, sample('a', 20.1234565));
  assert.equal(one.status, 200);
  assert.deepEqual(one.json.data, { accepted: 1, duplicates: 0, rejected: [] });
  const good = sample('a', 2, { sampleId: 'x' });
  const some = await send(device, [good, sample('a', 1e9), 7, sample('', 1), { ...sample('a', 3), deviceId: NOWHERE }]);
  assert.equal(some.json.data.accepted, 1);
  assert.deepEqual(some.json.data.rejected.map((r) => [r.index, r.error.type, r.error.details.member]), [
    [1, 'TELEMETRY_VALIDATION_FAILED', 'value'], [2, 'TELEMETRY_VALIDATION_FAILED', undefined],
    [3, 'TELEMETRY_VALIDATION_FAILED', 'sensorType'], [4, 'TELEMETRY_VALIDATION_FAILED', 'deviceId']]);
  assert.equal(some.json.data.rejected[0].error.code, 422);
  assert.deepEqual((await send(device, [good])).json.data, { accepted: 0, duplicates: 1, rejected: [] });
  const latest = await read(device, '/latest');
  assert.deepEqual(latest.json.data.map((d) => [d.sensorType, d.value, d.sampleId]), [['a', 2, 'x']]);
  const rows = await read(device, `?from=${stamp - 1000}&to=${stamp + 1}`);
  assert.deepEqual(rows.json.data.map((d) => d.value), [20.123456, 2]);
});

test('3.4 what cannot be kept is refused with 422, naming each member', async () => {
  const device = await makeDevice();
  const single = await send(device, { timestamp: Date.now(), sensorType: 'a', value: 1 });
  assert.equal(single.status, 422);
  assert.equal(single.json.code, 'TELEMETRY_VALIDATION_FAILED');
  assert.deepEqual(single.json.errors, [{ member: 'unit', detail: 'is missing' }]);
  const both = await send(device, [sample('a', 'x'), sample('b', 1, { timestamp: Date.now() + 3_600_000 })]);
  assert.deepEqual(both.json.errors.map((e) => e.member), ['[0].value', '[1].timestamp']);
  for (const body of [[], Array.from({ length: 501 }, () => sample('a', 1))]) {
    assert.equal((await send(device, body)).status, 400);
  }
  assert.equal((await server.post(`/api/v1/devices/${NOWHERE}/telemetry`, [sample('a', 1)], { token: admin })).status, 404);
  await server.post(`/api/v1/devices/${device.id}/disable`, undefined, { token: admin });
  assert.equal((await send(device, [sample('a', 1)], { token: admin })).status, 403);
});

test('3.2 an Idempotency-Key stores a batch once, whatever is repeated', async () => {
  const device = await makeDevice();
  const other = await makeDevice();
  const body = [sample('a', 1), sample('a', 2), sample('a', 'x')];
  const headers = { 'idempotency-key': 'batch-1' };
  const first = await send(device, body, { token: admin, headers });
  assert.equal(first.json.data.accepted, 2);
  const again = await send(device, body, { token: admin, headers });
  assert.equal(again.headers.get('idempotency-replayed'), 'true');
  assert.deepEqual(again.json.data, first.json.data);
  assert.equal((await send(device, [sample('a', 9)], { token: admin, headers })).status, 422);
  // The same to another device is another request.
  assert.equal((await send(other, body, { token: admin, headers })).status, 422);
  const rows = await read(device, `?from=${stamp - 1000}&to=${stamp + 1}`);
  assert.deepEqual(rows.json.data.map((d) => d.value), [1, 2]);
  assert.equal((await read(other, `?from=${stamp - 1000}&to=${stamp + 1}`)).json.data.length, 0);
});

test('3.2 a range is read by pages, oldest first', async () => {
  const device = await makeDevice();
  const from = stamp + 1;
  const batch = Array.from({ length: 120 }, (_, i) => sample(i % 2 ? 'odd' : 'even', i));
  batch[7].timestamp = batch[6].timestamp; // two of one moment
  await sent(device, ...batch);
  const seen = [];
  let cursor = '';
  let pages = 0;
  do {
    const page = await read(device, `?from=${from}&to=${stamp + 1}&limit=50${cursor}`);
    assert.equal(page.status, 200, page.text);
    seen.push(...page.json.data.map((d) => d.value));
    cursor = page.json.next_cursor ? `&cursor=${page.json.next_cursor}` : '';
    pages++;
  } while (cursor !== '');
  assert.equal(pages, 3);
  assert.deepEqual(seen, batch.map((s) => s.value));
  const odd = await read(device, `?from=${from}&to=${stamp + 1}&sensor=odd&limit=200`);
  assert.deepEqual(odd.json.data.map((d) => d.value), batch.filter((s) => s.sensorType === 'odd').map((s) => s.value));
  assert.equal((await read(device)).json.data.length, 50, 'the last hour, a page');
  assert.equal((await read(device, '?sensor=none')).json.data.length, 0);
  for (const [query, member] of [['?cursor=x', 'cursor'], ['?limit=0', 'limit'], ['?from=x', 'from'], ['?to=x', 'to'],
    ['?from=2000&to=1000', 'from'], ['?points=0', 'points'], ['?agg=median', 'agg'],
    ['?cursor=dGhpcyBpcyBub3Qgb25lIQ', 'cursor'], ['?points=5&cursor=x', 'cursor']]) {
    const bad = await read(device, query);
    assert.equal(bad.status, 400, query);
    assert.equal(bad.json.errors[0].member, member);
  }
});

test('3.2 buckets stand for the points asked for, from samples and from what is rolled up', async () => {
  const device = await makeDevice();
  const start = Math.floor(Date.now() / 3_600_000) * 3_600_000 - 86_400_000;
  const batch = Array.from({ length: 240 }, (_, i) => sample('t', i, { timestamp: start + i * 15_000 })); // an hour
  await sent(device, ...batch.slice(0, 120), sample('h', 5, { timestamp: start, unit: '%' }));
  await sent(device, ...batch.slice(120));
  const hour = `?from=${start}&to=${start + 3_600_000}&sensor=t`;
  const mean = (list) => Math.round((list.reduce((a, b) => a + b, 0) / list.length) * 1e6) / 1e6;
  for (const [points, bucket] of [[240, 15_000], [120, 30_000], [60, 60_000], [6, 600_000], [1, 3_600_000]]) {
    for (const [agg, of] of [['avg', mean], ['min', (l) => Math.min(...l)], ['max', (l) => Math.max(...l)], ['last', (l) => l.at(-1)]]) {
      const { json } = await read(device, `${hour}&points=${points}&agg=${agg}`);
      assert.equal(json.data.length, 1);
      const [series] = json.data;
      assert.deepEqual([series.sensorType, series.unit, series.resolution_ms], ['t', 'C', bucket]);
      const wanted = Array.from({ length: 3_600_000 / bucket }, (_, b) => {
        const inside = batch.filter((s) => Math.floor((s.timestamp - start) / bucket) === b).map((s) => s.value);
        return { timestamp: new Date(start + b * bucket).toISOString(), value: of(inside), n: inside.length };
      });
      assert.deepEqual(series.points, wanted, `${points} ${agg}`);
    }
  }
  const all = await read(device, `?from=${start}&to=${start + 86_400_000}&agg=max`);
  assert.deepEqual(all.json.data.map((s) => [s.sensorType, Math.max(...s.points.map((p) => p.value))]), [['h', 5], ['t', 239]]);
  assert.ok(all.json.data.every((s) => s.points.length <= 300));
  const wide = await read(device, `?from=0&to=${start + 86_400_000}&sensor=t&points=10`);
  assert.equal(wide.json.data[0].points.reduce((n, p) => n + p.n, 0), 240);
  assert.ok(wide.json.data[0].points.length <= 10);
});

test('3.2 more buckets than an answer has are refused, one sensor is not', async () => {
  const device = await makeDevice();
  const from = Date.now() - 3_600_000;
  const all = Array.from({ length: 10_200 }, (_, i) => (
    { timestamp: from + Math.floor(i / 6) * 2000, sensorType: `s${i % 6}`, value: i, unit: 'C' }
  ));
  for (let i = 0; i < all.length; i += 500) await sent(device, ...all.slice(i, i + 500));
  const range = `?from=${from}&to=${from + 3_600_000}&points=1800`;
  const refused = await read(device, range);
  assert.equal(refused.status, 400);
  assert.equal(refused.json.errors[0].member, 'points');
  const one = await read(device, `${range}&sensor=s0`);
  const { points } = one.json.data[0];
  assert.ok(points.length <= 1800 && points.length > 1600, `${points.length}`);
  assert.equal(points.reduce((n, p) => n + p.n, 0), 1700);
  assert.equal((await read(device, range.replace('1800', '300'))).json.data.length, 6);
});
