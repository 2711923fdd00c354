// What somebody says, until the server has it. Each message has a clientId that the server knows
// again, so it is sent as often as it takes and stored once. A room's messages go one after the
// other: they keep their order over retries. What waits outlives a reload (`keep`).
import { ChatError } from "./chat-types";

export interface Draft {
  roomId: string;
  type: string;
  content: unknown;
  replyTo?: string;
}

export interface Outgoing extends Draft {
  clientId: string;
  at: number;
  state: "waiting" | "sending" | "sent" | "refused";
  /** Why it was refused, or why it still waits. */
  why?: string;
  seq?: number;
}

export interface OutboxEnvironment {
  /** Resolves with the message's seq; ChatError: refused; any other error: nobody knows. */
  send(message: Outgoing): Promise<number>;
  after(ms: number, run: () => void): number;
  cancel(timer: number): void;
  now(): number;
  newId(): string;
  /** A room's list has changed. */
  changed(roomId: string): void;
  keep(all: Outgoing[]): void;
}

const AGAIN_FIRST_MS = 1_000;
const AGAIN_MAX_MS = 30_000;

export class Outbox {
  private items: Outgoing[];
  private readonly busy = new Set<string>();
  private readonly timers = new Map<string, number>();
  private readonly attempts = new Map<string, number>();

  constructor(private readonly env: OutboxEnvironment, kept: readonly Outgoing[] = []) {
    this.items = kept.map((item) => (item.state === "sending" ? { ...item, state: "waiting" } : item));
  }

  of(roomId: string): Outgoing[] {
    return this.items.filter((i) => i.roomId === roomId);
  }

  add(draft: Draft): Outgoing {
    const item: Outgoing = { ...draft, clientId: this.env.newId(), at: this.env.now(), state: "waiting" };
    this.items = [...this.items, item];
    this.tell(item.roomId);
    void this.turn(item.roomId);
    return item;
  }

  /** The connection is there: whatever waits goes now. */
  resume(): void {
    for (const roomId of new Set(this.items.map((i) => i.roomId))) {
      this.again(roomId);
    }
  }

  retry(clientId: string): void {
    const item = this.items.find((i) => i.clientId === clientId);
    if (item?.state === "refused") {
      this.set(clientId, { state: "waiting", why: "" });
      this.again(item.roomId);
    }
  }

  discard(clientId: string): void {
    const item = this.items.find((i) => i.clientId === clientId);
    if (item && item.state !== "sending") {
      this.drop(item);
    }
  }

  /** It came back as a message of the room. */
  seen(roomId: string, clientId: string | undefined): void {
    const item = clientId === undefined ? undefined
      : this.items.find((i) => i.roomId === roomId && i.clientId === clientId);
    if (item) {
      this.drop(item);
    }
  }

  /** The room's messages are here up to a seq. */
  reached(roomId: string, seq: number): void {
    for (const item of this.of(roomId)) {
      if (item.state === "sent" && item.seq! <= seq) {
        this.drop(item);
      }
    }
  }

  close(): void {
    this.timers.forEach((timer) => this.env.cancel(timer));
    this.timers.clear();
  }

  private again(roomId: string): void {
    const timer = this.timers.get(roomId);
    if (timer !== undefined) {
      this.env.cancel(timer);
      this.timers.delete(roomId);
    }
    this.attempts.delete(roomId);
    void this.turn(roomId);
  }

  private async turn(roomId: string): Promise<void> {
    const item = this.items.find((i) => i.roomId === roomId && i.state === "waiting");
    if (!item || this.busy.has(roomId) || this.timers.has(roomId)) {
      return;
    }
    this.busy.add(roomId);
    this.set(item.clientId, { state: "sending" });
    let waitMs: number | null = null;
    try {
      const seq = await this.env.send(item);
      this.attempts.delete(roomId);
      this.set(item.clientId, { state: "sent", seq, why: "" });
    } catch (error) {
      if (error instanceof ChatError && !error.recoverable) {
        this.set(item.clientId, { state: "refused", why: error.message });
      } else {
        const told = error instanceof ChatError ? error : null;
        waitMs = told?.retryMs ?? this.backoff(roomId);
        this.set(item.clientId, { state: "waiting", why: told?.message ?? "" });
      }
    } finally {
      this.busy.delete(roomId);
    }
    if (waitMs === null) {
      void this.turn(roomId);
    } else {
      this.timers.set(roomId, this.env.after(waitMs, () => {
        this.timers.delete(roomId);
        void this.turn(roomId);
      }));
    }
  }

  private backoff(roomId: string): number {
    const attempt = this.attempts.get(roomId) ?? 0;
    this.attempts.set(roomId, attempt + 1);
    return Math.min(AGAIN_MAX_MS, AGAIN_FIRST_MS * 2 ** Math.min(attempt, 8));
  }

  private set(clientId: string, change: Partial<Outgoing>): void {
    const before = this.items.find((i) => i.clientId === clientId);
    if (before) {
      this.items = this.items.map((i) => (i === before ? { ...i, ...change } : i));
      this.tell(before.roomId);
    }
  }

  private drop(item: Outgoing): void {
    this.items = this.items.filter((i) => i.clientId !== item.clientId);
    this.tell(item.roomId);
  }

  private tell(roomId: string): void {
    this.env.keep(this.items.filter((i) => i.state !== "sent"));
    this.env.changed(roomId);
  }
}
