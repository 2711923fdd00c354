// Messages of chat, by the official client and REST: the lines "Structured message format", "Message
// validation", "Message delivery confirmation", "Message queuing for offline users" and "Manage
// database connection failures" of the chat document, by CONTRACT 5 and 7.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CLIENTS, connected, until } from './lib/clients.mjs';
import { startServer, tempDir, within } from './lib/server.mjs';

const [CLIENT] = CLIENTS;
const FLAGS = ['--loops', '2', '--engineio-ping-interval-ms', '300', '--chat-messages-per-s', '100000',
  '--chat-messages-burst', '100000', '--chat-joins-per-min', '100000', '--handshakes-per-s', '100000'];
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const dataDir = tempDir('chat-messages');
const tokens = {};
const sockets = new Set();
let server;

const token = (name, role = 'employee') => (tokens[name] ??= server.cli(
  'token', '--sub', name, '--role', role, '--ttl', '1h'));

async function talk(name, role) {
  const t = await connected(CLIENT, server,
    { token: await token(name, role), transports: ['websocket'], reconnection: false });
  sockets.add(t);
  return t;
}

const envelope = (event, data, requestId) => ({ event, data, requestId, version: '1.0' });
const ask = async (t, event, data) => (await t.ask(event, envelope(event, data)))[0];
const next = async (t, event, test = () => true) =>
  (await t.first(event, { test: (said) => test(said.data) }))[0].data;
const send = (t, roomId, content, more = {}) =>
  ask(t, 'chat:message:send', { roomId, type: 'chat', content, ...more });
const received = (t, roomId) => t.of('chat:message:received').map(([e]) => e.data)
  .filter((m) => m.roomId === roomId);

async function room(t, ...others) {
  const made = await ask(t, 'chat:room:create', { name: 'room', type: 'public' });
  assert.equal(made.ok, true, JSON.stringify(made));
  const roomId = made.room.id;
  await next(t, 'chat:room:joined', (d) => d.roomId === roomId);
  for (const other of others) {
    const joined = await ask(other, 'chat:room:join', { roomId });
    assert.equal(joined.ok, true, JSON.stringify(joined));
    await next(other, 'chat:room:joined', (d) => d.roomId === roomId && d.members !== undefined);
  }
  return roomId;
}

before(async () => {
  server = await startServer({ flags: FLAGS, dataDir });
});
after(async () => {
  for (const t of sockets) t.close();
  await server?.stop();
});

