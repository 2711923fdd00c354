// Robots of chat: a real receiver of webhooks (whole, streamed, slow, failing, wrong), a robot on a
// socket of its own, rooms that a robot owns. CONTRACT 5, docs/CHAT.md.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import http from 'node:http';
import test, { after, before } from 'node:test';
import { io } from 'socket.io-client';
import { PATIENCE, startServer, within } from './lib/server.mjs';

const WAIT_MS = 10_000 * PATIENCE;
let server;
let admin;
let receiver;
const tokens = {};
const ids = {};
const open = new Set();
const env = {
  SIGNALBOX_LOOPS: '2',
  SIGNALBOX_CHAT_ROBOT_TIMEOUT_MS: String(750 * PATIENCE),
  SIGNALBOX_WEBHOOK_BREAKER_MS: '300',
};

/* --- the receiver: what it answers is set by each test --- */

let answers;
const calls = [];

function startReceiver() {
  const s = http.createServer((req, res) => {
    let body = '';
    req.on('data', (d) => (body += d));
    req.on('end', () => {
      const call = { headers: req.headers, raw: body, body: JSON.parse(body), res, closed: false };
      res.on('close', () => (call.closed = true));
      calls.push(call);
      answers(res, call);
    });
  });
  return new Promise((resolve) => s.listen(0, '127.0.0.1', () => resolve(s)));
}
const url = () => `http://127.0.0.1:${receiver.address().port}/robot`;
const says = (content) => (res) => {
  res.setHeader('Content-Type', 'application/json');
  res.end(JSON.stringify({ content }));
};

before(async () => {
  receiver = await startReceiver();
  server = await startServer({ env });
  admin = await server.cli('token', '--sub', 'root', '--role', 'admin', '--ttl', '1h');
  for (const name of ['ann', 'ben']) {
    tokens[name] = await server.cli('token', '--sub', name, '--role', 'employee', '--ttl', '1h');
    ids[name] = (await server.get('/api/v1/auth/me', { token: tokens[name] })).json.data.id;
  }
});
after(async () => {
  for (const s of open) s.close();
  receiver.closeAllConnections();
  receiver.close();
  await server.stop();
});

/* --- clients --- */

/** A socket that keeps what it hears: client.heard[name] and client.next(name, fits). */
async function client(token, options = {}) {
  const s = io(server.url, { auth: { token }, transports: ['websocket'], forceNew: true, reconnection: false, ...options });
  open.add(s);
  s.heard = [];
  s.waiting = new Set();
  s.onAny((name, envelope) => {
    if (!name.startsWith('chat:')) return;
    assert.equal(envelope.event, name);
    assert.equal(envelope.version, '1.0');
    s.heard.push({ name, data: envelope.data, requestId: envelope.requestId });
    for (const w of [...s.waiting]) w();
  });
  s.next = (name, fits = () => true) =>
    within(WAIT_MS, `${name} among ${s.heard.map((h) => h.name)}`, new Promise((resolve) => {
      const look = () => {
        const i = s.heard.findIndex((h) => h.name === name && fits(h.data));
        if (i >= 0) {
          s.waiting.delete(look);
          resolve(s.heard.splice(i, 1)[0].data);
        }
      };
      s.waiting.add(look);
      look();
    }));
  s.ask = (name, data, requestId) => s.timeout(WAIT_MS).emitWithAck(name, { event: name, data, requestId, version: '1.0' });
  await within(WAIT_MS, 'connect', new Promise((resolve, reject) => {
    s.once('connect', resolve);
    s.once('connect_error', reject);
  }));
  return s;
}

const rest = async (method, path, body, token = admin, headers = {}) =>
  server.request(method, path, { token, body, headers });

async function robot(body) {
  const made = await rest('POST', '/api/v1/chat/robots', body);
  assert.equal(made.status, 201, JSON.stringify(made.json));
  return made.json.data;
}

async function room(who, robotId, more = {}) {
  const made = await who.ask('chat:room:create', {
    name: 'Team', type: 'group', members: [ids.ben, robotId], ...more,
  });
  assert.equal(made.ok, true, JSON.stringify(made));
  return made.room.id;
}

const until = async (what, check) => {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const value = await check();
    if (value) return value;
    assert.ok(Date.now() < end, what);
    await new Promise((r) => setTimeout(r, 20));
  }
};

/* --- the tests --- */

