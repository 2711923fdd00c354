// One chart over time. The plot is a canvas; its text alternative is the figure's caption
// (now, min, mean, max), and the plot is a slider over its samples for the keyboard.
import { signal } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { axisTimes, moment, NONE } from "../lib/format";
import { theme } from "../lib/session";
import {
  columns, summary, within, type Band, type Pick, type Sample,
} from "../lib/samples";

export interface Line {
  label: string;
  color: string; // a custom property's name
  pick: Pick;
}

export interface ChartProps {
  title: string;
  lines: readonly Line[];
  format: (value: number | null | undefined) => string;
  /** Marks of the value axis may need fewer digits. */
  axis: (value: number) => string;
  /** The top of the value axis, which begins at 0, given the largest value in view, */
  top?: (max: number) => number;
  /** or both its ends, given the least and the largest. */
  range?: (min: number, max: number) => [number, number];
  /** Distances between marks of the value axis, where the default decimal ones do not fit. */
  increments?: number[];
  /** Said after the title, as "of 16 GiB". */
  note?: string;
  series: readonly Sample[];
  from: number;
  to: number;
  bands: readonly Band[];
  picked: number | null;
  loading: boolean;
  onZoom?: (from: number, to: number) => void;
  onPick?: (at: number) => void;
  /** Charts of a group show the same moment; "device" without it. */
  group?: string;
}

/** Counts changes of the palette: canvases do not follow custom properties by themselves. */
const palette = signal(0);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", () => palette.value++);
theme.subscribe(() => palette.value++);

const css = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function hatch(): CanvasPattern | string {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const ctx = tile.getContext("2d")!;
  ctx.strokeStyle = css("--band-none");
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.moveTo(-2, 10);
  ctx.lineTo(10, -2);
  ctx.moveTo(-2, 2);
  ctx.lineTo(2, -2);
  ctx.moveTo(6, 10);
  ctx.lineTo(10, 6);
  ctx.stroke();
  return ctx.createPattern(tile, "repeat") ?? css("--band-none");
}

/** The ends of the value axis: of what is drawn, with the sample before the window, whose line
 * enters it. */
function valueRange({ series, lines, from, to, top, range }: ChartProps): [number, number] {
  let [min, max] = [Infinity, -Infinity];
  for (let i = 0; i < series.length && series[i]!.ts <= to; i++) {
    const next = series[i + 1];
    if (series[i]!.ts >= from || (next !== undefined && next.ts >= from)) {
      for (const line of lines) {
        const value = line.pick(series[i]!);
        if (value !== null) {
          min = Math.min(min, value);
          max = Math.max(max, value);
        }
      }
    }
  }
  if (range) {
    return max === -Infinity ? [0, 1] : range(min, max);
  }
  return [0, top?.(Math.max(0, max)) ?? Math.max(1, max)];
}

/** A value with its unit set smaller. */
function Value({ text }: { text: string }) {
  const [value, unit] = text.split("\u202f");
  return <strong>{value}{unit && <small>{"\u202f"}{unit}</small>}</strong>;
}

/** The samples whose neighbours are missing. */
function alone(u: uPlot, series: number): number[] {
  const ys = u.data[series]!;
  const [first, end] = u.series[0]!.idxs ?? [0, ys.length - 1];
  const found: number[] = [];
  for (let i = first; i <= end; i++) {
    if (ys[i] != null && ys[i - 1] == null && ys[i + 1] == null) {
      found.push(i);
    }
  }
  return found;
}

