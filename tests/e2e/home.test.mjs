// The home-automation document, row by row, and what CONTRACT 4 adds to it: messages, events,
// statistics, broadcasts, limits. Who may do what is home_access.test.mjs, bad frames are
// home_hostile.test.mjs.
import assert from 'node:assert/strict';
import test, { after, before, describe } from 'node:test';
import { until } from './lib/clients.mjs';
import { House, SOON_MS, assertLike, golden, home } from './lib/home.mjs';
import { connect } from './lib/monitor.mjs';
import { cli, startServer, within } from './lib/server.mjs';
import { listen } from './lib/sse.mjs';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const QUIET_MS = 1500; // the timer that ends a client which says nothing

let server;
let operator;
let house;
let stranger; // a house of somebody who may read only

before(async () => {
  server = await startServer({
    flags: ['--loops', '2', '--handshakes-per-s', '10000', '--home-heartbeat-ms', '400',
      '--home-status-ms', '1000'],
  });
  operator = await server.cli('token', '--sub', 'olga', '--role', 'operator');
  house = new House(server, operator);
  stranger = new House(server, await server.cli('token', '--sub', 'victor', '--role', 'viewer'));
});
after(() => server?.stop());

/** Clients, welcomed; ended with the test. */
async function clients(t, n, options = {}) {
  const all = await Promise.all(Array.from({ length: n }, () => home(server, options)));
  t.after(() => all.forEach((c) => c.ws.terminate()));
  return all;
}

let fence;
/** Everything that happened in the house before the call has been heard by all of them. */
async function heardAll(...them) {
  fence ??= (await house.room('fence')).id;
  const name = `fence ${Math.random()}`;
  const seen = them.map((c) => c.first('room_updated', { test: (m) => m.data.room_name === name }));
  await house.rename(fence, name);
  await Promise.all(seen);
}

const changes = (c, id) => c.states(id).map((d) => [d.old_state, d.new_state]);

