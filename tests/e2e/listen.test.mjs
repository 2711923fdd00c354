// Ordered events, one thing at a time: who hears what, where it goes on after a break, and what is
// said when something is gone.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import test, { after, before } from 'node:test';
import { connect, refusal, viewer } from './lib/monitor.mjs';
import { PATIENCE, SLOWNESS, startServer, tempDir, within } from './lib/server.mjs';
import { listen } from './lib/sse.mjs';

const SOON_MS = 10_000 * PATIENCE;
const POS = /^[0-9a-f]{16}-\d+$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;
const FLAGS = ['--handshakes-per-s', '100000', '--sse-heartbeat-ms', '200',
  '--outbox-messages-max', '16', '--outbox-bytes-max', '16384'];
const dataDir = tempDir('events');
let server;
let admin;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const token = (name, role, ttl = '1h') => (
  server.cli('token', '--sub', name, '--kind', 'user', '--role', role, '--ttl', ttl)
);
const made = async (name) => {
  const got = await server.post('/api/v1/devices', { name }, { token: admin });
  assert.equal(got.status, 201, got.text);
  return { id: got.json.data.device.id, key: got.json.data.key };
};
const rename = async (id, name, more = {}) => {
  for (;;) {
    const got = await server.request('PATCH', `/api/v1/devices/${id}`, {
      token: admin, body: { name, ...more },
    });
    if (got.status !== 429) {
      assert.equal(got.status, 200, got.text);
      return;
    }
    await pause(100);
  }
};
const named = (name) => (e) => e.data.name === name;

before(async () => {
  server = await startServer({ dataDir, flags: FLAGS });
  admin = await token('root', 'admin');
});
after(() => server.stop());

test('a_stream_and_a_channel_tell_the_same_event', async () => {
  const { id } = await made('same');
  const stream = await listen(server, '', { token: admin });
  const watching = await viewer(server, id, ['events'], { token: admin });
  await rename(id, 'other');
  const event = await stream.first(named('other'));
  const frame = await watching.first('device:updated', { test: named('other') });
  assert.equal(event.event, 'device:updated');
  assert.match(frame.pos, POS);
  assert.match(frame.id, UUID);
  assert.equal(event.id, frame.pos);
  assert.equal(event.data.pos, frame.pos);
  assert.equal(event.data.eventId, frame.id);
  const { pos, eventId, ...payload } = event.data;
  assert.deepEqual(payload, frame.data);
  assert.equal(payload.id, id);
  assert.deepEqual(Object.keys(frame).sort(), ['data', 'heard', 'id', 'pos', 'type']);
  stream.drop();
  await watching.end();
});

test('who_may_read_a_device_hears_of_it_and_nobody_else', async () => {
  const [mine, other] = [await made('mine'), await made('other')];
  const viewing = await token('vera', 'viewer');
  const employee = await token('emil', 'employee');
  const provisioning = (await server.post('/api/v1/provisioning-keys', { uses: 1 }, { token: admin }))
    .json.data.key;
  // Somebody bound to one device only: a device itself.
  const all = await listen(server, '', { token: viewing });
  const one = await listen(server, `?device_id=${mine.id}`, { token: viewing });
  const own = await listen(server, '', { token: mine.key });
  const typed = await listen(server, '?types=device:status-changed', { token: viewing });
  await rename(other.id, 'other 2');
  await rename(mine.id, 'mine 2', { status: 'maintenance' });
  await rename(other.id, 'other 3');
  await rename(mine.id, 'mine 3');
  // A stream without a position may begin up to 100 ms before it was opened.
  const names = (stream) => (
    stream.of('device:updated').map((e) => e.data.name).filter((name) => / [23]$/.test(name))
  );
  await all.first(named('mine 3'));
  await one.first(named('mine 3'));
  await own.first(named('mine 3'));
  assert.deepEqual(names(all), ['other 2', 'mine 2', 'other 3', 'mine 3']);
  assert.deepEqual(names(one), ['mine 2', 'mine 3']);
  assert.deepEqual(names(own), ['mine 2', 'mine 3']);
  for (const stream of [one, own]) {
    assert.doesNotMatch(JSON.stringify(stream.events), new RegExp(other.id));
  }
  await typed.first((e) => e.event === 'device:status-changed');
  assert.deepEqual(new Set(typed.events.map((e) => e.event)), new Set(['device:status-changed']));
  [one, own, typed].forEach((s) => s.drop());

  const refused = async (query, options, status) => {
    await assert.rejects(listen(server, query, options), { status });
  };
  await refused(`?device_id=${other.id}`, { token: mine.key }, 404);
  await refused('', { token: provisioning }, 403);
  const talking = await listen(server, '', { token: employee }); // who chats; of devices it hears nothing
  await rename(mine.id, 'mine 5');
  await all.first(named('mine 5'));
  assert.deepEqual(talking.events, []);
  [all, talking].forEach((s) => s.drop());
  await refused(`?device_id=${mine.id}`, { token: employee }, 403);
  await refused('', {}, 401);
  await refused('', { token: 'nonsense' }, 401);
  await refused('?device_id=01900000-0000-7000-8000-00000000dead', { token: viewing }, 404);
  const unheard = ['nonsense', 'app:emit', 'command:result-issuer', 'home:broadcast-some', 'telemetry:data',
    'chat:user:typing', 'auth:expiring', 'device:updated,app:emit-some'];
  for (const types of unheard) await refused(`?types=${types}`, { token: viewing }, 400);
  await refused('?since=nonsense', { token: viewing }, 400);
  await refused('', { token: viewing, since: '1-2' }, 400);
  assert.equal(await refusal(server, `/api/v1/devices/${mine.id}/ws?since=x`, { token: viewing }), 400);

  // A device's events are nothing for the anonymous client, and not for another's device.
  const guest = await viewer(server, mine.id, ['events', 'metrics']);
  const { data } = await guest.first('error');
  assert.equal(data.type, 'PERMISSION_DENIED');
  assert.equal(guest.of('connected')[0].data.pos, undefined);
  await rename(mine.id, 'mine 4');
  guest.send({ type: 'ping' });
  await guest.first('pong');
  assert.equal(guest.of('device:updated').length, 0);
  await guest.end();
});

