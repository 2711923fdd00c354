// Rooms of chat and who is in them, over REST and sockets (seeds: "Room-specific message
// broadcasting", "Room joining/leaving scenarios", "Room access permission checks").
import assert from 'node:assert/strict';
import test, { after, afterEach, before } from 'node:test';
import { io } from 'socket.io-client';
import { PATIENCE, startServer, within } from './lib/server.mjs';

const WAIT_MS = 10_000 * PATIENCE;
const ROOMS = '/api/v1/chat/rooms';
const open = new Set();
let server;
let ann;
let bob;
let eve;
let sue;

class Person {
  constructor(name, token) {
    Object.assign(this, { name, token });
  }

  rest(method, target, body, headers) {
    return server.request(method, target, { token: this.token, body, headers });
  }

  async connect() {
    this.heard = [];
    this.watchers = new Set();
    this.socket = io(server.url, {
      auth: { token: this.token }, transports: ['websocket'], forceNew: true, reconnection: false,
    });
    open.add(this.socket);
    this.socket.onAny((event, e) => {
      this.heard.push({ event, ...e });
      for (const w of this.watchers) w();
    });
    await within(WAIT_MS, `${this.name} connects`, new Promise((resolve, reject) => {
      this.socket.on('connect', resolve);
      this.socket.on('connect_error', reject);
    }));
    return this;
  }

  ask(event, data, requestId) {
    return this.socket.timeout(WAIT_MS).emitWithAck(event, { event, data, requestId, version: '1.0' });
  }

  find(event, fits = () => true) {
    return this.heard.find((e) => e.event === event && fits(e.data));
  }

  async hears(event, fits) {
    let w;
    const heard = new Promise((resolve) => {
      w = () => this.find(event, fits) && resolve(this.find(event, fits));
      this.watchers.add(w);
      w();
    });
    return within(WAIT_MS, `${event} for ${this.name}; heard ${this.heard.map((e) => e.event)}`, heard)
      .finally(() => this.watchers.delete(w));
  }
}

before(async () => {
  server = await startServer({ flags: ['--handshakes-per-s', '1000', '--loops', '2'] });
  const mint = async (name, role) => {
    const token = await server.cli('token', '--sub', name, '--role', role, '--ttl', '1h');
    const person = new Person(name, token);
    person.id = JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).sub;
    return person;
  };
  [ann, bob, eve] = await Promise.all(['ann', 'bob', 'eve'].map((n) => mint(n, 'employee')));
  sue = await mint('sue', 'supervisor');
});
afterEach(() => {
  for (const s of open) s.disconnect();
  open.clear();
});
after(() => server?.stop());

const made = async (who, body) => {
  const { status, json, headers } = await who.rest('POST', ROOMS, body);
  assert.ok(status === 201 || status === 200, JSON.stringify(json));
  return { room: json.data, status, headers };
};
const of = (room) => (d) => (d.roomId ?? d.id) === room.id;

test('a_room_is_made_told_to_its_members_and_shown_to_nobody_else', async () => {
  await bob.connect();
  const { room, headers } = await made(ann, {
    name: 'Team', type: 'group', members: [bob.id], settings: { topic: 'x' },
  });
  assert.equal(headers.get('location'), `${ROOMS}/${room.id}`);
  assert.deepEqual(room.settings, { topic: 'x' });
  assert.deepEqual(room.members.map((m) => m.role).sort(), ['member', 'owner']);
  await bob.hears('chat:room:created', of(room));
  const joined = await bob.hears('chat:room:joined', of(room));
  assert.equal(joined.version, '1.0');
  assert.equal(joined.data.lastSeq, 0);
  assert.equal((await bob.rest('GET', `${ROOMS}/${room.id}`)).status, 200);
  const denied = await eve.rest('GET', `${ROOMS}/${room.id}`);
  const missing = await eve.rest('GET', `${ROOMS}/${bob.id}`);
  assert.equal(denied.status, 403);
  assert.equal(denied.json.code, 'ROOM_ACCESS_DENIED');
  assert.equal(denied.json.error, missing.json.error, 'what is not there and what is not theirs are the same');
  assert.equal(missing.status, 403);
});

