// /api/openapi.json and /api/asyncapi.json: valid by the specifications' own schemas, complete by
// the pages made from the same tables, and true: what the server answers fits what they say.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import test, { after, before } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import asyncSpecs from '@asyncapi/specs';
import Ajv from 'ajv';
import Ajv2020 from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { io } from 'socket.io-client';
import { device as connectDevice, viewer as connectViewer } from './lib/monitor.mjs';
import { PATIENCE, ROOT, startServer, within } from './lib/server.mjs';

let server;
let token;
let password;
let openapi;
let asyncapi;
let answers; // ajv with the whole document, for answers and bodies

const pointer = (...parts) => parts
  .map((p) => encodeURIComponent(String(p).replaceAll('~', '~0').replaceAll('/', '~1')))
  .join('/');

before(async () => {
  server = await startServer();
  password = server.log.match(/"password":"([^"]+)"/)[1];
  const signedIn = await server.post('/api/v1/auth/login', { username: 'admin', password });
  token = signedIn.json.data.access_token;
  openapi = (await server.get('/api/openapi.json')).json;
  asyncapi = (await server.get('/api/asyncapi.json')).json;
  answers = new Ajv2020({ strict: false, allErrors: true });
  formats.default(answers);
  answers.addSchema(openapi, 'openapi');
});
after(() => server?.stop());

/** The operation of a documented path for a real one. */
function operation(method, target) {
  const real = target.split('?')[0].split('/');
  const fits = (wanted) => {
    const parts = wanted.split('/');
    return parts.length === real.length && parts.every((p, i) => p.startsWith('{') || p === real[i]);
  };
  const known = Object.keys(openapi.paths).filter(fits).sort((a, b) => a.split('{').length - b.split('{').length);
  assert.ok(known.length > 0, `${target} is not documented`);
  const found = known.find((p) => openapi.paths[p][method.toLowerCase()]);
  assert.ok(found, `${method} ${target} is not documented`);
  return { template: found, op: openapi.paths[found][method.toLowerCase()] };
}

/** Asks, and holds the answer to the document. */
async function ask(method, target, options = {}) {
  const answer = await server.request(method, target, { token, ...options });
  const { template, op } = operation(method, target);
  const at = `openapi#/paths/${pointer(template)}/${method.toLowerCase()}`;
  const type = (answer.headers.get('content-type') ?? '').split(';')[0];
  let ref;
  if (op.responses[answer.status] === undefined) {
    assert.ok(answer.status >= 400, `${method} ${target}: ${answer.status} is not documented`);
    ref = `openapi#/components/responses/other/content/${pointer(type)}/schema`;
  } else if (op.responses[answer.status].$ref) {
    ref = `openapi${op.responses[answer.status].$ref}/content/${pointer(type)}/schema`;
  } else {
    ref = `${at}/responses/${answer.status}/content/${pointer(type)}/schema`;
  }
  if (answer.text === '') {
    assert.equal(op.responses[answer.status]?.content, undefined, `${target} has no body`);
  } else if (answer.json !== undefined) {
    const fits = answers.getSchema(ref);
    assert.ok(fits, `${method} ${target} ${answer.status} ${type} has no schema at ${ref}`);
    assert.ok(fits(answer.json), `${method} ${target}: ${answer.text}\n${JSON.stringify(fits.errors, null, 1)}`);
  }
  if (options.body !== undefined && answer.status < 400) { // what was accepted is documented
    const fits = answers.getSchema(`${at}/requestBody/content/${pointer('application/json')}/schema`);
    assert.ok(fits(options.body), JSON.stringify(fits.errors));
  }
  return answer;
}

test('both_documents_are_public_and_kept_by_their_etag', async () => {
  for (const target of ['/api/openapi.json', '/api/asyncapi.json']) {
    const first = await server.get(target);
    assert.equal(first.status, 200);
    assert.match(first.headers.get('content-type'), /^application\/json/);
    const etag = first.headers.get('etag');
    const again = await server.get(target, { headers: { 'if-none-match': etag } });
    assert.equal(again.status, 304);
    assert.equal(again.text, '');
  }
});

