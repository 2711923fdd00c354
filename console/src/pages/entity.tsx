// One entity: its state now, what can be done with it, and what it was before.
import { useEffect, useMemo, useState } from "preact/hooks";
import { asError, isAbort, request, type ApiError } from "../lib/api";
import { now } from "../lib/clock";
import { duration, moment, NONE } from "../lib/format";
import { entityApi, roomOf, type House } from "../lib/house";
import { loadPast, SPANS, type Past } from "../lib/past";
import { devicePath, entityPath, HOME, navigate } from "../lib/router";
import { mayIn } from "../lib/session";
import { isAway, isNothing, isQuantity, said, shares, steps, stretches, switchable, type Stretch } from "../lib/states";
import { time, type Device, type Entity } from "../lib/types";
import { Definition, Failure, Title } from "../ui/bits";
import { Link } from "../ui/link";
import { EntityForm } from "./home-forms";
import { mayControl, State, useControl } from "./home-parts";
import { NotFound } from "./not-found";

const LISTED = 20; // changes, before somebody asks for all
const TONES = ["c-cpu", "c-up", "c-memory", "c-down", "c-load"];
const RESTING = new Set(["off", "closed", "idle", "not_home", "locked", "clear", "standby"]);

/** The same colour for a state wherever it is; what rests is pale, what is not known is hatched. */
function tones(all: readonly { state: string }[]): Map<string, string> {
  const found = new Map<string, string>();
  let next = 0;
  for (const { state } of all) {
    if (!found.has(state)) {
      found.set(state, isNothing(state) ? "none" : RESTING.has(state) ? "rest" : TONES[next++ % TONES.length]!);
    }
  }
  return found;
}

function Quantity({ all, from, to, unit }: { all: Stretch[]; from: number; to: number; unit: (v: number) => string }) {
  const drawn = steps(all, from, to);
  return drawn && (
    <div class="steps">
      <p class="ends"><span>{unit(drawn.max)}</span><span>{unit(drawn.min)}</span></p>
      <svg viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" aria-label={`From ${unit(drawn.min)} to ${unit(drawn.max)}`}>
        <path d={drawn.path} />
      </svg>
    </div>
  );
}

function Bands({ all, from, to }: { all: Stretch[]; from: number; to: number }) {
  const sums = shares(all);
  const tone = tones(sums);
  return (
    <>
      <div class="bands" aria-hidden="true">
        {all.map((s, i) => (
          <span
            key={i} class={`swatch ${tone.get(s.state)}`}
            style={{ left: `${(100 * (s.from - from)) / (to - from)}%`, width: `${(100 * (s.to - s.from)) / (to - from)}%` }}
            title={`${said(s.state)}, ${moment(s.from)}, ${duration((s.to - s.from) / 1000)}`}
          />
        ))}
      </div>
      <p class="legend">
        {sums.slice(0, 8).map((s) => (
          <span key={s.state}><i class={`swatch ${tone.get(s.state)}`} aria-hidden="true" />{said(s.state)} {duration(s.ms / 1000)}</span>
        ))}
      </p>
    </>
  );
}

