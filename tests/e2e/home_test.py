"""The test script of the home-automation document (test_websocket.py), written anew with the
packages that it names, `websockets` and `requests`: connection, messages, events of rooms,
statistics, broadcasts, limits; and the document's Python client as it is printed."""
import asyncio
import contextlib
import io
import json
import os
import re
import sys
import unittest
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from server import PATIENCE, ROOT, Server  # noqa: E402

try:
    import websockets
except ImportError:  # Debian's package, for a Python that is not Debian's
    sys.path.append('/usr/lib/python3/dist-packages')
    import websockets
import requests  # noqa: E402

WAIT_S = 10 * PATIENCE
WHOLE_SECONDS = re.compile(r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$')

# As it is printed; only the port is another one.
DOCUMENTED_CLIENT = '''
import asyncio
import websockets
import json

async def client():
    uri = "ws://localhost:3001/ws"
    async with websockets.connect(uri) as websocket:
        # Send ping
        await websocket.send(json.dumps({
            "type": "ping",
            "data": {}
        }))
        
        # Listen for messages
        async for message in websocket:
            data = json.loads(message)
            print(f"Received: {data}")
'''


def golden(name):
    with open(os.path.join(ROOT, f'tests/golden/home_{name}.json'), encoding='utf-8') as f:
        return json.load(f)


class Home:
    """A client of /ws that keeps what it was told."""

    def __init__(self, socket):
        self.socket = socket
        self.heard = []

    async def send(self, kind, data=None, **more):
        frame = {'type': kind, **more}
        if data is not None:
            frame['data'] = data
        await self.socket.send(json.dumps(frame))

    async def hear(self, kind, test=lambda data: True):
        """The data of the next message of a type; others are kept and passed over."""
        async def until():
            while True:
                text = await self.socket.recv()
                assert isinstance(text, str), 'a binary frame'
                frame = json.loads(text)
                assert WHOLE_SECONDS.match(frame['timestamp']), frame
                self.heard.append(frame)
                if frame['type'] == kind and test(frame['data']):
                    return frame['data']
        return await asyncio.wait_for(until(), WAIT_S)


class HomeAutomation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        warnings.simplefilter('ignore', DeprecationWarning)
        cls.server = Server('--home-heartbeat-ms', '300')
        cls.server.__enter__()
        cls.ws = f'ws://{cls.server.host}:{cls.server.port}/ws'
        cls.token = cls.server.cli('token', '--sub', 'olga', '--role', 'operator')
        cls.rest = requests.Session()
        cls.rest.headers['Authorization'] = f'Bearer {cls.token}'

    @classmethod
    def tearDownClass(cls):
        cls.rest.close()
        cls.server.__exit__(None, None, None)

    def api(self, method, path, status, **options):
        got = self.rest.request(method, f'{self.server.url}/api/v1{path}', timeout=WAIT_S, **options)
        self.assertEqual(got.status_code, status, got.text)
        return got.json() if got.content else None

    async def ask(self, *args, **options):
        return await asyncio.to_thread(self.api, *args, **options)

    @contextlib.asynccontextmanager
    async def client(self, **options):
        async with websockets.connect(self.ws, **options) as socket:
            home = Home(socket)
            home.welcome = await home.hear('connection')
            yield home

    def test_a_client_is_welcomed_with_an_id_of_its_own(self):
        async def run():
            async with self.client() as a, self.client() as b:
                self.assertEqual(a.welcome['status'], 'connected')
                self.assertRegex(a.welcome['timestamp'], WHOLE_SECONDS)
                self.assertNotEqual(a.welcome['client_id'], b.welcome['client_id'])
        asyncio.run(run())

    def test_ping_is_answered_and_heartbeats_come(self):
        async def run():
            async with self.client() as c:
                await c.send('ping', {})
                self.assertRegex((await c.hear('pong'))['timestamp'], WHOLE_SECONDS)
                self.assertGreaterEqual((await c.hear('heartbeat'))['clients'], 1)
        asyncio.run(run())

    def test_the_documents_client_runs_as_it_is_printed(self):
        async def run():
            code = DOCUMENTED_CLIENT.replace('localhost:3001', f'localhost:{self.server.port}')
            names = {}
            exec(code, names)
            said = io.StringIO()
            names['print'] = lambda text: said.write(text + '\n')
            task = asyncio.create_task(names['client']())
            async def until(word):
                while word not in said.getvalue():
                    self.assertFalse(task.done(), said.getvalue())
                    await asyncio.sleep(0.02)
            await asyncio.wait_for(until("Received: {'type': 'pong'"), WAIT_S)
            room = (await self.ask('POST', '/rooms', 201, json={'name': 'Printed'}))['data']
            await asyncio.wait_for(until("'room_name': 'Printed'"), WAIT_S)
            await self.ask('DELETE', f'/rooms/{room["id"]}', 204)
            await asyncio.wait_for(until("'action': 'deleted'"), WAIT_S)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        asyncio.run(run())

    def test_rooms_are_made_changed_and_deleted_and_everybody_hears_it(self):
        async def run():
            async with self.client() as a, self.client(extra_headers={
                    'Authorization': f'Bearer {self.token}'}) as b:
                made = (await self.ask('POST', '/rooms', 201, json={
                    'name': 'Kitchen', 'floor': 'ground'}))['data']
                self.assertIsInstance(made['id'], int)
                got = await self.ask('GET', f'/rooms/{made["id"]}', 200)
                self.assertEqual(got['data']['name'], 'Kitchen')
                self.assertRegex(got['data']['created_at'], WHOLE_SECONDS)
                await self.ask('PATCH', f'/rooms/{made["id"]}', 200, json={'name': 'Cookhouse'})
                await self.ask('DELETE', f'/rooms/{made["id"]}', 204)
                await self.ask('GET', f'/rooms/{made["id"]}', 404)
                for c in (a, b):
                    for name, action in (('Kitchen', 'created'), ('Cookhouse', 'updated'),
                                         ('Cookhouse', 'deleted')):
                        told = await c.hear('room_updated', lambda d: d['room_id'] == made['id'])
                        self.assertEqual((told['room_name'], told['action']), (name, action))
        asyncio.run(run())

    def test_a_room_is_followed_and_left(self):
        async def run():
            async with self.client() as c:
                one = (await self.ask('POST', '/rooms', 201, json={'name': 'One'}))['data']['id']
                two = (await self.ask('POST', '/rooms', 201, json={'name': 'Two'}))['data']['id']
                for room, entity in ((one, 'light.one'), (two, 'light.two')):
                    await self.ask('POST', '/entities', 201, json={
                        'entity_id': entity, 'room_id': room, 'state': 'off'})
                await c.send('subscribe_room', {'room_id': one}, id=1)
                self.assertEqual((await c.hear('result'))['ok'], True)
                for entity in ('light.two', 'light.one'):
                    await self.ask('POST', f'/entities/{entity}/state', 200, json={
                        'state': 'on', 'attributes': {'brightness': 255}})
                changed = await c.hear('entity_state_changed', lambda d: d['new_state'] == 'on')
                self.assertEqual(changed['entity_id'], 'light.one')
                self.assertEqual(changed['old_state'], 'off')
                self.assertEqual(changed['attributes'], {'brightness': 255})
                await c.send('unsubscribe_room', {'room_id': one}, id=2)
                self.assertEqual((await c.hear('result'))['ok'], True)
                await self.ask('POST', '/entities/light.two/state', 200, json={'state': 'off'})
                changed = await c.hear('entity_state_changed')
                self.assertEqual(changed['entity_id'], 'light.two')
        asyncio.run(run())

    def test_statistics_and_broadcasts(self):
        async def run():
            async with self.client() as a, self.client() as b:
                stats = await self.ask('GET', '/websocket/stats', 200)
                self.assertEqual(set(golden('stats')), set(stats))
                self.assertLessEqual(set(golden('stats')['data']), set(stats['data']))
                self.assertGreaterEqual(stats['data']['connected_clients'], 2)
                body = golden('broadcast_request')
                said = await self.ask('POST', '/websocket/broadcast', 200, json=body)
                self.assertEqual(said['data']['message_type'], body['type'])
                self.assertEqual(said['data']['message'], golden('broadcast')['data']['message'])
                self.assertGreaterEqual(said['data']['clients_count'], 2)
                for c in (a, b):
                    self.assertEqual(await c.hear(body['type']), body['data'])
        asyncio.run(run())

    def test_the_management_needs_a_token(self):
        for method, path in (('GET', '/websocket/stats'), ('POST', '/websocket/broadcast')):
            for headers in ({}, {'Authorization': 'Bearer wrong'}):
                got = requests.request(method, f'{self.server.url}/api/v1{path}', headers=headers,
                                       timeout=WAIT_S)
                self.assertEqual(got.status_code, 401)
                self.assertEqual(got.json()['success'], False)
                self.assertIsInstance(got.json()['error'], str)
                self.assertRegex(got.json()['timestamp'], WHOLE_SECONDS)

    def test_a_malformed_message_is_answered_and_too_large_a_one_closes(self):
        async def run():
            async with self.client() as c:
                await c.socket.send('{"type":')
                self.assertEqual((await c.hear('error'))['code'], 'invalid_json')
                await c.send('ping')
                await c.hear('pong')
                await c.socket.send(json.dumps({'type': 'ping', 'data': {'x': 'x' * 512}}))
                await asyncio.wait_for(c.socket.wait_closed(), WAIT_S)
                self.assertEqual(c.socket.close_code, 1009)
        asyncio.run(run())

    def test_compression_and_fragments_change_nothing(self):
        async def run():
            for compression in (None, 'deflate'):
                async with self.client(compression=compression) as c:
                    await c.socket.send(['{"ty', 'pe":"p', 'ing"}'])
                    await c.hear('pong')
        asyncio.run(run())

    def test_a_broken_invitation_is_refused_before_the_upgrade(self):
        async def status(**options):
            try:
                async with websockets.connect(self.ws, **options):
                    return 101
            except Exception as refused:  # the class was renamed between versions
                return getattr(refused, 'response', refused).status_code
        async def run():
            self.assertEqual(await status(subprotocols=['bearer', 'x']), 401)
            self.assertEqual(await status(origin='https://a.example'), 403)
            self.assertEqual(await status(subprotocols=['bearer', self.token]), 101)
        asyncio.run(run())

    def test_a_stopping_server_says_so(self):
        async def run():
            with Server() as server:
                async with websockets.connect(f'ws://{server.host}:{server.port}/ws') as socket:
                    await Home(socket).hear('connection')
                    server.process.terminate()
                    await asyncio.wait_for(socket.wait_closed(), WAIT_S)
                    self.assertEqual(socket.close_code, 1001)
        asyncio.run(run())


if __name__ == '__main__':
    unittest.main()
