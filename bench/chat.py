#!/usr/bin/env python3
"""Chat: one large room, rooms of all sizes, many small rooms, the ceiling, a store that stalls.

    ./dev build && python3 bench/chat.py [--smoke] [--rounds N] [--seconds S] [--only WORD] [--write]

Members of chat rooms, each with a socket of its own and the real protocol (bench/chat.c), send in
turn; a message is due when the clock says so, and its latency is from then until a member has it.
Each member checks that the seqs of its room come one by one, the first of each room that no message
is stored twice, and all that everything acknowledged came: what is wrong of that fails the run. The
store is looked at afterwards: as many messages as were acknowledged, last_seq of each room its
count. Cases: 1,000 members in one room at 100 messages/s; the same at growing rates until p99 or the
acknowledgements break (the ceiling); rooms of 10, 100, 1,000 and 10,000; 1,000 rooms of 10 with as
many messages, and with as many deliveries, as the one large room, and their ceiling; and a store that stands still for
five seconds in the middle (another process holds the write lock), in which sends are refused with
SERVER_ERROR and sent again.

A fresh server for each case; it has both cores, which it shares with the clients. CPU is thread time
of the server. Rows of principals, rooms and members are put into the store beforehand. Prints a table
in Markdown and keeps it in build/bench/chat.md. --smoke: seconds, small crowds, to see that it works.
"""
import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import uuid

import crowd
import run

ROOT, OUT = crowd.ROOT, crowd.OUT
DIR = os.path.join(OUT, 'chat')
STALL = os.path.join(DIR, 'stall')
STALL_S = 5
WARM_S = 2
PATIENCE_S = 30
ROOM, RATE = 1000, 100          # the documented room and rate
DELIVERIES = ROOM * RATE
CEILING_STEP = 1.5
P99_MAX_MS = 100                # the chat document's; above it a rate does not count as carried
MEMBER_RATE_MAX = 8             # below the limit of 10 a second


def start(options, port):
    command = [os.path.join(options.build, 'signalbox'), 'serve', '--listen', f'127.0.0.1:{port}',
               '--data-dir', DIR, '--handshakes-per-s', '1000000',
               '--connections-per-address-max', '1000000', '--tcp-congestion', 'reno',
               '--log-level', 'warn']
    env = {**os.environ, 'SIGNALBOX_JWT_SECRET': crowd.SECRET}
    with open(os.path.join(OUT, 'chat.log'), 'ab') as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=env, cwd=ROOT)
    return crowd.ready(process, 'chat')


def member_rows(db, people, rooms, now):
    """Members stand in the file so that neighbours are of different rooms."""
    crowd.principal_rows(db, people, 'user', now)
    db.executemany('INSERT INTO role_binding (principal_id, role, scope_kind, scope_id, created_at)'
                   " VALUES (?, 'employee', 'global', '', ?)", [(p, now) for p in people])
    db.executemany('INSERT INTO chat_room (id, type, name, settings, last_at, created_at, updated_at)'
                   " VALUES (?, 'group', ?, '{}', ?, ?, ?)",
                   [(r, f'Room {i}', now, now, now) for i, r in enumerate(rooms)])
    db.executemany('INSERT INTO chat_member (room_id, principal_id, user_type, role, joined_at)'
                   " VALUES (?, ?, 'employee', 'member', ?)",
                   [(rooms[i % len(rooms)], p, now) for i, p in enumerate(people)])


def prepare(options, members, rooms):
    shutil.rmtree(DIR, ignore_errors=True)
    os.makedirs(DIR)
    port = crowd.free_port()
    crowd.stop(start(options, port))  # makes the schema
    now = int(time.time())
    people = [str(uuid.uuid4()) for _ in range(members)]
    ids = [str(uuid.uuid4()) for _ in range(rooms)]
    db = sqlite3.connect(os.path.join(DIR, 'signalbox.db'))
    member_rows(db, people, ids, now * 1000)
    db.commit()
    db.close()
    path = os.path.join(DIR, 'members')
    with open(path, 'w', encoding='ascii') as f:
        for i, p in enumerate(people):
            f.write(f'{crowd.token(p, now)} {ids[i % rooms]} {i % rooms}\n')
    return port, path


