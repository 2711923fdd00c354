// Live windows, stretches of history, or a span of one's own.
import { useEffect, useState } from "preact/hooks";
import { localInput } from "../lib/format";
import { checkSpan, edges, LAST, LIVE, type Choice, type View } from "../lib/ranges";

function Group({ legend, name, choices, active, onPick }: {
  legend: string;
  name: string;
  choices: readonly Choice[];
  active: string | null;
  onPick: (choice: Choice) => void;
}) {
  return (
    <fieldset class="segmented inline">
      <legend>{legend}</legend>
      {choices.map((c) => (
        <label key={c.key} title={c.long}>
          <input
            type="radio"
            name={name}
            value={c.key}
            checked={active === c.key}
            aria-label={c.long}
            onChange={() => onPick(c)}
          />
          <span>{c.label}</span>
        </label>
      ))}
    </fieldset>
  );
}

export function TimePicker({ view, onView }: { view: View; onView: (view: View) => void }) {
  const [custom, setCustom] = useState(view.kind === "fixed");
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const [error, setError] = useState<string | null>(null);
  const fixedFrom = view.kind === "fixed" ? view.from : null;
  const fixedTo = view.kind === "fixed" ? view.to : null;

  useEffect(() => {
    setCustom(fixedFrom !== null);
    if (fixedFrom !== null && fixedTo !== null) {
      setFrom(localInput(fixedFrom));
      setTo(localInput(fixedTo));
    }
    setError(null);
  }, [fixedFrom, fixedTo]);

  function open() {
    if (!custom) {
      const span = edges(view, Date.now());
      setFrom(localInput(span.from));
      setTo(localInput(span.to));
    }
    setCustom(!custom);
  }

  function apply(event: Event) {
    event.preventDefault();
    const [a, b] = [Date.parse(from), Date.parse(to)];
    const wrong = checkSpan(a, b, Date.now());
    setError(wrong);
    if (wrong === null) {
      onView({ kind: "fixed", from: a, to: b });
    }
  }

  return (
    <div class="picker">
      <Group
        legend="Live"
        name="live"
        choices={LIVE}
        active={view.kind === "live" ? view.key : null}
        onPick={(c) => onView({ kind: "live", key: c.key, ms: c.ms })}
      />
      <Group
        legend="History"
        name="history"
        choices={LAST}
        active={view.kind === "last" ? view.key : null}
        onPick={(c) => onView({ kind: "last", key: c.key, ms: c.ms })}
      />
      <button
        type="button"
        class={view.kind === "fixed" ? "on" : ""}
        aria-expanded={custom}
        aria-controls="custom-span"
        onClick={open}
      >
        Custom
      </button>
      <form id="custom-span" class="custom" hidden={!custom} onSubmit={apply} noValidate>
        <label>
          <span>From</span>
          <input type="datetime-local" value={from} onInput={(e) => setFrom(e.currentTarget.value)} />
        </label>
        <label>
          <span>To</span>
          <input type="datetime-local" value={to} onInput={(e) => setTo(e.currentTarget.value)} />
        </label>
        <button type="submit">Show</button>
        {error && <p class="field-error" role="alert">{error}</p>}
      </form>
    </div>
  );
}