describe('the document', () => {
  test('every message to a client has the members, spelling and types of its sample', async (t) => {
    const [c] = await clients(t, 1, { token: operator });
    assertLike(await c.first('connection'), golden('connection'));
    assert.match(c.id, UUID);
    c.send(golden('ping'));
    assertLike(await c.first('pong'), golden('pong'));
    assertLike(await c.first('heartbeat'), golden('heartbeat'));
    assertLike(await c.first('system_status'), golden('system_status'));
    const { id } = await house.room('Living Room');
    await house.entity('light.living_room', { state: 'off' });
    await house.set('light.living_room', 'on', { brightness: 255, color: '#ffffff' });
    await house.rename(id, 'Lounge');
    await house.removeRoom(id);
    for (const action of ['created', 'updated', 'deleted']) {
      const told = await c.first('room_updated', {
        test: (m) => m.data.room_id === id && m.data.action === action,
      });
      assertLike(told, golden(`room_${action}`));
      assert.equal(told.data.room_name, action === 'created' ? 'Living Room' : 'Lounge');
    }
    const changed = c.of('entity_state_changed').find((m) => m.data.new_state === 'on');
    const sample = golden('entity_state_changed');
    assertLike(changed, sample);
    for (const member of Object.keys(sample.data)) {
      assert.deepEqual(changed.data[member], sample.data[member], member);
    }
    for (const message of c.messages) { // also of those that the document does not print
      assert.match(message.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, message.type);
    }
  });

  test('statistics and broadcast answer as printed', async (t) => {
    const [c] = await clients(t, 1);
    assertLike((await server.get('/api/v1/websocket/stats', { token: operator })).json,
      golden('stats'));
    const asked = golden('broadcast_request'); // of the past: who is there hears it all the same
    const heard = c.first('custom_notification');
    const said = await server.post('/api/v1/websocket/broadcast', asked, { token: operator });
    assert.equal(said.status, 200, said.text);
    assertLike(said.json, golden('broadcast'));
    assert.equal(said.json.data.message_type, 'custom_notification');
    assert.deepEqual((await heard).data, asked.data);
  });

  test('an error answer has success, error and timestamp', async () => {
    const bad = await server.post('/api/v1/websocket/broadcast', '{"type":', {
      token: operator, headers: { 'content-type': 'application/json' },
    });
    assert.equal(bad.status, 400);
    assertLike(bad.json, golden('error'));
    assert.equal(bad.json.success, false);
    for (const [target, status] of [['/websocket/stats', 401], ['/rooms/999999', 404]]) {
      const token = status === 401 ? 'not.a.token' : operator;
      const got = await server.get(`/api/v1${target}`, { token });
      assert.equal(got.status, status, got.text);
      assertLike(got.json, golden('error'));
    }
  });

  test('the printed frames of a client are taken as they are, and silently', async (t) => {
    const [c] = await clients(t, 1);
    const { id } = await house.room('printed');
    for (const name of ['subscribe_room', 'unsubscribe_room']) {
      const frame = golden(name);
      frame.data.room_id = id;
      c.send(frame);
    }
    await c.sync();
    assert.deepEqual(c.messages.filter((m) => ['error', 'result'].includes(m.type)), []);
  });

  test('rooms that are created, updated and deleted are told to everybody', async (t) => {
    const two = await clients(t, 2);
    const { id } = await house.room('Attic');
    await house.rename(id, 'Loft');
    await house.ask('PATCH', `/rooms/${id}`, { name: 'Loft' }, 200); // changes nothing
    await house.removeRoom(id);
    await heardAll(...two);
    for (const c of two) {
      assert.deepEqual(c.of('room_updated').map((m) => m.data).filter((d) => d.room_id === id), [
        { room_id: id, room_name: 'Attic', action: 'created' },
        { room_id: id, room_name: 'Loft', action: 'updated' },
        { room_id: id, room_name: 'Loft', action: 'deleted' },
      ]);
    }
  });

  test('the heartbeat counts the clients of all loops', async (t) => {
    const many = await clients(t, 9);
    const { connected_clients: expected } = await house.stats();
    assert.ok(expected >= 9);
    await Promise.all(many.map((c) => c.next('heartbeat', {
      test: (m) => m.data.clients === expected,
    })));
    for (const c of many.slice(1)) c.ws.terminate();
    await many[0].next('heartbeat', { test: (m) => m.data.clients <= expected - 8 });
  });

  test('statistics count clients, connections and messages of all loops', async (t) => {
    await until('those of other tests are gone', async () => (await house.stats()).connected_clients === 0);
    const first = await house.stats();
    const some = await clients(t, 4);
    await Promise.all(some.map((c) => c.sync()));
    const then = await house.stats();
    assert.equal(then.connected_clients, first.connected_clients + 4);
    assert.equal(then.total_connections, first.total_connections + 4);
    assert.ok(then.messages_received >= first.messages_received + 4);
    assert.ok(then.messages_sent >= first.messages_sent + 8);
    assert.ok(Math.abs(Date.parse(then.last_activity) - Date.now()) < SOON_MS);
    for (const c of some) c.ws.terminate();
    await until('they are gone', async () => (await house.stats()).connected_clients ===
      first.connected_clients);
  });

  test('the settings are those of the document unless told otherwise', async () => {
    const { stdout } = await cli(['check-config']);
    for (const [name, value] of [['home_write_ms', 10000], ['home_idle_ms', 60000],
      ['home_ping_ms', 54000], ['home_message_bytes_max', 512], ['home_queue_max', 256],
      ['home_heartbeat_ms', 30000], ['home_status_ms', 300000]]) {
      assert.match(stdout, new RegExp(`^${name} = ${value}\\b`, 'm'));
    }
  });
});

