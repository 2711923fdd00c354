// The dialogs of Home: a room, and an entity, made, changed or deleted.
import { useEffect, useState } from "preact/hooks";
import { query, request } from "../lib/api";
import { entityApi, roomOf, type House } from "../lib/house";
import { entityPath, HOME, navigate } from "../lib/router";
import { may, mayIn } from "../lib/session";
import type { Device, Entity, Room } from "../lib/types";
import { announce } from "../ui/announce";
import { Dialog } from "../ui/dialog";
import { useTask } from "../ui/task";

const ENTITY_ID = /^[a-z0-9]([a-z0-9_]*[a-z0-9])?\.[a-z0-9]([a-z0-9_]*[a-z0-9])?$/;

function Text({ label, value, onValue, max, hint, placeholder }: {
  label: string;
  value: string;
  onValue: (value: string) => void;
  max: number;
  hint?: string;
  placeholder?: string;
}) {
  return (
    <label class="field">
      <span>{label}{hint && <small class="dim"> {hint}</small>}</span>
      <input
        value={value} maxLength={max} autocomplete="off" spellcheck={false} placeholder={placeholder}
        onInput={(e) => onValue(e.currentTarget.value)}
      />
    </label>
  );
}

/** Only the members that differ. */
function changed<T extends object>(before: Partial<T>, now: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(now).filter(([key, value]) => before[key as keyof T] !== value),
  ) as Partial<T>;
}

function Buttons({ busy, save, onClose, onDelete }: {
  busy: boolean;
  save: string;
  onClose: () => void;
  onDelete?: (() => void) | undefined;
}) {
  return (
    <div class="buttons">
      {onDelete && <button type="button" class="danger first" onClick={onDelete}>Delete…</button>}
      <button type="button" onClick={onClose}>Cancel</button>
      <button type="submit" class="primary" disabled={busy}>{save}</button>
    </div>
  );
}

function Delete({ busy, error, children, onClose, onDelete }: {
  busy: boolean;
  error: string | undefined;
  children: string;
  onClose: () => void;
  onDelete: () => void;
}) {
  return (
    <>
      <p>{children}</p>
      <p class="field-error" role="alert">{error}</p>
      <div class="buttons">
        <button type="button" onClick={onClose}>Cancel</button>
        <button type="button" class="primary danger" disabled={busy} onClick={onDelete}>Delete</button>
      </div>
    </>
  );
}

export function RoomForm({ house, room, onClose }: { house: House; room: Room | null; onClose: () => void }) {
  const before = {
    name: room?.name ?? "", floor: room?.floor ?? "", description: room?.description ?? "",
    sort: room?.sort ?? 0, private: room?.private ?? false,
  };
  const [now, setNow] = useState(before);
  const [wrong, setWrong] = useState("");
  const [deleting, setDeleting] = useState(false);
  const task = useTask();
  const inside = room ? [...house.entities.values()].filter((e) => roomOf(e.peek()) === room.id).length : 0;
  const floors = [...new Set((house.rooms.peek() ?? []).map((r) => r.floor ?? ""))].filter((f) => f !== "");
  const set = (part: Partial<typeof before>) => setNow({ ...now, ...part });

  async function finish(what: () => Promise<unknown>, done: string) {
    if (await task.run(what)) {
      announce(done);
      await house.reloadRooms();
      onClose();
    }
  }
  function save(event: Event) {
    event.preventDefault();
    const next = { ...now, name: now.name.trim(), floor: now.floor.trim(), description: now.description.trim() };
    setWrong(next.name === "" ? "Give the room a name." : "");
    if (next.name !== "") {
      void finish(
        () => room
          ? request("PATCH", `/api/v1/rooms/${room.id}`, changed(before, next))
          : request("POST", "/api/v1/rooms", next),
        `${next.name} ${room ? "changed" : "added"}`,
      );
    }
  }

  if (room && deleting) {
    return (
      <Dialog key="delete" title={`Delete ${room.name}?`} onClose={onClose}>
        <Delete
          busy={task.busy} error={task.error?.message} onClose={onClose}
          onDelete={() => void finish(
            () => request("DELETE", `/api/v1/rooms/${room.id}${inside > 0 ? "?force=1" : ""}`),
            `${room.name} deleted`,
          )}
        >
          {inside > 0
            ? `${inside} ${inside === 1 ? "entity stays" : "entities stay"}, in no room. Permissions given for this room end.`
            : "Permissions given for this room end. This cannot be undone."}
        </Delete>
      </Dialog>
    );
  }
  return (
    <Dialog key="edit" title={room ? `Edit ${room.name}` : "Add room"} onClose={onClose}>
      <form onSubmit={save} noValidate>
        <Text label="Name" value={now.name} max={100} onValue={(name) => set({ name })} placeholder="Living room" />
        <div class="pair">
          <label class="field">
            <span>Floor</span>
            <input
              value={now.floor} maxLength={50} list="floors" autocomplete="off" placeholder="ground"
              onInput={(e) => set({ floor: e.currentTarget.value })}
            />
            <datalist id="floors">{floors.map((f) => <option key={f} value={f} />)}</datalist>
          </label>
          <label class="field">
            <span>Order <small class="dim">lower comes first</small></span>
            <input
              type="number" step={1} value={now.sort}
              onInput={(e) => set({ sort: Math.trunc(e.currentTarget.valueAsNumber) || 0 })}
            />
          </label>
        </div>
        <Text label="Description" value={now.description} max={500} onValue={(description) => set({ description })} />
        <label class="check">
          <input type="checkbox" checked={now.private} onChange={(e) => set({ private: e.currentTarget.checked })} />
          <span>Private <small class="dim">clients that are not signed in do not see it</small></span>
        </label>
        <p class="field-error" role="alert">{wrong || task.error?.message}</p>
        <Buttons busy={task.busy} save={room ? "Save" : "Add room"} onClose={onClose} onDelete={room ? () => setDeleting(true) : undefined} />
      </form>
    </Dialog>
  );
}

