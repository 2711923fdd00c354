// Outside issuers against the real server: keys in files; HTTP and WebSocket; what a token of
// theirs may do, and every forgery at the door.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import * as jose from 'jose';
import WebSocket from 'ws';

import { cli, startServer, tempDir } from './lib/server.mjs';

const ISS = 'https://idp.example';
const DIR = tempDir('issuers');
const nowS = () => Math.floor(Date.now() / 1000);
const b64 = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

let server;
let device;
const keys = {};

async function keyOf(alg) {
  const pair = await jose.generateKeyPair(alg, { crv: 'Ed25519', extractable: true });
  return { alg, ...pair, jwk: await jose.exportJWK(pair.publicKey) };
}

const sign = (key, claims = {}, header = {}) =>
  new jose.SignJWT({ sub: 'ann', iss: ISS, exp: nowS() + 600, ...claims })
    .setProtectedHeader({ alg: key.alg, ...header })
    .sign(key.privateKey);

// What an admin may do and a viewer may not.
const addDevice = (token) => server.post('/api/v1/devices', { name: 'made' }, { token });
const me = (token) => server.get('/api/v1/auth/me', { token });

/** 'open', or the status that refused the upgrade. */
function upgrade(token, how) {
  const headers = how === 'header' ? { authorization: `Bearer ${token}` } : {};
  const protocols = how === 'protocol' ? ['bearer', token] : [];
  const query = how === 'query' ? `?token=${token}` : '';
  const ws = new WebSocket(`${server.url.replace('http', 'ws')}/api/v1/devices/${device.id}/ws${query}`,
    protocols, { headers });
  return new Promise((resolve) => {
    ws.on('open', () => { ws.close(); resolve('open'); });
    ws.on('unexpected-response', (_, res) => { resolve(res.statusCode); res.destroy(); });
    ws.on('error', () => {});
  });
}

