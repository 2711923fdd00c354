import assert from "node:assert/strict";
import { test } from "node:test";
import { sorted } from "../src/ui/sort";

type Row = { name: string; cpu: number | null };
const rows: Row[] = [
  { name: "web10", cpu: 5 },
  { name: "Web2", cpu: null },
  { name: "app", cpu: 70 },
];
const names = (key: "name" | "cpu", down: boolean) =>
  sorted(rows, { key, down }, (r, k) => r[k]).map((r) => r.name);

test("names sort as people count", () => {
  assert.deepEqual(names("name", false), ["app", "Web2", "web10"]);
  assert.deepEqual(names("name", true), ["web10", "Web2", "app"]);
});

test("missing values stay last in both directions", () => {
  assert.deepEqual(names("cpu", true), ["app", "web10", "Web2"]);
  assert.deepEqual(names("cpu", false), ["web10", "app", "Web2"]);
});

test("the rows given are left as they were", () => {
  sorted(rows, { key: "cpu", down: true }, (r, k) => r[k]);
  assert.equal(rows[0]!.name, "web10");
});
