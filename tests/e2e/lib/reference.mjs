// The reference server, socket.io on node, under the same roof as ours: what a story expects of
// signalbox is first shown to hold for the server that its clients were written for.
//
//     node reference.mjs PORT [SETTINGS]     SETTINGS: JSON {product, origin, ...options of Server}
//
// Without `product` it is the conformance fixture; with it, as much of the product's namespace as
// the stories use: tokens, device:subscribe, device:created, POST /api/v1/devices and
// /api/v1/sockets/disconnect.
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Server } from 'socket.io';
import { PATIENCE, within } from './server.mjs';

const GOOD = 'good';

function fixture(io) {
  let counted = 0;
  io.on('connection', (socket) => {
    socket.emit('auth', socket.handshake.auth);
    socket.on('message', (...args) => socket.emit('message-back', ...args));
    socket.on('message-with-ack', (...args) => args.pop()(...args));
    socket.on('hi', () => socket.emit('hi'));
    socket.on('ack', () => {
      socket.emit('ack', (a, b) => {
        if (a === 5 && b.test) socket.emit('got it');
      });
    });
    socket.on('getId', (ack) => ack(socket.id));
    socket.on('join', (room, ack) => {
      socket.join(room);
      ack(`ok ${room}`);
    });
    socket.on('broadcast', (room, data) => io.to(room).emit('message', data));
    socket.on('count', () => counted++);
    socket.on('counted', (ack) => ack(String(counted)));
  });
  io.of('/custom').on('connection', (socket) => {
    socket.emit('auth', socket.handshake.auth);
    socket.on('getId', (ack) => ack(socket.id));
  });
}

function product(io) {
  io.use((socket, next) => {
    const token = socket.handshake.auth.token ?? socket.handshake.query.token;
    if (token === GOOD) return next();
    const error = new Error('who are you?');
    error.data = { type: 'AUTHENTICATION_FAILED', message: error.message, code: 401, details: {} };
    return next(error);
  });
  io.on('connection', (socket) => {
    socket.on('device:subscribe', (_, ack) => {
      socket.join('devices');
      ack({ ok: true, count: 0 });
    });
  });
  let devices = 0;
  const routes = {
    '/api/v1/devices': ({ name }) => {
      const device = { id: `device-${++devices}`, name };
      io.to('devices').emit('device:created', device);
      return [201, { device }];
    },
    '/api/v1/sockets/disconnect': ({ sid }) => {
      io.in(sid).emit('closing', { code: 4004, reason: 'kicked', reconnect: 'never' });
      io.in(sid).disconnectSockets();
      return [200, {}];
    },
  };
  io.httpServer.prependListener('request', (req, res) => {
    if (!(req.url in routes)) return;
    let body = '';
    req.on('data', (d) => (body += d));
    req.on('end', () => {
      const [status, data] = routes[req.url](JSON.parse(body));
      res.writeHead(status, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ success: true, data }));
    });
  });
}

function serve(port, { product: isProduct, ...options }) {
  const http = createServer();
  const io = new Server(http, { serveClient: false, ...options });
  (isProduct ? product : fixture)(io);
  http.listen(port, '127.0.0.1', () => console.log(http.address().port));
  process.on('SIGTERM', () => {
    io.close(() => process.exit(0));
    setTimeout(() => process.exit(0), 500).unref(); // clients that hold their connections
  });
}

/** Starts it as a process of its own: {url, host, port, token, request, stop}. */
export async function startReference(settings = {}, port = 0) {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), port, JSON.stringify(settings)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  process.on('exit', () => child.kill('SIGKILL'));
  const exited = new Promise((resolve) => child.on('close', resolve));
  const lines = readline.createInterface({ input: child.stdout });
  const first = new Promise((resolve) => lines.once('line', resolve));
  const own = Number(await within(10_000 * PATIENCE, 'the reference server', first));
  const url = `http://127.0.0.1:${own}`;
  return {
    url,
    host: '127.0.0.1',
    port: own,
    process: child,
    exited,
    async request(method, target, { body } = {}) {
      const got = await fetch(url + target, { method, body: body && JSON.stringify(body) });
      return { status: got.status, json: await got.json() };
    },
    async stop() {
      child.kill('SIGTERM');
      await within(10_000 * PATIENCE, 'end of the reference server', exited);
    },
  };
}

/** A token that the reference's product lets in. */
export const REFERENCE_TOKEN = GOOD;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  serve(Number(process.argv[2] ?? 0), JSON.parse(process.argv[3] ?? '{}'));
}
