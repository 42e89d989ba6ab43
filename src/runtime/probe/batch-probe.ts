/**
 * Tests whether requests can share a run. That requires that a row's result does not depend on the rows beside it, which only a test can
 * prove: a model may couple its rows, have the batch in another dimension, or be random.
 *
 * A row is compared beside different rows in batches of one size, which run the same kernels: any difference is a coupling. A batch and the
 * row alone may run different kernels, which round differently: such differences are only noted, unless they are too large.
 */
import { messageOf, PlatformError } from '../../errors.ts';
import { type Random, SeededRandom } from '../../random.ts';
import { datatypes, elementCount, type Signature, type Tensor, type TensorSpec, takesJson } from '../../tensor.ts';
import type { TensorParts } from '../link/tensor-frames.ts';
import { type Difference, isComplete, larger, rowDifference } from './output-differences.ts';
import { distinctRows, joined, type Row, type RowSource, rowOf } from './probe-rows.ts';
import { firstRows, type SampleBody } from './sample-rows.ts';

/** The result of a probe. `reason` explains either result. */
export interface Batchability {
  readonly batchable: boolean;
  readonly reason: string;
  /** What the user should know about a batchable model; null if there is nothing. */
  readonly note: string | null;
}

/** Where rows come from. Generated rows are drawn from `random`, so a probe can be repeated. */
export interface ProbeOptions {
  readonly random: Random;
  /** Real rows, which are used before generated ones. */
  readonly realRows?: readonly Row[];
}

/** Sizes to try for varying dimensions other than the rows: a short sequence first, the side of an image last. */
const dynamicSizes = [16, 64, 224];
/** Limit of the inputs and the outputs of a row: several batches of them are held in memory. */
const rowBytesMax = 16 * 2 ** 20;
/** The batches to compare, by the rows in them. In each group, the n-th batch has the n-th row of the first one, beside other rows. */
const batches = [
  [
    [0, 1],
    [0, 2],
    [2, 1],
  ],
  [
    [0, 1, 2],
    [0, 3, 4],
    [3, 1, 5],
    [4, 5, 2],
  ],
] as const;
const rowsNeeded = 6;

type Run = (inputs: readonly Tensor[]) => Promise<readonly Tensor[]>;

/** Runs the model about a dozen times. Does not throw if the model rejects the rows: that is a reason not to batch. */
export async function probeBatchability(signature: Signature, run: Run, { random, realRows = [] }: ProbeOptions): Promise<Batchability> {
  const shape = shapeObstacle(signature);
  if (shape !== null) return refused(shape);
  if (takesJson(signature) && !isEnough(realRows)) return { batchable: true, reason: believedReason, note: null };
  let refusal: string | null = null;
  const generated = takesJson(signature) ? [] : dynamicSizes.map((dynamicSize) => ({ realRows: [], dynamicSize }));
  for (const source of realRows.length > 0 ? [{ realRows, dynamicSize: 1 }, ...generated] : generated) {
    if (bytesOfRow(signature, source) > rowBytesMax) {
      refusal ??= `a row has more than ${rowBytesMax / 2 ** 20} MiB of inputs`;
      continue;
    }
    const rows = distinctRows(signature, rowsNeeded, random, source);
    try {
      return await compareBatches(rows, run, takesJson(signature));
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      refusal ??= `the model rejected ${source.realRows.length > 0 ? 'rows of its sample' : 'generated rows'}: ${messageOf(error)}`;
    }
  }
  return refused(`batching could not be tested because ${refusal}`);
}

/** Rows of JSON cannot be generated, and the function declares that it takes any number of them. */
const believedReason =
  'the model takes rows of JSON, one result for each. This was not tested: no sample with three different rows was registered';

/** Whether a row can be compared beside different others. */
function isEnough(realRows: readonly Row[]): boolean {
  return new Set(realRows.map(([tensor]) => Buffer.from(tensor?.data ?? []).toString('latin1'))).size >= 3;
}

function refused(reason: string): Batchability {
  return { batchable: false, reason, note: null };
}

function bytesOfRow({ inputs }: Signature, { realRows: [row], dynamicSize }: RowSource): number {
  return inputs.reduce((sum, { datatype, shape }, index) => {
    const sizes = row?.[index]?.shape ?? shape.map((size, axis) => (size >= 0 ? size : axis === 0 ? 1 : dynamicSize));
    return sum + elementCount(sizes) * (datatypes[datatype].bytes ?? 32);
  }, 0);
}

/**
 * Why the shapes rule out batching; null if they do not. The first dimension must vary on every tensor, but requests with equal values can
 * share scalar inputs.
 */
function shapeObstacle({ inputs, outputs }: Signature): string | null {
  const ranked = inputs.filter(({ shape }) => shape.length > 0);
  const fixed = ranked.find(({ shape }) => shape[0] !== -1);
  if (fixed !== undefined) {
    return (
      `input '${fixed.name}' has a fixed first dimension of ${fixed.shape[0]}, which leaves no room for more rows: ` +
      `export the model with one that varies (in PyTorch ${dynamicAxes([...ranked, ...outputs])})`
    );
  }
  if (ranked.length === 0) return inputs.length === 0 ? 'the model has no inputs' : 'no input has rows';
  for (const { name, shape } of outputs) {
    if (shape.length === 0) return `output '${name}' is a single value for the whole batch, not one for each row`;
    if (shape[0] !== -1) {
      return (
        `output '${name}' has a fixed first dimension of ${shape[0]}: its rows do not correspond to those of the input. ` +
        `If they do, say so in the export (in PyTorch ${dynamicAxes(outputs)})`
      );
    }
  }
  return null;
}

