// Signing in and out, as a person does it.
import assert from 'node:assert/strict';
import test from 'node:test';
import { assertSound, signIn } from './browser.mjs';
import { world } from './world.mjs';

const w = world();

test('the_root_leads_to_the_sign_in_page_without_a_complaint', async (t) => {
  const page = await w.open(t, '/', { guest: true });
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  assert.equal(new URL(page.url()).pathname, '/console/');
  assert.equal(await page.evaluate(() => document.activeElement.name), 'username');
  await assertSound(page);
});

test('a_wrong_password_says_so_and_may_be_typed_over', async (t) => {
  const page = await w.open(t, '/', { guest: true });
  await page.getByLabel('Username').fill(w.admin.username);
  await page.getByLabel('Password', { exact: true }).fill('not this one');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').getByText('The username or the password is wrong.').waitFor();
  await signIn(page, w.admin.username, w.admin.password);
  await page.getByRole('heading', { name: 'Devices', exact: true }).waitFor();
  await assertSound(page);
});

test('the_chosen_theme_outlives_a_reload', async (t) => {
  const page = await w.open(t);
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const choose = async (name) => {
    await page.getByRole('button', { name: 'account menu' }).click();
    await page.getByRole('radio', { name }).check();
  };
  const light = await ground();
  await choose('Dark');
  const dark = await ground();
  assert.notEqual(dark, light);
  await page.reload();
  await page.getByRole('banner').waitFor();
  assert.equal(await ground(), dark);
  await choose('Light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.reload();
  await page.getByRole('banner').waitFor();
  assert.equal(await ground(), light, 'the system overrides the choice');
  await choose('System');
  assert.equal(await ground(), dark);
  await assertSound(page);
});

test('a_session_outlives_a_reload_and_ends_with_sign_out', async (t) => {
  const page = await w.open(t);
  await page.getByRole('heading', { name: 'Devices', exact: true }).waitFor();
  await page.reload();
  await page.getByRole('button', { name: 'account menu' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Username').waitFor();
  await page.reload();
  await page.getByLabel('Username').waitFor();
  const cookies = await page.context().cookies();
  assert.deepEqual(cookies.filter((c) => c.value !== ''), []);
  await assertSound(page);
});

test('a_session_that_ended_elsewhere_asks_to_sign_in_and_goes_on_in_place', async (t) => {
  const page = await w.open(t, '/', { guest: true });
  await signIn(page, w.admin.username, w.admin.password);
  await page.goto('/console/nothing/here');
  await page.getByRole('heading', { name: 'Not found' }).waitFor();
  const [cookie] = await page.context().cookies();
  await w.server.request('POST', '/api/v1/auth/logout', {
    body: {}, headers: { cookie: `${cookie.name}=${cookie.value}`, origin: w.server.url },
  });
  await page.getByRole('link', { name: 'All devices' }).click();
  await page.getByText('Your session has ended.').waitFor();
  await signIn(page, w.admin.username, w.admin.password);
  await page.getByRole('heading', { name: 'Devices', exact: true }).waitFor();
  await assertSound(page);
});

test('too_many_attempts_are_told_with_the_time_to_wait', async (t) => {
  const page = await w.open(t, '/', { guest: true });
  const button = page.getByRole('button', { name: /Sign in|Try again in/ });
  await page.getByLabel('Username').fill('nobody');
  for (let i = 0; i < 6 && (await button.isEnabled()); i++) {
    await page.getByLabel('Password', { exact: true }).fill(`guess ${i}`);
    const answer = page.waitForResponse('**/auth/login');
    await button.click();
    await answer;
    await page.getByRole('alert').getByText(/wrong|Too many/).waitFor();
  }
  await page.getByText('Too many attempts.').waitFor();
  assert.equal(await button.isDisabled(), true);
  assert.match(await button.innerText(), /^Try again in \d+/);
  await assertSound(page);
});
