// Small parts that every page uses.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { ApiError } from "../lib/api";
import type { Connection } from "../lib/types";
import { moves } from "../lib/router";
import { announce } from "./announce";

let placed = 0; // the move whose page has the focus

/** The page's h1; takes the focus when the page was reached by a link. */
export function Title({ text, children }: { text: string; children?: ComponentChildren }) {
  useEffect(() => {
    document.title = text === "Signalbox" ? text : `${text} · Signalbox`;
  }, [text]);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (moves.peek() !== placed) {
      placed = moves.peek();
      heading.current?.focus({ preventScroll: true });
    }
  }, []);
  return <h1 ref={heading} tabIndex={-1}>{children ?? text}</h1>;
}

/** A bar beside a number; the number carries the meaning, so the bar is hidden from readers. */
export function Meter({ value, max = 100, tone }: { value: number | null; max?: number; tone?: string }) {
  const part = value === null || max <= 0 ? 0 : Math.min(1, Math.max(0, value / max));
  const level = tone ?? (part >= 0.95 ? "bad" : part >= 0.85 ? "warn" : "");
  return (
    <span class={`meter ${level}`} aria-hidden="true">
      <span style={{ width: `${(part * 100).toFixed(1)}%` }} />
    </span>
  );
}

const CONNECTION_WORD: Record<Connection, string> = {
  online: "Online",
  stale: "Stale",
  offline: "Offline",
};

/** State by shape and word, not by colour alone. */
export function ConnectionMark({ value }: { value: Connection }) {
  return (
    <span class={`mark ${value}`}>
      <span class="lamp" aria-hidden="true" />
      {CONNECTION_WORD[value] ?? value}
    </span>
  );
}

export function Notice({ tone, children, action }: {
  tone: "info" | "warn" | "bad";
  children: ComponentChildren;
  action?: { label: string; run: () => void };
}) {
  return (
    <div class={`notice ${tone}`}>
      <p>{children}</p>
      {action && <button type="button" class="quiet" onClick={action.run}>{action.label}</button>}
    </div>
  );
}

export function Failure({ error, what, retry }: { error: ApiError; what: string; retry?: () => void }) {
  return (
    <Notice tone={error.unreachable ? "warn" : "bad"} {...(retry ? { action: { label: "Try again", run: retry } } : {})}>
      <strong>{what}</strong> {error.message}
    </Notice>
  );
}

/** Text that a person will paste elsewhere. */
export function CopyField({ label, value, secret }: { label: string; value: string; secret?: boolean }) {
  const text = useRef<HTMLElement>(null);
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) {
      return;
    }
    const timer = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(timer);
  }, [copied]);

  async function copy() {
    try {
      await navigator.clipboard.writeText(value);
      setCopied(true);
      announce(`${label} copied`);
    } catch {
      // No clipboard outside of secure contexts: select it, so that Ctrl-C is all that is left.
      const range = document.createRange();
      range.selectNodeContents(text.current!);
      getSelection()?.removeAllRanges();
      getSelection()?.addRange(range);
      announce(`${label} selected; press Control C to copy it`);
    }
  }
  return (
    <div class="copy">
      <span class="label">{label}</span>
      <code ref={text} class={secret ? "secret" : ""}>{value}</code>
      <button type="button" onClick={copy} aria-label={`Copy ${label}`}>{copied ? "Copied" : "Copy"}</button>
    </div>
  );
}

export function Definition({ term, children }: { term: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{term}</dt>
      <dd>{children}</dd>
    </div>
  );
}
