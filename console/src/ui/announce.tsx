// One polite live region for the page. Only changes that matter are said: a lost connection, a
// finished action. Moving numbers are not.
import { signal } from "@preact/signals";

const said = signal("");

export function announce(text: string): void {
  // The same words twice are said twice only when the region changes in between.
  said.value = said.peek() === text ? text + "\u00a0" : text;
}

export function Announcer() {
  return <p class="sr-only" role="status" aria-live="polite">{said}</p>;
}
