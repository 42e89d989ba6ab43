/**
 * `npm run bench -- transform`: a large CSV through `penstock transform`, and the same file through a plain script that does the whole
 * job with onnxruntime and all cores. One after the other, on one machine.
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
import { keep } from '../results.ts';
import { Platform } from '../servers/platform.ts';
import type { PlainReport } from './plain-script.ts';
import { type TransformFigures, transformTable } from './report.ts';

/** Compute-bound models get a shorter file, that all of it takes a few minutes. */
const scenarios = [
  { model: 'digits-mlp', file: 'digits_mlp.onnx', megabytes: 200 },
  { model: 'digits-rf', file: 'digits_rf.onnx', megabytes: 200 },
  { model: 'digits-cnn', file: 'digits_cnn.onnx', megabytes: 20 },
] as const;

const asset = (name: string): string => fileURLToPath(new URL(`../../assets/catalogue/${name}`, import.meta.url));

export async function transform({ isDry, only }: { readonly isDry: boolean; readonly only?: string | undefined }): Promise<void> {
  const platform = new Platform();
  const directory = mkdtempSync(join(tmpdir(), 'penstock-bench-transform-'));
  try {
    await platform.start();
    const figures: TransformFigures[] = [];
    for (const { model, file, megabytes } of scenarios.filter((each) => only === undefined || each.model === only)) {
      const input = join(directory, `${megabytes}.csv`);
      await writeRows(input, megabytes * 1e6);
      await platform.run('register', `catalogue:${model}`);
      await platform.run('approve', `${model}/1`);
      const out = join(directory, model);
      const answer = JSON.parse(
        await platform.run('transform', model, '--input', input, '--to', out, '--name', model, '--output', 'json'),
      ) as { records: number; started_at: string; ended_at: string; batch_rows: number };
      const seconds = (Date.parse(answer.ended_at) - Date.parse(answer.started_at)) / 1000;
      const plain = await plainly(asset(file), input, join(directory, `${model}.plain`));
      if (plain.rows !== answer.records) throw new Error(`${answer.records} records, the plain script has ${plain.rows}`);
      figures.push({ model, megabytes, rows: answer.records, batchRows: answer.batch_rows, seconds, plain });
      console.error(`${model}: ${seconds.toFixed(1)} s, plain script ${plain.seconds.toFixed(1)} s`);
    }
    const results = { at: new Date().toISOString(), commit: commit(), machine: machine(), figures };
    const text = transformTable(results);
    console.log(text);
    if (!isDry) keep('transform', results, text);
  } finally {
    await platform.close();
    rmSync(directory, { recursive: true });
  }
}

async function plainly(modelPath: string, input: string, output: string): Promise<PlainReport> {
  const main = fileURLToPath(new URL('./plain-script.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [main, modelPath, input, output]);
  return JSON.parse(stdout) as PlainReport;
}

/** Held-out digits again and again, without their labels and header. */
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
