/**
 * Maps a model to the signature that clients see, the contract. Inputs are matched by datatype and elements per row, so
 * a row may be reshaped. Nothing is ever cast or scaled, because errors would go unnoticed. Pure.
 */
import type { ModelMap } from '../runtime/index.ts';
import { describeTensor, elementCount, type Signature, type TensorSpec } from '../tensor.ts';

/** A candidate and its signature. */
export interface NamedSignature {
  /** `digits/3` */
  readonly name: string;
  readonly signature: Signature;
}

type InputMap = ModelMap['inputs'][number];
type OutputMap = ModelMap['outputs'][number];

const scoreNames = ['probabilities', 'scores'];
/** Datatypes of scores, by which a cascade judges how sure a model is. */
export const floatTypes: readonly string[] = ['FP16', 'BF16', 'FP32', 'FP64'];

/** The map from the contract, or a sentence that says why the candidate cannot replace it. */
export function mapToContract(contract: NamedSignature, candidate: NamedSignature): ModelMap | string {
  const unbatched = [contract, candidate].find(({ signature }) =>
    [...signature.inputs, ...signature.outputs].some(({ shape }) => shape[0] !== -1),
  );
  if (unbatched !== undefined && contract.name !== candidate.name)
    return `${unbatched.name} takes one request at a time: its rows cannot be shared`;
  const inputs = mapInputs(contract, candidate);
  if (typeof inputs === 'string') return inputs;
  const own = scoreOutputOf(candidate.signature);
  const known = scoreOutputOf(contract.signature);
  const [classes, expected] = [own, known].map((scores) => scores?.shape[1] ?? -1) as [number, number];
  if (classes > 0 && expected > 0 && classes !== expected) {
    return `${candidate.name} knows ${classes} classes, expected the ${expected} of ${contract.name}`;
  }
  const outputs: OutputMap[] = [];
  for (const spec of contract.signature.outputs) {
    const output = mapOutput(spec, spec === known, candidate.signature, own);
    if (output === null) return `${candidate.name} has no output for '${spec.name}' of ${contract.name}, ${describeTensor(spec)}`;
    outputs.push(output);
  }
  return { inputs, outputs, scores: own?.name ?? null };
}

/**
 * The output with one score per class: that of one of the usual names, or the only one of this form. Null if there is none, or several.
 * Evaluations and workers must read the same output: otherwise a cascade would use other scores than those that were evaluated.
 */
export function scoreOutputOf({ outputs }: Pick<Signature, 'outputs'>): TensorSpec | null {
  const scores = outputs.filter(
    ({ datatype, shape }) => floatTypes.includes(datatype) && shape.length === 2 && shape[0] === -1 && shape[1] !== 1,
  );
  const named = scoreNames.map((name) => scores.find((output) => output.name === name)).find((output) => output !== undefined);
  return named ?? (scores.length === 1 ? (scores[0] as TensorSpec) : null);
}

function mapInputs(contract: NamedSignature, candidate: NamedSignature): InputMap[] | string {
  const free = new Set(candidate.signature.inputs);
  const found: InputMap[] = [];
  for (const spec of contract.signature.inputs) {
    const fitting = [...free].filter((input) => rowAs(spec, input) !== undefined);
    const chosen = fitting.find(({ name }) => name === spec.name) ?? (fitting.length === 1 ? fitting[0] : undefined);
    if (chosen === undefined) {
      const why =
        fitting.length === 0 ? 'no input takes it' : `several inputs could take it: ${fitting.map(({ name }) => name).join(', ')}`;
      return `${candidate.name} does not take what ${contract.name} does: for '${spec.name}', ${describeTensor(spec)}, ${why}`;
    }
    free.delete(chosen);
    found.push({ name: chosen.name, row: rowAs(spec, chosen) ?? null });
  }
  const [left] = free;
  if (left === undefined) return found;
  return `${candidate.name} needs the input '${left.name}', which ${contract.name} does not have`;
}

function mapOutput(spec: TensorSpec, isScores: boolean, { outputs }: Signature, scores: TensorSpec | null): OutputMap | null {
  if (isScores) return scores === null ? null : outputOf(scores, spec);
  const fitting = outputs.filter((output) => output !== scores && rowAs(output, spec) !== undefined);
  const chosen = fitting.find(({ name }) => name === spec.name) ?? (fitting.length === 1 ? fitting[0] : undefined);
  if (chosen !== undefined) return outputOf(chosen, spec);
  // A missing label is the place of the largest score, as in an evaluation.
  return isLabel(spec) && scores !== null ? { name: null, row: spec.shape.slice(1) } : null;
}

function outputOf(output: TensorSpec, spec: TensorSpec): OutputMap | null {
  const row = rowAs(output, spec);
  return row === undefined ? null : { name: output.name, row };
}

/** Whether an output holds one class per row: a whole number, or a text. */
function isLabel({ datatype, shape }: TensorSpec): boolean {
  return (datatype.includes('INT') || datatype === 'BYTES') && elementCount(shape.slice(1)) === 1;
}

/** The shape of a row of `from` as `to` has it; null: it stays as it is; undefined: it does not fit. */
function rowAs(from: TensorSpec, to: TensorSpec): readonly number[] | null | undefined {
  if (from.datatype !== to.datatype || from.content !== to.content) return undefined;
  const [own, wanted] = [from.shape.slice(1), to.shape.slice(1)];
  if (own.join() === wanted.join()) return null;
  const isOpen = [...own, ...wanted].includes(-1);
  return !isOpen && elementCount(own) === elementCount(wanted) ? wanted : undefined;
}
