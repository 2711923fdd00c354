// Starts the console: who is signed in decides what is shown.
import { Component, render, type ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import "uplot/dist/uPlot.min.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/pages.css";
import { BASE, moves, navigate, path, route } from "./lib/router";
import { bootError, loadSession, user } from "./lib/session";
import { DevicePage } from "./pages/device";
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

function Page() {
  const to = route.value;
  useEffect(() => {
    if (moves.value > 0) {
      document.getElementById("page-title")?.focus({ preventScroll: true });
    }
  }, [moves.value]);
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
      return <DevicePage key={to.id} id={to.id} />;
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
      {user.value === null
        ? <SignIn />
        : <Shell><Boundary at={path.value}><Page /></Boundary></Shell>}
      <Announcer />
    </>
  );
}

void loadSession();
render(<App />, document.getElementById("app")!);