function useDevices(): Device[] | null {
  const [devices, setDevices] = useState<Device[] | null>(null);
  useEffect(() => {
    if (may("device:list:read")) {
      request<Device[]>("GET", "/api/v1/devices" + query({ limit: 200 })).then(setDevices, () => {});
    }
  }, []);
  return devices;
}

export function EntityForm({ house, entity, room, onClose }: {
  house: House;
  entity: Entity | null;
  /** Where a new one is. */
  room?: number;
  onClose: () => void;
}) {
  const before = {
    entity_id: entity?.entity_id ?? "", name: entity?.name ?? "",
    room_id: entity ? entity.room_id : (room || null),
    device_id: entity?.device_id ?? null, capability: entity?.capability ?? null,
  };
  const [now, setNow] = useState(before);
  const [wrong, setWrong] = useState("");
  const [deleting, setDeleting] = useState(false);
  const devices = useDevices();
  const task = useTask();
  const set = (part: Partial<typeof before>) => setNow({ ...now, ...part });
  const rooms = (house.rooms.value ?? []).filter((r) => r.id === before.room_id || mayIn("home:entity:write", r.id));
  const nowhere = before.room_id === null || may("home:entity:write");

  async function save(event: Event) {
    event.preventDefault();
    const next = {
      ...now, entity_id: now.entity_id.trim(), name: now.name.trim(),
      capability: now.device_id ? (now.capability ?? "").trim() : null,
    };
    const fault = !ENTITY_ID.test(next.entity_id)
      ? "An entity id is kind.name in small letters, digits and _, as light.desk."
      : entity && next.name === "" ? "Give the entity a name."
      : next.device_id && !next.capability ? "Say which capability of the device it is." : "";
    setWrong(fault);
    if (fault !== "") {
      return;
    }
    const body: Partial<typeof next> = entity
      ? changed(before, next)
      : Object.fromEntries(Object.entries(next).filter(([, v]) => v !== null && v !== ""));
    if ("device_id" in body || "capability" in body) {
      body.device_id = next.device_id; // the two go together
      body.capability = next.capability;
    }
    const done = await task.run(() => entity
      ? request("PATCH", entityApi(entity.entity_id), body)
      : request("POST", "/api/v1/entities", body));
    if (done) {
      announce(`${next.name || next.entity_id} ${entity ? "changed" : "added"}`);
      await house.refresh(next.entity_id);
      if (entity && entity.entity_id !== next.entity_id) {
        house.forget(entity.entity_id);
        navigate(entityPath(next.entity_id), true);
      }
      onClose();
    }
  }

  if (entity && deleting) {
    return (
      <Dialog key="delete" title={`Delete ${entity.name}?`} onClose={onClose}>
        <Delete
          busy={task.busy} error={task.error?.message} onClose={onClose}
          onDelete={() => void task.run(() => request("DELETE", entityApi(entity.entity_id))).then((done) => {
            if (done) {
              announce(`${entity.name} deleted`);
              navigate(HOME, true);
              house.forget(entity.entity_id);
            }
          })}
        >
          Its history is removed and it leaves every scene. This cannot be undone.
        </Delete>
      </Dialog>
    );
  }
  return (
    <Dialog key="edit" title={entity ? `Edit ${entity.name}` : "Add entity"} onClose={onClose}>
      <form onSubmit={(e) => void save(e)} noValidate>
        <Text label="Name" value={now.name} max={100} onValue={(name) => set({ name })} placeholder="Desk lamp" />
        <label class="field">
          <span>Room</span>
          <select
            value={String(now.room_id ?? "")}
            onChange={(e) => set({ room_id: Number(e.currentTarget.value) || null })}
          >
            {nowhere && <option value="">In no room</option>}
            {rooms.map((r) => <option key={r.id} value={String(r.id)}>{r.name}</option>)}
          </select>
        </label>
        <Text
          label="Entity id" value={now.entity_id} max={128} placeholder="light.desk"
          hint={entity ? "the present one stays as an alias" : "kind.name"}
          onValue={(entity_id) => set({ entity_id })}
        />
        {(devices || now.device_id) && (
          <div class="pair">
            <label class="field">
              <span>Device <small class="dim">says its state</small></span>
              <select
                value={now.device_id ?? ""}
                onChange={(e) => set({ device_id: e.currentTarget.value || null })}
              >
                <option value="">None</option>
                {now.device_id && !devices?.some((d) => d.id === now.device_id) && (
                  <option value={now.device_id}>{now.device_id}</option>
                )}
                {devices?.map((d) => <option key={d.id} value={d.id}>{d.name}</option>)}
              </select>
            </label>
            {now.device_id && (
              <Text label="Capability" value={now.capability ?? ""} max={100} placeholder="temperature" onValue={(capability) => set({ capability })} />
            )}
          </div>
        )}
        <p class="field-error" role="alert">{wrong || task.error?.message}</p>
        <Buttons busy={task.busy} save={entity ? "Save" : "Add entity"} onClose={onClose} onDelete={entity ? () => setDeleting(true) : undefined} />
      </form>
    </Dialog>
  );
}
