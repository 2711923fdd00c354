#!/usr/bin/env python3
"""Load tests of signalbox beside other servers, in common rounds.

    ./dev bench [--quick] [--rounds N] [--only WORD] [--peer NAME=COMMAND]... [--write]

Each run: a fresh server on one core, the generator (bench/load) on the other, a warm-up (5 s for
node), then the measured window. Servers take turns within a round and only ratios of one round
are compared. Peers: npm ws; uWebSockets when UWS_DIR names a folder with checkouts of uWebSockets
and uSockets; and what --peer names (a command with {port} that prints `ready`).
Prints a table in Markdown and keeps it in build/bench/; --write puts it into bench/RESULTS.md.
"""
import argparse
import json
import os
import platform
import re
import resource
import shlex
import socket
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = os.path.join(ROOT, 'build/bench')
RUN_SECONDS_MAX = 150  # a run that takes longer hangs
SERVER_CORE, LOAD_CORE = 0, 1

CPU = ('cpu_us', 'µs a message')
# name, arguments, (key, unit), goals: as a ratio to a peer, or of ours alone (ITSELF)
ITSELF = ''
CASES = [
    ('echo, 200 connections, 1 in flight', 'echo --conns 200', CPU, {'uws': 0.9}),
    ('echo at 20,000/s, 200 connections', 'echo --conns 200 --rate 20000', CPU, {'uws': 0.5}),
    ('echo, 50 connections, 20 in flight', 'echo --conns 50 --inflight 20', CPU, {'uws': 1.0}),
    ('fan-out 1 to 1,000, one message a turn', 'fan --conns 1000', CPU, {'uws': 0.7}),
    ('fan-out 8 to 1,000, bursts of 16 in turn', 'fan --conns 1000 --publishers 8 --burst 16', CPU,
     {'uws': 0.75}),
    ('fan-out 8 to 1,000, 8 bursts of 16 at once',
     'fan --conns 1000 --publishers 8 --burst 16 --inflight 8', CPU, {}),
    ('fan-out 1 to 10,000', 'fan --conns 10000', CPU, {'uws': 0.8}),
    ('fan-out 1 to 50 at 5,000/s', 'fan --conns 50 --rate 5000', CPU, {}),
    ('500 rooms of 10', 'rooms --conns 5000 --members 10', CPU, {'uws': 0.8}),
    ('ingest, 1,000 senders x 20/s', 'ingest --conns 1000 --rate 20000', CPU, {'uws': 0.65}),
    ('bytes an idle connection (15,000)', 'idle --conns 15000', ('anon_bytes', 'bytes'),
     {ITSELF: 96}),
    ('bytes an idle connection with its own room', 'idle --conns 15000 --own-room',
     ('anon_bytes', 'bytes'), {ITSELF: 200}),
    ('idle CPU with pings', 'idle --conns 15000', ('cpu_us_s', 'µs/s a connection'),
     {ITSELF: 0.5}),
    ('CPU a connect and handshake', 'storm --conns 12000', ('cpu_us', 'µs'), {'uws': 1.0}),
]
# What these say depends on when things run, not only on how much: other work on the machine would
# make the generator late and the server gather, so both get real-time priority where permitted.
REALTIME = {'echo at 20,000/s, 200 connections', 'ingest, 1,000 senders x 20/s',
            'fan-out 1 to 1,000, one message a turn', 'fan-out 1 to 50 at 5,000/s'}
PING_WINDOW_S = 27  # every server pings each connection every 25 s


class Server:
    def __init__(self, name, command, warm_s, load_flags=()):
        self.name, self.command, self.warm_s = name, command, warm_s
        self.load_flags = load_flags  # more of bench/load's, such as --tls

    def start(self, realtime):
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            port = s.getsockname()[1]
        command = shlex.split(self.command.format(port=port))
        with open(os.path.join(OUT, f'{self.name}.log'), 'ab') as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=log, cwd=ROOT, preexec_fn=on_core(SERVER_CORE, realtime))
        for line in process.stdout:
            if b'ready' in line:
                return process, port
        stop(process)
        sys.exit(f'bench: {self.name} does not start; see build/bench/{self.name}.log')


def on_core(core, realtime):
    def prepare():
        os.sched_setaffinity(0, {core})
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        try:
            os.setpriority(os.PRIO_PROCESS, 0, -10)  # less of the neighbours in the numbers
            if realtime:
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            pass
    return prepare


