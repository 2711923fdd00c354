// REST of Home: rooms, entities, their states and history (CONTRACT 4 and 7), of one server with
// two loops. What is live of it is told on /ws: home.test.mjs.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test, { after, before, beforeEach } from 'node:test';
import { until } from './lib/clients.mjs';
import { storeUsers } from './lib/rights.mjs';
import { ROOT, startServer } from './lib/server.mjs';

const FLAGS = ['--handshakes-per-s', '1000', '--loops', '2', '--home-rooms-max', '240'];
const NOBODY = '01900000-0000-7000-8000-000000000000';
const PARTS_OF_SECONDS = /"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d/;
let server;
let operator;
let names = 0;

before(async () => {
  server = await startServer({ flags: FLAGS });
});
beforeEach(async () => { // each test has its own allowance of requests
  operator = await token('operator');
});
after(() => server?.stop());

const token = (role) => server.cli('token', '--sub', `${role}${++names}`, '--kind', 'user', '--role', role);

/** Every answer of these routes has whole seconds, and a refusal the document's members. */
async function ask(method, target, body, as = operator, headers = {}) {
  const answer = await server.request(method, `/api/v1${target}`, { token: as, body, headers });
  assert.doesNotMatch(answer.text, PARTS_OF_SECONDS, `${method} ${target}`);
  if (answer.json !== undefined) {
    assert.match(answer.json.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.equal(answer.json.success, answer.status < 400);
  }
  if (answer.status >= 400) {
    assert.match(answer.headers.get('content-type'), /^application\/problem\+json/);
    assert.ok(answer.json.error.length > 0 && answer.json.code.length > 0);
  }
  return answer;
}
async function ok(...call) {
  const answer = await ask(...call);
  assert.ok(answer.status < 300, `${call[0]} ${call[1]}: ${answer.status} ${answer.text}`);
  return answer.json?.data;
}
/** The refusal, as "status code member,member". */
async function refused(...call) {
  const { status, json, text } = await ask(...call);
  assert.ok(status >= 400, text);
  return [status, json.code, json.errors.map((e) => e.member).join()].join(' ').trim();
}
const makeRoom = (more = {}) => ok('POST', '/rooms', { name: `room ${++names}`, ...more });
const makeEntity = (more = {}) => ok('POST', '/entities', { entity_id: `light.l${++names}`, ...more });
const say = (id, state, attributes) => ok('POST', `/entities/${id}/state`, { state, attributes });
const match = (etag) => [operator, { 'if-match': etag }];
/** All pages of a list, and how many they were. */
async function pages(target, limit) {
  const all = [];
  let next = '';
  let count = 0;
  do {
    const page = await ask('GET', `${target}${target.includes('?') ? '&' : '?'}limit=${limit}${next && `&cursor=${next}`}`);
    assert.equal(page.status, 200, page.text);
    assert.ok(page.json.data.length <= limit);
    all.push(...page.json.data);
    next = page.json.next_cursor ?? '';
    count++;
  } while (next !== '');
  return { all, count };
}

test('rooms_are_made_found_changed_and_deleted', async () => {
  const made = await ask('POST', '/rooms', {
    name: '  Living Room ', description: 'with\na view', icon: 'mdi:sofa', floor: 'ground', sort: 3, private: true, unknown: 1,
  });
  assert.equal(made.status, 201, made.text);
  const { id, created_at, updated_at, ...shown } = made.json.data;
  assert.ok(Number.isInteger(id) && id > 0);
  assert.equal(created_at, updated_at);
  assert.equal(made.headers.get('location'), `/api/v1/rooms/${id}`);
  assert.equal(made.headers.get('etag'), '"v1"');
  assert.deepEqual(shown, {
    name: 'Living Room', description: 'with\na view', icon: 'mdi:sofa', floor: 'ground', sort: 3, private: true, entity_count: 0, version: 1,
  });
  const at = `/rooms/${id}`;
  const got = await ask('GET', at);
  assert.equal(got.headers.get('etag'), '"v1"');
  assert.deepEqual(got.json.data, made.json.data);

  // A merge patch: what is named changes, null takes away, what stays the same is no new version.
  assert.equal((await ok('PATCH', at, { name: 'Living Room', sort: 3 })).version, 1);
  const less = await ask('PATCH', at, { icon: null, floor: null, sort: null, private: null, description: null });
  assert.equal(less.headers.get('etag'), '"v2"');
  const { icon, floor, sort, private: closed, description, version } = less.json.data;
  assert.deepEqual({ icon, floor, sort, closed, description, version },
    { icon: '', floor: '', sort: 0, closed: false, description: '', version: 2 });
  assert.equal(await refused('PATCH', at, { name: null }), '400 INVALID_REQUEST name');

  // Versions, by field or member.
  assert.equal(await refused('PATCH', at, { name: 'x' }, ...match('"v1"')), '412 PRECONDITION_FAILED');
  assert.equal(await refused('PATCH', at, { name: 'x' }, ...match('W/"v2"')), '412 PRECONDITION_FAILED');
  assert.equal(await refused('PATCH', at, { name: 'x', version: 1 }), '412 PRECONDITION_FAILED');
  assert.equal((await ok('PATCH', at, { name: 'x' }, ...match('"v1", "v2"'))).version, 3);
  assert.equal((await ok('PATCH', at, { name: 'y', version: 3 })).version, 4);
  assert.equal(await refused('DELETE', at, undefined, ...match('"v1"')), '412 PRECONDITION_FAILED');

  // With an entity in it, only by force.
  const { entity_id } = await makeEntity({ room_id: id });
  assert.equal((await ok('GET', at)).entity_count, 1);
  assert.equal(await refused('DELETE', at), '409 CONFLICT');
  assert.equal(await refused('DELETE', `${at}?force=0`), '409 CONFLICT');
  assert.equal(await refused('DELETE', `${at}?force=yes`), '400 INVALID_REQUEST force');
  assert.equal((await ask('DELETE', `${at}?force=1`, undefined, ...match('"v4"'))).status, 204);
  assert.equal((await ok('GET', `/entities/${entity_id}`)).room_id, null);
  for (const call of [['GET', at], ['PATCH', at, { name: 'x' }], ['DELETE', at], ['GET', '/rooms/0'], ['GET', '/rooms/x'],
    ['GET', '/rooms/01'], ['DELETE', '/rooms/9007199254740993']]) {
    assert.equal(await refused(...call), '404 NOT_FOUND', call.join(' '));
  }
  assert.notEqual((await makeRoom()).id, id); // it is never another room's
});

test('bad_members_are_named', async () => {
  const bad = (method, target, rows) => Promise.all(rows.map(async ([body, member]) => {
    assert.equal(await refused(method, target, body), `400 INVALID_REQUEST ${member}`, JSON.stringify(body).slice(0, 100));
  }));
  const { id } = await makeRoom();
  const room = [[{ name: '' }, 'name'], [{ name: 'x'.repeat(101) }, 'name'], [{ name: 'a\u0000b' }, 'name'], [{ name: 'a\nb' }, 'name'],
    [{ name: 7 }, 'name'], [{ description: 'x'.repeat(501) }, 'description'], [{ icon: 'x'.repeat(101) }, 'icon'],
    [{ floor: 'x'.repeat(51) }, 'floor'], [{ sort: 1.5 }, 'sort'], [{ sort: 1e10 }, 'sort'], [{ private: 'yes' }, 'private']];
  await bad('POST', '/rooms', [[{}, 'name'], [{ name: null }, 'name'], ...room.map(([body, m]) => [{ name: 'x', ...body }, m])]);
  await bad('PATCH', `/rooms/${id}`, [...room, [{ version: 0 }, 'version']]);
  const { entity_id } = await makeEntity();
  const entity = [[{ entity_id: 'Light.a' }, 'entity_id'], [{ entity_id: 'light' }, 'entity_id'], [{ entity_id: 'a.b.c' }, 'entity_id'],
    [{ entity_id: 'light._a' }, 'entity_id'], [{ entity_id: `light.${'x'.repeat(123)}` }, 'entity_id'],
    [{ name: 'x'.repeat(101) }, 'name'], [{ room_id: 0 }, 'room_id'], [{ room_id: '1' }, 'room_id'], [{ device_id: 'x' }, 'device_id'],
    [{ capability: 'x'.repeat(101) }, 'capability'], [{ capability: 'heat' }, 'device_id']];
  await bad('POST', '/entities', [[{}, 'entity_id'], ...entity.map(([body, m]) => [{ entity_id: 'light.a', ...body }, m]),
    [{ entity_id: 'light.a', device_id: NOBODY }, 'capability'],
    [{ entity_id: 'light.a', state: 'x'.repeat(256) }, 'state'], [{ entity_id: 'light.a', attributes: [] }, 'attributes']]);
  await bad('PATCH', `/entities/${entity_id}`, [...entity, [{ entity_id: null }, 'entity_id'], [{ name: null }, 'name'],
    [{ name: '' }, 'name']]);
  await bad('POST', `/entities/${entity_id}/state`, [[{}, 'state'], [{ state: null, attributes: null }, 'state'], [{ state: 1 }, 'state'],
    [{ state: 'a\u0007' }, 'state'], [{ attributes: 'x' }, 'attributes'], [{ attributes: { a: '\u0007' } }, 'attributes'],
    [{ attributes: { a: 'x'.repeat(8192) } }, 'attributes']]);
  for (const [query, member] of [['rooms?limit=0', 'limit'], ['rooms?cursor=x', 'cursor'], ['entities?limit=x', 'limit'],
    ['entities?cursor=%20', 'cursor'], ['entities?room_id=all', 'room_id'], ['entities?device_id=x', 'device_id'],
    [`entities/${entity_id}/history?from=x`, 'from'], [`entities/${entity_id}/history?to=x`, 'to'],
    [`entities/${entity_id}/history?from=5&to=5`, 'from'], [`entities/${entity_id}/history?cursor=x`, 'cursor'],
    [`entities/${entity_id}/history?limit=-1`, 'limit']]) {
    assert.equal(await refused('GET', `/${query}`), `400 INVALID_REQUEST ${member}`, query);
  }
});

test('a_body_that_cannot_be_read_is_answered_as_documented', async () => {
  const golden = JSON.parse(readFileSync(path.join(ROOT, 'tests/golden/rest_error.json')));
  for (const body of ['', '{', '{"name":"x"} x', '[]', '7', '{"__proto__":1}', `${'['.repeat(20)}${']'.repeat(20)}`]) {
    const { status, json } = await ask('POST', '/rooms', body, operator, { 'content-type': 'application/json' });
    assert.equal(status, 400, body);
    assert.deepEqual({ success: json.success, error: json.error, timestamp: golden.timestamp }, golden);
    assert.equal(json.code, 'INVALID_REQUEST');
    assert.notEqual(json.detail, json.error); // which says more
  }
});

test('refusals_have_their_shapes', async () => {
  const viewer = await token('viewer');
  const { id } = await makeRoom();
  const { entity_id } = await makeEntity();
  for (const target of ['/rooms', `/rooms/${id}`, '/entities', `/entities/${entity_id}`, `/entities/${entity_id}/history`]) {
    assert.equal((await ask('GET', target, undefined, viewer)).status, 200);
    const none = await ask('GET', target, undefined, null); // the anonymous client has no REST
    assert.deepEqual([none.status, none.json.code, none.headers.get('www-authenticate')], [401, 'UNAUTHENTICATED', 'Bearer']);
    assert.equal(await refused('GET', target, undefined, 'x.y.z'), '401 AUTHENTICATION_FAILED');
  }
  for (const [method, target, body] of [['POST', '/rooms', { name: 'x' }], ['PATCH', `/rooms/${id}`, { name: 'x' }], ['DELETE', `/rooms/${id}`],
    ['POST', '/entities', { entity_id: 'light.a' }], ['PATCH', `/entities/${entity_id}`, { name: 'x' }], ['DELETE', `/entities/${entity_id}`],
    ['POST', `/entities/${entity_id}/state`, { state: 'on' }]]) {
    assert.equal(await refused(method, target, body, viewer), '403 PERMISSION_DENIED', `${method} ${target}`);
    assert.equal(await refused(method, target, body, await token('employee')), '403 PERMISSION_DENIED');
  }
  const wrong = await ask('PUT', `/rooms/${id}`, {});
  assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, 'GET, HEAD, PATCH, DELETE, OPTIONS']);
  assert.equal(await refused('GET', '/rooms/1/2'), '404 NOT_FOUND');
  assert.equal(await refused('POST', '/rooms', 'x', operator, { 'content-type': 'text/plain' }), '415 UNSUPPORTED_MEDIA_TYPE');
  assert.equal(await refused('POST', '/rooms', 'x'.repeat(1_100_000), operator, { 'content-type': 'application/json' }), '413 BODY_TOO_LARGE');
  let last;
  for (let i = 0; i < 40 && last?.status !== 429; i++) { // what is too much comes all at once
    last = (await Promise.all(Array.from({ length: 50 }, () => ask('GET', `/rooms/${id}`, undefined, viewer)))).find((a) => a.status === 429);
  }
  assert.equal(last.json.code, 'RATE_LIMIT_EXCEEDED');
  assert.match(last.headers.get('retry-after'), /^[1-9]\d*$/);
});