function makePlot(host: HTMLElement, live: { current: ChartProps }, onCursor: (i: number | null) => void): uPlot {
  const ink = css("--ink-3");
  const grid = { stroke: css("--line"), width: 1 };
  const font = `11px ${css("--font")}`;
  const pattern = hatch();
  const filled = css("--band-filled");
  const accent = css("--accent");
  let own = false; // a drag began on this chart; the others see it, too, through the sync
  let dragged = false;

  const opts: uPlot.Options = {
    width: Math.max(100, host.clientWidth),
    height: host.clientHeight,
    ms: 1,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      sync: { key: live.current.group ?? "device", setSeries: false },
      drag: { x: live.current.onZoom !== undefined, y: false, setScale: false, dist: 4 },
      points: { size: 7, width: 2 },
    },
    scales: {
      x: { time: true },
      y: { range: () => valueRange(live.current) },
    },
    axes: [
      {
        stroke: ink, font, size: 26, gap: 4, space: host.clientWidth > 400 ? 60 : 46,
        grid: { show: false },
        ticks: { stroke: css("--line-strong"), width: 1, size: 4 },
        values: (_u, splits, _axis, _space, incr) => axisTimes(splits, incr / 1000),
      },
      {
        stroke: ink, font, size: 58, gap: 6, space: 26, grid,
        ticks: { show: false },
        values: (_u, splits) => splits.map((v) => live.current.axis(v)),
        ...(live.current.increments ? { incrs: live.current.increments } : {}),
      },
    ],
    series: [
      {},
      ...live.current.lines.map((line, i) => ({
        label: line.label,
        stroke: css(line.color),
        width: 1.5,
        // Only a sample without neighbours is a dot: no line shows it.
        points: { show: true, size: 5, width: 1, fill: css(line.color), filter: alone },
        spanGaps: false,
        ...(i === 0 ? { fill: css(`${line.color}-fill`) } : {}),
      })),
    ],
    hooks: {
      drawClear: [
        (u) => {
          const { ctx, bbox } = u;
          ctx.save();
          for (const band of live.current.bands) {
            const x1 = Math.max(bbox.left, u.valToPos(band.from, "x", true));
            const x2 = Math.min(bbox.left + bbox.width, u.valToPos(band.to, "x", true));
            if (x2 > x1) {
              ctx.fillStyle = band.kind === "none" ? pattern : filled;
              ctx.fillRect(x1, bbox.top, x2 - x1, bbox.height);
            }
          }
          ctx.restore();
        },
      ],
      draw: [
        (u) => {
          const at = live.current.picked;
          const { ctx, bbox } = u;
          if (at === null) {
            return;
          }
          const x = Math.round(u.valToPos(at, "x", true));
          if (x >= bbox.left && x <= bbox.left + bbox.width) {
            ctx.save();
            ctx.fillStyle = accent;
            ctx.fillRect(x - 1, bbox.top, 2, bbox.height);
            ctx.beginPath();
            ctx.arc(x, bbox.top, 4 * devicePixelRatio, 0, 2 * Math.PI);
            ctx.fill();
            ctx.restore();
          }
        },
      ],
      setCursor: [(u) => onCursor(u.cursor.idx ?? null)],
      setSelect: [
        (u) => {
          if (own && u.select.width > 4) {
            own = false;
            dragged = true;
            const from = u.posToVal(u.select.left, "x");
            const to = u.posToVal(u.select.left + u.select.width, "x");
            u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            live.current.onZoom?.(from, to);
          }
        },
      ],
      ready: [
        (u) => {
          u.over.addEventListener("mousedown", () => {
            own = true;
            dragged = false;
          });
          u.over.addEventListener("click", (event) => {
            if (!dragged) {
              const at = u.posToVal(event.clientX - u.over.getBoundingClientRect().left, "x");
              live.current.onPick?.(Math.min(at, Date.now()));
            }
          });
        },
      ],
    },
  };
  return new uPlot(opts, [[], ...live.current.lines.map(() => [])], host);
}

