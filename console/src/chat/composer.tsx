// The field in which messages are written: Enter sends, Shift+Enter is a new line. What is written
// in a room and not sent is kept while the page is open.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { words, type Chat, type RoomView } from "../lib/chat";
import { announce } from "../ui/announce";
import { may } from "../lib/session";
import type { Mode } from "./conversation";
import { now } from "../lib/clock";
import { Line, muted } from "./parts";

const TEXT_MAX = 8000; // characters: the server's
const TEXT_NEAR = 500; // left of them when it is told

const drafts = new Map<string, string>();

export function Composer({ chat, room, mode, onMode, onFiles }: {
  chat: Chat;
  room: RoomView;
  mode: Mode;
  onMode: (mode: Mode) => void;
  onFiles: (files: Iterable<File>) => void;
}) {
  const [text, setText] = useState(drafts.get(room.id) ?? "");
  const [error, setError] = useState("");
  const field = useRef<HTMLTextAreaElement>(null);
  const files = useRef<HTMLInputElement>(null);
  const left = TEXT_MAX - [...text].length;
  const me = room.people.get(chat.me.id);
  const silent = me?.mutedUntil && !may("chat:room:monitor") ? muted(me, now.value) : null;

  // Before anybody can type: what is typed is not written over.
  useLayoutEffect(() => {
    setError("");
    if (mode.kind === "edit") {
      setText(mode.message.content as string);
    }
    if (mode.kind !== "new") {
      field.current?.focus();
    }
  }, [mode]);

  // As high as what is written, up to the sheet's limit.
  useEffect(() => {
    const area = field.current!;
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight + 2}px`;
  }, [text]);

  function write(next: string): void {
    setText(next);
    if (mode.kind !== "edit") {
      drafts.set(room.id, next);
      if (!room.watching) {
        chat.typing(room.id, next !== "");
      }
    }
  }

  function leave(): void {
    if (mode.kind === "edit") {
      setText(drafts.get(room.id) ?? "");
    }
    onMode({ kind: "new" });
    field.current?.focus();
  }

  function send(): void {
    const said = text.trim();
    if (said === "" || left < 0 || silent) {
      return;
    }
    if (mode.kind === "edit") {
      chat.ask("chat:message:edit", { messageId: mode.message.id, content: said }).then(
        () => {
          announce("Message changed");
          leave();
        },
        (e: unknown) => setError(words(e)),
      );
      return;
    }
    chat.send(room.id, said, mode.kind === "reply" ? mode.message.id : null);
    drafts.delete(room.id);
    setText("");
    onMode({ kind: "new" });
    field.current?.focus();
  }

  return (
    <form class="composer" onSubmit={(e) => { e.preventDefault(); send(); }}>
      {mode.kind !== "new" && (
        <p class="mode">
          <span>{mode.kind === "reply" ? "Answer to " : "Change "}</span>
          <span class="what"><Line chat={chat} room={room} message={mode.message} /></span>
          <button type="button" class="link" onClick={leave}>Cancel</button>
        </p>
      )}
      {error && <p class="field-error" role="alert">{error}</p>}
      {silent && (
        <p class="silent" role="status">You are muted here {silent}.{me?.muteReason && <> Reason: <bdi>{me.muteReason}</bdi></>}</p>
      )}
      <div class="row">
        {may("chat:file:write") && !room.watching && !silent && (
          <>
            <input
              ref={files} type="file" multiple hidden aria-label="Files to send"
              onChange={(e) => {
                onFiles([...(e.currentTarget.files ?? [])]);
                e.currentTarget.value = "";
              }}
            />
            <button type="button" aria-label="Send files" title="Send files" onClick={() => files.current?.click()}>+</button>
          </>
        )}
        <textarea
          id="message" ref={field} rows={1} value={text} dir="auto" readOnly={silent !== null} aria-label={mode.kind === "edit" ? "Message, changed" : "Message"}
          placeholder={room.watching ? "Say something: you come in" : "Message"}
          onInput={(e) => write(e.currentTarget.value)}
          onPaste={(e) => {
            const pasted = [...(e.clipboardData?.files ?? [])];
            if (pasted.length > 0) {
              e.preventDefault();
              onFiles(pasted);
            }
          }}
          onKeyDown={(e) => {
            if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
              e.preventDefault();
              send();
            } else if (e.key === "Escape" && mode.kind !== "new") {
              leave();
            }
          }}
        />
        <button type="submit" class="primary" disabled={text.trim() === "" || left < 0 || silent !== null}>{mode.kind === "edit" ? "Save" : "Send"}</button>
      </div>
      {left < TEXT_NEAR && <p class={left < 0 ? "field-error" : "hint"}>{left < 0 ? `${-left} characters too many` : `${left} characters left`}</p>}
    </form>
  );
}
