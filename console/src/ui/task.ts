// Something a person asked for: under way, or failed with a sentence that says why.
import { useState } from "preact/hooks";
import { ApiError } from "../lib/api";

export function useTask() {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  return {
    busy,
    error,
    /** True when it was done. */
    async run(what: () => Promise<unknown>): Promise<boolean> {
      setBusy(true);
      setError(null);
      try {
        await what();
        return true;
      } catch (e) {
        setError(e instanceof ApiError ? e : new ApiError(0, "UNKNOWN", String(e)));
        return false;
      } finally {
        setBusy(false);
      }
    },
  };
}
