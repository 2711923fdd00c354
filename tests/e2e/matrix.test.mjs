// Who may do what, on every wire: each event and route of the server's own documents against every
// role in every scope, compared with docs/PERMISSIONS.md. What the tables gain is tried by itself:
// nothing here names an event or a route.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import { House, home } from './lib/home.mjs';
import { connect, refusal } from './lib/monitor.mjs';
import {
  ROLES, can, canSomewhere, instance, newSecret, storeUsers, tokenOf,
} from './lib/rights.mjs';
import { PATIENCE, startServer, within } from './lib/server.mjs';
import { Wire } from './lib/socketio.mjs';

const WAIT_MS_MAX = 20_000 * PATIENCE;
const REFUSALS = ['PERMISSION_DENIED', 'UNAUTHENTICATED', 'AUTHENTICATION_FAILED',
  'DEVICE_NOT_FOUND', 'SUBSCRIPTION_FAILED', 'AUTH_FAILED'];
const PEERS = [
  ['client', /^people, guests and services/], ['robot', /^a robot/], ['device', /^a device in the namespace/],
  ['provisioner', /provisioning key/], ['viewer', /^who watches/], ['host', /^the device itself/],
  ['home', /^a client of \/ws/],
];

const peersOf = (message) => message['x-peers'].map((text) => {
  const known = PEERS.find(([, pattern]) => pattern.test(text));
  assert.ok(known, `a peer that this test does not know: ${text}`);
  return known[0];
});

/** Work for many, some at a time; what it returns, flat. */
async function crowd(items, width, work) {
  const left = [...items];
  const out = [];
  await Promise.all(Array.from({ length: width }, async () => {
    while (left.length > 0) out.push(...await work(left.shift()));
  }));
  return out;
}

