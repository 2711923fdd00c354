#!/usr/bin/env python3
"""The home wire, /ws: idle clients, heartbeats, one change told to all, a storm of changes.

    ./dev build && python3 bench/home.py [--clients N] [--rounds N] [--only WORD] [--write]

With 10,000 anonymous clients: user-space memory of each while it is idle, and while it follows a
room; what a heartbeat costs and how long the loop answers nothing meanwhile; and one entity's change,
set over REST, until the last client has it. npm ws (bench/peers/ws_server.mjs) takes turns with us
in the rounds: its idle connections, and its fan-out of messages of the same size. A storm: 1,000
devices say 10,000 numbers a second for ten seconds, each the state of an entity, while 300 clients
follow rooms, come, go and stall (bench/home_storm.c): no gap, no double, the right last state, over
/ws, and afterwards in the store.

A fresh server for each case, pinned to core 0, the clients (bench/home.c) to core 1; the storm's has
both. CPU is thread time of the server (/proc/PID/task/*/schedstat). Prints a table in Markdown and
keeps it in build/bench/home.md; under three minutes with two rounds.
"""
import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import types

import crowd
import run

ROOT, OUT = crowd.ROOT, crowd.OUT
DIR = os.path.join(OUT, 'home')
USER = '0190aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee'
RUN_SECONDS_MAX = 90
HEARTBEAT_MS = 1000     # instead of 30 s, so that a short window has several
HEARTBEAT_USUAL_S = 30
ROOM_ENTITIES = 10      # bench/home_storm.c
STORM_VIEWERS, STORM_SECONDS, STORM_RATE = 300, 10, 10000
DOCUMENTED_BYTES = 1024  # "~1KB per active connection"


def start(options, port, flags=(), both_cores=False):
    command = [os.path.join(options.build, 'signalbox'), 'serve', '--listen', f'127.0.0.1:{port}',
               '--data-dir', DIR, '--conformance', 'on', '--tcp-congestion', 'reno', '--log-level',
               'warn', *flags]
    env = {**os.environ, 'SIGNALBOX_JWT_SECRET': crowd.SECRET}
    with open(os.path.join(OUT, 'home.log'), 'ab') as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, env=env, cwd=ROOT,
            preexec_fn=None if both_cores else run.on_core(run.SERVER_CORE, False))
    return crowd.ready(process, 'home')


