// What the list of rooms and an entity's page share.
import { useState } from "preact/hooks";
import { request } from "../lib/api";
import { entityApi, roomOf } from "../lib/house";
import { mayIn } from "../lib/session";
import { isAway, said } from "../lib/states";
import type { Entity } from "../lib/types";
import { useTask } from "../ui/task";

export const WAIT_S = 5; // for a device to say what came of an action

interface Acted {
  command?: { phase?: string } | null;
}

/** Turns an entity on and off; what a device does not do is said. */
export function useControl(e: Entity) {
  const task = useTask();
  const [sent, setSent] = useState(false);
  return {
    busy: task.busy,
    note: task.error ? task.error.message : sent ? "Sent; the device has not answered yet." : "",
    failed: task.error !== null,
    async act(action: "turn_on" | "turn_off" | "toggle") {
      setSent(false);
      await task.run(async () => {
        const path = `${entityApi(e.entity_id)}/actions/${action}?wait=${WAIT_S}`;
        const { command } = (await request<Acted | null>("POST", path, {})) ?? {};
        setSent(!!command?.phase && command.phase !== "done");
      });
    },
  };
}

export const mayControl = (e: Entity): boolean => mayIn("home:entity:control", roomOf(e));

export function State({ entity: e }: { entity: Entity }) {
  const words = said(e.state, e.attributes);
  return isAway(e.state)
    ? <span class="mark offline"><span class="lamp" aria-hidden="true" />{words}</span>
    : <span class={`state ${e.state === "on" ? "on" : ""}`} title={words.length > 24 ? words : undefined}>{words}</span>;
}
