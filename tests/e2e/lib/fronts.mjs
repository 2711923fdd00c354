// Real proxies before the server, configured as docs/OPERATIONS.md shows: the test replaces
// addresses and files, nothing else.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import readline from 'node:readline';
import { PATIENCE, ROOT, tempDir, within } from './server.mjs';

export const NAME = 'box.example';
const START_MS_MAX = 10_000 * PATIENCE;
const ANSWER_MS_MAX = 10_000 * PATIENCE;

/** The nth code block of a language in a section of OPERATIONS.md. */
export function documented(section, language, n = 0) {
  const text = readFileSync(path.join(ROOT, 'docs/OPERATIONS.md'), 'utf8');
  const part = text.split(/^## /m).find((p) => p.startsWith(`${section}\n`));
  assert.ok(part, `OPERATIONS.md has no section "${section}"`);
  const blocks = [...part.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].filter((b) => b[1] === language);
  assert.ok(blocks.length > n, `${section}: no ${language} block ${n}`);
  return blocks[n][2];
}

/** The text with each [from, to]; what is to be replaced must stand there. */
export function adapted(text, replacements) {
  for (const [from, to] of replacements) {
    assert.ok(text.includes(from), `"${from}" is not in\n${text}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

/** Documented settings as flags of `serve`. */
export function flags(text) {
  return text.split('\n').filter((line) => line.trim() !== '').flatMap((line) => {
    const [, key, value] = line.match(/^(\w+) = (.*)$/);
    return [`--${key.replaceAll('_', '-')}`, value];
  });
}

/** {cert, key, pem (both), ca}: files of a certificate for NAME, and its text. */
export function certificate(dir) {
  const files = { cert: `${dir}/box.crt`, key: `${dir}/box.key`, pem: `${dir}/box.pem` };
  const made = spawnSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-subj', `/CN=${NAME}`, '-addext', `subjectAltName=DNS:${NAME}`,
    '-keyout', files.key, '-out', files.cert,
  ], { encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
  writeFileSync(files.pem, readFileSync(files.cert, 'utf8') + readFileSync(files.key, 'utf8'), {
    mode: 0o600,
  });
  return { ...files, ca: readFileSync(files.cert) };
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true) || socket.destroy());
    socket.on('error', () => resolve(false));
  });
}

/** A proxy of this test: its process, its log, and the way through it. */
export class Front {
  constructor(argv, ports, ca) {
    this.ca = ca;
    this.port = ports.secure;
    this.plainPort = ports.plain;
    this.url = `https://127.0.0.1:${this.port}`;
    this.host = `${NAME}:${this.port}`;
    this.said = [];
    this.process = spawn(argv[0], argv.slice(1), { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const name of ['stdout', 'stderr']) {
      readline.createInterface({ input: this.process[name] }).on('line', (l) => this.said.push(l));
    }
    this.ended = new Promise((resolve) => this.process.on('close', resolve));
    this.process.on('error', (e) => this.said.push(String(e)));
    process.on('exit', () => this.process.kill('SIGKILL'));
  }

  async ready() {
    const ended = this.ended.then((status) => {
      throw new Error(`the proxy ended (${status})\n${this.said.join('\n')}`);
    });
    ended.catch(() => {});
    const open = (async () => {
      while (!(await accepts(this.port))) await new Promise((r) => setTimeout(r, 50));
    })();
    await within(START_MS_MAX, 'the proxy', Promise.race([open, ended]));
    return this;
  }

  async stop() {
    this.process.kill('SIGTERM');
    await within(START_MS_MAX, 'end of the proxy', this.ended);
  }

  /** Options of a client behind this proxy; `from`: the loopback address that it has. */
  client({ from = '127.0.0.1', host = this.host, headers = {} } = {}) {
    return {
      localAddress: from,
      servername: NAME,
      ca: this.ca,
      headers: { host, ...headers },
    };
  }

  /** {status, headers, text, json}. */
  request(method, target, { body, token, ...client } = {}) {
    const options = this.client(client);
    const auth = token ? { authorization: `Bearer ${token}` } : {};
    const json = body === undefined ? undefined : JSON.stringify(body);
    const typed = json === undefined ? {} : { 'content-type': 'application/json' };
    const answer = new Promise((resolve, reject) => {
      const req = https.request(this.url + target, {
        ...options,
        method,
        agent: false,
        headers: { ...options.headers, ...auth, ...typed },
      }, (res) => {
        const chunks = [];
        res.on('data', (d) => chunks.push(d));
        res.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const isJson = /json/.test(res.headers['content-type'] ?? '') && text !== '';
          resolve({ status: res.statusCode, headers: res.headers, text,
                    json: isJson ? JSON.parse(text) : undefined });
        });
      });
      req.on('error', reject);
      req.end(json);
    });
    return within(ANSWER_MS_MAX, `${method} ${target}`, answer);
  }

  get(target, options) {
    return this.request('GET', target, options);
  }
}

export async function startNginx(site, ports, ca) {
  const dir = tempDir('nginx');
  writeFileSync(`${dir}/site.conf`, site);
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  writeFileSync(`${dir}/nginx.conf`, [
    'daemon off;', 'master_process off;', `pid ${dir}/pid;`, 'error_log stderr warn;',
    'events { worker_connections 512; }',
    'http {', '  access_log off;',
    ...temp.map((t) => `  ${t}_temp_path ${dir}/${t};`),
    `  include ${dir}/site.conf;`, '}', '',
  ].join('\n'));
  const argv = ['nginx', '-c', `${dir}/nginx.conf`, '-p', dir, '-e', 'stderr'];
  return new Front(argv, ports, ca).ready();
}

export async function startHaproxy(config, ports, ca) {
  const dir = tempDir('haproxy');
  writeFileSync(`${dir}/haproxy.cfg`, config);
  return new Front(['haproxy', '-db', '-f', `${dir}/haproxy.cfg`], ports, ca).ready();
}
