// Slow, silent, flooding, oversized and lying peers: each is bounded, answered as the protocols
// say, named in the log, and nobody else notices.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { bare, say, upgradeRequest, usage } from './lib/bare.mjs';
import { until } from './lib/clients.mjs';
import { deaf } from './lib/deaf.mjs';
import { connect, device, rowOf, viewer } from './lib/monitor.mjs';
import { PATIENCE, SANITIZED, SLOWNESS, startServer, within } from './lib/server.mjs';

// Slow is whoever takes longer than this: more than a busy machine keeps an honest peer waiting.
const HEADER_MS = 750 * PATIENCE;
const BODY_MS = 750 * PATIENCE;
const WRITE_DEADLINE_MS = 10_000; // of the Monitor wire
const SOON_MS = 10_000 * PATIENCE;
const CYCLES = Number(process.env.SIGNALBOX_CYCLES ?? 2000);

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const FLAGS = [
  '--http-header-timeout-ms', `${HEADER_MS}`,
  '--http-body-timeout-ms', `${BODY_MS}`,
  '--http-header-bytes-max', '16384',
  '--http-body-bytes-max', '65536',
  '--close-wait-ms', `${500 * PATIENCE}`,
  '--handshakes-per-s', '1000000',
];

/** The log line that names this peer. */
const named = (server, event, peer, more = '') =>
  server.awaitLine(new RegExp(`"event":"${event}".*${more}.*"127\\.0\\.0\\.1:${peer.port}"`));

const alive = async (server) => assert.equal((await server.get('/health/live')).status, 200);

