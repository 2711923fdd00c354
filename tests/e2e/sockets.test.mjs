// Socket.IO connections below any client's kindness: who comes in, what ends them, every bound, and
// sockets that come back. The namespace is an application's (app_namespaces).
import assert from 'node:assert/strict';
import test, { after, before, describe } from 'node:test';
import { PATIENCE, startServer, tempDir } from './lib/server.mjs';
import { Wire, join } from './lib/socketio.mjs';

const FLAGS = ['--app-namespaces', '/app,/game-*', '--app-events', 'rooms',
  '--engineio-connect-timeout-ms', '1500', '--handshakes-per-s', '100000',
  '--connections-per-principal-max', '1000', '--loops', '2'];
const NAMESPACES_MAX = 16;
const WAIT_MS = 15_000 * PATIENCE;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const tokenOf = (server, name, role = 'viewer', ttl = '1h') => (
  server.cli('token', '--sub', name, '--kind', 'user', '--role', role, '--ttl', ttl)
);

describe('one server', () => {
  let server;
  let token;
  before(async () => {
    server = await startServer({ flags: FLAGS });
    token = await tokenOf(server, 'alice');
  });
  after(() => server.stop());

  const open = (options) => Wire.open(server, options);
  const joined = (nsp = '/app', options) => join(server, nsp, { token }, options);

  /** It closes, and the log says why. */
  async function closes(wire, why) {
    await wire.end();
    await server.awaitLine((l) => l.includes('socketio_protocol') && l.includes(`"why":"${why}"`));
  }

  describe('coming in', () => {
    test('a token in auth', async () => {
      const wire = await joined();
      assert.equal(wire.sid.length, 20);
      assert.match(wire.pid, /^[\w-]{43}$/);
      assert.equal(wire.session.recovered, false);
      assert.equal(wire.offset, wire.session.pos);
      wire.ws.close();
    });

    test('a token of the handshake, for several namespaces', async () => {
      const headers = { authorization: `Bearer ${token}` };
      const wire = await open({ ws: { headers } });
      assert.equal((await wire.connect('/app')).type, 0);
      assert.equal((await wire.connect('/game-7', {})).type, 0);
      wire.ws.close();
    });

    test('a bad token in auth is not saved by a good one of the handshake', async () => {
      const wire = await open({ ws: { headers: { authorization: `Bearer ${token}` } } });
      const refused = await wire.connect('/app', { token: 'x.y.z' });
      assert.equal(refused.type, 4);
      assert.equal(refused.data.data.type, 'AUTHENTICATION_FAILED');
      assert.equal(refused.data.data.code, 401);
      assert.equal(typeof refused.data.message, 'string');
      await wire.end();
    });

    test('nobody without one, and another namespace stays', async () => {
      const wire = await joined();
      const refused = await wire.connect('/game-1', {});
      assert.equal(refused.data.data.type, 'AUTHENTICATION_FAILED');
      assert.equal((await wire.ask('/app', 1, 'hello')).ok, true);
      wire.ws.close();
    });

    test('a namespace that is not there', async () => {
      const wire = await open();
      for (const nsp of ['/nobody', '/game-1/x', '/appx']) {
        assert.deepEqual((await wire.connect(nsp)).data, { message: 'Invalid namespace' });
      }
      assert.equal((await wire.connect('/app', { token })).type, 0);
      wire.ws.close();
    });

    test('whoever joins nothing is closed', async () => {
      const wire = await open();
      await wire.end();
    });

    test('no more namespaces than allowed', async () => {
      const wire = await open();
      for (let i = 0; i < NAMESPACES_MAX; i++) {
        assert.equal((await wire.connect(`/game-${i}`, { token })).type, 0);
      }
      const refused = await wire.connect('/game-x', { token });
      assert.equal(refused.data.data.type, 'RATE_LIMIT_EXCEEDED');
      wire.send('41/game-3,');
      assert.equal((await wire.connect('/game-x', { token })).type, 0);
      wire.ws.close();
    });
  });

  describe('what ends a connection', () => {
    test('an event before CONNECT', async () => {
      await closes((await open()).send('42["hi"]'), 'no CONNECT before');
    });
    test('a second CONNECT on a namespace', async () => {
      await closes((await joined()).send('40/app,'), 'second CONNECT');
    });
    test('a CONNECT_ERROR', async () => {
      await closes((await joined()).send('44/app,{"message":"no"}'), 'bad_type');
    });
    test('text while attachments are owed', async () => {
      const wire = await joined();
      wire.send('451-/app,["a",{"_placeholder":true,"num":0}]', '42/app,["b"]');
      await closes(wire, 'attachments are owed');
    });
    test('bytes that nobody announced', async () => {
      await closes((await joined()).send(Buffer.from([1, 2, 3])), 'no attachment is owed');
    });
    test('attachments that do not come', async () => {
      const wire = await joined();
      wire.send('452-/app,["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]',
        Buffer.from([1]));
      await closes(wire, 'attachments did not come');
    });
    test('100,000 nested arrays', async () => {
      const wire = await joined();
      wire.send(`42/app,["a",${'['.repeat(100_000)}${']'.repeat(100_000)}]`);
      await closes(wire, 'bad_json');
    });
    test('one attachment named 2,000 times', async () => {
      const wire = await joined();
      const one = '{"_placeholder":true,"num":0}';
      wire.send(`451-/app,["a",${Array(2000).fill(one).join(',')}]`, Buffer.alloc(1000));
      await closes(wire, 'bad_placeholder');
    });
    test('eleven attachments', async () => {
      await closes((await joined()).send('4511-/app,["a"]'), 'bad_attachments');
    });
    test('attachments of more bytes than a message may have', async () => {
      const wire = await joined();
      const named = [0, 1, 2].map((num) => ({ _placeholder: true, num }));
      wire.send(`453-/app,${JSON.stringify(['a', ...named])}`,
        Buffer.alloc(400_000), Buffer.alloc(400_000), Buffer.alloc(400_000));
      assert.equal((await wire.event('closing'))[0].code, 1009);
      assert.equal(await wire.end(), 1009);
    });
    test('a message that is too big', async () => {
      const wire = await joined();
      wire.send(`42/app,["a","${'x'.repeat(1_000_001)}"]`);
      assert.equal(await wire.end(), 1009);
    });
  });

  describe('bounds that keep the connection', () => {
    test('a reserved name, and one that is the server\'s', async () => {
      const wire = await joined();
      const refused = await wire.ask('/app', 1, 'device:created', {});
      assert.equal(refused.ok, false);
      assert.equal(refused.error.type, 'INVALID_MESSAGE_FORMAT');
      await closes(wire.send('42/app,["disconnect"]'), 'bad_payload');
    });

    test('packets over the rate are refused, and in the end it is closed', async () => {
      const wire = await joined();
      for (let i = 0; i < 60; i++) wire.send(`42/app,${i}["hi"]`);
      const over = await wire.find((p) => p.type === 3 && p.data[0].ok === false);
      assert.equal(over.data[0].error.type, 'RATE_LIMIT_EXCEEDED');
      assert.equal(over.data[0].error.code, 429);
      assert.ok(over.data[0].error.details.retryAfterMs > 0);
      for (let i = 0; i < 200; i++) wire.send('42/app,["hi"]');
      const [error, offset] = await wire.event('error');
      assert.equal(error.type, 'RATE_LIMIT_EXCEEDED');
      assert.equal(typeof offset, 'string');
      const [closing] = await wire.event('closing');
      assert.deepEqual(closing, { code: 4003, reason: 'flooding', reconnect: 'never' });
      assert.equal((await wire.next()).type, 1);
      assert.equal(await wire.end(), 4003);
    });

    test('answers that nobody waits for count', async () => {
      const wire = await joined();
      for (let i = 0; i < 300; i++) wire.send(`43/app,${i}[]`);
      assert.equal(await wire.end(), 4003);
    });
  });

  describe('leaving', () => {
    test('one namespace, and the other goes on', async () => {
      const wire = await joined();
      assert.equal((await wire.connect('/game-1', { token })).type, 0);
      wire.send('41/app,');
      assert.equal((await wire.ask('/game-1', 5, 'hi')).ok, true);
      assert.equal((await wire.connect('/app', { token })).type, 0);
      wire.ws.close();
    });
  });

  describe('rights', () => {
    test('a token that ends', async () => {
      const short = await tokenOf(server, 'short', 'viewer', '2s');
      const wire = await join(server, '/app', { token: short });
      const [said] = await wire.event('auth:expiring');
      assert.ok(Date.parse(said.expiresAt) > 0);
      const [closing] = await wire.event('closing');
      assert.equal(closing.code, 4100);
      assert.equal(closing.reconnect, 'backoff');
      assert.equal(await wire.end(), 4100);
    });

    test('auth:refresh goes on, and with another principal\'s token ends', async () => {
      const wire = await joined();
      const again = await tokenOf(server, 'alice');
      assert.deepEqual(await wire.ask('/app', 1, 'auth:refresh', { token: again }), { ok: true });
      const refused = await wire.ask('/app', 2, 'auth:refresh', { token: 1 });
      assert.equal(refused.error.details.member, 'token');
      const other = await tokenOf(server, 'bob');
      const failed = await wire.ask('/app', 3, 'auth:refresh', { token: other });
      assert.equal(failed.error.type, 'AUTHENTICATION_FAILED');
      assert.equal((await wire.event('closing'))[0].code, 1008);
      await wire.end();
    });

    test('a device that is disabled', async () => {
      const device = await server.addDevice('lamp');
      const admin = await tokenOf(server, 'root', 'admin');
      const wire = await join(server, '/app', { token: device.key });
      const done = await server.post(`/api/v1/devices/${device.id}/disable`, undefined,
        { token: admin });
      assert.equal(done.status, 200, done.text);
      const [closing] = await wire.event('closing');
      assert.deepEqual(closing, { code: 4002, reason: 'disabled', reconnect: 'never' });
      assert.equal((await wire.next()).type, 1);
      assert.equal(await wire.end(), 4002);
    });
  });

  describe('coming back', () => {
    const back = (pid, offset, more = {}) => (
      join(server, '/app', { token, pid, offset, ...more })
    );

    test('a client that heard nothing but the early event', async () => {
      const wire = await joined();
      await wire.drop();
      const again = await back(wire.pid, wire.offset);
      assert.equal(again.session.recovered, true);
      assert.equal(again.sid, wire.sid);
      assert.equal(again.pid, wire.pid);
      again.ws.close();
    });

    test('just when it is missed, a hundred times', async () => {
      let wire = await joined();
      for (let i = 0; i < 100; i++) {
        const fresh = await open(); // so that CONNECT follows the end at once
        wire.ws.terminate();
        const answer = await fresh.connect('/app', { token, pid: wire.pid, offset: wire.offset });
        assert.equal(answer.data.pid, wire.pid, `round ${i}`);
        wire = Object.assign(fresh, { pid: answer.data.pid, offset: wire.offset });
      }
      wire.ws.close();
    });

    test('one that knows no offset at all', async () => {
      const wire = await joined();
      wire.ws.close(); // a transport that is closed may be opened again
      await wire.end();
      const again = await back(wire.pid);
      assert.equal(again.session.recovered, true);
      assert.equal(again.sid, wire.sid);
      again.ws.close();
    });

    test('before it was missed: the old connection gives way', async () => {
      const wire = await joined();
      const again = await back(wire.pid, wire.offset);
      assert.equal(again.session.recovered, true);
      assert.equal(again.sid, wire.sid);
      assert.equal((await wire.event('closing'))[0].code, 4001);
      assert.equal((await wire.next()).type, 1);
      assert.equal(await wire.end(), 4001);
      const bob = await tokenOf(server, 'bob');
      const other = await back(again.pid, again.offset, { token: bob });
      assert.equal(other.session.recovered, false);
      assert.equal((await again.ask('/app', 1, 'hello')).ok, true);
      for (const w of [again, other]) w.ws.close();
    });

    test('not with another token, after leaving, or as somebody unknown', async () => {
      const wire = await joined();
      await wire.drop();
      const bob = await tokenOf(server, 'bob');
      const other = await back(wire.pid, wire.offset, { token: bob });
      assert.equal(other.session.recovered, false);
      const mine = await back(wire.pid, wire.offset);
      assert.equal(mine.session.recovered, true);
      mine.send('41/app,');
      assert.equal((await mine.connect('/app', { token, pid: wire.pid, offset: wire.offset }))
        .data.pid === wire.pid, false);
      const nobody = await back('x'.repeat(43), wire.offset);
      assert.equal(nobody.session.recovered, false);
      for (const w of [other, mine, nobody]) w.ws.close();
    });

    test('not with a token that has ended', async () => {
      const wire = await joined();
      await wire.drop();
      const fresh = await open();
      const refused = await fresh.connect('/app', { token: 'x', pid: wire.pid,
        offset: wire.offset });
      assert.equal(refused.type, 4);
      await fresh.end();
    });

    test('in another namespace it is a new socket', async () => {
      const wire = await joined();
      await wire.drop();
      const other = await join(server, '/game-1', { token, pid: wire.pid, offset: wire.offset });
      assert.equal(other.session.recovered, false);
      other.ws.close();
    });

    test('what is not kept any more is told, and the client knows', async () => {
      const wire = await joined();
      await wire.drop();
      const offset = wire.offset.replace(/^./, (c) => (c === '0' ? '1' : '0'));
      const again = await back(wire.pid, offset);
      assert.equal(again.session.recovered, false);
      assert.notEqual(again.pid, wire.pid);
      const [gap] = await again.event('gap');
      assert.equal(gap.from, offset);
      assert.equal(gap.to, again.session.pos);
      again.ws.close();
    });

    test('an offset that is none', async () => {
      const wire = await joined();
      await wire.drop();
      for (const bad of ['', 'x', 7, { a: 1 }]) {
        const again = await back(wire.pid, bad);
        assert.equal(typeof again.session.recovered, 'boolean');
        await again.drop();
      }
    });
  });
});

test('a socket finds itself after a restart, and after a crash', async () => {
  const dataDir = tempDir('sockets');
  let server = await startServer({ flags: FLAGS, dataDir });
  const token = await tokenOf(server, 'alice');
  const wire = await join(server, '/app', { token });
  const stopped = server.stop();
  assert.deepEqual((await wire.event('closing'))[0],
    { code: 1001, reason: 'server shutting down', reconnect: 'backoff' });
  assert.equal(await wire.end(), 1001);
  await stopped;
  server = await startServer({ flags: FLAGS, dataDir });
  const second = await join(server, '/app', { token, pid: wire.pid, offset: wire.offset });
  assert.equal(second.session.recovered, true);
  assert.equal(second.sid, wire.sid);
  await pause(500); // it is written behind
  await server.crash();
  server = await startServer({ flags: FLAGS, dataDir });
  const third = await join(server, '/app', { token, pid: wire.pid, offset: second.offset });
  assert.equal(third.session.recovered, true);
  assert.equal(third.sid, wire.sid);
  await server.stop();
});
