#!/usr/bin/env python3
"""What TLS costs: the same work over TCP and over TLS 1.3 (AES-128-GCM, P-256 certificate), on
signalbox and on npm ws, in common rounds of bench/run.py.

    ./dev build && python3 bench/tls.py [--quick] [--rounds N] [--only WORD]

Prints a table in Markdown and keeps it in build/bench/tls.md. `kept` is a server's CPU time a
message over TCP divided by that over TLS: the share of its throughput that TLS leaves.
"""
import argparse
import os
import subprocess

import run

CASES = [
    ('echo, 200 connections, 1 in flight', 'echo --conns 200', run.CPU, {}),
    ('echo, 50 connections, 20 in flight', 'echo --conns 50 --inflight 20', run.CPU, {}),
    ('echo of 16,000 bytes, 50 connections', 'echo --conns 50 --size 16000', run.CPU, {}),
    ('fan-out 1 to 1,000, one message a turn', 'fan --conns 1000', run.CPU, {}),
    ('fan-out 8 to 1,000, bursts of 16 in turn', 'fan --conns 1000 --publishers 8 --burst 16',
     run.CPU, {}),
    ('CPU a connect and handshake', 'storm --conns 2000', ('cpu_us', 'µs'), {}),
    ('bytes an idle connection', 'idle --conns 2000', ('anon_bytes', 'bytes'), {}),
]


def certificate():
    cert, key = (os.path.join(run.OUT, f'tls.{kind}') for kind in ('pem', 'key'))
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                    'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert, '-days', '2',
                    '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'],
                   check=True, stderr=subprocess.DEVNULL)
    return cert, key


def servers_of():
    cert, key = certificate()
    own = (os.environ.get('SIGNALBOX_BIN', 'build/release/signalbox') +
           ' serve --loops 1 --conformance on --data-dir build/bench/var --tcp-congestion reno'
           ' --log-level warn --listen ')
    ws = 'node bench/peers/ws_server.mjs {port}'
    tls = ('--tls',)
    return [run.Server('signalbox', own + '127.0.0.1:{port}', 1),
            run.Server('signalbox-tls',
                       own + f'tls://127.0.0.1:{{port}} --tls-cert {cert} --tls-key {key}', 1, tls),
            run.Server('ws', ws, 5), run.Server('ws-tls', f'{ws} {cert} {key}', 5, tls)]


def table(cases, results):
    names = ['signalbox', 'signalbox-tls', 'ws', 'ws-tls']
    head = ['work', 'unit', 'signalbox', 'over TLS', 'kept', 'ws', 'over TLS', 'kept',
            'over TLS: signalbox / ws']
    lines = ['| ' + ' | '.join(head) + ' |', '|' + ' --- |' * len(head)]
    for name, _, (key, unit), _ in cases:
        r = results[name]
        v = {n: run.show([x[key] for x in r[n]]) for n in names}
        ratio = {(a, b): run.show(run.ratio_cell(r, key, a, b)) for a, b in
                 (('signalbox', 'signalbox-tls'), ('ws', 'ws-tls'), ('signalbox-tls', 'ws-tls'))}
        kept = [ratio['signalbox', 'signalbox-tls'], ratio['ws', 'ws-tls']]
        if key != 'cpu_us' or unit == 'µs':
            kept = ['', '']
        lines.append('| ' + ' | '.join([name, unit, v['signalbox'], v['signalbox-tls'], kept[0],
                                        v['ws'], v['ws-tls'], kept[1],
                                        ratio['signalbox-tls', 'ws-tls']]) + ' |')
    return '\n'.join(lines) + '\n'


def main():
    parser = argparse.ArgumentParser(prog='bench/tls.py')
    parser.add_argument('--quick', action='store_true', help='one round, short windows')
    parser.add_argument('--rounds', type=int, default=0)
    parser.add_argument('--only', default='', help='cases whose name contains it')
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    os.makedirs(run.OUT, exist_ok=True)
    subprocess.run(['ninja', '-C', 'build/release', 'bench/load'], cwd=run.ROOT,
                   check=True, stdout=subprocess.DEVNULL)
    cases = [c for c in CASES if options.only in c[0]]
    load_begin = os.getloadavg()[0]
    results = run.run_all(cases, servers_of(), options)
    text = run.about(options, load_begin) + '\n' + table(cases, results)
    with open(os.path.join(run.OUT, 'tls.md'), 'w', encoding='utf-8') as f:
        f.write(text)
    print(text)


if __name__ == '__main__':
    main()