test('changed_rights_end_a_stream_which_goes_on_under_them', async () => {
  const { id } = await made('rights');
  const ida = await token('ida', 'operator');
  const stream = await listen(server, '', { token: ida });
  const watching = await viewer(server, id, ['events'], { token: ida });
  await rename(id, 'before');
  await stream.first(named('before'));
  await watching.first('device:updated', { test: named('before') });
  // The same reach under another role is no change.
  await server.cli('user', 'grant', '--name', 'ida', '--role', 'viewer');
  await server.cli('user', 'revoke', '--name', 'ida', '--role', 'operator');
  await rename(id, 'between');
  await stream.first(named('between'));
  await watching.first('device:updated', { test: named('between') });
  const began = Date.now();
  await server.cli('user', 'revoke', '--name', 'ida', '--role', 'viewer');
  await stream.endedWithin();
  await watching.closedWithin();
  assert.ok(Date.now() - began < 1000 * SLOWNESS + 1000, 'a second, and the command itself');
  assert.deepEqual(stream.of('closing')[0].data,
    { code: 4000, reason: 'revoked', reconnect: 'never' });
  await rename(id, 'after');
  await assert.rejects(listen(server, '', { token: ida, since: stream.lastId }), { status: 403 });
  await server.cli('user', 'grant', '--name', 'ida', '--role', 'viewer');
  const again = await listen(server, '', { token: ida, since: stream.lastId });
  await again.first(named('after'));
  again.drop();
});

test('a_stream_ends_with_its_token', { timeout: 60_000 * PATIENCE }, async () => {
  const { id } = await made('short');
  const stream = await listen(server, '', { token: await token('shorty', 'viewer', '3s') });
  assert.ok(await stream.first((e) => e.event === 'auth:expiring'));
  await rename(id, 'heard');
  await stream.endedWithin(60_000 * PATIENCE); // exp and the leeway of jwt_leeway_s
  assert.equal(stream.of('closing')[0].data.code, 4100);
});

test('a_quiet_stream_shows_life_and_where_it_is', async () => {
  const { id } = await made('quiet');
  const stream = await listen(server, '?types=device:deleted', { token: admin });
  assert.ok(stream.retry >= 1000 && stream.retry < 3000);
  assert.match(stream.lastId, POS);
  const first = stream.lastId;
  await rename(id, 'unheard');
  for (const end = Date.now() + SOON_MS; stream.lastId === first;) {
    assert.ok(Date.now() < end, 'the position stands still');
    await pause(20);
  }
  assert.equal(stream.events.length, 0);
  assert.ok(stream.comments > 0);
  stream.drop();
});

