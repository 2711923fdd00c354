// Configuration with official clients: desired over REST, reported over both wires, versions, delta
// and drift, and who hears of it (CONTRACT 3, DeviceConfig).
import assert from 'node:assert/strict';
import test, { after, afterEach, before } from 'node:test';
import { CLIENTS, connected } from './lib/clients.mjs';
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

async function talker(token, client = CLIENTS[0]) {
  const t = await connected(client, server, { token, transports: ['websocket'], reconnection: false });
  open.add(() => t.close());
  return t;
}

/** A device of either wire behind one face: ask resolves to its ack. */
const WIRES = {
  async socketio(key) {
    const t = await talker(key);
    return {
      ask: async (name, data) => (await t.ask(name, data))[0],
      register: async (data = {}) => (await t.ask('device:register', data))[0],
      config: async (fits = () => true) => (await t.first('device:config-update', { test: fits }))[0],
      configs: () => t.of('device:config-update').map(([d]) => d),
    };
  },
  async monitor(key) {
    const peer = await rawDevice(server, key);
    open.add(() => peer.ws.terminate());
    return {
      ask: (name, data) => peer.ask(name, data),
      register: (data = {}) => peer.ask('register', data),
      config: async (fits = () => true) => (
        (await peer.first('device:config-update', { test: (m) => fits(m.data) })).data
      ),
      configs: () => peer.of('device:config-update').map((m) => m.data),
    };
  },
};

async function makeDevice() {
  const made = await server.post('/api/v1/devices', { name: 'thermostat' }, { token: admin });
  assert.equal(made.status, 201);
  return { id: made.json.data.device.id, key: made.json.data.key };
}
const get = async (id, token = admin) => server.get(`/api/v1/devices/${id}/config`, { token });
const patch = (id, body, headers = {}, token = admin) => (
  server.request('PATCH', `/api/v1/devices/${id}/config`, { token, body, headers })
);

test('what_is_desired_is_changed_by_merge_patches_under_a_version', async () => {
  const { id } = await makeDevice();
  const fresh = await get(id);
  assert.equal(fresh.status, 200);
  assert.equal(fresh.headers.get('etag'), '"v0"');
  assert.deepEqual(fresh.json.data, {
    deviceId: id, desired: {}, desiredVersion: 0, desiredAt: null,
    reported: {}, reportedVersion: 0, reportedAt: null, delta: {}, drift: false,
  });
  const made = await patch(id, { desired: { interval: 10, wifi: { ssid: 'a', psk: 'b' } } }, { 'if-match': '"v0"' });
  assert.equal(made.status, 200);
  assert.equal(made.headers.get('etag'), '"v1"');
  assert.equal(made.json.data.desiredVersion, 1);
  assert.deepEqual(made.json.data.delta, made.json.data.desired);
  assert.equal(made.json.data.drift, true);
  // Without a member `desired` the body itself is the patch.
  const short = await patch(id, { wifi: { psk: null, band: 5 } }, { 'if-match': made.headers.get('etag') });
  assert.deepEqual(short.json.data.desired, { interval: 10, wifi: { ssid: 'a', band: 5 } });
  assert.equal((await patch(id, { interval: 1 }, { 'if-match': '"v1"' })).status, 412);
  assert.equal((await patch(id, { desired: { interval: 1 }, version: 1 })).status, 412);
  const same = await patch(id, { desired: { interval: 10.0 } });
  assert.equal(same.headers.get('etag'), '"v2"');
  assert.equal(same.json.data.desiredVersion, 2);
});

test('a_patch_that_is_none_is_refused_and_named', async () => {
  const { id } = await makeDevice();
  for (const [body, member] of [
    [{ desired: 7 }, 'desired'],
    [{ desired: null }, 'desired'],
    [{ desired: { a: 1 }, interval: 5 }, 'interval'],
    [{ desired: { a: 1 }, version: 'x' }, 'version'],
    [[1], 'desired'],
  ]) {
    const refused = await patch(id, body);
    assert.equal(refused.status, 400, JSON.stringify(body));
    assert.equal(refused.json.errors[0].member, member === 'desired' && Array.isArray(body) ? 'the body' : member);
  }
  assert.equal((await patch(id, { a: 'x'.repeat(30_000) })).status, 200);
  const large = await patch(id, { b: 'x'.repeat(30_000) });
  assert.equal(large.status, 413);
  assert.equal((await get(id)).json.data.desiredVersion, 1);
});

test('only_who_may_reads_and_changes_it', async () => {
  const { id, key } = await makeDevice();
  const other = await makeDevice();
  assert.equal((await get(id, viewer)).status, 200);
  assert.equal((await get(id, key)).status, 200);
  assert.equal((await get(id, other.key)).status, 404);
  assert.equal((await patch(id, { a: 1 }, {}, viewer)).status, 403);
  assert.equal((await patch(id, { a: 1 }, {}, key)).status, 403);
  assert.equal((await get('01900000-0000-7000-8000-000000000000')).status, 404);
  await patch(id, { a: 1 });
  const audit = await server.get(`/api/v1/audit?target=${id}&action=device.config`, { token: admin });
  assert.equal(audit.json.data.length, 1);
});

