// The conformance fixture's bench events on npm socket.io, as its documentation writes rooms. The
// defaults of the reference: no compression, recovery off, heartbeat every 25 s.
//
//     node socketio_server.mjs PORT
import { createServer } from 'node:http';
import { Server } from 'socket.io';

const http = createServer();
const io = new Server(http, { serveClient: false });
let counted = 0;

io.on('connection', (socket) => {
    socket.emit('auth', socket.handshake.auth);
    socket.on('join', (room, ack) => {
        socket.join(room);
        ack('ok ' + room);
    });
    socket.on('broadcast', (room, data) => {
        io.to(room).emit('message', data);
    });
    socket.on('message-with-ack', (data, ack) => {
        ack(data);
    });
    socket.on('count', () => {
        counted++;
    });
    socket.on('counted', (ack) => {
        ack(String(counted));
    });
});

http.listen({ port: Number(process.argv[2] ?? 0), host: '127.0.0.1', backlog: 4096 }, () => {
    const address = `127.0.0.1:${http.address().port}`;
    console.log(JSON.stringify({ event: 'ready', listen: [address] }));
});
