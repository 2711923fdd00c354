// The messages of a room that a page holds: a stretch of them without a hole, the oldest first.
// What comes live is put at the end when it follows; when something is missing before it, the caller
// fetches that. Logs are values: a change is a new one.
import type { Message } from "./chat-types";

export interface Log {
  readonly messages: readonly Message[];
  /** Everything from the first message to this seq is here. */
  readonly top: number;
  /** There are older ones to fetch. */
  readonly older: boolean;
  /** It shows an earlier stretch: newer ones are not here, and do not come by themselves. */
  readonly apart: boolean;
}

export const NO_LOG: Log = { messages: [], top: 0, older: true, apart: false };

function index(log: Log, seq: number): number {
  let [low, high] = [0, log.messages.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (log.messages[middle]!.seq < seq) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

function place(log: Log, m: Message): Log {
  const at = index(log, m.seq);
  const messages = [...log.messages];
  messages.splice(at, messages[at]?.seq === m.seq ? 1 : 0, m);
  return { ...log, messages, top: Math.max(log.top, m.seq) };
}

/** A message as it came; null: those between `top` and it are missing. */
export function put(log: Log, m: Message): Log | null {
  if (m.seq > log.top + 1) {
    return null;
  }
  // Older than what is here: it comes with its page.
  return m.seq <= log.top && (log.messages.length === 0 || m.seq < log.messages[0]!.seq) ? log : place(log, m);
}

/** A page of `after=top`. `lastSeq`: of the room when it was read, if this was the last page. */
export function append(log: Log, page: readonly Message[], lastSeq: number | null): Log {
  let next = log;
  for (const m of page) {
    next = place(next, m);
  }
  return lastSeq === null ? next : { ...next, top: Math.max(next.top, lastSeq), apart: false };
}

/** A page of `before=` the first. */
export function prepend(log: Log, page: readonly Message[], more: boolean): Log {
  const first = log.messages[0]?.seq ?? Infinity;
  return {
    ...log,
    messages: [...page.filter((m) => m.seq < first), ...log.messages],
    older: more,
    top: Math.max(log.top, page[page.length - 1]?.seq ?? 0),
  };
}

/** Edited, deleted, reacted to, or further on its way: only if it is here. */
export function change(log: Log, seq: number, by: (m: Message) => Message): Log {
  const at = index(log, seq);
  const found = log.messages[at];
  if (found?.seq !== seq) {
    return log;
  }
  const messages = [...log.messages];
  messages[at] = by(found);
  return { ...log, messages };
}

/** Keeps the newest: a page that stays open for days does not hold them all. */
export function trim(log: Log, keep: number): Log {
  return log.messages.length <= keep ? log
    : { ...log, messages: log.messages.slice(-keep), older: true };
}
