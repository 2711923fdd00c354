// Whom a room can be made with: GET /api/v1/chat/people.
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { startServer } from './lib/server.mjs';

const PEOPLE = '/api/v1/chat/people';
let server;
let ann;

before(async () => {
  server = await startServer();
  const roles = { ann: ['employee'], bea: ['supervisor', 'viewer'], cid: ['viewer'], dora: ['employee'] };
  for (const [name, given] of Object.entries(roles)) {
    await server.cli('user', 'add', '--name', name, ...given.flatMap((r) => ['--role', r]));
  }
  await server.cli('user', 'disable', '--name', 'dora');
  ann = await server.cli('token', '--sub', 'outside', '--role', 'employee', '--ttl', '1h');
});
after(() => server.stop());

const people = async (query = '') => {
  const { status, json } = await server.get(`${PEOPLE}${query}`, { token: ann });
  assert.equal(status, 200);
  return json;
};

test('who_chats_is_listed_by_name_and_found_by_a_part_of_it', async () => {
  const { data } = await people();
  const names = data.map((p) => p.name);
  assert.ok(names.includes('ann') && names.includes('bea'), names);
  assert.ok(!names.includes('cid') && !names.includes('dora'), 'who may not chat, or is disabled');
  assert.equal(data.find((p) => p.name === 'bea').userType, 'supervisor');
  assert.deepEqual((await people('?q=AN')).data.map((p) => p.name), ['ann']);
  assert.deepEqual((await people('?q=%25')).data, []);
});

test('pages_follow_each_other_and_a_foreign_cursor_is_refused', async () => {
  const whole = (await people()).data;
  const found = [];
  let next;
  do {
    const page = await people(`?limit=1${next ? `&cursor=${encodeURIComponent(next)}` : ''}`);
    found.push(...page.data);
    next = page.next_cursor;
  } while (next);
  assert.deepEqual(found, whole);
  for (const bad of ['?cursor=x!', '?limit=0']) {
    assert.equal((await server.get(`${PEOPLE}${bad}`, { token: ann })).status, 400);
  }
});

test('who_makes_no_rooms_sees_nobody', async () => {
  const viewer = await server.cli('token', '--sub', 'v', '--role', 'viewer', '--ttl', '1h');
  assert.equal((await server.get(PEOPLE, { token: viewer })).status, 403);
  assert.equal((await server.get(PEOPLE)).status, 401);
});
