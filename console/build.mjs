// Builds the console: node build.mjs OUT.
// OUT receives index.html and assets/NAME.HASH.EXT, each with a .gz beside it.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? join(here, "../build/console"));

const result = await build({
  absWorkingDir: here,
  entryPoints: { app: "src/main.tsx", theme: "src/theme-boot.ts" },
  bundle: true,
  minify: true,
  write: false,
  outdir: "/out",
  format: "esm",
  target: ["es2022", "chrome108", "firefox115", "safari16.4"],
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  charset: "utf8",
  define: { "process.env.NODE_ENV": '"production"' },
});

function hashed(name, bytes) {
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 10);
  const dot = name.lastIndexOf(".");
  return `assets/${name.slice(0, dot)}.${hash}${name.slice(dot)}`;
}

const files = new Map();
const names = {};
function add(name, bytes) {
  names[name] = hashed(name, bytes);
  files.set(names[name], bytes);
}
for (const file of result.outputFiles) {
  add(file.path.split("/").pop(), Buffer.from(file.contents));
}
add("icon.svg", await readFile(join(here, "src/icon.svg")));

const template = await readFile(join(here, "src/index.html"), "utf8");
const page = template.replace(/\{\{([\w.-]+)\}\}/g, (_, name) => {
  if (!names[name]) throw new Error(`index.html names ${name}, which was not built`);
  return "/console/" + names[name];
});
files.set("index.html", Buffer.from(page));

await rm(out, { recursive: true, force: true });
await mkdir(join(out, "assets"), { recursive: true });
let total = 0;
for (const [name, bytes] of files) {
  const packed = gzipSync(bytes, { level: 9 });
  total += packed.length;
  await writeFile(join(out, name), bytes);
  await writeFile(join(out, name + ".gz"), packed);
  console.log(`${String(bytes.length).padStart(7)} B ${String(packed.length).padStart(6)} B gz  ${name}`);
}
console.log(`${String(total).padStart(19)} B gz  in total`);
