/**
 * A Node script for the same job without a platform: reads a CSV in chunks of 4 MiB, parses it, runs onnxruntime on 4,096 rows at a time
 * with all cores, and writes a line per row. Arguments: model, input, output. Prints JSON of ScriptReport.
 */
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { createRequire } from 'node:module';
import { finished } from 'node:stream/promises';
import type { InferenceSession, Tensor } from 'onnxruntime-common';

interface Onnx {
  readonly InferenceSession: { create(path: string, options: InferenceSession.SessionOptions): Promise<InferenceSession> };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => Tensor;
}

/** The output of a script in any language. */
export interface ScriptReport {
  readonly rows: number;
  readonly seconds: number;
}

const onnx = createRequire(import.meta.url)('onnxruntime-node') as Onnx;
const rowsAtOnce = 4096;

async function transform(modelPath: string, from: string, to: string): Promise<ScriptReport> {
  const startedMs = performance.now();
  const session = await onnx.InferenceSession.create(modelPath, { logSeverityLevel: 4 });
  const [input] = session.inputMetadata;
  if (input?.isTensor !== true) throw new Error('expected a model with one tensor input');
  const rowShape = input.shape.slice(1).map(Number);
  const width = rowShape.reduce((size, dimension) => size * dimension, 1);
  const out = createWriteStream(to);
  let rows = 0;
  const run = async (lines: readonly string[]): Promise<void> => {
    const values = new Float32Array(lines.length * width);
    for (const [row, line] of lines.entries()) {
      const cells = line.split(',');
      for (let column = 0; column < width; column++) values[row * width + column] = Number(cells[column]);
    }
    const outputs = await session.run({ [input.name]: new onnx.Tensor('float32', values, [lines.length, ...rowShape]) });
    const columns = session.outputNames.map((name) => (outputs[name] as Tensor).data as ArrayLike<number | bigint>);
    let text = '';
    for (let row = 0; row < lines.length; row++) {
      let separator = '';
      for (const data of columns) {
        const each = data.length / lines.length;
        for (let at = row * each; at < (row + 1) * each; at++) {
          text += separator + String(data[at]);
          separator = ',';
        }
      }
      text += '\n';
    }
    rows += lines.length;
    if (!out.write(text)) await once(out, 'drain');
  };
  let pending: string[] = [];
  let rest = '';
  for await (const chunk of createReadStream(from, { encoding: 'latin1', highWaterMark: 4 * 2 ** 20 })) {
    const lines = (rest + (chunk as string)).split('\n');
    rest = lines.pop() ?? '';
    pending = pending.length === 0 ? lines : pending.concat(lines);
    for (; pending.length >= rowsAtOnce; pending = pending.slice(rowsAtOnce)) await run(pending.slice(0, rowsAtOnce));
  }
  if (rest !== '') pending.push(rest);
  if (pending.length > 0) await run(pending);
  out.end();
  await finished(out);
  return { rows, seconds: (performance.now() - startedMs) / 1000 };
}

const [modelPath = '', from = '', to = ''] = process.argv.slice(2);
console.log(JSON.stringify(await transform(modelPath, from, to)));
