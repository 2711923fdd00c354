#!/usr/bin/env python3
"""Devices at work: telemetry acknowledged on disk, live subscribers beside it, memory, a storm.

    ./dev build && python3 bench/devices.py [--rounds N] [--minutes M] [--only WORD] [--write]

1,000 devices send 100 messages a second (signalbox simulate, the real Socket.IO protocol) to a
server on SQLite (synchronous full), beside 1,000 idle clients and 10 that follow the telemetry of
10 devices each. Cases: one sample a message at 100 messages/s; ten samples a message at 10
messages/s, so 100,000 samples/s either way; and 10,000 devices that connect at once, 2,000 on their
way at a time (`ready`: from connecting to the ack of device:register). Devices' rows are put into the store beforehand, as the server's own commands write them.

CPU is thread time of the server (/proc/PID/task/*/schedstat) over the seconds that every device
was there for; the generators share the machine. Afterwards the server is stopped and the rows of
its store are counted: what was acknowledged has to be there. --minutes M: how long the loads last,
for memory (default: 20 s each). Prints a table in Markdown and keeps it in build/bench/devices.md.
"""
import argparse
import glob
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
import types

import crowd
import run

ROOT, OUT = crowd.ROOT, crowd.OUT
DIR = os.path.join(OUT, 'devices')
SIGNALBOX = os.environ.get('SIGNALBOX_BIN', os.path.join(ROOT, 'build/release/signalbox'))
DEVICES, IDLE, WATCHERS, EACH = 1000, 1000, 10, 10
STORM = 10000
WARM_S = 3
END_S = 90  # beyond its duration: the simulator ends after a minute by itself
USER = '0190aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee'

CASES = [
    ('1 sample a message, 100/s a device', 'load', 100, 1),
    ('10 samples a message, 10/s a device', 'load', 10, 10),
    ('10,000 devices connect at once', 'storm', 0, 1),
]
COLUMNS = [
    ('acked_per_s', 'messages acked/s', 0), ('samples_per_s', 'samples stored/s', 0),
    ('cores', 'server cores', 2), ('generator_cores', 'generators\' cores', 2),
    ('ack_p50', 'ack p50, ms', 1), ('ack_p99', 'p99', 1), ('ack_max', 'max', 0),
    ('seen_p50', 'to subscriber p50, ms', 1), ('seen_p99', 'p99', 1),
    ('updates_per_s', 'updates/s', 0), ('rss_mb', 'RSS, MB', 0),
    ('bytes', 'bytes a connection', 0), ('connect_us', 'CPU a connect, µs', 0), ('storm_s', 'all ready, s', 2),
    ('ready_p50', 'ready p50, ms', 0), ('ready_p99', 'p99', 0),
]


def cpu_ns(pid):
    total = 0
    for path in glob.glob(f'/proc/{pid}/task/*/schedstat'):
        try:
            with open(path, encoding='ascii') as f:
                total += int(f.read().split()[0])
        except OSError:
            pass  # a thread that has just ended
    return total


def memory_kb(pid, name):
    with open(f'/proc/{pid}/status', encoding='ascii') as f:
        return next(int(line.split()[1]) for line in f if line.startswith(name + ':'))


def start(port):
    command = [SIGNALBOX, 'serve', '--listen', f'127.0.0.1:{port}', '--data-dir', DIR,
               '--handshakes-per-s', '1000000', '--connections-per-address-max', '1000000',
               '--connections-per-principal-max', '1000000', '--log-level', 'warn']
    env = {**os.environ, 'SIGNALBOX_JWT_SECRET': crowd.SECRET}
    with open(os.path.join(OUT, 'devices.log'), 'ab') as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=env, cwd=ROOT)
    return crowd.ready(process, 'devices')


def fill(count):
    """Devices with keys, and a user who may read all of them."""
    path = os.path.join(DIR, 'signalbox.db')
    lines = crowd.fill(types.SimpleNamespace(devices=count), path)
    db = sqlite3.connect(path)
    now = int(time.time())
    crowd.principal_rows(db, [USER], 'user', now * 1000)
    db.execute('INSERT INTO role_binding (principal_id, role, scope_kind, scope_id, created_at)'
               " VALUES (?, 'viewer', 'global', '', ?)", (USER, now * 1000))
    db.commit()
    ids = {h: i for i, h in db.execute('SELECT principal_id, hash FROM credential')}
    db.close()
    keys = os.path.join(DIR, 'keys')
    with open(keys, 'w', encoding='ascii') as f:
        for line in lines:
            key = line.split()[0]
            f.write(f'{ids[crowd.hashlib.sha256(key.encode()).digest()]} {key}\n')
    return keys


