// Clients of the Monitor wire: a device that reports, a viewer that watches. Both are npm `ws`,
// so what they accept is what the world accepts.
import assert from 'node:assert/strict';
import WebSocket from 'ws';
import { PATIENCE, within } from './server.mjs';

const WAIT_MS_MAX = 10_000 * PATIENCE;

/** A WebSocket whose messages are kept; `closed` resolves to {code, reason}. */
export class Peer {
  static ANSWER = 'ack'; // what a frame with an id is answered by

  constructor(ws) {
    this.ws = ws;
    this.messages = [];
    this.watchers = new Set();
    this.acks = new Map();
    this.lastId = 0;
    this.closed = new Promise((resolve) => {
      ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    ws.on('error', () => {}); // its end is told by close
    ws.on('message', (data) => this.hear(JSON.parse(data.toString())));
  }

  hear(message) {
    const waiting = message.type === this.constructor.ANSWER && this.acks.get(message.data.id);
    if (waiting) {
      this.acks.delete(message.data.id);
      waiting(message.data);
      return;
    }
    message.heard = Date.now();
    this.messages.push(message);
    for (const watcher of [...this.watchers]) watcher(message);
  }

  of(type) {
    return this.messages.filter((m) => m.type === type);
  }

  /** The next message of `type` from here on (or the `from`th of all) for which `test` holds. */
  next(type, { ms = WAIT_MS_MAX, test = () => true, from = this.messages.length } = {}) {
    const fits = (m) => m.type === type && test(m);
    const said = this.messages.slice(from).find(fits);
    if (said !== undefined) return Promise.resolve(said);
    let watcher;
    const seen = new Promise((resolve, reject) => {
      watcher = (m) => fits(m) && resolve(m);
      this.watchers.add(watcher);
      this.closed.then(({ code, reason }) => {
        reject(new Error(`closed ${code} ${reason} while waiting for ${type}`));
      });
    });
    return within(ms, `message ${type}`, seen).finally(() => this.watchers.delete(watcher));
  }

  /** The first message of `type`, heard already or to come. */
  first(type, options = {}) {
    return this.next(type, { ...options, from: 0 });
  }

  send(frame) {
    this.ws.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  /** Sends a frame with an id; resolves to its ack's data, or undefined when the peer went first. */
  ask(type, data = {}) {
    const id = ++this.lastId;
    const answer = new Promise((resolve) => {
      this.acks.set(id, resolve);
      this.closed.then(() => resolve(undefined));
    });
    this.send({ type, id, data });
    return answer;
  }

  async end(code = 1000) {
    this.ws.close(code);
    return within(WAIT_MS_MAX, 'close', this.closed);
  }

  closedWithin(ms = WAIT_MS_MAX) {
    return within(ms, 'close', this.closed);
  }
}

/** Opens; a refused upgrade fails with its HTTP status in `error.status`. */
export function connect(server, target,
  { protocols = [], token, headers = {}, Kind = Peer, ...options } = {}) {
  const auth = token ? { authorization: `Bearer ${token}` } : {};
  const ws = new WebSocket(server.url.replace('http', 'ws') + target, protocols, {
    headers: { ...auth, ...headers },
    ...options,
  });
  const peer = new Kind(ws);
  const opened = new Promise((resolve, reject) => {
    ws.once('open', () => resolve(peer));
    ws.once('unexpected-response', (req, res) => {
      const error = Object.assign(new Error(`refused with ${res.statusCode}`), {
        status: res.statusCode,
        headers: res.headers,
      });
      res.resume();
      req.destroy();
      reject(error);
    });
    peer.closed.then(({ code }) => reject(new Error(`closed ${code} before it was open`)));
  });
  return within(WAIT_MS_MAX, `opening ${target}`, opened);
}

/** The HTTP status with which an upgrade is refused; fails when it is not. */
export async function refusal(server, target, options) {
  try {
    const peer = await connect(server, target, options);
    peer.ws.terminate();
  } catch (error) {
    if (error.status !== undefined) return error.status;
    throw error;
  }
  return assert.fail(`${target} was not refused`);
}

/** A viewer that has been welcomed, with its channels asked for. */
export async function viewer(server, id, channels = [], options = {}) {
  const peer = await connect(server, `/api/v1/devices/${id}/ws`, options);
  await peer.first('connected');
  if (channels.length > 0) peer.send({ type: 'subscribe', channels });
  return peer;
}

/** A device's own socket. */
export function device(server, key, options = {}) {
  return connect(server, '/api/v1/devices/self/ws', { token: key, ...options });
}

/** A row whose content follows from its number, so that a wrong one shows. */
export function rowOf(n, recordedAt) {
  return {
    row: true,
    recordedAt,
    cpu: (n % 1000) / 10,
    memory: { used: n, total: 8_000_000_000 },
    network: { download: n * 2, upload: n * 3 },
    load: (n % 100) / 4,
    disk: { used: n * 5, total: 500_000_000_000 },
  };
}