describe('hostile', { concurrency: true }, () => {
  let server;
  let host;

  before(async () => {
    server = await startServer({ flags: FLAGS });
    host = `Host: ${server.host}:${server.port}\r\n`;
  });
  after(() => server.stop());

  it('slow_head_is_answered_408_and_logged', async () => {
    const peer = await bare(server);
    peer.write(`GET /health/live HTTP/1.1\r\n${host}`);
    const drip = setInterval(() => peer.write('X-Slow: 1\r\n'), 100);
    try {
      await peer.end();
    } finally {
      clearInterval(drip);
    }
    assert.equal(peer.status, 408);
    assert.match(peer.text, /\r\nConnection: close\r\n/i);
    await named(server, 'http.refused', peer, '"status":408');
  });

  it('slow_body_is_answered_408_and_logged', async () => {
    const peer = await bare(server);
    peer.write(`POST /api/v1/auth/login HTTP/1.1\r\n${host}Content-Length: 100\r\n`);
    peer.write('Content-Type: application/json\r\n\r\n{"user');
    await peer.end();
    assert.equal(peer.status, 408);
    await named(server, 'http.refused', peer, '"status":408');
  });

  it('half_an_upgrade_is_answered_408', async () => {
    const peer = await bare(server);
    peer.write(upgradeRequest(server, '/api/v1/devices/self/ws').slice(0, -20));
    await peer.end();
    assert.equal(peer.status, 408);
    await named(server, 'http.refused', peer);
  });

  it('a_hundred_silent_sockets_are_closed_and_nobody_notices', async () => {
    const peers = await Promise.all(Array.from({ length: 100 }, () => bare(server)));
    await alive(server);
    await Promise.all(peers.map((p) => p.end()));
    for (const p of peers) assert.equal(p.text, '');
    await named(server, 'conn.close', peers[0], '"reason":"header_timeout"');
  });

  it('head_over_the_limit_is_answered_431', async () => {
    const bombs = [
      `X-Bomb: ${'a'.repeat(17000)}\r\n`,
      Array.from({ length: 2000 }, (_, i) => `X-${i}: 1\r\n`).join(''),
    ];
    for (const bomb of bombs) {
      const peer = await say(server, `GET /health/live HTTP/1.1\r\n${host}${bomb}\r\n`);
      assert.equal(peer.status, 431);
      await named(server, 'http.refused', peer, '"status":431');
    }
    const endless = await say(server, `GET /health/live HTTP/1.1\r\n${host}`, 'X'.repeat(100_000));
    assert.equal(endless.status, 431);
    const long = await say(server, `GET /${'a'.repeat(9000)} HTTP/1.1\r\n${host}\r\n`);
    assert.equal(long.status, 414);
  });

  it('body_over_the_limit_is_answered_413_before_it_is_read', async () => {
    const head = `POST /api/v1/auth/login HTTP/1.1\r\n${host}Content-Type: application/json\r\n`;
    const said = await say(server, `${head}Content-Length: 10000000000\r\n\r\n`);
    assert.equal(said.status, 413);
    await named(server, 'http.refused', said, '"status":413');
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
    const chunked = await say(server, `${head}Transfer-Encoding: chunked\r\n\r\n`, chunk.repeat(6));
    assert.equal(chunked.status, 413);
    await named(server, 'http.refused', chunked, '"status":413');
  });

  it('who_does_not_leave_after_a_refusal_is_left', async () => {
    const peer = await bare(server);
    peer.write('nonsense\r\n\r\n');
    await peer.ended; // the server's half; ours stays open and sends on
    const gone = new Promise((resolve) => peer.socket.on('close', resolve));
    const drip = setInterval(() => peer.write('x'), 50);
    await within(SOON_MS, 'reset', gone).finally(() => clearInterval(drip));
  });

  it('garbage_is_answered_400_or_dropped', async () => {
    const hello = Buffer.from('16030100c8010000c40303', 'hex').toString('latin1');
    const garbage = [
      '\r\n\r\n\0\0\0\0',
      `${hello}${'\x55'.repeat(200)}`,
      'GET\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      'get / http/1.1\r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      `GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`,
      'GET / HTTP/1.1\r\n\r\n',
      '\x80\x81\x82\xff\xfe\n\n',
    ];
    for (const bytes of garbage) {
      const peer = await say(server, bytes);
      assert.ok([400, 501, 505].includes(peer.status), `${JSON.stringify(bytes)}: ${peer.text}`);
      await named(server, 'http.refused', peer);
    }
    const random = Array.from({ length: 50 }, () =>
      Buffer.from(Array.from({ length: 300 }, () => Math.floor(Math.random() * 256))));
    for (const bytes of random) {
      const peer = await bare(server);
      peer.write(bytes.toString('latin1'));
      peer.socket.end();
      assert.doesNotMatch(await peer.end(), /^HTTP\/1\.1 2/);
    }
    await alive(server);
  });

  it('smuggling_ends_in_one_400_and_a_close', async () => {
    const inner = `GET /health/live HTTP/1.1\r\n${host}\r\n`;
    const post = 'POST /api/v1/auth/login HTTP/1.1\r\n';
    const json = 'Content-Type: application/json\r\n';
    const attempts = {
      both_lengths: `${post}${host}${json}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      both_lengths_turned: `${post}${host}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n`,
      two_lengths: `${post}${host}Content-Length: 0\r\nContent-Length: 44\r\n\r\n`,
      listed_lengths: `${post}${host}Content-Length: 0, 44\r\n\r\n`,
      signed_length: `${post}${host}Content-Length: +0\r\n\r\n`,
      negative_length: `${post}${host}Content-Length: -1\r\n\r\n`,
      hex_length: `${post}${host}Content-Length: 0x10\r\n\r\n`,
      huge_length: `${post}${host}Content-Length: 99999999999999999999\r\n\r\n`,
      space_before_colon: `${post}${host}Content-Length : 44\r\n\r\n`,
      folded: `${post}${host}X-A: 1\r\n Content-Length: 44\r\n\r\n`,
      odd_coding: `${post}${host}Transfer-Encoding: xchunked\r\n\r\n`,
      coding_twice: `${post}${host}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      coding_then_identity: `${post}${host}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
      tab_coding: `${post}${host}Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n`,
      coding_in_1_0: `POST /api/v1/auth/login HTTP/1.0\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      bare_line_feeds: `${post}${host}X: 1\nContent-Length: 44\r\n\r\n`,
      bare_return: `${post}${host}X: 1\rContent-Length: 44\r\n\r\n`,
      nul_in_value: `${post}${host}X: a\0b\r\n\r\n`,
      chunk_size_signed: `${post}${host}${json}Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n`,
      chunk_size_hex_prefix: `${post}${host}${json}Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n`,
      chunk_size_overflow: `${post}${host}${json}Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n{}\r\n0\r\n\r\n`,
      chunk_without_end: `${post}${host}${json}Transfer-Encoding: chunked\r\n\r\n2\r\n{}X\r\n0\r\n\r\n`,
      chunk_line_feed: `${post}${host}${json}Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n`,
    };
    for (const [name, bytes] of Object.entries(attempts)) {
      const peer = await say(server, bytes + inner);
      const answers = peer.text.match(/HTTP\/1\.1 \d{3}/g) ?? [];
      assert.equal(answers.length, 1, `${name}: ${peer.text}`);
      assert.ok([400, 413, 501].includes(peer.status), `${name}: ${peer.text}`);
      assert.match(peer.text, /\r\nConnection: close\r\n/i, name);
      await named(server, 'http.refused', peer);
    }
  });

  it('frames_that_break_the_rules_close_with_their_code', async () => {
    const { id } = await server.addDevice('frames');
    const cases = [
      [1003, 'unsupported', (ws) => ws.send(Buffer.from('{}'), { binary: true })],
      [1007, 'bad_utf8', (ws) => ws.send(Buffer.from([0x7b, 0xff, 0xfe]), { binary: false })],
      [1009, 'too_big', (ws) => ws.send('x'.repeat(300_000))],
    ];
    for (const [code, reason, act] of cases) {
      const peer = await viewer(server, id);
      const port = peer.ws._socket.localPort;
      act(peer.ws);
      assert.equal((await peer.closedWithin()).code, code);
      await named(server, 'conn.close', { port }, `"reason":"${reason}"`);
    }
    const raw = async (bytes) => {
      const peer = await bare(server);
      peer.write(upgradeRequest(server, `/api/v1/devices/${id}/ws`));
      peer.write(bytes);
      return peer.end();
    };
    const closeFrame = (code) => String.fromCharCode(0x88) + '[^]' + String.fromCharCode(code >> 8, code & 255);
    const protocol = new RegExp(closeFrame(1002));
    assert.match(await raw('\x81\x02{}'), protocol, 'not masked');
    assert.match(await raw('\xc1\x80\0\0\0\0'), protocol, 'a reserved bit');
    assert.match(await raw('\x83\x80\0\0\0\0'), protocol, 'a reserved opcode');
    assert.match(await raw('\x09\x80\0\0\0\0'), protocol, 'a fragmented ping');
    assert.match(await raw('\x80\x80\0\0\0\0'), protocol, 'a continuation of nothing');
  });

  it('a_flood_of_frames_is_closed_4003', async () => {
    const { id } = await server.addDevice('flood');
    const calm = await viewer(server, id);
    const peer = await viewer(server, id);
    const port = peer.ws._socket.localPort;
    for (let i = 0; i < 2000; i++) peer.send({ type: 'ping' });
    assert.equal((await peer.closedWithin()).code, 4003);
    assert.ok(peer.of('pong').length <= 40, `${peer.of('pong').length} pings answered`);
    await named(server, 'conn.close', { port }, '"reason":"flooding"');
    const asked = Date.now();
    calm.send({ type: 'ping' });
    await calm.first('pong');
    assert.ok(Date.now() - asked < 1000 * SLOWNESS);
    await calm.end();
  });

  it('who_never_reads_is_bounded_gets_the_newest_and_disturbs_nobody', { timeout: 60_000 * PATIENCE },
    async (t) => {
      const { id, key } = await server.addDevice('slow');
      const reporting = await device(server, key);
      const prompt = await viewer(server, id, ['metrics']);
      const late = [];
      let sent = 0;
      let stamp = 0;
      prompt.ws.on('message', (data) => {
        const { type, data: d } = JSON.parse(data.toString());
        if (type === 'metrics') late.push(Date.now() - d.network.upload);
      });
      const subscribe = { type: 'subscribe', channels: ['metrics'] };
      const [returning, lost] = await Promise.all([1, 2].map(() => (
        deaf(t, server, `/api/v1/devices/${id}/ws`, subscribe)
      )));
      await pause(200);
      const before = usage(server.process.pid).rssKib;
      const began = Date.now();
      const flow = setInterval(() => {
        for (let i = 0; i < 3; i++) {
          const data = rowOf(++sent);
          delete data.row;
          data.network.upload = Date.now();
          stamp = Math.max(Date.now(), stamp + 1); // of two at one time the second is not newer
          data.timestamp = stamp;
          reporting.send({ type: 'metrics', data });
        }
      }, 20);
      const merged = async () => {
        const { text } = await server.get('/metrics');
        return Number(text.match(/^signalbox_merged_total (\d+)/m)[1]);
      };
      const until = Date.now() + SOON_MS;
      while ((await merged()) < 400) {
        assert.ok(Date.now() < until, 'their sockets never filled up');
        await pause(100);
      }
      // The one comes back: old values were merged away, the newest is there.
      const upTo = sent;
      const kept = await returning.listen();
      assert.equal(kept.code, null, 'still connected');
      const values = kept.messages.filter((m) => m.type === 'metrics').map((m) => m.data.memory.used);
      assert.ok(values.at(-1) >= upTo, `${values.at(-1)} of ${upTo}`);
      assert.ok(values.length < values.at(-1) - 50, 'values in between were merged');
      values.reduce((a, b) => (assert.ok(b > a, 'in order'), b));
      // The other never does, and is given up.
      await server.awaitLine(
        new RegExp(`"event":"conn.close".*"reason":"write_timeout".*:${lost.port}"`),
        WRITE_DEADLINE_MS + SOON_MS,
      );
      clearInterval(flow);
      const grown = usage(server.process.pid).rssKib - before;
      await reporting.ask('heartbeat');
      await prompt.first('metrics', { test: (m) => m.data.memory.used === sent });
      late.sort((a, b) => a - b);
      const p99 = late[Math.floor(late.length * 0.99)];
      t.diagnostic(`${sent} samples in ${Date.now() - began} ms; the prompt viewer got ` +
        `${late.length}, p99 ${p99} ms; the slow one ${values.length}; memory +${grown} KiB`);
      assert.equal(late.length, sent, 'the prompt viewer missed some');
      // Far below the time for which the slow one is waited for, far above a busy machine's turn.
      assert.ok(p99 < 500 * SLOWNESS, `p99 ${p99} ms`);
      if (!SANITIZED) assert.ok(grown < 8192, `${grown} KiB`);
      await Promise.all([reporting.end(), prompt.end()]);
    });
});

