// Applications' own events, with the official client and a receiver that is a node program: to
// rooms, to the webhook and back as acks, when it fails, when it is slow, who may come in.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { io } from 'socket.io-client';
import { io as io3 } from 'socket.io-client-3';
import msgpack from 'socket.io-msgpack-parser';
import { authority, certificate } from './lib/certs.mjs';
import { adapted, documented, freePort } from './lib/fronts.mjs';
import { Receiver, SECRET, signature, webhookTo } from './lib/receiver.mjs';
import { PATIENCE, cli, startServer, tempDir, within } from './lib/server.mjs';

const WAIT_MS = 10_000 * PATIENCE;
const NSP = ['--app-namespaces', '/app,/game-*,/fast-*;msgpack'];

const tokenOf = (server, sub = randomUUID(), role = 'viewer') =>
  server.cli('token', '--sub', sub, '--kind', 'user', '--role', role, '--ttl', '1h');

/** Once an event comes: its arguments. */
const heard = (socket, event) =>
  within(WAIT_MS, `event ${event}`, new Promise((resolve) => {
    socket.once(event, (...args) => resolve(args));
  }));

const ask = (socket, ...args) => within(WAIT_MS, `ack of ${args[0]}`, socket.emitWithAck(...args));

/** A client that is not connected yet. */
async function client(t, server, nsp, { auth = {}, make = io, ...options } = {}) {
  const socket = make(server.url + nsp, {
    auth: { token: await tokenOf(server), ...auth },
    transports: ['websocket'],
    forceNew: true,
    autoConnect: false,
    ...options,
  });
  t.after(() => socket.disconnect());
  return socket;
}

/** A client that is connected. */
async function connected(t, server, nsp, options) {
  const socket = await client(t, server, nsp, options);
  const done = within(WAIT_MS, `connection to ${nsp}`, new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('connect_error', reject);
  }));
  socket.connect();
  await done;
  return socket;
}

async function refused(t, server, nsp, options) {
  const socket = await client(t, server, nsp, options);
  const error = heard(socket, 'connect_error');
  socket.connect();
  return (await error)[0];
}

async function started(t, options) {
  const server = await startServer(options);
  t.after(() => server.stop());
  return server;
}

async function receiving(t, answer) {
  const receiver = await new Receiver(answer).listen();
  t.after(() => receiver.close());
  return receiver;
}

/** A sample of /metrics. */
async function metric(server, name) {
  const { text } = await server.get('/metrics');
  const line = text.split('\n').find((l) => l.startsWith(`signalbox_${name} `));
  return line === undefined ? 0 : Number(line.split(' ').pop());
}

test('unknown_events_are_refused_by_default', async (t) => {
  const server = await started(t, { flags: NSP });
  for (const nsp of ['/', '/app', '/game-7']) {
    const socket = await connected(t, server, nsp);
    const answer = await ask(socket, 'order', { item: 1 });
    assert.equal(answer.ok, false);
    assert.equal(answer.error.type, 'INVALID_MESSAGE_FORMAT');
    const error = heard(socket, 'error');
    socket.emit('order', { item: 1 });
    assert.equal((await error)[0].type, 'INVALID_MESSAGE_FORMAT');
  }
  assert.equal((await refused(t, server, '/other')).message, 'Invalid namespace');
  assert.equal((await refused(t, server, '/game-a/b')).message, 'Invalid namespace');
  assert.equal((await refused(t, server, '/app', { auth: { token: 'x' } })).data.type, 'AUTHENTICATION_FAILED');
  const admin = await tokenOf(server, randomUUID(), 'admin');
  const { json } = await server.post('/api/v1/provisioning-keys', { uses: 1 }, { token: admin });
  const { message } = await refused(t, server, '/app', { auth: { token: json.data.key } });
  assert.equal(message, 'A provisioning key only registers devices');
});