test('openapi_is_valid_by_the_specification', async () => {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(structuredClone(openapi));
  assert.ok(valid, JSON.stringify(errors, null, 1));
  assert.equal(validator.version, '3.1');
  // Every shape that is named is there, and is a schema.
  const text = JSON.stringify(openapi);
  for (const [, name] of text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)) {
    assert.ok(openapi.components.schemas[name], name);
  }
  for (const name of Object.keys(openapi.components.schemas)) {
    assert.ok(answers.getSchema(`openapi#/components/schemas/${name}`), name);
  }
});

test('asyncapi_is_valid_by_the_specification', () => {
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  const validate = ajv.compile(asyncSpecs.default?.schemasWithoutId?.['3.0.0']
    ?? asyncSpecs.schemasWithoutId['3.0.0']);
  assert.ok(validate(asyncapi), JSON.stringify(validate.errors?.slice(0, 5), null, 1));
  const resolve = (ref) => ref.slice(2).split('/').reduce((o, key) => o?.[key], asyncapi);
  for (const [, ref] of JSON.stringify(asyncapi).matchAll(/"\$ref":"([^"]+)"/g)) {
    assert.ok(resolve(ref), ref);
  }
});

/** Cells of the rows of a page's tables whose first cell is code. */
function rows(page, section) {
  const text = readFileSync(path.join(ROOT, 'docs', page), 'utf8');
  const part = section === undefined ? text : text.split(/^## /m).find((p) => p.startsWith(section));
  return part.split('\n').filter((l) => l.startsWith('| ')).slice(2)
    .map((l) => l.split(' | ').map((c) => c.replace(/^\| |[`|]/g, '').trim()));
}

test('every_event_of_the_table_is_a_message_and_an_operation', () => {
  const wireOf = { client: 'socketio', device: 'socketio', provisioner: 'socketio', robot: 'socketio', viewer: 'monitor', host: 'monitor',
    home: 'home', stream: 'stream' };
  let count = 0;
  for (const [section, action] of [['What peers say', 'receive'], ['What the server says', 'send']]) {
    for (const [name, peers] of rows('EVENTS.md', section)) {
      for (const wire of new Set(peers.split(', ').map((p) => wireOf[p]))) {
        const id = Object.keys(asyncapi.operations).find((key) => {
          const op = asyncapi.operations[key];
          return op.action === action && op.channel.$ref === `#/channels/${wire}`
            && asyncapi.components.messages[key].name === name;
        });
        assert.ok(id, `${name} ${action} on ${wire}`);
        assert.ok(asyncapi.channels[wire].messages[id]);
        count++;
      }
    }
  }
  assert.ok(count >= Object.keys(asyncapi.operations).length - 2, `${count} of the page`);
});

test('every_route_of_the_table_is_an_operation', () => {
  const methods = rows('ROUTES.md');
  for (const [method, route] of methods) {
    const verb = method.split(' ')[0].toLowerCase();
    const plain = route.replaceAll(/\{\w+\}/g, '{}').replace('*', '{}');
    const known = Object.entries(openapi.paths)
      .find(([p, item]) => p.replaceAll(/\{\w+\}/g, '{}') === plain && item[verb]);
    assert.ok(known, `${method} ${route}`);
  }
  const operations = Object.values(openapi.paths).flatMap((item) => Object.values(item));
  assert.equal(operations.length, methods.length);
  assert.equal(new Set(operations.map((op) => op.operationId)).size, operations.length);
});

