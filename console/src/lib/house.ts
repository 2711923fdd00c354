// The house as one page's copy: rooms, entities and scenes by REST, then every change as it comes
// over /ws. The socket is opened first, and what it says while the copy is fetched is applied on
// top of it, so nothing is missed in between; after each reconnect the copy is fetched again.
import { signal, type Signal } from "@preact/signals";
import { asError, isAbort, query, request, requestIfChanged, type ApiError, type Reply } from "./api";
import { endSession } from "./session";
import type { Frame, Probe, SocketState } from "./socket";
import type { Entity, Room, Scene, StateChange } from "./types";
import { openViewer } from "./viewer";

const API = "/api/v1";
const PAGE = 200; // the server's most
const FLUSH_MS = 50; // changes are drawn together: a storm of them is 20 pictures a second
const ROOMS_AGAIN_MS = 150; // several changes of rooms are one request
const ASK_MAX = 8; // more new entities than this at once: the whole list is cheaper

export const entityApi = (id: string): string => `${API}/entities/${encodeURIComponent(id)}`;
export const roomOf = (e: Entity): number => e.room_id ?? 0;

async function all<T>(path: string, signal: AbortSignal): Promise<T[]> {
  const rows: T[] = [];
  let cursor: string | null = null;
  do {
    const reply: Reply<T[]> | null = await requestIfChanged<T[]>(
      "GET", `${API}/${path}${query({ limit: PAGE, cursor })}`, undefined, { signal },
    );
    rows.push(...(reply?.data ?? []));
    cursor = reply?.next ?? null;
  } while (cursor !== null);
  return rows;
}

/** What is known of an entity that nothing but a change has told of. */
function heardOf(d: StateChange): Entity {
  const words = d.entity_id.slice(d.entity_id.indexOf(".") + 1).replace(/_/g, " ");
  return { entity_id: d.entity_id, name: words.charAt(0).toUpperCase() + words.slice(1), room_id: null, state: "" };
}

export function createHouse() {
  const rooms = signal<Room[] | null>(null);
  const scenes = signal<Scene[]>([]);
  const error = signal<ApiError | null>(null);
  const socket = signal<SocketState>({ kind: "connecting" });
  const health = signal<string | null>(null);
  const entities = new Map<string, Signal<Entity>>();
  /** Counts when entities come, go, move or get another name; their states are their own signals. */
  const shape = signal(0);

  const closing = new AbortController();
  let queue: StateChange[] = [];
  let timer: number | undefined;
  let roomsTimer: number | undefined;
  let loading: AbortController | null = null;

  async function load(): Promise<void> {
    loading?.abort();
    const abort = new AbortController();
    loading = abort;
    closing.signal.addEventListener("abort", () => abort.abort());
    try {
      const [r, e, s] = await Promise.all([
        all<Room>("rooms", abort.signal), all<Entity>("entities", abort.signal),
        all<Scene>("scenes", abort.signal),
      ]);
      const gone = new Set(entities.keys());
      for (const entity of e) {
        gone.delete(entity.entity_id);
        put(entity);
      }
      gone.forEach((id) => entities.delete(id));
      rooms.value = r;
      scenes.value = s;
      error.value = null;
      shape.value++;
    } catch (e) {
      if (!isAbort(e)) {
        error.value = asError(e);
      }
    } finally {
      if (loading === abort) {
        loading = null;
        flush();
      }
    }
  }

  function put(entity: Entity): void {
    const known = entities.get(entity.entity_id);
    if (known) {
      known.value = entity;
    } else {
      entities.set(entity.entity_id, signal(entity));
    }
  }

  function flush(): void {
    window.clearTimeout(timer);
    timer = undefined;
    if (loading !== null) {
      return; // what is being fetched comes first
    }
    const changes = queue;
    queue = [];
    const left = new Map<string, Entity>(); // moved ones leave and appear again
    const ask = new Set<string>();
    let reshaped = false;
    for (const d of changes) {
      const known = entities.get(d.entity_id);
      const room = d.room_id || null;
      if (d.new_state === null) {
        if (known && (known.peek().room_id || null) === room) {
          left.set(d.entity_id, known.peek());
          entities.delete(d.entity_id);
          reshaped = true;
        }
        continue;
      }
      const before = known?.peek() ?? left.get(d.entity_id);
      const entity: Entity = {
        ...(before ?? heardOf(d)), room_id: room, state: d.new_state, attributes: d.attributes ?? {},
        last_changed: d.last_changed, last_updated: d.last_updated,
      };
      if (!before) {
        ask.add(d.entity_id);
      }
      reshaped ||= !known || (known.peek().room_id || null) !== room;
      put(entity);
    }
    if (reshaped) {
      shape.value++;
    }
    if (ask.size > ASK_MAX) {
      void load();
    } else {
      ask.forEach((id) => void refresh(id));
    }
  }

  /** Its name and what stands behind it are not in what /ws says. */
  async function refresh(id: string): Promise<void> {
    try {
      const entity = await request<Entity>("GET", entityApi(id), undefined, { signal: closing.signal });
      if (entity.entity_id !== id && entities.delete(id)) {
        shape.value++; // an alias: it is listed under its own name
      }
      put(entity);
      shape.value++;
    } catch {
      // gone again; what it said last is said by /ws
    }
  }

  async function loadRooms(): Promise<void> {
    try {
      rooms.value = await all<Room>("rooms", closing.signal);
    } catch {
      // the next change, or the next connection, asks again
    }
  }

  function onFrame({ type, data }: Frame): void {
    if (type === "connection") {
      void load();
    } else if (type === "entity_state_changed") {
      queue.push(data as StateChange);
      timer ??= window.setTimeout(flush, FLUSH_MS);
    } else if (type === "room_updated") {
      window.clearTimeout(roomsTimer);
      roomsTimer = window.setTimeout(() => void loadRooms(), ROOMS_AGAIN_MS);
    } else if (type === "system_status") {
      health.value = (data as { status?: string } | null)?.status ?? null;
    }
  }

  async function probe(): Promise<Probe> {
    try {
      await request("GET", `${API}/rooms?limit=1`, undefined, { signal: closing.signal });
      return "ok";
    } catch (e) {
      const { status } = asError(e);
      return status === 401 ? "signed-out" : status === 403 ? "forbidden" : "unreachable";
    }
  }

  const viewer = openViewer("/ws", probe, {
    onState(state) {
      socket.value = state;
      if (state.kind === "stopped" && state.signIn) {
        endSession();
      } else if (state.kind !== "open" && state.kind !== "connecting" && rooms.peek() === null) {
        void load(); // it says why, or shows what there is
      }
    },
    onFrame,
  });
  viewer.start();

  return {
    rooms, scenes, error, socket, health, entities, shape,
    load, refresh, reloadRooms: loadRooms,
    retry: viewer.retry,
    /** Its entry is removed at once; /ws says the same a moment later. */
    forget(id: string): void {
      if (entities.delete(id)) {
        shape.value++;
      }
    },
    close(): void {
      closing.abort();
      window.clearTimeout(timer);
      window.clearTimeout(roomsTimer);
      viewer.close();
    },
  };
}

export type House = ReturnType<typeof createHouse>;
