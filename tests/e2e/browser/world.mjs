// What a browser test works with: the program, its first admin, a browser, and devices that say
// what the test wants.
import { after, before } from 'node:test';
import WebSocket from 'ws';
import { PATIENCE, startServer, within } from '../lib/server.mjs';
import { launch, openPage } from './browser.mjs';

export const SOON_MS = 5000 * PATIENCE;

/** Starts all for the tests of one file, the program with these flags: {server, browser, admin, user(), open(), device()}. */
export function world({ flags = [] } = {}) {
  const w = { agents: [] };
  before(async () => {
    w.server = await startServer({ flags });
    w.admin = JSON.parse(await w.server.awaitLine(/"first_admin"/));
    w.browser = await launch();
  });
  after(async () => {
    for (const agent of w.agents) agent.ws.terminate();
    await w.browser?.close();
    await w.server?.stop();
  });

  // Signing in is limited, so a file does it once for each of its people.
  const sessions = new Map();
  async function signedIn({ username, password }) {
    const said = await w.server.post('/api/v1/auth/login', { username, password, session: true });
    const [name, value] = said.headers.get('set-cookie').split(';')[0].split('=');
    return {
      cookies: [{
        name, value, domain: w.server.host, path: '/', expires: -1,
        httpOnly: true, secure: false, sameSite: 'Strict',
      }],
      origins: [{
        origin: w.server.url, localStorage: [{ name: 'signalbox.session', value: '1' }],
      }],
    };
  }
  w.session = (who = w.admin) => {
    if (!sessions.has(who)) sessions.set(who, signedIn(who));
    return sessions.get(who);
  };

  /** Somebody new with these roles: {id, username, password}. */
  w.user = async (username, ...roles) => {
    const said = await w.server.cli('user', 'add', '--name', username, ...roles.flatMap((r) => ['--role', r]));
    const [, id, password] = said.match(/^id (\S+)\s+password (\S+)$/);
    return { id, username, password };
  };

  /** A page at `target`, signed in as `who` (the admin) unless told otherwise; closed when the test
   * `t` ends. */
  w.open = async (t, target = '/console/', { guest = false, who, ...options } = {}) => {
    const page = await openPage(w.browser, w.server.url, {
      ...(guest ? {} : { storageState: await w.session(who) }), ...options,
    });
    page.setDefaultTimeout(SOON_MS * 2);
    t.after(() => page.context().close());
    await page.goto(target);
    return page;
  };

  /** A new device: {id, key, name, path, connect()}. */
  w.device = async (name) => {
    const { id, key } = await w.server.addDevice(name);
    return {
      id, key, name, path: `/console/devices/${id}`,
      connect: async () => {
        const agent = new Agent(w.server, key);
        w.agents.push(agent);
        await agent.opened;
        return agent;
      },
    };
  };
  return w;
}

/** A device on the Monitor wire. */
export class Agent {
  constructor(server, key) {
    this.ids = 0;
    this.waiting = new Map();
    this.ws = new WebSocket(`${server.url.replace('http', 'ws')}/api/v1/devices/self/ws`, {
      headers: { authorization: `Bearer ${key}` },
    });
    this.ws.on('error', () => {});
    this.ws.on('message', (text) => {
      const { type, data } = JSON.parse(text);
      if (type === 'ack') this.waiting.get(data.id)?.(data);
    });
    this.opened = within(SOON_MS, 'device socket', new Promise((resolve, reject) => {
      this.ws.on('open', resolve);
      this.ws.on('error', reject);
    }));
    this.closed = new Promise((resolve) => this.ws.on('close', resolve));
  }

  /** Resolves when the server has it: with `row`, on disk. */
  async send(type, data) {
    const id = `f${++this.ids}`;
    const acked = new Promise((resolve) => this.waiting.set(id, resolve));
    this.ws.send(JSON.stringify({ type, id, data }));
    const ack = await within(SOON_MS, `ack of ${type}`, acked);
    if (!ack.ok) throw new Error(`${type} was refused: ${JSON.stringify(ack.error)}`);
  }

  sample(more) {
    return this.send('metrics', metrics(Date.now(), more));
  }

  row(at, more) {
    return this.send('metrics', {
      ...metrics(at), row: true, recordedAt: new Date(at).toISOString(),
      top_processes: PROCESSES, ...more,
    });
  }

  state(more) {
    return this.send('state', { ...STATE, ...more });
  }

  async leave() {
    this.ws.close();
    await within(SOON_MS, 'device socket to close', this.closed);
  }
}

export const PROCESSES = [
  { pid: 812, name: 'postgres', cpu: 31.4, mem: 6.2, user: 'postgres', command: 'postgres: writer' },
  { pid: 4311, name: 'node', cpu: 12.5, mem: 2.1, user: 'app', command: 'node server.js' },
  { pid: 1, name: 'systemd', cpu: 0.1, mem: 0.1, user: 'root', command: '/sbin/init' },
];

const STATE = {
  os: 'Debian GNU/Linux 12 (bookworm)', architecture: 'x86_64', uptime: 90061, hostname: 'shed',
  ipAddress: '192.0.2.7', macAddress: '02:00:5e:10:00:01', cpuCores: 4, agentVersion: '0.1.0',
  interfaces: [
    { name: 'wlan0', mac: '02:00:5e:10:00:02', addresses: [], up: false, rxBytes: 0, txBytes: 0 },
    {
      name: 'eth0', mac: '02:00:5e:10:00:01', addresses: ['192.0.2.7/24', '2001:db8::7/64'],
      up: true, speedMbps: 1000, rxBytes: 7_340_032, txBytes: 1_048_576,
    },
  ],
  top_processes: PROCESSES,
};

const metrics = (at, more = {}) => ({
  cpu: 42.5,
  memory: { used: 3 * 2 ** 30, total: 8 * 2 ** 30 },
  network: { download: 125_000, upload: 8_200 },
  load: 0.75,
  disk: { used: 40 * 2 ** 30, total: 100 * 2 ** 30 },
  timestamp: new Date(at).toISOString(),
  ...more,
});
