import assert from "node:assert/strict";
import { test } from "node:test";
import {
  backoffMs, ViewerSocket, type Environment, type Frame, type Probe, type SocketState, type Wire,
} from "../src/lib/socket";

class FakeWire implements Wire {
  onopen: Wire["onopen"] = null;
  onmessage: Wire["onmessage"] = null;
  onclose: Wire["onclose"] = null;
  sent: string[] = [];
  closed = false;
  send(text: string) { this.sent.push(text); }
  close() { this.closed = true; }
}

/** A world with a hand-turned clock. */
class World implements Environment {
  time = 0;
  wires: FakeWire[] = [];
  timers = new Map<number, { at: number; run: () => void }>();
  answer: Probe = "ok";
  probes = 0;
  states: SocketState[] = [];
  frames: Frame[] = [];
  private ids = 0;
  socket = new ViewerSocket(this, '{"type":"subscribe","channels":["metrics"]}', {
    onState: (s) => this.states.push(s),
    onFrame: (f) => this.frames.push(f),
  });

  connect() { const wire = new FakeWire(); this.wires.push(wire); return wire; }
  now() { return this.time; }
  random() { return 1; }
  after(ms: number, run: () => void) { this.timers.set(++this.ids, { at: this.time + ms, run }); return this.ids; }
  cancel(id: number) { this.timers.delete(id); }
  probe() { this.probes++; return Promise.resolve(this.answer); }

  get wire() { return this.wires[this.wires.length - 1]!; }
  get state() { return this.states[this.states.length - 1]!; }
  advance(ms: number) {
    const end = this.time + ms;
    for (;;) {
      const due = [...this.timers].filter(([, t]) => t.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.timers.delete(due[0]);
      this.time = due[1].at;
      due[1].run();
    }
    this.time = end;
  }
  open() { this.socket.start(); this.wire.onopen!(); }
  drop(code: number) { this.wire.onclose!({ code, reason: "" }); }
}
const settle = () => new Promise((r) => setImmediate(r));

test("backoff doubles to 30 s and keeps at least half", () => {
  assert.equal(backoffMs(0, 1), 500);
  assert.equal(backoffMs(0, 0), 250);
  assert.equal(backoffMs(3, 1), 4000);
  assert.equal(backoffMs(50, 1), 30_000);
  assert.equal(backoffMs(50, 0), 15_000);
});

test("it subscribes as soon as it is open", () => {
  const w = new World();
  w.open();
  assert.deepEqual(w.wire.sent, ['{"type":"subscribe","channels":["metrics"]}']);
  assert.equal(w.state.kind, "open");
});

test("frames are passed on and nonsense is not", () => {
  const w = new World();
  w.open();
  for (const data of ['{"type":"metrics","data":{"cpu":1}}', "{", "7", "null", '{"type":7}', new ArrayBuffer(1)]) {
    w.wire.onmessage!({ data });
  }
  assert.deepEqual(w.frames, [{ type: "metrics", data: { cpu: 1 } }]);
});

test("a lost connection is tried again with growing delays", () => {
  const w = new World();
  w.open();
  w.drop(1006);
  assert.deepEqual(w.state, { kind: "waiting", retryAt: 500, why: "The connection was lost" });
  w.advance(500);
  assert.equal(w.wires.length, 2);
  w.wire.onopen!();
  w.drop(1006);
  assert.equal((w.state as { retryAt: number }).retryAt - w.time, 1000);
});

test("a connection that held starts over at the first delay", () => {
  const w = new World();
  for (let i = 0; i < 3; i++) {
    w.open();
    w.drop(1006);
    w.advance(5000);
    w.wire.onopen!();
  }
  w.advance(10_000);
  w.drop(1012);
  assert.deepEqual(w.state, { kind: "waiting", retryAt: w.time + 500, why: "The server is restarting" });
});

for (const code of [4000, 4001, 4002, 4003, 4004]) {
  test(`close ${code} is final and says why`, () => {
    const w = new World();
    w.open();
    w.drop(code);
    assert.equal(w.state.kind, "stopped");
    assert.equal((w.state as { signIn: boolean }).signIn, false);
    w.advance(120_000);
    w.socket.retryNow();
    assert.equal(w.wires.length, 1);
  });
}

test("close 4100 asks to sign in when the session is over", async () => {
  const w = new World();
  w.open();
  w.answer = "signed-out";
  w.drop(4100);
  await settle();
  assert.deepEqual(w.state, { kind: "stopped", why: "Your session has ended.", signIn: true });
});

test("close 4100 with a good session reconnects", async () => {
  const w = new World();
  w.open();
  w.drop(4100);
  await settle();
  assert.equal(w.state.kind, "waiting");
  w.advance(500);
  assert.equal(w.wires.length, 2);
});

test("close 4101 waits at least five seconds", () => {
  const w = new World();
  w.open();
  w.drop(4101);
  assert.equal((w.state as { retryAt: number }).retryAt, 5000);
});

test("closes 4200 and 4201 reconnect at once", () => {
  for (const code of [4200, 4201]) {
    const w = new World();
    w.open();
    w.drop(code);
    w.advance(250);
    assert.equal(w.wires.length, 2);
  }
});

test("a refused handshake is looked into", async () => {
  for (const [answer, kind] of [["gone", "stopped"], ["forbidden", "stopped"], ["unreachable", "waiting"], ["ok", "waiting"]] as const) {
    const w = new World();
    w.answer = answer;
    w.socket.start();
    w.drop(1006);
    await settle();
    assert.equal(w.probes, 1);
    assert.equal(w.state.kind, kind);
  }
});

test("a silent connection is asked, then taken for dead", () => {
  const w = new World();
  w.open();
  w.advance(25_000);
  assert.equal(w.wire.sent.at(-1), '{"type":"ping"}');
  w.advance(10_000);
  assert.ok(w.wires[0]!.closed);
  assert.equal(w.state.kind, "waiting");
});

test("an answer keeps the connection", () => {
  const w = new World();
  w.open();
  for (let i = 0; i < 5; i++) {
    w.advance(25_000);
    w.wire.onmessage!({ data: '{"type":"pong","data":{}}' });
  }
  assert.equal(w.wires.length, 1);
});

test("a handshake that never ends is given up", async () => {
  const w = new World();
  w.socket.start();
  w.advance(15_000);
  await settle();
  assert.ok(w.wires[0]!.closed);
  assert.equal(w.state.kind, "waiting");
});

test("retryNow shortens the wait and does nothing when open", () => {
  const w = new World();
  w.open();
  w.socket.retryNow();
  assert.equal(w.wires.length, 1);
  w.drop(1006);
  w.socket.retryNow();
  assert.equal(w.wires.length, 2);
  w.advance(500);
  assert.equal(w.wires.length, 2);
});

test("after stop nothing happens", async () => {
  const w = new World();
  w.open();
  const before = w.states.length;
  w.socket.stop();
  w.advance(120_000);
  await settle();
  assert.ok(w.wires[0]!.closed);
  assert.equal(w.wires.length, 1);
  assert.equal(w.states.length, before);
});
