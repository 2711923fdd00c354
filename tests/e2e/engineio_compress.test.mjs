// Answers to polls in gzip and deflate, as Node's own decoders read them.
import assert from 'node:assert/strict';
import http from 'node:http';
import test, { after, before, describe } from 'node:test';
import { gunzipSync, inflateSync } from 'node:zlib';
import { polling } from './lib/engineio.mjs';
import { startServer, within } from './lib/server.mjs';

const TEXT = JSON.stringify(Array.from({ length: 300 }, (_, i) => ({ i, name: `number ${i}` })));
const SMALL = 'x'.repeat(1000);

/** One GET as it is on the wire. */
const get = (server, target, headers) => within(10_000, target, new Promise((resolve, reject) => {
  http.get(server.url + target, { headers, agent: false }, (res) => {
    const chunks = [];
    res.on('data', (d) => chunks.push(d));
    res.on('end', () => resolve({ res, bytes: Buffer.concat(chunks) }));
  }).on('error', reject);
}));

/** What a poll brings that has `message` to bring. */
async function poll(server, message, headers) {
  const s = await polling(server);
  assert.equal((await s.post(`4${message}`)).status, 200);
  const { res, bytes } = await get(server, s.target(), headers);
  assert.equal(res.statusCode, 200);
  assert.equal(Number(res.headers['content-length']), bytes.length);
  return { coding: res.headers['content-encoding'], vary: res.headers.vary, bytes };
}

describe('answers to polls', () => {
  let server;
  before(async () => {
    server = await startServer({ flags: ['--conformance', 'on', '--loops', '1'] });
  });
  after(() => server.stop());

  const cases = [
    ['gzip', 'gzip', gunzipSync],
    ['gzip, deflate, br', 'gzip', gunzipSync],
    ['br;q=1.0, deflate;q=0.8, gzip;q=0.5', 'deflate', inflateSync],
    ['*', 'gzip', gunzipSync],
    ['gzip;q=0, *', 'deflate', inflateSync],
    ['gzip;q=0', undefined, (b) => b],
    ['identity;q=1, gzip;q=0.5', undefined, (b) => b],
    ['br', undefined, (b) => b],
    [undefined, undefined, (b) => b],
  ];
  for (const [accepted, coding, decode] of cases) {
    test(`${accepted}: ${coding ?? 'as they are'}`, async () => {
      const a = await poll(server, TEXT, accepted && { 'accept-encoding': accepted });
      assert.equal(a.coding, coding);
      assert.equal(decode(a.bytes).toString(), `4${TEXT}`);
      assert.match(a.vary, /Accept-Encoding/);
      if (coding) assert.ok(a.bytes.length < TEXT.length / 4);
    });
  }

  test('short ones stay as they are', async () => {
    const a = await poll(server, SMALL, { 'accept-encoding': 'gzip' });
    assert.equal(a.coding, undefined);
    assert.equal(a.bytes.toString(), `4${SMALL}`);
  });

  test('a connection goes on behind them', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const s = await polling(server);
    for (let i = 0; i < 20; i++) {
      await s.post(`4${i}${TEXT}`);
      const { res, bytes } = await within(10_000, 'an answer', new Promise((resolve, reject) => {
        http.get(server.url + s.target(), { headers: { 'accept-encoding': 'gzip' }, agent }, (r) => {
          const chunks = [];
          r.on('data', (d) => chunks.push(d));
          r.on('end', () => resolve({ res: r, bytes: Buffer.concat(chunks) }));
        }).on('error', reject);
      }));
      assert.equal(res.headers['content-encoding'], 'gzip');
      assert.equal(gunzipSync(bytes).toString(), `4${i}${TEXT}`);
    }
    agent.destroy();
  });
});

test('the bound is a setting, and 0 turns it off', async () => {
  for (const [bytes, coding] of [['500', 'gzip'], ['0', undefined]]) {
    const server = await startServer({
      flags: ['--conformance', 'on', '--engineio-http-compression-bytes-min', bytes] });
    try {
      const a = await poll(server, SMALL, { 'accept-encoding': 'gzip' });
      assert.equal(a.coding, coding);
    } finally {
      await server.stop();
    }
  }
});
