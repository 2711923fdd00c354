// What an operator does to a running server: copies, checks of copies, commands beside it.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, renameSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';

import { cli, startServer, tempDir } from './lib/server.mjs';

// A server that ends with its test, whatever becomes of it.
async function serve(t, options) {
  const server = await startServer(options);
  t.after(() => server.process.kill('SIGKILL'));
  return server;
}

test('a_backup_beside_a_running_server_restores_into_a_new_folder', async (t) => {
  const server = await serve(t);
  const where = tempDir('copies');
  const { id } = await server.addDevice('pump');
  const at = ['--data-dir', server.dataDir];
  // The name is the caller's: relative to where the caller stands.
  const made = await cli(['backup', 'a.db', ...at], { cwd: where });
  assert.equal(made.status, 0, made.stderr);
  const file = path.join(where, 'a.db');
  assert.match(made.stdout, new RegExp(`^backup ${file} ${statSync(file).size} bytes\n$`));
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const again = await cli(['backup', file, ...at]);
  assert.equal(again.status, 1);
  assert.match(again.stderr, /exists already, and nothing is overwritten/);
  const nowhere = await cli(['backup', path.join(where, 'no/b.db'), ...at]);
  assert.equal(nowhere.status, 1);
  assert.match(nowhere.stderr, /is its folder there/);
  assert.equal((await cli(['backup', ...at])).status, 2);
  await server.stop();

  const checked = await cli(['check-store', file]);
  assert.equal(checked.status, 0, checked.stderr);
  assert.match(checked.stdout, /^devices +1$/m);
  assert.match(checked.stdout, /a\.db is sound: schema \d+ of \d+, \d+ bytes\n$/);
  const dataDir = path.join(where, 'restored');
  mkdirSync(dataDir);
  renameSync(file, path.join(dataDir, 'signalbox.db'));
  const restored = await serve(t, { dataDir });
  assert.match(await restored.cli('device', 'list'), new RegExp(id));
  await restored.stop();
});

test('a_backup_without_a_server_and_of_no_store', async () => {
  const dataDir = tempDir('cold');
  const file = path.join(dataDir, 'copy.db');
  const none = await cli(['backup', file, '--data-dir', dataDir]);
  assert.equal(none.status, 1);
  assert.match(none.stderr, /there is no store in data_dir/);
  assert.ok(!existsSync(path.join(dataDir, 'signalbox.db')));
  assert.equal((await cli(['user', 'add', '--name', 'ana', '--data-dir', dataDir])).status, 0);
  assert.equal((await cli(['backup', file, '--data-dir', dataDir])).status, 0);
  assert.match((await cli(['check-store', file])).stdout, /^user_account +1$/m);
  const own = await cli(['check-store', '--data-dir', dataDir]);
  assert.equal(own.status, 0, own.stderr);
  truncateSync(file, 40_000);
  const cut = await cli(['check-store', file]);
  assert.equal(cut.status, 1);
  assert.match(cut.stderr, /copy\.db does not serve as a store: it /);
  const missing = await cli(['check-store', path.join(dataDir, 'none.db')]);
  assert.equal(missing.status, 1);
  assert.match(missing.stderr, /No such file/);
});

test('a_password_file_is_read_by_the_caller_not_by_the_server', async (t) => {
  const server = await serve(t);
  const where = tempDir('secrets');
  writeFileSync(path.join(where, 'pw'), 'a good password\n');
  const at = ['--data-dir', server.dataDir];
  const args = ['user', 'add', '--name', 'bo', '--role', 'viewer', '--password-file', 'pw', ...at];
  const added = await cli(args, { cwd: where });
  assert.equal(added.status, 0, added.stderr);
  assert.doesNotMatch(added.stdout, /password/);
  const body = { username: 'bo', password: 'a good password' };
  assert.equal((await server.post('/api/v1/auth/login', body)).status, 200);
  const change = ['user', 'passwd', '--name', 'bo', ...at];
  const piped = await cli([...change, '--password-file', '-'], { input: 'another one\n' });
  assert.equal(piped.status, 0, piped.stderr);
  body.password = 'another one';
  assert.equal((await server.post('/api/v1/auth/login', body)).status, 200);
  const missing = await cli([...change, '--password-file', 'pw']);
  assert.equal(missing.status, 2);
  assert.match(missing.stderr, /--password-file pw: No such file/);
  await server.stop();
  assert.doesNotMatch(server.log, /a good password|another one/);
});

