// socket.io-client's browser bundle in a page of another origin: over WebSocket, over polling (which
// is what CORS is about) and upgrading; with and without credentials; and from an origin that is not
// allowed. The same page visits the reference server first.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import test, { after, before } from 'node:test';
import { REFERENCE_TOKEN, startReference } from '../lib/reference.mjs';
import { startServer } from '../lib/server.mjs';
import { WAYS } from '../lib/clients.mjs';
import { launch } from './browser.mjs';
import { SOON_MS } from './world.mjs';

const BUNDLE = readFileSync(createRequire(import.meta.url)
  .resolve('socket.io-client').replace(/build.*/, 'dist/socket.io.min.js'));
const COOKIE = 'io';

let browser;
let pages; // another origin, which serves the page and the bundle

before(async () => {
  pages = http.createServer((req, res) => {
    const script = req.url === '/io.js';
    res.setHeader('content-type', script ? 'text/javascript' : 'text/html');
    res.end(script ? BUNDLE : '<!doctype html><title>page</title><script src="/io.js"></script>');
  });
  await new Promise((resolve) => pages.listen(0, '127.0.0.1', resolve));
  pages.origin = `http://127.0.0.1:${pages.address().port}`;
  browser = await launch();
});
after(async () => {
  await browser?.close();
  pages?.closeAllConnections();
  pages?.close();
});

async function openPage(t) {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(SOON_MS * 2);
  await page.goto(pages.origin);
  return page;
}

/* In the page: connects, sends text and binary values of the browser's own kinds, and tells what
 * came of it. */
async function visit({ url, options, ms }) {
  const socket = window.io(url, { reconnection: false, ...options });
  const once = (emitter, event) => new Promise((resolve) => emitter.once(event, resolve));
  const late = new Promise((resolve) => setTimeout(() => resolve({ late: true }), ms));
  const refused = once(socket, 'connect_error').then((error) => ({ refused: error.message, data: error.data }));
  const told = (async () => {
    await once(socket, 'connect');
    const engine = socket.io.engine;
    const wanted = options.transports.at(-1);
    while (engine.transport.name !== wanted) await new Promise((r) => setTimeout(r, 20));
    const bytes = new Uint8Array([0, 1, 254, 255]);
    const blob = new Blob(['as a blob']);
    const back = await socket.emitWithAck('message-with-ack', bytes.buffer);
    socket.emit('message', 'zażółć', { deep: [blob] });
    const [text, { deep }] = await new Promise((resolve) => socket.on('message-back', (...a) => resolve(a)));
    return {
      transport: engine.transport.name,
      bytes: back instanceof ArrayBuffer && [...new Uint8Array(back)],
      text,
      blob: new TextDecoder().decode(await new Response(deep[0]).arrayBuffer()),
    };
  })();
  const result = await Promise.race([told, refused, late]);
  socket.close();
  return result;
}

const go = (page, url, options) => page.evaluate(visit, { url, options, ms: SOON_MS });
const expected = (way) => ({
  transport: way.transports.at(-1), bytes: [0, 1, 254, 255], text: 'zażółć', blob: 'as a blob',
});

const SERVERS = {
  'the reference server': {
    fixture: (origin) => startReference({
      cors: { origin, credentials: true },
      cookie: { name: COOKIE, path: '/', httpOnly: true, sameSite: 'lax' },
    }),
    product: (origin) => startReference({ product: true, cors: { origin, credentials: true } }),
    token: () => REFERENCE_TOKEN,
  },
  signalbox: {
    fixture: (origin) => startServer({
      flags: ['--conformance', 'on', '--allowed-origins', origin, '--engineio-cookie', COOKIE],
    }),
    product: (origin) => startServer({ flags: ['--allowed-origins', origin] }),
    token: (server) => server.cli('token', '--sub', 'olga', '--kind', 'user', '--role', 'operator'),
  },
};

for (const [name, start] of Object.entries(SERVERS)) {
  test(`a page of an allowed origin talks to ${name}`, async (t) => {
    const server = await start.fixture(pages.origin);
    t.after(() => server.stop());
    for (const way of WAYS) {
      await t.test(way.name, async (u) => {
        const page = await openPage(u);
        assert.deepEqual(await go(page, server.url, { transports: way.transports }), expected(way));
      });
      await t.test(`${way.name}, with credentials`, async (u) => {
        const page = await openPage(u);
        const options = { transports: way.transports, withCredentials: true };
        assert.deepEqual(await go(page, server.url, options), expected(way));
        if (way.transports[0] !== 'polling') return;
        const [cookie] = await page.context().cookies(server.url);
        assert.equal(cookie.name, COOKIE);
        assert.equal(cookie.httpOnly, true);
        assert.equal(cookie.sameSite, 'Lax');
      });
    }
  });

  test(`a page of another origin is refused by ${name}`, async (t) => {
    const server = await start.fixture('http://allowed.example');
    t.after(() => server.stop());
    // The reference leaves WebSocket's origins to whoever writes allowRequest.
    const ways = WAYS.filter((way) => name === 'signalbox' || way.transports[0] === 'polling');
    for (const way of ways) {
      await t.test(way.name, async (u) => {
        const page = await openPage(u);
        const got = await go(page, server.url, { transports: way.transports });
        assert.match(got.refused, /xhr poll error|websocket error/, JSON.stringify(got));
      });
    }
  });

  // A header of its own makes the browser ask first, with OPTIONS.
  test(`a refusal of ${name} can be read across origins, also after a preflight`, async (t) => {
    const server = await start.product(pages.origin);
    t.after(() => server.stop());
    const page = await openPage(t);
    for (const way of WAYS) {
      const options = { transports: way.transports, auth: { token: 'wrong' },
        extraHeaders: { 'X-Request-Id': 'from-a-page' } };
      const got = await go(page, server.url, options);
      assert.equal(got.data?.type, 'AUTHENTICATION_FAILED', JSON.stringify(got));
      assert.equal(got.data.code, 401);
    }
    const token = await start.token(server);
    const joined = await page.evaluate(([url, own]) => new Promise((resolve) => {
      const socket = window.io(url, { transports: ['polling'], auth: { token: own },
        extraHeaders: { Authorization: `Bearer ${own}` }, reconnection: false });
      socket.on('connect', () => socket.emit('device:subscribe', {}, (answer) => {
        socket.close();
        resolve(answer);
      }));
      socket.on('connect_error', (error) => resolve({ error: error.message }));
    }), [server.url, token]);
    assert.equal(joined.ok, true, JSON.stringify(joined));
  });
}
