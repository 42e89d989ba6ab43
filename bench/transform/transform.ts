/**
 * `npm run bench -- transform`: runs a large CSV file through `penstock transform`, through two scripts that use onnxruntime and all cores,
 * and through onnxruntime alone. All run one after the other on one machine.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { commit, machine } from '../machine.ts';
import { writeResults } from '../results.ts';
import { Platform } from '../servers/platform.ts';
import { type PythonEnvironment, pythonEnvironment } from '../servers/python-environment.ts';
import { median, shareOfScript, type TransformFigures, transformTable } from './report.ts';
import type { AloneReport } from './scripts/alone-main.ts';
import type { ScriptReport } from './scripts/node-script.ts';

const scenarios = [
  { model: 'digits-mlp', file: 'digits_mlp.onnx' },
  { model: 'digits-rf', file: 'digits_rf.onnx' },
  { model: 'digits-cnn', file: 'digits_cnn.onnx' },
] as const;
const megabytes = 200;

const asset = (name: string): string => fileURLToPath(new URL(`../../assets/catalogue/${name}`, import.meta.url));
const script = (name: string): string => fileURLToPath(new URL(`./scripts/${name}`, import.meta.url));

interface TransformAnswer {
  readonly records: number;
  readonly started_at: string;
  readonly ended_at: string;
  readonly batch_rows: number;
}

export interface TransformBenchOptions {
  readonly runs: number;
  readonly isDry: boolean;
  /** The name of a model; empty for all. */
  readonly only: string;
}

export async function transform({ runs, isDry, only }: TransformBenchOptions): Promise<void> {
  const python = await pythonEnvironment('transform', new URL('./scripts/requirements.txt', import.meta.url));
  if (python.missing !== null) console.error(`skipping the Arrow script: ${python.missing}`);
  const platform = new Platform();
  const directory = mkdtempSync(join(tmpdir(), 'penstock-bench-transform-'));
  try {
    await platform.start();
    const input = join(directory, 'rows.csv');
    await writeRows(input, megabytes * 1e6);
    const figures: TransformFigures[] = [];
    for (const scenario of scenarios.filter(({ model }) => only === '' || model === only)) {
      await platform.run('register', `catalogue:${scenario.model}`);
      await platform.run('approve', `${scenario.model}/1`);
      const figure = await measured(platform, python, { ...scenario, input, directory, runs });
      figures.push(figure);
      const { model, seconds } = figure;
      console.error(`${model}: ${median(seconds).toFixed(1)} s, ${Math.round(100 * shareOfScript(figure))} % of the better script`);
    }
    const results = { at: new Date().toISOString(), commit: commit(), machine: machine(), figures };
    const text = transformTable(results);
    console.log(text);
    if (!isDry) writeResults('transform', results, text);
  } finally {
    await platform.close();
    rmSync(directory, { recursive: true });
  }
}

interface Scenario {
  readonly model: string;
  readonly file: string;
  readonly input: string;
  readonly directory: string;
  readonly runs: number;
}

async function measured(
  platform: Platform,
  python: PythonEnvironment,
  { model, file, input, directory, runs }: Scenario,
): Promise<TransformFigures> {
  const figures = { seconds: [] as number[], arrow: [] as number[], node: [] as number[], alone: [] as number[] };
  const cores = String(machine().cores);
  const out = join(directory, 'out');
  let rows = 0;
  let batchRows = 0;
  const reported = async <Report extends ScriptReport | AloneReport>(command: string, ...args: string[]): Promise<number> => {
    const report = JSON.parse((await promisify(execFile)(command, args)).stdout) as Report;
    if (report.rows !== rows) throw new Error(`${args[0]}: expected ${rows} records, got ${report.rows}`);
    return report.seconds;
  };
  for (let run = 1; run <= runs; run++) {
    const name = `${model}-${run}`;
    const options = ['transform', `${model}/1`, '--input', input, '--to', out, '--name', name, '--instance-type', `local.${cores}`];
    const answer = JSON.parse(await platform.run(...options, '--output', 'json')) as TransformAnswer;
    rows = answer.records;
    batchRows = answer.batch_rows;
    figures.seconds.push((Date.parse(answer.ended_at) - Date.parse(answer.started_at)) / 1000);
    rmSync(out, { recursive: true });
    const files = [asset(file), input, join(directory, 'script.csv')];
    if (python.missing === null) figures.arrow.push(await reported(`${python.directory}/bin/python`, script('arrow_script.py'), ...files));
    figures.node.push(await reported(process.execPath, script('node-script.ts'), ...files));
    figures.alone.push(await reported(process.execPath, script('alone-main.ts'), asset(file), input, String(rows), cores));
  }
  const { seconds, arrow, node, alone } = figures;
  const arrowSeconds = arrow.length === 0 ? null : arrow;
  return { model, megabytes, rows, batchRows, seconds, arrowSeconds, nodeSeconds: node, aloneSeconds: alone };
}

/** Writes held-out digits repeatedly, without header and labels. */
async function writeRows(path: string, bytes: number): Promise<void> {
  const lines = readFileSync(asset('digits_test.csv'), 'utf8').trim().split('\n').slice(1);
  const text = lines.map((line) => `${line.slice(0, line.lastIndexOf(','))}\n`).join('');
  const out = createWriteStream(path);
  for (let written = 0; written < bytes; written += text.length) {
    if (!out.write(text)) await once(out, 'drain');
  }
  out.end();
  await finished(out);
}
