/**
 * The upper bound for a model: onnxruntime runs rows of a CSV file that are already in memory, repeated up to the requested number; nothing
 * is read or written during the measurement. Arguments: model, input, rows, threads. Prints JSON of AloneReport.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { InferenceSession, Tensor } from 'onnxruntime-common';

interface Onnx {
  readonly InferenceSession: { create(path: string, options: InferenceSession.SessionOptions): Promise<InferenceSession> };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => Tensor;
}

export interface AloneReport {
  readonly rows: number;
  readonly seconds: number;
  /** Rows per run, the fastest of several sizes. */
  readonly rowsAtOnce: number;
}

const onnx = createRequire(import.meta.url)('onnxruntime-node') as Onnx;
const readBytes = 4 * 2 ** 20;
const sizes = [256, 1024, 4096] as const;
const trialMs = 300;

function firstRows(path: string): Float32Array {
  const bytes = Buffer.alloc(readBytes);
  const file = openSync(path, 'r');
  const length = readSync(file, bytes, 0, readBytes, 0);
  closeSync(file);
  const lines = bytes.toString('latin1', 0, length).split('\n').slice(0, -1);
  return Float32Array.from(lines.flatMap((line) => line.split(',').map(Number)));
}

async function alone(modelPath: string, from: string, rows: number, threads: number): Promise<AloneReport> {
  const session = await onnx.InferenceSession.create(modelPath, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
  });
  const [input] = session.inputMetadata;
  if (input?.isTensor !== true) throw new Error('expected a model with one tensor input');
  const rowShape = input.shape.slice(1).map(Number);
  const width = rowShape.reduce((size, dimension) => size * dimension, 1);
  const values = firstRows(from);
  let at = 0;
  const run = async (count: number): Promise<void> => {
    if ((at + count) * width > values.length) at = 0;
    const data = values.subarray(at * width, (at + count) * width);
    at += count;
    await session.run({ [input.name]: new onnx.Tensor('float32', data, [count, ...rowShape]) });
  };
  const rateOf = async (size: number): Promise<number> => {
    await run(size);
    const startedMs = performance.now();
    let runs = 0;
    for (; performance.now() - startedMs < trialMs; runs++) await run(size);
    return (runs * size) / (performance.now() - startedMs);
  };
  const rates: number[] = [];
  for (const size of sizes) rates.push(await rateOf(size));
  const rowsAtOnce = sizes[rates.indexOf(Math.max(...rates))] as number;
  const startedMs = performance.now();
  for (let done = 0; done < rows; done += rowsAtOnce) await run(Math.min(rowsAtOnce, rows - done));
  return { rows, seconds: (performance.now() - startedMs) / 1000, rowsAtOnce };
}

const [modelPath = '', from = '', rows = '', threads = ''] = process.argv.slice(2);
console.log(JSON.stringify(await alone(modelPath, from, Number(rows), Number(threads))));
