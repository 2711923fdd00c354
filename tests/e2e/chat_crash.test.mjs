// The server dies with kill -9 while people talk in several rooms over sockets and REST, and comes
// back at the same address. No acknowledged message is lost, none is there twice, no room's seq has
// a hole or is given twice; who listens hears each message once and in order, over every crash; who
// was away fetches what the room's lastSeq says it has missed, and misses nothing.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import test from 'node:test';
import { io } from 'socket.io-client';
import { SANITIZED, startServer, tempDir } from './lib/server.mjs';

const ROUNDS = Number(process.env.SIGNALBOX_CHAT_CRASH_ROUNDS ?? 3);
const ROOMS = 3;
const PEOPLE = 4;
const WINDOW = 6; // messages of one person under way
const LIFE_MS_MAX = SANITIZED ? 900 : 250;
const SETTLE_MS_MAX = 60_000;
const FLAGS = ['--loops', '2', '--handshakes-per-s', '1000', '--chat-messages-per-s', '100000',
  '--chat-messages-burst', '100000', '--chat-joins-per-min', '100000'];

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what, condition) {
  const end = Date.now() + SETTLE_MS_MAX;
  while (!await condition()) {
    assert.ok(Date.now() < end, `${what}: not within ${SETTLE_MS_MAX} ms`);
    await pause(10);
  }
}

const envelope = (event, data) => ({ event, data, version: '1.0' });

/** Somebody in every room: says things until they are acknowledged, and keeps what it hears. */
class Person {
  constructor(server, name, token) {
    Object.assign(this, { name, token, count: 0, repeats: 0 });
    this.waiting = new Map(); // clientId -> {room, sent}
    this.acknowledged = new Map(); // clientId -> {room, seq, id}
    this.places = new Map(); // room -> {next, missed: [[from, to]]}
    this.socket = io(server.url, { auth: { token }, transports: ['websocket'], forceNew: true,
      reconnectionDelay: 20, reconnectionDelayMax: 100 });
    this.socket.on('disconnect', () => {
      for (const w of this.waiting.values()) {
        this.repeats += w.sent;
        w.sent = false;
      }
    });
    this.socket.on('connect', () => this.pump());
    this.socket.on('chat:room:joined', ({ data }) => data.members && this.arrive(data));
    this.socket.on('chat:message:received', ({ data }) => this.hear(data));
    this.socket.on('gap', (gap) => assert.fail(`a gap ${JSON.stringify(gap)}`));
  }

  arrive({ roomId, lastSeq }) {
    const place = this.places.get(roomId) ?? { next: lastSeq + 1, missed: [] };
    assert.ok(lastSeq >= place.next - 1, `${this.name}: lastSeq went back to ${lastSeq}`);
    if (lastSeq >= place.next) place.missed.push([place.next, lastSeq]); // to be fetched
    place.next = lastSeq + 1;
    this.places.set(roomId, place);
  }

  hear({ roomId, seq }) {
    const place = this.places.get(roomId);
    assert.ok(place, 'a message before its room');
    if (this.socket.recovered && seq < place.next) return; // doubles of a recovery have the same id
    assert.equal(seq, place.next, `${this.name} in ${roomId}`);
    place.next += 1;
  }

  /** What it has missed, in pages, as a client does. */
  async fetch(server) {
    let n = 0;
    for (const [room, { missed }] of this.places) {
      for (const [from, to] of missed) {
        for (let after = from - 1; after < to;) {
          const { status, json } = await server.get(
            `/api/v1/chat/rooms/${room}/messages?after=${after}&limit=200`, { token: this.token });
          assert.equal(status, 200, JSON.stringify(json));
          assert.ok(json.data.length > 0, `nothing after ${after} of ${to}`);
          for (const { seq } of json.data) assert.equal(seq, ++after);
          n += json.data.length;
        }
      }
    }
    return n;
  }

  say(rooms) {
    while (!this.ended && this.waiting.size < WINDOW) {
      const room = rooms[this.count % rooms.length];
      this.waiting.set(`${this.name}-${this.count++}`, { room, sent: false });
    }
    this.pump();
  }

  pump() {
    for (const [clientId, w] of this.waiting) {
      if (w.sent || !this.socket.connected) continue;
      w.sent = true;
      const data = { roomId: w.room, type: 'chat', content: clientId, clientId };
      this.socket.emit('chat:message:send', envelope('chat:message:send', data), (answer) => {
        w.sent = false;
        if (answer.ok) {
          this.acknowledged.set(clientId, { room: w.room, seq: answer.seq, id: answer.messageId });
          this.waiting.delete(clientId);
        } else {
          assert.equal(answer.error.code, 'SERVER_ERROR', JSON.stringify(answer));
        }
      });
    }
  }
}

