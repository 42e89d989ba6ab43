/** A model in onnxruntime. Used only in a worker process: it blocks its thread, and native code can crash the process. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-common';
import { messageOf, PlatformError } from '../../errors.ts';
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
} from '../../tensor.ts';
import { type NativeMetadata, type NativeSession, type NativeValues, nativeSession } from './native-session.ts';
import { missingOnnxruntime, onnxruntimePath } from './onnxruntime-path.ts';

type Onnx = typeof import('onnxruntime-common');

interface LoadedOnnx {
  readonly onnx: Onnx;
  /** Its main file. */
  readonly path: string;
}

const datatypeOf = Object.fromEntries(
  (Object.keys(datatypes) as Datatype[]).flatMap((name) => (datatypes[name].onnx === null ? [] : [[datatypes[name].onnx, name]])),
) as Record<string, Datatype>;

/** Element types as ONNX numbers them. */
const elementTypes: readonly (Datatype | undefined)[] = [
  undefined,
  ...(['FP32', 'UINT8', 'INT8', 'UINT16', 'INT16', 'INT32', 'INT64', 'BYTES', 'BOOL', 'FP16', 'FP64', 'UINT32', 'UINT64'] as const),
];

let loadedOnnx: LoadedOnnx | null = null;

/** onnxruntime itself, loaded on first use (15 ms warm, up to 0.5 s from a cold disk). */
export function onnxruntime(): LoadedOnnx {
  if (loadedOnnx === null) {
    // onnxruntime-node 1.30 cannot read tensors of Node 24's Float16Array. Without that class it represents FP16 by the bits in a
    // Uint16Array.
    Reflect.deleteProperty(globalThis, 'Float16Array');
    // From 1.30 on, onnxruntime has telemetry on Linux, enabled by default: a thread, files in TMPDIR, reports to Microsoft. A
    // self-hosted server must not report anywhere.
    process.env['ORT_DISABLE_TELEMETRY'] = '1';
    const path = onnxruntimePath();
    if (path === null) throw new PlatformError('unavailable', `${missingOnnxruntime.found}. To mend this, ${missingOnnxruntime.advice}`);
    try {
      loadedOnnx = { onnx: createRequire(import.meta.url)(path) as Onnx, path };
    } catch (cause) {
      throw new PlatformError('unavailable', `onnxruntime does not load: ${messageOf(cause).split('\n')[0]}. Run penstock doctor`, {
        cause,
      });
    }
  }
  return loadedOnnx;
}

/** Runs block the thread. Numeric outputs are views of onnxruntime's memory. */
export class OnnxModel {
  readonly signature: Signature;
  readonly #session: NativeSession;
  readonly #fetches: Readonly<Record<string, null>>;

  constructor(session: NativeSession) {
    this.#session = session;
    this.signature = { inputs: specsOf(session.inputMetadata), outputs: specsOf(session.outputMetadata) };
    this.#fetches = Object.fromEntries(this.signature.outputs.map(({ name }) => [name, null]));
    if (this.signature.outputs.length === 0)
      throw new PlatformError('unsupported', 'no output is a tensor. Export the model with tensor outputs');
  }

  /**
   * Data files are read from the folder of the model, or from `dataFolder` if the model was written elsewhere. Throws `invalid_request`,
   * `unsupported` or `model_failed`.
   */
  static load(path: string, threads: number, dataFolder: string | null = null): OnnxModel {
    const session = nativeSession(onnxruntime().path);
    const options: InferenceSession.SessionOptions = {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      logSeverityLevel: 4,
      extra: {
        session: {
          // Threads that spin while waiting take CPU from others (measured: up to 1.8 times the CPU, no faster).
          ...(threads > 1 ? { intra_op: { allow_spinning: '0' } } : {}),
          ...(dataFolder === null ? {} : { model_external_initializers_file_folder_path: dataFolder }),
        },
      },
    };
    try {
      if (dataFolder === null) session.loadModel(path, options);
      else {
        // onnxruntime takes another folder only for a model in memory.
        const { buffer, byteOffset, byteLength } = readFileSync(path);
        session.loadModel(buffer, byteOffset, byteLength, options);
      }
      return new OnnxModel(session);
    } catch (error) {
      throw error instanceof PlatformError ? error : loadError(error);
    }
  }

  /** The inputs for onnxruntime; views of their data if aligned. Throws `invalid_request`. */
  feeds(inputs: readonly Tensor[]): Record<string, OnnxTensor> {
    if (inputs.length < this.signature.inputs.length) throw this.#missingInput(inputs);
    const { Tensor: Make } = onnxruntime().onnx;
    const feeds: Record<string, OnnxTensor> = {};
    for (const { name, datatype, shape, data } of inputs) {
      const type = datatypes[datatype].onnx;
      if (type === null) throw new PlatformError('unsupported', `input '${name}': onnxruntime does not support ${datatype} in Node`);
      const values = datatype === 'BYTES' ? stringsOf(name, data) : elementsOf(datatype, data);
      if (values.length !== elementCount(shape)) {
        throw new PlatformError(
          'invalid_request',
          `input '${name}': shape [${shape.join(',')}] does not match the ${values.length} elements sent`,
        );
      }
      feeds[name] = new Make(type as 'float32', values as Float32Array, shape);
    }
    return feeds;
  }

