// Clients of /ws, which are npm `ws`, and what surrounds a house in tests.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Peer, connect } from './monitor.mjs';
import { PATIENCE, ROOT } from './server.mjs';

export const SOON_MS = 10_000 * PATIENCE;

export class Client extends Peer {
  static ANSWER = 'result';

  /** The states of an entity that it heard, in order: [{old_state, new_state, attributes, ...}]. */
  states(entityId) {
    return this.of('entity_state_changed').map((m) => m.data).filter((d) => d.entity_id === entityId);
  }

  /** Sends a frame with an id that must be granted. */
  async does(type, data) {
    const result = await this.ask(type, data);
    assert.equal(result?.ok, true, `${type} ${JSON.stringify(data)}: ${JSON.stringify(result)}`);
    return result;
  }

  /** Once this resolves, whatever the server sent before the call has been heard. */
  async sync() {
    const heard = this.next('pong');
    this.send({ type: 'ping', data: {} });
    await heard;
  }
}

/** A client that has been welcomed: `id`, `pos`, `session`. */
export async function home(server, { query = '', ...options } = {}) {
  const client = await connect(server, `/ws${query}`, { Kind: Client, ...options });
  const { data } = await client.first('connection');
  client.id = data.client_id;
  client.pos = data.pos;
  client.session = data.session;
  return client;
}

export const golden = (name) => (
  JSON.parse(readFileSync(path.join(ROOT, `tests/golden/home_${name}.json`), 'utf8'))
);

const WHOLE_SECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/** Fails unless `got` has every member of a sample, of the same type; texts that are times stay
 * times in whole seconds, and a percentage or a duration stays one. More members are allowed. */
export function assertLike(got, sample, where = 'it') {
  assert.equal(typeof got, typeof sample, where);
  if (typeof sample === 'string') {
    for (const form of [WHOLE_SECONDS, /^\d+h \d+m$/, /^\d+%$/]) {
      if (form.test(sample)) assert.match(got, form, where);
    }
  }
  if (sample === null || typeof sample !== 'object') return;
  assert.equal(Array.isArray(got), Array.isArray(sample), where);
  for (const [name, value] of Object.entries(sample)) {
    assert.ok(name in got, `${where}.${name} is missing: ${JSON.stringify(got)}`);
    assertLike(got[name], value, `${where}.${name}`);
  }
}

/** What an operator does over REST, with one token; each fails unless the status is the wanted one
 * and gives `data`. */
export class House {
  constructor(server, token) {
    this.server = server;
    this.token = token;
  }

  async ask(method, target, body, status) {
    const got = await this.server.request(method, `/api/v1${target}`, { token: this.token, body });
    assert.equal(got.status, status, `${method} ${target}: ${got.text}`);
    return got.json?.data;
  }

  room(name, more = {}) {
    return this.ask('POST', '/rooms', { name, ...more }, 201);
  }

  rename(id, name) {
    return this.ask('PATCH', `/rooms/${id}`, { name }, 200);
  }

  removeRoom(id, force = false) {
    return this.ask('DELETE', `/rooms/${id}${force ? '?force=1' : ''}`, undefined, 204);
  }

  entity(entityId, more = {}) {
    return this.ask('POST', '/entities', { entity_id: entityId, ...more }, 201);
  }

  set(entityId, state, attributes) {
    return this.ask('POST', `/entities/${entityId}/state`, { state, attributes }, 200);
  }

  broadcast(type, data = {}, more = {}) {
    return this.ask('POST', '/websocket/broadcast', { type, data, ...more }, 200);
  }

  stats() {
    return this.ask('GET', '/websocket/stats', undefined, 200);
  }
}