test('an_event_becomes_a_signed_post_and_its_answer_the_ack', async (t) => {
  const receiver = await receiving(t, ({ body }) => ({
    status: body.event === 'made' ? 201 : body.event === 'nothing' ? 204 : 200,
    body: { list: ['a', { b: 1 }], value: { ok: 'yes' }, text: '"plain"', made: 7 }[body.event] ?? '',
  }));
  const server = await started(t, webhookTo(receiver, NSP));
  const sub = randomUUID();
  const token = await tokenOf(server, sub, 'operator');
  const me = (await server.get('/api/v1/auth/me', { token })).json.data;
  for (const nsp of ['/', '/app']) {
    receiver.calls.length = 0;
    const socket = await connected(t, server, nsp, { auth: { token } });
    const acked = (...args) => within(WAIT_MS, 'ack', new Promise((resolve) => {
      socket.emit(...args, (...answer) => resolve(answer));
    }));
    assert.deepEqual(await acked('list', 1, 'two', { three: [null, true] }), ['a', { b: 1 }]);
    assert.deepEqual(await acked('value'), [{ ok: 'yes' }]);
    assert.deepEqual(await acked('text'), ['plain']);
    assert.deepEqual(await acked('made'), [7]);
    assert.deepEqual(await acked('nothing'), []);
    const [call] = receiver.calls;
    assert.deepEqual(call.body.args, [1, 'two', { three: [null, true] }]);
    assert.equal(call.body.event, 'list');
    assert.equal(call.body.namespace, nsp);
    assert.equal(call.body.sid, socket.id);
    assert.equal(call.body.principal, me.id ?? me.principal?.id);
    assert.equal(call.body.kind, 'user');
    assert.deepEqual(call.body.roles, ['operator']);
    assert.deepEqual(call.body.rooms, []);
    assert.deepEqual(call.body.attachments, []);
    assert.equal(call.body.ack, true);
    assert.ok(Math.abs(Date.parse(call.body.timestamp) - Date.now()) < 600_000);
    assert.equal(call.headers['x-signalbox-delivery'], call.body.id);
    assert.equal(new Set(receiver.calls.map((c) => c.body.id)).size, 5);
    assert.match(call.headers['user-agent'], /^signalbox\/\d/);
    assert.equal(call.headers['content-type'], 'application/json');
    for (const { headers, text } of receiver.calls) {
      const at = Number(headers['x-signalbox-signature'].match(/^t=(\d+),v1=[0-9a-f]{64}$/)[1]);
      assert.ok(Math.abs(at - Date.now() / 1000) < 600);
      assert.equal(headers['x-signalbox-signature'], signature(text, at));
    }
    socket.emit('quiet', 1); // nobody waits; the answer goes nowhere
    await receiver.until((calls) => calls.some((c) => c.event === 'quiet'));
    assert.equal(receiver.of('quiet')[0].body.ack, false);
  }
  assert.equal(new Set(receiver.calls.map((c) => c.port)).size, 1, 'the connection is kept');
  assert.ok(await metric(server, 'webhook_calls_total{result="answered"}') >= 11);
  assert.equal((await server.get('/health')).json.components.webhook.status, 'healthy');
});

test('binary_values_reach_the_receiver', async (t) => {
  const receiver = await receiving(t, ({ body }) => ({ body: [body.attachments.length] }));
  const server = await started(t, webhookTo(receiver));
  const socket = await connected(t, server, '/');
  const bytes = [Buffer.from([0, 1, 2, 255]), Buffer.alloc(20_000, 'x')];
  assert.equal(await ask(socket, 'file', { a: bytes[0] }, bytes[1]), 2);
  const { args, attachments } = receiver.calls[0].body;
  assert.deepEqual(args, [{ a: { _placeholder: true, num: 0 } }, { _placeholder: true, num: 1 }]);
  assert.deepEqual(attachments.map((a) => Buffer.from(a, 'base64')), bytes);
  const tooLong = await ask(socket, 'file', Buffer.alloc(66_000));
  assert.equal(tooLong.error.details.reason, 'larger than app_event_bytes_max');
  assert.equal(await ask(socket, 'file'), 0, 'and the connection goes on');
});

test('names_of_the_server_are_no_application_s', async (t) => {
  const receiver = await receiving(t);
  const server = await started(t, webhookTo(receiver, NSP));
  for (const nsp of ['/', '/app']) {
    const socket = await connected(t, server, nsp);
    for (const event of ['device:made-up', 'telemetry:x', 'command:x', 'config:x', 'chat:x', 'auth:x',
      'error', 'recovery:ready', 'closing', 'gap']) {
      assert.equal((await ask(socket, event, {})).ok, false, event);
    }
  }
  assert.equal(receiver.calls.length, 0);
});

