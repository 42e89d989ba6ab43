/**
 * The upper bound for a model: onnxruntime alone in a process with one thread, without a server.
 * Arguments: JSON of BareOptions. Prints JSON of BareReport.
 */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { InferenceSession, Tensor } from 'onnxruntime-common';
import { summarize } from '../load/latencies.ts';
import type { BareOptions, BareReport } from './bare-onnxruntime.ts';

interface Onnx {
  readonly InferenceSession: { create(path: string, options: InferenceSession.SessionOptions): Promise<InferenceSession> };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => Tensor;
}

const onnx = createRequire(import.meta.url)('onnxruntime-node') as Onnx;

async function measure({ modelPath, input, rowShape, rowsFile, b, measureMs }: BareOptions): Promise<BareReport> {
  const session = await onnx.InferenceSession.create(modelPath, { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 4 });
  const row = new Float32Array(new Uint8Array(readFileSync(rowsFile)).buffer).subarray(
    0,
    rowShape.reduce((size, dimension) => size * dimension, 1),
  );
  const data = new Float32Array(row.length * b);
  for (let i = 0; i < b; i++) data.set(row, i * row.length);

  const runsMs: number[] = [];
  const warmUntilMs = performance.now() + measureMs / 5;
  const endMs = warmUntilMs + measureMs;
  let cpu = process.cpuUsage();
  for (let nowMs = performance.now(); nowMs < endMs; ) {
    // A new tensor each time, because a server cannot reuse that of the last request.
    await session.run({ [input]: new onnx.Tensor('float32', data, [b, ...rowShape]) });
    const afterMs = performance.now();
    if (afterMs >= warmUntilMs) runsMs.push(afterMs - nowMs);
    else cpu = process.cpuUsage();
    nowMs = afterMs;
  }
  const { user, system } = process.cpuUsage(cpu);
  const rows = runsMs.length * b;
  return { rowsPerSecond: rows / (measureMs / 1000), runMs: summarize(runsMs), cpuMsPerRow: (user + system) / 1000 / rows };
}

const options = JSON.parse(process.argv[2] ?? '{}') as BareOptions;
console.log(JSON.stringify(await measure(options)));