test('robots_are_made_shown_changed_and_removed_over_rest', async () => {
  const bad = await rest('POST', '/api/v1/chat/robots', { name: 'x', webhookUrl: 'http://robots.example/' });
  assert.equal(bad.status, 400);
  assert.equal(bad.json.errors[0].member ?? bad.json.errors[0].pointer ?? 'webhookUrl', 'webhookUrl');
  assert.equal((await rest('POST', '/api/v1/chat/robots', { name: 'x' }, tokens.ann)).status, 403);
  const made = await robot({ name: 'Crud', description: 'd', webhookUrl: url() });
  assert.ok(made.secret.length >= 40 && !made.key);
  assert.equal((await rest('POST', '/api/v1/chat/robots', { name: 'Crud' })).status, 409);
  const path = `/api/v1/chat/robots/${made.id}`;
  const shown = await server.get(path, { token: tokens.ann });
  assert.equal(shown.status, 200);
  assert.equal(shown.json.data.state, 'ready');
  assert.ok(!('secret' in shown.json.data) && !('webhookUrl' in shown.json.data));
  const etag = shown.headers.get?.('etag') ?? shown.headers.etag;
  const changed = await rest('PATCH', path, { name: 'Crud 2', newSecret: true }, admin, { 'If-Match': etag });
  assert.equal(changed.status, 200);
  assert.notEqual(changed.json.data.secret, made.secret);
  assert.equal((await rest('PATCH', path, { enabled: false }, admin, { 'If-Match': etag })).status, 412);
  assert.equal((await rest('PATCH', path, { enabled: false })).json.data.state, 'disabled');
  const list = await server.get('/api/v1/chat/robots?q=crud', { token: tokens.ann });
  assert.deepEqual(list.json.data.map((r) => r.name), ['Crud 2']);
  assert.equal((await server.get('/api/v1/chat/robots?limit=0', { token: admin })).status, 400);
  assert.equal((await rest('DELETE', path)).status, 204);
  assert.equal((await server.get(path, { token: admin })).status, 404);
});

