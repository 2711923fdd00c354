// The official JavaScript clients, each under its own name, and what they have heard.
import io2 from 'socket.io-client-2';
import { io as io3 } from 'socket.io-client-3';
import { io as io4 } from 'socket.io-client';
import { PATIENCE, within } from './server.mjs';

export const WAIT_MS_MAX = 10_000 * PATIENCE;
export const CLIENTS = [
  { name: 'socket.io-client 4', version: 4, io: io4 },
  { name: 'socket.io-client 3', version: 3, io: io3 },
  { name: 'socket.io-client 2', version: 2, io: io2 },
];
export const WAYS = [
  { name: 'websocket', transports: ['websocket'] },
  { name: 'polling', transports: ['polling'] },
  { name: 'upgrade', transports: ['polling', 'websocket'] },
];

// What a client tells of itself; never the name of an event of ours.
const LOCAL = ['connect', 'connect_error', 'disconnect'];

/** One socket of a client, and everything that it heard, in order: [{event, args}]. */
export class Talker {
  constructor(client, socket) {
    this.client = client;
    this.socket = socket;
    this.heard = [];
    this.watchers = new Set();
    for (const name of LOCAL) socket.on(name, (...args) => this.hear(name, args));
    if (client.version === 2) {
      socket.on('error', (...args) => this.hear('error', args));
      const onevent = socket.onevent;
      socket.onevent = (packet) => {
        const [event, ...args] = packet.data;
        onevent.call(socket, packet);
        this.hear(event, args);
      };
    } else {
      socket.onAny((event, ...args) => this.hear(event, args));
    }
  }

  hear(event, args) {
    const said = { event, args };
    this.heard.push(said);
    for (const watcher of [...this.watchers]) watcher(said);
  }

  of(event) {
    return this.heard.filter((h) => h.event === event).map((h) => h.args);
  }

  /** Arguments of the next such event (or the first from `from` on) for which `test` holds. */
  next(event, { from = this.heard.length, test = () => true, ms = WAIT_MS_MAX } = {}) {
    const fits = (h) => h.event === event && test(...h.args);
    const said = this.heard.slice(from).find(fits);
    if (said) return Promise.resolve(said.args);
    let watcher;
    const seen = new Promise((resolve) => {
      watcher = (h) => fits(h) && resolve(h.args);
      this.watchers.add(watcher);
    });
    const what = `${event} for ${this.client.name}`;
    return within(ms, what, seen).finally(() => this.watchers.delete(watcher)).catch((error) => {
      error.message += `; heard ${this.heard.map((h) => h.event).slice(-30)}`;
      throw error;
    });
  }

  /** The same among what was heard already, or to come. */
  first(event, options = {}) {
    return this.next(event, { from: 0, ...options });
  }

  /** The arguments of the ack. */
  ask(event, ...args) {
    const answered = new Promise((resolve) => this.socket.emit(event, ...args, (...a) => resolve(a)));
    return within(WAIT_MS_MAX, `ack of ${event} for ${this.client.name}`, answered);
  }

  get id() {
    return this.socket.id;
  }

  get engine() {
    return this.socket.io.engine;
  }

  /** Waits until the transport is `name`, which an upgrade takes a moment for. */
  async transport(name) {
    await until(`transport ${name}`, () => this.engine.transport.name === name);
  }

  /** Drops the connection as a broken network would: nothing is said to the server. */
  cut() {
    this.engine.close();
  }

  close() {
    this.socket.close();
  }
}

export async function until(what, test, ms = WAIT_MS_MAX) {
  const end = Date.now() + ms;
  while (!(await test())) {
    if (Date.now() > end) throw new Error(`${what}: not within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const OPTIONS = {
  forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 250, randomizationFactor: 0,
};

/** A socket on its way. `token` goes where that version can put it. */
export function open(client, server, { nsp = '/', token, query, ...options } = {}) {
  const credentials = {};
  if (token !== undefined && client.version > 2) credentials.auth = { token };
  if (query || (token !== undefined && client.version === 2)) {
    credentials.query = { ...query, ...(client.version === 2 && token !== undefined ? { token } : {}) };
  }
  return new Talker(client, client.io(server.url + nsp, { ...OPTIONS, ...credentials, ...options }));
}

/** The same, connected. */
export async function connected(client, server, options) {
  const talker = open(client, server, options);
  try {
    await talker.first('connect');
  } catch (error) {
    talker.close();
    throw error;
  }
  return talker;
}

/** A namespace more on a talker's connection. */
export function beside(talker, nsp, options) {
  return new Talker(talker.client, talker.socket.io.socket(nsp, options));
}
