// The list of devices with their live state, asked for every three seconds.
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { ApiError, isAbort, query, requestIfChanged } from "../lib/api";
import { now, poll } from "../lib/clock";
import { ago, moment, NONE, percent, rate } from "../lib/format";
import { devicePath } from "../lib/router";
import { may } from "../lib/session";
import { time, type Connection, type Device } from "../lib/types";
import { ConnectionMark, CopyField, Failure, Meter, Title } from "../ui/bits";
import { sorted, SortHeader, useOrder, type Column } from "../ui/sort";
import { AddDevice, agentCommand } from "./add-device";

const EVERY_MS = 3000;
const PAGE = 50;

type Key = "name" | "type" | "connection" | "cpu" | "memory" | "network";

const COLUMNS: readonly Column<Key>[] = [
  { key: "name", label: "Name", class: "c-name" },
  { key: "type", label: "Type", class: "c-type" },
  { key: "connection", label: "Connection", class: "c-conn" },
  { key: "cpu", label: "CPU", numeric: true, class: "c-meter" },
  { key: "memory", label: "Memory", numeric: true, class: "c-meter" },
  { key: "network", label: "Network", numeric: true, class: "c-net" },
];

const RANK: Record<Connection, number> = { online: 0, stale: 1, offline: 2 };
const FILTERS: readonly [string, string][] = [
  ["", "All"], ["online", "Online"], ["stale", "Stale"], ["offline", "Offline"],
];

// Kept over a visit to a device, so that coming back finds the list as it was.
const text = signal("");
const connection = signal("");
const cursors = signal<(string | null)[]>([null]);
const last = signal<{ key: string; rows: Device[]; next: string | null; etag: string | null } | null>(null);

const share = (d: Device): number | null => {
  const m = d.metrics?.memory;
  return m?.used != null && m.total ? (100 * m.used) / m.total : null;
};

/** A device that is not connected has old numbers; they are not shown as if they were of now. */
const fresh = (d: Device) => (d.connectionStatus === "offline" ? null : (d.metrics ?? null));

function value(d: Device, key: Key): string | number | null {
  switch (key) {
    case "name": return d.name;
    case "type": return d.type;
    case "connection": return RANK[d.connectionStatus] ?? 3;
    case "cpu": return fresh(d)?.cpu ?? null;
    case "memory": return fresh(d) ? share(d) : null;
    case "network": {
      const n = fresh(d)?.network;
      return n ? (n.download ?? 0) + (n.upload ?? 0) : null;
    }
  }
}

function Row({ device: d }: { device: Device }) {
  const m = fresh(d);
  const memory = m ? share(d) : null;
  const seen = time(d.lastSeen);
  const host = d.system?.hostname;
  const below = [host && host !== d.name ? host : null, d.system?.os].filter(Boolean).join(" · ");
  return (
    <tr role="row">
      <th scope="row" role="rowheader" class="c-name">
        <a class="row-link" href={devicePath(d.id)}>{d.name}</a>
        {(below || d.status !== "active") && (
          <span class="below">
            {d.status !== "active" && <span class="tag">{d.status}</span>}
            {below}
          </span>
        )}
      </th>
      <td role="cell" class="c-type">{d.type ?? NONE}</td>
      <td role="cell" class="c-conn">
        <ConnectionMark value={d.connectionStatus} />
        <span class="below">
          {seen === null ? "never seen" : <time dateTime={d.lastSeen!} title={moment(seen)}>{ago(seen, now.value)}</time>}
        </span>
      </td>
      <td role="cell" class="c-meter" data-label="CPU">
        {m?.cpu != null && <Meter value={m.cpu} />}<span class="num">{percent(m?.cpu)}</span>
      </td>
      <td role="cell" class="c-meter" data-label="Memory">
        {memory !== null && <Meter value={memory} tone={memory >= 95 ? "bad" : memory >= 85 ? "warn" : "memory"} />}<span class="num">{percent(memory)}</span>
      </td>
      <td role="cell" class="c-net">
        {m?.network
          ? <><span class="num"><span aria-hidden="true">↓ </span><span class="sr-only">download </span>{rate(m.network.download)}</span>
              <span class="num"><span aria-hidden="true">↑ </span><span class="sr-only">upload </span>{rate(m.network.upload)}</span></>
          : <span class="num">{NONE}</span>}
      </td>
    </tr>
  );
}

/** "3 devices", or which of them a page shows. */
function counted(rows: number, before: number, more: boolean): string {
  if (before > 0 || more) {
    return `${before + 1}–${before + rows}${more ? ", more on the next page" : ""}`;
  }
  return `${rows} ${rows === 1 ? "device" : "devices"}`;
}

function Enrol({ onAdd }: { onAdd: () => void }) {
  return (
    <section class="empty" aria-labelledby="enrol">
      <h2 id="enrol">No devices yet</h2>
      <p>
        A device signs in with a key of its own. Make one here, or on the server's command line,
        then start the agent on the machine that you want to watch.
      </p>
      <ol>
        <li>
          <CopyField label="Make a device and its key" value="signalbox device add --name my-machine" />
          {may("device:device:write") && (
            <p>or <button type="button" class="link" onClick={onAdd}>add a device here</button>.</p>
          )}
        </li>
        <li>
          <CopyField
            label="Start the agent on that machine"
            value={agentCommand("KEY")}
          />
        </li>
      </ol>
      <p class="hint">It shows up here within seconds; this page looks for it by itself.</p>
    </section>
  );
}

