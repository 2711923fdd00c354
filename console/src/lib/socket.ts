// A socket that stays connected: backoff with jitter, a watchdog for half-open connections, and
// the server's close codes acted upon. Everything from outside (sockets, time, chance) is given, so
// tests drive it without a network. A viewer's speaks the raw wires; sio.ts is that of the chat.

export type SocketState =
  | { kind: "connecting" }
  | { kind: "open" }
  | { kind: "waiting"; retryAt: number; why: string }
  | { kind: "stopped"; why: string; signIn: boolean };

export interface Frame {
  type: string;
  data: unknown;
}

/** The part of WebSocket that is used. */
export interface Wire {
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

/** What a failed handshake was about; the browser hides its status, so the caller asks REST. */
export type Probe = "ok" | "signed-out" | "gone" | "forbidden" | "unreachable";

export interface Environment {
  connect(): Wire;
  now(): number;
  random(): number;
  after(ms: number, run: () => void): number;
  cancel(timer: number): void;
  probe(): Promise<Probe>;
}

export interface StateListener {
  onState(state: SocketState): void;
}

export interface Listener extends StateListener {
  onFrame(frame: Frame): void;
}

const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 30_000;
const LIMIT_BACKOFF_MIN_MS = 5_000; // 4101: others must leave first
const STABLE_MS = 10_000; // open for this long: the next loss starts over at the first delay
const QUIET_MS = 25_000; // without a frame for this long we ask; the server drops us at 60 s
const ANSWER_MS = 10_000; // and take the connection for dead when nothing comes
const CONNECT_MS = 15_000;

const STOP_REASONS: Record<number, string> = {
  4000: "Your access was revoked.",
  4001: "This view was replaced by a newer connection.",
  4002: "The account or device is disabled.",
  4003: "The server closed this view because it sent too much.",
  4004: "An operator disconnected this view.",
};

const WAIT_REASONS: Record<number, string> = {
  1001: "The server is shutting down",
  1008: "The server refused the connection",
  1011: "The server had an internal error",
  1012: "The server is restarting",
  1013: "This connection was too slow",
  4101: "Too many connections are open",
};

/** Half of the delay is certain, half is chance: many viewers do not return in one moment. */
export function backoffMs(attempt: number, random: number): number {
  const full = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(attempt, 16));
  return Math.round(full / 2 + (full / 2) * random);
}

export abstract class LiveSocket {
  private wire: Wire | null = null;
  private timer: number | null = null;
  private openedAt: number | null = null;
  private quietMs = 0;
  private attempt = 0;
  private done = false;

  constructor(
    protected readonly env: Environment,
    private readonly states: StateListener,
  ) {}

  /** The wire can carry something; ready() follows when the other side has agreed. */
  protected abstract onWire(): void;
  protected abstract onData(data: unknown): void;
  /** Nothing came for `quietMs`. */
  protected abstract onQuiet(): void;
  /** The connection is gone, before anything is said of it. */
  protected onLost(): void {}

  start(): void {
    if (this.done || this.wire !== null) {
      return;
    }
    this.setTimer(null);
    this.states.onState({ kind: "connecting" });
    this.openedAt = null;
    const wire = this.env.connect();
    this.wire = wire;
    wire.onopen = () => this.onWire();
    wire.onmessage = (event) => {
      this.watch();
      this.onData(event.data);
    };
    wire.onclose = (event) => this.closed(event.code);
    this.patience(CONNECT_MS);
  }

  /** Ends for good; no listener is called afterwards. */
  stop(): void {
    this.done = true;
    this.setTimer(null);
    this.dropWire(1000);
    this.onLost();
  }

  /** Tries at once when waiting: the network came back, or a person asked. */
  retryNow(): void {
    if (!this.done && this.wire === null) {
      this.start();
    }
  }

  protected get open(): boolean {
    return this.wire !== null && this.openedAt !== null;
  }

  protected send(text: string): void {
    this.wire?.send(text);
  }

  protected ready(quietMs: number): void {
    this.openedAt = this.env.now();
    this.quietMs = quietMs;
    this.watch();
    this.states.onState({ kind: "open" });
  }

