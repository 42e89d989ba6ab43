/** Inspects a model. A worker does this at registration, so that a hostile file never reaches the process of the server. */
import { readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { toBinary } from '@bufbuild/protobuf';
import { type ModelProto, ModelProtoSchema } from 'onnx-buf';
import type { Signature } from '../../tensor.ts';
import { checkExternalData } from '../onnx/external-data.ts';
import { widenNarrowTypes } from '../onnx/narrow-types.ts';
import { opsetsOf, parseModel, producerOf, propertiesOf } from '../onnx/onnx-file.ts';
import { OnnxModel } from '../onnx/onnx-model.ts';
import { checkTypes, withTypeCure } from '../onnx/onnx-types.ts';
import { splitSequences } from '../onnx/sequence-outputs.ts';
import { stripZipMaps } from '../onnx/zip-map.ts';
import type { DataFile } from '../worker-files.ts';
import { checkInputSizes } from './sample-inputs.ts';

/** What a file says about its model. */
export interface ModelDescription {
  readonly signature: Signature;
  /** Version by operator domain; the default domain is called `ai.onnx`. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: string;
  readonly irVersion: number;
  /** The file's own metadata_props. */
  readonly properties: Readonly<Record<string, string>>;
  /** Notes for the user about rewritten or dropped parts. */
  readonly notes: readonly string[];
  /** The file to serve is at `rewriteTo`, not at the inspected path. */
  readonly rewritten: boolean;
  readonly loadMs: number;
  /** The data files that the model needs, by name; empty for a model in one file. */
  readonly dataFiles: readonly string[];
}

/** Files as the worker sees them, lent to it for the inspection. */
export interface InspectedFiles {
  readonly path: string;
  /** Files in the folder of the model that it may name as its data. */
  readonly data: readonly Pick<DataFile, 'name' | 'bytes'>[];
}

/** The description, and what running the model showed. */
export interface Inspection extends ModelDescription {
  readonly batchable: boolean;
  readonly batchableReason: string;
}

/**
 * Opens and describes a file, and returns its model loaded. A file that needs rewriting (ZipMap, sequences, narrow types) is written to `rewriteTo`. Throws `invalid_request` or
 * `unsupported` if the file is at fault, `model_failed` if it needs too much memory.
 */
export async function describeModel(
  { path, data }: InspectedFiles,
  rewriteTo: string,
  nowMs: () => number,
): Promise<{ readonly model: OnnxModel; readonly description: ModelDescription }> {
  const file = parseModel(await readFile(path));
  const dataFiles = checkExternalData(file, data);
  const notes = [...stripZipMaps(file), ...splitSequences(file), ...widenNarrowTypes(file)];
  const rewritten = notes.length > 0;
  notes.push(...checkTypes(file));
  if (rewritten) await writeFile(rewriteTo, toBinary(ModelProtoSchema, file), { mode: 0o600 });
  const startMs = nowMs();
  // A rewritten file is elsewhere than the data files.
  const [from, dataFolder] = rewritten ? [rewriteTo, dataFiles.length === 0 ? null : dirname(path)] : [path, null];
  const model = loaded(file, from, dataFolder);
  const loadMs = nowMs() - startMs;
  checkInputSizes(model.signature);
  const description = {
    signature: model.signature,
    opsets: opsetsOf(file),
    producer: producerOf(file),
    irVersion: Number(file.irVersion),
    properties: propertiesOf(file),
    notes,
    rewritten,
    loadMs,
    dataFiles,
  };
  return { model, description };
}

function loaded(file: ModelProto, path: string, dataFolder: string | null): OnnxModel {
  try {
    return OnnxModel.load(path, 1, dataFolder);
  } catch (error) {
    throw withTypeCure(error, file);
  }
}
