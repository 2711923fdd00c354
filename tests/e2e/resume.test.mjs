// Ordered events under faults: clients are cut off, the server is stopped, started again and killed
// while devices change. Every change that was acknowledged is heard once, doubles removed by id, in
// its device's order, unless a gap says otherwise.
import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from './lib/monitor.mjs';
import { PATIENCE, SANITIZED, startServer, tempDir } from './lib/server.mjs';
import { listen } from './lib/sse.mjs';

const ROUNDS = Number(process.env.SIGNALBOX_RESUME_ROUNDS ?? 6);
const DEVICES = 6;
const LIFE_MS_MIN = 200;
const LIFE_MS_MAX = SANITIZED ? 2500 : 900;
const SETTLE_MS_MAX = 30_000 * PATIENCE;
const FLAGS = ['--handshakes-per-s', '100000', '--connections-per-principal-max', '1000'];

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const between = (least, most) => least + Math.random() * (most - least);

const tokenOf = (server, name, role) => (
  server.cli('token', '--sub', name, '--kind', 'user', '--role', role, '--ttl', '1h')
);

async function makeDevice(server, token, name) {
  const made = await server.post('/api/v1/devices', { name }, { token });
  assert.equal(made.status, 201, made.text);
  return made.json.data.device.id;
}

const patch = (server, id, token, body) => (
  server.request('PATCH', `/api/v1/devices/${id}`, { token, body })
);

/** The server of the moment, and whatever follows it on the same data. */
class World {
  constructor(flags) {
    this.flags = flags;
    this.dataDir = tempDir('resume');
    this.over = false;
    this.writing = true;
  }

  async start() {
    this.server = await startServer({ dataDir: this.dataDir, flags: this.flags });
  }

  async makeDevices(count) {
    this.admin = await tokenOf(this.server, 'root', 'admin');
    this.viewer = await tokenOf(this.server, 'victor', 'viewer');
    this.devices = [];
    for (let i = 0; i < count; i++) {
      const token = await tokenOf(this.server, `writer-${i}`, 'operator');
      const id = await makeDevice(this.server, this.admin, `device-${i}`);
      this.devices.push({ id, token, acknowledged: 0, unsure: 0 });
    }
  }
}

/** Gives a device the names 1, 2, 3...; one that was not acknowledged is given again. */
async function write(world, device, pauseMs = 20) {
  let n = 1;
  while (world.writing) {
    try {
      const done = await patch(world.server, device.id, device.token, { name: `n-${n}` });
      if (done.status === 200) {
        device.acknowledged = n++;
      } else {
        assert.ok(done.status === 429 || done.status === 503, done.text);
        await pause(100);
      }
    } catch (error) { // the server went away before it answered
      if (error.code === 'ERR_ASSERTION') throw error;
      device.unsure++;
      await pause(20);
    }
    await pause(pauseMs);
  }
}

/** What one client has heard, over all its connections. */
class Record {
  constructor(name) {
    this.name = name;
    this.ids = new Set();
    this.doubles = 0;
    this.names = new Map(); // device -> numbers, in the order of their first arrival
    this.gaps = [];
    this.connections = 0;
    this.resumed = 0;
  }

  event({ id, pos, type, data }) {
    assert.match(id, /^[0-9a-f-]{36}$/);
    assert.match(pos, /^[0-9a-f]{16}-\d+$/);
    this.pos = pos;
    if (this.ids.has(id)) {
      this.doubles++;
      return;
    }
    this.ids.add(id);
    const n = type === 'device:updated' ? /^n-(\d+)$/.exec(data.name) : null;
    if (n === null) return;
    if (!this.names.has(data.id)) this.names.set(data.id, []);
    this.names.get(data.id).push(Number(n[1]));
  }

  gap({ from, to }) {
    this.gaps.push({ from, to });
    this.pos = to;
  }

  last(device) {
    return this.names.get(device)?.at(-1) ?? 0;
  }

  /** Every number up to `last` once and in order. */
  check(device, last) {
    const heard = this.names.get(device) ?? [];
    const all = Array.from({ length: last }, (_, i) => i + 1);
    assert.deepEqual(heard, all, `${this.name}: device ${device}, gaps ${JSON.stringify(this.gaps)}`);
    assert.deepEqual(this.gaps, [], this.name);
  }
}

/** A listener on SSE that comes back with its last id; `query` may name one device. */
async function followStream(world, record, query, lifeMs = null) {
  while (!world.over) {
    try {
      const stream = await listen(world.server, query, { token: world.viewer, since: record.pos });
      record.connections++;
      record.pos ??= stream.lastId;
      const take = (e) => {
        if (e.event === 'gap') record.gap(e.data);
        else if (e.event.startsWith('device:')) {
          assert.equal(e.id, e.data.pos);
          record.event({ id: e.data.eventId, pos: e.id, type: e.event, data: e.data });
        }
      };
      stream.watchers.add(take);
      for (const e of stream.events) take(e);
      await (lifeMs === null ? stream.ended : Promise.race([stream.ended, pause(lifeMs())]));
      stream.watchers.delete(take);
      record.pos = stream.lastId || record.pos;
      stream.drop();
    } catch (error) {
      if (error.code === 'ERR_ASSERTION' || error.status !== undefined) throw error;
      await pause(20); // the server is away
    }
  }
}