test('a_device_has_events_of_its_own_too_and_a_token_is_refreshed', async (t) => {
  const receiver = await receiving(t, ({ body }) => ({ body: [body.kind, body.principal] }));
  const server = await started(t, webhookTo(receiver, NSP));
  const device = await server.addDevice('lamp');
  for (const nsp of ['/', '/app']) {
    const lamp = await connected(t, server, nsp, { auth: { token: device.key } });
    const answer = new Promise((resolve) => lamp.emit('hi', (...args) => resolve(args)));
    assert.deepEqual(await within(WAIT_MS, 'ack', answer), ['device', device.id]);
  }
  const sub = randomUUID();
  const socket = await connected(t, server, '/app', { auth: { token: await tokenOf(server, sub) } });
  assert.equal((await ask(socket, 'auth:refresh', { token: await tokenOf(server, sub) })).ok, true);
  assert.equal((await ask(socket, 'auth:refresh', {})).error.type, 'INVALID_MESSAGE_FORMAT');
  assert.equal(receiver.calls.length, 2);
  assert.ok(await metric(server, 'messages_total{wire="socketio",direction="in",event="app"}') >= 2);
});

test('what_fails_is_told_as_server_error', async (t) => {
  const bodies = { html: '<html>', deep: '['.repeat(17) + ']'.repeat(17), long: `"${'x'.repeat(2000)}"` };
  const receiver = await receiving(t, ({ event, body }) =>
    (bodies[event] ? { body: bodies[event] } : { status: body.args[0], body: { secret: 'inside' } }));
  const server = await started(t, webhookTo(receiver, [
    '--webhook-breaker-failures', '0', '--webhook-answer-bytes-max', '1000']));
  const socket = await connected(t, server, '/');
  for (const status of [301, 400, 403, 404, 429, 500, 503]) {
    const { ok, error } = await ask(socket, 'status', status);
    assert.equal(ok, false);
    assert.equal(error.type, 'SERVER_ERROR');
    assert.equal(error.details.reason, status < 429 ? 'the application refused' : 'the application failed');
    assert.doesNotMatch(JSON.stringify(error), /inside/);
  }
  for (const event of Object.keys(bodies)) {
    assert.equal((await ask(socket, event)).error.details.reason, 'the application failed', event);
  }
  const error = heard(socket, 'error');
  socket.emit('status', 500);
  assert.equal((await error)[0].type, 'SERVER_ERROR');
  assert.equal(await metric(server, 'webhook_calls_total{result="bad_answer"}'), 2);
  assert.equal(await metric(server, 'webhook_calls_total{result="too_long"}'), 1);
});

test('a_time_out_is_told_and_a_slow_receiver_delays_nobody_else', async (t) => {
  let release;
  const slow = new Promise((resolve) => (release = resolve));
  const receiver = await receiving(t, ({ event }) => (event === 'slow' ? slow.then(() => ({})) : { body: '1' }));
  t.after(() => release());
  const server = await started(t, webhookTo(receiver, [
    '--webhook-timeout-ms', String(1500 * PATIENCE), '--webhook-breaker-failures', '0']));
  const [a, b] = [await connected(t, server, '/'), await connected(t, server, '/')];
  const begin = Date.now();
  const late = Promise.all(Array.from({ length: 10 }, () => ask(a, 'slow')));
  await receiver.until((calls) => calls.length === 10);
  for (let i = 0; i < 10; i++) {
    assert.equal(await ask(b, 'quick'), 1);
    assert.equal(await ask(a, 'quick'), 1);
  }
  assert.equal((await ask(a, 'device:subscribe', {})).ok, true); // nor what needs no receiver
  const answers = await late;
  assert.ok(Date.now() - begin >= 1500 * PATIENCE - 50);
  for (const answer of answers) {
    assert.equal(answer.error.details.reason, 'the application did not answer in time');
  }
});

test('too_many_at_once_are_refused_at_once', async (t) => {
  let release;
  const held = new Promise((resolve) => (release = resolve));
  const receiver = await receiving(t, () => held.then(() => ({ body: '1' })));
  t.after(() => release());
  const server = await started(t, webhookTo(receiver, [
    '--webhook-concurrency-max', '2', '--webhook-queue-max', '3', '--webhook-timeout-ms', '300000']));
  const socket = await connected(t, server, '/');
  const answers = Array.from({ length: 5 }, () => ask(socket, 'a'));
  await receiver.until((calls) => calls.length === 2);
  const busy = await ask(socket, 'a');
  assert.equal(busy.error.details.reason, 'too many events wait for the application');
  assert.equal(await metric(server, 'webhook_active'), 2);
  assert.equal(await metric(server, 'webhook_waiting'), 3);
  release();
  assert.deepEqual(await Promise.all(answers), [1, 1, 1, 1, 1]);
});