def start_watch(port, keys):
    watch = subprocess.Popen(
        [os.path.join(ROOT, 'build/release/bench/watch'), '--port', str(port), '--idle', str(IDLE),
         '--watchers', str(WATCHERS), '--each', str(EACH), '--devices', keys],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, 'WATCH_TOKEN': crowd.token(USER, int(time.time()))})
    if not watch.stdout.readline():
        sys.exit('devices: the clients were not let in')
    return watch


def start_simulator(port, keys, seconds, flags):
    return subprocess.Popen(
        [SIGNALBOX, 'simulate', '--server', f'http://127.0.0.1:{port}', '--keys', keys,
         '--connects-per-s', '100000', '--clock-values', '--together', '--duration', f'{round(seconds)}s', *flags],
        stdout=subprocess.PIPE, text=True)


class Reader:
    """The simulator's lines as they come."""

    def __init__(self, process, devices):
        self.process, self.devices = process, devices
        self.lines, self.all_live = [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))
            if self.lines[-1].get('live') == self.devices:
                self.all_live.set()

    def finish(self, seconds):
        self.process.wait(seconds)
        self.thread.join(10)
        if not self.lines or self.lines[-1]['event'] != 'summary':
            sys.exit('devices: the simulator ended without its sums')
        return self.lines[-1]


def stored():
    """Samples in the store of a server that has ended: settled ones, and those of the tail that are
    not (a row may still stand in it when it is settled)."""
    db = sqlite3.connect(os.path.join(DIR, 'signalbox.db'))
    settled = db.execute('SELECT COUNT(*) FROM telemetry_sample').fetchone()[0]
    tail = db.execute(
        "SELECT COUNT(*) FROM telemetry_tail WHERE device_id <> '' AND id NOT IN (SELECT id FROM"
        ' telemetry_sample WHERE id >= (SELECT min(id) FROM telemetry_tail))').fetchone()[0]
    db.close()
    return settled + tail


def prepare(count):
    shutil.rmtree(DIR, ignore_errors=True)
    os.makedirs(DIR)
    port = crowd.free_port()
    crowd.stop(start(port))  # makes the schema
    return port, fill(count)


def load(flags, seconds):
    port, keys = prepare(DEVICES)
    server = start(port)
    children = []
    try:
        empty_kb = memory_kb(server.pid, 'RssAnon')
        watch = start_watch(port, keys)
        children.append(watch)
        simulator = start_simulator(port, keys, seconds + WARM_S + 1,
                                    ['--devices', str(DEVICES), *flags])
        children.append(simulator)
        reader = Reader(simulator, DEVICES)
        if not reader.all_live.wait(60):
            sys.exit('devices: not all devices came in')
        time.sleep(WARM_S)
        before = [cpu_ns(p.pid) for p in (server, simulator, watch)]
        begin, first = time.monotonic(), len(reader.lines)
        time.sleep(seconds)
        used = [cpu_ns(p.pid) - b for p, b in zip((server, simulator, watch), before)]
        window = time.monotonic() - begin
        rss_kb, anon_kb = memory_kb(server.pid, 'VmRSS'), memory_kb(server.pid, 'RssAnon')
        lines = reader.lines[first:]
        sums = reader.finish(END_S)
        seen = json.loads(watch.communicate('', timeout=30)[0].strip().splitlines()[-1])
        children.clear()
    finally:
        for child in children:
            child.kill()
        crowd.stop(server)
    rows = stored()
    lost = sums['samples'] - rows
    if sums['refused'] or sums['lost'] or lost > 0 or seen['failed']:
        print(f'devices: {sums["refused"]} refused, {sums["lost"]} lost, {lost} acknowledged '
              f'samples of {sums["samples"]} not stored ({rows} rows), {seen["failed"]} clients '
              'failed', file=sys.stderr)
    acked = [line['acked'] for line in lines] or [0]
    samples = [line['samples'] for line in lines] or [0]
    return {'acked_per_s': statistics.mean(acked), 'samples_per_s': statistics.mean(samples),
            'cores': used[0] / 1e9 / window, 'generator_cores': sum(used[1:]) / 1e9 / window,
            'ack_p50': sums['steady']['ack_ms']['p50'], 'ack_p99': sums['steady']['ack_ms']['p99'],
            'ack_max': sums['steady']['ack_ms']['max'], 'held': sums['steady']['held'],
            'seen_p50': seen['p50_ms'], 'seen_p99': seen['p99_ms'],
            'updates_per_s': seen['updates'] / seen['seconds'], 'rss_mb': rss_kb / 1024,
            'bytes': (anon_kb - empty_kb) * 1024 / (DEVICES + IDLE + WATCHERS),
            'stored': rows, 'acknowledged': sums['samples'], 'refused': sums['refused']}