for (const [wire, connect] of Object.entries(WIRES)) {
  test(`a_device_reports_what_it_has_over_${wire}`, async () => {
    const { id, key } = await makeDevice();
    await patch(id, { desired: { interval: 10, led: { on: true } } });
    const watcher = await talker(viewer);
    await watcher.ask('device:subscribe', { deviceId: id });
    const device = await connect(key);
    const registered = await device.register({ capabilities: ['led'] });
    assert.equal(registered.ok, true);
    assert.equal(registered.device.id, id);
    assert.deepEqual(registered.device.config, { desiredVersion: 1, reportedVersion: 0, drift: true });
    assert.equal(registered.config.version, 1);
    assert.deepEqual(registered.config.desired, { interval: 10, led: { on: true } });
    assert.deepEqual(registered.config.delta, registered.config.desired);
    assert.match(registered.config.timestamp, /^\d{4}-.*Z$/);
    const never = await device.ask('config:report', { version: 2, reported: {} });
    assert.equal(never.ok, false);
    assert.equal(never.error.type, 'INVALID_MESSAGE_FORMAT');
    assert.equal(never.error.details.member, 'version');
    for (const bad of [{ version: 1 }, { version: -1, reported: {} }, { version: 1, reported: [] }]) {
      assert.equal((await device.ask('config:report', bad)).error.type, 'INVALID_MESSAGE_FORMAT');
    }
    // It has version 1, it says, but not quite: that is drift.
    assert.equal((await device.ask('config:report', { version: 1, reported: { interval: 12, led: { on: true }, x: null } })).ok, true);
    const drifting = (await get(id)).json.data;
    assert.deepEqual(drifting.reported, { interval: 12, led: { on: true } });
    assert.equal(drifting.reportedVersion, 1);
    assert.deepEqual(drifting.delta, { interval: 10 });
    assert.equal(drifting.drift, true);
    const [told] = await watcher.first('device:updated', { test: (d) => d.config?.reportedVersion === 1 });
    assert.deepEqual(told.config, { desiredVersion: 1, reportedVersion: 1, drift: true });
    assert.equal((await device.ask('config:report', { version: 1, reported: { led: { on: true }, interval: 10.0 } })).ok, true);
    await watcher.first('device:updated', { test: (d) => d.config?.drift === false });
    assert.deepEqual((await get(id)).json.data.delta, {});
    assert.equal((await device.register()).config, undefined);
    assert.deepEqual((await server.get(`/api/v1/devices/${id}`, { token: viewer })).json.data.config, {
      desiredVersion: 1, reportedVersion: 1, drift: false,
    });
  });
}

for (const [wire, connect] of Object.entries(WIRES)) {
  test(`changes_are_pushed_to_the_live_socket_over_${wire}`, async () => {
    const { id, key } = await makeDevice();
    const device = await connect(key);
    assert.equal((await device.register()).config, undefined); // nothing was ever desired
    await patch(id, { interval: 10 });
    const first = await device.config();
    assert.equal(first.version, 1);
    assert.deepEqual(first.desired, { interval: 10 });
    assert.deepEqual(first.delta, { interval: 10 });
    assert.match(first.timestamp, /^\d{4}-.*Z$/);
    assert.equal((await device.ask('config:report', { version: 1, reported: first.desired })).ok, true);
    await patch(id, { interval: null, led: { on: true } });
    const second = await device.config((c) => c.version === 2);
    assert.deepEqual(second.desired, { led: { on: true } });
    assert.deepEqual(second.delta, { interval: null, led: { on: true } });
    // Registering while behind brings it again, by ack and by event.
    const before_ = device.configs().length;
    const registered = await device.register();
    assert.deepEqual(registered.config, second);
    assert.deepEqual(await device.config((c) => device.configs().length > before_ && c.version === 2), second);
    assert.equal((await device.ask('config:report', { version: 2, reported: second.desired })).ok, true);
    assert.deepEqual((await get(id)).json.data.delta, {});
  });
}

test('a_device_that_was_offline_learns_when_it_registers_also_after_a_restart', async () => {
  const { id, key } = await makeDevice();
  await patch(id, { mode: 'night' });
  await patch(id, { mode: 'day', level: 3 });
  const shown = (await get(id)).json.data;
  const { dataDir } = server;
  await server.crash();
  server = await startServer({ flags: ['--handshakes-per-s', '1000'], dataDir });
  assert.deepEqual((await get(id)).json.data, shown);
  assert.equal(shown.desiredVersion, 2);
  const device = await WIRES.socketio(key);
  assert.deepEqual((await device.register()).config.desired, { mode: 'day', level: 3 });
  assert.equal((await device.config()).version, 2);
  assert.equal(device.configs().length, 1);
});
