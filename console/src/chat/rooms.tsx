// The list of rooms: the newest activity first, how much is unread, what was said last.
import { signal, type Signal } from "@preact/signals";
import { useState } from "preact/hooks";
import type { Chat, RoomView } from "../lib/chat";
import { now } from "../lib/clock";
import { clock, day } from "../lib/format";
import { chatPath, DESK } from "../lib/router";
import { may } from "../lib/session";
import { time } from "../lib/types";
import { Link } from "../ui/link";
import { FindRooms, NewRoom } from "./late";
import { Badge, Line, partner, roomName } from "./parts";

const text = signal(""); // kept over visits to other pages

function when(ms: number): string {
  return new Date(ms).toDateString() === new Date(now.value).toDateString() ? clock(ms, false) : day(ms);
}

function Row({ chat, room, at }: { chat: Chat; room: Signal<RoomView>; at: boolean }) {
  const r = room.value;
  const typing = chat.state(r.id).typing.value;
  const name = roomName(chat, r);
  const said = time(r.last?.timestamp);
  return (
    <li class={at ? "at" : ""}>
      <a href={chatPath(r.id)} aria-current={at ? "page" : undefined}>
        <Badge name={name} id={r.id} />
        <span class="room-name">
          <bdi>{name}</bdi>
          {partner(chat, r)?.isOnline && <span class="dot" title="online"><span class="sr-only"> online</span></span>}
        </span>
        {said !== null && <time dateTime={r.last!.timestamp}>{when(said)}</time>}
        <span class="room-last">
          {typing.size > 0
            ? <em>{[...typing.keys()].map((id) => chat.name(r, id)).join(", ")} {typing.size === 1 ? "is" : "are"} typing…</em>
            : r.invited ? <em>You are invited</em>
            : r.watching ? <em>You watch this room</em>
            : r.last ? <Line chat={chat} room={r} message={r.last} /> : <span class="dim">Nothing said yet</span>}
        </span>
        {r.unread > 0 && (
          <span class="unread">{r.unread > 999 ? "999+" : r.unread}<span class="sr-only"> unread</span></span>
        )}
      </a>
    </li>
  );
}

export function RoomList({ chat, at }: { chat: Chat; at: string | null }) {
  const [open, setOpen] = useState<"new" | "find" | null>(null);
  chat.shape.value;
  const wanted = text.value.trim().toLowerCase();
  const rooms = [...chat.rooms.values()]
    .filter((r) => wanted === "" || roomName(chat, r.peek()).toLowerCase().includes(wanted))
    .sort((a, b) => b.peek().rank - a.peek().rank);
  const waiting = [...chat.escalations.value.values()].filter((e) => e.status === "waiting").length;
  return (
    <section class="chat-rooms" aria-label="Rooms">
      <div class="chat-rooms-head">
        <span class="chat-word" aria-hidden="true">Chat</span>
        <div class="buttons">
          <button type="button" onClick={() => setOpen("find")}>Find</button>
          {may("chat:room:create") && <button type="button" class="primary" onClick={() => setOpen("new")}>New room</button>}
        </div>
      </div>
      <label class="chat-filter">
        <span class="sr-only">Filter rooms by name</span>
        <input
          type="search" placeholder="Filter by name" value={text.value} autocomplete="off" spellcheck={false}
          onInput={(e) => { text.value = e.currentTarget.value; }}
        />
      </label>
      {may("chat:escalation:take") && (
        <a class="desk-link" href={DESK} aria-current={at === "desk" ? "page" : undefined}>
          Escalations
          {waiting > 0 && <span class="unread warn">{waiting}<span class="sr-only"> waiting</span></span>}
        </a>
      )}
      <nav class="chat-list" aria-label="Rooms" aria-busy={!chat.loaded.value}>
        {rooms.length > 0 && (
          <ul>{rooms.map((r) => <Row key={r.peek().id} chat={chat} room={r} at={at === r.peek().id} />)}</ul>
        )}
        {rooms.length === 0 && chat.loaded.value && (
          <p class="hint">{wanted === "" ? "You are in no room yet." : "No room of that name."}</p>
        )}
      </nav>
      <Link state={chat.socket.value} retry={chat.retry} live="Live" />
      {open === "new" && <NewRoom chat={chat} onClose={() => setOpen(null)} />}
      {open === "find" && <FindRooms chat={chat} onClose={() => setOpen(null)} />}
    </section>
  );
}
