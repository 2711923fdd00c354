// What was said in chat: pages, search, changes; the document's lines "Provide offline message
// queuing", "Message queuing for offline users", "Room access permission checks" and "Message content
// validation and sanitization", by REST and the official client.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CLIENTS, connected } from './lib/clients.mjs';
import { SANITIZED, startServer, tempDir } from './lib/server.mjs';

const [CLIENT] = CLIENTS;
const NOBODYS = '0190a5c4-0000-7000-8000-000000000001';
// 10,000 as the task names them: some two seconds.
const MISSED = Number(process.env.SIGNALBOX_CHAT_MISSED ?? (SANITIZED ? 1000 : 10_000));
const FLAGS = ['--loops', '2', '--chat-messages-per-s', '100000', '--chat-messages-burst', '100000',
  '--chat-joins-per-min', '100000',
  '--connections-per-principal-max', '1000', '--handshakes-per-s', '100000',
  '--chat-presence-grace-ms', '300'];

const dataDir = tempDir();
const tokens = {};
const sockets = new Set();
let server;

const token = (name, role = 'employee') => (tokens[name] ??= server.cli(
  'token', '--sub', name, '--role', role, '--ttl', '1h'));

async function talk(name, role) {
  const t = await connected(CLIENT, server, { token: await token(name, role),
    transports: ['websocket'], reconnection: false });
  sockets.add(t);
  return t;
}

const envelope = (event, data) => ({ event, data, version: '1.0' });

async function ask(t, event, data) {
  const [ack] = await t.ask(event, envelope(event, data));
  assert.equal(ack.ok, true, `${event}: ${JSON.stringify(ack)}`);
  return ack;
}

const next = async (t, event, test = () => true, options = {}) =>
  (await t.next(event, { from: 0, test: (said) => test(said.data), ...options }))[0].data;

const say = (t, roomId, content, type = 'chat') =>
  ask(t, 'chat:message:send', { roomId, type, content });

