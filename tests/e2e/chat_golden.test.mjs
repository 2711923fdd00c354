// Chat's events as tests/golden has them: real ones have the same members, of the same form.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, it } from 'node:test';
import { CLIENTS, connected } from './lib/clients.mjs';
import { ROOT, startServer } from './lib/server.mjs';

const [CLIENT] = CLIENTS;
const NOBODYS = '0190a5c4-0000-7000-8000-000000000001';
const FORMS = [/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/,
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, /^[0-9a-f]+-\d+$/, /^\/api\/v1\//];
const FLAGS = ['--loops', '2', '--chat-messages-per-s', '1000', '--chat-messages-burst', '1000',
  '--chat-typing-ms', '300', '--chat-presence-grace-ms', '200'];

let server;
const tokens = {};
let ann;
let ben;
let room;

const golden = (name) => JSON.parse(
  readFileSync(path.join(ROOT, 'tests/golden', `chat_${name}.json`), 'utf8'));

function assertSame(got, sample, where) {
  assert.equal(got === null, sample === null, `${where}: ${JSON.stringify(got)}`);
  assert.equal(typeof got, typeof sample, where);
  if (typeof sample === 'string') {
    for (const form of FORMS) assert.equal(form.test(got), form.test(sample), `${where}: ${got}`);
  }
  if (sample === null || typeof sample !== 'object') return;
  assert.equal(Array.isArray(got), Array.isArray(sample), where);
  if (Array.isArray(sample)) {
    got.forEach((item, i) => assertSame(item, sample[0], `${where}[${i}]`));
    return;
  }
  assert.deepEqual(Object.keys(got).sort(), Object.keys(sample).sort(), where);
  for (const [name, value] of Object.entries(sample)) {
    assertSame(got[name], value, `${where}.${name}`);
  }
}

/** The event of that file, heard by `t`, for which `test` holds; with its data. */
async function like(t, name, test = () => true) {
  const sample = golden(name);
  const [said] = await t.first(sample.event, { test: (s) => test(s.data, s) });
  assertSame(said, sample, name);
  return said.data;
}

const token = (name) => (tokens[name] ??= server.cli(
  'token', '--sub', name, '--role', 'employee', '--ttl', '1h'));

const talk = async (name) => connected(CLIENT, server,
  { transports: ['websocket'], reconnection: false, token: await token(name) });

/** A change of a message. */
async function rest(name, method, path, body) {
  const { status, text } = await server.request(method, `/api/v1/chat/messages/${path}`,
    { token: await token(name), body });
  assert.ok(status === 200 || status === 204, `${method} ${path}: ${status} ${text}`);
}

async function ask(t, event, data, requestId) {
  const [ack] = await t.ask(event, { event, data, requestId, version: '1.0' });
  assert.equal(ack.ok, true, `${event}: ${JSON.stringify(ack)}`);
  return ack;
}

before(async () => {
  server = await startServer({ flags: FLAGS });
  ann = await talk('ann');
  ben = await talk('ben');
});
after(async () => {
  ann?.close();
  ben?.close();
  await server?.stop();
});

it('a room is made and joined', async () => {
  room = (await ask(ann, 'chat:room:create', { name: 'Team', type: 'public' }, 'r-1')).room.id;
  await like(ann, 'room_created');
  await ask(ben, 'chat:room:join', { roomId: room });
  await like(ben, 'room_joined_own', (d) => d.roomId === room);
  await like(ann, 'room_joined', (d) => d.roomId === room && d.members === undefined);
});

it('messages are said, read, changed, deleted', async () => {
  const first = await ask(ann, 'chat:message:send', { roomId: room, type: 'chat', content: 'one' });
  const { messageId, seq } = await ask(ann, 'chat:message:send', { roomId: room, type: 'chat',
    content: 'The report is ready', metadata: { mood: 'good' }, clientId: 'c-7',
    replyTo: first.messageId }, 'r-7');
  const mine = (m) => m.id === messageId;
  await like(ann, 'message_received_own', mine);
  await like(ben, 'message_received', mine);
  await ask(ben, 'chat:message:delivered', { roomId: room, seq });
  await like(ann, 'message_status', (d) => d.messageId === messageId);
  await ask(ben, 'chat:message:read', { roomId: room, seq });
  await like(ann, 'message_receipt', (d) => d.seq === seq);
  await rest('ann', 'PATCH', messageId, { content: 'The report is late' });
  await rest('ben', 'PUT', `${messageId}/reactions/${encodeURIComponent('👍')}`);
  await like(ben, 'message_updated', (m) => mine(m) && m.reactions !== undefined);
  await rest('ann', 'DELETE', messageId);
  await like(ben, 'message_deleted', (m) => mine(m) && m.deleted);
});

it('who types and who is there is told', async () => {
  await ask(ann, 'chat:typing:start', { roomId: room });
  await like(ben, 'user_typing', (d) => d.isTyping);
  await like(ben, 'user_typing', (d) => !d.isTyping); // by itself
  const cid = await talk('cid');
  await ask(cid, 'chat:room:join', { roomId: room });
  await like(ben, 'user_presence', (d) => d.isOnline);
  cid.close();
  await like(ben, 'user_presence', (d) => !d.isOnline);
});

it('a refusal without an acknowledgement is an event', async () => {
  ann.socket.emit('chat:room:join',
    { event: 'chat:room:join', data: { roomId: NOBODYS }, requestId: 'r-9', version: '1.0' });
  await like(ann, 'error');
});