test('entities_are_made_found_changed_and_deleted', async () => {
  const room = await makeRoom();
  const made = await ask('POST', '/entities', { entity_id: 'sensor.roof_heat', room_id: room.id, state: '21.5', attributes: { unit: 'C' } });
  assert.equal(made.status, 201, made.text);
  assert.equal(made.headers.get('location'), '/api/v1/entities/sensor.roof_heat');
  assert.equal(made.headers.get('etag'), '"v1"');
  const { created_at, updated_at, last_changed, last_updated, ...shown } = made.json.data;
  assert.deepEqual([updated_at, last_updated], [created_at, last_changed]);
  assert.match(shown.name, /roof heat/i); // of its own
  assert.deepEqual(shown, {
    entity_id: 'sensor.roof_heat', name: shown.name, room_id: room.id, device_id: null, capability: null, state: '21.5', attributes: { unit: 'C' },
    available: true, version: 1, aliases: [],
  });
  assert.equal((await makeEntity()).state, 'unknown');
  assert.equal(await refused('POST', '/entities', { entity_id: 'sensor.roof_heat' }), '409 CONFLICT entity_id');
  assert.equal(await refused('POST', '/entities', { entity_id: 'sensor.b', room_id: 9007199254740992 }), '400 INVALID_REQUEST room_id');

  const at = '/entities/sensor.roof_heat';
  assert.deepEqual((await ok('GET', at)), made.json.data);
  assert.equal(await refused('PATCH', at, { name: 'x' }, ...match('"v9"')), '412 PRECONDITION_FAILED');
  assert.equal(await refused('PATCH', at, { name: 'x', version: 9 }), '412 PRECONDITION_FAILED');
  assert.equal((await ok('PATCH', at, { name: 'Roof' }, ...match('"v1"'))).version, 2);
  assert.equal((await ok('PATCH', at, { name: 'Roof', room_id: room.id })).version, 2);
  assert.equal((await ok('PATCH', at, { room_id: null })).room_id, null);
  assert.equal(await refused('PATCH', at, { room_id: 9007199254740992 }), '400 INVALID_REQUEST room_id');
  await ok('PATCH', at, { room_id: room.id });

  // Renamed: the old name leads to it and is nobody else's; where it is now is said.
  const renamed = await ask('PATCH', at, { entity_id: 'sensor.loft_heat' });
  assert.equal(renamed.status, 200, renamed.text);
  assert.equal(renamed.headers.get('content-location'), '/api/v1/entities/sensor.loft_heat');
  const byAlias = await ask('GET', at);
  assert.deepEqual([byAlias.status, byAlias.json.data.entity_id, byAlias.json.data.aliases], [200, 'sensor.loft_heat', ['sensor.roof_heat']]);
  assert.equal(byAlias.headers.get('content-location'), '/api/v1/entities/sensor.loft_heat');
  assert.equal((await ask('GET', '/entities/sensor.loft_heat')).headers.get('content-location'), null);
  const other = await makeEntity();
  assert.equal(await refused('PATCH', `/entities/${other.entity_id}`, { entity_id: 'sensor.loft_heat' }), '409 CONFLICT entity_id');
  // A state that is set by the old name is its state.
  const set = await ask('POST', `${at}/state`, { state: '22' });
  assert.deepEqual([set.status, set.json.data.entity_id], [200, 'sensor.loft_heat']);

  const found = async (query) => (await ok('GET', `/entities?${query}`)).map((e) => e.entity_id);
  assert.deepEqual(await found(`room_id=${room.id}`), ['sensor.loft_heat']);
  assert.deepEqual(await found('domain=sensor'), ['sensor.loft_heat']);
  assert.deepEqual(await found('state=22'), ['sensor.loft_heat']);
  assert.deepEqual(await found('q=ROOF'), ['sensor.loft_heat']);
  assert.deepEqual(await found('q=loft'), ['sensor.loft_heat']);
  assert.deepEqual(await found(`room_id=${room.id}&domain=light`), []);
  assert.deepEqual(await found(`device_id=${NOBODY}`), []);
  assert.ok((await found('room_id=none&limit=200')).includes(other.entity_id));
  assert.ok(!(await found('room_id=none&limit=200')).includes('sensor.loft_heat'));

  // Who may change what had a name before may give the name to another.
  const taken = await ok('PATCH', `/entities/${other.entity_id}`, { entity_id: 'sensor.roof_heat' });
  assert.deepEqual(await ok('GET', at), taken);
  const now = '/entities/sensor.loft_heat';
  assert.deepEqual((await ok('GET', now)).aliases, []);

  assert.equal(await refused('DELETE', now, undefined, ...match('"v1"')), '412 PRECONDITION_FAILED');
  assert.equal((await ask('DELETE', now)).status, 204);
  assert.equal((await ask('DELETE', `/entities/${other.entity_id}`)).status, 204); // by an alias
  for (const gone of ['sensor.loft_heat', 'sensor.roof_heat', other.entity_id, 'nothing', '%20', 'sensor.%E2%82%AC']) {
    assert.equal(await refused('GET', `/entities/${gone}`), '404 NOT_FOUND', gone);
  }
  assert.equal(await refused('GET', '/entities/sensor.loft_heat/history'), '404 NOT_FOUND');
  assert.equal((await ok('GET', `/rooms/${room.id}`)).entity_count, 0);
});

