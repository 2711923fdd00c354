// Chat's ordered events as server-sent events (CONTRACT 7): to whom, from when on, and where a stream
// goes on after a break. People act on sockets and over REST; who listens has a stream alone.
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { chatter, claimsOf } from './lib/chat.mjs';
import { PATIENCE, startServer, tempDir, within } from './lib/server.mjs';
import { listen } from './lib/sse.mjs';

const ROOMS = '/api/v1/chat/rooms';
const RECEIVED = 'chat:message:received';
const POS = /^[0-9a-f]{16}-\d+$/;
const NOBODYS = '0190a5c4-0000-7000-8000-000000000001';
const FLAGS = ['--loops', '2', '--chat-messages-per-s', '100000', '--chat-messages-burst', '100000',
  '--chat-joins-per-min', '100000', '--handshakes-per-s', '100000', '--sse-heartbeat-ms', '200',
  '--outbox-messages-max', '256', '--outbox-bytes-max', '131072', '--chat-alone-ms', '600000',
  '--connections-per-principal-max', '1000'];
const dataDir = tempDir();
const tokens = {};
const ids = {};
const open = new Set();
let server;
let ann; // her socket makes rooms and speaks
let admin;

async function person(name, role = 'employee') {
  tokens[name] = await server.cli('token', '--sub', name, '--role', role, '--ttl', '1h');
  ids[name] = claimsOf(tokens[name]).sub;
}
async function hear(name, query = '', more = {}) {
  const stream = await listen(server, query, { token: tokens[name] ?? name, ...more });
  open.add(stream);
  return stream;
}
const begin = async () => {
  server = await startServer({ dataDir, flags: FLAGS });
  ann = await chatter(server, tokens.ann ?? (await person('ann'), tokens.ann));
};
const rest = async (method, target, body, name = 'ann') => {
  const got = await server.request(method, target, { token: tokens[name], body });
  assert.ok(got.status < 300, `${method} ${target}: ${got.status} ${got.text}`);
  return got.json?.data;
};
const made = (members = [], more = {}) => ann.makes({ members: members.map((name) => ids[name]), ...more });
const said = (content) => (e) => e.event === RECEIVED && e.data.content === content;
// A stream without a position may begin up to 100 ms before it was opened: what was said elsewhere
// by then is not counted.
const messages = (stream, rooms) => {
  const counted = new Set(rooms.map((room) => room.id));
  return stream.of(RECEIVED).filter((e) => counted.has(e.data.roomId));
};
const texts = (stream, room) => stream.of(RECEIVED).filter((e) => !room || e.data.roomId === room.id)
  .map((e) => e.data.content);
const refused = async (name, query, status, code) => {
  await assert.rejects(hear(name, query), (error) => {
    assert.equal(error.status, status, error.message);
    assert.equal(error.json.code, code);
    return true;
  });
};

before(async () => {
  await begin();
  for (const name of ['bob', 'eve', 'mia']) await person(name);
  await person('sue', 'supervisor');
  await person('vic', 'viewer');
  admin = await server.cli('token', '--sub', 'root', '--role', 'admin', '--ttl', '1h');
});
after(async () => {
  for (const stream of open) stream.drop();
  ann.close();
  await server.stop();
});

