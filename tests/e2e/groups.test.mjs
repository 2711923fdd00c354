// Device groups: made and changed over REST, roles bound to them, and what a person with a role in
// a group sees, live, of the devices in it (CONTRACT 2, 3).
import assert from 'node:assert/strict';
import test, { after, afterEach, before, beforeEach } from 'node:test';
import { until } from './lib/clients.mjs';
import { WIRES } from './lib/commands.mjs';
import { call, hears, listener } from './lib/listener.mjs';
import { startServer, within } from './lib/server.mjs';
import { listen } from './lib/sse.mjs';

const FLAGS = ['--handshakes-per-s', '1000', '--loops', '2'];
const NOBODY = '01900000-0000-7000-8000-000000000000';
let server;
let admin;
let operator;
const open = new Set();
let names = 0;

/** A user without any role: {id, name, token}. */
async function person() {
  const name = `person${++names}`;
  const id = (await server.cli('user', 'add', '--name', name)).match(/^id (\S+)/m)[1];
  return { id, name, token: await server.cli('token', '--sub', id, '--kind', 'user') };
}
/** The command may end a moment before its change has reached every loop: a probe says when. */
async function bind(who, role, group, probe = `/groups/${group}`) {
  await server.cli('user', 'grant', '--name', who.name, '--role', role, '--group', group);
  await until('the role to count', async () => (await ask('GET', probe, undefined, who.token)).status === 200);
}

before(async () => {
  server = await startServer({ flags: FLAGS });
  admin = await server.cli('token', '--sub', 'root', '--kind', 'user', '--role', 'admin');
});
beforeEach(async () => { // each test has its own allowance of requests
  operator = await server.cli('token', '--sub', `olga${++names}`, '--kind', 'user', '--role', 'operator');
});
afterEach(() => {
  for (const socket of open) socket.disconnect();
  open.clear();
});
after(() => server?.stop());

const ask = (method, target, body, token = operator, headers = {}) => (
  server.request(method, `/api/v1${target}`, { token, body, headers })
);
async function ok(...call) {
  const answer = await ask(...call);
  assert.ok(answer.status < 300, `${call[0]} ${call[1]}: ${answer.status} ${answer.text}`);
  return answer.json?.data;
}
const enrol = async (name = 'one') => {
  const made = await ok('POST', '/devices', { name }, admin);
  return { id: made.device.id, key: made.key };
};
const makeDevice = async (name) => (await enrol(name)).id;
const makeGroup = async (devices = []) => {
  const { id } = await ok('POST', '/groups', { name: `group ${++names}` });
  if (devices.length > 0) await ok('POST', `/groups/${id}/devices`, { devices });
  return id;
};
const rename = (id, name) => ok('PATCH', `/devices/${id}`, { name });
const ids = (rows) => rows.map((row) => row.id).sort();

const connect = (token) => listener(server, token, { open });

