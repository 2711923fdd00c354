// The home-automation document's JavaScript client as it is printed, in Chromium: on a page of the
// server, anonymous and signed in by its cookie, on a page of an allowed origin, and of another.
import assert from 'node:assert/strict';
import http from 'node:http';
import test, { after, before } from 'node:test';
import { House } from '../lib/home.mjs';
import { startServer } from '../lib/server.mjs';
import { assertSound, launch, openPage } from './browser.mjs';
import { SOON_MS } from './world.mjs';

const DOCUMENTED_CLIENT = `
const ws = new WebSocket('ws://localhost:3001/ws');

ws.onopen = function() {
    console.log('Connected to WebSocket');
    
    // Subscribe to room updates
    ws.send(JSON.stringify({
        type: 'subscribe_room',
        data: { room_id: 1 }
    }));
};

ws.onmessage = function(event) {
    const message = JSON.parse(event.data);
    console.log('Received:', message);
    
    if (message.type === 'room_updated') {
        updateRoomUI(message.data);
    }
};

ws.onclose = function() {
    console.log('WebSocket connection closed');
};
`;

let server;
let house;
let admin;
let browser;
let pages; // of another origin
let hidden; // a private room: whoever hears of it is signed in

before(async () => {
  pages = http.createServer((req, res) => {
    res.setHeader('content-type', 'text/html');
    res.end('<!doctype html><title>a house</title>');
  });
  await new Promise((resolve) => pages.listen(0, '127.0.0.1', resolve));
  pages.port = pages.address().port;
  server = await startServer({ flags: ['--allowed-origins', `http://127.0.0.1:${pages.port}`] });
  admin = JSON.parse(await server.awaitLine(/"first_admin"/));
  house = new House(server, await server.cli('token', '--sub', 'olga', '--role', 'operator'));
  assert.equal((await house.room('Living Room')).id, 1);
  hidden = (await house.room('Hidden', { private: true })).id;
  await house.entity('light.living_room', { room_id: 1, state: 'off' });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  pages?.closeAllConnections();
  pages?.close();
  await server?.stop();
});

/** A page at `origin` that runs the client against `host`; `told` is what its console was told. */
async function run(t, origin, host, storageState) {
  const page = await openPage(browser, origin, { storageState });
  t.after(() => page.context().close());
  page.setDefaultTimeout(SOON_MS * 2);
  page.told = [];
  page.on('console', (message) => page.told.push(message.text()));
  await page.goto(`${origin}/console/`);
  const code = DOCUMENTED_CLIENT.replace('localhost:3001', host);
  await page.evaluate(`window.rooms = []; function updateRoomUI(room) { window.rooms.push(room); }
    window.heard = []; ${code} window.ws = ws;
    ws.addEventListener('message', (event) => window.heard.push(JSON.parse(event.data)));`);
  return page;
}

const welcomed = (page) => page.waitForFunction(() => window.heard.some((m) => m.type === 'connection'));
const renamed = (page, name) => (
  page.waitForFunction((n) => window.rooms.some((r) => r.room_name === n), name)
);

/** The state of the room's entity comes once the room is followed, and only that of this room. */
async function hearsStates(page) {
  const state = `on ${Math.random()}`;
  await house.set('light.living_room', state);
  await page.waitForFunction((s) => window.heard.some((m) => m.data.new_state === s), state);
}

test('a page of the server runs it anonymously', async (t) => {
  const page = await run(t, `http://localhost:${server.port}`, `localhost:${server.port}`);
  await welcomed(page);
  await house.rename(hidden, 'Hidden still');
  await house.rename(1, 'Salon');
  await renamed(page, 'Salon');
  assert.deepEqual(await page.evaluate(() => window.rooms), [
    { room_id: 1, room_name: 'Salon', action: 'updated' },
  ]);
  await hearsStates(page);
  assert.ok(page.told.includes('Connected to WebSocket'));
  assert.ok(page.told.some((text) => text.startsWith('Received:')));
  await assertSound(page);
});

test('who is signed in by the cookie hears of private rooms too', async (t) => {
  const { username, password } = admin;
  const said = await server.post('/api/v1/auth/login', { username, password, session: true });
  const [name, value] = said.headers.get('set-cookie').split(';')[0].split('=');
  const cookie = { name, value, domain: server.host, path: '/', expires: -1, httpOnly: true,
    secure: false, sameSite: 'Strict' };
  const page = await run(t, server.url, `${server.host}:${server.port}`,
    { cookies: [cookie], origins: [] });
  await welcomed(page);
  await house.rename(hidden, 'Treasury');
  await renamed(page, 'Treasury');
  await hearsStates(page);
  await assertSound(page);
});

test('a page of an allowed origin runs it, one of another does not', async (t) => {
  const allowed = await run(t, `http://127.0.0.1:${pages.port}`, `${server.host}:${server.port}`);
  await welcomed(allowed);
  await house.rename(1, 'Parlour');
  await renamed(allowed, 'Parlour');
  const other = await run(t, `http://localhost:${pages.port}`, `localhost:${server.port}`);
  await other.waitForFunction(() => window.ws.readyState === 3);
  assert.deepEqual(await other.evaluate(() => window.heard), []);
  assert.ok(other.told.includes('WebSocket connection closed'));
});

test('the client hears the end of the server', async (t) => {
  const brief = await startServer();
  const page = await run(t, `http://localhost:${brief.port}`, `localhost:${brief.port}`);
  await welcomed(page);
  await page.evaluate(() => window.ws.addEventListener('close', (e) => { window.code = e.code; }));
  await brief.stop();
  await page.waitForFunction(() => window.code === 1001);
});
