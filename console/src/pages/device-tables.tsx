// The device page's tables: processes, interfaces, system.
import { bytes, duration, moment, NONE, number, percent } from "../lib/format";
import { now } from "../lib/clock";
import type { Live } from "../lib/live";
import { time, type Process } from "../lib/types";
import { Definition, Failure, Meter } from "../ui/bits";
import { sorted, SortHeader, useOrder, type Column } from "../ui/sort";

type Key = "pid" | "name" | "user" | "cpu" | "mem" | "command";

const COLUMNS: readonly Column<Key>[] = [
  { key: "name", label: "Process", class: "p-name" },
  { key: "pid", label: "PID", class: "p-pid right" },
  { key: "user", label: "User", class: "p-user" },
  { key: "cpu", label: "CPU", numeric: true, class: "p-num" },
  { key: "mem", label: "Memory", numeric: true, class: "p-num" },
  { key: "command", label: "Command", class: "p-command" },
];

export function Processes({ live, history, onNewest }: {
  live: Live;
  history: boolean;
  onNewest: () => void;
}) {
  const [order, setOrder] = useOrder<Key>({ key: "cpu", down: true });
  const picked = live.moment.value;
  const rows = picked ? picked.processes : live.processes.value;
  const has = (key: "user" | "command") => rows?.some((p) => p[key]) ?? false;
  const columns = COLUMNS.filter((c) => (c.key !== "user" && c.key !== "command") || has(c.key));
  const at = live.processesAt.value;
  const failed = picked?.load.state === "failed" ? picked.load.error : null;

  let when: string;
  if (picked) {
    when = picked.recordedAt === null
      ? `at ${moment(picked.at, now.value)}`
      : `at ${moment(picked.at, now.value)}, recorded ${moment(picked.recordedAt, now.value)}`;
  } else {
    when = at === null ? "" : `as of ${moment(at, now.value)}`;
  }
  const title = picked ? "What ran then" : "Processes";

  return (
    <section class="panel processes" aria-labelledby="processes">
      <div class="panel-head">
        <h2 id="processes">{title}</h2>
        <p class="when" role="status">{when}</p>
        {picked
          ? <button type="button" class="quiet" onClick={onNewest}>Back to newest</button>
          : <p class="hint">{history ? "Select a moment in a chart to see what ran then." : ""}</p>}
      </div>
      {failed && failed.status !== 404 && (
        <Failure error={failed} what="The processes could not be loaded." retry={() => void live.pick(picked!.at)} />
      )}
      <table class="sheet" aria-busy={picked?.load.state === "loading"}>
        <caption class="sr-only">
          Processes with the highest use {when}
        </caption>
        <thead>
          <tr>{columns.map((c) => <SortHeader key={c.key} column={c} order={order} onOrder={setOrder} />)}</tr>
        </thead>
        <tbody>
          {rows && sorted<Process, Key>(rows, order, (p, key) => p[key]).map((p) => (
            <tr key={p.pid}>
              <th scope="row" class="p-name">{p.name}</th>
              <td class="p-pid right">{p.pid}</td>
              {has("user") && <td class="p-user">{p.user ?? NONE}</td>}
              <td class="p-num"><Meter value={p.cpu} tone="cpu" /><span class="num">{percent(p.cpu)}</span></td>
              <td class="p-num"><Meter value={p.mem} tone="memory" /><span class="num">{percent(p.mem)}</span></td>
              {has("command") && <td class="p-command"><code title={p.command ?? ""}>{p.command ?? ""}</code></td>}
            </tr>
          ))}
          {(!rows || rows.length === 0) && (
            <tr>
              <td colSpan={columns.length} class="nothing">
                {picked?.load.state === "loading" ? "Loading…"
                  : failed?.status === 404 ? "No process list was recorded near this moment."
                  : picked ? "" : "No process list yet."}
              </td>
            </tr>
          )}
        </tbody>
      </table>
    </section>
  );
}

