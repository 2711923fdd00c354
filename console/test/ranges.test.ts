import assert from "node:assert/strict";
import { test } from "node:test";
import { checkSpan, DEFAULT_VIEW, edges, formatView, parseAt, parseView, pointsFor, zoomed } from "../src/lib/ranges";

const params = (text: string) => new URLSearchParams(text);

test("an address without a view is live", () => {
  assert.deepEqual(parseView(params("")), DEFAULT_VIEW);
  assert.deepEqual(parseView(params("last=nonsense")), DEFAULT_VIEW);
  assert.deepEqual(parseView(params("from=5&to=1")), DEFAULT_VIEW);
  assert.deepEqual(parseView(params("from=x&to=y")), DEFAULT_VIEW);
});

test("every view survives the address", () => {
  for (const text of ["", "?live=15m", "?live=60m", "?last=1h", "?last=30d", "?from=1000000&to=2000000"]) {
    assert.equal(formatView(parseView(params(text)), null), text);
  }
  assert.equal(formatView(DEFAULT_VIEW, 123), "?at=123");
  assert.equal(parseAt(params("at=123")), 123);
  assert.equal(parseAt(params("at=zzz")), null);
});

test("a typed span is checked", () => {
  assert.equal(checkSpan(0, 60_000), null);
  assert.match(checkSpan(NaN, 1)!, /both/);
  assert.match(checkSpan(2, 1)!, /after/);
  assert.match(checkSpan(0, 1000)!, /minute/);
  assert.match(checkSpan(0, 3 * 366 * 86_400_000)!, /two years/);
  assert.match(checkSpan(200_000, 400_000, 100_000)!, /future/);
});

test("relative views end now, fixed ones stay", () => {
  assert.deepEqual(edges(parseView(params("live=15m")), 1_000_000), { from: 100_000, to: 1_000_000 });
  assert.deepEqual(edges(parseView(params("from=1000000&to=2000000")), 9), { from: 1_000_000, to: 2_000_000 });
});

test("a zoom is at least a minute and in whole seconds", () => {
  const view = zoomed(100_123, 101_456);
  assert.equal(view.kind, "fixed");
  if (view.kind === "fixed") {
    assert.ok(view.to - view.from >= 59_000 && view.to - view.from <= 61_000);
    assert.equal(view.from % 1000, 0);
  }
});

test("points follow the width within bounds", () => {
  assert.equal(pointsFor(30), 60);
  assert.equal(pointsFor(600), 400);
  assert.equal(pointsFor(5000), 600);
});