test('answers_and_bodies_of_the_house_are_as_documented', async () => {
  const room = await ask('POST', '/api/v1/rooms', {
    body: { name: 'Hall', description: 'd', icon: 'i', floor: 'ground', sort: -1, private: true },
  });
  assert.equal(room.status, 201, room.text);
  const at = `/api/v1/rooms/${room.json.data.id}`;
  assert.equal((await ask('GET', '/api/v1/rooms?floor=ground&q=h&limit=1')).json.data.length, 1);
  assert.equal((await ask('GET', at)).status, 200);
  assert.equal((await ask('PATCH', at, { body: { floor: null, sort: 2, version: 1 } })).status, 200);
  assert.equal((await ask('PATCH', at, { body: { name: '' } })).status, 400);
  assert.equal((await ask('PATCH', at, { body: { name: 'x' }, headers: { 'if-match': '"v1"' } })).status, 412);
  const { id } = await server.addDevice('behind');
  const backed = { entity_id: 'climate.hall', name: 'c', room_id: room.json.data.id, device_id: id, capability: 'heat' };
  assert.equal((await ask('POST', '/api/v1/entities', { body: backed })).status, 201);
  const plain = { entity_id: 'light.hall', state: 'off', attributes: { brightness: 5 } };
  assert.equal((await ask('POST', '/api/v1/entities', { body: plain })).status, 201);
  assert.equal((await ask('POST', '/api/v1/entities', { body: plain })).status, 409);
  const light = '/api/v1/entities/light.hall';
  assert.equal((await ask('PATCH', light, { body: { entity_id: 'light.entry', room_id: 1, name: 'l', version: 1 } })).status, 200);
  assert.equal((await ask('PATCH', light, { body: { room_id: null } })).status, 200);
  assert.deepEqual((await ask('GET', light)).json.data.aliases, ['light.hall']);
  assert.equal((await ask('GET', `/api/v1/entities?domain=light&q=l&state=off&room_id=none&limit=1`)).json.data.length, 1);
  assert.equal((await ask('GET', `/api/v1/entities?device_id=${id}`)).json.data.length, 1);
  assert.equal((await ask('POST', `${light}/state`, { body: { state: 'on', attributes: {} } })).status, 200);
  assert.equal((await ask('POST', '/api/v1/entities/light.other/state', { body: { state: 'on' } })).status, 201);
  assert.equal((await ask('GET', `${light}/history?from=1&limit=1`)).json.data.length, 1);
  assert.equal((await ask('DELETE', at)).status, 409);
  assert.equal((await ask('DELETE', `${at}?force=1`)).status, 204);
  assert.equal((await ask('GET', at)).status, 404);
  assert.equal((await ask('DELETE', light)).status, 204);
});

