/** `npm run bench -- python`: Python models in Penstock and in other servers of Python models. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commit, machine } from '../machine.ts';
import { readResults, writeResults } from '../results.ts';
import { pythonEnvironment } from '../servers/python-environment.ts';
import { type ColdStarts, coldStarts } from './cold-starts.ts';
import { keepPromise, type PromiseFigures } from './promise.ts';
import { generator, measureRound, type Round } from './rates.ts';
import { type Measured, type PythonResults, pythonTable } from './report.ts';
import { type Models, PenstockSubject, peers } from './subjects.ts';

const rateModels = ['forest', 'logistic'];
const promisedRates = [300, 700];

export interface PythonBenchOptions {
  readonly rounds: number;
  /** Seconds of each measurement. */
  readonly seconds: number;
  /** `forest`, `logistic`, `cold` or `promise`, separated by commas; empty for all. Other results are kept. */
  readonly only: string;
  /** Adds the rounds to those measured before. */
  readonly isAdded: boolean;
  readonly isDry: boolean;
}

export async function python({ rounds, seconds, only, isAdded, isDry }: PythonBenchOptions): Promise<void> {
  const isWanted = (part: string): boolean => only === '' || only.split(',').includes(part);
  const scratch = mkdtempSync(join(tmpdir(), 'penstock-bench-python-'));
  try {
    const environment = await requiredEnvironment('python-sklearn', 'sklearn');
    const models = makeModels(scratch, environment);
    const before = readResults<PythonResults>('python');
    let results: PythonResults = {
      machine: machineText(),
      generator: generator(),
      missing: before?.missing ?? [],
      rates: before?.rates ?? {},
      cold: before?.cold ?? null,
      promise: before?.promise ?? null,
    };
    const save = (changed: Partial<PythonResults>): void => {
      results = { ...results, ...changed };
      if (!isDry) writeResults('python', results, pythonTable(results));
    };
    for (const model of rateModels.filter(isWanted)) {
      const found: Round[] = isAdded ? [...(results.rates[model]?.part ?? [])] : [];
      await measureRates(model, models, environment, { scratch, rounds, seconds }, (round, missing) => {
        found.push(round);
        save({ missing, rates: { ...results.rates, [model]: measured(found) } });
      });
    }
    if (isWanted('cold')) save({ cold: measured(await measureColdStarts(models, environment, rounds)) });
    if (isWanted('promise')) save({ promise: measured(await measurePromises(models, environment, seconds)) });
    console.log(pythonTable(results));
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function measured<Part>(part: Part): Measured<Part> {
  return { at: new Date().toISOString(), commit: commit(), part };
}

function machineText(): string {
  const { cores, cpu, node } = machine();
  return `${cores} cores (${cpu}, Node ${node})`;
}

async function requiredEnvironment(name: string, requirements: string): Promise<string> {
  const file = new URL(`../../test/python/requirements-${requirements}.txt`, import.meta.url);
  const { directory, missing } = await pythonEnvironment(name, file);
  if (missing !== null) throw new Error(missing);
  return directory;
}

function makeModels(scratch: string, environment: string): Models {
  const folder = join(scratch, 'models');
  mkdirSync(folder);
  runScript(environment, 'train.py', folder);
  return { folder, rows: JSON.parse(readFileSync(join(folder, 'rows.json'), 'utf8')) as number[][] };
}

function runScript(environment: string, script: string, folder: string): void {
  const path = fileURLToPath(new URL(`./models/${script}`, import.meta.url));
  execFileSync(join(environment, 'bin/python'), [path, folder], { stdio: ['ignore', 'inherit', 'inherit'] });
}

/** Reports each round as it ends, so that an interrupted run keeps those before. */
async function measureRates(
  model: string,
  models: Models,
  environment: string,
  { scratch, rounds, seconds }: { readonly scratch: string; readonly rounds: number; readonly seconds: number },
  onRound: (round: Round, missing: readonly string[]) => void,
): Promise<void> {
  const { subjects, missing } = await peers(models, scratch);
  const ours = [new PenstockSubject(models, environment), new PenstockSubject(models, environment, { isProcess: true })];
  try {
    for (let i = 0; i < rounds; i++) {
      onRound(await measureRound(model, [...ours, ...subjects], models, environment, seconds * 1000), missing);
    }
  } finally {
    for (const subject of ours) await subject.close();
  }
}

async function measureColdStarts(models: Models, sklearn: string, rounds: number): Promise<ColdStarts[]> {
  const [row = []] = models.rows;
  const torch = await requiredEnvironment('python-torch', 'torch');
  runScript(torch, 'train_torch.py', models.folder);
  const counts = { forks: 7 * rounds, spawns: 2 * rounds };
  const forest = { name: 'forest', label: 'scikit-learn, the forest', folder: join(models.folder, 'forest'), python: sklearn, row };
  const layers = { name: 'layers', label: 'PyTorch, three layers', folder: join(models.folder, 'layers'), python: torch, row };
  return [await coldStarts(forest, counts), await coldStarts(layers, counts)];
}

async function measurePromises(models: Models, environment: string, seconds: number): Promise<PromiseFigures[]> {
  const subject = new PenstockSubject(models, environment);
  try {
    const found: PromiseFigures[] = [];
    for (const rate of promisedRates) found.push(await keepPromise(subject, models, rate, 4 * seconds));
    return found;
  } finally {
    await subject.close();
  }
}
