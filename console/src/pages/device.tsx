// One device: what it is, how it does now, how it did before, and what ran then.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { now } from "../lib/clock";
import { ago, bytes, duration, moment, number, percent, rate } from "../lib/format";
import { createLive, type Live } from "../lib/live";
import { edges, formatView, LAST, LIVE, parseAt, parseView, zoomed, type View } from "../lib/ranges";
import { BASE, params, setQuery } from "../lib/router";
import { bands as findBands, type Outage, type Sample } from "../lib/samples";
import { may } from "../lib/session";
import { time } from "../lib/types";
import { ConnectionMark, Failure, Title } from "../ui/bits";
import { Chart, type ChartProps, type Line } from "../ui/chart";
import { Link } from "../ui/link";
import { TimePicker } from "../ui/time-picker";
import { Interfaces, Processes, System } from "./device-tables";
import { Manage } from "./manage";
import { NotFound } from "./not-found";
import { Telemetry, useReadings, type Readings } from "./telemetry";

const REFRESH_MS = 30_000;
const SILENT_MS = 90_000; // as long as a device may be silent before the server calls it stale
const NO_OUTAGES: readonly Outage[] = [];
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
const still = window.matchMedia("(prefers-reduced-motion: reduce)");

const CPU: Line[] = [{ label: "CPU", color: "--c-cpu", pick: (s) => s.cpu }];
const MEMORY: Line[] = [{ label: "Used", color: "--c-memory", pick: (s) => s.memUsed }];
const NETWORK: Line[] = [
  { label: "Down", color: "--c-down", pick: (s) => s.down },
  { label: "Up", color: "--c-up", pick: (s) => s.up },
];
const LOAD: Line[] = [{ label: "Load", color: "--c-load", pick: (s) => s.load }];
const POWERS_OF_TWO = Array.from({ length: 50 }, (_, i) => 2 ** i);

/** The next of 1, 2, 5, 10 ... at or above. */
function nice(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const lead = value / power;
  return (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10) * power;
}

function useLive(id: string): Live | null {
  const [live, setLive] = useState<Live | null>(null);
  useEffect(() => {
    const made = createLive(id);
    setLive(made);
    return () => made.close();
  }, [id]);
  return live;
}

function DeviceLink({ live }: { live: Live }) {
  const state = live.socket.value;
  const newest = live.newest.value;
  // The socket may be well while the device says nothing.
  const silent = newest !== null && now.value - newest.ts > SILENT_MS;
  const offline = live.device.value?.connectionStatus === "offline";
  const disabled = live.device.value?.status === "disabled";
  let words;
  if (disabled) {
    words = <>Disabled <span class="dim">· the server refuses this device until it is enabled</span></>;
  } else if (silent || (newest === null && offline)) {
    words = <>Waiting for the device <span class="dim">· {newest ? `newest sample ${ago(newest.ts, now.value)}` : "no sample yet"}</span></>;
  } else {
    words = <>Live <span class="dim">· {newest ? `newest sample ${ago(newest.ts, now.value)}` : "waiting for the first sample"}</span></>;
  }
  return <Link state={state} live={words} quiet={silent || offline || disabled} retry={live.retry} />;
}