describe('a message', () => {
  it('is acknowledged when it is stored, and shown with what it has', async () => {
    const ann = await talk('ann');
    const ben = await talk('ben');
    const roomId = await room(ann, ben);
    const first = await send(ann, roomId, 'one');
    const ack = await send(ann, roomId, { card: [1, 'é'] },
      { type: 'graph', clientId: 'c-1', metadata: { a: 1 }, replyTo: first.messageId });
    assert.deepEqual(Object.keys(ack).sort(), ['messageId', 'ok', 'seq', 'timestamp']);
    assert.match(ack.messageId, UUID);
    assert.match(ack.timestamp, TIME);
    assert.equal(ack.seq, 2);
    const shown = await next(ben, 'chat:message:received', (m) => m.seq === 2);
    const { pos, eventId, senderId, ...rest } = shown;
    assert.match(senderId, UUID);
    assert.match(eventId, UUID);
    assert.equal(typeof pos, 'string');
    assert.deepEqual(rest, {
      id: ack.messageId, type: 'graph', roomId, content: { card: [1, 'é'] },
      timestamp: ack.timestamp, deliveryStatus: 'streaming', metadata: { a: 1 }, seq: 2,
      clientId: 'c-1', replyTo: first.messageId,
    });
  });

  it('keeps its text as it was, whatever is in it', async () => {
    const ann = await talk('ann');
    const roomId = await room(ann);
    const texts = ['<script>alert(1)</script>', '\u202Eabc', 'a\tb\nc', '"\\/\u00e9\u{1F600}', '=1+1',
      '\u{1F600}'.repeat(8000)];
    for (const text of texts) assert.equal((await send(ann, roomId, text)).ok, true);
    await next(ann, 'chat:message:received', (m) => m.roomId === roomId && m.seq === texts.length);
    assert.deepEqual(received(ann, roomId).map((m) => m.content), texts);
  });

  it('is refused by name when it is none, and nothing is stored of it', async () => {
    const ann = await talk('ann');
    const roomId = await room(ann);
    const deep = (n) => (n === 0 ? 1 : { a: deep(n - 1) });
    const bad = [
      [{ content: 'x'.repeat(8001) }, 'content'], [{ content: '' }, 'content'],
      [{ content: 'a\u0000b' }, 'content'], [{ content: 'a\u0007' }, 'content'],
      [{ content: { a: 'b\u0085' } }, 'content'], [{ content: 7 }, 'content'],
      [{ content: ['a'] }, 'content'], [{ content: undefined }, 'content'],
      [{ content: { a: 'x'.repeat(33000) } }, 'content'], [{ content: deep(20) }, undefined],
      [{ content: JSON.parse('{"__proto__":{"a":1}}') }, undefined],
      [{ type: 'shout' }, 'type'], [{ type: undefined }, 'type'],
      [{ clientId: '' }, 'clientId'], [{ clientId: 'c'.repeat(101) }, 'clientId'],
      [{ replyTo: 'me' }, 'replyTo'], [{ metadata: 'x' }, 'metadata'],
      [{ metadata: { a: 'x'.repeat(5000) } }, 'metadata'], [{ roomId: 'nowhere' }, 'roomId'],
    ];
    for (const [more, member] of bad) {
      const { ok, error } = await send(ann, roomId, 'x', more);
      assert.equal(ok, false, JSON.stringify(more).slice(0, 80));
      assert.equal(error.code, 'CLIENT_ERROR', JSON.stringify([more, error]).slice(0, 300));
      assert.equal(error.recoverable, false);
      if (member) assert.match(JSON.stringify(error), new RegExp(member));
    }
    for (const type of ['robot', 'system']) {
      assert.equal((await send(ann, roomId, 'x', { type })).error.code, 'PERMISSION_DENIED');
    }
    const other = await room(ann);
    const there = await send(ann, other, 'x');
    assert.equal((await send(ann, roomId, 'x', { replyTo: there.messageId })).error.code,
      'CLIENT_ERROR');
    assert.equal((await send(ann, roomId, 'x')).seq, 1);
  });

  it('is one message however often its clientId is sent, also after a restart', async () => {
    let ann = await talk('ann');
    const roomId = await room(ann);
    const all = await Promise.all([1, 2, 3].map(() => send(ann, roomId, 'x', { clientId: 'k' })));
    const { messageId, seq, timestamp } = all[0];
    for (const ack of all) assert.deepEqual(ack, { ok: true, messageId, seq, timestamp });
    ann.close();
    await server.stop();
    server = await startServer({ flags: FLAGS, dataDir });
    ann = await talk('ann');
    assert.deepEqual(await send(ann, roomId, 'x', { clientId: 'k' }),
      { ok: true, messageId, seq, timestamp });
    assert.equal((await send(ann, roomId, 'y', { clientId: 'l' })).seq, seq + 1);
  });
});

