#!/usr/bin/env python3
"""Memory of one server under steady load: does it grow?

    bench/soak.py [--seconds 600] [--every 30] [--ingest 20000] [--rooms 20000]

Ingest (1,000 senders) and fan-out (200 rooms of 10, each message to ten) at fixed rates run side by
side; resident memory is read now and then. Prints a line a sample and the growth from the end of
the first tenth to the end. The server runs on core 0, the generators on core 1.
"""
import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = os.path.join(ROOT, 'build/bench')


def on_core(core):
    return lambda: os.sched_setaffinity(0, {core})


def memory_kb(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as f:
        values = dict(line.split(':', 1) for line in f)
    return {name: int(values[name].split()[0]) for name in ('VmRSS', 'RssAnon', 'VmHWM')}


def start(port):
    data_dir = os.path.join(OUT, 'soak')
    shutil.rmtree(data_dir, ignore_errors=True)
    process = subprocess.Popen(
        [os.path.join(ROOT, 'build/release/signalbox'), 'serve', '--loops', '1', '--conformance',
         'on', '--listen', f'127.0.0.1:{port}', '--data-dir', data_dir, '--log-level', 'warn'],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT, preexec_fn=on_core(0))
    for line in process.stdout:
        if b'"ready"' in line:
            return process
    sys.exit('soak: the server does not start')


def load(port, pid, seconds, arguments):
    return subprocess.Popen(
        [os.path.join(ROOT, 'build/release/bench/load'), '--port', str(port), '--pid', str(pid),
         '--warm', '1', '--seconds', str(seconds), *arguments.split()],
        stdout=subprocess.PIPE, text=True, preexec_fn=on_core(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--seconds', type=int, default=600)
    parser.add_argument('--every', type=float, default=30)
    parser.add_argument('--ingest', type=int, default=20000, help='messages a second')
    parser.add_argument('--rooms', type=int, default=2000, help='messages a second, each to ten')
    options = parser.parse_args()
    os.makedirs(OUT, exist_ok=True)
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    server = start(port)
    samples = []
    try:
        loads = [load(port, server.pid, options.seconds, f'--mode ingest --conns 1000 --rate '
                      f'{options.ingest}'),
                 load(port, server.pid, options.seconds, f'--mode rooms --conns 2000 --members 10 '
                      f'--rate {options.rooms}')]
        begin = time.monotonic()
        while time.monotonic() - begin < options.seconds:
            time.sleep(min(options.every, options.seconds / 10))
            samples.append((time.monotonic() - begin, memory_kb(server.pid)))
            print(json.dumps({'s': round(samples[-1][0]), **samples[-1][1]}), flush=True)
        for process in loads:
            text, _ = process.communicate(timeout=60)
            print(text.strip())
            if process.returncode != 0:
                sys.exit('soak: something was lost')
    finally:
        server.terminate()
        server.wait(30)
    settled = next(m for at, m in samples if at >= options.seconds / 10)
    last = samples[-1][1]
    print(json.dumps({'seconds': options.seconds, 'rss_kb': last['VmRSS'],
                      'growth_kb': last['VmRSS'] - settled['VmRSS'],
                      'anon_growth_kb': last['RssAnon'] - settled['RssAnon']}))


if __name__ == '__main__':
    main()
