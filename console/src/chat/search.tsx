// What was said, by its words: in this room, or in all that one is in.
import { useState } from "preact/hooks";
import { API, type Chat, type RoomView } from "../lib/chat";
import type { Message } from "../lib/chat-types";
import { query, requestIfChanged } from "../lib/api";
import { moment } from "../lib/format";
import { time } from "../lib/types";
import { useTask } from "../ui/task";
import { Line, roomName } from "./parts";

interface Found {
  message: Message;
  snippet?: string;
}

export function Search({ chat, room, onFound }: { chat: Chat; room: RoomView; onFound: (m: Message) => void }) {
  const [text, setText] = useState("");
  const [everywhere, setEverywhere] = useState(false);
  const [found, setFound] = useState<Found[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const task = useTask();

  const look = (cursor: string | null) => task.run(async () => {
    const reply = await requestIfChanged<Found[]>("GET", `${API}/search${query({
      q: text.trim(), room_id: everywhere ? null : room.id, limit: 20, cursor,
    })}`);
    setFound([...(cursor === null ? [] : (found ?? [])), ...(reply?.data ?? [])]);
    setNext(reply?.next ?? null);
  });

  return (
    <>
      <h2>Search</h2>
      <form class="search" role="search" onSubmit={(e) => { e.preventDefault(); if (text.trim() !== "") void look(null); }}>
        <label>
          <span class="sr-only">Words</span>
          <input
            type="search" placeholder={'Words, "a phrase", begin*'} value={text} maxLength={200} autocomplete="off"
            onInput={(e) => setText(e.currentTarget.value)}
          />
        </label>
        <button type="submit" disabled={task.busy || text.trim() === ""}>{task.busy ? "Searching…" : "Search"}</button>
        {!room.watching && (
          <label class="check">
            <input type="checkbox" checked={everywhere} onChange={(e) => setEverywhere(e.currentTarget.checked)} />
            <span>In all my rooms</span>
          </label>
        )}
      </form>
      {task.error && <p class="field-error" role="alert">{task.error.message}</p>}
      {found && (
        <>
          <p class="sr-only" role="status">{found.length} found</p>
          {found.length === 0 && <p class="hint">Nothing found.</p>}
          <ul class="found">
            {found.map(({ message: m }) => {
              const at = chat.rooms.get(m.roomId)?.peek();
              return (
                <li key={m.id}>
                  <button type="button" onClick={() => onFound(m)}>
                    <span class="below">{m.roomId !== room.id && at ? `${roomName(chat, at)}, ` : ""}{moment(time(m.timestamp) ?? 0, Date.now(), false)}</span>
                    <span class="what"><Line chat={chat} room={at} message={m} /></span>
                  </button>
                </li>
              );
            })}
          </ul>
          {next && <button type="button" onClick={() => void look(next)} disabled={task.busy}>More</button>}
        </>
      )}
    </>
  );
}