test('answers_and_bodies_are_as_documented', async () => {
  for (const target of ['/health/live', '/health/ready', '/health']) {
    assert.equal((await ask('GET', target)).status, 200);
  }
  await ask('GET', '/api/v1/auth/me');
  const signedIn = await ask('POST', '/api/v1/auth/login', { body: { username: 'admin', password }, token: undefined });
  assert.equal(signedIn.status, 200);
  const { refresh_token } = signedIn.json.data;
  const fresh = await ask('POST', '/api/v1/auth/refresh', { body: { refresh_token }, token: undefined });
  assert.equal(fresh.status, 200);
  const last = { refresh_token: fresh.json.data.refresh_token };
  assert.equal((await ask('POST', '/api/v1/auth/logout', { body: last, token: undefined })).status, 200);
  const cookie = { username: 'admin', password, session: true };
  assert.equal((await ask('POST', '/api/v1/auth/login', { body: cookie, token: undefined })).status, 200);
  assert.equal((await ask('POST', '/api/v1/auth/login', { body: { username: 'admin' }, token: undefined })).status, 400);
  const made = await ask('POST', '/api/v1/devices', {
    body: { name: 'one', type: 'sensor', tags: ['a'], capabilities: ['b'], metadata: { c: 1 }, status: 'active' },
  });
  assert.equal(made.status, 201);
  const { device, key } = made.json.data;
  const at = `/api/v1/devices/${device.id}`;

  const host = await connectDevice(server, key);
  await host.ask('state', { os: 'Linux', hostname: 'h', uptime: 5, interfaces: [{ name: 'lo', addresses: ['::1'] }],
    top_processes: [{ pid: 1, name: 'init', cpu: 1, mem: 1, user: 'root', command: '/sbin/init' }] });
  await host.ask('metrics', { row: true, cpu: 5, memory: { used: 1, total: 2 }, network: { download: 1, upload: 2 },
    top_processes: [{ pid: 1, name: 'init', cpu: 1, mem: 1 }] });

  await ask('GET', at);
  await ask('GET', '/api/v1/devices?limit=1&status=active');
  assert.equal((await ask('GET', '/api/v1/devices?limit=0')).status, 400);
  await ask('PATCH', at, { body: { name: 'two', tags: [] } });
  assert.equal((await ask('PATCH', at, { body: { name: 'x'.repeat(101) } })).status, 400);
  assert.equal((await ask('PATCH', at, { body: { name: 'x' }, headers: { 'if-match': '"v1"' } })).status, 412);
  for (const rest of ['metrics', 'metrics?agg=max&points=5', 'state', 'processes', 'viewers', 'connections', 'credentials']) {
    assert.equal((await ask('GET', `${at}/${rest}`)).status, 200, rest);
  }
  const measured = { timestamp: new Date(Date.now() - 1000).toISOString(), sensorType: 'heat', value: 1.5, unit: 'C', metadata: { a: 1 }, sampleId: 's' };
  for (const body of [measured, [measured, { ...measured, sampleId: 't', value: 2 }, { ...measured, value: 1e9 }]]) {
    assert.equal((await ask('POST', `${at}/telemetry`, { body, token: key })).status, 200);
  }
  assert.equal((await ask('POST', `${at}/telemetry`, { body: [{}], token: key })).status, 422);
  for (const rest of ['', '?limit=1', '?points=5', '?agg=max&sensor=heat', '/latest']) {
    const shown = await ask('GET', `${at}/telemetry${rest}`);
    assert.equal(shown.status, 200, rest);
    assert.ok(shown.json.data.length > 0, rest);
  }
  assert.equal((await ask('GET', `${at}/telemetry?points=0`)).status, 400);
  await ask('PATCH', `${at}/state`, { body: { hostname: 'h2' }, token: key });
  const order = { command: 'blink', parameters: [1], timeoutMs: 5000, queue: true, expiresAt: Date.now() + 60_000, expectResponse: true };
  const begun = await ask('POST', `${at}/commands`, { body: { ...order, requestId: 'r', timestamp: Date.now() } });
  assert.equal(begun.status, 202, begun.text);
  await host.ask('command:response', { requestId: 'r', status: 'success', result: { done: true } });
  const repeated = await ask('POST', `${at}/commands?wait=5`, { body: { ...order, requestId: 'r' } });
  assert.equal(repeated.status, 200, repeated.text);
  assert.equal((await ask('POST', `${at}/commands`, { body: { ...order, requestId: 'r', command: 'other' } })).status, 400);
  assert.equal((await ask('GET', `${at}/commands?status=executed&limit=5`)).json.data.length, 1);
  assert.equal((await ask('GET', `${at}/commands/${begun.json.data.commandId}?wait=1`)).json.data.phase, 'done');
  const hanging = await ask('POST', `${at}/commands?wait=0.01`, { body: { command: 'hang' }, headers: { 'idempotency-key': 'one' } });
  assert.equal(hanging.status, 202);
  const cancel = `${at}/commands/${hanging.json.data.commandId}/cancel`;
  assert.equal((await ask('POST', cancel)).status, 200);
  assert.equal((await ask('POST', cancel)).status, 409);
  const away = (await ask('POST', '/api/v1/devices', { body: { name: 'away' } })).json.data.device.id;
  assert.equal((await ask('POST', `/api/v1/devices/${away}/commands`, { body: { command: 'x' } })).status, 502);
  assert.equal((await ask('GET', `${at}/config`)).status, 200);
  for (const body of [{ desired: { a: { b: 1 } }, version: 0 }, { a: null }]) {
    assert.equal((await ask('PATCH', `${at}/config`, { body })).status, 200);
  }
  assert.equal((await ask('PATCH', `${at}/config`, { body: { desired: 7 } })).status, 400);
  assert.equal((await ask('PATCH', `${at}/config`, { body: {}, headers: { 'if-match': '"v1"' } })).status, 412);
  assert.equal((await ask('GET', at)).json.data.config.desiredVersion, 2);
  const credential = await ask('POST', `${at}/credentials`, { body: { name: 'second' } });
  assert.equal(credential.status, 201);
  assert.equal((await ask('DELETE', `${at}/credentials/${credential.json.data.id}`)).status, 204);
  const provision = await ask('POST', '/api/v1/provisioning-keys', { body: { name: 'p', uses: 2, expires_in_s: 600 } });
  assert.equal(provision.status, 201);
  const enrolled = await ask('POST', '/api/v1/devices/register', { body: { name: 'three' }, token: provision.json.data.key });
  assert.equal(enrolled.status, 201);
  await ask('POST', '/api/v1/auth/device', { body: { key: enrolled.json.data.key }, token: undefined });
  await ask('GET', '/api/v1/provisioning-keys');
  assert.equal((await ask('DELETE', `/api/v1/provisioning-keys/${provision.json.data.id}`)).status, 204);
  await ask('POST', `${at}/disable`);
  await ask('POST', `${at}/enable`);
  await ask('GET', '/api/v1/audit?limit=5');
  assert.equal((await ask('POST', '/api/v1/emit', { body: { event: 'hello', data: { a: 1 }, clients: true } })).status, 200);
  assert.equal((await ask('POST', '/api/v1/emit', {
    body: [{ event: 'one', room: 'r', volatile: true }, { event: 'two', rooms: ['a', 'b'], except: ['c'], args: [1] }],
    headers: { 'idempotency-key': 'documented' },
  })).status, 200);
  await ask('POST', '/api/v1/emit', { body: { room: 'no event' } });
  const socket = io(server.url, { auth: { token }, transports: ['websocket'], forceNew: true, reconnection: false });
  await within(10_000 * PATIENCE, 'connect', new Promise((resolve) => socket.once('connect', resolve)));
  await ask('POST', '/api/v1/sockets/join', { body: { sid: socket.id, rooms: ['documented'] } });
  assert.equal((await ask('GET', '/api/v1/sockets/rooms')).json.data.length, 1);
  assert.equal((await ask('GET', '/api/v1/sockets/rooms/documented/members')).json.data.length, 1);
  await ask('POST', '/api/v1/sockets/leave', { body: { sid: socket.id, rooms: ['documented'] } });
  const [mine] = (await ask('GET', '/api/v1/connections')).json.data;
  assert.equal(mine.socketId, socket.id);
  assert.equal((await ask('GET', '/api/v1/connections/stats')).json.data.total, 1);
  assert.equal((await ask('GET', '/api/v1/connections?wire=x')).status, 400);
  assert.equal((await ask('DELETE', '/api/v1/connections/none')).status, 404);
  await ask('POST', '/api/v1/sockets/disconnect', { body: { sid: 'x'.repeat(20), close: true } });
  assert.equal((await ask('DELETE', `/api/v1/connections/${socket.id}`)).status, 204);
  assert.equal((await ask('DELETE', at)).status, 204);
  assert.equal((await ask('GET', at)).status, 404);
  assert.equal((await ask('GET', '/api/v1/devices', { token: 'nothing' })).status, 401);
  assert.equal((await ask('POST', '/api/v1/devices', { body: 'no json', headers: { 'content-type': 'text/plain' } })).status, 415);
  host.ws.close();
});

