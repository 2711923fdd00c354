// Writes msgpack.txt: packets as the real parsers encode them, for codec/sio/msgpack_golden_test.c.
//
// In an empty folder: npm install socket.io-msgpack-parser@3.0.2 socket.io-parser@4.2.6
//   notepack.io@2.2.0 notepack.io-3@npm:notepack.io@3.0.1 && node .../tests/golden/msgpack.mjs
//
// A line: kind, msgpack in hex, text of socket.io-parser, its attachments in hex, between tabs.
// kind: "exact" when what we write of the text is to be the same bytes; "read" when only reading
// is compared (dates, undefined and views have no JSON of their own).
import { createRequire } from 'node:module';
import { writeFileSync } from 'node:fs';

const require = createRequire(process.cwd() + '/');
const msgpack = require('socket.io-msgpack-parser');
const { Encoder } = require('socket.io-parser');
const notepack3 = require('notepack.io-3');

let seed = 20260328;
const random = () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
};
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];

const numbers = [];
for (const p of [0, 5, 7, 8, 15, 16, 31, 32, 53]) {
  for (const d of p === 53 ? [-1, 0] : [-1, 0, 1]) {
    numbers.push(2 ** p + d, -(2 ** p) - d);
  }
}
numbers.push(0.5, -0.1, 1e-7, 5e-324, 3.141592653589793, 1e15 + 0.5);
const texts = ['', 'a', 'hello', 'é€😀', '"\\/\b\f\n\r\t\u0000\u001f\u007f\u2028', 'x'.repeat(31),
  'x'.repeat(32), 'é'.repeat(127), 'é'.repeat(128), '_placeholder'];

let lossy = false; // the packet under way has values that JSON does not
const binary = () => {
  const bytes = Buffer.from(Array.from({ length: pick([0, 1, 3, 20, 255, 256]) }, () => below(256)));
  if (random() < 0.3) {
    lossy = true;
    return pick([(b) => new Uint8Array(b), (b) => new Uint8Array(b).buffer])(bytes);
  }
  return bytes;
};
const odd = () => {
  lossy = true;
  return pick([undefined, NaN, Infinity, -Infinity, new Date(0), new Date(1700000000123), new Date(-1),
    new Date(-62198755200000), new Date(253402300800000), new Date(8.64e15), new Date(-8.64e15),
    new Date(4294967296000), new Date(1e12 + 1), new Date(17179869184000), 2 ** 60,
    -(2 ** 62)]); // which JSON rounds in decimal, and msgpack does not
};
const value = (depth) => {
  const r = below(depth > 3 ? 7 : 10);
  if (r < 3) return pick(numbers);
  if (r < 5) return pick(texts);
  if (r === 5) return pick([true, false, null]);
  if (r === 6) return random() < 0.4 ? odd() : random() < 0.5 ? binary() : pick(texts);
  const count = random() < 0.1 ? pick([15, 16, 17, 40]) : below(4);
  if (r < 9) return Array.from({ length: count }, () => value(depth + 1));
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [pick(texts) + i, value(depth + 1)]));
};

const lines = [];
const add = (packet) => {
  const [text, ...attachments] = new Encoder().encode(structuredClone(packet));
  if (attachments.length > 10) return;
  const bytes = new msgpack.Encoder().encode(packet)[0];
  const kind = lossy ? 'read' : 'exact';
  const rest = [text, attachments.map((a) => Buffer.from(a).toString('hex') || '-').join(' ')];
  lines.push([kind, bytes.toString('hex'), ...rest].join('\t'));
  if (lossy) lines.push(['read', notepack3.encode(packet).toString('hex'), ...rest].join('\t'));
};
// A key with undefined is left out by JSON.stringify, and kept by notepack; notepack 3 cannot tell
// undefined from null in arrays, and neither can JSON.
for (const nsp of ['/', '/admin']) {
  lossy = false;
  add({ type: 0, nsp });
  add({ type: 0, data: { token: '123' }, nsp });
  add({ type: 1, nsp });
  add({ type: 2, data: ['hello', 1], nsp });
  add({ type: 2, data: [1, 'a', {}], nsp, id: 12 });
  add({ type: 3, data: [], nsp, id: 2 ** 53 - 1 });
  lossy = true;
  add({ type: 0, data: undefined, nsp });
  add({ type: 2, data: ['a', { u: undefined, v: [undefined] }], options: { compress: true }, nsp, id: undefined });
}
for (let i = 0; i < 160; i++) {
  lossy = false;
  const data = [pick(['message', 'é', 7]), ...Array.from({ length: below(4) }, () => value(0))];
  const packet = random() < 0.7 ? { type: 2, data, nsp: '/' } : { type: 3, data, nsp: '/a' };
  if (packet.type === 3 || random() < 0.3) packet.id = below(1e6);
  add(packet);
}
const path = new URL('msgpack.txt', import.meta.url);
writeFileSync(path, lines.filter((l) => l.length < 4000).join('\n') + '\n');
