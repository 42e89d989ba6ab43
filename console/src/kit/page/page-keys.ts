/** Keyboard shortcuts of the current page. The shell listens for the keys (shell/keys.tsx). */
import { useEffect } from 'react';

/** Actions by `KeyboardEvent.key`. */
export type KeyActions = Readonly<Record<string, () => void>>;

const registered = new Set<KeyActions>();

/** Registers shortcuts while the page is shown: `{ '[': shorter, ']': longer, ' ': pause }`. Memoise `actions`. */
export function usePageKeys(actions: KeyActions): void {
  useEffect(() => {
    registered.add(actions);
    return () => void registered.delete(actions);
  }, [actions]);
}

/** The current action of a key; undefined if it has none. */
export function actionOf(key: string): (() => void) | undefined {
  for (const actions of registered) if (actions[key] !== undefined) return actions[key];
  return undefined;
}