def stop(process):
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def measure(server, arguments, warm_s, seconds, realtime):
    process, port = server.start(realtime)
    try:
        command = [os.path.join(ROOT, 'build/release/bench/load'), '--port', str(port), '--pid',
                   str(process.pid), '--warm', str(warm_s), '--seconds', str(seconds), '--mode',
                   *arguments.split(), *server.load_flags]
        done = subprocess.run(command, stdout=subprocess.PIPE, cwd=ROOT, timeout=RUN_SECONDS_MAX,
                              preexec_fn=on_core(LOAD_CORE, realtime), check=False, text=True)
        if done.returncode != 0:
            sys.exit(f'bench: {server.name}: {arguments}: {done.stdout or "no result"}')
        return json.loads(done.stdout)
    finally:
        stop(process)


def window_of(case, server, quick):
    name = case[0]
    if name == 'idle CPU with pings':
        return 0, 2 if quick else PING_WINDOW_S
    if case[1].startswith(('idle', 'storm')):
        return 0, 0.1
    return (min(server.warm_s, 1), 1) if quick else (server.warm_s, 3)


def rounds_of(case, rounds):
    return 1 if case[0] == 'idle CPU with pings' else rounds


def run_all(cases, servers, options):
    """{case name: {server name: [result a round]}}"""
    results = {c[0]: {s.name: [] for s in servers} for c in cases}
    for i in range(options.rounds):
        for case in cases:
            if i >= rounds_of(case, options.rounds):
                continue
            for k in range(len(servers)):
                server = servers[(k + i) % len(servers)]
                warm_s, seconds = window_of(case, server, options.quick)
                r = measure(server, case[1], warm_s, seconds, case[0] in REALTIME)
                results[case[0]][server.name].append(r)
                p99 = f', p99 {r["p99_us"]:.0f} µs' if r.get('p99_us') else ''
                print(f'{i + 1}/{options.rounds} {case[0]}: {server.name} '
                      f'{r[case[2][0]]:.3f} {case[2][1]}{p99}', file=sys.stderr, flush=True)
    return results


def show(values):
    def text(v):
        return f'{v:,.0f}' if v >= 100 else f'{v:.1f}' if v >= 10 else f'{v:.3g}'
    middle = text(statistics.median(values))
    return middle if len(values) == 1 else f'{middle} ({text(min(values))}-{text(max(values))})'


def cell(values, digits):
    """The median, with the spread where there are several."""
    if not values:
        return ''
    text = f'{statistics.median(values):,.{digits}f}'
    if len(values) > 1:
        text += f' ({min(values):,.{digits}f}-{max(values):,.{digits}f})'
    return text


def ratio_cell(results, key, own, peer):
    pairs = [(a[key], b[key]) for a, b in zip(results[own], results[peer]) if b[key] > 0]
    return [a / b for a, b in pairs]


def goal_cell(case, results, own, peers):
    _, _, (key, _), goals = case
    cells = []
    for peer, goal in goals.items():
        if peer == ITSELF:
            value = statistics.median(r[key] for r in results[own])
            verdict = 'met' if value <= goal else f'{value / goal:.2f} x the goal'
            cells.append(f'<= {goal}: {verdict}')
        elif peer in peers and ratio_cell(results, key, own, peer):
            ratio = statistics.median(ratio_cell(results, key, own, peer))
            verdict = 'met' if ratio <= goal else f'{ratio / goal:.2f} x the goal'
            cells.append(f'<= {goal:.3g} of {peer}: {verdict}')
    return '; '.join(cells)


def table(cases, servers, results):
    own, peers = servers[0].name, [s.name for s in servers[1:]]
    head = ['work', 'unit', own, *peers, *(f'{own} / {p}' for p in peers), 'goal']
    lines = ['| ' + ' | '.join(head) + ' |', '| ' + ' | '.join('---' for _ in head) + ' |']
    late = ['| work | ' + ' | '.join([own, *peers]) + ' |', '| --- |' + ' --- |' * len(servers)]
    for case in cases:
        name, _, (key, unit), _ = case
        r = results[name]
        cells = [name, unit, *(show([x[key] for x in r[s.name]]) for s in servers)]
        for p in peers:
            ratios = ratio_cell(r, key, own, p)
            cells.append(show(ratios) if ratios else '-')
        cells.append(goal_cell(case, r, own, peers))
        lines.append('| ' + ' | '.join(cells) + ' |')
        if r[own][0].get('p99_us'):
            late.append(f'| {name} | ' + ' | '.join(
                show([x['p99_us'] / 1000 for x in r[s.name]]) for s in servers) + ' |')
    if len(late) > 2:
        lines += ['', 'p99 in ms, from when a message was due (closed loops: from when it was '
                  'sent):', '', *late]
    return '\n'.join(lines) + '\n'


