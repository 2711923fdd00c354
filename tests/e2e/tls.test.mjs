// TLS as outside clients see it: Node's, the `ws` package, curl and openssl's own.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import tls from 'node:tls';
import WebSocket from 'ws';
import { startAgent } from './lib/agent.mjs';
import { authority, certificate } from './lib/certs.mjs';
import { PATIENCE, cli, startServer, tempDir, within } from './lib/server.mjs';

const SOON_MS = 10_000 * PATIENCE;
const ca = authority('ca');
const otherCa = authority('other-ca');
const box = certificate(ca, 'box');

/** A server with a plain and a TLS listener: adds tlsPort. */
async function start(flags = [], options = {}) {
  const server = await startServer({
    flags: ['--listen', '127.0.0.1:0,tls://127.0.0.1:0', '--conformance', 'on',
      ...(flags.includes('--tls-cert') ? [] : ['--tls-cert', box.file, '--tls-key', box.keyFile]), ...flags],
    ...options,
  });
  assert.match(server.ready.listen[1], /^tls:\/\/127\.0\.0\.1:\d+$/);
  server.tlsPort = Number(server.ready.listen[1].split(':').at(-1));
  return server;
}

const soon = (what, promise) => within(SOON_MS, what, promise);

/** Connects: {socket, protocol, cipher, alpn, cert}; rejects as the handshake does. */
function handshake(server, options = {}) {
  return soon('handshake', new Promise((resolve, reject) => {
    const socket = tls.connect({ host: '127.0.0.1', port: server.tlsPort, ca: ca.cert, servername: 'localhost', ...options },
      () => resolve({
        socket,
        protocol: socket.getProtocol(),
        cipher: socket.getCipher().standardName,
        alpn: socket.alpnProtocol,
        cert: socket.getPeerCertificate(),
      }));
    socket.on('error', reject);
  }));
}

/** One request over TLS: {status, headers, text}. */
function request(server, target, { method = 'GET', body, headers = {}, ...options } = {}) {
  return soon(target, new Promise((resolve, reject) => {
    const req = https.request({
      host: '127.0.0.1', port: server.tlsPort, path: target, method, ca: ca.cert, servername: 'localhost',
      headers: { host: `localhost:${server.tlsPort}`, ...headers }, agent: false, ...options,
    }, (res) => {
      const parts = [];
      res.on('data', (d) => parts.push(d));
      res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, bytes: Buffer.concat(parts) }));
      res.on('error', reject);
    });
    req.on('error', reject);
    req.end(body);
  }));
}

/** An open WebSocket over TLS with next(), which awaits a message. */
async function open(server, target = '/conformance/ws', options = {}) {
  const ws = new WebSocket(`wss://localhost:${server.tlsPort}${target}`, { ca: ca.cert, ...options });
  const queue = [];
  const waiting = [];
  ws.on('message', (data) => (waiting.length > 0 ? waiting.shift()(data) : queue.push(data)));
  ws.closed = new Promise((resolve) => ws.on('close', resolve));
  ws.next = () => soon('a message', queue.length > 0
    ? Promise.resolve(queue.shift())
    : new Promise((resolve) => waiting.push(resolve)));
  await soon('open', new Promise((resolve, reject) => {
    ws.on('open', resolve);
    ws.on('error', reject);
  }));
  return ws;
}

const run = (...args) => soon(args[0], new Promise((resolve) => {
  const child = execFile(args[0], args.slice(1), { encoding: 'buffer' }, (error, stdout, stderr) =>
    resolve({ status: error?.code ?? 0, stdout, text: `${stdout}${stderr}` }));
  child.stdin.end();
}));

const metric = async (server, line) => {
  const { text } = await server.get('/metrics');
  const found = text.split('\n').find((l) => l.startsWith(`signalbox_${line} `));
  return found === undefined ? undefined : Number(found.split(' ').at(-1));
};