test('groups_are_made_found_changed_and_deleted', async () => {
  const made = await ask('POST', '/groups', { name: 'Halls', description: 'of the north' });
  assert.equal(made.status, 201);
  const { id, ...rest } = made.json.data;
  assert.equal(made.headers.get('location'), `/api/v1/groups/${id}`);
  assert.equal(made.headers.get('etag'), '"v1"');
  const { created_at: since, updated_at: last, ...shown } = rest;
  assert.deepEqual(shown, { name: 'Halls', description: 'of the north', device_count: 0, version: 1 });
  assert.match(since + last, /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z){2}$/);
  assert.equal((await ask('POST', '/groups', { name: 'Halls' })).status, 409);
  for (const body of [{}, { name: '' }, { name: 'x'.repeat(101) }, { name: 'y', description: 'x'.repeat(501) }]) {
    assert.equal((await ask('POST', '/groups', body)).status, 400);
  }
  assert.equal((await ask('PATCH', `/groups/${id}`, { name: 'Roofs' }, operator, { 'if-match': '"v7"' })).status, 412);
  const patched = await ask('PATCH', `/groups/${id}`, { name: 'Roofs' }, operator, { 'if-match': '"v1"' });
  assert.deepEqual([patched.json.data.name, patched.json.data.version], ['Roofs', 2]);
  assert.equal((await ask('PATCH', `/groups/${id}`, { version: 1, description: '' })).status, 412);
  assert.equal((await ok('PATCH', `/groups/${id}`, { description: '' })).description, '');

  const devices = [await makeDevice('a'), await makeDevice('b')];
  assert.deepEqual(await ok('POST', `/groups/${id}/devices`, { devices }), { changed: 2 });
  assert.equal((await ask('PUT', `/groups/${id}/devices/${devices[0]}`)).status, 204);
  for (const bad of [[], ['x'], [7], Array(501).fill(devices[0])]) {
    assert.equal((await ask('POST', `/groups/${id}/devices`, { devices: bad })).status, 400);
  }
  assert.equal((await ask('POST', `/groups/${id}/devices`, { devices: [NOBODY] })).json.code, 'DEVICE_NOT_FOUND');
  assert.equal((await ask('PUT', `/groups/${NOBODY}/devices/${devices[0]}`)).json.code, 'NOT_FOUND');
  const page = await ask('GET', `/groups/${id}/devices?limit=1`);
  assert.deepEqual(ids(page.json.data), [devices[0]]);
  const next = await ask('GET', `/groups/${id}/devices?limit=1&cursor=${page.json.next_cursor}`);
  assert.deepEqual([ids(next.json.data), next.json.next_cursor], [[devices[1]], undefined]);
  assert.deepEqual(ids(await ok('GET', `/devices?group=${id}&q=A`)), [devices[0]]);
  assert.equal((await ask('GET', '/devices?group=x')).status, 400);
  assert.deepEqual(ids(await ok('GET', `/devices/${devices[1]}/groups`)), [id]);
  assert.equal((await ok('GET', '/groups?q=ROOF'))[0].device_count, 2);
  assert.equal((await ask('GET', '/groups?cursor=x')).status, 400);
  assert.equal((await ask('GET', '/groups?limit=0')).status, 400);
  assert.deepEqual(await ok('POST', `/groups/${id}/devices/remove`, { devices: [devices[0]] }), { changed: 1 });
  assert.equal((await ask('DELETE', `/groups/${id}/devices/${devices[1]}`)).status, 204);
  assert.deepEqual(await ok('GET', `/groups/${id}/devices`), []);

  assert.equal((await ask('DELETE', `/groups/${id}`, undefined, operator, { 'if-match': '"v1"' })).status, 412);
  assert.equal((await ask('DELETE', `/groups/${id}`)).status, 204);
  assert.equal((await ask('GET', `/groups/${id}`)).status, 404);
  assert.equal((await ask('GET', `/groups/${id}/devices`)).status, 404);
  const audit = await ok('GET', '/audit?limit=200', undefined, admin);
  const said = audit.filter((row) => row.target_id?.startsWith(id)).map((row) => row.action);
  assert.deepEqual(said.reverse(), ['group.create', 'group.update', 'group.update', 'group.add', 'group.add',
    'group.add', 'group.remove', 'group.remove', 'group.delete']);
});

