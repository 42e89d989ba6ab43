/** What keys do on the page that is shown. The shell listens to them (shell/keys.tsx). */
import { useEffect } from 'react';

export type KeyActions = Readonly<Record<string, () => void>>;

const ofPages = new Set<KeyActions>();

/** `{ '[': shorter, ']': longer, ' ': pause }`; memoise it. */
export function usePageKeys(actions: KeyActions): void {
  useEffect(() => {
    ofPages.add(actions);
    return () => void ofPages.delete(actions);
  }, [actions]);
}

/** What the key does now; undefined where it does nothing. */
export function actionOf(key: string): (() => void) | undefined {
  for (const actions of ofPages) if (actions[key] !== undefined) return actions[key];
  return undefined;
}
