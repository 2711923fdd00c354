// Keys from an issuer's JWKS URL, against the real server: present after the start, rotated while
// it runs, the issuer failing, and strangers asking for keys that do not exist.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import * as jose from 'jose';

import { chatter } from './lib/chat.mjs';
import { cli, startServer, within } from './lib/server.mjs';

const issuer = { keys: [], requests: 0, status: 200, held: null };
let server;

async function keyOf(alg, kid) {
  const pair = await jose.generateKeyPair(alg, { crv: 'Ed25519', extractable: true });
  return { alg, kid, ...pair, jwk: { ...(await jose.exportJWK(pair.publicKey)), kid, alg } };
}

const sign = (key, kid = key.kid, { sub = 'ann', roles = ['viewer'] } = {}) =>
  new jose.SignJWT({ sub, iss: 'https://idp.example', roles })
    .setExpirationTime('10m')
    .setProtectedHeader({ alg: key.alg, kid })
    .sign(key.privateKey);

const status = async (key, kid) =>
  (await server.get('/api/v1/devices', { token: await sign(key, kid) })).status;

const FLAGS = ['--auth-anonymous', 'none', '--handshakes-per-s', '100000'];

/** A server that ends with the test, however that ends. */
async function start(t) {
  server = await startServer({ flags: [...FLAGS, '--jwks-url', issuer.url] });
  t.after(() => server.crash());
}

before(async () => {
  issuer.server = http.createServer(async (req, res) => {
    issuer.requests++;
    issuer.seen?.();
    await issuer.held;
    res.writeHead(issuer.status, { 'cache-control': 'max-age=600' });
    res.end(JSON.stringify({ keys: issuer.keys.map((k) => k.jwk) }));
  });
  await new Promise((resolve) => issuer.server.listen(0, '127.0.0.1', resolve));
  issuer.url = `http://127.0.0.1:${issuer.server.address().port}/jwks.json`;
});
after(() => issuer.server.close());

test('tokens wait for the first fetch, and a storm of unknown kids causes no other', async (t) => {
  const [a, b, stranger] = [await keyOf('RS256', 'a'), await keyOf('EdDSA', 'b'), await keyOf('ES256', 'c')];
  let release;
  issuer.keys = [a, b];
  issuer.requests = 0;
  issuer.held = new Promise((resolve) => (release = resolve));
  const asked = new Promise((resolve) => (issuer.seen = resolve));
  await start(t);
  await within(5000, 'the fetch', asked);
  const early = Promise.all([status(a), status(b), status(stranger)]);
  release();
  assert.deepEqual(await early, [200, 200, 401]);
  const storm = [];
  for (let i = 0; i < 200; i++) storm.push(status(stranger, `kid-${i}`));
  assert.ok((await Promise.all(storm)).every((s) => s === 401));
  assert.equal(await status(stranger, 'a'), 401);
  assert.equal(issuer.requests, 1);
  // An outage changes nothing: what was fetched is there.
  issuer.status = 500;
  assert.equal(await status(a), 200);
  await server.stop();
  issuer.status = 200;
});

test('the server starts without its issuer, and ends while a fetch hangs', async (t) => {
  const key = await keyOf('ES384', 'k');
  issuer.keys = [key];
  issuer.status = 503;
  await start(t);
  await server.awaitLine(/jwks\.failed.*status 503/);
  assert.equal(await status(key), 401);
  await server.stop();
  issuer.status = 200;
  issuer.held = new Promise(() => {});
  const asked = new Promise((resolve) => (issuer.seen = resolve));
  await start(t);
  await within(5000, 'the fetch', asked);
  await server.stop();
  issuer.held = null;
});

test('chat goes on while the issuer of its people is away', async (t) => {
  const [key, stranger] = [await keyOf('ES256', 'k'), await keyOf('ES256', 's')];
  issuer.keys = [key];
  await start(t);
  assert.equal(await status(key), 200);
  const enters = async (sub) => {
    const c = await chatter(server, await sign(key, 'k', { sub, roles: ['employee'] }));
    t.after(() => c.close());
    return c;
  };
  const ann = await enters('ann');
  issuer.status = 503;
  const ben = await enters('ben'); // who comes now is known by the key that was fetched
  const room = await ann.makes({ type: 'public' });
  await ben.good('chat:room:join', { roomId: room.id });
  const { messageId } = await ann.send(room.id, 'still here');
  assert.equal((await ben.first('chat:message:received', (m) => m.id === messageId)).data.content, 'still here');
  assert.equal(await status(stranger, 'new'), 401);
  await ben.send(room.id, 'here too');
  await server.stop();
  issuer.status = 200;
});

test('a URL that is neither https nor of this machine is refused', async () => {
  const got = await cli(['check-config', '--jwks-url', 'http://idp.example/keys']);
  assert.equal(got.status, 2);
  assert.match(got.stderr, /must begin with https/);
  assert.equal((await cli(['check-config', '--jwks-url', 'https://idp.example/keys'])).status, 0);
});