test('documented_examples_fit_the_documents', () => {
  const fits = messages();
  const dir = path.join(ROOT, 'tests/golden');
  const golden = (file) => JSON.parse(readFileSync(path.join(dir, file), 'utf8'));
  const frames = readdirSync(dir).filter((file) => file.startsWith('monitor_'));
  assert.ok(frames.length >= 12);
  for (const file of frames) {
    const frame = golden(file);
    fits(`monitor_out_${frame.type.replaceAll(/[:-]/g, '_')}`, frame);
  }
  for (const name of ['connection', 'pong', 'heartbeat', 'room_created', 'room_updated',
    'room_deleted', 'entity_state_changed', 'system_status', 'ping', 'subscribe_room',
    'unsubscribe_room']) {
    const { timestamp, ...frame } = golden(`home_${name}.json`);
    const way = timestamp === undefined ? 'in' : 'out';
    fits(`home_${way}_${frame.type}`, way === 'in' ? frame : { ...frame, timestamp });
  }
  const said = readdirSync(dir).filter((file) => file.startsWith('chat_'));
  assert.ok(said.length >= 21);
  for (const file of said) {
    const envelope = golden(file);
    fits(`socketio_out_${envelope.event.replaceAll(':', '_')}`, envelope);
  }
  const problem = answers.getSchema('openapi#/components/schemas/problem');
  assert.ok(problem(golden('rest_problem.json')), JSON.stringify(problem.errors));
  assert.ok(openapi.components.schemas.error_code.enum.includes(golden('rest_problem.json').code));
});

