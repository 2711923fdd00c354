// Monitor end to end: a device's socket in, viewers' channels out, REST beside them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test, { after, before } from 'node:test';
import vm from 'node:vm';
import WebSocket from 'ws';
import { PATIENCE, ROOT, SLOWNESS, startServer, within } from './lib/server.mjs';

const SOON_MS = 5000 * PATIENCE;
let server;
let admin;
let operator;
let viewer;

const token = async (name, role) => (
  await server.cli('token', '--sub', name, '--kind', 'user', '--role', role, '--ttl', '1h')
);

before(async () => {
  server = await startServer({ flags: ['--handshakes-per-s', '1000'] });
  admin = await token('root', 'admin');
  operator = await token('olga', 'operator');
  viewer = await token('victor', 'viewer');
});

after(() => server.stop());

/** A socket that remembers its frames and waits for those to come. */
class Peer {
  constructor(target, { token: bearer, origin, protocols } = {}) {
    const headers = { ...(bearer ? { authorization: `Bearer ${bearer}` } : {}) };
    this.frames = [];
    this.watchers = new Set();
    this.ws = new WebSocket(server.url.replace('http', 'ws') + target, protocols, { headers, origin });
    this.ws.on('message', (data) => {
      this.frames.push(JSON.parse(data.toString()));
      for (const watcher of [...this.watchers]) watcher();
    });
    this.ws.on('error', () => {});
    this.closed = new Promise((resolve) => {
      this.ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    this.refused = new Promise((resolve) => {
      this.ws.on('unexpected-response', (_, response) => {
        resolve(response);
        response.resume();
        this.ws.terminate();
      });
    });
    this.opened = new Promise((resolve) => this.ws.on('open', resolve));
  }

  send(frame) {
    this.ws.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  /** The `nth` frame for which `match` (a type, or a function) holds, said already or to come. */
  next(match, nth = 1) {
    const test_ = typeof match === 'string' ? (f) => f.type === match : match;
    let watcher;
    const found = new Promise((resolve) => {
      watcher = () => {
        const hits = this.frames.filter(test_);
        if (hits.length >= nth) resolve(hits[nth - 1]);
      };
      this.watchers.add(watcher);
      watcher();
    });
    return within(SOON_MS, `frame ${match}`, found).finally(() => this.watchers.delete(watcher));
  }

  ack(id) {
    return this.next((f) => f.type === 'ack' && f.data.id === id);
  }

  close() {
    this.ws.close();
    return within(SOON_MS, 'close', this.closed);
  }
}

const state = (more = {}) => ({
  os: 'Debian GNU/Linux 12 (bookworm)',
  architecture: 'x86_64',
  uptime: 12345,
  hostname: 'web-1',
  ipAddress: '192.0.2.7',
  macAddress: '02:00:00:00:00:01',
  cpuCores: 4,
  agentVersion: '1.0',
  interfaces: [{
    name: 'eth0', mac: '02:00:00:00:00:01', addresses: ['192.0.2.7/24'], up: true, speedMbps: 1000,
    rxBytes: 10, txBytes: 20, rxErrors: 0, txErrors: 0,
  }],
  top_processes: [
    { pid: 7, name: 'postgres', cpu: 12.5, mem: 3.25, user: 'postgres', command: 'postgres -D secret-dir' },
  ],
  ...more,
});

const metrics = (at, more = {}) => ({
  cpu: 12.34,
  memory: { used: 4 << 20, total: 16 << 20 },
  network: { download: 1000, upload: 200 },
  load: 0.5,
  disk: { used: 100, total: 1000 },
  swapUsed: 0,
  temperature: 41.5,
  timestamp: new Date(at).toISOString(),
  ...more,
});

const row = (at, more = {}) => metrics(at, {
  row: true, recordedAt: new Date(at).toISOString(), top_processes: state().top_processes, ...more,
});

async function makeDevice(name) {
  const made = await server.post('/api/v1/devices', { name }, { token: admin });
  assert.equal(made.status, 201, made.text);
  return { id: made.json.data.device.id, key: made.json.data.key };
}

async function connectDevice(device) {
  const peer = new Peer(`/api/v1/devices/${device.id}/ws`, { token: device.key });
  await peer.next('connected');
  return peer;
}

async function watch(device, channels, bearer) {
  const peer = new Peer(`/api/v1/devices/${device.id}/ws`, { token: bearer });
  await peer.next('connected');
  peer.send({ type: 'subscribe', channels });
  return peer;
}

/** Names and types of the members, lists by their first element. */
function shapeOf(value) {
  if (Array.isArray(value)) return value.slice(0, 1).map(shapeOf);
  if (value === null || typeof value !== 'object') return typeof value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, shapeOf(v)]));
}

