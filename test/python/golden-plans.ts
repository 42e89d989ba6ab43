/** Runs of plans with what the built-in worker answers to them: the Python worker must answer with the same bytes. */
import { type IndexedTensor, ranFrame, runFrame } from '../../src/runtime/link/tensor-frames.ts';
import { PlanModel, type RunnableModel } from '../../src/runtime/plan-model.ts';
import { type ModelMap, stageTensors, type WorkerPlans } from '../../src/runtime/worker-plans.ts';
import { bytesOf, decodeStrings, encodeStrings, type Signature, type Tensor } from '../../src/tensor.ts';

/** What both languages make a model of: scores are x times the factor, the label says which model answered. */
export interface GoldenModel {
  readonly signature: Signature;
  readonly factor: number;
  /** It fails on batches with a row whose first number is one of these. */
  readonly failsOn: readonly number[];
}

const labelled: Signature = {
  inputs: [
    { name: 'x', datatype: 'FP32', shape: [-1, 4] },
    { name: 'note', datatype: 'BYTES', shape: [-1] },
  ],
  outputs: [
    { name: 'label', datatype: 'BYTES', shape: [-1] },
    { name: 'probabilities', datatype: 'FP32', shape: [-1, 4] },
    { name: 'echo', datatype: 'BYTES', shape: [-1] },
  ],
};
const unlabelled: Signature = {
  inputs: [
    { name: 'image', datatype: 'FP32', shape: [-1, 1, 2, 2] },
    { name: 'text', datatype: 'BYTES', shape: [-1] },
  ],
  outputs: [
    { name: 'scores', datatype: 'FP32', shape: [-1, 4] },
    { name: 'echo', datatype: 'BYTES', shape: [-1] },
  ],
};
const asSent: ModelMap = {
  inputs: [
    { name: 'x', row: null },
    { name: 'note', row: null },
  ],
  outputs: [
    { name: 'label', row: null },
    { name: 'probabilities', row: null },
    { name: 'echo', row: null },
  ],
  scores: 'probabilities',
};
const reshaped: ModelMap = {
  inputs: [
    { name: 'image', row: [1, 2, 2] },
    { name: 'text', row: null },
  ],
  outputs: [
    { name: null, row: [] },
    { name: 'scores', row: null },
    { name: 'echo', row: null },
  ],
  scores: 'scores',
};
const models: GoldenModel[] = [
  { signature: labelled, factor: 1, failsOn: [] },
  { signature: unlabelled, factor: 0.5, failsOn: [0.125, 0.0625] },
];
const numbered: Signature = { ...labelled, outputs: [{ name: 'label', datatype: 'INT64', shape: [-1] }, ...labelled.outputs.slice(1)] };
const cascades: WorkerPlans['plans'] = [
  { first: 0, second: null, threshold: 1 },
  { first: 0, second: 1, threshold: 0.25 },
  { first: 1, second: null, threshold: 1 },
  { first: 0, second: 1, threshold: -1 },
  { first: 0, second: 1, threshold: 1 },
];

/** The scores of the first model by row: sure, at the threshold, unsure, equal scores, and scores that are not numbers. */
const sure = [0.75, 0, 0.25, 0];
const unsure = [0.5, 0.25, 0.125, 0.125];
const rowsOf: Readonly<Record<string, readonly (readonly number[])[]>> = {
  'no row': [],
  'a sure row': [sure],
  'an unsure row': [unsure],
  'sure and unsure rows': [sure, unsure, [0, 1, 0, 0], [0.25, 0.25, 0.25, 0.25], sure, [0.1, 0.2, 0.3, 0.4]],
  'rows with scores that are not numbers': [[0.5, Number.NaN, 1, 0], sure, [Number.NaN, 1, 0, 0], [0, Number.POSITIVE_INFINITY, 0, 0]],
  'rows on which the second model fails': [sure, [0.125, 0.5, 0.25, 0.125], unsure, [0.0625, 0.5, 0.4375, 0], [0.3, 0.2, 0.25, 0.25]],
};

function runnable({ signature, factor, failsOn }: GoldenModel): RunnableModel {
  return {
    run: async ([x, note]) => {
      const values = new Float32Array(new Uint8Array((x as Tensor).data).buffer);
      const count = (x as Tensor).shape[0] as number;
      const first = Array.from({ length: count }, (_, row) => values[4 * row] as number);
      if (first.some((value) => failsOn.includes(value))) throw new Error('a row that it cannot take');
      const texts = decodeStrings((note as Tensor).data).map((text) => Buffer.from(text).toString());
      return signature.outputs.map(({ name, datatype, shape }): Tensor => {
        const data =
          datatype === 'FP32'
            ? bytesOf(values.map((value) => value * factor))
            : encodeStrings(texts.map((text) => (name === 'echo' ? `${text} by ${factor}` : `label ${text}`)));
        return { name, datatype, shape: [count, ...shape.slice(1)], data };
      });
    },
  };
}

interface GoldenPlanRun {
  readonly what: string;
  readonly run: string;
  /** With timings of 0. */
  readonly ran: string;
}

export interface GoldenPlans {
  readonly models: readonly GoldenModel[];
  readonly options: WorkerPlans;
  readonly runs: readonly GoldenPlanRun[];
}

/** `contract`: clients see labels as texts, or as numbers, which no model answers. */
async function runsUnder(contract: Signature, maps: readonly ModelMap[], plans = cascades): Promise<GoldenPlans> {
  const options = { contract, maps, plans };
  const loaded = models.slice(0, maps.length);
  const model = new PlanModel(loaded.map(runnable), options, () => 0);
  const runs: GoldenPlanRun[] = [];
  for (const [what, rows] of Object.entries(rowsOf)) {
    const notes = rows.map((_, row) => `row ${row} ${'ü'.repeat(row)}`);
    const inputs: Tensor[] = [
      { name: 'x', datatype: 'FP32', shape: [rows.length, 4], data: bytesOf(Float32Array.from(rows.flat())) },
      { name: 'note', datatype: 'BYTES', shape: [rows.length], data: encodeStrings(notes) },
    ];
    for (const number of plans.keys()) {
      if (rows.length === 0 && plans[number]?.second !== null) continue;
      const answer = await model.run(inputs, number).catch(() => null);
      if (answer === null) continue; // neither model has an answer
      const ran = ranFrame(5, [...indexed(answer.outputs), ...(answer.rows === null ? [] : stageTensors(answer.rows))]);
      for (const part of ran.slice(0, 1)) part.fill(0, 16, 40);
      const run = runFrame(5, indexed(inputs), number);
      runs.push({ what: `${what}, plan ${number}`, run: base64(run), ran: base64(ran) });
    }
  }
  return { models: loaded, options, runs };
}

/** All of them. */
export async function goldenPlans(): Promise<readonly GoldenPlans[]> {
  const noLabel: ModelMap = { ...asSent, outputs: [{ name: null, row: [] }, ...asSent.outputs.slice(1)] };
  const single = cascades.slice(0, 1);
  return [
    await runsUnder(labelled, [asSent, reshaped]),
    await runsUnder(numbered, [noLabel, reshaped]),
    await runsUnder(labelled, [asSent], single),
    await runsUnder(numbered, [noLabel], single),
  ];
}

function indexed(tensors: readonly Tensor[]): IndexedTensor[] {
  return tensors.map(({ datatype, shape, data }, index) => ({ index, datatype, shape, parts: [data] }));
}

function base64(chunks: readonly Uint8Array[]): string {
  return Buffer.concat(chunks).toString('base64');
}