  #missingInput(inputs: readonly Tensor[]): PlatformError {
    const missing = this.signature.inputs.find(({ name }) => inputs.every((input) => input.name !== name));
    return new PlatformError('invalid_request', `the model rejected its input: input '${missing?.name}' is missing`);
  }

  /** Blocks until the model has run. Throws `invalid_request` or `model_failed`. */
  run(feeds: NativeValues): NativeValues {
    try {
      return this.#session.run(feeds, this.#fetches, {});
    } catch (error) {
      throw runError(error);
    }
  }

  /** The returned values as tensors in the order of the signature; numeric data is not copied. */
  outputs(values: NativeValues): Tensor[] {
    return this.signature.outputs.map(({ name }) => {
      const value = values[name] as OnnxTensor;
      const datatype = datatypeOf[value.type];
      if (datatype === undefined) throw new PlatformError('unsupported', `output '${name}' has the datatype ${value.type}`);
      const data = datatype === 'BYTES' ? encodeStrings(value.data as string[]) : bytesOf(value.data as NumericArray);
      return { name, datatype, shape: value.dims, data };
    });
  }

  release(): void {
    this.#session.dispose();
  }
}

function specsOf(metadata: readonly NativeMetadata[]): TensorSpec[] {
  return metadata.flatMap(({ name, isTensor, type, shape }) => {
    if (!isTensor) return [];
    const datatype = elementTypes[type];
    if (datatype === undefined)
      throw new PlatformError('unsupported', `tensor '${name}' has elements of ONNX's type ${type}, which cannot be served`);
    return [{ name, datatype, shape: [...shape] }];
  });
}

function stringsOf(name: string, data: Uint8Array): string[] {
  const strings = decodeStrings(data);
  const cut = strings.findIndex((text) => text.includes('\0'));
  if (cut >= 0) {
    // onnxruntime silently truncates a string at its first NUL, and the result would be wrong.
    throw new PlatformError('invalid_request', `input '${name}': string ${cut} contains a NUL character, at which the model would cut it`);
  }
  return strings;
}

/** The inputs did not fit the model or its data (an index, a shape). Other inputs may work. */
const inputFaults: readonly RegExp[] = [
  /INVALID_ARGUMENT/,
  /Invalid rank for input/i,
  /invalid dimensions for input/i,
  /Unexpected input data type/i,
  /out of (data )?bounds/i,
  /out of range/i,
  /index.*(must be|not) within/i,
  /attempting to broadcast/i,
  /incompatible dimensions|dimension(s)? mismatch|dimensions? (do|does) not match/i,
  /input_shape_size == size|cannot be reshaped/i,
  /not enough space: expected/,
];

const memoryFaults =
  /failed to allocate|bad_alloc|bad allocation|out of memory|bfcarena|AllocateRawInternal|array buffer allocation failed/i;

/** Classifies the error of a run. The worker and its session remain usable. */
function runError(error: unknown): PlatformError {
  const text = cleanMessage(messageOf(error));
  if (memoryFaults.test(text)) return new PlatformError('model_failed', `the model exceeded its memory limit: ${text}`);
  if (inputFaults.some((fault) => fault.test(text))) return new PlatformError('invalid_request', `the model rejected its input: ${text}`);
  return new PlatformError('model_failed', `the model failed: ${text}`);
}

/** Classifies the error of a load. */
function loadError(error: unknown): PlatformError {
  const text = cleanMessage(messageOf(error));
  if (memoryFaults.test(text)) return new PlatformError('model_failed', `loading the model needs more memory than its limit: ${text}`);
  if (/is not a registered function\/op|No Op registered for|could not find an implementation|NOT_IMPLEMENTED/i.test(text)) {
    return new PlatformError('unsupported', `the model uses an operator that onnxruntime does not have: ${text}`);
  }
  if (/Unsupported model IR version|opset .* is under development|only \*?guarantees\*? support|Unsupported data type/i.test(text)) {
    return new PlatformError('unsupported', `this onnxruntime does not support the model: ${text}. Export it with an older opset`);
  }
  return new PlatformError('invalid_request', `failed to load the model: ${text}`);
}

/** The message on one line, without colours, source paths of the build machine, and the prefix that every message has. */
function cleanMessage(text: string): string {
  return (
    text
      // oxlint-disable-next-line no-control-regex
      .replace(/\u001b\[[0-9;]*m/g, '')
      .replace(/\s+/g, ' ')
      .replace(/^.*Status Message: /, '')
      .replace(/\/\S*onnxruntime\S*\.(?:cc|h):\d+\s+(?:[^:]*?\([^)]*\)(?: \[[^\]]*\])?\s*)?/g, '')
      .replace(/(?:[\w*&]+ )?onnxruntime::[\w:~]+\([^)]*\)\s*/g, '')
      .replace(/Load model from .* failed:\s*/, '')
      .replace(/ Please fix either the inputs\/outputs or the model\.$/, '')
      .replace(/^(?:Error: )?(?:\[ONNXRuntimeError\] : \d+ : \w+ : )?/, '')
      .trim()
      .slice(0, 600)
  );
}
