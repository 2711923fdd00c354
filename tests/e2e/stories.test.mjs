// The five end-to-end stories of the device-management design, each as one course of events, and the
// requirements 5.1-5.5 (CONTRACT 3), with the official client.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { authority, certificate } from './lib/certs.mjs';
import { CLIENTS, connected, open, until } from './lib/clients.mjs';
import { SANITIZED, startServer } from './lib/server.mjs';

const [CLIENT] = CLIENTS;
const ORIGIN = 'https://dashboard.example';

let server;
let admin;
const talkers = [];

const mint = (role, ttl = '1h', sub = role) =>
  server.cli('token', '--sub', sub, '--role', role, '--ttl', ttl);

/** A client (or a device, by its key) that is closed at the end. */
async function talk(token, options = {}) {
  const talker = await connected(CLIENT, server, { token, transports: ['websocket'], ...options });
  talkers.push(talker);
  return talker;
}

async function makeDevice(name) {
  const made = await server.post('/api/v1/devices', { name }, { token: admin });
  assert.equal(made.status, 201, made.text);
  return { id: made.json.data.device.id, key: made.json.data.key };
}

async function accepted(talker, event, payload) {
  const [answer] = await talker.ask(event, payload);
  assert.equal(answer.ok, true, `${event}: ${JSON.stringify(answer)}`);
  return answer;
}

async function refused(talker, event, payload, type) {
  const [answer] = await talker.ask(event, payload);
  assert.equal(answer.ok, false, `${event}: ${JSON.stringify(answer)}`);
  assert.equal(answer.error.type, type, JSON.stringify(answer));
  assert.equal(typeof answer.error.message, 'string');
  return answer.error;
}

const about = (id) => ({ test: (payload) => payload.id === id || payload.deviceId === id });
const sample = (deviceId, value, more = {}) => ({ deviceId, value, unit: 'C',
  sensorType: 'temperature', timestamp: new Date().toISOString(), ...more });
const order = (deviceId, requestId, more = {}) => ({ deviceId, requestId, command: 'blink',
  parameters: { times: 2 }, timestamp: new Date().toISOString(), ...more });

before(async () => {
  server = await startServer({ flags: ['--handshakes-per-s', '1000', '--allowed-origins', ORIGIN,
    '--connections-per-principal-max', '1000'] });
  admin = await mint('admin');
});
after(() => {
  for (const talker of talkers) talker.close();
  return server.stop();
});

