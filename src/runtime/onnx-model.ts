/**
 * A model in onnxruntime. Nothing here leaves the worker's process: `run` and `create` block the thread they are
 * called on, although they look asynchronous, and native code may take the process with it.
 */
import { createRequire } from 'node:module';
import type { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-common';
import { messageOf, PlatformError } from '../errors.ts';
import {
  bytesOf,
  type Datatype,
  datatypes,
  decodeStrings,
  elementCount,
  elementsOf,
  encodeStrings,
  type NumericArray,
  type Signature,
  type Tensor,
  type TensorSpec,
} from '../tensor.ts';
import { loadError, runError } from './onnx-errors.ts';

type Onnx = typeof import('onnxruntime-common');

const datatypeOf = Object.fromEntries(
  (Object.keys(datatypes) as Datatype[]).flatMap((name) => (datatypes[name].onnx === null ? [] : [[datatypes[name].onnx, name]])),
) as Record<string, Datatype>;

let loadedOnnx: Onnx | null = null;

/** onnxruntime itself, loaded on first use (15 ms warm, up to 0.5 s from a cold disk). */
export function onnxruntime(): Onnx {
  if (loadedOnnx === null) {
    // Node 24 has Float16Array, whose tensors onnxruntime-node 1.30 cannot read; without it FP16 is Uint16Array, the bits.
    Reflect.deleteProperty(globalThis, 'Float16Array');
    // From 1.30 on, onnxruntime has telemetry on Linux, switched on: a thread of its own, files in TMPDIR, reports to
    // Microsoft. A server of one's own reports to nobody.
    process.env['ORT_DISABLE_TELEMETRY'] = '1';
    try {
      loadedOnnx = createRequire(import.meta.url)('onnxruntime-node') as Onnx;
    } catch (cause) {
      throw new PlatformError(
        'unavailable',
        `onnxruntime-node is not installed: run npm i onnxruntime-node with ONNXRUNTIME_NODE_INSTALL=skip (${messageOf(cause).split('\n')[0]})`,
        { cause },
      );
    }
  }
  return loadedOnnx;
}

export class OnnxModel {
  readonly signature: Signature;
  /** Names of outputs that are sequences or maps: onnxruntime cannot hand them out, so they are left away. */
  readonly unfetchable: readonly string[];
  readonly #session: InferenceSession;
  readonly #fetches: readonly string[];

  constructor(session: InferenceSession) {
    this.#session = session;
    this.signature = { inputs: specsOf(session.inputMetadata), outputs: specsOf(session.outputMetadata) };
    this.#fetches = this.signature.outputs.map((spec) => spec.name);
    this.unfetchable = session.outputMetadata.filter((value) => !value.isTensor).map((value) => value.name);
    const strangers = session.inputMetadata.filter((value) => !value.isTensor).map((value) => value.name);
    if (strangers.length > 0) {
      throw new PlatformError(
        'unsupported',
        `input ${strangers.join(', ')} is no tensor but a sequence or map; only tensors can be served`,
      );
    }
    if (this.#fetches.length === 0) {
      throw new PlatformError(
        'unsupported',
        `no output is a tensor (${this.unfetchable.join(', ')}); export the model with tensor outputs`,
      );
    }
  }

  /** Throws `invalid_request`, `unsupported` or `model_failed`. */
  static async load(path: string, threads: number): Promise<OnnxModel> {
    const onnx = onnxruntime();
    try {
      const session = await onnx.InferenceSession.create(path, {
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        logSeverityLevel: 4,
        // Threads that spin while they wait burn the cores of the others (measured: up to 1.8 times the CPU, no faster).
        ...(threads > 1 ? { extra: { session: { intra_op: { allow_spinning: '0' } } } } : {}),
      });
      return new OnnxModel(session);
    } catch (error) {
      throw error instanceof PlatformError ? error : loadError(error);
    }
  }

  /** The inputs as onnxruntime wants them; views of their data wherever it lies aligned. Throws `invalid_request`. */
  feeds(inputs: readonly Tensor[]): Record<string, OnnxTensor> {
    const { Tensor: Make } = onnxruntime();
    const feeds: Record<string, OnnxTensor> = {};
    for (const { name, datatype, shape, data } of inputs) {
      const type = datatypes[datatype].onnx;
      if (type === null) throw new PlatformError('unsupported', `input '${name}': onnxruntime has no ${datatype} in Node`);
      const values = datatype === 'BYTES' ? stringsOf(name, data) : elementsOf(datatype, data);
      if (values.length !== elementCount(shape)) {
        throw new PlatformError(
          'invalid_request',
          `input '${name}': shape [${shape.join(',')}] does not hold the ${values.length} elements sent`,
        );
      }
      feeds[name] = new Make(type as 'float32', values as Float32Array, shape);
    }
    return feeds;
  }

  /** Blocks until the model has run. Throws `invalid_request` or `model_failed`. */
  async run(feeds: Record<string, OnnxTensor>): Promise<InferenceSession.OnnxValueMapType> {
    try {
      return await this.#session.run(feeds, this.#fetches);
    } catch (error) {
      throw runError(error);
    }
  }

  /** The fetched values as tensors in the order of the signature; numeric data is not copied. */
  outputs(values: InferenceSession.OnnxValueMapType): Tensor[] {
    return this.signature.outputs.map(({ name }) => {
      const value = values[name] as OnnxTensor;
      const datatype = datatypeOf[value.type];
      if (datatype === undefined) throw new PlatformError('unsupported', `output '${name}' has the datatype ${value.type}`);
      const data = datatype === 'BYTES' ? encodeStrings(value.data as string[]) : bytesOf(value.data as NumericArray);
      return { name, datatype, shape: value.dims, data };
    });
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

function specsOf(metadata: InferenceSession['inputMetadata']): TensorSpec[] {
  return metadata.flatMap((value) => {
    if (!value.isTensor) return [];
    const datatype = datatypeOf[value.type];
    if (datatype === undefined)
      throw new PlatformError('unsupported', `tensor '${value.name}' has the datatype ${value.type}, which cannot be served`);
    return [{ name: value.name, datatype, shape: value.shape.map((size) => (typeof size === 'number' ? size : -1)) }];
  });
}

function stringsOf(name: string, data: Uint8Array): string[] {
  const strings = decodeStrings(data);
  const cut = strings.findIndex((text) => text.includes('\0'));
  if (cut >= 0) {
    // onnxruntime cuts a string at its first NUL without an error: refuse what would give a silent wrong answer.
    throw new PlatformError('invalid_request', `input '${name}': string ${cut} contains a NUL character, which the model would never see`);
  }
  return strings;
}