export function Chart(props: ChartProps) {
  const { title, lines, format, series, from, to, bands, picked } = props;
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const live = useRef(props);
  live.current = props;
  const [cursor, setCursor] = useState<number | null>(null);
  const version = palette.value;

  const data = useMemo(() => columns(series, lines.map((l) => l.pick)), [series, lines]);
  const shown = useMemo(() => within(series, from, to), [series, from, to]);

  useEffect(() => {
    const box = host.current!;
    const u = makePlot(box, live, setCursor);
    plot.current = u;
    const resize = new ResizeObserver(() => {
      const { clientWidth: width, clientHeight: height } = box;
      if (width > 0 && (width !== u.width || height !== u.height)) {
        u.setSize({ width, height });
      }
    });
    resize.observe(box);
    return () => {
      resize.disconnect();
      u.destroy();
      plot.current = null;
    };
  }, [version]);

  useEffect(() => {
    plot.current?.batch((u: uPlot) => {
      u.setData(data as uPlot.AlignedData, false);
      u.setScale("x", { min: from, max: to });
    });
  }, [data, from, to, version]);

  useEffect(() => {
    plot.current?.redraw(false);
  }, [bands, picked]);

  const at = cursor === null ? null : (data[0]?.[cursor] ?? null);
  const hovered = at === null ? null : (series.find((s) => s.ts === at) ?? null);
  const newest = shown[shown.length - 1] ?? null;
  const reading = hovered ?? newest;
  const sums = lines.map((line) => summary(shown, line.pick));
  const index = hovered ? shown.indexOf(hovered) : -1;

  function moveTo(i: number) {
    const sample = shown[Math.max(0, Math.min(shown.length - 1, i))];
    const u = plot.current;
    if (sample && u) {
      u.setCursor({ left: u.valToPos(sample.ts, "x"), top: u.over.clientHeight / 2 });
    }
  }

  function onKeyDown(event: KeyboardEvent) {
    const start = index >= 0 ? index : shown.length - 1;
    const steps: Record<string, number> = {
      ArrowLeft: start - 1, ArrowDown: start - 1, ArrowRight: start + 1, ArrowUp: start + 1,
      PageDown: start - 10, PageUp: start + 10, Home: 0, End: shown.length - 1,
    };
    const next = steps[event.key];
    if (next !== undefined && shown.length > 0) {
      event.preventDefault();
      moveTo(next);
    } else if ((event.key === "Enter" || event.key === " ") && reading && props.onPick) {
      event.preventDefault();
      props.onPick(reading.ts);
    } else if (event.key === "Escape") {
      plot.current?.setCursor({ left: -10, top: -10 });
    }
  }

  const text = (s: Sample | null) =>
    s === null
      ? "no data"
      : `${moment(s.ts)}: ${lines.map((l) => `${lines.length > 1 ? l.label + " " : ""}${format(l.pick(s))}`).join(", ")}`;

  return (
    <figure class="chart">
      <figcaption>
        <h3>{title}</h3>
        <p class="readings">
          {lines.map((line) => (
            <span class="reading" key={line.label}>
              {lines.length > 1 && (
                <span class="key">
                  <span class={`swatch ${line.color.slice(2)}`} aria-hidden="true" />
                  {line.label}
                </span>
              )}
              <Value text={reading ? format(line.pick(reading)) : NONE} />
            </span>
          ))}
          {props.note && <span class="note">{props.note}</span>}
        </p>
        <p class={`summary ${lines.length > 1 ? "multi" : ""}`}>
          {hovered && <span class="at">at {moment(hovered.ts)}</span>}
          <span class={hovered ? "under" : ""}>
            {sums.map((sum, i) => sum && (
              <span class="line" key={i}>
                {lines.length > 1 && <span class="sr-only">{lines[i]!.label}: </span>}
                {lines.length > 1 && <span class={`swatch ${lines[i]!.color.slice(2)}`} aria-hidden="true" />}
                <span class={lines.length > 1 ? "sr-only" : ""}>min {format(sum.min)}</span> <span class="mean">mean {format(sum.mean)}</span> <span>max {format(sum.max)}</span>
              </span>
            ))}
          </span>
        </p>
      </figcaption>
      <div
        class="plot"
        ref={host}
        role="slider"
        tabIndex={0}
        aria-label={`${title}, moment`}
        aria-description={`Arrow keys move over the samples${props.onPick ? ", Enter shows what ran then" : ""}.`}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, shown.length - 1)}
        aria-valuenow={index >= 0 ? index : Math.max(0, shown.length - 1)}
        aria-valuetext={text(reading)}
        onKeyDown={onKeyDown}
        onBlur={() => plot.current?.setCursor({ left: -10, top: -10 })}
      />
      {shown.length === 0 && <p class="blank">{props.loading ? "Loading…" : "No data in this time"}</p>}
    </figure>
  );
}