test('a_direct_room_of_two_is_there_once_hidden_and_back', async () => {
  const first = await made(ann, { type: 'direct', members: [bob.id] });
  const again = await made(bob, { type: 'direct', members: [ann.id] });
  assert.equal(again.room.id, first.room.id);
  assert.equal(again.status, 200);
  assert.equal((await ann.rest('DELETE', `${ROOMS}/${first.room.id}/members/${ann.id}`)).status, 204);
  const list = async () => (await ann.rest('GET', `${ROOMS}?limit=200`)).json.data.map((r) => r.id);
  assert.ok(!(await list()).includes(first.room.id));
  await made(ann, { type: 'direct', members: [bob.id] });
  assert.ok((await list()).includes(first.room.id));
});

test('public_rooms_are_found_joined_and_left_over_sockets', async () => {
  const { room } = await made(ann, { name: 'Canteen', type: 'public' });
  await Promise.all([ann.connect(), bob.connect()]);
  await ann.hears('chat:room:joined', of(room));
  const found = await bob.rest('GET', `${ROOMS}?public=1&q=cant`);
  assert.deepEqual(found.json.data.map((r) => r.id), [room.id]);
  const ack = await bob.ask('chat:room:join', { roomId: room.id }, 'r1');
  assert.equal(ack.ok, true, JSON.stringify(ack));
  assert.equal(ack.requestId, 'r1');
  assert.equal((await bob.hears('chat:room:joined', of(room))).requestId, 'r1');
  const told = await ann.hears('chat:room:joined', (d) => of(room)(d) && d.userId === bob.id);
  assert.equal(told.requestId, undefined);
  assert.equal(told.data.userType, 'employee');
  const gone = await bob.ask('chat:room:leave', { roomId: room.id }, 'r2');
  assert.equal(gone.ok, true, JSON.stringify(gone));
  assert.equal((await bob.hears('chat:room:left', of(room))).requestId, 'r2');
  await ann.hears('chat:room:left', (d) => of(room)(d) && d.userId === bob.id);
  const out = await bob.ask('chat:room:leave', { roomId: room.id });
  assert.equal(out.error.code, 'ROOM_ACCESS_DENIED');
  assert.equal(out.error.recoverable, false);
});

test('members_are_added_muted_made_moderators_and_removed', async () => {
  const { room } = await made(ann, { name: 'Ops', type: 'group', members: [bob.id] });
  const members = `${ROOMS}/${room.id}/members`;
  await eve.connect();
  await ann.connect();
  assert.equal((await eve.rest('POST', members, { userId: eve.id })).status, 403);
  assert.equal((await bob.rest('POST', members, { userId: eve.id })).status, 201);
  await eve.hears('chat:room:joined', of(room));
  assert.equal((await bob.rest('POST', members, { userId: eve.id })).status, 200);
  assert.equal((await eve.rest('PATCH', `${members}/${bob.id}`, { role: 'moderator' })).status, 403);
  const lead = await ann.rest('PATCH', `${members}/${bob.id}`, { role: 'moderator' });
  assert.equal(lead.json.data.role, 'moderator');
  const mute = await bob.rest('PATCH', `${members}/${eve.id}`, { muteS: 60, reason: 'shouts' });
  assert.ok(Date.parse(mute.json.data.mutedUntil) > Date.now());
  assert.equal(mute.json.data.muteReason, 'shouts');
  await eve.hears('chat:room:updated', of(room));
  const why = await eve.hears('chat:system:notification', of(room));
  assert.deepEqual([why.data.level, why.data.code, why.data.userId, why.data.until, why.data.reason],
    ['warning', 'muted', eve.id, mute.json.data.mutedUntil, 'shouts']);
  const noted = await ann.hears('chat:system:notification', of(room));
  assert.deepEqual([noted.data.code, noted.data.userId, noted.data.reason],
    ['member_muted', eve.id, 'shouts']);
  const said = await eve.ask('chat:message:send', { roomId: room.id, type: 'chat', content: 'hm' });
  assert.equal(said.error.code, 'PERMISSION_DENIED');
  assert.equal((await bob.rest('DELETE', `${members}/${ann.id}`)).status, 403);
  assert.equal((await bob.rest('DELETE', `${members}/${eve.id}?ban_s=3600&reason=noise`)).status, 204);
  await eve.hears('chat:room:left', of(room));
  const bans = `${ROOMS}/${room.id}/bans`;
  const { data } = (await bob.rest('GET', bans)).json;
  assert.deepEqual(data.map((b) => [b.userId, b.reason]), [[eve.id, 'noise']]);
  assert.equal((await bob.rest('DELETE', `${bans}/${eve.id}`)).status, 204);
  assert.equal((await bob.rest('DELETE', `${bans}/${eve.id}`)).status, 404);
  assert.equal((await ann.rest('GET', `${members}?limit=1`)).json.data.length, 1);
  assert.equal((await ann.rest('DELETE', `${members}/${bob.id}?ban_s=x`)).status, 400);
  const audit = await server.cli('token', '--sub', 'root', '--role', 'admin', '--ttl', '1h');
  const rows = await server.get('/api/v1/audit?action=chat.member.ban', { token: audit });
  assert.equal(rows.json.data[0].target_id, `${room.id}/${eve.id}`);
  assert.deepEqual(rows.json.data[0].detail, { reason: 'noise' });
  const mutes = await server.get('/api/v1/audit?action=chat.member.mute', { token: audit });
  assert.deepEqual(mutes.json.data[0].detail,
    { role: 'member', mutedUntil: mute.json.data.mutedUntil, reason: 'shouts' });
});

