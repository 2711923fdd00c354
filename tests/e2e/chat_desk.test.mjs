// The desk (CONTRACT 5, chat document "Room management", "Monitoring & Observability"): escalations
// with tiers and timers, supervisors who watch, assign and intervene, and the alerts as they hear them.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { until } from './lib/clients.mjs';
import { chatter } from './lib/chat.mjs';
import { SANITIZED, startServer } from './lib/server.mjs';

const DESK = '/api/v1/chat/escalations';
const NOBODYS = '0190a5c4-0000-7000-8000-000000000001';
let server;
const tokens = {};
const open = new Set();
const noise = () => randomBytes(5500).toString('base64'); // nothing to compress

const token = (name, role = 'employee', of = server) => (tokens[name] ??= of.cli(
  'token', '--sub', name, ...(role === '' ? [] : ['--role', role]), '--ttl', '1h'));

async function talk(name, role) {
  const t = await chatter(server, await token(name, role));
  open.add(t);
  return t;
}

before(async () => {
  server = await startServer({ flags: ['--loops', '2', '--chat-sweep-ms', '50',
    '--chat-joins-per-min', '100000'] });
});
after(async () => {
  for (const t of open) t.close();
  await server.stop();
});

const post = (what, id, who, body, headers = {}) =>
  server.post(`${DESK}/${id}/${what}`, body, { token: who.token, headers });

async function ok(answer) {
  const got = await answer;
  assert.ok(got.status < 300, `${got.status} ${got.text}`);
  return got.json.data;
}

test('an_escalation_is_created_once_and_everybody_at_the_desk_hears_of_it', async () => {
  const [ann, ben, sue] = [await talk('ann'), await talk('ben'), await talk('sue', 'supervisor')];
  const { id: roomId } = await ann.makes({ type: 'support' });
  const ack = await ann.good('chat:escalation:create', { roomId, reason: 'no paper' }, 'e-1');
  assert.equal(ack.requestId, 'e-1');
  assert.equal(ack.created, true);
  const { escalation } = ack;
  assert.deepEqual(Object.keys(escalation), ['id', 'roomId', 'reason', 'level', 'status', 'createdBy',
    'dueAt', 'createdAt', 'version']);
  assert.equal(escalation.level, 'T1');
  assert.equal(Date.parse(escalation.dueAt) - Date.parse(escalation.createdAt), 30 * 60_000);
  const mine = await ann.first('chat:escalation:created', (d) => d.id === escalation.id);
  assert.equal(mine.requestId, 'e-1');
  for (const other of [ben, sue]) {
    const said = await other.first('chat:escalation:created', (d) => d.id === escalation.id);
    assert.equal(said.requestId, undefined);
    assert.equal(said.data.reason, 'no paper');
  }
  const again = await ann.good('chat:escalation:create', { roomId, reason: 'still none' });
  assert.equal(again.created, false);
  assert.deepEqual(again.escalation, escalation);
  const raised = await sue.good('chat:escalation:create', { roomId, reason: 'x', targetLevel: 'T3' });
  assert.equal(raised.escalation.level, 'T3');
  assert.equal(raised.escalation.id, escalation.id);
  await ben.first('chat:escalation:updated', (d) => d.id === escalation.id && d.level === 'T3');
  await ben.refused('chat:escalation:create', { roomId, reason: 'x' }, 'ROOM_ACCESS_DENIED');
  await sue.refused('chat:escalation:create', { roomId: NOBODYS, reason: 'x' }, 'ROOM_ACCESS_DENIED');
  await ann.refused('chat:escalation:create', { roomId, reason: '' }, 'CLIENT_ERROR');
  await ann.refused('chat:escalation:create', { roomId, reason: 'x', targetLevel: 'T9' }, 'CLIENT_ERROR');
});