test('states_are_set_and_remembered', async () => {
  const id = `switch.s${++names}`;
  const first = await ask('POST', `/entities/${id}/state`, { state: 'off', attributes: { a: 1, b: { c: [2] } } });
  assert.deepEqual([first.status, first.headers.get('location'), first.json.data.room_id], [201, `/api/v1/entities/${id}`, null]);
  assert.equal(await refused('POST', '/entities/Not%20one/state', { state: 'on' }), '400 INVALID_REQUEST entity_id');
  const again = await ask('POST', `/entities/${id}/state`, { attributes: { b: 3 } });
  assert.deepEqual([again.status, again.json.data.state, again.json.data.attributes], [200, 'off', { b: 3 }]); // the full set
  const longest = '\u00e9'.repeat(255);
  assert.equal((await say(id, longest)).state, longest);
  assert.equal((await say(id, 'on')).version, first.json.data.version); // states are none of its versions
  assert.equal((await ask('GET', `/entities/${id}`)).headers.get('etag'), first.headers.get('etag'));
  const at = `/entities/${id}/history`;
  const all = await ok('GET', at);
  assert.deepEqual(all.map((row) => row.state), ['off', 'off', longest, 'on']);
  assert.deepEqual(all[1].attributes, { b: 3 });
  const me = (await server.get('/api/v1/auth/me', { token: operator })).json.data.id;
  assert.ok(all.every((row) => row.changed_by === me), JSON.stringify(all[0]));

  // Many changes: pages of them, each once, in their order; by an earlier name, too.
  for (let i = 0; i < 60; i++) await say(id, `n${i}`);
  await ok('PATCH', `/entities/${id}`, { entity_id: `${id}_new` });
  const { all: paged, count } = await pages(at, 7);
  assert.deepEqual(paged.map((row) => row.state).slice(4), Array.from({ length: 60 }, (_, i) => `n${i}`));
  assert.equal(count, Math.ceil(64 / 7));
  assert.deepEqual((await pages(`/entities/${id}_new/history`, 200)).all, paged);
  // What held at `from` comes first; what is at `to` does not.
  const later = new Date(Date.now() + 1000).toISOString();
  assert.deepEqual((await ok('GET', `${at}?from=${later}&to=${Date.now() + 5000}`)).map((row) => row.state), ['n59']);
  assert.deepEqual(await ok('GET', `${at}?from=1&to=2`), []);
  // Setting what it is already is no change.
  const same = await ok('GET', `/entities/${id}`);
  assert.deepEqual(await say(id, 'n59', { b: 3 }), same);
  assert.equal((await pages(at, 200)).all.length, 64);
});

