/** What the files of a Python model show before it is registered: none of its code has run. */
import type { ReactElement } from 'react';
import type { PreviewBody } from '../../../../src/api/index.ts';
import { StateShape } from '../../kit/state-mark.tsx';
import { NoteItems } from '../note-items.tsx';
import { Imports } from './python-checks.tsx';
import { flavourText, formText, packagesText, runsOf } from './python-text.ts';
import { SameAs } from './same-as.tsx';
import { SignatureTable } from './signature-table.tsx';

interface PythonPreviewProps {
  readonly preview: PreviewBody;
  readonly python: NonNullable<PreviewBody['python']>;
}

export function PythonPreview({ preview, python }: PythonPreviewProps): ReactElement {
  const { signature, notes, same_as: same } = preview;
  const { flavour, form, entry, imports, requirements } = python;
  const packages = packagesText(python);
  const takes = formText(form);
  return (
    <div className="stack python-preview">
      <ul className="checks">
        <li>
          <StateShape kind="ok" />
          <span>
            Recognized without running it: {flavourText(flavour, python.needs)}
            {entry === '' ? null : (
              <>
                {' in '}
                <code>{entry}</code>
              </>
            )}
            {takes === null ? '' : `, ${takes}`}
          </span>
        </li>
        {packages === '' ? null : (
          <li>
            <StateShape kind="ok" />
            <span>Needs {packages}</span>
          </li>
        )}
        <li>
          <StateShape kind="zero" />
          <span>
            {requirements === null ? (
              'It runs in the environment that you choose, which must have these packages.'
            ) : (
              <>
                <code>{requirements}</code> lists packages: it gets an environment of its own, built when it is approved.
              </>
            )}
          </span>
        </li>
        <NoteItems notes={notes.filter((note) => !note.startsWith('made with '))} />
        <SameAs versions={same} />
      </ul>
      {signature.inputs.length === 0 && signature.outputs.length === 0 ? (
        <p className="mut sm">Its inputs and outputs are known once it is opened, at its approval.</p>
      ) : (
        <SignatureTable signature={signature} />
      )}
      <Columns names={python.columns} />
      <div>
        <Imports imports={imports} runs={runsOf(flavour, imports)} />
      </div>
    </div>
  );
}

function Columns({ names }: { readonly names: readonly string[] | null }): ReactElement | null {
  if (names === null || names.length === 0) return null;
  return (
    <details className="sm" open={names.length <= 12}>
      <summary>{names.length === 1 ? '1 column' : `${names.length} columns`}</summary>
      <p className="mut column-names">{names.join(', ')}</p>
    </details>
  );
}
