// The time as a signal, once a second, and only while somebody looks.
import { signal } from "@preact/signals";

export const now = signal(Date.now());
export const visible = signal(!document.hidden);

setInterval(() => {
  if (visible.peek()) {
    now.value = Date.now();
  }
}, 1000);

document.addEventListener("visibilitychange", () => {
  visible.value = !document.hidden;
  now.value = Date.now();
});

/** Calls `run` at once and then every `ms` after it ended, while the page is visible. */
export function poll(ms: number, run: (signal: AbortSignal) => Promise<void>): () => void {
  let timer: number | undefined;
  let running: AbortController | null = null;
  let stopped = false;

  const turn = async () => {
    window.clearTimeout(timer);
    if (stopped || running !== null || document.hidden) {
      return;
    }
    const abort = new AbortController();
    running = abort;
    try {
      await run(abort.signal);
    } finally {
      running = null;
      if (!stopped) {
        timer = window.setTimeout(turn, ms);
      }
    }
  };
  const onShow = () => void turn();
  document.addEventListener("visibilitychange", onShow);
  void turn();
  return () => {
    stopped = true;
    window.clearTimeout(timer);
    running?.abort();
    document.removeEventListener("visibilitychange", onShow);
  };
}
