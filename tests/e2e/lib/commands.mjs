// Devices that are told what to do, the same over Socket.IO and over the raw wire, with official
// clients; and clients that tell them.
import assert from 'node:assert/strict';
import { io } from 'socket.io-client';
import { device as openRaw } from './monitor.mjs';
import { PATIENCE, within } from './server.mjs';

export const SOON_MS = 10_000 * PATIENCE;

/** Things in the order in which they were heard; `next` is the first that fits, once each. */
export class Inbox {
  constructor() {
    this.all = [];
    this.watchers = new Set();
  }

  put(item) {
    this.all.push(item);
    for (const watcher of [...this.watchers]) watcher(item);
  }

  first(what, fits = () => true) {
    const said = this.all.find(fits);
    if (said !== undefined) return Promise.resolve(said);
    let watcher;
    const seen = new Promise((resolve) => {
      watcher = (item) => fits(item) && resolve(item);
      this.watchers.add(watcher);
    });
    return within(SOON_MS, what, seen).finally(() => this.watchers.delete(watcher));
  }
}

// What a device of either wire does with a command: {ack, response}, either or both or nothing.
const OBEDIENT = (command) => ({
  ack: { ok: true },
  response: { requestId: command.requestId, status: 'success', result: { did: command.command } },
});

class SocketioDevice {
  static wire = 'socketio';

  static async open(server, key, { obey = OBEDIENT, capabilities } = {}) {
    const me = new SocketioDevice();
    me.commands = new Inbox();
    me.socket = io(server.url, { auth: { token: key }, transports: ['websocket'], forceNew: true, reconnection: false });
    me.closed = new Promise((resolve) => me.socket.on('closing', resolve));
    me.socket.on('device:command', (command, ...rest) => {
      const acknowledge = rest.find((r) => typeof r === 'function');
      const { ack, response } = obey(command, me.commands.all.length) ?? {};
      if (ack !== undefined) acknowledge?.(ack);
      if (response !== undefined) me.respond(response).catch(() => {}); // it may be cut before the ack
      me.commands.put(command);
    });
    await within(SOON_MS, 'the device connects', new Promise((resolve, reject) => {
      me.socket.once('connect', resolve);
      me.socket.once('connect_error', reject);
    }));
    const registered = await me.ask('device:register', { capabilities });
    assert.equal(registered.ok, true, JSON.stringify(registered));
    return me;
  }

  ask(name, data) {
    return this.socket.timeout(SOON_MS).emitWithAck(name, data);
  }

  respond(response) {
    return this.ask('command:response', { timestamp: new Date().toISOString(), ...response });
  }

  /** Goes without a word. */
  cut() {
    this.socket.io.engine.close();
  }
}

class RawDevice {
  static wire = 'raw';

  static async open(server, key, { obey = OBEDIENT, capabilities } = {}) {
    const me = new RawDevice();
    me.commands = new Inbox();
    me.peer = await openRaw(server, key);
    me.closed = me.peer.closed;
    const hear = ({ type, data, id }) => {
      if (type !== 'device:command') return;
      const { ack, response } = obey(data, me.commands.all.length) ?? {};
      if (ack !== undefined) me.peer.send({ type: 'ack', data: { id, ...ack } });
      if (response !== undefined) me.respond(response).catch(() => {}); // it may be cut before the ack
      me.commands.put(data);
    };
    me.peer.messages.forEach(hear); // what waited for it may have come with the handshake
    me.peer.watchers.add(hear);
    const registered = await me.ask('register', { capabilities });
    assert.equal(registered.ok, true, JSON.stringify(registered));
    return me;
  }

  async ask(type, data) {
    const { id, ...answer } = await this.peer.ask(type, data);
    return answer;
  }

  respond(response) {
    return this.ask('command:response', { timestamp: new Date().toISOString(), ...response });
  }

  cut() {
    this.peer.ws.terminate();
  }
}

export const WIRES = [SocketioDevice, RawDevice];

/** A client in "/": what it heard is in `heard`, {name, data}. */
export async function client(server, token) {
  const socket = io(server.url, { auth: { token }, transports: ['websocket'], forceNew: true, reconnection: false });
  socket.heard = new Inbox();
  socket.onAny((name, data) => socket.heard.put({ name, data }));
  await within(SOON_MS, 'a client connects', new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('connect_error', reject);
  }));
  return socket;
}

export const ask = (socket, name, ...args) => socket.timeout(SOON_MS).emitWithAck(name, ...args);

let lastRequest = 0;
/** A DeviceCommand with a requestId of its own. */
export const commandFor = (deviceId, more = {}) => ({
  deviceId,
  command: 'blink',
  parameters: { times: 3 },
  requestId: `request-${++lastRequest}`,
  timestamp: new Date().toISOString(),
  ...more,
});

/** Phases of a command that a client heard of. */
export const phases = (socket, requestId) => socket.heard.all
  .filter((h) => h.name === 'command:result' && h.data.requestId === requestId)
  .map((h) => h.data.phase);

/** The command:result of that phase. */
export const result = async (socket, requestId, phase) => (
  await socket.heard.first(`command:result ${phase}`,
    (h) => h.name === 'command:result' && h.data.requestId === requestId && h.data.phase === phase)
).data;
