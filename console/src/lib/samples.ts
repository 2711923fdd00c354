// Samples of one host over time: live ones (every 10 s over the socket) and stored ones
// (history rows), joined into one series, and what is missing between them.
import type { HistoryPoint, Metrics } from "./types";
import { time } from "./types";

export interface Sample {
  ts: number;
  /** How far the next sample of its kind is expected, in ms. */
  step: number;
  live: boolean;
  cpu: number | null;
  memUsed: number | null;
  memTotal: number | null;
  down: number | null;
  up: number | null;
  load: number | null;
  diskUsed: number | null;
  diskTotal: number | null;
  value: number | null; // of a sensor's series (fromSeries)
}

/** A time in which the socket was not connected. `to` is null while it still lasts. */
export interface Outage {
  from: number;
  to: number | null;
}

export interface Band {
  from: number;
  to: number;
  kind: "filled" | "none";
}

export interface Summary {
  last: number | null;
  min: number;
  max: number;
  mean: number;
}

export const LIVE_STEP_MS = 10_000;
const GAP_STEPS = 2.5; // one late sample is no gap, two missing ones are

const value = (v: number | null | undefined): number | null =>
  typeof v === "number" && Number.isFinite(v) ? v : null;

function sample(ts: number, step: number, live: boolean, m: Metrics): Sample {
  return {
    ts,
    step,
    live,
    cpu: value(m.cpu),
    memUsed: value(m.memory?.used),
    memTotal: value(m.memory?.total),
    down: value(m.network?.download),
    up: value(m.network?.upload),
    load: value(m.load),
    diskUsed: value(m.disk?.used),
    diskTotal: value(m.disk?.total),
    value: null,
  };
}

/** A `metrics` frame; null without a usable time. */
export function fromFrame(m: Metrics): Sample | null {
  const ts = time(m.timestamp);
  return ts === null ? null : sample(ts, LIVE_STEP_MS, true, m);
}

export function fromHistory(points: readonly HistoryPoint[], step: number): Sample[] {
  return points
    .filter((p) => Number.isFinite(p.ts))
    .map((p) => sample(p.ts, step, false, p))
    .sort((a, b) => a.ts - b.ts);
}

/**
 * Buckets of one sensor, and behind them its newest value. How often it measures is not known: the
 * step is the usual distance, but not shorter than a bucket.
 */
export function fromSeries(
  points: readonly { timestamp: string; value: number }[],
  resolution: number,
  newest: { ts: number; value: number },
): Sample[] {
  const at = points.map((p) => ({ ts: time(p.timestamp) ?? 0, value: p.value }));
  const last = at[at.length - 1]?.ts ?? 0;
  if (newest.ts > last) {
    at.push(newest);
  }
  const gaps = at.slice(1).map((p, i) => p.ts - at[i]!.ts).sort((a, b) => a - b);
  const step = Math.max(resolution, gaps[Math.floor(gaps.length / 2)] ?? 0);
  return at.map((p) => ({ ...sample(p.ts, step, false, {}), value: p.value }));
}

const near = (row: Sample, live: Sample): boolean => Math.abs(row.ts - live.ts) <= row.step / 2;

/**
 * Puts a live sample in its place. The same moment again replaces, so a re-send changes nothing;
 * a stored row beside it gives way (see mergeHistory). A device that was away sends its rows
 * first, and the newest is shown as a sample: known by its time, it stays the row that it is.
 */
export function addLive(series: readonly Sample[], next: Sample): Sample[] {
  if (series.some((s) => !s.live && s.ts === next.ts)) {
    return [...series];
  }
  const rest = series.filter((s) => (s.live ? s.ts !== next.ts : !near(s, next)));
  let at = rest.length;
  while (at > 0 && rest[at - 1]!.ts > next.ts) {
    at--;
  }
  rest.splice(at, 0, next);
  return rest;
}

/**
 * Joins stored rows into a series. Where live samples are near (half a row's step), they say
 * more than the row's mean, and the row is left out; elsewhere it fills. A lone sample
 * of the very same moment was the row itself (see addLive).
 */