const SCRIPT = `
import json, sqlite3, sys
db = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True, timeout=10)
def all(sql): return db.execute(sql).fetchall()
print(json.dumps({
    'integrity': all('PRAGMA integrity_check')[0][0],
    'rooms': all('SELECT id, last_seq FROM chat_room'),
    'messages': all('SELECT room_id, seq, id, client_id, content FROM chat_message ORDER BY room_id, seq'),
}))
`;

function inspect(dataDir) {
  const got = spawnSync('python3', ['-c', SCRIPT, path.join(dataDir, 'signalbox.db')],
    { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024, timeout: 60_000 });
  assert.equal(got.status, 0, got.stderr);
  return JSON.parse(got.stdout);
}

function check(seen, people) {
  assert.equal(seen.integrity, 'ok');
  const last = new Map(seen.rooms.map(([id]) => [id, 0]));
  const byClient = new Map();
  for (const [room, seq, id, clientId, content] of seen.messages) {
    assert.equal(seq, last.get(room) + 1, `a hole in ${room}, or a seq twice`);
    last.set(room, seq);
    assert.equal(content, JSON.stringify(clientId));
    assert.ok(!byClient.has(clientId), `${clientId} is stored twice`);
    byClient.set(clientId, { room, seq, id });
  }
  for (const [id, lastSeq] of seen.rooms) assert.equal(last.get(id), lastSeq);
  for (const person of people) {
    assert.equal(person.acknowledged.size, person.count, 'all was said in the end');
    for (const [clientId, said] of person.acknowledged) {
      assert.deepEqual(byClient.get(clientId), said, clientId);
    }
    for (const [room, place] of person.places) {
      assert.equal(place.next, last.get(room) + 1, `${person.name} has not heard all`);
    }
  }
}

test('no_acknowledged_message_is_lost_or_doubled_by_kill_9', { timeout: 900_000 }, async (t) => {
  const dataDir = tempDir('crash-chat');
  let server = await startServer({ dataDir, flags: FLAGS });
  const names = Array.from({ length: PEOPLE }, (_, i) => `p${i}`);
  const tokens = await Promise.all(names.map((name) =>
    server.cli('token', '--sub', name, '--role', 'employee', '--ttl', '1h')));
  const people = names.map((name, i) => new Person(server, name, tokens[i]));
  const ask = (person, event, data) => new Promise((resolve) => {
    person.socket.emit(event, envelope(event, data), resolve);
  });
  let fetched;
  let talking;
  try {
    const rooms = [];
    for (let i = 0; i < ROOMS; i += 1) {
      const made = await ask(people[0], 'chat:room:create', { name: `room ${i}`, type: 'public' });
      assert.equal(made.ok, true, JSON.stringify(made));
      rooms.push(made.room.id);
    }
    for (const person of people.slice(1)) {
      for (const roomId of rooms) {
        assert.equal((await ask(person, 'chat:room:join', { roomId })).ok, true);
      }
    }
    await until('all are in', () => people.every((p) => p.places.size === ROOMS));
    talking = setInterval(() => people.forEach((p) => p.say(rooms)), 5);
    for (let round = 0; round < ROUNDS; round += 1) {
      const goal = people.map((p) => p.acknowledged.size);
      await until('messages are acknowledged', () =>
        people.every((p, i) => p.acknowledged.size > goal[i]));
      await pause(Math.random() * LIFE_MS_MAX);
      people[0].socket.disconnect(); // it comes as new
      await pause(Math.random() * 20);
      await server.crash();
      server = await startServer({ dataDir,
        flags: [...FLAGS, '--listen', `${server.host}:${server.port}`] });
      await pause(Math.random() * LIFE_MS_MAX);
      people[0].socket.connect();
    }
    for (const p of people) p.ended = true;
    await until('everything is acknowledged', () => people.every((p) => p.waiting.size === 0));
    const wanted = new Map();
    for (const p of people) {
      for (const { room, seq } of p.acknowledged.values()) {
        wanted.set(room, Math.max(wanted.get(room) ?? 0, seq));
      }
    }
    await until('everybody has heard it', () => people.every((p) =>
      rooms.every((room) => p.places.get(room).next > wanted.get(room))));
    fetched = await people[0].fetch(server);
  } catch (error) {
    await server.crash(); // a child that lives on would keep this process, too
    throw error;
  } finally {
    clearInterval(talking);
    for (const { socket } of people) socket.close();
  }
  await server.stop();
  check(inspect(dataDir), people);
  const sum = (f) => people.reduce((n, p) => n + f(p), 0);
  t.diagnostic(`${ROUNDS} rounds: ${sum((p) => p.acknowledged.size)} messages acknowledged, ` +
    `${sum((p) => p.repeats)} sent again, ${fetched} fetched`);
});
