// What stands behind entities (CONTRACT 4): devices of both wires whose telemetry, states and presence
// are their entities', actions that they carry out, and scenes of what has a device and what has none.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { WIRES } from './lib/commands.mjs';
import { House, home } from './lib/home.mjs';
import { PATIENCE, startServer, within } from './lib/server.mjs';

const SOON_MS = 10_000 * PATIENCE;
const FLAGS = ['--handshakes-per-s', '1000', '--connections-per-principal-max', '1000'];

let server;
let admin;
let house;

const mint = (at, sub, role) => at.cli('token', '--sub', sub, '--kind', 'user', '--role', role, '--ttl', '1h');

before(async () => {
  server = await startServer({ flags: FLAGS });
  admin = await mint(server, 'root', 'admin');
  house = new House(server, admin);
});
after(() => server?.stop());

let made = 0;
async function makeDevice(at = server, token = admin) {
  const got = await at.post('/api/v1/devices', { name: `d${++made}` }, { token });
  assert.equal(got.status, 201, got.text);
  return { id: got.json.data.device.id, key: got.json.data.key };
}

const act = (entity, action, body, { query = '', at = server, token = admin } = {}) => (
  at.post(`/api/v1/entities/${entity}/actions/${action}${query}`, body, { token })
);
const show = (entity, at = server, token = admin) => (
  new House(at, token).ask('GET', `/entities/${entity}`, undefined, 200)
);
/** Until the entity is shown so. */
async function becomes(entity, want, at = server, token = admin) {
  const until = Date.now() + SOON_MS;
  for (;;) {
    const now = await show(entity, at, token);
    if (Object.entries(want).every(([k, v]) => JSON.stringify(now[k]) === JSON.stringify(v))) return now;
    assert.ok(Date.now() < until, `${entity} is ${JSON.stringify(now)}, not ${JSON.stringify(want)}`);
    await new Promise((r) => { setTimeout(r, 10); });
  }
}
const silent = () => undefined;
const refused = (got, status, code, reason) => {
  assert.equal(got.status, status, got.text);
  assert.equal(got.json.code, code);
  if (reason !== undefined) assert.equal(got.json.details.reason, reason, got.text);
  return got.json;
};

