// What an entity's state says to a person, and its history as what was so for how long.
import { measured } from "./format";
import { time, type Entity, type StateRow } from "./types";

/** Kinds that only report, though they may say on and off. */
const REPORTING = new Set(["sensor", "binary_sensor", "device_tracker", "person", "weather", "sun"]);
const SWITCHED = new Set(["light", "switch", "fan", "outlet", "siren", "input_boolean", "humidifier"]);

export const domainOf = (id: string): string => id.slice(0, id.indexOf("."));

const UNAVAILABLE = "unavailable";
const UNKNOWN = "unknown";

export const isAway = (state: string): boolean => state === UNAVAILABLE;
export const isNothing = (state: string): boolean => state === UNAVAILABLE || state === UNKNOWN || state === "";

const unitOf = (attributes: Record<string, unknown> | undefined): string => {
  const unit = attributes?.["unit"] ?? attributes?.["unit_of_measurement"];
  return typeof unit === "string" ? unit : "";
};

/** A state that is a number, whatever its unit; else null. */
export function valueOf(state: string): number | null {
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(state) ? Number(state) : null;
}

/** "on" is On, "not_home" Not home, "21.50" with a unit 21.5 °C. */
export function said(state: string, attributes?: Record<string, unknown>): string {
  const value = valueOf(state);
  const unit = unitOf(attributes);
  if (value !== null && unit !== "") {
    return measured(value, unit);
  }
  const words = /^[a-z][a-z0-9_]*$/.test(state) ? state.replace(/_/g, " ") : state;
  return words === "" ? "Unknown" : words.charAt(0).toUpperCase() + words.slice(1);
}

/** Whether it can be turned on and off. */
export function switchable(e: Entity): boolean {
  const domain = domainOf(e.entity_id);
  return SWITCHED.has(domain) || (!REPORTING.has(domain) && (e.state === "on" || e.state === "off"));
}

/** A state and how long it held, in ms. */
export interface Stretch {
  from: number;
  to: number;
  state: string;
  attributes?: Record<string, unknown> | undefined;
}

/** Rows, oldest first, as stretches between two moments; the one that held at `from` is the first
 * row and begins there. Rows with the same state are one stretch. */
export function stretches(rows: readonly StateRow[], from: number, to: number): Stretch[] {
  const out: Stretch[] = [];
  for (const row of rows) {
    const at = Math.max(from, time(row.changed_at) ?? from);
    const last = out[out.length - 1];
    if (at > to) {
      break;
    }
    if (last && last.state === row.state) {
      continue;
    }
    if (last) {
      last.to = Math.max(last.from, at);
    }
    out.push({ from: at, to, state: row.state, attributes: row.attributes });
  }
  return out;
}

/** Whether the states are a quantity: numbers, but for when nothing was known. */
export const isQuantity = (all: readonly Stretch[]): boolean =>
  all.some((s) => valueOf(s.state) !== null) &&
  all.every((s) => isNothing(s.state) || valueOf(s.state) !== null);

export interface Steps {
  /** An SVG path within 1000 by 100, higher values above. */
  path: string;
  min: number;
  max: number;
}

/** A quantity as steps: each value holds until the next one. */
export function steps(all: readonly Stretch[], from: number, to: number): Steps | null {
  const values = all.map((s) => valueOf(s.state));
  const known = values.filter((v): v is number => v !== null);
  if (known.length === 0 || to <= from) {
    return null;
  }
  const min = known.reduce((a, b) => Math.min(a, b));
  const max = known.reduce((a, b) => Math.max(a, b));
  const x = (at: number) => ((1000 * (at - from)) / (to - from)).toFixed(1);
  const y = (v: number) => (max === min ? 50 : 96 - (92 * (v - min)) / (max - min)).toFixed(1);
  let path = "";
  all.forEach((s, i) => {
    const v = values[i];
    if (v != null) {
      path += `${i > 0 && values[i - 1] != null ? "V" : `M${x(s.from)} `}${y(v)}H${x(s.to)}`;
    }
  });
  return { path, min, max };
}

/** How long each state held, the longest first. */
export function shares(all: readonly Stretch[]): { state: string; ms: number }[] {
  const sums = new Map<string, number>();
  for (const s of all) {
    sums.set(s.state, (sums.get(s.state) ?? 0) + s.to - s.from);
  }
  return [...sums].map(([state, ms]) => ({ state, ms })).sort((a, b) => b.ms - a.ms);
}
