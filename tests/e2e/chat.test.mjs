// Chat on Socket.IO (CONTRACT 5), by the official client: a test for each line of the event table
// and of the features "Connection Management", "Message Protocol" and "Real-time Broadcasting".
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { CLIENTS, WAYS, connected, open, until } from './lib/clients.mjs';
import { startServer, tempDir } from './lib/server.mjs';

const [CLIENT] = CLIENTS;
const NOBODYS = '0190a5c4-0000-7000-8000-000000000001';
const FLAGS = ['--loops', '2', '--engineio-ping-interval-ms', '400', '--chat-messages-per-s', '100000',
  '--chat-messages-burst', '100000', '--chat-joins-per-min', '100000', '--handshakes-per-s', '100000',
  '--connections-per-principal-max', '1000', '--connections-per-address-max', '10000'];

// Those of the document, and those that CONTRACT 5 adds.
const CLIENT_EVENTS = ['chat:room:join', 'chat:message:send', 'chat:room:create', 'chat:message:read',
  'chat:message:delivered', 'chat:message:edit', 'chat:message:delete', 'chat:reaction:set',
  'chat:typing:start', 'chat:typing:stop', 'chat:room:leave', 'chat:file:upload', 'chat:robot:interact',
  'chat:escalation:create'];

let server;
const dataDir = tempDir();
const people = {};
const sockets = new Set();

const token = (name, role = 'employee') => (people[name] ??= server.cli(
  'token', '--sub', name, '--role', role, '--ttl', '1h'));

async function talk(name, { role, way = WAYS[0], ...options } = {}) {
  const t = await connected(CLIENT, server, { token: await token(name, role),
    transports: way.transports, reconnection: false, ...options });
  sockets.add(t);
  return t;
}

const envelope = (event, data, requestId) => ({
  event, data, ...(requestId === undefined ? {} : { requestId }), version: '1.0',
});

/** The ack of an enveloped event. */
async function ask(t, event, data, requestId) {
  const [ack] = await t.ask(event, envelope(event, data, requestId));
  return ack;
}

async function good(t, event, data, requestId) {
  const ack = await ask(t, event, data, requestId);
  assert.equal(ack.ok, true, `${event}: ${JSON.stringify(ack)}`);
  return ack;
}

async function refused(t, event, data, code) {
  const ack = await ask(t, event, data, 'r');
  assert.equal(ack.ok, false, `${event}: ${JSON.stringify(ack)}`);
  assert.equal(ack.requestId, 'r');
  assert.equal(ack.error.code, code, JSON.stringify(ack));
  assert.deepEqual(Object.keys(ack.error), ['code', 'message', 'details', 'recoverable']);
  assert.equal(ack.error.recoverable,
    ['RATE_LIMITED', 'CONNECTION_LOST', 'SERVER_ERROR'].includes(code));
  return ack.error;
}

/** Data of every such event that was heard, checked to be in its envelope. */
function heard(t, event) {
  return t.of(event).map(([said]) => {
    assert.equal(said.event, event);
    assert.equal(said.version, '1.0');
    return said.data;
  });
}

const next = async (t, event, test = () => true) =>
  (await t.first(event, { test: (said) => test(said.data, said) }))[0];

async function room(t, data = {}) {
  const made = await good(t, 'chat:room:create', { name: 'room', type: 'public', ...data });
  await next(t, 'chat:room:joined', (d) => d.roomId === made.room.id);
  return made.room;
}

async function join(t, roomId, more = {}) {
  const ack = await good(t, 'chat:room:join', { roomId, ...more });
  await next(t, 'chat:room:joined', (d) => d.roomId === roomId && d.members !== undefined);
  return ack;
}

const send = (t, roomId, content, more = {}, requestId = undefined) =>
  good(t, 'chat:message:send', { roomId, type: 'chat', content, ...more }, requestId);

const messages = (t, roomId) => heard(t, 'chat:message:received').filter((m) => m.roomId === roomId);
const seqs = (t, roomId) => messages(t, roomId).map((m) => m.seq);
const upTo = (n, from = 1) => Array.from({ length: n - from + 1 }, (_, i) => i + from);