def hold_store(seconds):
    """Waits for the clients' sign, then holds the write lock."""
    while not os.path.exists(STALL):
        time.sleep(0.02)
        if not os.path.isdir(DIR):
            return
    db = sqlite3.connect(os.path.join(DIR, 'signalbox.db'), timeout=10, isolation_level=None)
    db.execute('BEGIN IMMEDIATE')
    time.sleep(seconds)
    db.execute('ROLLBACK')
    db.close()


def stored(acked):
    """The store agrees with the acknowledgements."""
    db = sqlite3.connect(os.path.join(DIR, 'signalbox.db'))
    count = db.execute("SELECT COUNT(*) FROM chat_message WHERE type = 'chat'").fetchone()[0]
    holes = db.execute(
        'SELECT COUNT(*) FROM chat_room r WHERE r.last_seq <> (SELECT COUNT(*) FROM chat_message m'
        ' WHERE m.room_id = r.id) OR r.last_seq <> (SELECT COALESCE(MAX(seq), 0) FROM chat_message m'
        ' WHERE m.room_id = r.id)').fetchone()[0]
    db.close()
    if count != acked or holes:
        sys.exit(f'chat: {acked} acknowledged, {count} stored, {holes} rooms with holes')


def load(options, members, rooms, rate, stall=False, strict=True):
    port, path = prepare(options, members, rooms)
    server = start(options, port)
    more = []
    if stall:
        more = ['--stall', STALL]
        threading.Thread(target=hold_store, args=(options.stall,), daemon=True).start()
    try:
        done = subprocess.run(
            [os.path.join(options.build, 'bench/chat'), '--port', str(port), '--pid',
             str(server.pid), '--file', path, '--rate', str(rate), '--warm', str(options.warm),
             '--seconds', str(options.seconds), '--patience', str(PATIENCE_S), *more],
            stdout=subprocess.PIPE, text=True, check=False, cwd=ROOT,
            timeout=options.seconds + PATIENCE_S + 240)
    finally:
        crowd.stop(server)
    if not done.stdout:
        sys.exit('chat: no result')
    got = json.loads(done.stdout)
    if strict and done.returncode != 0:
        sys.exit(f'chat: not all came, once, in order: {got}')
    if done.returncode == 0:
        stored(got['acked'])
    return {**got, 'whole': done.returncode == 0, 'deliveries_s': got['deliveries'] / (
                options.seconds + options.warm),
            'us_delivery': got['cores'] * options.seconds * 1e6 / max(
                1, got['deliveries'] * options.seconds / (options.seconds + options.warm))}


def ceiling(options, members, rooms, rate):
    """The rate grows until something breaks; the last one that was carried."""
    best = None
    while rate <= members * MEMBER_RATE_MAX:
        got = load(options, members, rooms, round(rate), strict=False)
        if not got['whole'] or got['p99_ms'] > P99_MAX_MS:
            break
        best = got
        rate *= CEILING_STEP
    if best is None:
        print(f'chat: {got["rate"]} messages/s are not carried', file=sys.stderr)
    return {**(best or got), 'broke_at': got['rate'] if got is not best else 0}


def cases(options):
    m, share = options.members, options.share
    yield f'{m:,} members in one room', lambda: load(options, m, 1, RATE * share)
    for size in (10, 100, 1000, 10000):
        size = max(2, int(size * share))
        rate = max(1, min(RATE, size * MEMBER_RATE_MAX, DELIVERIES * share / size))
        yield (f'a room of {size:,} at {rate:.0f}/s',
               lambda size=size, rate=rate: load(options, size, 1, rate))
    rooms = max(2, int(1000 * share))
    yield (f'{rooms:,} rooms of 10, as many messages',
           lambda: load(options, rooms * 10, rooms, RATE * share))
    yield (f'{rooms:,} rooms of 10, as many deliveries',
           lambda: load(options, rooms * 10, rooms, DELIVERIES * share / 10))
    yield (f'{m:,} members, the store stalls for {options.stall} s',
           lambda: load(options, m, 1, RATE * share, stall=True))
    yield f'{m:,} members, the ceiling', lambda: ceiling(options, m, 1, RATE * share)
    yield (f'{rooms:,} rooms of 10, the ceiling',
           lambda: ceiling(options, rooms * 10, rooms, 10 * RATE * share))


