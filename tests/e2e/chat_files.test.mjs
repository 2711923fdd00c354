// Files in chat rooms (CONTRACT 5, seeds: "File upload security scanning integration"): announced,
// uploaded by PUT, scanned by a real clamd, and only then seen by others.
import assert from 'node:assert/strict';
import { createHash, randomFillSync } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import test, { after, before } from 'node:test';
import { io } from 'socket.io-client';
import { CLAMD, Clamd, EICAR } from './lib/clamd.mjs';
import { PATIENCE, SANITIZED, startServer, tempDir, within } from './lib/server.mjs';

const WAIT_MS = 10_000 * PATIENCE;
const MIB = 1 << 20;
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);
const dataDir = tempDir();
let clamd;
let server;
let ann;
let bob;
let eve;
let room;

class Person {
  constructor(name, token) {
    Object.assign(this, { name, token, heard: [], watchers: new Set() });
  }

  /** Connects, and forgets what was heard before. */
  async connect() {
    this.heard = [];
    this.socket = io(server.url, {
      auth: { token: this.token },
      transports: ['websocket'],
      forceNew: true,
      reconnection: false,
    });
    this.socket.onAny((name, envelope) => {
      this.heard.push({ name, data: envelope?.data ?? envelope });
      for (const w of this.watchers) w();
    });
    await within(WAIT_MS, `${this.name} connects`, new Promise((resolve, reject) => {
      this.socket.on('connect', resolve);
      this.socket.on('connect_error', reject);
    }));
  }

  ask(event, data) {
    return this.socket.timeout(WAIT_MS).emitWithAck(event, { event, data, version: '1.0' });
  }

  /** The first event that was heard and fits. */
  async event(name, fits = () => true) {
    const find = () => this.heard.find((e) => e.name === name && fits(e.data))?.data;
    let w;
    const heard = new Promise((resolve) => {
      w = () => find() && resolve(find());
      this.watchers.add(w);
      w();
    });
    return within(WAIT_MS, `${name} for ${this.name}; heard ${this.heard.map((e) => e.name)}`, heard)
      .finally(() => this.watchers.delete(w));
  }

  has(name, fits) {
    return this.heard.some((e) => e.name === name && fits(e.data));
  }

  req(method, target, options = {}) {
    return server.request(method, target, { token: this.token, ...options });
  }

  async announce(name, mime, bytes, more = {}) {
    const { status, json } = await this.req('POST', `/api/v1/chat/rooms/${room}/files`, {
      body: { name, mime, size: bytes.length, ...more },
    });
    assert.equal(status, 201, JSON.stringify(json));
    return json.data;
  }

  put(file, bytes, headers = {}) {
    return this.req('PUT', file.uploadUrl, { body: bytes, headers });
  }
}

async function start() {
  server = await startServer({
    dataDir,
    flags: [
      ...(CLAMD ? ['--chat-scanner', clamd.setting] : []),
      '--chat-scan-retry-ms', '50', '--loops', '2',
    ],
  });
}

before(async () => {
  if (CLAMD) {
    clamd = new Clamd();
    await clamd.start();
  }
  await start();
  const person = async (name) =>
    new Person(name, await server.cli('token', '--sub', name, '--role', 'employee', '--ttl', '1h'));
  [ann, bob, eve] = [await person('ann'), await person('bob'), await person('eve')];
  for (const p of [ann, bob, eve]) await p.connect();
  const made = await ann.ask('chat:room:create', { name: 'files', type: 'public', members: [] });
  assert.ok(made.ok, JSON.stringify(made));
  room = made.room.id;
  assert.ok((await bob.ask('chat:room:join', { roomId: room })).ok);
  await bob.event('chat:room:joined', (d) => d.roomId === room);
});
after(async () => {
  for (const p of [ann, bob, eve]) p?.socket?.close();
  await server?.stop();
  if (CLAMD) await clamd?.stop();
});

/** Bytes that look like nothing: what is random altogether may look like a program. */
function noise(size) {
  const bytes = Buffer.alloc(size);
  randomFillSync(bytes, 4096);
  return bytes;
}