test('who_is_removed_hears_nothing_more', async () => {
  const { room } = await made(ann, { name: 'Quiet', type: 'group', members: [bob.id, eve.id] });
  await Promise.all([bob.connect(), eve.connect()]);
  await Promise.all([bob.hears('chat:room:joined', of(room)), eve.hears('chat:room:joined', of(room))]);
  const posts = [];
  for (let i = 0; i < 10; i += 1) {
    posts.push(ann.rest('POST', `${ROOMS}/${room.id}/messages`, { type: 'chat', content: `m${i}` }));
  }
  await Promise.all(posts);
  assert.equal((await ann.rest('DELETE', `${ROOMS}/${room.id}/members/${eve.id}`)).status, 204);
  const sent = await ann.rest('POST', `${ROOMS}/${room.id}/messages`, { type: 'chat', content: 'secret' });
  assert.equal(sent.status, 201, JSON.stringify(sent.json));
  await bob.hears('chat:message:received', (d) => d.content === 'secret');
  await eve.hears('chat:room:left', of(room));
  await eve.ask('chat:room:leave', { roomId: room.id }); // what came before has come
  assert.equal(eve.find('chat:message:received', (d) => d.content === 'secret'), undefined);
  assert.equal(bob.heard.filter((e) => e.event === 'chat:message:received').length, 11);
});

test('invitations_are_shown_once_and_spent', async () => {
  const { room } = await made(ann, { name: 'Closed', type: 'group' });
  const target = `${ROOMS}/${room.id}/invitations`;
  assert.equal((await ann.rest('POST', target, { kind: 'employee', uses: 0, ttlS: 60 })).status, 400);
  assert.equal((await eve.rest('POST', target, { kind: 'employee', ttlS: 60 })).status, 403);
  const made1 = await ann.rest('POST', target, { kind: 'employee', uses: 1, ttlS: 3600 });
  assert.equal(made1.status, 201);
  const secret = made1.json.data.invitation;
  assert.match(secret, /^sbi_/);
  await eve.connect();
  assert.equal((await eve.ask('chat:room:join', { roomId: room.id })).ok, false);
  assert.equal((await eve.ask('chat:room:join', { roomId: room.id, invitation: secret })).ok, true);
  const spent = await bob.rest('POST', `${ROOMS}/${room.id}/members`, { userId: bob.id, invitation: secret });
  assert.equal(spent.json.code, 'ROOM_ACCESS_DENIED');
  const named = await ann.rest('POST', target, { kind: 'employee', userId: bob.id, ttlS: 3600 });
  assert.equal(named.json.data.invitation, undefined);
  const listed = (await bob.rest('GET', `${ROOMS}?limit=200`)).json.data.find((r) => r.id === room.id);
  assert.equal(listed.invited, true);
  assert.equal((await bob.rest('POST', `${ROOMS}/${room.id}/members`, { userId: bob.id })).status, 201);
  const guest = await ann.rest('POST', target, { kind: 'guest', uses: 2, ttlS: 60 });
  assert.equal((await ann.rest('DELETE', `${target}/${guest.json.data.id}`)).status, 204);
  assert.equal((await ann.rest('DELETE', `${target}/${guest.json.data.id}`)).status, 404);
  const all = (await ann.rest('GET', target)).json.data;
  assert.equal(all.length, 3);
  assert.ok(all.every((i) => i.invitation === undefined));
});