test('who_has_a_role_in_a_group_has_it_for_its_devices_and_nothing_else', async () => {
  const [mine, other] = [await makeDevice('mine'), await makeDevice('other')];
  const [group, foreign] = [await makeGroup([mine]), await makeGroup([other])];
  const gina = await person();
  assert.equal((await ask('GET', '/devices', undefined, gina.token)).status, 403);
  await bind(gina, 'viewer', group);
  const as = (method, target, body) => ask(method, target, body, gina.token);
  assert.deepEqual(ids((await as('GET', '/devices?limit=200')).json.data), [mine]);
  assert.deepEqual(ids((await as('GET', `/groups/${group}/devices`)).json.data), [mine]);
  assert.deepEqual(ids((await as('GET', '/groups?limit=200')).json.data), [group]);
  assert.deepEqual(ids((await as('GET', `/devices/${mine}/groups`)).json.data), [group]);
  assert.equal((await as('GET', `/groups/${group}`)).status, 200);
  for (const hidden of [`/devices/${other}`, `/groups/${foreign}`, `/groups/${foreign}/devices`,
    `/devices?group=${foreign}`, `/devices/${other}/groups`]) {
    assert.equal((await as('GET', hidden)).status, 404, hidden);
  }
  // Not even an operator of a group changes the group: that would give rights away.
  await server.cli('user', 'grant', '--name', gina.name, '--role', 'operator', '--group', group);
  await until('the role to count', async () => (
    (await as('PATCH', `/devices/${mine}`, { name: 'renamed' })).status === 200
  ));
  assert.equal((await as('PATCH', `/devices/${other}`, { name: 'renamed' })).status, 404);
  for (const [method, target, body] of [
    ['PUT', `/groups/${group}/devices/${other}`],
    ['POST', `/groups/${group}/devices`, { devices: [other] }],
    ['POST', `/groups/${group}/devices/remove`, { devices: [mine] }],
    ['DELETE', `/groups/${group}/devices/${mine}`],
    ['PATCH', `/groups/${group}`, { name: 'x' }],
    ['DELETE', `/groups/${group}`],
    ['POST', '/groups', { name: 'x' }],
    ['POST', '/devices', { name: 'x' }],
  ]) {
    assert.equal((await as(method, target, body)).status, 403, `${method} ${target}`);
  }
  // An operator may not make somebody admin of a device.
  await bind(gina, 'admin', group, `/devices/${mine}/credentials`);
  assert.equal((await ask('PUT', `/groups/${group}/devices/${other}`)).json.code, 'PERMISSION_DENIED');
  assert.equal((await ask('PUT', `/groups/${group}/devices/${other}`, undefined, admin)).status, 204);
  assert.equal((await as('GET', `/devices/${other}/credentials`)).status, 200);
  assert.equal((await ask('DELETE', `/groups/${group}/devices/${other}`)).status, 204);
  assert.equal((await as('GET', `/devices/${other}/credentials`)).status, 404);
  const none = await person();
  const refused = await server.cli('user', 'grant', '--name', none.name, '--role', 'viewer', '--group', NOBODY).catch((e) => e);
  assert.match(refused.message, /no such group/);
  const both = await server.cli('user', 'grant', '--name', none.name, '--role', 'viewer', '--group', group, '--device', mine).catch((e) => e);
  assert.match(both.message, /only one of/);
  const bad = await server.cli('user', 'grant', '--name', none.name, '--role', 'viewer', '--device', 'x').catch((e) => e);
  assert.match(bad.message, /no UUID/);
  await server.cli('user', 'grant', '--name', none.name, '--role', 'viewer', '--device', other);
  await until('the role to count', async () => (
    (await ask('GET', '/devices', undefined, none.token)).status === 200
  ));
  assert.deepEqual(ids((await ask('GET', '/devices?limit=200', undefined, none.token)).json.data), [other]);
});

