// The server dies with kill -9 while devices send telemetry and people send commands, all with the
// official client, and comes back at the same address. No acknowledged sample is lost, none is
// there twice; every recorded command reaches its device and ends, and a device that honours
// requestId runs it once; who is online is right after each start.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import test from 'node:test';
import { io } from 'socket.io-client';
import { SANITIZED, startServer, tempDir } from './lib/server.mjs';

const ROUNDS = Number(process.env.SIGNALBOX_CRASH_ROUNDS ?? 4);
const DEVICES = 4;
const WINDOW = 12;
const SEND_MS = 10; // after a pause; else a sample follows each acknowledgement
const COMMAND_MS = 55; // a client may send 20 messages a second
const LIFE_MS_MIN = 50;
const LIFE_MS_MAX = SANITIZED ? 1500 : 400;
const SETTLE_MS_MAX = 60_000;
const FLAGS = ['--handshakes-per-s', '1000', '--telemetry-per-s', '20000', '--telemetry-burst', '20000'];

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what, condition) {
  const end = Date.now() + SETTLE_MS_MAX;
  while (!await condition()) {
    assert.ok(Date.now() < end, `${what}: not within ${SETTLE_MS_MAX} ms`);
    await pause(20);
  }
}

/** Emits each thing until it was acknowledged, again after a disconnect, never while there is one. */
class Outbox {
  constructor(socket, event, width) {
    Object.assign(this, { socket, event, width, repeats: 0 });
    this.waiting = new Map(); // id -> payload
    this.sent = new Set(); // over this connection
    socket.on('disconnect', () => {
      this.repeats += this.sent.size;
      this.sent.clear();
    });
  }

  put(id, payload, acknowledged) {
    this.waiting.set(id, { payload, acknowledged });
    this.pump();
  }

  pump() {
    for (const [id, { payload, acknowledged }] of this.waiting) {
      if (!this.socket.connected || this.sent.size >= this.width) return;
      if (this.sent.has(id)) continue;
      this.sent.add(id);
      this.socket.emit(this.event, payload, (answer) => {
        if (!this.waiting.has(id)) return;
        this.sent.delete(id);
        if (answer.ok || answer.error.code !== 503) {
          assert.equal(answer.ok, true, `${this.event} ${id}: ${JSON.stringify(answer)}`);
          this.waiting.delete(id);
          acknowledged(answer);
        }
        this.pump();
      });
    }
  }
}

const open = (server, token) => io(server.url, {
  auth: { token }, transports: ['websocket'], forceNew: true,
  reconnectionDelay: 20, reconnectionDelayMax: 100,
});

class Device {
  constructor(server, { id, key }, begin) {
    Object.assign(this, { id, begin, next: 0, repeats: 0, runs: new Map(), acknowledged: new Set() });
    this.socket = open(server, key);
    this.samples = new Outbox(this.socket, 'telemetry:data', WINDOW);
    this.answers = new Outbox(this.socket, 'command:response', WINDOW);
    this.socket.on('connect', () => {
      this.socket.emit('device:register', { deviceId: id, capabilities: ['command-ack'] });
      this.samples.pump();
      this.answers.pump();
    });
    this.socket.on('device:command', (command, ack) => this.obey(command, ack));
  }

  obey({ requestId }, ack) {
    if (this.runs.has(requestId)) {
      this.repeats += 1; // not run again, only answered
    } else {
      this.runs.set(requestId, 1);
      this.answers.put(requestId, { requestId, status: 'success', result: { did: requestId },
        timestamp: new Date().toISOString() }, () => {});
    }
    if (typeof ack === 'function') ack({ ok: true });
  }

  measure() {
    while (!this.ended && this.samples.waiting.size < WINDOW) {
      const n = this.next++;
      const timestamp = new Date(this.begin + n * 10).toISOString();
      this.samples.put(n, { deviceId: this.id, timestamp, sensorType: 's', value: n, unit: 'C',
        sampleId: String(n) }, () => {
        this.acknowledged.add(n);
        this.measure();
      });
    }
  }

  get quiet() {
    return this.samples.waiting.size === 0 && this.answers.waiting.size === 0;
  }
}

// What is settled may stand in the tail, too, until its whole slice is.
const SCRIPT = `
import json, sqlite3, sys
db = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True, timeout=10)
def all(sql): return db.execute(sql).fetchall()
samples = {}
for key, device, sample, value in all(
        'SELECT s.id, l.device_id, s.sample_id, s.value FROM telemetry_sample s'
        ' JOIN telemetry_latest l ON l.id = s.series UNION'
        " SELECT id, device_id, sample_id, value FROM telemetry_tail WHERE device_id <> ''"):
    samples.setdefault(device, []).append([int(sample), value])
print(json.dumps({
    'integrity': all('PRAGMA integrity_check')[0][0],
    'samples': samples,
    'commands': all('SELECT device_id, request_id, status, phase FROM device_commands'),
    'devices': all('SELECT id, connection_status, last_seen_at FROM devices'),
    'open': all('SELECT count(*) FROM connection_logs WHERE disconnected_at IS NULL')[0][0],
}))
`;

