/** What is worth knowing about an endpoint, in one line that can be expanded and dismissed. */
import { ActionIcon } from '@mantine/core';
import { type ReactElement, useState } from 'react';
import type { EndpointBody } from '../../../../src/api/index.ts';
import { useWidth } from '../../kit/charts/use-width.ts';
import { renderCode } from '../../kit/code.tsx';
import { Icon } from '../../kit/icon.tsx';
import { useUndismissed } from '../../kit/page/dismissed.ts';

export function EndpointNotes({ endpoint: { name, notes } }: { readonly endpoint: EndpointBody }): ReactElement | null {
  const [shown, dismiss] = useUndismissed(name, notes);
  const [isOpen, setIsOpen] = useState(false);
  const [box, width] = useWidth<HTMLDivElement>();
  const [first] = shown;
  const isCut = shown.length > 1 || (width > 0 && (box.current?.scrollWidth ?? 0) > width);
  if (first === undefined) return null;
  return (
    <div className="note note-plain section note-line" role="note">
      <Icon name="info" />
      <div ref={box} className={isOpen ? undefined : 'cut'}>
        <b>{shown.length === 1 ? 'Note:' : 'Notes:'}</b> {isOpen && shown.length > 1 ? <NoteList notes={shown} /> : renderCode(first)}
      </div>
      <span className="end row">
        {isCut || isOpen ? (
          <button type="button" className="link nw" aria-expanded={isOpen} onClick={() => setIsOpen(!isOpen)}>
            {isOpen ? 'Show less' : shown.length === 1 ? 'Show all' : `Show all ${shown.length}`}
          </button>
        ) : null}
        <ActionIcon variant="subtle" color="gray" size={24} aria-label="Dismiss notes" onClick={dismiss}>
          <Icon name="cross" />
        </ActionIcon>
      </span>
    </div>
  );
}

function NoteList({ notes }: { readonly notes: readonly string[] }): ReactElement {
  return (
    <ul>
      {notes.map((note) => (
        <li key={note}>{renderCode(note)}</li>
      ))}
    </ul>
  );
}