before(async () => {
  server = await startServer({ flags: FLAGS, dataDir });
});
after(async () => {
  for (const t of sockets) t.close();
  await server?.stop();
});

for (const way of WAYS) {
  it(`a room lives: made, joined, spoken in, left, by ${way.name}`, async () => {
    const ann = await talk('ann', { way });
    const ben = await talk('ben', { way });
    const { id } = await room(ann);
    await join(ben, id);
    await next(ann, 'chat:room:joined', (d) => d.roomId === id && d.members === undefined);
    for (const text of ['one', 'two']) await send(ann, id, text);
    await send(ben, id, 'three');
    for (const t of [ann, ben]) {
      await next(t, 'chat:message:received', (m) => m.roomId === id && m.seq === 3);
      assert.deepEqual(messages(t, id).map((m) => m.content), ['one', 'two', 'three']);
    }
  });
}

describe('events of clients', () => {
  it('chat:room:join makes a member of a public room, once, and tells the others once', async () => {
    const ann = await talk('ann');
    const ben = await talk('ben');
    const { id } = await room(ann);
    await send(ann, id, 'before');
    const ack = await good(ben, 'chat:room:join', { roomId: id }, 'j1');
    assert.equal(ack.requestId, 'j1');
    assert.equal(ack.lastSeq, 1);
    assert.equal(ack.member.userType, 'employee');
    const said = await next(ben, 'chat:room:joined', (d) => d.roomId === id);
    assert.equal(said.requestId, 'j1');
    assert.equal(said.data.lastSeq, 1);
    assert.deepEqual(said.data.members.map((m) => m.name).sort(), ['ann', 'ben']);
    const again = await good(ben, 'chat:room:join', { roomId: id }, 'j2');
    assert.equal(again.lastSeq, 1);
    assert.equal((await next(ben, 'chat:room:joined', (d, s) => s.requestId === 'j2')).data.roomId, id);
    await send(ann, id, 'after');
    await next(ben, 'chat:message:received', (m) => m.roomId === id && m.seq === 2);
    assert.deepEqual(seqs(ben, id), [2]);
    assert.equal(heard(ann, 'chat:room:joined')
      .filter((d) => d.roomId === id && d.members === undefined).length, 1);
  });

  it('chat:room:join of a room that is not there and of one that is not yours are the same', async () => {
    const ann = await talk('ann');
    const ben = await talk('ben');
    const { id } = await room(ann, { type: 'group' });
    const a = await refused(ben, 'chat:room:join', { roomId: id }, 'ROOM_ACCESS_DENIED');
    const b = await refused(ben, 'chat:room:join', { roomId: NOBODYS }, 'ROOM_ACCESS_DENIED');
    assert.deepEqual(a, b);
  });

  it('chat:room:join with since brings what was missed, in order, once, then what is live', async () => {
    const ann = await talk('ann');
    const ben = await talk('ben');
    const { id } = await room(ann);
    await join(ben, id);
    await send(ann, id, '1');
    await next(ben, 'chat:message:received', (m) => m.roomId === id);
    ben.close();
    for (let n = 2; n <= 450; n += 1) ann.socket.emit('chat:message:send', envelope('chat:message:send', { roomId: id, type: 'chat', content: `${n}` }));
    await next(ann, 'chat:message:received', (m) => m.roomId === id && m.seq === 450);
    const back = await talk('ben');
    const told = await next(back, 'chat:room:joined', (d) => d.roomId === id);
    assert.equal(told.data.lastSeq, 450);
    assert.equal(told.data.unread, 450);
    const asked = ask(back, 'chat:room:join', { roomId: id, since: 1 });
    for (let n = 451; n <= 460; n += 1) await send(ann, id, `${n}`);
    assert.equal((await asked).ok, true);
    await until('all has come', () => seqs(back, id).length >= 459);
    assert.deepEqual(seqs(back, id).sort((a, b) => a - b), upTo(460, 2));
    const missed = seqs(back, id).filter((seq) => seq <= 450);
    assert.deepEqual(missed, upTo(450, 2));
    await good(back, 'chat:room:join', { roomId: id, since: 440 });
    await send(ann, id, '461');
    await next(back, 'chat:message:received', (m) => m.roomId === id && m.seq === 461);
    await until('again', () => seqs(back, id).filter((seq) => seq === 450).length === 2);
    assert.equal(seqs(back, id).filter((seq) => seq === 461).length, 1);
  });

  it('chat:room:leave ends membership, and nothing of the room is heard after', async () => {
    const ann = await talk('ann');
    const ben = await talk('ben');
    const { id } = await room(ann);
    await join(ben, id);
    const ack = await good(ben, 'chat:room:leave', { roomId: id }, 'l1');
    assert.equal(ack.requestId, 'l1');
    const mine = await next(ben, 'chat:room:left', (d) => d.roomId === id);
    assert.equal(mine.requestId, 'l1');
    const theirs = await next(ann, 'chat:room:left', (d) => d.roomId === id);
    assert.equal(theirs.data.userId, mine.data.userId);
    assert.equal(theirs.data.userType, 'employee');
    assert.equal(theirs.requestId, undefined);
    await send(ann, id, 'alone');
    await refused(ben, 'chat:message:send', { roomId: id, type: 'chat', content: 'x' },
      'ROOM_ACCESS_DENIED');
    assert.deepEqual(seqs(ben, id), []);
    await refused(ben, 'chat:room:leave', { roomId: id }, 'ROOM_ACCESS_DENIED');
  });

  it('chat:message:send acks messageId, seq and timestamp, and the sender hears its own', async () => {
    const ann = await talk('ann');
    const { id } = await room(ann);
    const ack = await send(ann, id, 'hello', { metadata: { a: 1 } }, 'm1');
    assert.deepEqual(Object.keys(ack), ['ok', 'requestId', 'messageId', 'seq', 'timestamp']);
    const said = await next(ann, 'chat:message:received', (m) => m.roomId === id);
    assert.equal(said.requestId, 'm1');
    assert.equal(said.data.id, ack.messageId);
    assert.equal(said.data.timestamp, ack.timestamp);
    assert.deepEqual(said.data.metadata, { a: 1 });
    assert.match(said.data.pos, /^[0-9a-f]+-\d+$/);
    assert.ok(said.data.eventId);
  });

  it('chat:message:send with a clientId that is repeated is one message', async () => {
    const ann = await talk('ann');
    const { id } = await room(ann);
    const clientId = randomUUID();
    const [a, b] = await Promise.all([1, 2].map(() => send(ann, id, 'once', { clientId })));
    const c = await send(ann, id, 'once', { clientId });
    assert.deepEqual([b.seq, c.seq, b.messageId, c.messageId], [a.seq, a.seq, a.messageId, a.messageId]);
    await send(ann, id, 'next');
    await next(ann, 'chat:message:received', (m) => m.roomId === id && m.content === 'next');
    assert.deepEqual(seqs(ann, id), [1, 2]);
  });

  it('chat:message:read moves the cursor, and members hear of it', async () => {
    const ann = await talk('ann');
    const ben = await talk('ben');
    const { id } = await room(ann);
    await join(ben, id);
    for (const text of ['1', '2']) await send(ann, id, text);
    assert.equal((await good(ben, 'chat:message:read', { roomId: id, seq: 2 })).unread, 0);
    const said = await next(ann, 'chat:message:receipt', (d) => d.roomId === id);
    assert.equal(said.data.seq, 2);
    await refused(ben, 'chat:message:read', { roomId: NOBODYS, seq: 1 }, 'ROOM_ACCESS_DENIED');
  });

  it('chat:room:create makes each kind of room, and a direct one only once', async () => {
    const ann = await talk('ann');
    const ben = await talk('ben');
    const benId = heard(ben, 'chat:room:joined')[0]?.userId ??
      (await join(ben, (await room(ann)).id)).member.userId;
    for (const type of ['group', 'public', 'support']) {
      const made = await good(ann, 'chat:room:create', { name: `a ${type}`, type }, `c-${type}`);
      assert.equal(made.room.type, type);
      const said = await next(ann, 'chat:room:created', (d) => d.id === made.room.id);
      assert.equal(said.requestId, `c-${type}`);
    }
    const direct = await good(ann, 'chat:room:create', { type: 'direct', members: [benId] });
    await next(ben, 'chat:room:created', (d) => d.id === direct.room.id);
    await next(ben, 'chat:room:joined', (d) => d.roomId === direct.room.id);
    const same = await good(ann, 'chat:room:create', { type: 'direct', members: [benId] });
    assert.equal(same.created, false);
    assert.equal(same.room.id, direct.room.id);
    const error = await refused(ann, 'chat:room:create', { name: 'x', type: 'attic' }, 'CLIENT_ERROR');
    assert.equal(error.details.member, 'type');
    await refused(ann, 'chat:room:create', { name: 'x', type: 'group', members: ['y'] }, 'CLIENT_ERROR');
  });

  it('chat:message:delivered moves the cursor that delivered waits for', async () => {
    const ann = await talk('ann');
    const ben = await talk('ben');
    const { id } = await room(ann);
    await join(ben, id);
    const ack = await send(ann, id, 'x');
    await next(ben, 'chat:message:received', (m) => m.roomId === id);
    await good(ben, 'chat:message:delivered', { roomId: id, seq: 1 });
    await next(ann, 'chat:message:status',
      (d) => d.messageId === ack.messageId && d.deliveryStatus === 'delivered');
  });

  it('chat:message:edit, chat:reaction:set and chat:message:delete tell chat:message:updated', async () => {
    const ann = await talk('ann');
    const ben = await talk('ben');
    const { id } = await room(ann);
    await join(ben, id);
    const { messageId } = await send(ann, id, 'firts');
    await good(ann, 'chat:message:edit', { messageId, content: 'first' }, 'u1');
    const edited = await next(ann, 'chat:message:updated', (m, s) => s.requestId === 'u1');
    assert.equal(edited.data.content, 'first');
    assert.ok(edited.data.editedAt);
    const theirs = await next(ben, 'chat:message:updated', (m) => m.id === messageId);
    assert.equal(theirs.requestId, undefined);
    await good(ben, 'chat:reaction:set', { messageId, emoji: '\u{1f44d}', on: true });
    const liked = await next(ann, 'chat:message:updated', (m) => m.reactions?.length === 1);
    assert.equal(liked.data.reactions[0].emoji, '\u{1f44d}');
    await refused(ben, 'chat:message:edit', { messageId, content: 'no' }, 'PERMISSION_DENIED');
    await good(ann, 'chat:message:delete', { messageId });
    const gone = await next(ben, 'chat:message:updated', (m) => m.deleted === true);
    assert.equal(gone.data.content, null);
    const secret = await room(ann, { type: 'group' });
    const hidden = await send(ann, secret.id, 'x');
    const [one, other] = [await ask(ben, 'chat:message:edit', { messageId: NOBODYS, content: 'no' }),
      await ask(ben, 'chat:message:edit', { messageId: hidden.messageId, content: 'no' })];
    assert.equal(one.ok, false);
    assert.deepEqual(one, other);
  });

  it('chat:typing:start and chat:typing:stop are told to the others', async () => {
    const ann = await talk('ann');
    const ben = await talk('ben');
    const { id } = await room(ann);
    await join(ben, id);
    await good(ben, 'chat:typing:start', { roomId: id });
    const on = await next(ann, 'chat:user:typing', (d) => d.roomId === id && d.isTyping);
    assert.deepEqual(Object.keys(on.data), ['roomId', 'userId', 'isTyping']);
    await refused(ben, 'chat:typing:start', { roomId: id }, 'RATE_LIMITED');
    await good(ben, 'chat:typing:stop', { roomId: id });
    await next(ann, 'chat:user:typing', (d) => d.roomId === id && !d.isTyping);
  });

});