export function Devices() {
  const [error, setError] = useState<ApiError | null>(null);
  const [adding, setAdding] = useState(false);
  const [turn, setTurn] = useState(0);
  const [order, setOrder] = useOrder<Key>({ key: "name", down: false });
  const [typed, setTyped] = useState(text.value);
  const cursor = cursors.value[cursors.value.length - 1] ?? null;
  const path = "/api/v1/devices" + query({
    limit: PAGE, cursor, connection: connection.value, q: text.value,
  });

  useEffect(() => {
    if (typed === text.peek()) {
      return;
    }
    const timer = setTimeout(() => {
      text.value = typed.trim();
      cursors.value = [null];
    }, 200);
    return () => clearTimeout(timer);
  }, [typed]);

  useEffect(() => poll(EVERY_MS, async (abort) => {
    try {
      const before = last.peek();
      const etag = before?.key === path ? before.etag : null;
      const reply = await requestIfChanged<Device[]>("GET", path, undefined, { signal: abort, etag });
      if (reply) {
        last.value = { key: path, rows: reply.data, next: reply.next, etag: reply.etag };
      }
      setError(null);
    } catch (e) {
      if (!isAbort(e)) {
        setError(e instanceof ApiError ? e : new ApiError(0, "UNKNOWN", String(e)));
      }
    }
  }), [path, turn]);

  const list = last.value;
  const filtered = text.value !== "" || connection.value !== "";
  const rows = list ? sorted(list.rows, order, value) : null;
  const pages = cursors.value.length > 1 || (list?.next ?? null) !== null;
  const first = cursors.value.length === 1;
  const none = rows !== null && rows.length === 0 && list?.key === path;

  return (
    <div class="page devices">
      <div class="page-head">
        <Title text="Devices" />
        {may("device:device:write") && (
          <button type="button" class="primary" onClick={() => setAdding(true)}>Add device</button>
        )}
      </div>
      <search class="filters" hidden={none && !filtered && first && !error}>
        <label>
          <span class="sr-only">Filter by name</span>
          <input
            type="search"
            placeholder="Filter by name"
            value={typed}
            autocomplete="off"
            spellcheck={false}
            onInput={(e) => setTyped(e.currentTarget.value)}
          />
        </label>
        <fieldset class="segmented inline">
          <legend class="sr-only">Connection</legend>
          {FILTERS.map(([key, label]) => (
            <label key={key}>
              <input
                type="radio"
                name="connection"
                value={key}
                checked={connection.value === key}
                onChange={() => {
                  connection.value = key;
                  cursors.value = [null];
                }}
              />
              <span>{label}</span>
            </label>
          ))}
        </fieldset>
        <p class={`count ${rows && error ? "old" : ""}`} role="status">
          {rows && error ? (
            <>
              {error.message} These values are old.{" "}
              <button type="button" class="link" onClick={() => setTurn(turn + 1)}>Try now</button>
            </>
          ) : rows && !none ? (
            counted(rows.length, PAGE * (cursors.value.length - 1), !!list?.next)
          ) : ""}
        </p>
      </search>

      {error && !rows && (
        <Failure error={error} what="The devices could not be loaded." retry={() => setTurn(turn + 1)} />
      )}

      {none && !filtered && first ? <Enrol onAdd={() => setAdding(true)} /> : (
        <table class={`ledger ${error ? "old" : ""}`} role="table" aria-busy={rows === null}>
          <caption class="sr-only">
            Devices with connection and newest values{pages ? "; sorting is within this page" : ""}
          </caption>
          <thead role="rowgroup">
            <tr role="row">
              {COLUMNS.map((c) => <SortHeader key={c.key} column={c} order={order} onOrder={setOrder} />)}
            </tr>
          </thead>
          <tbody role="rowgroup">
            {rows === null && !error && [0, 1, 2].map((i) => (
              <tr key={i} class="ghost" aria-hidden="true"><td colSpan={6}><span /></td></tr>
            ))}
            {rows?.map((d) => <Row key={d.id} device={d} />)}
            {none && (
              <tr role="row">
                <td role="cell" colSpan={6} class="nothing">
                  No device matches.{" "}
                  {filtered && (
                    <button
                      type="button"
                      class="link"
                      onClick={() => {
                        setTyped("");
                        text.value = "";
                        connection.value = "";
                        cursors.value = [null];
                      }}
                    >
                      Show all
                    </button>
                  )}
                </td>
              </tr>
            )}
          </tbody>
        </table>
      )}

      {pages && (
        <nav class="pages" aria-label="Pages of devices">
          <button
            type="button"
            disabled={cursors.value.length === 1}
            onClick={() => { cursors.value = cursors.value.slice(0, -1); }}
          >
            Previous
          </button>
          <span>Page {cursors.value.length}</span>
          <button
            type="button"
            disabled={!list?.next || list.key !== path}
            onClick={() => { cursors.value = [...cursors.value, list!.next]; }}
          >
            Next
          </button>
        </nav>
      )}
      {adding && <AddDevice onClose={() => setAdding(false)} onAdded={() => setTurn(turn + 1)} />}
    </div>
  );
}
