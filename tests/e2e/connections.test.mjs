// Who is connected (CONTRACT 7, Connections), over all loops and wires: listed, counted, ended; and
// what connection_logs keeps of them (CONTRACT 9).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import test, { after, afterEach, before } from 'node:test';
import { CLIENTS, connected, until } from './lib/clients.mjs';
import { home } from './lib/home.mjs';
import { device as rawDevice, viewer as rawViewer } from './lib/monitor.mjs';
import { startServer, tempDir } from './lib/server.mjs';
import { listen } from './lib/sse.mjs';

let server;
let admin;
let viewer;
let viewerId;
const dataDir = tempDir();
const open = new Set();
const FLAGS = ['--handshakes-per-s', '1000', '--loops', '2', '--node', 'node-a'];

const mint = (sub, role) => server.cli('token', '--sub', sub, '--kind', 'user', '--role', role, '--ttl', '1h');

before(async () => {
  server = await startServer({ flags: FLAGS, dataDir });
  admin = await mint('root', 'admin');
  viewer = await mint('victor', 'viewer');
  viewerId = (await server.get('/api/v1/auth/me', { token: viewer })).json.data.id;
});
afterEach(async () => {
  for (const end of open) end();
  open.clear();
  await until('everybody has gone', async () => (await stats()).total === 0);
});
after(() => server?.stop());

const list = async (query = '', token = admin) => {
  const got = await server.get(`/api/v1/connections${query}`, { token });
  assert.equal(got.status, 200, got.text);
  return got.json;
};
const rows = async (query) => (await list(query)).data;
const stats = async () => (await server.get('/api/v1/connections/stats', { token: admin })).json.data;
const kick = (id, token = admin) => server.request('DELETE', `/api/v1/connections/${encodeURIComponent(id)}`, { token });

async function talker(token, options = {}) {
  const t = await connected(CLIENTS[0], server, { token, transports: ['websocket'], reconnection: false, ...options });
  open.add(() => t.close());
  return t;
}
async function makeDevice() {
  const made = await server.post('/api/v1/devices', { name: 'one' }, { token: admin });
  return { id: made.json.data.device.id, key: made.json.data.key };
}

test('everybody_is_listed_whatever_the_wire', async () => {
  const one = await makeDevice();
  const two = await makeDevice();
  const user = await talker(viewer, { transports: ['polling'] });
  await user.ask('device:subscribe', { deviceId: one.id });
  const device = await talker(one.key);
  const host = await rawDevice(server, two.key);
  const watcher = await rawViewer(server, two.id, ['metrics'], { token: viewer });
  const stream = await listen(server, `?device_id=${one.id}`, { token: viewer });
  const resident = await home(server, { token: viewer });
  open.add(() => resident.ws.terminate());
  open.add(() => host.ws.terminate());
  open.add(() => watcher.ws.terminate());
  open.add(() => stream.drop());
  await until('all six', async () => (await rows()).length === 6);
  const [mine] = (await rows('?wire=socketio&client_type=client'));
  assert.equal(mine.socketId, user.id);
  assert.equal(mine.userId, viewerId);
  assert.equal(mine.deviceId, null);
  assert.equal(mine.userType, 'user');
  assert.equal(mine.wire, 'socketio');
  assert.equal(mine.namespace, '/');
  assert.equal(mine.remoteAddr, '127.0.0.1');
  assert.equal(mine.node, 'node-a');
  assert.ok(mine.permissions.includes('device:device:read'));
  assert.ok(!mine.permissions.includes('device:device:write'));
  assert.ok(mine.roomSubscriptions.includes(`device/${one.id}/events`), mine.roomSubscriptions.join());
  assert.ok(Date.parse(mine.lastActivity) >= Date.parse(mine.connectedAt));
  assert.equal(mine.queuedMessages, 0);
  assert.equal(mine.queuedBytes, 0);
  const [thing] = await rows(`?device_id=${one.id}&wire=socketio`);
  assert.equal(thing.socketId, device.id);
  assert.equal(thing.clientType, 'device');
  assert.equal(thing.userType, 'device');
  assert.equal(thing.userId, null);
  const monitor = await rows(`?device_id=${two.id}`);
  assert.deepEqual(monitor.map((r) => r.clientType).sort(), ['client', 'device']);
  assert.ok(monitor.every((r) => r.wire === 'monitor'));
  assert.deepEqual(await rows('?wire=sse&client_type=device'), []);
  assert.equal((await rows('?wire=sse'))[0].deviceId, one.id);
  const [atHome] = await rows('?wire=home');
  assert.equal(atHome.userId, viewerId);
  assert.equal(atHome.socketId, resident.id);
  assert.equal((await rows(`?user_id=${viewerId}`)).length, 4);
  const counts = await stats();
  assert.equal(counts.total, 6);
  assert.deepEqual(counts.client_type, { device: 2, client: 4 });
  assert.deepEqual(counts.wire, { socketio: 2, monitor: 2, sse: 1, home: 1 });
  assert.equal(counts.user_type.user, 4);
  assert.equal(counts.user_type.device, 2);
  assert.deepEqual(counts.node, { 'node-a': 6 });
  assert.deepEqual(counts.viewers, [{ device_id: two.id, viewers: 1 }]);
  assert.equal(counts.viewers_total, 1);
});