test('lists_come_page_by_page', async () => {
  const crowd = await Promise.all(Array.from({ length: 8 }, () => token('operator')));
  const before = { rooms: (await pages('/rooms', 200)).all.length, entities: (await pages('/entities', 200)).all.length };
  const floor = `floor ${++names}`;
  const jobs = Array.from({ length: 205 }, (_, i) => i);
  await Promise.all(crowd.map(async (as) => {
    for (let i = jobs.pop(); i !== undefined; i = jobs.pop()) {
      await ok('POST', '/rooms', { name: `R ${i % 50}`, sort: i % 3, floor }, as);
      await ok('POST', `/entities/fan.f${i}/state`, { state: `s${i % 2}` }, as);
    }
  }));
  const key = (r) => [r.sort, r.name, r.id];
  const inOrder = (a, b) => a[0] - b[0] || (a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : a[2] - b[2]);
  for (const limit of [40, 200]) {
    const rooms = await pages('/rooms', limit);
    assert.equal(rooms.all.length, before.rooms + 205);
    assert.equal(rooms.count, Math.ceil(rooms.all.length / limit));
    const keys = rooms.all.map(key);
    assert.deepEqual(keys, keys.toSorted(inOrder));
    assert.equal(new Set(rooms.all.map((r) => r.id)).size, rooms.all.length);
    const entities = await pages('/entities', limit);
    assert.equal(entities.all.length, before.entities + 205);
    const ids = entities.all.map((e) => e.entity_id);
    assert.deepEqual(ids, [...new Set(ids)].sort());
  }
  assert.equal((await ok('GET', '/rooms')).length, 50);
  assert.equal((await ok('GET', '/rooms?limit=1000')).length, 200);
  assert.equal((await pages(`/rooms?floor=${encodeURIComponent(floor)}&q=r 4`, 9)).all.length, [4, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49]
    .reduce((n, x) => n + Math.ceil((205 - x) / 50), 0));
  assert.equal((await pages('/entities?domain=fan&state=s1', 30)).all.length, 102);
  // Where a page ended may be gone when the next one is asked for.
  const page = await ask('GET', `/rooms?floor=${encodeURIComponent(floor)}&limit=3`);
  await ok('DELETE', `/rooms/${page.json.data[2].id}`);
  const rest = await pages(`/rooms?floor=${encodeURIComponent(floor)}`, 200);
  const next = await ask('GET', `/rooms?floor=${encodeURIComponent(floor)}&limit=1&cursor=${page.json.next_cursor}`);
  assert.deepEqual(next.json.data[0], rest.all[2]);

  // And there is an end to them: home_rooms_max.
  let full;
  for (let i = 0; i < 60 && full === undefined; i++) {
    const one = await ask('POST', '/rooms', { name: 'one more' }, crowd[i % 8]);
    if (one.status !== 201) full = one;
  }
  assert.deepEqual([full?.status, full?.json.code], [429, 'RATE_LIMIT_EXCEEDED']);
  assert.match(full.headers.get('retry-after'), /^[1-9]\d*$/);
  await ok('DELETE', `/rooms/${next.json.data[0].id}`);
  await makeRoom();
  // Room for the tests that follow.
  await Promise.all(rest.all.slice(3, 60).map((r, i) => ok('DELETE', `/rooms/${r.id}`, undefined, crowd[i % 8])));
});

