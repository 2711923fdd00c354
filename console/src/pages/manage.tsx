// What an operator does with a device: rename, a new key, disable, delete.
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, request } from "../lib/api";
import type { Live } from "../lib/live";
import { BASE, navigate } from "../lib/router";
import { may } from "../lib/session";
import type { Device } from "../lib/types";
import { announce } from "../ui/announce";
import { Dialog } from "../ui/dialog";
import { KeyReveal } from "./add-device";

type Open = "rename" | "key" | "delete" | null;

export function Manage({ live, device }: { live: Live; device: Device }) {
  const [menu, setMenu] = useState(false);
  const [open, setOpen] = useState<Open>(null);
  const [name, setName] = useState("");
  const [secret, setSecret] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const api = `/api/v1/devices/${encodeURIComponent(device.id)}`;
  const disabled = device.status === "disabled";

  useEffect(() => {
    if (!menu) {
      return;
    }
    const outside = (event: Event) => {
      if (!box.current?.contains(event.target as Node)) {
        setMenu(false);
      }
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
    };
  }, [menu]);

  function show(what: Open) {
    button.current?.focus(); // the dialog gives the focus back to what had it
    setMenu(false);
    setError(null);
    setSecret(null);
    setName(device.name);
    setOpen(what);
  }

  async function run(what: () => Promise<unknown>, done: string, then: () => void) {
    setBusy(true);
    setError(null);
    try {
      await what();
      announce(done);
      then();
    } catch (e) {
      setError(e instanceof ApiError ? e.message : String(e));
    } finally {
      setBusy(false);
    }
  }

  const close = () => setOpen(null);
  const reload = () => void live.reloadDevice();
  const failure = <p class="field-error" role="alert">{error}</p>;

  return (
    <div
      class="manage"
      ref={box}
      onKeyDown={(event) => {
        if (event.key === "Escape" && menu) {
          setMenu(false);
          button.current?.focus();
        }
      }}
    >
      <button ref={button} type="button" class="quiet" aria-expanded={menu} aria-controls="manage-menu" onClick={() => setMenu(!menu)}>
        Manage<span class="caret" aria-hidden="true" />
      </button>
      <div id="manage-menu" class="popover" hidden={!menu}>
        <button type="button" onClick={() => show("rename")}>Rename…</button>
        {may("device:credential:write") && (
          <button type="button" onClick={() => show("key")}>New key…</button>
        )}
        <button
          type="button"
          disabled={busy}
          onClick={() => run(
            () => request("POST", `${api}/${disabled ? "enable" : "disable"}`, {}),
            `${device.name} ${disabled ? "enabled" : "disabled"}`,
            () => { setMenu(false); reload(); },
          )}
        >
          {disabled ? "Enable" : "Disable"}
        </button>
        <button type="button" class="danger" onClick={() => show("delete")}>Delete…</button>
        {menu && error && failure}
      </div>

      {open === "rename" && (
        <Dialog title={`Rename ${device.name}`} onClose={close}>
          <form
            noValidate
            onSubmit={(event) => {
              event.preventDefault();
              void run(() => request("PATCH", api, { name: name.trim() }), "Renamed", () => { close(); reload(); });
            }}
          >
            <label class="field">
              <span>Name</span>
              <input value={name} maxLength={100} autocomplete="off" onInput={(e) => setName(e.currentTarget.value)} />
            </label>
            {failure}
            <div class="buttons">
              <button type="button" onClick={close}>Cancel</button>
              <button type="submit" class="primary" disabled={busy || name.trim() === ""}>Rename</button>
            </div>
          </form>
        </Dialog>
      )}
      {open === "key" && (
        <Dialog key={secret ? "shown" : "ask"} title={secret ? "New key" : `A new key for ${device.name}?`} onClose={close} guard={secret !== null}>
          {secret ? <KeyReveal device={device} secret={secret} onDone={close} /> : (
            <>
              <p>The newest two keys of a device are valid, so that it can be moved to the new one without a break.</p>
              {failure}
              <div class="buttons">
                <button type="button" onClick={close}>Cancel</button>
                <button
                  type="button"
                  class="primary"
                  disabled={busy}
                  onClick={() => run(
                    async () => setSecret((await request<{ key: string }>("POST", `${api}/credentials`, {})).key),
                    "New key made; it is shown once",
                    () => {},
                  )}
                >
                  Make a key
                </button>
              </div>
            </>
          )}
        </Dialog>
      )}
      {open === "delete" && (
        <Dialog title={`Delete ${device.name}?`} onClose={close}>
          <p>Its keys stop working at once and its whole history is removed. This cannot be undone.</p>
          {failure}
          <div class="buttons">
            <button type="button" onClick={close}>Cancel</button>
            <button
              type="button"
              class="primary danger"
              disabled={busy}
              onClick={() => run(() => request("DELETE", api), `${device.name} deleted`, () => navigate(BASE))}
            >
              Delete device
            </button>
          </div>
        </Dialog>
      )}
    </div>
  );
}
