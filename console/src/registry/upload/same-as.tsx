/** A check: versions that have the same content as an upload. */
import type { ReactElement } from 'react';
import { Note } from '../../kit/page/note.tsx';

export function SameAs({ versions }: { readonly versions: readonly string[] }): ReactElement | null {
  if (versions.length === 0) return null;
  return (
    <li>
      <Note title="This file is already registered." tone="warn">
        {versions.join(', ')} {versions.length === 1 ? 'has' : 'have'} the same content. Registering it again creates another version.
      </Note>
    </li>
  );
}