describe('message protocol', () => {
  it('structured message format: enveloped both ways, and bare data is taken, too', async () => {
    const ann = await talk('ann');
    const { id } = await room(ann);
    const [bare] = await ann.ask('chat:message:send', { roomId: id, type: 'chat', content: 'bare' });
    assert.equal(bare.ok, true);
    assert.equal(bare.requestId, undefined);
    const said = await next(ann, 'chat:message:received', (m) => m.roomId === id);
    assert.deepEqual(Object.keys(said), ['event', 'data', 'version']);
    assert.equal(said.event, 'chat:message:received');
    const [number] = await ann.ask('chat:message:send', 7);
    assert.equal(number.error.code, 'CLIENT_ERROR');
    const [nothing] = await ann.ask('chat:message:send');
    assert.equal(nothing.error.details.member, 'roomId');
  });

  it('event-based communication: who asks for no ack hears of a refusal as chat:error', async () => {
    const ann = await talk('ann');
    ann.socket.emit('chat:room:join', envelope('chat:room:join', { roomId: NOBODYS }, 'e1'));
    ann.socket.emit('chat:no:such', envelope('chat:no:such', {}, 'e2'));
    ann.socket.emit('chat:message:read', { roomId: 'x' });
    const denied = await next(ann, 'chat:error', (d, s) => s.requestId === 'e1');
    assert.deepEqual(Object.keys(denied), ['event', 'data', 'requestId', 'version']);
    assert.deepEqual(denied.data, { code: 'ROOM_ACCESS_DENIED', recoverable: false, details: {},
      message: denied.data.message });
    await next(ann, 'chat:error', (d, s) => s.requestId === 'e2' && d.code === 'CLIENT_ERROR');
    const third = await next(ann, 'chat:error', (d) => d.details.member === 'roomId');
    assert.equal(third.requestId, undefined);
    assert.equal(ann.of('error').length, 0);
  });

  it('message type definitions: people send chat, file, image and graph, not robot nor system', async () => {
    const ann = await talk('ann');
    const { id } = await room(ann);
    for (const [type, content] of [['chat', 'text'], ['chat', { blocks: [] }], ['graph', { points: [1] }]]) {
      await send(ann, id, content, { type });
      const said = await next(ann, 'chat:message:received',
        (m) => m.roomId === id && m.type === type && JSON.stringify(m.content) === JSON.stringify(content));
      assert.ok(said);
    }
    for (const type of ['robot', 'system']) {
      const ack = await ask(ann, 'chat:message:send', { roomId: id, type, content: 'x' });
      assert.equal(ack.ok, false, type);
    }
    await refused(ann, 'chat:message:send', { roomId: id, type: 'poem', content: 'x' }, 'CLIENT_ERROR');
    await refused(ann, 'chat:message:send', { roomId: id, type: 'chat', content: '' }, 'CLIENT_ERROR');
    await refused(ann, 'chat:message:send', { roomId: id, type: 'chat', content: 'x'.repeat(8001) }, 'CLIENT_ERROR');
    await refused(ann, 'chat:message:send', { roomId: id, type: 'chat', content: { x: 'x'.repeat(33_000) } }, 'CLIENT_ERROR');
    await refused(ann, 'chat:message:send', { roomId: id, type: 'chat', content: 'x', metadata: { x: 'x'.repeat(37_000) } }, 'CLIENT_ERROR');
    await refused(ann, 'chat:message:send', { roomId: id, type: 'chat', content: Buffer.from('x') }, 'CLIENT_ERROR');
    assert.equal((await send(ann, id, 'x'.repeat(8000))).ok, true);
    assert.equal((await send(ann, id, '<script>"&\u2028</script>')).ok, true);
    await next(ann, 'chat:message:received', (m) => m.content === '<script>"&\u2028</script>');
  });

  it('protocol versioning support: another event, version or requestId is PROTOCOL_ERROR', async () => {
    const ann = await talk('ann');
    const data = { roomId: NOBODYS };
    const wrong = [
      { ...envelope('chat:room:join', data, 'p'), version: '2.0' },
      { ...envelope('chat:room:leave', data, 'p') },
      { ...envelope('chat:room:join', data), requestId: 'x'.repeat(101) },
      { ...envelope('chat:room:join', data), requestId: 7 },
    ];
    for (const argument of wrong) {
      const [ack] = await ann.ask('chat:room:join', argument);
      assert.equal(ack.error.code, 'PROTOCOL_ERROR', JSON.stringify(ack));
      assert.deepEqual(ack.error.details.supported, ['1.0']);
      assert.equal(ack.error.recoverable, false);
    }
    const [minor] = await ann.ask('chat:room:join', { ...envelope('chat:room:join', data), version: '1.4' });
    assert.equal(minor.error.code, 'ROOM_ACCESS_DENIED');
  });
});

