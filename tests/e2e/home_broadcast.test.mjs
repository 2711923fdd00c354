// What the server and operators say to clients of /ws: broadcasts to everybody, to a room's, to
// some; their replay and end; heartbeats, the health of the process, statistics; and what clients
// say to an application. Two loops, so that every count is a sum and every order one of many.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test, { after, before, describe } from 'node:test';
import { until } from './lib/clients.mjs';
import { House, SOON_MS, home } from './lib/home.mjs';
import { Receiver, SECRET } from './lib/receiver.mjs';
import { startServer, tempDir } from './lib/server.mjs';
import { listen } from './lib/sse.mjs';

const CLIENTS = 12; // that all of them are of one loop is one case of 2,048
const PER_MIN = 40;
const MANY = 30;
const FLAGS = ['--loops', '2', '--handshakes-per-s', '10000', '--home-heartbeat-ms', '300',
  '--home-broadcasts-per-min', String(PER_MIN)];
const PAST = '2025-07-16T22:00:00Z';

let server;
let receiver;
let names = 0;
let fences;

const token = (role, sub = `e2e-${++names}`) => server.cli('token', '--sub', sub, '--role', role);
const house = async (role = 'operator') => new House(server, await token(role));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

before(async () => {
  receiver = await new Receiver(({ body }) => (
    body.event === 'door_bell' ? { body: { heard: body.data } } : { status: 400 }
  )).listen();
  server = await startServer({
    flags: [...FLAGS, '--home-custom-types', 'door_bell, wish', '--home-webhook-url', receiver.url],
    env: { SIGNALBOX_WEBHOOK_SECRET: SECRET },
  });
  fences = await house();
});
after(async () => {
  await server?.stop();
  await receiver?.close();
});

/** Clients, welcomed; ended with the test. */
async function clients(t, n, options = {}) {
  const all = await Promise.all(Array.from({ length: n }, () => home(server, options)));
  t.after(() => all.forEach((c) => c.ws.terminate()));
  return all;
}

/** Whatever was broadcast before the call has been heard by all of them. */
async function heardAll(...them) {
  const n = `fence ${++names}`;
  const heard = them.map((c) => c.first('fence', { test: (m) => m.data === n }));
  await fences.broadcast('fence', n, { });
  await Promise.all(heard);
}

/** How many clients the server counts once those of earlier tests have gone. */
async function alone(them) {
  await until(`${them.length} clients`, async () => (
    (await fences.stats()).connected_clients === them.length), SOON_MS);
}

