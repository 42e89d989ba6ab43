/** Whether a new signature is compatible with clients of the old one. Pure functions. */
import type { VersionBody } from '../../../../src/api/index.ts';
import { shape } from '../../kit/format/format.ts';

type Tensor = VersionBody['signature']['inputs'][number];
export type VersionSignature = VersionBody['signature'];

export interface SignatureRow {
  readonly side: 'Input' | 'Output';
  /** `pixels f32[N,64]` */
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** A short description; null if nothing changed. */
  readonly change: string | null;
  /** Whether clients of the old version must be updated. */
  readonly isBreaking: boolean;
}

export function tensorText(tensor: Tensor): string {
  return `${tensor.name} ${shape(tensor)}`;
}

/** Whether `next` accepts everything that `old` accepts. A fixed size may become variable, but not the other way round. */
export function acceptsShape(old: readonly number[], next: readonly number[]): boolean {
  return old.length === next.length && old.every((size, i) => next[i] === size || (next[i] as number) < 0);
}

/** Inputs first, then outputs. */
export function compareSignatures(before: VersionSignature, after: VersionSignature): [SignatureRow, SignatureRow] {
  const isKnown = [before, after].every((signature) => signature.inputs.length + signature.outputs.length > 0);
  const inputs = isKnown ? inputChange(before.inputs, after.inputs) : unknown;
  const outputs = isKnown ? outputChange(before.outputs, after.outputs) : unknown;
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
/** Of a process, and of a Python model that was not opened yet. */
const unknown: Change = { change: 'unknown', isBreaking: false };

/** Inputs must still accept what clients send. */
function inputChange(old: readonly Tensor[], next: readonly Tensor[]): Change {
  const breaks =
    old.length !== next.length ||
    old.some((tensor) => {
      const now = next.find(({ name }) => name === tensor.name);
      return now === undefined || now.datatype !== tensor.datatype || !acceptsShape(tensor.shape, now.shape);
    });
  if (breaks) return { change: 'breaks clients', isBreaking: true };
  return isSame(old, next) ? same : { change: 'accepts more', isBreaking: false };
}

/** Outputs must still contain what clients read. */
function outputChange(old: readonly Tensor[], next: readonly Tensor[]): Change {
  const nowOf = (tensor: Tensor): Tensor | undefined => next.find(({ name }) => name === tensor.name);
  const removed = old.filter((tensor) => nowOf(tensor) === undefined).map(({ name }) => name);
  if (removed.length > 0) return { change: `${removed.join(', ')} removed`, isBreaking: true };
  const changed = old.filter((tensor) => {
    const now = nowOf(tensor) as Tensor;
    // Outputs may become narrower, but not wider.
    return now.datatype !== tensor.datatype || !acceptsShape(now.shape, tensor.shape);
  });
  if (changed.length > 0) return { change: `${changed.map(({ name }) => name).join(', ')} changed`, isBreaking: true };
  const added = next.filter((tensor) => !old.some(({ name }) => name === tensor.name)).map(({ name }) => name);
  if (added.length > 0) return { change: `${added.join(', ')} new`, isBreaking: false };
  return isSame(old, next) ? same : { change: 'narrower', isBreaking: false };
}

function isSame(old: readonly Tensor[], next: readonly Tensor[]): boolean {
  return JSON.stringify(old) === JSON.stringify(next);
}

/** Breaking changes in sentences, for the approver. */
export function breakingSentences(before: VersionBody, after: VersionBody): string[] {
  return compareSignatures(before.signature, after.signature).flatMap(({ side, before: old, after: next, isBreaking, change }) => {
    if (!isBreaking) return [];
    return [side === 'Input' ? `Input changed: ${old.join(', ')} to ${next.join(', ')}.` : `Output changed: ${change ?? ''}.`];
  });
}
