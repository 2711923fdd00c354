#!/usr/bin/env node
// What permessage-deflate costs and saves: fan-out of 4 KiB of JSON from 1 to 1,000.
//
//     node bench/deflate.mjs [SIGNALBOX] [MESSAGES]
//
// Clients are plain sockets that count bytes, so that inflating them is nobody's work; each message
// is published when the one before has arrived everywhere. CPU is the server's, from /proc. The
// variants take turns in three rounds; each figure is the median of them.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';

const BIN = process.argv[2] ?? 'build/release/signalbox';
const MESSAGES = Number(process.argv[3] ?? 200);
const CONNS = 1000;
const ROUNDS = 3;
const TICKS_S = 100; // USER_HZ

const VARIANTS = [
  ['not offered', ''],
  ['permessage-deflate', 'permessage-deflate'],
  ['server_max_window_bits=9', 'permessage-deflate; server_max_window_bits=9'],
];

function sample() {
  let seed = 1;
  const next = (n) => (seed = (seed * 48271) % 2147483647) % n;
  const names = ['chromium', 'node', 'postgres', 'signalbox', 'systemd', 'sshd'];
  const rows = [];
  while (JSON.stringify(rows).length < 4096) {
    rows.push({ pid: next(99999), name: names[next(6)], cpu: next(10000) / 100,
      memory: next(2 ** 30), user: ['root', 'www-data', 'olga'][next(3)] });
  }
  return JSON.stringify(rows).slice(0, 4096);
}

function frame(text) { // masked with zeros, which leave the payload as it is
  const payload = Buffer.from(text);
  const head = payload.length < 126
    ? Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0])
    : Buffer.from([0x81, 0x80 | 126, payload.length >> 8, payload.length & 255, 0, 0, 0, 0]);
  return Buffer.concat([head, payload]);
}

class Client {
  constructor(port, extension) {
    this.bytes = 0;
    this.target = Infinity;
    let head = '';
    this.socket = net.connect(port, '127.0.0.1');
    this.open = new Promise((resolve, reject) => {
      this.socket.on('error', reject);
      this.socket.on('data', (data) => {
        if (head !== null) { // the server says nothing more before it is asked
          head += data.toString('latin1');
          if (!head.includes('\r\n\r\n')) return;
          const agreed = /permessage-deflate/i.test(head);
          if (!head.startsWith('HTTP/1.1 101') || agreed !== (extension !== '')) reject(new Error(head));
          head = null;
          resolve();
          return;
        }
        this.bytes += data.length;
        if (this.bytes >= this.target) this.reached();
      });
    });
    this.socket.write('GET /conformance/pubsub HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n'
      + 'Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
      + 'Sec-WebSocket-Version: 13\r\n'
      + (extension ? `Sec-WebSocket-Extensions: ${extension}\r\n` : '') + '\r\n');
  }

  until(bytes) {
    if (this.bytes >= bytes) return Promise.resolve();
    this.target = bytes;
    return new Promise((resolve) => {
      this.reached = () => {
        this.target = Infinity;
        resolve();
      };
    });
  }
}

function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_S;
}

async function run(extension) {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'signalbox-bench-'));
  const server = spawn(BIN, ['serve', '--loops', '1', '--conformance', 'on', '--listen',
    '127.0.0.1:0', '--data-dir', dir, '--store', 'memory', '--log-level', 'warn',
    '--tcp-congestion', 'reno'],
  { stdio: ['ignore', 'pipe', 'inherit'] });
  let port = 0;
  for await (const line of readline.createInterface({ input: server.stdout })) {
    port = Number(/127\.0\.0\.1:(\d+)/.exec(line)?.[1] ?? 0);
    if (port) break;
  }
  server.stdout.resume();
  const clients = [];
  for (let i = 0; i < CONNS; i++) {
    clients.push(new Client(port, extension));
    await clients[i].open;
    clients[i].socket.write(frame('s room'));
  }
  const all = (bytes) => Promise.all(clients.map((c) => c.until(bytes)));
  const publisher = new Client(port, '');
  await publisher.open;
  await all('ok room'.length + 2);
  const before = clients[0].bytes;
  const message = frame(`p room ${sample()}`);
  publisher.socket.write(message);
  await clients[0].until(before + 5);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const each = clients[0].bytes - before;
  await all(before + each);
  const cpu = cpuSeconds(server.pid);
  for (let i = 1; i <= MESSAGES; i++) {
    publisher.socket.write(message);
    await all(before + each * (i + 1));
  }
  const us = (cpuSeconds(server.pid) - cpu) * 1e6 / (MESSAGES * CONNS);
  for (const c of [...clients, publisher]) c.socket.destroy();
  const ended = new Promise((resolve) => server.on('close', resolve));
  server.kill('SIGTERM');
  await ended;
  rmSync(dir, { recursive: true, force: true });
  return { each, us };
}

const results = VARIANTS.map(() => []);
for (let round = 0; round < ROUNDS; round++) {
  for (let i = 0; i < VARIANTS.length; i++) results[i].push(await run(VARIANTS[i][1]));
}
console.log('| offered | bytes a message | CPU, µs a delivery |\n| --- | --- | --- |');
for (let i = 0; i < VARIANTS.length; i++) {
  const us = results[i].map((r) => r.us).sort((a, b) => a - b);
  console.log(`| ${VARIANTS[i][0]} | ${results[i][0].each} | ${us[ROUNDS >> 1].toFixed(2)} `
    + `(${us[0].toFixed(2)}-${us[ROUNDS - 1].toFixed(2)}) |`);
}