test('a_member_hears_its_rooms_and_a_stranger_does_not', async () => {
  const room = await made(['bob']);
  const [bob, eve, own] = [await hear('bob'), await hear('eve'), await hear('ann')];
  const { messageId, seq } = await ann.good('chat:message:send',
    { roomId: room.id, type: 'chat', content: 'hello', metadata: { a: 1 } }, 'mine');
  const event = await bob.first(said('hello'));
  const { pos, eventId, ...payload } = event.data;
  assert.match(pos, POS);
  assert.equal(event.id, pos);
  assert.ok(eventId);
  const wire = await ann.first(RECEIVED, (d) => d.content === 'hello');
  assert.equal(wire.requestId, 'mine');
  assert.deepEqual(event.data, wire.data, 'the payload is the one of sockets, pos and eventId too');
  assert.equal(payload.id, messageId);
  assert.equal(payload.seq, seq);
  // Who asked, and how, is for its socket alone.
  await own.first(said('hello'));
  assert.doesNotMatch(JSON.stringify([own.events, bob.events]), /requestId|"mine"/);
  // A stream is nobody's presence, and nothing waits for what it has.
  assert.equal(payload.deliveryStatus, 'delivered');
  const members = await rest('GET', `${ROOMS}/${room.id}/members`);
  assert.equal(members.find((m) => m.userId === ids.bob).isOnline, false);
  const next = await made(['bob', 'eve']); // a room that is made while it listens
  await bob.first((e) => e.event === 'chat:room:created' && e.data.id === next.id);
  await bob.first((e) => e.event === 'chat:room:joined' && e.data.roomId === next.id);
  await ann.send(next.id, 'in the next');
  await eve.first(said('in the next'));
  assert.deepEqual(texts(eve), ['in the next']);
  assert.doesNotMatch(JSON.stringify(eve.events), new RegExp(room.id));
  assert.deepEqual(eve.of('gap'), []);

  await refused('eve', `?room_id=${room.id}`, 403, 'ROOM_ACCESS_DENIED');
  await refused('eve', `?room_id=${NOBODYS}`, 403, 'ROOM_ACCESS_DENIED');
  await refused('vic', `?room_id=${room.id}`, 403, 'PERMISSION_DENIED');
  await refused('bob', '?room_id=7', 404, 'NOT_FOUND');
  await refused('bob', '?types=chat:message:received,chat:user:typing', 400, 'INVALID_REQUEST');
  await refused('bob', '?types=chat:robot:response', 400, 'INVALID_REQUEST');
  const viewing = await hear('vic');
  await ann.send(room.id, 'not for vic');
  await bob.first(said('not for vic'));
  const { id } = (await server.post('/api/v1/devices', { name: 'barrier' }, { token: admin })).json.data.device;
  await viewing.first((e) => e.data.id === id);
  assert.deepEqual(viewing.events.filter((e) => e.event.startsWith('chat:')), []);
});

test('types_and_room_id_narrow_a_stream', async () => {
  const [one, two] = [await made(['bob']), await made(['bob'])];
  const only = await hear('bob', `?room_id=${one.id}`);
  const typed = await hear('bob', '?types=chat:message:updated,chat:room:updated');
  const devices = await hear('ann', '?types=device:updated');
  for (const room of [one, two, one]) await ann.send(room.id, `to ${room.id}`);
  const { messageId } = await ann.send(one.id, 'old');
  await rest('PATCH', `/api/v1/chat/messages/${messageId}`, { content: 'new' });
  await rest('PATCH', `${ROOMS}/${two.id}`, { name: 'renamed' });
  await ann.send(one.id, 'last');
  await only.first(said('last'));
  const { data } = await typed.first((e) => e.event === 'chat:room:updated');
  assert.equal(data.name, 'renamed');
  assert.deepEqual(typed.events.map((e) => e.event), ['chat:message:updated', 'chat:room:updated']);
  assert.equal(typed.events[0].data.content, 'new');
  assert.deepEqual(texts(only), [`to ${one.id}`, `to ${one.id}`, 'old', 'last']);
  assert.doesNotMatch(JSON.stringify(only.events), new RegExp(two.id));
  // The id goes on also for who is told little.
  assert.deepEqual(devices.events, []);
  assert.match(devices.lastId, POS);
});

