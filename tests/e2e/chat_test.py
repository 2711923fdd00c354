"""Chat (CONTRACT 5) as python-socketio sees it, with threads and with asyncio, over WebSocket and
polling: the envelope both ways, a room's life, refusals, and coming back to what was missed."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from python_socketio_test import Loop, Threads, connected, run  # noqa: E402
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from server import Server  # noqa: E402

FLAGS = ('--loops', '2', '--chat-messages-per-s', '1000', '--chat-messages-burst', '1000')


def envelope(event, data, request_id=None):
    said = {'event': event, 'data': data, 'version': '1.0'}
    return said if request_id is None else {**said, 'requestId': request_id}


async def ask(client, event, data, request_id=None):
    return await client.call(event, envelope(event, data, request_id))


async def hear(client, event, test=lambda said: True):
    """The next such event's envelope for which the test holds."""
    while True:
        got = await client.take()
        if got[1] == event and test(got[2]):
            assert got[2]['event'] == event and got[2]['version'] == '1.0', got
            return got[2]


async def life(kind, way, server, people):
    ann_token, ben_token = people
    async with connected(kind, server.url, way, auth={'token': ann_token}) as ann:
        made = await ask(ann, 'chat:room:create', {'name': 'py', 'type': 'public'}, 'c')
        assert made['ok'] and made['requestId'] == 'c', made
        room = made['room']['id']
        created = await hear(ann, 'chat:room:created', lambda s: s['data']['id'] == room)
        assert created['requestId'] == 'c'
        async with connected(kind, server.url, way, auth={'token': ben_token}) as ben:
            joined = await ask(ben, 'chat:room:join', {'roomId': room})
            assert joined['ok'] and joined['lastSeq'] == 0, joined
            seen = await hear(ben, 'chat:room:joined', lambda s: s['data']['roomId'] == room)
            assert len(seen['data']['members']) == 2
            for n in range(1, 4):
                sent = await ask(ann, 'chat:message:send',
                                 {'roomId': room, 'type': 'chat', 'content': f'n {n}'}, f'm{n}')
                assert sent['seq'] == n, sent
                mine = await hear(ann, 'chat:message:received')
                theirs = await hear(ben, 'chat:message:received')
                assert mine['requestId'] == f'm{n}' and 'requestId' not in theirs
                assert mine['data'] == theirs['data']
            await ben.emit('chat:room:join', envelope('chat:room:join', {'roomId': 'x'}, 'bad'))
            refused = await hear(ben, 'chat:error')
            assert refused['requestId'] == 'bad' and refused['data']['code'] == 'CLIENT_ERROR'
            other = await ben.call('chat:room:join', {**envelope('chat:room:join', {}), 'version': '9.1'})
            assert other['error']['code'] == 'PROTOCOL_ERROR', other
            left = await ask(ben, 'chat:room:leave', {'roomId': room})
            assert left['ok'], left
            await hear(ann, 'chat:room:left', lambda s: s['data']['roomId'] == room)
            await ask(ben, 'chat:room:join', {'roomId': room})
        for n in range(4, 7):
            await ask(ann, 'chat:message:send', {'roomId': room, 'type': 'chat', 'content': f'n {n}'})
        async with connected(kind, server.url, way, auth={'token': ben_token}) as ben:
            told = await hear(ben, 'chat:room:joined', lambda s: s['data']['roomId'] == room)
            assert told['data']['lastSeq'] == 6
            assert (await ask(ben, 'chat:room:join', {'roomId': room, 'since': 3}))['ok']
            missed = [(await hear(ben, 'chat:message:received',
                                  lambda s: s['data']['roomId'] == room))['data']['seq']
                      for _ in range(3)]
            assert missed == [4, 5, 6], missed


class Chat(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(*FLAGS)
        cls.server.__enter__()
        cls.people = [cls.server.cli('token', '--sub', sub, '--role', 'employee')
                      for sub in ('ann', 'ben')]

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)

    def test_a_room_lives(self):
        for kind in (Threads, Loop):
            for way in ('websocket', 'polling'):
                with self.subTest(client=kind.name, way=way):
                    run(life(kind, way, self.server, self.people))


if __name__ == '__main__':
    unittest.main()
