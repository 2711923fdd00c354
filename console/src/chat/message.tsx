// A message as it stands in a room, with what can be done with it; and what is not one yet.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { words, type Chat, type RoomView, type Speaking } from "../lib/chat";
import type { Outgoing } from "../lib/chat-outbox";
import { textOf, type Message, type MessageFile } from "../lib/chat-types";
import type { Upload } from "../lib/chat-uploads";
import { bytes, clock, moment } from "../lib/format";
import { bearerToken, request } from "../lib/api";
import { time } from "../lib/types";
import { announce } from "../ui/announce";
import { keepFocus } from "../ui/focus";
import type { Mode } from "./conversation";
import { Actions } from "./late";
import { Badge, Line, Words } from "./parts";

const IMAGE = /^image\/(png|jpeg|gif|webp|avif)$/;

/** With a guest's token: what an <img> or a link cannot show. */
async function save(file: MessageFile): Promise<void> {
  const answer = await fetch(file.url, { headers: { Authorization: `Bearer ${bearerToken()}` } });
  if (!answer.ok) {
    throw new Error(`The server answered ${answer.status}.`);
  }
  const url = URL.createObjectURL(await answer.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function Attachment({ file }: { file: MessageFile }) {
  const [failed, setFailed] = useState(false);
  if (bearerToken() !== null) {
    return (
      <button type="button" class="attachment" onClick={() => void save(file).catch((e: unknown) => announce(words(e)))}>
        <span class="name"><bdi>{file.name}</bdi></span>
        <span class="below">{bytes(file.size)}, {file.mime}</span>
      </button>
    );
  }
  if (IMAGE.test(file.mime) && !failed) {
    return (
      <a class="picture" href={file.url} target="_blank" rel="noopener">
        <img src={file.url} alt={file.name} loading="lazy" onError={() => setFailed(true)} />
      </a>
    );
  }
  return (
    <a class="attachment" href={file.url} download={file.name}>
      <span class="name"><bdi>{file.name}</bdi></span>
      <span class="below">{bytes(file.size)}, {file.mime}</span>
    </a>
  );
}

function Body({ message }: { message: Message }) {
  const { content, file } = message;
  if (message.deleted) {
    return <p class="words dim"><em>This message was deleted.</em></p>;
  }
  const isText = typeof content === "string";
  const text = isText ? content : textOf(message);
  return (
    <>
      {text !== "" && text !== file?.name && <Words text={text} />}
      {!isText && message.type === "graph" && <pre class="graph" tabIndex={0}>{JSON.stringify(content, null, 2)}</pre>}
      {file && <Attachment file={file} />}
    </>
  );
}

/** How far one's own message has got; the words are for everybody, the signs beside them short. */
function Progress({ chat, room, message }: { chat: Chat; room: RoomView; message: Message }) {
  const readers = [...room.people.values()]
    .filter((m) => m.userId !== chat.me.id && (m.lastReadSeq ?? 0) >= message.seq);
  const names = readers.slice(0, 8).map((m) => m.name).join(", ");
  const said = message.deliveryStatus === "batch-delay" ? "Held"
    : readers.length > 0 ? (room.type === "direct" ? "Read" : `Read by ${readers.length}`)
    : message.deliveryStatus === "delivered" ? "Delivered" : "Sent";
  return <span class={`progress ${readers.length > 0 ? "read" : ""}`} title={names ? `Read by ${names}` : said}>{said}</span>;
}

function Quote({ chat, room, id, onJump }: { chat: Chat; room: RoomView; id: string; onJump: (seq: number) => void }) {
  const here = chat.state(room.id).log.value.messages.find((m) => m.id === id);
  const [fetched, setFetched] = useState<Message | null>(null);
  const [gone, setGone] = useState(false);
  const message = here ?? fetched;
  useEffect(() => {
    if (!here) {
      request<Message>("GET", `/api/v1/chat/messages/${encodeURIComponent(id)}`).then(setFetched, () => setGone(true));
    }
  }, [id]);
  return (
    <button type="button" class="quote" disabled={!message} onClick={() => message && onJump(message.seq)}>
      <span class="sr-only">Answer to </span>
      {message ? <Line chat={chat} room={room} message={message} /> : gone ? "An earlier message" : "…"}
    </button>
  );
}

interface EntryProps {
  chat: Chat;
  room: RoomView;
  message: Message;
  joined: boolean;
  tab: boolean;
  /** It is the last in a row of its sender's: it says how far they have got. */
  tells: boolean;
  editing: boolean;
  onMode: (mode: Mode) => void;
  onJump: (seq: number) => void;
  onFocus: () => void;
}

export function Entry(props: EntryProps) {
  const { chat, room, message: m, joined, tab, tells, editing, onMode, onJump, onFocus } = props;
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLElement>(null);
  const ms = time(m.timestamp) ?? 0;
  const mine = m.senderId === chat.me.id;
  if (m.type === "system") {
    return (
      <article id={`m${m.seq}`} class="system" data-seq={m.seq} tabIndex={tab ? 0 : -1} onFocus={onFocus}>
        <bdi>{textOf(m) || "The room changed."}</bdi> <time dateTime={m.timestamp}>{clock(ms, false)}</time>
      </article>
    );
  }
  const name = m.senderId === null ? "Signalbox" : chat.name(room, m.senderId);
  const sender = m.senderId === null ? undefined : room.people.get(m.senderId);
  const close = () => {
    setOpen(false);
    box.current?.focus({ preventScroll: true });
  };
  return (
    <article
      id={`m${m.seq}`} ref={box} data-seq={m.seq} tabIndex={tab ? 0 : -1} onFocus={onFocus}
      class={`entry ${joined ? "joined" : ""} ${mine ? "mine" : ""} ${editing ? "editing" : ""}`}
      aria-label={`${name}, ${clock(ms, false)}`}
    >
      {joined ? <time class="aside" dateTime={m.timestamp}>{clock(ms, false)}</time> : (
        <>
          <Badge name={name} id={m.senderId ?? ""} />
          <p class="sender">
            <strong><bdi>{name}</bdi></strong>
            {(m.type === "robot" || sender?.kind === "robot") && <span class="tag">robot</span>}
            {sender?.userType === "guest" && <span class="tag">guest</span>}
            <time dateTime={m.timestamp} title={moment(ms)}>{clock(ms, false)}</time>
          </p>
        </>
      )}
      <div class="said">
        {m.replyTo && <Quote chat={chat} room={room} id={m.replyTo} onJump={onJump} />}
        <Body message={m} />
        {!m.deleted && (m.reactions?.length ?? 0) > 0 && (
          <ul class="reactions" aria-label="Reactions">
            {m.reactions!.map((r) => {
              const on = r.userIds.includes(chat.me.id);
              const who = r.userIds.slice(0, 8).map((id) => (id === chat.me.id ? "You" : chat.name(room, id))).join(", ");
              return (
                <li key={r.emoji}>
                  <button
                    type="button" class={on ? "on" : ""} aria-pressed={on} title={who} disabled={room.watching}
                    onClick={() => void chat.ask("chat:reaction:set", { messageId: m.id, emoji: r.emoji, on: !on }).catch((e: unknown) => announce(words(e)))}
                  >
                    {r.emoji} {r.count}<span class="sr-only"> {who}</span>
                  </button>
                </li>
              );
            })}
          </ul>
        )}
        {((mine && (tells || m.deliveryStatus === "batch-delay")) || m.editedAt) && !m.deleted && (
          <p class="meta">
            {m.editedAt && <span title={moment(time(m.editedAt) ?? ms)}>edited</span>}
            {mine && tells && <Progress chat={chat} room={room} message={m} />}
          </p>
        )}
        {open && <Actions chat={chat} room={room} message={m} onMode={onMode} onDone={close} />}
      </div>
      {!m.deleted && !open && (
        <button type="button" class="quiet dots" tabIndex={tab ? 0 : -1} aria-expanded={false} onClick={() => setOpen(true)}>
          <span aria-hidden="true">···</span><span class="sr-only">Actions for the message of {name}</span>
        </button>
      )}
    </article>
  );
}

function Mine({ chat, label, children }: { chat: Chat; label: string; children: ComponentChildren }) {
  const name = chat.me.display_name || chat.me.username || "You";
  return (
    <article class="entry mine pending" aria-label={label}>
      <Badge name={name} id={chat.me.id} />
      <p class="sender"><strong>{name}</strong></p>
      <div class="said">{children}</div>
    </article>
  );
}

export function Pending({ chat, message: p }: { chat: Chat; message: Outgoing }) {
  const open = chat.socket.value.kind === "open";
  return (
    <Mine chat={chat} label="Your message, on its way">
      <Words text={textOf({ type: "chat", content: p.content })} />
      {p.state === "refused" ? (
        <p class="meta bad" role="alert">
          <span>Not sent. {p.why}</span>
          <button type="button" class="link" onClick={() => { chat.retrySend(p.clientId); keepFocus("message"); }}>Try again</button>
          <button type="button" class="link" onClick={() => { chat.discard(p.clientId); keepFocus("message"); }}>Discard</button>
        </p>
      ) : (
        <p class="meta">
          {p.state === "sent" ? "Sent" : p.state === "sending" ? "Sending…" : open ? `Waiting. ${p.why ?? ""}` : "Waiting for the connection"}
        </p>
      )}
    </Mine>
  );
}

export function UploadRow({ chat, upload: u }: { chat: Chat; upload: Upload }) {
  const part = u.size > 0 ? Math.min(1, u.sent / u.size) : 0;
  return (
    <Mine chat={chat} label={`Your file ${u.name}`}>
      <div class="attachment">
        <span class="name"><bdi>{u.name}</bdi></span>
        <span class="below">
          {u.state === "checking" ? "Held until it has been checked"
            : u.state === "waiting" ? `Waiting for the connection, ${Math.floor(part * 100)} % sent`
            : u.state === "refused" ? <span class="field-error" role="alert">{u.why}</span>
            : `${bytes(u.sent)} of ${bytes(u.size)}`}
        </span>
        {(u.state === "sending" || u.state === "waiting") && (
          <progress max={1} value={part} aria-label={`Upload of ${u.name}`} />
        )}
        {u.state !== "checking" && (
          <button type="button" class="link" onClick={() => { chat.uploads.cancel(u.key); keepFocus("message"); }}>
            {u.state === "refused" ? "Close" : "Cancel"}<span class="sr-only"> {u.name}</span>
          </button>
        )}
      </div>
    </Mine>
  );
}

/** A robot's answer while it comes. */
export function Speaks({ chat, room, answer }: { chat: Chat; room: RoomView; answer: Speaking }) {
  const name = chat.name(room, answer.robotId);
  return (
    <article class="entry pending" aria-label={`Answer of ${name}`} aria-busy={!answer.kept}>
      <Badge name={name} id={answer.robotId} />
      <p class="sender"><strong><bdi>{name}</bdi></strong><span class="tag">robot</span></p>
      <div class="said">
        <Words text={answer.chunks.join("")} />
        <p class="meta">
          {answer.kept ? "Only you see this" : "Answering…"}
          {answer.kept && <button type="button" class="link" onClick={() => { chat.dismissAnswer(answer.jobId); keepFocus("message"); }}>Close</button>}
        </p>
      </div>
    </article>
  );
}
