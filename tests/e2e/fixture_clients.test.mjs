// The conformance fixture as the official clients see it: versions 4, 3 and 2, over WebSocket, over
// polling and upgrading. The same story is told to the reference server first.
import assert from 'node:assert/strict';
import test from 'node:test';
import msgpackParser from 'socket.io-msgpack-parser';
import { startReference } from './lib/reference.mjs';
import { SANITIZED, startServer } from './lib/server.mjs';
import { CLIENTS, WAYS, beside, connected, open, until } from './lib/clients.mjs';

const ROOM_MESSAGES = 200;
const ACKS_AT_ONCE = 100;
const PING_MS = 100;

const last = (way) => way.transports.at(-1);

async function say_and_hear(talker) {
  const args = ['text', 'Zażółć \u{1f680} "\\\n\u2028', 0, -1.25e-300, null, true, [], {}, [[1], { a: [null] }],
    { '': '', ä: { ö: ['ü'] } }, '', 'x'.repeat(20_000)];
  talker.socket.emit('message', ...args);
  assert.deepEqual(await talker.next('message-back'), args);
}

async function binary_both_ways(talker) {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const args = [bytes, { deep: [{ bytes: Buffer.alloc(70_000, 7) }], also: 'text' }, Buffer.alloc(0)];
  talker.socket.emit('message', ...args);
  assert.deepEqual(await talker.next('message-back'), args);
  assert.deepEqual(await talker.ask('message-with-ack', ...args), args);
}

async function acks(talker) {
  assert.deepEqual(await talker.ask('message-with-ack', 1, '2', { 3: [false] }), [1, '2', { 3: [false] }]);
  assert.deepEqual(await talker.ask('message-with-ack'), []);
  const numbers = Array.from({ length: ACKS_AT_ONCE }, (_, i) => i);
  const order = [];
  await Promise.all(numbers.map((i) => talker.ask('message-with-ack', i).then(([n]) => {
    assert.equal(n, i);
    order.push(n);
  })));
  assert.deepEqual(order, numbers);
}

async function server_asks(talker) {
  talker.socket.on('ack', (answer) => answer(5, { test: true }));
  talker.socket.emit('ack');
  await talker.next('got it');
  talker.socket.off('ack');
}

async function time_outs(talker) {
  if (talker.client.version < 4) return;
  const none = () => talker.socket.timeout(200).emitWithAck('nobody listens to this');
  await assert.rejects(none, /timed out/);
  assert.equal(await talker.socket.timeout(20_000).emitWithAck('message-with-ack', 'in time'), 'in time');
}

async function volatile(talker) {
  if (talker.client.version === 2) return; // its volatile is the server's only
  // One that does not find the transport ready may be dropped, and nothing else is.
  await until('a volatile message', async () => {
    talker.socket.volatile.emit('count');
    await talker.ask('message-with-ack');
    return Number((await talker.ask('counted'))[0]) > 0;
  });
}

async function namespaces(talker) {
  const custom = beside(talker, '/custom', { auth: { token: 'abc' } });
  await custom.first('connect');
  if (talker.client.version > 2) assert.deepEqual(await custom.first('auth'), [{ token: 'abc' }]);
  assert.notEqual(custom.id, talker.id);
  assert.equal(custom.engine.id, talker.engine.id);
  const nobody = beside(talker, '/random');
  const [error] = await nobody.first(talker.client.version > 2 ? 'connect_error' : 'error');
  assert.equal(error.message ?? error, 'Invalid namespace');
  nobody.close();
  custom.close();
  assert.deepEqual((await custom.first('disconnect'))[0], 'io client disconnect');
  assert.deepEqual(await talker.ask('message-with-ack', 'still here'), ['still here']);
  custom.socket.connect();
  await custom.next('connect', { from: custom.heard.findIndex((h) => h.event === 'disconnect') });
  custom.close();
}

async function rooms(talker, server, way) {
  const other = await connected(talker.client, server, { transports: way.transports });
  const outside = await connected(talker.client, server, { transports: way.transports });
  const room = `room-${talker.id}`;
  assert.deepEqual(await talker.ask('join', room), [`ok ${room}`]);
  assert.deepEqual(await other.ask('join', room), [`ok ${room}`]);
  for (let i = 0; i < ROOM_MESSAGES; i++) outside.socket.emit('broadcast', room, `n-${i}`);
  const expected = Array.from({ length: ROOM_MESSAGES }, (_, i) => [`n-${i}`]);
  for (const member of [talker, other]) {
    await member.first('message', { test: (text) => text === `n-${ROOM_MESSAGES - 1}` });
    assert.deepEqual(member.of('message'), expected);
  }
  await outside.ask('message-with-ack');
  assert.deepEqual(outside.of('message'), []);
  other.close();
  outside.close();
}

// Every socket is in the room of its own id, which is how one is spoken to alone.
async function own_room(talker, server, way) {
  const other = await connected(talker.client, server, { transports: way.transports });
  const [id] = await talker.ask('getId');
  assert.equal(typeof id, 'string');
  if (talker.client.version > 2) assert.equal(id, talker.id);
  other.socket.emit('broadcast', id, 'for you');
  await talker.next('message', { from: 0, test: (text) => text === 'for you' });
  await other.ask('message-with-ack');
  assert.deepEqual(other.of('message'), []);
  other.close();
}