test('a_device_stands_behind_an_entity_for_whom_may_both', async () => {
  const device = await server.addDevice('boiler');
  const other = await server.addDevice('pump');
  const id = `climate.c${++names}`;
  const at = `/entities/${id}`;
  const made = await ok('POST', '/entities', { entity_id: id, device_id: device.id, capability: 'heat' });
  assert.deepEqual([made.device_id, made.capability, made.available, made.state], [device.id, 'heat', false, 'unavailable']);
  assert.equal(await refused('POST', '/entities', { entity_id: 'climate.other', device_id: NOBODY, capability: 'heat' }), '404 DEVICE_NOT_FOUND device_id');
  assert.equal(await refused('POST', '/entities', { entity_id: 'climate.other', device_id: device.id, capability: 'heat' }), '409 CONFLICT capability');
  assert.equal(await refused('POST', `${at}/state`, { state: '7' }), '409 CONFLICT entity_id'); // its device says that
  assert.deepEqual((await ok('GET', `/entities?device_id=${device.id}`)).map((e) => e.entity_id), [id]);
  // A merge patch of one keeps the other; null of one is null of both.
  const backing = async (body, ...more) => {
    const { device_id, capability } = await ok('PATCH', at, body, ...more);
    return [device_id, capability];
  };
  assert.deepEqual(await backing({ capability: 'flow' }), [device.id, 'flow']);
  assert.deepEqual(await backing({ device_id: other.id }), [other.id, 'flow']);
  assert.deepEqual(await backing({ name: 'x' }), [other.id, 'flow']);
  assert.equal(await refused('PATCH', at, { capability: 'x' }, ...match('"v1"')), '412 PRECONDITION_FAILED');
  assert.equal(await refused('PATCH', at, { capability: 'x', version: 1 }), '412 PRECONDITION_FAILED');
  assert.equal(await refused('PATCH', at, { device_id: null, capability: 'x' }), '400 INVALID_REQUEST device_id');
  assert.equal(await refused('PATCH', at, { device_id: other.id, capability: null }), '400 INVALID_REQUEST capability');
  assert.deepEqual(await backing({ capability: null }), [null, null]);
  assert.equal(await refused('PATCH', at, { device_id: other.id }), '400 INVALID_REQUEST capability');
  assert.deepEqual(await backing({ device_id: device.id, capability: 'heat' }), [device.id, 'heat']);
  assert.deepEqual(await backing({ device_id: null }), [null, null]);
  assert.equal((await say(id, 'eco')).state, 'eco');
  // Many at once: none of them is refused for a version that it did not name.
  await ok('PATCH', at, { device_id: device.id, capability: 'heat' });
  await Promise.all(['a', 'b', 'c'].map((capability) => ok('PATCH', at, { capability })));
});

