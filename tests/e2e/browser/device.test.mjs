// A device's page: live values, history, what ran then, and what a lost connection leaves.
import assert from 'node:assert/strict';
import test from 'node:test';
import { startServer } from '../lib/server.mjs';
import { assertSound, PHONE } from './browser.mjs';
import { Agent, PROCESSES, SOON_MS, world } from './world.mjs';

const w = world();
const MINUTE = 60_000;

const chart = (page, title) => page.locator('figure', { has: page.getByRole('heading', { name: title }) });
const reading = async (page, title) => (await chart(page, title).locator('.reading').first().innerText()).replace(/\s/g, ' ');

test('live_samples_arrive_without_a_reload', async (t) => {
  const device = await w.device('porch');
  const agent = await device.connect();
  await agent.sample({ cpu: 11.1 });
  await agent.state({ uptime: 3600, recordedAt: new Date(Date.now() - 120 * MINUTE).toISOString() });
  const page = await w.open(t, device.path);
  await page.getByText('up 3\u202fh').waitFor(); // counted on from what it once said
  await chart(page, 'CPU').getByText('11.1').first().waitFor();
  await page.evaluate(() => { window.here = true; });
  await agent.sample({ cpu: 88.8, memory: { used: 2 ** 30, total: 8 * 2 ** 30 } });
  await chart(page, 'CPU').getByText('88.8').first().waitFor({ timeout: SOON_MS });
  assert.equal(await reading(page, 'Memory'), '1.00 GiB');
  assert.equal(await page.evaluate(() => window.here), true);
  await page.getByText('Live · newest sample').waitFor();
  await assertSound(page);
});

test('processes_interfaces_and_system_are_shown_and_sort', async (t) => {
  const device = await w.device('attic');
  const agent = await device.connect();
  await agent.sample();
  await agent.state();
  const page = await w.open(t, device.path);
  const table = page.getByRole('table', { name: /^Processes/ });
  const names = () => table.getByRole('rowheader').allInnerTexts();
  await table.getByRole('rowheader', { name: 'postgres' }).waitFor();
  assert.deepEqual(await names(), ['postgres', 'node', 'systemd']);
  await table.getByRole('button', { name: 'Process' }).click();
  assert.deepEqual(await names(), ['node', 'postgres', 'systemd']);
  assert.equal(
    await table.getByRole('columnheader', { name: 'Process' }).getAttribute('aria-sort'), 'ascending',
  );
  await table.getByRole('cell', { name: 'postgres: writer' }).waitFor();

  const wires = page.getByRole('table', { name: /^Network interfaces/ });
  assert.match((await wires.getByRole('rowheader').allInnerTexts())[0], /eth0/); // what is up is first
  await wires.getByText('7.00\u202fMiB').waitFor();
  await wires.getByText('2001:db8::7/64').waitFor();
  const system = page.getByRole('region', { name: 'System' });
  for (const fact of ['shed', '02:00:5e:10:00:01', '1\u202fd 1\u202fh', '40.0\u202fGiB of 100\u202fGiB']) {
    await system.getByText(fact).first().waitFor();
  }
  await assertSound(page);
});