describe('connection management', () => {
  const rows = async () => (await server.get('/api/v1/connections?limit=200',
    { token: await token('root', 'admin') })).json.data;

  it('client connection tracking: who, what they may, and the rooms they hear', async () => {
    const ann = await talk('ann');
    const sue = await talk('sue', { role: 'supervisor' });
    const { id } = await room(ann);
    let all, row;
    await until('the room is in its row, just behind the joining', async () => {
      all = await rows();
      row = all.find((r) => r.socketId === ann.id);
      return row.roomSubscriptions.includes(`chat/room/${id}`);
    });
    assert.equal(row.userType, 'employee');
    assert.ok(row.permissions.includes('chat:message:send'));
    assert.equal(all.find((r) => r.socketId === sue.id).userType, 'supervisor');
  });

  it('authentication validation on connection: bad tokens are refused, others do not chat', async () => {
    const t = open(CLIENT, server, { token: 'nonsense', reconnection: false });
    const [error] = await t.first('connect_error');
    assert.equal(error.data.type, 'AUTHENTICATION_FAILED');
    t.close();
    const viewer = await talk('vic', { role: 'viewer' });
    await refused(viewer, 'chat:room:create', { name: 'x', type: 'public' }, 'PERMISSION_DENIED');
    await refused(viewer, 'chat:room:join', { roomId: NOBODYS }, 'PERMISSION_DENIED');
  });

  it('graceful disconnect handling: a member without a socket is offline, and a member still', async () => {
    const ann = await talk('ann');
    const ben = await talk('gone');
    const { id } = await room(ann);
    await join(ben, id);
    ben.close();
    await until('offline', async () => {
      const ack = await good(ann, 'chat:room:join', { roomId: id });
      return ack.room.members.find((m) => m.name === 'gone').isOnline === false;
    });
    const back = await talk('gone');
    await next(back, 'chat:room:joined', (d) => d.roomId === id);
  });

  it('connection health monitoring: a pong says that a message has arrived', async () => {
    const ann = await talk('ann');
    const ben = await talk('ben');
    const { id } = await room(ann);
    await join(ben, id);
    const ack = await send(ann, id, 'seen?');
    const said = await next(ann, 'chat:message:status', (d) => d.messageId === ack.messageId);
    assert.equal(said.data.deliveryStatus, 'delivered');
    assert.equal(said.data.seq, ack.seq);
  });

  it('reconnection strategy support: who comes back has missed nothing and sees nothing twice', async () => {
    const ann = await talk('ann');
    const ben = await talk('ben', { reconnection: true });
    const { id } = await room(ann);
    await join(ben, id);
    await send(ann, id, '1');
    await next(ben, 'chat:message:received', (m) => m.roomId === id && m.seq === 1);
    const joined = heard(ben, 'chat:room:joined').length;
    for (let round = 0; round < 3; round += 1) {
      ben.cut();
      for (let n = 0; n < 30; n += 1) await send(ann, id, 'x');
      await until('back', () => ben.socket.connected);
      assert.equal(ben.socket.recovered, true);
    }
    await next(ben, 'chat:message:received', (m) => m.roomId === id && m.seq === 91);
    assert.deepEqual(seqs(ben, id), upTo(91));
    assert.equal(heard(ben, 'chat:room:joined').length, joined); // it knows its rooms
    await send(ann, id, 'live');
    await next(ben, 'chat:message:received', (m) => m.roomId === id && m.seq === 92);
    assert.deepEqual(seqs(ben, id), upTo(92));
  });

  it('reconnection strategy support: who comes back hears which rooms are its own no more', async () => {
    const [ann, ben] = [await talk('ann'), await talk('ben')];
    const boss = await talk('boss', { role: 'supervisor' });
    const [kicked, deleted, stays, watched] = [await room(ann), await room(ann), await room(ann),
      await room(ann, { type: 'group' })];
    for (const r of [kicked, deleted, stays]) await join(ben, r.id);
    await send(ann, stays.id, 'here?'); // its pos is behind those of all that came before
    await next(ben, 'chat:message:received', (m) => m.roomId === stays.id);
    await good(boss, 'chat:room:join', { roomId: watched.id });
    await next(boss, 'chat:room:joined', (d) => d.roomId === watched.id);
    const { sub } = JSON.parse(Buffer.from((await token('ben')).split('.')[1], 'base64url'));
    for (const t of [ben, boss]) {
      t.socket.io.reconnection(false);
      t.cut();
      await t.next('disconnect', { from: t.heard.findIndex((h) => h.event === 'connect') });
    }
    for (const path of [`rooms/${kicked.id}/members/${sub}`, `rooms/${deleted.id}`]) {
      const got = await server.request('DELETE', `/api/v1/chat/${path}`, { token: await token('ann') });
      assert.ok(got.status < 300, got.text);
    }
    const joined = heard(ben, 'chat:room:joined').length;
    for (const t of [ben, boss]) {
      t.socket.connect();
      await until('back', () => t.socket.connected);
      assert.equal(t.socket.recovered, true);
    }
    for (const r of [kicked, deleted]) {
      const { data } = await next(ben, 'chat:room:left', (d) => d.roomId === r.id);
      assert.deepEqual(data, { roomId: r.id, userId: sub, userType: 'employee' });
    }
    await next(boss, 'chat:room:left', (d) => d.roomId === watched.id); // it watches no more
    await send(ann, stays.id, 'still here?');
    await next(ben, 'chat:message:received', (m) => m.roomId === stays.id && m.seq === 2);
    assert.equal(heard(ben, 'chat:room:left').length, 2);
    assert.equal(heard(ben, 'chat:room:joined').length, joined);
    ben.cut(); // and once more: it was told already
    ben.socket.connect();
    await until('back again', () => ben.socket.connected);
    assert.equal(ben.socket.recovered, true);
    await send(ann, stays.id, 'and now?');
    await next(ben, 'chat:message:received', (m) => m.roomId === stays.id && m.seq === 3);
    assert.equal(heard(ben, 'chat:room:left').length, 2);
  });
});

