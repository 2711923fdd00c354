"""Socket.IO as python-socketio sees it: clients written by others, with threads (requests and
websocket-client) and with asyncio (aiohttp), over WebSocket, polling and upgrading. The same story
is told to the reference server first."""
import asyncio
import contextlib
import functools
import json
import logging
import os
import queue
import sys
import threading
import time
import unittest
import urllib.request
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from server import PATIENCE, Reference, Server  # noqa: E402

try:
    import socketio
except ImportError:  # Debian's package, for a Python that is not Debian's
    sys.path.append('/usr/lib/python3/dist-packages')
    import socketio
import engineio  # noqa: E402

# This client forgets to close its HTTP session when a server goes away, and aiohttp says so.
logging.getLogger('asyncio').setLevel(logging.CRITICAL)

# Its polling takes no more than 16 packets an answer unless told; the protocol has no such limit.
engineio.payload.Payload.max_decode_packets = 1000

WAIT_S = 10 * PATIENCE
WAYS = {'websocket': ['websocket'], 'polling': ['polling'], 'upgrade': ['polling', 'websocket']}
RETRY = {'reconnection_delay': 0.05, 'reconnection_delay_max': 0.25, 'randomization_factor': 0}
NAMESPACES = ['/', '/custom']
ROOM_MESSAGES = 100


def start_thread(target, *args, **kwargs):
    """As the client does, but Python does not wait for it to end: a client whose connection was
    ended under it may keep a thread that waits for ever."""
    thread = threading.Thread(target=target, args=args, kwargs=kwargs, daemon=True)
    thread.start()
    return thread


class Threads:
    """A client with threads; the same face as Loop, so that one story serves both."""
    name = 'threads'

    def __init__(self, namespaces):
        self.sio = socketio.Client(**RETRY)
        self.sio.eio.start_background_task = start_thread
        self.heard = queue.Queue()
        for namespace in namespaces:
            for event in ('connect', 'disconnect', 'connect_error', '*'):
                self.sio.on(event, functools.partial(self.hear, namespace, event),
                            namespace=namespace)

    def hear(self, namespace, event, *args):
        if event == '*':
            event, *args = args
        self.heard.put((namespace, event, *args))
        return (5, {'test': True}) if event == 'ack' else None

    async def connect(self, url, **options):
        self.sio.connect(url, **{'wait_timeout': WAIT_S, **options})

    async def emit(self, event, data=None, namespace='/'):
        self.sio.emit(event, data, namespace=namespace)

    async def call(self, event, data=None, namespace='/'):
        return self.sio.call(event, data, namespace=namespace, timeout=WAIT_S)

    async def take(self):
        return self.heard.get(timeout=WAIT_S)

    async def leave(self):
        self.sio.disconnect()


class Loop:
    """A client with asyncio."""
    name = 'asyncio'

    def __init__(self, namespaces):
        self.sio = socketio.AsyncClient(**RETRY)
        self.heard = asyncio.Queue()
        for namespace in namespaces:
            for event in ('connect', 'disconnect', 'connect_error', '*'):
                self.sio.on(event, functools.partial(self.hear, namespace, event),
                            namespace=namespace)

    def hear(self, namespace, event, *args):
        if event == '*':
            event, *args = args
        self.heard.put_nowait((namespace, event, *args))
        return (5, {'test': True}) if event == 'ack' else None

    async def connect(self, url, **options):
        await self.sio.connect(url, wait_timeout=WAIT_S, **options)

    async def emit(self, event, data=None, namespace='/'):
        await self.sio.emit(event, data, namespace=namespace)

    async def call(self, event, data=None, namespace='/'):
        return await self.sio.call(event, data, namespace=namespace, timeout=WAIT_S)

    async def take(self):
        return await asyncio.wait_for(self.heard.get(), WAIT_S)

    async def leave(self):
        await self.sio.disconnect()


async def hear(client, event, namespace='/'):
    """The arguments of the next such event; others are passed over."""
    while True:
        got = await client.take()
        if got[:2] == (namespace, event):
            return list(got[2:])


@contextlib.asynccontextmanager
async def connected(kind, url, way, namespaces=('/',), **options):
    client = kind(namespaces)
    await client.connect(url, transports=WAYS[way], namespaces=list(namespaces), **options)
    try:
        yield client
    finally:
        await client.leave()