function inspect(dataDir) {
  const got = spawnSync('python3', ['-c', SCRIPT, path.join(dataDir, 'signalbox.db')],
    { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024, timeout: 60_000 });
  assert.equal(got.status, 0, got.stderr);
  return JSON.parse(got.stdout);
}

function check(seen, devices, recorded) {
  assert.equal(seen.integrity, 'ok');
  for (const device of devices) {
    const rows = seen.samples[device.id] ?? [];
    const stored = new Map(rows);
    assert.equal(stored.size, rows.length, `a sample of ${device.id} is stored twice`);
    assert.equal(rows.length, device.next, 'samples that nobody sent, or that are lost');
    for (const n of device.acknowledged) assert.equal(stored.get(n), n);
    const commands = seen.commands.filter(([id]) => id === device.id);
    for (const [, requestId, status, phase] of commands) {
      assert.deepEqual([requestId, status, phase], [requestId, 'executed', 'done']);
      assert.ok(device.runs.has(requestId), `${requestId} was never run`);
    }
    const mine = [...recorded].filter(([, id]) => id === device.id).map(([id]) => id).sort();
    assert.deepEqual(commands.map(([, id]) => id).sort(), mine);
    assert.deepEqual([...device.runs.keys()].sort(), mine);
  }
  assert.deepEqual(seen.devices.map(([, status]) => status), devices.map(() => 'offline'));
  assert.equal(seen.open, 0, 'connections that were left open');
}

test('no_acknowledged_sample_or_command_is_lost_or_doubled_by_kill_9', { timeout: 900_000 },
  async (t) => {
    const dataDir = tempDir('crash-devices');
    let server = await startServer({ dataDir, flags: FLAGS });
    const token = await server.cli('token', '--sub', 'boss', '--role', 'admin', '--ttl', '1h');
    const begin = Date.now() - 6 * 3_600_000;
    const devices = [];
    for (let i = 0; i < DEVICES; i += 1) {
      devices.push(new Device(server, await server.addDevice(`crash-${i}`), begin));
    }
    const boss = open(server, token);
    const orders = new Outbox(boss, 'device:command', 8);
    const recorded = new Map(); // requestId -> device
    let number = 0;
    boss.on('connect', () => orders.pump());
    const measuring = setInterval(() => devices.forEach((device) => device.measure()), SEND_MS);
    const order = () => {
      const device = devices[number % DEVICES];
      const requestId = `r${number++}`;
      orders.put(requestId, { deviceId: device.id, command: 'step', requestId, queue: true,
        timeoutMs: 300_000, timestamp: new Date().toISOString() },
      () => recorded.set(requestId, device.id));
    };
    const commanding = setInterval(() => orders.waiting.size < 8 && order(), COMMAND_MS);

    const online = async () => {
      const { json } = await server.get('/api/v1/devices?connection=online', { token });
      return json.data.length === DEVICES;
    };
    try {
      for (let round = 0; round < ROUNDS; round += 1) {
        const goal = devices.map((device) => device.acknowledged.size);
        await until('samples are acknowledged', () =>
          devices.every((device, i) => device.acknowledged.size > goal[i]));
        await until('all are online', online);
        await pause(LIFE_MS_MIN + Math.random() * (LIFE_MS_MAX - LIFE_MS_MIN));
        devices.forEach(order); // so that some are on their way
        await pause(Math.random() * 8);
        await server.crash();
        server = await startServer({ dataDir,
          flags: [...FLAGS, '--listen', `${server.host}:${server.port}`] });
      }
      clearInterval(measuring);
      clearInterval(commanding);
      for (const device of devices) device.ended = true;
      await until('everything is acknowledged', () =>
        orders.waiting.size === 0 && devices.every((device) => device.quiet));
      await until('every command has run', () =>
        [...recorded].every(([requestId, id]) =>
          devices.find((device) => device.id === id).runs.has(requestId)));
      await until('and was answered', () => devices.every((device) => device.quiet));
      await until('all are online', online);
    } finally {
      clearInterval(measuring);
      clearInterval(commanding);
      for (const { socket } of [...devices, { socket: boss }]) socket.close();
    }
    await server.stop();
    check(inspect(dataDir), devices, recorded);
    const sum = (f) => devices.reduce((n, device) => n + f(device), 0);
    t.diagnostic(`${ROUNDS} rounds: ${sum((d) => d.acknowledged.size)} samples acknowledged, ` +
      `${sum((d) => d.samples.repeats)} sent again; ${recorded.size} commands recorded, ` +
      `${orders.repeats} asked for again, ${sum((d) => d.repeats)} came again to their device`);
  });
