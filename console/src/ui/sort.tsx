// Sorting a table by its headers.
import { useState } from "preact/hooks";

export interface Order<K extends string> {
  key: K;
  down: boolean;
}

export interface Column<K extends string> {
  key: K;
  label: string;
  /** Numbers start with the largest first. */
  numeric?: boolean;
  class?: string;
}

export function useOrder<K extends string>(first: Order<K>) {
  return useState<Order<K>>(first);
}

type Value = string | number | null | undefined;

/** A sorted copy; what is missing goes last in both directions. */
export function sorted<T, K extends string>(
  rows: readonly T[], order: Order<K>, value: (row: T, key: K) => Value,
): T[] {
  const sign = order.down ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [value(a, order.key), value(b, order.key)];
    if (x === y) {
      return 0;
    }
    if (x === null || x === undefined) {
      return 1;
    }
    if (y === null || y === undefined) {
      return -1;
    }
    if (typeof x === "string" && typeof y === "string") {
      return sign * x.localeCompare(y, undefined, { numeric: true, sensitivity: "base" });
    }
    return sign * (x < y ? -1 : 1);
  });
}

export function SortHeader<K extends string>({ column, order, onOrder }: {
  column: Column<K>;
  order: Order<K>;
  onOrder: (order: Order<K>) => void;
}) {
  const active = order.key === column.key;
  const state = active ? (order.down ? "descending" : "ascending") : "none";
  return (
    <th scope="col" role="columnheader" aria-sort={state} class={column.class ?? ""}>
      <button
        type="button"
        class="sort"
        onClick={() => onOrder({ key: column.key, down: active ? !order.down : column.numeric === true })}
      >
        {column.label}
        <span class="arrow" aria-hidden="true">{active ? (order.down ? "↓" : "↑") : ""}</span>
      </button>
    </th>
  );
}