export function Interfaces({ live }: { live: Live }) {
  // Those in use first, in the order of the host.
  const rows = live.interfaces.value?.slice().sort((a, b) => Number(b.up ?? false) - Number(a.up ?? false));
  const speeds = rows?.some((i) => i.speedMbps) ?? false;
  const errors = rows?.some((i) => (i.rxErrors ?? 0) + (i.txErrors ?? 0) > 0) ?? false;
  return (
    <section class="panel interfaces" aria-labelledby="interfaces">
      <div class="panel-head"><h2 id="interfaces">Network interfaces</h2></div>
      <div class="scroll" tabIndex={0} role="group" aria-labelledby="interfaces">
        <table class="sheet" role="table">
          <caption class="sr-only">Network interfaces with addresses and totals since they came up</caption>
          <thead role="rowgroup">
            <tr role="row">
              <th scope="col" role="columnheader">Interface</th>
              <th scope="col" role="columnheader">Addresses</th>
              {speeds && <th scope="col" role="columnheader" class="right">Speed</th>}
              <th scope="col" role="columnheader" class="right">Received</th>
              <th scope="col" role="columnheader" class="right">Sent</th>
              {errors && <th scope="col" role="columnheader" class="right">Errors</th>}
            </tr>
          </thead>
          <tbody role="rowgroup">
            {rows?.map((i) => (
              <tr key={i.name} role="row">
                <th scope="row" role="rowheader">
                  <span class={`mark ${i.up ? "online" : "offline"}`}>
                    <span class="lamp" aria-hidden="true" />{i.name}
                    <span class="sr-only">{i.up ? " up" : " down"}</span>
                  </span>
                  <span class="below">{i.up ? "" : "down "}{i.mac ?? ""}</span>
                </th>
                <td role="cell" class="addresses">
                  {(i.addresses ?? []).length === 0 ? NONE : i.addresses!.map((a) => <span key={a}>{a}</span>)}
                </td>
                {speeds && <td role="cell" class="right" data-label="Speed">{i.speedMbps ? `${i.speedMbps}\u202fMb/s` : NONE}</td>}
                <td role="cell" class="right" data-label="Received">{bytes(i.rxBytes)}</td>
                <td role="cell" class="right" data-label="Sent">{bytes(i.txBytes)}</td>
                {errors && <td role="cell" class="right" data-label="Errors">{(i.rxErrors ?? 0) + (i.txErrors ?? 0)}</td>}
              </tr>
            ))}
            {(!rows || rows.length === 0) && (
              <tr role="row"><td role="cell" colSpan={6} class="nothing">No interfaces reported yet.</td></tr>
            )}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Host({ live }: { live: Live }) {
  const s = live.system.value;
  const metrics = live.device.value?.metrics;
  const newest = live.newest.value;
  const used = newest?.diskUsed ?? metrics?.disk?.used ?? null;
  const total = newest?.diskTotal ?? metrics?.disk?.total ?? null;
  const temperature = metrics?.temperature;
  const swap = metrics?.swapUsed;
  return (
    <>
      <Definition term="Hostname">{s.hostname ?? NONE}</Definition>
      <Definition term="System">{[s.os, s.architecture].filter(Boolean).join(", ") || NONE}</Definition>
      <Definition term="Processor cores">{number(s.cpuCores, 0)}</Definition>
      <Definition term="Uptime">{duration(live.uptime.value)}</Definition>
      <Definition term="Disk">
        {total === null ? NONE : (
          <span class="disk">
            <Meter value={used} max={total} />
            <span>{bytes(used)} of {bytes(total)} ({percent(used === null ? null : (100 * used) / total, 0)})</span>
          </span>
        )}
      </Definition>
      {swap != null && <Definition term="Swap used">{bytes(swap)}</Definition>}
      {temperature != null && <Definition term="Temperature">{`${temperature.toFixed(0)}\u202f°C`}</Definition>}
      <Definition term="Address">{s.ipAddress ?? NONE}</Definition>
      <Definition term="MAC">{s.macAddress ?? NONE}</Definition>
      <Definition term="Agent">{s.agentVersion ?? NONE}</Definition>
    </>
  );
}

export function System({ live, host }: { live: Live; host: boolean }) {
  const d = live.device.value;
  const created = time(d?.createdAt);
  return (
    <section class={host ? "panel system" : "panel"} aria-labelledby="system">
      <div class="panel-head"><h2 id="system">{host ? "System" : "About"}</h2></div>
      <dl class="facts">
        {host && <Host live={live} />}
        {d && d.tags && d.tags.length > 0 && <Definition term="Tags">{d.tags.join(", ")}</Definition>}
        {!host && d?.capabilities && d.capabilities.length > 0 && <Definition term="Capabilities">{d.capabilities.join(", ")}</Definition>}
        <Definition term="Added">{created === null ? NONE : moment(created, now.value, false)}</Definition>
        <Definition term="Device id"><code>{d?.id ?? NONE}</code></Definition>
      </dl>
    </section>
  );
}
