// Telemetry from devices' sockets to the store and to who follows it (CONTRACT 3): the official
// client, and a raw socket of the device wire. Tests of the document's requirements bear their
// numbers as CONTRACT 3 reads them.
import assert from 'node:assert/strict';
import test, { after, afterEach, before } from 'node:test';
import { io } from 'socket.io-client';
import { device as connectDevice } from './lib/monitor.mjs';
import { PATIENCE, startServer, within } from './lib/server.mjs';

const SOON_MS = 10_000 * PATIENCE;
let server;
const open = new Set();

before(async () => {
  server = await startServer({ flags: ['--handshakes-per-s', '1000'] });
});
afterEach(() => {
  for (const peer of open) peer.disconnect();
  open.clear();
});
after(() => server?.stop());

/** A connected official client that keeps what it hears. */
async function connect(token) {
  const socket = io(server.url, { auth: { token }, transports: ['websocket'], forceNew: true, reconnection: false });
  open.add(socket);
  socket.heard = [];
  socket.onAny((name, ...args) => socket.heard.push({ name, data: args[0] }));
  await within(SOON_MS, 'connect', new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('connect_error', reject);
  }));
  return socket;
}

const call = (socket, name, ...args) => socket.timeout(SOON_MS).emitWithAck(name, ...args);

/** The first event of a name, said already or to come, for which `fits` holds. */
async function hears(socket, name, fits = () => true) {
  const find = () => socket.heard.find((h) => h.name === name && fits(h.data));
  if (find()) return find().data;
  await within(SOON_MS, name, new Promise((resolve) => {
    socket.onAny(() => find() && resolve());
  }));
  return find().data;
}

const sample = (over = {}) => ({
  timestamp: new Date().toISOString(), sensorType: 'temperature', value: 21.5, unit: 'C', ...over,
});

test('3.1 telemetry over the socket is validated and acknowledged with what became of it', async () => {
  const { id, key } = await server.addDevice('one');
  const socket = await connect(key);
  assert.deepEqual(await call(socket, 'telemetry:data', sample()),
    { ok: true, accepted: 1, duplicates: 0, rejected: [] });
  assert.deepEqual(await call(socket, 'telemetry:data', [sample({ deviceId: id }), sample({ timestamp: Date.now() })]),
    { ok: true, accepted: 2, duplicates: 0, rejected: [] });
});
