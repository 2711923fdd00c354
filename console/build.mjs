// Builds the console: node build.mjs OUT.
// OUT receives index.html and assets/NAME.HASH.EXT, each with a .gz beside it.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { bundle, packed } from "./bundle.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? join(here, "../build/console"));

const { files, first } = await bundle();
await rm(out, { recursive: true, force: true });
await mkdir(join(out, "assets"), { recursive: true });
let total = 0;
for (const [name, bytes] of files) {
  const small = packed(bytes);
  total += small.length;
  await writeFile(join(out, name), bytes);
  await writeFile(join(out, name + ".gz"), small);
  console.log(`${String(bytes.length).padStart(7)} B ${String(small.length).padStart(6)} B gz  ${name}`);
}
console.log(`${String(total).padStart(19)} B gz  in total`);
for (const { page, bytes, most } of first) {
  console.log(`${String(bytes).padStart(19)} B gz  until the page is there: ${page} (at most ${most})`);
}