const golden = (name) => JSON.parse(readFileSync(path.join(ROOT, `tests/golden/monitor_${name}.json`)));

const get = (target, bearer = viewer) => server.get(target, { token: bearer });

async function until(what, ask, good) {
  const end = Date.now() + SOON_MS;
  for (;;) {
    const got = await ask();
    if (good(got)) return got;
    assert.ok(Date.now() < end, `${what}: ${JSON.stringify(got)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('the document\'s snippet runs unmodified against a device uuid', async () => {
  const device = await makeDevice('snippet');
  const dev = await connectDevice(device);
  const now = Math.floor(Date.now() / 60000) * 60000;
  dev.send({ type: 'state', id: 1, data: state() });
  dev.send({ type: 'metrics', id: 2, data: row(now) });
  assert.equal((await dev.ack(1)).data.ok, true);
  assert.equal((await dev.ack(2)).data.ok, true);
  const snippet = `
    const ws = new WebSocket('ws://localhost:4002/api/v1/devices/YOUR-DEVICE-UUID/ws');

    ws.onopen = () => {
      console.log('Connected!');

      // Subscribe to channels
      ws.send(JSON.stringify({
        type: 'subscribe',
        channels: ['metrics', 'processes', 'system-info', 'history', 'network-interfaces']
      }));
    };

    ws.onmessage = (event) => {
      const message = JSON.parse(event.data);
      console.log('Received:', message);
    };

    ws.onerror = (error) => {
      console.error('Error:', error);
    };

    ws.onclose = () => {
      console.log('Disconnected');
    };
    ws`.replace('localhost:4002', `localhost:${server.port}`).replace('YOUR-DEVICE-UUID', device.id);
  const received = [];
  let seen;
  const all = new Promise((resolve) => { seen = resolve; });
  const log = (text, message) => {
    if (text === 'Received:') received.push(message);
    if (new Set(received.map((m) => m.type)).size === 6) seen();
  };
  const ws = vm.runInNewContext(snippet, { WebSocket, JSON, console: { log, error: log } });
  await within(SOON_MS, 'all channels', all);
  assert.equal(received[0].type, 'connected');
  assert.equal(received[0].data.deviceUuid, device.id);
  const of = (type) => received.find((m) => m.type === type).data;
  assert.deepEqual(of('processes').top_processes.map((p) => p.name), ['postgres']);
  assert.ok(!received.some((m) => JSON.stringify(m).includes('secret-dir')), 'hidden from anonymous');
  assert.equal(of('system-info').hostname, 'web-1');
  const { uptime } = of('system-info'); // it goes on while the host is there
  assert.ok(uptime >= 12345 && uptime < 12345 + 60, `${uptime}`);
  assert.equal(of('network-interfaces').interfaces[0].name, 'eth0');
  assert.equal(of('history').cpu.length, 1);
  assert.equal(of('history').cpu[0].value, 12);
  assert.equal(of('history').memory[0].used, 4);
  assert.equal(of('history').memory[0].available, 12);
  assert.match(of('history').cpu[0].time, /^(0[1-9]|1[0-2]):[0-5]\d [AP]M$/);
  assert.equal(of('metrics').cpu, 12.34);
  ws.close();
  await dev.close();
});

test('a live sample reaches every viewer as it arrives', async () => {
  const device = await makeDevice('live');
  const dev = await connectDevice(device);
  const viewers = await Promise.all([1, 2, 3].map(() => watch(device, ['metrics'], viewer)));
  const at = Date.now();
  await Promise.all(viewers.map(async (v) => {
    v.send({ type: 'ping' });
    await v.next('pong'); // the subscription is at the home by now
  }));
  for (let i = 0; i < 5; i++) {
    dev.send({ type: 'metrics', data: metrics(at + i, { cpu: i }) });
  }
  await Promise.all(viewers.map((v) => v.next((f) => f.type === 'metrics' && f.data.cpu === 4)));
  const got = await get(`/api/v1/devices/${device.id}`);
  assert.equal(got.json.data.metrics.cpu, 4);
  assert.equal(got.json.data.connectionStatus, 'online');
  await Promise.all([...viewers, dev].map((p) => p.close()));
  await until('offline', () => get(`/api/v1/devices/${device.id}`),
    (r) => r.json.data.connectionStatus === 'offline');
});

test('a tick sends again without news, on every loop', async () => {
  // The home of a device may be a loop without any connection: several devices find one.
  const devices = await Promise.all([1, 2, 3, 4].map((i) => makeDevice(`tick-${i}`)));
  const viewers = await Promise.all(devices.map(async (device) => {
    const report = await server.request('PATCH', `/api/v1/devices/${device.id}/state`,
      { body: state(), token: device.key });
    assert.equal(report.status, 200);
    return watch(device, ['system-info'], viewer);
  }));
  await Promise.all(viewers.map((v) => v.next('system-info')));
  const started = Date.now();
  await Promise.all(viewers.map((v) => within(32_000 * PATIENCE, 'tick', new Promise((resolve) => {
    v.watchers.add(() => v.frames.filter((f) => f.type === 'system-info').length > 1 && resolve());
  }))));
  assert.ok(Date.now() - started > 29_000);
  await Promise.all(viewers.map((v) => v.close()));
});

test('command lines are shown to operators only', async () => {
  const device = await makeDevice('commands');
  const dev = await connectDevice(device);
  dev.send({ type: 'state', id: 'a', data: state() });
  await dev.ack('a');
  const seen = await watch(device, ['processes'], operator);
  const hidden = await watch(device, ['processes'], viewer);
  assert.equal((await seen.next('processes')).data.top_processes[0].command, 'postgres -D secret-dir');
  assert.ok(!('command' in (await hidden.next('processes')).data.top_processes[0]));
  const rest = await get(`/api/v1/devices/${device.id}/state`);
  assert.ok(!rest.text.includes('secret-dir'));
  const full = await get(`/api/v1/devices/${device.id}/state`, operator);
  assert.ok(full.text.includes('secret-dir'));
  await Promise.all([seen, hidden, dev].map((p) => p.close()));
});

test('the newest socket of a device wins', async () => {
  const device = await makeDevice('takeover');
  const first = await connectDevice(device);
  const second = await connectDevice(device);
  assert.equal((await within(SOON_MS, 'first closed', first.closed)).code, 4001);
  second.send({ type: 'heartbeat', id: 1, data: { timestamp: new Date().toISOString() } });
  assert.equal((await second.ack(1)).data.ok, true);
  const got = await get(`/api/v1/devices/${device.id}`);
  assert.equal(got.json.data.connectionStatus, 'online');
  await second.close();
});

test('a row is acknowledged once it is stored, and twice is once', async () => {
  const device = await makeDevice('rows');
  const dev = await connectDevice(device);
  const base = Math.floor(Date.now() / 60000) * 60000 - 3600000;
  for (let i = 0; i < 40; i++) {
    dev.send({ type: 'metrics', id: i + 1, data: row(base + i * 60000, { cpu: i }) });
  }
  dev.send({ type: 'metrics', id: 100, data: row(base, { cpu: 99 }) });
  assert.equal((await dev.ack(100)).data.ok, true);
  for (let i = 0; i < 40; i++) assert.equal((await dev.ack(i + 1)).data.ok, true);
  const raw = await get(`/api/v1/devices/${device.id}/metrics?from=${base}&to=${base + 3600000}&points=100`);
  assert.equal(raw.json.data.source, 'raw');
  assert.deepEqual(raw.json.data.points.map((p) => p.cpu), [...Array(40).keys()]);
  assert.equal(raw.json.data.points[0].ts, base);
  const minutes = await get(`/api/v1/devices/${device.id}/metrics?from=${base}&to=${base + 3600000}&points=6&agg=max`);
  assert.equal(minutes.json.data.source, '1m');
  assert.equal(minutes.json.data.resolution_ms, 600000);
  assert.equal(Math.max(...minutes.json.data.points.map((p) => p.cpu)), 39);
  const then = await get(`/api/v1/devices/${device.id}/processes?at=${base + 90000}`);
  assert.equal(new Date(then.json.data.recordedAt).getTime(), base + 60000);
  assert.equal((await get(`/api/v1/devices/${device.id}/processes?at=${base - 1}`)).status, 404);
  const v = await watch(device, ['history'], viewer);
  const history = (await v.next('history')).data;
  assert.deepEqual(history.cpu.map((p) => p.value), [...Array(30).keys()].map((i) => i + 10));
  await Promise.all([v.close(), dev.close()]);
});

test('a bad frame gets its error and the socket goes on', async () => {
  const device = await makeDevice('bad');
  const dev = await connectDevice(device);
  dev.send('{"type":');
  assert.equal((await dev.next('error')).data.type, 'INVALID_MESSAGE_FORMAT');
  dev.send({ type: 'made-up', id: 1, data: {} });
  const unknown = (await dev.ack(1)).data;
  assert.equal(unknown.ok, false);
  assert.equal(unknown.error.type, 'INVALID_MESSAGE_FORMAT');
  dev.send({ type: 'metrics', id: 2, data: { cpu: 'hot' } });
  assert.equal((await dev.ack(2)).data.error.details.member, 'cpu');
  dev.send({ type: 'metrics', id: 3, data: metrics(Date.now() + 600000) });
  assert.equal((await dev.ack(3)).data.error.details.member, 'timestamp');
  dev.send({ type: 'metrics', id: 4, data: row(Date.now(), { top_processes: [{ pid: 1 }] }) });
  assert.equal((await dev.ack(4)).data.error.details.member, 'top_processes[0].name');
  dev.send({ type: 'heartbeat', id: 5 });
  assert.equal((await dev.ack(5)).data.ok, true);
  await dev.close();
});

test('frames to one peer have the documented shape', async () => {
  const device = await makeDevice('golden');
  const dev = await connectDevice(device);
  dev.send({ type: 'ping' });
  dev.send({ type: 'heartbeat', id: 1 });
  dev.send({ type: 'metrics', id: 2, data: { cpu: 'x' } });
  dev.send({ type: 'dance' });
  const same = async (name, frame) => assert.deepEqual(shapeOf(await frame), shapeOf(golden(name)), name);
  await same('connected', dev.next('connected'));
  await same('pong', dev.next('pong'));
  await same('ack', dev.ack(1));
  await same('error', dev.next('error'));
  assert.deepEqual(await dev.ack(2), golden('ack_refused'));
  assert.deepEqual(await dev.next('error'), golden('error'));
  await dev.close();
});

test('a socket is told before its token ends and lives on with a new one', async () => {
  const device = await makeDevice('refresh');
  const short = () => server.cli('token', '--sub', 'victor', '--kind', 'user', '--role', 'viewer', '--ttl', '61s');
  const v = await watch(device, ['metrics'], await short());
  assert.deepEqual(shapeOf(await v.next('auth_expiring')), shapeOf(golden('auth_expiring')));
  v.send({ type: 'auth_refresh', id: 'r', data: { token: viewer } });
  assert.equal((await v.ack('r')).data.ok, true);
  v.send({ type: 'auth_refresh', id: 's', data: { token: operator } });
  assert.equal((await v.ack('s')).data.error.type, 'AUTHENTICATION_FAILED');
  assert.equal((await within(SOON_MS, 'close', v.closed)).code, 1008);
});

test('rights that end, end live sockets', async () => {
  const device = await makeDevice('rights');
  const dev = await connectDevice(device);
  dev.send({ type: 'state', id: 1, data: state() });
  await dev.ack(1);
  const ida = await token('ida', 'operator');
  const v = await watch(device, ['processes'], ida);
  assert.ok('command' in (await v.next('processes')).data.top_processes[0]);
  await server.cli('user', 'grant', '--name', 'ida', '--role', 'viewer');
  await server.cli('user', 'revoke', '--name', 'ida', '--role', 'operator');
  const hidden = await v.next((f) => f.type === 'processes' && !('command' in f.data.top_processes[0]));
  assert.equal(hidden.data.top_processes[0].pid, 7);
  await server.cli('user', 'revoke', '--name', 'ida', '--role', 'viewer');
  assert.equal((await within(1000 * SLOWNESS, 'close', v.closed)).code, 4000);
  await dev.close();
});

test('a new key is made beside the old one, and a revoked one ends its socket', async () => {
  const device = await makeDevice('keys');
  const dev = await connectDevice(device);
  const base = `/api/v1/devices/${device.id}/credentials`;
  const made = await server.post(base, { name: 'second' }, { token: admin });
  assert.equal(made.status, 201, made.text);
  assert.match(made.json.data.key, /^sbk_/);
  const keys = await get(base, admin);
  assert.deepEqual(keys.json.data.map((k) => k.name), ['first', 'second']);
  const gone = await server.request('DELETE', `${base}/${keys.json.data[0].id}`, { token: admin });
  assert.equal(gone.status, 204);
  assert.equal((await within(1000 * SLOWNESS, 'close', dev.closed)).code, 4000);
  await (await connectDevice({ id: device.id, key: made.json.data.key })).close();
  assert.equal((await server.post(base, {}, { token: operator })).status, 403);
});

test('a device may find its socket without knowing its id', async () => {
  const device = await makeDevice('self');
  const dev = new Peer('/api/v1/devices/self/ws', { token: device.key });
  assert.equal((await dev.next('connected')).data.deviceUuid, device.id);
  dev.send({ type: 'register', id: 1, data: { deviceId: device.id, capabilities: ['host-metrics'] } });
  assert.equal((await dev.ack(1)).data.ok, true);
  assert.deepEqual((await get(`/api/v1/devices/${device.id}`)).json.data.capabilities, ['host-metrics']);
  const log = await get(`/api/v1/devices/${device.id}/connections`);
  assert.equal(log.json.data[0].clientType, 'device');
  assert.equal(log.json.data[0].disconnectedAt, null);
  await dev.close();
  const ended = await until('closed row', () => get(`/api/v1/devices/${device.id}/connections`),
    (r) => r.json.data[0].disconnectedAt !== null);
  assert.equal(ended.json.data[0].closeReason, 'peer_closed');
  const other = new Peer('/api/v1/devices/self/ws', { token: viewer });
  assert.equal((await within(SOON_MS, 'refusal', other.refused)).statusCode, 403);
});

test('who is not let in is refused before the upgrade', async () => {
  const device = await makeDevice('door');
  const other = await makeDevice('other');
  const refused = async (target, options) => {
    const peer = new Peer(target, options);
    return (await within(SOON_MS, 'refusal', peer.refused)).statusCode;
  };
  const unknown = '/api/v1/devices/01900000-0000-7000-8000-00000000dead/ws';
  assert.equal(await refused(unknown, { token: viewer }), 404);
  assert.equal(await refused(unknown, {}), 404);
  assert.equal(await refused('/api/v1/devices/nonsense/ws', { token: viewer }), 404);
  assert.equal(await refused(`/api/v1/devices/${device.id}/ws`, { token: 'rubbish' }), 401);
  assert.equal(await refused(`/api/v1/devices/${device.id}/ws`, { token: other.key }), 403);
  assert.equal(await refused(`/api/v1/devices/${device.id}/ws`, { origin: 'https://evil.example' }), 403);
});

test('disabling a device ends its socket at once and its key', async () => {
  const device = await makeDevice('disable');
  const dev = await connectDevice(device);
  const off = await server.post(`/api/v1/devices/${device.id}/disable`, {}, { token: admin });
  assert.equal(off.json.data.status, 'disabled');
  assert.equal((await within(1000 * SLOWNESS, 'close', dev.closed)).code, 4002);
  const again = new Peer(`/api/v1/devices/${device.id}/ws`, { token: device.key });
  assert.ok([401, 403].includes((await within(SOON_MS, 'refusal', again.refused)).statusCode));
  const on = await server.post(`/api/v1/devices/${device.id}/enable`, {}, { token: admin });
  assert.equal(on.json.data.status, 'active');
  await (await connectDevice(device)).close();
});

test('deleting a device takes everything with it', async () => {
  const device = await makeDevice('delete');
  const dev = await connectDevice(device);
  dev.send({ type: 'metrics', id: 1, data: row(Date.now()) });
  await dev.ack(1);
  const gone = await server.request('DELETE', `/api/v1/devices/${device.id}`, { token: admin });
  assert.equal(gone.status, 204);
  assert.equal((await within(SOON_MS, 'close', dev.closed)).code, 4000);
  assert.equal((await get(`/api/v1/devices/${device.id}`)).status, 404);
  assert.equal((await get(`/api/v1/devices/${device.id}/metrics`)).status, 404);
});

test('devices are listed in pages, filtered, and changed by version', async () => {
  for (const name of ['page-a', 'page-b', 'page-c']) {
    await server.post('/api/v1/devices', { name, type: 'sensor', tags: ['attic', 'attic'] }, { token: operator });
  }
  const first = await get('/api/v1/devices?q=PAGE-&limit=2&tag=attic&type=sensor&connection=offline');
  assert.deepEqual(first.json.data.map((d) => d.name), ['page-a', 'page-b']);
  const second = await get(`/api/v1/devices?q=page-&limit=2&cursor=${first.json.next_cursor}`);
  assert.deepEqual(second.json.data.map((d) => d.name), ['page-c']);
  assert.equal(second.json.next_cursor, undefined);
  assert.equal((await get('/api/v1/devices?cursor=!')).status, 400);
  assert.equal((await get('/api/v1/devices?status=happy')).status, 400);
  assert.equal((await server.get('/api/v1/devices')).status, 401);

  const target = `/api/v1/devices/${first.json.data[0].id}`;
  const read = await get(target);
  assert.deepEqual(read.json.data.tags, ['attic']);
  const etag = read.headers.get('etag');
  const patch = (body, headers = {}) => server.request('PATCH', target, { body, token: operator, headers });
  const changed = await patch({ name: 'page-z', metadata: { floor: 2, room: { a: 1 } } }, { 'if-match': etag });
  assert.equal(changed.status, 200, changed.text);
  assert.equal(changed.json.data.name, 'page-z');
  assert.equal((await patch({ name: 'lost' }, { 'if-match': etag })).status, 412);
  const merged = await patch({ metadata: { floor: null, room: { b: 2 } } });
  assert.deepEqual(merged.json.data.metadata, { room: { a: 1, b: 2 } });
  const bad = await patch({ name: '' });
  assert.equal(bad.status, 400);
  assert.equal((await server.request('PATCH', target, { body: { name: 'x' }, token: viewer })).status, 403);
});

test('a host without a socket reports by PATCH', async () => {
  const device = await makeDevice('patched');
  const report = (body) => server.request('PATCH', `/api/v1/devices/${device.id}/state`, { body, token: device.key });
  assert.equal((await report(state({ metrics: metrics(Date.now()) }))).status, 200);
  assert.equal((await report({ uptime: 99 })).status, 200);
  const got = await get(`/api/v1/devices/${device.id}/state`, operator);
  assert.equal(got.json.data.uptime, 99);
  assert.equal(got.json.data.hostname, 'web-1');
  const shown = await get(`/api/v1/devices/${device.id}`);
  assert.equal(shown.json.data.metrics.cpu, 12.34);
  assert.equal(shown.json.data.system.os, 'Debian GNU/Linux 12 (bookworm)');
  const viewerTries = await server.request('PATCH', `/api/v1/devices/${device.id}/state`, { body: {}, token: viewer });
  assert.equal(viewerTries.status, 403);
});

test('too many viewers of one device are refused with 429', async () => {
  const device = await makeDevice('crowd');
  const peers = [];
  for (let i = 0; i < 50; i++) {
    const peer = new Peer(`/api/v1/devices/${device.id}/ws`);
    await peer.next('connected');
    peers.push(peer);
  }
  const count = await get(`/api/v1/devices/${device.id}/viewers`);
  assert.equal(count.json.data.viewers, 50);
  const late = new Peer(`/api/v1/devices/${device.id}/ws`);
  assert.equal((await within(SOON_MS, 'refusal', late.refused)).statusCode, 429);
  await Promise.all(peers.map((p) => p.close()));
  await until('nobody', () => get(`/api/v1/devices/${device.id}/viewers`),
    (r) => r.json.data.viewers === 0);
});

test('a viewer\'s nonsense is ignored and flooding ends it', async () => {
  const device = await makeDevice('nonsense');
  const v = await watch(device, ['metrics'], viewer);
  for (const text of ['{', '[]', '{"type":7}', '{"type":"subscribe","channels":["nope",3]}', '{"type":"dance"}']) {
    v.send(text);
  }
  v.send({ type: 'ping' });
  await v.next('pong');
  assert.deepEqual(v.frames.map((f) => f.type), ['connected', 'pong']);
  for (let i = 0; i < 200; i++) v.send({ type: 'ping' });
  assert.equal((await within(SOON_MS, 'close', v.closed)).code, 4003);
});

test('what was acknowledged is there after a crash', async () => {
  const device = await makeDevice('crash');
  const dev = await connectDevice(device);
  const at = Math.floor(Date.now() / 60000) * 60000;
  dev.send({ type: 'state', id: 1, data: state() });
  dev.send({ type: 'metrics', id: 2, data: row(at) });
  await Promise.all([dev.ack(1), dev.ack(2)]);
  const { dataDir } = server;
  await server.crash();
  server = await startServer({ dataDir });
  const got = await get(`/api/v1/devices/${device.id}`);
  assert.equal(got.json.data.connectionStatus, 'offline');
  assert.equal(got.json.data.metrics.cpu, 12.34);
  const v = await watch(device, ['history', 'system-info'], viewer);
  assert.equal((await v.next('history')).data.cpu.length, 1);
  assert.equal((await v.next('system-info')).data.hostname, 'web-1');
  await v.close();
});