describe('frames', () => {
  test('a frame with an id gets one result, one without none', async (t) => {
    const [c] = await clients(t, 1);
    for (const id of ['a', 7]) c.send({ type: 'ping', id });
    c.send({ type: 'subscribe_room', id: 'no', data: { room_id: 999999 } });
    c.send({ type: 'subscribe_room', data: { room_id: 999999 } });
    await c.first('error');
    await c.sync();
    const results = c.of('result').map((m) => m.data);
    assert.deepEqual(results.map((d) => [d.id, d.ok]), [['a', true], [7, true], ['no', false]]);
    assert.equal(results[2].error.code, 'not_found');
    assert.equal(typeof results[2].error.message, 'string');
    assert.deepEqual(c.of('error').map((m) => m.data.code), ['not_found']);
  });

  test('missing data equals an empty object', async (t) => {
    const [c] = await clients(t, 1);
    c.send({ type: 'ping' });
    await c.first('pong');
    c.send({ type: 'subscribe_room' });
    assert.equal((await c.first('error')).data.code, 'invalid_message');
  });

  test('every refusal has its code and keeps the connection', async (t) => {
    const [c] = await clients(t, 1);
    const wrong = [
      ['{"type":"ping"', 'invalid_json'],
      ['[]', 'invalid_message'],
      ['{"data":{}}', 'invalid_message'],
      ['{"type":"subscribe_room","data":{"room_id":"1"}}', 'invalid_message'],
      ['{"type":"subscribe_room","data":{"room_id":1.5}}', 'invalid_message'],
      ['{"type":"subscribe_room","data":7}', 'invalid_message'],
      ['{"type":"dance"}', 'unknown_type'],
      ['{"type":"subscribe_room","data":{"room_id":999999}}', 'not_found'],
    ];
    for (const [text] of wrong) c.send(text);
    await c.sync();
    assert.deepEqual(c.of('error').map((m) => m.data.code), wrong.map(([, code]) => code));
    for (const { data } of c.of('error')) assert.equal(typeof data.message, 'string');
  });

  test('ten refusals in a minute close 1008', async (t) => {
    const [c] = await clients(t, 1);
    for (let i = 0; i < 10; i++) c.send({ type: 'dance' });
    assert.equal((await c.closedWithin()).code, 1008);
    assert.ok(c.of('error').length >= 9);
  });

  test('more than the rate is refused as rate_limited', async (t) => {
    const [c] = await clients(t, 1);
    for (let i = 0; i < 24; i++) c.send({ type: 'ping', id: i });
    await within(SOON_MS, '24 results', (async () => {
      while (c.of('result').length < 24) await c.next('result');
    })());
    const results = c.of('result').map((m) => m.data);
    assert.ok(results.slice(0, 20).every((d) => d.ok), 'the burst');
    assert.ok(results.some((d) => !d.ok && d.error.code === 'rate_limited'));
    await new Promise((resolve) => setTimeout(resolve, 300));
    await c.sync();
  });

  test('a message may have 512 bytes, also inflated, and not one more', async (t) => {
    const text = (bytes) => `{"type":"ping"${' '.repeat(bytes - 15)}}`;
    assert.equal(text(512).length, 512);
    for (const perMessageDeflate of [false, { threshold: 0 }]) {
      const [c, big] = await clients(t, 2, { perMessageDeflate });
      c.send(text(512));
      await c.first('pong');
      big.send(text(513));
      assert.equal((await big.closedWithin()).code, 1009);
      assert.equal(big.of('pong').length, 0);
      await c.sync();
    }
    const [bomb] = await clients(t, 1, { perMessageDeflate: { threshold: 0 } });
    bomb.send(text(200_000)); // some 200 bytes on the way
    assert.equal((await bomb.closedWithin()).code, 1009);
  });

  test('a binary message closes 1003', async (t) => {
    const [c] = await clients(t, 1);
    c.ws.send(Buffer.from('{"type":"ping"}'), { binary: true });
    assert.equal((await c.closedWithin()).code, 1003);
  });

  test('each frame to a client is one JSON document', async (t) => {
    const raw = await connect(server, '/ws', { perMessageDeflate: false });
    t.after(() => raw.ws.terminate());
    let texts = 0;
    raw.ws.on('message', (data, binary) => {
      assert.equal(binary, false);
      assert.equal(typeof JSON.parse(data.toString()).type, 'string');
      texts++;
    });
    for (let i = 0; i < 8; i++) raw.send({ type: 'ping', id: i });
    while (raw.of('pong').length < 8) await raw.next('pong');
    assert.ok(texts >= 16);
  });
});

