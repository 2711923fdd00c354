// The telemetry of a device's page: newest values, the last hour of a sensor, by polling.
import assert from 'node:assert/strict';
import test from 'node:test';
import { assertSound, PHONE, screenshot } from './browser.mjs';
import { SOON_MS, world } from './world.mjs';

const w = world();
const MINUTE = 60_000;

const send = async (device, samples) => {
  const answer = await w.server.post(`/api/v1/devices/${device.id}/telemetry`, samples, { token: device.key });
  assert.equal(answer.status, 200, answer.text);
};
const sample = (at, sensorType, value, unit) => ({ timestamp: at, sensorType, value, unit });

/** A device with an hour of two sensors, and one that has stopped. */
async function measuring(name) {
  const device = await w.device(name);
  const end = Date.now();
  const hour = Array.from({ length: 118 }, (_, i) => end - (i + 2) * MINUTE / 2);
  await send(device, hour.map((at, i) => sample(at, 'temperature', 20 + 3 * Math.sin(i / 9), '°C')).reverse());
  await send(device, hour.map((at, i) => sample(at, 'pressure', -1 - i / 100, 'bar')).reverse());
  await send(device, [sample(end - 180 * MINUTE, 'a-sensor-that-stopped', 7.25, 'V'), sample(end, 'temperature', 21.5, '°C')]);
  return device;
}

const table = (page) => page.getByRole('table', { name: /^Telemetry/ });
const chart = (page, title) => page.locator('figure', { has: page.getByRole('heading', { name: title, exact: true }) });

for (const [scheme, viewport] of [['light', undefined], ['dark', PHONE]]) {
  test(`newest_values_and_the_last_hour_are_shown_and_follow_in_${scheme}`, async (t) => {
    const device = await measuring(`greenhouse-${scheme}`);
    const page = await w.open(t, device.path, {
      colorScheme: scheme, ...(viewport ? { viewport, hasTouch: true, isMobile: true } : {}),
    });
    const section = page.getByRole('region', { name: 'Telemetry' });
    await section.getByText('3 sensors').waitFor();
    await page.getByRole('region', { name: 'About' }).getByText(device.id).waitFor();
    // What is no host has no charts of one, which would stay empty.
    assert.equal(await chart(page, 'CPU').count(), 0);
    assert.equal(await page.getByRole('table', { name: /^Processes/ }).count(), 0);
    assert.deepEqual(await table(page).getByRole('rowheader').allInnerTexts(),
      ['a-sensor-that-stopped', 'pressure', 'temperature']);
    const row = table(page).getByRole('row', { name: /temperature/ });
    await row.getByText('21.5\u202f°C').waitFor();
    await table(page).getByRole('row', { name: /stopped/ }).getByText(/3\u202fh ago/).waitFor();

    // The first sensor is shown; another one by its name.
    await chart(page, 'a-sensor-that-stopped').waitFor();
    await table(page).getByRole('button', { name: 'pressure' }).click();
    await chart(page, 'pressure').getByText(/^min -2\.\d+\u202fbar$/).waitFor();
    const temperature = table(page).getByRole('button', { name: 'temperature' });
    await temperature.click();
    assert.equal(await temperature.getAttribute('aria-pressed'), 'true');
    await chart(page, 'temperature').getByText(/^max (22\.\d+|23)\u202f°C$/).waitFor();
    const slider = page.getByRole('slider', { name: 'temperature, moment' });
    await slider.focus();
    await page.keyboard.press('Home');
    assert.match(await slider.getAttribute('aria-valuetext'), /: \d\d(\.\d+)?\u202f°C$/);
    await page.keyboard.press('Enter'); // there are no processes of a sensor's moment
    assert.ok(!page.url().includes('at='));

    await page.keyboard.press('Escape');

    // What comes is there without a reload.
    await page.evaluate(() => { window.here = true; });
    await send(device, [sample(Date.now(), 'temperature', 30.125, '°C'), sample(Date.now(), 'door', 1, 'open')]);
    await row.getByText('30.125\u202f°C').waitFor({ timeout: SOON_MS * 2 });
    await section.getByText('4 sensors').waitFor();
    await chart(page, 'temperature').getByText('max 30.125\u202f°C').waitFor();
    assert.equal(await page.evaluate(() => window.here), true);
    await assertSound(page);
    if (process.env.SHOTS) {
      await section.scrollIntoViewIfNeeded();
      await screenshot(page, `telemetry-${scheme}`, { fullPage: true });
    }
  });
}

test('a_device_that_measures_nothing_has_no_such_section', async (t) => {
  const device = await w.device('plain');
  const agent = await device.connect();
  await agent.sample();
  const page = await w.open(t, device.path);
  const asked = page.waitForResponse((r) => r.url().endsWith('/telemetry/latest'));
  assert.equal((await asked).status(), 200);
  await page.getByText('Live · newest sample').waitFor();
  assert.equal(await page.getByRole('region', { name: 'Telemetry' }).count(), 0);
  await assertSound(page);
});