test('five_failures_open_the_breaker_and_a_probe_closes_it', async (t) => {
  let status = 500;
  const receiver = await receiving(t, () => ({ status, body: '"fine"' }));
  const server = await started(t, webhookTo(receiver, ['--webhook-breaker-ms', '500']));
  const socket = await connected(t, server, '/');
  for (let i = 0; i < 5; i++) {
    assert.equal((await ask(socket, 'a')).error.details.reason, 'the application failed');
  }
  assert.equal(receiver.calls.length, 5);
  const spared = await ask(socket, 'a');
  if (receiver.calls.length === 5) { // a busy machine may have used up the half second
    assert.equal(spared.error.type, 'SERVER_ERROR');
    assert.match(spared.error.details.reason, /spared/);
    assert.ok(spared.error.details.retryAfterMs > 0 && spared.error.details.retryAfterMs <= 500);
  }
  await server.awaitLine(/"webhook.breaker".*"open"/);
  status = 200;
  let answer;
  const deadline = Date.now() + WAIT_MS;
  do {
    assert.ok(Date.now() < deadline);
    await new Promise((resolve) => setTimeout(resolve, 100));
    answer = await ask(socket, 'a');
  } while (answer !== 'fine');
  await server.awaitLine(/"webhook.breaker".*"closed"/);
  assert.equal((await server.get('/health')).json.components.webhook.status, 'healthy');
  assert.equal(await metric(server, 'webhook_breaker'), 0);
});

test('an_open_breaker_shows_in_health', async (t) => {
  const receiver = await receiving(t, () => ({ status: 503 }));
  const server = await started(t, webhookTo(receiver, ['--webhook-breaker-failures', '1']));
  const socket = await connected(t, server, '/');
  await ask(socket, 'a');
  const { json } = await server.get('/health');
  assert.equal(json.components.webhook.status, 'degraded');
  assert.equal(json.status, 'degraded');
  assert.equal((await server.get('/health/ready')).status, 200);
  assert.equal(await metric(server, 'webhook_breaker'), 1);
});

test('nobody_there_is_told_and_a_restarted_receiver_is_found', async (t) => {
  const receiver = await receiving(t, () => ({ body: '1' }));
  const server = await started(t, webhookTo(receiver, ['--webhook-breaker-failures', '0']));
  const socket = await connected(t, server, '/');
  assert.equal(await ask(socket, 'a'), 1);
  await receiver.close();
  assert.equal((await ask(socket, 'a')).error.details.reason, 'the application cannot be reached');
  await receiver.listen(receiver.port);
  assert.equal(await ask(socket, 'a'), 1);
});

test('a_receiver_s_certificate_is_verified', async (t) => {
  const ca = authority('apps-ca');
  const receiver = new Receiver(() => ({ body: '1' }));
  await receiver.listen(0, certificate(ca, 'apps-receiver'));
  t.after(() => receiver.close());
  const never = ['--webhook-breaker-failures', '0'];
  const trusting = await started(t, webhookTo(receiver, [...never, '--webhook-ca', ca.file]));
  assert.equal(await ask(await connected(t, trusting, '/'), 'a'), 1);
  for (const flags of [never, [...never, '--webhook-ca', authority('apps-other-ca').file]]) {
    const server = await started(t, webhookTo(receiver, flags));
    const socket = await connected(t, server, '/');
    assert.equal((await ask(socket, 'a')).error.details.reason, 'the application cannot be reached');
    await server.awaitLine(/webhook.failed.*certificate/i);
  }
  const wrongName = new Receiver();
  await wrongName.listen(0, certificate(ca, 'apps-elsewhere', { names: ['DNS:app.example'] }));
  t.after(() => wrongName.close());
  const server = await started(t, webhookTo(wrongName, [...never, '--webhook-ca', ca.file]));
  await ask(await connected(t, server, '/'), 'a');
  assert.equal(receiver.calls.length, 1);
  assert.equal(wrongName.calls.length, 0);
});

