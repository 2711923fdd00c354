// jwt-check against the jose library: what it signs is accepted, what an attacker would make of it
// is not. Keys are made here.
import assert from 'node:assert/strict';
import { createHmac, createPublicKey, createSign, generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import * as jose from 'jose';

import { cli, tempDir } from './lib/server.mjs';

const DIR = tempDir('jwt');
const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
const EC = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };
const HMAC = { HS256: 32, HS384: 48, HS512: 64 };
const FAMILIES = [...RSA, ...Object.keys(EC), 'EdDSA', ...Object.keys(HMAC)];

const b64 = (value) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const nowS = () => Math.floor(Date.now() / 1000);
const claims = (more = {}) => ({ sub: 'ann', iat: nowS(), exp: nowS() + 600, ...more });

let files = 0;
function file(content) {
  const name = path.join(DIR, `${files++}.key`);
  writeFileSync(name, typeof content === 'string' ? content : JSON.stringify(content));
  return name;
}

async function check(keyFile, token, ...more) {
  const got = await cli(['jwt-check', '--jwk', keyFile, ...more], { input: token });
  assert.ok(got.status === 0 || got.status === 1, `${got.status}: ${got.stderr}`);
  assert.equal(got.stdout, got.status === 0 ? 'accepted\n' : '');
  return got.status === 0 ? 'accepted' : got.stderr.trim();
}

/** A key pair of a family: {alg, sign (what jose signs with), jwk (public, or the secret)}. */
async function keyOf(alg) {
  if (HMAC[alg]) {
    const sign = randomBytes(HMAC[alg]);
    return { alg, sign, jwk: { kty: 'oct', k: sign.toString('base64url') } };
  }
  const { publicKey, privateKey } = await jose.generateKeyPair(alg, {
    crv: 'Ed25519',
    extractable: true,
  });
  return { alg, sign: privateKey, jwk: await jose.exportJWK(publicKey), publicKey };
}

const sign = (key, payload = claims(), header = {}) =>
  new jose.SignJWT(payload).setProtectedHeader({ alg: key.alg, ...header }).sign(key.sign);

for (const alg of FAMILIES) {
  test(`${alg}: what jose signs is accepted, what is changed or another's is not`, async () => {
    const key = await keyOf(alg);
    const other = await keyOf(alg);
    const named = file({ ...key.jwk, alg, kid: 'k1', use: 'sig' });
    const bare = file(key.jwk);
    const set = file({ keys: [{ ...other.jwk, alg, kid: 'k0' }, { ...key.jwk, alg, kid: 'k1' }] });
    const token = await sign(key, claims(), { kid: 'k1', typ: 'JWT' });
    for (const f of [named, bare, set]) assert.equal(await check(f, `${token}\n`), 'accepted');
    assert.equal(await check(bare, await sign(key)), 'accepted');

    const forged = await sign(other, claims(), { kid: 'k1' });
    for (const f of [named, bare, set]) assert.match(await check(f, forged), /bad_signature/);
    const [head, body, signature] = token.split('.');
    const raw = Buffer.from(signature, 'base64url');
    const bad = [
      [`${head}.${b64(claims({ sub: 'root' }))}.${signature}`, /bad_signature/],
      [`${head}.${body}.${raw.subarray(1).toString('base64url')}`, /bad_signature/],
      [`${head}.${body}.${Buffer.concat([raw, raw]).toString('base64url')}`, /bad_signature/],
      [`${head}.${body}.${Buffer.alloc(raw.length).toString('base64url')}`, /bad_signature/],
      [`${head}.${body}.${raw.toString('base64')}=`, /malformed/],
      [`${head}.${body}.`, /malformed/],
      [`${head}.${body}`, /malformed/],
      [`${token}.`, /malformed/],
      [` ${token}`, /malformed/],
      [`${b64({ alg: 'none', kid: 'k1' })}.${body}.`, /malformed|bad_algorithm/],
      [`${b64({ alg: 'none', kid: 'k1' })}.${body}.${signature}`, /bad_algorithm/],
    ];
    for (const [text, why] of bad) assert.match(await check(named, text), why, text);
  });
}

test('a key is used with its own algorithm only', async () => {
  for (const alg of FAMILIES) {
    const key = await keyOf(alg);
    const wrong = HMAC[alg] || RSA.includes(alg) ? FAMILIES.filter((a) => a !== alg) : ['RS256'];
    const body = b64(claims());
    for (const other of wrong) {
      const text = `${b64({ alg: other })}.${body}.${randomBytes(64).toString('base64url')}`;
      assert.match(await check(file({ ...key.jwk, alg }), text), /bad_algorithm/, `${alg} ${other}`);
    }
  }
});

test('HMAC with a public key as the secret is refused', async () => {
  const { publicKey } = await keyOf('RS256');
  const pem = await jose.exportSPKI(publicKey);
  const jwk = await jose.exportJWK(publicKey);
  for (const secret of [pem, pem.trim(), JSON.stringify(jwk), jwk.n]) {
    for (const [alg, hash] of [['HS256', 'sha256'], ['HS384', 'sha384'], ['HS512', 'sha512']]) {
      const text = `${b64({ alg, typ: 'JWT' })}.${b64(claims())}`;
      const mac = createHmac(hash, secret).update(text).digest('base64url');
      for (const f of [file(jwk), file(pem), file({ ...jwk, alg: 'RS256' })]) {
        assert.match(await check(f, `${text}.${mac}`), /bad_algorithm/);
      }
    }
  }
});

