// Who may do what in which room of chat: every event and route of the server's own documents that
// names a room or a message, for an employee, a guest, a supervisor and a robot, in rooms of every
// state. Nothing here names an event but where its own rule is told; what the tables gain is tried.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHmac, randomUUID } from 'node:crypto';
import path from 'node:path';
import test, { after, before } from 'node:test';
import { can, instance, newSecret } from './lib/rights.mjs';
import { PATIENCE, startServer, within } from './lib/server.mjs';
import { Wire } from './lib/socketio.mjs';
import { listen } from './lib/sse.mjs';

const WAIT_MS_MAX = 10_000 * PATIENCE;
const NOWHERE = randomUUID();
const FLAGS = ['--chat-messages-per-s', '100000', '--chat-messages-burst', '100000',
  '--chat-guest-messages-per-s', '100000', '--chat-guest-messages-burst', '100000',
  '--chat-joins-per-min', '100000', '--chat-typing-every-ms', '1', '--handshakes-per-s', '100000',
  '--connections-per-address-max', '10000'];
const KINDS = { employee: 'user', supervisor: 'user', guest: 'guest', robot: 'robot' };
// Of each of them: a room that it is in, is muted in, is no member of, is banned from; a guest is
// alone in `lonely`.
const STATES = ['member', 'muted', 'stranger', 'public', 'banned', 'lonely'];
const PUBLIC = ['public', 'banned'];

const SCRIPT = `
import json, sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], timeout=10)
now = int(time.time() * 1000)
given = json.load(sys.stdin)
def put(table, **row):
    db.execute('INSERT INTO %s (%s) VALUES (%s)' % (table, ', '.join(row), ', '.join('?' * len(row))),
               list(row.values()))
for p in given['people']:
    put('principal', id=p['id'], iss='', sub=p['id'], kind=p['kind'], display_name=p['role'],
        status='active', created_at=now, updated_at=now)
    if p['kind'] == 'user':
        put('role_binding', principal_id=p['id'], role=p['role'], scope_kind='global', scope_id='',
            created_at=now)
for r in given['rooms']:
    put('chat_room', id=r['id'], type=r['type'], name=r['name'], settings='{}', last_seq=1,
        last_at=now, created_by=given['owner'], created_at=now, updated_at=now)
    put('chat_message', room_id=r['id'], seq=1, id=r['message'], type='chat', sender_id=given['owner'],
        content='"x"', delivery_status='delivered', created_at=now)
    for m in r['members']:
        put('chat_member', room_id=r['id'], principal_id=m['id'], user_type=m['type'], role=m['role'],
            muted_until=m.get('muted'), joined_at=now)
    for b in r.get('banned', []):
        put('chat_ban', room_id=r['id'], principal_id=b, reason='', created_at=now)
db.commit()
`;

let server;
let asyncapi;
let openapi;
const secret = newSecret();
const env = { SIGNALBOX_JWT_SECRET: secret };
const owner = { id: randomUUID(), role: 'employee', kind: 'user' };
const people = Object.entries(KINDS).map(([role, kind]) => ({ id: randomUUID(), role, kind }));
const typeOf = { employee: 'employee', supervisor: 'supervisor', guest: 'guest', robot: 'employee' };

function roomOf(who, state) {
  const room = { id: randomUUID(), message: randomUUID(), name: `${state} ${who.role}`,
    type: PUBLIC.includes(state) ? 'public' : 'group', members: [] };
  if (state !== 'lonely') room.members.push({ id: owner.id, type: 'employee', role: 'owner' });
  if (['member', 'muted', 'lonely'].includes(state)) {
    room.members.push({ id: who.id, type: typeOf[who.role], role: 'member',
      ...(state === 'muted' ? { muted: 253402300799999 } : {}) });
  }
  if (state === 'banned') room.banned = [who.id];
  return room;
}