  /** Without a frame within `ms` the connection is taken for dead. */
  protected patience(ms: number): void {
    this.setTimer(this.env.after(ms, () => this.giveUp()));
  }

  protected giveUp(code = 1006): void {
    this.dropWire();
    this.closed(code);
  }

  private watch(): void {
    if (this.openedAt !== null) {
      this.setTimer(this.env.after(this.quietMs, () => this.onQuiet()));
    }
  }

  protected closed(code: number): void {
    if (this.done) {
      return;
    }
    const opened = this.openedAt !== null;
    if (this.openedAt !== null && this.env.now() - this.openedAt >= STABLE_MS) {
      this.attempt = 0;
    }
    this.openedAt = null;
    this.setTimer(null);
    this.dropWire();
    this.onLost();
    const reason = STOP_REASONS[code];
    if (reason !== undefined) {
      this.finish(reason, false);
    } else if (code === 4200 || code === 4201) {
      this.wait(Math.round(250 * this.env.random()), "The server asked to reconnect");
    } else if (code === 4100 || !opened) {
      this.investigate(code);
    } else {
      const floor = code === 4101 ? LIMIT_BACKOFF_MIN_MS : 0;
      this.waitBackoff(WAIT_REASONS[code] ?? "The connection was lost", floor);
    }
  }

  private investigate(code: number): void {
    const wait = code === 4100 ? "Your session ended" : "The live connection could not be opened";
    void this.env.probe().then((probe) => {
      if (this.done || this.wire !== null || this.timer !== null) {
        return;
      }
      if (probe === "signed-out") {
        this.finish("Your session has ended.", true);
      } else if (probe === "gone") {
        this.finish("This device no longer exists.", false);
      } else if (probe === "forbidden") {
        this.finish("You are not allowed to watch this.", false);
      } else {
        this.waitBackoff(probe === "unreachable" ? "The server cannot be reached" : wait, 0);
      }
    });
  }

  private finish(why: string, signIn: boolean): void {
    this.done = true;
    this.states.onState({ kind: "stopped", why, signIn });
  }

  private waitBackoff(why: string, floorMs: number): void {
    const ms = Math.max(floorMs, backoffMs(this.attempt, this.env.random()));
    this.attempt++;
    this.wait(ms, why);
  }

  private wait(ms: number, why: string): void {
    this.setTimer(this.env.after(ms, () => this.start()));
    this.states.onState({ kind: "waiting", retryAt: this.env.now() + ms, why });
  }

  private dropWire(code?: number): void {
    const wire = this.wire;
    this.wire = null;
    if (wire !== null) {
      wire.onopen = wire.onmessage = wire.onclose = null;
      wire.close(code);
    }
  }

  private setTimer(timer: number | null): void {
    if (this.timer !== null) {
      this.env.cancel(this.timer);
    }
    this.timer = timer;
  }
}

export class ViewerSocket extends LiveSocket {
  private asked = false;

  constructor(
    env: Environment,
    /** Said first on every connection; null: nothing. */
    private readonly hello: string | null,
    private readonly listener: Listener,
  ) {
    super(env, listener);
  }

  /** Looks whether an open socket still answers: after sleep, or when the page shows again. */
  check(): void {
    if (this.open && !this.asked) {
      this.onQuiet();
    }
  }

  protected override onWire(): void {
    this.asked = false;
    if (this.hello !== null) {
      this.send(this.hello);
    }
    this.ready(QUIET_MS);
  }

  protected override onData(data: unknown): void {
    this.asked = false;
    if (typeof data !== "string") {
      return;
    }
    let frame: unknown;
    try {
      frame = JSON.parse(data);
    } catch {
      return; // not ours to repair; the next frame is whole again
    }
    if (typeof frame === "object" && frame !== null && "type" in frame) {
      const { type, data: content } = frame as { type: unknown; data?: unknown };
      if (typeof type === "string") {
        this.listener.onFrame({ type, data: content });
      }
    }
  }

  protected override onQuiet(): void {
    this.asked = true;
    this.send('{"type":"ping"}');
    this.patience(ANSWER_MS);
  }
}