function Head({ live }: { live: Live }) {
  const d = live.device.value;
  const s = live.system.value;
  const error = live.deviceError.value;
  const seen = time(d?.lastSeen);
  const addresses = (live.interfaces.value ?? [])
    .filter((i) => i.up && i.name !== "lo")
    .flatMap((i) => i.addresses ?? [])
    .filter((a) => !a.startsWith("fe80"));
  const address = addresses.length > 0 ? addresses : s.ipAddress ? [s.ipAddress] : [];
  const facts = [
    d?.system === null && d.type !== "host" ? d.type : null,
    s.hostname,
    s.os,
    s.architecture,
    live.uptime.value === null ? null : `up ${duration(live.uptime.value)}`,
    s.agentVersion ? `agent ${s.agentVersion}` : null,
    address.slice(0, 2).join(", ") + (address.length > 2 ? ` and ${address.length - 2} more` : ""),
  ].filter((f) => f);
  return (
    <header class="device-head">
      <nav aria-label="Breadcrumb"><a href={BASE}>Devices</a> <span aria-hidden="true">/</span></nav>
      <div class="line">
        <Title text={d?.name ?? "Device"}>{d?.name ?? "\u00a0"}</Title>
        {d && <ConnectionMark value={d.connectionStatus} />}
        {d && d.connectionStatus !== "online" && (
          <span class="dim">{seen === null ? "never seen" : `last seen ${ago(seen, now.value)}`}</span>
        )}
        {d && d.status !== "active" && <span class="tag">{d.status}</span>}
        {d && may("device:device:write") && <Manage live={live} device={d} />}
      </div>
      <ul class="facts-line" aria-label="About this device">
        {facts.length > 0 ? facts.map((f) => <li key={f}>{f}</li>) : <li>{"\u00a0"}</li>}
      </ul>
      {error && !d && <Failure error={error} what="The device could not be loaded." retry={() => void live.reloadDevice()} />}
    </header>
  );
}

function describe(view: View, from: number, to: number): string {
  if (view.kind === "fixed") {
    return `${moment(from, now.value, false)} – ${moment(to, now.value, false)}`;
  }
  return [...LIVE, ...LAST].find((c) => c.key === view.key && c.ms === view.ms)?.long ?? "";
}

