import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePacket, SioSocket, SocketLost } from "../src/lib/sio";
import type { Environment, Probe, SocketState, Wire } from "../src/lib/socket";

class FakeWire implements Wire {
  onopen: Wire["onopen"] = null;
  onmessage: Wire["onmessage"] = null;
  onclose: Wire["onclose"] = null;
  sent: string[] = [];
  closed = false;
  send(text: string) { this.sent.push(text); }
  close() { this.closed = true; }
}

/** A server that speaks by hand, and a clock that is turned by hand. */
class World implements Environment {
  time = 0;
  wires: FakeWire[] = [];
  timers = new Map<number, { at: number; run: () => void }>();
  answer: Probe = "ok";
  states: SocketState[] = [];
  events: [string, unknown][] = [];
  private ids = 0;
  socket = new SioSocket(this, {
    onState: (s) => this.states.push(s),
    onEvent: (name, argument) => this.events.push([name, argument]),
  });

  connect() { const wire = new FakeWire(); this.wires.push(wire); return wire; }
  now() { return this.time; }
  random() { return 1; }
  after(ms: number, run: () => void) { this.timers.set(++this.ids, { at: this.time + ms, run }); return this.ids; }
  cancel(id: number) { this.timers.delete(id); }
  probe() { return Promise.resolve(this.answer); }

  get wire() { return this.wires[this.wires.length - 1]!; }
  get state() { return this.states[this.states.length - 1]!; }
  say(...texts: string[]) { texts.forEach((data) => this.wire.onmessage!({ data })); }
  drop(code: number) { this.wire.onclose!({ code, reason: "" }); }
  handshake() {
    this.wire.onopen!();
    this.say('0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}', '40{"sid":"y","pid":"z"}');
  }
  open() { this.socket.start(); this.handshake(); }
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
}
const settle = () => new Promise((r) => setImmediate(r));

test("packets of the namespace / are read, others are not", () => {
  assert.deepEqual(parsePacket('2["a",{"b":1}]'), { type: 2, id: null, data: ["a", { b: 1 }] });
  assert.deepEqual(parsePacket('312[{"ok":true}]'), { type: 3, id: 12, data: [{ ok: true }] });
  assert.deepEqual(parsePacket('0{"sid":"s"}'), { type: 0, id: null, data: { sid: "s" } });
  assert.deepEqual(parsePacket("1"), { type: 1, id: null, data: undefined });
  for (const other of ['2/admin,["a"]', '51-["a",{"_placeholder":true,"num":0}]', "2[", "", "x"]) {
    assert.equal(parsePacket(other), null, other);
  }
});

test("it is open once the namespace is joined", () => {
  const w = new World();
  w.socket.start();
  w.wire.onopen!();
  assert.deepEqual(w.wire.sent, []);
  w.say('0{"sid":"x","pingInterval":25000,"pingTimeout":20000}');
  assert.deepEqual(w.wire.sent, ["40"]);
  assert.equal(w.state.kind, "connecting");
  w.say('40{"sid":"y"}');
  assert.equal(w.state.kind, "open");
});

test("an ack answers its own question, in whatever order", async () => {
  const w = new World();
  w.open();
  const [a, b] = [w.socket.ask("one", { n: 1 }), w.socket.ask("two", "ü")];
  assert.deepEqual(w.wire.sent.slice(1), ['420["one",{"n":1}]', '421["two","ü"]']);
  w.say('431["second"]', '430[{"ok":true}]', '439["nobody asked"]');
  assert.deepEqual(await a, { ok: true });
  assert.equal(await b, "second");
});

test("events are told with their first argument; an offset behind it is not theirs", () => {
  const w = new World();
  w.open();
  w.say('42["chat:message:received",{"event":"e","data":{},"version":"1.0"},"1-7"]', '42["bare"]', "42[7]", '42{"a":1}', "4", "b4AAE=");
  assert.deepEqual(w.events, [["chat:message:received", { event: "e", data: {}, version: "1.0" }], ["bare", undefined]]);
});

test("pings are answered, and a server that stops pinging is left", () => {
  const w = new World();
  w.open();
  w.advance(25_000);
  w.say("2");
  assert.equal(w.wire.sent.at(-1), "3");
  w.advance(44_999);
  assert.equal(w.wires.length, 1);
  w.advance(1);
  assert.equal(w.wires[0]!.closed, true);
  assert.equal(w.state.kind, "waiting");
  w.advance(1000);
  assert.equal(w.wires.length, 2);
});

test("what was asked is lost with the connection, and nothing is sent without one", async () => {
  const w = new World();
  await assert.rejects(w.socket.ask("early", {}), SocketLost);
  w.open();
  const asked = w.socket.ask("chat:message:send", {});
  w.drop(1006);
  await assert.rejects(asked, SocketLost);
  await assert.rejects(w.socket.ask("late", {}), SocketLost);
  w.advance(500);
  w.handshake();
  const again = w.socket.ask("chat:message:send", {});
  w.say('430["of the connection before"]', '431["of this one"]');
  assert.equal(await again, "of this one");
});

test("a question without an answer ends", async () => {
  const w = new World();
  w.open();
  const asked = w.socket.ask("slow", {}, 1000);
  w.advance(1000);
  await assert.rejects(asked, /no answer/);
  w.say('430["too late"]');
});

test("what the server says of its closing counts more than the transport's code", () => {
  const w = new World();
  w.open();
  w.say('42["closing",{"code":4004,"reason":"kicked","reconnect":false}]', "41");
  assert.deepEqual(w.state, { kind: "stopped", why: "An operator disconnected this view.", signIn: false });
  const drained = new World();
  drained.open();
  drained.say('42["closing",{"code":4200,"reason":"drained","reconnect":true}]');
  drained.drop(1005);
  assert.equal((drained.state as { why: string }).why, "The server asked to reconnect");
  drained.advance(250);
  drained.handshake();
  drained.drop(1006);
  assert.equal((drained.state as { why: string }).why, "The connection was lost");
});

test("a refused connect asks REST whether the session is over", async () => {
  const w = new World();
  w.answer = "signed-out";
  w.socket.start();
  w.wire.onopen!();
  w.say('0{"sid":"x"}', '44{"message":"unauthorized","data":{"type":"AUTHENTICATION_FAILED"}}');
  await settle();
  assert.deepEqual(w.state, { kind: "stopped", why: "Your session has ended.", signIn: true });
  assert.equal(w.wire.closed, true);
});

test("a handshake that does not come is given up", async () => {
  const w = new World();
  w.socket.start();
  w.wire.onopen!();
  w.advance(15_000);
  await settle();
  assert.equal(w.state.kind, "waiting");
});

test("a look after sleep leaves a server that has missed a ping", () => {
  const w = new World();
  w.open();
  w.time += 10_000;
  w.socket.check();
  w.advance(3_000);
  assert.equal(w.wires[0]!.closed, false);
  w.timers.clear(); // timers do not run in sleep
  w.time += 40_000;
  w.socket.check();
  w.advance(3_000);
  assert.equal(w.wires[0]!.closed, true);
});

test("stopping ends the questions and says no more", async () => {
  const w = new World();
  w.open();
  const asked = w.socket.ask("x", {});
  const { length } = w.states;
  w.socket.stop();
  await assert.rejects(asked, SocketLost);
  assert.equal(w.states.length, length);
});
