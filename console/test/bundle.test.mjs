// What a page brings when it is the first that is opened, and that the sheets of two pages do not
// meet: both stay once both pages were seen.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { bundle, SHEETS } from "../bundle.mjs";

test("no page brings more at first than it may", async () => {
  const { first } = await bundle();
  for (const { page, bytes, most } of first) {
    console.log(`${page}: ${bytes} B packed until the page is there, at most ${most}`);
    assert.ok(bytes <= most, `${page}: ${bytes} B packed, ${most} may be`);
  }
});

/** Of a sheet: the classes that begin a selector alone, and all others that it names. */
function classes(name) {
  const text = readFileSync(new URL(`../src/styles/${name}.css`, import.meta.url), "utf8")
    .replace(/\/\*.*?\*\/|@import.*?;/gs, "");
  const selectors = [...text.matchAll(/([^{}]+)\{/g)].flatMap((m) => m[1].split(","))
    .filter((s) => !s.includes("@"));
  const own = new Set(selectors.map((s) => /^\s*\.([\w-]+)(?![\w-]*[.#[])/.exec(s)?.[1]));
  own.delete(undefined);
  return { own, named: new Set(selectors.flatMap((s) => [...s.matchAll(/\.([\w-]+)/g)].map((m) => m[1]))) };
}

test("what one page's sheet is about, another's does not name", () => {
  const common = new Set(["parts", "base"].flatMap((name) => [...classes(name).named]));
  for (const a of SHEETS) {
    const { own } = classes(a);
    for (const b of SHEETS.filter((other) => other !== a)) {
      assert.deepEqual([...classes(b).named].filter((c) => own.has(c) && !common.has(c)), [], `${a} and ${b}`);
    }
  }
});
