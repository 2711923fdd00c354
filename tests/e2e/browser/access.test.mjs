// The console by keyboard, for screen readers, large text and forced colours.
import assert from 'node:assert/strict';
import test from 'node:test';
import { assertAccessible, assertSound, PHONE } from './browser.mjs';
import { world } from './world.mjs';

const w = world();

async function busyDevice(name) {
  const device = await w.device(name);
  const agent = await device.connect();
  await agent.sample();
  await agent.state();
  await agent.row(Date.now() - 120_000);
  return device;
}

const LOOKS = {
  light_desktop: { colorScheme: 'light' },
  dark_phone: { colorScheme: 'dark', viewport: PHONE },
};

for (const [look, options] of Object.entries(LOOKS)) {
  test(`axe_finds_nothing_${look}`, async (t) => {
    const device = await busyDevice(`axe ${look}`);
    await w.device('never seen');
    const guest = await w.open(t, '/', { ...options, guest: true });
    await guest.getByLabel('Username').waitFor();
    await guest.getByRole('button', { name: 'Sign in' }).click();
    await guest.getByText('Give a username and a password.').waitFor();
    await assertAccessible(guest, 'sign in');

    const page = await w.open(t, '/console/', options);
    await page.getByRole('row', { name: device.name }).getByText('Online').waitFor();
    await assertAccessible(page, 'devices');
    await page.getByRole('button', { name: 'Add device' }).click();
    await assertAccessible(page, 'add device');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'account menu' }).click();
    await assertAccessible(page, 'account menu');
    await page.getByRole('link', { name: device.name }).click();
    await page.getByRole('rowheader', { name: 'postgres' }).waitFor();
    await page.getByRole('button', { name: 'Custom' }).click();
    await assertAccessible(page, 'device');
    await page.goto('/console/nothing');
    await page.getByRole('heading', { name: 'Not found' }).waitFor();
    await assertAccessible(page, 'not found');
    await assertSound(page);
  });
}

test('the_keyboard_alone_reaches_the_process_table_from_signing_in', async (t) => {
  const device = await busyDevice('by keyboard');
  const page = await w.open(t, '/', { guest: true });
  await page.getByLabel('Username').waitFor();
  const focused = () => page.evaluate(() => {
    const e = document.activeElement;
    const row = e.closest('tr, label') ?? e;
    const ring = [e, row, row.querySelector('span') ?? e]
      .some((x) => getComputedStyle(x).outlineStyle !== 'none');
    return { text: (e.getAttribute('aria-label') ?? e.innerText ?? '').trim(), tag: e.tagName, ring };
  });
  /** Tab until `match`; every stop on the way must show where the focus is. */
  const tabTo = async (match, max) => {
    for (let i = 0; i < max; i++) {
      await page.keyboard.press('Tab');
      const at = await focused();
      assert.notEqual(at.tag, 'BODY', `the focus got lost before ${match}`);
      assert.ok(at.ring, `no visible focus on ${at.tag} ${at.text}`);
      if (match.test(at.text)) return;
    }
    assert.fail(`${match} is not within ${max} stops`);
  };
  await page.keyboard.type(w.admin.username);
  await page.keyboard.press('Tab');
  await page.keyboard.type(w.admin.password);
  await page.keyboard.press('Enter');
  await page.getByRole('link', { name: device.name }).waitFor();
  await tabTo(/^Skip to content$/, 1);
  await page.keyboard.press('Enter');
  await tabTo(new RegExp(`^${device.name}$`), 20);
  await page.keyboard.press('Enter');
  await page.getByRole('rowheader', { name: 'postgres' }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'H1');
  await tabTo(/^CPU, moment$/, 8);
  await tabTo(/^CPU/, 8); // the header that sorts
  await page.keyboard.press('Enter');
  const cpu = page.getByRole('table', { name: /^Processes/ }).getByRole('columnheader', { name: 'CPU' });
  assert.equal(await cpu.getAttribute('aria-sort'), 'ascending');
  await assertSound(page);
});

test('twice_as_large_text_still_fits', async (t) => {
  const device = await busyDevice('large text');
  // A browser's zoom of 200 % is half the width at twice the pixels.
  const page = await w.open(t, device.path, { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 });
  await page.getByRole('rowheader', { name: 'postgres' }).waitFor();
  await assertSound(page);
  await page.setViewportSize({ width: 320, height: 256 }); // 400 % of 1280, as WCAG 1.4.10 asks
  await page.evaluate(() => new Promise(requestAnimationFrame));
  await assertSound(page);
});

test('forced_colours_keep_state_visible', async (t) => {
  const device = await busyDevice('forced');
  const page = await w.open(t, device.path, { forcedColors: 'active' });
  await page.getByRole('rowheader', { name: 'postgres' }).waitFor();
  const look = await page.evaluate(() => {
    const checked = document.querySelector('.segmented input:checked + span');
    const other = document.querySelector('.segmented input:not(:checked) + span');
    const lamp = document.querySelector('.mark.online .lamp');
    const ground = (e) => getComputedStyle(e).backgroundColor;
    return { same: ground(checked) === ground(other), lamp: ground(lamp), page: ground(document.body) };
  });
  assert.equal(look.same, false);
  assert.notEqual(look.lamp, look.page);
});

test('fingers_find_targets_of_24_pixels_or_more', async (t) => {
  const device = await busyDevice('touch');
  const page = await w.open(t, device.path, { viewport: PHONE, hasTouch: true });
  await page.getByRole('rowheader', { name: 'postgres' }).waitFor();
  const small = await page.evaluate(() => [...document.querySelectorAll('button, .segmented label, input:not([type=radio]), select')]
    .filter((e) => e.checkVisibility() && (e.offsetHeight < 24 || e.offsetWidth < 24))
    .map((e) => `${e.outerHTML.slice(0, 60)} ${e.offsetWidth}x${e.offsetHeight}`));
  assert.deepEqual(small, []);
});
