// The requirements of device management as the contract reads them (CONTRACT 3, its end), one named
// test each, with official clients: 1.1-1.5 connections, 2.1-2.5 changes.
import assert from 'node:assert/strict';
import test, { after, afterEach, before } from 'node:test';
import { CLIENTS, connected, until } from './lib/clients.mjs';
import { device as rawDevice } from './lib/monitor.mjs';
import { startServer } from './lib/server.mjs';

let server;
let admin;
let viewer;
const open = new Set();

const mint = (sub, role) => server.cli('token', '--sub', sub, '--kind', 'user', '--role', role, '--ttl', '1h');

before(async () => {
  server = await startServer({ flags: ['--handshakes-per-s', '1000'] });
  admin = await mint('root', 'admin');
  viewer = await mint('victor', 'viewer');
});
afterEach(() => {
  for (const end of open) end();
  open.clear();
});
after(() => server?.stop());

async function makeDevice(body = {}) {
  const made = await server.post('/api/v1/devices', { name: 'one', ...body }, { token: admin });
  assert.equal(made.status, 201);
  return { id: made.json.data.device.id, key: made.json.data.key };
}
const get = async (id) => (await server.get(`/api/v1/devices/${id}`, { token: admin })).json.data;
const patch = (id, body, headers) => server.request('PATCH', `/api/v1/devices/${id}`, { token: admin, body, headers });

async function talker(token) {
  const t = await connected(CLIENTS[0], server, { token, transports: ['websocket'], reconnection: false });
  open.add(() => t.close());
  return t;
}
async function watcherOf(...ids) {
  const t = await talker(viewer);
  for (const deviceId of ids) assert.equal((await t.ask('device:subscribe', { deviceId }))[0].ok, true);
  return t;
}
const hears = async (t, event, fits) => (await t.first(event, { test: fits }))[0];

/** A device's socket of either wire: `cut` drops it as a broken network would. */
const WIRES = {
  async socketio(key) {
    const t = await talker(key);
    return {
      register: (data) => t.ask('device:register', data).then(([ack]) => ack),
      beat: () => t.ask('device:heartbeat', { timestamp: new Date().toISOString() }).then(([ack]) => ack),
      cut: () => t.cut(),
      replaced: async () => assert.equal((await t.first('closing'))[0].code, 4001),
    };
  },
  async monitor(key) {
    const peer = await rawDevice(server, key);
    open.add(() => peer.ws.terminate());
    return {
      register: (data) => peer.ask('register', data),
      beat: () => peer.ask('heartbeat', { timestamp: Date.now() }),
      cut: () => peer.ws.terminate(),
      replaced: async () => assert.equal((await peer.closedWithin()).code, 4001),
    };
  },
};

test('requirement_1_1_a_connecting_device_is_online_and_announced', async () => {
  for (const [wire, connect] of Object.entries(WIRES)) {
    const { id, key } = await makeDevice();
    const watcher = await watcherOf(id);
    assert.equal((await get(id)).connectionStatus, 'offline');
    await connect(key);
    const told = await hears(watcher, 'device:connected', (d) => d.id === id);
    assert.match(told.connectedAt, /^\d{4}-\d\d-\d\dT.*\.\d{3}Z$/);
    const shown = await get(id);
    assert.equal(shown.connectionStatus, 'online');
    assert.equal(shown.wire, wire);
    assert.equal(shown.connectedAt, told.connectedAt);
  }
});

test('requirement_1_2_a_device_that_goes_is_offline_with_last_seen_and_announced', async () => {
  for (const connect of Object.values(WIRES)) {
    const { id, key } = await makeDevice();
    const watcher = await watcherOf(id);
    const device = await connect(key);
    assert.equal((await device.beat()).ok, true);
    device.cut();
    const told = await hears(watcher, 'device:disconnected', (d) => d.id === id);
    const shown = await get(id);
    assert.equal(shown.connectionStatus, 'offline');
    assert.ok(Date.parse(shown.lastSeen) <= Date.parse(told.disconnectedAt));
    assert.ok(Date.parse(shown.lastSeen) > Date.now() - 60_000);
    assert.equal(shown.connectedAt, undefined);
  }
});

test('requirement_1_2_a_newer_socket_takes_over_and_nobody_hears_of_a_disconnect', async () => {
  const { id, key } = await makeDevice();
  const watcher = await watcherOf(id);
  const first = await WIRES.socketio(key);
  await hears(watcher, 'device:connected', (d) => d.id === id);
  const second = await WIRES.monitor(key);
  await first.replaced();
  const third = await WIRES.socketio(key);
  await second.replaced();
  assert.equal((await third.register({ capabilities: ['third'] })).ok, true);
  const told = await hears(watcher, 'device:updated', (d) => d.capabilities.includes('third'));
  assert.equal(told.connectionStatus, 'online');
  assert.equal(told.wire, 'socketio');
  assert.deepEqual(watcher.of('device:disconnected'), []);
  assert.equal(watcher.of('device:connected').length, 1);
});

