// What surrounds every page: skip link, header with the account menu, the main landmark.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { BASE, CHAT, HOME, route } from "../lib/router";
import { may, setTheme, signOut, theme, user } from "../lib/session";
import type { Theme } from "../lib/theme";
import { announce } from "./announce";

export function Mark() {
  return (
    <svg class="logo" viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
      <path d="M3 18h7l3.500-10 5 16 3.500-9 2 3H29" />
    </svg>
  );
}

const THEMES: readonly [Theme, string][] = [["system", "System"], ["light", "Light"], ["dark", "Dark"]];

export function ThemeChoice() {
  return (
    <fieldset class="segmented">
      <legend>Theme</legend>
      {THEMES.map(([key, label]) => (
        <label key={key}>
          <input
            type="radio"
            name="theme"
            value={key}
            checked={theme.value === key}
            onChange={() => setTheme(key)}
          />
          <span>{label}</span>
        </label>
      ))}
    </fieldset>
  );
}

function Account() {
  const [open, setOpen] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const me = user.value;

  useEffect(() => {
    if (!open) {
      return;
    }
    const outside = (event: Event) => {
      if (!box.current?.contains(event.target as Node)) {
        setOpen(false);
      }
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
    };
  }, [open]);

  if (!me) {
    return null;
  }
  const name = me.display_name || me.username || "Account";
  return (
    <div
      class="account"
      ref={box}
      onKeyDown={(event) => {
        if (event.key === "Escape" && open) {
          setOpen(false);
          button.current?.focus();
        }
      }}
    >
      <button
        ref={button}
        type="button"
        class="quiet"
        aria-expanded={open}
        aria-controls="account-menu"
        onClick={() => setOpen(!open)}
      >
        <span class="name">{name}</span>
        <span class="caret" aria-hidden="true" />
        <span class="sr-only">, account menu</span>
      </button>
      <div id="account-menu" class="popover" hidden={!open}>
        <p class="who">
          <strong>{name}</strong>
          <span>{me.roles.join(", ") || "no role"}</span>
        </p>
        <ThemeChoice />
        <button
          type="button"
          class="wide"
          onClick={() => signOut().then(
            () => announce("Signed out"),
            (e: Error) => setError(e.message),
          )}
        >
          Sign out
        </button>
        {error && <p class="field-error" role="alert">Not signed out. {error}</p>}
      </div>
    </div>
  );
}

export function Shell({ children }: { children: ComponentChildren }) {
  const guest = user.value?.guestOf !== undefined;
  return (
    <>
      <a class="skip" href="#main">Skip to content</a>
      <header class="top">
        <a class="brand" href={guest ? CHAT : BASE} aria-label={guest ? "Signalbox, chat" : "Signalbox, devices"}>
          <Mark />
          <span>Signalbox</span>
        </a>
        <nav aria-label="Main">
          {!guest && (
            <>
              <a href={BASE} aria-current={route.value.name === "devices" ? "page" : undefined}>Devices</a>
              <a href={HOME} aria-current={route.value.name === "home" && !route.value.entity ? "page" : undefined}>Home</a>
            </>
          )}
          {may("chat:room:read") && (
            <a href={CHAT} aria-current={route.value.name === "chat" ? "page" : undefined}>Chat</a>
          )}
        </nav>
        <Account />
      </header>
      <main id="main" tabIndex={-1}>{children}</main>
    </>
  );
}