describe('states', () => {
  test('go to subscribers of the room and to clients with no room at all', async (t) => {
    const [kitchen, hall] = [(await house.room('kitchen')).id, (await house.room('hall')).id];
    const [all, inKitchen, inHall, both] = await clients(t, 4);
    await inKitchen.does('subscribe_room', { room_id: kitchen });
    await inHall.does('subscribe_room', { room_id: hall });
    await both.does('subscribe_room', { room_id: kitchen });
    await both.does('subscribe_room', { room_id: hall });
    await house.entity('switch.kettle', { room_id: kitchen, state: 'off' });
    await house.entity('switch.bell', { room_id: hall, state: 'off' });
    await house.entity('sun.sky', { state: 'up' });
    await heardAll(all, inKitchen, inHall, both);
    const heard = (c) => ['switch.kettle', 'switch.bell', 'sun.sky']
      .filter((id) => c.states(id).length > 0);
    assert.deepEqual(heard(all), ['switch.kettle', 'switch.bell', 'sun.sky']);
    assert.deepEqual(heard(inKitchen), ['switch.kettle']);
    assert.deepEqual(heard(inHall), ['switch.bell']);
    assert.deepEqual(heard(both), ['switch.kettle', 'switch.bell']);
    await inKitchen.does('unsubscribe_room', { room_id: kitchen });
    await both.does('unsubscribe_room', { room_id: kitchen });
    await house.set('switch.kettle', 'on');
    await house.set('sun.sky', 'down');
    await heardAll(all, inKitchen, inHall, both);
    assert.equal(all.states('switch.kettle').length, 2);
    assert.equal(inKitchen.states('switch.kettle').length, 2, 'without rooms again: everything');
    assert.deepEqual(changes(inKitchen, 'sun.sky'), [['up', 'down']]);
    assert.equal(both.states('switch.kettle').length, 1);
    assert.equal(inHall.states('sun.sky').length, 0);
  });

  test('are told when state or attributes change, with the full set of attributes', async (t) => {
    const [c] = await clients(t, 1);
    await house.entity('light.desk', { state: 'off' });
    await house.set('light.desk', 'on', { brightness: 10, color: 'red' });
    await house.set('light.desk', 'on', { brightness: 10, color: 'red' }); // changes nothing
    await house.set('light.desk', 'on', { brightness: 20 });
    await house.ask('DELETE', '/entities/light.desk', undefined, 204);
    await heardAll(c);
    assert.deepEqual(c.states('light.desk').map((d) => [d.old_state, d.new_state, d.attributes]), [
      [null, 'off', {}],
      ['off', 'on', { brightness: 10, color: 'red' }],
      ['on', 'on', { brightness: 20 }],
      ['on', null, { brightness: 20 }],
    ]);
  });

  test('of an entity that moves end in one room and begin in the other', async (t) => {
    const [from, to] = [(await house.room('from')).id, (await house.room('to')).id];
    await house.entity('lamp.moving', { room_id: from, state: 'on' });
    const [left, joined] = await clients(t, 2);
    await left.does('subscribe_room', { room_id: from });
    await joined.does('subscribe_room', { room_id: to });
    await house.ask('PATCH', '/entities/lamp.moving', { room_id: to }, 200);
    await heardAll(left, joined);
    assert.deepEqual(changes(left, 'lamp.moving'), [['on', null]]);
    assert.deepEqual(changes(joined, 'lamp.moving'), [[null, 'on']]);
    await house.ask('PATCH', '/entities/lamp.moving', { entity_id: 'lamp.moved' }, 200);
    await heardAll(joined);
    assert.deepEqual(changes(joined, 'lamp.moving').at(-1), ['on', null]);
    assert.deepEqual(changes(joined, 'lamp.moved'), [[null, 'on']]);
    const alias = await house.ask('GET', '/entities/lamp.moving', undefined, 200);
    assert.equal(alias.entity_id, 'lamp.moved');
  });

  test('follow a snapshot without a gap', async (t) => {
    const { id } = await house.room('study');
    await house.entity('light.study', { room_id: id, state: '0' });
    await house.entity('sensor.study', { room_id: id, state: 'x' });
    const [c] = await clients(t, 1);
    const sets = [];
    for (let i = 1; i <= 40; i++) sets.push(house.set('light.study', String(i)));
    await c.does('subscribe_room', { room_id: id, snapshot: true });
    await Promise.all(sets);
    await heardAll(c);
    const { data } = await c.first('room_snapshot');
    assert.equal(data.room_id, id);
    assert.equal(typeof data.pos, 'string');
    assert.deepEqual(data.entities.map((e) => e.entity_id).sort(), ['light.study', 'sensor.study']);
    const at = c.messages.findIndex((m) => m.type === 'room_snapshot');
    let state = data.entities.find((e) => e.entity_id === 'light.study').state;
    for (const m of c.messages.slice(at)) {
      if (m.data.entity_id !== 'light.study') continue;
      assert.equal(m.data.old_state, state, 'none missed, none doubled');
      state = m.data.new_state;
    }
    const now = await house.ask('GET', '/entities/light.study', undefined, 200);
    assert.equal(state, now.state);
  });

  test('of a room end with the room, and so do its subscriptions', async (t) => {
    const { id } = await house.room('doomed');
    await house.entity('lamp.doomed', { room_id: id, state: 'on' });
    const [c] = await clients(t, 1);
    await c.does('subscribe_room', { room_id: id });
    const kept = await server.request('DELETE', `/api/v1/rooms/${id}`, { token: operator });
    assert.equal(kept.status, 409, kept.text);
    await house.removeRoom(id, true);
    await heardAll(c);
    assert.deepEqual(c.of('error').map((m) => [m.data.code, m.data.room_id]), [['not_found', id]]);
    assert.equal((await c.ask('subscribe_room', { room_id: id })).error.code, 'not_found');
    const left = await house.ask('GET', '/entities/lamp.doomed', undefined, 200);
    assert.equal(left.room_id, null);
    await house.set('lamp.doomed', 'off'); // it had chosen a room: nothing else comes unasked
    await heardAll(c);
    assert.deepEqual(changes(c, 'lamp.doomed'), [['on', null]]);
    await c.does('unsubscribe_room', { room_id: id });
    await house.set('lamp.doomed', 'on');
    await heardAll(c);
    assert.deepEqual(changes(c, 'lamp.doomed').at(-1), ['off', 'on']);
  });
});

