// A receiver of webhook calls in this process: answers by a function, keeps what came.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { PATIENCE, within } from './server.mjs';

export const SECRET = 'a secret of this test, long enough';
const WAIT_MS_MAX = 10_000 * PATIENCE;

/** The signature's header for a body. */
export function signature(body, at = Math.floor(Date.now() / 1000), secret = SECRET) {
  return `t=${at},v1=${createHmac('sha256', secret).update(`${at}.`).update(body).digest('hex')}`;
}

export class Receiver {
  /** `answer(call, n)` gives {status, body, headers} or a promise of it; body: JSON, or text. */
  constructor(answer = () => ({})) {
    this.answer = answer;
    this.calls = []; // {headers, body (parsed), text, port}
    this.waiting = [];
  }

  /** With `tls` ({cert, key}) it speaks HTTPS. */
  async listen(port = 0, tls = undefined) {
    const serve = (req, res) => this.#serve(req, res);
    this.server = tls ? https.createServer(tls, serve) : http.createServer(serve);
    await new Promise((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    this.url = `http${tls ? 's' : ''}://127.0.0.1:${this.port}/hook`;
    return this;
  }

  async #serve(req, res) {
    const chunks = [];
    for await (const chunk of req) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const call = { headers: req.headers, text, body: JSON.parse(text), port: req.socket.remotePort };
    call.event = call.body.event;
    this.calls.push(call);
    for (const hear of this.waiting.splice(0)) hear();
    const { status = 200, body = '', headers = {} } = (await this.answer(call, this.calls.length)) ?? {};
    res.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));
  }

  /** Waits until `test(calls)` holds. */
  async until(test) {
    const deadline = Date.now() + WAIT_MS_MAX;
    while (!test(this.calls)) {
      assert.ok(Date.now() < deadline, `the receiver got ${JSON.stringify(this.calls.map((c) => c.event))}`);
      await within(WAIT_MS_MAX, 'a call', new Promise((resolve) => this.waiting.push(resolve)));
    }
  }

  of(event) {
    return this.calls.filter((c) => c.event === event);
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}

/** Settings of a server whose applications' events go to a receiver. */
export function webhookTo(receiver, flags = []) {
  return {
    flags: ['--app-events', 'webhook', '--app-webhook-url', receiver.url, ...flags],
    env: { SIGNALBOX_WEBHOOK_SECRET: SECRET },
  };
}
