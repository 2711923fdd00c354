// Chat: the rooms on the left, one of them beside it, and on demand who is in it or what was said.
// The store lives as long as the page: moving between rooms keeps what was fetched.
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { Conversation } from "../chat/conversation";
import { Desk, loadLate } from "../chat/late";
import { roomName } from "../chat/parts";
import { RoomList } from "../chat/rooms";
import { createChat, words, type Chat, type RoomView } from "../lib/chat";
import { navigate, CHAT } from "../lib/router";
import { may, user } from "../lib/session";
import { announce } from "../ui/announce";
import { Failure, Title } from "../ui/bits";
import { keepFocus } from "../ui/focus";

/** The seq that the room that is shown shall lead to: from a search, or a quote. */
const jump = signal<number | null>(null);

function Notices({ chat }: { chat: Chat }) {
  const list = chat.notices.value;
  chat.shape.value; // a notice may tell of a room before one is in it
  const last = list[list.length - 1];
  useEffect(() => {
    if (last) {
      announce(last.message);
    }
  }, [last?.key]);
  return (
    <div class="chat-notices">
      {list.map((n) => (
        <div key={n.key} class={`notice ${n.level === "info" ? "info" : n.level === "warning" ? "warn" : "bad"}`}>
          <p>
            {n.roomId && chat.rooms.has(n.roomId)
              ? <a href={`${CHAT}/${n.roomId}`}>{n.message}</a> : n.message}
          </p>
          <button type="button" class="quiet" onClick={() => { chat.closeNotice(n.key); keepFocus("message", "main"); }}>Close</button>
        </div>
      ))}
    </div>
  );
}

function Blank() {
  return (
    <section class="chat-main blank" aria-label="No room chosen">
      <p class="hint">Choose a room, or make one.</p>
    </section>
  );
}

function Invited({ chat, room }: { chat: Chat; room: RoomView }) {
  const [error, setError] = useState("");
  return (
    <section class="chat-main blank" aria-label="Invitation">
      <div>
        <h2>You are invited to <bdi>{roomName(chat, room)}</bdi></h2>
        {error && <p class="field-error" role="alert">{error}</p>}
        <p>
          <button type="button" class="primary" onClick={() => chat.ask("chat:room:join", { roomId: room.id }).catch((e: unknown) => setError(words(e)))}>
            Come in
          </button>
        </p>
      </div>
    </section>
  );
}

function Main({ chat, at }: { chat: Chat; at: string | null }) {
  chat.shape.value;
  if (at === null) {
    return <Blank />;
  }
  if (at === "desk") {
    return <Desk chat={chat} />;
  }
  const room = chat.rooms.get(at);
  if (room?.value.invited) {
    return <Invited chat={chat} room={room.value} />;
  }
  if (room) {
    return <Conversation key={at} chat={chat} room={room} jump={jump} />;
  }
  return (
    <section class="chat-main blank" aria-busy={!chat.loaded.value}>
      {chat.loaded.value && (
        <div>
          <h2>This room is not yours</h2>
          <p class="hint">It does not exist, or you are not in it (any more).</p>
          <p><button type="button" onClick={() => navigate(CHAT)}>All rooms</button></p>
        </div>
      )}
    </section>
  );
}

export function ChatPage({ room }: { room: string | null }) {
  const [chat, setChat] = useState<Chat | null>(null);
  useEffect(() => {
    const made = createChat(user.peek()!);
    setChat(made);
    const timer = setTimeout(() => void loadLate().catch(() => {}), 1000);
    return () => {
      clearTimeout(timer);
      made.close();
    };
  }, []);
  useEffect(() => {
    if (chat) {
      chat.show(room === "desk" ? null : room);
    }
  }, [chat, room]);
  if (!may("chat:room:read")) {
    return <div class="page blank-page"><h1>Chat</h1><p>You may not chat. An administrator gives the role employee.</p></div>;
  }
  if (!chat) {
    return <div class="page" aria-busy="true" />;
  }
  const error = chat.error.value;
  return (
    <div class={`chat ${room === null ? "at-list" : "at-room"}`}>
      {/* A phone shows the list or a room, and has a heading in both. */}
      <div class="sr-only"><Title text="Chat" /></div>
      <RoomList chat={chat} at={room} />
      <div class="chat-side">
        {error && (!chat.loaded.value || chat.socket.value.kind === "open") && (
          <Failure error={error} what={chat.loaded.value ? "The list of rooms may be old." : "The rooms could not be loaded."} retry={() => void chat.load()} />
        )}
        <Notices chat={chat} />
        <Main chat={chat} at={room} />
      </div>
    </div>
  );
}