test('a_signed_question_is_answered_whole_by_a_message_of_the_robot', async () => {
  const bot = await robot({ name: 'Whole', webhookUrl: url() });
  const ann = await client(tokens.ann);
  const ben = await client(tokens.ben);
  const roomId = await room(ann, bot.id);
  await ben.next('chat:room:joined', (d) => d.roomId === roomId);
  await ann.ask('chat:message:send', { roomId, type: 'chat', content: 'hello' });
  answers = says('the answer');
  calls.length = 0;
  const asked = await ann.ask('chat:robot:interact', { roomId, robotId: bot.id, prompt: 'what?' }, 'r-1');
  assert.equal(asked.ok, true, JSON.stringify(asked));
  assert.equal(asked.requestId, 'r-1');
  assert.equal(asked.deliveryStatus, 'batch-delay', 'the answer waits for the robot');
  const message = await ben.next('chat:message:received', (d) => d.type === 'robot');
  assert.equal(message.content, 'the answer');
  assert.equal(message.senderId, bot.id);
  const last = await ben.next('chat:robot:response', (d) => d.final);
  assert.deepEqual(
    { jobId: last.jobId, chunk: last.chunk, messageId: last.messageId },
    { jobId: asked.jobId, chunk: 'the answer', messageId: message.id },
  );
  const [call] = calls;
  const [, at, mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(call.headers['x-signalbox-signature']);
  assert.equal(mac, createHmac('sha256', bot.secret).update(`${at}.${call.raw}`).digest('hex'));
  assert.equal(call.headers['x-signalbox-delivery'], asked.jobId);
  assert.equal(call.body.userId, ids.ann);
  assert.deepEqual(call.body.context.map((c) => c.content), ['hello']);
  const job = await server.get(`/api/v1/chat/rooms/${roomId}/robots/${asked.jobId}`, { token: tokens.ben });
  assert.equal(job.json.data.state, 'done');
  assert.equal(job.json.data.messageId, message.id);
  // over REST, and who may not
  const viaRest = await rest('POST', `/api/v1/chat/rooms/${roomId}/robots`, { robotId: bot.id, prompt: 'again' }, tokens.ben);
  assert.equal(viaRest.status, 202);
  await ben.next('chat:message:received', (d) => d.type === 'robot');
  const stranger = await server.cli('token', '--sub', 'eve', '--role', 'employee', '--ttl', '1h');
  const refused = await rest('POST', `/api/v1/chat/rooms/${roomId}/robots`, { robotId: bot.id, prompt: 'x' }, stranger);
  assert.equal(refused.json.code, 'ROOM_ACCESS_DENIED');
});

for (const [form, type, lines] of [
  ['ndjson', 'application/x-ndjson', ['{"chunk":"one "}\n', '{"chunk":"two"}\n', '{"final":true,"content":"one two three"}\n']],
  ['events', 'text/event-stream; charset=utf-8', ['data: {"chunk":"one "}\n\n', 'data: two\n\n', 'data:  three\n\ndata: [DONE]\n\n']],
  ['text', 'text/plain', ['one ', 'two', ' three']],
]) {
  test(`a_streamed_answer_as_${form}_becomes_chunks_and_then_a_message`, async () => {
    const bot = await robot({ name: `Stream ${form}`, webhookUrl: url() });
    const ann = await client(tokens.ann);
    const ben = await client(tokens.ben);
    const roomId = await room(ann, bot.id);
    await ben.next('chat:room:joined', (d) => d.roomId === roomId);
    let go;
    answers = async (res) => {
      res.setHeader('Content-Type', type);
      res.write(lines[0]);
      await new Promise((r) => (go = r));
      res.write(lines[1]);
      res.end(lines[2]);
    };
    const asked = await ann.ask('chat:robot:interact', { roomId, robotId: bot.id, prompt: 'go' });
    const first = await ben.next('chat:robot:response');
    assert.deepEqual([first.jobId, first.index, first.chunk, first.final], [asked.jobId, 0, 'one ', false]);
    go();
    const last = await ben.next('chat:robot:response', (d) => d.final);
    const message = await ben.next('chat:message:received', (d) => d.type === 'robot');
    assert.equal(message.content, 'one two three');
    assert.equal(last.messageId, message.id);
    const between = ben.heard.filter((h) => h.name === 'chat:robot:response').map((h) => h.data.chunk);
    assert.equal([first.chunk, ...between, last.chunk].join(''), 'one two three');
  });
}

test('a_private_answer_reaches_the_sockets_of_who_asked_alone', async () => {
  const bot = await robot({ name: 'Private', webhookUrl: url() });
  const ann = await client(tokens.ann);
  const again = await client(tokens.ann);
  const ben = await client(tokens.ben);
  const roomId = await room(ann, bot.id);
  await ben.next('chat:room:joined', (d) => d.roomId === roomId);
  answers = says({ table: [1, 2] });
  const asked = await ann.ask('chat:robot:interact', { roomId, robotId: bot.id, prompt: 'psst', visibility: 'private' });
  for (const s of [ann, again]) {
    const last = await s.next('chat:robot:response', (d) => d.final);
    assert.equal(last.jobId, asked.jobId);
    assert.ok(!('messageId' in last));
  }
  const path = `/api/v1/chat/rooms/${roomId}/robots/${asked.jobId}`;
  assert.deepEqual((await server.get(path, { token: tokens.ann })).json.data.content, { table: [1, 2] });
  assert.equal((await server.get(path, { token: tokens.ben })).status, 404);
  const fence = await ann.ask('chat:message:send', { roomId, type: 'chat', content: 'fence' });
  assert.equal(fence.seq, 1, 'the answer is no message');
  await ben.next('chat:message:received', (d) => d.content === 'fence');
  assert.ok(!ben.heard.some((h) => h.name === 'chat:robot:response'));
});

test('failing_wrong_and_slow_robots_are_told_then_spared_then_tried_again', async () => {
  const bot = await robot({ name: 'Failing', webhookUrl: url() });
  const ann = await client(tokens.ann);
  const roomId = await room(ann, bot.id);
  const ask = () => ann.ask('chat:robot:interact', { roomId, robotId: bot.id, prompt: 'go' }, 'mine');
  const told = async () => {
    const { jobId } = await ask();
    return ann.next('chat:error', (d) => d.details.jobId === jobId);
  };
  answers = (res) => res.writeHead(500).end();
  assert.deepEqual([(await told()).code], ['SERVER_ERROR']);
  answers = (res) => res.writeHead(200, { 'Content-Type': 'text/html' }).end('<p>');
  const wrong = await told();
  assert.equal(wrong.code, 'SERVER_ERROR');
  assert.equal(wrong.recoverable, true);
  answers = (res) => res.socket.destroy();
  assert.equal((await told()).code, 'CONNECTION_LOST');
  answers = () => {}; // never
  assert.equal((await told()).code, 'CONNECTION_LOST');
  answers = (res) => {
    res.writeHead(200, { 'Content-Type': 'text/plain' });
    const flood = () => { while (!res.closed && res.write('x'.repeat(4096))); };
    res.on('drain', flood);
    flood();
  };
  assert.equal((await told()).code, 'SERVER_ERROR'); // the fifth
  const count = calls.length;
  const spared = await ask();
  assert.deepEqual([spared.ok, spared.error.code, spared.error.recoverable], [false, 'SERVER_ERROR', true]);
  assert.equal(calls.length, count, 'it was not called');
  answers = says('back');
  await until('it is tried again', async () => (await ask()).ok);
  await ann.next('chat:message:received', (d) => d.content === 'back');
});

test('a_robot_with_a_socket_is_asked_and_answers_by_it', async () => {
  const made = await robot({ name: 'Own socket' });
  assert.match(made.key, /^sbk_/);
  const ann = await client(tokens.ann);
  const roomId = await room(ann, made.id);
  const away = await ann.ask('chat:robot:interact', { roomId, robotId: made.id, prompt: 'hi' });
  assert.equal(away.error.code, 'CONNECTION_LOST');
  const health = async () => (await server.get('/health', { token: admin })).json.components.robots;
  assert.equal((await health()).status, 'degraded');
  const bot = await client(made.key);
  await bot.next('chat:room:joined', (d) => d.roomId === roomId);
  await until('it is there', async () =>
    (await server.get(`/api/v1/chat/robots/${made.id}`, { token: admin })).json.data.state === 'ready');
  const asked = await ann.ask('chat:robot:interact', { roomId, robotId: made.id, prompt: 'hi' });
  assert.equal(asked.ok, true, JSON.stringify(asked));
  const request = await bot.next('chat:robot:request');
  assert.deepEqual([request.jobId, request.prompt, request.userId], [asked.jobId, 'hi', ids.ann]);
  const piece = (index, chunk, final = false) => bot.ask('chat:robot:response', { jobId: asked.jobId, index, chunk, final });
  assert.equal((await piece(0, 'by ')).ok, true);
  const wrong = await piece(5, 'x');
  assert.deepEqual([wrong.error.code, wrong.error.recoverable], ['CLIENT_ERROR', false]);
  const done = await piece(1, 'socket', true);
  const message = await ann.next('chat:message:received', (d) => d.type === 'robot');
  assert.equal(message.content, 'by socket');
  assert.equal(done.messageId, message.id);
  // it says robot messages by itself, but asks nobody
  assert.equal((await bot.ask('chat:message:send', { roomId, type: 'robot', content: 'news' })).ok, true);
  const refused = await bot.ask('chat:robot:interact', { roomId, robotId: made.id, prompt: 'me' });
  assert.equal(refused.error.code, 'PERMISSION_DENIED');
  const forged = await ann.ask('chat:robot:response', { jobId: asked.jobId, index: 0, chunk: 'x', final: true });
  assert.equal(forged.ok, false);
  // it goes away in the middle
  const lost = await ann.ask('chat:robot:interact', { roomId, robotId: made.id, prompt: 'hi' });
  await bot.next('chat:robot:request');
  bot.close();
  const error = await ann.next('chat:error', (d) => d.details.jobId === lost.jobId);
  assert.deepEqual([error.code, error.recoverable], ['CONNECTION_LOST', true]);
  const { text } = await server.get('/metrics', { token: admin });
  assert.match(text, /signalbox_chat_robots\{state="away"\} 1/);
  assert.match(text, /signalbox_chat_robot_jobs_total\{state="failed"\} [1-9]/);
  assert.match(text, /signalbox_chat_robot_jobs_active 0/);
  await rest('PATCH', `/api/v1/chat/robots/${made.id}`, { enabled: false });
  assert.equal((await health()).status, 'healthy');
});

test('a_robot_owns_a_support_room_until_a_person_speaks', async () => {
  const bot = await robot({ name: 'Owner', webhookUrl: url() });
  const ann = await client(tokens.ann);
  const roomId = await room(ann, bot.id, { type: 'support', members: [], settings: { robotId: bot.id } });
  const made = await rest('POST', '/api/v1/chat/guests', { roomId, name: 'Gus' }, tokens.ann);
  assert.equal(made.status, 201, JSON.stringify(made.json));
  const guest = await client(made.json.data.token);
  await guest.next('chat:room:joined', (d) => d.roomId === roomId);
  answers = says('hello, I am a robot');
  assert.equal((await guest.ask('chat:message:send', { roomId, type: 'chat', content: 'help' })).ok, true);
  const message = await guest.next('chat:message:received', (d) => d.type === 'robot');
  assert.equal(message.content, 'hello, I am a robot');
  const use = await guest.ask('chat:robot:interact', { roomId, robotId: bot.id, prompt: 'x' });
  assert.equal(use.error.code, 'PERMISSION_DENIED');
  // a person speaks while it answers
  let held;
  answers = (res, call) => (held = call);
  await guest.ask('chat:message:send', { roomId, type: 'chat', content: 'more' });
  await until('it is asked', () => held);
  await ann.ask('chat:message:send', { roomId, type: 'chat', content: 'I am here' });
  const system = await guest.next('chat:message:received', (d) => d.type === 'system' && d.content.code === 'ROBOT_RELEASED');
  assert.equal(system.content.robotId, bot.id);
  assert.equal(system.content.userId, ids.ann);
  await until('its call is cancelled', () => held.closed);
  const count = calls.length;
  await guest.ask('chat:message:send', { roomId, type: 'chat', content: 'thanks' });
  await ann.next('chat:message:received', (d) => d.content === 'thanks');
  assert.equal(calls.length, count, 'nobody asks the robot any more');
});

test('a_robot_that_is_removed_is_gone_and_jobs_outlive_a_crash_as_failed', async () => {
  const bot = await robot({ name: 'Crash', webhookUrl: url() });
  let ann = await client(tokens.ann);
  const roomId = await room(ann, bot.id);
  answers = () => {};
  const { jobId } = await ann.ask('chat:robot:interact', { roomId, robotId: bot.id, prompt: 'go' });
  const open = await server.get(`/api/v1/chat/rooms/${roomId}/robots/${jobId}`, { token: tokens.ann });
  assert.deepEqual([open.json.data.state, open.json.data.deliveryStatus], ['open', 'batch-delay']);
  const desk = await room(ann, bot.id, { type: 'support', members: [], settings: { robotId: bot.id } });
  const gus = (await rest('POST', '/api/v1/chat/guests', { roomId: desk, name: 'Gus' }, tokens.ann)).json.data;
  assert.equal((await ann.ask('chat:message:send', { roomId: desk, type: 'chat', content: 'mine' })).ok, true);
  // somebody who was there has not got it yet, and never will by that socket
  const cut = await client(tokens.ann, { reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 50 });
  const there = await client(tokens.ben);
  await there.next('chat:room:joined', (d) => d.roomId === roomId);
  const said = await cut.ask('chat:message:send', { roomId, type: 'chat', content: 'on its way' });
  assert.equal((await cut.next('chat:message:received', (d) => d.id === said.messageId)).deliveryStatus, 'streaming');
  await server.crash(); // the take-over was acknowledged, so it is on disk
  server = await startServer({ env, dataDir: server.dataDir, flags: ['--listen', `${server.host}:${server.port}`] });
  const status = await cut.next('chat:message:status', (d) => d.messageId === said.messageId);
  assert.equal(status.deliveryStatus, 'delivered');
  const stored = await server.get(`/api/v1/chat/messages/${said.messageId}`, { token: tokens.ann });
  assert.equal(stored.json.data.deliveryStatus, 'delivered');
  assert.equal(cut.heard.filter((h) => h.name === 'chat:message:status' && h.data.messageId === said.messageId).length, 0);
  ann = await client(tokens.ann);
  const path = `/api/v1/chat/rooms/${roomId}/robots/${jobId}`;
  const job = await until('it is failed', async () => {
    const { json } = await server.get(path, { token: tokens.ann });
    return json.data?.state === 'failed' && json.data;
  });
  assert.equal(job.error, 'the server was restarted');
  assert.equal(job.deliveryStatus, undefined, 'nothing waits any more');
  answers = says('again');
  const guest = await client(gus.token);
  const count = calls.length;
  assert.equal((await guest.ask('chat:message:send', { roomId: desk, type: 'chat', content: 'help' })).ok, true);
  await ann.next('chat:message:received', (d) => d.content === 'help');
  assert.equal((await ann.ask('chat:robot:interact', { roomId, robotId: bot.id, prompt: 'go' })).ok, true);
  await ann.next('chat:message:received', (d) => d.content === 'again');
  assert.equal(calls.length, count + 1, 'the robot owns no room any more');
  assert.equal((await rest('DELETE', `/api/v1/chat/robots/${bot.id}`)).status, 204);
  const gone = await ann.ask('chat:robot:interact', { roomId, robotId: bot.id, prompt: 'go' });
  assert.equal(gone.ok, false);
});
