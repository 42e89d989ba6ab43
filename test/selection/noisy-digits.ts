/** Real answers of two digits models to rows with noise on their pixels, by real workers. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ShareWatch } from '../../src/data-quality/drift/share-watch.ts';
import { SeededRandom } from '../../src/random.ts';
import { receiveHello, WorkerLink, workerMainPath } from '../../src/runtime/index.ts';
import { gauss } from '../../src/simulation/load/load-generators.ts';
import { modelPath } from '../models/index.ts';

export interface NoisyRows {
  readonly sigma: number;
  /** Of all draws of all rows: whether the first model hands the row on, and whether the cascade's answer is right. */
  readonly goesOn: Uint8Array;
  readonly isRight: Uint8Array;
}

const threshold = 0.03;
const pixels = 64;
const classes = 10;

/** `digits_mlp -> digits_cnn @ 0.03` on 450 rows, each with `draws` draws of normal noise of each sigma on its pixels (0 to 16). */
export async function noisyDigits(sigmas: readonly number[], draws: number): Promise<readonly NoisyRows[]> {
  const [, ...lines] = readFileSync(join(import.meta.dirname, '../../assets/catalogue/digits_test.csv'), 'utf8')
    .trim()
    .split('\n');
  const rows = lines.map((line) => line.split(',').map(Number));
  const random = new SeededRandom(7);
  return withWorkers(['digits_mlp', 'digits_cnn'], async ([mlp, cnn]) => {
    const found: NoisyRows[] = [];
    for (const sigma of sigmas) {
      const goesOn = new Uint8Array(rows.length * draws);
      const isRight = new Uint8Array(rows.length * draws);
      for (let draw = 0; draw < draws; draw++) {
        const values = Float32Array.from(
          rows.flatMap((row) => row.slice(0, pixels).map((value) => Math.min(16, Math.max(0, value + sigma * gauss(random))))),
        );
        const first = await scoresOf(mlp as WorkerLink, 'pixels', [rows.length, pixels], values);
        const second = await scoresOf(cnn as WorkerLink, 'image', [rows.length, 1, 8, 8], values);
        for (const [row, cells] of rows.entries()) {
          const at = draw * rows.length + row;
          const largest = Math.max(...first.subarray(classes * row, classes * (row + 1)));
          goesOn[at] = Number(1 - largest > threshold);
          const scores = (goesOn[at] === 1 ? second : first).subarray(classes * row, classes * (row + 1));
          isRight[at] = Number(scores.indexOf(Math.max(...scores)) === cells[pixels]);
        }
      }
      found.push({ sigma, goesOn, isRight });
    }
    return found;
  });
}

const plan = 'digits-mlp/1>digits-cnn/1@0.03';
/** The rows of the evaluation that the first model hands on. */
export const evaluatedDigits = { plan, rows: 450, ones: 42, decidedAtMs: 0 } as const;

/** Rows until the alarm by escalations alone, at most `most`, when rows are drawn from these; infinite without an alarm. */
export function rowsUntilAlarm({ goesOn }: NoisyRows, seed: number, most: number): number {
  const random = new SeededRandom(seed);
  const watch = new ShareWatch();
  watch.expect('digits', [evaluatedDigits]);
  for (let row = 1; row <= most; row++) {
    watch.observe('digits', plan, 1, goesOn[Math.floor(random.next() * goesOn.length)] as number);
    const firedAtRows = watch.view('digits')[0]?.firedAtRows;
    if (typeof firedAtRows === 'number') return firedAtRows;
  }
  return Number.POSITIVE_INFINITY;
}

async function scoresOf(link: WorkerLink, name: string, shape: readonly number[], values: Float32Array): Promise<Float32Array> {
  const data = Buffer.from(values.buffer);
  const { outputs } = await link.run([{ name, datatype: 'FP32', shape: [...shape], parts: [data] }]);
  const scores = outputs.find((output) => output.name === 'probabilities');
  if (scores === undefined) throw new Error('the model has no probabilities');
  return new Float32Array(new Uint8Array(scores.data).buffer);
}

async function withWorkers<T>(models: readonly string[], use: (links: readonly WorkerLink[]) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-test-'));
  const server = createServer().listen(join(folder, 'socket'));
  await once(server, 'listening');
  const children: ChildProcess[] = [];
  try {
    const links: WorkerLink[] = [];
    for (const model of models) {
      const env = { PENSTOCK_WORKER_TOKEN: 'token' };
      children.push(
        spawn(process.execPath, [workerMainPath, join(folder, 'socket'), 'w'], { env, stdio: ['ignore', 'ignore', 'inherit'] }),
      );
      const [socket] = (await once(server, 'connection')) as [Socket];
      await receiveHello(socket);
      const link = new WorkerLink(socket);
      await link.load({ path: modelPath(model), threads: 1 });
      links.push(link);
    }
    return await use(links);
  } finally {
    for (const child of children) child.kill('SIGKILL');
    server.close();
    rmSync(folder, { recursive: true });
  }
}
