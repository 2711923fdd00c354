// Behind nginx and HAProxy as docs/OPERATIONS.md configures them, and on a unix socket.
import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { NAME, adapted, certificate, documented, flags, freePort, startHaproxy,
         startNginx } from './lib/fronts.mjs';
import { connect, device, refusal, rowOf, viewer } from './lib/monitor.mjs';
import { cli, startServer, tempDir } from './lib/server.mjs';

const PER_ADDRESS_MAX = 6;
const LIMITS = ['--connections-per-address-max', `${PER_ADDRESS_MAX}`];
const DIRECT = '127.0.0.1:0'; // for the harness itself
const FORGED = {
  'x-forwarded-for': '6.6.6.6',
  'x-real-ip': '6.6.6.6',
  forwarded: 'for=6.6.6.6;proto=http',
  'x-forwarded-proto': 'http',
  'x-forwarded-host': 'evil.example',
};

const first = (server) => {
  const line = server.stdout.find((l) => l.includes('first_admin'));
  return JSON.parse(line);
};

/** What both proxies have to do; `w` holds server and front once they run. */
function everyFront(w) {
  const login = (body = {}, options = {}) => {
    const { username, password } = first(w.server);
    return w.front.request('POST', '/api/v1/auth/login', {
      body: { username, password, ...body },
      ...options,
    });
  };
  // Logins have a limit, so one token serves all.
  const admin = async () => {
    w.token ??= (await login()).json.data.access_token;
    return w.token;
  };

  it('rest_and_console_are_served', async () => {
    assert.equal((await w.front.get('/')).status, 302);
    const page = await w.front.get('/console/');
    assert.equal(page.status, 200, page.text);
    assert.match(page.text, /<!doctype html>/i);
    assert.equal((await w.front.get('/health/ready')).status, 200);
    const list = await w.front.get('/api/v1/devices', { token: await admin() });
    assert.equal(list.status, 200, list.text);
  });

  it('the_consoles_cookie_is_secure_and_its_origin_is_https', async () => {
    const origin = `https://${w.front.host}`;
    const answer = await login({ session: true }, { headers: { origin } });
    assert.equal(answer.status, 200, answer.text);
    const cookie = answer.headers['set-cookie']?.[0] ?? '';
    assert.match(cookie, /^sb_session=.*; Secure$/);
    const me = await w.front.get('/api/v1/auth/me', {
      headers: { origin, cookie: cookie.split(';')[0] },
    });
    assert.equal(me.status, 200, me.text);
    const evil = await login({}, { headers: { origin: 'https://evil.example' } });
    assert.equal(evil.status, 403);
    const plain = await login({}, { headers: { origin: `http://${w.front.host}` } });
    assert.equal(plain.status, 403, 'the proxy said https');
  });

  it('only_public_hosts_are_ours', async () => {
    assert.equal((await w.front.get('/health/live', { host: 'evil.example' })).status, 403);
    assert.equal((await w.front.get('/health/live', { host: NAME })).status, 200);
  });

  it('nobody_is_anonymous_through_a_proxy', async () => {
    assert.equal((await w.server.get('/health')).status, 200, 'directly, on this machine');
    for (const host of [w.front.host, 'localhost', '127.0.0.1']) {
      const answer = await w.front.get('/health', { host });
      assert.ok([401, 403].includes(answer.status), `${host}: ${answer.status}`);
    }
    const { id } = await w.server.addDevice('watched');
    const status = await refusal(w.front, `/api/v1/devices/${id}/ws`, w.front.client());
    assert.equal(status, 401);
  });

  it('devices_and_viewers_have_websockets', async () => {
    const { id, key } = await w.server.addDevice('host');
    const token = await admin();
    const sender = await device(w.front, key, w.front.client({ from: '127.0.0.2' }));
    const watcher = await viewer(w.front, id, ['metrics'], { token, ...withToken(w, token) });
    const heard = watcher.next('metrics');
    const ack = await sender.ask('metrics', rowOf(7, new Date().toISOString()));
    assert.equal(ack.ok, true);
    assert.equal((await heard).data.cpu, 0.7);
    await watcher.end();
    await sender.end();
  });

  it('the_clients_address_is_logged_and_stored_and_a_forged_one_is_not', async () => {
    const { id, key } = await w.server.addDevice('far');
    const token = await admin();
    const options = w.front.client({ from: '127.0.0.5', headers: FORGED });
    const auth = { authorization: `Bearer ${key}` };
    const sender = await connect(w.front, '/api/v1/devices/self/ws', {
      ...options,
      headers: { ...options.headers, ...auth },
    });
    await sender.ask('heartbeat');
    let rows;
    do { // the row is written behind the connection
      rows = await w.front.get(`/api/v1/devices/${id}/connections`, { token });
      assert.equal(rows.status, 200, rows.text);
    } while (rows.json.data.length === 0);
    assert.match(rows.text, /"127\.0\.0\.5"/);
    await sender.end();
    await w.server.awaitLine(/"event":"conn\.close".*"peer":"127\.0\.0\.5:/);

    const bad = await w.front.get('/api/v1/devices', {
      token: 'nonsense', from: '127.0.0.6', headers: FORGED,
    });
    assert.equal(bad.status, 401);
    await w.server.awaitLine(/"event":"auth\.fail".*"peer":"127\.0\.0\.6"/);
    assert.doesNotMatch(w.server.log, /6\.6\.6\.6/);
    const audit = await w.front.get('/api/v1/audit', { token });
    assert.match(audit.text, /"remote_addr":"127\.0\.0\.1"/);
    assert.doesNotMatch(audit.text, /6\.6\.6\.6/);
  });

  it('limits_hold_for_the_client_and_not_for_the_proxy', async () => {
    const token = await admin();
    const { id } = await w.server.addDevice('popular');
    const target = `/api/v1/devices/${id}/ws`;
    const from = (address) => withToken(w, token, address);
    const peers = [];
    for (let i = 0; i < PER_ADDRESS_MAX; i++) {
      peers.push(await connect(w.front, target, from('127.0.0.7')));
    }
    const status = await refusal(w.front, target, from('127.0.0.7'));
    assert.ok(w.refusals.includes(status), `refused with ${status}`);
    for (let i = 0; i < PER_ADDRESS_MAX; i++) {
      peers.push(await connect(w.front, target, from('127.0.0.8')));
    }
    assert.equal((await w.front.get('/health/live', { from: '127.0.0.9' })).status, 200);
    await Promise.all(peers.map((p) => p.end()));
    await (await connect(w.front, target, from('127.0.0.7'))).end();
    await w.server.awaitLine(/"event":"conn\.refused".*per_address_max.*"127\.0\.0\.7/);
  });
}

function withToken(w, token, from = '127.0.0.1') {
  return w.front.client({ from, headers: { authorization: `Bearer ${token}` } });
}

describe('fronts', () => {
  describe('nginx', () => {
    const w = { refusals: [429] };
    before(async () => {
      const dir = tempDir('sock');
      const socket = path.join(dir, 's');
      const tls = certificate(dir);
      const ports = { plain: await freePort(), secure: await freePort() };
      const settings = adapted(documented('Behind nginx', 'conf'), [
        ['unix:/run/signalbox/signalbox.sock', `${DIRECT},unix:${socket}`],
      ]);
      w.server = await startServer({ flags: [...flags(settings), ...LIMITS] });
      assert.equal(w.server.ready.listen[1], `unix:${socket}`);
      w.front = await startNginx(adapted(documented('Behind nginx', 'nginx'), [
        ['unix:/run/signalbox/signalbox.sock', `unix:${socket}`],
        ['listen 80;', `listen 127.0.0.1:${ports.plain};`],
        ['listen 443 ssl;', `listen 127.0.0.1:${ports.secure} ssl;`],
        ['/etc/ssl/box.example.pem', tls.cert],
        ['/etc/ssl/box.example.key', tls.key],
      ]), ports, tls.ca);
    });
    after(async () => {
      await w.front?.stop();
      await w.server?.stop();
    });
    everyFront(w);
  });

  describe('nginx over TCP', () => {
    const w = { refusals: [429] };
    before(async () => {
      const dir = tempDir('sock');
      const tls = certificate(dir);
      const ports = { plain: await freePort(), secure: await freePort() };
      const settings = adapted(documented('Behind nginx', 'conf'), [
        ['unix:/run/signalbox/signalbox.sock', DIRECT],
        ['trusted_proxies = unix:', 'trusted_proxies = 127.0.0.1'],
      ]);
      w.server = await startServer({ flags: [...flags(settings), ...LIMITS] });
      w.front = await startNginx(adapted(documented('Behind nginx', 'nginx'), [
        ['server unix:/run/signalbox/signalbox.sock;', `server ${w.server.host}:${w.server.port};`],
        ['listen 80;', `listen 127.0.0.1:${ports.plain};`],
        ['listen 443 ssl;', `listen 127.0.0.1:${ports.secure} ssl;`],
        ['/etc/ssl/box.example.pem', tls.cert],
        ['/etc/ssl/box.example.key', tls.key],
      ]), ports, tls.ca);
    });
    after(async () => {
      await w.front?.stop();
      await w.server?.stop();
    });
    everyFront(w);
  });

  describe('HAProxy', () => {
    const w = { refusals: [502, 503] }; // the connection is closed, for its header came before HTTP
    before(async () => {
      const dir = tempDir('sock');
      const tls = certificate(dir);
      const ports = { plain: await freePort(), secure: await freePort() };
      const settings = adapted(documented('Behind HAProxy', 'conf'), [
        ['proxy+127.0.0.1:3002', `${DIRECT},proxy+127.0.0.1:0`],
        ['trusted_proxies = 127.0.0.1', 'trusted_proxies = 127.0.0.1'],
      ]);
      w.server = await startServer({ flags: [...flags(settings), ...LIMITS] });
      const inner = w.server.ready.listen[1];
      assert.match(inner, /^proxy\+127\.0\.0\.1:[1-9]\d*$/);
      w.front = await startHaproxy(adapted(documented('Behind HAProxy', 'haproxy'), [
        ['127.0.0.1:3002', inner.slice('proxy+'.length)],
        ['bind :80\n', `bind 127.0.0.1:${ports.plain}\n`],
        ['bind :443', `bind 127.0.0.1:${ports.secure}`],
        ['/etc/haproxy/box.example.pem', tls.pem],
      ]), ports, tls.ca);
    });
    after(async () => {
      await w.front?.stop();
      await w.server?.stop();
    });
    everyFront(w);
  });

  it('HAProxy_passes_tls_through_behind_its_header', async () => {
    const dir = tempDir('sock');
    const tls = certificate(dir);
    const ports = { secure: await freePort() };
    const server = await startServer({
      flags: ['--listen', `${DIRECT},proxy+tls://127.0.0.1:0`, '--trusted-proxies', '127.0.0.1',
              '--public-hosts', NAME, '--tls-cert', tls.pem],
    });
    const inner = server.ready.listen[1];
    const front = await startHaproxy(adapted(documented('Behind HAProxy', 'haproxy', 1), [
      ['127.0.0.1:3443', inner.slice('proxy+tls://'.length)],
      ['bind :443', `bind 127.0.0.1:${ports.secure}`],
    ]), ports, tls.ca);
    try {
      assert.equal((await front.get('/health/live')).status, 200);
      const bad = await front.get('/api/v1/devices', { token: 'nonsense', from: '127.0.0.6' });
      assert.equal(bad.status, 401);
      await server.awaitLine(/"event":"auth\.fail".*"peer":"127\.0\.0\.6"/);
    } finally {
      await front.stop();
      await server.stop();
    }
  });

  it('forged_fields_of_strangers_are_ignored', async () => {
    const server = await startServer({ flags: ['--trusted-proxies', '10.0.0.0/8'] });
    assert.equal((await server.get('/health')).status, 200);
    assert.equal((await server.get('/health', { headers: FORGED })).status, 401);
    const bad = await server.get('/api/v1/devices', { token: 'nonsense', headers: FORGED });
    assert.equal(bad.status, 401);
    await server.awaitLine(/"event":"auth\.fail".*"peer":"127\.0\.0\.1"/);
    assert.doesNotMatch(server.log, /6\.6\.6\.6/);
    await server.stop();
  });

  describe('unix sockets', () => {
    const ask = (socket, target, headers = {}) => new Promise((resolve, reject) => {
      http.get({ socketPath: socket, path: target, headers: { host: 'localhost', ...headers } },
        (res) => {
          res.resume();
          res.on('end', () => resolve(res.statusCode));
        }).on('error', reject);
    });
    const serve = (socket, more = []) => startServer({
      flags: ['--listen', `${DIRECT},unix:${socket}`, ...more],
    });

    it('have_a_mode_are_not_anonymous_and_go_with_the_server', async () => {
      const socket = path.join(tempDir('sock'), 's');
      const server = await serve(socket, ['--unix-socket-mode', '0600', '--loops', '3']);
      assert.equal(statSync(socket).mode & 0o777, 0o600);
      const answers = await Promise.all(Array.from({ length: 100 },
        () => ask(socket, '/health/live')));
      assert.deepEqual([...new Set(answers)], [200]);
      assert.equal(await ask(socket, '/health'), 401);
      assert.equal(await ask(socket, '/health/live', { host: 'evil.example' }), 403);
      await server.stop();
      assert.equal(existsSync(socket), false);
    });

    it('are_not_stolen_from_the_living_but_replaced_after_a_crash', async () => {
      const socket = path.join(tempDir('sock'), 's');
      const one = await serve(socket);
      const two = await cli(['serve', '--listen', `unix:${socket}`, '--data-dir', tempDir()]);
      assert.equal(two.status, 1);
      assert.match(two.stderr, /another server listens there/);
      assert.equal(await ask(socket, '/health/live'), 200);
      await one.crash();
      assert.equal(existsSync(socket), true);
      const three = await serve(socket);
      assert.equal(await ask(socket, '/health/live'), 200);
      await three.stop();
    });
  });
});
