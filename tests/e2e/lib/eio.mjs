// Engine.IO (revision 4) by hand: what a client that breaks the rules sends, packet by packet.
import http from 'node:http';
import WebSocket from 'ws';
import { PATIENCE, within } from './server.mjs';

const WAIT_MS_MAX = 10_000 * PATIENCE;
const SEPARATOR = '\x1e';

/** {status, text} of one request; `socket` is what it went over. Fails when there is no answer. */
export function ask(server, method, target, { body, headers = {}, agent = false } = {}) {
  let req;
  const answer = new Promise((resolve, reject) => {
    req = http.request(server.url + target, { method, headers, agent }, (res) => {
      let text = '';
      res.setEncoding('utf8');
      res.on('data', (d) => (text += d));
      res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, text }));
      res.on('error', reject);
    });
    req.on('error', reject);
    req.end(body);
  });
  answer.catch(() => {});
  return Object.assign(within(WAIT_MS_MAX, `${method} ${target}`, answer), { req });
}

/** A session over polling; nothing is asked unless one says so. */
export class Polling {
  constructor(server, sid) {
    Object.assign(this, { server, sid });
    this.path = `/socket.io/?EIO=4&transport=polling&sid=${sid}`;
  }

  static async open(server, query = '') {
    const got = await ask(server, 'GET', `/socket.io/?EIO=4&transport=polling${query}`);
    if (got.status !== 200) throw new Error(`handshake: ${got.status} ${got.text}`);
    return new Polling(server, JSON.parse(got.text.slice(1)).sid);
  }

  get(options) {
    return ask(this.server, 'GET', this.path, options);
  }

  post(body, options) {
    return ask(this.server, 'POST', this.path, { body, ...options });
  }

  /** The packets of one answer. */
  async packets() {
    const got = await this.get();
    if (got.status !== 200) throw new Error(`poll: ${got.status} ${got.text}`);
    return got.text.split(SEPARATOR);
  }

  /** Joins "/". */
  async join(payload = '') {
    await this.post(`40${payload}`);
    const packets = await this.packets();
    if (!packets.some((p) => p.startsWith('40{'))) throw new Error(`CONNECT: ${packets}`);
    return this;
  }
}

/** A WebSocket that speaks packets; pings are answered. `closed`: {code, reason}. */
export class Wire {
  constructor(server, query = '') {
    this.heard = [];
    this.watchers = new Set();
    this.ws = new WebSocket(
      `${server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket${query}`,
      { perMessageDeflate: false },
    );
    this.ws.on('error', (error) => (this.error = error));
    this.opened = new Promise((resolve) => this.ws.on('open', resolve));
    this.closed = new Promise((resolve) => {
      this.ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    this.ws.on('message', (data, binary) => {
      const said = binary ? data : data.toString();
      if (said === '2') this.ws.send('3');
      this.heard.push(said);
      for (const watcher of [...this.watchers]) watcher(said);
    });
  }

  /** Connected to "/" (with `payload`, JSON), or only open when `join` is false. */
  static async open(server, { query = '', payload = '', join = true } = {}) {
    const wire = new Wire(server, query);
    await within(WAIT_MS_MAX, 'opening', Promise.race([wire.opened, wire.closed]));
    if (join) {
      wire.ws.send(`40${payload}`);
      await wire.next((p) => p.startsWith('40{'));
    }
    return wire;
  }

  /** The first text packet, heard already or to come, for which `test` holds. */
  next(test, ms = WAIT_MS_MAX) {
    const fits = (p) => typeof p === 'string' && test(p);
    const said = this.heard.find(fits);
    if (said !== undefined) return Promise.resolve(said);
    let watcher;
    const seen = new Promise((resolve, reject) => {
      watcher = (p) => fits(p) && resolve(p);
      this.watchers.add(watcher);
      this.closed.then(({ code }) => reject(new Error(`closed ${code} while waiting for ${test}`)));
    });
    return within(ms, `packet ${test}`, seen).finally(() => this.watchers.delete(watcher));
  }

  send(...packets) {
    for (const packet of packets) this.ws.send(packet);
    return this;
  }

  end() {
    return within(WAIT_MS_MAX, 'end of the WebSocket', this.closed);
  }

  drop() {
    this.ws.terminate();
  }
}
