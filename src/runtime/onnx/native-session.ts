/**
 * A session of onnxruntime, by the binding that onnxruntime-node calls. Its own `InferenceSession` runs the same function, but in a later
 * turn of the event loop, which a worker that waits in a read does not have (ADR 47).
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-common';

/** An input or output; `type` is an element type of ONNX, and unknown sizes are -1. */
export interface NativeMetadata {
  readonly name: string;
  readonly isTensor: boolean;
  readonly type: number;
  readonly shape: readonly number[];
}

/** Tensors by the name of the input or output. */
export type NativeValues = Readonly<Record<string, OnnxTensor>>;

/** Each method blocks. Throws an `Error` with the message of onnxruntime. */
export interface NativeSession {
  readonly inputMetadata: readonly NativeMetadata[];
  readonly outputMetadata: readonly NativeMetadata[];
  loadModel(path: string, options: InferenceSession.SessionOptions): void;
  loadModel(memory: ArrayBufferLike, offset: number, bytes: number, options: InferenceSession.SessionOptions): void;
  /** The outputs named in `fetches`; onnxruntime allocates them. */
  run(feeds: NativeValues, fetches: Readonly<Record<string, null>>, options: object): NativeValues;
  dispose(): void;
}

interface Binding {
  readonly binding: { readonly InferenceSession: new () => NativeSession };
  initOrt(): void;
}

/** A session without a model. `onnxruntime` is the main file of onnxruntime-node, which must be loaded already. */
export function nativeSession(onnxruntime: string): NativeSession {
  const native = createRequire(import.meta.url)(join(dirname(onnxruntime), 'binding.js')) as Binding;
  native.initOrt();
  return new native.binding.InferenceSession();
}
