// One room: what was said, with older messages as one goes up, what is on its way, and the field
// to say something.
import type { Signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Chat, RoomView } from "../lib/chat";
import type { Message } from "../lib/chat-types";
import { visible } from "../lib/clock";
import { day } from "../lib/format";
import { CHAT, navigate } from "../lib/router";
import { may } from "../lib/session";
import { time } from "../lib/types";
import { announce } from "../ui/announce";
import { Failure } from "../ui/bits";
import { Composer } from "./composer";
import { AskRobot, Escalate, People, Search } from "./late";
import { Entry, Pending, Speaks, UploadRow } from "./message";
import { count, KINDS, partner, Presence, roomName } from "./parts";

const NEAR_PX = 80; // this close to the end is at the end
const OLDER_PX = 300;
const TOGETHER_MS = 5 * 60_000; // what one says within this stands under one name

/** What the field is for: something new, an answer, or another text of what was said. */
export type Mode = { kind: "new" } | { kind: "reply" | "edit"; message: Message };

function Head({ chat, room, panel, onPanel }: {
  chat: Chat;
  room: RoomView;
  panel: string | null;
  onPanel: (panel: string | null) => void;
}) {
  const [dialog, setDialog] = useState<"escalate" | "robot" | null>(null);
  const other = partner(chat, room);
  const online = [...room.people.values()].filter((m) => m.isOnline).length;
  const toggle = (name: string, label: string) => (
    <button
      type="button" class={panel === name ? "on" : ""} aria-expanded={panel === name} aria-controls="chat-panel"
      onClick={() => onPanel(panel === name ? null : name)}
    >
      {label}
    </button>
  );
  return (
    <header class="chat-head">
      <a class="back" href={CHAT} aria-label="All rooms">‹</a>
      <div class="chat-title">
        <h2 dir="auto">{roomName(chat, room)}</h2>
        <p class="below">
          {other ? <><Presence online={other.isOnline} /> {other.isOnline ? "Online" : "Offline"}</>
            : <>{KINDS[room.type] ?? room.type} · {count(room.memberCount ?? room.people.size, "member")}{online > 0 && <>, {online} online</>}</>}
        </p>
      </div>
      <div class="buttons">
        {!room.watching && may("chat:robot:use") && <button type="button" aria-label="Ask a robot" onClick={() => setDialog("robot")}>Robot</button>}
        {!room.watching && room.type !== "direct" && may("chat:escalation:create") && <button type="button" onClick={() => setDialog("escalate")}>Escalate</button>}
        {toggle("search", "Search")}
        {toggle("people", "Members")}
      </div>
      {dialog === "escalate" && <Escalate chat={chat} room={room} onClose={() => setDialog(null)} />}
      {dialog === "robot" && <AskRobot chat={chat} room={room} onClose={() => setDialog(null)} />}
    </header>
  );
}

function Typing({ chat, room }: { chat: Chat; room: RoomView }) {
  const names = [...chat.state(room.id).typing.value.keys()].map((id) => chat.name(room, id));
  const who = names.length > 3 ? "Several people" : names.join(names.length === 2 ? " and " : ", ");
  if (chat.socket.value.kind !== "open") {
    return <p class="typing">No connection now: what you send waits for it.</p>;
  }
  return (
    <p class="typing" role="status">
      {names.length > 0 && <><bdi>{who}</bdi> {names.length === 1 ? "is" : "are"} typing…</>}
    </p>
  );
}