async function beats(talker) {
  await new Promise((resolve) => setTimeout(resolve, 4 * PING_MS));
  assert.equal(talker.of('disconnect').length, 0);
  assert.deepEqual(await talker.ask('message-with-ack', 'alive'), ['alive']);
}

async function comes_back(talker, server, way) {
  const id = talker.id;
  talker.cut();
  const [reason] = await talker.first('disconnect');
  assert.match(reason, /^(transport close|forced close)$/);
  await talker.next('connect', { from: talker.heard.findIndex((h) => h.event === 'disconnect') });
  assert.notEqual(talker.id, id);
  await talker.transport(last(way));
  assert.deepEqual(await talker.ask('message-with-ack', 'again'), ['again']);
}

const STORY = {
  say_and_hear, binary_both_ways, acks, server_asks, time_outs, volatile, namespaces, rooms,
  own_room, beats, comes_back,
};

async function tell(t, server, client, way) {
  const talker = await connected(client, server, { transports: way.transports, auth: { a: 'b' } });
  try {
    await talker.transport(last(way));
    if (client.version > 2) assert.deepEqual(await talker.first('auth'), [{ a: 'b' }]);
    for (const [name, part] of Object.entries(STORY)) {
      await t.test(name, () => part(talker, server, way));
    }
    talker.close();
    assert.equal(talker.of('disconnect').at(-1)[0], 'io client disconnect');
  } finally {
    talker.close();
  }
}

async function restart(t, start, client, way) {
  let server = await start(0);
  const talker = await connected(client, server, { transports: way.transports });
  try {
    await talker.transport(last(way));
    await server.stop();
    const [reason] = await talker.first('disconnect');
    assert.match(reason, /^transport (close|error)$/);
    const gone = talker.heard.findIndex((h) => h.event === 'disconnect');
    server = await start(server.port);
    await talker.next('connect', { from: gone });
    assert.deepEqual(await talker.ask('message-with-ack', 'back'), ['back']);
  } finally {
    talker.close();
    await server.stop();
  }
}

function suite(name, start) {
  test(name, async (t) => {
    const server = await start(0);
    try {
      for (const client of CLIENTS) {
        for (const way of WAYS) {
          await t.test(`${client.name}, ${way.name}`, (u) => tell(u, server, client, way));
        }
      }
    } finally {
      await server.stop();
    }
    for (const way of WAYS) {
      await t.test(`a restart, ${way.name}`, (u) => restart(u, start, CLIENTS[0], way));
    }
  });
}

const timers = { pingInterval: PING_MS, pingTimeout: 5000 };
// The story is told to the reference once, and with sanitizers to the more difficult of ours.
if (!SANITIZED) {
  suite('the reference server', (port) => startReference({ allowEIO3: true, ...timers }, port));
}

for (const loops of SANITIZED ? [4] : [1, 4]) {
  suite(`signalbox with ${loops} loops`, (port) => startServer({
    flags: ['--listen', `127.0.0.1:${port}`, '--conformance', 'on', '--engineio-v3', 'on',
      '--engineio-ping-interval-ms', `${timers.pingInterval}`,
      '--engineio-ping-timeout-ms', `${timers.pingTimeout}`, '--loops', `${loops}`],
  }));
}

test('old clients are refused while the switch is off', async () => {
  const server = await startServer({ flags: ['--conformance', 'on'] });
  try {
    const talker = open(CLIENTS[2], server, { reconnection: false });
    await talker.first('connect_error');
    talker.close();
    const got = await server.get('/socket.io/?EIO=3&transport=polling');
    assert.equal(got.status, 400);
    assert.deepEqual(got.json, { code: 5, message: 'Unsupported protocol version' });
  } finally {
    await server.stop();
  }
});

const MSGPACK = {
  name: 'socket.io-client 4 with msgpack',
  version: 4,
  io: (url, options) => CLIENTS[0].io(url, { ...options, parser: msgpackParser }),
};

// The reference wants one parser for a whole server.
test('clients of every kind, msgpack among them, hear the same in one room', async (t) => {
  const server = await startServer({
    flags: ['--conformance', 'on', '--engineio-v3', 'on', '--loops', '4'],
  });
  const members = [];
  try {
    for (const way of WAYS) {
      await t.test(`${MSGPACK.name}, ${way.name}`, async () => {
        const talker = await connected(MSGPACK, server, { transports: way.transports });
        members.push(talker);
        await talker.transport(last(way));
        for (const part of [say_and_hear, binary_both_ways, acks, server_asks]) await part(talker);
      });
      for (const client of CLIENTS) {
        members.push(await connected(client, server, { transports: way.transports }));
      }
    }
    for (const m of members) assert.deepEqual(await m.ask('join', 'all'), ['ok all']);
    for (const m of members) {
      const args = ['from', members.indexOf(m), { bytes: Buffer.from([0, 255]) }, Buffer.from('end')];
      m.socket.emit('broadcast', 'all', ...args);
      for (const other of members) {
        const got = await other.first('message', { test: (_, i) => i === args[1] });
        assert.deepEqual(got, args, `${other.client.name} hears ${m.client.name}`);
      }
    }
    for (const m of members) assert.equal(m.of('message').length, members.length);
  } finally {
    for (const m of members) m.close();
    await server.stop();
  }
});
