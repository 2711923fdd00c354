// Engine.IO by hand: requests and frames as they are on the wire, without a client's kindness.
import WebSocket from 'ws';
import { PATIENCE, within } from './server.mjs';

const WAIT_MS_MAX = 10_000 * PATIENCE;
export const SEPARATOR = '\x1e';

const query = (sid, more = {}) =>
  new URLSearchParams({ EIO: '4', transport: 'polling', ...(sid ? { sid } : {}), ...more });

/** A polling session: sid, hello (the open packet's object). */
export class Polling {
  constructor(server, { path = '/engine.io/', headers = {} } = {}) {
    Object.assign(this, { server, path, headers });
  }

  async open(more = {}) {
    this.handshake = await this.get(more);
    this.hello = JSON.parse(this.handshake.text.slice(1));
    this.sid = this.hello.sid;
    return this;
  }

  target(more) {
    return `${this.path}?${query(this.sid, more)}`;
  }

  get(more, signal) {
    return this.#request('GET', this.target(more), undefined, {}, signal);
  }

  post(body, headers = {}) {
    return this.#request('POST', this.target(), body, headers);
  }

  // A connection of its own each time, unless it asks for more: they land on any loop.
  async #request(method, target, body, headers, signal) {
    const r = await within(WAIT_MS_MAX, `${method} ${target.slice(0, 40)}`, fetch(
      this.server.url + target,
      {
        method, body, signal,
        headers: { connection: 'close', ...(body === undefined ? {} : { 'content-type': 'text/plain' }),
          ...this.headers, ...headers },
      }));
    return { status: r.status, headers: r.headers, text: await r.text() };
  }

  /** Packets of one GET. */
  async packets() {
    const { status, text } = await this.get();
    if (status !== 200) throw new Error(`GET ${status} ${text}`);
    return text.split(SEPARATOR);
  }
}

export const polling = (server, options) => new Polling(server, options).open();

/** A WebSocket whose frames wait to be asked for: text as strings, binary as buffers. */
export class Frames {
  constructor(server, { sid, path = '/engine.io/', ws = {}, ...more } = {}) {
    const url = server.url.replace('http', 'ws') + path +
      `?${query(sid, { transport: 'websocket', ...more })}`;
    this.socket = new WebSocket(url, { perMessageDeflate: false, ...ws });
    this.queue = [];
    this.waiting = [];
    this.socket.on('message', (data, binary) => {
      const frame = binary ? data : data.toString();
      const next = this.waiting.shift();
      if (next) next(frame);
      else this.queue.push(frame);
    });
    this.refused = new Promise((resolve) => {
      this.socket.on('unexpected-response', (request, response) => {
        let text = '';
        response.on('data', (d) => (text += d));
        response.on('end', () => resolve({ status: response.statusCode, text,
          type: response.headers['content-type'], connection: response.headers.connection }));
      });
    });
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code) => resolve(code));
    });
    this.opened = new Promise((resolve, reject) => {
      this.socket.on('open', () => resolve(this));
      this.socket.on('close', () => reject(new Error('closed before it was open')));
    });
    this.opened.catch(() => {});
  }

  next() {
    if (this.queue.length > 0) return Promise.resolve(this.queue.shift());
    return within(WAIT_MS_MAX, 'a frame', Promise.race([
      new Promise((resolve) => this.waiting.push(resolve)),
      this.closed.then((code) => { throw new Error(`closed with ${code}`); }),
    ]));
  }

  send(data) {
    this.socket.send(data);
    return this;
  }

  end() {
    return within(WAIT_MS_MAX, 'the close', this.closed);
  }
}

/** A session that is a WebSocket: sid, hello. */
export async function websocket(server, options) {
  const frames = await new Frames(server, options).opened;
  frames.hello = JSON.parse((await frames.next()).slice(1));
  frames.sid = frames.hello.sid;
  return frames;
}

/** Takes a polling session over to a WebSocket: its frames. */
export async function upgrade(session, options) {
  const frames = await new Frames(session.server, { sid: session.sid, path: session.path, ...options })
    .opened;
  frames.send('2probe');
  const answer = await frames.next();
  if (answer !== '3probe') throw new Error(`probe answered ${answer}`);
  return frames.send('5');
}
