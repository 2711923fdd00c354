// Chat in the console: two people at once, each with a page of their own.
import assert from 'node:assert/strict';
import test from 'node:test';
import { startServer } from '../lib/server.mjs';
import { assertAccessible, assertSound, DESKTOP, PHONE, screenshot } from './browser.mjs';
import { CHAT, entry, field, FLAGS, HTML, isLive, row, say, soon, talk } from './talk.mjs';
import { SOON_MS, world } from './world.mjs';

const w = world({ flags: FLAGS });
const { rest, room: roomOf } = talk(w);
let ann;
let bea; // a supervisor
let cid;
let made;
/** All are there. */
const people = () => {
  made ??= (async () => {
    ann = await w.user('ann', 'employee');
    bea = await w.user('bea', 'supervisor');
    cid = await w.user('cid', 'employee');
  })();
  return made;
};

const room = (name, type, ...others) => roomOf(ann, name, type, ...others);
const group = (name, ...others) => room(name, 'group', ...others);

/** Both in a room of that name, which is open on both pages. */
async function together(t, name, options = {}) {
  await people();
  const { id } = await group(name, bea);
  const at = `${CHAT}/${id}`;
  const [a, b] = [await w.open(t, at, { who: ann, ...options }), await w.open(t, at, { who: bea })];
  for (const page of [a, b]) await isLive(page);
  return { id, a, b };
}

test('a_room_is_made_and_what_is_said_in_it_appears_at_the_other', async (t) => {
  await people();
  const a = await w.open(t, '/console/', { who: ann });
  const b = await w.open(t, CHAT, { who: bea });
  await b.getByText('You are in no room yet.').waitFor(soon);
  await assertAccessible(b, 'no rooms');
  await a.getByRole('link', { name: 'Chat', exact: true }).click();
  await a.getByRole('button', { name: 'New room' }).click();
  const dialog = a.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Make the room' }).click();
  await dialog.getByText('Give the room a name.').waitFor();
  await dialog.getByLabel('Name', { exact: true }).fill('Lamps');
  await dialog.getByPlaceholder('Find by name').fill('BE');
  await dialog.getByRole('button', { name: 'bea' }).click();
  await assertAccessible(a, 'new room');
  await dialog.getByRole('button', { name: 'Make the room' }).click();
  await a.getByRole('heading', { name: 'Lamps' }).waitFor(soon);
  await row(b, 'Lamps').waitFor(soon);

  await say(a, 'The lamp in the hall is dark');
  await say(a, 'So is the one beside it');
  await row(b, 'So is the one beside it').waitFor(soon);
  await row(b, 'Lamps').getByText('2 unread').waitFor(soon);
  await row(b, 'Lamps').click();
  await entry(b, 'The lamp in the hall is dark').waitFor(soon);
  await b.getByText('New', { exact: true }).waitFor();
  await row(b, 'Lamps').locator('.unread').waitFor({ state: 'detached', ...soon });
  await entry(a, 'So is the one beside it').getByText('Read by 1').waitFor(soon);
  assert.equal(await a.locator('.entry').count(), 2);
  assert.equal(await a.locator('.pending').count(), 0);

  // A second page of the same person hears that it was read.
  const again = await w.open(t, CHAT, { who: bea });
  await row(again, 'Lamps').waitFor(soon);
  assert.equal(await row(again, 'Lamps').locator('.unread').count(), 0);
  for (const page of [a, b, again]) await assertSound(page);
});

test('typing_shows_at_the_other_and_stops', async (t) => {
  const { a, b } = await together(t, 'Typing');
  await field(b).pressSequentially('I thi');
  await a.getByText('bea is typing…').first().waitFor(soon);
  await row(a, 'Typing').getByText('bea is typing…').waitFor(soon);
  await field(b).fill('');
  await a.locator('.typing', { hasText: 'typing' }).waitFor({ state: 'detached', ...soon });
  await field(b).pressSequentially('I think so');
  await b.keyboard.press('Enter');
  await entry(a, 'I think so').waitFor(soon);
  await a.locator('.typing', { hasText: 'typing' }).waitFor({ state: 'detached', ...soon });
  await assertSound(a);
});

test('names_and_messages_full_of_html_are_text', async (t) => {
  const { a, b } = await together(t, HTML);
  await b.getByRole('heading', { name: HTML }).waitFor();
  await say(a, `${HTML}\n<script>window.pwned=1</script> javascript:alert(1) https://example.com/?a=1&b=<i>`);
  await entry(b, HTML).waitFor(soon);
  const link = entry(b, HTML).getByRole('link');
  assert.equal(await link.getAttribute('href'), 'https://example.com/?a=1&b=');
  assert.equal(await link.getAttribute('rel'), 'noopener noreferrer nofollow');
  await row(b, HTML).waitFor();
  for (const page of [a, b]) {
    assert.equal(await page.evaluate(() => window.pwned), undefined);
    assert.equal(await page.locator('.chat img, .chat b, .chat i').count(), 0);
    await assertSound(page);
  }
});

