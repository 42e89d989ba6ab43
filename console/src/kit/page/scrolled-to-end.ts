/** A box of lines that stays scrolled to its end unless the user scrolls back. */
import { type RefObject, type UIEvent, useEffect, useRef } from 'react';

/** The end is reached if fewer pixels than this are hidden. */
const endPx = 40;

interface ScrolledBox {
  readonly ref: RefObject<HTMLDivElement | null>;
  /** Scrollable regions must be reachable by keyboard. */
  readonly tabIndex: 0;
  readonly onScroll: (event: UIEvent<HTMLDivElement>) => void;
}

/** Attributes of the box; scrolls when `lines` is another value. */
export function useScrolledToEnd(lines: unknown): ScrolledBox {
  const ref = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  useEffect(() => {
    const { current } = ref;
    if (current !== null && isAtEnd.current) current.scrollTop = current.scrollHeight;
  }, [lines]);
  return {
    ref,
    tabIndex: 0,
    onScroll: ({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
      isAtEnd.current = scrollHeight - scrollTop - clientHeight < endPx;
    },
  };
}