test('requirement_1_3_every_connection_is_tracked_with_what_it_is_and_counted', async () => {
  const { id, key } = await makeDevice();
  const device = await talker(key);
  const socketId = device.id;
  const live = await server.get(`/api/v1/connections?device_id=${id}`, { token: viewer });
  assert.equal(live.json.data.length, 1);
  assert.equal(live.json.data[0].socketId, socketId);
  assert.equal(live.json.data[0].clientType, 'device');
  const counts = await server.get('/api/v1/connections/stats', { token: viewer });
  assert.ok(counts.json.data.client_type.device >= 1);
  device.close();
  await until('it is in the past', async () => {
    const past = await server.get(`/api/v1/devices/${id}/connections`, { token: viewer });
    const row = past.json.data.find((r) => r.socketId === socketId);
    return row?.disconnectedAt && row.durationSeconds >= 0 && row.wire === 'socketio';
  });
});

test('requirement_1_4_silence_makes_stale_and_then_ends_the_socket', async (t) => {
  const patient = await startServer({ flags: ['--device-stale-s', '1', '--device-gone-s', '3'] });
  t.after(() => patient.stop());
  const { id, key } = await patient.addDevice('quiet');
  const token = await patient.cli('token', '--sub', 'v', '--kind', 'user', '--role', 'viewer', '--ttl', '1h');
  const watcher = await connected(CLIENTS[0], patient, { token, transports: ['websocket'] });
  t.after(() => watcher.close());
  await watcher.ask('device:subscribe', { deviceId: id });
  const device = await connected(CLIENTS[0], patient, { token: key, transports: ['websocket'], reconnection: false });
  await hears(watcher, 'device:updated', (d) => d.id === id && d.connectionStatus === 'stale');
  const from = watcher.heard.length;
  assert.equal((await device.ask('device:heartbeat', { timestamp: Date.now() }))[0].ok, true);
  await watcher.next('device:updated', { from, test: (d) => d.connectionStatus === 'online' });
  assert.deepEqual(watcher.of('device:disconnected'), []);
  await watcher.next('device:updated', { from, test: (d) => d.connectionStatus === 'stale' });
  assert.equal((await hears(watcher, 'device:disconnected', () => true)).id, id);
  await device.first('disconnect');
  const shown = (await patient.get(`/api/v1/devices/${id}`, { token })).json.data;
  assert.equal(shown.connectionStatus, 'offline');
  assert.ok(Date.parse(shown.lastSeen) < Date.now());
});

test('requirement_1_5_subscriptions_end_with_their_socket_or_come_back_with_it', async () => {
  const { id } = await makeDevice();
  const gone = await watcherOf(id);
  const heard = gone.heard.length;
  gone.close();
  const lasting = await connected(CLIENTS[0], server, { token: viewer, transports: ['websocket'] });
  open.add(() => lasting.close());
  await lasting.ask('device:subscribe', { deviceId: id });
  lasting.cut();
  await lasting.next('disconnect', { from: 0 });
  await patch(id, { name: 'while it was away' });
  const missed = await hears(lasting, 'device:updated', (d) => d.id === id);
  assert.equal(missed.name, 'while it was away');
  assert.equal(lasting.socket.recovered, true);
  await patch(id, { name: 'live again' });
  await hears(lasting, 'device:updated', (d) => d.name === 'live again');
  assert.ok(!gone.heard.slice(heard).some((h) => h.event.startsWith('device:')));
});

test('requirement_2_1_creating_changing_and_deleting_is_pushed', async () => {
  const watcher = await talker(viewer);
  await watcher.ask('device:subscribe', {});
  const { id } = await makeDevice({ name: 'new', tags: ['a'], metadata: { floor: 1 } });
  const created = await hears(watcher, 'device:created', (d) => d.id === id);
  assert.deepEqual([created.name, created.tags, created.metadata], ['new', ['a'], { floor: 1 }]);
  const changed = await patch(id, { name: 'changed', tags: ['b'], metadata: { floor: null, room: 2 } });
  const updated = await hears(watcher, 'device:updated', (d) => d.id === id);
  assert.deepEqual([updated.name, updated.tags, updated.metadata], ['changed', ['b'], { room: 2 }]);
  assert.equal(updated.version, changed.json.data.version);
  assert.equal((await patch(id, { name: 'late' }, { 'if-match': '"v1"' })).status, 412);
  assert.equal((await server.request('DELETE', `/api/v1/devices/${id}`, { token: admin })).status, 204);
  assert.equal((await hears(watcher, 'device:deleted', (d) => d.id === id)).id, id);
});

