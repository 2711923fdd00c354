// The server dies with kill -9 while devices come, go and register and people change them. The log
// of events, told in its order, ends at what is stored: after each start nobody is connected any
// more, and the log has said so.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import test from 'node:test';
import { device } from './lib/monitor.mjs';
import { SANITIZED, startServer, tempDir } from './lib/server.mjs';

const ROUNDS = Number(process.env.SIGNALBOX_CRASH_ROUNDS ?? 6);
const DEVICES = 5;
const LIFE_MS_MIN = 100;
const LIFE_MS_MAX = SANITIZED ? 2000 : 600;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const SCRIPT = `
import json, sqlite3, sys
db = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True, timeout=10)
def all(sql): return db.execute(sql).fetchall()
db.execute('BEGIN')
print(json.dumps({
    'events': all('SELECT n, id, type, topic, data FROM event_log ORDER BY n'),
    'devices': all('SELECT id, name, status, connection_status, capabilities FROM devices'),
    'open': all('SELECT count(*) FROM connection_logs WHERE disconnected_at IS NULL')[0][0],
}))
`;

function look(dataDir) {
  const got = spawnSync('python3', ['-c', SCRIPT, path.join(dataDir, 'signalbox.db')], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  assert.equal(got.status, 0, got.stderr);
  return JSON.parse(got.stdout);
}

/** What is known of each device to who has read the events. */
function told(events) {
  const known = new Map();
  const ids = new Set();
  events.forEach(([n, id, type, topic, text], i) => {
    assert.equal(n, i + 1, 'numbers have no holes');
    assert.ok(!ids.has(id), 'an event id twice');
    ids.add(id);
    const data = JSON.parse(text);
    if (topic === 'chat/staff') { // an alert: the machine may be slow
      assert.equal(type, 'chat:system:notification');
      return;
    }
    assert.equal(topic, `device/${data.id}/events`);
    const d = known.get(data.id);
    const what = `${n} ${type} ${text}`;
    if (type === 'device:created') {
      assert.equal(d, undefined, what);
      known.set(data.id, data);
    } else if (type === 'device:deleted') {
      assert.ok(d, what);
      known.delete(data.id);
    } else if (type === 'device:connected') {
      assert.equal(d.connectionStatus, 'offline', what);
      assert.match(data.connectedAt, /Z$/);
      d.connectionStatus = 'online';
    } else if (type === 'device:disconnected') {
      assert.notEqual(d.connectionStatus, 'offline', what);
      assert.match(data.disconnectedAt, /Z$/);
      d.connectionStatus = 'offline';
    } else if (type === 'device:status-changed') {
      d.status = data.status;
    } else {
      assert.equal(type, 'device:updated');
      assert.equal(data.connectionStatus, d.connectionStatus, what);
      known.set(data.id, data);
    }
  });
  return known;
}

function assertTold(dataDir, after) {
  const seen = look(dataDir);
  const known = told(seen.events);
  assert.equal(known.size, seen.devices.length, after);
  for (const [id, name, status, connection, capabilities] of seen.devices) {
    const d = known.get(id);
    const want = [name, status, connection, JSON.parse(capabilities)];
    assert.deepEqual([d.name, d.status, d.connectionStatus, d.capabilities], want, after);
  }
  return seen;
}

test('the_event_log_tells_what_is_stored_across_kill_9', { timeout: 600_000 }, async (t) => {
  const dataDir = tempDir('events');
  let server = await startServer({ dataDir });
  const made = [];
  for (let i = 0; i < DEVICES; i++) made.push(await server.addDevice(`d-${i}`));
  let live = true;
  let patched = 0;

  const life = async (key, round) => {
    for (let n = 0; live; n++) {
      try {
        const peer = await device(server, key);
        await peer.ask('register', { capabilities: [`r${round}`, `n${n}`] });
        await pause(Math.random() * 60);
        if (live && Math.random() < 0.7) await peer.end();
      } catch {
        await pause(10); // refused or cut off: the server is gone, or the device disabled
      }
    }
  };
  const people = async () => {
    const token = await server.cli('token', '--sub', 'root', '--role', 'admin');
    for (let n = 0; live; n++) {
      const { id } = made[n % (DEVICES - 1)];
      const body = n % 3 === 0 ? { status: n % 2 === 0 ? 'maintenance' : 'active' } : { name: `x${n}` };
      const answer = await server.request('PATCH', `/api/v1/devices/${id}`, { body, token })
        .catch(() => undefined);
      if (answer?.status === 200) patched++;
    }
  };

  for (let round = 0; round < ROUNDS; round++) {
    live = true;
    const acting = [...made.map(({ key }) => life(key, round)), people().catch(() => {})];
    await pause(LIFE_MS_MIN + Math.random() * (LIFE_MS_MAX - LIFE_MS_MIN));
    await server.crash();
    live = false;
    await Promise.all(acting);
    const ended = assertTold(dataDir, `after kill -9 in round ${round}`);
    await server.cli('device', 'list'); // a command that reads changes nothing
    assert.deepEqual(assertTold(dataDir, `a list after round ${round}`).events, ended.events);
    server = await startServer({ dataDir });
    const seen = assertTold(dataDir, `after the start of round ${round}`);
    assert.ok(seen.devices.every((d) => d[3] === 'offline'));
    assert.equal(seen.open, 0, 'connections that were left open');
  }
  await server.stop();
  const { events } = assertTold(dataDir, 'at the end');
  const of = (type) => events.filter((e) => e[2] === type).length;
  assert.ok(of('device:connected') > ROUNDS && of('device:disconnected') > ROUNDS);
  assert.equal(of('device:connected'), of('device:disconnected'));
  assert.ok(patched > 0, 'nobody changed anything');
  t.diagnostic(`${ROUNDS} rounds: ${events.length} events, ${of('device:connected')} connects, ` +
    `${of('device:updated')} updates, ${patched} patches`);
});