/** Maximum tensors to name in an advice. */
const namedMax = 6;

/** The argument of `torch.onnx.export` that lets the first dimension of these tensors vary. */
function dynamicAxes(specs: readonly TensorSpec[]): string {
  const axes = specs.filter(({ shape }) => shape.length > 0).map(({ name }) => `'${name}': {0: 'batch'}`);
  return `dynamic_axes={${(axes.length > namedMax ? [...axes.slice(0, namedMax), '…'] : axes).join(', ')}}`;
}

async function compareBatches(rows: readonly Row[], run: Run, isJson: boolean): Promise<Batchability> {
  const compare = (got: Row, expected: Row): Difference => rowDifference(got, expected, isJson);
  const alone: Row[] = [];
  for (const row of rows.slice(0, 3)) {
    const outputs = await run(row);
    const obstacle = outputObstacle(outputs, 1);
    if (obstacle !== null) return refused(obstacle);
    alone.push(outputs);
  }
  const again = compare(await run(rows[0] as Row), alone[0] as Row);
  if (again.kind !== 'same') return refused(randomReason(again));
  let rounding: Difference = { kind: 'same', output: '', share: 0 };
  for (const group of batches) {
    const [base, ...others] = group.map((batch) => batch.map((index) => rows[index] as Row));
    const size = group[0].length;
    const together = await runTogether(base as Row[], run);
    if (typeof together === 'string') return refused(together);
    for (const [place, other] of others.entries()) {
      const row = rowOf(together, place, size);
      const otherBatch = await runTogether(other, run);
      if (typeof otherBatch === 'string') return refused(otherBatch);
      const coupling = compare(rowOf(otherBatch, place, size), row);
      if (coupling.kind !== 'same') return refused(coupledReason(coupling));
      rounding = larger(rounding, compare(row, alone[place] as Row));
      if (rounding.kind === 'other') return refused(sizeReason(rounding));
    }
  }
  return {
    batchable: true,
    reason: 'in batches of two and three, no result depended on the other rows',
    note: rounding.kind === 'same' ? null : roundingNote(rounding),
  };
}

function randomReason({ output }: Difference): string {
  return (
    `the same row gave two different results (output '${output}'), so the model is random or keeps a state: ` +
    'if it was exported in training mode (dropout, batch normalization), call model.eval() before the export'
  );
}

function coupledReason({ output }: Difference): string {
  return (
    `a row's result depends on the other rows of its batch (output '${output}'): ` +
    'if it was exported in training mode, call model.eval() before the export'
  );
}

function sizeReason({ output, share }: Difference): string {
  return `a row's result depends on the size of its batch (output '${output}' differs by ${percent(share)})`;
}

function roundingNote({ output, share }: Difference): string {
  return `a row in a batch and the same row alone are rounded differently: output '${output}' differed by up to ${percent(share)}`;
}

function percent(share: number): string {
  return `${(share * 100).toPrecision(2)} %`;
}

/** The outputs of the rows in one run, or why they cannot share it. */
async function runTogether(rows: readonly Row[], run: Run): Promise<Row | string> {
  let together: readonly Tensor[];
  try {
    together = await run(joined(rows));
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    return `${rows.length} rows together fail: ${messageOf(error)}`;
  }
  return outputObstacle(together, rows.length) ?? together;
}

/** Why the outputs of `rows` rows cannot be split; null if they can. */
function outputObstacle(outputs: readonly Tensor[], rows: number): string | null {
  const bytes = outputs.reduce((sum, { data }) => sum + data.length, 0);
  if (bytes > rows * rowBytesMax) return `a row has more than ${rowBytesMax / 2 ** 20} MiB of outputs, which is too much to share a run`;
  const batch = rows === 1 ? 'one row' : `${rows} rows`;
  for (const output of outputs) {
    const { name, shape } = output;
    if (shape[0] !== rows)
      return `${batch} gave output '${name}' with ${shape[0] === undefined ? 'no dimension' : `a first dimension of ${shape[0]}`}`;
    if (!isComplete(output)) return `${batch} gave output '${name}' with data that does not fit its shape`;
  }
  return null;
}

/** Tests whether the model that a worker has loaded can be batched: the same test for each runtime, on the server's side of the link. */
interface LoadedLink {
  run(inputs: readonly TensorParts[]): Promise<{ readonly outputs: readonly Tensor[] }>;
}

/** Rows of `sample` are tested before generated ones; null: there are none. Rejects with `WorkerLost`. */
export function probeModel(link: LoadedLink, signature: Signature, sample: SampleBody | null): Promise<Batchability> {
  const run = async (inputs: readonly Tensor[]): Promise<readonly Tensor[]> => {
    const parts = inputs.map(({ data, ...tensor }) => ({ ...tensor, parts: [data] }));
    return (await link.run(parts)).outputs;
  };
  // A fixed seed, so that the result does not depend on the time of registration.
  return probeBatchability(signature, run, { random: new SeededRandom(1), realRows: sample === null ? [] : firstRows(signature, sample) });
}
