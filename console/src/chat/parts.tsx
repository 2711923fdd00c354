// Small parts of the chat: names, presence, text with links, sizes.
import type { ComponentChildren } from "preact";
import type { Chat, RoomView } from "../lib/chat";
import type { Member, Message } from "../lib/chat-types";
import { textOf } from "../lib/chat-types";
import { moment } from "../lib/format";
import { time } from "../lib/types";

const EVER_MS = 20 * 365 * 86_400_000;

/** The other one in a room of two. */
export function partner(chat: Chat, room: RoomView): Member | null {
  return room.type === "direct"
    ? ([...room.people.values()].find((m) => m.userId !== chat.me.id) ?? null) : null;
}

export function roomName(chat: Chat, room: RoomView): string {
  return room.name || partner(chat, room)?.name || (room.type === "direct" ? "Direct room" : "Room");
}

const LINK = /https?:\/\/[^\s<>"'`]+[^\s<>"'`.,;:!?)\]}]/g;

/** Text as text; addresses of the web become links. */
export function Words({ text }: { text: string }) {
  const parts: ComponentChildren[] = [];
  let at = 0;
  for (const found of text.matchAll(LINK)) {
    parts.push(text.slice(at, found.index));
    parts.push(
      <a href={found[0]} target="_blank" rel="noopener noreferrer nofollow">{found[0]}</a>,
    );
    at = found.index + found[0].length;
  }
  parts.push(text.slice(at));
  return <p class="words" dir="auto">{parts}</p>;
}

/** A message in a line: who, and what. */
export function Line({ chat, room, message }: { chat: Chat; room: RoomView | undefined; message: Message }) {
  const who = message.senderId === null ? null
    : message.senderId === chat.me.id ? "You" : chat.name(room, message.senderId);
  return <>{who !== null && <span class="by"><bdi>{who}</bdi>: </span>}<bdi>{textOf(message) || "…"}</bdi></>;
}

/** Until when somebody may not write, in words; null: may. */
export function muted(m: Member | undefined, at: number): string | null {
  const until = time(m?.mutedUntil);
  return until === null || until <= at ? null
    : until - at > EVER_MS ? "until a moderator ends it" : `until ${moment(until, at, false)}`;
}

export function Presence({ online }: { online: boolean }) {
  return (
    <span class={`mark ${online ? "online" : "offline"}`}>
      <span class="lamp" aria-hidden="true" />
      <span class="sr-only">{online ? "online" : "offline"}</span>
    </span>
  );
}

/** Two letters and one of six grounds, from a name. */
export function Badge({ name, id }: { name: string; id: string }) {
  const letters = (name.match(/(?<![\p{L}\p{N}])[\p{L}\p{N}]/gu) ?? []).slice(0, 2).join("").toUpperCase();
  let sum = 0;
  for (const c of id) {
    sum = (sum * 31 + c.charCodeAt(0)) % 6;
  }
  return <span class={`badge b${sum}`} aria-hidden="true">{letters || "·"}</span>;
}

export const KINDS: Record<string, string> = { direct: "Direct", group: "Group", public: "Public", support: "Support" };
export const count = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;
