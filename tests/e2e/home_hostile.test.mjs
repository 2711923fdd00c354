// Bad frames and bad readers on /ws (CONTRACT 4 and 8): each is answered or ended as the contract
// says, and a good client beside them, which pings all the time, does not notice.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { bare, upgradeRequest } from './lib/bare.mjs';
import { until } from './lib/clients.mjs';
import { deaf } from './lib/deaf.mjs';
import { House, SOON_MS, home } from './lib/home.mjs';
import { device } from './lib/monitor.mjs';
import { SLOWNESS, startServer, within } from './lib/server.mjs';

const PING_EVERY_MS = 150;
const PONG_MS_MAX = 500 * SLOWNESS;
const QUEUE = 32;

/** A frame of a client; `bytes` may be fewer than `claims`. */
function frame(opcode, bytes = '', { fin = true, rsv = 0, masked = true, claims } = {}) {
  const payload = Buffer.from(bytes);
  const length = claims ?? payload.length;
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  const bit = masked ? 0x80 : 0;
  if (length < 126) head.push(bit | length);
  else if (length < 65536) head.push(bit | 126, length >> 8, length & 255);
  else {
    const wide = Buffer.alloc(8);
    wide.writeBigUInt64BE(BigInt(length));
    head.push(bit | 127, ...wide);
  }
  const mask = masked ? randomBytes(4) : Buffer.alloc(0);
  if (masked) payload.forEach((b, i) => (payload[i] = b ^ mask[i & 3]));
  return Buffer.concat([Buffer.from(head), mask, payload]);
}

const PING = '{"type":"ping"}';

/** A good client beside the others, which pings all the time; check() fails unless each ping was
 * answered soon. */
async function goodClient(server) {
  const good = await home(server);
  const late = [];
  let asked = 0;
  const pinging = setInterval(() => {
    const at = Date.now();
    asked++;
    good.next('pong').then(() => late.push(Date.now() - at), () => {});
    good.send({ type: 'ping' });
  }, PING_EVERY_MS);
  good.check = async () => {
    clearInterval(pinging);
    await until('every ping of the good client is answered', () => late.length === asked);
    late.sort((a, b) => a - b);
    const p99 = late[Math.floor(late.length * 0.99)];
    assert.ok(p99 < PONG_MS_MAX, `p99 of the good client's pings: ${p99} ms of ${late.length}`);
    assert.deepEqual(good.of('error'), []);
    good.ws.terminate();
  };
  return good;
}

