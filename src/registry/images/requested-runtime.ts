/** The runtime that a registration requests by its image, and what a model without isolation is allowed to bring. Pure. */
import { PlatformError } from '../../errors.ts';
import type { Bundle, Inspection } from '../../runtime/index.ts';
import type { ModelRuntime } from '../model-version.ts';
import { checkEnvironment, type ImageRuntime } from './images.ts';

interface ImageTable {
  readonly runtimeOf: (image: string) => ImageRuntime;
}

/** The members of a registration that select its runtime. */
interface RequestedRuntime {
  readonly image?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly pythonEnvironment?: string;
}

/** The environment that the request names, else the one of its image in the images table. */
export function environmentFor({ runtimeOf }: ImageTable, { image, pythonEnvironment }: RequestedRuntime): string | undefined {
  if (pythonEnvironment !== undefined || image === undefined) return pythonEnvironment;
  const runtime = runtimeOf(image);
  return runtime.kind === 'python' ? (runtime.environment ?? undefined) : undefined;
}

/** The runtime before the model was read. A model without a process image is ONNX until its files say Python. */
export function runtimeFor({ runtimeOf }: ImageTable, { image, environment = {} }: RequestedRuntime): ModelRuntime {
  const runtime: ImageRuntime = image === undefined ? { kind: 'onnx' } : runtimeOf(image);
  checkEnvironment('environment', environment);
  if (runtime.kind !== 'process') return { kind: 'onnx' }; // what the model holds decides
  const { command, env, concurrency } = runtime;
  return { kind: 'process', image: image as string, command, environment: { ...env, ...environment }, concurrency };
}

/** An image without isolation runs only the operator's code, so archives and variables, which could contain other code, are rejected. */
export function checkOwnCode({ runtimeOf }: ImageTable, { image, environment = {} }: RequestedRuntime, bytes: number): void {
  const runtime = image === undefined ? null : runtimeOf(image);
  if (runtime?.kind !== 'process' || runtime.access.isIsolated) return;
  const foreign = bytes > 0 ? 'an archive' : Object.keys(environment).length > 0 ? 'variables' : null;
  if (foreign === null) return;
  throw new PlatformError(
    'invalid_request',
    `image '${image}' runs without isolation, so it takes neither an archive nor variables: got ${foreign}. Leave it out, or remove "isolation": "none" from the image in config.json`,
  );
}

/** The inputs and outputs of a process model are unknown: it exchanges raw bytes. */
export function processInspection({ files, bytes }: Bundle): Inspection {
  return {
    signature: { inputs: [], outputs: [] },
    opsets: {},
    producer: '',
    irVersion: 0,
    properties: {},
    notes: [`${files} ${files === 1 ? 'file' : 'files'}, ${bytes} bytes unpacked`],
    batchable: false,
    batchableReason: 'it is a process that accepts raw bytes: one request at a time',
    rewritten: false,
    loadMs: 0,
    dataFiles: [],
  };
}
