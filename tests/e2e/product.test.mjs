// The namespace "/" with the official client: devices, who watches them, provisioning, rights,
// coming back (CONTRACT 2, 3, 8).
import assert from 'node:assert/strict';
import test, { after, afterEach, before } from 'node:test';
import { io } from 'socket.io-client';
import { Frames, polling } from './lib/engineio.mjs';
import { SOON_MS, call, hears, listener } from './lib/listener.mjs';
import { startServer, within } from './lib/server.mjs';

let server;
let admin;
let viewer;
const open = new Set();

const mint = (sub, role, ttl = '1h') => (
  server.cli('token', '--sub', sub, '--kind', 'user', '--role', role, '--ttl', ttl)
);

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

const makeDevice = async (body = {}) => {
  const made = await server.post('/api/v1/devices', { name: 'one', ...body }, { token: admin });
  assert.equal(made.status, 201);
  return { id: made.json.data.device.id, key: made.json.data.key };
};
const rename = (id, name) => server.request('PATCH', `/api/v1/devices/${id}`, { token: admin, body: { name } });

const refusedConnect = '40{"token":"wrong"}';
const isRefusal = (packet) => packet.startsWith('44{') && packet.includes('AUTHENTICATION_FAILED');

async function probed() {
  const session = await polling(server, { path: '/socket.io/' });
  const ws = await new Frames(server, { sid: session.sid, path: session.path }).opened;
  ws.send('2probe');
  assert.equal(await ws.next(), '3probe');
  return { session, ws };
}

// A client whose probe was answered polls no more, and can only be told on its WebSocket.
test('who_is_refused_in_the_middle_of_an_upgrade_hears_why_on_the_websocket', async () => {
  const { session, ws } = await probed();
  await session.post(refusedConnect);
  ws.send('5');
  assert.ok(isRefusal(await ws.next()));
  assert.equal(await ws.end(), 1008);
  assert.equal(JSON.parse((await session.get()).text).code, 1);
});

test('who_is_refused_in_the_middle_of_an_upgrade_hears_why_where_it_asks_first', async () => {
  const { session, ws } = await probed();
  await session.post(refusedConnect);
  assert.ok(isRefusal((await session.packets())[0]));
  ws.send('5');
  assert.equal(await ws.end(), 1008);
});

test('who_is_refused_in_the_middle_of_an_upgrade_and_goes_on_polling_finds_its_end_there', async () => {
  const { session, ws } = await probed();
  await session.post(refusedConnect);
  assert.ok(isRefusal((await session.packets())[0]));
  assert.deepEqual(await session.packets(), ['1']);
  assert.equal(await ws.end(), 1000);
});

for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']]) {
  test(`a_viewer_follows_one_device_and_all_of_them_over_${transports.join('_')}`, async () => {
    const { id } = await makeDevice();
    const socket = await connect(viewer, { transports });
    assert.deepEqual(await call(socket, 'device:subscribe', { deviceId: id }), { ok: true, count: 1 });
    await rename(id, 'two');
    const updated = await hears(socket, 'device:updated', (d) => d.id === id);
    assert.equal(updated.name, 'two');
    assert.match(updated.pos, /^[0-9a-z]+-\d+$/i);
    assert.match(updated.eventId, /^[0-9a-f-]{36}$/);
    const { id: other } = await makeDevice();
    const all = await call(socket, 'device:subscribe', {});
    assert.equal(all.ok, true);
    assert.equal(all.count, (await server.get('/api/v1/devices?limit=200', { token: admin })).json.data.length);
    await rename(other, 'seen');
    await hears(socket, 'device:updated', (d) => d.id === other);
    const { id: third } = await makeDevice({ name: 'third' });
    assert.equal((await hears(socket, 'device:created', (d) => d.id === third)).name, 'third');
    // Each event once, though both the wildcard and the device are subscribed.
    await rename(id, 'once');
    await hears(socket, 'device:updated', (d) => d.name === 'once');
    await call(socket, 'device:unsubscribe', { deviceId: id });
    await rename(id, 'still');
    await hears(socket, 'device:updated', (d) => d.name === 'still');
    assert.equal(socket.heard.filter((h) => h.data?.name === 'once').length, 1);
    assert.equal((await call(socket, 'device:unsubscribe', {})).ok, true);
    const quiet = socket.heard.length;
    await rename(id, 'unheard');
    await call(socket, 'device:subscribe', { deviceId: id });
    await rename(id, 'heard');
    await hears(socket, 'device:updated', (d) => d.name === 'heard');
    assert.ok(!socket.heard.slice(quiet).some((h) => h.data?.name === 'unheard'));
  });
}