test('who_comes_and_goes_hears_exactly_what_is_said_meanwhile', async () => {
  const room = await made([], { type: 'public', name: 'Canteen' });
  const base = await made(['bob']); // where both are told that a round is over
  const bob = await hear('bob');
  const members = `${ROOMS}/${room.id}/members`;
  const heard = [];
  for (let round = 0; round < 4; round++) {
    await ann.send(room.id, `${round} before`);
    await rest('POST', members, { userId: ids.bob });
    await bob.first((e) => e.event === 'chat:room:joined' && e.data.roomId === room.id &&
      e.data.lastSeq !== undefined && e.data.seen === undefined && (e.data.seen = true));
    for (let i = 0; i < 3; i++) await ann.send(room.id, `${round} in ${i}`);
    await bob.first(said(`${round} in 2`));
    heard.push(...[0, 1, 2].map((i) => `${round} in ${i}`));
    await rest('DELETE', `${members}/${ids.bob}${round === 2 ? '?ban_s=60' : ''}`);
    await ann.send(room.id, `${round} after`);
    await ann.send(base.id, `round ${round}`);
    await bob.first(said(`round ${round}`));
    assert.equal(bob.of('chat:room:left').filter((e) => e.data.userId === ids.bob).length, round + 1);
    if (round === 2) {
      await refused('bob', `?room_id=${room.id}`, 403, 'ROOM_ACCESS_DENIED');
      await rest('DELETE', `${ROOMS}/${room.id}/bans/${ids.bob}`);
    }
  }
  assert.deepEqual(texts(bob, room), heard);
  // Who comes back is not a member, and hears nothing of what was said in between either.
  const again = await hear('bob', '', { since: bob.events[0].data.pos ?? bob.events[0].id });
  await again.first(said('round 3'));
  assert.deepEqual(texts(again, room), []);
});

test('a_stream_of_one_room_ends_when_the_room_is_not_ones_own_any_more', async () => {
  const room = await made(['bob', 'eve']);
  const [bob, eve, sue] = [await hear('bob', `?room_id=${room.id}`), await hear('eve', `?room_id=${room.id}`),
    await hear('sue', `?room_id=${room.id}`)];
  await ann.send(room.id, 'both');
  await Promise.all([bob, eve, sue].map((s) => s.first(said('both'))));
  await rest('DELETE', `${ROOMS}/${room.id}/members/${ids.bob}?ban_s=ever`);
  await ann.send(room.id, 'without bob');
  await bob.endedWithin();
  assert.deepEqual(texts(bob), ['both']);
  assert.equal(bob.of('chat:room:left')[0].data.userId, ids.bob);
  assert.equal(bob.of('closing')[0].data.code, 4000);
  await eve.first(said('without bob'));
  await rest('DELETE', `${ROOMS}/${room.id}`);
  for (const stream of [eve, sue]) {
    await stream.endedWithin();
    assert.equal(stream.of('chat:room:deleted')[0].data.roomId, room.id);
    assert.equal(stream.of('closing')[0].data.code, 4000);
  }
  await refused('eve', `?room_id=${room.id}`, 403, 'ROOM_ACCESS_DENIED');
});

