// A client of server-sent events that reads the stream as HTML 9.2.6 says, and nothing more: what
// it understands, a browser's EventSource does.
import http from 'node:http';
import { PATIENCE, within } from './server.mjs';

const WAIT_MS_MAX = 10_000 * PATIENCE;

/** One stream: status, headers, events [{id, event, data}], lastId, retry, comments; `ended`. */
export class Stream {
  constructor() {
    this.events = [];
    this.watchers = new Set();
    this.comments = 0;
    this.lastId = '';
    this.text = '';
    this.fields = {};
    this.ended = new Promise((resolve) => (this.end = resolve));
  }

  line(line) {
    if (line === '') {
      this.lastId = this.fields.id ?? this.lastId;
      const { data, event = 'message' } = this.fields;
      this.fields = {};
      if (data === undefined) return;
      const said = { id: this.lastId, event, data: JSON.parse(data) };
      this.events.push(said);
      for (const watcher of [...this.watchers]) watcher(said);
      return;
    }
    if (line.startsWith(':')) {
      this.comments++;
      return;
    }
    const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (name === 'data' && 'data' in this.fields) this.fields.data += `\n${value}`;
    else if (name === 'retry') this.retry = Number(value);
    else this.fields[name] = value;
  }

  hear(text) {
    const lines = (this.text + text).split('\n');
    this.text = lines.pop();
    for (const line of lines) this.line(line);
  }

  of(event) {
    return this.events.filter((e) => e.event === event);
  }

  /** The first event, heard already or to come, for which `test` holds. */
  first(test, ms = WAIT_MS_MAX) {
    const said = this.events.find(test);
    if (said !== undefined) return Promise.resolve(said);
    let watcher;
    const seen = new Promise((resolve, reject) => {
      watcher = (e) => test(e) && resolve(e);
      this.watchers.add(watcher);
      this.ended.then(() => reject(new Error(`ended while waiting for ${test}: ${this.text}`)));
    });
    return within(ms, `event ${test}`, seen).finally(() => this.watchers.delete(watcher));
  }

  endedWithin(ms = WAIT_MS_MAX) {
    return within(ms, 'end of the stream', this.ended);
  }

  /** Drops the connection as a broken network would. */
  drop() {
    this.response.socket.destroy();
  }
}

/**
 * Opens a stream and waits for its first bytes; a refusal fails with `error.status` and
 * `error.json`. `since` is shown as Last-Event-ID.
 */
export function listen(server, query = '', { token, since, headers = {}, agent } = {}) {
  const stream = new Stream();
  const opened = new Promise((resolve, reject) => {
    const request = http.get(`${server.url}/api/v1/events${query}`, {
      agent: agent ?? false,
      headers: {
        accept: 'text/event-stream',
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(since ? { 'last-event-id': since } : {}),
        ...headers,
      },
    });
    request.on('error', (error) => {
      reject(error);
      stream.end();
    });
    request.on('response', (response) => {
      stream.response = response;
      stream.status = response.statusCode;
      stream.headers = response.headers;
      response.setEncoding('utf8');
      response.on('error', () => {}); // its end is told by close
      response.on('close', () => stream.end());
      if (response.statusCode === 200) {
        response.on('data', (text) => {
          stream.hear(text);
          resolve(stream);
        });
        response.on('close', () => reject(new Error('ended before it said anything')));
        return;
      }
      let body = '';
      response.on('data', (text) => (body += text));
      response.on('end', () => {
        reject(Object.assign(new Error(`refused with ${response.statusCode}: ${body}`), {
          status: response.statusCode,
          json: JSON.parse(body || 'null'),
        }));
      });
    });
  });
  return within(WAIT_MS_MAX, `opening events${query}`, opened);
}