/** ajv that knows the messages of asyncapi.json. */
function messages() {
  const ajv = new Ajv({ strict: false, allErrors: true });
  formats.default(ajv);
  ajv.addSchema(asyncapi, 'asyncapi');
  return (id, payload) => {
    const fits = ajv.getSchema(`asyncapi#/components/messages/${id}/payload`);
    assert.ok(fits, `${id} is not documented`);
    assert.ok(fits(payload), `${id} ${JSON.stringify(payload)}\n${JSON.stringify(fits.errors, null, 1)}`);
  };
}

test('events_and_acks_of_socketio_are_as_documented', async () => {
  const fits = messages();
  const seen = new Set();
  const connect = async (credential) => {
    const socket = io(server.url, { auth: { token: credential }, transports: ['websocket'], forceNew: true, reconnection: false });
    socket.onAny((name, data) => {
      fits(`socketio_out_${name.replaceAll(/[:-]/g, '_')}`, data);
      seen.add(name);
    });
    await within(10_000 * PATIENCE, 'connect', new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('connect_error', reject);
    }));
    return socket;
  };
  const call = async (socket, name, data, suffix = '') => {
    const id = `socketio_in_${name.replaceAll(/[:-]/g, '_')}${suffix}`;
    const ack = await socket.timeout(10_000 * PATIENCE).emitWithAck(name, data);
    fits(`${id}_ack`, ack);
    if (ack.ok) fits(id, data);
    assert.equal(asyncapi.operations[id].reply.messages[0].$ref, `#/channels/socketio/messages/${id}_ack`);
    return ack;
  };
  const watcher = await connect(token);
  const heard = (name) => within(10_000 * PATIENCE, name, new Promise((resolve) => watcher.once(name, resolve)));
  await call(watcher, 'device:subscribe', {});
  const created = heard('device:created');
  const made = await server.post('/api/v1/provisioning-keys', { uses: 1 }, { token });
  const fresh = await connect(made.json.data.key);
  const enrolled = await call(fresh, 'device:register', { name: 'from a box', capabilities: ['a'] }, '_PROVISIONER');
  assert.equal((await created).id, enrolled.device.id);
  const connected = heard('device:connected');
  const device = await connect(enrolled.key);
  await connected;
  await call(device, 'device:register', { deviceId: enrolled.device.id, capabilities: ['b'] }, '_DEVICE');
  await server.request('PATCH', `/api/v1/devices/${enrolled.device.id}/config`, { token, body: { desired: { a: 1 } } });
  const behind = await call(device, 'device:register', {}, '_DEVICE');
  assert.equal(behind.config.version, 1);
  await call(device, 'config:report', { version: 1, reported: { a: 1 } });
  await call(device, 'config:report', { version: 2, reported: {} });
  await call(device, 'device:heartbeat', { timestamp: Date.now() });
  const told = within(10_000 * PATIENCE, 'device:command', new Promise((resolve) => {
    device.once('device:command', (command, acknowledge) => {
      acknowledge({ ok: true });
      resolve(command);
    });
  }));
  const done = within(10_000 * PATIENCE, 'done', new Promise((resolve) => {
    watcher.on('command:result', (r) => r.phase === 'done' && resolve(r));
  }));
  const order = { deviceId: enrolled.device.id, command: 'x', requestId: 'r', timestamp: Date.now(), parameters: {}, queue: true };
  await call(watcher, 'device:command', order);
  assert.equal((await told).requestId, 'r');
  await call(device, 'command:response', { requestId: 'r', status: 'success', result: [1], timestamp: Date.now() });
  await done;
  await call(device, 'command:response', { requestId: 'unheard of', status: 'error', error: { code: 'a', message: 'b' } });
  await call(watcher, 'device:command', { ...order, requestId: 7 });
  const sample = { timestamp: Date.now(), sensorType: 't', value: 1, unit: 'C', sampleId: 'a', metadata: {} };
  await call(device, 'telemetry:data', sample);
  await call(device, 'telemetry:data', [sample, { ...sample, value: 2, sampleId: 'b' }]);
  fits('socketio_in_telemetry_data_ack', await device.timeout(10_000 * PATIENCE).emitWithAck('telemetry:data', [sample, {}, 7]));
  await call(device, 'telemetry:data', { value: 'x' });
  await call(device, 'device:subscribe', { deviceId: 'nobody' });
  const updated = heard('device:status-changed');
  await server.request('PATCH', `/api/v1/devices/${enrolled.device.id}`, { token, body: { status: 'maintenance' } });
  await updated;
  watcher.emit('device:subscribe', 7);
  await heard('error');
  const deleted = heard('device:deleted');
  await server.request('DELETE', `/api/v1/devices/${enrolled.device.id}`, { token });
  await deleted;
  await call(watcher, 'device:unsubscribe', {});
  for (const name of ['recovery:ready', 'device:config-update', 'device:created', 'device:connected', 'device:updated', 'device:status-changed', 'device:deleted', 'device:command', 'command:result', 'error']) {
    assert.ok(seen.has(name), name);
  }
  for (const socket of [watcher, fresh, device]) socket.disconnect();
});