test('requirement_2_2_registration_and_capabilities_are_pushed', async () => {
  for (const [wire, connect] of Object.entries(WIRES)) {
    const { id, key } = await makeDevice();
    const watcher = await watcherOf(id);
    const device = await connect(key);
    const registered = await device.register({ deviceId: id, capabilities: ['reboot', 'led', 'led'] });
    assert.equal(registered.ok, true);
    assert.deepEqual(registered.device.capabilities, ['reboot', 'led']);
    const told = await hears(watcher, 'device:updated', (d) => d.capabilities.length > 0);
    assert.deepEqual(told.capabilities, ['reboot', 'led']);
    assert.equal(told.wire, wire);
    assert.ok(told.connectedAt);
    assert.equal((await device.register({ deviceId: '01900000-0000-7000-8000-000000000000' })).error.details.member, 'deviceId');
    await patch(id, { capabilities: ['none'] });
    await hears(watcher, 'device:updated', (d) => d.capabilities[0] === 'none');
  }
});

test('requirement_2_2_a_device_that_flaps_is_said_to_and_then_left_in_peace', async () => {
  const { id, key } = await makeDevice();
  const watcher = await watcherOf(id);
  for (let i = 0; i < 16; i++) {
    const socket = await rawDevice(server, key);
    assert.equal((await socket.ask('heartbeat')).ok, true);
    await socket.end();
  }
  assert.equal((await hears(watcher, 'device:updated', (d) => d.flapping === true)).id, id);
  const before_ = watcher.heard.length;
  const socket = await rawDevice(server, key);
  assert.equal((await socket.ask('register', { capabilities: ['calm'] })).ok, true);
  const told = await hears(watcher, 'device:updated', (d) => d.capabilities.includes('calm'));
  assert.equal(told.flapping, true);
  assert.deepEqual(watcher.heard.slice(before_).map((h) => h.event), ['device:updated']);
  socket.ws.terminate();
});

test('requirement_2_3_a_change_of_status_is_pushed_and_disabling_ends_the_socket', async () => {
  const { id, key } = await makeDevice();
  const watcher = await watcherOf(id);
  const device = await rawDevice(server, key);
  await patch(id, { status: 'maintenance' });
  const told = await hears(watcher, 'device:status-changed', (d) => d.status === 'maintenance');
  assert.deepEqual(Object.keys(told).filter((k) => !['pos', 'eventId'].includes(k)), ['id', 'status', 'updatedAt']);
  assert.equal((await server.post(`/api/v1/devices/${id}/disable`, {}, { token: admin })).status, 200);
  assert.equal((await device.closedWithin()).code, 4002);
  await hears(watcher, 'device:status-changed', (d) => d.status === 'disabled');
  await assert.rejects(rawDevice(server, key), (error) => [401, 403].includes(error.status));
  await server.post(`/api/v1/devices/${id}/enable`, {}, { token: admin });
  await hears(watcher, 'device:status-changed', (d) => d.status === 'active');
  await (await rawDevice(server, key)).end();
});

test('requirement_2_4_one_device_or_all_are_subscribed', async () => {
  const a = await makeDevice();
  const b = await makeDevice();
  const one = await watcherOf(a.id);
  const all = await talker(viewer);
  const [{ ok, count }] = await all.ask('device:subscribe', {});
  assert.equal(ok, true);
  assert.equal(count, (await server.get('/api/v1/devices?limit=200', { token: viewer })).json.data.length);
  await patch(a.id, { name: 'a' });
  await patch(b.id, { name: 'b' });
  await hears(all, 'device:updated', (d) => d.name === 'a');
  await hears(all, 'device:updated', (d) => d.name === 'b');
  await hears(one, 'device:updated', (d) => d.name === 'a');
  // An id under a wildcard changes nothing; without one everything ends.
  await all.ask('device:unsubscribe', { deviceId: b.id });
  await patch(b.id, { name: 'still' });
  await hears(all, 'device:updated', (d) => d.name === 'still');
  await all.ask('device:unsubscribe', {});
  const quiet = all.heard.length;
  await patch(a.id, { name: 'last' });
  await hears(one, 'device:updated', (d) => d.name === 'last');
  assert.deepEqual(all.heard.slice(quiet), []);
});

test('requirement_2_5_only_who_subscribed_and_may_read_it_hears', async () => {
  const a = await makeDevice();
  const b = await makeDevice();
  const watcher = await watcherOf(b.id);
  const nobody = await talker(viewer); // connected, and not subscribed
  const device = await talker(a.key);
  assert.deepEqual((await device.ask('device:subscribe', {}))[0], { ok: true, count: 1 });
  assert.equal((await device.ask('device:subscribe', { deviceId: b.id }))[0].error.type, 'DEVICE_NOT_FOUND');
  const employee = await talker(await mint('emil', 'employee'));
  assert.equal((await employee.ask('device:subscribe', { deviceId: a.id }))[0].ok, false);
  await patch(a.id, { name: 'a' });
  await patch(b.id, { name: 'b' });
  await hears(device, 'device:updated', (d) => d.name === 'a');
  await hears(watcher, 'device:updated', (d) => d.name === 'b');
  assert.ok(device.of('device:updated').every(([d]) => d.id === a.id));
  assert.ok(watcher.of('device:updated').every(([d]) => d.id === b.id));
  for (const t of [nobody, employee]) assert.deepEqual(t.heard.filter((h) => h.event.startsWith('device:')), []);
});
