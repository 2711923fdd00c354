// How a page's socket is, in words: live, connecting, when the next attempt is, or why it ended.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { now } from "../lib/clock";
import { duration } from "../lib/format";
import type { SocketState } from "../lib/socket";
import { announce } from "./announce";

export function Link({ state, live, quiet, retry }: {
  state: SocketState;
  /** Said while it is open. */
  live: ComponentChildren;
  /** It is open, but nothing is to be expected of it. */
  quiet?: boolean;
  retry: () => void;
}) {
  const before = useRef<SocketState["kind"] | null>(null);
  const lost = useRef(false);
  useEffect(() => {
    const was = before.current;
    before.current = state.kind;
    if (state.kind === "waiting" && was === "open") {
      lost.current = true;
      announce("Live connection lost, reconnecting");
    } else if (state.kind === "open" && lost.current) {
      lost.current = false;
      announce("Live connection restored");
    } else if (state.kind === "stopped") {
      announce(`Live connection ended. ${state.why}`);
    }
  }, [state]);

  let words = live;
  if (state.kind === "connecting") {
    words = <>Connecting…</>;
  } else if (state.kind === "waiting") {
    const s = Math.max(0, Math.ceil((state.retryAt - now.value) / 1000));
    words = <>{state.why}. <span class="dim">Next attempt {s > 0 ? `in ${duration(s)}` : "now"}</span></>;
  } else if (state.kind === "stopped") {
    words = <>{state.why} <span class="dim">Live values have stopped.</span></>;
  }
  return (
    <p class={`link ${state.kind === "open" && quiet ? "connecting" : state.kind}`}>
      <span class="lamp" aria-hidden="true" />
      <span>{words}</span>
      {state.kind === "waiting" && <button type="button" class="link" onClick={retry}>Retry now</button>}
    </p>
  );
}
