#!/usr/bin/env python3
"""Many authenticated connections on one server: what each costs to open, to keep, to keep alive.

    bench/crowd.py --devices 15000              # each with a key of its own, its device's socket
    bench/crowd.py --viewers 15000              # each with a token of its own, of 300 users
    bench/crowd.py --devices 12000 --loops 1    # one loop on one core: a connect storm

The store is filled beforehand (rows as the server's own commands write them), then a fresh server
runs on core 0 and the clients (bench/crowd.c) on core 1. Prints one JSON line a round.
"""
import argparse
import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import uuid

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = os.path.join(ROOT, 'build/bench')
SECRET = 'of the load test, and of nothing else at all'
SESSIONS_A_USER = 50  # connections_per_principal_max
VIEWERS_A_DEVICE = 50000
SERVER_CORE, LOAD_CORE = 0, 1


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


def token(sub, now):
    claims = {'iss': 'signalbox', 'sub': sub, 'kind': 'user', 'jti': str(uuid.uuid4()),
              'iat': now, 'exp': now + 3600}
    text = '.'.join(b64(json.dumps(part, separators=(',', ':')).encode())
                    for part in ({'alg': 'HS256', 'typ': 'JWT'}, claims))
    return text + '.' + b64(hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest())


def ready(process, name):
    """The server, once it says that it is ready; `name` is the bench's and its log's."""
    for line in process.stdout:
        if b'"ready"' in line:
            return process
    sys.exit(f'{name}: the server does not start; see build/bench/{name}.log')


def start(options, data_dir, port):
    command = [options.server, 'serve', '--listen', f'127.0.0.1:{port}', '--data-dir', data_dir,
               '--handshakes-per-s', '1000000', '--connections-per-address-max', '1000000',
               '--viewers-per-device-max', '100000', '--log-level', 'warn',
               '--tcp-congestion', 'reno', '--connections-max', str(options.max),
               *(['--loops', str(options.loops)] if options.loops else []), *options.flag]
    env = {**os.environ, 'SIGNALBOX_JWT_SECRET': SECRET}
    cores = {SERVER_CORE} if not options.unpinned else {SERVER_CORE, LOAD_CORE}
    with open(os.path.join(OUT, 'crowd.log'), 'ab') as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=env, cwd=ROOT,
                                   preexec_fn=lambda: os.sched_setaffinity(0, cores))
    return ready(process, 'crowd')


def stop(process):
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(120)
    return time.monotonic() - begin


def principal_rows(db, ids, kind, now):
    db.executemany(
        'INSERT INTO principal (id, iss, sub, kind, display_name, status, created_at, updated_at)'
        " VALUES (?, '', ?, ?, '', 'active', ?, ?)", [(i, i, kind, now, now) for i in ids])


def device_rows(db, ids, now):
    principal_rows(db, ids, 'device', now)
    db.executemany(
        'INSERT INTO devices (id, name, type, status, connection_status, capabilities, tags,'
        " metadata, created_at, updated_at) VALUES (?, ?, 'host', 'active', 'offline', '[]', '[]',"
        " '{}', ?, ?)", [(i, 'd' + i[:8] + str(n), now, now) for n, i in enumerate(ids)])


def fill(options, path):
    """Rows for the crowd; a line each: bearer token and target."""
    now = int(time.time())
    db = sqlite3.connect(path)
    lines = []
    if options.devices:
        ids = [str(uuid.uuid4()) for _ in range(options.devices)]
        device_rows(db, ids, now * 1000)
        keys = ['sbk_' + b64(os.urandom(32)) for _ in ids]
        db.executemany(
            'INSERT INTO credential (id, principal_id, kind, hash, name, created_at)'
            " VALUES (?, ?, 'device_key', ?, '', ?)",
            [(str(uuid.uuid4()), i, hashlib.sha256(k.encode()).digest(), now * 1000)
             for i, k in zip(ids, keys)])
        lines = [key + ' /api/v1/devices/self/ws' for key in keys]
    else:
        devices = [str(uuid.uuid4()) for _ in range((options.viewers - 1) // VIEWERS_A_DEVICE + 1)]
        device_rows(db, devices, now * 1000)
        users = [str(uuid.uuid4()) for _ in range((options.viewers - 1) // SESSIONS_A_USER + 1)]
        principal_rows(db, users, 'user', now * 1000)
        db.executemany(
            'INSERT INTO role_binding (principal_id, role, scope_kind, scope_id, created_at)'
            " VALUES (?, 'viewer', 'global', '', ?)", [(u, now * 1000) for u in users])
        lines = [f'{token(users[i // SESSIONS_A_USER], now)} '
                 f'/api/v1/devices/{devices[i // VIEWERS_A_DEVICE]}/ws'
                 for i in range(options.viewers)]
    db.commit()
    db.close()
    return lines


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def one_round(options):
    data_dir = os.path.join(OUT, 'crowd')
    shutil.rmtree(data_dir, ignore_errors=True)
    os.makedirs(data_dir)
    port = free_port()
    stop(start(options, data_dir, port))  # makes the schema
    lines = fill(options, os.path.join(data_dir, 'signalbox.db'))
    clients = os.path.join(data_dir, 'clients')
    with open(clients, 'w', encoding='ascii') as f:
        f.write('\n'.join(lines) + '\n')
    server = start(options, data_dir, port)
    try:
        done = subprocess.run(
            [os.path.join(ROOT, 'build/release/bench/crowd'), '--port', str(port), '--pid',
             str(server.pid), '--clients', clients, '--conns',
             str(len(lines)), '--rest', str(options.rest), '--seconds', str(options.seconds),
             '--ahead', str(options.ahead)],
            stdout=subprocess.PIPE, check=False, text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CORE}))
        if done.returncode != 0:
            sys.exit(f'crowd: {done.stdout or "no result"}')
        result = json.loads(done.stdout)
        rows = subprocess.run(['grep', '-E', 'VmHWM|Threads', f'/proc/{server.pid}/status'],
                              stdout=subprocess.PIPE, check=False, text=True).stdout
        result['peak_mb'] = int(re.search(r'VmHWM:\s*(\d+)', rows).group(1)) // 1024
    finally:
        drain_s = stop(server)
    result['drain_s'] = round(drain_s, 2)
    shutil.rmtree(data_dir, ignore_errors=True)
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--devices', type=int, default=0)
    parser.add_argument('--viewers', type=int, default=0)
    parser.add_argument('--loops', type=int, default=0)
    parser.add_argument('--max', type=int, default=1000000, help='connections_max')
    parser.add_argument('--ahead', type=int, default=256, help='handshakes on the way')
    parser.add_argument('--rest', type=int, default=3, help='seconds before memory is read')
    parser.add_argument('--seconds', type=int, default=1, help='of the idle window')
    parser.add_argument('--rounds', type=int, default=1)
    parser.add_argument('--unpinned', action='store_true', help='the server on both cores')
    parser.add_argument('--server', default=os.path.join(ROOT, 'build/release/signalbox'))
    parser.add_argument('--flag', action='append', default=[], help='of the server, in addition')
    options = parser.parse_args()
    if bool(options.devices) == bool(options.viewers):
        parser.error('either --devices or --viewers')
    os.makedirs(OUT, exist_ok=True)
    subprocess.run(['ninja', '-C', 'build/release', 'bench/crowd'], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)
    for _ in range(options.rounds):
        print(json.dumps(one_round(options)), flush=True)


if __name__ == '__main__':
    main()
