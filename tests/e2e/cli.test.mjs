// The command line as an operator uses it: settings, commands with and without a running server,
// start and end.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { cli, startServer, tempDir } from './lib/server.mjs';

test('version and help exit 0 and name every setting once', async () => {
  assert.match((await cli(['version'])).stdout, /^signalbox \d+\.\d+\.\d+\n$/);
  const help = await cli(['help']);
  assert.equal(help.status, 0);
  for (const name of ['listen', 'data-dir', 'drain-ms', 'ws-message-bytes-max', 'conformance']) {
    assert.equal(help.stdout.split(`--${name} `).length, 2, name);
  }
  assert.match(help.stdout, /SIGNALBOX_JWT_SECRET \(environment or file only/);
  for (const args of [['simulate', '--devices', '3', '--help'], ['simulate', '-h'], ['help', 'simulate']]) {
    const one = await cli(args);
    assert.equal(one.status, 0, args.join(' '));
    assert.match(one.stdout, /^ {2}simulate --server URL[\s\S]+--rate/);
    assert.doesNotMatch(one.stdout, /check-config/);
  }
});

test('unknown commands, options and settings exit 2 and say what was meant', async () => {
  for (const [args, says] of [
    [['serv'], /unknown command "serv"/],
    [['serve', '--lisen', '127.0.0.1:0'], /unknown setting "lisen" \(did you mean listen\?\)/],
    [['serve', '--loops', 'x'], /loops must be a whole number/],
    [['check-config', '--conformance', 'on', '--listen', '0.0.0.0:1'], /refused together/],
  ]) {
    const got = await cli(args);
    assert.equal(got.status, 2, args.join(' '));
    assert.match(got.stderr, says);
  }
});

test('check-config names the line of a bad file and shows sources otherwise', async () => {
  const dir = tempDir('conf');
  const file = path.join(dir, 'a.conf');
  writeFileSync(file, '# ours\ndrain_ms = 7\nloops = two\n');
  const bad = await cli(['check-config', '--config', file]);
  assert.equal(bad.status, 2);
  assert.match(bad.stderr, /a\.conf:3: loops must be a whole number: "two" \(0 to 64\)/);
  writeFileSync(file, 'drain_ms = 7\n');
  const good = await cli(['check-config', `--config=${file}`], { env: { SIGNALBOX_LOOPS: '2' } });
  assert.equal(good.status, 0, good.stderr);
  assert.match(good.stdout, /^drain_ms = 7 {2}# .*a\.conf:1$/m);
  assert.match(good.stdout, /^loops = 2 {2}# environment SIGNALBOX_LOOPS$/m);
  assert.match(good.stdout, /^# 2 loops hold \d+ connections each/m);
});

test('json-check tells valid from not by its exit status', async () => {
  for (const [input, status] of [
    ['{"a":[1,2.5e3,"\\u00e9"]}', 0],
    [' null\n', 0],
    ['', 1],
    ['{"a":1,}', 1],
    ['01', 1],
    ['"\\ud800"', 1],
    ['[1] x', 1],
    ['['.repeat(65) + ']'.repeat(65), 1],
  ]) {
    assert.equal((await cli(['json-check'], { input })).status, status, input.slice(0, 20));
  }
});

test('users and tokens are made without a server and beside one', async () => {
  const dataDir = tempDir('users');
  const at = ['--data-dir', dataDir];
  const added = await cli(['user', 'add', '--name', 'ana', '--role', 'viewer', ...at]);
  assert.equal(added.status, 0, added.stderr);
  assert.match(added.stdout, /^id [0-9a-f-]{36}\npassword \S{12,}\n$/);
  const again = await cli(['user', 'add', '--name', 'ana', ...at]);
  assert.equal(again.status, 1);
  assert.equal((await cli(['user', 'add', '--name', 'x', '--role', 'king', ...at])).status, 2);

  const server = await startServer({ dataDir });
  try {
    assert.match(await server.cli('user', 'list'), /active\s+ana/);
    const token = await server.cli('token', '--sub', 'ana', '--ttl', '1h');
    assert.match(token, /^[\w-]+\.[\w-]+\.[\w-]+$/);
    const me = await server.request('GET', '/api/v1/auth/me', { token });
    assert.equal(me.status, 200, me.text);
    assert.equal(me.json.data.username, 'ana');
    assert.deepEqual(me.json.data.roles, ['viewer']);
    assert.deepEqual(me.json.data.rooms, []);
    await server.cli('user', 'disable', '--name', 'ana');
    assert.equal((await server.request('GET', '/api/v1/auth/me', { token })).status, 401);
    const nobody = '0190a000-0000-7000-8000-000000000001';
    const made = await server.cli('token', '--sub', nobody, '--kind', 'user', '--role', 'admin');
    const admin = await server.request('GET', '/api/v1/auth/me', { token: made });
    assert.equal(admin.status, 200, admin.text);
    assert.deepEqual(admin.json.data.roles, ['admin']);
    const atOnce = await Promise.all(Array.from({ length: 8 }, () =>
      server.cli('token', '--sub', 'new', '--role', 'employee')));
    const subs = atOnce.map((t) => JSON.parse(Buffer.from(t.split('.')[1], 'base64url')).sub);
    assert.equal(new Set(subs).size, 1); // whoever came first made the user, all have its token
  } finally {
    await server.stop();
  }
});

test('a second server on the same folder or port is refused; the first goes on', async () => {
  const server = await startServer();
  try {
    const folder = await cli(['serve', '--data-dir', server.dataDir, '--listen', '127.0.0.1:0']);
    assert.equal(folder.status, 1);
    assert.match(folder.stderr, /is in use: another signalbox serves from it/);
    const listen = `127.0.0.1:${server.port}`;
    const port = await cli(['serve', '--data-dir', tempDir('second'), '--listen', listen]);
    assert.equal(port.status, 1);
    assert.match(port.stderr, /the address is in use/);
    assert.equal((await server.request('GET', '/health/live')).status, 200);
  } finally {
    await server.stop();
  }
});

test('the first admin is shown once and can sign in', async () => {
  const dataDir = tempDir('admin');
  let server = await startServer({ dataDir });
  const line = JSON.parse(await server.awaitLine(/"first_admin"/));
  const body = { username: line.username, password: line.password };
  const login = await server.request('POST', '/api/v1/auth/login', { body });
  assert.equal(login.status, 200, login.text);
  await server.stop();
  server = await startServer({ dataDir });
  assert.doesNotMatch(server.log, /first_admin/);
  const again = await server.request('POST', '/api/v1/auth/login', { body });
  assert.equal(again.status, 200, again.text);
  assert.doesNotMatch(server.log, new RegExp(line.password));
  await server.stop();
});