describe('real-time broadcasting', () => {
  it('room-specific message broadcasting: members hear their rooms and no others', async () => {
    const [ann, ben, eve] = [await talk('ann'), await talk('ben'), await talk('eve')];
    const one = await room(ann);
    const two = await room(ben);
    await join(eve, two.id);
    await send(ann, one.id, 'one');
    await send(ben, two.id, 'two');
    await next(eve, 'chat:message:received', (m) => m.roomId === two.id);
    assert.deepEqual(seqs(eve, one.id), []);
    assert.deepEqual(seqs(ben, one.id), []);
  });

  it('targeted client messaging: only the socket that asked hears its requestId, whatever the way', async () => {
    const mine = [];
    for (const way of WAYS) mine.push(await talk('ann', { way }));
    const { id } = await room(mine[0]);
    for (const t of mine) await next(t, 'chat:room:joined', (d) => d.roomId === id);
    for (const [i, t] of mine.entries()) {
      await send(t, id, `by ${i}`, {}, `t${i}`);
      for (const other of mine) {
        const said = await next(other, 'chat:message:received',
          (m) => m.roomId === id && m.content === `by ${i}`);
        assert.equal(said.requestId, other === t ? `t${i}` : undefined);
      }
    }
  });

  it('efficient client lookup: a socket of many rooms hears each of them, from where it came', async () => {
    const ann = await talk('ann');
    const ids = [];
    const many = await talk('many');
    for (let n = 0; n < 40; n += 1) {
      ids.push((await good(ann, 'chat:room:create', { name: `r${n}`, type: 'public' })).room.id);
      await good(many, 'chat:room:join', { roomId: ids[n] });
      await send(ann, ids[n], 'old');
    }
    many.close();
    const back = talk('many');
    for (const id of ids) await send(ann, id, 'new'); // while it arrives
    const t = await back;
    for (const id of ids) {
      const { data } = await next(t, 'chat:room:joined', (d) => d.roomId === id);
      await send(ann, id, 'newer');
      await next(t, 'chat:message:received', (m) => m.roomId === id && m.seq === 3);
      assert.deepEqual(seqs(t, id), upTo(3, data.lastSeq + 1));
    }
  });

  it('message delivery confirmation: delivered at once if nobody else is there', async () => {
    const ann = await talk('ann');
    const { id } = await room(ann, { type: 'group' });
    await send(ann, id, 'alone');
    const said = await next(ann, 'chat:message:received', (m) => m.roomId === id);
    assert.equal(said.data.deliveryStatus, 'delivered');
  });
});

