// The history of an entity's state. The server gives it oldest first, so a span with more changes
// than can be shown is made shorter until they fit: what is newest matters most.
import { query, requestIfChanged } from "./api";
import { entityApi } from "./house";
import { DAY, HOUR } from "./ranges";
import type { StateRow } from "./types";

const PAGE = 200;
const PAGES_MAX = 5;

export const SPANS = [
  { key: "1h", ms: HOUR, label: "1 h", long: "Last hour" },
  { key: "6h", ms: 6 * HOUR, label: "6 h", long: "Last 6 hours" },
  { key: "24h", ms: DAY, label: "24 h", long: "Last 24 hours" },
  { key: "7d", ms: 7 * DAY, label: "7 d", long: "Last 7 days" },
  { key: "30d", ms: 30 * DAY, label: "30 d", long: "Last 30 days" },
] as const;

export interface Past {
  rows: StateRow[];
  from: number;
  /** Of SPANS; a smaller one than was asked for when there was too much. */
  span: number;
}

async function read(id: string, from: number, to: number, signal: AbortSignal): Promise<StateRow[] | null> {
  const rows: StateRow[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < PAGES_MAX; page++) {
    const path: string = `${entityApi(id)}/history${query({ from: Math.floor(from), to: Math.ceil(to), limit: PAGE, cursor })}`;
    const reply = await requestIfChanged<StateRow[]>("GET", path, undefined, { signal });
    rows.push(...(reply?.data ?? []));
    cursor = reply?.next ?? null;
    if (cursor === null) {
      return rows;
    }
  }
  return from > to - SPANS[0].ms ? rows : null;
}

export async function loadPast(id: string, span: number, signal: AbortSignal): Promise<Past> {
  const to = Date.now();
  for (let i = span; i >= 0; i--) {
    const from = to - SPANS[i]!.ms;
    const rows = await read(id, from, to + 1000, signal);
    if (rows !== null) {
      return { rows, from, span: i };
    }
  }
  // Even an hour is too long: its last minutes.
  const from = to - 5 * 60_000;
  return { rows: (await read(id, from, to + 1000, signal)) ?? [], from, span: -1 };
}
