import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../lib/api";
import { duration } from "../lib/format";
import { BASE, navigate, route } from "../lib/router";
import { expired, signIn } from "../lib/session";
import { Mark } from "../ui/shell";
import { Title } from "../ui/bits";

interface Problem {
  text: string;
  /** Not before this time, epoch ms. */
  until: number | null;
}

function explain(error: unknown): Problem {
  if (!(error instanceof ApiError)) {
    return { text: "Something went wrong in this page. Reload it and try again.", until: null };
  }
  if (error.status === 429) {
    return { text: "Too many attempts.", until: Date.now() + (error.retryMs ?? 60_000) };
  }
  if (error.status === 401) {
    return { text: "The username or the password is wrong.", until: null };
  }
  if (error.unreachable) {
    return { text: "The server cannot be reached. Check that it runs, then try again.", until: null };
  }
  return { text: error.message, until: null };
}

const secondsTo = (until: number | null): number =>
  until === null ? 0 : Math.max(0, Math.ceil((until - Date.now()) / 1000));

export function SignIn() {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [left, setLeft] = useState(0);
  const [shown, setShown] = useState(false);
  const username = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);
  const until = problem?.until ?? null;

  useEffect(() => username.current?.focus(), []);

  useEffect(() => {
    if (until === null) {
      return;
    }
    const tick = () => {
      const seconds = secondsTo(until);
      setLeft(seconds);
      if (seconds === 0) {
        setProblem(null);
      }
    };
    tick();
    const timer = setInterval(tick, 1000);
    return () => clearInterval(timer);
  }, [until]);

  async function submit(event: Event) {
    event.preventDefault();
    const [name, secret] = [username.current!.value.trim(), password.current!.value];
    if (name === "" || secret === "") {
      setProblem({ text: "Give a username and a password.", until: null });
      (name === "" ? username : password).current!.focus();
      return;
    }
    setBusy(true);
    setProblem(null);
    try {
      await signIn(name, secret);
      if (route.peek().name === "sign-in") {
        navigate(BASE, true);
      }
    } catch (error) {
      const wrong = explain(error);
      setProblem(wrong);
      setLeft(secondsTo(wrong.until));
      setBusy(false);
      if (error instanceof ApiError && error.status === 401) {
        password.current!.select();
      }
    }
  }

  const waiting = until !== null && left > 0;
  return (
    <main class="sign-in" id="main">
      <form onSubmit={submit} noValidate aria-describedby={problem ? "sign-in-problem" : undefined}>
        <p class="brand"><Mark /><span>Signalbox</span></p>
        <Title text="Sign in" />
        {expired.value && !problem && (
          <p class="hint" role="status">Your session has ended. Sign in to go on where you were.</p>
        )}
        <label class="field">
          <span>Username</span>
          <input ref={username} name="username" autocomplete="username" autocapitalize="none" spellcheck={false} required />
        </label>
        <div class="field">
          <label for="password">Password</label>
          <span class="with-button">
            <input
              id="password"
              ref={password}
              name="password"
              {...(shown ? { type: "text" } : { type: "password" })}
              autocomplete="current-password"
              required
            />
            <button type="button" class="quiet" aria-pressed={shown} aria-label="Show password" onClick={() => setShown(!shown)}>
              {shown ? "Hide" : "Show"}
            </button>
          </span>
        </div>
        <div class="problem" id="sign-in-problem" role="alert">
          {problem && <p>{problem.text}</p>}
        </div>
        <button type="submit" class="primary" disabled={busy || waiting}>
          {busy ? "Signing in…" : waiting ? `Try again in ${duration(left)}` : "Sign in"}
        </button>
      </form>
    </main>
  );
}