function Messages({ chat, room, mode, onMode, jump }: {
  chat: Chat;
  room: RoomView;
  mode: Mode;
  onMode: (mode: Mode) => void;
  jump: Signal<number | null>;
}) {
  const state = chat.state(room.id);
  const log = state.log.value;
  const pending = state.pending.value;
  const loading = state.loading.value;
  const error = state.error.value;
  const uploads = chat.uploads.list.value.filter((u) => u.roomId === room.id);
  const answers = chat.speaking.value.filter((s) => s.roomId === room.id);
  const list = useRef<HTMLDivElement>(null);
  const end = useRef(true); // the list is at its end and stays there
  const shown = useRef({ first: 0, height: 0 });
  const [at, setAt] = useState<number | null>(null); // who has the focus among the messages
  // Where what is new began when the room was opened.
  const [fresh] = useState(() => (room.unread > 0 ? room.lastSeq - room.unread + 1 : null));
  const first = log.messages[0]?.seq ?? 0;
  const last = log.messages[log.messages.length - 1]?.seq ?? 0;

  // Older ones come in above: what is looked at stays where it is.
  useLayoutEffect(() => {
    const box = list.current!;
    if (end.current && !log.apart) {
      box.scrollTop = box.scrollHeight;
    } else if (shown.current.first > first && first > 0) {
      box.scrollTop += box.scrollHeight - shown.current.height;
    }
    shown.current = { first, height: box.scrollHeight };
  });

  function seen(): void {
    if (end.current && !document.hidden && !log.apart && log.top > 0) {
      chat.read(room.id, log.top);
    }
  }
  useEffect(seen, [log.top, log.apart, visible.value]);

  // An image that has come, or the keyboard of a phone, moves the end.
  useEffect(() => {
    const box = list.current!;
    const watch = new ResizeObserver(() => {
      if (end.current) {
        box.scrollTop = box.scrollHeight;
      }
    });
    watch.observe(box);
    watch.observe(box.firstElementChild!);
    return () => watch.disconnect();
  }, []);

  useEffect(() => {
    const seq = jump.value;
    if (seq === null) {
      return;
    }
    const go = () => {
      end.current = false;
      setAt(seq);
      const found = document.getElementById(`m${seq}`);
      found?.scrollIntoView({ block: "center" });
      found?.focus({ preventScroll: true });
      jump.value = null;
    };
    if (log.messages.some((m) => m.seq === seq)) {
      go();
    } else {
      void chat.around(room.id, seq).then(() => requestAnimationFrame(go));
    }
  }, [jump.value]);

  function onScroll(): void {
    const box = list.current!;
    const left = box.scrollHeight - box.scrollTop - box.clientHeight;
    end.current = left < NEAR_PX && !log.apart;
    if (box.scrollTop < OLDER_PX && log.older && loading === null) {
      void chat.older(room.id);
    } else if (left < OLDER_PX && log.apart && loading === null) {
      void chat.newer(room.id);
    }
    seen();
  }

  function onKeyDown(event: KeyboardEvent): void {
    const step = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : 0;
    const on = document.activeElement?.closest<HTMLElement>("[data-seq]");
    if (step === 0 || !on || document.activeElement !== on) {
      return;
    }
    const index = log.messages.findIndex((m) => m.seq === Number(on.dataset["seq"])) + step;
    const next = log.messages[index];
    if (next) {
      event.preventDefault();
      setAt(next.seq);
      document.getElementById(`m${next.seq}`)?.focus();
    }
  }

  function toEnd(): void {
    end.current = true;
    if (log.apart) {
      void chat.sync(room.id);
    }
    list.current!.scrollTop = list.current!.scrollHeight;
  }

  let before: Message | null = null;
  const tab = at !== null && at >= first && at <= last ? at : last;
  return (
    <>
      {/* A log: readers say what is added to it. */}
      <div class="log" ref={list} onScroll={onScroll} onKeyDown={onKeyDown} role="log" aria-label="Messages" aria-busy={loading === "first"} tabIndex={log.messages.length === 0 ? 0 : undefined}>
        <div>
          {error && <Failure error={error} what="Messages could not be fetched." retry={() => void chat.sync(room.id)} />}
          {log.older && log.messages.length > 0 && (
            <p class="more">
              <button type="button" class="link" disabled={loading !== null} onClick={() => void chat.older(room.id)}>
                {loading === "older" ? "Fetching…" : "Earlier messages"}
              </button>
            </p>
          )}
          {log.messages.length === 0 && loading === null && pending.length === 0 && !error && (
            <p class="hint">Nothing has been said here yet.</p>
          )}
          {log.messages.map((m, i) => {
            const ms = time(m.timestamp) ?? 0;
            const was = before;
            before = m;
            const newDay = !was || new Date(time(was.timestamp) ?? 0).toDateString() !== new Date(ms).toDateString();
            const joined = !newDay && was.senderId === m.senderId && m.seq !== fresh && !m.replyTo &&
              was.type !== "system" && ms - (time(was.timestamp) ?? 0) < TOGETHER_MS;
            return (
              <div key={m.seq}>
                {newDay && <h3 class="day"><span>{day(ms)}</span></h3>}
                {m.seq === fresh && <p class="fresh"><span>New</span></p>}
                <Entry
                  chat={chat} room={room} message={m} joined={joined} tab={m.seq === tab} tells={log.messages[i + 1]?.senderId !== m.senderId}
                  onMode={onMode} onJump={(seq) => { jump.value = seq; }} onFocus={() => setAt(m.seq)}
                  editing={mode.kind === "edit" && mode.message.id === m.id}
                />
              </div>
            );
          })}
          {answers.map((a) => <Speaks key={a.jobId} chat={chat} room={room} answer={a} />)}
          {!log.apart && pending.map((p) => <Pending key={p.clientId} chat={chat} message={p} />)}
          {uploads.map((u) => <UploadRow key={u.key} chat={chat} upload={u} />)}
        </div>
      </div>
      {log.apart && (
        <p class="to-end"><button type="button" onClick={toEnd}>Go to the newest</button></p>
      )}
    </>
  );
}

