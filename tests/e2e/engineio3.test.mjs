// Engine.IO revision 3 with its last official client (that of socket.io-client 2), against the echo
// of the conformance setting.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import test, { after, before, describe } from 'node:test';
import { once } from 'node:events';
import { PATIENCE, startServer, within } from './lib/server.mjs';

const require = createRequire(import.meta.url);
const own = createRequire(require.resolve('socket.io-client-2'));
const connect = own('engine.io-client');

const ANSWER_MS = 5000 * PATIENCE;
const TEXTS = ['hello', '', '€', '😀 and é', '4:2:1', '\u001e', 'b4AQID', 'x'.repeat(70_000)];
const BYTES = [Buffer.from([1, 2, 3, 4]), Buffer.from([0]), Buffer.from([255, 30, 0, 4]),
  Buffer.from(Array.from({ length: 3000 }, (_, i) => i % 256))];

for (const loops of [1, 2]) {
  describe(`revision 3, --loops ${loops}`, () => {
    let server;
    before(async () => {
      server = await startServer({
        flags: ['--conformance', 'on', '--engineio-v3', 'on', '--loops', `${loops}`,
          '--engineio-ping-interval-ms', '300'],
      });
    });
    after(() => server.stop());

    const open = async (options) => {
      const socket = connect(server.url.replace(/^http/, 'ws'), { reconnection: false, ...options });
      socket.binaryType = 'nodebuffer';
      await within(ANSWER_MS, 'open', once(socket, 'open'));
      return socket;
    };
    // What is sent comes back, in order.
    const echo = async (socket, messages) => {
      const got = [];
      const done = new Promise((resolve, reject) => {
        socket.on('message', (data) => {
          got.push(data ?? ''); // the client has nothing for empty text
          if (got.length === messages.length) resolve();
        });
        socket.once('close', (reason, e) => reject(new Error(`closed: ${reason} ${e?.message ?? ''}`)));
      });
      for (const message of messages) socket.send(message);
      await within(ANSWER_MS, 'echo', done);
      assert.deepEqual(got.map((d) => (typeof d === 'string' ? d : Buffer.from(d))), messages);
      socket.removeAllListeners('message');
    };

    for (const transport of ['polling', 'websocket']) {
      test(`${transport}: text and bytes come back`, async () => {
        const socket = await open({ transports: [transport] });
        await echo(socket, TEXTS.filter((t) => t !== '\u001e' || transport === 'websocket'));
        await echo(socket, BYTES);
        await echo(socket, ['one', BYTES[0], 'two €', BYTES[3], '']);
        socket.close();
      });

      test(`${transport}: bytes in base64 where the client wants that`, async () => {
        const socket = await open({ transports: [transport], forceBase64: true });
        await echo(socket, [BYTES[1], 'é', BYTES[3]]);
        socket.close();
      });

      test(`${transport}: the client pings, and stays`, async () => {
        const socket = await open({ transports: [transport] });
        for (let i = 0; i < 3; i++) {
          await within(ANSWER_MS, 'pong', once(socket, 'pong'));
        }
        await echo(socket, ['still here']);
        socket.close();
        await server.get('/health');
      });
    }

    test('upgrades, and nothing is lost on the way', async () => {
      const socket = await open({});
      const messages = Array.from({ length: 50 }, (_, i) => (i % 5 === 0 ? BYTES[0] : `m${i} €`));
      const upgraded = once(socket, 'upgrade');
      await echo(socket, messages);
      await within(ANSWER_MS, 'upgrade', upgraded);
      await echo(socket, messages);
      assert.equal(socket.transport.name, 'websocket');
      socket.close();
    });

    test('what is no payload ends the session', async () => {
      const bad = ['', '1', ':', '9:4abc', '1:7', '2:4', 'x'];
      for (const body of bad) {
        const hello = await server.get('/engine.io/?EIO=3&transport=polling');
        const { sid } = JSON.parse(hello.text.replace(/^\d+:0/, '').replace(/\}.*$/, '}'));
        const target = `/engine.io/?EIO=3&transport=polling&sid=${sid}`;
        const r = await server.request('POST', target, { body,
          headers: { 'Content-Type': 'text/plain;charset=UTF-8' } });
        assert.equal(r.status, 400, JSON.stringify(body));
        assert.equal((await server.get(target)).status, 400, JSON.stringify(body));
      }
    });
  });
}