test('pages_show_each_connection_once', async () => {
  const rest = Array.from({ length: 11 }, () => talker(viewer));
  const ids = (await Promise.all(rest)).map((t) => t.id);
  const seen = [];
  let pages = 0;
  for (let cursor = ''; cursor !== undefined; pages++) {
    const page = await list(`?limit=3&cursor=${cursor}`);
    assert.ok(page.data.length <= 3);
    seen.push(...page.data.map((r) => r.socketId));
    cursor = page.next_cursor;
  }
  assert.deepEqual(seen.toSorted(), ids.toSorted());
  assert.equal(pages, 4);
  for (const bad of ['?cursor=x', '?limit=0', '?wire=pigeon', '?client_type=x', '?device_id=1', '?user_id=1']) {
    assert.equal((await server.get(`/api/v1/connections${bad}`, { token: admin })).status, 400, bad);
  }
});

test('one_is_ended_with_4004_and_audited', async () => {
  const { id, key } = await makeDevice();
  const user = await talker(viewer);
  const userSocket = user.id;
  const peer = await rawViewer(server, id, [], { token: viewer });
  const device = await rawDevice(server, key);
  await until('three', async () => (await rows()).length === 3);
  assert.equal((await kick(userSocket, viewer)).status, 403);
  assert.equal((await kick(userSocket)).status, 204);
  const [closing] = await user.first('closing');
  assert.equal(closing.code, 4004);
  assert.equal((await user.first('disconnect'))[0], 'io server disconnect');
  for (const raw of [peer, device]) {
    const mine = (await rows(`?device_id=${id}&client_type=${raw === device ? 'device' : 'client'}`))[0];
    assert.equal((await kick(mine.socketId)).status, 204);
    assert.equal((await raw.closedWithin()).code, 4004);
  }
  const polling = await talker(viewer, { transports: ['polling'] });
  const stream = await listen(server, '', { token: viewer });
  assert.equal((await kick(polling.id)).status, 204);
  assert.equal((await polling.first('closing'))[0].code, 4004);
  const [streams] = await rows('?wire=sse');
  assert.equal(streams.deviceId, null);
  assert.equal((await kick(streams.socketId)).status, 204);
  await stream.endedWithin();
  for (const none of [userSocket, '0-1-2', '1', 'x'.repeat(100), '0-99999-1']) assert.equal((await kick(none)).status, 404);
  const audit = await server.get('/api/v1/audit?action=connection.disconnect', { token: admin });
  assert.ok(audit.json.data.some((row) => row.target_id === userSocket));
});

test('rights_decide_who_sees_and_the_counts_follow_them', async () => {
  assert.equal((await server.get('/api/v1/connections', { token: await mint('emil', 'employee') })).status, 403);
  assert.equal((await server.get('/api/v1/connections/stats')).status, 401);
  const boss = await talker(admin);
  assert.equal((await rows())[0].userType, 'supervisor');
  assert.equal((await stats()).user_type.supervisor, 1);
  boss.close();
  await until('it has left', async () => (await stats()).total === 0);
  // A rate is that of the seconds that are over.
  await until('it counts', async () => (await stats()).disconnects_per_minute > 0);
  assert.ok((await stats()).connects_per_minute > 0);
});

const SCRIPT = `
import json, sqlite3, sys
db = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True, timeout=10)
print(json.dumps(db.execute('SELECT socket_id, client_type, device_id, user_id, wire, remote_addr,'
  ' disconnected_at, duration_seconds, close_reason, connected_at FROM connection_logs').fetchall()))
`;
function logs() {
  const got = spawnSync('python3', ['-c', SCRIPT, path.join(dataDir, 'signalbox.db')], { encoding: 'utf8', maxBuffer: 1e8 });
  assert.equal(got.status, 0, got.stderr);
  return JSON.parse(got.stdout).map(([socket, type, device, user, wire, address, gone, seconds, reason]) => (
    { socket, type, device, user, wire, address, gone, seconds, reason }
  ));
}

test('connection_logs_have_a_row_for_each_that_ends_in_every_case', async () => {
  const { id, key } = await makeDevice();
  const user = await talker(viewer);
  const userSocket = user.id;
  const older = await talker(key);
  const olderSocket = older.id;
  const newer = await rawDevice(server, key);
  open.add(() => newer.ws.terminate());
  await older.first('disconnect');
  const watcher = await rawViewer(server, id, [], { token: viewer });
  const anonymous = await rawViewer(server, id);
  await anonymous.end();
  user.close();
  const of = (socket) => logs().find((row) => row.socket === socket);
  await until('the client is logged', () => of(userSocket)?.gone);
  assert.deepEqual({ ...of(userSocket), gone: 0, seconds: 0 }, {
    socket: userSocket, type: 'client', device: null, user: viewerId, wire: 'socketio', address: '127.0.0.1', gone: 0,
    seconds: 0, reason: 'peer_closed',
  });
  await until('the take-over is logged', () => of(olderSocket)?.gone);
  assert.equal(of(olderSocket).reason, 'replaced');
  assert.equal(of(olderSocket).type, 'device');
  assert.equal(of(olderSocket).device, id);
  await until('the anonymous one is logged', () => (
    logs().some((row) => row.wire === 'monitor' && row.type === 'client' && row.user === null && row.gone)
  ));
  // Two are still there: a crash leaves their rows open, the next start closes them.
  await until('both are open', () => logs().filter((row) => !row.gone).length === 2);
  await server.crash();
  await watcher.closedWithin();
  server = await startServer({ flags: FLAGS, dataDir });
  assert.deepEqual(logs().filter((row) => !row.gone), []);
  assert.equal(logs().filter((row) => row.reason === 'crash').length, 2);
  // An orderly end closes them itself.
  const last = (await talker(viewer)).id;
  const host = await rawDevice(server, key);
  await until('both again', () => logs().filter((row) => !row.gone).length === 2);
  await server.stop();
  await host.closedWithin();
  assert.deepEqual(logs().filter((row) => !row.gone), []);
  assert.match(of(last).reason, /^(restart|drain|drained)$/);
  server = await startServer({ flags: FLAGS, dataDir });
});