/** A request of that person: {status, json, headers}. */
async function rest(name, method, path, { body, status = 200, headers = {}, role } = {}) {
  const answer = await server.request(method, `/api/v1/chat/${path}`, {
    token: await token(name, role), headers, ...(body === undefined ? {} : { body }) });
  assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.json)}`);
  return answer;
}

const seqs = (json) => json.data.map((m) => m.seq);
const upTo = (n, from = 1) => Array.from({ length: n - from + 1 }, (_, i) => i + from);

let ann;
let ben;
let room;

before(async () => {
  server = await startServer({ flags: FLAGS, dataDir });
  ann = await talk('ann');
  ben = await talk('ben');
  room = (await ask(ann, 'chat:room:create', { name: 'Team', type: 'public' })).room.id;
  await ask(ben, 'chat:room:join', { roomId: room });
});
after(async () => {
  for (const t of sockets) t.close();
  await server?.stop();
});

const fresh = async (type = 'public') =>
  (await ask(ann, 'chat:room:create', { name: type, type })).room.id;

describe('pages', () => {
  it('go backwards, forwards and around, oldest first, by cursor or by seq', async () => {
    const id = await fresh();
    for (let i = 1; i <= 12; i++) await say(ann, id, `number ${i}`);
    const page = async (query) => (await rest('ann', 'GET', `rooms/${id}/messages?${query}`)).json;
    const newest = await page('limit=5');
    assert.deepEqual(seqs(newest), upTo(12, 8));
    assert.equal(newest.data[0].content, 'number 8');
    const older = await page(`limit=5&cursor=${newest.next_cursor}`);
    assert.deepEqual(seqs(older), upTo(7, 3));
    assert.deepEqual(older, { ...(await page('limit=5&before=8')), timestamp: older.timestamp });
    const oldest = await page(`limit=5&cursor=${older.next_cursor}`);
    assert.deepEqual(seqs(oldest), [1, 2]);
    assert.equal(oldest.next_cursor, undefined);
    assert.deepEqual(seqs(await page('after=10')), [11, 12]);
    assert.deepEqual(seqs(await page('after=0&limit=200')), upTo(12));
    assert.deepEqual(seqs(await page('around=6&limit=5')), upTo(8, 4));
    assert.deepEqual(seqs(await page('after=9007199254740991')), []);
  });

  it('refuse what is malformed', async () => {
    for (const query of ['before=x', 'after=-1', 'around=1.5', 'before=1&after=2', 'cursor=c1',
      'cursor=a', 'limit=0', 'after=99999999999999999999']) {
      const { json } = await rest('ann', 'GET', `rooms/${room}/messages?${query}`, { status: 400 });
      assert.equal(json.code, 'INVALID_REQUEST');
    }
  });

  it('of a room that is not there and of one that is not yours are refused alike', async () => {
    const id = await fresh('group');
    const { messageId } = await say(ann, id, 'private');
    const refusals = [];
    for (const path of [`rooms/${id}/messages`, `rooms/${NOBODYS}/messages`,
      `messages/${messageId}`, `messages/${NOBODYS}`, `messages/${messageId}/revisions`,
      `search?q=private&room_id=${id}`, `search?q=private&room_id=${NOBODYS}`]) {
      const { json } = await rest('ben', 'GET', path, { status: 403 });
      refusals.push(`${json.code} ${json.error}`);
    }
    assert.equal(new Set(refusals).size, 1, refusals);
    assert.equal((await rest('ben', 'GET', 'search?q=private')).json.data.length, 0);
    for (const [method, body] of [['PATCH', { content: 'x' }], ['DELETE']]) {
      await rest('ben', method, `messages/${messageId}`, { body, status: 403 });
    }
    await rest('ben', 'PUT', `messages/${messageId}/reactions/x`, { status: 403 });
    await rest('viewer', 'GET', `rooms/${id}/messages`, { status: 403, role: 'viewer' });
  });

  it('are read by supervisors without being seen, and that is audited', async () => {
    const id = await fresh('group');
    const { messageId } = await say(ann, id, 'watched');
    const { json } = await rest('sue', 'GET', `rooms/${id}/messages`, { role: 'supervisor' });
    assert.deepEqual(json.data.map((m) => m.id), [messageId]);
    const admin = await token('root', 'admin');
    let rows = [];
    for (let i = 0; i < 50 && rows.length === 0; i++) {
      const audit = await server.get(`/api/v1/audit?action=chat.read&target=${id}`, { token: admin });
      rows = audit.json.data;
    }
    assert.equal(rows.length, 1);
    assert.deepEqual(ann.of('chat:room:joined').filter(([s]) => s.data.roomId === id).length, 1);
  });
});

describe('changes', () => {
  it('of who said it reach everybody, and what it said is kept', async () => {
    const { messageId } = await say(ann, room, 'frist');
    const first = await rest('ann', 'GET', `messages/${messageId}`);
    const etag = first.headers.get('etag');
    const edited = await rest('ann', 'PATCH', `messages/${messageId}`,
      { body: { content: 'first' }, headers: { 'If-Match': etag } });
    assert.equal(edited.json.data.content, 'first');
    assert.notEqual(edited.headers.get('etag'), etag);
    for (const t of [ann, ben]) {
      const told = await next(t, 'chat:message:updated', (m) => m.id === messageId);
      assert.equal(told.content, 'first');
      assert.equal(told.editedAt, edited.json.data.editedAt);
    }
    await rest('ann', 'PATCH', `messages/${messageId}`,
      { body: { content: 'stale' }, headers: { 'If-Match': etag }, status: 412 });
    await rest('ben', 'PATCH', `messages/${messageId}`, { body: { content: 'x' }, status: 403 });
    for (const body of [{}, { content: 5 }, { content: '' }, { content: 'x'.repeat(8001) }, [],
      { content: 'a\u0001b' }]) {
      await rest('ann', 'PATCH', `messages/${messageId}`, { body, status: 400 });
    }
    const { json } = await rest('ann', 'GET', `messages/${messageId}/revisions`);
    assert.deepEqual(json.data.map((r) => r.content), ['frist']);
    await rest('ben', 'GET', `messages/${messageId}/revisions`, { status: 403 });
  });

  it('take a message away but for its place', async () => {
    const { messageId, seq } = await say(ben, room, 'regretted');
    await rest('ben', 'DELETE', `messages/${messageId}`, { status: 204 });
    const told = await next(ann, 'chat:message:updated', (m) => m.id === messageId);
    assert.equal(told.content, null);
    assert.equal(told.deleted, true);
    const { json } = await rest('ann', 'GET', `rooms/${room}/messages?around=${seq}&limit=1`);
    assert.equal(json.data[0].content, null);
    assert.equal((await rest('ann', 'GET', 'search?q=regretted')).json.data.length, 0);
    await rest('ben', 'PATCH', `messages/${messageId}`, { body: { content: 'x' }, status: 409 });
    const other = await say(ben, room, 'rude');
    await rest('ann', 'DELETE', `messages/${other.messageId}`, { status: 204 }); // the room's owner
    const third = await say(ann, room, 'mine');
    await rest('ben', 'DELETE', `messages/${third.messageId}`, { status: 403 });
  });

  it('are reactions, counted', async () => {
    const { messageId } = await say(ann, room, 'news');
    const path = `messages/${messageId}/reactions/${encodeURIComponent('👍')}`;
    await rest('ann', 'PUT', path);
    const { json } = await rest('ben', 'PUT', path);
    assert.deepEqual(json.data.reactions.map((r) => [r.emoji, r.count]), [['👍', 2]]);
    const told = await next(ann, 'chat:message:updated',
      (m) => m.id === messageId && m.reactions?.[0].count === 2);
    assert.equal(told.reactions[0].userIds.length, 2);
    await rest('ben', 'DELETE', path, { status: 204 });
    await rest('ann', 'DELETE', path, { status: 204 });
    await next(ben, 'chat:message:updated', (m) => m.id === messageId && !m.reactions);
    await rest('ann', 'PUT', `messages/${messageId}/reactions/a%20b`, { status: 400 });
  });
});

describe('search', () => {
  it('finds words, phrases and beginnings, newest first, page by page', async () => {
    const id = await fresh();
    await say(ann, id, 'The quarterly report is late');
    await say(ann, id, { title: 'Revenue', rows: ['quarterly total'] }, 'graph');
    await say(ann, id, 'Grüße aus dem Büro');
    const find = async (query) => (await rest('ann', 'GET', `search?room_id=${id}&${query}`)).json;
    const found = await find('q=quarterly');
    assert.deepEqual(found.data.map((f) => f.message.seq), [2, 1]);
    assert.equal(found.data[1].snippet, 'The \u0002quarterly\u0003 report is late');
    assert.deepEqual((await find('q="report is"')).data.map((f) => f.message.seq), [1]);
    assert.deepEqual((await find('q=buro')).data.map((f) => f.message.seq), [3]);
    assert.deepEqual((await find('q=qua*')).data.map((f) => f.message.seq), [2, 1]);
    const one = await find('q=quarterly&limit=1');
    const two = await find(`q=quarterly&limit=1&cursor=${one.next_cursor}`);
    assert.deepEqual([one, two].map((f) => f.data[0].message.seq), [2, 1]);
    assert.equal(two.next_cursor, undefined);
    assert.equal((await find(`q=late&from=${Date.now() + 3600000}`)).data.length, 0);
    assert.equal((await find(`q=late&sender_id=${NOBODYS}`)).data.length, 0);
  });

  it('takes whatever is typed', async () => {
    for (const q of ['"', 'NEAR(', 'a AND', '*', '{x}:y', "';--", 'a"b"*', '^', '\u0000', 'é*']) {
      const { status } = await server.request('GET', `/api/v1/chat/search?q=${encodeURIComponent(q)}`,
        { token: await token('ann') });
      assert.ok(status === 200 || status === 400, `${q}: ${status}`);
    }
    for (const query of ['', 'q=', 'q=%ff', 'q=a&room_id=5', 'q=a&cursor=!', 'q=a&from=never']) {
      await rest('ann', 'GET', `search?${query}`, { status: 400 });
    }
  });
});

describe('offline members', () => {
  it(`who missed ${MISSED} messages has them in pages, none lost, none twice, over a restart`,
    async () => {
      const id = await fresh();
      await ask(ben, 'chat:room:join', { roomId: id });
      ben.close();
      for (let sent = 0; sent < MISSED; sent += 250) {
        await Promise.all(upTo(250).map((i) => say(ann, id, `missed ${sent + i}`)));
      }
      ann.close();
      await server.stop();
      server = await startServer({ flags: FLAGS, dataDir });
      ann = await talk('ann');
      ben = await talk('ben');
      const joined = await next(ben, 'chat:room:joined', (d) => d.roomId === id);
      assert.equal(joined.lastSeq, MISSED);
      assert.equal(joined.unread, MISSED);
      const missed = [];
      const live = [];
      for (let from = 0; from < joined.lastSeq;) {
        if (live.length < 20) live.push(say(ann, id, 'meanwhile'));
        const { json } = await rest('ben', 'GET', `rooms/${id}/messages?after=${from}&limit=200`);
        missed.push(...seqs(json));
        from = missed.at(-1);
      }
      const last = Math.max(...(await Promise.all(live)).map((a) => a.seq));
      await next(ben, 'chat:message:received', (m) => m.roomId === id && m.seq === last);
      const heard = ben.of('chat:message:received').map(([s]) => s.data)
        .filter((m) => m.roomId === id).map((m) => m.seq);
      assert.deepEqual(heard, upTo(last, MISSED + 1), 'live from lastSeq on');
      assert.deepEqual(missed, upTo(missed.length), 'no hole, no double');
    });
});
