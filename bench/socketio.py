#!/usr/bin/env python3
"""Socket.IO beside the reference server on node, and beside our own raw WebSocket, in common
rounds of bench/run.py.

    ./dev build && python3 bench/socketio.py [--quick] [--rounds N] [--only WORD] [--write]

The same generator speaks Socket.IO (WebSocket transport) to signalbox (the conformance fixture)
and to `socket.io`, and the pubsub protocol to signalbox (`raw`). Each goal is what PERFORMANCE.md
asks: so many times less than socket.io, and at most a tenth more than raw. Prints a table in
Markdown and keeps it in build/bench/socketio.md; --write puts it into bench/RESULTS.md.
"""
import argparse
import json
import os
import subprocess

import run

REFERENCE = 'socket.io'


def goals(times=None):
    less = {REFERENCE: 1 / times} if times else {}
    return {**less, 'raw': 1.1}


CASES = [
    ('echo, 200 connections, 1 in flight', 'echo --conns 200', run.CPU, goals(3.5)),
    ('echo at 20,000/s, 200 connections', 'echo --conns 200 --rate 20000', run.CPU, goals()),
    ('echo, 50 connections, 20 in flight', 'echo --conns 50 --inflight 20', run.CPU, goals()),
    ('fan-out 1 to 1,000, one message a turn', 'fan --conns 1000', run.CPU, goals(3)),
    ('fan-out 8 to 1,000, bursts of 16 in turn', 'fan --conns 1000 --publishers 8 --burst 16',
     run.CPU, goals(35)),
    ('fan-out 8 to 1,000, 8 bursts of 16 at once',
     'fan --conns 1000 --publishers 8 --burst 16 --inflight 8', run.CPU, goals()),
    ('fan-out 1 to 10,000', 'fan --conns 10000', run.CPU, goals(3)),
    ('500 rooms of 10', 'rooms --conns 5000 --members 10', run.CPU, goals(3)),
    ('ingest, 1,000 senders x 20/s', 'ingest --conns 1000 --rate 20000', run.CPU, goals(3)),
    ('bytes an idle socket (10,000)', 'idle --conns 10000', ('anon_bytes', 'bytes'),
     {run.ITSELF: 256}),
    ('bytes an idle socket with a room joined', 'idle --conns 10000 --own-room',
     ('anon_bytes', 'bytes'), {}),
    ('idle CPU with pings', 'idle --conns 10000', ('cpu_us_s', 'µs/s a connection'),
     {run.ITSELF: 0.5}),
    ('CPU a connect and handshake', 'storm --conns 10000', ('cpu_us', 'µs'), {}),
]


def servers_of():
    speaks = ('--socketio',)
    return [run.Server('signalbox', run.own_command(), 1, speaks),
            run.Server('raw', run.own_command(), 1),
            run.Server(REFERENCE, 'node bench/peers/socketio_server.mjs {port}', 5, speaks)]


def main():
    parser = argparse.ArgumentParser(prog='bench/socketio.py')
    parser.add_argument('--quick', action='store_true', help='one round, short windows')
    parser.add_argument('--rounds', type=int, default=0)
    parser.add_argument('--only', default='', help='cases whose name contains it')
    parser.add_argument('--without', action='append', default=[], metavar='NAME')
    parser.add_argument('--write', action='store_true', help='into bench/RESULTS.md')
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    os.makedirs(run.OUT, exist_ok=True)
    subprocess.run(['ninja', '-C', 'build/release', 'bench/load'], cwd=run.ROOT,
                   check=True, stdout=subprocess.DEVNULL)
    cases = [c for c in CASES if options.only in c[0]]
    servers = [s for s in servers_of() if s.name not in options.without]
    load_begin = os.getloadavg()[0]
    results = run.run_all(cases, servers, options)
    text = run.about(options, load_begin) + '\n' + run.table(cases, servers, results)
    with open(os.path.join(run.OUT, 'socketio.md'), 'w', encoding='utf-8') as f:
        f.write(text)
    with open(os.path.join(run.OUT, 'socketio.json'), 'w', encoding='utf-8') as f:
        json.dump(results, f, indent=1)
    print(text)
    if options.write:
        run.write_results(text, 'socketio')


if __name__ == '__main__':
    main()