test('what_was_said_is_answered_reacted_to_changed_and_deleted', async (t) => {
  const { a, b } = await together(t, 'Changes');
  await say(a, 'Is it dark?');
  await entry(b, 'Is it dark?').hover();
  await entry(b, 'Is it dark?').getByRole('button', { name: 'Actions' }).click();
  await assertAccessible(b, 'actions');
  await b.getByRole('button', { name: 'Answer', exact: true }).click();
  await say(b, 'Quite');
  await entry(a, 'Quite').getByRole('button', { name: 'Answer to You: Is it dark?' }).waitFor(soon);
  await entry(a, 'Quite').hover();
  await entry(a, 'Quite').getByRole('button', { name: 'Actions' }).click();
  await a.getByRole('button', { name: '✅' }).click();
  const reaction = entry(b, 'Quite').getByRole('button', { name: '✅ 1 ann' });
  await reaction.waitFor(soon);
  await reaction.click();
  await entry(a, 'Quite').getByRole('button', { name: '✅ 2' }).waitFor(soon);

  // By keyboard: the last message has the focus of the list, its actions follow.
  await say(a, 'It is drak');
  await entry(a, 'It is drak').focus();
  await a.keyboard.press('ArrowUp');
  assert.match(await a.evaluate(() => document.activeElement.textContent), /Quite/);
  await a.keyboard.press('ArrowDown');
  await entry(a, 'It is drak').getByRole('button', { name: 'Actions' }).press('Enter');
  await a.getByRole('button', { name: 'Edit', exact: true }).click();
  await a.getByRole('textbox', { name: 'Message, changed' }).fill('It is dark');
  await a.keyboard.press('Enter');
  await entry(b, 'It is dark').getByText('edited').waitFor(soon);
  await entry(a, 'It is dark').hover();
  await entry(a, 'It is dark').getByRole('button', { name: 'Actions' }).click();
  await a.getByRole('button', { name: 'Delete…' }).click();
  await a.getByRole('button', { name: 'Delete the message' }).click();
  await entry(b, 'This message was deleted.').waitFor(soon);
  await assertSound(a);
  await assertSound(b);
});

test('older_messages_come_as_one_goes_up_and_a_search_leads_to_them', async (t) => {
  await people();
  const { id } = await group('History', bea);
  for (let i = 1; i <= 130; i++) {
    await rest(i % 2 ? ann : bea, 'POST', `rooms/${id}/messages`, {
      type: 'chat', content: i === 9 ? 'the heliotrope one' : `number ${i}`,
    });
  }
  const page = await w.open(t, `${CHAT}/${id}`, { who: ann });
  await entry(page, 'number 130').waitFor(soon);
  assert.equal(await entry(page, 'number 60').count(), 0);
  const log = page.getByRole('log');
  await log.evaluate((e) => { e.scrollTop = 0; });
  await entry(page, 'number 60').waitFor(soon);
  await entry(page, 'number 80').scrollIntoViewIfNeeded(); // it is there still, below
  while (await log.locator('.more').count()) { // "Earlier messages", or "Fetching…"
    await log.evaluate((e) => { e.scrollTop = 0; });
    await page.waitForTimeout(50);
  }
  assert.equal(await page.locator('.entry').count(), 130);

  await page.reload();
  await entry(page, 'number 130').waitFor(soon);
  await page.getByRole('button', { name: 'Search', exact: true }).click();
  await page.getByRole('searchbox', { name: 'Words' }).fill('helio*');
  await page.keyboard.press('Enter');
  await assertAccessible(page, 'search');
  await page.locator('.found').getByRole('button', { name: 'heliotrope' }).click();
  await entry(page, 'the heliotrope one').waitFor(soon);
  assert.match(await page.evaluate(() => document.activeElement.textContent), /heliotrope/);
  await page.getByRole('button', { name: 'Go to the newest' }).click();
  await entry(page, 'number 130').waitFor(soon);
  await assertSound(page);
});

