// Who is signed in.
import { signal } from "@preact/signals";
import { ApiError, request, setBearer, setUnauthenticatedHandler } from "./api";
import { applyTheme, rememberedTheme, rememberTheme, type Theme } from "./theme";
import type { User } from "./types";

const KEY = "signalbox.session";

/** undefined: not known yet. null: nobody. */
export const user = signal<User | null | undefined>(undefined);
/** The session ended while in use: the sign-in page says so. */
export const expired = signal(false);
/** Why it is not known who is signed in. */
export const bootError = signal<ApiError | null>(null);

/** Only hides what would be refused; the server decides. */
export function may(permission: string): boolean {
  const me = user.value;
  return me?.roles.includes("admin") || me?.permissions?.includes(permission) || false;
}

/** In a home room (0: what is in none), which a role may be bound to. */
export function mayIn(permission: string, room: number): boolean {
  return may(permission) ||
    user.value?.rooms?.some((r) => r.room_id === room && r.permissions.includes(permission)) || false;
}

export const theme = signal<Theme>(rememberedTheme());

export function setTheme(next: Theme): void {
  theme.value = next;
  rememberTheme(next);
  applyTheme(next);
}

/**
 * Whether there was a session when this browser was last here; true when it cannot be known. Only
 * to spare a request that would be refused: the cookie itself is hidden from scripts.
 */
function maybeSignedIn(): boolean {
  try {
    return localStorage.getItem(KEY) !== null;
  } catch {
    return true;
  }
}

function remember(signedIn: boolean): void {
  try {
    if (signedIn) {
      localStorage.setItem(KEY, "1");
    } else {
      localStorage.removeItem(KEY);
    }
  } catch {
    // storage may be refused; then every start asks
  }
}

const GUEST_KEY = "signalbox.guest";

/** A guest, in this tab and no other: not even a person's session in the same browser is touched. */
export function beGuest(me: User, token: string): void {
  try {
    sessionStorage.setItem(GUEST_KEY, JSON.stringify({ me, token }));
  } catch {
    // it lasts as long as the page
  }
  setBearer(token);
  expired.value = false;
  user.value = me;
}

function wasGuest(): boolean {
  try {
    const { me, token } = JSON.parse(sessionStorage.getItem(GUEST_KEY) ?? "null") as { me: User; token: string };
    beGuest(me, token);
    return true;
  } catch {
    return false;
  }
}

function endGuest(): void {
  setBearer(null);
  try {
    sessionStorage.removeItem(GUEST_KEY);
  } catch {
    // nothing was kept
  }
}

export function endSession(): void {
  if (user.peek()?.guestOf) {
    endGuest();
  } else {
    remember(false);
  }
  if (user.peek()) {
    expired.value = true;
  }
  user.value = null;
}

setUnauthenticatedHandler(endSession);

export async function loadSession(): Promise<void> {
  bootError.value = null;
  if (wasGuest()) {
    return;
  }
  if (!maybeSignedIn()) {
    user.value = null;
    return;
  }
  try {
    user.value = await request<User>("GET", "/api/v1/auth/me", undefined, { keepSession: true });
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
      remember(false);
      user.value = null;
    } else {
      bootError.value = error instanceof ApiError ? error : new ApiError(0, "UNKNOWN", String(error));
    }
  }
}

export async function signIn(username: string, password: string): Promise<void> {
  const data = await request<{ user: User }>(
    "POST", "/api/v1/auth/login", { username, password, session: true }, { keepSession: true },
  );
  // Only /me lists the permissions.
  const me = await request<User>("GET", "/api/v1/auth/me", undefined, { keepSession: true })
    .catch(() => data.user);
  remember(true);
  expired.value = false;
  user.value = me;
}

export async function signOut(): Promise<void> {
  if (user.peek()?.guestOf) {
    endGuest(); // its token ends by itself
    user.value = null;
    return;
  }
  try {
    await request("POST", "/api/v1/auth/logout", {}, { keepSession: true });
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) {
      throw error; // still signed in: the cookie could not be cleared
    }
  }
  remember(false);
  expired.value = false;
  user.value = null;
}