describe('delivery', () => {
  it('is told to the sender when those who were there have it', async () => {
    const ann = await talk('ann');
    const ben = await talk('ben');
    const roomId = await room(ann, ben);
    const asked = await send(ann, roomId, 'by a pong');
    const by = (id) => (d) => d.messageId === id;
    const status = await next(ann, 'chat:message:status', by(asked.messageId));
    assert.deepEqual([status.roomId, status.seq, status.deliveryStatus], [roomId, 1, 'delivered']);
    const said = await send(ann, roomId, 'by a word');
    await next(ben, 'chat:message:received', (m) => m.id === said.messageId);
    const moved = await ask(ben, 'chat:message:delivered', { roomId, seq: said.seq });
    assert.equal(moved.ok, true, JSON.stringify(moved));
    await next(ann, 'chat:message:status', by(said.messageId));
    assert.deepEqual(ben.of('chat:message:status'), []);
    const left = await send(ann, roomId, 'to one who goes');
    ben.close();
    await next(ann, 'chat:message:status', by(left.messageId));
    await until('ben has gone', async () => {
      const alone = await send(ann, roomId, 'to nobody');
      const m = await next(ann, 'chat:message:received', (d) => d.id === alone.messageId);
      return m.deliveryStatus === 'delivered';
    });
  });

  it('waits for who is away: unread is counted, reading is told', async () => {
    const ann = await talk('ann');
    let ben = await talk('ben');
    const roomId = await room(ann, ben);
    await send(ann, roomId, 'one');
    ben.close();
    for (const text of ['two', 'three']) await send(ann, roomId, text);
    ben = await talk('ben');
    const joined = await next(ben, 'chat:room:joined', (d) => d.roomId === roomId);
    assert.deepEqual([joined.lastSeq, joined.unread], [3, 3]);
    const read = await ask(ben, 'chat:message:read', { roomId, seq: 2 });
    assert.deepEqual([read.ok, read.unread], [true, 1], JSON.stringify(read));
    const receipt = await next(ann, 'chat:message:receipt', (d) => d.roomId === roomId);
    assert.equal(receipt.seq, 2);
    const rest = await server.post(`/api/v1/chat/rooms/${roomId}/read`, { seq: 3 },
      { token: await token('ben') });
    assert.deepEqual([rest.status, rest.json.data], [200, { seq: 3, unread: 0 }]);
    await next(ann, 'chat:message:receipt', (d) => d.roomId === roomId && d.seq === 3);
    const bad = await server.post(`/api/v1/chat/rooms/${roomId}/read`, { seq: -1 },
      { token: await token('ben') });
    assert.equal(bad.status, 400);
  });
});

