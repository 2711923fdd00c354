// Who comes into /ws and what he sees there (CONTRACT 2 and 4): tokens and where they stand,
// anonymous clients, origins and hosts, private rooms, roles bound to rooms, rights that end.
import assert from 'node:assert/strict';
import test, { after, before, describe } from 'node:test';
import { upgradeRequest, say } from './lib/bare.mjs';
import { House, home } from './lib/home.mjs';
import { refusal } from './lib/monitor.mjs';
import { SLOWNESS, startServer, within } from './lib/server.mjs';

let server;
let operator;
let house;
let fence; // a room that everybody may see
let open; // two rooms of the same kind,
let other;
let hidden; // and a private one

const GONE_MS = 1000 * SLOWNESS; // rights that end (CONTRACT 2)

before(async () => {
  server = await startServer({ flags: ['--loops', '2', '--handshakes-per-s', '10000'] });
  operator = await server.cli('token', '--sub', 'olga', '--role', 'operator');
  house = new House(server, operator);
  fence = (await house.room('fence')).id;
  open = (await house.room('open')).id;
  other = (await house.room('other')).id;
  hidden = (await house.room('hidden', { private: true })).id;
  await house.entity('lamp.open', { room_id: open, state: 'off' });
  await house.entity('lamp.other', { room_id: other, state: 'off' });
  await house.entity('lamp.hidden', { room_id: hidden, state: 'off' });
});
after(() => server?.stop());

async function client(t, options) {
  const c = await home(server, options);
  t.after(() => c.ws.terminate());
  return c;
}

/** Everything before the call has been heard. */
async function heardAll(...them) {
  const type = `fence_${Math.random().toString(36).slice(2)}`;
  const seen = them.map((c) => c.first('room_updated', { test: (m) => m.data.room_name === type }));
  await house.rename(fence, type);
  await Promise.all(seen);
}

/** A user with a role bound to rooms: a token. */
async function bound(name, role, ...rooms) {
  await server.cli('user', 'add', '--name', name);
  for (const room of rooms) {
    await server.cli('user', 'grant', '--name', name, '--role', role, '--room', String(room));
  }
  return server.cli('token', '--sub', name);
}

let turn = 0;
/** The same of each room's lamp: what a client has heard of them by name. */
async function flip() {
  const state = `s${++turn}`;
  for (const room of ['open', 'other', 'hidden']) await house.set(`lamp.${room}`, state);
  return (c) => ['open', 'other', 'hidden']
    .filter((room) => c.states(`lamp.${room}`).some((d) => d.new_state === state));
}

describe('a token', () => {
  test('stands in the header, in the subprotocol or in the query', async (t) => {
    for (const options of [
      { token: operator },
      { protocols: ['bearer', operator] },
      { query: `?token=${operator}` },
    ]) {
      const c = await client(t, options);
      await c.does('subscribe_room', { room_id: hidden }); // anonymous clients may not
      if (options.protocols) assert.equal(c.ws.protocol, 'bearer');
    }
  });

  test('that is bad is refused before the upgrade, wherever it stands', async () => {
    for (const options of [{ token: 'a.b.c' }, { protocols: ['bearer', 'a.b.c'] }]) {
      assert.equal(await refusal(server, '/ws', options), 401);
    }
    assert.equal(await refusal(server, '/ws?token=a.b.c'), 401);
  });

  test('of a device or of somebody without a role opens nothing', async () => {
    const { key } = await server.addDevice('outsider');
    assert.equal(await refusal(server, '/ws', { token: key }), 403);
    const nobody = await bound('nobody', 'viewer');
    assert.equal(await refusal(server, '/ws', { token: nobody }), 403);
  });

  test('is in no frame and in no log', async (t) => {
    const c = await client(t, { query: `?token=${operator}` });
    await c.sync();
    await heardAll(c);
    const signature = operator.split('.').at(-1);
    assert.ok(!JSON.stringify(c.messages).includes(signature));
    assert.ok(!server.log.includes(signature));
  });

  test('that ends is announced a minute before, and at its end the socket is closed', async (t) => {
    const c = await client(t, {
      token: await server.cli('token', '--sub', 'brief', '--role', 'viewer', '--ttl', '2s'),
    });
    assert.ok((await c.first('auth_expiring')).data.expiresAt);
    assert.equal((await c.closedWithin()).code, 4100);
  });
});