def run(story):
    """As asyncio.run, but does not wait for the client's own tasks, which may swallow their end."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)
    try:
        loop.run_until_complete(story)
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def everywhere(story):
    """Tells a story to both clients over every transport; cls.start() makes the server."""
    @functools.wraps(story)
    def told(self):
        for kind in (Threads, Loop):
            for way in WAYS:
                with self.subTest(client=kind.name, way=way):
                    run(story(self, kind, way))
    return told


class Fixture:
    """What the conformance fixture does; mixed with a class that starts a server."""
    BACK = ['text', 'Zażółć \U0001f680 "\\\n', 0, -1.5, None, True, [], {}, {'ä': [{'ö': 'ü'}]}]

    @classmethod
    def setUpClass(cls):
        warnings.simplefilter('ignore', ResourceWarning)
        cls.server = cls.start(0)
        cls.server.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)

    @everywhere
    async def test_events_come_back(self, kind, way):
        async with connected(kind, self.server.url, way, auth={'a': 'b'}) as client:
            self.assertEqual(await hear(client, 'auth'), [{'a': 'b'}])
            await client.emit('message', tuple(self.BACK))
            self.assertEqual(await hear(client, 'message-back'), self.BACK)

    @everywhere
    async def test_binary_values_come_back(self, kind, way):
        data = (bytes(range(256)), {'deep': [{'bytes': b'\x07' * 70_000}], 'also': 'text'}, b'')
        async with connected(kind, self.server.url, way) as client:
            await client.emit('message', data)
            self.assertEqual(await hear(client, 'message-back'), list(data))
            self.assertEqual(await client.call('message-with-ack', data), data)

    @everywhere
    async def test_both_sides_acknowledge(self, kind, way):
        async with connected(kind, self.server.url, way) as client:
            for i in range(20):
                self.assertEqual(await client.call('message-with-ack', (i, 'x')), (i, 'x'))
            await client.emit('ack')
            await hear(client, 'got it')

    @everywhere
    async def test_namespaces_are_apart(self, kind, way):
        async with connected(kind, self.server.url, way, NAMESPACES, auth={'n': 1}) as client:
            self.assertEqual(await hear(client, 'auth', '/custom'), [{'n': 1}])
            custom, root = client.sio.get_sid('/custom'), client.sio.get_sid('/')
            self.assertNotEqual(custom, root)
            self.assertEqual(await client.call('getId', namespace='/custom'), custom)
            self.assertEqual(await client.call('getId'), root)

    @everywhere
    async def test_an_unknown_namespace_is_refused(self, kind, way):
        client = kind(('/random',))
        await client.connect(self.server.url, transports=WAYS[way], namespaces=['/random'],
                             wait=False)
        self.assertEqual(await hear(client, 'connect_error', '/random'),
                         [{'message': 'Invalid namespace'}])
        await client.leave()

    @everywhere
    async def test_rooms_deliver_once_and_in_order(self, kind, way):
        async with connected(kind, self.server.url, way) as member, \
                connected(kind, self.server.url, 'websocket') as sender:
            room = f'py-{time.monotonic_ns()}'
            self.assertEqual(await member.call('join', room), f'ok {room}')
            for i in range(ROOM_MESSAGES):
                await sender.emit('broadcast', (room, str(i)))
            got = [(await hear(member, 'message'))[0] for _ in range(ROOM_MESSAGES)]
            self.assertEqual(got, [str(i) for i in range(ROOM_MESSAGES)])

    @everywhere
    async def test_it_stays_and_comes_back(self, kind, way):
        server = self.start(0)
        with server:
            client = kind(('/',))
            await client.connect(server.url, transports=WAYS[way])
            await asyncio.sleep(1.2)  # several heartbeats
            self.assertTrue(client.sio.connected)
        await hear(client, 'disconnect')
        if way == 'polling':  # which takes the packet `1` for a wish that it stay away
            await client.leave()
            return
        with self.start(server.port):
            await hear(client, 'connect')
            self.assertEqual(await client.call('message-with-ack', 'back'), 'back')
            await client.leave()


TIMERS = {'pingInterval': 300, 'pingTimeout': 5000}


class ReferenceFixture(Fixture, unittest.TestCase):
    @staticmethod
    def start(port):
        return Reference(TIMERS, port)


class SignalboxFixture(Fixture, unittest.TestCase):
    @staticmethod
    def start(port):
        return Server('--conformance', 'on', '--engineio-ping-interval-ms', '300',
                      '--engineio-ping-timeout-ms', '5000', '--loops', '2', port=port)


class Product(unittest.TestCase):
    """The product's namespace: tokens and keys, answers, refusals."""

    @classmethod
    def setUpClass(cls):
        warnings.simplefilter('ignore', ResourceWarning)
        cls.server = Server('--loops', '2', '--handshakes-per-s', '100000')
        cls.server.__enter__()
        cls.token = cls.server.cli('token', '--sub', 'py', '--kind', 'user', '--role', 'operator',
                                   '--ttl', '1h')

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)

    def make_device(self, name):
        request = urllib.request.Request(
            f'{self.server.url}/api/v1/devices', json.dumps({'name': name}).encode(),
            {'Content-Type': 'application/json', 'Authorization': f'Bearer {self.token}'})
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return json.load(answer)['data']['device']['id']

    @everywhere
    async def test_a_wrong_token_is_told_why(self, kind, way):
        client = kind(('/',))
        await client.connect(self.server.url, transports=WAYS[way], auth={'token': 'wrong'},
                             wait=False)
        [error] = await hear(client, 'connect_error')
        self.assertEqual(error['data']['type'], 'AUTHENTICATION_FAILED')
        self.assertEqual(error['data']['code'], 401)
        await client.leave()

    @everywhere
    async def test_a_client_subscribes(self, kind, way):
        async with connected(kind, self.server.url, way, auth={'token': self.token}) as client:
            self.assertTrue((await client.call('device:subscribe', {}))['ok'])
            made = self.make_device(f'{kind.name}-{way}')
            self.assertEqual((await hear(client, 'device:created'))[0]['id'], made)

    @everywhere
    async def test_an_unknown_event_is_refused(self, kind, way):
        async with connected(kind, self.server.url, way, auth={'token': self.token}) as client:
            answer = await client.call('no:such:event', {})
            self.assertFalse(answer['ok'])
            self.assertEqual(answer['error']['type'], 'INVALID_MESSAGE_FORMAT')
            await client.emit('no:such:event', {})
            [error, *_] = await hear(client, 'error')
            self.assertEqual(error['type'], 'INVALID_MESSAGE_FORMAT')

    @everywhere
    async def test_a_device_registers_with_its_key(self, kind, way):
        made, key = self.server.add_device(f'keyed-{kind.name}-{way}')
        async with connected(kind, self.server.url, way, auth={'token': key}) as device:
            answer = await device.call('device:register', {'deviceId': made, 'capabilities': []})
            self.assertTrue(answer['ok'], answer)
            self.assertEqual(answer['device']['id'], made)


if __name__ == '__main__':
    unittest.main()
