// People in chat, by the official client: who speaks in the envelope, and what they have heard.
import assert from 'node:assert/strict';
import { CLIENTS, connected } from './clients.mjs';

const [CLIENT] = CLIENTS;

export const envelope = (event, data, requestId) => ({
  event, data, ...(requestId === undefined ? {} : { requestId }), version: '1.0',
});

/** A socket of chat on a Talker. */
export class Chatter {
  constructor(talker, token) {
    this.talker = talker;
    this.token = token;
  }

  /** The ack of an enveloped event. */
  async ask(event, data, requestId) {
    const [ack] = await this.talker.ask(event, envelope(event, data, requestId));
    return ack;
  }

  async good(event, data, requestId) {
    const ack = await this.ask(event, data, requestId);
    assert.equal(ack.ok, true, `${event}: ${JSON.stringify(ack)}`);
    return ack;
  }

  async refused(event, data, code) {
    const ack = await this.ask(event, data);
    assert.equal(ack.ok, false, `${event}: ${JSON.stringify(ack)}`);
    assert.equal(ack.error.code, code, JSON.stringify(ack));
    return ack.error;
  }

  /** Data of every such event so far. */
  heard(event) {
    return this.talker.of(event).map(([said]) => said.data);
  }

  /** The whole envelope of the first one that fits, heard already or to come. */
  async first(event, test = () => true) {
    return (await this.talker.first(event, { test: (said) => test(said.data, said) }))[0];
  }

  send(roomId, content, more = {}) {
    return this.good('chat:message:send', { roomId, type: 'chat', content, ...more });
  }

  async makes(data = {}) {
    const { room } = await this.good('chat:room:create', { name: 'room', type: 'group', ...data });
    await this.first('chat:room:joined', (d) => d.roomId === room.id);
    return room;
  }

  close() {
    this.talker.close();
  }
}

export async function chatter(server, token, options = {}) {
  return new Chatter(await connected(CLIENT, server,
    { token, transports: ['websocket'], reconnection: false, ...options }), token);
}

/** The claims of a token, unverified. */
export const claimsOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