def storm(flags, _seconds):
    port, keys = prepare(STORM)
    server = start(port)
    simulator = None
    try:
        empty_kb, before = memory_kb(server.pid, 'RssAnon'), cpu_ns(server.pid)
        simulator = start_simulator(port, keys, 2, ['--devices', str(STORM), *flags])
        reader = Reader(simulator, STORM)
        if not reader.all_live.wait(120):
            sys.exit('devices: the storm did not end within two minutes')
        used = cpu_ns(server.pid) - before
        anon_kb, rss_kb = memory_kb(server.pid, 'RssAnon'), memory_kb(server.pid, 'VmRSS')
        sums = reader.finish(END_S)
        simulator = None
    finally:
        if simulator is not None:
            simulator.kill()
        crowd.stop(server)
    return {'connect_us': used / 1000 / STORM, 'ready_p50': sums['ready_ms']['p50'],
            'ready_p99': sums['ready_ms']['p99'], 'storm_s': sums['connected_s'],
            'rss_mb': rss_kb / 1024, 'bytes': (anon_kb - empty_kb) * 1024 / STORM,
            'failures': sums['failures']}


def table(results):
    rows = ['| ' + ' | '.join(['work'] + [c[1] for c in COLUMNS]) + ' |',
            '| ' + ' | '.join(['---'] * (len(COLUMNS) + 1)) + ' |']
    for name, rounds in results.items():
        cells = [run.cell([r[key] for r in rounds if key in r], digits) for key, _, digits in COLUMNS]
        rows.append('| ' + ' | '.join([name] + cells) + ' |')
    return '\n'.join(rows) + '\n'


def main():
    parser = argparse.ArgumentParser(prog='bench/devices.py')
    parser.add_argument('--rounds', type=int, default=2)
    parser.add_argument('--minutes', type=float, default=0)
    parser.add_argument('--share', type=float, default=1, help='of the rates, for a first look')
    parser.add_argument('--only', default='', help='cases whose name contains it')
    parser.add_argument('--write', action='store_true', help='into bench/RESULTS.md')
    options = parser.parse_args()
    os.makedirs(OUT, exist_ok=True)
    subprocess.run(['ninja', '-C', 'build/release', 'signalbox', 'bench/watch'], cwd=ROOT,
                   check=True, stdout=subprocess.DEVNULL)
    seconds = options.minutes * 60 or 20
    load_begin = os.getloadavg()[0]
    results = {}
    for _ in range(options.rounds):
        for name, kind, rate, batch in CASES:
            if options.only in name:
                flags = ['--rate', f'{rate * options.share:g}', '--batch', str(batch)]
                result = {'load': load, 'storm': storm}[kind](flags, seconds)
                print(json.dumps({'case': name, **result}), flush=True)
                results.setdefault(name, []).append(result)
    text = (run.about(options, load_begin) + '\n' + table(results) +
            f'\n{DEVICES:,} devices beside {IDLE:,} idle clients and {WATCHERS} subscribers of '
            f'{EACH} devices each; {seconds:.0f} s a load'
            f'{"" if options.share == 1 else f"; {options.share:g} of the rates"}.\n')
    with open(os.path.join(OUT, 'devices.md'), 'w', encoding='utf-8') as f:
        f.write(text)
    print(text)
    shutil.rmtree(DIR, ignore_errors=True)
    if options.write:
        run.write_results(text, 'devices')


if __name__ == '__main__':
    main()
