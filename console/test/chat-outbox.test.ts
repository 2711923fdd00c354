import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox, type Outgoing } from "../src/lib/chat-outbox";
import { ChatError } from "../src/lib/chat-types";
import { SocketLost } from "../src/lib/sio";

/** A server by hand: each send waits until the test says what becomes of it. */
class World {
  sends: { m: Outgoing; ok: (seq: number) => void; fail: (e: Error) => void }[] = [];
  timers = new Map<number, { ms: number; run: () => void }>();
  kept: Outgoing[] = [];
  ids = 0;
  box: Outbox;
  constructor(kept: Outgoing[] = []) {
    this.box = new Outbox({
      send: (m) => new Promise((ok, fail) => this.sends.push({ m, ok, fail })),
      after: (ms, run) => { this.timers.set(++this.ids, { ms, run }); return this.ids; },
      cancel: (id) => this.timers.delete(id),
      now: () => 0,
      newId: () => `c${++this.ids}`,
      changed: () => {},
      keep: (all) => { this.kept = all; },
    }, kept);
  }
  add(content: string, roomId = "r") { return this.box.add({ roomId, type: "chat", content }); }
  states(roomId = "r") { return this.box.of(roomId).map((i) => i.state); }
  fire() { const [[id, t]] = [...this.timers] as [[number, { run: () => void }]]; this.timers.delete(id); t.run(); }
}
const settle = () => new Promise((r) => setImmediate(r));

test("a room's messages go one after the other, rooms beside each other", async () => {
  const w = new World();
  w.add("a");
  w.add("b");
  w.add("x", "other");
  assert.deepEqual(w.sends.map((s) => s.m.content), ["a", "x"]);
  w.sends[0]!.ok(1);
  await settle();
  assert.deepEqual(w.sends.map((s) => s.m.content), ["a", "x", "b"]);
  assert.deepEqual(w.states(), ["sent", "sending"]);
});

test("what was on its way when the connection went is sent again as the same", async () => {
  const w = new World();
  const { clientId } = w.add("a");
  w.add("b");
  w.sends[0]!.fail(new SocketLost("gone"));
  await settle();
  assert.deepEqual(w.states(), ["waiting", "waiting"]);
  w.box.resume();
  assert.equal(w.sends.length, 2);
  assert.equal(w.sends[1]!.m.clientId, clientId);
  w.sends[1]!.ok(4);
  await settle();
  assert.equal(w.sends[2]!.m.content, "b");
});

test("it came back by the room before its ack did: it is gone, and stays so", async () => {
  const w = new World();
  const { clientId } = w.add("a");
  w.box.seen("r", "somebody else's");
  w.box.seen("r", clientId);
  assert.deepEqual(w.states(), []);
  w.sends[0]!.ok(1);
  await settle();
  assert.deepEqual(w.states(), []);
});

test("sent is over when the room's messages are here so far", async () => {
  const w = new World();
  w.add("a");
  w.sends[0]!.ok(7);
  await settle();
  w.box.reached("r", 6);
  assert.deepEqual(w.states(), ["sent"]);
  w.box.reached("r", 7);
  assert.deepEqual(w.states(), []);
});

test("a refusal for now waits as long as it says, one for good waits for somebody", async () => {
  const w = new World();
  const first = w.add("a");
  w.add("b");
  w.sends[0]!.fail(new ChatError({ code: "RATE_LIMITED", message: "wait", recoverable: true, details: { retryAfterMs: 1234 } }));
  await settle();
  assert.deepEqual([...w.timers.values()].map((t) => t.ms), [1234]);
  assert.equal(w.sends.length, 1); // b does not overtake
  w.fire();
  w.sends[1]!.fail(new ChatError({ code: "PERMISSION_DENIED", message: "you are muted" }));
  await settle();
  assert.deepEqual(w.states(), ["refused", "sending"]);
  assert.equal(w.box.of("r")[0]!.why, "you are muted");
  w.sends[2]!.ok(1);
  await settle();
  w.box.retry(first.clientId);
  assert.equal(w.sends[3]!.m.clientId, first.clientId);
  w.sends[3]!.fail(new ChatError({ message: "still" }));
  await settle();
  w.box.discard(first.clientId);
  assert.deepEqual(w.states(), ["sent"]);
});

test("retries without an answer grow apart to half a minute", async () => {
  const w = new World();
  w.add("a");
  const waits = [];
  for (let i = 0; i < 7; i++) {
    w.sends.at(-1)!.fail(new SocketLost("no answer"));
    await settle();
    waits.push([...w.timers.values()][0]!.ms);
    w.fire();
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16000, 30000, 30000]);
});

test("what waits outlives the page, and what was sent does not", async () => {
  const w = new World();
  w.add("a");
  w.add("b");
  w.sends[0]!.ok(1);
  await settle();
  assert.deepEqual(w.kept.map((i) => i.content), ["b"]);
  const after = new World(JSON.parse(JSON.stringify(w.kept)) as Outgoing[]);
  assert.deepEqual(after.states(), ["waiting"]);
  after.box.resume();
  assert.equal(after.sends[0]!.m.clientId, w.kept[0]!.clientId);
});
