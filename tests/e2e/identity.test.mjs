// Who may come in, with what, from where, and for how long.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { bare, say, upgradeRequest } from './lib/bare.mjs';
import { connect, device, refusal, rowOf, viewer } from './lib/monitor.mjs';
import { PATIENCE, SLOWNESS, startServer, tempDir, within } from './lib/server.mjs';

// Rights that change reach live sockets within a second.
const REVOKED_MS_MAX = 1000 * SLOWNESS;
const SOON_MS = 10_000 * PATIENCE;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** POST from a loopback address of one's choice: {status, headers, json}. */
function postFrom(server, localAddress, target, body) {
  const answer = new Promise((resolve, reject) => {
    const req = http.request(server.url + target, {
      method: 'POST',
      localAddress,
      agent: false,
      headers: { 'content-type': 'application/json' },
    }, (res) => {
      let text = '';
      res.on('data', (d) => (text += d));
      res.on('end', () => resolve({
        status: res.statusCode, headers: res.headers, json: JSON.parse(text),
      }));
    });
    req.on('error', reject);
    req.end(JSON.stringify(body));
  });
  return within(SOON_MS, target, answer);
}

describe('identity', () => {
  let server;
  let admin;

  before(async () => {
    server = await startServer({ flags: ['--jwt-leeway-s', '0', '--log-level', 'debug', '--handshakes-per-s', '100000'] });
    admin = await server.cli('token', '--sub', 'root', '--role', 'admin');
  });
  after(() => server.stop());

  /** A user with a password; signing in from `address`. */
  async function addUser(name, ...roles) {
    const password = `correct horse of ${name}`;
    const file = path.join(tempDir('user'), 'password');
    writeFileSync(file, password);
    await server.cli('user', 'add', '--name', name, '--password-file', file,
      ...roles.flatMap((role) => ['--role', role]));
    const login = (address, extra = {}) => postFrom(server, address, '/api/v1/auth/login',
      { username: name, password, ...extra });
    return { name, password, login };
  }

  describe('signing in', () => {
    it('an_address_gets_5_logins_a_minute_and_retry_after', async () => {
      const { login } = await addUser('ada', 'viewer');
      for (let i = 0; i < 5; i++) assert.equal((await login('127.0.1.1')).status, 200);
      const refused = await login('127.0.1.1');
      assert.equal(refused.status, 429);
      assert.equal(refused.json.code, 'RATE_LIMIT_EXCEEDED');
      const seconds = Number(refused.headers['retry-after']);
      assert.ok(seconds >= 1 && seconds <= 60, `Retry-After ${seconds}`);
      assert.equal((await login('127.0.1.2')).status, 200, 'another address');
    });

    it('an_account_gets_10_logins_a_minute_from_everywhere', async () => {
      const { name } = await addUser('bob', 'viewer');
      const guess = (n) => postFrom(server, `127.0.2.${1 + (n >> 2)}`, '/api/v1/auth/login',
        { username: name.toUpperCase(), password: `guess ${n}` });
      for (let i = 0; i < 10; i++) assert.equal((await guess(i)).status, 401, `guess ${i}`);
      const refused = await guess(10);
      assert.equal(refused.status, 429);
      assert.ok(Number(refused.headers['retry-after']) >= 1);
    });

    it('a_refresh_token_works_once_and_its_reuse_ends_the_family', async () => {
      const { login } = await addUser('cleo', 'viewer');
      const refresh = (token) => server.post('/api/v1/auth/refresh', { refresh_token: token });
      const first = (await login('127.0.3.1')).json.data;
      const second = await refresh(first.refresh_token);
      assert.equal(second.status, 200);
      assert.notEqual(second.json.data.refresh_token, first.refresh_token);
      const other = (await login('127.0.3.1')).json.data; // a family of its own
      const stolen = await refresh(first.refresh_token);
      assert.equal(stolen.status, 401);
      assert.equal((await refresh(second.json.data.refresh_token)).status, 401, 'the family ends');
      assert.equal((await refresh(other.refresh_token)).status, 200, 'others go on');
    });

    it('logout_ends_the_token_its_family_and_its_sockets', async () => {
      const { login } = await addUser('dora', 'viewer');
      const { id } = await server.addDevice('for-dora');
      const { access_token: token, refresh_token: spare } = (await login('127.0.3.2')).json.data;
      const watching = await viewer(server, id, ['metrics'], { token });
      const out = await server.post('/api/v1/auth/logout', { refresh_token: spare }, { token });
      assert.equal(out.status, 200);
      assert.equal((await watching.closedWithin(REVOKED_MS_MAX)).code, 4000);
      assert.equal((await server.get('/api/v1/auth/me', { token })).status, 401);
      assert.equal((await server.post('/api/v1/auth/refresh', { refresh_token: spare })).status, 401);
      assert.equal(await refusal(server, `/api/v1/devices/${id}/ws`, { token }), 401);
    });

    it('a_cookie_acts_only_for_pages_of_ours', async () => {
      const { login } = await addUser('eve', 'operator');
      const signed = await login('127.0.3.3', { session: true });
      const cookie = signed.headers['set-cookie'][0].split(';')[0];
      const { id } = await server.addDevice('for-eve');
      const patch = (headers) => server.request('PATCH', `/api/v1/devices/${id}`,
        { body: { name: 'renamed' }, headers: { cookie, ...headers } });
      assert.equal((await patch({})).status, 403, 'no word of where it comes from');
      assert.equal((await patch({ 'sec-fetch-site': 'cross-site' })).status, 403);
      assert.equal((await patch({ 'sec-fetch-site': 'same-site' })).status, 403);
      assert.equal((await patch({ origin: 'https://evil.example' })).status, 403);
      assert.equal((await patch({ 'sec-fetch-site': 'same-origin' })).status, 200);
      assert.equal((await patch({ origin: server.url })).status, 200);
      const me = await server.get('/api/v1/auth/me', { headers: { cookie } });
      assert.equal(me.status, 200, 'reading needs no page');
      // A WebSocket is opened by GET but acts: the page must be ours as well.
      const target = `/api/v1/devices/${id}/ws`;
      assert.equal(await refusal(server, target, { headers: { cookie }, origin: 'http://localhost:1' }), 403);
      const own = await connect(server, target, { headers: { cookie }, origin: server.url });
      await own.end();
    });
  });

  describe('credentials', () => {
    it('a_device_key_may_stand_in_three_places', async () => {
      const { id, key } = await server.addDevice('places');
      const places = [
        { token: key },
        { protocols: ['bearer', key] },
        { query: `?token=${key}` },
      ];
      for (const { query = '', ...options } of places) {
        const peer = await connect(server, `/api/v1/devices/self/ws${query}`, options);
        assert.deepEqual(await peer.ask('heartbeat'), { id: 1, ok: true });
        assert.equal(peer.ws.protocol, options.protocols ? 'bearer' : '');
        await peer.end();
      }
      assert.equal((await server.get('/api/v1/auth/me', { token: key })).json.data.id, id);
      assert.ok(!server.log.includes(key), 'a key in the log');
      assert.ok(!server.log.includes(key.slice(4, 30)), 'a part of a key in the log');
    });

    it('the_first_place_decides_without_fallback', async () => {
      const { key } = await server.addDevice('first');
      const self = '/api/v1/devices/self/ws';
      assert.equal(await refusal(server, `${self}?token=${key}`, { token: 'sbk_wrong' }), 401);
      assert.equal(await refusal(server, self, { token: 'sbk_wrong', protocols: ['bearer', key] }), 401);
      assert.equal(await refusal(server, `${self}?token=${key}`, { protocols: ['bearer', 'x.y.z'] }), 401);
      assert.equal(await refusal(server, `${self}?token=`), 401);
    });

    it('two_authorization_fields_are_400', async () => {
      const { key } = await server.addDevice('two');
      const fields = [`Authorization: Bearer ${key}`, `Authorization: Bearer ${key}`];
      const peer = await bare(server);
      peer.write(upgradeRequest(server, '/api/v1/devices/self/ws', fields));
      const status = await new Promise((resolve) => peer.socket.on('data', () => resolve(peer.status)));
      assert.equal(status, 400);
      peer.socket.destroy();
    });

    it('forged_tokens_are_401', async () => {
      const [head, body, signature] = admin.split('.');
      const json = (text) => Buffer.from(JSON.stringify(text)).toString('base64url');
      const claims = JSON.parse(Buffer.from(body, 'base64url').toString());
      const flipped = signature.slice(0, -4) + (signature.at(-4) === 'A' ? 'B' : 'A') + signature.slice(-3);
      const forged = {
        unsigned: `${json({ alg: 'none', typ: 'JWT' })}.${body}.`,
        other_algorithm: `${json({ alg: 'HS512', typ: 'JWT' })}.${body}.${signature}`,
        critical: `${json({ alg: 'HS256', typ: 'JWT', crit: ['exp'] })}.${body}.${signature}`,
        later: `${head}.${json({ ...claims, exp: claims.exp + 3600 })}.${signature}`,
        flipped: `${head}.${body}.${flipped}`,
        cut: `${head}.${body}`,
        empty: '..',
      };
      for (const [name, token] of Object.entries(forged)) {
        assert.equal((await server.get('/api/v1/auth/me', { token })).status, 401, name);
      }
      assert.equal((await server.get('/api/v1/auth/me', { token: admin })).status, 200);
    });

    it('a_device_has_its_own_data_only', async () => {
      const { id, key } = await server.addDevice('own');
      const { id: other } = await server.addDevice('other');
      assert.equal((await server.get(`/api/v1/devices/${id}`, { token: key })).status, 200);
      assert.equal((await server.get(`/api/v1/devices/${other}`, { token: key })).status, 404);
      assert.equal(await refusal(server, `/api/v1/devices/${other}/ws`, { token: key }), 403);
    });
  });

  describe('anonymous', () => {
    let id;
    let port;
    before(async () => {
      ({ id } = await server.addDevice('open'));
      port = server.port;
    });
    const target = () => `/api/v1/devices/${id}/ws`;

    it('this_machine_may_watch_by_each_of_its_names', async () => {
      for (const host of ['127.0.0.1', 'localhost', '[::1]', 'LOCALHOST']) {
        const peer = await connect(server, target(), { headers: { host: `${host}:${port}` } });
        await peer.end();
      }
    });

    it('a_proxy_in_between_is_not_this_machine', async () => {
      const fields = {
        forwarded: 'for=192.0.2.1',
        'x-forwarded-for': '127.0.0.1',
        'x-forwarded-host': 'localhost',
        'x-forwarded-proto': 'https',
        'x-real-ip': '127.0.0.1',
        via: '1.1 proxy',
      };
      for (const [name, value] of Object.entries(fields)) {
        assert.equal(await refusal(server, target(), { headers: { [name]: value } }), 401, name);
      }
    });

    it('a_rebound_name_is_refused_whatever_it_shows', async () => {
      const host = `evil.example:${port}`;
      assert.equal(await refusal(server, target(), { headers: { host } }), 403);
      assert.equal(await refusal(server, target(), { token: admin, headers: { host } }), 403);
      assert.equal((await server.get('/health/live')).status, 200);
      const rebound = await say(server, `GET /api/v1/devices HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      assert.equal(rebound.status, 403);
    });

    it('reading_is_all_that_it_may', async () => {
      assert.equal(await refusal(server, '/api/v1/devices/self/ws'), 401);
      for (const path_ of ['/api/v1/devices', `/api/v1/devices/${id}`, '/api/v1/auth/me']) {
        assert.equal((await server.get(path_)).status, 401, path_);
      }
      const created = await server.post('/api/v1/devices', { name: 'x' });
      assert.equal(created.status, 401);
    });

    it('auth_anonymous_none_asks_everyone', async () => {
      const strict = await startServer({ flags: ['--auth-anonymous', 'none'] });
      const { id: closed, key } = await strict.addDevice('closed');
      assert.equal(await refusal(strict, `/api/v1/devices/${closed}/ws`), 401);
      assert.equal((await strict.get('/health')).status, 401);
      assert.equal((await strict.get('/metrics')).status, 401);
      assert.equal((await strict.get('/health/live')).status, 200);
      const peer = await device(strict, key);
      await peer.end();
      await strict.stop();
    });
  });

  describe('origins', () => {
    let target;
    before(async () => {
      const { id } = await server.addDevice('origin');
      target = `/api/v1/devices/${id}/ws`;
    });

    it('pages_of_ours_and_no_pages_are_let_in', async () => {
      for (const origin of [undefined, server.url, `http://localhost:${server.port}`, `http://[::1]:${server.port}`]) {
        const peer = await connect(server, target, origin === undefined ? {} : { origin });
        await peer.end();
      }
    });

    it('pages_of_others_are_403', async () => {
      const others = ['null', 'https://evil.example', 'http://127.0.0.1:1', 'http://localhost',
        `https://127.0.0.1:${server.port}`, `http://127.0.0.1.evil.example:${server.port}`,
        `http://evil.example@127.0.0.1:${server.port}`, 'file://', ''];
      for (const origin of others) {
        const status = await refusal(server, target, { headers: { origin }, token: admin });
        assert.equal(status, 403, `Origin: ${origin}`);
      }
      assert.equal((await server.get('/api/v1/devices', { token: admin, headers: { origin: 'null' } })).status, 403);
    });

    it('allowed_origins_adds_others', async () => {
      const open = await startServer({ flags: ['--allowed-origins', 'https://app.example,http://localhost:5173'] });
      const { id } = await open.addDevice('allowed');
      const own = `/api/v1/devices/${id}/ws`;
      const token = await open.cli('token', '--sub', 'v', '--role', 'viewer');
      for (const origin of ['https://app.example', 'http://localhost:5173', open.url]) {
        const peer = await connect(open, own, { origin, token });
        await peer.end();
      }
      assert.equal(await refusal(open, own, { origin: 'https://app.example:8443', token }), 403);
      assert.equal(await refusal(open, own, { origin: 'https://sub.app.example', token }), 403);
      assert.equal(await refusal(open, own, { origin: 'null', token }), 403);
      const preflight = await open.request('OPTIONS', '/api/v1/devices', { headers: {
        origin: 'https://app.example', 'access-control-request-method': 'GET',
        'access-control-request-headers': 'authorization' } });
      assert.equal(preflight.headers.get('access-control-allow-origin'), 'https://app.example');
      await open.stop();
    });
  });

  describe('live sockets', () => {
    it('disabling_a_user_closes_4002_within_a_second', async () => {
      await addUser('fred', 'viewer');
      const token = await server.cli('token', '--sub', 'fred');
      const { id } = await server.addDevice('for-fred');
      const watching = await viewer(server, id, ['metrics'], { token });
      await server.cli('user', 'disable', '--name', 'fred');
      assert.equal((await watching.closedWithin(REVOKED_MS_MAX)).code, 4002);
      assert.equal(await refusal(server, `/api/v1/devices/${id}/ws`, { token }), 401);
      await server.cli('user', 'enable', '--name', 'fred');
    });

    it('a_role_taken_away_ends_what_it_allowed', async () => {
      await addUser('gina', 'viewer');
      const token = await server.cli('token', '--sub', 'gina');
      const { id, key } = await server.addDevice('for-gina');
      const reporting = await device(server, key);
      const watching = await viewer(server, id, ['metrics'], { token });
      reporting.send({ type: 'metrics', data: { cpu: 1 } });
      await watching.first('metrics');
      await server.cli('user', 'revoke', '--name', 'gina', '--role', 'viewer');
      const told = watching.first('error').catch(() => 'closed');
      await within(REVOKED_MS_MAX, 'the news', told);
      const heard = watching.of('metrics').length;
      reporting.send({ type: 'metrics', data: { cpu: 2 } });
      await reporting.ask('heartbeat');
      await pause(200);
      assert.equal(watching.of('metrics').length, heard);
      assert.equal(await refusal(server, `/api/v1/devices/${id}/ws`, { token }), 403);
      watching.ws.terminate();
      await reporting.end();
    });

    it('a_revoked_key_closes_4000_and_the_other_key_stays', async () => {
      const { id, key } = await server.addDevice('rotate');
      const made = await server.cli('device', 'key', '--id', id);
      const second = made.match(/sbk_[\w-]+/)[0];
      const keyIds = (await server.cli('device', 'keys', '--id', id)).split('\n').map((l) => l.split(/\s+/)[0]);
      assert.equal(keyIds.length, 2);
      const older = await device(server, key);
      await server.cli('device', 'revoke', '--id', id, '--key-id', keyIds[0]);
      assert.equal((await older.closedWithin(REVOKED_MS_MAX)).code, 4000);
      assert.equal(await refusal(server, '/api/v1/devices/self/ws', { token: key }), 401);
      const newer = await device(server, second);
      assert.equal((await newer.ask('heartbeat')).ok, true);
      await newer.end();
    });

    it('disabling_a_device_closes_4002_within_a_second', async () => {
      const { id, key } = await server.addDevice('disabled');
      const peer = await device(server, key);
      const patched = await server.request('PATCH', `/api/v1/devices/${id}`,
        { token: admin, body: { status: 'disabled' } });
      assert.equal(patched.status, 200);
      assert.equal((await peer.closedWithin(REVOKED_MS_MAX)).code, 4002);
      assert.ok([401, 403].includes(await refusal(server, '/api/v1/devices/self/ws', { token: key })));
    });

    it('a_newer_socket_replaces_the_older_without_going_offline', async () => {
      const { id, key } = await server.addDevice('twice');
      const older = await device(server, key);
      await older.ask('register', { capabilities: ['x'] });
      const states = new Set();
      let looking = true;
      const looks = (async () => {
        while (looking) {
          const { json } = await server.get(`/api/v1/devices/${id}`, { token: admin });
          states.add(json.data.connectionStatus);
          await pause(25);
        }
      })();
      const newer = await device(server, key);
      assert.equal((await older.closedWithin(REVOKED_MS_MAX)).code, 4001);
      const row = await newer.ask('metrics', rowOf(1, new Date(Date.now() - 60_000).toISOString()));
      assert.equal(row.ok, true);
      await pause(300);
      looking = false;
      await looks;
      assert.deepEqual([...states], ['online']);
      await newer.end();
    });

    it('an_expiring_token_is_told_and_closes_4100', async () => {
      const { id } = await server.addDevice('expiring');
      const token = await server.cli('token', '--sub', 'hal', '--role', 'viewer', '--ttl', '2s');
      const { exp } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());
      const watching = await viewer(server, id, [], { token });
      const { data } = await watching.first('auth_expiring');
      assert.equal(Date.parse(data.expiresAt), exp * 1000);
      assert.equal((await watching.closedWithin(5000 * PATIENCE)).code, 4100);
      const late = Date.now() - exp * 1000;
      assert.ok(late >= 0 && late < 2000 * SLOWNESS, `${late} ms after the token's end`);
      assert.equal(await refusal(server, `/api/v1/devices/${id}/ws`, { token }), 401);
    });

    it('auth_refresh_lengthens_a_live_socket', async () => {
      const { id, key } = await server.addDevice('refreshing');
      const short = async (ttl) => server.cli('token', '--sub', id, '--kind', 'device', '--ttl', ttl);
      const peer = await device(server, await short('2s'));
      await peer.first('auth_expiring');
      assert.equal((await peer.ask('auth_refresh', { token: await short('1h') })).ok, true);
      await pause(2500);
      assert.equal((await peer.ask('heartbeat')).ok, true);
      assert.equal((await peer.ask('auth_refresh', { token: key })).ok, true, 'a key never ends');
      await peer.end();

      const token = await server.cli('token', '--sub', 'ida', '--role', 'viewer', '--ttl', '2s');
      const watching = await viewer(server, id, [], { token });
      const fresh = await server.cli('token', '--sub', 'ida', '--ttl', '1h');
      assert.equal((await watching.ask('auth_refresh', { token: fresh })).ok, true);
      await watching.end();
    });

    it('auth_refresh_with_anothers_or_a_bad_token_closes_at_once', async () => {
      const { id } = await server.addDevice('strangers');
      const token = await server.cli('token', '--sub', 'jan', '--role', 'viewer');
      for (const wrong of [admin, 'no.such.token', `${token}x`]) {
        const watching = await viewer(server, id, [], { token });
        const answer = await watching.ask('auth_refresh', { token: wrong });
        assert.equal(answer?.ok, false);
        assert.equal(answer.error.type, 'AUTHENTICATION_FAILED');
        await watching.closedWithin(REVOKED_MS_MAX);
      }
      assert.ok(!server.log.includes(admin), 'a token in the log');
    });

    it('a_principal_has_so_many_sessions_and_no_more', async () => {
      const few = await startServer({ flags: ['--connections-per-principal-max', '3', '--loops', '1'] });
      const { id } = await few.addDevice('many');
      const token = await few.cli('token', '--sub', 'kim', '--role', 'viewer');
      const peers = [];
      for (let i = 0; i < 3; i++) peers.push(await viewer(few, id, [], { token }));
      assert.equal(await refusal(few, `/api/v1/devices/${id}/ws`, { token }), 429);
      await peers[0].end();
      const again = await viewer(few, id, [], { token });
      await Promise.all([...peers.slice(1), again].map((p) => p.end()));
      await few.stop();
    });
  });
});