describe('stories', () => {
  it('a_device_registers_and_is_seen_by_who_follows_it', async () => {
    const operator = await talk(await mint('operator'));
    await accepted(operator, 'device:subscribe', {});
    const made = await server.post('/api/v1/provisioning-keys', { uses: 1 }, { token: admin });
    const fresh = await talk(made.json.data.key);
    const { device, key } = await accepted(fresh, 'device:register',
      { name: 'pump 7', type: 'pump', capabilities: ['telemetry'] });
    fresh.close();
    const [created] = await operator.first('device:created', about(device.id));
    assert.equal(created.name, 'pump 7');
    assert.equal(created.connectionStatus, 'offline');

    const pump = await talk(key);
    const [online] = await operator.first('device:connected', about(device.id));
    assert.ok(Date.parse(online.connectedAt) > 0);
    const registered = await accepted(pump, 'device:register',
      { deviceId: device.id, capabilities: ['telemetry', 'command-ack'] });
    assert.deepEqual(registered.device.capabilities, ['telemetry', 'command-ack']);
    await operator.first('device:updated', { test: (d) => d.id === device.id &&
      d.capabilities.includes('command-ack') && d.connectionStatus === 'online' });
    await accepted(pump, 'device:heartbeat', { timestamp: new Date().toISOString() });

    const changed = await server.request('PATCH', `/api/v1/devices/${device.id}`,
      { token: admin, body: { status: 'maintenance' } });
    assert.equal(changed.status, 200, changed.text);
    const [status] = await operator.first('device:status-changed', about(device.id));
    assert.equal(status.status, 'maintenance');
    pump.close();
    const [offline] = await operator.first('device:disconnected', about(device.id));
    assert.ok(offline.disconnectedAt >= online.connectedAt);
    const { json } = await server.get(`/api/v1/devices/${device.id}`, { token: admin });
    assert.equal(json.data.connectionStatus, 'offline');
    assert.ok(Date.parse(json.data.lastSeen) > 0);
    await server.request('DELETE', `/api/v1/devices/${device.id}`, { token: admin });
    await operator.first('device:deleted', about(device.id));
  });

  it('telemetry_is_stored_and_reaches_its_subscribers_at_once', async () => {
    const { id, key } = await makeDevice('thermometer');
    const [device, follower, stranger] =
      await Promise.all([talk(key), talk(await mint('viewer')), talk(await mint('viewer'))]);
    await accepted(follower, 'telemetry:subscribe', { deviceId: id });
    const one = sample(id, 21.5, { metadata: { room: 'kitchen' } });
    const stored = await accepted(device, 'telemetry:data', one);
    assert.equal(stored.accepted, 1);
    const [update] = await follower.first('telemetry:update', about(id));
    assert.deepEqual([update.value, update.unit, update.sensorType, update.metadata],
      [21.5, 'C', 'temperature', { room: 'kitchen' }]);

    const batch = [sample(id, 1, { sensorType: 'a' }), sample(id, 'warm'), sample(id, 3, { sensorType: 'b' })];
    const partly = await accepted(device, 'telemetry:data', batch);
    assert.equal(partly.accepted, 2);
    assert.deepEqual(partly.rejected.map(({ index }) => index), [1]);
    await follower.first('telemetry:update', { test: (u) => u.sensorType === 'b' && u.value === 3 });
    await refused(device, 'telemetry:data', sample(id, 1e9), 'TELEMETRY_VALIDATION_FAILED');

    const late = await talk(await mint('viewer'));
    await accepted(late, 'telemetry:subscribe', { deviceId: id });
    const [initial] = await late.first('telemetry:update',
      { test: (u) => u.sensorType === 'temperature' });
    assert.deepEqual([initial.initial, initial.value], [true, 21.5]);
    const latest = await server.get(`/api/v1/devices/${id}/telemetry/latest`, { token: admin });
    assert.deepEqual(latest.json.data.map((s) => s.value).sort(), [1, 21.5, 3]);
    assert.deepEqual(stranger.of('telemetry:update'), []);
  });

  it('a_command_goes_from_a_client_to_its_device_and_back', async () => {
    const { id, key } = await makeDevice('lamp');
    const [lamp, operator] = await Promise.all([talk(key), talk(await mint('operator'))]);
    await accepted(lamp, 'device:register', { deviceId: id, capabilities: ['command-ack'] });
    const heard = [];
    lamp.socket.on('device:command', (command, ack) => {
      heard.push(command.requestId);
      if (typeof ack === 'function') ack({ ok: true });
      const failed = command.command === 'burn';
      lamp.socket.emit('command:response', { requestId: command.requestId,
        status: failed ? 'error' : 'success', timestamp: new Date().toISOString(),
        ...(failed ? { error: { code: 'NO', message: 'never' } } : { result: { blinked: 2 } }) });
    });
    const recorded = await accepted(operator, 'device:command', order(id, 'story-1'));
    assert.equal(recorded.status, 'pending');
    const ended = (requestId) => ({ test: (r) => r.requestId === requestId && r.status !== 'pending' });
    const [done] = await operator.first('command:result', ended('story-1'));
    assert.deepEqual([done.status, done.phase, done.response], ['executed', 'done', { blinked: 2 }]);
    await accepted(operator, 'device:command', order(id, 'story-2', { command: 'burn' }));
    const [failed] = await operator.first('command:result', ended('story-2'));
    assert.deepEqual([failed.status, failed.phase], ['failed', 'failed']);

    lamp.socket.disconnect();
    await until('the lamp is offline', async () => (await server.get(`/api/v1/devices/${id}`,
      { token: admin })).json.data.connectionStatus === 'offline');
    await accepted(operator, 'device:command', order(id, 'story-3', { queue: true }));
    lamp.socket.connect();
    const [queued] = await operator.first('command:result', ended('story-3'));
    assert.equal(queued.phase, 'done');
    assert.deepEqual(heard, ['story-1', 'story-2', 'story-3']);
  });

  it('many_clients_hear_what_they_subscribed_to_and_nothing_else', async () => {
    const N = SANITIZED ? 8 : 20;
    const devices = await Promise.all(Array.from({ length: 5 }, (_, i) => makeDevice(`of many ${i}`)));
    const sockets = await Promise.all(devices.map(({ key }) => talk(key)));
    const viewer = await mint('viewer');
    const clients = await Promise.all(Array.from({ length: N }, () => talk(viewer)));
    const wanted = clients.map((_, i) => devices.filter((_, d) => (i >> d) % 2 === 1 || i % 5 === d));
    await Promise.all(clients.map((client, i) => Promise.all(wanted[i].map(({ id }) =>
      Promise.all([accepted(client, 'telemetry:subscribe', { deviceId: id }),
        accepted(client, 'device:subscribe', { deviceId: id })])))));
    await Promise.all(sockets.map((socket, d) => accepted(socket, 'telemetry:data',
      sample(devices[d].id, d))));
    await Promise.all(devices.map(({ id }) => server.request('PATCH', `/api/v1/devices/${id}`,
      { token: admin, body: { status: 'maintenance' } })));
    for (const [i, client] of clients.entries()) {
      for (const { id } of wanted[i]) {
        await client.first('telemetry:update', about(id));
        await client.first('device:status-changed', about(id));
      }
      const ids = wanted[i].map(({ id }) => id).sort();
      assert.deepEqual(client.of('telemetry:update').map(([u]) => u.deviceId).sort(), ids);
      assert.deepEqual(client.of('device:status-changed').map(([s]) => s.id).sort(), ids);
    }
  });

  it('who_is_cut_off_comes_back_and_has_missed_nothing', async () => {
    const { id, key } = await makeDevice('on the road');
    const [device, client] = await Promise.all([talk(key), talk(await mint('viewer'))]);
    await accepted(client, 'device:subscribe', { deviceId: id });
    await accepted(device, 'device:register', { deviceId: id, capabilities: [] });
    await client.first('device:updated', about(id));
    const status = (to) => server.request('PATCH', `/api/v1/devices/${id}`,
      { token: admin, body: { status: to } });
    const sid = client.id;
    client.socket.io.reconnectionDelay(400); // away until the change has happened
    client.cut();
    await status('maintenance');
    await client.next('connect');
    assert.equal(client.socket.recovered, true);
    assert.equal(client.id, sid);
    await client.first('device:status-changed', about(id));

    device.cut();
    await device.next('connect');
    await accepted(device, 'telemetry:data', sample(id, 1));

    await server.crash();
    server = await startServer({ dataDir: server.dataDir, flags: ['--handshakes-per-s', '1000',
      '--allowed-origins', ORIGIN, '--listen', `${server.host}:${server.port}`] });
    await until('both are back', () => client.socket.connected && device.socket.connected);
    await status('active');
    await client.first('device:status-changed',
      { test: (s) => s.id === id && s.status === 'active' });
    await until('the device is online', async () => (await server.get(`/api/v1/devices/${id}`,
      { token: admin })).json.data.connectionStatus === 'online');
    const told = client.of('device:status-changed').map(([s]) => s.status);
    assert.deepEqual(told, ['maintenance', 'active']);
  });
});

