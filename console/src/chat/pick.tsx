// Choosing people: by the names of those who may chat.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { API, type Chat } from "../lib/chat";
import { isAbort, query, request } from "../lib/api";
import { Badge } from "./parts";

export interface Person {
  userId: string;
  name: string;
  kind?: string;
}

const WAIT_MS = 200; // between a key and the question

export function PickPeople({ chat, chosen, onChosen, without, one, staff }: {
  chat: Chat;
  chosen: readonly Person[];
  onChosen: (people: Person[]) => void;
  /** Who is in already. */
  without: ReadonlySet<string>;
  one?: boolean;
  /** No robots. */
  staff?: boolean;
}) {
  const [text, setText] = useState("");
  const [found, setFound] = useState<Person[] | null>(null);
  const [error, setError] = useState("");
  const box = useRef<HTMLDivElement>(null);
  const moved = useRef(false); // what had the focus is gone
  useLayoutEffect(() => {
    if (moved.current) {
      moved.current = false;
      box.current?.querySelector<HTMLElement>("input, .chosen button")?.focus();
    }
  }, [chosen]);
  const choose = (people: Person[]) => {
    moved.current = true;
    setText("");
    onChosen(people);
  };
  useEffect(() => {
    const abort = new AbortController();
    const timer = setTimeout(() => {
      request<Person[]>("GET", `${API}/people${query({ q: text.trim(), limit: 20 })}`, undefined, { signal: abort.signal }).then(
        (list) => {
          list.forEach((p) => chat.called(p.userId, p.name));
          setFound(list);
          setError("");
        },
        (e: Error) => isAbort(e) || setError(e.message),
      );
    }, text === "" ? 0 : WAIT_MS);
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [text]);
  const offered = (found ?? []).filter((p) => p.userId !== chat.me.id && !without.has(p.userId) && !(staff && p.kind === "robot") && !chosen.some((c) => c.userId === p.userId));
  const wanted = text.trim().toLowerCase();
  return (
    <div class="pick" ref={box}>
      {chosen.length > 0 && (
        <ul class="chosen" aria-label="Chosen">
          {chosen.map((p) => (
            <li key={p.userId}>
              <button type="button" onClick={() => choose(chosen.filter((c) => c !== p))}>
                <bdi>{p.name}</bdi> <span aria-hidden="true">×</span><span class="sr-only">remove</span>
              </button>
            </li>
          ))}
        </ul>
      )}
      {!(one && chosen.length > 0) && (
        <>
          <label class="field">
            <span>People</span>
            <input
              type="search" placeholder="Find by name" value={text} maxLength={100} autocomplete="off" spellcheck={false}
              onInput={(e) => setText(e.currentTarget.value)}
              onKeyDown={(e) => {
                // Enter is the first one that fits; the list may still be that of the letters before.
                const first = offered.find((p) => p.name.toLowerCase().includes(wanted));
                if (e.key === "Enter" && wanted !== "" && !e.isComposing) {
                  e.preventDefault();
                  if (first) {
                    choose([...chosen, first]);
                  }
                }
              }}
            />
          </label>
          <ul class="offered" aria-label="Found" aria-busy={found === null}>
            {offered.map((p) => (
              <li key={p.userId}>
                <button type="button" class="quiet" onClick={() => choose([...chosen, p])}>
                  <Badge name={p.name} id={p.userId} /><bdi>{p.name}</bdi>
                </button>
              </li>
            ))}
            {found !== null && offered.length === 0 && <li class="hint">Nobody {text === "" ? "else " : ""}found.</li>}
          </ul>
        </>
      )}
      {error && <p class="field-error" role="alert">{error}</p>}
    </div>
  );
}
