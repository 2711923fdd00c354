import assert from "node:assert/strict";
import { test } from "node:test";
import {
  addLive, bands, columns, fromFrame, fromHistory, fromSeries, mergeHistory, nearest, summary, trim, type Sample,
} from "../src/lib/samples";

const frame = (s: number, cpu = s): Sample =>
  fromFrame({ cpu, timestamp: new Date(s * 1000).toISOString() })!;
const rows = (seconds: number[], step = 60_000): Sample[] =>
  fromHistory(seconds.map((s) => ({ ts: s * 1000, cpu: s })), step);
const times = (series: readonly Sample[]) => series.map((s) => s.ts / 1000);
const cpu = (s: Sample) => s.cpu;

test("a frame without a usable time is dropped", () => {
  assert.equal(fromFrame({ cpu: 1 }), null);
  assert.equal(fromFrame({ cpu: 1, timestamp: "soon" }), null);
});

test("missing members become null", () => {
  const s = frame(1);
  assert.equal(s.memUsed, null);
  assert.equal(s.load, null);
});

test("live samples are kept in order and a repeat replaces", () => {
  let series: Sample[] = [];
  for (const s of [10, 30, 20, 30]) {
    series = addLive(series, frame(s, s === 30 ? 99 : s));
  }
  assert.deepEqual(times(series), [10, 20, 30]);
  assert.equal(series[2]!.cpu, 99);
});

test("stored rows fill only where no live sample is near", () => {
  const live = [0, 10, 20, 30, 40, 50, 60, 300, 310].map((s) => frame(s));
  const merged = mergeHistory(live, rows([0, 60, 120, 180, 240, 300]));
  assert.deepEqual(times(merged), [0, 10, 20, 30, 40, 50, 60, 120, 180, 240, 300, 310]);
  assert.equal(merged.filter((s) => !s.live).length, 3);
});

test("a stored row gives way to a live sample that comes later", () => {
  const series = addLive(mergeHistory([], rows([0, 60, 120])), frame(124));
  assert.deepEqual(times(series), [0, 60, 124]);
});

test("a row that was pushed as a sample is a row once history names it", () => {
  const pushed = mergeHistory([frame(0), frame(120)], rows([60, 120]));
  assert.deepEqual(pushed.map((s) => s.live), [true, false, false]);
  assert.deepEqual(addLive(pushed, frame(120)), pushed);
  assert.deepEqual(bands(pushed, [], 0, 120_000), []);
});

test("merging the same rows twice changes nothing", () => {
  const once = mergeHistory([frame(0)], rows([60, 120]));
  assert.deepEqual(mergeHistory(once, rows([60, 120])), once);
});

test("columns break the line where samples are missing", () => {
  const [ts, ys] = columns([frame(0), frame(10), frame(100)], [cpu]);
  assert.deepEqual(ts, [0, 10_000, 10_001, 100_000]);
  assert.deepEqual(ys, [0, 10, null, 100]);
});

test("one late sample is no break, and rows a minute apart are none", () => {
  assert.deepEqual(columns([frame(0), frame(24)], [cpu])[0], [0, 24_000]);
  assert.deepEqual(columns(rows([0, 60, 120]), [cpu])[0], [0, 60_000, 120_000]);
});

test("an outage that history covers is shaded as filled", () => {
  const series = mergeHistory([0, 10, 250, 260].map((s) => frame(s)), rows([60, 120, 180, 240]));
  assert.deepEqual(bands(series, [{ from: 10_000, to: 250_000 }], 0, 265_000), [
    { from: 10_000, to: 250_000, kind: "filled" },
  ]);
});

test("an outage without rows is shaded as no data", () => {
  const series = [0, 10, 250, 260].map((s) => frame(s));
  assert.deepEqual(bands(series, [{ from: 10_000, to: 250_000 }], 0, 265_000), [
    { from: 10_000, to: 250_000, kind: "none" },
  ]);
});

test("an outage that history covers in part shows both", () => {
  const series = mergeHistory([0, 10, 700, 710].map((s) => frame(s)), rows([60, 120, 180]));
  assert.deepEqual(bands(series, [{ from: 10_000, to: 700_000 }], 0, 720_000), [
    { from: 10_000, to: 180_000, kind: "filled" },
    { from: 180_000, to: 700_000, kind: "none" },
  ]);
});

test("bands are cut to the window", () => {
  const series = [frame(0), frame(1000)];
  assert.deepEqual(bands(series, [], 400_000, 600_000), [{ from: 400_000, to: 600_000, kind: "none" }]);
  assert.deepEqual(bands(series, [], 1_000_000, 1_020_000), []);
});

test("what is missing before the first and after the newest sample is shaded", () => {
  const series = [frame(100), frame(110)];
  assert.deepEqual(bands(series, [], 0, 200_000), [
    { from: 0, to: 100_000, kind: "none" },
    { from: 110_000, to: 200_000, kind: "none" },
  ]);
  assert.deepEqual(bands(series, [], 90_000, 130_000), []);
  assert.deepEqual(bands([], [], 0, 200_000), []);
});

test("an outage that still lasts is shaded as no data", () => {
  const series = mergeHistory([frame(0), frame(10)], []);
  assert.deepEqual(bands(series, [{ from: 10_000, to: null }], 0, 100_000), [
    { from: 10_000, to: 100_000, kind: "none" },
  ]);
});

test("a summary ignores what is missing", () => {
  assert.equal(summary([], cpu), null);
  assert.deepEqual(summary([frame(0, 10), { ...frame(10), cpu: null }, frame(20, 30)], cpu), {
    last: 30, min: 10, max: 30, mean: 20,
  });
});

test("trimming keeps the sample before the edge", () => {
  assert.deepEqual(times(trim([0, 10, 20, 30].map((s) => frame(s)), 15_000)), [10, 20, 30]);
});

test("the nearest sample to a moment", () => {
  const series = [0, 10, 20].map((s) => frame(s));
  assert.equal(nearest(series, 13_000)!.ts, 10_000);
  assert.equal(nearest([], 1), null);
});

test("a sensor's buckets end with its newest value, and lie as far apart as it usually measures", () => {
  const at = (s: number) => new Date(s * 1000).toISOString();
  const points = [0, 60, 120, 600].map((s) => ({ timestamp: at(s), value: s }));
  const series = fromSeries(points, 15_000, { ts: 660_000, value: 7 });
  assert.deepEqual(times(series), [0, 60, 120, 600, 660]);
  assert.deepEqual(series.map((s) => s.value), [0, 60, 120, 600, 7]);
  assert.ok(series.every((s) => s.step === 60_000));
  assert.equal(fromSeries(points, 15_000, { ts: 600_000, value: 7 }).length, 4, "what is in a bucket is not told twice");
  assert.deepEqual(fromSeries([], 15_000, { ts: 5_000, value: 1 }).map((s) => s.step), [15_000]);
});
