// Who is in a room, and what moderators do: add, roles, mutes, removing; invitations for guests.
import { useEffect, useRef, useState } from "preact/hooks";
import { roomApi, words, type Chat, type RoomView } from "../lib/chat";
import type { Member, Role } from "../lib/chat-types";
import { query, request } from "../lib/api";
import { now } from "../lib/clock";
import { moment } from "../lib/format";
import { may } from "../lib/session";
import { time } from "../lib/types";
import { announce } from "../ui/announce";
import { keepFocus, twice } from "../ui/focus";
import { useTask } from "../ui/task";
import { AddPeople, InviteGuest } from "./dialogs";
import { Badge, muted, Presence } from "./parts";

const MUTES: readonly [number, string][] = [[3600, "an hour"], [86_400, "a day"], [-1, "good"]];
const REASON_MAX = 500;

function Person({ chat, room, member: m, moderates, owns, onGone }: {
  chat: Chat;
  room: RoomView;
  member: Member;
  moderates: boolean;
  owns: boolean;
  onGone: () => void;
}) {
  const [open, setOpen] = useState(false);
  const task = useTask();
  const self = m.userId === chat.me.id;
  const path = `${roomApi(room.id)}/members/${m.userId}`;
  const silent = m.mutedUntil ? muted(m, now.value) : null;
  const [reason, setReason] = useState("");
  const [sure, setSure] = useState<"remove" | "ban" | null>(null);
  const act = (done: string, what: () => Promise<unknown>) => task.run(async () => {
    await what();
    await chat.refresh(room.id);
    announce(done);
    setOpen(false);
    setReason("");
    setSure(null);
    toggle.current?.focus();
    keepFocus("people-title");
  });
  const toggle = useRef<HTMLButtonElement>(null);
  const why = reason.trim() === "" ? {} : { reason: reason.trim() };
  const mute = (muteS: number, done: string) => act(done, () => request("PATCH", path, { muteS, ...why }));
  const role = (to: Role) => act(`${m.name} is ${to}`, () => request("PATCH", path, { role: to }));
  return (
    <li class="person">
      <Badge name={m.name} id={m.userId} />
      <span class="who">
        <bdi>{m.name}</bdi>{self && <span class="dim"> (you)</span>}
        <span class="below">
          {[m.kind === "robot" ? "robot" : m.userType !== "employee" ? m.userType : "", m.role !== "member" ? m.role : "", silent ? `muted ${silent}` : ""].filter(Boolean).join(", ")}
          {silent && m.muteReason && <>: <bdi>{m.muteReason}</bdi></>}
        </span>
      </span>
      <Presence online={m.isOnline} />
      {!self && (moderates || owns) && m.role !== "owner" && (
        <button ref={toggle} type="button" class="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
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
          {silent && <button type="button" disabled={task.busy} onClick={() => void mute(0, `${m.name} may write again`)}>Unmute</button>}
          <label class="field">
            <span>Reason, if there is one to give</span>
            <input value={reason} maxLength={REASON_MAX} autocomplete="off" onInput={(e) => setReason(e.currentTarget.value)} />
          </label>
          {!silent && MUTES.map(([s, label]) => (
            <button key={s} type="button" disabled={task.busy} onClick={() => void mute(s, `${m.name} is muted for ${label}`)}>Mute for {label}</button>
          ))}
          {(["remove", "ban"] as const).map((how) => (
            <button
              key={how} type="button" class={sure === how ? "primary danger" : "danger"} disabled={task.busy}
              onClick={(e) => !twice(e) && (sure !== how ? setSure(how) : void act(how === "ban" ? `${m.name} is banned` : `${m.name} was removed`,
                () => request("DELETE", `${path}${query({ ban_s: how === "ban" ? "ever" : null, ...why })}`)).then(onGone))}
            >
              {how === "ban" ? (sure === how ? "Ban for good" : "Ban…") : sure === how ? "Remove from the room" : "Remove…"}
            </button>
          ))}
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
                return load().then(() => keepFocus("people-title"));
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

interface Ban {
  userId: string;
  name: string;
  until: string | null;
  reason: string;
}

function Bans({ room, turn }: { room: RoomView; turn: number }) {
  const [list, setList] = useState<Ban[]>([]);
  const path = `${roomApi(room.id)}/bans`;
  const load = () => request<Ban[]>("GET", path).then(setList, () => setList([]));
  useEffect(() => void load(), [room.id, turn]);
  if (list.length === 0) {
    return null;
  }
  return (
    <>
      <h3 id="bans">Banned</h3>
      <ul class="invitations" aria-labelledby="bans">
        {list.map((b) => (
          <li key={b.userId}>
            <span><bdi>{b.name}</bdi><span class="below">{b.until ? `until ${moment(time(b.until) ?? 0, Date.now(), false)}` : "for good"}{b.reason && <>: <bdi>{b.reason}</bdi></>}</span></span>
            <button
              type="button" class="quiet"
              onClick={() => void request("DELETE", `${path}/${b.userId}`).then(() => {
                announce(`${b.name} may come again`);
                return load().then(() => keepFocus("people-title"));
              }, (e: unknown) => announce(words(e)))}
            >
              Allow<span class="sr-only"> {b.name} again</span>
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
      <h2 id="people-title" tabIndex={-1}>Members <span class="dim">{room.memberCount ?? people.length}</span></h2>
      {adds && (
        <div class="buttons">
          <button type="button" onClick={() => setOpen("add")}>Add people</button>
          {may("chat:guest:invite") && <button type="button" onClick={() => setOpen("guest")}>Invite a guest</button>}
        </div>
      )}
      <ul class="people">
        {people.map((m) => (
          <Person key={m.userId} chat={chat} room={room} member={m} moderates={moderates && room.type !== "direct"} owns={owns && room.type !== "direct"} onGone={() => setTurn(turn + 1)} />
        ))}
      </ul>
      {moderates && room.type !== "direct" && <><Invitations room={room} turn={turn} /><Bans room={room} turn={turn} /></>}
      {me && (
        <div class="buttons">
          <button
            type="button" class="danger" disabled={task.busy}
            onClick={(e) => {
              if (twice(e)) {
                return;
              }
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