const rss = () =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.process.pid}/status`, 'utf8'))[1]) * 1024;
const quarantine = () => readdirSync(path.join(dataDir, 'uploads/quarantine'));

test('a_file_is_seen_by_others_when_it_was_scanned', async () => {
  const file = await ann.announce('cat.png', 'image/png', PNG, {
    sha256: createHash('sha256').update(PNG).digest('hex'),
  });
  assert.equal(file.state, 'announced');
  const before = (await bob.req('GET', `/api/v1/chat/rooms/${room}/files`)).json.data;
  assert.ok(!before.some((f) => f.fileId === file.fileId), 'not seen by others');
  const mine = (await ann.req('GET', `/api/v1/chat/rooms/${room}/files`)).json.data;
  assert.ok(mine.some((f) => f.fileId === file.fileId), 'seen by who sends it');
  assert.equal((await bob.req('GET', `/api/v1/chat/files/${file.fileId}`)).status, 403);
  assert.equal((await bob.put(file, PNG)).status, 403, 'uploaded by nobody else');

  const put = await ann.put(file, PNG);
  assert.equal(put.status, 200, put.text);
  assert.equal(put.json.data.received, PNG.length);
  await ann.event('chat:message:status', (d) => d.fileId === file.fileId && d.deliveryStatus === 'batch-delay');
  const told = await bob.event('chat:file:uploaded', (d) => d.fileId === file.fileId);
  const message = await bob.event('chat:message:received', (d) => d.id === told.messageId);
  assert.equal(message.type, 'image');
  assert.equal(message.content.fileId, file.fileId);
  assert.ok(message.seq > 0);

  const got = await fetch(server.url + told.url, { headers: { authorization: `Bearer ${bob.token}` } });
  assert.equal(got.status, 200);
  assert.deepEqual(Buffer.from(await got.arrayBuffer()), PNG);
  assert.equal(got.headers.get('content-type'), 'image/png');
  assert.match(got.headers.get('content-disposition'), /^inline; filename="cat.png"/);
  assert.equal(got.headers.get('x-content-type-options'), 'nosniff');
  assert.match(got.headers.get('content-security-policy'), /sandbox/);
  const part = await bob.req('GET', told.url, { headers: { range: 'bytes=1-3' } });
  assert.deepEqual([part.status, part.text, part.headers.get('content-range')],
    [206, 'PNG', `bytes 1-3/${PNG.length}`]);
  assert.equal((await bob.req('GET', told.url, { headers: { range: 'bytes=999-' } })).status, 416);
  const head = await bob.req('HEAD', told.url);
  assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(PNG.length)]);
  assert.equal((await ann.put(file, PNG)).status, 409, 'once');
});

test('a_non_member_gets_the_same_as_for_no_file', async () => {
  const { data } = (await ann.req('GET', `/api/v1/chat/rooms/${room}/files`)).json;
  const none = '01890a5d-ac96-774b-bcce-b302099a8057';
  for (const [method, tail] of [['GET', ''], ['GET', '/content'], ['HEAD', '/content'], ['DELETE', '']]) {
    const there = await eve.req(method, `/api/v1/chat/files/${data[0].fileId}${tail}`);
    const missing = await eve.req(method, `/api/v1/chat/files/${none}${tail}`);
    const bare = ({ status, json }) => ({ status, code: json?.code, detail: json?.detail });
    assert.deepEqual(bare(there), bare(missing));
    assert.equal(there.status, 403);
  }
  const post = (id) => eve.req('POST', `/api/v1/chat/rooms/${id}/files`, { body: { name: 'a', mime: 'a/b', size: 1 } });
  assert.deepEqual([(await post(room)).json.code, (await post(none)).json.code],
    ['ROOM_ACCESS_DENIED', 'ROOM_ACCESS_DENIED']);
});

test('an_upload_goes_on_where_it_broke_off', async () => {
  const bytes = noise(3 * MIB);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const file = await ann.announce('noise.bin', 'application/octet-stream', bytes, { sha256 });
  const offset = async () =>
    Number((await ann.req('HEAD', file.uploadUrl)).headers.get('upload-offset'));
  assert.equal(await offset(), 0);
  await new Promise((resolve) => {
    const half = http.request(server.url + file.uploadUrl, {
      method: 'PUT',
      headers: { authorization: `Bearer ${ann.token}`, 'content-length': bytes.length },
    });
    half.on('error', resolve);
    half.write(bytes.subarray(0, MIB), () => setTimeout(() => half.destroy(), 50));
  });
  let at = 0;
  await within(WAIT_MS, 'what came is kept', (async () => {
    while ((at = await offset()) === 0) await new Promise((r) => setTimeout(r, 20));
  })());
  assert.ok(at <= MIB);
  const from = (n) => ({ 'content-range': `bytes ${n}-${bytes.length - 1}/${bytes.length}` });
  const wrong = await ann.put(file, bytes.subarray(at + 1), from(at + 1));
  assert.deepEqual([wrong.status, wrong.headers.get('upload-offset')], [409, String(at)]);
  assert.equal((await ann.put(file, bytes, { 'content-range': 'bytes 5' })).status, 400);
  const rest = await ann.put(file, bytes.subarray(at), from(at));
  assert.equal(rest.status, 200, rest.text);
  const { url } = await bob.event('chat:file:uploaded', (d) => d.fileId === file.fileId);
  const got = await fetch(server.url + url, { headers: { authorization: `Bearer ${bob.token}` } });
  assert.equal(createHash('sha256').update(Buffer.from(await got.arrayBuffer())).digest('hex'), sha256);
  assert.match(got.headers.get('content-disposition'), /^attachment/);
});

test('bytes_that_are_not_those_announced_are_sent_again', async () => {
  const text = Buffer.from('hello');
  const file = await ann.announce('a.txt', 'text/plain', text, { sha256: '0'.repeat(64) });
  assert.equal((await ann.put(file, text)).status, 400);
  const head = await ann.req('HEAD', file.uploadUrl);
  assert.equal(head.headers.get('upload-offset'), '0');
  assert.equal((await ann.put(file, Buffer.from('hello, more'))).status, 413);
  assert.equal((await ann.req('DELETE', `/api/v1/chat/files/${file.fileId}`)).status, 204);
  assert.equal((await ann.req('HEAD', file.uploadUrl)).status, 403);
});

test('what_does_not_fit_its_name_or_runs_is_blocked', async () => {
  const cases = [
    ['page.png', 'image/png', '<!DOCTYPE html><html><script>alert(1)</script></html>'],
    ['run.txt', 'text/plain', '#!/bin/sh\nrm -rf /\n'],
  ];
  for (const [name, mime, text] of cases) {
    const file = await ann.announce(name, mime, Buffer.from(text));
    assert.equal((await ann.put(file, Buffer.from(text))).status, 200);
    const error = await ann.event('chat:error', (d) => d.details?.fileId === file.fileId);
    assert.equal(error.code, 'CLIENT_ERROR');
    assert.equal(error.recoverable, false);
    assert.equal((await ann.req('GET', `/api/v1/chat/files/${file.fileId}`)).json.data.state, 'blocked');
    assert.equal((await ann.req('GET', file.uploadUrl)).status, 404);
    assert.ok(!bob.has('chat:file:uploaded', (d) => d.fileId === file.fileId));
  }
  for (const bad of [{ name: 'a.exe' }, { name: '../a' }, { size: 0 }, { size: 26214401 }, { mime: 'x' }]) {
    const { status } = await ann.req('POST', `/api/v1/chat/rooms/${room}/files`, {
      body: { name: 'a.bin', mime: 'application/octet-stream', size: 5, ...bad },
    });
    assert.equal(status, 400, JSON.stringify(bad));
  }
});

test('a_page_is_never_served_as_one', async () => {
  for (const [name, mime, text] of [
    ['p.html', 'text/html', '<!DOCTYPE html><html><body>x</body></html>'],
    ['d.svg', 'image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg"></svg>'],
  ]) {
    const file = await ann.announce(name, mime, Buffer.from(text));
    await ann.put(file, Buffer.from(text));
    const { url } = await bob.event('chat:file:uploaded', (d) => d.fileId === file.fileId);
    const got = await bob.req('GET', url);
    assert.equal(got.headers.get('content-type'), 'application/octet-stream');
    assert.match(got.headers.get('content-disposition'), /^attachment/);
  }
});

test('a_small_file_comes_with_the_event_and_a_repeat_is_one', async () => {
  const text = Buffer.from('binary, with the event');
  const file = { roomId: room, name: 'e.txt', size: text.length, mime: 'text/plain' };
  for (const bytes of [text, text.toString('base64')]) {
    const ack = await ann.ask('chat:file:upload', { ...file, bytes });
    assert.ok(ack.ok, JSON.stringify(ack));
    assert.match(ack.uploadUrl, /^\/api\/v1\/chat\/files\//);
    const { url } = await bob.event('chat:file:uploaded', (d) => d.fileId === ack.fileId);
    assert.equal((await bob.req('GET', url)).text, text.toString());
  }
  const wrong = await ann.ask('chat:file:upload', { ...file, size: 3, bytes: text });
  assert.deepEqual([wrong.ok, wrong.error.code], [false, 'CLIENT_ERROR']);
  const stranger = await eve.ask('chat:file:upload', file);
  assert.equal(stranger.error.code, 'ROOM_ACCESS_DENIED');
  const key = { headers: { 'idempotency-key': 'once' }, body: { name: 'k.txt', mime: 'text/plain', size: 1 } };
  const [a, b] = [await ann.req('POST', `/api/v1/chat/rooms/${room}/files`, key),
    await ann.req('POST', `/api/v1/chat/rooms/${room}/files`, key)];
  assert.equal(a.json.data.fileId, b.json.data.fileId);
  assert.equal((await ann.req('DELETE', `/api/v1/chat/files/${a.json.data.fileId}`)).status, 204);
});

test('25_MiB_go_through_without_growing_the_server', { skip: SANITIZED }, async () => {
  const bytes = noise(25 * MIB);
  const file = await ann.announce('big.bin', 'application/octet-stream', bytes);
  const begin = rss();
  let most = begin;
  const look = setInterval(() => (most = Math.max(most, rss())), 5);
  assert.equal((await ann.put(file, bytes)).status, 200);
  const { url } = await bob.event('chat:file:uploaded', (d) => d.fileId === file.fileId);
  const got = await fetch(server.url + url, { headers: { authorization: `Bearer ${bob.token}` } });
  assert.ok(Buffer.from(await got.arrayBuffer()).equals(bytes));
  clearInterval(look);
  assert.ok(most - begin < 10 * MIB, `grew by ${most - begin} bytes`);
});

test('what_the_scanner_finds_is_blocked', { skip: !CLAMD }, async () => {
  const file = await ann.announce('e.txt', 'text/plain', Buffer.from(EICAR));
  assert.equal((await ann.put(file, Buffer.from(EICAR))).status, 200);
  const error = await ann.event('chat:error', (d) => d.details?.fileId === file.fileId);
  assert.match(error.message, /Eicar-Test-Signature/);
  const found = (await ann.req('GET', `/api/v1/chat/files/${file.fileId}`)).json.data;
  assert.equal(found.state, 'blocked');
  await within(WAIT_MS, 'its bytes go', (async () => {
    while (quarantine().includes(file.fileId)) await new Promise((r) => setTimeout(r, 20));
  })());
  assert.ok(!bob.has('chat:file:uploaded', (d) => d.fileId === file.fileId));
});

test('without_a_scanner_files_are_held_over_a_crash_until_it_is_back', { skip: !CLAMD }, async () => {
  await clamd.stop();
  const text = Buffer.from('held');
  const file = await ann.announce('held.txt', 'text/plain', text);
  assert.equal((await ann.put(file, text)).status, 200);
  const note = await ann.event('chat:system:notification', (d) => d.fileId === file.fileId);
  assert.deepEqual([note.level, note.code], ['warning', 'FILE_HELD']);
  const health = async () => (await server.get('/health')).json.components.scanner;
  assert.equal((await health()).status, 'degraded');
  assert.equal((await ann.req('GET', `/api/v1/chat/files/${file.fileId}`)).json.data.state, 'quarantined');
  const part = await ann.announce('part.txt', 'text/plain', Buffer.from('01234567'));
  const some = await ann.put(part, Buffer.from('0123'));
  assert.deepEqual([some.status, some.headers.get('upload-offset')], [200, '4']);

  await server.crash();
  await start();
  for (const p of [ann, bob]) await p.connect();
  assert.equal((await ann.req('GET', `/api/v1/chat/files/${file.fileId}`)).json.data.state, 'quarantined');
  assert.equal((await ann.req('HEAD', part.uploadUrl)).headers.get('upload-offset'), '4');
  const rest = await ann.put(part, Buffer.from('4567'), { 'content-range': 'bytes 4-7/8' });
  assert.equal(rest.status, 200, rest.text);
  assert.ok(!bob.has('chat:file:uploaded', () => true), 'nothing passes without a scanner');
  await clamd.start();
  for (const [f, want] of [[file, 'held'], [part, '01234567']]) {
    const { url } = await bob.event('chat:file:uploaded', (d) => d.fileId === f.fileId);
    assert.equal((await bob.req('GET', url)).text, want);
  }
  await within(WAIT_MS, 'health', (async () => {
    while ((await health()).status !== 'healthy') await new Promise((r) => setTimeout(r, 20));
  })());
});

test('a_crash_in_the_middle_of_an_upload_keeps_what_was_synced', async () => {
  const bytes = noise(12 * MIB);
  const file = await ann.announce('crash.bin', 'application/octet-stream', bytes, {
    sha256: createHash('sha256').update(bytes).digest('hex'),
  });
  const put = http.request(server.url + file.uploadUrl, {
    method: 'PUT',
    headers: { authorization: `Bearer ${ann.token}`, 'content-length': bytes.length },
  });
  put.on('error', () => {});
  put.write(bytes.subarray(0, 9 * MIB));
  const offset = async () =>
    Number((await ann.req('HEAD', file.uploadUrl)).headers.get('upload-offset'));
  await within(WAIT_MS, 'two syncs', (async () => {
    while ((await offset()) < 8 * MIB) await new Promise((r) => setTimeout(r, 20));
  })());
  await server.crash();
  put.destroy();
  await start();
  for (const p of [ann, bob]) await p.connect();
  const at = await offset();
  assert.ok(at >= 8 * MIB && at <= 9 * MIB, `${at}`);
  const rest = await ann.put(file, bytes.subarray(at), {
    'content-range': `bytes ${at}-${bytes.length - 1}/${bytes.length}`,
  });
  assert.equal(rest.status, 200, rest.text);
  await bob.event('chat:file:uploaded', (d) => d.fileId === file.fileId);
});

test('who_sent_it_deletes_it_and_nobody_else', async () => {
  const { data } = (await bob.req('GET', `/api/v1/chat/rooms/${room}/files`)).json;
  const { fileId, url } = data.find((f) => f.state === 'available');
  assert.equal((await bob.req('DELETE', `/api/v1/chat/files/${fileId}`)).status, 403);
  assert.equal((await ann.req('DELETE', `/api/v1/chat/files/${fileId}`)).status, 204);
  assert.equal((await bob.req('GET', url)).status, 403);
  const shelf = path.join(dataDir, 'uploads', fileId.slice(-2));
  await within(WAIT_MS, 'its bytes go', (async () => {
    while (readdirSync(shelf).includes(fileId)) await new Promise((r) => setTimeout(r, 20));
  })());
});
