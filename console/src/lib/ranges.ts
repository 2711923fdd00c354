// The span of time a device page shows. It lives in the address, so that a view can be
// reloaded and shared.
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export type View =
  | { kind: "live"; key: string; ms: number }
  | { kind: "last"; key: string; ms: number }
  | { kind: "fixed"; from: number; to: number };

export interface Choice {
  key: string;
  ms: number;
  label: string;
  long: string;
}

export const LIVE: readonly Choice[] = [
  { key: "5m", ms: 5 * MINUTE, label: "5 min", long: "Live, last 5 minutes" },
  { key: "15m", ms: 15 * MINUTE, label: "15 min", long: "Live, last 15 minutes" },
  { key: "60m", ms: HOUR, label: "1 h", long: "Live, last hour" },
];

export const LAST: readonly Choice[] = [
  { key: "1h", ms: HOUR, label: "1 h", long: "History, last hour" },
  { key: "6h", ms: 6 * HOUR, label: "6 h", long: "History, last 6 hours" },
  { key: "24h", ms: DAY, label: "24 h", long: "History, last 24 hours" },
  { key: "7d", ms: 7 * DAY, label: "7 d", long: "History, last 7 days" },
  { key: "30d", ms: 30 * DAY, label: "30 d", long: "History, last 30 days" },
];

const SPAN_MIN_MS = MINUTE; // less than one stored row shows nothing
const SPAN_MAX_MS = 2 * 366 * DAY; // hourly rows are kept two years

export const DEFAULT_VIEW: View = { kind: "live", key: "5m", ms: 5 * MINUTE };

export function parseView(params: URLSearchParams): View {
  const live = LIVE.find((c) => c.key === params.get("live"));
  if (live) {
    return { kind: "live", key: live.key, ms: live.ms };
  }
  const last = LAST.find((c) => c.key === params.get("last"));
  if (last) {
    return { kind: "last", key: last.key, ms: last.ms };
  }
  const [from, to] = [Number(params.get("from")), Number(params.get("to"))];
  if (from > 0 && checkSpan(from, to) === null) {
    return { kind: "fixed", from, to };
  }
  return DEFAULT_VIEW;
}

export function formatView(view: View, at: number | null): string {
  const params = new URLSearchParams();
  if (view.kind === "live") {
    if (view.key !== "5m") {
      params.set("live", view.key);
    }
  } else if (view.kind === "last") {
    params.set("last", view.key);
  } else {
    params.set("from", String(view.from));
    params.set("to", String(view.to));
  }
  if (at !== null) {
    params.set("at", String(at));
  }
  const text = params.toString();
  return text === "" ? "" : "?" + text;
}

export function parseAt(params: URLSearchParams): number | null {
  const at = Number(params.get("at"));
  return at > 0 && Number.isFinite(at) ? at : null;
}

/** What is wrong with a span a person typed; null when nothing is. */
export function checkSpan(from: number, to: number, now?: number): string | null {
  if (!Number.isFinite(from) || !Number.isFinite(to)) {
    return "Give both a start and an end.";
  }
  if (to <= from) {
    return "The end must be after the start.";
  }
  if (to - from < SPAN_MIN_MS) {
    return "Choose at least one minute.";
  }
  if (to - from > SPAN_MAX_MS) {
    return "Choose at most two years.";
  }
  if (now !== undefined && from > now) {
    return "The start is in the future.";
  }
  return null;
}

/** The edges of a view at `now`. */
export function edges(view: View, now: number): { from: number; to: number } {
  return view.kind === "fixed"
    ? { from: view.from, to: view.to }
    : { from: now - view.ms, to: now };
}

/** A dragged selection as a view: whole seconds, and never shorter than a minute. */
export function zoomed(from: number, to: number): View {
  const middle = (from + to) / 2;
  const half = Math.max(to - from, SPAN_MIN_MS) / 2;
  const snap = (ms: number) => Math.round(ms / 1000) * 1000;
  return { kind: "fixed", from: snap(middle - half), to: snap(middle + half) };
}

/** How many points to ask for: one a CSS pixel and a half, within what the server takes. */
export function pointsFor(widthPx: number): number {
  return Math.max(60, Math.min(600, Math.round(widthPx / 1.5)));
}
