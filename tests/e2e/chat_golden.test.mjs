// Chat's events as tests/golden has them: real ones have the same members, of the same form.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { after, before, it } from 'node:test';
import { CLIENTS, connected } from './lib/clients.mjs';
import { ROOT, startServer } from './lib/server.mjs';

const [CLIENT] = CLIENTS;
const NOBODYS = '0190a5c4-0000-7000-8000-000000000001';
const FORMS = [/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/,
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, /^[0-9a-f]+-\d+$/, /^\/api\/v1\//];
const FLAGS = ['--loops', '2', '--chat-messages-per-s', '1000', '--chat-messages-burst', '1000',
  '--chat-typing-ms', '300', '--chat-presence-grace-ms', '200', '--chat-sweep-ms', '50',
  '--chat-alone-ms', '200', '--chat-alone-queue-ms', '600000'];

let server;
const tokens = {};
const talkers = new Set();
const shown = new Set();
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
  shown.add(`chat_${name}.json`);
  const [said] = await t.first(sample.event, { test: (s) => test(s.data, s) });
  assertSame(said, sample, name);
  return said.data;
}

const token = (name, role = 'employee') => (tokens[name] ??= server.cli(
  'token', '--sub', name, '--role', role, '--ttl', '1h'));

async function open(credential) {
  const t = await connected(CLIENT, server,
    { transports: ['websocket'], reconnection: false, token: credential });
  talkers.add(t);
  return t;
}

const talk = async (name, role) => open(await token(name, role));

/** The data of an answer of /api/v1/chat. */
async function rest(name, method, path, body) {
  const { status, text, json } = await server.request(method, `/api/v1/chat/${path}`,
    { token: await token(name), body });
  assert.ok(status < 300, `${method} ${path}: ${status} ${text}`);
  return json?.data;
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
  for (const t of talkers) t.close();
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
  await rest('ann', 'PATCH', `messages/${messageId}`, { content: 'The report is late' });
  await rest('ben', 'PUT', `messages/${messageId}/reactions/${encodeURIComponent('👍')}`);
  await like(ben, 'message_updated', (m) => mine(m) && m.reactions !== undefined);
  await rest('ann', 'DELETE', `messages/${messageId}`);
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

it('a file is told when it may be seen', async () => {
  const bytes = Buffer.from('page one\n');
  const file = await rest('ann', 'POST', `rooms/${room}/files`,
    { name: 'report.txt', mime: 'text/plain', size: bytes.length });
  const { status, text } = await server.request('PUT', file.uploadUrl,
    { token: await token('ann'), body: bytes });
  assert.equal(status, 200, text);
  await like(ben, 'file_uploaded', (d) => d.fileId === file.fileId);
});

it('a robot is asked and answers in pieces', async () => {
  await token('root', 'admin');
  const robot = await rest('root', 'POST', 'robots', { name: 'Rob' });
  const bot = await open(robot.key);
  const { room: { id: roomId } } = await ask(ann, 'chat:room:create',
    { name: 'Questions', type: 'group', members: [robot.id] });
  await bot.first('chat:room:joined', { test: (s) => s.data.roomId === roomId });
  await ask(ann, 'chat:message:send', { roomId, type: 'chat', content: 'The report is ready' });
  const { jobId } = await ask(ann, 'chat:robot:interact',
    { roomId, robotId: robot.id, prompt: 'What is new?' });
  await like(bot, 'robot_request', (d) => d.jobId === jobId);
  await ask(bot, 'chat:robot:response', { jobId, index: 0, chunk: 'The answer' });
  await like(ann, 'robot_response', (d) => d.jobId === jobId);
  await ask(bot, 'chat:robot:response', { jobId, index: 1, chunk: '.', final: true });
});

it('the desk hears of an escalation and of guests who are alone', async () => {
  const sue = await talk('sue', 'supervisor');
  const cid = await talk('cid');
  const { room: { id } } = await ask(cid, 'chat:room:create', { name: 'Help', type: 'support' });
  const { token: gina } = await rest('cid', 'POST', 'guests', { roomId: id, name: 'Gina' });
  const guest = await open(gina);
  await guest.first('chat:room:joined');
  const { escalation } = await ask(cid, 'chat:escalation:create', { roomId: id, reason: 'a person, please' });
  await like(sue, 'escalation_created', (d) => d.id === escalation.id);
  await rest('cid', 'POST', `escalations/${escalation.id}/take`);
  await like(sue, 'escalation_updated', (d) => d.id === escalation.id && d.status === 'taken');
  cid.close();
  const { data } = golden('system_notification');
  const told = await like(sue, 'system_notification', (d) => d.roomId === id);
  assert.deepEqual([told.code, told.message], [data.code, data.message]);
});

it('a room is changed, left and ended', async () => {
  await rest('ann', 'PATCH', `rooms/${room}`, { name: 'The team' });
  await like(ben, 'room_updated', (d) => d.name === 'The team');
  await ask(ben, 'chat:room:leave', { roomId: room });
  await like(ann, 'room_left', (d) => d.roomId === room);
  await rest('ann', 'DELETE', `rooms/${room}`);
  await like(ann, 'room_deleted', (d) => d.roomId === room);
});

it('every golden file of chat was held to an event', () => {
  const files = readdirSync(path.join(ROOT, 'tests/golden')).filter((f) => f.startsWith('chat_'));
  assert.deepEqual([...shown].sort(), files.sort());
});
