// The product's namespace as the official clients see it: who is let in, events and acks, refusals,
// what happens when a connection breaks, and what comes back. What the reference server can show
// too, it shows first.
import assert from 'node:assert/strict';
import test from 'node:test';
import { REFERENCE_TOKEN, startReference } from './lib/reference.mjs';
import { SANITIZED, startServer, tempDir } from './lib/server.mjs';
import { CLIENTS, WAYS, connected, open } from './lib/clients.mjs';

const MISSED = 20;

/** A server of the moment, whichever it is, on data that stay; `kind`: what it can do. */
class World {
  constructor(kind, start) {
    Object.assign(this, { kind, start });
    this.made = 0;
  }

  async begin() {
    this.server = await this.start(this.server?.port ?? 0);
    if (this.kind === 'reference') {
      this.token = REFERENCE_TOKEN;
    } else {
      this.admin ??= await this.tokenOf('root', 'admin');
      this.token ??= await this.tokenOf('olga', 'operator');
    }
    return this;
  }

  tokenOf(name, role, ...more) {
    return this.server.cli('token', '--sub', name, '--kind', 'user', '--role', role, '--ttl', '1h', ...more);
  }

  get own() {
    return this.kind === 'signalbox';
  }

  /** Adds devices, each announced as device:created; their names. */
  async make(count) {
    const names = [];
    for (let i = 0; i < count; i++) {
      const name = `made-${++this.made}`;
      const got = await this.server.request('POST', '/api/v1/devices', { body: { name }, token: this.admin });
      assert.equal(got.status, 201, got.text);
      names.push(name);
    }
    return names;
  }

  /** Ends a socket from the server's side. */
  async kick(talker) {
    const got = await this.server.request('POST', '/api/v1/sockets/disconnect',
      { body: { sid: talker.id }, token: this.admin });
    assert.equal(got.status, 200, got.text);
  }
}

// Those of this story: one that another process has added may be announced a moment late.
const names = (talker) => talker.of('device:created').map(([device]) => device.name)
  .filter((name) => name.startsWith('made-'));
const announced = (talker, name) => talker.first('device:created', { test: (d) => d.name === name });
const options = (world, way) => ({ transports: way.transports, token: world.token });

/** Connected, and no more on the way to another transport: a client that loses its connection in the
 * middle of an upgrade waits for a ping before it notices. */
async function settled(client, world, way) {
  const talker = await connected(client, world.server, options(world, way));
  await talker.transport(way.transports.at(-1));
  return talker;
}

/** The refusal of a connect, as {message, data}: version 2 is told the data alone. */
async function refusal(talker) {
  if (talker.client.version === 2) {
    const [data] = await talker.first('error');
    return { message: data.message, data };
  }
  const [error] = await talker.first('connect_error');
  return error;
}

async function refused(world, client, way) {
  for (const token of ['wrong', undefined]) {
    const talker = open(client, world.server, { ...options(world, way), token });
    try {
      const { message, data } = await refusal(talker);
      assert.equal(data.type, 'AUTHENTICATION_FAILED');
      assert.equal(data.code, 401);
      assert.ok(message.length > 0);
      assert.equal(talker.socket.connected, false);
    } finally {
      talker.close();
    }
  }
}

async function subscribes(world, client, way) {
  const talker = await settled(client, world, way);
  try {
    const [answer] = await talker.ask('device:subscribe', {});
    assert.equal(answer.ok, true);
    assert.equal(typeof answer.count, 'number');
    const made = await world.make(3);
    await announced(talker, made.at(-1));
    assert.deepEqual(names(talker), made);
    assert.equal(typeof talker.of('device:created')[0][0].id, 'string');
  } finally {
    talker.close();
  }
}

async function unknown_events(world, client, way) {
  const talker = await settled(client, world, way);
  try {
    const [answer] = await talker.ask('no:such:event', { a: 1 });
    assert.equal(answer.ok, false);
    assert.equal(answer.error.type, 'INVALID_MESSAGE_FORMAT');
    assert.equal(answer.error.code, 400);
    assert.match(answer.error.message, /./);
    talker.socket.emit('no:such:event', { a: 1 });
    const [error] = await talker.first('error');
    assert.equal(error.type, 'INVALID_MESSAGE_FORMAT');
    // Something badly formed is refused by the member's name, and nothing is closed.
    const [bad] = await talker.ask('device:subscribe', { deviceId: 5 });
    assert.equal(bad.ok, false);
    assert.match(JSON.stringify(bad.error), /deviceId/);
    assert.equal((await talker.ask('device:subscribe', {}))[0].ok, true);
    assert.equal(talker.of('disconnect').length, 0);
  } finally {
    talker.close();
  }
}

async function kicked(world, client, way) {
  const talker = await settled(client, world, way);
  try {
    await world.kick(talker);
    const [closing] = await talker.first('closing');
    assert.equal(closing.code, 4004);
    const [reason] = await talker.first('disconnect');
    assert.equal(reason, 'io server disconnect');
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(talker.socket.connected, false, 'a client that was sent away does not come back');
  } finally {
    talker.close();
  }
}

