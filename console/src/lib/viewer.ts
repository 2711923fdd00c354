// A socket to this page's server, signed in by its cookie. It looks around when the network or the
// page comes back.
import { ViewerSocket, type Environment, type Listener, type LiveSocket, type Probe, type Wire } from "./socket";

export function environment(path: string, probe: () => Promise<Probe>): Environment {
  return {
    connect() {
      const scheme = window.location.protocol === "https:" ? "wss:" : "ws:";
      return new WebSocket(`${scheme}//${window.location.host}${path}`) as unknown as Wire;
    },
    now: () => Date.now(),
    random: () => Math.random(),
    after: (ms, run) => window.setTimeout(run, ms),
    cancel: (timer) => window.clearTimeout(timer),
    probe,
  };
}

export function attend(socket: LiveSocket & { check(): void }) {
  let started = false;
  const retry = () => {
    if (started) {
      socket.retryNow();
    }
  };
  const onVisible = () => {
    if (!document.hidden) {
      retry();
      socket.check();
    }
  };
  window.addEventListener("online", retry);
  document.addEventListener("visibilitychange", onVisible);
  return {
    start(): void {
      started = true;
      socket.start();
    },
    retry,
    close(): void {
      socket.stop();
      window.removeEventListener("online", retry);
      document.removeEventListener("visibilitychange", onVisible);
    },
  };
}

export const openViewer = (
  path: string, probe: () => Promise<Probe>, listener: Listener, hello: string | null = null,
) => attend(new ViewerSocket(environment(path, probe), hello, listener));
