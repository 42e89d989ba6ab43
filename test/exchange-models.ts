/** The models of the exchange tests, and scripted workers that run them when a test says so. */

import { PlatformError } from '../src/errors.ts';
import type { Profile } from '../src/profiling/index.ts';
import type { ModelVersion } from '../src/registry/index.ts';
import type { InvokeResult, Payload, ReplySink, WorkerLink } from '../src/runtime/index.ts';
import { jsonSignature } from '../src/tensor.ts';

/** The endpoints that are served: their models take tensors, rows of JSON, bytes; `stream` takes bytes and answers with several values. */
export type Served = 'tensors' | 'json' | 'bytes' | 'stream';
/** `starting` exists but is not served. */
export type Endpoint = Served | 'starting' | 'nothing';

/** Of every endpoint. */
export const timeoutMs = 1000;
export const runMs = 10;
const timings = { inMs: 0, runMs, outMs: 0 };
const signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
} as const;

/** Batches have at most two rows. */
export const profile: Profile = {
  executor: 'x',
  service: [1, 2].map((b) => ({ b, p50Ms: runMs, p95Ms: runMs, p99Ms: runMs, samples: [runMs], rssMiB: 1 })),
  measuredAtMs: 0,
  loadMs: 0,
  batchMax: 2,
  notes: [],
};

export function versionOf(number: number, group: Served, shape = signature): ModelVersion {
  const runtimes = {
    tensors: { kind: 'onnx' },
    json: { kind: 'python', form: 'json' },
    bytes: { kind: 'process', concurrency: 1 },
    stream: { kind: 'python', form: 'stream' },
  };
  const none = { inputs: [], outputs: [] };
  const signatures = { tensors: shape, json: jsonSignature, bytes: none, stream: none };
  const own = { signature: signatures[group], runtime: runtimes[group], batchable: group === 'tensors' || group === 'json' };
  const version = { name: `${group}/${number}`, group, version: number, ...own };
  return version as unknown as ModelVersion;
}

export interface ScriptedRun {
  finish(): void;
  fail(error: Error): void;
}

/** Workers whose runs are added to `runs` and last until they are finished there, and those of the model that streams. */
export function scriptedWorkers(runs: ScriptedRun[]): { readonly link: WorkerLink; readonly streamLink: WorkerLink } {
  const run = <Result>(result: () => Result): Promise<Result> =>
    new Promise((resolve, reject) => runs.push({ finish: () => resolve(result()), fail: reject }));
  const link = {
    status: () => Promise.resolve({ rssBytes: 0 }),
    run: (tensors: readonly { readonly parts: readonly Uint8Array[] }[]) =>
      run(() => ({ outputs: tensors.map(({ parts, ...tensor }) => ({ ...tensor, name: 'y', data: Buffer.concat(parts) })), timings })),
    invoke: ({ body }: { readonly body: Buffer }) =>
      run(() => ({
        reply: { status: 200, headers: { 'content-type': 'text/plain' }, body: Buffer.from(body), isStreamed: false },
        timings,
      })),
  } as unknown as WorkerLink;
  const streamLink = { status: () => Promise.resolve({ rssBytes: 0 }), invoke: streamed } as unknown as WorkerLink;
  return { link, streamLink };
}

/** A model that answers with the `values` of its request, as a Python worker does. Null: it fails there. */
async function streamed({ body }: Payload, _replyBytesMax: number, sink: ReplySink | null): Promise<InvokeResult> {
  const { values } = JSON.parse(Buffer.from(body).toString()) as { readonly values: readonly unknown[] };
  const contentType = typeof values[0] === 'string' ? 'text/plain; charset=utf-8' : 'application/jsonl';
  const head = { status: 200, headers: { 'content-type': contentType } };
  const pieces: Buffer[] = [];
  sink?.begin(head);
  for (const value of values) {
    if (value === null) throw new PlatformError('model_failed', 'the model failed: ValueError');
    const piece = Buffer.from(typeof value === 'string' ? value : `${JSON.stringify(value)}\n`);
    if (sink === null) pieces.push(piece);
    else await sink.piece(piece);
  }
  return { reply: { ...head, body: Buffer.concat(pieces), isStreamed: sink !== null }, timings };
}
