// `signalbox simulate` against the real server: devices it makes, devices it has keys of, both
// wires, what it prints, and how it ends.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { until } from './lib/clients.mjs';
import { BIN, PATIENCE, ROOT, Server, cli, environment, startServer, tempDir, within } from './lib/server.mjs';

const SOON_MS = 20_000 * PATIENCE;

const lines = (text) => text.trim().split('\n').map((line) => JSON.parse(line));

describe('simulate', () => {
  let server;
  let token;
  let keys;

  before(async () => {
    server = await startServer();
    token = await server.cli('token', '--sub', 'e2e', '--role', 'admin');
    keys = path.join(tempDir('simulate'), 'keys');
  });
  after(() => server.stop());

  const args = (...more) => ['simulate', '--server', server.url, '--keys', keys, ...more];

  it('makes_its_devices_with_a_provisioning_key_and_keeps_their_keys', async () => {
    const made = await server.post('/api/v1/provisioning-keys', { uses: 5 }, { token });
    const env = { SIGNALBOX_PROVISION_KEY: made.json.data.key };
    const got = await cli(args('--devices', '5', '--rate', '20', '--duration', '1'), { env });
    assert.equal(got.status, 0, got.stderr);
    const said = lines(got.stdout);
    assert.ok(said.slice(0, -1).every((line) => line.event === 'second'));
    const sums = said.at(-1);
    assert.equal(sums.event, 'summary');
    assert.equal(sums.connects, 5);
    assert.equal(sums.errors, 0);
    assert.equal(sums.unanswered, 0);
    assert.ok(sums.sent > 50, got.stdout);
    assert.equal(sums.acked + sums.refused, sums.sent);
    assert.ok(sums.ready_ms.p50 >= sums.connect_ms.p50);
    const kept = readFileSync(keys, 'utf8').trim().split('\n');
    assert.equal(kept.length, 5);
    assert.equal(statSync(keys).mode & 0o777, 0o600);
    const devices = await server.get('/api/v1/devices?type=simulated', { token });
    assert.equal(devices.json.data.length, 5);
    const ids = kept.map((line) => line.split(' ')[0]).sort();
    assert.deepEqual(devices.json.data.map((device) => device.id).sort(), ids);
  });

  it('uses_keys_that_it_has_on_the_raw_wire_too', async () => {
    const got = await cli(args('--devices', '3', '--rate', '20', '--raw', '--batch', '4', '--quiet',
      '--duration', '1', '--clock-values', '--sample-ids', '--together'));
    assert.equal(got.status, 0, got.stderr);
    const [sums, ...more] = lines(got.stdout);
    assert.deepEqual(more, []);
    assert.equal(sums.connects, 3);
    assert.equal(sums.acked + sums.refused, sums.sent);
  });

  it('comes_back_when_the_server_was_away_and_ends_in_order_on_a_signal', async () => {
    const child = spawn(BIN, args('--devices', '2', '--rate', '50'),
      { cwd: ROOT, env: environment({}), stdio: 'pipe' });
    const program = new Server(child, null); // for its lines
    const live = (line) => line.startsWith('{"event":"second"') && JSON.parse(line).live === 2;
    try {
      await program.awaitLine(live, SOON_MS);
      await server.crash();
      program.stdout.length = 0;
      server = await startServer({ dataDir: server.dataDir,
        flags: ['--listen', `${server.host}:${server.port}`] });
      await program.awaitLine(live, SOON_MS);
      child.kill('SIGINT');
      assert.equal(await within(SOON_MS, 'end', program.exited), 0, program.log);
      const sums = JSON.parse(program.stdout.at(-1));
      assert.equal(sums.reconnects, 2);
      assert.equal(sums.unanswered, 0);
      assert.equal(sums.acked + sums.refused + sums.lost, sums.sent);
    } finally {
      child.kill('SIGKILL');
    }
  });

  for (const wire of [[], ['--raw']]) {
    it(`obeys_commands_and_reports_its_configuration ${wire}`, async () => {
      const { id, key } = await server.addDevice('one');
      const own = path.join(tempDir('simulate'), 'one');
      writeFileSync(own, `${id} ${key}\n`);
      const at = `/api/v1/devices/${id}`;
      const patch = (body) => server.request('PATCH', `${at}/config`, { token, body });
      assert.equal((await patch({ desired: { interval: 5 } })).status, 200);
      const child = spawn(BIN, ['simulate', '--server', server.url, '--keys', own, '--devices', '1',
        '--rate', '0', '--response-ms', '50', '--heartbeat-ms', '100', ...wire],
      { cwd: ROOT, env: environment({}), stdio: 'pipe' });
      const program = new Server(child, null);
      const reported = (version) => until(`version ${version} is reported`, async () =>
        (await server.get(`${at}/config`, { token })).json.data.reportedVersion === version);
      try {
        await reported(1);
        for (const n of [1, 2]) {
          const { status, json } = await server.post(`${at}/commands?wait=20`,
            { command: 'blink', parameters: { n } }, { token });
          assert.equal(status, 200, JSON.stringify(json));
          assert.equal(json.data.phase, 'done');
          assert.equal(json.data.response.count, n);
        }
        assert.equal((await patch({ desired: { interval: 6 } })).status, 200);
        await reported(2);
        child.kill('SIGTERM');
        assert.equal(await within(SOON_MS, 'end', program.exited), 0, program.log);
        const sums = JSON.parse(program.stdout.at(-1));
        assert.deepEqual([sums.commands, sums.repeats, sums.errors], [2, 0, 0]);
        assert.ok(sums.configs >= 2, 'the first comes with the registration, and by itself');
      } finally {
        child.kill('SIGKILL');
      }
    });
  }

  it('says_what_is_wrong', async () => {
    const wrong = path.join(tempDir('simulate'), 'wrong');
    writeFileSync(wrong, '# a comment\n\nnot-an-id key\n');
    const cases = [
      [['--devices', '0'], 2, /--devices must be a whole number from 1 to 28000/],
      [['--rate', '1e9'], 2, /--rate must be a number/],
      [['--batch', '501'], 2, /--batch/],
      [['--duration', 'x'], 2, /--duration/],
      [['--server', 'ftp://x'], 2, /simulator\.conf/],
      [['--server', 'https://127.0.0.1:1', '--ca', '/nowhere'], 2, /simulator\.conf/],
      [['--keys', wrong], 2, /line 3 is no id and key/],
      [['--keys', '/nowhere/keys'], 2, /No such file/],
      [['--devices', '9'], 2, /no provisioning key/],
    ];
    await Promise.all(cases.map(async ([more, status, pattern]) => {
      const base = ['simulate', '--server', server.url];
      const own = more[0] === '--keys' ? [] : ['--keys', keys];
      const got = await cli([...base, ...own, ...more]);
      assert.equal(got.status, status, `${more}: ${got.stderr}${got.stdout}`);
      assert.match(got.stderr, pattern);
    }));
  });

  it('ends_when_the_server_refuses_for_good', async () => {
    const wrong = path.join(tempDir('simulate'), 'wrong');
    writeFileSync(wrong, `0190aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee sbk_${'A'.repeat(43)}\n`);
    const one = ['simulate', '--server', server.url, '--devices', '1'];
    for (const wire of [[], ['--raw']]) {
      const got = await cli([...one, '--keys', wrong, ...wire]);
      assert.equal(got.status, 4, got.stderr + got.stdout);
      assert.match(got.stderr, /the server refuses its key/);
    }
    const env = { SIGNALBOX_PROVISION_KEY: `sbp_${'A'.repeat(43)}` };
    const got = await cli(one, { env });
    assert.equal(got.status, 4, got.stderr);
    assert.match(got.stderr, /refuses the provisioning key/);
  });
});
