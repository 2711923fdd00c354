#!/usr/bin/env node
// Whether the time of an answer tells a room that is not there from one that is not yours.
//
//     ./dev build && node bench/chat_hidden.mjs [SIGNALBOX] [PAIRS]
//
// An employee, a robot and a guest ask for rooms in turn, one question at a time, on one connection:
// chat:message:send over Socket.IO and GET /api/v1/chat/rooms/{id}. Each round asks once for a room
// that is not there, for one of somebody else's that is in memory, and for one that nobody has asked
// for since the start (each of them once). Prints the median of each and its ratio to the first, in
// Markdown. Uses the harness of tests/e2e: npm ci there first.
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import path from 'node:path';

process.env.SIGNALBOX_BIN = path.resolve(process.argv[2] ?? 'build/release/signalbox');
const PAIRS = Number(process.argv[3] ?? 400);
const { startServer, tempDir } = await import('../tests/e2e/lib/server.mjs');
const { Wire } = await import('../tests/e2e/lib/socketio.mjs');

const FLAGS = ['--loops', '2', '--chat-messages-per-s', '100000', '--chat-messages-burst', '100000',
  '--chat-guest-messages-per-s', '100000', '--chat-guest-messages-burst', '100000', '--log-level', 'error'];
const WARM = 20;
const ROUTE = 'GET rooms/{id}';
const PAUSE_MS = 65; // behind three questions: robots and REST may ask 50 a second
const dataDir = tempDir('chat-hidden');
const uuid7 = () => {
  const ms = Date.now().toString(16).padStart(12, '0');
  const rest = randomUUID().slice(15);
  return `${ms.slice(0, 8)}-${ms.slice(8)}-7${rest.slice(0, 3)}-${rest.slice(4)}`;
};
const median = (list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)];
const us = async (work) => {
  const began = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - began) / 1e3;
};

let server = await startServer({ flags: FLAGS, dataDir });
const token = (name, role) => server.cli('token', '--sub', name, '--role', role, '--ttl', '1h');
const ann = await token('ann', 'employee');
const rest = async (who, target, body) => (await server.post(target, body, { token: who })).json.data;
const make = async (who, type) => (await rest(who, '/api/v1/chat/rooms', { name: 'x', type })).id;
const zoe = await token('zoe', 'employee'); // who does not come back after the restart
const asleep = []; // for each kind, wire and round one that nobody has asked for
for (let n = 0; n < 6 * (PAIRS + WARM); n += 1) {
  asleep.push(await make(zoe, 'group'));
  if (n % 80 === 79) await new Promise((resolve) => setTimeout(resolve, 1700)); // 50 requests a second
}
const known = []; // as many are at home on each loop
for (let n = 0; n < 32; n += 1) known.push(await make(ann, 'group'));
const home = await make(ann, 'support');
const { token: guest } = await rest(ann, '/api/v1/chat/guests', { roomId: home, name: 'Gina' });
const { key: robot } = await rest(await token('root', 'admin'), '/api/v1/chat/robots', { name: 'Rob' });
const people = { employee: await token('eve', 'employee'), robot, guest };
await server.stop();
server = await startServer({ flags: FLAGS, dataDir });

async function wired(credential) {
  const wire = await Wire.open(server);
  await wire.connect('/', { token: credential });
  let id = 0;
  return { ask: (roomId) => wire.ask('/', id += 1, 'chat:message:send', { roomId, type: 'chat', content: 'x' }), end: () => wire.ws.terminate() };
}

function routed(credential) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const ask = (roomId) => new Promise((resolve, reject) => {
    http.get(`${server.url}/api/v1/chat/rooms/${roomId}`, { agent, headers: { authorization: `Bearer ${credential}` } }, (res) => {
      res.resume().on('end', () => (res.statusCode === 403 ? resolve() : reject(new Error(`${res.statusCode}`))));
    }).on('error', reject);
  });
  return { ask, end: () => agent.destroy() };
}

await (async () => { // somebody is in them: they are in memory
  const own = await wired(ann);
  for (const id of known) await own.ask(id); // they come into memory
  own.end();
})();
console.log('| who | wire | not there, us | not theirs, in memory | not theirs, asleep |');
console.log('| --- | --- | --- | --- | --- |');
for (const [kind, credential] of Object.entries(people)) {
  for (const [wire, open] of [['chat:message:send', wired], [ROUTE, routed]]) {
    const client = await open(credential);
    const times = [[], [], []];
    for (let n = 0; n < PAIRS + WARM; n += 1) {
      const asks = [uuid7, () => known[n % known.length], () => asleep.pop()];
      for (let k = 0; k < 3; k += 1) { // each begins as often as the others
        const i = (n + k) % 3;
        const id = asks[i]();
        const took = await us(() => client.ask(id));
        if (n >= WARM) times[i].push(took);
      }
      if (wire === ROUTE || kind === 'robot') await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    const [none, memory, sleeping] = times.map(median);
    const with_ = (m) => `${m.toFixed(0)} (${(m / none).toFixed(2)})`;
    console.log(`| ${kind} | ${wire} | ${none.toFixed(0)} | ${with_(memory)} | ${with_(sleeping)} |`);
    client.end();
  }
}
await server.stop();