/** People with these roles in that room, from the next start on: {id, token} each. */
async function people(room, ...roles) {
  const users = roles.map((role) => ({ id: randomUUID(), role, scope: { kind: 'home_room', id: String(room) } }));
  await server.stop();
  storeUsers(server.dataDir, users);
  server = await startServer({ flags: FLAGS, dataDir: server.dataDir });
  return Promise.all(users.map(async ({ id }) => ({ id, token: await server.cli('token', '--sub', id, '--kind', 'user') })));
}

test('a_role_in_one_room_reaches_that_room_only', async () => {
  const [mine, theirs] = [await makeRoom({ private: true }), await makeRoom()];
  const inMine = await makeEntity({ room_id: mine.id });
  const inTheirs = await makeEntity({ room_id: theirs.id });
  const inNone = await makeEntity();
  const [olga, vera, seeing] = await people(mine.id, 'operator', 'viewer', 'operator');
  const as = (method, target, body) => ask(method, target, body, olga.token);
  const refusedTo = (who, ...call) => refused(...call, ...(call.length === 2 ? [undefined] : []), who.token);

  // Both see the room, private as it is, and what is in it: nothing else is there for them.
  for (const who of [olga, vera]) {
    assert.deepEqual((await ok('GET', '/rooms', undefined, who.token)).map((r) => r.id), [mine.id]);
    assert.deepEqual((await ok('GET', '/entities', undefined, who.token)).map((e) => e.entity_id), [inMine.entity_id]);
    assert.deepEqual(await ok('GET', `/entities?room_id=${theirs.id}`, undefined, who.token), []);
    assert.deepEqual(await ok('GET', '/entities?room_id=none', undefined, who.token), []);
    assert.equal((await ask('GET', `/entities/${inMine.entity_id}/history`, undefined, who.token)).status, 200);
    for (const hidden of [`/rooms/${theirs.id}`, `/entities/${inTheirs.entity_id}`, `/entities/${inNone.entity_id}`,
      `/entities/${inTheirs.entity_id}/history`]) {
      assert.equal(await refusedTo(who, 'GET', hidden), '404 NOT_FOUND', hidden);
    }
  }
  // One changes it, the other may not.
  assert.equal((await as('PATCH', `/rooms/${mine.id}`, { name: 'Study' })).status, 200);
  assert.equal((await as('POST', `/entities/${inMine.entity_id}/state`, { state: 'on' })).status, 200);
  assert.equal((await as('PATCH', `/entities/${inMine.entity_id}`, { name: 'Lamp' })).status, 200);
  const own = `light.own${++names}`;
  assert.equal((await as('POST', '/entities', { entity_id: own, room_id: mine.id })).status, 201);
  for (const [method, target, body] of [['PATCH', `/rooms/${mine.id}`, { name: 'x' }], ['DELETE', `/rooms/${mine.id}`],
    ['POST', '/entities', { entity_id: 'light.x', room_id: mine.id }], ['PATCH', `/entities/${own}`, { name: 'x' }],
    ['POST', `/entities/${own}/state`, { state: 'on' }], ['DELETE', `/entities/${own}`]]) {
    assert.equal(await refusedTo(vera, method, target, body), '403 PERMISSION_DENIED', `${method} ${target}`);
  }
  for (const [method, target, body] of [['PATCH', `/rooms/${theirs.id}`, { name: 'x' }], ['DELETE', `/rooms/${theirs.id}?force=1`],
    ['PATCH', `/entities/${inTheirs.entity_id}`, { name: 'x' }], ['POST', `/entities/${inTheirs.entity_id}/state`, { state: 'x' }],
    ['DELETE', `/entities/${inNone.entity_id}`]]) {
    assert.equal(await refusedTo(olga, method, target, body), '404 NOT_FOUND', `${method} ${target}`);
  }
  assert.equal(await refusedTo(olga, 'PATCH', `/entities/${own}`, { room_id: theirs.id }), '400 INVALID_REQUEST room_id');
  // Neither makes rooms, nor entities elsewhere, nor takes them out of the room.
  assert.equal(await refusedTo(olga, 'POST', '/rooms', { name: 'x' }), '403 PERMISSION_DENIED');
  for (const [method, target, body] of [['POST', '/entities', { entity_id: 'light.y' }], ['POST', '/entities/light.y/state', { state: 'on' }],
    ['PATCH', `/entities/${own}`, { room_id: null }]]) {
    assert.equal(await refusedTo(olga, method, target, body), '403 PERMISSION_DENIED', `${method} ${target}`);
  }
  // A device that she may not read and command is not hers by way of an entity.
  const device = await server.addDevice('safe');
  const through = { device_id: device.id, capability: 'door' };
  assert.equal(await refusedTo(olga, 'PATCH', `/entities/${own}`, through), '404 DEVICE_NOT_FOUND');
  assert.equal(await refusedTo(olga, 'POST', '/entities', { entity_id: 'lock.safe', room_id: mine.id, ...through }), '404 DEVICE_NOT_FOUND');
  await ok('PATCH', `/entities/${own}`, through);
  assert.equal(await refusedTo(olga, 'PATCH', `/entities/${own}`, { capability: 'alarm' }), '404 DEVICE_NOT_FOUND');
  assert.equal((await as('PATCH', `/entities/${own}`, { name: 'Safe' })).status, 200);
  await server.cli('token', '--sub', seeing.id, '--kind', 'user', '--role', 'viewer'); // of everything, besides
  assert.equal(await refusedTo(seeing, 'PATCH', `/entities/${own}`, { capability: 'alarm' }), '403 PERMISSION_DENIED');

  // What moves away is not seen any more; what the room was goes with it.
  await ok('PATCH', `/entities/${inMine.entity_id}`, { room_id: theirs.id });
  assert.equal(await refusedTo(olga, 'GET', `/entities/${inMine.entity_id}`), '404 NOT_FOUND');
  await ok('DELETE', `/rooms/${mine.id}?force=1`);
  await until('the role to end', async () => (await ask('GET', '/rooms', undefined, vera.token)).status === 403);
  assert.equal(await refusedTo(olga, 'GET', `/entities/${own}`), '403 PERMISSION_DENIED');
});

test('what_was_answered_is_there_after_a_crash', async () => {
  const room = await makeRoom({ floor: 'last', private: true });
  const { entity_id } = await makeEntity({ room_id: room.id, name: 'Kept', attributes: { a: 1 } });
  await ok('PATCH', `/entities/${entity_id}`, { entity_id: `${entity_id}_b` });
  const kept = await say(`${entity_id}_b`, 'on', { a: 2 });
  const past = await ok('GET', `/entities/${entity_id}/history`);
  const dropped = await makeEntity();
  assert.equal((await ask('DELETE', `/entities/${dropped.entity_id}`)).status, 204);
  const rooms = (await pages('/rooms', 200)).all;
  await server.crash();
  server = await startServer({ flags: FLAGS, dataDir: server.dataDir });
  assert.deepEqual(await ok('GET', `/entities/${entity_id}`), kept);
  assert.deepEqual(await ok('GET', `/entities/${entity_id}/history`), past);
  assert.deepEqual((await pages('/rooms', 200)).all, rooms);
  assert.equal(await refused('GET', `/entities/${dropped.entity_id}`), '404 NOT_FOUND');
  // Its numbers go on.
  assert.ok((await makeRoom()).id > Math.max(...rooms.map((r) => r.id)));
});