describe('broadcasts', () => {
  test('reach everybody, a room or some clients, and are counted', async (t) => {
    const [party, cellar] = [(await house.room('party')).id, (await house.room('cellar')).id];
    const [a, b, c] = await clients(t, 3);
    await a.does('subscribe_room', { room_id: party });
    await b.does('subscribe_room', { room_id: cellar });
    const { connected_clients: all } = await house.stats();
    assert.equal((await house.broadcast('to_all', { n: 1 })).clients_count, all);
    // Of a room: to those who follow it, and who follow no room, as with states.
    const some = await house.broadcast('to_room', { n: 2 }, { room_id: party });
    assert.equal(some.clients_count, all - 1);
    const named = await house.broadcast('to_some', { n: 3 }, { client_ids: [b.id, c.id] });
    assert.equal(named.clients_count, 2);
    await heardAll(a, b, c);
    const heard = (x) => x.messages.filter((m) => m.type.startsWith('to_'))
      .map((m) => [m.type, m.data]);
    assert.deepEqual(heard(a), [['to_all', { n: 1 }], ['to_room', { n: 2 }]]);
    assert.deepEqual(heard(b), [['to_all', { n: 1 }], ['to_some', { n: 3 }]]);
    assert.deepEqual(heard(c), [...heard(a), ['to_some', { n: 3 }]]);
  });

  test('of a type that is built in or badly spelled are refused', async () => {
    for (const type of ['ping', 'room_updated', 'heartbeat', 'connection', 'Upper', '1st', '',
      'x'.repeat(65)]) {
      const got = await server.post('/api/v1/websocket/broadcast', { type, data: {} },
        { token: operator });
      assert.equal(got.status, 400, `${type}: ${got.text}`);
      assert.equal(got.json.success, false);
    }
  });

  test('may have 16 KiB of data and ten are allowed a minute', async (t) => {
    const beth = new House(server, await server.cli('token', '--sub', 'beth', '--role', 'operator'));
    const [c] = await clients(t, 1);
    const of = (bytes) => ({ text: 'x'.repeat(bytes - 11) });
    assert.equal(JSON.stringify(of(16384)).length, 16384);
    await beth.broadcast('large', of(16384));
    assert.equal((await c.first('large')).data.text.length, 16384 - 11);
    const larger = await server.post('/api/v1/websocket/broadcast',
      { type: 'large', data: of(16385) }, { token: beth.token });
    assert.ok([400, 413].includes(larger.status), larger.text);
    let last;
    for (let i = 0; i < 12 && last?.status !== 429; i++) {
      last = await server.post('/api/v1/websocket/broadcast', { type: 'often', data: {} },
        { token: beth.token });
    }
    assert.equal(last.status, 429);
    assert.ok(Number(last.headers.get('retry-after')) > 0);
    assert.equal(last.json.success, false);
  });

  test('are read from the stream of events too', async () => {
    const stream = await listen(server, '', { token: operator });
    const { id } = await house.room('streamed');
    const made = await stream.first((e) => e.event === 'room_updated' && e.data.room_id === id);
    assert.equal(made.data.action, 'created');
    stream.drop();
  });
});

