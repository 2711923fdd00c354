// Addresses below /console/. Links are ordinary <a href>; clicks on them stay in the page.
import { computed, signal } from "@preact/signals";

export const BASE = "/console/";

const location_ = signal(window.location.pathname + window.location.search);

export const path = computed(() => location_.value.split("?")[0] ?? BASE);
export const params = computed(() => new URLSearchParams(location_.value.split("?")[1] ?? ""));

/** Counts moves between pages (not changes of the query), to place the focus. */
export const moves = signal(0);

export type Route =
  | { name: "devices" }
  | { name: "device"; id: string }
  | { name: "home"; entity: string | null }
  | { name: "chat"; room: string | null }
  | { name: "guest" }
  | { name: "sign-in" }
  | { name: "unknown" };

export const route = computed<Route>(() => {
  const parts = path.value.slice(BASE.length).split("/").filter((p) => p !== "");
  if (!path.value.startsWith(BASE) && path.value + "/" !== BASE) {
    return { name: "unknown" };
  }
  if (parts.length === 0 || (parts.length === 1 && parts[0] === "devices")) {
    return { name: "devices" };
  }
  if (parts.length === 2 && parts[0] === "devices") {
    return { name: "device", id: decode(parts[1]!) };
  }
  if ((parts.length === 1 || parts.length === 3) && parts[0] === "home") {
    return { name: "home", entity: parts.length === 1 ? null : `${decode(parts[1]!)}.${decode(parts[2]!)}` };
  }
  if (parts.length === 2 && parts[0] === "chat" && parts[1] === "guest") {
    return { name: "guest" };
  }
  if ((parts.length === 1 || parts.length === 2) && parts[0] === "chat") {
    return { name: "chat", room: parts.length === 1 ? null : decode(parts[1]!) };
  }
  return parts.length === 1 && parts[0] === "sign-in" ? { name: "sign-in" } : { name: "unknown" };
});

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const devicePath = (id: string): string => `${BASE}devices/${encodeURIComponent(id)}`;

export const HOME = BASE + "home";
/** light.desk is at light/desk: the server takes an address with a point for a file's. */
export const entityPath = (id: string): string =>
  `${HOME}/${id.split(".").map(encodeURIComponent).join("/")}`;

export const CHAT = BASE + "chat";
export const chatPath = (room: string): string => `${CHAT}/${encodeURIComponent(room)}`;
/** The escalations: a page of the chat that is no room. */
export const DESK = CHAT + "/desk";

/** Where a guest's link leads: the invitation stands behind "#", which no server and no log sees. */
export const GUEST = CHAT + "/guest";

export function navigate(to: string, replace = false): void {
  const before = window.location.pathname;
  if (to === before + window.location.search) {
    return;
  }
  if (replace) {
    history.replaceState(null, "", to);
  } else {
    history.pushState(null, "", to);
  }
  location_.value = window.location.pathname + window.location.search;
  if (window.location.pathname !== before) {
    window.scrollTo(0, 0);
    moves.value++;
  }
}

/** Changes the query of the present page. */
export function setQuery(text: string, replace = false): void {
  navigate(window.location.pathname + text, replace);
}

window.addEventListener("popstate", () => {
  const before = path.value;
  location_.value = window.location.pathname + window.location.search;
  if (path.value !== before) {
    moves.value++;
  }
});

document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey ||
      event.shiftKey || event.altKey || !(event.target instanceof Element)) {
    return;
  }
  const link = event.target.closest("a");
  if (link && link.origin === window.location.origin && link.pathname.startsWith(BASE) &&
      !link.target && !link.hasAttribute("download") && !link.getAttribute("href")?.startsWith("#")) {
    event.preventDefault();
    navigate(link.pathname + link.search);
  }
});
