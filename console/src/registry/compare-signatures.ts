/** What a new version's signature means for those who call the old one. Pure. */
import type { VersionBody } from '../../../src/api/index.ts';
import { shape } from '../kit/format.ts';

type Tensor = VersionBody['signature']['inputs'][number];
export type Signature = VersionBody['signature'];

export interface SignatureRow {
  readonly side: 'Input' | 'Output';
  /** `pixels f32[N,64]` */
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** In a few words; null where nothing is different. */
  readonly change: string | null;
  /** Whether a client of the old version has to be changed. */
  readonly isBreaking: boolean;
}

export function tensorText(tensor: Tensor): string {
  return `${tensor.name} ${shape(tensor)}`;
}

/** Whether everything of the old shape is of the new one too: a dimension that was given may become one that varies, not the other way round. */
export function takesShape(old: readonly number[], next: readonly number[]): boolean {
  return old.length === next.length && old.every((size, i) => next[i] === size || (next[i] as number) < 0);
}

export function compareSignatures(before: Signature, after: Signature): [SignatureRow, SignatureRow] {
  const inputs = inputChange(before.inputs, after.inputs);
  const outputs = outputChange(before.outputs, after.outputs);
  const row = (side: SignatureRow['side'], key: 'inputs' | 'outputs', found: Change): SignatureRow => ({
    side,
    before: before[key].map(tensorText),
    after: after[key].map(tensorText),
    ...found,
  });
  return [row('Input', 'inputs', inputs), row('Output', 'outputs', outputs)];
}

interface Change {
  readonly change: string | null;
  readonly isBreaking: boolean;
}

const same: Change = { change: null, isBreaking: false };

/** What clients send must still be taken. */
function inputChange(old: readonly Tensor[], next: readonly Tensor[]): Change {
  const breaks =
    old.length !== next.length ||
    old.some((tensor) => {
      const now = next.find(({ name }) => name === tensor.name);
      return now === undefined || now.datatype !== tensor.datatype || !takesShape(tensor.shape, now.shape);
    });
  if (breaks) return { change: 'breaks clients', isBreaking: true };
  return isSame(old, next) ? same : { change: 'takes more', isBreaking: false };
}

/** What clients read must still come. */
function outputChange(old: readonly Tensor[], next: readonly Tensor[]): Change {
  const nowOf = (tensor: Tensor): Tensor | undefined => next.find(({ name }) => name === tensor.name);
  const gone = old.filter((tensor) => nowOf(tensor) === undefined).map(({ name }) => name);
  if (gone.length > 0) return { change: `${gone.join(', ')} gone`, isBreaking: true };
  const changed = old.filter((tensor) => {
    const now = nowOf(tensor) as Tensor;
    // What comes back may be of fewer shapes, not of more.
    return now.datatype !== tensor.datatype || !takesShape(now.shape, tensor.shape);
  });
  if (changed.length > 0) return { change: `${changed.map(({ name }) => name).join(', ')} changed`, isBreaking: true };
  const added = next.filter((tensor) => !old.some(({ name }) => name === tensor.name)).map(({ name }) => name);
  if (added.length > 0) return { change: `${added.join(', ')} new`, isBreaking: false };
  return isSame(old, next) ? same : { change: 'narrower', isBreaking: false };
}

function isSame(old: readonly Tensor[], next: readonly Tensor[]): boolean {
  return JSON.stringify(old) === JSON.stringify(next);
}

/** In sentences, for whoever approves: what breaks, and whom. */
export function breakingSentences(before: VersionBody, after: VersionBody): string[] {
  return compareSignatures(before.signature, after.signature).flatMap(({ side, before: old, after: next, isBreaking, change }) => {
    if (!isBreaking) return [];
    return [side === 'Input' ? `Input changed: ${old.join(', ')} to ${next.join(', ')}.` : `Output changed: ${change ?? ''}.`];
  });
}
