// Compiles test/*.test.ts with esbuild and runs them with node's own runner; *.test.mjs as they are.
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "../../build/console-test");
rmSync(out, { recursive: true, force: true });
const names = readdirSync(here);
const tests = names.filter((name) => name.endsWith(".test.ts"));
await build({
  entryPoints: tests.map((name) => join(here, name)),
  bundle: true,
  platform: "node",
  format: "esm",
  outdir: out,
  outExtension: { ".js": ".mjs" },
  sourcemap: "inline",
});
const files = [
  ...tests.map((name) => join(out, name.replace(/\.ts$/, ".mjs"))),
  ...names.filter((name) => name.endsWith(".test.mjs")).map((name) => join(here, name)),
];
const run = spawnSync(process.execPath, ["--enable-source-maps", "--test", ...files], {
  stdio: "inherit",
  env: { ...process.env, TZ: "UTC" },
});
process.exit(run.status ?? 1);
