import assert from "node:assert/strict";
import { test } from "node:test";
import { isQuantity, said, shares, steps, stretches, switchable, valueOf } from "../src/lib/states";
import type { Entity } from "../src/lib/types";

const entity = (entity_id: string, state: string): Entity => ({ entity_id, name: "", room_id: null, state });
const at = (s: number) => new Date(1000 * s).toISOString();

test("states are words, and numbers with their unit", () => {
  assert.equal(said("on"), "On");
  assert.equal(said("not_home"), "Not home");
  assert.equal(said("21.50", { unit: "°C" }), "21.5\u202f°C");
  assert.equal(said("3", { unit_of_measurement: "W" }), "3\u202fW");
  assert.equal(said("3"), "3");
  assert.equal(said("Ärger_x", { unit: 7 }), "Ärger_x");
  assert.equal(said(""), "Unknown");
});

test("numbers are what is written as one", () => {
  assert.equal(valueOf("-1.5e3"), -1500);
  for (const no of ["", " 1", "1 ", "0x10", "Infinity", "1,5", "on", "--1", "."]) {
    assert.equal(valueOf(no), null, no);
  }
});

test("lamps can be switched in any state, what reports cannot in none", () => {
  assert.equal(switchable(entity("light.a", "unknown")), true);
  assert.equal(switchable(entity("valve.a", "off")), true);
  assert.equal(switchable(entity("valve.a", "opening")), false);
  assert.equal(switchable(entity("binary_sensor.a", "on")), false);
});

test("history is stretches: the first holds from the start, the last until now", () => {
  const rows = [
    { state: "off", changed_at: at(-50) }, { state: "on", changed_at: at(10) },
    { state: "on", changed_at: at(20) }, { state: "off", changed_at: at(30) },
    { state: "on", changed_at: at(500) },
  ];
  const all = stretches(rows, 0, 100_000);
  assert.deepEqual(all.map((s) => [s.state, s.from, s.to]), [
    ["off", 0, 10_000], ["on", 10_000, 30_000], ["off", 30_000, 100_000],
  ]);
  assert.deepEqual(shares(all), [{ state: "off", ms: 80_000 }, { state: "on", ms: 20_000 }]);
  assert.deepEqual(stretches([], 0, 1000), []);
});

test("a quantity is drawn in steps, with gaps where nothing was known", () => {
  const rows = ["10", "unavailable", "20", "30"].map((state, i) => ({ state, changed_at: at(10 * i) }));
  const all = stretches(rows, 0, 40_000);
  assert.equal(isQuantity(all), true);
  assert.deepEqual(steps(all, 0, 40_000), { path: "M0.0 96.0H250.0M500.0 50.0H750.0V4.0H1000.0", min: 10, max: 30 });
  assert.equal(isQuantity(stretches([...rows, { state: "on", changed_at: at(39) }], 0, 40_000)), false);
  assert.equal(isQuantity(stretches([{ state: "unknown", changed_at: at(1) }], 0, 2000)), false);
  assert.match(steps(stretches([{ state: "5", changed_at: at(0) }], 0, 1000), 0, 1000)!.path, /^M0\.0 50\.0H/);
});
