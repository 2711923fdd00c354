// Rooms that need somebody: what waits, what is taken, and by whom.
import { useEffect, useRef, useState } from "preact/hooks";
import { API, roomApi, words, type Chat } from "../lib/chat";
import type { ChatRoom, Escalation, Outcome } from "../lib/chat-types";
import { asError, request, type ApiError } from "../lib/api";
import { now } from "../lib/clock";
import { ago, duration, moment } from "../lib/format";
import { CHAT, chatPath, navigate } from "../lib/router";
import { may } from "../lib/session";
import { time } from "../lib/types";
import { announce } from "../ui/announce";
import { Failure } from "../ui/bits";
import { keepFocus } from "../ui/focus";
import { useTask } from "../ui/task";
import { Assign } from "./dialogs";
import { roomName } from "./parts";

const OUTCOMES: readonly [Outcome, string][] = [
  ["resolved", "Resolved"], ["unresolved", "Unresolved"], ["guest-disengaged", "The guest has gone"],
];
const path = (e: Escalation, what: string): string => `${API}/escalations/${e.id}/${what}`;

function Due({ at }: { at: number | null }) {
  if (at === null) {
    return null;
  }
  const s = (at - now.value) / 1000;
  return (
    <span class={s < 300 ? "late" : ""} title={moment(at)}>
      {s > 0 ? `rises in ${duration(s)}` : "rises now"}
    </span>
  );
}

/** Rooms that a supervisor is not in, by id. */
type Others = Record<string, ChatRoom>;

function titleOf(chat: Chat, e: Escalation, others: Others): string {
  const room = chat.rooms.get(e.roomId)?.peek();
  return (room ? roomName(chat, room) : others[e.roomId]?.name) || "A room you are not in";
}

function Case({ chat, escalation: e, others, onAssign }: {
  chat: Chat;
  escalation: Escalation;
  others: Others;
  onAssign: () => void;
}) {
  const [ending, setEnding] = useState(false);
  const [outcome, setOutcome] = useState<Outcome>("resolved");
  const task = useTask();
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (ending) {
      form.current?.querySelector("select")?.focus();
    }
  }, [ending]);
  const room = chat.rooms.get(e.roomId)?.value;
  const mine = e.assignedTo === chat.me.id;
  const supervises = may("chat:room:monitor");
  const ends = mine || supervises;
  const act = (what: string, done: string, body: object = {}) => task.run(async () => {
    const next = await request<Escalation>("POST", path(e, what), body);
    chat.onEscalation(next);
    announce(done);
    keepFocus(`case-${e.id}`, "desk-title");
  });
  const take = async () => {
    chat.taking(e.id, true);
    if (await act("take", "Taken")) {
      navigate(chatPath(e.roomId));
    } else {
      chat.taking(e.id, false);
    }
  };
  const other = others[e.roomId];
  const watch = () => task.run(async () => {
    await chat.ask("chat:room:join", { roomId: e.roomId });
    chat.learn(other!);
    navigate(chatPath(e.roomId));
  });
  return (
    <li class="case" id={`case-${e.id}`} tabIndex={-1}>
      <div class="what">
        <strong><bdi>{titleOf(chat, e, others)}</bdi></strong>
        <span class="tag">{e.level}</span>
        <p dir="auto">{e.reason}</p>
        <p class="below">
          {ago(time(e.createdAt), now.value)}
          {e.status === "waiting" && e.dueAt && <>, <Due at={time(e.dueAt)} /></>}
          {e.status === "taken" && <>, taken by {mine ? "you" : chat.name(room, e.assignedTo ?? "")}</>}
        </p>
      </div>
      <div class="buttons">
        {e.status === "waiting" && (
          <button type="button" class="primary" disabled={task.busy} onClick={() => void take()}>Take</button>
        )}
        {supervises && <button type="button" disabled={task.busy} onClick={onAssign}>Assign…</button>}
        {room && <button type="button" onClick={() => navigate(chatPath(e.roomId))}>Open</button>}
        {!room && other && <button type="button" disabled={task.busy} onClick={() => void watch()}>Watch</button>}
        {e.status === "taken" && ends && <button type="button" disabled={task.busy} onClick={() => void act("release", "Released")}>Release</button>}
        {e.status === "taken" && ends && !ending && <button type="button" class="primary" onClick={() => setEnding(true)}>Conclude…</button>}
      </div>
      {ending && e.status === "taken" && (
        <form ref={form} class="conclude" onSubmit={(event) => { event.preventDefault(); void act("conclude", "Concluded", { outcome }); }}>
          <label>
            <span class="sr-only">Outcome</span>
            <select value={outcome} onChange={(event) => setOutcome(event.currentTarget.value as Outcome)}>
              {OUTCOMES.map(([key, label]) => <option key={key} value={key}>{label}</option>)}
            </select>
          </label>
          <button type="submit" class="primary" disabled={task.busy}>Conclude</button>
          <button type="button" onClick={() => { setEnding(false); keepFocus(`case-${e.id}`); }}>Cancel</button>
        </form>
      )}
      {task.error && <p class="field-error" role="alert">{words(task.error)}</p>}
    </li>
  );
}

export function Desk({ chat }: { chat: Chat }) {
  const [error, setError] = useState<ApiError | null>(null);
  const [assigning, setAssigning] = useState<string | null>(null);
  const [others, setOthers] = useState<Others>({});
  chat.shape.value; // names of rooms that one comes into
  const open = chat.socket.value.kind === "open";
  const load = () => chat.loadDesk().then(() => setError(null), (e: unknown) => setError(asError(e)));
  useEffect(() => void load(), [open]);
  const all = [...chat.escalations.value.values()].sort((a, b) => a.createdAt.localeCompare(b.createdAt));
  const unknown = all.find((e) => e.status !== "concluded" && !chat.rooms.has(e.roomId) && !(e.roomId in others))?.roomId;
  useEffect(() => {
    if (unknown && may("chat:room:monitor")) { // one after the other, each once
      request<ChatRoom>("GET", roomApi(unknown)).then(
        (room) => setOthers((known) => ({ ...known, [unknown]: room })),
        () => {
          // it stays without a name
        },
      );
    }
  }, [unknown]);
  const given = all.find((e) => e.id === assigning && e.status !== "concluded");
  const part = (title: string, status: Escalation["status"], none: string) => {
    const list = all.filter((e) => e.status === status);
    return (
      <section aria-label={title}>
        <h3>{title} <span class="dim">{list.length}</span></h3>
        {list.length === 0 ? <p class="hint">{none}</p> : (
          <ul>{list.map((e) => <Case key={e.id} chat={chat} escalation={e} others={others} onAssign={() => setAssigning(e.id)} />)}</ul>
        )}
      </section>
    );
  };
  return (
    <section class="chat-main desk" aria-label="Escalations">
      <header class="chat-head">
        <a class="back" href={CHAT} aria-label="All rooms">‹</a>
        <div class="chat-title"><h2 id="desk-title" tabIndex={-1}>Escalations</h2><p class="below">Rooms that need somebody</p></div>
      </header>
      <div class="cases">
        {error && <Failure error={error} what="The escalations could not be loaded." retry={() => void load()} />}
        {part("Waiting", "waiting", "Nobody waits.")}
        {part("Taken", "taken", "Nothing is being worked on.")}
      </div>
      {given && (
        <Assign
          chat={chat} escalation={given} what={titleOf(chat, given, others)}
          onClose={() => { setAssigning(null); keepFocus(`case-${given.id}`, "desk-title"); }}
        />
      )}
    </section>
  );
}
