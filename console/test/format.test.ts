import assert from "node:assert/strict";
import { test } from "node:test";
import { ago, axisTimes, bytes, duration, localInput, moment, percent, rate } from "../src/lib/format";

const plain = (text: string) => text.replaceAll("\u202f", " ");

test("bytes use powers of 1024 and three digits", () => {
  assert.equal(plain(bytes(0)), "0 B");
  assert.equal(plain(bytes(1023)), "1023 B");
  assert.equal(plain(bytes(512)), "512 B");
  assert.equal(plain(bytes(1536)), "1.50 KiB");
  assert.equal(plain(bytes(16 * 2 ** 30)), "16.0 GiB");
  assert.equal(plain(bytes(1023.9 * 2 ** 20)), "1.00 GiB");
});

test("rates use powers of 1000", () => {
  assert.equal(plain(rate(999)), "999 B/s");
  assert.equal(plain(rate(1000)), "1.00 kB/s");
  assert.equal(plain(rate(12_345_678)), "12.3 MB/s");
});

test("missing values are a dash", () => {
  for (const missing of [null, undefined, NaN]) {
    assert.equal(bytes(missing), "–");
    assert.equal(rate(missing), "–");
    assert.equal(percent(missing), "–");
    assert.equal(duration(missing), "–");
  }
});

test("durations show their two largest units", () => {
  assert.equal(plain(duration(0)), "0 s");
  assert.equal(plain(duration(59)), "59 s");
  assert.equal(plain(duration(3600)), "1 h");
  assert.equal(plain(duration(86400 * 3 + 3600 * 4 + 59)), "3 d 4 h");
  assert.equal(plain(duration(61)), "1 min");
});

test("ages are coarse and never negative", () => {
  assert.equal(ago(null, 0), "never");
  assert.equal(ago(5_000, 1_000), "just now");
  assert.equal(plain(ago(0, 42_000)), "42 s ago");
  assert.equal(plain(ago(0, 3_599_000)), "59 min ago");
  assert.equal(plain(ago(0, 47 * 3_600_000)), "47 h ago");
  assert.equal(plain(ago(0, 72 * 3_600_000)), "3 days ago");
});

test("a moment of today has no date, an older one has", () => {
  const now = Date.UTC(2026, 10, 20, 12);
  assert.equal(moment(Date.UTC(2026, 10, 20, 3, 12, 5), now), "03:12:05");
  assert.equal(moment(Date.UTC(2026, 10, 19, 3, 12, 5), now), "19 Nov, 03:12:05");
  assert.equal(moment(Date.UTC(2025, 10, 19, 3, 12), now, false), "19 Nov 2025, 03:12");
});

test("axis marks name the day where it changes", () => {
  const at = (h: number) => Date.UTC(2026, 10, 19, h);
  assert.deepEqual(axisTimes([at(22), at(23), at(24), at(25)], 3600), ["22:00", "23:00", "20 Nov", "01:00"]);
  assert.deepEqual(axisTimes([at(22)], 10), ["22:00:00"]);
  assert.deepEqual(axisTimes([at(0), at(24)], 86400), ["19 Nov", "20 Nov"]);
});

test("datetime-local values are local time without zone", () => {
  assert.equal(localInput(Date.UTC(2026, 0, 2, 3, 4)), "2026-01-02T03:04");
});
