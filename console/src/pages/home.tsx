// Home: the rooms by floor with what is in them, live, and scenes. An entity's own page shares
// the same copy of the house.
import { computed, signal, type Signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { request } from "../lib/api";
import { now } from "../lib/clock";
import { ago, moment } from "../lib/format";
import { createHouse, type House } from "../lib/house";
import { entityPath } from "../lib/router";
import { may, mayIn } from "../lib/session";
import { isAway, switchable } from "../lib/states";
import { time, type Entity, type Outcome, type Room, type Scene } from "../lib/types";
import { announce } from "../ui/announce";
import { CopyField, Failure, Notice, Title } from "../ui/bits";
import { Link } from "../ui/link";
import { useTask } from "../ui/task";
import { EntityPage } from "./entity";
import { EntityForm, RoomForm } from "./home-forms";
import { mayControl, State, useControl, WAIT_S } from "./home-parts";

const FIRST = 40; // entities of a room that are shown before somebody asks for all

// Kept over a visit to an entity.
const text = signal("");
const floor = signal<string | null>(null);

/** Moves every ten seconds: a page full of "3 min ago" need not be drawn each second. */
const calm = computed(() => Math.floor(now.value / 10_000) * 10_000);

function Thing({ entity }: { entity: Signal<Entity> }) {
  const e = entity.value;
  const control = useControl(e);
  const on = e.state === "on";
  const changed = time(e.last_changed);
  return (
    <li class="thing">
      <div class="what">
        <a href={entityPath(e.entity_id)}>{e.name}</a>
        <span class="below">
          {changed === null ? e.entity_id : <time dateTime={e.last_changed!} title={moment(changed)}>{ago(changed, calm.value)}</time>}
        </span>
      </div>
      <State entity={e} />
      {switchable(e) && (
        <button
          type="button" class="switch" role="switch" aria-checked={on} aria-label={e.name} aria-busy={control.busy}
          disabled={isAway(e.state) || !mayControl(e)}
          title={mayControl(e) ? undefined : "You may not control this"}
          onClick={() => {
            if (!control.busy) {
              void control.act(on ? "turn_off" : e.state === "off" ? "turn_on" : "toggle");
            }
          }}
        >
          <span aria-hidden="true" />
        </button>
      )}
      {control.note !== "" && <p class={control.failed ? "field-error" : "hint"} role="alert">{control.note}</p>}
    </li>
  );
}

function RoomCard({ room, things, onEdit }: {
  room: Room | null;
  things: Signal<Entity>[];
  onEdit: () => void;
}) {
  const [whole, setWhole] = useState(false);
  const shown = whole ? things : things.slice(0, FIRST);
  const icon = room?.icon && !/^[ -~]*$/.test(room.icon) ? room.icon : null; // a picture, not a name of one
  return (
    <article class="room">
      <div class="room-head">
        <h3>{icon && <span aria-hidden="true">{icon} </span>}{room?.name ?? "In no room"}</h3>
        {room?.private && <span class="tag">private</span>}
        {room && mayIn("home:room:write", room.id) && (
          <button type="button" class="quiet" onClick={onEdit}>Edit<span class="sr-only"> {room.name}</span></button>
        )}
      </div>
      {room?.description && <p class="hint">{room.description}</p>}
      {things.length === 0 ? <p class="hint">Nothing in here yet.</p> : (
        <ul>{shown.map((e) => <Thing key={e.peek().entity_id} entity={e} />)}</ul>
      )}
      {shown.length < things.length && (
        <button type="button" class="link" onClick={() => setWhole(true)}>Show all {things.length}</button>
      )}
    </article>
  );
}

function Activate({ scene, house, onResult }: {
  scene: Scene;
  house: House;
  onResult: (scene: Scene, results: Outcome[]) => void;
}) {
  const task = useTask();
  const allowed = scene.items.length > 0 && scene.items.every((i) => {
    const e = house.entities.get(i.entity_id)?.value;
    return e ? mayControl(e) : true;
  });
  return (
    <li class="scene">
      <div>
        <strong>{scene.name}</strong>
        <span class="below">{scene.description || `${scene.items.length} ${scene.items.length === 1 ? "entity" : "entities"}`}</span>
      </div>
      <button
        type="button" disabled={task.busy || !allowed} title={allowed ? undefined : "You may not control all of it"}
        onClick={() => void task.run(async () => {
          const path = `/api/v1/scenes/${encodeURIComponent(scene.id)}/activate?wait=${WAIT_S}`;
          onResult(scene, (await request<{ results: Outcome[] }>("POST", path, {})).results);
        })}
      >
        {task.busy ? "Activating…" : "Activate"}<span class="sr-only"> {scene.name}</span>
      </button>
      {task.error && <p class="field-error" role="alert">{task.error.message}</p>}
    </li>
  );
}

const why = ({ error }: Outcome): string =>
  typeof error === "string" ? error : (error?.message ?? error?.code ?? "It was not done.");

function Scenes({ house }: { house: House }) {
  const [result, setResult] = useState<{ scene: Scene; results: Outcome[] } | null>(null);
  const failed = result?.results.filter((r) => !r.ok).length ?? 0;
  if (house.scenes.value.length === 0) {
    return null;
  }
  return (
    <section class="scenes" aria-labelledby="scenes">
      <h2 id="scenes">Scenes</h2>
      <ul class="cards">
        {house.scenes.value.map((s) => (
          <Activate
            key={s.id} scene={s} house={house}
            onResult={(scene, results) => {
              const bad = results.filter((r) => !r.ok).length;
              announce(`${scene.name}: ${bad === 0 ? "all done" : `${bad} of ${results.length} failed`}`);
              setResult({ scene, results });
            }}
          />
        ))}
      </ul>
      {result && (
        <div class={`outcome notice ${failed > 0 ? "warn" : "info"}`}>
          <div>
            <p><strong>{result.scene.name}</strong> {failed === 0 ? "is done." : `${failed} of ${result.results.length} failed.`}</p>
            <ul>
              {result.results.map((r) => (
                <li key={r.entity_id}>
                  <span aria-hidden="true">{r.ok ? "✓" : "✕"}</span>{" "}
                  {house.entities.get(r.entity_id)?.value.name ?? r.entity_id}
                  <span class={r.ok ? "sr-only" : "field-error"}>{r.ok ? " done" : ` ${why(r)}`}</span>
                </li>
              ))}
            </ul>
          </div>
          <button type="button" class="quiet" onClick={() => setResult(null)}>Close</button>
        </div>
      )}
    </section>
  );
}

const floorWords = (f: string): string =>
  f === "" ? "Other rooms" : /^-?\d+$/.test(f) ? `Floor ${f}` : f.charAt(0).toUpperCase() + f.slice(1);

/** From the cellar up; names that say nothing of height as the rooms come, none at all last. */
function height(f: string): number {
  return f === "" ? 1000
    : /^-?\d+$/.test(f) ? Number(f)
    : /^(basement|cellar|lower)/i.test(f) ? -0.5
    : /^ground/i.test(f) ? 0
    : /^(attic|roof|loft)/i.test(f) ? 500 : 400;
}

const floorsOf = (rooms: readonly Room[]): string[] =>
  [...new Set(rooms.map((r) => r.floor ?? ""))].sort((a, b) => height(a) - height(b));

function Floors({ house, onEdit }: { house: House; onEdit: (room: Room) => void }) {
  house.shape.value; // asked for again when entities come, go or move
  const rooms = house.rooms.value ?? [];
  const wanted = text.value.trim().toLowerCase();
  const byRoom = new Map<number, Signal<Entity>[]>();
  for (const entity of house.entities.values()) {
    const e = entity.peek();
    const room = rooms.find((r) => r.id === e.room_id);
    if (wanted === "" || `${e.name}\n${e.entity_id}\n${room?.name ?? ""}`.toLowerCase().includes(wanted)) {
      const key = room?.id ?? 0;
      byRoom.set(key, [...(byRoom.get(key) ?? []), entity]);
    }
  }
  for (const list of byRoom.values()) {
    list.sort((a, b) => a.peek().name.localeCompare(b.peek().name, undefined, { numeric: true }));
  }
  const shown = rooms.filter((r) =>
    (floor.value === null || (r.floor ?? "") === floor.value) &&
    (wanted === "" || byRoom.has(r.id) || r.name.toLowerCase().includes(wanted)));
  const floors = floorsOf(shown);
  const loose = floor.value === null ? (byRoom.get(0) ?? []) : [];
  if (shown.length === 0 && loose.length === 0) {
    return (
      <p class="nothing">
        Nothing matches.{" "}
        <button type="button" class="link" onClick={() => { text.value = ""; floor.value = null; }}>Show all</button>
      </p>
    );
  }
  return (
    <>
      {floors.map((f) => (
        <section key={f} class="floor">
          <h2 class={f === "" && floors.length === 1 ? "sr-only" : ""}>{f === "" && floors.length === 1 ? "Rooms" : floorWords(f)}</h2>
          <div class="cards">
            {shown.filter((r) => (r.floor ?? "") === f).map((r) => (
              <RoomCard key={r.id} room={r} things={byRoom.get(r.id) ?? []} onEdit={() => onEdit(r)} />
            ))}
          </div>
        </section>
      ))}
      {loose.length > 0 && (
        <section class="floor">
          <h2 class="sr-only">Without a room</h2>
          <div class="cards"><RoomCard room={null} things={loose} onEdit={() => {}} /></div>
        </section>
      )}
    </>
  );
}

function Start({ onAdd }: { onAdd: () => void }) {
  return (
    <section class="empty" aria-labelledby="start">
      <h2 id="start">No rooms yet</h2>
      <p>
        A house has rooms, and in them entities: lamps, sensors, whatever has a state. A device says
        an entity's state, or any program that sets it over REST:
      </p>
      <CopyField
        label="Command"
        value={`curl -X POST ${window.location.origin}/api/v1/entities/light.desk/state -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -d '{"state":"on"}'`}
      />
      {may("home:room:write")
        ? <p><button type="button" class="primary" onClick={onAdd}>Add the first room</button></p>
        : <p class="hint">You may look at rooms, but not add them.</p>}
    </section>
  );
}

function Rooms({ house }: { house: House }) {
  const [open, setOpen] = useState<"entity" | "room" | Room | null>(null);
  house.shape.value;
  const rooms = house.rooms.value;
  const error = house.error.value;
  const health = house.health.value;
  const floors = floorsOf(rooms ?? []).filter((f) => f !== "");
  const count = house.entities.size;
  const bare = rooms !== null && rooms.length === 0 && count === 0;
  return (
    <div class="page home">
      <div class="page-head">
        <Title text="Home" />
        <div class="buttons">
          {!bare && may("home:entity:write") && <button type="button" onClick={() => setOpen("entity")}>Add entity</button>}
          {may("home:room:write") && <button type="button" class="primary" onClick={() => setOpen("room")}>Add room</button>}
        </div>
      </div>
      <div class="filters">
        {rooms !== null && !bare && (
          <label>
            <span class="sr-only">Filter by name</span>
            <input
              type="search" placeholder="Filter by name" value={text.value} autocomplete="off" spellcheck={false}
              onInput={(e) => { text.value = e.currentTarget.value; }}
            />
          </label>
        )}
        {floors.length > 1 && (
          <fieldset class="segmented inline">
            <legend class="sr-only">Floor</legend>
            {[null, ...floors].map((f) => (
              <label key={f ?? "\n"}>
                <input type="radio" name="floor" checked={floor.value === f} onChange={() => { floor.value = f; }} />
                <span>{f === null ? "All" : floorWords(f)}</span>
              </label>
            ))}
          </fieldset>
        )}
        <Link
          state={house.socket.value} retry={house.retry}
          live={<>Live <span class="dim">· {count} {count === 1 ? "entity" : "entities"}</span></>}
        />
      </div>
      {health !== null && health !== "healthy" && (
        <Notice tone="warn">The server says that it is <strong>{health}</strong>: what you see may be late.</Notice>
      )}
      {error && <Failure error={error} what={rooms ? "The house could not be asked again; this may be old." : "The house could not be loaded."} retry={() => void house.load()} />}
      {bare ? <Start onAdd={() => setOpen("room")} /> : rooms && (
        <>
          <Scenes house={house} />
          <Floors house={house} onEdit={setOpen} />
        </>
      )}
      {rooms === null && !error && <div class="page" aria-busy="true" />}
      {open === "entity" && <EntityForm house={house} entity={null} onClose={() => setOpen(null)} />}
      {open !== null && open !== "entity" && (
        <RoomForm house={house} room={open === "room" ? null : open} onClose={() => setOpen(null)} />
      )}
    </div>
  );
}

export function HomePage({ entity }: { entity: string | null }) {
  const [house, setHouse] = useState<House | null>(null);
  useEffect(() => {
    const made = createHouse();
    setHouse(made);
    return () => made.close();
  }, []);
  if (!house) {
    return <div class="page" aria-busy="true" />;
  }
  return entity === null ? <Rooms house={house} /> : <EntityPage key={entity} house={house} id={entity} />;
}