describe('broadcasts', () => {
  test('everybody hears each once and all in one order, over all loops', async (t) => {
    const all = await clients(t, CLIENTS, { token: await token('viewer') });
    const speakers = await Promise.all([house(), house()]);
    await alone(all);
    const said = await Promise.all(Array.from({ length: MANY }, (_, n) => (
      speakers[n % 2].broadcast('news', { n }))));
    for (const data of said) {
      assert.equal(data.clients_count, CLIENTS);
      assert.equal(data.message, 'Message broadcasted successfully');
      assert.equal(data.message_type, 'news');
    }
    await heardAll(...all);
    const [first] = all;
    assert.deepEqual(new Set(first.of('news').map((m) => m.pos)), new Set(said.map((d) => d.pos)));
    assert.equal(first.of('news').length, MANY);
    for (const c of all) {
      const strip = (m) => ({ data: m.data, pos: m.pos, id: m.id, timestamp: m.timestamp });
      assert.deepEqual(c.of('news').map(strip), first.of('news').map(strip));
    }
    assert.match(first.of('news')[0].timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  });

  test('a room’s reach who may see it and follows it, or nothing; a client’s itself', async (t) => {
    const op = await house();
    const open = await op.room('open');
    const hidden = await op.room('hidden', { private: true });
    const [a, b, free, both] = await clients(t, 4, { token: await token('viewer') });
    const [nobody] = await clients(t, 1); // anonymous
    const them = { a, b, free, both, nobody };
    await a.does('subscribe_room', { room_id: open.id });
    await b.does('subscribe_room', { room_id: hidden.id });
    await both.does('subscribe_room', { room_id: open.id });
    await both.does('subscribe_room', { room_id: hidden.id });
    await alone(Object.values(them));
    const cases = [
      [{}, ['a', 'b', 'both', 'free', 'nobody']],
      [{ room_id: open.id }, ['a', 'both', 'free', 'nobody']],
      [{ room_id: hidden.id }, ['b', 'both', 'free']],
      [{ client_ids: [a.id, nobody.id, crypto.randomUUID()] }, ['a', 'nobody']],
      [{ room_id: hidden.id, client_ids: [a.id, both.id, nobody.id] }, ['both']],
      [{ client_ids: [crypto.randomUUID()] }, []],
    ];
    for (const [i, [target, expected]] of cases.entries()) {
      const data = await op.broadcast('aimed', i, target);
      assert.equal(data.clients_count, expected.length, JSON.stringify(target));
    }
    await heardAll(...Object.values(them));
    for (const [i, [target, expected]] of cases.entries()) {
      const heard = Object.keys(them).filter((n) => them[n].of('aimed').some((m) => m.data === i));
      assert.deepEqual(heard.sort(), expected, JSON.stringify(target));
    }
    // Who comes back hears what was for it.
    for (const [query, expected] of [[{ token: await token('viewer') }, [0, 1, 2]], [{}, [0, 1]]]) {
      const [back] = await clients(t, 1, { ...query, query: `?since=${a.pos}` });
      await heardAll(back);
      assert.deepEqual(back.of('aimed').map((m) => m.data), expected);
    }
  });

  test('what has expired is said once and not replayed', async (t) => {
    const op = await house();
    const [live] = await clients(t, 1, { token: await token('viewer') });
    const soon = new Date(Date.now() + 400).toISOString();
    const far = new Date(Date.now() + 3_600_000).toISOString();
    await op.broadcast('custom_notification',
      { message: 'System maintenance scheduled', level: 'warning', expires_at: PAST });
    await op.broadcast('brief', { expires_at: soon });
    await op.broadcast('brief', { expires_at: far });
    await op.broadcast('brief', { expires_at: Date.parse(far) });
    await heardAll(live);
    assert.equal(live.of('custom_notification').length, 1, 'it was connected');
    assert.equal(live.of('brief').length, 3);
    while (Date.now() <= Date.parse(soon)) await pause(20);
    const [back] = await clients(t, 1, { query: `?since=${live.pos}` });
    await heardAll(back);
    assert.equal(back.of('custom_notification').length, 0);
    assert.deepEqual(back.of('brief').map((m) => m.data.expires_at), [far, Date.parse(far)]);
  });

  test('so many a minute of a principal, over all loops', async () => {
    const op = await house();
    const got = await Promise.all(Array.from({ length: PER_MIN + 5 }, (_, n) => (
      server.post('/api/v1/websocket/broadcast', { type: 'flood', data: n }, { token: op.token }))));
    const refused = got.filter((r) => r.status === 429);
    assert.equal(got.filter((r) => r.status === 200).length, PER_MIN);
    assert.equal(refused.length, 5);
    assert.ok(Number(refused[0].headers.get('retry-after')) >= 1);
    await (await house()).broadcast('calm', null); // somebody else may
  });

  test('who may broadcast in one room only does that', async () => {
    const op = await house();
    const { id } = await op.room('bound');
    await server.cli('user', 'add', '--name', 'rita');
    await server.cli('user', 'grant', '--name', 'rita', '--role', 'operator', '--room', String(id));
    const rita = await server.cli('token', '--sub', 'rita');
    const ask = async (body, as = rita) => (
      (await server.post('/api/v1/websocket/broadcast', body, { token: as })).status);
    assert.equal(await ask({ type: 'x', data: 1, room_id: id }), 200);
    assert.equal(await ask({ type: 'x', data: 1 }), 403);
    assert.equal(await ask({ type: 'x', data: 1, client_ids: [crypto.randomUUID()] }), 403);
    const other = await op.room('other');
    assert.equal(await ask({ type: 'x', data: 1, room_id: other.id }), 404);
    assert.equal(await ask({ type: 'x', data: 1 }, await token('viewer')), 403);
    assert.equal(await ask({ type: 'x', data: 1 }, null), 401);
  });

  test('streams of events hear rooms and broadcasts of those who may read them', async (t) => {
    const op = await house();
    const open = await op.room('heard');
    const hidden = await op.room('unheard', { private: true });
    const viewer = await token('viewer');
    const all = await listen(server, '', { token: viewer });
    const types = await listen(server, '?types=home:broadcast', { token: viewer });
    const one = await listen(server, `?room_id=${hidden.id}`, { token: viewer });
    t.after(() => [all, types, one].forEach((s) => s.drop()));
    await op.rename(open.id, 'heard well');
    await op.rename(hidden.id, 'still unheard');
    await op.broadcast('news', 1);
    await op.broadcast('news', 2, { room_id: hidden.id });
    await op.broadcast('news', 3, { client_ids: [crypto.randomUUID()] });
    await op.broadcast('news', { last: true, expires_at: '2099-01-01T00:00:00Z' });
    await all.first((e) => e.data.data?.last);
    await types.first((e) => e.data.data?.last);
    await op.rename(hidden.id, 'the end');
    await one.first((e) => e.data.room_name === 'the end');
    // That the rooms were made may have been told just before the streams were open, or after.
    const news = (s) => s.events.filter((e) => e.data.action !== 'created');
    const told = (s) => news(s).map((e) => e.data.room_name ?? e.data.data?.last ?? e.data.data);
    assert.deepEqual(told(all).slice(0, 5), ['heard well', 'still unheard', 1, 2, true]);
    assert.deepEqual(told(types), [1, 2, true]);
    assert.deepEqual(told(one), ['still unheard', 2, 'the end']);
    assert.deepEqual([...new Set(types.events.map((e) => e.event))], ['home:broadcast']);
    await assert.rejects(listen(server, '?room_id=99999', { token: viewer }), { status: 404 });
  });
});

describe('the server’s own', () => {
  test('heartbeats and statistics count the clients of all loops', async (t) => {
    const all = await clients(t, CLIENTS);
    await alone(all);
    const before = await fences.stats();
    assert.equal(before.connected_clients, CLIENTS);
    assert.match(before.last_activity, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const beats = await Promise.all(all.map((c) => (
      c.next('heartbeat', { test: (m) => m.data.clients === CLIENTS }))));
    assert.match(beats[0].data.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    await Promise.all(all.map((c) => c.sync()));
    const more = await clients(t, 2);
    const stats = await fences.stats();
    assert.equal(stats.connected_clients, CLIENTS + 2);
    assert.equal(stats.total_connections, before.total_connections + 2);
    assert.equal(stats.messages_received, before.messages_received + CLIENTS);
    assert.ok(stats.messages_sent >= before.messages_sent + 2 * CLIENTS + 2);
    more.forEach((c) => c.ws.terminate());
    await Promise.all(all.map((c) => c.next('heartbeat', { test: (m) => m.data.clients === CLIENTS })));
    const turns = all.map((c) => c.of('heartbeat').length);
    await until('two turns of each', () => all.every((c, i) => c.of('heartbeat').length >= turns[i] + 2),
      SOON_MS);
  });

  test('what clients say under an application’s types is answered by it', async (t) => {
    const [c] = await clients(t, 1, { token: await token('viewer') });
    const [stranger] = await clients(t, 1);
    assert.deepEqual(await c.ask('door_bell', { times: 2 }),
      { id: 1, ok: true, answer: { heard: { times: 2 } } });
    const [call] = receiver.of('door_bell');
    assert.equal(call.body.client_id, c.id);
    assert.deepEqual(call.body.roles, ['viewer']);
    const refused = await c.ask('wish', {});
    assert.equal(refused.ok, false);
    assert.equal(refused.error.code, 'server_error');
    assert.equal((await c.ask('unheard_of', {})).error.code, 'unknown_type');
    assert.equal((await stranger.ask('door_bell', {})).error.code, 'forbidden');
    for (let i = 0; i < 9; i++) { // they are not the client's fault: it stays
      const told = c.next('error');
      c.send({ type: 'wish', data: {} });
      await told;
    }
    await c.sync();
    assert.equal(receiver.of('door_bell').length, 1);
  });
});

/** From now on no file of the process may grow beyond so many bytes, like a disk that is full. */
function limitFiles(pid, bytes) {
  const script = 'import resource, sys; resource.prlimit(int(sys.argv[1]), resource.RLIMIT_FSIZE,'
    + ' (int(sys.argv[2]), -1))';
  const got = spawnSync('python3', ['-c', script, String(pid), String(bytes)], { encoding: 'utf8' });
  assert.equal(got.status, 0, got.stderr);
}

test('a store that fails is told to all, and to who comes then; so is its recovery', async (t) => {
  const [c] = await clients(t, 1);
  const op = await house();
  // Refusals of the tests before may have degraded the server, too.
  const affected = (m) => (m.data.details.affected ?? []).includes('store');
  const broadcast = (data) => (
    server.post('/api/v1/websocket/broadcast', { type: 'note', data }, { token: op.token }));
  await op.broadcast('note', 'good');
  limitFiles(server.process.pid, 1);
  try {
    const told = c.next('system_status', { test: affected });
    assert.equal((await broadcast('lost')).status, 503);
    const { data } = await told;
    assert.equal(data.status, 'degraded');
    assert.match(data.details.uptime, /^\d+h \d+m$/);
    assert.match(data.details.memory_usage, /^\d+%$/);
    const [late] = await clients(t, 1);
    await late.first('system_status', { test: affected });
    assert.equal(late.messages[0].type, 'connection');
  } finally {
    limitFiles(server.process.pid, -1);
  }
  const told = c.next('system_status', { test: (m) => !affected(m) });
  await until('it can be written', async () => (await broadcast('again')).status === 200, SOON_MS);
  const { data } = await told;
  assert.equal(data.status, data.details.affected ? 'degraded' : 'healthy');
  await heardAll(c);
  assert.deepEqual(c.of('note').map((m) => m.data), ['good', 'again'], 'what failed was not said');
});

test('what was answered before a kill -9 is in the log and replayed', async (t) => {
  const dataDir = tempDir();
  let mine = await startServer({ flags: FLAGS, dataDir });
  t.after(() => mine.process.kill('SIGKILL'));
  const operator = await mine.cli('token', '--sub', 'olga', '--role', 'operator');
  const c = await home(mine);
  const op = new House(mine, operator);
  const answers = [];
  const saying = (async () => {
    for (let n = 0; n < PER_MIN; n++) {
      await op.broadcast('news', { n }).then((d) => answers.push([n, d.pos]), () => {});
    }
  })();
  await until('some answers', () => answers.length >= 5, SOON_MS);
  await mine.crash();
  await saying;
  mine = await startServer({ flags: FLAGS, dataDir });
  const back = await home(mine, { query: `?since=${c.pos}` });
  t.after(() => back.ws.terminate());
  const last = answers.at(-1);
  await back.first('news', { test: (m) => m.data.n === last[0] });
  const heard = back.of('news').map((m) => [m.data.n, m.pos]);
  assert.deepEqual(heard.slice(0, answers.length), answers);
  await mine.stop();
});