COLUMNS = [
    ('rate', 'messages/s', 0), ('deliveries_s', 'deliveries/s', 0), ('p50_ms', 'p50, ms', 1),
    ('p99_ms', 'p99, ms', 1), ('max_ms', 'max, ms', 0), ('ack_p99_ms', 'ack p99, ms', 1),
    ('cores', 'server cores', 2), ('us_delivery', 'CPU a delivery, µs', 2),
    ('refused', 'refused, sent again', 0), ('anon_bytes', 'bytes a member', 0),
    ('broke_at', 'broke at', 0),
]

# Where the results stand in bench/RESULTS.md; made by the first --write.
BEFORE = '## Windows\n'
SECTION = '''## Chat

    ./dev build && python3 bench/chat.py --write           # some twelve minutes a round

Members of chat rooms with a socket each (`bench/chat.c`), SQLite with synchronous full, server and
clients on the same two cores. A message is due when the clock says so, and its latency is from then
until a member has it: over all deliveries of the window. Nothing lost, nothing twice, in order, and in
the store as acknowledged, else the run fails. The ceiling is the last rate, each half as much again as
the one before, that was carried whole with a p99 within the documented 100 ms. Memory is the growth
of RssAnon until everybody is in.

<!-- chat -->
<!-- /chat -->

'''


def table(results):
    rows = ['| ' + ' | '.join(['work'] + [c[1] for c in COLUMNS]) + ' |',
            '| ' + ' | '.join(['---'] * (len(COLUMNS) + 1)) + ' |']
    for name, rounds in results.items():
        cells = []
        for key, _, digits in COLUMNS:
            values = [r[key] for r in rounds if r.get(key)]
            cells.append(run.cell(values, digits) if values else '')
        rows.append('| ' + ' | '.join([name] + cells) + ' |')
    return '\n'.join(rows) + '\n'


def write(text):
    path = os.path.join(ROOT, 'bench/RESULTS.md')
    with open(path, encoding='utf-8') as f:
        page = f.read()
    if '<!-- chat -->' not in page:
        before, after = page.split(BEFORE)
        with open(path, 'w', encoding='utf-8') as f:
            f.write(before + SECTION + BEFORE + after)
    run.write_results(text, 'chat')


def main():
    parser = argparse.ArgumentParser(prog='bench/chat.py')
    parser.add_argument('--smoke', action='store_true', help='seconds and a tenth of everything')
    parser.add_argument('--rounds', type=int, default=0)
    parser.add_argument('--seconds', type=float, default=0, help='of each window')
    parser.add_argument('--only', default='', help='cases whose name contains it')
    parser.add_argument('--build', default=os.path.join(ROOT, 'build/release'))
    parser.add_argument('--write', action='store_true', help='into bench/RESULTS.md')
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.smoke else 2)
    options.seconds = options.seconds or (3 if options.smoke else 60)
    options.share = 0.05 if options.smoke else 1
    options.warm = 0.5 if options.smoke else WARM_S
    options.stall = 2 if options.smoke else STALL_S
    options.members = int(ROOM * options.share)
    os.makedirs(OUT, exist_ok=True)
    options.build = os.path.abspath(options.build)
    if os.path.exists(os.path.join(options.build, 'build.ninja')):  # else they were built before
        subprocess.run(['ninja', '-C', options.build, 'signalbox', 'bench/chat'], cwd=ROOT,
                       check=True, stdout=subprocess.DEVNULL)
    load_begin = os.getloadavg()[0]
    results = {}
    for _ in range(options.rounds):
        for name, case in cases(options):
            if options.only in name:
                result = case()
                print(json.dumps({'case': name, **result}), flush=True)
                results.setdefault(name, []).append(result)
    text = (run.about(options, load_begin) + '\n' + table(results) +
            f'\n{options.seconds:.0f} s a window.\n')
    with open(os.path.join(OUT, 'chat.md'), 'w', encoding='utf-8') as f:
        f.write(text)
    print(text)
    shutil.rmtree(DIR, ignore_errors=True)
    if options.write:
        write(text)


if __name__ == '__main__':
    main()
