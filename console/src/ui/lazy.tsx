// Parts of the console that are fetched when they are first needed.
import { createElement, type ComponentChildren, type ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";

/**
 * A component that is fetched when it is first shown; load() fetches it before. `small`: it is a
 * part of a page, which stays when the part cannot be fetched.
 */
export function lazily<P extends object>(fetch: () => Promise<ComponentType<P>>, { small = false } = {}) {
  let found: ComponentType<P> | null = null;
  const load = async () => {
    found ??= await fetch();
  };
  function Lazy(props: P): ComponentChildren {
    const [failed, setFailed] = useState(false);
    const [, setReady] = useState(found !== null);
    useEffect(() => {
      load().then(() => setReady(true), () => setFailed(true));
    }, []);
    if (failed && !small) {
      throw new Error("a part of the console could not be fetched");
    }
    return failed ? <p class="field-error" role="alert">This could not be fetched. Reload the page.</p>
      : found ? createElement(found, props)
      : small ? null : <div class="page" aria-busy="true" />;
  }
  return { Lazy, load };
}
