// Hostile Socket.IO peers: floods of tiny packets, deep and multiplied payloads, half-finished
// upgrades, abandoned polls, acks that are never given, readers that do not read, messages that are
// too large, thousands of namespaces and rooms, storms of handshakes. Each is bounded in memory,
// refused with a reason, named in the log or counted; and its neighbours notice nothing.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { usage } from './lib/bare.mjs';
import { Polling, Wire, ask } from './lib/eio.mjs';
import { PATIENCE, SANITIZED, startServer } from './lib/server.mjs';
import { CLIENTS, WAYS, connected, until } from './lib/clients.mjs';

const PAYLOAD_BYTES = 200_000;
const UPGRADE_MS = 500 * PATIENCE;
const CONNECT_MS = 500 * PATIENCE;
const PING_MS = 1000 * PATIENCE;
const PONG_MS = Math.max(PING_MS, 6000); // a pong may stand behind a whole flood
const MIB = 1024;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The sum of a metric's samples that name all of `labels`. */
async function metric(server, name, labels = {}) {
  const { text } = await server.get('/metrics');
  const wanted = Object.entries(labels).map(([k, v]) => `${k}="${v}"`);
  return text.split('\n')
    .filter((line) => line.startsWith(`signalbox_${name}`) && /[{ ]/.test(line[name.length + 10]))
    .filter((line) => wanted.every((w) => line.includes(w)))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

const sessions = (server) => metric(server, 'connections', { wire: 'socketio' });

/** Grows by no more than `mib` while `attack` runs, after the allocator has warmed up. */
async function bounded(server, mib, attack) {
  const begin = usage(server.process.pid).rssKib;
  let most = begin;
  const watch = setInterval(() => {
    most = Math.max(most, usage(server.process.pid).rssKib);
  }, 10);
  try {
    await attack();
  } finally {
    clearInterval(watch);
  }
  most = Math.max(most, usage(server.process.pid).rssKib);
  if (!SANITIZED) assert.ok(most - begin <= mib * MIB, `grew by ${most - begin} KiB, not ${mib} MiB`);
}

const endsWith = async (wire, code) => {
  const ended = await wire.end();
  assert.equal(ended.code, code, ended.reason);
};

describe('the fixture, which has no limit of rate', () => {
  let server;
  let neighbours;

  before(async () => {
    server = await startServer({
      flags: ['--conformance', 'on', '--loops', '2', '--engineio-max-payload-bytes', `${PAYLOAD_BYTES}`,
        '--engineio-upgrade-timeout-ms', `${UPGRADE_MS}`, '--engineio-connect-timeout-ms', `${CONNECT_MS}`,
        '--engineio-ping-interval-ms', `${PING_MS}`, '--engineio-ping-timeout-ms', `${PONG_MS}`],
    });
    neighbours = [];
    for (const way of WAYS) {
      neighbours.push(await connected(CLIENTS[0], server, { transports: way.transports }));
    }
  });
  after(async () => {
    for (const n of neighbours ?? []) n.close();
    await server?.stop();
  });

  /** Runs it while the neighbours talk; every one of their questions is answered, in order. */
  async function unnoticed(attack) {
    let over = false;
    const talk = neighbours.map(async (n) => {
      for (let i = 0; !over || i < 3; i++) {
        assert.deepEqual(await n.ask('message-with-ack', i, 'still here'), [i, 'still here']);
        await pause(20);
      }
    });
    const told = Promise.all(talk);
    told.catch(() => {}); // the attack may fail before
    try {
      await attack();
    } finally {
      over = true;
    }
    await told;
    for (const n of neighbours) assert.equal(n.of('disconnect').length, 0);
  }

  it('a_flood_of_tiny_packets_is_work_and_nothing_else', () => unnoticed(async () => {
    const count = SANITIZED ? 20_000 : 200_000;
    const wire = await Wire.open(server);
    const before = Number((await neighbours[0].ask('counted'))[0]);
    await bounded(server, 24, async () => {
      for (let i = 0; i < count; i++) {
        wire.ws.send('42["count"]');
        if (i % 2000 === 0) await until('the socket to drain', () => wire.ws.bufferedAmount < 100_000);
      }
      await until('all of them', async () => Number((await neighbours[0].ask('counted'))[0]) >= before + count);
    });
    assert.equal(Number((await neighbours[0].ask('counted'))[0]), before + count);
    wire.drop();
  }));

  it('the_same_in_one_polling_request_is_read_or_refused_whole', () => unnoticed(async () => {
    const polling = await (await Polling.open(server)).join();
    await bounded(server, 24, async () => {
      for (let i = 0; i < 10; i++) {
        const got = await polling.post(Array(10_000).fill('42["count"]').join('\x1e'));
        assert.equal(got.status, 200, got.text);
      }
    });
    // Empty packets and separators alone are no packets: the session is over.
    const got = await polling.post('\x1e'.repeat(100_000));
    assert.equal(got.status, 400);
    assert.equal((await polling.get()).status, 400);
  }));

  it('nesting_is_bounded', () => unnoticed(() => bounded(server, 24, async () => {
    for (const [open, close] of [['[', ']'], ['{"a":', '}']]) {
      const deep = 90_000 / open.length;
      const wire = await Wire.open(server);
      wire.send(`42["message",${open.repeat(deep)}1${close.repeat(deep)}]`);
      await endsWith(wire, 1002);
      const half = await Wire.open(server);
      half.send(`42["message",${open.repeat(180_000 / open.length)}`);
      await endsWith(half, 1002);
    }
    await server.awaitLine(/"what":"socketio_protocol".*"why":"bad_json"/);
    const polling = await (await Polling.open(server)).join();
    await polling.post(`42["message",${'['.repeat(90_000)}${']'.repeat(90_000)}]`);
    assert.deepEqual(await polling.packets(), ['1']);
    assert.equal((await polling.get()).status, 400);
  })));

  it('an_attachment_counts_once', () => unnoticed(() => bounded(server, 24, async () => {
    const again = Array(2000).fill('{"_placeholder":true,"num":0}').join(',');
    const wire = await Wire.open(server);
    wire.send(`451-["message",${again}]`, Buffer.alloc(100_000));
    await endsWith(wire, 1002);
    await server.awaitLine(/"what":"socketio_protocol".*"why":"bad_placeholder"/);
  })));

  it('attachments_are_few_owed_for_a_moment_and_no_larger_than_a_message', () => unnoticed(
    () => bounded(server, 24, async () => {
      const eleven = Array.from({ length: 11 }, (_, i) => `{"_placeholder":true,"num":${i}}`).join(',');
      for (const head of [`4511-["message",${eleven}]`, '45999999999999-["message"]', '45-["message"]',
        '451["message"]', '451-["message",{"_placeholder":true,"num":7}]',
        '451-["message",{"_placeholder":true,"num":"length"}]']) {
        const wire = await Wire.open(server);
        wire.send(head);
        await endsWith(wire, 1002);
      }
      const owes = await Wire.open(server);
      owes.send('451-["message",{"_placeholder":true,"num":0}]', '42["count"]');
      await endsWith(owes, 1002);
      const unasked = await Wire.open(server);
      unasked.send(Buffer.alloc(1000));
      await endsWith(unasked, 1002);
      const never = await Wire.open(server);
      never.send('451-["message",{"_placeholder":true,"num":0}]');
      await endsWith(never, 1002);
      const ten = Array.from({ length: 10 }, (_, i) => `{"_placeholder":true,"num":${i}}`).join(',');
      const heavy = await Wire.open(server);
      heavy.send(`4510-["message",${ten}]`, ...Array(10).fill(Buffer.alloc(90_000)));
      await endsWith(heavy, 1009);
    }),
  ));

  it('members_of_the_prototype_are_refused', () => unnoticed(async () => {
    for (const name of ['__proto__', 'constructor', 'prototype']) {
      const wire = await Wire.open(server);
      wire.send(`42["message",{"a":[{"${name}":{"polluted":true}}]}]`);
      await endsWith(wire, 1002);
    }
  }));

  it('reserved_and_misplaced_packets_end_the_connection', () => unnoticed(async () => {
    for (const packet of ['42["connect"]', '42["disconnecting",1]', '42["newListener"]', '42[]', '42{}',
      '42[null]', '44{"message":"no"}', '40', '42/other,["message"]', '47', '4', '4x',
      `40/${'n'.repeat(5000)},`, `42${'9'.repeat(30)}["message"]`, '9', '']) {
      const wire = await Wire.open(server);
      wire.send(packet);
      await wire.end();
    }
    for (const packet of ['42["message"]', '41', '430[]']) {
      const wire = await Wire.open(server, { join: false });
      wire.send(packet);
      await wire.end();
    }
    // What means nothing here ends nothing, as with the reference.
    const wire = await Wire.open(server);
    wire.send('43["no id"]', '5', '6', '42["message","on"]');
    await wire.next((p) => p === '42["message-back","on"]');
    wire.drop();
  }));

  it('a_message_too_large_is_closed_with_1009_or_answered_413', () => unnoticed(async () => {
    const large = `42["message","${'x'.repeat(PAYLOAD_BYTES)}"]`;
    const before = await metric(server, 'engineio_refused_total', { reason: 'too_big' });
    await bounded(server, 24, async () => {
      const wire = await Wire.open(server);
      wire.send(large);
      await endsWith(wire, 1009);
      const polling = await (await Polling.open(server)).join();
      assert.equal((await polling.post(large)).status, 413);
      assert.equal((await polling.get()).status, 400, 'the session has ended');
    });
    assert.ok(await metric(server, 'engineio_refused_total', { reason: 'too_big' }) >= before + 2);
    await server.awaitLine(/too_big/);
  }));

  it('half_finished_upgrades_end_and_polling_goes_on', () => unnoticed(async () => {
    const before = await sessions(server);
    const { fds } = usage(server.process.pid);
    const pollings = [];
    const wires = [];
    for (let i = 0; i < 100; i++) {
      const polling = await (await Polling.open(server)).join();
      const wire = await Wire.open(server, { query: `&sid=${polling.sid}`, join: false });
      if (i % 2 === 0) wire.send('2probe'); // and never `5`; the others say nothing at all
      pollings.push(polling);
      wires.push(wire);
    }
    await Promise.all(wires.map((w) => w.end()));
    await until('their descriptors', () => usage(server.process.pid).fds <= fds + 10);
    for (const polling of pollings.slice(0, 10)) {
      await polling.post('42["message","after"]');
      let said = [];
      while (!said.some((p) => p.startsWith('42["message-back"'))) said = await polling.packets();
      await polling.post('1');
    }
    await until('their end', async () => await sessions(server) <= before);
  }));

  it('two_upgrades_of_one_session_are_one_too_many', () => unnoticed(async () => {
    const polling = await (await Polling.open(server)).join();
    const first = await Wire.open(server, { query: `&sid=${polling.sid}`, join: false });
    first.send('2probe');
    await first.next((p) => p === '3probe');
    const second = await Wire.open(server, { query: `&sid=${polling.sid}`, join: false });
    await second.end();
    first.send('5', '42["message","on"]');
    await first.next((p) => p === '42["message-back","on"]');
    const late = await ask(server, 'GET', polling.path);
    assert.equal(late.status, 400);
    first.drop();
  }));

  it('abandoned_polls_and_handshakes_end_their_sessions', () => unnoticed(async () => {
    const count = SANITIZED ? 100 : 500;
    const before = await sessions(server);
    await bounded(server, 24, async () => {
      const opened = [];
      for (let i = 0; i < count; i++) {
        const polling = await Polling.open(server); // every third is never asked for again
        if (i % 3 !== 0) await polling.join();
        opened.push(polling);
      }
      assert.ok(await sessions(server) >= before + count * 0.6);
      const asked = opened.filter((_, i) => i % 3 === 1);
      const gets = asked.map((p) => p.get());
      await pause(100);
      for (const get of gets) get.req.destroy(); // in the middle of a poll
      await Promise.allSettled(gets);
      // Some had their ping before they went, and are missed after the time-out: a packet of theirs
      // would keep them alive.
      await until('the end of all', async () => await sessions(server) <= before, 4 * (PING_MS + PONG_MS));
      for (const polling of asked.slice(0, 20)) assert.equal((await polling.post('3')).status, 400);
    });
  }));

  it('two_polls_at_once_end_the_session', () => unnoticed(async () => {
    const polling = await (await Polling.open(server)).join();
    const first = polling.get();
    await pause(50);
    assert.equal((await polling.get()).status, 400);
    const { text } = await first;
    assert.ok(['1', '2'].includes(text), text);
    assert.equal((await polling.get()).status, 400);
  }));

  it('acks_that_are_never_given_are_bounded', () => unnoticed(async () => {
    const wire = await Wire.open(server);
    await bounded(server, 24, async () => {
      for (let i = 0; i < 20_000; i++) {
        wire.ws.send('42["ack"]');
        if (i % 1000 === 0) await until('the socket to drain', () => wire.ws.bufferedAmount < 100_000);
      }
      wire.send('42["message","end"]');
      await wire.next((p) => p === '42["message-back","end"]');
    });
    const asked = wire.heard.filter((p) => typeof p === 'string' && /^42\d+\["ack"\]$/.test(p));
    assert.ok(asked.length > 0 && asked.length < 5000, `${asked.length} acks are waited for`);
    // Those that nobody waits for are no crime, and change nothing.
    for (let i = 0; i < 1000; i++) wire.send(`43${1_000_000 + i}[]`);
    wire.send('42["message","later"]');
    await wire.next((p) => p === '42["message-back","later"]');
    wire.drop();
  }));

  it('a_polling_reader_that_does_not_come_back_loses_its_session_and_nobody_elses', () => unnoticed(async () => {
    const room = 'slow-poll';
    const slow = await (await Polling.open(server)).join();
    const [quick] = await Promise.all([connected(CLIENTS[0], server, { transports: ['websocket'] })]);
    await slow.post(`420["join","${room}"]`);
    assert.match((await slow.packets()).join(), /430\["ok slow-poll"\]/);
    await quick.ask('join', room);
    const count = 3000;
    const filling = 'x'.repeat(1000);
    const before = await metric(server, 'slow_readers_total');
    await bounded(server, 32, async () => {
      for (let i = 0; i < count; i++) {
        neighbours[0].socket.emit('broadcast', room, `${i} ${filling}`);
        if (i % 200 === 0) await neighbours[0].ask('message-with-ack', i);
      }
      await quick.first('message', { test: (text) => text.startsWith(`${count - 1} `) });
    });
    assert.deepEqual(quick.of('message').map(([text]) => Number(text.split(' ')[0])),
      Array.from({ length: count }, (_, i) => i));
    assert.equal(await metric(server, 'slow_readers_total'), before + 1);
    // What it finds now is the end of its session, not a gap in the middle.
    const left = await slow.packets();
    assert.ok(left.length < count, `${left.length} messages were kept`);
    assert.deepEqual(await slow.packets(), ['1']);
    assert.equal((await slow.get()).status, 400);
    quick.close();
  }));

  it('a_websocket_that_does_not_read_is_closed_as_slow', () => unnoticed(async () => {
    const room = 'slow-ws';
    const slow = await Wire.open(server);
    slow.send(`420["join","${room}"]`);
    await slow.next((p) => p === '430["ok slow-ws"]');
    slow.ws.pause();
    const before = await metric(server, 'slow_readers_total');
    await bounded(server, 48, async () => {
      const filling = 'x'.repeat(20_000);
      await until('the slow one to be left', async () => {
        for (let i = 0; i < 100; i++) neighbours[0].socket.emit('broadcast', room, filling);
        await neighbours[0].ask('message-with-ack');
        return await metric(server, 'slow_readers_total') > before;
      });
    });
    slow.drop();
  }));

  it('namespaces_and_rooms_of_a_connection_are_bounded', () => unnoticed(async () => {
    await bounded(server, 24, async () => {
      const wire = await Wire.open(server);
      for (let i = 0; i < 5000; i++) wire.send(`40/nobody-${i},`);
      wire.send('42["message","end"]');
      await wire.next((p) => p === '42["message-back","end"]');
      const refused = wire.heard.filter((p) => typeof p === 'string' && p.startsWith('44/nobody-'));
      assert.equal(refused.length, 5000);
      assert.match(refused[0], /"message":"Invalid namespace"/);
      for (let i = 0; i < 2000; i++) wire.send(`42${i}["join","room-${i}"]`);
      await wire.next((p) => p.startsWith('431999['));
      const joined = wire.heard.filter((p) => /^43\d+\["ok room-/.test(p)).length;
      const not = wire.heard.filter((p) => /^43\d+\["no room-/.test(p)).length;
      assert.ok(joined > 0 && joined <= 1000, `${joined} rooms`);
      assert.equal(joined + not, 2000);
      wire.drop();
    });
  }));

  it('who_joins_no_namespace_is_let_go', () => unnoticed(async () => {
    const wires = await Promise.all(Array.from({ length: 50 }, () => Wire.open(server, { join: false })));
    await Promise.all(wires.map((w) => w.end()));
    const polling = await Polling.open(server);
    await until('the end of the session', async () => {
      const got = await polling.get();
      return got.status === 400 || got.text.split('\x1e').includes('1');
    });
  }));

  it('requests_that_are_none_are_told_so', () => unnoticed(async () => {
    const codes = {
      '?EIO=4&transport=tesla': 0,
      '?EIO=4': 0,
      '?EIO=4&transport=polling&sid=nobody': 1,
      [`?EIO=4&transport=polling&sid=${'x'.repeat(5000)}`]: 1,
      '?EIO=4&transport=polling&sid=../../etc': 1,
      '?EIO=9&transport=polling': 5,
      '?transport=polling': 5,
    };
    for (const [query, code] of Object.entries(codes)) {
      const got = await ask(server, 'GET', `/socket.io/${query}`);
      assert.equal(got.status, 400, query);
      assert.equal(JSON.parse(got.text).code, code, query);
    }
    const post = await ask(server, 'POST', '/socket.io/?EIO=4&transport=polling', { body: '2' });
    assert.equal(JSON.parse(post.text).code, 2);
    const { sid } = await Polling.open(server);
    assert.match(sid, /^[\w-]{20}$/);
  }));
});

describe('the product, with its limits', () => {
  let server;
  let token;
  let neighbour;

  before(async () => {
    server = await startServer({ flags: ['--loops', '2', '--handshakes-per-s', '200'] });
    token = await server.cli('token', '--sub', 'olga', '--kind', 'user', '--role', 'operator', '--ttl', '1h');
    const other = await server.cli('token', '--sub', 'nina', '--kind', 'user', '--role', 'operator', '--ttl', '1h');
    neighbour = await connected(CLIENTS[0], server, { transports: ['websocket'], token: other });
  });
  after(async () => {
    neighbour?.close();
    await server?.stop();
  });

  /** One question a quarter of a second is within every limit. */
  async function unnoticed(attack) {
    let over = false;
    const talk = (async () => {
      do {
        const [answer] = await neighbour.ask('device:subscribe', {});
        assert.equal(answer.ok, true, JSON.stringify(answer));
        await pause(250);
      } while (!over);
    })();
    talk.catch(() => {}); // the attack may fail before
    try {
      await attack();
    } finally {
      over = true;
    }
    await talk;
    assert.equal(neighbour.of('disconnect').length, 0);
  }

  const join = () => ({ payload: JSON.stringify({ token }) });

  it('who_floods_is_told_to_wait_then_closed_with_4003', () => unnoticed(async () => {
    const wire = await Wire.open(server, join());
    const before = await metric(server, 'rate_limited_total');
    await bounded(server, 24, async () => {
      for (let i = 0; i < 20_000 && wire.ws.readyState === 1; i++) {
        wire.ws.send(`42${i}["device:subscribe",{}]`);
        if (i % 100 === 0) await pause(0);
      }
      await wire.end();
    });
    const refused = wire.heard.filter((p) => p.includes?.('RATE_LIMIT_EXCEEDED'));
    assert.ok(refused.length > 10, `${refused.length} refusals`);
    assert.match(refused.at(-1), /"retryAfterMs":\d+/);
    const closing = wire.heard.find((p) => p.startsWith?.('42["closing"'));
    assert.equal(JSON.parse(closing.slice(2))[1].code, 4003);
    assert.ok(wire.heard.includes('41'), 'and DISCONNECT, so that it does not come back at once');
    assert.ok(await metric(server, 'rate_limited_total') > before);
  }));

  it('a_client_learns_that_it_was_sent_away', () => unnoticed(async () => {
    const talker = await connected(CLIENTS[0], server, { transports: ['websocket'], token });
    for (let i = 0; i < 2000; i++) talker.socket.emit('device:subscribe', {});
    const [closing] = await talker.first('closing');
    assert.equal(closing.reconnect, 'never');
    const [reason] = await talker.first('disconnect');
    assert.equal(reason, 'io server disconnect');
    talker.close();
  }));

  it('a_flood_of_bad_tokens_costs_no_more_than_its_refusals', () => unnoticed(async () => {
    const before = await metric(server, 'auth_failures_total');
    await bounded(server, 24, async () => {
      for (let i = 0; i < 100; i++) {
        const wire = await Wire.open(server, { join: false });
        wire.send(`40{"token":"${'x'.repeat(3000)}${i}"}`);
        await wire.end();
        assert.match(wire.heard.join(), /44\{"message":.*AUTHENTICATION_FAILED/);
        await pause(5);
      }
    });
    assert.ok(await metric(server, 'auth_failures_total') >= before + 100);
  }));

  it('a_storm_of_handshakes_from_one_address_is_cut', () => unnoticed(async () => {
    const refusedBefore = await metric(server, 'refused_total');
    await bounded(server, 24, async () => {
      const tries = await Promise.allSettled(Array.from({ length: 1500 }, () => (
        ask(server, 'GET', '/socket.io/?EIO=4&transport=polling', { agent: false })
      )));
      const opened = tries.filter((t) => t.value?.status === 200).length;
      assert.ok(opened >= 10 && opened < 1200, `${opened} of 1500 handshakes got through`);
      await until('the count', async () => {
        try {
          return await metric(server, 'refused_total') > refusedBefore;
        } catch {
          return false; // we are that address too
        }
      });
    });
  }));
});