describe('devices of the house', { concurrency: true }, () => {
  for (const Wire of WIRES) {
    describe(`on ${Wire.wire}`, { concurrency: true }, () => {
      const named = (what) => `${what}_${Wire.wire}`;
      const open = (key, options) => Wire.open(server, key, options);
      const measure = (device, value) => (
        device.ask(Wire.wire === 'raw' ? 'telemetry' : 'telemetry:data',
          { timestamp: Date.now(), sensorType: 'temperature', value, unit: 'C' })
      );
      const say = (device, states) => device.ask('state', { states });

      it('telemetry_and_states_move_their_entities_and_followers_hear_each', async () => {
        const { id, key } = await makeDevice();
        const room = await house.room(named('Porch'));
        const sensor = named('sensor.porch');
        const lamp = named('light.porch');
        const follower = await home(server, { token: admin });
        await follower.does('subscribe_room', { room_id: room.id });
        await house.entity(sensor, { device_id: id, capability: 'temperature', room_id: room.id });
        await house.entity(lamp, { device_id: id, capability: 'power', room_id: room.id });
        await becomes(sensor, { state: 'unavailable', available: false });
        const device = await open(key);
        assert.equal((await measure(device, 21.5)).ok, true);
        assert.deepEqual(await say(device, { power: { state: 'on', attributes: { brightness: 7 } }, nobody: 1 }),
          { ok: true, moved: 1 });
        const there = await show(lamp);
        assert.equal(there.state, 'on'); // acknowledged is true
        assert.deepEqual(there.attributes, { brightness: 7 });
        assert.equal(there.device_id, id);
        await becomes(sensor, { state: '21.5', available: true, attributes: { unit: 'C' } });
        assert.equal((await measure(device, 22)).ok, true);
        assert.deepEqual(await say(device, { power: true }), { ok: true, moved: 1 });
        await becomes(sensor, { state: '22' });
        device.cut();
        await becomes(sensor, { state: 'unavailable', available: false });
        await becomes(lamp, { state: 'unavailable', available: false });
        await follower.sync();
        const states = (entity) => follower.states(entity).map((s) => s.new_state);
        assert.deepEqual(states(sensor).slice(-3), ['21.5', '22', 'unavailable']);
        assert.deepEqual(states(lamp).slice(-3), ['on', 'true', 'unavailable']);
        for (const s of [sensor, lamp]) {
          follower.states(s).reduce((was, now) => {
            assert.equal(now.old_state, was.new_state);
            return now;
          });
        }
        const again = await open(key);
        await becomes(lamp, { state: 'true', attributes: { brightness: 7 }, available: true });
        again.cut();
        follower.ws.terminate();
      });

      it('an_action_is_a_command_whose_result_comes_back_and_moves_the_entity', async () => {
        const { id, key } = await makeDevice();
        const lamp = named('light.hall');
        await house.entity(lamp, { device_id: id, capability: 'power' });
        const device = await open(key, {
          obey: ({ requestId, command, parameters }) => ({
            ack: { ok: true },
            response: command === 'break'
              ? { requestId, status: 'error', error: { code: 'FUSE', message: 'blown' } }
              : { requestId, status: 'success', result: { state: 'on', attributes: { level: parameters.level } } },
          }),
        });
        await becomes(lamp, { available: true });
        const done = await act(lamp, 'turn_on', { parameters: { level: 3, entity_id: 'x', capability: 'y' } },
          { query: '?wait=20' });
        assert.equal(done.status, 200, done.text);
        const { command, ...rest } = done.json.data;
        assert.deepEqual(rest, { entity_id: lamp, action: 'turn_on' });
        assert.equal(command.status, 'executed');
        assert.deepEqual(command.response, { state: 'on', attributes: { level: 3 } });
        assert.deepEqual(device.commands.all[0].parameters, { level: 3, entity_id: lamp, capability: 'power' });
        assert.match(done.json.timestamp, /:\d\dZ$/);
        await becomes(lamp, { state: 'on', attributes: { level: 3 } });
        const broken = refused(await act(lamp, 'break', {}, { query: '?wait=20' }), 502,
          'COMMAND_EXECUTION_FAILED', 'DEVICE_ERROR');
        assert.deepEqual(broken.details.command.error, { code: 'FUSE', message: 'blown' });
        const set = await house.server.post(`/api/v1/entities/${lamp}/state`, { state: 'off' }, { token: admin });
        refused(set, 409, 'CONFLICT'); // a device says it
        device.cut();
        await becomes(lamp, { state: 'unavailable' });
        const offline = refused(await act(lamp, 'turn_on'), 502, 'COMMAND_EXECUTION_FAILED', 'DEVICE_OFFLINE');
        assert.equal(offline.details.command.phase, 'rejected');
      });

      it('who_does_not_wait_long_enough_is_told_where_to_look_and_a_late_answer_counts', async () => {
        const { id, key } = await makeDevice();
        const lamp = named('light.slow');
        await house.entity(lamp, { device_id: id, capability: 'power' });
        const device = await open(key, { obey: silent });
        await becomes(lamp, { available: true });
        const begun = await act(lamp, 'turn_on', undefined, { query: '?wait=0.05' });
        assert.equal(begun.status, 202, begun.text);
        const { command } = begun.json.data;
        assert.equal(command.status, 'pending');
        assert.equal(begun.headers.get('location'), `/api/v1/devices/${id}/commands/${command.commandId}`);
        await device.commands.first('the command');
        await device.respond({ requestId: command.requestId, status: 'success', result: { state: 'late' } });
        await becomes(lamp, { state: 'late' });
        device.cut();
      });

      it('a_bad_report_is_refused_whole_and_names_what_is_wrong', async () => {
        const { id, key } = await makeDevice();
        const lamp = named('light.bad');
        await house.entity(lamp, { device_id: id, capability: 'power' });
        const device = await open(key);
        for (const [states, member] of [
          [{ power: 'on', other: [] }, 'states.other'],
          [{ power: null }, 'states.power'],
          [{ power: 'x'.repeat(256) }, 'states.power'],
          [{ power: { attributes: {} } }, 'states.power'],
          [[], 'states'],
        ]) {
          const said = await say(device, states);
          assert.equal(said.ok, false, JSON.stringify(said));
          assert.equal(said.error.type, 'INVALID_MESSAGE_FORMAT');
          assert.equal(said.error.details?.member, member, JSON.stringify(said));
        }
        assert.notEqual((await show(lamp)).state, 'on');
        assert.deepEqual(await say(device, {}), { ok: true, moved: 0 });
        device.cut();
      });
    });
  }

  it('a_frame_that_says_states_only_is_no_news_of_the_host', async () => {
    const { id, key } = await makeDevice();
    await house.entity('switch.host', { device_id: id, capability: 'power' });
    const device = await WIRES[1].open(server, key);
    const facts = () => server.get(`/api/v1/devices/${id}/state`, { token: admin });
    assert.deepEqual(await device.ask('state', { states: { power: 'on' } }), { ok: true, moved: 1 });
    assert.equal((await facts()).status, 404);
    assert.equal((await device.ask('state', { hostname: 'h', states: { power: 'off' } })).ok, true);
    assert.equal((await facts()).json.data.hostname, 'h');
    await becomes('switch.host', { state: 'off' });
    const patch = (body) => server.request('PATCH', `/api/v1/devices/${id}/state`, { body, token: admin });
    const only = await patch({ states: { power: { state: 'dim' } } });
    assert.deepEqual(only.json.data, { ok: true, moved: 1 });
    await becomes('switch.host', { state: 'dim' });
    assert.equal((await patch({ states: { power: 1 }, hostname: 'i' })).status, 200);
    await becomes('switch.host', { state: '1' });
    assert.equal((await facts()).json.data.hostname, 'i');
    refused(await patch({ states: { power: [] } }), 400, 'INVALID_REQUEST');
    refused(await server.request('PATCH', '/api/v1/devices/01900000-0000-7000-8000-000000000000/state',
      { body: { states: { power: 1 } }, token: admin }), 404, 'DEVICE_NOT_FOUND');
    device.cut();
  });

  it('without_a_device_the_known_actions_set_the_state', async () => {
    await house.entity('light.plain');
    for (const [action, body, state] of [
      ['turn_on', undefined, 'on'], ['toggle', {}, 'off'], ['toggle', {}, 'on'], ['turn_off', {}, 'off'],
      ['set_state', { parameters: { state: 'half', attributes: { level: 5 } } }, 'half'],
    ]) {
      const got = await act('light.plain', action, body);
      assert.equal(got.status, 200, got.text);
      assert.deepEqual(got.json.data, { entity_id: 'light.plain', action });
      assert.equal((await show('light.plain')).state, state);
    }
    assert.deepEqual((await show('light.plain')).attributes, { level: 5 });
    refused(await act('light.plain', 'explode'), 400, 'INVALID_REQUEST');
    refused(await act('light.plain', 'Explode'), 400, 'INVALID_REQUEST');
    refused(await act('light.plain', 'set_state', { parameters: { state: [] } }), 400, 'INVALID_REQUEST');
    refused(await act('light.plain', 'set_state'), 400, 'INVALID_REQUEST');
    refused(await act('light.plain', 'turn_on', {}, { query: '?wait=x' }), 400, 'INVALID_REQUEST');
    refused(await act('light.none', 'turn_on'), 404, 'NOT_FOUND');
    const viewer = await mint(server, 'looker', 'viewer');
    refused(await act('light.plain', 'turn_on', {}, { token: viewer }), 403, 'PERMISSION_DENIED');
    const { json } = await server.get('/api/v1/audit?action=entity.action&target=light.plain', { token: admin });
    assert.ok(json.data.length >= 5, JSON.stringify(json.data));
  });

  it('a_deleted_device_leaves_its_entity_to_people', async () => {
    const { id, key } = await makeDevice();
    await house.entity('light.orphan', { device_id: id, capability: 'power' });
    const device = await WIRES[0].open(server, key);
    await device.ask('state', { states: { power: 'on' } });
    await house.ask('DELETE', `/devices/${id}`, undefined, 204);
    await becomes('light.orphan', { state: 'unavailable', device_id: null, capability: null });
    assert.equal((await act('light.orphan', 'turn_on')).status, 200);
    await becomes('light.orphan', { state: 'on', available: true });
  });

  it('scenes_are_made_changed_shown_and_end', async () => {
    await house.entity('light.scene_a');
    await house.entity('light.scene_b');
    const scene = await house.ask('POST', '/scenes', {
      name: ' Evening ',
      icon: 'moon',
      items: [{ entity_id: 'light.scene_a', action: 'turn_on', parameters: { level: 2 } },
        { entity_id: 'light.scene_b', state: 'dim', attributes: { level: 1 } }],
    }, 201);
    assert.equal(scene.name, 'Evening');
    assert.equal(scene.items.length, 2);
    assert.match(scene.created_at, /:\d\dZ$/);
    const at = `/scenes/${scene.id}`;
    const ask = (method, body, headers) => server.request(method, `/api/v1${at}`, { token: admin, body, headers });
    const got = await ask('GET');
    assert.deepEqual(got.json.data, scene);
    assert.equal(got.headers.get('etag'), '"v1"');
    refused(await ask('PATCH', { name: 'x' }, { 'if-match': '"v7"' }), 412, 'PRECONDITION_FAILED');
    const same = await ask('PATCH', { name: 'Evening' });
    assert.equal(same.json.data.version, 1);
    await house.ask('PATCH', '/entities/light.scene_a', { entity_id: 'light.scene_new' }, 200);
    const next = await ask('PATCH', { description: 'late', icon: null }, { 'if-match': '"v1"' });
    assert.equal(next.status, 200, next.text);
    assert.deepEqual([next.json.data.version, next.json.data.icon, next.json.data.description], [2, '', 'late']);
    assert.equal(next.json.data.items[0].entity_id, 'light.scene_new');
    refused(await ask('PATCH', { name: 'x' }, { 'if-match': '"v1"' }), 412, 'PRECONDITION_FAILED');
    refused(await server.post('/api/v1/scenes', { name: 'Evening' }, { token: admin }), 409, 'CONFLICT');
    for (const items of [
      [{ entity_id: 'light.not_there', state: 'on' }],
      [{ entity_id: 'light.scene_b' }],
      [{ entity_id: 'light.scene_b', state: 'on', action: 'turn_on' }],
      [{ entity_id: 'light.scene_b', action: 'No' }],
    ]) {
      refused(await server.post('/api/v1/scenes', { name: 'bad', items }, { token: admin }), 400, 'INVALID_REQUEST');
    }
    const viewer = await mint(server, 'scene-looker', 'viewer');
    const seen = await server.get('/api/v1/scenes?q=even', { token: viewer });
    assert.deepEqual(seen.json.data.map((s) => s.name), ['Evening']);
    refused(await server.post('/api/v1/scenes', { name: 'no' }, { token: viewer }), 403, 'PERMISSION_DENIED');
    for (const name of ['A1', 'A2', 'A3']) await house.ask('POST', '/scenes', { name }, 201);
    const first = await server.get('/api/v1/scenes?q=a&limit=2', { token: admin });
    assert.deepEqual(first.json.data.map((s) => s.name), ['A1', 'A2']);
    const second = await server.get(`/api/v1/scenes?q=a&cursor=${first.json.next_cursor}`, { token: admin });
    assert.equal(second.json.data[0].name, 'A3');
    refused(await server.get('/api/v1/scenes?cursor=%21', { token: admin }), 400, 'INVALID_REQUEST');
    await house.ask('DELETE', '/entities/light.scene_b', undefined, 204);
    assert.deepEqual((await ask('GET')).json.data.items.map((i) => i.entity_id), ['light.scene_new']);
    assert.equal((await ask('PATCH', { items: null })).json.data.items.length, 0);
    assert.equal((await ask('DELETE', undefined, { 'if-match': '"v3"' })).status, 204);
    refused(await ask('GET'), 404, 'NOT_FOUND');
    refused(await ask('DELETE'), 404, 'NOT_FOUND');
    refused(await ask('PATCH', { name: 'y' }), 404, 'NOT_FOUND');
    refused(await server.post(`/api/v1${at}/activate`, {}, { token: admin }), 404, 'NOT_FOUND');
  });

  it('a_scene_of_mixed_items_says_what_became_of_each', async () => {
    const there = await makeDevice();
    const away = await makeDevice();
    await house.entity('light.act_there', { device_id: there.id, capability: 'power' });
    await house.entity('light.act_away', { device_id: away.id, capability: 'power' });
    await house.entity('light.act_plain');
    const device = await WIRES[0].open(server, there.key, {
      obey: ({ requestId, parameters }) => (
        { ack: { ok: true }, response: { requestId, status: 'success', result: parameters } }
      ),
    });
    await becomes('light.act_there', { available: true });
    const scene = await house.ask('POST', '/scenes', {
      name: 'All',
      items: [{ entity_id: 'light.act_there', state: 'dim', attributes: { level: 4 } },
        { entity_id: 'light.act_away', action: 'turn_on' },
        { entity_id: 'light.act_plain', action: 'turn_on' },
        { entity_id: 'light.act_plain', action: 'explode' }],
    }, 201);
    const { results, scene_id } = await house.ask('POST', `/scenes/${scene.id}/activate?wait=20`, undefined, 200);
    assert.equal(scene_id, scene.id);
    assert.deepEqual(results.map((r) => [r.entity_id, r.ok, r.error?.code, r.error?.reason]), [
      ['light.act_there', true, undefined, undefined],
      ['light.act_away', false, 'COMMAND_EXECUTION_FAILED', 'DEVICE_OFFLINE'],
      ['light.act_plain', true, undefined, undefined],
      ['light.act_plain', false, 'INVALID_REQUEST', undefined],
    ]);
    assert.equal(results[0].command.status, 'executed');
    assert.equal(device.commands.all[0].command, 'set_state');
    await becomes('light.act_there', { state: 'dim', attributes: { level: 4 } });
    await becomes('light.act_plain', { state: 'on' });
    device.cut();
  });

  it('a_server_that_stops_answers_who_waits_and_starts_with_what_was_there', async () => {
    let own = await startServer({ flags: FLAGS });
    let token = await mint(own, 'root', 'admin');
    const rooms = new House(own, token);
    const { id, key } = await makeDevice(own, token);
    await rooms.entity('light.kept', { device_id: id, capability: 'power' });
    const scene = await rooms.ask('POST', '/scenes',
      { name: 'Kept', items: [{ entity_id: 'light.kept', state: 'on' }] }, 201);
    const device = await WIRES[0].open(own, key, { obey: silent });
    assert.equal((await device.ask('state', { states: { power: 'on' } })).ok, true);
    const waits = [act('light.kept', 'turn_off', {}, { query: '?wait=200', at: own, token }),
      own.post(`/api/v1/scenes/${scene.id}/activate?wait=200`, {}, { token })];
    await device.commands.first('the first');
    await within(SOON_MS, 'both', (async () => {
      while (device.commands.all.length < 2) await new Promise((r) => { setTimeout(r, 5); });
    })());
    const [stopped, begun, activated] = await Promise.all([own.stop(), ...waits]);
    assert.equal(stopped, undefined);
    assert.equal(begun.status, 202, begun.text);
    assert.equal(activated.status, 200, activated.text);
    assert.equal(activated.json.data.results[0].command.status, 'pending');
    own = await startServer({ flags: FLAGS, dataDir: own.dataDir });
    token = await mint(own, 'root', 'admin');
    const kept = await show('light.kept', own, token);
    assert.deepEqual([kept.state, kept.available, kept.device_id], ['unavailable', false, id]);
    const list = await own.get('/api/v1/scenes', { token });
    assert.deepEqual(list.json.data, [scene]);
    const back = await WIRES[1].open(own, key);
    await becomes('light.kept', { state: 'on', available: true }, own, token);
    back.cut();
    await own.stop();
  });
});