describe('hostile_counts', () => {
  it('connecting_and_dropping_leaves_nothing', { timeout: 120_000 * PATIENCE }, async (t) => {
    // No short time-outs here: a peer that a busy machine keeps from its first byte is no fault.
    const server = await startServer({ flags: ['--handshakes-per-s', '1000000'] });
    t.after(() => server.stop());
    const { id, key } = await server.addDevice('cycles');
    const upgrade = upgradeRequest(server, `/api/v1/devices/${id}/ws`);
    const asDevice = upgradeRequest(server, '/api/v1/devices/self/ws', [`Authorization: Bearer ${key}`]);
    const kinds = [
      async (p) => p.reset(),
      async (p) => p.write('GET /hea').reset(),
      async (p) => p.write(`GET /health/live HTTP/1.1\r\nHost: ${server.host}\r\n\r\n`).socket.destroy(),
      async (p) => {
        p.write(upgrade);
        await within(SOON_MS, 'the upgrade', new Promise((resolve) => p.socket.once('data', resolve)));
        p.reset();
      },
      async (p) => {
        p.write(asDevice);
        await within(SOON_MS, 'the upgrade', new Promise((resolve) => p.socket.once('data', resolve)));
        p.write('\x81\x80').socket.destroy();
      },
    ];
    let done = 0;
    const cycles = async (count) => {
      const end = done + count;
      const lane = async () => {
        while (done < end) await kinds[done++ % kinds.length](await bare(server));
      };
      await Promise.all(Array.from({ length: 20 }, lane));
    };
    const settled = async (fds) => {
      const until = Date.now() + SOON_MS;
      let now = usage(server.process.pid);
      while (now.fds > fds && Date.now() < until) {
        await pause(100);
        now = usage(server.process.pid);
      }
      return now;
    };
    const idle = usage(server.process.pid);
    await cycles(500); // buffers and tables grow to their working size once
    const before = await settled(idle.fds);
    const began = Date.now();
    await cycles(CYCLES);
    const after = await settled(before.fds);
    t.diagnostic(`${CYCLES} cycles in ${Date.now() - began} ms: descriptors ${before.fds} -> ${after.fds}, ` +
      `resident ${before.rssKib} -> ${after.rssKib} KiB`);
    assert.equal(after.fds, idle.fds);
    // A device's connection, and a viewer's, leave a row in connection_logs, and SQLite keeps pages
    // of them: up to 24 MiB over all its connections, whatever the number of cycles.
    const cached = Math.min(24 * 1024, 2 * CYCLES / kinds.length);
    const grown = after.rssKib - before.rssKib;
    if (!SANITIZED) assert.ok(grown < 2048 + cached, `${before.rssKib} -> ${after.rssKib} KiB`);
    // Its socket is closed before a viewer is counted out: soon, and for good.
    await until('nobody is counted', async () => {
      const { text } = await server.get('/metrics');
      return /^signalbox_connections\{wire="monitor",client_type="client"\} 0$/m.test(text);
    }, SOON_MS);
  });

  it('an_address_that_opens_too_many_is_closed_and_logged', async () => {
    const server = await startServer({ flags: ['--connections-per-address-max', '20', '--handshakes-per-s', '1000'] });
    const peers = await Promise.all(Array.from({ length: 20 }, () => bare(server)));
    await pause(200);
    const more = await bare(server);
    await more.end();
    assert.equal(more.text, '');
    await server.awaitLine(/"event":"conn.refused".*"peer":"127\.0\.0\.1/);
    peers[0].socket.destroy();
    await pause(200);
    await alive(server);
    for (const p of peers) p.socket.destroy();
    await server.stop();
  });

  it('too_many_handshakes_a_second_are_closed_and_logged', async () => {
    const server = await startServer({ flags: ['--handshakes-per-s', '10'] });
    const peers = await Promise.all(Array.from({ length: 40 }, () => bare(server)));
    await server.awaitLine(/"event":"conn.refused".*"handshake_rate"/);
    for (const p of peers) p.socket.destroy();
    await pause(1100);
    await alive(server);
    await server.stop();
  });
});
