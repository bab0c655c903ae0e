import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';

interface MenuProps {
  /** Of the button, for those who do not see what is on it. */
  readonly label: string;
  readonly face: ComponentChildren;
  readonly children: (close: () => void) => ComponentChildren;
  readonly class?: string;
  readonly opens?: 'down' | 'up';
}

/** A button that shows a list of things to do. Arrow keys go through it, Escape and a click elsewhere close it. */
export function Menu({ label, face, children, class: className = '', opens = 'down' }: MenuProps) {
  const [isOpen, setOpen] = useState(false);
  const frame = useRef<HTMLDivElement>(null);
  const id = useId();
  const close = () => setOpen(false);

  useEffect(() => {
    if (!isOpen) return;
    itemsOf(frame.current)[0]?.focus();
    const onPointer = (event: PointerEvent) => {
      if (!frame.current?.contains(event.target as Node)) close();
    };
    document.addEventListener('pointerdown', onPointer);
    return () => document.removeEventListener('pointerdown', onPointer);
  }, [isOpen]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (!isOpen) return;
    if (event.key === 'Escape') {
      event.stopPropagation();
      close();
      frame.current?.querySelector('button')?.focus();
      return;
    }
    const items = itemsOf(frame.current);
    const at = items.indexOf(document.activeElement as HTMLElement);
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    event.stopPropagation();
    items[(at + step + items.length) % items.length]?.focus();
  };

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the keys are those of the items in it
    <div class={`menu ${className}`} ref={frame} onKeyDown={onKeyDown}>
      <button
        type="button"
        class="menu-button"
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        aria-controls={id}
        onClick={() => setOpen(!isOpen)}
      >
        {face}
      </button>
      <div class={`menu-list menu-${opens}`} id={id} role="menu" aria-label={label} hidden={!isOpen}>
        {isOpen && children(close)}
      </div>
    </div>
  );
}

interface MenuItemProps {
  readonly onChoose: () => void;
  readonly children: ComponentChildren;
  /** Whether it is the one that holds, where one of several does. */
  readonly isChosen?: boolean;
  readonly isDanger?: boolean;
}

export function MenuItem({ onChoose, children, isChosen, isDanger = false }: MenuItemProps) {
  const look = `menu-item ${isDanger ? 'menu-item-danger' : ''}`;
  return isChosen === undefined ? (
    <button type="button" role="menuitem" class={look} onClick={onChoose}>
      {children}
    </button>
  ) : (
    <button type="button" role="menuitemradio" aria-checked={isChosen} class={look} onClick={onChoose}>
      <span class="menu-dot" aria-hidden="true" />
      {children}
    </button>
  );
}

function itemsOf(frame: HTMLElement | null): HTMLElement[] {
  return [...(frame?.querySelectorAll<HTMLElement>('[role^="menuitem"]') ?? [])];
}
