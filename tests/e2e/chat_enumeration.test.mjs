// Visitors cannot guess or enumerate rooms (CONTRACT 5: "same text for no such room and not yours"):
// every event and route of the server's own documents that names a room, a message or a file is asked
// of those that are not there and of those that are not the caller's, and the answers are the same to
// the byte, ids replaced. What is asked is well formed, or bad in its other members, or has a version.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { chatter, claimsOf, envelope } from './lib/chat.mjs';
import { instance } from './lib/rights.mjs';
import { startServer } from './lib/server.mjs';

const MARK = '«id»';
const CHAT = '/api/v1/chat';
const people = {}; // by kind: a Chatter
const open = new Set();
const there = {}; // by state: {room, message, file}, none of which those people may see
let server;
let docs;

async function talk(token) {
  const t = await chatter(server, token);
  open.add(t);
  return t;
}

async function rest(method, target, body, token) {
  const { status, json, text } = await server.request(method, target, { token, body });
  assert.ok(status < 300, `${method} ${target}: ${status} ${text}`);
  return json?.data;
}

before(async () => {
  server = await startServer({ flags: ['--loops', '2', '--chat-messages-per-s', '100000',
    '--chat-messages-burst', '100000', '--chat-guest-messages-per-s', '100000', '--chat-guest-messages-burst', '100000',
    '--chat-joins-per-min', '100000', '--chat-typing-every-ms', '1', '--handshakes-per-s', '100000'] });
  docs = [(await server.get('/api/asyncapi.json')).json, (await server.get('/api/openapi.json')).json];
  const mint = (name, role) => server.cli('token', '--sub', name, '--role', role, '--ttl', '1h');
  const [ann, ben] = [await talk(await mint('ann', 'employee')), await talk(await mint('ben', 'employee'))];
  const eve = await mint('eve', 'employee');
  const root = await mint('root', 'admin');
  const robot = await rest('POST', `${CHAT}/robots`, { name: 'Rob' }, root);
  const id = claimsOf(eve).sub;
  await server.get('/api/v1/auth/me', { token: eve }); // it is somebody from here on
  const others = [claimsOf(ben.token).sub];
  const made = { group: { members: others }, support: {}, direct: { members: others }, banned: { type: 'public', members: [id] },
    public: {} };
  for (const [state, more] of Object.entries(made)) {
    const room = (await ann.good('chat:room:create', { name: state, type: state, ...more })).room.id;
    const { messageId } = await ann.send(room, 'a secret');
    const { fileId } = await ann.good('chat:file:upload', { roomId: room, name: 'a.txt', mime: 'text/plain', size: 2, bytes: Buffer.from('hi') });
    there[state] = { room, message: messageId, file: fileId };
  }
  await rest('DELETE', `${CHAT}/rooms/${there.banned.room}/members/${id}?ban_s=3600`, undefined, ann.token);
  const home = (await ann.good('chat:room:create', { name: 'home', type: 'support' })).room.id;
  const guest = await rest('POST', `${CHAT}/guests`, { roomId: home, name: 'Gina' }, ann.token);
  people.guest = await talk(guest.token);
  people.robot = await talk(robot.key);
  people.employee = await talk(eve);
});
after(async () => {
  for (const t of open) t.close();
  await server?.stop();
});

/** Those that this one may not see: public rooms may be found and joined by employees. */
const hidden = (kind) => Object.values(there).filter((one) => one !== there.public || kind !== 'employee');

const GOOD = { content: 'x', type: 'chat', emoji: '!', name: 'x', mime: 'text/plain', size: 1, prompt: 'x', reason: 'x',
  seq: 1, on: true, muteS: 60, ttlS: 600, uses: 1, kind: 'guest', role: 'moderator', outcome: 'resolved' };
const BAD = { ...GOOD, content: '', type: 'graph', emoji: 'a b', name: '../x', mime: 'x', size: 26214401, prompt: '', reason: '',
  seq: 9e15, muteS: -1, ttlS: 1, uses: 0, kind: 'robot', role: 'owner', outcome: 'x' };

const bare = (text, ids) => ids.reduce((said, id) => said.replaceAll(id, MARK), text);

