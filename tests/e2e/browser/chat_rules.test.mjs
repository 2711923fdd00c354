// Chat in the console: robots that answer in pieces, uploads that are cut, and what moderators do to
// others.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import http from 'node:http';
import net from 'node:net';
import test from 'node:test';
import { assertAccessible, assertSound, openPage, PHONE, screenshot } from './browser.mjs';
import { CHAT, entry, field, FLAGS, HTML, isLive, row, say, soon, talk } from './talk.mjs';
import { world } from './world.mjs';

const FRONT = '127.0.0.1'; // at any port
const w = world({ flags: [...FLAGS, '--public-hosts', FRONT] });
const { ask, rest, room } = talk(w);
let ann;
let cid;
let made;
/** Both are there. */
const people = () => {
  made ??= (async () => {
    ann = await w.user('ann', 'employee');
    cid = await w.user('cid', 'employee');
  })();
  return made;
};

const pending = (page, text) => page.locator('.entry.pending', { hasText: text });

/** A robot of that name; questions() are its calls, {body, say(line), end()}. */
async function robot(t, name) {
  const calls = [];
  const waiting = [];
  const server = http.createServer((req, res) => {
    let body = '';
    req.on('data', (d) => { body += d; });
    req.on('end', () => {
      res.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
      const call = {
        body: JSON.parse(body),
        say: (line) => res.write(`${JSON.stringify(line)}\n`),
        end: (line) => res.end(`${JSON.stringify(line)}\n`),
      };
      const taker = waiting.shift();
      taker ? taker(call) : calls.push(call);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const token = await w.server.cli('token', '--sub', 'root', '--role', 'admin', '--ttl', '1h');
  const webhookUrl = `http://127.0.0.1:${server.address().port}/robot`;
  const made = await w.server.post('/api/v1/chat/robots', { name, webhookUrl }, { token });
  assert.equal(made.status, 201, made.text);
  const question = () => new Promise((resolve) => (calls.length ? resolve(calls.shift()) : waiting.push(resolve)));
  return { id: made.json.data.id, question };
}

async function askRobot(page, prompt, { quiet = false } = {}) {
  await page.getByRole('button', { name: 'Ask a robot' }).click();
  const dialog = page.getByRole('dialog', { name: 'Ask a robot' });
  await dialog.getByLabel('Question').fill(prompt);
  if (quiet) await dialog.getByLabel('Only I see the answer').check();
  await dialog.getByRole('button', { name: 'Ask', exact: true }).click();
  await dialog.waitFor({ state: 'detached', ...soon });
}

test('a_robot_is_asked_and_its_pieces_become_a_message', async (t) => {
  await people();
  const bot = await robot(t, 'Lampbot');
  const { id } = await room(ann, 'Robots', 'group', cid, bot);
  const [a, c] = [await w.open(t, `${CHAT}/${id}`, { who: ann }), await w.open(t, `${CHAT}/${id}`, { who: cid })];
  for (const page of [a, c]) await isLive(page);
  await askRobot(a, 'Which lamp is dark?');
  const first = await bot.question();
  assert.equal(first.body.prompt, 'Which lamp is dark?');
  first.say({ chunk: `That in the hall ${HTML}` });
  for (const page of [a, c]) {
    await pending(page, 'That in the hall').getByText('Answering…').waitFor(soon);
    assert.equal(await page.locator('.entry:not(.pending)').count(), 0); // it is no message yet
  }
  first.say({ chunk: ', and that in the yard.' });
  await pending(c, 'That in the hall').getByText('and that in the yard.').waitFor(soon);
  first.end({ final: true });
  for (const page of [a, c]) {
    const whole = entry(page, `That in the hall ${HTML}, and that in the yard.`);
    await whole.locator('.tag', { hasText: 'robot' }).waitFor(soon);
    await page.locator('.pending').waitFor({ state: 'detached', ...soon });
    assert.equal(await page.locator('.entry').count(), 1);
    assert.equal(await page.evaluate(() => window.pwned), undefined);
  }

  // What only ann is to see, cid does not, and it is no message.
  await askRobot(a, 'And between us?', { quiet: true });
  (await bot.question()).end({ chunk: 'I broke it.', final: true });
  await pending(a, 'I broke it.').getByText('Only you see this').waitFor(soon);
  await say(a, 'Thank you');
  await entry(c, 'Thank you').waitFor(soon);
  assert.equal(await c.getByText('I broke it.').count(), 0);
  await pending(a, 'I broke it.').getByRole('button', { name: 'Close' }).click();
  await pending(a, 'I broke it.').waitFor({ state: 'detached', ...soon });
  for (const page of [a, c]) await assertSound(page);
});

/** A way to the server on which uploads end after `bytes`, until mend(). */
async function cutWay(t, bytes) {
  const way = { cut: true, ranges: [] };
  const server = net.createServer((near) => {
    const far = net.connect(w.server.port, '127.0.0.1');
    let left = null; // of an upload
    for (const [from, to] of [[near, far], [far, near]]) {
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
    }
    far.on('data', (data) => near.write(data));
    near.on('data', (data) => {
      const head = data.subarray(0, 4096).toString('latin1');
      if (head.startsWith('PUT ')) {
        way.ranges.push(/^content-range: (.*)\r$/im.exec(head)?.[1] ?? null);
        left = bytes;
      }
      if (way.cut && (left !== null || /^GET \S*\/chat\/files\//.test(head))) {
        if ((left ?? 0) <= 0) {
          near.destroy();
          return;
        }
        left -= data.length;
      }
      far.write(data);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return Object.assign(way, {
    url: `http://${FRONT}:${server.address().port}`,
    mend: () => { way.cut = false; },
  });
}

test('a_file_whose_upload_is_cut_goes_on_where_it_was', async (t) => {
  await people();
  const { id } = await room(ann, 'Large files', 'group', cid);
  const c = await w.open(t, `${CHAT}/${id}`, { who: cid });
  const way = await cutWay(t, 1_000_000);
  const { cookies, origins } = await w.session(ann);
  const storageState = { cookies, origins: origins.map((o) => ({ ...o, origin: way.url })) };
  const a = await openPage(w.browser, way.url, { storageState });
  t.after(() => a.context().close());
  await a.goto(`${CHAT}/${id}`);
  await isLive(a);
  const buffer = randomBytes(4_000_000);
  await a.locator('input[type=file]').setInputFiles({ name: 'lamps.bin', mimeType: 'application/octet-stream', buffer });
  const shown = a.locator('.pending', { hasText: 'lamps.bin' });
  await shown.getByText(/Waiting for the connection, \d+ % sent/).waitFor(soon);
  assert.equal(await c.locator('.attachment').count(), 0);
  way.mend();
  await c.locator('a.attachment', { hasText: 'lamps.bin' }).waitFor({ timeout: 4 * soon.timeout });
  await shown.waitFor({ state: 'detached', ...soon });
  assert.equal(way.ranges[0], null);
  const [, from] = /^bytes (\d+)-3999999\/4000000$/.exec(way.ranges.at(-1)) ?? [];
  assert.ok(from > 0 && from < 4_000_000, `it went on at ${way.ranges.at(-1)}`);
  const [{ file }] = await rest(cid, 'GET', `rooms/${id}/messages`);
  const stored = await c.evaluate(async (url) => {
    const hash = await crypto.subtle.digest('SHA-256', await (await fetch(url)).arrayBuffer());
    return [...new Uint8Array(hash)].map((b) => b.toString(16).padStart(2, '0')).join('');
  }, file.url);
  assert.equal(stored, createHash('sha256').update(buffer).digest('hex'));
  for (const page of [a, c]) await assertSound(page);
});

/** Opens what moderators can do to somebody. */
async function actions(page, name) {
  const person = page.locator('.person', { hasText: name });
  await person.getByRole('button', { name: `Actions for ${name}` }).click();
  return person.getByRole('group', { name: `Actions for ${name}` });
}

async function find(page, name) {
  await page.getByRole('button', { name: 'Find', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: 'Find rooms' });
  await dialog.getByLabel('Name').fill(name);
  return dialog;
}

test('who_is_moderated_sees_it_and_cannot_do_what_is_taken_from_them', async (t) => {
  await people();
  const { id } = await room(ann, 'Rules', 'public', cid);
  const a = await w.open(t, `${CHAT}/${id}`, { who: ann });
  const c = await w.open(t, `${CHAT}/${id}`, { who: cid, viewport: PHONE, hasTouch: true });
  await isLive(a);
  const send = (text) => ask(cid, 'POST', `rooms/${id}/messages`, { type: 'chat', content: text });

  // Another's message is a moderator's to delete, and nobody else's.
  await say(a, 'Be kind');
  await say(c, 'Buy my lamps');
  await entry(a, 'Buy my lamps').hover();
  await entry(a, 'Buy my lamps').getByRole('button', { name: 'Actions' }).click();
  await a.getByRole('button', { name: 'Delete…' }).click();
  await a.getByRole('button', { name: 'Delete the message' }).click();
  await entry(c, 'This message was deleted.').waitFor(soon);
  assert.equal(await c.getByText('Buy my lamps').count(), 0);
  await entry(c, 'Be kind').getByRole('button', { name: 'Actions' }).click();
  await c.getByRole('button', { name: 'Answer', exact: true }).waitFor();
  assert.equal(await c.getByRole('button', { name: 'Delete…' }).count(), 0);
  await c.getByRole('button', { name: 'Close', exact: true }).click();

  // Muted: it says until when and why, and the field takes nothing.
  await a.getByRole('button', { name: 'Members' }).click();
  let does = await actions(a, 'cid');
  await assertAccessible(a, 'what moderators do');
  await does.getByLabel('Reason').fill(`Too many lamps ${HTML}`);
  await does.getByRole('button', { name: 'Mute for an hour' }).click();
  await c.getByText('You are muted here until').waitFor(soon);
  await c.getByText(`Reason: Too many lamps ${HTML}`).waitFor(soon);
  assert.equal(await field(c).isEditable(), false);
  assert.equal(await c.getByRole('button', { name: 'Send', exact: true }).isDisabled(), true);
  assert.equal(await c.getByRole('button', { name: 'Send files' }).count(), 0);
  assert.equal((await send('still me')).status, 403);
  await a.locator('.person', { hasText: 'cid' }).getByText(/muted until/).waitFor(soon);
  await assertAccessible(c, 'muted');
  await screenshot(a, 'chat-moderate');
  await screenshot(c, 'chat-muted-phone');
  await c.reload();
  await c.getByText(`Reason: Too many lamps ${HTML}`).waitFor(soon);
  does = await actions(a, 'cid');
  await does.getByRole('button', { name: 'Unmute' }).click();
  await c.getByText('You are muted here').waitFor({ state: 'detached', ...soon });
  await say(c, 'No more lamps');
  await entry(a, 'No more lamps').waitFor(soon);

  // Removed: the room is gone, and may be joined again, for it is public.
  does = await actions(a, 'cid');
  await does.getByRole('button', { name: 'Remove…' }).click();
  await does.getByRole('button', { name: 'Remove from the room' }).click();
  await c.locator('.chat-notices').getByText('You are not in Rules any more.').waitFor(soon);
  await c.getByRole('heading', { name: 'This room is not yours' }).waitFor(soon);
  assert.equal(await c.getByText('Be kind').count(), 0);
  assert.equal((await ask(cid, 'GET', `rooms/${id}/messages`)).status, 403);
  assert.equal((await send('still me')).status, 403);
  await c.getByRole('main').getByRole('button', { name: 'All rooms' }).click();
  assert.equal(await row(c, 'Rules').count(), 0);
  await (await find(c, 'Rules')).getByRole('button', { name: 'Join Rules' }).click();
  await entry(c, 'Be kind').waitFor(soon);

  // Banned: it is not found any more, until the ban is lifted.
  does = await actions(a, 'cid');
  await does.getByLabel('Reason').fill('Lamps again');
  await does.getByRole('button', { name: 'Ban…' }).click();
  await does.getByRole('button', { name: 'Ban for good' }).click();
  await c.getByRole('heading', { name: 'This room is not yours' }).waitFor(soon);
  await a.getByRole('list', { name: 'Banned' }).getByText('Lamps again').waitFor(soon);
  await c.getByRole('main').getByRole('button', { name: 'All rooms' }).click();
  const none = await find(c, 'Rules');
  await none.getByText('No room of that name.').waitFor(soon);
  await none.getByRole('button', { name: 'Close' }).click();
  const back = await ask(cid, 'POST', `rooms/${id}/members`, { userId: cid.id });
  assert.equal(back.status, 403, back.text);
  await assertAccessible(a, 'bans');
  await a.getByRole('button', { name: 'Allow cid again' }).click();
  await a.getByRole('list', { name: 'Banned' }).waitFor({ state: 'detached', ...soon });
  await a.waitForFunction(() => document.activeElement.id === 'people-title'); // not at the top again
  await a.keyboard.press('Escape');
  await a.waitForFunction(() => document.activeElement.innerText === 'Members');
  assert.equal(await a.locator('.person').count(), 0);
  await (await find(c, 'Rules')).getByRole('button', { name: 'Join Rules' }).click();
  await entry(c, 'Be kind').waitFor(soon);
  for (const page of [a, c]) {
    assert.equal(await page.evaluate(() => window.pwned), undefined);
    await assertSound(page);
  }
});
