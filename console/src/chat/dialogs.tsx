// The dialogs of the chat.
import { useEffect, useState } from "preact/hooks";
import { API, roomApi, words, type Chat, type RoomView } from "../lib/chat";
import type { ChatRoom, Escalation, Level, RoomType } from "../lib/chat-types";
import { ApiError, query, request } from "../lib/api";
import { chatPath, GUEST, navigate } from "../lib/router";
import { may } from "../lib/session";
import { announce } from "../ui/announce";
import { CopyField } from "../ui/bits";
import { Dialog } from "../ui/dialog";
import { useTask } from "../ui/task";
import { KINDS, roomName } from "./parts";
import { PickPeople, type Person } from "./pick";

const NAME_MAX = 100;
const REASON_MAX = 500;
const PROMPT_MAX = 8000;
const DAY_S = 86_400;

/** A task whose refusals may be the socket's. */
function useAsk() {
  const task = useTask();
  return {
    ...task,
    run: (what: () => Promise<unknown>) => task.run(async () => {
      try {
        await what();
      } catch (e) {
        throw e instanceof ApiError ? e : new ApiError(400, "REFUSED", words(e));
      }
    }),
  };
}

function Foot({ busy, label, error, onClose }: { busy: boolean; label: string; error: Error | null; onClose: () => void }) {
  return (
    <>
      {error && <p class="field-error" role="alert">{error.message}</p>}
      <div class="buttons">
        <button type="button" onClick={onClose}>Cancel</button>
        <button type="submit" class="primary" disabled={busy}>{label}</button>
      </div>
    </>
  );
}

const NEW: readonly [RoomType, string][] = [
  ["direct", "Direct: you and one other"], ["group", "Group: who is added"],
  ["public", "Public: whoever wants may join"], ["support", "Support: with guests"],
];

export function NewRoom({ chat, onClose }: { chat: Chat; onClose: () => void }) {
  const [type, setType] = useState<RoomType>("group");
  const [name, setName] = useState("");
  const [people, setPeople] = useState<Person[]>([]);
  const [wrong, setWrong] = useState("");
  const task = useAsk();
  async function save(event: Event) {
    event.preventDefault();
    if (type === "direct" ? people.length !== 1 : name.trim() === "") {
      setWrong(type === "direct" ? "Choose who the room is with." : "Give the room a name.");
      return;
    }
    setWrong("");
    let id = "";
    const done = await task.run(async () => {
      const said = await chat.ask("chat:room:create", {
        name: type === "direct" ? "" : name.trim(), type, members: people.map((p) => p.userId),
      });
      const room = said["room"] as ChatRoom;
      chat.learn(room);
      id = room.id;
    });
    if (done) {
      announce("Room made");
      onClose();
      navigate(chatPath(id));
    }
  }
  return (
    <Dialog title="New room" onClose={onClose} guard={task.busy || name !== ""}>
      <form onSubmit={(e) => void save(e)} noValidate>
        <label class="field">
          <span>Kind</span>
          <select value={type} onChange={(e) => { setType(e.currentTarget.value as RoomType); setPeople([]); }}>
            {NEW.map(([key, label]) => <option key={key} value={key}>{label}</option>)}
          </select>
        </label>
        {type !== "direct" && (
          <label class="field">
            <span>Name</span>
            <input value={name} maxLength={NAME_MAX} autocomplete="off" onInput={(e) => setName(e.currentTarget.value)} />
          </label>
        )}
        <PickPeople chat={chat} chosen={people} onChosen={setPeople} without={new Set()} one={type === "direct"} />
        {wrong && <p class="field-error" role="alert">{wrong}</p>}
        <Foot busy={task.busy} label="Make the room" error={task.error} onClose={onClose} />
      </form>
    </Dialog>
  );
}

