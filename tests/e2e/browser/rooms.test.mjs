// Home in the console: rooms, entities and scenes, their states as they change, and what is done
// with them.
import assert from 'node:assert/strict';
import test from 'node:test';
import { House } from '../lib/home.mjs';
import { startServer } from '../lib/server.mjs';
import { assertAccessible, assertSound, PHONE, screenshot, signIn } from './browser.mjs';
import { SOON_MS, world } from './world.mjs';

const w = world();
let made;
/** What an admin does over REST, in the house of this file. */
const theHouse = () => {
  made ??= w.server.cli('token', '--sub', 'root', '--role', 'admin', '--ttl', '1h')
    .then((token) => new House(w.server, token));
  return made;
};

const HOME = '/console/home';
const thing = (page, name) => page.locator('.thing', { has: page.getByRole('link', { name, exact: true }) });
const card = (page, name) => page.locator('.room', { has: page.getByRole('heading', { name, exact: true }) });
const shown = (page, name, state) => thing(page, name).getByText(state, { exact: true }).waitFor({ timeout: SOON_MS });

/** A device on its socket that does what it is told, or says that it will not. */
async function lamp(name, status = 'success') {
  const device = await w.device(name);
  const agent = await device.connect();
  const commands = [];
  agent.ws.on('message', (text) => {
    const { type, data } = JSON.parse(text);
    if (type === 'device:command') {
      commands.push(data);
      agent.ws.send(JSON.stringify({
        type: 'command:response',
        data: {
          requestId: data.requestId, status, timestamp: Date.now(),
          ...(status === 'error' ? { error: { code: 'E_BULB', message: 'the bulb is gone' } } : {}),
        },
      }));
    }
  });
  const say = (states) => agent.send('state', { states });
  return { ...device, agent, commands, say };
}