test('nothing_is_lost_or_doubled_when_the_server_goes_and_comes_back', async (t) => {
  const { id, a, b } = await together(t, 'Away');
  await say(a, 'before');
  await entry(b, 'before').waitFor(soon);
  const { dataDir, port } = w.server;
  await w.server.crash();
  await a.getByText(/Next attempt|Connecting/).first().waitFor(soon);
  await say(a, 'while away, one');
  await say(a, 'while away, two');
  await a.locator('.pending', { hasText: 'while away, two' }).getByText('Waiting for the connection').waitFor(soon);
  assert.equal(await a.locator('.pending').count(), 2);
  await screenshot(a, 'chat-away');
  w.server = await startServer({ dataDir, flags: [...FLAGS, '--listen', `127.0.0.1:${port}`] });
  for (const page of [a, b]) {
    const retry = page.getByRole('button', { name: 'Retry now' });
    if (await retry.isVisible()) await retry.click().catch(() => {}); // it may have come back just now
  }
  await entry(b, 'while away, two').waitFor({ timeout: 4 * SOON_MS });
  await say(b, 'after');
  await entry(a, 'after').waitFor(soon);
  await a.locator('.pending').first().waitFor({ state: 'detached', ...soon });
  const texts = ['before', 'while away, one', 'while away, two', 'after'];
  for (const page of [a, b]) {
    assert.deepEqual(await page.locator('.entry .words').allInnerTexts(), texts);
    await assertSound(page);
  }
  const stored = await rest(ann, 'GET', `rooms/${id}/messages`);
  assert.deepEqual(stored.map((m) => m.content), texts);
  assert.deepEqual(stored.map((m) => m.seq), [1, 2, 3, 4]);
});

test('files_are_sent_held_shown_and_refused', async (t) => {
  const { a, b } = await together(t, 'Files');
  const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==', 'base64');
  const choose = a.locator('input[type=file]');
  await choose.setInputFiles([
    { name: 'lamp.png', mimeType: 'image/png', buffer: png },
    { name: 'notes <b>.txt', mimeType: 'text/plain', buffer: Buffer.from('It is dark.\n') },
  ]);
  const picture = b.getByRole('img', { name: 'lamp.png' });
  await picture.waitFor(soon);
  assert.ok(await picture.evaluate((img) => img.decode().then(() => img.naturalWidth > 0)));
  const link = b.locator('a.attachment', { hasText: 'notes <b>.txt' });
  await link.waitFor(soon);
  const [download] = await Promise.all([b.waitForEvent('download'), link.click()]);
  assert.equal(await (await download.createReadStream()).setEncoding('utf8').toArray().then((p) => p.join('')), 'It is dark.\n');
  await a.locator('.pending').first().waitFor({ state: 'detached', ...soon });

  await choose.setInputFiles({ name: 'trap.png', mimeType: 'image/png', buffer: Buffer.from('<html><script>window.pwned=1</script></html>') });
  await a.locator('.pending', { hasText: 'trap.png' }).getByRole('alert').waitFor(soon);
  await a.getByRole('button', { name: 'Close trap.png' }).click();
  await choose.setInputFiles({ name: 'empty.txt', mimeType: 'text/plain', buffer: Buffer.alloc(0) });
  await a.getByText('The file is empty.').waitFor();
  await a.getByRole('button', { name: 'Close empty.txt' }).click();
  assert.equal(await b.locator('.entry', { hasText: 'trap' }).count(), 0);
  await assertAccessible(b, 'files');
  for (const page of [a, b]) await assertSound(page);
});

test('a_room_that_needs_somebody_is_escalated_taken_and_concluded', async (t) => {
  await people();
  const { id } = await group('Help');
  const a = await w.open(t, `${CHAT}/${id}`, { who: ann });
  const b = await w.open(t, CHAT, { who: bea });
  await a.getByRole('button', { name: 'Escalate' }).click();
  const dialog = a.getByRole('dialog');
  await dialog.getByLabel('Reason').fill(`The guest asks for a person ${HTML}`);
  await dialog.getByLabel('To').selectOption('T2');
  await assertAccessible(a, 'escalate');
  await dialog.getByRole('button', { name: 'Escalate' }).click();
  await b.getByRole('link', { name: 'Escalations 1 waiting' }).click();
  const waiting = b.getByRole('region', { name: 'Waiting' });
  await waiting.getByText(`The guest asks for a person ${HTML}`).waitFor(soon);
  await assertAccessible(b, 'the queue');
  await screenshot(b, 'chat-queue');
  await waiting.getByRole('button', { name: 'Take' }).click();
  await b.getByRole('heading', { name: 'Help' }).waitFor(soon); // she is in the room now
  await say(b, 'I am here');
  await entry(a, 'I am here').waitFor(soon);
  await b.getByRole('link', { name: 'Escalations' }).click();
  const taken = b.getByRole('region', { name: 'Taken' });
  await taken.getByText('taken by you').waitFor(soon);
  await taken.getByRole('button', { name: 'Release' }).click();
  await waiting.getByRole('button', { name: 'Take' }).click();
  await b.getByRole('link', { name: 'Escalations' }).click();
  await taken.getByRole('button', { name: 'Conclude…' }).click();
  await taken.getByRole('combobox', { name: 'Outcome' }).selectOption('guest-disengaged');
  await taken.getByRole('button', { name: 'Conclude', exact: true }).click();
  await taken.getByText('Nothing is being worked on.').waitFor(soon);
  for (const page of [a, b]) await assertSound(page);
});

