// Builds the console: node build.mjs OUT.
// OUT receives index.html and assets/NAME.HASH.EXT, each with a .gz beside it.
import { build } from "esbuild";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? join(here, "../build/console"));

const common = {
  absWorkingDir: here,
  entryNames: "[name].[hash]",
  chunkNames: "[name].[hash]",
  loader: { ".svg": "copy" },
  bundle: true,
  minify: true,
  write: false,
  outdir: join(here, "out"),
  target: ["es2022", "chrome108", "firefox115", "safari16.4"],
  legalComments: "none",
  charset: "utf8",
};
const result = await build({
  ...common,
  entryPoints: { app: "src/main.tsx", icon: "src/icon.svg", chat: "src/styles/chat.css" },
  splitting: true,
  metafile: true,
  format: "esm",
  jsx: "automatic",
  jsxImportSource: "preact",
});
// A classic script, so that it runs before the first paint.
const theme = await build({ ...common, entryPoints: { theme: "src/theme-boot.ts" }, format: "iife" });

const files = new Map();
const names = {}; // "app.js" -> "app.HASH.js"
for (const file of [...result.outputFiles, ...theme.outputFiles]) {
  const name = basename(file.path);
  names[name.replace(/\.[0-9A-Z]{8}\./, ".")] = name;
  files.set(`assets/${name}`, Buffer.from(file.contents));
}

// A part's sheet is named by a <meta>, and fetched with the part (lib/style.ts).
// What the first file imports at once is fetched beside it, not after it.
const [, app] = Object.entries(result.metafile.outputs).find(([, o]) => o.entryPoint === "src/main.tsx");
const preload = app.imports
  .filter((i) => i.kind === "import-statement")
  .map((i) => `<link rel="modulepreload" href="/console/assets/${basename(i.path)}">`)
  .join("\n");

const template = await readFile(join(here, "src/index.html"), "utf8");
const page = template.replace(/\{\{([\w.-]+)\}\}/g, (_, name) => {
  if (name === "preload") return preload;
  if (!names[name]) throw new Error(`index.html names ${name}, which was not built`);
  return `/console/assets/${names[name]}`;
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