test('it_is_taken_released_assigned_and_concluded_each_once_and_audited', async () => {
  const [ann, ben, cid] = [await talk('ann'), await talk('ben'), await talk('cid')];
  const sue = await talk('sue', 'supervisor');
  const room = await ann.makes({ type: 'support' });
  const made = await server.post(DESK, { roomId: room.id, reason: 'help' }, { token: ann.token });
  assert.equal(made.status, 201);
  const { id } = made.json.data;
  assert.equal(made.headers.get('location'), `${DESK}/${id}`);
  const stale = await post('take', id, ben, undefined, { 'if-match': '"v9"' });
  assert.equal(stale.status, 412);
  const etag = made.headers.get('etag');
  const taken = await post('take', id, ben, undefined, { 'if-match': etag });
  assert.equal(taken.status, 200, taken.text);
  assert.equal(taken.json.data.status, 'taken');
  assert.notEqual(taken.headers.get('etag'), etag);
  await ben.first('chat:room:joined', (d) => d.roomId === room.id); // without asking
  await ann.first('chat:room:joined', (d) => d.roomId === room.id && d.userId === taken.json.data.assignedTo);
  await ben.send(room.id, 'how can I help?');
  await ann.first('chat:message:received', (d) => d.content === 'how can I help?');
  assert.equal((await post('take', id, cid)).status, 409);
  assert.equal((await post('release', id, cid)).status, 403);
  assert.equal((await post('conclude', id, ann, { outcome: 'resolved' })).status, 403);
  assert.equal((await ok(post('release', id, ben))).status, 'waiting');
  assert.equal((await post('assign', id, ben, { userId: NOBODYS })).status, 403);
  assert.equal((await post('assign', id, sue, { userId: NOBODYS })).status, 400);
  const me = (await server.get('/api/v1/auth/me', { token: cid.token })).json.data.id;
  assert.equal((await ok(post('assign', id, sue, { userId: me }))).assignedTo, me);
  await cid.first('chat:room:joined', (d) => d.roomId === room.id);
  assert.equal((await post('conclude', id, cid, { outcome: 'gone' })).status, 400);
  const over = await ok(post('conclude', id, cid, { outcome: 'guest-disengaged' }));
  assert.equal(over.outcome, 'guest-disengaged');
  assert.equal(over.dueAt, null);
  assert.equal((await post('take', id, ben)).status, 409);
  assert.equal((await server.get(`${DESK}/${NOBODYS}`, { token: ben.token })).status, 404);
  const admin = await server.cli('token', '--sub', 'root', '--role', 'admin', '--ttl', '1h');
  const audit = (await server.get(`/api/v1/audit?target=${id}`, { token: admin })).json.data;
  assert.deepEqual(audit.map((a) => a.action).reverse(), ['create', 'take', 'release', 'assign', 'conclude']
    .map((a) => `chat.escalation.${a}`));
});

test('of_many_who_take_it_at_once_one_has_it', async () => {
  const ann = await talk('ann');
  const { id: roomId } = await ann.makes({ type: 'support' });
  const { escalation } = await ann.good('chat:escalation:create', { roomId, reason: 'help' });
  const names = ['ben', 'cid', 'dan', 'eve'];
  const takers = await Promise.all(names.map((n) => token(n)));
  const got = await Promise.all(takers.map((t) => post('take', escalation.id, { token: t })));
  assert.deepEqual(got.map((g) => g.status).sort(), [200, 409, 409, 409]);
});

test('the_queue_is_read_by_pages_and_filters_by_those_of_the_desk_only', async () => {
  const ann = await talk('ann');
  const { id: roomId } = await ann.makes({ type: 'support' });
  await ann.good('chat:escalation:create', { roomId, reason: 'help', targetLevel: 'manager' });
  const all = (await server.get(`${DESK}?limit=200`, { token: ann.token })).json.data;
  const found = [];
  let next;
  do {
    const page = (await server.get(`${DESK}?limit=1${next ? `&cursor=${next}` : ''}`, { token: ann.token })).json;
    found.push(...page.data);
    next = page.next_cursor;
  } while (next);
  assert.deepEqual(found, all);
  const high = (await server.get(`${DESK}?status=waiting&level=manager`, { token: ann.token })).json.data;
  assert.deepEqual(high.map((e) => e.roomId), [roomId]);
  assert.equal(high[0].dueAt, null);
  for (const bad of ['status=x', 'level=T7', 'cursor=x', 'limit=0', 'assigned_to=me']) {
    assert.equal((await server.get(`${DESK}?${bad}`, { token: ann.token })).status, 400, bad);
  }
  assert.equal((await server.get(DESK)).status, 401);
  assert.equal((await server.get(DESK, { token: await token('vic', 'viewer') })).status, 403);
});

