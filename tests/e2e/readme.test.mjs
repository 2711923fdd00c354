// The examples that the documents print, as they are printed: what stands between the fences after
// `<!-- tested: tests/e2e/readme.test.mjs -->` runs against a server; only its address, the name
// of the binary, and the variables that the text leaves open are filled in.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { after, before } from 'node:test';
import { io } from 'socket.io-client';
import WebSocket from 'ws';
import { House } from './lib/home.mjs';
import { device, rowOf, viewer } from './lib/monitor.mjs';
import { BIN, PATIENCE, ROOT, environment, startServer, tempDir, within } from './lib/server.mjs';

const SOON_MS = 10_000 * PATIENCE;
const MARK = '<!-- tested: tests/e2e/readme.test.mjs -->';

let server;
let token;

before(async () => {
  server = await startServer();
  token = await server.cli('token', '--sub', 'reader', '--role', 'operator');
});
after(() => server.stop());

const documents = ['README.md', 'CONTRIBUTING.md',
  ...readdirSync(path.join(ROOT, 'docs'), { recursive: true })
    .filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)];

/** Every marked block: {language, code}. */
function blocks() {
  return documents.flatMap((name) => {
    const text = readFileSync(path.join(ROOT, name), 'utf8');
    const found = [...text.matchAll(/<!-- tested: (\S+) -->\n```(\w+)\n([\s\S]*?)\n```/g)]
      .filter(([, by]) => MARK.includes(by));
    assert.equal(found.length, text.split(MARK).length - 1, `${name}: a mark without a block`);
    return found.map(([, , language, code]) => ({ name, language, code }));
  });
}

/** The one block that holds `word`. */
function block(word) {
  const found = blocks().filter(({ code }) => code.includes(word));
  assert.equal(found.length, 1, `blocks with ${word}`);
  return found[0].code.replaceAll('127.0.0.1:3001', `${server.host}:${server.port}`);
}

/** Runs JavaScript of a document with what its text leaves open; sockets are closed at the end. */
async function script(code, given, act) {
  const opened = [];
  class Kept extends WebSocket {
    constructor(...args) {
      super(...args);
      opened.push(this);
    }
  }
  const names = { WebSocket: Kept, ...given };
  Function(...Object.keys(names), code)(...Object.values(names));
  try {
    await act(opened);
  } finally {
    for (const ws of opened) ws.terminate();
  }
}

const shell = (code) => code.replaceAll('build/release/signalbox', BIN);

test('every_marked_example_is_run_here', () => {
  assert.deepEqual(blocks().map(({ name, language }) => `${name} ${language}`),
    ['README.md js', 'README.md sh', 'README.md js', 'README.md js', 'README.md js',
      'README.md js',
      'docs/CHAT.md js', 'docs/DEVICES.md js', 'docs/DEVICES.md js', 'docs/DEVICES.md js', 'docs/DEVICES.md sh',
      'docs/HOME.md js', 'docs/HOME.md sh', 'docs/OPERATIONS.md js', 'docs/OPERATIONS.md sh'],
    'add the new example to this file');
});

test('readme_a_viewer_sees_its_channels', async () => {
  const { id, key } = await server.addDevice('watched');
  const reporting = await device(server, key);
  const processes = [{ pid: 1, name: 'init', cpu: 1, mem: 1, user: 'root', command: '/sbin/init' }];
  const row = rowOf(7, new Date(Date.now() - 60_000).toISOString());
  assert.equal((await reporting.ask('state', { os: 'x', top_processes: processes })).ok, true);
  assert.equal((await reporting.ask('metrics', row)).ok, true);
  const logged = new Map();
  let heard;
  const all = new Promise((resolve) => (heard = resolve));
  const log = (type, data) => {
    logged.set(type, data);
    if (['metrics', 'processes', 'history'].every((t) => logged.has(t))) heard();
  };
  await script(block("channels: ['metrics', 'processes', 'history']"), { id, console: { log } },
    () => within(SOON_MS, 'the three channels', all));
  assert.equal(logged.get('connected').deviceUuid, id);
  assert.equal(logged.get('metrics').memory.used, 7);
  assert.equal(logged.get('processes').top_processes[0].name, 'init');
  assert.equal(logged.get('processes').top_processes[0].command, undefined, 'hidden from anonymous');
  assert.equal(logged.get('history').cpu.length, 1);
  await reporting.end();
});

