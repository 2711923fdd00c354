// The real program under test: started on a free port with its own data folder, stopped as an
// operator would, its log kept. SIGNALBOX_BIN names the binary (./dev test sets it).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
// Every server and agent of a file ends with it.
process.setMaxListeners(0);

export const BIN = process.env.SIGNALBOX_BIN ?? path.join(ROOT, 'build/release/signalbox');
export const SANITIZED = ['asan', 'tsan'].includes(process.env.SIGNALBOX_BUILD);
// Waits are multiplied by this: sanitizers slow the program down, and builds and other tests may
// run beside it on the same cores.
export const PATIENCE = SANITIZED ? 8 : 2;
// For bounds that the product promises: a plain build keeps them as they stand, however busy the
// machine; only sanitizers, which slow the product itself, get more.
export const SLOWNESS = SANITIZED ? 4 : 1;

const START_MS_MAX = 10_000 * PATIENCE;
const STOP_MS_MAX = 20_000 * PATIENCE;
const RAW_MS_MAX = 10_000 * PATIENCE;
const REQUEST_MS_MAX = 60_000 * PATIENCE;
const SANITIZER = /ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|assertion failed/i;

/** A promise that fails after `ms` with what was awaited. */
export function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** An empty folder under build/, removed when the test process ends. */
export function tempDir(name = 'e2e') {
  mkdirSync(path.join(ROOT, 'build/tmp'), { recursive: true });
  const dir = mkdtempSync(path.join(ROOT, 'build/tmp', `${name}-`));
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

// Settings of the developer's shell, and ours above, are not the server's.
export function environment(extra) {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('SIGNALBOX_'));
  const env = { ...Object.fromEntries(own), ...extra };
  delete env.NODE_TEST_CONTEXT; // a child must not take itself for a test of ours
  return env;
}

/** Runs a subcommand to its end: {status, stdout, stderr}. */
export function cli(args, { env = {}, input = '', cwd = ROOT } = {}) {
  const child = spawn(BIN, args, { cwd, env: environment(env), stdio: 'pipe' });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (d) => (stdout += d));
  child.stderr.on('data', (d) => (stderr += d));
  child.stdin.on('error', () => {}); // it may not read its input at all
  child.stdin.end(input);
  const done = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ status: code ?? signal, stdout, stderr }));
  });
  return within(START_MS_MAX, `signalbox ${args[0]}`, done).finally(() => child.kill('SIGKILL'));
}

export class Server {
  /** Fields: url, host, port, dataDir, process, ready (the ready line), stdout[], stderr[]. */
  constructor(child, dataDir) {
    this.process = child;
    this.dataDir = dataDir;
    this.stdout = [];
    this.stderr = [];
    this.watchers = new Set();
    this.exited = new Promise((resolve) => {
      child.on('close', (code, signal) => resolve(code ?? signal));
    });
    for (const name of ['stdout', 'stderr']) {
      readline.createInterface({ input: child[name] }).on('line', (line) => {
        this[name].push(line);
        for (const watcher of [...this.watchers]) watcher(line);
      });
    }
  }

  /** Everything it has said, as one text. */
  get log() {
    return [...this.stdout, ...this.stderr].join('\n');
  }

  /** The first line, said already or to come, for which `match` (function or RegExp) holds. */
  awaitLine(match, ms = START_MS_MAX) {
    const test = match instanceof RegExp ? (line) => match.test(line) : match;
    const said = [...this.stdout, ...this.stderr].find(test);
    if (said !== undefined) return Promise.resolve(said);
    let watcher;
    const seen = new Promise((resolve) => {
      watcher = (line) => test(line) && resolve(line);
      this.watchers.add(watcher);
    });
    // Its last lines may still be on their way when it has ended.
    const over = this.exited.then(() => new Promise((_, reject) => {
      setImmediate(() => reject(new Error(`line ${match}: the program has ended without it`)));
    }));
    return within(ms, `line ${match}`, Promise.race([seen, over]))
      .finally(() => this.watchers.delete(watcher));
  }