test('events_and_acks_of_chat_are_as_documented', async () => {
  const fits = messages();
  const seen = new Set();
  const connect = async (sub) => {
    const credential = await server.cli('token', '--sub', sub, '--role', 'employee');
    const socket = io(server.url, { auth: { token: credential }, transports: ['websocket'], forceNew: true, reconnection: false });
    socket.onAny((name, data) => {
      fits(`socketio_out_${name.replaceAll(/[:-]/g, '_')}`, data);
      if (name === 'chat:message:received' && data.requestId !== undefined) seen.add('a result');
      seen.add(name);
    });
    await within(10_000 * PATIENCE, 'connect', new Promise((resolve) => socket.once('connect', resolve)));
    return socket;
  };
  const call = async (socket, event, data, requestId = 'r') => {
    const id = `socketio_in_${event.replaceAll(/[:-]/g, '_')}`;
    const argument = { event, data, requestId, version: '1.0' };
    const ack = await socket.timeout(10_000 * PATIENCE).emitWithAck(event, argument);
    fits(`${id}_ack`, ack);
    if (ack.ok) {
      fits(id, argument);
      fits(id, data);
    }
    return ack;
  };
  const [ann, ben] = [await connect('ann-documents'), await connect('ben-documents')];
  const { room } = await call(ann, 'chat:room:create', { name: 'documents', type: 'public', settings: {} });
  const roomId = room.id;
  const { member } = await call(ben, 'chat:room:join', { roomId, since: 0 });
  assert.equal(member.userType, 'employee');
  const { messageId } = await call(ann, 'chat:message:send', { roomId, type: 'chat', content: 'x', clientId: 'c', metadata: {} });
  await call(ben, 'chat:message:delivered', { roomId, seq: 1 });
  await call(ben, 'chat:message:read', { roomId, seq: 1 });
  await call(ben, 'chat:typing:start', { roomId });
  await call(ben, 'chat:typing:stop', { roomId });
  await call(ben, 'chat:reaction:set', { messageId, emoji: '!', on: true });
  await call(ann, 'chat:message:edit', { messageId, content: { y: 1 } });
  await call(ann, 'chat:message:delete', { messageId });
  await call(ben, 'chat:room:leave', { roomId });
  assert.equal((await call(ben, 'chat:room:join', { roomId: messageId })).ok, false);
  ben.emit('chat:room:join', 7);
  const all = ['chat:room:created', 'chat:room:joined', 'chat:message:received', 'a result', 'chat:message:updated',
    'chat:message:status', 'chat:message:receipt', 'chat:user:typing', 'chat:room:left', 'chat:error'];
  for (let i = 0; i < 500 && !all.every((name) => seen.has(name)); i++) await new Promise((resolve) => setTimeout(resolve, 20));
  for (const name of all) assert.ok(seen.has(name), name);
  for (const socket of [ann, ben]) socket.disconnect();
});

