// Starts the console: who is signed in decides what is shown.
import { Component, render, type ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/parts.css";
import { BASE, navigate, path, route } from "./lib/router";
import { bootError, loadSession, may, user } from "./lib/session";
import { loadStyle } from "./lib/style";
import { NotFound } from "./pages/not-found";
import { SignIn } from "./pages/sign-in";
import { Announcer } from "./ui/announce";
import { Failure, Title } from "./ui/bits";
import { lazily } from "./ui/lazy";
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

// Each page is a file of its own with a sheet of its own, fetched when it is first needed or when
// nothing else is to do: the device page brings the charts, a third of all the code.
const styled = async <T,>(page: Promise<T>, sheet: string): Promise<T> => (await Promise.all([page, loadStyle(sheet)]))[0];
const devices = lazily(async () => (await styled(import("./pages/devices"), "devices")).Devices);
const device = lazily(async () => (await styled(import("./pages/device"), "things")).DevicePage);
const home = lazily(async () => (await styled(import("./pages/home"), "things")).HomePage);
const chat = lazily(async () => (await styled(import("./pages/chat"), "chat")).ChatPage);
const guest = lazily(async () => (await import("./pages/guest")).GuestPage);
const PAGES = { devices, device, home, chat, guest, "sign-in": devices, unknown: null };

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
      return <devices.Lazy />;
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

// What fails is asked for again when it is needed.
const fetchAll = (pages: readonly { load: () => Promise<void> }[]) => void Promise.allSettled(pages.map((p) => p.load()));

const first = PAGES[route.peek().name];
fetchAll(first ? [first] : []); // beside the question who is signed in
void loadSession().then(() => {
  if (user.peek() && !user.peek()!.guestOf) {
    setTimeout(() => fetchAll([devices, device, home, ...(may("chat:room:read") ? [chat] : [])]), 1000);
  }
});
render(<App />, document.getElementById("app")!);
