// Connection state recovery with the official client, under faults: the client is cut off, the
// server stopped and killed while devices change. A client that says it was recovered has heard
// every acknowledged change of its devices once, in order.
import assert from 'node:assert/strict';
import net from 'node:net';
import test from 'node:test';
import { io } from 'socket.io-client';
import { PATIENCE, startServer, tempDir } from './lib/server.mjs';

const ROUNDS = Number(process.env.SIGNALBOX_RECOVERY_ROUNDS ?? 9);
const DEVICES = 3;
const WAIT_MS = 30_000 * PATIENCE;
const FLAGS = ['--handshakes-per-s', '100000', '--connections-per-principal-max', '1000',
  '--loops', '2'];

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what, check) {
  for (const end = Date.now() + WAIT_MS; Date.now() < end; await pause(20)) {
    if (await check()) return;
  }
  throw new Error(`${what}: not within ${WAIT_MS} ms`);
}

/** A port that was free a moment ago, for a server that comes back at the same place. */
async function freePort() {
  const probe = net.createServer();
  await new Promise((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

class World {
  async begin() {
    this.dataDir = tempDir('recovery');
    this.flags = [...FLAGS, '--listen', `127.0.0.1:${await freePort()}`];
    await this.start();
    const token = (name, role) => this.server.cli('token', '--sub', name, '--kind', 'user',
      '--role', role, '--ttl', '1h');
    this.admin = await token('root', 'admin');
    this.viewer = await token('victor', 'viewer');
    this.devices = [];
    for (let i = 0; i < DEVICES; i++) {
      const made = await this.server.post('/api/v1/devices', { name: 'n-0' },
        { token: this.admin });
      assert.equal(made.status, 201, made.text);
      this.devices.push({ id: made.json.data.device.id, acknowledged: 0 });
    }
    this.writing = true;
    this.writers = this.devices.map((d) => this.write(d));
  }

  async start() {
    this.server = await startServer({ dataDir: this.dataDir, flags: this.flags });
  }

  /** Gives a device the names n-1, n-2 ...; one that was not acknowledged is given again. */
  async write(device) {
    for (let n = 1; this.writing;) {
      const ok = await this.server.request('PATCH', `/api/v1/devices/${device.id}`,
        { token: this.admin, body: { name: `n-${n}` } }).then((r) => r.status === 200, () => false);
      if (ok) device.acknowledged = n++;
      await pause(30);
    }
  }

  async end() {
    this.writing = false;
    await Promise.all(this.writers);
    await this.server.stop();
  }
}

/** What one client has heard of each device since it last was somebody new. */
class Listener {
  constructor(world, options) {
    this.world = world;
    this.recovered = 0;
    this.fresh = 0;
    this.gaps = 0;
    this.events = new Set();
    this.socket = io(world.server.url, { auth: { token: world.viewer }, forceNew: true,
      reconnectionDelay: 20, reconnectionDelayMax: 100, randomizationFactor: 0, ...options });
    this.socket.on('connect', () => this.connected());
    this.socket.on('gap', () => this.gaps++);
    this.socket.on('device:updated', (device) => this.heard(device));
  }

  connected() {
    if (this.socket.recovered) {
      this.recovered++;
      return;
    }
    this.fresh++;
    this.last = new Map();
    this.subscribed = false;
    this.socket.timeout(WAIT_MS).emit('device:subscribe', {}, (error, answer) => {
      this.subscribed = error === null && answer.ok;
    });
  }

  heard({ id, name, eventId }) {
    const n = Number(name.slice(2));
    const last = this.last.get(id);
    assert.ok(!this.events.has(eventId), `${name} of ${id} came twice`);
    this.events.add(eventId);
    if (last !== undefined) {
      // The writer may have given a name twice, when its answer was lost.
      assert.ok(n === last || n === last + 1, `after n-${last} of ${id} came ${name}`);
    }
    this.last.set(id, n);
  }

  settled() {
    return this.world.devices.every((d) => this.last?.get(d.id) >= d.acknowledged);
  }
}

const faults = [
  (world, listener) => listener.socket.io.engine?.transport?.ws?.terminate(),
  (world, listener) => listener.socket.io.engine?.close(),
  async (world) => {
    await world.server.stop();
    await world.start();
  },
  (world, listener) => listener.socket.io.engine?.transport?.ws?.terminate(),
  async (world) => {
    await pause(500); // what it knows of sessions is written behind
    await world.server.crash();
    await world.start();
  },
];

test('nothing is missed and nothing doubled, whatever breaks', { timeout: 10 * WAIT_MS }, async () => {
  const world = new World();
  await world.begin();
  const upgrading = new Listener(world, {});
  const direct = new Listener(world, { transports: ['websocket'] });
  const failed = [];
  process.on('uncaughtException', (error) => failed.push(error)); // of a listener's assertions
  for (const l of [direct, upgrading]) {
    await until('the subscription', () => l.subscribed);
  }
  for (let round = 0; round < ROUNDS; round++) {
    await pause(200 + Math.random() * 300);
    await faults[round % faults.length](world, direct);
    await until('the way back', () => direct.socket.connected && upgrading.socket.connected);
  }
  world.writing = false;
  await Promise.all(world.writers);
  for (const l of [direct, upgrading]) {
    await until('every change', () => l.settled());
    assert.equal(l.gaps, 0);
    assert.equal(l.fresh, 1, 'it was always recovered');
    l.socket.disconnect();
  }
  assert.ok(direct.recovered >= ROUNDS - 1, `${direct.recovered} of ${ROUNDS}`);
  assert.deepEqual(failed, []);
  await world.end();
});