test('ECDSA signatures in DER are refused', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const text = `${b64({ alg: 'ES256' })}.${b64(claims())}`;
  const key = file(publicKey.export({ format: 'jwk' }));
  const signed = (dsaEncoding) =>
    `${text}.${createSign('sha256').update(text).sign({ key: privateKey, dsaEncoding }, 'base64url')}`;
  assert.equal(await check(key, signed('ieee-p1363')), 'accepted');
  assert.match(await check(key, signed('der')), /bad_signature/);
});

test('PEM files verify: public keys, several in one file, and a private key is refused', async () => {
  const rsa = await keyOf('PS384');
  const ed = await keyOf('EdDSA');
  const both = (await jose.exportSPKI(rsa.publicKey)) + (await jose.exportSPKI(ed.publicKey));
  assert.equal(await check(file(both), await sign(rsa, claims(), { kid: 'any' })), 'accepted');
  assert.equal(await check(file(both), await sign(ed)), 'accepted');
  const pkcs1 = createPublicKey(await jose.exportSPKI(rsa.publicKey));
  const old = file(pkcs1.export({ type: 'pkcs1', format: 'pem' }));
  assert.equal(await check(old, await sign(rsa)), 'accepted');
  assert.match(await check(file(await jose.exportPKCS8(ed.sign)), await sign(ed)), /private key/);
});

test('headers and claims that are odd are refused', async () => {
  const key = await keyOf('ES256');
  const f = file({ ...key.jwk, kid: 'k1' });
  const raw = async (payload, header = { alg: 'ES256' }) => {
    const text = new TextEncoder().encode(payload);
    return new jose.CompactSign(text).setProtectedHeader(header).sign(key.sign);
  };
  const exp = nowS() + 600;
  for (const [token, why] of [
    [await sign(key, claims(), { kid: 'k2' }), /unknown_key/],
    [await sign(key, claims(), { kid: '../k1' }), /unknown_key/],
    [await sign(key, claims({ exp: nowS() - 31 })), /expired/],
    [await sign(key, claims({ nbf: nowS() + 120 })), /not_yet_valid/],
    [await sign(key, claims({ aud: 'somebody else' })), /bad_audience/],
    [await sign(key, { exp }), /bad_claim/],
    [await sign(key, { sub: 'ann' }), /bad_claim/],
    [await raw(`{"sub":7,"exp":${exp}}`), /bad_claim/],
    [await raw(`{"sub":"a","exp":"${exp}"}`), /bad_claim/],
    [await raw(`{"sub":"a","exp":${exp}.5}`), /bad_claim/],
    [await raw('{"sub":"a","exp":1e400}'), /malformed/],
    [await raw(`{"sub":"a","sub":"b","exp":${exp}}`), /malformed/],
    [await raw(`["a",${exp}]`), /malformed/],
    [await raw('not json'), /malformed/],
    [await raw(`{"sub":"${'a'.repeat(129)}","exp":${exp}}`), /bad_claim/],
    [await raw(`{"sub":"a","exp":${exp},"x":"${'x'.repeat(9000)}"}`), /malformed/],
    [`${'a'.repeat(9000)}.b.c`, /malformed/],
    ['', /malformed/],
    ['a.b.c', /malformed/],
    ['{}', /malformed/],
  ]) {
    assert.match(await check(f, token), why);
  }
  // Signed by the right key, but with members that must not be passed over.
  const critical = await new jose.CompactSign(new TextEncoder().encode(JSON.stringify(claims())))
    .setProtectedHeader({ alg: 'ES256', crit: ['urn:x'], 'urn:x': 1 })
    .sign(key.sign, { crit: { 'urn:x': true } });
  assert.match(await check(f, critical), /bad_algorithm/);
  // A token that brings a key or says where one lies is judged by ours.
  const evil = await keyOf('ES256');
  const header = { kid: 'k1', jwk: evil.jwk, jku: 'http://127.0.0.1:9/', x5u: 'http://127.0.0.1:9/' };
  assert.match(await check(f, await sign(evil, claims(), header)), /bad_signature/);
  assert.equal(await check(f, await sign(key, claims(), header)), 'accepted');
});

test('settings of the server hold: audience, issuer, leeway', async () => {
  const key = await keyOf('RS256');
  const f = file(key.jwk);
  const token = await sign(key, claims({ aud: ['x', 'box'], iss: 'idp' }));
  assert.equal(await check(f, token, '--jwt-audience', 'box'), 'accepted');
  assert.match(await check(f, token), /bad_audience/);
  assert.equal(await check(f, token, '--jwt-audience=box', '--jwt-issuer', 'idp'), 'accepted');
  assert.match(await check(f, token, '--jwt-audience=box', '--jwt-issuer', 'us'), /bad_issuer/);
  const late = await sign(key, claims({ exp: nowS() - 100 }));
  assert.match(await check(f, late), /expired/);
  assert.equal(await check(f, late, '--jwt-leeway-s', '200'), 'accepted');
});

test('keys that are weak, odd or missing refuse every token', async () => {
  const key = await keyOf('ES256');
  const token = await sign(key);
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
  for (const content of [
    '', '{}', '[]', '{"keys":[]}', 'rubbish',
    { ...key.jwk, use: 'enc' },
    { ...key.jwk, alg: 'ES384' },
    { ...key.jwk, crv: 'P-384' },
    { ...key.jwk, y: key.jwk.x },
    { kty: 'oct', k: 'c2hvcnQ' },
    weak.publicKey.export({ format: 'jwk' }),
    weak.publicKey.export({ type: 'spki', format: 'pem' }),
  ]) {
    assert.notEqual(await check(file(content), token), 'accepted', JSON.stringify(content));
  }
  assert.match(await check(path.join(DIR, 'absent'), token), /No such file/);
  assert.equal((await cli(['jwt-check'], { input: token })).status, 2);
});