export function FindRooms({ chat, onClose }: { chat: Chat; onClose: () => void }) {
  const [text, setText] = useState("");
  const [all, setAll] = useState(false);
  const [rooms, setRooms] = useState<ChatRoom[] | null>(null);
  const task = useAsk();
  const monitors = may("chat:room:monitor");
  useEffect(() => {
    let over = false;
    const timer = setTimeout(() => void task.run(async () => {
      const list = await request<ChatRoom[]>("GET", `${API}/rooms${query({
        [all ? "all" : "public"]: 1, q: text.trim(), limit: 50,
      })}`);
      if (!over) {
        setRooms(list);
      }
    }), text === "" ? 0 : 200);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [text, all]);
  async function join(room: ChatRoom) {
    const done = await task.run(async () => {
      await chat.ask("chat:room:join", { roomId: room.id });
      chat.learn(room); // what it says of itself follows
    });
    if (done) {
      onClose();
      navigate(chatPath(room.id));
    }
  }
  return (
    <Dialog title="Find rooms" onClose={onClose}>
      <label class="field">
        <span>Name</span>
        <input type="search" value={text} maxLength={NAME_MAX} autocomplete="off" onInput={(e) => setText(e.currentTarget.value)} />
      </label>
      {monitors && (
        <label class="check">
          <input type="checkbox" checked={all} onChange={(e) => setAll(e.currentTarget.checked)} />
          <span>All rooms, to watch unseen</span>
        </label>
      )}
      <ul class="rooms-found" aria-busy={rooms === null}>
        {rooms?.map((r) => {
          const known = chat.rooms.get(r.id)?.peek();
          const name = r.name || (known ? roomName(chat, known) : `${KINDS[r.type]} room`);
          return (
            <li key={r.id}>
              <span><bdi>{name}</bdi><span class="below">{KINDS[r.type]}, {r.memberCount ?? 0} members</span></span>
              {known
                ? <button type="button" onClick={() => { onClose(); navigate(chatPath(r.id)); }}>Open<span class="sr-only"> {name}</span></button>
                : <button type="button" disabled={task.busy} onClick={() => void join(r)}>{all && r.type !== "public" ? "Watch" : "Join"}<span class="sr-only"> {name}</span></button>}
            </li>
          );
        })}
        {rooms?.length === 0 && <li class="hint">No room of that name.</li>}
      </ul>
      {task.error && <p class="field-error" role="alert">{task.error.message}</p>}
      <div class="buttons"><button type="button" onClick={onClose}>Close</button></div>
    </Dialog>
  );
}

export function AddPeople({ chat, room, onClose }: { chat: Chat; room: RoomView; onClose: () => void }) {
  const [people, setPeople] = useState<Person[]>([]);
  const task = useAsk();
  async function save(event: Event) {
    event.preventDefault();
    const done = await task.run(async () => {
      for (const p of people) {
        await request("POST", `${roomApi(room.id)}/members`, { userId: p.userId });
      }
      await chat.refresh(room.id);
    });
    if (done) {
      announce("Added");
      onClose();
    }
  }
  return (
    <Dialog title="Add people" onClose={onClose}>
      <form onSubmit={(e) => void save(e)}>
        <PickPeople chat={chat} chosen={people} onChosen={setPeople} without={new Set(room.people.keys())} />
        <Foot busy={task.busy || people.length === 0} label="Add" error={task.error} onClose={onClose} />
      </form>
    </Dialog>
  );
}

const LIVES: readonly [number, string][] = [[3600, "an hour"], [DAY_S, "a day"], [7 * DAY_S, "a week"]];

export function InviteGuest({ room, onClose }: { room: RoomView; onClose: () => void }) {
  const [life, setLife] = useState(DAY_S);
  const [uses, setUses] = useState("1");
  const [link, setLink] = useState("");
  const task = useAsk();
  async function save(event: Event) {
    event.preventDefault();
    await task.run(async () => {
      const said = await request<{ invitation: string }>("POST", `${roomApi(room.id)}/invitations`, {
        kind: "guest", uses: Math.max(1, Number(uses) || 1), ttlS: life,
      });
      setLink(`${window.location.origin}${GUEST}#${said.invitation}`);
    });
  }
  return (
    <Dialog title="Invite a guest" onClose={onClose} guard={link !== ""}>
      {link === "" ? (
        <form onSubmit={(e) => void save(e)}>
          <p class="hint">Whoever has the link comes into this room as a guest, and sees what is said from then on.</p>
          <div class="pair">
            <label class="field">
              <span>Valid for</span>
              <select value={String(life)} onChange={(e) => setLife(Number(e.currentTarget.value))}>
                {LIVES.map(([s, label]) => <option key={s} value={String(s)}>{label}</option>)}
              </select>
            </label>
            <label class="field">
              <span>How many guests</span>
              <input type="number" min={1} max={1000} value={uses} onInput={(e) => setUses(e.currentTarget.value)} />
            </label>
          </div>
          <Foot busy={task.busy} label="Make the link" error={task.error} onClose={onClose} />
        </form>
      ) : (
        <>
          <p>Give this link to the guest. It is shown once.</p>
          <CopyField label="Link" value={link} secret />
          <div class="buttons"><button type="button" class="primary" onClick={onClose}>Done</button></div>
        </>
      )}
    </Dialog>
  );
}

const TIERS: readonly [Level, string][] = [
  ["T1", "T1: first line"], ["T2", "T2: second line"], ["T3", "T3: specialists"], ["manager", "Manager"],
];

export function Escalate({ chat, room, onClose }: { chat: Chat; room: RoomView; onClose: () => void }) {
  const [reason, setReason] = useState("");
  const [level, setLevel] = useState<Level>("T1");
  const task = useAsk();
  async function save(event: Event) {
    event.preventDefault();
    const done = await task.run(() => chat.ask("chat:escalation:create", {
      roomId: room.id, reason: reason.trim(), targetLevel: level,
    }));
    if (done) {
      announce("Escalated");
      onClose();
    }
  }
  return (
    <Dialog title="Escalate" onClose={onClose} guard={reason !== ""}>
      <form onSubmit={(e) => void save(e)}>
        <label class="field">
          <span>Reason</span>
          <textarea rows={3} value={reason} maxLength={REASON_MAX} onInput={(e) => setReason(e.currentTarget.value)} />
        </label>
        <label class="field">
          <span>To</span>
          <select value={level} onChange={(e) => setLevel(e.currentTarget.value as Level)}>
            {TIERS.map(([key, label]) => <option key={key} value={key}>{label}</option>)}
          </select>
        </label>
        <Foot busy={task.busy || reason.trim() === ""} label="Escalate" error={task.error} onClose={onClose} />
      </form>
    </Dialog>
  );
}

/** Gives an escalation to somebody else, who comes into its room by that. */
export function Assign({ chat, escalation: e, what, onClose }: {
  chat: Chat;
  escalation: Escalation;
  what: string;
  onClose: () => void;
}) {
  const [people, setPeople] = useState<Person[]>([]);
  const task = useAsk();
  const [to] = people;
  async function save(event: Event) {
    event.preventDefault();
    const done = to && await task.run(async () => {
      chat.onEscalation(await request<Escalation>("POST", `${API}/escalations/${e.id}/assign`, { userId: to.userId }));
    });
    if (done) {
      announce(`Assigned to ${to.name}`);
      onClose();
    }
  }
  return (
    <Dialog title="Assign to somebody" onClose={onClose} guard={task.busy}>
      <form onSubmit={(event) => void save(event)}>
        <p class="hint assigned"><strong><bdi>{what}</bdi></strong> <bdi>{e.reason}</bdi></p>
        <PickPeople
          chat={chat} chosen={people} onChosen={setPeople} one staff
          without={new Set(e.status === "taken" && e.assignedTo ? [e.assignedTo] : [])}
        />
        <Foot busy={task.busy || !to} label="Assign" error={task.error} onClose={onClose} />
      </form>
    </Dialog>
  );
}

export function AskRobot({ chat, room, onClose }: { chat: Chat; room: RoomView; onClose: () => void }) {
  const robots = [...room.people.values()].filter((m) => m.kind === "robot");
  const [robot, setRobot] = useState(robots[0]?.userId ?? "");
  const [prompt, setPrompt] = useState("");
  const [quiet, setQuiet] = useState(false);
  const task = useAsk();
  async function save(event: Event) {
    event.preventDefault();
    const done = await task.run(() => chat.ask("chat:robot:interact", {
      roomId: room.id, robotId: robot, prompt: prompt.trim(), visibility: quiet ? "private" : "room",
    }));
    if (done) {
      announce("The robot was asked");
      onClose();
    }
  }
  return (
    <Dialog title="Ask a robot" onClose={onClose} guard={prompt !== ""}>
      <form onSubmit={(e) => void save(e)}>
        {robots.length === 0 ? <p class="hint">No robot is in this room. Robots are added as people are, under Members.</p> : (
          <>
            <label class="field">
              <span>Robot</span>
              <select value={robot} onChange={(e) => setRobot(e.currentTarget.value)}>
                {robots.map((r) => <option key={r.userId} value={r.userId}>{r.name}</option>)}
              </select>
            </label>
            <label class="field">
              <span>Question</span>
              <textarea rows={3} value={prompt} maxLength={PROMPT_MAX} onInput={(e) => setPrompt(e.currentTarget.value)} />
            </label>
            <label class="check">
              <input type="checkbox" checked={quiet} onChange={(e) => setQuiet(e.currentTarget.checked)} />
              <span>Only I see the answer</span>
            </label>
          </>
        )}
        <Foot busy={task.busy || robot === "" || prompt.trim() === ""} label="Ask" error={task.error} onClose={onClose} />
      </form>
    </Dialog>
  );
}