function History({ entity: e }: { entity: Entity }) {
  const [span, setSpan] = useState(2);
  const [past, setPast] = useState<Past | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [turn, setTurn] = useState(0);
  const [whole, setWhole] = useState(false);

  useEffect(() => {
    const abort = new AbortController();
    setPast(null);
    setWhole(false);
    loadPast(e.entity_id, span, abort.signal).then(
      (found) => { setPast(found); setError(null); },
      (x) => { if (!isAbort(x)) { setError(asError(x)); } },
    );
    return () => abort.abort();
  }, [e.entity_id, span, turn]);

  // What has changed since comes from the live state.
  const rows = useMemo(() => {
    const last = past?.rows[past.rows.length - 1];
    if (past && e.last_changed && (!last || last.state !== e.state || last.changed_at < e.last_changed)) {
      past.rows.push({ state: e.state, attributes: e.attributes ?? {}, changed_at: e.last_changed });
    }
    return past?.rows.slice() ?? [];
  }, [past, e.state, e.last_changed]);

  const to = now.value;
  const begin = past ? Math.max(past.from, to - (SPANS[past.span]?.ms ?? to - past.from)) : to - SPANS[span]!.ms;
  const all = stretches(rows, begin, to);
  const from = Math.min(all[0]?.from ?? begin, to - 1000); // what is younger than the span fills it
  const unit = (v: number) => said(String(v), e.attributes);
  const listed = all.slice(whole ? 0 : -LISTED).reverse();
  return (
    <section class="charts-section past" aria-labelledby="past">
      <div class="panel-head">
        <h2 id="past">History</h2>
        <fieldset class="segmented inline">
          <legend class="sr-only">Span of time</legend>
          {SPANS.map((s, i) => (
            <label key={s.key} title={s.long}>
              <input type="radio" name="span" aria-label={s.long} checked={span === i} onChange={() => setSpan(i)} />
              <span>{s.label}</span>
            </label>
          ))}
        </fieldset>
      </div>
      {error && <Failure error={error} what="History could not be loaded." retry={() => setTurn(turn + 1)} />}
      {past && past.span < span && (
        <p class="hint">Too many changes for so long a time: this is the {past.span < 0 ? "last 5 minutes" : SPANS[past.span]!.long.toLowerCase()}.</p>
      )}
      {past && all.length === 0 && <p class="nothing">Nothing is recorded in this time.</p>}
      {all.length > 0 && (
        <>
          <figure>
            {isQuantity(all)
              ? <Quantity all={all} from={from} to={to} unit={unit} />
              : <Bands all={all} from={from} to={to} />}
            <p class="ends times"><span>{moment(from, to, false)}</span><span>now</span></p>
          </figure>
          <table class="sheet">
            <caption class="sr-only">Changes of state, the newest first</caption>
            <thead><tr><th scope="col">State</th><th scope="col" class="right">Since</th><th scope="col" class="right">For</th></tr></thead>
            <tbody>
              {listed.map((s, i) => (
                <tr key={all.length - i}>
                  <th scope="row">{said(s.state, s.attributes)}</th>
                  <td class="right">{s.from === begin ? "before" : moment(s.from, to)}</td>
                  <td class="right dim">{duration((s.to - s.from) / 1000)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {listed.length < all.length && (
            <p><button type="button" class="link" onClick={() => setWhole(true)}>Show all {all.length} changes</button></p>
          )}
        </>
      )}
    </section>
  );
}

function DeviceName({ id }: { id: string }) {
  const [name, setName] = useState(id);
  useEffect(() => {
    request<Device>("GET", `/api/v1/devices/${id}`).then((d) => setName(d.name), () => {});
  }, []);
  return <a href={devicePath(id)}>{name}</a>;
}

const shownAttribute = (value: unknown): string =>
  typeof value === "string" ? value : JSON.stringify(value);

function Found({ house, entity: e }: { house: House; entity: Entity }) {
  const [editing, setEditing] = useState(false);
  const control = useControl(e);
  const room = house.rooms.value?.find((r) => r.id === e.room_id);
  const changed = time(e.last_changed);
  const allowed = mayControl(e);
  const out = control.busy || !allowed || isAway(e.state);
  return (
    <div class="page entity">
      <header class="device-head">
        <nav aria-label="Breadcrumb"><a href={HOME}>Home</a> <span aria-hidden="true">/</span> {room?.name ?? "In no room"}</nav>
        <div class="line">
          <Title text={e.name} />
          {mayIn("home:entity:write", roomOf(e)) && (
            <button type="button" class="quiet manage" onClick={() => setEditing(true)}>Edit</button>
          )}
        </div>
      </header>
      <div class="bar">
        <p class="now"><State entity={e} /> <span class="dim">{changed === null ? "" : `for ${duration(Math.max(0, now.value - changed) / 1000)}`}</span></p>
        {switchable(e) && (
          <div class="buttons">
            {control.note !== "" && <p class={control.failed ? "field-error" : "hint"} role="alert">{control.note}</p>}
            {!allowed && <p class="hint">You may not control this.</p>}
            <button type="button" disabled={out} onClick={() => void control.act("turn_on")}>Turn on</button>
            <button type="button" disabled={out} onClick={() => void control.act("turn_off")}>Turn off</button>
            <button type="button" disabled={out} onClick={() => void control.act("toggle")}>Toggle</button>
          </div>
        )}
        <Link state={house.socket.value} live={<>Live</>} retry={house.retry} />
      </div>
      <div class="panels">
        <History entity={e} />
        <section class="panel" aria-labelledby="about">
          <div class="panel-head"><h2 id="about">About</h2></div>
          <dl class="facts">
            {Object.entries(e.attributes ?? {}).map(([key, value]) => (
              <Definition key={key} term={key.replace(/_/g, " ")}>{shownAttribute(value)}</Definition>
            ))}
            <Definition term="Room">{room?.name ?? NONE}</Definition>
            {e.device_id && <Definition term="Device"><DeviceName key={e.device_id} id={e.device_id} /></Definition>}
            {e.capability && <Definition term="Capability">{e.capability}</Definition>}
            <Definition term="Entity id"><code>{e.entity_id}</code></Definition>
            {e.aliases && e.aliases.length > 0 && <Definition term="Earlier ids"><code>{e.aliases.join(", ")}</code></Definition>}
          </dl>
        </section>
      </div>
      {editing && <EntityForm house={house} entity={e} onClose={() => setEditing(false)} />}
    </div>
  );
}

export function EntityPage({ house, id }: { house: House; id: string }) {
  house.shape.value;
  const [missing, setMissing] = useState(false);
  const known = house.rooms.value !== null;
  const entity = house.entities.get(id)?.value;

  // An earlier name leads to the present one.
  useEffect(() => {
    if (known && !entity) {
      request<Entity>("GET", entityApi(id)).then(
        (found) => (found.entity_id === id ? house.refresh(id) : navigate(entityPath(found.entity_id), true)),
        () => setMissing(true),
      );
    }
  }, [known, id, entity === undefined]);

  if (entity) {
    return <Found house={house} entity={entity} />;
  }
  if (house.error.value && !known) {
    return <div class="page"><Title text="Home" /><Failure error={house.error.value} what="The house could not be loaded." retry={() => void house.load()} /></div>;
  }
  return missing
    ? <NotFound what="There is no such entity, or you may not see it." />
    : <div class="page" aria-busy="true" />;
}