test('refusals_name_what_is_wrong_by_ack_or_by_error', async () => {
  const { id } = await makeDevice();
  const socket = await connect(viewer);
  const missing = await call(socket, 'device:subscribe', { deviceId: '01900000-0000-7000-8000-000000000000' });
  assert.equal(missing.ok, false);
  assert.equal(missing.error.type, 'DEVICE_NOT_FOUND');
  assert.equal(missing.error.code, 404);
  const bad = await call(socket, 'device:subscribe', { deviceId: 7 });
  assert.equal(bad.error.type, 'INVALID_MESSAGE_FORMAT');
  assert.equal(bad.error.details.member, 'deviceId');
  const since = await call(socket, 'device:subscribe', { deviceId: id, since: 'yesterday' });
  assert.equal(since.error.details.member, 'since');
  const unknown = await call(socket, 'device:unheard-of', {});
  assert.equal(unknown.error.type, 'INVALID_MESSAGE_FORMAT');
  const others = await call(socket, 'device:heartbeat', { timestamp: Date.now() });
  assert.equal(others.error.type, 'PERMISSION_DENIED');
  socket.emit('device:subscribe', { deviceId: 'x' });
  const error = await hears(socket, 'error');
  assert.equal(error.type, 'INVALID_MESSAGE_FORMAT');
  assert.equal(error.details.member, 'deviceId');
  const deep = await call(socket, 'device:subscribe', { a: JSON.parse('['.repeat(20) + ']'.repeat(20)) });
  assert.equal(deep.error.type, 'INVALID_MESSAGE_FORMAT');
  const large = await call(socket, 'device:subscribe', { pad: 'x'.repeat(70_000) });
  assert.equal(large.error.type, 'INVALID_MESSAGE_FORMAT');
  assert.ok(socket.connected);
});

test('who_may_not_read_a_device_cannot_tell_it_from_none', async () => {
  const { id } = await makeDevice();
  const nobody = await connect(await mint('nora', 'employee'));
  const refused = await call(nobody, 'device:subscribe', { deviceId: id });
  assert.equal(refused.ok, false);
  const other = await makeDevice();
  const device = await connect(other.key);
  const foreign = await call(device, 'device:subscribe', { deviceId: id });
  assert.equal(foreign.error.type, 'DEVICE_NOT_FOUND');
  assert.deepEqual(await call(device, 'device:subscribe', {}), { ok: true, count: 1 });
});

test('a_device_registers_beats_and_has_one_live_socket', async () => {
  const { id, key } = await makeDevice();
  const watcher = await connect(viewer);
  await call(watcher, 'device:subscribe', { deviceId: id });
  const device = await connect(key);
  assert.equal((await hears(watcher, 'device:connected', (d) => d.id === id)).id, id);
  const registered = await call(device, 'device:register', { deviceId: id, capabilities: ['relay', 'relay', 'lamp'] });
  assert.equal(registered.ok, true);
  assert.deepEqual(registered.device.capabilities, ['relay', 'lamp']);
  assert.equal(registered.device.connectionStatus, 'online');
  assert.equal(registered.device.wire, 'socketio');
  await hears(watcher, 'device:updated', (d) => d.id === id && d.capabilities.length === 2);
  assert.deepEqual(await call(device, 'device:heartbeat', { timestamp: new Date().toISOString() }), { ok: true });
  const foreign = await call(device, 'device:register', { deviceId: '01900000-0000-7000-8000-000000000000', capabilities: [] });
  assert.equal(foreign.error.details.member, 'deviceId');

  const closing = within(SOON_MS, 'closing', new Promise((resolve) => device.once('closing', resolve)));
  const ended = within(SOON_MS, 'disconnect', new Promise((resolve) => device.once('disconnect', resolve)));
  const newer = await connect(key);
  assert.equal((await closing).code, 4001);
  assert.equal(await ended, 'io server disconnect');
  assert.equal((await call(newer, 'device:heartbeat', {})).ok, true);
  assert.equal(watcher.heard.filter((h) => h.name === 'device:disconnected').length, 0, 'a take-over is no disconnect');
  const log = await server.get(`/api/v1/devices/${id}/connections`, { token: admin });
  assert.equal(log.json.data[0].wire, 'socketio');
  newer.disconnect();
  await hears(watcher, 'device:disconnected', (d) => d.id === id);
});

test('disabling_a_device_closes_its_socket', async () => {
  const { id, key } = await makeDevice();
  const device = await connect(key);
  await call(device, 'device:register', { deviceId: id, capabilities: [] });
  const closing = within(SOON_MS, 'closing', new Promise((resolve) => device.once('closing', resolve)));
  await server.post(`/api/v1/devices/${id}/disable`, undefined, { token: admin });
  assert.equal((await closing).code, 4002);
});

