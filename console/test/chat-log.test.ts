import assert from "node:assert/strict";
import { test } from "node:test";
import { append, change, NO_LOG, prepend, put, trim } from "../src/lib/chat-log";
import { answer, ChatError, envelope, textOf, unwrap, type Message } from "../src/lib/chat-types";

const m = (seq: number, content: unknown = `n${seq}`): Message => ({
  id: `id${seq}`, type: "chat", roomId: "r", senderId: "s", content, timestamp: "2026-01-01T00:00:00.000Z",
  deliveryStatus: "streaming", seq,
});
const seqs = (log: { messages: readonly Message[] }) => log.messages.map((x) => x.seq);

test("what follows is put at the end, what is there already once", () => {
  let log = append(NO_LOG, [m(1), m(2)], 2);
  log = put(log, m(3))!;
  log = put(log, m(2, "again"))!;
  assert.deepEqual(seqs(log), [1, 2, 3]);
  assert.equal(log.messages[1]!.content, "again");
  assert.equal(log.top, 3);
});

test("a message behind a hole is not put in, and the pages close the hole", () => {
  const log = append(NO_LOG, [m(1), m(2)], 2);
  assert.equal(put(log, m(5)), null);
  const closed = append(log, [m(3), m(4), m(5), m(6)], 6);
  assert.deepEqual(seqs(closed), [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(seqs(put(closed, m(5))!), [1, 2, 3, 4, 5, 6]);
});

test("older pages come in front, without what is there", () => {
  const log = append(NO_LOG, [m(11), m(12)], 12);
  const longer = prepend(log, [m(9), m(10), m(11)], true);
  assert.deepEqual(seqs(longer), [9, 10, 11, 12]);
  assert.equal(longer.older, true);
  assert.equal(prepend(longer, [], false).older, false);
  assert.equal(put(longer, m(3)), longer); // it comes with its page
});

test("a page that ends says how far it goes, also past what one may not see", () => {
  const log = append(NO_LOG, [], 40); // a guest: nothing of what was before
  assert.equal(log.top, 40);
  assert.deepEqual(seqs(put(log, m(41))!), [41]);
});

test("changes touch what is here only", () => {
  const log = append(NO_LOG, [m(1), m(3)], 3);
  assert.equal(change(log, 2, () => m(2)), log);
  assert.equal(change(log, 3, (x) => ({ ...x, deleted: true })).messages[1]!.deleted, true);
  assert.deepEqual(seqs(trim(append(NO_LOG, [m(1), m(2), m(3)], 3), 2)), [2, 3]);
});

test("envelopes and bare payloads are read alike; acks refuse in the chat's words", () => {
  assert.deepEqual(unwrap({ event: "e", data: { a: 1 }, version: "1.0" }), { a: 1 });
  assert.deepEqual(unwrap({ a: 1 }), { a: 1 });
  assert.deepEqual(envelope("e", { a: 1 }), { event: "e", data: { a: 1 }, version: "1.0" });
  assert.equal(answer({ ok: true, seq: 4 })["seq"], 4);
  const refused = { ok: false, error: { code: "RATE_LIMITED", message: "wait", details: { retryAfterMs: 50 }, recoverable: true } };
  assert.throws(() => answer(refused), (e: ChatError) => e.retryMs === 50 && e.recoverable && e.code === "RATE_LIMITED");
  assert.throws(() => answer(undefined), ChatError);
});

test("a message in one line, whatever it holds", () => {
  assert.equal(textOf(m(1, "<b>as it is</b>")), "<b>as it is</b>");
  assert.equal(textOf({ ...m(1, null), deleted: true }), "Message deleted");
  assert.equal(textOf(m(1, { title: "Load" })), "Load");
  assert.equal(textOf({ ...m(1, {}), file: { fileId: "f", name: "a.txt", size: 1, mime: "text/plain", url: "/" } }), "a.txt");
  assert.equal(textOf(m(1, [1])), "");
});