test('subscriptions_follow_the_members_of_a_group', async () => {
  const [stays, leaves, comes, other] = await Promise.all(['a', 'b', 'c', 'd'].map(makeDevice));
  const group = await makeGroup([stays, leaves]);
  const gina = await person();
  await bind(gina, 'viewer', group);
  const socket = await connect(gina.token);
  const named = await connect(gina.token);
  const stream = await listen(server, '', { token: gina.token });
  assert.deepEqual(await call(socket, 'device:subscribe', {}), { ok: true, count: 2 });
  assert.deepEqual(await call(named, 'device:subscribe', { deviceId: leaves }), { ok: true, count: 1 });
  assert.equal((await call(named, 'device:subscribe', { deviceId: other })).error.type, 'DEVICE_NOT_FOUND');
  await rename(other, 'unseen');
  await rename(leaves, 'seen');
  await hears(socket, 'device:updated', (d) => d.name === 'seen');
  await hears(named, 'device:updated', (d) => d.name === 'seen');

  // It leaves: both are told, the stream ends to come back with other rights.
  await ok('DELETE', `/groups/${group}/devices/${leaves}`);
  assert.equal((await hears(named, 'error')).type, 'SUBSCRIPTION_FAILED');
  await hears(socket, 'error');
  await stream.endedWithin();
  await rename(leaves, 'left');
  await ok('PUT', `/groups/${group}/devices/${comes}`);
  await rename(stays, 'stayed');
  await hears(socket, 'device:updated', (d) => d.name === 'stayed');
  // What came is followed by the wildcard without another word.
  let n = 0;
  await until('the new device to be followed', async () => {
    await rename(comes, `came ${++n}`);
    return socket.heard.some((h) => h.data?.id === comes);
  });
  assert.equal((await ask('GET', `/devices/${leaves}`, undefined, gina.token)).status, 404);
  // The whole group goes.
  await ok('DELETE', `/groups/${group}`);
  await until('the last right to end', async () => (
    (await ask('GET', '/devices', undefined, gina.token)).status === 403
  ));
  await rename(stays, 'gone');
  assert.equal((await call(socket, 'device:subscribe', { deviceId: stays })).ok, false);
  for (const name of ['unseen', 'left', 'gone']) {
    assert.ok(![...socket.heard, ...named.heard].some((h) => h.data?.name === name), name);
  }
});

test('a_deleted_device_takes_its_rights_along', async () => {
  const id = await makeDevice();
  const group = await makeGroup([id]);
  const [gina, dora] = [await person(), await person()];
  await bind(gina, 'viewer', group);
  await server.cli('user', 'grant', '--name', dora.name, '--role', 'operator', '--device', id);
  await until('the role to count', async () => (
    (await ask('GET', '/devices', undefined, dora.token)).status === 200
  ));
  const socket = await connect(gina.token);
  const direct = await connect(dora.token);
  for (const s of [socket, direct]) assert.deepEqual(await call(s, 'device:subscribe', {}), { ok: true, count: 1 });
  await ok('DELETE', `/devices/${id}`, undefined, admin);
  for (const s of [socket, direct]) await hears(s, 'device:deleted', (d) => d.id === id);
  // One of the same id is another device.
  const { key } = await ok('POST', '/provisioning-keys', { uses: 1 }, admin);
  await ok('POST', '/devices/register', { deviceId: id }, key);
  await rename(id, 'another');
  for (const who of [gina, dora]) {
    assert.notEqual((await ask('GET', `/devices/${id}`, undefined, who.token)).status, 200);
  }
  for (const s of [socket, direct]) assert.ok(!s.heard.some((h) => h.data?.name === 'another'));
  assert.equal((await ok('GET', `/groups/${group}`)).device_count, 0);
});

// --- group commands ---

/** The job once `fits` holds of it. */
async function job(id, fits = (j) => j.endedAt !== null, token = operator) {
  let last;
  await until(`the job ${id}`, async () => {
    last = await ok('GET', `/command-jobs/${id}`, undefined, token);
    return fits(last);
  }).catch((error) => assert.fail(`${error.message}: ${JSON.stringify(last)}`));
  return last;
}
const results = async (id, token) => {
  const rows = await ok('GET', `/command-jobs/${id}/results?limit=200`, undefined, token);
  return new Map(rows.map((row) => [row.deviceId, row]));
};
const counts = (more) => ({ total: 0, waiting: 0, pending: 0, executed: 0, failed: 0, refused: 0, skipped: 0, ...more });

