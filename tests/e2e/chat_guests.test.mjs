// Guests (CONTRACT 5; chat document "Guest user restrictions enforcement"): what they see, what they
// must not, what they try; and that they are never alone.
import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { CLIENTS, open as openClient } from './lib/clients.mjs';
import { chatter, claimsOf } from './lib/chat.mjs';
import { SANITIZED, startServer, tempDir } from './lib/server.mjs';

const GUESTS = '/api/v1/chat/guests';
const NOBODYS = '0190a5c4-0000-7000-8000-000000000001';
const SECRET = 'a secret of the tests that is long enough';
const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
let server, ann, sue, room, other;
const open = new Set();

const b64 = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const jwt = (claims, secret = SECRET, header = { alg: 'HS256', typ: 'JWT' }) => {
  const text = `${b64(header)}.${b64(claims)}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
};
const outside = (claims) => {
  const text = `${b64({ alg: 'ES256', typ: 'JWT' })}.${b64(claims)}`;
  return `${text}.${sign('sha256', Buffer.from(text), { key: keys.privateKey, dsaEncoding: 'ieee-p1363' })
    .toString('base64url')}`;
};

async function talk(token, options) {
  const t = await chatter(server, token, options);
  open.add(t);
  return t;
}

/** The connect_error of a token that is refused. */
async function turnedAway(token) {
  const t = openClient(CLIENTS[0], server, { token, transports: ['websocket'], reconnection: false });
  const [error] = await t.first('connect_error');
  t.close();
  return error.data ?? {};
}

async function invited(roomId = room.id, name = 'Gina', more = {}) {
  const { status, json, text } = await server.post(GUESTS, { roomId, name, ...more }, { token: ann.token });
  assert.equal(status, 201, text);
  return json.data;
}

before(async () => {
  const dir = tempDir();
  writeFileSync(path.join(dir, 'other.pem'), keys.publicKey.export({ type: 'spki', format: 'pem' }));
  server = await startServer({
    env: { SIGNALBOX_JWT_SECRET: SECRET },
    flags: ['--loops', '2', '--jwt-leeway-s', '0', '--jwt-keys', path.join(dir, 'other.pem'),
      '--chat-sweep-ms', '50', '--chat-alone-ms', '300', '--chat-alone-queue-ms', '300',
      '--chat-joins-per-min', '100000'],
  });
  ann = await talk(await server.cli('token', '--sub', 'ann', '--role', 'employee', '--ttl', '1h'));
  sue = await talk(await server.cli('token', '--sub', 'sue', '--role', 'supervisor', '--ttl', '1h'));
  room = await ann.makes({ type: 'support', name: 'Help' });
  other = await ann.makes({ type: 'public', name: 'Canteen' });
});
after(async () => {
  for (const t of open) t.close();
  await server.stop();
});

test('a_guest_is_in_its_room_with_a_signed_token_that_names_it', async () => {
  await ann.send(room.id, 'before the guest');
  const guest = await invited(room.id, 'Gina', { ttl_s: 600 });
  assert.deepEqual(Object.keys(guest),
    ['id', 'roomId', 'name', 'expiresAt', 'revoked', 'createdBy', 'createdAt', 'token']);
  const claims = claimsOf(guest.token);
  assert.equal(claims.kind, 'guest');
  assert.equal(claims.roomId, room.id);
  assert.equal(claims.sub, guest.id);
  assert.equal(claims.exp - claims.iat, 600);
  assert.equal(claims.roles, undefined);
  const gina = await talk(guest.token);
  const joined = await gina.first('chat:room:joined', (d) => d.roomId === room.id);
  assert.equal(joined.data.userType, 'guest');
  assert.equal(joined.data.unread, 0);
  await ann.first('chat:room:joined', (d) => d.userId === guest.id);
  await gina.send(room.id, 'hello', { senderId: NOBODYS, userType: 'supervisor' });
  const { data } = await ann.first('chat:message:received', (d) => d.content === 'hello');
  assert.equal(data.senderId, guest.id);
  assert.ok(!gina.heard('chat:message:received').some((m) => m.content === 'before the guest'));
  const list = (await server.get(`${GUESTS}?room_id=${room.id}`, { token: ann.token })).json.data;
  assert.ok(list.some((g) => g.id === guest.id && g.token === undefined));
});

test('a_guest_may_do_what_guests_may_and_nothing_else', async () => {
  const gina = await talk((await invited()).token);
  await gina.first('chat:room:joined');
  await gina.refused('chat:room:create', { name: 'mine', type: 'group' }, 'PERMISSION_DENIED');
  await gina.refused('chat:escalation:create', { roomId: room.id, reason: 'x' }, 'PERMISSION_DENIED');
  await gina.refused('chat:message:send', { roomId: room.id, type: 'graph', content: { a: 1 } }, 'PERMISSION_DENIED');
  await gina.refused('chat:message:send', { roomId: room.id, type: 'system', content: 'x' }, 'PERMISSION_DENIED');
  for (const [method, target, body] of [
    ['GET', '/api/v1/chat/people'], ['GET', '/api/v1/chat/escalations'], ['GET', GUESTS],
    ['POST', GUESTS, { roomId: room.id, name: 'x' }], ['GET', '/api/v1/devices'],
    ['GET', '/api/v1/rooms'], ['GET', '/api/v1/audit'], ['GET', '/api/v1/connections'],
    ['POST', `/api/v1/chat/escalations/${NOBODYS}/take`],
  ]) {
    const { status } = await server.request(method, target, { token: gina.token, body });
    assert.equal(status, 403, `${method} ${target}`);
  }
  // What is for the desk and for staff does not reach a guest.
  const ben = await talk(await server.cli('token', '--sub', 'ben', '--role', 'employee', '--ttl', '1h'));
  const { escalation } = await ann.good('chat:escalation:create', { roomId: room.id, reason: 'secret reason' });
  await ben.first('chat:escalation:created', (d) => d.id === escalation.id);
  await ann.send(room.id, 'behind it');
  await gina.first('chat:message:received', (d) => d.content === 'behind it');
  assert.ok(!JSON.stringify(gina.talker.heard).includes('secret reason'));
});

test('rooms_that_are_not_theirs_and_rooms_that_are_not_there_are_the_same', async () => {
  const gina = await talk((await invited()).token);
  const asks = [
    ['chat:room:join', (roomId) => ({ roomId })],
    ['chat:message:send', (roomId) => ({ roomId, type: 'chat', content: 'x' })],
    ['chat:message:read', (roomId) => ({ roomId, seq: 1 })],
  ];
  for (const [event, data] of asks) {
    const there = await gina.refused(event, data(other.id), 'ROOM_ACCESS_DENIED');
    const nowhere = await gina.refused(event, data(randomUUID()), 'ROOM_ACCESS_DENIED');
    assert.deepEqual(there, nowhere, event);
  }
  for (const target of ['', '/messages', '/members']) {
    const of = async (id) => {
      const { status, json } = await server.get(`/api/v1/chat/rooms/${id}${target}`, { token: gina.token });
      return { status, code: json?.code, detail: json?.detail };
    };
    assert.deepEqual(await of(other.id), await of(NOBODYS), target);
  }
  const said = await server.post(`/api/v1/chat/rooms/${other.id}/messages`, { type: 'chat', content: 'x' },
    { token: gina.token });
  assert.equal(said.status, 403);
});

test('tokens_that_are_not_what_was_given_are_refused', async () => {
  const guest = await invited();
  const claims = claimsOf(guest.token);
  const user = claimsOf(ann.token);
  const [head, body, mac] = guest.token.split('.');
  const bad = {
    'another secret': jwt(claims, 'another secret that is long enough too'),
    'no algorithm': `${b64({ alg: 'none' })}.${body}.`,
    'another room, not signed': `${head}.${b64({ ...claims, roomId: other.id })}.${mac}`,
    expired: jwt({ ...claims, exp: claims.iat - 10, iat: claims.iat - 20 }),
    'no room': jwt({ ...claims, roomId: undefined }),
    'a room that is none': jwt({ ...claims, roomId: 'help' }),
    'as a user': jwt({ ...claims, kind: 'user' }),
    'as a service': jwt({ ...claims, kind: 'service' }),
    'a user as a guest': jwt({ ...user, kind: 'guest', roomId: room.id }),
    'of another issuer': outside({ iss: 'other', sub: 'x', kind: 'guest', roomId: room.id, exp: claims.exp }),
    'of another issuer, with our id': outside({ iss: 'other', sub: guest.id, kind: 'guest', roomId: room.id,
      exp: claims.exp }),
  };
  for (const [what, token] of Object.entries(bad)) {
    assert.match(JSON.stringify(await turnedAway(token)), /AUTH/, what);
    assert.equal((await server.get('/api/v1/auth/me', { token })).status, 401, what);
  }
  // Signed by us, as none of ours is: roles count for nothing, and the room is the token's.
  const promoted = await talk(jwt({ ...claims, roles: ['admin', 'supervisor'], perms: ['chat:room:monitor'] }));
  await promoted.first('chat:room:joined');
  await promoted.refused('chat:room:join', { roomId: other.id }, 'ROOM_ACCESS_DENIED');
  await promoted.refused('chat:room:create', { name: 'x', type: 'group' }, 'PERMISSION_DENIED');
  const moved = await talk(jwt({ ...claims, roomId: other.id }));
  await moved.refused('chat:message:send', { roomId: room.id, type: 'chat', content: 'x' }, 'ROOM_ACCESS_DENIED');
  await moved.refused('chat:room:join', { roomId: other.id }, 'ROOM_ACCESS_DENIED');
  assert.deepEqual(moved.heard('chat:room:joined'), []);
});

test('a_token_ends_and_a_revoked_one_ends_at_once', async () => {
  const short = await server.cli('token', '--kind', 'guest', '--sub', 'Gus', '--room', room.id, '--ttl', SANITIZED ? '10s' : '3s');
  const gus = await talk(short);
  const gone = await gus.talker.first('closing', { test: (c) => c.code === 4100 });
  assert.equal(gone[0].code, 4100);
  await turnedAway(short);
  const guest = await invited();
  const gina = await talk(guest.token);
  await gina.first('chat:room:joined');
  assert.equal((await server.request('DELETE', `${GUESTS}/${NOBODYS}`, { token: ann.token })).status, 404);
  assert.equal((await server.request('DELETE', `${GUESTS}/${guest.id}`, { token: ann.token })).status, 204);
  await gina.talker.first('closing', { test: (c) => c.code === 4000 });
  await ann.first('chat:room:left', (d) => d.userId === guest.id);
  await turnedAway(guest.token);
});

test('a_guest_who_begins_a_conversation_gets_a_room_that_somebody_is_called_to', async () => {
  const { status, json, text } = await server.post(GUESTS, { name: 'Greta', reason: 'a visitor asks' },
    { token: ann.token });
  assert.equal(status, 201, text);
  const { roomId, token } = json.data;
  const called = await sue.first('chat:escalation:created', (d) => d.roomId === roomId);
  assert.equal(called.data.reason, 'a visitor asks');
  const greta = await talk(token);
  const { data } = await greta.first('chat:room:joined');
  assert.equal(data.roomId, roomId);
  assert.equal(data.type, 'support');
  await greta.send(roomId, 'is somebody there?');
  assert.equal((await server.post(GUESTS, { roomId: NOBODYS, name: 'x' }, { token: ann.token })).status, 403);
  assert.equal((await server.post(GUESTS, { roomId: room.id }, { token: ann.token })).status, 400);
  assert.equal((await server.post(GUESTS, { roomId: room.id, name: 'x', ttl_s: 1 }, { token: ann.token })).status, 400);
});

test('guests_are_never_alone', async () => {
  const eve = await talk(await server.cli('token', '--sub', 'eve', '--role', 'employee', '--ttl', '1h'));
  const ben = await talk(await server.cli('token', '--sub', 'ben', '--role', 'employee', '--ttl', '1h'));
  const { id } = await eve.makes({ type: 'support' });
  const made = await server.post(GUESTS, { roomId: id, name: 'Gil' }, { token: eve.token });
  const gil = await talk(made.json.data.token);
  await gil.first('chat:room:joined');
  await gil.send(id, 'one');
  eve.close();
  const told = await gil.first('chat:system:notification', (d) => d.roomId === id && d.code === 'room_read_only');
  assert.equal(told.data.level, 'warning');
  await sue.first('chat:system:notification', (d) => d.roomId === id && d.code === 'guests_alone');
  await gil.refused('chat:message:send', { roomId: id, type: 'chat', content: 'two' }, 'PERMISSION_DENIED');
  const waits = await ben.first('chat:escalation:created', (d) => d.roomId === id);
  assert.equal(waits.data.createdBy, null);
  await sue.first('chat:system:notification', (d) => d.roomId === id && d.code === 'room_waits');
  const taken = await server.post(`/api/v1/chat/escalations/${waits.data.id}/take`, undefined, { token: ben.token });
  assert.equal(taken.status, 200, taken.text);
  await gil.first('chat:system:notification', (d) => d.roomId === id && d.code === 'room_attended');
  await gil.send(id, 'two');
});

test('an_invitation_is_redeemed_and_wrong_ones_are_all_alike_and_few', async () => {
  const made = await server.post(`/api/v1/chat/rooms/${room.id}/invitations`,
    { kind: 'guest', uses: 1, ttlS: 600 }, { token: ann.token });
  assert.equal(made.status, 201, made.text);
  const secret = made.json.data.invitation;
  const redeem = (invitation) => server.post(`${GUESTS}/redeem`, { invitation, name: 'Gus' });
  const got = await redeem(secret);
  assert.equal(got.status, 201, got.text);
  assert.equal(got.json.data.roomId, room.id);
  assert.equal(got.json.data.createdBy, null);
  const gus = await talk(got.json.data.token);
  await gus.first('chat:room:joined', (d) => d.roomId === room.id);
  const seen = ({ status, json }) => ({ status, code: json.code, error: json.error, detail: json.detail });
  const used = seen(await redeem(secret));
  assert.equal(used.status, 401);
  for (const wrong of ['x', `${secret.slice(0, -1)}A`, room.id]) {
    assert.deepEqual(seen(await redeem(wrong)), used, wrong);
  }
  const slowed = await redeem('y');
  assert.equal(slowed.status, 429);
  assert.ok(Number(slowed.headers.get('retry-after')) > 0);
});