describe('without a token', () => {
  test('who is on this machine may read, and nothing else', async (t) => {
    const c = await client(t);
    await c.does('ping');
    await c.does('subscribe_room', { room_id: open, snapshot: true });
    assert.equal((await c.first('room_snapshot')).data.entities[0].entity_id, 'lamp.open');
    await c.does('unsubscribe_room', { room_id: open });
    for (const [method, target] of [['GET', '/rooms'], ['GET', '/entities'], ['POST', '/rooms'],
      ['GET', '/websocket/stats'], ['POST', '/websocket/broadcast']]) {
      const got = await server.request(method, `/api/v1${target}`,
        { body: method === 'POST' ? {} : undefined });
      assert.equal(got.status, 401, `${method} ${target}`);
    }
  });

  test('who came through a proxy is not taken for somebody of this machine', async () => {
    for (const headers of [{ forwarded: 'for=192.0.2.1' }, { 'x-forwarded-for': '192.0.2.1' },
      { 'x-forwarded-proto': 'https' }, { 'x-real-ip': '192.0.2.1' }, { via: '1.1 proxy' }]) {
      assert.equal(await refusal(server, '/ws', { headers }), 401, JSON.stringify(headers));
    }
  });

  test('nobody is let in where anonymous clients are not wanted', async (t) => {
    const strict = await startServer({ flags: ['--auth-anonymous', 'none'] });
    t.after(() => strict.stop());
    assert.equal(await refusal(strict, '/ws'), 401);
    const token = await strict.cli('token', '--sub', 'v', '--role', 'viewer');
    (await home(strict, { token })).ws.terminate();
  });

  test('a private room is not there', async (t) => {
    const [c, known] = [await client(t), await client(t, { token: operator })];
    const hear = await flip();
    const { id } = await house.room('secret', { private: true });
    await house.rename(id, 'secret still');
    await house.removeRoom(id);
    assert.equal((await c.ask('subscribe_room', { room_id: hidden })).error.code, 'not_found');
    await heardAll(c, known);
    assert.deepEqual(hear(c), ['open', 'other']);
    assert.deepEqual(hear(known), ['open', 'other', 'hidden']);
    const told = (x) => x.of('room_updated').filter((m) => m.data.room_id === id).length;
    assert.equal(told(c), 0);
    assert.equal(told(known), 3);
  });

  test('a room that becomes private is gone', async (t) => {
    const { id } = await house.room('closing');
    await house.entity('lamp.closing', { room_id: id, state: 'off' });
    const [c, all] = [await client(t), await client(t)];
    await c.does('subscribe_room', { room_id: id });
    await house.ask('PATCH', `/rooms/${id}`, { private: true }, 200);
    await house.set('lamp.closing', 'on');
    await heardAll(c, all);
    for (const x of [c, all]) {
      assert.ok(!x.states('lamp.closing').some((d) => d.new_state === 'on'));
    }
    assert.equal((await c.ask('subscribe_room', { room_id: id })).error.code, 'not_found');
    await house.ask('PATCH', `/rooms/${id}`, { private: false }, 200);
    await c.does('subscribe_room', { room_id: id });
  });
});

describe('the door', () => {
  test('another origin is refused, ours and an allowed one are not', async (t) => {
    for (const origin of ['http://evil.example', 'null', `https://127.0.0.1:${server.port}`,
      `http://127.0.0.1:${server.port + 1}`]) {
      assert.equal(await refusal(server, '/ws', { headers: { origin } }), 403, origin);
    }
    for (const host of ['127.0.0.1', 'localhost', '[::1]']) {
      (await client(t, { headers: { origin: `http://${host}:${server.port}` } })).ws.terminate();
    }
    const friendly = await startServer({ flags: ['--allowed-origins', 'https://house.example'] });
    t.after(() => friendly.stop());
    (await home(friendly, { headers: { origin: 'https://house.example' } })).ws.terminate();
  });

  test('another host is refused', async () => {
    for (const host of ['evil.example', `evil.example:${server.port}`]) {
      const { status } = await say(server, upgradeRequest(server, '/ws')
        .replace(/Host: .*/, `Host: ${host}`).replace('Connection: Upgrade', 'Connection: Upgrade, close'));
      assert.ok(status >= 400 && status < 500, `${host}: ${status}`);
    }
  });

  test('without an upgrade there is nothing', async () => {
    const got = await server.get('/ws');
    assert.equal(got.status, 426, got.text);
  });
});