before(async () => {
  for (const alg of ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA']) keys[alg] = await keyOf(alg);
  const pem = path.join(DIR, 'keys.pem');
  const set = path.join(DIR, 'set.json');
  writeFileSync(pem, await jose.exportSPKI(keys.RS256.publicKey));
  const named = ['PS256', 'ES256', 'ES384', 'EdDSA'].map((alg) => ({ ...keys[alg].jwk, alg, kid: alg }));
  writeFileSync(set, JSON.stringify({ keys: named }));
  server = await startServer({
    flags: ['--jwt-keys', `${pem}, ${set}`, '--auth-anonymous', 'none',
      '--handshakes-per-s', '100000'],
  });
  device = await server.addDevice('box');
});
after(() => server.stop());

test('tokens of every family are accepted over HTTP and WebSocket', async () => {
  for (const key of Object.values(keys)) {
    const header = key.alg === 'RS256' ? { kid: 'theirs' } : { kid: key.alg };
    const token = await sign(key, { roles: ['viewer'] }, header);
    const got = await me(token);
    assert.equal(got.status, 200, `${key.alg}: ${got.text}`);
    assert.equal((await server.get('/api/v1/devices', { token })).status, 200);
    for (const how of ['header', 'protocol', 'query']) {
      assert.equal(await upgrade(token, how), 'open', `${key.alg} ${how}`);
    }
  }
});

test('one principal by issuer and subject, whatever the key', async () => {
  const id = async (key, claims) => {
    const got = await me(await sign(key, claims, { kid: key.alg }));
    assert.equal(got.status, 200, got.text);
    return got.text.match(/[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/)[0];
  };
  const ann = await id(keys.ES256, {});
  assert.equal(await id(keys.EdDSA, {}), ann);
  assert.notEqual(await id(keys.ES256, { iss: 'https://other.example' }), ann);
  assert.notEqual(await id(keys.ES256, { sub: 'bob' }), ann);
});

test('roles in claims are capped; without any nothing may be read', async () => {
  const status = async (roles) =>
    (await server.get('/api/v1/devices', {
      token: await sign(keys.ES256, { sub: 'cap', roles }, { kid: 'ES256' }),
    })).status;
  assert.equal(await status(['viewer']), 200);
  assert.equal(await status([]), 403);
  assert.equal(await status(['admin', 'operator', 'supervisor']), 403);
  const token = await sign(keys.ES256, { sub: 'cap', roles: ['admin', 'viewer'] }, { kid: 'ES256' });
  assert.equal((await addDevice(token)).status, 403);
});

test('a local user cannot be addressed, by id or by our name as the issuer', async () => {
  const own = await server.cli('token', '--sub', 'root', '--role', 'admin');
  const { sub } = JSON.parse(Buffer.from(own.split('.')[1], 'base64url'));
  assert.equal((await addDevice(own)).status, 201);
  const stolen = await sign(keys.ES256, { sub, roles: ['admin'] }, { kid: 'ES256' });
  assert.equal((await addDevice(stolen)).status, 403);
  assert.notEqual((await me(stolen)).json.data.id, sub);
  const named = await sign(keys.ES256, { sub, iss: 'signalbox' }, { kid: 'ES256' });
  assert.equal((await me(named)).status, 401);
  const asDevice = await sign(keys.ES256, { sub: device.id, kind: 'device', deviceId: device.id },
    { kid: 'ES256' });
  assert.equal((await me(asDevice)).status, 401);
});

test('forgeries are refused with 401 over HTTP and before the upgrade', async () => {
  const good = await sign(keys.ES256, { roles: ['viewer'] }, { kid: 'ES256' });
  const [head, body, signature] = good.split('.');
  const spki = await jose.exportSPKI(keys.RS256.publicKey);
  const hs = `${b64({ alg: 'HS256', typ: 'JWT' })}.${body}`;
  const evil = await keyOf('ES256');
  const forgeries = {
    none: `${b64({ alg: 'none' })}.${body}.`,
    'none, signed': `${b64({ alg: 'none' })}.${body}.${signature}`,
    confusion: `${hs}.${createHmac('sha256', spki).update(hs).digest('base64url')}`,
    'wrong key': await sign(evil, {}, { kid: 'ES256' }),
    'own key in the header': await sign(evil, {}, { kid: 'ES256', jwk: evil.jwk }),
    'key elsewhere': await sign(evil, {}, { kid: 'ES256', jku: 'http://127.0.0.1:9/' }),
    'unknown kid': await sign(keys.ES256, {}, { kid: '../ES256' }),
    "another key's kid": await sign(keys.ES256, {}, { kid: 'ES384' }),
    'other claims': `${head}.${b64({ sub: 'root', exp: nowS() + 60, roles: ['admin'] })}.${signature}`,
    'zero signature': `${head}.${body}.${Buffer.alloc(64).toString('base64url')}`,
    'short signature': `${head}.${body}.${signature.slice(0, 40)}`,
    'padded': `${good}=`,
    'four parts': `${good}.${signature}`,
    expired: await sign(keys.ES256, { exp: nowS() - 60 }, { kid: 'ES256' }),
    early: await sign(keys.ES256, { nbf: nowS() + 90 }, { kid: 'ES256' }),
    audience: await sign(keys.ES256, { aud: 'another' }, { kid: 'ES256' }),
    long: await sign(keys.ES256, { x: 'x'.repeat(7000) }, { kid: 'ES256' }),
  };
  assert.equal((await me(good)).status, 200);
  for (const [name, token] of Object.entries(forgeries)) {
    assert.equal((await me(token)).status, 401, name);
    assert.equal(await upgrade(token, 'header'), 401, name);
    if (token.length < 4000) assert.equal(await upgrade(token, 'query'), 401, name);
  }
});

test('the forgeries that every family knows are refused by both doors', async () => {
  for (const key of Object.values(keys)) {
    const header = key.alg === 'RS256' ? {} : { kid: key.alg };
    const good = await sign(key, { roles: ['viewer'] }, header);
    const [head, body, signature] = good.split('.');
    const raw = Buffer.from(signature, 'base64url');
    const flipped = Buffer.from(raw);
    flipped[raw.length >> 1] ^= 1;
    const hs = `${b64({ alg: 'HS256', ...header })}.${body}`;
    const spki = await jose.exportSPKI(key.publicKey);
    const forgeries = {
      'wrong key': await sign(await keyOf(key.alg), {}, header),
      confusion: `${hs}.${createHmac('sha256', spki).update(hs).digest('base64url')}`,
      none: `${b64({ alg: 'none', ...header })}.${body}.${signature}`,
      crit: `${b64({ alg: key.alg, ...header, crit: ['x'], x: 1 })}.${body}.${signature}`,
      'other claims': `${head}.${b64({ sub: 'root', exp: nowS() + 60 })}.${signature}`,
      flipped: `${head}.${body}.${flipped.toString('base64url')}`,
      zero: `${head}.${body}.${Buffer.alloc(raw.length).toString('base64url')}`,
      short: `${head}.${body}.${raw.subarray(0, raw.length - 1).toString('base64url')}`,
      longer: `${head}.${body}.${Buffer.concat([raw, Buffer.alloc(1)]).toString('base64url')}`,
      expired: await sign(key, { exp: nowS() - 60 }, header),
      'our issuer': await sign(key, { iss: 'signalbox' }, header),
    };
    assert.equal((await me(good)).status, 200, key.alg);
    for (const [name, token] of Object.entries(forgeries)) {
      assert.equal((await me(token)).status, 401, `${key.alg} ${name}`);
      for (const how of ['header', 'protocol', 'query']) {
        assert.equal(await upgrade(token, how), 401, `${key.alg} ${name} ${how}`);
      }
    }
  }
});

test('key files that cannot be used stop the start and are named', async () => {
  const bad = path.join(DIR, 'private.pem');
  writeFileSync(bad, await jose.exportPKCS8(keys.RS256.privateKey));
  for (const [file, says] of [[bad, /private\.pem: a private key/], ['/absent', /\/absent: No such/]]) {
    const got = await cli(['serve', '--listen', '127.0.0.1:0', '--data-dir', tempDir(), '--jwt-keys', file]);
    assert.equal(got.status, 1);
    assert.match(got.stderr, says);
  }
});