def first_line(command):
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False, cwd=ROOT).stdout.splitlines()[0]
    except (OSError, IndexError):
        return '?'


def about(options, load_begin):
    model = re.search(r'model name\s*: (.*)', open('/proc/cpuinfo', encoding='utf-8').read())
    package = json.load(open(os.path.join(ROOT, 'bench/package.json'), encoding='utf-8'))
    npm = ', '.join(f'{k} {v}' for k, v in package['dependencies'].items())
    uws = os.environ.get('UWS_DIR')
    peers = f'{npm} on node {first_line(["node", "--version"])}'
    if uws:
        tag = first_line(['git', '-C', os.path.join(uws, 'uWebSockets'), 'describe', '--tags'])
        peers += f', uWebSockets {tag}'
    congestion = open('/proc/sys/net/ipv4/tcp_congestion_control', encoding='utf-8').read().strip()
    commit = first_line(['git', 'describe', '--always', '--dirty'])
    return (f'{time.strftime("%Y-%m-%d %H:%M", time.gmtime())} UTC, signalbox {commit}, '
            f'{first_line(["gcc", "--version"])}, kernel {platform.release()}, '
            f'{os.cpu_count()} cores ({model.group(1) if model else "?"}), system congestion '
            f'control {congestion}; {peers}; {options.rounds} rounds; load average '
            f'{load_begin:.1f} before, {os.getloadavg()[0]:.1f} after.\n')


def write_results(text, what='measured'):
    path = os.path.join(ROOT, 'bench/RESULTS.md')
    page = open(path, encoding='utf-8').read()
    begin, end = f'<!-- {what} -->\n', f'<!-- /{what} -->'
    before, rest = page.split(begin)
    open(path, 'w', encoding='utf-8').write(before + begin + '\n' + text + '\n' + end +
                                            rest.split(end)[1])


def own_command():
    return (os.environ.get('SIGNALBOX_BIN', 'build/release/signalbox') +
            ' serve --loops 1 --conformance on --listen 127.0.0.1:{port} --data-dir build/bench/var'
            ' --tcp-congestion reno --log-level warn')


def servers_of(options):
    servers = [Server('signalbox', options.server or own_command(), 1)]
    servers.append(Server('ws', 'node bench/peers/ws_server.mjs {port}', 5))
    if os.environ.get('UWS_DIR'):
        binary = os.path.join(OUT, 'uws_server')
        source = os.path.join(ROOT, 'bench/peers/uws_server.cpp')
        if not os.path.exists(binary) or os.path.getmtime(binary) < os.path.getmtime(source):
            subprocess.run(['bench/peers/build_uws.sh', os.environ['UWS_DIR'], binary], cwd=ROOT,
                           check=True)
        servers.append(Server('uws', binary + ' {port}', 1))
    for peer in options.peer:
        name, command = peer.split('=', 1)
        servers.append(Server(name, command, 1))
    return [s for s in servers if s.name not in options.without]


def main():
    parser = argparse.ArgumentParser(prog='./dev bench')
    parser.add_argument('--quick', action='store_true', help='one round, short windows')
    parser.add_argument('--rounds', type=int, default=0)
    parser.add_argument('--only', default='', help='cases whose name contains it')
    parser.add_argument('--peer', action='append', default=[], metavar='NAME=COMMAND')
    parser.add_argument('--without', action='append', default=[], metavar='NAME')
    parser.add_argument('--server', default='', help='a command in place of our own')
    parser.add_argument('--write', action='store_true', help='into bench/RESULTS.md')
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    os.makedirs(OUT, exist_ok=True)
    subprocess.run(['ninja', '-C', 'build/release', 'bench/load'], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)
    cases = [c for c in CASES if options.only in c[0]]
    servers = servers_of(options)
    load_begin = os.getloadavg()[0]
    results = run_all(cases, servers, options)
    text = about(options, load_begin) + '\n' + table(cases, servers, results)
    with open(os.path.join(OUT, 'table.md'), 'w', encoding='utf-8') as f:
        f.write(text)
    with open(os.path.join(OUT, 'results.json'), 'w', encoding='utf-8') as f:
        json.dump(results, f, indent=1)
    print(text)
    if options.write:
        write_results(text)


if __name__ == '__main__':
    main()