test('a_client_that_has_gone_and_a_server_that_ends_harm_nobody', async (t) => {
  let release;
  const held = new Promise((resolve) => (release = resolve));
  const receiver = await receiving(t, () => held.then(() => ({ body: '1' })));
  t.after(() => release());
  const server = await startServer(webhookTo(receiver, ['--drain-ms', '500']));
  const gone = await connected(t, server, '/');
  const there = await connected(t, server, '/');
  for (let i = 0; i < 20; i++) gone.emit('a', i);
  for (let i = 0; i < 20; i++) there.emit('a', i);
  await receiver.until((calls) => calls.length === 32);
  gone.disconnect();
  await server.stop(); // orderly, with calls under way and waiting
});

test('settings_change_live', async (t) => {
  const first = await receiving(t, () => ({ body: '"first"' }));
  const second = await receiving(t, () => ({ body: '"second"' }));
  const file = path.join(tempDir('apps'), 'signalbox.conf');
  const write = (text) => writeFileSync(file, `webhook_secret = ${SECRET}\n${text}`);
  write('');
  const server = await started(t, { flags: ['--config', file] });
  const socket = await connected(t, server, '/');
  const reload = async (text) => {
    const before = server.stderr.filter((l) => l.includes('settings.reloaded')).length;
    write(text);
    server.process.kill('SIGHUP');
    await within(WAIT_MS, 'reload', (async () => {
      while (server.stderr.filter((l) => l.includes('settings.reloaded')).length === before) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })());
  };
  assert.equal((await ask(socket, 'a')).error.type, 'INVALID_MESSAGE_FORMAT');
  await reload(`app_events = webhook\napp_webhook_url = ${first.url}\n`);
  assert.equal(await ask(socket, 'a'), 'first');
  await reload(`app_events = webhook\napp_webhook_url = ${second.url}\n`);
  assert.equal(await ask(socket, 'a'), 'second');
  await reload('');
  assert.equal((await ask(socket, 'a')).error.type, 'INVALID_MESSAGE_FORMAT');
});

