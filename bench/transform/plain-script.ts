/**
 * What one writes without a platform: reads a CSV line by line, runs onnxruntime on some thousand rows at a time with all cores, and writes
 * a line for each. Arguments: model, input, output. Prints JSON of PlainReport.
 */
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import type { InferenceSession, Tensor } from 'onnxruntime-common';

interface Onnx {
  readonly InferenceSession: { create(path: string, options: InferenceSession.SessionOptions): Promise<InferenceSession> };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => Tensor;
}

export interface PlainReport {
  readonly rows: number;
  readonly seconds: number;
  /** Of these, within onnxruntime. */
  readonly runSeconds: number;
}

const onnx = createRequire(import.meta.url)('onnxruntime-node') as Onnx;
const rowsAtOnce = 4096;

async function transform(modelPath: string, from: string, to: string): Promise<PlainReport> {
  const startedMs = performance.now();
  const session = await onnx.InferenceSession.create(modelPath, { logSeverityLevel: 4 });
  const [input] = session.inputMetadata;
  if (input?.isTensor !== true) throw new Error('expected a model of one tensor');
  const rowShape = input.shape.slice(1).map(Number);
  const out = createWriteStream(to);
  let rows = 0;
  let runMs = 0;
  const run = async (values: readonly (readonly number[])[]): Promise<void> => {
    const tensor = new onnx.Tensor('float32', Float32Array.from(values.flat()), [values.length, ...rowShape]);
    const fromMs = performance.now();
    const outputs = await session.run({ [input.name]: tensor });
    runMs += performance.now() - fromMs;
    const columns = session.outputNames.map((name) => (outputs[name] as Tensor).data as ArrayLike<number | bigint>);
    let text = '';
    for (let row = 0; row < values.length; row++) {
      const cells = columns.flatMap((data) => {
        const width = data.length / values.length;
        return Array.from({ length: width }, (_, at) => data[row * width + at]);
      });
      text += `${cells.join(',')}\n`;
    }
    rows += values.length;
    if (!out.write(text)) await once(out, 'drain');
  };
  let held: number[][] = [];
  for await (const line of createInterface({ input: createReadStream(from) })) {
    held.push(line.split(',').map(Number));
    if (held.length < rowsAtOnce) continue;
    await run(held);
    held = [];
  }
  if (held.length > 0) await run(held);
  out.end();
  await finished(out);
  return { rows, seconds: (performance.now() - startedMs) / 1000, runSeconds: runMs / 1000 };
}

const [modelPath = '', from = '', to = ''] = process.argv.slice(2);
console.log(JSON.stringify(await transform(modelPath, from, to)));
