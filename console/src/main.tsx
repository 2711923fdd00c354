// Starts the console: who is signed in decides what is shown.
import { Component, createElement, render, type ComponentChildren, type ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import "uplot/dist/uPlot.min.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/pages.css";
import { BASE, navigate, path, route } from "./lib/router";
import { bootError, loadSession, may, user } from "./lib/session";
import { loadStyle } from "./lib/style";
import { Devices } from "./pages/devices";
import { NotFound } from "./pages/not-found";
import { SignIn } from "./pages/sign-in";
import { Announcer } from "./ui/announce";
import { Failure, Title } from "./ui/bits";
import { Shell } from "./ui/shell";

class Boundary extends Component<{ children: ComponentChildren; at: string }, { error: Error | null }> {
  override state = { error: null };

  override componentDidCatch(error: Error) {
    console.error(error);
    this.setState({ error });
  }

  override componentDidUpdate(before: { at: string }) {
    if (before.at !== this.props.at && this.state.error) {
      this.setState({ error: null });
    }
  }

  override render() {
    if (!this.state.error) {
      return this.props.children;
    }
    return (
      <div class="page blank-page">
        <Title text="This page failed" />
        <p>Something in it went wrong; the server and your devices are not affected.</p>
        <p class="buttons">
          <button type="button" class="primary" onClick={() => window.location.reload()}>Reload</button>
          <a class="button" href={BASE} onClick={() => this.setState({ error: null })}>All devices</a>
        </p>
      </div>
    );
  }
}

// The device page brings the charts, half of all the code, and Home and Chat are not everybody's:
// each is a file of its own, fetched when it is first needed or when nothing else is to do.
function lazily<P extends object>(fetch: () => Promise<ComponentType<P>>) {
  let found: ComponentType<P> | null = null;
  const load = async () => {
    found ??= await fetch();
  };
  function Lazy(props: P) {
    const [failed, setFailed] = useState(false);
    const [, setReady] = useState(found !== null);
    useEffect(() => {
      load().then(() => setReady(true), () => setFailed(true));
    }, []);
    if (failed) {
      throw new Error("a part of the console could not be fetched");
    }
    return found ? createElement(found, props) : <div class="page" aria-busy="true" />;
  }
  return { Lazy, load };
}

const device = lazily(async () => (await import("./pages/device")).DevicePage);
const home = lazily(async () => (await import("./pages/home")).HomePage);
const chat = lazily(async () => {
  const [page] = await Promise.all([import("./pages/chat"), loadStyle("chat-style")]);
  return page.ChatPage;
});

const guest = lazily(async () => (await import("./pages/guest")).GuestPage);

function Page() {
  const to = route.value;
  useEffect(() => {
    if (to.name === "sign-in") {
      navigate(BASE, true);
    }
  }, [to.name]);
  switch (to.name) {
    case "devices":
    case "sign-in":
      return <Devices />;
    case "device":
      return <device.Lazy key={to.id} id={to.id} />;
    case "home":
      return <home.Lazy entity={to.entity} />;
    case "chat":
      return <chat.Lazy room={to.room} />;
    case "guest":
      return <guest.Lazy />;
    case "unknown":
      return <NotFound />;
  }
}

function App() {
  if (user.value === undefined) {
    return (
      <main class="boot" aria-busy={bootError.value === null}>
        {bootError.value && (
          <Failure error={bootError.value} what="Signalbox did not answer." retry={() => void loadSession()} />
        )}
      </main>
    );
  }
  return (
    <>
      {route.value.name === "guest" ? <main class="boot"><guest.Lazy /></main>
        : user.value === null ? <SignIn />
        : <Shell><Boundary at={path.value}><Page /></Boundary></Shell>}
      <Announcer />
    </>
  );
}

void loadSession().then(() => {
  if (user.peek()) {
    // What fails is asked for again when it is needed.
    setTimeout(() => void Promise.allSettled([device.load(), home.load(), may("chat:room:read") && chat.load()]), 1000);
  }
});
render(<App />, document.getElementById("app")!);