/** Breaks the connection while `meanwhile` happens, and lets it come back. */
async function away(talker, meanwhile) {
  const at = talker.heard.length;
  talker.socket.io.reconnection(false);
  talker.cut();
  await talker.next('disconnect', { from: at });
  const result = await meanwhile();
  talker.socket.io.reconnection(true);
  talker.socket.connect();
  await talker.next('connect', { from: at });
  return result;
}

async function recovers(world, client, way) {
  const talker = await settled(client, world, way);
  try {
    await talker.ask('device:subscribe', {});
    const before = await world.make(1);
    await announced(talker, before[0]);
    const id = talker.id;
    const missed = await away(talker, () => world.make(MISSED));
    if (client.version === 4) {
      const after = await world.make(1);
      assert.equal(talker.socket.recovered, true);
      assert.equal(talker.id, id);
      await announced(talker, after[0]);
      assert.deepEqual(names(talker), [...before, ...missed, ...after]);
    } else {
      assert.notEqual(talker.id, id);
      assert.equal((await talker.ask('device:subscribe', {}))[0].ok, true);
      const [last] = await world.make(1);
      await announced(talker, last);
      assert.deepEqual(names(talker), [...before, last]);
    }
  } finally {
    talker.close();
  }
}

// Where the reference is weak: a client that has not heard anything yet recovers as well.
async function quiet_recovers(world, client, way) {
  const talker = await settled(client, world, way);
  try {
    await talker.ask('device:subscribe', {});
    const id = talker.id;
    const missed = await away(talker, () => world.make(MISSED));
    assert.equal(talker.socket.recovered, true);
    assert.equal(talker.id, id);
    await announced(talker, missed.at(-1));
    assert.deepEqual(names(talker), missed);
  } finally {
    talker.close();
  }
}

// The same across a restart: sessions and events are in the store.
async function restart_recovers(world, client, way) {
  const talker = await settled(client, world, way);
  try {
    await talker.ask('device:subscribe', {});
    const before = await world.make(1);
    await announced(talker, before[0]);
    const id = talker.id;
    const missed = await away(talker, async () => {
      await world.server.stop();
      await world.begin();
      return world.make(MISSED);
    });
    assert.equal(talker.socket.recovered, true);
    assert.equal(talker.id, id);
    const after = await world.make(1);
    await announced(talker, after[0]);
    assert.deepEqual(names(talker), [...before, ...missed, ...after]);
  } finally {
    talker.close();
  }
}

// A server that goes away says so, and its clients find it again by themselves.
async function restart(world, client, way) {
  const talker = await settled(client, world, way);
  try {
    const at = talker.heard.length;
    await world.server.stop();
    const [reason] = await talker.next('disconnect', { from: at });
    assert.match(reason, /^transport (close|error)$/);
    await world.begin();
    await talker.next('connect', { from: at });
    assert.equal((await talker.ask('device:subscribe', {}))[0].ok, true);
    const [made] = await world.make(1);
    await announced(talker, made);
  } finally {
    talker.close();
  }
}

async function device_key(world, client, way) {
  const { id, key } = await world.server.addDevice(`keyed-${client.version}-${way.name}-${world.made}`);
  const watcher = await connected(CLIENTS[0], world.server, { ...options(world, WAYS[0]) });
  let device;
  try {
    await watcher.ask('device:subscribe', { deviceId: id });
    device = await connected(client, world.server, { transports: way.transports, token: key });
    const [here] = await watcher.first('device:connected', { test: (d) => d.id === id });
    assert.equal(typeof here.connectedAt, 'string');
    const [answer] = await device.ask('device:register', { deviceId: id, capabilities: ['command-ack'] });
    assert.equal(answer.ok, true);
    assert.equal(answer.device.id, id);
    device.close();
    await watcher.first('device:disconnected', { test: (d) => d.id === id });
  } finally {
    watcher.close();
    device?.close();
  }
}

const TOLD_TO_BOTH = { refused, subscribes, kicked, recovers, restart };
const OURS_ALONE = { unknown_events, device_key };
const RECOVERY_OF_OURS = { quiet_recovers, restart_recovers };

async function tell(t, world, client, way) {
  const parts = { ...TOLD_TO_BOTH, ...(world.own ? OURS_ALONE : {}),
    ...(world.own && client.version === 4 ? RECOVERY_OF_OURS : {}) };
  for (const [name, part] of Object.entries(parts)) {
    await t.test(name, () => part(world, client, way));
  }
}

function suite(name, kind, start) {
  test(name, async (t) => {
    const world = await new World(kind, start).begin();
    try {
      for (const client of CLIENTS) {
        for (const way of WAYS) {
          await t.test(`${client.name}, ${way.name}`, (u) => tell(u, world, client, way));
        }
      }
    } finally {
      await world.server.stop();
    }
  });
}

// The story is told to the reference once, and with sanitizers to the more difficult of ours.
if (!SANITIZED) {
  suite('the reference server', 'reference', (port) => startReference(
    { product: true, allowEIO3: true, connectionStateRecovery: {} }, port,
  ));
}

for (const loops of SANITIZED ? [4] : [1, 4]) {
  const dataDir = tempDir('clients');
  suite(`signalbox with ${loops} loops`, 'signalbox', (port) => startServer({
    dataDir,
    flags: ['--listen', `127.0.0.1:${port}`, '--engineio-v3', 'on', '--loops', `${loops}`,
      '--handshakes-per-s', '100000'],
  }));
}