test('frames_of_monitor_are_as_documented', async () => {
  const fits = messages();
  const { id, key } = await server.addDevice('framed');
  const host = await connectDevice(server, key);
  const viewer = await connectViewer(server, id, [], { token });
  const channels = ['system-info', 'processes', 'history', 'network-interfaces', 'metrics', 'events'];
  const begun = viewer.messages.length;
  viewer.send({ type: 'subscribe', channels });
  viewer.send({ type: 'ping' });
  await host.ask('state', { os: 'Linux', hostname: 'h', uptime: 5, interfaces: [{ name: 'lo' }],
    top_processes: [{ pid: 1, name: 'init', cpu: 1, mem: 1 }] });
  await host.ask('metrics', { row: true, cpu: 5, memory: { used: 1, total: 2 } });
  await host.ask('metrics', { cpu: 5, memory: { used: 1, total: 2 } });
  const samples = [{ timestamp: Date.now(), sensorType: 't', value: 1, unit: 'C' }];
  fits('monitor_in_telemetry', { type: 'telemetry', id: 1, data: samples });
  fits('monitor_in_telemetry', { type: 'telemetry', data: samples[0] });
  await host.ask('telemetry', samples);
  host.send({ type: 'telemetry', id: 'seen', data: [...samples, {}] });
  host.send({ type: 'telemetry', data: {} });
  const sent = await server.post(`/api/v1/devices/${id}/commands`, { command: 'x', requestId: 'r' }, { token });
  assert.equal(sent.status, 202, sent.text);
  const { id: number } = await host.first('device:command');
  for (const frame of [{ type: 'ack', data: { id: number, ok: true } }, { type: 'ack', data: { id: 99, ok: false, error: { code: 'a' } } }]) {
    fits('monitor_in_ack', frame);
    host.send(frame);
  }
  const answer = { requestId: 'r', status: 'success', result: 1, timestamp: Date.now() };
  fits('monitor_in_command_response', { type: 'command:response', id: 1, data: answer });
  assert.equal((await host.ask('command:response', answer)).ok, true);
  await viewer.first('command:result', { test: (m) => m.data.phase === 'done' });
  await server.request('PATCH', `/api/v1/devices/${id}/config`, { token, body: { desired: { a: 1 } } });
  const register = { type: 'register', id: 'behind', data: { capabilities: ['a'] } };
  const report = { type: 'config:report', id: 'report', data: { version: 1, reported: {} } };
  for (const frame of [register, report]) {
    fits(`monitor_in_${frame.type.replaceAll(/[:-]/g, '_')}`, frame);
    host.send(frame);
    await host.first('ack', { test: (m) => m.data.id === frame.id && m.data.ok });
  }
  await server.request('PATCH', `/api/v1/devices/${id}`, { token, body: { name: 'other' } });
  await host.first('ack', { test: (m) => m.data.id === 'seen' });
  await viewer.next('device:updated', { from: begun });
  await viewer.next('metrics', { from: begun });
  await viewer.next('system-info', { from: begun });
  host.send({ type: 'no such thing' });
  await host.next('error', { from: 0 });
  const seen = new Set();
  for (const message of [...viewer.messages, ...host.messages]) {
    const { heard, ...frame } = message;
    fits(`monitor_out_${frame.type.replaceAll(/[:-]/g, '_')}`, frame);
    seen.add(frame.type);
  }
  for (const type of ['connected', 'device:config-update', 'pong', 'system-info', 'metrics', 'device:updated', 'device:command', 'command:result', 'error']) {
    assert.ok(seen.has(type), type);
  }
  viewer.ws.close();
  host.ws.close();
});
