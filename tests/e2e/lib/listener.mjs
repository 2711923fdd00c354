// The official client as most tests use it: connected, keeping what it hears.
import { io } from 'socket.io-client';
import { PATIENCE, within } from './server.mjs';

export const SOON_MS = 10_000 * PATIENCE;

/** A connected client whose `heard` is every event so far, {name, data, args}; `transports` and
 * the other options as the client's own. `open`, if given, takes it, for ending it later. */
export async function listener(server, token, { open, transports = ['websocket'], ...options } = {}) {
  const socket = io(server.url, { auth: { token }, transports, forceNew: true, reconnection: false, ...options });
  open?.add(socket);
  socket.heard = [];
  socket.onAny((name, ...args) => socket.heard.push({ name, data: args[0], args }));
  await within(SOON_MS, 'connect', new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('connect_error', reject);
  }));
  return socket;
}

/** An event with its ack. */
export const call = (socket, name, ...args) => socket.timeout(SOON_MS).emitWithAck(name, ...args);

/** The first event of a name, said already or to come, for which `fits` holds: its data. */
export async function hears(socket, name, fits = () => true) {
  const find = () => socket.heard.find((h) => h.name === name && fits(h.data));
  if (find()) return find().data;
  await within(SOON_MS, name, new Promise((resolve) => {
    socket.onAny(() => find() && resolve());
  })).catch((error) => {
    error.message += `; heard ${JSON.stringify(socket.heard.slice(-10))}`;
    throw error;
  });
  return find().data;
}