describe('POST messages', () => {
  const post = async (roomId, body, headers = {}, name = 'ann') =>
    server.post(`/api/v1/chat/rooms/${roomId}/messages`, body, { token: await token(name), headers });

  it('stores a message, and tells the room of it', async () => {
    const ann = await talk('ann');
    const roomId = await room(ann);
    const { status, json, headers } = await post(roomId, { type: 'chat', content: 'by REST' });
    assert.equal(status, 201);
    assert.equal(headers.get('location'), `/api/v1/chat/messages/${json.data.id}`);
    const { pos, eventId, ...shown } = await next(ann, 'chat:message:received', (m) => m.roomId === roomId);
    assert.ok(pos && eventId);
    assert.deepEqual(json.data, shown);
    const again = { type: 'chat', content: 'x', clientId: 'c' };
    assert.equal((await post(roomId, again)).status, 201);
    assert.equal((await post(roomId, again)).status, 200);
  });

  it('happens once for an Idempotency-Key, and for one body', async () => {
    const ann = await talk('ann');
    const roomId = await room(ann);
    const key = { 'idempotency-key': 'k-1' };
    const first = await post(roomId, { type: 'chat', content: 'once' }, key);
    assert.equal(first.status, 201, first.text);
    const again = await post(roomId, { type: 'chat', content: 'once' }, key);
    assert.equal(again.status, 200);
    assert.equal(again.headers.get('idempotency-replayed'), 'true');
    assert.deepEqual(again.json.data, first.json.data);
    assert.equal((await post(roomId, { type: 'chat', content: 'other' }, key)).status, 422);
    assert.equal((await send(ann, roomId, 'next')).seq, 2);
  });

  it('names what is wrong, and tells nothing of rooms that are not the caller\'s', async () => {
    const roomId = await room(await talk('ann'));
    const bad = await post(roomId, { type: 'chat', content: '' });
    assert.equal(bad.status, 400);
    assert.equal(bad.json.errors[0].member, 'content');
    assert.equal((await post(roomId, { type: 'system', content: 'x' })).status, 403);
    const not = await post(roomId, { type: 'chat', content: 'x' }, {}, 'eve');
    const none = await post('0190a5c4-0000-7000-8000-000000000001', { type: 'chat', content: 'x' });
    for (const { status, json } of [not, none]) {
      assert.equal(status, 403);
      assert.equal(json.code, 'ROOM_ACCESS_DENIED');
      assert.equal(json.error, none.json.error);
    }
  });

  it('is bounded as a socket is', async () => {
    const slow = await startServer({
      flags: ['--loops', '1', '--chat-messages-per-s', '1', '--chat-messages-burst', '1'] });
    try {
      const bearer = await slow.cli('token', '--sub', 'ann', '--role', 'employee', '--ttl', '1h');
      const target = '/api/v1/chat/rooms/0190a5c4-0000-7000-8000-000000000001/messages';
      let late;
      await until('one is too many', async () => { // a second may pass between two of them
        const got = await slow.post(target, { type: 'chat', content: 'x' }, { token: bearer });
        late = got.status === 429 ? got : undefined;
        assert.ok(late || got.status === 403, got.text);
        return late;
      });
      assert.equal(late.json.code, 'RATE_LIMIT_EXCEEDED');
      assert.ok(Number(late.headers.get('retry-after')) >= 1);
    } finally {
      await slow.stop();
    }
  });

  it('is counted by type of room', async () => {
    const { text } = await server.get('/metrics');
    const n = Number(text.match(/signalbox_chat_room_messages_total\{room_type="public"\} (\d+)/)[1]);
    assert.ok(n > 0);
    assert.match(text, /signalbox_chat_room_messages_total\{room_type="direct"\} 0/);
  });
});

describe('a store that does not take anything', () => {
  const HOLD = 'import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20);'
    + 'db.execute("BEGIN IMMEDIATE"); print("held", flush=True); sys.stdin.read(); db.execute("ROLLBACK")';

  it('refuses what is sent, recoverably; live traffic goes on; a retry is stored once', async () => {
    const ann = await talk('ann');
    const ben = await talk('ben');
    const roomId = await room(ann, ben);
    await send(ann, roomId, 'before');
    const holder = spawn('python3', ['-c', HOLD, path.join(dataDir, 'signalbox.db')],
      { stdio: ['pipe', 'pipe', 'inherit'] });
    try {
      await within(20_000, 'the lock', once(holder.stdout, 'data'));
      const sent = send(ann, roomId, 'meanwhile', { clientId: 'm-1' });
      ann.socket.emit('chat:typing:start', envelope('chat:typing:start', { roomId }));
      assert.equal((await next(ben, 'chat:user:typing', (d) => d.roomId === roomId)).isTyping, true);
      const { ok, error } = await sent;
      assert.equal(ok, false);
      assert.deepEqual([error.code, error.recoverable], ['SERVER_ERROR', true]);
      assert.ok(received(ben, roomId).length <= 1);
    } finally {
      holder.stdin.end();
      await once(holder, 'close');
    }
    let ack;
    await until('the store takes it', async () => {
      ack = await send(ann, roomId, 'meanwhile', { clientId: 'm-1' });
      return ack.ok;
    });
    assert.equal(ack.seq, 2);
    assert.equal((await send(ben, roomId, 'after')).seq, 3);
    await next(ben, 'chat:message:received', (m) => m.roomId === roomId && m.seq === 3);
    assert.deepEqual(received(ben, roomId).map((m) => [m.seq, m.content]),
      [[1, 'before'], [2, 'meanwhile'], [3, 'after']]);
  });
});
