// Where a guest's link leads: says a name, shows the invitation, and is in its room.
import { useEffect, useRef, useState } from "preact/hooks";
import { request } from "../lib/api";
import { chatPath, navigate } from "../lib/router";
import { beGuest } from "../lib/session";
import type { User } from "../lib/types";
import { Title } from "../ui/bits";
import { Mark } from "../ui/shell";
import { useTask } from "../ui/task";

interface Redeemed {
  id: string;
  roomId: string;
  name?: string;
  token: string;
}

const MAY = ["chat:room:read", "chat:message:send", "chat:file:write"];

export function GuestPage() {
  const [secret] = useState(() => window.location.hash.slice(1));
  const [name, setName] = useState("");
  const task = useTask();
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    history.replaceState(null, "", window.location.pathname); // it is a secret, and used once
    field.current?.focus();
  }, []);

  async function enter(event: Event) {
    event.preventDefault();
    let guest: Redeemed | null = null;
    const done = await task.run(async () => {
      guest = await request<Redeemed>(
        "POST", "/api/v1/chat/guests/redeem", { invitation: secret, name: name.trim() }, { keepSession: true },
      );
    });
    if (done && guest) {
      const { id, roomId, token } = guest as Redeemed;
      const me: User = { id, display_name: name.trim(), roles: ["guest"], permissions: MAY, guestOf: roomId };
      beGuest(me, token);
      navigate(chatPath(roomId), true);
    }
  }
  return (
    <div class="sign-in">
      <form onSubmit={(e) => void enter(e)} noValidate>
        <p class="brand"><Mark /><span>Signalbox</span></p>
        <Title text="You are invited" />
        {secret === "" ? <p class="hint">This link has no invitation in it. Ask for another.</p> : (
          <>
            <p class="hint">Say who you are, and come into the room.</p>
            <div class="problem" role="alert">
              {task.error && <p>{task.error.status === 401 ? "The invitation is not valid any more. Ask for another." : task.error.message}</p>}
            </div>
            <label class="field">
              <span>Your name</span>
              <input ref={field} value={name} maxLength={100} autocomplete="name" onInput={(e) => setName(e.currentTarget.value)} />
            </label>
            <button type="submit" class="primary" disabled={task.busy || name.trim() === ""}>{task.busy ? "Coming in…" : "Come in"}</button>
          </>
        )}
      </form>
    </div>
  );
}