test('a_provisioning_key_registers_a_device_and_nothing_else', async () => {
  const made = await server.post('/api/v1/provisioning-keys', { uses: 1 }, { token: admin });
  const socket = await connect(made.json.data.key);
  const refused = await call(socket, 'device:subscribe', {});
  assert.equal(refused.error.type, 'PERMISSION_DENIED');
  const enrolled = await call(socket, 'device:register', { name: 'fresh', type: 'lamp', capabilities: ['on'] });
  assert.equal(enrolled.ok, true);
  assert.equal(enrolled.device.name, 'fresh');
  assert.match(enrolled.key, /^sbk_/);
  const again = await call(socket, 'device:register', { name: 'second' });
  assert.equal(again.error.type, 'AUTHENTICATION_FAILED');
  const device = await connect(enrolled.key);
  assert.equal((await call(device, 'device:register', { capabilities: [] })).device.id, enrolled.device.id);
});

test('since_replays_what_was_missed_before_what_comes', async () => {
  const { id } = await makeDevice();
  const socket = await connect(viewer);
  await call(socket, 'device:subscribe', { deviceId: id });
  await rename(id, 'first');
  const { pos } = await hears(socket, 'device:updated', (d) => d.name === 'first');
  socket.disconnect();
  for (const name of ['a', 'b', 'c']) await rename(id, name);
  const back = await connect(viewer);
  assert.deepEqual(await call(back, 'device:subscribe', { deviceId: id, since: pos }), { ok: true, count: 1 });
  await rename(id, 'd');
  await hears(back, 'device:updated', (d) => d.name === 'd');
  assert.deepEqual(back.heard.filter((h) => h.name === 'device:updated').map((h) => h.data.name), ['a', 'b', 'c', 'd']);
  const all = await connect(viewer);
  await call(all, 'device:subscribe', { since: pos });
  await hears(all, 'device:updated', (d) => d.id === id && d.name === 'd');
  const gone = await connect(viewer);
  await call(gone, 'device:subscribe', { deviceId: id, since: '00000000000000ff-1' });
  const gap = await hears(gone, 'gap');
  assert.equal(gap.from, '00000000000000ff-1');
});

test('a_recovered_socket_keeps_its_subscriptions_and_misses_nothing', async () => {
  const { id } = await makeDevice();
  const socket = await connect(viewer, { reconnection: true, reconnectionDelay: 200, reconnectionDelayMax: 400 });
  await call(socket, 'device:subscribe', { deviceId: id });
  await rename(id, 'before');
  await hears(socket, 'device:updated', (d) => d.name === 'before');
  const back = within(SOON_MS, 'reconnect', new Promise((resolve) => socket.io.once('reconnect', () => socket.once('connect', resolve))));
  socket.io.engine.close(); // as a lost network
  await rename(id, 'meanwhile');
  await back;
  assert.equal(socket.recovered, true);
  await hears(socket, 'device:updated', (d) => d.name === 'meanwhile');
  await rename(id, 'after');
  await hears(socket, 'device:updated', (d) => d.name === 'after');
  assert.deepEqual(socket.heard.filter((h) => h.name === 'device:updated').map((h) => h.data.name), ['before', 'meanwhile', 'after']);
});

/** A device with 200 events of ten kilobytes: more than an outbox holds. {id, pos}: before them. */
async function longPast() {
  const { id, key } = await makeDevice();
  const watcher = await connect(viewer);
  await call(watcher, 'device:subscribe', { deviceId: id });
  await rename(id, 'begin');
  const { pos } = await hears(watcher, 'device:updated', (d) => d.name === 'begin');
  watcher.disconnect();
  const device = await connect(key);
  for (let i = 0; i < 200; i++) {
    const capabilities = Array.from({ length: 100 }, (_, n) => `${i} ${n} `.padEnd(99, 'x'));
    assert.equal((await call(device, 'device:register', { capabilities })).ok, true);
  }
  return { id, pos };
}

/** The numbers of those events, as they came. */
const pastOf = (socket) => socket.heard
  .filter((h) => h.name === 'device:updated' && h.data.capabilities.length === 100)
  .map((h) => Number(h.data.capabilities[0].split(' ')[0]));
const WHOLE = Array.from({ length: 200 }, (_, i) => i);

for (const transports of [['websocket'], ['polling']]) {
  test(`a_long_past_arrives_whole_and_in_order_over_${transports[0]}`, async () => {
    const { id, pos } = await longPast();
    const back = await connect(viewer, { transports });
    assert.equal((await call(back, 'device:subscribe', { deviceId: id, since: pos })).ok, true);
    await rename(id, 'end');
    await hears(back, 'device:updated', (d) => d.name === 'end');
    assert.deepEqual([...new Set(pastOf(back))], WHOLE);
  });
}