test('events answer the same for what is not there and what is not theirs', async () => {
  const [{ components }] = docs;
  const wrong = [];
  let tried = 0;
  const events = Object.entries(components.messages)
    .filter(([key]) => key.startsWith('socketio_in_chat'))
    .map(([, message]) => {
      const schema = message.payload.anyOf?.[1] ?? message.payload;
      return [message.name, schema, (components.schemas[schema.$ref?.split('/').at(-1)] ?? schema).properties ?? {}];
    });
  await Promise.all(Object.entries(people).map(async ([kind, t]) => {
    for (const [event, schema, members] of events) {
      const named = members.roomId ? 'roomId' : members.messageId ? 'messageId' : undefined;
      if (named === undefined) continue;
      const robotId = randomUUID();
      for (const values of [GOOD, BAD]) {
        const extra = { since: 1, replyTo: robotId, invitation: 'sbi_x', watch: true, clientId: 'c' };
        for (const more of [{}, Object.fromEntries(Object.entries(extra).filter(([name]) => members[name]))]) {
          const ask = async (one) => {
            const id = one[named === 'roomId' ? 'room' : 'message'];
            const data = { ...instance(schema, components, { ...values, robotId, [named]: id }), ...more };
            for (;;) {
              const [ack] = await t.talker.ask(event, envelope(event, data, 'r'));
              if (ack.error?.code !== 'RATE_LIMITED') return bare(JSON.stringify(ack), [id]);
              await new Promise((resolve) => setTimeout(resolve, ack.error.details.retryAfterMs));
            }
          };
          const nowhere = await ask({ room: randomUUID(), message: randomUUID() });
          if (!nowhere.includes('"ok":false')) wrong.push(`${kind}: ${event}: ${nowhere}`);
          for (const answer of await Promise.all(hidden(kind).map(ask))) {
            tried += 1;
            if (answer !== nowhere) wrong.push(`${kind}: ${event}: ${answer} and ${nowhere}`);
          }
        }
      }
    }
  }));
  assert.ok(tried > 300, `${tried}`);
  assert.deepEqual(wrong, []);
});

test('routes answer the same, to the byte', async () => {
  const [, { paths, components }] = docs;
  const wrong = [];
  let tried = 0;
  const routes = Object.entries(paths).flatMap(([pattern, methods]) => Object.entries(methods)
    .filter(([method]) => ['get', 'post', 'put', 'patch', 'delete'].includes(method))
    .map(([method, operation]) => [pattern, method.toUpperCase(), operation]))
    .filter(([pattern]) => /^\/api\/v1\/chat\/(rooms|messages|files)\/\{/.test(pattern));
  // Those that name a room elsewhere than in their path.
  for (const target of ['/search?q=x&room_id={', '/guests?room_id={', '/escalations?room_id={']) {
    routes.push([`${CHAT}${target}id}`, 'GET', {}]);
  }
  routes.push(['/api/v1/events?room_id={id}', 'GET', {}]);
  for (const target of ['/guests', '/escalations']) routes.push([`${CHAT}${target}`, 'POST', paths[`${CHAT}${target}`].post]);
  const raw = async (token, method, target, body, headers) => {
    for (;;) {
      const text = await server.raw([`${method} ${target} HTTP/1.1`, `Host: ${server.host}:${server.port}`, 'Connection: close',
        `Authorization: Bearer ${token}`, ...headers,
        ...(body === undefined ? [] : ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`]), '', body ?? '']
        .join('\r\n'));
      const wait = /^HTTP\/1.1 429[\s\S]*?\r\nretry-after: (\d+)/i.exec(text);
      if (!wait) return text;
      await new Promise((resolve) => setTimeout(resolve, 1000 * wait[1]));
    }
  };
  await Promise.all(Object.entries(people).map(async ([kind, { token }]) => {
    for (const [pattern, method, operation] of routes) {
      const schema = operation.requestBody?.content['application/json']?.schema;
      const second = randomUUID();
      for (const [values, headers] of schema ? [[GOOD, []], [BAD, []], [GOOD, ['If-Match: "v9"']]] : [[GOOD, []], [GOOD, ['If-Match: "v9"']]]) {
        const ask = async (one) => {
          const id = pattern.includes('/messages/{') ? one.message : pattern.includes('/files/{') ? one.file : one.room;
          let first = true;
          const target = pattern.replace(/\{[^}]*\}/g, () => {
            const value = first ? id : second;
            first = false;
            return value;
          });
          const body = schema && JSON.stringify(instance(schema, components, { ...values, roomId: id, userId: second, robotId: second }));
          return bare(await raw(token, method, target, body, headers), [id])
            .replace(/^(date|x-request-id): .*$/gim, '$1').replace(/"timestamp":"[^"]*"/, '"timestamp"');
        };
        const nowhere = await ask({ room: randomUUID(), message: randomUUID(), file: randomUUID() });
        for (const answer of await Promise.all(hidden(kind).map(ask))) {
          tried += 1;
          if (answer !== nowhere) wrong.push(`${kind}: ${method} ${pattern}:\n${answer}\nand\n${nowhere}`);
        }
      }
    }
  }));
  assert.ok(tried > 500, `${tried}`);
  assert.deepEqual(wrong, []);
});
