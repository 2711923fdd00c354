// The REST surface of the real program: sign-in, the console's cookie, operations, and what the
// log must never hold.
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { startServer } from './lib/server.mjs';

let server;
let password;

before(async () => {
  server = await startServer({ flags: ['--log-level', 'debug'] });
  password = server.log.match(/"password":"([^"]+)"/)?.[1];
  assert.ok(password, 'the first admin is shown');
});
after(() => server?.stop());

function login(extra = {}, options = {}) {
  return server.post('/api/v1/auth/login', { username: 'admin', password, ...extra }, options);
}

test('a_token_of_the_first_admin_says_who_asks', async () => {
  const { status, json } = await login();
  assert.equal(status, 200);
  assert.equal(json.success, true);
  assert.equal(json.data.token_type, 'Bearer');
  assert.deepEqual(json.data.user.roles, ['admin']);
  const me = await server.get('/api/v1/auth/me', { token: json.data.access_token });
  assert.equal(me.json.data.username, 'admin');
  assert.equal(me.json.data.kind, 'user');
  const query = await server.get(`/api/v1/auth/me?token=${json.data.access_token}`);
  assert.equal(query.status, 200);
  assert.ok(!server.log.includes(json.data.access_token), 'no token in the log');
  assert.ok(!server.log.includes(json.data.refresh_token), 'no refresh token in the log');
});

test('the_cookie_is_http_only_and_needs_a_page_of_ours', async () => {
  const signedIn = await login({ session: true }, { headers: { origin: server.url } });
  assert.equal(signedIn.status, 200);
  assert.equal(signedIn.json.data.access_token, undefined);
  const set = signedIn.headers.get('set-cookie');
  assert.match(set, /^sb_session=[^;]+; Path=\/; HttpOnly; SameSite=Strict; Max-Age=\d+$/);
  const cookie = set.split(';')[0];
  assert.equal((await server.get('/api/v1/auth/me', { headers: { cookie } })).status, 200);
  const foreign = { cookie, origin: 'http://localhost:1' };
  assert.equal((await server.post('/api/v1/auth/logout', {}, { headers: foreign })).status, 403);
  const own = { cookie, origin: server.url };
  assert.equal((await server.post('/api/v1/auth/logout', {}, { headers: own })).status, 200);
  assert.equal((await server.get('/api/v1/auth/me', { headers: { cookie } })).status, 401);
  assert.ok(!server.log.includes(cookie.slice(11)), 'no session in the log');
});

test('refusals_are_problems_with_both_envelopes', async () => {
  const wrong = await login({ password: 'not the password' });
  assert.equal(wrong.status, 401);
  assert.equal(wrong.headers.get('content-type'), 'application/problem+json');
  assert.equal(wrong.headers.get('www-authenticate'), 'Bearer');
  for (const member of ['type', 'title', 'status', 'detail', 'instance', 'code', 'errors',
    'success', 'error', 'timestamp']) {
    assert.ok(member in wrong.json, member);
  }
  assert.equal(wrong.json.success, false);
  assert.ok(!server.log.includes('not the password'));
  const rebound = await server.raw(
    'GET /api/v1/auth/me HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n');
  assert.match(rebound, /^HTTP\/1\.1 403 /);
});

test('a_device_key_becomes_a_token', async () => {
  const { id, key } = await server.addDevice('pump');
  const made = await server.post('/api/v1/auth/device', { key });
  assert.equal(made.status, 200);
  assert.equal(made.json.data.device_id, id);
  const me = await server.get('/api/v1/auth/me', { token: made.json.data.access_token });
  assert.equal(me.json.data.kind, 'device');
  assert.equal((await server.get('/metrics', { token: key })).status, 403);
  assert.ok(!server.log.includes(key), 'no key in the log');
});

test('operations_answer_this_machine_and_no_proxy', async () => {
  const health = await server.get('/health');
  assert.equal(health.json.status, 'healthy');
  assert.deepEqual(Object.keys(health.json.components).sort(),
    ['auth', 'connections', 'router', 'scanner', 'server', 'store']);
  assert.equal(typeof health.json.uptime, 'number');
  assert.ok(health.json.memory_usage > 0);
  const proxied = { headers: { 'x-forwarded-for': '192.0.2.1' } };
  assert.equal((await server.get('/health', proxied)).status, 401);
  assert.equal((await server.get('/health/ready', proxied)).status, 200);
  const metrics = await server.get('/metrics');
  assert.match(metrics.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
  assert.match(metrics.text, /^signalbox_http_requests_total\{route="health",status="2xx"\} \d+$/m);
  assert.match(metrics.text, /^signalbox_auth_failures_total\{reason="[a-z_]+"\} \d+$/m);
  assert.match(metrics.text, /^signalbox_build_info\{version="[^"]+"\} 1$/m);
});

test('the_console_comes_compressed_and_is_not_sent_twice', async () => {
  const root = await server.get('/');
  assert.equal(root.status, 302);
  assert.equal(root.headers.get('location'), '/console/');
  const page = await server.get('/console/devices');
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-security-policy'), /default-src 'self'/);
  assert.equal(page.headers.get('content-encoding'), 'gzip');
  const again = await server.get('/console/', {
    headers: { 'if-none-match': page.headers.get('etag') },
  });
  assert.equal(again.status, 304);
  assert.equal((await server.get('/console/assets/none.js')).status, 404);
});