export function mergeHistory(series: readonly Sample[], rows: readonly Sample[]): Sample[] {
  const live = series.filter((s) => s.live);
  const kept = new Map<number, Sample>();
  for (const s of series) {
    kept.set(s.ts, s);
  }
  let i = 0;
  for (const row of rows) {
    while (i < live.length && live[i]!.ts < row.ts - row.step / 2) {
      i++;
    }
    const neighbour = live[i]?.ts === row.ts ? live[i + 1] : live[i];
    if (neighbour === undefined || !near(row, neighbour)) {
      kept.set(row.ts, row);
    }
  }
  return [...kept.values()].sort((a, b) => a.ts - b.ts);
}

/** Drops what is older than `from`, but the newest such sample: a line enters from the edge. */
export function trim(series: readonly Sample[], from: number): Sample[] {
  let first = 0;
  while (first + 1 < series.length && series[first + 1]!.ts < from) {
    first++;
  }
  return first === 0 ? [...series] : series.slice(first);
}

export function within(series: readonly Sample[], from: number, to: number): Sample[] {
  return series.filter((s) => s.ts >= from && s.ts <= to);
}

const isBreak = (a: Sample, b: Sample): boolean =>
  b.ts - a.ts > GAP_STEPS * Math.max(a.step, b.step);

export type Pick = (s: Sample) => number | null;

/** Columns for a chart: times, then one column a pick; a null row where samples are missing. */
export function columns(series: readonly Sample[], picks: readonly Pick[]): (number | null)[][] {
  const times: number[] = [];
  const ys: (number | null)[][] = picks.map(() => []);
  series.forEach((s, i) => {
    const before = series[i - 1];
    if (before !== undefined && isBreak(before, s)) {
      times.push(before.ts + 1);
      ys.forEach((y) => y.push(null));
    }
    times.push(s.ts);
    picks.forEach((pick, k) => ys[k]!.push(pick(s)));
  });
  return [times, ...ys];
}

/**
 * What to shade between `from` and `to`: "none" where samples are missing, "filled" where the
 * socket was away and stored rows stand in.
 */
export function bands(
  series: readonly Sample[],
  outages: readonly Outage[],
  from: number,
  to: number,
): Band[] {
  const out: Band[] = [];
  for (let i = 1; i < series.length; i++) {
    const [a, b] = [series[i - 1]!, series[i]!];
    if (isBreak(a, b)) {
      out.push({ from: a.ts, to: b.ts, kind: "none" });
    }
  }
  const first = series[0];
  const newest = series[series.length - 1];
  if (first !== undefined && first.ts - from > GAP_STEPS * first.step) {
    out.push({ from, to: first.ts, kind: "none" });
  }
  if (newest !== undefined && to - newest.ts > GAP_STEPS * newest.step) {
    out.push({ from: newest.ts, to, kind: "none" });
  }
  for (const outage of outages) {
    const end = outage.to ?? to;
    const rows = series.filter((s) => !s.live && s.ts > outage.from && s.ts < end);
    if (rows.length > 0) {
      for (const piece of minus({ from: outage.from, to: end }, out)) {
        out.push({ ...piece, kind: "filled" });
      }
    }
  }
  return out
    .map((b) => ({ ...b, from: Math.max(b.from, from), to: Math.min(b.to, to) }))
    .filter((b) => b.to > b.from)
    .sort((a, b) => a.from - b.from);
}

/** The parts of `whole` that no band of `holes` covers. */
function minus(whole: { from: number; to: number }, holes: readonly Band[]) {
  let parts = [whole];
  for (const hole of holes) {
    parts = parts.flatMap((p) => {
      if (hole.to <= p.from || hole.from >= p.to) {
        return [p];
      }
      return [
        { from: p.from, to: Math.max(p.from, hole.from) },
        { from: Math.min(p.to, hole.to), to: p.to },
      ].filter((q) => q.to > q.from);
    });
  }
  return parts;
}

export function summary(series: readonly Sample[], pick: Pick): Summary | null {
  let [min, max, sum, n] = [Infinity, -Infinity, 0, 0];
  for (const s of series) {
    const v = pick(s);
    if (v !== null) {
      min = Math.min(min, v);
      max = Math.max(max, v);
      sum += v;
      n++;
    }
  }
  const last = series.length === 0 ? null : pick(series[series.length - 1]!);
  return n === 0 ? null : { last, min, max, mean: sum / n };
}

/** The sample nearest to a moment. */
export function nearest(series: readonly Sample[], ts: number): Sample | null {
  let best: Sample | null = null;
  for (const s of series) {
    if (best === null || Math.abs(s.ts - ts) < Math.abs(best.ts - ts)) {
      best = s;
    }
  }
  return best;
}