export function Conversation({ chat, room: source, jump }: { chat: Chat; room: Signal<RoomView>; jump: Signal<number | null> }) {
  const room = source.value;
  const [panel, setPanel] = useState<string | null>(null);
  const [mode, setMode] = useState<Mode>({ kind: "new" });
  const [over, setOver] = useState(false);

  const close = () => {
    setPanel(null);
    document.querySelector<HTMLElement>('[aria-controls="chat-panel"][aria-expanded="true"]')?.focus();
  };

  useEffect(() => announce(`Room ${roomName(chat, room)}`), []);

  function addFiles(files: Iterable<File>): void {
    for (const file of files) {
      chat.uploads.add(room.id, file);
    }
  }
  return (
    <section
      class={`chat-main ${panel ? "with-panel" : ""} ${over ? "dropping" : ""}`} aria-label={`Room ${roomName(chat, room)}`}
      onDragOver={(e) => { e.preventDefault(); setOver(true); }}
      onDragLeave={() => setOver(false)}
      onDrop={(e) => {
        e.preventDefault();
        setOver(false);
        addFiles(e.dataTransfer?.files ?? []);
      }}
    >
      <Head chat={chat} room={room} panel={panel} onPanel={setPanel} />
      <div class="chat-body">
        {room.watching && (
          <p class="watching notice info"><span>You watch: members do not see you. Who says something here comes in.</span></p>
        )}
        <Messages chat={chat} room={room} mode={mode} onMode={setMode} jump={jump} />
        <Typing chat={chat} room={room} />
        <Composer chat={chat} room={room} mode={mode} onMode={setMode} onFiles={addFiles} />
      </div>
      {panel && (
        <aside
          id="chat-panel" class="chat-panel" aria-label={panel === "people" ? "Members" : "Search"}
          onKeyDown={(e) => {
            if (e.key === "Escape" && !(e.target as Element).closest("dialog")) {
              close();
            }
          }}
        >
          <button type="button" class="quiet close" onClick={close}>Close</button>
          {panel === "people" ? <People chat={chat} room={room} onLeft={() => navigate(CHAT)} /> : (
            <Search chat={chat} room={room} onFound={(m) => {
              jump.value = m.seq;
              if (matchMedia("(max-width: 1000px)").matches) {
                setPanel(null);
              }
              if (m.roomId !== room.id) {
                navigate(`${CHAT}/${m.roomId}`);
              }
            }} />
          )}
        </aside>
      )}
    </section>
  );
}
