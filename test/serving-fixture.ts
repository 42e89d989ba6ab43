/** Serving with one endpoint, a manual clock and scripted workers: records its logs, counts and charges. */
import assert from 'node:assert/strict';
import { VirtualClock } from '../src/clock.ts';
import { defaultPrices, Ledger } from '../src/costs/index.ts';
import { type EndpointConfig, functionsDefault, type VariantConfig } from '../src/deployment/index.ts';
import { openLogs, type RequestLine } from '../src/logs/index.ts';
import { Metrics } from '../src/metrics/index.ts';
import { type Profile, ServiceTable } from '../src/profiling/index.ts';
import { SeededRandom } from '../src/random.ts';
import type { ModelVersion } from '../src/registry/index.ts';
import { type WorkerLink, WorkerLost } from '../src/runtime/index.ts';
import { type InferenceOutcome, Serving } from '../src/serving/index.ts';

const signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
} as const;
const timings = { inMs: 0, runMs: 0, outMs: 0 };

export const versionOf = (number: number): ModelVersion =>
  ({ name: `m/${number}`, group: 'm', version: number, signature, batchable: true, runtime: { kind: 'onnx' } }) as unknown as ModelVersion;

export function openServingFixture({ service = [], plainLines = true }: { service?: Profile['service']; plainLines?: boolean } = {}) {
  const clock = new VirtualClock();
  const lines: RequestLine[] = [];
  const metrics = new Metrics({ processMetrics: false });
  const ledger = new Ledger(clock);
  const started: { id: string; model: string; memoryMiB: number }[] = [];
  const stopped: string[] = [];
  /** Ends the link of a worker during its run. */
  const kills = new Map<string, () => void>();
  const profile: Profile = {
    executor: 'x',
    service,
    measuredAtMs: 0,
    loadMs: 0,
    batchMax: Math.max(1, ...service.map(({ b }) => b)),
    notes: [],
  };
  const serving = new Serving({
    clock,
    random: new SeededRandom(1),
    metrics,
    ledger,
    log: openLogs(null, 'silent').platform,
    lines: {
      weightOf: (_endpoint, { isSpecial }) => (plainLines || isSpecial ? 1 : 0),
      isTraced: (requestId) => requestId === 'traced',
      write: (line) => void lines.push(line),
    },
    queueRowsMax: 100,
    serviceTable: () => new ServiceTable(profile),
    restart: () => assert.fail('no worker hangs'),
    functions: {
      prices: defaultPrices.functions,
      memoryMiBSafe: () => 2048,
      start: ({ version, memoryMiB }) => {
        const id = `f${started.length}`;
        started.push({ id, model: version.name, memoryMiB });
        return id;
      },
      stop: (id) => stopped.push(id),
    },
  });

  const ready = (id: string, functionMemoryMiB: number | null = 2048, version = versionOf(1)): void => {
    const link = {
      status: () => Promise.resolve({ rssBytes: 0 }),
      run: (tensors: readonly { readonly parts: readonly Uint8Array[] }[]) =>
        new Promise((resolve, reject) => {
          kills.set(id, () => reject(new WorkerLost('SIGKILL')));
          clock.after(10, () =>
            resolve({ outputs: tensors.map(({ parts, ...tensor }) => ({ ...tensor, name: 'y', data: Buffer.concat(parts) })), timings }),
          );
        }),
    } as unknown as WorkerLink;
    serving.attach({
      id,
      endpoint: 'e',
      variant: 'AllTraffic',
      generation: 1,
      version,
      instanceType: functionMemoryMiB === null ? 'local.1' : `function:${functionMemoryMiB}`,
      usdPerHour: functionMemoryMiB === null ? 1 : 0,
      functionMemoryMiB,
      coldStartMs: 50,
      threads: 1,
      link,
    });
  };
  /** With instances it has no functions. */
  const serve = (number: number, changes: Partial<VariantConfig> = {}, objective: EndpointConfig['objective'] = null): void => {
    const variant: VariantConfig = {
      name: 'AllTraffic',
      group: 'm',
      version: number,
      weight: 1,
      instanceCount: 0,
      instanceType: 'local.1',
      ...(changes.instanceCount === undefined ? { functions: functionsDefault } : {}),
      ...changes,
    };
    const config: EndpointConfig = { name: 'e', variants: [variant], objective, late: 'serve', timeoutMs: 60_000 };
    serving.serve({ config, generation: number, variants: [{ config: variant, version: versionOf(number) }] });
  };
  const outcomes = new Map<string, InferenceOutcome>();
  /** Returns the function that cancels it. */
  const send = (requestId: string): (() => void) => {
    const inputs = [{ name: 'x', datatype: 'FP32' as const, shape: [1, 1], data: new Uint8Array(4) }];
    return serving.invoke(serving.route('e'), { requestId, inputs, rows: 1, arrivedAtMs: clock.nowMs() }, (outcome) => {
      assert(!outcomes.has(requestId));
      outcomes.set(requestId, outcome);
    });
  };
  const pass = async (ms: number): Promise<void> => {
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
    clock.advance(ms);
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
  };
  const codeOf = (id: string): string | undefined => {
    const outcome = outcomes.get(id);
    return outcome === undefined ? undefined : outcome.ok ? 'ok' : outcome.error.code;
  };
  return { clock, serving, lines, metrics, ledger, started, stopped, kills, ready, serve, send, pass, codeOf };
}

export type ServingFixture = ReturnType<typeof openServingFixture>;
