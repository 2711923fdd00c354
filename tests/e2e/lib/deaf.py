"""A viewer that stops reading: `deaf.py HOST PORT PATH [FRAME]`. Small buffers on its side keep the
kernel from reading for it. Sends the frame, says "deaf", and reads again at a line on standard
input, for two seconds; then prints one JSON line about what it got."""
import base64
import json
import os
import select
import socket
import struct
import sys
import time


def frames(data):
    """(opcode, payload) of every whole server frame."""
    at = 0
    while len(data) - at >= 2:
        size, head = data[at + 1] & 127, 2
        if size == 126:
            size, head = struct.unpack('>H', data[at + 2:at + 4])[0], 4
        elif size == 127:
            size, head = struct.unpack('>Q', data[at + 2:at + 10])[0], 10
        if len(data) - at < head + size:
            return
        yield data[at] & 15, data[at + head:at + head + size]
        at += head + size


def text_frame(text):
    payload, mask = text.encode(), os.urandom(4)
    return (bytes([0x81, 0x80 | len(payload)]) + mask +
            bytes(b ^ mask[i & 3] for i, b in enumerate(payload)))


def main():
    host, port, path, *says = sys.argv[1:]
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    peer.connect((host, int(port)))
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f'GET {path} HTTP/1.1', f'Host: {host}:{port}', 'Upgrade: websocket',
             'Connection: Upgrade', 'Sec-WebSocket-Version: 13', f'Sec-WebSocket-Key: {key}']
    peer.sendall('\r\n'.join([*lines, '', '']).encode())
    head = b''
    while not head.endswith(b'\r\n\r\n'):
        byte = peer.recv(1)
        if not byte:
            sys.exit(f'refused: {head.decode()}')
        head += byte
    for text in says:
        peer.sendall(text_frame(text))
    print(json.dumps({'deaf': True, 'port': peer.getsockname()[1]}), flush=True)

    sys.stdin.readline()
    data = b''
    closed = False
    until = time.monotonic() + 2
    while select.select([peer], [], [], max(0, until - time.monotonic()))[0]:
        try:
            more = peer.recv(65536)
        except ConnectionResetError:
            more = b''
        if not more:
            closed = True
            break
        data += more
    messages, code = [], None
    for opcode, payload in frames(data):
        if opcode == 8:
            code = struct.unpack('>H', payload[:2])[0]
        elif opcode == 1:
            messages.append(json.loads(payload))
    print(json.dumps({'messages': messages, 'code': code, 'closed': closed}), flush=True)


main()