describe('bad frames', () => {
  let server;
  let house;
  let good;

  before(async () => {
    server = await startServer({
      flags: ['--loops', '1', '--handshakes-per-s', '10000', '--home-idle-ms', '1500', '--close-wait-ms', '500',
        '--home-ping-ms', '400'],
    });
    house = new House(server, await server.cli('token', '--sub', 'olga', '--role', 'operator'));
    good = await goodClient(server);
  });
  after(async () => {
    await good.check();
    await server.stop();
  });

  /** A raw socket on /ws; `closed()` is the code of the server's close frame. */
  async function open() {
    const peer = await bare(server);
    peer.write(upgradeRequest(server, '/ws'));
    await until('the upgrade', () => peer.text.includes('"connection"'));
    peer.say = (...frames) => {
      for (const f of frames) peer.socket.write(f);
      return peer;
    };
    peer.messages = () => [...peer.text.matchAll(/\{"type":"(\w+)"/g)].map(([, type]) => type);
    peer.closed = async () => {
      await peer.end();
      const all = Buffer.concat(peer.chunks);
      for (let at = all.indexOf('\r\n\r\n') + 4; at < all.length;) { // frame by frame
        const [opcode, short] = [all[at] & 15, all[at + 1]];
        const length = short < 126 ? short : all.readUInt16BE(at + 2);
        const body = at + (short < 126 ? 2 : 4);
        if (opcode === 8) return all.readUInt16BE(body);
        at = body + length;
      }
      return null;
    };
    return peer;
  }

  const CLOSES = {
    'too large by one byte': [1009, frame(1, PING.padEnd(513))],
    'much too large': [1009, frame(1, PING.padEnd(100_000))],
    'said to have 2^62 bytes': [1009, frame(1, '{', { claims: 2 ** 62 })],
    'too large in fragments': [1009, ...Array.from({ length: 18 },
      (_, i) => frame(i === 0 ? 1 : 0, ' '.repeat(30), { fin: i === 17 }))],
    'too large in fragments that never end': [1009, ...Array.from({ length: 600 },
      (_, i) => frame(i === 0 ? 1 : 0, ' ', { fin: false }))],
    binary: [1003, frame(2, PING)],
    'text that is not UTF-8': [1007, frame(1, Buffer.from([0x22, 0xc3, 0x28, 0x22]))],
    'not masked': [1002, frame(1, PING, { masked: false })],
    'with a reserved bit': [1002, frame(1, PING, { rsv: 1 })],
    'of a reserved opcode': [1002, frame(3, PING)],
    'a control frame in fragments': [1002, frame(9, 'x', { fin: false })],
    'a control frame of 126 bytes': [1002, frame(9, 'x'.repeat(126))],
    'a fragment of nothing': [1002, frame(0, PING)],
    'a message inside another': [1002, frame(1, '{"ty', { fin: false }), frame(1, PING)],
  };
  for (const [name, [code, ...frames]] of Object.entries(CLOSES)) {
    it(`${name}: closed ${code}`, async () => {
      const peer = await open();
      peer.say(...frames);
      assert.equal(await peer.closed(), code);
      assert.ok(!peer.messages().includes('pong'));
    });
  }

  const deep = (n) => `{"type":"ping","data":{"a":${'['.repeat(n)}${']'.repeat(n)}}}`;
  const REFUSED = {
    'no JSON': ['hello', 'invalid_json'],
    'an empty frame': ['', 'invalid_json'],
    'two documents': [`${PING}${PING}`, 'invalid_json'],
    'half a document': [PING.slice(0, -1), 'invalid_json'],
    'JSON with a comment': ['{"type":"ping" // hi\n}', 'invalid_json'],
    'half a surrogate': ['{"type":"\\ud800"}', /^invalid_/],
    'brackets to the end': ['['.repeat(512), 'invalid_json'],
    'deeper than a payload may be': [deep(40), /^invalid_/],
    'a key that is somebody\'s prototype': ['{"type":"ping","data":{"__proto__":{}}}', /^invalid_/],
    'an array': ['[{"type":"ping"}]', 'invalid_message'],
    'a number': ['7', 'invalid_message'],
    'no type': ['{"data":{}}', 'invalid_message'],
    'a type that is no text': ['{"type":7}', 'invalid_message'],
    'an unknown type': ['{"type":"heartbeat"}', 'unknown_type'],
    'a type of the future': ['{"type":"auth_refresh","data":{"token":"x"}}', 'unknown_type'],
    'data that is no object': ['{"type":"subscribe_room","data":[]}', 'invalid_message'],
    'an id that is an object': ['{"type":"ping","id":{}}', 'invalid_message'],
    'a room that is a text': ['{"type":"subscribe_room","data":{"room_id":"1"}}', 'invalid_message'],
    'a room that is too large': ['{"type":"subscribe_room","data":{"room_id":1e300}}', 'invalid_message'],
    'a room below one': ['{"type":"subscribe_room","data":{"room_id":-1}}', /^(invalid_message|not_found)$/],
  };
  it('what is refused keeps the connection, each with its code', async () => {
    for (const [name, [text, code]] of Object.entries(REFUSED)) {
      const c = await home(server);
      c.send(text);
      const { data } = await c.first('error').catch((error) => assert.fail(`${name}: ${error}`));
      if (typeof code === 'string') assert.equal(data.code, code, name);
      else assert.match(data.code, code, name);
      await c.sync();
      assert.equal(c.of('error').length, 1, name);
      c.ws.terminate();
    }
  });

  it('a message in single bytes is a message, with pings between them', async () => {
    const peer = await open();
    [...PING].forEach((byte, i) => {
      peer.say(frame(i === 0 ? 1 : 0, byte, { fin: i === PING.length - 1 }), frame(9, 'x'));
    });
    await until('pong', () => peer.messages().includes('pong'));
    peer.reset();
  });

  it('a flood is answered up to the burst and then closed', async () => {
    for (const text of [PING, '{', '{"type":"dance"}']) {
      const c = await home(server);
      for (let i = 0; i < 3000; i++) c.send(text);
      assert.equal((await c.closedWithin()).code, 1008);
      assert.ok(c.of('pong').length <= 40, `${c.of('pong').length} pongs`);
      assert.ok(c.of('error').length <= 10, `${c.of('error').length} errors`);
    }
  });

  it('half a frame, and nothing more, is ended', async () => {
    const peer = await open();
    peer.say(frame(1, '{"type"', { claims: 100 }));
    await peer.end();
    await server.awaitLine(new RegExp(`"event":"conn.close".*"reason":"timeout".*:${peer.port}"`));
  });

  it('a hundred that come and vanish leave nothing', async () => {
    const { connected_clients: then } = await house.stats();
    const peers = await Promise.all(Array.from({ length: 100 }, open));
    peers.forEach((p, i) => (i % 2 === 0 ? p.reset() : p.socket.end()));
    await until('they are gone', async () => (await house.stats()).connected_clients <= then);
    for (const p of peers) p.socket.destroy();
  });
});

describe('slow readers', () => {
  let server;
  let house;
  let good;

  before(async () => {
    server = await startServer({ flags: ['--loops', '1', '--home-queue-max', `${QUEUE}`,
      '--home-write-ms', '60000'] });
    house = new House(server, await server.cli('token', '--sub', 'olga', '--role', 'operator'));
    good = await goodClient(server);
  });
  after(async () => {
    await good.check();
    await server.stop();
  });

  /** A device whose samples are the states of `n` entities; say(value) sets them all. */
  async function source(n) {
    const { id, key } = await server.addDevice(`source ${n}`);
    const { id: room } = await house.room(`of ${n}`);
    for (let i = 0; i < n; i++) {
      await house.entity(`sensor.s${i}`, { room_id: room, device_id: id, capability: `s${i}` });
    }
    const peer = await device(server, key);
    let stamp = 0;
    return {
      room,
      say: (value) => peer.ask('telemetry', Array.from({ length: n }, (_, i) => ({
        sensorType: `s${i}`, value, unit: 'C', timestamp: (stamp = Math.max(Date.now(), stamp + 1)),
      }))),
      end: () => peer.end(),
    };
  }

  it('who never reads gets the newest states, or is closed as slow; nobody else waits', async (t) => {
    const sensors = await source(16);
    const other = new House(server, await server.cli('token', '--sub', 'otto', '--role', 'operator'));
    const returning = await deaf(t, server, '/ws');
    const lost = await deaf(t, server, '/ws', {
      type: 'subscribe_room', data: { room_id: sensors.room },
    });
    // As long as all sensors wait for both, each value more takes the place of one.
    const both = async () => (await house.ask('GET', '/connections?wire=home', undefined, 200))
      .filter((row) => row.queuedMessages >= 16).length === 2;
    let value = 0;
    await until('their sockets are full', async () => {
      for (let i = 0; i < 5; i++) await sensors.say(++value);
      return both();
    });
    // The kernel may take some more now and then, and then what comes is the first of its sensor again.
    await until('values take the place of others', async () => {
      await sensors.say(++value);
      return Number((await server.get('/metrics')).text.match(/^signalbox_merged_total (\d+)/m)[1]) >= 2 * 16 * 5;
    });
    const heard = await returning.listen();
    assert.equal(heard.code, null, 'still connected');
    const of = (name) => heard.messages.filter((m) => m.type === 'entity_state_changed' &&
      m.data.entity_id === name).map((m) => Number(m.data.new_state));
    for (let i = 0; i < 16; i++) {
      const values = of(`sensor.s${i}`);
      assert.ok(values.length < value, 'some were merged');
      assert.equal(values.at(-1), value, 'the newest arrived');
      values.reduce((a, b) => (assert.ok(b > a, 'in order'), b));
    }
    // Ordered events are not merged: the one that still does not read is closed, and told why.
    const { id } = await house.room('often renamed');
    const closed = server.awaitLine(
      new RegExp(`"event":"conn.close".*"reason":"slow_reader".*:${lost.port}"`), SOON_MS);
    let over = false;
    closed.then(() => (over = true), () => {});
    let renamed = 0;
    const names = [house, other];
    while (!over && renamed < 20 * QUEUE) {
      await names[renamed % 2].rename(id, `name ${++renamed}`);
      await new Promise((resolve) => setTimeout(resolve, 15)); // REST has a rate
    }
    await closed;
    await good.first('room_updated', { test: (m) => m.data.room_name === `name ${renamed}` });
    assert.equal(good.of('room_updated').filter((m) => m.data.room_id === id).length, 1 + renamed);
    assert.equal(good.states('sensor.s0').length, 1 + 1 + value, 'the good one missed none');
    await within(SOON_MS, 'end of the device', sensors.end());
  });
});
