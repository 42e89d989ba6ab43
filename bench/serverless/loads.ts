/**
 * `npm run bench -- serverless-loads`: predicted and measured p95 and cost of serverless endpoints on a live platform, under ten Poisson loads,
 * and after a spell in which other programs took all cores. The same in virtual time: `src/autoscaling/batching/prediction-accuracy.test.ts`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { commit, machine } from '../machine.ts';
import { writeResults } from '../results.ts';
import { type AccuracyResult, accuracyTable } from './report.ts';
import { LiveFunctions, models, type ServerlessModel } from './scenario.ts';

/** Requests per second of the ten loads: from single rows to about two thirds of what the functions of two cores can do. */
const rates: Readonly<Record<string, readonly number[]>> = {
  loadtest_wide_mlp: [20, 40, 60, 80, 100],
  loadtest_cnn_224: [15, 25, 35, 45, 55],
};
const learnMs = 60_000;
const busyMs = 20_000;
const seed = 20_261_129;

export async function serverlessLoads({ seconds, isDry }: { seconds: number; isDry: boolean }): Promise<void> {
  const results: AccuracyResult[] = [];
  const add = async (model: ServerlessModel, ratePerSecond: number, isAfterBusySpell: boolean): Promise<void> => {
    const result = await accuracyOf({ model, ratePerSecond, isAfterBusySpell, measureMs: seconds * 1000 });
    console.error(JSON.stringify(result));
    results.push(result);
  };
  for (const model of models) for (const rate of rates[model.name] ?? []) await add(model, rate, false);
  for (const model of models) await add(model, rates[model.name]?.[2] ?? 0, true);
  const { cores, cpu, node } = machine();
  const at = new Date().toISOString();
  const caption = `${at.slice(0, 10)}, commit ${commit()}, ${cores} cores (${cpu}, Node ${node}), load generator on the same machine, ${seconds} s each.`;
  const table = `${caption}\n\n${accuracyTable(results)}`;
  console.log(table);
  if (!isDry) writeResults('serverless-loads', { at, commit: commit(), machine: machine(), results }, table);
}

interface AccuracyRun {
  readonly model: ServerlessModel;
  readonly ratePerSecond: number;
  readonly isAfterBusySpell: boolean;
  readonly measureMs: number;
}

async function accuracyOf({ model, ratePerSecond, isAfterBusySpell, measureMs }: AccuracyRun): Promise<AccuracyResult> {
  const functions = await LiveFunctions.start(model, 'slack');
  const load = (forMs: number, loadSeed: number) => functions.load([{ ratePerSecond, forMs }], loadSeed);
  try {
    if (isAfterBusySpell) await Promise.all([load(busyMs, seed), occupyCores(busyMs)]);
    await load(learnMs, seed + 1);
    const fromMs = Date.now();
    await load(measureMs, seed + 2);
    const { predictedP95Ms, measuredP95Ms, meanBatch, predictedUsdPerMillion, costUsdPerMillion } = await functions.reported(fromMs);
    const figures = { predictedP95Ms, measuredP95Ms, meanBatch, predictedUsdPerMillion, costUsdPerMillion };
    return { model: model.name, ratePerSecond, isAfterBusySpell, ...figures };
  } finally {
    await functions.end();
  }
}

/** Two programs per core that compute without a pause. */
async function occupyCores(forMs: number): Promise<void> {
  const script = `const end = Date.now() + ${forMs}; while (Date.now() < end);`;
  const programs = Array.from({ length: 2 * availableParallelism() }, () => spawn(process.execPath, ['-e', script], { stdio: 'ignore' }));
  await Promise.all(programs.map((program) => once(program, 'exit')));
}