test('an_empty_house_says_how_to_begin_and_rooms_are_added_changed_and_deleted', async (t) => {
  const house = await theHouse();
  const page = await w.open(t);
  await page.getByRole('link', { name: 'Home', exact: true }).click();
  await page.getByRole('heading', { name: 'No rooms yet' }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'H1');
  await assertAccessible(page, 'an empty house');
  await page.getByRole('button', { name: 'Add the first room' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Add room' }).click();
  await dialog.getByText('Give the room a name.').waitFor();
  await dialog.getByLabel('Name').fill('Attic');
  await dialog.getByLabel('Floor').fill('2');
  await dialog.getByLabel('Private').check();
  await assertAccessible(page, 'add room');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Floor 2' }).waitFor();
  await card(page, 'Attic').getByText('private').waitFor();

  // What others do shows without a reload, in the rooms' order.
  await page.evaluate(() => { window.here = true; });
  const first = await house.room('Cellar', { floor: '2', sort: -1 });
  await card(page, 'Cellar').waitFor({ timeout: SOON_MS });
  assert.deepEqual(await page.locator('.room h3').allInnerTexts(), ['Cellar', 'Attic']);
  await page.getByRole('button', { name: 'Edit Attic' }).click();
  await dialog.getByLabel('Name').fill('Loft');
  await dialog.getByLabel('Order').fill('-2');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await card(page, 'Loft').waitFor();
  assert.deepEqual(await page.locator('.room h3').allInnerTexts(), ['Loft', 'Cellar']);

  // A room with something in it is deleted too, and what was in it stays.
  await house.entity('light.cellar', { name: 'Bulb', room_id: first.id, state: 'off' });
  await thing(page, 'Bulb').waitFor({ timeout: SOON_MS });
  await page.getByRole('button', { name: 'Edit Cellar' }).click();
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await dialog.getByText('1 entity stays, in no room.').waitFor();
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await card(page, 'In no room').getByText('Bulb').waitFor({ timeout: SOON_MS });
  assert.equal(await card(page, 'Cellar').count(), 0);
  assert.equal(await page.evaluate(() => window.here), true);
  await assertSound(page);
});

test('states_follow_and_a_switch_turns_things_on_and_off', async (t) => {
  const house = await theHouse();
  const { id } = await house.room('Hall');
  await house.entity('light.hall', { name: 'Hall light', room_id: id, state: 'off' });
  await house.entity('sensor.hall', { name: 'Hall sensor', room_id: id, state: '20.5', attributes: { unit: '°C' } });
  const page = await w.open(t, HOME);
  await shown(page, 'Hall light', 'Off');
  await shown(page, 'Hall sensor', '20.5\u202f°C');
  await page.getByText(/^Live/).first().waitFor();
  await house.set('sensor.hall', '21.25', { unit: '°C' });
  await shown(page, 'Hall sensor', '21.25\u202f°C');
  const light = page.getByRole('switch', { name: 'Hall light' });
  await light.click();
  await shown(page, 'Hall light', 'On');
  assert.equal(await light.getAttribute('aria-checked'), 'true');
  await light.focus();
  await page.keyboard.press('Space');
  await shown(page, 'Hall light', 'Off');
  assert.equal(await page.getByRole('switch', { name: 'Hall sensor' }).count(), 0);

  // It comes, goes to another room, and is gone.
  await house.ask('POST', '/entities/switch.new_one/state', { state: 'on' }, 201);
  await card(page, 'In no room').getByRole('link', { name: 'New one' }).waitFor({ timeout: SOON_MS });
  await house.ask('PATCH', '/entities/switch.new_one', { room_id: id }, 200);
  await card(page, 'Hall').getByRole('link', { name: 'New one' }).waitFor({ timeout: SOON_MS });
  await house.ask('DELETE', '/entities/switch.new_one', undefined, 204);
  await thing(page, 'New one').waitFor({ state: 'detached', timeout: SOON_MS });

  await page.getByPlaceholder('Filter by name').fill('sensor');
  await thing(page, 'Hall light').waitFor({ state: 'detached' });
  await page.getByPlaceholder('Filter by name').fill('no such thing');
  await page.getByRole('button', { name: 'Show all' }).click();
  await thing(page, 'Hall light').waitFor();
  await assertSound(page);
});

test('an_action_reaches_the_device_and_what_is_offline_says_so', async (t) => {
  const house = await theHouse();
  const { id } = await house.room('Workshop');
  const good = await lamp('bench lamp');
  const bad = await lamp('broken lamp', 'error');
  await house.entity('light.bench', { name: 'Bench lamp', room_id: id, device_id: good.id, capability: 'light' });
  await house.entity('light.broken', { name: 'Broken lamp', room_id: id, device_id: bad.id, capability: 'light' });
  await good.say({ light: 'off' });
  await bad.say({ light: 'off' });
  const page = await w.open(t, HOME);
  await shown(page, 'Bench lamp', 'Off');
  const answered = page.waitForResponse((r) => r.url().includes('/actions/turn_on'));
  await page.getByRole('switch', { name: 'Bench lamp' }).click();
  assert.equal((await answered).status(), 200);
  assert.deepEqual(good.commands.map((c) => c.command), ['turn_on']);
  await good.say({ light: { state: 'on', attributes: { brightness: 7 } } });
  await shown(page, 'Bench lamp', 'On');

  await page.getByRole('switch', { name: 'Broken lamp' }).click();
  await thing(page, 'Broken lamp').getByRole('alert').waitFor({ timeout: SOON_MS });

  // A scene tells of each entity what came of it.
  await house.ask('POST', '/scenes', {
    name: 'Work',
    items: [{ entity_id: 'light.bench', action: 'turn_on' }, { entity_id: 'light.broken', action: 'turn_on' }],
  }, 201);
  await page.reload();
  await page.getByRole('button', { name: 'Activate Work' }).click();
  const outcome = page.locator('.outcome');
  await outcome.getByText('1 of 2 failed.').waitFor({ timeout: SOON_MS });
  await outcome.getByRole('listitem').filter({ hasText: 'Bench lamp' }).getByText('done').waitFor();
  assert.notEqual((await outcome.getByRole('listitem').filter({ hasText: 'Broken lamp' }).locator('.field-error').innerText()).trim(), '');
  await assertAccessible(page, 'a scene that failed in part');
  await outcome.getByRole('button', { name: 'Close' }).click();

  await good.agent.leave();
  await shown(page, 'Bench lamp', 'Unavailable');
  assert.equal(await page.getByRole('switch', { name: 'Bench lamp' }).isDisabled(), true);
  await page.getByRole('link', { name: 'Bench lamp' }).click();
  await page.getByRole('link', { name: 'bench lamp' }).waitFor(); // the device behind it
  assert.equal(await page.getByRole('button', { name: 'Turn on' }).isDisabled(), true);
  await page.getByRole('img').or(page.locator('.bands')).waitFor();
  await assertSound(page);
});

for (const [look, options] of [['light', {}], ['dark', { colorScheme: 'dark', viewport: PHONE, hasTouch: true, isMobile: true }]]) {
  test(`an_entity_has_its_history_and_is_renamed_and_moved_in_${look}`, async (t) => {
    const house = await theHouse();
    const from = await house.room(`From ${look}`, { floor: 'ground', description: 'Where it was' });
    const to = await house.room(`To ${look}`, { floor: '1' });
    const [light, sensor] = [`light.${look}_desk`, `sensor.${look}_desk`];
    await house.entity(light, { name: `Desk ${look}`, room_id: from.id, state: 'off' });
    await house.entity(sensor, { name: `Meter ${look}`, room_id: from.id, state: '10', attributes: { unit: 'W' } });
    for (const state of ['12', '8.5', '30']) await house.set(sensor, state, { unit: 'W' });
    const page = await w.open(t, HOME, options);
    await shown(page, `Meter ${look}`, '30\u202fW');
    await assertAccessible(page, 'home');
    await assertSound(page);
    if (process.env.SHOTS) await screenshot(page, `home-${look}`, { fullPage: true });

    await page.getByRole('link', { name: `Meter ${look}` }).click();
    await page.getByRole('img', { name: 'From 8.5\u202fW to 30\u202fW' }).waitFor();
    await house.set(sensor, '44', { unit: 'W' });
    await page.getByRole('img', { name: 'From 8.5\u202fW to 44\u202fW' }).waitFor({ timeout: SOON_MS });
    await page.getByRole('rowheader', { name: '44\u202fW' }).waitFor();
    await page.getByRole('radio', { name: 'Last 7 days' }).check();
    await page.getByRole('img', { name: /^From 8.5/ }).waitFor();
    await assertAccessible(page, 'a quantity');
    await assertSound(page);
    if (process.env.SHOTS) await screenshot(page, `entity-${look}`, { fullPage: true });

    await page.getByRole('navigation', { name: 'Breadcrumb' }).getByRole('link', { name: 'Home' }).click();
    await page.getByRole('link', { name: `Desk ${look}` }).click();
    await page.getByRole('button', { name: 'Turn on' }).click();
    await page.locator('.now').getByText('On', { exact: true }).waitFor({ timeout: SOON_MS });
    await page.locator('.legend').getByText(/^On/).waitFor();
    await page.getByRole('button', { name: 'Edit' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill(`Table ${look}`);
    await dialog.getByLabel('Room').selectOption(`To ${look}`);
    await dialog.getByLabel('Entity id').fill('Not An Id');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.getByText('An entity id is kind.name').waitFor();
    await assertAccessible(page, 'edit entity');
    await dialog.getByLabel('Entity id').fill(`light.${look}_table`);
    await dialog.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('heading', { name: `Table ${look}` }).waitFor();
    await page.getByRole('navigation', { name: 'Breadcrumb' }).getByText(`To ${look}`).waitFor({ timeout: SOON_MS });
    assert.match(page.url(), new RegExp(`light/${look}_table$`));
    await page.locator('.legend').getByText(/^Off/).waitFor(); // its history came along
    if (process.env.SHOTS) await screenshot(page, `lamp-${look}`, { fullPage: true });

    await page.goto(`${HOME}/light/${look}_desk`); // the earlier name leads to it
    await page.waitForURL(new RegExp(`light/${look}_table$`));
    await page.getByText(light).waitFor();
    await page.getByRole('button', { name: 'Edit' }).click();
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('heading', { name: 'Home', exact: true }).waitFor();
    assert.equal(await page.getByRole('link', { name: `Table ${look}` }).count(), 0);
    await page.goto(`${HOME}/light/${look}_desk`);
    await page.getByText('There is no such entity, or you may not see it.').waitFor();
    await assertSound(page);
  });
}

test('who_may_not_control_a_room_sees_it_and_cannot_touch_it', async (t) => {
  const house = await theHouse();
  const mine = await house.room('My room');
  const other = await house.room('Other room', { private: true });
  await house.entity('light.mine', { name: 'My light', room_id: mine.id, state: 'off' });
  await house.entity('light.other', { name: 'Other light', room_id: other.id, state: 'off' });
  const added = await w.server.cli('user', 'add', '--name', 'ana', '--role', 'viewer');
  await w.server.cli('user', 'grant', '--name', 'ana', '--role', 'operator', '--room', String(mine.id));
  const page = await w.open(t, '/', { guest: true });
  await signIn(page, 'ana', added.match(/password (\S+)/)[1]);
  await page.goto(HOME);
  await shown(page, 'Other light', 'Off');
  assert.equal(await page.getByRole('switch', { name: 'Other light' }).isDisabled(), true);
  assert.equal(await page.getByRole('button', { name: /^Add / }).count(), 0);
  assert.equal(await page.getByRole('button', { name: 'Edit Other room' }).count(), 0);
  await page.getByRole('button', { name: 'Edit My room' }).waitFor();
  await page.getByRole('switch', { name: 'My light' }).click();
  await shown(page, 'My light', 'On');
  await page.getByRole('link', { name: 'Other light' }).click();
  await page.getByText('You may not control this.').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Toggle' }).isDisabled(), true);
  assert.equal(await page.getByRole('button', { name: 'Edit' }).count(), 0);
  await assertSound(page);
});

test('after_the_server_was_away_the_states_are_those_of_now', async (t) => {
  const house = await theHouse();
  const { id } = await house.room('Porch');
  await house.entity('light.porch', { name: 'Porch light', room_id: id, state: 'off' });
  const page = await w.open(t, HOME);
  await shown(page, 'Porch light', 'Off');
  await page.evaluate(() => { window.here = true; });
  const { dataDir, port } = w.server;
  await w.server.stop();
  await page.getByText(/Next attempt/).waitFor({ timeout: SOON_MS });
  w.server = house.server = await startServer({ dataDir, flags: ['--listen', `127.0.0.1:${port}`] });
  await house.set('light.porch', 'on');
  const retry = page.getByRole('button', { name: 'Retry now' });
  if (await retry.isVisible()) await retry.click().catch(() => {}); // it may come back by itself
  await shown(page, 'Porch light', 'On');
  await page.getByText(/^Live/).first().waitFor({ timeout: SOON_MS });
  assert.equal(await page.evaluate(() => window.here), true);
  await assertSound(page);
});
