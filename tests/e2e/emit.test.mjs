// The server API towards sockets: who gets an emit, in which order, what is missed and replayed,
// rooms and their members over all loops, and that a key does things once. The official client.
import assert from 'node:assert/strict';
import test from 'node:test';
import { io } from 'socket.io-client';
import { viewer } from './lib/monitor.mjs';
import { PATIENCE, startServer, tempDir, within } from './lib/server.mjs';

const LOOPS = 4;
const WAIT_MS_MAX = 10_000 * PATIENCE;
const EMIT = '/api/v1/emit';
const ROOMS = '/api/v1/sockets/rooms';
const APP = '/app';

/** A socket, and everything that it heard, in order: [{event, args}]. */
class Talker {
  constructor(url, options) {
    this.socket = io(url, { forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 250, ...options });
    this.heard = [];
    this.watchers = new Set();
    for (const name of ['connect', 'connect_error', 'disconnect']) {
      this.socket.on(name, (...args) => this.hear(name, args));
    }
    this.socket.onAny((event, ...args) => this.hear(event, args));
  }

  hear(event, args) {
    this.heard.push({ event, args });
    for (const watcher of [...this.watchers]) watcher(event);
  }

  of(event) {
    return this.heard.filter((h) => h.event === event).map((h) => h.args);
  }

  /** Waits until it has heard `event` so many times. */
  async first(event, times = 1) {
    while (this.of(event).length < times) {
      await within(WAIT_MS_MAX, event, new Promise((resolve) => {
        const watcher = () => {
          this.watchers.delete(watcher);
          resolve();
        };
        this.watchers.add(watcher);
      }));
    }
    return this.of(event)[times - 1];
  }

  /** Waits for one more. */
  next(event) {
    return this.first(event, this.of(event).length + 1);
  }

  get id() {
    return this.socket.id;
  }

  /** Drops the connection as a broken network would. */
  cut() {
    this.socket.io.engine.close();
  }

  close() {
    this.socket.close();
  }
}

class World {
  constructor({ nsp = APP, flags = [] } = {}) {
    Object.assign(this, { nsp, flags, dataDir: tempDir(), talkers: [] });
  }

  async begin(port = 0) {
    this.server = await startServer({
      dataDir: this.dataDir,
      flags: ['--loops', `${LOOPS}`, '--app-namespaces', APP, '--listen', `127.0.0.1:${port}`, ...this.flags],
    });
    this.admin ??= await this.token('root', 'admin');
    return this;
  }

  token(name, role) {
    return this.server.cli('token', '--sub', name, '--kind', 'user', '--role', role, '--ttl', '1h');
  }

  /** A socket of a token's principal. */
  async talker(token, options = {}) {
    const talker = new Talker(this.server.url + this.nsp, {
      auth: { token }, transports: ['websocket'], ...options,
    });
    this.talkers.push(talker);
    await talker.first('connect');
    return talker;
  }

  async post(target, body, { status = 200, headers } = {}) {
    const got = await this.server.request('POST', target, { body, token: this.admin, headers });
    assert.equal(got.status, status, got.text);
    return got.json.data ?? got.json;
  }

  emit(body, options) {
    const whole = (e) => (e.viewers ? e : { namespace: this.nsp, ...e });
    return this.post(EMIT, Array.isArray(body) ? body.map(whole) : whole(body), options);
  }

  join(talker, ...rooms) {
    return this.post('/api/v1/sockets/join', { sid: talker.id, rooms, namespace: this.nsp });
  }

  leave(whom) {
    return this.post('/api/v1/sockets/leave', { ...whom, namespace: this.nsp });
  }

  async members(room) {
    return (await this.get(`/api/v1/sockets/members?room=${room}&namespace=${this.nsp}`)).data;
  }

  async get(target) {
    const got = await this.server.get(target, { token: this.admin });
    assert.equal(got.status, 200, got.text);
    return got.json;
  }