describe('a role bound to a room', () => {
  test('sees that room and no other', async (t) => {
    const token = await bound('rita', 'viewer', open);
    const [c, all] = [await client(t, { token }), await client(t, { token: operator })];
    assert.equal((await c.ask('subscribe_room', { room_id: other })).error.code, 'not_found');
    assert.equal((await c.ask('subscribe_room', { room_id: hidden })).error.code, 'not_found');
    let hear = await flip();
    await house.rename(other, 'not for rita');
    await house.rename(open, 'for rita');
    await c.first('room_updated', { test: (m) => m.data.room_name === 'for rita' });
    assert.deepEqual(hear(c), ['open']);
    await heardAll(all);
    assert.deepEqual(hear(all), ['open', 'other', 'hidden']);
    assert.ok(c.of('room_updated').every((m) => m.data.room_id === open));
    await c.does('subscribe_room', { room_id: open });
    hear = await flip();
    await house.rename(open, 'for rita again');
    await c.first('room_updated', { test: (m) => m.data.room_name === 'for rita again' });
    assert.deepEqual(hear(c), ['open']);
    const rita = new House(server, token);
    const rooms = await rita.ask('GET', '/rooms', undefined, 200);
    assert.deepEqual(rooms.map((r) => r.id), [open]);
    await rita.ask('GET', `/rooms/${other}`, undefined, 404);
    await rita.ask('GET', '/entities/lamp.other', undefined, 404);
    await rita.ask('POST', '/entities/lamp.open/state', { state: 'x' }, 403);
  });

  test('may be of a private room, and control it', async (t) => {
    const token = await bound('otto', 'operator', hidden);
    const c = await client(t, { token });
    await c.does('subscribe_room', { room_id: hidden });
    const otto = new House(server, token);
    await otto.ask('POST', '/entities/lamp.hidden/actions/turn_on', {}, 200);
    await c.first('entity_state_changed', { test: (m) => m.data.new_state === 'on' });
    await otto.ask('POST', '/entities/lamp.open/actions/turn_on', {}, 404);
    await otto.ask('POST', '/rooms', { name: 'mine' }, 403);
  });

  test('hears what is said to everybody', async (t) => {
    const c = await client(t, { token: await bound('bert', 'viewer', open) });
    await house.broadcast('for_everybody', { n: 1 });
    assert.deepEqual((await c.first('for_everybody')).data, { n: 1 });
  });
});

describe('a right that is taken away', () => {
  test('of one room drops its subscription within a second', async (t) => {
    const token = await bound('rob', 'viewer', open, other);
    const c = await client(t, { token });
    await c.does('subscribe_room', { room_id: open });
    await c.does('subscribe_room', { room_id: other });
    const said = c.next('error');
    await server.cli('user', 'revoke', '--name', 'rob', '--role', 'viewer', '--room', String(open));
    assert.equal((await within(GONE_MS, 'the refusal', said)).data.code, 'forbidden');
    const hear = await flip();
    await house.rename(open, 'without rob');
    await house.rename(other, 'with rob');
    await c.first('room_updated', { test: (m) => m.data.room_name === 'with rob' });
    assert.deepEqual(hear(c), ['other']);
    assert.ok(!c.of('room_updated').some((m) => m.data.room_name === 'without rob'));
    assert.equal((await c.ask('subscribe_room', { room_id: open })).error.code, 'not_found');
  });

  test('ends the socket when it was the last one', async (t) => {
    const token = await bound('lena', 'viewer', open);
    const c = await client(t, { token });
    const closed = c.closed;
    await server.cli('user', 'revoke', '--name', 'lena', '--role', 'viewer', '--room', String(open));
    assert.equal((await within(GONE_MS, 'close', closed)).code, 4000);
  });

  test('comes back to a live socket when it is given again', async (t) => {
    const token = await bound('gus', 'viewer', open);
    const c = await client(t, { token });
    await server.cli('user', 'grant', '--name', 'gus', '--role', 'viewer', '--room', String(other));
    await c.does('subscribe_room', { room_id: other });
  });
});