const b64 = (value) => Buffer.from(value).toString('base64url');
function tokenOf(who, roomId) {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: 'signalbox', sub: who.id, kind: who.kind, jti: randomUUID(), iat: now,
    exp: now + 3600, ...(who.kind === 'guest' ? { roomId } : {}) };
  const text = `${b64('{"alg":"HS256","typ":"JWT"}')}.${b64(JSON.stringify(claims))}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

before(async () => {
  server = await startServer({ env, flags: FLAGS });
  asyncapi = (await server.get('/api/asyncapi.json')).json;
  openapi = (await server.get('/api/openapi.json')).json;
  await server.stop();
  const rooms = people.flatMap((who) => {
    who.rooms = Object.fromEntries(STATES.map((state) => [state, roomOf(who, state)]));
    who.token = tokenOf(who, who.rooms.member.id);
    return Object.values(who.rooms);
  });
  const put = spawnSync('python3', ['-c', SCRIPT, path.join(server.dataDir, 'signalbox.db')],
    { input: JSON.stringify({ people: [owner, ...people], rooms, owner: owner.id }) });
  assert.equal(put.status, 0, String(put.stderr));
  server = await startServer({ env, flags: FLAGS, dataDir: server.dataDir });
  owner.token = tokenOf(owner);
});
after(() => server?.stop());

// As the table has it; a guest's and a robot's role goes with its kind.
const holds = (who, permission) => permission === undefined ||
  can({ kind: 'user', role: who.role, scope: { kind: who.kind === 'user' ? 'global' : 'chat' } },
    permission, who.kind === 'user' ? {} : { device: undefined }) ||
  (who.kind !== 'user' && can({ kind: 'user', role: who.role, scope: { kind: 'device', id: 'x' } },
    permission, { device: 'x' }));

/** Events of chat that name a room or a message, with the bare shape of what they take. */
function events(member) {
  return Object.entries(asyncapi.components.messages)
    .filter(([id, m]) => id.startsWith('socketio_in_chat') && m['x-bytes-max'] !== undefined)
    .map(([, message]) => {
      const bare = message.payload.anyOf?.[1] ?? message.payload;
      return { message, schema: bare,
        shape: asyncapi.components.schemas[bare.$ref?.split('/').at(-1)] ?? bare };
    })
    .filter(({ shape }) => shape.properties?.[member] !== undefined);
}

const values = (more) => ({ content: 'x', type: 'chat', emoji: '!', name: 'x', mime: 'text/plain',
  size: 1, prompt: 'x', reason: 'x', robotId: randomUUID(), seq: 1, on: true, ...more });

async function connect(who) {
  const wire = await Wire.open(server);
  const joined = await wire.connect('/', { token: who.token });
  assert.equal(joined.type, 0, `${who.role}: ${JSON.stringify(joined)}`);
  let id = 0;
  const say = async (event, data) => {
    const answer = await within(WAIT_MS_MAX, event, wire.ask('/', id += 1, event, data));
    if (answer.error?.code !== 'RATE_LIMITED') return answer;
    await new Promise((resolve) => setTimeout(resolve, answer.error.details.retryAfterMs));
    return say(event, data); // who types has the shortest limit there is
  };
  return { close: () => wire.ws.terminate(), say };
}

for (const [member, of] of [['roomId', (room) => room.id], ['messageId', (room) => room.message]]) {
  test(`every event that names a ${member} is for whom the tables and the room say`, async () => {
    const host = await connect(owner); // so that guests are not alone where it is
    const wrong = [];
    let tried = 0;
    for (const who of people) {
      const wire = await connect(who);
      for (const { message, schema } of events(member)) {
        const event = message.name;
        const may = holds(who, message['x-permission']) &&
          message['x-peers'].some((p) => (who.kind === 'robot' ? /^a robot/ : /^people/).test(p));
        const ask = async (target) => {
          tried += 1;
          const data = instance(schema, asyncapi.components, values({ [member]: target }));
          return wire.say(event, data);
        };
        const note = (state, answer) => wrong.push(
          `${who.role}: ${event}: ${state}: ${JSON.stringify(answer.error ?? answer)}`);
        const nowhere = await ask(NOWHERE);
        if (nowhere.ok !== false) note('nowhere', nowhere);
        if (!may && nowhere.error?.code !== 'PERMISSION_DENIED') note('nowhere', nowhere);
        if (may && nowhere.error?.code === 'PERMISSION_DENIED') note('nowhere', nowhere);
        // Rooms that it cannot see are as if they were not there: word for word.
        for (const state of ['stranger', 'banned', 'public']) {
          const sees = who.role === 'supervisor' ||
            (state === 'public' && event === 'chat:room:join' && who.role === 'employee');
          if (sees) continue;
          const answer = await ask(of(who.rooms[state]));
          if (JSON.stringify(answer) !== JSON.stringify(nowhere)) note(state, answer);
        }
        if (['chat:room:leave', 'chat:message:delete'].includes(event)) continue; // they end it
        const inside = await ask(of(who.rooms.member));
        if (may && inside.error?.code === 'ROOM_ACCESS_DENIED') note('member', inside);
        if (!may && inside.error?.code !== 'PERMISSION_DENIED') note('member', inside);
        if (event === 'chat:message:send' && may) {
          const muted = await ask(of(who.rooms.muted));
          // Supervisors cannot be muted; a guest's token is for one room.
          const expected = { supervisor: undefined, guest: 'ROOM_ACCESS_DENIED' };
          const code = who.role in expected ? expected[who.role] : 'PERMISSION_DENIED';
          if (muted.error?.code !== code) note('muted', muted);
        }
      }
      wire.close();
    }
    host.close();
    assert.ok(tried > (member === 'roomId' ? 40 : 20), `${tried}`);
    assert.deepEqual(wrong, []);
  });
}

test('a guest and a robot come into no room by themselves, an employee into public ones', async () => {
  for (const who of people.filter((p) => p.role !== 'supervisor')) {
    const wire = await connect(who);
    const answer = await wire.say('chat:room:join', { roomId: who.rooms.public.id });
    assert.equal(answer.ok, who.role === 'employee', JSON.stringify(answer));
    wire.close();
  }
});

test('a guest who is alone or muted reads and does not write', async () => {
  const who = people.find((p) => p.role === 'guest');
  for (const state of ['lonely', 'muted']) {
    const { id } = who.rooms[state];
    const wire = await connect({ ...who, token: tokenOf(who, id) });
    assert.equal((await wire.say('chat:message:read', { roomId: id, seq: 1 })).ok, true, state);
    const said = await wire.say('chat:message:send', { roomId: id, type: 'chat', content: 'x' });
    assert.equal(said.error?.code, 'PERMISSION_DENIED', `${state}: ${JSON.stringify(said)}`);
    wire.close();
  }
});

test('who supervises watches a room without being seen in it, and is a member when it speaks', async () => {
  const who = people.find((p) => p.role === 'supervisor');
  const { id } = who.rooms.stranger;
  const wire = await connect(who);
  const host = await connect(owner);
  const members = async () => (await host.say('chat:room:join', { roomId: id })).room.members
    .map((m) => m.userId);
  const watched = await wire.say('chat:room:join', { roomId: id });
  assert.equal(watched.watching, true, JSON.stringify(watched));
  assert.ok(!(await members()).includes(who.id));
  const said = await wire.say('chat:message:send', { roomId: id, type: 'chat', content: 'stop' });
  assert.equal(said.ok, true, JSON.stringify(said));
  assert.ok((await members()).includes(who.id));
  wire.close();
  host.close();
});

test('every route of chat that names a room or a message hides what is not there for them', async () => {
  const operations = Object.entries(openapi.paths).flatMap(([pattern, methods]) =>
    Object.entries(methods).filter(([, o]) => o['x-permission'])
      .map(([method, operation]) => ({ pattern, method: method.toUpperCase(), operation })))
    .filter(({ pattern }) => /^\/api\/v1\/chat\/(rooms|messages)\/\{/.test(pattern));
  const wrong = [];
  let tried = 0;
  for (const who of people) {
    for (const { pattern, method, operation } of operations) {
      const may = holds(who, operation['x-permission']);
      const ask = async (room) => {
        let first = true;
        const target = pattern.replace(/\{[^}]*\}/g, () => {
          const value = !first ? NOWHERE : pattern.includes('/messages/{') ? room.message : room.id;
          first = false;
          return value;
        });
        tried += 1;
        const schema = operation.requestBody?.content['application/json']?.schema;
        const body = schema && instance(schema, openapi.components, values());
        const { status, json } = await server.request(method, target, { token: who.token, body });
        return { status, code: json?.code, error: json?.error };
      };
      const nowhere = await ask({ id: NOWHERE, message: NOWHERE });
      const note = (state, answer) => wrong.push(
        `${who.role}: ${method} ${pattern}: ${state}: ${JSON.stringify([answer, nowhere])}`);
      if (nowhere.status < 400) note('nowhere', nowhere);
      if ((nowhere.code === 'PERMISSION_DENIED') === may) note('nowhere', nowhere);
      for (const state of who.role === 'supervisor' ? [] : ['stranger', 'banned']) {
        const answer = await ask(who.rooms[state]);
        if (JSON.stringify(answer) !== JSON.stringify(nowhere)) note(state, answer);
      }
    }
  }
  assert.ok(tried >= 12 * Math.min(operations.length, 1), `${tried}`);
  assert.deepEqual(wrong, []);
});

test('a_stream_of_one_room_is_for_who_may_read_it', async () => {
  const wrong = [];
  for (const who of people) {
    const mine = who.role === 'guest' ? ['member'] : ['member', 'muted', 'lonely'];
    const opens = who.role === 'supervisor' ? STATES : mine;
    const states = STATES.filter((state) => who.role !== 'employee' || state !== 'public'); // it came in
    for (const [state, id] of [...states.map((state) => [state, who.rooms[state].id]), ['nowhere', NOWHERE]]) {
      const got = await listen(server, `?room_id=${id}`, { token: who.token }).then(
        (stream) => { stream.drop(); return 200; }, ({ status, json }) => `${status} ${json?.code}`);
      const expected = opens.includes(state) ? 200 : '403 ROOM_ACCESS_DENIED';
      if (got !== expected) wrong.push(`${who.role}: ${state}: ${got}, not ${expected}`);
    }
  }
  assert.deepEqual(wrong, []);
});
