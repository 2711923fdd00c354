// Where the focus goes when what had it is no more: without this the next Tab begins at the top.

/** After the next paint, on the first of these elements that is there. */
export function keepFocus(...ids: string[]): void {
  requestAnimationFrame(() => {
    if (document.activeElement === document.body) {
      ids.map((id) => document.getElementById(id)).find((e) => e !== null)?.focus({ preventScroll: true });
    }
  });
}

/** The second click of a double one, which is no answer to what the first has asked. */
export const twice = (event: MouseEvent): boolean => event.detail > 1;