  /** Every page of a list, `limit` rows each. */
  async pages(target, limit) {
    const rows = [];
    for (let cursor = ''; cursor !== undefined; ) {
      const page = await this.get(`${target}?namespace=${this.nsp}&limit=${limit}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
      assert.ok(page.data.length <= limit);
      rows.push(...page.data);
      cursor = page.next_cursor;
    }
    return rows;
  }

  /** Emits `mark` to everybody: what was emitted before has arrived where that has. */
  async settle(talkers, mark = `mark-${Math.random()}`) {
    await this.emit({ event: mark, clients: true, devices: true });
    await Promise.all(talkers.map((t) => t.first(mark)));
  }

  async end() {
    for (const talker of this.talkers.splice(0)) talker.close();
    await this.server.stop();
  }
}

/** The events of an application that a talker has heard: without marks and the client's own. */
const heard = (talker) =>
  talker.heard.map((h) => h.event).filter((name) => /^e\d+$/.test(name));

for (const nsp of ['/', APP]) {
  test(`an emit reaches exactly those whom it names, wherever they are (${nsp})`, async () => {
    const world = await new World({ nsp }).begin();
    const { server } = world;
    try {
      const [anna, bob] = [await world.token('anna', 'operator'), await world.token('bob', 'viewer')];
      const device = await server.addDevice('lamp');
      const a = [];
      const b = [];
      for (let i = 0; i < 5; i++) a.push(await world.talker(anna));
      for (let i = 0; i < 3; i++) b.push(await world.talker(bob, { transports: ['polling'] }));
      const d = await world.talker(device.key);
      const all = [...a, ...b, d];
      for (const t of [a[0], a[1], b[0]]) await world.join(t, 'red');
      for (const t of [a[1], b[1], d]) await world.join(t, 'blue', 'a/b+c');
      const members = await world.members('red');
      const annaId = members.find((m) => m.sid === a[0].id).principal;
      const bobId = members.find((m) => m.sid === b[0].id).principal;
      const rows = [
        [{ room: 'red' }, [a[0], a[1], b[0]]],
        [{ topic: 'red' }, [a[0], a[1], b[0]]],
        [{ room: 'a/b+c' }, [a[1], b[1], d]],
        [{ rooms: ['red', 'blue'] }, [a[0], a[1], b[0], b[1], d]],
        [{ room: 'red', except: ['blue'] }, [a[0], b[0]]],
        [{ room: 'red', except: [a[0].id] }, [a[1], b[0]]],
        [{ room: b[2].id }, [b[2]]],
        [{ rooms: [b[2].id, 'blue'], except: [d.id] }, [b[2], a[1], b[1]]],
        [{ principal: annaId }, a],
        [{ principals: [annaId, bobId], except: ['red', 'blue'] }, [a[2], a[3], a[4], b[2]]],
        [{ principal: bobId, room: 'red' }, [...b, a[0], a[1]]],
        [{ device: device.id }, [d]],
        [{ devices: true }, [d]],
        [{ clients: true }, [...a, ...b]],
        [{ clients: true, devices: true }, all],
        [{ clients: true, except: ['red'] }, [a[2], a[3], a[4], b[1], b[2]]],
        [{ room: 'blue', clients: true }, [a[1], b[1]]],
        [{ room: 'nobody is here' }, []],
        [{ rooms: ['red', 'blue'], namespace: '/elsewhere' }, []],
      ];
      for (const [i, [whom, _]] of rows.entries()) {
        const got = await world.emit({ event: `e${i}`, args: [i, { whom }, null], volatile: i % 2 === 1, ...whom });
        assert.equal(got.accepted, 1);
        assert.equal(typeof got.pos, i % 2 === 1 ? 'undefined' : 'string');
      }
      await world.settle(all);
      for (const t of all) {
        const want = rows.flatMap(([_, who], i) => (who.includes(t) ? [i] : []));
        const got = heard(t).map((name) => Number(name.slice(1))).toSorted((x, y) => x - y);
        // Between two polls nobody listens, and volatile events are for those who do.
        const sure = (list) => (b.includes(t) ? list.filter((i) => i % 2 === 0) : list);
        assert.deepEqual(sure(got), sure(want), t.id);
        for (const i of got) assert.ok(want.includes(i), `${t.id} ${i}`);
      }
      const [args] = d.of('e2');
      assert.deepEqual(args.slice(0, 3), [2, { whom: { room: 'a/b+c' } }, null]);
    } finally {
      await world.end();
    }
  });
}

test('what is emitted in a namespace has one order, whatever it is addressed to', async () => {
  const world = await new World().begin();
  try {
    const anna = await world.token('anna', 'operator');
    const talkers = [];
    for (let i = 0; i < 8; i++) talkers.push(await world.talker(anna));
    for (const t of talkers) await world.join(t, 'red', 'blue');
    const members = await world.members('red');
    const principal = members[0].principal;
    const whom = [
      { room: 'red' }, { rooms: ['red', 'nowhere'] }, { clients: true }, { principal },
      { room: 'blue', except: ['nowhere'] }, { clients: true, devices: true },
      { rooms: talkers.map((t) => t.id) },
    ];
    const want = [];
    for (let batch = 0; batch < 6; batch++) {
      const events = [];
      for (let i = 0; i < 50; i++) {
        const event = `e${batch * 50 + i}`;
        want.push(event);
        events.push({ event, ...whom[(batch + i) % whom.length] });
      }
      await world.emit(events);
    }
    await world.settle(talkers);
    for (const t of talkers) assert.deepEqual(heard(t), want);
  } finally {
    await world.end();
  }
});

for (const nsp of ['/', APP]) {
  test(`who was away gets what was logged meanwhile, once and in order, also after a restart (${nsp})`, async () => {
    const world = await new World({ nsp }).begin();
    try {
      const anna = await world.token('anna', 'operator');
      const t = await world.talker(anna);
      const other = await world.talker(anna);
      await world.emit({ event: 'e99', room: 'red' }); // before it is in its room
      await world.join(t, 'red');
      await world.emit([{ event: 'e0', room: 'red' }, { event: 'e1', room: t.id }]);
      await world.settle([t]);
      const sid = t.id;
      const [{ principal }] = await world.members('red');
      const { port } = world.server;
      t.socket.io.reconnection(false);
      t.cut();
      await t.first('disconnect');
      await world.emit([
        { event: 'e2', room: 'red' }, { event: 'e3', clients: true }, { event: 'e4', room: 'blue' },
        { event: 'e5', room: other.id }, { event: 'e6', room: sid }, { event: 'e7', room: 'red', volatile: true },
        { event: 'e8', rooms: ['red', 'blue'] }, { event: 'e9', room: 'red', except: [sid] },
        { event: 'e13', principal },
      ]);
      t.socket.connect();
      await t.next('connect');
      assert.equal(t.socket.recovered, true);
      assert.equal(t.id, sid);
      await world.settle([t]);
      const missed = ['e0', 'e1', 'e2', 'e3', 'e6', 'e8', 'e13'];
      assert.deepEqual(heard(t), missed);
      t.cut();
      await world.emit({ event: 'e10', room: 'red' });
      await world.server.stop();
      await world.begin(port);
      await world.emit({ event: 'e11', rooms: ['red', 'nowhere'] });
      t.socket.connect();
      await t.next('connect');
      assert.equal(t.socket.recovered, true);
      await world.settle([t]);
      assert.deepEqual(heard(t), [...missed, 'e10', 'e11']);
      await world.emit({ event: 'e12', room: 'red' }); /* it is in its room again */
      await t.first('e12');
      const members = await world.members('red');
      assert.deepEqual(members.map((m) => m.sid), [sid]);
    } finally {
      await world.end();
    }
  });
}

test('a key does things once, also over a restart', async () => {
  const world = await new World().begin();
  try {
    const t = await world.talker(await world.token('anna', 'operator'));
    const body = [{ event: 'e0', clients: true }, { event: 'e1', clients: true, volatile: true }];
    const headers = { 'idempotency-key': 'order-7' };
    const first = await world.emit(body, { headers });
    assert.equal(first.accepted, 2);
    assert.deepEqual(await world.emit(body, { headers }), first);
    const at = { headers, status: 422 };
    assert.equal((await world.emit({ event: 'e2', clients: true }, at)).code, 'IDEMPOTENCY_KEY_REUSED');
    const many = await Promise.all(Array.from({ length: 10 }, () =>
      world.server.request('POST', EMIT, { body: { event: 'e3', clients: true, namespace: APP }, token: world.admin, headers: { 'idempotency-key': 'race' } })));
    for (const { status } of many) assert.ok([200, 409].includes(status), `${status}`);
    assert.ok(many.some(({ status }) => status === 200));
    await world.settle([t]);
    assert.deepEqual(heard(t), ['e0', 'e1', 'e3']);
    const { port } = world.server;
    const back = t.next('connect');
    await world.server.stop();
    await world.begin(port);
    assert.deepEqual(await world.emit(body, { headers }), first);
    await back;
    await world.settle([t]);
    assert.deepEqual(heard(t), ['e0', 'e1', 'e3']);
  } finally {
    await world.end();
  }
});

test('rooms and members are listed page by page over all loops', async () => {
  const world = await new World().begin();
  try {
    const anna = await world.token('anna', 'operator');
    const talkers = [];
    for (let i = 0; i < 9; i++) talkers.push(await world.talker(anna));
    for (const [i, t] of talkers.entries()) await world.join(t, 'all', `room ${i}`, `x/${i % 2}`);
    const rooms = await world.pages(ROOMS, 4);
    assert.deepEqual(
      Object.fromEntries(rooms.map((r) => [r.room, r.sockets])),
      { all: 9, 'x/0': 5, 'x/1': 4, ...Object.fromEntries(talkers.map((_, i) => [`room ${i}`, 1])) },
    );
    assert.equal(rooms.length, 12);
    const members = await world.pages(`${ROOMS}/all/members`, 2);
    assert.deepEqual(members.map((m) => m.sid), talkers.map((t) => t.id).toSorted());
    for (const m of members) assert.equal(m.kind, 'user');
    assert.equal((await world.members('x/1')).length, 4);
    const own = await world.pages(`${ROOMS}/${talkers[3].id}/members`, 50);
    assert.deepEqual(own.map((m) => m.sid), [talkers[3].id]);
    const { principal } = members[0];
    const left = await world.leave({ principal, rooms: ['all', 'x/0'] });
    assert.equal(left.sockets, 9);
    const after = await world.pages(ROOMS, 200);
    assert.equal(after.length, 10);
  } finally {
    await world.end();
  }
});

test('a socket is in a bounded number of rooms', async () => {
  const world = await new World({ flags: ['--sio-rooms-max', '3'] }).begin();
  try {
    const t = await world.talker(await world.token('anna', 'operator'));
    const joined = await world.join(t, 'a', 'b', 'c', 'd');
    assert.deepEqual(joined, { sockets: 1, refused: 1 });
    await world.leave({ sid: t.id, rooms: ['b'] });
    assert.deepEqual(await world.join(t, 'd', t.id, 'a'), { sockets: 1, refused: 0 });
    const rooms = await world.pages(ROOMS, 50);
    assert.deepEqual(rooms.map((r) => r.room), ['a', 'c', 'd']);
  } finally {
    await world.end();
  }
});

test('one socket or all of a principal are disconnected, or their connections are closed', async () => {
  const world = await new World().begin();
  try {
    const anna = await world.token('anna', 'operator');
    const talkers = [];
    for (let i = 0; i < 5; i++) talkers.push(await world.talker(anna));
    const bystander = await world.talker(await world.token('bob', 'operator'));
    const one = await world.post('/api/v1/sockets/disconnect', { sid: talkers[0].id });
    assert.equal(one.sockets, 1);
    assert.deepEqual((await talkers[0].first('disconnect'))[0], 'io server disconnect');
    await world.join(talkers[1], 'red');
    const [{ principal }] = await world.members('red');
    const none = await world.post('/api/v1/sockets/disconnect', { principal, namespace: '/elsewhere' });
    assert.equal(none.sockets, 0);
    const all = await world.post('/api/v1/sockets/disconnect', { principal, close: true });
    assert.equal(all.sockets, 4);
    for (const t of talkers.slice(1)) await t.first('disconnect');
    while ((await world.pages(ROOMS, 50)).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(bystander.socket.connected, true);
    const audit = await world.get('/api/v1/audit?action=socket.disconnect');
    assert.equal(audit.data.length, 3);
  } finally {
    await world.end();
  }
});

test('viewers of a device get a frame, and nobody else does', async () => {
  const world = await new World().begin();
  try {
    const [lamp, door] = [await world.server.addDevice('lamp'), await world.server.addDevice('door')];
    const viewers = [await viewer(world.server, lamp.id), await viewer(world.server, lamp.id)];
    const other = await viewer(world.server, door.id);
    await world.emit({ event: 'note', viewers: lamp.id, data: { text: 'hello' } });
    for (const v of viewers) {
      const frame = await v.first('note');
      assert.deepEqual(frame.data, { text: 'hello' });
    }
    await world.emit({ event: 'later', viewers: door.id });
    assert.deepEqual((await other.first('later')).data, {});
    assert.equal(other.of('note').length, 0);
    for (const v of [...viewers, other]) await v.end();
  } finally {
    await world.end();
  }
});

test('bytes that a client sends to its rooms arrive whole on every transport', async () => {
  const world = await new World({ flags: ['--app-events', 'rooms'] }).begin();
  try {
    const anna = await world.token('anna', 'operator');
    const from = await world.talker(anna);
    const others = [await world.talker(anna), await world.talker(anna, { transports: ['polling'] })];
    for (const t of [from, ...others]) await world.join(t, 'red', 'blue');
    const [some, none] = [Buffer.from([0, 1, 254, 255]), Buffer.alloc(0)];
    from.socket.emit('e0', { deep: [some] }, 'text', none);
    for (const t of others) {
      const [first, text, last] = await t.first('e0');
      assert.deepEqual(Buffer.from(first.deep[0]), some);
      assert.equal(text, 'text');
      assert.deepEqual(Buffer.from(last), none);
    }
    await world.settle([from]);
    assert.deepEqual(heard(from), []);
    assert.equal(others[0].of('e0').length, 1); // though they share two rooms
  } finally {
    await world.end();
  }
});

test('who may broadcast emits and orders sockets about; who may read looks on', async () => {
  const world = await new World().begin();
  try {
    const operator = await world.token('anna', 'operator');
    const viewer = await world.token('bob', 'viewer');
    const device = await world.server.addDevice('lamp');
    const body = { event: 'e0', clients: true };
    const order = { sid: 'x'.repeat(20), rooms: ['a'] };
    for (const [token, writes, reads] of [[operator, 200, 200], [viewer, 403, 200], [device.key, 403, 403], [undefined, 401, 401]]) {
      assert.equal((await world.server.post(EMIT, body, { token })).status, writes);
      for (const what of ['join', 'leave', 'disconnect']) {
        assert.equal((await world.server.post(`/api/v1/sockets/${what}`, order, { token })).status, writes, what);
      }
      for (const what of ['rooms', 'rooms/a/members', 'members?room=a']) {
        assert.equal((await world.server.get(`/api/v1/sockets/${what}`, { token })).status, reads, what);
      }
    }
    const large = await world.server.post(EMIT, { ...body, data: 'a'.repeat(65_600) }, { token: operator });
    assert.equal(large.status, 400);
    assert.match(large.json.error, /data is too large/);
  } finally {
    await world.end();
  }
});
