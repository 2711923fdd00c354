// The real agent against the real server: what it shows, what it keeps while the server is away,
// and how it ends.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { after, before, describe, it } from 'node:test';
import { fillBuffer, startAgent } from './lib/agent.mjs';
import { rowOf, viewer } from './lib/monitor.mjs';
import { PATIENCE, SANITIZED, startServer, tempDir, within } from './lib/server.mjs';
import { assertSound, inspect } from './lib/store.mjs';

const SOON_MS = 10_000 * PATIENCE;
const CHANNELS = ['metrics', 'processes', 'system-info', 'history', 'network-interfaces'];
const AGENT_EXIT_REFUSED = 4;
/** Private memory: how many pages of the libraries are mapped is the kernel's choice, and the coverage build has more. */
const PRIVATE_KIB_MAX = 4 * 1024;
const MINUTE_MS = 60_000;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Polls until `test` gives something that is not false; fails with `what` after `ms`. */
async function until(what, test, ms = SOON_MS) {
  const end = Date.now() + ms;
  for (;;) {
    const got = await test();
    if (got) return got;
    assert.ok(Date.now() < end, `${what}: not within ${ms} ms`);
    await pause(50);
  }
}

const connectionOf = async (server, token, id) =>
  (await server.get(`/api/v1/devices/${id}`, { token })).json.data.connectionStatus;

const restart = (server) =>
  startServer({ dataDir: server.dataDir, flags: ['--listen', `${server.host}:${server.port}`] });

