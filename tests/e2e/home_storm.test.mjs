// A snapshot and then every change, while a device moves a hundred entities 2,000 times a second and
// clients come, go and stall: no gap, no double, and at the end everybody knows what REST says.
// SIGNALBOX_STORM_S: for how many seconds.
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { until } from './lib/clients.mjs';
import { House, home } from './lib/home.mjs';
import { device } from './lib/monitor.mjs';
import { SANITIZED, startServer, within } from './lib/server.mjs';

const SECONDS = Number(process.env.SIGNALBOX_STORM_S ?? 2);
const ENTITIES = 100;
const ROOMS = 4;
const BATCHES_PER_S = SANITIZED ? 5 : 20; // each moves every entity
const SETTLE_MS = 60_000;

let server;
let house;

before(async () => {
  server = await startServer({
    flags: ['--loops', '2', '--handshakes-per-s', '100000', '--auth-anonymous', 'loopback'],
  });
  house = new House(server, await server.cli('token', '--sub', 'olga', '--role', 'admin'));
});
after(() => server?.stop());

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const name = (i) => `sensor.n${i}`;

/** What one client knows, from snapshots and changes; `faults` says what cannot be. */
class Knowledge {
  constructor(client) {
    this.client = client;
    this.state = new Map();
    this.faults = [];
    this.changes = 0;
    this.skips = 0; // values in between that were merged
    this.snapshots = 0;
    client.watchers.add((m) => this.hear(m));
    client.messages.forEach((m) => this.hear(m));
  }

  hear({ type, data }) {
    if (type === 'room_snapshot') {
      this.snapshots++;
      for (const e of data.entities) this.know(e.entity_id, e.state, 'snapshot');
    } else if (type === 'entity_state_changed') {
      this.changes++;
      const known = this.state.get(data.entity_id);
      if (known !== undefined && data.old_state !== known) {
        this.skips++;
        if (!(Number(data.old_state) > Number(known))) {
          this.faults.push(`${data.entity_id}: from ${data.old_state} after ${known}`);
        }
      }
      this.know(data.entity_id, data.new_state, 'change');
    }
  }

  know(id, state, how) {
    const known = this.state.get(id);
    const older = known !== undefined && Number(known) > Number(state);
    const twice = how === 'change' && known === state;
    if (older || twice) this.faults.push(`${id}: ${how} to ${state} after ${known}`);
    this.state.set(id, state);
  }
}

test('a storm of changes is followed without gap or double', { timeout: 120_000 }, async (t) => {
  const { id, key } = await server.addDevice('storm');
  const rooms = [];
  for (let r = 0; r < ROOMS; r++) rooms.push((await house.room(`room ${r}`)).id);
  for (let i = 0; i < ENTITIES; i++) {
    if (i % 40 === 39) await pause(700); // REST has a rate
    await house.entity(name(i), { room_id: rooms[i % ROOMS], device_id: id, capability: `n${i}` });
  }
  const source = await device(server, key);
  let turn = 0;
  let stamp = Date.now();
  const batch = () => {
    turn++;
    stamp = Math.max(stamp + 1, Date.now());
    return source.ask('telemetry', Array.from({ length: ENTITIES }, (_, i) => (
      { sensorType: `n${i}`, value: turn, unit: 'C', timestamp: stamp })));
  };
  assert.equal((await batch()).ok, true); // from here on all states are numbers

  const everybody = []; // that is there at the end
  const faults = [];
  let visits = 0;
  let going = true;
  const join = async (...of) => {
    const known = new Knowledge(await home(server, { perMessageDeflate: false }));
    for (const room of of) await known.client.does('subscribe_room', { room_id: room, snapshot: true });
    return known;
  };
  const leave = (known) => {
    faults.push(...known.faults);
    known.client.ws.terminate();
    visits++;
  };
  /** Follows a room, for a moment, again and again. */
  const comes = async (n) => {
    while (going) {
      const known = await join(rooms[n % ROOMS]);
      await pause(30 + 20 * n);
      assert.equal(known.snapshots, 1);
      leave(known);
    }
  };
  /** Asks for the snapshot again and again, over the changes of the room that it follows. */
  const asks = async (known, n) => {
    while (going) {
      await known.client.does('subscribe_room', { room_id: rooms[n % ROOMS], snapshot: true });
      await pause(250);
    }
  };
  /** Does not read for a while. */
  const stalls = async (known) => {
    while (going) {
      known.client.ws._socket.pause();
      await pause(400);
      known.client.ws._socket.resume();
      await pause(50);
    }
  };
  for (let r = 0; r < ROOMS; r++) everybody.push(await join(rooms[r]));
  everybody.push(await join(rooms[0], rooms[1]), await join(rooms[2]), await join(...rooms));
  const works = [asks(everybody[1], 1), stalls(everybody[5]), stalls(everybody[6]),
    ...[0, 1, 2, 3].map(comes)];

  const acks = [];
  for (let b = 0; b < SECONDS * BATCHES_PER_S; b++) {
    acks.push(batch());
    await pause(1000 / BATCHES_PER_S);
  }
  for (const ack of await within(SETTLE_MS, 'every batch is on disk', Promise.all(acks))) {
    assert.equal(ack.accepted, ENTITIES);
  }
  going = false;
  await Promise.all(works);
  const late = await join(...rooms);
  everybody.push(late);

  const last = String(turn);
  const room = (known) => (i) => known.state.has(name(i));
  for (const known of everybody) {
    await until('the last states are there', () => known.client.ws.readyState !== 1 ||
      [...known.state.values()].every((state) => state === last), SETTLE_MS);
    assert.equal(known.client.ws.readyState, 1, 'nobody was closed');
    const seen = [...Array(ENTITIES).keys()].filter(room(known));
    assert.ok(seen.length % (ENTITIES / ROOMS) === 0 && seen.length > 0, 'rooms are whole');
    faults.push(...known.faults);
    known.client.ws.terminate();
  }
  assert.deepEqual(faults, []);
  const list = await house.ask('GET', '/entities?limit=200', undefined, 200);
  assert.deepEqual(list.map((e) => e.state), Array(ENTITIES).fill(last));
  const skips = everybody.reduce((sum, known) => sum + known.skips, 0);
  const merged = Number((await server.get('/metrics')).text.match(/^signalbox_merged_total (\d+)/m)[1]);
  assert.ok(skips <= merged, `${skips} values are missing, ${merged} were merged`);
  t.diagnostic(`${turn * ENTITIES} changes, ${visits} visits, ${everybody.map((k) => k.changes)} heard, ` +
    `${skips} merged values noticed`);
  await source.end();
});
