// What the chat's browser tests say and look for.
import assert from 'node:assert/strict';
import { io } from 'socket.io-client';
import { within } from '../lib/server.mjs';
import { SOON_MS } from './world.mjs';

export const CHAT = '/console/chat';
export const HTML = '<img src=x onerror="window.pwned=1"><b>bold</b>';
// One of the tests says in a moment what people say in an hour.
export const FLAGS = ['--chat-messages-per-s', '1000', '--chat-messages-burst', '1000'];

export const soon = { timeout: SOON_MS };
export const row = (page, name) => page.locator('.chat-list li', { hasText: name });
export const entry = (page, text) => page.locator('.entry:not(.pending)', { hasText: text });
export const field = (page) => page.getByRole('textbox', { name: 'Message' });
export const isLive = (page) => page.getByText('Live', { exact: true }).first().waitFor(soon);

export async function say(page, text) {
  await field(page).fill(text);
  await page.keyboard.press('Enter');
}

/** In the world `w`: {rest(), room()}, for people that w.user() made. */
export function talk(w) {
  const token = async (who) =>
    (who.token ??= await w.server.cli('token', '--sub', who.id, '--kind', 'user', '--ttl', '1h'));

  /** What somebody asks over REST, and its answer. */
  const ask = async (who, method, path, body) =>
    w.server.request(method, `/api/v1/chat/${path}`, { body, token: await token(who) });

  /** What somebody does over REST. */
  async function rest(who, method, path, body) {
    const said = await ask(who, method, path, body);
    assert.ok(said.status < 300, `${method} ${path}: ${said.status} ${said.text}`);
    return said.json?.data;
  }

  /** A room that somebody makes, over a socket of its own. */
  async function room(who, name, type, ...others) {
    const event = 'chat:room:create';
    const data = { name, type, members: others.map((o) => o.id) };
    const socket = io(w.server.url, { auth: { token: await token(who) }, transports: ['websocket'], forceNew: true });
    const made = await within(SOON_MS, event, socket.emitWithAck(event, { event, data, version: '1.0' }));
    socket.close();
    assert.ok(made.ok, JSON.stringify(made));
    return made.room;
  }
  return { ask, rest, room };
}