test('readme_a_script_lists_the_devices', async () => {
  await server.addDevice('listed');
  const got = spawnSync('sh', ['-eu', '-c', shell(block('--sub script'))], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: SOON_MS,
    env: environment({ SIGNALBOX_DATA_DIR: server.dataDir }),
  });
  assert.equal(got.status, 0, got.stderr);
  const answer = JSON.parse(got.stdout);
  assert.equal(answer.success, true);
  assert.ok(answer.data.some((d) => d.name === 'listed'), got.stdout);
});

test('readme_a_device_without_our_agent_reports', async () => {
  const { id, key } = await server.addDevice('plain');
  const watching = await viewer(server, id, ['metrics']);
  await script(block('cpu: 12.5'), { key }, async () => {
    const { data } = await watching.first('metrics');
    assert.equal(data.cpu, 12.5);
    assert.deepEqual(data.memory, { used: 2e9, total: 8e9 });
    assert.deepEqual(data.network, { download: 1200, upload: 300 });
  });
  await watching.end();
});

let modules = 0;
/** Runs a block as a program of its own, for it is a module with its imports; heard(text) waits for
 * what it says. */
async function program(code, env, act) {
  const file = path.join(ROOT, 'tests', `.readme-${process.pid}-${++modules}.mjs`); // beside its node_modules
  writeFileSync(file, code);
  const child = spawn(process.execPath, [file], { env: environment(env) });
  let said = '';
  const heard = (text) => within(SOON_MS, text, new Promise((resolve) => {
    const look = () => said.includes(text) && resolve();
    child.stdout.on('data', look);
    look();
  }));
  child.stdout.on('data', (d) => (said += d));
  child.stderr.on('data', (d) => (said += d));
  try {
    await act(heard);
  } catch (error) {
    error.message += `; it said: ${said}`;
    throw error;
  } finally {
    child.kill('SIGKILL');
    rmSync(file);
  }
}

test('readme_a_socketio_client_follows_the_devices', async () => {
  await program(block("console.log('following'"), { TOKEN: token }, async (heard) => {
    await heard('following true');
    const made = await server.post('/api/v1/devices', { name: 'announced' }, { token });
    assert.equal(made.status, 201, made.text);
    await heard('new announced');
  });
});

/** Waits until the device has said what it can do. */
async function registered(id) {
  const capable = async () => (
    (await server.get(`/api/v1/devices/${id}`, { token })).json.data.capabilities.includes('command-ack')
  );
  await within(SOON_MS, 'the device registers', (async () => {
    while (!(await capable())) await new Promise((resolve) => setTimeout(resolve, 20));
  })());
}

test('devices_one_that_obeys_is_told_by_a_client_and_by_curl', async () => {
  const { id, key } = await server.addDevice('blinker');
  await program(block('acknowledge?.()'), { KEY: key }, async (heard) => {
    await registered(id);
    await program(block('answer.error.details.reason'), { TOKEN: token, DEVICE: id }, async (told) => {
      await told('recorded');
      await told('done { blinked: 3 }');
    });
    await heard('blink { times: 3 }');
    const got = spawnSync('sh', ['-eu', '-c', shell(block('commands?wait=5'))], {
      cwd: ROOT, encoding: 'utf8', timeout: SOON_MS, env: environment({ TOKEN: token, DEVICE: id }),
    });
    assert.equal(got.status, 0, got.stderr);
    const { success, data } = JSON.parse(got.stdout);
    assert.equal(success, true, got.stdout);
    assert.equal(data.phase, 'done');
    assert.deepEqual(data.response, { blinked: 3 });
  });
});

