// Socket.IO by hand over WebSocket frames: packets as they are on the wire.
import assert from 'node:assert/strict';
import { websocket } from './engineio.mjs';
import { PATIENCE, within } from './server.mjs';

const WAIT_MS_MAX = 10_000 * PATIENCE;
const PATH = '/socket.io/';

/** What a text packet says: type, nsp, id, data (JSON, or undefined). */
export function parse(frame) {
  const [, type, count, nsp, id, json] =
    frame.match(/^4(\d)(?:(\d+)-)?(?:(\/[^,{[]*),?)?(\d*)([\s\S]*)$/);
  return {
    type: Number(type),
    attachments: Number(count ?? 0),
    nsp: nsp ?? '/',
    id: id === '' ? undefined : Number(id),
    data: json === '' ? undefined : JSON.parse(json),
  };
}

/** A connection that has joined nothing yet. */
export class Wire {
  constructor(frames) {
    Object.assign(this, { frames, ws: frames.socket, closed: frames.closed });
  }

  static async open(server, options = {}) {
    return new Wire(await websocket(server, { path: PATH, ...options }));
  }

  send(...messages) {
    for (const m of messages) this.ws.send(m);
    return this;
  }

  /** The next packet, pings answered on the way; binary frames as buffers. */
  async next() {
    for (;;) {
      const frame = await this.frames.next();
      if (frame === '2') this.ws.send('3');
      else return typeof frame === 'string' ? parse(frame) : frame;
    }
  }

  /** The next packet for which `test` holds. */
  async find(test) {
    for (;;) {
      const packet = await this.next();
      if (test(packet)) return packet;
    }
  }

  /** The next event of that name: its arguments. */
  async event(name) {
    return (await this.find((p) => p.type === 2 && p.data[0] === name)).data.slice(1);
  }

  /** CONNECT; the packet that answers. Missed events that come before are in this.missed. */
  async connect(nsp, auth) {
    const at = nsp === '/' ? '' : `${nsp},`;
    this.send(`40${at}${auth === undefined ? '' : JSON.stringify(auth)}`);
    this.missed = [];
    for (;;) {
      const p = await this.next();
      if (p.nsp === nsp && (p.type === 0 || p.type === 4)) return p;
      this.missed.push(p);
    }
  }

  /** Emits with an ack; its first argument. */
  async ask(nsp, id, ...args) {
    this.send(`42${nsp === '/' ? '' : `${nsp},`}${id}${JSON.stringify(args)}`);
    return (await this.find((p) => p.type === 3 && p.id === id)).data[0];
  }

  /** Waits for the server's end: the close code. */
  end() {
    return within(WAIT_MS_MAX, 'the close', this.closed);
  }

  /** Goes without a word, as a network does. */
  drop() {
    this.ws.terminate();
    return this.end();
  }
}

/** A connection with one namespace joined: wire, sid, pid, session (the early event, if any). */
export async function join(server, nsp, auth, { early = true, ...options } = {}) {
  const wire = await Wire.open(server, options);
  const answer = await wire.connect(nsp, auth);
  assert.equal(answer.type, 0, JSON.stringify(answer));
  Object.assign(wire, answer.data);
  if (early) {
    const session = await wire.next();
    assert.equal(session.data[0], 'recovery:ready');
    [, wire.session, wire.offset] = session.data;
  }
  return wire;
}