test('mistakes_in_settings_are_named', async () => {
  for (const [flags, says] of [
    [['--app-namespaces', 'game'], /app_namespaces: "game" does not begin with \//],
    [['--app-events', 'webhook'], /app_events = webhook needs app_webhook_url/],
    [['--app-webhook-url', 'http://example.org/'], /must begin with https/],
    [['--app-webhook-url', 'http://127.0.0.1/'], /app_webhook_url needs webhook_secret/],
    [['--webhook-ca', '/nonexistent'], /webhook_ca: \/nonexistent/],
  ]) {
    const { status, stderr } = await cli(['check-config', ...flags]);
    assert.notEqual(status, 0);
    assert.match(stderr, says);
  }
  const { stderr } = await cli(['check-config', '--webhook-secret', SECRET]);
  assert.match(stderr, /no flag/);
  assert.equal((await cli(['check-config', '--app-events', 'both', '--app-webhook-url', 'https://a.example/'],
    { env: { SIGNALBOX_WEBHOOK_SECRET: SECRET } })).status, 0);
});

test('the_documented_receiver_verifies_signatures', async (t) => {
  const port = await freePort();
  const file = path.join(tempDir('apps'), 'receiver.mjs');
  writeFileSync(file, adapted(documented("Applications' own events", 'js'), [['8080', String(port)]]));
  const child = spawn(process.execPath, [file], { env: { ...process.env, WEBHOOK_SECRET: SECRET }, stdio: 'inherit' });
  t.after(() => child.kill('SIGKILL'));
  const url = `http://127.0.0.1:${port}/`;
  const post = (body, sign) => fetch(url, {
    method: 'POST', body, headers: sign === undefined ? {} : { 'x-signalbox-signature': sign },
  });
  await within(WAIT_MS, 'the receiver', (async () => {
    while (!(await post('{}').catch(() => null))) await new Promise((r) => setTimeout(r, 50));
  })());
  const body = '{"event":"a","args":[]}';
  assert.equal((await post(body, signature(body))).status, 200);
  assert.equal((await post(body)).status, 401);
  assert.equal((await post(body, 'nonsense')).status, 401);
  assert.equal((await post(`${body} `, signature(body))).status, 401);
  assert.equal((await post(body, signature(body, undefined, 'another secret, as long as it is'))).status, 401);
  assert.equal((await post(body, signature(body, Math.floor(Date.now() / 1000) - 400))).status, 401);
  const server = await started(t, webhookTo({ url }));
  const socket = await connected(t, server, '/');
  assert.deepEqual(await ask(socket, 'order', 1, 2), { hello: 'order', args: [1, 2] });
});

// --- rooms, and who comes in ---

/** Lets everybody in, into the rooms that they ask for. */
const doorman = ({ event, body }) =>
  (event === 'connect' ? { body: { rooms: body.auth.rooms ?? [] } } : { body: '"called"' });

const withDoor = (receiver, flags = []) => webhookTo(receiver, [
  ...NSP, '--app-webhook-connect', 'on', ...flags]);

const inRooms = (t, server, rooms, nsp = '/app', options = {}) =>
  connected(t, server, nsp, { ...options, auth: { rooms } });

/** Everything that a socket hears, by name. */
function listening(socket) {
  const all = [];
  socket.onAny((...args) => all.push(args));
  socket.seen = async (event) => {
    const deadline = Date.now() + WAIT_MS;
    while (!all.some(([name]) => name === event)) {
      assert.ok(Date.now() < deadline, `${event} among ${JSON.stringify(all)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return all;
  };
  return socket;
}

const own = (all) => all.filter(([name]) => name !== 'recovery:ready');

test('an_event_goes_once_to_whoever_shares_a_room', async (t) => {
  const receiver = await receiving(t, doorman);
  const server = await started(t, withDoor(receiver, ['--app-events', 'rooms', '--loops', '3']));
  const sender = listening(await inRooms(t, server, ['one', 'two']));
  const both = listening(await inRooms(t, server, ['one', 'two']));
  const second = listening(await inRooms(t, server, ['two']));
  const third = listening(await inRooms(t, server, ['three']));
  const elsewhere = listening(await inRooms(t, server, ['one', 'two'], '/game-1'));
  const none = await inRooms(t, server, []);
  assert.deepEqual(await ask(sender, 'hi', 1, { a: 'b' }), { ok: true });
  const bytes = Buffer.from([0, 1, 2, 255]);
  assert.deepEqual(await ask(sender, 'file', { bytes }, bytes), { ok: true });
  assert.deepEqual(await ask(none, 'hi'), { ok: true });
  for (let i = 0; i < 30; i++) sender.emit('n', i); // in order
  sender.emit('end');
  const expected = [
    ['hi', 1, { a: 'b' }], ['file', { bytes }, bytes],
    ...Array.from({ length: 30 }, (_, i) => ['n', i]), ['end'],
  ];
  for (const socket of [both, second]) {
    const got = own(await socket.seen('end'));
    // what is live carries the offset of recovery behind its own arguments
    assert.deepEqual(got.map((args) => (args.length > expected[0].length + 9 ? args : args.slice(0, -1))), expected);
    assert.ok(got.every((args) => typeof args.at(-1) === 'string'));
  }
  // What they emit themselves comes after what they would have heard.
  await ask(third, 'mark');
  for (const socket of [third, elsewhere]) {
    const other = await inRooms(t, server, [socket === third ? 'three' : 'one'], socket === third ? '/app' : '/game-1');
    await ask(other, 'mark');
    assert.deepEqual(own(await socket.seen('mark')).map(([name]) => name), ['mark']);
  }
  assert.equal(receiver.of('hi').length, 0);
});

test('a_back_end_puts_sockets_into_rooms_and_talks_to_them', async (t) => {
  const receiver = await receiving(t, () => ({ body: '"called"' }));
  const server = await started(t, webhookTo(receiver, ['--app-events', 'both']));
  const token = await tokenOf(server, randomUUID(), 'admin');
  const [a, b] = [await connected(t, server, '/'), await connected(t, server, '/')];
  for (const { id } of [a, b]) {
    const { status, text } = await server.post('/api/v1/sockets/join', { sid: id, rooms: ['table 7'] }, { token });
    assert.equal(status, 200, text);
  }
  let hears = heard(b, 'move');
  assert.equal(await ask(a, 'move', { x: 1 }), 'called');
  assert.deepEqual((await hears)[0], { x: 1 });
  const [{ body }] = receiver.of('move');
  assert.deepEqual(body.rooms, ['table 7']);
  hears = Promise.all([heard(a, 'won'), heard(b, 'won')]); // what a receiver does with what it got
  const said = await server.post('/api/v1/emit', { rooms: body.rooms, event: 'won', args: [body.sid] }, { token });
  assert.equal(said.status, 200, said.text);
  assert.deepEqual((await hears).map(([who]) => who), [a.id, a.id]);
  await server.post('/api/v1/sockets/leave', { sid: b.id, rooms: ['table 7'] }, { token });
  await ask(a, 'move', { x: 2 });
  assert.deepEqual(receiver.of('move')[1].body.rooms, ['table 7']);
});

test('an_event_may_go_both_ways', async (t) => {
  const receiver = await receiving(t, doorman);
  const server = await started(t, withDoor(receiver, ['--app-events', 'both']));
  const a = await inRooms(t, server, ['one']);
  const b = await inRooms(t, server, ['one']);
  const hears = heard(b, 'hi');
  assert.equal(await ask(a, 'hi', 7), 'called');
  assert.equal((await hears)[0], 7);
  assert.deepEqual(receiver.of('hi')[0].body.rooms, ['one']);
});

test('the_receiver_decides_who_comes_in_and_hears_who_goes', async (t) => {
  const receiver = await receiving(t, ({ event, body }) => {
    if (event !== 'connect') return {};
    return {
      yes: { body: { rooms: ['a', 'b'] } },
      plain: { status: 204 },
      no: { status: 403, body: { message: 'only friends' } },
      silent: { status: 403 },
      broken: { status: 500 },
      nonsense: { body: '<html>' },
      badRooms: { body: { rooms: ['a', 7] } },
      manyRooms: { body: { rooms: Array.from({ length: 200 }, (_, i) => `r${i}`) } },
    }[body.auth.as];
  });
  const server = await started(t, withDoor(receiver, ['--webhook-breaker-failures', '0']));
  const token = await tokenOf(server);
  const socket = await connected(t, server, '/app', { auth: { token, as: 'yes', pid: 'p', offset: 'o' } });
  const [asked] = receiver.of('connect');
  assert.deepEqual(asked.body.auth, { as: 'yes' });
  assert.ok(!asked.text.includes(token));
  assert.equal(asked.body.namespace, '/app');
  assert.equal(asked.body.kind, 'user');
  assert.match(asked.body.principal, /^[0-9a-f-]{36}$/);
  await ask(socket, 'order');
  assert.deepEqual(receiver.of('order')[0].body.rooms.sort(), ['a', 'b']);
  const { id } = socket;
  socket.disconnect();
  await receiver.until((calls) => calls.some((c) => c.event === 'disconnect'));
  const [gone] = receiver.of('disconnect');
  assert.equal(gone.body.connect, asked.body.id);
  assert.equal(gone.body.sid, id);
  assert.equal(gone.body.reason, 'peer_closed');
  assert.equal(gone.body.principal, asked.body.principal);

  await connected(t, server, '/app', { auth: { token, as: 'plain' } });
  const no = await refused(t, server, '/app', { auth: { token, as: 'no' } });
  assert.equal(no.message, 'only friends');
  assert.equal(no.data.type, 'PERMISSION_DENIED');
  const silent = await refused(t, server, '/app', { auth: { token, as: 'silent' } });
  assert.equal(silent.data.type, 'PERMISSION_DENIED');
  for (const as of ['broken', 'nonsense', 'badRooms', 'manyRooms']) {
    assert.equal((await refused(t, server, '/app', { auth: { token, as } })).data.type, 'SERVER_ERROR', as);
  }
  assert.equal(receiver.of('disconnect').length, 1, 'who never came in does not go');
  await connected(t, server, '/', { auth: { token, as: 'no' } }); // the product's own is not asked for
});

test('who_leaves_before_the_receiver_has_decided_is_told_too', async (t) => {
  let release;
  const held = new Promise((resolve) => (release = resolve));
  const receiver = await receiving(t, ({ event }) => (event === 'connect' ? held.then(() => ({})) : {}));
  t.after(() => release());
  const server = await started(t, withDoor(receiver));
  const socket = await client(t, server, '/app');
  socket.connect();
  await receiver.until((calls) => calls.length === 1);
  socket.io.engine.close();
  await server.awaitLine(/conn.close/);
  release();
  await receiver.until((calls) => calls.some((c) => c.event === 'disconnect'));
  const [asked, gone] = receiver.calls;
  assert.equal(gone.body.connect, asked.body.id);
  assert.equal(gone.body.sid, undefined);
});

test('who_comes_back_is_asked_for_again_and_keeps_its_rooms', async (t) => {
  let answer = { body: { rooms: ['a'] } };
  const receiver = await receiving(t, ({ event }) => (event === 'connect' ? answer : {}));
  const server = await started(t, withDoor(receiver));
  const socket = await connected(t, server, '/app', { reconnectionDelay: 50, reconnectionDelayMax: 50 });
  await ask(socket, 'first'); // behind recovery:ready, whose offset the client comes back with
  const { id } = socket;
  answer = { body: { rooms: ['b'] } };
  socket.io.engine.close();
  await heard(socket, 'connect');
  assert.equal(socket.recovered, true);
  assert.equal(socket.id, id);
  await ask(socket, 'order');
  assert.deepEqual(receiver.of('order')[0].body.rooms.sort(), ['a', 'b']);
  assert.equal(receiver.of('connect').length, 2);
  answer = { status: 403 };
  const error = heard(socket, 'connect_error');
  socket.io.engine.close();
  assert.equal((await error)[0].data.type, 'PERMISSION_DENIED');
});

test('a_namespace_may_speak_msgpack', async (t) => {
  const receiver = await receiving(t, doorman);
  const server = await started(t, withDoor(receiver, ['--app-events', 'both']));
  const packed = await inRooms(t, server, ['one'], '/fast-1', { parser: msgpack });
  const plain = await inRooms(t, server, ['one'], '/fast-1');
  const bytes = Buffer.from([1, 2, 3]);
  let hears = heard(plain, 'hi');
  assert.equal(await ask(packed, 'hi', { n: 1.5, bytes }), 'called');
  assert.deepEqual((await hears)[0], { n: 1.5, bytes });
  hears = heard(packed, 'hi');
  assert.equal(await ask(plain, 'hi', { n: 2, bytes }), 'called');
  const [got] = await hears;
  assert.equal(got.n, 2);
  assert.deepEqual(Buffer.from(got.bytes), bytes);
  assert.deepEqual(receiver.of('hi').map((c) => c.body.args[0].bytes), [
    { _placeholder: true, num: 0 }, { _placeholder: true, num: 0 }]);
  assert.deepEqual(receiver.of('hi').map((c) => c.body.attachments), [['AQID'], ['AQID']]);
  const error = await refused(t, server, '/app', { parser: msgpack });
  assert.equal(error.message, 'This namespace takes no msgpack');
});

test('every_transport_and_client_has_applications_events', async (t) => {
  const receiver = await receiving(t, doorman);
  const server = await started(t, withDoor(receiver, [
    '--app-events', 'both', '--handshakes-per-s', '10000']));
  const plain = await inRooms(t, server, ['one']);
  for (const options of [
    { transports: ['polling'] }, { transports: ['polling', 'websocket'] }, { make: io3 },
    { make: io3, transports: ['polling'] },
  ]) {
    const socket = await inRooms(t, server, ['one'], '/app', options);
    const bytes = Buffer.from([1, 2, 3]);
    let hears = heard(plain, 'hi');
    const answer = new Promise((resolve) => socket.emit('hi', bytes, resolve));
    assert.equal(await within(WAIT_MS, 'ack', answer), 'called');
    assert.deepEqual((await hears)[0], bytes);
    hears = heard(socket, 'hi');
    await ask(plain, 'hi', bytes);
    assert.deepEqual(Buffer.from((await hears)[0]), bytes);
    socket.disconnect();
  }
});

test('rooms_are_found_again_after_a_restart', async (t) => {
  const receiver = await receiving(t, doorman);
  const first = await startServer(withDoor(receiver, ['--app-events', 'rooms']));
  const again = { reconnectionDelay: 100, reconnectionDelayMax: 300 };
  const a = await inRooms(t, first, ['one', 'two'], '/app', again);
  const { id } = a;
  await within(WAIT_MS, 'a position', new Promise((resolve) => {
    const look = setInterval(() => a._lastOffset && resolve(clearInterval(look)), 20);
  }));
  a.auth = { token: a.auth.token }; // the receiver says no rooms any more
  const back = new Promise((resolve) => a.io.once('reconnect', () => a.once('connect', resolve)));
  await first.stop();
  const second = await startServer({
    ...withDoor(receiver, ['--app-events', 'rooms', '--listen', `127.0.0.1:${first.port}`]),
    dataDir: first.dataDir,
  });
  t.after(() => second.stop());
  await within(WAIT_MS, 'the connection again', back);
  assert.equal(a.recovered, true);
  assert.equal(a.id, id);
  const b = await inRooms(t, second, ['two']);
  const hears = heard(a, 'hi');
  await ask(b, 'hi', 1);
  assert.equal((await hears)[0], 1);
});