test('a_supervisor_hears_the_desk_and_watches_a_room_by_name', async () => {
  const room = await made(['bob'], { type: 'support' });
  const watches = async () => (await server.get(`/api/v1/audit?action=chat.room.watch&target_id=${room.id}&limit=200`,
    { token: admin })).json.data.filter((row) => JSON.stringify(row).includes(room.id)).length;
  const [all, bob] = [await hear('sue'), await hear('bob')];
  await ann.send(room.id, 'unwatched');
  const { json } = await server.post('/api/v1/chat/escalations', { roomId: room.id, reason: 'help' },
    { token: tokens.bob });
  const told = (e) => e.event === 'chat:escalation:created' && e.data.id === json.data.id;
  await Promise.all([all, bob].map((s) => s.first(told)));
  assert.deepEqual(texts(all), []);
  assert.equal(await watches(), 0);
  const watching = await hear('sue', `?room_id=${room.id}`);
  await ann.send(room.id, 'watched');
  await watching.first(said('watched'));
  assert.equal(texts(watching).at(-1), 'watched');
  assert.equal(await watches(), 1);
  const members = await rest('GET', `${ROOMS}/${room.id}/members`);
  assert.ok(!members.some((m) => m.userId === ids.sue));
  assert.deepEqual(bob.of('chat:room:joined').filter((e) => e.data.userId === ids.sue), []);
  assert.deepEqual(all.events.filter((e) => e.data.roomId === room.id).map((e) => e.event),
    ['chat:escalation:created']);
  // Who may not watch any more hears nothing more.
  await server.cli('user', 'grant', '--name', 'sue', '--role', 'employee');
  await server.cli('user', 'revoke', '--name', 'sue', '--role', 'supervisor');
  for (let n = 0; !watching.response.closed && n < 1000; n++) {
    await ann.send(room.id, `late ${n}`);
  }
  await watching.endedWithin();
  await refused('sue', `?room_id=${room.id}`, 403, 'ROOM_ACCESS_DENIED');
  await server.cli('user', 'grant', '--name', 'sue', '--role', 'supervisor');
  await server.cli('user', 'revoke', '--name', 'sue', '--role', 'employee');
});

test('a_guest_hears_what_came_after_it_whatever_position_it_shows', async () => {
  const room = await made([], { type: 'support' });
  const first = await hear('ann', `?room_id=${room.id}`);
  const older = await ann.send(room.id, 'before the guest');
  await rest('PATCH', `/api/v1/chat/messages/${older.messageId}`, { content: 'a secret' });
  const { data: { pos: since } } = await first.first(said('before the guest'));
  const guest = await rest('POST', '/api/v1/chat/guests', { roomId: room.id, name: 'Gina', ttl_s: 600 });
  const socket = await chatter(server, guest.token);
  await socket.first('chat:room:joined');
  const live = await hear(guest.token);
  await ann.send(room.id, 'welcome');
  await live.first(said('welcome'));
  // What is older stays so when somebody changes it.
  await rest('PUT', `/api/v1/chat/messages/${older.messageId}/reactions/x`);
  const newer = await ann.send(room.id, 'typo');
  await rest('PATCH', `/api/v1/chat/messages/${newer.messageId}`, { content: 'text' });
  const changed = (e) => e.event === 'chat:message:updated' && e.data.content === 'text';
  await live.first(changed);
  await socket.first('chat:message:updated', (d) => d.content === 'text');
  for (const wide of [since, `${since.split('-')[0]}-0`]) {
    const back = await hear(guest.token, `?since=${wide}`);
    await back.first(changed);
    assert.deepEqual(texts(back), ['welcome', 'typo']);
    assert.doesNotMatch(JSON.stringify(back.events), /before the guest|a secret/);
    assert.deepEqual(new Set(back.events.filter((e) => e.data.roomId).map((e) => e.data.roomId)), new Set([room.id]));
    back.drop();
  }
  assert.doesNotMatch(JSON.stringify([live.events, socket.heard('chat:message:updated')]), /a secret/);
  // Its own position misses nothing and repeats nothing.
  const at = live.of(RECEIVED)[0].id;
  live.drop();
  const again = await hear(guest.token, '', { since: at });
  await again.first(changed);
  assert.deepEqual(texts(again), ['typo']);
  const other = await made(['bob'], { type: 'public' });
  await refused(guest.token, `?room_id=${other.id}`, 403, 'ROOM_ACCESS_DENIED');
  // It is revoked.
  await rest('DELETE', `/api/v1/chat/guests/${guest.id}`);
  await ann.send(room.id, 'after the guest');
  await again.endedWithin();
  assert.deepEqual(texts(again), ['typo']);
  await assert.rejects(hear(guest.token), { status: 401 });
  socket.close();
});

