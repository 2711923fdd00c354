// Chat as one page's copy: the rooms that somebody is in, the messages of those that were opened,
// who types and who is there. Live changes come over Socket.IO; pages of the past by REST. After a
// reconnect each room tells where it stands (chat:room:joined), and what is missing is fetched.
import { signal, type Signal } from "@preact/signals";
import { asError, bearerToken, isAbort, query, request, requestIfChanged, type ApiError } from "./api";
import {
  append, change, NO_LOG, prepend, put, trim, type Log,
} from "./chat-log";
import { Outbox, type Outgoing } from "./chat-outbox";
import {
  answer, ChatError, envelope, unwrap, type ChatRoom, type ErrorBody, type Escalation, type Joined,
  type Member, type Message, type Notification, type RobotChunk,
} from "./chat-types";
import { createUploads } from "./chat-uploads";
import { endSession, may } from "./session";
import { SIO_PATH, SioSocket } from "./sio";
import type { Probe, SocketState } from "./socket";
import type { User } from "./types";
import { attend, environment } from "./viewer";

export const API = "/api/v1/chat";
export const roomApi = (id: string): string => `${API}/rooms/${encodeURIComponent(id)}`;
const PAGE = 50;
const PAGE_MAX = 200; // the server's most
const PREVIEWS = 40; // rooms whose last message is fetched for the list
const KEEP = 400; // messages of a room that is followed at its end
const TYPING_AGAIN_MS = 3_000; // the server forgets after 6 s, and takes one in 2 s
const TYPING_FORGET_MS = 8_000;
const READ_EVERY_MS = 1_000;
const NOTICES = 4;

export interface RoomView extends ChatRoom {
  people: ReadonlyMap<string, Member>;
  watching: boolean;
  last: Message | null;
  /** Later activity is greater. */
  rank: number;
}

export interface Notice extends Notification {
  key: number;
}

/** A robot's answer as it comes. */
export interface Speaking {
  jobId: string;
  roomId: string;
  robotId: string;
  chunks: readonly string[];
  /** It is whole and becomes no message: only who asked sees it. */
  kept: boolean;
}

export interface RoomState {
  log: Signal<Log>;
  /** What is on its way to the server. */
  pending: Signal<Outgoing[]>;
  loading: Signal<"older" | "newer" | "first" | null>;
  error: Signal<ApiError | null>;
  typing: Signal<ReadonlyMap<string, number>>;
}

function box(me: User) {
  const key = `signalbox.chat.outbox.${me.id}`;
  return {
    load(): Outgoing[] {
      try {
        return JSON.parse(sessionStorage.getItem(key) ?? "[]") as Outgoing[];
      } catch {
        return [];
      }
    },
    keep(all: Outgoing[]): void {
      try {
        sessionStorage.setItem(key, JSON.stringify(all));
      } catch {
        // without storage it lasts as long as the page
      }
    },
  };
}