function Charts({ live, view, at, onView, onPick }: {
  live: Live;
  view: View;
  at: number | null;
  onView: (view: View) => void;
  onPick: (at: number) => void;
}) {
  const box = useRef<HTMLDivElement>(null);
  const isLive = view.kind === "live";
  const key = view.kind === "fixed" ? `${view.from}-${view.to}` : view.key;

  useEffect(() => {
    if (isLive) {
      return;
    }
    const width = () => (box.current?.clientWidth ?? 800) / (window.innerWidth > 1000 ? 2 : 1);
    void live.loadPast(view, width());
    if (view.kind === "fixed") {
      return;
    }
    const timer = setInterval(() => {
      if (!document.hidden) {
        void live.loadPast(view, width(), true);
      }
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, [live, isLive, key]);

  // A view that slides: with the second, with the sample where motion is unwanted, and with each
  // load in history.
  const series: readonly Sample[] = isLive ? live.series.value : live.past.value;
  const newest = live.newest.value;
  const load = isLive ? live.liveLoad.value : live.pastLoad.value;
  const loadedAt = useMemo(() => Date.now(), [live.past.value, key]);
  const end = !isLive ? loadedAt : still.matches && newest ? Math.max(newest.ts, now.value - 30_000) : now.value;
  const { from, to } = edges(view, end);
  const outages = isLive ? live.outages.value : NO_OUTAGES;
  const last = series[series.length - 1]?.ts ?? 0;
  // Nothing is missing from before the device was added, or sent its first sample.
  const added = Math.min(time(live.device.value?.createdAt) ?? 0, series[0]?.ts ?? Infinity);
  const bands = useMemo(
    () => findBands(series, outages, Math.max(from, added), Math.min(to, now.peek())),
    [series, outages, Math.floor(to / 5000), last, added],
  );
  const loading = load.state === "loading" || load.state === "idle";

  const total = newest?.memTotal ?? series.find((s) => s.memTotal !== null)?.memTotal ?? null;
  const cores = live.system.value.cpuCores ?? null;
  const common: Pick<ChartProps, "series" | "from" | "to" | "bands" | "picked" | "loading" | "onZoom" | "onPick"> = {
    series, from, to, bands, picked: at, loading, onPick,
    onZoom: (a, b) => onView(zoomed(a, b)),
  };
  return (
    <section class="charts-section" aria-labelledby="charts-title">
      <h2 id="charts-title" class="sr-only">Charts, {describe(view, from, to)}</h2>
      <p class="legend">
        <span class="what">{describe(view, from, to)}</span>
        {!isLive && live.pastStep.value && (
          <span>means of {duration(live.pastStep.value / 1000)}</span>
        )}
        {bands.some((b) => b.kind === "filled") && <span><i class="swatch filled" aria-hidden="true" />filled from history</span>}
        {bands.some((b) => b.kind === "none") && <span><i class="swatch none" aria-hidden="true" />no data</span>}
        {!isLive && <button type="button" class="link" onClick={() => onView({ kind: "live", key: "5m", ms: 300_000 })}>Back to live</button>}
      </p>
      {load.state === "failed" && load.error && (
        <Failure
          error={load.error}
          what="History could not be loaded."
          retry={() => void (isLive ? live.reloadLive() : live.loadPast(view, 800))}
        />
      )}
      <div class={`charts ${loading && series.length > 0 ? "busy" : ""}`} ref={box}>
        <Chart
          {...common} title="CPU" lines={CPU} format={percent} axis={(v) => `${v}%`}
          top={() => 100} increments={[25, 50]}
          {...(cores ? { note: `${cores} ${cores === 1 ? "core" : "cores"}` } : {})}
        />
        <Chart
          {...common} title="Memory" lines={MEMORY} format={bytes} axis={(v) => bytes(v).replace(/\.0+\b/, "")}
          top={(max) => total ?? Math.max(max * 1.2, 2 ** 20)} increments={POWERS_OF_TWO}
          {...(total ? { note: `of ${bytes(total)}` } : {})}
        />
        <Chart
          {...common} title="Network" lines={NETWORK} format={rate} axis={(v) => rate(v).replace(/\.0+\b/, "")}
          top={(max) => nice(Math.max(max * 1.05, 1000))}
        />
        <Chart
          {...common} title="Load" lines={LOAD} format={(v) => number(v)} axis={(v) => String(Number(v.toFixed(2)))}
          top={(max) => nice(Math.max(max * 1.05, 1))} note="1 min average"
        />
      </div>
      <p class="hint foot">Drag over a chart to zoom. Select a moment to see what ran then. Times are in {ZONE}.</p>
    </section>
  );
}

/** Whether the device is, or may yet be, a host that reports on itself; null: not known yet. One
 * that only measures has no charts of a host, which would stay empty. */
function isHost(live: Live, readings: Readings): boolean | null {
  const d = live.device.value;
  if (d?.system || d?.metrics || live.newest.value || live.past.value.length > 0) {
    return true;
  }
  if (!d || readings.rows === null) {
    return live.deviceError.value && !d ? true : null;
  }
  return d.type === "host" && readings.rows.length === 0;
}

export function DevicePage({ id }: { id: string }) {
  const live = useLive(id);
  const readings = useReadings(id);
  const view = useMemo(() => parseView(params.value), [params.value]);
  const at = useMemo(() => parseAt(params.value), [params.value]);

  useEffect(() => {
    if (live) {
      void live.pick(at);
    }
  }, [live, at]);

  if (!live) {
    return <div class="page device" />;
  }
  if (live.deviceError.value?.status === 404) {
    return <NotFound what="There is no such device, or you may not see it." />;
  }
  const host = isHost(live, readings);
  const onView = (next: View) => setQuery(formatView(next, null));
  const onPick = (moment: number) => setQuery(formatView(view, Math.round(moment)), at !== null);
  return (
    <div class="page device">
      <Head live={live} />
      {host && (
        <>
          <div class="bar">
            <DeviceLink live={live} />
            <TimePicker view={view} onView={onView} />
          </div>
          <Charts live={live} view={view} at={at} onView={onView} onPick={onPick} />
        </>
      )}
      <Telemetry id={id} readings={readings} />
      {host === false && readings.rows?.length === 0 && (
        <p class="empty">
          {readings.error ? readings.error.message : "This device has not measured anything yet. What it sends shows up here by itself."}
        </p>
      )}
      <div class="panels">
        {host && <Processes live={live} history={view.kind !== "live"} onNewest={() => setQuery(formatView(view, null))} />}
        {host && <Interfaces live={live} />}
        {host !== null && <System live={live} host={host} />}
      </div>
    </div>
  );
}