describe('rights', () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
  const secret = newSecret();
  const flags = ['--handshakes-per-s', '1000000', '--connections-per-address-max', '10000',
    '--connections-per-principal-max', '1000'];
  let server;
  let target; // the device that is asked about
  let other;
  let group; // of the target, when there are groups
  let rooms; // of the house, one of them private; roles are bound to each
  let people;
  let openapi;
  let asyncapi;

  before(async () => {
    const env = { SIGNALBOX_JWT_SECRET: secret };
    server = await startServer({ env, flags });
    target = await server.addDevice('target');
    other = await server.addDevice('other');
    const admin = await server.cli('token', '--sub', 'root', '--role', 'admin');
    openapi = (await server.get('/api/openapi.json')).json;
    asyncapi = (await server.get('/api/asyncapi.json')).json;
    const made = await server.post('/api/v1/provisioning-keys', { uses: 1000 }, { token: admin });
    const scopes = [{ kind: 'global' }, { kind: 'device', id: target.id },
      { kind: 'device', id: other.id }];
    if (openapi.paths['/api/v1/groups'] !== undefined) {
      for (const device of [target, other]) {
        const created = await server.post('/api/v1/groups', { name: `of ${device.id}` },
          { token: admin });
        assert.equal(created.status, 201, created.text);
        const { id } = created.json.data;
        group ??= id;
        const joined = await server.request('PUT', `/api/v1/groups/${id}/devices/${device.id}`,
          { token: admin });
        assert.ok(joined.status < 300, joined.text);
        scopes.push({ kind: 'device_group', id, devices: [device.id] });
      }
    }
    const house = new House(server, admin);
    rooms = [await house.room('open'), await house.room('hidden', { private: true })];
    for (const room of rooms) {
      await house.entity(`lamp.${room.name}`, { room_id: room.id, state: 'on' });
      scopes.push({ kind: 'home_room', id: String(room.id) });
    }
    await house.entity('lamp.nowhere', { state: 'on' });
    await server.stop();
    const users = [{ id: randomUUID() }, ...ROLES.flatMap((role) =>
      scopes.map((scope) => ({ id: randomUUID(), role, scope })))];
    storeUsers(server.dataDir, users);
    server = await startServer({ env, flags, dataDir: server.dataDir });
    people = [
      ...users.map((user) => ({ ...user, kind: 'user', token: tokenOf(user.id, secret) })),
      { kind: 'device', id: target.id, token: target.key },
      { kind: 'device', id: other.id, token: other.key },
      { kind: 'provisioner', token: made.json.data.key },
      { kind: 'anonymous' },
    ];
  });
  after(() => {
    agent.destroy();
    return server.stop();
  });

  const name = (who) => {
    const scope = who.scope && `${who.scope.kind} ${who.scope.id ?? ''}`
      .replace(target.id, 'target').replace(other.id, 'other');
    return who.role ? `${who.role} (${scope})` : `${who.kind} ${who.id === target.id ? 'itself' : ''}`;
  };

  /** A request that nobody could carry out: its body is no JSON, where one is asked for or not. Whoever
   * asks for more than 100 routes in a second of one loop has to wait, as the answer says. */
  async function ask(method, pathname, token) {
    let answer = await once(method, pathname, token);
    while (answer.status === 429) {
      await new Promise((resolve) => setTimeout(resolve, 1000 * answer.retryAfter));
      answer = await once(method, pathname, token);
    }
    return answer;
  }

  function once(method, pathname, token) {
    return within(WAIT_MS_MAX, `${method} ${pathname}`, new Promise((resolve, reject) => {
      const body = '{';
      const req = http.request({ agent, host: server.host, port: server.port, path: pathname,
        method, headers: { 'content-type': 'application/json', 'content-length': body.length,
          ...(token ? { authorization: `Bearer ${token}` } : {}) } }, (res) => {
        let text = '';
        res.setEncoding('utf8');
        res.on('data', (d) => (text += d));
        if (res.headers['content-type']?.includes('event-stream')) res.destroy();
        res.on('close', () => {
          const json = res.headers['content-type']?.includes('problem') ? JSON.parse(text) : {};
          resolve({ status: res.statusCode, code: json.code, retryAfter: Number(res.headers['retry-after']) });
        });
      });
      req.on('error', reject);
      req.end(body);
    }));
  }

  const HOUSE = /^\/api\/v1\/(rooms|entities|scenes|websocket)\b/;
  // A role for devices means nothing in the house: it is refused, or sees nothing (below).
  const isElsewhere = (who) => who.role !== undefined &&
    !['global', 'home_room'].includes(who.scope.kind);

  function routeAllows(who, operation) {
    const permission = operation['x-permission'];
    const websocket = operation['x-websocket'];
    switch (operation['x-scope']) {
      case 'global':
        return who.kind !== 'anonymous' && can(who, permission, {});
      case 'any':
        return (who.kind !== 'anonymous' || websocket === true) && canSomewhere(who, permission);
      case 'device':
        return (who.kind !== 'anonymous' || websocket === true) &&
          can(who, permission, { device: target.id });
      case 'group':
        return who.kind !== 'anonymous' && can(who, permission, { group });
      case 'global, or this machine':
        return who.kind === 'anonymous' || can(who, permission, {});
      default: // any principal, where one is asked for at all
        return operation.security?.length === 0 ||
          !['anonymous', 'provisioner'].includes(who.kind);
    }
  }

  it('every_route_is_open_to_whom_the_table_names_and_to_nobody_else', async (t) => {
    const operations = Object.entries(openapi.paths).flatMap(([pattern, methods]) =>
      Object.entries(methods).filter(([, operation]) => operation['x-permission'])
        .map(([method, operation]) => ({ pattern, method: method.toUpperCase(), operation })));
    assert.ok(operations.length > 30);
    let tried = 0;
    const wrong = await crowd(people, 8, async (who) => {
      const found = [];
      for (const { pattern, method, operation } of operations) {
        const carriedOut = method === 'DELETE' && pattern.match(/\{/g)?.length === 1 &&
          operation['x-scope'] === 'device' && routeAllows(who, operation);
        if (carriedOut && who.scope.kind !== 'global') continue; // the last test does that
        let first = true;
        const device = carriedOut ? await server.addDevice('spare') : target;
        const pathname = pattern.replace(/\{([^}]*)\}/g, (_, parameter) => {
          const named = { device: device.id, group }[operation['x-scope']];
          const { schema } = operation.parameters.find((p) => p.name === parameter);
          const nobodys = schema.type === 'integer' ? schema.maximum : randomUUID();
          const value = first && named !== undefined ? named : nobodys;
          first = false;
          return value;
        });
        const { status, code } = await ask(method, pathname, who.token);
        const hidden = operation['x-scope'] === 'group' && code === 'NOT_FOUND';
        const allowed = code === 'ROOM_ACCESS_DENIED' || // it has the right, and that room is nobody's
          (!REFUSALS.includes(code) && !hidden && status !== 401 && status !== 403);
        tried += 1;
        if (status === 403 && HOUSE.test(pattern) && isElsewhere(who)) continue;
        if (allowed !== routeAllows(who, operation)) {
          found.push(`${name(who)}: ${method} ${pattern}: ${status} ${code}`);
        }
        assert.ok(status >= 400 || method === 'GET' || carriedOut, `${method} ${pathname}: ${status}`);
      }
      return found;
    });
    t.diagnostic(`${tried} requests of ${people.length} principals`);
    assert.deepEqual(wrong, []);
  });

  // What is asked for where the path names one object, and what a change changes: nothing, or it is
  // of a version that nobody has.
  const houseBody = (method, pattern) => (
    method === 'GET' || method === 'DELETE' ? undefined
      : pattern.endsWith('/state') ? { state: 'on' } : {}
  );

  /** The status that the tables and CONTRACT 4 demand of a route about something in a room. */
  function houseStatus(who, permission, room) {
    if (who.kind === 'anonymous') return 401;
    if (!canSomewhere(who, permission)) return 403;
    const scope = room === null ? {} : { room: room.id };
    if (can(who, permission, scope)) return 200;
    return can(who, 'home:room:read', scope) ? 403 : 404;
  }

  it('every_route_about_one_room_or_entity_is_open_by_the_room', async (t) => {
    const operations = Object.entries(openapi.paths).flatMap(([pattern, methods]) =>
      Object.entries(methods).filter(([, operation]) => HOUSE.test(pattern) &&
        /\{(room_id|entity)/.test(pattern) && operation['x-permission'])
        .map(([method, operation]) => ({ pattern, method: method.toUpperCase(), operation })));
    assert.ok(operations.length >= 8, operations.map((o) => o.pattern).join());
    let tried = 0;
    const wrong = await crowd(people, 8, async (who) => {
      const found = [];
      for (const { pattern, method, operation } of operations) {
        for (const room of [...rooms, ...pattern.includes('{room') ? [] : [null]]) {
          const target_ = pattern.replace(/\{room_id\}/, room?.id)
            .replace(/\{entity[^}]*\}/, `lamp.${room?.name ?? 'nowhere'}`)
            .replace(/\{[^}]*\}/, 'turn_on');
          const got = await server.request(method, target_, {
            token: who.token, body: houseBody(method, pattern),
            headers: method === 'DELETE' ? { 'if-match': '"999999"' } : {},
          });
          tried += 1;
          const expected = houseStatus(who, operation['x-permission'], room);
          const good = expected === 200 ? [200, 412].includes(got.status) : got.status === expected;
          if (!good) {
            found.push(`${name(who)}: ${method} ${target_}: ${got.status}, not ${expected}`);
          }
        }
      }
      return found;
    });
    t.diagnostic(`${tried} requests`);
    assert.deepEqual(wrong, []);
  });

  it('lists_of_the_house_show_what_one_may_see_and_no_more', async () => {
    const wrong = await crowd(people, 8, async (who) => {
      const found = [];
      const may = (room) => who.kind !== 'anonymous' &&
        can(who, 'home:room:read', room === null ? {} : { room: room.id });
      const lists = {
        '/api/v1/rooms': [rooms.filter(may).map((r) => r.name), (d) => d.name],
        '/api/v1/entities': [[...rooms, null].filter(may)
          .map((room) => `lamp.${room?.name ?? 'nowhere'}`), (d) => d.entity_id],
      };
      for (const [target_, [expected, nameOf]] of Object.entries(lists)) {
        const got = await server.get(target_, { token: who.token });
        const shown = got.json?.data?.map(nameOf) ?? [];
        if (String(shown.sort()) !== String(expected.sort())) {
          found.push(`${name(who)}: ${target_}: ${got.status} ${shown}, not ${expected}`);
        }
      }
      return found;
    });
    assert.deepEqual(wrong, []);
  });

  it('broadcasts_and_new_entities_need_the_right_for_the_room_that_they_name', async () => {
    const asked = [
      ['/api/v1/websocket/broadcast', 'home:broadcast:write', (room_id) => (
        { type: 'matrix', data: {}, room_id }), [200]],
      ['/api/v1/entities', 'home:entity:write', (room_id) => ( // the name is taken
        { entity_id: 'lamp.nowhere', room_id }), [409]],
    ];
    const refusals = [400, 401, 403, 404]; // 400: `room_id` is no room that one sees
    const wrong = await crowd(people, 8, async (who) => {
      const found = [];
      for (const [target_, permission, body, good] of asked) {
        for (const room of [...rooms, null]) {
          const got = await server.post(target_, body(room?.id), { token: who.token });
          const expected = houseStatus(who, permission, room);
          const allowed = good.includes(got.status);
          if (allowed !== (expected === 200) || (!allowed && !refusals.includes(got.status))) {
            found.push(`${name(who)}: ${target_} of ${room?.name}: ${got.status}, not ${expected}`);
          }
        }
      }
      return found;
    });
    assert.deepEqual(wrong, []);
  });

  const messagesOf = (wire) => Object.values(asyncapi.channels[wire].messages)
    .map(({ $ref }) => asyncapi.components.messages[$ref.split('/').at(-1)])
    .filter((message) => message['x-bytes-max'] !== undefined);

  /** What the peers' rows of one name allow, each row with its own permission. */
  function eventAllows(who, peer, rows) {
    const row = rows.find((message) => peersOf(message).includes(peer));
    if (row === undefined) return false;
    const permission = row['x-permission'];
    if (permission === undefined) return true;
    switch (row['x-scope']) {
      case 'global':
        return can(who, permission, {});
      case 'any':
        return canSomewhere(who, permission);
      case 'its device':
        return can(who, permission, { device: peer === 'viewer' || peer === 'host' ? target.id
          : who.id });
      default:
        return can(who, permission, { device: target.id });
    }
  }

  const VALUES = () => ({ requestId: randomUUID(), timestamp: new Date().toISOString() });

  /** Tries every name of a wire once; `say` sends it and gives the answer {ok, error}. */
  async function tryAll(who, peer, wire, say) {
    const found = [];
    const byName = new Map();
    for (const message of messagesOf(wire)) {
      byName.set(message.name, [...byName.get(message.name) ?? [], message]);
    }
    // One that ends the connection comes last.
    const names = [...byName.keys()].sort((a, b) => /refresh/.test(a) - /refresh/.test(b));
    for (const event of names) {
      const rows = byName.get(event);
      const row = rows.find((message) => peersOf(message).includes(peer)) ?? rows[0];
      const own = peer === 'device' && row['x-scope'] === 'its device';
      const values = { ...VALUES(), deviceId: own ? who.id : target.id };
      const known = peersOf(row).includes(peer);
      const answer = await say(event, instance(row.payload, asyncapi.components, values), known);
      const type = answer.error?.type ?? answer.error?.code ?? answer.error;
      const expected = eventAllows(who, peer, rows);
      const good = known ? REFUSALS.includes(type) !== expected || /refresh/.test(event)
        : answer.ok === false;
      if (!good) {
        found.push(`${name(who)}: ${event} as ${peer}: ${JSON.stringify(answer).slice(0, 200)}`);
      }
    }
    return found;
  }

  it('every_event_of_socketio_is_open_to_whom_the_table_names_and_to_nobody_else', async () => {
    const wrong = await crowd(people, 8, async (who) => {
      const wire = await Wire.open(server);
      const joined = await wire.connect('/', { token: who.token });
      if (who.kind === 'anonymous') {
        assert.equal(joined.type, 4);
        return [];
      }
      assert.equal(joined.type, 0, JSON.stringify(joined));
      const peer = who.kind === 'user' ? 'client' : who.kind;
      let id = 0;
      const found = await tryAll(who, peer, 'socketio', (event, payload) =>
        within(WAIT_MS_MAX, event, wire.ask('/', id += 1, event, payload)));
      wire.ws.terminate();
      return found;
    });
    assert.deepEqual(wrong, []);
  });

  it('every_frame_of_the_raw_wire_is_open_to_whom_the_table_names_and_to_nobody_else', async () => {
    const answered = new Set(Object.entries(asyncapi.operations)
      .filter(([, operation]) => operation.channel.$ref === '#/channels/monitor' &&
        operation.reply !== undefined)
      .map(([id]) => asyncapi.components.messages[id].name));
    const watchers = people.filter((who) => who.id !== target.id &&
      can(who, 'monitor:host:read', { device: target.id }));
    assert.ok(watchers.length > 3);
    const wrong = await crowd([...watchers, people.find((who) => who.id === target.id)], 8,
      async (who) => {
        const peer = who.kind === 'device' ? 'host' : 'viewer';
        const wire = await connect(server, `/api/v1/devices/${target.id}/ws`,
          { token: who.token });
        const obeyed = []; // of those that are none of this peer's
        const found = await tryAll(who, peer, 'monitor', async (type, frame, known) => {
          const answer = wire.ask(type, frame.data);
          if (!known) { // nobody has to answer them
            answer.then((ack) => ack?.ok && obeyed.push(`${name(who)}: ${type} as ${peer}`));
            return { ok: false };
          }
          if (answered.has(type)) return await answer ?? { ok: false }; // it was closed
          // What comes behind it shows that nothing was said.
          const pong = wire.next('pong').then(() => ({ ok: true }), () => ({ ok: false }));
          if (type !== 'ping') wire.send({ type: 'ping' });
          return Promise.race([answer, pong]);
        });
        found.push(...obeyed);
        wire.ws.terminate();
        return found;
      });
    assert.deepEqual(wrong, []);
  });

  it('every_frame_of_the_home_wire_is_open_to_whom_the_table_names_and_to_nobody_else', async () => {
    const permission = 'home:room:read';
    const inside = people.filter((who) => canSomewhere(who, permission) && !isElsewhere(who));
    const outside = people.filter((who) => !inside.includes(who));
    const refused = await crowd(outside, 8, async (who) => [
      await refusal(server, '/ws', { token: who.token })]);
    assert.deepEqual(new Set(refused), new Set([403]));
    const wrong = await crowd(inside, 8,
      async (who) => {
        const client = await home(server, { token: who.token });
        const found = [];
        for (const room of rooms) {
          const sees = who.kind === 'anonymous' ? !room.private
            : can(who, permission, { room: room.id });
          for (const { name: type, payload } of messagesOf('home')) {
            const { data } = instance(payload, asyncapi.components, { room_id: room.id });
            const { ok, error } = await client.ask(type, data);
            const expected = sees || type !== 'subscribe_room' ? undefined : 'not_found';
            if (ok !== (expected === undefined) || error?.code !== expected) {
              found.push(`${name(who)}: ${type} of ${room.name}: ${JSON.stringify(error ?? ok)}`);
            }
          }
        }
        client.ws.terminate();
        return found;
      });
    assert.deepEqual(wrong, []);
  });

  it('nothing_of_this_has_changed_the_device', async () => {
    const admin = people.find((who) => who.role === 'admin' && who.scope.kind === 'global');
    const { json } = await server.get(`/api/v1/devices/${target.id}`, { token: admin.token });
    assert.equal(json.data.name, 'target');
    assert.equal(json.data.status, 'active');
    assert.equal((await server.get(`/api/v1/devices/${other.id}`, { token: admin.token })).status,
      200);
    const scoped = people.find((who) => who.role === 'operator' && who.scope.id === target.id);
    const gone = await server.request('DELETE', `/api/v1/devices/${target.id}`,
      { token: scoped.token });
    assert.equal(gone.status, 204);
  });
});