test('rooms_are_changed_under_their_version_and_deleted_with_all_that_is_in_them', async () => {
  const { room, headers } = await made(ann, { name: 'Old', type: 'group', members: [bob.id] });
  const target = `${ROOMS}/${room.id}`;
  await bob.connect();
  await bob.hears('chat:room:joined', of(room));
  const match = { 'If-Match': headers.get('etag') };
  const renamed = await ann.rest('PATCH', target, { name: 'New', settings: { a: 1 } }, match);
  assert.equal(renamed.json.data.name, 'New');
  assert.equal((await ann.rest('PATCH', target, { name: 'Newer' }, match)).status, 412);
  assert.equal((await bob.rest('PATCH', target, { name: 'His' })).status, 403);
  await bob.hears('chat:room:updated', (d) => d.name === 'New');
  await bob.hears('chat:message:received', (d) => d.type === 'system' && d.content.code === 'room_renamed');
  assert.equal((await bob.rest('DELETE', target)).status, 403);
  assert.equal((await ann.rest('DELETE', target, undefined, match)).status, 412);
  assert.equal((await ann.rest('DELETE', target)).status, 204);
  await bob.hears('chat:room:deleted', of(room));
  assert.equal((await ann.rest('GET', target)).status, 403);
});

test('supervisors_watch_unseen_and_are_noted', async () => {
  const { room } = await made(ann, { name: 'Watched', type: 'group', members: [bob.id] });
  await sue.connect();
  assert.equal((await eve.rest('GET', `${ROOMS}?all=1`)).status, 403);
  const all = (await sue.rest('GET', `${ROOMS}?all=1&q=watched`)).json.data;
  assert.deepEqual(all.map((r) => r.id), [room.id]);
  const ack = await sue.ask('chat:room:join', { roomId: room.id, watch: true });
  assert.equal(ack.watching, true, JSON.stringify(ack));
  await sue.hears('chat:room:joined', of(room));
  assert.equal((await ann.rest('POST', `${ROOMS}/${room.id}/messages`, { type: 'chat', content: 'hi' })).status, 201);
  await sue.hears('chat:message:received', of(room));
  assert.equal((await ann.rest('GET', `${ROOMS}/${room.id}`)).json.data.memberCount, 2);
  const admin = await server.cli('token', '--sub', 'root', '--role', 'admin', '--ttl', '1h');
  const rows = await server.get('/api/v1/audit?action=chat.room.watch', { token: admin });
  assert.equal(rows.json.data[0].target_id, room.id);
});

test('rooms_and_members_are_counted', async () => {
  const value = async (name) => Number(
    (await server.get('/metrics')).text.match(new RegExp(`^signalbox_${name} (\\d+)`, 'm'))?.[1],
  );
  const { room } = await made(ann, { name: 'Counted', type: 'group', members: [bob.id] });
  await bob.connect();
  await bob.hears('chat:room:joined', of(room));
  assert.ok(await value('chat_members_online') >= 1);
  const end = Date.now() + 2 * WAIT_MS;
  while (await value('chat_rooms') === 0 && Date.now() < end) {
    await new Promise((resolve) => { setTimeout(resolve, 200); });
  }
  assert.ok(await value('chat_rooms') > 0);
  assert.ok(await value('chat_room_members') > 1);
});
