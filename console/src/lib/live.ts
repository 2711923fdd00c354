// One device's page: the viewer socket, the samples it brings, the outages and how history
// fills them, and the newest state. Made when the page opens, closed when it goes.
import { computed, signal } from "@preact/signals";
import { asError, isAbort, query, request, type ApiError } from "./api";
import { now } from "./clock";
import { pointsFor, type View, edges, HOUR } from "./ranges";
import {
  addLive, fromFrame, fromHistory, LIVE_STEP_MS, mergeHistory, trim, type Outage, type Sample,
} from "./samples";
import { endSession } from "./session";
import type { Frame, Probe, SocketState } from "./socket";
import {
  time, type Device, type DeviceState, type History, type Interface, type Metrics, type Process,
  type ProcessesAt, type SystemInfo,
} from "./types";
import { openViewer } from "./viewer";

const CHANNELS = ["metrics", "processes", "system-info", "network-interfaces"];
const KEEP_MS = HOUR + 60_000; // the longest live window
// When a gap is asked for again: a device that lost the server, too, sends its rows once it is
// back, and the row of the minute in which we came back is stored only at its end.
const REFILL_MS = [5_000, 20_000, 75_000, 180_000];
const REFRESH_MS = 5_000; // how old name, status and connection of the device may be

export interface Loaded {
  state: "idle" | "loading" | "ready" | "failed";
  error: ApiError | null;
}

const IDLE: Loaded = { state: "idle", error: null };

export interface Moment {
  at: number;
  recordedAt: number | null;
  processes: Process[];
  load: Loaded;
}

