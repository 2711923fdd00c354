// The server dies with kill -9 while devices send rows as fast as their acks come. What was
// acknowledged is on disk once; what was not may be there, and sending it again changes nothing.
import assert from 'node:assert/strict';
import test from 'node:test';
import { device, rowOf } from './lib/monitor.mjs';
import { SANITIZED, startServer, tempDir } from './lib/server.mjs';
import { assertSound, inspect } from './lib/store.mjs';

const ROUNDS = Number(process.env.SIGNALBOX_CRASH_ROUNDS ?? 10);
const DEVICES = 6;
const WINDOW = 16; // rows of one device that wait for their ack
const ROWS_PER_S = 150; // below a device's limit of 200 a second
const LIFE_MS_MIN = 50;
const LIFE_MS_MAX = SANITIZED ? 1800 : 450;
const SETTLE_MS_MAX = 60_000;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** One device: rows 1, 2, 3... a second apart, those without an ack sent again first. */
class Sender {
  constructor(id, key, begin) {
    Object.assign(this, { id, key, begin, next: 1, tried: 0, doubles: 0 });
    this.acknowledged = new Set();
    this.waiting = new Set(); // sent at some time, never acknowledged
  }

  timeOf(n) {
    return this.begin + n * 1000;
  }

  async send(peer, n) {
    if (this.waiting.has(n)) this.doubles++;
    this.waiting.add(n);
    this.tried++;
    const ack = await peer.ask('metrics', rowOf(n, new Date(this.timeOf(n)).toISOString()));
    if (ack === undefined) return false;
    assert.equal(ack.ok, true, `row ${n}: ${JSON.stringify(ack)}`);
    this.waiting.delete(n);
    this.acknowledged.add(n);
    return true;
  }

  /** Until the connection ends, or with `last` until nothing is left to send again. */
  async run(server, last = false) {
    const peer = await device(server, this.key);
    const again = [...this.waiting].sort((a, b) => a - b);
    const began = Date.now();
    let sent = 0;
    let open = true;
    peer.closed.then(() => (open = false));
    const lane = async () => {
      while (open) {
        if (last && again.length === 0) return;
        const due = began + (sent++ * 1000) / ROWS_PER_S - Date.now();
        if (due > 0) await pause(due);
        if (!open) return;
        if (!(await this.send(peer, again.shift() ?? this.next++))) return;
      }
    };
    await Promise.all(Array.from({ length: WINDOW }, lane));
    if (last) await peer.end();
  }
}

/**
 * `rounds` times: devices send, `end(server)` ends it in the middle, the next server goes on with
 * the data. Then what was acknowledged is compared with what is stored.
 */
async function run(rounds, end) {
  const dataDir = tempDir('crash');
  let server = await startServer({ dataDir });
  // A few hours ago, so that rows share minutes and hours and none is in the future.
  const begin = Date.now() - 6 * 3_600_000;
  const senders = [];
  for (let i = 0; i < DEVICES; i++) {
    const { id, key } = await server.addDevice(`crash-${i}`);
    senders.push(new Sender(id, key, begin));
  }

  for (let round = 0; round < rounds; round++) {
    const runs = Promise.all(senders.map((s) => s.run(server)));
    const goal = senders.map((s) => s.acknowledged.size);
    const until = Date.now() + SETTLE_MS_MAX;
    while (senders.some((s, i) => s.acknowledged.size === goal[i])) {
      // Ending before the first ack would prove nothing.
      assert.ok(Date.now() < until, `round ${round}: no acks\n${server.log.slice(-2000)}`);
      await pause(5);
    }
    await pause(LIFE_MS_MIN + Math.random() * (LIFE_MS_MAX - LIFE_MS_MIN));
    await end(server);
    await runs;
    server = await startServer({ dataDir });
    assert.deepEqual(inspect(dataDir).integrity, ['ok'], `after round ${round}`);
  }

  const unanswered = senders.reduce((n, s) => n + s.waiting.size, 0);
  await Promise.all(senders.map((s) => s.run(server, true)));
  const seen = inspect(dataDir);
  assertSound(seen);
  for (const s of senders) {
    const rows = seen.rows.filter(([id]) => id === s.id);
    const stored = new Map(rows.map(([, at, cpu, memory]) => [at, [cpu, memory]]));
    assert.equal(stored.size, rows.length, 'a row is stored twice');
    for (const n of s.acknowledged) {
      const { cpu, memory } = rowOf(n);
      assert.deepEqual(stored.get(s.timeOf(n)), [cpu, memory.used], `row ${n} of ${s.id}`);
    }
    assert.equal(rows.length, s.next - 1, 'rows that nobody sent');
    assert.equal(s.acknowledged.size, s.next - 1);
  }
  await server.stop();
  assert.equal(inspect(dataDir).open_connections, 0, 'connections that were left open');
  const total = (f) => senders.reduce((n, s) => n + f(s), 0);
  return `${rounds} rounds: ${total((s) => s.acknowledged.size)} rows acknowledged, ` +
    `${seen.rows.length} stored, ${total((s) => s.doubles)} sent again, ` +
    `${unanswered} unanswered at the last end, ${seen.buckets} rollup buckets checked`;
}

test('no_acknowledged_row_is_lost_or_doubled_by_kill_9', { timeout: 900_000 }, async (t) => {
  t.diagnostic(await run(ROUNDS, (server) => server.crash()));
});

test('sigterm_amid_ingest_ends_with_0_and_loses_nothing', { timeout: 300_000 }, async (t) => {
  t.diagnostic(await run(4, (server) => server.stop()));
});
