"""The real program under test for Python clients; the fuller twin is server.mjs."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '../../..'))
BIN = os.environ.get('SIGNALBOX_BIN', os.path.join(ROOT, 'build/release/signalbox'))
PATIENCE = 8 if os.environ.get('SIGNALBOX_BUILD') in ('asan', 'tsan') else 2
# Settings of the developer's shell, and ours above, are not the server's.
ENV = {k: v for k, v in os.environ.items() if not k.startswith('SIGNALBOX_')}
SANITIZER = re.compile(r'ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:')


class Reference:
    """`with Reference({...}) as server:` - the reference Socket.IO server on node; url, port."""

    def __init__(self, settings, port=0):
        script = os.path.join(ROOT, 'tests/e2e/lib/reference.mjs')
        self.argv = ['node', script, str(port), json.dumps(settings)]

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        text=True, env=ENV)
        self.port = int(self.process.stdout.readline())
        self.host, self.url = '127.0.0.1', f'http://127.0.0.1:{self.port}'
        return self

    def __exit__(self, kind, error, trace):
        self.process.terminate()
        try:
            self.process.wait(10 * PATIENCE)
        finally:
            self.process.kill()
            self.process.stdout.close()


class Server:
    """`with Server() as server:` - url, host, port, data_dir; the end of the block drains it and
    fails unless it exits 0."""

    def __init__(self, *flags, port=0):
        os.makedirs(os.path.join(ROOT, 'build/tmp'), exist_ok=True)
        self.flags = flags
        self.listen_port = port
        self.data_dir = tempfile.mkdtemp(prefix='e2e-', dir=os.path.join(ROOT, 'build/tmp'))
        self.errors = tempfile.TemporaryFile(mode='w+', dir=self.data_dir)

    def __enter__(self):
        self.process = subprocess.Popen(
            [BIN, 'serve', '--listen', f'127.0.0.1:{self.listen_port}', '--data-dir', self.data_dir, *self.flags],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors, text=True,
            env=ENV)
        for line in self.process.stdout:
            if line.startswith('{') and json.loads(line).get('event') == 'ready':
                self.listen = json.loads(line)['listen']
                address = self.listen[0].removeprefix('http://')
                self.url = f'http://{address}'
                self.host, port = address.rsplit(':', 1)
                self.port = int(port)
                # Whatever it says later must not fill the pipe.
                self.drained = threading.Thread(target=self.process.stdout.read, daemon=True)
                self.drained.start()
                return self
        self.process.wait()
        raise AssertionError(f'{BIN} ended before it was ready:\n{self.log()}')

    def __exit__(self, kind, error, trace):
        self.process.terminate()
        try:
            status = self.process.wait(20 * PATIENCE)
        finally:
            self.process.kill()
        log = self.log()
        self.errors.close()
        self.drained.join()
        self.process.stdout.close()
        shutil.rmtree(self.data_dir, ignore_errors=True)
        if kind is None:
            assert status == 0, f'exit status {status}\n{log[-4000:]}'
            assert not SANITIZER.search(log), log

    def log(self):
        self.errors.seek(0)
        return self.errors.read()

    def cli(self, *args):
        """A subcommand beside the running server; its output, or an error with what it said."""
        got = subprocess.run([BIN, *args, '--data-dir', self.data_dir], capture_output=True,
                             text=True, timeout=10 * PATIENCE, stdin=subprocess.DEVNULL,
                             env=ENV)
        assert got.returncode == 0, got.stderr + got.stdout
        return got.stdout.strip()

    def add_device(self, name):
        """Enrols a device: (id, key)."""
        said = self.cli('device', 'add', '--name', name)
        return (re.search(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', said).group(0),
                re.search(r'sbk_[\w-]+', said).group(0))
