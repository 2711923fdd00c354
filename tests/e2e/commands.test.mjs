// Commands from whoever may send them to devices on both wires (CONTRACT 3, 6, 7; the tests are named
// after requirements 4.1-4.5 as CONTRACT 3 reads them). A device is the same over Socket.IO and over
// the raw wire: every test of a device runs on both.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import { CLIENTS, connected } from './lib/clients.mjs';
import { SOON_MS, WIRES, ask, client, commandFor, phases, result } from './lib/commands.mjs';
import { viewer as monitorViewer } from './lib/monitor.mjs';
import { PATIENCE, SANITIZED, startServer, within } from './lib/server.mjs';
import { listen } from './lib/sse.mjs';

let server;
let admin;

const minted = new Map();
/** A token of a user, who is made once. */
function mint(at, sub, role) {
  const key = `${at.port} ${sub}`;
  if (!minted.has(key)) {
    minted.set(key, at.cli('token', '--sub', sub, '--kind', 'user', '--role', role, '--ttl', '1h'));
  }
  return minted.get(key);
}
const FLAGS = ['--handshakes-per-s', '1000', '--connections-per-principal-max', '1000'];

before(async () => {
  server = await startServer({ flags: [...FLAGS, '--engineio-v3', 'on'] });
  admin = await mint(server, 'root', 'admin');
});
after(() => server?.stop());

async function makeDevice(at = server, token = admin) {
  const made = await at.post('/api/v1/devices', { name: 'one' }, { token });
  assert.equal(made.status, 201, made.text);
  return { id: made.json.data.device.id, key: made.json.data.key };
}
const send = (from, command) => ask(from, 'device:command', command);
const path = (id, rest = '') => `/api/v1/devices/${id}/commands${rest}`;
const stored = async (id, commandId) => {
  const got = await server.get(path(id, `/${commandId}`), { token: admin });
  assert.equal(got.status, 200, got.text);
  return got.json.data;
};
const post = (id, body, { query = '', ...options } = {}) => (
  server.post(path(id, query), body, { token: admin, ...options })
);
const silent = () => undefined;

function refusedAs(answer, type, reason) {
  assert.equal(answer.ok, false, JSON.stringify(answer));
  assert.equal(answer.error.type, type, JSON.stringify(answer));
  if (reason !== undefined) assert.equal(answer.error.details.reason, reason);
  return answer.error.details;
}

/** A client that follows the device. */
async function follower(id, token = admin) {
  const socket = await client(server, token);
  assert.equal((await ask(socket, 'device:subscribe', { deviceId: id })).ok, true);
  return socket;
}

