// The console's files, and what a page brings when it is the first that is opened.
import { build } from "esbuild";
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));

/**
 * What somebody fetches until a page is there, packed, in bytes: index.html, the first script and
 * sheet, and the page's own with all that they import at once. Above this the check fails: find
 * what came in, and fetch it later (ui/lazy.tsx) or leave it out.
 */
const FIRST = {
  overview: { script: "src/pages/devices.tsx", sheet: "devices", most: 28_500 },
  chat: { script: "src/pages/chat.tsx", sheet: "chat", most: 45_000 },
  home: { script: "src/pages/home.tsx", sheet: "things", most: 40_000 },
  device: { script: "src/pages/device.tsx", sheet: "things", most: 64_500 },
};
export const SHEETS = ["devices", "things", "chat"]; // of pages; the first script's own comes with it

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

/** uPlot hangs all that it can do on its one export, where nothing finds that it is not used. */
const trim = {
  name: "trim",
  setup: (b) => b.onLoad({ filter: /[\\/]uPlot\.esm\.js$/ }, async ({ path }) => {
    const text = await readFile(path, "utf8");
    const [from, to] = [text.indexOf("\nuPlot.assign = assign;"), text.lastIndexOf("\nexport {")];
    if (from < 0 || to < from) throw new Error("uPlot is written otherwise now: see trim");
    return { contents: text.slice(0, from) + text.slice(to), loader: "js" };
  }),
};

export const packed = (bytes) => gzipSync(bytes, { level: 9 });

/** {files: Map of name to bytes, first: [{page, bytes, most}]} */
export async function bundle() {
  const result = await build({
    ...common,
    entryPoints: {
      app: "src/main.tsx", icon: "src/icon.svg",
      ...Object.fromEntries(SHEETS.map((name) => [`${name}-sheet`, `src/styles/${name}.css`])),
    },
    splitting: true,
    metafile: true,
    format: "esm",
    jsx: "automatic",
    jsxImportSource: "preact",
    plugins: [trim],
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
  const outputs = Object.fromEntries(Object.entries(result.metafile.outputs).map(([path, o]) => [basename(path), o]));
  const scriptOf = (entry) => Object.keys(outputs).find((name) => outputs[name].entryPoint === entry);
  const atOnce = (name, found = new Set()) => {
    found.add(name);
    outputs[name].imports.filter((i) => i.kind === "import-statement" && !found.has(basename(i.path)))
      .forEach((i) => atOnce(basename(i.path), found));
    return found;
  };

  const template = await readFile(join(here, "src/index.html"), "utf8");
  const app = scriptOf("src/main.tsx");
  const blocks = {
    // What the first file imports at once is fetched beside it, not after it.
    preload: [...atOnce(app)].slice(1).map((name) => `<link rel="modulepreload" href="/console/assets/${name}">`),
    // A page's sheet is named by a <meta>, and fetched with the page (lib/style.ts).
    sheets: SHEETS.map((name) => `<meta name="${name}-style" content="/console/assets/${names[`${name}-sheet.css`]}">`),
  };
  const page = template.replace(/\{\{([\w.-]+)\}\}/g, (_, name) => {
    if (blocks[name]) return blocks[name].join("\n");
    if (!names[name]) throw new Error(`index.html names ${name}, which was not built`);
    return `/console/assets/${names[name]}`;
  });
  files.set("index.html", Buffer.from(page));

  const always = ["app.css", "theme.js", "icon.svg"].map((name) => names[name]);
  const first = Object.entries(FIRST).map(([name, { script, sheet, most }]) => {
    const needed = new Set([...always, ...atOnce(app), ...atOnce(scriptOf(script)), names[`${sheet}-sheet.css`]]);
    const bytes = [...needed].reduce((sum, n) => sum + packed(files.get(`assets/${n}`)).length, packed(page).length);
    return { page: name, bytes, most };
  });
  return { files, first };
}
