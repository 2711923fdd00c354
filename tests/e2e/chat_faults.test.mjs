// What chat leans on goes away and comes back (chat document, "Graceful Degradation" and "Alerts"):
// the store, the scanner, a robot's webhook. Supervisors and admins hear of each, once when it begins
// and once when it is over; who is neither hears nothing of it, and chat goes on as documented.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CLAMD, Clamd } from './lib/clamd.mjs';
import { chatter } from './lib/chat.mjs';
import { until } from './lib/clients.mjs';
import { Receiver } from './lib/receiver.mjs';
import { startServer, within } from './lib/server.mjs';

const HOLD = 'import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20);'
  + 'db.execute("BEGIN IMMEDIATE"); print("held", flush=True); sys.stdin.read(); db.execute("ROLLBACK")';
const people = {};
let server;
let clamd;
let room;

before(async () => {
  if (CLAMD) {
    clamd = new Clamd();
    await clamd.start();
  }
  server = await startServer({
    flags: ['--loops', '2', '--webhook-breaker-ms', '300', '--chat-scan-retry-ms', '50',
      ...(CLAMD ? ['--chat-scanner', clamd.setting] : [])],
  });
  for (const [name, role] of [['ann', 'employee'], ['ben', 'employee'], ['sue', 'supervisor'], ['root', 'admin']]) {
    people[name] = await chatter(server, await server.cli('token', '--sub', name, '--role', role, '--ttl', '1h'));
  }
  room = (await people.ann.makes({ type: 'public' })).id;
  await people.ben.good('chat:room:join', { roomId: room });
});
after(async () => {
  for (const t of Object.values(people)) t.close();
  await server?.stop();
  await clamd?.stop();
});

const notices = (t, code) => t.heard('chat:system:notification').filter((d) => d.code === code);

/** Both who watch hear it, with words. */
async function told(code, level) {
  for (const t of [people.sue, people.root]) {
    const { data } = await t.first('chat:system:notification', (d) => d.code === code && d.level === level);
    assert.ok(data.message.length > 10, JSON.stringify(data));
    assert.equal(data.roomId, undefined);
  }
}

/** It was told as that, in that order, to who watch, and to nobody else. */
async function toldOnly(code) {
  for (const t of [people.ann, people.ben]) await t.good('chat:message:read', { roomId: room, seq: 0 }); // a fence
  for (const t of [people.sue, people.root]) {
    assert.deepEqual(notices(t, code).map((d) => d.level), ['warning', 'info'], code);
  }
  for (const t of [people.ann, people.ben]) assert.deepEqual(notices(t, code), [], code);
}

const part = async (name) => (await server.get('/health')).json.components[name].status;

test('a_store_that_is_away_is_told_to_supervisors_and_live_traffic_goes_on', async () => {
  const { ann, ben } = people;
  const holder = spawn('python3', ['-c', HOLD, path.join(server.dataDir, 'signalbox.db')],
    { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    await within(20_000, 'the lock', once(holder.stdout, 'data'));
    const error = await ann.refused('chat:message:send',
      { roomId: room, type: 'chat', content: 'meanwhile', clientId: 'm' }, 'SERVER_ERROR');
    assert.equal(error.recoverable, true);
    await told('alert_store', 'warning'); // though it cannot be recorded
    assert.equal(await part('store'), 'degraded');
    assert.match((await server.get('/metrics')).text, /^signalbox_alert\{name="store"\} 1$/m);
    await ann.good('chat:typing:start', { roomId: room });
    await ben.first('chat:user:typing', (d) => d.roomId === room && d.isTyping);
  } finally {
    holder.stdin.end();
    await once(holder, 'close');
  }
  await told('alert_store', 'info'); // nobody had to write anything for it
  await ann.send(room, 'meanwhile', { clientId: 'm' });
  await ben.first('chat:message:received', (m) => m.content === 'meanwhile');
  assert.equal(await part('store'), 'healthy');
  await toldOnly('alert_store');
});

describe('beside each other', { concurrency: true }, () => {
  test('a_scanner_that_is_away_is_told_to_supervisors_and_files_are_held', { skip: !CLAMD }, async () => {
    const { ann, ben } = people;
    await clamd.stop();
    const file = await ann.good('chat:file:upload',
      { roomId: room, name: 'held.txt', mime: 'text/plain', size: 4, bytes: Buffer.from('held') });
    await told('health_scanner', 'warning');
    assert.equal(await part('scanner'), 'degraded');
    assert.deepEqual(ben.heard('chat:file:uploaded'), []);
    await ann.send(room, 'talk goes on');
    await ben.first('chat:message:received', (m) => m.content === 'talk goes on');
    await clamd.start();
    await ben.first('chat:file:uploaded', (d) => d.fileId === file.fileId);
    await told('health_scanner', 'info');
    assert.equal(await part('scanner'), 'healthy');
    await toldOnly('health_scanner');
  });

  test('a_robots_webhook_that_is_away_is_told_to_supervisors_and_it_is_spared', async () => {
    const { ann, ben, root } = people;
    const receiver = await new Receiver(() => ({ body: { content: 'back' }, headers: { 'content-type': 'application/json' } })).listen();
    const { port } = receiver;
    const made = await server.post('/api/v1/chat/robots', { name: 'Rob', webhookUrl: receiver.url }, { token: root.token });
    assert.equal(made.status, 201, made.text);
    const robotId = made.json.data.id;
    assert.equal((await server.post(`/api/v1/chat/rooms/${room}/members`, { userId: robotId }, { token: ann.token })).status, 201);
    await receiver.close();
    const ask = () => ann.ask('chat:robot:interact', { roomId: room, robotId, prompt: 'there?' });
    for (let n = 0; n < 5; n += 1) {
      const { jobId } = await ask();
      const { data } = await ann.first('chat:error', (d) => d.details.jobId === jobId);
      assert.deepEqual([data.code, data.recoverable], ['CONNECTION_LOST', true]);
    }
    await told('health_robots', 'warning');
    assert.equal(await part('robots'), 'degraded');
    await receiver.listen(port);
    await until('it is asked again', async () => (await ask()).ok);
    await ben.first('chat:message:received', (m) => m.type === 'robot' && m.content === 'back');
    await told('health_robots', 'info');
    assert.equal(await part('robots'), 'healthy');
    await toldOnly('health_robots');
    await receiver.close();
  });
});