describe('agent', { concurrency: true }, () => {
  let server;
  let token;

  before(async () => {
    server = await startServer();
    token = await server.cli('token', '--sub', 'e2e', '--role', 'operator');
  });
  after(() => server.stop());

  it('shows_this_host_within_seconds_and_ends_with_0_on_sigterm', async (t) => {
    const { id, key } = await server.addDevice('live');
    const watching = await viewer(server, id, CHANNELS, { token });
    assert.equal(await connectionOf(server, token, id), 'offline');
    const began = Date.now();
    const agent = startAgent(server, key);
    t.after(() => { // open ones would keep a failed test's process from ending
      agent.process.kill('SIGKILL');
      watching.ws.terminate();
    });
    const sample = await watching.first('metrics');
    t.diagnostic(`first sample ${sample.heard - began} ms after the agent was started`);
    assert.ok(sample.heard - began < 5000 * PATIENCE);
    const { cpu, memory, network, load, disk, timestamp } = sample.data;
    assert.ok(cpu >= 0 && cpu <= 100);
    assert.ok(Math.abs(memory.total - os.totalmem()) < os.totalmem() / 100);
    assert.ok(memory.used > 0 && memory.used < memory.total);
    assert.ok(network.download >= 0 && network.upload >= 0 && load >= 0);
    assert.ok(disk.used > 0 && disk.used <= disk.total);
    assert.ok(Math.abs(Date.parse(timestamp) - sample.heard) < 5000 * PATIENCE);

    const system = (await watching.first('system-info')).data;
    assert.equal(system.hostname, os.hostname());
    assert.ok(Math.abs(system.uptime - os.uptime()) < 60);
    assert.equal(system.architecture, os.machine());
    const { interfaces } = (await watching.first('network-interfaces')).data;
    assert.ok(Array.isArray(interfaces));
    const { top_processes: top } = (await watching.first('processes')).data;
    assert.ok(top.length > 0 && top.length <= 10);
    for (const p of top) assert.deepEqual(Object.keys(p).slice(0, 5), ['pid', 'name', 'cpu', 'mem', 'user']);
    assert.equal(await connectionOf(server, token, id), 'online');

    if (!SANITIZED) {
      const status = readFileSync(`/proc/${agent.process.pid}/status`, 'utf8');
      const [rss, own] = ['VmRSS', 'RssAnon'].map((name) => Number(status.match(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm'))[1]));
      t.diagnostic(`the agent holds ${rss} KiB, ${own} of its own`);
      assert.ok(own < PRIVATE_KIB_MAX, `${own} KiB`);
    }
    await agent.stop();
    await until('offline', async () => (await connectionOf(server, token, id)) === 'offline');
    await watching.end();
  });

  it('sends_buffered_rows_in_order_and_once_through_crashes_of_both', async (t) => {
    const ROWS = 200;
    let own = await startServer();
    const { id, key } = await own.addDevice('backfill');
    const dataDir = tempDir('agent');
    const begin = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - (ROWS + 10) * MINUTE_MS;
    const rows = Array.from({ length: ROWS }, (_, n) => {
      const at = begin + n * MINUTE_MS;
      return { at, data: rowOf(n, new Date(at).toISOString()) };
    });
    fillBuffer(dataDir, own, rows);

    /** What is stored, which is always a beginning of what was buffered. */
    const stored = () => {
      const seen = inspect(own.dataDir);
      const got = seen.rows.filter(([device, at]) => device === id && at < begin + ROWS * MINUTE_MS);
      got.forEach(([, at, cpu, used], n) => {
        assert.deepEqual([at, cpu, used], [rows[n].at, rows[n].data.cpu, n], `row ${n}`);
      });
      return got.length;
    };
    const more = (count) => until(`${count} rows`, () => stored() >= count, 2 * SOON_MS);

    let agent = startAgent(own, key, { dataDir });
    await agent.awaitLine(new RegExp(`"agent.buffer".*"rows_waiting":${ROWS}\\b`));
    await more(20);
    await own.crash();
    const atCrash = stored();
    assert.ok(atCrash < ROWS, 'the crash came too late');
    await pause(1000);
    own = await restart(own);
    await more(atCrash + 20);
    await agent.crash();
    assert.ok(stored() < ROWS, 'the kill came too late');
    agent = startAgent(own, key, { dataDir });
    await more(100);
    await own.stop();
    own = await restart(own);
    await more(ROWS);
    await agent.stop();
    await own.stop();
    const seen = inspect(own.dataDir);
    assertSound(seen);
    assert.equal(stored(), ROWS);
    t.diagnostic(`${ROWS} rows over 2 crashes and 1 restart: all stored, in order, once`);
    const last = startAgent(own, key, { dataDir });
    await last.awaitLine(/"agent.buffer".*"rows_waiting":0\b/);
    await last.crash();
  });

  it('keeps_the_row_of_a_minute_in_which_the_server_is_away', { timeout: 150_000 }, async () => {
    let own = await startServer();
    const { id, key } = await own.addDevice('minute');
    const agent = startAgent(own, key);
    await agent.awaitLine(/"agent.open"/);
    // Gone shortly before the minute ends: the longer it is away, the later the agent asks again.
    if (Date.now() % MINUTE_MS > MINUTE_MS - 3000) await pause(4000);
    const minute = Math.ceil(Date.now() / MINUTE_MS) * MINUTE_MS;
    await pause(minute - 2000 - Date.now());
    await own.stop();
    await agent.awaitLine(/"agent.wait"/);
    await pause(minute + 500 - Date.now());
    own = await restart(own);
    const row = await until(
      'the row',
      () => inspect(own.dataDir).rows.find(([device, at]) => device === id && at === minute),
      40_000 * PATIENCE,
    );
    assert.ok(row[2] >= 0 && row[2] <= 100 && row[3] > 0);
    await agent.stop();
    await own.stop();
  });

  it('ends_with_4_when_its_key_is_revoked', async () => {
    const { id, key } = await server.addDevice('revoked');
    const agent = startAgent(server, key);
    await agent.awaitLine(/"agent.open"/);
    const [keyId] = (await server.cli('device', 'keys', '--id', id)).split(/\s+/);
    await server.cli('device', 'revoke', '--id', id, '--key-id', keyId);
    assert.equal(await within(SOON_MS, 'its end', agent.exited), AGENT_EXIT_REFUSED, agent.log);
    assert.match(agent.log, /"agent.refused"/);
    const again = startAgent(server, key);
    assert.equal(await within(SOON_MS, 'its end', again.exited), AGENT_EXIT_REFUSED, again.log);
  });

  it('ends_with_4_when_a_newer_agent_takes_its_place_or_it_is_disabled', async () => {
    const { id, key } = await server.addDevice('replaced');
    const older = startAgent(server, key);
    await older.awaitLine(/"agent.open"/);
    const newer = startAgent(server, key);
    assert.equal(await within(SOON_MS, 'its end', older.exited), AGENT_EXIT_REFUSED, older.log);
    assert.equal(await connectionOf(server, token, id), 'online');
    await server.cli('device', 'disable', '--id', id);
    assert.equal(await within(SOON_MS, 'its end', newer.exited), AGENT_EXIT_REFUSED, newer.log);
  });
});
