"""The Monitor wire as Python's `websockets` sees it: another implementation of RFC 6455, which
checks what it is sent, compresses if asked, and closes by its own rules."""
import asyncio
import datetime
import json
import os
import ssl
import subprocess
import sys
import tempfile
import unittest
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from server import PATIENCE, ROOT, Server  # noqa: E402

try:
    import websockets
except ImportError:  # Debian's package, for a Python that is not Debian's
    sys.path.append('/usr/lib/python3/dist-packages')
    import websockets

WAIT_S = 10 * PATIENCE


class Wire:
    """A connection that speaks {type, data}."""

    def __init__(self, socket):
        self.socket = socket

    async def send(self, **frame):
        await self.socket.send(json.dumps(frame))

    async def receive(self, kind):
        """The data of the next frame of a type; others are passed over."""
        async def until():
            while True:
                text = await self.socket.recv()
                assert isinstance(text, str), 'a binary frame'
                frame = json.loads(text)
                if frame['type'] == kind:
                    return frame['data']
        return await asyncio.wait_for(until(), WAIT_S)


class PythonClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        warnings.simplefilter('ignore', DeprecationWarning)
        cls.server = Server()
        cls.server.__enter__()
        cls.id, cls.key = cls.server.add_device('python')
        cls.base = f'ws://{cls.server.host}:{cls.server.port}/api/v1/devices'

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)

    def viewer(self, **options):
        return websockets.connect(f'{self.base}/{self.id}/ws', **options)

    def device(self, **options):
        return websockets.connect(f'{self.base}/self/ws', subprotocols=['bearer', self.key],
                                  **options)

    def test_a_viewer_gets_every_channel(self):
        async def run():
            async with self.device() as d, self.viewer() as v:
                self.assertEqual(d.subprotocol, 'bearer')
                reporting, watching = Wire(d), Wire(v)
                self.assertEqual((await watching.receive('connected'))['deviceUuid'], self.id)
                await reporting.send(type='state', id='s', data={
                    'os': 'Debian', 'hostname': 'h\u00e9te', 'uptime': 5,
                    'interfaces': [{'name': 'eth0', 'addresses': ['192.0.2.1/24'], 'up': True}],
                    'top_processes': [{'pid': 1, 'name': 'init', 'cpu': 0, 'mem': 0, 'user': 'root',
                                       'command': 'secret'}]})
                self.assertEqual(await reporting.receive('ack'), {'id': 's', 'ok': True})
                await watching.send(type='subscribe', channels=[
                    'metrics', 'processes', 'system-info', 'history', 'network-interfaces'])
                self.assertEqual((await watching.receive('system-info'))['hostname'], 'h\u00e9te')
                for n in range(3):
                    at = datetime.datetime.now(datetime.timezone.utc)
                    at -= datetime.timedelta(minutes=3 - n)
                    await reporting.send(type='metrics', id=n, data={
                        'cpu': 10.4 + n, 'memory': {'used': 1 << 30, 'total': 1 << 32}, 'row': True,
                        'network': {'download': 5, 'upload': 6}, 'recordedAt': at.isoformat()})
                    self.assertEqual(await reporting.receive('ack'), {'id': n, 'ok': True})
                sample = await watching.receive('metrics')
                self.assertEqual(sample['memory'], {'used': 1 << 30, 'total': 1 << 32})
            async with self.viewer() as v:
                again = Wire(v)
                await again.send(type='subscribe', channels=['history', 'processes'])
                history = await again.receive('history')
                self.assertEqual([c['value'] for c in history['cpu']], [10, 11, 12])
                self.assertEqual(history['memory'][0]['used'], 1024)
                self.assertRegex(history['cpu'][0]['time'], r'^\d\d:\d\d [AP]M$')
                top = (await again.receive('processes'))['top_processes']
                self.assertEqual(top, [{'pid': 1, 'name': 'init', 'cpu': 0, 'mem': 0,
                                        'user': 'root'}])
        asyncio.run(run())

    def test_control_frames_and_fragments_are_answered(self):
        async def run():
            async with self.viewer(ping_interval=None) as v:
                watching = Wire(v)
                for payload in (b'', b'x' * 125):
                    await asyncio.wait_for(await v.ping(payload), WAIT_S)
                await v.send(['{"ty', 'pe":"p', 'ing"}'])  # one message in three frames
                await watching.receive('pong')
                await v.close(1000, 'done')
                self.assertEqual(v.close_code, 1000)
        asyncio.run(run())

    def test_offered_compression_changes_nothing(self):
        async def run():
            for compression in (None, 'deflate'):
                async with self.viewer(compression=compression) as v:
                    await Wire(v).send(type='ping')
                    await Wire(v).receive('pong')
        asyncio.run(run())

    def test_refusals_come_before_the_upgrade(self):
        async def status(url, **options):
            try:
                async with websockets.connect(url, **options):
                    return 101
            except Exception as refused:  # the class was renamed between versions
                response = getattr(refused, 'response', refused)
                return response.status_code
        async def run():
            nobody = '01980000-0000-7000-8000-000000000000'
            self.assertEqual(await status(f'{self.base}/{nobody}/ws'), 404)
            self.assertEqual(await status(f'{self.base}/self/ws'), 401)
            self.assertEqual(await status(f'{self.base}/{self.id}/ws', origin='https://a.example'),
                             403)
            self.assertEqual(await status(f'{self.base}/self/ws', subprotocols=['bearer', 'x']), 401)
        asyncio.run(run())

    def test_everything_goes_over_tls_too(self):
        async def run(server, context):
            uuid, _ = server.add_device('tls')
            port = server.listen[1].rsplit(':', 1)[1]
            async with websockets.connect(f'wss://localhost:{port}/api/v1/devices/{uuid}/ws',
                                          ssl=context) as v:
                self.assertEqual(v.transport.get_extra_info('ssl_object').version(), 'TLSv1.3')
                await Wire(v).send(type='ping')
                await Wire(v).receive('pong')
                await v.close(1000)
                self.assertEqual(v.close_code, 1000)

        with tempfile.TemporaryDirectory(dir=os.path.join(ROOT, 'build/tmp')) as folder:
            cert, key = os.path.join(folder, 'cert.pem'), os.path.join(folder, 'key.pem')
            subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                            'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert,
                            '-days', '2', '-subj', '/CN=localhost', '-addext',
                            'subjectAltName=DNS:localhost'], check=True, capture_output=True)
            with Server('--listen', '127.0.0.1:0,tls://127.0.0.1:0', '--tls-cert', cert,
                        '--tls-key', key) as server:
                asyncio.run(run(server, ssl.create_default_context(cafile=cert)))

    def test_a_stopping_server_says_so(self):
        async def run():
            with Server() as server:
                uuid, _ = server.add_device('stop')
                async with websockets.connect(
                        f'ws://{server.host}:{server.port}/api/v1/devices/{uuid}/ws') as v:
                    await Wire(v).receive('connected')
                    server.process.terminate()
                    await asyncio.wait_for(v.wait_closed(), WAIT_S)
                    self.assertEqual(v.close_code, 1001)
        asyncio.run(run())


if __name__ == '__main__':
    unittest.main()