test('devices_one_without_a_library_obeys_too', async () => {
  const { id, key } = await server.addDevice('plain and obedient');
  await script(block("type: 'ack', data: { id }"), { key }, async () => {
    await registered(id);
    const done = await server.post(`/api/v1/devices/${id}/commands?wait=30`, { command: 'x' }, { token });
    assert.equal(done.json.data.phase, 'done', done.text);
  });
});

/** A console that keeps what is logged; heard(text) waits for it. */
function keeper() {
  const lines = [];
  const watchers = new Set();
  return {
    lines,
    console: {
      log: (...words) => {
        lines.push(words.map((w) => (typeof w === 'string' ? w : JSON.stringify(w))).join(' '));
        for (const watcher of watchers) watcher();
      },
    },
    heard: (text) => within(SOON_MS, text, new Promise((resolve) => {
      const look = () => lines.includes(text) && resolve();
      watchers.add(look);
      look();
    })),
  };
}

test('readme_people_chat', async () => {
  const chatter = await server.cli('token', '--sub', 'chatter', '--role', 'employee');
  await program(block('chat:message:send'), { TOKEN: chatter }, (heard) => heard('1 Hello'));
});

test('chat_a_client_catches_up_with_what_it_missed', async () => {
  const chatter = await server.cli('token', '--sub', 'writer', '--role', 'employee');
  const socket = io(server.url, { auth: { token: chatter }, transports: ['websocket'] });
  const ask = (event, data) => within(SOON_MS, event, socket.emitWithAck(event, { event, data, version: '1.0' }));
  try {
    const { room } = await ask('chat:room:create', { name: 'Missed', type: 'group', members: [] });
    const say = (content) => ask('chat:message:send', { roomId: room.id, type: 'chat', content });
    for (const text of ['one', 'two', 'three']) assert.equal((await say(text)).ok, true);
    await program(block('function catchUp'), { TOKEN: chatter }, async (heard) => {
      await heard('message 1 one');
      await heard('message 3 three');
      await say('four');
      await heard('message 4 four');
    });
  } finally {
    socket.close();
  }
});

test('readme_a_home_is_followed', async () => {
  const said = keeper();
  await script(block('data.room_name'), { console: said.console }, async ([ws]) => {
    await within(SOON_MS, 'pong', new Promise((resolve) => {
      ws.on('message', (data) => JSON.parse(data.toString()).type === 'pong' && resolve());
    }));
    await new House(server, token).room('Porch');
    await said.heard('created Porch');
  });
});

test('home_a_client_has_a_snapshot_and_a_script_makes_the_house', async () => {
  const house = new House(server, token);
  const { id: room } = await house.room('Followed');
  await house.entity('door.front', { room_id: room, state: 'shut' });
  const said = keeper();
  await script(block('snapshot: true'), { console: said.console, room }, async ([ws]) => {
    await within(SOON_MS, 'snapshot', new Promise((resolve) => {
      ws.on('message', (data) => JSON.parse(data.toString()).type === 'room_snapshot' && resolve());
    }));
    const got = spawnSync('bash', ['-eu', '-c', `${shell(block('light.sofa/state'))}`], {
      cwd: ROOT, encoding: 'utf8', timeout: SOON_MS, env: environment({ TOKEN: token, ROOM: String(room) }),
    });
    assert.equal(got.status, 0, got.stderr);
    const answers = got.stdout.split('{"success":').slice(1).map((text) => JSON.parse(`{"success":${text}`));
    assert.deepEqual(answers.map((a) => a.success), Array(6).fill(true), got.stdout);
    assert.equal(answers[0].data.name, 'Living room');
    assert.deepEqual(answers[4].data.map((past) => past.state), ['off', 'on', 'off']);
    assert.equal(answers[5].data.message_type, 'doorbell');
    await said.heard('light.sofa on off {"brightness":255}');
    assert.ok(said.lines.includes('light.sofa null off {}'));
    assert.ok(said.lines.includes('light.sofa off on {"brightness":255}'));
  });
});