/** Tab, until what is wanted has the focus. */
async function tabTo(page, name) {
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press('Tab');
    const said = await page.evaluate(() => document.activeElement?.innerText ?? '');
    if (name.test(said)) return;
  }
  assert.fail(`Tab does not lead to ${name}`);
}

test('a_supervisor_assigns_an_escalation_by_keyboard_and_who_gets_it_hears_so', async (t) => {
  await people();
  const { id } = await group(`Assigned ${HTML}`);
  await rest(ann, 'POST', 'escalations', { roomId: id, reason: `Somebody who knows lamps ${HTML}` });
  const b = await w.open(t, `${CHAT}/desk`, { who: bea, viewport: PHONE, hasTouch: true });
  const c = await w.open(t, CHAT, { who: cid });
  const mine = (page, part) => page.getByRole('region', { name: part }).locator('.case', { hasText: 'who knows lamps' });
  await mine(b, 'Waiting').getByText(`Assigned ${HTML}`).waitFor(soon); // she is not in it
  await isLive(c);

  await tabTo(b, /^Assign…$/);
  await b.keyboard.press('Enter');
  const dialog = b.getByRole('dialog', { name: 'Assign to somebody' });
  await dialog.getByRole('button', { name: 'cid' }).waitFor(soon);
  assert.equal(await dialog.getByRole('button', { name: 'bea' }).count(), 0); // to take it is to have it
  await assertAccessible(b, 'assigning');
  await tabTo(b, /^C\s*cid$/);
  await b.keyboard.press('Enter');
  await b.waitForFunction(() => /^cid/.test(document.activeElement.innerText)); // the focus stays in it
  await screenshot(b, 'chat-assign-phone');
  await tabTo(b, /^Assign$/);
  await b.keyboard.press('Enter');
  await mine(b, 'Taken').getByText('taken by cid').waitFor(soon);
  await b.waitForFunction(() => document.activeElement.classList.contains('case'));

  await c.getByRole('link', { name: 'This escalation is yours now' }).click();
  await c.getByRole('heading', { name: `Assigned ${HTML}` }).waitFor(soon);
  await c.getByRole('link', { name: 'Escalations' }).click();
  await mine(c, 'Taken').getByText('taken by you').waitFor(soon);
  assert.equal(await c.getByRole('button', { name: 'Assign…' }).count(), 0); // supervisors assign

  // From one to another, with a name that is typed.
  await b.setViewportSize(DESKTOP);
  await mine(b, 'Taken').getByRole('button', { name: 'Assign…' }).click();
  await dialog.getByRole('searchbox').pressSequentially('an');
  await dialog.getByRole('button', { name: 'ann' }).waitFor(soon);
  assert.equal(await dialog.getByRole('button', { name: 'cid' }).count(), 0); // has it
  await b.keyboard.press('Enter');
  await dialog.getByRole('button', { name: 'Assign', exact: true }).click();
  await mine(b, 'Taken').getByText('taken by ann').waitFor(soon);
  await mine(c, 'Taken').getByText('taken by ann').waitFor(soon);
  await mine(b, 'Taken').getByRole('button', { name: 'Watch' }).click();
  await b.getByText('You watch: members do not see you.').waitFor(soon);
  for (const page of [b, c]) {
    assert.equal(await page.evaluate(() => window.pwned), undefined);
    await assertSound(page);
  }
});