test('the_audit_log_says_who_did_what_from_where', async (t) => {
  const server = await serve(t);
  const admin = JSON.parse(await server.awaitLine(/"first_admin"/));
  const login = await server.post('/api/v1/auth/login', admin);
  const token = login.json.data.access_token;
  const me = login.json.data.user.id;
  await server.post('/api/v1/auth/login', { ...admin, password: 'wrong' });
  const made = await server.post('/api/v1/devices', { name: 'pump' }, { token });
  const { id } = made.json.data.device;
  await server.post(`/api/v1/devices/${id}/disable`, undefined, { token });
  await server.post(`/api/v1/devices/${id}/enable`, undefined, { token });
  const key = await server.post(`/api/v1/devices/${id}/credentials`, {}, { token });
  assert.equal(key.status, 201, key.text);
  await server.request('DELETE', `/api/v1/devices/${id}`, { token });
  await server.cli('user', 'add', '--name', 'ana', '--role', 'viewer');
  await cli(['user', 'disable', '--name', 'nobody', '--data-dir', server.dataDir]);

  const list = async (query = '') => {
    const got = await server.get(`/api/v1/audit${query}`, { token });
    assert.equal(got.status, 200, got.text);
    return got.json;
  };
  const rows = (await list()).data;
  assert.deepEqual(rows.map((r) => `${r.action} ${r.outcome}`), [
    'user.disable failed', 'user.add ok', 'device.delete ok', 'device.key.rotate ok',
    'device.enable ok', 'device.disable ok', 'device.create ok', 'auth.login ok',
  ]);
  const { timestamp, id: rowId, ...create } = rows[6];
  assert.ok(Math.abs(Date.parse(timestamp) - Date.now()) < 60_000);
  assert.match(rowId, /^[0-9a-f-]{36}$/);
  assert.deepEqual(create, {
    actor_id: me, actor_name: 'admin', action: 'device.create', target_kind: 'device',
    target_id: id, outcome: 'ok', remote_addr: '127.0.0.1',
  });
  assert.equal(rows[0].actor_id, null);
  assert.equal(rows[0].actor_name, 'command line');
  assert.equal(rows[0].target_id, 'nobody');

  const seen = [];
  for (let cursor = ''; cursor !== undefined && seen.length < 20;) {
    const page = await list(`?limit=3${cursor && `&cursor=${cursor}`}`);
    seen.push(...page.data.map((r) => r.id));
    cursor = page.next_cursor;
  }
  assert.deepEqual(seen, rows.map((r) => r.id));
  assert.equal((await list(`?target=${id}`)).data.length, 5);
  assert.equal((await list(`?actor=${me}&action=auth.login`)).data.length, 1);
  assert.equal((await list(`?to=${Date.parse(rows[7].timestamp)}`)).data.length, 0);
  assert.equal((await list(`?from=${Date.parse(timestamp)}`)).data.length, 7);
  for (const bad of ['cursor=x', 'actor=x', 'limit=0', 'from=x', 'to=x']) {
    assert.equal((await server.get(`/api/v1/audit?${bad}`, { token })).status, 400, bad);
  }
  const viewer = await server.cli('token', '--sub', 'ana');
  assert.equal((await server.get('/api/v1/audit', { token: viewer })).status, 403);
  assert.equal((await server.get('/api/v1/audit')).status, 401);
  await server.stop();
});

test('sighup_takes_over_what_can_change_live_and_names_the_rest', async (t) => {
  const file = path.join(tempDir('conf'), 's.conf');
  const write = (...lines) => writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
  write('log_level = info');
  const server = await serve(t, { flags: ['--config', file, '--drain-ms', '400'] });
  const origin = 'https://a.example';
  const asks = async () =>
    (await server.post('/api/v1/auth/login', { username: 'x', password: 'y' },
      { headers: { origin } })).status;
  const reload = async (line) => {
    const before = server.stderr.length;
    server.process.kill('SIGHUP');
    const said = await server.awaitLine((text) => text.includes(line) &&
      server.stderr.indexOf(text, before) >= 0);
    return JSON.parse(said);
  };
  assert.equal(await asks(), 403);
  write('log_level = debug', `allowed_origins = ${origin}`, 'loops = 7', 'drain_ms = 9',
    'http_header_bytes_max = 1024');
  assert.equal((await reload('settings.reloaded')).changed,
    'allowed_origins,http_header_bytes_max,log_level'); // the flag beats the file: drain_ms stays
  assert.equal(JSON.parse(await server.awaitLine(/need_restart/)).settings, 'loops');
  assert.equal(await asks(), 401);
  const large = { headers: { 'x-large': 'a'.repeat(2000) } };
  assert.equal((await server.get('/health/live', large)).status, 431);
  await server.awaitLine(/"level":"debug"/);

  write(`allowed_origins = https://b.example`, 'connections_max = many');
  assert.match((await reload('settings.refused')).why, /s\.conf:2: connections_max must be/);
  assert.equal(await asks(), 401);
  write('log_level = info');
  // Reloads while requests run, one after the other.
  for (let i = 0; i < 20; i++) {
    write(`token_access_s = ${900 + i}`, `allowed_origins = ${i % 2 ? origin : ''}`);
    server.process.kill('SIGHUP');
    await Promise.all([server.get('/health'), server.get('/health/live'), server.get('/metrics')]);
  }
  await reload('settings.reloaded');
  await server.stop();
});

test('a_silent_admin_client_does_not_keep_others_waiting_for_long', async (t) => {
  const server = await serve(t);
  const silent = net.connect(path.join(server.dataDir, 'admin.sock'));
  silent.resume();
  await new Promise((resolve) => silent.on('connect', resolve));
  const [listed, closed] = await Promise.all([
    server.cli('user', 'list'),
    new Promise((resolve) => silent.on('close', resolve)),
  ]);
  assert.match(listed, /admin/);
  assert.equal(closed, false);
  await server.stop();
});
