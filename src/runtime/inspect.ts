/** What a model file is: read by a worker at registration, so that a hostile file never meets the server's process. */
import { readFile, writeFile } from 'node:fs/promises';
import { toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { SeededRandom } from '../random.ts';
import type { Signature, Tensor } from '../tensor.ts';
import { probeBatchability } from './batch-probe.ts';
import { opsetsOf, parseModel, producerOf, propertiesOf } from './onnx-file.ts';
import { OnnxModel } from './onnx-model.ts';
import { stripZipMaps } from './zip-map.ts';

export interface Inspection {
  readonly signature: Signature;
  /** Version by operator domain; the default domain is called `ai.onnx`. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: string;
  readonly irVersion: number;
  /** The file's own metadata_props. */
  readonly properties: Readonly<Record<string, string>>;
  /** What the user should be told: what was rewritten or left away. */
  readonly notes: readonly string[];
  readonly batchable: boolean;
  readonly batchableReason: string;
  /** The file to serve lies at `rewriteTo`, not at the path that was inspected. */
  readonly rewritten: boolean;
  readonly loadMs: number;
}

/**
 * Opens a file and says what it is. A file that needs rewriting (ZipMap) is written to `rewriteTo`.
 * Throws `invalid_request` or `unsupported` where the file is at fault, `model_failed` where it needs too much memory.
 */
export async function inspect(path: string, rewriteTo: string, nowMs: () => number): Promise<Inspection> {
  const file = parseModel(await readFile(path));
  const notes = stripZipMaps(file);
  const rewritten = notes.length > 0;
  if (rewritten) await writeFile(rewriteTo, toBinary(ModelProtoSchema, file), { mode: 0o600 });
  const startMs = nowMs();
  const model = await OnnxModel.load(rewritten ? rewriteTo : path, 1);
  const loadMs = nowMs() - startMs;
  for (const name of model.unfetchable) notes.push(`output '${name}' is a sequence or map, which cannot be served; it is left away`);
  const run = async (inputs: readonly Tensor[]) => model.outputs(await model.run(model.feeds(inputs)));
  // Always the same rows: what a file is does not depend on the day it is registered.
  const { batchable, reason } = await probeBatchability(model.signature, run, new SeededRandom(1));
  await model.release();
  return {
    signature: model.signature,
    opsets: opsetsOf(file),
    producer: producerOf(file),
    irVersion: Number(file.irVersion),
    properties: propertiesOf(file),
    notes,
    batchable,
    batchableReason: reason,
    rewritten,
    loadMs,
  };
}