describe('limits', () => {
  let small;
  before(async () => {
    small = await startServer({ flags: ['--chat-messages-per-s', '1', '--chat-messages-burst', '3'] });
  });
  after(() => small.stop());

  it('rate limiting per connection: of messages, typing and joins, each with its own', async () => {
    const t = await connected(CLIENT, small, { transports: ['websocket'], reconnection: false,
      token: await small.cli('token', '--sub', 'fast', '--role', 'employee') });
    const { id } = await room(t);
    const acks = await Promise.all(upTo(8).map(() => ask(t, 'chat:message:send',
      { roomId: id, type: 'chat', content: 'x' })));
    const over = acks.filter((a) => !a.ok);
    assert.ok(over.length >= 4, JSON.stringify(acks));
    for (const { error } of over) {
      assert.equal(error.code, 'RATE_LIMITED');
      assert.equal(error.recoverable, true);
      assert.ok(error.details.retryAfterMs > 0);
    }
    const joins = await Promise.all(upTo(40).map(() => ask(t, 'chat:room:join', { roomId: NOBODYS })));
    const codes = joins.map((a) => a.error.code);
    assert.ok(codes.filter((c) => c === 'ROOM_ACCESS_DENIED').length <= 30);
    assert.ok(codes.includes('RATE_LIMITED'));
    const [plain] = await t.ask('device:subscribe', {}); // has a bucket of its own
    assert.notEqual(plain.error?.type, 'RATE_LIMIT_EXCEEDED');
    t.close();
  });
});

it('the documents name every event of chat that there is', async () => {
  const { components } = (await server.get('/api/asyncapi.json')).json;
  const all = Object.entries(components.messages);
  const says = (way) => new Set(all.filter(([key]) => key.startsWith(`socketio_${way}_chat`))
    .map(([, message]) => message.name));
  const server_ = ['chat:message:received', 'chat:room:joined', 'chat:room:left', 'chat:user:typing',
    'chat:file:uploaded', 'chat:robot:response', 'chat:room:created', 'chat:escalation:created',
    'chat:error', 'chat:system:notification', 'chat:message:updated', 'chat:message:status',
    'chat:message:receipt'];
  for (const name of server_) assert.ok(says('out').has(name), name);
  for (const name of CLIENT_EVENTS) assert.ok(says('in').has(name), name);
});