  /** Asks for a drain, waits for the end, and fails unless it was an orderly one. */
  async stop({ status = 0 } = {}) {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.process.kill('SIGTERM');
    }
    try {
      assert.equal(await within(STOP_MS_MAX, 'drain', this.exited), status, this.log.slice(-4000));
    } finally {
      this.process.kill('SIGKILL');
    }
    assert.doesNotMatch(this.log, SANITIZER);
  }

  /** As a power cut would end it. */
  async crash() {
    this.process.kill('SIGKILL');
    await this.exited;
  }

  /** A subcommand beside the running server, on its data folder; fails unless it exits 0. */
  async cli(...args) {
    const got = await cli([...args, '--data-dir', this.dataDir]);
    assert.equal(got.status, 0, `signalbox ${args.join(' ')}: ${got.stderr}${got.stdout}`);
    return got.stdout.trim();
  }

  /** Enrols a device: {id, key}. */
  async addDevice(name) {
    const said = await this.cli('device', 'add', '--name', name);
    return {
      id: said.match(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/)?.[0],
      key: said.match(/sbk_[\w-]+/)?.[0],
    };
  }

  /** fetch() of a path: {status, headers, text, json}. A plain object is sent as JSON. */
  request(method, target, options = {}) {
    // A fetch whose server is killed may never settle.
    return within(REQUEST_MS_MAX, `${method} ${target}`, this.#answer(method, target, options));
  }

  async #answer(method, target, { body, token, headers = {} }) {
    const json = body !== undefined && typeof body !== 'string' && !ArrayBuffer.isView(body);
    const response = await fetch(this.url + target, {
      method,
      redirect: 'manual',
      headers: {
        ...(json ? { 'content-type': 'application/json' } : {}),
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...headers,
      },
      body: json ? JSON.stringify(body) : body,
    });
    const text = await response.text();
    const typed = response.headers.get('content-type')?.includes('json');
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: typed && text !== '' ? JSON.parse(text) : undefined,
    };
  }

  get(target, options) {
    return this.request('GET', target, options);
  }

  post(target, body, options = {}) {
    return this.request('POST', target, { ...options, body });
  }

  /** Sends bytes (a string, a buffer or a list of them) as they are; reads until the end. */
  raw(bytes, { ms = RAW_MS_MAX } = {}) {
    const socket = net.connect(this.port, this.host);
    const chunks = [];
    const done = new Promise((resolve) => {
      socket.on('data', (d) => chunks.push(d));
      socket.on('error', () => {}); // a reset is an end like any other
      socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
    });
    for (const part of Array.isArray(bytes) ? bytes : [bytes]) socket.write(part, 'latin1');
    return within(ms, 'end of the connection', done).finally(() => socket.destroy());
  }
}

/**
 * Starts `signalbox serve` and returns once it accepts. `flags` come after the harness's own, so
 * they win; `dataDir` continues with the data of an earlier server; `descriptors` is the hard limit
 * of open files that it is started with.
 */
export async function startServer({ flags = [], env = {}, dataDir = tempDir(), descriptors } = {}) {
  const args = ['serve', '--listen', '127.0.0.1:0', '--data-dir', dataDir, ...flags];
  const limited = ['-c', `ulimit -n ${descriptors} && exec "$0" "$@"`, BIN, ...args];
  const child = spawn(descriptors ? 'sh' : BIN, descriptors ? limited : args, {
    cwd: ROOT,
    env: environment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.on('error', () => {}); // a binary that is not there shows as an end without a ready line
  process.on('exit', () => child.kill('SIGKILL'));
  const server = new Server(child, dataDir);
  const ended = server.exited.then((status) => {
    throw new Error(`${BIN} ended (${status}) before it was ready\n${server.log}`);
  });
  ended.catch(() => {});
  const line = await Promise.race([
    server.awaitLine((text) => text.startsWith('{') && JSON.parse(text).event === 'ready'),
    ended,
  ]);
  server.ready = JSON.parse(line);
  server.url = `http://${server.ready.listen[0].replace(/^http:\/\//, '')}`;
  const { hostname, port } = new URL(server.url);
  server.host = hostname;
  server.port = Number(port);
  return server;
}