test('supervisors_watch_without_being_seen_and_intervene_by_speaking', async () => {
  const [ann, ben, sue] = [await talk('ann'), await talk('ben'), await talk('sue', 'supervisor')];
  const ids = {};
  for (const [name, who] of Object.entries({ ann, ben, sue })) {
    ids[name] = (await server.get('/api/v1/auth/me', { token: who.token })).json.data.id;
  }
  const room = await ann.makes({ type: 'group', members: [ids.ben] });
  await ben.first('chat:room:joined', (d) => d.roomId === room.id);
  await ben.refused('chat:room:join', { roomId: NOBODYS }, 'ROOM_ACCESS_DENIED');
  const before = [ann.talker.heard.length, ben.talker.heard.length];
  const ack = await sue.good('chat:room:join', { roomId: room.id });
  assert.equal(ack.watching, true);
  await ann.send(room.id, 'between us');
  await sue.first('chat:message:received', (d) => d.content === 'between us');
  await ben.first('chat:message:received', (d) => d.content === 'between us');
  const seen = (await server.get(`/api/v1/chat/rooms/${room.id}`, { token: ann.token }));
  if (seen.status === 200) {
    assert.equal(seen.json.data.memberCount, 2);
    assert.ok(!JSON.stringify(seen.json.data).includes(ids.sue));
  }
  const again = await ann.good('chat:room:join', { roomId: room.id });
  assert.ok(!JSON.stringify(again).includes(ids.sue));
  for (const [i, t] of [ann, ben].entries()) { // nothing that they heard names her
    assert.ok(!JSON.stringify(t.talker.heard.slice(before[i])).includes(ids.sue));
  }
  await sue.send(room.id, 'may I?');
  await ann.first('chat:room:joined', (d) => d.roomId === room.id && d.userId === ids.sue);
  const said = await ben.first('chat:message:received', (d) => d.content === 'may I?');
  assert.equal(said.data.senderId, ids.sue);
  const admin = await server.cli('token', '--sub', 'root', '--role', 'admin', '--ttl', '1h');
  const audit = (await server.get(`/api/v1/audit?target=${room.id}&actor=${ids.sue}`, { token: admin })).json.data;
  assert.ok(audit.some((a) => a.action === 'chat.room.watch'), JSON.stringify(audit));
});

test('timers_go_on_over_a_crash', async (t) => {
  const flags = ['--loops', '2', '--chat-sweep-ms', '20', '--chat-escalation-t1-ms', '300',
    '--chat-escalation-t2-ms', '300', '--chat-escalation-t3-ms', '600000'];
  const first = await startServer({ flags });
  t.after(() => first.process.kill('SIGKILL'));
  const names = { ann: 'employee', sue: 'supervisor' };
  const held = {};
  for (const [name, role] of Object.entries(names)) {
    held[name] = await first.cli('token', '--sub', name, '--role', role, '--ttl', '1h');
  }
  const ann = await chatter(first, held.ann);
  const { id: roomId } = await ann.makes({ type: 'support' });
  const { escalation } = await ann.good('chat:escalation:create', { roomId, reason: 'help' });
  await first.crash();
  ann.close();
  const second = await startServer({ flags, dataDir: first.dataDir });
  t.after(() => second.process.kill('SIGKILL'));
  const sue = await chatter(second, held.sue);
  const level = async () => (await second.get(`${DESK}/${escalation.id}`, { token: held.ann })).json.data.level;
  await until('T3', async () => await level() === 'T3');
  const history = (await second.get(`/api/v1/events?since=0`, { token: held.sue })).status;
  assert.ok(history !== 500);
  sue.close();
  await second.stop();
});

/** Samples of /metrics by their whole name with labels. */
async function scrape(of) {
  const { text } = await of.get('/metrics');
  return new Map(text.split('\n').filter((l) => l !== '' && !l.startsWith('#')).map((line) => {
    const at = line.lastIndexOf(' ');
    return [line.slice('signalbox_'.length, at), Number(line.slice(at + 1))];
  }));
}

