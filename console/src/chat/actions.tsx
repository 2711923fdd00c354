// What can be done with a message: react, answer, change, delete.
import { useEffect, useRef, useState } from "preact/hooks";
import { words, type Chat, type RoomView } from "../lib/chat";
import type { Message } from "../lib/chat-types";
import { announce } from "../ui/announce";
import { twice } from "../ui/focus";
import type { Mode } from "./conversation";

const REACTIONS = ["👍", "❤️", "😂", "🎉", "👀", "✅", "❓", "👎"];

export function Actions({ chat, room, message, onMode, onDone }: {
  chat: Chat;
  room: RoomView;
  message: Message;
  onMode: (mode: Mode) => void;
  onDone: () => void;
}) {
  const [sure, setSure] = useState(false);
  const [error, setError] = useState("");
  const mine = message.senderId === chat.me.id;
  const role = room.people.get(chat.me.id)?.role;
  const moderates = role === "owner" || role === "moderator" || room.people.get(chat.me.id)?.userType === "supervisor" || room.watching;
  const first = useRef<HTMLButtonElement>(null);
  useEffect(() => first.current?.focus(), []);
  const act = (event: string, data: object, done: string) =>
    chat.ask(event, data).then(
      () => {
        announce(done);
        onDone();
      },
      (e: unknown) => setError(words(e)),
    );
  return (
    <div
      class="actions" role="group" aria-label="What to do with the message"
      onKeyDown={(e) => {
        if (e.key === "Escape") {
          e.stopPropagation();
          onDone();
        }
      }}
    >
      <div class="emoji">
        {REACTIONS.map((emoji, i) => {
          const on = message.reactions?.some((r) => r.emoji === emoji && r.userIds.includes(chat.me.id)) ?? false;
          return (
            <button
              key={emoji} ref={i === 0 ? first : null} type="button" class={on ? "on" : "quiet"} aria-pressed={on}
              onClick={() => void act("chat:reaction:set", { messageId: message.id, emoji, on: !on }, on ? "Reaction taken back" : "Reacted")}
            >
              {emoji}
            </button>
          );
        })}
      </div>
      <div class="buttons">
        <button type="button" class="quiet" onClick={() => { onDone(); onMode({ kind: "reply", message }); }}>Answer</button>
        {mine && message.type === "chat" && typeof message.content === "string" && (
          <button type="button" class="quiet" onClick={() => { onDone(); onMode({ kind: "edit", message }); }}>Edit</button>
        )}
        {(mine || moderates) && (
          <button
            type="button" class={sure ? "primary danger" : "quiet danger"}
            onClick={(e) => !twice(e) && (sure ? void act("chat:message:delete", { messageId: message.id }, "Message deleted") : setSure(true))}
          >
            {sure ? "Delete the message" : "Delete…"}
          </button>
        )}
        <button type="button" class="quiet" onClick={onDone}>Close</button>
      </div>
      {error && <p class="field-error" role="alert">{error}</p>}
    </div>
  );
}
