/** What an approver must know of a Python model: approving it runs its code. */
import { Checkbox } from '@mantine/core';
import type { ReactElement } from 'react';
import type { VersionBody } from '../../../../src/api/index.ts';
import { breakable } from '../../kit/breakable.tsx';
import { bytes, sentence } from '../../kit/format/format.ts';
import { StateShape } from '../../kit/state-mark.tsx';
import { NoteItems } from '../note-items.tsx';
import { flavourText, runsOf } from './python-text.ts';

type PythonBody = NonNullable<VersionBody['python']>;

/** Whether the version runs Python and was not opened yet, so its signature is unknown. */
export function isUnopened({ python }: VersionBody): boolean {
  return python !== null && python.state !== 'opened';
}

/** Whether a plan can be made: the server can measure the version with its sample, or with rows that it makes up. */
export function isPlannable({ runtime, python }: Pick<VersionBody, 'runtime' | 'python'>): boolean {
  if (runtime.kind !== 'python') return runtime.kind === 'onnx';
  return python?.state === 'opened' && (runtime.form === 'tensors' || python.has_sample);
}

/** Whether the approver must accept names outside of the known libraries. */
export function requiresReview(version: VersionBody): boolean {
  return isUnopened(version) && (version.python?.imports?.outside.length ?? 0) > 0;
}

interface PythonChecksProps {
  readonly version: VersionBody;
  readonly python: PythonBody;
}

export function PythonChecks({ version, python }: PythonChecksProps): ReactElement {
  const { runtime, artifact } = version;
  if (runtime.kind !== 'python') return <></>;
  return (
    <>
      <ul className="checks">
        <li>
          <StateShape kind="ok" />
          <span>
            Recognized without running it: {flavourText(runtime.flavour, python.needs)}, {bytes(artifact.bytes)}
            {python.needs.length === 0 ? '' : `, needs ${python.needs.join(', ')}`}
          </span>
        </li>
        <NoteItems notes={version.notes} />
        <li>
          <StateShape kind="warn" />
          <span>
            Approving it opens it in an isolated worker, in <EnvironmentName version={version} />. Its inputs and outputs are known after
            that.
          </span>
        </li>
        {python.state === 'failed' && python.reason !== null ? (
          <li>
            <StateShape kind="bad" />
            <span>{sentence(python.reason)}</span>
          </li>
        ) : null}
      </ul>
      {python.last_lines.length === 0 ? null : <pre className="imports">{python.last_lines.join('\n')}</pre>}
      <Imports imports={python.imports} runs={runsOf(runtime.flavour, python.imports)} />
    </>
  );
}

/** The environment that opening it needs. */
function EnvironmentName({ version: { runtime, python } }: Pick<PythonChecksProps, 'version'>): ReactElement {
  const name = runtime.kind === 'python' ? runtime.environment.name : null;
  if (name === null && python !== null && python.requirements !== null) {
    return (
      <>
        an environment of its own, built from <code>{python.requirements}</code>
      </>
    );
  }
  return (
    <>
      environment <code>{name ?? 'default'}</code>
    </>
  );
}

interface ImportsProps extends Pick<PythonBody, 'imports'> {
  readonly runs: ReturnType<typeof runsOf>;
}

const runTexts: Readonly<Record<ImportsProps['runs'], string>> = {
  nothing: 'It is a file without code.',
  code: 'It is code: read its files before you approve it.',
  library: 'Its library opens it, and runs what the file holds: approve it if you trust its source.',
  imports: '',
};

/** The names that a pickle imports, those outside of the known libraries first. */
export function Imports({ imports, runs }: ImportsProps): ReactElement {
  if (imports === null || runs !== 'imports') return <p className="mut sm">{runTexts[runs]}</p>;
  const { all, outside } = imports;
  const ofLibraries = all.filter((name) => !outside.includes(name));
  return (
    <>
      {outside.length === 0 ? null : (
        <>
          <p className="sm imports-title">
            <b>Imports outside of the known libraries</b>
          </p>
          <Names names={outside} />
        </>
      )}
      {ofLibraries.length === 0 ? null : (
        <details className="sm imports-title" open={outside.length === 0 && ofLibraries.length <= 12}>
          <summary>{ofLibraries.length === 1 ? '1 import' : `${ofLibraries.length} imports`} of known libraries</summary>
          <Names names={ofLibraries} />
        </details>
      )}
    </>
  );
}

function Names({ names }: { readonly names: readonly string[] }): ReactElement {
  return (
    <ul className="imports" tabIndex={0} aria-label="Imported names">
      {names.map((name) => (
        <li key={name}>
          <code>{breakable(name)}</code>
        </li>
      ))}
    </ul>
  );
}

interface ReviewProps {
  readonly isAccepted: boolean;
  readonly onChange: (isAccepted: boolean) => void;
}

/** The approver's explicit word. */
export function ReviewCheckbox({ isAccepted, onChange }: ReviewProps): ReactElement {
  return (
    <Checkbox
      mt="md"
      label="I have read these names. Approving the version runs them."
      checked={isAccepted}
      onChange={(event) => onChange(event.currentTarget.checked)}
    />
  );
}