export function createLive(id: string) {
  const api = `/api/v1/devices/${encodeURIComponent(id)}`;
  const device = signal<Device | null>(null);
  const deviceError = signal<ApiError | null>(null);
  const socket = signal<SocketState>({ kind: "connecting" });
  const series = signal<Sample[]>([]);
  const outages = signal<Outage[]>([]);
  const liveLoad = signal<Loaded>(IDLE);
  const past = signal<Sample[]>([]);
  const pastStep = signal<number | null>(null); // ms that a point stands for
  const pastLoad = signal<Loaded>(IDLE);
  const processes = signal<Process[] | null>(null);
  const processesAt = signal<number | null>(null);
  const interfaces = signal<Interface[] | null>(null);
  const system = signal<SystemInfo>({});
  // A host says its uptime when something else changes, so what grows is counted from here.
  const bootAt = signal<number | null>(null);
  const moment = signal<Moment | null>(null);
  /** Seconds; of a host that is away, as it last said. */
  const uptime = computed(() =>
    device.value?.connectionStatus === "offline" || bootAt.value === null
      ? (system.value.uptime ?? null)
      : (now.value - bootAt.value) / 1000);
  const newest = computed(() => series.value[series.value.length - 1] ?? null);

  const closing = new AbortController();
  const timers = new Set<number>();
  let pastAbort: AbortController | null = null;
  let momentAbort: AbortController | null = null;
  let everOpen = false;

  function later(ms: number, run: () => void): number {
    const timer = window.setTimeout(() => {
      timers.delete(timer);
      run();
    }, ms);
    timers.add(timer);
    return timer;
  }

  async function loadDevice(): Promise<void> {
    try {
      const found = await request<Device>("GET", api, undefined, { signal: closing.signal });
      device.value = found;
      deviceError.value = null;
      if (found.system) {
        system.value = { ...found.system, ...system.peek() };
      }
    } catch (error) {
      if (!isAbort(error)) {
        deviceError.value = asError(error);
      }
    }
  }

  async function loadState(): Promise<void> {
    try {
      const state = await request<DeviceState>("GET", `${api}/state`, undefined, {
        signal: closing.signal,
      });
      // What the socket brought in the meantime is newer.
      const said = system.peek().uptime ?? state.uptime;
      const at = time(state.recordedAt);
      if (at !== null && state.uptime != null && state.uptime === said) {
        bootAt.value = at - state.uptime * 1000;
      }
      system.value = { ...state, ...system.peek() };
      if (state.interfaces && interfaces.peek() === null) {
        interfaces.value = state.interfaces;
      }
      if (state.top_processes && processes.peek() === null) {
        processes.value = state.top_processes;
        processesAt.value = time(state.recordedAt);
      }
    } catch {
      // A host that never reported has no state; the tables say so.
    }
  }

  async function history(from: number, to: number, points: number, abort: AbortSignal) {
    return request<History>(
      "GET",
      `${api}/metrics${query({ from: Math.floor(from), to: Math.ceil(to), points })}`,
      undefined,
      { signal: abort },
    );
  }

  /** Joins what is stored between two moments into the live series. */
  async function fill(from: number, to: number): Promise<void> {
    const points = Math.min(600, Math.ceil((to - from) / 10_000) + 1);
    const data = await history(from, to, points, closing.signal);
    const rows = fromHistory(data.points, Math.max(data.resolution_ms, 10_000));
    series.value = trim(mergeHistory(series.peek(), rows), Date.now() - KEEP_MS);
  }

  async function loadLive(): Promise<void> {
    liveLoad.value = { state: "loading", error: null };
    try {
      await fill(Date.now() - KEEP_MS, Date.now());
      liveLoad.value = { state: "ready", error: null };
    } catch (error) {
      if (!isAbort(error)) {
        liveLoad.value = { state: "failed", error: asError(error) };
      }
    }
  }

  function tryFill(from: number, to: number): void {
    fill(from, to).catch(() => {
      // the stretch stays shaded as "no data"; the next fill of it may still succeed
    });
  }

  function onState(state: SocketState): void {
    const before = socket.peek();
    socket.value = state;
    if (state.kind === "open") {
      const open = outages.peek().find((o) => o.to === null);
      if (open) {
        const to = Date.now();
        outages.value = outages.peek().map((o) => (o === open ? { ...o, to } : o));
        tryFill(open.from, to);
        REFILL_MS.forEach((ms) => later(ms, () => tryFill(open.from, to)));
        void loadDevice();
      }
      everOpen = true;
    } else if (before.kind === "open" && everOpen) {
      const last = newest.peek();
      outages.value = [...outages.peek(), { from: last ? last.ts : Date.now(), to: null }];
    }
    if (state.kind === "stopped" && state.signIn) {
      endSession();
    }
  }

  function onFrame(frame: Frame): void {
    const data = frame.data as Record<string, unknown> | null | undefined;
    if (!data || typeof data !== "object") {
      return;
    }
    if (frame.type === "metrics") {
      const sample = fromFrame(data as Metrics);
      if (sample) {
        series.value = trim(addLive(series.peek(), sample), Date.now() - KEEP_MS);
        if (device.peek()?.connectionStatus === "offline" && sample.ts > Date.now() - LIVE_STEP_MS) {
          void loadDevice(); // it is back
        }
      }
    } else if (frame.type === "processes" && Array.isArray(data["top_processes"])) {
      processes.value = data["top_processes"] as Process[];
      processesAt.value = Date.now();
    } else if (frame.type === "system-info") {
      const { uptime } = data as SystemInfo;
      if (uptime != null && uptime !== system.peek().uptime) {
        bootAt.value = Date.now() - uptime * 1000;
      }
      system.value = { ...system.peek(), ...(data as SystemInfo) };
    } else if (frame.type === "network-interfaces" && Array.isArray(data["interfaces"])) {
      interfaces.value = data["interfaces"] as Interface[];
    }
  }

  async function probe(): Promise<Probe> {
    try {
      device.value = await request<Device>("GET", api, undefined, { signal: closing.signal });
      return "ok";
    } catch (error) {
      const status = asError(error).status;
      return status === 401 ? "signed-out"
        : status === 403 ? "forbidden"
        : status === 404 ? "gone"
        : "unreachable";
    }
  }

  const viewer = openViewer(`${api}/ws`, probe, { onState, onFrame },
    JSON.stringify({ type: "subscribe", channels: CHANNELS }));

  const every = window.setInterval(() => {
    if (!document.hidden) {
      void loadDevice();
    }
  }, REFRESH_MS);

  void loadDevice().then(() => {
    if (deviceError.peek()?.status !== 404 && !closing.signal.aborted) {
      viewer.start();
      if (device.peek()?.system !== null) {
        void loadState(); // null: it never reported
      }
      void loadLive();
    }
  });

  return {
    device, deviceError, socket, series, outages, liveLoad, past, pastStep, pastLoad,
    processes, processesAt, interfaces, system, uptime, moment, newest,
    retry: viewer.retry,
    reloadDevice: loadDevice,
    reloadLive: loadLive,

    /** Loads a history view; an earlier one that is still under way is dropped. */
    async loadPast(view: View, widthPx: number, quiet = false): Promise<void> {
      pastAbort?.abort();
      const abort = new AbortController();
      pastAbort = abort;
      if (!quiet) {
        pastLoad.value = { state: "loading", error: null };
      }
      const { from, to } = edges(view, Date.now());
      try {
        const data = await history(from, to, pointsFor(widthPx), abort.signal);
        past.value = fromHistory(data.points, Math.max(data.resolution_ms, 1000));
        pastStep.value = data.resolution_ms;
        pastLoad.value = { state: "ready", error: null };
        now.value = Date.now();
      } catch (error) {
        if (!isAbort(error) && !(quiet && past.peek().length > 0)) {
          pastLoad.value = { state: "failed", error: asError(error) };
        }
      }
    },

    /** What ran at a moment; null goes back to the newest list. */
    async pick(at: number | null): Promise<void> {
      momentAbort?.abort();
      if (at === null) {
        moment.value = null;
        return;
      }
      const abort = new AbortController();
      momentAbort = abort;
      const before = moment.peek();
      moment.value = {
        at,
        recordedAt: before?.recordedAt ?? null,
        processes: before?.processes ?? [],
        load: { state: "loading", error: null },
      };
      try {
        const found = await request<ProcessesAt>(
          "GET", `${api}/processes${query({ at: Math.round(at) })}`, undefined,
          { signal: abort.signal },
        );
        moment.value = {
          at,
          recordedAt: time(found.recordedAt),
          processes: found.top_processes ?? [],
          load: { state: "ready", error: null },
        };
      } catch (error) {
        if (!isAbort(error)) {
          moment.value = {
            at, recordedAt: null, processes: [], load: { state: "failed", error: asError(error) },
          };
        }
      }
    },

    close(): void {
      closing.abort();
      pastAbort?.abort();
      momentAbort?.abort();
      viewer.close();
      timers.forEach((timer) => window.clearTimeout(timer));
      window.clearInterval(every);
    },
  };
}

export type Live = ReturnType<typeof createLive>;
