// Who is in a room, and what moderators do: add, roles, mutes, removing; invitations for guests.
import { useEffect, useState } from "preact/hooks";
import { roomApi, words, type Chat, type RoomView } from "../lib/chat";
import type { Member, Role } from "../lib/chat-types";
import { request } from "../lib/api";
import { moment } from "../lib/format";
import { may } from "../lib/session";
import { time } from "../lib/types";
import { announce } from "../ui/announce";
import { useTask } from "../ui/task";
import { AddPeople, InviteGuest } from "./dialogs";
import { Badge, Presence } from "./parts";

const MUTE_S = 3600;

function Person({ chat, room, member: m, moderates, owns }: {
  chat: Chat;
  room: RoomView;
  member: Member;
  moderates: boolean;
  owns: boolean;
}) {
  const [open, setOpen] = useState(false);
  const task = useTask();
  const self = m.userId === chat.me.id;
  const path = `${roomApi(room.id)}/members/${m.userId}`;
  const mutedUntil = time(m.mutedUntil);
  const muted = mutedUntil !== null && mutedUntil > Date.now();
  const act = (done: string, what: () => Promise<unknown>) => task.run(async () => {
    await what();
    await chat.refresh(room.id);
    announce(done);
    setOpen(false);
  });
  const role = (to: Role) => act(`${m.name} is ${to}`, () => request("PATCH", path, { role: to }));
  return (
    <li class="person">
      <Badge name={m.name} id={m.userId} />
      <span class="who">
        <bdi>{m.name}</bdi>{self && <span class="dim"> (you)</span>}
        <span class="below">
          {[m.kind === "robot" ? "robot" : m.userType !== "employee" ? m.userType : "", m.role !== "member" ? m.role : "", muted ? "muted" : ""].filter(Boolean).join(", ")}
        </span>
      </span>
      <Presence online={m.isOnline} />
      {!self && (moderates || owns) && m.role !== "owner" && (
        <button type="button" class="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
          <span aria-hidden="true">···</span><span class="sr-only">Actions for {m.name}</span>
        </button>
      )}
      {open && (
        <div class="buttons" role="group" aria-label={`Actions for ${m.name}`}>
          {owns && m.userType !== "guest" && (
            <button type="button" disabled={task.busy} onClick={() => void role(m.role === "moderator" ? "member" : "moderator")}>
              {m.role === "moderator" ? "No moderator" : "Make moderator"}
            </button>
          )}
          <button
            type="button" disabled={task.busy}
            onClick={() => void act(muted ? `${m.name} may write again` : `${m.name} is muted for an hour`, () => request("PATCH", path, { muteS: muted ? 0 : MUTE_S }))}
          >
            {muted ? "Unmute" : "Mute for an hour"}
          </button>
          <button type="button" class="danger" disabled={task.busy} onClick={() => void act(`${m.name} was removed`, () => request("DELETE", path))}>
            Remove
          </button>
        </div>
      )}
      {task.error && <p class="field-error" role="alert">{task.error.message}</p>}
    </li>
  );
}

interface Invitation {
  id: string;
  kind: "employee" | "guest";
  usesLeft: number;
  expiresAt: string;
  revokedAt?: string;
}

function Invitations({ room, turn }: { room: RoomView; turn: number }) {
  const [list, setList] = useState<Invitation[]>([]);
  const load = () => request<Invitation[]>("GET", `${roomApi(room.id)}/invitations`)
    .then((all) => setList(all.filter((i) => !i.revokedAt && i.usesLeft > 0 && (time(i.expiresAt) ?? 0) > Date.now())), () => setList([]));
  useEffect(() => void load(), [room.id, turn]);
  if (list.length === 0) {
    return null;
  }
  return (
    <>
      <h3>Invitations</h3>
      <ul class="invitations">
        {list.map((i) => (
          <li key={i.id}>
            <span>{i.kind === "guest" ? "For guests" : "For employees"}<span class="below">{i.usesLeft} left, until {moment(time(i.expiresAt) ?? 0, Date.now(), false)}</span></span>
            <button
              type="button" class="quiet danger"
              onClick={() => void request("DELETE", `${roomApi(room.id)}/invitations/${i.id}`).then(() => {
                announce("Invitation revoked");
                return load();
              }, (e: unknown) => announce(words(e)))}
            >
              Revoke
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

export function People({ chat, room, onLeft }: { chat: Chat; room: RoomView; onLeft: () => void }) {
  const [open, setOpen] = useState<"add" | "guest" | "leave" | null>(null);
  const [turn, setTurn] = useState(0);
  const task = useTask();
  useEffect(() => void chat.refresh(room.id), [room.id]);
  const me = room.people.get(chat.me.id);
  const supervises = may("chat:room:monitor");
  const owns = me?.role === "owner" || supervises;
  const moderates = owns || me?.role === "moderator";
  const adds = room.type !== "direct" && (moderates || room.type === "group" || room.type === "support");
  const people = [...room.people.values()].sort((a, b) =>
    Number(b.isOnline) - Number(a.isOnline) || a.name.localeCompare(b.name));
  return (
    <>
      <h2>Members <span class="dim">{room.memberCount ?? people.length}</span></h2>
      {adds && (
        <div class="buttons">
          <button type="button" onClick={() => setOpen("add")}>Add people</button>
          {may("chat:guest:invite") && <button type="button" onClick={() => setOpen("guest")}>Invite a guest</button>}
        </div>
      )}
      <ul class="people">
        {people.map((m) => (
          <Person key={m.userId} chat={chat} room={room} member={m} moderates={moderates && room.type !== "direct"} owns={owns && room.type !== "direct"} />
        ))}
      </ul>
      {moderates && room.type !== "direct" && <Invitations room={room} turn={turn} />}
      {me && (
        <div class="buttons">
          <button
            type="button" class="danger" disabled={task.busy}
            onClick={() => {
              if (open !== "leave") {
                setOpen("leave");
              } else {
                void task.run(() => chat.ask("chat:room:leave", { roomId: room.id })).then((done) => done && onLeft());
              }
            }}
          >
            {open === "leave" ? "Leave for good" : room.type === "direct" ? "Hide the room…" : "Leave the room…"}
          </button>
        </div>
      )}
      {task.error && <p class="field-error" role="alert">{task.error.message}</p>}
      {open === "add" && <AddPeople chat={chat} room={room} onClose={() => setOpen(null)} />}
      {open === "guest" && <InviteGuest room={room} onClose={() => { setOpen(null); setTurn(turn + 1); }} />}
    </>
  );
}