test('a_session_has_its_channels_back', async () => {
  const { id } = await made('session');
  const other = await made('another');
  const vera = await token('vera', 'viewer');
  const target = (pid, pos, device = id) => `/api/v1/devices/${device}/ws?session=${pid}&since=${pos}`;
  const first = await connect(server, target('', ''), { token: vera });
  const { data: hello } = await first.first('connected');
  assert.match(hello.session, /^[\w-]{43}$/);
  assert.equal(hello.resumed, false);
  first.send({ type: 'subscribe', channels: ['events', 'metrics'] });
  await rename(id, 'one');
  const { pos } = await first.first('device:updated', { test: named('one') });

  /** Comes back until the server has noticed that the one before has gone. */
  const back = async (pid, since) => {
    for (const end = Date.now() + SOON_MS; ;) {
      const peer = await connect(server, target(pid, since), { token: vera });
      const { data } = await peer.first('connected');
      if (data.resumed) return { peer, data };
      assert.ok(Date.now() < end, 'never resumed');
      assert.notEqual(data.session, pid);
      await peer.end();
    }
  };
  const heard = async (how, name) => {
    const { peer, data } = how;
    assert.equal(data.session, hello.session);
    const frame = await peer.first('device:updated');
    assert.equal(frame.data.name, name, 'the first one missed');
    return frame.pos;
  };
  first.ws.terminate();
  await rename(id, 'two');
  const second = await back(hello.session, pos);
  assert.equal(second.data.pos, pos);
  const two = await heard(second, 'two');

  // Nobody else's: another principal, another device, another text.
  second.peer.ws.terminate();
  for (const [who, where] of [['ulf', id], ['vera', other.id]]) {
    const peer = await connect(server, target(hello.session, '', where), { token: await token(who, 'viewer') });
    const { data } = await peer.first('connected');
    assert.equal(data.resumed, false);
    assert.notEqual(data.session, hello.session);
    await peer.end();
  }
  for (const odd of ['x', 'A'.repeat(43), 'A'.repeat(4000), '%00', '%22%7D']) {
    const peer = await connect(server, target(odd, ''), { token: vera });
    assert.equal((await peer.first('connected')).data.resumed, false);
    await peer.end();
  }

  await rename(id, 'three');
  await server.crash();
  server = await startServer({ dataDir, flags: FLAGS });
  const third = await back(hello.session, two);
  const three = await heard(third, 'three');
  await rename(id, 'four');
  await third.peer.first('device:updated', { test: named('four') });
  await server.stop();
  assert.equal((await third.peer.closedWithin()).code, 1001);
  server = await startServer({ dataDir, flags: FLAGS });
  // Without `since` it goes on from where it was kept: what comes twice has the same id.
  const fourth = await back(hello.session, '');
  await fourth.peer.first('device:updated', { test: named('four') });
  assert.ok(fourth.peer.of('device:updated').every((f) => f.data.name !== 'one'), three);
  // Who says goodbye does not come back.
  await fourth.peer.end();
  const gone = await connect(server, target(hello.session, ''), { token: vera });
  assert.equal((await gone.first('connected')).data.resumed, false);
  await gone.end();
});

/** A principal's 100 requests are back after so long (50 a second); others of the test need some. */
const REFILL_MS = 2_000;
const BIG = { text: 'x'.repeat(14_000) };

/** Whether the log says so; the server's own word waits behind what fills the socket. */
const closedAsSlow = (wire) => () => server.stderr.some((line) => (
  line.includes('"conn.close"') && line.includes(`"${wire}"`) && line.includes('slow_reader')
));

/** Changes a device until `full` says so; how many times. */
async function fill(id, full) {
  let n = 0;
  for (const until = Date.now() + 3 * SOON_MS; !full();) {
    assert.ok(Date.now() < until, `not full after ${n} changes`);
    await rename(id, `full-${++n}`, { metadata: { ...BIG, n } });
  }
  return n;
}

test('a_slow_reader_is_closed_with_1013_and_misses_nothing', { timeout: 240_000 }, async () => {
  const { id } = await made('slow');
  const slow = await viewer(server, id, ['events'], { token: admin, perMessageDeflate: false });
  await rename(id, 'full-0');
  await slow.first('device:updated', { test: named('full-0') });
  slow.ws._socket.pause();
  const n = await fill(id, closedAsSlow('monitor'));
  slow.ws._socket.resume();
  assert.equal((await slow.closedWithin()).code, 1013);
  await pause(REFILL_MS);
  const got = slow.of('device:updated').map((f) => [f.id, Number(f.data.name.slice(5))]);
  assert.ok(got.length < n, 'it was not slow');
  const { pos } = slow.of('device:updated').at(-1);
  const again = await connect(server, `/api/v1/devices/${id}/ws?since=${pos}`, { token: admin });
  again.send({ type: 'subscribe', channels: ['events'] });
  await again.first('device:updated', { test: named(`full-${n}`) });
  got.push(...again.of('device:updated').map((f) => [f.id, Number(f.data.name.slice(5))]));
  assert.deepEqual([...new Map(got).values()], Array.from({ length: n + 1 }, (_, i) => i));
  await again.end();
});