test('operations_a_client_that_was_cut_off_misses_nothing', async () => {
  const { id } = await server.addDevice('followed');
  const names = [];
  let heard;
  const last = new Promise((resolve) => (heard = resolve));
  const log = (type, data) => {
    if (type !== 'device:updated') return; // a position may be older than the device by a moment
    names.push(data.name);
    if (data.name === 'three') heard();
  };
  const rename = async (name) => {
    const got = await server.request('PATCH', `/api/v1/devices/${id}`, { token, body: { name } });
    assert.equal(got.status, 200, got.text);
  };
  let stopped = false;
  const setTimeout_ = (f) => stopped || setTimeout(f, 10);
  await script(block('function follow'), { id, token, console: { log }, setTimeout: setTimeout_ },
    async (opened) => {
      const connected = new Promise((resolve) => opened[0].addEventListener('message', resolve));
      await within(SOON_MS, 'connected', connected);
      await rename('one');
      for (const end = Date.now() + SOON_MS; !names.includes('one');) {
        assert.ok(Date.now() < end, 'the first was not heard');
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      opened[0].terminate();
      await rename('two');
      await rename('three');
      await within(SOON_MS, 'the others', last);
      stopped = true;
    });
  assert.deepEqual(names, ['one', 'two', 'three']);
});

test('operations_a_script_listens_to_every_device', async () => {
  const { id } = await server.addDevice('listened');
  const peer = await viewer(server, id, ['events'], { token });
  const { pos } = (await peer.first('connected')).data;
  const got = await server.request('PATCH', `/api/v1/devices/${id}`, { token, body: { name: 'new' } });
  assert.equal(got.status, 200, got.text);
  const listening = spawn('sh', ['-eu', '-c', shell(block('Last-Event-ID'))], {
    cwd: ROOT,
    detached: true, // a group of its own: its end must reach curl
    env: environment({ SIGNALBOX_DATA_DIR: server.dataDir, POS: pos }),
  });
  let text = '';
  const seen = new Promise((resolve) => {
    listening.stdout.on('data', (d) => (text += d).includes('"eventId"') && resolve());
  });
  try {
    await within(SOON_MS, 'an event', seen);
  } finally {
    process.kill(-listening.pid, 'SIGTERM');
  }
  assert.match(text, /\nevent: device:updated\ndata: \{.*"name":"new".*\}\n/);
  await peer.end();
});

test('readme_an_agent_is_enrolled_and_started', async () => {
  const text = readFileSync(path.join(ROOT, 'README.md'), 'utf8');
  const add = text.match(/^ {4}(\S*signalbox device add .*)$/m)[1];
  const start = text.match(/^ {4}(SIGNALBOX_AGENT_KEY=.* agent .*)$/m)[1];
  const added = spawnSync('sh', ['-eu', '-c', shell(add)], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: SOON_MS,
    env: environment({ SIGNALBOX_DATA_DIR: server.dataDir }),
  });
  assert.equal(added.status, 0, added.stderr);
  const id = added.stdout.match(/[0-9a-f-]{36}/)[0];
  const key = added.stdout.match(/sbk_[\w-]+/)[0];
  const command = start.replace('sbk_...', key).replace(/ \S*signalbox /, ` ${BIN} `)
    .replace('127.0.0.1:3001', `${server.host}:${server.port}`);
  const agent = spawn('sh', ['-c', command], {
    cwd: ROOT,
    stdio: 'ignore',
    detached: true, // a group of its own: the shell's end must reach the agent
    env: environment({ SIGNALBOX_DATA_DIR: tempDir('agent') }),
  });
  try {
    const watching = await viewer(server, id, ['system-info', 'metrics'], { token });
    await watching.first('system-info');
    await watching.first('metrics');
    await watching.end();
  } finally {
    process.kill(-agent.pid, 'SIGTERM');
  }
});
