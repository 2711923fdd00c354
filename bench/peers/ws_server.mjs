// The pubsub protocol of /conformance/pubsub on npm ws, as its documentation writes broadcasting:
// a loop over the members' send(). No compression; heartbeats as in its README.
//
//     node ws_server.mjs PORT [CERT KEY]     with CERT and KEY (PEM) over TLS
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { WebSocketServer } from 'ws';

const PING_MS = 25000;
const port = Number(process.argv[2] ?? 0);
const rooms = new Map();
let counted = 0;

function subscribe(socket, room) {
    let members = rooms.get(room);
    if (members === undefined) {
        members = new Set();
        rooms.set(room, members);
    }
    members.add(socket);
    (socket.rooms ??= []).push(room);
    socket.send('ok ' + room);
}

function leave(socket) {
    for (const room of socket.rooms ?? []) {
        const members = rooms.get(room);
        members.delete(socket);
        if (members.size === 0) {
            rooms.delete(room);
        }
    }
}

function onMessage(data) {
    switch (data[0]) {
    case 0x73: // s
        subscribe(this, data.toString('latin1', 2));
        break;
    case 0x70: { // p
        const space = data.indexOf(0x20, 2);
        const members = rooms.get(data.toString('latin1', 2, space));
        const payload = data.subarray(space + 1);
        if (members !== undefined) {
            for (const member of members) {
                member.send(payload, { binary: false });
            }
        }
        break;
    }
    case 0x65: // e
        this.send(data.subarray(2), { binary: false });
        break;
    case 0x69: // i
        counted++;
        break;
    case 0x63: // c
        this.send(String(counted));
        break;
    }
}

function onPong() {
    this.alive = true;
}

function onClose() {
    leave(this);
}

const [cert, key] = process.argv.slice(3);
const https = cert && createServer({ cert: readFileSync(cert), key: readFileSync(key) });
const server = new WebSocketServer({
    ...(https ? { server: https } : { host: '127.0.0.1', port, backlog: 4096 }),
    perMessageDeflate: false, maxPayload: 65536,
});
https?.listen(port, '127.0.0.1', 4096);
server.on('connection', (socket) => {
    socket.alive = true;
    socket.on('message', onMessage);
    socket.on('pong', onPong);
    socket.on('close', onClose);
    socket.on('error', () => {});
});
setInterval(() => {
    for (const socket of server.clients) {
        if (!socket.alive) {
            socket.terminate();
            continue;
        }
        socket.alive = false;
        socket.ping();
    }
}, PING_MS);
server.on('listening', () => {
    const address = `127.0.0.1:${server.address().port}`;
    console.log(JSON.stringify({ event: 'ready', listen: [address] }));
});