test('a_group_command_has_one_result_a_device', async () => {
  const devices = [await enrol(), await enrol(), await enrol(), await enrol()];
  const ids = devices.map((d) => d.id);
  const group = await makeGroup(ids);
  const [gina, vera, dora] = [await person(), await person(), await person()];
  await bind(gina, 'operator', group);
  await bind(vera, 'viewer', group);
  await server.cli('user', 'grant', '--name', dora.name, '--role', 'operator', '--device', ids[0]);
  const live = [await WIRES[0].open(server, devices[0].key), await WIRES[1].open(server, devices[1].key),
    await WIRES[0].open(server, devices[2].key, {
      obey: ({ requestId }) => ({
        ack: { ok: true }, response: { requestId, status: 'error', error: { code: 'JAMMED', message: 'it is stuck' } },
      }),
    })];
  const body = { command: 'open', parameters: { percent: 40 }, abortPercent: 100, timeoutMs: 20_000 };
  const send = (token, more = {}, headers = {}) => ask('POST', `/groups/${group}/commands`, { ...body, ...more }, token, headers);
  assert.equal((await send(vera.token)).json.code, 'PERMISSION_DENIED');
  await until('the role to count', async () => (await ask('GET', `/devices/${ids[0]}`, undefined, dora.token)).status === 200);
  assert.equal((await send(dora.token)).json.code, 'NOT_FOUND'); // a role for one device is none for the group
  for (const bad of [{ command: '' }, { ratePerMinute: 0 }, { ratePerMinute: 6001 }, { abortPercent: 101 }, { timeoutMs: 1 }]) {
    assert.equal((await send(gina.token, bad)).status, 400);
  }
  const key = { 'idempotency-key': 'open-them' };
  const made = await send(gina.token, {}, key);
  assert.equal(made.status, 200, made.text);
  const { id, createdAt, ...shown } = made.json.data;
  assert.deepEqual(shown, {
    groupId: group, issuedBy: gina.id, ...body, queue: false, ratePerMinute: 600, status: 'running',
    endedAt: null, counts: counts({ total: 4, waiting: 4 }),
  });
  assert.equal((await send(gina.token, {}, key)).json.data.id, id);
  assert.equal((await send(gina.token, { command: 'close' }, key)).status, 422);
  // Its targets were fixed when it was made.
  await ok('DELETE', `/groups/${group}/devices/${ids[1]}`);
  const over = await job(id, undefined, gina.token);
  assert.equal(over.status, 'done');
  assert.deepEqual(over.counts, counts({ total: 4, executed: 2, failed: 2 }));
  for (const device of live) {
    assert.deepEqual(device.commands.all.map((c) => [c.command, c.parameters, c.requestId]), [['open', { percent: 40 }, `job-${id}`]]);
  }
  const all = await results(id);
  assert.deepEqual(ids.map((d) => [all.get(d).status, all.get(d).phase]),
    [['executed', 'done'], ['executed', 'done'], ['failed', 'failed'], ['failed', 'rejected']]);
  assert.deepEqual(all.get(ids[0]).response, { did: 'open' });
  assert.equal(all.get(ids[2]).error.code, 'JAMMED');
  assert.ok(all.get(ids[0]).sentAt >= createdAt);
  assert.equal((await ok('GET', `/devices/${ids[0]}/commands`))[0].requestId, `job-${id}`);
  // Results of devices that one may not read are not shown; nor are jobs of other groups.
  assert.deepEqual([...(await results(id, gina.token)).keys()].sort(), [ids[0], ids[2], ids[3]].sort());
  assert.equal((await ask('GET', `/command-jobs/${id}`, undefined, dora.token)).status, 404);
  assert.equal((await ask('GET', `/command-jobs/${id}/results`, undefined, dora.token)).status, 404);
  assert.equal((await ask('GET', `/command-jobs/${id}`, undefined, vera.token)).status, 200);
  assert.equal((await ask('POST', `/command-jobs/${id}/cancel`, undefined, vera.token)).status, 403);
  assert.equal((await ask('POST', `/command-jobs/${id}/cancel`, undefined, dora.token)).status, 404);
  assert.equal((await ask('POST', `/command-jobs/${id}/cancel`, undefined, gina.token)).status, 409);
  assert.equal((await ask('GET', `/command-jobs/${NOBODY}`)).status, 404);
  const page = await ask('GET', `/command-jobs/${id}/results?limit=3`);
  const rest = await ask('GET', `/command-jobs/${id}/results?limit=3&cursor=${page.json.next_cursor}`);
  assert.deepEqual([page.json.data.length, rest.json.data.length, rest.json.next_cursor], [3, 1, undefined]);
  assert.equal((await ask('GET', `/command-jobs/${id}/results?cursor=x`)).status, 400);
  assert.equal((await ask('GET', `/command-jobs/${id}/results?limit=0`)).status, 400);
  assert.deepEqual((await ok('GET', `/groups/${group}/jobs?limit=1`, undefined, vera.token)).map((j) => j.id), [id]);
  assert.equal((await ask('GET', `/groups/${group}/jobs?limit=0`)).status, 400);
  assert.equal((await ask('POST', `/groups/${await makeGroup()}/commands`, body)).json.code, 'CONFLICT');
  for (const device of live) device.cut();
});

