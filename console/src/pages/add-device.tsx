// Enrols a device: a name, then the key, which the server shows once.
import { useState } from "preact/hooks";
import { ApiError, request } from "../lib/api";
import { devicePath } from "../lib/router";
import type { Device } from "../lib/types";
import { announce } from "../ui/announce";
import { CopyField } from "../ui/bits";
import { Dialog } from "../ui/dialog";

const TYPES = ["host", "sensor", "gateway", "controller", "other"];

interface Made {
  device: Device;
  key: string;
}

// In the environment, because arguments show in every user's process list.
export const agentCommand = (key: string): string =>
  `SIGNALBOX_AGENT_KEY=${key} signalbox agent --server ${window.location.origin}`;

export function KeyReveal({ device, secret, link, onDone }: {
  device: Device;
  secret: string;
  /** Offers the way to the device's page. */
  link?: boolean;
  onDone: () => void;
}) {
  return (
    <>
      <p>
        <strong>{device.name}</strong> signs in with this key. It is shown only now and cannot be
        read again; a lost key is replaced by a new one.
      </p>
      <CopyField label="Key" value={secret} secret />
      <p>Start the agent on the machine to be watched:</p>
      <CopyField label="Command" value={agentCommand(secret)} />
      <div class="buttons">
        {link && <a class="button" href={devicePath(device.id)}>Open device</a>}
        <button type="button" class="primary" onClick={onDone}>I have saved the key</button>
      </div>
    </>
  );
}

export function AddDevice({ onClose, onAdded }: { onClose: () => void; onAdded: () => void }) {
  const [name, setName] = useState("");
  const [type, setType] = useState("host");
  const [made, setMade] = useState<Made | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);

  async function submit(event: Event) {
    event.preventDefault();
    if (name.trim() === "") {
      setError("Give the device a name.");
      return;
    }
    setBusy(true);
    setError(null);
    try {
      setMade(await request<Made>("POST", "/api/v1/devices", { name: name.trim(), type }));
      announce(`${name.trim()} was added. Its key is shown once.`);
      onAdded();
    } catch (e) {
      setError(e instanceof ApiError ? e.message : String(e));
    } finally {
      setBusy(false);
    }
  }

  if (made) {
    return (
      <Dialog key="made" title="Device added" onClose={onClose} guard>
        <KeyReveal device={made.device} secret={made.key} link onDone={onClose} />
      </Dialog>
    );
  }
  return (
    <Dialog key="ask" title="Add device" onClose={onClose}>
      <form onSubmit={submit} noValidate>
        <label class="field">
          <span>Name</span>
          <input
            value={name}
            maxLength={100}
            autocomplete="off"
            spellcheck={false}
            placeholder="build-server"
            aria-describedby={error ? "add-error" : undefined}
            onInput={(e) => setName(e.currentTarget.value)}
          />
        </label>
        <label class="field">
          <span>Type</span>
          <select value={type} onChange={(e) => setType(e.currentTarget.value)}>
            {TYPES.map((t) => <option key={t}>{t}</option>)}
          </select>
        </label>
        <p class="field-error" id="add-error" role="alert">{error}</p>
        <div class="buttons">
          <button type="button" onClick={onClose}>Cancel</button>
          <button type="submit" class="primary" disabled={busy}>{busy ? "Adding…" : "Add device"}</button>
        </div>
      </form>
    </Dialog>
  );
}
