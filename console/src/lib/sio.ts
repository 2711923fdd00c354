// A client of Socket.IO (protocol 5) over one WebSocket (Engine.IO 4): the namespace "/", text
// only, acknowledgements, no long polling and no recovery. What was not acknowledged when the
// connection goes is the caller's to ask again; who came back is told by the state.
import { LiveSocket, type Environment, type StateListener } from "./socket";

export interface SioListener extends StateListener {
  onEvent(name: string, argument: unknown): void;
}

/** It is not known whether the other side heard it. */
export class SocketLost extends Error {}

export const SIO_PATH = "/socket.io/?EIO=4&transport=websocket";
export const ACK_MS = 10_000;
const PING_MS = 25_000; // the server's own words come with its first packet
const PING_TIMEOUT_MS = 20_000;
const SLACK_MS = 3_000;

interface Waiting {
  resolve(argument: unknown): void;
  reject(error: Error): void;
  timer: number;
}

/** A Socket.IO packet without binary parts; null: not one, or not of the namespace "/". */
export function parsePacket(text: string): { type: number; id: number | null; data: unknown } | null {
  const found = /^(\d)(\d*)([[{][\s\S]*)?$/.exec(text);
  if (!found) {
    return null;
  }
  try {
    return {
      type: Number(found[1]),
      id: found[2] === "" ? null : Number(found[2]),
      data: found[3] === undefined ? undefined : JSON.parse(found[3]),
    };
  } catch {
    return null;
  }
}

export class SioSocket extends LiveSocket {
  private readonly waiting = new Map<number, Waiting>();
  private ids = 0;
  private pingMs = PING_MS;
  private quiet = PING_MS + PING_TIMEOUT_MS;
  private heardAt = 0;
  private code: number | null = null; // what the server said of its closing

  constructor(
    env: Environment, private readonly listener: SioListener,
    /** Shown on joining the namespace; null: the cookie says it all. */
    private readonly token: string | null = null,
  ) {
    super(env, listener);
  }

  /** Emits an event with one argument; its acknowledgement's argument, or SocketLost. */
  ask(name: string, argument: unknown, timeoutMs = ACK_MS): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (!this.open) {
        reject(new SocketLost("not connected"));
        return;
      }
      const id = this.ids++;
      const timer = this.env.after(timeoutMs, () => {
        this.waiting.delete(id);
        reject(new SocketLost("no answer"));
      });
      this.waiting.set(id, { resolve, reject, timer });
      this.send(`42${id}${JSON.stringify([name, argument])}`);
    });
  }

  /** After sleep, or when the page shows again: a server that has missed a ping is gone. */
  check(): void {
    if (this.open && this.env.now() - this.heardAt > this.pingMs + SLACK_MS) {
      this.patience(SLACK_MS);
    }
  }

  protected override onWire(): void {
    this.code = null; // the server speaks first
  }

  protected override onQuiet(): void {
    this.giveUp();
  }

  protected override onLost(): void {
    for (const { reject, timer } of this.waiting.values()) {
      this.env.cancel(timer);
      reject(new SocketLost("the connection was lost"));
    }
    this.waiting.clear();
  }

  protected override closed(code: number): void {
    super.closed(this.code ?? code);
  }

  protected override onData(data: unknown): void {
    this.heardAt = this.env.now();
    if (typeof data !== "string") {
      return;
    }
    const rest = data.slice(1);
    switch (data[0]) {
      case "0":
        this.onHandshake(rest);
        break;
      case "1":
        this.giveUp(this.code ?? 1006);
        break;
      case "2":
        this.send("3" + rest);
        break;
      case "4":
        this.onPacket(rest);
        break;
    }
  }

  private onHandshake(text: string): void {
    try {
      const { pingInterval, pingTimeout } = JSON.parse(text) as Record<string, unknown>;
      this.pingMs = typeof pingInterval === "number" ? pingInterval : PING_MS;
      this.quiet = this.pingMs + (typeof pingTimeout === "number" ? pingTimeout : PING_TIMEOUT_MS);
    } catch {
      // the defaults are the protocol's own
    }
    this.send(this.token === null ? "40" : `40${JSON.stringify({ token: this.token })}`);
  }

  private onPacket(text: string): void {
    const packet = parsePacket(text);
    if (packet === null) {
      return;
    }
    const list = Array.isArray(packet.data) ? (packet.data as unknown[]) : [];
    if (packet.type === 0) {
      this.ready(this.quiet);
    } else if (packet.type === 1 || packet.type === 4) {
      this.giveUp(this.code ?? 1008);
    } else if (packet.type === 2 && typeof list[0] === "string") {
      this.onNamed(list[0], list[1]);
    } else if (packet.type === 3 && packet.id !== null) {
      const waiting = this.waiting.get(packet.id);
      if (waiting) {
        this.waiting.delete(packet.id);
        this.env.cancel(waiting.timer);
        waiting.resolve(list[0]);
      }
    }
  }

  private onNamed(name: string, argument: unknown): void {
    if (name === "closing" && typeof argument === "object" && argument !== null) {
      const { code } = argument as { code?: unknown };
      this.code = typeof code === "number" ? code : null;
    }
    this.listener.onEvent(name, argument);
  }
}