test('a_slow_stream_is_ended_and_misses_nothing', { timeout: 240_000 }, async () => {
  const { id } = await made('slow stream');
  const slow = await listen(server, `?device_id=${id}`, { token: admin });
  await rename(id, 'full-0');
  await slow.first(named('full-0'));
  slow.response.socket.pause();
  const n = await fill(id, closedAsSlow('sse'));
  slow.response.socket.resume();
  await slow.endedWithin();
  await pause(REFILL_MS);
  const names = (s) => s.of('device:updated').map((e) => [e.data.eventId, Number(e.data.name.slice(5))]);
  assert.ok(names(slow).length < n);
  const again = await listen(server, `?device_id=${id}`, { token: admin, since: slow.lastId });
  await again.first(named(`full-${n}`));
  const got = [...names(slow), ...names(again)];
  assert.deepEqual([...new Map(got).values()], Array.from({ length: n + 1 }, (_, i) => i));
  again.drop();
});

test('what_is_gone_is_told_as_a_gap', async () => {
  const { id } = await made('gaps');
  const watching = await viewer(server, id, ['events'], { token: admin });
  await rename(id, 'early');
  const { pos } = await watching.first('device:updated', { test: named('early') });
  await watching.end();
  for (const name of ['lost', 'kept']) await rename(id, name);
  await server.stop();
  // As retention does, but now: only the newest is kept.
  const db = path.join(dataDir, 'signalbox.db');
  const cut = spawnSync('python3', ['-c', 'import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\n'
    + 'db.execute("DELETE FROM event_log WHERE n < (SELECT max(n) FROM event_log)")\ndb.commit()', db]);
  assert.equal(cut.status, 0, String(cut.stderr));
  server = await startServer({ dataDir, flags: FLAGS });

  const [epoch] = pos.split('-');
  const stream = await listen(server, `?device_id=${id}`, { token: admin, since: pos });
  const gap = await stream.first((e) => e.event === 'gap');
  assert.equal(gap.data.from, pos);
  assert.match(gap.data.to, POS);
  assert.equal(gap.id, gap.data.to);
  assert.deepEqual((await stream.first(named('kept'))).event, 'device:updated');
  assert.equal(stream.of('device:updated').length, 1);
  stream.drop();

  const stranger = `${epoch === '0'.repeat(16) ? '1' : '0'}${epoch.slice(1)}-1`;
  for (const since of [pos, stranger, `${epoch}-999999999`]) {
    const peer = await connect(server, `/api/v1/devices/${id}/ws?since=${since}`, { token: admin });
    peer.send({ type: 'subscribe', channels: ['events'] });
    const said = await peer.first('gap');
    assert.equal(said.data.from, since);
    await rename(id, `after ${since}`);
    await peer.first('device:updated', { test: named(`after ${since}`) });
    await peer.end();
  }
});

test('a_deleted_device_is_told_to_who_comes_back', async () => {
  const { id } = await made('doomed');
  const stream = await listen(server, `?device_id=${id}`, { token: admin });
  await rename(id, 'still here');
  await stream.first(named('still here'));
  stream.drop();
  const gone = await server.request('DELETE', `/api/v1/devices/${id}`, { token: admin });
  assert.equal(gone.status, 204, gone.text);
  const again = await listen(server, `?device_id=${id}`, { token: admin, since: stream.lastId });
  const { data } = await again.first((e) => e.event === 'device:deleted');
  assert.equal(data.id, id);
  again.drop();
});

test('curl_and_fetch_read_a_stream', async () => {
  const { id } = await made('outside');
  const curl = spawn('curl', ['-sN', '-H', `Authorization: Bearer ${admin}`, `${server.url}/api/v1/events`]);
  let text = '';
  const seen = new Promise((resolve) => {
    curl.stdout.on('data', (d) => (text += d).includes('by curl') && resolve());
  });
  const begun = new Promise((resolve) => curl.stdout.once('data', resolve));
  const response = await fetch(`${server.url}/api/v1/events?token=${admin}`);
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  const reader = response.body.getReader();
  await within(SOON_MS, 'curl', begun);
  await rename(id, 'by curl');
  await within(SOON_MS, 'event in curl', seen);
  let heard = '';
  while (!heard.includes('by curl')) {
    const { value, done } = await within(SOON_MS, 'event in fetch', reader.read());
    assert.equal(done, false);
    heard += Buffer.from(value).toString();
  }
  await reader.cancel();
  curl.kill();
  assert.doesNotMatch(server.log, new RegExp(admin.slice(-20)), 'the token is in no log');
});

test('streams_are_counted', async () => {
  const stream = await listen(server, '', { token: admin });
  const metrics = await server.get('/metrics', { token: admin });
  assert.match(metrics.text, /signalbox_connections\{wire="sse",client_type="client"\} [1-9]/);
  stream.drop();
});