export function createChat(me: User) {
  const rooms = new Map<string, Signal<RoomView>>();
  const states = new Map<string, RoomState>();
  /** Changes when rooms come, go or move in the list. */
  const shape = signal(0);
  const loaded = signal(false);
  const error = signal<ApiError | null>(null);
  const socket = signal<SocketState>({ kind: "connecting" });
  const notices = signal<readonly Notice[]>([]);
  const speaking = signal<readonly Speaking[]>([]);
  const escalations = signal<ReadonlyMap<string, Escalation>>(new Map());
  const names = new Map<string, string>([[me.id, me.display_name || me.username || "You"]]);
  const closing = new AbortController();
  const typingTimers = new Map<string, number>();
  const readTimers = new Map<string, number>();
  const readAt = new Map<string, number>(); // the furthest seq that was told
  const typed = new Map<string, number>();
  const previewing = new Set<string>();
  const takes = new Set<string>(); // escalations that were taken here
  const leaves = new Set<string>(); // rooms that were left here
  let ranks = 0;
  let keys = 0;
  let current: string | null = null;

  async function ask(event: string, data: object): Promise<Record<string, unknown>> {
    if (event === "chat:room:leave" && "roomId" in data) {
      leaves.add(String(data.roomId));
    }
    return answer(await wire.ask(event, envelope(event, data)));
  }

  function state(roomId: string): RoomState {
    let found = states.get(roomId);
    if (!found) {
      found = {
        log: signal(NO_LOG), pending: signal(outbox.of(roomId)), loading: signal(null),
        error: signal(null), typing: signal(new Map()),
      };
      states.set(roomId, found);
    }
    return found;
  }

  const store = box(me);
  const outbox: Outbox = new Outbox({
    async send(m) {
      const { roomId, type, content, clientId, replyTo } = m;
      const said = await ask("chat:message:send", {
        roomId, type, content, clientId, ...(replyTo ? { replyTo } : {}),
      });
      return Number(said["seq"]);
    },
    after: (ms, run) => window.setTimeout(run, ms),
    cancel: (timer) => window.clearTimeout(timer),
    now: () => Date.now(),
    newId: () => newId(),
    changed: (roomId) => {
      const found = states.get(roomId);
      if (found) {
        found.pending.value = outbox.of(roomId);
      }
    },
    keep: store.keep,
  }, store.load());

  // --- rooms ---

  function upsert(id: string, changes: Partial<RoomView>): Signal<RoomView> {
    const known = rooms.get(id);
    const before: RoomView = known?.peek() ?? {
      id, name: "", type: "group", lastSeq: 0, unread: 0, people: new Map(), watching: false,
      last: null, rank: 0,
    };
    const next = { ...before, ...changes };
    next.lastSeq = Math.max(before.lastSeq, next.lastSeq);
    if (changes.members) {
      const people = new Map(before.people);
      for (const m of changes.members) {
        const old = people.get(m.userId);
        const muteReason = m.muteReason ?? (old?.mutedUntil === m.mutedUntil ? old?.muteReason : undefined);
        people.set(m.userId, { ...old, mutedUntil: null, ...m, muteReason });
        names.set(m.userId, m.name);
      }
      next.people = people;
    }
    if (known) {
      known.value = next;
      if (next.rank !== before.rank || next.name !== before.name) {
        shape.value++;
      }
      return known;
    }
    const made = signal(next);
    rooms.set(id, made);
    shape.value++;
    return made;
  }

  function forget(id: string): void {
    if (rooms.delete(id)) {
      states.delete(id);
      shape.value++;
    }
  }

  async function pages<T>(path: string, values: Record<string, string | number> = {}): Promise<T[]> {
    const rows: T[] = [];
    let cursor: string | null = null;
    do {
      const reply: Awaited<ReturnType<typeof requestIfChanged<T[]>>> = await requestIfChanged<T[]>(
        "GET", `${path}${query({ limit: PAGE_MAX, ...values, cursor })}`, undefined, { signal: closing.signal },
      );
      rows.push(...(reply?.data ?? []));
      cursor = reply?.next ?? null;
    } while (cursor !== null);
    return rows;
  }

  async function load(): Promise<void> {
    const base = ranks;
    try {
      const list = await pages<ChatRoom>(`${API}/rooms`);
      const gone = new Set([...rooms.values()].filter((r) => !r.peek().watching).map((r) => r.peek().id));
      const since = ranks; // what came while the list was fetched is newer than it
      ranks += list.length;
      list.forEach((room, i) => {
        gone.delete(room.id);
        const before = rooms.get(room.id)?.peek();
        const rank = before && before.rank > base ? before.rank + list.length : since + list.length - i;
        const unread = Math.min(room.unread, Math.max(0, room.lastSeq - (readAt.get(room.id) ?? 0)));
        upsert(room.id, { invited: false, ...room, unread, rank });
      });
      gone.forEach(forget);
      error.value = null;
      loaded.value = true;
      void preview(list.slice(0, PREVIEWS).map((r) => r.id));
    } catch (e) {
      if (!isAbort(e)) {
        error.value = asError(e);
        loaded.value ||= rooms.size > 0; // the socket has told of some
      }
    }
  }

  async function preview(ids: string[]): Promise<void> {
    for (const id of ids) {
      const room = rooms.get(id)?.peek();
      if (!room || room.invited || room.last?.seq === room.lastSeq || room.lastSeq === 0 || previewing.has(id)) {
        continue;
      }
      previewing.add(id);
      try {
        const [last] = await request<Message[]>("GET", `${roomApi(id)}/messages?limit=1`, undefined, { signal: closing.signal });
        if (last && (rooms.get(id)?.peek().last?.seq ?? 0) < last.seq) {
          upsert(id, { last });
        }
      } catch (e) {
        if (asError(e).status === 429 || isAbort(e)) {
          return; // the list is complete without
        }
      } finally {
        previewing.delete(id);
      }
    }
  }

  /** Its members, settings and version; rooms that are watched, too. */
  async function refresh(id: string): Promise<void> {
    try {
      const room = await request<ChatRoom>("GET", roomApi(id), undefined, { signal: closing.signal });
      const members = (room.memberCount ?? 0) > (room.members?.length ?? 0)
        ? await pages<Member>(`${roomApi(id)}/members`) : (room.members ?? []);
      upsert(id, { ...room, members, people: new Map() });
    } catch (e) {
      if (!isAbort(e)) {
        state(id).error.value = asError(e);
      }
    }
  }

  // --- messages ---

  /** `more`: the server has further ones that way. Large messages make short pages. */
  async function page(id: string, values: Record<string, string | number>) {
    const reply = await requestIfChanged<Message[]>(
      "GET", `${roomApi(id)}/messages${query(values)}`, undefined, { signal: closing.signal },
    );
    return { rows: reply?.data ?? [], more: (reply?.next ?? null) !== null };
  }

  async function working(
    id: string, kind: "older" | "newer" | "first", run: (s: RoomState) => Promise<void>,
  ): Promise<void> {
    const s = state(id);
    if (s.loading.peek() !== null) {
      return;
    }
    s.loading.value = kind;
    try {
      await run(s);
      s.error.value = null;
    } catch (e) {
      if (!isAbort(e)) {
        s.error.value = asError(e);
      }
    } finally {
      s.loading.value = null;
    }
  }

  function settle(id: string, s: RoomState): void {
    for (const m of s.log.peek().messages.slice(-PAGE_MAX)) {
      if (m.senderId === me.id) {
        outbox.seen(id, m.clientId);
      }
    }
    outbox.reached(id, s.log.peek().top);
  }

  /** The newest page, or from where the log ends to the room's end. */
  const sync = (id: string): Promise<void> =>
    working(id, states.get(id)?.log.peek().messages.length ? "newer" : "first", async (s) => {
      for (;;) {
        const log = s.log.peek();
        const end = rooms.get(id)?.peek().lastSeq ?? 0;
        if (log === NO_LOG || log.apart) {
          const { rows, more } = await page(id, { limit: PAGE });
          const fresh = prepend(NO_LOG, rows, more);
          s.log.value = append(fresh, [], rows[rows.length - 1]?.seq ?? end);
        } else if (log.top < end) {
          const { rows, more } = await page(id, { after: log.top, limit: PAGE_MAX });
          s.log.value = append(s.log.peek(), rows, more ? null : end);
        } else {
          break;
        }
      }
      settle(id, s);
    });

  /** After a reconnect: what was edited, deleted or reacted to in the meantime, in what is shown. */
  async function again(id: string): Promise<void> {
    const s = state(id);
    const fresh = s.log.peek() === NO_LOG;
    await sync(id);
    if (fresh) {
      return;
    }
    try {
      for (const m of (await page(id, { limit: PAGE_MAX })).rows) {
        s.log.value = change(s.log.peek(), m.seq, () => m);
      }
    } catch {
      // they are as they were; the next reconnect asks again
    }
  }

  function onMessage(m: Message): void {
    const room = rooms.get(m.roomId)?.peek();
    if (!room) {
      return;
    }
    const mine = m.senderId === me.id;
    const news = m.seq > room.lastSeq;
    upsert(m.roomId, {
      lastSeq: m.seq,
      ...(news ? { last: m, rank: ++ranks, unread: room.unread + (mine || room.watching ? 0 : 1) } : {}),
    });
    if (m.senderId !== null) {
      setTyping(m.roomId, m.senderId, false);
      if (!room.people.has(m.senderId) && !names.has(m.senderId)) {
        void refresh(m.roomId);
      }
    }
    speaking.value = speaking.peek().filter((x) => x.kept || x.jobId !== m.metadata?.["jobId"]);
    const s = states.get(m.roomId);
    if (mine) {
      outbox.seen(m.roomId, m.clientId);
    }
    uploads.told(m);
    if (!s || s.log.peek() === NO_LOG || s.log.peek().apart) {
      return;
    }
    const next = put(s.log.peek(), m);
    if (next === null) {
      void sync(m.roomId);
    } else {
      s.log.value = current === m.roomId ? next : trim(next, KEEP);
      outbox.reached(m.roomId, next.top);
    }
  }

  function amend(roomId: string, seq: number, by: (m: Message) => Message): void {
    const s = states.get(roomId);
    if (s) {
      s.log.value = change(s.log.peek(), seq, by);
    }
    const room = rooms.get(roomId);
    if (room?.peek().last?.seq === seq) {
      upsert(roomId, { last: by(room.peek().last!) });
    }
  }

  // --- what is told of people ---

  function setTyping(roomId: string, userId: string, on: boolean): void {
    const s = state(roomId);
    const key = `${roomId}/${userId}`;
    window.clearTimeout(typingTimers.get(key));
    typingTimers.delete(key);
    if (on !== s.typing.peek().has(userId)) {
      const next = new Map(s.typing.peek());
      if (on) {
        next.set(userId, Date.now());
      } else {
        next.delete(userId);
      }
      s.typing.value = next;
    }
    if (on) {
      typingTimers.set(key, window.setTimeout(() => setTyping(roomId, userId, false), TYPING_FORGET_MS));
    }
  }

  function member(roomId: string, userId: string, by: (m: Member | undefined) => Member | null): void {
    const room = rooms.get(roomId);
    if (!room) {
      return;
    }
    const people = new Map(room.peek().people);
    const next = by(people.get(userId));
    if (next === null) {
      people.delete(userId);
    } else {
      people.set(userId, next);
    }
    room.value = { ...room.peek(), people };
  }

  function onJoined(d: Joined): void {
    if (d.userId !== me.id) {
      const found = d.members?.find((m) => m.userId === d.userId);
      if (found) {
        names.set(found.userId, found.name);
        member(d.roomId, d.userId, () => found);
      } else {
        void refresh(d.roomId);
      }
      const room = rooms.get(d.roomId)?.peek();
      if (room && !room.people.has(d.userId)) {
        upsert(d.roomId, { memberCount: (room.memberCount ?? 0) + 1 });
      }
      return;
    }
    const { roomId, userId: _me, userType: _type, role: _role, ...rest } = d;
    const known = rooms.get(roomId);
    upsert(roomId, { ...rest, invited: false, watching: d.watching === true, ...(known || !loaded.peek() ? {} : { rank: ++ranks }) });
    if (d.name === undefined && !known) {
      void refresh(roomId);
    }
    if (current === roomId) {
      void again(roomId);
    } else if (states.has(roomId)) {
      states.get(roomId)!.log.value = NO_LOG; // fetched anew when it is opened
    }
    void preview([roomId]);
  }

  function onChunk(c: RobotChunk): void {
    const before = speaking.peek().find((x) => x.jobId === c.jobId);
    const chunks = [...(before?.chunks ?? [])];
    chunks[c.index] = c.chunk;
    const rest = speaking.peek().filter((x) => x !== before);
    const whole = c.final && c.messageId !== undefined;
    const arrived = states.get(c.roomId)?.log.peek().messages.some((m) => m.id === c.messageId) ?? false;
    speaking.value = whole && arrived ? rest : [...rest, {
      jobId: c.jobId, roomId: c.roomId, robotId: c.robotId, chunks, kept: c.final && !whole,
    }];
    if (whole) {
      // Its message says the same; should that be lost, the next page has it.
      window.setTimeout(() => dismissAnswer(c.jobId), TYPING_FORGET_MS);
    }
  }

  function dismissAnswer(jobId: string): void {
    speaking.value = speaking.peek().filter((x) => x.jobId !== jobId);
  }

  function notify(n: Notification): void {
    notices.value = [...notices.peek(), { ...n, key: ++keys }].slice(-NOTICES);
  }

  /** What is told of a room that one looks at stands in the room, too. */
  function onNotification(n: Notification): void {
    const { code, roomId, userId, until = null, reason } = n;
    if (roomId && (code === "muted" || code === "unmuted")) {
      member(roomId, me.id, (m) => (m ? { ...m, mutedUntil: until, muteReason: reason } : null));
      if (roomId === current) {
        return;
      }
    }
    const room = roomId && rooms.get(roomId)?.peek();
    if (room && userId && (code === "member_muted" || code === "member_unmuted")) {
      const who = room.people.get(userId)?.name ?? names.get(userId) ?? "Somebody";
      const what = code === "member_muted" ? `was muted${reason ? `: ${reason}` : ""}` : "may write again";
      notify({ ...n, message: `${room.name}: ${who} ${what}` });
      return;
    }
    notify({ ...n, message: n.message.charAt(0).toUpperCase() + n.message.slice(1) });
  }

  /** Somebody ended it, or oneself. */
  function gone(roomId: string): void {
    const room = rooms.get(roomId)?.peek();
    if (!leaves.delete(roomId) && room && !room.watching) {
      notify({ level: "warning", code: "removed", message: `You are not in ${room.name || "the room"} any more.` });
    }
    forget(roomId);
  }

  function onEscalation(e: Escalation): void {
    escalations.value = new Map(escalations.peek()).set(e.id, { ...escalations.peek().get(e.id), ...e });
  }

  const handlers: Record<string, (d: never) => void> = {
    "chat:room:joined": onJoined,
    "chat:room:left": (d: { roomId: string; userId: string }) => {
      if (d.userId === me.id) {
        gone(d.roomId);
      } else {
        member(d.roomId, d.userId, () => null);
        const room = rooms.get(d.roomId)?.peek();
        upsertIfKnown(d.roomId, { memberCount: Math.max(0, (room?.memberCount ?? 1) - 1) });
      }
    },
    "chat:room:created": learn,
    "chat:room:updated": (d: ChatRoom) => {
      const unread = rooms.get(d.id)?.peek().unread ?? 0; // it is told to all in the same words
      upsertIfKnown(d.id, { ...d, unread });
    },
    "chat:room:deleted": (d: { roomId: string }) => gone(d.roomId),
    "chat:message:received": onMessage,
    "chat:message:updated": (d: Message) => amend(d.roomId, d.seq, () => d),
    "chat:message:status": (d: { roomId: string; seq: number; deliveryStatus: Message["deliveryStatus"] }) =>
      amend(d.roomId, d.seq, (m) => ({ ...m, deliveryStatus: d.deliveryStatus })),
    "chat:message:receipt": (d: { roomId: string; userId: string; seq: number }) => {
      if (d.userId === me.id) {
        haveRead(d.roomId, d.seq);
      }
      member(d.roomId, d.userId, (m) => (m ? { ...m, lastReadSeq: Math.max(m.lastReadSeq ?? 0, d.seq) } : null));
    },
    "chat:user:typing": (d: { roomId: string; userId: string; isTyping: boolean }) => {
      if (d.userId !== me.id) {
        setTyping(d.roomId, d.userId, d.isTyping);
      }
    },
    "chat:user:presence": (d: { roomId: string; userId: string; isOnline: boolean }) =>
      member(d.roomId, d.userId, (m) => (m ? { ...m, isOnline: d.isOnline } : null)),
    "chat:robot:response": onChunk,
    "chat:escalation:created": onEscalation,
    "chat:escalation:updated": (e: Escalation) => {
      const had = takes.delete(e.id) || escalations.peek().get(e.id)?.assignedTo === me.id;
      onEscalation(e);
      if (e.status === "taken" && e.assignedTo === me.id && !had) {
        notify({ level: "info", code: "assigned", message: `This escalation is yours now: ${e.reason}`, roomId: e.roomId });
      }
    },
    "chat:file:uploaded": (d: { fileId: string }) => uploads.released(d.fileId),
    "chat:system:notification": onNotification,
    "chat:error": (d: ErrorBody) => {
      if (d.code !== "AUTH_FAILED" && !uploads.blocked(d)) { // `closing` follows, and is shown
        notify({ level: "error", code: d.code, message: d.message });
      }
    },
  };

  /** A room that was made, or come into: who is online in it is told by itself. */
  function learn(d: ChatRoom): void {
    const known = rooms.get(d.id)?.peek();
    const members = d.members?.map((m) => ({ ...m, isOnline: known?.people.get(m.userId)?.isOnline ?? m.isOnline }));
    upsert(d.id, { ...d, ...(members ? { members } : {}), unread: known?.unread ?? d.unread, rank: ++ranks });
  }

  function upsertIfKnown(id: string, changes: Partial<RoomView>): void {
    if (rooms.has(id)) {
      upsert(id, changes);
    }
  }

  function haveRead(roomId: string, seq: number): void {
    readAt.set(roomId, Math.max(readAt.get(roomId) ?? 0, seq));
    const room = rooms.get(roomId)?.peek();
    if (room) {
      upsert(roomId, { unread: Math.min(room.unread, Math.max(0, room.lastSeq - seq)) });
    }
  }

  /** What waits and what is taken; later changes come by themselves. */
  async function desk(): Promise<void> {
    const [waiting, taken] = await Promise.all(
      ["waiting", "taken"].map((status) => pages<Escalation>(`${API}/escalations`, { status })),
    );
    escalations.value = new Map([...waiting!, ...taken!].map((e) => [e.id, e]));
  }

  // --- the socket ---

  async function probe(): Promise<Probe> {
    try {
      await request("GET", `${API}/rooms?limit=1`, undefined, { signal: closing.signal });
      return "ok";
    } catch (e) {
      const { status } = asError(e);
      return status === 401 ? "signed-out" : status === 403 ? "forbidden" : "unreachable";
    }
  }

  const wire = new SioSocket(environment(SIO_PATH, probe), {
    onState(now) {
      socket.value = now;
      if (now.kind === "open") {
        readAt.clear();
        // A guest is invited, and comes in by itself.
        void (me.guestOf ? ask("chat:room:join", { roomId: me.guestOf }).catch(() => {}) : Promise.resolve()).then(load);
        outbox.resume();
        uploads.resume();
        for (const room of rooms.values()) {
          if (room.peek().watching) { // a socket watches, and this is another
            ask("chat:room:join", { roomId: room.peek().id }).catch(() => forget(room.peek().id));
          }
        }
        if (may("chat:escalation:take")) {
          void desk().catch(() => {
            // its page says so
          });
        }
      } else if (now.kind === "stopped" && now.signIn) {
        endSession();
      } else if (now.kind === "waiting" && !loaded.peek()) {
        void load(); // it says why, or shows what there is
      }
    },
    onEvent(name, argument) {
      const data = unwrap(argument);
      if (typeof data === "object" && data !== null) {
        handlers[name]?.(data as never);
      }
    },
  }, bearerToken());
  const link = attend(wire);
  const uploads = createUploads(ask);
  link.start();

  return {
    me, rooms, shape, loaded, error, socket, notices, speaking, escalations, uploads,
    ask, load, refresh, state, sync, dismissAnswer, notify, onEscalation, learn, loadDesk: desk,
    retry: link.retry,
    retrySend: (clientId: string) => outbox.retry(clientId),
    discard: (clientId: string) => outbox.discard(clientId),

    /** It is taken here: the news of it is none. */
    taking(id: string, on: boolean): void {
      takes[on ? "add" : "delete"](id);
    },

    /** The room that is looked at; null: none. */
    show(roomId: string | null): void {
      current = roomId;
      if (roomId !== null && !rooms.get(roomId)?.peek().invited) {
        void sync(roomId);
        if (!rooms.get(roomId)?.peek().people.size) {
          void refresh(roomId);
        }
      }
    },

    older: (id: string): Promise<void> => working(id, "older", async (s) => {
      const first = s.log.peek().messages[0]?.seq;
      if (first !== undefined && s.log.peek().older) {
        const { rows, more } = await page(id, { before: first, limit: PAGE });
        s.log.value = prepend(s.log.peek(), rows, more);
      }
    }),

    /** A stretch around a message that is not here; newer() leads back to the end. */
    around: (id: string, seq: number): Promise<void> => working(id, "first", async (s) => {
      const { rows } = await page(id, { around: seq, limit: PAGE });
      const end = rooms.get(id)?.peek().lastSeq ?? 0;
      const top = rows[rows.length - 1]?.seq ?? 0;
      s.log.value = { messages: rows, top, older: (rows[0]?.seq ?? 1) > 1, apart: top < end };
    }),

    newer: (id: string): Promise<void> => working(id, "newer", async (s) => {
      const { rows, more } = await page(id, { after: s.log.peek().top, limit: PAGE });
      s.log.value = append(s.log.peek(), rows, more ? null : (rooms.get(id)?.peek().lastSeq ?? 0));
    }),

    send(roomId: string, text: string, replyTo: string | null): void {
      typed.delete(roomId); // the server ends it with the message
      outbox.add({ roomId, type: "chat", content: text, ...(replyTo ? { replyTo } : {}) });
    },

    /** Somebody writes, or has emptied the field. */
    typing(roomId: string, on: boolean): void {
      const last = typed.get(roomId);
      const now = Date.now();
      if (on ? last !== undefined && now - last < TYPING_AGAIN_MS : last === undefined) {
        return;
      }
      if (on) {
        typed.set(roomId, now);
      } else {
        typed.delete(roomId);
      }
      ask(`chat:typing:${on ? "start" : "stop"}`, { roomId }).catch(() => {
        // it ends by itself
      });
    },

    /** All up to a seq has been seen. */
    read(roomId: string, seq: number): void {
      const room = rooms.get(roomId)?.peek();
      if (!room || room.watching || seq <= (readAt.get(roomId) ?? 0)) {
        return;
      }
      haveRead(roomId, seq);
      if (readTimers.has(roomId)) {
        return;
      }
      const tell = () => {
        const furthest = readAt.get(roomId);
        if (furthest !== undefined) {
          ask("chat:message:read", { roomId, seq: furthest }).catch(() => readAt.delete(roomId));
        }
        return furthest;
      };
      const told = tell();
      readTimers.set(roomId, window.setTimeout(() => {
        readTimers.delete(roomId);
        if ((readAt.get(roomId) ?? 0) > (told ?? 0)) {
          tell();
        }
      }, READ_EVERY_MS));
    },

    name: (room: RoomView | undefined, id: string): string =>
      room?.people.get(id)?.name ?? names.get(id) ?? "Somebody",
    called(id: string, name: string): void {
      names.set(id, name);
    },
    closeNotice(key: number): void {
      notices.value = notices.peek().filter((n) => n.key !== key);
    },

    close(): void {
      closing.abort();
      outbox.close();
      uploads.close();
      link.close();
      [...typingTimers.values(), ...readTimers.values()].forEach((timer) => window.clearTimeout(timer));
    },
  };
}

export type Chat = ReturnType<typeof createChat>;

/** A random id; crypto.randomUUID is for secure contexts only. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
}

/** What to say of a failure, whoever refused. */
export const words = (e: unknown): string =>
  e instanceof ChatError ? e.message
    : e instanceof Error && e.message !== "" ? `It did not reach the server (${e.message}).` : String(e);