test('who_is_cut_off_in_the_middle_of_a_long_past_gets_all_of_it', async () => {
  const { id, pos } = await longPast();
  const socket = await connect(viewer, { reconnection: true, reconnectionDelay: 100, reconnectionDelayMax: 200 });
  await call(socket, 'device:subscribe', { deviceId: id, since: pos });
  await hears(socket, 'device:updated', (d) => d.capabilities[0]?.startsWith('2 '));
  const back = within(SOON_MS, 'reconnect', new Promise((resolve) => socket.io.once('reconnect', () => socket.once('connect', resolve))));
  socket.io.engine.close();
  await back;
  assert.equal(socket.recovered, true);
  await rename(id, 'end');
  await hears(socket, 'device:updated', (d) => d.name === 'end');
  assert.deepEqual([...new Set(pastOf(socket))].sort((a, b) => a - b), WHOLE);
});

test('subscriptions_outlive_a_restart_of_the_server', async () => {
  const first = await startServer();
  const token = await first.cli('token', '--sub', 'victor', '--kind', 'user', '--role', 'viewer', '--ttl', '1h');
  const boss = await first.cli('token', '--sub', 'root', '--kind', 'user', '--role', 'admin', '--ttl', '1h');
  const made = (await first.post('/api/v1/devices', { name: 'one' }, { token: boss })).json.data.device;
  const socket = io(first.url, { auth: { token }, transports: ['websocket'], forceNew: true, reconnectionDelay: 100, reconnectionDelayMax: 300 });
  open.add(socket);
  socket.heard = [];
  socket.onAny((name, data) => socket.heard.push({ name, data }));
  await within(SOON_MS, 'connect', new Promise((resolve) => socket.once('connect', resolve)));
  await call(socket, 'device:subscribe', { deviceId: made.id });
  await first.request('PATCH', `/api/v1/devices/${made.id}`, { token: boss, body: { name: 'before' } });
  await hears(socket, 'device:updated', (d) => d.name === 'before');
  const again = within(SOON_MS, 'reconnect', new Promise((resolve) => socket.io.once('reconnect', () => socket.once('connect', resolve))));
  await first.stop();
  const second = await startServer({ dataDir: first.dataDir, flags: ['--listen', `127.0.0.1:${first.port}`] });
  await again;
  assert.equal(socket.recovered, true);
  await second.request('PATCH', `/api/v1/devices/${made.id}`, { token: boss, body: { name: 'after' } });
  await hears(socket, 'device:updated', (d) => d.name === 'after');
  assert.deepEqual(socket.heard.filter((h) => h.name === 'device:updated').map((h) => h.data.name), ['before', 'after']);
  socket.disconnect();
  await second.stop();
});

test('auth_refresh_takes_a_token_of_the_same_principal_only', async () => {
  const socket = await connect(viewer);
  assert.deepEqual(await call(socket, 'auth:refresh', { token: await mint('victor', 'viewer') }), { ok: true });
  assert.equal((await call(socket, 'auth:refresh', {})).error.details.member, 'token');
  const ended = within(SOON_MS, 'end', new Promise((resolve) => socket.once('disconnect', resolve)));
  const refused = await call(socket, 'auth:refresh', { token: admin });
  assert.equal(refused.error.type, 'AUTHENTICATION_FAILED');
  await ended;
});

test('lost_rights_end_subscriptions_with_an_error', async () => {
  const { id } = await makeDevice();
  const short = await connect(await mint('lena', 'viewer'));
  await call(short, 'device:subscribe', { deviceId: id });
  await call(short, 'device:subscribe', {});
  await server.cli('user', 'grant', '--name', 'lena', '--role', 'operator');
  await server.cli('user', 'revoke', '--name', 'lena', '--role', 'viewer');
  await rename(id, 'still hers');
  await hears(short, 'device:updated', (d) => d.name === 'still hers');
  await server.cli('user', 'revoke', '--name', 'lena', '--role', 'operator');
  const error = await hears(short, 'error', (e) => e.type === 'SUBSCRIPTION_FAILED');
  assert.equal(error.code, 403);
  await hears(short, 'error', (e) => e.details.deviceId === id);
  const before = short.heard.length;
  await rename(id, 'secret');
  const witness = await connect(viewer);
  await call(witness, 'device:subscribe', { deviceId: id });
  await rename(id, 'later');
  await hears(witness, 'device:updated', (d) => d.name === 'later');
  assert.ok(!short.heard.slice(before).some((h) => h.name.startsWith('device:')));
});

test('messages_are_counted_by_their_names', async () => {
  const socket = await connect(viewer);
  await call(socket, 'device:subscribe', {});
  const { text } = await server.get('/metrics', { token: admin });
  assert.match(text, /signalbox_messages_total\{wire="socketio",direction="in",event="device:subscribe"\} \d+/);
  assert.match(text, /signalbox_messages_total\{wire="socketio",direction="in",event="device:register"\} \d+/);
});
