// A modal dialog: the element does focus, Escape and inertness of the rest.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

export function Dialog({ title, onClose, guard, children }: {
  title: string;
  onClose: () => void;
  /** Escape and the backdrop do nothing: something would be lost. */
  guard?: boolean;
  children: ComponentChildren;
}) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = element.current!;
    const before = document.activeElement;
    dialog.showModal();
    return () => {
      dialog.close();
      if (before instanceof HTMLElement) {
        before.focus();
      }
    };
  }, []);
  return (
    <dialog
      ref={element}
      aria-labelledby="dialog-title"
      onCancel={(event) => {
        event.preventDefault();
        if (!guard) {
          onClose();
        }
      }}
      onMouseDown={(event) => {
        if (event.target === element.current && !guard) {
          onClose();
        }
      }}
    >
      <div class="dialog">
        <h2 id="dialog-title">{title}</h2>
        {children}
      </div>
    </dialog>
  );
}
