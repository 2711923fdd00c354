// Values as people read them. A narrow no-break space stands between number and unit, so a
// value never breaks over two lines. Missing values are an en dash.
const NNBSP = "\u202f";
export const NONE = "–";

type Maybe = number | null | undefined;

function known(value: Maybe): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

/** Three significant digits for small numbers, none after the point for large ones. */
function short(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 99.95 || size === 0 ? 0 : size >= 9.995 ? 1 : 2);
}

export function percent(value: Maybe, digits = 1): string {
  return known(value) ? `${value.toFixed(digits)}${NNBSP}%` : NONE;
}

function scaled(value: number, base: number, units: readonly string[]): string {
  let size = Math.abs(value);
  let unit = 0;
  while (size >= base * 0.9995 && unit < units.length - 1) {
    size /= base;
    unit++;
  }
  const signed = value < 0 ? -size : size;
  return `${unit === 0 ? Math.round(signed) : short(signed)}${NNBSP}${units[unit]}`;
}

/** Memory and disk: powers of 1024. */
export function bytes(value: Maybe): string {
  return known(value) ? scaled(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]) : NONE;
}

/** Network throughput, given in bytes a second: powers of 1000. */
export function rate(value: Maybe): string {
  return known(value) ? scaled(value, 1000, ["B/s", "kB/s", "MB/s", "GB/s"]) : NONE;
}

export function number(value: Maybe, digits = 2): string {
  return known(value) ? value.toFixed(digits) : NONE;
}

/** What a sensor says, in its own unit; the server keeps six decimals. */
export function measured(value: Maybe, unit: string): string {
  return known(value) ? `${Number(value.toFixed(6))}${NNBSP}${unit}` : NONE;
}

/** A length of time in its two largest units: "3 d 4 h", "12 min", "8 s". */
export function duration(seconds: Maybe): string {
  if (!known(seconds) || seconds < 0) {
    return NONE;
  }
  const total = Math.floor(seconds);
  const parts: [number, string][] = [
    [Math.floor(total / 86400), "d"],
    [Math.floor(total / 3600) % 24, "h"],
    [Math.floor(total / 60) % 60, "min"],
    [total % 60, "s"],
  ];
  const first = parts.findIndex(([n]) => n > 0);
  if (first < 0) {
    return `0${NNBSP}s`;
  }
  return parts
    .slice(first, first < 2 ? first + 2 : first + 1)
    .filter(([n]) => n > 0)
    .map(([n, unit]) => `${n}${NNBSP}${unit}`)
    .join(" ");
}

/** "3 s ago", coarser the older it is, so that a column of them stays calm. */
export function ago(then: Maybe, now: number): string {
  if (!known(then)) {
    return "never";
  }
  const s = Math.max(0, Math.round((now - then) / 1000));
  if (s < 5) {
    return "just now";
  }
  if (s < 60) {
    return `${s}${NNBSP}s ago`;
  }
  if (s < 3600) {
    return `${Math.floor(s / 60)}${NNBSP}min ago`;
  }
  if (s < 86400 * 2) {
    return `${Math.floor(s / 3600)}${NNBSP}h ago`;
  }
  return `${Math.floor(s / 86400)}${NNBSP}days ago`;
}

const pad = (n: number) => String(n).padStart(2, "0");
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export function clock(ms: number, seconds = true): string {
  const d = new Date(ms);
  return `${pad(d.getHours())}:${pad(d.getMinutes())}${seconds ? ":" + pad(d.getSeconds()) : ""}`;
}

export function day(ms: number): string {
  const d = new Date(ms);
  return `${d.getDate()} ${MONTHS[d.getMonth()]}`;
}

/** Date and time in the viewer's zone; the date is left out when it is today's. */
export function moment(ms: number, now = Date.now(), seconds = true): string {
  const then = new Date(ms);
  const today = new Date(now);
  const time = clock(ms, seconds);
  if (then.toDateString() === today.toDateString()) {
    return time;
  }
  const year = then.getFullYear() === today.getFullYear() ? "" : ` ${then.getFullYear()}`;
  return `${day(ms)}${year}, ${time}`;
}

/** The value of an <input type="datetime-local">, in the viewer's zone. */
export function localInput(ms: number): string {
  const d = new Date(ms);
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}T${clock(ms, false)}`;
}

/** Labels of a time axis whose marks stand `step` seconds apart (all in ms). */
export function axisTimes(marks: readonly number[], step: number): string[] {
  return marks.map((ms, i) => {
    if (step >= 86400) {
      return day(ms);
    }
    const before = marks[i - 1];
    const newDay = before !== undefined && new Date(before).getDate() !== new Date(ms).getDate();
    return newDay ? day(ms) : clock(ms, step < 60);
  });
}