/** A viewer of one device that comes back with its session and position. */
async function followChannel(world, record, id, lifeMs) {
  let session = '';
  while (!world.over) {
    try {
      const since = record.pos ? `&since=${record.pos}` : '';
      const peer = await connect(world.server, `/api/v1/devices/${id}/ws?session=${session}${since}`,
        { token: world.viewer });
      record.connections++;
      const take = (m) => {
        if (m.type === 'gap') record.gap(m.data);
        else if (m.type.startsWith('device:')) record.event(m);
      };
      const { data } = await peer.first('connected');
      record.pos ??= data.pos;
      peer.watchers.add(take);
      peer.messages.forEach(take);
      assert.match(data.session, /^[\w-]{43}$/);
      if (data.resumed) {
        assert.equal(data.session, session);
        record.resumed++;
      } else { // it is not known any more, or not yet known to be gone
        peer.send({ type: 'subscribe', channels: ['events'] });
      }
      session = data.session;
      await Promise.race([peer.closed, pause(lifeMs())]);
      peer.watchers.delete(take);
      peer.ws.terminate();
    } catch (error) {
      if (error.code === 'ERR_ASSERTION') throw error;
      await pause(20);
    }
  }
}

/**
 * `rounds` times: devices change, clients come and go, `end(server)` ends the server in the middle.
 * Then everybody hears what is left, and the records are compared with what was acknowledged.
 */
async function run(rounds, end) {
  const world = new World(FLAGS);
  await world.start();
  await world.makeDevices(DEVICES);
  try {
    return await faults(world, rounds, end);
  } finally {
    world.over = true;
    world.writing = false;
    await world.server.crash();
  }
}

async function faults(world, rounds, end) {
  const lifeMs = () => between(50, 600);
  const ids = world.devices.map((d) => d.id);
  const records = [];
  const record = (name, of) => records[records.push(Object.assign(new Record(name), { of })) - 1];
  const followers = [
    followStream(world, record('restless, all', ids), '', lifeMs),
    followStream(world, record('steady, all', ids), ''),
    ...ids.flatMap((id) => [
      followStream(world, record('stream', [id]), `?device_id=${id}&types=device:updated`, lifeMs),
      followChannel(world, record('channel', [id]), id, lifeMs),
    ]),
  ];
  let failed = false;
  followers.forEach((f) => f.catch(() => (failed = true)));
  const until = async (what, ready) => {
    for (const end = Date.now() + SETTLE_MS_MAX; !failed && !ready(); await pause(20)) {
      assert.ok(Date.now() < end, what());
    }
  };
  await until(() => 'somebody never got in', () => records.every((r) => r.pos !== undefined));

  const writers = world.devices.map((d) => write(world, d));
  writers.forEach((w) => w.catch(() => (failed = true)));
  for (let round = 0; round < rounds && !failed; round++) {
    await pause(between(LIFE_MS_MIN, LIFE_MS_MAX));
    await end(world.server);
    await world.start();
  }
  await pause(LIFE_MS_MIN);
  world.writing = false;
  await Promise.all(writers);
  const behind = () => records.flatMap((r) => world.devices
    .filter((d) => r.of.includes(d.id) && r.last(d.id) < d.acknowledged)
    .map((d) => `${r.name}: ${r.last(d.id)} of ${d.acknowledged} of ${d.id}`));
  await until(() => `not heard: ${behind().join('; ')}`, () => behind().length === 0);
  world.over = true;
  await Promise.all([world.server.stop(), ...followers]);
  for (const r of records) {
    // What was written last may not have been acknowledged, and still be heard.
    for (const d of world.devices.filter(({ id }) => r.of.includes(id))) {
      r.check(d.id, Math.max(r.last(d.id), d.acknowledged));
    }
  }
  const total = (of, f) => of.reduce((n, x) => n + f(x), 0);
  return `${rounds} rounds: ${total(world.devices, (d) => d.acknowledged)} changes acknowledged, `
    + `${total(world.devices, (d) => d.unsure)} unanswered; `
    + `${total(records, (r) => r.connections)} connections of ${records.length} clients heard `
    + `${total(records, (r) => r.ids.size)} events and ${total(records, (r) => r.doubles)} doubles, `
    + `${total(records, (r) => r.resumed)} sessions resumed`;
}

test('nothing_acknowledged_is_missed_or_doubled_over_kill_9', { timeout: 900_000 }, async (t) => {
  t.diagnostic(await run(ROUNDS, (server) => server.crash()));
});

test('nothing_acknowledged_is_missed_or_doubled_over_restarts', { timeout: 600_000 }, async (t) => {
  t.diagnostic(await run(Math.min(ROUNDS, 3), (server) => server.stop()));
});
