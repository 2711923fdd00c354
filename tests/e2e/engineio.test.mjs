// Engine.IO by the protocol's own words, and what it refuses: the echo of the conformance setting.
import assert from 'node:assert/strict';
import test, { after, before, describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { bare } from './lib/bare.mjs';
import { until } from './lib/clients.mjs';
import { Frames, Polling, SEPARATOR, polling, upgrade, websocket } from './lib/engineio.mjs';
import { SLOWNESS, startServer, within } from './lib/server.mjs';

const MAX_PAYLOAD = 1_000_000;
const UPGRADE_MS = 1200;

// The same on one loop and on several: then each connection may land anywhere.
for (const loops of [1, 4]) {
  describe(`--loops ${loops}`, () => {
    let server;
    const counted = async (row) => {
      const { text } = await server.get('/metrics');
      return Number(text.split('\n').find((l) => l.startsWith(`${row} `))?.split(' ')[1] ?? 0);
    };
    const refused = (reason) => counted(`signalbox_engineio_refused_total{reason="${reason}"}`);

    before(async () => {
      server = await startServer({
        flags: ['--conformance', 'on', '--loops', `${loops}`, '--log-level', 'debug',
          '--engineio-upgrade-timeout-ms', `${UPGRADE_MS}`, '--engineio-cookie', 'io',
          '--allowed-origins', 'https://app.example'],
      });
    });
    after(() => server.stop());

    describe('handshake', () => {
      test('polling answers the open packet alone', async () => {
        const s = await polling(server);
        assert.equal(s.handshake.status, 200);
        assert.equal(s.handshake.headers.get('content-type'), 'text/plain; charset=UTF-8');
        assert.equal(s.handshake.headers.get('cache-control'), 'no-store');
        assert.deepEqual(s.hello, { sid: s.sid, upgrades: ['websocket'], pingInterval: 25000,
          pingTimeout: 20000, maxPayload: MAX_PAYLOAD });
        assert.match(s.sid, /^[\w-]{20}$/);
      });

      test('websocket begins with the open packet and offers no upgrade', async () => {
        const s = await websocket(server);
        assert.deepEqual(s.hello, { sid: s.sid, upgrades: [], pingInterval: 25000,
          pingTimeout: 20000, maxPayload: MAX_PAYLOAD });
        s.socket.close();
        await s.end();
      });

      test('the path works without its last slash', async () => {
        assert.equal((await new Polling(server, { path: '/engine.io' }).open()).sid.length, 20);
      });

      test('ids differ, name the loop first and never reach the log', async () => {
        const sids = await Promise.all(Array.from({ length: 20 }, async () =>
          (await polling(server)).sid));
        assert.equal(new Set(sids).size, 20);
        for (const sid of sids) {
          assert.ok('ABCDEFGH'.indexOf(sid[0]) < loops);
          assert.ok(!server.log.includes(sid));
        }
      });

      test('a cookie holds the id, on polling only', async () => {
        const s = await polling(server);
        assert.equal(s.handshake.headers.get('set-cookie'),
          `io=${s.sid}; Path=/; HttpOnly; SameSite=Lax`);
        assert.equal((await s.post('4x')).headers.get('set-cookie'), null);
      });

      const cases = [
        ['no transport', '?EIO=4', 0, 'Transport unknown'],
        ['another transport', '?EIO=4&transport=carrier-pigeon', 0, 'Transport unknown'],
        ['webtransport', '?EIO=4&transport=webtransport', 0, 'Transport unknown'],
        ['a property of every object', '?EIO=4&transport=constructor', 0, 'Transport unknown'],
        ['an unknown id', '?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA', 1,
          'Session ID unknown'],
        ['an id of a loop that is not', '?EIO=4&transport=polling&sid=_AAAAAAAAAAAAAAAAAAA', 1,
          'Session ID unknown'],
        ['an id that is none', '?EIO=4&transport=polling&sid=__proto__', 1, 'Session ID unknown'],
        ['a long id', `?EIO=4&transport=polling&sid=${'A'.repeat(5000)}`, 1, 'Session ID unknown'],
        ['no revision', '?transport=polling', 5, 'Unsupported protocol version'],
        ['revision 3, while it is off', '?EIO=3&transport=polling', 5,
          'Unsupported protocol version'],
        ['revision abc', '?EIO=abc&transport=polling', 5, 'Unsupported protocol version'],
        ['websocket without an upgrade', '?EIO=4&transport=websocket', 3, 'Bad request'],
      ];
      for (const [name, target, code, message] of cases) {
        test(`${name}: {code:${code}}`, async () => {
          const r = await server.get(`/engine.io/${target}`);
          assert.equal(r.status, 400);
          assert.equal(r.text, JSON.stringify({ code, message }));
          assert.equal(r.headers.get('content-type'), 'application/json');
        });
      }
      for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'HEAD']) {
        test(`${method} does not open a session`, async () => {
          const r = await server.request(method, '/engine.io/?EIO=4&transport=polling');
          assert.equal(r.status, 400);
          if (method !== 'HEAD') assert.equal(JSON.parse(r.text).code, 2);
        });
      }
      const sockets = [
        ['another transport', { transport: 'abc' }, 'Transport unknown'],
        ['polling', { transport: 'polling' }, 'Bad request'],
        ['revision 3', { EIO: '3' }, 'Unsupported protocol version'],
        ['an unknown id', { sid: 'AAAAAAAAAAAAAAAAAAAA' }, 'Session ID unknown'],
      ];
      for (const [name, more, text] of sockets) {
        test(`a WebSocket with ${name}: 400, and the connection ends`, async () => {
          const got = await within(10_000, 'a refusal', new Frames(server, more).refused);
          assert.deepEqual(got, { status: 400, text, type: 'text/plain; charset=UTF-8',
            connection: 'close' });
        });
      }
      test('a malformed WebSocket handshake opens no session', async () => {
        const b = await bare(server);
        b.write('GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n' +
          'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
          'Sec-WebSocket-Key: short\r\n\r\n');
        assert.match(await b.end(), /^HTTP\/1\.1 400 /);
      });
      test('refusals are counted by their reason', async () => {
        const was = await refused('version');
        await server.get('/engine.io/?EIO=5&transport=polling');
        assert.equal(await refused('version'), was + 1);
      });
    });

    describe('CORS', () => {
      const origin = 'https://app.example';
      test('an allowed origin may read, with credentials', async () => {
        const s = await polling(server, { headers: { origin } });
        assert.equal(s.handshake.headers.get('access-control-allow-origin'), origin);
        assert.equal(s.handshake.headers.get('access-control-allow-credentials'), 'true');
        const r = await server.get('/engine.io/?EIO=4', { headers: { origin } });
        assert.equal(r.headers.get('access-control-allow-origin'), origin); // errors, too
      });
      test('a preflight is answered', async () => {
        const r = await server.request('OPTIONS', '/engine.io/?EIO=4&transport=polling', {
          headers: { origin, 'access-control-request-method': 'POST' } });
        assert.equal(r.status, 204);
        assert.equal(r.headers.get('access-control-allow-methods'), 'GET, POST, OPTIONS');
        assert.match(r.headers.get('access-control-allow-headers'), /Content-Type/);
        const own = await server.request('OPTIONS', '/engine.io/?EIO=4&transport=polling', {
          headers: { origin, 'access-control-request-method': 'POST',
            'access-control-request-headers': 'content-type,x-own' } });
        assert.equal(own.headers.get('access-control-allow-headers'), 'content-type,x-own');
      });
      test('another origin is refused, on a WebSocket as well', async () => {
        const other = { origin: 'https://evil.example' };
        const r = await server.get('/engine.io/?EIO=4&transport=polling', { headers: other });
        assert.equal(r.status, 403);
        const got = await new Frames(server, { ws: { headers: other } }).refused;
        assert.equal(got.status, 403);
      });
    });

    describe('polling', () => {
      test('text and binary come back in their order, in one answer', async () => {
        const s = await polling(server);
        const r = await s.post(['4hello', 'bAQIDBA==', '4€', '4'].join(SEPARATOR));
        assert.deepEqual([r.status, r.text], [200, 'ok']);
        assert.equal(r.headers.get('content-type'), 'text/html');
        assert.equal(r.headers.get('cache-control'), 'no-store');
        assert.deepEqual(await s.packets(), ['4hello', 'bAQIDBA==', '4€', '4']);
      });

      test('a GET waits for what comes', async () => {
        const s = await polling(server);
        for (let i = 0; i < 5; i++) {
          const waiting = s.packets();
          await sleep(5);
          await s.post(`4${i}`);
          assert.deepEqual(await waiting, [`4${i}`]);
        }
      });

      test('requests of many sessions at a time do not mix', async () => {
        await Promise.all(Array.from({ length: 30 }, async (_, i) => {
          const s = await polling(server);
          for (let n = 0; n < 5; n++) {
            const waiting = n % 2 ? s.packets() : undefined;
            assert.equal((await s.post(`4${i}-${n}`)).status, 200);
            assert.deepEqual(await (waiting ?? s.packets()), [`4${i}-${n}`]);
          }
        }));
      });

      const broken = [
        ['an unknown type', 'abc', 'payload'], ['nothing', '', 'payload'],
        ['an empty packet', `4a${SEPARATOR}`, 'payload'],
        ['bad base64', 'b!!!!', 'payload'],
        ['bytes that are not UTF-8', Buffer.from([0x34, 0xff, 0xfe]), 'payload'],
        ['a type beyond the last', '7', 'payload'],
        ['16385 packets', Array(16385).fill('4').join(SEPARATOR), 'too_many_packets'],
      ];
      for (const [name, body, reason] of broken) {
        test(`a payload with ${name}: 400, and the session ends`, async () => {
          const s = await polling(server);
          const was = await refused(reason);
          assert.equal((await s.post(body)).status, 400);
          const next = await s.get();
          assert.deepEqual([next.status, JSON.parse(next.text).code], [400, 1]);
          assert.equal(await refused(reason), was + 1);
        });
      }

      test('application/octet-stream: 400, and the session ends', async () => {
        const s = await polling(server);
        const r = await s.post('4x', { 'content-type': 'application/octet-stream' });
        assert.equal(r.status, 400);
        assert.equal((await s.get()).status, 400);
      });

      for (const [name, size] of [['Engine.IO', MAX_PAYLOAD + 1], ['the whole server', 1_200_000]]) {
        test(`a payload above the limit of ${name}: 413, and the session ends`, async () => {
          const s = await polling(server);
          const was = await refused('too_big');
          assert.equal((await s.post('4'.padEnd(size, 'x'))).status, 413);
          const next = await s.get(); // it may wait already when the session's loop hears of it
          assert.ok(next.status === 400 || next.text === '1', next.text);
          assert.equal((await s.get()).status, 400);
          assert.equal(await refused('too_big'), was + 1);
        });
      }
      test('a payload of exactly the limit passes', async () => {
        const s = await polling(server);
        const body = '4'.padEnd(MAX_PAYLOAD, 'x');
        assert.equal((await s.post(body)).status, 200);
        assert.equal((await s.get()).text, body);
      });

      test('a second GET: 400, the first one finds `1`, the session ends', async () => {
        const s = await polling(server);
        const first = s.get();
        await sleep(20);
        assert.equal((await s.get()).status, 400);
        assert.equal((await first).text, '1');
        assert.equal((await s.get()).status, 400);
      });

      test('a GET that is cut off ends the session at once, though another one may overtake it',
        async () => {
          for (let i = 0; i < 40; i++) {
            const s = await polling(server);
            const b = await bare(server); // its bytes are on their way, whatever else waits here
            b.write(`GET ${s.target()} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
            await sleep(i % 4);
            if (i % 8 < 4) b.reset();
            else b.socket.destroy();
            assert.equal((await s.get()).status, 400);
          }
        });

      test('`1` ends the session; who waits finds `6`', async () => {
        const s = await polling(server);
        const waiting = s.get();
        await sleep(20);
        assert.equal((await s.post(`4last${SEPARATOR}1${SEPARATOR}4late`)).text, 'ok');
        assert.equal((await waiting).text, '4last');
        assert.equal((await s.get()).status, 400);
      });

      test('a ping by the client: the session ends', async () => {
        const s = await polling(server);
        assert.equal((await s.post('2')).status, 200);
        assert.equal((await s.get()).status, 400);
      });

      test('open, upgrade, noop and pongs nobody asked for mean nothing', async () => {
        const s = await polling(server);
        await s.post(['0', '5', '6', '3', '4x'].join(SEPARATOR));
        assert.deepEqual(await s.packets(), ['4x']);
      });

      for (const method of ['PUT', 'DELETE', 'HEAD']) {
        test(`${method} with an id: 400, and the session goes on`, async () => {
          const s = await polling(server);
          assert.equal((await server.request(method, s.target())).status, 400);
          await s.post('4x');
          assert.deepEqual(await s.packets(), ['4x']);
        });
      }

      test('a session that the server ends: the next GET finds what was sent, the one after `1`', async () => {
        const s = await polling(server);
        const many = Array.from({ length: 2000 }, (_, i) => `4${i}`);
        const before = await counted('signalbox_slow_readers_total');
        await s.post(many.join(SEPARATOR)); // more than an outbox holds: too slow a reader
        await until('it is ended', async () =>
          (await counted('signalbox_slow_readers_total')) > before);
        assert.equal((await s.post('4late')).text, 'ok');
        const got = await s.packets();
        assert.deepEqual(got, many.slice(0, got.length));
        assert.ok(got.length > 1000, `${got.length}`);
        assert.deepEqual(await s.packets(), ['1']);
        assert.equal((await s.get()).status, 400);
      });

      test('a request that is cut anywhere leaves the session as it was', async () => {
        const s = await polling(server);
        const head = `POST ${s.target()} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\n`;
        for (const whole of [head, `${head}4he`, head.slice(0, 30), head.slice(0, 90)]) {
          const b = await bare(server);
          b.write(whole);
          await sleep(5);
          b.reset();
        }
        await s.post('4x');
        assert.deepEqual(await s.packets(), ['4x']);
      });

      test('requests that come in one piece are answered in their order', async () => {
        const s = await polling(server);
        const b = await bare(server);
        const get = `GET ${s.target()} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
        const post = (x) => `POST ${s.target()} HTTP/1.1\r\nHost: localhost\r\n` +
          `Content-Length: ${x.length}\r\n\r\n${x}`;
        b.write(post('4a') + get + post('4b') + get + post('1').replace('1.1\r\n',
          '1.1\r\nConnection: close\r\n'));
        const bodies = (await b.end()).split('\r\n\r\n').slice(1)
          .map((part) => part.split('HTTP/1.1')[0]);
        assert.deepEqual(bodies, ['ok', '4a', 'ok', '4b', 'ok']);
      });
    });

    describe('websocket', () => {
      test('text and binary come back', async () => {
        const s = await websocket(server);
        s.send('4hello').send(Buffer.from([1, 2, 3])).send('4').send('bAQI=');
        assert.equal(await s.next(), '4hello');
        assert.deepEqual(await s.next(), Buffer.from([1, 2, 3]));
        assert.equal(await s.next(), '4');
        assert.deepEqual(await s.next(), Buffer.from([1, 2]));
        s.socket.close();
      });

      for (const [name, frame] of [['an unknown type', 'abc'], ['nothing', ''], ['a ping', '2'],
        ['a probe', '2probe']]) {
        test(`a frame with ${name} ends the session`, async () => {
          const s = await websocket(server);
          s.send(frame);
          assert.equal(await s.end(), 1002);
        });
      }

      test('`1` ends the session', async () => {
        const s = await websocket(server);
        s.send('1');
        assert.equal(await s.end(), 1000);
      });

      test('a message above the limit: 1009, a log line and a counter', async () => {
        const s = await websocket(server);
        const was = await refused('too_big');
        s.send('4'.padEnd(MAX_PAYLOAD + 1, 'x'));
        assert.equal(await s.end(), 1009);
        assert.equal(await refused('too_big'), was + 1);
        await server.awaitLine(/"reason":"too_big"/);
      });

      test('requests with its id: 400; another WebSocket: closed', async () => {
        const s = await websocket(server);
        const p = Object.assign(new Polling(server), { sid: s.sid });
        assert.equal(JSON.parse((await p.get()).text).code, 3);
        assert.equal((await p.post('4x')).status, 400);
        const other = await new Frames(server, { sid: s.sid }).opened;
        assert.equal(await other.end(), 1008);
        s.send('4x');
        assert.equal(await s.next(), '4x');
        s.socket.close();
      });

      test('messages are compressed where that was agreed', async () => {
        const s = await websocket(server, { ws: { perMessageDeflate: true } });
        const text = `4${'compress me '.repeat(2000)}`;
        const before = s.socket._socket.bytesRead;
        s.send(text);
        assert.equal(await s.next(), text);
        assert.ok(s.socket._socket.bytesRead - before < text.length / 10);
        s.socket.close();
      });

      test('a flood of tiny packets is served', async () => {
        const s = await websocket(server);
        for (let i = 0; i < 500; i++) s.send('4');
        for (let i = 0; i < 500; i++) assert.equal(await s.next(), '4');
        s.socket.close();
      });
    });

    describe('upgrade', () => {
      test('what waits leaves first, then what comes', async () => {
        const s = await polling(server);
        await s.post(`4one${SEPARATOR}bAQID${SEPARATOR}4two`);
        const w = await upgrade(s);
        w.send('4three');
        assert.equal(await w.next(), '4one');
        assert.deepEqual(await w.next(), Buffer.from([1, 2, 3]));
        assert.equal(await w.next(), '4two');
        assert.equal(await w.next(), '4three');
        w.socket.close();
      });

      test('the waiting GET and each later one find `6` until it is done', async () => {
        const s = await polling(server);
        const waiting = s.packets();
        await sleep(20);
        const w = await new Frames(server, { sid: s.sid }).opened;
        w.send('2probe');
        assert.equal(await w.next(), '3probe');
        assert.deepEqual(await waiting, ['6']);
        assert.deepEqual(await s.packets(), ['6']);
        await s.post('4still');
        assert.deepEqual(await s.packets(), ['4still']);
        assert.deepEqual(await s.packets(), ['6']);
        w.send('5').send('4now');
        assert.equal(await w.next(), '4now');
        assert.equal(JSON.parse((await s.get()).text).code, 3);
        assert.equal((await s.post('4x')).status, 400);
        const other = await new Frames(server, { sid: s.sid }).opened;
        assert.equal(await other.end(), 1008);
        w.send('4still there');
        assert.equal(await w.next(), '4still there');
        w.socket.close();
        await w.end();
      });

      test('a GET that waits while the upgrade ends finds `6`', async () => {
        const s = await polling(server);
        const w = await new Frames(server, { sid: s.sid }).opened;
        const waiting = s.packets();
        await sleep(20);
        w.send('5').send('4x');
        assert.equal(await w.next(), '4x');
        assert.deepEqual(await waiting, ['6']);
        w.socket.close();
      });

      test('the session ends with its WebSocket', async () => {
        const s = await polling(server);
        const w = await upgrade(s);
        w.send('4x');
        await w.next();
        w.socket.terminate();
        for (let code = 3; code !== 1; await sleep(10)) {
          code = JSON.parse((await s.get()).text).code;
        }
      });

      for (const [name, frame] of [['a message', '4x'], ['a plain ping', '2'],
        ['binary', Buffer.from([1])], ['nothing', '']]) {
        test(`${name} before the upgrade closes the WebSocket, polling goes on`, async () => {
          const s = await polling(server);
          const w = await new Frames(server, { sid: s.sid }).opened;
          w.send(frame);
          assert.equal(await w.end(), 1000);
          await s.post('4x');
          assert.deepEqual(await s.packets(), ['4x']);
          const again = await upgrade(s);
          again.send('4y');
          assert.equal(await again.next(), '4y');
          again.socket.close();
        });
      }

      test('a WebSocket that goes away in between leaves polling as it was', async () => {
        const s = await polling(server);
        const w = await new Frames(server, { sid: s.sid }).opened;
        w.send('2probe');
        await w.next();
        w.socket.terminate();
        await w.end();
        await s.post('4x');
        let got = [];
        while (!got.includes('4x')) got = await s.packets();
        await sleep(50);
        const waiting = s.packets(); // not sent away any more
        await s.post('4y');
        assert.deepEqual(await waiting, ['4y']);
      });

      test('an upgrade that is not finished in time is given up', async () => {
        const s = await polling(server);
        const began = performance.now();
        const w = await new Frames(server, { sid: s.sid }).opened;
        const second = await new Frames(server, { sid: s.sid }).opened;
        assert.equal(await second.end(), 1008);
        assert.equal(await w.end(), 1000);
        assert.ok(performance.now() - began >= UPGRADE_MS - 50);
        assert.ok(await refused('upgrade_timeout') >= 1);
        await s.post('4x');
        assert.deepEqual(await s.packets(), ['4x']);
      });

      test('a session that ends takes its probe along', async () => {
        const s = await polling(server);
        const w = await new Frames(server, { sid: s.sid }).opened;
        await s.post('1');
        assert.equal(await w.end(), 1000);
      });

      test('what is sent after it is compressed where that was agreed', async () => {
        const s = await polling(server);
        const text = `4${'compress me '.repeat(2000)}`;
        await s.post(text);
        const w = await upgrade(s, { ws: { perMessageDeflate: true } });
        assert.equal(await w.next(), text);
        w.send(text);
        assert.equal(await w.next(), text);
        assert.ok(w.socket._socket.bytesRead < text.length / 4);
        w.socket.close();
      });

      test('many at a time, each with messages on both sides of it', async () => {
        await Promise.all(Array.from({ length: 40 }, async (_, i) => {
          const s = await polling(server);
          await s.post(`4a${i}`);
          const w = await upgrade(s);
          w.send(`4b${i}`);
          assert.deepEqual([await w.next(), await w.next()], [`4a${i}`, `4b${i}`]);
          w.socket.close();
          await w.end();
        }));
      });
    });
  });
}

describe('heartbeat', () => {
  const INTERVAL = 100;
  const TIMEOUT = 100;
  let server;
  before(async () => {
    server = await startServer({
      flags: ['--conformance', 'on', '--engineio-ping-interval-ms', `${INTERVAL}`,
        '--engineio-ping-timeout-ms', `${TIMEOUT}`, '--loops', '2'],
    });
  });
  after(() => server.stop());

  test('pings come after the interval, and after each pong', async () => {
    const began = performance.now(); // before the server's own beginning
    const s = await websocket(server);
    for (let i = 1; i <= 5; i++) {
      assert.equal(await s.next(), '2');
      assert.ok(performance.now() - began >= i * INTERVAL - 5 * i, 'not early');
      s.send('3');
    }
    s.socket.close();
  });

  test('messages do not stand for a pong', async () => {
    const s = await websocket(server);
    const feed = setInterval(() => s.send('4x'), 20);
    const began = performance.now();
    await s.end();
    clearInterval(feed);
    assert.ok(performance.now() - began < (INTERVAL + TIMEOUT) * 5 * SLOWNESS);
  });

  test('without a pong both transports end after interval and time-out', async () => {
    const s = await websocket(server);
    const p = await polling(server);
    await Promise.all([s.end(), sleep(INTERVAL + TIMEOUT)]);
    let got = await p.get(); // as a rule it is over already; a busy server may still say so
    for (let i = 0; i < 3 && got.status === 200; i++) got = await p.get();
    assert.equal(got.status, 400);
  });

  test('a poll that waits through it finds the ping, then `1`', async () => {
    const p = await polling(server);
    assert.deepEqual(await p.packets(), ['2']);
    assert.deepEqual(await p.packets(), ['1']);
    assert.equal((await p.get()).status, 400);
  });

  test('a drain ends a waiting poll', async () => {
    const own = await startServer({ flags: ['--conformance', 'on', '--loops', '2'] });
    const sessions = await Promise.all(Array.from({ length: 6 }, () => polling(own)));
    const waiting = sessions.map((s) => s.packets());
    await sleep(50);
    await own.stop();
    assert.deepEqual(await Promise.all(waiting), sessions.map(() => ['1']));
  });
});

describe('settings', () => {
  test('revision 3 is spoken, without JSONP', async () => {
    const server = await startServer({ flags: ['--conformance', 'on', '--engineio-v3', 'on'] });
    const open = await server.get('/engine.io/?EIO=3&transport=polling');
    assert.match(open.text, /^\d+:0\{"sid":"/);
    const r = await server.get('/engine.io/?EIO=3&transport=polling&j=0');
    assert.deepEqual([r.status, r.json], [400, { code: 3, message: 'Bad request' }]);
    const four = await polling(server);
    await four.post('4x');
    assert.deepEqual(await four.packets(), ['4x']);
    await server.stop();
  });

  test('transports that are off are unknown', async () => {
    const server = await startServer({
      flags: ['--conformance', 'on', '--engineio-transports', 'polling'] });
    const s = await polling(server);
    assert.deepEqual(s.hello.upgrades, []);
    const got = await new Frames(server).refused;
    assert.deepEqual([got.status, got.text], [400, 'Transport unknown']);
    await server.stop();
  });

  test('a bad cookie name is refused', async () => {
    await assert.rejects(startServer({ flags: ['--engineio-cookie', 'a b'] }), /engineio_cookie/);
  });

  test('clients are told the smaller of the payload and the body limit', async () => {
    for (const flags of [['--engineio-max-payload-bytes', '4096'], ['--http-body-bytes-max', '4096']]) {
      const server = await startServer({ flags: ['--conformance', 'on', ...flags] });
      assert.equal((await polling(server)).hello.maxPayload, 4096);
      await server.stop();
    }
  });
});