describe('requirements', () => {
  const turnedAway = async (token, options = {}) => {
    const talker = open(CLIENT, server, { token, transports: ['websocket'], reconnection: false,
      ...options });
    talkers.push(talker);
    const [error] = await talker.first('connect_error');
    assert.deepEqual(talker.of('connect'), []);
    return error;
  };

  it('5.1_a_valid_token_is_needed_to_connect', async () => {
    const good = await mint('viewer');
    await talk(good);
    const [head, body, signature] = good.split('.');
    const forged = `${head}.${Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(body,
      'base64url')), kind: 'service' })).toString('base64url')}.${signature}`;
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${body}.`;
    for (const bad of [undefined, '', 'x', forged, none, `${good}x`]) {
      assert.equal((await turnedAway(bad)).data.type, 'AUTHENTICATION_FAILED', `${bad}`);
    }
  });

  it('5.2_a_refusal_says_clearly_what_is_wrong', async () => {
    const error = await turnedAway('not a token');
    assert.deepEqual(Object.keys(error.data).sort(), ['code', 'details', 'message', 'type']);
    assert.equal(error.data.type, 'AUTHENTICATION_FAILED');
    assert.equal(error.data.code, 401);
    assert.equal(error.message, error.data.message);
    const { status, json } = await server.get('/api/v1/devices', { token: 'not a token' });
    assert.equal(status, 401);
    assert.equal(json.success, false);
  });

  it('5.3_origins_and_tls_are_settings', async () => {
    const handshake = (origin) => server.get('/socket.io/?EIO=4&transport=polling',
      { headers: { origin } });
    const allowed = await handshake(ORIGIN);
    assert.equal(allowed.status, 200);
    assert.equal(allowed.headers.get('access-control-allow-origin'), ORIGIN);
    assert.equal((await handshake('https://elsewhere.example')).status, 403);
    const ca = authority('stories');
    const own = certificate(ca, 'localhost');
    const secure = await startServer({ flags: ['--listen', 'tls://127.0.0.1:0', '--tls-cert',
      own.file, '--tls-key', own.keyFile] });
    const token = await secure.cli('token', '--sub', 'root', '--role', 'admin');
    const url = secure.ready.listen[0].replace('tls:', 'https:');
    const talker = await connected(CLIENT, { url }, { token, transports: ['websocket'],
      ca: ca.cert });
    const [answer] = await talker.ask('device:subscribe', {});
    assert.equal(answer.ok, true);
    talker.close();
    await secure.stop();
  });

  it('5.4_what_one_may_do_depends_on_role_and_kind', async () => {
    const [mine, others] = await Promise.all([makeDevice('mine'), makeDevice('others')]);
    const [viewer, operator, device] = await Promise.all(
      [talk(await mint('viewer')), talk(await mint('operator')), talk(mine.key)]);
    await refused(viewer, 'device:command', order(mine.id, 'no-1'), 'PERMISSION_DENIED');
    await accepted(operator, 'device:command', order(mine.id, 'yes-1', { queue: true }));
    await refused(operator, 'telemetry:data', sample(mine.id, 1), 'PERMISSION_DENIED');
    await refused(operator, 'device:heartbeat', { timestamp: 1 }, 'PERMISSION_DENIED');
    await accepted(device, 'device:subscribe', { deviceId: mine.id });
    await refused(device, 'device:subscribe', { deviceId: others.id }, 'DEVICE_NOT_FOUND');
    await refused(device, 'telemetry:data', sample(others.id, 1), 'TELEMETRY_VALIDATION_FAILED');
    const read = ({ id }) => server.get(`/api/v1/devices/${id}`, { token: mine.key });
    assert.deepEqual([(await read(mine)).status, (await read(others)).status], [200, 404]);
  });

  it('5.5_a_token_that_expires_is_told_can_be_refreshed_and_ends_its_socket', async () => {
    const soon = await mint('viewer', '3s', 'brief');
    const lasting = await mint('viewer', '1h', 'brief');
    const [kept, ended, other] = await Promise.all([talk(soon), talk(soon, { reconnection: false }),
      talk(soon, { reconnection: false })]);
    const [expiring] = await kept.first('auth:expiring');
    assert.ok(Date.parse(expiring.expiresAt) - Date.now() < 5000);
    await accepted(kept, 'auth:refresh', { token: lasting });
    const stolen = await mint('viewer', '1h', 'somebody-else');
    await refused(other, 'auth:refresh', { token: stolen }, 'AUTHENTICATION_FAILED');
    await other.first('disconnect');
    const [closing] = await ended.first('closing');
    assert.equal(closing.code, 4100);
    await ended.first('disconnect');
    await accepted(kept, 'device:subscribe', {});
    assert.deepEqual(kept.of('disconnect'), []);
  });
});