describe('commands', { concurrency: true }, () => {
  for (const Wire of WIRES) {
    describe(`a device on ${Wire.wire}`, { concurrency: true }, () => {
      const open = (key, options) => Wire.open(server, key, options);
      let boss; // a client of the admin's that follows nothing
      before(async () => (boss = await client(server, admin)));
      after(() => boss?.disconnect());

      it('4.1_a_command_is_accepted_when_it_is_recorded', async () => {
        const { id, key } = await makeDevice();
        const device = await open(key, { obey: silent });
        const command = commandFor(id);
        const { commandId, ...answer } = await send(boss, command);
        assert.deepEqual(answer, { ok: true, requestId: command.requestId, status: 'pending', phase: 'recorded' });
        const kept = await stored(id, commandId);
        assert.equal(kept.commandId, commandId);
        assert.equal(kept.deviceId, id);
        assert.equal(kept.command, 'blink');
        assert.deepEqual(kept.parameters, { times: 3 });
        assert.equal(kept.status, 'pending');
        await device.commands.first('the command');
        device.cut();
      });

      it('4.2_a_requestId_is_one_command', async () => {
        const { id, key } = await makeDevice();
        const device = await open(key);
        const other = await client(server, await mint(server, 'olga', 'operator'));
        const command = commandFor(id);
        const first = await send(boss, command);
        await result(boss, command.requestId, 'done');
        const again = await send(boss, command);
        assert.deepEqual(again, { ...first, status: 'executed', phase: 'done' });
        for (const [whose, body] of [[boss, { ...command, command: 'burn' }], [boss, { ...command, parameters: 1 }], [other, command]]) {
          const details = refusedAs(await send(whose, body), 'INVALID_MESSAGE_FORMAT', 'DUPLICATE_REQUEST');
          assert.equal(details.member, 'requestId');
        }
        const { id: second, key: its } = await makeDevice();
        const beside = await open(its);
        assert.equal((await send(boss, { ...command, deviceId: second })).ok, true, 'unique for the device only');
        await beside.commands.first('the command of the other device');
        assert.equal(device.commands.all.length, 1);
        for (const end of [device, beside]) end.cut();
        other.disconnect();
      });

      it('4.3_a_command_is_routed_to_its_device_and_no_other', async () => {
        const { id, key } = await makeDevice();
        const { key: its } = await makeDevice();
        const [device, other] = await Promise.all([open(key), open(its)]);
        const command = commandFor(id, { parameters: { deep: [1, { a: null }], text: 'ä\u2028"' }, timeoutMs: 5000 });
        assert.equal((await send(boss, command)).ok, true);
        const got = await device.commands.first('the command');
        for (const name of ['deviceId', 'command', 'parameters', 'requestId', 'timestamp', 'timeoutMs']) {
          assert.deepEqual(got[name], command[name], name);
        }
        await result(boss, command.requestId, 'done');
        assert.equal(other.commands.all.length, 0);
        for (const end of [device, other]) end.cut();
      });

      it('4.3_one_that_was_not_acknowledged_is_sent_again_to_a_newer_socket', async () => {
        const { id, key } = await makeDevice();
        const first = await open(key, { obey: silent });
        const command = commandFor(id);
        assert.equal((await send(boss, command)).ok, true);
        await first.commands.first('the command');
        const second = await open(key);
        assert.equal((await within(SOON_MS, 'the take-over', first.closed)).code, 4001);
        assert.equal((await second.commands.first('the command again')).requestId, command.requestId);
        const ended = await result(boss, command.requestId, 'done');
        assert.deepEqual(ended.response, { did: 'blink' });
        assert.equal(first.commands.all.length, 1, 'without command-ack it is not sent again on its own');
        second.cut();
      });

      it('4.3_it_is_sent_again_on_the_same_socket_only_with_command_ack', async () => {
        const [{ id, key }, { id: plain, key: its }] = await Promise.all([makeDevice(), makeDevice()]);
        const thrice = (command, before) => (before < 2 ? undefined : {
          ack: { ok: true },
          response: { requestId: command.requestId, status: 'success', result: before },
        });
        const device = await open(key, { obey: thrice, capabilities: ['command-ack'] });
        const deaf = await open(its, { obey: silent });
        const command = commandFor(id);
        const unheard = commandFor(plain);
        await Promise.all([send(boss, command), send(boss, unheard)]);
        assert.equal((await result(boss, command.requestId, 'done')).response, 2);
        assert.deepEqual(device.commands.all.map((c) => c.requestId), Array(3).fill(command.requestId));
        assert.equal(deaf.commands.all.length, 1);
        for (const end of [device, deaf]) end.cut();
      });

      it('4.3_a_queued_command_waits_for_its_device', async () => {
        const { id, key } = await makeDevice();
        const command = commandFor(id, { queue: true });
        const { commandId, phase } = await send(boss, command);
        assert.ok(['recorded', 'queued'].includes(phase), phase);
        await result(boss, command.requestId, 'queued');
        assert.equal((await stored(id, commandId)).phase, 'queued');
        const device = await open(key);
        await device.commands.first('the queued command');
        await result(boss, command.requestId, 'done');
        device.cut();
      });

      it('4.4_each_phase_reaches_who_asked_and_who_follows_once', async () => {
        const { id, key } = await makeDevice();
        const device = await open(key);
        const [watcher, both, beside, stranger] = await Promise.all([
          follower(id, await mint(server, 'vera', 'viewer')), follower(id), client(server, admin),
          client(server, await mint(server, 'sven', 'operator')),
        ]);
        const command = commandFor(id);
        const { commandId } = await send(boss, command);
        const ended = await Promise.all([watcher, both, beside, boss].map((s) => result(s, command.requestId, 'done')));
        for (const { pos, eventId, ...got } of ended) {
          assert.match(pos, /^\w+-\d+$/);
          assert.equal(eventId, ended[0].eventId, 'one event, whoever hears it');
          const { sentAt, executedAt, createdAt, ...rest } = got;
          assert.ok(createdAt <= sentAt && sentAt <= executedAt, JSON.stringify(got));
          assert.deepEqual(rest, {
            commandId, requestId: command.requestId, deviceId: id, command: 'blink',
            status: 'executed', phase: 'done', response: { did: 'blink' },
          });
        }
        // One command later everybody has heard all there was to hear of the first.
        const last = commandFor(id);
        await send(boss, last);
        await Promise.all([watcher, both, beside, boss].map((s) => result(s, last.requestId, 'done')));
        const expected = phases(watcher, command.requestId);
        assert.deepEqual(expected, [...new Set(expected)]);
        assert.ok(expected.includes('sent') && expected.at(-1) === 'done', expected.join());
        for (const socket of [both, beside, boss]) assert.deepEqual(phases(socket, command.requestId), expected);
        assert.deepEqual(phases(stranger, command.requestId), []);
        for (const socket of [watcher, both, beside, stranger]) socket.disconnect();
        device.cut();
      });

      it('4.4_progress_is_told_before_the_end', async () => {
        const { id, key } = await makeDevice();
        const device = await open(key, { obey: silent });
        const command = commandFor(id);
        await send(boss, command);
        await device.commands.first('the command');
        assert.deepEqual(await device.respond({ requestId: command.requestId, status: 'accepted' }), { ok: true });
        await result(boss, command.requestId, 'acknowledged');
        assert.deepEqual(await device.respond({ requestId: command.requestId, status: 'progress', result: { percent: 50 } }), { ok: true });
        const half = await boss.heard.first('progress', (h) => h.data?.requestId === command.requestId && h.data.response?.percent === 50);
        assert.equal(half.data.status, 'pending');
        assert.deepEqual(await device.respond({ requestId: command.requestId, status: 'success' }), { ok: true });
        await result(boss, command.requestId, 'done');
        device.cut();
      });

      it('4.4_without_a_response_expected_it_is_done_when_the_device_has_it', async () => {
        const { id, key } = await makeDevice();
        const device = await open(key, { obey: () => ({ ack: { ok: true } }) });
        const command = commandFor(id, { expectResponse: false });
        await send(boss, command);
        const ended = await result(boss, command.requestId, 'done');
        assert.equal(ended.response ?? null, null);
        device.cut();
      });

      it('4.4_a_late_answer_is_kept_and_marked', async () => {
        const { id, key } = await makeDevice();
        const device = await open(key, { obey: () => ({ ack: { ok: true } }) });
        const command = commandFor(id, { timeoutMs: 1000 });
        const { commandId } = await send(boss, command);
        await result(boss, command.requestId, 'timed_out');
        assert.deepEqual(await device.respond({ requestId: command.requestId, status: 'success', result: 'at last' }), { ok: true });
        const kept = await stored(id, commandId);
        assert.equal(kept.phase, 'timed_out');
        assert.equal(kept.late, true);
        assert.equal(kept.response, 'at last');
        device.cut();
      });

      it('4.5_a_command_that_is_not_answered_times_out', async () => {
        const { id, key } = await makeDevice();
        const device = await open(key, { obey: silent });
        const command = commandFor(id, { timeoutMs: 1000 });
        await send(boss, command);
        const ended = await result(boss, command.requestId, 'timed_out');
        assert.equal(ended.status, 'failed');
        assert.equal(ended.error.code, 'TIMEOUT');
        device.cut();
      });

      it('4.5_what_a_device_says_went_wrong_is_told', async () => {
        const { id, key } = await makeDevice();
        const error = { code: 'E42', message: 'the lamp is broken' };
        const device = await open(key, { obey: (c) => ({ response: { requestId: c.requestId, status: 'error', error } }) });
        const command = commandFor(id);
        await send(boss, command);
        const ended = await result(boss, command.requestId, 'failed');
        assert.equal(ended.status, 'failed');
        assert.deepEqual(ended.error, error);
        device.cut();
      });

      it('4.5_an_acknowledgement_that_refuses_ends_the_command', async () => {
        const { id, key } = await makeDevice();
        const answers = [{ ok: false, error: { code: 'BUSY', message: 'not now' } }, { ok: false, error: 'no object' }, { ok: false }];
        const device = await open(key, { obey: (_, before) => ({ ack: answers[before] }) });
        for (const answer of answers) {
          const command = commandFor(id);
          await send(boss, command);
          const ended = await result(boss, command.requestId, 'failed');
          if (answer.error?.code) assert.deepEqual(ended.error, answer.error);
          else assert.equal(ended.status, 'failed');
        }
        device.cut();
      });

      it('4.5_a_response_to_nothing_is_refused', async () => {
        const { key } = await makeDevice();
        const device = await open(key);
        const answer = await device.respond({ requestId: 'never asked', status: 'success' });
        refusedAs(answer, 'NOT_FOUND');
        refusedAs(await device.respond({ requestId: 'x', status: 'perhaps' }), 'INVALID_MESSAGE_FORMAT');
        refusedAs(await device.respond({ status: 'success' }), 'INVALID_MESSAGE_FORMAT');
        device.cut();
      });

      it('4.5_responses_to_nothing_are_refused_and_at_last_close_the_socket', async () => {
        const { id, key } = await makeDevice();
        const device = await open(key, { obey: silent });
        const flood = (count) => Array.from({ length: count }, (_, i) => (
          device.respond({ requestId: `nothing ${i}`, status: 'success' }).catch(() => undefined)));
        for (const answer of await Promise.all(flood(300))) {
          assert.equal(answer.ok, false);
          assert.match(answer.error.type, /^(NOT_FOUND|RATE_LIMIT_EXCEEDED)$/);
        }
        const command = commandFor(id);
        await send(boss, command);
        await device.commands.first('the command');
        assert.deepEqual(await device.respond({ requestId: command.requestId, status: 'success' }), { ok: true });
        for (let over = false; !over;) {
          over = await Promise.race([device.closed, Promise.all(flood(200)).then(() => false)]);
        }
        assert.equal((await within(SOON_MS, 'the end', device.closed)).code, 4003);
      });

      it('4.5_a_cancelled_command_is_over', async () => {
        const { id, key } = await makeDevice();
        const device = await open(key, { obey: silent });
        const command = commandFor(id);
        const { commandId } = await send(boss, command);
        await device.commands.first('the command');
        const cancelled = await server.post(path(id, `/${commandId}/cancel`), undefined, { token: admin });
        assert.equal(cancelled.status, 200, cancelled.text);
        assert.equal(cancelled.json.data.phase, 'cancelled');
        assert.equal(cancelled.json.data.error.code, 'CANCELLED');
        await result(boss, command.requestId, 'cancelled');
        const again = await server.post(path(id, `/${commandId}/cancel`), undefined, { token: admin });
        assert.equal(again.status, 409, again.text);
        device.cut();
      });

      it('a_rest_client_waits_for_the_answer', async () => {
        const { id, key } = await makeDevice();
        const device = await open(key);
        const done = await post(id, { command: 'blink' }, { query: '?wait=30' });
        assert.equal(done.status, 200, done.text);
        assert.equal(done.json.data.phase, 'done');
        assert.deepEqual(done.json.data.response, { did: 'blink' });
        assert.equal(done.headers.get('location'), path(id, `/${done.json.data.commandId}`));
        device.cut();
      });
    });
  }

  describe('who asks', { concurrency: true }, () => {
    const [Socketio] = WIRES;
    let boss; // a client of the admin's that follows nothing
    before(async () => (boss = await client(server, admin)));
    after(() => boss?.disconnect());

    it('4.2_what_is_not_well_formed_is_refused_by_its_member', async () => {
      const { id } = await makeDevice();
      const good = commandFor(id);
      const cases = [
        ['deviceId', { deviceId: undefined }], ['deviceId', { deviceId: 'x' }],
        ['command', { command: undefined }], ['command', { command: '' }], ['command', { command: 'c'.repeat(101) }],
        ['command', { command: 'a\u0000b' }], ['requestId', { requestId: undefined }], ['requestId', { requestId: '' }],
        ['requestId', { requestId: 'r'.repeat(101) }], ['parameters', { parameters: 'p'.repeat(16384) }],
        ['timeoutMs', { timeoutMs: 999 }], ['timeoutMs', { timeoutMs: 300001 }], ['timestamp', { timestamp: 'soon' }],
        ['queue', { queue: 'yes' }], ['expiresAt', { expiresAt: Date.now() + 2 * 86_400_000 }],
        ['expectResponse', { expectResponse: 1 }],
      ];
      const sender = await client(server, admin);
      for (const [member, change] of cases) {
        const details = refusedAs(await send(sender, { ...good, ...change }), 'INVALID_MESSAGE_FORMAT');
        assert.equal(details.member, member, JSON.stringify(change));
      }
      assert.equal((await server.get(path(id), { token: admin })).json.data.length, 0, 'nothing was recorded');
      sender.disconnect();
    });

    it('4.1_only_who_may_send_commands_to_a_device_does', async () => {
      const { id, key } = await makeDevice();
      const [watcher, device] = await Promise.all([
        client(server, await mint(server, 'vito', 'viewer')), Socketio.open(server, key, { obey: silent }),
      ]);
      refusedAs(await send(watcher, commandFor(id)), 'PERMISSION_DENIED');
      refusedAs(await device.ask('device:command', commandFor(id)), 'PERMISSION_DENIED');
      refusedAs(await send(boss, commandFor('00000000-0000-7000-8000-000000000000')), 'DEVICE_NOT_FOUND');
      const token = await mint(server, 'vito', 'viewer');
      assert.equal((await post(id, { command: 'x' }, { token })).status, 403);
      assert.equal((await server.get(path(id), { token })).status, 200);
      assert.equal((await post('00000000-0000-7000-8000-000000000000', { command: 'x' })).status, 404);
      assert.equal(device.commands.all.length, 0);
      watcher.disconnect();
      device.cut();
    });

    it('4.5_without_a_queue_an_offline_device_is_a_failure_at_once', async () => {
      const { id } = await makeDevice();
      const command = commandFor(id);
      const details = refusedAs(await send(boss, command), 'COMMAND_EXECUTION_FAILED', 'DEVICE_OFFLINE');
      assert.equal(details.requestId, command.requestId);
      const kept = await stored(id, details.commandId);
      assert.equal(kept.phase, 'rejected');
      assert.equal(kept.error.code, 'DEVICE_OFFLINE');
      refusedAs(await send(boss, command), 'COMMAND_EXECUTION_FAILED', 'DEVICE_OFFLINE');
      const over = await post(id, { command: 'x' }, { query: '?wait=5' });
      assert.equal(over.status, 502, over.text);
      assert.equal(over.json.code, 'COMMAND_EXECUTION_FAILED');
      assert.equal(over.json.details.reason, 'DEVICE_OFFLINE');
      assert.match(over.json.details.commandId, /^[0-9a-f-]{36}$/);
      // Who wants no ack is told by `error`.
      boss.emit('device:command', commandFor(id, { requestId: 'no ack' }));
      const told = await boss.heard.first('the error', (h) => h.name === 'error' && h.data.details.requestId === 'no ack');
      assert.equal(told.data.details.reason, 'DEVICE_OFFLINE');
    });

    it('4.5_a_disabled_device_takes_no_commands', async () => {
      const { id } = await makeDevice();
      await server.post(`/api/v1/devices/${id}/disable`, undefined, { token: admin });
      refusedAs(await send(boss, commandFor(id, { queue: true })), 'COMMAND_EXECUTION_FAILED', 'REJECTED');
    });

    it('4.5_a_queued_command_expires', async () => {
      const { id } = await makeDevice();
      const command = commandFor(id, { queue: true, expiresAt: new Date(Date.now() + 1000).toISOString() });
      await send(boss, command);
      const ended = await result(boss, command.requestId, 'expired');
      assert.equal(ended.error.code, 'EXPIRED');
      assert.equal(ended.status, 'failed');
    });

    it('4.5_so_many_commands_wait_for_a_device_and_no_more', async () => {
      const { id } = await makeDevice();
      const bodies = Array.from({ length: 51 }, () => ({ command: 'x', queue: true }));
      const token = await mint(server, 'omar', 'operator'); // whose rate is his own
      const got = await Promise.all(bodies.map((body) => post(id, body, { token })));
      assert.deepEqual(got.map((g) => g.status).sort(), [...Array(50).fill(202), 429]);
      assert.equal(got.find((g) => g.status === 429).headers.get('retry-after'), '1');
      const refused = refusedAs(await send(boss, commandFor(id, { queue: true })), 'RATE_LIMIT_EXCEEDED');
      assert.equal(refused.retryAfterMs, 1000);
      const first = (await server.get(path(id, '?status=pending&limit=30'), { token: admin })).json;
      assert.equal(first.data.length, 30);
      const second = (await server.get(path(id, `?limit=30&cursor=${encodeURIComponent(first.next_cursor)}`), { token: admin })).json;
      assert.equal(second.next_cursor, undefined);
      assert.equal(new Set([...first.data, ...second.data].map((c) => c.commandId)).size, 50);
      assert.equal((await server.get(path(id, '?status=executed'), { token: admin })).json.data.length, 0);
      for (const query of ['?status=done', '?limit=0', '?cursor=!']) {
        assert.equal((await server.get(path(id, query), { token: admin })).status, 400, query);
      }
    });

    it('results_come_over_sse_and_the_monitor_channel_too', async () => {
      const { id, key } = await makeDevice();
      const device = await Socketio.open(server, key);
      const stream = await listen(server, `?device_id=${id}&types=command:result`, { token: admin });
      const screen = await monitorViewer(server, id, ['events'], { token: admin });
      const { commandId } = await send(boss, commandFor(id));
      const over = await stream.first((e) => e.data.phase === 'done');
      assert.equal(over.event, 'command:result');
      assert.equal(over.data.commandId, commandId);
      const frame = await screen.first('command:result', { test: (m) => m.data.phase === 'done' });
      assert.equal(frame.data.commandId, commandId);
      assert.equal(frame.id, over.data.eventId);
      assert.equal(stream.of('command:result').filter((e) => e.data.phase === 'done').length, 1);
      stream.drop();
      await screen.end();
      device.cut();
    });

    it('who_asked_and_was_cut_off_hears_the_results_when_it_is_back', async () => {
      const { id, key } = await makeDevice();
      const device = await Socketio.open(server, key, { obey: silent });
      const following = await mint(server, 'fred', 'operator');
      const [loner, fan] = await Promise.all([
        connected(CLIENTS[0], server, { token: admin }), connected(CLIENTS[0], server, { token: following }),
      ]);
      await fan.ask('device:subscribe', { deviceId: id });
      const command = commandFor(id);
      const its = commandFor(id);
      assert.equal((await loner.ask('device:command', command))[0].ok, true);
      assert.equal((await fan.ask('device:command', its))[0].ok, true);
      await loner.first('command:result', { test: (d) => d.requestId === command.requestId && d.phase === 'sent' });
      await fan.first('command:result', { test: (d) => d.requestId === its.requestId && d.phase === 'sent' });
      for (const socket of [loner, fan]) socket.cut();
      for (const { requestId } of [command, its]) await device.respond({ requestId, status: 'success' });
      for (const [socket, { requestId }] of [[loner, command], [fan, its]]) {
        await socket.first('command:result', { test: (d) => d.requestId === requestId && d.phase === 'done' });
        assert.equal(socket.socket.recovered, true);
        const heard = socket.of('command:result').filter(([d]) => d.requestId === requestId).map(([d]) => d.phase);
        assert.deepEqual(heard, [...new Set(heard)], 'each once');
        socket.close();
      }
      device.cut();
    });

    it('who_lost_the_right_to_read_hears_no_more_results', async () => {
      const { id, key } = await makeDevice();
      const device = await Socketio.open(server, key, { obey: silent });
      const short = await client(server, await mint(server, 'kurt', 'operator'));
      const command = commandFor(id);
      assert.equal((await send(short, command)).ok, true);
      await result(short, command.requestId, 'sent');
      await server.cli('user', 'revoke', '--name', 'kurt', '--role', 'operator');
      const refused = await within(SOON_MS, 'the loss', (async () => {
        for (;;) {
          const answer = await send(short, commandFor(id));
          if (!answer.ok) return answer;
        }
      })());
      assert.match(refused.error.type, /PERMISSION_DENIED|DEVICE_NOT_FOUND/);
      await device.respond({ requestId: command.requestId, status: 'success' });
      await ask(short, 'device:unsubscribe', {});
      assert.ok(!phases(short, command.requestId).includes('done'));
      short.disconnect();
      device.cut();
    });

    it('an_older_client_as_a_device_acknowledges_and_answers', async () => {
      const { id, key } = await makeDevice();
      const device = await connected(CLIENTS[2], server, { token: key });
      device.socket.on('device:command', ({ requestId }, acknowledge) => {
        acknowledge?.();
        device.socket.emit('command:response', { requestId, status: 'success', timestamp: Date.now() });
      });
      const command = commandFor(id);
      await send(boss, command);
      await result(boss, command.requestId, 'done');
      device.close();
    });
  });

  describe('over rest', { concurrency: true }, () => {
    const [Socketio] = WIRES;

    it('what_is_not_over_is_202_and_can_be_waited_for_again', async () => {
      const { id, key } = await makeDevice();
      const device = await Socketio.open(server, key, { obey: silent });
      const begun = await post(id, { command: 'slow' }, { query: '?wait=0.05' });
      assert.equal(begun.status, 202, begun.text);
      assert.equal(begun.json.data.status, 'pending');
      const location = begun.headers.get('location');
      assert.equal(location, path(id, `/${begun.json.data.commandId}`));
      const waiting = server.get(`${location}?wait=60`, { token: admin });
      const { requestId } = await device.commands.first('the command');
      await device.respond({ requestId, status: 'success', result: 7 });
      const over = await waiting;
      assert.equal(over.status, 200);
      assert.equal(over.json.data.response, 7);
      device.cut();
    });

    it('a_failure_of_the_device_is_the_result_and_no_failure_of_the_request', async () => {
      const { id, key } = await makeDevice();
      const device = await Socketio.open(server, key, { obey: (c) => ({ response: { requestId: c.requestId, status: 'error' } }) });
      const got = await post(id, { command: 'x' }, { query: '?wait=30' });
      assert.equal(got.status, 200, got.text);
      assert.equal(got.json.data.status, 'failed');
      device.cut();
    });

    it('an_idempotency_key_makes_one_command', async () => {
      const { id, key } = await makeDevice();
      const device = await Socketio.open(server, key);
      const headers = { 'idempotency-key': 'a key, not a requestId'.replaceAll(' ', '-') };
      const body = { command: 'once', parameters: { a: 1 } };
      const first = await post(id, body, { headers, query: '?wait=30' });
      assert.equal(first.status, 200, first.text);
      assert.equal(first.headers.get('idempotency-replayed'), null);
      const again = await post(id, body, { headers });
      assert.equal(again.status, 200);
      assert.equal(again.json.data.commandId, first.json.data.commandId);
      assert.equal(again.headers.get('idempotency-replayed'), 'true');
      const other = await post(id, { ...body, parameters: { a: 2 } }, { headers });
      assert.equal(other.status, 422, other.text);
      assert.equal(other.json.code, 'IDEMPOTENCY_KEY_REUSED');
      const token = await mint(server, 'ivan', 'operator');
      const his = await post(id, body, { headers, token, query: '?wait=30' });
      assert.notEqual(his.json.data.commandId, first.json.data.commandId, 'a key is its principal\'s');
      assert.equal(device.commands.all.length, 2);
      const named = { ...body, requestId: 'named' };
      assert.equal((await post(id, named)).json.data.requestId, 'named');
      const duplicate = await post(id, { ...named, command: 'twice' });
      assert.equal(duplicate.status, 400, duplicate.text);
      assert.equal(duplicate.json.code, 'INVALID_MESSAGE_FORMAT');
      assert.equal(duplicate.json.details.reason, 'DUPLICATE_REQUEST');
      assert.equal((await post(id, body, { headers: { 'idempotency-key': 'ä' } })).status, 400);
      device.cut();
    });

    it('bad_requests_are_named', async () => {
      const { id } = await makeDevice();
      for (const [query, body, member] of [
        ['', {}, 'command'], ['', { command: 'x', timeoutMs: 1 }, 'timeoutMs'], ['?wait=x', { command: 'x' }, 'wait'],
        ['?wait=301', { command: 'x' }, 'wait'], ['?wait=-1', { command: 'x' }, 'wait'],
        ['?wait=1.0001', { command: 'x' }, 'wait'], ['?wait=300.001', { command: 'x' }, 'wait'], ['?wait=', { command: 'x' }, 'wait'],
      ]) {
        const got = await post(id, body, { query });
        assert.equal(got.status, 400, `${query} ${got.text}`);
        assert.deepEqual(got.json.errors.map((e) => e.member), [member]);
      }
      for (const rest of ['/00000000-0000-7000-8000-000000000000', '/00000000-0000-7000-8000-000000000000?wait=1']) {
        assert.equal((await server.get(path(id, rest), { token: admin })).status, 404, rest);
      }
      const nothing = await server.post(path(id, '/00000000-0000-7000-8000-000000000000/cancel'), undefined, { token: admin });
      assert.equal(nothing.status, 404);
      assert.equal((await server.get(path('00000000-0000-7000-8000-000000000000'), { token: admin })).status, 404);
    });

    it('who_gives_up_waiting_is_forgotten_and_the_command_goes_on', async () => {
      const { id, key } = await makeDevice();
      const device = await Socketio.open(server, key, { obey: silent });
      const request = http.request(`${server.url}${path(id)}?wait=60`, {
        method: 'POST',
        agent: false,
        headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
      });
      request.on('error', () => {});
      request.end(JSON.stringify({ command: 'x' }));
      const { requestId } = await device.commands.first('the command');
      request.destroy();
      assert.deepEqual(await device.respond({ requestId, status: 'success' }), { ok: true });
      const kept = (await server.get(path(id), { token: admin })).json.data;
      assert.deepEqual(kept.map((c) => c.phase), ['done']);
      device.cut();
    });
  });

  describe('over a restart', { concurrency: true }, () => {
    it('who_waits_when_the_server_stops_is_told_what_is_so', async () => {
      const [Socketio] = WIRES;
      const ending = await startServer({ flags: FLAGS });
      const token = await mint(ending, 'root', 'admin');
      const { id, key } = await makeDevice(ending, token);
      const device = await Socketio.open(ending, key, { obey: silent });
      const waiting = ending.post(path(id, '?wait=60'), { command: 'x' }, { token });
      const { requestId } = await device.commands.first('the command');
      const looking = ending.get(path(id, `/${(await ending.get(path(id), { token })).json.data[0].commandId}?wait=60`), { token });
      await ending.get('/health/live'); // so that it has asked
      await ending.stop();
      const got = await waiting;
      assert.equal(got.status, 202, got.text);
      assert.equal(got.json.data.requestId, requestId);
      const looked = await looking;
      assert.equal(looked.status, 200);
      assert.equal(looked.json.data.status, 'pending');
    });

    for (const Wire of WIRES) {
      it(`4.3_what_is_queued_for_a_device_on_${Wire.wire}_outlives_the_server`, async () => {
        // The device may be asked for one ack at a time; what is sent without one arrives all the same.
        const flags = [...FLAGS, '--sio-acks-max', '1'];
        const first = await startServer({ flags });
        const token = await mint(first, 'root', 'admin');
        const { id, key } = await makeDevice(first, token);
        const bodies = ['one', 'two', 'three'].map((command) => ({ command, queue: true, requestId: command }));
        for (const body of bodies) {
          assert.equal((await first.post(path(id), body, { token })).status, 202);
        }
        await first.crash();
        const second = await startServer({ flags, dataDir: first.dataDir });
        const device = await Wire.open(second, key, {
          obey: (c) => ({ response: { requestId: c.requestId, status: 'success', result: c.command } }),
        });
        for (const { requestId } of bodies) await device.commands.first(requestId, (c) => c.requestId === requestId);
        assert.deepEqual(device.commands.all.map((c) => c.command), ['one', 'two', 'three'], 'in their order, each once');
        const again = await second.post(`${path(id)}?wait=30`, bodies[2], { token });
        assert.equal(again.status, 200, again.text);
        assert.equal(again.json.data.response, 'three');
        device.cut();
        await second.stop();
      });
    }
  });
});