// The document's "Metrics" and "Alerts", live for chat.
test('five_metrics_and_four_alerts_are_live_and_supervisors_hear_of_them', { timeout: 120_000, skip: SANITIZED }, async (t) => {
  const MAX = 30;
  const watched = await startServer({ flags: ['--loops', '2', '--connections-max', `${MAX}`,
    '--chat-messages-per-s', '100000', '--chat-messages-burst', '100000', '--outbox-bytes-max', '4000000'] });
  t.after(() => watched.process.kill('SIGKILL'));
  const of = async (name, role = 'employee') => chatter(watched,
    await watched.cli('token', '--sub', name, '--role', role, '--ttl', '1h'));
  const [ann, boss] = [await of('ann'), await of('boss', 'supervisor')];
  const hears = (code, level) => boss.first('chat:system:notification',
    (d) => d.code === code && d.level === level && d.message !== '');
  const begins = async (code, alert) => {
    await hears(code, 'warning');
    assert.equal((await scrape(watched)).get(`alert{name="${alert}"}`), 1);
  };
  const room = await ann.makes({ type: 'group' });
  // Connection limit approaching, and not any more.
  const ann2 = [];
  while (ann2.length < MAX * 0.8) ann2.push(await chatter(watched, ann.token));
  await begins('alert_connections', 'connections');
  for (const s of ann2) s.close();
  await hears('alert_connections', 'info');
  // Authentication failures spike.
  for (let n = 0; n < 25; n++) {
    assert.equal((await watched.get('/api/v1/auth/me', { token: 'x.y.z' })).status, 401);
  }
  await begins('alert_auth_failures', 'auth_failures');
  // High error rates.
  for (let n = 0; n < 100; n++) {
    await ann.refused('chat:message:send', { roomId: NOBODYS, type: 'chat', content: 'x' }, 'ROOM_ACCESS_DENIED');
  }
  await begins('alert_errors', 'errors');
  // Performance degradation: a member's socket takes nothing for a while.
  const slow = await chatter(watched, ann.token);
  await slow.first('chat:room:joined');
  for (let n = 0; n < 100; n++) await ann.send(room.id, `${n}`);
  slow.talker.engine.transport.ws.pause();
  for (let n = 0; (await scrape(watched)).get('outbox_bytes') < 300_000; n++) {
    assert.ok(n < 100, 'the reader never blocks');
    await Promise.all(Array.from({ length: 20 }, () => ann.send(room.id, noise())));
  }
  await new Promise((resolve) => setTimeout(resolve, 300)); // what is late by then is late
  slow.talker.engine.transport.ws.resume();
  await begins('alert_delivery', 'delivery');
  const m = await scrape(watched);
  const live = [...m.keys()];
  assert.ok(m.get('connections{wire="socketio",client_type="client"}') >= 3); // active connections
  assert.ok(m.get('messages_total{wire="socketio",direction="in",event="chat:message:send"}') >= 100);
  assert.ok(m.get('messages_total{wire="socketio",direction="out",event="chat:message:received"}') >= 100);
  assert.ok(m.get('chat_room_messages_total{room_type="group"}') >= 100); // message throughput
  assert.ok(live.some((k) => k.startsWith('connection_duration_seconds')), 'durations');
  assert.ok(live.some((k) => k.startsWith('errors_total{wire="socketio"')), 'errors by category');
  await until('participation', async () => { // counted every 10 s
    const now = await scrape(watched);
    return now.get('chat_rooms') >= 1 && now.get('chat_room_members') >= 1;
  });
  for (const s of [slow, ann, boss]) s.close();
  await watched.stop();
});

test('who_lost_the_right_to_chat_hears_nothing_more', async () => {
  const [amy, zed] = [await talk('amy'), await talk('zed')];
  const { id: roomId } = await amy.makes({ type: 'public' });
  await zed.good('chat:room:join', { roomId });
  const { messageId: seen } = await amy.send(roomId, 'before');
  await zed.first('chat:message:received', (m) => m.id === seen);
  await server.cli('user', 'revoke', '--name', 'zed', '--role', 'employee');
  const told = await zed.first('chat:error');
  assert.equal(told.data.code, 'PERMISSION_DENIED');
  const { messageId } = await amy.send(roomId, 'after');
  await amy.first('chat:message:received', (m) => m.id === messageId);
  await zed.refused('chat:message:send', { roomId, type: 'chat', content: 'still here?' }, 'PERMISSION_DENIED');
  assert.ok(!zed.heard('chat:message:received').some((m) => m.id === messageId));
  await server.cli('user', 'grant', '--name', 'zed', '--role', 'employee'); // and back again
  const joined = await zed.first('chat:room:joined', (d) => d.roomId === roomId && d.lastSeq === 2);
  assert.equal(joined.data.unread, 2); // it has read neither
});