test('a_group_command_keeps_its_rate_and_stops_when_too_many_fail_or_it_is_told_to', async () => {
  const away = await makeGroup(await Promise.all(Array.from({ length: 8 }, () => makeDevice())));
  const silent = await Promise.all(Array.from({ length: 3 }, () => enrol()));
  const group = await makeGroup(silent.map((d) => d.id));
  const live = await Promise.all(silent.map((d) => WIRES[0].open(server, d.key, { obey: () => ({ ack: { ok: true } }) })));
  // One a second: the first is rejected, for its device is away, and that is enough.
  const fails = await ok('POST', `/groups/${away}/commands`, { command: 'x', ratePerMinute: 60, abortPercent: 50 });
  const slow = await ok('POST', `/groups/${group}/commands`, { command: 'x', ratePerMinute: 60, timeoutMs: 300_000 });
  await job(slow.id, (j) => j.counts.pending === 1);
  const stopped = await ok('POST', `/command-jobs/${slow.id}/cancel`);
  assert.equal(stopped.status, 'cancelled');
  const cancelled = await job(slow.id);
  assert.equal(cancelled.counts.skipped + cancelled.counts.failed, 3);
  assert.ok(cancelled.counts.skipped >= 1, JSON.stringify(cancelled));
  assert.equal(live.reduce((n, device) => n + device.commands.all.length, 0), cancelled.counts.failed);
  const ended = [...(await results(slow.id)).values()].find((r) => r.status === 'failed');
  assert.deepEqual([ended.phase, ended.error.code], ['cancelled', 'CANCELLED']);
  const aborted = await job(fails.id);
  assert.equal(aborted.status, 'aborted');
  assert.equal(aborted.counts.failed + aborted.counts.skipped, 8);
  assert.ok(aborted.counts.failed <= 2, JSON.stringify(aborted));
  for (const device of live) device.cut();
});

test('a_group_command_goes_on_after_a_crash_and_repeats_nothing', async () => {
  const devices = await Promise.all(Array.from({ length: 6 }, () => enrol()));
  const group = await makeGroup(devices.map((d) => d.id));
  const gone = await makeDevice();
  await ok('PUT', `/groups/${group}/devices/${gone}`);
  const { id } = await ok('POST', `/groups/${group}/commands`, { command: 'x', ratePerMinute: 120, queue: true });
  await ok('DELETE', `/devices/${gone}`, undefined, admin);
  await job(id, (j) => j.counts.pending >= 2);
  await server.crash();
  server = await startServer({ flags: FLAGS, dataDir: server.dataDir });
  const live = await Promise.all(devices.map((d) => WIRES[0].open(server, d.key)));
  const over = await job(id);
  assert.equal(over.status, 'done');
  assert.equal(over.counts.executed, 6);
  assert.equal(over.counts.failed + over.counts.refused, 1); // the one that was deleted
  for (const device of live) {
    assert.equal(new Set(device.commands.all.map((c) => c.requestId)).size, 1);
    device.cut();
  }
  // Two a second: three are never within one.
  const times = [...(await results(id)).values()].filter((r) => r.createdAt).map((r) => Date.parse(r.createdAt)).sort();
  for (let i = 2; i < times.length; i++) assert.ok(times[i] - times[i - 2] >= 900, String(times));
  // One that is under way when the server stops does not keep it from stopping.
  await ok('POST', `/groups/${group}/commands`, { command: 'x', ratePerMinute: 1, queue: true });
});
