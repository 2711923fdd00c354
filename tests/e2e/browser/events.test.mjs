// A browser's own EventSource, which resumes by itself what a killed server interrupted.
import assert from 'node:assert/strict';
import test from 'node:test';
import { startServer } from '../lib/server.mjs';
import { SOON_MS, world } from './world.mjs';

const w = world();

test('an_event_source_goes_on_after_the_server_was_killed', async (t) => {
  const { id } = await w.device('followed');
  const token = await w.server.cli('token', '--sub', 'root', '--role', 'admin');
  const rename = async (name) => {
    const got = await w.server.request('PATCH', `/api/v1/devices/${id}`, { token, body: { name } });
    assert.equal(got.status, 200, got.text);
  };
  const page = await w.open(t, `/console/devices/${id}`);
  await page.evaluate(() => {
    window.names = [];
    window.opened = 0;
    const source = new EventSource('/api/v1/events?types=device:updated');
    source.onopen = () => { window.opened++; };
    source.addEventListener('device:updated', (e) => window.names.push(JSON.parse(e.data).name));
  });
  const heard = (count) => page.waitForFunction((n) => window.names.length >= n, count, { timeout: SOON_MS * 2 });
  await page.waitForFunction(() => window.opened === 1);
  await rename('one');
  await heard(1);
  const { dataDir, host, port } = w.server;
  await w.server.crash();
  w.server = await startServer({ dataDir, flags: ['--listen', `${host}:${port}`] });
  await rename('two');
  await rename('three');
  await heard(3);
  assert.deepEqual(await page.evaluate(() => window.names), ['one', 'two', 'three']);
  assert.equal(await page.evaluate(() => window.opened), 2);
});