describe('clients that come back', () => {
  test('get the ordered events since the position that they show', async (t) => {
    const [c] = await clients(t, 1);
    const { id } = await house.room('while here');
    const { pos } = await c.first('room_updated', { test: (m) => m.data.room_id === id });
    assert.equal(typeof pos, 'string');
    c.ws.terminate();
    await house.rename(id, 'while away');
    await house.removeRoom(id);
    const back = await home(server, { query: `?since=${pos}` });
    await heardAll(back);
    assert.deepEqual(back.of('room_updated').map((m) => m.data).filter((d) => d.room_id === id)
      .map((d) => [d.room_name, d.action]), [['while away', 'updated'], ['while away', 'deleted']]);
    back.ws.terminate();
  });

  test('with their session are the same client, with its rooms', async () => {
    const { id } = await house.room('kept');
    const first = await home(server, { token: operator, query: '?session=' });
    assert.equal(typeof first.session, 'string');
    await first.does('subscribe_room', { room_id: id });
    await heardAll(first);
    const pos = first.messages.filter((m) => m.pos).at(-1).pos;
    first.ws.terminate();
    await house.rename(id, 'kept still');
    await house.entity('lamp.kept', { state: 'on' });
    const back = await home(server, {
      token: operator, query: `?session=${first.session}&since=${pos}`,
    });
    assert.equal(back.id, first.id);
    await house.entity('lamp.kept_room', { room_id: id, state: 'on' });
    await house.set('lamp.kept', 'off');
    await heardAll(back);
    assert.equal(back.of('room_updated').filter((m) => m.data.room_name === 'kept still').length, 1);
    assert.deepEqual(changes(back, 'lamp.kept_room'), [[null, 'on']]);
    assert.deepEqual(changes(back, 'lamp.kept'), [], 'it has a room, so nothing without one');
    back.ws.terminate();
  });
});

describe('timers', () => {
  let quick;
  before(async () => {
    quick = await startServer({
      flags: ['--home-ping-ms', '300', '--home-idle-ms', String(QUIET_MS)],
    });
  });
  after(() => quick?.stop());

  test('a client that answers pings stays and one that is silent is closed', async () => {
    const silent = await home(quick, { autoPong: false });
    const good = await home(quick);
    let pings = 0;
    good.ws.on('ping', () => pings++);
    const begin = Date.now();
    await silent.closedWithin();
    assert.ok(Date.now() - begin > QUIET_MS / 2);
    await until('pings go on', () => pings >= 6);
    await good.sync();
    good.ws.terminate();
  });
});
