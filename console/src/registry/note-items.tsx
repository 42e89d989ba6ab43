/** What was noticed about a version, as items of the list of checks. */
import type { ReactElement } from 'react';
import { sentence } from '../kit/format/format.ts';
import { StateShape } from '../kit/state-mark.tsx';

export function NoteItems({ notes }: { readonly notes: readonly string[] }): ReactElement[] {
  return notes.map((note) => (
    <li key={note}>
      <StateShape kind="zero" />
      <span>{sentence(note)}</span>
    </li>
  ));
}