test('a_guest_comes_by_a_link_and_sees_what_is_said_from_then_on', async (t) => {
  await people();
  const { id } = await room('Reception', 'support');
  const a = await w.open(t, `${CHAT}/${id}`, { who: ann });
  await say(a, 'not for guests');
  await entry(a, 'not for guests').waitFor(soon);
  await a.getByRole('button', { name: 'Members' }).click();
  await a.getByRole('button', { name: 'Invite a guest' }).click();
  await a.getByRole('button', { name: 'Make the link' }).click();
  const link = await a.locator('code.secret').innerText();
  await a.getByRole('button', { name: 'Done' }).click();
  await a.locator('.invitations', { hasText: 'For guests' }).waitFor(soon);
  await assertAccessible(a, 'members');

  const g = await w.open(t, link.slice(w.server.url.length), { guest: true });
  await g.getByLabel('Your name').fill('<b>Gus</b>');
  assert.equal(new URL(g.url()).hash, '');
  await assertAccessible(g, 'a guest at the door');
  await g.getByRole('button', { name: 'Come in' }).click();
  await g.getByRole('heading', { name: 'Reception' }).waitFor(soon);
  await say(g, 'Is anybody here?');
  await entry(a, 'Is anybody here?').locator('.sender', { hasText: '<b>Gus</b>' }).waitFor(soon);
  await say(a, 'Yes');
  await entry(g, 'Yes').waitFor(soon);
  assert.equal(await entry(g, 'not for guests').count(), 0);
  assert.equal(await g.getByRole('link', { name: 'Devices', exact: true }).count(), 0);
  assert.equal(await g.getByRole('button', { name: 'New room' }).count(), 0);
  await g.reload();
  await entry(g, 'Yes').waitFor(soon);
  assert.equal(await a.locator('.chat b').count(), 0);

  const late = await w.open(t, link.slice(w.server.url.length), { guest: true });
  await late.getByLabel('Your name').fill('Late');
  await late.getByRole('button', { name: 'Come in' }).click();
  await late.getByText('The invitation is not valid any more.').waitFor(soon);
  for (const page of [a, g]) await assertSound(page);
});

test('a_supervisor_watches_unseen_and_comes_in_by_speaking', async (t) => {
  await people();
  const { id } = await group('Quiet');
  const a = await w.open(t, `${CHAT}/${id}`, { who: ann });
  await say(a, 'to myself');
  await entry(a, 'to myself').waitFor(soon);
  const b = await w.open(t, CHAT, { who: bea });
  await b.getByRole('button', { name: 'Find' }).click();
  await b.getByLabel('All rooms, to watch unseen').check();
  await b.getByRole('button', { name: 'Watch Quiet' }).click();
  await entry(b, 'to myself').waitFor(soon);
  await b.getByText('You watch: members do not see you.').waitFor();
  await a.getByRole('button', { name: 'Members' }).click();
  await a.locator('.person').first().waitFor();
  assert.equal(await a.locator('.person').count(), 1);
  await say(b, 'May I?');
  await entry(a, 'May I?').waitFor(soon);
  await a.locator('.person', { hasText: 'bea' }).waitFor(soon);
  await b.getByText('You watch: members do not see you.').waitFor({ state: 'detached', ...soon });
  for (const page of [a, b]) await assertSound(page);
});

const SCENE = [
  ['ann', 'Good morning. The lamp in the hall is dark again.'],
  ['bea', 'Since when? The log says that it was switched at 06:12, see https://example.com/lamps/hall'],
  ['ann', 'Since seven or so.\nIt is the second time this week, and by now I would rather have another lamp than another visit.'],
  ['bea', 'Then it shall be another lamp.'],
];

test('it_reads_well_on_a_desk_and_a_phone_by_day_and_by_night', async (t) => {
  await people();
  const { id } = await group('Lamps of the house', bea);
  for (const [who, content] of SCENE) {
    await rest(who === 'ann' ? ann : bea, 'POST', `rooms/${id}/messages`, { type: 'chat', content });
  }
  for (const [kind, options] of [['desk', {}], ['phone', { viewport: PHONE, hasTouch: true }]]) {
    for (const colorScheme of ['light', 'dark']) {
      const page = await w.open(t, `${CHAT}/${id}`, { who: ann, colorScheme, ...options });
      await entry(page, 'Then it shall be another lamp.').waitFor(soon);
      await assertAccessible(page, `a room, ${kind}, ${colorScheme}`);
      await screenshot(page, `chat-${kind}-${colorScheme}`);
      await page.getByRole('button', { name: 'Members' }).click();
      await page.locator('.person').nth(1).waitFor(soon);
      await screenshot(page, `chat-members-${kind}-${colorScheme}`);
      await assertSound(page);
      if (kind === 'phone') {
        await page.getByRole('link', { name: 'All rooms' }).click();
        await row(page, 'Lamps of the house').waitFor();
        await assertAccessible(page, `the rooms, ${kind}, ${colorScheme}`);
        await screenshot(page, `chat-rooms-${kind}-${colorScheme}`);
        await assertSound(page);
      }
      await page.context().close();
    }
  }
});