test('history_and_what_ran_then_come_from_stored_rows', async (t) => {
  const device = await w.device('cellar');
  const agent = await device.connect();
  const end = Math.floor(Date.now() / MINUTE) * MINUTE;
  for (let i = 180; i > 0; i--) {
    if (i > 60 && i < 75) continue;
    const then = i > 100 && i < 120;
    await agent.row(end - i * MINUTE, {
      cpu: then ? 95 : 5,
      top_processes: then ? [{ ...PROCESSES[0], name: 'backup', command: 'backup --all' }] : PROCESSES,
    });
  }
  const page = await w.open(t, `${device.path}?last=6h`);
  await chart(page, 'CPU').getByText('max 95.0').waitFor();
  await page.getByText('no data', { exact: true }).waitFor();

  const slider = page.getByRole('slider', { name: 'CPU' });
  await slider.focus();
  const steps = async (key, n) => {
    for (let i = 0; i < n; i++) await page.keyboard.press(key);
  };
  await steps('PageDown', 9);
  assert.match(await slider.getAttribute('aria-valuetext'), /95\.0/);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'What ran then' }).waitFor();
  const table = page.getByRole('table', { name: /^Processes/ });
  await table.getByRole('rowheader', { name: 'backup' }).waitFor();
  assert.match(page.url(), /[?&]at=\d+/);
  await page.reload(); // the moment is part of the address
  await table.getByRole('rowheader', { name: 'backup' }).waitFor();
  await page.getByRole('button', { name: 'Back to newest' }).click();
  await page.getByRole('heading', { name: 'Processes', exact: true }).waitFor();

  // A click in the middle of the plot picks a moment; a drag zooms.
  const box = await slider.boundingBox();
  await page.mouse.click(box.x + box.width * 0.9, box.y + 60);
  await page.getByRole('heading', { name: 'What ran then' }).waitFor();
  await table.getByRole('rowheader', { name: 'postgres' }).waitFor();
  await page.mouse.move(box.x + box.width * 0.7, box.y + 60);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.9, box.y + 60, { steps: 4 });
  await page.mouse.up();
  await page.waitForURL(/from=\d+&to=\d+/);
  await chart(page, 'CPU').getByText('max').waitFor();
  await page.goBack();
  await page.goBack();
  await page.waitForURL(/last=6h/);
  await assertSound(page);
});

test('a_span_without_rows_says_that_there_is_no_data', async (t) => {
  const device = await w.device('garage');
  const agent = await device.connect();
  await agent.sample();
  const page = await w.open(t, `${device.path}?from=1700000000000&to=1700003600000`);
  await page.getByText('No data in this time').first().waitFor();
  await page.getByRole('radio', { name: 'Live, last 15 minutes' }).check();
  await page.waitForURL(/live=15m/);
  await page.getByRole('button', { name: 'Custom' }).click();
  await page.getByLabel('From').fill('2030-01-01T00:00');
  await page.getByLabel('To', { exact: true }).fill('2029-01-01T00:00');
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  await page.getByRole('alert').getByText('The end must be after the start.').waitFor();
  await assertSound(page);
});

test('after_a_reconnect_the_gap_is_filled_from_history_and_marked', async (t) => {
  const device = await w.device('roof');
  let agent = await device.connect();
  const begin = Date.now();
  for (const back of [4 * MINUTE, 3 * MINUTE]) await agent.row(begin - back, { cpu: 10 });
  await agent.sample({ cpu: 20, timestamp: new Date(begin - 150_000).toISOString() });
  const page = await w.open(t, device.path);
  await chart(page, 'CPU').getByText('20.0').first().waitFor();
  await page.getByText('filled from history').waitFor({ state: 'detached' });

  await w.server.stop();
  await page.getByText(/Next attempt/).waitFor({ timeout: SOON_MS });
  w.server = await startServer({
    dataDir: w.server.dataDir, flags: ['--listen', `127.0.0.1:${w.server.port}`],
  });
  agent = new Agent(w.server, device.key);
  w.agents.push(agent);
  await agent.opened;
  for (const back of [90_000, 30_000]) await agent.row(begin - back, { cpu: 30 });
  const retry = page.getByRole('button', { name: 'Retry now' });
  if (await retry.isVisible()) await retry.click().catch(() => {}); // it may come back by itself
  await page.locator('.link.open').waitFor({ timeout: SOON_MS * 2 });
  await agent.sample({ cpu: 40 });
  await chart(page, 'CPU').getByText('40.0').first().waitFor({ timeout: SOON_MS });
  await page.getByText('filled from history').waitFor({ timeout: SOON_MS * 2 });
  await page.getByText('no data', { exact: true }).waitFor({ state: 'detached' });
  await assertSound(page);
});

test('at_phone_width_nothing_scrolls_sideways', async (t) => {
  const device = await w.device(`phone-${'long'.repeat(20)}`);
  const agent = await device.connect();
  await agent.sample();
  await agent.state();
  const page = await w.open(t, device.path, { viewport: PHONE, hasTouch: true, isMobile: true });
  await page.getByRole('rowheader', { name: 'postgres' }).waitFor();
  await assertSound(page);
  const wide = await page.evaluate(() => [...document.querySelectorAll('main *')]
    .filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.sr-only, .u-wrap'))
    .map((e) => e.outerHTML.slice(0, 80)));
  assert.deepEqual(wide, []);
});
