// Sockets below HTTP: what a hostile or broken peer does, byte by byte.
import { readFileSync, readdirSync } from 'node:fs';
import net from 'node:net';
import { PATIENCE, within } from './server.mjs';

const WAIT_MS_MAX = 10_000 * PATIENCE;

/** A TCP connection: port (its own), text (what came), ended. */
export class Bare {
  constructor(server) {
    this.chunks = [];
    this.socket = net.connect({ port: server.port, host: server.host, allowHalfOpen: true });
    this.socket.on('data', (d) => this.chunks.push(d));
    this.socket.on('error', () => {}); // a reset is an end like any other
    this.opened = new Promise((resolve, reject) => {
      this.socket.on('connect', () => {
        this.port = this.socket.localPort;
        resolve(this);
      });
      this.socket.on('close', () => reject(new Error('closed before it was open')));
    });
    this.opened.catch(() => {});
    // The server's end of sending, or of everything.
    this.ended = new Promise((resolve) => {
      this.socket.on('end', resolve);
      this.socket.on('close', resolve);
    });
  }

  get text() {
    return Buffer.concat(this.chunks).toString('latin1');
  }

  get status() {
    return Number(this.text.match(/^HTTP\/1\.1 (\d{3}) /)?.[1]);
  }

  write(bytes) {
    this.socket.write(bytes, 'latin1');
    return this;
  }

  /** Waits for the server's end; the text. */
  async end(ms = WAIT_MS_MAX) {
    try {
      await within(ms, `end of the connection after ${JSON.stringify(this.text)}`, this.ended);
    } finally {
      this.socket.destroy();
    }
    return this.text;
  }

  /** Drops it, with a reset. */
  reset() {
    this.socket.resetAndDestroy();
  }
}

export const bare = (server) => new Bare(server).opened;

/** Sends and waits for the server's end: a Bare. */
export async function say(server, ...parts) {
  const peer = await bare(server);
  for (const part of parts) peer.write(part);
  await peer.end();
  return peer;
}

/** The bytes of an upgrade request. */
export function upgradeRequest(server, target, fields = []) {
  return [
    `GET ${target} HTTP/1.1`,
    `Host: ${server.host}:${server.port}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ...fields,
    '',
    '',
  ].join('\r\n');
}

/** {fds, rssKib} of a process. */
export function usage(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    fds: readdirSync(`/proc/${pid}/fd`).length,
    rssKib: Number(status.match(/^VmRSS:\s+(\d+) kB/m)[1]),
  };
}