test('a_token_that_ends_ends_its_stream', async () => {
  const room = await made(['mia']);
  const token = await server.cli('token', '--sub', 'mia', '--role', 'employee', '--ttl', '2s');
  const mia = await hear(token);
  await ann.send(room.id, 'early');
  await mia.first(said('early'));
  await mia.endedWithin();
  await ann.send(room.id, 'late');
  assert.deepEqual(texts(mia, room), ['early']);
  assert.equal(mia.of('closing')[0].data.code, 4100);
});

test('nothing_is_missed_or_doubled_over_breaks_and_a_restart', { timeout: 120_000 }, async () => {
  const rooms = [];
  for (let i = 0; i < 30; i++) rooms.push(await made(['mia']));
  const got = [];
  let since;
  let sent = 0;
  const speak = async (count) => {
    await Promise.all(Array.from({ length: count }, () => ann.send(rooms[sent % rooms.length].id, `n ${sent++}`)));
  };
  let stream = await hear('mia');
  const cut = () => {
    stream.drop();
    got.push(...messages(stream, rooms));
    since = stream.lastId;
  };
  for (let round = 0; round < 4; round++) {
    const speaking = speak(60);
    await stream.first(said(`n ${sent - 30}`)); // in the middle of it
    cut();
    await speaking;
    if (round === 1) {
      ann.close();
      await server.stop();
      await begin();
    }
    await speak(10);
    stream = await hear('mia', '', { since });
  }
  await ann.send(rooms[0].id, 'the end');
  await stream.first(said('the end'));
  cut();
  const byId = new Map(got.map((e) => [e.data.eventId, e]));
  assert.equal(byId.size, got.length, 'an event twice');
  assert.equal(byId.size, sent + 1);
  for (const room of rooms) {
    const seqs = got.filter((e) => e.data.roomId === room.id).map((e) => e.data.seq);
    assert.deepEqual(seqs, seqs.map((_, i) => i + 1));
  }
  const numbers = got.map((e) => Number(e.id.split('-')[1]));
  assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b));
  // One of them alone, from the beginning.
  const { lastSeq } = await rest('GET', `${ROOMS}/${rooms[7].id}`, undefined, 'mia');
  const one = await hear('mia', `?room_id=${rooms[7].id}&since=${got[0].id.split('-')[0]}-0`);
  await one.first((e) => e.event === RECEIVED && e.data.seq === lastSeq);
  assert.deepEqual(one.of(RECEIVED).map((e) => e.data.seq), Array.from({ length: lastSeq }, (_, i) => i + 1));
});

test('a_slow_stream_is_ended_and_misses_nothing_of_its_rooms', { timeout: 120_000 }, async () => {
  const rooms = [await made(['mia']), await made(['mia'])];
  const slow = await hear('mia');
  await ann.send(rooms[0].id, 'first');
  await slow.first(said('first'));
  slow.response.socket.pause();
  const closed = () => server.stderr.some((line) => line.includes('"conn.close"') &&
    line.includes('"sse"') && line.includes('slow_reader'));
  const content = 'x'.repeat(7900);
  let sent = 0;
  await within(60_000 * PATIENCE, 'the end of a slow stream', (async () => {
    while (!closed()) {
      await Promise.all(Array.from({ length: 8 }, () => ann.send(rooms[sent % 2].id, `${sent++} ${content}`)));
    }
  })());
  slow.response.socket.resume();
  await slow.endedWithin();
  assert.ok(messages(slow, rooms).length < sent + 1);
  const again = await hear('mia', '', { since: slow.lastId });
  await ann.send(rooms[1].id, 'last');
  await again.first(said('last'));
  const all = [...messages(slow, rooms), ...messages(again, rooms)];
  assert.equal(new Set(all.map((e) => e.data.eventId)).size, sent + 2);
  for (const room of rooms) {
    const seqs = all.filter((e) => e.data.roomId === room.id).map((e) => e.data.seq);
    assert.deepEqual([...new Set(seqs)], [...new Set(seqs)].map((_, i) => i + 1));
  }
});