def prepare(options, devices=0):
    """An empty store with what a case needs: port, file of devices' keys."""
    shutil.rmtree(DIR, ignore_errors=True)
    os.makedirs(DIR)
    port = crowd.free_port()
    crowd.stop(start(options, port))  # makes the schema
    path = os.path.join(DIR, 'signalbox.db')
    lines = crowd.fill(types.SimpleNamespace(devices=devices or 1), path)
    now = int(time.time() * 1000)
    db = sqlite3.connect(path)
    crowd.principal_rows(db, [USER], 'user', now)
    db.execute('INSERT INTO role_binding (principal_id, role, scope_kind, scope_id, created_at)'
               " VALUES (?, 'operator', 'global', '', ?)", (USER, now))
    rooms = max(1, devices // ROOM_ENTITIES)
    db.executemany("INSERT INTO home_room (id, name, description, icon, floor, created_at,"
                   " updated_at) VALUES (?, ?, '', '', '', ?, ?)",
                   [(i + 1, f'Room {i + 1}', now, now) for i in range(rooms)])
    ids = {h: i for i, h in db.execute('SELECT principal_id, hash FROM credential')}
    entities = [('light.fan', 1, None, None)]
    if devices:
        owners = [ids[crowd.hashlib.sha256(line.split()[0].encode()).digest()] for line in lines]
        entities = [(f'sensor.d{i}', i // ROOM_ENTITIES + 1, d, 'level')
                    for i, d in enumerate(owners)]
    db.executemany('INSERT INTO entity (entity_id, name, room_id, device_id, capability, created_at,'
                   f" updated_at) VALUES (?, 'Entity', ?, ?, ?, {now}, {now})", entities)
    db.commit()
    db.close()
    keys = os.path.join(DIR, 'keys')
    with open(keys, 'w', encoding='ascii') as f:
        f.writelines(line.split()[0] + '\n' for line in lines)
    return port, keys


def clients(options, port, server, mode, *more):
    done = subprocess.run(
        [os.path.join(options.build, 'bench/home'), '--mode', mode, '--port', str(port), '--pid',
         str(server.pid), *map(str, more)],
        stdout=subprocess.PIPE, text=True, check=False, timeout=RUN_SECONDS_MAX, cwd=ROOT,
        env={**os.environ, 'HOME_TOKEN': crowd.token(USER, int(time.time()))},
        preexec_fn=run.on_core(run.LOAD_CORE, False))
    if done.returncode != 0:
        sys.exit(f'home: {mode}: {done.stdout or "no result"}')
    return json.loads(done.stdout)


def ours(options, mode, *more, flags=()):
    port, _ = prepare(options)
    server = start(options, port, ['--loops', '1', *flags])
    try:
        return clients(options, port, server, mode, '--conns', options.clients, *more)
    finally:
        crowd.stop(server)


def peer(options, arguments):
    """npm ws; None where it is not installed."""
    if not os.path.isdir(os.path.join(ROOT, 'bench/node_modules/ws')):
        return None
    server = run.Server('ws', 'node bench/peers/ws_server.mjs {port}', 3)
    process, port = server.start(False)
    try:
        done = subprocess.run(
            [os.path.join(options.build, 'bench/load'), '--port', str(port), '--pid',
             str(process.pid), '--conns', str(options.clients), '--mode', *arguments.split()],
            stdout=subprocess.PIPE, text=True, check=False, timeout=RUN_SECONDS_MAX, cwd=ROOT,
            preexec_fn=run.on_core(run.LOAD_CORE, False))
        if done.returncode != 0:
            sys.exit(f'home: npm ws: {done.stdout or "no result"}')
        return json.loads(done.stdout)
    finally:
        run.stop(process)


def idle(options):
    got = ours(options, 'idle')
    ws = peer(options, 'idle --seconds 0.1')
    beside = ws and {'ws_bytes': ws['anon_bytes'], 'of_ws': got['anon_bytes'] / ws['anon_bytes']}
    return {'bytes': got['anon_bytes'], 'rss_bytes': got['rss_bytes'],
            'of_document': got['anon_bytes'] / DOCUMENTED_BYTES, **(beside or {})}


def follow(options):
    got = ours(options, 'idle', '--room', 1)
    return {'bytes': got['anon_bytes'], 'rss_bytes': got['rss_bytes'],
            'of_document': got['anon_bytes'] / DOCUMENTED_BYTES}


def beat(options):
    got = ours(options, 'beat', '--seconds', 4,
               flags=['--home-heartbeat-ms', str(HEARTBEAT_MS)])
    return {'us_each': got['us_each'], 'us_s': got['us_each'] / HEARTBEAT_USUAL_S,
            'heartbeats': got['heartbeats'], 'stall_ms': got['stall_ms'],
            'rest_stall_ms': got['rest_stall_ms']}


def fan(options):
    got = ours(options, 'fan', '--changes', 20)
    ws = peer(options, f'fan --warm 3 --seconds 3 --size {got["bytes"]}')
    beside = ws and {'ws_us': ws['cpu_us'], 'of_ws': got['cpu_us'] / ws['cpu_us']}
    return {'us_each': got['cpu_us'], 'half_ms': got['p50_ms'], 'last_ms': got['last_p50_ms'],
            'last_max_ms': got['last_max_ms'], 'frame_bytes': got['bytes'], **(beside or {})}


def kept(devices, changes):
    """What is in the store is what was said last."""
    db = sqlite3.connect(os.path.join(DIR, 'signalbox.db'))
    last = db.execute("SELECT COUNT(*), SUM(CAST(state AS INTEGER)) FROM entity_state s JOIN entity e"
                      " ON e.number = s.number WHERE e.entity_id LIKE 'sensor.d%'").fetchone()
    history = db.execute('SELECT COUNT(*) FROM entity_state_history').fetchone()[0]
    samples = db.execute("SELECT (SELECT COUNT(*) FROM telemetry_sample)").fetchone()[0]
    db.close()
    return {'kept': last[0] == devices and last[1] == changes, 'history': history,
            'samples': samples}


def storm(options):
    devices = max(ROOM_ENTITIES, options.clients // 10)
    share = options.clients / 10000
    port, keys = prepare(options, devices)
    server = start(options, port, ['--loops', '2'], both_cores=True)
    try:
        got = clients(options, port, server, 'storm', '--conns',
                      max(20, int(STORM_VIEWERS * share)), '--entities', devices, '--rate',
                      int(STORM_RATE * share), '--seconds', STORM_SECONDS, '--devices', keys)
    finally:
        crowd.stop(server)
    stored = kept(devices, got['changes'])
    if not stored['kept']:
        sys.exit(f'home: the store has other last states: {stored}')
    return {'changes_s': got['changes'] / got['seconds'], 'cores': got['cores'],
            'us_change': got['cores'] * got['seconds'] * 1e6 / got['changes'],
            'deliveries_s': got['delivered'] / got['seconds'], 'half_ms': got['p50_ms'],
            'p99_ms': got['p99_ms'], 'history': stored['history'],
            'merged': sum(got['missed_' + who] for who in ('stallers', 'sleepers', 'watchers')),
            'detail': got}


# Where the results stand in bench/RESULTS.md; made by the first --write.
BEFORE = '## Windows\n'
SECTION = '''## The home wire

    ./dev build && python3 bench/home.py --write           # under three minutes

Anonymous clients of `/ws` (`bench/home.c`), one loop on core 0 and the clients on core 1, with the
settings' defaults but for heartbeats every second in place of 30 s, and npm `ws` beside us in each
round: its idle connections, and its fan-out of frames of the same size. Memory is the growth of
RssAnon; a stall is the longest round trip of an echo every 2 ms on the same loop. A change is set over
REST, and its CPU time has the request, the checks and the commit in it. The storm has two loops and
both cores, which it shares with its generator: devices on the raw wire say numbers that count up, each
the state of an entity, while followers, comers, stallers, sleepers and watchers (`bench/home_storm.c`)
check that each change begins where the one before ended, that nothing comes twice, late or of another
room, and that everybody has the last number in the end, as the store has; what is wrong of that fails
the run. "Merged" are numbers that slow ones did not get.

<!-- home -->
<!-- /home -->

'''

CASES = [('idle', idle), ('idle, each in a room', follow), ('heartbeat', beat),
         ('one change to all', fan), ('storm', storm)]
COLUMNS = [
    ('bytes', 'bytes each', 0), ('of_document', 'of the documented 1 KB', 2),
    ('ws_bytes', 'npm ws, bytes', 0), ('us_each', 'CPU a delivery, µs', 2), ('ws_us', 'npm ws, µs', 2),
    ('of_ws', 'ratio to npm ws', 3), ('us_s', 'µs/s a client at 30 s', 3),
    ('stall_ms', 'longest stall, ms', 1), ('rest_stall_ms', 'without, ms', 1),
    ('half_ms', 'p50, ms', 1), ('p99_ms', 'p99, ms', 1), ('last_ms', 'to the last, ms', 1),
    ('changes_s', 'changes/s', 0), ('deliveries_s', 'deliveries/s', 0), ('cores', 'server cores', 2),
    ('us_change', 'CPU a change, µs', 1), ('merged', 'merged', 0), ('history', 'rows of history', 0),
]


def table(results):
    """A row for each thing measured: cases have little in common."""
    rows = ['| work | measured | value |', '| --- | --- | --- |']
    for name, rounds in results.items():
        for key, title, digits in COLUMNS:
            values = [r[key] for r in rounds if key in r]
            if values:
                rows.append(f'| {name} | {title} | {run.cell(values, digits)} |')
    return '\n'.join(rows) + '\n'


def write(text):
    path = os.path.join(ROOT, 'bench/RESULTS.md')
    with open(path, encoding='utf-8') as f:
        page = f.read()
    if '<!-- home -->' not in page:
        before, after = page.split(BEFORE)
        with open(path, 'w', encoding='utf-8') as f:
            f.write(before + SECTION + BEFORE + after)
    run.write_results(text, 'home')


def main():
    parser = argparse.ArgumentParser(prog='bench/home.py')
    parser.add_argument('--clients', type=int, default=10000, help='of the cases; a storm of as much')
    parser.add_argument('--rounds', type=int, default=2)
    parser.add_argument('--only', default='', help='cases whose name contains it')
    parser.add_argument('--build', default=os.path.join(ROOT, 'build/release'))
    parser.add_argument('--write', action='store_true', help='into bench/RESULTS.md')
    options = parser.parse_args()
    if options.clients < 100:
        parser.error('--clients of at least 100')
    os.makedirs(OUT, exist_ok=True)
    options.build = os.path.abspath(options.build)
    if os.path.exists(os.path.join(options.build, 'build.ninja')):  # else they were built before
        subprocess.run(['ninja', '-C', options.build, 'signalbox', 'bench/home', 'bench/load'],
                       cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    if not os.path.isdir(os.path.join(ROOT, 'bench/node_modules/ws')):
        print('home: npm ws is not there to compare with: npm ci --ignore-scripts in bench/',
              file=sys.stderr)
    load_begin = os.getloadavg()[0]
    results = {}
    for _ in range(options.rounds):
        for name, case in CASES:
            if options.only in name:
                result = case(options)
                print(json.dumps({'case': name, **result}), flush=True)
                results.setdefault(name, []).append(result)
    text = (run.about(options, load_begin) + '\n' + table(results) +
            f'\n{options.clients:,} clients; the change is a frame of '
            f'{max([r["frame_bytes"] for r in results.get("one change to all", [])] or [0]):.0f} '
            'bytes to each.\n')
    with open(os.path.join(OUT, 'home.md'), 'w', encoding='utf-8') as f:
        f.write(text)
    print(text)
    shutil.rmtree(DIR, ignore_errors=True)
    if options.write:
        write(text)


if __name__ == '__main__':
    main()
