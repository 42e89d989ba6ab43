/** Notes that the user dismissed, per subject, in this browser. A dismissed note stays hidden until its text changes. */
import { useCallback, useState } from 'react';

const storageKey = 'penstock-dismissed-notes';
/** Older subjects are dropped first. */
const subjectsMax = 100;

type Dismissed = Readonly<Record<string, readonly string[]>>;

/** Measured values in a note change all the time and do not make it a new one. */
export function noteIdentity(note: string): string {
  return note.replace(/\d[\d.,]*/g, '#');
}

function stored(): Dismissed {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(storageKey) ?? '{}');
    return typeof value === 'object' && value !== null ? (value as Dismissed) : {};
  } catch {
    return {};
  }
}

/** The notes that are not dismissed, and a function that dismisses them. */
export function useUndismissed(subject: string, notes: readonly string[]): [readonly string[], () => void] {
  const [dismissed, setDismissed] = useState(stored);
  const hidden = Array.isArray(dismissed[subject]) ? dismissed[subject] : [];
  const dismiss = useCallback(() => {
    const { [subject]: _before, ...others } = stored();
    const retained = Object.entries(others).slice(1 - subjectsMax);
    const next = { ...Object.fromEntries(retained), [subject]: notes.map(noteIdentity) };
    setDismissed(next);
    try {
      localStorage.setItem(storageKey, JSON.stringify(next));
    } catch {
      // Without storage, the notes are back after a reload.
    }
  }, [subject, notes]);
  return [notes.filter((note) => !hidden.includes(noteIdentity(note))), dismiss];
}