async function until(what, test) {
  const end = Date.now() + SOON_MS;
  for (;;) {
    const got = await test();
    if (got) return got;
    assert.ok(Date.now() < end, what);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('one_server', { concurrency: true }, () => {
  let server;
  before(async () => {
    server = await start(['--tls-hsts-s', '31536000']);
  });
  after(() => server.stop());

  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    it(`answers_https_over_${version}`, async () => {
      const options = { minVersion: version, maxVersion: version };
      const { socket, protocol, cipher } = await handshake(server, options);
      assert.equal(protocol, version);
      assert.match(cipher, /^TLS_(ECDHE_ECDSA_WITH_)?AES_128_GCM_SHA256$/);
      socket.destroy();
      const { status, headers, bytes } = await request(server, '/health/live', options);
      assert.equal(status, 200);
      assert.deepEqual(JSON.parse(bytes), { status: 'live' });
      assert.equal(headers['strict-transport-security'], 'max-age=31536000');
      assert.equal((await server.get('/health/live')).headers.get('strict-transport-security'), null);
    });

    it(`carries_messages_of_every_size_over_${version}`, async () => {
      const ws = await open(server, '/conformance/ws', { minVersion: version, maxVersion: version, perMessageDeflate: false });
      for (const size of [0, 1, 125, 126, 16_383, 16_384, 16_385, 65_535, 65_536, 200_000, 4_000_000]) {
        const sent = randomBytes(size);
        ws.send(sent);
        assert.ok(sent.equals(await ws.next()), `${size} bytes`);
      }
      for (let i = 0; i < 500; i++) ws.send(`message ${i}`);
      for (let i = 0; i < 500; i++) assert.equal((await ws.next()).toString(), `message ${i}`);
      ws.close(1000);
      assert.equal(await soon('close', ws.closed), 1000);
    });
  }

  it('sends_what_a_slow_reader_left_waiting_in_order', async () => {
    const ws = await open(server, '/conformance/pubsub', { perMessageDeflate: false });
    const sender = await open(server, '/conformance/pubsub', { perMessageDeflate: false });
    ws.send('s slow');
    assert.equal((await ws.next()).toString(), 'ok slow');
    ws.pause();
    const filler = 'x'.repeat(2000);
    for (let i = 0; i < 450; i++) sender.send(`p slow ${i} ${filler}`);
    sender.send('c');
    await sender.next();
    ws.resume();
    for (let i = 0; i < 450; i++) assert.equal((await ws.next()).toString(), `${i} ${filler}`);
    ws.close();
    sender.close();
  });

  it('echoes_a_large_body_whole', async () => {
    const body = randomBytes(1_000_000);
    const { status, bytes } = await request(server, '/conformance/http', { method: 'POST', body });
    assert.equal(status, 200);
    assert.ok(body.equals(bytes));
  });

  it('agrees_to_http_1_1_and_refuses_others', async () => {
    const { socket, alpn } = await handshake(server, { ALPNProtocols: ['h2', 'http/1.1'] });
    assert.equal(alpn, 'http/1.1');
    socket.destroy();
    const without = await handshake(server, {});
    assert.equal(without.alpn, false);
    without.socket.destroy();
    await assert.rejects(handshake(server, { ALPNProtocols: ['h2'] }), /no application protocol/i);
    await until('counted', () => metric(server, 'tls_handshake_failures_total{reason="alpn"}'));
  });

  it('refuses_old_versions_and_ciphers', async () => {
    const at = `127.0.0.1:${server.tlsPort}`;
    for (const flags of [['-tls1'], ['-tls1_1'], ['-tls1_2', '-cipher', 'AES128-SHA256:AES128-GCM-SHA256'],
      ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA'], ['-groups', 'P-521']]) {
      const cipher = flags.includes('-cipher') ? flags : [...flags, '-cipher', 'ALL:@SECLEVEL=0'];
      const { status, text } = await run('openssl', 's_client', '-connect', at, ...cipher);
      assert.notEqual(status, 0, flags.join(' '));
      assert.match(text, /alert|no protocols|no cipher/i, flags.join(' '));
    }
    const good = await run('openssl', 's_client', '-connect', at, '-CAfile', ca.file, '-verify_return_error', '-brief');
    assert.equal(good.status, 0, good.text);
  });

  it('takes_up_sessions_again_on_any_loop', async () => {
    const before = await metric(server, 'tls_resumed_total');
    const first = await handshake(server);
    const session = await soon('ticket', new Promise((resolve) => first.socket.on('session', resolve)));
    first.socket.destroy();
    for (let i = 0; i < 8; i++) {
      const again = await handshake(server, { session });
      assert.ok(again.socket.isSessionReused());
      again.socket.destroy(); // perhaps before the server has read the end of the handshake
      assert.equal((await request(server, '/health/live', { session })).status, 200);
    }
    await until('eight resumed', async () => await metric(server, 'tls_resumed_total') >= before + 8);
  });

  it('tells_plain_http_what_is_wrong', async () => {
    const socket = net.connect(server.tlsPort, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    let text = '';
    socket.on('data', (d) => (text += d));
    await soon('end', new Promise((resolve) => socket.on('end', resolve)));
    assert.match(text, /^HTTP\/1\.1 400 [\s\S]*Connection: close[\s\S]*use https/);
    socket.destroy();
  });

  it('marks_its_cookie_secure_over_tls_only', async () => {
    const { username, password } = JSON.parse(await server.awaitLine(/first_admin/));
    const body = JSON.stringify({ username, password, session: true });
    const headers = { 'content-type': 'application/json' };
    const over = await request(server, '/api/v1/auth/login', {
      method: 'POST', body, headers: { ...headers, origin: `https://localhost:${server.tlsPort}` },
    });
    assert.equal(over.status, 200, over.bytes.toString());
    assert.match(over.headers['set-cookie'][0], /; HttpOnly; SameSite=Strict;.*; Secure$/);
    const plain = await server.request('POST', '/api/v1/auth/login', { body, headers });
    assert.equal(plain.status, 200);
    assert.doesNotMatch(plain.headers.get('set-cookie'), /Secure/);
    const crossed = await request(server, '/api/v1/auth/login', {
      method: 'POST', body, headers: { ...headers, origin: `http://localhost:${server.tlsPort}` },
    });
    assert.equal(crossed.status, 403);
  });

  it('serves_curl', async () => {
    const { status, stdout } = await run('curl', '-sS', '--cacert', ca.file, `https://localhost:${server.tlsPort}/health/live`);
    assert.equal(status, 0);
    assert.equal(stdout.toString(), '{"status":"live"}');
    assert.equal((await run('curl', '-sS', '--cacert', otherCa.file, `https://localhost:${server.tlsPort}/`)).status, 60);
  });

  it('says_what_the_certificate_has_left', async () => {
    const left = await metric(server, `tls_certificate_expiry_seconds{file="${box.file}"}`);
    assert.ok(left > 29 * 86400 && left <= 30 * 86400);
    const { json } = await server.get('/health');
    assert.equal(json.components.tls.status, 'healthy');
    assert.match(json.components.tls.detail, /^certificates for (29|30) days$/);
  });
});

it('ends_garbage_and_handshakes_that_stall', async () => {
  const server = await start(['--tls-handshake-timeout-ms', '300']);
  try {
    const bad = net.connect(server.tlsPort, '127.0.0.1');
    bad.on('error', () => {});
    bad.write(randomBytes(100));
    const stalled = net.connect(server.tlsPort, '127.0.0.1');
    stalled.on('error', () => {});
    stalled.write(Buffer.from('16030102000100', 'hex'));
    bad.resume();
    stalled.resume();
    await soon('end of garbage', new Promise((resolve) => bad.on('close', resolve)));
    await soon('end of a stall', new Promise((resolve) => stalled.on('close', resolve)));
    await until('counted', () => metric(server, 'tls_handshake_failures_total{reason="timeout"}'));
    await until('counted', () => metric(server, 'disconnects_total{reason="tls_timeout"}'));
  } finally {
    await server.stop();
  }
});

it('chooses_the_certificate_by_name', async () => {
  const shop = certificate(ca, 'shop', { names: ['DNS:shop.example', 'DNS:*.shop.example'], kind: 'rsa' });
  const server = await start(['--tls-cert', `${box.file}, ${shop.file}`, '--tls-key', `${box.keyFile},${shop.keyFile}`]);
  try {
    for (const [servername, subject] of [['shop.example', 'shop'], ['a.shop.example', 'shop'], ['localhost', 'box'],
      ['a.b.shop.example', 'box'], ['nowhere.example', 'box'], ['', 'box']]) {
      const { socket, cert } = await handshake(server, { servername, checkServerIdentity: () => undefined });
      assert.equal(cert.subject.CN, subject, servername);
      socket.destroy();
    }
  } finally {
    await server.stop();
  }
});

it('admits_by_client_certificate_where_that_is_asked_for', async () => {
  const client = certificate(ca, 'sensor', { names: ['DNS:sensor'] });
  const stranger = certificate(otherCa, 'stranger', { names: ['DNS:stranger'] });
  const flags = ['--tls-client-ca', ca.file, '--tls-client-auth'];
  // TLS 1.3 tells a client only after its own handshake is done: the request fails then.
  const refused = /alert|ECONNRESET|socket hang up|EPIPE/i;
  const required = await start([...flags, 'require']);
  try {
    assert.equal((await request(required, '/health/live', { cert: client.cert, key: client.key })).status, 200);
    await required.awaitLine(/"event":"tls.client".*CN=sensor/);
    await assert.rejects(request(required, '/health/live'), refused);
    await assert.rejects(request(required, '/health/live', { cert: stranger.cert, key: stranger.key }), refused);
    await until('counted', async () =>
      await metric(required, 'tls_handshake_failures_total{reason="certificate"}') === 2);
    // A certificate is no identity: what needs one still does.
    assert.equal((await request(required, '/api/v1/devices', { cert: client.cert, key: client.key })).status, 401);
  } finally {
    await required.stop();
  }
  const optional = await start([...flags, 'optional']);
  try {
    assert.equal((await request(optional, '/health/live')).status, 200);
    assert.equal((await request(optional, '/health/live', { cert: client.cert, key: client.key })).status, 200);
    await assert.rejects(request(optional, '/health/live', { cert: stranger.cert, key: stranger.key }), refused);
  } finally {
    await optional.stop();
  }
});

it('takes_new_certificates_at_sighup_and_keeps_connections', async () => {
  const dir = tempDir('live');
  const live = { file: path.join(dir, 'cert.pem'), keyFile: path.join(dir, 'key.pem') };
  const renewed = certificate(ca, 'renewed', { days: 5 });
  const put = (from) => {
    copyFileSync(from.file, live.file);
    copyFileSync(from.keyFile, live.keyFile);
  };
  put(box);
  const server = await start(['--tls-cert', live.file, '--tls-key', live.keyFile]);
  const reloaded = async (event) => {
    const seen = server.stderr.filter((l) => l.includes(event)).length;
    server.process.kill('SIGHUP');
    await until(event, () => server.stderr.filter((l) => l.includes(event)).length > seen);
  };
  const shown = async () => {
    const { socket, cert } = await handshake(server);
    socket.destroy();
    return cert.subject.CN;
  };
  try {
    const ws = await open(server);
    const first = await handshake(server);
    const session = await soon('ticket', new Promise((resolve) => first.socket.on('session', resolve)));
    first.socket.destroy();
    assert.equal(await shown(), 'box');

    put(renewed);
    assert.equal(await shown(), 'box');
    await reloaded('settings.reloaded');
    assert.equal(await shown(), 'renewed');
    assert.ok((await handshake(server, { session }).then(({ socket }) => {
      const reused = socket.isSessionReused();
      socket.destroy();
      return reused;
    })), 'tickets hold over a reload');
    assert.ok(server.log.includes('"state":"expires soon"'));
    await until('alert', async () => await metric(server, 'alert{name="certificate"}') === 1);
    assert.equal((await server.get('/health')).json.components.tls.status, 'degraded');

    for (const break_ of [() => writeFileSync(live.file, 'no certificate'), () => copyFileSync(box.file, live.file),
      () => writeFileSync(live.keyFile, '')]) {
      put(renewed);
      break_();
      await reloaded('settings.refused');
      assert.equal(await shown(), 'renewed');
    }
    ws.send('still here');
    assert.equal((await ws.next()).toString(), 'still here');
    put(box);
    await reloaded('settings.reloaded');
    assert.equal(await shown(), 'box');
    await until('alert', async () => await metric(server, 'alert{name="certificate"}') === 0);
    ws.close();
    await ws.closed;
  } finally {
    await server.stop();
  }
});

it('drains_with_a_close_frame_and_close_notify', async () => {
  const server = await start();
  const ws = await open(server);
  const idle = await handshake(server);
  const ended = new Promise((resolve) => idle.socket.on('end', resolve)); // after close_notify only
  idle.socket.resume();
  // A client has finished before the server has read so; its ticket says that it has.
  await soon('ticket', new Promise((resolve) => idle.socket.once('session', resolve)));
  server.process.kill('SIGTERM');
  assert.equal(await soon('close', ws.closed), 1001);
  await soon('close_notify', ended);
  await server.stop();
});

describe('check_config', () => {
  const check = (...flags) => cli(['check-config', '--listen', 'tls://127.0.0.1:3443', ...flags]);

  it('says_when_certificates_end', async () => {
    const ended = certificate(ca, 'ended', { days: 0, names: ['DNS:old.example'] });
    const got = await check('--tls-cert', `${box.file},${ended.file}`, '--tls-key', `${box.keyFile},${ended.keyFile}`);
    assert.equal(got.status, 0, got.stderr);
    assert.match(got.stdout, /# certificate .*box\.pem for localhost: valid, ends 20\d\d-/);
    assert.match(got.stdout, /# certificate .*ended\.pem for old\.example: expired, ends 20\d\d-/);
  });

  it('names_what_does_not_fit', async () => {
    for (const [flags, says] of [
      [[], /tls_cert must name a certificate/],
      [['--tls-cert', '/none.pem'], /tls_cert \/none\.pem: No such file/],
      [['--tls-cert', box.file, '--tls-key', ca.keyFile], /tls_key .*ca\.key: no key of .*box\.pem is in it/],
      [['--tls-cert', box.file, '--tls-key', box.keyFile, '--tls-client-auth', 'require'], /needs tls_client_ca/],
      [['--tls-cert', box.file, '--tls-key', box.keyFile, '--tls-client-auth', 'require', '--tls-client-ca', box.keyFile],
        /tls_client_ca .*box\.key/],
    ]) {
      const got = await check(...flags);
      assert.equal(got.status, 2, flags.join(' '));
      assert.match(got.stderr, says);
    }
  });
});

describe('agent', () => {
  let server;
  before(async () => {
    server = await start(['--conformance', 'off']);
    server.url = `https://localhost:${server.tlsPort}`;
  });
  after(() => server.stop());

  it('reports_over_tls_and_stays_small', async (t) => {
    const { id, key } = await server.addDevice('over-tls');
    const agent = startAgent(server, key, { env: { SIGNALBOX_AGENT_CA: ca.file } });
    t.after(() => agent.process.kill('SIGKILL'));
    await agent.awaitLine(/"event":"agent.open"/);
    const { readFileSync } = await import('node:fs');
    const kib = Number(readFileSync(`/proc/${agent.process.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]);
    t.diagnostic(`agent over TLS: ${kib} KiB`);
    const token = await server.cli('token', '--sub', 'e2e', '--role', 'operator');
    await until('online', async () => {
      const { bytes } = await request(server, `/api/v1/devices/${id}`, { headers: { authorization: `Bearer ${token}` } });
      return JSON.parse(bytes).data.connectionStatus === 'online';
    });
    await agent.stop();
  });

  it('does_not_speak_to_a_server_it_cannot_trust', async (t) => {
    const { key } = await server.addDevice('distrustful');
    for (const [env, url, says] of [
      [{}, server.url, /"reason":"certificate","detail":"(unable to get local issuer certificate|self-signed certificate in certificate chain)"/],
      [{ SIGNALBOX_AGENT_CA: otherCa.file }, server.url, /"detail":"unable to get local issuer certificate"/],
      [{ SIGNALBOX_AGENT_CA: ca.file }, `wss://127.0.0.2:${server.tlsPort}`, null],
    ]) {
      const agent = startAgent({ url }, key, { env });
      t.after(() => agent.process.kill('SIGKILL'));
      if (says !== null) await agent.awaitLine(says);
      await agent.awaitLine(/"event":"agent.wait"/);
      assert.ok(!agent.log.includes('agent.open'));
      await agent.stop();
    }
  });
});
