// The list of devices, and what is done to a device.
import assert from 'node:assert/strict';
import test from 'node:test';
import { assertSound, PHONE } from './browser.mjs';
import { SOON_MS, world } from './world.mjs';

const w = world();

test('a_server_without_devices_says_how_to_add_one', async (t) => {
  const page = await w.open(t);
  await page.getByRole('heading', { name: 'No devices yet' }).waitFor();
  await page.getByText(`SIGNALBOX_AGENT_KEY=KEY signalbox agent --server ${w.server.url}`).waitFor();
  await assertSound(page);
});

test('a_device_is_added_and_its_key_works', async (t) => {
  const page = await w.open(t);
  await page.getByRole('button', { name: 'Add device' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Add device' }).click();
  await dialog.getByText('Give the device a name.').waitFor();
  await dialog.getByLabel('Name').fill('shed');
  await page.keyboard.press('Enter');
  const key = await dialog.locator('.secret').innerText();
  assert.match(key, /^sbk_/);
  await page.keyboard.press('Escape'); // must not lose the key
  await dialog.getByRole('button', { name: 'I have saved the key' }).click();
  const row = page.getByRole('row', { name: /shed/ });
  await row.getByText('never seen').waitFor();

  const me = await w.server.get('/api/v1/auth/me', { token: key });
  assert.equal(me.status, 200, me.text);
  await assertSound(page);
});

test('the_list_follows_a_device_that_comes_and_goes', async (t) => {
  const device = await w.device('hall');
  const page = await w.open(t);
  const row = page.getByRole('row', { name: /hall/ });
  await row.getByText('Offline').waitFor();
  const agent = await device.connect();
  await agent.sample({ cpu: 77.7 });
  await row.getByText('Online').waitFor({ timeout: SOON_MS });
  await row.getByText('77.7\u202f%').waitFor({ timeout: SOON_MS });
  await row.getByText('125\u202fkB/s').waitFor();
  await agent.leave();
  await row.getByText('Offline').waitFor({ timeout: SOON_MS });
  assert.equal(await row.getByText('77.7').count(), 0, 'old values look like new ones');
  await assertSound(page);
});

test('markup_in_names_is_shown_as_text', async (t) => {
  const name = '<img src=x onerror="document.title=1"><b>bold</b>';
  const device = await w.device(name);
  const agent = await device.connect();
  await agent.sample();
  await agent.state({
    hostname: '<script>document.title=2</script>',
    top_processes: [{
      pid: 9, name: '<svg onload=alert(1)>', cpu: 1, mem: 1, user: '"><i>', command: '<u>x</u>',
    }],
  });
  const page = await w.open(t);
  await page.getByRole('link', { name, exact: true }).click();
  await page.getByRole('heading', { name, exact: true }).waitFor();
  await page.getByRole('rowheader', { name: '<svg onload=alert(1)>' }).waitFor();
  await page.getByRole('cell', { name: '<u>x</u>' }).waitFor();
  await page.getByText('<script>document.title=2</script>').first().waitFor();
  assert.equal(await page.locator('main img, main b, main script, main u, main i:not(.swatch)').count(), 0);
  assert.match(await page.title(), /^<img src=x/);
  await assertSound(page);
});

test('sixty_devices_fill_pages_that_filter_and_fit_a_phone', async (t) => {
  await Promise.all([0, 1, 2, 3].map(async (part) => {
    for (let i = part; i < 60; i += 4) {
      await w.server.addDevice(i === 17 ? `rack-${'very-long-name-'.repeat(5)}17` : `rack-${i}`);
    }
  }));
  const page = await w.open(t);
  const links = page.locator('.row-link');
  await page.getByText('1–50, more on the next page').waitFor();
  assert.equal(await links.count(), 50);
  await page.getByRole('button', { name: 'Next' }).click();
  await page.getByText(/^51–6\d$/).waitFor();
  await page.getByRole('button', { name: 'Previous' }).click();
  await page.getByText('1–50, more on the next page').waitFor();
  await page.setViewportSize(PHONE);
  await page.evaluate(() => new Promise(requestAnimationFrame));
  await assertSound(page);
  await page.getByPlaceholder('Filter by name').fill('RACK-42');
  await page.getByText('1 device', { exact: true }).waitFor();
  assert.deepEqual(await links.allInnerTexts(), ['rack-42']);
  await page.getByPlaceholder('Filter by name').fill('no such thing');
  await page.getByRole('button', { name: 'Show all' }).click();
  await page.getByText('1–50, more on the next page').waitFor();
  await assertSound(page);
});

test('a_device_is_renamed_disabled_enabled_and_deleted', async (t) => {
  const device = await w.device('old name');
  const agent = await device.connect();
  await agent.sample();
  const page = await w.open(t, device.path);
  const manage = page.getByRole('button', { name: 'Manage' });
  await manage.click();
  await page.getByRole('button', { name: 'Rename' }).click();
  await page.getByRole('dialog').getByLabel('Name').fill('new name');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'new name' }).waitFor();

  await manage.click();
  await page.getByRole('button', { name: 'Disable' }).click();
  await page.getByText('the server refuses this device').waitFor();
  await agent.closed;
  await manage.click();
  await page.getByRole('button', { name: 'Enable' }).click();
  await page.getByText('the server refuses this device').waitFor({ state: 'detached' });
  await device.connect();
  await page.locator('.device-head').getByText('Online').waitFor({ timeout: SOON_MS * 2 });

  await manage.click();
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('button', { name: 'Delete device' }).click();
  await page.getByRole('heading', { name: 'Devices', exact: true }).waitFor();
  assert.equal(await page.getByRole('link', { name: 'new name' }).count(), 0);
  await page.goto(device.path);
  await page.getByText('There is no such device, or you may not see it.').waitFor();
  await assertSound(page);
});
